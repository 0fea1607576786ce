//! What keeps a mistake of an API from being taken for the truth.
//!
//! An answer that is whole and says too little cannot be told from a change: an object that is missing has to be missing
//! twice, and where more than half of a kind has gone somebody has to agree, or it has to be said three times.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use super::fetch::Fetched;
use super::kind::KINDS;
use super::seldom::SELDOM_KINDS;

/// How often the same, with more than half of a kind gone, has to be read to be believed.
const BELIEVED: u32 = 3;

/// What is remembered between two rounds, so that neither says too little.
#[derive(Debug, Default)]
pub struct Caution {
    /// There are further rounds.
    repeats: bool,
    /// Whatever has gone, has gone.
    accepts: bool,
    /// What the file has and the last round did not find: kind and id.
    missing: BTreeSet<(&'static str, String)>,
    /// What was held back, as a hash, and how often it has been read.
    held: Option<(u64, u32)>,
}

impl Caution {
    /// For one round without a next one: only a kind that shrinks by more than half is doubted, unless `accepts`.
    pub fn once(accepts: bool) -> Self {
        Self { accepts, ..Self::default() }
    }

    /// For many rounds.
    pub(super) fn of_rounds() -> Self {
        Self { repeats: true, ..Self::default() }
    }

    /// The next round is believed, whatever has gone.
    pub(super) fn accept(&mut self, accepts: bool) {
        self.accepts = accepts;
    }

    /// Nothing is missing, and nothing is held back.
    pub(super) fn is_settled(&mut self) {
        self.missing.clear();
        self.held = None;
    }

    /// Puts back what the outputs of the last round had and is missing for the first time; how many objects that is.
    pub(super) fn put_back(&mut self, fetched: &mut Fetched, before: &[Value]) -> usize {
        let missed = std::mem::take(&mut self.missing);
        if self.accepts || !self.repeats {
            return 0;
        }
        let (mut count, mut vpcs) = (0, BTreeSet::new());
        for (key, objects) in &mut fetched.lists {
            let ids = KINDS.iter().map(|kind| (kind.key, kind.id));
            let mut ids = ids.chain(SELDOM_KINDS.iter().map(|kind| (kind.key, kind.id)));
            let Some((_, named)) = ids.find(|(known, _)| known == key) else { continue };
            let there: BTreeSet<&str> = objects.iter().filter_map(|one| one[named].as_str()).collect();
            let old = before.iter().find_map(|output| output.get(*key)?.as_array());
            let mut back = Vec::new();
            for one in old.into_iter().flatten() {
                let Some(id) = one[named].as_str().filter(|id| !there.contains(id)) else { continue };
                let missing = (*key, id.to_owned());
                if !missed.contains(&missing) {
                    back.push(one.clone());
                    vpcs.extend(one["VpcId"].as_str().filter(|_| *key == "Vpcs"));
                }
                self.missing.insert(missing);
            }
            count += back.len();
            objects.extend(back);
            // in the order of the ids, as they were fetched
            objects.sort_by(|a, b| a[named].as_str().cmp(&b[named].as_str()));
        }
        let of_these = |output: &&Value| output["VpcId"].as_str().is_some_and(|vpc| vpcs.contains(vpc));
        fetched.attributes.extend(before.iter().filter(of_these).cloned());
        fetched.attributes.sort_by(|a, b| a["VpcId"].as_str().cmp(&b["VpcId"].as_str()));
        count
    }

    /// Whether `text`, from which more than half of a kind has gone, is to wait.
    pub(super) fn holds(&mut self, text: &str) -> bool {
        if self.accepts {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let digest = hasher.finish();
        let times = match self.held {
            Some((held, times)) if held == digest => times + 1,
            _ => 1,
        };
        self.held = Some((digest, times));
        !self.repeats || times < BELIEVED
    }
}

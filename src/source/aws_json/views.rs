//! One object out of several views of it: an output that was saved twice, or an object that two accounts see.
//!
//! The owner of a shared VPC and its participants describe the same VPC, subnets and interfaces (VPC guide, "Share your VPC
//! subnets with other accounts"). The view of the owner's own account holds, else that of the later file. Which account an
//! output is of is in none: `describe-vpc-endpoints` and `describe-instances` list what is the caller's own, and tell it for
//! all files of their directory.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;

use super::super::reader::{Fields, Reader};
use crate::problem::{Place, Problem};

/// What one view says of an object, fact by fact, each with its member's name.
pub(super) type Facts = Vec<(&'static str, String)>;

/// A view of an object that others may see too.
pub(super) trait Sighting {
    type Id: Copy + Eq + Hash + ToString;

    fn id(&self) -> Self::Id;
    /// Where it is, and where the outcome of several views will be noted.
    fn seen(&self) -> &Seen;
    fn seen_mut(&mut self) -> &mut Seen;
    /// What matters for DNS.
    fn facts(&self) -> Facts;
    /// What differs besides.
    fn differs_too(&self, _other: &Self) -> Option<String> {
        None
    }
}

/// Where a view was written, and whose object it shows.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) place: Place,
    /// The account that the object belongs to (`OwnerId`).
    pub(super) owner: Option<Box<str>>,
    /// Which view holds, where several differ.
    pub(super) note: Option<Arc<str>>,
}

/// The accounts of directories, as far as they are known.
#[derive(Default)]
pub(super) struct Accounts(HashMap<Box<str>, Option<Box<str>>>);

impl Seen {
    /// A view at the table `fields`.
    pub(super) fn new(reader: &Reader<'_>, fields: &Fields<'_, '_>) -> Self {
        Self { place: reader.place(fields.at), owner: fields.peek("OwnerId").map(Box::from), note: None }
    }
}

impl Accounts {
    /// Notes that the output at `place` is of `account`; two accounts in or below one directory leave it open.
    pub(super) fn note(&mut self, place: &Place, account: &str) {
        for directory in directories(place) {
            let known = self.0.entry(directory.into()).or_insert_with(|| Some(account.into()));
            if known.as_deref() != Some(account) {
                *known = None;
            }
        }
    }

    /// The account of the output at `place`: that of its directory, else of the next one above it that has any, as each
    /// command may have a directory of its own.
    pub(super) fn of(&self, place: &Place) -> Option<&str> {
        directories(place).find_map(|directory| self.0.get(directory))?.as_deref()
    }

    /// How sure it is that a view is that of the object's owner.
    fn rank(&self, seen: &Seen) -> u8 {
        match (self.of(&seen.place), seen.owner.as_deref()) {
            (Some(account), Some(owner)) if account == owner => 2,
            (Some(_), Some(_)) => 0,
            _ => 1,
        }
    }
}

/// The directory of a file and those above it.
fn directories(place: &Place) -> impl Iterator<Item = &str> {
    Path::new(&*place.file).ancestors().skip(1).filter_map(Path::to_str)
}

/// Each object once, where its first view stood; `problems` has a warning for each two views that differ.
pub(super) fn once<V: Sighting>(views: Vec<V>, accounts: &Accounts, problems: &mut Vec<Problem>) -> Vec<V> {
    let mut at: HashMap<V::Id, usize> = HashMap::with_capacity(views.len());
    let mut all: Vec<V> = Vec::with_capacity(views.len());
    for view in views {
        let Some(held) = at.get(&view.id()).and_then(|at| all.get_mut(*at)) else {
            at.insert(view.id(), all.len());
            all.push(view);
            continue;
        };
        let (is_owners, was_owners) = (accounts.rank(view.seen()), accounts.rank(held.seen()));
        let note = held.seen().note.clone();
        let other = if is_owners >= was_owners { std::mem::replace(held, view) } else { view };
        held.seen_mut().note = note;
        if let Some(differs) = difference(held, &other) {
            let why = if is_owners == was_owners { "the later one" } else { "its owner's view" };
            let id = held.id().to_string();
            let (place, left_out) = (held.seen().place.clone(), other.seen().place.clone());
            let what = format!("{id} is here otherwise than at {left_out}: {differs}; this one holds, as {why}");
            problems.push(Problem::warning(place.clone(), what, "remove the output that is out of date"));
            held.seen_mut().note = Some(format!("{id} as it is at {place}, not as at {left_out}: {why} holds").into());
        }
    }
    all
}

/// The first facts in which two views differ, in words; `None`: they say the same.
fn difference<V: Sighting>(here: &V, there: &V) -> Option<String> {
    let too = here.differs_too(there);
    let (here, there) = (here.facts(), there.facts());
    let differing = here.iter().zip(&there).filter(|(here, there)| here.1 != there.1);
    let words = |text: &str| if text.is_empty() { "missing".to_owned() } else { text.to_owned() };
    let said: Vec<String> = differing
        .take(3)
        .map(|((key, here), (_, there))| format!("{key} is {}, there {}", words(here), words(there)))
        .chain(too)
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// A list in an order of its own: outputs do not keep one.
pub(super) fn sorted<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.sort_unstable();
    items.dedup();
    items.join(", ")
}

//! What was denied, and is not asked for again for an hour.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::query::CallError;

/// What was denied is asked for again after this long.
const AGAIN: Duration = Duration::from_secs(3600);

/// By what was asked for: when it was denied, and in which words.
#[derive(Debug, Default)]
pub(super) struct Denials(BTreeMap<String, (Instant, String)>);

impl Denials {
    /// Why something is not asked for; `None`: it is.
    pub(super) fn why_not(&self, what: &str) -> Option<&str> {
        self.0.get(what).filter(|(at, _)| at.elapsed() < AGAIN).map(|(_, why)| why.as_str())
    }

    /// Notes an error, in words, if it is a denial. Says whether it is.
    pub(super) fn note(&mut self, what: &str, error: &CallError, why: &str) -> bool {
        let is_denial = error.is_denial();
        if is_denial {
            self.0.insert(what.to_owned(), (Instant::now(), why.to_owned()));
        }
        is_denial
    }

    /// Something was asked for again, whatever came of it.
    pub(super) fn forget(&mut self, what: &str) {
        self.0.remove(what);
    }

    /// Forgets what is not kept.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.0.retain(|what, _| is_kept(what));
    }

    /// Why each was denied.
    pub(super) fn reasons(&self) -> impl Iterator<Item = &String> {
        self.0.values().map(|(_, why)| why)
    }
}

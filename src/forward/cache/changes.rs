//! Names whose zone or rule changed, and when: entries from before such a change are dropped.
//!
//! Every entry carries the number of the change after which its question was asked. As long as nothing changes, that
//! is one comparison. After a change, an entry is looked at once: it holds unless its name, or one above it, is among
//! those that changed since. So publishing costs the names that changed hands, whatever the cache holds, and a reply
//! that was under way at the time is judged like one that had come in. Knows no entries.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::dns::ends;

/// Names that are remembered. Where more have changed, everything from before the last of them is dropped.
const MAX_NAMES: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(super) struct NameChanges {
    /// How many changes there have been.
    now: AtomicU64,
    names: RwLock<Names>,
}

#[derive(Default)]
struct Names {
    last: HashMap<Box<[u8]>, Last>,
    /// What is from before this change is dropped, whatever its name.
    all: u64,
}

/// The last change of a name.
#[derive(Clone, Copy, Default)]
struct Last {
    /// Of the name itself.
    at: u64,
    /// Of the name and of all below it.
    below: u64,
}

/// How much of a name changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The name alone.
    Name,
    /// The name and all below it.
    Below,
}

impl NameChanges {
    /// The number of the last change.
    pub(super) fn now(&self) -> u64 {
        self.now.load(Ordering::Acquire)
    }

    /// These names, in lower case, changed.
    pub(super) fn note<'n>(&self, extent: Extent, changed: impl IntoIterator<Item = &'n [u8]>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let next = self.now() + 1;
        for name in changed {
            let last = names.last.entry(name.into()).or_default();
            match extent {
                Extent::Name => last.at = next,
                Extent::Below => last.below = next,
            }
        }
        if names.last.len() > MAX_NAMES {
            *names = Names { last: HashMap::new(), all: next };
        }
        // while the lock is held: whoever sees the number finds the names
        self.now.store(next, Ordering::Release);
    }

    /// Everything changed.
    pub(super) fn note_all(&self) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let next = self.now() + 1;
        *names = Names { last: HashMap::new(), all: next };
        self.now.store(next, Ordering::Release);
    }

    /// The same as [`holds`](Self::holds) for another name than the entry's own, so that `seen` stays.
    pub(super) fn holds_for(&self, name: &[u8], seen: &AtomicU64) -> bool {
        self.holds(name, &AtomicU64::new(seen.load(Ordering::Relaxed)))
    }

    /// Whether nothing that concerns this lower-case name changed after the change number `seen`, which moves on.
    pub(super) fn holds(&self, name: &[u8], seen: &AtomicU64) -> bool {
        let since = seen.load(Ordering::Relaxed);
        if since == self.now() {
            return true;
        }
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let holds = since >= names.all && !names.changed_after(since, name);
        if holds {
            seen.store(self.now(), Ordering::Relaxed);
        }
        holds
    }
}

impl Names {
    fn changed_after(&self, since: u64, name: &[u8]) -> bool {
        if self.last.get(name).is_some_and(|last| last.at > since) {
            return true;
        }
        ends(name).any(|end| self.last.get(end).is_some_and(|last| last.below > since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = b"\x03www\x04corp\x07example\0";

    fn at(change: u64) -> AtomicU64 {
        AtomicU64::new(change)
    }

    #[test]
    fn only_what_changed_is_dropped() {
        let changes = NameChanges::default();
        let (before, other) = (at(changes.now()), at(changes.now()));
        changes.note(Extent::Below, [&b"\x04corp\x07example\0"[..]]);
        assert!(!changes.holds(NAME, &before));
        assert!(!changes.holds(b"\x04corp\x07example\0", &before), "the name itself");
        assert!(changes.holds(b"\x05xcorp\x07example\0", &other), "another name");
        assert!(changes.holds(b"\x07example\0", &at(0)), "a name above");
        assert_eq!(other.load(Ordering::Relaxed), changes.now(), "is not looked at again");
        assert!(changes.holds(NAME, &at(changes.now())), "what is asked after the change");
        changes.note(Extent::Below, [&b"\x03net\0"[..]]);
        assert!(!changes.holds(NAME, &before), "a later change does not hide the earlier one");
    }

    #[test]
    fn a_name_alone_or_everything() {
        let changes = NameChanges::default();
        changes.note(Extent::Name, [&b"\x04corp\x07example\0"[..]]);
        assert!(changes.holds(NAME, &at(0)) && !changes.holds(b"\x04corp\x07example\0", &at(0)));
        changes.note(Extent::Below, [&b"\0"[..]]);
        assert!(!changes.holds(NAME, &at(1)), "all is below the root");
        changes.note_all();
        assert!(!changes.holds(NAME, &at(2)) && changes.holds(NAME, &at(3)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let changes = NameChanges::default();
        let name = |number: usize| [&[8], format!("{number:08}").as_bytes(), &[0]].concat();
        for number in 0..=MAX_NAMES {
            changes.note(Extent::Below, [&*name(number)]);
        }
        assert!(changes.names.read().unwrap().last.len() <= MAX_NAMES);
        assert!(!changes.holds(&name(3), &at(2)), "what is forgotten is dropped, not kept");
        assert!(!changes.holds(NAME, &at(2)));
        assert!(changes.holds(NAME, &at(changes.now())));
    }
}

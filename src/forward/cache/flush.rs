//! Flushing the cache by name, by zone or as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::changes::Extent;
use super::{Cache, CachedReply, StoredKey};
use crate::dns::DnsName;

/// Which entries to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Those of a name, and those of others whose aliases lead to it.
    Name(DnsName),
    /// The same for a name and all below it.
    Zone(DnsName),
    /// All replies.
    All,
}

impl Cache {
    /// Drops entries, and keeps out what was asked before and is under way; returns how many went.
    pub fn flush(&self, flush: &Flush) -> usize {
        match flush {
            Flush::Name(name) => self.changes.note(Extent::Name, [name.wire()]),
            Flush::Zone(name) => self.changes.note(Extent::Below, [name.wire()]),
            Flush::All => self.changes.note_all(),
        }
        let gone = AtomicUsize::new(0);
        if let Some(entries) = &self.entries {
            entries.retain(|key, entry| {
                let goes = flush.covers(key, entry);
                gone.fetch_add(usize::from(goes), Ordering::Relaxed);
                !goes
            });
        }
        gone.into_inner()
    }
}

impl Flush {
    fn covers(&self, key: &StoredKey, entry: &Arc<CachedReply>) -> bool {
        let mut names = std::iter::once(&*key.name).chain(entry.targets());
        match self {
            Self::All => true,
            Self::Name(flushed) => names.any(|name| name == flushed.wire()),
            Self::Zone(flushed) => names.any(|name| is_at_or_below(name, flushed.wire())),
        }
    }
}

/// Whether one wire name, uncompressed and in lower case like the other, is the other or below it.
fn is_at_or_below(name: &[u8], ancestor: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > ancestor.len() {
        let Some((&len, below)) = rest.split_first() else { return false };
        rest = below.get(usize::from(len)..).unwrap_or_default();
    }
    rest == ancestor
}

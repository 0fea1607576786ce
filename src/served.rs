//! The snapshot that is served: one writer, any number of readers.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::snapshot::Snapshot;

/// Reads the snapshot that is served. Clones read the same one; none of them can change it (invariant I2).
#[derive(Clone)]
pub struct ServedSnapshot(Arc<ArcSwap<Snapshot>>);

impl ServedSnapshot {
    /// Always `snapshot`: for whoever embeds the resolver and publishes nothing.
    pub fn fixed(snapshot: Snapshot) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(snapshot)))
    }

    /// What is served now, for the moment of an answer: a thread has few of these at one time.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// What is served now, to be kept for as long as the caller likes.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}

/// Replaces the snapshot that is served; `publish` has the only one.
pub(crate) struct SnapshotWriter(ServedSnapshot);

impl SnapshotWriter {
    pub(crate) fn new(first: Snapshot) -> Self {
        Self(ServedSnapshot::fixed(first))
    }

    /// For readers.
    pub(crate) fn served(&self) -> &ServedSnapshot {
        &self.0
    }

    /// Serves `next` from here on; returns what was served before.
    pub(crate) fn replace(&mut self, next: Snapshot) -> Arc<Snapshot> {
        self.0.0.swap(Arc::new(next))
    }
}

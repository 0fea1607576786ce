//! The snapshot that is served: one writer, any number of readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

use crate::snapshot::Snapshot;

/// Reads the snapshot that is served. Clones read the same one; none of them can change it (invariant I2).
#[derive(Clone)]
pub struct ServedSnapshot(Arc<Serving>);

struct Serving {
    snapshot: ArcSwap<Snapshot>,
    /// What was served before it, where that is kept.
    previous: ArcSwapOption<Snapshot>,
    /// When it was published, in milliseconds since 1970.
    since_ms: AtomicU64,
}

impl ServedSnapshot {
    /// Always `snapshot`: for whoever embeds the resolver and publishes nothing.
    pub fn fixed(snapshot: Snapshot) -> Self {
        Self(Arc::new(Serving {
            snapshot: ArcSwap::from_pointee(snapshot),
            previous: ArcSwapOption::empty(),
            since_ms: AtomicU64::new(now_ms()),
        }))
    }

    /// What is served now, for the moment of an answer: a thread has few of these at one time.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.0.snapshot.load()
    }

    /// What is served now, to be kept for as long as the caller likes.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// What was served before the last change of what there is; `None`: nothing, or it is not kept.
    pub fn previous(&self) -> Option<Arc<Snapshot>> {
        self.0.previous.load_full()
    }

    /// When it was published.
    pub fn since(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.since_ms.load(Ordering::Relaxed))
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
        let serving = &self.0.0;
        let before = serving.snapshot.swap(Arc::new(next));
        serving.since_ms.store(now_ms(), Ordering::Relaxed);
        before
    }

    /// Keeps `previous`, or nothing, as what was served before; returns what was kept until now.
    pub(crate) fn keep(&mut self, previous: Option<Arc<Snapshot>>) -> Option<Arc<Snapshot>> {
        self.0.0.previous.swap(previous)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

//! What the server shows of itself: to HTTP, to metrics.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Counters, Exposition, Status};
use crate::forward::UpstreamLookup;
use crate::snapshot::Snapshot;

/// Adds metrics of other parts of the server.
pub type MoreMetrics = Arc<dyn Fn(&mut Exposition) + Send + Sync>;

/// The parts of the server that can be looked at.
#[derive(Clone)]
pub struct Views {
    /// The snapshot being served.
    pub snapshots: Arc<ArcSwap<Snapshot>>,
    /// How loads went.
    pub status: Arc<Status>,
    /// What has been done.
    pub counters: Arc<Counters>,
    /// What is known of others.
    pub lookup: Arc<UpstreamLookup>,
    /// Metrics of other parts, if there are any.
    pub more: Option<MoreMetrics>,
}

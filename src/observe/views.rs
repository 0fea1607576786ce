//! What the server shows of itself: to HTTP, to metrics.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use super::{Counters, Exposition, Log, QueryLogCounts, Status};
use crate::forward::UpstreamLookup;
use crate::served::ServedSnapshot;

/// Adds metrics of other parts of the server.
pub type MoreMetrics = Arc<dyn Fn(&mut Exposition) + Send + Sync>;

/// When the certificate of encrypted DNS ends (Unix time, in seconds); `None`: it does not say.
pub type CertificateEnd = Arc<dyn Fn() -> Option<i64> + Send + Sync>;

/// The parts of the server that can be looked at.
#[derive(Clone)]
pub struct Views {
    /// The snapshot being served.
    pub snapshots: ServedSnapshot,
    /// How loads went.
    pub status: Arc<Status>,
    /// What has been done.
    pub counters: Arc<Counters>,
    /// What is known of others.
    pub lookup: Arc<UpstreamLookup>,
    /// For encrypted DNS, if there is any.
    pub certificate_end: Option<CertificateEnd>,
    /// Metrics of other parts.
    pub more: Vec<MoreMetrics>,
    /// What became of questions that were to be logged.
    pub query_log: Option<Arc<QueryLogCounts>>,
    /// What can be changed.
    pub control: ServerControl,
    /// When the server started.
    pub started: Instant,
}

/// Has every account that is followed be read now, and with `true` be believed, however little is found; returns how many
/// accounts there are.
pub type BeginRounds = Arc<dyn Fn(bool) -> usize + Send + Sync>;

/// What a running server can be told.
#[derive(Clone)]
pub struct ServerControl {
    /// Asks for a load of all sources; returns at once.
    pub reload: Arc<dyn Fn() + Send + Sync>,
    /// The log, if it is this server's.
    pub log: Option<Log>,
    /// Talks to a successor on a connection that it made to the control socket; returns when the talk is over.
    pub hand_over: Arc<dyn Fn(UnixStream) + Send + Sync>,
    /// Has the accounts that are followed be read now.
    pub sync: BeginRounds,
}

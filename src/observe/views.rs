//! What the server shows of itself: to HTTP, to metrics.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use ipnet::IpNet;

use super::{Counters, Exposition, LiveAnswer, LiveQuestion, Log, QueryLogCounts, Status};
use crate::forward::UpstreamLookup;
use crate::naming::VpcId;
use crate::problem::{Fault, Problem};
use crate::served::ServedSnapshot;
use crate::snapshot::{Drill, DrillFault, Snapshot};
use crate::source::FileText;

/// Adds metrics of other parts of the server.
pub type MoreMetrics = Arc<dyn Fn(&mut Exposition) + Send + Sync>;

/// When the certificate of encrypted DNS ends (Unix time, in seconds); `None`: it does not say.
pub type CertificateEnd = Arc<dyn Fn() -> Option<i64> + Send + Sync>;

/// The addresses that are open.
pub type OpenAddresses = Arc<dyn Fn() -> Vec<SocketAddr> + Send + Sync>;

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
    /// Asks what a client would.
    pub live: AskLive,
    /// For encrypted DNS, if there is any.
    pub certificate_end: Option<CertificateEnd>,
    /// Metrics of other parts.
    pub more: Vec<MoreMetrics>,
    /// What became of questions that were to be logged.
    pub query_log: Option<Arc<QueryLogCounts>>,
    /// The addresses of DNS over UDP and TCP, as they are now.
    pub listen: OpenAddresses,
    /// What can be changed.
    pub control: ServerControl,
    /// When the server started.
    pub started: Instant,
}

/// Asks a question now, of this snapshot.
pub type AskLive = Arc<dyn Fn(Arc<Snapshot>, LiveQuestion) -> BoxFuture<'static, LiveAnswer> + Send + Sync>;

/// Has every account that is followed be read now, and with `true` be believed, however little is found; returns how many
/// accounts there are.
pub type BeginRounds = Arc<dyn Fn(bool) -> usize + Send + Sync>;

/// What is served, and what would be if the files were these and all else stayed; fails with all that is wrong with them.
pub type TriesFiles = Arc<dyn Fn(Vec<FileText>) -> Result<(Arc<Snapshot>, Snapshot), Vec<Problem>> + Send + Sync>;

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
    /// Begins and ends drills.
    pub drills: Arc<dyn RunsDrills>,
    /// What would be served if the files were others.
    pub what_if: TriesFiles,
}

/// A drill that someone asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedDrill {
    /// What is to be at fault.
    pub fault: DrillFault,
    /// Clients of these VPCs alone.
    pub vpcs: Vec<VpcId>,
    /// Clients in these networks alone.
    pub clients: Vec<IpNet>,
    /// How long, in seconds.
    pub seconds: u32,
}

/// Begins and ends drills.
pub trait RunsDrills: Send + Sync {
    /// Begins one; the fault says why not.
    fn begin(&self, wanted: WantedDrill) -> Result<Drill, Fault>;

    /// Ends the one with this number, or all; returns those that ended.
    fn end(&self, id: Option<u32>) -> Result<Vec<Drill>, Fault>;
}

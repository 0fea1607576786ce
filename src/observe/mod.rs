//! What is going on: counters for metrics, the state of the last load, why an answer is what it is, and HTTP for all.

#[cfg(feature = "server")]
mod access;
#[cfg(feature = "server")]
mod control;
mod counters;
#[cfg(feature = "server")]
mod drills;
mod durations;
#[cfg(feature = "server")]
mod explained;
#[cfg(feature = "server")]
mod exposition;
#[cfg(feature = "server")]
mod front;
#[cfg(feature = "server")]
mod guard;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod lists;
mod live;
#[cfg(feature = "server")]
mod log;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "server")]
mod page;
#[cfg(feature = "server")]
mod process;
#[cfg(feature = "server")]
mod prometheus_text;
mod query_log;
#[cfg(feature = "server")]
mod report;
mod status;
mod told;
#[cfg(feature = "server")]
mod views;

#[cfg(feature = "server")]
pub use access::HttpAccess;
#[cfg(feature = "server")]
pub use control::ControlSocket;
pub use counters::{Counters, Silence, Tally, Totals};
#[cfg(feature = "server")]
pub use drills::{DrillLine, MOST_DELAY_MS, MOST_SECONDS};
pub use durations::{Answered, WaitingQuestion};
#[cfg(feature = "server")]
pub use explained::{Explained, ExplainedSource, ExplainedUpstream};
#[cfg(feature = "server")]
pub use exposition::Exposition;
#[cfg(feature = "server")]
pub use front::{FrontLimits, serve_router};
#[cfg(feature = "server")]
pub use guard::{Browsers, GuardError, guard, requested_host};
#[cfg(feature = "server")]
pub use http::{HAND_OVER, serve_address, serve_socket};
#[cfg(feature = "server")]
pub use lists::{
    CheckReport, CheckedProblem, FilesDiff, GenerationDiff, GivenFile, NameRow, NamesPage, ZonalName, named_endpoints,
    object_counts,
};
pub use live::{LiveAnswer, LiveQuestion};
#[cfg(feature = "server")]
pub use log::{LineQueue, Log, dropped_lines};
pub use query_log::{AnsweredQuestion, QueryLog, QueryLogCounts};
#[cfg(feature = "server")]
pub use report::{CountsReport, SourceLine, StatusReport, UpstreamLine};
pub use status::{LoadReport, Status};
pub use told::ToldNames;
#[cfg(feature = "server")]
pub use views::{
    AskLive, BeginRounds, CertificateEnd, MoreMetrics, OpenAddresses, RunsDrills, ServerControl, TriesFiles, Views,
    WantedDrill,
};

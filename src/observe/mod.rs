//! What is going on: counters for metrics, the state of the last load, why an answer is what it is, and HTTP for all.

mod access;
mod control;
mod counters;
mod durations;
mod explain;
mod exposition;
mod front;
mod guard;
mod http;
mod log;
mod metrics;
mod process;
mod prometheus_text;
mod report;
mod status;
mod told;
mod views;

pub use access::HttpAccess;
pub use control::ControlSocket;
pub use counters::{Counters, Silence, Tally, Totals};
pub use durations::{Answered, WaitingQuestion};
pub use explain::{Asker, Explanation, RecordText, ToldAnswer, explain, tell};
pub use exposition::Exposition;
pub use front::{FrontLimits, serve_router};
pub use guard::{Browsers, GuardError, guard, requested_host};
pub use http::{HAND_OVER, serve_address, serve_socket};
pub use log::{LineQueue, Log, dropped_lines};
pub use report::{CountsReport, SourceLine, StatusReport, UpstreamLine};
pub use status::{LoadReport, Status};
pub use told::ToldNames;
pub use views::{CertificateEnd, MoreMetrics, ServerControl, Views};

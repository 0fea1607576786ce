//! What is going on: counters for metrics, the state of the last load, why an answer is what it is, and HTTP for all.

mod counters;
mod explain;
mod http;
mod status;

pub use counters::{Counters, Tally, Totals};
pub use explain::{Explanation, RecordText, explain};
pub use http::{MoreMetrics, Views, serve};
pub use status::{LoadReport, Status};

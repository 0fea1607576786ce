//! What is going on: counters for metrics, the state of the last load, why an answer is what it is, and HTTP for all.

mod counters;
mod explain;
mod exposition;
mod http;
mod metrics;
mod status;
mod told;
mod views;

pub use counters::{Counters, Tally, Totals};
pub use explain::{Asker, Explanation, RecordText, explain};
pub use exposition::Exposition;
pub use http::serve;
pub use status::{LoadReport, Status};
pub use told::ToldNames;
pub use views::{MoreMetrics, Views};

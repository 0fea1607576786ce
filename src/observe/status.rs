//! The state of the last load, for readiness and metrics.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::problem::Problem;
use crate::source::SourceReport;

/// How the last load went.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// When it ended.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Everything that was wrong; with an error among it the load was not published.
    pub problems: Vec<Problem>,
}

/// What readiness and metrics know about loads.
#[derive(Debug, Default)]
pub struct Status(Mutex<LoadState>);

#[derive(Debug, Default)]
struct LoadState {
    last: Option<LoadReport>,
    loads: u64,
    failures: u64,
    draining: bool,
    sources: Vec<SourceReport>,
}

impl Status {
    fn with<T>(&self, f: impl FnOnce(&mut LoadState) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note of a load.
    pub fn loaded(&self, report: LoadReport) {
        self.with(|state| {
            state.loads += 1;
            state.failures += u64::from(report.problems.iter().any(Problem::is_error));
            state.last = Some(report);
        });
    }

    /// How the last load went.
    pub fn last(&self) -> Option<LoadReport> {
        self.with(|state| state.last.clone())
    }

    /// Loads so far, and how many of them were not published.
    pub fn loads(&self) -> (u64, u64) {
        self.with(|state| (state.loads, state.failures))
    }

    /// Takes note of how the sources are.
    pub fn set_sources(&self, reports: Vec<SourceReport>) {
        self.with(|state| state.sources = reports);
    }

    /// How each source is.
    pub fn sources(&self) -> Vec<SourceReport> {
        self.with(|state| state.sources.clone())
    }

    /// The server has been told to stop.
    pub fn drain(&self) {
        self.with(|state| state.draining = true);
    }

    /// Whether the server has been told to stop.
    pub fn is_draining(&self) -> bool {
        self.with(|state| state.draining)
    }
}

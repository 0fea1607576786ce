//! `vpcedns reload`: has a running server load its sources, and says how that went.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::args::ReloadArgs;
use super::client::ServerAt;
use crate::observe::StatusReport;

/// A load of a million endpoints takes some seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at how it goes.
const BETWEEN: Duration = Duration::from_millis(20);

pub(super) fn run(args: &ReloadArgs) -> ExitCode {
    match reload(args) {
        Ok(report) if report.errors == 0 => {
            for warning in &report.problems {
                eprintln!("{warning}");
            }
            super::print(&format!("loaded: generation {}, {} endpoints\n", report.generation, report.endpoints))
        }
        Ok(report) => {
            for problem in &report.problems {
                eprintln!("{problem}");
            }
            eprintln!("not loaded: {} errors; generation {} keeps serving", report.errors, report.generation);
            ExitCode::FAILURE
        }
        Err(what) => super::fail(&what),
    }
}

fn reload(args: &ReloadArgs) -> Result<StatusReport, String> {
    let server = ServerAt::of(&args.server)?;
    let asked: serde_json::Value = serde_json::from_str(&server.ask("POST /v1/reload")?).unwrap_or_default();
    let before = asked.get("loads").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = server.ask("GET /v1/status")?;
        let report: StatusReport =
            serde_json::from_str(&report).map_err(|error| format!("the server says no status: {error}"))?;
        if report.loads > before {
            return Ok(report);
        }
        if Instant::now() > deadline {
            return Err(format!("the load takes more than {} s: see the log", PATIENCE.as_secs()));
        }
        std::thread::sleep(BETWEEN);
    }
}

//! `vpcedns health`: is a running server alive, and does it serve? For containers without a shell or curl.

use std::process::ExitCode;

use super::args::HealthArgs;
use super::client::http;

pub(super) fn run(args: &HealthArgs) -> ExitCode {
    let (path, good) = if args.serving { ("/readyz?last_good", "serving") } else { ("/healthz", "healthy") };
    match http(args.http, &format!("GET {path}"), None) {
        Ok(answer) if answer.is_ok() => super::print(&format!("{good}\n")),
        Ok(answer) => {
            eprintln!("error: http://{}{path} says {}", args.http, answer.status);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: nobody answers on http://{}{path}: {error}", args.http);
            eprintln!("  hint: `vpcedns serve` answers there when it is given the same --http (or VPCEDNS_HTTP)");
            ExitCode::FAILURE
        }
    }
}

//! `vpcedns health`: is a running server alive? For containers without a shell or curl.

use std::process::ExitCode;

use super::args::HealthArgs;
use super::client::http;

pub(super) fn run(args: &HealthArgs) -> ExitCode {
    match http(args.http, "GET /healthz", None) {
        Ok(answer) if answer.is_ok() => super::print("healthy\n"),
        Ok(answer) => {
            eprintln!("error: http://{}/healthz says {}", args.http, answer.status);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: nobody answers on http://{}/healthz: {error}", args.http);
            eprintln!("  hint: `vpcedns serve` answers there when it is given the same --http (or VPCEDNS_HTTP)");
            ExitCode::FAILURE
        }
    }
}

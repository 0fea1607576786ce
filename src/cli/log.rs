//! `vpcedns log`: changes what a running server logs.

use std::process::ExitCode;

use super::args::LogArgs;
use super::client::ServerAt;
use super::flush::escaped;

pub(super) fn run(args: &LogArgs) -> ExitCode {
    let request = format!("POST /v1/log?level={}", escaped(&args.level));
    match ServerAt::of(&args.server).and_then(|server| server.ask(&request)) {
        Ok(_) => super::print(&format!("logging {}\n", args.level)),
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}

//! `vpcedns log`: changes what a running server logs.

use std::process::ExitCode;

use super::args::LogArgs;
use super::client::ServerAt;
use super::flush::escaped;

pub(super) fn run(args: &LogArgs) -> ExitCode {
    let request = format!("POST /v1/log?level={}", escaped(&args.level));
    let said = ServerAt::of(&args.server).and_then(|server| server.ask(&request));
    super::print_or_fail(said.map(|_| format!("logging {}\n", args.level)))
}

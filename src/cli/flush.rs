//! `vpcedns flush`: has a running server ask again.

use std::process::ExitCode;

use super::args::FlushArgs;
use super::client::ServerAt;

pub(super) fn run(args: &FlushArgs) -> ExitCode {
    let what = match (&args.name, &args.zone) {
        (Some(name), _) => format!("name={}", escaped(&name.to_string())),
        (None, Some(zone)) => format!("zone={}", escaped(&zone.to_string())),
        (None, None) => "all".to_owned(),
    };
    let flushed = ServerAt::of(&args.server).and_then(|server| server.ask(&format!("POST /v1/flush?{what}")));
    let count = flushed.and_then(|body| {
        let said: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        said.get("flushed").and_then(serde_json::Value::as_u64).ok_or(body)
    });
    match count {
        Ok(1) => super::print("flushed 1 reply\n"),
        Ok(gone) => super::print(&format!("flushed {gone} replies\n")),
        Err(what) => super::fail(&what),
    }
}

/// A text as a value in a URL's query.
pub(super) fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

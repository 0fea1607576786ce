//! `vpcedns flush`: has a running server ask again.

use std::process::ExitCode;

use super::args::FlushArgs;
use super::http::request;
use crate::dns::DnsName;

pub(super) fn run(args: &FlushArgs) -> ExitCode {
    let what = match (&args.name, &args.zone) {
        (Some(name), _) => format!("name={}", escaped(name)),
        (None, Some(zone)) => format!("zone={}", escaped(zone)),
        (None, None) => "all".to_owned(),
    };
    let answer = match request(args.http, &format!("POST /v1/flush?{what}")) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("error: nobody answers on http://{}: {error}", args.http);
            eprintln!("  hint: `vpcedns serve` answers there when it is given the same --http (or VPCEDNS_HTTP)");
            return ExitCode::FAILURE;
        }
    };
    let said = serde_json::from_str::<serde_json::Value>(&answer.body).unwrap_or_default();
    match said.get("flushed").and_then(serde_json::Value::as_u64).filter(|_| answer.is_ok()) {
        Some(1) => super::print("flushed 1 reply\n"),
        Some(gone) => super::print(&format!("flushed {gone} replies\n")),
        None => {
            eprintln!("error: http://{}/v1/flush says {}: {}", args.http, answer.status, answer.body.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// A name in a URL: every octet that is no letter, digit, hyphen or dot is escaped (RFC 3986 2.1).
fn escaped(name: &DnsName) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    let escape = |octet: u8| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") };
    name.to_string().bytes().map(escape).collect()
}

//! Refuses requests that a web page makes in the name of whoever looks at it.
//!
//! A page cannot sign, but an open API asks for no signature. Browsers say where a request comes from (`Origin`, Fetch
//! metadata), and a name that a page's owner points at this machine (DNS rebinding) is in the Host header.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

use super::Refusal;

/// What browsers add and pages can neither leave out nor change (Fetch 2.2.2). Not `sec-fetch-mode`: Node.js sends it.
const FROM_BROWSERS: [&str; 2] = ["origin", "sec-fetch-site"];

/// Refuses what comes from a browser, and a Host header that is none of ours.
///
/// Ours are IP addresses, which nobody can point elsewhere; `localhost` and names below it (RFC 6761 6.3); and
/// `names`, each without a port, in any case. The port is not compared, as it may be mapped.
pub fn guard(headers: &HeaderMap, names: &[String]) -> Result<(), Refusal> {
    if let Some(name) = FROM_BROWSERS.into_iter().find(|name| headers.contains_key(*name)) {
        return Err(forbidden(format!("Requests from browsers are refused: this one has the header {name}.")));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(forbidden("A request must have one Host header."));
    };
    let host = host.to_str().ok().and_then(without_port).unwrap_or_default();
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_localhost = || {
        let name = name.to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost")
    };
    let is_configured = || names.iter().any(|ours| !ours.is_empty() && ours.eq_ignore_ascii_case(name));
    if is_address(host) || is_localhost() || is_configured() {
        return Ok(());
    }
    Err(forbidden(format!(
        "This server is not called {}: use its IP address, localhost, or a name that it is told with --ec2-host.",
        host.escape_debug()
    )))
}

/// The host of `host`, `host:80`, `[::1]` and `[::1]:80` (RFC 9110 7.2); an IPv6 address keeps its brackets.
fn without_port(text: &str) -> Option<&str> {
    let (host, port) = match text.rfind(':') {
        Some(at) if !text.ends_with(']') => text.split_at_checked(at)?,
        _ => (text, ""),
    };
    port.chars().skip(1).all(|c| c.is_ascii_digit()).then_some(host)
}

fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => inside.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        None => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
    }
}

fn forbidden(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(403, "UnauthorizedOperation", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn hosts_of_ours_pass() {
        let names = ["ec2.corp.example".to_owned(), String::new()];
        for (host, passes) in [
            ("127.0.0.1:4566", true),
            ("192.0.2.7", true),
            ("[::1]:4566", true),
            ("[::1]", true),
            ("localhost", true),
            ("LOCALHOST:4566", true),
            ("ec2.localhost:80", true),
            ("localhost.", true),
            ("ec2.corp.example", true),
            ("EC2.Corp.Example.:4566", true),
            ("ec2.us-east-1.amazonaws.com", false),
            ("evil.example", false),
            ("evillocalhost", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("ec2.corp.example.evil.example", false),
            ("evil.example:127.0.0.1", false),
            ("[::1].evil.example", false),
            ("[127.0.0.1]", false),
            ("::1", false),
            ("127.0.0.1:80x", false),
            ("0x7f000001", false),
            (".", false),
            ("", false),
        ] {
            let outcome = guard(&headers(&[("host", host)]), &names);
            assert_eq!(outcome.is_ok(), passes, "{host}: {outcome:?}");
        }
    }

    #[test]
    fn there_is_one_host() {
        assert!(guard(&headers(&[]), &[]).is_err());
        assert!(guard(&headers(&[("host", "localhost"), ("host", "localhost")]), &[]).is_err());
    }

    #[test]
    fn browsers_are_refused() {
        for (name, value) in [("origin", "null"), ("sec-fetch-site", "none")] {
            let refusal = guard(&headers(&[("host", "127.0.0.1"), (name, value)]), &[]).unwrap_err();
            assert_eq!((refusal.status, refusal.code), (403, "UnauthorizedOperation"));
            assert!(refusal.message.contains(name), "{refusal:?}");
        }
        assert!(guard(&headers(&[("host", "127.0.0.1"), ("sec-fetch-mode", "cors")]), &[]).is_ok());
    }

    #[test]
    fn the_text_names_the_host_and_the_remedy() {
        let refusal = guard(&headers(&[("host", "evil.example:4566")]), &[]).unwrap_err();
        assert_eq!(
            refusal.message,
            "This server is not called evil.example: use its IP address, localhost, or a name that it is told with \
             --ec2-host."
        );
    }
}

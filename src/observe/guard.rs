//! Whether a request over HTTP was made by a web page, or for a host that is not this server.
//!
//! A page's owner can point a name of theirs at this machine (DNS rebinding), and its script then reads what is served
//! here. Browsers say where a request comes from (`Origin`, Fetch metadata), and pages cannot choose the `Host`.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// A web page of another site made it; the header that says so.
    #[error("requests from web pages are refused: this one has the header {0}")]
    FromPage(&'static str),
    /// None, several, or one that differs from the URL's.
    #[error("a request must have one Host header")]
    Hosts,
    /// A name that is not this server's.
    #[error("this server is not called {}", .0.escape_debug())]
    NotOurs(String),
}

/// Which requests of browsers are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browsers {
    /// None.
    Refused,
    /// Those that a person or a page of this server makes.
    SameOrigin,
}

/// Refuses what a page of another site asks for, and what is asked of a host that is none of ours.
///
/// Ours are IP addresses, which nobody can point elsewhere; `localhost` and names below it (RFC 6761 6.3); and what
/// `is_ours` says of a name in lower case, without port and final dot. The port is not compared: it may be mapped.
pub fn guard(
    headers: &HeaderMap,
    uri: &Uri,
    browsers: Browsers,
    is_ours: impl Fn(&str) -> bool,
) -> Result<(), GuardError> {
    let host = host_of(headers, uri)?;
    if let Some(site) = headers.get("sec-fetch-site") {
        let same = browsers == Browsers::SameOrigin && matches!(site.as_bytes(), b"none" | b"same-origin");
        if !same {
            return Err(GuardError::FromPage("sec-fetch-site"));
        }
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        let same = browsers == Browsers::SameOrigin && authority.is_some_and(|at| at.eq_ignore_ascii_case(host));
        if !same {
            return Err(GuardError::FromPage("origin"));
        }
    }
    let bare = without_port(host).unwrap_or_default();
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    let is_localhost = name == "localhost" || name.ends_with(".localhost");
    if is_address(bare) || is_localhost || !name.is_empty() && is_ours(&name) {
        return Ok(());
    }
    Err(GuardError::NotOurs(host.to_owned()))
}

/// The host that a request is for, without its port; an IPv6 address keeps its brackets.
pub fn requested_host<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Result<&'r str, GuardError> {
    let host = host_of(headers, uri)?;
    without_port(host).ok_or_else(|| GuardError::NotOurs(host.to_owned()))
}

/// The one host that the request is for: the authority of its URL, as in HTTP/2, or its Host header (RFC 9112 3.2).
fn host_of<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Result<&'r str, GuardError> {
    let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    match (uri.authority(), hosts.next(), hosts.next()) {
        (None, Some(host), None) => Ok(host),
        (Some(authority), None, None) => Ok(authority.as_str()),
        (Some(authority), Some(host), None) if authority.as_str().eq_ignore_ascii_case(host) => Ok(host),
        _ => Err(GuardError::Hosts),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, all: &[(&'static str, &'static str)], browsers: Browsers) -> Result<(), GuardError> {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        guard(&headers, &uri.parse().unwrap(), browsers, |name| name == "dns.corp.example")
    }

    #[test]
    fn one_host_that_is_ours() {
        for (uri, hosts, passes) in [
            ("/", &[("host", "127.0.0.1:9153")][..], true),
            ("/", &[("host", "[::1]:9153")], true),
            ("/", &[("host", "LocalHost")], true),
            ("/", &[("host", "DNS.corp.example.:443")], true),
            ("/", &[("host", "evil.example")], false),
            ("/", &[("host", "dns.corp.example.evil.example")], false),
            ("/", &[("host", "")], false),
            ("/", &[], false),
            ("/", &[("host", "127.0.0.1"), ("host", "127.0.0.1")], false),
            ("https://dns.corp.example/", &[], true),
            ("https://dns.corp.example/", &[("host", "dns.corp.example")], true),
            ("https://dns.corp.example/", &[("host", "evil.example")], false),
            ("https://evil.example/", &[], false),
        ] {
            let outcome = asked(uri, hosts, Browsers::Refused);
            assert_eq!(outcome.is_ok(), passes, "{uri} {hosts:?}: {outcome:?}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        const HOST: (&str, &str) = ("host", "127.0.0.1:9153");
        for (header, same_origin) in [
            (("sec-fetch-site", "none"), true),
            (("sec-fetch-site", "same-origin"), true),
            (("sec-fetch-site", "same-site"), false),
            (("sec-fetch-site", "cross-site"), false),
            (("origin", "http://127.0.0.1:9153"), true),
            (("origin", "http://127.0.0.1"), false),
            (("origin", "http://evil.example"), false),
            (("origin", "null"), false),
        ] {
            assert_eq!(asked("/", &[HOST, header], Browsers::SameOrigin).is_ok(), same_origin, "{header:?}");
            assert_eq!(asked("/", &[HOST, header], Browsers::Refused), Err(GuardError::FromPage(header.0)));
        }
        assert_eq!(asked("/", &[HOST, ("sec-fetch-mode", "cors")], Browsers::Refused), Ok(()), "Node.js sends it");
    }
}

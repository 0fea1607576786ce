//! Refuses requests that a web page makes in the name of whoever looks at it.
//!
//! A page cannot sign, but an open API asks for no signature. Browsers say where a request comes from (`Origin`, Fetch
//! metadata), and a name that a page's owner points at this machine (DNS rebinding) is in the Host header.

use axum::http::{HeaderMap, Uri};

use super::Refusal;
use crate::observe::{Browsers, GuardError};

/// Refuses what comes from a browser, and a Host header that is none of ours: see [`crate::observe::guard`]. `names` are
/// host names of this server besides addresses and `localhost`, in any case.
pub fn guard(headers: &HeaderMap, uri: &Uri, names: &[String]) -> Result<(), Refusal> {
    let is_ours = |name: &str| names.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    crate::observe::guard(headers, uri, Browsers::Refused, is_ours).map_err(|error| match error {
        GuardError::FromPage(name) => {
            forbidden(format!("Requests from browsers are refused: this one has the header {name}."))
        }
        GuardError::Hosts => forbidden("A request must have one Host header."),
        GuardError::NotOurs(host) => forbidden(format!(
            "This server is not called {}: use its IP address, localhost, or a name that it is told with --ec2-host.",
            host.rsplit_once(':').map_or(&*host, |(name, _)| name).escape_debug()
        )),
    })
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
            let outcome = guard(&headers(&[("host", host)]), &Uri::from_static("/"), &names);
            assert_eq!(outcome.is_ok(), passes, "{host}: {outcome:?}");
        }
    }

    #[test]
    fn there_is_one_host() {
        assert!(guard(&headers(&[]), &Uri::from_static("/"), &[]).is_err());
        assert!(guard(&headers(&[("host", "localhost"), ("host", "localhost")]), &Uri::from_static("/"), &[]).is_err());
    }

    #[test]
    fn browsers_are_refused() {
        for (name, value) in [("origin", "null"), ("sec-fetch-site", "none")] {
            let refusal =
                guard(&headers(&[("host", "127.0.0.1"), (name, value)]), &Uri::from_static("/"), &[]).unwrap_err();
            assert_eq!((refusal.status, refusal.code), (403, "UnauthorizedOperation"));
            assert!(refusal.message.contains(name), "{refusal:?}");
        }
        assert!(
            guard(&headers(&[("host", "127.0.0.1"), ("sec-fetch-mode", "cors")]), &Uri::from_static("/"), &[]).is_ok()
        );
    }

    #[test]
    fn the_text_names_the_host_and_the_remedy() {
        let refusal = guard(&headers(&[("host", "evil.example:4566")]), &Uri::from_static("/"), &[]).unwrap_err();
        assert_eq!(
            refusal.message,
            "This server is not called evil.example: use its IP address, localhost, or a name that it is told with \
             --ec2-host."
        );
    }
}

//! Who may ask what over HTTP: one guard before every route.
//!
//! | | control socket | loopback address | other address |
//! |---|---|---|---|
//! | `/healthz`, and `/readyz` without detail | yes | yes | yes |
//! | what is read | yes | Host of ours, no page of another site | the same, and the token |
//! | what is changed, and what asks upstreams (`/v1/explain?live`) | yes | the same, and the token | the same, and the token |

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::guard::{Browsers, guard};
use crate::config::Secret;
use crate::problem::Fault;

/// How requests come, and what they may.
#[derive(Clone, Debug)]
pub enum HttpAccess {
    /// The control socket: the file system says who may open it.
    Socket,
    /// An address.
    Address {
        /// Whether other machines reach it.
        public: bool,
        /// Host names of this server besides addresses and `localhost`.
        hosts: Vec<String>,
        /// The bearer token (RFC 6750 2.1) that changes require; `None`: nothing is changed this way.
        token: Option<Secret>,
    },
}

impl HttpAccess {
    /// The access by an address. One that other machines reach requires a token.
    pub fn at(address: SocketAddr, hosts: Vec<String>, token: Option<Secret>) -> Result<Self, Fault> {
        let public = !address.ip().to_canonical().is_loopback();
        if public && token.is_none() {
            let what = format!("{address} can be reached from other machines, and there is no token");
            return Err(Fault::new(what, "give one with --http-token FILE, or listen on 127.0.0.1 or [::1]"));
        }
        Ok(Self::Address { public, hosts, token })
    }
}

/// Refuses what may not be asked this way, before any route sees it.
pub(super) async fn guarded(State(access): State<Arc<HttpAccess>>, request: Request, next: Next) -> Response {
    let HttpAccess::Address { public, hosts, token } = &*access else { return next.run(request).await };
    let is_ours = |name: &str| hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    let reads = matches!(*request.method(), Method::GET | Method::HEAD) && !asks_upstreams(request.uri());
    let refusal = match guard(request.headers(), request.uri(), Browsers::SameOrigin, is_ours) {
        Err(error) => {
            let text = format!("{error}: use its IP address, localhost, or a name given with --http-host\n");
            Some((StatusCode::FORBIDDEN, text).into_response())
        }
        Ok(()) if reads && !public => None,
        Ok(()) => refusal_without(token.as_ref(), request.headers()),
    };
    let Some(refusal) = refusal else { return next.run(request).await };
    match request.uri().path() {
        "/healthz" if reads => next.run(request).await,
        // whether, and not why
        "/readyz" if reads => {
            let status = next.run(request).await.status();
            (status, if status.is_success() { "ready\n" } else { "not ready\n" }).into_response()
        }
        _ => refusal,
    }
}

/// Whether a question goes out, which fills the cache and takes the time of others.
fn asks_upstreams(uri: &Uri) -> bool {
    let mut keys = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).map(|(key, _)| key);
    uri.path() == "/v1/explain" && keys.any(|key| key == "live")
}

/// The refusal of a request without the token.
fn refusal_without(token: Option<&Secret>, headers: &HeaderMap) -> Option<Response> {
    let Some(token) = token else {
        let text =
            "changes, and questions for upstreams, require the control socket (--socket), or a token (--http-token)\n";
        return Some((StatusCode::FORBIDDEN, text).into_response());
    };
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if said.is_some_and(|said| equal(said, token.reveal().as_bytes())) {
        return None;
    }
    let text = "this requires the header `Authorization: Bearer TOKEN`\n";
    Some((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response())
}

/// Compares in a time that does not depend on where they differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_requires_a_token() {
        let access = |address: &str, token: Option<&str>| {
            HttpAccess::at(address.parse().unwrap(), vec![], token.map(Secret::new))
        };
        for (address, public) in [
            ("127.0.0.1:9153", false),
            ("[::1]:9153", false),
            ("[::ffff:127.0.0.1]:9153", false),
            ("0.0.0.0:9153", true),
            ("[::]:9153", true),
            ("10.0.0.2:9153", true),
        ] {
            assert_eq!(access(address, None).is_err(), public, "{address}");
            assert!(
                matches!(access(address, Some("t")), Ok(HttpAccess::Address { public: p, .. }) if p == public),
                "{address}"
            );
        }
    }

    #[test]
    fn a_live_question_is_no_reading() {
        for (uri, asks) in [
            ("/v1/explain?name=a.example&live", true),
            ("/v1/explain?liv%65=1&name=a.example", true),
            ("/v1/explain?name=live", false),
            ("/v1/report?live", false),
            ("/v1/explain", false),
        ] {
            assert_eq!(asks_upstreams(&uri.parse().unwrap()), asks, "{uri}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        for (a, b, same) in [("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false), ("", "a", false)]
        {
            assert_eq!(equal(a.as_bytes(), b.as_bytes()), same);
        }
    }
}

//! Questions over HTTP/2, each a POST of its own, many on one connection (RFC 8484).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Uri, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::stream::{IDLE, STALLED};
use crate::budget::{Budget, Hold, SHORT};
use crate::forward::failure::Failure;
use crate::forward::query::UpstreamQuery;
use crate::model::Upstream;

/// The media type of DNS messages (RFC 8484 6).
const MESSAGE: &str = "application/dns-message";
/// Longest message (RFC 1035 4.2.2).
const MAX_MESSAGE: usize = 65_535;
/// How often a connection is looked at, whether it is idle or stalled.
const LOOK: Duration = Duration::from_secs(1);

/// An open connection; clones ask on the same one.
#[derive(Clone)]
pub(super) struct HttpsConnection {
    requests: SendRequest<Bytes>,
    uri: Uri,
    pulse: Arc<Mutex<Pulse>>,
    budget: Budget,
}

/// What the connection is judged by.
struct Pulse {
    used: Instant,
    /// When the first question was sent since something came.
    unanswered: Option<Instant>,
    open: bool,
}

impl HttpsConnection {
    /// Shakes hands on `stream`, which leads to `upstream`.
    pub(super) async fn over<S>(stream: S, upstream: &Upstream, budget: Budget) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let uri = uri(upstream)?;
        let mut builder = h2::client::Builder::new();
        let (requests, connection) = builder.enable_push(false).handshake(stream).await.map_err(failure)?;
        let pulse = Arc::new(Mutex::new(Pulse { used: Instant::now(), unanswered: None, open: true }));
        tokio::spawn({
            let pulse = Arc::clone(&pulse);
            async move {
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection to an upstream ended");
                    },
                    () = wait_for_end(&pulse) => {}
                }
                lock(&pulse).open = false;
            }
        });
        Ok(Self { requests, uri, pulse, budget })
    }

    /// Whether it takes questions.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.pulse).open
    }

    /// The reply to the query.
    pub(super) async fn ask(&self, query: &UpstreamQuery) -> Result<Vec<u8>, Failure> {
        {
            let mut pulse = lock(&self.pulse);
            pulse.used = Instant::now();
            pulse.unanswered.get_or_insert_with(Instant::now);
        }
        let octets = Bytes::copy_from_slice(query.octets());
        let request = Request::post(self.uri.clone())
            .header(header::ACCEPT, MESSAGE)
            .header(header::CONTENT_TYPE, MESSAGE)
            .header(header::CONTENT_LENGTH, octets.len())
            .body(())
            .map_err(|error| Failure::Local(error.to_string()))?;
        // waits where the other side takes no more requests at one time
        let mut requests = self.requests.clone().ready().await.map_err(failure)?;
        let (response, mut body) = requests.send_request(request, false).map_err(failure)?;
        body.send_data(octets, true).map_err(failure)?;
        let response = response.await.map_err(failure)?;
        lock(&self.pulse).unanswered = None;
        if response.status() != http::StatusCode::OK {
            return Err(Failure::Http(response.status().as_u16()));
        }
        let mut reply = Vec::new();
        let mut body = response.into_body();
        let mut hold = None;
        loop {
            let chunk = tokio::select! {
                chunk = body.data() => chunk,
                () = taken(hold.as_ref()) => return Err(Failure::NoRoom),
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(failure)?;
            if reply.len() + chunk.len() > MAX_MESSAGE {
                return Err(Failure::Malformed);
            }
            body.flow_control().release_capacity(chunk.len()).map_err(failure)?;
            reply.extend_from_slice(&chunk);
            if hold.is_none() && reply.len() > SHORT {
                // it may become as long as any
                hold = self.budget.hold(MAX_MESSAGE);
            }
        }
        Ok(reply)
    }
}

async fn taken(hold: Option<&Hold>) {
    match hold {
        Some(hold) => hold.taken().await,
        None => std::future::pending().await,
    }
}

/// Ends when nothing has been asked for a while, or nothing has come although something was asked.
async fn wait_for_end(pulse: &Mutex<Pulse>) {
    loop {
        sleep(LOOK).await;
        let pulse = lock(pulse);
        match pulse.unanswered {
            Some(since) if since.elapsed() >= STALLED => return,
            None if pulse.used.elapsed() >= IDLE => return,
            _ => {}
        }
    }
}

fn lock(pulse: &Mutex<Pulse>) -> MutexGuard<'_, Pulse> {
    pulse.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where questions are posted.
fn uri(upstream: &Upstream) -> Result<Uri, Failure> {
    let address = upstream.address;
    let authority = match &upstream.name {
        Some(name) => format!("{name}:{}", address.port()),
        None => address.to_string(),
    };
    let authority = authority.strip_suffix(":443").unwrap_or(&authority);
    let path = upstream.path.as_deref().unwrap_or("/");
    let uri = Uri::builder().scheme("https").authority(authority).path_and_query(path).build();
    uri.map_err(|error| Failure::Local(error.to_string()))
}

fn failure(error: h2::Error) -> Failure {
    if error.is_io() { error.into_io().map_or(Failure::Closed, Failure::from) } else { Failure::Closed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_the_one_that_was_given() {
        for (upstream, want) in [
            ("https://dns.example/dns-query#10.0.0.1", "https://dns.example/dns-query"),
            ("https://dns.example:8443/q?x=1#10.0.0.1", "https://dns.example:8443/q?x=1"),
            ("https://[2001:db8::1]/q", "https://[2001:db8::1]/q"),
        ] {
            assert_eq!(uri(&upstream.parse().unwrap()).unwrap().to_string(), want);
        }
    }
}

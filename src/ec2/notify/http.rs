//! Sends one request and says whether it was taken. Follows no redirect: a signature is for one place.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

/// How much of a response is read. What SNS answers has a few hundred octets.
const MAX_RESPONSE_OCTETS: usize = 64 << 10;
/// How much of an error is told, in characters.
const TOLD: usize = 300;
/// A connection that is not used for this long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// An HTTP client.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Http {
    /// A client whose requests take at most `timeout` each, connecting and the whole response included.
    ///
    /// With `tls` the certificate authorities of this machine are read; none is an error.
    pub(super) fn new(timeout: Duration, connections: usize, tls: bool) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?;
        let config =
            if tls { config.with_native_roots()? } else { config.with_root_certificates(RootCertStore::empty()) };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(connections)
            .build(connector);
        Ok(Self { client, timeout })
    }

    /// Sends `request`; the error says why it was not taken, on one line.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<(), String> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| chain(&error))?;
            let status = response.status();
            // read to its end, so that the connection can be used again
            let body = Limited::new(response.into_body(), MAX_RESPONSE_OCTETS).collect().await;
            if status.is_success() {
                return Ok(());
            }
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Err(format!("{status}: {}", one_line(&String::from_utf8_lossy(&body))))
        };
        let outcome = tokio::time::timeout(self.timeout, exchange).await;
        outcome.unwrap_or_else(|_| Err(format!("no response within {} ms", self.timeout.as_millis())))
    }
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    one_line(&text)
}

/// Words with one space between, and nothing that a terminal would act on.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(TOLD).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

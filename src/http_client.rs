//! The HTTP client of what this process sends: notifications, and calls to AWS. Follows no redirect: a signature is for
//! one place.

mod egress;
mod host_lookup;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::USER_AGENT;
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use egress::EgressConnector;
pub use egress::{Egress, bundle, system_roots};
pub use host_lookup::HostLookup;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("vpcedns/", env!("CARGO_PKG_VERSION")));
/// How much of the response to a delivery is read. What SNS answers has a few hundred octets.
const MAX_RESPONSE_OCTETS: usize = 64 << 10;
/// How much of an error is told, in characters.
const TOLD: usize = 300;
/// A connection that is not used for this long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// An HTTP client.
pub struct HttpClient {
    client: Client<HttpsConnector<EgressConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl HttpClient {
    /// A client whose requests take at most `timeout` each, connecting and the whole response included.
    ///
    /// With `tls` the certificate authorities are read; none is an error.
    pub fn new(timeout: Duration, connections: usize, tls: bool, egress: &Egress) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| error.to_string())?;
        let roots = if tls { egress.roots()? } else { RootCertStore::empty() };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_root_certificates(roots).with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(egress.connector(timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(connections)
            .build(connector);
        Ok(Self { client, timeout })
    }

    /// Sends `request`; the error says why it was not taken, on one line.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<(), String> {
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
        self.in_time(exchange).await
    }

    /// Sends `request` and returns the status and the whole body, whatever the status is. A body that is cut short or
    /// longer than `most` octets is an error.
    pub async fn fetch(&self, request: Request<Full<Bytes>>, most: usize) -> Result<(StatusCode, Bytes), String> {
        let response = self.fetch_response(request, most).await?;
        Ok((response.status(), response.into_body()))
    }

    /// The same, with the headers.
    pub async fn fetch_response(&self, request: Request<Full<Bytes>>, most: usize) -> Result<Response<Bytes>, String> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| chain(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, most).collect().await.map_err(|error| chain(&*error))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        self.in_time(exchange).await
    }

    async fn in_time<T>(&self, exchange: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let outcome = tokio::time::timeout(self.timeout, exchange).await;
        outcome.unwrap_or_else(|_| Err(format!("no response within {} ms", self.timeout.as_millis())))
    }
}

/// An absolute URL without a name and password in it.
pub fn absolute_url(text: &str) -> Result<Uri, String> {
    let wrong = |what: &str| format!("{what}: give a URL such as http://127.0.0.1:4566 or https://sns.example");
    let url: Uri = text.parse().map_err(|error| wrong(&format!("no URL ({error})")))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => Ok(url),
        (Some("http" | "https"), Some(_)) => Err(wrong("a URL with a name or password in it, which is not taken")),
        _ => Err(wrong("no URL that begins with http:// or https:// and a host")),
    }
}

/// The Host header, without the scheme's own port, as every signer writes it.
pub fn host_header(url: &Uri) -> Result<HeaderValue, String> {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let default = if url.scheme() == Some(&Scheme::HTTPS) { ":443" } else { ":80" };
    let host = authority.strip_suffix(default).unwrap_or(authority);
    HeaderValue::from_str(host).map_err(|error| error.to_string())
}

/// A POST of `body` with `headers`, to be sent as it was signed.
pub fn post(url: Uri, headers: HeaderMap, body: String) -> Request<Full<Bytes>> {
    request_of(Method::POST, url, headers, body)
}

/// A request with `headers`, to be sent as it was signed.
pub fn request_of(method: Method, url: Uri, headers: HeaderMap, body: String) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = url;
    *request.headers_mut() = headers;
    // not signed: proxies change it
    request.headers_mut().insert(USER_AGENT, AGENT);
    request
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
pub fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(TOLD).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_signers_write_them() {
        for (text, expected) in [
            ("http://x", "x"),
            ("http://x:80/", "x"),
            ("https://x:80", "x:80"),
            ("https://x:443", "x"),
            ("http://[::1]:4566", "[::1]:4566"),
        ] {
            assert_eq!(host_header(&absolute_url(text).unwrap()).unwrap(), expected);
        }
    }
}

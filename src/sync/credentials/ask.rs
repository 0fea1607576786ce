//! How services that issue credentials are asked.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, StatusCode, Uri};
use http_body_util::Full;

use super::super::environment::Environment;
use super::super::query::{CallError, retried};
use crate::http_client::{HttpClient, one_line};

/// Most octets of an answer: credentials have about two thousand.
const MAX_ANSWER: usize = 256 << 10;
/// How long a service of AWS has for one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a service of AWS is asked before it has failed.
pub(super) const ATTEMPTS: u32 = 3;

/// A client of AWS's own services, by the way out that the environment names.
pub(super) fn client_of_aws(url: &Uri, environment: &Environment) -> Result<HttpClient, String> {
    HttpClient::new(TIMEOUT, 1, is_https(url), &environment.egress()?)
}

/// A client of what is on this machine or beside it.
pub(super) fn client_nearby(url: &Uri, timeout: Duration, environment: &Environment) -> Result<HttpClient, String> {
    HttpClient::new(timeout, 1, is_https(url), &environment.egress_nearby())
}

fn is_https(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

/// The status and the body. What may pass is tried again: no answer, an error of the server, too many requests.
pub(super) async fn fetched(
    http: &HttpClient,
    attempts: u32,
    request: &Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), String> {
    let attempt = || async {
        let (status, body) =
            http.fetch(request.clone(), MAX_ANSWER).await.map_err(|why| (CallError::Failed(why), true))?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err((CallError::Failed(told(status, &body)), true));
        }
        Ok((status, body))
    };
    retried(attempts, attempt).await.map_err(|error| error.to_string())
}

/// What an answer says that is an error: its status and its text, which is no secret.
pub(super) fn told(status: StatusCode, body: &[u8]) -> String {
    match one_line(&String::from_utf8_lossy(body)) {
        text if text.is_empty() => status.to_string(),
        text => format!("{status}: {text}"),
    }
}

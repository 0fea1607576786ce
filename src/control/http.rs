//! HTTP of the API: a form in, XML out.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::call::Caller;
use super::engine::Engine;
use super::error::ApiError;
use super::xml::Xml;
use crate::naming::Region;

/// Most octets of a request: EC2's own bound on a form is of this size.
const BODY: usize = 1 << 20;
/// The account of everybody where no access keys are configured.
const ACCOUNT: &str = "000000000000";
/// The region of a call that does not say one.
const REGION: &str = "us-east-1";

/// Answers calls on `listener` until `stop` ends.
pub async fn serve(
    listener: tokio::net::TcpListener,
    engine: Arc<Engine>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new().fallback(call).layer(DefaultBodyLimit::max(BODY)).with_state(engine);
    axum::serve(listener, app).with_graceful_shutdown(stop).await
}

/// A call: a form as the body of a POST, or as the query of a GET.
async fn call(
    State(engine): State<Arc<Engine>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request_id = request_id();
    let form = if body.is_empty() { Bytes::from(query.unwrap_or_default()) } else { body };
    let caller = Caller { account: ACCOUNT.to_owned(), region: region(&headers) };
    let id = request_id.clone();
    // an action waits for the disk
    let done = tokio::task::spawn_blocking(move || engine.call(&form, &caller, &id)).await;
    let done = done.unwrap_or_else(|_| Err(ApiError::internal("An internal error has occurred")));
    let (status, text) = match done {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Xml::error(&error, &request_id))
        }
    };
    (status, [(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], text).into_response()
}

/// The region of a call's credential scope: `Credential=<key>/<date>/<region>/ec2/aws4_request`.
fn region(headers: &HeaderMap) -> Region {
    let scope = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let region = scope.and_then(|text| text.split_once("Credential=")).and_then(|(_, rest)| rest.split('/').nth(2));
    // the default is a region
    region.and_then(|region| region.parse().ok()).or_else(|| REGION.parse().ok()).unwrap_or_else(|| unreachable!())
}

/// A random UUID (RFC 9562 5.4).
fn request_id() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (4 << 76) | (2 << 62);
    let hex = format!("{bits:032x}");
    let mut parts = hex.as_str();
    let mut id = String::with_capacity(36);
    for length in [8, 4, 4, 4] {
        let (part, rest) = parts.split_at(length);
        id.push_str(part);
        id.push('-');
        parts = rest;
    }
    id + parts
}

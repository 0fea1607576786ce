//! Calls as they are sent, signed; that of the Query protocol is a form.

use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use super::sigv4::{self, Credentials, encode};
use crate::http_client::{host_header, request_of};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");

/// A POST of `pairs` to `url`, signed at `now` for `service` in `region`; `None` where a credential has characters that no
/// header can hold. The text says what is wrong with the URL.
pub fn signed_form<'p>(
    url: Uri,
    pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
    credentials: &Credentials,
    scope: (&str, &str),
    now: SystemTime,
) -> Result<Option<Request<Full<Bytes>>>, String> {
    let pairs = pairs.into_iter().map(|(key, value)| format!("{key}={}", encode(value.as_bytes())));
    let body = pairs.collect::<Vec<_>>().join("&");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, FORM);
    signed_request((Method::POST, url, headers, body), credentials, scope, now)
}

/// A request of that method, URL, headers and body, signed as [`signed_form`] signs; the Host header is added.
pub fn signed_request(
    (method, url, mut headers, body): (Method, Uri, HeaderMap, String),
    credentials: &Credentials,
    (region, service): (&str, &str),
    now: SystemTime,
) -> Result<Option<Request<Full<Bytes>>>, String> {
    headers.insert(HOST, host_header(&url)?);
    let request = sigv4::Request {
        method: method.as_str(),
        path: url.path(),
        query: url.query().unwrap_or_default(),
        headers: &headers,
        body: body.as_bytes(),
    };
    let Some(added) = sigv4::sign(&request, credentials, region, service, now) else { return Ok(None) };
    headers.extend(added);
    Ok(Some(request_of(method, url, headers, body)))
}

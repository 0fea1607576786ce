//! A call of the Query protocol as it is sent: a form, signed.

use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::Full;

use super::sigv4::{self, Credentials, encode};
use crate::http_client::{host_header, post};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");

/// A POST of `pairs` to `url`, signed at `now` for `service` in `region`; `None` where a credential has characters that no
/// header can hold. The text says what is wrong with the URL.
pub fn signed_form<'p>(
    url: Uri,
    pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
    credentials: &Credentials,
    (region, service): (&str, &str),
    now: SystemTime,
) -> Result<Option<Request<Full<Bytes>>>, String> {
    let pairs = pairs.into_iter().map(|(key, value)| format!("{key}={}", encode(value.as_bytes())));
    let body = pairs.collect::<Vec<_>>().join("&");
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host_header(&url)?);
    headers.insert(CONTENT_TYPE, FORM);
    let request = sigv4::Request {
        method: "POST",
        path: url.path(),
        query: url.query().unwrap_or_default(),
        headers: &headers,
        body: body.as_bytes(),
    };
    let Some(added) = sigv4::sign(&request, credentials, region, service, now) else { return Ok(None) };
    headers.extend(added);
    Ok(Some(post(url, headers, body)))
}

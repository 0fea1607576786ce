//! AWS Signature Version 4: what is signed, and with what.
//!
//! Rules: IAM User Guide, "Create a signed AWS API request". The same functions sign what the notifier sends and
//! verify what clients send, so that neither can drift. Knows no access keys and no clock.

use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use data_encoding::HEXLOWER;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256, Key};

use crate::config::Secret;
use crate::ec2::time::amz_date;

#[cfg(test)]
mod tests;

/// The one algorithm that is used.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of each credential scope.
pub const TERMINATOR: &str = "aws4_request";
/// The header with the time of signing.
pub const DATE_HEADER: HeaderName = HeaderName::from_static("x-amz-date");
/// The header with the token of temporary credentials.
pub const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-amz-security-token");
/// The parameter of a presigned request that is not signed itself.
pub const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// What a key signs for: a day, a region and a service.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// `20150830`
    pub date: &'a str,
    /// `us-east-1`
    pub region: &'a str,
    /// `ec2`
    pub service: &'a str,
}

/// An HTTP request as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`
    pub method: &'a str,
    /// The path as it is sent, without the query.
    pub path: &'a str,
    /// What follows the question mark, empty where there is none.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Who signs a request that is sent.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AKIAIOSFODNN7EXAMPLE`
    pub access_key_id: String,
    /// What is signed with.
    pub secret_access_key: Secret,
    /// The token that temporary credentials come with.
    pub session_token: Option<Secret>,
}

/// The headers that a request must have besides its own, in order to be signed at `now`.
///
/// `request` must have its Host header already; all its headers are signed. `None` where a credential has characters
/// that no header can hold.
pub fn sign(
    request: &Request<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Option<HeaderMap> {
    let time = amz_date(now);
    let scope = Scope { date: time.get(..8)?, region, service };
    let mut added = HeaderMap::new();
    added.insert(DATE_HEADER, HeaderValue::from_str(&time).ok()?);
    if let Some(token) = &credentials.session_token {
        added.insert(TOKEN_HEADER, HeaderValue::from_str(token.reveal()).ok()?);
    }
    let mut headers = request.headers.clone();
    headers.extend(added.clone());
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let text = string_to_sign(&Request { headers: &headers, ..*request }, &names, &time, scope);
    let tag = hmac::sign(&signing_key(&credentials.secret_access_key, scope), &text);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}/{region}/{service}/{TERMINATOR}, SignedHeaders={}, Signature={}",
        credentials.access_key_id,
        scope.date,
        names.join(";"),
        HEXLOWER.encode(tag.as_ref()),
    );
    added.insert(header::AUTHORIZATION, HeaderValue::from_str(&authorization).ok()?);
    Some(added)
}

/// True if `signature` is what `secret` makes of the request; takes the same time wherever the two differ.
///
/// `signed_headers` are in lower case, `time` is the request's own (`20150830T123600Z`).
pub fn verify(
    request: &Request<'_>,
    signed_headers: &[&str],
    time: &str,
    scope: Scope<'_>,
    secret: &Secret,
    signature: &[u8],
) -> bool {
    let text = string_to_sign(request, signed_headers, time, scope);
    hmac::verify(&signing_key(secret, scope), &text, signature).is_ok()
}

/// The parameters of a query string, percent-encoding and `+` undone, as octets.
pub fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(key), decode(value))
    })
}

/// What is percent-encoded: all but the unreserved characters (RFC 3986 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `octets` with all but the unreserved characters percent-encoded.
pub fn encode(octets: &[u8]) -> String {
    percent_encode(octets, RESERVED).to_string()
}

/// A plus means what the form decoder reads: a space.
fn decode(text: &str) -> Vec<u8> {
    percent_decode(text.replace('+', " ").as_bytes()).collect()
}

/// The key of one day, region and service.
fn signing_key(secret: &Secret, scope: Scope<'_>) -> Key {
    let first = Key::new(HMAC_SHA256, format!("AWS4{}", secret.reveal()).as_bytes());
    [scope.date, scope.region, scope.service, TERMINATOR]
        .into_iter()
        .fold(first, |key, part| Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
}

fn string_to_sign(request: &Request<'_>, signed_headers: &[&str], time: &str, scope: Scope<'_>) -> Vec<u8> {
    let hash = HEXLOWER.encode(digest(&SHA256, &canonical_request(request, signed_headers)).as_ref());
    let Scope { date, region, service } = scope;
    format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/{TERMINATOR}\n{hash}").into_bytes()
}

fn canonical_request(request: &Request<'_>, signed_headers: &[&str]) -> Vec<u8> {
    let mut out = format!("{}\n{}\n{}\n", request.method, canonical_path(request.path), canonical_query(request.query))
        .into_bytes();
    for name in signed_headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        for (at, value) in request.headers.get_all(*name).iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            canonical_value(value.as_bytes(), &mut out);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.join(";").as_bytes());
    out.push(b'\n');
    // always of the body at hand, whatever an x-amz-content-sha256 header says
    out.extend_from_slice(HEXLOWER.encode(digest(&SHA256, request.body).as_ref()).as_bytes());
    out
}

/// Dot segments and empty ones removed (RFC 3986 5.2.4), and each segment encoded once more than it was sent.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut is_directory = true;
    for segment in path.split('/') {
        is_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut out = segments.iter().fold(String::new(), |out, segment| out + "/" + &encode(segment.as_bytes()));
    if is_directory {
        out.push('/');
    }
    out
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = parameters(query)
        .filter(|(key, _)| key != SIGNATURE_PARAMETER.as_bytes())
        .map(|(key, value)| (encode(&key), encode(&value)))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

/// Without space at both ends, and with one space for several.
fn canonical_value(value: &[u8], out: &mut Vec<u8>) {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

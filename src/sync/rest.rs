//! The protocols of Route 53: REST-XML, and JSON 1.1 or REST-JSON of its Resolver and its Profiles.

use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde_json::{Map, Value};

use super::query::{Api, CallAttempt, CallError, may_pass};
use crate::ec2::auth::signed_form::signed_request;
use crate::ec2::auth::sigv4::{Credentials, encode};
use crate::http_client::one_line;

pub(super) const ROUTE53: Api = Api { service: "route53", version: "2013-04-01" };
pub(super) const RESOLVER: Api = Api { service: "route53resolver", version: "2018-04-01" };
pub(super) const PROFILES: Api = Api { service: "route53profiles", version: "2018-05-10" };

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// How a call is put.
#[derive(Clone, Debug)]
pub(super) enum RestCall {
    /// A GET of a path, with parameters in the query.
    Get { path: String, query: Vec<(&'static str, String)> },
    /// A POST of an object, the action in a header.
    Json { target: &'static str, body: Value },
}

impl RestCall {
    /// A GET below the version of Route 53: segments of the path, which are encoded here, and parameters.
    pub(super) fn get(segments: &[&str], query: Vec<(&'static str, String)>) -> Self {
        let path = segments.iter().fold(String::new(), |path, segment| path + "/" + &encode(segment.as_bytes()));
        Self::Get { path, query }
    }

    /// The call as it is sent to a service whose URL is `base`, signed for `region`.
    pub(super) fn signed(
        &self,
        base: &Uri,
        scope: (&str, &str),
        action: &str,
        credentials: &Credentials,
    ) -> Result<Request<Full<Bytes>>, String> {
        let mut headers = HeaderMap::new();
        let unsigned = match self {
            Self::Get { path, query } => {
                let pairs = query.iter().map(|(key, value)| format!("{key}={}", encode(value.as_bytes())));
                let query = pairs.collect::<Vec<_>>().join("&");
                let mark = if query.is_empty() { "" } else { "?" };
                (Method::GET, below(base, &format!("{path}{mark}{query}"))?, headers, String::new())
            }
            Self::Json { target, body } => {
                let target = HeaderValue::from_str(&format!("{target}.{action}")).map_err(|error| error.to_string())?;
                headers.insert(TARGET, target);
                headers.insert(CONTENT_TYPE, JSON);
                (Method::POST, base.clone(), headers, body.to_string())
            }
        };
        let request = signed_request(unsigned, credentials, scope, SystemTime::now())?;
        request.ok_or_else(|| "the credentials have characters that no header can hold".to_owned())
    }
}

/// `rest` below the path of a service's URL.
fn below(base: &Uri, rest: &str) -> Result<Uri, String> {
    let mut parts = base.clone().into_parts();
    let path = format!("{}{rest}", base.path().trim_end_matches('/'));
    parts.path_and_query = Some(path.parse().map_err(|error| format!("{path}: {error}"))?);
    Uri::from_parts(parts).map_err(|error| error.to_string())
}

/// What an answer in JSON says; with an error, whether asking again may help.
pub(super) fn read_json(action: &str, answer: &Response<Bytes>) -> CallAttempt<Map<String, Value>> {
    let (status, body) = (answer.status(), answer.body());
    let parsed = serde_json::from_slice::<Map<String, Value>>(body);
    if status.is_success() {
        return parsed.map_err(|error| {
            (CallError::Failed(format!("the answer to {action} is no object of JSON: {error}")), true)
        });
    }
    let said = parsed.unwrap_or_default();
    let text = |key: &str| said.get(key).and_then(Value::as_str);
    let header = answer.headers().get(ERROR_TYPE).and_then(|value| value.to_str().ok());
    let Some(code) = header.or_else(|| text("__type")).or_else(|| text("code")) else {
        let told = format!("{status}: {}", one_line(&String::from_utf8_lossy(body)));
        return Err((CallError::Failed(told), status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS));
    };
    // `namespace#Code:url`
    let code = code.rsplit('#').next().and_then(|code| code.split(':').next()).unwrap_or(code).to_owned();
    let told = one_line(text("message").or_else(|| text("Message")).unwrap_or_default());
    let passes = may_pass(status, &code);
    Err((CallError::Refused(code, told), passes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn answer(status: u16, kind: Option<&str>, body: &str) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::copy_from_slice(body.as_bytes()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer.headers_mut().extend(kind.map(|kind| (ERROR_TYPE, HeaderValue::from_str(kind).unwrap())));
        answer
    }

    /// Error shapes: Smithy, "AWS JSON 1.1 protocol" and "AWS restJson1 protocol", "Operation error serialization".
    #[test]
    fn errors_are_told_apart() {
        for (status, kind, body, code, again) in [
            (400, None, r#"{"__type":"AccessDeniedException","message":"m"}"#, "AccessDeniedException: m", false),
            (400, None, r#"{"__type":"aws.x#ThrottlingException","Message":"m"}"#, "ThrottlingException: m", true),
            (403, Some("AccessDeniedException:http://x/"), r#"{"message":"m"}"#, "AccessDeniedException: m", false),
            (500, None, r#"{"code":"InternalFailure"}"#, "InternalFailure: ", true),
            (502, None, "<html>Bad gateway", "502 Bad Gateway: <html>Bad gateway", true),
            (404, None, "not here", "404 Not Found: not here", false),
        ] {
            let (error, may_pass) = read_json("ListProfiles", &answer(status, kind, body)).unwrap_err();
            assert_eq!((error.to_string().as_str(), may_pass), (code, again), "{body}");
        }
        for body in ["", "[]", "{\"a\":", "<a/>"] {
            assert!(read_json("ListProfiles", &answer(200, None, body)).unwrap_err().1, "{body}");
        }
    }

    #[test]
    fn paths_and_queries_are_encoded() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("x"),
            session_token: None,
        };
        let call =
            RestCall::get(&["2013-04-01", "hostedzone", "Z 1", "rrset"], vec![("name", "\\052.corp.".to_owned())]);
        let base = "http://127.0.0.1:4566/x/".parse().unwrap();
        let request = call.signed(&base, ("us-east-1", "route53"), "ListResourceRecordSets", &credentials).unwrap();
        assert_eq!(request.uri(), "http://127.0.0.1:4566/x/2013-04-01/hostedzone/Z%201/rrset?name=%5C052.corp.");
        assert_eq!(request.method(), Method::GET);
    }
}

//! Calls for services that are not here, each refused in its own protocol, so that an SDK prints the reason.
//!
//! Clients with one `AWS_ENDPOINT_URL` for everything send such calls. Which service a call is for is in its credential
//! scope (SigV4) or its `X-Amz-Target`; nothing of either is verified, as nothing is carried out. The forms of errors are
//! those of the Smithy specification, "AWS protocols".

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::auth::{SERVICES, claimed_service, sigv4};
use super::error::ApiError;
use super::protocol::{CallProtocol, ERROR_TYPE, REQUEST_ID, json_error, target};
use super::xml::Xml;

const SMITHY: HeaderName = HeaderName::from_static("smithy-protocol");

/// Services whose SDKs speak REST-XML, by the names in their credential scopes.
const REST_XML: &[&str] = &["cloudfront", "s3", "s3-outposts", "s3express"];

/// How a service's errors are written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ServiceProtocol {
    /// AWS Query.
    Query,
    /// AWS REST-XML; S3 has no `ErrorResponse` around its errors.
    RestXml { wrapped: bool },
    /// AWS JSON 1.0 and 1.1: which of the two is in the content type, which comes back.
    Json(HeaderValue),
    /// AWS REST-JSON 1.
    RestJson,
    /// Smithy RPC v2 CBOR.
    Cbor,
}

/// A call for a service that is not here.
pub(super) struct ForeignCall {
    service: String,
    protocol: ServiceProtocol,
}

impl ForeignCall {
    /// What a request is if it is not for a service of ours; `None` if it may be for one.
    pub(super) fn of(head: &Parts) -> Option<Self> {
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let signed = sigv4::Request { method: head.method.as_str(), path, query, headers: &head.headers, body: b"" };
        let claimed = claimed_service(&signed);
        if claimed.as_deref().is_some_and(|service| SERVICES.contains(&service)) {
            return None;
        }
        let (target, protocol) = (target(head), CallProtocol::of(head));
        // ours are at the root, or have a target or a path of their own
        let may_be_ours = protocol != CallProtocol::Query || target.is_none() && path == "/";
        if claimed.is_none() && may_be_ours {
            return None;
        }
        let service = claimed.or_else(|| target.map(|target| service_of_target(target).to_owned()));
        let service = service.unwrap_or_else(|| "the service of this path".to_owned());
        Some(Self { protocol: ServiceProtocol::of(head, &service, target.is_some()), service })
    }

    /// Why the call is refused.
    pub(super) fn refusal(&self) -> ApiError {
        let code = match self.protocol {
            ServiceProtocol::Query => "InvalidAction",
            ServiceProtocol::RestXml { .. } => "NotImplemented",
            _ => "UnknownOperationException",
        };
        let message = format!(
            "{} is not a service of this server, which has {} only. Set AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL_STS, \
             AWS_ENDPOINT_URL_IAM, AWS_ENDPOINT_URL_ROUTE_53, AWS_ENDPOINT_URL_ROUTE53RESOLVER and AWS_ENDPOINT_URL_ROUTE53PROFILES to \
             it, and not AWS_ENDPOINT_URL.",
            self.service,
            SERVICES.join(", ")
        );
        ApiError::new(code, message)
    }

    /// An error in the service's protocol.
    pub(super) fn response(&self, error: &ApiError, request_id: &str) -> Response {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
        let (code, message) = (error.code.as_ref(), error.message.as_str());
        let id = HeaderValue::from_str(request_id).unwrap_or(HeaderValue::from_static(""));
        let (kind, body) = match &self.protocol {
            ServiceProtocol::RestXml { wrapped: false } => (XML, Xml::bare_error(error, request_id).into_bytes()),
            ServiceProtocol::Query | ServiceProtocol::RestXml { .. } => {
                (XML, Xml::error_response(error, request_id).into_bytes())
            }
            ServiceProtocol::Json(kind) => (kind.clone(), json_error(code, message).into_bytes()),
            ServiceProtocol::RestJson => {
                (HeaderValue::from_static("application/json"), json_error(code, message).into_bytes())
            }
            ServiceProtocol::Cbor => (HeaderValue::from_static("application/cbor"), cbor(code, message)),
        };
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind), (REQUEST_ID, id)]);
        match &self.protocol {
            ServiceProtocol::RestJson => {
                headers.extend(HeaderValue::from_str(code).ok().map(|code| (ERROR_TYPE, code)));
            }
            ServiceProtocol::Cbor => {
                headers.insert(SMITHY, HeaderValue::from_static("rpc-v2-cbor"));
            }
            _ => {}
        }
        (status, headers, body).into_response()
    }
}

const XML: HeaderValue = HeaderValue::from_static("text/xml");

impl ServiceProtocol {
    fn of(head: &Parts, service: &str, has_target: bool) -> Self {
        let kind = head.headers.get(header::CONTENT_TYPE);
        let kind_begins =
            |start: &str| text(&head.headers, &header::CONTENT_TYPE).is_some_and(|t| t.starts_with(start));
        if text(&head.headers, &SMITHY) == Some("rpc-v2-cbor") {
            Self::Cbor
        } else if has_target {
            let kind = kind.filter(|_| kind_begins("application/x-amz-json-1.")).cloned();
            Self::Json(kind.unwrap_or(HeaderValue::from_static("application/x-amz-json-1.1")))
        } else if REST_XML.contains(&service) {
            Self::RestXml { wrapped: !service.starts_with("s3") }
        } else if head.uri.path() == "/" && !kind_begins("application/json") {
            Self::Query
        } else {
            Self::RestJson
        }
    }
}

/// `DynamoDB` of `DynamoDB_20120810.ListTables`.
fn service_of_target(target: &str) -> &str {
    let name = target.split('.').next().unwrap_or_default();
    name.split('_').next().unwrap_or_default()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A map of two texts (RFC 8949 3.1).
fn cbor(code: &str, message: &str) -> Vec<u8> {
    let mut octets = vec![0xa2];
    for text in ["__type", code, "message", message] {
        // major type 3 with a length of two octets
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        octets.push(0x79);
        octets.extend(length.to_be_bytes());
        octets.extend(text.bytes().take(length.into()));
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    /// The protocol, status and code of the refusal of a request; `-` for a request that may be ours.
    fn refused(service: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::post(format!("http://127.0.0.1{path}"));
        if !service.is_empty() {
            let claim = format!(
                "AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature={}",
                "0".repeat(64)
            );
            request = request.header("authorization", claim).header("x-amz-date", "20150830T123600Z");
        }
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let Some(call) = ForeignCall::of(&request.body(()).unwrap().into_parts().0) else { return "-".to_owned() };
        let refusal = call.refusal();
        assert!(refusal.message.contains("AWS_ENDPOINT_URL_EC2"), "{refusal}");
        let response = call.response(&refusal, "r-1");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        format!("{} {kind} {} {}", response.status().as_u16(), refusal.code, call.service)
    }

    #[test]
    fn each_protocol_has_its_error() {
        let target = |value| [("x-amz-target", value), ("content-type", "application/x-amz-json-1.0")];
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for (service, path, headers, expected) in [
            ("ec2", "/", &form[..], "-"),
            ("sts", "/", &form[..], "-"),
            ("", "/", &form[..], "-"),
            ("sns", "/", &form[..], "400 text/xml InvalidAction sns"),
            ("s3", "/", &[][..], "400 text/xml NotImplemented s3"),
            ("s3", "/bucket/key", &[][..], "400 text/xml NotImplemented s3"),
            ("cloudfront", "/2020-05-31/distribution", &[][..], "400 text/xml NotImplemented cloudfront"),
            (
                "dynamodb",
                "/",
                &target("DynamoDB_20120810.ListTables")[..],
                "400 application/x-amz-json-1.0 UnknownOperationException dynamodb",
            ),
            (
                "",
                "/",
                &target("Logs_20140328.DescribeLogGroups")[..],
                "400 application/x-amz-json-1.0 UnknownOperationException Logs",
            ),
            (
                "ssm",
                "/",
                &[("x-amz-target", "AmazonSSM.GetParameter"), ("content-type", "application/x-amz-json-1.1")][..],
                "400 application/x-amz-json-1.1 UnknownOperationException ssm",
            ),
            ("lambda", "/2015-03-31/functions", &[][..], "400 application/json UnknownOperationException lambda"),
            ("", "/restapis", &[][..], "400 application/json UnknownOperationException the service of this path"),
            (
                "monitoring",
                "/service/GraniteServiceVersion20100801/operation/ListMetrics",
                &[("smithy-protocol", "rpc-v2-cbor")][..],
                "400 application/cbor UnknownOperationException monitoring",
            ),
        ] {
            assert_eq!(refused(service, path, headers), expected, "{service} {path}");
        }
    }

    #[test]
    fn cbor_is_a_map_of_texts() {
        assert_eq!(cbor("A", "b")[..11], *b"\xa2\x79\x00\x06__type\x79");
        assert_eq!(cbor("A", "b").len(), 1 + 4 * 3 + 6 + 1 + 7 + 1);
    }
}

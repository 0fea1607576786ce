//! The protocols of the services that are here: which one a call comes in, what it says, and how it is answered.
//!
//! ```text
//! Query     EC2, STS, IAM: a form, answered in XML
//! RestXml   Route 53: method, path and XML
//! Json      Route 53 Resolver: AWS JSON 1.1, the action in `X-Amz-Target`
//! RestJson  Route 53 Profiles: method, path and JSON
//! ```

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::action;
use super::document::DocumentCall;
use super::engine::{Answer, Engine};
use super::error::ApiError;
use super::xml::Xml;
use super::{rest, rest_json};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
pub(super) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const XML: HeaderValue = HeaderValue::from_static("text/xml;charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// What `X-Amz-Target` begins with for Route 53 Resolver (`targetPrefix` of its model).
const RESOLVER: &str = "Route53Resolver.";

/// How a call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallProtocol {
    Query,
    RestXml,
    Json,
    RestJson,
}

/// What a call says.
pub(super) enum ApiCall {
    /// A form, its action among it.
    Form(Bytes),
    /// A document.
    Document(DocumentCall),
}

impl CallProtocol {
    /// That of a request.
    pub(super) fn of(head: &Parts) -> Self {
        if rest::is_rest(head) {
            Self::RestXml
        } else if target(head).is_some_and(|target| target.starts_with(RESOLVER)) {
            Self::Json
        } else if rest_json::is_rest_json(head) {
            Self::RestJson
        } else {
            Self::Query
        }
    }

    /// What a request says.
    pub(super) fn read(self, head: &Parts, body: Bytes) -> Result<ApiCall, ApiError> {
        match self {
            Self::RestXml => rest::form_of(head, &body).map(|form| ApiCall::Form(form.into())),
            Self::Json => {
                let name = target(head).and_then(|target| target.strip_prefix(RESOLVER)).unwrap_or_default();
                action::resolver::call(name, &body).map(ApiCall::Document)
            }
            Self::RestJson => rest_json::call_of(head, &body).map(ApiCall::Document),
            Self::Query if head.method == Method::GET => {
                Ok(ApiCall::Form(form_of_query(head.uri.query().unwrap_or_default())))
            }
            Self::Query => Ok(ApiCall::Form(body)),
        }
    }

    /// The reply to a call that was carried out.
    pub(super) fn answered(self, answer: Answer, request_id: &str) -> Response {
        let Answer { body, created, .. } = answer;
        if self == Self::RestJson && body == "null" {
            return (StatusCode::NO_CONTENT, self.headers(request_id)).into_response();
        }
        let status = if created.is_some() { StatusCode::CREATED } else { StatusCode::OK };
        let mut headers = self.headers(request_id);
        let location = created.and_then(|location| HeaderValue::from_str(&location).ok());
        headers.extend(location.map(|location| (header::LOCATION, location)));
        (status, headers, body).into_response()
    }

    /// The reply to a call that was refused.
    pub(super) fn refused(self, error: ApiError, request_id: &str) -> Response {
        let error = self.in_its_words(error);
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = match self {
            Self::Query => Xml::error(&error, request_id),
            Self::RestXml => Xml::error_response(&error, request_id),
            Self::Json | Self::RestJson => json_error(&error.code, &error.message),
        };
        let mut headers = self.headers(request_id);
        let code = HeaderValue::from_str(&error.code).ok().filter(|_| self == Self::RestJson);
        headers.extend(code.map(|code| (ERROR_TYPE, code)));
        (status, headers, body).into_response()
    }

    /// An error of what all services share, which is in EC2's words, in those of the services that speak JSON (API
    /// References, "Common Errors").
    pub(super) fn in_its_words(self, error: ApiError) -> ApiError {
        if self == Self::RestXml {
            return in_words_of_route53(error);
        }
        let code = match &*error.code {
            _ if self == Self::Query => return error,
            "AuthFailure" => "UnrecognizedClientException",
            "SignatureDoesNotMatch" | "RequestExpired" => "InvalidSignatureException",
            "MissingParameter" => "MissingAuthenticationTokenException",
            "UnauthorizedOperation" => "AccessDeniedException",
            "RequestLimitExceeded" => "ThrottlingException",
            "InternalError" => "InternalServiceErrorException",
            "MalformedQueryString" => "SerializationException",
            "RequestEntityTooLarge" => "RequestEntityTooLargeException",
            "InvalidParameterValue" | "InvalidParameterCombination" => "InvalidParameterException",
            "InvalidParameter" | "ConflictingDomainExists" | "InsufficientFreeAddressesInSubnet" => {
                "InvalidRequestException"
            }
            _ => return error,
        };
        let status = if error.status == 503 { 400 } else { error.status };
        ApiError { status, code: code.into(), ..error }
    }

    fn headers(self, request_id: &str) -> HeaderMap {
        let kind = match self {
            Self::Query | Self::RestXml => XML,
            Self::Json => JSON,
            Self::RestJson => HeaderValue::from_static("application/json"),
        };
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        headers.extend(HeaderValue::from_str(request_id).ok().map(|id| (REQUEST_ID, id)));
        headers
    }
}

/// The same for Route 53, whose model has one code for all that is wrong with a call's members.
fn in_words_of_route53(error: ApiError) -> ApiError {
    let (status, code) = match &*error.code {
        "MissingParameter"
        | "UnknownParameter"
        | "InvalidParameter"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "InvalidCharacter"
        | "MalformedQueryString" => (400, "InvalidInput"),
        "RequestLimitExceeded" if error.status == 400 => (400, "InvalidInput"),
        "RequestLimitExceeded" => (400, "Throttling"),
        _ => return error,
    };
    ApiError { status, code: code.into(), ..error }
}

impl ApiCall {
    /// An error as its service words it.
    pub(super) fn in_its_words(&self, error: ApiError) -> ApiError {
        match self {
            Self::Form(_) => error,
            Self::Document(_) => CallProtocol::Json.in_its_words(error),
        }
    }

    /// The action that it names.
    pub(super) fn action(&self) -> Option<String> {
        match self {
            Self::Form(form) => value(form, "Action"),
            Self::Document(call) => Some(call.action().name.to_owned()),
        }
    }

    /// Whether it can change anything.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Form(form) => value(form, "Action").is_some_and(|action| Engine::changes(&action)),
            Self::Document(call) => call.action().writes,
        }
    }

    /// The ids that it names: `VpcId`, `VpcEndpointId.1`.
    pub(super) fn ids(&self) -> Vec<String> {
        match self {
            Self::Form(form) => ids(form),
            Self::Document(call) => call.ids(),
        }
    }
}

/// `Route53Resolver.CreateResolverRule`
pub(super) fn target(head: &Parts) -> Option<&str> {
    head.headers.get(TARGET).and_then(|value| value.to_str().ok())
}

/// The body of an error in a protocol of JSON.
pub(super) fn json_error(code: &str, message: &str) -> String {
    // both spellings are read by SDKs
    json!({ "__type": code, "message": message, "Message": message }).to_string()
}

/// The parameters of a call that comes as a URL: those of its signature are not the action's.
fn form_of_query(query: &str) -> Bytes {
    let parameters: Vec<&str> = query.split('&').filter(|parameter| !parameter.starts_with("X-Amz-")).collect();
    Bytes::from(parameters.join("&"))
}

/// The first value of a parameter. One that comes twice is refused later.
fn value(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn ids(form: &[u8]) -> Vec<String> {
    let is_id = |key: &str| key.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').ends_with("Id");
    form_urlencoded::parse(form).filter(|(key, _)| is_id(key)).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn the_ids_of_a_call_are_found() {
        let form = b"Action=DeleteVpcEndpoints&VpcEndpointId.1=vpce-1&VpcEndpointId.12=vpce-2&ServiceId=s&Filter.1.Name=vpc-id";
        assert_eq!(ids(form), ["vpce-1", "vpce-2", "s"]);
        assert_eq!(value(form, "Action").as_deref(), Some("DeleteVpcEndpoints"));
    }

    #[test]
    fn a_signed_url_is_a_form() {
        let form = form_of_query("Action=DescribeVpcs&X-Amz-Date=1&Version=2016-11-15&X-Amz-Signature=a");
        assert_eq!(form, "Action=DescribeVpcs&Version=2016-11-15");
    }

    #[test]
    fn a_call_is_read_in_its_protocol() {
        for (method, path, target, protocol, action) in [
            ("POST", "/", "", CallProtocol::Query, "-"),
            ("GET", "/?Action=DescribeVpcs", "", CallProtocol::Query, "DescribeVpcs"),
            ("GET", "/2013-04-01/hostedzone", "", CallProtocol::RestXml, "ListHostedZones"),
            ("POST", "/", "Route53Resolver.ListResolverRules", CallProtocol::Json, "ListResolverRules"),
            ("POST", "/", "Route53Resolver.NoSuchCall", CallProtocol::Json, "UnknownOperationException"),
            ("POST", "/", "Route53Resolver.", CallProtocol::Json, "UnknownOperationException"),
            ("GET", "/profiles", "", CallProtocol::RestJson, "ListProfiles"),
            ("POST", "/", "DynamoDB_20120810.ListTables", CallProtocol::Query, "-"),
        ] {
            let head = Request::builder().method(method).uri(path).header(TARGET, target).body(()).unwrap();
            let (head, ()) = head.into_parts();
            let body = if protocol == CallProtocol::Json { "{}" } else { "" };
            let (found, read) = (CallProtocol::of(&head), CallProtocol::of(&head).read(&head, body.into()));
            let said = match read {
                Ok(call) => call.action().unwrap_or_else(|| "-".to_owned()),
                Err(error) => error.code.into_owned(),
            };
            assert_eq!((found, &*said), (protocol, action), "{method} {path} {target}");
        }
    }

    #[test]
    fn an_error_is_in_the_words_of_its_protocol() {
        for (code, status, expected, sent) in [
            ("UnauthorizedOperation", 403, "AccessDeniedException", 403),
            ("RequestLimitExceeded", 503, "ThrottlingException", 400),
            ("InternalError", 500, "InternalServiceErrorException", 500),
            ("ResourceNotFoundException", 400, "ResourceNotFoundException", 400),
        ] {
            let error = CallProtocol::Json.in_its_words(ApiError { status, ..ApiError::new(code, "m") });
            assert_eq!((&*error.code, error.status), (expected, sent));
            let reply = CallProtocol::Json.refused(error, "r-1");
            assert_eq!(reply.headers()["content-type"], "application/x-amz-json-1.1");
            assert_eq!(reply.headers()["x-amzn-requestid"], "r-1");
        }
    }
}

//! Credentials of an EC2 instance's profile, by IMDSv2 (EC2 User Guide, "Use the Instance Metadata Service").
//!
//! The first version, without a token, is not asked: what can be made to send a GET could read credentials by it.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use serde::Deserialize;

use super::super::environment::Environment;
use super::super::profile::AwsProfile;
use super::ask::{client_nearby, fetched, told};
use super::issued::{CredentialError, Issued};
use crate::http_client::{HttpClient, absolute_url, one_line};

/// The service's addresses.
const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// How long a session's token is good, in seconds: the longest there is.
const TOKEN_TTL: HeaderValue = HeaderValue::from_static("21600");
/// How long one request may take where nothing else is said (botocore, `metadata_service_timeout`).
const TIMEOUT: Duration = Duration::from_secs(1);
/// Longest name of a role (IAM User Guide, "IAM and AWS STS quotas").
const MAX_ROLE: usize = 64;

/// Where the metadata service is, and how patiently it is asked.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    base: String,
    timeout: Duration,
    attempts: u32,
}

/// What comes in place of credentials, with status 200.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetadataRefusal {
    code: String,
    message: Option<String>,
}

impl Metadata {
    /// As the environment says, or the profile; `None` where it is disabled.
    pub(super) fn of(environment: &Environment, profile: &AwsProfile) -> Result<Option<Self>, CredentialError> {
        if environment.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|said| said.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let either = |name: &str| {
            environment.variable(name).or_else(|| profile.value(&name.strip_prefix("AWS_")?.to_ascii_lowercase()))
        };
        let number = |name: &str, usual: u32| match either(name) {
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| (1..=60).contains(number))
                .ok_or_else(|| CredentialError::new(format!("{name} is '{text}'"), "give a number from 1 to 60")),
            None => Ok(usual),
        };
        let is_ipv6 =
            either("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let base = either(name).unwrap_or(if is_ipv6 { IPV6 } else { IPV4 });
        absolute_url(base).map_err(|why| {
            CredentialError::new(format!("{name} is {why}"), "unset it where the service is at its own address")
        })?;
        Ok(Some(Self {
            base: base.trim_end_matches('/').to_owned(),
            timeout: Duration::from_secs(number("AWS_METADATA_SERVICE_TIMEOUT", TIMEOUT.as_secs() as u32)?.into()),
            attempts: number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", 1)?,
        }))
    }

    /// Asks for a token, for the instance's role, and for its credentials.
    pub(super) async fn fetch(&self, environment: &Environment) -> Result<Issued, CredentialError> {
        let wrong =
            |what: String, hint: &str| CredentialError::new(format!("instance metadata ({}): {what}", self.base), hint);
        let is_there = "on an EC2 instance allow IMDSv2, in a container with a hop limit of 2; elsewhere give keys, a \
                        profile or a role";
        let there = |what: String| wrong(what, is_there);
        let url: Uri = self.base.parse().map_err(|_| there("is no URL".to_owned()))?;
        let http = client_nearby(&url, self.timeout, environment).map_err(there)?;
        let (status, token) =
            self.ask(&http, Method::PUT, "/latest/api/token", ("ttl-seconds", TOKEN_TTL)).await.map_err(there)?;
        if status != StatusCode::OK {
            return Err(there(format!("no token: {}", told(status, &token))));
        }
        let mut token = HeaderValue::from_bytes(&token).map_err(|_| there("the token is no text".to_owned()))?;
        token.set_sensitive(true);
        let (status, roles) = self.ask(&http, Method::GET, ROLES, ("", token.clone())).await.map_err(there)?;
        let role = str::from_utf8(&roles).ok().and_then(|text| text.lines().next()).map(str::trim).unwrap_or_default();
        if status == StatusCode::NOT_FOUND || (status == StatusCode::OK && role.is_empty()) {
            return Err(wrong("the instance has no role".to_owned(), "attach an instance profile"));
        }
        // a name that could lead to another path is no role's
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"+=,.@_-".contains(&octet);
        if status != StatusCode::OK || role.len() > MAX_ROLE || !role.bytes().all(is_name) {
            return Err(there(format!("no role: {}", told(status, &roles))));
        }
        let (status, body) =
            self.ask(&http, Method::GET, &format!("{ROLES}{role}"), ("", token)).await.map_err(there)?;
        if status != StatusCode::OK {
            return Err(there(format!("role {role}: {}", told(status, &body))));
        }
        if let Ok(MetadataRefusal { code, message }) = serde_json::from_slice(&body)
            && code != "Success"
        {
            let what = one_line(&format!("role {role}: {code}: {}", message.unwrap_or_default()));
            return Err(wrong(what, "the trust policy of the role has to allow ec2.amazonaws.com"));
        }
        Issued::from_json(&body).map_err(|why| there(format!("role {role}: the answer {why}")))
    }

    async fn ask(
        &self,
        http: &HttpClient,
        method: Method,
        path: &str,
        (header, value): (&str, HeaderValue),
    ) -> Result<(StatusCode, Bytes), String> {
        let name = if header.is_empty() {
            "x-aws-ec2-metadata-token".to_owned()
        } else {
            format!("x-aws-ec2-metadata-token-{header}")
        };
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base)).header(name, value);
        let request = request.body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
        fetched(http, self.attempts, &request).await
    }
}

//! Credentials of a role, by STS in the region that is read (STS API Reference, AssumeRole and AssumeRoleWithWebIdentity).

use std::path::PathBuf;

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, Uri};
use form_urlencoded::Serializer;

use super::super::environment::Environment;
use super::super::query::{CallError, STS, read_answer, retried, signed_call};
use super::super::service_urls::ServiceUrls;
use super::super::xml::Element;
use super::ask::{ATTEMPTS, client_of_aws};
use super::issued::{CredentialError, Issued};
use crate::ec2::auth::sigv4::Credentials;
use crate::http_client::{HttpClient, host_header, post};
use crate::naming::Region;

/// What a session is called in CloudTrail where nobody says.
const SESSION: &str = "vpcedns";
/// Most octets of an answer.
const MAX_ANSWER: usize = 256 << 10;

/// A role that is assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssumedRole {
    /// `arn:aws:iam::111122223333:role/network-reader`
    pub arn: String,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// What the session is called; `None`: `vpcedns`.
    pub session_name: Option<String>,
    /// How long the session lasts, in seconds; `None`: an hour.
    pub duration_seconds: Option<String>,
}

/// A role that is assumed with a token of an identity provider: EKS writes one for a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebIdentity {
    pub(super) role: AssumedRole,
    pub(super) token_file: PathBuf,
}

/// Where STS is, and how it is reached.
pub(super) struct Sts {
    http: HttpClient,
    url: Uri,
    region: Region,
}

impl Sts {
    pub(super) fn new(
        endpoints: &ServiceUrls,
        region: &Region,
        environment: &Environment,
    ) -> Result<Self, CredentialError> {
        let wrong = |what: String| CredentialError::new(format!("STS: {what}"), "see docs/sync.md, \"The way out\"");
        let url = endpoints.url(STS, region).map_err(wrong)?;
        let http = client_of_aws(&url, environment).map_err(wrong)?;
        Ok(Self { http, url, region: region.clone() })
    }

    /// Assumes `role` as the owner of `credentials`.
    pub(super) async fn assume(
        &self,
        role: &AssumedRole,
        credentials: &Credentials,
    ) -> Result<Issued, (CredentialError, Option<String>)> {
        let action = "AssumeRole";
        let mut parameters = role_parameters(role);
        parameters.extend(role.external_id.clone().map(|id| ("ExternalId".to_owned(), id)));
        let answer = retried(ATTEMPTS, || async {
            let failed = |what: String, again: bool| (CallError::Failed(what), again);
            let request = signed_call(self.url.clone(), (STS, &self.region), action, &parameters, credentials)
                .map_err(|what| failed(what, false))?;
            let (status, body) = self.http.fetch(request, MAX_ANSWER).await.map_err(|what| failed(what, true))?;
            read_answer(action, status, &body)
        });
        let told = answer.await.and_then(|answer| issued(&answer));
        told.map_err(|error| {
            let code = if let CallError::Refused(code, _) = &error { Some(code.clone()) } else { None };
            let hint = match code.as_deref() {
                Some("AccessDenied") => {
                    "the role's trust policy has to allow the caller, with --external-id or external_id if it asks for \
                     one, and the caller's own policy sts:AssumeRole"
                }
                Some(_) => "look at the role and at the credentials that assume it",
                None => "is STS reachable? AWS_ENDPOINT_URL_STS names another, HTTPS_PROXY a way",
            };
            (CredentialError::new(format!("role {}: {action}: {error}", role.arn), hint), code)
        })
    }

    /// Assumes a role with a token, which is read anew each time.
    pub(super) async fn assume_with_token(&self, identity: &WebIdentity) -> Result<Issued, CredentialError> {
        let (action, path) = ("AssumeRoleWithWebIdentity", identity.token_file.display());
        let wrong = |what: String, hint: &str| {
            CredentialError::new(format!("web identity, role {}: {what}", identity.role.arn), hint)
        };
        let token = std::fs::read_to_string(&identity.token_file).map_err(|error| {
            wrong(format!("{path}: {error}"), "is the volume of the service account's token mounted?")
        })?;
        let form = Serializer::new(String::new())
            .extend_pairs([("Action", action), ("Version", STS.version), ("WebIdentityToken", token.trim())])
            .extend_pairs(role_parameters(&identity.role))
            .finish();
        let answer = retried(ATTEMPTS, || async {
            let failed = |what: String, again: bool| (CallError::Failed(what), again);
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host_header(&self.url).map_err(|what| failed(what, false))?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            let request = post(self.url.clone(), headers, form.clone());
            let (status, body) = self.http.fetch(request, MAX_ANSWER).await.map_err(|what| failed(what, true))?;
            read_answer(action, status, &body)
        });
        answer.await.and_then(|answer| issued(&answer)).map_err(|error| {
            let hint = match &error {
                CallError::Refused(code, _) if code == "AccessDenied" => {
                    "the role's trust policy has to allow the identity provider and the service account"
                }
                CallError::Refused(..) => "is the token of the provider that the role trusts, and still good?",
                CallError::Failed(_) => "is STS reachable? AWS_ENDPOINT_URL_STS names another, HTTPS_PROXY a way",
            };
            wrong(format!("{action}: {error}"), hint)
        })
    }
}

fn role_parameters(role: &AssumedRole) -> Vec<(String, String)> {
    let session = role.session_name.as_deref().unwrap_or(SESSION);
    let duration = role.duration_seconds.as_deref().map(|seconds| ("DurationSeconds", seconds));
    let pairs = [("RoleArn", role.arn.as_str()), ("RoleSessionName", session)].into_iter().chain(duration);
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The credentials in an answer.
fn issued(answer: &Element) -> Result<Issued, CallError> {
    let wrong = |why: &str| CallError::Failed(format!("the answer {why}"));
    let credentials = answer.find("Credentials").ok_or_else(|| wrong("has no Credentials"))?;
    let part = |name: &str| credentials.child(name).map(|child| child.text.trim()).filter(|text| !text.is_empty());
    let parts = (part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken"), part("Expiration"));
    let (Some(id), Some(secret), Some(token), Some(expires)) = parts else {
        return Err(wrong("lacks a part of the Credentials"));
    };
    Issued::temporary(id, secret, Some(token), expires).map_err(|why| wrong(&why))
}

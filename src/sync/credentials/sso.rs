//! Credentials of IAM Identity Center, by the token that `aws sso login` left behind (SDKs and Tools Reference Guide, "IAM
//! Identity Center credential provider").
//!
//! A token of an `sso-session` is renewed and written back, as the AWS CLI does; the older kind, by start URL alone, is not.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use data_encoding::HEXLOWER;
use form_urlencoded::Serializer;
use http_body_util::Full;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::environment::Environment;
use super::ask::{ATTEMPTS, client_of_aws, fetched, told};
use super::issued::{CredentialError, Issued, parse_time};
use crate::config::Secret;
use crate::ec2::time::iso8601;
use crate::http_client::{absolute_url, post};
use crate::naming::{Region, partition_of};

/// A token with less time left is renewed (botocore, `SSOTokenProvider`).
const RENEW_BEFORE: Duration = Duration::from_secs(15 * 60);

/// What a profile says of IAM Identity Center.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sso {
    /// Whose it is, for messages.
    pub(super) profile: String,
    pub(super) account: String,
    pub(super) role: String,
    pub(super) region: Region,
    /// The name of the session, else the start URL.
    pub(super) cache_key: String,
    /// Its tokens can be renewed.
    pub(super) is_session: bool,
    /// Its FIPS endpoints are asked.
    pub(super) fips: bool,
}

/// What `GetRoleCredentials` answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleAnswer {
    role_credentials: RoleCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// Milliseconds since 1970.
    expiration: u64,
}

/// What `CreateToken` answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewToken {
    access_token: String,
    expires_in: u32,
    refresh_token: Option<String>,
}

/// The cached token: a JSON object with more in it than is known here, which stays when it is renewed.
struct CachedToken {
    path: PathBuf,
    object: Map<String, Value>,
    token: Secret,
    expires: SystemTime,
}

impl Sso {
    /// Changes the token for credentials of the role.
    pub(super) async fn fetch(&self, environment: &Environment) -> Result<Issued, CredentialError> {
        let token = self.token(environment).await?;
        let again = self.login_hint();
        let wrong = |what: String| self.error(&what, &again);
        let base = self.url("portal.sso", "AWS_ENDPOINT_URL_SSO", environment)?;
        let query = Serializer::new(String::new())
            .append_pair("role_name", &self.role)
            .append_pair("account_id", &self.account)
            .finish();
        let url = format!("{}/federation/credentials?{query}", base.to_string().trim_end_matches('/'));
        let mut value =
            HeaderValue::from_str(token.reveal()).map_err(|_| wrong("the token is no header's value".to_owned()))?;
        value.set_sensitive(true);
        let request = Request::get(url).header("x-amz-sso_bearer_token", value).body(Full::new(Bytes::new()));
        let request = request.map_err(|error| wrong(error.to_string()))?;
        let http = client_of_aws(&base, environment).map_err(wrong)?;
        let reach = "is it reachable? AWS_ENDPOINT_URL_SSO names another, HTTPS_PROXY a way";
        let (status, body) =
            fetched(&http, ATTEMPTS, &request).await.map_err(|why| self.error(&format!("{base}: {why}"), reach))?;
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(wrong(format!("the token is not taken: {}", told(status, &body)))),
            _ => {
                let what = format!("role {} in {}: {}", self.role, self.account, told(status, &body));
                return Err(self.error(&what, "has the user this role there? `aws sso login` shows which there are"));
            }
        }
        let unread = || wrong("the answer is not JSON with roleCredentials".to_owned());
        let RoleAnswer { role_credentials: answer } = serde_json::from_slice(&body).map_err(|_| unread())?;
        let expires =
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(answer.expiration)).ok_or_else(unread)?;
        let issued = Issued::keys(&answer.access_key_id, &answer.secret_access_key, Some(&answer.session_token));
        Ok(Issued { expires: Some(expires), ..issued })
    }

    /// The token of the cache, renewed where that is due and can be.
    async fn token(&self, environment: &Environment) -> Result<Secret, CredentialError> {
        let cached = self.cached(environment)?;
        let left = |token: &CachedToken| token.expires.duration_since(environment.now()).unwrap_or_default();
        let due = if self.is_session { RENEW_BEFORE } else { Duration::ZERO };
        if left(&cached) > due {
            return Ok(cached.token);
        }
        let why = match self.renew(&cached, environment).await {
            Ok(token) => return Ok(token),
            Err(why) => why,
        };
        // somebody else may have renewed it: such a token can be used once
        let cached = self.cached(environment)?;
        if left(&cached) > Duration::ZERO {
            return Ok(cached.token);
        }
        Err(self.error(&format!("the token expired at {}, and {why}", iso8601(cached.expires)), &self.login_hint()))
    }

    fn cached(&self, environment: &Environment) -> Result<CachedToken, CredentialError> {
        let name = HEXLOWER.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, self.cache_key.as_bytes()).as_ref());
        let path = environment.aws_path(None, &format!("sso/cache/{name}.json"));
        let path = path.ok_or_else(|| self.error("HOME is not set, below which the token is", "set HOME"))?;
        let wrong = |what: &str| self.error(&format!("{}: {what}", path.display()), &self.login_hint());
        let text = fs::read(&path).map_err(|error| wrong(&format!("no token: {error}")))?;
        let object: Map<String, Value> = serde_json::from_slice(&text).map_err(|_| wrong("is not a JSON object"))?;
        let token = text_of(&object, "accessToken").ok_or_else(|| wrong("has no accessToken"))?;
        let expires = text_of(&object, "expiresAt").and_then(parse_time);
        let (token, expires) = (Secret::new(token), expires.ok_or_else(|| wrong("has no time in expiresAt"))?);
        Ok(CachedToken { path, object, token, expires })
    }

    /// Has IAM Identity Center renew the token, and keeps the new one. The text says why there is none.
    async fn renew(&self, cached: &CachedToken, environment: &Environment) -> Result<Secret, String> {
        let part = |key: &str| text_of(&cached.object, key);
        let parts = (part("clientId"), part("clientSecret"), part("refreshToken"));
        let (true, (Some(client), Some(secret), Some(refresh))) = (self.is_session, parts) else {
            return Err("cannot be renewed".to_owned());
        };
        if part("registrationExpiresAt").and_then(parse_time).is_none_or(|expires| expires <= environment.now()) {
            return Err("the client's registration has, too".to_owned());
        }
        let base = self.url("oidc", "AWS_ENDPOINT_URL_SSO_OIDC", environment).map_err(|error| error.what)?;
        let url = absolute_url(&format!("{}/token", base.to_string().trim_end_matches('/')))?;
        let body = serde_json::json!({
            "clientId": client, "clientSecret": secret, "grantType": "refresh_token", "refreshToken": refresh,
        });
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let http = client_of_aws(&base, environment)?;
        let failed = |why: String| format!("{base} did not renew it: {why}");
        let sent = fetched(&http, ATTEMPTS, &post(url, headers, body.to_string())).await;
        let (status, body) = sent.map_err(failed)?;
        if status != StatusCode::OK {
            return Err(failed(told(status, &body)));
        }
        let new: NewToken = serde_json::from_slice(&body).map_err(|_| failed("the answer has no token".to_owned()))?;
        let token = Secret::new(new.access_token.clone());
        if let Err(error) = keep(cached, new, environment.now()) {
            tracing::warn!("{}: the renewed token cannot be kept: {error}", cached.path.display());
        }
        Ok(token)
    }

    fn url(&self, host: &str, name: &str, environment: &Environment) -> Result<Uri, CredentialError> {
        // botocore's endpoint rules: in every partition, that of the US government too
        let fips = if self.fips { "-fips" } else { "" };
        let of_aws = || format!("https://{host}{fips}.{}.{}", self.region, partition_of(&self.region).dns_suffix);
        let named = environment.endpoint(name).and_then(|named| named.map_or_else(|| absolute_url(&of_aws()), Ok));
        named.map_err(|why| self.error(&why, "correct it, or unset it"))
    }

    fn error(&self, what: &str, hint: &str) -> CredentialError {
        CredentialError::new(format!("SSO of profile '{}': {what}", self.profile), hint)
    }

    fn login_hint(&self) -> String {
        format!("run `aws sso login --profile {}` as the user that this process runs as", self.profile)
    }
}

fn text_of<'o>(object: &'o Map<String, Value>, key: &str) -> Option<&'o str> {
    object.get(key)?.as_str()
}

/// Writes the renewed token in place of the old one, by a rename: the AWS CLI may be reading it.
fn keep(cached: &CachedToken, new: NewToken, now: SystemTime) -> std::io::Result<()> {
    let mut object = cached.object.clone();
    let expires = now + Duration::from_secs(new.expires_in.into());
    // to the second, as the AWS CLI writes it
    let expires = iso8601(expires).split('.').next().unwrap_or_default().to_owned() + "Z";
    object.insert("accessToken".to_owned(), new.access_token.into());
    object.insert("expiresAt".to_owned(), expires.into());
    if let Some(refresh) = new.refresh_token {
        object.insert("refreshToken".to_owned(), refresh.into());
    }
    let beside = cached.path.with_extension(format!("{:016x}.tmp", rand::random::<u64>()));
    let written = write_private(&beside, Value::Object(object).to_string().as_bytes());
    written.and_then(|()| fs::rename(&beside, &cached.path)).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)
}

//! Credentials as they are issued, and why they are not.

use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::Secret;
use crate::ec2::auth::sigv4::Credentials;

/// Why there are no credentials: which step of the chain failed, with what, and what to do. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialError {
    /// The step, and what is wrong there.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl CredentialError {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.hint)
    }
}

/// Credentials, and until when they are good.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) credentials: Credentials,
    /// `None`: until somebody deletes them.
    pub(super) expires: Option<SystemTime>,
}

/// What a process prints, and what metadata services answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IssuedJson {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<String>,
}

impl Issued {
    /// Keys that are good until somebody deletes them.
    pub(super) fn keys(id: &str, secret: &str, token: Option<&str>) -> Self {
        Self { credentials: credentials(id, secret, token), expires: None }
    }

    /// Keys that expire at a time as AWS writes it (RFC 3339).
    pub(super) fn temporary(id: &str, secret: &str, token: Option<&str>, expires: &str) -> Result<Self, String> {
        let expires = parse_time(expires).ok_or("has an Expiration that is no time such as 2026-11-26T17:00:00Z")?;
        Ok(Self { credentials: credentials(id, secret, token), expires: Some(expires) })
    }

    /// Of JSON with `AccessKeyId`, `SecretAccessKey`, `Token` or `SessionToken`, and `Expiration`.
    pub(super) fn from_json(text: &[u8]) -> Result<Self, String> {
        // serde's own text would show values, which are secrets
        let read: IssuedJson =
            serde_json::from_slice(text).map_err(|_| "is not JSON with AccessKeyId and SecretAccessKey".to_owned())?;
        let IssuedJson { access_key_id: id, secret_access_key: secret, token, expiration } = read;
        match expiration {
            Some(expires) => Self::temporary(&id, &secret, token.as_deref(), &expires),
            None => Ok(Self::keys(&id, &secret, token.as_deref())),
        }
    }
}

fn credentials(id: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: token.filter(|token| !token.is_empty()).map(Secret::new),
    }
}

/// A time of RFC 3339. Caches of the AWS CLI's first version end in `UTC`.
pub(super) fn parse_time(text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |rest| format!("{rest}Z"));
    OffsetDateTime::parse(&text, &Rfc3339).ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn times_are_those_of_aws() {
        let at = UNIX_EPOCH + Duration::from_secs(1_592_388_128);
        for text in
            ["2020-06-17T10:02:08Z", "2020-06-17T10:02:08UTC", "2020-06-17T12:02:08+02:00", "2020-06-17T10:02:08.000Z"]
        {
            assert_eq!(parse_time(text), Some(at), "{text}");
        }
        for text in ["", "soon", "2020-06-17", "1592388128"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        for text in [
            r#"{"AccessKeyId": "a", "SecretAccessKey": ["hidden"]}"#,
            r#"{"AccessKeyId": "a", "SecretAccessKey": "hidden", "Token": 7}"#,
            r#"{"AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "hidden"}"#,
            r#""hidden""#,
            "hidden",
        ] {
            let why = Issued::from_json(text.as_bytes()).unwrap_err();
            assert!(!why.contains("hidden"), "{why}");
        }
        let read =
            Issued::from_json(br#"{"AccessKeyId": "a", "SecretAccessKey": "hidden", "Token": "hidden"}"#).unwrap();
        assert!(!format!("{read:?}").contains("hidden"));
    }
}

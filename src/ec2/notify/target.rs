//! Where notices go: an SNS endpoint, a webhook.

use std::fmt;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::Full;

use super::destination::Target;
use super::outbox::Delivery;
use crate::ec2::auth::signed_form::signed_form;
use crate::ec2::auth::sigv4::Credentials;
use crate::http_client::{absolute_url, host_header, post};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The places that are configured.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Where SNS is, if it is to be told.
    pub sns: Option<Sns>,
    /// The webhook, if there is one.
    pub webhook: Option<Webhook>,
}

impl Targets {
    /// The kinds that are configured: a delivery is queued for each.
    pub fn kinds(&self) -> Vec<Target> {
        let sns = self.sns.is_some().then_some(Target::Sns);
        let webhook = self.webhook.is_some().then_some(Target::Webhook);
        sns.into_iter().chain(webhook).collect()
    }

    /// True if any of them is asked over TLS.
    pub(super) fn need_tls(&self) -> bool {
        let sns = self.sns.as_ref().is_some_and(|sns| sns.endpoint.starts_with("https:"));
        sns || self.webhook.as_ref().is_some_and(|webhook| webhook.url.scheme() == Some(&Scheme::HTTPS))
    }
}

/// An SNS endpoint and who publishes there.
#[derive(Clone, Debug)]
pub struct Sns {
    /// May have `{region}` in it.
    endpoint: String,
    credentials: Credentials,
}

/// A URL that takes notices as JSON.
#[derive(Clone)]
pub struct Webhook {
    url: Uri,
}

/// Paths and queries of webhooks are often secrets.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&place(&self.url))
    }
}

impl Sns {
    /// `endpoint` is a URL; `{region}` in it becomes the region of the topic:
    /// `https://sns.{region}.amazonaws.com`. The text says what is wrong with another.
    pub fn new(endpoint: &str, credentials: Credentials) -> Result<Self, String> {
        absolute_url(&endpoint.replace("{region}", "us-east-1"))?;
        Ok(Self { endpoint: endpoint.to_owned(), credentials })
    }

    /// SNS `Publish`, by the Query protocol, signed at `now`.
    pub(super) fn request(&self, delivery: &Delivery, now: SystemTime) -> Result<Request<Full<Bytes>>, String> {
        let region = delivery.topic_arn.region();
        let url = absolute_url(&self.endpoint.replace("{region}", region))?;
        let pairs = [
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("TopicArn", delivery.topic_arn.as_str()),
            ("Subject", &delivery.subject),
            ("Message", &delivery.body),
        ];
        let request = signed_form(url, pairs, &self.credentials, (region, "sns"), now)?;
        request.ok_or_else(|| "the credentials for SNS have characters that no header can hold".to_owned())
    }
}

impl Webhook {
    /// `text` is a URL; the text says what is wrong with another.
    pub fn new(text: &str) -> Result<Self, String> {
        Ok(Self { url: absolute_url(text)? })
    }

    /// The notice as it is.
    pub(super) fn request(&self, delivery: &Delivery) -> Result<Request<Full<Bytes>>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host_header(&self.url)?);
        headers.insert(CONTENT_TYPE, JSON);
        Ok(post(self.url.clone(), headers, delivery.body.clone()))
    }
}

/// The part of a URL that may be logged.
fn place(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", url.scheme_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn credentials() -> Credentials {
        Credentials { access_key_id: "AKID".into(), secret_access_key: Secret::new("hush"), session_token: None }
    }

    #[test]
    fn urls_are_checked() {
        for good in ["http://127.0.0.1:4566", "https://sns.{region}.amazonaws.com", "http://[::1]:1/base/?a=b"] {
            assert!(Sns::new(good, credentials()).is_ok(), "{good}");
        }
        for (bad, part) in [
            ("", "no URL"),
            ("127.0.0.1:4566", "begins with http"),
            ("/hook", "begins with http"),
            ("ftp://x", "begins with http"),
            ("http://u:p@x", "name or password"),
            ("http://x y", "no URL"),
        ] {
            let error = Webhook::new(bad).unwrap_err();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }

    #[test]
    fn a_webhook_keeps_its_secrets() {
        let webhook = Webhook::new("https://hooks.example:8443/T0/B0/secret?token=1").unwrap();
        assert_eq!(format!("{webhook:?}"), "https://hooks.example:8443");
    }

    #[test]
    fn tls_is_needed_for_https() {
        let sns = |url: &str| Some(Sns::new(url, credentials()).unwrap());
        let webhook = |url: &str| Some(Webhook::new(url).unwrap());
        let need = |sns, webhook| Targets { sns, webhook }.need_tls();
        assert!(!need(sns("http://x"), webhook("http://x")));
        assert!(need(sns("https://x"), None));
        assert!(need(sns("http://x"), webhook("https://x")));
        assert_eq!(Targets { sns: None, webhook: webhook("http://x") }.kinds(), [Target::Webhook]);
        assert_eq!(Targets::default().kinds(), []);
    }
}

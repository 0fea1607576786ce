//! Calls as one caller: signed, at a bounded rate, tried again where that may help.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::credentials::SharedCredentials;
use super::environment::Environment;
use super::query::{AnswerPage, Api, CallAttempt, CallError, read_answer, read_page, retried, signed_call};
use super::service_urls::ServiceUrls;
use super::xml::Element;
use crate::http_client::{Egress, HttpClient};
use crate::naming::Region;

/// Most octets of one page: a thousand endpoints with their names have about four million.
const MAX_PAGE: usize = 64 << 20;
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often a call is sent before it has failed.
const ATTEMPTS: u32 = 5;
/// Calls of one action that may be made at once, before the rate holds. EC2 allows 100 (EC2 Developer Guide, "Request
/// throttling"), and other tools of the account want some.
const BURST: f64 = 50.0;
/// Codes that say that the credentials are no longer good: the sets of EC2 and of STS.
const REFUSED_CREDENTIALS: [&str; 7] = [
    "RequestExpired",
    "ExpiredToken",
    "ExpiredTokenException",
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
];

/// Where calls go.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// One URL for all services, in place of the environment's and AWS's.
    pub endpoint: Option<String>,
    /// Calls of one action a second.
    pub rate: f64,
}

/// Calls services in any region as one caller.
pub struct AwsClient {
    http: HttpClient,
    endpoints: ServiceUrls,
    rate: f64,
    credentials: SharedCredentials,
    /// Per region and action: how many calls may be made, and when that was so.
    buckets: Mutex<HashMap<(String, String), (f64, Instant)>>,
}

impl AwsClient {
    /// A client that sends nothing yet; the text says what is wrong with the settings.
    pub fn new(settings: ClientSettings, credentials: SharedCredentials) -> Result<Self, String> {
        let environment = Environment::of_process();
        let endpoints = ServiceUrls::new(settings.endpoint, &environment)?;
        let egress = Egress::from_variables(|name| environment.variable(name).map(str::to_owned))?;
        let http = HttpClient::new(TIMEOUT, 4, endpoints.need_tls(), &egress)?;
        Ok(Self { http, endpoints, rate: settings.rate, credentials, buckets: Mutex::default() })
    }

    /// The answer to one call. What may pass (no connection, cut short, throttled, an error of the server) is tried again.
    pub(super) async fn call(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        parameters: &[(String, String)],
    ) -> Result<Element, CallError> {
        let read = |status, body: &Bytes| read_answer(action, status, body);
        retried(ATTEMPTS, || self.attempt(api, region, action, parameters, &read)).await
    }

    /// One page of a list, which is not read if its digest is `known`.
    pub(super) async fn call_page(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        parameters: &[(String, String)],
        known: Option<u64>,
    ) -> Result<AnswerPage, CallError> {
        let read = |status, body: &Bytes| read_page(action, status, body, known);
        retried(ATTEMPTS, || self.attempt(api, region, action, parameters, &read)).await
    }

    /// One attempt. Credentials that are refused are not used again; where there are others now, these are worth one.
    async fn attempt<T>(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        parameters: &[(String, String)],
        read: &(dyn Fn(StatusCode, &Bytes) -> CallAttempt<T> + Sync),
    ) -> CallAttempt<T> {
        self.take_turn(region, action).await;
        let fault = |what: String| (CallError::Failed(what), false);
        let credentials = self.credentials.current().await.map_err(|error| fault(error.to_string()))?;
        let url = self.endpoints.url(api, region).map_err(fault)?;
        let request = signed_call(url, (api, region), action, parameters, &credentials).map_err(fault)?;
        let sent = self.http.fetch(request, MAX_PAGE).await;
        let (status, body) = sent.map_err(|why| (CallError::Failed(why), true))?;
        match read(status, &body) {
            Err((CallError::Refused(code, text), false)) if REFUSED_CREDENTIALS.contains(&code.as_str()) => {
                let are_others = self.credentials.replace(&credentials).await;
                Err((CallError::Refused(code, text), are_others))
            }
            read => read,
        }
    }

    /// Waits until the rate of `action` allows one more call.
    async fn take_turn(&self, region: &Region, action: &str) {
        let at = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let (tokens, since) = buckets.entry((region.to_string(), action.to_owned())).or_insert((BURST, now));
            *tokens = (*tokens + now.duration_since(*since).as_secs_f64() * self.rate).min(BURST) - 1.0;
            *since = now;
            // below nothing, it is a debt: this call waits until it is paid
            now + Duration::from_secs_f64((-*tokens).max(0.0) / self.rate)
        };
        sleep_until(at).await;
    }
}

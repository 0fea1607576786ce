//! Calls as one caller: signed, at a bounded rate, tried again where that may help.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};

use super::credentials::SharedCredentials;
use super::pace::CallPace;
use super::query::{
    AnswerPage, Api, CallAttempt, CallError, is_throttled, read_answer, read_page, retried, signed_call,
};
use super::rest::{ROUTE53, RestCall, read_json};
use super::service_urls::{ServiceUrls, signing_region};
use super::xml::Element;
use crate::ec2::auth::sigv4::Credentials;
use crate::http_client::HttpClient;
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
/// Calls of Route 53 a second: it has one limit for all calls of an account (Route 53 guide, "Quotas"), which its owner's
/// tools share.
const ROUTE53_RATE: f64 = 1.0;
/// Calls services in any region as one caller.
pub struct AwsClient {
    http: HttpClient,
    endpoints: ServiceUrls,
    rate: f64,
    credentials: SharedCredentials,
    /// Per region and action, or for a whole service.
    paces: Mutex<HashMap<(String, String), CallPace>>,
}

/// A call of an action of a service in a region.
#[derive(Clone, Copy)]
struct Callee<'c> {
    api: Api,
    region: &'c Region,
    action: &'c str,
}

/// What is sent, from the service's URL and the credentials.
type SignedBy<'c> = &'c (dyn Fn(Uri, &Credentials) -> Result<Request<Full<Bytes>>, String> + Sync);
/// What is made of an answer.
type ReadBy<'c, T> = &'c (dyn Fn(&Response<Bytes>) -> CallAttempt<T> + Sync);

/// One client for all regions that are read with the same credentials, made when it is first wanted: Route 53 counts the
/// calls of an account, whatever the region.
#[derive(Clone)]
pub struct SharedClient {
    rate: f64,
    credentials: SharedCredentials,
    made: Arc<Mutex<Option<Arc<AwsClient>>>>,
}

impl SharedClient {
    /// As [`AwsClient::new`].
    pub fn new(rate: f64, credentials: SharedCredentials) -> Self {
        Self { rate, credentials, made: Arc::default() }
    }

    /// The client; the text says why there is none.
    pub(super) fn client(&self) -> Result<Arc<AwsClient>, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*made {
            return Ok(Arc::clone(client));
        }
        let client = AwsClient::new(self.rate, self.credentials.clone())?;
        Ok(Arc::clone(made.insert(Arc::new(client))))
    }
}

impl AwsClient {
    /// A client of `rate` calls of one action a second, that sends nothing yet. Where calls go, the credentials know; the
    /// text says what is wrong with the environment.
    pub fn new(rate: f64, credentials: SharedCredentials) -> Result<Self, String> {
        let endpoints = credentials.service_urls().clone();
        let egress = credentials.environment().egress()?;
        let http = HttpClient::new(TIMEOUT, 4, endpoints.need_tls(), &egress)?;
        Ok(Self { http, endpoints, rate, credentials, paces: Mutex::default() })
    }

    /// The answer to one call. What may pass (no connection, cut short, throttled, an error of the server) is tried again.
    pub(super) async fn call(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        parameters: &[(String, String)],
    ) -> Result<Element, CallError> {
        let read = |answer: &Response<Bytes>| read_answer(action, answer.status(), answer.body());
        self.query(Callee { api, region, action }, parameters, &read).await
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
        let read = |answer: &Response<Bytes>| read_page(action, answer.status(), answer.body(), known);
        self.query(Callee { api, region, action }, parameters, &read).await
    }

    /// The answer of Route 53 to one call.
    pub(super) async fn call_route53(
        &self,
        region: &Region,
        action: &str,
        call: &RestCall,
    ) -> Result<Element, CallError> {
        let read = |answer: &Response<Bytes>| read_answer(action, answer.status(), answer.body());
        self.rest(Callee { api: ROUTE53, region, action }, call, &read).await
    }

    /// The answer of a service that speaks JSON to one call.
    pub(super) async fn call_json(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        call: &RestCall,
    ) -> Result<Map<String, Value>, CallError> {
        self.rest(Callee { api, region, action }, call, &|answer| read_json(action, answer)).await
    }

    async fn query<T>(
        &self,
        callee: Callee<'_>,
        parameters: &[(String, String)],
        read: ReadBy<'_, T>,
    ) -> Result<T, CallError> {
        let Callee { api, region, action } = callee;
        let signed = |url, credentials: &Credentials| signed_call(url, (api, region), action, parameters, credentials);
        retried(ATTEMPTS, || self.attempt(callee, &signed, read)).await
    }

    async fn rest<T>(&self, callee: Callee<'_>, call: &RestCall, read: ReadBy<'_, T>) -> Result<T, CallError> {
        let Callee { api, region, action } = callee;
        let scope = (signing_region(api, region), api.service);
        let signed = |url, credentials: &Credentials| call.signed(&url, scope, action, credentials);
        retried(ATTEMPTS, || self.attempt(callee, &signed, read)).await
    }

    /// One attempt. Credentials that are refused are not used again; where there are others now, these are worth one.
    async fn attempt<T>(&self, callee: Callee<'_>, signed: SignedBy<'_>, read: ReadBy<'_, T>) -> CallAttempt<T> {
        let turn = self.with_pace(callee, CallPace::take);
        sleep_until(turn).await;
        let fault = |what: String| (CallError::Failed(what), false);
        let credentials = self.credentials.current().await.map_err(|error| fault(error.to_string()))?;
        let url = self.endpoints.url(callee.api, callee.region).map_err(fault)?;
        let request = signed(url, &credentials).map_err(fault)?;
        let sent = self.http.fetch_response(request, MAX_PAGE).await;
        let answer = sent.map_err(|why| (CallError::Failed(why), true))?;
        let read = read(&answer);
        let is_too_often = match &read {
            Err((CallError::Refused(code, _), _)) => is_throttled(code),
            _ => answer.status() == StatusCode::TOO_MANY_REQUESTS,
        };
        self.with_pace(callee, if is_too_often { CallPace::slow_down } else { CallPace::recover });
        match read {
            Err((error, false)) if error.refuses_credentials() => {
                let are_others = self.credentials.replace(&credentials).await;
                Err((error, are_others))
            }
            read => read,
        }
    }

    /// The pace of an action in a region. Route 53 has one limit for an account, which its owner's tools share.
    fn with_pace<T>(&self, callee: Callee<'_>, change: fn(&mut CallPace, Instant) -> T) -> T {
        let Callee { api, region, action } = callee;
        let is_shared = api.service == ROUTE53.service && !self.endpoints.is_plain(api.service);
        let (key, rate, burst) = if is_shared {
            ((String::new(), api.service.to_owned()), ROUTE53_RATE.min(self.rate), 1.0)
        } else {
            ((region.to_string(), action.to_owned()), self.rate, BURST)
        };
        let now = Instant::now();
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        change(paces.entry(key).or_insert_with(|| CallPace::new(rate, burst, now)), now)
    }
}

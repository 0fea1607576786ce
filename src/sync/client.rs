//! Calls of the Query protocol: signed, at a bounded rate, tried again where that may help.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, sleep, sleep_until};

use super::credentials::ProfileKeys;
use super::xml::Element;
use crate::ec2::auth::signed_form::signed_form;
use crate::ec2::auth::sigv4::Credentials;
use crate::ec2::notify::backoff::Backoff;
use crate::http_client::{HttpClient, absolute_url, one_line};
use crate::naming::{Region, partition_of};

/// Most octets of one page: a thousand endpoints with their names have about four million.
const MAX_PAGE: usize = 64 << 20;
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often a call is sent before it has failed.
const ATTEMPTS: u32 = 5;
/// Pauses between them.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(20), max_age: Duration::from_secs(600) };
/// Calls of one action that may be made at once, before the rate holds. EC2 allows 100 (EC2 Developer Guide, "Request
/// throttling"), and other tools of the account want some.
const BURST: f64 = 50.0;

/// Where calls go.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// One URL for all services, in place of AWS's.
    pub endpoint: Option<String>,
    /// Calls of one action a second.
    pub rate: f64,
}

/// A service of AWS that is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api {
    pub(super) service: &'static str,
    version: &'static str,
}

pub(super) const EC2: Api = Api { service: "ec2", version: "2016-11-15" };
pub(super) const STS: Api = Api { service: "sts", version: "2011-06-15" };

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// The service said no: its code and its text.
    Refused(String, String),
    /// There was no whole answer, or none that can be read.
    Failed(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code, text) => write!(f, "{code}: {text}"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

/// Calls services in any region as one caller.
pub struct AwsClient {
    http: HttpClient,
    settings: ClientSettings,
    credentials: ProfileKeys,
    /// Per region and action: how many calls may be made, and when that was so.
    buckets: Mutex<HashMap<(String, String), (f64, Instant)>>,
}

impl AwsClient {
    /// A client that sends nothing yet; the text says what is wrong with the settings.
    pub fn new(settings: ClientSettings, credentials: ProfileKeys) -> Result<Self, String> {
        if let Some(endpoint) = &settings.endpoint {
            absolute_url(endpoint).map_err(|why| format!("'{endpoint}' is {why}"))?;
        }
        let tls = settings.endpoint.as_ref().is_none_or(|endpoint| endpoint.starts_with("https:"));
        let http = HttpClient::new(TIMEOUT, 4, tls)
            .map_err(|error| format!("cannot read the certificate authorities of this machine: {error}"))?;
        Ok(Self { http, settings, credentials, buckets: Mutex::default() })
    }

    /// The answer to one call. What may pass (no connection, cut short, throttled, an error of the server) is tried again.
    pub(super) async fn call(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        parameters: &[(String, String)],
    ) -> Result<Element, CallError> {
        let mut attempt = 0;
        loop {
            self.take_turn(region, action).await;
            attempt += 1;
            let (error, may_pass) = match self.attempt(api, region, action, parameters).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if !may_pass || attempt == ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(%region, action, attempt, "call failed, and is made again: {error}");
            let at = BACKOFF.next(attempt, UNIX_EPOCH, UNIX_EPOCH, rand::random());
            sleep(at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or(BACKOFF.cap)).await;
        }
    }

    /// One attempt; with an error, whether another may do better.
    async fn attempt(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        parameters: &[(String, String)],
    ) -> Result<Element, (CallError, bool)> {
        let fault = |what: String| (CallError::Failed(what), false);
        let credentials = self.credentials.credentials();
        let request = self.request(api, region, action, parameters, credentials).map_err(fault)?;
        let sent = self.http.fetch(request, MAX_PAGE).await;
        let (status, body) = sent.map_err(|why| (CallError::Failed(why), true))?;
        read_answer(action, status, &body)
    }

    fn request(
        &self,
        api: Api,
        region: &Region,
        action: &str,
        parameters: &[(String, String)],
        credentials: &Credentials,
    ) -> Result<Request<Full<Bytes>>, String> {
        let url = absolute_url(&self.endpoint(api, region))?;
        let fixed = [("Action", action), ("Version", api.version)];
        let given = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let pairs = fixed.into_iter().chain(given);
        let request = signed_form(url, pairs, credentials, (region.as_str(), api.service), SystemTime::now())?;
        request.ok_or_else(|| "the credentials have characters that no header can hold".to_owned())
    }

    /// The service's URL. STS too is asked in the region itself: its global endpoint is far, and its tokens are not
    /// valid in regions that an account opts into (STS, "Regions and endpoints").
    fn endpoint(&self, api: Api, region: &Region) -> String {
        self.settings
            .endpoint
            .clone()
            .unwrap_or_else(|| format!("https://{}.{region}.{}/", api.service, partition_of(region).dns_suffix))
    }

    /// Waits until the rate of `action` allows one more call.
    async fn take_turn(&self, region: &Region, action: &str) {
        let at = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let (tokens, since) = buckets.entry((region.to_string(), action.to_owned())).or_insert((BURST, now));
            *tokens = (*tokens + now.duration_since(*since).as_secs_f64() * self.settings.rate).min(BURST) - 1.0;
            *since = now;
            // below nothing, it is a debt: this call waits until it is paid
            now + Duration::from_secs_f64((-*tokens).max(0.0) / self.settings.rate)
        };
        sleep_until(at).await;
    }
}

/// What an answer says; with an error, whether asking again may help.
fn read_answer(action: &str, status: StatusCode, body: &[u8]) -> Result<Element, (CallError, bool)> {
    let parsed = str::from_utf8(body).map_err(|_| "is not text".to_owned()).and_then(Element::parse);
    if !status.is_success() {
        let said = parsed.ok().and_then(|root| {
            let error = root.find("Error")?;
            Some((error.child("Code")?.text.clone(), error.child("Message").map_or("", |text| &text.text).to_owned()))
        });
        let Some((code, text)) = said else {
            let told = format!("{status}: {}", one_line(&String::from_utf8_lossy(body)));
            return Err((CallError::Failed(told), status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS));
        };
        let throttled =
            code.contains("Throttl") || code == "RequestLimitExceeded" || code == "TooManyRequestsException";
        let may_pass = throttled || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
        return Err((CallError::Refused(code, one_line(&text)), may_pass));
    }
    let wrong = |why: String| (CallError::Failed(format!("the answer to {action} {why}")), true);
    let root = parsed.map_err(wrong)?;
    let expected = format!("{action}Response");
    if root.name == expected { Ok(root) } else { Err(wrong(format!("is <{}> and not <{expected}>", root.name))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Element, (CallError, bool)> {
        read_answer("DescribeVpcs", StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn answers_are_whole_and_the_right_ones() {
        assert!(read(200, "<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>").is_ok());
        for body in ["", "<DescribeVpcsResponse><vpcSet>", "<html/>", "<DescribeSubnetsResponse/>", "{}"] {
            let (error, may_pass) = read(200, body).unwrap_err();
            assert!(may_pass, "{body}: {error}");
        }
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |code: &str| {
            format!("<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>")
        };
        for (status, code, may_pass) in [
            (503, "RequestLimitExceeded", true),
            (400, "Throttling", true),
            (500, "InternalError", true),
            (403, "UnauthorizedOperation", false),
            (401, "AuthFailure", false),
            (400, "InvalidAction", false),
        ] {
            let (found, again) = read(status, &error(code)).unwrap_err();
            assert_eq!(again, may_pass, "{code}");
            assert_eq!(found.to_string(), format!("{code}: m"));
        }
        assert!(read(502, "<html>Bad gateway").unwrap_err().1);
        assert!(!read(404, "not here").unwrap_err().1);
    }
}

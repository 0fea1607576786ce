//! HTTP of the API: a form in, XML out.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::auth::audit::{Change, audit};
use super::auth::guard::guard;
use super::auth::rate::{Counted, RateLimiter, RateLimits};
use super::auth::{self, AccessPolicy, Refusal, sigv4};
use super::call::Caller;
use super::engine::{Answer, Engine};
use super::error::ApiError;
use super::foreign::ForeignCall;
use super::rest;
use super::xml::Xml;
use crate::config::Metric;
use crate::observe::{Counters, FrontLimits, serve_router};

/// Most octets of a request: EC2's own bound on a form is of this size.
const BODY: usize = 1 << 20;
/// How long a request may take to come.
const COMING: Duration = Duration::from_secs(30);
/// Calls that are worked on at one time; each has a thread, as it waits for the disk.
const AT_ONCE: usize = 128;
/// The region of a call that does not say one.
const REGION: &str = "us-east-1";

/// Where tools made for LocalStack look whether it is up.
const HEALTH: &str = "/_localstack/health";

/// What stands before the engine.
pub struct Front {
    /// The actions.
    pub engine: Arc<Engine>,
    /// Who may call.
    pub access: AccessPolicy,
    /// Host names of this server besides its addresses and `localhost`.
    pub hosts: Vec<String>,
    /// How often one caller may call.
    pub rate: RateLimits,
    /// Connections, and their times.
    pub connections: FrontLimits,
    /// Counts the connections that are refused.
    pub counters: Arc<Counters>,
}

/// What is shared by all requests.
struct Shared {
    front: Front,
    rate: Mutex<RateLimiter>,
    permits: Semaphore,
}

/// Answers calls on `listener` until `stop` is true or its sender is gone.
pub async fn serve(listener: TcpListener, front: Front, stop: watch::Receiver<bool>) {
    let rate = Mutex::new(RateLimiter::new(front.rate, Instant::now()));
    let (limits, counters) = (front.connections, Arc::clone(&front.counters));
    let shared = Arc::new(Shared { front, rate, permits: Semaphore::new(AT_ONCE) });
    let app = Router::new().fallback(answer).with_state(shared);
    let refused = move || counters.count_values(Metric::ConnectionsRefused, &["ec2_api", "full"]);
    serve_router(listener, Some, app, limits, refused, stop).await;
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self { status: refusal.status, code: refusal.code.into(), message: refusal.message.into_owned() }
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let request_id = request_id();
    let (head, body) = request.into_parts();
    let admitted = guard(&head.headers, &head.uri, &shared.front.hosts)
        .and_then(|()| shared.admit(Counted::peer(peer.ip())))
        .map_err(ApiError::from);
    if head.uri.path() == HEALTH && admitted.is_ok() {
        return ([(header::CONTENT_TYPE, "application/json")], health()).into_response();
    }
    if let Some(foreign) = ForeignCall::of(&head) {
        let error = match admitted {
            Ok(()) => {
                // a connection on which a request was not read to its end is closed, under the client's next call
                let _ = read(body).await;
                foreign.refusal()
            }
            Err(error) => error,
        };
        return foreign.response(&error, &request_id);
    }
    let is_rest = rest::is_rest(&head);
    let answered = match admitted {
        Ok(()) => call(shared, peer, head, body, &request_id).await,
        Err(error) => Err(error),
    };
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, XML)]);
    let (status, text) = match answered {
        Ok(Answer { body, created: Some(location), .. }) => {
            headers.extend(HeaderValue::from_str(&location).ok().map(|location| (header::LOCATION, location)));
            (StatusCode::CREATED, body)
        }
        Ok(Answer { body, .. }) => (StatusCode::OK, body),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            let body = if is_rest { Xml::error_response } else { Xml::error };
            (status, body(&error, &request_id))
        }
    };
    (status, headers, text).into_response()
}

const XML: HeaderValue = HeaderValue::from_static("text/xml;charset=UTF-8");

/// The services that are here, as LocalStack lists its own.
fn health() -> String {
    let services: serde_json::Map<String, serde_json::Value> =
        auth::SERVICES.iter().map(|service| ((*service).to_owned(), "running".into())).collect();
    serde_json::json!({ "services": services, "edition": "vpcedns", "version": env!("CARGO_PKG_VERSION") }).to_string()
}

/// One rule after the other, cheap ones first: nothing is read of a request that will be refused anyhow.
async fn call(
    shared: Arc<Shared>,
    peer: SocketAddr,
    head: Parts,
    body: Body,
    request_id: &str,
) -> Result<Answer, ApiError> {
    let body = read(body).await?;
    let query = head.uri.query().unwrap_or_default();
    let signed = sigv4::Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query,
        headers: &head.headers,
        body: &body,
    };
    let caller = auth::authorize(&shared.front.access, &signed, SystemTime::now())?;
    if let (AccessPolicy::Keys(_), Some(key)) = (&shared.front.access, &caller.access_key_id) {
        shared.admit(Counted::Key(key.clone()))?;
    }
    let form = match head.method {
        _ if rest::is_rest(&head) => rest::form_of(&head, &body)?.into(),
        Method::GET => form_of_query(query),
        _ => body,
    };
    let permit = shared.permits.try_acquire().map_err(|_| too_many())?;
    let (worker, id) = (Arc::clone(&shared), request_id.to_owned());
    // an action waits for the disk
    let done = tokio::task::spawn_blocking(move || worker.front.call(&form, &caller, peer, &id)).await;
    drop(permit);
    done.unwrap_or_else(|_| Err(ApiError::internal("An internal error has occurred")))
}

/// A body to its end.
async fn read(body: Body) -> Result<Bytes, ApiError> {
    let body = tokio::time::timeout(COMING, axum::body::to_bytes(body, BODY)).await;
    body.map_err(|_| too_slow())?.map_err(|_| too_large())
}

/// The parameters of a call that comes as a URL: those of its signature are not the action's.
fn form_of_query(query: &str) -> Bytes {
    let parameters: Vec<&str> = query.split('&').filter(|parameter| !parameter.starts_with("X-Amz-")).collect();
    Bytes::from(parameters.join("&"))
}

impl Shared {
    fn admit(&self, caller: Counted) -> Result<(), Refusal> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).admit(caller, Instant::now())
    }
}

impl Front {
    fn call(
        &self,
        form: &[u8],
        caller: &auth::Principal,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Answer, ApiError> {
        let action = value(form, "Action");
        let answered = self.permitted(form, action.as_deref(), caller, request_id);
        let (outcome, changed) = match &answered {
            Ok(answer) => ("Success", answer.changed.as_slice()),
            Err(error) => (error.code.as_ref(), &[][..]),
        };
        if let Some(action) = action.filter(|action| Engine::changes(action)) {
            let named = ids(form);
            let objects: Vec<&str> =
                named.iter().map(String::as_str).chain(changed.iter().map(String::as_str)).collect();
            audit(caller, peer, &Change { action: &action, objects: &unique(objects), outcome, request_id });
        }
        answered
    }

    fn permitted(
        &self,
        form: &[u8],
        action: Option<&str>,
        caller: &auth::Principal,
        request_id: &str,
    ) -> Result<Answer, ApiError> {
        if let Some(action) = action {
            caller.may_call(action)?;
        }
        let region = caller.region.as_deref().unwrap_or(REGION);
        let region = region.parse().map_err(|_| ApiError::invalid(format!("'{region}' is not a region")))?;
        self.engine.answer(
            form,
            &Caller { account: caller.account_id.clone(), region, chooses_ids: caller.chooses_ids() },
            request_id,
        )
    }
}

/// The first value of a parameter. One that comes twice is refused later.
fn value(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The ids that a call names: `VpcId`, `VpcEndpointId.1`.
fn ids(form: &[u8]) -> Vec<String> {
    let is_id = |key: &str| key.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').ends_with("Id");
    form_urlencoded::parse(form).filter(|(key, _)| is_id(key)).map(|(_, value)| value.into_owned()).collect()
}

/// Each once, in the order of the first.
fn unique(all: Vec<&str>) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    all.into_iter().filter(|one| seen.insert(*one)).collect()
}

fn too_slow() -> ApiError {
    let message = format!("The request did not come within {} seconds.", COMING.as_secs());
    ApiError { status: 408, code: "RequestTimeout".into(), message }
}

fn too_large() -> ApiError {
    let message = format!("A request has at most {BODY} octets.");
    ApiError { status: 413, code: "RequestEntityTooLarge".into(), message }
}

fn too_many() -> ApiError {
    ApiError { status: 503, code: "RequestLimitExceeded".into(), message: "Request limit exceeded.".to_owned() }
}

/// A random UUID (RFC 9562 5.4).
fn request_id() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (4 << 76) | (2 << 62);
    let hex = format!("{bits:032x}");
    let mut parts = hex.as_str();
    let mut id = String::with_capacity(36);
    for length in [8, 4, 4, 4] {
        let (part, rest) = parts.split_at(length);
        id.push_str(part);
        id.push('-');
        parts = rest;
    }
    id + parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_call_are_found() {
        let form = b"Action=DeleteVpcEndpoints&VpcEndpointId.1=vpce-1&VpcEndpointId.12=vpce-2&ServiceId=s&Filter.1.Name=vpc-id";
        assert_eq!(ids(form), ["vpce-1", "vpce-2", "s"]);
        assert_eq!(value(form, "Action").as_deref(), Some("DeleteVpcEndpoints"));
        assert_eq!(unique(vec!["a", "b", "a"]), ["a", "b"]);
    }

    #[test]
    fn a_signed_url_is_a_form() {
        let form = form_of_query("Action=DescribeVpcs&X-Amz-Date=1&Version=2016-11-15&X-Amz-Signature=a");
        assert_eq!(form, "Action=DescribeVpcs&Version=2016-11-15");
    }
}

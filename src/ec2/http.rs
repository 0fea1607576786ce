//! HTTP of the API: who calls, what they call, and the answer.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
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
use super::protocol::{ApiCall, CallProtocol};
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
    let protocol = CallProtocol::of(&head);
    let answered = match admitted {
        Ok(()) => call(shared, peer, protocol, head, body, &request_id).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(answer) => protocol.answered(answer, &request_id),
        Err(error) => protocol.refused(error, &request_id),
    }
}

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
    protocol: CallProtocol,
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
    let asked = protocol.read(&head, body)?;
    let permit = shared.permits.try_acquire().map_err(|_| ApiError::busy())?;
    let (worker, id) = (Arc::clone(&shared), request_id.to_owned());
    // an action waits for the disk
    let done = tokio::task::spawn_blocking(move || worker.front.call(&asked, &caller, peer, &id)).await;
    drop(permit);
    done.unwrap_or_else(|_| Err(ApiError::internal("An internal error has occurred")))
}

/// A body to its end.
async fn read(body: Body) -> Result<Bytes, ApiError> {
    let body = tokio::time::timeout(COMING, axum::body::to_bytes(body, BODY)).await;
    body.map_err(|_| too_slow())?.map_err(|error| {
        let why = innermost(&error);
        if why.is::<LengthLimitError>() { too_large() } else { malformed(why) }
    })
}

/// What an error came from in the end.
fn innermost<'e>(mut error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

impl Shared {
    fn admit(&self, caller: Counted) -> Result<(), Refusal> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).admit(caller, Instant::now())
    }
}

impl Front {
    fn call(
        &self,
        asked: &ApiCall,
        caller: &auth::Principal,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Answer, ApiError> {
        let action = asked.action();
        let answered = self.permitted(asked, action.as_deref(), caller, request_id);
        let answered = answered.map_err(|error| asked.in_its_words(error));
        let (outcome, changed) = match &answered {
            Ok(answer) => ("Success", answer.changed.as_slice()),
            Err(error) => (error.code.as_ref(), &[][..]),
        };
        if let Some(action) = action.filter(|_| asked.changes()) {
            let named = asked.ids();
            let objects: Vec<&str> =
                named.iter().map(String::as_str).chain(changed.iter().map(String::as_str)).collect();
            audit(caller, peer, &Change { action: &action, objects: &unique(objects), outcome, request_id });
        }
        answered
    }

    fn permitted(
        &self,
        asked: &ApiCall,
        action: Option<&str>,
        caller: &auth::Principal,
        request_id: &str,
    ) -> Result<Answer, ApiError> {
        if let Some(action) = action {
            caller.may_call(action)?;
        }
        let region = caller.region.as_deref().unwrap_or(REGION);
        let region = region.parse().map_err(|_| ApiError::invalid(format!("'{region}' is not a region")))?;
        let caller = Caller { account: caller.account_id.clone(), region, chooses_ids: caller.chooses_ids() };
        match asked {
            ApiCall::Form(form) => self.engine.answer(form, &caller, request_id),
            ApiCall::Document(asked) => self.engine.answer_document(asked, &caller, false),
        }
    }
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

/// A body that ends early, or whose chunks are not those of RFC 9112 7.1.
fn malformed(why: &dyn Error) -> ApiError {
    ApiError::new("MalformedQueryString", format!("The body of the request cannot be read: {why}."))
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
    fn each_is_named_once() {
        assert_eq!(unique(vec!["a", "b", "a"]), ["a", "b"]);
    }
}

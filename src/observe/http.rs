//! HTTP for machines: health, readiness, metrics, explain, flush.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::views::Views;
use super::{Asker, Explanation, explain};
use crate::dns::DnsName;
use crate::forward::cache::Flush;
use crate::source::SourceReport;

/// Answers HTTP on `listener`, at most `at_once` requests at a time, until `stop` ends.
pub async fn serve(
    listener: tokio::net::TcpListener,
    views: Views,
    at_once: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let permits = Arc::new(Semaphore::new(at_once));
    let app = Router::new()
        .route("/", get(index))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/generation", get(generation))
        .route("/v1/explain", get(explain_name))
        .route("/v1/flush", post(flush))
        .layer(middleware::from_fn_with_state(permits, bounded))
        .with_state(views);
    axum::serve(listener, app).with_graceful_shutdown(stop).await
}

/// Turns requests away that are too many: this port watches the server, and must not weigh on it.
async fn bounded(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "too many requests at one time\n").into_response(),
    }
}

async fn index() -> &'static str {
    "vpcedns\n\n/healthz\n/readyz\n/metrics\n/v1/generation\n/v1/explain?name=NAME&type=A&from=ADDRESS\nPOST /v1/flush?name=NAME, ?zone=NAME or ?all\n"
}

/// 200 while every source is ready and its last load is the one being served; else 503 and every problem, with file,
/// line and remedy. How each source is follows.
async fn ready(State(views): State<Views>) -> Response {
    if views.status.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    let sources = views.status.sources();
    let listed = sources.iter().map(|source| source.to_string() + "\n").collect::<String>();
    let problems = views.status.last().map(|report| report.problems).unwrap_or_default();
    let errors: Vec<String> = problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
    let waiting = sources.iter().filter(|source| !source.ready).map(|source| source.id.as_str()).collect::<Vec<_>>();
    if errors.is_empty() && waiting.is_empty() {
        let snapshot = views.snapshots.load_full();
        let mut text = format!("ready\n{listed}");
        for block in snapshot.contested() {
            let _ = writeln!(text, "clients of no VPC: {block}; give one of them `listeners` or `clients`");
        }
        return (StatusCode::OK, text).into_response();
    }
    let text = if errors.is_empty() {
        format!("not everything has been read yet: {}\n{listed}", waiting.join(", "))
    } else {
        let generation = views.snapshots.load().generation;
        format!("the last load failed; generation {generation} keeps serving\n{}\n{listed}", errors.join("\n"))
    };
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn generation(State(views): State<Views>) -> Json<serde_json::Value> {
    let snapshot = views.snapshots.load_full();
    let (loads, failures) = views.status.loads();
    Json(json!({
        "generation": snapshot.generation,
        "endpoints": snapshot.model.endpoint_count(),
        "vpcs": snapshot.model.vpcs().len(),
        "loads": loads,
        "failed_loads": failures,
        "sources": views.status.sources().iter().map(source_json).collect::<Vec<_>>(),
    }))
}

fn source_json(source: &SourceReport) -> serde_json::Value {
    json!({
        "source": source.id.as_str(),
        "ready": source.ready,
        "good": source.is_good(),
        "age_seconds": source.age().map(|age| age.as_secs()),
        "problems": source.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// `?name=&type=&from=&to=`: `type` is A and `from`, an address or a VPC, is 127.0.0.1 if they are left out; `to` is
/// the listener asked.
#[derive(Deserialize)]
struct ExplainQuery {
    name: String,
    #[serde(rename = "type")]
    rtype: Option<String>,
    from: Option<String>,
    to: Option<SocketAddr>,
}

async fn explain_name(
    State(views): State<Views>,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<Explanation>, (StatusCode, String)> {
    let bad = |what: String| (StatusCode::BAD_REQUEST, format!("{what}\n"));
    let name = query.name.parse().map_err(|e| bad(format!("name={}: {e}", query.name)))?;
    let rtype = query.rtype.as_deref().unwrap_or("A");
    let rtype = rtype.parse().map_err(|_| bad(format!("type={rtype}: no record type; try A, AAAA, HTTPS")))?;
    let asker: Asker =
        query.from.as_deref().unwrap_or("127.0.0.1").parse().map_err(|what| bad(format!("from: {what}")))?;
    let snapshot = views.snapshots.load_full();
    Ok(Json(explain(&snapshot, asker.to(query.to), &name, rtype)))
}

/// `?name=`, `?zone=` or `?all`: exactly one.
#[derive(Deserialize)]
struct FlushQuery {
    name: Option<String>,
    zone: Option<String>,
    all: Option<String>,
}

/// Drops cached replies, and says how many.
async fn flush(
    State(views): State<Views>,
    headers: HeaderMap,
    Query(query): Query<FlushQuery>,
) -> Result<Json<serde_json::Value>, (StatusCode, String)> {
    if is_from_a_page(&headers) {
        let what = "not for web pages: ask without an Origin header, at an IP address or localhost\n";
        return Err((StatusCode::FORBIDDEN, what.to_owned()));
    }
    let bad = |what: String| (StatusCode::BAD_REQUEST, format!("{what}\n"));
    let name = |key: &str, text: &str| text.parse::<DnsName>().map_err(|e| bad(format!("{key}={text}: {e}")));
    let flush = match (&query.name, &query.zone, &query.all) {
        (Some(text), None, None) => Flush::Name(name("name", text)?),
        (None, Some(text), None) => Flush::Zone(name("zone", text)?),
        (None, None, Some(_)) => Flush::All,
        _ => return Err(bad("say one of ?name=NAME, ?zone=NAME and ?all".to_owned())),
    };
    Ok(Json(json!({ "flushed": views.lookup.cache().flush(&flush) })))
}

/// Whether a browser sent this for a web page, which may have made a name of its own point here (DNS rebinding).
///
/// Browsers say where a POST comes from (Fetch 3.1, `Origin`), and pages cannot choose the `Host`.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_ours = |host: &str| host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost");
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => host.split(':').next(),
    };
    headers.contains_key(header::ORIGIN) || !name.is_some_and(is_ours)
}

/// All metrics in the OpenMetrics text format.
async fn metrics(State(views): State<Views>) -> Response {
    match super::metrics::text(&views) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

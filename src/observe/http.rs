//! HTTP for machines: health, readiness, metrics, explain, flush. Drills are in `drills.rs`.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;

use super::access::{HttpAccess, guarded};
use super::drills::drills;
use super::explained::explained;
use super::front::{FrontLimits, serve_router};
use super::lists::lists;
use super::page::page;
use super::prometheus_text::{OPENMETRICS, PROMETHEUS, prometheus_text, takes_openmetrics};
use super::report::{StatusReport, report};
use super::views::Views;
use crate::config::{Limits, Metric};
use crate::dns::DnsName;
use crate::forward::cache::Flush;
use crate::source::SourceReport;

/// The protocol that a connection to the control socket becomes by which a successor gets the sockets.
pub const HAND_OVER: &str = "vpcedns-hand-over";

/// Answers HTTP on the address of `listener` until `stop` is true or its sender is gone.
pub async fn serve_address(
    listener: TcpListener,
    views: Views,
    access: HttpAccess,
    limits: &Limits,
    stop: watch::Receiver<bool>,
) {
    let limits = FrontLimits { connections: limits.http_connections, head: limits.http_head };
    let counters = Arc::clone(&views.counters);
    let refused = move || counters.count_values(Metric::ConnectionsRefused, &["http", "full"]);
    serve_router(listener, Some, router(views, access), limits, refused, stop).await;
}

/// Answers HTTP on the control socket until `stop` is true or its sender is gone.
pub async fn serve_socket(listener: UnixListener, views: Views, limits: &Limits, stop: watch::Receiver<bool>) {
    let limits = FrontLimits { connections: limits.http_connections, head: limits.http_head };
    let counters = Arc::clone(&views.counters);
    let refused = move || counters.count_values(Metric::ConnectionsRefused, &["socket", "full"]);
    serve_router(listener, |_| None, router(views, HttpAccess::Socket), limits, refused, stop).await;
}

fn router(views: Views, access: HttpAccess) -> Router {
    let router = match access {
        // who may have the sockets is who may open this one
        HttpAccess::Socket => Router::new().route("/v1/hand-over", post(hand_over)),
        HttpAccess::Address { .. } => Router::new(),
    };
    router
        .merge(page())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(status))
        .route("/v1/generation", get(generation))
        .route("/v1/explain", get(explained))
        .route("/v1/flush", post(flush))
        .route("/v1/reload", post(reload))
        .route("/v1/log", post(log))
        .route("/v1/sync", post(sync))
        .with_state(views.clone())
        .merge(drills(views.clone()))
        .merge(lists(views))
        .layer(middleware::from_fn_with_state(Arc::new(access), guarded))
}

/// `?last_good`: a last good state that is served is good enough.
#[derive(Deserialize)]
struct ReadyQuery {
    last_good: Option<String>,
}

/// 200 while every source is ready and its last load is the one being served; else 503 and every problem, with file,
/// line and remedy. How each source is follows.
async fn ready(State(views): State<Views>, Query(query): Query<ReadyQuery>) -> Response {
    if views.status.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    let sources = views.status.sources();
    let listed = sources.iter().map(|source| source.to_string() + "\n").collect::<String>();
    let problems = views.status.last().map(|report| report.problems).unwrap_or_default();
    let errors: Vec<String> = problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
    let waiting = sources.iter().filter(|source| !source.ready).map(|source| source.id.as_str()).collect::<Vec<_>>();
    if (errors.is_empty() || query.last_good.is_some()) && waiting.is_empty() {
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

/// The state of the server in one document.
async fn status(State(views): State<Views>) -> Json<StatusReport> {
    Json(report(&views, views.started))
}

/// Asks for a load of all sources; says how many loads there were before it.
async fn reload(State(views): State<Views>) -> Json<serde_json::Value> {
    let (loads, _) = views.status.loads();
    (views.control.reload)();
    Json(json!({ "loads": loads }))
}

/// `?accept`: what is found is taken over, however little it is.
#[derive(Deserialize)]
struct SyncQuery {
    accept: Option<String>,
}

/// Has the accounts that are followed be read now; says how many there are.
async fn sync(
    State(views): State<Views>,
    Query(query): Query<SyncQuery>,
) -> Result<Json<serde_json::Value>, (StatusCode, String)> {
    match (views.control.sync)(query.accept.is_some()) {
        0 => Err((StatusCode::NOT_FOUND, "no account is followed: start the server with --sync\n".to_owned())),
        accounts => Ok(Json(json!({ "accounts": accounts }))),
    }
}

/// `?level=`: a level, or a filter.
#[derive(Deserialize)]
struct LogQuery {
    level: String,
}

/// Logs by another filter from now on.
async fn log(
    State(views): State<Views>,
    Query(query): Query<LogQuery>,
) -> Result<Json<serde_json::Value>, (StatusCode, String)> {
    let not_ours = || (StatusCode::NOT_IMPLEMENTED, "the log is not this server's\n".to_owned());
    let log = views.control.log.as_ref().ok_or_else(not_ours)?;
    log.set(&query.level).map_err(|fault| (StatusCode::BAD_REQUEST, format!("{fault}\n")))?;
    Ok(Json(json!({ "level": query.level })))
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
    Query(query): Query<FlushQuery>,
) -> Result<Json<serde_json::Value>, (StatusCode, String)> {
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

/// Turns the connection into one by which a successor gets the sockets (RFC 9110 7.8).
async fn hand_over(State(views): State<Views>, mut request: Request) -> Response {
    if request.headers().get(header::UPGRADE).is_none_or(|to| to.as_bytes() != HAND_OVER.as_bytes()) {
        return (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, HAND_OVER)]).into_response();
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<UnixStream>>() else { return };
        let Ok(stream) = parts.io.into_inner().into_std() else { return };
        if stream.set_nonblocking(false).is_ok() {
            tokio::task::spawn_blocking(move || (views.control.hand_over)(stream));
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, HAND_OVER)];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// All metrics, in the format that the client prefers.
async fn metrics(State(views): State<Views>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accept = accept.collect::<Vec<_>>().join(",");
    match super::metrics::text(&views) {
        Ok(text) if takes_openmetrics(&accept) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Ok(text) => ([(header::CONTENT_TYPE, PROMETHEUS)], prometheus_text(&text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

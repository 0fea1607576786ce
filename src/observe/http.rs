//! HTTP for machines: health, readiness, metrics, explain, flush.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwap;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Counters, Explanation, Status, Totals, explain};
use crate::forward::State as Health;
use crate::forward::UpstreamLookup;
use crate::forward::cache::Flush;
use crate::model::parse_rtype;
use crate::naming::DnsName;
use crate::snapshot::Snapshot;

/// Adds metrics of other parts of the server.
pub type MoreMetrics = Arc<dyn Fn(&mut Registry) + Send + Sync>;

/// What HTTP shows.
#[derive(Clone)]
pub struct Views {
    /// The snapshot being served.
    pub snapshots: Arc<ArcSwap<Snapshot>>,
    /// How loads went.
    pub status: Arc<Status>,
    /// What has been done.
    pub counters: Arc<Counters>,
    /// What is known of others.
    pub lookup: Arc<UpstreamLookup>,
    /// Metrics of other parts, if there are any.
    pub more: Option<MoreMetrics>,
}

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

/// 200 while the last load is the one being served; else 503 and every problem, with file, line and remedy.
async fn ready(State(views): State<Views>) -> Response {
    if views.status.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    let problems = views.status.last().map(|report| report.problems).unwrap_or_default();
    let errors: Vec<String> = problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
    if errors.is_empty() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    let generation = views.snapshots.load().generation;
    let text = format!("the last load failed; generation {generation} keeps serving\n{}\n", errors.join("\n"));
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
    }))
}

/// `?name=&type=&from=&to=`: `type` is A and `from` is 127.0.0.1 if they are left out; `to` is the listener asked.
#[derive(Deserialize)]
struct ExplainQuery {
    name: String,
    #[serde(rename = "type")]
    rtype: Option<String>,
    from: Option<IpAddr>,
    to: Option<SocketAddr>,
}

async fn explain_name(
    State(views): State<Views>,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<Explanation>, (StatusCode, String)> {
    let bad = |what: String| (StatusCode::BAD_REQUEST, format!("{what}\n"));
    let name = query.name.parse().map_err(|e| bad(format!("name={}: {e}", query.name)))?;
    let rtype = query.rtype.as_deref().unwrap_or("A");
    let rtype = parse_rtype(rtype).ok_or_else(|| bad(format!("type={rtype}: no record type; try A, AAAA, HTTPS")))?;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let from = query.from.unwrap_or(loopback);
    let local = query.to.unwrap_or(SocketAddr::new(loopback, 0));
    let snapshot = views.snapshots.load_full();
    Ok(Json(explain(&snapshot, &name, rtype, from, local)))
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

/// OpenMetrics; the numbers are read when they are asked for, so that counting costs workers nothing more.
async fn metrics(State(views): State<Views>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry(&views)) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn registry(views: &Views) -> Registry {
    let mut registry = Registry::with_prefix("vpcedns");
    let totals = views.counters.totals();
    for (transport, count) in Totals::TRANSPORTS.iter().zip(totals.packets) {
        let labelled = registry.sub_registry_with_label(("transport".into(), (*transport).into()));
        labelled.register("packets", "Packets, whatever became of them", ConstCounter::new(count));
    }
    for (rcode, count) in Totals::RCODES.iter().zip(totals.replies) {
        let labelled = registry.sub_registry_with_label(("rcode".into(), (*rcode).into()));
        labelled.register("replies", "Replies out of our own data", ConstCounter::new(count));
    }
    let (loads, failures) = views.status.loads();
    let (done, held) = (views.lookup.counts(), views.lookup.cache().held());
    for (name, help, count) in [
        ("silent", "Packets without a reply, on purpose", totals.silent),
        ("forwarded", "Questions handed to upstreams", totals.forwarded),
        ("forward_failed", "Questions that no upstream answered", totals.forward_failed),
        ("overloaded", "Questions turned away because too many waited", totals.overloaded),
        ("cache_hits", "Questions answered with a cached reply", totals.cache_hits),
        ("cache_stale", "Questions answered with a cached reply whose time was over", totals.cache_stale),
        ("cache_misses", "Questions for which nothing was cached", done.misses),
        ("cache_shared", "Misses that waited for the reply to another", done.shared),
        ("cache_prefetches", "Cached replies fetched anew before their time was over", done.prefetches),
        ("cache_evictions", "Cached replies that went for want of room", held.evictions),
        ("loads", "Loads of the sources", loads),
        ("load_failures", "Loads that were not published", failures),
    ] {
        registry.register(name, help, ConstCounter::new(count));
    }
    register_upstreams(&mut registry, views.lookup.forwarder());
    let snapshot = views.snapshots.load_full();
    let last = views.status.last();
    let problems = last.as_ref().map_or(0, |report| report.problems.len());
    let at =
        last.as_ref().and_then(|report| report.at.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |at| at.as_secs_f64());
    let took = last.as_ref().map_or(0.0, |report| report.took.as_secs_f64());
    registry.register("generation", "The generation being served", ConstGauge::new(snapshot.generation));
    registry.register(
        "endpoints",
        "Endpoints in the model, in whatever state",
        ConstGauge::new(snapshot.model.endpoint_count() as u64),
    );
    registry.register("cache_entries", "Cached replies", ConstGauge::new(held.entries));
    registry.register("cache_octets", "Octets that cached replies take", ConstGauge::new(held.octets));
    registry.register("load_problems", "Problems of the last load", ConstGauge::new(problems as u64));
    registry.register("last_load_timestamp_seconds", "When the last load ended", ConstGauge::new(at));
    registry.register("last_load_duration_seconds", "How long the last load took", ConstGauge::new(took));
    if let Some(more) = &views.more {
        more(&mut registry);
    }
    registry
}

type Labels = Vec<(&'static str, String)>;

/// One line of each metric for each upstream.
fn register_upstreams(registry: &mut Registry, forwarder: &crate::forward::Forwarder) {
    let (questions, failures) = (Family::<Labels, Counter>::default(), Family::<Labels, Counter>::default());
    let (rtt, state) = (Family::<Labels, Gauge<f64, AtomicU64>>::default(), Family::<Labels, Gauge>::default());
    for report in forwarder.report() {
        let labels = vec![("upstream", report.upstream.to_string())];
        questions.get_or_create(&labels).inc_by(report.questions);
        failures.get_or_create(&labels).inc_by(report.failures);
        if let Some(seconds) = report.rtt {
            rtt.get_or_create(&labels).set(seconds.as_secs_f64());
        }
        for known in [Health::Up, Health::Down, Health::Loops] {
            let labels = [&labels[..], &[("state", known.to_string())]].concat();
            state.get_or_create(&labels).set(i64::from(known == report.state));
        }
    }
    registry.register("upstream_questions", "Questions sent to an upstream, repeated ones included", questions);
    registry.register("upstream_failures", "Of these, questions without a reply in time", failures);
    registry.register("upstream_rtt_seconds", "Smoothed round trip to an upstream", rtt);
    registry.register("upstream_state", "1 for the state that an upstream is in", state);
}

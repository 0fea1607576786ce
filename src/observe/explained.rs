//! `/v1/explain`: what a client would be answered and why, how those are that would be asked, and with `?live` what happens
//! when the question is asked now.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::live::{LiveAnswer, LiveQuestion};
use super::report::UpstreamLine;
use super::views::Views;
use crate::dns::{DnsName, Rtype};
use crate::explain::{Asker, Explanation, explain};
use crate::source::SourceReport;

/// `?name=&type=&from=&to=&live&do&cd`: `type` is A and `from`, an address, network or VPC, is 127.0.0.1 if they are left out;
/// `to` is the listener asked. `do` and `cd` are the client's bits of a question that is asked live.
#[derive(Deserialize)]
pub(super) struct ExplainQuery {
    name: String,
    #[serde(rename = "type")]
    rtype: Option<String>,
    from: Option<String>,
    to: Option<SocketAddr>,
    live: Option<String>,
    #[serde(rename = "do")]
    dnssec_ok: Option<String>,
    #[serde(rename = "cd")]
    checking_disabled: Option<String>,
}

/// What `/v1/explain` says: the decision, and how those are that would be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The decision.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// Those that would be asked, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<ExplainedUpstream>,
    /// What the server reads.
    pub sources: Vec<ExplainedSource>,
    /// What happened to the question, where it was asked live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveAnswer>,
}

/// A source, and how old what it said is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedSource {
    /// Its id.
    pub source: String,
    /// The account and region that it reads (`111122223333/eu-west-1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether its last load was good.
    pub good: bool,
    /// Seconds since its last good load.
    pub age_seconds: Option<u64>,
}

impl ExplainedSource {
    fn new(report: &SourceReport) -> Self {
        let age_seconds = report.age().map(|age| age.as_secs());
        Self { source: report.id.to_string(), origin: report.origin.clone(), good: report.is_good(), age_seconds }
    }
}

/// An upstream that would be asked, and why it is as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedUpstream {
    /// How it is.
    #[serde(flatten)]
    pub line: UpstreamLine,
    /// Why.
    pub why: String,
}

impl ExplainedUpstream {
    fn new(report: crate::forward::Report, is_silent: bool) -> Self {
        let why = report.why(is_silent);
        Self { line: report.into(), why }
    }
}

pub(super) async fn explained(
    State(views): State<Views>,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<Explained>, (StatusCode, String)> {
    let bad = |what: String| (StatusCode::BAD_REQUEST, format!("{what}\n"));
    let name: DnsName = query.name.parse().map_err(|e| bad(format!("name={}: {e}", query.name)))?;
    let rtype = query.rtype.as_deref().unwrap_or("A");
    let rtype: Rtype = rtype.parse().map_err(|_| bad(format!("type={rtype}: no record type; try A, AAAA, HTTPS")))?;
    let asker: Asker =
        query.from.as_deref().unwrap_or("127.0.0.1").parse().map_err(|what| bad(format!("from: {what}")))?;
    let asker = asker.to(query.to);
    let snapshot = views.snapshots.load_full();
    if let Asker::Vpc(vpc) = asker
        && snapshot.model.vpc(vpc).is_none()
    {
        return Err((StatusCode::NOT_FOUND, format!("the vpc ID '{vpc}' does not exist\n")));
    }
    let explanation = explain(&snapshot, asker, &name, rtype);
    let upstreams = upstreams(&views, &explanation, &name);
    let live = match query.live {
        Some(_) => {
            let (dnssec_ok, checking_disabled) = (query.dnssec_ok.is_some(), query.checking_disabled.is_some());
            let question = LiveQuestion { asker, name, rtype, dnssec_ok, checking_disabled };
            Some((views.live)(snapshot, question).await)
        }
        None => None,
    };
    let sources = views.status.sources().iter().map(ExplainedSource::new).collect();
    Ok(Json(Explained { explanation, upstreams, sources, live }))
}

/// Those that would be asked, in the order in which they would be, were all alike.
fn upstreams(views: &Views, explanation: &Explanation, name: &DnsName) -> Vec<ExplainedUpstream> {
    let forwarder = views.lookup.forwarder();
    let reports = forwarder.report().into_iter();
    let mut upstreams: Vec<_> = reports
        .filter_map(|report| {
            let text = report.upstream.to_string();
            let place = explanation.forwarded_to.iter().position(|upstream| *upstream == text)?;
            let is_silent = forwarder.is_silent(&report.upstream, name.wire());
            Some((place, ExplainedUpstream::new(report, is_silent)))
        })
        .collect();
    upstreams.sort_by_key(|(place, _)| *place);
    upstreams.into_iter().map(|(_, upstream)| upstream).collect()
}

//! The state of the server in one document: what `vpcedns status` shows, and `/v1/status`.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::drills::{DrillLine, lines};
use super::log::dropped_lines;
use super::process::ProcessReport;
use super::views::Views;
use crate::config::Metric;
use crate::forward::UpstreamState;
use crate::problem::Problem;
use crate::snapshot::ViewClass;
use crate::source::SourceReport;

/// Problems that are shown one by one; the rest are counted.
const PROBLEMS: usize = 20;

/// What a running server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The version of the program.
    pub version: String,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// What its clock says, in seconds since 1970.
    #[serde(default)]
    pub clock_unix_seconds: Option<i64>,
    /// Whether it has been told to stop.
    pub draining: bool,
    /// The generation being served.
    pub generation: u64,
    /// Endpoints in the model, in whatever state.
    pub endpoints: u64,
    /// VPCs in the model.
    pub vpcs: u64,
    /// Loads since the start.
    pub loads: u64,
    /// Of these, loads that were not published because of an error.
    pub failed_loads: u64,
    /// Seconds since the last load.
    pub last_load_age_seconds: Option<u64>,
    /// Errors of the last load: the generation before it keeps serving.
    pub errors: u64,
    /// Warnings of the last load.
    pub warnings: u64,
    /// The first of these, errors first, each with file, line and remedy.
    pub problems: Vec<String>,
    /// Where data comes from.
    pub sources: Vec<SourceLine>,
    /// The drills that run.
    #[serde(default)]
    pub drills: Vec<DrillLine>,
    /// The upstream resolvers.
    pub upstreams: Vec<UpstreamLine>,
    /// Addresses of DNS over UDP and TCP.
    #[serde(default)]
    pub listen: Vec<SocketAddr>,
    /// CountsReport since the start; the difference of two reports is a rate.
    pub counts: CountsReport,
    /// Cached replies.
    pub cache_entries: u64,
    /// Octets that they take.
    pub cache_octets: u64,
    /// File descriptors that are open.
    #[serde(default)]
    pub open_descriptors: Option<u64>,
    /// File descriptors that may be open.
    #[serde(default)]
    pub most_descriptors: Option<u64>,
    /// Seconds until the certificate of encrypted DNS ends; negative once it has.
    #[serde(default)]
    pub certificate_ends_in_seconds: Option<i64>,
}

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceLine {
    /// Its name.
    pub id: String,
    /// Whether all of it was read without an error.
    pub good: bool,
    /// Seconds since it was last read without an error.
    pub age_seconds: Option<u64>,
    /// Its problems.
    pub problems: u64,
    /// Whether some changes are found late, by looking, or not at all.
    #[serde(default)]
    pub untold: bool,
    /// Files that have been half written for 30 s or longer.
    #[serde(default)]
    pub half_written: u64,
}

/// One upstream resolver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpstreamLine {
    /// As it is written in the settings.
    pub upstream: String,
    /// `up`, `doubtful` or `down`.
    pub state: String,
    /// Whether it is asked.
    pub is_up: bool,
    /// Smoothed round-trip time, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Questions sent to it.
    pub questions: u64,
    /// Of these, questions without a reply in time.
    pub failures: u64,
    /// Whether questions leave from another address than those that it is to be asked from, as none of these is on this host.
    #[serde(default)]
    pub source_missing: bool,
}

/// CountsReport since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsReport {
    /// Packets received.
    pub packets: u64,
    /// Replies from local data.
    pub local: u64,
    /// Of these, REFUSED.
    pub refused: u64,
    /// Questions of clients that are not served, those without a reply included.
    #[serde(default)]
    pub denied: u64,
    /// Questions answered from the cache.
    pub cache_hits: u64,
    /// Questions answered from the cache with an expired reply.
    pub cache_stale: u64,
    /// Questions for which an upstream was asked.
    pub forwarded: u64,
    /// Questions that no upstream answered.
    pub forward_failed: u64,
    /// Questions turned away because too many waited.
    pub overloaded: u64,
    /// Connections that were closed because too many were open.
    pub connections_refused: u64,
    /// Log lines that could not be written.
    pub log_lines_dropped: u64,
}

/// What the server says of itself now; `started`: when it started.
pub(super) fn report(views: &Views, started: Instant) -> StatusReport {
    let snapshot = views.snapshots.load_full();
    let last = views.status.last();
    let (loads, failed_loads) = views.status.loads();
    let mut problems = last.as_ref().map(|last| last.problems.clone()).unwrap_or_default();
    problems.sort_by_key(|problem| !problem.is_error());
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let held = views.lookup.cache().held();
    let process = ProcessReport::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let clock = i64::try_from(now).ok();
    let certificate_end = views.certificate_end.as_ref().and_then(|end| end());
    StatusReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        clock_unix_seconds: clock,
        draining: views.status.is_draining(),
        generation: snapshot.generation,
        endpoints: snapshot.model.endpoint_count() as u64,
        vpcs: snapshot.model.vpcs().len() as u64,
        loads,
        failed_loads,
        last_load_age_seconds: last.and_then(|last| last.at.elapsed().ok()).map(|age| age.as_secs()),
        errors: errors as u64,
        warnings: (problems.len() - errors) as u64,
        problems: problems.iter().take(PROBLEMS).map(Problem::to_string).collect(),
        sources: views.status.sources().iter().map(source).collect(),
        drills: lines(&snapshot),
        upstreams: views.lookup.forwarder().report().into_iter().map(UpstreamLine::from).collect(),
        listen: (views.listen)(),
        counts: counts(views),
        cache_entries: held.entries,
        cache_octets: held.octets,
        open_descriptors: process.open_descriptors,
        most_descriptors: process.most_descriptors,
        certificate_ends_in_seconds: certificate_end.map(|end| end.saturating_sub_unsigned(now)),
    }
}

impl From<crate::forward::Report> for UpstreamLine {
    fn from(report: crate::forward::Report) -> Self {
        Self {
            upstream: report.upstream.to_string(),
            state: report.state.to_string(),
            is_up: report.state == UpstreamState::Up,
            rtt_ms: report.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            questions: report.questions,
            failures: report.failures,
            source_missing: report.source_missing,
        }
    }
}

fn source(report: &SourceReport) -> SourceLine {
    SourceLine {
        id: report.id.to_string(),
        good: report.is_good(),
        age_seconds: report.age().map(|age| age.as_secs()),
        problems: report.problems.len() as u64,
        untold: report.health.untold,
        half_written: report.health.half_written as u64,
    }
}

fn counts(views: &Views) -> CountsReport {
    let totals = views.counters.totals();
    let refused = totals.of(Metric::Replies).get(usize::from(crate::dns::Rcode::REFUSED.number()));
    CountsReport {
        packets: totals.sum(Metric::Packets),
        local: totals.sum(Metric::Replies),
        refused: refused.copied().unwrap_or_default(),
        denied: totals.questions_of(ViewClass::Refused),
        cache_hits: totals.sum(Metric::CacheHits),
        cache_stale: totals.sum(Metric::CacheStale),
        forwarded: views.lookup.counts().forwarded,
        forward_failed: totals.sum(Metric::ForwardFailed),
        overloaded: totals.sum(Metric::Overloaded),
        connections_refused: totals.sum(Metric::ConnectionsRefused),
        log_lines_dropped: dropped_lines(),
    }
}

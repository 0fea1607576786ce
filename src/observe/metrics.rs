//! `/metrics`: what is counted and what is read.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exposition::Exposition;
use super::log::dropped_lines;
use super::process::ProcessReport;
use super::views::Views;
use crate::config::Metric;
use crate::forward::{Forwarder, UpstreamState};
use crate::source::SourceReport;

/// All metrics. The numbers are read when they are asked for, so that counting costs workers nothing more.
pub(super) fn text(views: &Views) -> Result<String, fmt::Error> {
    let mut out = Exposition::default();
    out.totals(&views.counters.totals());

    let (counts, held) = (views.lookup.counts(), views.lookup.cache().held());
    out.counter(Metric::Forwarded, counts.forwarded);
    out.counter(Metric::CacheMisses, counts.misses);
    out.counter(Metric::CacheShared, counts.shared);
    out.counter(Metric::CachePrefetches, counts.prefetches);
    out.counter(Metric::CacheEvictions, held.evictions);
    out.gauge(Metric::CacheEntries, held.entries);
    out.gauge(Metric::CacheOctets, held.octets);
    out.counter(Metric::LogLinesDropped, dropped_lines());
    out.gauge(Metric::ForwardWaiting, views.counters.waiting());
    upstreams(&mut out, views.lookup.forwarder());

    let (logged, not_logged) = views.query_log.as_ref().map_or((0, 0), |counts| counts.totals());
    out.counter(Metric::QueryLogWritten, logged);
    out.counter(Metric::QueryLogDropped, not_logged);

    let ((loads, failures), last) = (views.status.loads(), views.status.last());
    let problems = last.as_ref().map_or(0, |report| report.problems.len());
    out.counter(Metric::Loads, loads);
    out.counter(Metric::LoadFailures, failures);
    out.gauge(Metric::LoadProblems, problems as u64);
    out.seconds(Metric::LastLoad, last.as_ref().map_or(0.0, |report| unix_seconds(report.at)));
    out.seconds(Metric::LastLoadDuration, last.as_ref().map_or(0.0, |report| report.took.as_secs_f64()));
    sources(&mut out, &views.status.sources());
    let snapshot = views.snapshots.load_full();
    out.gauge(Metric::Drills, snapshot.drills().len() as u64);
    out.gauge(Metric::Generation, snapshot.generation);
    out.seconds(Metric::GenerationTime, unix_seconds(views.snapshots.since()));
    out.gauge(Metric::Endpoints, snapshot.model.endpoint_count() as u64);
    out.gauge(Metric::ContestedBlocks, snapshot.contested().len() as u64);
    process(&mut out, views);
    views.more.iter().for_each(|more| more(&mut out));
    out.text()
}

/// Version, clock, certificate, memory, processor and descriptors.
fn process(out: &mut Exposition, views: &Views) {
    let (report, now) = (ProcessReport::now(), SystemTime::now());
    out.gauges(Metric::BuildInfo, [(vec![env!("CARGO_PKG_VERSION")], 1.0)]);
    out.seconds(Metric::Clock, unix_seconds(now));
    #[expect(clippy::cast_precision_loss, reason = "nobody has more than 2^53 octets of memory")]
    let octets = |octets: u64| octets as f64;
    let parts = [
        ("cache", Some(views.lookup.cache().held().octets)),
        ("replies", Some(views.lookup.forwarder().budget().used() as u64)),
        ("process", report.resident),
    ];
    out.gauges(Metric::Memory, parts.iter().filter_map(|(part, value)| Some((vec![*part], octets((*value)?)))));
    if let Some(seconds) = report.cpu_seconds {
        out.seconds_counter(Metric::ProcessCpu, seconds);
    }
    for (metric, value) in [
        (Metric::ProcessMemory, report.resident),
        (Metric::ProcessOpenDescriptors, report.open_descriptors),
        (Metric::ProcessMostDescriptors, report.most_descriptors),
    ] {
        if let Some(value) = value {
            out.gauge(metric, value);
        }
    }
    if let Some(end) = views.certificate_end.as_ref().and_then(|end| end()) {
        out.gauge(Metric::CertificateExpiry, u64::try_from(end).unwrap_or_default());
    }
    if let Some(start) = now.checked_sub(views.started.elapsed()) {
        out.seconds(Metric::ProcessStart, unix_seconds(start));
    }
}

/// A moment as Prometheus has it.
fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// One line of each metric for each source.
fn sources(out: &mut Exposition, reports: &[SourceReport]) {
    let names: Vec<[&str; 1]> = reports.iter().map(|report| [report.id.as_str()]).collect();
    let each = || names.iter().zip(reports).map(|(name, report)| (name.to_vec(), report));
    out.gauges(Metric::SourceGood, each().map(|(name, report)| (name, f64::from(u8::from(report.is_good())))));
    let problems = |report: &SourceReport| u32::try_from(report.problems.len()).unwrap_or(u32::MAX);
    out.gauges(Metric::SourceProblems, each().map(|(name, report)| (name, f64::from(problems(report)))));
    let told = |report: &SourceReport| f64::from(u8::from(!report.health.untold));
    out.gauges(Metric::SourceTold, each().map(|(name, report)| (name, told(report))));
    let half_written = |report: &SourceReport| u32::try_from(report.health.half_written).unwrap_or(u32::MAX);
    out.gauges(Metric::SourceHalfWritten, each().map(|(name, report)| (name, f64::from(half_written(report)))));
    let late = names.iter().zip(reports).map(|(name, report)| (name.as_slice(), report.health.found_late));
    out.counters(Metric::SourceFoundLate, late);
    let at = each().filter_map(|(name, report)| Some((name, unix_seconds(report.last_good?))));
    out.gauges(Metric::SourceLastGood, at);
}

/// One line of each metric for each upstream.
fn upstreams(out: &mut Exposition, forwarder: &Forwarder) {
    let reports: Vec<_> = forwarder.report().into_iter().map(|report| (report.upstream.to_string(), report)).collect();
    let names: Vec<[&str; 1]> = reports.iter().map(|(name, _)| [name.as_str()]).collect();
    let each = || names.iter().zip(&reports).map(|(name, (_, report))| (name.as_slice(), report));
    out.counters(Metric::UpstreamQuestions, each().map(|(name, report)| (name, report.questions)));
    out.counters(Metric::UpstreamFailures, each().map(|(name, report)| (name, report.failures)));
    let rtt = each().filter_map(|(name, report)| Some((name.to_vec(), report.rtt?.as_secs_f64())));
    out.gauges(Metric::UpstreamRtt, rtt);
    let known =
        [UpstreamState::Up, UpstreamState::Doubtful, UpstreamState::Down].map(|state| (state, state.to_string()));
    let states = each().flat_map(|(name, report)| {
        let value = |is: bool| f64::from(u8::from(is));
        known.iter().map(move |(state, word)| ([name, &[word.as_str()]].concat(), value(*state == report.state)))
    });
    out.gauges(Metric::UpstreamState, states);
}

//! The declarations of all metrics. One entry here makes counter, line of /metrics and row of docs/metrics.md.
//!
//! To add one: an entry here; where it happens, `count` of `Tally` or `Counters` for a counter kept by thread, or a
//! line in `observe/metrics.rs` for a value that is read.

use std::fmt::Write as _;

use crate::answer::Topic;
use crate::snapshot::{DrillFault, ViewClass};
use crate::wire::Transport;

use super::metric::{Label, MetricInfo, MetricKind, first_slot, metrics, tallied};

/// What a drill has at fault.
const DRILL_FAULT: Label = Label { name: "fault", values: &DrillFault::NAMES };
/// How a message came.
const TRANSPORT: Label = Label { name: "transport", values: &Transport::NAMES };
/// Response codes; those that are rare share the last.
const RCODE: Label =
    Label { name: "rcode", values: &["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "other"] };
/// Whose view the client has: a VPC's, that of this machine and the `allow` list, or none.
const VIEW: Label = Label { name: "view", values: &ViewClass::NAMES };
/// What the answer is about, or who is asked.
const DECISION: Label = Label { name: "decision", values: &Topic::NAMES };
/// Why there was no reply.
const SILENCE: Label = Label { name: "reason", values: &["malformed", "stranger", "rate_limit"] };
/// Whether the answer was at hand: local data or a cached reply.
const ANSWERED: Label = Label { name: "answered", values: &["at_once", "waited"] };
/// What takes memory.
const PART: Label = Label { name: "part", values: &[] };
/// The version of the program.
const VERSION: Label = Label { name: "version", values: &[] };
/// Why a connection was refused, or closed to make room.
const REASON: Label =
    Label { name: "reason", values: &["stranger", "client", "full", "displaced", "handshake", "proxy"] };
/// What became of a question beyond the limit.
const ACTION: Label = Label { name: "action", values: &["bad_cookie", "truncated", "dropped"] };
/// What a connection was for: the transports of DNS in their order, and what is beside them.
const LISTENER: Label = Label { name: "listener", values: &LISTENERS };
/// What is beside the transports of DNS.
const BESIDE_DNS: [&str; 4] = ["http", "ec2_api", "socket", "transfer"];
const LISTENERS: [&str; Transport::NAMES.len() + BESIDE_DNS.len()] = {
    let (of_dns, mut all, mut at) = (Transport::NAMES.len(), [""; Transport::NAMES.len() + BESIDE_DNS.len()], 0);
    while at < all.len() {
        all[at] = if at < of_dns { Transport::NAMES[at] } else { BESIDE_DNS[at - of_dns] };
        at += 1;
    }
    all
};
/// What became of a request of a secondary: all of a zone, its serial alone, or an error.
const TRANSFER: Label = Label { name: "result", values: &["zone", "serial", "refused", "bad_signature", "broken_off"] };
/// What a secondary said of a NOTIFY.
const NOTIFIED: Label = Label { name: "result", values: &["acknowledged", "refused", "unanswered"] };
/// An upstream resolver, as it is written in the settings.
const UPSTREAM: Label = Label { name: "upstream", values: &[] };
/// A source of objects: `files`, `ec2-api`.
const SOURCE: Label = Label { name: "source", values: &[] };
/// What became of a round in which an account was read: taken over, failed, or held back as too little was left.
const OUTCOME: Label = Label { name: "outcome", values: &[] };
/// What state an upstream can be in.
const STATE: Label = Label { name: "state", values: &[] };

metrics! {
    /// Packets received, whatever became of them
    Packets: Tallied "packets" by [TRANSPORT];
    /// Replies from local data
    Replies: Tallied "replies" by [RCODE];
    /// Replies of upstreams that were handed on, cached ones included
    Relayed: Tallied "relayed" by [RCODE];
    /// Questions, by who asked and what decided about the answer
    Questions: Tallied "questions" by [VIEW, DECISION];
    /// Packets without a reply, on purpose: what is no question, datagrams of strangers, and of clients beyond `--rate-limit`
    Silent: Tallied "silent" by [SILENCE];
    /// Questions that no upstream answered, those included that were refused at once as all upstreams are down
    ForwardFailed: Tallied "forward_failed";
    /// Questions answered with a cached reply
    CacheHits: Tallied "cache_hits";
    /// Questions answered with an expired cached reply (RFC 8767)
    CacheStale: Tallied "cache_stale";
    /// Questions turned away because too many waited for an upstream
    Overloaded: Counted "overloaded";
    /// Questions of clients beyond `--rate-limit`: told to use a cookie, told to use TCP, or dropped
    RateLimited: Counted "rate_limited" by [ACTION];
    /// Questions with a malformed EDNS Client Subnet, from forwarders that are believed
    MalformedSubnets: Counted "malformed_subnets";
    /// Questions for names that only an SDK suggests, which stay public, from VPCs with an endpoint of the service
    SecondNames: Counted "second_names";
    /// Connections refused: of strangers, of a client with too many, as all were in use, idle ones closed for new ones,
    /// those whose handshake failed, and those with a malformed PROXY header (over UDP: datagrams)
    ConnectionsRefused: Counted "connections_refused" by [LISTENER, REASON];
    /// Requests of secondaries at `--transfer`, by what became of them
    Transfers: Counted "transfers" by [TRANSFER];
    /// NOTIFY messages to secondaries, repeated ones included, by what they said
    Notifies: Counted "notifies" by [NOTIFIED];
    /// Time from reading a question to its reply; questions that are read together count with the time of all
    AnswerDuration: Timed "answer_duration_seconds" by [TRANSPORT, ANSWERED];
    /// Answers that a drill changed or delayed
    DrilledAnswers: Counted "drilled_answers" by [DRILL_FAULT];
    /// Log lines that could not be written
    LogLinesDropped: Counter "log_lines_dropped";

    /// Questions for which an upstream was asked, or its reply to the same question awaited
    Forwarded: Counter "forwarded";
    /// Questions that wait for an upstream now
    ForwardWaiting: Gauge "forward_waiting";
    /// Questions for which nothing was cached
    CacheMisses: Counter "cache_misses";
    /// Misses that awaited the reply to the same question of another client
    CacheShared: Counter "cache_shared";
    /// Cached replies that were refreshed before they expired
    CachePrefetches: Counter "cache_prefetches";
    /// Cached replies that were dropped to make room
    CacheEvictions: Counter "cache_evictions";
    /// Cached replies
    CacheEntries: Gauge "cache_entries";
    /// Octets of memory for cached replies
    CacheOctets: Gauge "cache_octets";

    /// Questions sent to an upstream, repeated ones included
    UpstreamQuestions: Counter "upstream_questions" by [UPSTREAM];
    /// Questions sent to an upstream without a reply in time
    UpstreamFailures: Counter "upstream_failures" by [UPSTREAM];
    /// Smoothed round-trip time to an upstream
    UpstreamRtt: Gauge "upstream_rtt_seconds" by [UPSTREAM];
    /// 1 for the state that an upstream is in
    UpstreamState: Gauge "upstream_state" by [UPSTREAM, STATE];

    /// Loads of the sources
    Loads: Counter "loads";
    /// Loads that were not published because of an error
    LoadFailures: Counter "load_failures";
    /// Problems of the last load, warnings included
    LoadProblems: Gauge "load_problems";
    /// When the last load ended (Unix time)
    LastLoad: Gauge "last_load_timestamp_seconds";
    /// How long the last load took
    LastLoadDuration: Gauge "last_load_duration_seconds";
    /// 1 while what a source says now is what is served
    SourceGood: Gauge "source_good" by [SOURCE];
    /// Problems of a source when it was last read, warnings included
    SourceProblems: Gauge "source_problems" by [SOURCE];
    /// When a source was last read without an error (Unix time)
    SourceLastGood: Gauge "source_last_good_timestamp_seconds" by [SOURCE];
    /// 1 while changes of a source are told, 0 while some are found late, by looking, or not at all
    SourceTold: Gauge "source_told" by [SOURCE];
    /// Files that have been half written for 30 s or longer: their last complete content is served
    SourceHalfWritten: Gauge "source_half_written" by [SOURCE];
    /// Changes of a source that nobody told of, found by looking
    SourceFoundLate: Counter "source_found_late" by [SOURCE];
    /// Rounds in which an account was read, by what became of them
    SyncRounds: Counter "sync_rounds" by [SOURCE, OUTCOME];
    /// When the hosted zone of an account was read that was read longest ago
    SyncZonesOldest: Gauge "sync_zones_timestamp_seconds" by [SOURCE];
    /// Questions that were written to the query log, each counted for each of its places
    QueryLogWritten: Counter "query_log_written";
    /// The same that were not written: the writer did not keep up, or its place cannot be written to
    QueryLogDropped: Counter "query_log_dropped";
    /// Drills that run
    Drills: Gauge "drills";
    /// The generation being served
    Generation: Gauge "generation";
    /// When that was published (Unix time)
    GenerationTime: Gauge "generation_timestamp_seconds";
    /// Endpoints in the model, in whatever state
    Endpoints: Gauge "endpoints";
    /// Blocks of several VPCs whose clients are of none, as nothing tells them apart
    ContestedBlocks: Gauge "contested_blocks";

    /// 1; the version of the program
    BuildInfo: Gauge "build_info" by [VERSION];
    /// What the clock of this machine says (Unix time)
    Clock: Gauge "clock_timestamp_seconds";
    /// When the certificate of encrypted DNS ends (Unix time)
    CertificateExpiry: Gauge "certificate_expiry_timestamp_seconds";
    /// Octets of memory: cached replies, replies on their way to clients, and the process with all of it
    Memory: Gauge "memory_octets" by [PART];
    /// Processor time of the process
    ProcessCpu: Counter "process_cpu_seconds";
    /// Memory of the process that is in use
    ProcessMemory: Gauge "process_resident_memory_bytes";
    /// File descriptors that are open
    ProcessOpenDescriptors: Gauge "process_open_fds";
    /// File descriptors that may be open
    ProcessMostDescriptors: Gauge "process_max_fds";
    /// When the process started (Unix time)
    ProcessStart: Gauge "process_start_time_seconds";

    /// Connection notifications that a target accepted
    NotificationsDelivered: Counter "notifications_delivered";
    /// Failed attempts to deliver a notification
    NotificationsFailed: Counter "notifications_failed";
    /// Notifications that no target accepted in time
    NotificationsGivenUp: Counter "notifications_given_up";
    /// Notifications that wait to be delivered
    NotificationsQueued: Gauge "notifications_queued";
}

/// docs/metrics.md: every metric in a table.
pub fn metrics_reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         Generated from `src/config/metrics.rs`; `UPDATE_DOCS=1 cargo test --test it generated` writes it anew.\n\n\
         `--http ADDR` opens `/metrics`: OpenMetrics 1.0 for who accepts it, else the Prometheus text format. Units are in the\n\
         names; an octet is a byte of eight bits. Metrics of notifications are there while a target of notifications is set.\n\n\
         | name | type | labels | |\n|---|---|---|---|\n",
    );
    for (_, info) in Metric::TABLE {
        let (kind, suffix) = match info.kind {
            MetricKind::Tallied | MetricKind::Counted | MetricKind::Counter => ("counter", "_total"),
            MetricKind::Gauge => ("gauge", ""),
            MetricKind::Timed => ("histogram", ""),
        };
        let label = |label: &Label| match label.values {
            [] => format!("`{}`", label.name),
            values => format!("`{}`: {}", label.name, values.join(", ")),
        };
        let labels = info.labels.iter().map(label).collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "| `{}{suffix}` | {kind} | {labels} | {} |", info.family(), info.help());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::metric::TIMED_SLOTS;
    use super::*;

    #[test]
    fn slots_do_not_overlap() {
        let mut next = 0;
        for (at, (metric, info)) in Metric::TABLE.iter().enumerate() {
            assert_eq!(*metric as usize, at);
            assert_eq!(metric.range().start, next, "{}", info.name);
            next = metric.range().end;
            let slots = match info.kind {
                MetricKind::Tallied | MetricKind::Counted => info.combinations().len(),
                MetricKind::Timed => info.combinations().len() * TIMED_SLOTS,
                MetricKind::Counter | MetricKind::Gauge => 0,
            };
            assert_eq!(metric.range().len(), slots);
        }
        assert_eq!(next, Metric::SLOTS);
        assert_eq!(Metric::Overloaded.slot(), Metric::TALLIED);
    }

    /// OpenMetrics: one family a name, lower case; a counter's `_total` is added by the encoder.
    #[test]
    fn names_are_distinct_and_well_formed() {
        let names: HashSet<&str> = Metric::TABLE.iter().map(|(_, info)| info.name).collect();
        assert_eq!(names.len(), Metric::TABLE.len());
        for name in names {
            assert!(name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'), "{name}");
            assert!(!name.ends_with("_total"), "{name}");
        }
    }
}

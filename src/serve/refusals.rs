//! Refused connections: counted by transport and reason, and one line in the log a minute for each.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::config::Metric;
use crate::observe::Counters;
use crate::wire::Transport;

/// Milliseconds in which one kind of refusal is logged once.
const LOG_EVERY_MS: u64 = 60_000;

/// Why a connection was refused, or closed before its time. In the order of the label `reason` in `config/metrics.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedBecause {
    /// Nothing is known of the client: on plain TCP it is closed at once, elsewhere strangers have a small share.
    Stranger,
    /// The client has too many.
    Client,
    /// There are too many in all.
    Full,
    /// It was open, and made room for a new one.
    Displaced,
    /// Its handshake failed or took too long.
    Handshake,
    /// It is a proxy's, and does not begin with a PROXY header of version 2; or a datagram is such a one.
    Proxy,
}

impl RefusedBecause {
    /// The word in the label of the metric.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Client => "client",
            Self::Full => "full",
            Self::Displaced => "displaced",
            Self::Handshake => "handshake",
            Self::Proxy => "proxy",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Stranger => "the client is in no VPC and no allowed network",
            Self::Client => "the client has too many connections",
            Self::Full => "there are too many connections",
            Self::Displaced => "idle connections made room for new ones",
            Self::Handshake => "the handshake failed or took too long",
            Self::Proxy => "the PROXY header is malformed or missing",
        }
    }
}

/// Counts, and the times of the last lines in the log.
pub(super) struct Refusals {
    counters: Arc<Counters>,
    started: Instant,
    kinds: [KindOfRefusal; Metric::ConnectionsRefused.range().end - Metric::ConnectionsRefused.range().start],
}

#[derive(Default)]
struct KindOfRefusal {
    since_logged: AtomicU64,
    /// Milliseconds from the start to when it may be logged again.
    quiet_until: AtomicU64,
}

impl Refusals {
    /// Counts in `counters`.
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { counters, started: Instant::now(), kinds: std::array::from_fn(|_| KindOfRefusal::default()) }
    }

    /// One connection of `peer` was refused.
    pub(super) fn count(&self, transport: Transport, because: RefusedBecause, peer: IpAddr) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.count_at(now_ms, transport, because, peer);
    }

    /// The same at a time; whether it was logged.
    fn count_at(&self, now_ms: u64, transport: Transport, because: RefusedBecause, peer: IpAddr) -> bool {
        let at = self.counters.count_labelled(Metric::ConnectionsRefused, &[transport as usize, because as usize]);
        let Some(kind) = self.kinds.get(at) else { return false };
        let count = kind.since_logged.fetch_add(1, Ordering::Relaxed) + 1;
        let quiet_until = kind.quiet_until.load(Ordering::Relaxed);
        let may_log = now_ms >= quiet_until
            && kind
                .quiet_until
                .compare_exchange(quiet_until, now_ms + LOG_EVERY_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if may_log {
            kind.since_logged.fetch_sub(count, Ordering::Relaxed);
            // a target of its own: here is one line for each kind, where the log has one for each place in the source
            tracing::warn!(
                target: "vpcedns::refusals",
                transport = transport.name(),
                connections = count,
                last = %peer,
                "connections refused: {}; the next line of this kind comes in a minute at the earliest",
                because.text()
            );
        }
        may_log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_one_a_minute_and_kind_is_logged() {
        let counters = Arc::new(Counters::default());
        let refusals = Refusals::new(Arc::clone(&counters));
        let peer = IpAddr::from([192, 0, 2, 1]);
        let mut lines = 0;
        for second in 0..120 {
            for because in [RefusedBecause::Stranger, RefusedBecause::Full] {
                lines += usize::from(refusals.count_at(second * 1000, Transport::Tls, because, peer));
            }
        }
        assert_eq!(lines, 4, "two kinds in two minutes");
        let totals = counters.totals();
        assert_eq!(totals.sum(Metric::ConnectionsRefused), 240);
        let labels = Metric::ConnectionsRefused.info().combinations();
        let counted: Vec<_> =
            labels.iter().zip(totals.of(Metric::ConnectionsRefused)).filter(|(_, count)| **count > 0).collect();
        assert_eq!(counted, [(&vec!["tls", "stranger"], &120), (&vec!["tls", "full"], &120)]);
        for because in [
            RefusedBecause::Stranger,
            RefusedBecause::Client,
            RefusedBecause::Full,
            RefusedBecause::Displaced,
            RefusedBecause::Handshake,
            RefusedBecause::Proxy,
        ] {
            assert_eq!(labels[because as usize][1], because.label());
        }
    }
}

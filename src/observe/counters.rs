//! Counters that workers write without sharing a cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::config::Metric;
use crate::dns::Rcode;
use crate::forward::cache::{Age, CacheHit};
use crate::wire::Transport;

/// Threads beyond this many share counts, which costs time but no counts.
const THREADS: usize = 16;

/// What has been done since the start.
#[derive(Default)]
pub struct Counters {
    threads: [ThreadCounts; THREADS],
}

/// The counts of one thread, on cache lines of their own.
#[repr(align(128))]
struct ThreadCounts([AtomicU64; Metric::SLOTS]);

impl Default for ThreadCounts {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Metric::SLOTS])
    }
}

impl ThreadCounts {
    fn add(&self, slot: usize, count: u64) {
        if let Some(to) = self.0.get(slot) {
            to.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// The counts of one batch; they are added to those of the thread when it is dropped.
pub struct Tally<'c> {
    thread: &'c ThreadCounts,
    counts: [Cell<u32>; Metric::TALLIED],
}

/// The sums over all threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals([u64; Metric::SLOTS]);

impl Totals {
    /// The counts of a metric, one for each combination of its labels; empty where it is not counted by thread.
    pub fn of(&self, metric: Metric) -> &[u64] {
        self.0.get(metric.range()).unwrap_or_default()
    }

    /// The sum of these.
    pub fn sum(&self, metric: Metric) -> u64 {
        self.of(metric).iter().sum()
    }
}

thread_local! {
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % THREADS
    };
}

impl Counters {
    fn thread(&self) -> &ThreadCounts {
        let [first, ..] = &self.threads;
        self.threads.get(THREAD.with(|at| *at)).unwrap_or(first)
    }

    /// Counts for a batch of this thread.
    pub fn tally(&self) -> Tally<'_> {
        Tally { thread: self.thread(), counts: [const { Cell::new(0) }; Metric::TALLIED] }
    }

    /// Counts one event of a metric without labels, at once.
    pub fn count(&self, metric: Metric) {
        self.thread().add(metric.slot(), 1);
    }

    /// Counts one event of a metric with labels, each given by its place among the values of the label; returns its
    /// place among the [combinations](crate::config::MetricInfo::combinations) of these.
    pub fn count_labelled(&self, metric: Metric, places: &[usize]) -> usize {
        let at = metric.info().labels.iter().zip(places).fold(0, |at, (label, place)| at * label.values.len() + place);
        self.thread().add(metric.slot() + at, 1);
        at
    }

    /// Counts one event of a metric with labels, by the values of these. One that is not declared is not counted.
    pub fn count_values(&self, metric: Metric, values: &[&str]) {
        let labels = metric.info().labels.iter().zip(values);
        let place =
            |(label, value): (&crate::config::Label, &&str)| label.values.iter().position(|known| known == value);
        if let Some(places) = labels.map(place).collect::<Option<Vec<usize>>>() {
            self.count_labelled(metric, &places);
        }
    }

    /// The sums over all threads.
    pub fn totals(&self) -> Totals {
        let mut totals = [0; Metric::SLOTS];
        for thread in &self.threads {
            for (sum, count) in totals.iter_mut().zip(&thread.0) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        Totals(totals)
    }
}

impl Tally<'_> {
    fn up(&self, slot: usize) {
        if let Some(cell) = self.counts.get(slot) {
            cell.set(cell.get().wrapping_add(1));
        }
    }

    /// A packet was received.
    pub fn packet(&self, transport: Transport) {
        self.up(const { Metric::Packets.slot() } + transport as usize);
    }

    /// A reply with this response code.
    pub fn reply(&self, rcode: Rcode) {
        let others = const { Metric::Replies.range().end - Metric::Replies.range().start - 1 };
        self.up(const { Metric::Replies.slot() } + usize::from(rcode.number()).min(others));
    }

    /// No reply, on purpose.
    pub fn silent(&self) {
        self.up(const { Metric::Silent.slot() });
    }

    /// A question that no upstream answered.
    pub fn forward_failed(&self) {
        self.up(const { Metric::ForwardFailed.slot() });
    }

    /// A question answered from the cache.
    pub fn cached(&self, found: &CacheHit) {
        self.up(match found.age {
            Age::Fresh(_) => const { Metric::CacheHits.slot() },
            Age::Stale(_) => const { Metric::CacheStale.slot() },
        });
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        for (slot, cell) in self.counts.iter().enumerate() {
            if cell.get() > 0 {
                self.thread.add(slot, u64::from(cell.get()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_over_threads() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let tally = counters.tally();
                    tally.packet(Transport::Quic);
                    tally.reply(Rcode::NXDOMAIN);
                    tally.reply(Rcode::BADVERS);
                    tally.silent();
                    counters.count(Metric::Overloaded);
                });
            }
        });
        let totals = counters.totals();
        assert_eq!((totals.of(Metric::Replies), totals.sum(Metric::Silent)), (&[0, 0, 0, 20, 0, 0, 20][..], 20));
        assert_eq!(totals.of(Metric::Packets), [0, 0, 0, 0, 20]);
        assert_eq!(totals.sum(Metric::Overloaded), 20);
        assert_eq!(totals.of(Metric::Loads), [0; 0], "is kept elsewhere");
    }
}

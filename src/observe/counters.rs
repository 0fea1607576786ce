//! Counters that workers write without sharing a cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::answer::Topic;
use crate::config::Metric;
use crate::dns::Rcode;
use crate::forward::cache::{Age, CacheHit};
use crate::snapshot::ViewClass;
use crate::wire::Transport;

/// Threads beyond this many share counts, which costs time but no counts.
const THREADS: usize = 16;
/// Counts of a batch that are looked at together.
const CHUNK: usize = 8;

/// What has been done since the start.
#[derive(Default)]
pub struct Counters {
    threads: [ThreadCounts; THREADS],
    /// Questions that wait for an upstream now.
    pub(super) waiting: AtomicU64,
}

/// The counts of one thread, on cache lines of their own.
#[repr(align(128))]
pub(super) struct ThreadCounts([AtomicU64; Metric::SLOTS]);

impl Default for ThreadCounts {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Metric::SLOTS])
    }
}

impl ThreadCounts {
    pub(super) fn add(&self, slot: usize, count: u64) {
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

/// Why there is no reply, in the order of the label's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It is no question.
    Malformed,
    /// A stranger's datagram, beyond what strangers get.
    Stranger,
    /// A client's datagram, beyond `--rate-limit`.
    RateLimit,
}

/// The place of a response code among the values of the label.
fn rcode_place(rcode: Rcode) -> usize {
    let others = const { Metric::Replies.range().end - Metric::Replies.range().start - 1 };
    usize::from(rcode.number()).min(others)
}

/// The sums over all threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals([u64; Metric::SLOTS]);

impl Totals {
    /// The counts of a metric, one for each combination of its labels; empty where it is not counted by thread.
    pub fn of(&self, metric: Metric) -> &[u64] {
        self.0.get(metric.range()).unwrap_or_default()
    }

    /// Questions of clients of this class.
    pub fn questions_of(&self, class: ViewClass) -> u64 {
        let mut classes = self.of(Metric::Questions).chunks(Topic::NAMES.len());
        classes.nth(class as usize).map_or(0, |topics| topics.iter().sum())
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
    pub(super) fn thread(&self) -> &ThreadCounts {
        let [first, ..] = &self.threads;
        self.threads.get(THREAD.with(|at| *at)).unwrap_or(first)
    }

    /// Counts for a batch of this thread.
    pub fn tally(&self) -> Tally<'_> {
        Tally { thread: self.thread(), counts: [const { Cell::new(0) }; Metric::TALLIED] }
    }

    /// Counts one event of a metric without labels, at once.
    pub fn count(&self, metric: Metric) {
        self.count_at(metric, 0);
    }

    /// Counts one event of a metric, at a place among the combinations of its labels.
    fn count_at(&self, metric: Metric, at: usize) {
        debug_assert!(at < metric.range().len(), "{metric:?} does not count at {at}");
        self.thread().add(metric.slot() + at, 1);
    }

    /// Counts one event of a metric with labels, each given by its place among the values of the label; returns its
    /// place among the [combinations](crate::config::MetricInfo::combinations) of these.
    pub fn count_labelled(&self, metric: Metric, places: &[usize]) -> usize {
        let at = metric.info().labels.iter().zip(places).fold(0, |at, (label, place)| at * label.values.len() + place);
        self.count_at(metric, at);
        at
    }

    /// Counts one event of a metric with labels, by the values of these. One that is not declared is not counted.
    pub fn count_values(&self, metric: Metric, values: &[&str]) {
        let labels = metric.info().labels.iter().zip(values);
        let place =
            |(label, value): (&crate::config::Label, &&str)| label.values.iter().position(|known| known == value);
        let places = labels.map(place).collect::<Option<Vec<usize>>>();
        debug_assert!(places.is_some(), "{metric:?} has no values {values:?}");
        if let Some(places) = places {
            self.count_labelled(metric, &places);
        }
    }

    /// Counts one reply with this response code to a question that others were asked.
    pub fn relayed(&self, rcode: Rcode) {
        self.count_at(Metric::Relayed, rcode_place(rcode));
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
    /// One event of a tallied metric without labels.
    pub fn count(&self, metric: Metric) {
        self.count_at(metric, 0);
    }

    /// One event of a tallied metric, at a place among the combinations of its labels.
    fn count_at(&self, metric: Metric, at: usize) {
        debug_assert!(at < metric.range().len(), "{metric:?} does not count at {at}");
        let cell = self.counts.get(metric.slot() + at);
        debug_assert!(cell.is_some(), "{metric:?} is not tallied");
        if let Some(cell) = cell {
            cell.set(cell.get().wrapping_add(1));
        }
    }

    /// How many replies there were, and how their questions came.
    pub fn answered(&self) -> (u32, Transport) {
        let sum = |metric: Metric| {
            let cells = self.counts.get(metric.range()).unwrap_or_default();
            cells.iter().fold(0, |sum: u32, cell| sum.wrapping_add(cell.get()))
        };
        let came = |transport: &Transport| {
            self.counts.get(Metric::Packets.slot() + *transport as usize).is_some_and(|cell| cell.get() > 0)
        };
        let transport = Transport::ALL.into_iter().find(came).unwrap_or(Transport::Udp);
        (sum(Metric::Replies) + sum(Metric::Relayed), transport)
    }

    /// A packet was received.
    pub fn packet(&self, transport: Transport) {
        self.count_at(Metric::Packets, transport as usize);
    }

    /// A reply with this response code.
    pub fn reply(&self, rcode: Rcode) {
        self.count_at(Metric::Replies, rcode_place(rcode));
    }

    /// A reply with this response code to a question that others were asked.
    pub fn relayed(&self, rcode: Rcode) {
        self.count_at(Metric::Relayed, rcode_place(rcode));
    }

    /// What decided about the answer to a client of this class.
    pub fn question(&self, class: ViewClass, topic: Topic) {
        debug_assert!((topic as usize) < Topic::NAMES.len(), "{topic:?} has no word");
        self.count_at(Metric::Questions, class as usize * Topic::NAMES.len() + topic as usize);
    }

    /// No reply, on purpose.
    pub fn silent(&self, why: Silence) {
        self.count_at(Metric::Silent, why as usize);
    }

    /// A question answered from the cache.
    pub fn cached(&self, found: &CacheHit) {
        self.count(match found.age {
            Age::Fresh(_) => Metric::CacheHits,
            Age::Stale(_) => Metric::CacheStale,
        });
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        // most are zero: they are passed over several at a time
        for (chunk, cells) in self.counts.chunks(CHUNK).enumerate() {
            if cells.iter().fold(0, |all, cell| all | cell.get()) == 0 {
                continue;
            }
            for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.get() > 0) {
                self.thread.add(chunk * CHUNK + at, u64::from(cell.get()));
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
                    tally.silent(Silence::Stranger);
                    assert_eq!(tally.answered(), (2, Transport::Quic));
                    tally.question(ViewClass::Refused, Topic::Drill);
                    tally.question(ViewClass::Vpc, Topic::Endpoint);
                    tally.relayed(Rcode::NOERROR);
                    counters.count(Metric::Overloaded);
                });
            }
        });
        let totals = counters.totals();
        assert_eq!((totals.of(Metric::Replies), totals.sum(Metric::Silent)), (&[0, 0, 0, 20, 0, 0, 20][..], 20));
        assert_eq!(totals.of(Metric::Packets), [0, 0, 0, 0, 20]);
        assert_eq!((totals.of(Metric::Silent), totals.sum(Metric::Relayed)), (&[0, 20, 0][..], 20));
        let questions = totals.of(Metric::Questions);
        assert_eq!((questions.first(), questions.last(), totals.sum(Metric::Questions)), (Some(&20), Some(&20), 40));
        assert_eq!((totals.questions_of(ViewClass::Refused), totals.questions_of(ViewClass::Outside)), (20, 0));
        assert_eq!(totals.sum(Metric::Overloaded), 20);
        assert_eq!(totals.of(Metric::Loads), [0; 0], "is kept elsewhere");
    }

    /// What is not declared would count for the metric behind it.
    #[test]
    fn only_what_is_declared_is_counted() {
        let refused = |count: fn(&Counters)| {
            std::panic::catch_unwind(|| count(&Counters::default())).expect_err("it was counted");
        };
        refused(|counters| counters.count(Metric::Loads));
        refused(|counters| _ = counters.count_labelled(Metric::RateLimited, &[9]));
        refused(|counters| counters.count_values(Metric::RateLimited, &["forgotten"]));
        refused(|counters| counters.tally().count(Metric::Overloaded));
    }
}

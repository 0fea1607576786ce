//! How long answers take: buckets that each thread counts for itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Counters;
use crate::config::{BOUNDS, Metric, TIMED_SLOTS};
use crate::wire::Transport;

/// Whether an answer was at hand, in the order of the label's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Local data, or a cached reply.
    AtOnce,
    /// An upstream was asked.
    Waited,
}

impl Counters {
    /// Takes note of `answers` that took so long each.
    pub fn took(&self, transport: Transport, answered: Answered, took: Duration, answers: u32) {
        let histogram = (transport as usize * 2 + answered as usize) * TIMED_SLOTS;
        let first = const { Metric::AnswerDuration.slot() } + histogram;
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        let sum = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(u64::from(answers));
        let thread = self.thread();
        thread.add(first + bucket, u64::from(answers));
        thread.add(first + TIMED_SLOTS - 1, sum);
    }

    /// A question begins to wait for an upstream; it does until this is dropped.
    pub fn wait(self: &Arc<Self>, transport: Transport) -> WaitingQuestion {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        WaitingQuestion { counters: Arc::clone(self), transport, began: Instant::now() }
    }

    /// Questions that wait for an upstream.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A question that waits for an upstream.
pub struct WaitingQuestion {
    counters: Arc<Counters>,
    transport: Transport,
    began: Instant,
}

impl WaitingQuestion {
    /// How long it has waited.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for WaitingQuestion {
    fn drop(&mut self) {
        self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
        self.counters.took(self.transport, Answered::Waited, self.began.elapsed(), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_bucket_of_their_transport() {
        let counters = Counters::default();
        counters.took(Transport::Quic, Answered::Waited, Duration::from_millis(3), 2);
        counters.took(Transport::Udp, Answered::AtOnce, Duration::from_secs(9), 64);
        counters.took(Transport::Udp, Answered::AtOnce, Duration::from_micros(25), 1);
        let totals = counters.totals();
        let histograms: Vec<&[u64]> = totals.of(Metric::AnswerDuration).chunks(TIMED_SLOTS).collect();
        assert_eq!(histograms.len(), 2 * Transport::NAMES.len());
        let udp = histograms[0];
        assert_eq!((udp[0], udp[BOUNDS.len()], udp[TIMED_SLOTS - 1]), (1, 64, 64 * 9_000_000_000 + 25_000));
        let quic = histograms[2 * Transport::NAMES.len() - 1];
        assert_eq!((quic[7], quic[TIMED_SLOTS - 1]), (2, 6_000_000), "{quic:?}");
        assert_eq!(histograms.iter().map(|slots| slots[..=BOUNDS.len()].iter().sum::<u64>()).sum::<u64>(), 67);
    }

    #[test]
    fn a_question_waits_until_it_is_dropped() {
        let counters = Arc::new(Counters::default());
        let first = counters.wait(Transport::Tcp);
        drop(counters.wait(Transport::Tcp));
        assert_eq!(counters.waiting(), 1);
        drop(first);
        assert_eq!(counters.waiting(), 0);
        let totals = counters.totals();
        let slots = totals.of(Metric::AnswerDuration).chunks(TIMED_SLOTS).nth(3).unwrap().to_vec();
        assert_eq!(slots[..=BOUNDS.len()].iter().sum::<u64>(), 2);
    }
}

//! One upstream's standing with us, shared by all who ask it: its health, its manners and its counts.
//!
//! What `health` and `manners` decide is remembered, counted and said in the log here.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::forward::failure::Failure;
use crate::forward::health::{Health, State};
use crate::forward::manners::Manners;
use crate::model::Upstream;

/// See the module.
pub(super) struct Standing {
    pub(super) upstream: Upstream,
    health: Mutex<Health>,
    manners: Mutex<Manners>,
    /// Questions that are under way.
    in_flight: AtomicUsize,
    questions: AtomicU64,
    failures: AtomicU64,
    /// It should be looked at whether it leads back to us.
    look: AtomicBool,
}

/// What metrics show of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The upstream resolver.
    pub upstream: Upstream,
    /// Questions sent to it, those that were sent again included.
    pub questions: u64,
    /// Of these, questions to which no reply came in time.
    pub failures: u64,
    /// The smoothed round trip, once there was a reply.
    pub rtt: Option<Duration>,
    /// Whether it is asked.
    pub state: State,
}

/// Counts a question as under way until it is dropped.
pub(super) struct UnderWay<'s>(&'s Standing);

impl Standing {
    pub(super) fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            health: Mutex::new(Health::new(Instant::now())),
            manners: Mutex::new(Manners::new(rand::random())),
            in_flight: AtomicUsize::new(0),
            questions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            look: AtomicBool::new(false),
        }
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn manners(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a question as under way, if fewer than `most` are.
    pub(super) fn begin(&self, most: usize) -> Result<UnderWay<'_>, Failure> {
        let under_way = UnderWay(self);
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(Failure::Busy);
        }
        Ok(under_way)
    }

    /// It is sent a question.
    pub(super) fn asked(&self) {
        self.questions.fetch_add(1, Ordering::Relaxed);
    }

    /// A reply came.
    pub(super) fn replied(&self, rtt: Duration, now: Instant) {
        if self.health().replied(rtt, now) {
            self.look.store(true, Ordering::Relaxed);
            tracing::info!(upstream = %self.upstream, "the upstream answers again");
        }
    }

    /// Nothing came to a question that was sent at `sent`.
    pub(super) fn failed(&self, failure: &Failure, sent: Instant) {
        // what we lack is not its fault
        if matches!(failure, Failure::Local(_) | Failure::Busy | Failure::Down | Failure::Loops) {
            return;
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        if self.health().failed(sent, Instant::now()) {
            tracing::warn!(upstream = %self.upstream, "the upstream is down: it {failure}");
        }
    }

    /// One of our own questions for the look came to us through this upstream.
    pub(super) fn came_back(&self) {
        if self.health().came_back(Instant::now()) {
            let upstream = &self.upstream;
            tracing::warn!(%upstream, "the upstream leads back to this server: it is not asked until it no longer does");
        }
    }

    /// It answered the question for the look without asking us.
    pub(super) fn leads_elsewhere(&self) {
        if self.health().leads_elsewhere() {
            tracing::info!(upstream = %self.upstream, "the upstream no longer leads back to this server");
        }
    }

    /// True when it should be looked at; whoever is told so does it.
    pub(super) fn claim_look(&self, now: Instant) -> bool {
        // read first: nearly always it is false, and nothing has to be written
        self.look.load(Ordering::Relaxed) && self.look.swap(false, Ordering::Relaxed) || self.health().claim_look(now)
    }

    /// True when a question would be spent on it for nothing.
    pub(super) fn rests(&self, now: Instant) -> bool {
        !self.look.load(Ordering::Relaxed) && self.health().rests(now)
    }

    /// What metrics show.
    pub(super) fn report(&self) -> Report {
        let health = self.health();
        Report {
            upstream: self.upstream.clone(),
            questions: self.questions.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            rtt: health.rtt(),
            state: health.state(),
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

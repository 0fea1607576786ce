//! What is known about one upstream, shared by all questions to it: health, silent domains, probes, manners and counts.
//!
//! Keeps the state of the pure rules (`health`, `domains`, `probe`, `manners`), counts, and writes the log.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dns::{HEADER_LEN, Header, Rcode, Rtype, rcode_of, skip_name, u16_at};
use crate::forward::domains::{Domains, SilentPlace};
use crate::forward::failure::Failure;
use crate::forward::health::{Health, Probing, UpstreamState};
use crate::forward::manners::Manners;
use crate::forward::probe::{Probe, Probes};
use crate::forward::source_address::SourceAddress;
use crate::model::Upstream;

/// See the module.
pub(super) struct Standing {
    pub(super) upstream: Upstream,
    source: SourceAddress,
    health: Mutex<Health>,
    manners: Mutex<Manners>,
    domains: Mutex<Domains>,
    /// A domain has left a question unanswered: nearly always false, and then nobody has to look.
    has_silent: AtomicBool,
    probes: Mutex<Probes>,
    /// Questions that are under way.
    in_flight: AtomicUsize,
    questions: AtomicU64,
    failures: AtomicU64,
}

/// A reply that leaves a doubt standing only if it is older than this: a silent domain's timeouts raise none.
const HEARD: Duration = Duration::from_secs(1);

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
    pub state: UpstreamState,
    /// Whether questions leave from another address than its source addresses, as none of these is on this host.
    pub source_missing: bool,
}

impl Report {
    /// Why it is in this state; `is_silent`: it leaves the domain that is asked about unanswered.
    pub fn why(&self, is_silent: bool) -> String {
        let why = match (self.state, self.rtt) {
            (UpstreamState::Down, _) => "it answers nothing, names that it has answered included",
            _ if is_silent => "it leaves most names of this domain unanswered, and answers others",
            (UpstreamState::Doubtful, _) => "it was late, and nothing has come from it since: probes are under way",
            (UpstreamState::Up, Some(_)) => "it answers",
            (UpstreamState::Up, None) => "it has not been asked yet",
        };
        let from = if self.source_missing { "; none of the addresses to ask from is on this host" } else { "" };
        format!("{why}{from}")
    }
}

/// Counts a question as under way until it is dropped.
pub(super) struct UnderWay(Arc<Standing>);

impl Standing {
    pub(super) fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            source: SourceAddress::default(),
            health: Mutex::new(Health::new(Instant::now())),
            manners: Mutex::new(Manners::new(rand::random())),
            domains: Mutex::default(),
            has_silent: AtomicBool::new(false),
            probes: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            questions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn manners(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a question as under way, if fewer than `most` are.
    pub(super) fn begin(self: &Arc<Self>, most: usize) -> Result<UnderWay, Failure> {
        let under_way = UnderWay(Arc::clone(self));
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(Failure::Busy);
        }
        Ok(under_way)
    }

    /// It is sent a question.
    pub(super) fn asked(&self) {
        self.questions.fetch_add(1, Ordering::Relaxed);
    }

    /// A reply came, `rtt` after its question was sent.
    pub(super) fn replied(&self, reply: &[u8], rtt: Duration, now: Instant) {
        let question = question_of(reply);
        let is_answer = matches!(rcode_of(reply), Rcode::NOERROR | Rcode::NXDOMAIN);
        let is_slow_domain = question.is_some_and(|(name, _)| self.is_silent(name, now));
        let mut health = self.health();
        let is_late = rtt > health.patience(Duration::MAX);
        let is_back = if is_late && is_slow_domain { health.heard(now) } else { health.replied(rtt, now) };
        drop(health);
        if is_back {
            tracing::info!(upstream = %self.upstream, "the upstream answers again");
        }
        if let Some((name, rtype)) = question.filter(|_| is_answer) {
            if self.has_silent.load(Ordering::Relaxed) {
                lock(&self.domains).answered(name);
            }
            if !is_late {
                lock(&self.probes).answered(name, rtype, now);
            }
        }
    }

    /// Nothing came to a question for `name` that was sent at `sent`; true if the upstream is to be probed from now on.
    pub(super) fn failed(&self, failure: &Failure, name: &[u8], sent: Instant) -> bool {
        // what we lack is not its fault
        if !failure.is_of_upstream() {
            return false;
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let is_silent = self.is_silent(name, now);
        if *failure == Failure::TimedOut {
            self.has_silent.store(true, Ordering::Relaxed);
            lock(&self.domains).timed_out(name, now);
        }
        let mut health = self.health();
        !(is_silent && health.was_heard_since(now.checked_sub(HEARD).unwrap_or(now))) && health.failed(sent, now)
    }

    /// The upstream's reply was what is wanted, or an error that another upstream may not have.
    pub(super) fn brought(&self, good: bool) {
        self.health().brought(good);
    }

    /// Whether a domain of this name (wire octets) is silent at this upstream.
    pub(super) fn is_silent(&self, name: &[u8], now: Instant) -> bool {
        self.has_silent.load(Ordering::Relaxed) && lock(&self.domains).is_silent(name, now)
    }

    /// Whether nothing speaks against it that a question for this name (wire octets) has to be careful of.
    pub(super) fn is_sound(&self, name: &[u8], now: Instant) -> bool {
        self.health().state() == UpstreamState::Up && !self.is_silent(name, now)
    }

    /// Counts a question for a name of a silent domain as waiting, until this is dropped.
    pub(super) fn wait_for_silent(&self, name: &[u8], now: Instant) -> Option<SilentWait<'_>> {
        if !self.has_silent.load(Ordering::Relaxed) {
            return None;
        }
        let place = lock(&self.domains).enter(name, now)?;
        Some(SilentWait { standing: self, place })
    }

    /// What the prober does now.
    pub(super) fn probing(&self, now: Instant) -> Probing {
        let probing = self.health().probing(now);
        if probing == Probing::Down {
            tracing::warn!(upstream = %self.upstream, "the upstream is down: it answers nothing, names that it has answered included");
        }
        probing
    }

    /// The next probe.
    pub(super) fn next_probe(&self) -> Probe {
        lock(&self.probes).next()
    }

    /// True when a question for this name would be spent on it for nothing.
    pub(super) fn rests(&self, name: &[u8], now: Instant) -> bool {
        let health = self.health();
        health.state() == UpstreamState::Down
            && (health.rests(now) || {
                drop(health);
                self.is_silent(name, now)
            })
    }

    /// What `open` makes of the local address from which it is asked; of `None` where the system chooses it.
    pub(super) fn open<T>(&self, open: impl Fn(Option<IpAddr>) -> io::Result<T>) -> io::Result<T> {
        self.source.open(&self.upstream, open)
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
            source_missing: self.source.is_missing(),
        }
    }
}

/// A question of a silent domain that waits.
pub(super) struct SilentWait<'s> {
    standing: &'s Standing,
    place: SilentPlace,
}

impl SilentWait<'_> {
    /// Ends when the question has to give way to a newer one.
    pub(super) async fn gives_way(&self) {
        self.place.gives_way.notified().await;
    }
}

impl Drop for SilentWait<'_> {
    fn drop(&mut self) {
        lock(&self.standing.domains).leave(&self.place);
    }
}

/// The name of a reply's question, and its type.
fn question_of(reply: &[u8]) -> Option<(&[u8], Rtype)> {
    if Header::of(reply)?.questions != 1 {
        return None;
    }
    let question = reply.get(HEADER_LEN..)?;
    let mut rest = question;
    skip_name(&mut rest)?;
    let name = question.get(..question.len() - rest.len())?;
    Some((name, Rtype::new(u16_at(rest, 0)?)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

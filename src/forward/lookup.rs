//! Answers a question from the cache or from an upstream, which is asked once for all clients that wait.
//!
//! | what | where |
//! |---|---|
//! | a fresh reply, or a stale one whose last refresh failed a short while ago | [`Lookup::find`], at once |
//! | no fresh reply, and every upstream is down: a stale reply, or SERVFAIL | [`Lookup::refuse`], at once |
//! | no reply: ask; callers with the same question share the reply | [`Lookup::resolve`] |
//! | the same for the first of them, who sends the question itself | [`Lookup::begin`] |
//! | a stale reply: ask, and use it if no upstream answers in time (RFC 8767 5) | [`Lookup::resolve`] |
//! | a reply that is about to expire: use it, and refresh it | [`Lookup::find`] |
//!
//! The first caller (the leader) sends the query; the others await its result. If the leader is cancelled, one of the
//! others becomes the leader. A refresh that no client waits for is a task of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use smallvec::SmallVec;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::config::Limits;
use crate::dns::{Class, DnsName, ExtendedError, InfoCode, Rtype};
use crate::forward::begun::{AfterFirst, Begun, FirstQuery};
use crate::forward::cache::{Age, AskedAt, Cache, CacheHit, CacheKey, CachedReply, ReplyKind, StoredKey, UpstreamSet};
use crate::forward::exchange::Exchange;
use crate::forward::failure::{Failure, ForwardError};
use crate::forward::loops::Repeated;
use crate::forward::query::Outbound;
use crate::forward::recorder::{CacheFinding, LiveEvent, Recorder, record};
use crate::forward::udp::{Heard, HeardReceiver};

/// Most background refreshes at one time. A refresh beyond this is skipped; clients still get the stored reply.
const REFRESHES: usize = 256;

/// A time since a start as the cache has it: in milliseconds.
pub fn cache_time(uptime: Duration) -> u64 {
    u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)
}

/// A question that the cache or an upstream has to answer.
#[derive(Clone, Copy, Debug)]
pub struct LookupQuestion<'a> {
    /// The name as the client wrote it: uncompressed, its case kept, root included.
    pub spelled: &'a [u8],
    /// The name in lower case.
    pub name: &'a [u8],
    /// The type.
    pub rtype: Rtype,
    /// The client's DO.
    pub dnssec_ok: bool,
    /// The client's CD.
    pub checking_disabled: bool,
    /// The upstreams to ask, best first.
    pub upstreams: &'a Arc<UpstreamSet>,
    /// Who is told what happens to it.
    pub recorder: Option<&'a Arc<Recorder>>,
}

impl<'a> LookupQuestion<'a> {
    fn key(&self) -> CacheKey<'a> {
        CacheKey {
            name: self.name,
            rtype: self.rtype,
            dnssec_ok: self.dnssec_ok,
            checking_disabled: self.checking_disabled,
            upstreams: self.upstreams,
        }
    }

    /// EDNS is ours towards the upstream (RFC 6891 6.1.1), and AD says that we understand the bit (RFC 6840 5.7), so
    /// that one reply serves all clients. What a client does not understand is taken off its reply.
    fn outbound(&self) -> Outbound<'a> {
        Outbound {
            name: self.spelled,
            rtype: self.rtype,
            class: Class::IN,
            recursion_desired: true,
            checking_disabled: self.checking_disabled,
            authentic_data: true,
            dnssec_ok: self.dnssec_ok,
            edns: true,
            validated: self.upstreams.validated,
            recorder: self.recorder,
        }
    }

    /// The question section of a reply.
    fn question(&self) -> QuestionOctets {
        question_octets(self.spelled, self.rtype)
    }

    /// Tells the recorder what the cache holds.
    fn record_look(&self, recorder: &Recorder, found: Option<&CacheHit>, now: u64) {
        let name = DnsName::from_wire(self.name).map_or_else(String::new, |name| name.to_string());
        let finding = found.map_or(CacheFinding::Nothing, |hit| hit.finding(now));
        recorder.record(LiveEvent::Cache { name, rtype: self.rtype.to_string(), found: finding });
        if let Some(hit) = found.filter(|_| self.upstreams.validated && !self.checking_disabled) {
            let (verdict, why) = hit.entry.verdict();
            recorder.record(LiveEvent::Validated { verdict: verdict.to_owned(), why, cached: true });
        }
    }

    fn unanswered(&self, error: &ForwardError, now: u64) -> CachedReply {
        let why = ExtendedError { code: InfoCode::NETWORK_ERROR, text: &error.to_string() };
        CachedReply::unanswered(&self.question(), why, now)
    }
}

/// The question section for a name as it was spelled, in class IN.
pub(super) fn question_octets(name: &[u8], rtype: Rtype) -> QuestionOctets {
    let mut octets = QuestionOctets::from_slice(name);
    octets.extend_from_slice(&rtype.octets());
    octets.extend_from_slice(&Class::IN.octets());
    octets
}

/// The longest question has 259 octets, and most are short.
pub(super) type QuestionOctets = SmallVec<[u8; 128]>;

/// Counts of look-ups since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupCounts {
    /// Questions for which an upstream was asked, or its reply to the same question awaited.
    pub forwarded: u64,
    /// Questions for which nothing was stored.
    pub misses: u64,
    /// Of these, questions that waited for the reply to another.
    pub shared: u64,
    /// Replies that were fetched anew before their time was over.
    pub prefetches: u64,
}

/// See the module.
pub struct Lookup<E> {
    pub(super) upstream: E,
    cache: Arc<Cache>,
    /// Questions in flight. A question that comes after a change of zones does not join one from before.
    in_flight: Mutex<InFlightQuestions>,
    refreshes: Arc<Semaphore>,
    /// Where background refreshes run; `None`: there are none.
    runtime: Option<Handle>,
    stale_wait: Duration,
    started: Instant,
    forwarded: AtomicU64,
    misses: AtomicU64,
    shared: AtomicU64,
    prefetches: AtomicU64,
}

impl<E: Exchange> Lookup<E> {
    /// Asks `upstream` for what is not in `cache`. Background refreshes run in the runtime that calls this.
    pub fn new(upstream: E, cache: Arc<Cache>, limits: &Limits) -> Self {
        Self {
            upstream,
            cache,
            in_flight: Mutex::default(),
            refreshes: Arc::new(Semaphore::new(REFRESHES)),
            runtime: Handle::try_current().ok(),
            stale_wait: limits.stale_wait,
            started: Instant::now(),
            forwarded: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            prefetches: AtomicU64::new(0),
        }
    }

    /// The cache.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The cache's time now.
    pub fn now(&self) -> u64 {
        cache_time(self.uptime(Instant::now()))
    }

    /// How long this had been there at `now`.
    pub fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Counts since the start.
    pub fn counts(&self) -> LookupCounts {
        LookupCounts {
            forwarded: self.forwarded.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            shared: self.shared.load(Ordering::Relaxed),
            prefetches: self.prefetches.load(Ordering::Relaxed),
        }
    }

    /// The answer that can be given at once; `None`: [`resolve`](Self::resolve) has to wait for one.
    pub fn find(self: &Arc<Self>, question: &LookupQuestion<'_>, now: u64) -> Option<CacheHit> {
        match self.look(question, now) {
            CacheState::Usable(found) => Some(found),
            CacheState::Stale(_) | CacheState::Nothing => None,
        }
    }

    /// The answer to what is not [found](Self::find) where nobody can be asked: a reply whose time is over, or
    /// SERVFAIL with the reason. So an outage of upstreams takes nothing from those who ask for something else.
    pub fn refuse(&self, question: &LookupQuestion<'_>, now: u64) -> Option<CacheHit> {
        let error = self.upstream.refusal(question.name, &question.upstreams.upstreams)?;
        self.cache.find(&question.key(), now).or_else(|| {
            self.misses.fetch_add(1, Ordering::Relaxed);
            Some(fresh(Arc::new(question.unanswered(&error, now))))
        })
    }

    /// The answer, once there is one. A failure is an answer, too: SERVFAIL with the reason.
    pub async fn resolve(self: &Arc<Self>, question: &LookupQuestion<'_>) -> CacheHit {
        let mut counted = false;
        loop {
            match self.look(question, self.now()) {
                CacheState::Usable(found) => return found,
                CacheState::Stale(stale) => {
                    self.forwarded.fetch_add(u64::from(!counted), Ordering::Relaxed);
                    let reply = self.refreshed(question, &stale).await;
                    if reply.is_none() {
                        record(question.recorder, || LiveEvent::Stale);
                    }
                    return reply.map_or(stale, fresh);
                }
                CacheState::Nothing => {}
            }
            let mut follower = match self.join(question) {
                Join::Leader(leader) => {
                    if !counted {
                        self.count_miss();
                    }
                    return fresh(leader.ask(question).await);
                }
                Join::Follower(follower) => follower,
            };
            if !std::mem::replace(&mut counted, true) {
                self.count_miss();
                self.shared.fetch_add(1, Ordering::Relaxed);
                record(question.recorder, || LiveEvent::Shared);
            }
            if let Some(entry) = finished(&mut follower).await {
                return fresh(entry);
            }
            // the leader was cancelled: try to become the next one
        }
    }

    /// Begins to ask for what neither the cache has nor anybody asks for already, with one datagram, which the caller
    /// sends. `None`: [`resolve`](Self::resolve) does all of it.
    pub fn begin(self: &Arc<Self>, question: &LookupQuestion<'_>) -> Option<(BegunLookup<E>, FirstQuery)> {
        let CacheState::Nothing = self.look(question, self.now()) else { return None };
        let Join::Leader(leader) = self.join(question) else { return None };
        let (begun, first) = self.upstream.begin(&question.outbound(), &question.upstreams.upstreams)?;
        self.count_miss();
        Some((BegunLookup { leader, begun }, first))
    }

    fn count_miss(&self) {
        self.forwarded.fetch_add(1, Ordering::Relaxed);
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    fn look(self: &Arc<Self>, question: &LookupQuestion<'_>, now: u64) -> CacheState {
        let found = self.cache.find(&question.key(), now);
        if let Some(recorder) = question.recorder {
            question.record_look(recorder, found.as_ref(), now);
        }
        let Some(found) = found else { return CacheState::Nothing };
        match found.age {
            Age::Stale(_) if found.refresh => return CacheState::Stale(found),
            Age::Fresh(_) if found.refresh => self.prefetch(question, &found, now),
            _ => {}
        }
        CacheState::Usable(found)
    }

    /// The reply to a question that is asked again, if it is an answer and there in time.
    async fn refreshed(self: &Arc<Self>, question: &LookupQuestion<'_>, stale: &CacheHit) -> Option<Arc<CachedReply>> {
        let reply = match self.join(question) {
            Join::Follower(mut follower) => timeout(self.stale_wait, finished(&mut follower)).await,
            Join::Leader(leader) => {
                let mut asking = Box::pin(leader.ask_owned(OwnedQuestion::new(question)));
                let reply = timeout(self.stale_wait, &mut asking).await;
                if reply.is_err()
                    && let Ok(permit) = Arc::clone(&self.refreshes).try_acquire_owned()
                {
                    tokio::spawn(async move {
                        asking.await;
                        drop(permit);
                    });
                }
                reply.map(Some)
            }
        };
        if let Ok(entry) = reply {
            return entry.filter(|entry| entry.kind() != ReplyKind::Failure);
        }
        // the other clients get the stale reply at once until the next retry
        self.cache.put_off(&question.key(), &stale.entry, self.now());
        None
    }

    /// Refreshes in the background, unless the question is in flight or there are too many refreshes.
    fn prefetch(self: &Arc<Self>, question: &LookupQuestion<'_>, found: &CacheHit, now: u64) {
        let permit = Arc::clone(&self.refreshes).try_acquire_owned();
        let (Some(runtime), Ok(permit)) = (&self.runtime, permit) else {
            // the next hit tries again
            self.cache.release(&question.key(), &found.entry, now);
            return;
        };
        if let Join::Leader(leader) = self.join(question) {
            self.prefetches.fetch_add(1, Ordering::Relaxed);
            // whoever asks does not wait for it, and is not told of it
            let owned = OwnedQuestion::new(&LookupQuestion { recorder: None, ..*question });
            runtime.spawn(async move {
                leader.ask_owned(owned).await;
                drop(permit);
            });
        }
    }

    /// Joins the same question if it is in flight, or becomes its leader.
    fn join(self: &Arc<Self>, question: &LookupQuestion<'_>) -> Join<E> {
        let known = self.cache.known(question.upstreams);
        let key = (question.key().keep(), known.change);
        let mut in_flight = self.in_flight();
        if let Some(question) = in_flight.get_mut(&key) {
            question.repeated.note();
            let result = question.followers.get_or_insert_with(|| watch::channel(None).0);
            return Join::Follower(result.subscribe());
        }
        let repeated = Arc::<Repeated>::default();
        in_flight.insert(key.clone(), InFlight { followers: None, repeated: Arc::clone(&repeated) });
        Join::Leader(Leader { lookup: Arc::clone(self), key: Some(key), known, repeated })
    }

    fn in_flight(&self) -> MutexGuard<'_, InFlightQuestions> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the cache holds for a question.
enum CacheState {
    /// A reply to use at once.
    Usable(CacheHit),
    /// A stale reply, to be used if no upstream answers in time.
    Stale(CacheHit),
    /// No cached reply.
    Nothing,
}

/// A question, and the number of the last change of zones when it was asked.
type InFlightKey = (StoredKey, u64);

/// A question for a task that outlives its client.
struct OwnedQuestion {
    spelled: Box<[u8]>,
    name: Box<[u8]>,
    rtype: Rtype,
    dnssec_ok: bool,
    checking_disabled: bool,
    upstreams: Arc<UpstreamSet>,
    recorder: Option<Arc<Recorder>>,
}

impl OwnedQuestion {
    fn new(question: &LookupQuestion<'_>) -> Self {
        let LookupQuestion { spelled, name, rtype, dnssec_ok, checking_disabled, upstreams, recorder } = *question;
        let (spelled, name) = (spelled.into(), name.into());
        let (upstreams, recorder) = (Arc::clone(upstreams), recorder.cloned());
        Self { spelled, name, rtype, dnssec_ok, checking_disabled, upstreams, recorder }
    }

    fn question(&self) -> LookupQuestion<'_> {
        let Self { spelled, name, rtype, dnssec_ok, checking_disabled, upstreams, recorder } = self;
        let (rtype, dnssec_ok, checking_disabled) = (*rtype, *dnssec_ok, *checking_disabled);
        let recorder = recorder.as_ref();
        LookupQuestion { spelled, name, rtype, dnssec_ok, checking_disabled, upstreams, recorder }
    }
}

/// A question in flight.
struct InFlight {
    /// Tells the followers; `None`: there are none so far.
    followers: Option<watch::Sender<Option<Arc<CachedReply>>>>,
    repeated: Arc<Repeated>,
}

type InFlightQuestions = HashMap<InFlightKey, InFlight, RandomState>;

/// Receives the leader's reply.
type LeaderReply = watch::Receiver<Option<Arc<CachedReply>>>;

enum Join<E: Exchange> {
    Leader(Leader<E>),
    Follower(LeaderReply),
}

/// The one caller that sends the query. Dropping it without a result lets another caller take over.
struct Leader<E: Exchange> {
    lookup: Arc<Lookup<E>>,
    /// Its place among the questions in flight, until it leaves.
    key: Option<InFlightKey>,
    known: AskedAt,
    repeated: Arc<Repeated>,
}

impl<E: Exchange> Leader<E> {
    /// Asks, stores the reply, and gives it to the followers.
    async fn ask(self, question: &LookupQuestion<'_>) -> Arc<CachedReply> {
        let (outbound, upstreams) = (question.outbound(), &question.upstreams.upstreams);
        let said = self.lookup.upstream.exchange(&outbound, upstreams, &self.repeated).await;
        self.keep(question, said)
    }

    /// Stores what came of the question, and gives it to the followers.
    fn keep(mut self, question: &LookupQuestion<'_>, said: Result<Vec<u8>, ForwardError>) -> Arc<CachedReply> {
        let cache = &self.lookup.cache;
        let now = self.lookup.now();
        let entry = match said {
            Ok(ref reply) => {
                let question = question.question();
                CachedReply::new(reply, &question, cache.times(), now).unwrap_or_else(|why| {
                    let why = ExtendedError { code: InfoCode::OTHER, text: &why.to_string() };
                    CachedReply::unanswered(&question, why, now)
                })
            }
            Err(ref error) => question.unanswered(error, now),
        };
        let entry = match said {
            Err(error) if error.nobody_was_asked() => cache.pass(&question.key(), entry, now),
            _ => cache.store(&question.key(), entry, self.known, now),
        };
        if let Some(recorder) = question.recorder
            && let Some(seconds) = cache.keeps(&question.key(), &entry, now)
        {
            recorder.record(LiveEvent::Kept { seconds });
        }
        if let Some(followers) = self.leave().and_then(|question| question.followers) {
            followers.send_replace(Some(Arc::clone(&entry)));
        }
        entry
    }

    /// Takes the question out of those in flight.
    fn leave(&mut self) -> Option<InFlight> {
        let key = self.key.take()?;
        self.lookup.in_flight().remove(&key)
    }

    /// The same for a background task.
    async fn ask_owned(self, owned: OwnedQuestion) -> Arc<CachedReply> {
        self.ask(&owned.question()).await
    }
}

impl<E: Exchange> Drop for Leader<E> {
    fn drop(&mut self) {
        // without a result for them, one of the followers is the next leader
        self.leave();
    }
}

/// A miss that is being asked with one datagram. Dropping it lets another caller take over.
pub struct BegunLookup<E: Exchange> {
    leader: Leader<E>,
    begun: Begun,
}

impl<E: Exchange> BegunLookup<E> {
    /// Takes in what was heard: the answer where that is all that it takes.
    pub fn hear(self, question: &LookupQuestion<'_>, heard: Result<Heard, Failure>) -> AfterFirst<CacheHit, Self> {
        let Self { leader, begun } = self;
        match begun.hear(&question.outbound(), heard) {
            AfterFirst::Done(reply) => AfterFirst::Done(fresh(leader.keep(question, Ok(reply)))),
            AfterFirst::GoOn(begun, heard) => AfterFirst::GoOn(Self { leader, begun }, heard),
        }
    }

    /// The answer, once there is one, where it takes more. `heard` tells of the datagram that was sent.
    pub async fn resume(self, question: &LookupQuestion<'_>, heard: HeardReceiver) -> CacheHit {
        let Self { leader, begun } = self;
        let (outbound, upstreams) = (question.outbound(), &question.upstreams.upstreams);
        let said = leader.lookup.upstream.resume(begun, heard, &outbound, upstreams, &leader.repeated).await;
        fresh(leader.keep(question, said))
    }
}

/// The leader's reply; `None` if it was cancelled.
async fn finished(follower: &mut LeaderReply) -> Option<Arc<CachedReply>> {
    follower.wait_for(Option::is_some).await.ok()?.clone()
}

fn fresh(entry: Arc<CachedReply>) -> CacheHit {
    CacheHit { entry, age: Age::Fresh(0), refresh: false }
}

#[cfg(test)]
mod tests;

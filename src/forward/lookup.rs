//! A question for others: out of the cache, or of an upstream, which is asked once for all who wait.
//!
//! | what | where |
//! |---|---|
//! | a fresh reply, or one that may answer as a refresh failed a short while ago | [`Lookup::find`], at once |
//! | nothing fresh, and nobody can be asked at this moment: what is stored for such a time, or a failure | [`Lookup::refuse`], at once |
//! | nothing stored: ask; whoever has the same question waits with the first | [`Lookup::resolve`] |
//! | a reply whose time is over: ask, and give it out if nobody answers in time (RFC 8767 5) | [`Lookup::resolve`] |
//! | a reply whose time is nearly over: give it out, and ask | [`Lookup::find`] |
//!
//! Whoever asks first asks for itself; if its client goes away, one of the others asks again. What no client waits for
//! any longer, or never did, is a task of its own.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::config::Limits;
use crate::forward::cache::{Age, Cache, Entry, Found, Key, Kind, Known, OwnedKey, UpstreamSet};
use crate::forward::query::Outbound;
use crate::forward::validate::Validating;
use crate::forward::{ForwardError, Forwarder};
use crate::model::Upstream;

/// Refreshes under way at one time that no client waits for. One that has to be left out costs nobody an answer.
const REFRESHES: usize = 256;
/// INFO-CODE "Network Error" (RFC 8914 4.24).
pub(super) const NETWORK_ERROR: u16 = 23;
/// INFO-CODE "Other Error" (RFC 8914 4.1).
const OTHER: u16 = 0;

/// Asks upstreams. [`Forwarder`] does, and [`Validating`] looks at what it brings.
pub trait Exchange: Send + Sync + 'static {
    /// A whole reply to the question, or why there is none.
    fn exchange(
        &self,
        question: &Outbound<'_>,
        upstreams: &Arc<[Upstream]>,
    ) -> impl Future<Output = Result<Vec<u8>, ForwardError>> + Send;

    /// Why nobody is asked at this moment, where that is so whatever the question.
    fn refusal(&self, upstreams: &[Upstream]) -> Option<ForwardError>;
}

impl Exchange for Forwarder {
    async fn exchange(&self, question: &Outbound<'_>, to: &Arc<[Upstream]>) -> Result<Vec<u8>, ForwardError> {
        Forwarder::exchange(self, question, to).await
    }

    fn refusal(&self, upstreams: &[Upstream]) -> Option<ForwardError> {
        Forwarder::refusal(self, upstreams)
    }
}

impl Lookup {
    /// What asks upstreams.
    pub fn upstream(&self) -> &Forwarder {
        self.upstream.forwarder()
    }

    /// True when a question that came to us for `name` (wire octets) is one of our own; see [`Forwarder::is_own_probe`].
    pub fn is_own_probe(&self, name: &[u8]) -> bool {
        self.upstream().is_own_probe(name)
    }
}

/// A question for others.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The name as the client wrote it: uncompressed, its case kept, root included.
    pub spelled: &'a [u8],
    /// The name in lower case.
    pub name: &'a [u8],
    /// The type.
    pub rtype: u16,
    /// The client's DO.
    pub dnssec_ok: bool,
    /// The client's CD.
    pub checking_disabled: bool,
    /// Whom to ask.
    pub upstreams: &'a Arc<UpstreamSet>,
}

impl<'a> Wanted<'a> {
    fn key(&self) -> Key<'a> {
        Key {
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
            class: 1,
            recursion_desired: true,
            checking_disabled: self.checking_disabled,
            authentic_data: true,
            dnssec_ok: self.dnssec_ok,
            edns: true,
        }
    }

    /// The question section of a reply.
    fn question(&self) -> Vec<u8> {
        question_octets(self.spelled, self.rtype)
    }

    fn unanswered(&self, error: &ForwardError, now: u64) -> Entry {
        Entry::unanswered(&self.question(), NETWORK_ERROR, &error.to_string(), now)
    }
}

/// The question section for a name as it was spelled, in class IN.
pub(super) fn question_octets(name: &[u8], rtype: u16) -> Vec<u8> {
    let [high, low] = rtype.to_be_bytes();
    [name, &[high, low, 0, 1]].concat()
}

/// What has been done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Questions for which nothing was stored.
    pub misses: u64,
    /// Of these, questions that waited for the reply to another.
    pub shared: u64,
    /// Replies that were fetched anew before their time was over.
    pub prefetches: u64,
}

/// See the module.
pub struct Lookup<E = Validating> {
    upstream: E,
    cache: Arc<Cache>,
    /// Questions that are being asked. A change of who owns a name begins a question anew.
    flights: Mutex<HashMap<FlightKey, Flight>>,
    refreshes: Arc<Semaphore>,
    /// Where prefetches live; `None`: there are none.
    runtime: Option<Handle>,
    stale_wait: Duration,
    started: Instant,
    misses: AtomicU64,
    shared: AtomicU64,
    prefetches: AtomicU64,
}

impl<E: Exchange> Lookup<E> {
    /// Asks by `upstream` what `cache` does not know. Prefetches live in the runtime in which this is called.
    pub fn new(upstream: E, cache: Arc<Cache>, limits: &Limits) -> Self {
        Self {
            upstream,
            cache,
            flights: Mutex::default(),
            refreshes: Arc::new(Semaphore::new(REFRESHES)),
            runtime: Handle::try_current().ok(),
            stale_wait: limits.stale_wait,
            started: Instant::now(),
            misses: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            prefetches: AtomicU64::new(0),
        }
    }

    /// The cache.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Milliseconds since the start: the cache's time.
    pub fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What has been done.
    pub fn done(&self) -> Done {
        Done {
            misses: self.misses.load(Ordering::Relaxed),
            shared: self.shared.load(Ordering::Relaxed),
            prefetches: self.prefetches.load(Ordering::Relaxed),
        }
    }

    /// The answer that can be given at once; `None`: [`resolve`](Self::resolve) has to wait for one.
    pub fn find(self: &Arc<Self>, wanted: &Wanted<'_>, now: u64) -> Option<Found> {
        match self.look(wanted, now) {
            Look::Now(found) => Some(found),
            Look::Stale(_) | Look::Nothing => None,
        }
    }

    /// The answer to what is not [found](Self::find) where nobody can be asked: a reply whose time is over, or
    /// SERVFAIL with the reason. So an outage of upstreams takes nothing from those who ask for something else.
    pub fn refuse(&self, wanted: &Wanted<'_>, now: u64) -> Option<Found> {
        let error = self.upstream.refusal(&wanted.upstreams.upstreams)?;
        self.cache.find(&wanted.key(), now).or_else(|| {
            self.misses.fetch_add(1, Ordering::Relaxed);
            Some(fresh(Arc::new(wanted.unanswered(&error, now))))
        })
    }

    /// The answer, once there is one. A failure is an answer, too: SERVFAIL with the reason.
    pub async fn resolve(self: &Arc<Self>, wanted: &Wanted<'_>) -> Found {
        let mut counted = false;
        loop {
            match self.look(wanted, self.now()) {
                Look::Now(found) => return found,
                Look::Stale(stale) => return self.refreshed(wanted, &stale).await.map_or(stale, fresh),
                Look::Nothing => {}
            }
            let mut flight = match self.board(wanted) {
                Boarding::First(takeoff) => {
                    self.misses.fetch_add(u64::from(!counted), Ordering::Relaxed);
                    return fresh(takeoff.fly(wanted).await);
                }
                Boarding::Joined(flight) => flight,
            };
            if !std::mem::replace(&mut counted, true) {
                self.misses.fetch_add(1, Ordering::Relaxed);
                self.shared.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(entry) = landed(&mut flight).await {
                return fresh(entry);
            }
            // whoever asked has gone away: one of those who waited asks again
        }
    }

    fn look(self: &Arc<Self>, wanted: &Wanted<'_>, now: u64) -> Look {
        let Some(found) = self.cache.find(&wanted.key(), now) else { return Look::Nothing };
        match found.age {
            Age::Stale(_) if found.refresh => return Look::Stale(found),
            Age::Fresh(_) if found.refresh => self.prefetch(wanted, &found, now),
            _ => {}
        }
        Look::Now(found)
    }

    /// The reply to a question that is asked again, if it is an answer and there in time.
    async fn refreshed(self: &Arc<Self>, wanted: &Wanted<'_>, stale: &Found) -> Option<Arc<Entry>> {
        let landed = match self.board(wanted) {
            Boarding::Joined(mut flight) => timeout(self.stale_wait, landed(&mut flight)).await,
            Boarding::First(takeoff) => {
                let mut flying = Box::pin(takeoff.fly_alone(Alone::new(wanted)));
                let landed = timeout(self.stale_wait, &mut flying).await;
                if landed.is_err()
                    && let Ok(permit) = Arc::clone(&self.refreshes).try_acquire_owned()
                {
                    tokio::spawn(async move {
                        flying.await;
                        drop(permit);
                    });
                }
                landed.map(Some)
            }
        };
        if let Ok(entry) = landed {
            return entry.filter(|entry| entry.kind() != Kind::Failure);
        }
        // one client has waited for all: the others get the stale answer at once, until this is over
        self.cache.put_off(&wanted.key(), &stale.entry, self.now());
        None
    }

    /// Asks in a task of its own, unless somebody is asking already, or there are too many such tasks.
    fn prefetch(self: &Arc<Self>, wanted: &Wanted<'_>, found: &Found, now: u64) {
        let permit = Arc::clone(&self.refreshes).try_acquire_owned();
        let (Some(runtime), Ok(permit)) = (&self.runtime, permit) else {
            // the next hit tries again
            self.cache.release(&wanted.key(), &found.entry, now);
            return;
        };
        if let Boarding::First(takeoff) = self.board(wanted) {
            self.prefetches.fetch_add(1, Ordering::Relaxed);
            let alone = Alone::new(wanted);
            runtime.spawn(async move {
                takeoff.fly_alone(alone).await;
                drop(permit);
            });
        }
    }

    /// Joins those who have the same question, or becomes the first of them.
    fn board(self: &Arc<Self>, wanted: &Wanted<'_>) -> Boarding<E> {
        let known = self.cache.known(wanted.upstreams);
        let key = (wanted.key().keep(), known.change);
        let mut flights = self.flights();
        if let Some(flight) = flights.get(&key) {
            return Boarding::Joined(flight.clone());
        }
        let (landing, flight) = watch::channel(None);
        flights.insert(key.clone(), flight);
        Boarding::First(Takeoff { lookup: Arc::clone(self), key, known, landing })
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<FlightKey, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the cache says.
enum Look {
    /// This is the answer.
    Now(Found),
    /// This is the answer if nobody has a newer one in time.
    Stale(Found),
    /// Nothing.
    Nothing,
}

/// The question and the change after which it is asked: who asks after a change does not join who asked before.
type FlightKey = (OwnedKey, u64);

/// A question that outlives its client.
struct Alone {
    spelled: Box<[u8]>,
    name: Box<[u8]>,
    rtype: u16,
    dnssec_ok: bool,
    checking_disabled: bool,
    upstreams: Arc<UpstreamSet>,
}

impl Alone {
    fn new(wanted: &Wanted<'_>) -> Self {
        let Wanted { spelled, name, rtype, dnssec_ok, checking_disabled, upstreams } = *wanted;
        let upstreams = Arc::clone(upstreams);
        Self { spelled: spelled.into(), name: name.into(), rtype, dnssec_ok, checking_disabled, upstreams }
    }

    fn wanted(&self) -> Wanted<'_> {
        let Self { spelled, name, rtype, dnssec_ok, checking_disabled, upstreams } = self;
        let (rtype, dnssec_ok, checking_disabled) = (*rtype, *dnssec_ok, *checking_disabled);
        Wanted { spelled, name, rtype, dnssec_ok, checking_disabled, upstreams }
    }
}

/// Where the reply of a question that is being asked comes out.
type Flight = watch::Receiver<Option<Arc<Entry>>>;

enum Boarding<E: Exchange> {
    First(Takeoff<E>),
    Joined(Flight),
}

/// The right, and the duty, to ask. Dropped, it lets others ask.
struct Takeoff<E: Exchange> {
    lookup: Arc<Lookup<E>>,
    key: FlightKey,
    known: Known,
    landing: watch::Sender<Option<Arc<Entry>>>,
}

impl<E: Exchange> Takeoff<E> {
    /// Asks, keeps what comes of it, and tells those who wait.
    async fn fly(self, wanted: &Wanted<'_>) -> Arc<Entry> {
        let Lookup { upstream, cache, .. } = &*self.lookup;
        let said = upstream.exchange(&wanted.outbound(), &wanted.upstreams.upstreams).await;
        let now = self.lookup.now();
        let entry = match said {
            Ok(ref reply) => {
                let question = wanted.question();
                Entry::new(reply, &question, cache.times(), now)
                    .unwrap_or_else(|_| Entry::unanswered(&question, OTHER, "the upstream's reply is malformed", now))
            }
            Err(ref error) => wanted.unanswered(error, now),
        };
        let entry = match said {
            Err(error) if error.nobody_was_asked() => cache.pass(&wanted.key(), entry, now),
            _ => cache.store(&wanted.key(), entry, self.known, now),
        };
        self.landing.send_replace(Some(Arc::clone(&entry)));
        entry
    }

    /// The same where nobody is there who asked.
    async fn fly_alone(self, alone: Alone) -> Arc<Entry> {
        self.fly(&alone.wanted()).await
    }
}

impl<E: Exchange> Drop for Takeoff<E> {
    fn drop(&mut self) {
        self.lookup.flights().remove(&self.key);
    }
}

/// The reply, or nothing where whoever asked is gone.
async fn landed(flight: &mut Flight) -> Option<Arc<Entry>> {
    flight.wait_for(Option::is_some).await.ok()?.clone()
}

fn fresh(entry: Arc<Entry>) -> Found {
    Found { entry, age: Age::Fresh(0), refresh: false }
}

#[cfg(test)]
mod tests;

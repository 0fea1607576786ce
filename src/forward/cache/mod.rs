//! The reply cache: upstream replies, kept for their TTL, and longer while no upstream answers (RFC 8767).
//!
//! ```text
//! find       a question to the entry that answers it, fresh or stale
//!   key        what shapes an answer: name, type, DO, CD and the set of upstreams
//!   upstreams  sets of upstreams as numbers, and when an outage is over
//!   denial     names that do not exist, whatever the type
//!   changes    which names changed hands since an entry's question was asked
//! store      a reply to an entry
//!   admit      what of it is taken in, and for how long
//!   names      the names that its answer goes through
//!   scrub      what belongs to it beside the answer
//! entry      the stored octets, and a client's reply out of them
//! flush      what an operator wants to be asked again
//! finding    what a look found, for whoever wants to see it
//! ```
//!
//! Knows neither sockets nor a clock: the time, in milliseconds since some beginning, is an argument.
//!
//! What no client may ever see, and why it does not:
//!
//! - *Another view's answer*: the set of upstreams is part of the key, so views share what they would get from the
//!   same upstreams and nothing else.
//! - *An upstream's answer for a name that is ours*: `answer` decides about every question before the cache is asked,
//!   and about each alias of an entry on every hit.
//! - *What was said before the name was ours*: a change of zones, rules, VPCs or endpoints notes the names that it
//!   takes or gives back; entries of questions that were asked before, at or below one of them, are dropped when they
//!   are next looked at. All others stay.

mod admit;
mod changes;
mod denial;
mod entry;
mod finding;
mod flush;
mod key;
mod names;
mod scrub;
mod upstreams;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use quick_cache::sync;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::config::Limits;
use crate::dns::DnsName;
use crate::model::Upstream;
use changes::{Extent, NameChanges};
use upstreams::Sets;

pub use admit::{ReplyKind, Unusable};
pub use entry::{Age, CachedReply};
pub use finding::verdict;
pub use flush::Flush;
pub use key::CacheKey;
pub(in crate::forward) use key::StoredKey;
pub use upstreams::UpstreamSet;

/// Octets that an entry takes beside its own: the key, the slot of the table, the allocator's heads.
const OVERHEAD: usize = 120;
/// Octets of a usual entry, from which the size of the table is guessed.
const USUAL: u64 = 640;

/// Lifetimes in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Seconds: what a shorter TTL is raised to.
    pub min_ttl: u32,
    /// Seconds: what a longer TTL is cut down to.
    pub max_ttl: u32,
    /// Seconds: the same for what does not exist (RFC 2308 5).
    pub negative_ttl: u32,
    /// Milliseconds: a first failure, which doubles with each one that follows (RFC 9520 3.2).
    failure: u64,
    /// Milliseconds: the longest that a failure is kept.
    failure_most: u64,
    /// Milliseconds after its time for which an entry may yet answer (RFC 8767 5, the maximum stale timer).
    stale: u64,
    /// Seconds: the TTL in such an answer.
    stale_ttl: u32,
    /// Milliseconds after a failed refresh before the next (RFC 8767 5, the failure recheck timer).
    stale_retry: u64,
    /// The last so many hundredths of an entry's time are those in which a hit asks again.
    prefetch_percent: u64,
}

impl Times {
    /// Those of `limits`.
    pub fn new(limits: &Limits) -> Self {
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let min_ttl = seconds(limits.cache_min_ttl);
        Self {
            min_ttl,
            max_ttl: seconds(limits.cache_max_ttl).max(min_ttl),
            negative_ttl: seconds(limits.cache_negative_ttl),
            failure: ms(limits.cache_failure),
            failure_most: ms(limits.cache_failure_most),
            stale: ms(limits.stale),
            stale_ttl: seconds(limits.stale_ttl),
            stale_retry: ms(limits.stale_retry),
            prefetch_percent: limits.prefetch_percent,
        }
    }
}

/// A stored reply that answers a question.
#[derive(Clone, Debug)]
pub struct CacheHit {
    /// The entry.
    pub entry: Arc<CachedReply>,
    /// How old it is.
    pub age: Age,
    /// Whether the upstreams should be asked again: before it runs out, or as it has run out.
    pub refresh: bool,
}

/// The state of zones and upstreams when a question was sent: a reply from before a change is not stored after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AskedAt {
    /// The last change of who owns a name.
    pub(in crate::forward) change: u64,
    /// The outages of its upstreams that were over.
    recoveries: u32,
}

/// See the module.
pub struct Cache {
    /// `None`: nothing is kept.
    entries: Option<ReplyTable>,
    times: Times,
    sets: Sets,
    changes: NameChanges,
    evictions: Arc<AtomicU64>,
    /// See `denial`.
    nxdomain_cut: bool,
}

type ReplyTable = sync::Cache<StoredKey, Arc<CachedReply>, Octets, RandomState, Evictions>;

/// Size of the cache, and evictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Stored replies.
    pub entries: u64,
    /// Memory they take, in octets.
    pub octets: u64,
    /// Replies evicted for want of room, since the start.
    pub evictions: u64,
}

impl Cache {
    /// An empty cache within `limits`.
    pub fn new(limits: &Limits) -> Self {
        let evictions = Arc::<AtomicU64>::default();
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(limits.cache_size / USUAL).unwrap_or(usize::MAX))
            .weight_capacity(limits.cache_size)
            .build()
            .ok()
            .filter(|_| limits.cache_size > 0);
        let entries = options.map(|options| {
            sync::Cache::with_options(options, Octets, RandomState::default(), Evictions(Arc::clone(&evictions)))
        });
        Self {
            entries,
            times: Times::new(limits),
            sets: Sets::default(),
            changes: NameChanges::default(),
            evictions,
            nxdomain_cut: limits.cache_nxdomain_cut > 0,
        }
    }

    /// Lifetimes in the cache.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// The set of these upstreams, for a [`CacheKey`]; `validated`: of those whose replies are validated first.
    pub fn upstreams(&self, upstreams: &Arc<[Upstream]>, validated: bool) -> Arc<UpstreamSet> {
        self.sets.of(upstreams, validated)
    }

    /// What is known now: to be taken before the upstreams are asked, and given to [`store`](Self::store).
    pub fn known(&self, upstreams: &UpstreamSet) -> AskedAt {
        AskedAt { change: self.changes.now(), recoveries: upstreams.recoveries() }
    }

    /// The entry that answers the question at this time.
    ///
    /// Where it says that the upstreams should be asked again before it runs out, it says so once.
    pub fn find(&self, key: &CacheKey<'_>, now: u64) -> Option<CacheHit> {
        match self.find_at(key, now) {
            Some(hit) if matches!(hit.age, Age::Fresh(_)) && hit.entry.kind() != ReplyKind::Failure => Some(hit),
            other => self.or_denial(key, other, now),
        }
    }

    /// The entry under exactly this key.
    fn find_at(&self, key: &CacheKey<'_>, now: u64) -> Option<CacheHit> {
        let entry = self.entries.as_ref()?.get(key)?;
        if !self.changes.holds(key.name, &entry.seen) {
            self.remove(key, &entry);
            return None;
        }
        let age = now.saturating_sub(entry.stored);
        let fresh = Age::Fresh(u32::try_from(age / 1000).unwrap_or(u32::MAX));
        if entry.kind() == ReplyKind::Failure {
            let holds = age < entry.lifetime && !is_over(key, &entry);
            return holds.then_some(CacheHit { entry, age: fresh, refresh: false });
        }
        if age < entry.lifetime {
            let refresh = self.is_due(key, &entry, age, now);
            return Some(CacheHit { entry, age: fresh, refresh });
        }
        if age - entry.lifetime < self.times.stale {
            let refresh = !entry.is_put_off(now, key.upstreams.recoveries());
            return Some(CacheHit { entry, age: Age::Stale(self.times.stale_ttl), refresh });
        }
        self.remove(key, &entry);
        None
    }

    /// Keeps what came of the question, which was asked when so much was known; returns what those get that wait.
    ///
    /// A failure does not take the place of an answer that can still be given; it keeps others from asking for a
    /// while.
    pub fn store(&self, key: &CacheKey<'_>, mut entry: CachedReply, asked: AskedAt, now: u64) -> Arc<CachedReply> {
        let failed = entry.kind() == ReplyKind::Failure;
        key.upstreams.heard(!failed);
        entry.seen = asked.change.into();
        let Some(entries) = &self.entries else { return Arc::new(entry) };
        if !self.changes.holds(key.name, &entry.seen) {
            // what was asked before a change does not take the place of what was asked after it
            return Arc::new(entry);
        }
        if failed {
            let old = self.kept(key, now);
            if let Some(old) = old.as_ref().filter(|old| self.can_answer(old, now)) {
                old.put_off(now.saturating_add(self.times.stale_retry), asked.recoveries);
                return Arc::new(entry);
            }
            // in a row are those that follow one another before the longest time for a failure is over
            let last = old.filter(|old| now.saturating_sub(old.stored) < old.lifetime + self.times.failure_most);
            entry.failures = last.filter(|old| !is_over(key, old)).map_or(0, |old| old.failures) + 1;
            let doubled = self.times.failure.saturating_mul(1 << (entry.failures - 1).min(20));
            entry.lifetime = doubled.min(self.times.failure_most);
            entry.recoveries = asked.recoveries.into();
        }
        let entry = Arc::new(entry);
        if entry.lifetime == 0 {
            // what is newer and not to be kept leaves nothing older behind
            entries.remove(key);
            entries.remove(&key.of_name());
        } else {
            entries.insert(key.for_reply(&entry).keep(), Arc::clone(&entry));
            if entry.denies_name() {
                entries.remove(key);
            } else if !failed {
                entries.remove(&key.of_name());
            }
        }
        entry
    }

    /// Passes on a failure that says nothing about the question or its upstreams, and keeps nothing of it.
    pub fn pass(&self, key: &CacheKey<'_>, failure: CachedReply, now: u64) -> Arc<CachedReply> {
        if let Some(old) = self.kept(key, now) {
            self.release(key, &old, now);
        }
        Arc::new(failure)
    }

    /// Takes back a refresh that `find` announced and that was not started.
    pub fn release(&self, key: &CacheKey<'_>, entry: &CachedReply, now: u64) {
        entry.put_off(now, key.upstreams.recoveries());
    }

    /// Notes that no upstream answered in time, so that other clients get this stale entry without a wait.
    pub fn put_off(&self, key: &CacheKey<'_>, entry: &CachedReply, now: u64) {
        entry.put_off(now.saturating_add(self.times.stale_retry), key.upstreams.recoveries());
    }

    /// Notes that zones or rules changed at these names: entries at or below them from before are dropped.
    pub fn forget_below<'n>(&self, names: impl IntoIterator<Item = &'n DnsName>) {
        let mut names = names.into_iter().peekable();
        if names.peek().is_some() {
            self.changes.note(Extent::Below, names.map(DnsName::wire));
        }
    }

    /// Size and evictions.
    pub fn held(&self) -> CacheUsage {
        let evictions = self.evictions.load(Ordering::Relaxed);
        let entries = self.entries.as_ref();
        CacheUsage {
            entries: entries.map_or(0, |entries| entries.len() as u64),
            octets: entries.map_or(0, sync::Cache::weight),
            evictions,
        }
    }

    /// Whether a hit should ask again although the entry is fresh; true once, and again after a failure.
    fn is_due(&self, key: &CacheKey<'_>, entry: &CachedReply, age: u64, now: u64) -> bool {
        let Times { prefetch_percent, .. } = self.times;
        // widened, as a lifetime of 68 years in milliseconds has 41 bits
        let left = (entry.lifetime - age) * 100;
        prefetch_percent > 0
            && left <= entry.lifetime * prefetch_percent
            && !entry.is_put_off(now, key.upstreams.recoveries())
            && !entry.refreshing.swap(true, Ordering::AcqRel)
    }

    /// Whether the entry is an answer, fresh or stale.
    fn can_answer(&self, entry: &CachedReply, now: u64) -> bool {
        entry.kind() != ReplyKind::Failure && now.saturating_sub(entry.stored) < entry.lifetime + self.times.stale
    }

    /// Removes the entry, if no other has taken its place.
    fn remove(&self, key: &CacheKey<'_>, entry: &Arc<CachedReply>) {
        if let Some(entries) = &self.entries {
            entries.remove_if(&key.for_reply(entry), |held| Arc::ptr_eq(held, entry));
        }
    }
}

/// Whether the outage in which this failed is over.
fn is_over(key: &CacheKey<'_>, entry: &CachedReply) -> bool {
    entry.recoveries.load(Ordering::Relaxed) != key.upstreams.recoveries()
}

/// Weighs entries by the memory they take.
#[derive(Clone)]
struct Octets;

impl Weighter<StoredKey, Arc<CachedReply>> for Octets {
    fn weight(&self, key: &StoredKey, entry: &Arc<CachedReply>) -> u64 {
        (OVERHEAD + key.name.len() + entry.size()) as u64
    }
}

/// Counts what goes for want of room.
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<StoredKey, Arc<CachedReply>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: StoredKey, _: Arc<CachedReply>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

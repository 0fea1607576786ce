//! Counters that workers write without sharing a cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::answer::Rcode;
use crate::forward::cache::{Age, CacheHit};
use crate::wire::Transport;

/// Threads beyond this many share a shard, which costs time but no counts.
const SHARDS: usize = 16;
/// Response codes that are counted one by one; others go under the last.
const RCODES: usize = 7;
/// How messages travel.
const TRANSPORTS: usize = 5;

/// What has been done since the start.
#[derive(Default)]
pub struct Counters {
    shards: [Shard; SHARDS],
}

/// The counts of one thread, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    packets: [AtomicU64; TRANSPORTS],
    replies: [AtomicU64; RCODES],
    silent: AtomicU64,
    forwarded: AtomicU64,
    forward_failed: AtomicU64,
    overloaded: AtomicU64,
    cache_hits: AtomicU64,
    cache_stale: AtomicU64,
}

/// The counts of one batch; they are added to the thread's shard when it is dropped.
pub struct Tally<'c> {
    shard: &'c Shard,
    packets: [Cell<u32>; TRANSPORTS],
    replies: [Cell<u32>; RCODES],
    silent: Cell<u32>,
    forwarded: Cell<u32>,
    forward_failed: Cell<u32>,
    overloaded: Cell<u32>,
    cache_hits: Cell<u32>,
    cache_stale: Cell<u32>,
}

/// The sums over all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets, whatever became of them, by how they came: see [`TRANSPORTS`](Self::TRANSPORTS).
    pub packets: [u64; TRANSPORTS],
    /// Replies out of our own data, by response code: NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, others.
    pub replies: [u64; RCODES],
    /// Packets without a reply, on purpose.
    pub silent: u64,
    /// Questions handed to upstreams.
    pub forwarded: u64,
    /// Of these, questions that no upstream answered.
    pub forward_failed: u64,
    /// Questions turned away because too many waited.
    pub overloaded: u64,
    /// Questions answered with a cached reply whose time was not over.
    pub cache_hits: u64,
    /// Questions answered with a cached reply whose time was over.
    pub cache_stale: u64,
}

impl Totals {
    /// The labels of `replies`.
    pub const RCODES: [&'static str; RCODES] =
        ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "other"];
    /// The labels of `packets`, in the order of [`Transport`].
    pub const TRANSPORTS: [&'static str; TRANSPORTS] = ["udp", "tcp", "tls", "https", "quic"];
}

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

impl Counters {
    fn shard(&self) -> &Shard {
        let [first, ..] = &self.shards;
        self.shards.get(SHARD.with(|at| *at)).unwrap_or(first)
    }

    /// Counts for a batch of this thread.
    pub fn tally(&self) -> Tally<'_> {
        Tally {
            shard: self.shard(),
            packets: Default::default(),
            replies: Default::default(),
            silent: Cell::default(),
            forwarded: Cell::default(),
            forward_failed: Cell::default(),
            overloaded: Cell::default(),
            cache_hits: Cell::default(),
            cache_stale: Cell::default(),
        }
    }

    /// The sums over all threads.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for shard in &self.shards {
            for (sum, count) in totals.packets.iter_mut().zip(&shard.packets) {
                *sum += count.load(Ordering::Relaxed);
            }
            for (sum, count) in totals.replies.iter_mut().zip(&shard.replies) {
                *sum += count.load(Ordering::Relaxed);
            }
            totals.silent += shard.silent.load(Ordering::Relaxed);
            totals.forwarded += shard.forwarded.load(Ordering::Relaxed);
            totals.forward_failed += shard.forward_failed.load(Ordering::Relaxed);
            totals.overloaded += shard.overloaded.load(Ordering::Relaxed);
            totals.cache_hits += shard.cache_hits.load(Ordering::Relaxed);
            totals.cache_stale += shard.cache_stale.load(Ordering::Relaxed);
        }
        totals
    }
}

fn up(cell: &Cell<u32>) {
    cell.set(cell.get().wrapping_add(1));
}

impl Tally<'_> {
    /// A packet came in.
    pub fn packet(&self, transport: Transport) {
        if let Some(cell) = self.packets.get(transport as usize) {
            up(cell);
        }
    }

    /// A reply with this response code.
    pub fn reply(&self, rcode: Rcode) {
        let at = (rcode as usize).min(RCODES - 1);
        if let Some(cell) = self.replies.get(at) {
            up(cell);
        }
    }

    /// No reply, on purpose.
    pub fn silent(&self) {
        up(&self.silent);
    }

    /// A question for an upstream.
    pub fn forwarded(&self) {
        up(&self.forwarded);
    }

    /// Such a question that no upstream answered.
    pub fn forward_failed(&self) {
        up(&self.forward_failed);
    }

    /// A question answered from the cache.
    pub fn cached(&self, found: &CacheHit) {
        up(match found.age {
            Age::Fresh(_) => &self.cache_hits,
            Age::Stale(_) => &self.cache_stale,
        });
    }

    /// A question turned away.
    pub fn overloaded(&self) {
        up(&self.overloaded);
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let add = |to: &AtomicU64, cell: &Cell<u32>| {
            if cell.get() > 0 {
                to.fetch_add(u64::from(cell.get()), Ordering::Relaxed);
            }
        };
        for (to, cell) in self.shard.packets.iter().zip(&self.packets) {
            add(to, cell);
        }
        for (to, cell) in self.shard.replies.iter().zip(&self.replies) {
            add(to, cell);
        }
        add(&self.shard.silent, &self.silent);
        add(&self.shard.forwarded, &self.forwarded);
        add(&self.shard.forward_failed, &self.forward_failed);
        add(&self.shard.overloaded, &self.overloaded);
        add(&self.shard.cache_hits, &self.cache_hits);
        add(&self.shard.cache_stale, &self.cache_stale);
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
                    tally.reply(Rcode::NxDomain);
                    tally.reply(Rcode::BadVers);
                    tally.silent();
                });
            }
        });
        let totals = counters.totals();
        assert_eq!((totals.replies, totals.silent), ([0, 0, 0, 20, 0, 0, 20], 20));
        assert_eq!(totals.packets, [0, 0, 0, 0, 20]);
    }
}

//! How often a network or client is answered over UDP.
//!
//! Whoever sends with a forged address makes this server send to that address. So a network of strangers (a /24, or for
//! IPv6 a /56) gets at most [`STRANGERS_PER_SECOND`] replies a second; of the questions beyond, every second one gets an
//! empty reply with TC, by which a real client learns to come over TCP, and the others nothing. (Response rate limiting
//! with slip 2, as in BIND and NSD.) Clients have such a limit with `--rate-limit`, each for itself. No lock: those that
//! share a bucket share its replies, and which do cannot be guessed.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Replies of full length to one network of strangers in one second.
pub(super) const STRANGERS_PER_SECOND: u32 = 5;
/// Of the questions beyond, one of so many gets a truncated reply.
const SLIP: u64 = 2;
/// Buckets, of eight octets each.
const BUCKETS: usize = 1 << 13;

/// Counts questions by where they come from.
pub(super) struct ReplyLimit {
    per_second: u64,
    /// The second in the upper half, questions in the lower.
    buckets: Box<[AtomicU64]>,
    hasher: foldhash::fast::RandomState,
}

/// How much of its reply a question gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyShare {
    /// All.
    Whole,
    /// No records, and TC.
    Truncated,
    /// Nothing.
    Silent,
}

impl ReplyLimit {
    /// So many whole replies in one second.
    pub(super) fn new(per_second: u32) -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { per_second: per_second.into(), buckets, hasher: foldhash::fast::RandomState::default() }
    }

    /// What a question gets that comes in this second from `from`: a network's first address, or a client's.
    pub(super) fn take(&self, from: IpAddr, second: u32) -> ReplyShare {
        let at = self.hasher.hash_one(from) as usize % BUCKETS;
        let Some(bucket) = self.buckets.get(at) else { return ReplyShare::Silent };
        let count = if bucket.load(Ordering::Relaxed) >> 32 == u64::from(second) {
            (bucket.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX)) + 1
        } else {
            // of two threads that begin a second together one is not counted
            bucket.store(u64::from(second) << 32 | 1, Ordering::Relaxed);
            1
        };
        match count.checked_sub(self.per_second) {
            None | Some(0) => ReplyShare::Whole,
            Some(beyond) if beyond.is_multiple_of(SLIP) => ReplyShare::Truncated,
            Some(_) => ReplyShare::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::prefix_of;

    #[test]
    fn five_whole_replies_a_second_and_every_second_one_beyond_truncated() {
        let limit = ReplyLimit::new(STRANGERS_PER_SECOND);
        let mut seen = [0; 3];
        for round in 0..105_u8 {
            // all of one /24
            seen[limit.take(prefix_of(IpAddr::from([198, 51, 100, round])), 7) as usize] += 1;
        }
        assert_eq!(seen, [5, 50, 50]);
        let again = "198.51.100.0".parse().unwrap();
        assert_eq!(limit.take(again, 8), ReplyShare::Whole, "the next second");
        let v6 = |host: u16| prefix_of(IpAddr::from([0x2001, 0xdb8, 0, host & 0xff, 0, 0, 0, host]));
        let whole = (0..105).filter(|host| limit.take(v6(*host), 9) == ReplyShare::Whole).count();
        assert_eq!(whole, 5, "all of one /56");
    }
}

//! How often strangers are told over UDP that they are refused.
//!
//! Whoever sends with a forged address makes this server send to that address. So a network of strangers (a /24, or for
//! IPv6 a /56) gets at most [`PER_SECOND`] replies a second; of the questions beyond, every second one gets an empty
//! reply with TC, by which a real client learns to come over TCP, and the others nothing. (Response rate limiting with
//! slip 2, as in BIND and NSD.) No lock: networks that share a bucket share its replies, and which do cannot be guessed.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::address::prefix_of;

/// Replies of full length to one network in one second.
const PER_SECOND: u64 = 5;
/// Of the questions beyond, one of so many gets a truncated reply.
const SLIP: u64 = 2;
/// Buckets, of eight octets each.
const BUCKETS: usize = 1 << 13;

/// Counts the questions of strangers.
pub(super) struct StrangerLimit {
    /// The second in the upper half, questions in the lower.
    buckets: Box<[AtomicU64]>,
    hasher: foldhash::fast::RandomState,
}

/// What a stranger's question gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StrangerReply {
    /// REFUSED.
    Whole,
    /// REFUSED with TC.
    Truncated,
    /// Nothing.
    Silent,
}

impl StrangerLimit {
    pub(super) fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, hasher: foldhash::fast::RandomState::default() }
    }

    /// What a question of `peer` in this second gets.
    pub(super) fn take(&self, peer: IpAddr, second: u32) -> StrangerReply {
        let at = self.hasher.hash_one(prefix_of(peer)) as usize % BUCKETS;
        let Some(bucket) = self.buckets.get(at) else { return StrangerReply::Silent };
        let count = if bucket.load(Ordering::Relaxed) >> 32 == u64::from(second) {
            (bucket.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX)) + 1
        } else {
            // of two threads that begin a second together one is not counted
            bucket.store(u64::from(second) << 32 | 1, Ordering::Relaxed);
            1
        };
        match count.checked_sub(PER_SECOND) {
            None | Some(0) => StrangerReply::Whole,
            Some(beyond) if beyond.is_multiple_of(SLIP) => StrangerReply::Truncated,
            Some(_) => StrangerReply::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_gets_five_replies_a_second_and_every_second_one_beyond_truncated() {
        let limit = StrangerLimit::new();
        let mut seen = [0; 3];
        for round in 0..105_u8 {
            // all of one /24
            seen[limit.take(IpAddr::from([198, 51, 100, round]), 7) as usize] += 1;
        }
        assert_eq!(seen, [5, 50, 50]);
        let again = "198.51.100.1".parse().unwrap();
        assert_eq!(limit.take(again, 8), StrangerReply::Whole, "the next second");
        let v6 = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, host & 0xff, 0, 0, 0, host]);
        let whole = (0..105).filter(|host| limit.take(v6(*host), 9) == StrangerReply::Whole).count();
        assert_eq!(whole, 5, "all of one /56");
    }
}

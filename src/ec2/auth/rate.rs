//! How often one caller may call: a token bucket for each, in a table that does not grow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Refusal;
use crate::address::client_of;

/// The bounds of a `RateLimiter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests a second of one caller, over time.
    pub per_second: u32,
    /// Requests that one caller may make at once after a pause.
    pub burst: u32,
    /// Callers that are told apart; further ones share one allowance.
    pub callers: usize,
}

impl Default for RateLimits {
    /// Well above what a machine with one client does, and below what it takes to keep a disk busy with commits.
    fn default() -> Self {
        Self { per_second: 1000, burst: 2000, callers: 4096 }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// An IPv4 address, or an IPv6 /64, within which one host has addresses at will.
    Peer(IpAddr),
    /// A verified access key, wherever it is used.
    Key(String),
}

impl Counted {
    /// Whom a request from `peer` counts for.
    pub fn peer(peer: IpAddr) -> Self {
        Self::Peer(client_of(peer))
    }
}

/// Who has called how often.
#[derive(Debug)]
pub struct RateLimiter {
    limits: RateLimits,
    /// The time after which an unused allowance is whole again.
    whole: Duration,
    buckets: HashMap<Counted, Bucket>,
    /// For those for whom the table has no place.
    others: Bucket,
    /// When the table was last cleared of those who have paused.
    swept: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RateLimiter {
    /// Nobody has called yet; `limits` of zero are taken as one.
    pub fn new(limits: RateLimits, now: Instant) -> Self {
        let limits = RateLimits { per_second: limits.per_second.max(1), burst: limits.burst.max(1), ..limits };
        let whole = Duration::from_secs_f64(f64::from(limits.burst) / f64::from(limits.per_second));
        let others = Bucket { tokens: f64::from(limits.burst), at: now };
        Self { limits, whole, buckets: HashMap::new(), others, swept: now }
    }

    /// Counts one request of `caller` at `now`, or refuses it.
    pub fn admit(&mut self, caller: Counted, now: Instant) -> Result<(), Refusal> {
        let new = Bucket { tokens: f64::from(self.limits.burst), at: now };
        if !self.buckets.contains_key(&caller) && self.buckets.len() >= self.limits.callers {
            self.sweep(now);
        }
        let bucket = if self.buckets.contains_key(&caller) || self.buckets.len() < self.limits.callers {
            self.buckets.entry(caller).or_insert(new)
        } else {
            &mut self.others
        };
        if bucket.take(self.limits, now) {
            Ok(())
        } else {
            Err(Refusal::new(503, "RequestLimitExceeded", "Request limit exceeded."))
        }
    }

    /// Forgets who has paused until their allowance was whole, at most once in that time: a flood of new callers does
    /// not cost a walk over the table each.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) >= self.whole {
            self.buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < self.whole);
            self.swept = now;
        }
    }
}

impl Bucket {
    fn take(&mut self, limits: RateLimits, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(limits.per_second);
        self.tokens = (self.tokens + gained).min(f64::from(limits.burst));
        self.at = now;
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RateLimits = RateLimits { per_second: 2, burst: 4, callers: 3 };

    fn key(name: &str) -> Counted {
        Counted::Key(name.into())
    }

    fn admitted(limiter: &mut RateLimiter, caller: &Counted, now: Instant) -> usize {
        (0..10).filter(|_| limiter.admit(caller.clone(), now).is_ok()).count()
    }

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(LIMITS, start);
        assert_eq!(admitted(&mut limiter, &key("a"), start), 4);
        let refusal = limiter.admit(key("a"), start).unwrap_err();
        assert_eq!((refusal.status, refusal.code), (503, "RequestLimitExceeded"));
        assert_eq!(admitted(&mut limiter, &key("a"), start + Duration::from_millis(499)), 0);
        assert_eq!(admitted(&mut limiter, &key("a"), start + Duration::from_millis(501)), 1);
        assert_eq!(admitted(&mut limiter, &key("a"), start + Duration::from_secs(3600)), 4);
        // a clock that is read out of order gives nothing
        assert_eq!(admitted(&mut limiter, &key("a"), start), 0);
        assert_eq!(admitted(&mut limiter, &key("b"), start), 4, "others have their own");
    }

    #[test]
    fn the_table_is_bounded() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(LIMITS, start);
        for name in ["a", "b", "c"] {
            assert_eq!(admitted(&mut limiter, &key(name), start), 4);
        }
        // the fourth and the fifth share what is left for all others
        assert_eq!(admitted(&mut limiter, &key("d"), start) + admitted(&mut limiter, &key("e"), start), 4);
        assert_eq!(limiter.buckets.len(), 3);
        // those who have paused make room, and lose nothing by it
        let later = start + Duration::from_secs(2);
        assert_eq!(admitted(&mut limiter, &key("d"), later), 4);
        assert_eq!(admitted(&mut limiter, &key("a"), later), 4);
        assert!(limiter.buckets.len() <= 3);
    }

    #[test]
    fn one_host_is_one_caller() {
        let peer = |text: &str| Counted::peer(text.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("192.0.2.1"), peer("::ffff:192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}

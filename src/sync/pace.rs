//! How often an action is called: a rate after a burst, less where the service says that it is too much.
//!
//! Halved when a call is throttled, and grown back step by step by calls that are not, as botocore's adaptive mode slows
//! down and recovers.

use std::time::Duration;

use tokio::time::Instant;

/// The rate is never less than this share of the usual one.
const SLOWEST: f64 = 1.0 / 8.0;
/// What a call that is not throttled gives back, as a share of the usual rate.
const STEP: f64 = 1.0 / 20.0;

/// The pace of one action.
#[derive(Debug)]
pub(super) struct CallPace {
    /// Calls a second, if nobody minds.
    usual: f64,
    burst: f64,
    /// Calls a second now.
    rate: f64,
    /// Calls that may be made; less than none is a debt, which is paid by waiting.
    tokens: f64,
    since: Instant,
}

impl CallPace {
    /// Of `rate` calls a second after `burst` at once.
    pub(super) fn new(rate: f64, burst: f64, now: Instant) -> Self {
        Self { usual: rate, burst, rate, tokens: burst, since: now }
    }

    /// When the next call may be made, which is then counted.
    pub(super) fn take(&mut self, now: Instant) -> Instant {
        self.earn(now);
        self.tokens -= 1.0;
        now + Duration::from_secs_f64((-self.tokens).max(0.0) / self.rate)
    }

    /// A call was throttled: the rate is half of what it was, and there is no burst left.
    pub(super) fn slow_down(&mut self, now: Instant) {
        self.earn(now);
        self.rate = (self.rate / 2.0).max(self.usual * SLOWEST);
        self.tokens = self.tokens.min(0.0);
    }

    /// A call was not throttled.
    pub(super) fn recover(&mut self, now: Instant) {
        self.earn(now);
        self.rate = (self.rate + self.usual * STEP).min(self.usual);
    }

    fn earn(&mut self, now: Instant) {
        // while it is slowed down, nothing is saved up
        let most = if self.rate < self.usual { self.burst.min(1.0) } else { self.burst };
        self.tokens = (self.tokens + now.duration_since(self.since).as_secs_f64() * self.rate).min(most);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_comes_first_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut pace = CallPace::new(5.0, 3.0, start);
        let waits: Vec<u128> = (0..5).map(|_| (pace.take(start) - start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 200, 400]);
    }

    #[test]
    fn a_throttled_action_is_called_half_as_often_and_grows_back() {
        let start = Instant::now();
        let mut pace = CallPace::new(4.0, 50.0, start);
        let gap = |pace: &mut CallPace| {
            let first = pace.take(start);
            (pace.take(start) - first).as_millis()
        };
        assert_eq!(gap(&mut pace), 0);
        pace.slow_down(start);
        assert_eq!(gap(&mut pace), 500);
        pace.slow_down(start);
        assert_eq!(gap(&mut pace), 1000);
        for _ in 0..15 {
            pace.recover(start);
        }
        assert_eq!(gap(&mut pace), 250, "the usual rate, and no more");
        for _ in 0..20 {
            pace.slow_down(start);
        }
        assert_eq!(gap(&mut pace), 2000, "the slowest");
    }
}

//! When a delivery that failed is tried again, and when it is not.

use std::time::{Duration, SystemTime};

/// Exponential back-off with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// Deliveries older than this are not tried again.
    pub max_age: Duration,
}

impl Default for Backoff {
    /// 1 s, 2 s, 4 s, ... 5 min, for a day: long enough for an outage to be noticed and mended.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), cap: Duration::from_secs(300), max_age: Duration::from_secs(86_400) }
    }
}

impl Backoff {
    /// When to try again after `attempts` failures, the last one `now`; `None` if it would be too late then.
    ///
    /// Between half the pause and the whole of it, as `random` has it, so that deliveries which failed together do not
    /// come back together.
    pub fn next(&self, attempts: u32, created: SystemTime, now: SystemTime, random: u32) -> Option<SystemTime> {
        let doublings = attempts.saturating_sub(1).min(31);
        let pause = self.first.saturating_mul(1 << doublings).min(self.cap);
        let share = f64::from(random) / f64::from(u32::MAX);
        let at = now.checked_add(pause / 2 + (pause / 2).mul_f64(share))?;
        (at <= created.checked_add(self.max_age)?).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(2), cap: Duration::from_secs(60), max_age: Duration::from_secs(600) };

    /// Seconds until the next attempt of what was created at 0.
    fn pause(attempts: u32, now: u64, random: u32) -> Option<f64> {
        let now = UNIX_EPOCH + Duration::from_secs(now);
        let at = BACKOFF.next(attempts, UNIX_EPOCH, now, random)?;
        Some(at.duration_since(now).unwrap().as_secs_f64())
    }

    #[test]
    fn pauses_double_up_to_the_cap() {
        for (attempts, whole) in [(1, 2.0), (2, 4.0), (3, 8.0), (5, 32.0), (6, 60.0), (33, 60.0), (u32::MAX, 60.0)] {
            assert_eq!(pause(attempts, 0, u32::MAX), Some(whole), "{attempts}");
            assert_eq!(pause(attempts, 0, 0), Some(whole / 2.0), "{attempts}");
        }
        let middle = pause(1, 0, u32::MAX / 2).unwrap();
        assert!((1.4..1.6).contains(&middle), "{middle}");
    }

    #[test]
    fn old_deliveries_are_given_up() {
        assert_eq!(pause(6, 540, u32::MAX), Some(60.0));
        assert_eq!(pause(6, 541, u32::MAX), None);
        assert_eq!(pause(1, 10_000, 0), None);
    }

    #[test]
    fn no_settings_overflow() {
        let endless = Backoff { first: Duration::MAX, cap: Duration::MAX, max_age: Duration::MAX };
        assert_eq!(endless.next(40, UNIX_EPOCH, UNIX_EPOCH, u32::MAX), None);
    }
}

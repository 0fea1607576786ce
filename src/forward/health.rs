//! How an upstream is doing: how long a reply takes, and whether there is any.
//!
//! Pure: what happened and when comes in, what to expect comes out. Round trips are measured as TCP does it (RFC 6298
//! 2), with the bounds of a resolver.

use std::fmt;
use std::time::{Duration, Instant};

/// What a first reply may take, as nothing is known (Unbound waits 376 ms).
const UNKNOWN: Duration = Duration::from_millis(400);
/// The shortest patience: an upstream that knows one answer at once may have to ask for the next.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);
/// What a question that brings nothing costs, in time until another upstream has answered it.
const MISS: Duration = Duration::from_secs(1);
/// An upstream that has not been heard for so long, though asked so often, is down. Both, as a thousand questions can
/// be lost in one moment.
const SILENCE: Duration = Duration::from_secs(1);
const UNANSWERED: u32 = 4;
/// The pauses between questions to an upstream that is down: doubled from the first to the last, which is short enough
/// to see its return within a second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_millis(800);
/// An upstream that others have been preferred to is measured again after this long.
const MEASURE_AGAIN: Duration = Duration::from_secs(10);
/// An upstream that led back to us is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What is known about one upstream.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// Smoothed round trip and its variation.
    rtt: Option<(Duration, Duration)>,
    /// Of late, the share of questions that brought nothing.
    misses: f32,
    last_reply: Option<Instant>,
    /// When the first question was sent to which, and to all after it, no reply has come.
    silent_since: Option<Instant>,
    unanswered: u32,
    down: Option<Down>,
    /// It leads back to us, and when to look whether it still does.
    loops: Option<Instant>,
    /// When it was asked last, or was seen first.
    measured: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Down {
    pause: Duration,
    next: Instant,
}

/// Whether an upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Up,
    /// It does not answer; it is asked now and then, to see when it is back.
    Down,
    /// What is sent there comes back to us; it is looked at now and then.
    Loops,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Loops => "loops",
        })
    }
}

impl Health {
    /// Of an upstream that is seen for the first time: up, until it shows otherwise.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            rtt: None,
            misses: 0.0,
            last_reply: None,
            silent_since: None,
            unanswered: 0,
            down: None,
            loops: None,
            measured: now,
        }
    }

    /// Whether it is asked.
    pub(super) fn state(&self) -> State {
        match (&self.loops, &self.down) {
            (Some(_), _) => State::Loops,
            (None, Some(_)) => State::Down,
            (None, None) => State::Up,
        }
    }

    /// The smoothed round trip, if any was measured.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt.map(|(smoothed, _)| smoothed)
    }

    /// How long to wait for a reply before somebody is asked again (RFC 6298 2.2, 2.3), at most `most`.
    pub(super) fn patience(&self, most: Duration) -> Duration {
        let (smoothed, variation) = self.rtt.unwrap_or((UNKNOWN, Duration::ZERO));
        (smoothed + 4 * variation).max(LEAST_PATIENCE).min(most)
    }

    /// What a question to it costs, in time: the round trip, and [`MISS`] as often as it brings nothing.
    pub(super) fn cost(&self) -> Duration {
        self.rtt().unwrap_or(UNKNOWN) + MISS.mul_f32(self.misses)
    }

    /// A reply came, `rtt` after it was asked for; true if the upstream was down before.
    pub(super) fn replied(&mut self, rtt: Duration, now: Instant) -> bool {
        self.rtt = Some(match self.rtt {
            None => (rtt, rtt / 2),
            // RFC 6298 2.3: alpha 1/8, beta 1/4
            Some((smoothed, variation)) => ((smoothed * 7 + rtt) / 8, (variation * 3 + smoothed.abs_diff(rtt)) / 4),
        });
        self.last_reply = Some(now);
        self.silent_since = None;
        self.unanswered = 0;
        self.measured = now;
        self.down.take().is_some()
    }

    /// The reply brought what is wanted, or an error that another upstream may not have.
    pub(super) fn brought(&mut self, good: bool) {
        self.misses = self.misses * 0.875 + if good { 0.0 } else { 0.125 };
    }

    /// Nothing came to a question that was sent at `sent`; true if the upstream counts as down from now on.
    pub(super) fn failed(&mut self, sent: Instant, now: Instant) -> bool {
        self.brought(false);
        self.measured = now;
        if self.last_reply.is_some_and(|reply| reply >= sent) {
            return false;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let since = *self.silent_since.get_or_insert(sent);
        let silent = self.unanswered >= UNANSWERED && now.saturating_duration_since(since) >= SILENCE;
        if !silent || self.down.is_some() {
            return false;
        }
        self.down = Some(Down { pause: FIRST_PAUSE, next: now + FIRST_PAUSE });
        true
    }

    /// True when a question may be spent on it that it would not get otherwise: it is down and due, or has not been
    /// measured for long. Whoever is told so asks it, as the next one is not told for a while.
    pub(super) fn claim(&mut self, now: Instant) -> bool {
        match (&self.loops, &mut self.down) {
            (None, Some(down)) if now >= down.next => {
                down.pause = (down.pause * 2).min(LAST_PAUSE);
                down.next = now + down.pause;
                true
            }
            (Some(_), _) | (None, Some(_)) => false,
            (None, None) => {
                let due = now >= self.measured + MEASURE_AGAIN;
                if due {
                    self.measured = now;
                }
                due
            }
        }
    }

    /// True when it is not asked, and it is not yet time to see whether it should be.
    pub(super) fn rests(&self, now: Instant) -> bool {
        match (&self.loops, &self.down) {
            (Some(next), _) => now < *next,
            (None, Some(down)) => now < down.next,
            (None, None) => false,
        }
    }

    /// What was sent there came to us; true if that is news.
    pub(super) fn came_back(&mut self, now: Instant) -> bool {
        self.loops.replace(now + LOOK_AGAIN).is_none()
    }

    /// True when it is time to see whether it still leads back to us; the next one is told so after a while.
    pub(super) fn claim_look(&mut self, now: Instant) -> bool {
        let due = self.loops.is_some_and(|next| now >= next);
        if due {
            self.loops = Some(now + LOOK_AGAIN);
        }
        due
    }

    /// It answered without asking us; true if that is news.
    pub(super) fn leads_elsewhere(&mut self) -> bool {
        self.loops.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MOST: Duration = Duration::from_millis(1500);

    fn health() -> (Health, Instant) {
        let now = Instant::now();
        (Health::new(now), now)
    }

    /// As many questions as it takes, one each `every`; when it counts as down.
    fn silent(health: &mut Health, mut now: Instant, every: Duration) -> Instant {
        for _ in 0..1000 {
            if health.failed(now, now + every) {
                return now + every;
            }
            now += every;
        }
        panic!("never down");
    }

    #[test]
    fn patience_follows_the_round_trip() {
        let (mut health, now) = health();
        assert_eq!((health.patience(MOST), health.patience(50 * MS)), (UNKNOWN, 50 * MS));
        health.replied(200 * MS, now);
        // RFC 6298 2.2: R + 4 * R / 2
        assert_eq!((health.rtt(), health.patience(MOST)), (Some(200 * MS), 600 * MS));
        for _ in 0..100 {
            health.replied(2 * MS, now);
        }
        assert_eq!(health.patience(MOST), LEAST_PATIENCE);
        for _ in 0..100 {
            health.replied(3000 * MS, now);
        }
        assert_eq!(health.patience(MOST), MOST);
    }

    #[test]
    fn it_takes_time_and_questions_to_be_down() {
        let (mut health, now) = health();
        for _ in 0..1000 {
            assert!(!health.failed(now, now + 400 * MS), "a thousand questions of one moment are one loss");
        }
        assert!(health.failed(now + 500 * MS, now + 1000 * MS));
        assert!(!health.failed(now + 500 * MS, now + 1001 * MS), "it is said once");
        assert_eq!(health.state(), State::Down);

        let mut slow = Health::new(now);
        assert!(!slow.failed(now, now + 60_000 * MS), "one question an hour may get lost");
        assert!(slow.replied(5 * MS, now + 60_000 * MS) || slow.state() == State::Up);
        assert!(!slow.failed(now + 59_000 * MS, now + 61_000 * MS), "a reply came after this was sent");
        assert_eq!(slow.unanswered, 0);
    }

    #[test]
    fn an_upstream_that_is_down_is_asked_now_and_then() {
        let (mut health, now) = health();
        let down = silent(&mut health, now, 300 * MS);
        assert!(health.rests(down + 99 * MS) && !health.rests(down + 100 * MS));
        let asked: Vec<u64> = (0..5000).filter(|at| health.claim(down + *at as u32 * MS)).take(6).collect();
        assert_eq!(asked, [100, 300, 700, 1500, 2300, 3100]);
        assert!(health.replied(5 * MS, down + 5000 * MS), "its return is news");
        assert!(!health.replied(5 * MS, down + 5000 * MS));
        assert_eq!((health.state(), health.rests(down + 5000 * MS)), (State::Up, false));
    }

    #[test]
    fn others_are_measured_now_and_then() {
        let (mut health, now) = health();
        assert!(!health.claim(now + 9999 * MS));
        assert!(health.claim(now + 10_000 * MS) && !health.claim(now + 10_001 * MS));
        health.replied(MS, now + 15_000 * MS);
        assert!(!health.claim(now + 20_001 * MS) && health.claim(now + 25_000 * MS));
    }

    /// One that is fast to refuse costs more than one that is slow and answers.
    #[test]
    fn what_brings_nothing_costs() {
        let (mut hasty, now) = health();
        let mut slow = hasty.clone();
        for _ in 0..10 {
            hasty.replied(MS, now);
            hasty.brought(false);
            slow.replied(300 * MS, now);
            slow.brought(true);
        }
        assert!(hasty.cost() > slow.cost());
        for _ in 0..10 {
            hasty.brought(true);
        }
        assert!(hasty.cost() < slow.cost());
    }

    #[test]
    fn a_loop_is_looked_at_every_minute() {
        let (mut health, now) = health();
        assert!(!health.claim_look(now + 90_000 * MS));
        assert!(health.came_back(now) && !health.came_back(now));
        assert_eq!(health.state(), State::Loops);
        assert!(!health.claim(now + 59_000 * MS), "no question is spent on it");
        assert!(health.rests(now + 59_000 * MS) && !health.rests(now + 60_000 * MS));
        assert!(!health.claim_look(now + 59_000 * MS) && health.claim_look(now + 60_000 * MS));
        assert!(!health.claim_look(now + 61_000 * MS));
        assert!(health.leads_elsewhere() && !health.leads_elsewhere());
        assert_eq!(health.state(), State::Up);
    }
}

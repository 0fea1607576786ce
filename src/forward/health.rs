//! The health of one upstream: how long a reply takes, and whether there is any.
//!
//! Pure: events with their times come in, decisions come out. Round trips are measured as TCP does it (RFC 6298 2),
//! with the bounds of a resolver.
//!
//! A question without a reply says little about the upstream: the domain may be at fault, and any client can ask for
//! such a domain. So it only raises a doubt. Probes then ask for what the upstream has answered before (see `probe`),
//! while clients' questions go on as usual; any reply at all ends the doubt, and only silence to all of that makes the
//! upstream count as down.

use std::fmt;
use std::time::{Duration, Instant};

/// What a first reply may take, as nothing is known (Unbound waits 376 ms).
const UNKNOWN: Duration = Duration::from_millis(400);
/// The shortest patience: an upstream that knows one answer at once may have to ask for the next.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);
/// What a question that brings nothing costs, in time until another upstream has answered it.
const MISS: Duration = Duration::from_secs(1);
/// An upstream in doubt that has answered nothing for so long, though probed so often, is down.
const DOUBT: Duration = Duration::from_millis(900);
const PROBES: u32 = 4;
/// The pause between the probes of a doubt.
const PROBE_PAUSE: Duration = Duration::from_millis(150);
/// The longest pause between the probes of an upstream that is down: its return is seen within a second.
const DOWN_PAUSE: Duration = Duration::from_millis(400);
/// The pause between clients' questions to an upstream that is down. It may answer these, though it answers no probe any
/// more; so seldom, as each may cost its client the time of a timeout.
const CLIENT_PAUSE: Duration = Duration::from_secs(2);
/// An upstream that others have been preferred to is measured again after this long.
const MEASURE_AGAIN: Duration = Duration::from_secs(10);

/// What is known about one upstream.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// Smoothed round trip and its variation.
    rtt: Option<(Duration, Duration)>,
    /// Of late, the share of questions that brought nothing.
    misses: f32,
    last_reply: Option<Instant>,
    doubt: Option<Doubt>,
    down: Option<Down>,
    /// When it was asked last, or was seen first.
    measured: Instant,
}

/// No reply has come since a question that was not answered in time.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Instant,
    probes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Down {
    /// When a client's question may be spent on it.
    next: Instant,
    probe_pause: Duration,
}

/// What the prober of an upstream does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probing {
    /// It sends a probe, and waits for so long.
    Send(Duration),
    /// The upstream counts as down from now on.
    Down,
    /// It ends: the upstream answers.
    Done,
}

/// Whether an upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamState {
    /// It is.
    Up,
    /// It is, and probed: it has not answered the last questions.
    Doubtful,
    /// It is not, but for probes: it answers nothing.
    Down,
}

impl fmt::Display for UpstreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Doubtful => "doubtful",
            Self::Down => "down",
        })
    }
}

impl Health {
    /// Of an upstream that is seen for the first time: up, until it shows otherwise.
    pub(super) fn new(now: Instant) -> Self {
        Self { rtt: None, misses: 0.0, last_reply: None, doubt: None, down: None, measured: now }
    }

    /// Whether it is asked.
    pub(super) fn state(&self) -> UpstreamState {
        match (&self.down, &self.doubt) {
            (Some(_), _) => UpstreamState::Down,
            (None, Some(_)) => UpstreamState::Doubtful,
            (None, None) => UpstreamState::Up,
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
        self.heard(now)
    }

    /// A reply came that says nothing about the way to the upstream, as its domain is slow; true if it was down before.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.last_reply = Some(now);
        self.doubt = None;
        self.measured = now;
        self.down.take().is_some()
    }

    /// The reply brought what is wanted, or an error that another upstream may not have.
    pub(super) fn brought(&mut self, good: bool) {
        self.misses = self.misses * 0.875 + if good { 0.0 } else { 0.125 };
    }

    /// Whether a reply came after `since`.
    pub(super) fn was_heard_since(&self, since: Instant) -> bool {
        self.last_reply.is_some_and(|reply| reply >= since)
    }

    /// Nothing came to a question that was sent at `sent`; true if this is a new doubt, and the upstream is to be probed.
    pub(super) fn failed(&mut self, sent: Instant, now: Instant) -> bool {
        self.brought(false);
        self.measured = now;
        if self.was_heard_since(sent) || self.doubt.is_some() || self.down.is_some() {
            return false;
        }
        self.doubt = Some(Doubt { since: now, probes: 0 });
        true
    }

    /// What the prober does now. To be called again after the pause, until [`Probing::Done`].
    pub(super) fn probing(&mut self, now: Instant) -> Probing {
        if let Some(down) = &mut self.down {
            down.probe_pause = (down.probe_pause * 2).min(DOWN_PAUSE);
            return Probing::Send(down.probe_pause);
        }
        let patience = self.patience(DOUBT);
        let Some(doubt) = &mut self.doubt else { return Probing::Done };
        if doubt.probes >= PROBES && now.saturating_duration_since(doubt.since) >= DOUBT.max(patience) {
            self.doubt = None;
            self.down = Some(Down { next: now + CLIENT_PAUSE, probe_pause: PROBE_PAUSE / 2 });
            return Probing::Down;
        }
        doubt.probes += 1;
        Probing::Send(PROBE_PAUSE)
    }

    /// True when a question may be spent on it that it would not get otherwise: it is down and due, or has not been
    /// measured for long. Whoever is told so asks it, as the next one is not told for a while.
    pub(super) fn claim(&mut self, now: Instant) -> bool {
        match &mut self.down {
            Some(down) if now >= down.next => {
                down.next = now + CLIENT_PAUSE;
                true
            }
            Some(_) => false,
            None => {
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
        self.down.is_some_and(|down| now < down.next)
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

    /// Runs the prober from the first question without a reply on; when the upstream counts as down.
    fn silent(health: &mut Health, sent: Instant, mut now: Instant) -> Instant {
        assert!(health.failed(sent, now));
        for _ in 0..1000 {
            match health.probing(now) {
                Probing::Send(pause) => now += pause,
                Probing::Down => return now,
                Probing::Done => break,
            }
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
    fn it_takes_time_and_probes_to_be_down() {
        let (mut health, now) = health();
        assert!(health.failed(now, now + 400 * MS), "the first starts the prober");
        for _ in 0..1000 {
            assert!(!health.failed(now, now + 5000 * MS), "however many more there are");
        }
        assert_eq!(health.state(), UpstreamState::Doubtful);
        assert_eq!(health.probing(now + 10_000 * MS), Probing::Send(PROBE_PAUSE), "time alone is not enough");
        let mut health = Health::new(now);
        let down = silent(&mut health, now, now + 400 * MS);
        assert!(down - now <= 2000 * MS, "it is found within two seconds");
        assert_eq!(health.state(), UpstreamState::Down);
        assert!(!health.failed(now + 500 * MS, now + 3001 * MS), "it is said once");

        let mut slow = Health::new(now);
        assert!(slow.failed(now, now + 60_000 * MS), "one question an hour may get lost");
        assert!(slow.replied(5 * MS, now + 60_000 * MS) || slow.state() == UpstreamState::Up);
        assert!(!slow.failed(now + 59_000 * MS, now + 61_000 * MS), "a reply came after this was sent");
        assert_eq!((slow.state(), slow.probing(now + 61_000 * MS)), (UpstreamState::Up, Probing::Done));
    }

    /// Whoever asks for names that are never answered puts no upstream out that answers anything else.
    #[test]
    fn any_reply_ends_a_doubt() {
        let (mut health, now) = health();
        for round in 0..1000 {
            let now = now + round * 200 * MS;
            assert!(health.failed(now, now + 100 * MS));
            assert_eq!(health.probing(now + 100 * MS), Probing::Send(PROBE_PAUSE));
            assert!(!health.replied(2 * MS, now + 102 * MS));
            assert_eq!(health.probing(now + 150 * MS), Probing::Done);
        }
    }

    #[test]
    fn an_upstream_that_is_down_is_asked_now_and_then() {
        let (mut health, now) = health();
        let down = silent(&mut health, now, now + 300 * MS);
        assert!(health.rests(down + 1999 * MS) && !health.rests(down + 2000 * MS));
        let asked: Vec<u64> = (0..9000).filter(|at| health.claim(down + *at as u32 * MS)).collect();
        assert_eq!(asked, [2000, 4000, 6000, 8000]);
        let pauses: Vec<Probing> = (0..4).map(|_| health.probing(down)).collect();
        assert_eq!(pauses, [150, 300, 400, 400].map(|ms| Probing::Send(ms * MS)));
        assert!(health.replied(5 * MS, down + 5000 * MS), "its return is news");
        assert!(!health.replied(5 * MS, down + 5000 * MS));
        assert_eq!((health.state(), health.rests(down + 5000 * MS)), (UpstreamState::Up, false));
        assert_eq!(health.probing(down + 5000 * MS), Probing::Done);
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
}

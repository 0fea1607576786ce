//! Whom to ask first, and whom after that.
//!
//! Pure. The one that costs least is asked first (see `health`); of equals the one that the operator named first; those
//! in doubt last. One that is down gets a question now and then, to see whether it still is: beside the others, or, where
//! all are down, alone. Not one for a silent domain (see `domains`), which would say nothing.

use std::ops::DerefMut;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::forward::health::{Health, UpstreamState};

/// Below this, a difference between two upstreams is chance.
const GRAIN: Duration = Duration::from_millis(1);

/// Upstreams that a set usually has at most.
pub(super) const FEW: usize = 3;

/// What to do with a question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Indices of the upstreams to ask, best first.
    pub(super) order: SmallVec<[usize; FEW]>,
    /// Index of an upstream that gets a copy of the question, to measure it.
    pub(super) probe: Option<usize>,
}

/// Chooses among the upstreams of a set. Empty where all are down and no probe is due.
///
/// With each comes whether the question would tell something about it.
pub(super) fn choose<H: DerefMut<Target = Health>>(
    candidates: impl Iterator<Item = (H, bool)>,
    now: Instant,
) -> Choice {
    let mut up: SmallVec<[(bool, u128, usize); FEW]> = SmallVec::new();
    let mut due: SmallVec<[usize; FEW]> = SmallVec::new();
    for (at, (mut health, tells)) in candidates.enumerate() {
        let asked = health.state() != UpstreamState::Down;
        if asked {
            up.push((health.state() == UpstreamState::Doubtful, health.cost().as_micros() / GRAIN.as_micros(), at));
        }
        // one at a time, so that a question is never multiplied
        if tells && (due.is_empty() || !asked) {
            due.extend(health.claim(now).then_some(at));
        }
    }
    if up.is_empty() {
        return Choice { order: due, probe: None };
    }
    up.sort_unstable();
    let order: SmallVec<[usize; FEW]> = up.into_iter().map(|(.., at)| at).collect();
    let probe = due.first().copied().filter(|at| order.first() != Some(at));
    Choice { order, probe }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn choose_among(all: &mut [Health], now: Instant) -> Choice {
        choose(all.iter_mut().map(|health| (health, true)), now)
    }

    fn replied(now: Instant, rtt: u32) -> Health {
        let mut health = Health::new(now);
        health.replied(rtt * MS, now);
        health
    }

    fn down(now: Instant) -> Health {
        let mut health = Health::new(now);
        health.failed(now, now);
        while health.state() != UpstreamState::Down {
            health.probing(now + Duration::from_secs(1));
        }
        assert_eq!(health.state(), UpstreamState::Down);
        health
    }

    #[test]
    fn the_fastest_is_first_and_equals_stay_in_order() {
        let now = Instant::now();
        let mut all = [Health::new(now), replied(now, 30), replied(now, 5), replied(now, 5), Health::new(now)];
        assert_eq!(choose_among(&mut all, now), Choice { order: smallvec![2, 3, 1, 0, 4], probe: None });
        assert_eq!(choose_among(&mut [], now), Choice::default());
    }

    #[test]
    fn what_is_down_is_asked_beside_the_others() {
        let now = Instant::now();
        let mut all = [down(now), replied(now, 30)];
        assert_eq!(choose_among(&mut all, now), Choice { order: smallvec![1], probe: None });
        let later = now + 3100 * MS;
        assert_eq!(choose_among(&mut all, later), Choice { order: smallvec![1], probe: Some(0) });
        assert_eq!(choose_among(&mut all, later), Choice { order: smallvec![1], probe: None });
    }

    #[test]
    fn where_all_are_down_those_are_asked_that_are_due() {
        let now = Instant::now();
        let mut all = [down(now), down(now)];
        assert_eq!(choose_among(&mut all, now), Choice::default());
        assert_eq!(choose_among(&mut all, now + 3100 * MS), Choice { order: smallvec![0, 1], probe: None });
    }

    #[test]
    fn the_slower_is_measured_now_and_then() {
        let now = Instant::now();
        let mut all = [replied(now, 5), replied(now, 30)];
        let later = now + Duration::from_secs(10);
        all[0].replied(5 * MS, later);
        assert_eq!(choose_among(&mut all, later).probe, Some(1));
        // the first is asked in any case
        let mut all = [replied(now, 5), replied(later, 30)];
        assert_eq!(choose_among(&mut all, later).probe, None);
    }

    #[test]
    fn one_in_doubt_is_asked_last() {
        let now = Instant::now();
        let mut all = [replied(now, 5), replied(now, 30)];
        all[0].failed(now + MS, now + 100 * MS);
        assert_eq!(choose_among(&mut all, now + 100 * MS).order[..], [1, 0]);
    }

    #[test]
    fn a_question_that_tells_nothing_is_no_probe() {
        let now = Instant::now();
        let mut all = [down(now)];
        let later = now + Duration::from_secs(9);
        assert_eq!(choose(all.iter_mut().map(|health| (health, false)), later), Choice::default());
        assert_eq!(choose(all.iter_mut().map(|health| (health, true)), later).order[..], [0]);
    }
}

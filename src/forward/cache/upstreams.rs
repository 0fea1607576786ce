//! Numbered sets of upstreams, and the outages of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::Upstream;

/// Failures in a row after which the next good reply means that an outage is over. A few names that always fail do
/// not get there, as others are answered in between.
const OUTAGE: u32 = 4;
/// Sets that are remembered. Rules come and go; where there have been more, all begin anew, under new numbers.
const MAX_SETS: usize = 4096;

/// Upstreams that are asked for the same questions, in their order.
#[derive(Debug)]
pub struct UpstreamSet {
    /// The upstreams.
    pub upstreams: Arc<[Upstream]>,
    /// Whether what they say is validated before it is kept.
    pub validated: bool,
    /// The same upstreams in the same order have the same number, and no others ever have it; one for each `validated`.
    pub(super) id: u32,
    failures: AtomicU32,
    recoveries: AtomicU32,
}

impl UpstreamSet {
    /// Takes note of a good reply of one of the upstreams, or of a failure of all of them.
    pub(super) fn heard(&self, good: bool) {
        if !good {
            self.failures.fetch_add(1, Ordering::Relaxed);
        } else if self.failures.load(Ordering::Relaxed) > 0 && self.failures.swap(0, Ordering::Relaxed) >= OUTAGE {
            self.recoveries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many outages are over. What failed before the last of them may succeed now.
    pub(super) fn recoveries(&self) -> u32 {
        self.recoveries.load(Ordering::Relaxed)
    }
}

/// All sets that were asked for.
#[derive(Default)]
pub(super) struct Sets(RwLock<NumberedSets>);

#[derive(Default)]
struct NumberedSets {
    plain: SetsByUpstreams,
    validated: SetsByUpstreams,
    next: u32,
}

type SetsByUpstreams = HashMap<Arc<[Upstream]>, Arc<UpstreamSet>>;

impl NumberedSets {
    fn of(&self, validated: bool) -> &SetsByUpstreams {
        if validated { &self.validated } else { &self.plain }
    }
}

impl Sets {
    /// The set of exactly these upstreams.
    pub(super) fn of(&self, upstreams: &Arc<[Upstream]>, validated: bool) -> Arc<UpstreamSet> {
        if let Some(set) = self.0.read().unwrap_or_else(PoisonError::into_inner).of(validated).get(upstreams) {
            return Arc::clone(set);
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let NumberedSets { plain, validated: with_validation, next } = &mut *known;
        let sets = if validated { with_validation } else { plain };
        if let Some(set) = sets.get(upstreams) {
            return Arc::clone(set);
        }
        if sets.len() >= MAX_SETS {
            sets.clear();
        }
        let id = *next;
        *next = id.wrapping_add(1);
        let set = Arc::new(UpstreamSet {
            upstreams: Arc::clone(upstreams),
            validated,
            id,
            failures: AtomicU32::new(0),
            recoveries: AtomicU32::new(0),
        });
        sets.insert(Arc::clone(upstreams), Arc::clone(&set));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams(ports: &[u16]) -> Arc<[Upstream]> {
        let address = |port: &u16| std::net::SocketAddr::from(([127, 0, 0, 1], *port));
        ports.iter().map(|port| address(port).into()).collect()
    }

    #[test]
    fn a_set_is_what_is_in_it() {
        let sets = Sets::default();
        let id = |ports: &[u16]| sets.of(&upstreams(ports), false).id;
        let one = id(&[1, 2]);
        assert_eq!(id(&[1, 2]), one);
        assert_ne!(id(&[2, 1]), one, "the order decides who is asked first");
        assert_ne!(id(&[1]), one);
        let validated = sets.of(&upstreams(&[1, 2]), true);
        assert!(
            validated.validated && validated.id != one,
            "what was validated is no answer for others, nor theirs for it"
        );
        assert_eq!(sets.of(&upstreams(&[1, 2]), true).id, validated.id);
        for port in 0..=MAX_SETS as u16 {
            id(&[port]);
        }
        assert!(id(&[1, 2]) > one, "a number that was forgotten does not come back");
    }

    #[test]
    fn an_outage_is_more_than_a_failure() {
        let set = Sets::default().of(&upstreams(&[1]), false);
        for failures in [1, OUTAGE - 1] {
            (0..failures).for_each(|_| set.heard(false));
            set.heard(true);
        }
        assert_eq!(set.recoveries(), 0);
        (0..OUTAGE).for_each(|_| set.heard(false));
        assert_eq!(set.recoveries(), 0, "it goes on");
        set.heard(true);
        set.heard(true);
        assert_eq!(set.recoveries(), 1);
    }
}

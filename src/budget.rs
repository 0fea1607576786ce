//! How much memory replies may take that are on their way: from an upstream to whoever asked, and from there to a client
//! that reads slowly.
//!
//! A reply has up to 65,535 octets, and thousands may be on their way. Where they would take more than the budget, the
//! largest goes, and of several the oldest: its room holds the octets, so that they are free at once, and whoever comes
//! for them finds none and says so to the client. Short replies are not counted, as other bounds hold them. Knows neither
//! DNS nor sockets.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Replies of up to so many octets are not counted.
pub const SHORT: usize = 4096;
/// Want of memory is said in the log at most this often.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// See the module. Clones share it; the default has no bound.
#[derive(Clone, Default)]
pub struct Budget(Option<Arc<BudgetLedger>>);

struct BudgetLedger {
    octets: usize,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    used: usize,
    next: u64,
    said: Option<Instant>,
    /// The last is the one to go: the largest, and of those the oldest.
    by_size: BTreeMap<RoomKey, Arc<Room>>,
}

type RoomKey = (usize, Reverse<u64>);

#[derive(Default)]
struct Room {
    octets: Mutex<Option<Vec<u8>>>,
    /// Told when the room is taken away.
    taken: Notify,
}

impl Budget {
    /// Of so many octets.
    pub fn new(octets: usize) -> Self {
        Self(Some(Arc::new(BudgetLedger { octets, rooms: Mutex::default() })))
    }

    /// Keeps a reply until somebody takes it, or others need the room.
    pub fn park(&self, octets: Vec<u8>) -> Parked {
        match &self.0 {
            Some(ledger) if octets.len() > SHORT => {
                let size = octets.capacity();
                Parked(Ok(ledger.enter(size, Some(octets))))
            }
            _ => Parked(Err(octets)),
        }
    }

    /// Counts octets that their owner keeps, and gives up when [told](Hold::taken). `None`: they need not be counted.
    pub fn hold(&self, octets: usize) -> Option<Hold> {
        self.0.as_ref().filter(|_| octets > SHORT).map(|ledger| ledger.enter(octets, None))
    }

    /// Octets that are counted.
    pub fn used(&self) -> usize {
        self.0.as_ref().map_or(0, |ledger| lock(&ledger.rooms).used)
    }
}

impl BudgetLedger {
    fn enter(self: &Arc<Self>, size: usize, octets: Option<Vec<u8>>) -> Hold {
        let room = Arc::new(Room { octets: Mutex::new(octets), taken: Notify::new() });
        let mut rooms = lock(&self.rooms);
        let key = (size, Reverse(rooms.next));
        rooms.next += 1;
        rooms.used += size;
        rooms.by_size.insert(key, Arc::clone(&room));
        while rooms.used > self.octets
            && let Some(((size, _), largest)) = rooms.by_size.pop_last()
        {
            rooms.used -= size;
            drop(lock(&largest.octets).take());
            largest.taken.notify_one();
            if rooms.said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                rooms.said = Some(Instant::now());
                let octets = self.octets;
                tracing::warn!(
                    octets,
                    "replies on their way take more than their share of --memory: the largest are dropped"
                );
            }
        }
        Hold { ledger: Arc::clone(self), key, room }
    }
}

/// Room for something that is on its way, until this is dropped.
pub struct Hold {
    ledger: Arc<BudgetLedger>,
    key: RoomKey,
    room: Arc<Room>,
}

impl Hold {
    /// Ends when others need the room.
    pub async fn taken(&self) {
        self.room.taken.notified().await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut rooms = lock(&self.ledger.rooms);
        if rooms.by_size.remove(&self.key).is_some() {
            rooms.used -= self.key.0;
        }
    }
}

/// A reply that waits to be taken.
pub struct Parked(Result<Hold, Vec<u8>>);

impl Parked {
    /// The reply; `None` if it had to go.
    pub fn take(self) -> Option<Vec<u8>> {
        match self.0 {
            Ok(hold) => lock(&hold.room.octets).take(),
            Err(octets) => Some(octets),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_goes_and_then_the_oldest() {
        let budget = Budget::new(100_000);
        let park = |octets: usize| budget.park(vec![0; octets]);
        let (first, large, second) = (park(30_000), park(35_000), park(30_000));
        assert_eq!(budget.used(), 95_000);
        let third = park(30_000);
        assert_eq!((budget.used(), large.take()), (90_000, None), "the largest went");
        let fourth = park(30_000);
        assert_eq!((budget.used(), first.take()), (90_000, None), "of those of one size the oldest");
        for (parked, left) in [(second, 60_000), (third, 30_000), (fourth, 0)] {
            assert_eq!((parked.take().map(|octets| octets.len()), budget.used()), (Some(30_000), left));
        }
        assert_eq!(park(200_000).take(), None, "what is larger than all there is");
        drop(park(50_000));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn short_replies_and_a_budget_without_a_bound_count_nothing() {
        let budget = Budget::new(SHORT);
        let many: Vec<Parked> = (0..100).map(|_| budget.park(vec![0; SHORT])).collect();
        assert_eq!(budget.used(), 0);
        assert!(many.into_iter().all(|parked| parked.take().is_some()));
        assert!(Budget::default().hold(usize::MAX).is_none());
        assert_eq!(Budget::default().park(vec![0; 65_535]).take().unwrap().len(), 65_535);
    }

    #[tokio::test]
    async fn who_holds_octets_is_told_to_give_them_up() {
        let budget = Budget::new(100_000);
        let (slow, small) = (budget.hold(60_000).unwrap(), budget.hold(30_000).unwrap());
        let _more = budget.hold(50_000).unwrap();
        slow.taken().await;
        assert_eq!(budget.used(), 80_000);
        drop(slow);
        assert_eq!(budget.used(), 80_000, "it is not given back twice");
        drop(small);
        assert_eq!(budget.used(), 50_000);
    }
}

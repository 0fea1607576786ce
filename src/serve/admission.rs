//! How many questions may wait for an upstream, in all and for each client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::address::client_of;

/// Counts what is under way.
pub(super) struct Admission {
    most: usize,
    most_per_client: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    per_client: HashMap<IpAddr, usize, foldhash::fast::RandomState>,
}

impl Admission {
    /// At most `most` at one time, and of one client `most_per_client`.
    pub(super) fn new(most: usize, most_per_client: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_client, counts: Mutex::default() })
    }

    /// Counts one of `peer`'s until the ticket is dropped; `None` when a cap is reached.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Ticket> {
        let client = client_of(peer);
        let mut counts = self.counts();
        let mine = counts.per_client.get(&client).copied().unwrap_or(0);
        if counts.total >= self.most || mine >= self.most_per_client {
            return None;
        }
        counts.total += 1;
        counts.per_client.insert(client, mine + 1);
        Some(Ticket { admission: Arc::clone(self), client })
    }

    /// How many are under way.
    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.counts().total
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one.
pub(super) struct Ticket {
    admission: Arc<Admission>,
    client: IpAddr,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.total = counts.total.saturating_sub(1);
        if let Entry::Occupied(mut entry) = counts.per_client.entry(self.client) {
            match entry.get().checked_sub(1) {
                None | Some(0) => drop(entry.remove()),
                Some(rest) => *entry.get_mut() = rest,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_in_all_and_for_each_client() {
        let admission = Admission::new(3, 2);
        let admit = |ip: &str| admission.admit(ip.parse().unwrap());
        let first = admit("2001:db8::1");
        let second = admit("2001:db8::2");
        assert!(first.is_some() && second.is_some());
        assert!(admit("2001:db8::3").is_none(), "one /64 is one client");
        let third = admit("192.0.2.1");
        assert!(third.is_some());
        assert!(admit("192.0.2.2").is_none(), "the cap over all");
        drop((first, second));
        assert!(admit("192.0.2.1").is_some());
        drop(third);
        let counts = admission.counts();
        assert_eq!((counts.total, counts.per_client.len()), (0, 0), "nothing is kept of those that left");
    }
}

//! Which connections are let in, and which one has to go when there are too many.
//!
//! | rule | |
//! |---|---|
//! | one client (an IPv4 address, an IPv6 /64) | at most `tcp_connections_per_client` |
//! | strangers, where their transport lets them in at all | a twentieth of all, one for each /24 or /56 |
//! | more than half of all are open | who has been idle for longer than a shrinking time goes |
//! | all are open | a new one takes the place of another |
//!
//! The one that goes is one that never asked anything, before those that did; of the client with the most connections;
//! and the longest idle of these. So a client with few connections keeps them, however many others come. Knows no
//! sockets: who holds a [`ConnectionSlot`] closes its connection when the slot is [taken](ConnectionSlot::taken).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::address::{client_of, prefix_of};
use crate::serve::refusals::RefusedBecause;

/// Strangers may have one connection of so many.
const STRANGERS_SHARE: usize = 20;
/// Most connections that are compared to find the one that goes.
const COMPARED: usize = 4096;

/// The connections of one kind that are open: plain ones, or encrypted ones.
pub(crate) struct ConnectionTable {
    most: usize,
    most_per_client: usize,
    idle: Duration,
    started: Instant,
    open: Mutex<OpenConnections>,
}

#[derive(Default)]
struct OpenConnections {
    /// In no order.
    all: Vec<Arc<Activity>>,
    of_client: HashMap<IpAddr, usize, foldhash::fast::RandomState>,
    /// Prefixes of strangers.
    strangers: HashMap<IpAddr, usize, foldhash::fast::RandomState>,
    /// Where the next comparison begins.
    next: usize,
}

/// What is known of one open connection.
struct Activity {
    client: IpAddr,
    stranger: Option<IpAddr>,
    /// Milliseconds from the start to the last question, or to the opening, twice; odd once anything was asked.
    heard: AtomicU64,
    /// Where it is among all that are open.
    at: AtomicUsize,
    taken: Notify,
}

impl Activity {
    fn never_asked(&self) -> bool {
        self.heard.load(Ordering::Relaxed) & 1 == 0
    }

    /// Milliseconds from the start to the last question, or to the opening.
    fn heard_ms(&self) -> u64 {
        self.heard.load(Ordering::Relaxed) >> 1
    }
}

impl ConnectionTable {
    /// At most `most` at one time, and of one client `most_per_client`; `idle` is how long one may ask nothing while
    /// there is room.
    pub(crate) fn new(most: usize, most_per_client: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self { most, most_per_client, idle, started: Instant::now(), open: Mutex::default() })
    }

    /// Lets a connection in until the slot is dropped, perhaps in the place of another; an error says why not.
    pub(crate) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        is_stranger: bool,
    ) -> Result<AdmittedConnection, RefusedBecause> {
        let now_ms = self.now_ms();
        let (client, stranger) = (client_of(peer), is_stranger.then(|| prefix_of(peer)));
        let mut open = self.open();
        if open.of_client.get(&client).is_some_and(|mine| *mine >= self.most_per_client) {
            return Err(RefusedBecause::Client);
        }
        if let Some(prefix) = stranger {
            let most = (self.most / STRANGERS_SHARE).max(1);
            if open.strangers.contains_key(&prefix) || open.strangers.len() >= most {
                return Err(RefusedBecause::Stranger);
            }
        }
        let took_place = match self.longest_idle(&mut open, now_ms) {
            Some(gone) => {
                open.remove(&gone);
                gone.taken.notify_one();
                true
            }
            None if open.all.len() >= self.most => return Err(RefusedBecause::Full),
            None => false,
        };
        let (heard, at) = (AtomicU64::new(now_ms << 1), AtomicUsize::new(open.all.len()));
        let activity = Arc::new(Activity { client, stranger, heard, at, taken: Notify::new() });
        open.add(&activity);
        Ok(AdmittedConnection { slot: ConnectionSlot { connections: Arc::clone(self), activity }, took_place })
    }

    /// The connection that goes to make room for a new one; `None`: none has to, or none can.
    fn longest_idle(&self, open: &mut OpenConnections, now_ms: u64) -> Option<Arc<Activity>> {
        let free = self.most.saturating_sub(open.all.len());
        if free > self.most / 2 {
            return None;
        }
        let count = open.all.len().min(COMPARED);
        let from = open.next.checked_rem(open.all.len()).unwrap_or(0);
        open.next = from.wrapping_add(count);
        let (before, after) = open.all.split_at_checked(from)?;
        let clients = &open.of_client;
        let rank = |activity: &&Arc<Activity>| {
            let connections = clients.get(&activity.client).copied().unwrap_or(0);
            (activity.never_asked(), connections, std::cmp::Reverse(activity.heard_ms()))
        };
        let longest = Arc::clone(after.iter().chain(before).take(count).max_by_key(rank)?);
        // as slots run out, down to nothing: with none left the longest idle one goes, however short that was
        let half = (self.most / 2).max(1) as u128;
        let allowed_ms = self.idle.as_millis().saturating_mul(free as u128) / half;
        (u128::from(now_ms.saturating_sub(longest.heard_ms())) >= allowed_ms).then_some(longest)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    fn add(&mut self, activity: &Arc<Activity>) {
        self.all.push(Arc::clone(activity));
        *self.of_client.entry(activity.client).or_default() += 1;
        if let Some(prefix) = activity.stranger {
            *self.strangers.entry(prefix).or_default() += 1;
        }
    }

    /// Takes a connection out, unless it has been.
    fn remove(&mut self, activity: &Arc<Activity>) {
        let at = activity.at.load(Ordering::Relaxed);
        if !self.all.get(at).is_some_and(|open| Arc::ptr_eq(open, activity)) {
            return;
        }
        self.all.swap_remove(at);
        if let Some(moved) = self.all.get(at) {
            moved.at.store(at, Ordering::Relaxed);
        }
        lower(&mut self.of_client, activity.client);
        if let Some(prefix) = activity.stranger {
            lower(&mut self.strangers, prefix);
        }
    }
}

fn lower(counts: &mut HashMap<IpAddr, usize, foldhash::fast::RandomState>, key: IpAddr) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// A connection that was let in.
pub(crate) struct AdmittedConnection {
    /// Its slot.
    pub(crate) slot: ConnectionSlot,
    /// Whether another connection was closed for it.
    pub(crate) took_place: bool,
}

/// The right to one connection.
pub(crate) struct ConnectionSlot {
    connections: Arc<ConnectionTable>,
    activity: Arc<Activity>,
}

impl ConnectionSlot {
    /// What the connection tells of its questions.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        Heartbeat(Some((Arc::clone(&self.connections), Arc::clone(&self.activity))))
    }

    /// Ends when the connection has to make room for another.
    pub(crate) async fn taken(&self) {
        self.activity.taken.notified().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.open().remove(&self.activity);
    }
}

/// By which a connection says that it was asked something.
#[derive(Clone, Default)]
pub(crate) struct Heartbeat(Option<(Arc<ConnectionTable>, Arc<Activity>)>);

impl Heartbeat {
    /// A whole question has come in, or was answered.
    pub(crate) fn beat(&self) {
        if let Some((connections, activity)) = &self.0 {
            activity.heard.store(connections.now_ms() << 1 | 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Whether the connection has to close, without waiting for it.
    fn is_taken(slot: &ConnectionSlot) -> bool {
        use std::future::Future;
        let mut taken = std::pin::pin!(slot.taken());
        taken.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn one_client_has_its_own_cap() {
        let connections = ConnectionTable::new(8, 2, Duration::from_secs(10));
        let admit = |peer: &str| connections.admit(ip(peer), false).map(|admitted| admitted.slot);
        let first = admit("2001:db8::1").ok().unwrap();
        let _second = admit("2001:db8::2").ok().unwrap();
        assert!(matches!(admit("2001:db8::3"), Err(RefusedBecause::Client)), "one /64 is one client");
        drop(first);
        assert!(admit("2001:db8::3").is_ok());
        assert!(!connections.open().of_client.is_empty());
    }

    #[test]
    fn strangers_share_a_twentieth_and_have_one_a_prefix() {
        let connections = ConnectionTable::new(40, 40, Duration::from_secs(10));
        let admit = |peer: &str| connections.admit(ip(peer), true).map(|admitted| admitted.slot);
        let first = admit("198.51.100.1").ok().unwrap();
        assert!(matches!(admit("198.51.100.2"), Err(RefusedBecause::Stranger)), "the same /24");
        let _second = admit("198.51.101.1").ok().unwrap();
        assert!(matches!(admit("198.51.102.1"), Err(RefusedBecause::Stranger)), "two of 40 are a twentieth");
        drop(first);
        let _third = admit("198.51.102.1").ok().unwrap();
        assert!(connections.admit(ip("10.0.0.5"), false).is_ok(), "clients have all the rest");
    }

    #[test]
    fn a_client_with_few_connections_keeps_them() {
        let connections = ConnectionTable::new(10, 10, Duration::ZERO);
        let honest = connections.admit(ip("10.0.0.5"), false).ok().unwrap().slot;
        honest.heartbeat().beat();
        let mut hostile = Vec::new();
        for round in 0..50 {
            for client in 1..=3 {
                let peer = ip(&format!("10.0.1.{client}"));
                hostile.push(connections.admit(peer, false).ok().unwrap().slot);
                hostile.last().unwrap().heartbeat().beat();
                assert!(!is_taken(&honest), "round {round}");
                assert!(connections.open().all.len() <= 10);
            }
        }
        let newcomer = connections.admit(ip("10.0.0.6"), false).ok().unwrap();
        assert!(newcomer.took_place && !is_taken(&honest));
        drop((honest, newcomer, hostile));
        let open = connections.open();
        assert_eq!((open.all.len(), open.of_client.len()), (0, 0), "nothing is kept of those that left");
    }

    #[test]
    fn who_never_asked_goes_first_and_the_longest_idle_of_these() {
        let connections = ConnectionTable::new(4, 4, Duration::ZERO);
        let slots: Vec<ConnectionSlot> = (1..=4)
            .map(|client| connections.admit(ip(&format!("10.0.0.{client}")), false).ok().unwrap().slot)
            .collect();
        let survivors = || slots.iter().map(is_taken).collect::<Vec<_>>();
        // with an idle time of zero, half of the slots are kept free
        assert_eq!(survivors().iter().filter(|taken| **taken).count(), 2);
        let connections = ConnectionTable::new(4, 4, Duration::from_secs(3600));
        let slots: Vec<ConnectionSlot> = (1..=4)
            .map(|client| connections.admit(ip(&format!("10.0.0.{client}")), false).ok().unwrap().slot)
            .collect();
        for asked in [0, 1, 3] {
            slots[asked].heartbeat().beat();
        }
        assert!(connections.admit(ip("10.0.0.9"), false).ok().unwrap().took_place);
        assert_eq!(slots.iter().map(is_taken).collect::<Vec<_>>(), [false, false, true, false]);
    }
}

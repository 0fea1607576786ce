//! Zones for other DNS servers: a primary of which Knot, NSD and BIND are secondaries.
//!
//! ```text
//! keys       TransferKeys: who may take zones over, and whose zones these are
//! tsig       signatures of messages (RFC 8945)
//! serials    serial numbers that never fall, on disk (RFC 1982)
//! rounds     a thread that finds what a snapshot changed: new serials, made durable, then published
//! record     records as octets
//! request    a packet -> one message, or a zone that is to be sent (RFC 5936, RFC 1995)
//! outgoing   a zone -> messages, one after the other, out of one snapshot
//! notify     secondaries are told of changes until they answer (RFC 1996)
//! listener   sockets: UDP and TCP, with connections of their own
//! ```
//!
//! Has an address of its own: however many transfers there are and however slow they are read, those who ask elsewhere do not
//! notice. What a zone holds is `export`'s. Nothing here changes a snapshot.

// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod keys;
mod listener;
mod notify;
mod outgoing;
mod record;
mod request;
mod rounds;
mod serials;
mod tsig;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use crate::config::{Limits, TransferKey};
use crate::descriptors::{Descriptors, SocketOffer};
use crate::observe::Counters;
use crate::problem::{Place, Problem};
use crate::serve::bind;
use crate::served::ServedSnapshot;
use keys::TransferKeys;
use rounds::{ZoneRounds, ZonesInUse};

/// What the settings say about zones for other servers.
pub struct ZonesOutSettings {
    /// Where they are taken over.
    pub addresses: Vec<SocketAddr>,
    /// By whom.
    pub keys: Vec<TransferKey>,
    /// The file of serials.
    pub serials: PathBuf,
    /// Connections, zones and times.
    pub limits: Limits,
}

/// What all of this room shares.
struct TransferContext {
    keys: TransferKeys,
    zones: ZonesInUse,
    limits: Limits,
    counters: Arc<Counters>,
}

/// Zones are given out as long as this lives.
pub struct ZonesOut {
    addresses: Vec<SocketAddr>,
    /// Listeners and lanes; they end with this.
    _tasks: JoinSet<()>,
    _offers: Vec<SocketOffer>,
    stopping: Arc<AtomicBool>,
    rounds: Option<JoinHandle<()>>,
}

impl ZonesOut {
    /// Opens the addresses, and answers there from the first round on. To be called in a runtime.
    pub fn start(
        settings: ZonesOutSettings,
        snapshots: ServedSnapshot,
        counters: &Arc<Counters>,
        descriptors: &Descriptors,
    ) -> Result<Self, Vec<Problem>> {
        let ZonesOutSettings { addresses, keys, serials, limits } = settings;
        let keys = TransferKeys::new(&keys);
        let context =
            Arc::new(TransferContext { keys, zones: ZonesInUse::default(), limits, counters: Arc::clone(counters) });
        let (mut tasks, mut offers, mut actual) = (JoinSet::new(), Vec::new(), Vec::new());
        for address in addresses {
            let opened = listener::start(address, &context, descriptors, &mut tasks)
                .map_err(|error| vec![bind::problem(Place::whole("--transfer"), "--transfer", address, &error)])?;
            actual.push(opened.actual);
            offers.extend(opened.offers);
        }
        let lanes = notify::start(&context, &actual, &mut tasks);
        let stopping = Arc::<AtomicBool>::default();
        let rounds = ZoneRounds { context, snapshots, serials, lanes, stopping: Arc::clone(&stopping) };
        let rounds = rounds.start().map_err(|error| {
            let hint = "allow more threads (ulimit -u, TasksMax of systemd, pids.max of the container)";
            vec![Problem::error(Place::whole("--transfer"), format!("cannot start a thread: {error}"), hint)]
        })?;
        Ok(Self { addresses: actual, _tasks: tasks, _offers: offers, stopping, rounds: Some(rounds) })
    }

    /// Where zones are taken over, with the ports that were found.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for ZonesOut {
    /// The file of serials is free when this returns, for whoever comes next.
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(rounds) = self.rounds.take() {
            let _ = rounds.join();
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

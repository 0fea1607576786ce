//! A state that several servers share: objects and client tokens in etcd, a last good state on disk.
//!
//! ```text
//! layout   keys, and what is under them
//! transaction  changes as one transaction of etcd
//! compact  values: JSON, of endpoints in few octets
//! load     the whole at one revision, and whether its history is the one that was served
//! follow   loads, watches, and looks whether the watch tells all
//! inbox    what was told and is not served yet
//! outbox   notifications that are still to be sent
//! health   whether what is served is what the store has
//! admin    what people do to it: look, take out, put in, accept
//! route    which store, and the way to it
//! ```
//!
//! A group of calls is one transaction. It compares the revision of the head, so that it is made durable on top of the
//! state that it was worked out from, or not at all. That is one order for all servers: two that write at one time have one of
//! them work its calls out anew.

pub mod admin;
mod compact;
mod follow;
mod health;
mod inbox;
mod layout;
mod load;
mod outbox;
mod route;
mod transaction;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as RuntimeHandle;
use tokio::sync::{Notify, watch as flag};

pub use health::StoreHealth;
use inbox::{Inbox, Waited};
use layout::{KeyLayout, StoreHead};
pub(crate) use layout::{new_set, next_set};
use load::{FollowError, goes_on, head_now, load};
use outbox::{SharedOutbox, told};
pub use route::StoreRoute;
use transaction::{MOST_CHANGES, TxnOutcome, changes, outcome, request};

use super::codec::{StoreError, encode_text};
use super::engine::Engine;
use super::notices::ToldDelta;
use super::state::{ApiState, Delta};
use super::state_store::{CommitError, CommitLimits, OthersChange, StateStore};
use super::store::Store;
use super::store_mark::StoreMark;
use crate::etcd::{EtcdClient, EtcdError};
use crate::problem::{Place, Problem};

/// How much of what is over goes with one call.
const MOST_LEFTOVERS: usize = 10;
/// How long a call waits for the store.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long a start waits for it.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// See the module.
pub struct SharedStore {
    runtime: RuntimeHandle,
    route: StoreRoute,
    layout: KeyLayout,
    /// For calls of this server.
    client: EtcdClient,
    /// For what others do: a connection of its own, which calls do not hold up.
    watcher: EtcdClient,
    inbox: Inbox,
    health: StoreHealth,
    last_good: Store,
    /// What is served and not kept yet, with its revision.
    unkept: Mutex<Option<(Vec<Delta>, StoreMark)>>,
    /// There is something that is not kept.
    kept_later: Notify,
}

impl SharedStore {
    /// Opens the last good state in `dir`, and reads the whole store where there is none. A store that cannot be reached is a
    /// problem then only. To be called where a thread may wait.
    pub fn open(route: &StoreRoute, dir: &Path, runtime: RuntimeHandle) -> Result<(Self, ApiState), Problem> {
        let address = &route.address;
        let (last_good, mut state, mut mark) = Store::open_last_good(dir)?;
        let first = rand::random_range(0..address.members.len().max(1));
        let (client, watcher, layout) = (route.client(first), route.client(first), KeyLayout::new(&address.prefix));
        let mut unkept = None;
        let end = Instant::now() + START_PATIENCE;
        while mark.is_none() {
            let now = runtime.block_on(async {
                let now = head_now(&client, &layout, None).await?;
                let loaded = load(&client, &layout, &now).await?;
                Ok::<_, FollowError>((now, loaded))
            });
            match now {
                Ok((now, loaded)) => {
                    unkept = Some((vec![Delta::between(&state, &loaded)], now.mark.clone()));
                    (state, mark) = (loaded, Some(now.mark));
                }
                Err(FollowError::Etcd(error)) if !error.is_final() && Instant::now() < end => std::thread::sleep(PAUSE),
                Err(error) => {
                    let hint = "there is no last good state here to start from: see --store";
                    return Err(Problem::error(Place::whole(address.to_string()), error.to_string(), hint));
                }
            }
        }
        let (inbox, health) = (Inbox::new(mark), StoreHealth::default());
        let (unkept, kept_later) = (Mutex::new(unkept), Notify::new());
        let route = route.clone();
        let store = Self { runtime, route, layout, client, watcher, inbox, health, last_good, unkept, kept_later };
        store.kept_later.notify_one();
        store.look();
        Ok((store, state))
    }

    /// Whether what is served goes on at a start; until it does, it counts as old.
    fn look(&self) {
        let looked = self.runtime.block_on(async {
            let Some(served) = self.inbox.served() else { return Ok(false) };
            let now = head_now(&self.client, &self.layout, Some(&served)).await?;
            Ok::<_, FollowError>(goes_on(&self.client, &self.layout, &served, &now).await? && now.mark == served)
        });
        match looked {
            Ok(true) => self.health.is_good(),
            Ok(false) => self.health.is_bad("the last good state is behind the store"),
            Err(error) => self.health.is_bad(&error.to_string()),
        }
    }

    /// What is still to be told of what its servers changed.
    pub fn outbox(&self) -> SharedOutbox {
        SharedOutbox::new(self.runtime.clone(), self.route.client(0), self.layout.clone())
    }

    /// How the way to the store is.
    pub fn health(&self) -> &StoreHealth {
        &self.health
    }

    /// Follows the store until `stopped`, and has `engine` serve what others change.
    pub async fn follow(self: Arc<Self>, engine: Arc<Engine>, stopped: flag::Receiver<bool>) {
        follow::follow(self, engine, stopped).await;
    }

    /// The store was asked: what is here is what it has, once that is served.
    fn contact(&self) {
        if self.inbox.is_empty() {
            self.health.is_good();
        }
    }

    fn keep_later(&self, deltas: impl Iterator<Item = Delta>, mark: StoreMark) {
        let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, last) = unkept.get_or_insert_with(|| (Vec::new(), mark.clone()));
        all.extend(deltas);
        *last = mark;
        self.kept_later.notify_one();
    }

    /// Keeps what is served as the last good state.
    fn keep_now(&self) {
        let unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((deltas, mark)) = unkept else { return };
        if let Err(error) = self.last_good.keep(&deltas, &mark) {
            tracing::error!("the last good state is not kept: {error}");
            let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
            let (later, last) = unkept.take().unwrap_or_else(|| (Vec::new(), mark));
            *unkept = Some((deltas.into_iter().chain(later).collect(), last));
            self.kept_later.notify_one();
        }
    }

    /// Others came first, by the head at `revision`: whether one of theirs was ours after all.
    fn conflict(&self, revision: i64, txn: &str, was_sent: bool, end: Instant) -> CommitError {
        match self.inbox.wait(revision, txn, end) {
            Some(Waited::Found) => CommitError::Landed,
            Some(Waited::Untold) if was_sent => CommitError::Unknown("the store was read anew".to_owned()),
            Some(_) => CommitError::Conflict,
            None => failed(was_sent, "the store is not followed".to_owned()),
        }
    }
}

impl StateStore for SharedStore {
    fn limits(&self) -> CommitLimits {
        CommitLimits { changes: MOST_CHANGES, leftovers: MOST_LEFTOVERS }
    }

    fn commit(&self, group: &[ToldDelta], after: &ApiState) -> Result<(), CommitError> {
        let end = Instant::now() + PATIENCE;
        let Some(served) = self.inbox.served() else {
            return Err(CommitError::Unavailable("the store has not been read".to_owned()));
        };
        if self.inbox.reached().is_none_or(|reached| reached.is_doubted) {
            // it is being read anew: what calls are worked out from may not be what it has
            return Err(self.conflict(served.revision, "", false, end));
        }
        let head = StoreHead::new(served.set.clone(), served.revision, after.count());
        let (set, txn) = (head.set.clone(), head.txn.clone());
        let mut values = changes(&self.layout, group.iter().map(|told| &told.delta))?;
        values.extend(told(&self.layout, group, &txn)?);
        let request = request(&self.layout, values, &head, Some(served.head.as_str()).filter(|head| !head.is_empty()))?;
        let head = encode_text(&head)?;
        // whether a transaction is on its way of which nothing is known
        let mut was_sent = false;
        loop {
            match self.runtime.block_on(self.client.txn(&request)) {
                Ok(answer) => {
                    let revision = match outcome(answer, &txn)? {
                        TxnOutcome::Landed(revision) => revision,
                        TxnOutcome::Behind(revision) if revision <= served.revision => {
                            return Err(failed(was_sent, "the store went back".to_owned()));
                        }
                        TxnOutcome::Behind(revision) => return Err(self.conflict(revision, &txn, was_sent, end)),
                        TxnOutcome::Emptied => return Err(failed(was_sent, "the store has been emptied".to_owned())),
                    };
                    let mark = StoreMark { cluster: served.cluster, set, revision, txn, head };
                    self.inbox.own(mark.clone());
                    self.keep_later(group.iter().map(|told| told.delta.clone()), mark);
                    return Ok(());
                }
                Err(error) if error.is_denied() => return Err(failed(was_sent, error.to_string())),
                Err(error) if error.is_final() && !was_sent => return Err(StoreError::new(error).into()),
                Err(error) if error.is_final() => return Err(failed(was_sent, error.to_string())),
                Err(error) => {
                    was_sent |= !matches!(error, EtcdError::Unreachable(_));
                    if Instant::now() >= end {
                        return Err(failed(was_sent, error.to_string()));
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn incoming(&self) -> Option<OthersChange> {
        self.inbox.first().map(|first| first.what)
    }

    fn taken(&self, delta: &Delta, state: &ApiState) {
        let Some(taken) = self.inbox.pop() else { return };
        self.keep_later(std::iter::once(delta.clone()), taken.mark);
        if state.count() != taken.objects {
            tracing::warn!("{} objects are served, where the store has {}", state.count(), taken.objects);
            self.inbox.doubt();
        }
    }

    fn refused(&self, why: &str) {
        self.health.is_bad(&format!("what others changed cannot be served here: {why}"));
    }
}

/// Why there is no answer to a call whose transaction may be on its way, or is not.
fn failed(was_sent: bool, why: String) -> CommitError {
    if was_sent { CommitError::Unknown(why) } else { CommitError::Unavailable(why) }
}

//! A state that several servers share: objects and client tokens in etcd, a last good state on disk.
//!
//! ```text
//! layout   keys, and what is under them
//! load     the whole at one revision, and whether its history is the one that was served
//! follow   loads, watches, and looks whether the watch tells all
//! inbox    what was told and is not served yet
//! health   whether what is served is what the store has
//! ```
//!
//! A group of calls is one transaction. It compares the revision of the head, so that it is made durable on top of the
//! state that it was worked out from, or not at all. That is one order for all servers: two that write at one time have one of
//! them work its calls out anew.

mod follow;
mod health;
mod inbox;
mod layout;
mod load;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as RuntimeHandle;
use tokio::sync::watch as flag;

pub use health::StoreHealth;
use inbox::{Inbox, Waited};
use layout::{KeyLayout, StoreHead};
use load::{FollowError, goes_on, head_now, load, new_name};

use super::codec::{StoreError, encode};
use super::engine::Engine;
use super::notices::ToldDelta;
use super::state::{ApiState, Delta};
use super::state_store::{CommitError, CommitLimits, OthersChange, StateStore};
use super::store::Store;
use super::store_mark::StoreMark;
use crate::config::StoreAddress;
use crate::etcd::{
    Compare, DeleteRangeRequest, EtcdClient, EtcdError, Op, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use crate::problem::{Place, Problem};

/// Operations of a transaction, the head's aside (`--max-txn-ops` of etcd is 128).
const MOST_CHANGES: usize = 120;
/// Octets of a transaction (`--max-request-bytes` of etcd is 1.5 MiB).
const MOST_OCTETS: usize = 1_400_000;
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
}

impl SharedStore {
    /// Opens the last good state in `dir`, and reads the whole store where there is none. A store that cannot be reached is a
    /// problem then only. To be called where a thread may wait.
    pub fn open(address: &StoreAddress, dir: &Path, runtime: RuntimeHandle) -> Result<(Self, ApiState), Problem> {
        let (last_good, mut state, mut mark) = Store::open_last_good(dir)?;
        let client = |first| EtcdClient::new(address.members.clone(), first);
        let first = rand::random_range(0..address.members.len().max(1));
        let (client, watcher, layout) = (client(first), client(first), KeyLayout::new(&address.prefix));
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
                Err(FollowError::Etcd(_)) if Instant::now() < end => std::thread::sleep(PAUSE),
                Err(error) => {
                    let hint = "there is no last good state here to start from: see --store";
                    return Err(Problem::error(Place::whole(address.to_string()), error.to_string(), hint));
                }
            }
        }
        let (inbox, health) = (Inbox::new(mark), StoreHealth::default());
        let store = Self { runtime, layout, client, watcher, inbox, health, last_good, unkept: Mutex::new(unkept) };
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
        }
    }

    /// The transaction that makes `group` durable on top of `served`.
    fn transaction(&self, group: &[ToldDelta], served: &StoreMark, head: &StoreHead) -> Result<TxnRequest, StoreError> {
        // a transaction may have a key once
        let mut values: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for ToldDelta { delta, .. } in group {
            let Delta { put, remove, tokens, forget } = delta;
            values.extend(remove.iter().map(|id| (self.layout.object(id), None)));
            for record in put {
                values.insert(self.layout.object(&record.id()), Some(encode(&**record)?));
            }
            values.extend(forget.iter().map(|key| (self.layout.token(key), None)));
            for (key, token) in tokens {
                values.insert(self.layout.token(key), Some(encode(&**token)?));
            }
        }
        let octets: usize = values.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        if values.len() > MOST_CHANGES || octets > MOST_OCTETS {
            let what = format!("one call changes {} objects of {octets} octets", values.len());
            return Err(StoreError::new(format!("{what}; the store takes {MOST_CHANGES} of {MOST_OCTETS}")));
        }
        values.insert(self.layout.head(), Some(encode(head)?));
        let op = |(key, value)| match value {
            Some(value) => Op::Put(PutRequest { key, value, lease: 0 }),
            None => Op::Delete(DeleteRangeRequest { key, range_end: Vec::new() }),
        };
        let read = Op::Range(RangeRequest { key: self.layout.head(), ..RangeRequest::default() });
        Ok(TxnRequest {
            compare: vec![Compare::unchanged(self.layout.head(), served.revision)],
            success: values.into_iter().map(|change| RequestOp { request: Some(op(change)) }).collect(),
            failure: vec![RequestOp { request: Some(read) }],
        })
    }

    /// Others came first, by the head at `revision`: whether one of theirs was ours after all.
    fn conflict(&self, revision: i64, txn: &str, was_sent: bool, end: Instant) -> CommitError {
        match self.inbox.wait(revision, txn, end) {
            Some(Waited::Found) => CommitError::Landed,
            Some(Waited::Untold) if was_sent => CommitError::Unknown("the store was read anew".to_owned()),
            Some(_) => CommitError::Conflict,
            None if was_sent => CommitError::Unknown("the store is not followed".to_owned()),
            None => CommitError::Unavailable("the store is not followed".to_owned()),
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
        let (set, txn) = (served.set.clone(), new_name());
        let head = StoreHead { set: set.clone(), txn: txn.clone(), after: served.revision, objects: after.count() };
        let request = self.transaction(group, &served, &head)?;
        // whether a transaction is on its way of which nothing is known
        let mut was_sent = false;
        loop {
            match self.runtime.block_on(self.client.txn(&request)) {
                Ok(answer) => {
                    let header = answer.header.unwrap_or_default();
                    let now =
                        answer.responses.into_iter().find_map(|op| op.range).and_then(|mut range| range.kvs.pop());
                    let revision = match now {
                        _ if answer.succeeded => header.revision,
                        Some(now) if StoreHead::read(&now.value)?.txn == txn => now.mod_revision,
                        Some(now) => return Err(self.conflict(now.mod_revision, &txn, was_sent, end)),
                        None => return Err(CommitError::Unavailable("the store has been emptied".to_owned())),
                    };
                    let mark = StoreMark { cluster: served.cluster, set, revision, txn };
                    self.inbox.own(mark.clone());
                    self.keep_later(group.iter().map(|told| told.delta.clone()), mark);
                    return Ok(());
                }
                Err(error) if error.is_final() => return Err(StoreError::new(error).into()),
                Err(error) => {
                    was_sent |= !matches!(error, EtcdError::Unreachable(_));
                    if Instant::now() >= end {
                        let why = error.to_string();
                        return Err(if was_sent { CommitError::Unknown(why) } else { CommitError::Unavailable(why) });
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

//! What is still to be told, in the store: the transaction of a change puts it there, and whichever server is first sends it.
//!
//! A server takes a delivery by making it due later, on top of the revision that it read, so that no other has it meanwhile. One
//! that ends before it has sent it leaves it to be due again: what is told is told once at least, and once unless a server ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle as RuntimeHandle;

use super::layout::KeyLayout;
use super::transaction::KeyChanges;
use crate::ec2::codec::{StoreError, decode, encode};
use crate::ec2::deliveries::{Queued, ms, number};
use crate::ec2::notices::ToldDelta;
use crate::ec2::notify::{Delivery, Outbox, OutboxError, Target};
use crate::etcd::{
    Compare, DeleteRangeRequest, EtcdClient, EtcdError, Op, PutRequest, RangeRequest, RequestOp, TxnRequest, prefix_end,
};

/// How long a server has a delivery to itself: more than the time of a request.
const TAKEN: Duration = Duration::from_secs(20);
/// How many are looked at, the oldest first.
const LOOKED_AT: i64 = 1_000;

/// The queue of a store.
pub struct SharedOutbox {
    runtime: RuntimeHandle,
    client: EtcdClient,
    layout: KeyLayout,
    /// What this server has, by the number under which it was handed out.
    taken: Mutex<HashMap<u64, TakenDelivery>>,
    next: AtomicU64,
    /// How many there are, by the number of the target, as of the last look.
    queued: Mutex<HashMap<u8, u64>>,
}

/// A delivery in the store, as this server left it.
struct TakenDelivery {
    key: Vec<u8>,
    revision: i64,
    delivery: Delivery,
}

/// The keys of what `group` tells, as part of the transaction `txn`.
pub(super) fn told(layout: &KeyLayout, group: &[ToldDelta], txn: &str) -> Result<KeyChanges, StoreError> {
    let mut values = KeyChanges::new();
    for (id, telling) in (0..).zip(group.iter().flat_map(|told| &told.tell)) {
        let delivery = telling.notice.delivery(id, telling.target, telling.topic_arn.clone());
        let at = ms(delivery.created);
        let key = layout.notice(number(telling.target), &format!("{at:013}-{txn}-{id}"));
        values.insert(key, Some(encode(&Queued { due: at, delivery })?));
    }
    Ok(values)
}

impl SharedOutbox {
    pub(super) fn new(runtime: RuntimeHandle, client: EtcdClient, layout: KeyLayout) -> Self {
        Self { runtime, client, layout, taken: Mutex::default(), next: AtomicU64::new(0), queued: Mutex::default() }
    }

    /// Puts `queued` in place of what was read at `revision`, or takes it out. The revision since then; `None`: another server
    /// was first.
    fn put(&self, key: &[u8], revision: i64, queued: Option<&Queued>) -> Result<Option<i64>, OutboxError> {
        let op = match queued {
            Some(queued) => Op::Put(PutRequest { key: key.to_vec(), value: encode(queued)?, lease: 0 }),
            None => Op::Delete(DeleteRangeRequest { key: key.to_vec(), range_end: Vec::new() }),
        };
        let txn = TxnRequest {
            compare: vec![Compare::unchanged(key.to_vec(), revision)],
            success: vec![RequestOp { request: Some(op) }],
            failure: Vec::new(),
        };
        let answer = self.runtime.block_on(self.client.txn(&txn))?;
        Ok(answer.succeeded.then(|| answer.header.unwrap_or_default().revision))
    }

    fn has(&self, target: Target) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.values().filter(|has| has.delivery.target == target).count()
    }

    fn release(&self, id: u64) -> Option<TakenDelivery> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
}

impl Outbox for SharedOutbox {
    fn due(&self, target: Target, now: SystemTime, limit: usize) -> Result<Vec<Delivery>, OutboxError> {
        let key = self.layout.notice(number(target), "");
        let range_end = prefix_end(&key);
        let oldest = RangeRequest { key, range_end, limit: LOOKED_AT, ..RangeRequest::default() };
        let (mut due, until) = (Vec::new(), ms(now + TAKEN));
        // what is under way counts: it was handed out, and is not due meanwhile
        let room = limit.saturating_sub(self.has(target));
        let found = self.runtime.block_on(self.client.range(&oldest))?;
        let count = u64::try_from(found.count).unwrap_or_default();
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).insert(number(target), count);
        for kv in found.kvs {
            if due.len() >= room {
                break;
            }
            let Queued { due: at, delivery } = decode("a delivery", &kv.value)?;
            if at > ms(now) {
                continue;
            }
            let taken = Queued { due: until, delivery };
            let Some(revision) = self.put(&kv.key, kv.mod_revision, Some(&taken))? else { continue };
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let delivery = Delivery { id, ..taken.delivery };
            let has = TakenDelivery { key: kv.key, revision, delivery: delivery.clone() };
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(id, has);
            due.push(delivery);
        }
        Ok(due)
    }

    fn delivered(&self, id: u64) -> Result<(), OutboxError> {
        let Some(has) = self.release(id) else { return Ok(()) };
        // where another server has it by now, that one takes it out
        self.put(&has.key, has.revision, None).map(|_| ())
    }

    fn retry(&self, id: u64, at: SystemTime, attempts: u32, _error: &str) -> Result<(), OutboxError> {
        let Some(has) = self.release(id) else { return Ok(()) };
        let later = Queued { due: ms(at), delivery: Delivery { attempts, ..has.delivery } };
        self.put(&has.key, has.revision, Some(&later)).map(|_| ())
    }

    fn give_up(&self, id: u64, _error: &str) -> Result<(), OutboxError> {
        self.delivered(id)
    }

    fn queued(&self) -> Result<u64, OutboxError> {
        // metrics ask, which cannot wait for a network
        Ok(self.queued.lock().unwrap_or_else(PoisonError::into_inner).values().sum())
    }
}

impl From<EtcdError> for OutboxError {
    fn from(error: EtcdError) -> Self {
        Self(error.to_string())
    }
}

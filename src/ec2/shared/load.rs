//! The whole state at one revision, and whether it is the one that was served here before.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::layout::{KeyLayout, NamedKey, StoreHead};
use crate::ec2::codec::{StoreError, decode};
use crate::ec2::record::StoredObject;
use crate::ec2::state::{ApiState, Delta, Token};
use crate::ec2::store_mark::StoreMark;
use crate::etcd::{Compare, EtcdClient, EtcdError, KeyValue, Op, PutRequest, RangeRequest, RequestOp, TxnRequest};

/// A state with more keys is read in parts.
const SPLIT: i64 = 5_000;
/// Parts that are read at one time.
const AT_ONCE: usize = 4;

/// Why the store is not what is served.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// It will go on by itself.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// Somebody has to look.
    #[error("{0}")]
    Refused(String),
    /// What is served has to be read anew.
    #[error("{0}")]
    Lost(String),
}

impl From<StoreError> for FollowError {
    fn from(error: StoreError) -> Self {
        Self::Refused(format!("what is in the store cannot be read: {}", error.in_words()))
    }
}

/// The head, as it is now.
pub(super) struct HeadNow {
    pub(super) head: StoreHead,
    pub(super) mark: StoreMark,
    /// The revision of the store, which may be that of a later change of something else.
    pub(super) revision: i64,
}

/// Reads the head from a member that has its cluster. A store that is empty is begun, where nothing was served before.
pub(super) async fn head_now(
    client: &EtcdClient,
    layout: &KeyLayout,
    served: Option<&StoreMark>,
) -> Result<HeadNow, FollowError> {
    loop {
        let answer = client.range(&RangeRequest { key: layout.head(), ..RangeRequest::default() }).await?;
        let header = answer.header.unwrap_or_default();
        if let Some(kv) = answer.kvs.first() {
            let head = StoreHead::read(&kv.value)?;
            let mark = StoreMark {
                cluster: header.cluster_id,
                set: head.set.clone(),
                revision: kv.mod_revision,
                txn: head.txn.clone(),
            };
            return Ok(HeadNow { head, mark, revision: header.revision });
        }
        if served.is_some() {
            return Err(FollowError::Refused("the store has been emptied".to_owned()));
        }
        begin(client, layout).await?;
    }
}

/// Makes a store of an empty prefix; another server may be first.
async fn begin(client: &EtcdClient, layout: &KeyLayout) -> Result<(), FollowError> {
    let (key, range_end) = layout.all();
    let some = client.range(&RangeRequest { key, range_end, count_only: true, ..RangeRequest::default() }).await?;
    if some.count > 0 {
        let what = format!("the store has no head, but {} other keys: it is half emptied", some.count);
        return Err(FollowError::Refused(what));
    }
    let head = StoreHead { set: new_name(), txn: new_name(), after: 0, objects: 0 };
    let put = PutRequest { key: layout.head(), value: crate::ec2::codec::encode(&head)?, lease: 0 };
    let txn = TxnRequest {
        compare: vec![Compare::unchanged(layout.head(), 0)],
        success: vec![RequestOp { request: Some(Op::Put(put)) }],
        failure: Vec::new(),
    };
    client.txn(&txn).await?;
    Ok(())
}

/// Whether what was served as `served` can go on with the transactions behind it: `Ok(false)`: by a load only.
pub(super) async fn goes_on(
    client: &EtcdClient,
    layout: &KeyLayout,
    served: &StoreMark,
    now: &HeadNow,
) -> Result<bool, FollowError> {
    if now.mark.set != served.set {
        return Err(FollowError::Refused("the store has another set of objects than what is served".to_owned()));
    }
    if now.mark.cluster != served.cluster || now.mark.revision < served.revision {
        let what = format!("the store went back: to revision {}, of {} served", now.mark.revision, served.revision);
        return Err(FollowError::Refused(what));
    }
    let then = RangeRequest { key: layout.head(), revision: served.revision, ..RangeRequest::default() };
    match client.range(&then).await {
        Ok(then) => {
            let head = then.kvs.first().map(|kv| StoreHead::read(&kv.value)).transpose()?;
            if head.is_none_or(|head| head.txn != served.txn) {
                let what = format!("the store has another history: of its revision {}", served.revision);
                return Err(FollowError::Refused(what));
            }
            Ok(true)
        }
        // what is compacted cannot be compared, and not be followed either
        Err(error) if error.is_out_of_range() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// All of it, as it is at the revision of `now`.
pub(super) async fn load(client: &EtcdClient, layout: &KeyLayout, now: &HeadNow) -> Result<ApiState, FollowError> {
    let (key, range_end) = layout.all();
    let count = RangeRequest { key, range_end, revision: now.revision, count_only: true, ..RangeRequest::default() };
    let split = client.range(&count).await?.count > SPLIT;
    let mut parts = stream::iter(layout.parts(split))
        .map(|(key, range_end)| async move {
            let part = RangeRequest { key, range_end, revision: now.revision, serializable: true, count_only: false };
            client.range(&part).await
        })
        .buffer_unordered(AT_ONCE);
    let mut delta = Delta::default();
    while let Some(part) = parts.next().await {
        for kv in &part?.kvs {
            take(layout, kv, false, &mut delta)?;
        }
    }
    let mut state = ApiState::default();
    state.apply(&delta);
    if state.count() != now.head.objects {
        let what = format!("the store has {} objects, where its head says {}", state.count(), now.head.objects);
        return Err(FollowError::Refused(what));
    }
    Ok(state)
}

/// Adds what a key's change means; whether it is the head's.
pub(super) fn take(layout: &KeyLayout, kv: &KeyValue, is_gone: bool, delta: &mut Delta) -> Result<bool, StoreError> {
    match (layout.read(kv), is_gone) {
        (Some(NamedKey::Head), _) => return Ok(true),
        (Some(NamedKey::Object(id)), true) => delta.remove.push(id),
        (Some(NamedKey::Token(key)), true) => delta.forget.push(key),
        (Some(NamedKey::Object(id)), false) => {
            let record = decode::<StoredObject>(&id, &kv.value)?;
            if record.id() != id {
                return Err(StoreError::new(format!("{} is kept as {id}", record.id())));
            }
            delta.put.push(Arc::new(record));
        }
        (Some(NamedKey::Token(key)), false) => {
            let token = decode::<Token>(&key, &kv.value)?;
            delta.tokens.push((key, Arc::new(token)));
        }
        (None, _) => {}
    }
    Ok(false)
}

/// A name that nothing else has.
pub(super) fn new_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

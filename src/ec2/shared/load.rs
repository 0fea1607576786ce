//! The whole state at one revision, and whether it is the one that was served here before.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::compact::decode_object;
use super::layout::{AcceptedSet, KeyLayout, NamedKey, StoreHead, new_set};
use crate::ec2::codec::{StoreError, decode};
use crate::ec2::state::{ApiState, Delta, Token};
use crate::ec2::store_mark::StoreMark;
use crate::etcd::{
    Compare, EtcdClient, EtcdError, KeyValue, Op, PutRequest, RangeRequest, RequestOp, ResponseHeader, TxnRequest,
    WatchResponse,
};

/// A state with more keys is read in parts.
const SPLIT: i64 = 5_000;
/// Parts that are read at one time.
const AT_ONCE: usize = 4;

/// Why the store is not what is served.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
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

/// What a watch tells; an error where it tells no more.
pub(crate) fn still_told(told: Option<WatchResponse>) -> Result<WatchResponse, FollowError> {
    let told = told.ok_or_else(|| FollowError::Lost("the watch ended".to_owned()))?;
    if told.compact_revision != 0 {
        return Err(FollowError::Lost("the history is compacted".to_owned()));
    }
    if told.canceled {
        return Err(EtcdError::Unanswered(format!("the watch ended: {}", told.cancel_reason)).into());
    }
    Ok(told)
}

/// The head, as it is now.
pub(super) struct HeadNow {
    pub(super) head: StoreHead,
    pub(super) mark: StoreMark,
    /// The revision of the store, which may be that of a later change of something else.
    pub(super) revision: i64,
}

impl HeadNow {
    /// By an answer and its header.
    pub(super) fn of(kv: &KeyValue, header: Option<&ResponseHeader>) -> Result<Self, StoreError> {
        let (head, header) = (StoreHead::read(&kv.value)?, header.cloned().unwrap_or_default());
        let (set, txn) = (head.set.clone(), head.txn.clone());
        let text = String::from_utf8_lossy(&kv.value).into_owned();
        let mark = StoreMark { cluster: header.cluster_id, set, revision: kv.mod_revision, txn, head: text };
        Ok(Self { head, mark, revision: header.revision })
    }
}

/// Reads the head from a member that has its cluster. A store that is empty is begun, where nothing was served before.
pub(super) async fn head_now(
    client: &EtcdClient,
    layout: &KeyLayout,
    served: Option<&StoreMark>,
) -> Result<HeadNow, FollowError> {
    loop {
        let answer = client.range(&RangeRequest { key: layout.head(), ..RangeRequest::default() }).await?;
        if let Some(kv) = answer.kvs.first() {
            return Ok(HeadNow::of(kv, answer.header.as_ref())?);
        }
        if served.is_some() {
            return Err(FollowError::Refused("the store has been emptied".to_owned()));
        }
        begin(client, layout).await?;
    }
}

/// Makes a store of an empty prefix, if no other server is first. The set, and the revision of the head.
pub(super) async fn begin(client: &EtcdClient, layout: &KeyLayout) -> Result<(String, i64), FollowError> {
    let (key, range_end) = layout.all();
    let some = client.range(&RangeRequest { key, range_end, count_only: true, ..RangeRequest::default() }).await?;
    if some.count > 0 {
        let what = format!("the store has no head, but {} other keys: it is half emptied", some.count);
        return Err(FollowError::Refused(what));
    }
    let head = StoreHead::new(new_set(), 0, 0);
    let put = PutRequest { key: layout.head(), value: crate::ec2::codec::encode(&head)?, lease: 0 };
    let txn = TxnRequest {
        compare: vec![Compare::unchanged(layout.head(), 0)],
        success: vec![RequestOp { request: Some(Op::Put(put)) }],
        failure: Vec::new(),
    };
    let answer = client.txn(&txn).await?;
    Ok((head.set, answer.header.unwrap_or_default().revision))
}

/// Whether what was served as `served` can go on with the transactions behind it: `Ok(false)`: by a load only.
pub(super) async fn goes_on(
    client: &EtcdClient,
    layout: &KeyLayout,
    served: &StoreMark,
    now: &HeadNow,
) -> Result<bool, FollowError> {
    if now.mark.set != served.set {
        if is_accepted(client, layout, served, now).await? {
            return Ok(false);
        }
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

/// Whether an operator said that the set which is there is meant, after what was served here was begun.
async fn is_accepted(
    client: &EtcdClient,
    layout: &KeyLayout,
    served: &StoreMark,
    now: &HeadNow,
) -> Result<bool, FollowError> {
    let asked = RangeRequest { key: layout.accepted(), revision: now.revision, ..RangeRequest::default() };
    let answer = client.range(&asked).await?;
    let accepted = answer.kvs.first().map(|kv| decode::<AcceptedSet>("accepted", &kv.value)).transpose()?;
    // an older set than what is served is a backup of before, and what was said of it was said then
    Ok(accepted.is_some_and(|accepted| accepted.set == now.mark.set && accepted.set > served.set))
}

/// All of it, as it is at the revision of `now`, if it is what its head says.
pub(super) async fn load(client: &EtcdClient, layout: &KeyLayout, now: &HeadNow) -> Result<ApiState, FollowError> {
    if now.head.is_partial {
        let by = &now.head.by;
        return Err(FollowError::Refused(format!("the store is being filled by {by}, or was left half filled")));
    }
    let (state, _) = load_any(client, layout, now.revision).await?;
    if state.count() != now.head.objects {
        let what = format!("the store has {} objects, where its head says {}", state.count(), now.head.objects);
        return Err(FollowError::Refused(what));
    }
    Ok(state)
}

/// All of it, as it is at a revision, and how many octets that is in keys and values.
pub(super) async fn load_any(
    client: &EtcdClient,
    layout: &KeyLayout,
    revision: i64,
) -> Result<(ApiState, usize), FollowError> {
    let (key, range_end) = layout.all();
    let count = RangeRequest { key, range_end, revision, count_only: true, ..RangeRequest::default() };
    let split = client.range(&count).await?.count > SPLIT;
    let mut parts = stream::iter(layout.parts(split))
        .map(|(key, range_end)| async move {
            let part = RangeRequest { key, range_end, revision, serializable: true, ..RangeRequest::default() };
            client.range(&part).await
        })
        .buffer_unordered(AT_ONCE);
    let (mut delta, mut octets) = (Delta::default(), 0);
    while let Some(part) = parts.next().await {
        for kv in &part?.kvs {
            take(layout, kv, false, &mut delta)?;
            octets += kv.key.len() + kv.value.len();
        }
    }
    let mut state = ApiState::default();
    state.apply(&delta);
    Ok((state, octets))
}

/// Adds what a key's change means; whether it is the head's.
pub(super) fn take(layout: &KeyLayout, kv: &KeyValue, is_gone: bool, delta: &mut Delta) -> Result<bool, StoreError> {
    match (layout.read(kv), is_gone) {
        (Some(NamedKey::Head), _) => return Ok(true),
        (Some(NamedKey::Object(id)), true) => delta.remove.push(id),
        (Some(NamedKey::Token(key)), true) => delta.forget.push(key),
        (Some(NamedKey::Object(id)), false) => {
            let record = decode_object(&id, &kv.value)?;
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

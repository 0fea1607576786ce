//! Changes as one transaction of etcd, which is carried out on top of one revision of the head or not at all.

use std::collections::BTreeMap;

use super::compact::encode_object;
use super::layout::{KeyLayout, StoreHead};
use crate::ec2::codec::{StoreError, encode};
use crate::ec2::state::Delta;
use crate::etcd::{Compare, DeleteRangeRequest, Op, PutRequest, RangeRequest, RequestOp, TxnRequest, TxnResponse};

/// Operations of a transaction, the head's aside (`--max-txn-ops` of etcd is 128).
pub(super) const MOST_CHANGES: usize = 120;
/// Octets of a transaction (`--max-request-bytes` of etcd is 1.5 MiB).
pub(super) const MOST_OCTETS: usize = 1_400_000;

/// New values of keys; `None`: the key goes. A transaction may have a key once.
pub(super) type KeyChanges = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What changes, one on top of the other, come to.
pub(super) fn changes<'d>(
    layout: &KeyLayout,
    deltas: impl Iterator<Item = &'d Delta>,
) -> Result<KeyChanges, StoreError> {
    let mut values = KeyChanges::new();
    for Delta { put, remove, tokens, forget } in deltas {
        values.extend(remove.iter().map(|id| (layout.object(id), None)));
        for record in put {
            values.insert(layout.object(&record.id()), Some(encode_object(record)?));
        }
        values.extend(forget.iter().map(|key| (layout.token(key), None)));
        for (key, token) in tokens {
            values.insert(layout.token(key), Some(encode(&**token)?));
        }
    }
    Ok(values)
}

/// How many octets a change has.
pub(super) fn octets((key, value): (&Vec<u8>, &Option<Vec<u8>>)) -> usize {
    key.len() + value.as_ref().map_or(0, Vec::len)
}

/// Items in batches of so many, and so many octets, at most; one that is larger has a batch of its own.
pub(crate) fn batches<T, B: Default + Extend<T>>(
    items: impl IntoIterator<Item = T>,
    octets: impl Fn(&T) -> usize,
    (most, most_octets): (usize, usize),
) -> Vec<B> {
    let (mut batches, mut count, mut size) = (Vec::<B>::new(), 0, 0);
    for item in items {
        let more = octets(&item);
        if batches.is_empty() || count >= most || size + more > most_octets {
            batches.push(B::default());
            (count, size) = (0, 0);
        }
        if let Some(last) = batches.last_mut() {
            last.extend([item]);
        }
        (count, size) = (count + 1, size + more);
    }
    batches
}

/// The transaction that makes `values` durable on top of the revision that `head` follows, where the head was `before`; none:
/// there was none.
pub(super) fn request(
    layout: &KeyLayout,
    mut values: KeyChanges,
    head: &StoreHead,
    before: Option<&str>,
) -> Result<TxnRequest, StoreError> {
    let size: usize = values.iter().map(octets).sum();
    if values.len() > MOST_CHANGES || size > MOST_OCTETS {
        let what = format!("one call changes {} objects of {size} octets", values.len());
        return Err(StoreError::new(format!("{what}; the store takes {MOST_CHANGES} of {MOST_OCTETS}")));
    }
    values.insert(layout.head(), Some(encode(head)?));
    let op = |(key, value)| match value {
        Some(value) => Op::Put(PutRequest { key, value, lease: 0 }),
        None => Op::Delete(DeleteRangeRequest { key, range_end: Vec::new() }),
    };
    let read = Op::Range(RangeRequest { key: layout.head(), ..RangeRequest::default() });
    let mut compare = vec![Compare::unchanged(layout.head(), head.after)];
    compare.extend(before.map(|before| Compare::has(layout.head(), before.as_bytes().to_vec())));
    Ok(TxnRequest {
        compare,
        success: values.into_iter().map(|change| RequestOp { request: Some(op(change)) }).collect(),
        failure: vec![RequestOp { request: Some(read) }],
    })
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TxnOutcome {
    /// It is durable, at this revision.
    Landed(i64),
    /// Others came first: the head is of this revision now.
    Behind(i64),
    /// There is no head.
    Emptied,
}

/// The same of the transaction that calls itself `txn`, which may have been sent before.
pub(super) fn outcome(answer: TxnResponse, txn: &str) -> Result<TxnOutcome, StoreError> {
    if answer.succeeded {
        return Ok(TxnOutcome::Landed(answer.header.unwrap_or_default().revision));
    }
    let now = answer.responses.into_iter().find_map(|op| op.range).and_then(|mut range| range.kvs.pop());
    Ok(match now {
        Some(now) if StoreHead::read(&now.value)?.txn == txn => TxnOutcome::Landed(now.mod_revision),
        Some(now) => TxnOutcome::Behind(now.mod_revision),
        None => TxnOutcome::Emptied,
    })
}

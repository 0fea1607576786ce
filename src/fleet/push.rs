//! Puts a set of files into the store, in the place of the one that is there.
//!
//! Parts come first, and the head in one transaction behind them, on top of the head that the plan was made for. A part that
//! this head does not name is written anew, even where it is there: what is left over is taken out by whoever puts the next head
//! there, as it was before that, so that no part goes which a later head has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::remote::{SetKeys, SharedSets};
use super::set::{FileSet, SetHead};
use crate::ec2::admin::{FollowError, batches, patiently, send};
use crate::ec2::next_set;
use crate::ec2::time::UnixMillis;
use crate::etcd::{
    Compare, DeleteRangeRequest, EtcdClient, KeyValue, Op, PutRequest, RangeRequest, RequestOp, TxnRequest, TxnResponse,
};

/// Octets of a transaction, and operations (`--max-request-bytes` and `--max-txn-ops` of etcd are 1.5 MiB and 128).
const MOST_OCTETS: usize = 1_300_000;
const MOST_OPS: usize = 100;

/// What a push would change.
#[derive(Debug, Serialize)]
pub struct PushPlan {
    /// Files that come.
    pub new: Vec<PushedFile>,
    /// Files that are there already, and differ.
    pub changed: Vec<PushedFile>,
    /// Files that go.
    pub gone: Vec<PushedFile>,
    /// How many files stay as they are.
    pub unchanged: usize,
    /// Octets of all files.
    pub octets: u64,
    /// Who put there what is there, and when; none where nothing is.
    pub before: Option<PushedBy>,
    #[serde(skip)]
    set: FileSet,
    #[serde(skip)]
    named: BTreeSet<String>,
    #[serde(skip)]
    at: i64,
}

/// A file that comes, changes or goes.
#[derive(Debug, Serialize)]
pub struct PushedFile {
    /// Below the directory.
    pub path: String,
    /// How long it is, or was.
    pub octets: u64,
}

/// Who put a set there.
#[derive(Debug, Serialize)]
pub struct PushedBy {
    /// User and host.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

impl PushPlan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.before.is_some() && self.new.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }
}

/// What it takes to make `set` the set `name` of the store.
pub async fn plan(sets: &SharedSets, name: &str, mut set: FileSet) -> Result<PushPlan, FollowError> {
    let now = patiently(async || sets.now(name).await).await?;
    // what nobody can read is replaced
    let before = now.head.ok().flatten().unwrap_or_default();
    let listed = |file: &super::set::SetFile| PushedFile { path: file.path.clone(), octets: file.octets() };
    let (mut new, mut changed, mut unchanged) = (Vec::new(), Vec::new(), 0);
    for file in &set.head.files {
        match before.file(&file.path) {
            None => new.push(listed(file)),
            Some(was) if was == file => unchanged += 1,
            Some(_) => changed.push(listed(file)),
        }
    }
    let gone = before.files.iter().filter(|file| set.head.file(&file.path).is_none()).map(listed).collect();
    if !before.id.is_empty() && set.head.id <= before.id {
        // the clock of whoever was there before is ahead
        set.head.id = next_set(&before.id);
    }
    let named = before.parts().into_keys().map(str::to_owned).collect();
    let is_there = now.changed > 0;
    let octets = set.head.octets();
    let before = is_there.then_some(PushedBy { by: before.by, at: before.at });
    Ok(PushPlan { new, changed, gone, unchanged, octets, before, set, named, at: now.changed })
}

/// Carries a plan out; the revision of the head. Where somebody else was first, nothing has changed.
pub async fn push(sets: &SharedSets, name: &str, plan: &PushPlan) -> Result<i64, FollowError> {
    let (keys, client, head) = (sets.keys(name), &sets.client, &plan.set.head);
    let left_over = patiently(async || sets.part_keys(name).await).await?;
    let kept: BTreeSet<Vec<u8>> = head.parts().into_keys().map(|sha256| keys.part(sha256)).collect();
    let left_over: Vec<KeyValue> = left_over.into_iter().filter(|kv| !kept.contains(&kv.key)).collect();
    let new = plan.set.contents().into_iter().filter(|(sha256, _)| !plan.named.contains(*sha256));
    for batch in in_transactions(new.collect()) {
        let puts = batch.into_iter().map(|(sha256, content)| put(keys.part(sha256), content.to_vec()));
        land(client, &on_top(&keys, plan.at, puts.collect()), &keys, head).await?;
    }
    let revision = land(client, &on_top(&keys, plan.at, vec![put(keys.head(), head.encoded())]), &keys, head).await?;
    for batch in left_over.chunks(MOST_OPS) {
        // what is not taken out now is by the next push
        if let Err(error) = client.txn(&take_out(batch)).await {
            tracing::debug!("parts of files that no set has are left in the store: {error}");
        }
    }
    Ok(revision)
}

/// Parts in transactions.
fn in_transactions<'p>(parts: BTreeMap<&'p str, &'p [u8]>) -> Vec<Vec<(&'p str, &'p [u8])>> {
    batches(parts, |(_, content)| content.len(), (MOST_OPS, MOST_OCTETS))
}

fn put(key: Vec<u8>, value: Vec<u8>) -> RequestOp {
    RequestOp { request: Some(Op::Put(PutRequest { key, value, lease: 0 })) }
}

/// A transaction that is carried out where the head is as it was at a revision; else the head is told.
fn on_top(keys: &SetKeys<'_>, at: i64, success: Vec<RequestOp>) -> TxnRequest {
    let look = Op::Range(RangeRequest { key: keys.head(), ..RangeRequest::default() });
    TxnRequest {
        compare: vec![Compare::unchanged(keys.head(), at)],
        success,
        failure: vec![RequestOp { request: Some(look) }],
    }
}

/// Parts go that are as they were when they were listed.
fn take_out(parts: &[KeyValue]) -> TxnRequest {
    let delete = |kv: &KeyValue| Op::Delete(DeleteRangeRequest { key: kv.key.clone(), range_end: Vec::new() });
    TxnRequest {
        compare: parts.iter().map(|kv| Compare::unchanged(kv.key.clone(), kv.mod_revision)).collect(),
        success: parts.iter().map(|kv| RequestOp { request: Some(delete(kv)) }).collect(),
        failure: Vec::new(),
    }
}

/// Has a transaction carried out, and returns its revision. One whose answer was lost may find its own head.
async fn land(
    client: &EtcdClient,
    request: &TxnRequest,
    keys: &SetKeys<'_>,
    own: &SetHead,
) -> Result<i64, FollowError> {
    let (answer, was_sent) = send(client, request).await?;
    if answer.succeeded {
        return Ok(answer.header.map_or(0, |header| header.revision));
    }
    others(answer, keys, own, was_sent)
}

/// The head is another one than it was: the revision of ours, or whose it is.
fn others(answer: TxnResponse, keys: &SetKeys<'_>, own: &SetHead, was_sent: bool) -> Result<i64, FollowError> {
    let now = answer.responses.into_iter().find_map(|op| op.range).and_then(|mut range| range.kvs.pop());
    let now = now.filter(|kv| kv.key == keys.head());
    let head = now.as_ref().and_then(|kv| SetHead::read(&kv.value).ok());
    match (now, head) {
        (Some(now), Some(head)) if head.id == own.id => Ok(now.mod_revision),
        (_, Some(head)) => {
            let left = if was_sent { "what they pushed is there" } else { "nothing was changed" };
            Err(FollowError::Refused(format!("somebody else pushed meanwhile ({}): {left}", head.by)))
        }
        (_, None) => Err(FollowError::Refused("somebody else took the files out of the store meanwhile".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_in_transactions_that_etcd_takes() {
        let names: Vec<String> = (0..250).map(|number| format!("{number:064x}")).collect();
        let sizes = |octets: usize| {
            let content = vec![0; octets];
            let parts = names.iter().map(|name| (name.as_str(), content.as_slice())).collect();
            in_transactions(parts).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(10), [100, 100, 50]);
        assert_eq!(sizes(super::super::set::MOST_PART), [1; 250]);
        assert_eq!(sizes(600_000), [2; 125]);
    }
}

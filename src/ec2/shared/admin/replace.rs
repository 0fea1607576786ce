//! Makes a store hold what a file has, or says that what it holds is meant. Servers serve all of it at once, or nothing of it.

use std::sync::Arc;

use serde::Serialize;

use super::{StateDump, batches, head, open, patiently, send};
use crate::ec2::codec::encode;
use crate::ec2::dns::StateSource;
use crate::ec2::record::{StoredObject, VpcRecord};
use crate::ec2::shared::StoreRoute;
use crate::ec2::shared::layout::{AcceptedSet, StoreHead, new_set, next_set};
use crate::ec2::shared::load::{FollowError, HeadNow, begin, load_any};
use crate::ec2::shared::transaction::{
    KeyChanges, MOST_CHANGES, MOST_OCTETS, TxnOutcome, changes, octets, outcome, request,
};
use crate::ec2::state::{ApiState, Delta};
use crate::etcd::{EtcdClient, TxnRequest};
use crate::problem::Problem;
use crate::source::Sources;

/// What would change.
#[derive(Debug, Serialize)]
pub struct ReplacePlan {
    /// Objects that come.
    pub new: usize,
    /// Objects that are there already, and differ.
    pub changed: usize,
    /// Objects that go.
    pub gone: usize,
    /// Objects that stay as they are.
    pub unchanged: usize,
    /// Client tokens that come, change or go.
    pub tokens: usize,
    /// In how many transactions.
    pub transactions: usize,
    /// Notifications of the file that are not moved.
    pub notifications_left: usize,
    /// Listeners of VPCs, which are one machine's: they are left out.
    pub listeners_left: usize,
    #[serde(skip)]
    head: Option<StoreHead>,
    #[serde(skip)]
    at: i64,
    #[serde(skip)]
    parts: Vec<KeyChanges>,
    #[serde(skip)]
    objects: usize,
}

/// What there is, where it is to be accepted.
#[derive(Debug, Serialize)]
pub struct AcceptPlan {
    /// The set of objects as it is called now; none where the store has been emptied.
    pub set: Option<String>,
    /// How many objects there are.
    pub objects: usize,
    /// How many there should be.
    pub expected: Option<usize>,
    #[serde(skip)]
    at: i64,
}

/// What it takes to make the store hold what `wanted` has. An error where no server could serve that.
pub async fn plan(route: &StoreRoute, mut wanted: StateDump) -> Result<ReplacePlan, FollowError> {
    let listeners_left = leave_listeners(&mut wanted.state);
    serves(&wanted.state)?;
    let (now, before) = patiently(async || look(route).await).await?;
    if now.is_none() && before.count() > 0 {
        let what = "the store has objects, and no head: see `vpcedns store accept`";
        return Err(FollowError::Refused(what.to_owned()));
    }
    let delta = Delta::between(&before, &wanted.state);
    let changed = delta.put.iter().filter(|record| before.get(&record.id()).is_some()).count();
    let (_, layout) = open(route);
    let parts = parts(changes(&layout, std::iter::once(&delta))?);
    Ok(ReplacePlan {
        new: delta.put.len() - changed,
        changed,
        gone: delta.remove.len(),
        unchanged: wanted.state.count() - delta.put.len(),
        tokens: delta.keys().count(),
        transactions: parts.len(),
        notifications_left: wanted.deliveries,
        listeners_left,
        at: now.as_ref().map_or(0, |now| now.mark.revision),
        head: now.map(|now| now.head),
        parts,
        objects: wanted.state.count(),
    })
}

/// Carries a plan out. Where it takes several transactions, servers keep their last good state until the last of them; a plan
/// that was left half done is made anew, and goes on where it was.
pub async fn apply(route: &StoreRoute, plan: ReplacePlan, progress: &dyn Fn(usize, usize)) -> Result<i64, FollowError> {
    let (client, layout) = open(route);
    let was_partial = plan.head.as_ref().is_some_and(|head| head.is_partial);
    let (set, mut at) = match plan.head {
        Some(head) => (head.set, plan.at),
        None => begin(&client, &layout).await?,
    };
    let mut parts = plan.parts;
    if was_partial && parts.is_empty() {
        // all is there, but for the word that it is
        parts.push(KeyChanges::new());
    }
    let count = parts.len();
    for (number, part) in (1..).zip(parts) {
        let head = StoreHead { is_partial: number < count, ..StoreHead::new(set.clone(), at, plan.objects) };
        at = carry_out(&client, &request(&layout, part, &head, None)?, &head.txn).await?;
        progress(number, count);
    }
    Ok(at)
}

/// What there is, as one who accepts it should know it. An error where no server could serve that.
pub async fn accept_plan(route: &StoreRoute) -> Result<AcceptPlan, FollowError> {
    let (now, state) = patiently(async || look(route).await).await?;
    serves(&state)?;
    let (at, objects) = (now.as_ref().map_or(0, |now| now.mark.revision), state.count());
    let head = now.map(|now| now.head);
    Ok(AcceptPlan { expected: head.as_ref().map(|head| head.objects), set: head.map(|head| head.set), objects, at })
}

/// Says that what there is is meant: every server takes it over, whatever it had before. The name of the set from now on.
pub async fn accept(route: &StoreRoute, plan: &AcceptPlan) -> Result<String, FollowError> {
    let (client, layout) = open(route);
    let set = new_set().max(plan.set.as_deref().map(next_set).unwrap_or_default());
    let head = StoreHead::new(set.clone(), plan.at, plan.objects);
    let accepted = AcceptedSet { set: set.clone(), by: head.by.clone(), at: head.at };
    let values = KeyChanges::from([(layout.accepted(), Some(encode(&accepted)?))]);
    carry_out(&client, &request(&layout, values, &head, None)?, &head.txn).await?;
    Ok(set)
}

/// The head, and what is there.
async fn look(route: &StoreRoute) -> Result<(Option<HeadNow>, ApiState), FollowError> {
    let (client, layout) = open(route);
    let (now, revision) = head(&client, &layout).await?;
    let (state, _) = load_any(&client, &layout, revision).await?;
    Ok((now, state))
}

/// Whether a server without files could serve a state: the rules of the model.
fn serves(state: &ApiState) -> Result<(), FollowError> {
    let mut sources = Sources::new(vec![Box::new(StateSource::new(state))], Vec::new());
    let loaded = sources.load(&|_, _| {});
    match loaded.problems.iter().find(|problem| problem.is_error()) {
        Some(Problem { what, .. }) => Err(FollowError::Refused(format!("no server could serve it: {what}"))),
        None => Ok(()),
    }
}

/// Takes the listeners out of all VPCs; how many there were.
fn leave_listeners(state: &mut ApiState) -> usize {
    let bound = state.vpcs().filter(|vpc| !vpc.listeners.is_empty());
    let bound: Vec<_> =
        bound.map(|vpc| (vpc.listeners.len(), VpcRecord { listeners: Vec::new(), ..vpc.clone() })).collect();
    let left = bound.iter().map(|(listeners, _)| listeners).sum();
    let put = bound.into_iter().map(|(_, vpc)| Arc::new(StoredObject::Vpc(vpc))).collect();
    state.apply(&Delta { put, ..Delta::default() });
    left
}

/// Changes in parts that are transactions.
fn parts(all: KeyChanges) -> Vec<KeyChanges> {
    batches(all, |(key, value)| octets((key, value)), (MOST_CHANGES, MOST_OCTETS))
}

/// Has a transaction carried out, and returns its revision.
async fn carry_out(client: &EtcdClient, request: &TxnRequest, txn: &str) -> Result<i64, FollowError> {
    match outcome(send(client, request).await?.0, txn)? {
        TxnOutcome::Landed(revision) => Ok(revision),
        TxnOutcome::Behind(_) | TxnOutcome::Emptied => {
            let what = "servers write to the store at the same time: stop them from it, or try again";
            Err(FollowError::Refused(what.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_a_transaction_may_be() {
        let all: KeyChanges = (0..300_u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![0; 100]))).collect();
        let sizes = |all: &KeyChanges| parts(all.clone()).iter().map(KeyChanges::len).collect::<Vec<_>>();
        assert_eq!(sizes(&all), [120, 120, 60]);
        let large: KeyChanges = (0..3_u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![0; 700_000]))).collect();
        assert_eq!(sizes(&large), [1, 1, 1]);
        assert!(parts(KeyChanges::new()).is_empty());
    }

    #[test]
    fn a_set_that_is_accepted_is_behind_all_before_it() {
        assert!(next_set("fffffffff0001234abcd").as_str() > "fffffffff0001234abcd");
        assert!(new_set() > next_set("000000000001ffffffff"));
    }
}

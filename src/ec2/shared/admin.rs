//! What people do to a shared store besides calls: look at it, take it out, put it in, say that what is there is meant.
//!
//! ```text
//! status   members, head, counts
//! dump     a state as lines of JSON, and back
//! replace  makes the store hold what a file has; accepts what it holds
//! ```

mod dump;
mod replace;
mod status;

pub use dump::{StateDump, read_dump};
pub use replace::{AcceptPlan, ReplacePlan, accept, accept_plan, apply, plan};
pub use status::{HeadReport, MemberReport, StoreReport, status};

use std::time::{Duration, Instant};

use super::StoreRoute;
use super::layout::KeyLayout;
pub use super::load::FollowError;
pub(crate) use super::load::still_told;
use super::load::{HeadNow, load};
pub(crate) use super::transaction::batches;
use crate::ec2::record::StoredObject;
use crate::ec2::state::ApiState;
use crate::etcd::{EtcdClient, EtcdError, RangeRequest, TxnRequest, TxnResponse};

/// How long a look is tried again, and the pause between.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);
/// How often a transaction is sent while etcd does not answer.
const TRIES: usize = 30;

/// A client of the store, and its keys.
fn open(route: &StoreRoute) -> (EtcdClient, KeyLayout) {
    (route.client(0), KeyLayout::new(&route.address.prefix))
}

/// The head, if there is one, and the revision of the store.
async fn head(client: &EtcdClient, layout: &KeyLayout) -> Result<(Option<HeadNow>, i64), FollowError> {
    let answer = client.range(&RangeRequest { key: layout.head(), ..RangeRequest::default() }).await?;
    let revision = answer.header.as_ref().map_or(0, |header| header.revision);
    let now = answer.kvs.first().map(|kv| HeadNow::of(kv, answer.header.as_ref())).transpose()?;
    Ok((now, revision))
}

/// What `look` finds, which only reads: made again for a while where a member fails, or others are being elected.
pub(crate) async fn patiently<T>(look: impl AsyncFn() -> Result<T, FollowError>) -> Result<T, FollowError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Err(FollowError::Etcd(error)) if !error.is_final() && Instant::now() < end => {
                tracing::debug!("once more: {error}");
                tokio::time::sleep(PAUSE).await;
            }
            found => return found,
        }
    }
}

/// Sends a transaction until etcd answers, or for as many times as are worth it: the answer, and whether one before it may have
/// been carried out.
pub(crate) async fn send(client: &EtcdClient, request: &TxnRequest) -> Result<(TxnResponse, bool), EtcdError> {
    let mut failed = EtcdError::Unreachable("no member is named".to_owned());
    let mut was_sent = false;
    for _ in 0..TRIES {
        match client.txn(request).await {
            Ok(answer) => return Ok((answer, was_sent)),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => {
                was_sent |= !matches!(error, EtcdError::Unreachable(_));
                failed = error;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(failed)
}

/// All that the store has, at one revision. An error where a server would not serve it.
pub async fn export(route: &StoreRoute) -> Result<StateDump, FollowError> {
    patiently(async || export_once(route).await).await
}

async fn export_once(route: &StoreRoute) -> Result<StateDump, FollowError> {
    let none = || FollowError::Refused("there is no store below this prefix".to_owned());
    state_once(route).await?.ok_or_else(none)
}

/// The same; `None` where no server has begun a store.
pub async fn state(route: &StoreRoute) -> Result<Option<StateDump>, FollowError> {
    patiently(async || state_once(route).await).await
}

async fn state_once(route: &StoreRoute) -> Result<Option<StateDump>, FollowError> {
    let (client, layout) = open(route);
    let (Some(now), _) = head(&client, &layout).await? else { return Ok(None) };
    let state = load(&client, &layout, &now).await?;
    Ok(Some(StateDump::of(&state, Some(&now.mark))))
}

/// How many objects there are of each kind.
fn kinds(state: &ApiState) -> std::collections::BTreeMap<&'static str, usize> {
    let mut kinds = std::collections::BTreeMap::new();
    for record in state.records() {
        *kinds.entry(kind(record)).or_default() += 1;
    }
    kinds
}

/// What kind of object it is, as its JSON says it.
fn kind(object: &StoredObject) -> &'static str {
    match object {
        StoredObject::Vpc(_) => "vpc",
        StoredObject::Subnet(_) => "subnet",
        StoredObject::SecurityGroup(_) => "security_group",
        StoredObject::Endpoint(_) => "endpoint",
        StoredObject::Service(_) => "service",
        StoredObject::Notification(_) => "notification",
        StoredObject::RouteTable(_) => "route_table",
        StoredObject::Interface(_) => "interface",
        StoredObject::HostedZone(_) => "hosted_zone",
        StoredObject::ResolverRule(_) => "resolver_rule",
        StoredObject::ResolverEndpoint(_) => "resolver_endpoint",
        StoredObject::QueryLog(_) => "query_log",
        StoredObject::Profile(_) => "profile",
    }
}

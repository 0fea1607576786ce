//! How a store is: its members, its head, how much there is.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Serialize;

use super::{head, kinds, open, patiently};
use crate::ec2::shared::StoreRoute;
use crate::ec2::shared::load::{FollowError, load_any};
use crate::ec2::store_mark::StoreMark;
use crate::ec2::time::UnixMillis;
use crate::etcd::{EtcdClient, EtcdError, MemberStatus, RangeRequest};

/// How a store is.
#[derive(Debug, Serialize)]
pub struct StoreReport {
    /// What its keys begin with.
    pub prefix: String,
    /// Each member that is named.
    pub members: Vec<MemberReport>,
    /// The revision of the store.
    pub revision: i64,
    /// The last transaction below the prefix; none where there is no store yet.
    pub head: Option<HeadReport>,
    /// Objects by kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// All of them.
    pub objects: usize,
    /// Client tokens that are remembered.
    pub tokens: usize,
    /// Octets of all keys and values below the prefix.
    pub octets: usize,
    /// Why servers do not serve what is there, as far as that is seen here.
    pub trouble: Option<String>,
}

/// How a member is.
#[derive(Debug, Serialize)]
pub struct MemberReport {
    /// `HOST:PORT`.
    pub at: String,
    /// Why it does not answer, or what it says is wrong.
    pub trouble: Option<String>,
    /// Whether it leads.
    pub leads: bool,
    /// Its version.
    pub version: Option<String>,
    /// Octets of its database, and how many of them are used.
    pub database: Option<(i64, i64)>,
}

/// The last transaction.
#[derive(Debug, Serialize)]
pub struct HeadReport {
    /// The set of objects, the revision and the transaction.
    #[serde(flatten)]
    pub mark: StoreMark,
    /// The revision of the transaction before it.
    pub after: i64,
    /// How many objects there should be.
    pub objects: usize,
    /// The server that made it: host and process.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// Asks every member, and reads all below the prefix.
pub async fn status(route: &StoreRoute) -> Result<StoreReport, FollowError> {
    patiently(async || status_once(route).await).await
}

async fn status_once(route: &StoreRoute) -> Result<StoreReport, FollowError> {
    let members = join_all(route.address.members.iter().map(|member| async move {
        let only = EtcdClient::new(vec![member.clone()], route.access.clone(), 0);
        member_report(member, only.status().await)
    }));
    let members = members.await;
    let (client, layout) = open(route);
    let (now, revision) = head(&client, &layout).await?;
    let mut report = StoreReport {
        prefix: route.address.prefix.clone(),
        members,
        revision,
        head: None,
        kinds: BTreeMap::new(),
        objects: 0,
        tokens: 0,
        octets: 0,
        trouble: None,
    };
    let (key, range_end) = layout.all();
    let all = RangeRequest { key, range_end, revision, count_only: true, ..RangeRequest::default() };
    let keys = client.range(&all).await?.count;
    match load_any(&client, &layout, revision).await {
        Ok((state, octets)) => {
            report.kinds = kinds(&state);
            (report.objects, report.tokens, report.octets) = (state.count(), state.tokens().count(), octets);
        }
        Err(FollowError::Refused(why)) => report.trouble = Some(why),
        Err(error) => return Err(error),
    }
    match now {
        None if keys > 0 => report.trouble = Some("it has keys, and no head: it is half emptied".to_owned()),
        None => {}
        Some(now) => {
            let (head, found) = (now.head, report.objects);
            if head.is_partial {
                report.trouble = Some(format!("it is being filled by {}, or was left half filled", head.by));
            } else if found != head.objects && report.trouble.is_none() {
                report.trouble = Some(format!("it has {found} objects, where its head says {}", head.objects));
            }
            let (after, objects) = (head.after, head.objects);
            report.head = Some(HeadReport { mark: now.mark, after, objects, by: head.by, at: head.at });
        }
    }
    Ok(report)
}

fn member_report(at: &str, said: Result<MemberStatus, EtcdError>) -> MemberReport {
    let at = at.to_owned();
    match said {
        Err(error) => {
            MemberReport { at, trouble: Some(error.to_string()), leads: false, version: None, database: None }
        }
        Ok(MemberStatus { header, version, db_size, leader, errors, db_size_in_use }) => {
            let own = header.unwrap_or_default().member_id;
            let trouble = match (leader, errors.is_empty()) {
                (0, _) => Some("it has no leader".to_owned()),
                (_, false) => Some(errors.join("; ")),
                (_, true) => None,
            };
            let database = Some((db_size, db_size_in_use));
            MemberReport { at, trouble, leads: leader != 0 && leader == own, version: Some(version), database }
        }
    }
}

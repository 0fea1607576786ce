//! Which answers differ between two snapshots.
//!
//! ```text
//! unequal   two snapshots -> the endpoints and views that are not equal
//! names     those         -> the names whose answers can differ, for whom
//! here      those         -> asked of both, by the rules that answer packets (invariant I7); what differs is a change
//! ```
//!
//! Nothing is asked about what is equal, so that two large models which differ little cost little more than their loads.
//! Two generations of one server share what is equal, and that is not even looked at.

mod names;
mod unequal;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::dns::{DnsName, Rtype};
use crate::explain::{ToldAnswer, tell};
use crate::naming::VpcId;
use crate::snapshot::{Client, Snapshot};

/// Whose answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiffClient {
    /// Everybody: the name is an endpoint's own.
    Every,
    /// Clients of no VPC.
    NoVpc,
    /// Clients of this VPC.
    Vpc(VpcId),
}

impl fmt::Display for DiffClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("every client"),
            Self::NoVpc => f.write_str("no VPC"),
            Self::Vpc(vpc) => vpc.fmt(f),
        }
    }
}

impl FromStr for DiffClient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = [Self::Every, Self::NoVpc].into_iter().find(|client| client.to_string() == text);
        let client = named.or_else(|| text.parse().ok().map(Self::Vpc));
        client.ok_or_else(|| format!("'{text}' is neither a VPC nor 'no VPC' or 'every client'"))
    }
}

impl<'de> Deserialize<'de> for DiffClient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for DiffClient {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An answer that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerChange {
    /// Whose.
    pub client: DiffClient,
    /// The name; a first label `*` stands for one that nobody has.
    pub name: String,
    /// The type asked for.
    #[serde(rename = "type")]
    pub rtype: String,
    /// What it was; `None` where the VPC was not there.
    pub old: Option<ToldAnswer>,
    /// What it is; `None` where the VPC is gone.
    pub new: Option<ToldAnswer>,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerDiff {
    /// Answers that change, by client, name and type.
    pub answers: Vec<AnswerChange>,
    /// VPCs whose clients are known by other addresses: blocks, `clients` or `listeners` differ.
    pub clients: Vec<String>,
    /// Subnets whose clients get AAAA records of A records (DNS64), where they did not, or do not any more.
    #[serde(default)]
    pub dns64: Vec<Dns64Change>,
    /// VPCs whose clients prefer addresses of their own zone otherwise.
    #[serde(default)]
    pub zone_affinity: Vec<AffinityChange>,
}

/// A VPC whose `availability_zone_affinity` changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffinityChange {
    /// The VPC.
    pub vpc_id: String,
    /// What it was; `None`: off.
    pub old: Option<String>,
    /// What it is; `None`: off.
    pub new: Option<String>,
}

/// A subnet whose `enable_dns64` changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns64Change {
    /// Its VPC.
    pub vpc_id: String,
    /// A block of it.
    pub block: IpNet,
    /// Whether it is on now.
    pub enabled: bool,
}

impl AnswerDiff {
    /// Whether everybody is told the same.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.clients.is_empty() && self.dns64.is_empty() && self.zone_affinity.is_empty()
    }
}

/// How much is compared.
#[derive(Clone, Copy, Debug)]
pub struct DiffScope {
    /// What clients of this VPC are told only; `None`: everybody.
    pub vpc: Option<VpcId>,
    /// Most questions that are asked of each side.
    pub most_questions: usize,
}

impl DiffScope {
    /// For everybody, however long it takes.
    pub const ALL: Self = Self { vpc: None, most_questions: usize::MAX };
}

/// More questions would have to be asked than [`DiffScope::most_questions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} answers may differ")]
pub struct TooManyQuestions(usize);

/// The label that stands for any.
const UNKNOWN: &str = "vpcedns-diff";

/// What differs from `old` to `new` for anybody.
pub fn diff(old: &Snapshot, new: &Snapshot) -> AnswerDiff {
    // nothing is too much
    diff_within(old, new, DiffScope::ALL).unwrap_or_default()
}

/// What differs from `old` to `new`, drills aside: these are for those who ask a server.
pub fn diff_within(old: &Snapshot, new: &Snapshot, scope: DiffScope) -> Result<AnswerDiff, TooManyQuestions> {
    let (old, new) = (&old.without_drills(), &new.without_drills());
    let unequal = unequal::unequal(old, new);
    let mut asked: BTreeSet<(DiffClient, DnsName, Rtype)> = BTreeSet::new();
    names::endpoint_names(old, new, &unequal, &mut asked);
    let is_wanted = |vpc: VpcId| scope.vpc.is_none_or(|wanted| wanted == vpc);
    let clients = unequal::clients(old, new).into_iter();
    for client in
        clients.filter(|client| matches!(client, DiffClient::Vpc(vpc) if is_wanted(*vpc)) || scope.vpc.is_none())
    {
        names::names_of(old, new, client, &unequal, &mut asked);
        if asked.len() > scope.most_questions {
            return Err(TooManyQuestions(scope.most_questions));
        }
    }
    let answers = asked.into_iter().filter_map(|(client, name, rtype)| change(old, new, client, &name, rtype));
    let mut answers: Vec<AnswerChange> = answers.collect();
    answers.sort_by(|a, b| (a.client, &a.name, &a.rtype).cmp(&(b.client, &b.name, &b.rtype)));
    let clients = unequal.known_otherwise.iter().filter(|vpc| is_wanted(**vpc)).map(ToString::to_string).collect();
    let dns64 = unequal::dns64(old, new, is_wanted);
    Ok(AnswerDiff { answers, clients, dns64, zone_affinity: unequal::zone_affinity(old, new, is_wanted) })
}

/// One answer, if it changes.
fn change(old: &Snapshot, new: &Snapshot, client: DiffClient, name: &DnsName, rtype: Rtype) -> Option<AnswerChange> {
    let asked = name.with_label_for_wildcard(UNKNOWN);
    let told = |snapshot| client_in(snapshot, client).map(|client| tell(snapshot, client, &asked, rtype));
    let (was, is) = (told(old), told(new));
    let differs = match (&was, &is) {
        (Some(was), Some(is)) => !was.is_same(is),
        (None, None) => false,
        _ => true,
    };
    differs.then(|| AnswerChange { client, name: name.to_string(), rtype: rtype.to_string(), old: was, new: is })
}

/// Any such client; `None` where there is no such VPC.
fn client_in(snapshot: &Snapshot, client: DiffClient) -> Option<Client<'_>> {
    match client {
        DiffClient::Every | DiffClient::NoVpc => Some(snapshot.client_of_none()),
        DiffClient::Vpc(vpc) => snapshot.model.vpc(vpc).map(|_| snapshot.client_of(vpc)),
    }
}

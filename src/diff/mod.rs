//! Which answers differ between two snapshots.
//!
//! ```text
//! unequal   two snapshots -> the endpoints and views that are not equal
//! names     those         -> the names whose answers can differ, for whom
//! here      those         -> asked of both, by the rules that answer packets (invariant I7); what differs is a change
//! ```
//!
//! Nothing is asked about what is equal, so that two large models which differ little cost little more than their loads.

mod names;
mod unequal;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::dns::{DnsName, Rtype};
use crate::naming::VpcId;
use crate::observe::{ToldAnswer, tell};
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

impl Serialize for DiffClient {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An answer that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AnswerDiff {
    /// Answers that change, by client, name and type.
    pub answers: Vec<AnswerChange>,
    /// VPCs whose clients are known by other addresses: blocks, `clients` or `listeners` differ.
    pub clients: Vec<String>,
}

impl AnswerDiff {
    /// Whether everybody is told the same.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.clients.is_empty()
    }
}

/// The label that stands for any.
const UNKNOWN: &str = "vpcedns-diff";

/// What differs from `old` to `new`.
pub fn diff(old: &Snapshot, new: &Snapshot) -> AnswerDiff {
    let unequal = unequal::unequal(old, new);
    let mut asked: BTreeSet<(DiffClient, DnsName, Rtype)> = BTreeSet::new();
    names::endpoint_names(old, new, &unequal, &mut asked);
    for client in unequal::clients(old, new) {
        names::names_of(old, new, client, &unequal, &mut asked);
    }
    let answers = asked.into_iter().filter_map(|(client, name, rtype)| {
        let asked = name.with_label_for_wildcard(UNKNOWN);
        let told = |snapshot| client_in(snapshot, client).map(|client| tell(snapshot, client, &asked, rtype));
        let (was, is) = (told(old), told(new));
        let differs = match (&was, &is) {
            (Some(was), Some(is)) => !was.is_same(is),
            (None, None) => false,
            _ => true,
        };
        differs.then(|| AnswerChange { client, name: name.to_string(), rtype: rtype.to_string(), old: was, new: is })
    });
    let mut answers: Vec<AnswerChange> = answers.collect();
    answers.sort_by(|a, b| (a.client, &a.name, &a.rtype).cmp(&(b.client, &b.name, &b.rtype)));
    AnswerDiff { answers, clients: unequal.known_otherwise.iter().map(ToString::to_string).collect() }
}

/// Any such client; `None` where there is no such VPC.
fn client_in(snapshot: &Snapshot, client: DiffClient) -> Option<Client<'_>> {
    match client {
        DiffClient::Every | DiffClient::NoVpc => Some(snapshot.client_of_none()),
        DiffClient::Vpc(vpc) => snapshot.model.vpc(vpc).map(|_| snapshot.client_of(vpc)),
    }
}

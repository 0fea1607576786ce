//! Which service is private in which VPC, and what stands in the way where it is not.
//!
//! [`report`] asks [`answer`] for each private name in the name of any client of the VPC, so that a line says what a
//! client is told (invariant I7). What keeps a name from being private is in `cause.rs`. Pure: no clock, file or format.

mod cause;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::answer::{Data, Decision, NoTrace, Question, Reason, answer};
use crate::dns::{DnsName, NameBuf, Rtype, address_of};
use crate::model::{Endpoint, Interface, Model, Rrset, Vpc};
use crate::naming::{ServiceName, VpcId};
use crate::snapshot::Snapshot;

/// Whether clients of a VPC get a service's private addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PrivateStatus {
    /// They do.
    Private,
    /// They get the public addresses, as the endpoint's owner chose, or because the service is of another Region.
    Public,
    /// They do not, and something can be done about it.
    Off,
}

impl fmt::Display for PrivateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "PRIVATE",
            Self::Public => "PUBLIC",
            Self::Off => "OFF",
        })
    }
}

/// What keeps a name from being private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffReason {
    /// An attribute of the VPC is off.
    Attributes,
    /// The endpoint does not serve: its state, or no address.
    State,
    /// The service has no private name.
    NoPrivateName,
    /// A hosted zone or another service's endpoint has the name.
    Conflict,
    /// No endpoint of the service is in the VPC.
    NotInVpc,
    /// A FORWARD rule has the name.
    Rule,
    /// An SDK asks for the name, and no output of AWS shows it.
    NoEvidence,
    /// The endpoint's private names are for inbound resolver endpoints only.
    InboundOnly,
    /// Only a dual-stack endpoint has the name.
    DualstackOnly,
    /// `private_only` keeps it from being public, and private DNS is off.
    PrivateOnly,
    /// A drill has the name at fault.
    Drill,
    /// Other VPCs have the VPC's blocks, so that its clients are not known by their addresses.
    ClientsUnknown,
}

/// One obstacle, and how to remove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OffCause {
    /// Its kind.
    pub reason: OffReason,
    /// The obstacle in words.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

/// A private name of a service, as clients of one VPC see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportedName {
    /// The name, perhaps with `*` in front.
    pub name: String,
    /// What clients get.
    pub status: PrivateStatus,
    /// Which rule gave the answer.
    pub rule: String,
    /// Everything that has to change for `Off` to become `Private`; empty for the others.
    pub causes: Vec<OffCause>,
}

/// A service in a VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportRow {
    /// The VPC.
    pub vpc_id: String,
    /// The service.
    pub service_name: String,
    /// `Private` if all names that every endpoint of the service takes over are.
    pub status: PrivateStatus,
    /// In one line: what answers, or why it does not.
    pub why: String,
    /// The service's endpoints in the VPC.
    pub vpc_endpoint_ids: Vec<String>,
    /// Everything that has to change for `Off` to become `Private`.
    pub causes: Vec<OffCause>,
    /// The service's private names, then those of dual-stack endpoints, then those without evidence.
    pub names: Vec<ReportedName>,
}

/// Endpoints by service and VPC.
type ByService<'s> = BTreeMap<&'s ServiceName, BTreeMap<VpcId, Vec<&'s Endpoint>>>;

/// A row for each VPC and each service that an endpoint anywhere leads to, sorted; those of `vpc` and of services whose
/// name contains `word` only, where they are given.
///
/// A service without a private name has a row where it has an endpoint, and nowhere else; resources and service networks
/// have none.
pub fn report(snapshot: &Snapshot, vpc: Option<VpcId>, word: Option<&str>) -> Vec<ReportRow> {
    let services = ReportedServices::new(snapshot, word);
    let vpcs = snapshot.model.vpcs().into_iter().filter(|known| vpc.is_none_or(|vpc| known.vpc_id == vpc));
    vpcs.flat_map(|vpc| services.rows(vpc)).collect()
}

/// The services of a report. It is made once, and gives the rows of one VPC after the other, so that who needs a part of
/// a large report never holds all of it.
pub struct ReportedServices<'s> {
    snapshot: &'s Snapshot,
    services: ByService<'s>,
}

impl<'s> ReportedServices<'s> {
    /// The services that an endpoint anywhere leads to, and whose name contains `word`.
    pub fn new(snapshot: &'s Snapshot, word: Option<&str>) -> Self {
        let model = &snapshot.model;
        let mut services = ByService::new();
        for endpoint in model.endpoints() {
            let name = &model.service(endpoint).service_name;
            if word.is_none_or(|word| name.as_str().contains(word)) {
                services.entry(name).or_default().entry(endpoint.vpc).or_default().push(endpoint);
            }
        }
        for endpoints in services.values_mut().flat_map(BTreeMap::values_mut) {
            endpoints.sort_by_key(|endpoint| endpoint.id);
        }
        Self { snapshot, services }
    }

    /// How many there are: a VPC has a row for each at most.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// A VPC's rows, sorted by service, each made when it is asked for.
    pub fn rows(&self, vpc: &'s Arc<Vpc>) -> impl Iterator<Item = ReportRow> {
        let snapshot = self.snapshot;
        self.services.iter().filter_map(move |(name, everywhere)| row(&Cell { snapshot, vpc, name, everywhere }))
    }
}

/// What one row is about.
struct Cell<'s> {
    snapshot: &'s Snapshot,
    vpc: &'s Arc<Vpc>,
    name: &'s ServiceName,
    everywhere: &'s BTreeMap<VpcId, Vec<&'s Endpoint>>,
}

/// Which endpoints have a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameKind {
    /// All of the service.
    Main,
    /// Those with both address families.
    Dualstack,
    /// None, as far as is known.
    Second,
}

impl<'s> Cell<'s> {
    fn model(&self) -> &'s Model {
        &self.snapshot.model
    }

    /// The service's endpoints in this VPC.
    fn here(&self) -> &'s [&'s Endpoint] {
        self.everywhere.get(&self.vpc.vpc_id).map_or(&[], Vec::as_slice)
    }

    /// Whether the endpoints lead to resources, whose private names come with an association and its hosted zone.
    fn is_resource(&self) -> bool {
        self.here().iter().any(|endpoint| !self.model().service(endpoint).own_names.is_empty())
    }

    /// The endpoints whose names the row has: those here, else the first one elsewhere.
    fn examples(&self) -> &'s [&'s Endpoint] {
        let elsewhere = || self.everywhere.values().find_map(|endpoints| endpoints.get(..1));
        if self.here().is_empty() { elsewhere().unwrap_or_default() } else { self.here() }
    }

    /// Each name once, with who has it.
    fn names(&self) -> Vec<(&'s DnsName, NameKind)> {
        let mut seen = BTreeSet::new();
        let services = || self.examples().iter().map(|endpoint| self.model().service(endpoint));
        let main = services().flat_map(|service| service.private_names.iter().map(|name| (name, NameKind::Main)));
        let dualstack =
            services().flat_map(|service| service.dualstack_names.iter().map(|name| (name, NameKind::Dualstack)));
        // elsewhere nobody misses them
        let second = services().filter(|_| !self.here().is_empty());
        let second = second.flat_map(|service| service.second_names.iter().map(|name| (name, NameKind::Second)));
        main.chain(dualstack).chain(second).filter(|(name, _)| seen.insert(*name)).collect()
    }

    /// What a client of the VPC is told for `name`; for a wildcard, for a label that nobody has.
    fn decide(&self, name: &DnsName) -> Decision<'s> {
        let buf = NameBuf::from(&name.with_label_for_wildcard("vpcedns-report"));
        let client = self.snapshot.client_of(self.vpc.vpc_id);
        let of_type = |rtype| {
            let question = Question { name: buf.name(), rtype, recursion_desired: true };
            answer(self.snapshot, client, &question, 0, &mut NoTrace)
        };
        match of_type(Rtype::A) {
            Decision::Reply(reply) if reply.answer.is_none() => of_type(Rtype::AAAA),
            decision => decision,
        }
    }

    /// Whether these are addresses of the service's endpoints, in whatever VPC, and nothing else.
    fn are_ours(&self, rrset: &Rrset) -> bool {
        let is_ours = |address: IpAddr| {
            let mut interfaces = self.everywhere.values().flatten().flat_map(|endpoint| &endpoint.interfaces);
            interfaces.any(|interface: &Interface| interface.addresses().any(|own| own == address))
        };
        matches!(rrset.rtype, Rtype::A | Rtype::AAAA)
            && rrset.rdata.iter().all(|data| address_of(data).is_some_and(is_ours))
    }

    /// Whether what is said is the service's private answer: by private DNS, or by a hosted zone that leads to one of its
    /// endpoints.
    fn is_private(&self, decision: &Decision<'_>) -> bool {
        let Decision::Reply(reply) = decision else { return false };
        // of two services that share a name either answers for both, unless this one wants it for its own endpoint
        let may_be_anybodys = !self.here().iter().any(|endpoint| endpoint.private_dns_enabled());
        let is_ours = |endpoint: &Endpoint| self.model().service(endpoint).service_name == *self.name;
        match (&reply.reason, &reply.answer) {
            (Reason::PrivateName(endpoint, _), Some(_)) => may_be_anybodys || is_ours(endpoint),
            (Reason::Alias(_, endpoint) | Reason::EndpointName(endpoint), Some(_)) => is_ours(endpoint),
            (Reason::HostedZone(_) | Reason::Wildcard(_), Some(Data::Rrset(rrset, _))) => self.are_ours(rrset),
            _ => false,
        }
    }
}

fn row(cell: &Cell<'_>) -> Option<ReportRow> {
    let names: Vec<(NameKind, ReportedName)> =
        cell.names().into_iter().map(|(name, kind)| (kind, reported(cell, name, kind))).collect();
    let of_kind = |wanted| names.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, name)| name);
    // a service that has no other names is judged by those that it may have
    let worst =
        of_kind(NameKind::Main).rev().max_by_key(|name| name.status).or_else(|| of_kind(NameKind::Second).next());
    let (status, why, causes) = match worst {
        Some(name) => {
            let why = name.causes.first().map_or(&name.rule, |cause| &cause.why);
            (name.status, why.clone(), name.causes.clone())
        }
        None if cell.here().is_empty() || cell.is_resource() => return None,
        None => {
            let cause = cause::no_private_name(cell.name);
            (PrivateStatus::Off, cause.why.clone(), vec![cause])
        }
    };
    Some(ReportRow {
        vpc_id: cell.vpc.vpc_id.to_string(),
        service_name: cell.name.to_string(),
        status,
        why,
        vpc_endpoint_ids: cell.here().iter().map(|endpoint| endpoint.id.to_string()).collect(),
        causes,
        names: names.into_iter().map(|(_, name)| name).collect(),
    })
}

fn reported(cell: &Cell<'_>, name: &DnsName, kind: NameKind) -> ReportedName {
    let decision = cell.decide(name);
    let reason = decision.reason();
    let (status, rule, causes) = if cell.is_private(&decision) {
        match cause::clients_unknown(cell) {
            None => (PrivateStatus::Private, reason.to_string(), Vec::new()),
            Some(cause) => (PrivateStatus::Off, reason.to_string(), vec![cause]),
        }
    } else {
        match cause::public(cell, &decision) {
            Some(choice) => (PrivateStatus::Public, choice, Vec::new()),
            None => (PrivateStatus::Off, reason.to_string(), cause::causes(cell, name, kind, &decision)),
        }
    };
    ReportedName { name: name.to_string(), status, rule, causes }
}

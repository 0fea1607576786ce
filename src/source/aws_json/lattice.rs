//! Items of `describe-vpc-endpoint-associations`, and endpoints of the types that have them.

use crate::dns::DnsName;
use crate::model::State;
use crate::naming::{EndpointId, VpcId};
use crate::problem::{At, Place};

use super::super::reader::{Fields, Keys, Reader};
use super::super::values::{Text, one_of};

/// A member of `VpcEndpointAssociations`.
pub(super) struct AssociationOutput {
    pub(super) place: Place,
    pub(super) endpoint: EndpointId,
    /// Its public name.
    pub(super) name: Option<DnsName>,
    /// The name that clients of the VPC may use.
    pub(super) private: Option<DnsName>,
}

/// The types of endpoint that have associations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lattice {
    Resource,
    ServiceNetwork,
}

/// What an endpoint's `DnsOptions` say of its associations' private names.
#[derive(Clone, Default)]
pub(super) struct PrivatePreference {
    /// Only these names; `None`: every one that the output shows.
    only: Option<Vec<DnsName>>,
}

/// A service-network endpoint; it has no names of its own.
pub(super) struct NetworkEndpoint {
    pub(super) place: Place,
    pub(super) id: EndpointId,
    pub(super) vpc: VpcId,
    pub(super) state: State,
    pub(super) private_dns_enabled: bool,
    pub(super) preference: PrivatePreference,
}

const PREFERENCES: [&str; 4] =
    ["ALL_DOMAINS", "VERIFIED_DOMAINS_ONLY", "VERIFIED_DOMAINS_AND_SPECIFIED_DOMAINS", "SPECIFIED_DOMAINS_ONLY"];

pub(super) fn association(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<AssociationOutput> {
    let endpoint: At<EndpointId> = fields.required(reader, "VpcEndpointId")?;
    Some(AssociationOutput {
        place: reader.place(fields.at),
        endpoint: endpoint.value,
        name: entry(reader, fields, "DnsEntry"),
        private: entry(reader, fields, "PrivateDnsEntry"),
    })
}

/// The name of a DNS entry; empty members are left out of some outputs, and not of others.
fn entry(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> Option<DnsName> {
    let entry = fields.node(reader, key).and_then(|node| reader.table(node, "a DNS entry", Keys::Any))?;
    let node = entry.node(reader, "DnsName")?;
    let text = reader.text(node).filter(|text| !text.is_empty())?;
    match DnsName::read(text) {
        Ok(name) => Some(name),
        Err(fault) => {
            reader.warning(node.at, format!("{}: it is ignored", fault.what), fault.hint);
            None
        }
    }
}

/// `PrivateDnsPreference` and `PrivateDnsSpecifiedDomains`.
///
/// No output tells which names their provider has verified: EC2 shows the private name of an association, and it is taken as
/// one that has a hidden zone, except where the preference is for names that the list has to have.
pub(super) fn preference(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> PrivatePreference {
    let options = fields.node(reader, "DnsOptions").and_then(|node| reader.table(node, "DNS options", Keys::Any));
    let Some(options) = options else { return PrivatePreference::default() };
    let Some(node) = options.node(reader, "PrivateDnsPreference") else { return PrivatePreference::default() };
    let said = reader.text(node).unwrap_or_default();
    if !said.is_empty() && !PREFERENCES.contains(&said) {
        let what = format!("'{said}' is not a PrivateDnsPreference that is known: every private name is taken");
        reader.warning(node.at, what, one_of(said, &PREFERENCES));
    }
    let specified: Vec<At<DnsName>> = options.list(reader, "PrivateDnsSpecifiedDomains");
    let only = (said == "SPECIFIED_DOMAINS_ONLY").then(|| specified.into_iter().map(|at| at.value).collect());
    PrivatePreference { only }
}

impl PrivatePreference {
    pub(super) fn takes(&self, name: &DnsName) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(name))
    }
}

impl NetworkEndpoint {
    pub(super) fn new(
        reader: &mut Reader<'_>,
        fields: &Fields<'_, '_>,
        (id, vpc, state): (EndpointId, VpcId, State),
    ) -> Self {
        Self {
            place: reader.place(fields.at),
            id,
            vpc,
            state,
            private_dns_enabled: fields.flag(reader, "PrivateDnsEnabled").is_some_and(|flag| flag.value),
            preference: preference(reader, fields),
        }
    }
}

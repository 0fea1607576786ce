//! What a change is made of: the keys of objects, what could not be read, and what the change did.

use std::collections::HashSet;
use std::sync::Arc;

use super::inbound::InboundEndpoint;
use super::input::{HostedZoneInput, Input, Object, RuleAction, RuleInput};
use super::outbound::OutboundEndpoint;
use super::profile::Reach;
use crate::dns::DnsName;
use crate::naming::{EndpointId, InterfaceId, ServiceName, SubnetId, VpcId};

/// What an object is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A VPC.
    Vpc(VpcId),
    /// A subnet.
    Subnet(SubnetId),
    /// An endpoint.
    Endpoint(EndpointId),
    /// A service that a source describes.
    Service(ServiceName),
    /// A hosted zone: its name, and who sees it.
    HostedZone(DnsName, Reach),
    /// A hosted zone whose records nobody has told: beside it there may be one whose records are known.
    UntoldZone(DnsName, Reach),
    /// A resolver rule: its domain, and for whom it holds.
    Rule(DnsName, Reach),
    /// A DELEGATE rule: its `delegation_record`, and for whom it holds.
    Delegation(DnsName, Reach),
    /// A Profile, by its id.
    Profile(Arc<str>),
    /// An inbound resolver endpoint.
    Inbound(InboundEndpoint),
    /// An outbound resolver endpoint, as one source tells it.
    Outbound(OutboundEndpoint),
    /// An interface that is no endpoint's.
    Interface(InterfaceId),
    /// What lies over a VPC of another source.
    VpcOverlay(VpcId),
    /// What lies over an endpoint of another source.
    EndpointOverlay(EndpointId),
}

impl Key {
    /// What a rule is known by that does `action` at `name`.
    pub(super) fn of_rule(action: &RuleAction, name: DnsName, reach: Reach) -> Self {
        match action {
            RuleAction::Delegate => Self::Delegation(name, reach),
            RuleAction::Forward(_) | RuleAction::System => Self::Rule(name, reach),
        }
    }

    /// What a hosted zone is known by.
    pub(super) fn of_zone(is_told: bool, name: DnsName, reach: Reach) -> Self {
        if is_told { Self::HostedZone(name, reach) } else { Self::UntoldZone(name, reach) }
    }
}

impl RuleInput {
    /// What the rule is known by.
    pub fn key(&self) -> Key {
        let reach = Reach::new(&self.vpc_ids, false, &self.profiles);
        Key::of_rule(&self.action, self.domain_name.value.clone(), reach)
    }
}

impl HostedZoneInput {
    /// What the zone is known by.
    pub fn key(&self) -> Key {
        let reach = Reach::new(&self.vpc_ids, self.every_vpc, &self.profiles);
        Key::of_zone(self.is_told, self.name.value.clone(), reach)
    }
}

impl Input {
    /// What the object is known by.
    pub fn key(&self) -> Key {
        match &*self.object {
            Object::Vpc(vpc) => Key::Vpc(vpc.vpc_id.value),
            Object::Subnet(subnet) => Key::Subnet(subnet.subnet_id.value),
            Object::Endpoint(endpoint) => Key::Endpoint(endpoint.vpc_endpoint_id.value),
            Object::Service(service) => Key::Service(service.service_name.value.clone()),
            Object::HostedZone(zone) => zone.key(),
            Object::Rule(rule) => rule.key(),
            Object::Inbound(it) => Key::Inbound(it.endpoint()),
            Object::Outbound(it) => Key::Outbound(OutboundEndpoint::new(&it.id, &it.addresses)),
            Object::Profile(profile) => Key::Profile(profile.id.value.clone()),
            Object::Interface(interface) => Key::Interface(interface.network_interface_id.value),
            Object::VpcOverlay(over) => Key::VpcOverlay(over.vpc_id.value),
            Object::EndpointOverlay(over) => Key::EndpointOverlay(over.vpc_endpoint_id.value),
        }
    }
}

/// What a change did, for the log and for the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Endpoints that are new.
    pub added: usize,
    /// Endpoints that differ.
    pub changed: usize,
    /// Endpoints that are gone.
    pub removed: usize,
    /// Objects of other kinds that are new, differ or are gone.
    pub others: usize,
    /// VPCs whose private names changed.
    pub private_names: HashSet<VpcId>,
    /// VPCs came, went or changed: who is whose client may have changed.
    pub vpcs: bool,
    /// Hosted zones or rules changed.
    pub zones_or_rules: bool,
    /// VPCs in which interfaces that are no endpoint's came, went or changed.
    pub hosts: HashSet<VpcId>,
    /// A service came into use or went out of it, or its names changed.
    pub services: bool,
    /// The names that endpoints which came, went or changed may answer, or may leave to others now: their private
    /// names, and the ends of their hostnames.
    pub endpoint_names: HashSet<DnsName>,
}

impl Changes {
    /// True when the next model says the same as the one before.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Changes {
    /// How many objects came, went or changed.
    pub fn count(&self) -> usize {
        [self.added, self.changed, self.removed, self.others].iter().fold(0, |sum, more| sum.saturating_add(*more))
    }

    /// Adds what a later change did.
    pub fn merge(&mut self, later: Self) {
        self.added += later.added;
        self.changed += later.changed;
        self.removed += later.removed;
        self.others += later.others;
        self.private_names.extend(later.private_names);
        self.vpcs |= later.vpcs;
        self.zones_or_rules |= later.zones_or_rules;
        self.hosts.extend(later.hosts);
        self.services |= later.services;
        self.endpoint_names.extend(later.endpoint_names);
    }
}

/// What a source declares but could not read: references to it are no further problem.
#[derive(Clone, Debug, Default)]
pub struct Broken {
    /// Ids and names, as written.
    pub ids: HashSet<String>,
    /// Something could not be read at all, so that nobody knows what it declares.
    pub incomplete: bool,
}

//! What of a record DNS depends on: the same inputs that files make.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use super::hosted_zone::HostedZoneRecord;
use super::private_dns::VerificationState;
use super::profile::ProfileRecord;
use super::record::{EndpointRecord, EndpointType, Phase, StoredObject};
use super::resolver_endpoint::ResolverEndpointRecord;
use super::resolver_rule::ResolverRuleRecord;
use super::shared::StoreHealth;
use super::state::{ApiState, Delta};
use crate::model::{
    EndpointInput, HostedZoneInput, InboundInput, Input, InterfaceInput, Key, NetworkInterfaceInput, Object,
    OutboundInput, ProfileInput, RuleInput, ServiceInput, State as DnsState, SubnetInput, VpcInput,
};
use crate::naming::{InterfaceId, VpcId};
use crate::problem::{At, Place, Problem};
use crate::source::{LoadTrigger, Progress, Reading, Source, SourceEdit, SourceHealth, SourceId, read_route53};

/// The API's state as a source: all of it at the start, and edits from then on.
pub struct StateSource {
    inputs: Vec<Input>,
    /// Whether it is what a shared store has, where there is one.
    health: Option<StoreHealth>,
}

impl StateSource {
    /// With what is in `state`.
    pub fn new(state: &ApiState) -> Self {
        let record = |id: &str| state.get(id).map(Arc::as_ref);
        let sharing = Sharing::new(state.profiles(), &record);
        Self { inputs: state.records().flat_map(|record| inputs(record, &sharing)).collect(), health: None }
    }

    /// Of a shared store, the way to which is as `health` says.
    #[must_use]
    pub fn shared(self, health: Option<StoreHealth>) -> Self {
        Self { health, ..self }
    }
}

impl Source for StateSource {
    fn id(&self) -> SourceId {
        id()
    }

    fn read(&mut self, _: Progress<'_>) -> Reading {
        let added = std::mem::take(&mut self.inputs);
        let Some(health) = &self.health else { return Reading { added, ..Reading::default() } };
        let trouble = health.trouble();
        let behind = trouble.is_some();
        let hint = "the last good state is served meanwhile";
        let problems = trouble.map(|what| Problem::warning(Place::whole("--store"), what, hint)).into_iter().collect();
        let as_of = health.contact().filter(|_| behind);
        Reading {
            added,
            problems,
            health: SourceHealth { behind, ..SourceHealth::default() },
            as_of,
            ..Reading::default()
        }
    }

    fn watch(&mut self, trigger: LoadTrigger) {
        if let Some(health) = &self.health {
            health.watch(trigger);
        }
    }

    fn outlives_others(&self) -> bool {
        true
    }
}

fn id() -> SourceId {
    SourceId::new("ec2-api")
}

/// Where everything is declared that the API owns.
pub fn place() -> Place {
    // each value of each object has one
    static PLACE: LazyLock<Place> = LazyLock::new(|| Place::whole("the EC2 API"));
    PLACE.clone()
}

fn at<T>(value: T) -> At<T> {
    At::new(value, place())
}

/// What `delta` means for DNS, `state` being what was there before.
pub(super) fn change(state: &ApiState, delta: &Delta) -> SourceEdit {
    let put: BTreeMap<String, &StoredObject> = delta.put.iter().map(|record| (record.id(), &**record)).collect();
    let mut touched: BTreeSet<String> = delta.ids().collect();
    let changed = touched.clone();
    let is_changed = |id: &str| changed.contains(id);
    let before = |id: &str| state.get(id).map(Arc::as_ref);
    let after = |id: &str| if is_changed(id) { put.get(id).copied() } else { before(id) };
    let kept = state.profiles().filter(|profile| !is_changed(&profile.id));
    let new = put.values().filter_map(|record| if let StoredObject::Profile(it) = record { Some(it) } else { None });
    let (was, is) = (Sharing::new(state.profiles(), &before), Sharing::new(kept.chain(new), &after));
    // what a Profile shares is seen by others than before, and what goes is shared no more
    touched.extend(was.bound_to(&touched).chain(is.bound_to(&touched)).collect::<Vec<_>>());
    let removed = touched.iter().filter_map(|id| before(id)).flat_map(|record| inputs(record, &was));
    SourceEdit {
        source: id(),
        removed: removed.map(|input| input.key()).collect::<Vec<Key>>(),
        added: touched.iter().filter_map(|id| after(id)).flat_map(|record| inputs(record, &is)).collect(),
    }
}

/// What Profiles share.
pub(super) struct Sharing<'s> {
    profiles: Vec<&'s ProfileRecord>,
    /// The record with an id.
    record: &'s dyn Fn(&str) -> Option<&'s StoredObject>,
}

impl<'s> Sharing<'s> {
    pub(super) fn new(
        profiles: impl Iterator<Item = &'s ProfileRecord>,
        record: &'s dyn Fn(&str) -> Option<&'s StoredObject>,
    ) -> Self {
        Self { profiles: profiles.collect(), record }
    }

    /// What changes with the records `changed`: what their Profiles share, and the Profiles that share them.
    fn bound_to(&self, changed: &BTreeSet<String>) -> impl Iterator<Item = String> {
        self.profiles.iter().flat_map(|profile| {
            let is_changed = changed.contains(&profile.id);
            let shared = profile.resources.iter().map(|resource| resource.resource_id().to_owned());
            let shared: Vec<String> = shared.filter(|id| is_changed || changed.contains(id)).collect();
            let own = (!shared.is_empty()).then(|| profile.id.clone());
            shared.into_iter().chain(own)
        })
    }

    /// The Profiles that share a record.
    fn profiles_of(&self, id: &str) -> Vec<&'s ProfileRecord> {
        let shares = |profile: &&&ProfileRecord| profile.resources.iter().any(|resource| resource.resource_id() == id);
        self.profiles.iter().filter(shares).copied().collect()
    }

    /// A Profile with the endpoints that are there.
    fn profile(&self, profile: &ProfileRecord) -> Object {
        let endpoints = profile.resources.iter().filter_map(|resource| match (self.record)(resource.resource_id()) {
            Some(StoredObject::Endpoint(endpoint)) if endpoint_input(endpoint).is_some() => Some(at(endpoint.id)),
            _ => None,
        });
        Object::Profile(ProfileInput {
            id: at(profile.id.as_str().into()),
            name: Some(profile.name.as_str().into()),
            vpcs: profile.vpcs.iter().map(|it| (at(it.vpc), it.priority)).collect(),
            endpoints: endpoints.collect(),
            autodefined_reverse: None,
            dnssec_validation: None,
        })
    }
}

/// What a record means for DNS: nothing, one object, a zone for the VPCs of each Region, or a rule for each VPC; zones and
/// rules for each Profile, too.
pub(super) fn inputs(record: &StoredObject, sharing: &Sharing<'_>) -> Vec<Input> {
    match record {
        StoredObject::HostedZone(zone) => hosted_zone(zone, &sharing.profiles_of(&zone.id)),
        StoredObject::ResolverRule(rule) => rule_inputs(rule, &sharing.profiles_of(&rule.id)),
        StoredObject::ResolverEndpoint(endpoint) => resolver_endpoint(endpoint),
        StoredObject::Profile(profile) => vec![Input::new(place(), sharing.profile(profile))],
        StoredObject::Endpoint(endpoint) if endpoint.kind == EndpointType::ServiceNetwork => network_endpoint(endpoint),
        _ => input(record).into_iter().collect(),
    }
}

/// A zone as its VPCs see it, and as those of each Profile do: as VPCs of the Profile's Region, where it is for some.
fn hosted_zone(zone: &HostedZoneRecord, profiles: &[&ProfileRecord]) -> Vec<Input> {
    let mut inputs = read_route53(&zone.outputs(), &place());
    let zones: Vec<HostedZoneInput> = inputs
        .iter()
        .filter_map(|input| if let Object::HostedZone(zone) = &*input.object { Some(zone.clone()) } else { None })
        .collect();
    for profile in profiles {
        let is_there = |input: &&HostedZoneInput| {
            let vpcs = zone.vpcs.iter().filter(|vpc| vpc.region == profile.region);
            vpcs.into_iter().any(|vpc| input.vpc_ids.iter().any(|id| id.value == vpc.id))
        };
        let Some(seen) = zones.iter().find(is_there).or(zones.first()) else { continue };
        let profiles = vec![at(profile.id.as_str().into())];
        let shared = HostedZoneInput { vpc_ids: Vec::new(), profiles, ..seen.clone() };
        inputs.push(Input::new(place(), Object::HostedZone(shared)));
    }
    inputs
}

/// A rule once for each of its VPCs and Profiles: where one of them has gone from the files, it still holds for the others.
fn rule_inputs(rule: &ResolverRuleRecord, profiles: &[&ProfileRecord]) -> Vec<Input> {
    let Some(read) = read_rule(rule) else { return Vec::new() };
    let for_vpcs = rule.associations.iter().map(|it| RuleInput { vpc_ids: vec![at(it.vpc)], ..read.clone() });
    let for_profiles = profiles.iter().map(|profile| RuleInput {
        vpc_ids: Vec::new(),
        profiles: vec![at(profile.id.as_str().into())],
        ..read.clone()
    });
    for_vpcs.chain(for_profiles).map(|rule| Input::new(place(), Object::Rule(rule))).collect()
}

/// What a rule says, whoever has it; `None` for one that says nothing here.
pub(super) fn read_rule(rule: &ResolverRuleRecord) -> Option<RuleInput> {
    read_route53(&rule.outputs(), &place()).into_iter().find_map(|input| match *input.object {
        Object::Rule(rule) => Some(rule),
        _ => None,
    })
}

fn input(record: &StoredObject) -> Option<Input> {
    let object = match record {
        StoredObject::Vpc(vpc) => Object::Vpc(VpcInput {
            vpc_id: at(vpc.id),
            owner: Some(Arc::from(vpc.owner.as_str())),
            region: at(vpc.region.clone()),
            cidr_blocks: vpc.cidr_blocks.iter().map(|block| at(*block)).collect(),
            enable_dns_support: vpc.enable_dns_support,
            enable_dns_hostnames: vpc.enable_dns_hostnames,
            listeners: vpc.listeners.iter().map(|listener| at(*listener)).collect(),
            clients: vpc.clients.iter().map(|network| at(*network)).collect(),
            autodefined_reverse: vpc.resolver.autodefined_reverse,
            dnssec_validation: vpc.resolver.dnssec_validation,
            zone_affinity: None,
        }),
        StoredObject::Subnet(subnet) => Object::Subnet(SubnetInput {
            subnet_id: at(subnet.id),
            vpc_id: at(subnet.vpc),
            availability_zone: at(subnet.zone.clone()),
            cidr_blocks: subnet.cidr_blocks.iter().map(|block| at(*block)).collect(),
            enable_dns64: subnet.attributes.enable_dns64,
        }),
        StoredObject::Service(service) => Object::Service(ServiceInput {
            service_name: at(service.name.clone()),
            base_endpoint_dns_name: None,
            // a name that is not verified yet is nobody's (PrivateLink guide, "Manage DNS names")
            private_dns_names: Some(
                service
                    .private_dns
                    .iter()
                    .filter(|private| private.state == VerificationState::Verified)
                    .filter_map(|private| private.name.parse().ok().map(at))
                    .collect(),
            ),
            availability_zones: service
                .availability_zones
                .iter()
                .filter_map(|zone| zone.parse().ok().map(at))
                .collect(),
        }),
        StoredObject::Endpoint(endpoint) if endpoint.is_in_model() => Object::Endpoint(endpoint_input(endpoint)?),
        StoredObject::Interface(own) => host(own.interface.id, own.vpc, own.interface.ipv4, own.interface.ipv6),
        StoredObject::Endpoint(_)
        | StoredObject::SecurityGroup(_)
        | StoredObject::Notification(_)
        | StoredObject::RouteTable(_)
        | StoredObject::HostedZone(_)
        | StoredObject::ResolverRule(_)
        | StoredObject::ResolverEndpoint(_)
        | StoredObject::QueryLog(_)
        | StoredObject::Profile(_) => return None,
    };
    Some(Input::new(place(), object))
}

/// An interface that is no endpoint's.
fn host(id: InterfaceId, vpc: VpcId, ipv4: Option<Ipv4Addr>, ipv6: Option<Ipv6Addr>) -> Object {
    Object::Interface(NetworkInterfaceInput {
        network_interface_id: at(id),
        vpc_id: at(vpc),
        ipv4: ipv4.into_iter().collect(),
        ipv6: ipv6.into_iter().collect(),
        // the name that is made of its address is there without being said
        private_dns_name: None,
        resource_name: None,
        resource_name_a: false,
        resource_name_aaaa: false,
        public_names: Vec::new(),
    })
}

/// The addresses of a service-network endpoint are the VPC's; the names of its network's services are not known here.
fn network_endpoint(endpoint: &EndpointRecord) -> Vec<Input> {
    let hosts = endpoint.interfaces.iter().map(|it| host(it.id, endpoint.vpc, it.ipv4, it.ipv6));
    hosts.map(|object| Input::new(place(), object)).collect()
}

/// The addresses of a resolver endpoint are the VPC's; clients ask an inbound one's listeners, and rules ask from an outbound
/// one's addresses.
fn resolver_endpoint(endpoint: &ResolverEndpointRecord) -> Vec<Input> {
    let addresses = endpoint.addresses.iter().map(|it| host(it.interface, endpoint.vpc, it.ipv4, it.ipv6));
    let direction = endpoint.direction.parse().ok().filter(|_| !endpoint.listeners.is_empty());
    let inbound = direction.map(|direction| {
        let listeners = endpoint.listeners.iter().map(|listener| at(*listener)).collect();
        Object::Inbound(InboundInput {
            id: Some(Arc::from(endpoint.id.as_str())),
            vpc_id: at(endpoint.vpc),
            direction,
            listeners,
        })
    });
    let outbound = (!endpoint.is_inbound()).then(|| {
        let both = endpoint.addresses.iter().flat_map(|it| [it.ipv4.map(IpAddr::from), it.ipv6.map(IpAddr::from)]);
        let addresses = both.flatten().map(at).collect();
        Object::Outbound(OutboundInput { id: at(endpoint.id.as_str().into()), addresses })
    });
    addresses.chain(inbound).chain(outbound).map(|object| Input::new(place(), object)).collect()
}

/// `None`: it is gone.
fn endpoint_input(endpoint: &EndpointRecord) -> Option<EndpointInput> {
    let state = match endpoint.phase {
        Phase::Requested => DnsState::PendingAcceptance,
        // `pending` becomes `available` by itself, and both are served
        Phase::Accepted => DnsState::Available,
        Phase::Rejected => DnsState::Rejected,
        Phase::Deleted => return None,
    };
    Some(EndpointInput {
        vpc_endpoint_id: at(endpoint.id),
        vpc_id: at(endpoint.vpc),
        service_name: at(endpoint.service.clone()),
        service_region: endpoint
            .service_region
            .as_ref()
            .and_then(|region| region.parse().ok())
            .map(|region| Box::new(at(region))),
        private_dns_enabled: Some(at(endpoint.private_dns_enabled)),
        inbound_resolver_only: endpoint.inbound_resolver_only,
        state,
        dns_suffix: endpoint.own_names.suffix().map(at),
        dns_record_ip_type: endpoint.dns_record_ip_type,
        private_dns_mode: endpoint.own_names.mode(),
        given_names: endpoint.own_names.given().map(Box::new),
        network_interfaces: endpoint
            .interfaces
            .iter()
            .map(|interface| InterfaceInput {
                availability_zone: None,
                network_interface_id: at(interface.id),
                subnet_id: at(interface.subnet),
                private_ip_address: interface.ipv4.map(at),
                ipv6_address: interface.ipv6.map(at),
                is_anywhere: false,
            })
            .collect(),
    })
}

//! What of a record DNS depends on: the same inputs that files make.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::record::{EndpointRecord, EndpointType, Phase, StoredObject, VerificationState};
use super::resolver_endpoint::ResolverEndpointRecord;
use super::state::{ApiState, Edit};
use crate::model::{
    EndpointInput, InboundInput, Input, InterfaceInput, Key, Mode, NetworkInterfaceInput, Object, RuleInput,
    ServiceInput, State as DnsState, SubnetInput, VpcInput,
};
use crate::naming::{InterfaceId, VpcId};
use crate::problem::{At, Place};
use crate::source::{Progress, Reading, Source, SourceEdit, SourceId, read_route53};

/// The API's state as a source: all of it at the start, and edits from then on.
pub struct StateSource(Vec<Input>);

impl StateSource {
    /// With what is in `state`.
    pub fn new(state: &ApiState) -> Self {
        Self(state.records().flat_map(|record| inputs(record)).collect())
    }
}

impl Source for StateSource {
    fn id(&self) -> SourceId {
        id()
    }

    fn read(&mut self, _: Progress<'_>) -> Reading {
        Reading { added: std::mem::take(&mut self.0), ..Reading::default() }
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
    Place::whole("the EC2 API")
}

fn at<T>(value: T) -> At<T> {
    At::new(value, place())
}

/// What `edit` means for DNS, `state` being what was there before.
pub(super) fn change(state: &ApiState, edit: &Edit) -> SourceEdit {
    let before = edit.remove.iter().cloned().chain(edit.put.iter().map(StoredObject::id));
    let before = before.filter_map(|id| state.get(&id)).flat_map(|record| inputs(record));
    SourceEdit {
        source: id(),
        removed: before.map(|input| input.key()).collect::<Vec<Key>>(),
        added: edit.put.iter().flat_map(inputs).collect(),
    }
}

/// What a record means for DNS: nothing, one object, a zone for the VPCs of each Region, or a rule for each VPC.
fn inputs(record: &StoredObject) -> Vec<Input> {
    match record {
        StoredObject::HostedZone(zone) => read_route53(&zone.outputs(), &place()),
        StoredObject::ResolverRule(rule) => {
            read_route53(&rule.outputs(), &place()).into_iter().flat_map(for_each_vpc).collect()
        }
        StoredObject::ResolverEndpoint(endpoint) => resolver_endpoint(endpoint),
        _ => input(record).into_iter().collect(),
    }
}

/// A rule once for each of its VPCs: where one of them has gone from the files, it still holds for the others.
fn for_each_vpc(rule: Input) -> Vec<Input> {
    match rule.object {
        Object::Rule(rule) => rule
            .vpc_ids
            .iter()
            .map(|vpc| Input::new(place(), Object::Rule(RuleInput { vpc_ids: vec![vpc.clone()], ..rule.clone() })))
            .collect(),
        _ => vec![rule],
    }
}

fn input(record: &StoredObject) -> Option<Input> {
    let object = match record {
        StoredObject::Vpc(vpc) => Object::Vpc(VpcInput {
            vpc_id: at(vpc.id),
            region: at(vpc.region.clone()),
            cidr_blocks: vpc.cidr_blocks.iter().map(|block| at(*block)).collect(),
            enable_dns_support: vpc.enable_dns_support,
            enable_dns_hostnames: vpc.enable_dns_hostnames,
            listeners: vpc.listeners.iter().map(|listener| at(*listener)).collect(),
            clients: vpc.clients.iter().map(|network| at(*network)).collect(),
            autodefined_reverse: vpc.resolver.autodefined_reverse,
        }),
        StoredObject::Subnet(subnet) => Object::Subnet(SubnetInput {
            subnet_id: at(subnet.id),
            vpc_id: at(subnet.vpc),
            availability_zone: at(subnet.zone.clone()),
            cidr_blocks: subnet.cidr_blocks.iter().map(|block| at(*block)).collect(),
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
        StoredObject::Endpoint(endpoint) if endpoint.kind == EndpointType::Interface => {
            Object::Endpoint(endpoint_input(endpoint)?)
        }
        StoredObject::Interface(own) => host(own.interface.id, own.vpc, own.interface.ipv4, own.interface.ipv6),
        StoredObject::Endpoint(_)
        | StoredObject::SecurityGroup(_)
        | StoredObject::Notification(_)
        | StoredObject::RouteTable(_)
        | StoredObject::HostedZone(_)
        | StoredObject::ResolverRule(_)
        | StoredObject::ResolverEndpoint(_)
        | StoredObject::QueryLog(_) => return None,
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

/// The addresses of a resolver endpoint are the VPC's; clients ask its listeners.
fn resolver_endpoint(endpoint: &ResolverEndpointRecord) -> Vec<Input> {
    let addresses = endpoint.addresses.iter().map(|it| host(it.interface, endpoint.vpc, it.ipv4, it.ipv6));
    let direction = endpoint.direction.parse().ok().filter(|_| !endpoint.listeners.is_empty());
    let inbound = direction.map(|direction| {
        let listeners = endpoint.listeners.iter().map(|listener| at(*listener)).collect();
        Object::Inbound(InboundInput { vpc_id: at(endpoint.vpc), direction, listeners })
    });
    addresses.chain(inbound).map(|object| Input::new(place(), object)).collect()
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
        service_region: None,
        private_dns_enabled: Some(at(endpoint.private_dns_enabled)),
        inbound_resolver_only: endpoint.inbound_resolver_only,
        state,
        dns_suffix: None,
        dns_record_ip_type: endpoint.dns_record_ip_type,
        private_dns_mode: Mode::Apex,
        given_names: None,
        network_interfaces: endpoint
            .interfaces
            .iter()
            .map(|interface| InterfaceInput {
                availability_zone: None,
                network_interface_id: at(interface.id),
                subnet_id: at(interface.subnet),
                private_ip_address: interface.ipv4.map(at),
                ipv6_address: interface.ipv6.map(at),
            })
            .collect(),
    })
}

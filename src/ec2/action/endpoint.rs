//! Endpoints: what one is to a caller, and how it is written. The actions are in the files below.

mod address;
mod check;
mod create;
mod delete;
mod describe;
mod lattice;
mod modify;

pub(super) use address::{Families, Wanted, fill as free_addresses};
pub(super) use check::group as check_group;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter;

use crate::dns::DnsName;
use crate::ec2::call::{Action, Call, parse_id, timestamp};
use crate::ec2::default_group::default_group_id;
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Values, fields};
use crate::ec2::own_names::OwnNames;
use crate::ec2::record::{EndpointRecord, EndpointType, InterfaceRecord, IpAddressType, Phase, Tags};
use crate::ec2::time::UnixMillis;
use crate::model::{self, State};
use crate::naming::{EndpointId, InterfaceId, Service, Suffix, endpoint_names, hidden_zone_id, public_hosted_zone_id};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateVpcEndpoint", writes: true, idempotent: true, run: create::run },
    Action { name: "DescribeVpcEndpoints", writes: false, idempotent: false, run: describe::run },
    Action { name: "ModifyVpcEndpoint", writes: true, idempotent: false, run: modify::run },
    lattice::DESCRIBE_ASSOCIATIONS,
    Action { name: "DeleteVpcEndpoints", writes: true, idempotent: false, run: delete::run },
];

/// The policy of an endpoint that was given none, octet for octet as EC2 prints it (PrivateLink guide; AWS CLI examples).
const INTERFACE_POLICY: &str = "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n      \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}";
const GATEWAY_POLICY: &str = "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}";

/// An endpoint as it is listed.
pub(super) struct ListedEndpoint<'a> {
    pub(super) record: Cow<'a, EndpointRecord>,
    pub(super) state: State,
    call: &'a Call<'a>,
    suffix: Suffix,
    /// It in the model, where it is there already.
    endpoint: Option<&'a model::Endpoint>,
    entries: OnceCell<Vec<DnsEntry>>,
    /// Whence its names come; `None` where it has none.
    service: Option<Cow<'a, Service>>,
}

/// A name of an endpoint, and the hosted zone that has it where AWS's id of that is known.
pub(super) type DnsEntry = (DnsName, Option<Cow<'static, str>>);

impl<'a> ListedEndpoint<'a> {
    fn new(
        call: &'a Call<'a>,
        record: Cow<'a, EndpointRecord>,
        state: State,
        suffix: Suffix,
        service: Option<Cow<'a, Service>>,
    ) -> Self {
        let endpoint = call.model.endpoint(record.id);
        Self { record, state, call, suffix, endpoint, entries: OnceCell::new(), service }
    }
}

impl ListedEndpoint<'_> {
    /// The names that answer now, in EC2's order: regional, zonal, private.
    fn dns_entries(&self) -> &[DnsEntry] {
        self.entries.get_or_init(|| self.make_dns_entries())
    }

    /// The names themselves.
    pub(super) fn dns_names(&self) -> Values<'_> {
        Values::of_each(self.dns_entries().iter().map(|(name, _)| name))
    }

    /// The hosted zone of each, empty where it is not known.
    pub(super) fn dns_zones(&self) -> Values<'_> {
        Values::of_each(self.dns_entries().iter().map(|(_, zone)| zone.as_deref().unwrap_or_default()))
    }

    /// "(Interface and gateway endpoints)" (EC2 API Reference, `PolicyDocument`).
    fn policy(&self) -> Option<&str> {
        let by_default = match self.record.kind {
            EndpointType::Interface => INTERFACE_POLICY,
            EndpointType::Gateway => GATEWAY_POLICY,
            EndpointType::Resource | EndpointType::ServiceNetwork => return None,
        };
        Some(self.record.policy.as_deref().unwrap_or(by_default))
    }

    /// What only endpoints with interfaces have.
    fn of_interface(&self, text: &'static str) -> Option<&'static str> {
        self.record.kind.has_interfaces().then_some(text)
    }

    /// The ARN of what it leads to, if it is of this type.
    fn leads_to(&self, kind: EndpointType) -> Option<&str> {
        self.record.lattice.as_ref().filter(|_| self.record.kind == kind).map(|target| target.arn.as_str())
    }

    /// Those that lead to Lattice have no service.
    fn service_name(&self) -> Option<&str> {
        let has_service = matches!(self.record.kind, EndpointType::Interface | EndpointType::Gateway);
        Some(self.record.service.as_str()).filter(|_| has_service)
    }

    /// The Region of what it leads to.
    fn service_region(&self) -> &str {
        self.record.service_region.as_deref().unwrap_or(self.call.caller.region.as_str())
    }

    /// Only services that have gateways too know this option (S3 guide, "Private DNS").
    fn inbound_resolver_only(&self) -> Option<&'static str> {
        let record = &self.record;
        let has_option = record.private_dns_enabled && super::offer::has_gateway(&record.service);
        self.of_interface(if record.inbound_resolver_only { "true" } else { "false" }).filter(|_| has_option)
    }

    /// One that is new has no names of its own yet.
    fn has_zonal_name(&self, interface: InterfaceId) -> bool {
        let Some(endpoint) = self.endpoint else {
            return self.record.service_region.is_none() || super::offer::is_endpoint_service(&self.record.service);
        };
        let found = endpoint.interfaces.iter().find(|it| it.id == interface);
        found.is_none_or(|interface| self.call.model.has_zonal_name(endpoint, interface))
    }

    fn make_dns_entries(&self) -> Vec<DnsEntry> {
        let call = self.call;
        let record = &*self.record;
        let Some(service) = self.service.as_deref() else { return Vec::new() };
        // the names of a resource endpoint are its associations'
        if !self.state.is_served() || record.interfaces.is_empty() || record.kind != EndpointType::Interface {
            return Vec::new();
        }
        let own = record.interfaces.iter().filter(|it| self.has_zonal_name(it.id));
        let zones = own.filter_map(|it| Some(&call.model.subnet(it.subnet)?.zone));
        let Some(names) = endpoint_names(record.id, self.suffix, service, zones) else { return Vec::new() };
        // the hidden zones are there while the VPC has both attributes (PrivateLink guide, "Private DNS")
        let vpc = call.model.vpc(record.vpc).filter(|vpc| vpc.enable_dns_support && vpc.enable_dns_hostnames);
        let has_private = record.private_dns_enabled && vpc.is_some();
        let public = public_hosted_zone_id(service.region.as_ref().unwrap_or(&call.caller.region)).map(Cow::Borrowed);
        let entry = |name: &DnsName| {
            if !names.private.contains(name) {
                return (name.clone(), public.clone());
            }
            let apex = name.wildcard_apex();
            let zone = hidden_zone_id(record.id, apex.as_ref().unwrap_or(name));
            (name.clone(), Some(Cow::Owned(zone)))
        };
        names.dns_entries().filter(|name| has_private || !names.private.contains(name)).map(entry).collect()
    }
}

/// The endpoint with this id as the caller sees it.
pub(super) fn find<'c>(call: &'c Call<'c>, id: EndpointId) -> Option<ListedEndpoint<'c>> {
    match call.state.endpoint(id) {
        Some(record) => of_api(call, record),
        None => call.model.endpoint(id).and_then(|endpoint| of_file(call, endpoint)),
    }
}

/// The endpoint that a call names, or EC2's error for one that is not there.
pub(super) fn need<'c>(call: &'c Call<'c>, id: &str) -> Result<ListedEndpoint<'c>, ApiError> {
    let parsed = parse_id(id, "InvalidVpcEndpointId.Malformed", EndpointId::PREFIX)?;
    find(call, parsed).ok_or_else(|| ApiError::not_found(EndpointId::PREFIX, id))
}

/// Every endpoint that the caller sees, by id, from the one behind `after` on.
///
/// Records are in order; where files have endpoints, each id of the model's is looked at once. All else is looked up when the
/// iterator comes to it, so that a page costs its own length.
pub(super) fn all<'c>(call: &'c Call<'c>, after: Option<&str>) -> impl Iterator<Item = ListedEndpoint<'c>> {
    let mut records = call.state.endpoints_behind(after).peekable();
    let has_all = call.state.has_all_endpoints_of(call.model);
    let mut ids = if has_all { BinaryHeap::new() } else { ids_of_model(call, after) };
    iter::from_fn(move || {
        loop {
            let of_api = records.peek().map(|record| record.id.text_order());
            let of_model = ids.peek().map(|Reverse((order, _))| *order);
            let found = match (of_api, of_model) {
                (Some(record), model) if model.is_none_or(|model| record <= model) => {
                    // it is the same endpoint, and the record says more
                    if of_model == of_api {
                        ids.pop();
                    }
                    self::of_api(call, records.next()?)
                }
                _ => {
                    let Reverse((_, id)) = ids.pop()?;
                    call.model.endpoint(id).and_then(|endpoint| of_file(call, endpoint))
                }
            };
            if found.is_some() {
                return found;
            }
        }
    })
}

/// The ids of the model's endpoints behind `after`, the first in the order of their texts on top: a page takes a few of many.
fn ids_of_model(call: &Call<'_>, after: Option<&str>) -> BinaryHeap<Reverse<(u128, EndpointId)>> {
    let ids = call.model.endpoints().map(|endpoint| endpoint.id);
    let Some(after) = after else { return ids.map(|id| Reverse((id.text_order(), id))).collect() };
    let order = after.parse().ok().map(EndpointId::text_order);
    // a token may be another id's
    let is_behind = |id: &EndpointId| match order {
        Some(after) => id.text_order() > after,
        None => id.to_string().as_str() > after,
    };
    ids.filter(is_behind).map(|id| Reverse((id.text_order(), id))).collect()
}

fn is_here(call: &Call<'_>, record: &EndpointRecord) -> bool {
    call.sees(&record.owner) && call.is_here(record.vpc)
}

/// A record as its owner is shown it now; `None` for one that no caller, or not this one, is shown.
fn of_api<'c>(call: &'c Call<'c>, record: &'c EndpointRecord) -> Option<ListedEndpoint<'c>> {
    listed(call, record).filter(|_| is_here(call, record))
}

/// A record as it is listed now, whoever owns it; `None` for one that is not listed any more.
pub(super) fn listed<'c>(call: &'c Call<'c>, record: &'c EndpointRecord) -> Option<ListedEndpoint<'c>> {
    let state = record.state(call.now, call.settings)?;
    let service = call.model.endpoint(record.id).map(|endpoint| Cow::Borrowed(call.model.service(endpoint)));
    Some(ListedEndpoint::new(call, Cow::Borrowed(record), state, record.suffix(), service))
}

/// An endpoint of a file as a record: what files do not say is as EC2 would have chosen it.
fn of_file<'c>(call: &'c Call<'c>, endpoint: &'c model::Endpoint) -> Option<ListedEndpoint<'c>> {
    let service = call.model.service(endpoint);
    let has = |v6: bool| endpoint.interfaces.iter().any(|i| i.addresses().any(|address| address.is_ipv6() == v6));
    let record = EndpointRecord {
        id: endpoint.id,
        owner: call.caller.account.clone(),
        vpc: endpoint.vpc,
        service: service.service_name.clone(),
        kind: if service.own_names.is_empty() { EndpointType::Interface } else { EndpointType::Resource },
        phase: match endpoint.state {
            State::PendingAcceptance => Phase::Requested,
            State::Rejected => Phase::Rejected,
            State::Deleting | State::Deleted => Phase::Deleted,
            _ => Phase::Accepted,
        },
        phase_since: UnixMillis(0),
        created: call.settings.began.into(),
        private_dns_enabled: endpoint.private_dns_enabled(),
        ip_address_type: match (has(false), has(true)) {
            (true, true) => IpAddressType::Dualstack,
            (false, true) => IpAddressType::Ipv6,
            _ => IpAddressType::Ipv4,
        },
        dns_record_ip_type: endpoint.record_ip_type,
        inbound_resolver_only: endpoint.inbound_resolver_only(),
        policy: None,
        security_groups: vec![default_group_id(call.state, endpoint.vpc)],
        interfaces: endpoint
            .interfaces
            .iter()
            .map(|i| InterfaceRecord { id: i.id, subnet: i.subnet, ipv4: i.ipv4(), ipv6: i.ipv6() })
            .collect(),
        route_tables: Vec::new(),
        service_region: None,
        lattice: None,
        own_names: OwnNames::default(),
        tags: Tags::new(),
    };
    let (state, suffix, service) = (endpoint.state, endpoint.suffix, Some(Cow::Borrowed(service)));
    is_here(call, &record).then(|| ListedEndpoint::new(call, Cow::Owned(record), state, suffix, service))
}

/// Ids and names of security groups: those that nobody made are the ones that VPCs come with.
pub(super) fn group_names<'c>(
    call: &'c Call<'_>,
    groups: &'c [String],
) -> impl Iterator<Item = (String, String)> + use<'c> {
    let state = call.state;
    let name = |id: &String| state.security_group(id).map_or("default", |group| group.name.as_str()).to_owned();
    groups.iter().map(move |id| (id.clone(), name(id)))
}

fields! {
    impl ListedEndpoint<'_> as it {
        "vpcEndpointId" ["vpc-endpoint-id"] = Values::of(it.record.id);
        "vpcEndpointType" ["vpc-endpoint-type"] = it.record.kind.as_str();
        "vpcId" ["vpc-id"] = Values::of(it.record.vpc);
        "serviceName" ["service-name"] = it.service_name();
        "resourceConfigurationArn" = it.leads_to(EndpointType::Resource);
        "serviceNetworkArn" = it.leads_to(EndpointType::ServiceNetwork);
        "state" ["vpc-endpoint-state"] = it.state.as_str();
        "policyDocument" = it.policy();
        "routeTableIdSet[]" = Values::of_each(&it.record.route_tables);
        "subnetIdSet[]" = Values::of_each(it.record.interfaces.iter().map(|interface| interface.subnet));
        "groupSet[].groupId" = Values::of_each(&it.record.security_groups);
        "groupSet[].groupName" = Values::of_each(group_names(it.call, &it.record.security_groups).map(|(_, name)| name));
        "ipAddressType" ["ip-address-type"] = it.of_interface(it.record.ip_address_type.as_str());
        "dnsOptions.dnsRecordIpType" = it.of_interface(it.record.dns_record_ip_type.as_str());
        "dnsOptions.privateDnsOnlyForInboundResolverEndpoint" = it.inbound_resolver_only();
        "dnsOptions.privateDnsPreference" = it.record.lattice.as_ref().and_then(|target| target.preference.as_deref());
        "dnsOptions.privateDnsSpecifiedDomainSet[]" = Values::of_any(it.record.lattice.iter().flat_map(|target| &target.domains));
        "privateDnsEnabled" = it.record.private_dns_enabled;
        "requesterManaged" = false;
        "networkInterfaceIdSet[]" = Values::of_each(it.record.interfaces.iter().map(|interface| interface.id));
        "dnsEntrySet[].dnsName" = it.dns_names();
        "dnsEntrySet[].hostedZoneId" = it.dns_zones();
        "creationTimestamp" = timestamp(it.record.created);
        "tagSet" ["tag", "tag-key"] = &it.record.tags;
        "ownerId" = &it.record.owner;
        "serviceRegion" ["service-region"] = it.service_region();
    }
}

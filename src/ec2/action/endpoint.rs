//! Endpoints: what one is to a caller, and how it is written. The actions are in the files below.

mod address;
mod check;
mod create;
mod delete;
mod describe;
mod modify;

use std::borrow::Cow;
use std::collections::HashSet;

use crate::dns::DnsName;
use crate::ec2::call::{Action, Call, default_group_id, parse_id, timestamp};
use crate::ec2::error::ApiError;
use crate::ec2::record::{Endpoint, EndpointType, Interface, Phase, Tags};
use crate::ec2::xml::Xml;
use crate::model::{self, State};
use crate::naming::{EndpointId, Service, Suffix, ZoneName, endpoint_names, hidden_zone_id, public_hosted_zone_id};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateVpcEndpoint", writes: true, idempotent: true, run: create::run },
    Action { name: "DescribeVpcEndpoints", writes: false, idempotent: false, run: describe::run },
    Action { name: "ModifyVpcEndpoint", writes: true, idempotent: false, run: modify::run },
    Action { name: "DeleteVpcEndpoints", writes: true, idempotent: false, run: delete::run },
];

/// The policy of an endpoint that was given none, octet for octet as EC2 prints it (PrivateLink guide; AWS CLI examples).
const INTERFACE_POLICY: &str = "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n      \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}";
const GATEWAY_POLICY: &str = "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}";

/// An endpoint as it is listed.
pub(super) struct Listed<'a> {
    pub(super) record: Cow<'a, Endpoint>,
    pub(super) state: State,
    suffix: Suffix,
    /// Whence its names come; `None` where it has none.
    service: Option<Cow<'a, Service>>,
}

/// A name of an endpoint, and the hosted zone that has it where AWS's id of that is known.
pub(super) type DnsEntry = (DnsName, Option<Cow<'static, str>>);

impl Listed<'_> {
    /// The names that answer now, in EC2's order: regional, zonal, private.
    pub(super) fn dns_entries(&self, call: &Call<'_>) -> Vec<DnsEntry> {
        let record = &*self.record;
        let Some(service) = self.service.as_deref() else { return Vec::new() };
        if !self.state.is_served() || record.interfaces.is_empty() {
            return Vec::new();
        }
        let zones: Vec<ZoneName> =
            record.interfaces.iter().filter_map(|i| Some(call.subnet(i.subnet)?.zone.clone())).collect();
        let Some(names) = endpoint_names(record.id, self.suffix, service, &zones) else { return Vec::new() };
        // the hidden zones are there while the VPC has both attributes (PrivateLink guide, "Private DNS")
        let vpc = call.vpc(record.vpc).filter(|vpc| vpc.enable_dns_support && vpc.enable_dns_hostnames);
        let has_private = record.private_dns_enabled && vpc.is_some();
        let public = public_hosted_zone_id(service.region.as_ref().unwrap_or(&call.caller.region)).map(Cow::Borrowed);
        let entry = |name: &DnsName| {
            if !names.private.contains(name) {
                return (name.clone(), public.clone());
            }
            let apex = if name.is_wildcard() { name.parent() } else { None };
            let zone = hidden_zone_id(record.id, apex.as_ref().unwrap_or(name));
            (name.clone(), Some(Cow::Owned(zone)))
        };
        names.dns_entries().filter(|name| has_private || !names.private.contains(name)).map(entry).collect()
    }
}

/// The endpoint with this id as the caller sees it.
pub(super) fn find<'c>(call: &'c Call<'_>, id: EndpointId) -> Option<Listed<'c>> {
    match call.state.endpoint(id) {
        Some(record) => of_api(call, record),
        None => call.model.endpoint(id).and_then(|endpoint| of_file(call, endpoint)),
    }
}

/// The endpoint that a call names, or EC2's error for one that is not there.
pub(super) fn need<'c>(call: &'c Call<'_>, id: &str) -> Result<Listed<'c>, ApiError> {
    let parsed = parse_id(id, "InvalidVpcEndpointId.Malformed", EndpointId::PREFIX)?;
    find(call, parsed).ok_or_else(|| {
        ApiError::new("InvalidVpcEndpointId.NotFound", format!("The Vpc Endpoint Id '{id}' does not exist"))
    })
}

/// Every endpoint that the caller sees, by id, from the one behind `after` on.
///
/// What is more than an id is looked up when the iterator comes to it, so that a page costs its own length and a look at
/// each id.
pub(super) fn all<'c>(call: &'c Call<'_>, after: Option<&str>) -> impl Iterator<Item = Listed<'c>> {
    let of_api: HashSet<EndpointId> = call.state.endpoints().map(|record| record.id).collect();
    let of_files = call.model.endpoints().map(|endpoint| endpoint.id).filter(|id| !of_api.contains(id));
    let ids = of_api.iter().copied().chain(of_files).map(|id| (id.to_string(), id));
    let mut ids: Vec<(String, EndpointId)> =
        ids.filter(|(text, _)| after.is_none_or(|after| text.as_str() > after)).collect();
    ids.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    ids.into_iter().filter_map(|(_, id)| find(call, id))
}

fn is_here(call: &Call<'_>, record: &Endpoint) -> bool {
    call.sees(&record.owner) && call.vpc(record.vpc).is_some_and(|vpc| vpc.region == call.caller.region)
}

/// A record as its owner is shown it now; `None` for one that no caller, or not this one, is shown.
fn of_api<'c>(call: &'c Call<'_>, record: &'c Endpoint) -> Option<Listed<'c>> {
    listed(call, record).filter(|_| is_here(call, record))
}

/// A record as it is listed now, whoever owns it; `None` for one that is not listed any more.
pub(super) fn listed<'c>(call: &'c Call<'_>, record: &'c Endpoint) -> Option<Listed<'c>> {
    let state = record.state(call.now, call.settings)?;
    let service = call.model.endpoint(record.id).map(|endpoint| Cow::Borrowed(call.model.service(endpoint)));
    Some(Listed { record: Cow::Borrowed(record), state, suffix: Suffix::derive(record.id), service })
}

/// An endpoint of a file as a record: what files do not say is as EC2 would have chosen it.
fn of_file<'c>(call: &'c Call<'_>, endpoint: &'c model::Endpoint) -> Option<Listed<'c>> {
    let service = call.model.service(endpoint);
    let has = |v6: bool| endpoint.interfaces.iter().any(|i| i.addresses().any(|address| address.is_ipv6() == v6));
    let record = Endpoint {
        id: endpoint.id,
        owner: call.caller.account.clone(),
        vpc: endpoint.vpc,
        service: service.service_name.clone(),
        kind: EndpointType::Interface,
        phase: match endpoint.state {
            State::PendingAcceptance => Phase::Requested,
            State::Rejected => Phase::Rejected,
            State::Deleting | State::Deleted => Phase::Deleted,
            _ => Phase::Accepted,
        },
        phase_since: 0,
        created: 0,
        private_dns_enabled: endpoint.private_dns_enabled(),
        ip_address_type: match (has(false), has(true)) {
            (true, true) => "dualstack".to_owned(),
            (false, true) => "ipv6".to_owned(),
            _ => "ipv4".to_owned(),
        },
        dns_record_ip_type: endpoint.record_ip_type.to_string(),
        inbound_resolver_only: endpoint.inbound_resolver_only(),
        policy: None,
        security_groups: vec![default_group_id(endpoint.vpc)],
        interfaces: endpoint
            .interfaces
            .iter()
            .map(|i| Interface { id: i.id, subnet: i.subnet, ipv4: i.ipv4(), ipv6: i.ipv6() })
            .collect(),
        route_tables: Vec::new(),
        tags: Tags::new(),
    };
    is_here(call, &record).then_some(Listed {
        record: Cow::Owned(record),
        state: endpoint.state,
        suffix: endpoint.suffix,
        service: Some(Cow::Borrowed(service)),
    })
}

/// `<dnsEntrySet>`
pub(super) fn write_dns_entries(xml: &mut Xml, call: &Call<'_>, listed: &Listed<'_>) {
    xml.list("dnsEntrySet", listed.dns_entries(call), |xml, (name, zone)| {
        xml.text("dnsName", name);
        xml.optional("hostedZoneId", zone);
    });
}

/// The names of security groups: those that nobody made are the ones that VPCs come with.
pub(super) fn write_groups(xml: &mut Xml, call: &Call<'_>, groups: &[String]) {
    xml.list("groupSet", groups, |xml, id| {
        xml.text("groupId", id);
        xml.text("groupName", call.state.security_group(id).map_or("default", |group| group.name.as_str()));
    });
}

fn write(xml: &mut Xml, call: &Call<'_>, listed: &Listed<'_>) {
    let record = &*listed.record;
    let is_interface = record.kind == EndpointType::Interface;
    xml.text("vpcEndpointId", record.id);
    xml.text("vpcEndpointType", record.kind.as_str());
    xml.text("vpcId", record.vpc);
    xml.text("serviceName", &record.service);
    xml.text("state", listed.state);
    let default = if is_interface { INTERFACE_POLICY } else { GATEWAY_POLICY };
    xml.text("policyDocument", record.policy.as_deref().unwrap_or(default));
    xml.texts("routeTableIdSet", &record.route_tables);
    xml.texts("subnetIdSet", record.interfaces.iter().map(|interface| interface.subnet));
    write_groups(xml, call, &record.security_groups);
    if is_interface {
        xml.text("ipAddressType", &record.ip_address_type);
        xml.element("dnsOptions", |xml| {
            xml.text("dnsRecordIpType", &record.dns_record_ip_type);
            // only services that have gateways too know this option (S3 guide, "Private DNS")
            if record.private_dns_enabled && super::offer::has_gateway(&record.service) {
                xml.text("privateDnsOnlyForInboundResolverEndpoint", record.inbound_resolver_only);
            }
        });
    }
    xml.text("privateDnsEnabled", record.private_dns_enabled);
    xml.text("requesterManaged", false);
    xml.texts("networkInterfaceIdSet", record.interfaces.iter().map(|interface| interface.id));
    write_dns_entries(xml, call, listed);
    if record.created > 0 {
        xml.text("creationTimestamp", timestamp(record.created));
    }
    super::tags::write(xml, &record.tags);
    xml.text("ownerId", &record.owner);
    xml.text("serviceRegion", &call.caller.region);
}

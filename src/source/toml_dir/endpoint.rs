//! `[[vpc_endpoint]]` and `[[vpc_endpoint_service]]`.

use crate::dns::DnsName;
use crate::model::{
    EndpointInput, EndpointOverlayInput, GivenNames, InterfaceInput, Mode, Object, RecordIpType, ServiceInput, State,
};
use crate::problem::At;

use super::super::doc::DocNode;
use super::super::reader::{Fields, Keys, Reader};
use super::super::values::one_of;
use super::BrokenTable;

pub(super) const ENDPOINT_KEYS: &[&str] = &[
    "vpc_endpoint_id",
    "vpc_endpoint_type",
    "vpc_id",
    "service_name",
    "service_region",
    "private_dns_enabled",
    "private_dns_only_for_inbound_resolver_endpoint",
    "private_dns_mode",
    "private_dns_names",
    "state",
    "dns_suffix",
    "dns_record_ip_type",
    "network_interfaces",
];

pub(super) const SERVICE_KEYS: &[&str] =
    &["service_name", "base_endpoint_dns_name", "private_dns_names", "availability_zones"];

const INTERFACE_KEYS: &[&str] = &["network_interface_id", "subnet_id", "private_ip_address", "ipv6_address"];

/// Types of endpoint that EC2 has; only the first has names that lead to network interfaces.
const TYPES: &[&str] = &["Interface", "Gateway", "GatewayLoadBalancer"];

pub(super) fn endpoint(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    if !is_interface(reader, fields)? {
        return Ok(None);
    }
    let is_whole = ENDPOINT_KEYS.iter().any(|key| fields.has(key) && !OVERLAY_KEYS.contains(key));
    if !is_whole && (fields.has("private_dns_mode") || fields.has("private_dns_names")) {
        return overlay(reader, fields);
    }
    let vpc_endpoint_id = fields.required(reader, "vpc_endpoint_id");
    let vpc_id = fields.required(reader, "vpc_id");
    let service_name = fields.required(reader, "service_name");
    let service_region = fields.optional(reader, "service_region").map(Box::new);
    let private_dns_enabled = fields.flag(reader, "private_dns_enabled");
    let inbound_resolver_only = fields.flag(reader, "private_dns_only_for_inbound_resolver_endpoint");
    let mode = fields.optional(reader, "private_dns_mode");
    // the endpoint's own list in place of its service's
    let given_names =
        names(reader, fields).map(|names| Box::new(GivenNames { private: Some(names), ..GivenNames::none() }));
    let state = fields.optional(reader, "state");
    let dns_suffix = fields.optional(reader, "dns_suffix");
    let dns_record_ip_type = fields.optional(reader, "dns_record_ip_type");
    let nodes = fields.items(reader, "network_interfaces");
    // the inputs of a load are all in memory at once
    let mut network_interfaces = Vec::with_capacity(nodes.len());
    network_interfaces.extend(nodes.iter().filter_map(|node| interface(reader, node)));
    let (Some(vpc_endpoint_id), Some(vpc_id), Some(service_name)) = (vpc_endpoint_id, vpc_id, service_name) else {
        return Err(BrokenTable);
    };
    Ok(Some(Object::Endpoint(EndpointInput {
        vpc_endpoint_id,
        vpc_id,
        service_name,
        service_region,
        private_dns_enabled,
        inbound_resolver_only: inbound_resolver_only.is_some_and(|flag| flag.value),
        state: state.map_or(State::Available, |state| state.value),
        dns_suffix,
        dns_record_ip_type: dns_record_ip_type.map_or(RecordIpType::Ipv4, |kind| kind.value),
        private_dns_mode: mode.map_or(Mode::Apex, |mode| mode.value),
        given_names,
        network_interfaces,
    })))
}

/// Keys of a table that lies over an endpoint of another source, such as the output of `describe-vpc-endpoints`.
const OVERLAY_KEYS: [&str; 3] = ["vpc_endpoint_id", "private_dns_mode", "private_dns_names"];

fn overlay(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let vpc_endpoint_id = fields.required(reader, "vpc_endpoint_id");
    let private_dns_mode: Option<At<Mode>> = fields.optional(reader, "private_dns_mode");
    let private_dns_names = names(reader, fields);
    Ok(Some(Object::EndpointOverlay(EndpointOverlayInput {
        vpc_endpoint_id: vpc_endpoint_id.ok_or(BrokenTable)?,
        private_dns_mode: private_dns_mode.map(|mode| mode.value),
        private_dns_names,
    })))
}

fn names(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Vec<DnsName>> {
    let node = fields.node(reader, "private_dns_names")?;
    Some(reader.values(node).into_iter().map(|name| name.value).collect())
}

/// Whether the endpoint is of the type that has names; another type is said to have none.
fn is_interface(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<bool, BrokenTable> {
    let Some(node) = fields.node(reader, "vpc_endpoint_type") else { return Ok(true) };
    let text = reader.text(node).ok_or(BrokenTable)?;
    match TYPES.iter().find(|known| known.eq_ignore_ascii_case(text)) {
        Some(&"Interface") => Ok(true),
        Some(kind) => {
            let what = format!("a {kind} endpoint has no DNS names: it is left out");
            reader.warning(node.at, what, "take it out of the file, or make it an Interface endpoint");
            Ok(false)
        }
        None => {
            reader.error(node.at, format!("'{text}' is not an endpoint type"), one_of(text, TYPES));
            Err(BrokenTable)
        }
    }
}

fn interface(reader: &mut Reader<'_>, node: &DocNode<'_>) -> Option<InterfaceInput> {
    let fields = reader.table(node, "a network interface", Keys::Only(INTERFACE_KEYS))?;
    let network_interface_id = fields.required(reader, "network_interface_id");
    let subnet_id = fields.required(reader, "subnet_id");
    let private_ip_address = fields.optional(reader, "private_ip_address");
    let ipv6_address = fields.optional(reader, "ipv6_address");
    if !fields.has("private_ip_address") && !fields.has("ipv6_address") {
        fields.missing(reader, "private_ip_address", "10.0.1.17");
    }
    Some(InterfaceInput {
        availability_zone: None,
        network_interface_id: network_interface_id?,
        subnet_id: subnet_id?,
        private_ip_address,
        ipv6_address,
        is_anywhere: false,
    })
}

pub(super) fn service(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let service_name = fields.required(reader, "service_name");
    let base_endpoint_dns_name = fields.optional(reader, "base_endpoint_dns_name");
    // an empty list says that there are none; no list leaves them to the catalogue
    let private_dns_names = fields.node(reader, "private_dns_names").map(|node| reader.values(node));
    let availability_zones = fields.list(reader, "availability_zones");
    let Some(service_name) = service_name else { return Err(BrokenTable) };
    Ok(Some(Object::Service(ServiceInput {
        service_name,
        base_endpoint_dns_name,
        private_dns_names,
        availability_zones,
    })))
}

//! `[[vpc]]` and `[[subnet]]`.

use std::sync::Arc;

use ipnet::IpNet;

use crate::model::{Object, SubnetInput, VpcInput, VpcOverlayInput, ZoneAffinity};
use crate::naming::{Region, is_known_region, known_regions};
use crate::problem::{At, nearest};

use super::super::doc::Value;
use super::super::reader::{Fields, Reader, distinct};
use super::super::values::Text;
use super::BrokenTable;

pub(super) const VPC_KEYS: &[&str] = &[
    "vpc_id",
    "region",
    "cidr_blocks",
    "enable_dns_support",
    "enable_dns_hostnames",
    "listeners",
    "clients",
    "autodefined_reverse",
    "dnssec_validation",
    "availability_zone_affinity",
    "owner_id",
];

pub(super) const SUBNET_KEYS: &[&str] =
    &["subnet_id", "vpc_id", "availability_zone", "cidr_block", "ipv6_cidr_block", "enable_dns64"];

pub(super) fn vpc(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    if !fields.has("region") && !fields.has("cidr_blocks") && OVERLAY_KEYS.iter().any(|key| fields.has(key)) {
        return vpc_overlay(reader, fields);
    }
    let vpc_id = fields.required(reader, "vpc_id");
    let region = fields.required(reader, "region");
    warn_of_region(reader, region.as_ref());
    let cidr_blocks = vpc_blocks(reader, fields);
    // the defaults of EC2: CreateVpc leaves host names off
    let enable_dns_support = fields.flag(reader, "enable_dns_support").is_none_or(|flag| flag.value);
    let enable_dns_hostnames = fields.flag(reader, "enable_dns_hostnames").is_some_and(|flag| flag.value);
    let listeners = fields.list(reader, "listeners");
    distinct(reader, &listeners);
    let clients = fields.list(reader, "clients");
    distinct(reader, &clients);
    let autodefined_reverse = fields.flag(reader, "autodefined_reverse").is_none_or(|flag| flag.value);
    // ResolverDnssecConfig: a VPC is not validated until it is said to be
    let dnssec_validation = fields.flag(reader, "dnssec_validation").is_some_and(|flag| flag.value);
    let zone_affinity = fields.optional(reader, "availability_zone_affinity").map(|said: At<ZoneAffinity>| said.value);
    let owner = fields.optional(reader, "owner_id").map(|said: At<Arc<str>>| said.value);
    let (Some(vpc_id), Some(region)) = (vpc_id, region) else { return Err(BrokenTable) };
    Ok(Some(Object::Vpc(VpcInput {
        vpc_id,
        owner,
        region,
        cidr_blocks,
        enable_dns_support,
        enable_dns_hostnames,
        listeners,
        clients,
        autodefined_reverse,
        dnssec_validation,
        zone_affinity,
    })))
}

/// Keys that may lie over a VPC of another source, such as the output of `describe-vpcs`.
const OVERLAY_KEYS: [&str; 7] = [
    "listeners",
    "clients",
    "enable_dns_support",
    "enable_dns_hostnames",
    "autodefined_reverse",
    "dnssec_validation",
    "availability_zone_affinity",
];

fn vpc_overlay(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let vpc_id = fields.required(reader, "vpc_id");
    let listeners = fields.list(reader, "listeners");
    distinct(reader, &listeners);
    let clients = fields.list(reader, "clients");
    distinct(reader, &clients);
    let mut flag = |key| fields.flag(reader, key).map(|flag| flag.value);
    let (enable_dns_support, enable_dns_hostnames) = (flag("enable_dns_support"), flag("enable_dns_hostnames"));
    let (autodefined_reverse, dnssec_validation) = (flag("autodefined_reverse"), flag("dnssec_validation"));
    let zone_affinity = fields.optional(reader, "availability_zone_affinity").map(|said: At<ZoneAffinity>| said.value);
    Ok(Some(Object::VpcOverlay(VpcOverlayInput {
        vpc_id: vpc_id.ok_or(BrokenTable)?,
        listeners,
        clients,
        enable_dns_support,
        enable_dns_hostnames,
        autodefined_reverse,
        dnssec_validation,
        zone_affinity,
    })))
}

fn vpc_blocks(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<At<IpNet>> {
    let Some(node) = fields.node(reader, "cidr_blocks") else {
        fields.missing_with(reader, "cidr_blocks", "add cidr_blocks = [\"10.0.0.0/16\"]");
        return vec![];
    };
    let items = reader.array(node);
    if items.is_empty() && matches!(node.value, Value::Array(_)) {
        reader.error(node.at, "a VPC has at least one CIDR block", "such as cidr_blocks = [\"10.0.0.0/16\"]");
    }
    items.iter().filter_map(|item| reader.value(item)).collect()
}

pub(super) fn subnet(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let subnet_id = fields.required(reader, "subnet_id");
    let vpc_id = fields.required(reader, "vpc_id");
    let availability_zone = fields.required(reader, "availability_zone");
    let ipv4 = block(reader, fields, "cidr_block", |net| matches!(net, IpNet::V4(_)));
    let ipv6 = block(reader, fields, "ipv6_cidr_block", |net| matches!(net, IpNet::V6(_)));
    // a subnet without IPv4 is one that is IPv6 only
    if !fields.has("cidr_block") && !fields.has("ipv6_cidr_block") {
        fields.missing(reader, "cidr_block", "10.0.1.0/24");
    }
    let (Some(subnet_id), Some(vpc_id), Some(availability_zone)) = (subnet_id, vpc_id, availability_zone) else {
        return Err(BrokenTable);
    };
    let cidr_blocks = ipv4.into_iter().chain(ipv6).collect();
    let enable_dns64 = fields.flag(reader, "enable_dns64").is_some_and(|flag| flag.value);
    Ok(Some(Object::Subnet(SubnetInput { subnet_id, vpc_id, availability_zone, cidr_blocks, enable_dns64 })))
}

/// A CIDR block of one address family.
fn block(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str, fits: fn(&IpNet) -> bool) -> Option<At<IpNet>> {
    let block: At<IpNet> = fields.optional(reader, key)?;
    if fits(&block.value) {
        return Some(block);
    }
    let (family, other) = if key == "cidr_block" { ("IPv4", "ipv6_cidr_block") } else { ("IPv6", "cidr_block") };
    let what = format!("'{}' is not an {family} block", block.value);
    reader.error_at(block.place, what, format!("{other} takes it; {key} is such as {}", example(key)));
    None
}

fn example(key: &str) -> &'static str {
    if key == "cidr_block" { IpNet::EXAMPLE } else { "2600:1f18::/64" }
}

/// A region that opened after this was written is served: its names follow the same rules.
fn warn_of_region(reader: &mut Reader<'_>, region: Option<&At<Region>>) {
    if let Some(at) = region.filter(|at| !is_known_region(at.value.as_str())) {
        let hint = match nearest(at.value.as_str(), known_regions().iter().map(|known| known.code)) {
            Some(known) => format!("did you mean '{known}'? If it is a new region, all is well"),
            None => "if it is a new region, all is well".to_owned(),
        };
        reader.warning_at(at.place.clone(), format!("'{}' is not a region that is known", at.value), hint);
    }
}

//! Items of `describe-vpcs`, `describe-vpc-attribute`, `describe-subnets` and `describe-network-interfaces`.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::naming::{InterfaceId, Region, SubnetId, VpcId, ZoneName};
use crate::problem::{At, Place};

use super::super::reader::{Fields, Keys, Reader};
use super::super::values::region_within;

/// Which output an object came from: one output is of one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OutputId {
    /// The file's number.
    pub(super) file: u32,
    /// The output's place in it.
    pub(super) index: u32,
}

/// A member of `Vpcs`.
pub(super) struct Vpc {
    pub(super) place: Place,
    pub(super) output: OutputId,
    pub(super) id: At<VpcId>,
    /// No output of AWS has it; tools that merge regions add it.
    pub(super) region: Option<At<Region>>,
    pub(super) cidr_blocks: Vec<At<IpNet>>,
}

/// What one output of `describe-vpc-attribute` says.
pub(super) struct Attributes {
    pub(super) vpc_id: At<VpcId>,
    pub(super) enable_dns_support: Option<At<bool>>,
    pub(super) enable_dns_hostnames: Option<At<bool>>,
}

/// A member of `Subnets`.
pub(super) struct Subnet {
    pub(super) place: Place,
    pub(super) id: At<SubnetId>,
    pub(super) vpc_id: At<VpcId>,
    pub(super) zone: At<ZoneName>,
    pub(super) cidr_blocks: Vec<At<IpNet>>,
    /// Out of its ARN.
    pub(super) region: Option<Region>,
}

/// A member of `NetworkInterfaces`. Most are not of endpoints, so all but the id may be missing.
pub(super) struct Interface {
    pub(super) id: At<InterfaceId>,
    pub(super) subnet_id: Option<At<SubnetId>>,
    pub(super) vpc_id: Option<At<VpcId>>,
    pub(super) zone: Option<At<ZoneName>>,
    pub(super) ipv4: Option<At<Ipv4Addr>>,
    pub(super) ipv6: Option<At<Ipv6Addr>>,
}

pub(super) fn vpc(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, output: OutputId) -> Option<Vpc> {
    let before = reader.errors();
    let id = fields.required(reader, "VpcId");
    let region = fields.optional(reader, "Region");
    // the 2016 shape has the one block alone; later ones repeat it in the list
    let mut cidr_blocks = blocks(reader, fields, "CidrBlockAssociationSet", "CidrBlock", "CidrBlockState");
    let primary = fields.optional(reader, "CidrBlock");
    if !primary.as_ref().is_some_and(|primary| cidr_blocks.iter().any(|block| block.value == primary.value)) {
        cidr_blocks.splice(0..0, primary);
    }
    cidr_blocks.extend(ipv6_blocks(reader, fields));
    let place = reader.place(fields.at);
    (reader.errors() == before).then_some(())?;
    Some(Vpc { place, output, id: id?, region, cidr_blocks })
}

pub(super) fn attributes(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Attributes> {
    let vpc_id = fields.required(reader, "VpcId");
    let enable_dns_support = attribute(reader, fields, "EnableDnsSupport");
    let enable_dns_hostnames = attribute(reader, fields, "EnableDnsHostnames");
    Some(Attributes { vpc_id: vpc_id?, enable_dns_support, enable_dns_hostnames })
}

/// `{"Value": true}`
fn attribute(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> Option<At<bool>> {
    let node = fields.node(reader, key)?;
    reader.table(node, "an attribute", Keys::Any)?.flag(reader, "Value")
}

pub(super) fn subnet(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Subnet> {
    let before = reader.errors();
    let id = fields.required(reader, "SubnetId");
    let vpc_id = fields.required(reader, "VpcId");
    let zone = fields.required(reader, "AvailabilityZone");
    // an IPv6-only subnet has no IPv4 block
    let ipv4 =
        fields.peek("CidrBlock").filter(|text| !text.is_empty()).and_then(|_| fields.optional(reader, "CidrBlock"));
    let cidr_blocks = ipv4.into_iter().chain(ipv6_blocks(reader, fields)).collect();
    let region = fields.peek("SubnetArn").and_then(region_within);
    let place = reader.place(fields.at);
    (reader.errors() == before).then_some(())?;
    Some(Subnet { place, id: id?, vpc_id: vpc_id?, zone: zone?, cidr_blocks, region })
}

fn ipv6_blocks(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<At<IpNet>> {
    blocks(reader, fields, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", "Ipv6CidrBlockState")
}

/// The blocks of an association list that are, or are about to be, in use.
fn blocks(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, set: &str, key: &str, state: &str) -> Vec<At<IpNet>> {
    let mut blocks = vec![];
    for item in fields.items(reader, set) {
        let Some(item) = reader.table(item, "a CIDR block association", Keys::Any) else { continue };
        let state = item.node(reader, state).and_then(|node| reader.table(node, "a CIDR block state", Keys::Any));
        let in_use =
            state.as_ref().and_then(|state| state.peek("State")).is_none_or(|state| state.starts_with("associat"));
        if in_use {
            blocks.extend(item.required(reader, key));
        }
    }
    blocks
}

pub(super) fn interface(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Interface> {
    let before = reader.errors();
    let id = fields.required(reader, "NetworkInterfaceId");
    let subnet_id = fields.optional(reader, "SubnetId");
    let vpc_id = fields.optional(reader, "VpcId");
    let zone = fields.optional(reader, "AvailabilityZone");
    let ipv4 = fields.optional(reader, "PrivateIpAddress");
    let mut ipv6 = None;
    if let [first, ..] = fields.items(reader, "Ipv6Addresses")
        && let Some(first) = reader.table(first, "an IPv6 address", Keys::Any)
    {
        ipv6 = first.optional(reader, "Ipv6Address");
    }
    if ipv6.is_none() {
        ipv6 = fields.optional(reader, "Ipv6Address");
    }
    (reader.errors() == before).then_some(())?;
    Some(Interface { id: id?, subnet_id, vpc_id, zone, ipv4, ipv6 })
}

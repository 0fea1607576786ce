//! Subnets.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;

use super::{region, vpc};
use crate::ec2::call::{Action, Call, Done, new_id, parse_id};
use crate::ec2::error::ApiError;
use crate::ec2::filter::{Filters, Page};
use crate::ec2::params::Params;
use crate::ec2::record::{Record, Subnet, Vpc};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::Key;
use crate::naming::{Region, SubnetId, ZoneName, partition_of};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateSubnet", writes: true, idempotent: false, run: create },
    Action { name: "DescribeSubnets", writes: false, idempotent: false, run: describe },
    Action { name: "DeleteSubnet", writes: true, idempotent: false, run: delete },
];

const FILTERS: &[&str] = &[
    "availability-zone",
    "availability-zone-id",
    "available-ip-address-count",
    "cidr-block",
    "customer-owned-ipv4-pool",
    "default-for-az",
    "enable-dns64",
    "enable-lni-at-device-index",
    "ipv6-cidr-block-association.ipv6-cidr-block",
    "ipv6-cidr-block-association.association-id",
    "ipv6-cidr-block-association.state",
    "ipv6-native",
    "map-customer-owned-ip-on-launch",
    "map-public-ip-on-launch",
    "outpost-arn",
    "owner-id",
    "private-dns-name-options-on-launch.hostname-type",
    "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
    "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
    "state",
    "subnet-arn",
    "subnet-id",
    "tag",
    "tag-key",
    "vpc-id",
];

/// The code for a block that a subnet cannot have.
const BAD_RANGE: &str = "InvalidSubnet.Range";

/// Addresses of a subnet that nobody gets: the first four and the last (VPC guide, "Subnet CIDR reservations").
pub(super) const RESERVED_FIRST: u32 = 4;

/// A subnet as it is listed.
struct Listed<'a> {
    subnet: Cow<'a, Subnet>,
    region: Region,
    /// IPv4 addresses that are left.
    available: u32,
}

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let vpc = call.need_vpc(&params.required("VpcId")?)?;
    let native = params.flag("Ipv6Native")?.unwrap_or(false);
    let mut cidr_blocks = Vec::new();
    if !native {
        cidr_blocks
            .push(vpc::block(params, "CidrBlock", 16..=28, BAD_RANGE)?.ok_or_else(|| ApiError::missing("CidrBlock"))?);
    }
    // since 2024 subnets of IPv6 have other sizes than /64 (EC2 API Reference, CreateSubnet)
    match vpc::block(params, "Ipv6CidrBlock", 44..=64, BAD_RANGE)? {
        Some(block) => cidr_blocks.push(block),
        None if native => return Err(ApiError::missing("Ipv6CidrBlock")),
        None => {}
    }
    for block in &cidr_blocks {
        check_block(call, &vpc, block)?;
    }
    let subnet = Subnet {
        id: parse_id(&new_id(SubnetId::PREFIX), "InternalError", SubnetId::PREFIX)?,
        owner: call.caller.account.clone(),
        vpc: vpc.id,
        zone: zone(call, params)?,
        cidr_blocks,
        tags: super::tags::take(params, "subnet")?,
    };
    let listed = Listed { available: usable(&subnet), subnet: Cow::Owned(subnet.clone()), region: vpc.region.clone() };
    let mut answer = Xml::new();
    answer.element("subnet", |xml| write(xml, &listed));
    Ok(Done { edit: Edit::put([Record::Subnet(subnet)]), answer })
}

fn check_block(call: &Call<'_>, vpc: &Vpc, block: &IpNet) -> Result<(), ApiError> {
    let overlaps = |other: &IpNet| other.contains(block) || block.contains(other);
    let of_vpc = call.model.subnets().filter(|subnet| subnet.vpc_id == vpc.id);
    if of_vpc.flat_map(|subnet| &subnet.cidr_blocks).any(overlaps) {
        let message = format!("The CIDR '{block}' conflicts with another subnet");
        return Err(ApiError::new("InvalidSubnet.Conflict", message));
    }
    Ok(())
}

/// The zone that a call names, by name or id; else the first of the region.
fn zone(call: &Call<'_>, params: &mut Params) -> Result<ZoneName, ApiError> {
    let zones = region::zones(call, &call.caller.region);
    let (name, id) = (params.optional("AvailabilityZone"), params.optional("AvailabilityZoneId"));
    let chosen = zones.iter().find(|zone| {
        name.as_ref().is_none_or(|name| name == zone.as_str())
            && id.as_ref().is_none_or(|id| *id == region::zone_id(zone))
    });
    chosen.cloned().ok_or_else(|| {
        let (parameter, value) = match (name, id) {
            (Some(name), _) => ("availabilityZone", name),
            (None, id) => ("availabilityZoneId", id.unwrap_or_default()),
        };
        let all: Vec<&str> = zones.iter().map(ZoneName::as_str).collect();
        let expected =
            format!("Subnets can currently only be created in the following availability zones: {}.", all.join(", "));
        ApiError::value(value, parameter, expected)
    })
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("SubnetId");
    let filters = Filters::take(params, FILTERS, "InvalidParameterValue")?;
    let page = Page::take(params, 5)?;
    let chosen: BTreeMap<String, Cow<'_, Subnet>> = if ids.is_empty() {
        let all = call.model.subnets().filter_map(|subnet| call.subnet(subnet.subnet_id));
        all.filter(|subnet| call.lists_subnet(subnet)).map(|subnet| (subnet.id.to_string(), subnet)).collect()
    } else {
        ids.iter().map(|id| call.need_subnet(id).map(|subnet| (id.clone(), subnet))).collect::<Result<_, _>>()?
    };
    let mut used: HashMap<SubnetId, u32> = HashMap::new();
    for interface in call.model.endpoints().flat_map(|endpoint| &endpoint.interfaces) {
        if interface.ipv4().is_some() {
            *used.entry(interface.subnet).or_default() += 1;
        }
    }
    let all = chosen.into_values().map(|subnet| Listed {
        region: call.caller.region.clone(),
        available: usable(&subnet).saturating_sub(used.get(&subnet.id).copied().unwrap_or(0)),
        subnet,
    });
    let found = all.filter(|listed| filters.matches(&listed.subnet.tags, |name| values(listed, name)));
    let (found, next) = page.cut(found, |listed| listed.subnet.id.to_string());
    let mut answer = Xml::new();
    answer.optional("nextToken", next);
    answer.list("subnetSet", found, |xml, listed| write(xml, &listed));
    Ok(Done { answer, ..Done::default() })
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("SubnetId")?;
    let subnet = call.need_subnet(&id)?;
    call.owned(&Key::Subnet(subnet.id), subnet.id)?;
    let mut interfaces = call.model.endpoints().flat_map(|endpoint| &endpoint.interfaces);
    if interfaces.any(|interface| interface.subnet == subnet.id) {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", message));
    }
    Ok(Done::changed(Edit { remove: vec![id], ..Edit::default() }))
}

/// IPv4 addresses that interfaces of a subnet can have.
fn usable(subnet: &Subnet) -> u32 {
    let sizes = subnet.cidr_blocks.iter().filter_map(|block| match block {
        IpNet::V4(block) => Some(block.broadcast().to_bits() - block.network().to_bits()),
        IpNet::V6(_) => None,
    });
    // the last address is number `size`, as the first is number 0
    sizes.map(|size| size.saturating_sub(RESERVED_FIRST)).sum()
}

fn blocks(subnet: &Subnet, v6: bool) -> impl Iterator<Item = &IpNet> {
    subnet.cidr_blocks.iter().filter(move |block| matches!(block, IpNet::V6(_)) == v6)
}

fn is_native(subnet: &Subnet) -> bool {
    blocks(subnet, false).next().is_none()
}

fn arn(listed: &Listed<'_>) -> String {
    let Listed { subnet, region, .. } = listed;
    format!("arn:{}:ec2:{region}:{}:subnet/{}", partition_of(region).name, subnet.owner, subnet.id)
}

/// The id of the association of a subnet's IPv6 block: the same for ever.
fn association(subnet: &Subnet) -> String {
    subnet.id.to_string().replacen(SubnetId::PREFIX, "subnet-cidr-assoc-", 1)
}

/// What a subnet has under a filter's name.
fn values<'v>(listed: &'v Listed<'_>, filter: &str) -> Vec<Cow<'v, str>> {
    let subnet = &*listed.subnet;
    match filter {
        "availability-zone" => vec![subnet.zone.as_str().into()],
        "availability-zone-id" => vec![region::zone_id(&subnet.zone).into()],
        "available-ip-address-count" => vec![listed.available.to_string().into()],
        "cidr-block" => blocks(subnet, false).map(|block| block.to_string().into()).collect(),
        "ipv6-cidr-block-association.ipv6-cidr-block" => {
            blocks(subnet, true).map(|block| block.to_string().into()).collect()
        }
        "ipv6-cidr-block-association.association-id" => {
            blocks(subnet, true).map(|_| association(subnet).into()).collect()
        }
        "ipv6-cidr-block-association.state" => blocks(subnet, true).map(|_| "associated".into()).collect(),
        "ipv6-native" => vec![is_native(subnet).to_string().into()],
        "default-for-az"
        | "enable-dns64"
        | "map-customer-owned-ip-on-launch"
        | "map-public-ip-on-launch"
        | "private-dns-name-options-on-launch.enable-resource-name-dns-a-record"
        | "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record" => vec!["false".into()],
        "owner-id" => vec![subnet.owner.as_str().into()],
        "private-dns-name-options-on-launch.hostname-type" => vec!["ip-name".into()],
        "state" => vec!["available".into()],
        "subnet-arn" => vec![arn(listed).into()],
        "subnet-id" => vec![subnet.id.to_string().into()],
        "vpc-id" => vec![subnet.vpc.to_string().into()],
        _ => Vec::new(),
    }
}

fn write(xml: &mut Xml, listed: &Listed<'_>) {
    let subnet = &*listed.subnet;
    xml.text("availabilityZoneId", region::zone_id(&subnet.zone));
    xml.text("mapCustomerOwnedIpOnLaunch", false);
    xml.text("ownerId", &subnet.owner);
    xml.text("assignIpv6AddressOnCreation", false);
    xml.list("ipv6CidrBlockAssociationSet", blocks(subnet, true), |xml, block| {
        xml.text("associationId", association(subnet));
        xml.text("ipv6CidrBlock", block);
        xml.element("ipv6CidrBlockState", |xml| xml.text("state", "associated"));
    });
    super::tags::write(xml, &subnet.tags);
    xml.text("subnetArn", arn(listed));
    xml.text("enableDns64", false);
    xml.text("ipv6Native", is_native(subnet));
    xml.element("privateDnsNameOptionsOnLaunch", |xml| {
        xml.text("hostnameType", "ip-name");
        xml.text("enableResourceNameDnsARecord", false);
        xml.text("enableResourceNameDnsAAAARecord", false);
    });
    xml.text("subnetId", subnet.id);
    xml.text("state", "available");
    xml.text("vpcId", subnet.vpc);
    xml.optional("cidrBlock", blocks(subnet, false).next());
    xml.text("availableIpAddressCount", listed.available);
    xml.text("availabilityZone", &subnet.zone);
    xml.text("defaultForAz", false);
    xml.text("mapPublicIpOnLaunch", false);
}

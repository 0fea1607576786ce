//! Subnets.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;

use super::{region, vpc};
use crate::address::overlap;
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{StoredObject, SubnetAttributes, SubnetRecord, VpcRecord};
use crate::ec2::resolver_endpoint::ResolverEndpointRecord;
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::Key;
use crate::naming::{Region, SubnetId, VpcId, ZoneName, partition_of};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateSubnet", writes: true, idempotent: false, run: create },
    Action { name: "DescribeSubnets", writes: false, idempotent: false, run: describe },
    Action { name: "ModifySubnetAttribute", writes: true, idempotent: false, run: modify_attribute },
    Action { name: "DeleteSubnet", writes: true, idempotent: false, run: delete },
];

const LISTING: Listing = Listing { set: "subnetSet", bad_filter: "InvalidParameterValue", least: 5 };

/// The code for a block that a subnet cannot have.
const BAD_RANGE: &str = "InvalidSubnet.Range";

/// Addresses of a subnet that nobody gets: the first four and the last (VPC guide, "Subnet CIDR reservations").
pub(super) const RESERVED_FIRST: u32 = 4;

/// A subnet as it is listed.
struct ListedSubnet<'a> {
    subnet: Cow<'a, SubnetRecord>,
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
        check_block(call, vpc.id, block)?;
    }
    let tags = super::tags::take(params, "subnet")?;
    let subnet = SubnetRecord {
        id: super::tags::chosen_id(call, &tags, SubnetId::PREFIX)?.unwrap_or_else(|| SubnetId::of_bits(rand::random())),
        owner: call.caller.account.clone(),
        vpc: vpc.id,
        zone: zone(call, params)?,
        cidr_blocks,
        attributes: SubnetAttributes::default(),
        default_for_zone: false,
        tags,
    };
    Ok(made(&vpc, subnet))
}

/// The change and the answer of a call that makes this subnet.
pub(super) fn made(vpc: &VpcRecord, subnet: SubnetRecord) -> Done {
    let listed =
        ListedSubnet { available: usable(&subnet), subnet: Cow::Owned(subnet.clone()), region: vpc.region.clone() };
    let mut answer = Xml::new();
    answer.element("subnet", |xml| listed.write(xml));
    Done { edit: Edit::put([StoredObject::Subnet(subnet)]), answer }
}

/// An error if a subnet of the VPC has a part of the block.
pub(super) fn check_block(call: &Call<'_>, vpc: VpcId, block: &IpNet) -> Result<(), ApiError> {
    let of_vpc = call.model.subnets().filter(|subnet| subnet.vpc_id == vpc);
    if of_vpc.flat_map(|subnet| &subnet.cidr_blocks).any(|other| overlap(other, block)) {
        let message = format!("The CIDR '{block}' conflicts with another subnet");
        return Err(ApiError::new("InvalidSubnet.Conflict", message));
    }
    Ok(())
}

/// The zone that a call names, by name or id; else the first of the region.
pub(super) fn zone(call: &Call<'_>, params: &mut Params) -> Result<ZoneName, ApiError> {
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
    let chosen: BTreeMap<String, Cow<'_, SubnetRecord>> = if ids.is_empty() {
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
    for own in call.state.interfaces().filter(|own| own.interface.ipv4.is_some()) {
        *used.entry(own.interface.subnet).or_default() += 1;
    }
    let all = chosen.into_values().map(|subnet| ListedSubnet {
        region: call.caller.region.clone(),
        available: usable(&subnet).saturating_sub(used.get(&subnet.id).copied().unwrap_or(0)),
        subnet,
    });
    LISTING.answer(params, all, |listed| listed.subnet.id.to_string())
}

/// The values of `PrivateDnsHostnameTypeOnLaunch`.
const IP_NAME: &str = "ip-name";
const RESOURCE_NAME: &str = "resource-name";

fn modify_attribute(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let subnet = call.need_subnet(&params.required("SubnetId")?)?;
    call.owned(&Key::Subnet(subnet.id), subnet.id)?;
    let mut subnet = subnet.into_owned();
    let attributes = &mut subnet.attributes;
    let flags: [(&str, &mut bool); 5] = [
        ("MapPublicIpOnLaunch", &mut attributes.map_public_ip_on_launch),
        ("AssignIpv6AddressOnCreation", &mut attributes.assign_ipv6_address_on_creation),
        ("EnableDns64", &mut attributes.enable_dns64),
        ("EnableResourceNameDnsARecordOnLaunch", &mut attributes.resource_name_a),
        ("EnableResourceNameDnsAAAARecordOnLaunch", &mut attributes.resource_name_aaaa),
    ];
    let mut given = 0;
    for (name, attribute) in flags {
        let mut structure = params.structure(name);
        if let Some(value) = structure.flag("Value")? {
            *attribute = value;
            given += 1;
        }
        structure.finish()?;
    }
    if let Some(kind) = params.optional("PrivateDnsHostnameTypeOnLaunch") {
        if kind != IP_NAME && kind != RESOURCE_NAME {
            let expected = "Expected ip-name or resource-name.";
            return Err(ApiError::value(kind, "PrivateDnsHostnameTypeOnLaunch", expected));
        }
        attributes.resource_names = kind == RESOURCE_NAME;
        given += 1;
    }
    // "You can only modify one attribute at a time" (EC2 API Reference)
    if given != 1 {
        let message = "One attribute must be given, and only one.";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    Ok(Done::changed(Edit::put([StoredObject::Subnet(subnet)])))
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("SubnetId")?;
    let subnet = call.need_subnet(&id)?;
    call.owned(&Key::Subnet(subnet.id), subnet.id)?;
    let mut interfaces = call.model.endpoints().flat_map(|endpoint| &endpoint.interfaces);
    let is_used = interfaces.any(|interface| interface.subnet == subnet.id);
    let of_resolver = |endpoint: &ResolverEndpointRecord| endpoint.addresses.iter().any(|it| it.subnet == subnet.id);
    if is_used
        || call.state.interfaces().any(|own| own.interface.subnet == subnet.id)
        || call.state.resolver_endpoints().any(of_resolver)
    {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", message));
    }
    let put = super::route_table::without_subnet(call, subnet.id);
    Ok(Done::changed(Edit { put, remove: vec![id], ..Edit::default() }))
}

/// IPv4 addresses that interfaces of a subnet can have.
fn usable(subnet: &SubnetRecord) -> u32 {
    let sizes = subnet.cidr_blocks.iter().filter_map(|block| match block {
        IpNet::V4(block) => Some(block.broadcast().to_bits() - block.network().to_bits()),
        IpNet::V6(_) => None,
    });
    // the last address is number `size`, as the first is number 0
    sizes.map(|size| size.saturating_sub(RESERVED_FIRST)).sum()
}

fn blocks(subnet: &SubnetRecord, v6: bool) -> impl Iterator<Item = &IpNet> {
    subnet.cidr_blocks.iter().filter(move |block| matches!(block, IpNet::V6(_)) == v6)
}

fn is_native(subnet: &SubnetRecord) -> bool {
    blocks(subnet, false).next().is_none()
}

fn arn(listed: &ListedSubnet<'_>) -> String {
    let ListedSubnet { subnet, region, .. } = listed;
    format!("arn:{}:ec2:{region}:{}:subnet/{}", partition_of(region).name, subnet.owner, subnet.id)
}

/// The id of the association of a subnet's IPv6 block: the same for ever.
pub(super) fn association(subnet: &SubnetRecord) -> String {
    subnet.id.to_string().replacen(SubnetId::PREFIX, "subnet-cidr-assoc-", 1)
}

fields! {
    impl ListedSubnet<'_> as it {
        "availabilityZoneId" ["availability-zone-id", "availabilityZoneId"] = region::zone_id(&it.subnet.zone);
        "mapCustomerOwnedIpOnLaunch" ["map-customer-owned-ip-on-launch"] = false;
        "ownerId" ["owner-id", "ownerId"] = &it.subnet.owner;
        "assignIpv6AddressOnCreation" = it.subnet.attributes.assign_ipv6_address_on_creation;
        "ipv6CidrBlockAssociationSet[].associationId" ["ipv6-cidr-block-association.association-id"] = Values::of_each(blocks(&it.subnet, true).map(|_| association(&it.subnet)));
        "ipv6CidrBlockAssociationSet[].ipv6CidrBlock" ["ipv6-cidr-block-association.ipv6-cidr-block"] = Values::of_each(blocks(&it.subnet, true));
        "ipv6CidrBlockAssociationSet[].ipv6CidrBlockState.state" ["ipv6-cidr-block-association.state"] = Values::of_each(blocks(&it.subnet, true).map(|_| "associated"));
        "tagSet" ["tag", "tag-key"] = &it.subnet.tags;
        "subnetArn" ["subnet-arn", "subnetArn"] = arn(it);
        "enableDns64" ["enable-dns64", "enableDns64"] = it.subnet.attributes.enable_dns64;
        "ipv6Native" ["ipv6-native", "ipv6Native"] = is_native(&it.subnet);
        "privateDnsNameOptionsOnLaunch.hostnameType" ["private-dns-name-options-on-launch.hostname-type"] = if it.subnet.attributes.resource_names { RESOURCE_NAME } else { IP_NAME };
        "privateDnsNameOptionsOnLaunch.enableResourceNameDnsARecord" ["private-dns-name-options-on-launch.enable-resource-name-dns-a-record"] = it.subnet.attributes.resource_name_a;
        "privateDnsNameOptionsOnLaunch.enableResourceNameDnsAAAARecord" ["private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record"] = it.subnet.attributes.resource_name_aaaa;
        "subnetId" ["subnet-id", "subnetId"] = Values::of(it.subnet.id);
        "state" ["state"] = "available";
        "vpcId" ["vpc-id", "vpcId"] = Values::of(it.subnet.vpc);
        "cidrBlock" ["cidr-block", "cidr", "cidrBlock"] = Values::of_option(blocks(&it.subnet, false).next());
        "availableIpAddressCount" ["available-ip-address-count", "availableIpAddressCount"] = Values::of(it.available);
        "availabilityZone" ["availability-zone", "availabilityZone"] = it.subnet.zone.as_str();
        "defaultForAz" ["default-for-az", "defaultForAz"] = it.subnet.default_for_zone;
        "mapPublicIpOnLaunch" ["map-public-ip-on-launch", "mapPublicIpOnLaunch"] = it.subnet.attributes.map_public_ip_on_launch;
        "" ["customer-owned-ipv4-pool", "enable-lni-at-device-index", "outpost-arn"] = Values::Absent;
    }
}

//! VPCs and their attributes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv6Net};

use crate::ec2::call::{Action, Call, Done, id_of_name};
use crate::ec2::default_group::new_default_group;
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{Ipv6Origin, Phase, StoredObject, Tags, VpcRecord, VpcResolverConfig};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::Key;
use crate::naming::VpcId;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateVpc", writes: true, idempotent: false, run: create },
    Action { name: "DescribeVpcs", writes: false, idempotent: false, run: describe },
    Action { name: "DeleteVpc", writes: true, idempotent: false, run: delete },
    Action { name: "DescribeVpcAttribute", writes: false, idempotent: false, run: describe_attribute },
    Action { name: "ModifyVpcAttribute", writes: true, idempotent: false, run: modify_attribute },
    Action { name: "ModifyVpcTenancy", writes: true, idempotent: false, run: modify_tenancy },
];

/// The pool of the IPv6 blocks that Amazon gives.
const AMAZON_POOL: &str = "Amazon";

const LISTING: Listing = Listing { set: "vpcSet", bad_filter: "InvalidParameterValue", least: 5 };

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    // EC2 refuses 127.0.0.0/8 too; here it is how one machine shows a split horizon
    let block = block(params, "CidrBlock", 16..=28, "InvalidVpc.Range")?;
    let block = block.ok_or_else(|| ApiError::missing("CidrBlock"))?;
    let tags = super::tags::take(params, "vpc")?;
    let id = super::tags::chosen_id(call, &tags, VpcId::PREFIX)?.unwrap_or_else(|| VpcId::of_bits(rand::random()));
    let mut vpc = new_record(call, id, vec![block], tags);
    add_ipv6(&mut vpc, ipv6_block(params)?);
    if let Some(tenancy) = params.optional("InstanceTenancy") {
        vpc.instance_tenancy = tenancy;
    }
    made(call, vpc)
}

/// A VPC as it is when nothing but its blocks and tags is said.
pub(super) fn new_record(call: &Call<'_>, id: VpcId, cidr_blocks: Vec<IpNet>, tags: Tags) -> VpcRecord {
    VpcRecord {
        id,
        owner: call.caller.account.clone(),
        region: call.caller.region.clone(),
        cidr_blocks,
        ipv6_origins: Vec::new(),
        // "By default, enableDnsHostnames is false and enableDnsSupport true, unless the VPC is a default VPC" (VPC guide)
        enable_dns_support: true,
        enable_dns_hostnames: false,
        enable_network_address_usage_metrics: false,
        instance_tenancy: "default".to_owned(),
        is_default: false,
        resolver: VpcResolverConfig::default(),
        listeners: Vec::new(),
        clients: Vec::new(),
        tags,
    }
}

/// The change and the answer of a call that makes this VPC, which comes with a security group.
pub(super) fn made(call: &Call<'_>, mut vpc: VpcRecord) -> Result<Done, ApiError> {
    super::reach::follow(call, &mut vpc, &Tags::new())?;
    super::reach::make_listener(call, &mut vpc);
    let group = new_default_group(call.state, &vpc);
    let mut answer = Xml::new();
    let mut shown = Xml::new();
    vpc.write(&mut shown);
    // "pending" as AWS's examples have it; the next call finds it available
    let shown = shown.into_text().replacen("<state>available</state>", "<state>pending</state>", 1);
    answer.raw("vpc", &shown);
    Ok(Done { edit: Edit::put([StoredObject::Vpc(vpc), StoredObject::SecurityGroup(group)]), answer })
}

/// A block of a call, host bits cut off as EC2 does; `bad_size` is the code for one that is too large or too small.
pub(super) fn block(
    params: &mut Params,
    name: &str,
    sizes: RangeInclusive<u8>,
    bad_size: &'static str,
) -> Result<Option<IpNet>, ApiError> {
    let Some(text) = params.optional(name) else { return Ok(None) };
    let wants_v6 = name.starts_with("Ipv6");
    let block = text.parse::<IpNet>().ok().filter(|block| matches!(block, IpNet::V6(_)) == wants_v6);
    let block = block.ok_or_else(|| ApiError::value(&text, name, "This is not a valid CIDR block."))?;
    if !sizes.contains(&block.prefix_len()) {
        return Err(ApiError::new(bad_size, format!("The CIDR '{text}' is invalid.")));
    }
    Ok(Some(block.trunc()))
}

/// An IPv6 block for a VPC, and what the call says of where it comes from.
pub(super) struct NewIpv6Block {
    block: IpNet,
    pool: Option<String>,
    border_group: Option<String>,
}

impl NewIpv6Block {
    /// The block.
    pub(super) fn block(&self) -> IpNet {
        self.block
    }
}

/// The IPv6 block of a new VPC: the caller's own, or one in the place of Amazon's, out of the unique local addresses
/// (RFC 4193) so that it is nobody else's.
pub(super) fn ipv6_block(params: &mut Params) -> Result<Option<NewIpv6Block>, ApiError> {
    let is_provided = params.flag("AmazonProvidedIpv6CidrBlock")?.unwrap_or(false);
    let own = block(params, "Ipv6CidrBlock", 44..=60, "InvalidVpc.Range")?;
    let pool = params.optional("Ipv6Pool");
    let border_group = params.optional("Ipv6CidrBlockNetworkBorderGroup");
    let block = match (own, is_provided) {
        (Some(_), true) => {
            let message = "AmazonProvidedIpv6CidrBlock and Ipv6CidrBlock cannot be used together.";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        (None, true) => {
            let address = 0xfd << 120 | rand::random::<u128>() >> 8;
            // 56 is a prefix length
            Ipv6Net::new(address.into(), 56).ok().map(|net| IpNet::V6(net.trunc()))
        }
        (own, false) => own,
    };
    Ok(block.map(|block| NewIpv6Block { block, pool, border_group }))
}

/// Adds an IPv6 block to a VPC. What comes from where most do is not kept.
pub(super) fn add_ipv6(vpc: &mut VpcRecord, new: Option<NewIpv6Block>) -> Option<IpNet> {
    let NewIpv6Block { block, pool, border_group } = new?;
    vpc.cidr_blocks.push(block);
    if pool.is_some() || border_group.is_some() {
        let pool = pool.unwrap_or_else(|| AMAZON_POOL.to_owned());
        let border_group = border_group.unwrap_or_else(|| vpc.region.to_string());
        vpc.ipv6_origins.push(Ipv6Origin { block, pool, border_group });
    }
    Some(block)
}

/// (pool, border group) of an IPv6 block of a VPC.
pub(super) fn ipv6_origin<'v>(vpc: &'v VpcRecord, block: &IpNet) -> (&'v str, &'v str) {
    let said = vpc.ipv6_origins.iter().find(|origin| origin.block == *block);
    said.map_or((AMAZON_POOL, vpc.region.as_str()), |origin| (&origin.pool, &origin.border_group))
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("VpcId");
    let chosen: BTreeMap<String, Cow<'_, VpcRecord>> = if ids.is_empty() {
        call.vpcs().map(|vpc| (vpc.id.to_string(), vpc)).collect()
    } else {
        ids.iter().map(|id| call.need_vpc(id).map(|vpc| (id.clone(), vpc))).collect::<Result<_, _>>()?
    };
    LISTING.answer(params, chosen.into_values(), |vpc| vpc.id.to_string())
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("VpcId")?;
    let vpc = call.need_vpc(&id)?;
    call.owned(&Key::Vpc(vpc.id), vpc.id)?;
    let in_use = call.model.subnets().any(|subnet| subnet.vpc_id == vpc.id)
        || call.state.endpoints_of(vpc.id).any(|endpoint| endpoint.phase != Phase::Deleted)
        || call.state.interfaces().any(|own| own.vpc == vpc.id)
        || call.state.route_tables().any(|table| table.vpc == vpc.id && !table.is_main())
        || call.state.resolver_endpoints().any(|endpoint| endpoint.vpc == vpc.id)
        || call.state.hosted_zones().any(|zone| zone.vpcs.iter().any(|it| it.id == vpc.id))
        || call.state.profiles().any(|profile| profile.vpcs.iter().any(|it| it.vpc == vpc.id))
        || call.state.query_logs().any(|config| config.vpcs.iter().any(|it| it.vpc == vpc.id))
        || call.state.resolver_rules().any(|rule| rule.associations.iter().any(|it| it.vpc == vpc.id))
        || call.state.security_groups().any(|group| group.vpc == vpc.id && group.name != "default");
    if in_use {
        let message = format!("The vpc '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", message));
    }
    let groups = call.state.security_groups().filter(|group| group.vpc == vpc.id).map(|group| group.id.clone());
    let tables = call.state.route_tables().filter(|table| table.vpc == vpc.id).map(|table| table.id.clone());
    let remove = std::iter::once(id.clone()).chain(groups).chain(tables).collect();
    Ok(Done::changed(Edit { remove, ..Edit::default() }))
}

fn describe_attribute(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("VpcId")?;
    let attribute = params.required("Attribute")?;
    let vpc = call.need_vpc(&id)?;
    let value = match attribute.as_str() {
        "enableDnsSupport" => vpc.enable_dns_support,
        "enableDnsHostnames" => vpc.enable_dns_hostnames,
        "enableNetworkAddressUsageMetrics" => vpc.enable_network_address_usage_metrics,
        _ => {
            let expected = "Expected enableDnsSupport, enableDnsHostnames or enableNetworkAddressUsageMetrics.";
            return Err(ApiError::value(attribute, "Attribute", expected));
        }
    };
    let mut answer = Xml::new();
    answer.text("vpcId", &id);
    answer.element(&attribute, |xml| xml.text("value", value));
    Ok(Done { answer, ..Done::default() })
}

fn modify_attribute(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("VpcId")?;
    let vpc = call.need_vpc(&id)?;
    call.owned(&Key::Vpc(vpc.id), vpc.id)?;
    let mut given = Vec::new();
    for name in ["EnableDnsSupport", "EnableDnsHostnames", "EnableNetworkAddressUsageMetrics"] {
        let mut attribute = params.structure(name);
        if let Some(value) = attribute.flag("Value")? {
            given.push((name, value));
        }
        attribute.finish()?;
    }
    // "You cannot modify the DNS resolution and DNS hostnames attributes in the same request" (EC2 API Reference)
    let &[(name, value)] = given.as_slice() else {
        let message = if given.is_empty() {
            "No attributes specified."
        } else {
            "Fields for multiple attribute types specified."
        };
        return Err(ApiError::new("InvalidParameterCombination", message));
    };
    let mut vpc = vpc.into_owned();
    match name {
        "EnableDnsSupport" => vpc.enable_dns_support = value,
        "EnableDnsHostnames" if value && !vpc.enable_dns_support => {
            // "You can only enable DNS hostnames if you've enabled DNS support" (EC2 API Reference)
            let message = "enableDnsHostnames can only be enabled if enableDnsSupport is enabled.";
            return Err(ApiError::invalid(message));
        }
        "EnableDnsHostnames" => vpc.enable_dns_hostnames = value,
        _ => vpc.enable_network_address_usage_metrics = value,
    }
    Ok(Done::changed(Edit::put([StoredObject::Vpc(vpc)])))
}

/// "You can only change the instance tenancy to default" (EC2 API Reference, ModifyVpcTenancy).
fn modify_tenancy(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("VpcId")?;
    let tenancy = params.required("InstanceTenancy")?;
    let vpc = call.need_vpc(&id)?;
    call.owned(&Key::Vpc(vpc.id), vpc.id)?;
    if tenancy != "default" {
        return Err(ApiError::value(tenancy, "InstanceTenancy", "Expected default."));
    }
    let vpc = VpcRecord { instance_tenancy: tenancy, ..vpc.into_owned() };
    let mut answer = Xml::new();
    answer.text("returnValue", true);
    Ok(Done { edit: Edit::put([StoredObject::Vpc(vpc)]), answer })
}

/// The blocks of a family.
fn blocks(vpc: &VpcRecord, v6: bool) -> impl Iterator<Item = &IpNet> {
    vpc.cidr_blocks.iter().filter(move |block| matches!(block, IpNet::V6(_)) == v6)
}

fields! {
    impl VpcRecord as vpc {
        "ownerId" ["owner-id", "ownerId"] = &vpc.owner;
        "instanceTenancy" ["instance-tenancy", "instanceTenancy"] = &vpc.instance_tenancy;
        "ipv6CidrBlockAssociationSet[].associationId" ["ipv6-cidr-block-association.association-id"] = Values::of_each(blocks(vpc, true).map(|block| association(vpc, block)));
        "ipv6CidrBlockAssociationSet[].ipv6CidrBlock" ["ipv6-cidr-block-association.ipv6-cidr-block"] = Values::of_each(blocks(vpc, true));
        "ipv6CidrBlockAssociationSet[].ipv6CidrBlockState.state" ["ipv6-cidr-block-association.state"] = Values::of_each(blocks(vpc, true).map(|_| "associated"));
        "ipv6CidrBlockAssociationSet[].networkBorderGroup" = Values::of_each(blocks(vpc, true).map(|block| ipv6_origin(vpc, block).1));
        "ipv6CidrBlockAssociationSet[].ipv6Pool" ["ipv6-cidr-block-association.ipv6-pool"] = Values::of_each(blocks(vpc, true).map(|block| ipv6_origin(vpc, block).0));
        "cidrBlockAssociationSet[].associationId" ["cidr-block-association.association-id"] = Values::of_each(blocks(vpc, false).map(|block| association(vpc, block)));
        "cidrBlockAssociationSet[].cidrBlock" ["cidr-block-association.cidr-block"] = Values::of_each(blocks(vpc, false));
        "cidrBlockAssociationSet[].cidrBlockState.state" ["cidr-block-association.state"] = Values::of_each(blocks(vpc, false).map(|_| "associated"));
        "isDefault" ["is-default", "isDefault"] = vpc.is_default;
        "tagSet" ["tag", "tag-key"] = &vpc.tags;
        "vpcId" ["vpc-id", "vpcId"] = Values::of(vpc.id);
        "state" ["state"] = "available";
        "cidrBlock" ["cidr", "cidrBlock", "cidr-block"] = Values::of_option(blocks(vpc, false).next());
        "dhcpOptionsId" ["dhcp-options-id", "dhcpOptionsId"] = "default";
    }
}

/// The id of the association of a VPC's block: the same for ever.
pub(super) fn association(vpc: &VpcRecord, block: &IpNet) -> String {
    const PREFIX: &str = "vpc-cidr-assoc-";
    if vpc.cidr_blocks.first() == Some(block) {
        return vpc.id.to_string().replacen(VpcId::PREFIX, PREFIX, 1);
    }
    id_of_name(PREFIX, &format!("{} {block}", vpc.id))
}

//! More blocks for a VPC or subnet, and fewer.

use ipnet::IpNet;

use super::vpc::{NewIpv6Block, add_ipv6, association, block, ipv6_block, ipv6_origin};
use crate::address::overlap;
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::default_group::DEFAULT;
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::record::{SecurityGroup, StoredObject, VpcRecord};
use crate::ec2::rule::rules_at_start;
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::Key;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "AssociateVpcCidrBlock", writes: true, idempotent: false, run: associate },
    Action { name: "DisassociateVpcCidrBlock", writes: true, idempotent: false, run: disassociate },
    Action { name: "AssociateSubnetCidrBlock", writes: true, idempotent: false, run: associate_subnet },
    Action { name: "DisassociateSubnetCidrBlock", writes: true, idempotent: false, run: disassociate_subnet },
];

/// The element of a block's association in an answer; `origin` is the pool and the border group of a VPC's IPv6 block.
fn answer(owner: (&str, String), id: &str, block: &IpNet, state: &str, origin: Option<(&str, &str)>) -> Xml {
    let mut answer = Xml::new();
    answer.text(owner.0, owner.1);
    let (element, name) = match block {
        IpNet::V4(_) => ("cidrBlockAssociation", "cidrBlock"),
        IpNet::V6(_) => ("ipv6CidrBlockAssociation", "ipv6CidrBlock"),
    };
    answer.element(element, |xml| {
        xml.text("associationId", id);
        xml.text(name, block);
        xml.element(&format!("{name}State"), |xml| xml.text("state", state));
        xml.optional("networkBorderGroup", origin.map(|origin| origin.1));
        xml.optional("ipv6Pool", origin.map(|origin| origin.0));
    });
    answer
}

fn associate(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let vpc = call.need_vpc(&params.required("VpcId")?)?;
    call.owned(&Key::Vpc(vpc.id), vpc.id)?;
    let v4 = block(params, "CidrBlock", 16..=28, "InvalidVpc.Range")?;
    let v6 = ipv6_block(params)?;
    let new = match (v4, v6.as_ref().map(NewIpv6Block::block)) {
        (Some(block), None) | (None, Some(block)) => block,
        (None, None) => return Err(ApiError::missing("CidrBlock")),
        _ => {
            let message = "CidrBlock and an IPv6 block cannot be used together.";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
    };
    if vpc.cidr_blocks.iter().any(|old| overlap(old, &new)) {
        let message = format!("The CIDR '{new}' conflicts with one of the VPC's CIDR blocks.");
        return Err(ApiError::new("InvalidVpc.Range", message));
    }
    let mut vpc = vpc.into_owned();
    let group = v6.is_some().then(|| default_group_with_ipv6(call, &vpc)).flatten();
    if add_ipv6(&mut vpc, v6).is_none() {
        vpc.cidr_blocks.push(new);
    }
    let origin = matches!(new, IpNet::V6(_)).then(|| ipv6_origin(&vpc, &new));
    let answer = answer(("vpcId", vpc.id.to_string()), &association(&vpc, &new), &new, "associating", origin);
    let put = std::iter::once(StoredObject::Vpc(vpc)).chain(group.map(StoredObject::SecurityGroup));
    Ok(Done { edit: Edit::put(put), answer })
}

/// The default group of a VPC that gets its first IPv6 block, unless its rules have been changed: "this rule is added only if your
/// VPC has an associated IPv6 CIDR block" (VPC guide, "Default security groups").
fn default_group_with_ipv6(call: &Call<'_>, vpc: &VpcRecord) -> Option<SecurityGroup> {
    let mut of_vpc = call.state.security_groups().filter(|group| group.vpc == vpc.id && group.name == DEFAULT);
    let group = of_vpc.next().filter(|group| group.rules.is_none())?;
    let rules = Some(rules_at_start(&group.id, &group.name, &group.owner, true));
    Some(SecurityGroup { rules, ..group.clone() })
}

fn no_association(id: &str) -> ApiError {
    let message = format!("The vpc CIDR block association ID '{id}' does not exist");
    ApiError::new("InvalidVpcCidrBlockAssociationID.NotFound", message)
}

fn disassociate(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("AssociationId")?;
    let of_id = |vpc: &VpcRecord| vpc.cidr_blocks.iter().position(|block| association(vpc, block) == id);
    let found = call.vpcs().find_map(|vpc| of_id(&vpc).map(|at| (vpc.into_owned(), at)));
    let (mut vpc, at) = found.ok_or_else(|| no_association(&id))?;
    call.owned(&Key::Vpc(vpc.id), vpc.id)?;
    let is_primary = at == 0;
    let block = vpc.cidr_blocks.remove(at);
    vpc.ipv6_origins.retain(|origin| origin.block != block);
    if is_primary {
        let message = format!(
            "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
        );
        return Err(ApiError::new("OperationNotPermitted", message));
    }
    let of_vpc = call.model.subnets().filter(|subnet| subnet.vpc_id == vpc.id);
    if of_vpc.flat_map(|subnet| &subnet.cidr_blocks).any(|used| block.contains(used)) {
        let message = format!("The vpc {} currently has a subnet within CIDR block {block}", vpc.id);
        return Err(ApiError::new("InvalidCidrBlock.InUse", message));
    }
    let answer = answer(("vpcId", vpc.id.to_string()), &id, &block, "disassociating", None);
    Ok(Done { edit: Edit::put([StoredObject::Vpc(vpc)]), answer })
}

fn associate_subnet(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let subnet = call.need_subnet(&params.required("SubnetId")?)?;
    call.owned(&Key::Subnet(subnet.id), subnet.id)?;
    let new = block(params, "Ipv6CidrBlock", 44..=64, "InvalidSubnet.Range")?;
    let new = new.ok_or_else(|| ApiError::missing("Ipv6CidrBlock"))?;
    if subnet.cidr_blocks.iter().any(|block| matches!(block, IpNet::V6(_))) {
        let message = format!("This network '{}' has met its maximum number of allowed CIDRs: 1", subnet.id);
        return Err(ApiError::new("CidrLimitExceeded", message));
    }
    super::subnet::check_block(call, subnet.vpc, &new)?;
    let mut subnet = subnet.into_owned();
    subnet.cidr_blocks.push(new);
    let id = super::subnet::association(&subnet);
    let answer = answer(("subnetId", subnet.id.to_string()), &id, &new, "associating", None);
    Ok(Done { edit: Edit::put([StoredObject::Subnet(subnet)]), answer })
}

fn disassociate_subnet(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("AssociationId")?;
    let all = call.model.subnets().filter_map(|subnet| call.subnet(subnet.subnet_id));
    let mut mine = all.filter(|subnet| call.lists_subnet(subnet) && super::subnet::association(subnet) == id);
    let at = |blocks: &[IpNet]| blocks.iter().position(|block| matches!(block, IpNet::V6(_)));
    let found = mine.next().and_then(|subnet| at(&subnet.cidr_blocks).map(|at| (subnet.into_owned(), at)));
    let (mut subnet, at) = found.ok_or_else(|| {
        let message = format!("The subnet CIDR block association ID '{id}' does not exist");
        ApiError::new("InvalidSubnetCidrBlockAssociationID.NotFound", message)
    })?;
    call.owned(&Key::Subnet(subnet.id), subnet.id)?;
    let block = subnet.cidr_blocks.remove(at);
    let mut interfaces = call.model.endpoints().flat_map(|endpoint| &endpoint.interfaces);
    let used = |address: &std::net::Ipv6Addr| block.contains(&std::net::IpAddr::from(*address));
    if interfaces.any(|interface| interface.subnet == subnet.id && interface.ipv6().as_ref().is_some_and(used)) {
        let message = format!("The subnet currently has addresses within CIDR block {block}");
        return Err(ApiError::new("InvalidCidrBlock.InUse", message));
    }
    let answer = answer(("subnetId", subnet.id.to_string()), &id, &block, "disassociating", None);
    Ok(Done { edit: Edit::put([StoredObject::Subnet(subnet)]), answer })
}

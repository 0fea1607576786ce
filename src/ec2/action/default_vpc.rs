//! The default VPC of an account and region: made when it is asked for.

use std::borrow::Cow;

use ipnet::{IpNet, Ipv4Net};

use super::{region, subnet, vpc};
use crate::address::overlap;
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::record::{StoredObject, SubnetAttributes, SubnetRecord, Tags, VpcRecord};
use crate::naming::{SubnetId, VpcId, ZoneName};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateDefaultVpc", writes: true, idempotent: false, run: create },
    Action { name: "CreateDefaultSubnet", writes: true, idempotent: false, run: create_subnet },
];

/// "A VPC with a size /16 IPv4 CIDR block (172.31.0.0/16)" and "a size /20 default subnet in each Availability Zone" (VPC
/// guide, "Default VPCs").
const BLOCK: (u32, u8) = (0xac1f_0000, 16);
const SUBNET_LENGTH: u8 = 20;

/// The default VPC of the caller's account and region.
pub(super) fn find<'c>(call: &'c Call<'_>) -> Option<Cow<'c, VpcRecord>> {
    call.vpcs().find(|vpc| vpc.is_default)
}

/// The block of a default subnet by its number.
fn block(number: u32) -> Option<IpNet> {
    let address = BLOCK.0.checked_add(number << (32 - SUBNET_LENGTH))?;
    Ipv4Net::new(address.into(), SUBNET_LENGTH).ok().map(IpNet::V4)
}

fn new_subnet(call: &Call<'_>, vpc: VpcId, zone: ZoneName, block: IpNet) -> SubnetRecord {
    SubnetRecord {
        id: SubnetId::of_bits(rand::random()),
        owner: call.caller.account.clone(),
        vpc,
        zone,
        cidr_blocks: vec![block],
        attributes: SubnetAttributes { map_public_ip_on_launch: true, ..SubnetAttributes::default() },
        default_for_zone: true,
        tags: Tags::new(),
    }
}

fn create(call: &Call<'_>, _: &mut Params) -> Result<Done, ApiError> {
    if find(call).is_some() {
        let message = "A Default VPC already exists for this account in this region.";
        return Err(ApiError::new("DefaultVpcAlreadyExists", message));
    }
    let made = Ipv4Net::new(BLOCK.0.into(), BLOCK.1).map_err(|error| ApiError::internal(error.to_string()))?;
    let mut vpc = vpc::new_record(call, VpcId::of_bits(rand::random()), vec![IpNet::V4(made)], Tags::new());
    vpc.is_default = true;
    // both attributes are on in a default VPC (VPC guide, "DNS attributes")
    vpc.enable_dns_hostnames = true;
    let mut done = vpc::made(call, vpc)?;
    let Some(StoredObject::Vpc(made)) = done.edit.put.first() else { return Ok(done) };
    let id = made.id;
    let numbered = (0..16).filter_map(block).zip(region::zones(call, &call.caller.region));
    let subnets: Vec<_> =
        numbered.map(|(block, zone)| StoredObject::Subnet(new_subnet(call, id, zone, block))).collect();
    done.edit.put.extend(subnets);
    Ok(done)
}

fn create_subnet(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let zone = subnet::zone(call, params)?;
    params.flag("Ipv6Native")?;
    let vpc = find(call).ok_or_else(|| {
        ApiError::new("DefaultVpcDoesNotExist", "No default VPC exists for this account in this region.")
    })?;
    let mine: Vec<&SubnetRecord> = call.state.subnets().filter(|subnet| subnet.vpc == vpc.id).collect();
    if mine.iter().any(|subnet| subnet.default_for_zone && subnet.zone == zone) {
        let message = format!("A default subnet already exists in availability zone {zone}.");
        return Err(ApiError::new("DefaultSubnetAlreadyExistsInAvailabilityZone", message));
    }
    let is_free = |block: &IpNet| !mine.iter().flat_map(|subnet| &subnet.cidr_blocks).any(|used| overlap(used, block));
    let block = (0..16).filter_map(block).find(is_free).ok_or_else(|| {
        ApiError::new("InsufficientCidrBlocks", format!("The default VPC {} has no free /20 block.", vpc.id))
    })?;
    Ok(subnet::made(&vpc, new_subnet(call, vpc.id, zone, block)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_subnets_are_in_the_default_block() {
        assert_eq!(block(0).unwrap().to_string(), "172.31.0.0/20");
        assert_eq!(block(5).unwrap().to_string(), "172.31.80.0/20");
        assert_eq!(block(15).unwrap().to_string(), "172.31.240.0/20");
    }
}

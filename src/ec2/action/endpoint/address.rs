//! Addresses for the interfaces of endpoints.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::ec2::action::subnet::RESERVED_FIRST;
use crate::ec2::call::{Call, parse_id};
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::record::{InterfaceRecord, IpAddressType, SubnetRecord};
use crate::naming::{InterfaceId, SubnetId};

/// Addresses that a call wants in a subnet (`SubnetConfiguration.N`).
#[derive(Clone, Debug)]
pub(in crate::ec2::action) struct Wanted {
    pub(in crate::ec2::action) subnet: SubnetId,
    pub(in crate::ec2::action) ipv4: Option<Ipv4Addr>,
    pub(in crate::ec2::action) ipv6: Option<Ipv6Addr>,
}

/// Takes `SubnetConfiguration.N` of a call.
pub(super) fn take(params: &mut Params) -> Result<Vec<Wanted>, ApiError> {
    let mut all = Vec::new();
    for mut one in params.structures("SubnetConfiguration") {
        let subnet = one.required("SubnetId")?;
        let subnet = parse_id(&subnet, "InvalidSubnetId.Malformed", SubnetId::PREFIX)?;
        let ipv4 = one.parsed("Ipv4", "Expected an IPv4 address.")?;
        let ipv6 = one.parsed("Ipv6", "Expected an IPv6 address.")?;
        one.finish()?;
        all.push(Wanted { subnet, ipv4, ipv6 });
    }
    Ok(all)
}

/// Which addresses each interface of an endpoint has.
#[derive(Clone, Copy, Debug)]
pub(in crate::ec2::action) struct Families {
    pub(in crate::ec2::action) v4: bool,
    pub(in crate::ec2::action) v6: bool,
}

impl Families {
    /// Of an `IpAddressType`.
    pub(super) fn of(ip_address_type: IpAddressType) -> Self {
        Self { v4: ip_address_type != IpAddressType::Ipv6, v6: ip_address_type != IpAddressType::Ipv4 }
    }
}

/// Adds an interface in a subnet to those of an endpoint, with the addresses that are wanted, else with free ones.
pub(super) fn add(
    call: &Call<'_>,
    subnet: &SubnetRecord,
    families: Families,
    wanted: Option<&Wanted>,
    interfaces: &mut Vec<InterfaceRecord>,
) -> Result<(), ApiError> {
    let mut interface =
        InterfaceRecord { id: InterfaceId::of_bits(rand::random()), subnet: subnet.id, ipv4: None, ipv6: None };
    fill(call, subnet, families, wanted, &mut interface, interfaces)?;
    interfaces.push(interface);
    Ok(())
}

/// Gives an interface the addresses that it lacks, and takes from it those of a family that it is not to have.
/// `others` are the interfaces in the same subnet that the model does not know of yet.
pub(in crate::ec2::action) fn fill(
    call: &Call<'_>,
    subnet: &SubnetRecord,
    families: Families,
    wanted: Option<&Wanted>,
    interface: &mut InterfaceRecord,
    others: &[InterfaceRecord],
) -> Result<(), ApiError> {
    let (want_v4, want_v6) = (wanted.and_then(|w| w.ipv4), wanted.and_then(|w| w.ipv6));
    if (want_v4.is_some() && !families.v4) || (want_v6.is_some() && !families.v6) {
        let message = format!("An address given for {} is not of the endpoint's IpAddressType.", subnet.id);
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    interface.ipv4 = match (families.v4, want_v4, interface.ipv4) {
        (false, ..) => None,
        (true, Some(address), _) => Some(checked_v4(subnet, address)?),
        (true, None, Some(address)) => Some(address),
        (true, None, None) => Some(free_v4(call, subnet, others)?),
    };
    interface.ipv6 = match (families.v6, want_v6, interface.ipv6) {
        (false, ..) => None,
        (true, Some(address), _) => Some(checked_v6(subnet, address)?),
        (true, None, Some(address)) => Some(address),
        (true, None, None) => Some(free_v6(call, subnet, others)?),
    };
    Ok(())
}

fn block_v4(subnet: &SubnetRecord) -> Option<Ipv4Net> {
    subnet.cidr_blocks.iter().find_map(|block| if let IpNet::V4(block) = block { Some(*block) } else { None })
}

fn block_v6(subnet: &SubnetRecord) -> Option<Ipv6Net> {
    subnet.cidr_blocks.iter().find_map(|block| if let IpNet::V6(block) = block { Some(*block) } else { None })
}

fn no_block(subnet: &SubnetRecord, family: &str) -> ApiError {
    ApiError::invalid(format!("The subnet {} does not have an {family} CIDR block.", subnet.id))
}

/// The first address that can be had in a block, and how many there are (VPC guide, "Subnet sizing": not the first four
/// and not the last).
fn usable_v4(block: Ipv4Net) -> (u32, u32) {
    let (first, last) = (block.network().to_bits(), block.broadcast().to_bits());
    (first.saturating_add(RESERVED_FIRST), (last - first).saturating_sub(RESERVED_FIRST))
}

/// A free address. The search begins anywhere in the block, so that it is short whatever there is already.
fn free_v4(call: &Call<'_>, subnet: &SubnetRecord, others: &[InterfaceRecord]) -> Result<Ipv4Addr, ApiError> {
    let (first, count) = usable_v4(block_v4(subnet).ok_or_else(|| no_block(subnet, "IPv4"))?);
    let start = rand::random::<u32>().checked_rem(count).unwrap_or(0);
    let candidates = (start..count).chain(0..start).map(|at| Ipv4Addr::from_bits(first + at));
    let is_taken = |address: Ipv4Addr| {
        call.model.has_address(subnet.vpc, address) || others.iter().any(|other| other.ipv4 == Some(address))
    };
    let mut free = candidates.filter(|address| !is_taken(*address));
    free.next().ok_or_else(|| none_free(subnet))
}

fn none_free(subnet: &SubnetRecord) -> ApiError {
    let message = format!("There are not enough free addresses in subnet '{}'.", subnet.id);
    ApiError::new("InsufficientFreeAddressesInSubnet", message)
}

fn free_v6(call: &Call<'_>, subnet: &SubnetRecord, others: &[InterfaceRecord]) -> Result<Ipv6Addr, ApiError> {
    let block = block_v6(subnet).ok_or_else(|| no_block(subnet, "IPv6"))?;
    let network = block.network().to_bits();
    let is_taken = |address: Ipv6Addr| {
        call.model.has_ipv6_address(subnet.vpc, address) || others.iter().any(|other| other.ipv6 == Some(address))
    };
    // one try is enough in all but 1 of 2^44 or so
    (0..100)
        .map(|_| Ipv6Addr::from_bits(network | (rand::random::<u128>() & block.hostmask().to_bits())))
        .find(|address| is_usable_v6(block, *address) && !is_taken(*address))
        .ok_or_else(|| none_free(subnet))
}

fn is_usable_v6(block: Ipv6Net, address: Ipv6Addr) -> bool {
    let (first, last, address) = (block.network().to_bits(), block.broadcast().to_bits(), address.to_bits());
    address >= first.saturating_add(u128::from(RESERVED_FIRST)) && address < last
}

/// An address that a call names. That it is inside the subnet and free is for the model to check.
fn checked_v4(subnet: &SubnetRecord, address: Ipv4Addr) -> Result<Ipv4Addr, ApiError> {
    let block = block_v4(subnet).ok_or_else(|| no_block(subnet, "IPv4"))?;
    let (first, count) = usable_v4(block);
    let is_usable = address.to_bits().checked_sub(first).is_some_and(|at| at < count);
    if is_usable || !block.contains(&address) { Ok(address) } else { Err(reserved(address.into())) }
}

fn checked_v6(subnet: &SubnetRecord, address: Ipv6Addr) -> Result<Ipv6Addr, ApiError> {
    let block = block_v6(subnet).ok_or_else(|| no_block(subnet, "IPv6"))?;
    if is_usable_v6(block, address) || !block.contains(&address) { Ok(address) } else { Err(reserved(address.into())) }
}

fn reserved(address: IpAddr) -> ApiError {
    let message = format!("Address {address} is in subnet's reserved address range");
    ApiError::new("InvalidParameterValue", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_four_and_the_last_are_nobodys() {
        let usable = |block: &str| {
            let (first, count) = usable_v4(block.parse().unwrap());
            (Ipv4Addr::from_bits(first).to_string(), count)
        };
        assert_eq!(usable("10.0.0.0/28"), ("10.0.0.4".to_owned(), 11));
        assert_eq!(usable("10.0.0.0/16"), ("10.0.0.4".to_owned(), 65_531));
        assert_eq!(usable("10.0.0.0/30").1, 0);
        assert_eq!(usable("10.0.0.0/32").1, 0);
        let v6 = |address: &str| is_usable_v6("fd00::/64".parse().unwrap(), address.parse().unwrap());
        assert!(!v6("fd00::3") && v6("fd00::4") && v6("fd00::ffff:ffff:ffff:fffe") && !v6("fd00::ffff:ffff:ffff:ffff"));
    }
}

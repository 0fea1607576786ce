//! Addresses for resolver endpoints: those that a call wants, or free ones of the subnet.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use super::{invalid_parameter, invalid_request};
use crate::ec2::action::endpoint::{Families, Wanted, free_addresses};
use crate::ec2::call::{Call, new_id};
use crate::ec2::document::Document;
use crate::ec2::error::ApiError;
use crate::ec2::record::{InterfaceRecord, SubnetRecord};
use crate::ec2::resolver_endpoint::{ResolverAddress, ResolverEndpointRecord};
use crate::naming::InterfaceId;

/// Least and most addresses of an endpoint (API Reference, `IpAddresses`).
pub(super) const LEAST_ADDRESSES: usize = 2;
pub(super) const MOST_ADDRESSES: usize = 20;

/// An address that a call wants.
pub(super) struct WantedAddress {
    pub(super) subnet: String,
    pub(super) ipv4: Option<String>,
    pub(super) ipv6: Option<String>,
}

impl WantedAddress {
    pub(super) fn read(document: &Document<'_>) -> Self {
        Self { subnet: document.need("SubnetId", 1..=32).to_owned(), ..Self::read_any(document) }
    }

    /// The same where the subnet need not be named.
    pub(super) fn read_any(document: &Document<'_>) -> Self {
        let text = |name, length| document.text(name, length).map(str::to_owned);
        Self {
            subnet: text("SubnetId", 1..=32).unwrap_or_default(),
            ipv4: text("Ip", 7..=36),
            ipv6: text("Ipv6", 2..=39),
        }
    }

    /// Whether this is the address that the wish was met with.
    pub(super) fn is_met_by(&self, address: &ResolverAddress) -> bool {
        self.subnet == address.subnet.to_string() && self.names(address)
    }

    /// Whether the address is none other than those that are named.
    pub(super) fn names(&self, address: &ResolverAddress) -> bool {
        let is_it = |wanted: &Option<String>, has: Option<IpAddr>| {
            wanted.as_ref().is_none_or(|wanted| wanted.parse().ok() == has && has.is_some())
        };
        is_it(&self.ipv4, address.ipv4.map(IpAddr::V4)) && is_it(&self.ipv6, address.ipv6.map(IpAddr::V6))
    }

    /// Its subnet, of the caller's account and Region.
    pub(super) fn need_subnet<'c>(&self, call: &'c Call<'_>) -> Result<Cow<'c, SubnetRecord>, ApiError> {
        let missing = |_| invalid_parameter(format!("The subnet ID '{}' does not exist", self.subnet));
        call.need_subnet(&self.subnet).map_err(missing)
    }

    /// Gives it to an endpoint.
    pub(super) fn add(&self, call: &Call<'_>, endpoint: &mut ResolverEndpointRecord) -> Result<(), ApiError> {
        let subnet = self.need_subnet(call)?;
        if subnet.vpc != endpoint.vpc {
            return Err(invalid_request(format!("The subnet '{}' is not in the VPC '{}'.", subnet.id, endpoint.vpc)));
        }
        let mut address = ResolverAddress {
            id: new_id("rni-"),
            interface: InterfaceId::of_bits(rand::random()),
            subnet: subnet.id,
            ipv4: None,
            ipv6: None,
            created: call.now,
        };
        let families = families(&endpoint.endpoint_type);
        fill(call, families, endpoint, &mut address, self.ipv4.as_deref(), self.ipv6.as_deref())?;
        endpoint.addresses.push(address);
        Ok(())
    }
}

/// The families of a type of endpoint.
pub(super) fn families(endpoint_type: &str) -> Families {
    Families { v4: endpoint_type != "IPV6", v6: endpoint_type != "IPV4" }
}

/// Gives an address of an endpoint what it lacks of `families`: what is wanted, else what is free.
pub(super) fn fill(
    call: &Call<'_>,
    families: Families,
    endpoint: &ResolverEndpointRecord,
    address: &mut ResolverAddress,
    ipv4: Option<&str>,
    ipv6: Option<&str>,
) -> Result<(), ApiError> {
    let subnet = call.need_subnet(&address.subnet.to_string())?;
    let wanted = Wanted { subnet: subnet.id, ipv4: parse(ipv4)?, ipv6: parse(ipv6)? };
    let named = wanted.ipv4.map(IpAddr::V4).into_iter().chain(wanted.ipv6.map(IpAddr::V6));
    let fresh = |ip: &IpAddr| address.ipv4.map(IpAddr::V4) != Some(*ip) && address.ipv6.map(IpAddr::V6) != Some(*ip);
    for ip in named.filter(fresh) {
        let has =
            |other: &ResolverAddress| other.ipv4.map(IpAddr::V4) == Some(ip) || other.ipv6.map(IpAddr::V6) == Some(ip);
        let is_taken = match ip {
            IpAddr::V4(ip) => call.model.has_address(subnet.vpc, ip),
            IpAddr::V6(ip) => call.model.has_ipv6_address(subnet.vpc, ip),
        };
        if is_taken || endpoint.addresses.iter().any(has) {
            let message = format!("The IP address '{ip}' in subnet '{}' is already in use", subnet.id);
            return Err(ApiError::new("ResourceExistsException", message));
        }
        if !subnet.cidr_blocks.iter().any(|block| block.contains(&ip)) {
            return Err(outside(&ip.to_string(), &subnet));
        }
    }
    let others: Vec<InterfaceRecord> = endpoint.addresses.iter().map(interface).collect();
    let mut filled = interface(address);
    free_addresses(call, &subnet, families, Some(&wanted), &mut filled, &others).map_err(|error| {
        match ipv4.or(ipv6).filter(|_| error.message.contains("reserved")) {
            Some(ip) => outside(ip, &subnet),
            None => error,
        }
    })?;
    (address.ipv4, address.ipv6) = (filled.ipv4, filled.ipv6);
    Ok(())
}

fn interface(address: &ResolverAddress) -> InterfaceRecord {
    InterfaceRecord { id: address.interface, subnet: address.subnet, ipv4: address.ipv4, ipv6: address.ipv6 }
}

fn parse<T: FromStr>(text: Option<&str>) -> Result<Option<T>, ApiError> {
    let read = |text: &str| text.parse().map_err(|_| invalid_parameter(format!("Invalid IP address: '{text}'")));
    text.map(read).transpose()
}

fn outside(ip: &str, subnet: &SubnetRecord) -> ApiError {
    invalid_request(format!(
        "[RSLVR-00405] IP address '{ip}' is either not in subnet '{}' CIDR range or is reserved",
        subnet.id
    ))
}

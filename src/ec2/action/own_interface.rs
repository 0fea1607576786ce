//! Network interfaces that callers make: names of the VPC's hosts lead to them.

use std::net::Ipv4Addr;

use super::endpoint::{Families, Wanted, free_addresses};
use super::{interface, security_group};
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::default_group::default_group_id;
use crate::ec2::error::ApiError;
use crate::ec2::fields::Resource;
use crate::ec2::params::Params;
use crate::ec2::record::{InterfaceRecord, OwnInterface, StoredObject};
use crate::ec2::resolver_endpoint::ResolverEndpointRecord;
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::naming::InterfaceId;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateNetworkInterface", writes: true, idempotent: true, run: create },
    Action { name: "DeleteNetworkInterface", writes: true, idempotent: false, run: delete },
];

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let subnet = call.need_subnet(&params.required("SubnetId")?)?;
    let ipv4 = primary_address(params)?;
    let kind = params.optional("InterfaceType");
    if let Some(kind) = kind.filter(|kind| kind != "interface") {
        return Err(ApiError::value(kind, "InterfaceType", "Expected interface."));
    }
    let wants_v6 = params.parsed::<u32>("Ipv6AddressCount", "Expected an integer.")?.unwrap_or(0);
    if wants_v6 > 1 {
        return Err(ApiError::value(wants_v6, "Ipv6AddressCount", "An interface here has one IPv6 address."));
    }
    let mut given = params.structures("Ipv6Addresses");
    let ipv6 = match given.as_mut_slice() {
        [] => None,
        [one] => one.parsed("Ipv6Address", "Expected an IPv6 address.")?,
        _ => return Err(ApiError::invalid("An interface here has one IPv6 address.")),
    };
    let mut groups = params.list("SecurityGroupId");
    for id in &groups {
        if security_group::need(call, id)?.vpc != subnet.vpc {
            let message = format!("You have specified two resources that belong to different networks: {id}.");
            return Err(ApiError::new("InvalidGroup.NotFound", message));
        }
    }
    if groups.is_empty() {
        groups.push(default_group_id(call.state, subnet.vpc));
    }
    let tags = super::tags::take(params, "network-interface")?;
    if let Some(address) = ipv4.filter(|address| call.model.has_address(subnet.vpc, *address)) {
        return Err(ApiError::address_in_use(address));
    }
    let id = super::tags::chosen_id(call, &tags, InterfaceId::PREFIX)?;
    let mut interface = InterfaceRecord {
        id: id.unwrap_or_else(|| InterfaceId::of_bits(rand::random())),
        subnet: subnet.id,
        ipv4: None,
        ipv6: None,
    };
    let families = Families { v4: true, v6: wants_v6 > 0 || ipv6.is_some() };
    let wanted = Wanted { subnet: subnet.id, ipv4, ipv6 };
    free_addresses(call, &subnet, families, Some(&wanted), &mut interface, &[])?;
    if let Some(address) = interface
        .ipv4
        .filter(|address| !subnet.cidr_blocks.iter().any(|b| b.contains(&std::net::IpAddr::from(*address))))
    {
        return Err(ApiError::outside_subnet(address));
    }
    let own = OwnInterface {
        interface,
        owner: call.caller.account.clone(),
        vpc: subnet.vpc,
        description: params.optional("Description").unwrap_or_default(),
        security_groups: groups,
        tags,
    };
    let mut answer = Xml::new();
    if let Some(listed) = interface::of_caller(call, &own, Some(&subnet)) {
        answer.element("networkInterface", |xml| listed.write(xml));
    }
    answer.optional("clientToken", call.client_token.as_ref());
    Ok(Done { edit: Edit::put([StoredObject::Interface(own)]), answer })
}

/// `PrivateIpAddress`, or the primary one of `PrivateIpAddresses.N`.
fn primary_address(params: &mut Params) -> Result<Option<Ipv4Addr>, ApiError> {
    let expected = "Expected an IPv4 address.";
    let mut address = params.parsed("PrivateIpAddress", expected)?;
    for mut one in params.structures("PrivateIpAddresses") {
        let primary = one.flag("Primary")?.unwrap_or(false);
        let given = one.parsed("PrivateIpAddress", expected)?;
        one.finish()?;
        if !primary || address.is_some() {
            return Err(ApiError::invalid("An interface here has one private IPv4 address, the primary one."));
        }
        address = given;
    }
    Ok(address)
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("NetworkInterfaceId")?;
    let own = call.state.interface(&id).filter(|own| call.sees(&own.owner) && call.is_here(own.vpc));
    if own.is_some() {
        return Ok(Done::changed(Edit { remove: vec![id], ..Edit::default() }));
    }
    // what an endpoint has, goes with the endpoint
    let of_endpoint = |record: &InterfaceRecord| record.id.to_string() == id;
    let of_resolver = |endpoint: &ResolverEndpointRecord| {
        let mine = call.sees(&endpoint.owner) && call.is_here(endpoint.vpc);
        mine && endpoint.addresses.iter().any(|address| address.interface.to_string() == id)
    };
    if super::endpoint::all(call, None).any(|listed| listed.record.interfaces.iter().any(of_endpoint))
        || call.state.resolver_endpoints().any(of_resolver)
    {
        let message = format!("You do not have permission to access the specified resource: {id}");
        return Err(ApiError::new("AuthFailure", message));
    }
    Err(ApiError::not_found(InterfaceId::PREFIX, id))
}

//! ModifyVpcEndpoint.

use super::address::{self, Families, Wanted};
use super::{check, lattice, need};
use crate::ec2::action::offer::{self, Offer};
use crate::ec2::call::{Call, Done};
use crate::ec2::default_group::default_group_id;
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, EndpointType, InterfaceRecord, Phase, StoredObject};
use crate::ec2::state::Edit;
use crate::naming::InterfaceId;

pub(super) fn run(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let listed = need(call, &params.required("VpcEndpointId")?)?;
    check::is_changeable(call, &listed.record)?;
    let mut endpoint = listed.record.into_owned();
    change_policy(params, &mut endpoint)?;
    match (endpoint.kind, listed.service) {
        (EndpointType::Interface, Some(service)) => {
            interface(call, params, &offer::of_endpoint(call, service), &mut endpoint)?;
        }
        (EndpointType::Interface, None) => return Err(ApiError::internal("The endpoint's service is unknown.")),
        (EndpointType::Gateway, _) => gateway(call, params, &mut endpoint)?,
        (EndpointType::Resource | EndpointType::ServiceNetwork, _) => {
            let families = check::take_ip_address_type(params)?;
            endpoint.ip_address_type = families.unwrap_or(endpoint.ip_address_type);
            change_groups(call, params, &mut endpoint)?;
            change_subnets(call, params, &mut endpoint)?;
            lattice::change_names(call, params, &mut endpoint)?;
        }
    }
    if endpoint.phase == Phase::Accepted {
        // "pending" is what an endpoint returns to after a change
        endpoint.phase_since = call.now;
    }
    Ok(Done::changed(Edit::put([StoredObject::Endpoint(endpoint)])))
}

fn change_policy(params: &mut Params, endpoint: &mut EndpointRecord) -> Result<(), ApiError> {
    let reset = params.flag("ResetPolicy")?.unwrap_or(false);
    match (reset, params.optional("PolicyDocument")) {
        (true, Some(_)) => {
            let message = "PolicyDocument and ResetPolicy cannot be used together.";
            Err(ApiError::new("InvalidParameterCombination", message))
        }
        (true, None) => {
            endpoint.policy = None;
            Ok(())
        }
        (false, Some(policy)) => {
            check::policy(&policy)?;
            endpoint.policy = Some(policy);
            Ok(())
        }
        (false, None) => Ok(()),
    }
}

fn interface(
    call: &Call<'_>,
    params: &mut Params,
    offer: &Offer<'_>,
    endpoint: &mut EndpointRecord,
) -> Result<(), ApiError> {
    if !params.list("AddRouteTableId").is_empty() || !params.list("RemoveRouteTableId").is_empty() {
        return Err(check::only_for("Route table IDs are", EndpointType::Gateway));
    }
    if let Some(given) = check::take_ip_address_type(params)? {
        check::ip_address_type(offer, given)?;
        if given != endpoint.ip_address_type {
            // what the records were may not go with the new addresses
            endpoint.dns_record_ip_type = given.records();
            endpoint.ip_address_type = given;
        }
    }
    let mut options = params.structure("DnsOptions");
    if let Some(given) = check::take_dns_record_ip_type(&mut options)? {
        endpoint.dns_record_ip_type = given;
    }
    let inbound_only = options.flag("PrivateDnsOnlyForInboundResolverEndpoint")?;
    options.finish()?;
    check::dns_record_ip_type(endpoint.dns_record_ip_type, endpoint.ip_address_type)?;
    change_groups(call, params, endpoint)?;
    change_subnets(call, params, endpoint)?;
    change_private_dns(call, params.flag("PrivateDnsEnabled")?, inbound_only, offer, endpoint)
}

fn change_groups(call: &Call<'_>, params: &mut Params, endpoint: &mut EndpointRecord) -> Result<(), ApiError> {
    let gone = params.list("RemoveSecurityGroupId");
    gone.iter().try_for_each(|id| check::group(call, endpoint.vpc, id))?;
    endpoint.security_groups.retain(|id| !gone.contains(id));
    for id in params.list("AddSecurityGroupId") {
        check::group(call, endpoint.vpc, &id)?;
        if !endpoint.security_groups.contains(&id) {
            endpoint.security_groups.push(id);
        }
    }
    if endpoint.security_groups.is_empty() {
        // an interface has one group at least
        endpoint.security_groups.push(default_group_id(call.state, endpoint.vpc));
    }
    Ok(())
}

fn change_subnets(call: &Call<'_>, params: &mut Params, endpoint: &mut EndpointRecord) -> Result<(), ApiError> {
    let mut wanted = address::take(params)?;
    check::wanted_once(&wanted)?;
    let families = Families::of(endpoint.ip_address_type);
    for id in params.list("RemoveSubnetId") {
        let subnet = call.need_subnet(&id)?;
        let before = endpoint.interfaces.len();
        endpoint.interfaces.retain(|interface| interface.subnet != subnet.id);
        if endpoint.interfaces.len() == before {
            let message = format!("The subnet {id} is not associated with the VPC endpoint {}.", endpoint.id);
            return Err(ApiError::invalid(message));
        }
    }
    for interface in &mut endpoint.interfaces {
        let subnet = call.need_subnet(&interface.subnet.to_string())?;
        let wanted = take_wanted(&mut wanted, interface);
        if wanted.is_some() {
            // another address is another interface (PrivateLink guide: the addresses of one do not change)
            interface.id = InterfaceId::of_bits(rand::random());
        }
        // the others are in subnets of their own
        address::fill(call, &subnet, families, wanted.as_ref(), interface, &[])?;
    }
    for id in params.list("AddSubnetId") {
        let subnet = call.need_subnet(&id)?;
        let at = wanted.iter().position(|one| one.subnet == subnet.id);
        let wanted = at.map(|at| wanted.swap_remove(at));
        address::add(call, &subnet, families, wanted.as_ref(), &mut endpoint.interfaces)?;
    }
    match wanted.first() {
        None => Ok(()),
        Some(one) => {
            let message = format!("The subnet {} is not associated with the VPC endpoint {}.", one.subnet, endpoint.id);
            Err(ApiError::invalid(message))
        }
    }
}

/// What of `wanted` is for an interface and differs from what it has.
fn take_wanted(wanted: &mut Vec<Wanted>, interface: &InterfaceRecord) -> Option<Wanted> {
    let at = wanted.iter().position(|one| one.subnet == interface.subnet)?;
    let mut one = wanted.swap_remove(at);
    one.ipv4 = one.ipv4.filter(|address| Some(*address) != interface.ipv4);
    one.ipv6 = one.ipv6.filter(|address| Some(*address) != interface.ipv6);
    (one.ipv4.is_some() || one.ipv6.is_some()).then_some(one)
}

fn change_private_dns(
    call: &Call<'_>,
    given: Option<bool>,
    inbound_only: Option<bool>,
    offer: &Offer<'_>,
    endpoint: &mut EndpointRecord,
) -> Result<(), ApiError> {
    let was_on = endpoint.private_dns_enabled;
    endpoint.private_dns_enabled = given.unwrap_or(was_on);
    if !endpoint.private_dns_enabled {
        endpoint.inbound_resolver_only = false;
        return Ok(());
    }
    if !was_on {
        let vpc = call.need_vpc(&endpoint.vpc.to_string())?;
        check::private_dns(&vpc, offer, endpoint.phase == Phase::Accepted)?;
    }
    let before = if was_on { endpoint.inbound_resolver_only } else { offer.has_type(EndpointType::Gateway) };
    let next = inbound_only.unwrap_or(before);
    if next && (!was_on || !endpoint.inbound_resolver_only) {
        check::inbound_only(call, endpoint.vpc, offer)?;
    }
    endpoint.inbound_resolver_only = next;
    Ok(())
}

fn gateway(call: &Call<'_>, params: &mut Params, endpoint: &mut EndpointRecord) -> Result<(), ApiError> {
    check::no_dns_options(params)?;
    let is_given = |params: &mut Params, names: [&str; 2]| names.iter().any(|name| !params.list(name).is_empty());
    if is_given(params, ["AddSubnetId", "RemoveSubnetId"]) || !address::take(params)?.is_empty() {
        return Err(check::only_for("Subnet IDs are", EndpointType::Interface));
    }
    if is_given(params, ["AddSecurityGroupId", "RemoveSecurityGroupId"]) {
        return Err(check::only_for("Security group IDs are", EndpointType::Interface));
    }
    if params.flag("PrivateDnsEnabled")? == Some(true) {
        return Err(check::only_for("Private DNS is", EndpointType::Interface));
    }
    let gone = params.list("RemoveRouteTableId");
    endpoint.route_tables.retain(|id| !gone.contains(id));
    for id in params.list("AddRouteTableId") {
        check::route_table_of(call, endpoint.vpc, &id)?;
        if !endpoint.route_tables.contains(&id) {
            endpoint.route_tables.push(id);
        }
    }
    Ok(())
}

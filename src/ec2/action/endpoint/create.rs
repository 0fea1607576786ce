//! CreateVpcEndpoint.

use std::borrow::Cow;

use super::address::{self, Families};
use super::{ListedEndpoint, check, lattice};
use crate::ec2::action::offer::{self, Offer};
use crate::ec2::action::tags;
use crate::ec2::call::{Call, Done};
use crate::ec2::default_group::default_group_id;
use crate::ec2::error::ApiError;
use crate::ec2::fields::Resource;
use crate::ec2::own_names::OwnNames;
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, EndpointType, IpAddressType, Phase, StoredObject, VpcRecord};
use crate::ec2::state::{ConnectionChange, Edit};
use crate::ec2::xml::Xml;
use crate::model::{RecordIpType, State};
use crate::naming::EndpointId;

pub(super) fn run(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let vpc = call.need_vpc(&params.required("VpcId")?)?;
    let kind = params.optional("VpcEndpointType").unwrap_or_else(|| "Gateway".to_owned());
    match kind.as_str() {
        "Resource" => return lattice::create(call, params, &vpc, EndpointType::Resource),
        "ServiceNetwork" => return lattice::create(call, params, &vpc, EndpointType::ServiceNetwork),
        _ => {}
    }
    let name = params.required("ServiceName")?;
    let region = params.optional("ServiceRegion").map(|region| offer::service_region(&region)).transpose()?;
    let region = region.filter(|region| *region != call.caller.region);
    let offer = offer::need(call, &name, region.as_ref().unwrap_or(&call.caller.region))?;
    let kind = match kind.as_str() {
        "Interface" => EndpointType::Interface,
        "Gateway" => EndpointType::Gateway,
        "GatewayLoadBalancer" | "Tunnel" => return Err(check::not_of_type(&offer, &kind)),
        _ => {
            let message = format!("The VPC endpoint type '{kind}' is not valid.");
            return Err(ApiError::new("InvalidVpcEndpointType", message));
        }
    };
    check::kind(&offer, kind)?;
    if region.is_some() && kind != EndpointType::Interface {
        return Err(check::only_for("Services of other Regions are", EndpointType::Interface));
    }
    let policy = params.optional("PolicyDocument");
    policy.as_deref().map_or(Ok(()), check::policy)?;
    let tags = tags::take(params, "vpc-endpoint")?;
    let mut endpoint = EndpointRecord {
        id: tags::chosen_id(call, &tags, EndpointId::PREFIX)?.unwrap_or_else(|| EndpointId::of_bits(rand::random())),
        owner: call.caller.account.clone(),
        vpc: vpc.id,
        service: offer.service.service_name.clone(),
        kind,
        phase: if offer.acceptance_required() { Phase::Requested } else { Phase::Accepted },
        phase_since: call.now,
        created: call.now,
        private_dns_enabled: false,
        ip_address_type: IpAddressType::Ipv4,
        dns_record_ip_type: RecordIpType::Ipv4,
        inbound_resolver_only: false,
        policy,
        security_groups: Vec::new(),
        interfaces: Vec::new(),
        route_tables: Vec::new(),
        service_region: region.map(|region| region.to_string()),
        lattice: None,
        own_names: OwnNames::default(),
        tags,
    };
    match kind {
        EndpointType::Interface => interface(call, params, &vpc, &offer, &mut endpoint)?,
        _ => gateway(call, params, &mut endpoint)?,
    }
    let mut events = Vec::new();
    if offer.is_endpoint_service() {
        events.push(ConnectionChange { name: "Connect", endpoint: endpoint.id, service: endpoint.service.clone() });
    }
    let mut answer = Xml::new();
    let state = match (kind, endpoint.phase) {
        (EndpointType::Gateway, _) => State::Available,
        (_, Phase::Requested) => State::PendingAcceptance,
        _ => State::Pending,
    };
    let (record, suffix) = (Cow::Borrowed(&endpoint), endpoint.suffix());
    let listed = ListedEndpoint::new(call, record, state, suffix, Some(offer.service));
    answer.element("vpcEndpoint", |xml| listed.write(xml));
    answer.optional("clientToken", call.client_token.as_ref());
    Ok(Done { edit: Edit { events, ..Edit::put([StoredObject::Endpoint(endpoint)]) }, answer })
}

fn interface(
    call: &Call<'_>,
    params: &mut Params,
    vpc: &VpcRecord,
    offer: &Offer<'_>,
    endpoint: &mut EndpointRecord,
) -> Result<(), ApiError> {
    if !params.list("RouteTableId").is_empty() {
        return Err(check::only_for("Route table IDs are", EndpointType::Gateway));
    }
    if let Some(given) = check::take_ip_address_type(params)? {
        endpoint.ip_address_type = given;
    }
    check::ip_address_type(offer, endpoint.ip_address_type)?;
    let mut options = params.structure("DnsOptions");
    endpoint.dns_record_ip_type =
        check::take_dns_record_ip_type(&mut options)?.unwrap_or(endpoint.ip_address_type.records());
    let inbound_only = options.flag("PrivateDnsOnlyForInboundResolverEndpoint")?;
    options.finish()?;
    check::dns_record_ip_type(endpoint.dns_record_ip_type, endpoint.ip_address_type)?;
    check::quota(call, vpc.id)?;

    place(call, params, vpc, endpoint)?;

    // on by default for services of AWS (EC2 API Reference), but for S3, whose private DNS is younger than its endpoints
    // (AWS CLI, `create-vpc-endpoint`), and not for those of others, which have to be accepted first
    let by_default = !offer.service.private_names.is_empty()
        && !offer.is_endpoint_service()
        && !offer.has_type(EndpointType::Gateway);
    endpoint.private_dns_enabled = params.flag("PrivateDnsEnabled")?.unwrap_or(by_default);
    if endpoint.private_dns_enabled {
        check::private_dns(vpc, offer, endpoint.phase != Phase::Requested)?;
        // "By default, this is enabled with private DNS" (S3 guide)
        endpoint.inbound_resolver_only = inbound_only.unwrap_or_else(|| offer.has_type(EndpointType::Gateway));
        if endpoint.inbound_resolver_only {
            check::inbound_only(call, vpc.id, offer)?;
        }
    }
    Ok(())
}

/// Gives an endpoint its security groups, and an interface in each subnet.
pub(super) fn place(
    call: &Call<'_>,
    params: &mut Params,
    vpc: &VpcRecord,
    endpoint: &mut EndpointRecord,
) -> Result<(), ApiError> {
    // "If you do not specify a security group, the default security group is associated" (PrivateLink guide)
    endpoint.security_groups = params.list("SecurityGroupId");
    if endpoint.security_groups.is_empty() {
        endpoint.security_groups.push(default_group_id(call.state, vpc.id));
    } else {
        endpoint.security_groups.iter().try_for_each(|id| check::group(call, vpc.id, id))?;
    }

    let wanted = address::take(params)?;
    check::wanted_once(&wanted)?;
    let mut subnets = params.list("SubnetId");
    for one in &wanted {
        let id = one.subnet.to_string();
        if !subnets.contains(&id) {
            subnets.push(id);
        }
    }
    for id in &subnets {
        let subnet = call.need_subnet(id)?;
        let wanted = wanted.iter().find(|one| one.subnet == subnet.id);
        let families = Families::of(endpoint.ip_address_type);
        address::add(call, &subnet, families, wanted, &mut endpoint.interfaces)?;
    }
    Ok(())
}

fn gateway(call: &Call<'_>, params: &mut Params, endpoint: &mut EndpointRecord) -> Result<(), ApiError> {
    check::no_dns_options(params)?;
    if !params.list("SubnetId").is_empty() || !address::take(params)?.is_empty() {
        return Err(check::only_for("Subnet IDs are", EndpointType::Interface));
    }
    if !params.list("SecurityGroupId").is_empty() {
        return Err(check::only_for("Security group IDs are", EndpointType::Interface));
    }
    if params.flag("PrivateDnsEnabled")? == Some(true) {
        return Err(check::only_for("Private DNS is", EndpointType::Interface));
    }
    endpoint.route_tables = params.list("RouteTableId");
    endpoint.route_tables.iter().try_for_each(|id| check::route_table_of(call, endpoint.vpc, id))
}

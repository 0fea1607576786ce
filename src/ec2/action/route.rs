//! Routes: kept and shown. What they lead to is taken as given: there are no gateways here.

use ipnet::IpNet;

use super::route_table;
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::record::StoredObject;
use crate::ec2::route::{RouteTableRecord, StoredRoute};
use crate::ec2::state::Edit;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateRoute", writes: true, idempotent: true, run: create },
    Action { name: "ReplaceRoute", writes: true, idempotent: false, run: replace },
    Action { name: "DeleteRoute", writes: true, idempotent: false, run: delete },
];

/// The parameters that name a target, and the members of EC2's `Route` that show them.
const TARGETS: &[(&str, &str)] = &[
    ("GatewayId", "gatewayId"),
    ("VpcEndpointId", "gatewayId"),
    ("InstanceId", "instanceId"),
    ("NatGatewayId", "natGatewayId"),
    ("NetworkInterfaceId", "networkInterfaceId"),
    ("TransitGatewayId", "transitGatewayId"),
    ("VpcPeeringConnectionId", "vpcPeeringConnectionId"),
    ("EgressOnlyInternetGatewayId", "egressOnlyInternetGatewayId"),
    ("LocalGatewayId", "localGatewayId"),
    ("CarrierGatewayId", "carrierGatewayId"),
    ("CoreNetworkArn", "coreNetworkArn"),
];

/// Takes the destination of a call, as it is kept, and the parameter that has it as EC2's texts call it.
fn destination(params: &mut Params) -> Result<(String, &'static str), ApiError> {
    let mut found = Vec::new();
    for (name, text) in [
        ("DestinationCidrBlock", "destination-cidr-block"),
        ("DestinationIpv6CidrBlock", "destination-ipv6-cidr-block"),
    ] {
        let Some(value) = params.optional(name) else { continue };
        let wants_v6 = name.contains("Ipv6");
        let block = value.parse::<IpNet>().ok().filter(|block| matches!(block, IpNet::V6(_)) == wants_v6);
        let block = block.ok_or_else(|| ApiError::value(&value, name, "This is not a valid CIDR block."))?;
        found.push((block.trunc().to_string(), text));
    }
    found.extend(params.optional("DestinationPrefixListId").map(|id| (id, "destination-prefix-list-id")));
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(ApiError::missing("DestinationCidrBlock")),
        _ => Err(ApiError::new("InvalidParameterCombination", "One destination must be given, and only one.")),
    }
}

/// Takes the target of a call.
fn route(params: &mut Params, destination: String) -> Result<StoredRoute, ApiError> {
    let given = TARGETS.iter().filter_map(|(name, kind)| params.optional(name).map(|id| (*kind, id)));
    let mut given = given.collect::<Vec<_>>().into_iter();
    match (given.next(), given.next()) {
        (Some((kind, target)), None) => Ok(StoredRoute { destination, kind: kind.to_owned(), target }),
        (None, _) => {
            let message = "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, \
                           vpcPeeringConnectionId, transitGatewayId or another target";
            Err(ApiError::new("MissingParameter", message))
        }
        _ => Err(ApiError::new("InvalidParameterCombination", "One target must be given, and only one.")),
    }
}

/// A route of the VPC's own, or of a gateway endpoint, can be neither replaced nor deleted.
fn is_fixed(call: &Call<'_>, table: &RouteTableRecord, destination: &str) -> bool {
    call.vpc(table.vpc).is_some_and(|vpc| vpc.cidr_blocks.iter().any(|block| block.to_string() == destination))
}

/// The table of a call, and the place in it of the route that the call changes.
fn changeable(call: &Call<'_>, params: &mut Params) -> Result<(RouteTableRecord, usize), ApiError> {
    let table = route_table::need(call, &params.required("RouteTableId")?)?;
    let (destination, text) = destination(params)?;
    if is_fixed(call, &table, &destination) {
        let message = format!("cannot change the local route {destination} in route table {}", table.id);
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let at = table.routes.iter().position(|route| route.destination == destination).ok_or_else(|| {
        let message = format!("no route with {text} {destination} in route table {}", table.id);
        ApiError::new("InvalidRoute.NotFound", message)
    })?;
    Ok((table, at))
}

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut table = route_table::need(call, &params.required("RouteTableId")?)?;
    let (destination, _) = destination(params)?;
    let route = route(params, destination)?;
    let destination = &route.destination;
    if is_fixed(call, &table, destination) || table.routes.iter().any(|other| other.destination == *destination) {
        let message = format!("The route identified by {destination} already exists.");
        return Err(ApiError::new("RouteAlreadyExists", message));
    }
    table.routes.push(route);
    Ok(Done::changed(Edit::put([StoredObject::RouteTable(table)])))
}

fn replace(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let (mut table, at) = changeable(call, params)?;
    let destination = table.routes.remove(at).destination;
    table.routes.insert(at, route(params, destination)?);
    Ok(Done::changed(Edit::put([StoredObject::RouteTable(table)])))
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let (mut table, at) = changeable(call, params)?;
    table.routes.remove(at);
    Ok(Done::changed(Edit::put([StoredObject::RouteTable(table)])))
}

//! Route tables: the main one that each VPC comes with, and those that callers make. They are kept and shown.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::ec2::call::{Action, Call, Done, id_of_name, new_id};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointType, Phase, StoredObject, Tags, VpcRecord};
use crate::ec2::route::{RouteTableRecord, StoredRoute, TABLE_PREFIX, TableAssociation, check_table_id};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::naming::{SubnetId, VpcId};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateRouteTable", writes: true, idempotent: true, run: create },
    Action { name: "DescribeRouteTables", writes: false, idempotent: false, run: describe },
    Action { name: "DeleteRouteTable", writes: true, idempotent: false, run: delete },
    Action { name: "AssociateRouteTable", writes: true, idempotent: false, run: associate },
    Action { name: "DisassociateRouteTable", writes: true, idempotent: false, run: disassociate },
    Action { name: "ReplaceRouteTableAssociation", writes: true, idempotent: false, run: replace_association },
];

const LISTING: Listing = Listing { set: "routeTableSet", bad_filter: "InvalidParameterValue", least: 5 };

/// What a VPC's id becomes in the ids of its main table and that table's association.
fn derived(vpc: VpcId, prefix: &str) -> String {
    vpc.to_string().replacen(VpcId::PREFIX, prefix, 1)
}

/// The main table that a VPC comes with.
fn main_table(vpc: &VpcRecord) -> RouteTableRecord {
    RouteTableRecord {
        id: derived(vpc.id, TABLE_PREFIX),
        owner: vpc.owner.clone(),
        vpc: vpc.id,
        routes: Vec::new(),
        associations: vec![TableAssociation { id: derived(vpc.id, "rtbassoc-"), subnet: None }],
        tags: Tags::new(),
    }
}

/// The tables that the caller sees, by id: those of records, and the main table of each VPC whose records have none.
pub(super) fn tables<'c>(call: &'c Call<'_>) -> BTreeMap<String, Cow<'c, RouteTableRecord>> {
    let mine = |table: &&RouteTableRecord| call.sees(&table.owner) && call.is_here(table.vpc);
    let stored: Vec<&RouteTableRecord> = call.state.route_tables().filter(mine).collect();
    let has_main = |vpc: VpcId| stored.iter().any(|table| table.vpc == vpc && table.is_main());
    let derived = call.vpcs().filter(|vpc| !has_main(vpc.id)).map(|vpc| Cow::Owned(main_table(&vpc)));
    let all = derived.chain(stored.iter().map(|table| Cow::Borrowed(*table)));
    all.map(|table| (table.id.clone(), table)).collect()
}

/// The table that a call names, or EC2's error for one that is not there.
pub(super) fn need(call: &Call<'_>, id: &str) -> Result<RouteTableRecord, ApiError> {
    check_table_id(id)?;
    tables(call).remove(id).map(Cow::into_owned).ok_or_else(|| ApiError::not_found(TABLE_PREFIX, id))
}

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let vpc = call.need_vpc(&params.required("VpcId")?)?;
    let tags = super::tags::take(params, "route-table")?;
    let table = RouteTableRecord {
        id: super::tags::chosen_id(call, &tags, TABLE_PREFIX)?.unwrap_or_else(|| new_id(TABLE_PREFIX)),
        owner: call.caller.account.clone(),
        vpc: vpc.id,
        routes: Vec::new(),
        associations: Vec::new(),
        tags,
    };
    let mut answer = Xml::new();
    let listed = ListedTable::new(call, Cow::Borrowed(&table));
    answer.element("routeTable", |xml| listed.write(xml));
    answer.optional("clientToken", call.client_token.as_ref());
    Ok(Done { edit: Edit::put([StoredObject::RouteTable(table)]), answer })
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("RouteTableId");
    let mut all = tables(call);
    if let Some(id) = ids.iter().find(|id| !all.contains_key(*id)) {
        return Err(ApiError::not_found(TABLE_PREFIX, id));
    }
    all.retain(|id, _| ids.is_empty() || ids.contains(id));
    let listed = all.into_values().map(|table| ListedTable::new(call, table));
    LISTING.answer(params, listed, |listed| listed.table.id.clone())
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("RouteTableId")?;
    let table = need(call, &id)?;
    if !table.associations.is_empty() {
        let message = format!("The routeTable '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", message));
    }
    // gateway endpoints have no routes in it any more
    let using = call.state.endpoints_of(table.vpc).filter(|endpoint| endpoint.route_tables.contains(&id));
    let left = using.cloned().map(|mut endpoint| {
        endpoint.route_tables.retain(|table| *table != id);
        StoredObject::Endpoint(endpoint)
    });
    let put = left.collect();
    Ok(Done::changed(Edit { put, remove: vec![id.clone()], ..Edit::default() }))
}

fn associate(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut table = need(call, &params.required("RouteTableId")?)?;
    if let Some(gateway) = params.optional("GatewayId") {
        let message = format!("The gateway ID '{gateway}' does not exist");
        return Err(ApiError::new("InvalidGatewayID.NotFound", message));
    }
    let subnet = call.need_subnet(&params.required("SubnetId")?)?;
    if subnet.vpc != table.vpc {
        let message = format!("route table {} and subnet {} belong to different networks", table.id, subnet.id);
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let subnet = subnet.id.to_string();
    let is_of_subnet = |association: &TableAssociation| association.subnet.as_ref() == Some(&subnet);
    if tables(call).values().any(|other| other.associations.iter().any(is_of_subnet)) {
        let message =
            format!("the specified association for route table {} conflicts with an existing association", table.id);
        return Err(ApiError::new("Resource.AlreadyAssociated", message));
    }
    let id = new_id("rtbassoc-");
    let answer = associated("associationId", &id);
    table.associations.push(TableAssociation { id, subnet: Some(subnet) });
    Ok(Done { edit: Edit::put([StoredObject::RouteTable(table)]), answer })
}

fn associated(name: &str, id: &str) -> Xml {
    let mut answer = Xml::new();
    answer.text(name, id);
    answer.element("associationState", |xml| xml.text("state", "associated"));
    answer
}

/// The table that has an association, without it, and the association.
fn take_association(call: &Call<'_>, id: &str) -> Result<(RouteTableRecord, TableAssociation), ApiError> {
    let found = tables(call).into_values().find_map(|table| {
        let at = table.associations.iter().position(|association| association.id == id)?;
        let mut table = table.into_owned();
        let association = table.associations.remove(at);
        Some((table, association))
    });
    let missing =
        || ApiError::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist"));
    found.ok_or_else(missing)
}

fn disassociate(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("AssociationId")?;
    let (table, association) = take_association(call, &id)?;
    if association.subnet.is_none() {
        let message = format!("cannot disassociate the main route table association {id}");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    Ok(Done::changed(Edit::put([StoredObject::RouteTable(table)])))
}

fn replace_association(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let (before, mut association) = take_association(call, &params.required("AssociationId")?)?;
    let mut table = need(call, &params.required("RouteTableId")?)?;
    if table.vpc != before.vpc {
        let message = format!("route table {} and {} belong to different networks", table.id, before.id);
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    association.id = new_id("rtbassoc-");
    let answer = associated("newAssociationId", &association.id);
    if table.id == before.id {
        table = before;
        table.associations.push(association);
        return Ok(Done { edit: Edit::put([StoredObject::RouteTable(table)]), answer });
    }
    table.associations.push(association);
    Ok(Done { edit: Edit::put([before, table].map(StoredObject::RouteTable)), answer })
}

/// Ends the association of a subnet that goes.
pub(super) fn without_subnet(call: &Call<'_>, subnet: SubnetId) -> Vec<StoredObject> {
    let left = call.state.route_tables().cloned().filter_map(|mut table| table.leave(subnet).then_some(table));
    left.map(StoredObject::RouteTable).collect()
}

/// A table as it is listed.
struct ListedTable<'c> {
    table: Cow<'c, RouteTableRecord>,
    /// Routes with their origins: to the VPC's blocks, those that were made, to gateway endpoints.
    routes: Vec<(StoredRoute, &'static str)>,
}

impl<'c> ListedTable<'c> {
    fn new(call: &Call<'_>, table: Cow<'c, RouteTableRecord>) -> Self {
        let route = |destination: String, target: &str| StoredRoute {
            destination,
            kind: "gatewayId".to_owned(),
            target: target.to_owned(),
        };
        let blocks = call.vpc(table.vpc).map(|vpc| vpc.cidr_blocks.clone()).unwrap_or_default();
        let mut routes: Vec<_> =
            blocks.iter().map(|block| (route(block.to_string(), "local"), "CreateRouteTable")).collect();
        routes.extend(table.routes.iter().map(|route| (route.clone(), "CreateRoute")));
        let gateways = call.state.endpoints_of(table.vpc).filter(|endpoint| {
            endpoint.kind == EndpointType::Gateway
                && endpoint.phase != Phase::Deleted
                && endpoint.route_tables.contains(&table.id)
        });
        routes.extend(gateways.map(|endpoint| {
            let list = id_of_name("pl-", endpoint.service.as_str());
            (route(list, &endpoint.id.to_string()), "CreateRoute")
        }));
        Self { table, routes }
    }

    /// The destination of each route that is of a kind.
    fn destinations(&self, is_of: fn(&str) -> bool) -> Values<'_> {
        let text =
            |route: &StoredRoute| if is_of(&route.destination) { route.destination.clone() } else { String::new() };
        Values::of_each(self.routes.iter().map(|(route, _)| text(route)))
    }

    /// The target of each route whose target stands in a member.
    fn targets(&self, kind: &str) -> Values<'_> {
        let text = |route: &StoredRoute| if route.kind == kind { route.target.clone() } else { String::new() };
        Values::of_each(self.routes.iter().map(|(route, _)| text(route)))
    }
}

/// Whether a destination is a block of a family.
fn is_block(text: &str, v6: bool) -> bool {
    text.parse::<IpNet>().is_ok_and(|block| matches!(block, IpNet::V6(_)) == v6)
}

fields! {
    impl ListedTable<'_> as it {
        "associationSet[].main" ["association.main"] = Values::of_each(it.table.associations.iter().map(|one| one.subnet.is_none()));
        "associationSet[].routeTableAssociationId" ["association.route-table-association-id"] = Values::of_each(it.table.associations.iter().map(|one| &one.id));
        "associationSet[].routeTableId" = it.table.id.as_str();
        "associationSet[].subnetId" ["association.subnet-id"] = Values::of_each(it.table.associations.iter().map(|one| one.subnet.as_deref().unwrap_or_default()));
        "associationSet[].associationState.state" = "associated";
        "" ["association.route-table-id"] = Values::of_each(it.table.associations.iter().map(|_| &it.table.id));
        "" ["association.gateway-id"] = Values::Absent;
        "ownerId" ["owner-id"] = &it.table.owner;
        "propagatingVgwSet[]" = Values::of_each([""; 0]);
        "routeSet[].destinationCidrBlock" ["route.destination-cidr-block"] = it.destinations(|text| is_block(text, false));
        "routeSet[].destinationIpv6CidrBlock" ["route.destination-ipv6-cidr-block"] = it.destinations(|text| is_block(text, true));
        "routeSet[].destinationPrefixListId" ["route.destination-prefix-list-id"] = it.destinations(|text| text.starts_with("pl-"));
        "routeSet[].gatewayId" ["route.gateway-id"] = it.targets("gatewayId");
        "routeSet[].instanceId" ["route.instance-id"] = it.targets("instanceId");
        "routeSet[].natGatewayId" ["route.nat-gateway-id"] = it.targets("natGatewayId");
        "routeSet[].networkInterfaceId" = it.targets("networkInterfaceId");
        "routeSet[].transitGatewayId" ["route.transit-gateway-id", "transit-gateway-id"] = it.targets("transitGatewayId");
        "routeSet[].vpcPeeringConnectionId" ["route.vpc-peering-connection-id"] = it.targets("vpcPeeringConnectionId");
        "routeSet[].egressOnlyInternetGatewayId" ["route.egress-only-internet-gateway-id"] = it.targets("egressOnlyInternetGatewayId");
        "routeSet[].localGatewayId" = it.targets("localGatewayId");
        "routeSet[].carrierGatewayId" = it.targets("carrierGatewayId");
        "routeSet[].coreNetworkArn" = it.targets("coreNetworkArn");
        "routeSet[].origin" ["route.origin"] = Values::of_each(it.routes.iter().map(|(_, origin)| origin));
        "routeSet[].state" ["route.state"] = Values::of_each(it.routes.iter().map(|_| "active"));
        "routeTableId" ["route-table-id"] = &it.table.id;
        "tagSet" ["tag", "tag-key"] = &it.table.tags;
        "vpcId" ["vpc-id"] = Values::of(it.table.vpc);
    }
}

//! Resolver endpoints: where questions come into a VPC from elsewhere, and where they leave it.
//!
//! An inbound one with the tag `vpcedns:listener` opens those listeners; any other is a record.

use std::collections::BTreeMap;

use serde_json::json;

use super::listing::{ListQuery, ListedItem};
use super::placement::{LEAST_ADDRESSES, MOST_ADDRESSES, WantedAddress, families, fill};
use super::{invalid_parameter, invalid_request, not_found, tag_list};
use crate::ec2::action::{endpoint, reach};
use crate::ec2::call::{Call, new_id};
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::resolver_endpoint::{INBOUND_PREFIX, OPTIONS, OUTBOUND_PREFIX, ResolverEndpointRecord};
use crate::ec2::state::Edit;
use crate::naming::VpcId;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "CreateResolverEndpoint", writes: true, run: create },
    DocumentAction { name: "GetResolverEndpoint", writes: false, run: get },
    DocumentAction { name: "UpdateResolverEndpoint", writes: true, run: update },
    DocumentAction { name: "DeleteResolverEndpoint", writes: true, run: delete },
    DocumentAction { name: "ListResolverEndpoints", writes: false, run: list },
];

const DIRECTIONS: &[&str] = &["INBOUND", "OUTBOUND", "INBOUND_DELEGATION"];
const TYPES: &[&str] = &["IPV6", "IPV4", "DUALSTACK"];
const PROTOCOLS: &[&str] = &["DoH", "Do53", "DoH-FIPS"];
const FILTERS: &[&str] =
    &["CreatorRequestId", "Direction", "HostVPCId", "IpAddressCount", "Name", "SecurityGroupIds", "Status"];
/// Most endpoints of an account and Region. AWS has 4, which can be raised (Route 53 guide, "Quotas on Route 53 Resolver").
const MOST: usize = 100;
/// Most security groups of an endpoint.
const MOST_GROUPS: usize = 10;

const OPERATIONAL: &str = "This Resolver Endpoint is operational.";

/// Whether an endpoint is of the caller's account and Region.
fn is_mine(call: &Call<'_>, endpoint: &ResolverEndpointRecord) -> bool {
    call.sees(&endpoint.owner) && endpoint.region == call.caller.region
}

/// The endpoint that a call names.
pub(super) fn need_endpoint<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c ResolverEndpointRecord, ApiError> {
    let endpoint = call.state.resolver_endpoint(id).filter(|endpoint| is_mine(call, endpoint));
    endpoint.ok_or_else(|| not_found(format!("Resolver endpoint with ID '{id}' does not exist.")))
}

/// The changed endpoint, and how it is shown.
pub(super) fn changed(endpoint: ResolverEndpointRecord) -> DocumentDone {
    let shown = endpoint.shown("OPERATIONAL", OPERATIONAL);
    let edit = Edit::put([StoredObject::ResolverEndpoint(endpoint)]);
    DocumentDone { edit, answer: json!({ "ResolverEndpoint": shown }) }
}

/// What an endpoint may be told when it is made, and later.
struct EndpointSettings {
    name: Option<String>,
    endpoint_type: Option<&'static str>,
    protocols: Option<Vec<String>>,
    options: BTreeMap<String, bool>,
}

impl EndpointSettings {
    fn read(document: &Document<'_>) -> Self {
        let protocols = document.words("Protocols", 1..=2, PROTOCOLS);
        Self {
            name: document.friendly_name("Name").map(str::to_owned),
            endpoint_type: document.word("ResolverEndpointType", TYPES),
            protocols: protocols.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
            options: OPTIONS.iter().filter_map(|name| Some(((*name).to_owned(), document.flag(name)?))).collect(),
        }
    }

    /// Has the endpoint follow; what it does not say stays. Addresses follow the type later.
    fn apply(self, endpoint: &mut ResolverEndpointRecord) -> Result<(), ApiError> {
        if let Some(mut protocols) = self.protocols {
            protocols.sort();
            protocols.dedup();
            if protocols == ["DoH", "DoH-FIPS"] {
                return Err(invalid_request("An endpoint has DoH or DoH-FIPS, and not both."));
            }
            endpoint.protocols = protocols;
        }
        endpoint.name = self.name.or(endpoint.name.take());
        if let Some(endpoint_type) = self.endpoint_type {
            endpoint_type.clone_into(&mut endpoint.endpoint_type);
        }
        endpoint.options.extend(self.options);
        Ok(())
    }
}

fn create(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let creator_request_id = document.need("CreatorRequestId", 1..=255).to_owned();
    let direction = document.need_word("Direction", DIRECTIONS);
    let groups = document.texts("SecurityGroupIds", 0..=usize::MAX, 1..=64);
    let wanted = document.structures("IpAddresses", 1..=MOST_ADDRESSES);
    let wanted = wanted.map(|all| all.iter().map(WantedAddress::read).collect::<Vec<_>>());
    let (settings, given_tags) = (EndpointSettings::read(document), tag_list::read(document));
    let outpost = document.text("OutpostArn", 1..=255).or(document.text("PreferredInstanceType", 1..=255));
    for (name, is_given) in [("SecurityGroupIds", groups.is_some()), ("IpAddresses", wanted.is_some())] {
        if !is_given {
            document.is_missing(name);
        }
    }
    document.check()?;
    let (groups, wanted) = (groups.unwrap_or_default(), wanted.unwrap_or_default());
    if outpost.is_some() {
        return Err(invalid_request("Resolver endpoints on Outposts are not here."));
    }
    if wanted.len() < LEAST_ADDRESSES {
        return Err(invalid_request("Resolver endpoint needs to have at least 2 IP addresses"));
    }
    let vpc = wanted.first().map(|first| first.need_subnet(call)).transpose()?.map(|subnet| subnet.vpc);
    let vpc = vpc.ok_or_else(|| invalid_request("Resolver endpoint needs to have at least 2 IP addresses"))?;
    check_groups(call, vpc, &groups)?;
    let prefix = if direction == "OUTBOUND" { OUTBOUND_PREFIX } else { INBOUND_PREFIX };
    let tags = tag_list::with(Tags::new(), given_tags)?;
    let mut made = ResolverEndpointRecord {
        id: new_id(prefix),
        owner: call.caller.account.clone(),
        region: call.caller.region.clone(),
        creator_request_id,
        name: None,
        direction: direction.to_owned(),
        vpc,
        security_groups: groups.iter().map(|id| (*id).to_owned()).collect(),
        addresses: Vec::new(),
        endpoint_type: "IPV4".to_owned(),
        protocols: vec!["Do53".to_owned()],
        options: BTreeMap::new(),
        listeners: Vec::new(),
        tags,
        created: call.now,
        modified: call.now,
    };
    settings.apply(&mut made)?;
    let mine: Vec<&ResolverEndpointRecord> = call.state.resolver_endpoints().filter(|it| is_mine(call, it)).collect();
    if let Some(before) = mine.iter().find(|other| other.creator_request_id == made.creator_request_id) {
        return repeated(before, &made, &wanted);
    }
    if mine.len() >= MOST {
        let message = format!("Account '{}' has exceeded 'max-endpoints'", call.caller.account);
        return Err(ApiError::new("LimitExceededException", message));
    }
    for one in &wanted {
        one.add(call, &mut made)?;
    }
    follow_tags(call, &mut made)?;
    Ok(changed(made))
}

/// A call that was made before is answered as it was; another one has to have another id.
fn repeated(
    before: &ResolverEndpointRecord,
    again: &ResolverEndpointRecord,
    wanted: &[WantedAddress],
) -> Result<DocumentDone, ApiError> {
    let said = |one: &ResolverEndpointRecord| {
        let ResolverEndpointRecord { name, direction, security_groups, endpoint_type, protocols, options, .. } =
            one.clone();
        (name, direction, security_groups, endpoint_type, protocols, options)
    };
    let same_addresses = wanted.len() == before.addresses.len()
        && wanted.iter().zip(&before.addresses).all(|(wanted, address)| wanted.is_met_by(address));
    if same_addresses && said(before) == said(again) {
        let shown = before.shown("OPERATIONAL", OPERATIONAL);
        return Ok(DocumentDone::read(json!({ "ResolverEndpoint": shown })));
    }
    let message = format!("Resolver endpoint with creator request ID '{}' already exists", again.creator_request_id);
    Err(ApiError::new("ResourceExistsException", message))
}

fn check_groups(call: &Call<'_>, vpc: VpcId, groups: &[&str]) -> Result<(), ApiError> {
    if groups.len() > MOST_GROUPS {
        return Err(invalid_parameter(format!("Maximum of {MOST_GROUPS} security groups are allowed")));
    }
    for id in groups {
        endpoint::check_group(call, vpc, id).map_err(|error| {
            if error.code.ends_with("Malformed") {
                invalid_parameter(format!("[RSLVR-00408] Malformed security group ID: \"{}\".", error.message))
            } else {
                not_found(format!("The security group '{id}' does not exist"))
            }
        })?;
    }
    Ok(())
}

/// Has the listeners of an inbound endpoint follow its tags.
pub(super) fn follow_tags(call: &Call<'_>, endpoint: &mut ResolverEndpointRecord) -> Result<(), ApiError> {
    endpoint.listeners = if endpoint.is_inbound() { reach::listeners(call, &endpoint.tags)? } else { Vec::new() };
    Ok(())
}

fn get(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverEndpointId", 1..=64);
    document.check()?;
    let shown = need_endpoint(call, id)?.shown("OPERATIONAL", OPERATIONAL);
    Ok(DocumentDone::read(json!({ "ResolverEndpoint": shown })))
}

fn update(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverEndpointId", 1..=64);
    let settings = EndpointSettings::read(document);
    let given = document.structures("UpdateIpAddresses", 0..=50).unwrap_or_default();
    let given: Vec<(&str, &str)> = given.iter().map(|it| (it.need("IpId", 1..=64), it.need("Ipv6", 2..=39))).collect();
    document.check()?;
    let mut changing = need_endpoint(call, id)?.clone();
    settings.apply(&mut changing)?;
    if let Some((gone, _)) = given.iter().find(|(id, _)| !changing.addresses.iter().any(|address| address.id == *id)) {
        return Err(not_found(format!("The IP address with ID '{gone}' does not exist.")));
    }
    let families = families(&changing.endpoint_type);
    for at in 0..changing.addresses.len() {
        let Some(mut address) = changing.addresses.get(at).cloned() else { continue };
        let wanted = given.iter().find(|(id, _)| *id == address.id).map(|(_, ipv6)| *ipv6);
        fill(call, families, &changing, &mut address, None, wanted)?;
        if let Some(place) = changing.addresses.get_mut(at) {
            *place = address;
        }
    }
    changing.modified = call.now;
    Ok(changed(changing))
}

fn delete(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverEndpointId", 1..=64);
    document.check()?;
    let endpoint = need_endpoint(call, id)?;
    let rules = call.state.resolver_rules().filter(|rule| rule.endpoint.as_deref() == Some(id));
    let rules: Vec<String> = rules.map(|rule| format!("\"{}\"", rule.id)).collect();
    if !rules.is_empty() {
        return Err(invalid_request(format!(
            "[RSLVR-00600] Cannot delete resolver endpoint unless its related resolver rules are deleted. The following \
             rules still exist for this resolver endpoint: {}",
            rules.join(",")
        )));
    }
    let shown = endpoint.shown("DELETING", "Deleting ResolverEndpoint.");
    let edit = Edit { remove: vec![endpoint.id.clone()], ..Edit::default() };
    Ok(DocumentDone { edit, answer: json!({ "ResolverEndpoint": shown }) })
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let query = ListQuery::read(document, FILTERS)?;
    let mine = call.state.resolver_endpoints().filter(|endpoint| is_mine(call, endpoint));
    let mine = mine.map(|endpoint| ListedItem::new(&endpoint.id, endpoint.shown("OPERATIONAL", OPERATIONAL)));
    query.page("ResolverEndpoints", mine).map(DocumentDone::read)
}

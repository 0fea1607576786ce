//! Private hosted zones, and the VPCs that see them (Route 53 API Reference).

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::dns::DnsName;
use crate::ec2::call::{Action, Call, Done, timestamp};
use crate::ec2::error::ApiError;
use crate::ec2::hosted_zone::{HostedZoneRecord, ZoneVpc, kept_name, new_zone_id, sort_name};
use crate::ec2::params::Params;
use crate::ec2::record::StoredObject;
use crate::ec2::state::Edit;
use crate::ec2::time::UnixMillis;
use crate::ec2::xml::Xml;
use crate::naming::{Region, VpcId, is_known_region};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateHostedZone", writes: true, idempotent: false, run: create },
    Action { name: "GetHostedZone", writes: false, idempotent: false, run: get },
    Action { name: "GetHostedZoneCount", writes: false, idempotent: false, run: count },
    Action { name: "ListHostedZones", writes: false, idempotent: false, run: list },
    Action { name: "ListHostedZonesByName", writes: false, idempotent: false, run: list_by_name },
    Action { name: "ListHostedZonesByVPC", writes: false, idempotent: false, run: list_by_vpc },
    Action { name: "UpdateHostedZoneComment", writes: true, idempotent: false, run: comment },
    Action { name: "UpdateHostedZoneFeatures", writes: true, idempotent: false, run: features },
    Action { name: "DeleteHostedZone", writes: true, idempotent: false, run: delete },
    Action { name: "GetDNSSEC", writes: false, idempotent: false, run: dnssec },
    Action { name: "GetChange", writes: false, idempotent: false, run: change },
    Action { name: "TestDNSAnswer", writes: false, idempotent: false, run: test_answer },
];

/// Most zones on a page (API Reference, ListHostedZones).
const PAGE: usize = 100;

/// An error with another status than 400.
pub(super) fn refused(status: u16, code: &'static str, message: String) -> ApiError {
    ApiError { status, ..ApiError::new(code, message) }
}

/// A change of a zone, that is served once it is answered.
pub(super) fn changed(
    call: &Call<'_>,
    zone: HostedZoneRecord,
    answer: impl FnOnce(&mut Xml, &HostedZoneRecord),
) -> Done {
    let mut xml = Xml::of_route53();
    answer(&mut xml, &zone);
    change_info(&mut xml, &zone, call.now);
    let zone = HostedZoneRecord { changed: call.now, ..zone };
    Done { edit: Edit { put: vec![StoredObject::HostedZone(zone)], ..Edit::default() }, answer: xml }
}

/// DNS follows before a call is answered: nothing is ever pending.
fn change_info(xml: &mut Xml, zone: &HostedZoneRecord, at: UnixMillis) {
    xml.element("ChangeInfo", |xml| {
        xml.text("Id", format!("/change/C{}", zone.id));
        xml.text("Status", "INSYNC");
        xml.text("SubmittedAt", timestamp(at));
    });
}

/// `Z...` of `/hostedzone/Z...`
pub(super) fn short_id(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

pub(super) fn no_such_zone(id: &str) -> ApiError {
    refused(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
}

/// The zone that a call names, of the caller's account.
pub(super) fn need_zone(call: &Call<'_>, params: &mut Params) -> Result<HostedZoneRecord, ApiError> {
    let id = params.required("Id")?;
    let zone = call.state.hosted_zone(short_id(&id)).filter(|zone| call.sees(&zone.owner));
    zone.cloned().ok_or_else(|| no_such_zone(short_id(&id)))
}

/// The VPC in the parameter `VPC`, of the caller's account: another's is none ("the current account is not authorized to
/// access this VPC", API Reference, InvalidVPCId).
fn vpc(call: &Call<'_>, params: &mut Params) -> Result<Option<ZoneVpc>, ApiError> {
    let mut given = params.structure("VPC");
    if given.is_empty() {
        return Ok(None);
    }
    let id = given.required("VPCId")?;
    let region: Region = given
        .parsed("VPCRegion", "Expected a Region.")?
        .ok_or_else(|| ApiError::new("InvalidInput", "The VPC's Region is missing: VPCRegion"))?;
    given.finish()?;
    let found = id.parse().ok().map(|id| ZoneVpc { id, region: region.clone() });
    found.filter(|vpc| is_own(call, vpc)).map(Some).ok_or_else(|| no_such_vpc(&id, &region))
}

/// Whether a VPC is of the caller's account.
pub(super) fn is_own(call: &Call<'_>, vpc: &ZoneVpc) -> bool {
    call.vpc(vpc.id).is_some_and(|found| found.region == vpc.region && call.sees(&found.owner))
}

pub(super) fn no_such_vpc(id: impl Display, region: impl Display) -> ApiError {
    ApiError::new("InvalidVPCId", format!("The VPC ID is invalid: {id} in {region}."))
}

pub(super) fn need_vpc(call: &Call<'_>, params: &mut Params) -> Result<ZoneVpc, ApiError> {
    vpc(call, params)?.ok_or_else(|| ApiError::new("InvalidInput", "The VPC is missing."))
}

/// Refuses a second zone of one name for a VPC; those of endpoints with private DNS are zones, too.
pub(super) fn free(call: &Call<'_>, name: &str, id: &str, vpc: &ZoneVpc) -> Result<(), ApiError> {
    let taken = call.state.hosted_zones().any(|other| {
        other.id != id && other.name == name && other.vpcs.iter().any(|associated| associated.id == vpc.id)
    });
    let hidden = || {
        let zone = name.replace("\\052", "*").parse::<DnsName>().ok();
        let claims = call.model.private_names(vpc.id).iter();
        let mut live = claims.filter(|claim| call.model.endpoint(claim.endpoint).is_some_and(|it| !it.state.is_over()));
        zone.is_some_and(|zone| live.any(|claim| claim.is_in_zone(&zone)))
    };
    if taken || hidden() {
        let message = format!(
            "The VPC {} in region {} has already been associated with a hosted zone with the same domain name.",
            vpc.id, vpc.region
        );
        return Err(ApiError::new("ConflictingDomainExists", message));
    }
    Ok(())
}

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let given = params.required("Name")?;
    let name = kept_name(&given);
    if name.len() > 255 || name.trim_end_matches('.').split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(ApiError::new("InvalidDomainName", format!("{given} is not a valid domain name.")));
    }
    let caller_reference = params.required("CallerReference")?;
    let mut config = params.structure("HostedZoneConfig");
    let comment = config.optional("Comment");
    config.flag("PrivateZone")?;
    config.finish()?;
    params.optional("DelegationSetId");
    let public_dns_fallback = params.flag("EnablePublicDNSFallback")?.unwrap_or(false);
    let Some(vpc) = vpc(call, params)? else {
        let message = "This server has private hosted zones only: name a VPC (VPCId, VPCRegion).";
        return Err(ApiError::new("InvalidInput", message));
    };
    let mine = |zone: &&HostedZoneRecord| call.sees(&zone.owner) && zone.caller_reference == caller_reference;
    if call.state.hosted_zones().any(|zone| mine(&zone)) {
        let message =
            format!("A hosted zone has already been created with the specified caller reference: {caller_reference}");
        return Err(refused(409, "HostedZoneAlreadyExists", message));
    }
    free(call, &name, "", &vpc)?;
    let zone = HostedZoneRecord {
        id: new_zone_id(),
        owner: call.caller.account.clone(),
        record_sets: HostedZoneRecord::apex_sets(&name),
        name,
        caller_reference,
        comment,
        vpcs: vec![vpc],
        authorized: Vec::new(),
        public_dns_fallback,
        tags: BTreeMap::new(),
        changed: call.now,
    };
    Ok(changed(call, zone, |xml, zone| {
        write_zone(xml, zone);
        zone.vpcs.iter().for_each(|vpc| write_vpc(xml, vpc));
        xml.location = Some(format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{}", zone.id));
    }))
}

/// `<HostedZone>`
fn write_zone(xml: &mut Xml, zone: &HostedZoneRecord) {
    xml.element("HostedZone", |xml| zone_members(xml, zone));
}

fn zone_members(xml: &mut Xml, zone: &HostedZoneRecord) {
    xml.text("Id", format!("/hostedzone/{}", zone.id));
    xml.text("Name", &zone.name);
    xml.text("CallerReference", &zone.caller_reference);
    xml.element("Config", |xml| {
        xml.optional("Comment", zone.comment.as_ref());
        xml.text("PrivateZone", true);
    });
    xml.text("ResourceRecordSetCount", zone.record_sets.len());
    xml.element("Features", |xml| xml.text("PublicDNSFallbackStatus", zone.fallback_status()));
}

/// `<VPC>`
pub(super) fn write_vpc(xml: &mut Xml, vpc: &ZoneVpc) {
    xml.element("VPC", |xml| {
        xml.text("VPCRegion", &vpc.region);
        xml.text("VPCId", vpc.id);
    });
}

fn get(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let zone = need_zone(call, params)?;
    let mut answer = Xml::of_route53();
    write_zone(&mut answer, &zone);
    answer.element("VPCs", |xml| zone.vpcs.iter().for_each(|vpc| write_vpc(xml, vpc)));
    Ok(Done { answer, ..Done::default() })
}

/// The zones of the caller's account.
fn own<'c>(call: &'c Call<'_>) -> impl Iterator<Item = &'c HostedZoneRecord> {
    call.state.hosted_zones().filter(|zone| call.sees(&zone.owner))
}

#[expect(clippy::unnecessary_wraps, reason = "an action")]
fn count(call: &Call<'_>, _: &mut Params) -> Result<Done, ApiError> {
    let mut answer = Xml::of_route53();
    answer.text("HostedZoneCount", own(call).count());
    Ok(Done { answer, ..Done::default() })
}

/// How many there may be on a page.
pub(super) fn page_size(params: &mut Params, most: usize) -> Result<usize, ApiError> {
    let given: Option<usize> = params.parsed("maxitems", "Expected a number.")?;
    match given {
        Some(0) => Err(ApiError::new("InvalidInput", "MaxItems has to be at least 1.")),
        given => Ok(given.unwrap_or(most).min(most)),
    }
}

fn list(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let most = page_size(params, PAGE)?;
    let marker = params.optional("marker");
    params.optional("delegationsetid");
    // there are private ones only, whichever are asked for
    let kind = params.optional("hostedzonetype");
    if let Some(kind) = kind.as_ref().filter(|kind| *kind != "PrivateHostedZone") {
        let message = format!("'{kind}' is not a type of hosted zone to list: PrivateHostedZone");
        return Err(ApiError::new("InvalidInput", message));
    }
    let all: Vec<&HostedZoneRecord> =
        own(call).filter(|zone| marker.as_deref().is_none_or(|marker| zone.id.as_str() >= marker)).collect();
    let (page, rest) = all.split_at(most.min(all.len()));
    let mut answer = Xml::of_route53();
    answer.named_list(["HostedZones", "HostedZone"], page, |xml, zone| zone_members(xml, zone));
    answer.optional("Marker", marker);
    answer.text("IsTruncated", !rest.is_empty());
    answer.optional("NextMarker", rest.first().map(|zone| &zone.id));
    answer.text("MaxItems", most);
    Ok(Done { answer, ..Done::default() })
}

fn list_by_name(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let most = page_size(params, PAGE)?;
    let (name, id) = (params.optional("dnsname"), params.optional("hostedzoneid"));
    let key = |zone: &HostedZoneRecord| (sort_name(&zone.name), zone.id.clone());
    let from = name.as_deref().map(|name| (sort_name(&kept_name(name)), id.clone().unwrap_or_default()));
    let mut all: Vec<&HostedZoneRecord> =
        own(call).filter(|zone| from.as_ref().is_none_or(|from| key(zone) >= *from)).collect();
    all.sort_by_cached_key(|zone| key(zone));
    let (page, rest) = all.split_at(most.min(all.len()));
    let mut answer = Xml::of_route53();
    answer.named_list(["HostedZones", "HostedZone"], page, |xml, zone| zone_members(xml, zone));
    answer.optional("DNSName", name);
    answer.optional("HostedZoneId", id);
    answer.text("IsTruncated", !rest.is_empty());
    answer.optional("NextDNSName", rest.first().map(|zone| &zone.name));
    answer.optional("NextHostedZoneId", rest.first().map(|zone| &zone.id));
    answer.text("MaxItems", most);
    Ok(Done { answer, ..Done::default() })
}

fn list_by_vpc(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let most = page_size(params, PAGE)?;
    let (id, region, token) = (params.required("vpcid")?, params.required("vpcregion")?, params.optional("nexttoken"));
    if !is_known_region(&region) {
        return Err(ApiError::new("InvalidInput", format!("'{region}' is not a Region.")));
    }
    let vpc = id.parse::<VpcId>().ok().and_then(|id| call.vpc(id)).filter(|vpc| call.sees(&vpc.owner));
    let vpc = vpc.ok_or_else(|| ApiError::new("InvalidInput", format!("The VPC ID is invalid: {id}.")))?;
    let all: Vec<&HostedZoneRecord> = call
        .state
        .hosted_zones()
        .filter(|zone| zone.vpcs.iter().any(|associated| associated.id == vpc.id))
        .filter(|zone| token.as_deref().is_none_or(|token| zone.id.as_str() >= token))
        .collect();
    let (page, rest) = all.split_at(most.min(all.len()));
    let mut answer = Xml::of_route53();
    answer.named_list(["HostedZoneSummaries", "HostedZoneSummary"], page, |xml, zone| {
        xml.text("HostedZoneId", &zone.id);
        xml.text("Name", &zone.name);
        xml.element("Owner", |xml| xml.text("OwningAccount", &zone.owner));
    });
    answer.text("MaxItems", most);
    answer.optional("NextToken", rest.first().map(|zone| &zone.id));
    Ok(Done { answer, ..Done::default() })
}

fn comment(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let zone = HostedZoneRecord { comment: params.optional("Comment"), ..need_zone(call, params)? };
    let mut answer = Xml::of_route53();
    write_zone(&mut answer, &zone);
    Ok(Done { edit: Edit { put: vec![StoredObject::HostedZone(zone)], ..Edit::default() }, answer })
}

/// What a zone can do besides (API Reference, UpdateHostedZoneFeatures).
fn features(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut zone = need_zone(call, params)?;
    if params.flag("EnableAcceleratedRecovery")? == Some(true) || !params.structures("ChangeGuardrails").is_empty() {
        let message = "Private hosted zones here have one feature, public DNS fallback (EnablePublicDNSFallback).";
        return Err(ApiError::new("InvalidInput", message));
    }
    if let Some(on) = params.flag("EnablePublicDNSFallback")? {
        zone.public_dns_fallback = on;
    }
    // "Route 53 returns the same errors as for a real request, but doesn't change the hosted zone"
    let is_tried = params.flag("dryrun")? == Some(true);
    let put = if is_tried { Vec::new() } else { vec![StoredObject::HostedZone(zone)] };
    Ok(Done { edit: Edit { put, ..Edit::default() }, answer: Xml::of_route53() })
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let zone = need_zone(call, params)?;
    if !zone.is_empty() {
        let message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Err(ApiError::new("HostedZoneNotEmpty", message));
    }
    let mut answer = Xml::of_route53();
    change_info(&mut answer, &zone, call.now);
    Ok(Done { edit: Edit { remove: vec![zone.id], ..Edit::default() }, answer })
}

/// Private zones are not signed (Route 53 guide, "Working with private hosted zones").
fn dnssec(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    need_zone(call, params)?;
    let mut answer = Xml::of_route53();
    answer.element("Status", |xml| xml.text("ServeSignature", "NOT_SIGNING"));
    answer.element("KeySigningKeys", |_| {});
    Ok(Done { answer, ..Done::default() })
}

fn change(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("Id")?;
    // the change of a zone is called after it
    let zone = short_id(&id).strip_prefix('C').filter(|id| id.starts_with('Z'));
    if zone.is_none() {
        return Err(refused(404, "NoSuchChange", format!("Could not find resource with ID: {id}")));
    }
    // a zone that has gone has had its changes, and another account's says nothing
    let zone = zone.and_then(|zone| call.state.hosted_zone(zone)).filter(|zone| call.sees(&zone.owner));
    let at = zone.map_or(call.now, |zone| zone.changed);
    let mut answer = Xml::of_route53();
    answer.element("ChangeInfo", |xml| {
        xml.text("Id", format!("/change/{}", short_id(&id)));
        xml.text("Status", "INSYNC");
        xml.text("SubmittedAt", timestamp(at));
    });
    Ok(Done { answer, ..Done::default() })
}

/// "TestDNSAnswer ... doesn't support private hosted zones" (API Reference).
fn test_answer(_: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let (name, _) = (params.optional("recordname").unwrap_or_default(), params.required("hostedzoneid")?);
    let message = format!("Private hosted zones are not supported. See `vpcedns explain {name} --from <client>`.");
    Err(ApiError::new("InvalidInput", message))
}

//! Which VPCs see a hosted zone, those of other accounts by authorization (Route 53 API Reference).

use super::hosted_zone::{
    changed, free, is_own, need_vpc, need_zone, no_such_vpc, no_such_zone, refused, short_id, write_vpc,
};
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::hosted_zone::{HostedZoneRecord, ZoneVpc};
use crate::ec2::params::Params;
use crate::ec2::record::StoredObject;
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::naming::is_known_region;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "AssociateVPCWithHostedZone", writes: true, idempotent: false, run: associate },
    Action { name: "DisassociateVPCFromHostedZone", writes: true, idempotent: false, run: disassociate },
    Action { name: "CreateVPCAssociationAuthorization", writes: true, idempotent: false, run: authorize },
    Action { name: "DeleteVPCAssociationAuthorization", writes: true, idempotent: false, run: deauthorize },
    Action { name: "ListVPCAssociationAuthorizations", writes: false, idempotent: false, run: authorizations },
];

/// VPCs that one zone may have (Route 53 guide, "Quotas").
const MOST_VPCS: usize = 300;

/// By the owner of the VPC: of its own zones at once, of others' as far as it is authorized.
fn associate(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("Id")?;
    params.optional("Comment");
    let vpc = need_vpc(call, params)?;
    let zone = call.state.hosted_zone(short_id(&id)).cloned();
    let is_authorized = |zone: &HostedZoneRecord| zone.authorized.contains(&vpc);
    let zone =
        zone.filter(|zone| call.sees(&zone.owner) || is_authorized(zone)).ok_or_else(|| no_such_zone(short_id(&id)))?;
    if zone.vpcs.contains(&vpc) {
        let message = format!(
            "The VPC {} in region {} has already been associated with the hosted zone {}.",
            vpc.id, vpc.region, zone.id
        );
        return Err(ApiError::new("ConflictingDomainExists", message));
    }
    if zone.vpcs.len() >= MOST_VPCS {
        let message = format!("A hosted zone has at most {MOST_VPCS} VPCs.");
        return Err(ApiError::new("LimitsExceeded", message));
    }
    free(call, &zone.name, &zone.id, &vpc)?;
    let mut vpcs = zone.vpcs.clone();
    vpcs.push(vpc);
    Ok(changed(call, HostedZoneRecord { vpcs, ..zone }, |_, _| {}))
}

/// By the owner of the zone, or of the VPC.
fn disassociate(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("Id")?;
    params.optional("Comment");
    let vpc = any_vpc(params)?;
    let is_own = is_own(call, &vpc);
    let zone = call.state.hosted_zone(short_id(&id));
    let zone = zone.filter(|zone| call.sees(&zone.owner) || is_own && zone.vpcs.contains(&vpc));
    let zone = zone.cloned().ok_or_else(|| no_such_zone(short_id(&id)))?;
    if !zone.vpcs.contains(&vpc) {
        if !is_own {
            return Err(no_such_vpc(vpc.id, &vpc.region));
        }
        let message = format!("The VPC: {} and hosted zone: {} are not associated.", vpc.id, zone.id);
        return Err(refused(404, "VPCAssociationNotFound", message));
    }
    if zone.vpcs.len() == 1 {
        let message =
            format!("The VPC: {} is the last one of the hosted zone {}: delete the zone instead.", vpc.id, zone.id);
        return Err(ApiError::new("LastVPCAssociation", message));
    }
    let vpcs = zone.vpcs.iter().filter(|associated| **associated != vpc).cloned().collect();
    Ok(changed(call, HostedZoneRecord { vpcs, ..zone }, |_, _| {}))
}

/// By the owner of the zone, for a VPC of another account, of which nothing is looked up.
fn authorize(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let (mut zone, vpc) = (need_zone(call, params)?, any_vpc(params)?);
    if !zone.authorized.contains(&vpc) {
        zone.authorized.push(vpc.clone());
    }
    let mut answer = Xml::of_route53();
    answer.text("HostedZoneId", &zone.id);
    write_vpc(&mut answer, &vpc);
    Ok(Done { edit: Edit { put: vec![StoredObject::HostedZone(zone)], ..Edit::default() }, answer })
}

fn deauthorize(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let (mut zone, vpc) = (need_zone(call, params)?, any_vpc(params)?);
    if !zone.authorized.contains(&vpc) {
        let message = "The VPC that you specified is not authorized to be associated with the hosted zone.";
        return Err(refused(404, "VPCAssociationAuthorizationNotFound", message.to_owned()));
    }
    zone.authorized.retain(|authorized| *authorized != vpc);
    let edit = Edit { put: vec![StoredObject::HostedZone(zone)], ..Edit::default() };
    Ok(Done { edit, answer: Xml::of_route53() })
}

/// A VPC by its id and Region alone: whether it is there is its account's business.
fn any_vpc(params: &mut Params) -> Result<ZoneVpc, ApiError> {
    let mut given = params.structure("VPC");
    let (id, region) = (given.required("VPCId")?, given.required("VPCRegion")?);
    let invalid = || no_such_vpc(&id, &region);
    let known = Some(region.as_str()).filter(|region| is_known_region(region)).and_then(|region| region.parse().ok());
    Ok(ZoneVpc { id: id.parse().map_err(|_| invalid())?, region: known.ok_or_else(invalid)? })
}

fn authorizations(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let zone = need_zone(call, params)?;
    // all on one page: a zone has few
    params.optional("maxresults");
    if params.optional("nexttoken").is_some() {
        return Err(ApiError::new("InvalidPaginationToken", "The token is none that this server gave."));
    }
    let mut answer = Xml::of_route53();
    answer.text("HostedZoneId", &zone.id);
    answer.element("VPCs", |xml| zone.authorized.iter().for_each(|vpc| write_vpc(xml, vpc)));
    Ok(Done { answer, ..Done::default() })
}

//! What a Profile shares: private hosted zones, resolver rules and interface endpoints of its account.
//!
//! What files declare is shared by `[[profile]]`. DNS Firewall's rule groups are not here.

use serde_json::{Value, json};

use super::{mine, need, not_found, page};
use crate::ec2::call::{Call, new_id, region_arn};
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::profile::{ProfileRecord, ProfileResource};
use crate::ec2::record::{EndpointType, Phase, StoredObject};
use crate::ec2::state::Edit;
use crate::naming::partition_of;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "AssociateResourceToProfile", writes: true, run: associate },
    DocumentAction { name: "UpdateProfileResourceAssociation", writes: true, run: update },
    DocumentAction { name: "DisassociateResourceFromProfile", writes: true, run: disassociate },
    DocumentAction { name: "GetProfileResourceAssociation", writes: false, run: get },
    DocumentAction { name: "ListProfileResourceAssociations", writes: false, run: list },
];

/// Most resources of a Profile (Route 53 guide, "Quotas on Route 53 Profiles").
const MOST: usize = 5_000;
const CREATED: &str = "Completed creation of the Profile resource association";

fn all<'c>(call: &'c Call<'_>) -> impl Iterator<Item = (&'c ProfileRecord, &'c ProfileResource)> {
    mine(call).flat_map(|profile| profile.resources.iter().map(move |resource| (profile, resource)))
}

fn answer(profile: &ProfileRecord, resource: &ProfileResource, status: &str, message: &str) -> Value {
    json!({ "ProfileResourceAssociation": profile.shown_resource(resource, status, message) })
}

/// Whether an ARN is that of something of the caller's account that can be shared.
fn can_share(call: &Call<'_>, arn: &str) -> bool {
    let Some(record) = call.state.get(arn.rsplit('/').next().unwrap_or_default()) else { return false };
    let region = &call.caller.region;
    let its_arn = match &**record {
        StoredObject::HostedZone(zone) => format!("arn:{}:route53:::hostedzone/{}", partition_of(region).name, zone.id),
        StoredObject::ResolverRule(rule) if rule.region == *region => rule.arn(),
        StoredObject::Endpoint(endpoint)
            if endpoint.kind == EndpointType::Interface
                && endpoint.phase != Phase::Deleted
                && call.is_here(endpoint.vpc) =>
        {
            region_arn(call, &endpoint.owner, "vpc-endpoint", &endpoint.id.to_string())
        }
        _ => return false,
    };
    its_arn == arn && call.sees(record.owner())
}

fn associate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, arn) = (document.need("ProfileId", 1..=64), document.need("ResourceArn", 1..=255));
    let name = document.friendly_name("Name").unwrap_or_else(|| document.is_missing("Name")).to_owned();
    let properties = document.text("ResourceProperties", 0..=1_024).map(str::to_owned);
    document.check()?;
    let mut profile = need(call, id)?.clone();
    if !can_share(call, arn) {
        return Err(not_found(format!("The resource '{arn}' does not exist.")));
    }
    if profile.resources.iter().any(|it| it.arn == arn) {
        let message = format!("The resource '{arn}' is already associated with the Profile '{id}'.");
        return Err(ApiError::new("ConflictException", message));
    }
    if profile.resources.len() >= MOST {
        return Err(ApiError::new("LimitExceededException", format!("A Profile has at most {MOST} resources.")));
    }
    let made = ProfileResource {
        id: new_id("rpr-"),
        name,
        arn: arn.to_owned(),
        properties,
        created: call.now,
        modified: call.now,
    };
    let shown = answer(&profile, &made, "COMPLETE", CREATED);
    profile.resources.push(made);
    Ok(DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: shown })
}

fn need_resource<'c>(call: &'c Call<'_>, id: &str) -> Result<(&'c ProfileRecord, &'c ProfileResource), ApiError> {
    let found = all(call).find(|(_, resource)| resource.id == id);
    found.ok_or_else(|| not_found(format!("Profile resource association with ID '{id}' does not exist.")))
}

fn update(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ProfileResourceAssociationId", 1..=64);
    let name = document.friendly_name("Name").map(str::to_owned);
    let properties = document.text("ResourceProperties", 0..=1_024).map(str::to_owned);
    document.check()?;
    let (profile, before) = need_resource(call, id)?;
    let changed = ProfileResource {
        name: name.unwrap_or_else(|| before.name.clone()),
        properties: properties.or_else(|| before.properties.clone()),
        modified: call.now,
        ..before.clone()
    };
    let shown = answer(profile, &changed, "COMPLETE", "Updated the Profile resource association");
    let mut profile = profile.clone();
    profile.resources.iter_mut().filter(|it| it.id == id).for_each(|it| *it = changed.clone());
    Ok(DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: shown })
}

fn disassociate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, arn) = (document.need("ProfileId", 1..=64), document.need("ResourceArn", 1..=255));
    document.check()?;
    let mut profile = need(call, id)?.clone();
    let at = profile.resources.iter().position(|it| it.arn == arn);
    let missing = || not_found(format!("The resource '{arn}' is not associated with the Profile '{id}'."));
    let gone = profile.resources.remove(at.ok_or_else(missing)?);
    let shown = answer(&profile, &gone, "DELETING", "Deleting the Profile resource association");
    Ok(DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: shown })
}

fn get(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ProfileResourceAssociationId", 1..=64);
    document.check()?;
    let (profile, resource) = need_resource(call, id)?;
    Ok(DocumentDone::read(answer(profile, resource, "COMPLETE", CREATED)))
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ProfileId", 1..=64);
    let kind = document.text("ResourceType", 0..=64);
    document.check()?;
    let profile = need(call, id)?;
    let wanted = profile.resources.iter().filter(|it| kind.is_none_or(|kind| it.kind() == kind));
    let items = wanted.map(|it| (it.id.clone(), profile.shown_resource(it, "COMPLETE", CREATED)));
    page(document, "ProfileResourceAssociations", items)
}

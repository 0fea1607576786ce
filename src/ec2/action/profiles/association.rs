//! The VPCs that have a Profile, each with its priority there.

use serde_json::{Value, json};

use super::{mine, need, not_found, page, validation};
use crate::ec2::action::resolver::tag_list;
use crate::ec2::call::{Call, new_id};
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::profile::{DEFAULT_PRIORITY, ProfileRecord, ProfileVpc};
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::state::Edit;
use crate::naming::VpcId;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "AssociateProfile", writes: true, run: associate },
    DocumentAction { name: "UpdateProfileAssociation", writes: true, run: update },
    DocumentAction { name: "DisassociateProfile", writes: true, run: disassociate },
    DocumentAction { name: "GetProfileAssociation", writes: false, run: get },
    DocumentAction { name: "ListProfileAssociations", writes: false, run: list },
];

/// "The priority is a value from 100 to 9900" (Route 53 guide, "Updating the priority of a Route 53 Profile association").
const LEAST_PRIORITY: u32 = 100;
const MOST_PRIORITY: u32 = 9_900;
/// "A VPC can have up to two Profile associations"
const PROFILES_OF_A_VPC: usize = 2;
const CREATED: &str = "Created Profile Association";

/// The associations of the caller's account and Region.
fn all<'c>(call: &'c Call<'_>) -> impl Iterator<Item = (&'c ProfileRecord, &'c ProfileVpc)> {
    mine(call).flat_map(|profile| profile.vpcs.iter().map(move |association| (profile, association)))
}

/// A VPC of the caller's account and Region, by its id or ARN.
fn need_vpc(call: &Call<'_>, id: &str) -> Result<VpcId, ApiError> {
    let short = id.rsplit('/').next().unwrap_or_default();
    let vpc = call.need_vpc(short).map_err(|_| not_found(format!("The VPC '{id}' does not exist.")))?;
    Ok(vpc.id)
}

/// That no other association of the VPC has this priority. Those that were made without one may share it.
fn check_priority(call: &Call<'_>, vpc: VpcId, own: &str, priority: Option<u32>) -> Result<(), ApiError> {
    let Some(priority) = priority else { return Ok(()) };
    if !(LEAST_PRIORITY..=MOST_PRIORITY).contains(&priority) {
        return Err(validation(format!("The priority {priority} is not in the range from 100 to 9900.")));
    }
    let taken = |(_, it): &(&ProfileRecord, &ProfileVpc)| it.vpc == vpc && it.id != own && it.priority == priority;
    match all(call).find(taken) {
        Some((profile, _)) => {
            Err(validation(format!("The Profile '{}' has the priority {priority} in {vpc} already.", profile.id)))
        }
        None => Ok(()),
    }
}

fn answer(profile: &ProfileRecord, association: &ProfileVpc, status: &str, message: &str) -> Value {
    json!({ "ProfileAssociation": profile.shown_vpc(association, status, message) })
}

fn associate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, vpc) = (document.need("ProfileId", 1..=64), document.need("ResourceId", 1..=255));
    let name = document.friendly_name("Name").unwrap_or_else(|| document.is_missing("Name")).to_owned();
    let priority = document.number("Priority", 0..=u32::MAX);
    let given_tags = tag_list::read(document);
    document.check()?;
    let mut profile = need(call, id)?.clone();
    let vpc = need_vpc(call, vpc)?;
    if profile.vpcs.iter().any(|it| it.vpc == vpc) {
        let message = format!("The Profile '{id}' is already associated with the VPC '{vpc}'.");
        return Err(ApiError::new("ResourceExistsException", message));
    }
    if all(call).filter(|(_, it)| it.vpc == vpc).count() >= PROFILES_OF_A_VPC {
        let message = format!("The VPC '{vpc}' has {PROFILES_OF_A_VPC} Profiles already.");
        return Err(ApiError::new("LimitExceededException", message));
    }
    check_priority(call, vpc, "", priority)?;
    let made = ProfileVpc {
        id: new_id("rpassoc-"),
        vpc,
        name,
        priority: priority.unwrap_or(DEFAULT_PRIORITY),
        tags: tag_list::with(Tags::new(), given_tags)?,
        created: call.now,
        modified: call.now,
    };
    let shown = answer(&profile, &made, "COMPLETE", CREATED);
    profile.vpcs.push(made);
    Ok(DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: shown })
}

fn update(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ProfileAssociationId", 1..=64);
    let name = document.friendly_name("Name").map(str::to_owned);
    let priority = document.number("Priority", 0..=u32::MAX);
    document.check()?;
    let (profile, before) = need_association(call, id)?;
    check_priority(call, before.vpc, id, priority)?;
    let changed = ProfileVpc {
        name: name.unwrap_or_else(|| before.name.clone()),
        priority: priority.unwrap_or(before.priority),
        modified: call.now,
        ..before.clone()
    };
    let shown = answer(profile, &changed, "COMPLETE", "Updated Profile Association");
    let mut profile = profile.clone();
    profile.vpcs.iter_mut().filter(|it| it.id == id).for_each(|it| *it = changed.clone());
    Ok(DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: shown })
}

fn need_association<'c>(call: &'c Call<'_>, id: &str) -> Result<(&'c ProfileRecord, &'c ProfileVpc), ApiError> {
    let found = all(call).find(|(_, association)| association.id == id);
    found.ok_or_else(|| not_found(format!("Profile association with ID '{id}' does not exist.")))
}

fn disassociate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, vpc) = (document.need("ProfileId", 1..=64), document.need("ResourceId", 1..=64));
    document.check()?;
    let mut profile = need(call, id)?.clone();
    let at = profile.vpcs.iter().position(|it| it.vpc.to_string() == vpc);
    let missing = || not_found(format!("The Profile '{id}' is not associated with '{vpc}'."));
    let gone = profile.vpcs.remove(at.ok_or_else(missing)?);
    let shown = answer(&profile, &gone, "DELETING", "Deleting Profile Association");
    Ok(DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: shown })
}

fn get(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ProfileAssociationId", 1..=64);
    document.check()?;
    let (profile, association) = need_association(call, id)?;
    Ok(DocumentDone::read(answer(profile, association, "COMPLETE", CREATED)))
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, vpc) = (document.text("ProfileId", 1..=64), document.text("ResourceId", 1..=64));
    let wanted = all(call).filter(|(profile, association)| {
        id.is_none_or(|id| profile.id == id) && vpc.is_none_or(|vpc| association.vpc.to_string() == vpc)
    });
    let items = wanted.map(|(profile, it)| (it.id.clone(), profile.shown_vpc(it, "COMPLETE", CREATED)));
    page(document, "ProfileAssociations", items)
}

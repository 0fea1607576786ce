//! Profiles themselves.

use serde_json::json;

use super::{mine, need, page};
use crate::ec2::action::resolver::tag_list;
use crate::ec2::call::{Call, new_id};
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::profile::{PREFIX, ProfileRecord};
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::state::Edit;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "CreateProfile", writes: true, run: create },
    DocumentAction { name: "GetProfile", writes: false, run: get },
    DocumentAction { name: "DeleteProfile", writes: true, run: delete },
    DocumentAction { name: "ListProfiles", writes: false, run: list },
];

/// Most Profiles of an account and Region (Route 53 guide, "Quotas on Route 53 Profiles").
const MOST: usize = 100;

fn create(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let client_token = document.need("ClientToken", 1..=255).to_owned();
    let name = document.friendly_name("Name").unwrap_or_else(|| document.is_missing("Name")).to_owned();
    let given_tags = tag_list::read(document);
    document.check()?;
    // a call that comes again is answered as it was
    if let Some(before) = mine(call).find(|profile| profile.client_token == client_token && profile.name == name) {
        return Ok(DocumentDone::read(json!({ "Profile": before.shown("COMPLETE", "Created Profile") })));
    }
    if mine(call).count() >= MOST {
        let message = format!("Account '{}' has exceeded the number of Profiles: {MOST}", call.caller.account);
        return Err(ApiError::new("LimitExceededException", message));
    }
    let made = ProfileRecord {
        id: new_id(PREFIX),
        owner: call.caller.account.clone(),
        region: call.caller.region.clone(),
        client_token,
        name,
        vpcs: Vec::new(),
        resources: Vec::new(),
        tags: tag_list::with(Tags::new(), given_tags)?,
        created: call.now,
        modified: call.now,
    };
    let answer = json!({ "Profile": made.shown("COMPLETE", "Created Profile") });
    Ok(DocumentDone { edit: Edit::put([StoredObject::Profile(made)]), answer })
}

fn get(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ProfileId", 1..=64);
    document.check()?;
    Ok(DocumentDone::read(json!({ "Profile": need(call, id)?.shown("COMPLETE", "Created Profile") })))
}

fn delete(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ProfileId", 1..=64);
    document.check()?;
    let profile = need(call, id)?;
    // "Before you can delete a Profile, you must first disassociate it from all VPCs" (API Reference, DeleteProfile)
    if !profile.vpcs.is_empty() {
        let message = format!("The Profile '{id}' is associated with VPCs: disassociate it first.");
        return Err(ApiError::new("ConflictException", message));
    }
    let answer = json!({ "Profile": profile.shown("DELETED", "Deleted Profile") });
    Ok(DocumentDone { edit: Edit { remove: vec![profile.id.clone()], ..Edit::default() }, answer })
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    page(document, "ProfileSummaries", mine(call).map(|profile| (profile.id.clone(), profile.summary())))
}

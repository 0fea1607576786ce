//! Tags of Profiles, by ARN.

use serde_json::{Value, json};

use super::{mine, not_found};
use crate::ec2::action::resolver::tag_list;
use crate::ec2::call::Call;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::profile::ProfileRecord;
use crate::ec2::record::StoredObject;
use crate::ec2::state::Edit;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "TagResource", writes: true, run: tag },
    DocumentAction { name: "UntagResource", writes: true, run: untag },
    DocumentAction { name: "ListTagsForResource", writes: false, run: list },
];

fn need(call: &Call<'_>, arn: &str) -> Result<ProfileRecord, ApiError> {
    let found = mine(call).find(|profile| profile.arn() == arn).cloned();
    found.ok_or_else(|| not_found(format!("The resource with ARN '{arn}' does not exist.")))
}

/// Answered with nothing (HTTP 204).
fn changed(profile: ProfileRecord) -> DocumentDone {
    DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: Value::Null }
}

fn tag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let given = document.map("Tags", 0..=tag_list::MOST_TAGS, 128, 256);
    if given.is_none() {
        document.is_missing("Tags");
    }
    document.check()?;
    let mut profile = need(call, arn)?;
    profile.tags = tag_list::with(profile.tags, given.unwrap_or_default())?;
    Ok(changed(profile))
}

fn untag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let keys = document.texts("TagKeys", 0..=tag_list::MOST_TAGS, 1..=128);
    if keys.is_none() {
        document.is_missing("TagKeys");
    }
    document.check()?;
    let mut profile = need(call, arn)?;
    profile.tags.retain(|key, _| !keys.iter().flatten().any(|gone| gone == key));
    Ok(changed(profile))
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    document.check()?;
    Ok(DocumentDone::read(json!({ "Tags": need(call, arn)?.tags })))
}

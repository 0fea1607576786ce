//! Tags of Profiles and of their associations with VPCs, by ARN.

use serde_json::{Value, json};

use super::{mine, not_found};
use crate::ec2::action::resolver::tag_list;
use crate::ec2::call::Call;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::profile::ProfileRecord;
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::state::Edit;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "TagResource", writes: true, run: tag },
    DocumentAction { name: "UntagResource", writes: true, run: untag },
    DocumentAction { name: "ListTagsForResource", writes: false, run: list },
];

/// What `work` makes of the tags of what has this ARN, with the Profile that it is of.
fn at<T>(
    call: &Call<'_>,
    arn: &str,
    work: impl FnOnce(&mut Tags) -> Result<T, ApiError>,
) -> Result<(ProfileRecord, T), ApiError> {
    for profile in mine(call) {
        let mut profile = profile.clone();
        if let Some(tags) = profile.tags_at(arn) {
            let done = work(tags)?;
            return Ok((profile, done));
        }
    }
    Err(not_found(format!("The resource with ARN '{arn}' does not exist.")))
}

/// Answered with nothing (HTTP 204).
fn changed((profile, ()): (ProfileRecord, ())) -> DocumentDone {
    DocumentDone { edit: Edit::put([StoredObject::Profile(profile)]), answer: Value::Null }
}

fn tag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let given = document.map("Tags", 0..=tag_list::MOST_TAGS, 128, 256);
    if given.is_none() {
        document.is_missing("Tags");
    }
    document.check()?;
    let done = at(call, arn, |tags| {
        *tags = tag_list::with(std::mem::take(tags), given.unwrap_or_default())?;
        Ok(())
    });
    done.map(changed)
}

fn untag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let keys = document.texts("TagKeys", 0..=tag_list::MOST_TAGS, 1..=128);
    if keys.is_none() {
        document.is_missing("TagKeys");
    }
    document.check()?;
    let done = at(call, arn, |tags| {
        tags.retain(|key, _| !keys.iter().flatten().any(|gone| gone == key));
        Ok(())
    });
    done.map(changed)
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    document.check()?;
    let (_, tags) = at(call, arn, |tags| Ok(tags.clone()))?;
    Ok(DocumentDone::read(json!({ "Tags": tags })))
}

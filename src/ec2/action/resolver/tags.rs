//! Tags of what Resolver has, by ARN.

use serde_json::{Value, json};

use super::listing::{ListQuery, ListedItem};
use super::{invalid_parameter, not_found};
use crate::ec2::call::Call;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::state::Edit;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "TagResource", writes: true, run: tag },
    DocumentAction { name: "UntagResource", writes: true, run: untag },
    DocumentAction { name: "ListTagsForResource", writes: false, run: list },
];

/// Most tags of a resource (API Reference, `Tags`).
const MOST: usize = 200;

/// `Tags` of a call. What is wrong with their lengths is noted in `document`.
pub(super) fn read(document: &Document<'_>) -> Vec<(String, String)> {
    let given = document.structures("Tags", 0..=MOST).unwrap_or_default();
    given.iter().map(|tag| (tag.need("Key", 1..=128).to_owned(), value(tag))).collect()
}

fn value(tag: &Document<'_>) -> String {
    tag.text("Value", 0..=256).unwrap_or_else(|| tag.is_missing("Value")).to_owned()
}

/// `tags` with those of a call, which are checked.
pub(super) fn with(mut tags: Tags, given: Vec<(String, String)>) -> Result<Tags, ApiError> {
    let mut seen = std::collections::BTreeSet::new();
    for (key, value) in given {
        if key.to_ascii_lowercase().starts_with("aws:") {
            let message = "System tags (beginning with aws:) cannot be set.";
            return Err(ApiError::new("InvalidTagException", message));
        }
        if !seen.insert(key.clone()) {
            return Err(invalid_parameter(format!("Duplicate tag key '{key}'")));
        }
        tags.insert(key, value);
    }
    if tags.len() > MOST {
        return Err(ApiError::new("LimitExceededException", format!("A resource has at most {MOST} tags.")));
    }
    Ok(tags)
}

/// The resource that a call names.
fn need(call: &Call<'_>, arn: &str) -> Result<StoredObject, ApiError> {
    let record = call.state.get(arn.rsplit('/').next().unwrap_or_default());
    let is_here = arn.split(':').nth(3) == Some(&*call.caller.region.to_string());
    let is_it = |record: &StoredObject| record.resolver_arn().as_deref() == Some(arn) && call.sees(record.owner());
    let found = record.filter(|record| is_here && is_it(record));
    found
        .map(|record| StoredObject::clone(record))
        .ok_or_else(|| not_found(format!("The resource with ARN '{arn}' does not exist.")))
}

fn changed(
    record: StoredObject,
    change: impl FnOnce(Tags) -> Result<Tags, ApiError>,
) -> Result<DocumentDone, ApiError> {
    let mut record = record;
    if let Some(tags) = record.resolver_tags_mut() {
        *tags = change(std::mem::take(tags))?;
    }
    Ok(DocumentDone { edit: Edit::put([record]), answer: json!({}) })
}

fn tag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (arn, given) = (document.need("ResourceArn", 1..=255), read(document));
    document.check()?;
    changed(need(call, arn)?, |tags| with(tags, given))
}

fn untag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let keys = document.texts("TagKeys", 0..=MOST, 1..=128);
    if keys.is_none() {
        document.is_missing("TagKeys");
    }
    document.check()?;
    changed(need(call, arn)?, |mut tags| {
        tags.retain(|key, _| !keys.iter().flatten().any(|gone| gone == key));
        Ok(tags)
    })
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let query = ListQuery::read(document, &[])?;
    let mut record = need(call, arn)?;
    let tags = record.resolver_tags_mut().map(std::mem::take).unwrap_or_default();
    let items = tags.into_iter().map(|(key, value)| {
        let shown: Value = json!({ "Key": key, "Value": value });
        ListedItem { id: key, shown }
    });
    query.page("Tags", items).map(DocumentDone::read)
}

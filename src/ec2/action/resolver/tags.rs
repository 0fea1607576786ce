//! Tags of what Resolver has, by ARN.

use serde_json::json;

use super::endpoint::follow_tags;
use super::listing::{ListQuery, ListedItem};
use super::not_found;
use super::tag_list::{MOST_TAGS, read, with};
use crate::ec2::action::reach::LISTENER;
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
    call: &Call<'_>,
    arn: &str,
    change: impl FnOnce(Tags) -> Result<Tags, ApiError>,
) -> Result<DocumentDone, ApiError> {
    let mut record = need(call, arn)?;
    if let Some(tags) = record.resolver_tags_mut() {
        let before = tags.get(LISTENER).cloned();
        *tags = change(std::mem::take(tags))?;
        let is_other = tags.get(LISTENER) != before.as_ref();
        if let StoredObject::ResolverEndpoint(endpoint) = &mut record
            && is_other
        {
            follow_tags(call, endpoint)?;
        }
    }
    Ok(DocumentDone { edit: Edit::put([record]), answer: json!({}) })
}

fn tag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (arn, given) = (document.need("ResourceArn", 1..=255), read(document));
    document.check()?;
    changed(call, arn, |tags| with(tags, given))
}

fn untag(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let keys = document.texts("TagKeys", 0..=MOST_TAGS, 1..=128);
    if keys.is_none() {
        document.is_missing("TagKeys");
    }
    document.check()?;
    changed(call, arn, |mut tags| {
        tags.retain(|key, _| !keys.iter().flatten().any(|gone| gone == key));
        Ok(tags)
    })
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let arn = document.need("ResourceArn", 1..=255);
    let query = ListQuery::read(document, &[])?;
    let mut record = need(call, arn)?;
    let tags = record.resolver_tags_mut().map(std::mem::take).unwrap_or_default();
    let items = tags.iter().map(|(key, value)| ListedItem::new(key, json!({ "Key": key, "Value": value })));
    query.page("Tags", items).map(DocumentDone::read)
}

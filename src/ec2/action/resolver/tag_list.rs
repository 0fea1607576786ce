//! Tags in calls.

use std::collections::BTreeSet;

use super::invalid_parameter;
use crate::ec2::document::Document;
use crate::ec2::error::ApiError;
use crate::ec2::record::Tags;

/// Most tags of a resource (API Reference, `Tags`).
pub(in crate::ec2::action) const MOST_TAGS: usize = 200;

/// `Tags` of a call. What is wrong with their lengths is noted in `document`.
pub(in crate::ec2::action) fn read(document: &Document<'_>) -> Vec<(String, String)> {
    let given = document.structures("Tags", 0..=MOST_TAGS).unwrap_or_default();
    given.iter().map(|tag| (tag.need("Key", 1..=128).to_owned(), value(tag))).collect()
}

fn value(tag: &Document<'_>) -> String {
    tag.text("Value", 0..=256).unwrap_or_else(|| tag.is_missing("Value")).to_owned()
}

/// `tags` with those of a call, which are checked.
pub(in crate::ec2::action) fn with(mut tags: Tags, given: Vec<(String, String)>) -> Result<Tags, ApiError> {
    let mut seen = BTreeSet::new();
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
    if tags.len() > MOST_TAGS {
        return Err(ApiError::new("LimitExceededException", format!("A resource has at most {MOST_TAGS} tags.")));
    }
    Ok(tags)
}

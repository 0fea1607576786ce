//! Tags: in the calls that make things, in answers, and actions of their own.

use crate::control::error::ApiError;
use crate::control::params::Params;
use crate::control::record::Tags;
use crate::control::xml::Xml;

/// Most tags of an object (EC2 guide, "Tag restrictions").
const MOST: usize = 50;

/// The tags that `TagSpecification.N` gives a new object of the kind `resource` (`vpc`, `vpc-endpoint`).
pub(super) fn take(params: &mut Params, resource: &str) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for mut specification in params.structures("TagSpecification") {
        let kind = specification.required("ResourceType")?;
        if kind != resource {
            let message = format!("'{kind}' is not a valid taggable resource type for this operation.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        take_list(&mut specification, &mut tags)?;
        specification.finish()?;
    }
    Ok(tags)
}

/// `Tag.N.Key` and `Tag.N.Value`.
pub(super) fn take_list(params: &mut Params, tags: &mut Tags) -> Result<(), ApiError> {
    for mut tag in params.structures("Tag") {
        let key = tag.required("Key")?;
        let value = tag.optional("Value").unwrap_or_default();
        if key.chars().count() > 127 || value.chars().count() > 255 || key.starts_with("aws:") {
            let message =
                "Tag keys have at most 127 characters and do not begin with aws:, tag values have at most 255.";
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        tag.finish()?;
        tags.insert(key, value);
    }
    if tags.len() > MOST {
        return Err(ApiError::new("TagLimitExceeded", format!("The maximum number of tags is {MOST}.")));
    }
    Ok(())
}

/// `<tagSet>`
pub(super) fn write(xml: &mut Xml, tags: &Tags) {
    xml.list("tagSet", tags, |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
}

//! Tags: in the calls that make things, in answers, and actions of their own.

use std::str::FromStr;

use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::route::TABLE_PREFIX;
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::Key;
use crate::naming::{EndpointId, SubnetId, VpcId};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateTags", writes: true, idempotent: false, run: create },
    Action { name: "DeleteTags", writes: true, idempotent: false, run: delete },
    Action { name: "DescribeTags", writes: false, idempotent: false, run: describe },
];

/// Most resources of one call (EC2 API Reference, CreateTags).
const MOST_RESOURCES: usize = 1_000;
const LISTING: Listing = Listing { set: "tagSet", bad_filter: "InvalidParameterValue", least: 5 };

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

/// The tag by which a call chooses the id of what it makes, as LocalStack has it.
const CUSTOM_ID: &str = "_custom_id_";

/// The id that the tags of a call choose; `None` if they choose none, or the caller may not. An id that is taken, by
/// whomever, is refused in words that do not say by whom.
pub(super) fn chosen_id<T: FromStr>(call: &Call<'_>, tags: &Tags, prefix: &str) -> Result<Option<T>, ApiError> {
    let Some(text) = tags.get(CUSTOM_ID).filter(|_| call.caller.chooses_ids) else { return Ok(None) };
    let refuse = |expected: &str| ApiError::value(text, CUSTOM_ID, expected);
    let hex = text.strip_prefix(prefix).filter(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    });
    let id: T = hex
        .and_then(|_| text.parse().ok())
        .ok_or_else(|| refuse(&format!("Expected {prefix} and 8 or 17 hex digits.")))?;
    let in_model = match prefix {
        VpcId::PREFIX => text.parse().is_ok_and(|id| call.model.vpc(id).is_some()),
        SubnetId::PREFIX => text.parse().is_ok_and(|id| call.model.subnet(id).is_some()),
        EndpointId::PREFIX => text.parse().is_ok_and(|id| call.model.endpoint(id).is_some()),
        _ => false,
    };
    // the main table of a VPC has its digits
    let digits = hex.unwrap_or_default();
    let is_derived = match prefix {
        VpcId::PREFIX => call.state.get(&format!("{TABLE_PREFIX}{digits}")).is_some(),
        TABLE_PREFIX => format!("{}{digits}", VpcId::PREFIX).parse().is_ok_and(|id| call.model.vpc(id).is_some()),
        _ => false,
    };
    if in_model || is_derived || call.state.get(text).is_some() {
        return Err(refuse("This ID is not available."));
    }
    Ok(Some(id))
}

/// `Tag.N.Key` and `Tag.N.Value`.
pub(super) fn take_list(params: &mut Params, tags: &mut Tags) -> Result<(), ApiError> {
    for mut tag in params.structures("Tag") {
        let key = tag.required("Key")?;
        let value = tag.optional("Value").unwrap_or_default();
        if key.chars().count() > 127 || value.chars().count() > 256 || key.starts_with("aws:") {
            let message =
                "Tag keys have at most 127 characters and do not begin with aws:, tag values have at most 256.";
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        tag.finish()?;
        if tags.contains_key(&key) {
            let message = format!("Duplicate tag key '{key}' specified.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        tags.insert(key, value);
    }
    if tags.len() > MOST {
        return Err(limit_exceeded());
    }
    Ok(())
}

fn limit_exceeded() -> ApiError {
    ApiError::new("TagLimitExceeded", format!("The maximum number of tags is {MOST}."))
}

/// `<tagSet>`
pub(super) fn write(xml: &mut Xml, tags: &Tags) {
    xml.list("tagSet", tags, |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
}

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let records = resources(call, params)?;
    let mut given = Tags::new();
    take_list(params, &mut given)?;
    if given.is_empty() {
        return Err(ApiError::missing("Tag.1.Key"));
    }
    change(call, records, |tags| {
        tags.extend(given.clone());
        if tags.len() > MOST { Err(limit_exceeded()) } else { Ok(()) }
    })
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let records = resources(call, params)?;
    let mut given = Vec::new();
    for mut tag in params.structures("Tag") {
        // "If you specify a tag key without a tag value, we delete any tag with this key regardless of its value. If you
        // specify this parameter with an empty string as the tag value, we delete the key only if its value is an empty
        // string" (EC2 API Reference)
        given.push((tag.required("Key")?, tag.given("Value")));
        tag.finish()?;
    }
    change(call, records, |tags| {
        // "If you omit this parameter, we delete all user-defined tags" (EC2 API Reference)
        tags.retain(|key, value| {
            let is_meant = |(k, v): &(String, Option<String>)| k == key && v.as_ref().is_none_or(|v| v == value);
            !given.is_empty() && !given.iter().any(is_meant)
        });
        Ok(())
    })
}

/// The records whose ids the call names.
fn resources(call: &Call<'_>, params: &mut Params) -> Result<Vec<StoredObject>, ApiError> {
    let ids = params.list("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::missing("ResourceId"));
    }
    if ids.len() > MOST_RESOURCES {
        let message = format!("The maximum number of resources is {MOST_RESOURCES}.");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    ids.iter().map(|id| resource(call, id)).collect()
}

fn resource(call: &Call<'_>, id: &str) -> Result<StoredObject, ApiError> {
    let record = call.state.get(id).filter(|record| is_mine(call, record) && record.tags().is_some());
    if let Some(record) = record {
        return Ok(StoredObject::clone(record));
    }
    // what a file declares is there, and has its tags nowhere
    let in_file = match id.split_once('-').map_or("", |(prefix, _)| prefix) {
        "vpc" => id.parse().ok().map(Key::Vpc),
        "subnet" => id.parse().ok().map(Key::Subnet),
        "vpce" => id.parse().ok().map(Key::Endpoint),
        _ => None,
    };
    if let Some(key) = in_file {
        call.owned(&key, id)?;
    }
    Err(ApiError::not_found(id.rsplit_once('-').map_or("", |(prefix, _)| prefix), id))
}

/// Whether a record is of the caller's account and region.
fn is_mine(call: &Call<'_>, record: &StoredObject) -> bool {
    let of_vpc = |id| call.is_here(id);
    let is_here = match record {
        StoredObject::Vpc(vpc) => vpc.region == call.caller.region,
        StoredObject::Service(service) => service.region == call.caller.region,
        StoredObject::Subnet(subnet) => of_vpc(subnet.vpc),
        StoredObject::SecurityGroup(group) => of_vpc(group.vpc),
        StoredObject::Endpoint(endpoint) => of_vpc(endpoint.vpc),
        StoredObject::RouteTable(table) => of_vpc(table.vpc),
        StoredObject::Interface(own) => of_vpc(own.vpc),
        StoredObject::Notification(_) => true,
        // their tags are Route 53's
        StoredObject::HostedZone(_)
        | StoredObject::ResolverRule(_)
        | StoredObject::ResolverEndpoint(_)
        | StoredObject::QueryLog(_)
        | StoredObject::Profile(_) => false,
    };
    is_here && call.sees(record.owner())
}

fn change(
    call: &Call<'_>,
    records: Vec<StoredObject>,
    change: impl Fn(&mut Tags) -> Result<(), ApiError>,
) -> Result<Done, ApiError> {
    let mut put = Vec::with_capacity(records.len());
    for mut record in records {
        let before = record.tags().map(|(_, tags)| tags.clone()).unwrap_or_default();
        record.tags_mut().map_or(Ok(()), &change)?;
        if let StoredObject::Vpc(vpc) = &mut record {
            super::reach::follow(call, vpc, &before)?;
        }
        put.push(record);
    }
    Ok(Done::changed(Edit::put(put)))
}

/// A tag of a resource.
struct ResourceTag<'c> {
    resource: String,
    kind: &'static str,
    /// The key and its value.
    tag: Tags,
    key: &'c str,
    value: &'c str,
}

fields! {
    impl ResourceTag<'_> as it {
        "key" ["key"] = it.key;
        "resourceId" ["resource-id"] = &it.resource;
        "resourceType" ["resource-type"] = it.kind;
        "value" ["value"] = it.value;
        "" ["tag"] = Values::Tagged(&it.tag);
    }
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mine = call.state.records().filter(|record| is_mine(call, record));
    let all = mine.filter_map(|record| record.tags().map(|(kind, tags)| (record.id(), kind, tags)));
    let each = all.flat_map(|(id, kind, tags)| {
        tags.iter().map(move |(key, value)| {
            let tag = Tags::from([(key.clone(), value.clone())]);
            ResourceTag { resource: id.clone(), kind, tag, key, value }
        })
    });
    // no id has a space in it
    LISTING.answer(params, each, |tag| format!("{} {}", tag.resource, tag.key))
}

//! Tags of hosted zones, which are Route 53's own and not EC2's.

use super::hosted_zone::{refused, short_id};
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::hosted_zone::HostedZoneRecord;
use crate::ec2::params::Params;
use crate::ec2::record::StoredObject;
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "ListTagsForResource", writes: false, idempotent: false, run: list },
    Action { name: "ListTagsForResources", writes: false, idempotent: false, run: list_many },
    Action { name: "ChangeTagsForResource", writes: true, idempotent: false, run: change },
];

/// Most tags of a zone, and most that are added in a call (API Reference, ChangeTagsForResource).
const MOST: usize = 50;
const MOST_ADDED: usize = 10;
/// Most zones whose tags a call lists (API Reference, ListTagsForResources).
const MOST_LISTED: usize = 10;

fn zone(call: &Call<'_>, kind: &str, id: &str) -> Result<HostedZoneRecord, ApiError> {
    let zone = call.state.hosted_zone(short_id(id)).filter(|zone| kind == "hostedzone" && call.sees(&zone.owner));
    zone.cloned()
        .ok_or_else(|| refused(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {}", short_id(id))))
}

fn write(xml: &mut Xml, zone: &HostedZoneRecord) {
    xml.text("ResourceType", "hostedzone");
    xml.text("ResourceId", &zone.id);
    xml.named_list(["Tags", "Tag"], &zone.tags, |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
}

fn list(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let zone = zone(call, &params.required("ResourceType")?, &params.required("Id")?)?;
    let mut answer = Xml::of_route53();
    answer.element("ResourceTagSet", |xml| write(xml, &zone));
    Ok(Done { answer, ..Done::default() })
}

fn list_many(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let kind = params.required("ResourceType")?;
    let ids = params.list("ResourceIds");
    if ids.is_empty() || ids.len() > MOST_LISTED {
        return Err(ApiError::new("InvalidInput", format!("A call names 1 to {MOST_LISTED} resources.")));
    }
    let zones: Result<Vec<_>, _> = ids.iter().map(|id| zone(call, &kind, id)).collect();
    let mut answer = Xml::of_route53();
    answer.named_list(["ResourceTagSets", "ResourceTagSet"], &zones?, write);
    Ok(Done { answer, ..Done::default() })
}

fn change(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut zone = zone(call, &params.required("ResourceType")?, &params.required("Id")?)?;
    for key in params.list("RemoveTagKeys") {
        zone.tags.remove(&key);
    }
    let added = params.structures("AddTags");
    if added.len() > MOST_ADDED {
        return Err(ApiError::new("InvalidInput", format!("A call adds at most {MOST_ADDED} tags.")));
    }
    for mut tag in added {
        let (key, value) = (tag.required("Key")?, tag.optional("Value").unwrap_or_default());
        if key.chars().count() > 128 || value.chars().count() > 256 {
            let message = "Tag keys have at most 128 characters, and values 256.";
            return Err(ApiError::new("InvalidInput", message));
        }
        zone.tags.insert(key, value);
    }
    if zone.tags.len() > MOST {
        return Err(ApiError::new("InvalidInput", format!("A hosted zone has at most {MOST} tags.")));
    }
    let edit = Edit { put: vec![StoredObject::HostedZone(zone)], ..Edit::default() };
    Ok(Done { edit, answer: Xml::of_route53() })
}

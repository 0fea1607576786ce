//! Record sets of private hosted zones: changes in batches, all of each or nothing, and lists.

use std::collections::BTreeMap;

use super::hosted_zone::{changed, need_zone, page_size, short_id};
use crate::dns::{DnsName, MAX_TTL, Rtype};
use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::hosted_zone::{
    HostedZoneRecord, SetPolicy, StoredAlias, StoredRecord, StoredRecordSet, TYPES, kept_name, sort_name,
};
use crate::ec2::params::Params;
use crate::ec2::xml::Xml;
use crate::naming::{is_known_region, parse_label};
use crate::source::read_record_value;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "ChangeResourceRecordSets", writes: true, idempotent: false, run: change },
    Action { name: "ListResourceRecordSets", writes: false, idempotent: false, run: list },
];

/// Most record sets on a page (API Reference, ListResourceRecordSets).
const PAGE: usize = 300;
/// Most changes of a batch, and record sets of a zone (Route 53 guide, "Quotas").
const MOST_CHANGES: usize = 1000;
const MOST_SETS: usize = 10_000;
const FAILOVERS: [&str; 2] = ["PRIMARY", "SECONDARY"];
/// Characters of a SetIdentifier, and of a record's value, at most (the same page).
const MAX_SET_IDENTIFIER: usize = 128;
const MAX_VALUE: usize = 4000;

fn change(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut zone = need_zone(call, params)?;
    let mut batch = params.structure("ChangeBatch");
    batch.optional("Comment");
    let changes = batch.structures("Changes");
    batch.finish()?;
    if changes.is_empty() || changes.len() > MOST_CHANGES {
        return Err(ApiError::new("InvalidInput", format!("A batch has 1 to {MOST_CHANGES} changes.")));
    }
    // by key, so that a batch of thousands does not search a zone of thousands for each
    let mut sets: BTreeMap<_, StoredRecordSet> = zone.record_sets.drain(..).map(|set| (set.key(), set)).collect();
    let mut wrong = Vec::new();
    for mut one in changes {
        let action = one.required("Action")?;
        let set = record_set(one.structure("ResourceRecordSet"), &zone)?;
        one.finish()?;
        let set = set.and_then(|set| if action == "DELETE" { Ok(set) } else { with_target(call, set) });
        match set.and_then(|set| apply(&mut sets, &action, set, &zone)) {
            Ok(()) => {}
            Err(message) => wrong.push(message),
        }
    }
    zone.record_sets = sets.into_values().collect();
    wrong.extend(conflicts(&zone));
    if !wrong.is_empty() {
        return Err(ApiError::new("InvalidChangeBatch", format!("[{}]", wrong.join(", "))));
    }
    if zone.record_sets.len() > MOST_SETS {
        return Err(ApiError::new("LimitsExceeded", format!("A hosted zone has at most {MOST_SETS} record sets.")));
    }
    zone.sort();
    Ok(changed(call, zone, |_, _| {}))
}

/// A record set that comes: an endpoint that it is an alias of has to be there. Later it may go, and the alias stays.
fn with_target(call: &Call<'_>, set: StoredRecordSet) -> Result<StoredRecordSet, String> {
    let target =
        set.alias_target.as_ref().and_then(|alias| alias.dns_name.replace("\\052", "*").parse::<DnsName>().ok());
    let target = target.map(|name| name.wildcard_apex().unwrap_or(name));
    let id = target.as_ref().and_then(|name| parse_label(name.labels().next()?)).map(|label| label.id);
    let (Some(alias), Some(target), Some(id)) = (&set.alias_target, target, id) else { return Ok(set) };
    let names = call.model.endpoint(id).and_then(|endpoint| call.model.endpoint_names(endpoint));
    if names.is_some_and(|names| names.regional == target || names.zonal.contains(&target)) {
        return Ok(set);
    }
    Err(format!(
        "Tried to create an alias that targets {}, type {} in zone {}, but that target was not found",
        alias.dns_name, set.rtype, alias.hosted_zone_id
    ))
}

/// Carries out one change; the text says why not.
fn apply(
    sets: &mut BTreeMap<(String, String, String), StoredRecordSet>,
    action: &str,
    set: StoredRecordSet,
    zone: &HostedZoneRecord,
) -> Result<(), String> {
    let key = set.key();
    let known = sets.get(&key);
    let what = |verb: &str, why: &str| {
        let identifier = set.policy.set_identifier.as_ref();
        let identifier = identifier.map_or_else(String::new, |id| format!(", set-identifier='{id}'"));
        Err(format!(
            "Tried to {verb} resource record set [name='{}', type='{}'{identifier}] but {why}",
            set.name, set.rtype
        ))
    };
    match action {
        "CREATE" if known.is_some() => return what("create", "it already exists"),
        "CREATE" | "UPSERT" => {
            sets.insert(key, set);
        }
        "DELETE" if zone.is_apex_set(&set) => {
            return Err(format!("A HostedZone must contain at least one {} record for the zone itself.", set.rtype));
        }
        "DELETE" => match known {
            None => return what("delete", "it was not found"),
            Some(known) if !is_same(known, &set) => {
                return what("delete", "the values provided do not match the current values");
            }
            Some(_) => {
                sets.remove(&key);
            }
        },
        _ => return Err(format!("'{action}' is not an action: CREATE, DELETE or UPSERT")),
    }
    Ok(())
}

/// Whether both say the same; records have no order.
fn is_same(a: &StoredRecordSet, b: &StoredRecordSet) -> bool {
    let sorted = |set: &StoredRecordSet| {
        let mut records = set.resource_records.clone();
        records.sort();
        records
    };
    (a.ttl, &a.policy, &a.alias_target, sorted(a)) == (b.ttl, &b.policy, &b.alias_target, sorted(b))
}

/// The record set that a call gives. An outer error is one of the call's form, an inner one is the batch's.
fn record_set(mut params: Params, zone: &HostedZoneRecord) -> Result<Result<StoredRecordSet, String>, ApiError> {
    let (given, rtype) = (params.required("Name")?, params.required("Type")?);
    let name = kept_name(&given);
    let policy = policy(&mut params)?;
    let ttl: Option<u32> = params.parsed("TTL", "Expected seconds.")?;
    let mut resource_records = Vec::new();
    for mut record in params.structures("ResourceRecords") {
        resource_records.push(StoredRecord { value: record.required("Value")? });
    }
    let mut alias = params.structure("AliasTarget");
    let alias_target = if alias.is_empty() {
        None
    } else {
        Some(StoredAlias {
            hosted_zone_id: alias.required("HostedZoneId")?,
            dns_name: kept_name(&alias.required("DNSName")?),
            evaluate_target_health: alias.flag("EvaluateTargetHealth")?.unwrap_or(false),
        })
    };
    alias.finish()?;
    params.finish()?;
    let set = StoredRecordSet { name, rtype, policy, ttl, resource_records, alias_target };
    check_members(&set)?;
    Ok(check(&set, zone).map(|()| set))
}

fn policy(params: &mut Params) -> Result<SetPolicy, ApiError> {
    let mut location = params.structure("GeoLocation");
    let mut geo_location = BTreeMap::new();
    for key in ["ContinentCode", "CountryCode", "SubdivisionCode"] {
        geo_location.extend(location.optional(key).map(|value| (key.to_owned(), value)));
    }
    location.finish()?;
    Ok(SetPolicy {
        set_identifier: params.optional("SetIdentifier"),
        weight: params.parsed("Weight", "Expected 0 to 255.")?,
        region: params.optional("Region"),
        failover: params.optional("Failover"),
        multi_value_answer: params.flag("MultiValueAnswer")?,
        geo_location: Some(geo_location).filter(|location| !location.is_empty()),
        health_check_id: params.optional("HealthCheckId"),
    })
}

/// What the API's model does not allow, whatever the zone is: AWS tells it apart from what is wrong with a batch.
fn check_members(set: &StoredRecordSet) -> Result<(), ApiError> {
    let StoredRecordSet { rtype, policy, resource_records, .. } = set;
    let wrong = |value: &str, member: &str, must: &str| {
        let text = format!("Value '{value}' at '{member}' failed to satisfy constraint: Member must {must}");
        Err(ApiError::new("InvalidInput", format!("1 validation error detected: {text}")))
    };
    let one_of = |values: &[&str]| format!("satisfy enum value set: [{}]", values.join(", "));
    if !TYPES.contains(&rtype.as_str()) {
        return wrong(rtype, "type", &one_of(&TYPES));
    }
    if let Some(identifier) = &policy.set_identifier
        && !(1..=MAX_SET_IDENTIFIER).contains(&identifier.chars().count())
    {
        return wrong(identifier, "setIdentifier", &format!("have length from 1 to {MAX_SET_IDENTIFIER}"));
    }
    if let Some(failover) = policy.failover.as_deref().filter(|failover| !FAILOVERS.contains(failover)) {
        return wrong(failover, "failover", &one_of(&FAILOVERS));
    }
    if let Some(region) = policy.region.as_deref().filter(|region| !is_known_region(region)) {
        return wrong(region, "region", "be the code of a region that there is");
    }
    match resource_records.iter().find(|record| record.value.chars().count() > MAX_VALUE) {
        Some(record) => wrong(&record.value, "value", &format!("have length less than or equal to {MAX_VALUE}")),
        None => Ok(()),
    }
}

/// What is wrong with a record set by itself.
fn check(set: &StoredRecordSet, zone: &HostedZoneRecord) -> Result<(), String> {
    let StoredRecordSet { name, rtype, policy, ttl, resource_records, alias_target } = set;
    let zone = &zone.name;
    if name != zone && !name.ends_with(&format!(".{zone}")) {
        return Err(format!("RRSet with DNS name {name} is not permitted in zone {zone}"));
    }
    let plain = name.replace("\\052", "*");
    if plain.parse::<DnsName>().is_err() {
        return Err(format!("FATAL problem: DomainLabel (Domain label is invalid) encountered with '{name}'"));
    }
    let number: Rtype = rtype.parse().map_err(|_| format!("'{rtype}' is not a type of resource record set"))?;
    if policy.weight.is_some_and(|weight| weight > 255) {
        return Err("The weight has to be 0 to 255".to_owned());
    }
    let has_policy = *policy != (SetPolicy { set_identifier: None, health_check_id: None, ..SetPolicy::default() })
        && (policy.weight.is_some()
            || policy.region.is_some()
            || policy.failover.is_some()
            || policy.multi_value_answer == Some(true)
            || policy.geo_location.is_some());
    if has_policy != policy.set_identifier.is_some() {
        return Err(format!(
            "RRSet with DNS name {name}, type {rtype}: a routing policy and SetIdentifier go together"
        ));
    }
    match (alias_target, ttl) {
        (Some(_), Some(_)) => Err(format!("RRSet with DNS name {name}: an alias has no TTL")),
        (Some(_), None) if !resource_records.is_empty() => {
            Err(format!("RRSet with DNS name {name} has records and an alias"))
        }
        (Some(alias), None) => match kept_name(&alias.dns_name).replace("\\052", "*").parse::<DnsName>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("'{}' is not a name that an alias can lead to", alias.dns_name)),
        },
        (None, None) => Err(format!("RRSet with DNS name {name}, type {rtype}: the TTL is missing")),
        (None, Some(ttl)) if *ttl > MAX_TTL => Err(format!("The TTL {ttl} is not in the range from 0 to {MAX_TTL}")),
        (None, Some(_)) if resource_records.is_empty() => {
            Err(format!("RRSet with DNS name {name}, type {rtype} has no records"))
        }
        (None, Some(_)) => resource_records.iter().try_for_each(|record| {
            // SOA is the zone's own
            if rtype == "SOA" {
                return Ok(());
            }
            read_record_value(number, &record.value)
                .map(drop)
                .map_err(|error| format!("Invalid Resource Record: '{error}' encountered with '{}'", record.value))
        }),
    }
}

/// What of a zone's record sets does not go together (RFC 1034 3.6.2; Route 53 guide, "Choosing between alias and non-alias
/// records").
fn conflicts(zone: &HostedZoneRecord) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut types: BTreeMap<&str, Vec<&StoredRecordSet>> = BTreeMap::new();
    for set in &zone.record_sets {
        types.entry(&set.name).or_default().push(set);
    }
    for (name, sets) in types {
        let is_cname = |set: &&&StoredRecordSet| set.rtype == "CNAME";
        if name == zone.name && sets.iter().any(|set| set.rtype == "CNAME") {
            wrong.push(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {}",
                zone.name
            ));
        } else if sets.iter().any(|set| set.rtype == "CNAME") && sets.iter().filter(is_cname).count() < sets.len() {
            wrong.push(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in zone {}",
                zone.name
            ));
        }
        for set in &sets {
            let alike = sets.iter().filter(|other| other.rtype == set.rtype);
            if set.policy.set_identifier.is_none() && alike.count() > 1 {
                wrong.push(format!(
                    "RRSet with DNS name {name}, type {} is there with a routing policy and without",
                    set.rtype
                ));
            }
        }
    }
    wrong
}

fn list(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let zone = need_zone(call, params)?;
    let most = page_size(params, PAGE)?;
    let (name, rtype, identifier) = (params.optional("name"), params.optional("type"), params.optional("identifier"));
    if name.is_none() && rtype.is_some() {
        return Err(ApiError::new("InvalidInput", "A type to begin with needs a name to begin with."));
    }
    if let Some(rtype) = rtype.as_ref().filter(|rtype| !TYPES.contains(&rtype.as_str())) {
        return Err(ApiError::new("InvalidInput", format!("'{rtype}' is not a type of resource record set.")));
    }
    let from = name.map(|name| {
        let name = kept_name(&name);
        (sort_name(&name), rtype.unwrap_or_default(), identifier.unwrap_or_default())
    });
    let begin = from.map_or(0, |from| zone.record_sets.partition_point(|set| set.key() < from));
    let rest = zone.record_sets.get(begin..).unwrap_or_default();
    let (page, rest) = rest.split_at(most.min(rest.len()));
    let mut answer = Xml::of_route53();
    answer.named_list(["ResourceRecordSets", "ResourceRecordSet"], page, write_set);
    answer.text("IsTruncated", !rest.is_empty());
    if let Some(next) = rest.first() {
        answer.text("NextRecordName", &next.name);
        answer.text("NextRecordType", &next.rtype);
        answer.optional("NextRecordIdentifier", next.policy.set_identifier.as_ref());
    }
    answer.text("MaxItems", most);
    Ok(Done { answer, ..Done::default() })
}

fn write_set(xml: &mut Xml, set: &StoredRecordSet) {
    let StoredRecordSet { name, rtype, policy, ttl, resource_records, alias_target } = set;
    xml.text("Name", name);
    xml.text("Type", rtype);
    xml.optional("SetIdentifier", policy.set_identifier.as_ref());
    xml.optional("Weight", policy.weight);
    xml.optional("Region", policy.region.as_ref());
    if let Some(location) = &policy.geo_location {
        xml.element("GeoLocation", |xml| location.iter().for_each(|(key, value)| xml.text(key, value)));
    }
    xml.optional("Failover", policy.failover.as_ref());
    xml.optional("MultiValueAnswer", policy.multi_value_answer);
    xml.optional("TTL", *ttl);
    if !resource_records.is_empty() {
        xml.named_list(["ResourceRecords", "ResourceRecord"], resource_records, |xml, record| {
            xml.text("Value", &record.value);
        });
    }
    if let Some(alias) = alias_target {
        xml.element("AliasTarget", |xml| {
            xml.text("HostedZoneId", short_id(&alias.hosted_zone_id));
            xml.text("DNSName", &alias.dns_name);
            xml.text("EvaluateTargetHealth", alias.evaluate_target_health);
        });
    }
    xml.optional("HealthCheckId", policy.health_check_id.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_as_the_model_of_the_api_has_them() {
        let refused =
            |rtype: &str, identifier: Option<&str>, region: Option<&str>, failover: Option<&str>, value: &str| {
                let text = |text: Option<&str>| text.map(str::to_owned);
                let policy = SetPolicy {
                    set_identifier: text(identifier),
                    region: text(region),
                    failover: text(failover),
                    ..SetPolicy::default()
                };
                let resource_records = vec![StoredRecord { value: value.to_owned() }];
                let (name, rtype, ttl) = ("a.example.".to_owned(), rtype.to_owned(), Some(60));
                let set = StoredRecordSet { name, rtype, policy, ttl, resource_records, alias_target: None };
                check_members(&set).is_err()
            };
        let (longest, too_long) = ("\u{e4}".repeat(MAX_SET_IDENTIFIER), "\u{e4}".repeat(MAX_SET_IDENTIFIER + 1));
        for (rtype, identifier, region, failover, expected) in [
            ("A", None, None, None, false),
            ("HTTPS", Some("x"), Some("eu-west-1"), None, false),
            ("A", Some(&*longest), None, Some("SECONDARY"), false),
            ("A", Some(&*too_long), None, Some("SECONDARY"), true),
            ("A", Some(""), None, Some("PRIMARY"), true),
            ("A", Some("x"), None, Some("primary"), true),
            ("A", Some("x"), Some("Europe"), None, true),
            // as regions look, and none
            ("A", Some("x"), Some("us-east-9"), None, true),
            ("A", Some("x"), Some(""), None, true),
            ("NULL", None, None, None, true),
            ("TYPE10", None, None, None, true),
            ("a", None, None, None, true),
        ] {
            let found = refused(rtype, identifier, region, failover, "192.0.2.1");
            assert_eq!(found, expected, "{rtype} {identifier:?} {region:?} {failover:?}");
        }
        assert!(!refused("TXT", None, None, None, &"x".repeat(MAX_VALUE)));
        assert!(refused("TXT", None, None, None, &"x".repeat(MAX_VALUE + 1)));
    }
}

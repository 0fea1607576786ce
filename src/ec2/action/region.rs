//! Regions and their availability zones, and the prefix lists of a region.

use std::collections::BTreeSet;

use crate::ec2::call::{Action, Call, Done, id_of_name};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::filter::{Filters, ResultPage};
use crate::ec2::params::Params;
use crate::ec2::xml::Xml;
use crate::naming::{Region, ZoneName, known_region, known_regions, partition_of};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "DescribeAvailabilityZones", writes: false, idempotent: false, run: describe_zones },
    Action { name: "DescribeRegions", writes: false, idempotent: false, run: describe_regions },
    Action { name: "DescribePrefixLists", writes: false, idempotent: false, run: describe_prefix_lists },
    Action { name: "DescribeManagedPrefixLists", writes: false, idempotent: false, run: describe_managed_prefix_lists },
    Action { name: "GetManagedPrefixListEntries", writes: false, idempotent: false, run: prefix_list_entries },
];

/// Services that have gateway endpoints too, by what follows the region in their names.
pub(super) const GATEWAYS: [&str; 3] = ["s3", "dynamodb", "s3express"];
/// The code by which these actions refuse a filter.
const BAD_FILTER: &str = "InvalidParameterValue";

/// The availability zones of a region: those that some account sees there, and those of the subnets that there are.
pub(super) fn zones(call: &Call<'_>, region: &Region) -> BTreeSet<ZoneName> {
    let letters = match region.as_str() {
        "us-east-1" => "abcdef",
        "ap-northeast-1" | "ap-northeast-2" | "ca-central-1" | "us-west-2" => "abcd",
        _ => "abc",
    };
    let usual = letters.chars().filter_map(|letter| format!("{region}{letter}").parse().ok());
    let is_here = |zone: &&ZoneName| {
        let letter = zone.as_str().strip_prefix(region.as_str());
        letter.is_some_and(|rest| rest.bytes().next().is_some_and(|first| first.is_ascii_lowercase()))
    };
    let of_subnets = call.model.subnets().map(|subnet| &subnet.zone).filter(is_here).cloned();
    usual.chain(of_subnets).collect()
}

/// `use1-az1` for `us-east-1a`. Here letters and numbers go together; in AWS each account has its own mapping.
pub(super) fn zone_id(zone: &ZoneName) -> String {
    let (region, letter) = zone.as_str().split_at_checked(zone.as_str().len().saturating_sub(1)).unwrap_or_default();
    let number = letter.bytes().next().map_or(0, |letter| letter.wrapping_sub(b'a').wrapping_add(1));
    let mut parts = region.split('-');
    let mut id = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // northeast is ne, central c, gov g
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            id.push(first);
            let direction = ["north", "south"].into_iter().find(|direction| rest.starts_with(direction));
            rest = direction.and_then(|direction| rest.strip_prefix(direction)).unwrap_or_default();
        }
    }
    format!("{id}-az{number}")
}

fn describe_zones(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let names = params.list("ZoneName");
    let ids = params.list("ZoneId");
    params.flag("AllAvailabilityZones")?;
    let filters = Filters::take(params, ListedZone::FILTERS, BAD_FILTER)?;
    let region = &call.caller.region;
    let all = zones(call, region);
    if let Some(name) = names.iter().find(|name| !all.iter().any(|zone| zone.as_str() == name.as_str())) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid availability zone: [{name}]")));
    }
    if let Some(id) = ids.iter().find(|id| !all.iter().any(|zone| zone_id(zone) == **id)) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid availability zone-id: [{id}]")));
    }
    let chosen = |zone: &&ZoneName| {
        (names.is_empty() || names.iter().any(|name| name == zone.as_str()))
            && (ids.is_empty() || ids.contains(&zone_id(zone)))
    };
    let found = all.iter().filter(chosen).map(|zone| ListedZone { zone, region }).filter(|zone| zone.passes(&filters));
    let mut answer = Xml::new();
    answer.list("availabilityZoneInfo", found, |xml, zone| zone.write(xml));
    Ok(Done { answer, ..Done::default() })
}

/// A zone as it is listed.
struct ListedZone<'c> {
    zone: &'c ZoneName,
    region: &'c Region,
}

fields! {
    impl ListedZone<'_> as it {
        "optInStatus" ["opt-in-status"] = "opt-in-not-required";
        "messageSet[]" ["message"] = Values::of_each([""; 0]);
        "regionName" ["region-name"] = it.region.as_str();
        "zoneName" ["zone-name"] = it.zone.as_str();
        "zoneId" ["zone-id"] = zone_id(it.zone);
        "groupName" ["group-name"] = format!("{}-zg-1", it.region);
        "groupLongName" ["group-long-name"] = format!("{} 1", long_name(it.region));
        "networkBorderGroup" = it.region.as_str();
        "zoneType" ["zone-type"] = "availability-zone";
        "zoneState" ["state"] = "available";
        "" ["parent-zone-id", "parent-zone-name"] = Values::Absent;
    }
}

/// `US East (N. Virginia)`; the code of a region that is younger than the table.
fn long_name(region: &Region) -> &str {
    known_region(region.as_str()).map_or(region.as_str(), |known| known.name)
}

fn describe_regions(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let names = params.list("RegionName");
    params.flag("AllRegions")?;
    let filters = Filters::take(params, ListedRegion::FILTERS, BAD_FILTER)?;
    let mut all: BTreeSet<Region> = known_regions().iter().filter_map(|known| known.code.parse().ok()).collect();
    all.extend(call.model.vpcs().into_iter().map(|vpc| vpc.region.clone()));
    all.insert(call.caller.region.clone());
    // an account is of one partition
    let partition = partition_of(&call.caller.region);
    all.retain(|region| partition_of(region) == partition);
    if let Some(name) = names.iter().find(|name| !all.iter().any(|region| region.as_str() == name.as_str())) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid region: [{name}]")));
    }
    let chosen = |region: &&Region| names.is_empty() || names.iter().any(|name| name == region.as_str());
    let found = all.iter().filter(chosen).map(ListedRegion).filter(|region| region.passes(&filters));
    let mut answer = Xml::new();
    answer.list("regionInfo", found, |xml, region| region.write(xml));
    Ok(Done { answer, ..Done::default() })
}

/// A region as it is listed.
struct ListedRegion<'c>(&'c Region);

fields! {
    impl ListedRegion<'_> as it {
        "regionName" ["region-name"] = it.0.as_str();
        "regionEndpoint" ["endpoint"] = format!("ec2.{}.{}", it.0, partition_of(it.0).dns_suffix);
        "optInStatus" ["opt-in-status"] = opt_in_status(it.0);
    }
}

/// Every region is at hand here: one that has to be enabled is.
fn opt_in_status(region: &Region) -> &'static str {
    let is_opt_in = known_region(region.as_str()).is_some_and(|known| known.is_opt_in);
    if is_opt_in { "opted-in" } else { "opt-in-not-required" }
}

/// The prefix list of a service that gateway endpoints lead to. It has no blocks: which addresses S3 has is nothing that
/// DNS here depends on.
struct PrefixList {
    id: String,
    name: String,
}

fields! {
    impl PrefixList as list {
        "cidrSet[]" = Values::of_each([""; 0]);
        "prefixListId" ["prefix-list-id"] = &list.id;
        "prefixListName" ["prefix-list-name"] = &list.name;
    }
}

/// The same as `DescribeManagedPrefixLists` shows it.
struct ManagedPrefixList {
    list: PrefixList,
    arn: String,
}

fields! {
    impl ManagedPrefixList as it {
        "prefixListArn" = &it.arn;
        "prefixListId" ["prefix-list-id"] = &it.list.id;
        "prefixListName" ["prefix-list-name"] = &it.list.name;
        "addressFamily" = "IPv4";
        "state" = "create-complete";
        "ownerId" ["owner-id"] = "AWS";
        "tagSet[]" = Values::of_each([""; 0]);
    }
}

const PREFIX_LISTS: Listing = Listing { set: "prefixListSet", bad_filter: BAD_FILTER, least: 1 };

/// The lists that a call asks for, by id.
fn chosen_prefix_lists(call: &Call<'_>, params: &mut Params) -> Result<Vec<PrefixList>, ApiError> {
    let ids = params.list("PrefixListId");
    let names = GATEWAYS.map(|service| format!("com.amazonaws.{}.{service}", call.caller.region));
    let mut all = names.map(|name| PrefixList { id: id_of_name("pl-", &name), name });
    all.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some(id) = ids.iter().find(|id| !all.iter().any(|list| list.id == **id)) {
        let message = format!("The prefix list ID '{id}' does not exist");
        return Err(ApiError::new("InvalidPrefixListID.NotFound", message));
    }
    Ok(all.into_iter().filter(|list| ids.is_empty() || ids.contains(&list.id)).collect())
}

fn describe_prefix_lists(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let all = chosen_prefix_lists(call, params)?;
    PREFIX_LISTS.answer(params, all, |list| list.id.clone())
}

fn describe_managed_prefix_lists(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let region = &call.caller.region;
    let partition = partition_of(region).name;
    let all = chosen_prefix_lists(call, params)?.into_iter().map(|list| ManagedPrefixList {
        arn: format!("arn:{partition}:ec2:{region}:aws:prefix-list/{}", list.id),
        list,
    });
    PREFIX_LISTS.answer(params, all, |list| list.list.id.clone())
}

/// A list's entries: none, as the list has no blocks.
fn prefix_list_entries(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("PrefixListId")?;
    params.parsed::<u64>("TargetVersion", "Expected an integer.")?;
    ResultPage::take(params, 1)?;
    if !chosen_prefix_lists(call, &mut Params::default())?.iter().any(|list| list.id == id) {
        let message = format!("The prefix list ID '{id}' does not exist");
        return Err(ApiError::new("InvalidPrefixListID.NotFound", message));
    }
    let mut answer = Xml::new();
    answer.texts("entrySet", [""; 0]);
    Ok(Done { answer, ..Done::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids of the EC2 guide, "Availability Zone IDs".
    #[test]
    fn zone_ids() {
        for (zone, id) in [
            ("us-east-1a", "use1-az1"),
            ("us-west-2d", "usw2-az4"),
            ("ap-southeast-2b", "apse2-az2"),
            ("ap-northeast-1c", "apne1-az3"),
            ("eu-central-1a", "euc1-az1"),
            ("ca-central-1b", "cac1-az2"),
            ("cn-northwest-1a", "cnnw1-az1"),
            ("us-gov-west-1a", "usgw1-az1"),
        ] {
            assert_eq!(zone_id(&zone.parse().unwrap()), id);
        }
    }
}

//! Regions and their availability zones, and what of a region the API has nothing of: prefix lists, route tables.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::ec2::call::{Action, Call, Done, id_of_name};
use crate::ec2::error::ApiError;
use crate::ec2::filter::{Filters, Page};
use crate::ec2::params::Params;
use crate::ec2::record::Tags;
use crate::ec2::xml::Xml;
use crate::naming::{Region, ZoneName, known_regions, partition_of};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "DescribeAvailabilityZones", writes: false, idempotent: false, run: describe_zones },
    Action { name: "DescribeRegions", writes: false, idempotent: false, run: describe_regions },
    Action { name: "DescribePrefixLists", writes: false, idempotent: false, run: describe_prefix_lists },
    Action { name: "DescribeManagedPrefixLists", writes: false, idempotent: false, run: describe_managed_prefix_lists },
    Action { name: "DescribeRouteTables", writes: false, idempotent: false, run: describe_route_tables },
];

/// The code by which these actions refuse a filter.
const BAD_FILTER: &str = "InvalidParameterValue";

const ZONE_FILTERS: &[&str] = &[
    "group-long-name",
    "group-name",
    "message",
    "opt-in-status",
    "parent-zone-id",
    "parent-zone-name",
    "region-name",
    "state",
    "zone-id",
    "zone-name",
    "zone-type",
];

const ROUTE_TABLE_FILTERS: &[&str] = &[
    "association.gateway-id",
    "association.route-table-association-id",
    "association.route-table-id",
    "association.subnet-id",
    "association.main",
    "owner-id",
    "route-table-id",
    "route.destination-cidr-block",
    "route.destination-ipv6-cidr-block",
    "route.destination-prefix-list-id",
    "route.egress-only-internet-gateway-id",
    "route.gateway-id",
    "route.instance-id",
    "route.nat-gateway-id",
    "route.origin",
    "route.state",
    "route.transit-gateway-id",
    "route.vpc-peering-connection-id",
    "tag",
    "tag-key",
    "transit-gateway-id",
    "vpc-id",
];

/// The availability zones of a region: those that most accounts see there, and those of the subnets that there are.
pub(super) fn zones(call: &Call<'_>, region: &Region) -> BTreeSet<ZoneName> {
    let letters = if region.as_str() == "us-east-1" { "abcdef" } else { "abc" };
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
    let filters = Filters::take(params, ZONE_FILTERS, BAD_FILTER)?;
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
    let values = |zone: &ZoneName, filter: &str| -> Option<Cow<'static, str>> {
        Some(match filter {
            "group-long-name" | "region-name" => region.to_string().into(),
            "group-name" => group(region).into(),
            "opt-in-status" => "opt-in-not-required".into(),
            "state" => "available".into(),
            "zone-id" => zone_id(zone).into(),
            "zone-name" => zone.to_string().into(),
            "zone-type" => "availability-zone".into(),
            _ => return None,
        })
    };
    let found = all.iter().filter(chosen).filter(|zone| filters.matches(&Tags::new(), |name| values(zone, name)));
    let mut answer = Xml::new();
    answer.list("availabilityZoneInfo", found, |xml, zone| {
        xml.text("optInStatus", "opt-in-not-required");
        xml.texts("messageSet", [""; 0]);
        xml.text("regionName", region);
        xml.text("zoneName", zone);
        xml.text("zoneId", zone_id(zone));
        xml.text("groupName", group(region));
        xml.text("networkBorderGroup", region);
        xml.text("zoneType", "availability-zone");
        xml.text("zoneState", "available");
    });
    Ok(Done { answer, ..Done::default() })
}

/// The zone group of a region's availability zones.
fn group(region: &Region) -> String {
    format!("{region}-zg-1")
}

fn describe_regions(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let names = params.list("RegionName");
    params.flag("AllRegions")?;
    let filters = Filters::take(params, &["endpoint", "opt-in-status", "region-name"], BAD_FILTER)?;
    let mut all: BTreeSet<Region> = known_regions().filter_map(|code| code.parse().ok()).collect();
    all.extend(call.model.vpcs().into_iter().map(|vpc| vpc.region.clone()));
    all.insert(call.caller.region.clone());
    // an account is of one partition
    let partition = partition_of(&call.caller.region);
    all.retain(|region| partition_of(region) == partition);
    if let Some(name) = names.iter().find(|name| !all.iter().any(|region| region.as_str() == name.as_str())) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid region: [{name}]")));
    }
    let endpoint = |region: &Region| format!("ec2.{region}.{}", partition.dns_suffix);
    let values = |region: &Region, filter: &str| -> Option<Cow<'static, str>> {
        Some(match filter {
            "endpoint" => endpoint(region).into(),
            "opt-in-status" => "opt-in-not-required".into(),
            "region-name" => region.to_string().into(),
            _ => return None,
        })
    };
    let chosen = |region: &&Region| names.is_empty() || names.iter().any(|name| name == region.as_str());
    let found = all.iter().filter(chosen).filter(|region| filters.matches(&Tags::new(), |name| values(region, name)));
    let mut answer = Xml::new();
    answer.list("regionInfo", found, |xml, region| {
        xml.text("regionName", region);
        xml.text("regionEndpoint", endpoint(region));
        xml.text("optInStatus", "opt-in-not-required");
    });
    Ok(Done { answer, ..Done::default() })
}

/// The prefix lists of the services that gateway endpoints lead to, by id. They have no blocks: which addresses
/// S3 has is nothing that DNS here depends on.
fn prefix_lists(region: &Region) -> BTreeMap<String, String> {
    ["s3", "dynamodb"]
        .map(|service| format!("com.amazonaws.{region}.{service}"))
        .map(|name| (id_of_name("pl-", &name), name))
        .into()
}

/// The lists that a call asks for.
fn chosen_prefix_lists(
    call: &Call<'_>,
    params: &mut Params,
    filters: &Filters,
) -> Result<BTreeMap<String, String>, ApiError> {
    let ids = params.list("PrefixListId");
    let mut all = prefix_lists(&call.caller.region);
    if let Some(id) = ids.iter().find(|id| !all.contains_key(*id)) {
        let message = format!("The prefix list ID '{id}' does not exist");
        return Err(ApiError::new("InvalidPrefixListID.NotFound", message));
    }
    all.retain(|id, name| {
        let values = |filter: &str| -> Option<Cow<'_, str>> {
            match filter {
                "prefix-list-id" => Some(id.as_str().into()),
                "prefix-list-name" => Some(name.as_str().into()),
                "owner-id" => Some("AWS".into()),
                _ => None,
            }
        };
        (ids.is_empty() || ids.contains(id)) && filters.matches(&Tags::new(), values)
    });
    Ok(all)
}

fn describe_prefix_lists(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let filters = Filters::take(params, &["prefix-list-id", "prefix-list-name"], BAD_FILTER)?;
    let page = Page::take(params, 1)?;
    let (found, next) = page.cut(chosen_prefix_lists(call, params, &filters)?, |(id, _)| id.clone());
    let mut answer = Xml::new();
    answer.optional("nextToken", next);
    answer.list("prefixListSet", found, |xml, (id, name)| {
        xml.texts("cidrSet", [""; 0]);
        xml.text("prefixListId", id);
        xml.text("prefixListName", name);
    });
    Ok(Done { answer, ..Done::default() })
}

fn describe_managed_prefix_lists(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let filters = Filters::take(params, &["owner-id", "prefix-list-id", "prefix-list-name"], BAD_FILTER)?;
    let page = Page::take(params, 1)?;
    let (found, next) = page.cut(chosen_prefix_lists(call, params, &filters)?, |(id, _)| id.clone());
    let region = &call.caller.region;
    let partition = partition_of(region).name;
    let mut answer = Xml::new();
    answer.optional("nextToken", next);
    answer.list("prefixListSet", found, |xml, (id, name)| {
        xml.text("prefixListArn", format!("arn:{partition}:ec2:{region}:aws:prefix-list/{id}"));
        xml.text("prefixListId", id);
        xml.text("prefixListName", name);
        xml.text("addressFamily", "IPv4");
        xml.text("state", "create-complete");
        xml.text("ownerId", "AWS");
        xml.texts("tagSet", [""; 0]);
    });
    Ok(Done { answer, ..Done::default() })
}

/// There are none: a gateway endpoint keeps the ids that it is given.
fn describe_route_tables(_: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    if let Some(id) = params.list("RouteTableId").first() {
        let message = format!("The routeTable ID '{id}' does not exist");
        return Err(ApiError::new("InvalidRouteTableID.NotFound", message));
    }
    Filters::take(params, ROUTE_TABLE_FILTERS, BAD_FILTER)?;
    Page::take(params, 5)?;
    let mut answer = Xml::new();
    answer.texts("routeTableSet", [""; 0]);
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

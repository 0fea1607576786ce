//! AZ-affinity routing: which record set is for clients in an Availability Zone.
//!
//! "Route 53 starts with the most specific location that the query matches and falls back to a less specific location when
//! there's no record for that location" (Route 53 API Reference, `ResourceRecordSet`). Health is not known here, so that every
//! record is taken to be well.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::network::SubnetOutput;
use super::records::{AzLocation, RecordSet, RoutingPolicy};
use crate::naming::{Region, VpcId, ZoneName, partition_of};

/// What an account calls an Availability Zone, and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NamedZone {
    pub(super) name: ZoneName,
    pub(super) id: Box<str>,
}

/// The Availability Zones of which VPCs have subnets, where outputs tell their ids.
#[derive(Default)]
pub(super) struct VpcZones(HashMap<VpcId, BTreeSet<NamedZone>>);

impl VpcZones {
    pub(super) fn new(subnets: &[SubnetOutput]) -> Self {
        let mut zones: HashMap<VpcId, BTreeSet<NamedZone>> = HashMap::new();
        for subnet in subnets {
            let Some(id) = &subnet.zone_id else { continue };
            let zone = NamedZone { name: subnet.zone.value.clone(), id: id.clone() };
            zones.entry(subnet.vpc_id.value).or_default().insert(zone);
        }
        Self(zones)
    }

    /// Those of a VPC.
    pub(super) fn of(&self, vpc: VpcId) -> Vec<NamedZone> {
        self.0.get(&vpc).into_iter().flatten().cloned().collect()
    }

    /// Those of a Region that every account calls alike: a Profile is for VPCs of many.
    pub(super) fn of_region(&self, region: &Region) -> Vec<NamedZone> {
        let mut ids: BTreeMap<&ZoneName, BTreeSet<&str>> = BTreeMap::new();
        for zone in self.0.values().flatten().filter(|zone| zone.name.as_str().starts_with(region.as_str())) {
            ids.entry(&zone.name).or_default().insert(&zone.id);
        }
        let alike = ids.into_iter().filter(|(_, ids)| ids.len() == 1);
        alike
            .flat_map(|(name, ids)| ids.into_iter().map(|id| NamedZone { name: name.clone(), id: id.into() }))
            .collect()
    }
}

/// The record set for a client in a zone of a Region; `client`: `None` where the client's zone is not known. `Ok(None)`: "Route 53
/// returns a 'no answer' response" (Route 53 API Reference, `AZAffinity`).
pub(super) fn choose<'c>(
    sets: &[&'c RecordSet],
    client: Option<(&NamedZone, &Region)>,
) -> Result<Option<&'c RecordSet>, String> {
    let find = |fits: &dyn Fn(&AzLocation) -> bool| {
        let is_it = |set: &&&RecordSet| matches!(&set.policy, RoutingPolicy::AzAffinity(location) if fits(location));
        sets.iter().find(is_it).copied()
    };
    let global = || find(&|location| *location == AzLocation::Global);
    // "If Route 53 doesn't know which AZ a query came from, the query matches only the record for the Global location type"
    let Some((zone, region)) = client else { return Ok(global()) };
    if let Some(set) = find(&|location| matches!(location, AzLocation::Zone(id) if *id == zone.id)) {
        return Ok(Some(set));
    }
    let groups = format!("{region}-zg-");
    if find(&|location| matches!(location, AzLocation::ZoneGroup(id) if id.starts_with(&groups))).is_some() {
        return Err(format!("AZ-affinity routing by Zone Group: no output tells which one {} is in", zone.id));
    }
    let partition = partition_of(region).name;
    Ok(find(&|location| matches!(location, AzLocation::Region(id) if **id == *region.as_str()))
        .or_else(|| find(&|location| matches!(location, AzLocation::Partition(id) if **id == *partition)))
        .or_else(global))
}

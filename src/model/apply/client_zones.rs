//! Which Availability Zone clients are in, where answers depend on that: in VPCs with zone affinity, and in all where a hosted zone
//! has other records for some zones.

use std::sync::Arc;

use super::super::{ClientZone, Model, Subnet, ZoneAffinity};
use crate::naming::VpcId;

impl Model {
    /// Finds the blocks of subnets anew; nothing where neither this model nor the old one needs any, or nothing has changed.
    pub(super) fn replace_client_zones(&mut self, old: &Model) {
        let of_records = self.hosted_zones.iter().any(|zone| zone.asks_for_zones);
        let has_any = of_records || self.vpcs.values().any(|vpc| vpc.zone_affinity.is_some());
        let is_same = Arc::ptr_eq(&self.vpcs, &old.vpcs)
            && Arc::ptr_eq(&self.subnets, &old.subnets)
            && Arc::ptr_eq(&self.hosted_zones, &old.hosted_zones);
        if is_same || !has_any && old.client_zones.is_empty() {
            return;
        }
        let affinity = |vpc: &VpcId| self.vpcs.get(vpc).and_then(|vpc| vpc.zone_affinity);
        let subnets = self.subnets.values().map(|subnet| (subnet, affinity(&subnet.vpc_id)));
        let wanted = subnets.filter(|(_, affinity)| of_records || affinity.is_some());
        let subnets: Vec<(Subnet, Option<ZoneAffinity>)> =
            wanted.map(|(subnet, affinity)| (subnet.clone(), affinity)).collect();
        let mut zones = Vec::new();
        for (Subnet { vpc_id: vpc, zone, cidr_blocks, .. }, affinity) in subnets {
            let Some(zone) = self.zones.intern(&zone) else { continue };
            zones.extend(cidr_blocks.into_iter().map(|block| ClientZone { vpc, block, zone, affinity }));
        }
        zones.sort_by_key(|zone| (zone.vpc, zone.block));
        self.client_zones = zones.into();
    }
}

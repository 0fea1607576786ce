//! Which Availability Zone clients are in, for VPCs with zone affinity.

use super::super::{ClientZone, Model, Subnet, VpcId, ZoneAffinity};

impl Model {
    /// Finds the blocks of subnets in VPCs with zone affinity anew; nothing where neither this model nor the old one has any.
    pub(super) fn replace_client_zones(&mut self, old: &Model) {
        let affinity = |model: &Self, vpc: &VpcId| model.vpcs.get(vpc).and_then(|vpc| vpc.zone_affinity);
        let has_any = self.vpcs.values().any(|vpc| vpc.zone_affinity.is_some());
        if !has_any && old.client_zones.is_empty() {
            return;
        }
        let subnets = self.subnets.values().filter_map(|subnet| Some((subnet, affinity(self, &subnet.vpc_id)?)));
        let subnets: Vec<(Subnet, ZoneAffinity)> =
            subnets.map(|(subnet, affinity)| (subnet.clone(), affinity)).collect();
        let mut zones = Vec::new();
        for (Subnet { vpc_id: vpc, zone, cidr_blocks, .. }, affinity) in subnets {
            let Some(zone) = self.zones.intern(&zone) else { continue };
            zones.extend(cidr_blocks.into_iter().map(|block| ClientZone { vpc, block, zone, affinity }));
        }
        zones.sort_by_key(|zone| (zone.vpc, zone.block));
        self.client_zones = zones.into();
    }
}

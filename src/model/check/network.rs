//! The rules of VPCs and subnets: clients can be told apart, and subnets are inside their VPC.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::super::change::Key;
use super::super::input::{SubnetInput, VpcInput};
use super::super::violation::{Breach, Violation};
use super::super::{Map, Model, Subnet, Vpc};
use super::Check;
use crate::naming::VpcId;
use crate::problem::{At, Place};

impl Check<'_> {
    /// A client must be of one VPC: by its address, or by the listener where addresses overlap.
    pub(in crate::model) fn client_addresses(&mut self, model: &Model, new: &[&VpcInput]) {
        let place = |vpc: VpcId, cidr: Option<IpNet>| {
            let input = new.iter().find(|input| input.vpc_id.value == vpc)?;
            let at = input.cidr_blocks.iter().find(|block| Some(block.value) == cidr);
            Some(at.map_or_else(|| input.vpc_id.place.clone(), |block| block.place.clone()))
        };
        let anywhere = |vpc: VpcId, cidr| {
            place(vpc, cidr)
                .or_else(|| (self.place_of)(&Key::Vpc(vpc)))
                .unwrap_or_else(|| Place::whole(vpc.to_string()))
        };
        let vpcs = model.vpcs();
        let mut blocks: Vec<(IpNet, &Vpc)> = vpcs
            .iter()
            .filter(|vpc| vpc.listeners.is_empty())
            .flat_map(|vpc| vpc.cidr_blocks.iter().map(|cidr| (*cidr, &***vpc)))
            .collect();
        blocks.sort_by_key(|(cidr, vpc)| (cidr.network(), cidr.prefix_len(), vpc.vpc_id));
        let mut found = Vec::new();
        let mut open: Vec<(IpNet, &Vpc)> = Vec::new();
        for (cidr, vpc) in blocks {
            // sorted by first address, a block overlaps exactly those before it that have not ended yet
            open.retain(|(other, _)| other.contains(&cidr.network()));
            if let Some((other, owner)) = open.iter().find(|(_, owner)| owner.vpc_id != vpc.vpc_id) {
                let (mut a, mut b) = ((cidr, vpc), (*other, *owner));
                if place(a.1.vpc_id, Some(a.0)).is_none() {
                    std::mem::swap(&mut a, &mut b);
                }
                let breach = Breach::BlocksOverlap {
                    block: a.0,
                    vpc: a.1.vpc_id,
                    other_block: b.0,
                    other_vpc: b.1.vpc_id,
                    other_place: anywhere(b.1.vpc_id, Some(b.0)),
                };
                found.push(Violation { place: anywhere(a.1.vpc_id, Some(a.0)), breach });
            }
            open.push((cidr, vpc));
        }
        let mut listeners: Map<SocketAddr, VpcId> = Map::default();
        for vpc in &vpcs {
            for listener in &vpc.listeners {
                if let Some(other) = listeners.insert(*listener, vpc.vpc_id) {
                    let breach = Breach::ListenerTwice { listener: *listener, vpc: vpc.vpc_id, other };
                    found.push(Violation { place: anywhere(vpc.vpc_id, None), breach });
                }
            }
        }
        self.violations.append(&mut found);
    }

    /// A subnet's blocks are inside its VPC's.
    pub(in crate::model) fn subnet_in_vpc(&mut self, model: &Model, input: &SubnetInput) {
        let id = input.subnet_id.value;
        let Some(vpc) = model.vpc(input.vpc_id.value) else {
            self.unknown_vpc(&input.vpc_id, &id);
            return;
        };
        for block in &input.cidr_blocks {
            if !vpc.cidr_blocks.iter().any(|cidr| cidr.contains(&block.value)) {
                let breach = Breach::SubnetOutsideVpc {
                    subnet: id,
                    block: block.value,
                    vpc: vpc.vpc_id,
                    blocks: vpc.cidr_blocks.clone(),
                };
                self.report(&block.place, breach);
            }
        }
        let zone = &input.availability_zone;
        if !zone.value.as_str().starts_with(vpc.region.as_str()) {
            let breach = Breach::ZoneOfOtherRegion {
                subnet: id,
                zone: zone.value.clone(),
                region: vpc.region.clone(),
                vpc: vpc.vpc_id,
            };
            self.report(&zone.place, breach);
        }
    }

    /// The same for a subnet that was there before its VPC changed.
    pub(in crate::model) fn kept_subnet_in_vpc(&mut self, model: &Model, subnet: &Subnet) {
        let id = subnet.subnet_id;
        let place = (self.place_of)(&Key::Subnet(id)).unwrap_or_else(|| Place::whole(id.to_string()));
        let at = |value| At::new(value, place.clone());
        self.subnet_in_vpc(
            model,
            &SubnetInput {
                subnet_id: At::new(id, place.clone()),
                vpc_id: At::new(subnet.vpc_id, place.clone()),
                availability_zone: At::new(subnet.zone.clone(), place.clone()),
                cidr_blocks: subnet.cidr_blocks.iter().map(|cidr| at(*cidr)).collect(),
            },
        );
    }
}

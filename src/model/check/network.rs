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
    /// Listeners and networks of `clients` belong to one VPC; blocks may be those of several, which is a warning.
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
        let mut blocks: Vec<(IpNet, &Vpc)> =
            vpcs.iter().flat_map(|vpc| vpc.cidr_blocks.iter().map(|cidr| (*cidr, &***vpc))).collect();
        let is_known_otherwise = |vpc: &Vpc| !vpc.listeners.is_empty() || !vpc.clients.is_empty();
        blocks.sort_by_key(|(cidr, vpc)| (*cidr, !is_known_otherwise(vpc), vpc.vpc_id));
        blocks.dedup_by_key(|(cidr, vpc)| (*cidr, vpc.vpc_id));
        let mut found = Vec::new();
        for same in blocks.chunk_by(|a, b| a.0 == b.0) {
            let [(cidr, vpc), (_, other), ..] = same else { continue };
            // of several VPCs with one block, the one that has listeners or clients has those at its addresses
            if is_known_otherwise(vpc) != is_known_otherwise(other) {
                continue;
            }
            let (mut a, mut b) = (*other, *vpc);
            if place(a.vpc_id, Some(*cidr)).is_none() {
                std::mem::swap(&mut a, &mut b);
            }
            let breach = Breach::BlockOfTwoVpcs {
                block: *cidr,
                vpc: a.vpc_id,
                other: b.vpc_id,
                other_place: anywhere(b.vpc_id, Some(*cidr)),
            };
            found.push(Violation { place: anywhere(a.vpc_id, Some(*cidr)), breach });
        }
        let mut networks: Map<IpNet, VpcId> = Map::default();
        for vpc in &vpcs {
            for net in &vpc.clients {
                if let Some(other) = networks.insert(*net, vpc.vpc_id) {
                    let breach = Breach::ClientsTwice { network: *net, vpc: vpc.vpc_id, other };
                    found.push(Violation { place: anywhere(vpc.vpc_id, None), breach });
                }
            }
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
                enable_dns64: subnet.enable_dns64,
            },
        );
    }
}

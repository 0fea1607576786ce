//! Subnets of interfaces, also those that no output has.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{Input, Object, SubnetInput};
use crate::naming::{SubnetId, VpcId};
use crate::problem::{At, Place, Problem};

use super::network::{InterfaceOutput, SubnetOutput};

/// Subnets that interfaces are in and no output has.
///
/// An interface tells its zone, which is all that names need. The block of the subnet stays unknown: the addresses that
/// are known to be in it stand for it.
pub(super) struct StandIns {
    known: HashMap<SubnetId, Box<[IpNet]>>,
    broken: HashSet<String>,
    made: HashMap<SubnetId, Input>,
    order: Vec<SubnetId>,
}

impl StandIns {
    pub(super) fn new(subnets: &[SubnetOutput], broken: &[String]) -> Self {
        Self {
            known: subnets.iter().map(|subnet| (subnet.id.value, blocks(subnet))).collect(),
            broken: broken.iter().cloned().collect(),
            made: HashMap::new(),
            order: vec![],
        }
    }

    pub(super) fn is_broken(&self, id: &str) -> bool {
        self.broken.contains(id)
    }

    /// The subnet of an interface, made up where no output has it; `None` where nothing tells its zone.
    pub(super) fn subnet_of(
        &mut self,
        interface: &InterfaceOutput,
        vpc: VpcId,
        problems: &mut Vec<Problem>,
    ) -> Option<At<SubnetId>> {
        let hint = |id: SubnetId| {
            format!("run `aws ec2 describe-subnets --subnet-ids {id}` and save it beside the other files")
        };
        let Some(subnet) = &interface.subnet_id else {
            let what = format!("{} has no SubnetId: its addresses are left out", interface.id.value);
            problems.push(Problem::warning(
                interface.id.place.clone(),
                what,
                "save the output of the AWS CLI as it is",
            ));
            return None;
        };
        let id = subnet.value;
        if self.known.contains_key(&id) || self.is_broken(&id.to_string()) {
            return Some(subnet.clone());
        }
        let Some(zone) = &interface.zone else {
            let what = format!("{id} is in no describe-subnets output: {} is left out", interface.id.value);
            problems.push(Problem::warning(subnet.place.clone(), what, hint(id)));
            return None;
        };
        let ipv4 = interface.ipv4.as_ref().map(|it| host(it.value.into(), &it.place));
        let ipv6 = interface.ipv6.as_ref().map(|it| host(it.value.into(), &it.place));
        let input = self.made.entry(id).or_insert_with(|| {
            let what = format!(
                "{id} is in no describe-subnets output: its zone {} is that of {}",
                zone.value, interface.id.value
            );
            problems.push(Problem::warning(subnet.place.clone(), what, hint(id)));
            self.order.push(id);
            let vpc_id = At::new(vpc, subnet.place.clone());
            let object = Object::Subnet(SubnetInput {
                subnet_id: subnet.clone(),
                vpc_id: interface.vpc_id.clone().unwrap_or(vpc_id),
                availability_zone: zone.clone(),
                cidr_blocks: vec![],
                enable_dns64: false,
            });
            Input::new(interface.id.place.clone(), object)
        });
        if let Object::Subnet(made) = &mut *input.object {
            made.cidr_blocks.extend(ipv4.into_iter().chain(ipv6));
        }
        Some(subnet.clone())
    }

    /// Where, and in which words, an interface has an address that its subnet has not; what stands in for an interface has
    /// the address of something else.
    pub(super) fn outside(&self, interface: &InterfaceOutput, subnet: SubnetId) -> Option<(Place, String)> {
        let blocks = self.known.get(&subnet).filter(|_| !interface.id.value.is_stand_in())?;
        let ipv4 = interface.ipv4.iter().map(|it| (IpAddr::from(it.value), &it.place));
        let ipv6 = interface.ipv6.iter().map(|it| (IpAddr::from(it.value), &it.place));
        let is_outside = |(address, _): &(IpAddr, _)| !blocks.iter().any(|block| block.contains(address));
        let (address, place) = ipv4.chain(ipv6).find(is_outside)?;
        let has: Vec<String> = blocks.iter().map(ToString::to_string).collect();
        Some((place.clone(), format!("{address} is not inside {subnet} ({})", has.join(", "))))
    }

    pub(super) fn into_inputs(mut self) -> impl Iterator<Item = Input> {
        self.order.into_iter().filter_map(move |id| self.made.remove(&id))
    }
}

fn blocks(subnet: &SubnetOutput) -> Box<[IpNet]> {
    subnet.cidr_blocks.iter().map(|block| block.value).collect()
}

/// The block of one address.
fn host(address: IpAddr, place: &Place) -> At<IpNet> {
    At::new(IpNet::from(address), place.clone())
}

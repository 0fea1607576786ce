//! Interfaces that are no endpoint's: those of instances, load balancers and all others, for their names.

use std::collections::{HashMap, HashSet};

use crate::model::{Input, NetworkInterfaceInput, Object};
use crate::naming::{InterfaceId, SubnetId, VpcId};
use crate::problem::At;

use super::network::{Instance, InterfaceOutput, SubnetOutput};

/// The inputs that interfaces make which are in VPCs that an output has, in the order of their ids.
pub(super) fn inputs(
    interfaces: HashMap<InterfaceId, InterfaceOutput>,
    subnets: &[SubnetOutput],
    instances: &[Instance],
    vpcs: &HashSet<VpcId>,
) -> Vec<Input> {
    let vpc_of: HashMap<SubnetId, VpcId> =
        subnets.iter().map(|subnet| (subnet.id.value, subnet.vpc_id.value)).collect();
    let by_id: HashMap<&str, &Instance> = instances.iter().map(|instance| (instance.id.as_str(), instance)).collect();
    let mut all: Vec<InterfaceOutput> = interfaces.into_values().collect();
    all.sort_by_key(|interface| interface.id.value);
    let inputs = all.into_iter().filter_map(|interface| {
        let by_subnet =
            || Some(At::new(*vpc_of.get(&interface.subnet_id.as_ref()?.value)?, interface.id.place.clone()));
        let vpc_id = interface.vpc_id.clone().or_else(by_subnet).filter(|vpc| vpcs.contains(&vpc.value))?;
        let instance = interface.instance.as_deref().and_then(|id| by_id.get(id));
        let place = interface.id.place.clone();
        let object = Object::Interface(NetworkInterfaceInput {
            network_interface_id: interface.id,
            vpc_id,
            ipv4: interface.ipv4.map(|at| at.value).into_iter().chain(interface.secondary).collect(),
            ipv6: interface.all_ipv6,
            private_dns_name: interface.private_dns_name,
            resource_name: interface.instance.clone(),
            resource_name_a: instance.is_some_and(|instance| instance.resource_name_a),
            resource_name_aaaa: instance.is_some_and(|instance| instance.resource_name_aaaa),
            public_names: interface.public_names,
        });
        Some(Input { note: interface.seen.note, ..Input::new(place, object) })
    });
    inputs.collect()
}

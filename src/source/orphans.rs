//! Objects that have outlived what they are in: a source that is no file may own an endpoint in a VPC that has gone from
//! the files, or a rule that forwards to where this server listens now. It is left out of what is served until that has
//! changed, and its owner can still list and delete it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::contract::Reading;
use super::own::own_targets;
use crate::model::{Input, Model, Object};
use crate::naming::{SubnetId, VpcId};
use crate::problem::{At, Problem};

/// What there is to be in.
struct Homes<'o> {
    /// Where this server listens.
    own: &'o [SocketAddr],
    vpcs: HashSet<VpcId>,
    profiles: HashSet<Arc<str>>,
    subnets: HashSet<SubnetId>,
}

/// Takes the orphans out of the objects of readings whose sources `outlive` others, with a warning for each. Returns
/// them, reading by reading.
pub(super) fn leave_out(
    readings: &mut [Reading],
    outlive: &[bool],
    model: &Model,
    own: &[SocketAddr],
) -> Vec<Vec<Input>> {
    let mut homes = Homes { own, vpcs: HashSet::new(), profiles: HashSet::new(), subnets: HashSet::new() };
    for reading in readings.iter() {
        let of_parts = reading.parts.iter().flat_map(|(_, declared)| &declared.inputs);
        of_parts.chain(&reading.added).for_each(|input| homes.add(input));
    }
    let mut all = Vec::new();
    for (reading, outlives) in readings.iter_mut().zip(outlive) {
        let orphans = if *outlives { homes.leave_out(&mut reading.added, model) } else { Vec::new() };
        reading.problems.extend(orphans.iter().map(|orphan| {
            let what = format!("{} is left out: {}", name(orphan), homes.lacks(orphan, model).unwrap_or_default());
            Problem::warning(orphan.place.clone(), what, "put that right, or delete this over the API")
        }));
        all.push(orphans);
    }
    all
}

/// Takes out of an edit's objects those that are orphans already and still are: an edit of an object of which a part is
/// left out does not fail for that part.
pub(super) fn still_left_out(
    added: &[Input],
    orphans: &[Input],
    model: &Model,
    own: &[SocketAddr],
) -> (Vec<Input>, Vec<Input>) {
    let mut homes = Homes { own, vpcs: HashSet::new(), profiles: HashSet::new(), subnets: HashSet::new() };
    for input in added {
        homes.add(input);
    }
    let is_orphan = |input: &Input| orphans.iter().any(|orphan| orphan.key() == input.key());
    let (mut known, mut others): (Vec<Input>, Vec<Input>) = added.iter().cloned().partition(is_orphan);
    let left_out = homes.leave_out(&mut known, model);
    others.extend(known);
    (others, left_out)
}

impl Homes<'_> {
    fn add(&mut self, input: &Input) {
        match &*input.object {
            Object::Vpc(vpc) => {
                self.vpcs.insert(vpc.vpc_id.value);
            }
            Object::Profile(profile) => {
                self.profiles.insert(profile.id.value.clone());
            }
            Object::Subnet(subnet) => {
                self.subnets.insert(subnet.subnet_id.value);
            }
            _ => {}
        }
    }

    /// Takes the orphans out of `inputs`: those that are in nothing, and what is in a subnet that is one itself.
    fn leave_out(&mut self, inputs: &mut Vec<Input>, model: &Model) -> Vec<Input> {
        let mut orphans: Vec<Input> = Vec::new();
        loop {
            let more: Vec<Input> = inputs.extract_if(.., |input| self.lacks(input, model).is_some()).collect();
            if more.is_empty() {
                return orphans;
            }
            for orphan in &more {
                match &*orphan.object {
                    Object::Subnet(subnet) => {
                        self.subnets.remove(&subnet.subnet_id.value);
                    }
                    Object::Profile(profile) => {
                        self.profiles.remove(&profile.id.value);
                    }
                    _ => {}
                }
            }
            orphans.extend(more);
        }
    }

    /// Why an object cannot be served: the VPC or subnet that it is in is not there, or it leads to this server.
    fn lacks(&self, input: &Input, model: &Model) -> Option<String> {
        let has_vpc = |id: VpcId| self.vpcs.contains(&id) || model.vpc(id).is_some();
        let vpc = |id: VpcId| (!has_vpc(id)).then(|| format!("{id} has gone"));
        let has_profile = |id: &Arc<str>| self.profiles.contains(id) || model.profile(id).is_some();
        let lost_profile = |all: &[At<Arc<str>>]| {
            let lost = all.iter().find(|id| !has_profile(&id.value));
            lost.map(|id| format!("the Profile {} is left out", id.value))
        };
        match &*input.object {
            Object::Subnet(subnet) => vpc(subnet.vpc_id.value),
            Object::Endpoint(endpoint) => vpc(endpoint.vpc_id.value).or_else(|| {
                let mut subnets = endpoint.network_interfaces.iter().map(|interface| interface.subnet_id.value);
                let lost = subnets.find(|id| !self.subnets.contains(id) && model.subnet(*id).is_none());
                lost.map(|id| format!("{id} has gone"))
            }),
            Object::Profile(profile) => profile.vpcs.iter().find_map(|(id, _)| vpc(id.value)),
            Object::HostedZone(zone) => {
                zone.vpc_ids.iter().find_map(|id| vpc(id.value)).or(lost_profile(&zone.profiles))
            }
            Object::Rule(rule) => {
                rule.vpc_ids.iter().find_map(|id| vpc(id.value)).or(lost_profile(&rule.profiles)).or_else(|| {
                    let target = own_targets(input, self.own).next();
                    target.map(|(target, _)| format!("{target} is this server"))
                })
            }
            Object::Interface(interface) => vpc(interface.vpc_id.value),
            Object::Inbound(endpoint) => vpc(endpoint.vpc_id.value),
            _ => None,
        }
    }
}

fn name(input: &Input) -> String {
    match &*input.object {
        Object::Subnet(subnet) => subnet.subnet_id.value.to_string(),
        Object::Endpoint(endpoint) => endpoint.vpc_endpoint_id.value.to_string(),
        Object::Interface(interface) => interface.network_interface_id.value.to_string(),
        Object::Inbound(endpoint) => format!("an inbound resolver endpoint of {}", endpoint.vpc_id.value),
        Object::Profile(profile) => format!("the Profile {}", profile.id.value),
        Object::HostedZone(zone) => format!("the zone {}", zone.name.value),
        Object::Rule(rule) => format!("the rule for {}", rule.domain_name.value),
        _ => "an object".to_owned(),
    }
}

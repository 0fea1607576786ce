//! VPCs with their attributes and regions, which are in other outputs than the VPCs themselves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{Input, Object, VpcInput};
use crate::naming::{Region, VpcId};
use crate::problem::{At, Problem};

use super::super::Declared;
use super::super::values::region_of_zone;
use super::endpoint::EndpointOutput;
use super::network::{Attributes, InterfaceOutput, OutputId, SubnetOutput, VpcOutput};
use super::route53::ResolverConfigs;
use super::views::Seen;

/// The region of each VPC, from the surest sign to the least sure one.
pub(super) fn regions(
    subnets: &[SubnetOutput],
    interfaces: &[InterfaceOutput],
    endpoints: &[EndpointOutput],
) -> HashMap<VpcId, Region> {
    let mut regions = HashMap::new();
    for subnet in subnets {
        let region = region_of_zone(subnet.zone.value.as_str()).or_else(|| subnet.region.clone());
        note(&mut regions, subnet.vpc_id.value, region);
    }
    for interface in interfaces {
        if let (Some(vpc), Some(zone)) = (&interface.vpc_id, &interface.zone) {
            note(&mut regions, vpc.value, region_of_zone(zone.value.as_str()));
        }
    }
    for endpoint in endpoints {
        note(&mut regions, endpoint.input.vpc_id.value, endpoint.region.clone());
    }
    regions
}

fn note(regions: &mut HashMap<VpcId, Region>, vpc: VpcId, region: Option<Region>) {
    if let Some(region) = region {
        regions.entry(vpc).or_insert(region);
    }
}

pub(super) fn join_vpcs(
    vpcs: Vec<VpcOutput>,
    attributes: &[Attributes],
    endpoints: &[EndpointOutput],
    regions: &HashMap<VpcId, Region>,
    configs: &HashMap<String, ResolverConfigs>,
    joined: &mut Declared,
) {
    let mut dns: HashMap<VpcId, (Option<bool>, Option<bool>)> = HashMap::new();
    for one in attributes {
        let (support, hostnames) = dns.entry(one.vpc_id.value).or_default();
        agree(support, one.enable_dns_support.as_ref(), "EnableDnsSupport", one.vpc_id.value, &mut joined.problems);
        agree(
            hostnames,
            one.enable_dns_hostnames.as_ref(),
            "EnableDnsHostnames",
            one.vpc_id.value,
            &mut joined.problems,
        );
    }
    let with_endpoints: HashSet<VpcId> =
        endpoints.iter().filter(|it| !it.input.state.is_over()).map(|it| it.input.vpc_id.value).collect();
    let mut by_output: HashMap<OutputId, Region> = HashMap::new();
    for vpc in &vpcs {
        if let Some(region) = regions.get(&vpc.id.value) {
            by_output.entry(vpc.output).or_insert_with(|| region.clone());
        }
    }
    for VpcOutput { seen: Seen { place, note, owner, .. }, output, id: vpc_id, region, cidr_blocks } in vpcs {
        let id = vpc_id.value;
        let derived = || regions.get(&id).or_else(|| by_output.get(&output)).cloned();
        let region = region.or_else(|| derived().map(|region| At::new(region, vpc_id.place.clone())));
        let Some(region) = region else {
            let hint = "run `aws ec2 describe-subnets` and save it beside the other files: its zones tell the region";
            joined.problems.push(Problem::error(place, format!("the region of {id} is not known"), hint));
            joined.broken.push(id.to_string());
            continue;
        };
        let (support, hostnames) = dns.get(&id).copied().unwrap_or_default();
        if hostnames.is_none() && with_endpoints.contains(&id) {
            let missing =
                if support.is_none() { "no describe-vpc-attribute output" } else { "no enableDnsHostnames output" };
            let hint = format!(
                "run `aws ec2 describe-vpc-attribute --vpc-id {id} --attribute enableDnsHostnames` and save it beside the other files"
            );
            let what = format!("{id} has {missing}: private DNS stays off");
            joined.problems.push(Problem::warning(place.clone(), what, hint));
        }
        let said = configs.get(&id.to_string()).copied().unwrap_or_default();
        let object = Object::Vpc(VpcInput {
            vpc_id,
            owner: owner.map(Arc::from),
            region,
            cidr_blocks,
            // the default of EC2; host names cannot be on without it
            enable_dns_support: support.unwrap_or(true),
            enable_dns_hostnames: hostnames.unwrap_or(false),
            listeners: vec![],
            clients: vec![],
            autodefined_reverse: said.autodefined_reverse.unwrap_or(true),
            dnssec_validation: said.dnssec_validation.unwrap_or(false),
            zone_affinity: None,
        });
        joined.inputs.push(Input { note, ..Input::new(place, object) });
    }
}

/// Of two outputs of one attribute that differ, the later one holds.
fn agree(known: &mut Option<bool>, said: Option<&At<bool>>, name: &str, vpc: VpcId, problems: &mut Vec<Problem>) {
    let Some(said) = said else { return };
    if known.replace(said.value).is_some_and(|was| was != said.value) {
        let what = format!(
            "{name} of {vpc} is {} here and {} in an earlier output: this one holds, as the later one",
            said.value, !said.value
        );
        problems.push(Problem::warning(said.place.clone(), what, "remove the output that is out of date"));
    }
}

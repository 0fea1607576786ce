//! The rules that objects must keep among themselves, one function each.
//!
//! Where EC2 has a text for a broken rule, its words are used, so that a search finds what AWS users wrote.

mod endpoint;
mod network;
mod once;
mod zones;

use std::collections::HashSet;

use super::apply::{Broken, Key};
use super::input::{ServiceInput, SubnetInput, VpcInput};
use super::{Subnet, Vpc};
use crate::naming::{self, Evidence, Service, ServiceName, SubnetId, VpcId};
use crate::problem::{At, Place, Problem};

/// The problems of one change, and what the rules need to know about it.
pub(super) struct Check<'a> {
    pub(super) problems: Vec<Problem>,
    pub(super) place_of: &'a dyn Fn(&Key) -> Option<Place>,
    pub(super) dirty_vpcs: HashSet<VpcId>,
    pub(super) dirty_subnets: HashSet<SubnetId>,
    /// VPCs in which endpoints with private names came, went or changed.
    pub(super) touched_claims: HashSet<VpcId>,
    /// Services that are described for the first time, otherwise, or no more.
    pub(super) changed_services: HashSet<ServiceName>,
    /// Services that a source described and describes no more.
    pub(super) undeclared: HashSet<ServiceName>,
    broken: &'a Broken,
    warned_services: HashSet<ServiceName>,
    warned_vpcs: HashSet<VpcId>,
}

impl<'a> Check<'a> {
    pub(super) fn new(broken: &'a Broken, place_of: &'a dyn Fn(&Key) -> Option<Place>) -> Self {
        Self {
            problems: Vec::new(),
            place_of,
            dirty_vpcs: HashSet::new(),
            dirty_subnets: HashSet::new(),
            touched_claims: HashSet::new(),
            changed_services: HashSet::new(),
            undeclared: HashSet::new(),
            broken,
            warned_services: HashSet::new(),
            warned_vpcs: HashSet::new(),
        }
    }

    fn error(&mut self, place: &Place, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::error(place.clone(), what, hint));
    }

    fn warn(&mut self, place: &Place, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::warning(place.clone(), what, hint));
    }

    fn is_broken(&self, id: &dyn ToString) -> bool {
        self.broken.incomplete || !self.broken.ids.is_empty() && self.broken.ids.contains(&id.to_string())
    }

    /// A VPC that `owner` is said to be in is not there.
    fn unknown_vpc(&mut self, vpc: &At<VpcId>, owner: &dyn std::fmt::Display) {
        if !self.is_broken(&vpc.value) {
            let what = format!("the vpc ID '{}' of {owner} does not exist", vpc.value);
            self.error(&vpc.place, what, no_such("vpc", "describe-vpcs"));
        }
    }

    /// Unique ids: `what` was declared at `place` and somewhere else too.
    pub(super) fn twice<'i, T: PartialEq + ToString + 'i>(
        &mut self,
        key: Option<&Key>,
        what: &str,
        place: &Place,
        all: impl Iterator<Item = &'i At<T>>,
    ) {
        let other =
            all.filter(|at| at.value.to_string() == what).map(|at| at.place.clone()).find(|other| other != place);
        let other = other.or_else(|| key.and_then(self.place_of));
        let hint =
            other.map_or_else(String::new, |other| format!("it is also declared at {other}: remove one of them"));
        self.error(place, format!("{what} is declared twice"), hint);
    }

    pub(super) fn vpc(input: &VpcInput) -> Vpc {
        Vpc {
            vpc_id: input.vpc_id.value,
            region: input.region.value.clone(),
            cidr_blocks: input.cidr_blocks.iter().map(|cidr| cidr.value).collect(),
            enable_dns_support: input.enable_dns_support,
            enable_dns_hostnames: input.enable_dns_hostnames,
            listeners: input.listeners.iter().map(|listener| listener.value).collect(),
        }
    }

    pub(super) fn subnet(input: &SubnetInput) -> Subnet {
        Subnet {
            subnet_id: input.subnet_id.value,
            vpc_id: input.vpc_id.value,
            zone: input.availability_zone.value.clone(),
            cidr_blocks: input.cidr_blocks.iter().map(|cidr| cidr.value).collect(),
        }
    }

    /// A service as a source describes it, completed by the catalogue.
    pub(super) fn service(&mut self, input: &ServiceInput) -> Option<Service> {
        let name = &input.service_name;
        let known = naming::resolve(&name.value);
        let base = match (&input.base_endpoint_dns_name, &known) {
            (Some(base), _) => base.value.clone(),
            (None, Ok(service)) => service.base.clone(),
            (None, Err(error)) => {
                let error = error.to_string();
                self.error(
                    &name.place,
                    error,
                    "set base_endpoint_dns_name, what follows the endpoint's own label in its names",
                );
                return None;
            }
        };
        let inherited = known.as_ref().ok();
        Some(Service {
            service_name: name.value.clone(),
            region: inherited.and_then(|service| service.region.clone()),
            zone: Service::zone_of(&base),
            base,
            wildcard: inherited.is_some_and(|service| service.wildcard),
            private_names: match &input.private_dns_names {
                Some(names) => names.iter().map(|name| name.value.clone()).collect(),
                None => inherited.map(|service| service.private_names.clone()).unwrap_or_default(),
            },
            availability_zones: input.availability_zones.iter().map(|zone| zone.value.clone()).collect(),
            evidence: Evidence::Given,
        })
    }
}

fn no_such(table: &str, command: &str) -> String {
    format!("add a [[{table}]], or the output of `aws ec2 {command}`")
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

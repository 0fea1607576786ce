//! The rules that objects must keep among themselves, one function each.
//!
//! A broken rule is a [`Violation`]: what it is called to whom is for sources (`source/violation.rs`) and for the EC2 API
//! (`ec2/violation.rs`).

mod endpoint;
mod inbound;
mod network;
mod once;
mod profiles;
mod zones;

use std::collections::HashSet;

use super::change::{Broken, Key};
use super::input::{ServiceInput, SubnetInput, VpcInput};
use super::violation::{Breach, Violation};
use super::{Subnet, Vpc};
use crate::dns::DnsName;
use crate::naming::{self, CatalogueNames, Evidence, Service, ServiceName, SubnetId, VpcId};
use crate::problem::{At, Place};

/// The violations of one change, and what the rules need to know about it.
pub(super) struct Check<'a> {
    pub(super) violations: Vec<Violation>,
    pub(super) place_of: &'a dyn Fn(&Key) -> Option<Place>,
    pub(super) dirty_vpcs: HashSet<VpcId>,
    pub(super) dirty_subnets: HashSet<SubnetId>,
    /// VPCs in which endpoints with private names came, went or changed.
    pub(super) touched_claims: HashSet<VpcId>,
    /// Services that are described for the first time, otherwise, or no more.
    pub(super) changed_services: HashSet<ServiceName>,
    /// Services that a source described and describes no more.
    pub(super) undeclared: HashSet<ServiceName>,
    /// Which of the catalogue's names hold.
    pub(super) catalogue: CatalogueNames,
    broken: &'a Broken,
    warned_services: HashSet<ServiceName>,
    warned_vpcs: HashSet<VpcId>,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        broken: &'a Broken,
        place_of: &'a dyn Fn(&Key) -> Option<Place>,
        catalogue: CatalogueNames,
    ) -> Self {
        Self {
            violations: Vec::new(),
            place_of,
            dirty_vpcs: HashSet::new(),
            dirty_subnets: HashSet::new(),
            touched_claims: HashSet::new(),
            changed_services: HashSet::new(),
            undeclared: HashSet::new(),
            catalogue,
            broken,
            warned_services: HashSet::new(),
            warned_vpcs: HashSet::new(),
        }
    }

    fn report(&mut self, place: &Place, breach: Breach) {
        self.violations.push(Violation { place: place.clone(), breach });
    }

    fn is_broken(&self, id: &dyn ToString) -> bool {
        self.broken.incomplete || !self.broken.ids.is_empty() && self.broken.ids.contains(&id.to_string())
    }

    /// A VPC that `owner` is said to be in does not exist.
    pub(super) fn unknown_vpc(&mut self, vpc: &At<VpcId>, owner: &dyn std::fmt::Display) {
        if !self.is_broken(&vpc.value) {
            self.report(&vpc.place, Breach::NoSuchVpc { vpc: vpc.value, owner: Some(owner.to_string()) });
        }
    }

    /// Unique ids: `id` was declared at `place` and somewhere else too.
    pub(super) fn twice<'i, T: PartialEq + ToString + 'i>(
        &mut self,
        key: Option<&Key>,
        id: &str,
        place: &Place,
        all: impl Iterator<Item = &'i At<T>>,
    ) {
        let other = all.filter(|at| at.value.to_string() == id).map(|at| at.place.clone()).find(|other| other != place);
        let other = other.or_else(|| key.and_then(self.place_of));
        self.report(place, Breach::DeclaredTwice { id: id.to_owned(), other });
    }

    /// Two overlays of one object.
    pub(super) fn twice_laid_over(&mut self, key: &Key, place: &Place, other: &Place) {
        let id = match key {
            Key::Vpc(id) => id.to_string(),
            Key::Endpoint(id) => id.to_string(),
            _ => return,
        };
        self.report(place, Breach::DeclaredTwice { id, other: Some(other.clone()) });
    }

    /// An overlay of an object that is not there.
    pub(super) fn nothing_below(&mut self, key: &Key, place: &Place) {
        match key {
            Key::Vpc(vpc) if !self.is_broken(vpc) => self.report(place, Breach::NothingBelow { id: vpc.to_string() }),
            Key::Endpoint(id) if !self.is_broken(id) => {
                self.report(place, Breach::NothingBelow { id: id.to_string() });
            }
            _ => {}
        }
    }

    pub(super) fn vpc(input: &VpcInput) -> Vpc {
        Vpc {
            vpc_id: input.vpc_id.value,
            owner: input.owner.clone(),
            region: input.region.value.clone(),
            cidr_blocks: input.cidr_blocks.iter().map(|cidr| cidr.value).collect(),
            enable_dns_support: input.enable_dns_support,
            enable_dns_hostnames: input.enable_dns_hostnames,
            listeners: input.listeners.iter().map(|listener| listener.value).collect(),
            clients: input.clients.iter().map(|net| net.value).collect(),
            autodefined_reverse: input.autodefined_reverse,
            dnssec_validation: input.dnssec_validation,
            zone_affinity: input.zone_affinity,
        }
    }

    pub(super) fn subnet(input: &SubnetInput) -> Subnet {
        Subnet {
            subnet_id: input.subnet_id.value,
            vpc_id: input.vpc_id.value,
            zone: input.availability_zone.value.clone(),
            cidr_blocks: input.cidr_blocks.iter().map(|cidr| cidr.value).collect(),
            enable_dns64: input.enable_dns64,
        }
    }

    /// A service as a source describes it, completed by the catalogue.
    pub(super) fn service(&mut self, input: &ServiceInput) -> Option<Service> {
        let name = &input.service_name;
        let known = naming::resolve_with(&name.value, self.catalogue);
        let base = match (&input.base_endpoint_dns_name, &known) {
            (Some(base), _) => base.value.clone(),
            (None, Ok(service)) => service.base.clone(),
            (None, Err(why)) => {
                let breach = Breach::NoBaseName { why: why.clone() };
                self.report(&name.place, breach);
                return None;
            }
        };
        let inherited = known.as_ref().ok();
        let private_names: Vec<DnsName> = match &input.private_dns_names {
            Some(names) => names.iter().map(|name| name.value.clone()).collect(),
            None => inherited.map(|service| service.private_names.clone()).unwrap_or_default(),
        };
        Some(Service {
            service_name: name.value.clone(),
            region: inherited.and_then(|service| service.region.clone()),
            zone: Service::zone_of(&base),
            base,
            own_names: Vec::new(),
            wildcard: inherited.is_some_and(|service| service.wildcard),
            evidence: vec![Evidence::Given; private_names.len()],
            private_names,
            // a list of the operator's, or EC2's own, is complete but for what depends on an endpoint
            dualstack_names: inherited.map(|service| service.dualstack_names.clone()).unwrap_or_default(),
            second_names: match &input.private_dns_names {
                Some(_) => Vec::new(),
                None => inherited.map(|service| service.second_names.clone()).unwrap_or_default(),
            },
            availability_zones: input.availability_zones.iter().map(|zone| zone.value.clone()).collect(),
        })
    }
}

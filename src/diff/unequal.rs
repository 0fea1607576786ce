//! What two snapshots do not have in common. Numbers of services and zones mean nothing across two models, so that all
//! is compared by what it holds.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{AffinityChange, DiffClient, Dns64Change};
use crate::model::{Endpoint, HostedZone, Model, Vpc};
use crate::naming::{EndpointId, Service, VpcId};
use crate::snapshot::{Authority, PrivateZone, Snapshot};

/// What differs, and what is needed to say so of more.
#[derive(Default)]
pub(super) struct Unequal {
    /// Endpoints that came, went or changed.
    pub(super) endpoints: HashSet<EndpointId>,
    /// VPCs in which one of those is or was.
    pub(super) vpcs_of_endpoints: HashSet<VpcId>,
    /// VPCs whose clients are known by other addresses.
    pub(super) known_otherwise: Vec<VpcId>,
    /// Whether two zones are equal, by their places in memory.
    zones: RefCell<HashMap<(usize, usize), bool>>,
}

pub(super) fn unequal(old: &Snapshot, new: &Snapshot) -> Unequal {
    let mut found = Unequal::default();
    let mut services = HashMap::new();
    for was in old.model.unshared_endpoints(&new.model) {
        match new.model.endpoint(was.id) {
            Some(is) if is_same_endpoint(&old.model, was, &new.model, is, &mut services) => {}
            other => found.add(was.id, was.vpc, other),
        }
    }
    for is in new.model.unshared_endpoints(&old.model).filter(|is| old.model.endpoint(is.id).is_none()) {
        found.add(is.id, is.vpc, None);
    }
    let by_address = |vpc: &Arc<Vpc>| (vpc.cidr_blocks.clone(), vpc.clients.clone(), vpc.listeners.clone());
    let both = old.model.vpcs().into_iter().filter_map(|was| Some((was, new.model.vpc(was.vpc_id)?)));
    found.known_otherwise =
        both.filter(|(was, is)| by_address(was) != by_address(is)).map(|(was, _)| was.vpc_id).collect();
    found
}

/// Blocks of subnets in which DNS64 came or went. What it makes of an answer changes with the answer, and is not listed.
pub(super) fn dns64(old: &Snapshot, new: &Snapshot, is_wanted: impl Fn(VpcId) -> bool) -> Vec<Dns64Change> {
    let [was, is] = [old, new].map(|snapshot| snapshot.model.dns64_blocks().iter().collect::<BTreeSet<_>>());
    let differing = was.symmetric_difference(&is).filter(|(vpc, _)| is_wanted(*vpc));
    let changes = differing.map(|block @ (vpc, net)| Dns64Change {
        vpc_id: vpc.to_string(),
        block: *net,
        enabled: is.contains(*block),
    });
    changes.collect()
}

/// VPCs of both in which the affinity to a client's zone is another: of all addresses that are told others come first, or alone.
pub(super) fn zone_affinity(old: &Snapshot, new: &Snapshot, is_wanted: impl Fn(VpcId) -> bool) -> Vec<AffinityChange> {
    let both = old.model.vpcs().into_iter().filter_map(|was| Some((was, new.model.vpc(was.vpc_id)?)));
    let differing = both.filter(|(was, is)| was.zone_affinity != is.zone_affinity && is_wanted(was.vpc_id));
    let word = |vpc: &Vpc| vpc.zone_affinity.map(|affinity| affinity.to_string());
    differing
        .map(|(was, is)| AffinityChange { vpc_id: was.vpc_id.to_string(), old: word(was), new: word(is) })
        .collect()
}

/// Everybody who has a view in one of the two.
pub(super) fn clients(old: &Snapshot, new: &Snapshot) -> Vec<DiffClient> {
    let vpcs = old.model.vpcs().into_iter().chain(new.model.vpcs());
    let vpcs: BTreeSet<DiffClient> = vpcs.map(|vpc| DiffClient::Vpc(vpc.vpc_id)).collect();
    std::iter::once(DiffClient::NoVpc).chain(vpcs).collect()
}

impl Unequal {
    fn add(&mut self, id: EndpointId, vpc: VpcId, other: Option<&Endpoint>) {
        self.endpoints.insert(id);
        self.vpcs_of_endpoints.insert(vpc);
        self.vpcs_of_endpoints.extend(other.map(|endpoint| endpoint.vpc));
    }

    /// Whether two decide alike at a name.
    pub(super) fn is_same(&self, was: &Authority, is: &Authority) -> bool {
        match (was, is) {
            (Authority::Forward(rule, was), Authority::Forward(other, is)) => {
                rule.action == other.action && self.is_same_below(was.as_deref(), is.as_deref())
            }
            (Authority::System(was), Authority::System(is)) => self.is_same_below(was.as_deref(), is.as_deref()),
            (Authority::HostedZone(was), Authority::HostedZone(is)) => self.is_same_zone(was, is),
            (Authority::Private(was), Authority::Private(is)) => {
                let ids = |zone: &PrivateZone| zone.claimants().collect::<BTreeSet<_>>();
                ids(was) == ids(is) && !ids(was).iter().any(|id| self.endpoints.contains(id))
            }
            (Authority::SecondName(was), Authority::SecondName(is)) => was == is && !self.endpoints.contains(was),
            (Authority::Instances, Authority::Instances) | (Authority::PublicInstances, Authority::PublicInstances) => {
                true
            }
            _ => false,
        }
    }

    /// The same of what decides without a rule.
    fn is_same_below(&self, was: Option<&Authority>, is: Option<&Authority>) -> bool {
        match (was, is) {
            (Some(was), Some(is)) => self.is_same(was, is),
            (was, is) => was.is_none() && is.is_none(),
        }
    }

    fn is_same_zone(&self, was: &Arc<HostedZone>, is: &Arc<HostedZone>) -> bool {
        if Arc::ptr_eq(was, is) {
            return true;
        }
        let key = (Arc::as_ptr(was).addr(), Arc::as_ptr(is).addr());
        let known = self.zones.borrow().get(&key).copied();
        known.unwrap_or_else(|| {
            let same = was == is;
            self.zones.borrow_mut().insert(key, same);
            same
        })
    }
}

fn is_same_endpoint<'m>(
    old: &'m Model,
    was: &Endpoint,
    new: &'m Model,
    is: &Endpoint,
    services: &mut HashMap<(usize, usize), bool>,
) -> bool {
    let made = |e: &Endpoint| {
        let choices = (e.private_dns_enabled(), e.inbound_resolver_only(), e.is_regional_only(), e.mode());
        (e.vpc, e.suffix, e.state, e.record_ip_type, choices)
    };
    let (service, other): (&Service, &Service) = (old.service(was), new.service(is));
    let key = (std::ptr::from_ref(service).addr(), std::ptr::from_ref(other).addr());
    made(was) == made(is)
        && *services.entry(key).or_insert_with(|| service == other)
        && was.interfaces.len() == is.interfaces.len()
        && was.interfaces.iter().zip(&is.interfaces).all(|(a, b)| {
            (a.ipv4(), a.ipv6(), old.zone(a)) == (b.ipv4(), b.ipv6(), new.zone(b))
                && old.has_zonal_name(was, a) == new.has_zonal_name(is, b)
        })
}

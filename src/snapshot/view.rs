//! The names that the clients of one VPC see differently from the rest of the world.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::dns::DnsName;
use crate::model::{HostNames, HostedZone, Mode, Model, PrivateName, Rule, RuleAction, Vpc, applies_to, hash};
use crate::naming::{EndpointId, instance_zone, is_near_special, public_instance_zone, special_of};

/// What decides at and below a name.
#[derive(Clone, Debug)]
pub enum Authority {
    /// A FORWARD rule.
    Forward(Arc<Rule>),
    /// A SYSTEM rule, and what would decide without any rule.
    System(Option<Box<Authority>>),
    /// A private hosted zone.
    HostedZone(Arc<HostedZone>),
    /// The hidden zone of endpoints with private DNS.
    Private(PrivateZone),
    /// The instance names of the VPC's region, `ip-10-0-1-17.ec2.internal`.
    Instances,
    /// The public instance names of the VPC's region, of which those of its own interfaces are private.
    PublicInstances,
    /// A second name of this endpoint's service, which stays public.
    SecondName(EndpointId),
}

/// The hidden zone at a private name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateZone {
    /// Endpoints that claim the very name. One at a time can serve; the others are over or not begun.
    pub exact: Vec<EndpointId>,
    /// Endpoints that claim all names below.
    pub wildcard: Vec<EndpointId>,
}

/// A name and what decides there.
#[derive(Clone, Debug)]
pub struct ViewEntry {
    /// The name.
    pub name: DnsName,
    /// What decides.
    pub authority: Authority,
}

/// What the clients of a VPC, or of none, see differently.
#[derive(Debug)]
pub struct View {
    /// Whose clients; `None`: those in no VPC.
    pub vpc: Option<Arc<Vpc>>,
    entries: HashTable<ViewEntry>,
    /// Bit `n` is set if a name of `n` labels is in `entries`, so that no other length is looked up.
    depths: u128,
    /// Special names that have an entry below them.
    above: HashSet<DnsName>,
}

impl View {
    pub(super) fn new(model: &Model, vpc: Option<&Arc<Vpc>>) -> Self {
        let id = vpc.map(|vpc| vpc.vpc_id);
        let mut view = Self { vpc: vpc.cloned(), entries: HashTable::new(), depths: 0, above: HashSet::new() };
        // what is put in later lies over what was there: AWS lets a rule win over a private zone of the same name
        if let Some(vpc) = vpc.filter(|vpc| vpc.has_private_dns()) {
            view.put(instance_zone(&vpc.region), |_| Authority::Instances);
            if model.host_names(vpc.vpc_id).is_some_and(HostNames::has_public) {
                view.put(public_instance_zone(&vpc.region), |_| Authority::PublicInstances);
            }
        }
        let claims = id.map(|id| model.private_names(id)).unwrap_or_default();
        for claim in claims {
            view.note_second_names(model, claim);
        }
        for claim in claims {
            view.claim(claim);
        }
        // zones need both attributes too (Route 53 guide, "Considerations when working with a private hosted zone")
        if vpc.is_none_or(|vpc| vpc.has_private_dns()) {
            let mut seen: Vec<&Arc<HostedZone>> =
                model.hosted_zones().iter().filter(|zone| zone.is_seen_from(id)).collect();
            seen.sort_by_key(|zone| !zone.every_vpc);
            for zone in seen {
                view.put(zone.name.clone(), |_| Authority::HostedZone(zone.clone()));
            }
        }
        for rule in rules_of(model.rules(), id) {
            view.put(rule.domain_name.clone(), |below| match rule.action {
                RuleAction::Forward(_) => Authority::Forward(rule.clone()),
                RuleAction::System => Authority::System(below.map(Box::new)),
            });
        }
        let near = view.entries.iter().filter(|entry| is_near_special(entry.name.wire()));
        view.above = near.flat_map(|entry| special_parents(&entry.name)).collect();
        view
    }

    /// Notes the second names of an endpoint, once: when its first private name comes by.
    fn note_second_names(&mut self, model: &Model, claim: &PrivateName) {
        let Some(endpoint) = model.endpoint(claim.endpoint) else { return };
        let service = model.service(endpoint);
        if service.private_names.first() == Some(&claim.name) {
            for name in &service.second_names {
                self.put(name.clone(), |_| Authority::SecondName(endpoint.id));
            }
        }
    }

    fn claim(&mut self, claim: &PrivateName) {
        let wildcard = claim.name.is_wildcard();
        let apex = if wildcard { claim.name.parent().unwrap_or_else(DnsName::root) } else { claim.name.clone() };
        self.put(apex, |below| {
            let mut zone = match below {
                Some(Authority::Private(zone)) => zone,
                _ => PrivateZone::default(),
            };
            if wildcard {
                zone.wildcard.push(claim.endpoint);
            } else {
                zone.exact.push(claim.endpoint);
            }
            Authority::Private(zone)
        });
    }

    fn put(&mut self, name: DnsName, make: impl FnOnce(Option<Authority>) -> Authority) {
        self.depths |= 1 << name.label_count().min(127);
        let rehash = |entry: &ViewEntry| hash(entry.name.wire());
        let slot = self.entries.entry(hash(name.wire()), |entry| entry.name == name, rehash);
        match slot {
            hashbrown::hash_table::Entry::Occupied(mut slot) => {
                let entry = slot.get_mut();
                let below = std::mem::replace(&mut entry.authority, Authority::Instances);
                entry.authority = make(Some(below));
            }
            hashbrown::hash_table::Entry::Vacant(slot) => {
                slot.insert(ViewEntry { name, authority: make(None) });
            }
        }
    }

    /// Whether a name of so many labels can be in the view.
    pub fn has_depth(&self, labels: usize) -> bool {
        self.depths & (1 << labels.min(127)) != 0
    }

    /// What decides at exactly this lower-case wire name.
    pub fn entry(&self, wire: &[u8]) -> Option<&ViewEntry> {
        self.entries.find(hash(wire), |entry| entry.name.wire() == wire)
    }

    /// Whether a special name, as lower-case wire octets, has an entry below it.
    pub fn is_above_entry(&self, wire: &[u8]) -> bool {
        self.above.contains(wire)
    }

    /// All entries, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = &ViewEntry> {
        self.entries.iter()
    }

    /// All entries, sorted by name.
    pub fn entries(&self) -> Vec<&ViewEntry> {
        let mut all: Vec<&ViewEntry> = self.entries.iter().collect();
        all.sort_by_key(|entry| &entry.name);
        all
    }
}

/// The special names above a name.
fn special_parents(name: &DnsName) -> impl Iterator<Item = DnsName> {
    std::iter::successors(name.parent(), DnsName::parent).take_while(|parent| special_of(parent.wire()).is_some())
}

/// Rules that hold for a VPC, those for every VPC first, so that the more specific one of a name comes later.
fn rules_of(all: &[Arc<Rule>], vpc: Option<crate::naming::VpcId>) -> Vec<&Arc<Rule>> {
    let mut mine: Vec<&Arc<Rule>> = all.iter().filter(|rule| applies_to(&rule.vpc_ids, vpc)).collect();
    mine.sort_by_key(|rule| !rule.vpc_ids.is_empty());
    mine
}

impl PrivateZone {
    /// What the zone says of unknown names: as the first endpoint that serves there wants it.
    pub fn mode(&self, model: &Model) -> Mode {
        let served = |id: &&EndpointId| model.endpoint(**id).is_some_and(crate::model::Endpoint::is_served);
        let first = self.exact.iter().chain(&self.wildcard).find(served);
        first.and_then(|id| model.endpoint(*id)).map_or(Mode::Apex, crate::model::Endpoint::mode)
    }
}

//! The names that the clients of one VPC see differently from the rest of the world.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::dns::DnsName;
use crate::model::{Endpoint, HostNames, HostedZone, Mode, Model, PrivateName, Profile, Rule, RuleAction, Vpc, hash};
use crate::naming::{EndpointId, instance_zone, is_near_special, public_instance_zone, special_of};

/// What decides at and below a name.
#[derive(Clone, Debug)]
pub enum Authority {
    /// A FORWARD rule, and what would decide without any rule.
    Forward(Arc<Rule>, Option<Box<Authority>>),
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

impl Authority {
    /// What decides where no rule does; `None`: nothing.
    pub fn without_rules(&self) -> Option<&Self> {
        match self {
            Self::Forward(_, below) | Self::System(below) => below.as_deref(),
            other => Some(other),
        }
    }
}

/// The hidden zone at a private name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateZone {
    /// Endpoints that claim the very name. Of those of the VPC one at a time can serve; behind it come those of Profiles.
    pub exact: Claims,
    /// Endpoints that claim all names below: few names have any.
    wildcard: Option<Box<Claims>>,
}

/// Endpoints that claim a name, the one that wins first: nearly always one, which lies in the entry itself.
pub type Claims = SmallVec<[EndpointId; 1]>;

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
    /// The Profile that gives an entry, where it is not the VPC's own.
    given_by: HashMap<DnsName, Arc<Profile>>,
    /// DELEGATE rules.
    delegations: Vec<Arc<Rule>>,
}

impl View {
    pub(super) fn new(model: &Model, vpc: Option<&Arc<Vpc>>) -> Self {
        let id = vpc.map(|vpc| vpc.vpc_id);
        let profiles = id.map(|id| model.profiles_of(id)).unwrap_or_default();
        let mut view = Self {
            vpc: vpc.map(|vpc| with_settings(vpc, &profiles)),
            entries: HashTable::new(),
            depths: 0,
            above: HashSet::new(),
            given_by: HashMap::new(),
            delegations: Vec::new(),
        };
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
        // at one name the VPC's own wins, then the Profile with the lowest priority
        for profile in profiles.iter().rev() {
            view.share(model, profile);
        }
        // zones need both attributes too (Route 53 guide, "Considerations when working with a private hosted zone")
        let has_zones = vpc.is_none_or(|vpc| vpc.has_private_dns());
        let seen = model.hosted_zones().iter().filter(|zone| has_zones && zone.is_seen_from(id));
        let mut seen: Vec<&Arc<HostedZone>> = seen.collect();
        seen.sort_by_key(|zone| !zone.reach.every_vpc);
        // one whose records nobody knows may be an endpoint's own, or told by somebody else
        for zone in seen.iter().filter(|zone| !zone.is_told) {
            view.put(zone.name.clone(), |_| Authority::HostedZone((*zone).clone()));
        }
        for claim in claims {
            view.claim(claim);
        }
        for zone in seen.iter().filter(|zone| zone.is_told) {
            view.put(zone.name.clone(), |_| Authority::HostedZone((*zone).clone()));
        }
        for rule in rules_of(model.rules(), id) {
            view.rule(rule);
        }
        let near = view.entries.iter().filter(|entry| is_near_special(entry.name.wire()));
        view.above = near.flat_map(|entry| special_parents(&entry.name)).collect();
        view
    }

    /// Puts in what a Profile shares, over what is there.
    fn share(&mut self, model: &Model, profile: &Arc<Profile>) {
        let mut given: Vec<DnsName> = Vec::new();
        // the first one of a name comes first
        for endpoint in profile.endpoints.iter().rev().filter_map(|id| model.endpoint(*id)) {
            let claims = model.private_names(endpoint.vpc).iter().filter(|claim| claim.endpoint == endpoint.id);
            for claim in claims {
                self.claim(claim);
                given.push(claim.name.wildcard_apex().unwrap_or_else(|| claim.name.clone()));
            }
        }
        let has_private_dns = self.vpc.as_ref().is_some_and(|vpc| vpc.has_private_dns());
        let shared = |reach: &crate::model::Reach| reach.is_shared_by(profile);
        for zone in model.hosted_zones().iter().filter(|zone| has_private_dns && shared(&zone.reach)) {
            self.put(zone.name.clone(), |_| Authority::HostedZone(zone.clone()));
            given.push(zone.name.clone());
        }
        for rule in model.rules().iter().filter(|rule| shared(&rule.reach)) {
            self.rule(rule);
            // a DELEGATE rule decides at no name
            given.extend((rule.action != RuleAction::Delegate).then(|| rule.domain_name.clone()));
        }
        self.given_by.extend(given.into_iter().map(|name| (name, profile.clone())));
    }

    fn rule(&mut self, rule: &Arc<Rule>) {
        // of several rules at one name the last one decides, over what no rule does
        let without_rules = |below| match below {
            Some(Authority::Forward(_, below) | Authority::System(below)) => below,
            other => other.map(Box::new),
        };
        let name = rule.domain_name.clone();
        match rule.action {
            RuleAction::Forward(_) => self.put(name, |below| Authority::Forward(rule.clone(), without_rules(below))),
            RuleAction::System => self.put(name, |below| Authority::System(without_rules(below))),
            RuleAction::Delegate => self.delegations.push(rule.clone()),
        }
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
            // what is put in later wins
            if wildcard {
                zone.wildcard.get_or_insert_default().insert(0, claim.endpoint);
            } else {
                zone.exact.insert(0, claim.endpoint);
            }
            Authority::Private(zone)
        });
    }

    fn put(&mut self, name: DnsName, make: impl FnOnce(Option<Authority>) -> Authority) {
        self.given_by.remove(&name);
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

    /// The DELEGATE rule by which a delegation to this name server is followed.
    pub fn delegates_to(&self, server: &DnsName) -> Option<&Rule> {
        self.delegations.iter().find(|rule| server.is_at_or_below(&rule.domain_name)).map(|rule| &**rule)
    }

    /// Whether a name of so many labels can be in the view.
    pub fn has_depth(&self, labels: usize) -> bool {
        self.depths & (1 << labels.min(127)) != 0
    }

    /// What decides at exactly this lower-case wire name.
    pub fn entry(&self, wire: &[u8]) -> Option<&ViewEntry> {
        self.entries.find(hash(wire), |entry| entry.name.wire() == wire)
    }

    /// The Profile that gives an entry; `None`: the VPC has it itself.
    pub fn given_by(&self, entry: &ViewEntry) -> Option<&Profile> {
        self.given_by.get(&entry.name).map(|profile| &**profile)
    }

    /// Whether a special name, as lower-case wire octets, has an entry below it.
    pub fn is_above_entry(&self, wire: &[u8]) -> bool {
        self.above.contains(wire)
    }

    /// The DELEGATE rules that hold here.
    pub fn delegations(&self) -> &[Arc<Rule>] {
        &self.delegations
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

/// A VPC with the settings of its Profiles, which replace its own.
fn with_settings(vpc: &Arc<Vpc>, profiles: &[&Arc<Profile>]) -> Arc<Vpc> {
    let of_profiles = |said: fn(&Profile) -> Option<bool>| profiles.iter().find_map(|profile| said(profile));
    let autodefined_reverse = of_profiles(|it| it.autodefined_reverse).unwrap_or(vpc.autodefined_reverse);
    let dnssec_validation = of_profiles(|it| it.dnssec_validation).unwrap_or(vpc.dnssec_validation);
    if (autodefined_reverse, dnssec_validation) == (vpc.autodefined_reverse, vpc.dnssec_validation) {
        return vpc.clone();
    }
    Arc::new(Vpc { autodefined_reverse, dnssec_validation, ..(**vpc).clone() })
}

/// The special names above a name.
fn special_parents(name: &DnsName) -> impl Iterator<Item = DnsName> {
    std::iter::successors(name.parent(), DnsName::parent).take_while(|parent| special_of(parent.wire()).is_some())
}

/// Rules that hold for a VPC, those for every VPC first, so that the more specific one of a name comes later.
fn rules_of(all: &[Arc<Rule>], vpc: Option<crate::naming::VpcId>) -> Vec<&Arc<Rule>> {
    let mut mine: Vec<&Arc<Rule>> = all.iter().filter(|rule| rule.holds_for(vpc)).collect();
    mine.sort_by_key(|rule| !rule.is_everybodys());
    mine
}

impl PrivateZone {
    /// Endpoints that claim all names below.
    pub fn wildcard(&self) -> &[EndpointId] {
        self.wildcard.as_deref().map_or(&[], |claims| claims)
    }

    /// Endpoints that claim the very name, then those that claim all names below.
    pub fn claimants(&self) -> impl Iterator<Item = EndpointId> {
        self.exact.iter().chain(self.wildcard()).copied()
    }

    /// What the zone says of unknown names: as the first endpoint that serves there wants it.
    pub fn mode(&self, model: &Model) -> Mode {
        let mut endpoints = self.claimants().filter_map(|id| model.endpoint(id));
        endpoints.find(|endpoint| endpoint.is_served()).map_or(Mode::Apex, Endpoint::mode)
    }
}

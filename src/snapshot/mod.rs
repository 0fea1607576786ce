//! What each client sees: an immutable picture of the model, laid out for answering.
//!
//! Endpoint hostnames need no table: `answer` takes them apart and looks the endpoint up in the model. What is
//! laid out here is who is whose client (`clients.rs`) and, for each VPC, which names it sees differently from
//! the rest of the world (`view.rs`). The next snapshot shares everything that a change did not touch, and says
//! which names may have another owner now (`hands.rs`). Faults that an operator asks for are in `drill.rs`.

mod clients;
mod drill;
mod hands;
mod view;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;

use ipnet::IpNet;

pub use clients::{Access, ContestedBlock, ViewClass};
pub use drill::{ClientAddress, Drill, DrillFault, DrillSet, NameFault};
pub use view::{Authority, Claims, PrivateZone, View, ViewEntry};

use crate::dns::{DnsName, NameSet};
use crate::model::{Changes, ClientZone, Model, Upstream};
use crate::naming::{self, EndpointId, VpcId};
use clients::Clients;

/// What the operator decides about answering, apart from the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Networks whose clients are served although they are in no VPC; loopback is always among them.
    pub allow: Vec<IpNet>,
    /// The resolvers for everything that is not ours; empty: nothing is forwarded.
    pub upstreams: Arc<[Upstream]>,
    /// Whether replies of these resolvers are validated for every client, and not only for those of VPCs that want it.
    pub dnssec_validation: bool,
    /// Set AA in answers out of our own data. The VPC resolver does not.
    pub aa: bool,
    /// Special names that are asked upstream after all.
    pub forward_special: NameSet,
    /// Names for which nobody is asked where no private answer stands.
    pub private_only: NameSet,
    /// Whether replies of upstreams to public names may not hold private addresses.
    pub rebind_protection: bool,
    /// Public names that may have private addresses nevertheless.
    pub rebind_allow: NameSet,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            upstreams: Arc::from([]),
            dnssec_validation: false,
            aa: false,
            forward_special: NameSet::default(),
            private_only: NameSet::default(),
            rebind_protection: false,
            rebind_allow: NameSet::default(),
        }
    }
}

/// A client as a snapshot sees it.
#[derive(Clone, Copy, Debug)]
pub struct Client<'s> {
    /// How it came to its view, or why it has none.
    pub access: Access,
    /// What it sees.
    pub view: &'s View,
    /// The drills that are for it.
    pub drills: DrillSet,
    /// The block of its subnet, where answers depend on that: its place among [`Model::client_zones`], from 1.
    zone: Option<NonZeroU16>,
}

impl<'s> Client<'s> {
    /// The block of its subnet, where answers depend on its zone.
    pub fn zone(&self, snapshot: &'s Snapshot) -> Option<&'s ClientZone> {
        let vpc = self.view.vpc.as_ref()?;
        snapshot.model.client_zones(vpc.vpc_id).get(usize::from(self.zone?.get()) - 1)
    }
}

/// The picture.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts publications; 1 is the first.
    pub generation: u64,
    /// What there is.
    pub model: Model,
    /// What the operator decides.
    pub policy: Arc<Policy>,
    clients: Arc<Clients>,
    /// The view of clients in no VPC first, then one for each VPC in the order of their ids.
    views: Arc<[Arc<View>]>,
    /// Whether the resolvers of the policy can be those of a VPC, which know its instances.
    knows_instances: bool,
    /// Base names of services in use, their zones, and the names between (RFC 4592 2.2.2).
    public_names: Arc<HashSet<DnsName>>,
    /// The drills that run, the oldest first; nearly always `None`, so that answers look at one pointer.
    drills: Option<Arc<[Drill]>>,
    /// Whether some clients get other addresses, or in another order: by a drill or by their zone.
    chooses: bool,
}

impl Snapshot {
    /// The picture of a model, from nothing.
    pub fn compile(model: Model, policy: Policy, generation: u64) -> Self {
        let vpcs = model.vpcs();
        let mut views = vec![Arc::new(View::new(&model, None))];
        views.extend(vpcs.iter().map(|vpc| Arc::new(View::new(&model, Some(vpc)))));
        Self {
            generation,
            clients: Arc::new(Clients::new(&vpcs, model.inbound(), &policy.allow)),
            views: views.into(),
            public_names: Arc::new(public_names(&model)),
            knows_instances: are_private(&policy.upstreams),
            policy: Arc::new(policy),
            chooses: model.has_client_zones(),
            model,
            drills: None,
        }
    }

    /// The picture of the next model: only what `changes` names is laid out anew.
    #[must_use]
    pub fn next(&self, model: Model, changes: &Changes) -> Self {
        let generation = self.generation + 1;
        if changes.vpcs || changes.zones_or_rules {
            let drills = self.drills.clone();
            return Self::compile(model, (*self.policy).clone(), generation).while_running(drills);
        }
        let mut views = self.views.clone();
        if !changes.private_names.is_empty() || !changes.hosts.is_empty() {
            let shared = vpcs_sharing(&model, &changes.private_names);
            let is_touched =
                |id| changes.private_names.contains(id) || changes.hosts.contains(id) || shared.contains(id);
            // the VPC of the model: a view's own may have the settings of a Profile
            let rebuilt = views.iter().map(|view| match view.vpc.as_ref().and_then(|vpc| model.vpc(vpc.vpc_id)) {
                Some(vpc) if is_touched(&vpc.vpc_id) => Arc::new(View::new(&model, Some(vpc))),
                _ => view.clone(),
            });
            views = rebuilt.collect();
        }
        let public_names = if changes.services { Arc::new(public_names(&model)) } else { self.public_names.clone() };
        let (policy, clients, drills) = (self.policy.clone(), self.clients.clone(), self.drills.clone());
        let knows_instances = self.knows_instances;
        let chooses = false;
        let next =
            Self { generation, model, policy, clients, views, knows_instances, public_names, drills: None, chooses };
        next.while_running(drills)
    }

    /// The same picture while these drills run, and no others.
    fn while_running(self, drills: Option<Arc<[Drill]>>) -> Self {
        Self { chooses: drills.is_some() || self.model.has_client_zones(), drills, ..self }
    }

    /// The next picture, of the same model, while these drills run and no others.
    #[must_use]
    pub fn with_drills(&self, drills: &[Drill]) -> Self {
        let drills = (!drills.is_empty()).then(|| drills.into());
        Self { generation: self.generation + 1, ..self.clone() }.while_running(drills)
    }

    /// The same picture as it is without drills, which are for those who ask this server.
    #[must_use]
    pub fn without_drills(&self) -> Self {
        self.clone().while_running(None)
    }

    /// The drills that run, the oldest first.
    pub fn drills(&self) -> &[Drill] {
        self.drills.as_deref().unwrap_or_default()
    }

    /// Whether any drill runs.
    #[inline]
    pub fn has_drills(&self) -> bool {
        self.drills.is_some()
    }

    /// Whether some clients get some of an endpoint's addresses, or in another order.
    #[inline]
    pub fn chooses_addresses(&self) -> bool {
        self.chooses
    }

    /// Who a packet's sender is, by the address it asked and its own.
    #[inline]
    pub fn client(&self, local: SocketAddr, peer: IpAddr) -> Client<'_> {
        let (access, number) = self.clients.find(local, peer);
        self.client_with(access, number, ClientAddress::At(peer))
    }

    /// Who a packet's sender is that says itself that it is a client of `vpc`.
    ///
    /// It is believed if its address is in a block or in the `clients` of that VPC, on this machine or in the `allow` list. All others are
    /// unknown: whoever can reach the server must not read a VPC's private names by naming it.
    pub fn client_naming(&self, vpc: VpcId, peer: IpAddr) -> Client<'_> {
        let peer = peer.to_canonical();
        let number = self.views.binary_search_by_key(&Some(vpc), |view| view.vpc.as_ref().map(|vpc| vpc.vpc_id));
        let own = self.model.vpc(vpc).into_iter().flat_map(|vpc| vpc.cidr_blocks.iter().chain(&vpc.clients));
        let known = peer.is_loopback() || own.chain(&self.policy.allow).any(|net| net.contains(&peer));
        match number {
            Ok(number) if known => self.client_with(Access::Named, number, ClientAddress::At(peer)),
            _ => self.client_with(Access::Unknown, clients::OUTSIDE, ClientAddress::At(peer)),
        }
    }

    /// Whose client asks at `local` if all that is known of it is its network.
    pub fn client_in(&self, local: SocketAddr, network: IpNet) -> Client<'_> {
        let (access, number) = self.clients.find_in(local, network);
        self.client_with(access, number, ClientAddress::In(network))
    }

    /// A client of `vpc` whatever its address, as one that has the VPC's token; an unknown client where there is no such VPC.
    pub fn client_of(&self, vpc: VpcId) -> Client<'_> {
        self.client_of_at(vpc, ClientAddress::Unknown)
    }

    /// The same client, which is known to be at `address`.
    pub fn client_of_at(&self, vpc: VpcId, address: ClientAddress) -> Client<'_> {
        match self.views.binary_search_by_key(&Some(vpc), |view| view.vpc.as_ref().map(|vpc| vpc.vpc_id)) {
            Ok(number) => self.client_with(Access::Token, number, address),
            Err(_) => self.client_with(Access::Unknown, clients::OUTSIDE, address),
        }
    }

    /// A served client of no VPC, as one on this machine.
    pub fn client_of_none(&self) -> Client<'_> {
        self.client_with(Access::Loopback, clients::OUTSIDE, ClientAddress::Unknown)
    }

    #[inline]
    fn client_with(&self, access: Access, number: usize, address: ClientAddress) -> Client<'_> {
        let outside = self.views.first().unwrap_or_else(|| unreachable!("there is always a view of no VPC"));
        let view = self.views.get(number).unwrap_or(outside);
        let access = match &view.vpc {
            Some(vpc) if !vpc.enable_dns_support => Access::DnsSupportOff,
            _ => access,
        };
        let (drills, zone) = if self.chooses { self.choices(view, &address) } else { Default::default() };
        Client { access, view, drills, zone }
    }

    /// The drills that are for a client of this view there, and the zone that it prefers.
    #[cold]
    fn choices(&self, view: &View, address: &ClientAddress) -> (DrillSet, Option<NonZeroU16>) {
        let zones = view.vpc.as_ref().map(|vpc| self.model.client_zones(vpc.vpc_id)).unwrap_or_default();
        let place = zones.iter().position(|zone| address.is_within(&zone.block));
        let zone = place.and_then(|place| NonZeroU16::new(u16::try_from(place + 1).ok()?));
        (DrillSet::held(self.drills(), view, address), zone)
    }

    /// Whether what `upstreams` say is validated for this client: where the policy or its VPC wants it, and no rule names
    /// them, as the domains of rules are private, and have no chain from the root.
    pub fn validates(&self, client: &Client<'_>, upstreams: &Arc<[Upstream]>) -> bool {
        let of_vpc = || client.view.vpc.as_ref().is_some_and(|vpc| vpc.dnssec_validation);
        Arc::ptr_eq(upstreams, &self.policy.upstreams) && (self.policy.dnssec_validation || of_vpc())
    }

    /// Whether there are clients for whom replies are validated.
    pub fn validates_for_anybody(&self) -> bool {
        let of_vpc = |view: &Arc<View>| view.vpc.as_ref().is_some_and(|vpc| vpc.dnssec_validation);
        self.policy.dnssec_validation || self.views.iter().any(of_vpc)
    }

    /// Blocks whose clients nothing tells apart, so that they are of no VPC.
    pub fn contested(&self) -> &[ContestedBlock] {
        self.clients.contested()
    }

    /// Whether the resolvers of the policy can be those of a VPC (all have private addresses, or 169.254.169.253).
    pub fn knows_instances(&self) -> bool {
        self.knows_instances
    }

    /// VPCs that have fewer clients by their own blocks in `next`, with how many addresses fewer.
    pub fn lost_addresses(&self, next: &Self) -> Vec<(VpcId, u128)> {
        if Arc::ptr_eq(&self.clients, &next.clients) {
            return Vec::new();
        }
        let number = |of: &Self, id: VpcId| {
            of.views.binary_search_by_key(&Some(id), |view| view.vpc.as_ref().map(|vpc| vpc.vpc_id)).ok()
        };
        let mut lost = Vec::new();
        for vpc in self.model.vpcs() {
            let (Some(now), Some(was), Some(is)) =
                (next.model.vpc(vpc.vpc_id), number(self, vpc.vpc_id), number(next, vpc.vpc_id))
            else {
                continue;
            };
            let kept = vpc.cidr_blocks.iter().filter(|block| now.cidr_blocks.contains(block));
            let fewer = |block: &IpNet| self.clients.count(*block, was).saturating_sub(next.clients.count(*block, is));
            let sum = kept.map(fewer).fold(0u128, u128::saturating_add);
            if sum > 0 {
                lost.push((vpc.vpc_id, sum));
            }
        }
        lost
    }

    /// Every address at which a VPC, or an inbound endpoint of one, wants to be asked.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        let of_vpcs = self.model.vpcs();
        let of_vpcs = of_vpcs.iter().flat_map(|vpc| vpc.listeners.iter());
        of_vpcs.chain(self.model.inbound().iter().flat_map(|endpoint| &endpoint.listeners)).copied().collect()
    }

    /// Whether a lower-case name is one under which endpoints have theirs: a service's base name, its zone, or one between.
    pub fn is_public_name(&self, name: &DnsName) -> bool {
        self.public_names.contains(name)
    }
}

/// The VPCs that see private names of endpoints in these VPCs, by a Profile.
fn vpcs_sharing(model: &Model, vpcs: &HashSet<VpcId>) -> HashSet<VpcId> {
    let is_of = |id: &EndpointId| model.endpoint(*id).is_some_and(|endpoint| vpcs.contains(&endpoint.vpc));
    let profiles = model.profiles().iter().filter(|profile| profile.endpoints.iter().any(is_of));
    profiles.flat_map(|profile| profile.vpcs.iter().map(|(id, _)| *id)).collect()
}

/// Whether all of these resolvers are in a private network; false for none.
fn are_private(upstreams: &[Upstream]) -> bool {
    let is_private = |upstream: &Upstream| match upstream.address.ip().to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // 169.254.169.253 is the VPC's own resolver; 100.64.0.0/10 can be a VPC's block (VPC guide, "VPC CIDR blocks")
            v4.is_private() || v4.octets() == [169, 254, 169, 253] || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_unique_local(),
    };
    !upstreams.is_empty() && upstreams.iter().all(is_private)
}

fn public_names(model: &Model) -> HashSet<DnsName> {
    let mut names = HashSet::new();
    for service in model.services() {
        let mut name = Some(service.base.clone());
        while let Some(at) = name.filter(|at| at.is_at_or_below(&service.zone)) {
            name = at.parent();
            names.insert(at);
        }
    }
    names
}

/// The zone apex `<region>.vpce.<suffix>` that a name is at or below, as an offset into its wire form.
///
/// `None` for a name that is not below `vpce.` and a suffix of a partition.
pub(crate) fn public_zone(wire: &[u8], starts: &[u8]) -> Option<usize> {
    let at = starts
        .iter()
        .rposition(|&start| wire.get(usize::from(start)..).is_some_and(|rest| rest.starts_with(b"\x04vpce")))?;
    let suffix = wire.get(usize::from(*starts.get(at + 1)?)..)?;
    naming::is_endpoint_suffix(suffix).then_some(())?;
    Some(usize::from(*starts.get(at.saturating_sub(1))?))
}

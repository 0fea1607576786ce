//! Private hosted zones and resolver rules.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use hashbrown::HashTable;

use super::Mode;
use super::change::Key;
use super::input::{AliasInput, HostedZoneInput, RecordData, RuleAction};
use super::outbound::OutboundEndpoint;
use super::profile::Reach;
use crate::dns::{DnsName, Rtype};
use crate::naming::{EndpointId, VpcId, ZoneName, parse_label};
use crate::problem::At;

/// `ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400`: what private zones of Route 53
/// have (Route 53 guide, "The start of authority (SOA) record").
pub const ROUTE53_SOA: &[u8] = b"\x07ns-1536\x09awsdns-00\x02co\x02uk\x00\x11awsdns-hostmaster\x06amazon\x03com\x00\
    \x00\x00\x00\x01\x00\x00\x1c\x20\x00\x00\x03\x84\x00\x12\x75\x00\x00\x01\x51\x80";

/// The name servers of private zones: "reserved and never used by Route 53 public hosted zones" (Route 53 guide).
pub const ROUTE53_NS: [&[u8]; 4] = [
    b"\x07ns-1536\x09awsdns-00\x02co\x02uk\x00",
    b"\x04ns-0\x09awsdns-00\x03com\x00",
    b"\x07ns-1024\x09awsdns-00\x03org\x00",
    b"\x06ns-512\x09awsdns-00\x03net\x00",
];

/// Records of one owner and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrset {
    /// RR type.
    pub rtype: Rtype,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// Uncompressed record data, one entry a record.
    pub rdata: Vec<Box<[u8]>>,
    /// The name that the first record's data is or ends in, for CNAME, NS and the like; lower case.
    pub target: Option<DnsName>,
}

impl Rrset {
    fn new(rtype: Rtype, ttl: u32, rdata: &[At<Box<[u8]>>]) -> Self {
        let rdata: Vec<Box<[u8]>> = rdata.iter().map(|data| data.value.clone()).collect();
        let target = match rtype {
            Rtype::CNAME | Rtype::NS | Rtype::DNAME => rdata.first().and_then(|data| DnsName::from_wire(data)),
            _ => None,
        };
        Self { rtype, ttl, rdata, target }
    }
}

/// Where an alias leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The zone whose interface it has; `None`: all.
    pub zone: Option<ZoneName>,
    /// Whether it stays when the endpoint has gone.
    pub may_dangle: bool,
}

/// A name of a hosted zone. An empty one is an empty non-terminal (RFC 8499).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its record sets.
    pub rrsets: Vec<Rrset>,
    /// Record sets of which each answer has one, with the weight of each.
    pub weighted: Vec<(NonZeroU32, Rrset)>,
    /// The endpoint whose addresses it has.
    pub alias: Option<Alias>,
    /// The name whose addresses it has, which others are asked for.
    pub addresses_of: Option<DnsName>,
    /// Types of which it has records that nobody told us; ANY: all that it has, which may be nothing.
    pub elsewhere: Vec<Rtype>,
    /// What it has for clients in a subnet of a zone, in place of all of the above.
    pub in_zones: Vec<(ZoneName, Node)>,
}

impl Node {
    /// What it has for clients in this zone, if that is something else.
    pub fn for_clients_in(&self, zone: &ZoneName) -> Option<&Self> {
        self.in_zones.iter().find(|(known, _)| known == zone).map(|(_, node)| node)
    }

    fn for_clients_in_mut(&mut self, zone: &ZoneName) -> &mut Self {
        let at = self.in_zones.iter().position(|(known, _)| known == zone).unwrap_or_else(|| {
            self.in_zones.push((zone.clone(), Self::default()));
            self.in_zones.len() - 1
        });
        &mut self.in_zones[at].1
    }

    /// Whether a question of this type is about records that nobody told us.
    pub fn is_elsewhere(&self, asked: Rtype) -> bool {
        let concerns =
            |rtype: &Rtype| *rtype == asked || matches!(*rtype, Rtype::CNAME | Rtype::ANY) || asked == Rtype::ANY;
        self.elsewhere.iter().any(concerns)
    }

    /// The record set of this type for one answer: that of its name, or one of several by their weights.
    ///
    /// `turn` counts answers: of as many in a row as the weights' sum, each set is in as many as its weight (Route 53 guide,
    /// "Weighted routing": "the probability of any record being selected is proportional to its weight").
    pub fn choose(&self, rtype: Rtype, turn: u32) -> Option<&Rrset> {
        if self.weighted.is_empty() {
            return self.rrset(rtype);
        }
        let of_type = || self.weighted.iter().filter(|(_, rrset)| rrset.rtype == rtype);
        let sum: u64 = of_type().map(|(weight, _)| u64::from(weight.get())).sum();
        // consecutive turns do not take one set several times in a row: the multiplier has no factor in common with most sums
        let mut rest = (u64::from(turn).wrapping_mul(0x9e37_79b1)).checked_rem(sum);
        let chosen = of_type().find(|(weight, _)| match rest {
            Some(left) if left < u64::from(weight.get()) => true,
            left => {
                rest = left.map(|left| left - u64::from(weight.get()));
                false
            }
        });
        chosen.map(|(_, rrset)| rrset).or_else(|| self.rrset(rtype))
    }

    /// The record set of this type.
    pub fn rrset(&self, rtype: Rtype) -> Option<&Rrset> {
        self.rrsets.iter().find(|rrset| rrset.rtype == rtype)
    }
}

/// A private hosted zone.
#[derive(Debug)]
pub struct HostedZone {
    /// Its apex.
    pub name: DnsName,
    /// Who sees it.
    pub reach: Reach,
    /// Clients of no VPC that are served see it too.
    pub clients_of_no_vpc: bool,
    /// What happens to names that it does not have.
    pub mode: Mode,
    /// Its records are known. Where they are not, it has no name but the apex and its wildcard, which are elsewhere.
    pub is_told: bool,
    nodes: HashTable<(DnsName, Node)>,
    /// One of its names has a DNAME.
    pub has_dname: bool,
    /// One of its names has something else for clients in some zone.
    pub asks_for_zones: bool,
    /// The SOA record of its own, with the TTL of negative answers; `None`: that of Route 53.
    pub own_soa: Option<Rrset>,
}

impl PartialEq for HostedZone {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.reach, self.mode) == (&other.name, &other.reach, other.mode)
            && self.is_told == other.is_told
            && self.clients_of_no_vpc == other.clients_of_no_vpc
            && self.nodes.len() == other.nodes.len()
            && self.nodes.iter().all(|(name, node)| other.node(name.wire()) == Some(node))
    }
}

impl HostedZone {
    pub(super) fn new(input: &HostedZoneInput) -> Self {
        let mut zone = Self {
            name: input.name.value.clone(),
            reach: Reach::new(&input.vpc_ids, input.every_vpc, &input.profiles),
            clients_of_no_vpc: input.clients_of_no_vpc,
            mode: input.mode,
            is_told: input.is_told,
            nodes: HashTable::new(),
            own_soa: None,
            has_dname: false,
            asks_for_zones: input.records.iter().any(|record| record.clients_in.is_some()),
        };
        zone.node_mut(&input.name.value);
        if !zone.is_told {
            // whatever is asked of it, somebody else knows (RFC 4592 3.3.1: its wildcard covers all names below)
            let below = zone.name.prepend("*");
            for name in std::iter::once(input.name.value.clone()).chain(below.ok()) {
                zone.node_mut(&name).elsewhere.push(Rtype::ANY);
            }
        }
        let mut has_dname = false;
        for record in &input.records {
            let owner = &record.name.value;
            if *owner == zone.name && is_route53s(&record.data) {
                // what a zone has of itself, as Route 53 and `names --format zone` print it
                continue;
            }
            // every name between an owner and the apex exists, with or without records (RFC 4592 2.2.2)
            let mut between = owner.parent();
            while let Some(name) = between.filter(|name| name.is_at_or_below(&zone.name)) {
                zone.node_mut(&name);
                between = name.parent();
            }
            let mut node = zone.node_mut(owner);
            if let Some(clients_in) = &record.clients_in {
                node = node.for_clients_in_mut(clients_in);
            }
            match &record.data {
                RecordData::Alias(target) => {
                    let AliasInput { endpoint, name, may_dangle } = &target.value;
                    let zone = name.as_ref().and_then(zone_in);
                    node.alias = Some(Alias { endpoint: *endpoint, zone, may_dangle: *may_dangle });
                }
                RecordData::AddressesOf(name) => node.addresses_of = Some(name.clone()),
                RecordData::Weighted(rtype, sets) => {
                    node.weighted.extend(sets.iter().map(|set| (set.weight, Rrset::new(*rtype, set.ttl, &set.rdata))));
                }
                RecordData::Elsewhere(rtype) => node.elsewhere.push(*rtype),
                RecordData::Records { rdata, .. } if rdata.is_empty() => {}
                RecordData::Records { rtype, ttl, rdata } => {
                    has_dname |= *rtype == Rtype::DNAME;
                    node.rrsets.push(Rrset::new(*rtype, *ttl, rdata));
                }
            }
        }
        zone.has_dname = has_dname;
        let soa = zone.node(zone.name.wire()).and_then(|apex| apex.rrset(Rtype::SOA));
        zone.own_soa = soa.map(|soa| {
            // "the minimum of the MINIMUM field of the SOA record and the TTL of the SOA itself" (RFC 2308 3)
            let minimum =
                soa.rdata.first().and_then(|data| data.last_chunk()).map(|octets| u32::from_be_bytes(*octets));
            Rrset { ttl: soa.ttl.min(minimum.unwrap_or(soa.ttl)), ..soa.clone() }
        });
        zone
    }

    /// What it is known by.
    pub fn key(&self) -> Key {
        Key::of_zone(self.is_told, self.name.clone(), self.reach.clone())
    }

    /// Whether clients of this VPC, or of none, see it without any Profile.
    pub fn is_seen_from(&self, vpc: Option<VpcId>) -> bool {
        vpc.map_or(self.clients_of_no_vpc, |vpc| self.reach.every_vpc || self.reach.names(vpc))
    }

    fn node_mut(&mut self, name: &DnsName) -> &mut Node {
        let rehash = |(name, _): &(DnsName, Node)| hash(name.wire());
        let entry = self.nodes.entry(hash(name.wire()), |(known, _)| known == name, rehash);
        &mut entry.or_insert_with(|| (name.clone(), Node::default())).into_mut().1
    }

    /// The node of a lower-case wire name; `None` if the zone does not have the name.
    pub fn node(&self, wire: &[u8]) -> Option<&Node> {
        self.nodes.find(hash(wire), |(name, _)| name.wire() == wire).map(|(_, node)| node)
    }

    /// The zone's own copy of a lower-case wire name.
    pub fn name_of(&self, wire: &[u8]) -> Option<&DnsName> {
        self.nodes.find(hash(wire), |(name, _)| name.wire() == wire).map(|(name, _)| name)
    }

    /// All names of the zone with what they have, in no order that means anything.
    pub fn unsorted_nodes(&self) -> impl Iterator<Item = (&DnsName, &Node)> {
        self.nodes.iter().map(|(name, node)| (name, node))
    }

    /// All names of the zone with what they have, sorted by name.
    pub fn nodes(&self) -> Vec<(&DnsName, &Node)> {
        let mut all: Vec<_> = self.unsorted_nodes().collect();
        all.sort_by_key(|(name, _)| *name);
        all
    }
}

/// Whether these are the SOA or NS records that each private zone of Route 53 has.
fn is_route53s(data: &RecordData) -> bool {
    let RecordData::Records { rtype, rdata, .. } = data else { return false };
    let is_one_of = |all: &[&[u8]]| rdata.len() == all.len() && rdata.iter().all(|data| all.contains(&&*data.value));
    match *rtype {
        Rtype::SOA => is_one_of(&[ROUTE53_SOA]),
        Rtype::NS => is_one_of(&ROUTE53_NS),
        _ => false,
    }
}

/// The zone that a zonal name of an endpoint says.
fn zone_in(name: &DnsName) -> Option<ZoneName> {
    let zone = parse_label(name.labels().next()?)?.zone?;
    std::str::from_utf8(zone).ok()?.parse().ok()
}

/// What is in a table is the operator's, so nobody can choose names that collide in it: a fixed seed will do.
pub(crate) fn hash(wire: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one(wire)
}

/// A resolver rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name at and below which it holds; of a DELEGATE rule, its `delegation_record`.
    pub domain_name: DnsName,
    /// What to do there.
    pub action: RuleAction,
    /// For whom it holds; nobody named: every client.
    pub reach: Reach,
    /// The outbound resolver endpoint that it names, with its addresses, which the upstreams of `action` are asked from.
    pub outbound: Option<OutboundEndpoint>,
}

impl Rule {
    pub(super) fn new(input: &super::input::RuleInput, endpoints: &[OutboundEndpoint]) -> Self {
        let reach = Reach::new(&input.vpc_ids, false, &input.profiles);
        let outbound = input.endpoint.as_ref().map(|id| OutboundEndpoint::of_all(id, endpoints));
        let (domain_name, action) = (input.domain_name.value.clone(), input.action.clone());
        Self { domain_name, action, reach, outbound }.asking_from()
    }

    /// The same rule, where its endpoint has these addresses; `None`: it has them already, or names no endpoint.
    pub(super) fn moved(&self, endpoints: &[OutboundEndpoint]) -> Option<Self> {
        let was = self.outbound.as_ref()?;
        let now = OutboundEndpoint::of_all(&was.id, endpoints);
        (now != *was).then(|| Self { outbound: Some(now), ..self.clone() }.asking_from())
    }

    /// Has its upstreams asked from the addresses of its endpoint.
    fn asking_from(mut self) -> Self {
        if let (RuleAction::Forward(targets), Some(outbound)) = (&mut self.action, &self.outbound) {
            *targets = targets.iter().map(|target| target.asked_from(&outbound.addresses)).collect();
        }
        self
    }

    /// What it is known by.
    pub(super) fn key(&self) -> Key {
        Key::of_rule(&self.action, self.domain_name.clone(), self.reach.clone())
    }

    /// The addresses from which it asks: those of its outbound endpoint that are known.
    pub fn sources(&self) -> Option<&Arc<[IpAddr]>> {
        self.outbound.as_ref().map(|outbound| &outbound.addresses)
    }

    /// Whether it holds for every client.
    pub fn is_everybodys(&self) -> bool {
        self.reach.vpc_ids.is_empty() && self.reach.profiles.is_empty()
    }

    /// Whether it holds for clients of this VPC, or of none, without any Profile.
    pub fn holds_for(&self, vpc: Option<VpcId>) -> bool {
        self.is_everybodys() || vpc.is_some_and(|vpc| self.reach.names(vpc))
    }
}

/// Shared objects are compared by what they hold.
pub(super) fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

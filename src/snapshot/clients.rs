//! Whose client an address is: disjoint ranges, found by bisection.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::model::{Direction, InboundEndpoint, Vpc};
use crate::naming::VpcId;

/// How a client came to be served, or why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It asked an address that belongs to a VPC.
    Listener,
    /// It asked an inbound resolver endpoint of a VPC.
    Inbound,
    /// It asked an inbound resolver endpoint to which others delegate: nobody is asked for it.
    Delegation,
    /// Its address is in a network of a VPC's `clients`.
    Clients(IpNet),
    /// Its address is inside a VPC's block.
    Cidr(IpNet),
    /// Its address is inside blocks of several VPCs, and nothing tells which of them it is in: the number of the block
    /// among [`Snapshot::contested`](super::Snapshot::contested).
    Contested(u32),
    /// It is on this machine.
    Loopback,
    /// It is in a network of the `allow` list.
    Allowed(IpNet),
    /// It names a VPC itself, in the path of DoH, and its address may be one of that VPC's clients.
    Named,
    /// It is shown to be of a VPC whatever its address: by a token in the path of DoH.
    Token,
    /// It is in a VPC whose clients are not served.
    DnsSupportOff,
    /// Nobody knows it.
    Unknown,
}

/// What kind of view a client has: what metrics are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewClass {
    /// That of a VPC.
    Vpc,
    /// That of none, as nothing tells which of several VPCs it is in.
    Contested,
    /// That of none: this machine, and the `allow` list.
    Outside,
    /// None at all.
    Refused,
}

impl ViewClass {
    /// The words for all classes, in the order of the variants.
    pub const NAMES: [&'static str; 4] = ["vpc", "contested", "outside", "refused"];
}

impl Access {
    /// What kind of view the client has.
    pub fn class(self) -> ViewClass {
        match self {
            Self::Listener
            | Self::Inbound
            | Self::Delegation
            | Self::Clients(_)
            | Self::Cidr(_)
            | Self::Named
            | Self::Token => ViewClass::Vpc,
            Self::Contested(_) => ViewClass::Contested,
            Self::Loopback | Self::Allowed(_) => ViewClass::Outside,
            Self::DnsSupportOff | Self::Unknown => ViewClass::Refused,
        }
    }

    /// Whether the client gets answers.
    pub fn is_served(self) -> bool {
        !matches!(self, Self::DnsSupportOff | Self::Unknown)
    }
}

/// The view number of clients in no VPC.
pub(super) const OUTSIDE: usize = 0;

/// A block that several VPCs have and that nothing gives to one of them: its clients are of no VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContestedBlock {
    /// The block.
    pub block: IpNet,
    /// The VPCs that have it, sorted.
    pub vpc_ids: Vec<VpcId>,
}

/// What to do about it, for the log, readiness and `explain`.
impl fmt::Display for ContestedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.vpc_ids.iter().map(ToString::to_string).collect();
        write!(f, "{} is a block of {}", self.block, ids.join(" and of "))
    }
}

/// Who is whose client. VPC number `n` in the list that made it has view number `n + 1`.
#[derive(Debug)]
pub(super) struct Clients {
    listeners: HashMap<SocketAddr, ClientOf>,
    v4: Vec<Range<Ipv4Addr>>,
    v6: Vec<Range<Ipv6Addr>>,
    allow: Vec<IpNet>,
    contested: Vec<ContestedBlock>,
}

/// How a client is known, and the number of its view.
type ClientOf = (Access, usize);

/// Addresses up to and including `last`, down to the end of the range before.
#[derive(Debug)]
struct Range<A> {
    last: A,
    found: Option<ClientOf>,
}

impl Clients {
    pub(super) fn new(vpcs: &[&Arc<Vpc>], inbound: &[Arc<InboundEndpoint>], allow: &[IpNet]) -> Self {
        let numbered = || vpcs.iter().enumerate().map(|(at, vpc)| (at + 1, &***vpc));
        let listeners = numbered()
            .flat_map(|(view, vpc)| vpc.listeners.iter().map(move |listener| (*listener, (Access::Listener, view))));
        let at_endpoint = |endpoint: &InboundEndpoint| {
            let found = numbered().find(|(_, vpc)| vpc.vpc_id == endpoint.vpc);
            let access = match endpoint.direction {
                Direction::Inbound => Access::Inbound,
                Direction::Delegation => Access::Delegation,
            };
            let client = found.map(|(view, _)| (access, view));
            endpoint.listeners.iter().filter_map(|at| Some((*at, client?))).collect::<Vec<_>>()
        };
        let listeners = listeners.chain(inbound.iter().flat_map(|endpoint| at_endpoint(endpoint)));
        let mut named: Vec<(IpNet, ClientOf)> = numbered()
            .flat_map(|(view, vpc)| vpc.clients.iter().map(move |net| (*net, (Access::Clients(*net), view))))
            .collect();
        named.sort_by_key(|(net, _)| net.prefix_len());
        let (mut blocks, contested) = by_block(numbered());
        // a network of `clients` beats any block, also a longer one inside it
        let mut over = IpNet::aggregate(&named.iter().map(|(net, _)| *net).collect());
        over.sort_unstable();
        blocks.retain(|(block, _)| {
            let before = over.partition_point(|net| net.network() <= block.network());
            !before.checked_sub(1).and_then(|at| over.get(at)).is_some_and(|net| net.contains(block))
        });
        blocks.extend(named);
        blocks.sort_by_key(|(cidr, _)| cidr.prefix_len());
        let mut allow = allow.to_vec();
        allow.sort_by_key(|net| std::cmp::Reverse(net.prefix_len()));
        let of = |is_v4: bool| blocks.iter().filter(move |(net, _)| matches!(net, IpNet::V4(_)) == is_v4);
        Self {
            listeners: listeners.collect(),
            v4: flatten(of(true), u128::from(u32::MAX), |bits| Ipv4Addr::from_bits(bits as u32)),
            v6: flatten(of(false), u128::MAX, Ipv6Addr::from_bits),
            allow,
            contested,
        }
    }

    /// Blocks whose clients nothing tells apart.
    pub(super) fn contested(&self) -> &[ContestedBlock] {
        &self.contested
    }

    /// How a client is known, and the number of its view.
    ///
    /// In this order: the listener that it asked, a network of some VPC's `clients`, the longest block that has its
    /// address; at equal length the VPC that has `clients` or `listeners` to be known by.
    #[expect(clippy::inline_always, reason = "for each packet: a call hands 40 octets back")]
    #[inline(always)]
    pub(super) fn find(&self, local: SocketAddr, peer: IpAddr) -> ClientOf {
        if !self.listeners.is_empty()
            && let Some(found) = self.listeners.get(&local)
        {
            return *found;
        }
        let peer = peer.to_canonical();
        let found = match peer {
            IpAddr::V4(address) => range(&self.v4, address).and_then(|range| range.found),
            IpAddr::V6(address) => range(&self.v6, address).and_then(|range| range.found),
        };
        found.unwrap_or_else(|| self.find_outside(peer))
    }

    /// How a client of no VPC is known.
    fn find_outside(&self, peer: IpAddr) -> ClientOf {
        if peer.is_loopback() {
            return (Access::Loopback, OUTSIDE);
        }
        match self.allow.iter().find(|net| net.contains(&peer)) {
            Some(net) => (Access::Allowed(*net), OUTSIDE),
            None => (Access::Unknown, OUTSIDE),
        }
    }

    /// The same for a client of which only the network is known; unknown where that reaches beyond one owner's addresses.
    pub(super) fn find_in(&self, local: SocketAddr, network: IpNet) -> (Access, usize) {
        let (_, last) = bounds(network);
        let first = network.network();
        let end = match first {
            IpAddr::V4(first) => range(&self.v4, first).map(|range| u128::from(range.last.to_bits())),
            IpAddr::V6(first) => range(&self.v6, first).map(|range| range.last.to_bits()),
        };
        match self.find(local, first) {
            (
                access @ (Access::Loopback | Access::Unknown | Access::Listener | Access::Inbound | Access::Delegation),
                view,
            ) => (access, view),
            // `allow` lies beside the ranges
            (Access::Allowed(net), _) if !net.contains(&network) => (Access::Unknown, OUTSIDE),
            found if end.is_none_or(|end| end >= last) => found,
            _ => (Access::Unknown, OUTSIDE),
        }
    }

    /// How many addresses of `block` have their clients in the view `view`.
    pub(super) fn count(&self, block: IpNet, view: usize) -> u128 {
        match block {
            IpNet::V4(_) => count(&self.v4, block, view, |address| u128::from(address.to_bits())),
            IpNet::V6(_) => count(&self.v6, block, view, Ipv6Addr::to_bits),
        }
    }
}

/// The range that has `address`.
#[inline]
fn range<A: Ord + Copy>(ranges: &[Range<A>], address: A) -> Option<&Range<A>> {
    ranges.get(ranges.partition_point(|range| range.last < address))
}

/// How many addresses of `block` are in ranges of `view`.
fn count<A: Copy>(ranges: &[Range<A>], block: IpNet, view: usize, bits: impl Fn(A) -> u128) -> u128 {
    let (first, last) = bounds(block);
    let mut sum = 0u128;
    let mut at = first;
    let begin = ranges.partition_point(|range| bits(range.last) < first);
    for range in ranges.iter().skip(begin) {
        let end = bits(range.last).min(last);
        if range.found.is_some_and(|(_, of)| of == view) {
            sum = sum.saturating_add((end - at).saturating_add(1));
        }
        match end.checked_add(1).filter(|next| *next <= last) {
            Some(next) => at = next,
            None => break,
        }
    }
    sum
}

/// Each block once, with its owner: of several VPCs that have it, the one that has `clients` or `listeners`.
fn by_block<'v>(vpcs: impl Iterator<Item = (usize, &'v Vpc)>) -> (Vec<(IpNet, ClientOf)>, Vec<ContestedBlock>) {
    let mut claims: Vec<(IpNet, bool, VpcId, usize)> = Vec::new();
    for (view, vpc) in vpcs {
        let by_address_alone = vpc.listeners.is_empty() && vpc.clients.is_empty();
        claims.extend(vpc.cidr_blocks.iter().map(|cidr| (*cidr, by_address_alone, vpc.vpc_id, view)));
    }
    claims.sort_unstable();
    claims.dedup();
    let (mut blocks, mut contested) = (Vec::new(), Vec::new());
    for same in claims.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(block, rank, _, view)) = same.first() else { continue };
        let best = same.iter().filter(|claim| claim.1 == rank);
        let vpc_ids: Vec<VpcId> = best.map(|claim| claim.2).collect();
        if vpc_ids.len() == 1 {
            blocks.push((block, (Access::Cidr(block), view)));
        } else {
            blocks.push((block, (Access::Contested(contested.len() as u32), OUTSIDE)));
            contested.push(ContestedBlock { block, vpc_ids });
        }
    }
    (blocks, contested)
}

/// First and last address of a block.
fn bounds(net: IpNet) -> (u128, u128) {
    match net {
        IpNet::V4(net) => (u128::from(net.network().to_bits()), u128::from(net.broadcast().to_bits())),
        IpNet::V6(net) => (net.network().to_bits(), net.broadcast().to_bits()),
    }
}

/// Turns blocks, of which later ones lie over earlier ones, into disjoint ranges that cover everything; into none where
/// there are no blocks.
fn flatten<'b, A>(
    blocks: impl Iterator<Item = &'b (IpNet, ClientOf)>,
    max: u128,
    address: impl Fn(u128) -> A,
) -> Vec<Range<A>> {
    let blocks: Vec<(u128, u128, ClientOf)> = blocks
        .map(|(net, found)| {
            let (first, last) = bounds(*net);
            (first, last, *found)
        })
        .collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let mut starts: Vec<u128> =
        blocks.iter().flat_map(|(first, last, _)| [Some(*first), last.checked_add(1)]).flatten().collect();
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|start| *start <= max);
    // blocks nest or are apart, so those open at an address are a stack: sorted by start, then the longest first
    let mut sorted: Vec<(usize, &(u128, u128, ClientOf))> = blocks.iter().enumerate().collect();
    sorted.sort_by_key(|(order, (first, last, _))| (*first, std::cmp::Reverse(*last), *order));
    let mut sorted = sorted.into_iter().peekable();
    let mut open: Vec<&(u128, u128, ClientOf)> = Vec::new();
    let mut ranges: Vec<Range<A>> = Vec::with_capacity(starts.len());
    for (at, start) in starts.iter().enumerate() {
        open.retain(|(_, last, _)| last >= start);
        while let Some((_, block)) = sorted.next_if(|(_, (first, ..))| first == start) {
            open.push(block);
        }
        let last = starts.get(at + 1).map_or(max, |next| next - 1);
        ranges.push(Range { last: address(last), found: open.last().map(|(.., found)| *found) });
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpc(id: &str, cidrs: &[&str], listeners: &[&str]) -> Arc<Vpc> {
        Arc::new(Vpc {
            vpc_id: id.parse().unwrap(),
            owner: None,
            region: "us-east-1".parse().unwrap(),
            cidr_blocks: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
            enable_dns_support: true,
            enable_dns_hostnames: true,
            listeners: listeners.iter().map(|listener| listener.parse().unwrap()).collect(),
            clients: Vec::new(),
            autodefined_reverse: true,
            dnssec_validation: false,
            zone_affinity: None,
        })
    }

    fn with_clients(vpc: Arc<Vpc>, clients: &[&str]) -> Arc<Vpc> {
        let clients = clients.iter().map(|net| net.parse().unwrap()).collect();
        Arc::new(Vpc { clients, ..Arc::unwrap_or_clone(vpc) })
    }

    /// The order of the ways to be known: listener, `clients`, the longest block, and what breaks ties.
    #[test]
    fn overlapping_blocks_have_one_owner_or_none() {
        let vpcs = [
            vpc("vpc-00000001", &["172.31.0.0/16"], &[]),
            vpc("vpc-00000002", &["172.31.0.0/16", "10.2.0.0/16"], &[]),
            with_clients(vpc("vpc-00000003", &["10.2.0.0/16"], &[]), &["10.9.0.0/16", "172.31.7.0/24"]),
            vpc("vpc-00000004", &["10.9.1.0/24", "172.31.128.0/17"], &[]),
        ];
        let vpcs: Vec<&Arc<Vpc>> = vpcs.iter().collect();
        let clients = Clients::new(&vpcs, &[], &[]);
        let find = |peer: &str| clients.find("127.0.0.1:53".parse().unwrap(), peer.parse().unwrap());
        for (peer, view, what) in [
            ("172.31.1.1", 0, "two VPCs have the block and nothing tells them apart"),
            ("172.31.200.1", 4, "a longer block"),
            ("172.31.7.1", 3, "a network of clients"),
            ("10.2.1.1", 3, "one of two VPCs has clients to be known by"),
            ("10.9.1.1", 3, "a network of clients beats a longer block"),
            ("10.9.2.1", 3, "a network of clients"),
        ] {
            assert_eq!(find(peer).1, view, "{peer}: {what}");
        }
        assert_eq!(find("172.31.1.1").0, Access::Contested(0));
        let [contested] = clients.contested() else { panic!("one block is contested") };
        assert_eq!(contested.to_string(), "172.31.0.0/16 is a block of vpc-00000001 and of vpc-00000002");
        let count = |block: &str, view| clients.count(block.parse().unwrap(), view);
        assert_eq!(count("172.31.0.0/16", 1), 0);
        assert_eq!(count("172.31.0.0/16", 3), 256);
        assert_eq!(count("172.31.0.0/16", 4), 32_768);
        assert_eq!(count("10.9.1.0/24", 4), 0);
        assert_eq!((count("10.2.0.0/16", 3), count("10.2.0.0/16", 2)), (65_536, 0));
        assert_eq!(count("fd00::/8", 1), 0);
    }

    /// Networks of `clients` that touch, nest and lie inside of blocks, against a look at each of them in turn.
    #[test]
    fn networks_of_clients_lie_over_blocks() {
        let named = ["10.9.0.0/28", "10.9.0.0/25", "10.9.0.128/25", "10.9.2.64/26", "0.0.0.0/8", "255.255.255.255/32"];
        let blocks = ["10.9.0.0/24", "10.9.0.0/16", "10.9.2.64/27", "10.9.2.0/24", "0.0.0.0/7", "255.0.0.0/8"];
        let mut vpcs: Vec<Arc<Vpc>> = Vec::new();
        for (at, net) in named.iter().enumerate() {
            vpcs.push(with_clients(vpc(&format!("vpc-0000000{at}"), &[], &[]), &[net]));
        }
        for (at, net) in blocks.iter().enumerate() {
            vpcs.push(vpc(&format!("vpc-0000001{at}"), &[net], &[]));
        }
        let vpcs: Vec<&Arc<Vpc>> = vpcs.iter().collect();
        let clients = Clients::new(&vpcs, &[], &[]);
        let longest = |nets: &[&str], peer: IpAddr| {
            let nets = nets.iter().map(|net| net.parse::<IpNet>().unwrap()).enumerate();
            nets.filter(|(_, net)| net.contains(&peer)).max_by_key(|(_, net)| net.prefix_len()).map(|(at, _)| at + 1)
        };
        for peer in [
            "10.9.0.1",
            "10.9.0.16",
            "10.9.0.127",
            "10.9.0.128",
            "10.9.0.255",
            "10.9.1.0",
            "10.9.2.63",
            "10.9.2.64",
            "10.9.2.95",
            "10.9.2.96",
            "10.9.2.127",
            "10.9.2.128",
            "0.0.0.0",
            "0.255.255.255",
            "1.0.0.0",
            "2.0.0.0",
            "255.255.255.255",
            "255.255.255.254",
            "254.255.255.255",
            "10.10.0.0",
        ] {
            let peer: IpAddr = peer.parse().unwrap();
            let expected = longest(&named, peer).or_else(|| longest(&blocks, peer).map(|at| at + named.len()));
            let (_, view) = clients.find("127.0.0.1:53".parse().unwrap(), peer);
            assert_eq!(view, expected.unwrap_or(OUTSIDE), "{peer}");
        }
        let sum: u128 = (0..=vpcs.len()).map(|view| clients.count("10.9.0.0/16".parse().unwrap(), view)).sum();
        assert_eq!(sum, 65_536, "each address is of one view");
    }

    #[test]
    fn a_network_belongs_to_a_vpc_if_all_of_it_does() {
        let vpcs = [
            vpc("vpc-00000001", &["10.0.0.0/16"], &[]),
            vpc("vpc-00000002", &["10.0.5.0/24"], &[]),
            with_clients(vpc("vpc-00000003", &["10.3.0.0/16"], &[]), &["10.0.7.0/25"]),
        ];
        let vpcs: Vec<&Arc<Vpc>> = vpcs.iter().collect();
        let clients = Clients::new(&vpcs, &[], &["192.0.2.0/24".parse().unwrap()]);
        let find = |network: &str| clients.find_in("127.0.0.1:53".parse().unwrap(), network.parse().unwrap());
        for (network, view) in [
            ("10.0.1.5/32", 1),
            ("10.0.1.0/24", 1),
            ("10.0.4.0/24", 1),
            ("10.0.4.0/23", 0),
            ("10.0.5.0/24", 2),
            ("10.0.5.7/32", 2),
            ("10.0.0.0/16", 0),
            ("10.0.7.0/25", 3),
            ("10.0.7.0/24", 0),
            ("10.0.6.0/24", 1),
            ("0.0.0.0/0", 0),
        ] {
            assert_eq!(find(network).1, view, "{network}");
        }
        assert!(matches!(find("192.0.2.128/25").0, Access::Allowed(_)));
        assert_eq!(find("192.0.0.0/16").0, Access::Unknown);
    }

    #[test]
    fn clients_are_found_by_listener_block_and_list() {
        let vpcs = [
            vpc("vpc-00000001", &["10.0.0.0/16", "fd00:1::/64"], &[]),
            vpc("vpc-00000002", &["10.1.0.0/16", "10.0.5.0/24"], &["10.1.0.2:53"]),
            vpc("vpc-00000003", &["255.255.255.0/24", "0.0.0.0/24"], &[]),
            vpc("vpc-00000004", &["10.0.0.0/16"], &["10.4.0.2:53"]),
        ];
        let vpcs: Vec<&Arc<Vpc>> = vpcs.iter().collect();
        let clients = Clients::new(&vpcs, &[], &["192.0.2.0/24".parse().unwrap()]);
        let find = |local: &str, peer: &str| clients.find(local.parse().unwrap(), peer.parse().unwrap());
        let any = "127.0.0.1:53";
        assert_eq!(find(any, "10.0.0.1").1, 4, "of two alike, the one that has a listener to be known by");
        assert_eq!(find(any, "10.0.5.1").1, 2, "the longer block");
        assert_eq!(find(any, "10.0.6.0").1, 4);
        assert_eq!(find(any, "10.0.255.255").1, 4);
        assert_eq!(find(any, "10.1.0.0").1, 2);
        assert_eq!(find(any, "10.2.0.0"), (Access::Unknown, 0));
        assert_eq!(find("10.4.0.2:53", "10.0.0.1"), (Access::Listener, 4));
        assert_eq!(find("10.1.0.2:53", "198.51.100.7"), (Access::Listener, 2));
        assert_eq!(find(any, "255.255.255.255").1, 3);
        assert_eq!(find(any, "0.0.0.0").1, 3);
        assert_eq!(find(any, "fd00:1::7").1, 1);
        assert_eq!(find(any, "fd00:2::7"), (Access::Unknown, 0));
        assert_eq!(find(any, "::ffff:10.0.0.1").1, 4);
        assert_eq!(find(any, "127.0.0.9"), (Access::Loopback, 0));
        assert_eq!(find(any, "::1"), (Access::Loopback, 0));
        assert_eq!(find(any, "192.0.2.9"), (Access::Allowed("192.0.2.0/24".parse().unwrap()), 0));
    }
}

//! Whose client an address is: disjoint ranges, found by bisection.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::model::Vpc;

/// How a client came to be served, or why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It asked an address that belongs to a VPC.
    Listener,
    /// Its address is inside a VPC's block.
    Cidr(IpNet),
    /// It is on this machine.
    Loopback,
    /// It is in a network of the `allow` list.
    Allowed(IpNet),
    /// It names a VPC itself, and may.
    Named,
    /// It is in a VPC whose clients are not served.
    DnsSupportOff,
    /// Nobody knows it.
    Unknown,
}

impl Access {
    /// Whether the client gets answers.
    pub fn is_served(self) -> bool {
        !matches!(self, Self::DnsSupportOff | Self::Unknown)
    }
}

/// The view number of clients in no VPC.
pub(super) const OUTSIDE: usize = 0;

/// Who is whose client. VPC number `n` in the list that made it has view number `n + 1`.
#[derive(Debug)]
pub(super) struct Clients {
    listeners: HashMap<SocketAddr, usize>,
    v4: Vec<Range<Ipv4Addr>>,
    v6: Vec<Range<Ipv6Addr>>,
    allow: Vec<IpNet>,
}

/// Addresses up to and including `last`, down to the end of the range before.
#[derive(Debug)]
struct Range<A> {
    last: A,
    owner: Option<(IpNet, usize)>,
}

impl Clients {
    pub(super) fn new(vpcs: &[&Arc<Vpc>], allow: &[IpNet]) -> Self {
        let mut blocks: Vec<(IpNet, bool, usize)> = Vec::new();
        let mut listeners = HashMap::new();
        for (at, vpc) in vpcs.iter().enumerate() {
            listeners.extend(vpc.listeners.iter().map(|listener| (*listener, at + 1)));
            blocks.extend(vpc.cidr_blocks.iter().map(|cidr| (*cidr, vpc.listeners.is_empty(), at + 1)));
        }
        // where blocks overlap, the longer one has its clients; of two alike, the one whose VPC has no listener to be known by
        blocks.sort_by_key(|(cidr, by_address, _)| (cidr.prefix_len(), *by_address));
        let mut allow = allow.to_vec();
        allow.sort_by_key(|net| std::cmp::Reverse(net.prefix_len()));
        let v4 = blocks.iter().filter_map(|(cidr, _, view)| match cidr {
            IpNet::V4(net) => {
                Some((u128::from(net.network().to_bits()), u128::from(net.broadcast().to_bits()), (*cidr, *view)))
            }
            IpNet::V6(_) => None,
        });
        let v6 = blocks.iter().filter_map(|(cidr, _, view)| match cidr {
            IpNet::V6(net) => Some((net.network().to_bits(), net.broadcast().to_bits(), (*cidr, *view))),
            IpNet::V4(_) => None,
        });
        Self {
            listeners,
            v4: flatten(v4, u128::from(u32::MAX), |bits| Ipv4Addr::from_bits(bits as u32)),
            v6: flatten(v6, u128::MAX, Ipv6Addr::from_bits),
            allow,
        }
    }

    /// How a client is known, and the number of its view.
    pub(super) fn find(&self, local: SocketAddr, peer: IpAddr) -> (Access, usize) {
        if !self.listeners.is_empty()
            && let Some(view) = self.listeners.get(&local)
        {
            return (Access::Listener, *view);
        }
        let peer = peer.to_canonical();
        let owner = match peer {
            IpAddr::V4(peer) => {
                self.v4.get(self.v4.partition_point(|range| range.last < peer)).and_then(|range| range.owner)
            }
            IpAddr::V6(peer) => {
                self.v6.get(self.v6.partition_point(|range| range.last < peer)).and_then(|range| range.owner)
            }
        };
        if let Some((cidr, view)) = owner {
            return (Access::Cidr(cidr), view);
        }
        if peer.is_loopback() {
            return (Access::Loopback, OUTSIDE);
        }
        match self.allow.iter().find(|net| net.contains(&peer)) {
            Some(net) => (Access::Allowed(*net), OUTSIDE),
            None => (Access::Unknown, OUTSIDE),
        }
    }
}

/// First and last address, and whose they are.
type Block = (u128, u128, (IpNet, usize));

/// Turns blocks, of which later ones lie over earlier ones, into disjoint ranges that cover everything.
fn flatten<A>(blocks: impl Iterator<Item = Block>, max: u128, address: impl Fn(u128) -> A) -> Vec<Range<A>> {
    let blocks: Vec<_> = blocks.collect();
    let mut starts: Vec<u128> =
        blocks.iter().flat_map(|(first, last, _)| [Some(*first), last.checked_add(1)]).flatten().collect();
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|start| *start <= max);
    // blocks nest or are apart, so those open at an address are a stack: sorted by start, then the longest first
    let mut sorted: Vec<(usize, &Block)> = blocks.iter().enumerate().collect();
    sorted.sort_by_key(|(order, (first, last, _))| (*first, std::cmp::Reverse(*last), *order));
    let mut sorted = sorted.into_iter().peekable();
    let mut open: Vec<&Block> = Vec::new();
    let mut ranges: Vec<Range<A>> = Vec::with_capacity(starts.len());
    for (at, start) in starts.iter().enumerate() {
        open.retain(|(_, last, _)| last >= start);
        while let Some((_, block)) = sorted.next_if(|(_, (first, ..))| first == start) {
            open.push(block);
        }
        let last = starts.get(at + 1).map_or(max, |next| next - 1);
        ranges.push(Range { last: address(last), owner: open.last().map(|(.., owner)| *owner) });
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpc(id: &str, cidrs: &[&str], listeners: &[&str]) -> Arc<Vpc> {
        Arc::new(Vpc {
            vpc_id: id.parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            cidr_blocks: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
            enable_dns_support: true,
            enable_dns_hostnames: true,
            listeners: listeners.iter().map(|listener| listener.parse().unwrap()).collect(),
        })
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
        let clients = Clients::new(&vpcs, &["192.0.2.0/24".parse().unwrap()]);
        let find = |local: &str, peer: &str| clients.find(local.parse().unwrap(), peer.parse().unwrap());
        let any = "127.0.0.1:53";
        assert_eq!(find(any, "10.0.0.1").1, 1);
        assert_eq!(find(any, "10.0.5.1").1, 2, "the longer block");
        assert_eq!(find(any, "10.0.6.0").1, 1);
        assert_eq!(find(any, "10.0.255.255").1, 1);
        assert_eq!(find(any, "10.1.0.0").1, 2);
        assert_eq!(find(any, "10.2.0.0"), (Access::Unknown, 0));
        assert_eq!(find("10.4.0.2:53", "10.0.0.1"), (Access::Listener, 4));
        assert_eq!(find("10.1.0.2:53", "198.51.100.7"), (Access::Listener, 2));
        assert_eq!(find(any, "255.255.255.255").1, 3);
        assert_eq!(find(any, "0.0.0.0").1, 3);
        assert_eq!(find(any, "fd00:1::7").1, 1);
        assert_eq!(find(any, "fd00:2::7"), (Access::Unknown, 0));
        assert_eq!(find(any, "::ffff:10.0.0.1").1, 1);
        assert_eq!(find(any, "127.0.0.9"), (Access::Loopback, 0));
        assert_eq!(find(any, "::1"), (Access::Loopback, 0));
        assert_eq!(find(any, "192.0.2.9"), (Access::Allowed("192.0.2.0/24".parse().unwrap()), 0));
    }
}

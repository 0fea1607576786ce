//! What can be used once: an IPv4 address in a VPC, and the id of an interface.
//!
//! There are several of each for every endpoint, and nearly nobody asks for them: they take as few octets as they can.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::shards::{SHARDS, changed, mix, shard_of};
use crate::naming::{InterfaceId, VpcId};

/// IPv4 addresses in use: those of one VPC in one /24 are an octet each, behind a head for all of them.
#[derive(Clone)]
pub(super) struct Ipv4InUse(Arc<[Arc<AddressShard>]>);

/// Addresses whose VPC and /24 hash alike, sorted.
#[derive(Default)]
struct AddressShard {
    heads: Box<[AddressHead]>,
    last_octets: Box<[u8]>,
}

/// What the addresses before number `end` (of four octets, so that a head has no padding) have in common, from where the
/// head before it ends.
struct AddressHead {
    vpc: VpcId,
    network: [u8; 3],
    end: [u8; 4],
}

impl Default for Ipv4InUse {
    fn default() -> Self {
        let empty = Arc::<AddressShard>::default();
        Self((0..SHARDS).map(|_| Arc::clone(&empty)).collect())
    }
}

impl Ipv4InUse {
    /// Whether the address is in use in the VPC.
    pub(super) fn contains(&self, vpc: VpcId, address: Ipv4Addr) -> bool {
        self.0.get(shard_of_address(vpc, address)).is_some_and(|shard| shard.contains(vpc, address))
    }

    /// Takes out `removed`, puts in `added`; returns what was put in twice.
    pub(super) fn apply(
        &mut self,
        removed: impl Iterator<Item = (VpcId, Ipv4Addr)>,
        added: impl Iterator<Item = (VpcId, Ipv4Addr)>,
    ) -> Vec<(VpcId, Ipv4Addr)> {
        let shard_of = |(vpc, address): &(VpcId, Ipv4Addr)| shard_of_address(*vpc, *address);
        changed(
            &mut self.0,
            removed,
            added,
            shard_of,
            |shard| shard.iter().collect(),
            |addresses| Arc::new(AddressShard::new(addresses)),
        )
    }
}

impl AddressShard {
    /// `addresses` are sorted.
    fn new(addresses: &[(VpcId, Ipv4Addr)]) -> Self {
        let mut heads: Vec<AddressHead> = Vec::new();
        let mut last_octets = Vec::with_capacity(addresses.len());
        for (vpc, address) in addresses {
            let [a, b, c, last] = address.octets();
            last_octets.push(last);
            let end = (last_octets.len() as u32).to_be_bytes();
            match heads.last_mut() {
                Some(head) if head.vpc == *vpc && head.network == [a, b, c] => head.end = end,
                _ => heads.push(AddressHead { vpc: *vpc, network: [a, b, c], end }),
            }
        }
        Self { heads: heads.into(), last_octets: last_octets.into() }
    }

    /// The octets of head number `at`.
    fn of(&self, at: usize) -> &[u8] {
        let end = |head: &AddressHead| u32::from_be_bytes(head.end) as usize;
        let begin = at.checked_sub(1).and_then(|before| self.heads.get(before)).map_or(0, end);
        self.last_octets.get(begin..self.heads.get(at).map_or(begin, end)).unwrap_or_default()
    }

    fn contains(&self, vpc: VpcId, address: Ipv4Addr) -> bool {
        let [a, b, c, last] = address.octets();
        let head = self.heads.binary_search_by_key(&(vpc, [a, b, c]), |head| (head.vpc, head.network));
        head.is_ok_and(|at| self.of(at).binary_search(&last).is_ok())
    }

    fn iter(&self) -> impl Iterator<Item = (VpcId, Ipv4Addr)> {
        self.heads.iter().enumerate().flat_map(|(at, head)| {
            let [a, b, c] = head.network;
            self.of(at).iter().map(move |last| (head.vpc, Ipv4Addr::new(a, b, c, *last)))
        })
    }
}

/// Addresses of one VPC and /24 are in one shard.
fn shard_of_address(vpc: VpcId, address: Ipv4Addr) -> usize {
    shard_of(mix(vpc.low_bits().rotate_left(32) ^ u64::from(address.to_bits() >> 8)))
}

/// Ids of interfaces in use, four octets each: two ids that agree in these, and in those that make the shard, are one in
/// 2^44, and whoever is told of one looks at the ids themselves.
#[derive(Clone)]
pub(super) struct InterfacesInUse(Arc<[Arc<[u32]>]>);

impl Default for InterfacesInUse {
    fn default() -> Self {
        let empty: Arc<[u32]> = Arc::from(Vec::new());
        Self((0..SHARDS).map(|_| Arc::clone(&empty)).collect())
    }
}

impl InterfacesInUse {
    /// Takes out `removed`, puts in `added`; returns those put in that may be in use already.
    pub(super) fn apply(
        &mut self,
        removed: impl Iterator<Item = InterfaceId>,
        added: impl Iterator<Item = InterfaceId>,
    ) -> Vec<InterfaceId> {
        let place = |id: InterfaceId| (shard_of(mix(id.low_bits())), (mix(id.low_bits()) >> 32) as u32);
        let gone = removed.map(|id| (place(id), None));
        let mut changes: Vec<((usize, u32), Option<InterfaceId>)> =
            gone.chain(added.map(|id| (place(id), Some(id)))).collect();
        // a removal sorts before an addition of the same value
        changes.sort_unstable();
        let mut suspects = Vec::new();
        let mut shards: Option<Vec<Arc<[u32]>>> = None;
        for of_shard in changes.chunk_by(|a, b| a.0.0 == b.0.0) {
            let Some(number) = of_shard.first().map(|change| change.0.0) else { continue };
            let Some(shard) = shards.get_or_insert_with(|| self.0.to_vec()).get_mut(number) else { continue };
            let mut values = shard.to_vec();
            for ((_, value), added) in of_shard {
                let at = values.binary_search(value);
                match (added, at) {
                    (None, Ok(at)) => drop(values.remove(at)),
                    (None, Err(_)) => {}
                    (Some(id), at) => {
                        suspects.extend(at.is_ok().then_some(*id));
                        values.insert(at.unwrap_or_else(|at| at), *value);
                    }
                }
            }
            *shard = values.into();
        }
        if let Some(shards) = shards {
            self.0 = shards.into();
        }
        suspects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpc(number: u64) -> VpcId {
        VpcId::of_bits(number)
    }

    #[test]
    fn addresses_are_a_set_by_vpc() {
        let all = || {
            (0..40u32)
                .flat_map(|of| (0..600u32).map(move |n| (vpc(of.into()), Ipv4Addr::from_bits((10 << 24) + 7 * n))))
        };
        let mut set = Ipv4InUse::default();
        assert_eq!(set.apply([].into_iter(), all()), []);
        assert!(all().all(|(vpc, address)| set.contains(vpc, address)));
        assert!(
            !set.contains(vpc(40), Ipv4Addr::new(10, 0, 0, 0)) && !set.contains(vpc(0), Ipv4Addr::new(10, 0, 0, 1))
        );
        let mut listed: Vec<_> = set.0.iter().flat_map(|shard| shard.iter().collect::<Vec<_>>()).collect();
        listed.sort_unstable();
        assert_eq!(listed, {
            let mut all: Vec<_> = all().collect();
            all.sort_unstable();
            all
        });
        let (first, other) = ((vpc(0), Ipv4Addr::new(10, 0, 0, 0)), (vpc(0), Ipv4Addr::new(10, 0, 0, 1)));
        let before = set.clone();
        assert_eq!(
            set.apply([first].into_iter(), [other, (vpc(0), Ipv4Addr::new(10, 0, 0, 7))].into_iter()),
            [(vpc(0), Ipv4Addr::new(10, 0, 0, 7))]
        );
        assert!(!set.contains(first.0, first.1) && set.contains(other.0, other.1) && before.contains(first.0, first.1));
        assert_eq!(set.apply([other].into_iter(), [other].into_iter()), [], "moving a value is no duplicate");
        assert_eq!(set.apply(all().chain([other]), [].into_iter()), []);
        assert!(set.0.iter().all(|shard| shard.heads.is_empty() && shard.last_octets.is_empty()));
        assert_eq!(size_of::<AddressHead>(), 16);
    }

    #[test]
    fn an_interface_that_is_in_use_is_told() {
        let id = InterfaceId::of_bits;
        let mut set = InterfacesInUse::default();
        assert_eq!(set.apply([].into_iter(), (0..10_000).map(id)), []);
        assert_eq!(set.apply([].into_iter(), [id(7), id(10_000)].into_iter()), [id(7)]);
        // both users of it are counted
        assert_eq!(set.apply([id(7)].into_iter(), [id(7)].into_iter()), [id(7)]);
        assert_eq!(set.apply([id(7), id(7)].into_iter(), [id(7)].into_iter()), []);
        assert_eq!(set.apply([].into_iter(), [id(20_000), id(20_000)].into_iter()), [id(20_000)]);
        assert_eq!(set.apply((0..10_001).map(id).chain([id(20_000), id(20_000)]), [].into_iter()), []);
        assert!(set.0.iter().all(|shard| shard.is_empty()));
    }
}

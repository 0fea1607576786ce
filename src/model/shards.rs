//! Sharded tables that share structure: a copy costs pointers, a change costs the shards it touches.
//!
//! The number of shards is fixed. At a million endpoints a shard holds about 250, so replacing one costs
//! microseconds, and copying the table of pointers to the others costs about as much.

use std::sync::Arc;

use hashbrown::HashTable;

use super::endpoint::Endpoint;
use crate::naming::EndpointId;

/// Shards in every table: a power of two.
const SHARDS: usize = 4096;

/// Spreads 64 bits over the whole word, so that ids which differ in few digits land apart (Fibonacci hashing).
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^ (bits >> 29)
}

fn shard_of(hash: u64) -> usize {
    (hash as usize) % SHARDS
}

/// All endpoints by id.
#[derive(Clone)]
pub(super) struct Endpoints {
    shards: Arc<[Arc<Shard>]>,
    len: usize,
}

/// Endpoints whose ids hash alike, side by side, with an index of two octets a slot.
#[derive(Default)]
struct Shard {
    records: Box<[Endpoint]>,
    index: HashTable<u16>,
}

impl Default for Endpoints {
    fn default() -> Self {
        let empty = Arc::new(Shard::default());
        Self { shards: (0..SHARDS).map(|_| empty.clone()).collect(), len: 0 }
    }
}

impl Endpoints {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The endpoint with this id.
    pub(super) fn by_id(&self, id: EndpointId) -> Option<&Endpoint> {
        let hash = mix(id.low_bits());
        let shard = self.shards.get(shard_of(hash))?;
        let slot = shard.index.find(hash, |&at| shard.records.get(usize::from(at)).is_some_and(|e| e.id == id))?;
        shard.records.get(usize::from(*slot))
    }

    /// All of them, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.shards.iter().flat_map(|shard| shard.records.iter())
    }

    /// Those of the shards that `other` does not share: all that can differ between the two.
    pub(super) fn unshared<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = &'s Endpoint> {
        let pairs = self.shards.iter().zip(other.shards.iter());
        pairs.filter(|(own, others)| !Arc::ptr_eq(own, others)).flat_map(|(own, _)| own.records.iter())
    }

    /// Takes out `removed`, then puts in `added` (replacing those of the same id).
    pub(super) fn apply(&mut self, removed: &[EndpointId], added: Vec<Endpoint>) {
        let mut changes: Vec<(usize, EndpointId, Option<Endpoint>)> = removed
            .iter()
            .map(|&id| (id, None))
            .chain(added.into_iter().map(|endpoint| (endpoint.id, Some(endpoint))))
            .map(|(id, endpoint)| (shard_of(mix(id.low_bits())), id, endpoint))
            .collect();
        if changes.is_empty() {
            return;
        }
        // a removal sorts before an addition of the same id, and the addition wins
        changes.sort_by_key(|(shard, id, endpoint)| (*shard, *id, endpoint.is_some()));
        let mut shards: Vec<Arc<Shard>> = self.shards.to_vec();
        let mut changes = changes.into_iter().peekable();
        while let Some(&(number, ..)) = changes.peek() {
            let Some(shard) = shards.get_mut(number) else { break };
            let mut gone = Vec::new();
            let mut records: Vec<Endpoint> = Vec::new();
            while let Some((_, id, endpoint)) = changes.next_if(|change| change.0 == number) {
                gone.push(id);
                records.extend(endpoint);
            }
            records.extend(shard.records.iter().filter(|e| gone.binary_search(&e.id).is_err()).cloned());
            self.len = self.len + records.len() - shard.records.len();
            *shard = Arc::new(Shard::new(records));
        }
        self.shards = shards.into();
    }
}

impl Shard {
    fn new(records: Vec<Endpoint>) -> Self {
        let records = records.into_boxed_slice();
        let hash = |at: &u16| records.get(usize::from(*at)).map_or(0, |e| mix(e.id.low_bits()));
        let mut index = HashTable::with_capacity(records.len());
        for (at, endpoint) in records.iter().enumerate().take(usize::from(u16::MAX)) {
            index.insert_unique(mix(endpoint.id.low_bits()), at as u16, hash);
        }
        Self { records, index }
    }
}

/// A value that knows which shard it belongs to.
pub(super) trait Spread: Copy + Ord {
    /// 64 bits that tell values apart.
    fn bits(&self) -> u64;
}

/// A set of small values, sorted within each shard: no octet but their own.
#[derive(Clone)]
pub(super) struct SortedShards<T>(Arc<[Arc<[T]>]>);

impl<T: Spread> Default for SortedShards<T> {
    fn default() -> Self {
        let empty: Arc<[T]> = Arc::from(Vec::new());
        Self((0..SHARDS).map(|_| empty.clone()).collect())
    }
}

impl<T: Spread> SortedShards<T> {
    /// True when `value` is in the set.
    pub(super) fn contains(&self, value: &T) -> bool {
        self.0.get(shard_of(mix(value.bits()))).is_some_and(|shard| shard.binary_search(value).is_ok())
    }

    /// Takes out `removed`, puts in `added`; returns the values that were put in twice.
    pub(super) fn apply(&mut self, removed: impl Iterator<Item = T>, added: impl Iterator<Item = T>) -> Vec<T> {
        let number = |value: &T| shard_of(mix(value.bits()));
        let mut changes: Vec<(usize, T, bool)> =
            removed.map(|v| (number(&v), v, false)).chain(added.map(|v| (number(&v), v, true))).collect();
        if changes.is_empty() {
            return Vec::new();
        }
        changes.sort_unstable();
        let mut twice = Vec::new();
        let mut shards: Vec<Arc<[T]>> = self.0.to_vec();
        let mut changes = changes.into_iter().peekable();
        while let Some(&(number, ..)) = changes.peek() {
            let Some(shard) = shards.get_mut(number) else { break };
            let (mut gone, mut new) = (Vec::new(), Vec::new());
            while let Some((_, value, add)) = changes.next_if(|change| change.0 == number) {
                if add { new.push(value) } else { gone.push(value) }
            }
            // an address that is taken out once and stands in the set once is gone, whoever puts it in again
            let mut values: Vec<T> = shard.iter().filter(|v| gone.binary_search(v).is_err()).copied().collect();
            values.append(&mut new);
            values.sort_unstable();
            twice.extend(values.windows(2).filter_map(|pair| match pair {
                [a, b] if a == b => Some(*a),
                _ => None,
            }));
            values.dedup();
            *shard = values.into();
        }
        self.0 = shards.into();
        twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Spread for u32 {
        fn bits(&self) -> u64 {
            u64::from(*self)
        }
    }

    #[test]
    fn sorted_shards_are_a_set() {
        let mut set = SortedShards::<u32>::default();
        assert!(set.apply([].into_iter(), 0..10_000).is_empty());
        assert!(set.contains(&9_999) && !set.contains(&10_000));
        let before = set.clone();
        assert_eq!(set.apply([7].into_iter(), [8, 10_000].into_iter()), [8]);
        assert!(!set.contains(&7) && set.contains(&8) && set.contains(&10_000));
        assert!(before.contains(&7) && !before.contains(&10_000));
        assert!(set.apply([8].into_iter(), [8].into_iter()).is_empty(), "moving a value is no duplicate");
        assert_eq!(set.apply([].into_iter(), [77_777, 77_777].into_iter()), [77_777]);
    }
}

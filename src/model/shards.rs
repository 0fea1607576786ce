//! Sharded tables that share structure: a copy costs pointers, a change costs the shards it touches.
//!
//! The number of shards is fixed. At a million endpoints a shard holds about 250, so replacing one costs
//! microseconds, and copying the table of pointers to the others costs about as much.

use std::sync::Arc;

use hashbrown::HashTable;

use super::endpoint::Endpoint;
use crate::naming::EndpointId;

/// Shards in every table: a power of two.
pub(super) const SHARDS: usize = 4096;

/// Spreads 64 bits over the whole word, so that ids which differ in few digits land apart (Fibonacci hashing).
pub(super) fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^ (bits >> 29)
}

pub(super) fn shard_of(hash: u64) -> usize {
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
    pub(super) fn apply(&mut self, removed: &[EndpointId], mut added: Vec<Endpoint>) {
        let number = |id: EndpointId| shard_of(mix(id.low_bits()));
        let ids = removed.iter().copied().chain(added.iter().map(|endpoint| endpoint.id));
        let mut gone: Vec<(usize, EndpointId)> = ids.map(|id| (number(id), id)).collect();
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable();
        added.sort_unstable_by_key(|endpoint| (number(endpoint.id), endpoint.id));
        let mut added = added.into_iter().peekable();
        let mut shards: Vec<Arc<Shard>> = self.shards.to_vec();
        for gone in gone.chunk_by(|a, b| a.0 == b.0) {
            let Some(at) = gone.first().map(|(at, _)| *at) else { continue };
            let Some(shard) = shards.get_mut(at) else { continue };
            let mut records: Vec<Endpoint> = Vec::with_capacity(shard.records.len() + gone.len());
            records.extend(std::iter::from_fn(|| added.next_if(|endpoint| number(endpoint.id) == at)));
            let stays = |endpoint: &&Endpoint| gone.binary_search(&(at, endpoint.id)).is_err();
            records.extend(shard.records.iter().filter(stays).cloned());
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
        let shard_of = |value: &T| shard_of(mix(value.bits()));
        changed(&mut self.0, removed, added, shard_of, |shard| shard.to_vec(), |values| values.into())
    }
}

/// Takes `removed` out of the shards of a set and puts in `added`; returns the values that were put in twice. `read` and `write`
/// say how the sorted values of a shard are kept.
pub(super) fn changed<T: Copy + Ord, S>(
    shards: &mut Arc<[S]>,
    removed: impl Iterator<Item = T>,
    added: impl Iterator<Item = T>,
    shard_of: impl Fn(&T) -> usize,
    read: impl Fn(&S) -> Vec<T>,
    write: impl Fn(&[T]) -> S,
) -> Vec<T>
where
    S: Clone,
{
    let mut changes: Vec<(usize, T, bool)> =
        removed.map(|v| (shard_of(&v), v, false)).chain(added.map(|v| (shard_of(&v), v, true))).collect();
    if changes.is_empty() {
        return Vec::new();
    }
    changes.sort_unstable();
    let mut twice = Vec::new();
    let mut next: Vec<S> = shards.to_vec();
    for of_shard in changes.chunk_by(|a, b| a.0 == b.0) {
        let Some(shard) = of_shard.first().and_then(|change| next.get_mut(change.0)) else { continue };
        let gone: Vec<T> = of_shard.iter().filter(|change| !change.2).map(|change| change.1).collect();
        // an address that is taken out once and stands in the set once is gone, whoever puts it in again
        let mut values = read(shard);
        values.retain(|value| gone.binary_search(value).is_err());
        values.extend(of_shard.iter().filter(|change| change.2).map(|change| change.1));
        values.sort_unstable();
        twice.extend(values.windows(2).filter_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        }));
        values.dedup();
        *shard = write(&values);
    }
    *shards = next.into();
    twice
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

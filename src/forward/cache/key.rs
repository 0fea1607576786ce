//! The cache key: everything that an upstream's reply depends on.

use std::hash::{Hash, Hasher};

use quick_cache::Equivalent;

use super::upstreams::UpstreamSet;
use crate::dns::Rtype;

/// The question as it goes out, and whom it goes to.
///
/// The class is always IN. EDNS and AD are not part of it: all questions go out with both, and what a client does
/// not understand is taken off its reply. Two clients whose views have different upstreams have different keys.
#[derive(Clone, Copy, Debug)]
pub struct CacheKey<'a> {
    /// The name that is asked for, in lower case, uncompressed, root included.
    pub name: &'a [u8],
    /// The type.
    pub rtype: Rtype,
    /// The client's DO: whether signatures come with the answer (RFC 3225 3).
    pub dnssec_ok: bool,
    /// The client's CD: whether the upstream gives out what it could not validate (RFC 4035 3.2.2).
    pub checking_disabled: bool,
    /// The upstreams that the client's view would ask.
    pub upstreams: &'a UpstreamSet,
}

impl CacheKey<'_> {
    /// Everything but the name.
    fn head(&self) -> u64 {
        let flags = u64::from(self.dnssec_ok) << 1 | u64::from(self.checking_disabled);
        u64::from(self.upstreams.id) << 32 | u64::from(self.rtype.number()) << 8 | flags
    }

    /// The key by itself.
    pub(in crate::forward) fn keep(self) -> StoredKey {
        StoredKey { head: self.head(), name: self.name.into() }
    }
}

impl Hash for CacheKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.head());
        state.write(self.name);
    }
}

/// A [`CacheKey`] that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::forward) struct StoredKey {
    head: u64,
    pub(super) name: Box<[u8]>,
}

impl Hash for StoredKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.head);
        state.write(&self.name);
    }
}

impl Equivalent<StoredKey> for CacheKey<'_> {
    fn equivalent(&self, key: &StoredKey) -> bool {
        self.head() == key.head && *self.name == *key.name
    }
}

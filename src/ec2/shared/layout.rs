//! Keys in etcd, and what is under them.
//!
//! ```text
//! PREFIX/v1/head           the last transaction: which set of objects this is, and what must be true of it
//! PREFIX/v1/o/HH/ID        an object as JSON; HH are two digits of a hash of the id, so that a load has bounded parts
//! PREFIX/v1/t/HH/KEY       a client token, likewise
//! ```

use serde::{Deserialize, Serialize};

use crate::ec2::codec::{StoreError, decode};
use crate::etcd::{KeyValue, prefix_end};

/// What `head` says. Each transaction replaces it, so that its revision is that of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoreHead {
    /// The set of objects: another one where somebody began anew.
    pub(super) set: String,
    /// What the transaction calls itself, by which its server finds it after a timeout.
    pub(super) txn: String,
    /// The revision of the one before it: nothing is between the two. 0: it is the first.
    pub(super) after: i64,
    /// How many objects there are with it.
    pub(super) objects: usize,
}

impl StoreHead {
    pub(super) fn read(value: &[u8]) -> Result<Self, StoreError> {
        decode("head", value)
    }
}

/// The keys below a prefix.
#[derive(Clone, Debug)]
pub(super) struct KeyLayout(String);

/// What a key stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NamedKey {
    Head,
    Object(String),
    Token(String),
}

impl KeyLayout {
    pub(super) fn new(prefix: &str) -> Self {
        Self(format!("{prefix}/v1/"))
    }

    /// What all keys begin with.
    pub(super) fn all(&self) -> (Vec<u8>, Vec<u8>) {
        let first = self.0.clone().into_bytes();
        let end = prefix_end(&first);
        (first, end)
    }

    pub(super) fn head(&self) -> Vec<u8> {
        format!("{}head", self.0).into_bytes()
    }

    pub(super) fn object(&self, id: &str) -> Vec<u8> {
        format!("{}o/{:02x}/{id}", self.0, shard(id)).into_bytes()
    }

    pub(super) fn token(&self, key: &str) -> Vec<u8> {
        format!("{}t/{:02x}/{key}", self.0, shard(key)).into_bytes()
    }

    /// The parts of a load: `o` and `t` whole, or in 256 parts each.
    pub(super) fn parts(&self, split: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let part = |prefix: String| {
            let end = prefix_end(prefix.as_bytes());
            (prefix.into_bytes(), end)
        };
        let kinds = ["o", "t"];
        if !split {
            return kinds.iter().map(|kind| part(format!("{}{kind}/", self.0))).collect();
        }
        let shards =
            |kind: &&str| (0..=u8::MAX).map(|shard| format!("{}{kind}/{shard:02x}/", self.0)).collect::<Vec<_>>();
        kinds.iter().flat_map(shards).map(part).collect()
    }

    /// What a key is; `None`: it is none of ours.
    pub(super) fn read(&self, key: &KeyValue) -> Option<NamedKey> {
        let rest = std::str::from_utf8(&key.key).ok()?.strip_prefix(&self.0)?;
        if rest == "head" {
            return Some(NamedKey::Head);
        }
        let (kind, rest) = rest.split_once('/')?;
        let (_, name) = rest.split_once('/')?;
        match kind {
            "o" => Some(NamedKey::Object(name.to_owned())),
            "t" => Some(NamedKey::Token(name.to_owned())),
            _ => None,
        }
    }
}

/// One octet of a hash (FNV-1a) of a name.
fn shard(name: &str) -> u8 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 16)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_what_they_stand_for() {
        let layout = KeyLayout::new("/x");
        let read = |key: Vec<u8>| layout.read(&KeyValue { key, ..KeyValue::default() });
        assert_eq!(read(layout.head()), Some(NamedKey::Head));
        assert_eq!(read(layout.object("vpc-1")), Some(NamedKey::Object("vpc-1".to_owned())));
        assert_eq!(read(layout.token("1 r a/b c")), Some(NamedKey::Token("1 r a/b c".to_owned())));
        assert_eq!(read(b"/x/v1/q/00/a".to_vec()), None);
        assert_eq!(read(b"/y/v1/head".to_vec()), None);
    }

    #[test]
    fn every_key_is_in_one_part_of_a_load() {
        let layout = KeyLayout::new("/x");
        for key in (0..1000).flat_map(|n| [layout.object(&format!("vpce-{n:x}")), layout.token(&n.to_string())]) {
            for split in [false, true] {
                let parts = layout.parts(split);
                assert_eq!(parts.iter().filter(|(first, end)| *first <= key && key < *end).count(), 1);
            }
        }
    }
}

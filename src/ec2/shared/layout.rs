//! Keys in etcd, and what is under them.
//!
//! ```text
//! PREFIX/v1/head           the last transaction: which set of objects this is, and what must be true of it
//! PREFIX/v1/accepted       the set that an operator said is meant, whatever servers had before
//! PREFIX/v1/o/HH/ID        an object as JSON; HH are two digits of a hash of the id, so that a load has bounded parts
//! PREFIX/v1/t/HH/KEY       a client token, likewise
//! PREFIX/n1/TARGET/ID      a notification that is still to be sent; no part of the state, and not followed
//! PREFIX/f1/...            files of the fleet: see `fleet`
//! ```

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::ec2::codec::{StoreError, decode};
use crate::ec2::time::UnixMillis;
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
    /// Who made it: host and process.
    #[serde(default)]
    pub(super) by: String,
    /// When.
    #[serde(default)]
    pub(super) at: UnixMillis,
    /// What is there is a part of what is being put there: it is not to be served.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_partial: bool,
}

/// What `accepted` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AcceptedSet {
    pub(super) set: String,
    pub(super) by: String,
    pub(super) at: UnixMillis,
}

impl StoreHead {
    /// Of a transaction that is made now, and follows the one at the revision `after`.
    pub(super) fn new(set: String, after: i64, objects: usize) -> Self {
        let at = SystemTime::now().into();
        Self { set, txn: new_name(), after, objects, by: writer_name(), at, is_partial: false }
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, StoreError> {
        decode("head", value)
    }
}

/// The keys below a prefix.
#[derive(Clone, Debug)]
pub(super) struct KeyLayout {
    state: String,
    notices: String,
}

/// What a key stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NamedKey {
    Head,
    Object(String),
    Token(String),
}

impl KeyLayout {
    pub(super) fn new(prefix: &str) -> Self {
        Self { state: format!("{prefix}/v1/"), notices: format!("{prefix}/n1/") }
    }

    /// The range of the keys of the state.
    pub(super) fn all(&self) -> (Vec<u8>, Vec<u8>) {
        range(self.state.clone())
    }

    /// A notification to the target with this number.
    pub(super) fn notice(&self, target: u8, id: &str) -> Vec<u8> {
        format!("{}{target}/{id}", self.notices).into_bytes()
    }

    pub(super) fn head(&self) -> Vec<u8> {
        format!("{}head", self.state).into_bytes()
    }

    pub(super) fn accepted(&self) -> Vec<u8> {
        format!("{}accepted", self.state).into_bytes()
    }

    pub(super) fn object(&self, id: &str) -> Vec<u8> {
        format!("{}o/{:02x}/{id}", self.state, shard(id)).into_bytes()
    }

    pub(super) fn token(&self, key: &str) -> Vec<u8> {
        format!("{}t/{:02x}/{key}", self.state, shard(key)).into_bytes()
    }

    /// The parts of a load: `o` and `t` whole, or in 256 parts each.
    pub(super) fn parts(&self, split: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let kinds = ["o", "t"];
        if !split {
            return kinds.iter().map(|kind| range(format!("{}{kind}/", self.state))).collect();
        }
        let shards =
            |kind: &&str| (0..=u8::MAX).map(|shard| format!("{}{kind}/{shard:02x}/", self.state)).collect::<Vec<_>>();
        kinds.iter().flat_map(shards).map(range).collect()
    }

    /// What a key is; `None`: it is none of ours.
    pub(super) fn read(&self, key: &KeyValue) -> Option<NamedKey> {
        let rest = std::str::from_utf8(&key.key).ok()?.strip_prefix(&self.state)?;
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

/// The keys that begin with a prefix.
fn range(prefix: String) -> (Vec<u8>, Vec<u8>) {
    let end = prefix_end(prefix.as_bytes());
    (prefix.into_bytes(), end)
}

/// A name that nothing else has.
fn new_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// A name for a set of objects: those that are begun later are greater.
pub(crate) fn new_set() -> String {
    let UnixMillis(now) = SystemTime::now().into();
    format!("{now:012x}{:08x}", rand::random::<u32>())
}

/// A name behind that of a set which was begun by a clock that is ahead.
pub(crate) fn next_set(set: &str) -> String {
    let time = set.get(..12).and_then(|time| u64::from_str_radix(time, 16).ok()).unwrap_or_default();
    format!("{:012x}{}", time + 1, set.get(12..).unwrap_or_default())
}

/// This process, to those who look who writes: `HOST/PID`.
pub(super) fn writer_name() -> String {
    let host = rustix::system::uname();
    format!("{}/{}", host.nodename().to_string_lossy(), std::process::id())
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
        assert_eq!(read(layout.notice(0, "1")), None);
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

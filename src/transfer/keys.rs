//! The keys of secondaries, by their names.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use super::tsig::TsigKey;
use crate::config::TransferKey;
use crate::dns::DnsName;
use crate::export::ViewId;

/// All keys.
pub(super) struct TransferKeys(HashMap<DnsName, Arc<Secondary>>);

/// Who has a key, and what is seen with it.
#[derive(Debug)]
pub(super) struct Secondary {
    pub(super) name: DnsName,
    pub(super) tsig: TsigKey,
    pub(super) view: ViewId,
    pub(super) notify: Vec<SocketAddr>,
}

impl TransferKeys {
    /// Keys that were read: their secrets are base64.
    pub(super) fn new(keys: &[TransferKey]) -> Self {
        let of = |key: &TransferKey| {
            let tsig = TsigKey::new(key)?;
            let secondary = Secondary { name: key.name.clone(), tsig, view: key.view, notify: key.notify.clone() };
            Some((key.name.clone(), Arc::new(secondary)))
        };
        Self(keys.iter().filter_map(of).collect())
    }

    pub(super) fn find(&self, name: &DnsName) -> Option<&Arc<Secondary>> {
        self.0.get(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Secondary>> {
        self.0.values()
    }

    /// The views of all keys, each once.
    pub(super) fn views(&self) -> BTreeSet<ViewId> {
        self.all().map(|secondary| secondary.view).collect()
    }
}

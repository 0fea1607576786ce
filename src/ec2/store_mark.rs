//! Which revision of a shared store a state stands for.

use serde::{Deserialize, Serialize};

/// A revision of a shared store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMark {
    /// The cluster.
    pub cluster: u64,
    /// The set of objects: another one where somebody began anew, or said that what is there now is meant.
    pub set: String,
    /// The revision of the last transaction that is in it.
    pub revision: i64,
    /// What that transaction called itself.
    pub txn: String,
    /// What it wrote as the head: a restored store may come to the same revision by another way.
    #[serde(default)]
    pub head: String,
}

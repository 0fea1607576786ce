//! The seam between the API and where its state is durable. One server alone has a file (`store`); several share a store,
//! where others change the state, too.
//!
//! ```text
//! commit     changes of this server's calls    -> durable, on top of what was taken last; or what stands in the way
//! incoming   what others changed since         -> served here, one after the other
//! taken      the first of it is served
//! ```

use std::sync::Arc;

use super::codec::StoreError;
use super::notices::ToldDelta;
use super::state::{ApiState, Delta};

/// Where changes become durable, and where those of others come from.
pub trait StateStore: Send + Sync + 'static {
    /// How much becomes durable at once.
    fn limits(&self) -> CommitLimits;

    /// Makes changes durable, one on top of the other, and what is to be told of them: all or none. They were worked out on
    /// top of what was last taken here, and come to `after`.
    fn commit(&self, group: &[ToldDelta], after: &ApiState) -> Result<(), CommitError>;

    /// The first of what others changed that is not taken yet.
    fn incoming(&self) -> Option<OthersChange> {
        None
    }

    /// The first of [`StateStore::incoming`] is served: it changed `delta`, and comes to `state`.
    fn taken(&self, _delta: &Delta, _state: &ApiState) {}

    /// The first of [`StateStore::incoming`] cannot be served here, and why.
    fn refused(&self, _why: &str) {}
}

/// How much becomes durable at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitLimits {
    /// Most objects, tokens and notifications that calls change together.
    pub changes: usize,
    /// Most endpoints, and as many tokens, that leave the state by age with one call, so that none takes long.
    pub leftovers: usize,
}

/// What others did.
#[derive(Clone, Debug)]
pub enum OthersChange {
    /// One transaction.
    Change(Arc<Delta>),
    /// What there is now, however it came to that.
    Whole(Arc<ApiState>),
}

/// Why changes are not known to be durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// Others came first: the calls are to be worked out anew, on top of what is incoming.
    #[error("others changed the state at the same time")]
    Conflict,
    /// They are durable, and part of what is incoming.
    #[error("the changes are part of what is incoming")]
    Landed,
    /// Nothing has changed: there is no way to the store.
    #[error("{0}")]
    Unavailable(String),
    /// The store did not say whether they are durable, and cannot be asked.
    #[error("{0}")]
    Unknown(String),
    /// Nothing has changed: the store refuses it.
    #[error(transparent)]
    Refused(#[from] StoreError),
}

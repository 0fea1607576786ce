//! The queue between the API and the notifier: what is in it survives a restart.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::destination::{Target, TopicArn};

/// One notice on its way to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Unique in the outbox; earlier ones have smaller ids.
    pub id: u64,
    /// Where it goes.
    pub target: Target,
    /// The topic of the connection notification.
    pub topic_arn: TopicArn,
    /// The subject of the message.
    pub subject: String,
    /// The message: JSON, see `Notice`.
    pub body: String,
    /// When it happened; what is too old is given up.
    pub created: SystemTime,
    /// How often it has been tried in vain.
    pub attempts: u32,
}

/// A durable queue of deliveries.
///
/// The store puts a delivery in with the change that it tells of, in one transaction, due at once, and then calls
/// `Waker::wake`. Calls may block on a disk: the notifier makes them on threads that may.
pub trait Outbox: Send + Sync + 'static {
    /// At most `limit` deliveries to `target` that are due at `now`, those that have been due longest first.
    fn due(&self, target: Target, now: SystemTime, limit: usize) -> Result<Vec<Delivery>, OutboxError>;

    /// Takes a delivery out: the target has it. An id that is not there is no error.
    fn delivered(&self, id: u64) -> Result<(), OutboxError>;

    /// Makes a delivery due at `at`, after `attempts` in vain, the last of them because of `error`.
    fn retry(&self, id: u64, at: SystemTime, attempts: u32, error: &str) -> Result<(), OutboxError>;

    /// Takes a delivery out that will not be tried again, because of `error`.
    fn give_up(&self, id: u64, error: &str) -> Result<(), OutboxError>;

    /// How many deliveries there are, due or not.
    fn queued(&self) -> Result<u64, OutboxError>;
}

/// The store cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OutboxError(pub String);

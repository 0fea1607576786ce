//! Tells SNS topics and a webhook what became of the connections of endpoints: Connect, Accept, Reject, Delete.
//!
//! ```text
//! destination  where it goes
//! notice    what happened -> Delivery; the store writes it with the change itself
//! outbox    the durable queue of deliveries, as the notifier needs it
//! notifier  a lane for each target: what is due -> sent -> done, or later again
//!   backoff   when again, and when not any more
//!   target    a delivery -> a signed SNS Publish, or a webhook's POST
//! ```
//!
//! At least once: a delivery leaves the outbox after the target has taken it, so that a crash in between repeats it.
//! The API never waits for any of this. Knows nothing of the store behind the outbox.

pub mod backoff;
pub mod destination;
pub mod notice;
pub mod notifier;
pub mod outbox;
pub mod target;
#[cfg(test)]
mod testing;

pub use destination::{Target, TopicArn};
pub use notice::Notice;
pub use notifier::{Notifier, NotifyLimits, Waker};
pub use outbox::{Delivery, Outbox, OutboxError};
pub use target::{Sns, Targets, Webhook};

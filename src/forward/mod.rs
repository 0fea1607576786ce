//! Asks upstreams and hands on what they say, as they said it.
//!
//! ```text
//! lookup     a question to the cached reply, or to that of an upstream, once for all who wait
//!   cache    replies that are kept: what they answer, for whom, and for how long
//! exchange   a question to the first good reply of several upstreams, in time
//!   attempt  one question to one upstream: UDP, then TCP where the reply was truncated
//!     query  the octets that are sent, and whether a reply belongs to them
//! message    a bounded walk over a DNS message; nothing is believed, nothing panics
//!   name     compressed names, and records written without compression
//!   relay    an upstream's reply becomes the reply to a client: sections kept, EDNS made anew
//!   chain    the CNAMEs that a reply follows, and the part of it up to one of them
//! system     the upstreams of /etc/resolv.conf, less ourselves
//! ```
//!
//! Knows nothing of zones, VPCs or clients' sockets.
// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod attempt;
pub mod cache;
pub mod chain;
pub mod compose;
pub mod exchange;
pub mod lookup;
pub mod message;
pub mod name;
mod query;
pub mod relay;
pub mod system;
#[cfg(test)]
mod testing;

pub use exchange::{Failure, ForwardError, Forwarder};
pub use query::Outbound;

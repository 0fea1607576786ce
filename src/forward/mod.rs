//! Asks upstreams and hands on what they say, as they said it.
//!
//! ```text
//! validate      DNSSEC validation of upstream replies, by look-ups of its own
//! lookup        a question to the cached reply, or to that of an upstream, asked once for all who wait
//!   cache       replies that are kept: what they answer, for whom, and for how long
//! engine        the upstreams that there are
//!   exchange    a question to the first good reply of several upstreams, in time
//!     begun     a question whose first datagram a worker of the UDP front sends itself
//!     choose    whom to ask first
//!   loops       whether a question leads back to us
//!   peer        one question to one upstream: UDP, then TCP where the reply was truncated; or encrypted
//!     udp       sockets that many questions share: those of tasks, and those that a worker polls itself
//!     connection  TCP, TLS, HTTPS or QUIC, many questions on each
//!     query     the octets that are sent, and whether a reply belongs to them
//!     source_address  from which address of this host it is asked
//!     standing  what is known about it: health (round trips, down or not), domains (those that it leaves unanswered),
//!               probe (what it is asked when in doubt), manners (EDNS, cookies, case)
//! message       a bounded walk over a DNS message; nothing is believed, nothing panics
//!   name        compressed names, and records written without compression
//!   relay       an upstream's reply becomes the reply to a client: sections kept, EDNS made anew
//!   chain       the CNAMEs that a reply follows, and the part of it up to one of them
//! rebinding     replies that give public names private addresses
//! recorder      what happens to one question, where somebody wants to see it
//! system        the upstreams of /etc/resolv.conf, less ourselves
//! ```
//!
//! Knows nothing of zones, VPCs or clients' sockets, and of the operator's policy what `rebinding` has to.
// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod begun;
pub mod cache;
pub mod chain;
mod choose;
pub mod compose;
mod connection;
mod domains;
mod engine;
mod exchange;
mod failure;
mod health;
pub mod lookup;
mod loops;
mod manners;
mod peer;
mod probe;
mod query;
pub mod rebinding;
pub mod recorder;
pub mod relay;
mod source_address;
mod standing;
pub mod system;
#[cfg(test)]
mod testing;
mod udp;
pub mod validate;

pub use begun::{AfterFirst, Begun, FirstQuery};
pub use connection::Trust;
pub use engine::{Forwarder, Options};
pub use exchange::Exchange;
pub use failure::{Failure, ForwardError, Tried};
pub use health::UpstreamState;
pub use loops::Repeated;
pub use query::Outbound;
pub use standing::Report;
pub use udp::poller::{QuestionEvent, UpstreamPoller};
pub use udp::{Heard, HeardReceiver, HeardSender};

/// Answers from the cache or from upstreams, validated where the settings say so: what a server uses.
pub type UpstreamLookup = lookup::Lookup<validate::Validating>;

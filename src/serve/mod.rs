//! Sockets only: receives questions, asks a [`Resolve`] for the replies, and sends them.
//!
//! Knows framing and each transport's protocol, and of DNS what RFC 8484 and RFC 9250 make a transport's business: how
//! long a reply stays fresh, and which messages are errors of the protocol.
//!
//! ```text
//! listeners     which addresses are open, and how they open, close and drain
//!   bind        one address to its sockets, or to a problem with a hint
//!   udp         a thread for each socket:  receive a batch, answer it in place, send a batch
//!     mmsg      the system calls of it, with `unsafe`
//!   tcp         accepts, caps, and gives each connection to what is spoken there: plain TCP, or
//!   encrypted   every kind of encrypted listener
//!     dot       TLS: the framing of TCP inside it
//!     doh       HTTP/1.1 and HTTP/2
//!     doq       QUIC, a stream for each question
//!   kind        what a kind is, each declared in the file that serves it
//!     tls       handshakes
//!     certificates  two PEM files, read again when they change
//! stream        two-octet framing, pipelining, slow readers: TCP and DoT
//! single        a stream for each question: DoH and DoQ
//! connections   which are let in, and which has to go when there are too many
//! proxy         whom a proxy's datagram or connection is from (PROXY protocol)
//! refusals      refused connections: counted, and logged once a minute
//! admission     how many questions may wait for an upstream, in all and for each client
//! common        what all of them use
//! in_memory     a connection without a socket, for the fuzz targets
//! ```
// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod admission;
pub(crate) mod bind;
pub mod certificates;
mod common;
pub(crate) mod connections;
mod doh;
mod doq;
mod dot;
pub mod encrypted;
mod in_memory;
mod kind;
pub mod listeners;
pub mod mmsg;
pub mod proxy;
pub(crate) mod refusals;
mod single;
mod stream;
pub(crate) mod tcp;
#[cfg(test)]
mod testing;
mod tls;
pub mod udp;
mod validity;

use crate::resolve::Resolve;
pub use common::{DohTokens, Identities};
#[doc(hidden)]
pub use in_memory::InMemoryServer;
use kind::ListenerKind;

/// Every kind of encrypted listener. To add one, see CONTRIBUTING.md.
fn kinds<R: Resolve>() -> impl Iterator<Item = ListenerKind<R>> {
    [dot::kind(), doh::kind(), doq::kind()].into_iter()
}

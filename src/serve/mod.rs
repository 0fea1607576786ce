//! Sockets only: receives questions, asks a [`Resolve`](crate::resolve::Resolve) for the replies, and sends them.
//!
//! Knows framing and each transport's protocol, and of DNS what RFC 8484 and RFC 9250 make a transport's business: how
//! long a reply stays fresh, and which messages are errors of the protocol.
//!
//! ```text
//! listeners   which addresses are open, and how they open, close and drain
//!   admission how many may be under way, in all and for each client
//!   bind      one address to its sockets, or to a problem with a hint
//!   udp       a thread for each socket:  receive a batch, answer it in place, send a batch
//!     mmsg    the system calls of it, with `unsafe`
//!   tcp       accepts, caps, shakes hands where it is TLS, and gives each connection to
//!     stream  two-octet framing, pipelining, slow readers: TCP and DoT
//!     doh     HTTP/1.1 and HTTP/2
//!   doq       the same over QUIC, a stream for each question
//!   encrypted the addresses of the last three
//!     certificates  two PEM files, read again when they change
//! ```
// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod admission;
mod bind;
pub mod certificates;
mod common;
mod doh;
mod doq;
pub mod encrypted;
pub mod listeners;
pub mod mmsg;
mod single;
mod stream;
mod tcp;
#[cfg(test)]
mod testing;
mod udp;

pub(crate) use admission::client_of;

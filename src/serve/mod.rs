//! Sockets: receives packets, asks `respond` what to say, sends it; knows no DNS beyond framing.
//!
//! ```text
//! listeners   which addresses are open, and how they open, close and drain
//!   admission how many may be under way, in all and for each client
//!   bind      one address to its sockets, or to a problem with a hint
//!   udp       a thread for each socket:  receive a batch, answer it in place, send a batch
//!     mmsg    the system calls of it; the one place with `unsafe`
//!   tcp       accepts, caps, shakes hands where it is TLS, and gives each connection to
//!     stream  two-octet framing, pipelining, slow readers: TCP and DoT
//!     doh     HTTP/1.1 and HTTP/2
//!   doq       the same over QUIC, a stream for each question
//!   encrypted the addresses of the last three
//!     certificates  two PEM files, read again when they change
//! pad         replies to padded questions, where lengths are all that can be seen
//! respondent  what all of them ask: a packet in, a reply out
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
mod pad;
pub mod respond;
pub mod respondent;
mod single;
mod slow;
mod stream;
mod tcp;
#[cfg(test)]
mod testing;
mod udp;

pub(crate) use admission::client_of;

//! Sockets: receives packets, asks `respond` what to say, sends it; knows no DNS beyond framing.

pub mod respond;
mod slow;

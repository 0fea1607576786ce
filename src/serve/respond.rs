//! One packet to its reply, the same for every transport (invariant I4).

use std::net::SocketAddr;

/// How a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the reply is bounded by what the client takes.
    Udp,
    /// A stream: the reply may have 65,535 octets.
    Tcp,
}

/// A packet and where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The DNS message, without the stream's length prefix.
    pub packet: &'a [u8],
    /// The client.
    pub peer: SocketAddr,
    /// The address that the client asked.
    pub local: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No reply, on purpose.
    Silent,
    /// The reply is the first so many octets of the buffer.
    Reply(usize),
    /// An upstream has to be asked: give the packet to [`Responder::resolve`].
    Slow,
}

/// Makes replies; shared by all sockets.
pub struct Responder {}

/// The state that every packet of one batch sees: one snapshot, one time.
pub struct Batch<'r> {
    responder: &'r Responder,
}

impl Responder {
    /// Fixes the snapshot for packets that were received together. Do not hold it across an await.
    pub fn batch(&self) -> Batch<'_> {
        Batch { responder: self }
    }

    /// The whole answer to a packet for which [`Batch::respond`] said [`Outcome::Slow`]; `None`: no reply.
    pub async fn resolve(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        Some(incoming.packet.to_vec())
    }

    /// The reply to a packet that cannot be taken on because too many wait already; `None`: no reply.
    pub fn overloaded(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        Some(incoming.packet.to_vec())
    }
}

impl Batch<'_> {
    /// Answers a packet from the snapshot, into `out` (at least 65,535 octets for streams, 1,232 for datagrams).
    ///
    /// Takes no lock, does no I/O, allocates nothing.
    pub fn respond(&self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        let _ = (self.responder, incoming, out);
        Outcome::Silent
    }
}

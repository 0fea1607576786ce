//! What all sockets share: who answers, the limits, the slow lane and which addresses are our own.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::config::Limits;
use crate::resolve::Incoming;
use crate::serve::admission::Admission;
use crate::wire::Transport;

/// Shared by every socket of the server.
pub(super) struct Shared<R> {
    pub(super) resolver: Arc<R>,
    pub(super) limits: Limits,
    /// A ticket for each question that waits for an upstream, over all transports together.
    pub(super) slow: Arc<Admission>,
    /// Where questions wait for an upstream, and where TCP lives.
    pub(super) runtime: Handle,
    /// Our own listen addresses, of this moment.
    pub(super) own: ArcSwap<OwnAddresses>,
}

impl<R> Shared<R> {
    pub(super) fn new(resolver: Arc<R>, limits: Limits, runtime: Handle) -> Self {
        let slow = Admission::new(limits.forward_in_flight, limits.forward_in_flight_per_client);
        Self { resolver, limits, slow, runtime, own: ArcSwap::default() }
    }
}

/// Where the messages of a connection come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The client.
    pub(super) peer: SocketAddr,
    /// The address that it asked.
    pub(super) local: SocketAddr,
    /// How it asks.
    pub(super) transport: Transport,
}

impl Origin {
    /// A message from there.
    pub(super) fn incoming(self, packet: &[u8]) -> Incoming<'_> {
        let Self { peer, local, transport } = self;
        Incoming { packet, peer, local, transport, vpc: None }
    }
}

/// The addresses that we listen on.
#[derive(Default)]
pub(super) struct OwnAddresses(Vec<SocketAddr>);

impl OwnAddresses {
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self(addresses)
    }

    /// True when `peer`, the sender of what came to `local`, is an address that we listen on.
    ///
    /// Whether an address belongs to this machine cannot be asked for each packet, so a wildcard stands for loopback
    /// and for the address that was asked. What remains, one local address spoofed to another, cannot come from
    /// outside: the kernel drops packets from its own addresses (RFC 1812 5.3.7).
    pub(super) fn holds(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        self.0.iter().any(|own| {
            own.port() == peer.port()
                && (own.ip() == peer.ip()
                    || own.ip().is_unspecified()
                        && own.is_ipv4() == peer.is_ipv4()
                        && (peer.ip().is_loopback() || peer.ip() == local.ip()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_addresses() {
        let own = OwnAddresses::new(["10.0.0.2:53", "0.0.0.0:5300", "[::1]:53"].map(|a| a.parse().unwrap()).to_vec());
        for (peer, local, want) in [
            ("10.0.0.2:53", "10.0.0.2:53", true),
            ("10.0.0.2:53", "10.9.0.2:5300", true),
            ("10.0.0.3:53", "10.0.0.2:53", false),
            ("10.0.0.2:54", "10.0.0.2:53", false),
            ("127.0.0.7:5300", "10.0.0.2:5300", true),
            ("10.9.0.2:5300", "10.9.0.2:5300", true),
            ("10.9.0.3:5300", "10.9.0.2:5300", false),
            ("[::1]:53", "[::1]:53", true),
            ("[::1]:5300", "[::1]:53", false),
        ] {
            assert_eq!(own.holds(peer.parse().unwrap(), local.parse().unwrap()), want, "{peer} to {local}");
        }
    }
}

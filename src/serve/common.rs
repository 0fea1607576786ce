//! What all sockets share: who answers, the limits, questions that wait, refusals, and which addresses are our own.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::budget::Budget;
use crate::config::Limits;
use crate::descriptors::{Descriptors, SocketOffer};
use crate::naming::VpcId;
use crate::observe::Counters;
use crate::resolve::{Incoming, Resolve};
use crate::serve::admission::Admission;
use crate::serve::connections::Heartbeat;
use crate::serve::proxy::Proxies;
use crate::serve::refusals::Refusals;
use crate::wire::Transport;

/// Other ways to know a client than by its address.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// Networks of proxies, whose datagrams and connections begin with a PROXY header.
    pub proxies: Vec<IpNet>,
    /// VPCs by the tokens that their clients have in the path of DoH.
    pub doh_tokens: DohTokens,
}

/// VPCs by token.
pub type DohTokens = HashMap<String, VpcId>;

/// What every socket of the server uses.
pub(super) struct ServeContext<R> {
    pub(super) resolver: Arc<R>,
    pub(super) limits: Limits,
    /// What replies may take that clients have not taken yet.
    pub(super) budget: Budget,
    /// A ticket for each question that waits for an upstream, over all transports together.
    pub(super) slow: Arc<Admission>,
    /// Where questions wait for an upstream, and where TCP lives.
    pub(super) runtime: Handle,
    /// Our own listen addresses, of this moment.
    pub(super) own: ArcSwap<OwnAddresses>,
    /// Connections that were refused.
    pub(super) refusals: Refusals,
    /// Those whose datagrams and connections begin with whom they are from.
    pub(super) proxies: Proxies,
    /// VPCs by the tokens that their clients have in the path of DoH.
    pub(super) doh_tokens: DohTokens,
    /// Sockets that this process was given, and those that a successor may have.
    pub(super) descriptors: Descriptors,
}

impl<R: Resolve> ServeContext<R> {
    pub(super) fn new(
        resolver: Arc<R>,
        limits: Limits,
        counters: Arc<Counters>,
        runtime: Handle,
        descriptors: Descriptors,
        identities: Identities,
    ) -> Self {
        let proxies = Proxies::new(identities.proxies);
        let doh_tokens = identities.doh_tokens;
        let slow = Admission::new(limits.forward_in_flight, limits.forward_in_flight_per_client);
        let refusals = Refusals::new(counters);
        let budget = resolver.budget();
        Self {
            resolver,
            limits,
            budget,
            slow,
            runtime,
            own: ArcSwap::default(),
            refusals,
            proxies,
            doh_tokens,
            descriptors,
        }
    }
}

/// Where the messages of a connection come from.
#[derive(Clone)]
pub(super) struct Origin {
    /// The client.
    pub(super) peer: SocketAddr,
    /// The address that it asked.
    pub(super) local: SocketAddr,
    /// How it asks.
    pub(super) transport: Transport,
    /// Whether nothing is known of the client.
    pub(super) is_stranger: bool,
    /// To be told of each question.
    pub(super) heartbeat: Heartbeat,
}

impl Origin {
    /// A message from there.
    pub(super) fn incoming<'p>(&self, packet: &'p [u8]) -> Incoming<'p> {
        let Self { peer, local, transport, .. } = *self;
        Incoming { packet, peer, local, transport, vpc: None }
    }
}

/// How far a listener has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListenerPhase {
    /// It takes connections.
    Open,
    /// A successor takes them; those that are here go on.
    HandedOn,
    /// It takes none, and those that are here come to an end.
    Closing,
}

/// What a listener and its connections watch, to learn that they are to stop.
#[derive(Clone)]
pub(super) struct Stopped(watch::Receiver<ListenerPhase>);

/// What becomes of connections that wait to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnacceptedConnections {
    /// They are accepted, and answered.
    Accept,
    /// They are the successor's.
    Leave,
}

impl Stopped {
    /// Of a connection that no listener stops.
    pub(super) fn never() -> Self {
        let (phase, watched) = watch::channel(ListenerPhase::Open);
        std::mem::forget(phase);
        Self(watched)
    }

    /// Ends when connections are to end.
    pub(super) async fn closing(&mut self) {
        let _ = self.0.wait_for(|phase| *phase == ListenerPhase::Closing).await;
    }

    /// Ends when no more are to be accepted.
    pub(super) async fn accepting_ends(&mut self) -> UnacceptedConnections {
        match self.0.wait_for(|phase| *phase != ListenerPhase::Open).await {
            Ok(phase) if *phase == ListenerPhase::HandedOn => UnacceptedConnections::Leave,
            _ => UnacceptedConnections::Accept,
        }
    }
}

/// A listener at work. Dropping it stops it.
pub(super) struct Running {
    /// The address, with the port that was found where 0 was wanted.
    pub(super) actual: SocketAddr,
    phase: watch::Sender<ListenerPhase>,
    /// Its socket, for a successor.
    offer: Option<SocketOffer>,
}

impl Running {
    /// A listener with its socket, which a successor may have.
    pub(super) fn new(actual: SocketAddr, descriptors: &Descriptors, socket: impl AsFd) -> io::Result<(Self, Stopped)> {
        let (phase, watched) = watch::channel(ListenerPhase::Open);
        Ok((Self { actual, phase, offer: Some(descriptors.offer(socket)?) }, Stopped(watched)))
    }

    /// Accepts no more; connections answer what they have been asked, and close.
    pub(super) fn stop(&mut self) {
        self.offer = None;
        self.phase.send_replace(ListenerPhase::Closing);
    }

    /// Accepts no more, as a successor does; connections go on.
    pub(super) fn leave(&self) {
        self.phase.send_replace(ListenerPhase::HandedOn);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An address that takes no more questions but answers some yet.
pub(super) struct Draining {
    pub(super) actual: SocketAddr,
    /// Ends when the last worker, connection and question of the address has.
    pub(super) done: mpsc::Receiver<()>,
    /// A listener whose connections go on until this is dropped.
    pub(super) left: Option<Running>,
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

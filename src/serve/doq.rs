//! DNS over QUIC (RFC 9250): accepts connections, within the caps; each question has a stream of its own.
//!
//! A handshake is a task of its own, so that a client which stalls in it holds up nobody. Early data is off: what is
//! in it can be replayed (RFC 9250 4.5). So is migration: a client is known by its address. Knows no DNS but what
//! RFC 9250 makes an error.

mod connection;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connecting, Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::version::TLS13;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::Limits;
use crate::resolve::Resolve;
use crate::serve::bind;
use crate::serve::common::{Origin, Running, ServeContext, Stopped};
use crate::serve::connections::ConnectionTable;
use crate::serve::kind::{ListenerKind, OpenError, Opening};
use crate::serve::refusals::RefusedBecause;
use crate::serve::tls::handshake_time;
use crate::wire::Transport;
use connection::GOODBYE;

/// The name of the protocol in ALPN (RFC 9250 4.1.1).
const ALPN: &[u8] = b"doq";
/// Handshakes under way from which on a client has to show first that its address is its own (RFC 9000 8.1.2).
///
/// Below the cap of any one client, so that nobody can use up a client's share in its name.
const RETRY_FROM: usize = 32;
/// Octets of one stream that may be under way: one message with its length.
const STREAM_WINDOW: u32 = 1 << 16;
/// Octets of all streams of a connection that may be under way.
const CONNECTION_WINDOW: u32 = 1 << 18;
/// Octets kept of a client that is not accepted yet, and of all of them.
const BEFORE_ACCEPT: u64 = 1 << 16;
const BEFORE_ACCEPT_ALL: u64 = 1 << 20;

/// `--quic`
pub(super) fn kind<R: Resolve>() -> ListenerKind<R> {
    ListenerKind {
        transport: Transport::Quic,
        flag: "--quic",
        socket: "UDP",
        path: "",
        addresses: |settings| &settings.quic,
        open: |opening| {
            // RFC 9001 4.2: no version below 1.3
            let tls = opening.tls(&[&TLS13], &[ALPN])?;
            let buffer = opening.context.limits.udp_socket_buffer;
            let socket =
                bind::bind_udp(opening.address, buffer, &opening.context.descriptors).map_err(OpenError::Bind)?;
            start(socket, tls, opening).map_err(OpenError::other)
        },
    }
}

/// Accepts on `socket`; must be called inside the runtime.
fn start<R: Resolve>(socket: UdpSocket, tls: rustls::ServerConfig, opening: &Opening<'_, R>) -> io::Result<Running> {
    let Opening { context, connections, alive, .. } = *opening;
    let bound = socket.local_addr()?;
    let config = config(tls, &context.limits).map_err(io::Error::other)?;
    let (running, stopped) = Running::new(bound, &context.descriptors, &socket)?;
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))?;
    let (working, all_done) = mpsc::channel(1);
    let accepting = QuicAccepting {
        endpoint,
        bound,
        context: Arc::clone(context),
        connections: Arc::clone(connections),
        handshakes: Arc::new(()),
        stopped,
        working,
    };
    let alive = alive.clone();
    context.runtime.spawn(async move {
        accepting.run(all_done).await;
        drop(alive);
    });
    Ok(running)
}

fn config(
    tls: rustls::ServerConfig,
    limits: &Limits,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::try_from(limits.tcp_pipeline as u64)?)
        // RFC 9250 4.2: clients open bidirectional streams only
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(u64::from(CONNECTION_WINDOW))
        // twice, as a connection that has asked nothing for the time is told so before
        .max_idle_timeout(Some(IdleTimeout::try_from(2 * limits.tcp_idle)?));
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config
        .transport_config(Arc::new(transport))
        .migration(false)
        .max_incoming(limits.tcp_connections)
        .incoming_buffer_size(BEFORE_ACCEPT)
        .incoming_buffer_size_total(BEFORE_ACCEPT_ALL);
    Ok(config)
}

/// The accept loop of one listener.
struct QuicAccepting<R> {
    endpoint: Endpoint,
    bound: SocketAddr,
    context: Arc<ServeContext<R>>,
    connections: Arc<ConnectionTable>,
    /// Held once by each handshake under way.
    handshakes: Arc<()>,
    stopped: Stopped,
    /// Held by each connection.
    working: mpsc::Sender<()>,
}

impl<R: Resolve> QuicAccepting<R> {
    async fn run(mut self, mut all_done: mpsc::Receiver<()>) {
        loop {
            let incoming = tokio::select! {
                biased;
                _ = self.stopped.accepting_ends() => break,
                incoming = self.endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else {
                tracing::error!(quic = %self.bound, "the socket failed; QUIC is not served there any more");
                return;
            };
            self.serve(incoming);
        }
        self.endpoint.set_server_config(None);
        drop(self.working);
        all_done.recv().await;
        // the clients are told; whether they hear it is not worth a long wait
        let _ = timeout(GOODBYE, self.endpoint.wait_idle()).await;
    }

    /// Starts a task for the connection, or says no where there are too many.
    fn serve(&self, incoming: quinn::Incoming) {
        let peer = incoming.remote_address();
        if Arc::strong_count(&self.handshakes) > RETRY_FROM
            && incoming.may_retry()
            && !incoming.remote_address_validated()
        {
            if let Err(error) = incoming.retry() {
                error.into_incoming().refuse();
            }
            return;
        }
        // a wildcard listener learns here which address was asked
        let local = SocketAddr::new(incoming.local_ip().unwrap_or(self.bound.ip()), self.bound.port());
        let refused = |because| self.context.refusals.count(Transport::Quic, because, peer.ip());
        let is_stranger = self.context.resolver.is_stranger(local, peer.ip());
        let slot = match self.connections.admit(peer.ip(), is_stranger) {
            Ok(admitted) => {
                if admitted.took_place {
                    refused(RefusedBecause::Displaced);
                }
                admitted.slot
            }
            Err(because) => {
                incoming.refuse();
                return refused(because);
            }
        };
        let connecting = match incoming.accept() {
            Ok(connecting) => connecting,
            Err(error) => {
                tracing::debug!(%peer, %error, "a handshake failed");
                return refused(RefusedBecause::Handshake);
            }
        };
        let handshake = Arc::clone(&self.handshakes);
        let from = Origin { peer, local, transport: Transport::Quic, is_stranger, heartbeat: slot.heartbeat() };
        let (context, mut stopped, working) = (Arc::clone(&self.context), self.stopped.clone(), self.working.clone());
        self.context.runtime.spawn(async move {
            let serving = async {
                let shaken = shake_hands(connecting, handshake_time(&from, &context), &mut stopped).await;
                drop(handshake);
                match shaken {
                    Ok(connection) => connection::serve(connection, from, context, stopped).await,
                    Err(error) => {
                        tracing::debug!(%peer, error, "a handshake failed");
                        context.refusals.count(Transport::Quic, RefusedBecause::Handshake, peer.ip());
                    }
                }
            };
            tokio::select! {
                () = serving => {}
                () = slot.taken() => {}
            }
            drop((slot, working));
        });
    }
}

/// The connection, if the handshake comes to its end in time and before the server stops.
async fn shake_hands(
    connecting: Connecting,
    patience: Duration,
    stopped: &mut Stopped,
) -> Result<quinn::Connection, String> {
    tokio::select! {
        done = timeout(patience, connecting) => match done {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(late) => Err(late.to_string()),
        },
        _ = stopped.accepting_ends() => Err("the server stops".to_owned()),
    }
}

#[cfg(test)]
mod tests;

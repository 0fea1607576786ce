//! The TCP front: accepts connections, within the caps, and gives each to what is spoken there: [`Spoken`].
//!
//! Nothing that `accept` can report ends the loop: a client that gave up is no reason to stop listening, and a lack
//! of descriptors passes. A stranger is closed at once where the protocol has no way to say later who one is, which is
//! the TCP form of REFUSED. Knows no DNS and no framing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::resolve::Resolve;
use crate::serve::bind;
use crate::serve::common::{Origin, Running, ServeContext, Stopped, UnacceptedConnections};
use crate::serve::connections::{ConnectionSlot, ConnectionTable};
use crate::serve::proxy;
use crate::serve::refusals::RefusedBecause;
use crate::serve::stream;
use crate::wire::Transport;

/// How long nothing is accepted after the machine ran out of something that accepting needs.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// What is spoken on the connections of a listener.
pub(super) trait Spoken<R>: Clone + Send + Sync + 'static {
    /// How its messages travel.
    const TRANSPORT: Transport;
    /// Whether strangers are let in, to say later who they are.
    const TAKES_STRANGERS: bool;

    /// Serves a connection from its first octet to its end, handshake included.
    fn serve(
        self,
        stream: TcpStream,
        from: Origin,
        context: Arc<ServeContext<R>>,
        stopped: Stopped,
    ) -> impl Future<Output = ()> + Send;
}

/// DNS over TCP (RFC 7766).
#[derive(Clone, Copy)]
pub(super) struct PlainTcp;

impl<R: Resolve> Spoken<R> for PlainTcp {
    const TRANSPORT: Transport = Transport::Tcp;
    const TAKES_STRANGERS: bool = false;

    fn serve(
        self,
        stream: TcpStream,
        from: Origin,
        context: Arc<ServeContext<R>>,
        stopped: Stopped,
    ) -> impl Future<Output = ()> + Send {
        stream::serve(stream, from, context, stopped)
    }
}

/// Accepts on `listener`, which is bound to `bound`; must be called inside the runtime.
///
/// `alive` is held by the listener and by each of its connections.
pub(super) fn start<R: Resolve, S: Spoken<R>>(
    listener: std::net::TcpListener,
    bound: SocketAddr,
    spoken: S,
    context: &Arc<ServeContext<R>>,
    connections: &Arc<ConnectionTable>,
    alive: &mpsc::Sender<()>,
) -> io::Result<Running> {
    listener.set_nonblocking(true)?;
    let (running, stopped) = Running::new(bound, &context.descriptors, &listener)?;
    let door = Arc::new(Door {
        bound,
        spoken,
        context: Arc::clone(context),
        connections: Arc::clone(connections),
        stopped: stopped.clone(),
        alive: alive.clone(),
    });
    let accepting = Accepting { listener: TcpListener::from_std(listener)?, stopped, door };
    context.runtime.spawn(accepting.run());
    Ok(running)
}

/// The accept loop of one listener.
struct Accepting<R, S> {
    listener: TcpListener,
    stopped: Stopped,
    door: Arc<Door<R, S>>,
}

impl<R: Resolve, S: Spoken<R>> Accepting<R, S> {
    async fn run(mut self) {
        let mut exhausted = false;
        let waiting = loop {
            let accepted = tokio::select! {
                biased;
                waiting = self.stopped.accepting_ends() => break waiting,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    exhausted = false;
                    self.door.serve(stream, peer);
                }
                Err(error) => {
                    let Some(pause) = pause_after(&error) else { continue };
                    if !std::mem::replace(&mut exhausted, true) {
                        tracing::warn!(listen = %self.door.bound, %error, "cannot accept connections for now");
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        };
        if waiting == UnacceptedConnections::Leave {
            return;
        }
        // The kernel has shaken hands with those that wait still: they get the answers to what they have sent.
        for _ in 0..bind::BACKLOG {
            let Ok(Ok((stream, peer))) = timeout(stream::LAST_WAIT, self.listener.accept()).await else { break };
            self.door.serve(stream, peer);
        }
    }
}

/// What becomes of a connection that was accepted.
struct Door<R, S> {
    bound: SocketAddr,
    spoken: S,
    context: Arc<ServeContext<R>>,
    connections: Arc<ConnectionTable>,
    stopped: Stopped,
    alive: mpsc::Sender<()>,
}

impl<R: Resolve, S: Spoken<R>> Door<R, S> {
    /// Starts a task for the connection, or closes it.
    fn serve(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        if self.context.proxies.contain(peer.ip()) {
            self.serve_proxied(stream, peer);
        } else {
            self.serve_client(stream, peer);
        }
    }

    /// The same for a connection of a proxy, which says first whom it is from.
    fn serve_proxied(self: &Arc<Self>, mut stream: TcpStream, peer: SocketAddr) {
        let Some(slot) = self.admit(peer.ip(), false) else { return };
        let door = Arc::clone(self);
        self.context.runtime.spawn(async move {
            let said = tokio::select! {
                said = proxy::read_proxied(&mut stream) => said,
                () = slot.taken() => return,
            };
            // from here on it counts as its client's
            drop(slot);
            match said {
                Ok(client) => door.serve_client(stream, client.or(peer)),
                Err(_) => door.context.refusals.count(S::TRANSPORT, RefusedBecause::Proxy, peer.ip()),
            }
        });
    }

    fn serve_client(&self, stream: TcpStream, peer: SocketAddr) {
        // a wildcard listener learns here which address was asked
        let local = stream.local_addr().unwrap_or(self.bound);
        let is_stranger = self.context.resolver.is_stranger(local, peer.ip());
        if is_stranger && !S::TAKES_STRANGERS {
            return self.context.refusals.count(S::TRANSPORT, RefusedBecause::Stranger, peer.ip());
        }
        let Some(slot) = self.admit(peer.ip(), is_stranger) else { return };
        // A reply is written at once and whole: there is nothing that Nagle's algorithm could wait for.
        let _ = stream.set_nodelay(true);
        let from = Origin { peer, local, transport: S::TRANSPORT, is_stranger, heartbeat: slot.heartbeat() };
        let serving = self.spoken.clone().serve(stream, from, Arc::clone(&self.context), self.stopped.clone());
        let alive = self.alive.clone();
        self.context.runtime.spawn(async move {
            tokio::select! {
                () = serving => {}
                () = slot.taken() => {}
            }
            drop((slot, alive));
        });
    }

    /// A slot for a connection of `peer`; `None`: it is refused.
    fn admit(&self, peer: IpAddr, is_stranger: bool) -> Option<ConnectionSlot> {
        let refused = |because| self.context.refusals.count(S::TRANSPORT, because, peer);
        match self.connections.admit(peer, is_stranger) {
            Ok(admitted) => {
                if admitted.took_place {
                    refused(RefusedBecause::Displaced);
                }
                Some(admitted.slot)
            }
            Err(because) => {
                refused(because);
                None
            }
        }
    }
}

/// How long to wait after `accept` failed; `None`: go on at once.
pub(crate) fn pause_after(error: &io::Error) -> Option<Duration> {
    match error.raw_os_error() {
        // the client's doing, or the network's: accept(2) wants these treated as "try again"
        Some(
            libc::ECONNABORTED
            | libc::EINTR
            | libc::EAGAIN
            | libc::EPERM
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENONET
            | libc::EOPNOTSUPP
            | libc::ETIMEDOUT
            | libc::ECONNRESET,
        ) => None,
        // out of descriptors or memory; anything unknown must not spin either
        _ => Some(EXHAUSTED_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;
    use crate::config::Limits;
    use crate::serve::testing::{PATIENCE, STRANGER, Scripted, limits, listen};

    /// The reply to one question from this address; empty where the connection is closed.
    async fn ask_from(ip: IpAddr, server: SocketAddr) -> Vec<u8> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(ip, 0)).unwrap();
        let mut stream = socket.connect(server).await.unwrap();
        let mut reply = Vec::new();
        // whoever is refused may find the connection closed at any of these
        let exchange = async {
            stream.write_all(b"\0\x01x").await?;
            stream.shutdown().await?;
            stream.read_to_end(&mut reply).await
        };
        let _ = timeout(PATIENCE, exchange).await.unwrap();
        reply
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stranger_is_closed_at_once_and_others_are_not() {
        let (_listeners, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0"]);
        for _ in 0..3 {
            assert_eq!(ask_from(STRANGER, addresses[0]).await, b"");
            assert_eq!(ask_from("127.0.0.7".parse().unwrap(), addresses[0]).await, b"\0\x01x");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_gets_in_while_idle_connections_hold_every_slot() {
        let few = Limits { tcp_connections: 16, tcp_connections_per_client: 16, ..limits() };
        let (_listeners, addresses) = listen(&Scripted::new(), &few, &["127.0.0.1:0"]);
        let mut idle = Vec::new();
        for _ in 0..40 {
            idle.push(TcpStream::connect(addresses[0]).await.unwrap());
        }
        for client in 1..20 {
            let ip = IpAddr::from([127, 0, 2, client]);
            assert_eq!(ask_from(ip, addresses[0]).await, b"\0\x01x");
        }
    }

    #[test]
    fn no_error_ends_the_loop_and_none_makes_it_spin() {
        for code in [libc::ECONNABORTED, libc::EINTR, libc::EPROTO] {
            assert_eq!(pause_after(&io::Error::from_raw_os_error(code)), None);
        }
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EBADF] {
            assert!(pause_after(&io::Error::from_raw_os_error(code)).is_some());
        }
    }
}

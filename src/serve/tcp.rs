//! The TCP front: accepts connections, within the caps, and gives each to [`stream`], or through TLS to that or to
//! [`doh`]. A handshake is part of a connection's own task, so that a client which stalls in it holds up nobody.
//!
//! Nothing that `accept` can report ends the loop: a client that gave up is no reason to stop listening, and a lack
//! of descriptors passes. Knows no DNS and no framing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Limits;
use crate::resolve::Resolve;
use crate::serve::admission::Admission;
use crate::serve::common::{Origin, Shared};
use crate::serve::{doh, stream};
use crate::wire::Transport;

/// Connections that may wait to be accepted.
pub(super) const BACKLOG: i32 = 1024;

/// How long nothing is accepted after the machine ran out of something that accepting needs.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// The listener of one address.
pub(super) struct TcpFront {
    stop: watch::Sender<bool>,
}

impl TcpFront {
    /// Accepts on `listener`, which is bound to `bound`; must be called inside the runtime.
    ///
    /// `alive` is held by the listener and by each of its connections.
    pub(super) fn start<R: Resolve>(
        listener: std::net::TcpListener,
        bound: SocketAddr,
        speaks: Speaks,
        shared: &Arc<Shared<R>>,
        connections: &Arc<Admission>,
        alive: &mpsc::Sender<()>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (stop, stopped) = watch::channel(false);
        let acceptor = Acceptor {
            listener: TcpListener::from_std(listener)?,
            bound,
            speaks,
            shared: Arc::clone(shared),
            connections: Arc::clone(connections),
            stopped,
            alive: alive.clone(),
        };
        shared.runtime.spawn(acceptor.run());
        Ok(Self { stop })
    }

    /// Accepts no more; connections answer what they have been asked, and close.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Drop for TcpFront {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What is spoken on the connections of a listener.
#[derive(Clone)]
pub(super) enum Speaks {
    /// DNS over TCP (RFC 7766).
    Plain,
    /// DNS over TLS (RFC 7858).
    Tls(TlsAcceptor),
    /// DNS over HTTPS (RFC 8484).
    Https(TlsAcceptor),
}

struct Acceptor<R> {
    listener: TcpListener,
    bound: SocketAddr,
    speaks: Speaks,
    shared: Arc<Shared<R>>,
    connections: Arc<Admission>,
    stopped: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
}

impl<R: Resolve> Acceptor<R> {
    async fn run(mut self) {
        let mut exhausted = false;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stopped.wait_for(|stopped| *stopped) => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    exhausted = false;
                    self.serve(stream, peer);
                }
                Err(error) => {
                    let Some(pause) = pause_after(&error) else { continue };
                    if !std::mem::replace(&mut exhausted, true) {
                        tracing::warn!(listen = %self.bound, %error, "cannot accept connections for now");
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
        // The kernel has shaken hands with those that wait still: they get the answers to what they have sent.
        for _ in 0..BACKLOG {
            let Ok(Ok((stream, peer))) = timeout(stream::LAST_WAIT, self.listener.accept()).await else { break };
            self.serve(stream, peer);
        }
    }

    /// Starts a task for the connection, or closes it where there are too many.
    ///
    /// The new one is closed, not the idlest: that one is closed by its idle timeout anyway, and a client that is
    /// turned away knows at once and may come back, while one whose connection vanishes has to guess what was
    /// answered (RFC 7766 10 asks for limits, and leaves them to the server).
    fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(ticket) = self.connections.admit(peer.ip()) else {
            tracing::debug!(%peer, "too many TCP connections");
            return;
        };
        // A reply is written at once and whole: there is nothing that Nagle's algorithm could wait for.
        let _ = stream.set_nodelay(true);
        // a wildcard listener learns here which address was asked
        let local = stream.local_addr().unwrap_or(self.bound);
        let (shared, mut stopped, alive) = (Arc::clone(&self.shared), self.stopped.clone(), self.alive.clone());
        let speaks = self.speaks.clone();
        let from = move |transport| Origin { peer, local, transport };
        self.shared.runtime.spawn(async move {
            match speaks {
                Speaks::Plain => stream::serve(stream, from(Transport::Tcp), shared, stopped).await,
                // what TLS and HTTP need is put apart, so that plain connections do not have to hold room for it
                Speaks::Tls(tls) => {
                    if let Some(stream) = shake_hands(&tls, stream, peer, &shared.limits, &mut stopped).await {
                        Box::pin(stream::serve(stream, from(Transport::Tls), shared, stopped)).await;
                    }
                }
                Speaks::Https(tls) => {
                    if let Some(stream) = shake_hands(&tls, stream, peer, &shared.limits, &mut stopped).await {
                        Box::pin(doh::serve(stream, from(Transport::Https), shared, stopped)).await;
                    }
                }
            }
            drop((ticket, alive));
        });
    }
}

/// The encrypted stream, if the handshake comes to its end in time and before the server stops.
async fn shake_hands(
    tls: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    limits: &Limits,
    stopped: &mut watch::Receiver<bool>,
) -> Option<Box<TlsStream<TcpStream>>> {
    let done = tokio::select! {
        done = timeout(limits.tls_handshake, Box::pin(tls.accept(stream))) => done,
        _ = stopped.wait_for(|stopped| *stopped) => return None,
    };
    match done.unwrap_or_else(|late| Err(late.into())) {
        Ok(stream) => Some(Box::new(stream)),
        Err(error) => {
            tracing::debug!(%peer, %error, "a handshake failed");
            None
        }
    }
}

/// How long to wait after `accept` failed; `None`: go on at once.
fn pause_after(error: &io::Error) -> Option<Duration> {
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
    use super::*;

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

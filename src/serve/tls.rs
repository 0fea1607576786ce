//! TLS below a protocol: the handshake, as part of a connection's own task, so that a client which stalls in it holds up
//! nobody.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::serve::common::{Origin, ServeContext, Stopped};
use crate::serve::refusals::RefusedBecause;

/// Most time for the handshake of a stranger.
const STRANGERS_HANDSHAKE: Duration = Duration::from_secs(2);

/// The encrypted stream, if the handshake comes to its end in time and before the server stops.
pub(super) async fn shake_hands<R>(
    tls: &TlsAcceptor,
    stream: TcpStream,
    from: &Origin,
    context: &Arc<ServeContext<R>>,
    stopped: &mut Stopped,
) -> Option<Box<TlsStream<TcpStream>>> {
    let done = tokio::select! {
        done = timeout(handshake_time(from, context), Box::pin(tls.accept(stream))) => done,
        () = stopped.closing() => return None,
    };
    match done.unwrap_or_else(|late| Err(late.into())) {
        Ok(stream) => Some(Box::new(stream)),
        Err(error) => {
            tracing::debug!(peer = %from.peer, %error, "a handshake failed");
            context.refusals.count(from.transport, RefusedBecause::Handshake, from.peer.ip());
            None
        }
    }
}

/// How long the handshake of this client may take.
pub(super) fn handshake_time<R>(from: &Origin, context: &ServeContext<R>) -> Duration {
    let most = context.limits.tls_handshake;
    if from.is_stranger { most.min(STRANGERS_HANDSHAKE) } else { most }
}

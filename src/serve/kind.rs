//! What a kind of encrypted listener is. Each is declared in the file that serves it, and listed in `mod.rs`.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::config::Settings;
use crate::resolve::Resolve;
use crate::serve::bind::{self, BindError};
use crate::serve::certificates::Certificates;
use crate::serve::common::{Running, ServeContext};
use crate::serve::connections::ConnectionTable;
use crate::serve::tcp::{self, Spoken};
use crate::wire::Transport;

/// A kind of listener: all that the rest of the server has to know of it.
pub(super) struct ListenerKind<R> {
    /// How its messages travel; its name is the scheme of its URLs.
    pub(super) transport: Transport,
    /// The flag that opens such an address.
    pub(super) flag: &'static str,
    /// The transport of its socket: `UDP` or `TCP`.
    pub(super) socket: &'static str,
    /// The path of its URLs.
    pub(super) path: &'static str,
    /// The addresses that the settings ask for.
    pub(super) addresses: fn(&Settings) -> &[SocketAddr],
    /// Opens one, inside the runtime.
    pub(super) open: fn(&Opening<'_, R>) -> Result<Running, OpenError>,
}

/// What opening an address takes.
pub(super) struct Opening<'o, R> {
    pub(super) address: SocketAddr,
    pub(super) certificates: &'o Arc<Certificates>,
    pub(super) context: &'o Arc<ServeContext<R>>,
    pub(super) connections: &'o Arc<ConnectionTable>,
    /// To be held by the listener and by each of its connections.
    pub(super) alive: &'o mpsc::Sender<()>,
}

/// Why an address could not be opened.
pub(super) enum OpenError {
    /// Its socket could not be bound.
    Bind(BindError),
    /// Anything else, in words.
    Other(String),
}

impl OpenError {
    /// An error of another kind.
    pub(super) fn other(error: impl Display) -> Self {
        Self::Other(error.to_string())
    }
}

impl<R: Resolve> Opening<'_, R> {
    /// TLS with the server's certificates, for these versions and these protocols in ALPN (RFC 7301).
    pub(super) fn tls(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> Result<ServerConfig, OpenError> {
        self.certificates.config(versions, alpn).map_err(OpenError::other)
    }

    /// Opens a TCP listener on which `spoken` is spoken inside TLS.
    pub(super) fn over_tls<S: Spoken<R>>(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
        spoken: impl FnOnce(TlsAcceptor) -> S,
    ) -> Result<Running, OpenError> {
        let spoken = spoken(TlsAcceptor::from(Arc::new(self.tls(versions, alpn)?)));
        let listener = bind::bind_tcp(self.address, &self.context.descriptors).map_err(OpenError::Bind)?;
        let actual = listener.local_addr().map_err(OpenError::other)?;
        tcp::start(listener, actual, spoken, self.context, self.connections, self.alive).map_err(OpenError::other)
    }
}

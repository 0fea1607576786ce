//! The encrypted listeners, opened once at the start: DoT, DoH and DoQ with one certificate.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::problem::{Place, Problem};
use crate::resolve::Resolve;
use crate::serve::admission::Admission;
use crate::serve::bind::{self, BindError};
use crate::serve::certificates::Certificates;
use crate::serve::common::Shared;
use crate::serve::doq::{self, QuicFront};
use crate::serve::tcp::{Speaks, TcpFront};
use crate::serve::{doh, listeners};

/// What is spoken at an encrypted address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl Scheme {
    /// The flag that opens such an address.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Tls => "--tls",
            Self::Https => "--https",
            Self::Quic => "--quic",
        }
    }
}

/// An encrypted address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// What is spoken there.
    pub scheme: Scheme,
    /// Where.
    pub address: SocketAddr,
}

/// `https://127.0.0.1:443/dns-query`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, address } = self;
        match scheme {
            Scheme::Tls => write!(f, "tls://{address}"),
            Scheme::Https => write!(f, "https://{address}{}", doh::PATH),
            Scheme::Quic => write!(f, "quic://{address}"),
        }
    }
}

/// An encrypted address that is open.
pub(super) struct Listener {
    pub(super) address: Address,
    front: Front,
    done: mpsc::Receiver<()>,
}

enum Front {
    Tcp(TcpFront),
    Quic(QuicFront),
}

impl Listener {
    /// Opens `wanted`; must be called inside the runtime.
    pub(super) fn open<R: Resolve>(
        wanted: Address,
        certificates: &Arc<Certificates>,
        shared: &Arc<Shared<R>>,
        connections: &Arc<Admission>,
    ) -> Result<Self, Problem> {
        let Address { scheme, address } = wanted;
        let place = || Place::whole(scheme.flag());
        let busy = |error: BindError| bind::problem(place(), scheme.flag(), address, &error);
        let failed =
            |error: &dyn fmt::Display| Problem::error(place(), format!("cannot listen on {address}: {error}"), "");
        let tls = |versions: &[_], alpn: &[&[u8]]| certificates.config(versions, alpn).map_err(|e| failed(&e));
        let (alive, done) = mpsc::channel(1);
        let (actual, front) = match scheme {
            Scheme::Tls | Scheme::Https => {
                let both = [&TLS12, &TLS13];
                let speaks = match scheme {
                    Scheme::Tls => Speaks::Tls(TlsAcceptor::from(Arc::new(tls(&both, &[b"dot"])?))),
                    _ => Speaks::Https(TlsAcceptor::from(Arc::new(tls(&both, &[b"h2", b"http/1.1"])?))),
                };
                let listener = bind::bind_tcp(address).map_err(busy)?;
                let actual = listener.local_addr().map_err(|e| failed(&e))?;
                let front = TcpFront::start(listener, actual, speaks, shared, connections, &alive);
                (actual, Front::Tcp(front.map_err(|e| failed(&e))?))
            }
            Scheme::Quic => {
                // RFC 9001 4.2: no version below 1.3
                let tls = tls(&[&TLS13], &[doq::ALPN])?;
                let socket = bind::bind_udp(address, shared.limits.udp_socket_buffer).map_err(busy)?;
                let actual = socket.local_addr().map_err(|e| failed(&e))?;
                let front = QuicFront::start(socket, actual, tls, shared, connections, &alive);
                (actual, Front::Quic(front.map_err(|e| failed(&e))?))
            }
        };
        Ok(Self { address: Address { scheme, address: actual }, front, done })
    }

    /// Accepts no more; connections answer what they have been asked, and close.
    pub(super) fn close(self) -> listeners::Draining {
        match &self.front {
            Front::Tcp(front) => front.stop(),
            Front::Quic(front) => front.stop(),
        }
        listeners::Draining { actual: self.address.address, done: self.done }
    }
}

#[cfg(test)]
mod tests;

//! The encrypted listeners, opened once at the start: every kind that there is, with one certificate.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::config::Settings;
use crate::problem::{Place, Problem};
use crate::resolve::{Resolve, Resolver};
use crate::serve::bind;
use crate::serve::certificates::Certificates;
use crate::serve::common::{Draining, Running, ServeContext};
use crate::serve::connections::ConnectionTable;
use crate::serve::kind::{ListenerKind, OpenError, Opening};
use crate::serve::kinds;
use crate::wire::Transport;

/// An encrypted address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// What is spoken there.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl Address {
    /// The encrypted addresses that the settings ask for.
    pub fn wanted(settings: &Settings) -> Vec<Self> {
        let of_kind = |kind: ListenerKind<Resolver>| {
            let addresses = (kind.addresses)(settings).iter();
            addresses.map(move |address| Self { transport: kind.transport, address: *address }).collect::<Vec<_>>()
        };
        kinds().flat_map(of_kind).collect()
    }

    /// The flag that opens such an address: `--tls`.
    pub fn flag(&self) -> &'static str {
        self.kind().map_or("", |kind| kind.flag)
    }

    /// The transport of its socket: `UDP` or `TCP`.
    pub fn socket(&self) -> &'static str {
        self.kind().map_or("", |kind| kind.socket)
    }

    fn kind(&self) -> Option<ListenerKind<Resolver>> {
        kinds().find(|kind| kind.transport == self.transport)
    }
}

/// `https://127.0.0.1:443/dns-query`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.kind().map_or("", |kind| kind.path);
        write!(f, "{}://{}{path}", self.transport.name(), self.address)
    }
}

/// An encrypted address that is open.
pub(super) struct EncryptedListener {
    pub(super) address: Address,
    running: Running,
    done: mpsc::Receiver<()>,
}

impl EncryptedListener {
    /// Opens `wanted`; must be called inside the runtime.
    pub(super) fn open<R: Resolve>(
        wanted: Address,
        certificates: &Arc<Certificates>,
        context: &Arc<ServeContext<R>>,
        connections: &Arc<ConnectionTable>,
    ) -> Result<Self, Problem> {
        let Address { transport, address } = wanted;
        let place = Place::whole(wanted.flag());
        let failed = |error| Problem::error(place.clone(), format!("cannot listen on {address}: {error}"), "");
        let Some(kind) = kinds().find(|kind| kind.transport == transport) else {
            return Err(failed(format!("there is no encrypted listener for {}", transport.name())));
        };
        let (alive, done) = mpsc::channel(1);
        let opening = Opening { address, certificates, context, connections, alive: &alive };
        let running = (kind.open)(&opening).map_err(|error| match error {
            OpenError::Bind(error) => bind::problem(place.clone(), kind.flag, address, &error),
            OpenError::Other(error) => failed(error),
        })?;
        Ok(Self { address: Address { transport, address: running.actual }, running, done })
    }

    /// Accepts no more; connections answer what they have been asked, and close.
    pub(super) fn close(mut self) -> Draining {
        self.running.stop();
        Draining { actual: self.address.address, done: self.done, left: None }
    }

    /// Accepts no more, as a successor does; connections go on.
    pub(super) fn leave(self) -> Draining {
        self.running.leave();
        Draining { actual: self.address.address, done: self.done, left: Some(self.running) }
    }
}

#[cfg(test)]
mod tests;

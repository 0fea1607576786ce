//! A client's connection without a socket, for the fuzz targets: octets in, in pieces of any size, and octets out.
//!
//! What is run is what a listener runs once it has accepted, and shaken hands where that is done.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;

use super::certificates::Certificates;
use super::common::{Identities, Origin, ServeContext, Stopped};
use super::connections::Heartbeat;
use super::{doh, stream};
use crate::config::Limits;
use crate::descriptors::Descriptors;
use crate::resolve::Resolve;
use crate::wire::Transport;

/// Serves connections that are in memory.
#[doc(hidden)]
pub struct InMemoryServer<R> {
    shared: Arc<ServeContext<R>>,
    stopped: Stopped,
}

impl<R: Resolve> InMemoryServer<R> {
    /// Answers by `resolver`; what waits for an upstream waits in `runtime`.
    pub fn new(resolver: Arc<R>, runtime: Handle, identities: Identities) -> Self {
        let (limits, descriptors) = (Limits::default(), Descriptors::default());
        let shared = ServeContext::new(resolver, limits, Arc::default(), runtime, descriptors, identities);
        Self { shared: Arc::new(shared), stopped: Stopped::never() }
    }

    /// All that a client reads that says `octets` over TCP, at most `size` of them on their way at a time, in either
    /// direction.
    pub async fn tcp(&self, octets: &[u8], size: usize) -> Vec<u8> {
        let (client, end) = tokio::io::duplex(size);
        let serving = stream::serve(end, origin(Transport::Tcp), Arc::clone(&self.shared), self.stopped.clone());
        tokio::join!(serving, converse(client, octets)).1
    }

    /// The same behind the TLS of HTTPS.
    pub async fn https(&self, octets: &[u8], size: usize, certificates: &Arc<Certificates>) -> Vec<u8> {
        let (client, end) = tokio::io::duplex(size);
        let from = origin(Transport::Https);
        let (certificates, shared) = (Arc::clone(certificates), Arc::clone(&self.shared));
        let serving = doh::connection::serve(end, from, certificates, shared, self.stopped.clone());
        tokio::join!(serving, converse(client, octets)).1
    }
}

/// A client on this machine.
fn origin(transport: Transport) -> Origin {
    let [peer, local] = [4711, 53].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    Origin { peer, local, transport, is_stranger: false, heartbeat: Heartbeat::default() }
}

/// Says all, and reads until the server has said all.
async fn converse(client: tokio::io::DuplexStream, octets: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = tokio::io::split(client);
    let says = async {
        // a server that has heard enough may close before the end
        let _ = write.write_all(octets).await;
        let _ = write.shutdown().await;
    };
    let mut heard = Vec::new();
    let _ = tokio::join!(says, read.read_to_end(&mut heard)).1;
    heard
}

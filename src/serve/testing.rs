//! A respondent for tests of the transports: does what the packet says.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::problem::{At, Place};
use crate::serve::listeners::Listeners;
use crate::serve::respond::{Incoming, Outcome};
use crate::serve::respondent::{RespondBatch, Respondent};

/// Answers `silent` with nothing, `big:N` with N octets, `local:` with the address that was asked, `hold:` once
/// [`Scripted::hold`] has a permit, `slow:` as a question for an upstream, once [`Scripted::gate`] has a permit,
/// `panic` with a panic and anything else as it is.
pub(super) struct Scripted {
    pub(super) gate: Semaphore,
    pub(super) hold: Semaphore,
    pub(super) held: AtomicUsize,
    pub(super) batches: AtomicUsize,
}

impl Scripted {
    pub(super) fn new() -> Arc<Self> {
        let (held, batches) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { gate: Semaphore::new(0), hold: Semaphore::new(0), held, batches })
    }
}

impl Respondent for Scripted {
    type Batch<'r> = &'r Self;

    fn batch(&self) -> &Self {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self
    }

    async fn resolve(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        self.gate.acquire().await.unwrap().forget();
        Some(incoming.packet.to_vec())
    }

    fn overloaded(&self, _: Incoming<'_>) -> Option<Vec<u8>> {
        Some(b"overloaded".to_vec())
    }
}

impl RespondBatch for &Scripted {
    fn respond(&self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        let packet = incoming.packet;
        let reply = if packet == b"silent" {
            return Outcome::Silent;
        } else if packet == b"panic" {
            panic!("as told");
        } else if packet.starts_with(b"slow:") {
            return Outcome::Slow;
        } else if packet.starts_with(b"hold:") {
            self.held.fetch_add(1, Ordering::Release);
            while self.hold.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_err() {
                std::thread::yield_now();
            }
            packet.to_vec()
        } else if packet.starts_with(b"local:") {
            incoming.local.to_string().into_bytes()
        } else if let Some(len) = packet.strip_prefix(b"big:") {
            vec![7; String::from_utf8_lossy(len).parse().unwrap()]
        } else {
            packet.to_vec()
        };
        out[..reply.len()].copy_from_slice(&reply);
        Outcome::Reply(reply.len())
    }
}

/// Longest wait of a test for something that should be there at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Listeners on `addresses`, and what those really are.
pub(super) fn listen(
    scripted: &Arc<Scripted>,
    limits: &Limits,
    addresses: &[&str],
) -> (Listeners<Scripted>, Vec<SocketAddr>) {
    let mut listeners = Listeners::new(Arc::clone(scripted), limits, Handle::current());
    let wanted = wanted(addresses);
    assert_eq!(listeners.apply(&wanted), []);
    let actual = listeners.addresses().iter().map(|open| open.actual).collect();
    (listeners, actual)
}

/// Addresses as if they had been written somewhere.
pub(super) fn wanted(addresses: &[&str]) -> Vec<At<SocketAddr>> {
    addresses.iter().map(|a| At::new(a.parse().unwrap(), Place::whole("--listen"))).collect()
}

/// Small limits, so that tests reach them.
pub(super) fn limits() -> Limits {
    Limits { udp_workers: 2, udp_socket_buffer: 1 << 20, ..Limits::default() }
}

/// A client's socket of the family of `server`, which gives up after [`PATIENCE`].
pub(super) fn client(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The next datagram, and where it came from.
pub(super) fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 4096];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (String::from_utf8_lossy(&buffer[..len]).into_owned(), from)
}

/// Waits until `done`, which other threads bring about.
pub(super) async fn until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

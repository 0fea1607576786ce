//! A respondent for tests of the transports: does what the packet says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::Limits;
use crate::descriptors::Descriptors;
use crate::forward::{Failure, FirstQuery, Heard, HeardReceiver};
use crate::naming::VpcId;
use crate::problem::{At, Place};
use crate::resolve::{Incoming, Outcome, Resolve};
use crate::serve::certificates::Certificates;
use crate::serve::common::Identities;
use crate::serve::encrypted::Address;
use crate::serve::listeners::Listeners;
use crate::wire::Transport;

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

/// Goes on with no question, as none is begun.
pub(super) struct Nothing;

impl From<((), HeardReceiver)> for Nothing {
    fn from(_: ((), HeardReceiver)) -> Self {
        Self
    }
}

/// The one address on this machine that counts as a stranger's.
pub(super) const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 9));

/// The one VPC that there is.
pub(super) const VPC: &str = "vpc-00000001";

impl Resolve for Scripted {
    type Batch<'r> = &'r Self;
    type Begun = ();
    type Unfinished = Nothing;

    fn batch(&self) -> &Self {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self
    }

    fn try_resolve(&self, _: &&Self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        // DoQ wants an id, which is 0 there
        let packet = incoming.packet.strip_prefix(b"\0\0").unwrap_or(incoming.packet);
        let reply = if packet == b"silent" {
            return Outcome::Silent;
        } else if packet == b"panic" {
            panic!("as told");
        } else if packet.starts_with(b"slow:") {
            return Outcome::Pending;
        } else if packet.starts_with(b"hold:") {
            self.held.fetch_add(1, Ordering::Release);
            while self.hold.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_err() {
                std::thread::yield_now();
            }
            incoming.packet.to_vec()
        } else if packet.starts_with(b"local:") {
            incoming.local.to_string().into_bytes()
        } else if let Some(len) = packet.strip_prefix(b"big:") {
            vec![7; String::from_utf8_lossy(len).parse().unwrap()]
        } else {
            incoming.packet.to_vec()
        };
        out[..reply.len()].copy_from_slice(&reply);
        Outcome::Reply(reply.len())
    }

    async fn resolve(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        self.gate.acquire().await.unwrap().forget();
        Some(incoming.packet.to_vec())
    }

    fn begin(&self, _: &&Self, _: Incoming<'_>) -> Option<((), FirstQuery)> {
        None
    }

    fn hear(&self, (): (), _: Result<Heard, Failure>, _: &mut [u8]) -> Result<Option<usize>, Nothing> {
        Ok(None)
    }

    async fn resume(&self, _: Nothing) -> Option<Vec<u8>> {
        None
    }

    fn overloaded(&self, _: Incoming<'_>) -> Option<Vec<u8>> {
        Some(b"overloaded".to_vec())
    }

    fn is_stranger(&self, _: SocketAddr, peer: IpAddr) -> bool {
        peer == STRANGER
    }

    fn has_vpc(&self, vpc: VpcId) -> bool {
        vpc == VPC.parse().unwrap()
    }
}

/// Longest wait of a test for something that should be there at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Listeners without an address, which take their sockets out of `descriptors`.
pub(super) fn listeners(scripted: &Arc<Scripted>, limits: &Limits, descriptors: Descriptors) -> Listeners<Scripted> {
    let (counters, identities) = (Arc::default(), Identities::default());
    Listeners::new(Arc::clone(scripted), limits, counters, Handle::current(), descriptors, identities)
}

/// Listeners on `addresses`, and what those really are.
pub(super) fn listen(
    scripted: &Arc<Scripted>,
    limits: &Limits,
    addresses: &[&str],
) -> (Listeners<Scripted>, Vec<SocketAddr>) {
    let mut listeners = listeners(scripted, limits, Descriptors::default());
    let wanted = wanted(addresses);
    assert_eq!(listeners.apply(&wanted), []);
    let actual = listeners.addresses().iter().map(|open| open.actual).collect();
    (listeners, actual)
}

/// Addresses as if they had been written somewhere.
pub(super) fn wanted(addresses: &[&str]) -> Vec<At<SocketAddr>> {
    addresses.iter().map(|a| At::new(a.parse().unwrap(), Place::whole("--listen"))).collect()
}

/// A new certificate that is its own issuer, for `name`, and its key, in PEM.
pub(super) fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Encrypted listeners, and what a client needs to trust them.
pub(super) struct Encrypted {
    pub(super) listeners: Listeners<Scripted>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) certificates: Arc<Certificates>,
    /// The certificate in `dir`, in PEM.
    pub(super) cert: String,
    /// Where `cert.pem` and `key.pem` are.
    pub(super) dir: tempfile::TempDir,
}

/// One listener for each of `transports`, with a certificate for [`NAME`].
pub(super) fn encrypted(scripted: &Arc<Scripted>, limits: &Limits, transports: &[Transport]) -> Encrypted {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(NAME);
    let paths = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    std::fs::write(&paths[0], &cert).unwrap();
    std::fs::write(&paths[1], &key).unwrap();
    let certificates = Arc::new(Certificates::read(&paths[0], &paths[1]).unwrap());
    let mut listeners = listeners(scripted, limits, Descriptors::default());
    let any = "127.0.0.1:0".parse().unwrap();
    let wanted: Vec<Address> =
        transports.iter().map(|transport| Address { transport: *transport, address: any }).collect();
    assert_eq!(listeners.encrypt(&wanted, &certificates), []);
    let addresses = listeners.encrypted().iter().map(|address| address.address).collect();
    Encrypted { listeners, addresses, certificates, cert, dir }
}

/// The name of the server in its certificate.
pub(super) const NAME: &str = "dns.example";

/// TLS of a client that trusts `cert` (PEM), and offers `alpn`.
pub(super) fn client_tls(cert: &str, alpn: &[&[u8]]) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// A connection of such a client.
pub(super) async fn connect_tls(
    server: SocketAddr,
    cert: &str,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let tcp = tokio::net::TcpStream::connect(server).await?;
    TlsConnector::from(Arc::new(client_tls(cert, alpn))).connect(NAME.try_into().unwrap(), tcp).await
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

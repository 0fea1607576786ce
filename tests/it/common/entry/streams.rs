//! Connections: the framing of TCP, and requests of DNS over HTTPS, in pieces of any size.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use hickory_proto::op::Message;
use rcgen::CertifiedKey;
use tokio::runtime::{Builder, Runtime};
use vpcedns::config::Limits;
use vpcedns::forward::{Failure, FirstQuery, Heard, HeardReceiver};
use vpcedns::naming::VpcId;
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::serve::certificates::Certificates;
use vpcedns::serve::{Identities, InMemoryServer};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;
use vpcedns::wire::CookieSecret;

use super::{ZONE, apply};

/// Octets behind the length of a message, or of the body of a response.
const PREFIX: usize = 2;
/// Pieces in which the same octets come once more.
const SIZES: [usize; 6] = [1, 2, 3, 64, 1024, 4097];
/// All at once.
const WHOLE: usize = 1 << 20;

/// Repeats a message; one that begins with 0 gets no reply, one that begins with 1 has to be waited for.
struct Echo;

impl Resolve for Echo {
    type Batch<'r> = ();
    type Begun = ();
    type Unfinished = Nothing;

    fn batch(&self) -> Self::Batch<'_> {}

    fn try_resolve(&self, (): &Self::Batch<'_>, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        match incoming.packet.first() {
            Some(0) => Outcome::Silent,
            Some(1) => Outcome::Pending,
            _ => {
                out[..incoming.packet.len()].copy_from_slice(incoming.packet);
                Outcome::Reply(incoming.packet.len())
            }
        }
    }

    async fn resolve(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        tokio::task::yield_now().await;
        Some(incoming.packet.to_vec())
    }

    fn begin(&self, (): &Self::Batch<'_>, _: Incoming<'_>) -> Option<((), FirstQuery)> {
        None
    }

    fn hear(&self, (): (), _: Result<Heard, Failure>, _: &mut [u8]) -> Result<Option<usize>, Nothing> {
        Ok(None)
    }

    async fn resume(&self, _: Nothing) -> Option<Vec<u8>> {
        None
    }

    fn overloaded(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        Some(incoming.packet.to_vec())
    }

    fn is_stranger(&self, _: SocketAddr, _: IpAddr) -> bool {
        false
    }

    fn has_vpc(&self, _: VpcId) -> bool {
        false
    }
}

/// Nothing is begun, and so nothing is left to be done.
struct Nothing;

impl From<((), HeardReceiver)> for Nothing {
    fn from(_: ((), HeardReceiver)) -> Self {
        Self
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_time().build().expect("a runtime"))
}

/// Any octets over TCP: each whole message gets its reply, in whatever pieces they come; those that nobody had to wait for
/// in their order.
pub(super) fn stream(octets: &[u8]) {
    static SERVER: OnceLock<InMemoryServer<Echo>> = OnceLock::new();
    let server =
        SERVER.get_or_init(|| InMemoryServer::new(Arc::new(Echo), runtime().handle().clone(), Identities::default()));
    let (asked, _) = messages(octets);
    let at_once = |message: &&[u8]| message.first() != Some(&1);
    let wanted: Vec<&[u8]> = asked.iter().copied().filter(|message| message.first() != Some(&0)).collect();
    for size in [WHOLE, size_for(octets)] {
        let heard = runtime().block_on(server.tcp(octets, size));
        let (replies, rest) = messages(&heard);
        assert!(rest.is_empty(), "half a reply, of messages in pieces of {size}");
        assert!(replies.iter().copied().filter(at_once).eq(wanted.iter().copied().filter(at_once)), "pieces of {size}");
        let count = |messages: &[&[u8]]| -> HashMap<Vec<u8>, usize> {
            let mut counts = HashMap::new();
            for message in messages {
                *counts.entry(message.to_vec()).or_default() += 1;
            }
            counts
        };
        assert_eq!(count(&replies), count(&wanted), "pieces of {size}");
    }
}

/// The messages of a stream (RFC 1035 4.2.2), and what is left.
fn messages(mut octets: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut messages = Vec::new();
    while let Some((length, behind)) = octets.split_first_chunk::<PREFIX>()
        && let Some((message, behind)) = behind.split_at_checked(u16::from_be_bytes(*length).into())
    {
        messages.push(message);
        octets = behind;
    }
    (messages, octets)
}

/// Another size for other octets, and the same for the same.
fn size_for(octets: &[u8]) -> usize {
    let sum = octets.iter().fold(octets.len(), |sum, octet| sum.wrapping_mul(31).wrapping_add(usize::from(*octet)));
    SIZES[sum % SIZES.len()]
}

/// Any octets over HTTPS get whole responses, the same in whatever pieces they come; what has status 200 has a DNS message.
pub(super) fn doh(octets: &[u8]) {
    static SERVER: OnceLock<(InMemoryServer<Resolver>, Arc<Certificates>)> = OnceLock::new();
    let (server, certificates) = SERVER.get_or_init(|| {
        let model = apply(read_toml(&"zone.toml".into(), ZONE)).expect("the zone has no errors");
        let snapshots = ServedSnapshot::fixed(Snapshot::compile(model, Policy::default(), 1));
        let secret = CookieSecret::new([7; 16]);
        let resolver = Resolver::new(snapshots, Limits::default(), secret, Arc::new(Counters::default()));
        let token = ("a-token-of-the-vpc-2".to_owned(), "vpc-00000002".parse().expect("an id"));
        let identities = Identities { doh_tokens: HashMap::from([token]), ..Identities::default() };
        (InMemoryServer::new(Arc::new(resolver), runtime().handle().clone(), identities), Arc::new(certificates()))
    });
    let ask = |size| runtime().block_on(server.https(octets, size, certificates));
    let whole = ask(WHOLE);
    // the frames of HTTP/2 are another library's
    if octets.starts_with(b"PRI * HTTP/2.0") {
        return;
    }
    // hyper ends a connection on which the body of a request has not come when its response is ready: fewer are answered
    let (at_once, pieces) = (statuses(&whole), statuses(&ask(size_for(octets))));
    let both = at_once.len().min(pieces.len());
    assert_eq!(at_once[..both], pieces[..both], "in pieces of {}", size_for(octets));
}

/// A certificate for dns.example.
fn certificates() -> Certificates {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["dns.example".to_owned()]).expect("a certificate");
    let dir = std::env::temp_dir().join(format!("vpcedns-doh-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let paths = [("cert.pem", cert.pem()), ("key.pem", signing_key.serialize_pem())].map(|(name, text)| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    });
    let read = Certificates::read(&paths[0], &paths[1]);
    let _ = std::fs::remove_dir_all(&dir);
    read.unwrap_or_else(|problem| panic!("{problem}"))
}

/// The status of each response that is ours.
fn statuses(mut octets: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !octets.is_empty() {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends");
        let (head, behind) = octets.split_at(end + 4);
        let head = std::str::from_utf8(head).expect("a head is text");
        let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        assert!(head.starts_with("HTTP/1."), "{head}");
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            values.next()
        };
        let length: usize = header("content-length").map_or(0, |length| length.parse().expect("a length"));
        // HEAD has the length of the body that it does not get (RFC 9110 8.6)
        let length = if behind.is_empty() || behind.starts_with(b"HTTP/1.") { 0 } else { length };
        let (body, behind) = behind.split_at(length);
        match (status, header("content-type")) {
            (200, kind) => {
                assert_eq!(kind, Some("application/dns-message"));
                if length > 0 {
                    let message = Message::from_vec(body).expect("a DNS message");
                    assert!(message.metadata.message_type == hickory_proto::op::MessageType::Response);
                }
            }
            (_, Some(kind)) => assert!(kind.starts_with("text/plain") && !body.is_empty() || length == 0, "{head}"),
            // of hyper itself, which may also close without one where the octets end in the middle of a head
            (_, None) => assert!([100, 400, 408, 414, 431].contains(&status) && body.is_empty(), "{head}"),
        }
        if header("content-type").is_some() {
            statuses.push(status);
        }
        octets = behind;
    }
    statuses
}

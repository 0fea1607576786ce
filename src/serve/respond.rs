//! One packet to its reply, the same for every transport (invariant I4).

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};

use crate::answer::{Decision, NameBuf, NoTrace, Rcode, answer};
use crate::config::Limits;
use crate::forward::Forwarder;
use crate::observe::{Counters, Tally};
use crate::snapshot::Snapshot;
use crate::wire::{ClientCookie, CookieSecret, Frame, HEADER, MIN_UDP, Packet, Query, encode, encode_error, parse};

/// How a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the reply is bounded by what the client takes.
    Udp,
    /// A stream: the reply may have 65,535 octets.
    Tcp,
}

/// A packet and where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The DNS message, without the stream's length prefix.
    pub packet: &'a [u8],
    /// The client.
    pub peer: SocketAddr,
    /// The address that the client asked.
    pub local: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No reply, on purpose.
    Silent,
    /// The reply is the first so many octets of the buffer.
    Reply(usize),
    /// An upstream has to be asked: give the packet to [`Responder::resolve`].
    Slow,
}

/// Makes replies; shared by all sockets.
pub struct Responder {
    snapshots: Arc<ArcSwap<Snapshot>>,
    pub(super) forwarder: Forwarder,
    pub(super) limits: Limits,
    pub(super) secret: CookieSecret,
    counters: Arc<Counters>,
}

/// The state that every packet of one batch sees: one snapshot, one time (invariant I2).
pub struct Batch<'r> {
    responder: &'r Responder,
    snapshot: Guard<Arc<Snapshot>>,
    now: u32,
    rotation: Cell<u32>,
    tally: Tally<'r>,
}

impl Responder {
    /// Answers from whatever `snapshots` holds at the time; counts what it does in `counters`.
    pub fn new(
        snapshots: Arc<ArcSwap<Snapshot>>,
        limits: Limits,
        secret: CookieSecret,
        counters: Arc<Counters>,
    ) -> Self {
        Self { snapshots, forwarder: Forwarder::new(&limits), limits, secret, counters }
    }

    /// Fixes the snapshot for packets that were received together. Do not hold it across an await.
    pub fn batch(&self) -> Batch<'_> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Batch {
            responder: self,
            snapshot: self.snapshots.load(),
            now: now.as_secs() as u32,
            // where the order of addresses begins; below a microsecond the clock is as good as chance
            rotation: Cell::new(now.subsec_nanos()),
            tally: self.counters.tally(),
        }
    }

    /// The client's cookie and a fresh one of ours, as they go into a reply (RFC 7873 5.2.3).
    pub(super) fn cookie(&self, client: ClientCookie, peer: IpAddr) -> [u8; 24] {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as u32;
        let mut cookie = [0; 24];
        let (front, back) = cookie.split_at_mut(client.0.len());
        front.copy_from_slice(&client.0);
        back.copy_from_slice(&self.secret.server_cookie(client, peer, now));
        cookie
    }

    /// The snapshot that is being served.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.load_full()
    }

    /// What counts the replies that a slow answer turns into.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The reply to a packet that cannot be taken on because too many wait already; `None`: no reply.
    pub fn overloaded(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        let mut name = NameBuf::default();
        let Packet::Query(query) = parse(incoming.packet, &mut name) else { return None };
        self.counters.tally().overloaded();
        Some(super::slow::failure(&query, self, incoming, 0, "too many questions wait for an upstream"))
    }
}

/// Endpoints whose records (about 160 octets each) are more than the caches of a processor hold.
const NOT_AT_HAND: usize = 100_000;

impl Batch<'_> {
    /// Has memory fetched that the answer to `packet` will need, if there is so much of it that it is not at hand.
    ///
    /// To be called for all packets of a batch before the first is answered.
    pub fn look_ahead(&self, packet: &[u8]) {
        let model = &self.snapshot.model;
        if model.endpoint_count() < NOT_AT_HAND {
            return;
        }
        let length = packet.get(HEADER).map_or(0, |length| usize::from(*length));
        let label = packet.get(HEADER + 1..).and_then(|name| name.get(..length));
        if let Some(label) = label.and_then(crate::naming::parse_label) {
            std::hint::black_box(model.touch(label.id));
        }
    }

    /// Answers a packet from the snapshot, into `out` (at least 65,535 octets for streams, 1,232 for datagrams).
    ///
    /// Takes no lock, does no I/O, allocates nothing for endpoint and private names.
    pub fn respond(&self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        let mut name = NameBuf::default();
        let query = match parse(incoming.packet, &mut name) {
            Packet::Query(query) => query,
            Packet::Malformed(malformed) => {
                self.tally.reply(malformed.rcode);
                return Outcome::Reply(encode_error(&malformed, self.responder.limits.udp_payload, out));
            }
            Packet::Silent => {
                self.tally.silent();
                return Outcome::Silent;
            }
        };
        let client = self.snapshot.client(incoming.local, incoming.peer.ip());
        let rotation = self.rotation.get();
        self.rotation.set(rotation.wrapping_add(1));
        match answer(&self.snapshot, client, &query.question, rotation, &mut NoTrace) {
            Decision::Reply(reply) => {
                let frame = Frame {
                    limit: reply_limit(&query, incoming.transport, &self.responder.limits),
                    payload: self.responder.limits.udp_payload,
                    aa: self.snapshot.policy.aa,
                    // a stranger learns nothing but that he is one
                    explain: client.access.is_served() || reply.rcode == Rcode::Refused,
                    secret: &self.responder.secret,
                    peer: incoming.peer.ip(),
                    now: self.now,
                };
                self.tally.reply(reply.rcode);
                Outcome::Reply(encode(&query, &reply, &frame, out))
            }
            Decision::Forward(_) => {
                self.tally.forwarded();
                Outcome::Slow
            }
        }
    }
}

/// Most octets of a reply: what the client says it takes, and never more than we send (DNS flag day 2020).
pub(super) fn reply_limit(query: &Query<'_>, transport: Transport, limits: &Limits) -> usize {
    match (transport, query.edns) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => MIN_UDP,
        // RFC 6891 6.2.3: values below 512 are taken for 512
        (Transport::Udp, Some(edns)) => usize::from(edns.payload.min(limits.udp_payload)).max(MIN_UDP),
    }
    .max(HEADER)
}

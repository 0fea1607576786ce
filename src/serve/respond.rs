//! One packet to its reply, the same for every transport (invariant I4).

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};

use crate::answer::{Decision, NameBuf, NoTrace, Rcode, answer};
use crate::config::Limits;
use crate::forward::Forwarder;
use crate::forward::UpstreamLookup;
use crate::forward::cache::{Cache, UpstreamSet};
use crate::forward::validate::{Validating, Validation};
use crate::model::Upstream;
use crate::naming::{VpcId, parse_label};
use crate::observe::{Counters, Tally};
use crate::serve::pad::{pad, pad_vec};
use crate::serve::slow::Asked;
use crate::snapshot::{Client, Snapshot};
pub use crate::wire::Transport;
use crate::wire::{ClientCookie, CookieSecret, Frame, HEADER, MIN_UDP, Packet, Query, encode, encode_error, parse};

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
    /// The VPC that the client says it belongs to, as the path of DoH can.
    pub vpc: Option<VpcId>,
}

impl Incoming<'_> {
    /// Who sent it.
    pub(super) fn client<'s>(&self, snapshot: &'s Snapshot) -> Client<'s> {
        match self.vpc {
            None => snapshot.client(self.local, self.peer.ip()),
            Some(vpc) => snapshot.client_naming(vpc, self.peer.ip()),
        }
    }
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No reply, on purpose.
    Silent,
    /// The reply is the first so many octets of the buffer.
    Reply(usize),
    /// An upstream has to be asked, or the reply put together: give the packet to [`Responder::resolve`].
    Slow,
}

/// Makes replies; shared by all sockets.
pub struct Responder {
    snapshots: Arc<ArcSwap<Snapshot>>,
    lookup: Arc<UpstreamLookup>,
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
    /// The cache's time.
    cache_now: u64,
    /// The upstreams that were asked for last, by where the snapshot has them, which stay there as long as this does.
    upstreams: RefCell<Option<(*const Upstream, Arc<UpstreamSet>)>>,
}

impl Responder {
    /// Answers from whatever `snapshots` holds at the time; counts what it does in `counters`.
    pub fn new(
        snapshots: Arc<ArcSwap<Snapshot>>,
        limits: Limits,
        secret: CookieSecret,
        counters: Arc<Counters>,
    ) -> Self {
        let forwarder = Forwarder::new(&limits);
        Self::with_forwarder(snapshots, limits, secret, counters, forwarder, None)
    }

    /// The same, asking upstreams through `forwarder`, and with `validation` believing only what is signed as it should
    /// be.
    pub fn with_forwarder(
        snapshots: Arc<ArcSwap<Snapshot>>,
        limits: Limits,
        secret: CookieSecret,
        counters: Arc<Counters>,
        forwarder: Forwarder,
        validation: Option<Validation>,
    ) -> Self {
        let cache = Arc::new(Cache::new(&limits));
        let upstreams = Arc::clone(&snapshots.load().policy.upstreams);
        let upstream = Validating::new(forwarder, validation, &upstreams, &cache, &limits);
        let lookup = UpstreamLookup::new(upstream, cache, &limits);
        Self { snapshots, lookup: Arc::new(lookup), limits, secret, counters }
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
            cache_now: self.lookup.now(),
            upstreams: RefCell::default(),
        }
    }

    /// Where answers of others come from: upstreams and the cache.
    pub fn lookup(&self) -> &Arc<UpstreamLookup> {
        &self.lookup
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
        let mut reply = super::slow::failure(&query, self, incoming, 0, "too many questions wait for an upstream");
        if wants_padding(&query, incoming.transport) {
            pad_vec(&mut reply);
        }
        Some(reply)
    }
}

/// Endpoints whose records (about 160 octets each) are more than the caches of a processor hold.
const NOT_AT_HAND: usize = 100_000;

impl Batch<'_> {
    /// Has memory fetched that the answer to `packet` will need, where there is so much that it is not at hand.
    ///
    /// To be called for all packets of a batch before the first is answered: the waits overlap, and those of the
    /// answers do not.
    pub fn look_ahead(&self, packet: &[u8]) {
        let model = &self.snapshot.model;
        if model.endpoint_count() < NOT_AT_HAND {
            return;
        }
        let length = packet.get(HEADER).map_or(0, |length| usize::from(*length));
        let label = packet.get(HEADER + 1..).and_then(|name| name.get(..length));
        if let Some(label) = label.and_then(parse_label) {
            std::hint::black_box(model.touch(label.id));
        }
    }

    /// Answers a packet from the snapshot, into `out` (at least 65,535 octets for streams, 1,232 for datagrams).
    ///
    /// Does no I/O, takes no lock for names of ours and only that of a reader for cached ones, and allocates nothing
    /// for endpoint names, private names and cached replies as they came.
    pub fn respond(&self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        self.tally.packet(incoming.transport);
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
        let client = incoming.client(&self.snapshot);
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
                let len = encode(&query, &reply, &frame, out);
                Outcome::Reply(padded(&query, incoming.transport, out, len))
            }
            Decision::Forward(forward) => {
                let set = self.upstreams(forward.upstreams);
                let asked =
                    Asked { responder: self.responder, snapshot: &self.snapshot, client, query: &query, incoming };
                let (lookup, wanted) = (&self.responder.lookup, asked.wanted(&forward, &set));
                let stored = lookup.find(&wanted, self.cache_now);
                let is_hit = stored.is_some();
                let found = stored.or_else(|| {
                    self.tally.forwarded();
                    // that one of our own comes in is news about an upstream
                    let is_probe = lookup.is_own_probe(wanted.name);
                    (!is_probe).then(|| lookup.refuse(&wanted, self.cache_now)).flatten()
                });
                let Some(found) = found else { return Outcome::Slow };
                // what is put together out of several sources needs no upstream, but time and memory
                let Some(len) = asked.copy(&forward, &found, out) else { return Outcome::Slow };
                if !is_hit && found.entry.is_unanswered() {
                    self.tally.forward_failed();
                } else {
                    self.tally.cached(&found);
                }
                Outcome::Reply(padded(&query, incoming.transport, out, len))
            }
        }
    }

    /// The set of these upstreams of the snapshot.
    fn upstreams(&self, upstreams: &Arc<[Upstream]>) -> Arc<UpstreamSet> {
        let mut last = self.upstreams.borrow_mut();
        match &*last {
            Some((at, set)) if std::ptr::eq(*at, upstreams.as_ptr()) => Arc::clone(set),
            _ => {
                let set = self.responder.lookup.cache().upstreams(upstreams);
                *last = Some((upstreams.as_ptr(), Arc::clone(&set)));
                set
            }
        }
    }
}

/// Pads the reply in the first `len` octets where it is to be; returns its length then.
fn padded(query: &Query<'_>, transport: Transport, out: &mut [u8], len: usize) -> usize {
    if wants_padding(query, transport) { pad(out, len) } else { len }
}

/// Whether the reply is to be padded (RFC 7830 4): the question was, and nobody on the way sees into it.
pub(super) fn wants_padding(query: &Query<'_>, transport: Transport) -> bool {
    transport.is_encrypted() && query.edns.is_some_and(|edns| edns.padding)
}

/// Most octets of a reply: what the client says it takes, and never more than we send (DNS flag day 2020).
pub(super) fn reply_limit(query: &Query<'_>, transport: Transport, limits: &Limits) -> usize {
    match (transport, query.edns) {
        (Transport::Udp, None) => MIN_UDP,
        // RFC 6891 6.2.3: values below 512 are taken for 512
        (Transport::Udp, Some(edns)) => usize::from(edns.payload.min(limits.udp_payload)).max(MIN_UDP),
        (Transport::Tcp | Transport::Tls | Transport::Https | Transport::Quic, _) => usize::from(u16::MAX),
    }
    .max(HEADER)
}

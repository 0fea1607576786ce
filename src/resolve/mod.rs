//! One question, from octets to octets: answered from the snapshot, from the cache, or by asking an upstream.
//!
//! ```text
//! resolver     Resolver: the implementation of `Resolve` that a server uses
//!   batch      answers at once: from the snapshot or the cache, without I/O and mostly without allocation
//!   begun      answers that wait for one datagram of an upstream, which the caller sends and receives
//!   chase      answers that wait for upstreams, and aliases that lead from one source to another
//!     delegation  delegations of private zones, where a rule has them followed
//!     flatten  addresses that one name has from another
//!     dns64    AAAA made of A, for clients in subnets that have DNS64
//!   forwarded  a question that is answered elsewhere: what is looked up, and whether the reply passes as it is
//!   live       a question that is asked to see what happens to it
//!   reply      what every reply follows: size limits, padding, cookies, SERVFAIL with the reason
//!     pad      padding of replies on encrypted transports
//!   logged     what the query log is told of an answer
//!   rate       how often a network or client is answered over UDP
//!   subnet     who a question is from, where a forwarder says so in EDNS Client Subnet
//!   resources  what all of them use: upstreams and cache, limits, the cookie secret, counters
//! ```
//!
//! Every transport asks through [`Resolve`], so that all of them give the same octets (invariant I4). Knows no sockets.
//!
//! ```
//! use std::sync::Arc;
//!
//! use vpcedns::config::Limits;
//! use vpcedns::model::Model;
//! use vpcedns::observe::Counters;
//! use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
//! use vpcedns::served::ServedSnapshot;
//! use vpcedns::snapshot::{Policy, Snapshot};
//! use vpcedns::wire::{CookieSecret, Transport};
//!
//! let snapshots = ServedSnapshot::fixed(Snapshot::compile(Model::default(), Policy::default(), 1));
//! let secret = CookieSecret::new([7; 16]);
//! let resolver = Resolver::new(snapshots, Limits::default(), secret, Arc::new(Counters::default()));
//!
//! let incoming = Incoming {
//!     packet: b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x09localhost\0\0\x01\0\x01",
//!     peer: ([127, 0, 0, 1], 53000).into(),
//!     local: ([127, 0, 0, 1], 53).into(),
//!     transport: Transport::Udp,
//!     vpc: None,
//! };
//! let mut out = [0; 1232];
//! let batch = resolver.batch();
//! let Outcome::Reply(len) = resolver.try_resolve(&batch, incoming, &mut out) else { panic!() };
//! assert!(out[..len].starts_with(b"\x12\x34") && out[..len].ends_with(&[127, 0, 0, 1]));
//! ```
// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod batch;
mod begun;
mod chase;
mod delegation;
mod dns64;
mod flatten;
mod forwarded;
mod live;
mod logged;
mod pad;
mod rate;
mod reply;
mod resolver;
mod resources;
mod subnet;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use crate::budget::Budget;
use crate::forward::{Failure, FirstQuery, Heard, HeardReceiver};
use crate::naming::VpcId;
use crate::snapshot::{Client, ClientAddress, Snapshot};
use crate::wire::Transport;

pub use batch::Batch;
pub use resolver::Resolver;

/// Answers questions; every transport asks through it, and shares one. [`Resolver`] is the one that a server uses.
pub trait Resolve: Send + Sync + 'static {
    /// What stays the same for packets that were received together: one snapshot and one time (invariant I2).
    type Batch<'r>
    where
        Self: 'r;

    /// A question of which one datagram is under way.
    type Begun: Send + 'static;

    /// A question that takes more than that, or whose reply is late.
    type Unfinished: From<(Self::Begun, HeardReceiver)> + Send + 'static;

    /// Begins a batch. Do not hold it across an await.
    fn batch(&self) -> Self::Batch<'_>;

    /// Prefetches what the answer to `packet` reads. Call it for every packet of a batch before the first is answered.
    fn prefetch(&self, _batch: &Self::Batch<'_>, _packet: &[u8]) {}

    /// Answers at once, into `out` (at least 65,535 octets for streams, 1,232 for datagrams), or says that it cannot.
    fn try_resolve(&self, batch: &Self::Batch<'_>, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome;

    /// The reply to a packet for which [`try_resolve`](Self::try_resolve) returned [`Outcome::Pending`]; `None`: no
    /// reply. Takes no longer than [`Limits::forward_deadline`](crate::config::Limits::forward_deadline) twice,
    /// and what a drill adds.
    fn resolve(&self, incoming: Incoming<'_>) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// Begins what [`resolve`](Self::resolve) does for a packet of this batch, where one datagram to an upstream may be all
    /// that it takes; the caller sends it. `None`: `resolve` does it all.
    fn begin(&self, batch: &Self::Batch<'_>, incoming: Incoming<'_>) -> Option<(Self::Begun, FirstQuery)>;

    /// Writes the reply to the client into `out` (at least 1,232 octets), and returns its length (`None`: no reply); an error
    /// is what [`resume`](Self::resume) goes on with.
    fn hear(
        &self,
        begun: Self::Begun,
        heard: Result<Heard, Failure>,
        out: &mut [u8],
    ) -> Result<Option<usize>, Self::Unfinished>;

    /// The reply where it takes more than the one datagram; `None`: no reply. Takes as long as [`resolve`](Self::resolve).
    fn resume(&self, unfinished: Self::Unfinished) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// The reply to such a packet where too many wait already: SERVFAIL with the reason; `None`: no reply.
    fn overloaded(&self, incoming: Incoming<'_>) -> Option<Vec<u8>>;

    /// The reply to such a packet whose reply had to make room for others: SERVFAIL with the reason; `None`: no reply.
    fn out_of_room(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        self.overloaded(incoming)
    }

    /// What replies may take that clients have not taken yet.
    fn budget(&self) -> Budget {
        Budget::default()
    }

    /// Whether nothing is known of a client with the address `peer` that asks at `local`, so that all it gets is REFUSED.
    fn is_stranger(&self, local: SocketAddr, peer: IpAddr) -> bool;

    /// Whether a request may name this VPC as its client's.
    fn has_vpc(&self, vpc: VpcId) -> bool;
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
    /// The VPC that the client says it belongs to, as the path of DoH can.
    pub vpc: Option<NamedVpc>,
}

/// A VPC that a client says it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedVpc {
    /// Said in the open: believed of addresses that may be the VPC's.
    Claimed(VpcId),
    /// Shown by a secret: believed of all.
    Proven(VpcId),
}

impl Incoming<'_> {
    /// Who sent it.
    #[expect(clippy::inline_always, reason = "for each packet: a call hands 40 octets back")]
    #[inline(always)]
    fn client<'s>(&self, snapshot: &'s Snapshot) -> Client<'s> {
        match self.vpc {
            None => snapshot.client(self.local, self.peer.ip()),
            Some(NamedVpc::Claimed(vpc)) => snapshot.client_naming(vpc, self.peer.ip()),
            Some(NamedVpc::Proven(vpc)) => snapshot.client_of_at(vpc, ClientAddress::At(self.peer.ip())),
        }
    }
}

/// What [`Resolve::try_resolve`] did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no reply, on purpose.
    Silent,
    /// The reply is the first so many octets of the buffer.
    Reply(usize),
    /// An upstream has to be asked, or the reply composed from several sources: [`Resolve::resolve`] does it.
    Pending,
}

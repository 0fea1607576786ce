//! Answers that wait for one datagram of an upstream, which the caller sends and receives: what most misses are.
//!
//! Gives what `chase` gives, without a task. What takes more than the one datagram becomes one.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Incoming;
use super::dns64::translation;
use super::forwarded::ForwardedQuestion;
use super::logged;
use super::reply::{finished, finished_vec};
use super::resources::Resources;
use super::subnet::{ClientSubnet, client_by, read_query};
use crate::answer::{Decision, Forward, NoTrace, Reason, answer, delay};
use crate::dns::{NameBuf, rcode_of};
use crate::forward::cache::{CacheHit, UpstreamSet};
use crate::forward::lookup::BegunLookup;
use crate::forward::validate::Validating;
use crate::forward::{AfterFirst, Failure, FirstQuery, Heard, HeardReceiver};
use crate::observe::WaitingQuestion;
use crate::resolve::NamedVpc;
use crate::snapshot::Snapshot;
use crate::wire::{Query, Transport};

/// A packet that waits, with all that its answer needs.
pub struct BegunQuestion {
    waiting: WaitingPacket,
    lookup: BegunLookup<Validating>,
}

/// See [`BegunQuestion`].
pub struct UnfinishedQuestion {
    waiting: WaitingPacket,
    rest: Rest,
}

/// What is left to do.
enum Rest {
    /// To ask on.
    Ask(BegunLookup<Validating>, HeardReceiver),
    /// To compose the reply out of this and what else it takes.
    Compose(CacheHit),
}

struct WaitingPacket {
    packet: Box<[u8]>,
    peer: SocketAddr,
    local: SocketAddr,
    transport: Transport,
    vpc: Option<NamedVpc>,
    /// One snapshot for all of the answer (invariant I2), whatever is published meanwhile.
    snapshot: Arc<Snapshot>,
    upstreams: Arc<UpstreamSet>,
    waits: WaitingQuestion,
}

/// Begins to ask for what a packet needs; `None`: it takes more than a datagram.
pub(super) fn begin(
    resources: &Resources,
    snapshot: &Arc<Snapshot>,
    incoming: Incoming<'_>,
) -> Option<(BegunQuestion, FirstQuery)> {
    let mut name = NameBuf::default();
    let (query, subnet) = read_query(resources, incoming, &mut name)?;
    let (asked, forward) = forwarded(resources, snapshot, &query, subnet.as_ref(), incoming)?;
    // what is composed from the start goes a longer way
    if !forward.chain.is_empty() || resources.lookup.is_own_probe(query.question.name.wire(), forward.upstreams) {
        return None;
    }
    let upstreams = asked.upstream_set(forward.upstreams);
    let (lookup, first) = resources.lookup.begin(&asked.lookup_question(&forward, &upstreams))?;
    let Incoming { packet, peer, local, transport, vpc } = incoming;
    let snapshot = Arc::clone(snapshot);
    let waits = resources.counters.wait(transport);
    let waiting = WaitingPacket { packet: packet.into(), peer, local, transport, vpc, snapshot, upstreams, waits };
    Some((BegunQuestion { waiting, lookup }, first))
}

/// The question and whom to ask; `None`: it is answered here.
fn forwarded<'a>(
    resources: &'a Resources,
    snapshot: &'a Snapshot,
    query: &'a Query<'a>,
    subnet: Option<&ClientSubnet>,
    incoming: Incoming<'a>,
) -> Option<(ForwardedQuestion<'a>, Forward<'a>)> {
    let client = client_by(snapshot, incoming, subnet);
    // what waits in a drill is a task
    if translation(snapshot, client, incoming, subnet, query).is_some()
        || delay(snapshot, &client, &query.question).is_some()
    {
        return None;
    }
    match answer(snapshot, client, &query.question, u32::from(query.id), &mut NoTrace) {
        // a delegation takes more than one datagram
        Decision::Forward(Forward { reason: Reason::DelegateRule(..), .. }) | Decision::Reply(_) => None,
        Decision::Forward(forward) => {
            Some((ForwardedQuestion { resources, snapshot, client, query, incoming, recorder: None }, forward))
        }
    }
}

impl WaitingPacket {
    fn incoming(&self) -> Incoming<'_> {
        let Self { packet, peer, local, transport, vpc, .. } = self;
        Incoming { packet, peer: *peer, local: *local, transport: *transport, vpc: *vpc }
    }
}

impl BegunQuestion {
    /// Writes the reply into `out`; returns its length (`None`: no reply), or what is left to do.
    pub(super) fn hear(
        self,
        resources: &Resources,
        heard: Result<Heard, Failure>,
        out: &mut [u8],
    ) -> Result<Option<usize>, Box<UnfinishedQuestion>> {
        let Self { waiting, lookup } = self;
        let rest = {
            let (incoming, snapshot) = (waiting.incoming(), &*waiting.snapshot);
            let mut name = NameBuf::default();
            // the packet and the snapshot are those that the question was begun with, and so is what they come to
            let Some((query, subnet)) = read_query(resources, incoming, &mut name) else { return Ok(None) };
            let found = forwarded(resources, snapshot, &query, subnet.as_ref(), incoming);
            let Some((asked, forward)) = found else { return Ok(None) };
            match lookup.hear(&asked.lookup_question(&forward, &waiting.upstreams), heard) {
                AfterFirst::Done(found) => match asked.copy(&forward, &found, out) {
                    Some(len) => {
                        asked.count(&found);
                        resources.counters.relayed(rcode_of(out));
                        let len = finished(&query, incoming.transport, subnet.as_ref(), out, len);
                        let reply = out.get(..len).unwrap_or_default();
                        logged::log(resources, snapshot, incoming, reply, || waiting.waits.age());
                        return Ok(Some(len));
                    }
                    None => Rest::Compose(found),
                },
                AfterFirst::GoOn(lookup, heard) => Rest::Ask(lookup, heard),
            }
        };
        Err(Box::new(UnfinishedQuestion { waiting, rest }))
    }
}

impl From<(BegunQuestion, HeardReceiver)> for Box<UnfinishedQuestion> {
    fn from((BegunQuestion { waiting, lookup }, heard): (BegunQuestion, HeardReceiver)) -> Self {
        Self::new(UnfinishedQuestion { waiting, rest: Rest::Ask(lookup, heard) })
    }
}

impl UnfinishedQuestion {
    /// The reply; `None`: no reply.
    pub(super) async fn resume(self, resources: &Resources) -> Option<Vec<u8>> {
        let Self { waiting, rest } = self;
        let (incoming, snapshot) = (waiting.incoming(), &*waiting.snapshot);
        let mut name = NameBuf::default();
        let (query, subnet) = read_query(resources, incoming, &mut name)?;
        let (asked, forward) = forwarded(resources, snapshot, &query, subnet.as_ref(), incoming)?;
        let found = match rest {
            Rest::Ask(lookup, heard) => {
                lookup.resume(&asked.lookup_question(&forward, &waiting.upstreams), heard).await
            }
            Rest::Compose(found) => found,
        };
        asked.count(&found);
        let reply = asked.reply_with(&forward, found).await;
        resources.counters.relayed(rcode_of(&reply));
        let reply = finished_vec(&query, incoming.transport, subnet.as_ref(), reply);
        logged::log(resources, snapshot, incoming, &reply, || waiting.waits.age());
        Some(reply)
    }
}

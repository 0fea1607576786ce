//! What the query log is told of an answer.

use std::time::{Duration, SystemTime};

use super::Incoming;
use super::resources::Resources;
use super::subnet::{client_by, read_query};
use crate::answer::{Decision, NoTrace, answer};
use crate::dns::NameBuf;
use crate::observe::{AnsweredQuestion, QueryLog};
use crate::snapshot::Snapshot;

/// Tells the query log of a reply, where there is a log and it is this question's turn.
#[inline]
pub(super) fn log(
    resources: &Resources,
    snapshot: &Snapshot,
    incoming: Incoming<'_>,
    reply: &[u8],
    took: impl FnOnce() -> Duration,
) {
    if let Some(log) = resources.query_log.as_ref().filter(|log| log.is_due()) {
        tell(log, resources, snapshot, incoming, reply, took());
    }
}

/// What decided is found out anew, by the same `answer` (invariant I7): questions that are not logged cost nothing.
#[cold]
fn tell(
    log: &QueryLog,
    resources: &Resources,
    snapshot: &Snapshot,
    incoming: Incoming<'_>,
    reply: &[u8],
    took: Duration,
) {
    let mut name = NameBuf::default();
    let Some((query, subnet)) = read_query(resources, incoming, &mut name) else { return };
    let client = client_by(snapshot, incoming, subnet.as_ref());
    let reason = match answer(snapshot, client, &query.question, u32::from(query.id), &mut NoTrace) {
        Decision::Reply(reply) => reply.reason,
        Decision::Forward(forward) => forward.reason,
    };
    let vpc = client.view.vpc.as_ref();
    let hosts = vpc.and_then(|vpc| snapshot.model.host_names(vpc.vpc_id));
    let instance = hosts.and_then(|hosts| hosts.instance_of(incoming.peer.ip().to_canonical()));
    let inbound = snapshot.model.inbound().iter().find(|endpoint| endpoint.listeners.contains(&incoming.local));
    log.push(AnsweredQuestion {
        at: SystemTime::now(),
        took,
        peer: incoming.peer,
        local: incoming.local,
        transport: incoming.transport,
        vpc: vpc.map(|vpc| (vpc.vpc_id, vpc.region.clone())),
        account: vpc.and_then(|vpc| vpc.owner.clone()),
        instance: instance.cloned(),
        resolver_endpoint: inbound.and_then(|endpoint| endpoint.id.clone()),
        class: client.access.class(),
        decision: reason.topic(),
        endpoint: reason.endpoint().map(|endpoint| endpoint.id),
        generation: snapshot.generation,
        query: incoming.packet.into(),
        reply: reply.into(),
    });
}

//! Questions that an upstream has to be asked for, from the packet to the whole reply.
//!
//! Whatever comes together out of several sources (aliases of ours that lead away, aliases of others that lead into
//! a private zone) is put into one message with the client's question, and `relay` makes the reply of it, as it does
//! of any other.

use std::sync::Arc;
use std::time::Instant;

use super::respond::{Incoming, Responder, reply_limit};
use crate::answer::{Decision, Forward, NameBuf, NoTrace, Part, Question, Rcode, Reason, Reply, answer};
use crate::forward::chain::{Prefix, cname_targets, cut_after};
use crate::forward::compose::compose;
use crate::forward::message::{Message, flag, rtype};
use crate::forward::rebinding::{is_guarded, private_address};
use crate::forward::relay::{Client, Ede, relay};
use crate::forward::{ForwardError, Outbound};
use crate::model::Upstream;
use crate::naming::DnsName;
use crate::snapshot::{self, Snapshot};
use crate::wire::{Frame, HEADER, Packet, Query, Writer, encode, parse, records};

/// INFO-CODE "Network Error" (RFC 8914 4.24).
const NETWORK_ERROR: u16 = 23;
/// INFO-CODE "Other Error" (RFC 8914 4.1).
const OTHER: u16 = 0;
/// INFO-CODE "Blocked" (RFC 8914 4.16): "due to an internal security policy imposed by the operator of the server".
const BLOCKED: u16 = 15;

impl Responder {
    /// The whole answer to a packet for which [`super::respond::Batch::respond`] said that an upstream has to be
    /// asked; `None`: no reply.
    pub async fn resolve(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        let mut name = NameBuf::default();
        let Packet::Query(query) = parse(incoming.packet, &mut name) else { return None };
        // one snapshot for all of the answer (invariant I2), whatever is published while an upstream is asked
        let snapshot = self.snapshot();
        let client = snapshot.client(incoming.local, incoming.peer.ip());
        let asked = Asked { responder: self, snapshot: &snapshot, client, query: &query, incoming };
        match answer(&snapshot, client, &query.question, 0, &mut NoTrace) {
            // a change since the packet came in made the name ours
            Decision::Reply(reply) => Some(asked.local(&query.question, query.question_octets, &reply)),
            Decision::Forward(forward) => Some(asked.forward(&forward).await),
        }
    }
}

/// Resolvers that are asked for one question, as aliases lead from the names of one to those of another.
const MAX_STEPS: usize = 8;
const MALFORMED: &str = "the upstream's reply is malformed, or its aliases lead too far";

/// A question on its way.
struct Asked<'a> {
    responder: &'a Responder,
    snapshot: &'a Snapshot,
    client: snapshot::Client<'a>,
    query: &'a Query<'a>,
    incoming: Incoming<'a>,
}

impl<'a> Asked<'a> {
    async fn forward(&self, forward: &Forward<'a>) -> Vec<u8> {
        let (own_name, _) = self.query.question_octets.split_at(self.query.question_octets.len().saturating_sub(4));
        let mut name = forward.name.map_or(own_name, |name| name.wire()).to_vec();
        let (mut upstreams, mut reason) = (forward.upstreams, forward.reason);
        let mut before = vec![encode_chain(&forward.chain)];
        let began = Instant::now();
        for step in 0..MAX_STEPS {
            // the first one has a deadline of its own, and no other is begun after it
            if step > 0 && began.elapsed() >= self.responder.limits.forward_deadline {
                break;
            }
            let outbound = Outbound {
                name: &name,
                rtype: self.query.question.rtype,
                class: 1,
                recursion_desired: true,
                checking_disabled: self.query.checking_disabled,
                // whoever wants it gets it, and the others do not see it (RFC 6840 5.7, 5.8)
                authentic_data: true,
                dnssec_ok: self.query.edns.is_some_and(|edns| edns.dnssec_ok),
                edns: self.query.edns.is_some(),
            };
            if self.responder.forwarder.is_own_probe(outbound.name) {
                return self.fail(OTHER, "an upstream has sent this server its own question");
            }
            let reply = match self.ask(&outbound, upstreams).await {
                Ok(reply) => reply,
                Err(error) => {
                    self.responder.counters().forward_failed();
                    return self.fail(NETWORK_ERROR, &error.to_string());
                }
            };
            let Ok(message) = Message::parse(&reply) else { break };
            let done = match self.tail(&message, upstreams) {
                Some(Tail::Onward(way, next, to)) => {
                    before.extend(way);
                    (name, upstreams, reason) = (next, to.upstreams, to.reason);
                    continue;
                }
                Some(Tail::Private(way, tail)) => {
                    before.push(way);
                    self.finish(&before, reason, &tail)
                }
                Some(Tail::Blocked(why)) => return self.fail(BLOCKED, &why),
                None => match self.rebinds(forward, reason, &message) {
                    Some(reply) => return reply,
                    None => self.finish(&before, reason, &reply),
                },
            };
            return done.unwrap_or_else(|| self.fail(OTHER, MALFORMED));
        }
        self.fail(OTHER, MALFORMED)
    }

    async fn ask(&self, outbound: &Outbound<'_>, upstreams: &Arc<[Upstream]>) -> Result<Vec<u8>, ForwardError> {
        self.responder.forwarder.exchange(outbound, upstreams).await
    }

    /// The reply to the client out of a message and the records in front of it; `None` if that is malformed.
    fn finish(&self, before: &[Prefix], reason: Reason<'_>, message: &[u8]) -> Option<Vec<u8>> {
        let before: Vec<&Prefix> = before.iter().filter(|prefix| prefix.count > 0).collect();
        let composed = match before[..] {
            [] => message.to_vec(),
            _ => compose(self.query.question_octets, &before, message)?,
        };
        let negative = Message::parse(&composed).ok()?.records().next().is_none_or(|r| r.section as usize != 0);
        // a public "no" for a name that could be private is explained
        let why = negative.then_some(reason).filter(|reason| !matches!(reason, Reason::Upstream | Reason::Rule(_)));
        let why = why.map(|reason| reason.to_string());
        let ede = why.as_deref().map(|text| Ede { code: OTHER, text });
        relay(&composed, &relay_client(self.query, self.responder, self.incoming, ede)).ok()
    }

    /// The reply without records where an upstream's would be one of rebinding.
    fn rebinds(&self, forward: &Forward<'_>, reason: Reason<'_>, message: &Message<'_>) -> Option<Vec<u8>> {
        // an alias of a hosted zone, or a rule of the operator's, leads there: the name is none of the public ones
        if forward.name.is_some() || matches!(reason, Reason::Rule(_)) {
            return None;
        }
        let name = self.query.question.name;
        let address = is_guarded(&self.snapshot.policy, &name).then(|| private_address(message)).flatten()?;
        tracing::debug!("possible DNS rebinding: an upstream gives {name} the address {address}");
        let why = format!("rebind_protection: an upstream gives this public name the address {address}");
        // no SERVFAIL: the client would ask its next resolver for it
        let ede = Ede { code: BLOCKED, text: &why };
        Some(without_records(self.query, self.responder, self.incoming, Rcode::NoError, ede))
    }

    /// Where the aliases in the reply of `upstreams` lead to a name that is not theirs, as this client sees it.
    ///
    /// Without this, an alias would show the client the public address of a name that is private to it.
    fn tail(&self, message: &Message<'_>, upstreams: &Arc<[Upstream]>) -> Option<Tail<'a>> {
        // who asks for an alias wants the alias, not where it leads (RFC 1034 3.6.2)
        let targets = if self.query.question.rtype == rtype::CNAME { Vec::new() } else { cname_targets(message) };
        for target in targets {
            let mut buf = NameBuf::default();
            buf.read(target.wire())?;
            let question = Question { name: buf.name(), recursion_desired: true, ..self.query.question };
            match self.turn(&question, upstreams) {
                Turn::None => {}
                Turn::Ours(reply) => {
                    let [t0, t1] = question.rtype.to_be_bytes();
                    let octets: Vec<u8> = target.wire().iter().copied().chain([t0, t1, 0, 1]).collect();
                    return Some(Tail::Private(cut_after(message, &target)?, self.bare(&question, &octets, &reply)));
                }
                Turn::Blocked(reason) => return Some(Tail::Blocked(format!("CNAME to {target:?}: {reason}"))),
                Turn::Onward(to) => {
                    let owner = DnsName::from_wire(target.wire())?;
                    let mut chain = to.chain.clone();
                    for first in chain.iter_mut().filter(|part| part.owner.is_none()) {
                        first.owner = Some(&owner);
                    }
                    let way = [cut_after(message, &target)?, encode_chain(&chain)];
                    let next = to.name.unwrap_or(&owner).wire().to_vec();
                    return Some(Tail::Onward(way, next, to));
                }
            }
        }
        None
    }

    /// What an alias of an upstream's to the name of `question` turns into for this client; no part of the reply is
    /// looked at, so that a reply that is kept can be asked about too.
    fn turn(&self, question: &Question<'_>, upstreams: &Arc<[Upstream]>) -> Turn<'a> {
        match answer(self.snapshot, self.client, question, 0, &mut NoTrace) {
            Decision::Reply(reply) if matches!(reply.rcode, Rcode::NoError | Rcode::NxDomain) => Turn::Ours(reply),
            Decision::Reply(Reply { reason: reason @ Reason::PrivateOnly(..), .. }) => Turn::Blocked(reason),
            // a hosted zone has the name, and an alias there leads away
            Decision::Forward(to) if to.name.is_some() => Turn::Onward(to),
            Decision::Forward(to) if matches!(to.reason, Reason::Rule(_)) && to.upstreams != upstreams => {
                Turn::Onward(to)
            }
            _ => Turn::None,
        }
    }

    /// An answer out of the snapshot, as it goes to the client.
    fn local(&self, question: &Question<'_>, octets: &[u8], reply: &Reply<'_>) -> Vec<u8> {
        self.responder.counters().tally().reply(reply.rcode);
        let bare = self.bare(question, octets, reply);
        let why = reply.reason.to_string();
        let ede = reply.answer.is_none().then_some(Ede { code: reply.reason.info_code(), text: &why });
        let client = relay_client(self.query, self.responder, self.incoming, ede);
        relay(&bare, &client).unwrap_or_else(|_| self.fail(OTHER, "internal error"))
    }

    /// An answer out of the snapshot as a message of its own, without EDNS.
    fn bare(&self, question: &Question<'_>, octets: &[u8], reply: &Reply<'_>) -> Vec<u8> {
        let query = Query { question_octets: octets, question: *question, edns: None, ..*self.query };
        let frame = Frame {
            limit: usize::from(u16::MAX),
            payload: self.responder.limits.udp_payload,
            aa: self.snapshot.policy.aa,
            explain: false,
            secret: &self.responder.secret,
            peer: self.incoming.peer.ip(),
            now: 0,
        };
        let mut out = vec![0; usize::from(u16::MAX)];
        let len = encode(&query, reply, &frame, &mut out);
        out.truncate(len);
        out
    }

    fn fail(&self, code: u16, text: &str) -> Vec<u8> {
        failure(self.query, self.responder, self.incoming, code, text)
    }
}

/// What the target of an alias is to a client.
enum Turn<'a> {
    /// A name like any other: the upstream's word is good.
    None,
    /// A name that is answered here.
    Ours(Reply<'a>),
    /// A name that others have to be asked for.
    Onward(Forward<'a>),
    /// A name that would have to be private, and is not.
    Blocked(Reason<'a>),
}

/// How an upstream's reply goes on after an alias.
enum Tail<'a> {
    /// A name that is answered here: the records up to it, and the answer as a message.
    Private(Prefix, Vec<u8>),
    /// A name that others have to be asked for: the records up to it and aliases of ours, the name, and whom to ask.
    Onward([Prefix; 2], Vec<u8>, Forward<'a>),
    /// A name that would have to be private, and is not; why.
    Blocked(String),
}

/// Our own aliases as records; the first belongs to the question, to which it points.
fn encode_chain(parts: &[Part<'_>]) -> Prefix {
    let mut out = vec![0; usize::from(u16::MAX)];
    let mut writer = Writer::new(&mut out, usize::from(u16::MAX));
    let count = records(parts, &mut writer).unwrap_or(0);
    let len = writer.len();
    out.truncate(len);
    Prefix { records: out, count }
}

fn relay_client<'a>(query: &Query<'a>, server: &Responder, incoming: Incoming<'_>, ede: Option<Ede<'a>>) -> Client<'a> {
    let limits = &server.limits;
    Client {
        id: query.id,
        question: query.question_octets,
        recursion_desired: query.recursion_desired,
        checking_disabled: query.checking_disabled,
        authentic_data: query.authentic_data || query.edns.is_some_and(|edns| edns.dnssec_ok),
        keep_authoritative: false,
        edns: query.edns.map(|edns| edns.dnssec_ok),
        limit: reply_limit(query, incoming.transport, limits),
        cookie: query.edns.and_then(|edns| edns.cookie).map(|cookie| server.cookie(cookie, incoming.peer.ip())),
        ede,
    }
}

/// SERVFAIL with the reason (RFC 8914).
pub(super) fn failure(query: &Query<'_>, server: &Responder, incoming: Incoming<'_>, code: u16, text: &str) -> Vec<u8> {
    without_records(query, server, incoming, Rcode::ServFail, Ede { code, text })
}

/// A reply without records, and the reason for it.
fn without_records(
    query: &Query<'_>,
    server: &Responder,
    incoming: Incoming<'_>,
    rcode: Rcode,
    ede: Ede<'_>,
) -> Vec<u8> {
    let mut bare = vec![0; HEADER];
    bare.extend_from_slice(query.question_octets);
    let flags = flag::QR | flag::RA | rcode as u16;
    for (to, field) in bare.chunks_exact_mut(2).zip([0, flags, 1, 0, 0, 0]) {
        to.copy_from_slice(&field.to_be_bytes());
    }
    let client = relay_client(query, server, incoming, Some(ede));
    // a header and the client's own question are always well formed, and always fit
    relay(&bare, &client).unwrap_or(bare)
}

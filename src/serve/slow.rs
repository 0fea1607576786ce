//! Questions that an upstream has to be asked for, from the packet to the whole reply.
//!
//! Whatever comes together out of several sources (aliases of ours that lead away, aliases of others that lead into
//! a private zone) is put into one message with the client's question, and `relay` makes the reply of it, as it does
//! of any other.

use std::sync::Arc;
use std::time::Instant;

use super::pad::pad_vec;
use super::respond::{Incoming, Responder, reply_limit, wants_padding};
use crate::answer::{Decision, Forward, NameBuf, NoTrace, Part, Question, Rcode, Reason, Reply, answer};
use crate::forward::cache::{Age, CacheHit, ReplyKind, UpstreamSet};
use crate::forward::chain::{Prefix, cname_targets, cut_after};
use crate::forward::compose::compose;
use crate::forward::lookup::LookupQuestion;
use crate::forward::message::{Message, flag, rtype};
use crate::forward::rebinding::{is_guarded, private_address};
use crate::forward::relay::{Client, Ede, relay};
use crate::model::Upstream;
use crate::naming::DnsName;
use crate::snapshot::{self, Snapshot};
use crate::wire::{Frame, HEADER, Packet, Query, Writer, encode, parse, records};

/// INFO-CODE "Other Error" (RFC 8914 4.1).
const OTHER: u16 = 0;
/// INFO-CODE "Stale Answer" (RFC 8914 4.4).
const STALE: u16 = 3;
/// INFO-CODE "Stale NXDOMAIN Answer" (RFC 8914 4.20).
const STALE_NO_NAME: u16 = 19;
/// INFO-CODE "Blocked" (RFC 8914 4.16): "due to an internal security policy imposed by the operator of the server".
const BLOCKED: u16 = 15;
/// Resolvers that are asked for one question, as aliases lead from the names of one to those of another.
const MAX_STEPS: usize = 8;
const MALFORMED: &str = "the upstream's reply is malformed, or its aliases lead too far";

impl Responder {
    /// The whole answer to a packet for which [`super::respond::Batch::respond`] said that an upstream has to be
    /// asked; `None`: no reply.
    pub async fn resolve(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        let mut name = NameBuf::default();
        let Packet::Query(query) = parse(incoming.packet, &mut name) else { return None };
        // one snapshot for all of the answer (invariant I2), whatever is published while an upstream is asked
        let snapshot = self.snapshot();
        let client = incoming.client(&snapshot);
        let asked = Asked { responder: self, snapshot: &snapshot, client, query: &query, incoming };
        let mut reply = match answer(&snapshot, client, &query.question, 0, &mut NoTrace) {
            // a change since the packet came in made the name ours
            Decision::Reply(reply) => asked.local(&query.question, query.question_octets, &reply),
            Decision::Forward(forward) => asked.forward(&forward).await,
        };
        if wants_padding(&query, incoming.transport) {
            pad_vec(&mut reply);
        }
        Some(reply)
    }
}

/// A question for others, and whose it is.
pub(super) struct Asked<'a> {
    pub(super) responder: &'a Responder,
    pub(super) snapshot: &'a Snapshot,
    pub(super) client: snapshot::Client<'a>,
    pub(super) query: &'a Query<'a>,
    pub(super) incoming: Incoming<'a>,
}

impl<'a> Asked<'a> {
    /// What is asked for, of the cache and of upstreams.
    pub(super) fn wanted<'w>(&'w self, forward: &Forward<'w>, upstreams: &'w Arc<UpstreamSet>) -> LookupQuestion<'w> {
        let (own_name, _) = self.query.question_octets.split_at(self.query.question_octets.len().saturating_sub(4));
        let (spelled, name) = match forward.name {
            Some(name) => (name.wire(), name.wire()),
            None => (own_name, self.query.question.name.wire),
        };
        LookupQuestion {
            spelled,
            name,
            rtype: self.query.question.rtype,
            dnssec_ok: self.query.edns.is_some_and(|edns| edns.dnssec_ok),
            checking_disabled: self.query.checking_disabled,
            upstreams,
        }
    }

    async fn forward(&self, forward: &Forward<'a>) -> Vec<u8> {
        if self.responder.lookup().is_own_probe(self.query.question.name.wire) {
            return self.fail(OTHER, "an upstream has sent this server its own question");
        }
        let upstreams = self.responder.lookup().cache().upstreams(forward.upstreams);
        let found = self.look_up(&self.wanted(forward, &upstreams)).await;
        let mut out = vec![0; found.entry.most_octets()];
        if let Some(len) = self.copy(forward, &found, &mut out) {
            out.truncate(len);
            return out;
        }
        self.put_together(forward, found).await
    }

    async fn look_up(&self, wanted: &LookupQuestion<'_>) -> CacheHit {
        let found = self.responder.lookup().resolve(wanted).await;
        let counters = self.responder.counters();
        if found.entry.is_unanswered() {
            counters.tally().forward_failed();
        }
        if matches!(found.age, Age::Stale(_)) {
            counters.tally().cached(&found);
        }
        found
    }

    /// Writes the reply to the client where it is what was said, no more and no less; returns its length.
    ///
    /// `None` where something has to be put together: our own aliases go in front, one of the upstream's leads to a
    /// name that is not its to answer, or its addresses may not be handed on. This is asked for every hit anew, as
    /// clients differ, and names change hands.
    pub(super) fn copy(&self, forward: &Forward<'_>, found: &CacheHit, out: &mut [u8]) -> Option<usize> {
        let CacheHit { entry, age, .. } = found;
        let whole = forward.chain.is_empty()
            && !(entry.has_private_address() && self.is_guarded(forward, forward.reason))
            && !(self.follows() && entry.targets().any(|target| self.turns(target, forward.upstreams)));
        if !whole {
            return None;
        }
        let why = entry.has_no_answer().then(|| why_not_private(forward.reason)).flatten();
        let client = relay_client(self.query, self.responder, self.incoming, extended_error(found, why.as_deref()));
        entry.write(&client, *age, out).or_else(|| {
            let cut = relay(&entry.message(*age), &client).ok()?;
            out.get_mut(..cut.len())?.copy_from_slice(&cut);
            Some(cut.len())
        })
    }

    /// The reply where it is more, or less, than what one upstream said: `found` is that.
    async fn put_together(&self, forward: &Forward<'a>, mut found: CacheHit) -> Vec<u8> {
        let mut before = vec![encode_chain(&forward.chain)];
        let (mut upstreams, mut reason) = (forward.upstreams, forward.reason);
        let began = Instant::now();
        for _ in 0..MAX_STEPS {
            let reply = found.entry.message(found.age);
            let Ok(message) = Message::parse(&reply) else { break };
            let done = match self.tail(&message, upstreams) {
                Some(Tail::Onward(way, name, to)) => {
                    before.extend(way);
                    (upstreams, reason) = (to.upstreams, to.reason);
                    // the first one had a deadline of its own, and no other is begun after it
                    if began.elapsed() >= self.responder.limits.forward_deadline {
                        break;
                    }
                    let set = self.responder.lookup().cache().upstreams(upstreams);
                    let wanted =
                        LookupQuestion { spelled: name.wire(), name: name.wire(), ..self.wanted(forward, &set) };
                    found = self.look_up(&wanted).await;
                    continue;
                }
                Some(Tail::Private(way, tail)) => {
                    before.push(way);
                    self.finish(&before, reason, &tail, &found)
                }
                Some(Tail::Blocked(why)) => return self.fail(BLOCKED, &why),
                None => match self.rebinds(forward, reason, &message) {
                    Some(reply) => return reply,
                    None => self.finish(&before, reason, &reply, &found),
                },
            };
            return done.unwrap_or_else(|| self.fail(OTHER, MALFORMED));
        }
        self.fail(OTHER, MALFORMED)
    }

    /// The reply to the client out of a message and the records in front of it; `None` if that is malformed.
    fn finish(&self, before: &[Prefix], reason: Reason<'_>, message: &[u8], found: &CacheHit) -> Option<Vec<u8>> {
        let before: Vec<&Prefix> = before.iter().filter(|prefix| prefix.count > 0).collect();
        let composed = match before[..] {
            [] => message.to_vec(),
            _ => compose(self.query.question_octets, &before, message)?,
        };
        let negative = Message::parse(&composed).ok()?.records().next().is_none_or(|r| r.section as usize != 0);
        let why = negative.then(|| why_not_private(reason)).flatten();
        let ede = extended_error(found, why.as_deref());
        relay(&composed, &relay_client(self.query, self.responder, self.incoming, ede)).ok()
    }

    /// Whether addresses that belong to no public name are taken out of a reply to this question.
    fn is_guarded(&self, forward: &Forward<'_>, reason: Reason<'_>) -> bool {
        // an alias of a hosted zone, or a rule of the operator's, leads there: the name is none of the public ones
        forward.name.is_none()
            && !matches!(reason, Reason::Rule(_))
            && is_guarded(&self.snapshot.policy, &self.query.question.name)
    }

    /// The reply without records where an upstream's would be one of rebinding.
    fn rebinds(&self, forward: &Forward<'_>, reason: Reason<'_>, message: &Message<'_>) -> Option<Vec<u8>> {
        let address = self.is_guarded(forward, reason).then(|| private_address(message)).flatten()?;
        let name = self.query.question.name;
        tracing::debug!("possible DNS rebinding: an upstream gives {name} the address {address}");
        let why = format!("rebind_protection: an upstream gives this public name the address {address}");
        // no SERVFAIL: the client would ask its next resolver for it
        let ede = Ede { code: BLOCKED, text: &why };
        Some(without_records(self.query, self.responder, self.incoming, Rcode::NoError, ede))
    }

    /// Whether aliases are followed: who asks for an alias wants the alias, not where it leads (RFC 1034 3.6.2).
    fn follows(&self) -> bool {
        self.query.question.rtype != rtype::CNAME
    }

    /// Whether a lower-case name that an alias of `upstreams` leads to is not theirs, as this client sees it.
    fn turns(&self, name: &[u8], upstreams: &Arc<[Upstream]>) -> bool {
        let mut buf = NameBuf::default();
        // what cannot be read is left to `put_together`
        buf.read(name).is_none() || !matches!(self.turn(&self.ask_for(&buf), upstreams), Turn::None)
    }

    /// The client's question, for another name.
    fn ask_for<'n>(&self, name: &'n NameBuf) -> Question<'n> {
        Question { name: name.name(), rtype: self.query.question.rtype, recursion_desired: true }
    }

    /// Where the aliases in the reply of `upstreams` lead to a name that is not theirs, as this client sees it.
    ///
    /// Without this, an alias would show the client the public address of a name that is private to it.
    fn tail(&self, message: &Message<'_>, upstreams: &Arc<[Upstream]>) -> Option<Tail<'a>> {
        for target in if self.follows() { cname_targets(message) } else { Vec::new() } {
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
                    let next = to.name.unwrap_or(&owner).clone();
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
    Onward([Prefix; 2], DnsName, Forward<'a>),
    /// A name that would have to be private, and is not; why.
    Blocked(String),
}

/// A public "no" for a name that could be private is explained.
fn why_not_private(reason: Reason<'_>) -> Option<String> {
    (!matches!(reason, Reason::Upstream | Reason::Rule(_))).then(|| reason.to_string())
}

/// That an answer is stale, or else why it is none.
fn extended_error<'a>(found: &CacheHit, why: Option<&'a str>) -> Option<Ede<'a>> {
    match found.age {
        Age::Stale(_) if found.entry.kind() == ReplyKind::NoName => Some(Ede { code: STALE_NO_NAME, text: "" }),
        Age::Stale(_) => Some(Ede { code: STALE, text: "" }),
        Age::Fresh(_) => why.map(|text| Ede { code: OTHER, text }),
    }
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

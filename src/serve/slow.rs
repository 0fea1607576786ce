//! Questions that an upstream has to be asked for, from the packet to the whole reply.
//!
//! Whatever comes together out of several sources (aliases of ours that lead away, aliases of others that lead into
//! a private zone) is put into one message with the client's question, and `relay` makes the reply of it, as it does
//! of any other.

use std::sync::Arc;

use super::respond::{Incoming, Responder, reply_limit};
use crate::answer::{Decision, Forward, NameBuf, NoTrace, Part, Question, Rcode, Reason, Reply, answer};
use crate::forward::cache::{Age, Entry, Found, Kind, UpstreamSet};
use crate::forward::chain::{Prefix, cname_targets, cut_after};
use crate::forward::compose::compose;
use crate::forward::lookup::Wanted;
use crate::forward::message::{Message, flag};
use crate::forward::relay::{Client, Ede, relay};
use crate::snapshot::{self, Snapshot};
use crate::wire::{Frame, HEADER, Packet, Query, Writer, encode, parse, records};

/// INFO-CODE "Other Error" (RFC 8914 4.1).
const OTHER: u16 = 0;
/// INFO-CODE "Stale Answer" (RFC 8914 4.4).
const STALE: u16 = 3;
/// INFO-CODE "Stale NXDOMAIN Answer" (RFC 8914 4.20).
const STALE_NO_NAME: u16 = 19;

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

/// A question for others, and whose it is.
pub(super) struct Asked<'a> {
    pub(super) responder: &'a Responder,
    pub(super) snapshot: &'a Snapshot,
    pub(super) client: snapshot::Client<'a>,
    pub(super) query: &'a Query<'a>,
    pub(super) incoming: Incoming<'a>,
}

impl Asked<'_> {
    /// What is asked for, of the cache and of upstreams.
    pub(super) fn wanted<'w>(&'w self, forward: &Forward<'w>, upstreams: &'w Arc<UpstreamSet>) -> Wanted<'w> {
        let (own_name, _) = self.query.question_octets.split_at(self.query.question_octets.len().saturating_sub(4));
        let (spelled, name) = match forward.name {
            Some(name) => (name.wire(), name.wire()),
            None => (own_name, self.query.question.name.wire),
        };
        Wanted {
            spelled,
            name,
            rtype: self.query.question.rtype,
            dnssec_ok: self.query.edns.is_some_and(|edns| edns.dnssec_ok),
            checking_disabled: self.query.checking_disabled,
            upstreams,
        }
    }

    async fn forward(&self, forward: &Forward<'_>) -> Vec<u8> {
        let upstreams = self.responder.lookup().cache().upstreams(forward.upstreams);
        let found = self.responder.lookup().resolve(&self.wanted(forward, &upstreams)).await;
        let counters = self.responder.counters();
        if found.entry.is_unanswered() {
            counters.forward_failed();
        }
        if matches!(found.age, Age::Stale(_)) {
            counters.tally().cached(&found);
        }
        let mut out = vec![0; found.entry.most_octets()];
        if let Some(len) = self.copy(forward, &found, &mut out) {
            out.truncate(len);
            return out;
        }
        self.finish(forward, &found).unwrap_or_else(|| self.fail(OTHER, "the upstream's reply is malformed"))
    }

    /// Writes the reply to the client where it is what was said, no more and no less; returns its length.
    ///
    /// `None` where something has to be put together: our own aliases go in front, or one of the upstream's leads to a
    /// name of ours. This is asked for every hit anew, as clients differ, and names change hands.
    pub(super) fn copy(&self, forward: &Forward<'_>, found: &Found, out: &mut [u8]) -> Option<usize> {
        let Found { entry, age, .. } = found;
        if !forward.chain.is_empty() || entry.targets().any(|target| self.is_ours(target)) {
            return None;
        }
        let why = why_not_private(forward, entry);
        let client = relay_client(self.query, self.responder, self.incoming, extended_error(found, why.as_deref()));
        entry.write(&client, *age, out).or_else(|| {
            let cut = relay(&entry.message(*age), &client).ok()?;
            out.get_mut(..cut.len())?.copy_from_slice(&cut);
            Some(cut.len())
        })
    }

    /// The reply to the client, put together; `None` if what was said is malformed.
    fn finish(&self, forward: &Forward<'_>, found: &Found) -> Option<Vec<u8>> {
        let reply = found.entry.message(found.age);
        let message = Message::parse(&reply).ok()?;
        let ours = encode_chain(&forward.chain);
        let private = self.private_tail(&message);
        let composed = match (&private, ours.count) {
            (Some((prefix, tail)), _) => compose(self.query.question_octets, &[&ours, prefix], tail)?,
            (None, _) => compose(self.query.question_octets, &[&ours], &reply)?,
        };
        let client = relay_client(self.query, self.responder, self.incoming, extended_error(found, None));
        relay(&composed, &client).ok()
    }

    /// Whether this client has an answer of ours for a lower-case name.
    fn is_ours(&self, name: &[u8]) -> bool {
        let mut buf = NameBuf::default();
        // what cannot be read is left to `finish`
        buf.read(name).is_none() || self.our_answer(&Question { name: buf.name(), ..self.query.question }).is_some()
    }

    /// Where an upstream's aliases lead to a private name of this client: the records up to there, and our answer.
    ///
    /// Without this, an alias would show the client the public address of a name that is private to it.
    fn private_tail(&self, message: &Message<'_>) -> Option<(Prefix, Vec<u8>)> {
        for target in cname_targets(message) {
            let mut buf = NameBuf::default();
            buf.read(target.wire())?;
            let question = Question { name: buf.name(), ..self.query.question };
            let Some(reply) = self.our_answer(&question) else { continue };
            let [t0, t1] = question.rtype.to_be_bytes();
            let octets: Vec<u8> = target.wire().iter().copied().chain([t0, t1, 0, 1]).collect();
            return Some((cut_after(message, &target)?, self.bare(&question, &octets, &reply)));
        }
        None
    }

    /// Our answer to a name that an upstream's alias leads to.
    fn our_answer(&self, question: &Question<'_>) -> Option<Reply<'_>> {
        match answer(self.snapshot, self.client, question, 0, &mut NoTrace) {
            Decision::Reply(reply) if matches!(reply.rcode, Rcode::NoError | Rcode::NxDomain) => Some(reply),
            _ => None,
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

/// A public "no" for a name that could be private is explained.
fn why_not_private(forward: &Forward<'_>, entry: &Entry) -> Option<String> {
    let explains = entry.has_no_answer() && !matches!(forward.reason, Reason::Upstream | Reason::Rule(_));
    explains.then(|| forward.reason.to_string())
}

/// That an answer is stale, or else why it is none.
fn extended_error<'a>(found: &Found, why: Option<&'a str>) -> Option<Ede<'a>> {
    match found.age {
        Age::Stale(_) if found.entry.kind() == Kind::NoName => Some(Ede { code: STALE_NO_NAME, text: "" }),
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
    let mut bare = vec![0; HEADER];
    bare.extend_from_slice(query.question_octets);
    let flags = flag::QR | flag::RA | Rcode::ServFail as u16;
    for (to, field) in bare.chunks_exact_mut(2).zip([0, flags, 1, 0, 0, 0]) {
        to.copy_from_slice(&field.to_be_bytes());
    }
    let client = relay_client(query, server, incoming, Some(Ede { code, text }));
    // a header and the client's own question are always well formed, and always fit
    relay(&bare, &client).unwrap_or(bare)
}

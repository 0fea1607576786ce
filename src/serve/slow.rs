//! Questions that an upstream has to be asked for, from the packet to the whole reply.
//!
//! Whatever comes together out of several sources (aliases of ours that lead away, aliases of others that lead into
//! a private zone) is put into one message with the client's question, and `relay` makes the reply of it, as it does
//! of any other.

use std::net::SocketAddr;
use std::sync::Arc;

use super::pad::pad_vec;
use super::respond::{Incoming, Responder, reply_limit, wants_padding};
use crate::answer::{Decision, Forward, NameBuf, NoTrace, Part, Question, Rcode, Reason, Reply, answer};
use crate::forward::chain::{Prefix, cname_targets, cut_after};
use crate::forward::compose::compose;
use crate::forward::message::{Message, flag};
use crate::forward::relay::{Client, Ede, relay};
use crate::forward::{ForwardError, Outbound};
use crate::snapshot::{self, Snapshot};
use crate::wire::{Frame, HEADER, Packet, Query, Writer, encode, parse, records};

/// INFO-CODE "Network Error" (RFC 8914 4.24).
const NETWORK_ERROR: u16 = 23;
/// INFO-CODE "Other Error" (RFC 8914 4.1).
const OTHER: u16 = 0;

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

/// A question on its way.
struct Asked<'a> {
    responder: &'a Responder,
    snapshot: &'a Snapshot,
    client: snapshot::Client<'a>,
    query: &'a Query<'a>,
    incoming: Incoming<'a>,
}

impl Asked<'_> {
    async fn forward(&self, forward: &Forward<'_>) -> Vec<u8> {
        let (own_name, _) = self.query.question_octets.split_at(self.query.question_octets.len().saturating_sub(4));
        let outbound = Outbound {
            name: forward.name.map_or(own_name, |name| name.wire()),
            rtype: self.query.question.rtype,
            class: 1,
            recursion_desired: true,
            checking_disabled: self.query.checking_disabled,
            authentic_data: self.query.authentic_data,
            dnssec_ok: self.query.edns.is_some_and(|edns| edns.dnssec_ok),
            edns: self.query.edns.is_some(),
        };
        match self.ask(&outbound, forward.upstreams).await {
            Ok(reply) => {
                self.finish(forward, &reply).unwrap_or_else(|| self.fail(OTHER, "the upstream's reply is malformed"))
            }
            Err(error) => {
                self.responder.counters().forward_failed();
                self.fail(NETWORK_ERROR, &error.to_string())
            }
        }
    }

    async fn ask(&self, outbound: &Outbound<'_>, upstreams: &Arc<[SocketAddr]>) -> Result<Vec<u8>, ForwardError> {
        self.responder.forwarder.exchange(outbound, upstreams).await
    }

    /// The reply to the client out of the upstream's; `None` if that is malformed.
    fn finish(&self, forward: &Forward<'_>, reply: &[u8]) -> Option<Vec<u8>> {
        let message = Message::parse(reply).ok()?;
        let ours = encode_chain(&forward.chain);
        let private = self.private_tail(&message);
        let composed = match (&private, ours.count) {
            (Some((prefix, tail)), _) => compose(self.query.question_octets, &[&ours, prefix], tail)?,
            (None, 1..) => compose(self.query.question_octets, &[&ours], reply)?,
            (None, 0) => reply.to_vec(),
        };
        let negative = Message::parse(&composed).ok()?.records().next().is_none_or(|r| r.section as usize != 0);
        // a public "no" for a name that could be private is explained
        let why =
            negative.then_some(forward.reason).filter(|reason| !matches!(reason, Reason::Upstream | Reason::Rule(_)));
        let why = why.map(|reason| reason.to_string());
        let ede = why.as_deref().map(|text| Ede { code: OTHER, text });
        relay(&composed, &relay_client(self.query, self.responder, self.incoming, ede)).ok()
    }

    /// Where an upstream's aliases lead to a private name of this client: the records up to there, and our answer.
    ///
    /// Without this, an alias would show the client the public address of a name that is private to it.
    fn private_tail(&self, message: &Message<'_>) -> Option<(Prefix, Vec<u8>)> {
        for target in cname_targets(message) {
            let mut buf = NameBuf::default();
            buf.read(target.wire())?;
            let question = Question { name: buf.name(), ..self.query.question };
            let Decision::Reply(reply) = answer(self.snapshot, self.client, &question, 0, &mut NoTrace) else {
                continue;
            };
            if matches!(reply.rcode, Rcode::NoError | Rcode::NxDomain) {
                let [t0, t1] = question.rtype.to_be_bytes();
                let octets: Vec<u8> = target.wire().iter().copied().chain([t0, t1, 0, 1]).collect();
                return Some((cut_after(message, &target)?, self.bare(&question, &octets, &reply)));
            }
        }
        None
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

//! Answers that wait for upstreams, and the aliases that lead from one source to another.
//!
//! A reply that comes out of several sources (aliases of ours that lead away, aliases of upstreams that lead into a
//! private zone) is composed into one message with the client's question, and `relay` makes the client's reply of it, as
//! of any other.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Incoming;
use super::dns64::translation;
use super::flatten::{addresses_at, flat_part};
use super::forwarded::{AliasTarget, ForwardedQuestion, extended_error, why_not_private};
use super::reply::{failure, finished_vec, relay_client, without_records};
use super::resources::Resources;
use super::subnet::{ClientSubnet, client_by, read_query};
use crate::answer::{Decision, Forward, NoAnswer, NoTrace, Part, Question, Reason, Reply, answer, delay};
use crate::config::Metric;
use crate::dns::{Class, DnsName, ExtendedError, InfoCode, Message, NameBuf, Rcode, Writer, rcode_of};
use crate::forward::cache::{Age, CacheHit};
use crate::forward::chain::{Prefix, cname_targets, cut_after};
use crate::forward::compose::compose;
use crate::forward::lookup::LookupQuestion;
use crate::forward::rebinding::private_address;
use crate::forward::recorder::{LiveEvent, record};
use crate::forward::relay::relay;
use crate::model::Upstream;
use crate::snapshot::{Access, Snapshot};
use crate::wire::{Edns, Frame, Query, Transport, encode, records};

/// Most upstream sets that are asked for one question, as aliases lead from the names of one to those of another.
const MAX_STEPS: usize = 8;
const MALFORMED: &str = "the upstream's reply is malformed, or its aliases lead too far";

/// The whole answer to a packet that could not be answered at once; `None`: no reply.
pub(super) async fn resolve(resources: &Resources, snapshot: &Snapshot, incoming: Incoming<'_>) -> Option<Vec<u8>> {
    let mut name = NameBuf::default();
    let (query, subnet) = read_query(resources, incoming, &mut name)?;
    let client = client_by(snapshot, incoming, subnet.as_ref());
    if let Some((_, ms)) = delay(snapshot, &client, &query.question) {
        tokio::time::sleep(Duration::from_millis(ms.into())).await;
    }
    let asked = ForwardedQuestion { resources, snapshot, client, query: &query, incoming, recorder: None };
    let reply = asked.answered(subnet.as_ref()).await;
    Some(finished_vec(&query, incoming.transport, subnet.as_ref(), reply))
}

/// The aliases of ours that lead from the question's name to one that others answer, as a reply without its end; `None`: the
/// question itself is for others.
pub(super) fn aliases(resources: &Resources, snapshot: &Snapshot, incoming: Incoming<'_>) -> Option<Vec<u8>> {
    let mut name = NameBuf::default();
    let (query, subnet) = read_query(resources, incoming, &mut name)?;
    let client = client_by(snapshot, incoming, subnet.as_ref());
    let asked = ForwardedQuestion { resources, snapshot, client, query: &query, incoming, recorder: None };
    let decision = answer(snapshot, client, &query.question, u32::from(query.id), &mut NoTrace);
    let Decision::Forward(forward) = decision else { return None };
    let target = forward.name.as_deref()?;
    let reply = match flat_part(&forward) {
        None => relay(&asked.chain(&forward), &relay_client(&query, resources, incoming, None)).ok()?,
        Some(_) => asked.fail(InfoCode::OTHER, &format!("nobody here asks for the addresses of {target}")),
    };
    Some(finished_vec(&query, incoming.transport, subnet.as_ref(), reply))
}

impl<'a> ForwardedQuestion<'a> {
    /// The whole answer, as the client gets it but for what its connection adds; `subnet`: whom it is asked for.
    pub(super) async fn answered(&self, subnet: Option<&ClientSubnet>) -> Vec<u8> {
        match translation(self.snapshot, self.client, self.incoming, subnet, self.query) {
            Some(translation) => self.translated(translation).await,
            None => self.found().await,
        }
    }

    /// The reply, from here or from upstreams.
    pub(super) async fn found(&self) -> Vec<u8> {
        let query = self.query;
        match self.decide(&query.question) {
            // a change since the packet came in made the name ours, or what it lacks is made of something else
            Decision::Reply(reply) => self.local(&query.question, query.question_octets, &reply),
            Decision::Forward(forward) => {
                let reply = self.forward(&forward).await;
                self.resources.counters.relayed(rcode_of(&reply));
                reply
            }
        }
    }

    /// The reply that the client would get to another question, whole, and with the reason for it where the client has EDNS.
    pub(super) async fn found_by(&self, spelled: &[u8], question: &Question<'_>) -> Vec<u8> {
        let octets = [spelled, &question.rtype.octets(), &Class::IN.octets()].concat();
        let edns = self.query.edns.map(|_| Edns { payload: u16::MAX, ..Edns::default() });
        let query = Query { question_octets: &octets, question: *question, edns, ..*self.query };
        // the whole of it is needed, whatever the client's transport takes
        let incoming = Incoming { transport: Transport::Tcp, ..self.incoming };
        let asked = ForwardedQuestion { query: &query, incoming, ..*self };
        Box::pin(asked.found()).await
    }

    async fn forward(&self, forward: &Forward<'a>) -> Vec<u8> {
        if self.resources.lookup.is_own_probe(self.query.question.name.wire(), forward.upstreams) {
            return self.fail(InfoCode::OTHER, "an upstream has sent this server its own question");
        }
        if let Reason::DelegateRule(rule, zone) = forward.reason {
            let own = || DnsName::from_wire(self.query.question.name.wire());
            let Some(name) = forward.name.as_deref().cloned().or_else(own) else {
                return self.fail(InfoCode::OTHER, "internal error");
            };
            let found = self.delegated(rule, zone, &name).await;
            self.count(&found);
            return self.compose_reply(forward, found).await;
        }
        let upstreams = self.upstream_set(forward.upstreams);
        let found = self.look_up(&self.lookup_question(forward, &upstreams)).await;
        self.reply_with(forward, found).await
    }

    /// The reply, once something is found for the question.
    pub(super) async fn reply_with(&self, forward: &Forward<'a>, found: CacheHit) -> Vec<u8> {
        let mut out = vec![0; found.entry.most_octets()];
        if let Some(len) = self.copy(forward, &found, &mut out) {
            out.truncate(len);
            // a datagram's is short, whatever the upstream said
            out.shrink_to_fit();
            return out;
        }
        self.compose_reply(forward, found).await
    }

    async fn look_up(&self, wanted: &LookupQuestion<'_>) -> CacheHit {
        let found = self.resources.lookup.resolve(wanted).await;
        self.count(&found);
        found
    }

    /// Counts what was found once an upstream was asked.
    pub(super) fn count(&self, found: &CacheHit) {
        let counters = &self.resources.counters;
        if found.entry.is_unanswered() {
            counters.tally().count(Metric::ForwardFailed);
        }
        if matches!(found.age, Age::Stale(_)) {
            counters.tally().cached(found);
        }
    }

    /// The reply where it is more, or less, than what one upstream said, which is `found`.
    async fn compose_reply(&self, forward: &Forward<'a>, mut found: CacheHit) -> Vec<u8> {
        let mut before = vec![encode_chain(&forward.chain)];
        let (mut upstreams, mut reason) = (forward.upstreams, forward.reason);
        let began = Instant::now();
        for _ in 0..MAX_STEPS {
            let reply = found.entry.message(found.age, self.query.question.rtype);
            let Ok(message) = Message::parse(&reply) else { break };
            let done = match self.tail(&message, upstreams, reason) {
                Some(Tail::Elsewhere(way, name, to)) => {
                    before.extend(way);
                    (upstreams, reason) = (to.upstreams, to.reason);
                    // the first one had a deadline of its own, and no other is begun after it
                    if began.elapsed() >= self.resources.limits.forward_deadline {
                        break;
                    }
                    if let Reason::DelegateRule(rule, zone) = reason {
                        found = self.delegated(rule, zone, &name).await;
                        self.count(&found);
                        continue;
                    }
                    let set = self.upstream_set(upstreams);
                    let wanted = LookupQuestion {
                        spelled: name.wire(),
                        name: name.wire(),
                        ..self.lookup_question(forward, &set)
                    };
                    found = self.look_up(&wanted).await;
                    continue;
                }
                Some(Tail::Private(way, tail)) => {
                    before.push(way);
                    self.finish(forward, &before, reason, &tail, &found)
                }
                Some(Tail::Blocked(why)) => return self.withheld(why),
                None => match self.without_rebinding(forward, reason, &message) {
                    Some(reply) => return reply,
                    None => self.finish(forward, &before, reason, &reply, &found),
                },
            };
            return done.unwrap_or_else(|| self.fail(InfoCode::OTHER, MALFORMED));
        }
        self.fail(InfoCode::OTHER, MALFORMED)
    }

    /// The reply to the client out of a message and the records in front of it; `None` if that is malformed.
    fn finish(
        &self,
        forward: &Forward<'_>,
        before: &[Prefix],
        reason: Reason<'_>,
        message: &[u8],
        found: &CacheHit,
    ) -> Option<Vec<u8>> {
        let client = |ede| relay_client(self.query, self.resources, self.incoming, ede);
        if let (Some(part), Some(first)) = (flat_part(forward), before.first()) {
            let message = Message::parse(message).ok()?;
            let (octets, rtype) = (self.query.question_octets, self.query.question.rtype);
            return match addresses_at(part.owner.as_deref(), rtype, octets, first, &message) {
                Some(flat) => relay(&flat, &client(extended_error(found, None))).ok(),
                None => Some(self.without_addresses(forward, part, message.flags().rcode())),
            };
        }
        let before: Vec<&Prefix> = before.iter().filter(|prefix| prefix.count > 0).collect();
        let composed = match before[..] {
            [] => message.to_vec(),
            _ => compose(self.query.question_octets, &before, message)?,
        };
        let negative = Message::parse(&composed).ok()?.records().next().is_none_or(|r| r.section as usize != 0);
        let why = negative.then(|| why_not_private(reason)).flatten();
        let ede = extended_error(found, why.as_deref());
        relay(&composed, &client(ede)).ok()
    }

    /// SERVFAIL in the place of a reply that may not be handed on.
    fn withheld(&self, why: String) -> Vec<u8> {
        let reply = self.fail(InfoCode::BLOCKED, &why);
        record(self.recorder, || LiveEvent::Withheld { why });
        reply
    }

    /// The reply without records where an upstream's would be one of rebinding.
    fn without_rebinding(&self, forward: &Forward<'_>, reason: Reason<'_>, message: &Message<'_>) -> Option<Vec<u8>> {
        let address = self.is_guarded(forward, reason).then(|| private_address(message)).flatten()?;
        let name = self.query.question.name;
        tracing::debug!("possible DNS rebinding: an upstream gives {name} the address {address}");
        let why = format!("rebind_protection: an upstream gives this public name the address {address}");
        record(self.recorder, || LiveEvent::Withheld { why: why.clone() });
        // no SERVFAIL: the client would ask its next resolver for it
        let ede = ExtendedError { code: InfoCode::BLOCKED, text: &why };
        Some(without_records(self.query, self.resources, self.incoming, Rcode::NOERROR, ede))
    }

    /// Where the aliases in the reply of `upstreams` lead to a name that is not theirs, as this client sees it.
    ///
    /// Without this, an alias would show the client the public address of a name that is private to it.
    fn tail(&self, message: &Message<'_>, upstreams: &Arc<[Upstream]>, reason: Reason<'a>) -> Option<Tail<'a>> {
        let of_cut = matches!(reason, Reason::DelegateRule(..));
        for target in if self.follows_aliases() { cname_targets(message) } else { Vec::new() } {
            // name servers follow an alias within their own zones alone, and what they say of those stands
            let is_told = || message.records().any(|record| message.owner(&record) == target);
            if of_cut && is_told() {
                continue;
            }
            let question = Question { name: target.name(), recursion_desired: true, ..self.query.question };
            let target_of = match self.alias_target(&question, upstreams) {
                AliasTarget::Upstreams if of_cut => self.elsewhere(&question),
                other => other,
            };
            match target_of {
                AliasTarget::Upstreams => {}
                AliasTarget::Ours(reply) => {
                    let octets = [target.wire(), &question.rtype.octets(), &Class::IN.octets()].concat();
                    return Some(Tail::Private(cut_after(message, &target)?, self.bare(&question, &octets, &reply)));
                }
                AliasTarget::Blocked(reason) => return Some(Tail::Blocked(format!("CNAME to {target:?}: {reason}"))),
                AliasTarget::Elsewhere(to) => {
                    let owner = DnsName::from_wire(target.wire())?;
                    let mut chain = to.chain.clone();
                    for first in chain.iter_mut().filter(|part| part.owner.is_none()) {
                        first.owner = Some(Cow::Borrowed(&owner));
                    }
                    let way = [cut_after(message, &target)?, encode_chain(&chain)];
                    let next = to.name.as_deref().unwrap_or(&owner).clone();
                    return Some(Tail::Elsewhere(way, next, to));
                }
            }
        }
        None
    }

    /// Who else has the name to which an alias of a delegation's name servers leads.
    fn elsewhere(&self, question: &Question<'_>) -> AliasTarget<'a> {
        match self.decide(question) {
            Decision::Forward(to) => AliasTarget::Elsewhere(to),
            Decision::Reply(_) => AliasTarget::Upstreams,
        }
    }

    /// An answer out of the snapshot, as it goes to the client.
    pub(super) fn local(&self, question: &Question<'_>, octets: &[u8], reply: &Reply<'_>) -> Vec<u8> {
        self.resources.counters.tally().reply(reply.rcode);
        let bare = self.bare(question, octets, reply);
        let drill = reply.drill();
        if let Some(drill) = drill {
            self.resources.count_drill(drill);
        }
        let why = drill.map_or_else(|| NoAnswer(reply.reason, reply.rcode).to_string(), ToString::to_string);
        let ede = (reply.answer.is_none() || drill.is_some())
            .then_some(ExtendedError { code: reply.reason.info_code(), text: &why });
        let client = relay_client(self.query, self.resources, self.incoming, ede);
        relay(&bare, &client).unwrap_or_else(|_| self.fail(InfoCode::OTHER, "internal error"))
    }

    /// An answer out of the snapshot as a message of its own, without EDNS.
    fn bare(&self, question: &Question<'_>, octets: &[u8], reply: &Reply<'_>) -> Vec<u8> {
        let query = Query { question_octets: octets, question: *question, edns: None, ..*self.query };
        let frame = Frame {
            limit: usize::from(u16::MAX),
            payload: self.resources.limits.udp_payload,
            aa: self.snapshot.policy.aa || self.client.access == Access::Delegation,
            explain: false,
            secret: &self.resources.secret,
            peer: self.incoming.peer.ip(),
            now: &LazyCell::new(|| 0),
        };
        let mut out = vec![0; usize::from(u16::MAX)];
        let len = encode(&query, reply, &frame, &mut out);
        out.truncate(len);
        out
    }

    /// The aliases in front of what is forwarded, as a message of their own.
    fn chain(&self, forward: &Forward<'_>) -> Vec<u8> {
        let reply = Reply::aliases_alone(forward.chain.clone(), forward.reason);
        self.bare(&self.query.question, self.query.question_octets, &reply)
    }

    pub(super) fn fail(&self, code: InfoCode, text: &str) -> Vec<u8> {
        failure(self.query, self.resources, self.incoming, code, text)
    }
}

/// How an upstream's reply goes on after an alias.
enum Tail<'a> {
    /// A name that is answered here: the records up to it, and the answer as a message.
    Private(Prefix, Vec<u8>),
    /// A name that others have to be asked for: the records up to it and aliases of ours, the name, and whom to ask.
    Elsewhere([Prefix; 2], DnsName, Forward<'a>),
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

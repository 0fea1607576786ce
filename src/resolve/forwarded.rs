//! A question that is answered elsewhere: what is looked up for it, and whether the reply goes to the client as it is.

use std::fmt;
use std::sync::Arc;

use super::Incoming;
use super::reply::relay_client;
use super::resources::Resources;
use crate::answer::{Decision, Forward, NoTrace, Question, Reason, Reply, Trace, answer};
use crate::dns::{ExtendedError, InfoCode, NameBuf, Rcode, Rtype};
use crate::forward::cache::{Age, CacheHit, ReplyKind, UpstreamSet};
use crate::forward::lookup::LookupQuestion;
use crate::forward::rebinding::is_guarded;
use crate::forward::recorder::{LiveEvent, Recorder};
use crate::forward::relay::relay;
use crate::model::Upstream;
use crate::snapshot::{self, Snapshot};
use crate::wire::Query;

/// A question for the cache or an upstream, with the client that asked it.
pub(super) struct ForwardedQuestion<'a> {
    pub(super) resources: &'a Resources,
    pub(super) snapshot: &'a Snapshot,
    pub(super) client: snapshot::Client<'a>,
    pub(super) query: &'a Query<'a>,
    pub(super) incoming: Incoming<'a>,
    /// Who is told what happens to it.
    pub(super) recorder: Option<&'a Arc<Recorder>>,
}

/// What the target of an alias in an upstream's reply is to a client.
pub(super) enum AliasTarget<'a> {
    /// A name like any other: the upstream's answer stands.
    Upstreams,
    /// A name that is answered from the snapshot.
    Ours(Reply<'a>),
    /// A name for which other upstreams are asked, or that a hosted zone makes an alias of.
    Elsewhere(Forward<'a>),
    /// A name that is answered only privately, and has no private answer.
    Blocked(Reason<'a>),
}

impl fmt::Display for AliasTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstreams => f.write_str("what the upstream says of it stands"),
            Self::Ours(reply) => write!(f, "answered here, {}: {}", reply.rcode, reply.reason),
            Self::Elsewhere(to) => write!(f, "others are asked: {}", to.reason),
            Self::Blocked(reason) => write!(f, "blocked: {reason}"),
        }
    }
}

impl<'a> ForwardedQuestion<'a> {
    /// These upstreams, with whether their replies are validated for this client.
    pub(super) fn upstream_set(&self, upstreams: &Arc<[Upstream]>) -> Arc<UpstreamSet> {
        let validated = self.snapshot.validates(&self.client, upstreams);
        self.resources.lookup.cache().upstreams(upstreams, validated)
    }

    /// What is looked up in the cache and asked of `upstreams`.
    pub(super) fn lookup_question<'w>(
        &'w self,
        forward: &'w Forward<'_>,
        upstreams: &'w Arc<UpstreamSet>,
    ) -> LookupQuestion<'w> {
        let (own_name, _) = self.query.question_octets.split_at(self.query.question_octets.len().saturating_sub(4));
        let (spelled, name) = match &forward.name {
            Some(name) => (name.wire(), name.wire()),
            None => (own_name, self.query.question.name.wire()),
        };
        LookupQuestion {
            spelled,
            name,
            rtype: self.query.question.rtype,
            dnssec_ok: self.query.edns.is_some_and(|edns| edns.dnssec_ok),
            checking_disabled: self.query.checking_disabled,
            upstreams,
            recorder: self.recorder,
        }
    }

    /// Writes the reply to the client where it is what the upstream said, no more and no less; returns its length.
    ///
    /// `None` where a reply has to be composed: our own aliases go in front, one of the upstream's leads to a name that
    /// is not its to answer, or its addresses may not be handed on. This is decided for every hit anew, as clients
    /// differ, and names change hands.
    pub(super) fn copy(&self, forward: &Forward<'_>, found: &CacheHit, out: &mut [u8]) -> Option<usize> {
        let CacheHit { entry, age, .. } = found;
        let whole = forward.chain.is_empty()
            && !(entry.has_private_address() && self.is_guarded(forward, forward.reason))
            && !(self.follows_aliases() && entry.targets().any(|target| self.leads_away(target, forward.upstreams)));
        if !whole {
            return None;
        }
        let why = entry.has_no_answer().then(|| why_not_private(forward.reason)).flatten();
        let client = relay_client(self.query, self.resources, self.incoming, extended_error(found, why.as_deref()));
        entry.write(&client, *age, out).or_else(|| {
            let cut = relay(&entry.message(*age, self.query.question.rtype), &client).ok()?;
            out.get_mut(..cut.len())?.copy_from_slice(&cut);
            Some(cut.len())
        })
    }

    /// Whether addresses that belong to no public name are taken out of a reply to this question.
    pub(super) fn is_guarded(&self, forward: &Forward<'_>, reason: Reason<'_>) -> bool {
        // an alias of a hosted zone, or a rule of the operator's, leads there: the name is none of the public ones
        forward.name.is_none()
            && !matches!(reason, Reason::Rule(_) | Reason::DelegateRule(..))
            && is_guarded(&self.snapshot.policy, &self.query.question.name)
    }

    /// Whether aliases are followed: who asks for an alias wants the alias, not where it leads (RFC 1034 3.6.2).
    pub(super) fn follows_aliases(&self) -> bool {
        self.query.question.rtype != Rtype::CNAME
    }

    /// Whether a lower-case name that an alias of `upstreams` leads to is not theirs, as this client sees it.
    fn leads_away(&self, name: &[u8], upstreams: &Arc<[Upstream]>) -> bool {
        let mut buf = NameBuf::default();
        if buf.read(name).is_none() {
            // what cannot be read is left to whoever composes the reply
            return true;
        }
        let question = Question { name: buf.name(), rtype: self.query.question.rtype, recursion_desired: true };
        !matches!(self.alias_target(&question, upstreams), AliasTarget::Upstreams)
    }

    /// What the rules say to a question of this client.
    pub(super) fn decide(&self, question: &Question<'_>) -> Decision<'a> {
        let rotation = u32::from(self.query.id);
        let Some(recorder) = self.recorder else {
            return answer(self.snapshot, self.client, question, rotation, &mut NoTrace);
        };
        let mut steps = Vec::new();
        let decision = answer(self.snapshot, self.client, question, rotation, &mut steps);
        let rcode = match &decision {
            Decision::Reply(reply) => Some(reply.rcode.to_string()),
            Decision::Forward(_) => None,
        };
        let (name, rtype) = (question.name.to_string(), question.rtype.to_string());
        recorder.record(LiveEvent::Decided { name, rtype, steps, rcode, reason: decision.reason().to_string() });
        decision
    }

    /// What the name of `question` is to this client where an alias of `upstreams` leads to it.
    ///
    /// No part of the reply is looked at, so that a cached reply can be asked about too.
    pub(super) fn alias_target(&self, question: &Question<'_>, upstreams: &Arc<[Upstream]>) -> AliasTarget<'a> {
        let Some(recorder) = self.recorder else { return self.target_told(question, upstreams, &mut NoTrace) };
        let mut steps = Vec::new();
        let target = self.target_told(question, upstreams, &mut steps);
        let name = question.name.to_string();
        recorder.alias(&name, || LiveEvent::Alias { name: name.clone(), outcome: target.to_string(), steps });
        target
    }

    fn target_told<T: Trace>(
        &self,
        question: &Question<'_>,
        upstreams: &Arc<[Upstream]>,
        trace: &mut T,
    ) -> AliasTarget<'a> {
        match answer(self.snapshot, self.client, question, u32::from(self.query.id), trace) {
            Decision::Reply(reply) if matches!(reply.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) => {
                AliasTarget::Ours(reply)
            }
            Decision::Reply(Reply { reason: reason @ Reason::PrivateOnly(..), .. }) => AliasTarget::Blocked(reason),
            // a hosted zone has the name, and an alias there leads away
            Decision::Forward(to) if to.name.is_some() => AliasTarget::Elsewhere(to),
            Decision::Forward(to) if matches!(to.reason, Reason::DelegateRule(..)) => AliasTarget::Elsewhere(to),
            Decision::Forward(to) if matches!(to.reason, Reason::Rule(_)) && to.upstreams != upstreams => {
                AliasTarget::Elsewhere(to)
            }
            _ => AliasTarget::Upstreams,
        }
    }
}

/// The text for a public "no" to a name that could be private.
pub(super) fn why_not_private(reason: Reason<'_>) -> Option<String> {
    (!matches!(reason, Reason::Upstream | Reason::Rule(_) | Reason::DelegateRule(..))).then(|| reason.to_string())
}

/// That an answer is stale, or else why there is none.
pub(super) fn extended_error<'a>(found: &CacheHit, why: Option<&'a str>) -> Option<ExtendedError<'a>> {
    match found.age {
        Age::Stale(_) if found.entry.kind() == ReplyKind::NoName => {
            Some(ExtendedError { code: InfoCode::STALE_NXDOMAIN_ANSWER, text: "" })
        }
        Age::Stale(_) => Some(ExtendedError { code: InfoCode::STALE_ANSWER, text: "" }),
        Age::Fresh(_) => why.map(|text| ExtendedError { code: InfoCode::OTHER, text }),
    }
}

//! DNSSEC validation of upstream replies (RFC 4035 5): hickory's validator over our own look-ups.
//!
//! Every question goes out with DO and CD, whatever the client sets: replies then carry signatures, and the upstream
//! does not hold back what it could not validate. Replies, DNSKEY and DS among them, are cached under DO and CD.
//!
//! | verdict | the client gets |
//! |---|---|
//! | secure: signed, up to a trust anchor | the reply with AD |
//! | insecure: the zone above says that there are no signatures | the reply without AD |
//! | bogus | SERVFAIL with EDE 6 and the reason |
//!
//! Not validated are questions of clients for whom nobody wants it (`--dnssec`, or `dnssec_validation` of their VPC); those
//! with CD, whose client does so itself; those for the resolvers of a rule, as private domains have no chain from the
//! root; and names of `dnssec_insecure` (negative trust anchors, RFC 7646). Names of ours are never asked for.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use futures_util::{Stream, StreamExt, stream};
use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::{DnsError, DnsHandle, NetError};
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable;

use crate::config::Limits;
use crate::dns::{
    ExtendedError, HEADER_LEN, Header, HeaderFlags, InfoCode, Message, NameSet, Rtype, rcode_of, set_flags,
};
use crate::forward::begun::{Begun, FirstQuery};
use crate::forward::cache::{Age, Cache, CachedReply, ReplyKind, UpstreamSet, verdict};
use crate::forward::exchange::Exchange;
use crate::forward::lookup::{Lookup, LookupQuestion, question_octets};
use crate::forward::loops::Repeated;
use crate::forward::recorder::{LiveEvent, Recorder, record};
use crate::forward::relay::{copy_records, count};
use crate::forward::udp::HeardReceiver;
use crate::forward::{ForwardError, Forwarder, Outbound};
use crate::model::Upstream;

/// What is validated, and up to which keys. By default everything, up to the root's.
#[derive(Clone, Default)]
pub struct Validation {
    /// Where the keys are from, if not the root's.
    file: Option<PathBuf>,
    anchors: Arc<OnceLock<Arc<TrustAnchors>>>,
    insecure: NameSet,
}

impl Validation {
    /// By the keys of the root, or by those of a file of DNSKEY records in their place; `insecure` are the names at
    /// and below which nothing is. The file is read when the first reply is to be validated, or by [`Validation::read`]; as
    /// long as it cannot be used, such a question gets SERVFAIL.
    pub fn new(anchors: Option<&Path>, insecure: NameSet) -> Self {
        Self { file: anchors.map(Path::to_owned), anchors: Arc::default(), insecure }
    }

    /// Reads the file, unless that is done. The error says what is wrong with it.
    pub fn read(&self) -> Result<(), String> {
        self.anchors().map(drop)
    }

    fn anchors(&self) -> Result<&Arc<TrustAnchors>, String> {
        if let Some(read) = self.anchors.get() {
            return Ok(read);
        }
        let anchors = match &self.file {
            None => TrustAnchors::default(),
            Some(file) => TrustAnchors::from_file(file).map_err(|error| error.to_string())?,
        };
        if anchors.is_empty() {
            return Err("there is no key of the root in it".into());
        }
        Ok(self.anchors.get_or_init(|| Arc::new(anchors)))
    }
}

/// Asks upstreams, and validates their replies where the question wants it.
pub struct Validating {
    forwarder: Forwarder,
    validator: Validator,
}

impl Validating {
    /// Asks through `forwarder`; replies of `upstreams` can be validated, and keys are kept in `cache`.
    pub fn new(
        forwarder: Forwarder,
        validation: Validation,
        upstreams: &Arc<[Upstream]>,
        cache: &Arc<Cache>,
        limits: &Limits,
    ) -> Self {
        let raw = Raw {
            lookup: Arc::new(Lookup::new(forwarder.clone(), Arc::clone(cache), limits)),
            upstreams: cache.upstreams(upstreams, false),
            recorder: None,
        };
        Self { forwarder, validator: Validator { handle: OnceLock::new(), raw, validation } }
    }

    /// The forwarder that sends the questions.
    pub fn forwarder(&self) -> &Forwarder {
        &self.forwarder
    }
}

impl Lookup<Validating> {
    /// What asks upstreams.
    pub fn forwarder(&self) -> &Forwarder {
        self.upstream.forwarder()
    }

    /// See [`Forwarder::is_own_probe`].
    pub fn is_own_probe(&self, name: &[u8], upstreams: &[Upstream]) -> bool {
        self.forwarder().is_own_probe(name, upstreams)
    }
}

impl Exchange for Validating {
    async fn exchange(
        &self,
        question: &Outbound<'_>,
        to: &Arc<[Upstream]>,
        repeated: &Repeated,
    ) -> Result<Vec<u8>, ForwardError> {
        if self.validator.covers(question, to) {
            return Ok(Box::pin(self.validator.exchange(question)).await);
        }
        if let Some(recorder) = question.recorder.filter(|_| question.validated) {
            recorder.record(self.validator.not_validated(question));
        }
        self.forwarder.exchange(question, to, repeated).await
    }

    fn begin(&self, question: &Outbound<'_>, to: &Arc<[Upstream]>) -> Option<(Begun, FirstQuery)> {
        (!self.validator.covers(question, to)).then(|| self.forwarder.begin(question, to)).flatten()
    }

    async fn resume(
        &self,
        begun: Begun,
        heard: HeardReceiver,
        question: &Outbound<'_>,
        to: &Arc<[Upstream]>,
        repeated: &Repeated,
    ) -> Result<Vec<u8>, ForwardError> {
        self.forwarder.resume(begun, heard, question, to, repeated).await
    }

    fn refusal(&self, name: &[u8], upstreams: &[Upstream]) -> Option<ForwardError> {
        self.forwarder.refusal(name, upstreams)
    }
}

struct Validator {
    /// Once the anchors are known.
    handle: OnceLock<DnssecDnsHandle<Raw>>,
    raw: Raw,
    validation: Validation,
}

impl Validator {
    /// hickory's validator; the error says why the anchors cannot be used.
    fn handle(&self) -> Result<&DnssecDnsHandle<Raw>, String> {
        if let Some(handle) = self.handle.get() {
            return Ok(handle);
        }
        let anchors = Arc::clone(self.validation.anchors()?);
        Ok(self.handle.get_or_init(|| DnssecDnsHandle::with_trust_anchor(self.raw.clone(), anchors)))
    }

    fn covers(&self, question: &Outbound<'_>, upstreams: &[Upstream]) -> bool {
        // the root has nobody above it who could vouch for it, which hickory takes for a forgery
        let is_root = question.name == [0] && question.rtype == Rtype::DS;
        question.validated
            && !question.checking_disabled
            && !is_root
            && *self.raw.upstreams.upstreams == *upstreams
            && self.validation.insecure.covering(&question.name.to_ascii_lowercase()).is_none()
    }

    /// The upstream's reply, validated; SERVFAIL where that fails.
    async fn exchange(&self, question: &Outbound<'_>) -> Vec<u8> {
        if let Err(why) = self.handle() {
            let why = format!("the trust anchors cannot be used: {why}");
            return servfail(question.name, question.rtype, InfoCode::DNSSEC_INDETERMINATE, &why);
        }
        // asked for here, too, as the validator says of a failure only that there was one
        let (reply, is_answer) = self.raw.recorded(question.recorder).ask(question.name, question.rtype).await;
        if !is_answer {
            return reply;
        }
        let reply = self.validate_and_dress(question).await.unwrap_or_else(|why| {
            tracing::debug!("bogus: {why}");
            servfail(question.name, question.rtype, InfoCode::DNSSEC_BOGUS, &format!("DNSSEC: {why}"))
        });
        record(question.recorder, || {
            let (verdict, why) = verdict(&reply);
            LiveEvent::Validated { verdict: verdict.to_owned(), why, cached: false }
        });
        reply
    }

    /// Why the reply to a question whose client wants that is not validated.
    fn not_validated(&self, question: &Outbound<'_>) -> LiveEvent {
        let why = if question.checking_disabled {
            "the client sets CD, and validates by itself"
        } else if self.validation.insecure.covering(&question.name.to_ascii_lowercase()).is_some() {
            "the name is at or below one of dnssec_insecure"
        } else {
            "nobody above it could vouch for it"
        };
        LiveEvent::Validated { verdict: "off".to_owned(), why: Some(why.to_owned()), cached: false }
    }

    async fn validate_and_dress(&self, question: &Outbound<'_>) -> Result<Vec<u8>, String> {
        let name = Name::from_bytes(question.name).map_err(|error| error.to_string())?;
        dress(&self.validate(Query::query(name, question.rtype.into())).await?, question)
    }

    /// The reply to this question, and whether all of it is signed, what is not there included; an error where it should
    /// be and is not.
    async fn validate(&self, question: Query) -> Result<Validated, String> {
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        match self.handle()?.send(DnsRequest::from_query(question.clone(), options)).next().await {
            Some(Ok(reply)) => self.complete(&question, &reply, true).await,
            Some(Err(NetError::Dns(DnsError::Nsec { response, proof, .. }))) if proof != Proof::Bogus => {
                Ok(Validated::of(&response, false))
            }
            // a wildcard's own NSEC can be the proof of its use, which hickory does not see
            Some(Err(NetError::Dns(DnsError::Nsec { response, .. }))) => {
                let mut expanded = expansions(&response).peekable();
                let is_proven = expanded.peek().is_some() && expanded.all(|name| is_denied(&name, &response));
                self.complete(&question, &response, is_proven).await
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("no reply".into()),
        }
    }

    /// The same for a reply whose signatures hickory has looked at, and with `is_proven` what is not there as well.
    ///
    /// Neither the response code nor that an alias leads to nothing is signed with the alias: where its target does not
    /// come along, that is asked for by itself.
    async fn complete(&self, question: &Query, reply: &DnsResponse, is_proven: bool) -> Result<Validated, String> {
        const MISSING: &str = "nothing proves that there is no such record";
        let validated = Validated::of(reply, all_secure(reply)?);
        let end = end_of_aliases(question, reply);
        let has_answer = |record: &Record| record.name == end && record.record_type() == question.query_type;
        if reply.answers.iter().any(has_answer) {
            let is_whole = is_proven || expansions(reply).next().is_none();
            let is_sound = is_whole && reply.response_code == ResponseCode::NoError;
            return if is_sound { Ok(validated) } else { Err(MISSING.into()) };
        }
        if end == question.name {
            return if is_proven { Ok(validated) } else { Err(MISSING.into()) };
        }
        if !reply.answers.iter().any(|record| record.proof == Proof::Secure) {
            return Ok(Validated { is_secure: false, ..validated });
        }
        let target = Box::pin(self.validate(Query::query(end, question.query_type))).await?;
        let is_nothing = Header::of(&target.octets).is_some_and(|header| header.answers == 0);
        if !is_nothing || rcode_of(&target.octets) != rcode_of(&validated.octets) {
            return Err(MISSING.into());
        }
        Ok(Validated { is_secure: validated.is_secure && target.is_secure, ..validated })
    }
}

/// A reply that has been looked at.
struct Validated {
    /// The very octets that were: what was asked for before or after may be another reply.
    octets: Vec<u8>,
    is_secure: bool,
}

impl Validated {
    fn of(reply: &DnsResponse, is_secure: bool) -> Self {
        Self { octets: reply.as_buffer().to_vec(), is_secure }
    }
}

/// What validation makes of an upstream's reply whose records no signature covers, for the fuzz targets: the octets that a
/// client gets that has set neither DO nor CD, or an error.
#[doc(hidden)]
pub fn without_crypto(name: &[u8], rtype: Rtype, reply: &[u8]) -> Result<Vec<u8>, String> {
    let asked = Name::from_bytes(name).map_err(|error| error.to_string())?;
    let query = Query::query(asked, rtype.number().into());
    // the engine lets no other reply through
    if Message::parse(reply).map_err(|error| error.to_string())?.question() != &*question_octets(name, rtype) {
        return Err("another question".into());
    }
    let mut response = DnsResponse::from_buffer(reply.to_vec()).map_err(|error| error.to_string())?;
    // proven, so that the rules for aliases, wildcards and denial have something to look at
    response.answers.iter_mut().for_each(|record| record.proof = Proof::Secure);
    response.authorities.iter_mut().for_each(|record| record.proof = Proof::Secure);
    let is_secure = all_secure(&response)?;
    let end = end_of_aliases(&query, &response);
    let is_proven = expansions(&response).all(|name| is_denied(&name, &response)) || is_denied(&end, &response);
    let question = Outbound { authentic_data: true, edns: true, validated: true, ..Outbound::plain(name, rtype) };
    dress(&Validated::of(&response, is_secure && is_proven), &question)
}

/// Where the aliases of the answer end.
fn end_of_aliases(question: &Query, reply: &DnsResponse) -> Name {
    let mut end = question.name.clone();
    // as often as there are records: a circle ends, too
    for _ in &reply.answers {
        let alias = reply.answers.iter().filter(|record| record.name == end).find_map(|record| match &record.data {
            RData::CNAME(target) if question.query_type != RecordType::CNAME => Some(target.0.clone()),
            _ => None,
        });
        match alias {
            Some(target) => end = target,
            None => break,
        }
    }
    end
}

/// For each answer that a wildcard gave, the name that must not exist, as else it would have given none: one label
/// longer than what is behind the `*` (RFC 4035 5.3.4).
fn expansions(reply: &DnsResponse) -> impl Iterator<Item = Name> {
    reply.answers.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => {
            let labels = signature.input().num_labels;
            (labels < record.name.num_labels()).then(|| record.name.trim_to(usize::from(labels) + 1))
        }
        _ => None,
    })
}

/// Whether a signed NSEC says that neither the name nor any name below it exists (RFC 4034 4.1.1, 6.1).
fn is_denied(name: &Name, reply: &DnsResponse) -> bool {
    reply.authorities.iter().filter(|record| record.proof == Proof::Secure).any(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) => {
            let (owner, next) = (&record.name, nsec.next_domain_name());
            let types = nsec.type_set();
            // RFC 6840 4.1: one at a cut, or at a DNAME, says nothing about what is below
            let is_cut = types.contains(RecordType::NS) && !types.contains(RecordType::SOA);
            let is_above = owner.zone_of(name) && (is_cut || types.contains(Rtype::DNAME.into()));
            // the last one leads back to the zone's own name
            let is_between = owner < name && (name < next || next <= owner && next.zone_of(name));
            is_between && !is_above && !name.zone_of(next)
        }
        _ => false,
    })
}

/// RFC 4035 3.2.3: AD says that all record sets of the answer and authority sections are authentic.
fn all_secure(reply: &DnsResponse) -> Result<bool, String> {
    let mut all = None;
    for record in reply.answers.iter().chain(&reply.authorities) {
        if record.record_type() == RecordType::RRSIG || is_from_dname(record, reply) {
            continue;
        }
        if record.proof == Proof::Bogus {
            return Err(format!("no valid signature of {} {}", record.name, record.record_type()));
        }
        all = Some(all.unwrap_or(true) && record.proof == Proof::Secure);
    }
    Ok(all.unwrap_or(false))
}

/// Whether an alias is what a signed DNAME makes of the name; such an alias has no signature (RFC 6672 5.3.1).
fn is_from_dname(alias: &Record, reply: &DnsResponse) -> bool {
    let RData::CNAME(CNAME(target)) = &alias.data else { return false };
    reply.answers.iter().filter(|record| record.proof == Proof::Secure).any(|dname| {
        let Some(to) = target_of_dname(dname) else { return false };
        let labels = usize::from(alias.name.num_labels());
        let below = labels.checked_sub(usize::from(dname.name.num_labels())).filter(|below| *below > 0);
        let made = below
            .filter(|_| dname.name.zone_of(&alias.name))
            .and_then(|below| Name::from_labels(alias.name.iter().take(below)).ok()?.append_domain(&to).ok());
        made.is_some_and(|made| made == *target)
    })
}

/// DNAME is a type that hickory keeps as octets: one name without compression (RFC 6672 2.1).
fn target_of_dname(record: &Record) -> Option<Name> {
    match &record.data {
        RData::Unknown { code, rdata } if Rtype::from(*code) == Rtype::DNAME => Name::from_bytes(&rdata.anything).ok(),
        _ => None,
    }
}

/// Upstreams' replies as they are: what the validator works with.
#[derive(Clone)]
struct Raw {
    lookup: Arc<Lookup<Forwarder>>,
    upstreams: Arc<UpstreamSet>,
    recorder: Option<Arc<Recorder>>,
}

impl Raw {
    /// The same, telling a recorder.
    fn recorded(&self, recorder: Option<&Arc<Recorder>>) -> Self {
        Self { recorder: recorder.cloned(), ..self.clone() }
    }

    /// A whole reply, and whether it is an answer: a failure is none, and neither is what was true once.
    async fn ask(&self, name: &[u8], rtype: Rtype) -> (Vec<u8>, bool) {
        let lower = name.to_ascii_lowercase();
        let wanted = LookupQuestion {
            spelled: name,
            name: &lower,
            rtype,
            dnssec_ok: true,
            checking_disabled: true,
            upstreams: &self.upstreams,
            recorder: self.recorder.as_ref(),
        };
        let found = self.lookup.resolve(&wanted).await;
        match found.age {
            Age::Fresh(_) => (found.entry.message(found.age, rtype), found.entry.kind() != ReplyKind::Failure),
            Age::Stale(_) => (servfail(name, rtype, InfoCode::NETWORK_ERROR, "no upstream answered"), false),
        }
    }
}

impl DnsHandle for Raw {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let raw = self.clone();
        Box::pin(stream::once(async move {
            let question = request.queries.first().ok_or(NetError::Message("no question"))?;
            match raw.ask(&wire(&question.name), question.query_type.into()).await {
                (reply, true) => Ok(DnsResponse::from_buffer(reply)?),
                (_, false) => Err(NetError::Msg(format!("no {} of {}", question.query_type, question.name))),
            }
        }))
    }
}

fn wire(name: &Name) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len());
    for label in name {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}

/// The reply as this client gets it: AD or not, and without signatures that it did not ask for (RFC 4035 3.2.1).
fn dress(validated: &Validated, question: &Outbound<'_>) -> Result<Vec<u8>, String> {
    let Validated { octets: reply, is_secure } = validated;
    let mut dressed = if question.dnssec_ok || question.rtype == Rtype::ANY {
        reply.clone()
    } else {
        without_signatures(reply, question.rtype).ok_or("unreadable reply")?
    };
    let flags = Header::of(reply).unwrap_or_default().flags.without(HeaderFlags::AD).with(HeaderFlags::AD, *is_secure);
    set_flags(&mut dressed, flags);
    Ok(dressed)
}

fn without_signatures(reply: &[u8], asked: Rtype) -> Option<Vec<u8>> {
    let message = Message::parse(reply).ok()?;
    let mut out = vec![0; HEADER_LEN];
    out.extend_from_slice(message.question());
    let unasked = |kind: Rtype| matches!(kind, Rtype::RRSIG | Rtype::NSEC | Rtype::NSEC3) && kind != asked;
    let kept = copy_records(&message, false, |record| !unasked(record.rtype), &mut out)?;
    let header = Header { flags: message.flags(), questions: 1, ..Header::default() };
    header.with_counts(count(&kept)).write(&mut out)?;
    Some(out)
}

fn servfail(name: &[u8], rtype: Rtype, code: InfoCode, why: &str) -> Vec<u8> {
    CachedReply::unanswered(&question_octets(name, rtype), ExtendedError { code, text: why }, 0)
        .message(Age::Fresh(0), rtype)
}

#[cfg(test)]
mod tests;

//! Which records of a reply are stored, and for how long.
//!
//! Kept are of the answer section those that answer the question: of its name, of the names that its CNAMEs lead to, and
//! the DNAMEs those come from. Others are dropped, as Unbound does: nobody asked for them, and a client that does not
//! look at owners would take them for the answer. Of the other sections `scrub` says what is kept. Knows no entries.

use smallvec::SmallVec;

use super::Times;
use super::names::NamesOfAnswer;
use super::scrub::Scrub;
use crate::dns::{
    Class, HEADER_LEN, Header, HeaderFlags, MAX_TTL, Malformed, Message, NameBuf, OPT_LEN, Opt, OptionCode, Rcode,
    Record, Rtype, SAFE_PAYLOAD, Section, expand, extended_errors, push_option, read_name, u16_at,
};

/// Aliases that are followed to see whether they lead in a circle.
const MAX_ALIASES: usize = 16;

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// Records of the type that was asked for.
    Positive,
    /// The name does not exist (RFC 2308 2.1).
    NoName,
    /// The name has no records of the type (RFC 2308 2.2).
    NoData,
    /// An error of the upstream's, or none of them gave a reply (RFC 9520 2).
    Failure,
}

/// Why a reply cannot be given to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no reply to the question.
    #[error("the upstream's reply is malformed")]
    Malformed,
    /// It has nothing but aliases that lead to one another.
    #[error("the aliases of the upstream's reply lead in a circle")]
    AliasLoop,
}

impl From<Malformed> for Unusable {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Where TTLs are; most replies have few.
pub(super) type Ttls = SmallVec<[u16; 16]>;

/// A reply as it is stored.
pub(super) struct Admitted {
    /// Header, question and records, and an OPT with the extended errors at the end.
    pub(super) octets: Vec<u8>,
    /// Where each record's TTL is.
    pub(super) ttls: Ttls,
    /// Where the OPT begins.
    pub(super) opt: usize,
    /// With the upper bits that EDNS has.
    pub(super) rcode: Rcode,
    pub(super) kind: ReplyKind,
    /// Seconds; 0: it is for those that wait for it and nobody else (RFC 1035 3.2.1). A failure's is not known here.
    pub(super) lifetime: u32,
    /// Where the aliases of the answer lead, in lower case, one name behind the other.
    pub(super) targets: Vec<u8>,
    /// Whether the answer section is empty.
    pub(super) no_answer: bool,
}

/// Takes in `message`, a reply to `question`, of whose name and type it is known that they match.
///
/// Malformed if the records do not fit into a message once those that do not belong are gone, and names are written in
/// full.
pub(super) fn admit(message: &Message<'_>, question: &[u8], times: &Times) -> Result<Admitted, Unusable> {
    let asked = question.last_chunk::<4>().map(|[high, low, ..]| Rtype::new(u16::from_be_bytes([*high, *low])));
    let asked = asked.ok_or(Unusable::Malformed)?;
    let kind = kind_of(message, asked);
    // whoever asks for an alias gets it, wherever it leads
    if matches!(kind, ReplyKind::NoData | ReplyKind::NoName) && asked != Rtype::CNAME && is_circle(message) {
        return Err(Unusable::AliasLoop);
    }
    take_in(message, question, kind, times).ok_or(Unusable::Malformed)
}

fn take_in(message: &Message<'_>, question: &[u8], kind: ReplyKind, times: &Times) -> Option<Admitted> {
    let octets = message.octets();
    let names = NamesOfAnswer::of(message);
    let scrub = Scrub::new(message, &names);
    let mut out = Vec::with_capacity(octets.len() + 16);
    out.extend_from_slice(&[0; HEADER_LEN]);
    out.extend_from_slice(question);
    let (mut ttls, mut counts, mut targets) = (Ttls::new(), [0_u16; 3], Vec::new());
    let (mut errors, mut soa) = (Vec::new(), false);
    let mut lifetime = u32::MAX;
    // a reply without a question is an error without records; the question that is put in moves nothing
    let mut moved = false;
    for record in message.records() {
        if record.section == Section::Additional && matches!(record.rtype, Rtype::OPT | Rtype::TSIG) {
            if record.rtype == Rtype::OPT {
                for error in extended_errors(octets.get(record.rdata.clone())?) {
                    push_option(&mut errors, OptionCode::EXTENDED_ERROR, error);
                }
            }
            moved = true;
            continue;
        }
        let kept = match record.section {
            Section::Answer => belongs(message, &record, &names),
            Section::Authority | Section::Additional => scrub.keeps(message, &record),
        };
        if !kept {
            moved = true;
            continue;
        }
        let start = out.len();
        let ttl_at = if moved {
            expand(octets, &record, &mut out)?;
            start + message.owner(&record).wire().len() + 4
        } else {
            out.extend_from_slice(octets.get(record.range.clone())?);
            start + record.rdata.start.checked_sub(record.range.start + 6)?
        };
        let ttl = ttl_of(message, &record, kind, times);
        out.get_mut(ttl_at..ttl_at + 4)?.copy_from_slice(&ttl.to_be_bytes());
        ttls.push(u16::try_from(ttl_at).ok()?);
        lifetime = lifetime.min(ttl);
        soa |= record.section == Section::Authority && record.rtype == Rtype::SOA;
        if record.section == Section::Answer
            && record.rtype == Rtype::CNAME
            && let Some((target, _)) = read_name(octets, record.rdata.start)
        {
            targets.extend_from_slice(target.wire());
        }
        let count = counts.get_mut(record.section as usize)?;
        *count = count.checked_add(1)?;
    }
    // RFC 2308 5: without an SOA nobody says how long a "no" holds
    if ttls.is_empty() || kind != ReplyKind::Positive && !soa || message.flags().has(HeaderFlags::TC) {
        lifetime = 0;
    }
    let rcode = message.rcode();
    let opt = out.len();
    u16::try_from(errors.len()).ok()?;
    out.extend_from_slice(&stored_opt(rcode, &errors));
    out.extend_from_slice(&errors);
    let [answers, authorities, additional] = counts;
    let header = Header { questions: 1, ..message.header() };
    header.with_counts([answers, authorities, additional.checked_add(1)?]).write(&mut out)?;
    let no_answer = answers == 0;
    // an OPT more than the longest message is fine here: no client gets it whole
    Some(Admitted { octets: out, ttls, opt, rcode, kind, lifetime, targets, no_answer })
}

/// The OPT of a stored reply, up to its options: it keeps extended errors together, and no client gets it as it is.
pub(super) fn stored_opt(rcode: Rcode, options: &[u8]) -> [u8; OPT_LEN] {
    Opt::ours(SAFE_PAYLOAD, rcode, false).octets(options.len() as u16)
}

fn kind_of(message: &Message<'_>, asked: Rtype) -> ReplyKind {
    match message.rcode() {
        Rcode::NXDOMAIN => ReplyKind::NoName,
        Rcode::NOERROR => {
            let mut answers = message.records().take_while(|record| record.section == Section::Answer);
            let found = answers.any(|record| record.rtype == asked || asked == Rtype::ANY);
            if found { ReplyKind::Positive } else { ReplyKind::NoData }
        }
        _ => ReplyKind::Failure,
    }
}

/// The record's TTL within the bounds of the settings.
fn ttl_of(message: &Message<'_>, record: &Record, kind: ReplyKind, times: &Times) -> u32 {
    // a larger one than there is means 0 (RFC 2181 8)
    let ttl = if record.ttl > MAX_TTL { 0 } else { record.ttl.clamp(times.min_ttl, times.max_ttl) };
    let octets = message.octets();
    let of = |kind: Rtype| record.section == Section::Authority && record.rtype == kind;
    if !matches!(kind, ReplyKind::NoName | ReplyKind::NoData) {
        return ttl;
    }
    // RFC 2308 5: the time is the lesser of the SOA's MINIMUM, its last field, and its TTL
    if of(Rtype::SOA) {
        let minimum =
            octets.get(record.rdata.clone()).and_then(<[u8]>::last_chunk).map(|last| u32::from_be_bytes(*last));
        return ttl.min(minimum.unwrap_or_default().max(times.min_ttl)).min(times.negative_ttl);
    }
    ttl
}

/// Whether the aliases of the answer lead from the question's name back to one that they have left.
fn is_circle(message: &Message<'_>) -> bool {
    let mut seen: Vec<NameBuf> = Vec::new();
    let mut name = if message.question().is_empty() { None } else { read_name(message.octets(), HEADER_LEN) };
    while let Some((owner, _)) = name.filter(|_| seen.len() <= MAX_ALIASES) {
        if seen.contains(&owner) {
            return true;
        }
        let mut answers = message.records().take_while(|record| record.section == Section::Answer);
        let alias = answers.find(|record| record.rtype == Rtype::CNAME && message.owner(record) == owner);
        name = alias.and_then(|alias| read_name(message.octets(), alias.rdata.start));
        seen.push(owner);
    }
    false
}

/// Whether a record of the answer section is part of the answer.
fn belongs(message: &Message<'_>, record: &Record, names: &NamesOfAnswer) -> bool {
    if record.class != Class::IN {
        return false;
    }
    if names.have_owner(message, record) {
        return true;
    }
    let covered = || u16_at(message.octets(), record.rdata.start).map(Rtype::new);
    // RFC 6672 2.2: a DNAME redirects what is below its owner; RFC 4034 3.1.1: a signature says what it covers
    let dname = record.rtype == Rtype::DNAME || record.rtype == Rtype::RRSIG && covered() == Some(Rtype::DNAME);
    dname && names.are_in(&message.owner(record))
}

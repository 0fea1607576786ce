//! Which records of a reply are stored, and for how long.
//!
//! Kept are all records of the authority and additional sections, as they only ever speak for the question under which
//! they are stored; of the answer section those that answer the question: of its name, of the names that its CNAMEs
//! lead to, and the DNAMEs those come from. Others are dropped, as Unbound does: nobody asked for them, and a client
//! that does not look at owners would take them for the answer. Knows no entries.

use std::collections::HashSet;

use super::Times;
use crate::answer::rtype;
use crate::forward::message::{HEADER, Message, Record, Section, flag};
use crate::forward::name::{WireName, expand, read_name};
use crate::forward::query::rcode;
use crate::forward::relay::{EDE, EDNS_PAYLOAD, extended_errors, opt_header};

/// Rounds in which the names of an answer are gathered. Servers write aliases in the order in which they lead on, for
/// which one is enough.
const ROUNDS: usize = 16;
/// The largest TTL there is; a larger one means 0 (RFC 2181 8).
const MAX_TTL: u32 = 0x7fff_ffff;

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

/// A reply as it is stored.
pub(super) struct Admitted {
    /// Header, question and records, and an OPT with the extended errors at the end.
    pub(super) octets: Vec<u8>,
    /// Where each record's TTL is.
    pub(super) ttls: Vec<u16>,
    /// Where the OPT begins.
    pub(super) opt: usize,
    /// With the upper bits that EDNS has.
    pub(super) rcode: u16,
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
/// `None` if the records do not fit into a message once those that do not belong are gone, and names are written in full.
pub(super) fn admit(message: &Message<'_>, question: &[u8], times: &Times) -> Option<Admitted> {
    let octets = message.octets();
    let asked_type = question.last_chunk::<4>().map(|[high, low, ..]| u16::from_be_bytes([*high, *low]))?;
    let names = names_of_answer(message);
    let kind = kind_of(message, asked_type);
    let mut out = Vec::with_capacity(octets.len() + 16);
    out.extend_from_slice(octets.get(..HEADER)?);
    out.extend_from_slice(question);
    let (mut ttls, mut counts, mut targets) = (Vec::new(), [0_u16; 3], Vec::new());
    let (mut errors, mut soa) = (Vec::new(), false);
    let mut lifetime = u32::MAX;
    // a reply without a question is an error without records; the question that is put in moves nothing
    let mut moved = false;
    for record in message.records() {
        if record.section == Section::Additional && matches!(record.rtype, rtype::OPT | rtype::TSIG) {
            if record.rtype == rtype::OPT {
                extended_errors(octets.get(record.rdata.clone())?).for_each(|data| {
                    let len = (data.len() as u16).to_be_bytes();
                    errors.extend_from_slice(&[&EDE.to_be_bytes()[..], &len, data].concat());
                });
            }
            moved = true;
            continue;
        }
        if record.section == Section::Answer && !belongs(message, &record, &names) {
            moved = true;
            continue;
        }
        let start = out.len();
        let ttl_at = if moved {
            expand(octets, &record, &mut out)?;
            start + record.owner.wire().len() + 4
        } else {
            out.extend_from_slice(octets.get(record.range.clone())?);
            start + record.rdata.start.checked_sub(record.range.start + 6)?
        };
        let ttl = ttl_of(message, &record, kind, times);
        out.get_mut(ttl_at..ttl_at + 4)?.copy_from_slice(&ttl.to_be_bytes());
        ttls.push(u16::try_from(ttl_at).ok()?);
        lifetime = lifetime.min(ttl);
        soa |= record.section == Section::Authority && record.rtype == rtype::SOA;
        if record.section == Section::Answer
            && record.rtype == rtype::CNAME
            && let Some((target, _)) = read_name(octets, record.rdata.start)
        {
            targets.extend_from_slice(target.wire());
        }
        let count = counts.get_mut(record.section as usize)?;
        *count = count.checked_add(1)?;
    }
    // RFC 2308 5: without an SOA nobody says how long a "no" holds
    if ttls.is_empty() || kind != ReplyKind::Positive && !soa || message.flags() & flag::TC != 0 {
        lifetime = 0;
    }
    let rcode = message.rcode();
    let opt = out.len();
    out.extend_from_slice(&opt_header(EDNS_PAYLOAD, rcode >> 4, false, u16::try_from(errors.len()).ok()?));
    out.extend_from_slice(&errors);
    let [answers, authorities, additional] = counts;
    for (to, count) in
        out.get_mut(4..HEADER)?.chunks_exact_mut(2).zip([1, answers, authorities, additional.checked_add(1)?])
    {
        to.copy_from_slice(&count.to_be_bytes());
    }
    let no_answer = answers == 0;
    // an OPT more than the longest message is fine here: no client gets it whole
    Some(Admitted { octets: out, ttls, opt, rcode, kind, lifetime, targets, no_answer })
}

fn kind_of(message: &Message<'_>, asked: u16) -> ReplyKind {
    match message.rcode() {
        rcode::NXDOMAIN => ReplyKind::NoName,
        rcode::NOERROR => {
            let mut answers = message.records().take_while(|record| record.section == Section::Answer);
            let found = answers.any(|record| record.rtype == asked || asked == rtype::ANY);
            if found { ReplyKind::Positive } else { ReplyKind::NoData }
        }
        _ => ReplyKind::Failure,
    }
}

/// The record's TTL within the bounds of the settings.
fn ttl_of(message: &Message<'_>, record: &Record, kind: ReplyKind, times: &Times) -> u32 {
    let ttl = if record.ttl > MAX_TTL { 0 } else { record.ttl.clamp(times.min_ttl, times.max_ttl) };
    let octets = message.octets();
    let of = |kind: u16| record.section == Section::Authority && record.rtype == kind;
    if !matches!(kind, ReplyKind::NoName | ReplyKind::NoData) {
        return ttl;
    }
    // RFC 2308 5: the time is the lesser of the SOA's MINIMUM, its last field, and its TTL
    if of(rtype::SOA) {
        let minimum =
            octets.get(record.rdata.clone()).and_then(<[u8]>::last_chunk).map(|last| u32::from_be_bytes(*last));
        return ttl.min(minimum.unwrap_or_default().max(times.min_ttl)).min(times.negative_ttl);
    }
    ttl
}

/// The question's name, and all that the answer's CNAMEs lead to from there.
fn names_of_answer(message: &Message<'_>) -> HashSet<WireName> {
    let mut names = HashSet::new();
    if message.question().is_empty() {
        return names;
    }
    names.extend(read_name(message.octets(), HEADER).map(|(name, _)| name));
    for _ in 0..ROUNDS {
        let before = names.len();
        for record in message.records().take_while(|record| record.section == Section::Answer) {
            if record.rtype == rtype::CNAME
                && names.contains(&record.owner)
                && let Some((target, _)) = read_name(message.octets(), record.rdata.start)
            {
                names.insert(target);
            }
        }
        if names.len() == before {
            break;
        }
    }
    names
}

/// Whether a record of the answer section is part of the answer.
fn belongs(message: &Message<'_>, record: &Record, names: &HashSet<WireName>) -> bool {
    const IN: u16 = 1;
    if record.class != IN {
        return false;
    }
    if names.contains(&record.owner) {
        return true;
    }
    let covered = || message.octets().get(record.rdata.start..)?.first_chunk().map(|kind| u16::from_be_bytes(*kind));
    // RFC 6672 2.2: a DNAME redirects what is below its owner; RFC 4034 3.1.1: a signature says what it covers
    let dname = record.rtype == rtype::DNAME || record.rtype == rtype::RRSIG && covered() == Some(rtype::DNAME);
    dname && names.iter().any(|name| name.is_at_or_below(&record.owner))
}

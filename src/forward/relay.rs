//! An upstream's reply becomes the reply to a client.
//!
//! What the upstream said stays as it said it, octet for octet: records of unknown types, signatures, order, case and
//! compression. That works because header and question are as long as before, so that every pointer still leads
//! where it led. EDNS alone is made anew, as it is between two neighbours (RFC 6891 6.1.1): the upstream's OPT goes, and
//! ours comes last. What stood behind the upstream's OPT moves, and is written without compression.
//!
//! Knows no sockets, and decides nothing: what a client gets is in [`Client`].

use std::collections::HashMap;

use crate::forward::message::{HEADER, Malformed, Message, Record, Section, flag, rtype, same_question, u16_at};
use crate::forward::name::expand;
use crate::forward::query::rcode;
use crate::wire::Writer;

/// Octets that we take in a datagram, and say so (DNS flag day 2020).
pub const EDNS_PAYLOAD: u16 = 1232;
/// Octets of an OPT without options (RFC 6891 6.1.2).
pub(super) const OPT_LEN: usize = 11;
/// The option of cookies (RFC 7873 4).
pub(super) const COOKIE: u16 = 10;
/// The option of extended errors (RFC 8914 2).
pub(super) const EDE: u16 = 15;
/// What every client takes (RFC 1035 2.3.4): header, question and OPT must fit into it with all extended errors.
pub(super) const SMALLEST_LIMIT: usize = 512;

/// What of a client's query shapes its reply.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The client's id.
    pub id: u16,
    /// The octets of the client's question: name in its case, type and class.
    pub question: &'a [u8],
    /// The client's RD.
    pub recursion_desired: bool,
    /// The client's CD.
    pub checking_disabled: bool,
    /// Whether the client understands AD: it set AD or DO; others do not get it (RFC 6840 5.8).
    pub authentic_data: bool,
    /// Whether the upstream's AA is kept; else it is cleared.
    pub keep_authoritative: bool,
    /// The client's DO, where it sent EDNS.
    pub edns: Option<bool>,
    /// Longest reply in octets.
    pub limit: usize,
    /// The client's cookie and ours (RFC 7873 5.2.3), for clients that sent one.
    pub cookie: Option<[u8; 24]>,
    /// An extended error of our own, for clients with EDNS.
    pub ede: Option<Ede<'a>>,
}

/// An extended error (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ede<'a> {
    /// The INFO-CODE (RFC 8914 4).
    pub code: u16,
    /// The EXTRA-TEXT, cut where it does not fit.
    pub text: &'a str,
}

/// Turns an upstream's reply into the reply to `client`.
///
/// Kept: response code, TC, for who wants it AD, and the records of all three sections. Where that is longer than the client takes, it
/// ends after a whole RRset (RFC 2181 9), with TC unless nothing but additional records is missing.
pub fn relay(reply: &[u8], client: &Client<'_>) -> Result<Vec<u8>, Malformed> {
    let message = Message::parse(reply)?;
    let has_question = !message.question().is_empty();
    if has_question && !same_question(message.question(), client.question) {
        return Err(Malformed);
    }
    // a bare error may leave the question out; what would records without a question be the answer to?
    if !has_question && message.records().any(|record| record.rtype != rtype::OPT) {
        return Err(Malformed);
    }
    let upstream_opt = message.opt();
    let rcode = match message.rcode() {
        // the upper bits of the response code have no place without EDNS (RFC 6891 6.1.3)
        16.. if client.edns.is_none() => rcode::SERVFAIL,
        code => code,
    };
    let upstream_options = upstream_opt.and_then(|opt| reply.get(opt.rdata)).unwrap_or_default();
    let mut opt = [0; SMALLEST_LIMIT];
    let opt = own_opt(client, rcode, upstream_options, &mut opt);

    let mut out = Vec::with_capacity(reply.len() + OPT_LEN);
    out.extend_from_slice(&[0; HEADER]);
    out.extend_from_slice(client.question);
    let room = client.limit.min(usize::from(u16::MAX)).saturating_sub(opt.len());
    let ends = copy_records(&message, !has_question, |_| true, &mut out).ok_or(Malformed)?;
    let kept = fitting(&ends, room);
    let lost = ends.get(kept..).unwrap_or_default().iter().any(|(record, _)| record.section != Section::Additional);
    let end = kept.checked_sub(1).and_then(|last| ends.get(last)).map(|(_, end)| *end);
    out.truncate(end.unwrap_or(HEADER + client.question.len()));
    out.extend_from_slice(opt);

    let [answers, authorities, additional] = count(ends.get(..kept).unwrap_or_default());
    let additional = additional.saturating_add(u16::from(!opt.is_empty()));
    let flags = reply_flags(message.flags(), client, rcode, lost);
    for (at, word) in [client.id, flags, 1, answers, authorities, additional].into_iter().enumerate() {
        out.get_mut(2 * at..2 * at + 2).ok_or(Malformed)?.copy_from_slice(&word.to_be_bytes());
    }
    Ok(out)
}

/// The flags of the reply: the client's of the query, the upstream's of the answer.
pub(super) fn reply_flags(upstream: u16, client: &Client<'_>, rcode: u16, cut: bool) -> u16 {
    let mut flags = flag::QR | flag::RA | upstream & flag::TC | rcode & flag::RCODE;
    for (set, bit) in [
        (client.recursion_desired, flag::RD),
        (client.checking_disabled, flag::CD),
        (client.authentic_data, upstream & flag::AD),
        (client.keep_authoritative, upstream & flag::AA),
        (cut, flag::TC),
    ] {
        if set {
            flags |= bit;
        }
    }
    flags
}

/// Copies the records that are to be kept, but none of those between us and the upstream, and says of each where it ends
/// in `out`.
pub(super) fn copy_records(
    message: &Message<'_>,
    mut moved: bool,
    keep: impl Fn(&Record) -> bool,
    out: &mut Vec<u8>,
) -> Option<Vec<(Record, usize)>> {
    let mut ends = Vec::new();
    for record in message.records() {
        let is_of_hop = record.section == Section::Additional && matches!(record.rtype, rtype::OPT | rtype::TSIG);
        if is_of_hop || !keep(&record) {
            moved = true;
            continue;
        }
        if moved {
            expand(message.octets(), &record, out)?;
        } else {
            out.extend_from_slice(message.octets().get(record.range.clone())?);
        }
        ends.push((record, out.len()));
    }
    Some(ends)
}

/// How many records each section has.
pub(super) fn count(ends: &[(Record, usize)]) -> [u16; 3] {
    let mut counts = [0_u16; 3];
    for (record, _) in ends {
        if let Some(count) = counts.get_mut(record.section as usize) {
            *count = count.saturating_add(1);
        }
    }
    counts
}

/// How many of the records fit into `room` such that no RRset is left in part.
fn fitting(ends: &[(Record, usize)], room: usize) -> usize {
    if ends.last().is_none_or(|(_, end)| *end <= room) {
        return ends.len();
    }
    // the records of an RRset need not stand together: each is whole only after its last one
    let key = |record: &Record| (record.section, record.owner, record.rtype, record.class);
    let last: HashMap<_, usize> = ends.iter().enumerate().map(|(at, (record, _))| (key(record), at)).collect();
    let (mut whole, mut open_until) = (0, 0);
    for (at, (record, end)) in ends.iter().enumerate() {
        if *end > room {
            break;
        }
        open_until = open_until.max(last.get(&key(record)).copied().unwrap_or(at));
        if open_until == at {
            whole = at + 1;
        }
    }
    whole
}

/// Our OPT, of no octets for a client without EDNS: our payload size, the client's DO, the extended errors of our own
/// and of the upstream, whose options are given. What has no room is left out.
pub(super) fn own_opt<'b>(
    client: &Client<'_>,
    rcode: u16,
    upstream_options: &[u8],
    buffer: &'b mut [u8; SMALLEST_LIMIT],
) -> &'b [u8] {
    let Some(dnssec_ok) = client.edns else { return &[] };
    let room = client.limit.min(SMALLEST_LIMIT).saturating_sub(HEADER + client.question.len());
    let mut writer = Writer::new(buffer, room);
    if !writer.put(&opt_header(EDNS_PAYLOAD, rcode >> 4, dnssec_ok, 0)) {
        return &[];
    }
    if let Some(cookie) = client.cookie {
        put_option(&mut writer, COOKIE, [&cookie, &[]]);
    }
    // ours first: it says what the client cannot learn from anybody else
    if let Some(ede) = client.ede {
        put_option(&mut writer, EDE, [&ede.code.to_be_bytes(), cut_text(ede.text).as_bytes()]);
    }
    extended_errors(upstream_options).for_each(|data| put_option(&mut writer, EDE, [data, &[]]));
    let len = writer.len();
    writer.patch_u16(OPT_LEN - 2, (len - OPT_LEN) as u16);
    buffer.get(..len).unwrap_or_default()
}

/// Writes an option whose data is in two pieces; nothing of it where it does not fit.
fn put_option(writer: &mut Writer<'_>, code: u16, [front, back]: [&[u8]; 2]) {
    let before = writer.len();
    let len = (front.len() + back.len()) as u16;
    if !(writer.put_u16(code) && writer.put_u16(len) && writer.put(front) && writer.put(back)) {
        writer.truncate(before);
    }
}

/// The beginning of a text that fits into an extended error of ours, cut between characters (RFC 8914 2).
pub(super) fn cut_text(text: &str) -> &str {
    (0..=EDE_TEXT).rev().find_map(|len| text.get(..len.min(text.len()))).unwrap_or_default()
}

/// Longest EXTRA-TEXT of our own: with the longest name, header, question, OPT and cookie, it makes 507 octets of 512.
const EDE_TEXT: usize = 190;

/// EDNS options, each with its code and its data (RFC 6891 6.1.2); ends at the first that is malformed.
pub(super) fn each_option(mut options: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (code, len) = (u16_at(options, 0)?, usize::from(u16_at(options, 2)?));
        let data = options.get(4..4 + len)?;
        options = options.get(4 + len..)?;
        Some((code, data))
    })
}

/// The data of the extended errors among EDNS options.
pub(super) fn extended_errors(options: &[u8]) -> impl Iterator<Item = &[u8]> {
    each_option(options).filter(|(code, data)| *code == EDE && data.len() >= 2).map(|(_, data)| data)
}

/// An OPT up to its options, version 0 (RFC 6891 6.1.2, 6.1.3).
pub(super) fn opt_header(payload: u16, upper_rcode: u16, dnssec_ok: bool, options_len: u16) -> [u8; OPT_LEN] {
    let [kind_high, kind_low] = rtype::OPT.to_be_bytes();
    let [payload_high, payload_low] = payload.to_be_bytes();
    let [len_high, len_low] = options_len.to_be_bytes();
    let dnssec_ok = if dnssec_ok { 0x80 } else { 0 };
    [0, kind_high, kind_low, payload_high, payload_low, upper_rcode as u8, 0, dnssec_ok, 0, len_high, len_low]
}

#[cfg(test)]
mod tests;

//! An upstream's reply becomes the reply to a client.
//!
//! What the upstream said stays as it said it, octet for octet: records of unknown types, signatures, order, case and
//! compression. That works because header and question are as long as before, so that every pointer still leads
//! where it led. EDNS alone is made anew, as it is between two neighbours (RFC 6891 6.1.1): the upstream's OPT goes, and
//! ours comes last. What stood behind the upstream's OPT moves, and is written without compression.
//!
//! Knows no sockets, and decides nothing: what a client gets is in [`Requestor`].

use std::collections::HashMap;

use crate::dns::{
    ExtendedError, HEADER_LEN, Header, HeaderFlags, Malformed, Message, OPT_LEN, Opt, OptionCode, Rcode, Record, Rtype,
    Section, Writer, expand, extended_errors, put_extended_error, put_option, same_question,
};

/// What every client takes (RFC 1035 2.3.4): header, question and OPT must fit into it with all extended errors.
pub(super) const SMALLEST_LIMIT: usize = 512;

/// What of a client's query shapes its reply.
#[derive(Clone, Copy, Debug)]
pub struct Requestor<'a> {
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
    /// The payload size that we say in the reply's OPT (RFC 6891 6.2.3), in octets.
    pub payload: u16,
    /// The client's cookie and ours (RFC 7873 5.2.3), for clients that sent one.
    pub cookie: Option<[u8; 24]>,
    /// An extended error of our own, for clients with EDNS.
    pub ede: Option<ExtendedError<'a>>,
}

/// Turns an upstream's reply into the reply to `client`.
///
/// Kept: response code, TC, for who wants it AD, and the records of all three sections. Where that is longer than the client takes, it
/// ends after a whole RRset (RFC 2181 9), with TC unless nothing but additional records is missing.
pub fn relay(reply: &[u8], client: &Requestor<'_>) -> Result<Vec<u8>, Malformed> {
    let message = Message::parse(reply)?;
    let has_question = !message.question().is_empty();
    if has_question && !same_question(message.question(), client.question) {
        return Err(Malformed);
    }
    // a bare error may leave the question out; what would records without a question be the answer to?
    if !has_question && message.records().any(|record| record.rtype != Rtype::OPT) {
        return Err(Malformed);
    }
    let upstream_opt = message.opt();
    let rcode = client.rcode(message.rcode());
    let upstream_options = upstream_opt.and_then(|opt| reply.get(opt.rdata)).unwrap_or_default();
    let mut opt = [0; SMALLEST_LIMIT];
    let opt = own_opt(client, rcode, upstream_options, &mut opt);

    let mut out = Vec::with_capacity(reply.len() + OPT_LEN);
    out.extend_from_slice(&[0; HEADER_LEN]);
    out.extend_from_slice(client.question);
    let room = client.limit.min(usize::from(u16::MAX)).saturating_sub(opt.len());
    let ends = copy_records(&message, !has_question, |_| true, &mut out).ok_or(Malformed)?;
    let kept = fitting(&message, &ends, room);
    let lost = ends.get(kept..).unwrap_or_default().iter().any(|(record, _)| record.section != Section::Additional);
    let end = kept.checked_sub(1).and_then(|last| ends.get(last)).map(|(_, end)| *end);
    out.truncate(end.unwrap_or(HEADER_LEN + client.question.len()));
    out.extend_from_slice(opt);

    let mut header = client.header(message.flags(), rcode).with_counts(count(ends.get(..kept).unwrap_or_default()));
    header.flags = header.flags.with(HeaderFlags::TC, lost);
    header.additional = header.additional.saturating_add(u16::from(!opt.is_empty()));
    header.write(&mut out).ok_or(Malformed)?;
    Ok(out)
}

impl Requestor<'_> {
    /// The response code that the client can be told: what the upstream has against our EDNS or cookie is none of its
    /// business, and the upper bits have no place without EDNS (RFC 6891 6.1.3).
    pub(super) fn rcode(&self, upstream: Rcode) -> Rcode {
        let untold = upstream.is_between_neighbours() || upstream.needs_edns() && self.edns.is_none();
        if untold { Rcode::SERVFAIL } else { upstream }
    }

    /// The reply's header, without counts: the query's flags are the client's, the answer's the upstream's.
    pub(super) fn header(&self, upstream: HeaderFlags, rcode: Rcode) -> Header {
        let flags = (HeaderFlags::QR | HeaderFlags::RA | upstream.only(HeaderFlags::TC))
            .with_rcode(rcode)
            .with(HeaderFlags::RD, self.recursion_desired)
            .with(HeaderFlags::CD, self.checking_disabled)
            .with(upstream.only(HeaderFlags::AD), self.authentic_data)
            .with(upstream.only(HeaderFlags::AA), self.keep_authoritative);
        Header { id: self.id, flags, questions: 1, ..Header::default() }
    }
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
        let is_of_hop = record.section == Section::Additional && matches!(record.rtype, Rtype::OPT | Rtype::TSIG);
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
fn fitting(message: &Message<'_>, ends: &[(Record, usize)], room: usize) -> usize {
    if ends.last().is_none_or(|(_, end)| *end <= room) {
        return ends.len();
    }
    // the records of an RRset need not stand together: each is whole only after its last one
    let key = |record: &Record| (record.section, message.owner(record), record.rtype, record.class);
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
    client: &Requestor<'_>,
    rcode: Rcode,
    upstream_options: &[u8],
    buffer: &'b mut [u8; SMALLEST_LIMIT],
) -> &'b [u8] {
    let Some(dnssec_ok) = client.edns else { return &[] };
    let room = client.limit.min(SMALLEST_LIMIT).saturating_sub(HEADER_LEN + client.question.len());
    let mut writer = Writer::new(buffer, room);
    if !writer.put(&Opt::ours(client.payload, rcode, dnssec_ok).octets(0)) {
        return &[];
    }
    if let Some(cookie) = client.cookie {
        put_option(&mut writer, OptionCode::COOKIE, [&cookie, &[]]);
    }
    // ours first: it says what the client cannot learn from anybody else
    if let Some(ede) = client.ede {
        put_extended_error(&mut writer, ede);
    }
    for error in extended_errors(upstream_options) {
        put_option(&mut writer, OptionCode::EXTENDED_ERROR, [error, &[]]);
    }
    let len = writer.len();
    writer.patch(OPT_LEN - 2, &((len - OPT_LEN) as u16).to_be_bytes());
    buffer.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! A decision to octets.
//!
//! The owner of nearly every record is the question's name or an end of it, so names are compressed against the
//! question alone: a pointer is the question's place plus an offset (RFC 1035 4.1.4).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::parse::{Malformed, Query};
use super::writer::Writer;
use super::{CookieSecret, HEADER, MIN_UDP};
use crate::answer::{
    Authority, Data, NS_TTL, Name, Part, Rcode, Reason, Reply, SPECIAL_SOA_DATA, TTL, instance_name, rtype,
};
use crate::naming::DnsName;

const CLASS_IN: u16 = 1;
/// Where the counts stand in the header (RFC 1035 4.1.1).
const ANCOUNT: usize = 6;
const NSCOUNT: usize = 8;
const ARCOUNT: usize = 10;
const COOKIE: u16 = 10;
const EDE: u16 = 15;
const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const CD: u16 = 0x0010;

/// `ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400`: what private zones of Route 53
/// have (Route 53 guide, "The start of authority (SOA) record").
const SOA_DATA: &[u8] = b"\x07ns-1536\x09awsdns-00\x02co\x02uk\x00\x11awsdns-hostmaster\x06amazon\x03com\x00\
    \x00\x00\x00\x01\x00\x00\x1c\x20\x00\x00\x03\x84\x00\x12\x75\x00\x00\x01\x51\x80";

/// The name servers of private zones: "reserved and never used by Route 53 public hosted zones" (Route 53 guide).
const NS_DATA: [&[u8]; 4] = [
    b"\x07ns-1536\x09awsdns-00\x02co\x02uk\x00",
    b"\x04ns-0\x09awsdns-00\x03com\x00",
    b"\x07ns-1024\x09awsdns-00\x03org\x00",
    b"\x06ns-512\x09awsdns-00\x03net\x00",
];

/// Longest extended error text, in octets.
const MAX_TEXT: usize = 120;

/// What the reply's header and OPT need that the decision does not say.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Most octets that may be sent, before what the client takes is looked at.
    pub limit: usize,
    /// Our own payload size, said in the OPT (RFC 6891 6.2.3).
    pub payload: u16,
    /// AA in answers out of our own data.
    pub aa: bool,
    /// Whether the client may know why it gets no answer.
    pub explain: bool,
    /// Makes server cookies.
    pub secret: &'a CookieSecret,
    /// The client's address and the time, for its cookie.
    pub peer: IpAddr,
    /// Seconds since 1970.
    pub now: u32,
}

/// Writes the reply to `query` into `out`; returns its length.
pub fn encode(query: &Query<'_>, reply: &Reply<'_>, frame: &Frame<'_>, out: &mut [u8]) -> usize {
    let opt = Opt::for_query(query, frame);
    let mut writer = Writer::new(out, frame.limit);
    let aa = frame.aa && !matches!(reply.rcode, Rcode::Refused | Rcode::ServFail);
    if !begin(&mut writer, query, reply.rcode, aa) {
        return 0;
    }
    // what the OPT takes is kept free, so that a truncated reply still has it (RFC 6891 7)
    let limit = writer.len() + writer.room().saturating_sub(opt.reserved());
    let mut counts = [0u16; 2];
    let mut whole = true;
    for part in reply.chain.iter().chain(&reply.answer) {
        if let Some(count) = put_part(&mut writer, limit, part) {
            counts[0] += count;
        } else {
            whole = false;
            break;
        }
    }
    if whole {
        match put_authority(&mut writer, limit, reply, query.question.name) {
            Some(count) => counts[1] += count,
            // RFC 2181 9: what is left out of the authority section of a referral or a negative answer is missed
            None => whole = false,
        }
    }
    let [answers, authorities] = counts;
    writer.patch_u16(ANCOUNT, answers);
    writer.patch_u16(NSCOUNT, authorities);
    if !whole {
        let flags = writer.written().get(2..4).map_or(0, |f| f.iter().fold(0u16, |acc, b| acc << 8 | u16::from(*b)));
        writer.patch_u16(2, flags | TC);
    }
    let negative = reply.answer.is_none() && !matches!(reply.authority, Authority::Cut(..));
    let reason = (frame.explain && negative).then_some(reply.reason);
    opt.put(&mut writer, reply.rcode, reason);
    writer.len()
}

/// Writes the reply to a request that cannot be taken; returns its length.
pub fn encode_error(malformed: &Malformed<'_>, payload: u16, out: &mut [u8]) -> usize {
    let mut writer = Writer::new(out, MIN_UDP);
    let flags = QR | RA | malformed.flags | u16::from(malformed.rcode as u8 & 0x0f);
    let questions = u16::from(!malformed.question_octets.is_empty());
    let header = [malformed.id, flags, questions, 0, 0, 0];
    if !header.iter().all(|field| writer.put_u16(*field)) || !writer.put(malformed.question_octets) {
        return 0;
    }
    if malformed.edns {
        Opt { present: true, payload, dnssec_ok: false, cookie: None }.put(&mut writer, malformed.rcode, None);
    }
    writer.len()
}

/// Writes the records of `parts` one after the other, names in full; returns how many there are.
///
/// For an answer that continues with records of others. `None` if they do not fit.
pub fn records(parts: &[Part<'_>], writer: &mut Writer<'_>) -> Option<u16> {
    let limit = writer.len() + writer.room();
    parts.iter().try_fold(0u16, |count, part| Some(count + put_part(writer, limit, part)?))
}

fn begin(writer: &mut Writer<'_>, query: &Query<'_>, rcode: Rcode, aa: bool) -> bool {
    let mut flags = QR | RA | u16::from(rcode as u8 & 0x0f);
    for (bit, set) in [(AA, aa), (RD, query.recursion_desired), (CD, query.checking_disabled)] {
        if set {
            flags |= bit;
        }
    }
    let mut header = [0u8; HEADER];
    let [i0, i1] = query.id.to_be_bytes();
    let [f0, f1] = flags.to_be_bytes();
    header[..6].copy_from_slice(&[i0, i1, f0, f1, 0, 1]);
    writer.put(&header) && writer.put(query.question_octets)
}

/// One record, its owner a pointer to the question or a name in full; all of it or nothing.
fn put_record(writer: &mut Writer<'_>, owner: Option<&DnsName>, rtype: u16, ttl: u32, data: &[u8]) -> bool {
    let Ok(length) = u16::try_from(data.len()) else { return false };
    let [t0, t1] = rtype.to_be_bytes();
    let [c0, c1] = CLASS_IN.to_be_bytes();
    let [s0, s1, s2, s3] = ttl.to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    let head = match owner {
        None => writer.put(&[0xc0, HEADER as u8, t0, t1, c0, c1, s0, s1, s2, s3, l0, l1]),
        Some(name) => writer.put(name.wire()) && writer.put(&[t0, t1, c0, c1, s0, s1, s2, s3, l0, l1]),
    };
    head && writer.put(data)
}

/// A record set; all of it or, with nothing written, `None` (RFC 2181 9).
fn put_part(writer: &mut Writer<'_>, limit: usize, part: &Part<'_>) -> Option<u16> {
    let start = writer.len();
    let owner = part.owner;
    let mut count = 0u16;
    let mut put = |rtype, ttl, data: &[u8]| {
        count += 1;
        put_record(writer, owner, rtype, ttl, data)
    };
    let complete = match part.data {
        Data::A(of) => of.iter().filter_map(crate::model::Interface::ipv4).all(|a| put(rtype::A, TTL, &a.octets())),
        Data::Aaaa(of) => {
            of.iter().filter_map(crate::model::Interface::ipv6).all(|a| put(rtype::AAAA, TTL, &a.octets()))
        }
        Data::Rrset(rrset, rotation) => {
            let first = (rotation as usize).checked_rem(rrset.rdata.len()).unwrap_or(0);
            let (before, after) = rrset.rdata.split_at(first);
            after.iter().chain(before).all(|data| put(rrset.rtype, rrset.ttl, data))
        }
        Data::Soa(ttl) => put(rtype::SOA, ttl, SOA_DATA),
        Data::Ns => NS_DATA.iter().all(|data| put(rtype::NS, NS_TTL, data)),
        Data::Fixed(rtype, data) => put(rtype, TTL, data),
        Data::Instance(address) => put(rtype::A, TTL, &address.octets()),
        Data::Instance6(address) => put(rtype::AAAA, TTL, &address.octets()),
        Data::PtrTo(name) => put(rtype::PTR, TTL, name.wire()),
        Data::Ptr(address, vpc) => instance_name(address, vpc).is_some_and(|name| put(rtype::PTR, TTL, name.wire())),
    };
    if complete && writer.len() <= limit {
        return Some(count);
    }
    writer.truncate(start);
    None
}

fn put_authority(writer: &mut Writer<'_>, limit: usize, reply: &Reply<'_>, question: Name<'_>) -> Option<u16> {
    let start = writer.len();
    let done = match reply.authority {
        Authority::None => Some(0),
        Authority::Soa(zone) => put_soa(writer, reply, zone, SOA_DATA, question).then_some(1),
        Authority::SpecialSoa(zone) => put_soa(writer, reply, zone, SPECIAL_SOA_DATA, question).then_some(1),
        Authority::Cut(cut, ns) => {
            let all = ns.rdata.iter().all(|data| put_record(writer, Some(cut), ns.rtype, ns.ttl, data));
            all.then_some(ns.rdata.len() as u16)
        }
    };
    match done {
        Some(count) if writer.len() <= limit => Some(count),
        _ => {
            writer.truncate(start);
            None
        }
    }
}

/// The SOA of a negative answer, with its TTL cut down to the time to remember it (RFC 2308 3, 5).
fn put_soa(writer: &mut Writer<'_>, reply: &Reply<'_>, zone: usize, data: &[u8], question: Name<'_>) -> bool {
    // the zone is an end of the name that was looked up: of the question, or of the last alias
    match reply.chain.last().and_then(Part::target) {
        Some(target) => DnsName::from_wire(target.wire().get(zone..).unwrap_or(&[0]))
            .is_some_and(|zone| put_record(writer, Some(&zone), rtype::SOA, TTL, data)),
        None if zone + 1 >= question.wire.len() => put_record(writer, Some(&DnsName::root()), rtype::SOA, TTL, data),
        None => {
            let pointer = 0xc000 | (HEADER + zone) as u16;
            let [l0, l1] = (data.len() as u16).to_be_bytes();
            writer.put_u16(pointer)
                && writer.put(&[0, rtype::SOA as u8, 0, CLASS_IN as u8])
                && writer.put_u32(TTL)
                && writer.put(&[l0, l1])
                && writer.put(data)
        }
    }
}

impl<'s> Part<'s> {
    /// The name that an alias leads to.
    fn target(&self) -> Option<&'s DnsName> {
        match self.data {
            Data::Rrset(rrset, _) => rrset.target.as_ref(),
            _ => None,
        }
    }
}

/// Our OPT record.
struct Opt {
    present: bool,
    payload: u16,
    dnssec_ok: bool,
    /// Client and server cookie.
    cookie: Option<([u8; 8], [u8; 16])>,
}

impl Opt {
    fn for_query(query: &Query<'_>, frame: &Frame<'_>) -> Self {
        let Some(edns) = query.edns else {
            return Self { present: false, payload: 0, dnssec_ok: false, cookie: None };
        };
        let cookie = edns.cookie.map(|client| (client.0, frame.secret.server_cookie(client, frame.peer, frame.now)));
        Self { present: true, payload: frame.payload, dnssec_ok: edns.dnssec_ok, cookie }
    }

    /// Octets without an extended error.
    fn reserved(&self) -> usize {
        match (self.present, self.cookie) {
            (false, _) => 0,
            (true, None) => 11,
            (true, Some(_)) => 11 + 4 + 24,
        }
    }

    /// Writes the record, with the reason as an extended error if there is room for it (RFC 8914 2).
    fn put(&self, writer: &mut Writer<'_>, rcode: Rcode, reason: Option<Reason<'_>>) {
        if !self.present {
            return;
        }
        let start = writer.len();
        let [p0, p1] = self.payload.to_be_bytes();
        // owner, type, class = payload, TTL = extended rcode, version, flags (RFC 6891 6.1.3), length filled in below
        let flags = if self.dnssec_ok { 0x80 } else { 0 };
        let fixed = [0, 0, rtype::OPT as u8, p0, p1, rcode as u8 >> 4, 0, flags, 0, 0, 0];
        if !writer.put(&fixed) {
            return;
        }
        let options = writer.len();
        if let Some((client, server)) = self.cookie {
            let before = writer.len();
            if !(writer.put_u16(COOKIE) && writer.put_u16(24) && writer.put(&client) && writer.put(&server)) {
                writer.truncate(before);
            }
        }
        if let Some(reason) = reason {
            put_extended_error(writer, rcode, reason);
        }
        let length = (writer.len() - options) as u16;
        writer.patch_u16(start + 9, length);
        writer.patch_u16(ARCOUNT, 1);
    }
}

fn put_extended_error(writer: &mut Writer<'_>, rcode: Rcode, reason: Reason<'_>) {
    let before = writer.len();
    let mut text = Text { octets: [0; MAX_TEXT], len: 0 };
    // a text that is too long is cut, which is no error
    let _ = match rcode {
        Rcode::NoError => write!(text, "{reason}: no records of this type"),
        _ => write!(text, "{reason}"),
    };
    let text = text.octets.get(..text.len).unwrap_or_default();
    let length = text.len() as u16 + 2;
    if !(writer.put_u16(EDE) && writer.put_u16(length) && writer.put_u16(reason.info_code()) && writer.put(text)) {
        writer.truncate(before);
    }
}

/// Text of bounded length on the stack.
struct Text {
    octets: [u8; MAX_TEXT],
    len: usize,
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.octets.len() - self.len;
        // cut between characters: RFC 8914 2 wants UTF-8
        let end =
            text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last().unwrap_or(0);
        if let (Some(to), Some(from)) = (self.octets.get_mut(self.len..self.len + end), text.as_bytes().get(..end)) {
            to.copy_from_slice(from);
            self.len += end;
        }
        if end == text.len() { Ok(()) } else { Err(std::fmt::Error) }
    }
}

//! A decision to octets.
//!
//! The owner of nearly every record is the question's name or an end of it, so names are compressed against the
//! question alone: a pointer is the question's place plus an offset (RFC 1035 4.1.4).

use std::cell::LazyCell;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::parse::{CookieQuery, ErrorReply, Query};
use super::{CookieSecret, MIN_UDP};
use crate::answer::{
    AuthoritySection, Data, NS_TTL, NoAnswer, Part, Reason, Reply, SPECIAL_SOA_DATA, TTL, instance_name,
};
use crate::dns::{
    Class, DnsName, ExtendedError, HEADER_LEN, Header, HeaderFlags, InfoCode, MAX_EXTRA_TEXT, NameRef, OPT_LEN,
    OPTION_HEAD, Opcode, Opt, OptionCode, Rcode, Rtype, Writer, cut_text, put_extended_error, put_option,
};
use crate::model::{ROUTE53_NS, ROUTE53_SOA};
use crate::snapshot::Drill;

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
    /// Seconds since 1970; the clock is read for those who send a cookie only.
    pub now: &'a LazyCell<u32>,
}

/// Writes the reply to `query` into `out`; returns its length.
pub fn encode(query: &Query<'_>, reply: &Reply<'_>, frame: &Frame<'_>, out: &mut [u8]) -> usize {
    let opt = OwnOpt::for_query(query, frame);
    let mut writer = Writer::new(out, frame.limit);
    let failed = matches!(reply.rcode, Rcode::REFUSED | Rcode::SERVFAIL);
    let flags = (HeaderFlags::QR | HeaderFlags::RA)
        // a referral is not an authoritative answer (RFC 1034 4.3.2 3b)
        .with(HeaderFlags::AA, frame.aa && !failed && !matches!(reply.authority, AuthoritySection::Cut(..)))
        .with(HeaderFlags::RD, query.recursion_desired)
        .with(HeaderFlags::CD, query.checking_disabled)
        .with_rcode(reply.rcode);
    let mut header = Header { id: query.id, flags, questions: 1, ..Header::default() };
    // the counts are known at the end, and the header is written then
    if !(writer.skip(HEADER_LEN) && writer.put(query.question_octets)) {
        return 0;
    }
    // what the OPT takes is kept free, so that a truncated reply still has it (RFC 6891 7)
    let limit = writer.len() + writer.room().saturating_sub(opt.reserved());
    let mut whole = true;
    for (owner, data) in reply.parts() {
        if let Some(count) = put_part(&mut writer, limit, owner, data) {
            header.answers += count;
        } else {
            whole = false;
            break;
        }
    }
    if whole {
        match put_authority(&mut writer, limit, reply, query.question.name) {
            Some(count) => header.authorities += count,
            // RFC 2181 9: what is left out of the authority section of a referral or a negative answer is missed
            None => whole = false,
        }
    }
    if let (true, AuthoritySection::Cut(cut, ns), Reason::Delegated(zone)) = (whole, reply.authority, reply.reason) {
        (header.additional, whole) = put_glue(&mut writer, limit, cut, ns, zone);
    }
    header.flags = header.flags.with(HeaderFlags::TC, !whole);
    let extra = match &reply.answer {
        _ if !frame.explain => Extra::None,
        None if !matches!(reply.authority, AuthoritySection::Cut(..)) => Extra::Reason(reply.reason),
        Some(Data::Chosen(chosen)) => chosen.drill.map_or(Extra::None, Extra::Drill),
        _ => Extra::None,
    };
    header.additional += u16::from(opt.put(&mut writer, reply.rcode, extra));
    writer.patch(0, &header.octets());
    writer.len()
}

/// Writes a reply without records, its OPT with a fresh cookie; returns its length. `truncated` sets TC, by which a
/// client learns to come over TCP.
pub fn encode_bare(query: &Query<'_>, rcode: Rcode, truncated: bool, frame: &Frame<'_>, out: &mut [u8]) -> usize {
    let opt = OwnOpt::for_query(query, frame);
    let mut writer = Writer::new(out, frame.limit);
    let flags = (HeaderFlags::QR | HeaderFlags::RA)
        .with(HeaderFlags::TC, truncated)
        .with(HeaderFlags::RD, query.recursion_desired)
        .with(HeaderFlags::CD, query.checking_disabled)
        .with_rcode(rcode);
    let mut header = Header { id: query.id, flags, questions: 1, ..Header::default() };
    if !(writer.put(&header.octets()) && writer.put(query.question_octets)) {
        return 0;
    }
    header.additional = u16::from(opt.put(&mut writer, rcode, Extra::None));
    writer.patch(0, &header.octets());
    writer.len()
}

/// Writes the reply to a request that cannot be taken; returns its length.
pub fn encode_error(error: &ErrorReply<'_>, payload: u16, out: &mut [u8]) -> usize {
    let mut writer = Writer::new(out, MIN_UDP);
    // RA is about queries (RFC 1035 4.1.1): of other requests it would say that they are done for others
    let is_query = error.flags.opcode() == Opcode::QUERY;
    let flags = (HeaderFlags::QR | error.flags).with(HeaderFlags::RA, is_query).with_rcode(error.rcode);
    let questions = u16::from(!error.question_octets.is_empty());
    let mut header = Header { id: error.id, flags, questions, ..Header::default() };
    if !writer.put(&header.octets()) || !writer.put(error.question_octets) {
        return 0;
    }
    let opt = OwnOpt { present: error.edns, payload, dnssec_ok: false, cookie: None };
    header.additional = u16::from(opt.put(&mut writer, error.rcode, Extra::code(error.why)));
    writer.patch(0, &header.octets());
    writer.len()
}

/// Writes the reply to a request for a cookie (RFC 7873 5.4); returns its response code and its length.
pub fn encode_cookie(query: &CookieQuery<'_>, frame: &Frame<'_>, out: &mut [u8]) -> (Rcode, usize) {
    let is_good = query.server.is_empty() || frame.secret.is_valid(query.client, query.server, frame.peer, **frame.now);
    let rcode = if is_good { Rcode::NOERROR } else { Rcode::BADCOOKIE };
    let mut writer = Writer::new(out, MIN_UDP);
    let flags = (HeaderFlags::QR | HeaderFlags::RA | query.flags).with_rcode(rcode);
    let header = Header { id: query.id, flags, additional: 1, ..Header::default() };
    let server = frame.secret.server_cookie(query.client, frame.peer, **frame.now);
    let cookie = Some((query.client.0, server));
    let opt = OwnOpt { present: true, payload: frame.payload, dnssec_ok: query.dnssec_ok, cookie };
    let whole = writer.put(&header.octets()) && opt.put(&mut writer, rcode, Extra::None);
    (rcode, if whole { writer.len() } else { 0 })
}

/// Writes the records of `parts` one after the other, names in full; returns how many there are.
///
/// For an answer that continues with records of others. `None` if they do not fit.
pub fn records(parts: &[Part<'_>], writer: &mut Writer<'_>) -> Option<u16> {
    let limit = writer.len() + writer.room();
    parts.iter().try_fold(0u16, |count, part| Some(count + put_part(writer, limit, part.owner.as_deref(), &part.data)?))
}

/// One record, its owner a pointer to the question or a name in full; all of it or nothing.
fn put_record(writer: &mut Writer<'_>, owner: Option<&DnsName>, rtype: Rtype, ttl: u32, data: &[u8]) -> bool {
    let Ok(length) = u16::try_from(data.len()) else { return false };
    let [t0, t1] = rtype.octets();
    let [c0, c1] = Class::IN.octets();
    let [s0, s1, s2, s3] = ttl.to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    let head = match owner {
        None => writer.put(&[0xc0, HEADER_LEN as u8, t0, t1, c0, c1, s0, s1, s2, s3, l0, l1]),
        Some(name) => writer.put(name.wire()) && writer.put(&[t0, t1, c0, c1, s0, s1, s2, s3, l0, l1]),
    };
    head && writer.put(data)
}

/// A record set; all of it or, with nothing written, `None` (RFC 2181 9).
#[expect(clippy::inline_always, reason = "three places call it, of which one writes each reply")]
#[inline(always)]
fn put_part(writer: &mut Writer<'_>, limit: usize, owner: Option<&DnsName>, data: &Data<'_>) -> Option<u16> {
    let start = writer.len();
    let mut count = 0u16;
    let mut put = |rtype, ttl, data: &[u8]| {
        count += 1;
        put_record(writer, owner, rtype, ttl, data)
    };
    let complete = match data {
        Data::A(of) => of.iter().filter_map(crate::model::Interface::ipv4).all(|a| put(Rtype::A, TTL, &a.octets())),
        Data::Aaaa(of) => {
            of.iter().filter_map(crate::model::Interface::ipv6).all(|a| put(Rtype::AAAA, TTL, &a.octets()))
        }
        Data::Chosen(chosen) => chosen.addresses.iter().all(|address| match address {
            IpAddr::V4(v4) => put(Rtype::A, TTL, &v4.octets()),
            IpAddr::V6(v6) => put(Rtype::AAAA, TTL, &v6.octets()),
        }),
        Data::Rrset(rrset, rotation) => {
            let first = (*rotation as usize).checked_rem(rrset.rdata.len()).unwrap_or(0);
            let (before, after) = rrset.rdata.split_at(first);
            after.iter().chain(before).all(|data| put(rrset.rtype, rrset.ttl, data))
        }
        Data::AddressesOf(..) => true,
        Data::Synthesized(target, ttl) => put(Rtype::CNAME, *ttl, target.wire()),
        Data::Soa(ttl) => put(Rtype::SOA, *ttl, ROUTE53_SOA),
        Data::Ns => ROUTE53_NS.iter().all(|data| put(Rtype::NS, NS_TTL, data)),
        Data::Fixed(rtype, data) => put(*rtype, TTL, data),
        Data::Instance(address) => put(Rtype::A, TTL, &address.octets()),
        Data::Instance6(address) => put(Rtype::AAAA, TTL, &address.octets()),
        Data::PtrTo(name) => put(Rtype::PTR, TTL, name.wire()),
        Data::Ptr(address, vpc) => instance_name(*address, vpc).is_some_and(|name| put(Rtype::PTR, TTL, name.wire())),
    };
    if complete && writer.len() <= limit {
        return Some(count);
    }
    writer.truncate(start);
    None
}

fn put_authority(writer: &mut Writer<'_>, limit: usize, reply: &Reply<'_>, question: NameRef<'_>) -> Option<u16> {
    let start = writer.len();
    let done = match reply.authority {
        AuthoritySection::None => Some(0),
        AuthoritySection::Soa(zone) => put_soa(writer, reply, zone, ROUTE53_SOA, question).then_some(1),
        AuthoritySection::SpecialSoa(zone) => put_soa(writer, reply, zone, SPECIAL_SOA_DATA, question).then_some(1),
        AuthoritySection::OwnSoa(zone, soa) => {
            let all = soa.rdata.iter().all(|data| put_record(writer, Some(zone), soa.rtype, soa.ttl, data));
            all.then_some(soa.rdata.len() as u16)
        }
        AuthoritySection::Cut(cut, ns) => {
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

/// The addresses of a cut's name servers, as far as the zone has them: how many records, and whether those that have to be
/// there are. A server below the cut cannot be found without its address, so that a referral that has no room for it is
/// truncated (RFC 9471 3.1); that of a server elsewhere may be left out (3.2).
#[cold]
fn put_glue(
    writer: &mut Writer<'_>,
    limit: usize,
    cut: &DnsName,
    ns: &crate::model::Rrset,
    zone: &crate::model::HostedZone,
) -> (u16, bool) {
    let mut count = 0;
    let (mut below, mut elsewhere) = (Vec::new(), Vec::new());
    for server in ns.rdata.iter().filter_map(|data| DnsName::from_wire(data)) {
        if server.is_at_or_below(cut) { below.push(server) } else { elsewhere.push(server) }
    }
    for (servers, required) in [(below, true), (elsewhere, false)] {
        for server in &servers {
            let Some(node) = zone.node(server.wire()) else { continue };
            for rrset in node.rrsets.iter().filter(|rrset| matches!(rrset.rtype, Rtype::A | Rtype::AAAA)) {
                match put_part(writer, limit, Some(server), &Data::Rrset(rrset, 0)) {
                    Some(more) => count += more,
                    None if required => return (count, false),
                    None => return (count, true),
                }
            }
        }
    }
    (count, true)
}

/// The SOA of a negative answer, with its TTL cut down to the time to remember it (RFC 2308 3, 5).
fn put_soa(writer: &mut Writer<'_>, reply: &Reply<'_>, zone: usize, data: &[u8], question: NameRef<'_>) -> bool {
    // the zone is an end of the name that was looked up: of the question, or of the last alias
    match reply.chain().iter().rev().find_map(Part::target) {
        Some(target) => DnsName::from_wire(target.wire().get(zone..).unwrap_or(&[0]))
            .is_some_and(|zone| put_record(writer, Some(&zone), Rtype::SOA, TTL, data)),
        None if zone + 1 >= question.wire().len() => put_record(writer, Some(&DnsName::root()), Rtype::SOA, TTL, data),
        None => {
            let pointer = 0xc000 | (HEADER_LEN + zone) as u16;
            let [l0, l1] = (data.len() as u16).to_be_bytes();
            writer.put_u16(pointer)
                && writer.put(&Rtype::SOA.octets())
                && writer.put(&Class::IN.octets())
                && writer.put_u32(TTL)
                && writer.put(&[l0, l1])
                && writer.put(data)
        }
    }
}

impl Part<'_> {
    /// The name that an alias leads to.
    fn target(&self) -> Option<&DnsName> {
        match &self.data {
            Data::Rrset(rrset, _) => rrset.target.as_ref(),
            Data::Synthesized(target, _) => Some(target),
            _ => None,
        }
    }
}

/// The extended error of a reply (RFC 8914).
#[derive(Clone, Copy)]
enum Extra<'r> {
    None,
    /// The reason for the answer, with its text.
    Reason(Reason<'r>),
    /// The drill that changed it.
    Drill(&'r Drill),
    Code(InfoCode),
}

impl Extra<'_> {
    fn code(code: Option<InfoCode>) -> Self {
        code.map_or(Self::None, Self::Code)
    }
}

/// Our OPT record.
struct OwnOpt {
    present: bool,
    payload: u16,
    dnssec_ok: bool,
    /// Client and server cookie.
    cookie: Option<([u8; 8], [u8; 16])>,
}

impl OwnOpt {
    fn for_query(query: &Query<'_>, frame: &Frame<'_>) -> Self {
        let Some(edns) = query.edns else {
            return Self { present: false, payload: 0, dnssec_ok: false, cookie: None };
        };
        let cookie = edns.cookie.map(|client| (client.0, frame.secret.server_cookie(client, frame.peer, **frame.now)));
        Self { present: true, payload: frame.payload, dnssec_ok: edns.dnssec_ok, cookie }
    }

    /// Octets without an extended error.
    fn reserved(&self) -> usize {
        match (self.present, self.cookie) {
            (false, _) => 0,
            (true, None) => OPT_LEN,
            (true, Some(_)) => OPT_LEN + OPTION_HEAD + 24,
        }
    }

    /// Writes the record, with the reason as an extended error if there is room for it (RFC 8914 2); returns whether
    /// there is one.
    fn put(&self, writer: &mut Writer<'_>, rcode: Rcode, extra: Extra<'_>) -> bool {
        let start = writer.len();
        let opt = Opt::ours(self.payload, rcode, self.dnssec_ok);
        // the length of the options is filled in below
        if !self.present || !writer.put(&opt.octets(0)) {
            return false;
        }
        let options = writer.len();
        if let Some((client, server)) = self.cookie {
            put_option(writer, OptionCode::COOKIE, [&client, &server]);
        }
        match extra {
            Extra::Reason(reason) => {
                put_text(writer, reason.info_code(), format_args!("{}", NoAnswer(reason, rcode)));
            }
            Extra::Drill(drill) => put_text(writer, InfoCode::OTHER, format_args!("{drill}")),
            Extra::Code(code) => drop(put_extended_error(writer, ExtendedError { code, text: "" })),
            Extra::None => {}
        }
        let length = (writer.len() - options) as u16;
        writer.patch(start + OPT_LEN - 2, &length.to_be_bytes());
        true
    }
}

fn put_text(writer: &mut Writer<'_>, code: InfoCode, said: std::fmt::Arguments<'_>) {
    let mut text = BoundedText { octets: [0; MAX_EXTRA_TEXT], len: 0 };
    // a text that is too long is cut, which is no error
    let _ = text.write_fmt(said);
    let text = text.octets.get(..text.len).and_then(|octets| std::str::from_utf8(octets).ok()).unwrap_or_default();
    put_extended_error(writer, ExtendedError { code, text });
}

/// BoundedText of bounded length on the stack.
struct BoundedText {
    octets: [u8; MAX_EXTRA_TEXT],
    len: usize,
}

impl std::fmt::Write for BoundedText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let cut = cut_text(text, self.octets.len() - self.len);
        if let Some(to) = self.octets.get_mut(self.len..self.len + cut.len()) {
            to.copy_from_slice(cut.as_bytes());
            self.len += cut.len();
        }
        if cut.len() == text.len() { Ok(()) } else { Err(std::fmt::Error) }
    }
}

//! A packet to a query, in place.

use super::HEADER;
use super::cookie::ClientCookie;
use crate::answer::{NameBuf, Question, Rcode, rtype};

const CLASS_IN: u16 = 1;
const COOKIE: u16 = 10;
const TCP_KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const FLAG_QR: u16 = 0x8000;
const FLAG_RD: u16 = 0x0100;
const FLAG_AD: u16 = 0x0020;
const FLAG_CD: u16 = 0x0010;
const EDNS_DO: u32 = 0x8000;

/// What a packet turned out to be.
pub enum Packet<'p> {
    /// A question that can be answered.
    Query(Query<'p>),
    /// A request that gets an error.
    Malformed(Malformed<'p>),
    /// A response, or too short to have a header: answering it could start a loop (RFC 1035 4.1.1; RFC 5625 6.3).
    Silent,
}

/// A well-formed question.
pub struct Query<'p> {
    /// The client's id.
    pub id: u16,
    /// RD: it wants others to be asked.
    pub recursion_desired: bool,
    /// CD: it checks signatures itself (RFC 4035 3.2.2).
    pub checking_disabled: bool,
    /// AD: it understands the bit (RFC 6840 5.7).
    pub authentic_data: bool,
    /// The question section as the client wrote it: name, type, class.
    pub question_octets: &'p [u8],
    /// The question.
    pub question: Question<'p>,
    /// What it said about EDNS.
    pub edns: Option<Edns>,
}

/// The OPT record of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edns {
    /// The largest datagram that the client takes, in octets.
    pub payload: u16,
    /// DO: it wants DNSSEC records (RFC 3225).
    pub dnssec_ok: bool,
    /// Its cookie.
    pub cookie: Option<ClientCookie>,
    /// Whether it was padded, and so the reply wants to be (RFC 7830 4).
    pub padding: bool,
    /// Whether it asked how long an idle connection stays (RFC 7828), which has no place in QUIC (RFC 9250 5.5.2).
    pub tcp_keepalive: bool,
}

/// A request that gets an error.
#[derive(Clone, Copy)]
pub struct Malformed<'p> {
    /// The client's id.
    pub id: u16,
    /// Opcode and RD as they came, in the place where they stand in the flags.
    pub flags: u16,
    /// The error.
    pub rcode: Rcode,
    /// The question section, where it could be read.
    pub question_octets: &'p [u8],
    /// Whether an OPT record was there.
    pub edns: bool,
}

/// Reads a packet. The lowered name goes into `name`.
pub fn parse<'p>(packet: &'p [u8], name: &'p mut NameBuf) -> Packet<'p> {
    let Some((header, mut rest)) = packet.split_first_chunk::<HEADER>() else { return Packet::Silent };
    let [i0, i1, f0, f1, q0, q1, an0, an1, ns0, ns1, ar0, ar1] = *header;
    let id = u16::from_be_bytes([i0, i1]);
    let flags = u16::from_be_bytes([f0, f1]);
    if flags & FLAG_QR != 0 {
        return Packet::Silent;
    }
    let error = |rcode, question_octets, edns| {
        Packet::Malformed(Malformed { id, flags: flags & 0x7900, rcode, question_octets, edns })
    };
    // RFC 1035 4.1.1: a kind of query that is not supported
    if flags & 0x7800 != 0 {
        return error(Rcode::NotImp, &[], false);
    }
    // RFC 9619: a query has one question
    if [q0, q1] != [0, 1] || [an0, an1, ns0, ns1] != [0, 0, 0, 0] {
        return error(Rcode::FormErr, &[], false);
    }
    let Some(name_len) = name.read(rest) else { return error(Rcode::FormErr, &[], false) };
    let Some((question_octets, behind)) = rest.split_at_checked(name_len + 4) else {
        return error(Rcode::FormErr, &[], false);
    };
    rest = behind;
    let Some(&[t0, t1, c0, c1]) = question_octets.last_chunk::<4>() else {
        return error(Rcode::FormErr, &[], false);
    };
    let (qtype, qclass) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1]));

    let mut edns = None;
    for _ in 0..u16::from_be_bytes([ar0, ar1]) {
        match additional(&mut rest) {
            Some(Additional::Other) => {}
            // RFC 6891 6.1.1: more than one OPT is an error
            Some(Additional::Opt { .. }) if edns.is_some() => return error(Rcode::FormErr, question_octets, true),
            // RFC 6891 6.1.3: a version that is not spoken here
            Some(Additional::Opt { version: 1.., .. }) => return error(Rcode::BadVers, question_octets, true),
            Some(Additional::Opt { edns: Some(found), .. }) => edns = Some(found),
            Some(Additional::Opt { edns: None, .. }) => return error(Rcode::FormErr, question_octets, true),
            None => return error(Rcode::FormErr, question_octets, edns.is_some()),
        }
    }
    if !rest.is_empty() {
        return error(Rcode::FormErr, question_octets, edns.is_some());
    }
    match qtype {
        rtype::OPT | 0 => return error(Rcode::FormErr, question_octets, edns.is_some()),
        // zones are not transferred; MAILB, MAILA and the unassigned query types mean nothing here (RFC 1035 3.2.3)
        rtype::AXFR | rtype::IXFR => return error(Rcode::Refused, question_octets, edns.is_some()),
        128..=250 | 253 | 254 => return error(Rcode::NotImp, question_octets, edns.is_some()),
        _ => {}
    }
    if qclass != CLASS_IN {
        return error(Rcode::Refused, question_octets, edns.is_some());
    }
    let recursion_desired = flags & FLAG_RD != 0;
    Packet::Query(Query {
        id,
        recursion_desired,
        checking_disabled: flags & FLAG_CD != 0,
        authentic_data: flags & FLAG_AD != 0,
        question_octets,
        question: Question { name: name.name(), rtype: qtype, recursion_desired },
        edns,
    })
}

enum Additional {
    Opt { version: u8, edns: Option<Edns> },
    Other,
}

/// Takes one record off the additional section; `None` if it is cut short.
fn additional(rest: &mut &[u8]) -> Option<Additional> {
    let root_owner = rest.first() == Some(&0);
    skip_name(rest)?;
    let (fixed, behind) = rest.split_first_chunk::<10>()?;
    let [t0, t1, c0, c1, ttl @ .., l0, l1] = *fixed;
    let (data, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
    *rest = behind;
    if u16::from_be_bytes([t0, t1]) != rtype::OPT {
        return Some(Additional::Other);
    }
    let [_, version, ..] = ttl;
    let edns = if root_owner { options(data, u16::from_be_bytes([c0, c1]), u32::from_be_bytes(ttl)) } else { None };
    Some(Additional::Opt { version, edns })
}

/// Walks the options; `None` if one is cut short, or a cookie has a length that none has.
fn options(mut data: &[u8], payload: u16, flags: u32) -> Option<Edns> {
    let mut edns = Edns { payload, dnssec_ok: flags & EDNS_DO != 0, ..Edns::default() };
    while !data.is_empty() {
        let (head, behind) = data.split_first_chunk::<4>()?;
        let [c0, c1, l0, l1] = *head;
        let (value, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        data = behind;
        let code = u16::from_be_bytes([c0, c1]);
        edns.tcp_keepalive |= code == TCP_KEEPALIVE;
        edns.padding |= code == PADDING;
        if code == COOKIE && edns.cookie.is_none() {
            // RFC 7873 5.2.2: 8 octets, or 8 and a server cookie of 8 to 32
            if !matches!(value.len(), 8 | 16..=40) {
                return None;
            }
            edns.cookie = value.first_chunk::<8>().map(|cookie| ClientCookie(*cookie));
        }
    }
    Some(edns)
}

/// Skips a name, compressed or not; each step shortens what is left, so it ends.
fn skip_name(rest: &mut &[u8]) -> Option<()> {
    loop {
        let (&len, behind) = rest.split_first()?;
        match len {
            0 => {
                *rest = behind;
                return Some(());
            }
            1..=63 => *rest = behind.get(usize::from(len)..)?,
            192..=255 => {
                *rest = behind.get(1..)?;
                return Some(());
            }
            // RFC 6891 5: no other label types are in use
            _ => return None,
        }
    }
}

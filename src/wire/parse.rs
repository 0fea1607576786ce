//! A packet to a query, in place.

use super::cookie::ClientCookie;
use crate::answer::Question;
use crate::dns::{
    Class, HEADER_LEN, Header, HeaderFlags, InfoCode, Message, NameBuf, OPTION_HEAD, Opcode, Opt, OptionCode, Rcode,
    Rtype, cookie_in, each_option, skip_name,
};

/// What a packet turned out to be.
pub enum Packet<'p> {
    /// A question that can be answered.
    Query(Query<'p>),
    /// A request for a server cookie and nothing else.
    Cookie(CookieQuery<'p>),
    /// A request that gets an error.
    Error(ErrorReply<'p>),
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

impl<'p> Query<'p> {
    /// The error in place of an answer.
    pub fn error(&self, rcode: Rcode) -> ErrorReply<'p> {
        let flags = HeaderFlags::default().with(HeaderFlags::RD, self.recursion_desired);
        let edns = self.edns.is_some();
        ErrorReply { id: self.id, flags, rcode, question_octets: self.question_octets, edns, why: None }
    }
}

/// A request without a question that asks for a server cookie, or whether one is still good (RFC 7873 5.4).
pub struct CookieQuery<'p> {
    /// The client's id.
    pub id: u16,
    /// The request's RD and CD, which its reply repeats.
    pub flags: HeaderFlags,
    /// The client's DO.
    pub dnssec_ok: bool,
    /// The client's own cookie.
    pub client: ClientCookie,
    /// The server cookie that it has from before; none: empty.
    pub server: &'p [u8],
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
    /// Octets that are kept free in the reply, for options that are added to it later.
    pub reserved: u16,
    /// Whether it was padded, and so the reply wants to be (RFC 7830 4).
    pub padding: bool,
    /// Whether it asked how long an idle connection stays (RFC 7828), which has no place in QUIC (RFC 9250 5.5.2).
    pub tcp_keepalive: bool,
}

/// A request that gets an error.
#[derive(Clone, Copy)]
pub struct ErrorReply<'p> {
    /// The client's id.
    pub id: u16,
    /// The request's opcode and, of a query, RD, which its reply repeats (RFC 1035 4.1.1).
    pub flags: HeaderFlags,
    /// The error.
    pub rcode: Rcode,
    /// The question section, where it could be read.
    pub question_octets: &'p [u8],
    /// Whether an OPT record was there.
    pub edns: bool,
    /// What is said of the reason, to a client with EDNS.
    pub why: Option<InfoCode>,
}

/// Reads a packet. The lowered name goes into `name`.
pub fn parse<'p>(packet: &'p [u8], name: &'p mut NameBuf) -> Packet<'p> {
    let Some(header) = Header::of(packet) else { return Packet::Silent };
    let mut rest = packet.get(HEADER_LEN..).unwrap_or_default();
    let Header { id, flags, .. } = header;
    if flags.has(HeaderFlags::QR) {
        return Packet::Silent;
    }
    // RFC 1035 4.1.1: a kind of request that is not supported, in which the bit of RD may mean something else
    if flags.opcode() != Opcode::QUERY {
        let flags = flags.only(HeaderFlags::OPCODE);
        return Packet::Error(ErrorReply {
            id,
            flags,
            rcode: Rcode::NOTIMP,
            question_octets: &[],
            edns: false,
            why: None,
        });
    }
    let flags_back = flags.only(HeaderFlags::RD);
    let error = |rcode, question_octets, edns| {
        Packet::Error(ErrorReply { id, flags: flags_back, rcode, question_octets, edns, why: None })
    };
    if header.questions == 0 {
        return cookie_query(packet, header, rest).unwrap_or_else(|rcode| error(rcode, &[], rcode.needs_edns()));
    }
    // RFC 9619: a query has one question
    if (header.questions, header.answers, header.authorities) != (1, 0, 0) {
        return error(Rcode::FORMERR, &[], false);
    }
    let Some(name_len) = name.read(rest) else { return error(Rcode::FORMERR, &[], false) };
    let Some((question_octets, behind)) = rest.split_at_checked(name_len + 4) else {
        return error(Rcode::FORMERR, &[], false);
    };
    rest = behind;
    let Some(&[t0, t1, c0, c1]) = question_octets.last_chunk::<4>() else {
        return error(Rcode::FORMERR, &[], false);
    };
    let (qtype, qclass) = (Rtype::new(u16::from_be_bytes([t0, t1])), Class::new(u16::from_be_bytes([c0, c1])));

    let mut edns = None;
    for _ in 0..header.additional {
        match additional(&mut rest) {
            Some(Additional::Other) => {}
            // RFC 6891 6.1.1: more than one OPT is an error
            Some(Additional::Opt { .. }) if edns.is_some() => return error(Rcode::FORMERR, question_octets, true),
            // RFC 6891 6.1.3: a version that is not spoken here
            Some(Additional::Opt { version: 1.., .. }) => return error(Rcode::BADVERS, question_octets, true),
            Some(Additional::Opt { edns: Some(found), .. }) => edns = Some(found),
            Some(Additional::Opt { edns: None, .. }) => return error(Rcode::FORMERR, question_octets, true),
            None => return error(Rcode::FORMERR, question_octets, edns.is_some()),
        }
    }
    if !rest.is_empty() {
        return error(Rcode::FORMERR, question_octets, edns.is_some());
    }
    match qtype {
        Rtype::OPT | Rtype::NONE => return error(Rcode::FORMERR, question_octets, edns.is_some()),
        // zones are not transferred
        Rtype::AXFR | Rtype::IXFR => return error(Rcode::REFUSED, question_octets, edns.is_some()),
        // what only messages have, NXNAME among it, cannot be asked for (RFC 6895 3.1, RFC 9824 3.3)
        _ if qtype.is_query_type() && qtype != Rtype::ANY => {
            if qtype.is_mail_type() {
                return error(Rcode::NOTIMP, question_octets, edns.is_some());
            }
            return Packet::Error(ErrorReply {
                id,
                flags: flags_back,
                rcode: Rcode::FORMERR,
                question_octets,
                edns: edns.is_some(),
                why: Some(InfoCode::INVALID_QUERY_TYPE),
            });
        }
        _ => {}
    }
    if qclass != Class::IN {
        return error(Rcode::REFUSED, question_octets, edns.is_some());
    }
    let recursion_desired = flags.has(HeaderFlags::RD);
    Packet::Query(Query {
        id,
        recursion_desired,
        checking_disabled: flags.has(HeaderFlags::CD),
        authentic_data: flags.has(HeaderFlags::AD),
        question_octets,
        question: Question { name: name.name(), rtype: qtype, recursion_desired },
        edns,
    })
}

/// A request without a question, of which `rest` is what follows the header; otherwise the response code that it gets.
#[cold]
fn cookie_query<'p>(packet: &'p [u8], header: Header, mut rest: &[u8]) -> Result<Packet<'p>, Rcode> {
    // RFC 9619: every other query has one question
    if (header.answers, header.authorities) != (0, 0) {
        return Err(Rcode::FORMERR);
    }
    let mut found = None;
    for _ in 0..header.additional {
        match additional(&mut rest).ok_or(Rcode::FORMERR)? {
            Additional::Other => {}
            Additional::Opt { version: 1.., .. } => return Err(Rcode::BADVERS),
            Additional::Opt { edns: Some(edns), .. } if found.is_none() => found = Some(edns),
            Additional::Opt { .. } => return Err(Rcode::FORMERR),
        }
    }
    let edns = found.filter(|_| rest.is_empty()).ok_or(Rcode::FORMERR)?;
    let options = Message::parse(packet).map_err(|_| Rcode::FORMERR)?.options();
    let (client, server) = cookie_in(options).and_then(|cookie| cookie.split_first_chunk()).ok_or(Rcode::FORMERR)?;
    Ok(Packet::Cookie(CookieQuery {
        id: header.id,
        flags: header.flags.only(HeaderFlags::RD | HeaderFlags::CD),
        dnssec_ok: edns.dnssec_ok,
        client: ClientCookie(*client),
        server,
    }))
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
    if Rtype::new(u16::from_be_bytes([t0, t1])) != Rtype::OPT {
        return Some(Additional::Other);
    }
    let opt = Opt::of(Class::new(u16::from_be_bytes([c0, c1])), u32::from_be_bytes(ttl));
    let edns = if root_owner { options(data, opt) } else { None };
    Some(Additional::Opt { version: opt.version, edns })
}

/// Walks the options; `None` if one is cut short, or a cookie has a length that none has.
fn options(data: &[u8], opt: Opt) -> Option<Edns> {
    let mut edns = Edns { payload: opt.payload, dnssec_ok: opt.dnssec_ok, ..Edns::default() };
    let mut walked = 0;
    for (code, value) in each_option(data) {
        walked += OPTION_HEAD + value.len();
        edns.tcp_keepalive |= code == OptionCode::TCP_KEEPALIVE;
        edns.padding |= code == OptionCode::PADDING;
        if code == OptionCode::COOKIE && edns.cookie.is_none() {
            // RFC 7873 5.2.2: 8 octets, or 8 and a server cookie of 8 to 32
            if !matches!(value.len(), 8 | 16..=40) {
                return None;
            }
            edns.cookie = value.first_chunk::<8>().map(|cookie| ClientCookie(*cookie));
        }
    }
    (walked == data.len()).then_some(edns)
}

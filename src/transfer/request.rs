//! A packet of a secondary to what it gets: one message, or a zone.
//!
//! | request | reply |
//! |---|---|
//! | without a signature | REFUSED |
//! | with a key that is not known, or a signature that does not hold | NOTAUTH and the reason, not signed (RFC 8945 5.2) |
//! | signed by a clock that is off | NOTAUTH and the time, signed (RFC 8945 5.2.3) |
//! | for a zone that the view of the key does not have | NOTAUTH (RFC 5936 2.2.1) |
//! | SOA | the SOA record |
//! | AXFR over TCP | the zone (RFC 5936) |
//! | IXFR from the serial that the zone has, or a later one | the SOA record (RFC 1995 2) |
//! | IXFR over UDP | the SOA record: "the client should retry over TCP" (RFC 1995 2) |
//! | IXFR over TCP | the zone, in the form of AXFR (RFC 1995 4) |
//!
//! Time is an argument. Knows no sockets.

use std::sync::Arc;

use super::TransferContext;
use super::keys::Secondary;
use super::record::{own_opt, put_record};
use super::rounds::PublishedZones;
use super::serials::is_newer;
use super::tsig::{TsigFault, TsigRecord};
use crate::dns::{Class, DnsName, HEADER_LEN, Header, HeaderFlags, Message, Opcode, Rcode, Rtype, Section, u32_at};

/// What a request comes to.
pub(super) enum TransferAnswer {
    /// No reply: it is a reply itself, or no message.
    Silent,
    /// This message.
    Message(Vec<u8>, Served),
    /// The zone.
    Zone(ZoneRequest),
}

/// What a message is, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    Serial,
    Refused,
    BadSignature,
}

impl Served {
    /// The word in the label of the metric.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Refused => "refused",
            Self::BadSignature => "bad_signature",
        }
    }
}

/// A zone that is to be sent.
pub(super) struct ZoneRequest {
    pub(super) zones: Arc<PublishedZones>,
    pub(super) secondary: Arc<Secondary>,
    pub(super) apex: DnsName,
    pub(super) serial: u32,
    /// The beginning of the first message: its header, with no records yet, and the question.
    pub(super) head: Vec<u8>,
    /// Whether the first message has an OPT record.
    pub(super) edns: bool,
    /// The MAC of the request.
    pub(super) mac: Vec<u8>,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Udp,
    Tcp,
}

/// A request as far as it could be read.
struct TransferRequest<'p> {
    message: Message<'p>,
    edns: bool,
    /// Octets that the other side takes over UDP.
    payload: u16,
}

/// Reads a packet and says what it gets at this time, in seconds since 1970.
pub(super) fn answer(context: &TransferContext, packet: &[u8], way: Way, now: u64) -> TransferAnswer {
    let Some(header) = Header::of(packet).filter(|header| !header.flags.has(HeaderFlags::QR)) else {
        return TransferAnswer::Silent;
    };
    let Ok(message) = Message::parse(packet) else {
        let head = Header { id: header.id, flags: reply_flags(header).with_rcode(Rcode::FORMERR), ..Header::default() };
        return TransferAnswer::Message(head.octets().to_vec(), Served::Refused);
    };
    let opt = message.opt();
    let payload = opt.as_ref().map_or(512, |opt| opt.class.number().max(512));
    let request = TransferRequest { message, edns: opt.is_some(), payload };
    let tsig = match TsigRecord::of(&message) {
        Ok(Some(tsig)) => tsig,
        Ok(None) => return TransferAnswer::Message(request.reply(Rcode::REFUSED), Served::Refused),
        Err(_) => return TransferAnswer::Message(request.reply(Rcode::FORMERR), Served::Refused),
    };
    let unsigned = |fault: TsigFault| {
        let mut reply = request.reply(Rcode::NOTAUTH);
        tsig.put_unsigned(&mut reply, fault);
        TransferAnswer::Message(reply, Served::BadSignature)
    };
    let Some(secondary) = context.keys.find(&tsig.name) else { return unsigned(TsigFault::Key) };
    match secondary.tsig.check(packet, &tsig, None, now) {
        Ok(()) => {}
        Err(TsigFault::Time) => {
            let mut reply = request.reply(Rcode::NOTAUTH);
            secondary.tsig.sign_bad_time(&mut reply, &tsig, now);
            return TransferAnswer::Message(reply, Served::BadSignature);
        }
        Err(fault) => return unsigned(fault),
    }
    let signed = |mut reply: Vec<u8>, served| {
        secondary.tsig.sign_reply(&mut reply, tsig.mac, now);
        TransferAnswer::Message(reply, served)
    };
    match request.what(context, secondary, way) {
        Err(rcode) => signed(request.reply(rcode), Served::Refused),
        Ok(asked) if asked.is_whole => {
            let AskedZone { zones, apex, serial, .. } = asked;
            let (secondary, mac) = (Arc::clone(secondary), tsig.mac.to_vec());
            let mut head = request.reply(Rcode::NOERROR);
            head.truncate(HEADER_LEN + request.message.question().len());
            TransferAnswer::Zone(ZoneRequest { zones, secondary, apex, serial, head, edns: request.edns, mac })
        }
        Ok(asked) => signed(request.soa(&asked, secondary, way), Served::Serial),
    }
}

/// A zone that the view has.
struct AskedZone {
    zones: Arc<PublishedZones>,
    apex: DnsName,
    serial: u32,
    /// All of it is sent, and not the SOA record alone.
    is_whole: bool,
}

impl TransferRequest<'_> {
    /// What a signed request asks for; an error is the response code.
    fn what(&self, context: &TransferContext, secondary: &Secondary, way: Way) -> Result<AskedZone, Rcode> {
        if self.message.flags().opcode() != Opcode::QUERY {
            return Err(Rcode::NOTIMP);
        }
        let question = self.message.question();
        let (name, fixed) = question.split_last_chunk::<4>().ok_or(Rcode::FORMERR)?;
        let [t0, t1, c0, c1] = *fixed;
        let (rtype, class) = (Rtype::new(u16::from_be_bytes([t0, t1])), Class::new(u16::from_be_bytes([c0, c1])));
        let apex = DnsName::from_wire(name).ok_or(Rcode::FORMERR)?;
        // RFC 5936 4.2: not defined over UDP
        if rtype == Rtype::AXFR && way == Way::Udp {
            return Err(Rcode::FORMERR);
        }
        if class != Class::IN || ![Rtype::SOA, Rtype::AXFR, Rtype::IXFR].contains(&rtype) {
            return Err(Rcode::REFUSED);
        }
        let zones = context.zones.load().ok_or(Rcode::SERVFAIL)?;
        let serial = zones.serial(secondary.view, &apex).ok_or(Rcode::NOTAUTH)?;
        let is_whole = match rtype {
            Rtype::AXFR => true,
            Rtype::IXFR => {
                let theirs = self.their_serial().ok_or(Rcode::FORMERR)?;
                if is_newer(theirs, serial) {
                    tracing::warn!(
                        zone = %apex, key = %secondary.name, ours = serial, theirs,
                        "a secondary has a later serial than there is here, and keeps its zone until ours is past that; to have it \
                         take the zone over now: rndc retransfer, knotc zone-retransfer, nsd-control force_transfer"
                    );
                }
                way == Way::Tcp && is_newer(serial, theirs)
            }
            _ => false,
        };
        Ok(AskedZone { zones, apex, serial, is_whole })
    }

    /// The serial from which an IXFR is to lead: that of the SOA record in its authority section (RFC 1995 3).
    fn their_serial(&self) -> Option<u32> {
        let is_soa = |record: &crate::dns::Record| record.section == Section::Authority && record.rtype == Rtype::SOA;
        let soa = self.message.records().find(is_soa)?;
        u32_at(self.message.octets(), soa.rdata.end.checked_sub(20).filter(|at| *at >= soa.rdata.start)?)
    }

    /// A reply without records but OPT.
    fn reply(&self, rcode: Rcode) -> Vec<u8> {
        let (header, question) = (self.message.header(), self.message.question());
        let flags = reply_flags(header).with_rcode(rcode);
        let flags = flags.with(HeaderFlags::AA, rcode == Rcode::NOERROR);
        let questions = u16::from(!question.is_empty());
        let header = Header { id: header.id, flags, questions, additional: u16::from(self.edns), ..Header::default() };
        let mut reply = [&header.octets()[..], question].concat();
        if self.edns {
            reply.extend(own_opt());
        }
        reply
    }

    /// A reply with the SOA record.
    fn soa(&self, asked: &AskedZone, secondary: &Secondary, way: Way) -> Vec<u8> {
        let view = asked.zones.view(secondary.view);
        let Some(zone) = view.zone(&asked.apex) else { return self.reply(Rcode::SERVFAIL) };
        let mut reply = self.reply(Rcode::NOERROR);
        let end = HEADER_LEN + self.message.question().len();
        reply.truncate(end);
        put_record(&mut reply, &zone.soa(asked.serial));
        // one that does not fit is asked for again over TCP (RFC 2181 9)
        let is_cut = way == Way::Udp && reply.len() + secondary.tsig.record_len() > usize::from(self.payload);
        if is_cut {
            reply.truncate(end);
        }
        let mut header = Header::of(&reply).unwrap_or_default();
        header.answers = u16::from(!is_cut);
        header.flags = header.flags.with(HeaderFlags::TC, is_cut);
        if let Some(head) = reply.first_chunk_mut() {
            *head = header.octets();
        }
        if self.edns {
            reply.extend(own_opt());
        }
        reply
    }
}

/// QR, and what a reply repeats of its request (RFC 1035 4.1.1).
fn reply_flags(request: Header) -> HeaderFlags {
    HeaderFlags::QR | request.flags.only(HeaderFlags::OPCODE | HeaderFlags::RD)
}

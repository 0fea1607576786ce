//! Octets in, octets out, with hickory-proto as the other implementation.

use std::cell::LazyCell;
use std::net::{IpAddr, SocketAddr};

use crate::common::entry::{self, ZONE};
use crate::common::{question_octets, secret, wire_name, world};
use hickory_proto::op::{Message, MessageType, OpCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use proptest::prelude::*;
use vpcedns::answer::{AuthoritySection, Data, Decision, NoTrace, Reply, answer};
use vpcedns::dns::{MAX_EXTRA_TEXT, NameBuf, Rcode};
use vpcedns::snapshot::Snapshot;
use vpcedns::wire::{ClientCookie, CookieSecret, Frame, Packet, encode, encode_cookie, encode_error, parse};

/// Names that the zone has, and some that it does not.
const TXT: u16 = 16;

pub(crate) const NAMES: [&str; 39] = [
    ".",
    "com",
    "example.net",
    "ec2.us-east-1.amazonaws.com",
    "s3.us-east-1.amazonaws.com",
    "bucket.s3.us-east-1.amazonaws.com",
    "dkr.ecr.us-east-1.amazonaws.com",
    "1.dkr.ecr.us-east-1.amazonaws.com",
    "monitoring.us-east-1.api.aws",
    "sts.us-east-1.amazonaws.com",
    "kms.us-east-1.amazonaws.com",
    "vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com",
    "vpce-0000000a-aaaaaaaa-us-east-1a.ec2.us-east-1.vpce.amazonaws.com",
    "vpce-0000000d-dddddddd.monitoring.us-east-1.vpce.amazonaws.com",
    "b.vpce-0000000b-bbbbbbbb.s3.us-east-1.vpce.amazonaws.com",
    "us-east-1.vpce.amazonaws.com",
    "vpce.amazonaws.com",
    "ip-10-1-1-17.ec2.internal",
    "17.1.1.10.in-addr.arpa",
    "1.1.10.in-addr.arpa",
    "LocalHost",
    "1.0.0.127.in-addr.arpa",
    "x.home.arpa",
    "corp.example",
    "db.corp.example",
    "x.apps.corp.example",
    "chain.corp.example",
    "out.corp.example",
    "private.corp.example",
    "dangling.corp.example",
    "loop.corp.example",
    "balancer.corp.example",
    "gone.corp.example",
    "a.b.deep.corp.example",
    "b.deep.corp.example",
    "host.lab.corp.example",
    "big.corp.example",
    "some.corp.example",
    "huge.corp.example",
];

pub(crate) const TYPES: [u16; 16] = [1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 64, 65, 255, 257, 65400, 99];

/// What a client says about EDNS.
#[derive(Clone, Debug)]
struct AskedEdns {
    payload: u16,
    dnssec_ok: bool,
    cookie: Option<Vec<u8>>,
    /// An option that means nothing here.
    other: Option<(u16, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    id: u16,
    name: Vec<u8>,
    rtype: u16,
    rd: bool,
    cd: bool,
    ad: bool,
    edns: Option<AskedEdns>,
    peer: IpAddr,
    pub(crate) stream: bool,
    aa: bool,
    rotation: u32,
}

impl Asked {
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut flags = 0u16;
        for (on, bit) in [(self.rd, 0x0100), (self.ad, 0x0020), (self.cd, 0x0010)] {
            if on {
                flags |= bit;
            }
        }
        let mut packet = Vec::new();
        for field in [self.id, flags, 1, 0, 0, u16::from(self.edns.is_some())] {
            packet.extend(field.to_be_bytes());
        }
        packet.extend(question_octets(&self.name, self.rtype.into()));
        if let Some(edns) = &self.edns {
            let mut options = Vec::new();
            let cookie = edns.cookie.iter().map(|cookie| (10, cookie));
            for (code, data) in cookie.chain(edns.other.iter().map(|(code, data)| (*code, data))) {
                options.extend(code.to_be_bytes());
                options.extend((data.len() as u16).to_be_bytes());
                options.extend(data);
            }
            packet.extend([0, 0, 41]);
            packet.extend(edns.payload.to_be_bytes());
            packet.extend([0, 0, if edns.dnssec_ok { 0x80 } else { 0 }, 0]);
            packet.extend((options.len() as u16).to_be_bytes());
            packet.extend(options);
        }
        packet
    }

    /// RFC 6891 6.2.3 and the limit of the server.
    fn limit(&self) -> usize {
        match &self.edns {
            _ if self.stream => 65_535,
            None => 512,
            Some(edns) => usize::from(edns.payload.clamp(512, 1232)),
        }
    }
}

prop_compose! {
    fn any_name()(
        at in 0..NAMES.len(), kind in 0u8..8, label in "[a-z0-9*_-]{1,20}", octets in prop::collection::vec(any::<u8>(), 1..63),
        case in any::<u64>(),
    ) -> Vec<u8> {
        let mut name = wire_name(NAMES[at]);
        let prepend = |label: &[u8], name: &[u8]| [&[label.len() as u8], label, name].concat();
        match kind {
            0 => name = prepend(label.as_bytes(), &name),
            1 => name = prepend(&octets, &name),
            2 if name.len() > 1 => drop(name.drain(..=usize::from(name[0]))),
            3 if name.len() > 1 => name[1] ^= 1,
            _ => {}
        }
        // letters only: lengths are below any of them
        for (bit, octet) in name.iter_mut().enumerate() {
            if case >> (bit % 64) & 1 == 1 {
                octet.make_ascii_uppercase();
            }
        }
        if name.len() > 255 { vec![0] } else { name }
    }
}

prop_compose! {
    fn any_edns()(
        payload in prop_oneof![Just(0u16), Just(512), Just(1232), Just(4096), Just(65_535), 400u16..1400],
        dnssec_ok: bool,
        cookie in prop::option::of(prop_oneof![Just(8usize), 16usize..=40]),
        octet: u8,
        other in prop::option::of((20u16..30, prop::collection::vec(any::<u8>(), 0..30))),
    ) -> AskedEdns {
        AskedEdns { payload, dnssec_ok, cookie: cookie.map(|len| vec![octet; len]), other }
    }
}

prop_compose! {
    pub(crate) fn any_asked()(
        id: u16, name in any_name(), rtype in prop_oneof![9 => prop::sample::select(&TYPES[..]), 1 => any::<u16>()],
        rd: bool, cd: bool, ad: bool, edns in prop::option::of(any_edns()),
        peer in prop::sample::select(vec!["10.1.0.5", "10.2.0.5", "127.0.0.1", "198.51.100.7", "fd00:1::5"]),
        stream: bool, aa: bool, rotation: u32,
    ) -> Asked {
        Asked { id, name, rtype, rd, cd, ad, edns, peer: peer.parse().unwrap(), stream, aa, rotation }
    }
}

fn zone() -> &'static Snapshot {
    static ZONE_WORLD: std::sync::OnceLock<Snapshot> = std::sync::OnceLock::new();
    ZONE_WORLD.get_or_init(|| world(ZONE))
}

/// Type, TTL and uncompressed data of a record that was read off the wire.
pub(crate) type Flat = (u16, u32, Vec<u8>);

pub(crate) fn flat(record: &Record) -> Flat {
    let mut data = Vec::new();
    let mut encoder = BinEncoder::new(&mut data);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    record.data.emit(&mut encoder).unwrap();
    (record.record_type().into(), record.ttl, data)
}

/// What the records of a part have to become.
fn wanted(data: &Data<'_>) -> Vec<Flat> {
    match data {
        Data::AddressesOf(..) => vec![],
        Data::Chosen(chosen) => {
            let flat = |address: &IpAddr| match address {
                IpAddr::V4(v4) => (1, 60, v4.octets().to_vec()),
                IpAddr::V6(v6) => (28, 60, v6.octets().to_vec()),
            };
            chosen.addresses.iter().map(flat).collect()
        }
        Data::A(of) => {
            of.iter().filter_map(vpcedns::model::Interface::ipv4).map(|a| (1, 60, a.octets().to_vec())).collect()
        }
        Data::Aaaa(of) => {
            of.iter().filter_map(vpcedns::model::Interface::ipv6).map(|a| (28, 60, a.octets().to_vec())).collect()
        }
        Data::Rrset(rrset, rotation) => {
            let mut all: Vec<Flat> =
                rrset.rdata.iter().map(|d| (rrset.rtype.number(), rrset.ttl, d.to_vec())).collect();
            let by = *rotation as usize % all.len();
            all.rotate_left(by);
            all
        }
        Data::Fixed(rtype, data) => vec![(rtype.number(), 60, data.to_vec())],
        Data::Instance(address) => vec![(1, 60, address.octets().to_vec())],
        Data::Instance6(address) => vec![(28, 60, address.octets().to_vec())],
        Data::PtrTo(name) => vec![(12, 60, name.wire().to_vec())],
        Data::Ptr(address, _) => {
            let name = format!("ip-{}.ec2.internal", address.to_string().replace('.', "-"));
            vec![(12, 60, wire_name(&name))]
        }
        Data::Synthesized(target, ttl) => vec![(5, *ttl, target.wire().to_vec())],
        Data::Soa(ttl) => {
            let numbers = [1u32, 7200, 900, 1_209_600, 86_400].map(u32::to_be_bytes).concat();
            let names = [wire_name("ns-1536.awsdns-00.co.uk"), wire_name("awsdns-hostmaster.amazon.com")].concat();
            vec![(6, *ttl, [names, numbers].concat())]
        }
        Data::Ns => ["ns-1536.awsdns-00.co.uk", "ns-0.awsdns-00.com", "ns-1024.awsdns-00.org", "ns-512.awsdns-00.net"]
            .map(|name| (2, 172_800, wire_name(name)))
            .to_vec(),
    }
}

/// The RRsets of an answer, whole, with their owners.
fn wanted_answer(reply: &Reply<'_>, question: &[u8]) -> Vec<(Vec<u8>, Vec<Flat>)> {
    reply
        .parts()
        .map(|(owner, data)| (owner.map_or(question, |name| name.wire()).to_ascii_lowercase(), wanted(data)))
        .collect()
}

pub(crate) fn owner(record: &Record) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    record.name.emit(&mut encoder).unwrap();
    wire.to_ascii_lowercase()
}

proptest! {
    #![proptest_config(crate::common::cases(4000))]

    /// Our reading of a query is hickory's.
    #[test]
    fn queries_are_read_as_hickory_reads_them(asked in any_asked()) {
        let packet = asked.packet();
        let theirs = Message::from_vec(&packet).unwrap();
        let mut name = NameBuf::default();
        let ours = match parse(&packet, &mut name) {
            Packet::Query(query) => query,
            Packet::Error(error) => {
                // kinds of question that are refused for what they ask, not for how they ask it
                let want = match asked.rtype {
                    0 | 41 | 128..=250 => Rcode::FORMERR,
                    251 | 252 => Rcode::REFUSED,
                    253 | 254 => Rcode::NOTIMP,
                    _ => panic!("{:?} for {asked:?}", error.rcode),
                };
                prop_assert_eq!(error.rcode, want);
                return Ok(());
            }
            Packet::Cookie(_) | Packet::Silent => panic!("no reply to {asked:?}"),
        };
        prop_assert!(!matches!(asked.rtype, 0 | 41 | 128..=254));
        prop_assert_eq!(ours.id, theirs.metadata.id);
        prop_assert_eq!(ours.recursion_desired, theirs.metadata.recursion_desired);
        prop_assert_eq!(ours.checking_disabled, theirs.metadata.checking_disabled);
        prop_assert_eq!(ours.authentic_data, theirs.metadata.authentic_data);
        let question = &theirs.queries[0];
        prop_assert_eq!(ours.question.rtype.number(), u16::from(question.query_type()));
        let mut wire = Vec::new();
        question.name().emit(&mut BinEncoder::new(&mut wire)).unwrap();
        prop_assert_eq!(ours.question.name.wire(), wire.to_ascii_lowercase());
        prop_assert_eq!(ours.question_octets, question_octets(&wire, asked.rtype.into()));
        prop_assert_eq!(ours.edns.is_some(), theirs.edns.is_some());
        if let (Some(ours), Some(theirs)) = (ours.edns, &theirs.edns) {
            // hickory reads a payload size below 512 as 512 (RFC 6891 6.2.3)
            prop_assert_eq!(ours.payload.max(512), theirs.max_payload().max(512));
            prop_assert_eq!(ours.dnssec_ok, theirs.flags().dnssec_ok);
            let cookie = match theirs.option(EdnsCode::Cookie) {
                Some(EdnsOption::Unknown(_, data)) => Some(ClientCookie(data[..8].try_into().unwrap())),
                _ => None,
            };
            prop_assert_eq!(ours.cookie, cookie);
        }
    }

    /// A reply says what was decided, to whoever reads it, within the limit.
    #[test]
    fn replies_say_what_was_decided(asked in any_asked(), explain: bool) {
        let packet = asked.packet();
        let mut name = NameBuf::default();
        let Packet::Query(query) = parse(&packet, &mut name) else { return Ok(()) };
        let client = zone().client("127.0.0.1:53".parse().unwrap(), asked.peer);
        let Decision::Reply(reply) = answer(zone(), client, &query.question, asked.rotation, &mut NoTrace) else {
            return Ok(());
        };
        let secret = secret();
        let frame = Frame {
            limit: asked.limit(), payload: 1232, aa: asked.aa, explain, secret: &secret, peer: asked.peer, now: &LazyCell::new(|| 1_559_731_985),
        };
        let mut out = vec![0xee; 65_535];
        let len = encode(&query, &reply, &frame, &mut out);
        prop_assert!(len <= asked.limit(), "{len} octets");
        let message = Message::from_vec(&out[..len]).unwrap();

        let head = &message.metadata;
        prop_assert_eq!((head.id, head.message_type, head.op_code), (asked.id, MessageType::Response, OpCode::Query));
        prop_assert_eq!((head.recursion_desired, head.checking_disabled), (asked.rd, asked.cd));
        prop_assert!(head.recursion_available && !head.authentic_data);
        let failed = matches!(reply.rcode, Rcode::REFUSED | Rcode::SERVFAIL);
        let is_referral = matches!(reply.authority, AuthoritySection::Cut(..));
        prop_assert_eq!(head.authoritative, asked.aa && !failed && !is_referral);
        prop_assert_eq!(u16::from(head.response_code), u16::from(reply.rcode));
        // the question comes back octet for octet, in the client's case
        let question = question_octets(&asked.name, asked.rtype.into());
        prop_assert_eq!(&out[12..12 + question.len()], &question[..]);
        prop_assert_eq!(message.queries.len(), 1);

        let got: Vec<(Vec<u8>, Flat)> = message.answers.iter().map(|record| (owner(record), flat(record))).collect();
        let whole = wanted_answer(&reply, &asked.name);
        let mut rest = &got[..];
        let mut complete = true;
        for (owner, records) in &whole {
            let want: Vec<(Vec<u8>, Flat)> = records.iter().map(|record| (owner.clone(), record.clone())).collect();
            match rest.split_at_checked(want.len()) {
                Some((now, behind)) if complete && now == want => rest = behind,
                _ => complete = false,
            }
        }
        prop_assert!(rest.is_empty(), "RRsets that are in part or nobody's: {:?}", rest);
        let authorities = message.authorities.len();
        let want_authorities = match reply.authority {
            AuthoritySection::None => 0,
            AuthoritySection::Soa(_) | AuthoritySection::SpecialSoa(_) | AuthoritySection::OwnSoa(..) => 1,
            AuthoritySection::Cut(_, ns) => ns.rdata.len(),
        };
        // addresses of a cut's servers; with some left out, the reply is truncated where they are below the cut
        prop_assert!(authorities == want_authorities || authorities == 0);
        prop_assert!(head.truncation || (complete && authorities == want_authorities));
        prop_assert!(!head.truncation || !complete || authorities != want_authorities || is_referral);
        if let [record] = &message.authorities[..]
            && record.record_type() == RecordType::SOA
        {
            let last = message.answers.last().map_or_else(|| asked.name.to_ascii_lowercase(), |record| flat(record).2);
            prop_assert!(last.to_ascii_lowercase().ends_with(&owner(record)), "the zone is an end of the name");
            prop_assert_eq!(record.ttl, 60);
        }

        prop_assert_eq!(message.edns.is_some(), asked.edns.is_some());
        prop_assert!(message.additionals.is_empty() || is_referral);
        let edns = usize::from(message.edns.is_some());
        let counts = [1, got.len(), authorities, message.additionals.len() + edns];
        for (at, count) in (4..).step_by(2).zip(counts) {
            prop_assert_eq!(usize::from(u16::from_be_bytes([out[at], out[at + 1]])), count);
        }
        let (Some(edns), Some(sent)) = (&message.edns, &asked.edns) else { return Ok(()) };
        prop_assert_eq!((edns.version(), edns.max_payload(), edns.flags().dnssec_ok), (0, 1232, sent.dnssec_ok));
        let option = |code| match edns.option(code) {
            Some(EdnsOption::Unknown(_, data)) => Some(data.clone()),
            _ => None,
        };
        let cookie = sent.cookie.as_ref().map(|cookie| {
            let client = ClientCookie(cookie[..8].try_into().unwrap());
            [&client.0[..], &secret.server_cookie(client, asked.peer, **frame.now)].concat()
        });
        prop_assert_eq!(option(EdnsCode::Cookie), cookie);
        let extended_error = option(EdnsCode::Unknown(15));
        let negative = reply.answer.is_none() && !matches!(reply.authority, AuthoritySection::Cut(..));
        if !(explain && negative) {
            prop_assert_eq!(extended_error, None);
        } else if let Some(error) = extended_error {
            prop_assert_eq!(u16::from_be_bytes([error[0], error[1]]), reply.reason.info_code().number());
            let text = std::str::from_utf8(&error[2..]).unwrap();
            let type_missing = if reply.rcode == Rcode::NOERROR { ": no records of this type" } else { "" };
            let whole = format!("{}{type_missing}", reply.reason);
            prop_assert!(whole.starts_with(text) && !text.is_empty(), "{} is no part of {}", text, whole);
        } else {
            prop_assert!(len + 6 + MAX_EXTRA_TEXT > asked.limit(), "there was room to say why");
        }
    }

    /// Whatever comes in: silence, or a whole message.
    #[test]
    fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        entry::packet(&octets);
    }

    /// Queries with something broken in them get further than noise does.
    #[test]
    fn broken_queries(asked in any_asked(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in 0usize..20, more in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut packet = asked.packet();
        for (at, octet) in edits {
            let at = at.index(packet.len());
            packet[at] = octet;
        }
        packet.truncate(packet.len() - cut.min(packet.len()).min(usize::from(asked.id) % 21));
        packet.extend(more);
        entry::packet(&packet);
    }

    /// An upstream's reply may be anything.
    #[test]
    fn any_reply(asked in any_asked(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), octets in prop::collection::vec(any::<u8>(), 0..300)) {
        entry::relay(&octets);
        let packet = asked.packet();
        let mut name = NameBuf::default();
        let Packet::Query(query) = parse(&packet, &mut name) else { return Ok(()) };
        let client = zone().client("127.0.0.1:53".parse().unwrap(), asked.peer);
        let Decision::Reply(reply) = answer(zone(), client, &query.question, 0, &mut NoTrace) else { return Ok(()) };
        let secret = secret();
        let frame = Frame { limit: 65_535, payload: 1232, aa: false, explain: true, secret: &secret, peer: asked.peer, now: &LazyCell::new(|| 0) };
        let mut out = vec![0; 65_535];
        let len = encode(&query, &reply, &frame, &mut out);
        out.truncate(len);
        entry::relay(&out);
        for (at, octet) in edits {
            let at = at.index(out.len());
            out[at] = octet;
        }
        entry::relay(&out);
    }
}

/// A packet in hexadecimal digits; white space is left out, and `#name` is a name.
fn hex(text: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    for word in text.split_whitespace() {
        match word.strip_prefix('#') {
            Some(name) => packet.extend(wire_name(name)),
            None => {
                packet.extend((0..word.len()).step_by(2).map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap()));
            }
        }
    }
    packet
}

/// The reply to a packet in words: rcode, counts, whether there is an OPT, a cookie and an extended error; or silence.
fn outcome(packet: &[u8]) -> String {
    let mut name = NameBuf::default();
    let mut out = [0u8; 512];
    let is_query = packet.get(2).is_some_and(|flags| flags & 0x78 == 0);
    let (len, rcode) = match parse(packet, &mut name) {
        Packet::Silent => return "silence".to_owned(),
        Packet::Query(query) => {
            return format!("query {} {}", query.question.name, query.question.rtype.number());
        }
        Packet::Error(error) => (encode_error(&error, 1232, &mut out), error.rcode),
        Packet::Cookie(query) => {
            let (secret, peer) = (secret(), "10.1.0.5".parse().unwrap());
            let frame = Frame {
                limit: 512,
                payload: 1232,
                aa: false,
                explain: false,
                secret: &secret,
                peer,
                now: &LazyCell::new(|| 1_000_000),
            };
            let (rcode, len) = encode_cookie(&query, &frame, &mut out);
            (len, rcode)
        }
    };
    let message = Message::from_vec(&out[..len]).unwrap();
    assert_eq!(out[..2], packet[..2], "the id");
    assert_eq!(out[2] & 0x78, packet[2] & 0x78, "the opcode");
    // flags that only queries have (RFC 1035 4.1.1)
    assert_eq!((out[2] & 1, out[3] >> 7), if is_query { (packet[2] & 1, 1) } else { (0, 0) }, "RD and RA");
    assert_eq!(message.metadata.message_type, MessageType::Response);
    assert!(message.answers.is_empty() && message.authorities.is_empty() && message.additionals.is_empty());
    let code = u16::from(message.metadata.response_code);
    assert_eq!(code, rcode.number());
    let question = if message.queries.is_empty() { "" } else { ", question" };
    let option = |code: u16| {
        let mut options = message.edns.iter().flat_map(|edns| edns.options().as_ref());
        let (_, option) = options.find(|(found, _)| u16::from(*found) == code)?;
        Vec::<u8>::try_from(option).ok()
    };
    let opt = if message.edns.is_some() { ", OPT" } else { "" };
    let cookie = if option(10).is_some() { ", cookie" } else { "" };
    let ede = option(15).map_or(String::new(), |data| format!(", EDE {}", u16::from_be_bytes([data[0], data[1]])));
    format!("{rcode}{question}{opt}{cookie}{ede}")
}

#[test]
fn malformed_requests_get_the_rcode_that_fits() {
    // id 1234, RD, one question
    let head = "1234 0100 0001 0000 0000";
    let question = "0000 #a.example 0001 0001";
    let cookie = "00 0029 04d0 0000 0000 000c 000a 0008 0011223344556677";
    let bare = "1234 0100 0000 0000 0000 0001 00 0029 04d0 0000 0000";
    let with_opt = "0001 #a.example 0001 0001 00 0029 04d0";
    for (text, want, why) in [
        (String::new(), "silence", "nothing"),
        ("1234 0100 0001 0000 0000 00".to_owned(), "silence", "11 octets"),
        (format!("1234 8100 0001 0000 0000 {question}"), "silence", "a response (RFC 1035 4.1.1)"),
        ("1234 8100 0001 0000 0000 0000".to_owned(), "silence", "a response of a header"),
        (format!("1234 ffff 0001 0000 0000 {question}"), "silence", "a response of another kind"),
        (format!("{head} {question}"), "query a.example 1", "a question"),
        (format!("{head} 0000 #A.eXample 0001 0001"), "query a.example 1", "in any case"),
        (format!("1234 0000 0001 0000 0000 {question}"), "query a.example 1", "without RD"),
        (format!("1234 0740 0001 0000 0000 {question}"), "query a.example 1", "AA, TC and Z do not matter in a query"),
        (format!("1234 010f 0001 0000 0000 {question}"), "query a.example 1", "nor does an rcode"),
        (format!("1234 0900 0001 0000 0000 {question}"), "NOTIMP", "IQUERY"),
        (format!("1234 1100 0001 0000 0000 {question}"), "NOTIMP", "STATUS"),
        (format!("1234 2100 0001 0000 0000 {question}"), "NOTIMP", "NOTIFY"),
        (format!("1234 2900 0001 0000 0000 {question}"), "NOTIMP", "UPDATE"),
        (format!("1234 7900 0001 0000 0000 {question}"), "NOTIMP", "opcode 15"),
        ("1234 0100 0000 0000 0000 0000".to_owned(), "FORMERR", "no question (RFC 9619)"),
        (format!("{bare} 0000"), "FORMERR", "nor a cookie"),
        (format!("{bare} 000c 000a 0008 0011223344556677"), "NOERROR, OPT, cookie", "a request for a cookie"),
        (format!("{bare} 000c 000a 0009 001122334455667788"), "FORMERR", "a cookie of 9"),
        (
            format!("{bare} 001c 000a 0018 0011223344556677 01000000 00000000 0123456789abcdef"),
            "BADCOOKIE, OPT, cookie",
            "a cookie that is not ours",
        ),
        (format!("{bare} 000c 000a 0008 0011223344556677 00"), "FORMERR", "octets behind it"),
        (format!("1234 0100 0000 0000 0000 0002 {cookie} {cookie}"), "FORMERR", "two OPT"),
        (format!("1234 0100 0000 0001 0000 0001 {cookie}"), "FORMERR", "an answer that is missing"),
        ("1234 0100 0000 0000 0000 0001 00 0029 04d0 0001 0000 0000".to_owned(), "BADVERS, OPT", "version 1"),
        (format!("1234 0100 0002 0000 0000 {question} #b.example 0001 0001"), "FORMERR", "two questions (RFC 9619)"),
        (format!("1234 0100 0001 0001 0000 {question}"), "FORMERR", "an answer in a query"),
        (format!("1234 0100 0001 0000 0001 {question}"), "FORMERR", "an authority in a query"),
        (format!("{head} 0000"), "FORMERR", "no name"),
        (format!("{head} 0000 0161 07657861"), "FORMERR", "a name cut short"),
        (format!("{head} 0000 #a.example 00"), "FORMERR", "a type cut short"),
        (format!("{head} 0000 #a.example 0001 00"), "FORMERR", "a class cut short"),
        (format!("{head} 0000 c00c 0001 0001"), "FORMERR", "a compressed question"),
        (format!("{head} 0000 41 {} 00 0001 0001", "61".repeat(65)), "FORMERR", "a label type that is not in use"),
        (format!("{head} 0000 {} 00 0001 0001", format!("3f{}", "61".repeat(63)).repeat(4)), "FORMERR", "257 octets"),
        (format!("{head} {question} 00"), "FORMERR, question", "octets behind the message"),
        (format!("{head} 0001 #a.example 0001 0001"), "FORMERR, question", "a record that is missing"),
        (
            format!("{head} 0001 #a.example 0001 0001 c00c 0010 0001 00000000 0001"),
            "FORMERR, question",
            "data cut short",
        ),
        (
            format!("{head} 0001 #a.example 0001 0001 c00c 0010 0001 00000000 0001 00"),
            "query a.example 1",
            "some record",
        ),
        (format!("{head} {with_opt} 0000 0000 0000"), "query a.example 1", "EDNS"),
        (format!("{head} {with_opt} 0001 0000 0000"), "BADVERS, question, OPT", "version 1 (RFC 6891 6.1.3)"),
        (format!("{head} {with_opt} 00ff 0000 0003 000a 00"), "BADVERS, question, OPT", "of which we read no options"),
        (format!("{head} {with_opt} 0000 0000 0003 000a 00"), "FORMERR, question, OPT", "an option cut short"),
        (format!("{head} {with_opt} 0000 0000 0004 000c 0001"), "FORMERR, question, OPT", "an option that is missing"),
        (
            format!("{head} {with_opt} 0000 0000 000b 000a 0007 00112233445566"),
            "FORMERR, question, OPT",
            "a cookie of 7 octets",
        ),
        (format!("{head} {with_opt} 0000 0000 000c 000a 0008 0011223344556677"), "query a.example 1", "a cookie of 8"),
        (
            format!("{head} {with_opt} 0000 0000 000d 000a 0009 001122334455667788"),
            "FORMERR, question, OPT",
            "a cookie of 9",
        ),
        (
            format!("{head} 0001 #a.example 0001 0001 #x 0029 04d0 0000 0000 0000"),
            "FORMERR, question, OPT",
            "an OPT with a name",
        ),
        (
            format!("{head} 0002 #a.example 0001 0001 00 0029 04d0 0000 0000 0000 00 0029 04d0 0000 0000 0000"),
            "FORMERR, question, OPT",
            "two OPT (RFC 6891 6.1.1)",
        ),
    ] {
        let packet = hex(&text);
        assert_eq!(outcome(&packet), want, "{why}: {text}");
        entry::packet(&packet);
    }
}

#[test]
fn types_and_classes_that_cannot_be_asked_for_get_the_rcode_that_fits() {
    let head = "1234 0100 0001 0000 0000";
    for (text, want, why) in [
        (format!("{head} 0000 #a.example 0001 0003"), "REFUSED, question", "class CH"),
        (format!("{head} 0000 #version.bind 0010 0003"), "REFUSED, question", "whoever asks for the version"),
        (format!("{head} 0000 #a.example 0001 00ff"), "REFUSED, question", "class ANY"),
        (format!("{head} 0000 #a.example 00fc 0001"), "REFUSED, question", "AXFR"),
        (format!("{head} 0000 #a.example 00fb 0001"), "REFUSED, question", "IXFR"),
        (
            format!("{head} 0001 #a.example 00fc 0001 00 0029 04d0 0000 0000 0000"),
            "REFUSED, question, OPT",
            "AXFR with EDNS",
        ),
        (format!("{head} 0000 #a.example 0029 0001"), "FORMERR, question", "type OPT"),
        (format!("{head} 0000 #a.example 0000 0001"), "FORMERR, question", "type 0"),
        (format!("{head} 0000 #a.example 00fd 0001"), "NOTIMP, question", "MAILB"),
        (format!("{head} 0000 #a.example 00fe 0001"), "NOTIMP, question", "MAILA"),
        (format!("{head} 0000 #a.example 00fa 0001"), "FORMERR, question", "TSIG"),
        (format!("{head} 0000 #a.example 0080 0001"), "FORMERR, question", "NXNAME (RFC 9824 3.3)"),
        (format!("{head} 0000 #a.example 0081 0001"), "FORMERR, question", "a query type that nobody has"),
        (
            format!("{head} 0001 #a.example 0080 0001 00 0029 04d0 0000 0000 0000"),
            "FORMERR, question, OPT, EDE 30",
            "NXNAME with EDNS",
        ),
        (format!("{head} 0000 #a.example 00ff 0001"), "query a.example 255", "ANY"),
        (format!("{head} 0000 #a.example 0100 0001"), "query a.example 256", "URI"),
        (format!("{head} 0000 00 0002 0001"), "query . 2", "the root"),
    ] {
        let packet = hex(&text);
        assert_eq!(outcome(&packet), want, "{why}: {text}");
        entry::packet(&packet);
    }
}

/// RFC 9018 A.1 to A.4. We make a new cookie for each reply, so that reserved octets of an old one are not kept.
#[test]
fn server_cookies_are_those_of_rfc_9018() {
    let octets = |text: &str| hex(text);
    for (secret, client, address, time, response) in [
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf",
            "2464c4abcf10c957",
            "198.51.100.100",
            1_559_731_985,
            "010000005cf79f111f8130c3eee29480",
        ),
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf",
            "2464c4abcf10c957",
            "198.51.100.100",
            1_559_734_385,
            "010000005cf7a871d4a564a1442aca77",
        ),
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf",
            "fc93fc62807ddb86",
            "203.0.113.203",
            1_559_734_700,
            "010000005cf7a9acf73a7810aca2381e",
        ),
        (
            "445536bcd2513298075a5d379663c962",
            "22681ab97d52c298",
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            1_559_741_961,
            "010000005cf7c609a6bb79d16625507a",
        ),
    ] {
        let secret = CookieSecret::new(octets(secret).try_into().unwrap());
        let client = ClientCookie(octets(client).try_into().unwrap());
        let cookie = secret.server_cookie(client, address.parse().unwrap(), time);
        assert_eq!(cookie.to_vec(), octets(response), "{address} at {time}");
    }
}

/// RFC 9018 4.3: a cookie of ours is good for an hour, and from a clock that is five minutes ahead.
#[test]
fn server_cookies_are_good_for_a_while() {
    let (secret, client, address) = (secret(), ClientCookie(*b"01234567"), "192.0.2.7".parse().unwrap());
    let cookie = |now: u32| secret.server_cookie(client, address, now);
    let now = 1_700_000_000;
    for (age, good) in [(0i64, true), (3600, true), (3601, false), (-300, true), (-301, false)] {
        let made = u32::try_from(i64::from(now) - age).unwrap();
        assert_eq!(secret.is_valid(client, &cookie(made), address, now), good, "{age} s old");
    }
    assert!(secret.is_valid(client, &cookie(u32::MAX), address, 5), "the time begins anew in 2106");
    let ours = cookie(now);
    for other in [&ours[..15], &[&ours[..], &[0]].concat(), b"", &[0; 16], &[&[2], &ours[1..]].concat()] {
        assert!(!secret.is_valid(client, other, address, now), "{other:?}");
    }
    assert!(!secret.is_valid(ClientCookie(*b"01234568"), &ours, address, now), "another client's");
    assert!(!secret.is_valid(client, &ours, "192.0.2.8".parse().unwrap(), now), "another address's");
    assert!(!CookieSecret::new([1; 16]).is_valid(client, &ours, address, now), "another server's");
}

/// The reply over UDP without EDNS, with EDNS of a size, and over TCP: sizes, TC and what is left.
#[test]
fn what_does_not_fit_is_left_out_as_whole_sets() {
    let reply_with = |name: &str, rtype: u16, edns: Option<u16>, cookie: Option<Vec<u8>>, stream: bool| {
        let asked = Asked {
            id: 1,
            name: wire_name(name),
            rtype,
            rd: true,
            cd: false,
            ad: false,
            edns: edns.map(|payload| AskedEdns { payload, dnssec_ok: false, cookie: cookie.clone(), other: None }),
            peer: "10.1.0.5".parse().unwrap(),
            stream,
            aa: false,
            rotation: 0,
        };
        let packet = asked.packet();
        let mut name = NameBuf::default();
        let Packet::Query(query) = parse(&packet, &mut name) else { panic!() };
        let local: SocketAddr = "127.0.0.1:53".parse().unwrap();
        let Decision::Reply(reply) = answer(zone(), zone().client(local, asked.peer), &query.question, 0, &mut NoTrace)
        else {
            panic!()
        };
        let secret = secret();
        let frame = Frame {
            limit: asked.limit(),
            payload: 1232,
            aa: false,
            explain: true,
            secret: &secret,
            peer: asked.peer,
            now: &LazyCell::new(|| 0),
        };
        let mut out = vec![0; 65_535];
        let len = encode(&query, &reply, &frame, &mut out);
        let message = Message::from_vec(&out[..len]).unwrap();
        (message.metadata.truncation, message.answers.len(), message.edns.is_some())
    };
    let reply = |name: &str, rtype: u16, edns, stream: bool| reply_with(name, rtype, edns, None, stream);
    // six strings of 100 octets: too much for 512, and little enough for 1232
    assert_eq!(reply("some.corp.example", TXT, None, false), (true, 0, false));
    assert_eq!(reply("some.corp.example", TXT, Some(0), false), (true, 0, true));
    assert_eq!(reply("some.corp.example", TXT, Some(4096), false), (false, 6, true));
    assert_eq!(reply("some.corp.example", TXT, None, true), (false, 6, false));
    // twelve are too much for a datagram, whatever the client takes
    assert_eq!(reply("big.corp.example", TXT, Some(65_535), false), (true, 0, true));
    assert_eq!(reply("big.corp.example", TXT, None, true), (false, 12, false));
    // the alias fits, its target does not
    assert_eq!(reply("huge.corp.example", TXT, Some(1232), false), (true, 1, true));
    assert_eq!(reply("huge.corp.example", TXT, Some(1232), true), (false, 13, true));
    // octet by octet around the size of the answer: the OPT is never what has to go (RFC 6891 7)
    let mut whole = 0;
    for payload in 600..900 {
        for cookie in [None, Some(vec![7; 8])] {
            let (truncated, answers, opt) = reply_with("some.corp.example", TXT, Some(payload), cookie, false);
            assert!(opt, "no OPT at {payload}");
            assert_eq!(answers, if truncated { 0 } else { 6 }, "{payload}");
            whole += u16::from(!truncated);
        }
    }
    assert!((100..500).contains(&whole), "the sizes go from too small to large enough: {whole}");
}

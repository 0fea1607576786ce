//! Relayed replies, read by another implementation (hickory-proto) and compared with what it wrote.

use hickory_proto::op::{Message as Other, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, CNAME, MX, NS, NULL, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record as OtherRecord, RecordType};
use proptest::prelude::*;

use super::*;
use crate::dns::InfoCode;

const QUESTION: &[u8] = b"\x03WwW\x07Example\x00\x00\x01\x00\x01";
/// A type that nobody knows, of which records are made into OPT.
const STAND_IN: u16 = 65_400;

fn client() -> Requestor<'static> {
    Requestor {
        id: 0x1234,
        question: QUESTION,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: true,
        keep_authoritative: false,
        edns: Some(true),
        payload: 1232,
        cookie: None,
        limit: 65_535,
        ede: None,
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn record(owner: &str, ttl: u32, rdata: RData) -> OtherRecord {
    OtherRecord::from_rdata(name(owner), ttl, rdata)
}

fn address(owner: &str, last: u8) -> OtherRecord {
    record(owner, 60, RData::A(A([192, 0, 2, last].into())))
}

fn unknown(owner: &str, code: u16, octets: &[u8]) -> OtherRecord {
    record(owner, 1, RData::Unknown { code: RecordType::from(code), rdata: NULL::with(octets.to_vec()) })
}

/// An upstream's reply without records.
fn upstream() -> Other {
    let mut reply = Other::new(1, MessageType::Response, OpCode::Query);
    reply.queries.push(Query::query(name("www.example."), RecordType::A));
    reply.metadata.recursion_available = true;
    reply
}

fn relayed(reply: &[u8], client: &Requestor<'_>) -> Other {
    let octets = relay(reply, client).unwrap();
    assert!(octets.len() <= client.limit, "{} of {}", octets.len(), client.limit);
    let message = Other::from_vec(&octets).unwrap();
    assert_eq!(message.metadata.id, client.id);
    assert_eq!(message.edns.is_some(), client.edns.is_some());
    message
}

/// Records with all that is compared, as their equality leaves the TTL out. Not the case of names: those that are
/// compressed to the question have the client's.
fn all(records: &[OtherRecord]) -> Vec<String> {
    records.iter().map(|record| record.to_string().to_ascii_lowercase()).collect()
}

fn assert_same_sections(left: &Other, right: &Other) {
    assert_eq!(all(&left.answers), all(&right.answers));
    assert_eq!(all(&left.authorities), all(&right.authorities));
    assert_eq!(all(&left.additionals), all(&right.additionals));
}

/// The octets of `message`, in which records of the stand-in type have become OPT with `ttl`.
fn with_opt(message: &Other, ttl: [u8; 4]) -> Vec<u8> {
    let mut octets = message.to_vec().unwrap();
    let parsed = Message::parse(&octets).unwrap();
    let places: Vec<usize> = parsed
        .records()
        .filter(|record| record.rtype == Rtype::new(STAND_IN))
        .map(|record| record.range.start)
        .collect();
    for at in places {
        octets[at + 1..at + 9].copy_from_slice(&[0, 41, 4, 208, ttl[0], ttl[1], ttl[2], ttl[3]]);
    }
    octets
}

fn rich() -> Other {
    let mut reply = upstream();
    reply.answers.push(record("www.example.", 60, RData::CNAME(CNAME(name("alias.Example.")))));
    reply.answers.push(address("alias.example.", 1));
    let rrsig = b"\x00\x01\x0d\x02\x00\x00\x00\x3c\x00\x00\x00\x02\x00\x00\x00\x01\x00\x07\x07example\x00signature";
    reply.answers.push(unknown("alias.example.", 46, rrsig));
    reply.answers.push(unknown("alias.example.", 65_280, b"\xc0\x0c"));
    let soa = SOA::new(name("ns.example."), name("mail.example."), 7, 2, 3, 4, 5);
    reply.authorities.push(record("example.", 900, RData::SOA(soa)));
    reply.additionals.push(record("example.", 5, RData::MX(MX::new(10, name("mail.alias.example.")))));
    reply.additionals.push(address("mail.alias.example.", 2));
    // as it is read, to be compared with what is read
    Other::from_vec(&reply.to_vec().unwrap()).unwrap()
}

#[test]
fn everything_is_kept() {
    let mut reply = rich();
    reply.metadata.authentic_data = true;
    reply.metadata.authoritative = true;
    reply.metadata.response_code = ResponseCode::NXDomain;
    let octets = reply.to_vec().unwrap();
    let got = relayed(&octets, &client());
    assert_same_sections(&got, &reply);
    assert_eq!(got.queries[0].name().to_string(), "WwW.Example.", "the case of the client");
    assert_eq!(got.metadata.response_code, ResponseCode::NXDomain);
    assert!(got.metadata.authentic_data && got.metadata.recursion_available && got.metadata.recursion_desired);
    assert!(!got.metadata.authoritative && !got.metadata.checking_disabled && !got.metadata.truncation);
    // what is not said anew is the upstream's, octet for octet
    let ours = relay(&octets, &Requestor { edns: None, ..client() }).unwrap();
    assert_eq!(ours[HEADER_LEN + QUESTION.len()..], octets[HEADER_LEN + QUESTION.len()..]);
    let flags = Requestor { recursion_desired: false, checking_disabled: true, keep_authoritative: true, ..client() };
    let got = relayed(&octets, &flags).metadata;
    assert!(!got.recursion_desired && got.checking_disabled && got.authoritative);
    // RFC 6840 5.8: AD is for clients who set AD or DO
    let plain = Requestor { authentic_data: false, ..client() };
    assert!(!relayed(&octets, &plain).metadata.authentic_data);
}

#[test]
fn edns_is_ours_wherever_the_upstream_had_it() {
    let ede = b"\x00\x0f\x00\x05\x00\x09why\x00\x0a\x00\x08cookie!!\x00\x0f\x00\x02\x00\x16";
    for place in 0..=2 {
        let mut reply = rich();
        reply.additionals.insert(place, unknown(".", STAND_IN, ede));
        let octets = with_opt(&reply, [0, 0, 0x80, 0]);
        let got = relayed(&octets, &Requestor { edns: Some(false), ..client() });
        reply.additionals.remove(place);
        assert_same_sections(&got, &reply);
        let edns = got.edns.unwrap();
        assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok), (1232, 0, false));
        let options: Vec<_> = edns.options().as_ref().iter().map(|(_, option)| option.clone()).collect();
        let want = [EdnsOption::Unknown(15, b"\x00\x09why".to_vec()), EdnsOption::Unknown(15, vec![0, 22])];
        assert_eq!(options, want, "extended errors pass, cookies do not");
        assert_same_sections(&relayed(&octets, &Requestor { edns: None, ..client() }), &reply);
    }
}

#[test]
fn the_payload_size_is_the_one_of_the_settings() {
    let mut reply = upstream();
    reply.edns.get_or_insert_default().set_max_payload(4096);
    let got = relayed(&reply.to_vec().unwrap(), &Requestor { payload: 1400, ..client() });
    assert_eq!(got.edns.unwrap().max_payload(), 1400);
}

#[test]
fn our_cookie_and_extended_error_come_first_and_always_fit() {
    let longest =
        [&[&[63][..], &[b'a'; 63]].concat().repeat(3)[..], &[61], &[b'a'; 61], b"\x00\x00\x01\x00\x01"].concat();
    assert_eq!(longest.len(), 255 + 4);
    let text = "ü".repeat(300);
    let ede = Some(ExtendedError { code: InfoCode::NETWORK_ERROR, text: &text });
    let client = Requestor { question: &longest, limit: 512, cookie: Some([7; 24]), ede, ..client() };
    let bare_error = b"\0\x01\x80\x02\0\0\0\0\0\0\0\0";
    let got = relayed(bare_error, &client);
    assert_eq!(got.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(got.queries.len(), 1, "the question is there even if the upstream left it out");
    let edns = got.edns.unwrap();
    let [(_, EdnsOption::Unknown(10, cookie)), (_, EdnsOption::Unknown(15, data))] = edns.options().as_ref() else {
        panic!("{edns:?}")
    };
    assert_eq!(cookie, &[7; 24]);
    assert_eq!(data[..2], [0, 23]);
    assert_eq!(std::str::from_utf8(&data[2..]).unwrap(), "ü".repeat(95));
}

#[test]
fn extended_response_codes_need_edns() {
    let mut reply = upstream();
    reply.additionals.push(unknown(".", STAND_IN, b"\x00\x03\x00\x00"));
    // 2 in the upper eight bits: nobody has code 32 yet, so that it may come to mean something to a client
    let octets = with_opt(&reply, [2, 0, 0, 0]);
    assert_eq!(u16::from(relayed(&octets, &client()).metadata.response_code), 32);
    let without = Requestor { edns: None, ..client() };
    assert_eq!(relayed(&octets, &without).metadata.response_code, ResponseCode::ServFail);
    // 1 is BADVERS, which shares its number with BADSIG (RFC 6895 2.3), and is between us and the upstream
    let octets = with_opt(&reply, [1, 0, 0, 0]);
    assert_eq!(relayed(&octets, &client()).metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn what_does_not_fit_is_cut_between_rrsets() {
    let mut reply = upstream();
    reply.answers.push(record("www.example.", 60, RData::CNAME(CNAME(name("alias.example.")))));
    // two RRsets, one inside of the other
    reply.answers.push(address("alias.example.", 1));
    reply.answers.push(record("alias.example.", 60, RData::TXT(TXT::new(vec!["x".repeat(100)]))));
    reply.answers.push(address("alias.example.", 2));
    reply.answers.push(record("alias.example.", 60, RData::TXT(TXT::new(vec!["y".repeat(100)]))));
    for number in 0..5 {
        reply.additionals.push(address("other.example.", number));
    }
    let octets = reply.to_vec().unwrap();
    let parsed = Message::parse(&octets).unwrap();
    let ends: Vec<usize> = parsed.records().map(|record| record.range.end).collect();
    for limit in 60..=octets.len() + OPT_LEN {
        relayed(&octets, &Requestor { limit, ..client() });
    }
    // the question takes 17 octets, our OPT 11
    let cut = |room: usize| relayed(&octets, &Requestor { limit: room + OPT_LEN, ..client() });
    let counts = |message: &Other| (message.answers.len(), message.additionals.len(), message.metadata.truncation);
    assert_eq!(counts(&cut(octets.len())), (5, 5, false));
    assert_eq!(counts(&cut(octets.len() - 1)), (5, 0, false), "nobody misses additional records");
    assert_eq!(counts(&cut(ends[4])), (5, 0, false));
    for room in [ends[4] - 1, ends[3], ends[2], ends[1], ends[0]] {
        assert_eq!(counts(&cut(room)), (1, 0, true), "the addresses end only after the first text");
    }
    assert_eq!(counts(&cut(ends[0] - 1)), (0, 0, true));
    let authority = {
        let mut reply = upstream();
        reply.authorities.push(record("example.", 900, RData::NS(NS(name("ns.example.")))));
        reply.to_vec().unwrap()
    };
    assert!(relayed(&authority, &Requestor { limit: 50, ..client() }).metadata.truncation);
}

#[test]
fn what_the_upstream_cut_stays_cut() {
    let mut reply = upstream();
    reply.metadata.truncation = true;
    assert!(relayed(&reply.to_vec().unwrap(), &client()).metadata.truncation);
}

#[test]
fn signatures_of_the_hop_go() {
    let mut reply = rich();
    reply.additionals.push(unknown(".", 250, b"\x03key\x00"));
    let octets = reply.to_vec().unwrap();
    reply.additionals.pop();
    assert_same_sections(&relayed(&octets, &client()), &reply);
}

#[test]
fn another_question_is_not_relayed() {
    let octets = upstream().to_vec().unwrap();
    let other = b"\x03WwW\x07Example\x00\x00\x1c\x00\x01";
    assert_eq!(relay(&octets, &Requestor { question: other, ..client() }), Err(Malformed));
    assert_eq!(relay(&octets[..20], &client()), Err(Malformed));
}

fn any_owner() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-cA-C]{1,3}", 0..4).prop_map(|labels| labels.join(".") + ".")
}

fn any_record() -> impl Strategy<Value = OtherRecord> {
    let rdata = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| RData::A(A(octets.into()))),
        any_owner().prop_map(|target| RData::CNAME(CNAME(name(&target)))),
        any_owner().prop_map(|target| RData::NS(NS(name(&target)))),
        (any::<u16>(), any_owner()).prop_map(|(preference, target)| RData::MX(MX::new(preference, name(&target)))),
        any_owner().prop_map(|target| RData::SRV(SRV::new(1, 2, 3, name(&target)))),
        (any_owner(), any_owner()).prop_map(|(mname, rname)| RData::SOA(SOA::new(
            name(&mname),
            name(&rname),
            1,
            2,
            3,
            4,
            5
        ))),
        prop::collection::vec("[a-z]{0,40}", 1..3).prop_map(|texts| RData::TXT(TXT::new(texts))),
        (65_310_u16..65_399, prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(code, octets)| RData::Unknown { code: RecordType::from(code), rdata: NULL::with(octets) }),
    ];
    (any_owner(), any::<u32>(), rdata).prop_map(|(owner, ttl, rdata)| record(&owner, ttl & 0x7fff_ffff, rdata))
}

fn any_reply() -> impl Strategy<Value = (Other, Option<usize>)> {
    let section = || prop::collection::vec(any_record(), 0..8);
    (section(), section(), section(), any::<Option<prop::sample::Index>>()).prop_map(
        |(answers, authorities, additionals, opt)| {
            let mut reply = upstream();
            (reply.answers, reply.authorities, reply.additionals) = (answers, authorities, additionals);
            let opt = opt.map(|index| index.index(reply.additionals.len() + 1));
            (reply, opt)
        },
    )
}

proptest! {
    /// The other implementation reads in our reply what it has written, with OPT anywhere in it.
    #[test]
    fn relayed_replies_say_the_same((reply, opt) in any_reply(), edns: Option<bool>) {
        let octets = match opt {
            Some(place) => {
                let mut with = reply.clone();
                with.additionals.insert(place, unknown(".", STAND_IN, b"\x00\x0f\x00\x02\x00\x01"));
                with_opt(&with, [0; 4])
            }
            None => reply.to_vec().unwrap(),
        };
        let got = relayed(&octets, &Requestor { edns, ..client() });
        assert_same_sections(&got, &reply);
    }

    /// Whatever the limit, the reply keeps to it, can be read, and has whole RRsets.
    #[test]
    fn cut_replies_are_whole((reply, _) in any_reply(), limit in 60..600_usize, edns: Option<bool>) {
        let got = relayed(&reply.to_vec().unwrap(), &Requestor { edns, limit, ..client() });
        for (kept, had) in [(&got.answers, &reply.answers), (&got.authorities, &reply.authorities)] {
            assert_eq!(all(kept), all(&had[..kept.len()]));
            let in_part = had[kept.len()..].iter().any(|lost| {
                kept.iter().any(|kept| kept.name == lost.name && kept.record_type() == lost.record_type())
            });
            assert!(!in_part);
            assert!(kept.len() == had.len() || got.metadata.truncation);
        }
    }

    /// No octets make it panic, and what another implementation could read before, it can read after.
    #[test]
    fn mutated_replies_do_no_harm(
        (reply, _) in any_reply(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        limit in 0..600_usize,
        edns: Option<bool>,
    ) {
        let mut octets = reply.to_vec().unwrap();
        for (at, octet) in mutations {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let client = Requestor { edns, ..client() };
        // a pointer into the header reads differently under another id, and is none (RFC 1035 4.1.4)
        let sane = !octets.windows(2).any(|pair| pair[0] == 0xc0 && usize::from(pair[1]) < HEADER_LEN);
        if let (Ok(relayed), Ok(before), true) = (relay(&octets, &client), Other::from_vec(&octets), sane) {
            let after = Other::from_vec(&relayed).unwrap();
            assert_eq!(after.answers.len(), before.answers.len());
        }
        let _ = relay(&octets, &Requestor { limit, ..client });
        if let Ok(message) = Message::parse(&octets) {
            for target in crate::forward::chain::cname_targets(&message) {
                crate::forward::chain::cut_after(&message, &target).unwrap();
            }
        }
    }

    /// Not even octets that are no message.
    #[test]
    fn random_octets_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..200), head in any::<bool>()) {
        let mut octets = octets;
        if head {
            let start = [&b"\0\x01\x80\0\0\x01\0\x02\0\x01\0\x02"[..], QUESTION].concat();
            octets.splice(0..0, start);
        }
        let _ = relay(&octets, &client());
    }
}

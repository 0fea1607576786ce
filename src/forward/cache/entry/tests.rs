//! ReplyTable against the relayed reply, and against another implementation (hickory-proto).

use hickory_proto::op::{Message as Other, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record as OtherRecord, RecordType};

use super::*;
use crate::config::Limits;
use crate::dns::ExtendedError;
use crate::dns::InfoCode;
use crate::forward::relay::relay;

const QUESTION: &[u8] = b"\x03WwW\x07Example\x00\x00\x01\x00\x01";

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

fn address(owner: &str, ttl: u32) -> OtherRecord {
    record(owner, ttl, RData::A(A([192, 0, 2, 1].into())))
}

fn alias(owner: &str, ttl: u32, target: &str) -> OtherRecord {
    record(owner, ttl, RData::CNAME(CNAME(name(target))))
}

fn soa(ttl: u32, minimum: u32) -> OtherRecord {
    record("example.", ttl, RData::SOA(SOA::new(name("a.example."), name("b.example."), 1, 2, 3, 4, minimum)))
}

fn upstream() -> Other {
    let mut reply = Other::new(1, MessageType::Response, OpCode::Query);
    reply.queries.push(Query::query(name("www.example."), RecordType::A));
    reply.metadata.recursion_available = true;
    reply
}

fn times() -> Times {
    Times::new(&Limits::default())
}

fn entry_with(reply: &Other, times: &Times) -> CachedReply {
    CachedReply::new(&reply.to_vec().unwrap(), QUESTION, times, 0).unwrap()
}

fn entry(reply: &Other) -> CachedReply {
    entry_with(reply, &times())
}

fn written(entry: &CachedReply, client: &Requestor<'_>, age: Age) -> Vec<u8> {
    let mut out = vec![0xff; 65_535];
    let len = entry.write(client, age, &mut out).unwrap();
    out.truncate(len);
    out
}

fn owners(records: &[OtherRecord]) -> Vec<String> {
    let text = |record: &OtherRecord| format!("{} {} {}", record.name.to_lowercase(), record.ttl, record.record_type());
    records.iter().map(text).collect()
}

fn full() -> Other {
    let mut reply = upstream();
    reply.answers = vec![alias("www.example.", 300, "web.example."), address("web.example.", 60)];
    reply.authorities.push(record("example.", 900, RData::NS(NS(name("ns.example.")))));
    reply.additionals.push(address("ns.example.", 1200));
    reply.metadata.authentic_data = true;
    reply.metadata.authoritative = true;
    reply
}

/// EDNS with one extended error in it, at the end of `reply`.
fn with_error(reply: &Other) -> Vec<u8> {
    let mut octets = reply.to_vec().unwrap();
    octets[11] += 1;
    octets.extend_from_slice(b"\0\0\x29\x10\0\0\0\0\0\0\x0c\0\x0f\0\x02\0\x11\0\x0c\0\x02\0\0");
    octets
}

#[test]
fn a_hit_is_what_a_relayed_reply_is() {
    let octets = with_error(&full());
    let entry = CachedReply::new(&octets, QUESTION, &times(), 0).unwrap();
    for client in [
        client(),
        Requestor { edns: Some(false), cookie: Some([7; 24]), ..client() },
        Requestor { edns: None, ..client() },
        Requestor { authentic_data: false, edns: None, recursion_desired: false, checking_disabled: true, ..client() },
        Requestor {
            ede: Some(ExtendedError { code: InfoCode::STALE_ANSWER, text: "why" }),
            keep_authoritative: true,
            ..client()
        },
    ] {
        assert_eq!(written(&entry, &client, Age::Fresh(0)), relay(&octets, &client).unwrap(), "{client:?}");
        assert_eq!(relay(&entry.message(Age::Fresh(0), Rtype::A), &client).unwrap(), relay(&octets, &client).unwrap());
    }
    let len = written(&entry, &client(), Age::Fresh(0)).len();
    let mut out = [0; 512];
    assert_eq!(entry.write(&Requestor { limit: len - 1, ..client() }, Age::Fresh(0), &mut out), None);
    assert_eq!(entry.write(&Requestor { limit: len, ..client() }, Age::Fresh(0), &mut out), Some(len));
}

#[test]
fn times_run_down_and_stale_records_have_one_of_their_own() {
    let entry = entry(&full());
    assert_eq!(entry.lifetime, 60_000, "the least of all");
    let at = |age| Other::from_vec(&written(&entry, &client(), age)).unwrap();
    let later = at(Age::Fresh(59));
    assert_eq!(owners(&later.answers), ["www.example. 241 CNAME", "web.example. 1 A"]);
    assert_eq!((later.authorities[0].ttl, later.additionals[0].ttl), (841, 1141));
    assert_eq!(at(Age::Fresh(100_000)).answers[0].ttl, 0, "never below nothing");
    let stale = at(Age::Stale(30));
    let records = stale.answers.iter().chain(&stale.authorities).chain(&stale.additionals);
    assert!(records.into_iter().all(|record| record.ttl == 30));
}

#[test]
fn the_clients_question_has_its_own_case() {
    let reply = entry(&full());
    let question: &[u8] = b"\x03wWW\x07eXAMPLE\x00\x00\x01\x00\x01";
    let octets = written(&reply, &Requestor { question, ..client() }, Age::Fresh(0));
    assert_eq!(&octets[HEADER_LEN..HEADER_LEN + question.len()], question);
    assert_eq!(&octets[..2], [0x12, 0x34]);
}

#[test]
fn what_does_not_answer_the_question_is_left_out() {
    let mut reply = full();
    reply.answers.insert(0, address("bank.example.", 1));
    reply.answers.push(alias("evil.example.", 1, "www.example."));
    reply.answers.push(address("x.web.example.", 1));
    let entry = entry(&reply);
    let read = Other::from_vec(&written(&entry, &client(), Age::Fresh(0))).unwrap();
    assert_eq!(owners(&read.answers), ["www.example. 300 CNAME", "web.example. 60 A"]);
    assert_eq!((read.authorities.len(), read.additionals.len(), entry.lifetime), (1, 1, 60_000));
    // every name reads as before, although what it may have pointed to is gone
    assert_eq!(read.additionals[0].name, name("ns.example."));
    let age = Age::Fresh(10);
    assert_eq!(Other::from_vec(&written(&entry, &client(), age)).unwrap().additionals[0].ttl, 1190);
}

#[test]
fn a_chain_in_any_order_and_of_any_length_belongs() {
    let hop = |at: usize| if at == 0 { "www.example.".to_owned() } else { format!("h{at}.example.") };
    let mut reply = upstream();
    reply.answers = (0..20).map(|at| alias(&hop(at), 300, &hop(at + 1))).collect();
    reply.answers.push(address(&hop(20), 300));
    let kept = entry(&reply);
    assert_eq!(Message::parse(&kept.octets).unwrap().count(crate::dns::Section::Answer), 21);
    assert_eq!(kept.targets().count(), 20);
    assert_eq!(kept.targets().last().unwrap(), b"\x03h20\x07example\0");
    // an alias for all that is below a name, and its signature's owner above the question
    let mut reply = upstream();
    let dname = RData::Unknown {
        code: RecordType::from(Rtype::DNAME),
        rdata: hickory_proto::rr::rdata::NULL::with(b"\x03net\0".to_vec()),
    };
    reply.answers =
        vec![record("example.", 300, dname), alias("www.example.", 300, "www.net."), address("www.net.", 60)];
    assert_eq!(owners(&Other::from_vec(&entry(&reply).message(Age::Fresh(0), Rtype::A)).unwrap().answers).len(), 3);
}

#[test]
fn how_long_a_no_holds() {
    let negative = |rcode, soa: Option<OtherRecord>, answers: Vec<OtherRecord>| {
        let mut reply = upstream();
        reply.metadata.response_code = rcode;
        reply.authorities.extend(soa);
        reply.answers = answers;
        entry(&reply)
    };
    let (no_name, no_error) = (ResponseCode::NXDomain, ResponseCode::NoError);
    for (rcode, record, want, what) in [
        (no_name, Some(soa(900, 60)), 60, "the SOA's minimum"),
        (no_name, Some(soa(30, 60)), 30, "the SOA's TTL"),
        (no_name, Some(soa(86_000, 86_000)), 3600, "the setting"),
        (no_error, Some(soa(900, 60)), 60, "no data"),
        (no_name, None, 0, "nobody says how long"),
        (no_error, None, 0, "a referral, or nothing at all"),
    ] {
        let entry = negative(rcode, record, vec![]);
        assert_eq!(entry.lifetime, want * 1000, "{what}");
        assert_eq!(entry.kind(), if rcode == no_name { ReplyKind::NoName } else { ReplyKind::NoData }, "{what}");
        let shown = Other::from_vec(&entry.message(Age::Fresh(0), Rtype::A)).unwrap();
        assert!(shown.authorities.iter().all(|soa| u64::from(soa.ttl) == want), "{what}: others compute it anew");
    }
    let limits = Limits { cache_negative_ttl: std::time::Duration::from_secs(20), ..Limits::default() };
    let mut no = upstream();
    no.metadata.response_code = no_name;
    no.authorities.push(soa(900, 60));
    assert_eq!(entry_with(&no, &Times::new(&limits)).lifetime, 20_000, "a shorter setting");
    let behind = negative(no_name, Some(soa(900, 60)), vec![alias("www.example.", 20, "gone.example.")]);
    assert_eq!((behind.lifetime, behind.kind(), behind.has_no_answer()), (20_000, ReplyKind::NoName, false));
}

#[test]
fn what_is_kept_for_nobody() {
    let mut zero = full();
    zero.answers[1].ttl = 0;
    let mut cut = full();
    cut.metadata.truncation = true;
    // RFC 2181 8
    let mut huge = full();
    huge.answers[1].ttl = 0x8000_0000;
    for reply in [zero.clone(), cut, huge] {
        assert_eq!(entry(&reply).lifetime, 0);
    }
    let limits = Limits { cache_min_ttl: std::time::Duration::from_secs(5), ..Limits::default() };
    let raised = entry_with(&zero, &Times::new(&limits));
    assert_eq!(raised.lifetime, 5000);
    assert_eq!(Other::from_vec(&raised.message(Age::Fresh(2), Rtype::A)).unwrap().answers[1].ttl, 3);
    let limits = Limits { cache_max_ttl: std::time::Duration::from_secs(40), ..Limits::default() };
    assert_eq!(entry_with(&full(), &Times::new(&limits)).lifetime, 40_000);
}

#[test]
fn failures_are_what_the_upstream_said_or_why_nobody_did() {
    let mut reply = upstream();
    reply.metadata.response_code = ResponseCode::ServFail;
    let bare = b"\0\x01\x81\x85\0\0\0\0\0\0\0\0";
    for (octets, code) in [(reply.to_vec().unwrap(), ResponseCode::ServFail), (bare.to_vec(), ResponseCode::Refused)] {
        let failure = CachedReply::new(&octets, QUESTION, &times(), 0).unwrap();
        assert_eq!((failure.kind(), failure.is_unanswered()), (ReplyKind::Failure, false));
        let shown = Other::from_vec(&written(&failure, &client(), Age::Fresh(0))).unwrap();
        assert_eq!((shown.metadata.response_code, shown.queries.len()), (code, 1));
    }
    let nobody =
        CachedReply::unanswered(QUESTION, ExtendedError { code: InfoCode::NETWORK_ERROR, text: &"é".repeat(200) }, 0);
    assert!(nobody.is_unanswered());
    let octets = written(&nobody, &Requestor { limit: 512, cookie: Some([1; 24]), ..client() }, Age::Fresh(0));
    let opt = Message::parse(&octets).unwrap().opt().unwrap();
    let text = &octets[opt.rdata.start + 28 + 6..opt.rdata.end];
    assert_eq!(std::str::from_utf8(text).unwrap(), "é".repeat(95));
    assert!(
        Other::from_vec(&written(&nobody, &Requestor { edns: None, ..client() }, Age::Fresh(0)))
            .unwrap()
            .edns
            .is_none()
    );
}

#[test]
fn what_is_no_reply_to_the_question_is_refused() {
    let mut other = full();
    other.queries = vec![Query::query(name("mail.example."), RecordType::A)];
    assert!(CachedReply::new(&other.to_vec().unwrap(), QUESTION, &times(), 0).is_err());
    let mut without = full();
    without.queries.clear();
    assert!(CachedReply::new(&without.to_vec().unwrap(), QUESTION, &times(), 0).is_err(), "records of whom?");
    let octets = full().to_vec().unwrap();
    assert!(CachedReply::new(&octets[..octets.len() - 1], QUESTION, &times(), 0).is_err());
}

/// Upper bits of a response code have no place without EDNS (RFC 6891 6.1.3).
#[test]
fn extended_response_codes_need_edns() {
    let mut octets = upstream().to_vec().unwrap();
    octets[11] = 1;
    octets.extend_from_slice(b"\0\0\x29\x04\xd0\x01\0\0\0\0\0");
    let entry = CachedReply::new(&octets, QUESTION, &times(), 0).unwrap();
    for client in [client(), Requestor { edns: None, ..client() }] {
        assert_eq!(written(&entry, &client, Age::Fresh(0)), relay(&octets, &client).unwrap());
    }
}

#[test]
fn a_reply_of_any_length_is_kept() {
    let mut reply = upstream();
    reply.queries = vec![Query::query(name("www.example."), RecordType::TXT)];
    let question: &[u8] = b"\x03www\x07example\x00\x00\x10\x00\x01";
    let text = |n: usize| record("www.example.", 60, RData::TXT(TXT::new(vec!["x".repeat(n)])));
    reply.answers = (0..240).map(|_| text(250)).collect();
    let octets = reply.to_vec().unwrap();
    assert!(octets.len() > 60_000);
    let entry = CachedReply::new(&octets, question, &times(), 0).unwrap();
    let client = Requestor { question, ..client() };
    assert_eq!(written(&entry, &client, Age::Fresh(0)), relay(&octets, &client).unwrap());

    // as long as a message can be, so that there is no room for an OPT of ours
    let mut octets = octets;
    while octets.len() < 65_535 {
        let left = 65_535 - octets.len();
        let data = if left <= 267 { left - 12 } else { 200 };
        octets.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, data as u8]);
        octets.extend(std::iter::repeat_n(0, data));
        let answers = u16::from_be_bytes([octets[6], octets[7]]) + 1;
        octets[6..8].copy_from_slice(&answers.to_be_bytes());
    }
    let entry = CachedReply::new(&octets, question, &times(), 0).unwrap();
    assert_eq!(entry.write(&client, Age::Fresh(0), &mut vec![0; 65_535]), None);
    let plain = Requestor { edns: None, ..client };
    assert_eq!(written(&entry, &plain, Age::Fresh(0)), relay(&octets, &plain).unwrap());
    assert!(relay(&entry.message(Age::Fresh(0), Rtype::A), &client).unwrap().len() <= 65_535);
}

#[test]
fn aliases_in_a_circle_are_no_answer() {
    let circle = |answers: &[OtherRecord], question: &[u8]| {
        let mut reply = upstream();
        reply.queries[0].set_query_type(RecordType::from(u16::from(question[question.len() - 3])));
        reply.answers = answers.to_vec();
        CachedReply::new(&reply.to_vec().unwrap(), question, &times(), 0).map(|_| ())
    };
    let [there, back] = [alias("www.example.", 9, "web.example."), alias("web.example.", 9, "WWW.example.")];
    let itself = alias("www.example.", 9, "www.example.");
    assert_eq!(circle(&[there.clone(), back.clone()], QUESTION), Err(Unusable::AliasLoop));
    assert_eq!(circle(&[back.clone(), there.clone()], QUESTION), Err(Unusable::AliasLoop), "in another order");
    assert_eq!(circle(std::slice::from_ref(&itself), QUESTION), Err(Unusable::AliasLoop));
    assert_eq!(circle(std::slice::from_ref(&there), QUESTION), Ok(()), "one that ends somewhere");
    assert_eq!(circle(&[there, address("web.example.", 9)], QUESTION), Ok(()));
    assert_eq!(circle(&[itself], b"\x03WwW\x07Example\x00\x00\x05\x00\x01"), Ok(()), "whoever asks for the alias");
}

/// The owners of the authority and additional sections that are kept of a reply whose answer is an MX, and an alias for A.
fn beside(authorities: &[OtherRecord], additionals: &[OtherRecord]) -> (Vec<String>, Vec<String>) {
    let mut reply = upstream();
    let mx = |to: &str| RData::MX(hickory_proto::rr::rdata::MX::new(1, name(to)));
    reply.answers = vec![alias("www.example.", 9, "web.other."), record("web.other.", 9, mx("mail.web.other."))];
    reply.answers.extend(["mail.other.", "mail.bank.test."].map(|to| record("web.other.", 9, mx(to))));
    reply.authorities = authorities.to_vec();
    reply.additionals = additionals.to_vec();
    let shown = Other::from_vec(&entry(&reply).message(Age::Fresh(0), Rtype::A)).unwrap();
    (owners(&shown.authorities), owners(&shown.additionals))
}

/// RFC 2181 5.4.1: what a reply says of names that are not its to speak of is nobody's answer.
#[test]
fn what_upstreams_say_of_other_zones_is_removed() {
    let ns = |owner: &str, host: &str| record(owner, 9, RData::NS(NS(name(host))));
    // types that hickory does not make by itself: NSEC with the next name, and the signature of `covered` by `signer`
    let nsec = |owner: &str| unknown(owner, 47, b"\x01z\x07example\0\0\x01\x40");
    let rrsig = |owner: &str, covered: u8, signer: &str| {
        let labels: Vec<u8> =
            signer.split_terminator('.').flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).collect();
        unknown(owner, 46, &[&[0, covered, 13, 2], &[0; 14][..], &labels, &[0], &[7; 64]].concat())
    };
    let mut all = vec![
        ns("other.", "ns.other."),
        ns("example.", "ns.bank.test."),
        nsec("a.b.other."),
        rrsig("a.b.other.", 47, "other."),
        ns("bank.test.", "ns.bank.test."),
        nsec("x.bank.test."),
        rrsig("x.bank.test.", 47, "bank.test."),
        ns("below.web.other.", "ns.other."),
        address("other.", 9),
        record("example.", 9, RData::TXT(TXT::new(vec!["x".into()]))),
    ];
    let glue = ["ns.other.", "mail.web.other.", "mail.other.", "nobody.other.", "ns.bank.test.", "mail.bank.test."];
    let glue = glue.map(|owner| address(owner, 9));
    let (authorities, additionals) = beside(&all, &glue);
    assert_eq!(authorities, ["other. 9 NS", "example. 9 NS", "a.b.other. 9 NSEC", "a.b.other. 9 RRSIG"]);
    assert_eq!(additionals, ["ns.other. 9 A", "mail.web.other. 9 A", "mail.other. 9 A"]);
    // without a word of the zone, a host's own names are all that is known to be near
    let (authorities, additionals) = beside(&[], &glue);
    assert_eq!((authorities.len(), additionals), (0, vec!["mail.web.other. 9 A".to_owned()]));
    // the root's servers are in every zone, and vouch for nothing
    all = vec![ns(".", "ns.bank.test."), nsec("x.other.")];
    let (authorities, additionals) = beside(&all, &glue);
    assert_eq!(authorities, [". 9 NS", "x.other. 9 NSEC"]);
    assert_eq!(additionals, ["mail.web.other. 9 A"]);
}

fn unknown(owner: &str, rtype: u16, data: &[u8]) -> OtherRecord {
    record(owner, 9, RData::Unknown { code: rtype.into(), rdata: hickory_proto::rr::rdata::NULL::with(data.to_vec()) })
}

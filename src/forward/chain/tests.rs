//! Chains, straight and crooked.

use hickory_proto::op::{Message as Other, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, CNAME, NULL};
use hickory_proto::rr::{Name, RData, Record as OtherRecord, RecordType};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn cname(owner: &str, target: &str) -> OtherRecord {
    OtherRecord::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
}

fn address(owner: &str) -> OtherRecord {
    OtherRecord::from_rdata(name(owner), 60, RData::A(A([192, 0, 2, 1].into())))
}

fn raw(owner: &str, code: u16, octets: &[u8]) -> OtherRecord {
    let rdata = RData::Unknown { code: RecordType::from(code), rdata: NULL::with(octets.to_vec()) };
    OtherRecord::from_rdata(name(owner), 60, rdata)
}

fn reply(answers: Vec<OtherRecord>) -> Vec<u8> {
    let mut reply = Other::new(1, MessageType::Response, OpCode::Query);
    reply.queries.push(Query::query(name("a.Example."), RecordType::A));
    reply.answers = answers;
    reply.to_vec().unwrap()
}

fn targets(answers: Vec<OtherRecord>) -> Vec<String> {
    let octets = reply(answers);
    cname_targets(&Message::parse(&octets).unwrap()).iter().map(|target| format!("{target:?}")).collect()
}

#[test]
fn the_chain_is_followed_in_whatever_order_it_comes() {
    let want = ["b.example", "c.example"];
    assert_eq!(
        targets(vec![cname("A.example.", "B.example."), cname("b.EXAMPLE.", "c.example."), address("c.example.")]),
        want
    );
    assert_eq!(
        targets(vec![address("c.example."), cname("b.example.", "c.example."), cname("a.example.", "b.example.")]),
        want
    );
    assert_eq!(targets(vec![cname("x.example.", "y.example."), address("a.example.")]), [""; 0]);
    assert_eq!(targets(Vec::new()), [""; 0]);
}

#[test]
fn circles_and_endless_chains_end() {
    assert_eq!(targets(vec![cname("a.example.", "a.example.")]), [""; 0]);
    assert_eq!(targets(vec![cname("a.example.", "b.example."), cname("b.example.", "a.example.")]), ["b.example"]);
    let links = (0..40).map(|at| {
        let owner = if at == 0 { "a.example.".to_owned() } else { format!("n{at}.example.") };
        cname(&owner, &format!("n{}.example.", at + 1))
    });
    assert_eq!(targets(links.collect()).len(), MAX_CHAIN);
}

#[test]
fn the_cut_keeps_what_leads_there() {
    let signed = |kind: u8| [0, kind, 8, 2, 0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 1, 0, 7, 0];
    let octets = reply(vec![
        raw("example.", 39, b"\x04test\x00"),
        raw("example.", 46, &signed(39)),
        cname("a.example.", "b.example."),
        raw("a.example.", 46, &signed(5)),
        raw("a.example.", 46, &signed(47)),
        cname("b.example.", "c.example."),
        cname("c.example.", "d.example."),
        address("d.example."),
        address("x.example."),
    ]);
    let message = Message::parse(&octets).unwrap();
    let at = |index: usize| cname_targets(&message)[index];
    let cut = cut_after(&message, &at(1)).unwrap();
    // readable behind any header, as there are no pointers in it
    let mut alone = vec![0, 1, 0x80, 0, 0, 0];
    alone.extend_from_slice(&cut.count.to_be_bytes());
    alone.extend_from_slice(&[0; 4]);
    alone.extend_from_slice(&cut.records);
    let got = Other::from_vec(&alone).unwrap();
    let got: Vec<_> = got.answers.iter().map(|r| format!("{} {}", r.name, u16::from(r.record_type()))).collect();
    assert_eq!(
        got,
        ["example. 39", "example. 46", "a.example. 5", "a.example. 46", "b.example. 5"],
        "no more, and no signature of anything else"
    );
    assert_eq!(cut_after(&message, &at(0)).unwrap().count, 4);
    let octets = reply(vec![address("a.example.")]);
    assert_eq!(cut_after(&Message::parse(&octets).unwrap(), &at(0)), None);
}

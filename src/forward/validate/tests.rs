//! What becomes of a reply once the verdict is there. The verdicts themselves are compared with Unbound's end to end
//! (`e2e/dnssec.py`).

use std::net::Ipv4Addr;

use hickory_proto::dnssec::Algorithm;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{NSEC, RRSIG};
use hickory_proto::op::{Message as Read, MessageType, OpCode};
use hickory_proto::rr::SerialNumber;
use hickory_proto::rr::rdata::{A, NULL};

use super::*;
use crate::dns::Class;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn record(owner: &str, kind: RecordType) -> Record {
    let data = match kind {
        RecordType::A => RData::A(A(Ipv4Addr::new(192, 0, 2, 1))),
        RecordType::NSEC => RData::DNSSEC(DNSSECRData::NSEC(NSEC::new(name("z.example."), [RecordType::A]))),
        _ => signature(2),
    };
    Record::from_rdata(name(owner), 300, data)
}

/// A signature of a record that has, but for what a wildcard stands for, so many labels.
fn signature(num_labels: u8) -> RData {
    let input = SigInput {
        type_covered: RecordType::A,
        algorithm: Algorithm::ECDSAP256SHA256,
        num_labels,
        original_ttl: 300,
        sig_expiration: SerialNumber::new(2),
        sig_inception: SerialNumber::new(1),
        key_tag: 7,
        signer_name: name("example."),
    };
    RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, vec![1; 64])))
}

/// A reply to `www.example`, with a signature of each record.
fn reply(kind: RecordType) -> Vec<u8> {
    let mut reply = Read::new(7, MessageType::Response, OpCode::Query);
    reply.metadata.authentic_data = true;
    reply.queries.push(Query::query(name("www.example."), kind));
    for owner in ["www.example.", "alias.example."] {
        reply.answers.extend([record(owner, RecordType::A), record(owner, RecordType::RRSIG)]);
    }
    reply.authorities.extend([record("b.example.", RecordType::NSEC), record("example.", RecordType::A)]);
    reply.additionals.push(record("ns.example.", RecordType::A));
    reply.to_vec().unwrap()
}

fn question(kind: RecordType, dnssec_ok: bool) -> Outbound<'static> {
    Outbound {
        name: b"\x03www\x07example\x00",
        rtype: kind.into(),
        class: Class::IN,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: true,
        dnssec_ok,
        edns: true,
        validated: true,
        recorder: None,
    }
}

/// AD, and the owners and types of the three sections.
fn seen(octets: &[u8]) -> (bool, [Vec<String>; 3]) {
    let read = Read::from_vec(octets).unwrap();
    let sections = [&read.answers, &read.authorities, &read.additionals];
    let text = |record: &Record| format!("{} {}", record.name, record.record_type());
    (read.metadata.authentic_data, sections.map(|records| records.iter().map(text).collect()))
}

#[test]
fn signatures_are_for_those_who_ask_for_them() {
    let with = |kind, is_secure| Validated { octets: reply(kind), is_secure };
    let whole = seen(&reply(RecordType::A)).1;
    for is_secure in [true, false] {
        let dressed = dress(&with(RecordType::A, is_secure), &question(RecordType::A, true)).unwrap();
        assert_eq!(seen(&dressed), (is_secure, whole.clone()));
        let dressed = dress(&with(RecordType::A, is_secure), &question(RecordType::A, false)).unwrap();
        let [answers, authorities, additional] = seen(&dressed).1;
        assert_eq!(answers, ["www.example. A", "alias.example. A"]);
        assert_eq!((authorities, additional), (vec!["example. A".to_owned()], vec!["ns.example. A".to_owned()]));
    }
    let asked_for = dress(&with(RecordType::RRSIG, true), &question(RecordType::RRSIG, false)).unwrap();
    assert_eq!(seen(&asked_for).1[0].len(), 4);
    let any = dress(&with(RecordType::ANY, true), &question(RecordType::ANY, false)).unwrap();
    assert_eq!(seen(&any).1, whole);
}

#[test]
fn one_forged_record_is_enough() {
    use Proof::{Bogus, Indeterminate, Insecure, Secure};
    let with = |proofs: &[Proof]| -> DnsResponse {
        let mut unsigned = record("www.example.", RecordType::RRSIG);
        unsigned.proof = Indeterminate;
        let of = |proof: &Proof| {
            let mut record = record("www.example.", RecordType::A);
            record.proof = *proof;
            record
        };
        let mut reply = Read::new(7, MessageType::Response, OpCode::Query);
        reply.answers.extend(proofs.iter().map(of).chain([unsigned]));
        DnsResponse::from_message(reply).unwrap()
    };
    for (proofs, want) in [
        (&[Secure, Secure][..], Ok(true)),
        (&[Secure, Insecure], Ok(false)),
        (&[Indeterminate], Ok(false)),
        (&[], Ok(false)),
        (&[Secure, Bogus, Secure], Err("no valid signature of www.example. A".to_owned())),
    ] {
        assert_eq!(all_secure(&with(proofs)), want, "{proofs:?}");
    }
}

/// A reply with these NSEC records, owner and next, in its authority section.
fn with_nsec(nsecs: &[(&str, &str)], proof: Proof) -> DnsResponse {
    with_nsec_of(nsecs, &[RecordType::A], proof)
}

/// The same, saying that these types are there.
fn with_nsec_of(nsecs: &[(&str, &str)], types: &[RecordType], proof: Proof) -> DnsResponse {
    let mut reply = Read::new(7, MessageType::Response, OpCode::Query);
    for (owner, next) in nsecs {
        let nsec = RData::DNSSEC(DNSSECRData::NSEC(NSEC::new(name(next), types.iter().copied())));
        let mut record = Record::from_rdata(name(owner), 300, nsec);
        record.proof = proof;
        reply.authorities.push(record);
    }
    let buffer = reply.to_vec().unwrap();
    let mut parsed = DnsResponse::from_buffer(buffer).unwrap();
    parsed.authorities = reply.authorities;
    parsed
}

#[test]
fn what_a_wildcard_gave_must_not_exist() {
    for (owner, next, denied, want) in [
        ("*.wild.example.", "www.example.", "x.wild.example.", true),
        ("a.example.", "c.example.", "b.example.", true),
        ("a.example.", "c.example.", "B.EXAMPLE.", true),
        ("a.example.", "c.example.", "a.example.", false),
        ("a.example.", "c.example.", "c.example.", false),
        ("a.example.", "c.example.", "d.example.", false),
        // the last of the zone
        ("y.example.", "example.", "z.example.", true),
        ("y.example.", "example.", "b.example.", false),
        ("y.example.", "example.", "z.test.", false),
        // it exists, as something below it does
        ("a.example.", "x.b.example.", "b.example.", false),
    ] {
        assert_eq!(
            is_denied(&name(denied), &with_nsec(&[(owner, next)], Proof::Secure)),
            want,
            "{owner} {next} {denied}"
        );
        assert!(!is_denied(&name(denied), &with_nsec(&[(owner, next)], Proof::Insecure)));
    }
    let dname = RecordType::from(Rtype::DNAME);
    for (types, below, beside) in [
        (&[RecordType::NS][..], false, true),
        (&[RecordType::NS, RecordType::SOA], true, true),
        (&[dname], false, true),
    ] {
        let reply = with_nsec_of(&[("a.example.", "c.example.")], types, Proof::Secure);
        assert_eq!((is_denied(&name("x.a.example."), &reply), is_denied(&name("b.example."), &reply)), (below, beside));
    }
    let mut reply = with_nsec(&[], Proof::Secure);
    for (owner, labels) in [("x.y.wild.example.", 2), ("www.example.", 2), ("*.wild.example.", 2)] {
        reply.answers.push(Record::from_rdata(name(owner), 300, signature(labels)));
    }
    assert_eq!(expansions(&reply).collect::<Vec<_>>(), [name("y.wild.example.")]);
}

#[test]
fn what_a_dname_makes_needs_no_signature() {
    for (alias, target, secure, want) in [
        ("a.old.example.", "a.new.example.", true, true),
        ("A.b.OLD.example.", "a.B.new.example.", true, true),
        ("a.old.example.", "a.new.example.", false, false),
        ("a.old.example.", "b.new.example.", true, false),
        ("old.example.", "new.example.", true, false),
        ("a.other.example.", "a.new.example.", true, false),
    ] {
        let mut reply = with_nsec(&[], Proof::Secure);
        let rdata = NULL::with(b"\x03new\x07example\x00".to_vec());
        let dname = RData::Unknown { code: RecordType::from(Rtype::DNAME), rdata };
        let mut dname = Record::from_rdata(name("old.example."), 300, dname);
        dname.proof = if secure { Proof::Secure } else { Proof::Insecure };
        let mut alias = Record::from_rdata(name(alias), 300, RData::CNAME(CNAME(name(target))));
        alias.proof = Proof::Bogus;
        reply.answers.extend([dname, alias.clone()]);
        assert_eq!(is_from_dname(&alias, &reply), want, "{alias}");
        assert_eq!(all_secure(&reply).is_ok(), want);
    }
}

#[test]
fn aliases_are_followed_to_their_end() {
    let mut reply = with_nsec(&[], Proof::Secure);
    let end = |reply: &DnsResponse, kind| end_of_aliases(&Query::query(name("a."), kind), reply).to_string();
    assert_eq!(end(&reply, RecordType::A), "a.");
    for (owner, target) in [("b.", "c."), ("a.", "b."), ("x.", "y.")] {
        reply.answers.push(Record::from_rdata(name(owner), 300, RData::CNAME(CNAME(name(target)))));
    }
    assert_eq!(end(&reply, RecordType::A), "c.");
    assert_eq!(end(&reply, RecordType::CNAME), "a.");
    reply.answers.push(Record::from_rdata(name("c."), 300, RData::CNAME(CNAME(name("a.")))));
    end(&reply, RecordType::A);
}

#[tokio::test]
async fn what_is_not_validated() {
    let upstreams = |ports: &[u16]| -> Arc<[Upstream]> {
        ports.iter().map(|port| Upstream::plain((Ipv4Addr::LOCALHOST, *port).into())).collect()
    };
    let limits = Limits::default();
    let (cache, own) = (Arc::new(Cache::new(&limits)), upstreams(&[1, 2]));
    let insecure = ["example.", "other."].map(|name| name.parse().unwrap());
    let validator = |insecure: NameSet| {
        let validation = Validation { insecure, ..Validation::default() };
        Validating::new(Forwarder::new(&limits), validation, &own, &cache, &limits).validator
    };
    let all = validator(NameSet::default());
    let asked = question(RecordType::A, true);
    assert!(all.covers(&asked, &upstreams(&[1, 2])));
    assert!(!all.covers(&asked, &upstreams(&[1])), "a rule's");
    assert!(!all.covers(&Outbound { name: b"\x00", rtype: Rtype::DS, ..asked }, &own));
    assert!(!all.covers(&Outbound { checking_disabled: true, ..asked }, &own));
    let some = validator(insecure.into_iter().collect());
    assert!(!some.covers(&asked, &own));
    assert!(some.covers(&Outbound { name: b"\x03WWW\x00", ..asked }, &own));
    assert!(!some.covers(&Outbound { name: b"\x03WWW\x05OTHER\x00", ..asked }, &own));
    assert!(!all.covers(&Outbound { validated: false, ..asked }, &own), "a client for whom nobody wants it");
}

/// Without anybody who answers there is a reason, and it is not that of a forgery.
#[tokio::test]
async fn an_outage_is_no_forgery() {
    let limits = Limits::default();
    let cache = Arc::new(Cache::new(&limits));
    let validating = Validating::new(Forwarder::new(&limits), Validation::default(), &Arc::from([]), &cache, &limits);
    let reply =
        validating.exchange(&question(RecordType::A, true), &Arc::from([]), &Repeated::default()).await.unwrap();
    assert_eq!(Read::from_vec(&reply).unwrap().metadata.response_code, ResponseCode::ServFail);
    assert!(String::from_utf8_lossy(&reply).contains("no upstream to ask"));
}

#[test]
fn anchors_are_keys() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let of = |path: &Path| Validation::new(Some(path), NameSet::default());
    std::fs::write(file.path(), "nonsense").unwrap();
    assert!(of(file.path()).read().is_err());
    assert!(of(Path::new("/nowhere")).read().is_err());
    std::fs::write(file.path(), ROOT_KEY).unwrap();
    let good = of(file.path());
    good.read().unwrap();
    assert_eq!(good.anchors().unwrap().len(), 1);
    std::fs::write(file.path(), "nonsense").unwrap();
    assert_eq!(good.anchors().unwrap().len(), 1, "it is read once");
}

/// A file that nothing needed at the start is read when something does; until it is good, nothing passes as insecure.
#[tokio::test]
async fn a_file_of_anchors_that_cannot_be_used_validates_nothing() {
    let limits = Limits::default();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "nonsense").unwrap();
    let cache = Arc::new(Cache::new(&limits));
    let validation = Validation::new(Some(file.path()), NameSet::default());
    let validating = Validating::new(Forwarder::new(&limits), validation, &Arc::from([]), &cache, &limits);
    let question = question(RecordType::A, true);
    let ask = async || {
        let reply = validating.exchange(&question, &Arc::from([]), &Repeated::default()).await.unwrap();
        assert_eq!(Read::from_vec(&reply).unwrap().metadata.response_code, ResponseCode::ServFail);
        String::from_utf8_lossy(&reply).contains("the trust anchors cannot be used")
    };
    assert!(ask().await);
    std::fs::write(file.path(), ROOT_KEY).unwrap();
    assert!(!ask().await, "it is good now");
}

const ROOT_KEY: &str = ". 172800 IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==\n";

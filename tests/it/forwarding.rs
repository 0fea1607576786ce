//! Whole answers that need an upstream: what comes together out of its records and ours.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;

use crate::common::{endpoint, model, secret, vpc};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{A, CNAME, NULL};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use vpcedns::config::Limits;
use vpcedns::forward::UpstreamState;
use vpcedns::model::{Model, Upstream};
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::wire::Transport;

const BOTH: &str = "enable_dns_hostnames = true";
const EC2: &str = "com.amazonaws.us-east-1.ec2";
const PRIVATE: &str = "ec2.us-east-1.amazonaws.com.";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// An upstream that answers everything with `records`, as often as it is asked `times`; the thread tells what it was asked.
pub(crate) fn upstream(
    times: usize,
    records: Vec<Record>,
    rcode: ResponseCode,
) -> (SocketAddr, thread::JoinHandle<Vec<Message>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let answers = thread::spawn(move || {
        let mut asked = Vec::new();
        let mut buf = [0; 1232];
        for _ in 0..times {
            let (len, peer) = socket.recv_from(&mut buf).unwrap();
            let query = Message::from_vec(&buf[..len]).unwrap();
            let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
            reply.metadata.response_code = rcode;
            reply.metadata.authentic_data = true;
            reply.queries.clone_from(&query.queries);
            reply.answers.clone_from(&records);
            socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
            asked.push(query);
        }
        asked
    });
    (address, answers)
}

/// Asks as `from`, first on the fast path, and then, as that has to say, on the slow one.
fn ask(zones: &str, upstream: SocketAddr, from: &str, asked: &str) -> Message {
    ask_with(zones, upstream, Policy::default(), from, &plain(asked))
}

/// A question as a stub resolver sends it.
pub(crate) fn plain(asked: &str) -> Message {
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.metadata.authentic_data = true;
    query.queries.push(Query::query(name(asked), RecordType::A));
    query
}

/// The same with EDNS, and DO if `dnssec_ok`.
fn with_edns(asked: &str, dnssec_ok: bool) -> Message {
    let mut query = plain(asked);
    let edns = query.edns.get_or_insert_with(Edns::new);
    edns.set_max_payload(1232);
    edns.set_dnssec_ok(dnssec_ok);
    query
}

fn ask_with(zones: &str, upstream: SocketAddr, policy: Policy, from: &str, query: &Message) -> Message {
    ask_model(model(zones), upstream, policy, from, query)
}

/// The same of a model out of any files.
pub(crate) fn ask_model(model: Model, upstream: SocketAddr, policy: Policy, from: &str, query: &Message) -> Message {
    let policy = Policy { upstreams: Arc::from([upstream.into()]), ..policy };
    let snapshots = ServedSnapshot::fixed(Snapshot::compile(model, policy, 1));
    let resolver = Resolver::new(snapshots, Limits::default(), secret(), Arc::new(Counters::default()));
    let packet = query.to_vec().unwrap();
    let peer = SocketAddr::new(from.parse().unwrap(), 5353);
    let local = "127.0.0.1:53".parse().unwrap();
    let incoming = Incoming { packet: &packet, peer, local, transport: Transport::Udp, vpc: None };
    assert_eq!(resolver.try_resolve(&resolver.batch(), incoming, &mut [0; 1232]), Outcome::Pending);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Message::from_vec(&runtime.block_on(resolver.resolve(incoming)).unwrap()).unwrap()
}

/// The extended error of a reply: its code and text (RFC 8914 2).
fn extended_error(message: &Message) -> Option<(u16, String)> {
    match message.edns.as_ref()?.option(EdnsCode::from(15))? {
        EdnsOption::Unknown(_, data) => {
            let (code, text) = data.split_first_chunk()?;
            Some((u16::from_be_bytes(*code), String::from_utf8(text.to_vec()).unwrap()))
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn names(queries: &[Message]) -> Vec<String> {
    queries.iter().map(|query| query.queries[0].name().to_string()).collect()
}

pub(crate) fn texts(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| format!("{} {} {}", record.name, record.record_type(), record.data)).collect()
}

/// Who is told a private name by an upstream's alias gets the private answer, and the public one is left out.
#[test]
fn an_alias_into_a_private_name_is_answered_from_the_private_zone() {
    let zones = [vpc(1, BOTH), vpc(2, BOTH), endpoint('a', 1, EC2, &["1.17"], "")].concat();
    let public = vec![
        Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name("mid.example.")))),
        Record::from_rdata(name("mid.example."), 300, RData::CNAME(CNAME(name(PRIVATE)))),
        Record::from_rdata(name(PRIVATE), 5, RData::A(A::new(203, 0, 113, 7))),
    ];
    let (address, answers) = upstream(2, public, ResponseCode::NoError);
    let inside = ask(&zones, address, "10.1.0.5", "www.example.");
    let aliases = ["www.example. CNAME mid.example.", "mid.example. CNAME ec2.us-east-1.amazonaws.com."];
    assert_eq!(texts(&inside), [&aliases[..], &["ec2.us-east-1.amazonaws.com. A 10.1.1.17"]].concat());
    assert!(!inside.metadata.authentic_data, "what was put together here is not signed");
    let mut query = plain("www.example.");
    query.metadata.authentic_data = true;
    let outside = ask_with(&zones, address, Policy::default(), "10.2.0.5", &query);
    assert_eq!(texts(&outside), [&aliases[..], &["ec2.us-east-1.amazonaws.com. A 203.0.113.7"]].concat());
    assert!(outside.metadata.authentic_data, "what the upstream vouches for passes unharmed");
    assert_eq!(names(&answers.join().unwrap()), ["www.example.", "www.example."]);
}

/// An alias of a hosted zone that leads away is followed upstream, and put in front of what that says.
#[test]
fn an_alias_that_leads_away_is_followed_upstream() {
    let zone = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\n\
                records = [{ name = \"out\", type = \"CNAME\", values = [\"www.example.net\"] }]\n";
    let zones = [vpc(1, BOTH), zone.to_owned()].concat();
    let public = vec![Record::from_rdata(name("www.example.net."), 300, RData::A(A::new(203, 0, 113, 7)))];
    let (address, answers) = upstream(1, public, ResponseCode::NoError);
    let reply = ask(&zones, address, "10.1.0.5", "out.corp.example.");
    assert_eq!(texts(&reply), ["out.corp.example. CNAME www.example.net.", "www.example.net. A 203.0.113.7"]);
    assert_eq!(names(&answers.join().unwrap()), ["www.example.net."]);

    let (address, answers) = upstream(1, Vec::new(), ResponseCode::NXDomain);
    let reply = ask(&zones, address, "10.1.0.5", "out.corp.example.");
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "the last name decides (RFC 6604 3)");
    assert_eq!(texts(&reply), ["out.corp.example. CNAME www.example.net."]);
    answers.join().unwrap();
}

/// `private_only` looks behind aliases: who would be told a name of the operator's by a public alias gets nothing,
/// unless there is a private answer.
#[test]
fn an_alias_into_a_name_that_is_private_or_nothing_fails() {
    let zones = [vpc(1, BOTH), vpc(2, BOTH), endpoint('a', 1, EC2, &["1.17"], "")].concat();
    let policy = || Policy {
        private_only: ["amazonaws.com".parse().unwrap(), "mid.example".parse().unwrap()].into_iter().collect(),
        ..Policy::default()
    };
    let public = vec![
        Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name(PRIVATE)))),
        Record::from_rdata(name(PRIVATE), 5, RData::A(A::new(203, 0, 113, 7))),
    ];
    let (address, answers) = upstream(2, public, ResponseCode::NoError);
    let inside = ask_with(&zones, address, policy(), "10.1.0.5", &with_edns("www.example.", false));
    assert_eq!(texts(&inside)[1], "ec2.us-east-1.amazonaws.com. A 10.1.1.17");
    let outside = ask_with(&zones, address, policy(), "10.2.0.5", &with_edns("www.example.", false));
    assert_eq!((outside.metadata.response_code, texts(&outside)), (ResponseCode::ServFail, Vec::new()));
    let why = "CNAME to ec2.us-east-1.amazonaws.com: private_only covers amazonaws.com, and there is no private answer";
    assert_eq!(extended_error(&outside), Some((15, why.to_owned())));
    answers.join().unwrap();

    // the first name that fails ends it, even if the chain goes on into a name that is answered here
    let public = vec![
        Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name("mid.example.")))),
        Record::from_rdata(name("mid.example."), 300, RData::CNAME(CNAME(name(PRIVATE)))),
    ];
    let (address, answers) = upstream(1, public, ResponseCode::NoError);
    let inside = ask_with(&zones, address, policy(), "10.1.0.5", &plain("www.example."));
    assert_eq!((inside.metadata.response_code, texts(&inside)), (ResponseCode::ServFail, Vec::new()));
    answers.join().unwrap();
}

/// `rebind_protection`: no public name gets a private address, and the client learns why.
#[test]
fn private_addresses_of_public_names_are_kept_back() {
    let zone = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\n\
                records = [{ name = \"out\", type = \"CNAME\", values = [\"www.example.\"] }]\n";
    let zones = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], ""), zone.to_owned()].concat();
    let policy = |on: bool| Policy { rebind_protection: on, ..Policy::default() };
    let evil = vec![
        Record::from_rdata(name("www.example."), 0, RData::A(A::new(203, 0, 113, 7))),
        Record::from_rdata(name("www.example."), 0, RData::A(A::new(192, 168, 0, 1))),
    ];
    let (address, answers) = upstream(3, evil.clone(), ResponseCode::NoError);
    let reply = ask_with(&zones, address, policy(true), "10.1.0.5", &with_edns("www.example.", false));
    assert_eq!((reply.metadata.response_code, texts(&reply)), (ResponseCode::NoError, Vec::new()));
    let why = "rebind_protection: an upstream gives this public name the address 192.168.0.1";
    assert_eq!(extended_error(&reply), Some((15, why.to_owned())));
    let reply = ask_with(&zones, address, policy(false), "10.1.0.5", &plain("www.example."));
    assert_eq!(texts(&reply).len(), 2, "off by default");
    let reply = ask_with(&zones, address, policy(true), "10.1.0.5", &plain("out.corp.example."));
    assert_eq!(texts(&reply).len(), 3, "a name of a hosted zone is a private one");
    answers.join().unwrap();

    // the same for who is sent there by a rule, and an alias into a name of ours is none of an upstream's addresses
    let (address, answers) = upstream(1, evil, ResponseCode::NoError);
    let rule = format!(
        "[[resolver_rule]]\ndomain_name = \"example\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"{address}\"]\n"
    );
    let reply = ask_with(&[vpc(1, BOTH), rule].concat(), address, policy(true), "10.1.0.5", &plain("www.example."));
    assert_eq!(texts(&reply).len(), 2);
    answers.join().unwrap();
    let alias = vec![
        Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name(PRIVATE)))),
        Record::from_rdata(name(PRIVATE), 5, RData::A(A::new(10, 9, 9, 9))),
    ];
    let (address, answers) = upstream(1, alias, ResponseCode::NoError);
    let reply = ask_with(&zones, address, policy(true), "10.1.0.5", &plain("www.example."));
    assert_eq!(texts(&reply)[1], "ec2.us-east-1.amazonaws.com. A 10.1.1.17");
    answers.join().unwrap();
}

/// Signatures, DO, CD and AD pass unharmed (RFC 4035 3.2, RFC 6840 5.7 to 5.9).
#[test]
fn dnssec_passes_unharmed() {
    let zones = vpc(1, BOTH);
    // an RRSIG over A; its signer's name stands uncompressed (RFC 4034 3.1.7)
    let fixed = [0, 1, 13, 2, 0, 0, 1, 44, 0x66, 0, 0, 0, 0x65, 0, 0, 0, 0x12, 0x34];
    let signature = [&fixed[..], b"\x07example\0", &[0xab; 64]].concat();
    let rrsig = RData::Unknown { code: RecordType::RRSIG, rdata: NULL::with(signature.clone()) };
    let signed = vec![
        Record::from_rdata(name("www.example."), 300, RData::A(A::new(203, 0, 113, 7))),
        Record::from_rdata(name("www.example."), 300, rrsig),
    ];
    // the client's AD and DO, and whether it is told AD
    for (ad, dnssec_ok, told) in
        [(false, None, false), (true, None, true), (false, Some(true), true), (false, Some(false), false)]
    {
        for cd in [false, true] {
            let (address, answers) = upstream(1, signed.clone(), ResponseCode::NoError);
            let mut query = dnssec_ok.map_or_else(|| plain("www.example."), |on| with_edns("www.example.", on));
            query.metadata.authentic_data = ad;
            query.metadata.checking_disabled = cd;
            let reply = ask_with(&zones, address, Policy::default(), "10.1.0.5", &query);
            assert_eq!(
                (reply.metadata.authentic_data, reply.metadata.checking_disabled),
                (told, cd),
                "{ad} {dnssec_ok:?}"
            );
            assert_eq!(reply.edns.as_ref().map(|edns| edns.flags().dnssec_ok), dnssec_ok);
            assert_eq!(reply.answers.len(), 2);
            let octets = reply.to_vec().unwrap();
            assert!(octets.windows(signature.len()).any(|part| part == signature), "the signature, octet for octet");
            let asked = answers.join().unwrap().remove(0);
            assert!(asked.metadata.authentic_data, "whether the answer was checked is always asked for");
            assert_eq!(asked.metadata.checking_disabled, cd);
            // EDNS is ours towards the upstream, DO is the client's
            assert_eq!(asked.edns.map(|edns| edns.flags().dnssec_ok), Some(dnssec_ok == Some(true)));
        }
    }
}

/// An alias of an upstream's into the domain of a rule is asked for where the rule says, and one into a hosted zone
/// whose alias leads away is followed from there: what the first upstream says of such names is left out.
#[test]
fn an_alias_into_a_domain_of_a_rule_is_asked_for_there() {
    let inside = vec![Record::from_rdata(name("db.onprem.example."), 60, RData::A(A::new(10, 9, 9, 9)))];
    let (onprem, asked_onprem) = upstream(2, inside, ResponseCode::NoError);
    let zones = [
        vpc(1, BOTH),
        vpc(2, BOTH),
        format!(
            "[[resolver_rule]]\ndomain_name = \"onprem.example\"\nrule_type = \"FORWARD\"\n\
             target_ips = [\"{onprem}\"]\nvpc_ids = [\"vpc-00000001\"]\n\
             [[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\n\
             records = [{{ name = \"db\", type = \"CNAME\", values = [\"db.onprem.example\"] }}]\n"
        ),
    ]
    .concat();
    let public = |target: &str| {
        vec![
            Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name(target)))),
            Record::from_rdata(name(target), 5, RData::A(A::new(203, 0, 113, 7))),
        ]
    };
    for (target, way) in [
        ("db.onprem.example.", vec!["www.example. CNAME db.onprem.example."]),
        ("db.corp.example.", vec!["www.example. CNAME db.corp.example.", "db.corp.example. CNAME db.onprem.example."]),
    ] {
        let (address, answers) = upstream(2, public(target), ResponseCode::NoError);
        let reply = ask(&zones, address, "10.1.0.5", "www.example.");
        assert_eq!(texts(&reply), [&way[..], &["db.onprem.example. A 10.9.9.9"]].concat());
        let other = ask(&zones, address, "10.2.0.5", "www.example.");
        assert_eq!(texts(&other)[1], format!("{target} A 203.0.113.7"), "the rule is the other VPC's");
        assert_eq!(names(&answers.join().unwrap()), ["www.example.", "www.example."]);
    }
    assert_eq!(names(&asked_onprem.join().unwrap()), ["db.onprem.example.", "db.onprem.example."]);
}

/// Who asks for an alias gets it, wherever it leads.
#[test]
fn a_question_for_an_alias_is_not_followed() {
    let zones = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], "")].concat();
    for (target, from) in [(PRIVATE, "10.1.0.5"), ("www.corp.example.", "127.0.0.1")] {
        let alias = vec![Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name(target))))];
        let (address, answers) = upstream(1, alias, ResponseCode::NoError);
        let mut query = plain("www.example.");
        query.queries[0].set_query_type(RecordType::CNAME);
        let only = ["corp.example".parse().unwrap()].into_iter().collect();
        let reply = ask_with(&zones, address, Policy { private_only: only, ..Policy::default() }, from, &query);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        assert_eq!(texts(&reply), [format!("www.example. CNAME {target}")]);
        assert!(reply.authorities.is_empty());
        answers.join().unwrap();
    }
}

/// Two resolvers whose aliases lead to each other end in an error, not in a circle.
#[test]
fn aliases_between_resolvers_end() {
    let back = vec![Record::from_rdata(name("a.onprem.example."), 60, RData::CNAME(CNAME(name("b.other.example."))))];
    let (onprem, asked_onprem) = upstream(4, back, ResponseCode::NoError);
    let forth = vec![Record::from_rdata(name("b.other.example."), 60, RData::CNAME(CNAME(name("a.onprem.example."))))];
    let (other, asked_other) = upstream(4, forth, ResponseCode::NoError);
    let rule = |domain: &str, to: SocketAddr| {
        format!("[[resolver_rule]]\ndomain_name = \"{domain}\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"{to}\"]\n")
    };
    let zones = [vpc(1, BOTH), rule("onprem.example", onprem), rule("other.example", other)].concat();
    let reply = ask(&zones, other, "10.1.0.5", "a.onprem.example.");
    assert_eq!((reply.metadata.response_code, texts(&reply)), (ResponseCode::ServFail, Vec::new()));
    assert_eq!((asked_onprem.join().unwrap().len(), asked_other.join().unwrap().len()), (4, 4));
}

/// A question comes back to us from its upstream: it fails and says so, and everything else that this upstream is asked
/// for is answered.
#[tokio::test]
async fn a_question_that_comes_back_ends_here() {
    let upstream = Arc::new(tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = Upstream::plain(upstream.local_addr().unwrap());
    let policy = Policy { upstreams: Arc::from([address.clone()]), ..Policy::default() };
    let snapshots = ServedSnapshot::fixed(Snapshot::compile(model(""), policy, 1));
    let resolver = Resolver::new(snapshots, Limits::default(), secret(), Arc::new(Counters::default()));
    let resolver = Arc::new(resolver);
    tokio::spawn({
        let resolver = Arc::clone(&resolver);
        async move {
            let mut packet = [0; 1232];
            while let Ok((len, from)) = upstream.recv_from(&mut packet).await {
                let query = Message::from_vec(&packet[..len]).unwrap();
                if query.queries[0].name().to_string().ends_with("fine.example.") {
                    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
                    reply.queries.clone_from(&query.queries);
                    upstream.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
                    continue;
                }
                // what it is asked for it asks us for
                let (resolver, upstream, packet) =
                    (Arc::clone(&resolver), Arc::clone(&upstream), packet[..len].to_vec());
                tokio::spawn(async move {
                    let reply = resolve(&resolver, &packet).await;
                    upstream.send_to(&reply, from).await.unwrap();
                });
            }
        }
    });
    let ask = async |name: &str| {
        let packet = with_edns(name, false).to_vec().unwrap();
        Message::from_vec(&resolve(&resolver, &packet).await).unwrap()
    };
    let began = std::time::Instant::now();
    let reply = ask("www.example.").await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    let (_, text) = extended_error(&reply).unwrap();
    assert!(text.ends_with("leads back to this server"), "{text}");
    assert!(began.elapsed() < Limits::default().forward_timeout, "it was found out, and did not time out");
    assert_eq!(ask("www.fine.example.").await.metadata.response_code, ResponseCode::NoError);
    assert_eq!(resolver.lookup().forwarder().report()[0].state, UpstreamState::Up);
}

async fn resolve(resolver: &Resolver, packet: &[u8]) -> Vec<u8> {
    let (peer, local) = ("127.0.0.1:5353".parse().unwrap(), "127.0.0.1:53".parse().unwrap());
    resolver.resolve(Incoming { packet, peer, local, transport: Transport::Udp, vpc: None }).await.unwrap()
}

//! Whole answers that need an upstream: what comes together out of its records and ours.

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use common::{endpoint, model, secret, vpc};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use vpcedns::config::Limits;
use vpcedns::observe::Counters;
use vpcedns::serve::respond::{Incoming, Outcome, Responder, Transport};
use vpcedns::snapshot::{Policy, Snapshot};

const BOTH: &str = "enable_dns_hostnames = true";
const EC2: &str = "com.amazonaws.us-east-1.ec2";
const PRIVATE: &str = "ec2.us-east-1.amazonaws.com.";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// An upstream that answers everything with `records`, as often as it is asked `times`; the thread tells the names.
fn upstream(times: usize, records: Vec<Record>, rcode: ResponseCode) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let answers = thread::spawn(move || {
        let mut asked = Vec::new();
        let mut buf = [0; 1232];
        for _ in 0..times {
            let (len, peer) = socket.recv_from(&mut buf).unwrap();
            let query = Message::from_vec(&buf[..len]).unwrap();
            asked.push(query.queries[0].name().to_string());
            let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
            reply.metadata.response_code = rcode;
            reply.metadata.authentic_data = true;
            reply.queries.clone_from(&query.queries);
            reply.answers.clone_from(&records);
            socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
        }
        asked
    });
    (address, answers)
}

/// Asks as `from`, first on the fast path, and then, as that has to say, on the slow one.
fn ask(zones: &str, upstream: SocketAddr, from: &str, asked: &str) -> Message {
    let policy = Policy { upstreams: Arc::from([upstream]), ..Policy::default() };
    let snapshots = Arc::new(ArcSwap::from_pointee(Snapshot::compile(model(zones), policy, 1)));
    let responder = Responder::new(snapshots, Limits::default(), secret(), Arc::new(Counters::default()));
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.queries.push(Query::query(name(asked), RecordType::A));
    let packet = query.to_vec().unwrap();
    let peer = SocketAddr::new(from.parse().unwrap(), 5353);
    let local = "127.0.0.1:53".parse().unwrap();
    let incoming = Incoming { packet: &packet, peer, local, transport: Transport::Udp, vpc: None };
    assert_eq!(responder.batch().respond(incoming, &mut [0; 1232]), Outcome::Slow);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Message::from_vec(&runtime.block_on(responder.resolve(incoming)).unwrap()).unwrap()
}

fn texts(message: &Message) -> Vec<String> {
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
    let outside = ask(&zones, address, "10.2.0.5", "www.example.");
    assert_eq!(texts(&outside), [&aliases[..], &["ec2.us-east-1.amazonaws.com. A 203.0.113.7"]].concat());
    assert!(outside.metadata.authentic_data, "what the upstream vouches for passes unharmed");
    assert_eq!(answers.join().unwrap(), ["www.example.", "www.example."]);
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
    assert_eq!(answers.join().unwrap(), ["www.example.net."]);

    let (address, answers) = upstream(1, Vec::new(), ResponseCode::NXDomain);
    let reply = ask(&zones, address, "10.1.0.5", "out.corp.example.");
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "the last name decides (RFC 6604 3)");
    assert_eq!(texts(&reply), ["out.corp.example. CNAME www.example.net."]);
    answers.join().unwrap();
}

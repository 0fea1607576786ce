//! `embed`: hickory-server in front gives the answers of our own resolver, and hands on what is not private.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{BOTH, endpoint, model, policy};
use hickory_proto::op::{Message, MessageType, OpCode, Query as Asked, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_server::Server;
use vpcedns::config::Limits;
use vpcedns::embed::{Builder, Refuse};
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::Snapshot;
use vpcedns::wire::{CookieSecret, Transport};

/// Clients on this machine are those of VPC 1.
fn zones() -> String {
    crate::common::vpc(1, BOTH).replace("\"10.1.0.0/16\"", "\"10.1.0.0/16\", \"127.0.0.0/8\"")
        + &endpoint('a', 1, "com.amazonaws.us-east-1.ec2", &["1.17", "2.17"], "dns_record_ip_type = \"dualstack\"")
        + "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"*\"]\nrecords = [\
           { name = \"db\", type = \"A\", values = [\"10.9.9.9\"] },\
           { name = \"txt\", type = \"TXT\", values = ['\"a b\"'] },\
           { name = \"www\", type = \"CNAME\", values = [\"db.corp.example\"] }]\n"
}

fn packet(name: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Asked::query(Name::from_ascii(name).unwrap(), rtype));
    message.to_vec().unwrap()
}

/// What hickory's server says to each question.
fn through_hickory(builder: Builder, questions: &[(&str, RecordType)]) -> Vec<Message> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handler = builder.build(Refuse).unwrap_or_else(|problems| panic!("{}", crate::common::lines(&problems)));
    let _entered = runtime.enter();
    let socket = runtime.block_on(tokio::net::UdpSocket::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    let mut server = Server::new(handler);
    server.register_socket(socket);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let replies = questions.iter().map(|(name, rtype)| {
        client.send_to(&packet(name, *rtype), address).unwrap();
        let mut buffer = [0; 4096];
        let len = client.recv(&mut buffer).unwrap();
        Message::from_vec(&buffer[..len]).unwrap()
    });
    let replies = replies.collect();
    runtime.block_on(server.shutdown_gracefully()).unwrap();
    replies
}

const QUESTIONS: [(&str, RecordType); 12] = [
    ("ec2.us-east-1.amazonaws.com.", RecordType::A),
    ("EC2.us-east-1.amazonaws.com.", RecordType::AAAA),
    ("ec2.us-east-1.amazonaws.com.", RecordType::HTTPS),
    ("ec2.us-east-1.amazonaws.com.", RecordType::SOA),
    ("x.ec2.us-east-1.amazonaws.com.", RecordType::A),
    ("vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com.", RecordType::A),
    ("vpce-0000000a-aaaaaaaa-us-east-1b.ec2.us-east-1.vpce.amazonaws.com.", RecordType::AAAA),
    ("www.corp.example.", RecordType::A),
    ("txt.corp.example.", RecordType::TXT),
    ("nothing.corp.example.", RecordType::A),
    ("localhost.", RecordType::A),
    ("17.1.1.10.in-addr.arpa.", RecordType::PTR),
];

#[test]
fn hickory_says_what_our_resolver_says() {
    let snapshots = ServedSnapshot::fixed(Snapshot::compile(model(&zones()), policy(), 1));
    let counters = Arc::new(Counters::default());
    let resolver = Resolver::new(snapshots, Limits::default(), CookieSecret::new([7; 16]), counters);
    let replies = through_hickory(Builder::toml_str(&zones()), &QUESTIONS);
    for ((name, rtype), reply) in QUESTIONS.iter().zip(replies) {
        let packet = packet(name, *rtype);
        let (peer, local) = (SocketAddr::from(([127, 0, 0, 1], 5353)), SocketAddr::from(([127, 0, 0, 1], 53)));
        let incoming = Incoming { packet: &packet, peer, local, transport: Transport::Udp, vpc: None };
        let mut out = [0; 4096];
        let Outcome::Reply(len) = resolver.try_resolve(&resolver.batch(), incoming, &mut out) else {
            panic!("{name} {rtype} is not ours")
        };
        let wanted = Message::from_vec(&out[..len]).unwrap();
        // addresses go round
        let sorted = |records: &[hickory_proto::rr::Record]| {
            let mut lines: Vec<String> = records.iter().map(ToString::to_string).collect();
            lines.sort();
            lines
        };
        assert_eq!(reply.metadata, wanted.metadata, "{name} {rtype}");
        assert_eq!(reply.queries, wanted.queries);
        assert_eq!(sorted(&reply.answers), sorted(&wanted.answers), "{name} {rtype}");
        assert_eq!(sorted(&reply.authorities), sorted(&wanted.authorities), "{name} {rtype}");
        assert_eq!((reply.additionals.len(), reply.edns), (wanted.additionals.len(), wanted.edns), "{name} {rtype}");
    }
}

#[test]
fn what_is_not_private_is_the_inner_handlers() {
    let replies = through_hickory(Builder::toml_str(&zones()), &[("www.example.org.", RecordType::A)]);
    assert_eq!(replies[0].metadata.response_code, ResponseCode::Refused);
}

#[test]
fn files_are_read_again_and_errors_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    fs::write(&file, zones()).unwrap();
    let handler = Builder::from_dir(dir.path()).build(Refuse).unwrap();
    handler.reload().unwrap();
    fs::write(&file, "[[vpc]]\nvpc_id = 7\n").unwrap();
    let problems = handler.reload().unwrap_err();
    assert!(crate::common::lines(&problems).contains("a.toml:2"), "{problems:?}");
    assert!(Builder::toml_str("[[vpc]]\nvpc_id = 7\n").build(Refuse).is_err());
    let vpcs = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"}]}"#;
    assert!(Builder::from_cli_json([("vpcs.json", vpcs)]).build(Refuse).is_ok());
}

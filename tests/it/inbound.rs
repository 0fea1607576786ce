//! Inbound resolver endpoints: whose clients ask there, and what they get.

use hickory_proto::op::Message;

use crate::common::dir::Dir;
use crate::common::{BOTH, check, endpoint, lines, policy, try_model, vpc, world};
use vpcedns::config::Limits;
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::Snapshot;
use vpcedns::wire::{CookieSecret, Transport};

const ENDPOINTS: &str = r#"
[[resolver_endpoint]]
direction = "INBOUND"
vpc_id = "vpc-00000001"
listeners = ["10.1.0.10:53", "10.1.0.11:53"]
[[resolver_endpoint]]
name = "delegated"
direction = "inbound_delegation"
vpc_id = "vpc-00000001"
listeners = ["10.1.0.12:53"]
[[hosted_zone]]
name = "corp.example"
vpc_ids = ["vpc-00000001"]
records = [
  { name = "db", type = "A", values = ["10.9.9.9"] },
  { name = "out", type = "CNAME", values = ["www.example.net"] },
]
"#;

fn network() -> String {
    let s3 = "private_dns_only_for_inbound_resolver_endpoint = true";
    vpc(1, BOTH) + &endpoint('a', 1, "com.amazonaws.us-east-1.s3", &["1.17"], s3) + ENDPOINTS
}

#[test]
fn who_asks_where_gets_what() {
    let table = "\
from 192.168.7.7 to 10.1.0.10:53 s3.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name s3.us-east-1.amazonaws.com of vpce-0000000a
from 192.168.7.7 to 10.1.0.11:53 db.corp.example A
  NOERROR | 300 A 10.9.9.9 | hosted zone corp.example
from 192.168.7.7 to 10.1.0.10:53 www.example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 s3.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS of vpce-0000000a is for inbound resolver endpoints only
from 192.168.7.7 to 10.1.0.12:53 db.corp.example A
  NOERROR | 300 A 10.9.9.9 | hosted zone corp.example
from 192.168.7.7 to 10.1.0.12:53 out.corp.example A
  NOERROR | 300 CNAME www.example.net | not ours, and RD is clear
from 192.168.7.7 to 10.1.0.12:53 www.example.net A
  REFUSED | not ours, and RD is clear
from 192.168.7.7 to 10.1.0.13:53 db.corp.example A
  REFUSED | your address is in no VPC and not in the allow list
";
    check(&world(&network()), table);
}

/// AA is set at an endpoint to which others delegate, and at no other.
#[test]
fn a_delegated_endpoint_answers_with_authority() {
    let snapshot = ServedSnapshot::fixed(world(&network()));
    let resolver = Resolver::new(snapshot, Limits::default(), CookieSecret::new([7; 16]), Counters::default().into());
    for (local, rd, aa) in [("10.1.0.12:53", 0, true), ("10.1.0.12:53", 1, true), ("10.1.0.10:53", 1, false)] {
        let packet =
            [&[0x12, 0x34, rd, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x02db\x04corp\x07example\0\0\x01\0\x01"].concat();
        let (peer, local, transport) = ("192.168.7.7:999".parse().unwrap(), local.parse().unwrap(), Transport::Udp);
        let mut out = [0; 1232];
        let incoming = Incoming { packet: &packet, peer, local, transport, vpc: None };
        let Outcome::Reply(len) = resolver.try_resolve(&resolver.batch(), incoming, &mut out) else { panic!() };
        let message = Message::from_vec(&out[..len]).unwrap();
        assert_eq!((message.metadata.authoritative, message.answers.len()), (aa, 1), "{local} RD={rd}");
    }
}

#[test]
fn listeners_follow_the_files() {
    let mut dir = Dir::new();
    dir.write(&[("a.toml", &network())]);
    let (model, _, problems) = dir.load();
    assert_eq!(problems, "");
    let first = Snapshot::compile(model.unwrap(), policy(), 1);
    let addresses = |snapshot: &Snapshot| snapshot.listeners().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(addresses(&first), ["10.1.0.10:53", "10.1.0.11:53", "10.1.0.12:53"]);
    dir.settle();
    dir.write(&[("a.toml", &network().replace("\"10.1.0.10:53\", ", ""))]);
    let (model, changes, problems) = dir.load();
    assert_eq!(problems, "");
    let second = first.next(model.unwrap(), &changes);
    assert_eq!(addresses(&second), ["10.1.0.11:53", "10.1.0.12:53"]);
    check(
        &second,
        "from 192.168.7.7 to 10.1.0.10:53 db.corp.example A\n  REFUSED | your address is in no VPC and not in the allow list\n",
    );
}

#[test]
fn what_an_endpoint_may_not_be() {
    let one = |direction: &str, vpc: u8, listeners: &str| {
        format!(
            "[[resolver_endpoint]]\ndirection = \"{direction}\"\nvpc_id = \"vpc-0000000{vpc}\"\nlisteners = [{listeners}]\n"
        )
    };
    for (toml, want) in [
        (one("INBUND", 1, "\"10.1.0.9:53\""), "'INBUND' is not a direction\n  hint: did you mean 'INBOUND'?"),
        (one("INBOUND", 9, "\"10.1.0.9:53\""), "the vpc ID 'vpc-00000009' does not exist"),
        (
            one("INBOUND", 1, "\"10.1.0.10:53\""),
            "the listener 10.1.0.10:53 of vpc-00000001 is also one of vpc-00000001",
        ),
        (one("INBOUND", 1, "\"10.1.0.9\", \"10.1.0.9:53\""), "10.1.0.9:53 is listed twice"),
        ("[[resolver_endpoint]]\nvpc_id = \"vpc-00000001\"\n".to_owned(), "has no 'direction'"),
        (one("INBOUND", 1, "\"10.1.0.9\"").replace("listeners", "addresses"), "unknown key 'addresses'"),
    ] {
        let problems = try_model(&(network() + &toml)).map(|_| ()).unwrap_err();
        assert!(lines(&problems).contains(want), "{}\n{toml}", lines(&problems));
    }
    assert!(try_model(&(network() + &one("OUTBOUND", 1, ""))).is_ok());
}

//! Outbound resolver endpoints: where the questions of rules leave from.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;

use crate::common::dir::Dir;
use crate::common::{Asked, BOTH, ask, lines, model, policy, secret, try_model, vpc};
use crate::forwarding::plain;
use hickory_proto::op::{Message, MessageType, OpCode};
use vpcedns::config::Limits;
use vpcedns::dns::Rtype;
use vpcedns::explain::{Asker, explain};
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::wire::Transport;

const RULE: &str = r#"
[[resolver_rule]]
domain_name = "onprem.example"
rule_type = "FORWARD"
target_ips = ["10.9.9.9", "fd00::9"]
resolver_endpoint_id = "rslvr-out-1"
"#;

fn endpoint(addresses: &str) -> String {
    format!(
        "[[resolver_endpoint]]\ndirection = \"OUTBOUND\"\nresolver_endpoint_id = \"rslvr-out-1\"\nip_addresses = [{addresses}]\n"
    )
}

/// Whom a client of the VPC has asked for a name of the rule, and what explain says of where from.
fn told(snapshot: &Snapshot) -> (String, String) {
    let verdict = ask(snapshot, &Asked::parse("from 10.1.0.5 x.onprem.example A")).verdict;
    let asker = Asker::address("10.1.0.5".parse().unwrap());
    let steps = explain(snapshot, asker, &"x.onprem.example".parse().unwrap(), Rtype::A).steps;
    let from = steps.into_iter().find(|step| step.contains("outbound endpoint")).unwrap_or_default();
    (verdict, from)
}

#[test]
fn a_rule_is_asked_from_the_addresses_of_its_endpoint_whichever_came_first() {
    let network = vpc(1, BOTH);
    let mut dir = Dir::new();
    let mut after = |files: &[(&str, &str)]| {
        dir.write(&[&[("network.toml", network.as_str()), ("rule.toml", RULE)], files].concat());
        let (model, _, problems) = dir.load();
        assert_eq!(problems, "");
        told(&Snapshot::compile(model.unwrap(), policy(), 1))
    };
    let unknown = "the addresses of the outbound endpoint rslvr-out-1 are not known here: the system chooses one";
    let plain = "FORWARD 10.9.9.9:53 [fd00::9]:53";
    assert_eq!(after(&[]), (plain.to_owned(), unknown.to_owned()));
    let (one, two) = (endpoint("\"10.1.1.5\""), endpoint("\"10.1.2.5\", \"10.1.1.5\""));
    let from = "FORWARD 10.9.9.9:53 from 10.1.1.5 [fd00::9]:53";
    let said = "asked from 10.1.1.5, of the outbound endpoint rslvr-out-1, where it is on this host";
    assert_eq!(after(&[("out.toml", &one)]), (from.to_owned(), said.to_owned()));
    let both = from.replace("10.1.1.5", "10.1.1.5 or 10.1.2.5");
    assert_eq!(after(&[("out.toml", &two)]).0, both);
    // AWS's own addresses, and those of this host
    let aws = r#"{"ResolverEndpoints": [{"Id": "rslvr-out-1", "Direction": "OUTBOUND", "HostVPCId": "vpc-00000001"}]}
        {"IpAddresses": [{"IpId": "rni-1", "SubnetId": "subnet-0000000a", "Ip": "10.1.2.5", "Status": "ATTACHED"}]}"#;
    assert_eq!(after(&[("out.toml", &one), ("out.json", aws)]).0, both);
    assert_eq!(after(&[("out.json", aws)]).0, from.replace("10.1.1.5", "10.1.2.5"));
    assert_eq!(after(&[]).0, plain);
}

/// The AWS CLI does not print whose the addresses are: the file's name tells it, a member that `sync` adds, and the
/// description of the interfaces.
#[test]
fn outputs_of_aws_tell_whose_an_address_is() {
    let endpoints = r#"{"ResolverEndpoints": [{"Id": "rslvr-out-1", "Direction": "OUTBOUND"}, {"Id": "rslvr-in-1", "Direction": "INBOUND"},
        {"Id": "rslvr-out-2", "Direction": "OUTBOUND"}]}"#;
    let address = |ip: &str, more: &str| {
        format!(r#"{{"IpAddresses": [{{"IpId": "rni-{ip}", "Ip": "{ip}", "Status": "ATTACHED"{more}}}]}}"#)
    };
    let interface = |eni: &str, description: &str, ip: &str| {
        format!(
            r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-0000000{eni}", "SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001",
            "Description": "Route 53 Resolver: {description}:rni-1", "PrivateIpAddress": "{ip}"}}]}}"#
        )
    };
    let subnet = "[[subnet]]\nsubnet_id = \"subnet-0000000a\"\nvpc_id = \"vpc-00000001\"\navailability_zone = \"us-east-1a\"\ncidr_block = \"10.1.1.0/24\"\n";
    let network = vpc(1, BOTH) + subnet;
    for (file, text, from) in [
        ("rslvr-out-1.json", address("10.1.1.5", ""), "from 10.1.1.5"),
        ("rslvr-out-2.json", address("10.1.1.5", ""), ""),
        ("addresses.json", address("10.1.1.5", ""), ""),
        ("a.json", address("10.1.1.5", r#", "ResolverEndpointId": "rslvr-out-1""#), "from 10.1.1.5"),
        ("a.json", address("10.1.1.5", r#", "ResolverEndpointId": "rslvr-in-1""#), ""),
        ("rslvr-out-1.json", address("10.1.1.5", "").replace("ATTACHED", "DELETING"), ""),
    ] {
        let mut dir = Dir::new();
        dir.write(&[("n.toml", &network), ("rule.toml", RULE), ("e.json", endpoints), (file, &text)]);
        let (verdict, _) = told(&Snapshot::compile(dir.load().0.unwrap(), policy(), 1));
        assert_eq!(verdict.contains("10.9.9.9:53 from 10.1.1.5"), !from.is_empty(), "{file}: {text}\n{verdict}");
    }
    let vpcs = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"}]}
        {"Subnets": [{"SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.1.1.0/24"}]}"#;
    for (text, from) in
        [(interface("1", "rslvr-out-1", "10.1.1.5"), true), (interface("1", "rslvr-in-1", "10.1.1.5"), false)]
    {
        let mut dir = Dir::new();
        dir.write(&[("n.json", vpcs), ("rule.toml", RULE), ("i.json", &text)]);
        let (model, _, problems) = dir.load();
        let (verdict, _) = told(&Snapshot::compile(model.unwrap_or_else(|| panic!("{problems}")), policy(), 1));
        assert_eq!(verdict.contains("10.9.9.9:53 from 10.1.1.5"), from, "{text}\n{verdict}");
    }
}

#[test]
fn what_an_outbound_endpoint_may_not_be() {
    for (toml, want) in [
        (endpoint("\"10.1.1\""), "'10.1.1' is not an IP address\n  hint: such as 10.0.1.10"),
        (endpoint("\"10.1.1.5\", \"10.1.1.5\""), "10.1.1.5 is listed twice"),
        (endpoint("\"10.1.1.5\"").replace("resolver_endpoint_id", "vpc_id"), "has no 'resolver_endpoint_id'"),
        (endpoint("\"10.1.1.5\"") + "listeners = [\"10.1.1.6:53\"]\n", "'listeners' are for inbound endpoints"),
        (
            "[[resolver_endpoint]]\ndirection = \"INBOUND\"\nvpc_id = \"vpc-00000001\"\nlisteners = [\"10.1.1.6:53\"]\nip_addresses = [\"10.1.1.5\"]\n".to_owned(),
            "'ip_addresses' is for outbound endpoints",
        ),
    ] {
        let problems = try_model(&(vpc(1, BOTH) + &toml)).map(|_| ()).unwrap_err();
        assert!(lines(&problems).contains(want), "{}\n{toml}", lines(&problems));
    }
    assert!(try_model(&endpoint("\"10.1.1.5\"").replace("resolver_endpoint_id", "name")).is_ok());
}

/// AWS lists `.` as RECURSIVE in every VPC; a rule of the operator's for `.` lies over it, and SYSTEM takes it back.
#[test]
fn the_rule_for_the_root() {
    let rule = |kind: &str, more: &str| {
        format!(
            "[[resolver_rule]]\ndomain_name = \".\"\nrule_type = \"{kind}\"\nvpc_ids = [\"vpc-00000001\"]\n{more}\n"
        )
    };
    let (recursive, system) = (rule("RECURSIVE", ""), rule("SYSTEM", ""));
    let forward = rule("FORWARD", "target_ips = [\"10.9.9.9\"]");
    let everybody = forward.replace("vpc_ids = [\"vpc-00000001\"]\n", "");
    let (default, ruled) = ("FORWARD 192.0.2.53:53", "FORWARD 10.9.9.9:53");
    for (rules, want) in [
        (recursive.clone(), default),
        (forward.clone(), ruled),
        (recursive.clone() + &forward, ruled),
        (forward + &recursive, ruled),
        (system.clone(), default),
        (everybody + &system, default),
    ] {
        let snapshot = Snapshot::compile(model(&(vpc(1, BOTH) + &rules)), policy(), 1);
        assert_eq!(ask(&snapshot, &Asked::parse("from 10.1.0.5 www.example.net A")).verdict, want, "{rules}");
        let autodefined = ask(&snapshot, &Asked::parse("from 10.1.0.5 ip-10-1-9-9.ec2.internal A")).verdict;
        assert!(autodefined.starts_with("NOERROR") || autodefined.starts_with("NXDOMAIN"), "{rules}\n{autodefined}");
    }
    for broken in [recursive.replace("\".\"", "\"corp.example\""), rule("RECURSIVE", "target_ips = [\"10.9.9.9\"]")] {
        let problems = try_model(&(vpc(1, BOTH) + &broken)).map(|_| ()).unwrap_err();
        assert!(lines(&problems).contains("a RECURSIVE rule is for '.' alone"), "{}", lines(&problems));
    }
}

/// The address that asks, and whether none of the endpoint's is on this host.
fn asks_from(addresses: &str) -> (String, bool) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = socket.local_addr().unwrap();
    let upstream = thread::spawn(move || {
        let mut buf = [0; 1232];
        let (len, peer) = socket.recv_from(&mut buf).unwrap();
        let query = Message::from_vec(&buf[..len]).unwrap();
        let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
        reply.queries.clone_from(&query.queries);
        socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
        peer.ip().to_string()
    });
    let zones =
        vpc(1, BOTH) + &RULE.replace("\"10.9.9.9\", \"fd00::9\"", &format!("\"{target}\"")) + &endpoint(addresses);
    let snapshots = ServedSnapshot::fixed(Snapshot::compile(model(&zones), Policy::default(), 1));
    let resolver = Resolver::new(snapshots, Limits::default(), secret(), Arc::new(Counters::default()));
    let packet = plain("www.onprem.example.").to_vec().unwrap();
    let (peer, local) = (SocketAddr::from(([10, 1, 0, 5], 5353)), SocketAddr::from(([127, 0, 0, 1], 53)));
    let incoming = Incoming { packet: &packet, peer, local, transport: Transport::Udp, vpc: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(resolver.resolve(incoming)).unwrap();
    let reports = resolver.lookup().forwarder().report();
    (upstream.join().unwrap(), reports.iter().any(|report| report.source_missing))
}

#[test]
fn questions_leave_from_an_address_of_this_host() {
    assert_eq!(asks_from("\"127.0.0.77\""), ("127.0.0.77".to_owned(), false));
    assert_eq!(asks_from("\"192.0.2.77\", \"127.0.0.78\""), ("127.0.0.78".to_owned(), false));
    assert_eq!(asks_from("\"192.0.2.77\""), ("127.0.0.1".to_owned(), true));
}

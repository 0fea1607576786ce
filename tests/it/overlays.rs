//! Keys of our own over objects of other sources, and who sees a hosted zone.

use hickory_proto::op::Message;
use std::cell::LazyCell;

use crate::common::dir::Dir;
use crate::common::{BOTH, check, lines, policy, secret, try_model, vpc, world};
use vpcedns::answer::{Decision, NoTrace, Question, answer};
use vpcedns::dns::{NameBuf, Rtype};
use vpcedns::model::Model;
use vpcedns::snapshot::Snapshot;
use vpcedns::wire::{Frame, Query, encode};

const JSON: &str = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"}]}
{"Subnets": [{"SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.1.1.0/24"}]}
{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-0000000a", "SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.1.17"}]}
{"VpcEndpoints": [{"VpcEndpointId": "vpce-0000000a", "VpcEndpointType": "Interface", "VpcId": "vpc-00000001",
  "ServiceName": "com.amazonaws.us-east-1.sqs", "State": "available", "PrivateDnsEnabled": true, "NetworkInterfaceIds": ["eni-0000000a"]}]}
{"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}}"#;

const VPC_OVER: &str =
    "[[vpc]]\nvpc_id = \"vpc-00000001\"\nclients = [\"192.168.7.0/24\"]\nlisteners = [\"127.0.0.9:53\"]\n";
const ENDPOINT_OVER: &str = "[[vpc_endpoint]]\nvpc_endpoint_id = \"vpce-0000000a\"\nprivate_dns_mode = \"overlay\"\nprivate_dns_names = [\"queue.corp.example\"]\n";

fn snapshot(model: Option<Model>, problems: &str) -> Snapshot {
    Snapshot::compile(model.unwrap_or_else(|| panic!("{problems}")), policy(), 1)
}

const SQS: &str = "sqs.us-east-1.amazonaws.com A";
const PRIVATE: &str = "NOERROR | 60 A 10.1.1.17 | private name";
const STRANGER: &str = "REFUSED | your address is in no VPC and not in the allow list";

/// These files load without a problem, over what was there before, and answer so.
fn answers(dir: &mut Dir, files: &[(&str, &str)], table: &str) {
    dir.write(files);
    let (model, _, problems) = dir.load();
    assert_eq!(problems, "");
    check(&snapshot(model, &problems), table);
    dir.settle();
}

/// Over a VPC out of JSON, in every order of loads: with it, after it, and taken away again.
#[test]
fn listeners_and_clients_over_a_vpc_of_json() {
    let with = format!(
        "from 192.168.7.9 {SQS}\n  {PRIVATE} sqs.us-east-1.amazonaws.com of vpce-0000000a\nfrom 10.9.9.9 to 127.0.0.9:53 {SQS}\n  {PRIVATE} sqs.us-east-1.amazonaws.com of vpce-0000000a\n"
    );
    let without = format!(
        "from 192.168.7.9 {SQS}\n  {STRANGER}\nfrom 10.1.9.9 {SQS}\n  {PRIVATE} sqs.us-east-1.amazonaws.com of vpce-0000000a\n"
    );
    let mut dir = Dir::new();
    let (all, json): (&[_], &[_]) = (&[("a.json", JSON), ("over.toml", VPC_OVER)], &[("a.json", JSON)]);
    let changed = JSON.replace("10.1.0.0/16", "10.0.0.0/8");
    let both_changed: &[_] = &[("a.json", changed.as_str()), ("over.toml", VPC_OVER)];
    for (files, table) in [(all, &with), (json, &without), (all, &with), (both_changed, &with), (all, &with)] {
        answers(&mut dir, files, table);
    }
    // without what it lies over it is an error, and the last good state stays
    dir.write(&[("over.toml", VPC_OVER)]);
    let (model, _, problems) = dir.load();
    assert!(model.is_none());
    assert_eq!(
        problems.trim(),
        "over.toml:1:1: error: no other file has vpc-00000001, over which this lies\n  hint: region and cidr_blocks make it a VPC of its own; else add the output of `aws ec2 describe-vpcs`"
    );
}

#[test]
fn names_over_an_endpoint_of_json() {
    let over = format!(
        "from 10.1.9.9 queue.corp.example A\n  {PRIVATE} queue.corp.example of vpce-0000000a\nfrom 10.1.9.9 x.queue.corp.example A\n  FORWARD 192.0.2.53:53 | not ours: forwarded\nfrom 10.1.9.9 {SQS}\n  FORWARD 192.0.2.53:53 | not ours: forwarded\n"
    );
    let plain = format!(
        "from 10.1.9.9 queue.corp.example A\n  FORWARD 192.0.2.53:53 | not ours: forwarded\nfrom 10.1.9.9 {SQS}\n  {PRIVATE} sqs.us-east-1.amazonaws.com of vpce-0000000a\n"
    );
    let mut dir = Dir::new();
    let (all, json): (&[_], &[_]) = (&[("a.json", JSON), ("over.toml", ENDPOINT_OVER)], &[("a.json", JSON)]);
    let both: &[_] = &[("a.json", JSON), ("over.toml", ENDPOINT_OVER), ("vpc.toml", VPC_OVER)];
    for (files, table) in [(all, &over), (json, &plain), (all, &over), (both, &over), (json, &plain)] {
        answers(&mut dir, files, table);
    }
    dir.write(&[("over.toml", ENDPOINT_OVER)]);
    let (_, _, problems) = dir.load();
    assert!(
        problems.starts_with("over.toml:1:1: error: no other file has vpce-0000000a, over which this lies"),
        "{problems}"
    );
}

/// Attributes that no output has (`describe-vpc-attribute` is a call for each VPC) may lie over the VPC.
#[test]
fn attributes_over_a_vpc_of_json() {
    let json = JSON.lines().filter(|line| !line.contains("EnableDnsHostnames")).collect::<Vec<_>>().join("\n");
    let mut dir = Dir::new();
    dir.write(&[("a.json", &json), ("b.toml", "[[vpc]]\nvpc_id = \"vpc-00000001\"\nenable_dns_hostnames = true\n")]);
    let (model, _, problems) = dir.load();
    check(
        &snapshot(model, &problems),
        &format!("from 10.1.9.9 {SQS}\n  {PRIVATE} sqs.us-east-1.amazonaws.com of vpce-0000000a\n"),
    );
    let twice = [JSON_TOML, VPC_OVER, VPC_OVER].concat();
    let problems = lines(&try_model(&twice).unwrap_err());
    assert!(problems.contains("vpc-00000001 is declared twice"), "{problems}");
}

const JSON_TOML: &str = "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.1.0.0/16\"]\n";

#[test]
fn who_sees_a_hosted_zone() {
    let zone = |keys: &str| {
        let record = "records = [{ name = \"db\", type = \"A\", values = [\"10.9.9.9\"] }]";
        [vpc(1, BOTH), vpc(2, BOTH), format!("[[hosted_zone]]\nname = \"corp.example\"\n{keys}\n{record}\n")].concat()
    };
    for (keys, one, two, none) in [
        ("vpc_ids = [\"vpc-00000001\"]", true, false, false),
        ("vpc_ids = [\"*\"]", true, true, false),
        ("vpc_ids = [\"*\"]\nclients_of_no_vpc = true", true, true, true),
        ("vpc_ids = [\"vpc-00000002\"]\nclients_of_no_vpc = true", false, true, true),
        ("clients_of_no_vpc = true", false, false, true),
        ("vpc_ids = []", false, false, false),
        ("", false, false, false),
    ] {
        let line = |from: &str, seen: bool| {
            let told = if seen {
                "NOERROR | 300 A 10.9.9.9 | hosted zone corp.example"
            } else {
                "FORWARD 192.0.2.53:53 | not ours: forwarded"
            };
            format!("from {from} db.corp.example A\n  {told}\n")
        };
        let table = [line("10.1.0.5", one), line("10.2.0.5", two), line("127.0.0.1", none)].concat();
        println!("{keys}");
        check(&world(&zone(keys)), &table);
    }
    let mut dir = Dir::new();
    dir.write(&[("z.toml", &zone(""))]);
    let (_, _, problems) = dir.load();
    assert!(
        problems
            .contains("warning: a hosted zone without VPCs: nobody sees it\n  hint: name its VPCs; vpc_ids = [\"*\"]"),
        "{problems}"
    );
}

/// RFC 9471: a referral has the addresses of the servers below the cut, or it is truncated.
#[test]
fn referrals_have_glue_and_are_not_authoritative() {
    let records = [
        "{ name = \"lab\", type = \"NS\", values = [\"NS1.lab.corp.example\", \"ns2.lab.corp.example\", \"ns3.lab.corp.example\", \"ns.other.corp.example\"] },",
        "{ name = \"ns1.lab\", type = \"A\", values = [\"10.9.9.1\"] },",
        "{ name = \"ns2.lab\", type = \"A\", values = [\"10.9.9.2\"] },",
        "{ name = \"ns3.lab\", type = \"A\", values = [\"10.9.9.3\"] },",
        "{ name = \"ns.other\", type = \"AAAA\", values = [\"fd00::9\"] },",
    ];
    let records = records.join("\n");
    let text = format!(
        "{}[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [\n{records}\n]\n",
        vpc(1, BOTH)
    );
    let snapshot = world(&text);
    let name: vpcedns::dns::DnsName = "host.lab.corp.example".parse().unwrap();
    let buf = NameBuf::from(&name);
    let question = Question { name: buf.name(), rtype: Rtype::A, recursion_desired: false };
    let client = snapshot.client("127.0.0.1:53".parse().unwrap(), "10.1.0.5".parse().unwrap());
    let Decision::Reply(reply) = answer(&snapshot, client, &question, 0, &mut NoTrace) else { panic!() };
    let octets: Vec<u8> = name.wire().iter().copied().chain([0, 1, 0, 1]).collect();
    let query = Query {
        id: 1,
        recursion_desired: false,
        checking_disabled: false,
        authentic_data: false,
        question_octets: &octets,
        question,
        edns: None,
    };
    let secret = secret();
    for (limit, truncated, glue) in [(512, false, 4), (360, false, 3), (330, true, 2), (100, true, 0)] {
        let frame = Frame {
            limit,
            payload: 1232,
            aa: true,
            explain: true,
            secret: &secret,
            peer: [127, 0, 0, 1].into(),
            now: &LazyCell::new(|| 0),
        };
        let mut out = [0; 512];
        let len = encode(&query, &reply, &frame, &mut out);
        let message = Message::from_vec(&out[..len]).unwrap();
        assert!(!message.metadata.authoritative && len <= limit);
        let additional: Vec<String> = message.additionals.iter().map(ToString::to_string).collect();
        assert_eq!((message.metadata.truncation, additional.len()), (truncated, glue), "{limit}: {len} {additional:?}");
    }
}

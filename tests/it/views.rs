//! Several views of one object: outputs saved twice, and what a shared VPC's owner and its participants see.

use std::fs;

use crate::common::{check, lines, policy};
use vpcedns::dns::Rtype;
use vpcedns::explain::{Asker, explain};
use vpcedns::snapshot::Snapshot;
use vpcedns::source::Sources;

/// The snapshot of files, and what is wrong with them, without the directory.
#[track_caller]
fn load(files: &[(&str, &str)]) -> (Snapshot, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let loaded = Sources::of_files(vec![dir.path().to_owned()]).load(&|_, _| {});
    let problems = lines(&loaded.problems).replace(&format!("{}/", dir.path().display()), "");
    let model = loaded.model.unwrap_or_else(|| panic!("{problems}"));
    (Snapshot::compile(model, policy(), 1), problems)
}

const ATTRIBUTE: &str = r#"{"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}}"#;

fn vpcs(block: &str) -> String {
    format!(r#"{{"Vpcs": [{{"VpcId": "vpc-00000001", "CidrBlock": "{block}", "OwnerId": "111111111111"}}]}}"#)
}

fn subnets(zones: [(&str, &str); 2]) -> String {
    let subnet = |(id, (name, zone)): (u8, (&str, &str))| {
        format!(
            r#"{{"SubnetId": "subnet-0000000{id}", "VpcId": "vpc-00000001", "AvailabilityZone": "{name}", "AvailabilityZoneId": "{zone}",
  "CidrBlock": "10.1.{id}.0/24", "OwnerId": "111111111111"}}"#
        )
    };
    let all: Vec<String> = (1..).zip(zones).map(subnet).collect();
    format!(r#"{{"Subnets": [{}]}}"#, all.join(",\n"))
}

fn interfaces(owner: &str, zones: [&str; 2]) -> String {
    let one = |(id, zone): (u8, &str)| {
        format!(
            r#"{{"NetworkInterfaceId": "eni-0000000{id}", "SubnetId": "subnet-0000000{id}", "VpcId": "vpc-00000001",
  "AvailabilityZone": "{zone}", "PrivateIpAddress": "10.1.{id}.17", "OwnerId": "{owner}"}}"#
        )
    };
    let all: Vec<String> = (1..).zip(zones).map(one).collect();
    format!(r#"{{"NetworkInterfaces": [{}]}}"#, all.join(",\n"))
}

fn endpoint(owner: &str, state: &str, zones: &[&str]) -> String {
    let name =
        |zone: &str| format!(r#"{{"DnsName": "vpce-0000000a-abcd1234{zone}.sqs.us-east-1.vpce.amazonaws.com"}}"#);
    let names: Vec<String> = [""].iter().chain(zones).map(|zone| name(zone)).collect();
    format!(
        r#"{{"VpcEndpoints": [{{"VpcEndpointId": "vpce-0000000a", "VpcEndpointType": "Interface", "VpcId": "vpc-00000001",
  "ServiceName": "com.amazonaws.us-east-1.sqs", "State": "{state}", "PrivateDnsEnabled": true, "OwnerId": "{owner}",
  "NetworkInterfaceIds": ["eni-00000001", "eni-00000002"], "DnsEntries": [{}, {{"DnsName": "sqs.us-east-1.amazonaws.com"}}]}}]}}"#,
        names.join(", ")
    )
}

const OWN: &str = "vpce-0000000a-abcd1234";
const A_AND_B: [(&str, &str); 2] = [("us-east-1a", "use1-az1"), ("us-east-1b", "use1-az2")];
const B_AND_A: [(&str, &str); 2] = [("us-east-1b", "use1-az1"), ("us-east-1a", "use1-az2")];

/// An output that was saved twice says nothing new.
#[test]
fn the_same_output_twice_is_one_estate() {
    let all = [
        vpcs("10.1.0.0/16"),
        subnets(A_AND_B),
        interfaces("111111111111", ["us-east-1a", "us-east-1b"]),
        endpoint("111111111111", "available", &["-us-east-1a", "-us-east-1b"]),
        ATTRIBUTE.to_owned(),
    ]
    .join("\n");
    let (snapshot, problems) = load(&[("a.json", &all), ("b/copy.json", &all)]);
    assert_eq!(problems, "");
    check(
        &snapshot,
        "from 10.1.1.5 sqs.us-east-1.amazonaws.com A\n  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name sqs.us-east-1.amazonaws.com of vpce-0000000a\n",
    );
}

/// Of outputs that differ the later file holds, each with a warning that names both places.
#[test]
fn the_later_file_holds() {
    let common = [
        subnets(A_AND_B),
        interfaces("111111111111", ["us-east-1a", "us-east-1b"]),
        vpcs("10.1.0.0/16"),
        ATTRIBUTE.to_owned(),
    ];
    let (old, new) = (endpoint("111111111111", "pending", &[]), endpoint("111111111111", "deleting", &[]));
    let common = common.join("\n");
    let (snapshot, problems) = load(&[("0.json", &common), ("1.json", &old), ("2.json", &new)]);
    assert_eq!(
        problems.trim(),
        "2.json:1:19: warning: vpce-0000000a is here otherwise than at 1.json:1:19: State is deleting, there pending; this one holds, as the later one\n  \
         hint: remove the output that is out of date"
    );
    check(
        &snapshot,
        &format!(
            "from 10.1.1.5 {OWN}.sqs.us-east-1.vpce.amazonaws.com A\n  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000a is deleting\n"
        ),
    );
    let name = format!("{OWN}.sqs.us-east-1.vpce.amazonaws.com").parse().unwrap();
    let told = explain(&snapshot, Asker::address("10.1.1.5".parse().unwrap()), &name, Rtype::A);
    assert!(told.steps.last().unwrap().ends_with("the later one holds"), "{told:?}");
    let off = ATTRIBUTE.replace("true", "false");
    let (snapshot, problems) = load(&[("0.json", &common), ("1.json", &old), ("2.json", &off)]);
    assert!(
        problems.contains(
            "2.json:1:59: warning: EnableDnsHostnames of vpc-00000001 is false here and true in an earlier output"
        ),
        "{problems}"
    );
    assert!(!snapshot.model.vpcs()[0].enable_dns_hostnames);
}

/// VPC guide, "Share your VPC subnets with other accounts": the participant sees the owner's VPC and subnets, calls the zones
/// otherwise, and has an endpoint there whose zonal names have its own zones' names.
#[test]
fn a_shared_vpc_is_one_vpc() {
    let owner = [vpcs("10.1.0.0/16"), subnets(A_AND_B), ATTRIBUTE.to_owned()].join("\n");
    // what tells whose output this is: an endpoint that only its owner sees
    let owners_own = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-0000000b", "VpcEndpointType": "Gateway", "OwnerId": "111111111111"}]}"#;
    let participant = [
        vpcs("10.1.0.0/17"),
        subnets(B_AND_A),
        interfaces("222222222222", ["us-east-1b", "us-east-1a"]),
        endpoint("222222222222", "available", &["-us-east-1a", "-us-east-1b"]),
    ]
    .join("\n");
    for names in [["1-owner", "2-participant"], ["2-owner", "1-participant"]] {
        let [first, second] = names.map(|name| format!("{name}/all.json"));
        let gateway = format!("{}/endpoints.json", names[0]);
        let (snapshot, problems) = load(&[(&first, &owner), (&gateway, owners_own), (&second, &participant)]);
        assert_eq!(
            problems.trim(),
            format!(
                "{first}:1:11: warning: vpc-00000001 is here otherwise than at {second}:1:11: CidrBlock is 10.1.0.0/16, there 10.1.0.0/17; this one holds, as its owner's view\n  \
                 hint: remove the output that is out of date"
            )
        );
        check(
            &snapshot,
            &format!(
                "
from 10.1.200.5 sqs.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name sqs.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.1.5 {OWN}-us-east-1b.sqs.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
from 10.1.1.5 {OWN}-us-east-1a.sqs.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.2.17 | name of vpce-0000000a
"
            ),
        );
    }
    // the interface by the owner's view alone: the subnets that the participant sees tell what it calls the zones
    let owner = [owner, interfaces("222222222222", ["us-east-1a", "us-east-1b"])].join("\n");
    let participant =
        [vpcs("10.1.0.0/16"), subnets(B_AND_A), endpoint("222222222222", "available", &["-us-east-1a", "-us-east-1b"])]
            .join("\n");
    let (snapshot, problems) =
        load(&[("1/all.json", &owner), ("1/endpoints.json", owners_own), ("2/all.json", &participant)]);
    assert_eq!(problems, "");
    check(
        &snapshot,
        &format!(
            "from 10.1.1.5 {OWN}-us-east-1b.sqs.us-east-1.vpce.amazonaws.com A\n  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a\n"
        ),
    );
}

/// One zone by two names is no difference; two zones are.
#[test]
fn zones_are_joined_by_their_ids() {
    let files = |second: [(&str, &str); 2]| {
        let first = [vpcs("10.1.0.0/16"), ATTRIBUTE.to_owned(), subnets(A_AND_B)].join("\n");
        load(&[("1.json", &first), ("2.json", &subnets(second))]).1
    };
    assert_eq!(files(B_AND_A), "");
    let other = [("us-east-1a", "use1-az4"), ("us-east-1b", "use1-az2")];
    assert!(files(other).contains("subnet-00000001 is here otherwise than at 1.json"), "{}", files(other));
}

//! Route 53 Profiles: what a VPC sees of what others share, and which of several wins at a name.

use crate::common::dir::Dir;
use crate::common::{BOTH, check, endpoint, lines, policy, try_model, vpc, world};
use vpcedns::dns::Rtype;
use vpcedns::explain::{Asker, explain};
use vpcedns::snapshot::Snapshot;

const SQS: &str = "com.amazonaws.us-east-1.sqs";
const STS: &str = "com.amazonaws.us-east-1.sts";

/// A hub (1) whose endpoints and zones spokes (2 and 3) see, and a VPC without any Profile (4).
fn network() -> String {
    let vpcs: String = (1..=4).map(|n| vpc(n, BOTH)).collect();
    vpcs + &endpoint('a', 1, SQS, &["1.17", "2.17"], "") + &endpoint('b', 1, STS, &["1.18"], "")
}

const HUB: &str = r#"
[[profile]]
name = "hub"
vpc_ids = ["vpc-00000002", { vpc_id = "vpc-00000003", priority = 200 }]
vpc_endpoint_ids = ["vpce-0000000a"]
"#;

fn zone(name: &str, reach: &str, host: u8) -> String {
    format!(
        "[[hosted_zone]]\nname = \"{name}\"\n{reach}\nrecords = [{{ name = \"@\", type = \"A\", values = [\"10.9.9.{host}\"] }}]\n"
    )
}

fn rule(name: &str, reach: &str, host: u8) -> String {
    format!(
        "[[resolver_rule]]\ndomain_name = \"{name}\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"10.9.8.{host}\"]\n{reach}\n"
    )
}

fn system(name: &str, reach: &str) -> String {
    format!("[[resolver_rule]]\ndomain_name = \"{name}\"\nrule_type = \"SYSTEM\"\n{reach}\n")
}

const IN_HUB: &str = "profiles = [\"hub\"]";

#[test]
fn a_profile_shares_endpoints_zones_and_rules() {
    let toml = network() + HUB + &zone("corp.example", IN_HUB, 1) + &rule("onprem.example", IN_HUB, 1);
    let table = "\
from 10.2.0.5 sqs.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name sqs.us-east-1.amazonaws.com of vpce-0000000a
from 10.3.0.5 sqs.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name sqs.us-east-1.amazonaws.com of vpce-0000000a
from 10.3.0.5 sqs.us-east-1.amazonaws.com AAAA
  NOERROR | authority 60 SOA | private name sqs.us-east-1.amazonaws.com of vpce-0000000a
from 10.4.0.5 sqs.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 sts.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 corp.example A
  NOERROR | 300 A 10.9.9.1 | hosted zone corp.example
from 10.2.0.5 x.corp.example A
  NXDOMAIN | authority corp.example 60 SOA | not in hosted zone corp.example
from 10.1.0.5 corp.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 x.onprem.example A
  FORWARD 10.9.8.1:53 | FORWARD rule for onprem.example
from 10.4.0.5 x.onprem.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
";
    check(&world(&toml), table);
}

/// "The most specific name wins whoever has it; at one name: the VPC's rule, its zone or endpoint, the Profile with the lowest
/// priority, the other."
#[test]
fn which_of_several_wins_at_a_name() {
    let second = "[[profile]]\nname = \"second\"\nvpc_ids = [\"vpc-00000002\", \"vpc-00000003\"]\nvpc_endpoint_ids = [\"vpce-0000000d\"]\n";
    let (own, in_second) = ("vpc_ids = [\"vpc-00000002\"]", "profiles = [\"second\"]");
    let cases: &[(&[String], &str, &str, &str)] = &[
        // both have priority 100 in VPC 2, where the name decides; in VPC 3 the hub has 200
        (
            &[zone("z.example", IN_HUB, 1), zone("z.example", in_second, 2)],
            "z.example A",
            "300 A 10.9.9.1",
            "300 A 10.9.9.2",
        ),
        (&[zone("z.example", IN_HUB, 1), zone("z.example", own, 2)], "z.example A", "300 A 10.9.9.2", "300 A 10.9.9.1"),
        (
            &[zone("a.z.example", in_second, 1), zone("z.example", own, 2)],
            "a.z.example A",
            "300 A 10.9.9.1",
            "300 A 10.9.9.1",
        ),
        (&[zone("z.example", IN_HUB, 1), rule("z.example", own, 2)], "z.example A", "10.9.8.2:53", "300 A 10.9.9.1"),
        (&[rule("z.example", IN_HUB, 1), zone("z.example", own, 2)], "z.example A", "300 A 10.9.9.2", "10.9.8.1:53"),
        (&[rule("z.example", IN_HUB, 1), zone("z.example", IN_HUB, 2)], "z.example A", "10.9.8.1:53", "10.9.8.1:53"),
        (
            &[rule("z.example", in_second, 1), zone("z.example", IN_HUB, 2)],
            "z.example A",
            "300 A 10.9.9.2",
            "10.9.8.1:53",
        ),
        (&[rule("z.example", "", 1), rule("z.example", IN_HUB, 2)], "z.example A", "10.9.8.1:53", "10.9.8.1:53"),
        // a SYSTEM rule takes away what rules say, and no more
        (
            &[rule("z.example", IN_HUB, 1), zone("z.example", IN_HUB, 2), system("z.example", own)],
            "z.example A",
            "300 A 10.9.9.2",
            "10.9.8.1:53",
        ),
        // the VPC's own endpoint, and the Profile's where that one is over
        (&[endpoint('c', 2, SQS, &["1.20"], "")], "sqs.us-east-1.amazonaws.com A", "60 A 10.2.1.20", "60 A 10.4.1.21"),
        (
            &[endpoint('c', 2, SQS, &["1.20"], "state = \"deleted\"")],
            "sqs.us-east-1.amazonaws.com A",
            "60 A 10.1.1.17, 60 A 10.1.2.17",
            "60 A 10.4.1.21",
        ),
    ];
    for (more, question, in_2, in_3) in cases {
        let toml = network() + HUB + second + &endpoint('d', 4, SQS, &["1.21"], "") + &more.concat();
        let snapshot = world(&toml);
        for (client, want) in [("10.2.0.5", in_2), ("10.3.0.5", in_3)] {
            let asked = crate::common::Asked::parse(&format!("from {client} {question}"));
            let told = crate::common::ask(&snapshot, &asked).line();
            assert!(told.contains(*want), "{client} {question}: {told}, not {want}\n{}", more.concat());
        }
    }
}

#[test]
fn explain_says_which_profile() {
    let snapshot = world(&(network() + HUB + &zone("corp.example", IN_HUB, 1)));
    let steps = |name: &str| {
        let asker = Asker::address("10.2.0.5".parse().unwrap());
        explain(&snapshot, asker, &name.parse().unwrap(), Rtype::A).steps.join("\n")
    };
    assert!(steps("corp.example").contains("the Profile hub gives corp.example"), "{}", steps("corp.example"));
    let told = steps("sqs.us-east-1.amazonaws.com");
    assert!(told.contains("vpce-0000000a is in vpc-00000001, and shared by a Profile"), "{told}");
}

/// An endpoint that changes is seen by every VPC of its Profiles; settings of a Profile replace the VPC's.
#[test]
fn changes_and_settings_follow() {
    let mut dir = Dir::new();
    let endpoints = |host| {
        let vpcs: String = (1..=4).map(|n| vpc(n, BOTH)).collect();
        vpcs + &endpoint('a', 1, SQS, &[host], "private_dns_enabled = true")
    };
    dir.write(&[("a.toml", &endpoints("1.17")), ("hub.toml", HUB)]);
    let (model, _, problems) = dir.load();
    assert_eq!(problems, "");
    let first = Snapshot::compile(model.unwrap(), policy(), 1);
    let ask = |snapshot: &Snapshot, question: &str| {
        crate::common::ask(snapshot, &crate::common::Asked::parse(question)).line()
    };
    let sqs = "from 10.2.0.5 sqs.us-east-1.amazonaws.com A";
    assert!(ask(&first, sqs).contains("10.1.1.17"));
    dir.settle();
    let off = endpoints("1.17").replace("private_dns_enabled = true", "private_dns_enabled = false");
    dir.write(&[("a.toml", &off), ("hub.toml", HUB)]);
    let (model, changes, problems) = dir.load();
    assert_eq!(problems, "");
    let second = first.next(model.unwrap(), &changes);
    assert!(ask(&second, sqs).contains("FORWARD"), "{}", ask(&second, sqs));
    dir.settle();
    let without = HUB.replace("name", "autodefined_reverse = false\nname");
    dir.write(&[("a.toml", &endpoints("2.19")), ("hub.toml", &without)]);
    let (model, changes, problems) = dir.load();
    assert_eq!(problems, "");
    let third = second.next(model.unwrap(), &changes);
    assert!(ask(&third, sqs).contains("10.1.2.19"));
    let reverse = "from 10.2.0.5 19.2.1.10.in-addr.arpa PTR";
    assert!(ask(&second, reverse).contains("NXDOMAIN"), "{}", ask(&second, reverse));
    // the private range is special without it
    assert!(!ask(&third, reverse).contains("vpc-00000002"), "{}", ask(&third, reverse));
    // an own endpoint that comes later, with the Profile's settings still there
    dir.settle();
    let own = endpoints("2.19") + &endpoint('c', 2, SQS, &["1.20"], "");
    dir.write(&[("a.toml", &own), ("hub.toml", &without)]);
    let (model, changes, problems) = dir.load();
    assert_eq!(problems, "");
    let fourth = third.next(model.unwrap(), &changes);
    assert!(ask(&fourth, sqs).contains("10.2.1.20"));
    assert!(!ask(&fourth, reverse).contains("vpc-00000002"));
}

#[test]
fn what_a_profile_may_not_be() {
    let elsewhere = "[[vpc]]\nvpc_id = \"vpc-00000009\"\nregion = \"eu-west-1\"\ncidr_blocks = [\"10.99.0.0/16\"]\n";
    let profile = |name: &str, more: &str| format!("[[profile]]\nname = \"{name}\"\n{more}\n");
    let table = [
        (
            zone("z.example", "profiles = [\"hbu\"]", 1) + HUB,
            "the Profile 'hbu' does not exist\n  hint: did you mean 'hub'?",
        ),
        (rule("z.example", IN_HUB, 1), "the Profile 'hub' does not exist\n  hint: add a [[profile]]"),
        (profile("a", "vpc_ids = [\"vpc-0000000f\"]"), "the vpc ID 'vpc-0000000f' does not exist"),
        (profile("a", "vpc_endpoint_ids = [\"vpce-0000000f\"]"), "The Vpc Endpoint Id 'vpce-0000000f' does not exist"),
        (profile("a", "") + &profile("a", ""), "a is declared twice"),
        (profile("a", "vpc_ids = [\"vpc-00000001\", \"vpc-00000001\"]"), "vpc-00000001 is listed twice"),
        (profile("a", "vpc_ids = [{ vpc_id = \"vpc-00000001\", prio = 1 }]"), "unknown key 'prio'"),
        (profile("", ""), "a name cannot be empty"),
        (
            ["a", "b", "c"].map(|name| profile(name, "vpc_ids = [\"vpc-00000001\"]")).concat(),
            "vpc-00000001 has more than two Profiles",
        ),
        (
            profile("a", "vpc_ids = [\"vpc-00000009\"]\nvpc_endpoint_ids = [\"vpce-0000000a\"]"),
            "the Profile a is of eu-west-1, and vpce-0000000a is in us-east-1",
        ),
        (
            HUB.to_owned() + &zone("z.example", IN_HUB, 1) + &zone("z.example", IN_HUB, 2),
            "two hosted zones named z.example for the same VPC",
        ),
        (HUB.to_owned() + &rule("z.example", IN_HUB, 1) + &rule("z.example", IN_HUB, 2), "two rules for z.example"),
    ];
    for (more, want) in table {
        let problems = try_model(&(network() + elsewhere + &more)).map(|_| ()).unwrap_err();
        let said = lines(&problems);
        assert!(said.contains(want), "{said}\n{more}");
    }
}

/// Outputs with the members of botocore's model, as the AWS CLI prints them.
const PROFILES: &str = r#"{"ProfileSummaries": [{"Id": "rp-4987774726example", "Name": "hub", "ShareStatus": "SHARED_WITH_ME",
  "Arn": "arn:aws:route53profiles:us-east-1:111122223333:profile/rp-4987774726example"}]}
{"ProfileAssociations": [
  {"Id": "rpassoc-489ce212fexample", "Name": "spoke", "OwnerId": "123456789012", "ProfileId": "rp-4987774726example",
   "ResourceId": "vpc-00000002", "Status": "COMPLETE", "StatusMessage": "Created Profile Association",
   "CreationTime": 1710851336.527, "ModificationTime": 1710851410.122, "Priority": 100},
  {"Id": "rpassoc-489ce212fexampl2", "Name": "gone", "OwnerId": "123456789012", "ProfileId": "rp-4987774726example",
   "ResourceId": "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-00000001", "Status": "DELETING"},
  {"Id": "rpassoc-489ce212fexampl3", "Name": "far", "OwnerId": "123456789013", "ProfileId": "rp-4987774726example",
   "ResourceId": "vpc-0ffffffffffffffff", "Status": "COMPLETE"}]}
{"ProfileResourceAssociations": [
  {"Id": "rpr-001913120a7example", "Name": "zone", "OwnerId": "111122223333", "ProfileId": "rp-4987774726example",
   "ResourceArn": "arn:aws:route53:::hostedzone/Z0PRIVATE", "ResourceType": "PRIVATE_HOSTED_ZONE", "Status": "COMPLETE"},
  {"Id": "rpr-001913120a8example", "Name": "rule", "OwnerId": "111122223333", "ProfileId": "rp-4987774726example",
   "ResourceArn": "arn:aws:route53resolver:us-east-1:111122223333:resolver-rule/rslvr-rr-1", "ResourceType": "RESOLVER_RULE", "Status": "COMPLETE"},
  {"Id": "rpr-001913120a9example", "Name": "sqs", "OwnerId": "111122223333", "ProfileId": "rp-4987774726example",
   "ResourceArn": "arn:aws:ec2:us-east-1:111122223333:vpc-endpoint/vpce-0000000a", "ResourceType": "VPC_ENDPOINT", "Status": "COMPLETE"},
  {"Id": "rpr-001913120b0example", "Name": "far", "OwnerId": "111122223333", "ProfileId": "rp-4987774726example",
   "ResourceArn": "arn:aws:ec2:us-east-1:111122223333:vpc-endpoint/vpce-0fffffffffffffff1", "ResourceType": "VPC_ENDPOINT", "Status": "COMPLETE"},
  {"Id": "rpr-001913120b1example", "Name": "fw", "OwnerId": "111122223333", "ProfileId": "rp-4987774726example",
   "ResourceArn": "arn:aws:route53resolver:us-east-1:111122223333:firewall-rule-group/rslvr-frg-1", "ResourceType": "FIREWALL_RULE_GROUP",
   "ResourceProperties": "{\"priority\":102}", "Status": "COMPLETE"}], "NextToken": null}"#;

const ESTATE: &str = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"},
  {"VpcId": "vpc-00000002", "CidrBlock": "10.2.0.0/16", "Region": "us-east-1"}]}
{"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}} {"VpcId": "vpc-00000002", "EnableDnsHostnames": {"Value": true}}
{"Subnets": [{"SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.1.1.0/24"}]}
{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-0000000a", "SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.1.17"}]}
{"VpcEndpoints": [{"VpcEndpointId": "vpce-0000000a", "VpcEndpointType": "Interface", "VpcId": "vpc-00000001",
  "ServiceName": "com.amazonaws.us-east-1.sqs", "State": "available", "PrivateDnsEnabled": true, "NetworkInterfaceIds": ["eni-0000000a"]}]}
{"HostedZones": [{"Id": "/hostedzone/Z0PRIVATE", "Name": "corp.example.", "CallerReference": "x", "Config": {"PrivateZone": true}, "ResourceRecordSetCount": 4}]}
{"ResourceRecordSets": [
  {"Name": "corp.example.", "Type": "NS", "TTL": 172800, "ResourceRecords": [{"Value": "ns-0.awsdns-00.com."}]},
  {"Name": "corp.example.", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": "ns-1536.awsdns-00.co.uk. a. 1 7200 900 1209600 86400"}]},
  {"Name": "l.corp.example.", "Type": "A", "TTL": 300, "SetIdentifier": "us", "Region": "us-east-1", "ResourceRecords": [{"Value": "10.9.9.1"}]},
  {"Name": "l.corp.example.", "Type": "A", "TTL": 300, "SetIdentifier": "eu", "Region": "eu-west-1", "ResourceRecords": [{"Value": "10.9.9.2"}]}]}
{"ResolverRules": [{"Id": "rslvr-rr-1", "DomainName": "onprem.example.", "RuleType": "FORWARD", "TargetIps": [{"Ip": "10.9.8.1", "Port": 53}]}]}
{"ResolverConfigs": [{"Id": "rdsc-1", "ResourceId": "rp-4987774726example", "OwnerId": "111122223333", "AutodefinedReverse": "DISABLED"}]}"#;

#[test]
fn outputs_of_profiles_are_read_as_they_are() {
    let mut dir = Dir::new();
    dir.write(&[("estate.json", ESTATE), ("profiles.json", PROFILES)]);
    let (model, _, problems) = dir.load();
    assert!(problems.contains("vpce-0fffffffffffffff1, which a Profile shares, is in no output"), "{problems}");
    assert!(problems.contains("1 DNS Firewall rule groups of Profiles are not applied"), "{problems}");
    assert_eq!(problems.matches("warning").count(), 2, "{problems}");
    let snapshot = Snapshot::compile(model.unwrap(), policy(), 1);
    let table = "\
from 10.2.0.5 sqs.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name sqs.us-east-1.amazonaws.com of vpce-0000000a
from 10.2.0.5 l.corp.example A
  NOERROR | 300 A 10.9.9.1 | hosted zone corp.example
from 10.2.0.5 onprem.example A
  FORWARD 10.9.8.1:53 | FORWARD rule for onprem.example
from 10.1.0.5 onprem.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 l.corp.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
";
    check(&snapshot, table);
    let view = snapshot.client_of("vpc-00000002".parse().unwrap()).view;
    assert!(!view.vpc.as_ref().unwrap().autodefined_reverse, "the Profile's configuration replaces the VPC's");
    let told =
        explain(&snapshot, Asker::Vpc("vpc-00000002".parse().unwrap()), &"l.corp.example".parse().unwrap(), Rtype::A);
    assert!(told.steps.iter().any(|step| step == "the Profile hub gives corp.example"), "{told:?}");
}

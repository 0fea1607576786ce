//! Route 53's own outputs, as the AWS CLI prints them: zones, record sets with every routing policy, rules.

use std::fs;

use crate::common::{check, lines, policy};
use vpcedns::snapshot::Snapshot;
use vpcedns::source::Sources;

/// The snapshot of files, and what is wrong with them, without the directory.
#[track_caller]
pub(crate) fn load(files: &[(&str, &str)]) -> (Snapshot, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let loaded = Sources::of_files(vec![dir.path().to_owned()]).load(&|_, _| {});
    let problems = lines(&loaded.problems).replace(&format!("{}/", dir.path().display()), "");
    let model = loaded.model.unwrap_or_else(|| panic!("{problems}"));
    (Snapshot::compile(model, policy(), 1), problems)
}

pub(crate) const NETWORK: &str = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"},
  {"VpcId": "vpc-00000002", "CidrBlock": "10.2.0.0/16", "Region": "eu-west-1"}]}
{"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}}
{"VpcId": "vpc-00000002", "EnableDnsHostnames": {"Value": true}}
{"Subnets": [{"SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.1.1.0/24"}]}
{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-0000000a", "SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.1.17"}]}
{"VpcEndpoints": [{"VpcEndpointId": "vpce-0000000a", "VpcEndpointType": "Interface", "VpcId": "vpc-00000001",
  "ServiceName": "com.amazonaws.us-east-1.sqs", "State": "available", "PrivateDnsEnabled": false, "NetworkInterfaceIds": ["eni-0000000a"],
  "DnsEntries": [{"DnsName": "vpce-0000000a-abcd1234.sqs.us-east-1.vpce.amazonaws.com", "HostedZoneId": "Z7HUB22UULQXV"},
    {"DnsName": "vpce-0000000a-abcd1234-us-east-1a.sqs.us-east-1.vpce.amazonaws.com", "HostedZoneId": "Z7HUB22UULQXV"}]}]}"#;

pub(crate) const ZONE: &str = r#"{"HostedZone": {"Id": "/hostedzone/Z0PRIVATE", "Name": "corp.example.", "CallerReference": "x",
    "Config": {"Comment": "", "PrivateZone": true}, "ResourceRecordSetCount": 3},
  "VPCs": [{"VPCRegion": "us-east-1", "VPCId": "vpc-00000001"}, {"VPCRegion": "eu-west-1", "VPCId": "vpc-00000002"},
    {"VPCRegion": "us-west-2", "VPCId": "vpc-0000000f"}]}"#;

/// The output of `list-resource-record-sets` for a private zone with these record sets behind those of its apex.
pub(crate) fn records(sets: &[&str]) -> String {
    let apex = r#"{"Name": "corp.example.", "Type": "NS", "TTL": 172800, "ResourceRecords": [{"Value": "ns-1536.awsdns-00.co.uk."},
        {"Value": "ns-0.awsdns-00.com."}, {"Value": "ns-1024.awsdns-00.org."}, {"Value": "ns-512.awsdns-00.net."}]},
      {"Name": "corp.example.", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value":
        "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}]}"#;
    let all: Vec<&str> = [apex].iter().chain(sets).copied().collect();
    format!("{{\"ResourceRecordSets\": [{}]}}", all.join(",\n"))
}

pub(crate) fn values(name: &str, rtype: &str, values: &[&str], extra: &str) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{{\"Value\": {value:?}}}")).collect();
    format!(
        "{{\"Name\": \"{name}\", \"Type\": \"{rtype}\", \"TTL\": 300, {extra} \"ResourceRecords\": [{}]}}",
        values.join(", ")
    )
}

pub(crate) fn alias(name: &str, rtype: &str, target: &str, zone: &str) -> String {
    format!(
        "{{\"Name\": \"{name}\", \"Type\": \"{rtype}\", \"AliasTarget\": {{\"HostedZoneId\": \"{zone}\", \"DNSName\": \"{target}\", \"EvaluateTargetHealth\": false}}}}"
    )
}

/// Each record set with the answer of a client in us-east-1, and of one in eu-west-1.
#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn record_sets_answer_as_in_route_53() {
    let set = |id: &str, more: &str| format!("\"SetIdentifier\": \"{id}\", {more},");
    let endpoint = "vpce-0000000a-abcd1234.sqs.us-east-1.vpce.amazonaws.com.";
    let host = |n: u8| format!("10.9.9.{n}");
    let hosts: Vec<String> = (1..=10).map(host).collect();
    let many: Vec<String> = (1u8..)
        .zip(&hosts)
        .map(|(n, host)| {
            values("multi.corp.example.", "A", &[host], &set(&n.to_string(), "\"MultiValueAnswer\": true"))
        })
        .collect();
    let ok = |records: &str| format!("NOERROR | {records} | hosted zone corp.example");
    let elsewhere =
        "SERVFAIL | hosted zone corp.example has it, by an alias or a routing policy that is not known here".to_owned();
    let eight: Vec<String> = hosts.iter().take(8).map(|host| format!("300 A {host}")).collect();
    let weighted = |name: &str, id: &str, weight: u8, host: &str| {
        values(name, "A", &[host], &set(id, &format!("\"Weight\": {weight}")))
    };
    let latency = |name: &str, region: &str, host: &str| {
        values(name, "A", &[host], &set(region, &format!("\"Region\": \"{region}\"")))
    };
    let geo = |id: &str, place: &str, host: &str| {
        values("geo.corp.example.", "A", &[host], &set(id, &format!("\"GeoLocation\": {{{place}}}")))
    };
    let table: Vec<(Vec<String>, &str, String, String)> = [
        (vec![values("db.corp.example.", "A", &["10.9.9.9"], "")], "db.corp.example A", ok("300 A 10.9.9.9")),
        (
            vec![values("\\\\052.w.corp.example.", "A", &["10.9.9.9"], "")],
            "x.w.corp.example A",
            "NOERROR | 300 A 10.9.9.9 | wildcard of hosted zone corp.example".into(),
        ),
        (
            vec![values("t.corp.example.", "TXT", &["\"a b\" \"c\\344\""], "")],
            "t.corp.example A",
            "NOERROR | authority corp.example 60 SOA | hosted zone corp.example".into(),
        ),
        (
            vec![values("c.corp.example.", "CNAME", &["www.example.net"], "")],
            "c.corp.example CNAME",
            ok("300 CNAME www.example.net"),
        ),
        (
            vec![alias("q.corp.example.", "A", endpoint, "Z7HUB22UULQXV")],
            "q.corp.example A",
            "NOERROR | 60 A 10.1.1.17 | alias of hosted zone corp.example to vpce-0000000a".into(),
        ),
        (
            vec![
                alias(
                    "z.corp.example.",
                    "A",
                    "vpce-0000000a-abcd1234-us-east-1a.sqs.us-east-1.vpce.amazonaws.com.",
                    "Z7HUB22UULQXV",
                ),
                alias("z.corp.example.", "AAAA", endpoint, "Z7HUB22UULQXV"),
            ],
            "z.corp.example A",
            "NOERROR | 60 A 10.1.1.17 | alias of hosted zone corp.example to vpce-0000000a".into(),
        ),
        (
            vec![
                alias("in.corp.example.", "A", "db.corp.example.", "Z0PRIVATE"),
                values("db.corp.example.", "A", &["10.9.9.9"], ""),
            ],
            "in.corp.example A",
            ok("300 A 10.9.9.9"),
        ),
        (
            vec![
                alias("r.corp.example.", "A", "r2.corp.example.", "Z0PRIVATE"),
                alias("r2.corp.example.", "A", "r.corp.example.", "Z0PRIVATE"),
            ],
            "r.corp.example A",
            elsewhere.clone(),
        ),
        (
            vec![alias("lb.corp.example.", "A", "internal-web-1.us-east-1.elb.amazonaws.com.", "Z35SXDOTRQ7X7K")],
            "lb.corp.example A",
            elsewhere.clone(),
        ),
        (
            vec![alias(
                "g.corp.example.",
                "A",
                "vpce-0000000f-abcd1234.sqs.us-east-1.vpce.amazonaws.com.",
                "Z7HUB22UULQXV",
            )],
            "g.corp.example A",
            elsewhere.clone(),
        ),
        (
            vec![alias(
                "g.corp.example.",
                "A",
                "vpce-0000000a-abcd1234-us-east-1f.sqs.us-east-1.vpce.amazonaws.com.",
                "Z7HUB22UULQXV",
            )],
            "g.corp.example A",
            elsewhere.clone(),
        ),
        (many, "multi.corp.example A", ok(&eight.join(", "))),
        (
            vec![weighted("w1.corp.example.", "a", 0, "10.9.9.1"), weighted("w1.corp.example.", "b", 10, "10.9.9.2")],
            "w1.corp.example A",
            ok("300 A 10.9.9.2"),
        ),
        (
            vec![weighted("w2.corp.example.", "a", 5, "10.9.9.1"), weighted("w2.corp.example.", "b", 10, "10.9.9.2")],
            "w2.corp.example A",
            ok("300 A 10.9.9.1"),
        ),
        (
            vec![
                values("w3.corp.example.", "CNAME", &["x.example."], &set("a", "\"Weight\": 7")),
                values("w3.corp.example.", "CNAME", &["y.example."], &set("b", "\"Weight\": 7")),
            ],
            "w3.corp.example CNAME",
            ok("300 CNAME x.example"),
        ),
        (
            vec![
                weighted("w4.corp.example.", "a", 7, "10.9.9.1"),
                alias("w4.corp.example.", "A", endpoint, "Z7HUB22UULQXV")
                    .replace("\"Type\"", "\"SetIdentifier\": \"b\", \"Weight\": 7, \"Type\""),
            ],
            "w4.corp.example A",
            elsewhere.clone(),
        ),
        (
            vec![
                values("f.corp.example.", "A", &["10.9.9.2"], &set("s", "\"Failover\": \"SECONDARY\"")),
                values("f.corp.example.", "A", &["10.9.9.1"], &set("p", "\"Failover\": \"PRIMARY\"")),
            ],
            "f.corp.example A",
            ok("300 A 10.9.9.1"),
        ),
        (
            vec![geo("de", "\"CountryCode\": \"DE\"", "10.9.9.1"), geo("d", "\"CountryCode\": \"*\"", "10.9.9.2")],
            "geo.corp.example A",
            ok("300 A 10.9.9.2"),
        ),
        (
            vec![values("p.corp.example.", "A", &["10.9.9.1"], &set("x", "\"GeoProximityLocation\": {\"Bias\": 0}"))],
            "p.corp.example A",
            elsewhere.clone(),
        ),
        (
            vec![
                values("spf.corp.example.", "SPF", &["\"v=spf1 -all\""], ""),
                values("spf.corp.example.", "DS", &["1 13 2 00ff"], ""),
            ],
            "spf.corp.example MX",
            "NOERROR | authority corp.example 60 SOA | hosted zone corp.example".into(),
        ),
        (
            vec![values("sub.corp.example.", "NS", &["ns1.sub.corp.example."], "")],
            "x.sub.corp.example A",
            "SERVFAIL | delegated by hosted zone corp.example to others, who are not asked".into(),
        ),
        (
            vec![],
            "none.corp.example A",
            "NXDOMAIN | authority corp.example 60 SOA | not in hosted zone corp.example".into(),
        ),
        (vec![], "corp.example NS", "NOERROR".into()),
    ]
    .into_iter()
    .map(|(sets, question, answer)| (sets, question, answer.clone(), answer))
    .chain([
        (
            vec![
                latency("l.corp.example.", "us-east-1", "10.9.9.1"),
                latency("l.corp.example.", "eu-west-1", "10.9.9.2"),
            ],
            "l.corp.example A",
            ok("300 A 10.9.9.1"),
            ok("300 A 10.9.9.2"),
        ),
        (
            vec![
                geo("eu", "\"ContinentCode\": \"EU\"", "10.9.9.1"),
                geo("us", "\"CountryCode\": \"US\"", "10.9.9.2"),
                geo("virginia", "\"CountryCode\": \"US\", \"SubdivisionCode\": \"VA\"", "10.9.9.3"),
                geo("oregon", "\"CountryCode\": \"US\", \"SubdivisionCode\": \"OR\"", "10.9.9.4"),
                geo("all", "\"CountryCode\": \"*\"", "10.9.9.5"),
            ],
            "geo.corp.example A",
            ok("300 A 10.9.9.3"),
            ok("300 A 10.9.9.1"),
        ),
        (
            vec![
                geo("oregon", "\"CountryCode\": \"US\", \"SubdivisionCode\": \"OR\"", "10.9.9.1"),
                geo("north", "\"ContinentCode\": \"NA\"", "10.9.9.2"),
                geo("ireland", "\"CountryCode\": \"IE\"", "10.9.9.3"),
                geo("eu", "\"ContinentCode\": \"EU\"", "10.9.9.4"),
            ],
            "geo.corp.example A",
            ok("300 A 10.9.9.2"),
            ok("300 A 10.9.9.3"),
        ),
        (
            vec![geo("eu", "\"ContinentCode\": \"EU\"", "10.9.9.1")],
            "geo.corp.example A",
            "NOERROR | authority corp.example 60 SOA | hosted zone corp.example".to_owned(),
            ok("300 A 10.9.9.1"),
        ),
        (
            vec![
                latency("l.corp.example.", "us-east-1", "10.9.9.1"),
                values("db.corp.example.", "A", &["10.9.9.9"], ""),
            ],
            "l.corp.example A",
            ok("300 A 10.9.9.1"),
            elsewhere,
        ),
    ])
    .collect();
    for (sets, question, us, eu) in table {
        let all: Vec<&str> = sets.iter().map(String::as_str).collect();
        let (snapshot, problems) = load(&[("a.json", NETWORK), ("zone.json", ZONE), ("records.json", &records(&all))]);
        for (client, want) in [("10.1.0.5", us), ("10.2.0.5", eu)] {
            let asked = crate::common::Asked::parse(&format!("from {client} {question}"));
            let told = crate::common::ask(&snapshot, &asked).line();
            assert!(
                told == want || (want == "NOERROR" && told.starts_with("NOERROR")),
                "{question} from {client}:\n{told}\n{want}\n{problems}"
            );
            // what cannot be answered is said when it is read
            assert!(
                !want.contains("has it, by an alias") || problems.contains("answered with SERVFAIL"),
                "{question}: {problems}"
            );
        }
        // never to the outside
        check(&snapshot, "from 127.0.0.1 db.corp.example A\n  FORWARD 192.0.2.53:53 | not ours: forwarded\n");
    }
}

/// What is missing is a warning, and the zone says nothing: half of it would deny names that exist.
#[test]
fn zones_that_are_not_whole_are_not_told() {
    let sets = records(&[&values("db.corp.example.", "A", &["10.9.9.9"], "")]);
    let list = r#"{"HostedZones": [{"Id": "/hostedzone/Z0PRIVATE", "Name": "corp.example.", "Config": {"PrivateZone": true}, "ResourceRecordSetCount": 3},
        {"Id": "/hostedzone/Z0PUBLIC", "Name": "example.com.", "Config": {"PrivateZone": false}, "ResourceRecordSetCount": 3}]}"#;
    let public = sets.replace("awsdns-00", "awsdns-17");
    let truncated = sets.replace(
        "{\"ResourceRecordSets\"",
        "{\"IsTruncated\": true, \"NextRecordName\": \"x\", \"ResourceRecordSets\"",
    );
    let foreign = ZONE.replace("vpc-00000001", "vpc-0000000d").replace("vpc-00000002", "vpc-0000000e");
    for (files, said) in [
        (
            vec![("z.json", ZONE)],
            "no whole list-resource-record-sets output for the private zone corp.example (Z0PRIVATE): its names are answered with SERVFAIL",
        ),
        (vec![("z.json", ZONE), ("r.json", truncated.as_str())], "no whole list-resource-record-sets output"),
        (vec![("z.json", ZONE), ("r.json", public.as_str())], "no whole list-resource-record-sets output"),
        (
            vec![("z.json", list), ("r.json", sets.as_str())],
            "no output tells the VPCs of the private zone corp.example (Z0PRIVATE): it is left out",
        ),
        (
            vec![("z.json", foreign.as_str()), ("r.json", sets.as_str())],
            "the private zone corp.example is of VPCs that no output has (vpc-0000000d, vpc-0000000e, vpc-0000000f): nobody sees it",
        ),
        (vec![("r.json", sets.as_str())], ""),
        (vec![("z.json", list), ("y.json", ZONE), ("r.json", sets.as_str())], ""),
    ] {
        let files: Vec<(&str, &str)> = [("a.json", NETWORK)].into_iter().chain(files).collect();
        let (snapshot, problems) = load(&files);
        assert!(problems.contains(said) && problems.is_empty() == said.is_empty(), "{said}\n{problems}");
        let told = snapshot.model.hosted_zones().iter().filter(|zone| zone.is_told).count();
        assert!(told == usize::from(files.len() == 4), "{problems}");
    }
}

#[test]
fn rules_hold_for_the_vpcs_they_are_associated_with() {
    let rules = r#"{"ResolverRules": [
      {"Id": "rslvr-rr-1", "DomainName": "onprem.example.", "RuleType": "FORWARD", "Status": "COMPLETE", "ResolverEndpointId": "rslvr-out-1",
       "TargetIps": [{"Ip": "192.0.2.9", "Port": 53, "Protocol": "Do53"}, {"Ip": "192.0.2.10", "Port": 5353}, {"Ipv6": "2001:db8::9", "Port": 53}]},
      {"Id": "rslvr-rr-2", "DomainName": "doh.example.", "RuleType": "FORWARD",
       "TargetIps": [{"Ip": "192.0.2.11", "Port": 443, "Protocol": "DoH", "ServerNameIndication": "dns.corp.example"}]},
      {"Id": "rslvr-rr-3", "DomainName": "public.onprem.example.", "RuleType": "SYSTEM"},
      {"Id": "rslvr-rr-4", "DomainName": "idle.example.", "RuleType": "FORWARD", "TargetIps": [{"Ip": "192.0.2.12", "Port": 53}]},
      {"Id": "rslvr-autodefined-rr-internet-resolver", "DomainName": ".", "RuleType": "RECURSIVE", "OwnerId": "Route 53 Resolver"}]}
    {"ResolverRuleAssociations": [
      {"Id": "rslvr-rrassoc-1", "ResolverRuleId": "rslvr-rr-1", "VPCId": "vpc-00000001", "Status": "COMPLETE"},
      {"Id": "rslvr-rrassoc-2", "ResolverRuleId": "rslvr-rr-2", "VPCId": "vpc-00000001", "Status": "COMPLETE"},
      {"Id": "rslvr-rrassoc-3", "ResolverRuleId": "rslvr-rr-3", "VPCId": "vpc-00000001", "Status": "COMPLETE"},
      {"Id": "rslvr-rrassoc-4", "ResolverRuleId": "rslvr-rr-1", "VPCId": "vpc-0000000f", "Status": "COMPLETE"},
      {"Id": "rslvr-rrassoc-5", "ResolverRuleId": "rslvr-autodefined-rr-internet-resolver", "VPCId": "vpc-00000001"}]}
    {"ResolverConfig": {"Id": "rslvr-rc-1", "ResourceId": "vpc-00000002", "OwnerId": "111111111111", "AutodefinedReverse": "DISABLED"}}"#;
    let (snapshot, problems) = load(&[("a.json", NETWORK), ("rules.json", rules), ("copy.json", rules)]);
    assert_eq!(problems, "");
    assert_eq!(snapshot.model.rules().len(), 3);
    check(
        &snapshot,
        "
from 10.1.0.5 x.onprem.example A
  FORWARD 192.0.2.9:53 192.0.2.10:5353 [2001:db8::9]:53 | FORWARD rule for onprem.example
from 10.1.0.5 public.onprem.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 idle.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 x.onprem.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 9.9.2.10.in-addr.arpa PTR
  NXDOMAIN | authority 10.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
",
    );
    let asked = crate::common::Asked::parse("from 10.1.0.5 x.doh.example A");
    let told = crate::common::ask(&snapshot, &asked).verdict;
    assert!(told.starts_with("FORWARD https://dns.corp.example"), "{told}");
}

/// Resolver's DNSSEC configurations: of a VPC, and of a Profile for its VPCs; what a Profile leaves to the VPC is the VPC's.
#[test]
fn dnssec_configurations_say_for_whom_replies_are_validated() {
    let config = |resource: &str, status: &str| {
        format!(
            r#"{{"Id": "rdsc-1", "OwnerId": "111111111111", "ResourceId": "{resource}", "ValidationStatus": "{status}"}}"#
        )
    };
    let profile = r#"{"ProfileAssociations": [{"Id": "rpassoc-1", "ProfileId": "rp-1", "ResourceId": "vpc-00000001", "Status": "COMPLETE"}]}"#;
    let one = |one: String| format!("{{\"ResolverDNSSECConfig\": {one}}}");
    let list = |all: &[String]| format!("{{\"ResolverDnssecConfigs\": [{}]}}", all.join(", "));
    let validated = |files: &[(&str, &str)]| {
        let (snapshot, problems) = load(&[&[("a.json", NETWORK)], files].concat());
        assert_eq!(problems, "");
        [1, 2].map(|n| {
            let client = snapshot.client_of(format!("vpc-0000000{n}").parse().unwrap());
            snapshot.validates(&client, &snapshot.policy.upstreams)
        })
    };
    assert_eq!(validated(&[]), [false, false], "as AWS has it");
    let on = list(&[config("vpc-00000001", "ENABLED"), config("vpc-00000002", "DISABLED")]);
    assert_eq!(validated(&[("d.json", &on)]), [true, false]);
    assert_eq!(validated(&[("d.json", &one(config("vpc-00000002", "ENABLING")))]), [false, true]);
    let by_profile = list(&[config("vpc-00000002", "ENABLED"), config("rp-1", "ENABLED")]);
    assert_eq!(validated(&[("d.json", &by_profile), ("p.json", profile)]), [true, true]);
    let left = list(&[config("vpc-00000001", "ENABLED"), config("rp-1", "USE_LOCAL_RESOURCE_SETTING")]);
    assert_eq!(validated(&[("d.json", &left), ("p.json", profile)]), [true, false]);
    let off = list(&[config("vpc-00000001", "ENABLED"), config("rp-1", "DISABLED")]);
    assert_eq!(validated(&[("d.json", &off), ("p.json", profile)]), [false, false]);
}

/// Outputs that change no answer are known all the same; an inbound endpoint is said not to be served.
#[test]
fn resolver_endpoints_are_known() {
    let endpoints = |direction: &str| {
        format!(
            r#"{{"MaxResults": 10, "ResolverEndpoints": [{{"Id": "rslvr-x-1", "Direction": "{direction}", "HostVPCId": "vpc-00000001", "IpAddressCount": 2}}]}}
            {{"MaxResults": 10, "IpAddresses": [{{"IpId": "rni-1", "SubnetId": "subnet-0000000a", "Ip": "10.1.1.9", "Status": "ATTACHED"}}]}}
            {{"ResolverConfigs": [{{"Id": "rslvr-rc-1", "ResourceId": "vpc-00000001", "AutodefinedReverse": "DISABLED"}}]}}"#
        )
    };
    let (snapshot, problems) = load(&[("a.json", NETWORK), ("e.json", &endpoints("OUTBOUND"))]);
    assert_eq!(problems, "");
    assert!(!snapshot.model.vpcs()[0].autodefined_reverse && snapshot.model.vpcs()[1].autodefined_reverse);
    let (_, problems) = load(&[("a.json", NETWORK), ("e.json", &endpoints("INBOUND"))]);
    let said = "e.json:1:42: warning: the addresses of the inbound resolver endpoint rslvr-x-1 are AWS's\n  hint: add a [[resolver_endpoint]] with direction = \"INBOUND\"";
    assert!(problems.starts_with(said), "{problems}");
}

/// Route 53 guide, "Weighted routing": as often as the weights say; 0 is never, unless all are.
#[test]
fn weights_are_shares_of_the_answers() {
    for (weights, want) in [
        (&[1u8, 3][..], &[25, 75][..]),
        (&[5, 10, 0, 5], &[25, 50, 0, 25]),
        (&[0, 0], &[50, 50]),
        (&[255, 0], &[100, 0]),
        (&[64, 64, 64, 64], &[25, 25, 25, 25]),
    ] {
        let sets: Vec<String> = (0u8..)
            .zip(weights)
            .map(|(n, weight)| {
                let more = format!("\"SetIdentifier\": \"{n}\", \"Weight\": {weight},");
                values("w.corp.example.", "A", &[&format!("10.9.9.{n}")], &more)
            })
            .collect();
        let all: Vec<&str> = sets.iter().map(String::as_str).collect();
        let (snapshot, problems) = load(&[("a.json", NETWORK), ("z.json", ZONE), ("r.json", &records(&all))]);
        assert!(!problems.contains("SERVFAIL"), "{problems}");
        let zone = &snapshot.model.hosted_zones()[0];
        let name: vpcedns::dns::DnsName = "w.corp.example".parse().unwrap();
        let node = zone.node(name.wire()).unwrap();
        let mut seen = vec![0; weights.len()];
        let turns = 100 * weights.iter().map(|weight| u32::from(*weight).max(1)).sum::<u32>();
        for turn in 0..turns {
            let chosen = node.choose(vpcedns::dns::Rtype::A, turn).unwrap();
            seen[usize::from(chosen.rdata[0][3])] += 1;
        }
        for (seen, want) in seen.iter().zip(want) {
            let share = f64::from(*seen) * 100.0 / f64::from(turns);
            assert!((share - f64::from(*want)).abs() < 2.0, "{weights:?}: {share} and not {want}");
        }
    }
}

/// Three subnets of one VPC, of which an output tells the ids of two zones; another account calls `use1-az2` what the first calls
/// `use1-az1`.
const ZONED: &str = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1", "OwnerId": "111111111111"},
  {"VpcId": "vpc-00000002", "CidrBlock": "10.2.0.0/16", "Region": "eu-west-1", "OwnerId": "111111111111"},
  {"VpcId": "vpc-0000000f", "CidrBlock": "10.3.0.0/16", "Region": "us-east-1", "OwnerId": "222222222222"}]}
{"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}}
{"VpcId": "vpc-00000002", "EnableDnsHostnames": {"Value": true}}
{"VpcId": "vpc-0000000f", "EnableDnsHostnames": {"Value": true}}
{"Subnets": [
  {"SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az1", "CidrBlock": "10.1.1.0/24"},
  {"SubnetId": "subnet-0000000b", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1b", "AvailabilityZoneId": "use1-az2", "CidrBlock": "10.1.2.0/24"},
  {"SubnetId": "subnet-0000000c", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1c", "CidrBlock": "10.1.3.0/24"},
  {"SubnetId": "subnet-0000000d", "VpcId": "vpc-00000002", "AvailabilityZone": "eu-west-1a", "AvailabilityZoneId": "euw1-az1", "CidrBlock": "10.2.1.0/24"},
  {"SubnetId": "subnet-0000000f", "VpcId": "vpc-0000000f", "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az2", "CidrBlock": "10.3.1.0/24"}]}
{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-0000000a", "SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.1.17"},
  {"NetworkInterfaceId": "eni-0000000b", "SubnetId": "subnet-0000000b", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.2.17"}]}
{"VpcEndpoints": [{"VpcEndpointId": "vpce-0000000a", "VpcEndpointType": "Interface", "VpcId": "vpc-00000001",
  "ServiceName": "com.amazonaws.us-east-1.sqs", "State": "available", "PrivateDnsEnabled": false,
  "NetworkInterfaceIds": ["eni-0000000a", "eni-0000000b"],
  "DnsEntries": [{"DnsName": "vpce-0000000a-abcd1234.sqs.us-east-1.vpce.amazonaws.com", "HostedZoneId": "Z7HUB22UULQXV"},
    {"DnsName": "vpce-0000000a-abcd1234-us-east-1a.sqs.us-east-1.vpce.amazonaws.com", "HostedZoneId": "Z7HUB22UULQXV"},
    {"DnsName": "vpce-0000000a-abcd1234-us-east-1b.sqs.us-east-1.vpce.amazonaws.com", "HostedZoneId": "Z7HUB22UULQXV"}]}]}"#;

/// Route 53 API Reference, `AZAffinity`: the most specific location that the query matches; a query of which nobody knows the zone
/// matches Global alone; without a match there is no answer.
#[test]
fn az_affinity_goes_by_the_zone_of_the_clients_subnet() {
    let at = |kind: &str, id: &str| {
        format!(
            "\"SetIdentifier\": \"{id}\", \"AZAffinity\": {{\"LocationType\": \"{kind}\", \"LocationId\": \"{id}\"}},"
        )
    };
    let set = |kind: &str, id: &str, host: &str| values("az.corp.example.", "A", &[host], &at(kind, id));
    let [zone, group, region, partition, global] = [
        set("AvailabilityZone", "use1-az1", "10.9.9.1"),
        set("AvailabilityZoneGroup", "us-east-1-zg-1", "10.9.9.5"),
        set("Region", "us-east-1", "10.9.9.2"),
        set("Partition", "aws", "10.9.9.3"),
        set("Global", "global", "10.9.9.4"),
    ];
    let to_endpoint = |zone: &str, kind: &str, id: &str| {
        let target = format!("vpce-0000000a-abcd1234{zone}.sqs.us-east-1.vpce.amazonaws.com.");
        let more = format!("{}\"Type\"", at(kind, id));
        alias("az.corp.example.", "A", &target, "Z7HUB22UULQXV").replace("\"Type\"", &more)
    };
    let aliases = [
        to_endpoint("-us-east-1a", "AvailabilityZone", "use1-az1"),
        to_endpoint("-us-east-1b", "AvailabilityZone", "use1-az2"),
        to_endpoint("", "Global", "global"),
    ];
    let simple = values("az.corp.example.", "TXT", &["\"x\""], "");
    let (none, unknown) = ("none", "SERVFAIL");
    let zone_of_all = ZONE.replace("us-west-2", "us-east-1");
    // a client in use1-az1, one in use1-az2, one in a zone whose id nobody told, one in no subnet, in eu-west-1, of the other account
    for (sets, wanted) in [
        (vec![&zone, &region, &partition, &global, &simple], ["9.9.1", "9.9.2", "9.9.4", "9.9.4", "9.9.3", "9.9.2"]),
        (vec![&global, &partition, &zone], ["9.9.1", "9.9.3", "9.9.4", "9.9.4", "9.9.3", "9.9.3"]),
        (vec![&zone, &simple], ["9.9.1", none, none, none, none, none]),
        (vec![&region], ["9.9.2", "9.9.2", none, none, none, "9.9.2"]),
        (vec![&zone, &group, &global], ["9.9.1", unknown, "9.9.4", "9.9.4", "9.9.4", unknown]),
        (aliases.iter().collect(), ["1.1.17", "1.2.17", "both", "both", "both", "1.2.17"]),
    ] {
        let all: Vec<&str> = sets.into_iter().map(String::as_str).collect();
        let (snapshot, problems) =
            load(&[("a.json", ZONED), ("zone.json", &zone_of_all), ("records.json", &records(&all))]);
        assert_eq!(problems.contains("by Zone Group"), wanted.contains(&unknown), "{problems}");
        for (client, want) in
            ["10.1.1.5", "10.1.2.5", "10.1.3.5", "10.1.9.5", "10.2.1.5", "10.3.1.5"].iter().zip(wanted)
        {
            let ask = |question: &str| {
                let asked = crate::common::Asked::parse(&format!("from {client} {question}"));
                crate::common::ask(&snapshot, &asked).line()
            };
            let told = ask("az.corp.example A");
            let is_it = match want {
                "none" => told.starts_with("NOERROR | authority corp.example 60 SOA"),
                "SERVFAIL" => told.starts_with("SERVFAIL"),
                "both" => told.contains("A 10.1.1.17") && told.contains("A 10.1.2.17"),
                one => told.contains(&format!("A 10.{one}")) && told.matches(" A ").count() == 1,
            };
            assert!(is_it, "{client}, {want}: {told}\n{all:#?}");
            if all.contains(&simple.as_str()) {
                assert!(ask("az.corp.example TXT").contains("300 TXT x"), "{client}: {}", ask("az.corp.example TXT"));
            }
        }
    }
}

//! Whose client an address is where blocks overlap, and the names of interfaces that are no endpoint's.

use crate::common::{BOTH, check, endpoint, policy, vpc, world};
use vpcedns::dns::Rtype;
use vpcedns::explain::{Asker, explain};
use vpcedns::model::{Broken, Model};
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::{FileText, read_json_set};

const SQS: &str = "com.amazonaws.us-east-1.sqs";

/// VPC number `n` with the block of every Region's default VPC, and more keys.
fn default_vpc(n: u8, keys: &str) -> String {
    let text = vpc(n, &format!("{BOTH}\n{keys}"));
    text.replace(&format!("10.{n}."), "172.31.")
        .replace(&format!(", \"fd00:{n}::/32\""), "")
        .replace(&format!("ipv6_cidr_block = \"fd00:{n}:"), "# ")
}

fn default_endpoint(id: char, n: u8, host: &str) -> String {
    endpoint(id, n, SQS, &[host], "").replace(&format!("10.{n}."), "172.31.")
}

/// Issue's order: listener, `clients`, the longest block, then whoever has one of the two; a tie is of no VPC.
#[test]
fn clients_of_overlapping_blocks() {
    let tie =
        [default_vpc(1, ""), default_vpc(2, ""), default_endpoint('a', 1, "1.17"), default_endpoint('b', 2, "1.18")];
    check(
        &world(&tie.concat()),
        "
from 172.31.9.9 sqs.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | your VPC is not known: 172.31.0.0/16 is a block of vpc-00000001 and of vpc-00000002; give one of them `listeners`, or `clients` with the networks that are its own
from 172.31.9.9 vpce-0000000a-aaaaaaaa.sqs.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 172.31.1.17 | name of vpce-0000000a
from 172.31.9.9 ip-172-31-1-17.ec2.internal A
  FORWARD 192.0.2.53:53 | your VPC is not known: 172.31.0.0/16 is a block of vpc-00000001 and of vpc-00000002; give one of them `listeners`, or `clients` with the networks that are its own
from 172.32.9.9 sqs.us-east-1.amazonaws.com A
  REFUSED | your address is in no VPC and not in the allow list
",
    );
    let told = [
        default_vpc(1, "listeners = [\"172.31.0.2:53\"]\nclients = [\"192.168.7.0/24\", \"172.31.64.0/18\"]"),
        default_vpc(2, ""),
        default_vpc(3, "clients = [\"172.31.65.0/24\"]"),
        default_endpoint('a', 1, "1.17"),
        default_endpoint('b', 2, "1.18"),
        default_endpoint('c', 3, "1.19"),
    ];
    let private = |host: &str, id: char| {
        format!("NOERROR | 60 A 172.31.1.{host} | private name sqs.us-east-1.amazonaws.com of vpce-0000000{id}")
    };
    let (a, c) = (private("17", 'a'), private("19", 'c'));
    check(
        &world(&told.concat()),
        &format!(
            "
from 172.31.9.9 to 172.31.0.2:53 sqs.us-east-1.amazonaws.com A
  {a}
from 192.168.7.9 sqs.us-east-1.amazonaws.com A
  {a}
from 172.31.66.9 sqs.us-east-1.amazonaws.com A
  {a}
from 172.31.65.9 sqs.us-east-1.amazonaws.com A
  {c}
"
        ),
    );
    // of two VPCs, the one that can be known otherwise has the block
    let one = [default_vpc(1, "clients = [\"192.168.7.0/24\"]"), default_vpc(2, ""), default_endpoint('a', 1, "1.17")];
    check(&world(&one.concat()), &format!("from 172.31.9.9 sqs.us-east-1.amazonaws.com A\n  {a}\n"));
}

#[test]
fn a_load_says_how_many_addresses_a_vpc_loses() {
    let before = world(&vpc(1, BOTH));
    let inside = vpc(2, BOTH)
        .replace("10.2.0.0/16", "10.1.128.0/20")
        .replace("10.2.", "10.1.13")
        .replace("10.1.131.", "10.1.129.");
    let inside: String = inside.split("[[subnet]]").next().unwrap().to_owned();
    let after = world(&[vpc(1, BOTH), inside].concat());
    assert_eq!(before.lost_addresses(&after), [("vpc-00000001".parse().unwrap(), 4096)]);
    assert_eq!(before.lost_addresses(&before.clone()), []);
}

/// What is served out of outputs of the AWS CLI, with these upstreams.
fn estate(outputs: &[&str], upstreams: &[&str], toml: &str) -> Snapshot {
    let files: Vec<FileText> =
        outputs.iter().map(|text| FileText { path: "x.json".into(), text: (*text).to_owned() }).collect();
    let mut loaded = read_json_set(&files);
    assert_eq!(loaded.problems, []);
    loaded.inputs.extend(vpcedns::source::read_toml(&"t.toml".into(), toml).inputs);
    let model = Model::default().apply(&[], &loaded.inputs, &Broken::default(), &|_| None).model.unwrap();
    let upstreams = upstreams.iter().map(|text| text.parse().unwrap()).collect();
    Snapshot::compile(model, Policy { upstreams, ..policy() }, 1)
}

const NETWORK: &str = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"},
  {"VpcId": "vpc-00000002", "CidrBlock": "10.2.0.0/16", "Region": "eu-west-1"}]}
  {"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}}
  {"VpcId": "vpc-00000002", "EnableDnsHostnames": {"Value": true}}"#;

/// An instance with resource names and an Elastic IP address, one without, and a load balancer's interface.
const INTERFACES: &str = r#"{"Reservations": [{"Instances": [
  {"InstanceId": "i-0a1b2c3d4e5f60301", "PrivateDnsNameOptions": {"HostnameType": "resource-name",
     "EnableResourceNameDnsARecord": true, "EnableResourceNameDnsAAAARecord": true},
   "NetworkInterfaces": [{"NetworkInterfaceId": "eni-00000001", "VpcId": "vpc-00000001", "Attachment": {"DeviceIndex": 0},
     "PrivateIpAddress": "10.1.1.7", "PrivateDnsName": "i-0a1b2c3d4e5f60301.ec2.internal",
     "PrivateIpAddresses": [
       {"Primary": true, "PrivateIpAddress": "10.1.1.7",
        "Association": {"PublicDnsName": "ec2-198-51-100-7.compute-1.amazonaws.com", "PublicIp": "198.51.100.7"}},
       {"Primary": false, "PrivateIpAddress": "10.1.1.8"}],
     "Ipv6Addresses": [{"Ipv6Address": "2600:1f18::7"}]}]},
  {"InstanceId": "i-0a1b2c3d4e5f60302", "PrivateDnsNameOptions": {"HostnameType": "ip-name",
     "EnableResourceNameDnsARecord": true, "EnableResourceNameDnsAAAARecord": false},
   "NetworkInterfaces": [{"NetworkInterfaceId": "eni-00000002", "VpcId": "vpc-00000002", "Attachment": {"DeviceIndex": 0},
     "PrivateIpAddress": "10.2.1.7", "PrivateDnsName": "ip-10-2-1-7.eu-west-1.compute.internal",
     "Association": {"PublicDnsName": "ec2-198-51-100-8.eu-west-1.compute.amazonaws.com", "PublicIp": "198.51.100.8"},
     "Ipv6Addresses": [{"Ipv6Address": "2600:1f18::8"}]}]}]}]}
  {"NetworkInterfaces": [{"NetworkInterfaceId": "eni-00000003", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.2.9",
     "PrivateDnsName": "", "Ipv6Addresses": []},
    {"NetworkInterfaceId": "eni-00000004", "VpcId": "vpc-0000000f", "PrivateIpAddress": "10.9.2.9"}]}"#;

/// EC2 guide, "EC2 instance hostnames and domains".
#[test]
fn names_of_interfaces() {
    let world = estate(&[NETWORK, INTERFACES], &["192.0.2.53"], "");
    check(
        &world,
        "
from 10.1.0.5 ip-10-1-1-7.ec2.internal A
  NOERROR | 60 A 10.1.1.7 | interface of vpc-00000001
from 10.1.0.5 ip-10-1-1-8.ec2.internal A
  NOERROR | 60 A 10.1.1.8 | interface of vpc-00000001
from 10.1.0.5 ip-10-1-2-9.ec2.internal A
  NOERROR | 60 A 10.1.2.9 | interface of vpc-00000001
from 10.1.0.5 i-0a1b2c3d4e5f60301.ec2.internal A
  NOERROR | 60 A 10.1.1.7 | interface of vpc-00000001
from 10.1.0.5 i-0a1b2c3d4e5f60301.ec2.internal AAAA
  NOERROR | 60 AAAA 2600:1f18::7 | interface of vpc-00000001
from 10.1.0.5 i-0a1b2c3d4e5f60301.ec2.internal TXT
  NOERROR | authority ec2.internal 60 SOA | interface of vpc-00000001
from 10.2.0.5 i-0a1b2c3d4e5f60302.eu-west-1.compute.internal A
  NOERROR | 60 A 10.2.1.7 | interface of vpc-00000002
from 10.2.0.5 i-0a1b2c3d4e5f60302.eu-west-1.compute.internal AAAA
  NOERROR | authority eu-west-1.compute.internal 60 SOA | interface of vpc-00000002
from 10.1.0.5 i-0a1b2c3d4e5f60302.ec2.internal A
  NXDOMAIN | authority ec2.internal 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 7.1.1.10.in-addr.arpa PTR
  NOERROR | 60 PTR i-0a1b2c3d4e5f60301.ec2.internal | interface of vpc-00000001
from 10.1.0.5 8.1.1.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-1-1-8.ec2.internal | interface of vpc-00000001
from 10.1.0.5 9.2.1.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-1-2-9.ec2.internal | interface of vpc-00000001
from 10.2.0.5 7.1.2.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-2-1-7.eu-west-1.compute.internal | interface of vpc-00000002
from 10.1.0.5 7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.f.1.0.0.6.2.ip6.arpa PTR
  NOERROR | 60 PTR i-0a1b2c3d4e5f60301.ec2.internal | interface of vpc-00000001
from 10.1.0.5 8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.f.1.0.0.6.2.ip6.arpa PTR
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 ec2-198-51-100-7.compute-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.7 | public name of an interface of vpc-00000001, private inside it
from 10.1.0.5 ec2-198-51-100-7.compute-1.amazonaws.com AAAA
  NOERROR | authority 60 SOA | public name of an interface of vpc-00000001, private inside it
from 10.2.0.5 ec2-198-51-100-8.eu-west-1.compute.amazonaws.com A
  NOERROR | 60 A 10.2.1.7 | public name of an interface of vpc-00000002, private inside it
from 10.1.0.5 ec2-198-51-100-9.compute-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 ec2-198-51-100-7.compute-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 ec2-198-51-100-7.compute-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// Invariant I8's exception: who may know an interface that nobody told us of is asked, and nobody else.
#[test]
fn unknown_interfaces_are_asked_of_private_resolvers_only() {
    let names = ["ip-10-1-9-9.ec2.internal A", "i-0a1b2c3d4e5f60399.ec2.internal A", "9.9.1.10.in-addr.arpa PTR"];
    let asked = |upstreams: &[&str], toml: &str| -> Vec<String> {
        let world = estate(&[NETWORK, INTERFACES], upstreams, toml);
        let line =
            |name: &&str| crate::common::ask(&world, &crate::common::Asked::parse(&format!("from 10.1.0.5 {name}")));
        names.iter().map(|name| line(name).verdict).collect()
    };
    for upstream in ["10.0.0.2:53", "172.16.0.2:53", "192.168.1.1:53", "169.254.169.253:53", "[fd00:ec2::253]:53"] {
        assert_eq!(asked(&[upstream], ""), vec![format!("FORWARD {upstream}"); 3], "{upstream}");
    }
    for upstreams in
        [&["192.0.2.53:53"][..], &["127.0.0.53:53"], &["169.254.1.1:53"], &["10.0.0.2:53", "192.0.2.53:53"], &[]]
    {
        assert_eq!(asked(upstreams, ""), ["NXDOMAIN"; 3], "{upstreams:?}");
    }
    let rule = |domain: &str| {
        format!(
            "[[resolver_rule]]\ndomain_name = \"{domain}\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"192.0.2.9:53\"]\n"
        )
    };
    // a rule for `.` leaves autodefined names alone (Route 53 guide)
    assert_eq!(asked(&["192.0.2.53"], &rule(".")), ["NXDOMAIN"; 3]);
    let forwarded = "FORWARD 192.0.2.9:53";
    assert_eq!(asked(&[], &rule("internal")), [forwarded, forwarded, "NXDOMAIN"]);
    assert_eq!(asked(&[], &rule("in-addr.arpa")), ["NXDOMAIN", "NXDOMAIN", forwarded]);
    // known names, and names that no interface can have, are answered here all the same
    let world = estate(&[NETWORK, INTERFACES], &["10.0.0.2:53"], &rule("internal"));
    check(
        &world,
        "
from 10.1.0.5 ip-10-1-1-7.ec2.internal A
  NOERROR | 60 A 10.1.1.7 | interface of vpc-00000001
from 10.1.0.5 www.ec2.internal A
  NXDOMAIN | authority ec2.internal 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 x.9.9.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 1.10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
",
    );
    let name = "9.9.1.10.in-addr.arpa".parse().unwrap();
    let told = explain(&world, Asker::address("10.1.0.5".parse().unwrap()), &name, Rtype::PTR);
    assert_eq!(told.reason, "no interface of vpc-00000001 that is known has it: a private resolver may know it");
}

/// Route 53 guide, "autodefined rules": as general as the block allows.
#[test]
fn reverse_zones_are_as_general_as_the_block_allows() {
    for (block, address, zone) in [
        ("10.237.0.0/16", "9.9.237.10", "237.10.in-addr.arpa"),
        ("10.0.0.0/8", "9.9.237.10", "10.in-addr.arpa"),
        ("10.237.4.0/23", "9.4.237.10", "4.237.10.in-addr.arpa"),
        ("10.237.4.0/23", "9.5.237.10", "5.237.10.in-addr.arpa"),
        ("10.237.4.0/23", "9.6.237.10", "10.in-addr.arpa"),
        ("10.237.16.0/20", "9.31.237.10", "31.237.10.in-addr.arpa"),
        ("10.237.4.16/28", "9.4.237.10", "4.237.10.in-addr.arpa"),
        ("172.16.0.0/12", "9.9.20.172", "20.172.in-addr.arpa"),
        ("100.64.0.0/10", "9.9.65.100", "65.100.in-addr.arpa"),
        ("198.18.0.0/15", "9.9.19.198", "19.198.in-addr.arpa"),
        ("192.168.7.0/24", "9.8.168.192", "168.192.in-addr.arpa"),
    ] {
        let text = vpc(1, BOTH).replace("10.1.0.0/16", block);
        let text = text.split("[[subnet]]").next().unwrap();
        let client: ipnet::IpNet = block.parse().unwrap();
        let table = format!(
            "from {} {address}.in-addr.arpa PTR\n  NXDOMAIN | authority {zone} 60 SOA | no interface of vpc-00000001 has it\n",
            client.addr()
        );
        check(&world(text), &table);
        let off = text.replace("enable_dns_support", "autodefined_reverse = false\nenable_dns_support");
        let told = crate::common::ask(
            &world(&off),
            &crate::common::Asked::parse(&format!("from {} {address}.in-addr.arpa PTR", client.addr())),
        );
        assert!(!told.reason.contains("no interface"), "{block}: {}", told.line());
    }
}

/// PrivateLink guide, "Cross-Region access": names have the service's Region, zones are the VPC's; regional names only
/// for AWS's own services.
#[test]
fn endpoints_of_other_regions() {
    let cross = |id, service: &str, region: &str, host| {
        endpoint(id, 1, service, &[host], &format!("service_region = \"{region}\""))
    };
    let zones = [
        vpc(1, BOTH),
        cross('a', "com.amazonaws.eu-west-1.kms", "eu-west-1", "1.17"),
        cross('b', "com.amazonaws.vpce.eu-west-1.vpce-svc-0e123abc123198abc", "eu-west-1", "1.18"),
        endpoint('c', 1, "com.amazonaws.route53", &["1.19"], ""),
    ];
    check(
        &world(&zones.concat()),
        "
from 10.1.0.5 kms.eu-west-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name kms.eu-west-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 kms.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 vpce-0000000a-aaaaaaaa.kms.eu-west-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-aaaaaaaa-us-east-1a.kms.eu-west-1.vpce.amazonaws.com A
  NXDOMAIN | authority eu-west-1.vpce.amazonaws.com 60 SOA | vpce-0000000a has no such name
from 10.1.0.5 vpce-0000000b-bbbbbbbb-us-east-1a.vpce-svc-0e123abc123198abc.eu-west-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18 | name of vpce-0000000b
from 10.1.0.5 route53.amazonaws.com A
  NOERROR | 60 A 10.1.1.19 | private name route53.amazonaws.com of vpce-0000000c
from 10.1.0.5 vpce-0000000c-cccccccc-us-east-1a.route53.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.19 | name of vpce-0000000c
",
    );
    for (zones, what, hint) in [
        (
            endpoint('a', 1, "com.amazonaws.eu-west-1.kms", &["1.17"], ""),
            "the service com.amazonaws.eu-west-1.kms is not in us-east-1, the region of vpc-00000001",
            "service_region",
        ),
        (
            cross('a', "com.amazonaws.eu-west-1.kms", "eu-west-2", "1.17"),
            "the service com.amazonaws.eu-west-1.kms is in eu-west-1, not in eu-west-2",
            "set service_region = \"eu-west-1\"",
        ),
    ] {
        let problems = crate::common::try_model(&[vpc(1, BOTH), zones].concat()).unwrap_err();
        let [problem] = &problems[..] else { panic!("{}", crate::common::lines(&problems)) };
        assert_eq!(problem.what, what);
        assert!(problem.hint.contains(hint), "{problem}");
        assert!(problem.place.line > 20, "{problem}");
    }
}

/// A list of AWS's own grammar is complete: what is not in it does not exist. An emulator's list says nothing.
#[test]
fn dns_entries_are_the_complete_list() {
    let network = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"}]}
      {"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}}
      {"Subnets": [{"SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.1.1.0/24"},
        {"SubnetId": "subnet-0000000b", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1b", "CidrBlock": "10.1.2.0/24"}]}
      {"NetworkInterfaces": [
        {"NetworkInterfaceId": "eni-0000000a", "SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.1.17"},
        {"NetworkInterfaceId": "eni-0000000b", "SubnetId": "subnet-0000000b", "VpcId": "vpc-00000001", "PrivateIpAddress": "10.1.2.17"}]}"#;
    let base = "sqs.us-east-1.vpce.amazonaws.com";
    let has = |names: &[&str]| -> Vec<bool> {
        let names: Vec<String> = names.iter().map(|name| format!("{{\"DnsName\": \"{name}\"}}")).collect();
        let endpoint = format!(
            "{{\"VpcEndpoints\": [{{\"VpcEndpointId\": \"vpce-0000000a\", \"VpcEndpointType\": \"Interface\", \"VpcId\": \"vpc-00000001\", \
             \"ServiceName\": \"com.amazonaws.us-east-1.sqs\", \"State\": \"available\", \"PrivateDnsEnabled\": false, \
             \"NetworkInterfaceIds\": [\"eni-0000000a\", \"eni-0000000b\"], \"DnsEntries\": [{}]}}]}}",
            names.join(", ")
        );
        let world = estate(&[network, &endpoint], &[], "");
        let suffix = if names.is_empty() {
            vpcedns::naming::Suffix::derive("vpce-0000000a".parse().unwrap()).to_string()
        } else {
            "abcd1234".to_owned()
        };
        ["", "-us-east-1a", "-us-east-1b"]
            .iter()
            .map(|zone| {
                let line = format!("from 10.1.0.5 vpce-0000000a-{suffix}{zone}.{base} A");
                crate::common::ask(&world, &crate::common::Asked::parse(&line)).verdict == "NOERROR"
            })
            .collect()
    };
    let name = |zone: &str| format!("vpce-0000000a-abcd1234{zone}.{base}");
    let (regional, a, b) = (name(""), name("-us-east-1a"), name("-us-east-1b"));
    assert_eq!(has(&[]), [true, true, true]);
    assert_eq!(has(&[&regional, &a, &b]), [true, true, true]);
    assert_eq!(has(&[&regional, &a]), [true, true, false]);
    assert_eq!(has(&[&regional]), [true, false, false]);
    assert_eq!(has(&[&regional, "vpce-0000000a-abcd1234.com.amazonaws.us-east-1.sqs"]), [true, true, true]);
}

/// An alias by an endpoint's id or by one of its names, as Terraform's `dns_entry[n].dns_name` has them.
#[test]
fn aliases_by_name() {
    let zone = |alias: &str| {
        format!(
            "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [{{ name = \"x\", alias = \"{alias}\" }}]\n"
        )
    };
    let text = |alias: &str| [vpc(1, BOTH), endpoint('a', 1, SQS, &["1.17", "2.17"], ""), zone(alias)].concat();
    let both = "60 A 10.1.1.17, 60 A 10.1.2.17";
    for (alias, records) in [
        ("vpce-0000000a", both),
        ("vpce-0000000a-aaaaaaaa.sqs.us-east-1.vpce.amazonaws.com", both),
        ("*.vpce-0000000a-aaaaaaaa.sqs.us-east-1.vpce.amazonaws.com", both),
        ("vpce-0000000a-aaaaaaaa-us-east-1b.sqs.us-east-1.vpce.amazonaws.com", "60 A 10.1.2.17"),
    ] {
        let line = format!(
            "from 10.1.0.5 x.corp.example A\n  NOERROR | {records} | alias of hosted zone corp.example to vpce-0000000a\n"
        );
        check(&world(&text(alias)), &line);
    }
    for (alias, what) in [
        ("vpce-0000000a-aaaaaaaa-us-east-1c.sqs.us-east-1.vpce.amazonaws.com", "vpce-0000000a has no name"),
        ("vpce-0000000a-bbbbbbbb.sqs.us-east-1.vpce.amazonaws.com", "vpce-0000000a has no name"),
        (
            "vpce-0000000b-aaaaaaaa.sqs.us-east-1.vpce.amazonaws.com",
            "The Vpc Endpoint Id 'vpce-0000000b' does not exist",
        ),
        ("www.example.com", "'www.example.com' is neither an endpoint's id nor one of its names"),
    ] {
        let problems = crate::common::try_model(&text(alias)).unwrap_err();
        assert!(problems[0].what.starts_with(what) && problems[0].place.line > 20, "{}", problems[0]);
        assert!(!problems[0].hint.is_empty(), "{}", problems[0]);
    }
}

/// Route 53's word for what `private_dns_mode = "overlay"` does: NXDOMAIN is asked of others, NODATA is not.
#[test]
fn public_dns_fallback() {
    for key in ["private_dns_mode = \"overlay\"", "enable_public_dns_fallback = true"] {
        let zone = format!(
            "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\n{key}\nrecords = [{{ name = \"x\", type = \"A\", values = [\"10.9.9.9\"] }}]\n"
        );
        check(
            &world(&[vpc(1, BOTH), zone].concat()),
            "
from 10.1.0.5 x.corp.example A
  NOERROR | 300 A 10.9.9.9 | hosted zone corp.example
from 10.1.0.5 x.corp.example AAAA
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 y.corp.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
        );
    }
}

/// A Region of the right form that is not known is served, and said: it may be new, or a slip.
#[test]
fn regions_that_are_not_known_are_a_warning() {
    for (region, said) in [
        ("us-east-1", ""),
        ("mx-central-1", ""),
        ("cn-north-1", ""),
        ("us-gov-east-1", ""),
        ("eusc-de-east-1", ""),
        ("us-esat-1", "'us-esat-1' is not a region that is known\n  hint: did you mean 'us-east-1'?"),
        ("xx-far-7", "'xx-far-7' is not a region that is known\n  hint: if it is a new region, all is well"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let text =
            format!("[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"{region}\"\ncidr_blocks = [\"10.1.0.0/16\"]\n");
        std::fs::write(dir.path().join("a.toml"), text).unwrap();
        let loaded = vpcedns::source::Sources::of_files(vec![dir.path().to_owned()]).load(&|_, _| {});
        let problems = crate::common::lines(&loaded.problems);
        assert!(loaded.model.is_some() && problems.is_empty() == said.is_empty(), "{region}: {problems}");
        assert!(
            problems.contains(said) && (said.is_empty() || problems.contains("a.toml:3:10: warning")),
            "{problems}"
        );
    }
}

//! Every rule that a model must keep, broken: the exact text, and the place of what is wrong and of what it is wrong with.

use std::fs;
use std::path::Path;

use crate::common::dir::Dir;
use crate::common::lines;
use vpcedns::source::Sources;

const VPC_1: &str =
    r#"{ vpc_id = "vpc-00000001", region = "us-east-1", cidr_blocks = ["10.1.0.0/16"], enable_dns_hostnames = true }"#;
const VPC_2: &str =
    r#"{ vpc_id = "vpc-00000002", region = "us-east-1", cidr_blocks = ["10.2.0.0/16"], enable_dns_hostnames = true }"#;
const SUBNETS: &str = r#"subnet = [
  { subnet_id = "subnet-0000010a", vpc_id = "vpc-00000001", availability_zone = "us-east-1a", cidr_block = "10.1.1.0/24" },
  { subnet_id = "subnet-0000010b", vpc_id = "vpc-00000001", availability_zone = "us-east-1b", cidr_block = "10.1.2.0/24" },
  { subnet_id = "subnet-0000020a", vpc_id = "vpc-00000002", availability_zone = "us-east-1a", cidr_block = "10.2.1.0/24" },
]
"#;
const EC2: &str = "com.amazonaws.us-east-1.ec2";
const STS: &str = "com.amazonaws.us-east-1.sts";

fn vpcs(all: &[&str]) -> String {
    format!("vpc = [\n  {}\n]\n", all.join(",\n  "))
}

/// Both VPCs and their subnets.
fn network() -> String {
    vpcs(&[VPC_1, VPC_2]) + SUBNETS
}

/// Interfaces are `eni-0000000x subnet address`.
fn endpoint(id: char, vpc: u8, service: &str, interfaces: &[&str]) -> String {
    endpoint_with(id, vpc, service, "", interfaces)
}

fn endpoint_with(id: char, vpc: u8, service: &str, extra: &str, interfaces: &[&str]) -> String {
    let interfaces = interfaces.iter().map(|text| {
        let words: Vec<&str> = text.split(' ').collect();
        format!(
            "\n  {{ network_interface_id = \"eni-0000000{}\", subnet_id = \"subnet-00000{}\", private_ip_address = \"{}\" }},",
            words[0], words[1], words[2]
        )
    });
    let interfaces: String = interfaces.collect();
    format!(
        "[[vpc_endpoint]]\nvpc_endpoint_id = \"vpce-0000000{id}\"\nvpc_id = \"vpc-0000000{vpc}\"\nservice_name = \"{service}\"\n{extra}network_interfaces = [{interfaces}\n]\n"
    )
}

fn zone(name: &str, vpcs: &str, records: &str) -> String {
    let vpcs = if vpcs.is_empty() { "\"*\"" } else { vpcs };
    format!("[[hosted_zone]]\nname = \"{name}\"\nvpc_ids = [{vpcs}]\nrecords = [{records}]\n")
}

fn rule(name: &str, target: &str, vpcs: &str) -> String {
    format!(
        "[[resolver_rule]]\ndomain_name = \"{name}\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"{target}\"]\nvpc_ids = [{vpcs}]\n"
    )
}

/// What is wrong with files that are loaded at once.
#[track_caller]
fn refused(files: &[(&str, &str)], expected: &str) {
    let mut dir = Dir::new();
    dir.write(files);
    let (model, _, problems) = dir.load();
    assert!(model.is_none(), "this loads:\n{problems}");
    let (expected, problems) = (expected.trim(), problems.trim());
    assert!(expected == problems, "expected:\n{expected}\nfound:\n{problems}\n<end>");
}

/// What is wrong with a change to files that were good, of which the unchanged ones are not read again.
#[track_caller]
fn refused_later(before: &[(&str, &str)], after: &[(&str, &str)], expected: &str) {
    let mut dir = Dir::new();
    dir.write(before);
    let (model, _, problems) = dir.load();
    assert!(model.is_some(), "{problems}");
    dir.settle();
    dir.write(after);
    let (model, _, problems) = dir.load();
    assert!(model.is_none(), "this loads:\n{problems}");
    let (expected, problems) = (expected.trim(), problems.trim());
    assert!(expected == problems, "expected:\n{expected}\nfound:\n{problems}\n<end>");
    // nothing has changed (I5): what was good is good again, and no change at all
    dir.write(before);
    let (model, changes, problems) = dir.load();
    assert!(model.is_some() && changes.is_empty(), "{changes:?}\n{problems}");
}

#[test]
fn interfaces_fit_subnets_zones_and_addresses() {
    let network = network();
    let both_in_a = network.replace("us-east-1b", "us-east-1a");
    refused(
        &[("n.toml", &both_in_a), ("e.toml", &endpoint('a', 1, EC2, &["1 10a 10.1.1.17", "2 10b 10.1.2.17"]))],
        "
e.toml:7:56: error: Found another VPC endpoint subnet in the availability zone of subnet subnet-0000010b. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.
  hint: subnet-0000010a is in us-east-1a too: keep one of them
",
    );
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, EC2, &["1 20a 10.2.1.17"]))],
        "
e.toml:6:56: error: subnet-0000020a is in vpc-00000002, but vpce-0000000a is in vpc-00000001
  hint: an endpoint's subnets are in its own VPC
",
    );
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, EC2, &["1 10a 10.1.2.17"]))],
        "
e.toml:6:96: error: 10.1.2.17 is not inside subnet-0000010a
  hint: the subnet has 10.1.1.0/24
",
    );
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, EC2, &["1 10a 10.1.1.17", "2 10b 10.1.1.17"]))],
        "
e.toml:7:96: error: 10.1.1.17 is not inside subnet-0000010b
  hint: the subnet has 10.1.2.0/24
e.toml:7:96: error: 10.1.1.17 of vpce-0000000a is already in use in vpc-00000001
  hint: vpce-0000000a has it at e.toml:6:96
",
    );
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, EC2, &["1 10a 10.1.1.17", "1 10b 10.1.2.17"]))],
        "
e.toml:7:28: error: eni-00000001 is declared twice
  hint: it is also declared at e.toml:6:28: remove one of them
",
    );
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, EC2, &["1 10c 10.1.1.17"]))],
        "
e.toml:6:56: error: The subnet ID 'subnet-0000010c' does not exist
  hint: add a [[subnet]], or the output of `aws ec2 describe-subnets`
",
    );
}

#[test]
fn addresses_and_interfaces_are_used_once_in_all_files() {
    let network = network();
    let a = endpoint('a', 1, EC2, &["1 10a 10.1.1.17"]);
    let same_address = endpoint('b', 1, STS, &["2 10a 10.1.1.17"]);
    refused(
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &same_address)],
        "
b.toml:6:96: error: 10.1.1.17 of vpce-0000000b is already in use in vpc-00000001
  hint: vpce-0000000a has it at a.toml:6:96
",
    );
    refused_later(
        &[("n.toml", &network), ("a.toml", &a)],
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &same_address)],
        "
b.toml:6:96: error: 10.1.1.17 of vpce-0000000b is already in use in vpc-00000001
  hint: vpce-0000000a has it at a.toml:1
",
    );
    let same_interface = endpoint('b', 1, STS, &["1 10a 10.1.1.18"]);
    refused(
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &same_interface)],
        "
b.toml:6:28: error: eni-00000001 is declared twice
  hint: it is also declared at a.toml:6:28: remove one of them
",
    );
    refused_later(
        &[("n.toml", &network), ("a.toml", &a)],
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &same_interface)],
        "
b.toml:6:28: error: eni-00000001 is declared twice
  hint: it is also declared at a.toml:1: remove one of them
",
    );
}

#[test]
fn services_fit_regions_zones_and_private_dns() {
    let network = network();
    let hosts = ["1 10a 10.1.1.17"];
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, "com.amazonaws.us-west-2.ec2", &hosts))],
        "
e.toml:4:16: error: the service com.amazonaws.us-west-2.ec2 is not in us-east-1, the region of vpc-00000001
  hint: an endpoint and its service are in the same region, or the endpoint says service_region
",
    );
    let service = "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.us-east-1.ec2\"\navailability_zones = [\"us-east-1b\"]\n";
    refused(
        &[("n.toml", &network), ("s.toml", service), ("e.toml", &endpoint('a', 1, EC2, &hosts))],
        "
e.toml:6:56: error: The VPC endpoint service com.amazonaws.us-east-1.ec2 does not support the availability zone of the subnet: subnet-0000010a.
  hint: it is in us-east-1a; the service is offered in us-east-1b
",
    );
    let private = "private_dns_enabled = true\n";
    refused(
        &[
            ("n.toml", &network),
            ("e.toml", &endpoint_with('a', 1, "com.amazonaws.us-east-1.dynamodb", private, &hosts)),
        ],
        "
e.toml:5:23: error: Private DNS can't be enabled because the service com.amazonaws.us-east-1.dynamodb does not provide a private DNS name.
  hint: set private_dns_enabled = false, or give the service private_dns_names in [[vpc_endpoint_service]]
",
    );
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, "com.amazonaws.nosuchservice", &hosts))],
        "
e.toml:4:16: error: The Vpc Endpoint Service 'com.amazonaws.nosuchservice' does not exist: 'com.amazonaws.nosuchservice' is not a known service name: expected com.amazonaws.<region>.<service> (or with the partition's own prefix, such as cn.com.amazonaws), com.amazonaws.vpce.<region>.vpce-svc-<17 hex digits>, aws.api.<region>.<service>, aws.sagemaker.<region>.<service>, or a global service such as com.amazonaws.iam
  hint: describe it in a [[vpc_endpoint_service]]
",
    );
    refused(
        &[("n.toml", &network), ("e.toml", &endpoint('a', 3, EC2, &hosts))],
        "
e.toml:3:10: error: the vpc ID 'vpc-00000003' of vpce-0000000a does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
",
    );
}

#[test]
fn a_private_name_is_of_one_endpoint_in_a_vpc() {
    let network = network();
    let a = endpoint('a', 1, EC2, &["1 10a 10.1.1.17"]);
    let b = endpoint('b', 1, EC2, &["2 10a 10.1.1.18"]);
    refused(
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &b)],
        "
b.toml:1: error: vpce-0000000b: private-dns-enabled cannot be set because there is already a conflicting DNS domain for ec2.us-east-1.amazonaws.com in the VPC vpc-00000001
  hint: vpce-0000000a has it (a.toml:1): set private_dns_enabled = false on one of them
",
    );
    refused_later(
        &[("n.toml", &network), ("a.toml", &a)],
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &b)],
        "
b.toml:1: error: vpce-0000000b: private-dns-enabled cannot be set because there is already a conflicting DNS domain for ec2.us-east-1.amazonaws.com in the VPC vpc-00000001
  hint: vpce-0000000a has it (a.toml:1): set private_dns_enabled = false on one of them
",
    );
    // of one that is deleted the name is free, until it is no longer deleted
    let gone = endpoint_with('b', 1, EC2, "state = \"deleted\"\n", &["2 10a 10.1.1.18"]);
    refused_later(
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &gone)],
        &[("n.toml", &network), ("a.toml", &a), ("b.toml", &b)],
        "
b.toml:1: error: vpce-0000000b: private-dns-enabled cannot be set because there is already a conflicting DNS domain for ec2.us-east-1.amazonaws.com in the VPC vpc-00000001
  hint: vpce-0000000a has it (a.toml:1): set private_dns_enabled = false on one of them
",
    );
    let hosted = zone("ec2.us-east-1.amazonaws.com", "", "");
    refused(
        &[("n.toml", &network), ("a.toml", &a), ("z.toml", &hosted)],
        "
z.toml:1: error: vpc-00000001 has a hosted zone named ec2.us-east-1.amazonaws.com and a private DNS name of vpce-0000000a there
  hint: set private_dns_enabled = false on the endpoint, or remove the hosted zone
",
    );
    refused_later(
        &[("n.toml", &network), ("b.toml", &gone), ("z.toml", &hosted)],
        &[("n.toml", &network), ("b.toml", &b), ("z.toml", &hosted)],
        "
z.toml:1: error: vpc-00000001 has a hosted zone named ec2.us-east-1.amazonaws.com and a private DNS name of vpce-0000000b there
  hint: set private_dns_enabled = false on the endpoint, or remove the hosted zone
",
    );
}

#[test]
fn ids_are_unique_in_all_files() {
    let network = network();
    let again = vpcs(&[&VPC_1.replace("10.1.", "10.9.")]);
    refused(
        &[("n.toml", &network), ("x.toml", &again)],
        "
n.toml:6:108: error: 10.1.1.0/24 of subnet-0000010a is not inside vpc-00000001
  hint: vpc-00000001 has 10.9.0.0/16
n.toml:7:108: error: 10.1.2.0/24 of subnet-0000010b is not inside vpc-00000001
  hint: vpc-00000001 has 10.9.0.0/16
x.toml:2:14: error: vpc-00000001 is declared twice
  hint: it is also declared at n.toml:2:14: remove one of them
",
    );
    refused_later(
        &[("n.toml", &network)],
        &[("n.toml", &network), ("x.toml", &again)],
        "
n.toml:6: error: 10.1.1.0/24 of subnet-0000010a is not inside vpc-00000001
  hint: vpc-00000001 has 10.9.0.0/16
n.toml:7: error: 10.1.2.0/24 of subnet-0000010b is not inside vpc-00000001
  hint: vpc-00000001 has 10.9.0.0/16
x.toml:2:14: error: vpc-00000001 is declared twice
  hint: it is also declared at n.toml:2: remove one of them
",
    );
    let again = "subnet = [\n  { subnet_id = \"subnet-0000010a\", vpc_id = \"vpc-00000001\", availability_zone = \"us-east-1c\", cidr_block = \"10.1.3.0/24\" },\n]\n";
    refused(
        &[("n.toml", &network), ("x.toml", again)],
        "
x.toml:2:17: error: subnet-0000010a is declared twice
  hint: it is also declared at n.toml:6:17: remove one of them
",
    );
    refused_later(
        &[("n.toml", &network)],
        &[("n.toml", &network), ("x.toml", again)],
        "
x.toml:2:17: error: subnet-0000010a is declared twice
  hint: it is also declared at n.toml:6: remove one of them
",
    );
    let a = endpoint('a', 1, EC2, &["1 10a 10.1.1.17"]);
    let again = endpoint('a', 1, EC2, &["2 10a 10.1.1.18"]);
    refused(
        &[("n.toml", &network), ("a.toml", &a), ("x.toml", &again)],
        "
x.toml:2:19: error: vpce-0000000a is declared twice
  hint: it is also declared at a.toml:2:19: remove one of them
",
    );
    refused_later(
        &[("n.toml", &network), ("a.toml", &a)],
        &[("n.toml", &network), ("a.toml", &a), ("x.toml", &again)],
        "
x.toml:2:19: error: vpce-0000000a is declared twice
  hint: it is also declared at a.toml:1: remove one of them
",
    );
}

#[test]
fn services_zones_and_rules_are_unique_in_all_files() {
    let network = network();
    let service = "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.us-east-1.ec2\"\n";
    refused(
        &[("s.toml", service), ("x.toml", service)],
        "
x.toml:2:16: error: com.amazonaws.us-east-1.ec2 is declared twice
  hint: it is also declared at s.toml:2:16: remove one of them
",
    );
    refused_later(
        &[("s.toml", service)],
        &[("s.toml", service), ("x.toml", service)],
        "
x.toml:2:16: error: com.amazonaws.us-east-1.ec2 is declared twice
  hint: it is also declared at s.toml:1: remove one of them
",
    );
    let (one, two) = (zone("corp.example", "", ""), zone("corp.example", "", ""));
    refused(
        &[("z.toml", &one), ("x.toml", &two)],
        "
z.toml:2:8: error: two hosted zones named corp.example for the same VPC
  hint: the other is at x.toml:1
",
    );
    refused_later(
        &[("z.toml", &one)],
        &[("z.toml", &one), ("x.toml", &two)],
        "
x.toml:2:8: error: two hosted zones named corp.example for the same VPC
  hint: the other is at z.toml:1
",
    );
    let (one, two) = (rule("corp.example", "192.0.2.1", ""), rule("corp.example", "192.0.2.2", ""));
    refused(
        &[("z.toml", &one), ("x.toml", &two)],
        "
z.toml:2:15: error: two rules for corp.example and the same VPC
  hint: the other is at x.toml:1
",
    );
    refused_later(
        &[("z.toml", &one)],
        &[("z.toml", &one), ("x.toml", &two)],
        "
x.toml:2:15: error: two rules for corp.example and the same VPC
  hint: the other is at z.toml:1
",
    );
    let (one, two) =
        (zone("corp.example", "\"vpc-00000001\"", ""), zone("corp.example", "\"vpc-00000002\", \"vpc-00000001\"", ""));
    refused(
        &[("n.toml", &network), ("z.toml", &one), ("x.toml", &two)],
        "
z.toml:2:8: error: two hosted zones named corp.example for the same VPC
  hint: the other is at x.toml:1
",
    );
}

#[test]
fn ids_names_and_blocks_are_well_formed() {
    for (text, expected) in [
        (
            "[[vpc]]\nvpc_id = \"vpc-1\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n",
            "x.toml:2:10: error: ",
        ),
        (
            "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us east\"\ncidr_blocks = [\"10.0.0.0/16\"]\n",
            "x.toml:3:10: error: ",
        ),
        (
            "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/33\"]\n",
            "x.toml:4:16: error: ",
        ),
        (
            "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.1/16\"]\n",
            "x.toml:4:16: error: ",
        ),
        (
            "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us-east-1\"\ncidr_block = [\"10.0.0.0/16\"]\n",
            "x.toml:4:1: error: ",
        ),
        ("[[hosted_zone]]\nname = \"corp..example\"\nvpc_ids = [\"*\"]\n", "x.toml:2:8: error: "),
        ("[[resolver_rule]]\ndomain_name = \"a b\"\nrule_type = \"SYSTEM\"\n", "x.toml:2:15: error: "),
        ("[[vpc_endpoint_service]]\nservice_name = \"Com Amazonaws\"\n", "x.toml:2:16: error: "),
    ] {
        let mut dir = Dir::new();
        dir.write(&[("x.toml", text)]);
        let (model, _, problems) = dir.load();
        assert!(model.is_none() && problems.starts_with(expected), "{text}\n{problems}");
    }
}

/// Blocks may overlap, as every Region's default VPC does; what is of one VPC alone is a listener, or a network.
#[test]
fn clients_are_of_one_vpc() {
    let with = |vpc: &str, key: &str| vpcs(&[&vpc.replace("enable", &format!("{key}, enable"))]);
    for (key, what, hint) in [
        (
            "listeners = [\"10.9.0.2:53\"]",
            "the listener 10.9.0.2:53 of vpc-00000002 is also one of vpc-00000001",
            "a listener belongs to one VPC: choose another address or port",
        ),
        (
            "clients = [\"10.9.0.0/16\"]",
            "the network 10.9.0.0/16 of clients of vpc-00000002 is also one of vpc-00000001",
            "a network has clients of one VPC: take it out of one of the two",
        ),
    ] {
        refused(
            &[("a.toml", &with(VPC_1, key)), ("b.toml", &with(VPC_2, key))],
            &format!("b.toml:2:14: error: {what}\n  hint: {hint}"),
        );
    }
}

#[test]
fn blocks_of_two_vpcs_are_a_warning() {
    let same = VPC_2.replace("10.2.0.0/16", "10.1.0.0/16");
    let listening = same.replace("enable", "listeners = [\"10.9.0.2:53\"], enable");
    let inside = VPC_2.replace("10.2.0.0/16", "10.1.5.0/24");
    for (second, expected) in [
        (
            &same,
            "b.toml:2:67: warning: 10.1.0.0/16 of vpc-00000002 is a block of vpc-00000001 too: clients at its addresses are of no VPC\n  \
             hint: give one of them `listeners = [\"address:53\"]`, or `clients` with the networks that are its own (vpc-00000001 is at a.toml:2:67)\n",
        ),
        (&listening, ""),
        (&inside, ""),
    ] {
        let mut dir = Dir::new();
        dir.write(&[("a.toml", &vpcs(&[VPC_1])), ("b.toml", &vpcs(&[second]))]);
        let (model, _, problems) = dir.load();
        assert!(model.is_some());
        assert_eq!(problems, expected);
    }
}

#[test]
fn references_lead_somewhere() {
    let network = network();
    refused(
        &[("n.toml", &(vpcs(&[VPC_1]) + SUBNETS))],
        "
n.toml:7:45: error: the vpc ID 'vpc-00000002' of subnet-0000020a does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
",
    );
    refused(
        &[("n.toml", &network.replace("cidr_block = \"10.1.2.0/24\"", "cidr_block = \"10.3.2.0/24\""))],
        "
n.toml:7:108: error: 10.3.2.0/24 of subnet-0000010b is not inside vpc-00000001
  hint: vpc-00000001 has 10.1.0.0/16
",
    );
    refused(
        &[("n.toml", &network.replace("us-east-1b", "us-west-2b"))],
        "
n.toml:7:81: error: the zone us-west-2b of subnet-0000010b is not in us-east-1, the region of vpc-00000001
  hint: zones of that region are named us-east-1a, us-east-1b, ...
",
    );
    refused(
        &[
            ("z.toml", &zone("corp.example", "\"vpc-00000001\"", "")),
            ("r.toml", &rule("corp.example", "192.0.2.1", "\"vpc-00000003\"")),
        ],
        "
r.toml:5:12: error: the vpc ID 'vpc-00000003' does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
z.toml:3:12: error: the vpc ID 'vpc-00000001' does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
",
    );
    let alias = zone("corp.example", "", "{ name = \"x\", alias = \"vpce-0000000a\" }");
    refused(
        &[("z.toml", &alias)],
        "
z.toml:4:34: error: The Vpc Endpoint Id 'vpce-0000000a' does not exist
  hint: add a [[vpc_endpoint]], or the output of `aws ec2 describe-vpc-endpoints`
",
    );
    refused(
        &[("r.toml", &rule("corp.example", "10.1.0.2:53", ""))],
        "
r.toml:2:15: error: upstream 10.1.0.2:53 is this server
  hint: every question would come back; name another upstream, or listen elsewhere
",
    );
}

/// A change in one file breaks what is in others, which nobody touched.
#[test]
fn changes_that_break_untouched_objects_are_refused() {
    let network = network();
    let a = endpoint('a', 1, EC2, &["1 10a 10.1.1.17"]);
    let before = [("n.toml", &*network), ("e.toml", &*a)];
    refused_later(
        &before,
        &[("n.toml", &network.replace("[\"10.1.0.0/16\"]", "[\"10.1.2.0/24\"]")), ("e.toml", &a)],
        "
n.toml:6:108: error: 10.1.1.0/24 of subnet-0000010a is not inside vpc-00000001
  hint: vpc-00000001 has 10.1.2.0/24
",
    );
    refused_later(
        &before,
        &[("n.toml", &network.replace("10.1.1.0/24", "10.1.9.0/24")), ("e.toml", &a)],
        "
e.toml:1: error: 10.1.1.17 is not inside subnet-0000010a
  hint: the subnet has 10.1.9.0/24
",
    );
    refused_later(
        &before,
        &[("n.toml", &network.replace("subnet-0000010a", "subnet-0000010f")), ("e.toml", &a)],
        "
e.toml:1: error: The subnet ID 'subnet-0000010a' does not exist
  hint: add a [[subnet]], or the output of `aws ec2 describe-subnets`
",
    );
    refused_later(
        &[("v.toml", &vpcs(&[VPC_1])), ("w.toml", &vpcs(&[VPC_2])), ("s.toml", SUBNETS), ("e.toml", &a)],
        &[("w.toml", &vpcs(&[VPC_2])), ("s.toml", SUBNETS), ("e.toml", &a)],
        "
e.toml:1: error: the vpc ID 'vpc-00000001' of vpce-0000000a does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
s.toml:2: error: the vpc ID 'vpc-00000001' of subnet-0000010a does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
s.toml:3: error: the vpc ID 'vpc-00000001' of subnet-0000010b does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
",
    );
    refused_later(
        &before,
        &[("n.toml", &network.replace("us-east-1", "us-west-2")), ("e.toml", &a)],
        "
e.toml:1: error: the service com.amazonaws.us-east-1.ec2 is not in us-west-2, the region of vpc-00000001
  hint: an endpoint and its service are in the same region, or the endpoint says service_region
",
    );
    let service = "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.us-east-1.ec2\"\navailability_zones = [\"us-east-1b\"]\n";
    refused_later(
        &before,
        &[("n.toml", &network), ("e.toml", &a), ("s.toml", service)],
        "
e.toml:1: error: The VPC endpoint service com.amazonaws.us-east-1.ec2 does not support the availability zone of the subnet: subnet-0000010a.
  hint: it is in us-east-1a; the service is offered in us-east-1b
",
    );
    let private = endpoint_with('a', 1, EC2, "private_dns_enabled = true\n", &["1 10a 10.1.1.17"]);
    let nameless = "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.us-east-1.ec2\"\nprivate_dns_names = []\n";
    refused_later(
        &[("n.toml", &network), ("e.toml", &private)],
        &[("n.toml", &network), ("e.toml", &private), ("s.toml", nameless)],
        "
e.toml:1: error: Private DNS can't be enabled because the service com.amazonaws.us-east-1.ec2 does not provide a private DNS name.
  hint: set private_dns_enabled = false, or give the service private_dns_names in [[vpc_endpoint_service]]
",
    );
    let own = "[[vpc_endpoint_service]]\nservice_name = \"example.own\"\nbase_endpoint_dns_name = \"own.example\"\n";
    let to_own = endpoint('a', 1, "example.own", &["1 10a 10.1.1.17"]);
    refused_later(
        &[("n.toml", &network), ("e.toml", &to_own), ("s.toml", own)],
        &[("n.toml", &network), ("e.toml", &to_own)],
        "
e.toml:1: error: The Vpc Endpoint Service 'example.own' does not exist: 'example.own' is not a known service name: expected com.amazonaws.<region>.<service> (or with the partition's own prefix, such as cn.com.amazonaws), com.amazonaws.vpce.<region>.vpce-svc-<17 hex digits>, aws.api.<region>.<service>, aws.sagemaker.<region>.<service>, or a global service such as com.amazonaws.iam
  hint: describe it in a [[vpc_endpoint_service]]
",
    );
    let alias = zone("corp.example", "", "{ name = \"x\", alias = \"vpce-0000000a\" }");
    refused_later(
        &[("n.toml", &network), ("e.toml", &a), ("z.toml", &alias)],
        &[("n.toml", &network), ("z.toml", &alias)],
        "
z.toml:1: error: The Vpc Endpoint Id 'vpce-0000000a' does not exist
  hint: add a [[vpc_endpoint]], or the output of `aws ec2 describe-vpc-endpoints`
",
    );
    let corp = zone("corp.example", "\"vpc-00000002\"", "");
    refused_later(
        &[("v.toml", &vpcs(&[VPC_1])), ("w.toml", &vpcs(&[VPC_2])), ("z.toml", &corp)],
        &[("v.toml", &vpcs(&[VPC_1])), ("z.toml", &corp)],
        "
z.toml:1: error: the vpc ID 'vpc-00000002' does not exist
  hint: add a [[vpc]], or the output of `aws ec2 describe-vpcs`
",
    );
}

/// The same for an endpoint out of the AWS CLI's output, whose names came with it and are not those of its service.
#[test]
fn changes_of_a_service_are_checked_against_endpoints_with_names_of_their_own() {
    let json = r#"[{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16"}]},
{"VpcId": "vpc-00000001", "EnableDnsHostnames": {"Value": true}},
{"VpcId": "vpc-00000001", "EnableDnsSupport": {"Value": true}},
{"Subnets": [{"SubnetId": "subnet-0000010a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.1.1.0/24"}]},
{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-00000001", "SubnetId": "subnet-0000010a", "PrivateIpAddress": "10.1.1.17"}]},
{"VpcEndpoints": [{"VpcEndpointId": "vpce-0000000a", "VpcEndpointType": "Interface", "VpcId": "vpc-00000001", "State": "available",
 "ServiceName": "com.amazonaws.us-east-1.ec2", "NetworkInterfaceIds": ["eni-00000001"], "PrivateDnsEnabled": true, "DnsEntries": [
  {"DnsName": "vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com"}, {"DnsName": "ec2.us-east-1.amazonaws.com"}]}]}]"#;
    let service = |zone: &str| {
        format!(
            "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.us-east-1.ec2\"\navailability_zones = [\"{zone}\"]\n"
        )
    };
    let (good, bad) = (service("us-east-1a"), service("us-east-1b"));
    refused(
        &[("e.json", json), ("s.toml", &bad)],
        "
e.json:5:75: error: The VPC endpoint service com.amazonaws.us-east-1.ec2 does not support the availability zone of the subnet: subnet-0000010a.
  hint: it is in us-east-1a; the service is offered in us-east-1b
",
    );
    refused_later(
        &[("e.json", json), ("s.toml", &good)],
        &[("e.json", json), ("s.toml", &bad)],
        "
e.json:6: error: The VPC endpoint service com.amazonaws.us-east-1.ec2 does not support the availability zone of the subnet: subnet-0000010a.
  hint: it is in us-east-1a; the service is offered in us-east-1b
",
    );
    refused_later(
        &[("e.json", json)],
        &[("e.json", json), ("s.toml", &bad)],
        "
e.json:6: error: The VPC endpoint service com.amazonaws.us-east-1.ec2 does not support the availability zone of the subnet: subnet-0000010a.
  hint: it is in us-east-1a; the service is offered in us-east-1b
",
    );
}

#[test]
fn an_endpoint_never_moves() {
    let network = network();
    let a = endpoint('a', 1, EC2, &["1 10a 10.1.1.17"]);
    refused_later(
        &[("n.toml", &network), ("e.toml", &a)],
        &[("n.toml", &network), ("e.toml", &endpoint('a', 2, EC2, &["1 20a 10.2.1.17"]))],
        "
e.toml:3:10: error: vpce-0000000a was in vpc-00000001 and is now in vpc-00000002
  hint: an endpoint never moves: give the new one an id of its own
",
    );
    refused_later(
        &[("n.toml", &network), ("e.toml", &a)],
        &[("n.toml", &network), ("e.toml", &endpoint('a', 1, STS, &["1 10a 10.1.1.17"]))],
        "
e.toml:4:16: error: vpce-0000000a led to com.amazonaws.us-east-1.ec2 and now leads to com.amazonaws.us-east-1.sts
  hint: an endpoint never moves: give the new one an id of its own
",
    );
}

/// A service that nothing describes any more is not remembered by those who come later.
#[test]
fn what_a_file_said_goes_with_the_file() {
    let network = network();
    let own = "[[vpc_endpoint_service]]\nservice_name = \"example.own\"\nbase_endpoint_dns_name = \"own.example\"\n";
    let to_own = endpoint('a', 1, "example.own", &["1 10a 10.1.1.17"]);
    let mut dir = Dir::new();
    dir.write(&[("n.toml", &network), ("s.toml", own)]);
    assert!(dir.load().0.is_some());
    dir.write(&[("n.toml", &network)]);
    assert!(dir.load().0.is_some());
    dir.write(&[("n.toml", &network), ("e.toml", &to_own)]);
    let (model, _, problems) = dir.load();
    assert!(
        model.is_none() && problems.contains("The Vpc Endpoint Service 'example.own' does not exist"),
        "{problems}"
    );
}

/// One broken file tells its own problems, not those of files that refer to what it would have declared.
#[test]
fn a_broken_file_makes_no_cascade() {
    let network = network();
    let a = endpoint('a', 1, EC2, &["1 10a 10.1.1.17"]);
    refused(
        &[("n.toml", &network.replace("10.1.0.0/16", "10.1.0.0/99")), ("e.toml", &a)],
        "
n.toml:2:67: error: '10.1.0.0/99' is not a CIDR block
  hint: such as 10.0.0.0/16
",
    );
    refused(
        &[("n.toml", &network.replace("subnet = [", "subnet = ")), ("e.toml", &a)],
        "
n.toml:5:10: error: string values must be quoted, expected literal string
n.toml:6:3: error: invalid key-value pair, expected key
n.toml:7:3: error: invalid key-value pair, expected key
n.toml:8:3: error: invalid key-value pair, expected key
n.toml:9:1: error: missing table open, expected `[`
",
    );
}

/// Files are named as they were found, whatever directory they are in.
#[test]
fn files_in_directories_are_one_set() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path: &Path = &dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("vpcs/one.toml", &vpcs(&[VPC_1, VPC_2]));
    write("subnets.toml", SUBNETS);
    write("team/a/endpoints.toml", &endpoint('a', 1, EC2, &["1 10a 10.1.1.17"]));
    let mut all = Sources::of_files(vec![dir.path().to_owned()]);
    let first = all.load(&|_, _| {});
    assert_eq!(lines(&first.problems), "");
    assert_eq!((first.changes.added, first.changes.others, first.files_read), (1, 5, 3));
}

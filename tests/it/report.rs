//! `vpcedns report`: each reason with its remedy, and that a line says what a client is told.

use std::path::Path;
use std::process::Command;

use crate::common::random::{AnyEndpoint, AnyRule, AnyVpc, AnyWorld, any_world};
use crate::common::{BOTH, cases, endpoint, model, policy, vpc, world};
use proptest::prelude::*;
use vpcedns::dns::Rtype;
use vpcedns::explain::{Asker, explain};
use vpcedns::naming::VpcId;
use vpcedns::report::{OffReason, PrivateStatus, ReportRow, report};
use vpcedns::snapshot::{Policy, Snapshot};

const EC2: &str = "com.amazonaws.us-east-1.ec2";
const NAME: &str = "ec2.us-east-1.amazonaws.com";

/// VPC 1 with an endpoint of EC2 that is made with `extra`.
fn with(vpc_extra: &str, extra: &str, more: &str) -> String {
    vpc(1, vpc_extra) + &endpoint('a', 1, EC2, &["1.17"], extra) + more
}

fn rows(snapshot: &Snapshot, vpc: &str, word: &str) -> Vec<ReportRow> {
    report(snapshot, Some(vpc.parse().unwrap()), Some(word))
}

/// `STATUS: why`, then a line `reason -> remedy` for each cause, of the only row of VPC 1 for `word`.
fn line(snapshot: &Snapshot, word: &str) -> String {
    let rows = rows(snapshot, "vpc-00000001", word);
    let [row] = &rows[..] else { panic!("{word}: {rows:?}") };
    let causes = row.causes.iter().map(|cause| {
        let kind = serde_json::to_value(cause.reason).unwrap();
        format!("\n{} -> {}", kind.as_str().unwrap(), cause.remedy)
    });
    format!("{}: {}{}", row.status, row.why, causes.collect::<String>())
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_reason_has_its_remedy() {
    let other = vpc(2, BOTH) + &endpoint('b', 2, EC2, &["1.17"], "");
    let rule = |domain: &str| {
        format!("[[resolver_rule]]\ndomain_name = \"{domain}\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"10.9.9.9\"]\n")
    };
    let zone = |name: &str, records: &str| {
        format!("[[hosted_zone]]\nname = \"{name}\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [{records}]\n")
    };
    let service = "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc";
    let svc = endpoint('c', 1, service, &["1.19"], "");
    let off = "private_dns_enabled = false";
    for (toml, word, want) in [
        (with(BOTH, "", ""), "ec2", "PRIVATE: private name ec2.us-east-1.amazonaws.com of vpce-0000000a".to_owned()),
        (with(BOTH, off, ""), "ec2", "PUBLIC: private_dns_enabled=false on vpce-0000000a".to_owned()),
        (
            with("enable_dns_hostnames = false", "", ""),
            "ec2",
            "OFF: enable_dns_hostnames=false on vpc-00000001\nattributes -> set enable_dns_hostnames = true on vpc-00000001 \
             (modify-vpc-attribute --enable-dns-hostnames)"
                .to_owned(),
        ),
        (
            with("enable_dns_support = false\nenable_dns_hostnames = true", "", ""),
            "ec2",
            "OFF: enable_dns_support=false on vpc-00000001\nattributes -> set enable_dns_support = true on vpc-00000001 \
             (modify-vpc-attribute --enable-dns-support)"
                .to_owned(),
        ),
        (
            with(BOTH, "state = \"pendingAcceptance\"", ""),
            "ec2",
            "OFF: vpce-0000000a is pendingAcceptance\nstate -> accept it: accept-vpc-endpoint-connections \
             --vpc-endpoint-ids vpce-0000000a"
                .to_owned(),
        ),
        (
            with(BOTH, "state = \"rejected\"", ""),
            "ec2",
            "OFF: vpce-0000000a is rejected\nstate -> ask the provider to accept vpce-0000000a, or create another endpoint"
                .to_owned(),
        ),
        (
            vpc(1, BOTH) + &endpoint('a', 1, EC2, &[], "state = \"pending\""),
            "ec2",
            "OFF: vpce-0000000a has no address\nstate -> give vpce-0000000a a network interface with an address: add a \
             subnet to it"
                .to_owned(),
        ),
        (
            with(BOTH, "private_dns_only_for_inbound_resolver_endpoint = true", ""),
            "ec2",
            "OFF: private names of vpce-0000000a are for inbound resolver endpoints only\ninbound-only -> set \
             private_dns_only_for_inbound_resolver_endpoint = false on vpce-0000000a"
                .to_owned(),
        ),
        (
            with(BOTH, "", &svc),
            "vpce-svc",
            format!(
                "OFF: {service} has no private name\nno-private-name -> give it one: `private_dns_names` of \
                 [[vpc_endpoint_service]] {service}, or modify-vpc-endpoint-service-configuration --private-dns-name"
            ),
        ),
        (
            vpc(1, BOTH) + &other,
            "ec2",
            "OFF: no endpoint of the service is in vpc-00000001 (vpce-0000000b is in vpc-00000002)\nnot-in-vpc -> create \
             an endpoint of the service in vpc-00000001, or a hosted zone whose alias leads to one"
                .to_owned(),
        ),
        (
            with(BOTH, "", &rule(NAME)),
            "ec2",
            format!(
                "OFF: FORWARD rule for {NAME} asks 10.9.9.9:53\nrule -> take vpc-00000001 out of the rule, or add a SYSTEM \
                 rule for the name"
            ),
        ),
        // both have to go
        (
            with("", "", &rule(NAME)),
            "ec2",
            format!(
                "OFF: FORWARD rule for {NAME} asks 10.9.9.9:53\nrule -> take vpc-00000001 out of the rule, or add a SYSTEM \
                 rule for the name\nattributes -> set enable_dns_hostnames = true on vpc-00000001 (modify-vpc-attribute \
                 --enable-dns-hostnames)"
            ),
        ),
        // a rule for a shorter name does not hold over an endpoint
        (with(BOTH, "", &rule("amazonaws.com")), "ec2", format!("PRIVATE: private name {NAME} of vpce-0000000a")),
        (
            with(BOTH, off, &zone(NAME, "{ name = \"@\", type = \"A\", values = [\"10.9.9.9\"] }")),
            "ec2",
            format!(
                "OFF: hosted zone {NAME}, which decides here\nconflict -> take vpc-00000001 out of hosted zone {NAME}, or \
                 let the record lead to an endpoint of the service"
            ),
        ),
        // the zone is how a central endpoint is shared
        (
            with(BOTH, off, &zone(NAME, "{ name = \"@\", alias = \"vpce-0000000a\" }")),
            "ec2",
            format!("PRIVATE: alias of hosted zone {NAME} to vpce-0000000a"),
        ),
        (
            with(BOTH, off, &zone(NAME, "{ name = \"@\", type = \"A\", values = [\"10.1.1.17\"] }")),
            "ec2",
            format!("PRIVATE: hosted zone {NAME}"),
        ),
        (
            vpc(1, BOTH) + &other + &zone("amazonaws.com", ""),
            "ec2",
            "OFF: not in hosted zone amazonaws.com, which decides here\nconflict -> take vpc-00000001 out of hosted zone \
             amazonaws.com, or let the record lead to an endpoint of the service"
                .to_owned(),
        ),
        (
            with(
                BOTH,
                off,
                &zone("us-east-1.amazonaws.com", "{ name = \"ec2\", type = \"CNAME\", values = [\"x.test\"] }"),
            ),
            "ec2",
            "OFF: a hosted zone has it, as an alias that leads to nothing: special name, answered here (RFC 6761)\n\
             conflict -> take vpc-00000001 out of that zone, or correct the record"
                .to_owned(),
        ),
        (
            with(
                BOTH,
                off,
                &zone("us-east-1.amazonaws.com", "{ name = \"ec2\", type = \"CNAME\", values = [\"www.example.org\"] }"),
            ),
            "ec2",
            "OFF: a hosted zone has it, as an alias of www.example.org, which is asked upstream\nconflict -> take \
             vpc-00000001 out of that zone, or the record away"
                .to_owned(),
        ),
        (
            with(BOTH, "", &vpc(2, "").replace("10.2.", "10.1.").replace("fd00:2:", "fd00:1:")),
            "ec2",
            "OFF: 10.1.0.0/16 is a block of vpc-00000001 and of vpc-00000002, and nothing tells their clients apart\n\
             clients-unknown -> give vpc-00000001 `listeners`, or `clients` with the networks that are its own"
                .to_owned(),
        ),
    ] {
        assert_eq!(line(&world(&toml), word), want, "{toml}");
    }
}

/// What may not be public is OFF where private DNS is off, not PUBLIC.
#[test]
fn private_only_makes_a_choice_an_outage() {
    let private_only = std::iter::once("amazonaws.com".parse().unwrap()).collect();
    let policy = Policy { private_only, ..policy() };
    let snapshot = Snapshot::compile(model(&with(BOTH, "private_dns_enabled = false", "")), policy, 1);
    let want = "OFF: private_only covers amazonaws.com, and private_dns_enabled=false on vpce-0000000a\n\
                private-only -> set private_dns_enabled = true on vpce-0000000a";
    assert_eq!(line(&snapshot, "ec2"), want);
}

/// Names that only some endpoints have do not make a service OFF, and say why they are not private.
#[test]
fn second_and_dualstack_names_are_told_apart() {
    let s3 = endpoint('b', 1, "com.amazonaws.us-east-1.s3", &["1.18"], "");
    let snapshot = world(&with(BOTH, "", &s3));
    for (word, name, reason) in [
        ("ec2", "ec2.us-east-1.api.aws", OffReason::NoEvidence),
        ("s3", "s3.dualstack.us-east-1.amazonaws.com", OffReason::DualstackOnly),
    ] {
        let rows = rows(&snapshot, "vpc-00000001", word);
        assert_eq!(rows[0].status, PrivateStatus::Private, "{rows:?}");
        let of = rows[0].names.iter().find(|known| known.name.ends_with(name)).unwrap_or_else(|| panic!("{rows:?}"));
        assert_eq!((of.status, of.causes[0].reason), (PrivateStatus::Off, reason));
    }
}

/// A service of another Region is nothing that is missing.
#[test]
fn a_service_of_another_region_is_public() {
    let west = vpc(2, BOTH).replace("us-east-1", "us-west-2");
    let snapshot = world(&with(BOTH, "", &west));
    let rows = rows(&snapshot, "vpc-00000002", "ec2");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let want = "vpc-00000002 is in us-west-2, and the service in us-east-1";
    assert_eq!((row.status, row.why.as_str()), (PrivateStatus::Public, want));
}

/// A SYSTEM rule of one VPC at a name that a rule for all forwards: what no rule decides holds, the private name.
#[test]
fn a_system_rule_lies_over_one_for_all_at_the_same_name() {
    let endpoint = AnyEndpoint {
        vpc: 2,
        service: 0,
        state: 0,
        kind: 0,
        interfaces: 1,
        private: true,
        overlay: false,
        inbound_only: false,
    };
    let rule = |vpcs, system| AnyRule { domain: 4, vpcs, system };
    let world = AnyWorld {
        vpcs: [(2, AnyVpc { support: true, hostnames: true, dns64: false, affinity: 0 })].into(),
        endpoints: [('b', endpoint)].into(),
        rules: vec![rule(0, false), rule(2, true)],
        ..AnyWorld::default()
    };
    let snapshot = Snapshot::compile(model(&world.text()), policy(), 1);
    let rows = report(&snapshot, None, None);
    assert_eq!(rows.iter().map(|row| row.status).collect::<Vec<_>>(), [PrivateStatus::Private], "{rows:?}");
}

proptest! {
    #![proptest_config(cases(200))]

    /// PRIVATE has records of an endpoint or hosted zone, PUBLIC is asked upstream, and OFF has a cause with a remedy.
    #[test]
    fn a_line_says_what_clients_are_told(world in any_world()) {
        let snapshot = Snapshot::compile(model(&world.text()), policy(), 1);
        for row in report(&snapshot, None, None) {
            prop_assert_eq!(row.status == PrivateStatus::Off, !row.causes.is_empty(), "{:?}", row);
            let vpc: VpcId = row.vpc_id.parse().unwrap();
            for name in &row.names {
                prop_assert_eq!(name.status == PrivateStatus::Off, !name.causes.is_empty(), "{:?}", name);
                prop_assert!(name.causes.iter().all(|cause| !cause.remedy.is_empty()));
                let asked = name.name.replace('*', "vpcedns-report").parse().unwrap();
                let told = |rtype| explain(&snapshot, Asker::Vpc(vpc), &asked, rtype);
                let (a, aaaa) = (told(Rtype::A), told(Rtype::AAAA));
                match name.status {
                    PrivateStatus::Private => prop_assert!(
                        a.rcode.as_deref() == Some("NOERROR") && !(a.answer.is_empty() && aaaa.answer.is_empty()),
                        "{:?} {:?}", name, a
                    ),
                    PrivateStatus::Public => prop_assert!(a.rcode.is_none(), "{:?} {:?}", name, a),
                    PrivateStatus::Off => {}
                }
            }
        }
    }
}

#[test]
fn the_command_prints_tables_and_json() {
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let run = |more: &[&str]| {
        let program =
            Command::new(env!("CARGO_BIN_EXE_vpcedns")).arg("report").arg("--zones").arg(&zones).args(more).output();
        let output = program.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = run(&[]);
    assert_eq!(code, Some(0));
    assert!(text.ends_with(&format!("8 lines: 4 private, 0 public, 4 off (files in {})\n", zones.display())), "{text}");
    let (_, text) = run(&["ec2", "--vpc", "vpc-0f1e2d3c4b5a69788", "--status", "off"]);
    let want = "vpc-0f1e2d3c4b5a69788\n  com.amazonaws.us-east-1.ec2  OFF      no endpoint of the service is in \
                vpc-0f1e2d3c4b5a69788 (vpce-0fe5b17a0707d6abc is in vpc-ec43eb89)\n      remedy: create an endpoint of \
                the service in vpc-0f1e2d3c4b5a69788, or a hosted zone whose alias leads to one\n\n1 line: 0 private, 0 \
                public, 1 off";
    assert_eq!(text, format!("{want} (files in {})\n", zones.display()));
    let (_, text) = run(&["--json", "--vpc", "vpc-ec43eb89", "--status", "private"]);
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["looked_at"], format!("files in {}", zones.display()));
    let services =
        said["rows"].as_array().unwrap().iter().map(|row| row["service_name"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(services.len(), 3, "{services:?}");
    assert_eq!(run(&["--vpc", "vpc-99999999"]).0, Some(1));
}

//! `explain`, the trace and the wire never disagree (I7), and nothing private is asked upstream (I8).

use std::net::SocketAddr;

use crate::common::random::{AnyWorld, CLIENTS, any_world, names};
use crate::common::{Asked, Told, ask, model, policy, tell, vpc, wire_name};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use vpcedns::answer::{Decision, NoTrace, Question, answer};
use vpcedns::dns::{DnsName, NameBuf, Rtype};
use vpcedns::explain::{Asker, RecordText, explain};
use vpcedns::model::Mode;
use vpcedns::snapshot::{Authority, Policy, Snapshot};

const TYPES: [&str; 8] = ["A", "AAAA", "CNAME", "SOA", "NS", "MX", "PTR", "ANY"];

prop_compose! {
    fn any_question()(
        name in prop::sample::select(names()), client in prop::sample::select(&CLIENTS[..]), rtype in prop::sample::select(&TYPES[..]),
    ) -> (String, &'static str, &'static str) {
        (name, client, rtype)
    }
}

fn compile(world: &AnyWorld, upstream: bool) -> Snapshot {
    let policy = if upstream { policy() } else { Policy::default() };
    Snapshot::compile(model(&world.text()), policy, 1)
}

fn local() -> SocketAddr {
    "127.0.0.1:53".parse().unwrap()
}

/// Records as `explain` tells them, in the words of `Told`.
fn lines(records: &[RecordText], asked: &str) -> Vec<String> {
    let line = |record: &RecordText| {
        let same = wire_name(&record.name).eq_ignore_ascii_case(&wire_name(asked));
        let owner = if same { String::new() } else { format!("{} ", record.name) };
        match record.rtype.as_str() {
            "SOA" => format!("{owner}{} SOA", record.ttl),
            rtype => format!("{owner}{} {rtype} {}", record.ttl, record.data.trim_end_matches('.')),
        }
    };
    records.iter().map(line).collect()
}

proptest! {
    #![proptest_config(crate::common::cases(100))]

    #[test]
    fn explain_says_what_the_wire_says(
        world in any_world(), questions in prop::collection::vec(any_question(), 20), upstream: bool,
    ) {
        let snapshot = compile(&world, upstream);
        for (name, client, rtype) in questions {
            let asked = Asked::new(client, &name, rtype);
            let told = ask(&snapshot, &asked);
            let domain: DnsName = name.parse().unwrap();
            let explained = explain(&snapshot, Asker::Address(asked.from, local()), &domain, asked.rtype);
            // what DNS64 makes is no part of a decision; `agree.rs` compares it with the packet
            if explained.steps.iter().any(|step| step.contains("enable_dns64")) {
                continue;
            }
            prop_assert_eq!(&explained.reason, &told.reason);
            prop_assert_eq!(lines(&explained.authority, &name), told.authority, "{} {}", name, rtype);
            let upstreams: Vec<String> = explained.forwarded_to.iter().map(ToString::to_string).collect();
            if let Some(rcode) = &explained.rcode {
                prop_assert_eq!(rcode, &told.verdict);
                prop_assert_eq!(lines(&explained.answer, &name), told.answers);
                prop_assert!(upstreams.is_empty());
            } else {
                let verdict = format!("FORWARD {}", upstreams.join(" "));
                prop_assert!(told.verdict.starts_with(&verdict), "{} and {}", verdict, told.verdict);
            }
            prop_assert!(!explained.steps.is_empty());
            prop_assert!(explained.answer.is_empty() || explained.advice.is_empty());
        }
    }

    #[test]
    fn a_trace_changes_nothing(world in any_world(), questions in prop::collection::vec(any_question(), 60), rotation: u32, rd: bool) {
        let snapshot = compile(&world, true);
        for (name, client, rtype) in questions {
            let asked = Asked::new(client, &name, rtype);
            let mut buf = NameBuf::default();
            buf.read(&asked.name).unwrap();
            let question = Question { name: buf.name(), rtype: asked.rtype, recursion_desired: rd };
            let client = snapshot.client(local(), asked.from);
            let told = |decision: Decision<'_>| -> Told { tell(&decision, &question, &asked.name) };
            let mut steps: Vec<String> = Vec::new();
            let quiet = told(answer(&snapshot, client, &question, rotation, &mut NoTrace));
            let traced = told(answer(&snapshot, client, &question, rotation, &mut steps));
            prop_assert_eq!(quiet, traced);
            prop_assert!(!steps.is_empty(), "whose client it is is said in any case");
        }
    }

    /// I8, found by a rule of its own: the private zone that is the most specific name above decides.
    #[test]
    fn nothing_below_a_private_zone_is_asked_upstream(world in any_world(), label in "[a-z]{1,5}", rtype in prop::sample::select(&TYPES[..])) {
        let snapshot = compile(&world, true);
        for client in CLIENTS {
            let from = client.parse().unwrap();
            let view = snapshot.client(local(), from).view;
            let Some(vpc) = view.vpc.as_ref().filter(|vpc| vpc.has_private_dns()) else { continue };
            for entry in view.entries() {
                let overlay = match &entry.authority {
                    Authority::Private(zone) => {
                        let live = zone.claimants().filter_map(|id| snapshot.model.endpoint(id));
                        let serving: Vec<_> = live.filter(|e| e.is_served() && !e.inbound_resolver_only()).collect();
                        if serving.is_empty() {
                            continue;
                        }
                        serving.iter().any(|e| e.mode() == Mode::Overlay)
                    }
                    Authority::HostedZone(zone) => zone.mode == Mode::Overlay,
                    _ => continue,
                };
                let deep = format!("{label}.a.b.c.d.{}", entry.name);
                for name in [entry.name.to_string(), format!("{label}.{}", entry.name), deep] {
                    let name: DnsName = name.parse().unwrap();
                    let deeper = |other: &DnsName| name.is_at_or_below(other) && other.label_count() > entry.name.label_count();
                    let at_apex = name == entry.name;
                    if (overlay && !at_apex) || view.entries().iter().any(|other| deeper(&other.name)) {
                        continue;
                    }
                    let asked = Asked::new(client, &name.to_string(), rtype);
                    let mut buf = NameBuf::default();
                    buf.read(&asked.name).unwrap();
                    let question = Question { name: buf.name(), rtype: asked.rtype, recursion_desired: true };
                    let client = snapshot.client(local(), asked.from);
                    if let Decision::Forward(forward) = answer(&snapshot, client, &question, 0, &mut NoTrace) {
                        // an alias of the zone itself may lead out of it; the name inside is not asked for
                        prop_assert!(forward.name.is_some(), "{} of {} in {} is forwarded", name, vpc.vpc_id, world.text());
                    }
                }
            }
        }
    }
}

/// The property above looks at something: most random worlds have a private zone that answers.
#[test]
fn random_worlds_are_worth_asking() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut private, mut forwarded, mut denied) = (0, 0, 0);
    for _ in 0..100 {
        let world = any_world().new_tree(&mut runner).unwrap().current();
        let snapshot = compile(&world, true);
        for name in names() {
            let told = ask(&snapshot, &Asked::new("10.1.0.5", &name, "A"));
            private += usize::from(told.reason.starts_with("private name"));
            forwarded += usize::from(told.verdict.starts_with("FORWARD"));
            denied += usize::from(told.verdict == "NXDOMAIN");
        }
    }
    assert!(private > 100 && forwarded > 1000 && denied > 1000, "{private} {forwarded} {denied}");
}

/// A name that is private already gets no advice to make it private, whatever the type; one that could be does.
#[test]
fn a_private_name_needs_no_advice() {
    let zones = ["network", "endpoints"].map(|name| format!("{}/zones/{name}.toml", env!("CARGO_MANIFEST_DIR")));
    let snapshot =
        Snapshot::compile(model(&zones.map(|path| std::fs::read_to_string(path).unwrap()).concat()), policy(), 1);
    let advice = |name: &str, rtype: &str| {
        let asked = Asked::new("127.0.1.5", name, rtype);
        explain(&snapshot, Asker::Address(asked.from, local()), &name.parse().unwrap(), asked.rtype).advice.join("; ")
    };
    assert_eq!(advice("ec2.us-east-1.amazonaws.com", "AAAA"), "");
    assert_eq!(
        advice("sqs.us-east-1.amazonaws.com", "A"),
        "an endpoint for com.amazonaws.us-east-1.sqs in vpc-ec43eb89 would make it private"
    );
}

/// The first steps say how a client is known, and so why it is no other's.
#[test]
fn the_way_in_which_a_client_is_known_is_named() {
    const TWO: &str = r#"
[[vpc]]
vpc_id = "vpc-0000000a"
region = "us-east-1"
cidr_blocks = ["10.1.0.0/16"]
clients = ["192.0.2.0/28"]
listeners = ["10.9.9.9:53"]

[[vpc]]
vpc_id = "vpc-0000000b"
region = "us-east-1"
cidr_blocks = ["10.2.0.0/16"]
"#;
    let allow = Policy { allow: vec!["198.51.100.0/24".parse().unwrap()], ..Policy::default() };
    let snapshot = Snapshot::compile(model(TWO), allow, 1);
    for (from, to, steps) in [
        ("10.1.0.5", None, "client of vpc-0000000a: its address is in 10.1.0.0/16"),
        ("192.0.2.5", None, "client of vpc-0000000a: its address is in 192.0.2.0/28 of its clients"),
        ("10.2.0.5", Some("10.9.9.9:53"), "client of vpc-0000000a: it asked one of its listeners"),
        ("vpc-0000000b", None, "client of vpc-0000000b, as one that has a token of it"),
        ("198.51.100.7", None, "client of no VPC, allowed by 198.51.100.0/24"),
        ("203.0.113.7", None, "client of no VPC, not in the allow list"),
        (
            "10.2.4.7/24",
            None,
            "asked for 10.2.4.0/24 by a forwarder, in EDNS Client Subnet; client of vpc-0000000b: its address is in 10.2.0.0/16",
        ),
        (
            "10.0.0.0/6",
            None,
            "asked for 8.0.0.0/6 by a forwarder, in EDNS Client Subnet; client of no VPC, not in the allow list",
        ),
        (
            "10.1.0.0/15",
            None,
            "asked for 10.0.0.0/15 by a forwarder, in EDNS Client Subnet; client of no VPC, not in the allow list",
        ),
        (
            "10.2.0.0/15",
            Some("10.9.9.9:53"),
            "asked for 10.2.0.0/15 by a forwarder, in EDNS Client Subnet; client of vpc-0000000a: it asked one of its listeners",
        ),
        (
            "10.2.0.0/15",
            None,
            "asked for 10.2.0.0/15 by a forwarder, in EDNS Client Subnet; 10.2.0.0/15 reaches beyond the addresses of one VPC: \
             its clients are of none; client of no VPC, not in the allow list",
        ),
    ] {
        let asker: Asker = from.parse().unwrap();
        let to: Option<SocketAddr> = to.map(|to| to.parse().unwrap());
        let told = explain(&snapshot, asker.to(to), &"www.example".parse().unwrap(), Rtype::A);
        let wanted = steps.split("; ").count();
        assert_eq!(told.steps[..wanted].join("; "), steps, "{from}");
    }
    assert_eq!(
        "10.1.0".parse::<Asker>().unwrap_err(),
        "'10.1.0' is neither an IP address or network nor the id of a VPC"
    );
}

/// A client whose VPC wants it has replies validated, but for those of a rule, whose domain is private.
#[test]
fn explain_says_whose_replies_are_validated() {
    let network = [vpc(1, "dnssec_validation = true"), vpc(2, "")].concat()
        + "[[resolver_rule]]\ndomain_name = \"onprem.example\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"10.9.9.9\"]\n";
    let said = |policy: Policy, vpc: u8, name: &str| {
        let snapshot = Snapshot::compile(model(&network), policy, 1);
        let asker = Asker::Vpc(format!("vpc-0000000{vpc}").parse().unwrap());
        let steps = explain(&snapshot, asker, &name.parse().unwrap(), Rtype::A).steps;
        steps.into_iter().find_map(|step| step.strip_prefix("the reply is validated (DNSSEC): ").map(str::to_owned))
    };
    assert_eq!(said(policy(), 1, "www.example").as_deref(), Some("dnssec_validation of vpc-00000001"));
    assert_eq!(said(policy(), 1, "www.onprem.example"), None);
    assert_eq!(said(policy(), 1, "localhost"), None);
    assert_eq!(said(policy(), 2, "www.example"), None);
    let all = || Policy { dnssec_validation: true, ..policy() };
    assert_eq!(said(all(), 2, "www.example").as_deref(), Some("--dnssec validate"));
    assert_eq!(said(all(), 2, "www.onprem.example"), None);
}

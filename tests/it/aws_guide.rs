//! The AWS CLI's output, as the guides of 2017 and 2026 print it: loads unmodified, yields the names it lists, answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Asked, ask, check, lines, policy};
use serde_json::Value;
use vpcedns::model::{Endpoint, Interface, Model};
use vpcedns::naming::{EndpointId, ZoneName, endpoint_names};
use vpcedns::snapshot::Snapshot;
use vpcedns::source::Sources;

fn fixtures(set: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(set)
}

/// The model of a set of fixtures, and its warnings.
fn load(set: &str) -> (Model, String) {
    let dir = fixtures(set);
    let loaded = Sources::of_files(vec![dir.clone()]).load(&|_, _| {});
    let problems = lines(&loaded.problems).replace(&format!("{}/", dir.display()), "");
    (loaded.model.unwrap_or_else(|| panic!("{problems}")), problems)
}

/// What the fixtures themselves say about the interface endpoints of a set, read without the code under test.
fn listed(set: &str) -> Vec<(EndpointId, Vec<String>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(fixtures(set)).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let output: Value = serde_json::from_str(&text).unwrap();
        for endpoint in output["VpcEndpoints"].as_array().into_iter().flatten() {
            if endpoint["VpcEndpointType"] == "Interface" {
                let entries = endpoint["DnsEntries"].as_array().into_iter().flatten();
                let names = entries.map(|entry| entry["DnsName"].as_str().unwrap().to_owned()).collect();
                found.push((endpoint["VpcEndpointId"].as_str().unwrap().parse().unwrap(), names));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// `DnsEntries` as the model makes them: private names are listed where private DNS is on and not for inbound resolvers only.
fn dns_entries(model: &Model, endpoint: &Endpoint) -> Vec<String> {
    let zones: Vec<&ZoneName> = endpoint.interfaces.iter().map(|interface| model.zone(interface)).collect();
    let names = endpoint_names(endpoint.id, endpoint.suffix, model.service(endpoint), zones).unwrap();
    let private = names.private.len();
    let all: Vec<String> = names.dns_entries().map(ToString::to_string).collect();
    let hidden = !endpoint.private_dns_enabled() || endpoint.inbound_resolver_only();
    all[..all.len() - if hidden { private } else { 0 }].to_vec()
}

#[test]
fn endpoints_have_the_names_that_the_output_lists() {
    for (set, with_names) in [("aws-2017", 2), ("aws-2026", 2)] {
        let (model, _) = load(set);
        let mut compared = 0;
        for (id, wanted) in listed(set) {
            let endpoint = model.endpoint(id).unwrap_or_else(|| panic!("{id} is not there"));
            if !wanted.is_empty() {
                assert_eq!(dns_entries(&model, endpoint), wanted, "{set} {id}");
                compared += 1;
            }
        }
        assert_eq!(compared, with_names, "{set}");
        assert_eq!(model.endpoint_count(), listed(set).len(), "{set}");
    }
}

/// Every listed name is answered inside the VPC with the addresses of the interfaces that the output lists.
#[test]
fn listed_names_answer_with_listed_addresses() {
    for (set, client) in [("aws-2017", "10.0.1.200"), ("aws-2026", "10.20.1.200")] {
        let (model, _) = load(set);
        let snapshot = Snapshot::compile(model, policy(), 1);
        for (id, names) in listed(set) {
            let endpoint = snapshot.model.endpoint(id).unwrap();
            let all: Vec<String> =
                endpoint.interfaces.iter().filter_map(Interface::ipv4).map(|a| format!("60 A {a}")).collect();
            assert!(names.is_empty() || !all.is_empty(), "{id} has addresses");
            for name in names {
                let zone = endpoint.interfaces.iter().position(|interface| {
                    name.split('.').any(|label| label.ends_with(&format!("-{}", snapshot.model.zone(interface))))
                });
                let want = zone.map_or_else(|| all.clone(), |at| vec![all[at].clone()]);
                let told = ask(&snapshot, &Asked::new(client, &name.replace("*.", "bucket."), "A"));
                assert_eq!((told.verdict.as_str(), &told.answers), ("NOERROR", &want), "{set} {name}");
            }
        }
    }
}

#[test]
fn output_of_2017() {
    let (model, problems) = load("aws-2017");
    assert_eq!(problems, "");
    check(
        &Snapshot::compile(model, policy(), 1),
        "
from 10.0.1.200 elasticloadbalancing.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.0.1.17 | private name elasticloadbalancing.us-east-1.amazonaws.com of vpce-088d25a4bbf4a7abc
from 10.0.1.200 elasticloadbalancing.us-east-1.amazonaws.com AAAA
  NOERROR | authority 60 SOA | private name elasticloadbalancing.us-east-1.amazonaws.com of vpce-088d25a4bbf4a7abc
from 10.0.1.200 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.0.1.200 vpce-0f89a33420c193abc-bluzidnv.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.0.1.18, 60 A 10.0.2.18 | name of vpce-0f89a33420c193abc
from 10.0.1.200 vpce-0f89a33420c193abc-bluzidnv-us-east-1b.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.0.2.18 | name of vpce-0f89a33420c193abc
from 10.0.1.200 s3.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 elasticloadbalancing.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

#[test]
fn output_of_2026() {
    let (model, problems) = load("aws-2026");
    assert!(!problems.contains("error"), "{problems}");
    check(
        &Snapshot::compile(model, policy(), 1),
        "
from 10.20.1.200 monitoring.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.20.1.10, 60 A 10.20.2.10 | private name monitoring.us-east-1.amazonaws.com of vpce-0cc11dd22ee33ff44
from 10.20.1.200 monitoring.us-east-1.amazonaws.com AAAA
  NOERROR | 60 AAAA 2600:1f18:1234:5601::a, 60 AAAA 2600:1f18:1234:5602::a | private name monitoring.us-east-1.amazonaws.com of vpce-0cc11dd22ee33ff44
from 10.21.1.200 monitoring-fips.us-east-1.api.aws A
  NOERROR | 60 A 10.20.1.10, 60 A 10.20.2.10 | private name monitoring-fips.us-east-1.api.aws of vpce-0cc11dd22ee33ff44
from 10.99.1.200 monitoring.us-east-1.amazonaws.com A
  REFUSED | your address is in no VPC and not in the allow list
from 2600:1f18:1234:5600::9 monitoring.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.20.1.10, 60 A 10.20.2.10 | private name monitoring.us-east-1.amazonaws.com of vpce-0cc11dd22ee33ff44
from 10.20.1.200 s3.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS of vpce-0aa11bb22cc33dd44 is for inbound resolver endpoints only
from 10.20.1.200 logs.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS is off: vpce-0bb11bb22cc33dd44 has no address yet
from 10.20.1.200 sqs.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS is off: vpce-0dd11bb22cc33dd44 is deleted
from 10.20.1.200 bucket.vpce-0aa11bb22cc33dd44-9hnenorg.s3.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.20.1.11 | name of vpce-0aa11bb22cc33dd44
",
    );
}

/// The state of each endpoint is that of the output.
#[test]
fn states_are_those_of_the_output() {
    let (model, _) = load("aws-2026");
    let states: BTreeMap<String, String> =
        model.endpoints().map(|endpoint| (endpoint.id.to_string(), endpoint.state.to_string())).collect();
    let states: Vec<(&str, &str)> = states.iter().map(|(id, state)| (id.as_str(), state.as_str())).collect();
    assert_eq!(
        states,
        [
            ("vpce-0aa11bb22cc33dd44", "available"),
            ("vpce-0bb11bb22cc33dd44", "pending"),
            ("vpce-0cc11dd22ee33ff44", "available"),
            ("vpce-0dd11bb22cc33dd44", "deleted"),
            ("vpce-0e44d14a27a369e43", "pendingAcceptance"),
        ]
    );
}

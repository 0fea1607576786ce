//! `vpcedns diff`: which answers change, that none is missed, and the exit codes of diff(1).

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::random::{any_world, names};
use crate::common::{BOTH, cases, endpoint, model, policy, vpc, world};
use proptest::prelude::*;
use vpcedns::diff::{DiffClient, diff};
use vpcedns::dns::{DnsName, Rtype};
use vpcedns::observe::tell;
use vpcedns::snapshot::Snapshot;

const EC2: &str = "com.amazonaws.us-east-1.ec2";

/// `CLIENT NAME TYPE: OLD -> NEW` for each change.
fn lines(old: &str, new: &str) -> Vec<String> {
    let found = diff(&world(old), &world(new));
    let side = |told: Option<&vpcedns::observe::ToldAnswer>| told.map_or("-".to_owned(), ToString::to_string);
    let change = |c: &vpcedns::diff::AnswerChange| {
        format!("{} {} {}: {} -> {}", c.client, c.name, c.rtype, side(c.old.as_ref()), side(c.new.as_ref()))
    };
    let mut lines: Vec<String> = found.answers.iter().map(change).collect();
    lines.extend(found.clients.iter().map(|vpc| format!("clients of {vpc}")));
    lines
}

/// What is in `more` is all that there is between the two.
fn added(base: &str, more: &str, want: &[&str]) {
    let (lines, mut want) = (lines(base, &format!("{base}{more}")), want.to_vec());
    want.sort_unstable();
    assert_eq!(lines, want, "{more}");
}

#[test]
fn each_kind_of_change_is_told_once() {
    let base = vpc(1, BOTH) + &vpc(2, BOTH) + &endpoint('a', 1, EC2, &["1.17"], "");
    added(&base, "", &[]);
    let up = "asked upstream at 192.0.2.53:53";
    let zone = |records: &str| {
        format!("[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000002\"]\nrecords = [{records}]\n")
    };
    added(
        &base,
        &zone("{ name = \"db\", type = \"A\", values = [\"10.9.9.9\"] }"),
        &[
            &format!("vpc-00000002 corp.example A: {up} -> NOERROR"),
            &format!("vpc-00000002 corp.example AAAA: {up} -> NOERROR"),
            &format!("vpc-00000002 db.corp.example A: {up} -> NOERROR 10.9.9.9"),
            &format!("vpc-00000002 db.corp.example AAAA: {up} -> NOERROR"),
            &format!("vpc-00000002 *.corp.example A: {up} -> NXDOMAIN"),
            &format!("vpc-00000002 *.corp.example AAAA: {up} -> NXDOMAIN"),
        ],
    );
    added(
        &base,
        "[[resolver_rule]]\ndomain_name = \"x.example\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"10.9.9.9\"]\nvpc_ids = [\"vpc-00000002\"]\n",
        &[
            &format!("vpc-00000002 x.example A: {up} -> asked upstream at 10.9.9.9:53"),
            &format!("vpc-00000002 x.example AAAA: {up} -> asked upstream at 10.9.9.9:53"),
            &format!("vpc-00000002 *.x.example A: {up} -> asked upstream at 10.9.9.9:53"),
            &format!("vpc-00000002 *.x.example AAAA: {up} -> asked upstream at 10.9.9.9:53"),
        ],
    );
    // an address: the endpoint's own names for everybody, its private name and its instance name in its VPC
    let moved = lines(&base, &base.replace("10.1.1.17", "10.1.1.18"));
    assert_eq!(
        moved,
        [
            "every client vpce-0000000a-aaaaaaaa-us-east-1a.ec2.us-east-1.vpce.amazonaws.com A: NOERROR 10.1.1.17 -> NOERROR 10.1.1.18",
            "every client vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A: NOERROR 10.1.1.17 -> NOERROR 10.1.1.18",
            "vpc-00000001 17.1.1.10.in-addr.arpa PTR: NOERROR PTR ip-10-1-1-17.ec2.internal. -> NXDOMAIN",
            "vpc-00000001 18.1.1.10.in-addr.arpa PTR: NXDOMAIN -> NOERROR PTR ip-10-1-1-18.ec2.internal.",
            "vpc-00000001 ec2.us-east-1.amazonaws.com A: NOERROR 10.1.1.17 -> NOERROR 10.1.1.18",
            "vpc-00000001 ip-10-1-1-17.ec2.internal A: NOERROR 10.1.1.17 -> NXDOMAIN",
            "vpc-00000001 ip-10-1-1-18.ec2.internal A: NXDOMAIN -> NOERROR 10.1.1.18",
        ]
    );
    // who is known by which address
    assert_eq!(
        lines(&base, &base.replacen("\"10.1.0.0/16\", ", "\"10.1.0.0/16\", \"10.7.0.0/16\", ", 1)),
        ["clients of vpc-00000001"]
    );
}

/// A name that leads elsewhere changes with what it leads to, although its own record is the same.
#[test]
fn aliases_change_with_their_targets() {
    let zone = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000002\"]\nrecords = [\
        { name = \"api\", alias = \"vpce-0000000a\" },\
        { name = \"www\", type = \"CNAME\", values = [\"api.corp.example\"] },\
        { name = \"far\", type = \"CNAME\", values = [\"vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com\"] }]\n";
    let base = vpc(1, BOTH) + &vpc(2, BOTH) + &endpoint('a', 1, EC2, &["1.17"], "") + zone;
    let moved = lines(&base, &base.replace("10.1.1.17", "10.1.1.18"));
    let corp: Vec<&str> =
        moved.iter().filter_map(|line| line.strip_prefix("vpc-00000002 ")?.split(' ').next()).collect();
    assert_eq!(corp, ["api.corp.example", "far.corp.example", "www.corp.example"], "{moved:?}");
}

/// Names of a VPC that comes are told against nothing.
#[test]
fn a_vpc_that_comes_has_no_old_answers() {
    let base = vpc(1, BOTH);
    let more = vpc(2, BOTH) + &endpoint('a', 2, EC2, &["1.17"], "");
    let found = diff(&world(&base), &world(&format!("{base}{more}")));
    let of_vpc: Vec<_> = found
        .answers
        .iter()
        .filter(|change| change.client == DiffClient::Vpc("vpc-00000002".parse().unwrap()))
        .collect();
    assert!(of_vpc.iter().any(|change| change.name == "ec2.us-east-1.amazonaws.com"), "{of_vpc:?}");
    assert!(of_vpc.iter().all(|change| change.old.is_none() && change.new.is_some()), "{of_vpc:?}");
}

proptest! {
    #![proptest_config(cases(100))]

    /// Every name that is asked for in tests, and whose answer differs, is told: itself, or what is above it.
    #[test]
    fn nothing_is_missed(old in any_world(), new in any_world()) {
        let [old, new] = [old, new].map(|world| Snapshot::compile(model(&world.text()), policy(), 1));
        let found = diff(&old, &new);
        for vpc in old.model.vpcs().into_iter().filter(|vpc| new.model.vpc(vpc.vpc_id).is_some()) {
            // reverse names are asked of addresses that interfaces have
            for name in names().iter().filter(|name| !name.ends_with("in-addr.arpa")) {
                let Ok(name) = name.parse::<DnsName>() else { continue };
                for rtype in [Rtype::A, Rtype::AAAA] {
                    let told = |snapshot: &Snapshot| tell(snapshot, snapshot.client_of(vpc.vpc_id), &name, rtype);
                    let (was, is) = (told(&old), told(&new));
                    let covers = |change: &vpcedns::diff::AnswerChange| {
                        let top = change.name.trim_start_matches("*.");
                        let above: DnsName = top.parse().unwrap();
                        // an endpoint that comes takes names like its own, too
                        let like = change.client == DiffClient::Every && name.to_string().contains(&top[..13]);
                        let mine = [DiffClient::Every, DiffClient::Vpc(vpc.vpc_id)].contains(&change.client);
                        like || mine && name.is_at_or_below(&above)
                    };
                    // without DNS support nobody is served, which all names of the VPC say
                    let is_served = vpc.enable_dns_support && new.model.vpc(vpc.vpc_id).unwrap().enable_dns_support;
                    prop_assert!(
                        was.is_same(&is) || !is_served || found.answers.iter().any(covers),
                        "{} {} {}: {} -> {}", vpc.vpc_id, name, rtype, was, is
                    );
                }
            }
        }
    }

    #[test]
    fn a_snapshot_does_not_differ_from_itself(world in any_world()) {
        let read = || Snapshot::compile(model(&world.text()), policy(), 1);
        let found = diff(&read(), &read());
        prop_assert!(found.is_empty(), "{:?}", found);
    }
}

#[test]
fn the_command_exits_as_diff_does() {
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&zones).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap().replace("127.0.1.99", "127.0.1.98");
        fs::write(dir.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let run = |new: &Path, more: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_vpcedns"));
        let output = program.arg("diff").arg(&zones).arg(new).args(["--forward", "none"]).args(more).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&zones, &[]), (Some(0), String::new()));
    assert_eq!(run(&zones, &["--markdown"]), (Some(0), "No answer changes.\n".to_owned()));
    assert_eq!(run(&dir.path().join("nothing"), &[]).0, Some(2));
    let (code, text) = run(dir.path(), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("  db.corp.example A\n  - NOERROR 127.0.1.99\n  + NOERROR 127.0.1.98\n"), "{text}");
    let (_, text) = run(dir.path(), &["--markdown"]);
    assert!(
        text.contains("| vpc-ec43eb89 | `db.corp.example` | A | NOERROR 127.0.1.99 | NOERROR 127.0.1.98 |\n"),
        "{text}"
    );
    let (code, text) = run(dir.path(), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["answers"][0]["client"].as_str()), (Some(1), Some("vpc-ec43eb89")), "{text}");
}

//! `vpcedns diff`: which answers change, that none is missed, and the exit codes of diff(1).

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::random::{AnyWorld, any_world, names};
use crate::common::{BOTH, cases, endpoint, model, policy, vpc, world};
use proptest::prelude::*;
use vpcedns::diff::{AnswerDiff, DiffClient, DiffScope, diff, diff_within};
use vpcedns::dns::{DnsName, Rtype};
use vpcedns::explain::{ToldAnswer, tell};
use vpcedns::publish::Publisher;
use vpcedns::snapshot::{Drill, DrillFault, Snapshot};
use vpcedns::source::{FileText, Sources, read_given};

const EC2: &str = "com.amazonaws.us-east-1.ec2";

/// `CLIENT NAME TYPE: OLD -> NEW` for each change.
fn lines(old: &str, new: &str) -> Vec<String> {
    let found = diff(&world(old), &world(new));
    let side = |told: Option<&ToldAnswer>| told.map_or("-".to_owned(), ToString::to_string);
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

/// DELEGATE rules and DNS64 decide without a record or name of their own.
#[test]
fn delegations_and_dns64_are_told() {
    let cut = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [\
        { name = \"sub\", type = \"NS\", values = [\"ns.sub.corp.example\"] },\
        { name = \"ns.sub\", type = \"A\", values = [\"10.1.9.9\"] }]\n";
    let base = vpc(1, BOTH) + cut;
    let rule = "[[resolver_rule]]\nrule_type = \"DELEGATE\"\ndelegation_record = \"ns.sub.corp.example\"\nvpc_ids = [\"vpc-00000001\"]\n";
    let with = format!("{base}{rule}");
    let followed = "asked upstream at ns.sub.corp.example (10.1.9.9)";
    let told = lines(&base, &with);
    assert!(
        told.iter().any(|line| line.starts_with("vpc-00000001 sub.corp.example A: ") && line.ends_with(followed)),
        "{told:?}"
    );
    let glue = lines(&with, &with.replace("10.1.9.9", "10.1.9.8"));
    assert!(
        glue.iter().any(|line| line.starts_with(&format!("vpc-00000001 sub.corp.example A: {followed} -> "))),
        "{glue:?}"
    );
    let last = "ipv6_cidr_block = \"fd00:1:0:1::/64\"";
    let dns64 = diff(&world(&base), &world(&base.replace(last, &format!("{last}\nenable_dns64 = true"))));
    let blocks: Vec<_> =
        dns64.dns64.iter().map(|one| (one.vpc_id.as_str(), one.block.to_string(), one.enabled)).collect();
    let vpc = "vpc-00000001";
    assert_eq!(blocks, [(vpc, "10.1.1.0/24".to_owned(), true), (vpc, "fd00:1:0:1::/64".to_owned(), true)]);
    assert!(dns64.answers.is_empty() && !dns64.is_empty(), "{dns64:?}");
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

fn load(publisher: &mut Publisher) {
    let Ok(load) = publisher.prepare_load() else { panic!("the world does not load") };
    assert!(publisher.publish_load(load).is_good());
}

/// Publishes `old`, then `new`, out of one file an object, so that a change touches what it changes.
fn published(old: &AnyWorld, new: &AnyWorld) -> (tempfile::TempDir, Publisher) {
    let dir = tempfile::tempdir().unwrap();
    let write = |world: &AnyWorld| {
        let objects = world.objects();
        for (number, object) in objects.iter().enumerate() {
            fs::write(dir.path().join(format!("{number:03}.toml")), object).unwrap();
        }
        (objects.len()..64).for_each(|number| drop(fs::remove_file(dir.path().join(format!("{number:03}.toml")))));
    };
    write(old);
    let Ok((mut publisher, _)) = Publisher::start(Sources::of_files(vec![dir.path().to_owned()]), policy(), &|_, _| {})
    else {
        panic!("the world does not load")
    };
    write(new);
    load(&mut publisher);
    (dir, publisher)
}

/// Two worlds of which the second may follow the first: no endpoint moves.
fn two_worlds() -> impl Strategy<Value = (AnyWorld, AnyWorld)> {
    (any_world(), any_world()).prop_map(|(old, mut new)| {
        for (id, endpoint) in &mut new.endpoints {
            if let Some(was) = old.endpoints.get(id) {
                (endpoint.vpc, endpoint.service) = (was.vpc, was.service);
            }
        }
        (old, new)
    })
}

fn fresh(world: &AnyWorld) -> Snapshot {
    Snapshot::compile(model(&world.text()), policy(), 1)
}

proptest! {
    #![proptest_config(cases(40))]

    /// Two generations, which share what did not change, differ as two loads do.
    #[test]
    fn generations_differ_as_files_do((old, new) in two_worlds()) {
        let (_dir, publisher) = published(&old, &new);
        let served = publisher.snapshots();
        let is = served.load_full();
        let want = diff(&fresh(&old), &fresh(&new));
        match served.previous() {
            // nothing has changed
            None => prop_assert!(want.is_empty(), "{:?}", want),
            Some(was) => prop_assert_eq!(diff(&was, &is), want),
        }
    }
}

/// A world as files that somebody sends.
fn given(world: &AnyWorld) -> Vec<FileText> {
    let objects = world.objects().into_iter().enumerate();
    objects.map(|(number, text)| FileText { path: format!("{number:03}.toml").into(), text }).collect()
}

proptest! {
    #![proptest_config(cases(40))]

    /// What other files would change is what two loads differ in, and asking changes nothing.
    #[test]
    fn other_files_differ_as_loads_do((old, new) in two_worlds()) {
        let (_dir, publisher) = published(&old, &old);
        for (other, want) in [(&new, diff(&fresh(&old), &fresh(&new))), (&old, AnswerDiff::default())] {
            let (was, would_be) = publisher.what_if(read_given(&given(other)).unwrap()).unwrap();
            prop_assert_eq!(diff(&was, &would_be), want);
        }
        prop_assert_eq!(publisher.snapshots().load().generation, 1);
    }
}

/// What the server would not load is told with its place, and what other sources own counts.
#[test]
fn files_that_would_not_be_served_are_refused() {
    let base = vpc(1, BOTH) + &vpc(2, BOTH) + &endpoint('a', 1, EC2, &["1.17"], "");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), &base).unwrap();
    let sources = Sources::of_files(vec![dir.path().to_owned()]);
    let Ok((publisher, _)) = Publisher::start(sources, policy(), &|_, _| {}) else { panic!("it does not load") };
    let what_if = |text: &str| {
        let files = vec![FileText { path: "new/a.toml".into(), text: text.to_owned() }];
        publisher.what_if(read_given(&files).unwrap()).map(|(was, is)| diff(&was, &is).answers.len())
    };
    assert_eq!(what_if(&base).unwrap(), 0);
    assert_eq!(what_if(&base.replace("10.1.1.17", "10.1.1.18")).unwrap(), 7);
    for (text, said) in [
        (base.replace("vpc_id = \"vpc-00000002\"", "vpcid = \"vpc-00000002\""), "unknown key 'vpcid'"),
        (base.replace("10.1.1.17", "10.9.1.17"), "10.9.1.17"),
        (base.replacen("cidr_blocks", "[[", 1), "unquoted keys"),
        (vpc(2, BOTH) + &endpoint('a', 2, EC2, &["1.17"], ""), "vpce-0000000a"),
    ] {
        let problems = what_if(&text).unwrap_err();
        let error = problems.iter().find(|problem| problem.is_error()).unwrap();
        assert!(error.place.file.starts_with("new/a.toml") && error.place.line > 0, "{error}");
        assert!(error.to_string().contains(said), "{said}: {error}");
    }
    assert_eq!(what_if(&base).unwrap(), 0, "what was refused is forgotten");
}

/// Drills are no change of what there is, and one generation before is kept, unless nearly everything is another.
#[test]
fn the_generation_before_the_last_change_is_kept() {
    let text = |count: u32| {
        let endpoints = (0..count).map(|n| {
            format!(
                "[[vpc_endpoint]]\nvpc_endpoint_id = \"vpce-{n:017x}\"\nvpc_id = \"vpc-00000001\"\n\
                 service_name = \"com.amazonaws.us-east-1.sqs\"\nprivate_dns_enabled = false\n"
            )
        });
        vpc(1, BOTH) + &endpoints.collect::<String>()
    };
    let dir = tempfile::tempdir().unwrap();
    let write = |count| fs::write(dir.path().join("a.toml"), text(count)).unwrap();
    write(1);
    let sources = Sources::of_files(vec![dir.path().to_owned()]);
    let Ok((mut publisher, _)) = Publisher::start(sources, policy(), &|_, _| {}) else { panic!("it does not load") };
    let kept = |publisher: &Publisher| publisher.snapshots().previous().map(|snapshot| snapshot.generation);
    assert_eq!(kept(&publisher), None);
    write(2);
    load(&mut publisher);
    assert_eq!(kept(&publisher), Some(1));
    let fault = DrillFault::Zone("us-east-1a".parse().unwrap());
    publisher.publish_drills(&[Drill { id: 1, fault, vpcs: Vec::new(), clients: Vec::new(), until: 0 }]);
    assert_eq!((kept(&publisher), publisher.snapshots().load_full().generation), (Some(1), 3));
    write(3);
    load(&mut publisher);
    assert_eq!(kept(&publisher), Some(3));
    write(10_003);
    load(&mut publisher);
    assert_eq!(kept(&publisher), Some(4), "10,000 endpoints came");
    write(1);
    load(&mut publisher);
    assert_eq!(kept(&publisher), None, "10,002 endpoints went");
    write(2);
    load(&mut publisher);
    let old = publisher.snapshots().previous().unwrap();
    let scope = DiffScope { most_questions: 1, ..DiffScope::ALL };
    let error = diff_within(&old, &publisher.snapshots().load_full(), scope).unwrap_err();
    assert_eq!(error.to_string(), "more than 1 answers may differ");
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
    let both = format!("(files in {}; files in {})\n", zones.display(), dir.path().display());
    assert!(text.ends_with(&both), "{text}");
    assert_eq!(run(dir.path(), &["--vpc", "vpc-0f1e2d3c4b5a69788"]), (Some(0), String::new()));
    assert!(text.contains("  db.corp.example A\n  - NOERROR 127.0.1.99\n  + NOERROR 127.0.1.98\n"), "{text}");
    let (_, text) = run(dir.path(), &["--markdown"]);
    assert!(
        text.contains("| vpc-ec43eb89 | `db.corp.example` | A | NOERROR 127.0.1.99 | NOERROR 127.0.1.98 |\n"),
        "{text}"
    );
    let (code, text) = run(dir.path(), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["answers"][0]["client"].as_str()), (Some(1), Some("vpc-ec43eb89")), "{text}");
    assert!(json["looked_at"].as_str().unwrap().starts_with("files in "), "{text}");
}

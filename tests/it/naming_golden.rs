//! The names that endpoints get, in full, compared with files that people can read.
//!
//! `UPDATE_GOLDEN=1 ./dev test naming_golden` writes the files anew; `git diff` then shows what changed.
//! A changed name is a name that somebody's client no longer finds: change a golden file only with evidence.

use std::fmt::Write as _;
use std::path::Path;

use vpcedns::naming::{CatalogueNames, Region, Service, Suffix, ZoneName, endpoint_names, resolve, services};

/// One endpoint a line: its service, its zones, and what the line is there to show.
const ENDPOINTS: [(&str, &[&str], &str); 23] = [
    ("com.amazonaws.us-east-1.ecr.api", &["us-east-1a"], "labels turned round"),
    ("com.amazonaws.us-east-1.ecr.dkr", &["us-east-1a"], "a wildcard as private name"),
    ("com.amazonaws.us-east-1.execute-api", &["us-east-1a"], "a wildcard as private name"),
    ("com.amazonaws.us-east-1.kinesis-streams", &["us-east-1a"], "another label than the service's name"),
    ("com.amazonaws.us-east-1.kinesis-firehose", &["us-east-1a"], "another label than the service's name"),
    ("com.amazonaws.us-east-1.codeartifact.api", &["us-east-1a"], "a private name that is not the base's"),
    ("com.amazonaws.us-east-1.codeartifact.repositories", &["us-east-1a"], "another label, and a wildcard"),
    ("com.amazonaws.us-east-1.appstream.api", &["us-east-1a"], "a private name that is not the base's"),
    ("aws.sagemaker.us-east-1.notebook", &["us-east-1a"], "another suffix"),
    ("com.amazonaws.us-east-1.sagemaker.api", &["us-east-1a"], "the usual suffix for the same service's API"),
    ("com.amazonaws.us-east-1.monitoring", &["us-east-1a"], "four private names"),
    ("com.amazonaws.us-east-1.logs", &["us-east-1a"], "the rule"),
    ("com.amazonaws.us-east-1.s3", &["us-east-1a", "us-east-1c"], "endpoints answer below their names"),
    ("com.amazonaws.us-west-2.dynamodb", &["us-west-2a"], "no private name"),
    ("com.amazonaws.us-east-1.iot.data", &["us-east-1a"], "no private name"),
    ("com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc", &["us-east-1a", "us-east-1b"], "an account's service"),
    ("cn.com.amazonaws.cn-north-1.ec2", &["cn-north-1a"], "China, the partition's prefix"),
    ("com.amazonaws.cn-north-1.s3", &["cn-north-1a"], "China, the common prefix"),
    ("cn.com.amazonaws.cn-north-1.transcribe.cn", &["cn-north-1a"], "China has a label in it"),
    ("com.amazonaws.us-gov-west-1.ec2", &["us-gov-west-1a"], "GovCloud"),
    ("com.amazonaws.us-east-1.eks-auth", &["us-east-1a"], "a private name for both address families"),
    ("eu.amazonaws.eusc-de-east-1.ecr.dkr", &["eusc-de-east-1a"], "European Sovereign Cloud"),
    ("com.amazonaws.s3-global.accesspoint", &["us-east-1a"], "global"),
];

/// The examples of the guide's 2017 edition: id and suffix are part of them.
const GUIDE: [(&str, &str, &str, &[&str]); 2] = [
    (
        "vpce-088d25a4bbf4a7abc",
        "ks83awe7",
        "com.amazonaws.us-east-1.elasticloadbalancing",
        &["us-east-1a", "us-east-1b", "us-east-1c"],
    ),
    ("vpce-0fe5b17a0707d6abc", "29p5708s", "com.amazonaws.us-east-1.ec2", &["us-east-1a", "us-east-1b"]),
];

fn service(name: &str) -> Service {
    resolve(&name.parse().unwrap()).unwrap()
}

/// Compares with a file below `tests/golden`, or writes it where `UPDATE_GOLDEN` is set.
fn assert_golden(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines = expected.lines().zip(actual.lines()).enumerate();
    if let Some((number, (want, got))) = lines.find(|(_, (want, got))| want != got) {
        panic!("tests/golden/{file}:{}:\n  expected {want}\n  got      {got}", number + 1);
    }
    assert_eq!(expected.lines().count(), actual.lines().count(), "lines of tests/golden/{file}");
}

fn write_endpoint(out: &mut String, id: &str, suffix: &str, name: &str, zones: &[&str], note: &str) {
    let zones: Vec<ZoneName> = zones.iter().map(|zone| zone.parse().unwrap()).collect();
    let service = service(name);
    let names = endpoint_names(id.parse().unwrap(), suffix.parse().unwrap(), &service, &zones).unwrap();
    writeln!(out, "{name}: {note}").unwrap();
    writeln!(out, "  zone      {}", service.zone).unwrap();
    writeln!(out, "  regional  {}", names.regional).unwrap();
    for (kind, list) in [("zonal", &names.zonal), ("wildcard", &names.wildcard), ("private", &names.private)] {
        for name in list {
            writeln!(out, "  {kind:9} {name}").unwrap();
        }
    }
    out.push('\n');
}

#[test]
fn endpoints_get_their_names() {
    let mut out = String::new();
    for (id, suffix, name, zones) in GUIDE {
        write_endpoint(&mut out, id, suffix, name, zones, "the guide's example");
    }
    for (name, zones, note) in ENDPOINTS {
        write_endpoint(&mut out, "vpce-0123456789abcdef0", "abcd1234", name, zones, note);
    }
    assert_golden("endpoint-names.txt", &out);
}

#[test]
fn services_of_us_east_1_get_their_names() {
    // one service of the list is offered in another region only
    let elsewhere = service("aws.api.us-east-2.route53globalresolver");
    let region: Region = "us-east-1".parse().unwrap();
    let mut list: Vec<Service> = services(&region, CatalogueNames::Evident).chain([elsewhere]).collect();
    list.sort_by(|a, b| a.service_name.cmp(&b.service_name));
    let mut out = String::new();
    for service in &list {
        let private = service.private_names.iter().zip(&service.evidence);
        let private: Vec<String> = private.map(|(name, evidence)| format!("{name} {evidence}")).collect();
        let private = if private.is_empty() { "-".to_owned() } else { private.join(", ") };
        write!(out, "{} | {} | {private}", service.service_name, service.base).unwrap();
        for (word, names) in [("dualstack", &service.dualstack_names), ("second", &service.second_names)] {
            if !names.is_empty() {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                write!(out, " | {word} {}", names.join(" ")).unwrap();
            }
        }
        out.push('\n');
    }
    assert_golden("services-us-east-1.txt", &out);
}

/// The order of EC2's `DnsEntries`: regional, zonal, private; the wildcard forms in place of the bare ones.
#[test]
fn dns_entries_come_in_the_order_of_ec2() {
    let entries = |name: &str| -> Vec<String> {
        let zones: [ZoneName; 1] = ["us-east-1a".parse().unwrap()];
        let suffix: Suffix = "9hnenorg".parse().unwrap();
        let names = endpoint_names("vpce-1a2b3c4d5e6f1a2b3".parse().unwrap(), suffix, &service(name), &zones).unwrap();
        names.dns_entries().map(ToString::to_string).collect()
    };
    assert_eq!(
        entries("com.amazonaws.us-east-1.ec2"),
        [
            "vpce-1a2b3c4d5e6f1a2b3-9hnenorg.ec2.us-east-1.vpce.amazonaws.com",
            "vpce-1a2b3c4d5e6f1a2b3-9hnenorg-us-east-1a.ec2.us-east-1.vpce.amazonaws.com",
            "ec2.us-east-1.amazonaws.com",
        ]
    );
    assert_eq!(
        entries("com.amazonaws.us-east-1.s3")[..3],
        [
            "*.vpce-1a2b3c4d5e6f1a2b3-9hnenorg.s3.us-east-1.vpce.amazonaws.com",
            "*.vpce-1a2b3c4d5e6f1a2b3-9hnenorg-us-east-1a.s3.us-east-1.vpce.amazonaws.com",
            "s3.us-east-1.amazonaws.com",
        ]
    );
}

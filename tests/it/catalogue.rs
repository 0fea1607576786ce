//! Private names that came after the general rule: which of them hold, for which endpoints, and what is said of others.

use crate::common::{Asked, BOTH, ask, check, endpoint, policy, vpc, world};
use vpcedns::dns::{DnsName, Rtype};
use vpcedns::explain::{Asker, explain};
use vpcedns::model::{Broken, Model};
use vpcedns::naming::{CatalogueNames, Service, resolve, services};
use vpcedns::snapshot::Snapshot;
use vpcedns::source::read_toml;

fn service(name: &str) -> Service {
    resolve(&format!("com.amazonaws.us-east-1.{name}").parse().unwrap()).unwrap()
}

/// The private names of services whose names were seen or documented to be others than the rule's (2024 to 2026).
#[test]
fn names_that_were_seen_are_on_and_names_that_an_sdk_suggests_are_off() {
    for (name, on, off) in [
        ("ecr.api", "api.ecr.R.amazonaws.com ecr.R.api.aws", ""),
        ("ecr.dkr", "dkr.ecr.R.amazonaws.com *.dkr.ecr.R.amazonaws.com dkr-ecr.R.on.aws *.dkr-ecr.R.on.aws", ""),
        ("ssm", "ssm.R.amazonaws.com ssm.R.api.aws", ""),
        ("ssmmessages", "ssmmessages.R.amazonaws.com ssmmessages.R.api.aws", ""),
        ("ec2messages", "ec2messages.R.amazonaws.com", ""),
        ("secretsmanager", "secretsmanager.R.amazonaws.com", ""),
        ("logs", "logs.R.amazonaws.com logs.R.api.aws streaming-logs.R.amazonaws.com streaming-logs.R.api.aws", ""),
        ("cassandra", "cassandra.R.amazonaws.com cassandra.R.api.aws", ""),
        ("eks", "eks.R.amazonaws.com eks.R.api.aws", ""),
        ("eks-fips", "fips.eks.R.amazonaws.com", ""),
        ("elasticache", "elasticache.R.amazonaws.com elasticache.R.api.aws", ""),
        ("backup", "backup.R.amazonaws.com backup.R.api.aws", ""),
        ("inspector-scan", "inspector-scan.R.amazonaws.com inspector-scan.R.api.aws", ""),
        ("geo.maps", "maps.geo.R.amazonaws.com maps.geo.R.api.aws", ""),
        ("email", "email.R.amazonaws.com email.R.api.aws", ""),
        ("datazone", "datazone.R.api.aws", ""),
        ("dsql", "dsql.R.api.aws", ""),
        ("billing", "billing.R.api.aws", ""),
        ("bedrock-mantle", "bedrock-mantle.R.api.aws", ""),
        ("bedrock-runtime", "bedrock-runtime.R.amazonaws.com", ""),
        ("emr-dashboard", "*.emrappui-prod.R.amazonaws.com", ""),
        ("iot.api", "iot.R.amazonaws.com api.iot.R.amazonaws.com", ""),
        ("iot.credentials", "", ""),
        ("iot.data", "", ""),
        ("dynamodb", "", ""),
        ("ecs", "ecs.R.amazonaws.com", "ecs.R.api.aws"),
        ("detective", "api.detective.R.amazonaws.com", "detective.R.api.aws"),
        ("kms", "kms.R.amazonaws.com", "kms.R.api.aws"),
        ("elasticfilesystem", "elasticfilesystem.R.amazonaws.com", "efs.R.api.aws"),
        ("kafka", "kafka.R.amazonaws.com", "kafka-api.R.api.aws"),
        (
            "kinesis-streams",
            "kinesis.R.amazonaws.com *.data-kinesis.R.amazonaws.com *.control-kinesis.R.amazonaws.com",
            "kinesis.R.api.aws",
        ),
        ("sso-oauth", "oidc.R.amazonaws.com", ""),
        ("brand-new", "brand-new.R.amazonaws.com", ""),
    ] {
        let service = service(name);
        let sorted = |names: &mut dyn Iterator<Item = String>| {
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let wanted = |text: &str| sorted(&mut text.split_whitespace().map(|name| name.replace(".R.", ".us-east-1.")));
        assert_eq!(sorted(&mut service.private_names.iter().map(ToString::to_string)), wanted(on), "{name}");
        assert_eq!(sorted(&mut service.second_names.iter().map(ToString::to_string)), wanted(off), "{name}");
        assert_eq!(service.evidence.len(), service.private_names.len(), "{name}");
    }
}

/// These stand in two families, or have two names: endpoints of both cannot be in one VPC.
const TWINS: [&str; 2] = ["resource-explorer-2", "freetier"];

#[test]
fn no_two_services_claim_one_name() {
    let mut owners = std::collections::HashMap::new();
    for service in services(&"us-east-1".parse().unwrap(), CatalogueNames::SdkNames) {
        for name in service.private_names(true) {
            if let Some(other) = owners.insert(name.clone(), service.service_name.clone()) {
                assert!(
                    TWINS.iter().any(|twin| service.service_name.as_str().ends_with(twin))
                        || name.to_string().starts_with("iot."),
                    "{name} is of {other} and of {}",
                    service.service_name
                );
            }
        }
    }
}

/// What was seen in the commercial Regions is not taken for granted in others.
#[test]
fn other_partitions_have_the_first_names_only() {
    for (name, on, second) in [
        (
            "cn.com.amazonaws.cn-north-1.ecr.dkr",
            "dkr.ecr.cn-north-1.amazonaws.com.cn",
            "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
        ),
        (
            "cn.com.amazonaws.cn-north-1.backup",
            "backup.cn-north-1.amazonaws.com.cn",
            "backup.cn-north-1.api.amazonwebservices.com.cn",
        ),
        ("com.amazonaws.us-gov-west-1.ssm", "ssm.us-gov-west-1.api.aws", ""),
        (
            "com.amazonaws.eusc-de-east-1.ssm",
            "ssm.eusc-de-east-1.amazonaws.eu",
            "ssm.eusc-de-east-1.api.amazonwebservices.eu",
        ),
        ("cn.com.amazonaws.cn-north-1.eks-auth", "eks-auth.cn-north-1.api.amazonwebservices.com.cn", ""),
    ] {
        let service = resolve(&name.parse().unwrap()).unwrap();
        let has = |names: &[DnsName], one: &str| names.iter().any(|name| name.to_string() == one);
        assert!(has(&service.private_names, on), "{name}: {:?}", service.private_names);
        assert_eq!(has(&service.second_names, second), !second.is_empty(), "{name}: {:?}", service.second_names);
        assert!(second.is_empty() || !has(&service.private_names, second), "{name}");
    }
}

const ECS: &str = "com.amazonaws.us-east-1.ecs";
const S3: &str = "com.amazonaws.us-east-1.s3";

#[test]
fn a_second_name_stays_public_and_is_explained() {
    let zones = [vpc(1, BOTH), vpc(2, BOTH), endpoint('a', 1, ECS, &["1.17"], "")].concat();
    let world = world(&zones);
    check(
        &world,
        "
from 10.1.0.5 ecs.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name ecs.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ecs.us-east-1.api.aws A
  FORWARD 192.0.2.53:53 | ecs.us-east-1.api.aws stays public: an SDK asks for it, but no output of AWS has it for the service of vpce-0000000a
from 10.1.0.5 x.ecs.us-east-1.api.aws A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 ecs.us-east-1.api.aws A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 ecs.us-east-1.api.aws A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
    let name = "ecs.us-east-1.api.aws".parse().unwrap();
    let told = explain(&world, Asker::address("10.1.0.5".parse().unwrap()), &name, Rtype::A);
    assert_eq!(
        told.advice,
        ["set private_dns_names = [\"ecs.us-east-1.amazonaws.com\", \"ecs.us-east-1.api.aws\"] on vpce-0000000a, or \
          catalogue = \"sdk-names\" for every service: an SDK asks for this name, and nobody has seen it at an endpoint"]
    );
}

#[test]
fn a_second_name_is_private_where_the_operator_says_so() {
    let private = "\n  NOERROR | 60 A 10.1.1.17 | private name ecs.us-east-1.api.aws of vpce-0000000a\n";
    let asked = "from 10.1.0.5 ecs.us-east-1.api.aws A";
    let own = "private_dns_names = [\"ecs.us-east-1.amazonaws.com\", \"ecs.us-east-1.api.aws\"]";
    check(&world(&[vpc(1, BOTH), endpoint('a', 1, ECS, &["1.17"], own)].concat()), &format!("{asked}{private}"));

    let loaded = read_toml(&"t.toml".into(), &[vpc(1, BOTH), endpoint('a', 1, ECS, &["1.17"], "")].concat());
    let empty = Model::with_names(CatalogueNames::SdkNames);
    let model = empty.apply(&[], &loaded.inputs, &Broken::default(), &|_| None).model.unwrap();
    check(&Snapshot::compile(model, policy(), 1), &format!("{asked}{private}"));
}

/// An endpoint's own list is complete: names that its service has and the list has not are public.
#[test]
fn an_endpoints_own_names_replace_those_of_its_service() {
    let own = "private_dns_names = [\"a.example\", \"*.b.example\"]";
    let zones = [vpc(1, BOTH), endpoint('a', 1, "com.amazonaws.us-east-1.ssm", &["1.17"], own)].concat();
    check(
        &world(&zones),
        "
from 10.1.0.5 a.example A
  NOERROR | 60 A 10.1.1.17 | private name a.example of vpce-0000000a
from 10.1.0.5 b.example A
  NOERROR | 60 A 10.1.1.17 | private name b.example of vpce-0000000a
from 10.1.0.5 x.b.example A
  NOERROR | 60 A 10.1.1.17 | private name b.example of vpce-0000000a
from 10.1.0.5 ssm.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ssm.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
",
    );
}

/// S3 guide, "Private DNS": `s3.dualstack` names lead to the endpoint only if it is dual stack.
#[test]
fn dualstack_names_of_s3_follow_the_endpoints_address_type() {
    for (kind, private) in [("ipv4", false), ("ipv6", false), ("dualstack", true)] {
        let extra = format!("dns_record_ip_type = \"{kind}\"");
        let world = world(&[vpc(1, BOTH), endpoint('a', 1, S3, &["1.17"], &extra)].concat());
        for name in [
            "s3.dualstack.us-east-1.amazonaws.com",
            "bucket.s3.dualstack.us-east-1.amazonaws.com",
            "s3-control.dualstack.us-east-1.amazonaws.com",
            "x.s3-accesspoint.dualstack.us-east-1.amazonaws.com",
        ] {
            let told = ask(&world, &Asked::new("10.1.0.5", name, "A"));
            assert_eq!(told.verdict == "NOERROR", private, "{name} at {kind}: {}", told.line());
        }
        let told = ask(&world, &Asked::new("10.1.0.5", "s3.us-east-1.amazonaws.com", "A"));
        assert_eq!(told.verdict, "NOERROR", "{kind}");
    }
}

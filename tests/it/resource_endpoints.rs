//! Resource and service-network endpoints (`describe-vpc-endpoint-associations`): which names are private, whose addresses
//! they have, and what is asked of others.

use std::fs;

use crate::common::{check, lines, policy};
use crate::forwarding::{ask_model, names, plain, texts, upstream};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use vpcedns::model::Model;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::Sources;

/// A VPC with two resource endpoints and a service network of these DNS options; `more` are further documents.
fn files(options: &str, more: &str) -> (Option<Model>, String) {
    let endpoint = |n: u8, kind: &str, arn: &str| {
        format!(
            "{{\"VpcEndpointId\": \"vpce-0000000{n}\", \"VpcEndpointType\": \"{kind}\", \"VpcId\": \"vpc-00000001\", \"State\": \"Available\", \
             \"PrivateDnsEnabled\": true, \"NetworkInterfaceIds\": [\"eni-0000000{n}\"], \"DnsEntries\": [], \
             \"DnsOptions\": {{\"DnsRecordIpType\": \"ipv4\"{options}}}, {arn}}}"
        )
    };
    let arn = |what: &str| {
        format!(
            "\"ResourceConfigurationArn\": \"arn:aws:vpc-lattice:us-east-1:111122223333:resourceconfiguration/{what}\""
        )
    };
    let association = |n: u8, name: &str, private: &str| {
        format!(
            "{{\"Id\": \"vpce-rsc-asc-{n}{private}\", \"VpcEndpointId\": \"vpce-0000000{n}\", \"DnsEntry\": {{\"DnsName\": \"{name}\"}}, \
             \"PrivateDnsEntry\": {{\"DnsName\": \"{private}\"}}}}"
        )
    };
    let text = format!(
        r#"{{"Vpcs": [{{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"}}]}}
        {{"VpcId": "vpc-00000001", "EnableDnsHostnames": {{"Value": true}}}}
        {{"Subnets": [{{"SubnetId": "subnet-0000000a", "VpcId": "vpc-00000001", "AvailabilityZone": "us-east-1a", "CidrBlock": "10.1.1.0/24"}}]}}
        {{"NetworkInterfaces": [{}]}}
        {{"VpcEndpoints": [{}, {}, {}]}}
        {{"VpcEndpointAssociations": [{}]}}
        {more}"#,
        [1, 2, 3].map(|n| format!(
            "{{\"NetworkInterfaceId\": \"eni-0000000{n}\", \"SubnetId\": \"subnet-0000000a\", \"VpcId\": \"vpc-00000001\", \"PrivateIpAddress\": \"10.1.1.{n}\"}}"
        )).join(", "),
        endpoint(1, "Resource", &arn("rcfg-0a")),
        endpoint(2, "Resource", &arn("rcfg-0b")),
        endpoint(3, "ServiceNetwork", "\"ServiceNetworkArn\": \"arn:aws:vpc-lattice:us-east-1:1:servicenetwork/sn-1\""),
        [
            association(1, "vpce-00000001.rcfg-0a.4232ccc.vpc-lattice-rsc.us-east-1.on.aws", "db.partner.example"),
            // a group: one endpoint, several resources
            association(2, "vpce-00000002.rcfg-0c.4232ccc.vpc-lattice-rsc.us-east-1.on.aws", "one.group.example"),
            association(2, "vpce-00000002.rcfg-0d.5343ddd.vpc-lattice-rsc.us-east-1.on.aws", "two.group.example"),
            association(3, SNRA, "net.partner.example"),
            association(3, "vpce-00000003-snsa-02.7d67968.vpc-lattice-svcs.us-east-1.on.aws", "*.svc.partner.example"),
        ]
        .join(", "),
    );
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.json"), text).unwrap();
    let loaded = Sources::of_files(vec![dir.path().to_owned()]).load(&|_, _| {});
    (loaded.model, lines(&loaded.problems).replace(&format!("{}/", dir.path().display()), ""))
}

const SNRA: &str = "vpce-00000003-snra-01.rcfg-0e.4232ccc.vpc-lattice-rsc.us-east-1.on.aws";

fn world(options: &str, more: &str) -> (Snapshot, String) {
    let (model, problems) = files(options, more);
    (Snapshot::compile(model.unwrap_or_else(|| panic!("{problems}")), policy(), 1), problems)
}

#[test]
fn names_answer_with_the_interfaces_of_the_endpoint() {
    let (world, problems) = world("", "");
    assert_eq!(problems, "");
    check(
        &world,
        "
from 127.0.0.1 vpce-00000001.rcfg-0a.4232ccc.vpc-lattice-rsc.us-east-1.on.aws A
  NOERROR | 60 A 10.1.1.1 | name of vpce-00000001
from 127.0.0.1 x.vpce-00000001.rcfg-0a.4232ccc.vpc-lattice-rsc.us-east-1.on.aws A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 vpce-00000001.rcfg-0b.4232ccc.vpc-lattice-rsc.us-east-1.on.aws A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 vpce-00000002.rcfg-0c.4232ccc.vpc-lattice-rsc.us-east-1.on.aws A
  NOERROR | 60 A 10.1.1.2 | name of vpce-00000002
from 10.1.0.5 vpce-00000002.rcfg-0d.5343ddd.vpc-lattice-rsc.us-east-1.on.aws A
  NOERROR | 60 A 10.1.1.2 | name of vpce-00000002
from 10.1.0.5 two.group.example A
  NOERROR | 60 A 10.1.1.2 | private name two.group.example of vpce-00000002
from 10.1.0.5 two.group.example HTTPS
  NOERROR | authority 60 SOA | private name two.group.example of vpce-00000002
from 10.1.0.5 net.partner.example A
  FORWARD 192.0.2.53:53 for vpce-00000003-snra-01.rcfg-0e.4232ccc.vpc-lattice-rsc.us-east-1.on.aws | not ours: forwarded
from 10.1.0.5 net.partner.example MX
  NOERROR | authority 60 SOA | hosted zone net.partner.example
from 10.1.0.5 x.net.partner.example A
  NXDOMAIN | authority net.partner.example 60 SOA | not in hosted zone net.partner.example
from 127.0.0.1 net.partner.example MX
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// EC2 API Reference, `DnsOptions`; no output says which names are verified.
#[test]
fn private_dns_preferences() {
    let all = ["db.partner.example", "one.group.example", "net.partner.example"];
    for (options, private) in [
        ("", &all[..]),
        (r#", "PrivateDnsPreference": "ALL_DOMAINS""#, &all),
        (r#", "PrivateDnsPreference": "VERIFIED_DOMAINS_ONLY""#, &all),
        (
            r#", "PrivateDnsPreference": "VERIFIED_DOMAINS_AND_SPECIFIED_DOMAINS", "PrivateDnsSpecifiedDomains": ["db.partner.example"]"#,
            &all,
        ),
        (r#", "PrivateDnsPreference": "SPECIFIED_DOMAINS_ONLY""#, &[]),
        (
            r#", "PrivateDnsPreference": "SPECIFIED_DOMAINS_ONLY", "PrivateDnsSpecifiedDomains": ["db.partner.example"]"#,
            &all[..1],
        ),
        (
            r#", "PrivateDnsPreference": "SPECIFIED_DOMAINS_ONLY", "PrivateDnsSpecifiedDomains": ["net.partner.example.", "partner.example"]"#,
            &all[2..],
        ),
    ] {
        let (world, problems) = world(options, "");
        assert_eq!(problems, "", "{options}");
        for name in all {
            // what a private zone has no records of is a negative answer, and everything else is asked upstream
            let asked = crate::common::Asked::parse(&format!("from 10.1.0.5 {name} TXT"));
            let told = crate::common::ask(&world, &asked).verdict;
            assert_eq!(told == "NOERROR", private.contains(&name), "{options}: {name}: {told}");
        }
    }
    let (_, problems) = world(r#", "PrivateDnsPreference": "SOME_DOMAINS""#, "");
    assert!(problems.contains("'SOME_DOMAINS' is not a PrivateDnsPreference that is known"), "{problems}");
}

#[test]
fn what_is_missing_or_taken_is_a_warning() {
    let other = r#"{"VpcEndpointAssociations": [{"Id": "x", "VpcEndpointId": "vpce-00000003", "DnsEntry": {"DnsName": "other.on.aws"},
      "PrivateDnsEntry": {"DnsName": "db.partner.example"}}]}"#;
    let (_, problems) = world("", other);
    let said = "db.partner.example is a private name of vpce-00000001 in vpc-00000001: vpce-00000003 does not get it";
    assert!(problems.contains(said), "{problems}");
    let nameless = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-00000009", "VpcEndpointType": "Resource", "VpcId": "vpc-00000001",
      "State": "Available", "PrivateDnsEnabled": true, "NetworkInterfaceIds": [],
      "ResourceConfigurationArn": "arn:aws:vpc-lattice:us-east-1:1:resourceconfiguration/rcfg-0f"}]}"#;
    let (_, problems) = world("", nameless);
    assert!(
        problems.contains("1 resource and service-network endpoints have no names (vpce-00000009 is the first)"),
        "{problems}"
    );
    assert!(problems.contains("run `aws ec2 describe-vpc-endpoint-associations`"), "{problems}");
    // as in a public walk-through of service networks, whose endpoints nobody saved
    let strange = r#"{"VpcEndpointAssociations": [{"Id": "vpce-rsc-asc-03f2f67b4d6a5e7d5", "VpcEndpointId": "vpce-0057aabf75896925f",
      "DnsEntry": {"DnsName": "vpce-0057aabf75896925f-snra-08ab290695bf1e2f5.rcfg-03eb9d30003e44cbc.4232ccc.vpc-lattice-rsc.us-east-1.on.aws"}}]}"#;
    let (_, problems) = world("", strange);
    assert!(
        problems.contains("vpce-0057aabf75896925f has associations, and is in no output: its names are public")
            && problems.contains("run `aws ec2 describe-vpc-endpoints`"),
        "{problems}"
    );
    let (model, problems) = files("", &nameless.replace("rcfg-0f", "RCFG"));
    assert!(model.is_none() && problems.contains("is not the ARN of a resource configuration"), "{problems}");
}

/// The public name is asked for, and its addresses are given at the private one; no alias shows.
#[test]
fn a_service_networks_addresses_are_given_at_the_private_name() {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let public = vec![
        Record::from_rdata(name(SNRA), 30, RData::CNAME(CNAME(name("x.on.aws.")))),
        Record::from_rdata(name("x.on.aws."), 20, RData::A(A::new(10, 1, 1, 77))),
        Record::from_rdata(name("x.on.aws."), 20, RData::A(A::new(10, 1, 1, 78))),
    ];
    let model = || files("", "").0.unwrap();
    let (address, asked) = upstream(1, public, ResponseCode::NoError);
    let told = ask_model(model(), address, Policy::default(), "10.1.0.5", &plain("net.partner.example."));
    assert_eq!(texts(&told), ["net.partner.example. A 10.1.1.77", "net.partner.example. A 10.1.1.78"]);
    assert_eq!((told.metadata.response_code, told.answers[0].ttl), (ResponseCode::NoError, 20));
    assert!(!told.metadata.authentic_data, "what was put together here is not signed");
    assert_eq!(names(&asked.join().unwrap()), [format!("{SNRA}.")]);
    let service = "vpce-00000003-snsa-02.7d67968.vpc-lattice-svcs.us-east-1.on.aws.";
    let public = vec![Record::from_rdata(name(service), 20, RData::A(A::new(10, 1, 1, 79)))];
    let (address, asked) = upstream(1, public, ResponseCode::NoError);
    let told = ask_model(model(), address, Policy::default(), "10.1.0.5", &plain("a.svc.partner.example."));
    assert_eq!(texts(&told), ["a.svc.partner.example. A 10.1.1.79"]);
    assert_eq!(names(&asked.join().unwrap()), [service]);

    for (rcode, want) in [
        (ResponseCode::NoError, ResponseCode::NoError),
        // the private name exists, whatever becomes of the public one
        (ResponseCode::NXDomain, ResponseCode::NoError),
        (ResponseCode::Refused, ResponseCode::ServFail),
    ] {
        let (address, asked) = upstream(1, vec![], rcode);
        let told = ask_model(model(), address, Policy::default(), "10.1.0.5", &plain("net.partner.example."));
        assert_eq!((told.metadata.response_code, told.answers.len()), (want, 0), "{rcode}");
        let soa = told.authorities.iter().find(|record| record.record_type() == RecordType::SOA);
        assert_eq!(
            soa.map(|soa| soa.name.to_string()),
            (want == ResponseCode::NoError).then(|| "net.partner.example.".into())
        );
        drop(asked);
    }
}

/// Without anybody to ask, the name is not denied.
#[test]
fn without_upstreams_a_service_network_fails() {
    let none = Policy { upstreams: std::sync::Arc::from([]), ..policy() };
    let world = Snapshot::compile(files("", "").0.unwrap(), none, 1);
    check(
        &world,
        "
from 10.1.0.5 net.partner.example A
  SERVFAIL | not ours, and no upstream to ask
from 10.1.0.5 net.partner.example A rd=0
  SERVFAIL | not ours, and no upstream to ask
",
    );
}

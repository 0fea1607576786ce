//! What drills change, for whom, and that nothing is left of them when they end.

use crate::common::{BOTH, check, endpoint, vpc, world};
use vpcedns::explain::{Asker, explain};
use vpcedns::report::{OffReason, PrivateStatus, report};
use vpcedns::snapshot::{Drill, DrillFault, NameFault, Snapshot};

const EC2: &str = "com.amazonaws.us-east-1.ec2";

/// Two VPCs with an endpoint for EC2 each, and an alias to the first.
fn two_vpcs() -> Snapshot {
    let zone = r#"
[[hosted_zone]]
name = "corp.example"
vpc_ids = ["vpc-00000001"]
records = [
  { name = "ec2", alias = "vpce-0000000a" },
  { name = "api", type = "CNAME", values = ["ec2.us-east-1.amazonaws.com"] },
]
"#;
    let endpoints = [
        endpoint('a', 1, EC2, &["1.17", "2.17"], "dns_record_ip_type = \"dualstack\""),
        endpoint('b', 2, EC2, &["1.17", "2.17"], ""),
    ];
    world(&[vpc(1, BOTH), vpc(2, BOTH), endpoints.concat(), zone.to_owned()].concat())
}

fn drill(id: u32, fault: DrillFault) -> Drill {
    Drill { id, fault, vpcs: Vec::new(), clients: Vec::new(), until: 0 }
}

fn zone(id: u32, zone: &str) -> Drill {
    drill(id, DrillFault::Zone(zone.parse().unwrap()))
}

fn name(id: u32, name: &str, fault: NameFault) -> Drill {
    drill(id, DrillFault::Name(name.parse().unwrap(), fault))
}

#[test]
fn a_zone_that_is_down_is_left_out_for_those_it_is_for() {
    let of_one = Drill { vpcs: vec!["vpc-00000001".parse().unwrap()], ..zone(1, "us-east-1a") };
    let of_net = Drill { clients: vec!["10.2.9.0/24".parse().unwrap()], ..zone(2, "us-east-1b") };
    let before = two_vpcs();
    check(
        &before.with_drills(&[of_one, of_net]),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from ::ffff:10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com AAAA
  NOERROR | 60 AAAA fd00:1:0:2::17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com SOA
  NOERROR | 900 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.2.17 | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-aaaaaaaa-us-east-1a.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
from 10.1.0.5 ec2.corp.example A
  NOERROR | 60 A 10.1.2.17 | alias of hosted zone corp.example to vpce-0000000a
from 10.2.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.2.1.17, 60 A 10.2.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000b
from 10.2.9.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.2.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000b
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
",
    );
}

#[test]
fn with_every_zone_down_all_addresses_are_given() {
    let all = two_vpcs().with_drills(&[zone(1, "us-east-1a"), zone(2, "us-east-1b")]);
    check(
        &all,
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
",
    );
    let asker = Asker::address([10, 1, 0, 5].into());
    let explained = explain(&all, asker, &"ec2.us-east-1.amazonaws.com".parse().unwrap(), vpcedns::dns::Rtype::A);
    assert!(
        explained.steps.iter().any(|step| step == "every zone of it is down: all addresses are given"),
        "{explained:#?}"
    );
    assert_eq!(explained.reason, "drill 1: us-east-1a is down until 00:00:00 UTC");
}

#[test]
fn names_at_fault_are_so_whatever_answers_them_and_what_leads_to_them_too() {
    let drills = [
        name(1, "ec2.us-east-1.amazonaws.com", NameFault::NxDomain),
        name(2, "*.example.net", NameFault::ServFail),
        name(3, "slow.example", NameFault::Delay(10)),
    ];
    let snapshot = two_vpcs().with_drills(&drills);
    check(
        &snapshot,
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NXDOMAIN | drill 1: ec2.us-east-1.amazonaws.com is NXDOMAIN until 00:00:00 UTC
from 10.1.0.5 EC2.us-east-1.amazonaws.com SOA
  NXDOMAIN | drill 1: ec2.us-east-1.amazonaws.com is NXDOMAIN until 00:00:00 UTC
from 10.1.0.5 api.corp.example A
  NXDOMAIN | 300 CNAME ec2.us-east-1.amazonaws.com | drill 1: ec2.us-east-1.amazonaws.com is NXDOMAIN until 00:00:00 UTC
from 10.1.0.5 ec2.corp.example A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | alias of hosted zone corp.example to vpce-0000000a
from 10.1.0.5 www.example.net A
  SERVFAIL | drill 2: *.example.net is SERVFAIL until 00:00:00 UTC
from 10.1.0.5 example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 slow.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 198.51.100.7 www.example.net A
  REFUSED | your address is in no VPC and not in the allow list
",
    );
    let slow = explain(
        &snapshot,
        Asker::address([10, 1, 0, 5].into()),
        &"slow.example".parse().unwrap(),
        vpcedns::dns::Rtype::A,
    );
    let step = "drill 3: answers for slow.example take 10 ms longer until 00:00:00 UTC, for all clients";
    assert!(slow.steps.iter().any(|said| said == step), "{slow:#?}");
    let rows = report(&snapshot, Some("vpc-00000001".parse().unwrap()), None);
    let cause = &rows[0].causes[0];
    assert_eq!(
        (rows[0].status, cause.reason, cause.remedy.as_str()),
        (PrivateStatus::Off, OffReason::Drill, "vpcedns drill end 1")
    );
}

#[test]
fn a_drill_is_a_generation_that_leaves_nothing_behind() {
    let before = two_vpcs();
    let during = before.with_drills(&[name(1, "ec2.us-east-1.amazonaws.com", NameFault::ServFail)]);
    let after = during.with_drills(&[]);
    assert_eq!((before.generation, during.generation, after.generation), (1, 2, 3));
    assert_eq!((during.has_drills(), after.has_drills(), during.without_drills().has_drills()), (true, false, false));
    // a load in between keeps it
    let loaded = during.next(during.model.clone(), &vpcedns::model::Changes { vpcs: true, ..Default::default() });
    assert_eq!(loaded.drills(), during.drills());
    let table = "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
";
    check(&after, table);
    check(&during.without_drills(), table);
}

//! Zone affinity: addresses in a client's own Availability Zone first, or alone, and nothing of it where it is off.

use crate::common::{Asked, BOTH, ask, endpoint, model, policy, vpc, world};
use vpcedns::dns::Rtype;
use vpcedns::explain::{Asker, explain};
use vpcedns::model::ZoneAffinity;
use vpcedns::snapshot::{ClientAddress, Drill, DrillFault, Snapshot};

const NAME: &str = "ec2.us-east-1.amazonaws.com";
const OWN: &str = "vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com";

/// VPC 1 with an endpoint in three zones and an alias to it, one of another service in zone c alone; VPC 2 without affinity.
fn zones(affinity: &str) -> Snapshot {
    let with = format!("{BOTH}\navailability_zone_affinity = \"{affinity}\"");
    let zone = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [\
        { name = \"ec2\", alias = \"vpce-0000000a\" },\
        { name = \"www\", type = \"CNAME\", values = [\"ec2.us-east-1.amazonaws.com\"] }]\n";
    let three = endpoint(
        'a',
        1,
        "com.amazonaws.us-east-1.ec2",
        &["1.17", "2.17", "3.17"],
        "dns_record_ip_type = \"dualstack\"",
    );
    let one = endpoint('b', 1, "com.amazonaws.us-east-1.sqs", &["3.18"], "");
    let other = endpoint('c', 2, "com.amazonaws.us-east-1.ec2", &["1.17", "2.17"], "");
    world(&[vpc(1, &with), vpc(2, BOTH), three, one, other, zone.to_owned()].concat())
}

/// The addresses in the order of a reply to the question that comes with each rotation, without the TTL and type.
fn told(snapshot: &Snapshot, from: &str, name: &str, rtype: &str) -> Vec<String> {
    let of = |rotation| {
        let told = ask(snapshot, &Asked { rotation, ..Asked::new(from, name, rtype) });
        let last = |record: &String| record.rsplit(' ').next().unwrap().to_owned();
        told.answers.iter().map(last).collect::<Vec<_>>().join(" ")
    };
    (0..3).map(of).collect()
}

#[test]
fn first_puts_the_clients_zone_in_front_and_rotates_the_rest() {
    let snapshot = zones("first");
    for (from, name, rtype, want) in [
        (
            "10.1.2.5",
            NAME,
            "A",
            ["10.1.2.17 10.1.1.17 10.1.3.17", "10.1.2.17 10.1.3.17 10.1.1.17", "10.1.2.17 10.1.3.17 10.1.1.17"],
        ),
        (
            "10.1.2.5",
            OWN,
            "A",
            ["10.1.2.17 10.1.1.17 10.1.3.17", "10.1.2.17 10.1.3.17 10.1.1.17", "10.1.2.17 10.1.3.17 10.1.1.17"],
        ),
        (
            "::ffff:10.1.2.5",
            "ec2.corp.example",
            "A",
            ["10.1.2.17 10.1.1.17 10.1.3.17", "10.1.2.17 10.1.3.17 10.1.1.17", "10.1.2.17 10.1.3.17 10.1.1.17"],
        ),
        (
            "fd00:1:0:3::5",
            NAME,
            "AAAA",
            [
                "fd00:1:0:3::17 fd00:1:0:1::17 fd00:1:0:2::17",
                "fd00:1:0:3::17 fd00:1:0:2::17 fd00:1:0:1::17",
                "fd00:1:0:3::17 fd00:1:0:1::17 fd00:1:0:2::17",
            ],
        ),
        // in the VPC and in no subnet, and in a VPC without affinity
        (
            "10.1.0.5",
            NAME,
            "A",
            ["10.1.1.17 10.1.2.17 10.1.3.17", "10.1.2.17 10.1.3.17 10.1.1.17", "10.1.3.17 10.1.1.17 10.1.2.17"],
        ),
        ("10.2.2.5", NAME, "A", ["10.2.1.17 10.2.2.17", "10.2.2.17 10.2.1.17", "10.2.1.17 10.2.2.17"]),
        // a zonal name has one address, and an endpoint in other zones its own
        ("10.1.2.5", "vpce-0000000a-aaaaaaaa-us-east-1a.ec2.us-east-1.vpce.amazonaws.com", "A", ["10.1.1.17"; 3]),
        ("10.1.2.5", "sqs.us-east-1.amazonaws.com", "A", ["10.1.3.18"; 3]),
    ] {
        assert_eq!(told(&snapshot, from, name, rtype), want, "{from} {name} {rtype}");
    }
}

#[test]
fn only_leaves_the_others_out_where_the_zone_has_an_address() {
    let snapshot = zones("only");
    for (from, name, want) in [
        ("10.1.2.5", NAME, "10.1.2.17"),
        ("10.1.3.5", OWN, "10.1.3.17"),
        ("10.1.1.5", "ec2.corp.example", "10.1.1.17"),
        ("10.1.2.5", "sqs.us-east-1.amazonaws.com", "10.1.3.18"),
        ("10.1.0.5", NAME, "10.1.1.17 10.1.2.17 10.1.3.17"),
        ("10.2.2.5", NAME, "10.2.1.17 10.2.2.17"),
        ("10.1.3.5", "www.corp.example", "ec2.us-east-1.amazonaws.com 10.1.3.17"),
    ] {
        assert_eq!(told(&snapshot, from, name, "A")[0], want, "{from} {name}");
    }
    // what a forwarder says of its client: a network inside of a subnet, and one that is not
    let places = |network: &str| {
        snapshot
            .client_in("127.0.0.1:53".parse().unwrap(), network.parse().unwrap())
            .zone(&snapshot)
            .and_then(|zone| zone.affinity)
    };
    assert_eq!((places("10.1.2.0/25"), places("10.1.2.0/23")), (Some(ZoneAffinity::Only), None));
    let unknown = snapshot.client_of_at("vpc-00000001".parse().unwrap(), ClientAddress::Unknown);
    assert!(unknown.zone(&snapshot).is_none(), "any client of the VPC has no zone");
}

#[test]
fn a_drill_comes_before_affinity_and_explain_says_both() {
    let fault = DrillFault::Zone("us-east-1b".parse().unwrap());
    let snapshot =
        zones("only").with_drills(&[Drill { id: 1, fault, vpcs: Vec::new(), clients: Vec::new(), until: 0 }]);
    assert_eq!(told(&snapshot, "10.1.2.5", NAME, "A")[0], "10.1.1.17 10.1.3.17", "its own zone is down");
    assert_eq!(told(&snapshot, "10.1.3.5", NAME, "A")[0], "10.1.3.17");
    let steps = |snapshot: &Snapshot, from: &str| {
        explain(snapshot, Asker::address(from.parse().unwrap()), &NAME.parse().unwrap(), Rtype::A).steps.join("\n")
    };
    let said = steps(&snapshot, "10.1.2.5");
    assert!(
        said.contains("drill 1: us-east-1b is down") && said.contains("no address is there, and all are given"),
        "{said}"
    );
    let said = steps(&zones("first"), "10.1.2.5");
    assert!(
        said.contains("10.1.2.0/24, in us-east-1b: addresses there come first (availability_zone_affinity is first)"),
        "{said}"
    );
    assert!(!steps(&zones("first"), "10.2.2.5").contains("affinity"));
    // a drill that ends leaves affinity as it was
    assert_eq!(told(&snapshot.without_drills(), "10.1.2.5", NAME, "A")[0], "10.1.2.17");
    assert!(!snapshot.without_drills().has_drills() && snapshot.chooses_addresses());
}

/// It is off unless it is said; then nothing of it is left in a snapshot, whatever changes come.
#[test]
fn it_comes_and_goes_with_its_key() {
    let base = vpc(1, BOTH);
    let off = Snapshot::compile(model(&base), policy(), 1);
    assert!(!off.chooses_addresses());
    let over = format!("{base}[[vpc]]\nvpc_id = \"vpc-00000002\"\navailability_zone_affinity = \"first\"\n");
    let problems = std::panic::catch_unwind(|| model(&over));
    assert!(problems.is_err(), "an overlay of a VPC that is not there");
    let wrong = vpc(1, &format!("{BOTH}\navailability_zone_affinity = \"near\""));
    assert!(std::panic::catch_unwind(|| model(&wrong)).is_err());
}

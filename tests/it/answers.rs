//! What clients are told, rule by rule of the contract: tables of questions and answers.
//!
//! A line that begins with `from` is a question; the line below it says rcode, records and reason.

use std::collections::HashSet;

use crate::common::{Asked, BOTH, ask, check, check_with, endpoint, model, policy, vpc, world, world_alone};
use vpcedns::model::{RecordIpType, State};
use vpcedns::snapshot::{Policy, Snapshot};

const EC2: &str = "com.amazonaws.us-east-1.ec2";

/// Two VPCs with private DNS, an endpoint for EC2 in the first.
fn two_vpcs() -> String {
    [vpc(1, BOTH), vpc(2, BOTH), endpoint('a', 1, EC2, &["1.17", "2.17"], "")].concat()
}

/// Rules 1, 2, 3: whose client, and what is public or private.
#[test]
fn names_of_an_endpoint_are_public_and_the_service_name_is_private() {
    check(
        &world(&two_vpcs()),
        "
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
from 10.2.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
from 10.1.0.5 VPCE-0000000A-AAAAAAAA.EC2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-aaaaaaaa-us-east-1a.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
from 10.2.0.5 vpce-0000000a-aaaaaaaa-us-east-1b.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.2.17 | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-aaaaaaaa-us-east-1c.ec2.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000a has no such name
from 10.1.0.5 vpce-0000000a-aaaaaaaa-us-west-2a.ec2.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000a has no such name
from 10.1.0.5 x.vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000a has no such name
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com AAAA
  NOERROR | authority us-east-1.vpce.amazonaws.com 60 SOA | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com ANY
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com TXT
  NOERROR | authority us-east-1.vpce.amazonaws.com 60 SOA | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-bbbbbbbb.ec2.us-east-1.vpce.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 vpce-0000000a-aaaaaaaa.s3.us-east-1.vpce.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 vpce-0000000a.ec2.us-east-1.vpce.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 vpce-0000000b-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from fd00:1::5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from ::ffff:10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.2.0.5 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from ::1 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// Rules 4 and 10: what else is at a private name, and below it.
#[test]
fn a_private_zone_answers_for_its_name_and_denies_what_is_below() {
    check(
        &world(&two_vpcs()),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com AAAA
  NOERROR | authority 60 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com HTTPS
  NOERROR | authority 60 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com TYPE65400
  NOERROR | authority 60 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com ANY
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com SOA
  NOERROR | 900 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com NS
  NOERROR | 172800 NS ns-1536.awsdns-00.co.uk, 172800 NS ns-0.awsdns-00.com, 172800 NS ns-1024.awsdns-00.org, 172800 NS ns-512.awsdns-00.net | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com DS
  NOERROR | authority 60 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 foo.ec2.us-east-1.amazonaws.com A
  NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.1.0.5 foo.bar.ec2.us-east-1.amazonaws.com AAAA
  NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.1.0.5 a.b.c.d.e.f.g.h.ec2.us-east-1.amazonaws.com A
  NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.1.0.5 *.ec2.us-east-1.amazonaws.com A
  NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.1.0.5 foo.EC2.us-east-1.amazonaws.com SOA
  NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.2.0.5 foo.ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 sqs.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 xec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 ec2.us-east-1.amazonaws.com A rd=0
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 sqs.us-east-1.amazonaws.com A rd=0
  REFUSED | not ours, and RD is clear
from 10.1.0.5 . NS
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// Rules 3 and 6: every combination of the two attributes.
#[test]
fn both_attributes_have_to_be_on() {
    let world = |support: bool, hostnames: bool| {
        let attributes = format!("enable_dns_support = {support}\nenable_dns_hostnames = {hostnames}");
        let zone = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\n\
                    records = [{ name = \"db\", type = \"A\", values = [\"10.9.9.9\"] }]\n\
                    [[resolver_rule]]\ndomain_name = \"onprem.example\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"192.0.2.9:53\"]\n";
        world(&[&vpc(1, &attributes), zone, &endpoint('a', 1, EC2, &["1.17"], "")].concat())
    };
    check(
        &world(true, true),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 foo.ec2.us-east-1.amazonaws.com A
  NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.1.0.5 db.corp.example A
  NOERROR | 300 A 10.9.9.9 | hosted zone corp.example
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
from 10.1.0.5 ip-10-1-1-17.ec2.internal A
  NOERROR | 60 A 10.1.1.17 | interface of vpc-00000001
from 10.1.0.5 17.1.1.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-1-1-17.ec2.internal | interface of vpc-00000001
from 10.1.0.5 www.onprem.example A
  FORWARD 192.0.2.9:53 | FORWARD rule for onprem.example
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
",
    );
    check(
        &world(true, false),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS is off: enable_dns_hostnames=false on vpc-00000001
from 10.1.0.5 foo.ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS is off: enable_dns_hostnames=false on vpc-00000001
from 10.1.0.5 db.corp.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
from 10.1.0.5 ip-10-1-1-17.ec2.internal A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 17.1.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 10.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from 10.1.0.5 www.onprem.example A
  FORWARD 192.0.2.9:53 | FORWARD rule for onprem.example
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
",
    );
    check(
        &world(false, true),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 foo.ec2.us-east-1.amazonaws.com A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 db.corp.example A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 ip-10-1-1-17.ec2.internal A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 17.1.1.10.in-addr.arpa PTR
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 www.onprem.example A
  REFUSED | enable_dns_support=false on vpc-00000001
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
",
    );
    check(
        &world(false, false),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 foo.ec2.us-east-1.amazonaws.com A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 db.corp.example A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 ip-10-1-1-17.ec2.internal A
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 17.1.1.10.in-addr.arpa PTR
  REFUSED | enable_dns_support=false on vpc-00000001
from 10.1.0.5 www.onprem.example A
  REFUSED | enable_dns_support=false on vpc-00000001
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
",
    );
}

/// Three of the nine states serve; in the others own names do not exist, and private names are public ones.
#[test]
fn states_serve_or_not() {
    for state in State::ALL {
        let toml = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], &format!("state = \"{state}\""))].concat();
        let world = world(&toml);
        let line = |name: &str| ask(&world, &Asked::parse(&format!("from 10.1.0.5 {name} A"))).line();
        let own = line("vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com");
        let zonal = line("vpce-0000000a-aaaaaaaa-us-east-1a.ec2.us-east-1.vpce.amazonaws.com");
        let private = line("ec2.us-east-1.amazonaws.com");
        let below = line("x.ec2.us-east-1.amazonaws.com");
        if ["available", "pending", "partial"].contains(state) {
            assert_eq!(own, "NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a", "{state}");
            assert_eq!(zonal, own, "{state}");
            let told = "NOERROR | 60 A 10.1.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a";
            assert_eq!(private, told, "{state}");
            assert!(
                below.starts_with("NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | "),
                "{state}: {below}"
            );
        } else {
            let gone = format!("NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000a is {state}");
            assert_eq!((&own, &zonal), (&gone, &gone));
            let public = format!("FORWARD 192.0.2.53:53 | private DNS is off: vpce-0000000a is {state}");
            assert_eq!((&private, &below), (&public, &public));
        }
    }
}

/// A state is read in any case, and an endpoint without an address has nothing to serve yet.
#[test]
fn states_in_any_case_and_without_addresses() {
    let toml = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], "state = \"PENDINGACCEPTANCE\"")].concat();
    check(
        &world(&toml),
        "
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000a is pendingAcceptance
",
    );
    let toml = [vpc(1, BOTH), endpoint('a', 1, EC2, &[], "state = \"pending\"")].concat();
    check(
        &world(&toml),
        "
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000a has no address yet
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS is off: vpce-0000000a has no address yet
",
    );
}

#[test]
fn private_dns_that_is_off_or_elsewhere_leaves_the_name_public() {
    let toml = [
        vpc(1, BOTH),
        vpc(2, BOTH),
        endpoint('a', 1, EC2, &["1.17"], "private_dns_enabled = false"),
        endpoint(
            'b',
            1,
            "com.amazonaws.us-east-1.sts",
            &["1.18"],
            "private_dns_only_for_inbound_resolver_endpoint = true",
        ),
        endpoint('c', 2, "com.amazonaws.us-east-1.sqs", &["1.19"], ""),
        endpoint('d', 1, "com.amazonaws.us-east-1.dynamodb", &["1.20"], ""),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 sts.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS of vpce-0000000b is for inbound resolver endpoints only
from 10.1.0.5 x.sts.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | private DNS of vpce-0000000b is for inbound resolver endpoints only
from 10.1.0.5 vpce-0000000b-bbbbbbbb.sts.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18 | name of vpce-0000000b
from 10.1.0.5 sqs.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.2.0.5 sqs.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.2.1.19 | private name sqs.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 dynamodb.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// S3: names below the endpoint's own, and private names that come both bare and with `*.` in front.
#[test]
fn s3_answers_below_its_names() {
    let s3 = endpoint('b', 1, "com.amazonaws.us-east-1.s3", &["1.18", "2.18"], "");
    let toml = [vpc(1, BOTH), vpc(2, BOTH), s3].concat();
    check(
        &world(&toml),
        "
from 10.1.0.5 vpce-0000000b-bbbbbbbb.s3.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | name of vpce-0000000b
from 10.1.0.5 bucket.vpce-0000000b-bbbbbbbb.s3.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | name of vpce-0000000b
from 10.1.0.5 my-bucket.bucket.vpce-0000000b-bbbbbbbb.s3.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | name of vpce-0000000b
from 10.1.0.5 *.vpce-0000000b-bbbbbbbb.s3.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | name of vpce-0000000b
from 10.1.0.5 bucket.vpce-0000000b-bbbbbbbb-us-east-1b.s3.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.2.18 | name of vpce-0000000b
from 10.1.0.5 bucket.vpce-0000000b-bbbbbbbb-us-east-1c.s3.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | vpce-0000000b has no such name
from 10.1.0.5 bucket.vpce-0000000b-bbbbbbbb.s3.us-east-1.vpce.amazonaws.com AAAA
  NOERROR | authority us-east-1.vpce.amazonaws.com 60 SOA | name of vpce-0000000b
from 10.1.0.5 s3.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | private name s3.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 my-bucket.s3.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | private name s3.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 my.dotted.bucket.s3.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | private name s3.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 my-bucket.s3.us-east-1.amazonaws.com AAAA
  NOERROR | authority s3.us-east-1.amazonaws.com 60 SOA | private name s3.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 my-bucket.s3.us-east-1.amazonaws.com SOA
  NOERROR | authority s3.us-east-1.amazonaws.com 60 SOA | private name s3.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 111122223333.s3-control.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | private name s3-control.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 s3-accesspoint.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | private name s3-accesspoint.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 s3.us-east-1.amazonaws.com SOA
  NOERROR | 900 SOA | private name s3.us-east-1.amazonaws.com of vpce-0000000b
from 10.2.0.5 vpce-0000000b-bbbbbbbb.s3.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18, 60 A 10.1.2.18 | name of vpce-0000000b
",
    );
}

#[test]
fn private_wildcards_stand_for_their_apex_too() {
    let toml = [
        vpc(1, BOTH),
        endpoint('c', 1, "com.amazonaws.us-east-1.ecr.dkr", &["1.19"], ""),
        endpoint('d', 1, "com.amazonaws.us-east-1.ecr.api", &["1.20"], ""),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 111122223333.dkr.ecr.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.19 | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 a.b.dkr.ecr.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.19 | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 111122223333.dkr.ecr.us-east-1.amazonaws.com AAAA
  NOERROR | authority dkr.ecr.us-east-1.amazonaws.com 60 SOA | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 111122223333.dkr.ecr.us-east-1.amazonaws.com NS
  NOERROR | authority dkr.ecr.us-east-1.amazonaws.com 60 SOA | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 dkr.ecr.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.19 | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 dkr.ecr.us-east-1.amazonaws.com SOA
  NOERROR | 900 SOA | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 dkr.ecr.us-east-1.amazonaws.com NS
  NOERROR | 172800 NS ns-1536.awsdns-00.co.uk, 172800 NS ns-0.awsdns-00.com, 172800 NS ns-1024.awsdns-00.org, 172800 NS ns-512.awsdns-00.net | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 dkr.ecr.us-east-1.amazonaws.com ANY
  NOERROR | 60 A 10.1.1.19 | private name dkr.ecr.us-east-1.amazonaws.com of vpce-0000000c
from 10.1.0.5 ecr.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 api.ecr.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.20 | private name api.ecr.us-east-1.amazonaws.com of vpce-0000000d
from 10.1.0.5 x.api.ecr.us-east-1.amazonaws.com A
  NXDOMAIN | authority api.ecr.us-east-1.amazonaws.com 60 SOA | below the private name api.ecr.us-east-1.amazonaws.com: not forwarded
",
    );
}

/// Several private names for one service, `.api.aws` among them; an account's own service with a name of its own.
#[test]
fn services_with_several_names_and_names_of_their_own() {
    let toml = [
        vpc(1, BOTH),
        endpoint('a', 1, "com.amazonaws.us-east-1.monitoring", &["1.17"], ""),
        endpoint('b', 1, "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc", &["1.18"], ""),
        "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc\"\n\
         private_dns_names = [\"api.partner.example\", \"*.tenants.partner.example\"]\n"
            .to_owned(),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 monitoring.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name monitoring.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 monitoring.us-east-1.api.aws A
  NOERROR | 60 A 10.1.1.17 | private name monitoring.us-east-1.api.aws of vpce-0000000a
from 10.1.0.5 monitoring-fips.us-east-1.api.aws A
  NOERROR | 60 A 10.1.1.17 | private name monitoring-fips.us-east-1.api.aws of vpce-0000000a
from 10.1.0.5 vpce-0000000b-bbbbbbbb.vpce-svc-0e123abc123198abc.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.18 | name of vpce-0000000b
from 10.1.0.5 api.partner.example A
  NOERROR | 60 A 10.1.1.18 | private name api.partner.example of vpce-0000000b
from 10.1.0.5 blue.tenants.partner.example A
  NOERROR | 60 A 10.1.1.18 | private name tenants.partner.example of vpce-0000000b
from 10.1.0.5 tenants.partner.example A
  NOERROR | 60 A 10.1.1.18 | private name tenants.partner.example of vpce-0000000b
from 10.1.0.5 partner.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// `overlay`: a private zone or hosted zone that speaks only for names it has.
#[test]
fn overlays_let_unknown_names_through() {
    let toml = [
        vpc(1, BOTH),
        endpoint('a', 1, EC2, &["1.17"], "private_dns_mode = \"overlay\""),
        "[[hosted_zone]]\nname = \"example\"\nvpc_ids = [\"*\"]\nrecords = [{ name = \"x.over\", type = \"A\", ttl = 9, values = [\"10.9.9.1\"] }]\n\
         [[hosted_zone]]\nname = \"over.example\"\nvpc_ids = [\"*\"]\nprivate_dns_mode = \"overlay\"\n\
         records = [{ name = \"db\", type = \"A\", ttl = 9, values = [\"10.9.9.9\"] }, { name = \"*.w\", type = \"A\", ttl = 9, values = [\"10.9.9.8\"] }]\n"
            .to_owned(),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 ec2.us-east-1.amazonaws.com AAAA
  NOERROR | authority 60 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 x.ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 db.over.example A
  NOERROR | 9 A 10.9.9.9 | hosted zone over.example
from 10.1.0.5 db.over.example AAAA
  NOERROR | authority over.example 60 SOA | hosted zone over.example
from 10.1.0.5 over.example A
  NOERROR | authority 60 SOA | hosted zone over.example
from 10.1.0.5 y.w.over.example A
  NOERROR | 9 A 10.9.9.8 | wildcard of hosted zone over.example
from 10.1.0.5 w.over.example A
  NOERROR | authority over.example 60 SOA | hosted zone over.example
from 10.1.0.5 x.over.example A
  NOERROR | 9 A 10.9.9.1 | hosted zone example
from 10.1.0.5 unknown.over.example A
  NXDOMAIN | authority example 60 SOA | not in hosted zone example
",
    );
}

/// RFC 1034 4.3.2 and RFC 4592 in a hosted zone.
// one table: splitting it would hide which lines are missing
#[allow(clippy::too_many_lines)]
#[test]
fn hosted_zones_answer_as_zones_do() {
    let zone = r#"
[[hosted_zone]]
name = "corp.example"
vpc_ids = ["vpc-00000001"]
records = [
  { name = "@", type = "A", ttl = 30, values = ["10.9.9.1"] },
  { name = "db", type = "A", ttl = 60, values = ["10.9.9.9", "10.9.9.10"] },
  { name = "*", type = "TXT", values = ["star"] },
  { name = "*.apps", type = "CNAME", values = ["db.corp.example"] },
  { name = "here.apps", type = "TXT", values = ["here"] },
  { name = "a.b.ent", type = "A", values = ["10.9.9.2"] },
  { name = "one", type = "CNAME", values = ["two.corp.example"] },
  { name = "two", type = "CNAME", values = ["db.corp.example"] },
  { name = "out", type = "CNAME", values = ["www.example.net"] },
  { name = "toprivate", type = "CNAME", values = ["ec2.us-east-1.amazonaws.com"] },
  { name = "toendpoint", type = "CNAME", values = ["vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com"] },
  { name = "tonothing", type = "CNAME", values = ["x.ec2.us-east-1.amazonaws.com"] },
  { name = "tonodata", type = "CNAME", values = ["ent.corp.example"] },
  { name = "toonprem", type = "CNAME", values = ["www.onprem.example"] },
  { name = "loop1", type = "CNAME", values = ["loop2.corp.example"] },
  { name = "loop2", type = "CNAME", values = ["loop1.corp.example"] },
  { name = "served", alias = "vpce-0000000a" },
  { name = "unserved", alias = "vpce-0000000b" },
  { name = "unserved", type = "TXT", values = ["text"] },
  { name = "lab", type = "NS", values = ["ns1.lab.corp.example", "ns2.other.example"] },
]

[[resolver_rule]]
domain_name = "onprem.example"
rule_type = "FORWARD"
target_ips = ["192.0.2.9:53", "192.0.2.10:53"]
"#;
    let toml =
        [&two_vpcs(), &endpoint('b', 1, "com.amazonaws.us-east-1.sts", &["1.18"], "state = \"deleted\"") as &str, zone]
            .concat();
    check(
        &world(&toml),
        "
from 10.1.0.5 corp.example A
  NOERROR | 30 A 10.9.9.1 | hosted zone corp.example
from 10.1.0.5 corp.example SOA
  NOERROR | 900 SOA | hosted zone corp.example
from 10.1.0.5 corp.example NS
  NOERROR | 172800 NS ns-1536.awsdns-00.co.uk, 172800 NS ns-0.awsdns-00.com, 172800 NS ns-1024.awsdns-00.org, 172800 NS ns-512.awsdns-00.net | hosted zone corp.example
from 10.1.0.5 corp.example AAAA
  NOERROR | authority 60 SOA | hosted zone corp.example
from 10.1.0.5 db.corp.example A
  NOERROR | 60 A 10.9.9.9, 60 A 10.9.9.10 | hosted zone corp.example
from 10.1.0.5 db.corp.example AAAA
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 db.corp.example ANY
  NOERROR | 60 A 10.9.9.9, 60 A 10.9.9.10 | hosted zone corp.example
from 10.1.0.5 unknown.corp.example TXT
  NOERROR | 300 TXT star | wildcard of hosted zone corp.example
from 10.1.0.5 unknown.corp.example A
  NOERROR | authority corp.example 60 SOA | wildcard of hosted zone corp.example
from 10.1.0.5 deep.unknown.corp.example TXT
  NOERROR | 300 TXT star | wildcard of hosted zone corp.example
from 10.1.0.5 *.corp.example TXT
  NOERROR | 300 TXT star | hosted zone corp.example
from 10.1.0.5 x.db.corp.example TXT
  NXDOMAIN | authority corp.example 60 SOA | not in hosted zone corp.example
from 10.1.0.5 x.apps.corp.example A
  NOERROR | 300 CNAME db.corp.example, db.corp.example 60 A 10.9.9.9, db.corp.example 60 A 10.9.9.10 | hosted zone corp.example
from 10.1.0.5 x.apps.corp.example CNAME
  NOERROR | 300 CNAME db.corp.example | wildcard of hosted zone corp.example
from 10.1.0.5 x.apps.corp.example AAAA
  NOERROR | 300 CNAME db.corp.example | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 apps.corp.example A
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 here.apps.corp.example A
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 ent.corp.example A
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 b.ent.corp.example TXT
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 x.ent.corp.example TXT
  NXDOMAIN | authority corp.example 60 SOA | not in hosted zone corp.example
from 10.1.0.5 one.corp.example A
  NOERROR | 300 CNAME two.corp.example, two.corp.example 300 CNAME db.corp.example, db.corp.example 60 A 10.9.9.9, db.corp.example 60 A 10.9.9.10 | hosted zone corp.example
from 10.1.0.5 one.corp.example MX
  NOERROR | 300 CNAME two.corp.example, two.corp.example 300 CNAME db.corp.example | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 out.corp.example A
  FORWARD 192.0.2.53:53 for www.example.net | 300 CNAME www.example.net | not ours: forwarded
from 10.1.0.5 out.corp.example CNAME
  NOERROR | 300 CNAME www.example.net | hosted zone corp.example
from 10.1.0.5 out.corp.example A rd=0
  NOERROR | 300 CNAME www.example.net | not ours, and RD is clear
from 10.1.0.5 toonprem.corp.example A
  FORWARD 192.0.2.9:53 192.0.2.10:53 for www.onprem.example | 300 CNAME www.onprem.example | FORWARD rule for onprem.example
from 10.1.0.5 toprivate.corp.example A
  NOERROR | 300 CNAME ec2.us-east-1.amazonaws.com, ec2.us-east-1.amazonaws.com 60 A 10.1.1.17, ec2.us-east-1.amazonaws.com 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 toprivate.corp.example AAAA
  NOERROR | 300 CNAME ec2.us-east-1.amazonaws.com | authority ec2.us-east-1.amazonaws.com 60 SOA | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 toendpoint.corp.example A
  NOERROR | 300 CNAME vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com, vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com 60 A 10.1.1.17, vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com 60 A 10.1.2.17 | name of vpce-0000000a
from 10.1.0.5 tonothing.corp.example A
  NXDOMAIN | 300 CNAME x.ec2.us-east-1.amazonaws.com | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.1.0.5 tonodata.corp.example A
  NOERROR | 300 CNAME ent.corp.example | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 loop1.corp.example A
  SERVFAIL | CNAME loop or chain too long from hosted zone corp.example
from 10.1.0.5 loop1.corp.example CNAME
  NOERROR | 300 CNAME loop2.corp.example | hosted zone corp.example
from 10.1.0.5 served.corp.example A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | alias of hosted zone corp.example to vpce-0000000a
from 10.1.0.5 served.corp.example AAAA
  NOERROR | authority corp.example 60 SOA | alias of hosted zone corp.example to vpce-0000000a
from 10.1.0.5 served.corp.example MX
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 x.served.corp.example A
  NXDOMAIN | authority corp.example 60 SOA | not in hosted zone corp.example
from 10.1.0.5 unserved.corp.example A
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.1.0.5 unserved.corp.example TXT
  NOERROR | 300 TXT text | hosted zone corp.example
from 10.1.0.5 lab.corp.example A rd=0
  NOERROR | authority 300 NS ns1.lab.corp.example, 300 NS ns2.other.example | delegated by hosted zone corp.example to others, who are not asked
from 10.1.0.5 lab.corp.example NS rd=0
  NOERROR | authority 300 NS ns1.lab.corp.example, 300 NS ns2.other.example | delegated by hosted zone corp.example to others, who are not asked
from 10.1.0.5 host.lab.corp.example A rd=0
  NOERROR | authority lab.corp.example 300 NS ns1.lab.corp.example, lab.corp.example 300 NS ns2.other.example | delegated by hosted zone corp.example to others, who are not asked
from 10.1.0.5 host.lab.corp.example A
  SERVFAIL | delegated by hosted zone corp.example to others, who are not asked
from 10.1.0.5 lab.corp.example NS
  SERVFAIL | delegated by hosted zone corp.example to others, who are not asked
from 10.1.0.5 lab.corp.example DS
  NOERROR | authority corp.example 60 SOA | hosted zone corp.example
from 10.2.0.5 db.corp.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 db.corp.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
    check(
        &world_alone(&toml),
        "
from 10.1.0.5 out.corp.example A
  NOERROR | 300 CNAME www.example.net | not ours, and no upstream to ask
from 10.1.0.5 toprivate.corp.example A
  NOERROR | 300 CNAME ec2.us-east-1.amazonaws.com, ec2.us-east-1.amazonaws.com 60 A 10.1.1.17, ec2.us-east-1.amazonaws.com 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
",
    );
}

/// Rule 5: most specific wins; at the same name a FORWARD rule beats a zone; SYSTEM carves out.
#[test]
fn rules_and_zones_win_by_length() {
    let rule = |name: &str, to: &str, vpcs: &str| {
        let action = if to.is_empty() {
            "rule_type = \"SYSTEM\"".to_owned()
        } else {
            format!("rule_type = \"FORWARD\"\ntarget_ips = [\"{to}\"]")
        };
        format!("[[resolver_rule]]\ndomain_name = \"{name}\"\n{action}\nvpc_ids = [{vpcs}]\n")
    };
    let zone = |name: &str, vpcs: &str, value: &str| {
        let vpcs = if vpcs.is_empty() { "\"*\"" } else { vpcs };
        format!(
            "[[hosted_zone]]\nname = \"{name}\"\nvpc_ids = [{vpcs}]\nrecords = [{{ name = \"*\", type = \"A\", ttl = 5, values = [\"{value}\"] }}]\n"
        )
    };
    let toml = [
        two_vpcs(),
        rule("amazonaws.com", "192.0.2.1", ""),
        rule("sts.us-east-1.amazonaws.com", "192.0.2.2", "\"vpc-00000001\""),
        endpoint('b', 1, "com.amazonaws.us-east-1.sts", &["1.18"], ""),
        rule("aws.example", "192.0.2.3", ""),
        rule("aws.example", "192.0.2.4", "\"vpc-00000001\""),
        rule("deep.aws.example", "", ""),
        rule("deeper.deep.aws.example", "192.0.2.5", ""),
        zone("corp.example", "", "10.9.9.1"),
        zone("sub.corp.example", "\"vpc-00000001\"", "10.9.9.2"),
        rule("sub.sub.corp.example", "192.0.2.6", ""),
        zone("both.example", "", "10.9.9.3"),
        rule("both.example", "192.0.2.7", ""),
        rule("inner.both.example", "", ""),
        zone("carved.example", "", "10.9.9.4"),
        rule("carved.example", "", ""),
        rule("example", "192.0.2.8", ""),
        zone("everyone.example", "", "10.9.9.5"),
        zone("everyone.example", "\"vpc-00000002\"", "10.9.9.6"),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.2.0.5 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.1:53 | FORWARD rule for amazonaws.com
from 10.1.0.5 x.ec2.us-east-1.amazonaws.com A
  NXDOMAIN | authority ec2.us-east-1.amazonaws.com 60 SOA | below the private name ec2.us-east-1.amazonaws.com: not forwarded
from 10.1.0.5 sts.us-east-1.amazonaws.com A
  FORWARD 192.0.2.2:53 | FORWARD rule for sts.us-east-1.amazonaws.com
from 10.1.0.5 x.sts.us-east-1.amazonaws.com A
  FORWARD 192.0.2.2:53 | FORWARD rule for sts.us-east-1.amazonaws.com
from 10.1.0.5 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
from 10.1.0.5 vpce-0000000a-zzzzzzzz.ec2.us-east-1.vpce.amazonaws.com A
  FORWARD 192.0.2.1:53 | FORWARD rule for amazonaws.com
from 10.1.0.5 aws.example A
  FORWARD 192.0.2.4:53 | FORWARD rule for aws.example
from 10.2.0.5 aws.example A
  FORWARD 192.0.2.3:53 | FORWARD rule for aws.example
from 127.0.0.1 aws.example A
  FORWARD 192.0.2.3:53 | FORWARD rule for aws.example
from 10.1.0.5 x.deep.aws.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 x.deeper.deep.aws.example A
  FORWARD 192.0.2.5:53 | FORWARD rule for deeper.deep.aws.example
from 10.1.0.5 x.corp.example A
  NOERROR | 5 A 10.9.9.1 | wildcard of hosted zone corp.example
from 10.1.0.5 x.sub.corp.example A
  NOERROR | 5 A 10.9.9.2 | wildcard of hosted zone sub.corp.example
from 10.2.0.5 x.sub.corp.example A
  NOERROR | 5 A 10.9.9.1 | wildcard of hosted zone corp.example
from 10.1.0.5 x.sub.sub.corp.example A
  FORWARD 192.0.2.6:53 | FORWARD rule for sub.sub.corp.example
from 10.1.0.5 x.both.example A
  FORWARD 192.0.2.7:53 | FORWARD rule for both.example
from 10.1.0.5 x.inner.both.example A
  NOERROR | 5 A 10.9.9.3 | wildcard of hosted zone both.example
from 10.1.0.5 x.carved.example A
  NOERROR | 5 A 10.9.9.4 | wildcard of hosted zone carved.example
from 127.0.0.1 x.carved.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 x.everyone.example A
  NOERROR | 5 A 10.9.9.5 | wildcard of hosted zone everyone.example
from 10.2.0.5 x.everyone.example A
  NOERROR | 5 A 10.9.9.6 | wildcard of hosted zone everyone.example
from 127.0.0.1 x.everyone.example A
  FORWARD 192.0.2.8:53 | FORWARD rule for example
from 10.1.0.5 example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 x.both.example A rd=0
  REFUSED | not ours, and RD is clear
",
    );
}

/// The root is a domain like any other: a rule for it takes what nothing else covers.
#[test]
fn a_rule_for_the_root_takes_the_rest() {
    let toml = [
        two_vpcs(),
        "[[resolver_rule]]\ndomain_name = \".\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"192.0.2.1\"]\n".to_owned(),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 example.net A
  FORWARD 192.0.2.1:53 | FORWARD rule for .
from 10.1.0.5 . NS
  FORWARD 192.0.2.1:53 | FORWARD rule for .
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.2.0.5 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.1:53 | FORWARD rule for .
from 10.1.0.5 9.9.9.10.in-addr.arpa PTR
  NXDOMAIN | authority 10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 8.8.8.8.in-addr.arpa PTR
  FORWARD 192.0.2.1:53 | FORWARD rule for .
from 10.1.0.5 nothing.ec2.internal A
  NXDOMAIN | authority ec2.internal 60 SOA | no interface of vpc-00000001 has it
",
    );
}

#[test]
fn address_families_follow_the_endpoint() {
    for kind in RecordIpType::ALL {
        let extra = format!("dns_record_ip_type = \"{kind}\"");
        let world = world(&[vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17", "2.17"], &extra)].concat());
        let line =
            |name: &str, rtype: &str| ask(&world, &Asked::parse(&format!("from 10.1.0.5 {name} {rtype}"))).answers;
        let (own, private) = ("vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com", "ec2.us-east-1.amazonaws.com");
        let a = ["60 A 10.1.1.17", "60 A 10.1.2.17"];
        let aaaa = ["60 AAAA fd00:1:0:1::17", "60 AAAA fd00:1:0:2::17"];
        let (want_a, want_aaaa, want_private_aaaa) = match *kind {
            "ipv4" => (true, false, false),
            "ipv6" => (false, true, true),
            "dualstack" => (true, true, true),
            "service-defined" => (true, true, false),
            other => panic!("{other} is new here"),
        };
        let want = |on: bool, records: [&str; 2]| if on { records.map(str::to_owned).to_vec() } else { vec![] };
        assert_eq!(line(own, "A"), want(want_a, a), "{kind}");
        assert_eq!(line(own, "AAAA"), want(want_aaaa, aaaa), "{kind}");
        assert_eq!(line(private, "A"), want(want_a, a), "{kind}");
        assert_eq!(line(private, "AAAA"), want(want_private_aaaa, aaaa), "{kind}");
        assert!(!line(own, "ANY").is_empty() && !line(private, "ANY").is_empty(), "{kind}");
        // an endpoint whose interfaces lack the family says that there is no such record, not that there is no name
        let only_v4 = endpoint('a', 1, EC2, &["1.17"], "").replace("dns_suffix", &format!("{extra}\ndns_suffix"));
        let told = ask(
            &crate::common::world(&[vpc(1, BOTH), only_v4].concat()),
            &Asked::parse("from 10.1.0.5 ec2.us-east-1.amazonaws.com AAAA"),
        );
        assert_eq!((told.verdict.as_str(), told.answers.len(), told.authority.len()), ("NOERROR", 0, 1), "{kind}");
    }
}

#[test]
fn every_address_comes_first_in_turn() {
    let hosts = ["1.17", "2.17", "3.17"];
    let world = world(&[vpc(1, BOTH), endpoint('a', 1, EC2, &hosts, "")].concat());
    for name in ["ec2.us-east-1.amazonaws.com", "vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com"] {
        for start in [0, 7, u32::MAX - 5] {
            let mut first = HashSet::new();
            for rotation in start..start + 3 {
                let mut asked = Asked::parse(&format!("from 10.1.0.5 {name} A"));
                asked.rotation = rotation;
                let mut answers = ask(&world, &asked).answers;
                first.insert(answers[0].clone());
                answers.sort();
                assert_eq!(answers, ["60 A 10.1.1.17", "60 A 10.1.2.17", "60 A 10.1.3.17"]);
            }
            assert_eq!(first.len(), 3, "from rotation {start} on");
        }
    }
}

/// Records of hosted zones are rotated too, aliases are not torn apart by it.
#[test]
fn hosted_records_rotate() {
    let zone = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"*\"]\nrecords = [{ name = \"db\", type = \"A\", ttl = 9, values = [\"10.0.0.1\", \"10.0.0.2\"] }, { name = \"c\", type = \"CNAME\", ttl = 9, values = [\"db.corp.example\"] }]\n";
    let world = world(&[&vpc(1, BOTH), zone].concat());
    let asked = |rotation| {
        let asked = Asked { rotation, ..Asked::parse("from 10.1.0.5 c.corp.example A") };
        ask(&world, &asked).answers.join(", ")
    };
    let alias = "9 CNAME db.corp.example";
    assert_eq!(asked(0), format!("{alias}, db.corp.example 9 A 10.0.0.1, db.corp.example 9 A 10.0.0.2"));
    assert_eq!(asked(1), format!("{alias}, db.corp.example 9 A 10.0.0.2, db.corp.example 9 A 10.0.0.1"));
}

/// Autodefined names: both ways for interfaces of the VPC, and no reverse question about private addresses leaves.
#[test]
fn instance_names_both_ways() {
    let west = vpc(2, BOTH).replace("us-east-1", "us-west-2");
    let west_endpoint = endpoint('b', 2, "com.amazonaws.us-west-2.ec2", &["1.18"], "");
    let toml = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], ""), west, west_endpoint].concat();
    check(
        &world(&toml),
        "
from 10.1.0.5 ip-10-1-1-17.ec2.internal A
  NOERROR | 60 A 10.1.1.17 | interface of vpc-00000001
from 10.1.0.5 ip-10-1-1-17.ec2.internal AAAA
  NOERROR | authority ec2.internal 60 SOA | interface of vpc-00000001
from 10.1.0.5 ip-10-1-1-17.ec2.internal ANY
  NOERROR | 60 A 10.1.1.17 | interface of vpc-00000001
from 10.1.0.5 ip-10-1-1-18.ec2.internal A
  NXDOMAIN | authority ec2.internal 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 ip-10-1-1-017.ec2.internal A
  NXDOMAIN | authority ec2.internal 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 x.ip-10-1-1-17.ec2.internal A
  NXDOMAIN | authority ec2.internal 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 ec2.internal A
  NOERROR | authority 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 ec2.internal SOA
  NOERROR | 900 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 17.1.1.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-1-1-17.ec2.internal | interface of vpc-00000001
from 10.1.0.5 17.1.1.10.in-addr.arpa A
  NOERROR | authority 1.10.in-addr.arpa 60 SOA | interface of vpc-00000001
from 10.1.0.5 18.1.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 1.10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 1.1.10.in-addr.arpa PTR
  NOERROR | authority 1.10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 1.10.in-addr.arpa SOA
  NOERROR | 900 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 1.10.in-addr.arpa PTR
  NOERROR | authority 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 10.in-addr.arpa NS
  NOERROR | 172800 NS ns-1536.awsdns-00.co.uk, 172800 NS ns-0.awsdns-00.com, 172800 NS ns-1024.awsdns-00.org, 172800 NS ns-512.awsdns-00.net | no interface of vpc-00000001 has it
from 10.1.0.5 9.9.9.10.in-addr.arpa PTR
  NXDOMAIN | authority 10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 9.9.10.in-addr.arpa PTR
  NOERROR | authority 10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 4.3.16.172.in-addr.arpa PTR
  NXDOMAIN | authority 16.172.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 16.172.in-addr.arpa PTR
  NOERROR | authority 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 4.3.168.192.in-addr.arpa PTR
  NXDOMAIN | authority 168.192.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 4.3.15.172.in-addr.arpa PTR
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 8.8.8.8.in-addr.arpa PTR
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 x.17.1.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 1.10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 017.1.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 1.10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.2.0.5 ip-10-2-1-18.us-west-2.compute.internal A
  NOERROR | 60 A 10.2.1.18 | interface of vpc-00000002
from 10.2.0.5 18.1.2.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-2-1-18.us-west-2.compute.internal | interface of vpc-00000002
from 10.2.0.5 17.1.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 10.in-addr.arpa 60 SOA | no interface of vpc-00000002 has it
from 10.2.0.5 ip-10-1-1-17.ec2.internal A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 17.1.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 10.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
",
    );
}

/// Route 53: a rule or zone of one's own at an autodefined name lies over it.
#[test]
fn own_rules_and_zones_lie_over_autodefined_ones() {
    let toml = [
        two_vpcs(),
        "[[resolver_rule]]\ndomain_name = \"10.in-addr.arpa\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"192.0.2.1\"]\n\
         [[resolver_rule]]\ndomain_name = \"168.192.in-addr.arpa\"\nrule_type = \"SYSTEM\"\n\
         [[resolver_rule]]\ndomain_name = \"ec2.internal\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"192.0.2.2\"]\nvpc_ids = [\"vpc-00000002\"]\n\
         [[hosted_zone]]\nname = \"2.1.10.in-addr.arpa\"\nvpc_ids = [\"vpc-00000001\"]\n\
         records = [{ name = \"9\", type = \"PTR\", ttl = 7, values = [\"db.corp.example\"] }]\n"
            .to_owned(),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 9.9.9.10.in-addr.arpa PTR
  FORWARD 192.0.2.1:53 | FORWARD rule for 10.in-addr.arpa
from 10.1.0.5 17.1.1.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-1-1-17.ec2.internal | interface of vpc-00000001
from 10.1.0.5 9.2.1.10.in-addr.arpa PTR
  NOERROR | 7 PTR db.corp.example | hosted zone 2.1.10.in-addr.arpa
from 10.1.0.5 17.2.1.10.in-addr.arpa PTR
  NXDOMAIN | authority 2.1.10.in-addr.arpa 60 SOA | not in hosted zone 2.1.10.in-addr.arpa
from 10.1.0.5 1.1.168.192.in-addr.arpa PTR
  NXDOMAIN | authority 168.192.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 ip-10-1-1-17.ec2.internal A
  NOERROR | 60 A 10.1.1.17 | interface of vpc-00000001
from 10.2.0.5 ip-10-1-1-17.ec2.internal A
  FORWARD 192.0.2.2:53 | FORWARD rule for ec2.internal
",
    );
}

/// Rule 1: where CIDRs overlap, the listener says whose client it is.
#[test]
fn listeners_tell_vpcs_apart() {
    let bound = |n: u8, listener: &str| {
        vpc(n, &format!("{BOTH}\nlisteners = [\"{listener}\"]"))
            .replace(&format!("10.{n}."), "10.1.")
            .replace(&format!("fd00:{n}:"), "fd00:1:")
    };
    let moved = |id: char, n: u8, host: &str| endpoint(id, n, EC2, &[host], "").replace(&format!("10.{n}."), "10.1.");
    let toml = [
        bound(1, "10.1.0.2:53"),
        bound(2, "10.1.0.3:53"),
        vpc(3, BOTH),
        moved('a', 1, "1.17"),
        moved('b', 2, "1.18"),
        endpoint('c', 3, EC2, &["1.19"], ""),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 to 10.1.0.2:53 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 to 10.1.0.3:53 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18 | private name ec2.us-east-1.amazonaws.com of vpce-0000000b
from 198.51.100.7 to 10.1.0.3:53 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18 | private name ec2.us-east-1.amazonaws.com of vpce-0000000b
from 10.3.0.5 to 10.1.0.2:53 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.3.0.5 to 10.1.0.2:54 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.3.1.19 | private name ec2.us-east-1.amazonaws.com of vpce-0000000c
",
    );
}

/// Rule 1: the longest block that holds the address, where one VPC has a listener to be known by.
#[test]
fn the_longest_block_has_its_clients() {
    let inner = vpc(2, &format!("{BOTH}\nlisteners = [\"192.0.2.2:53\"]"))
        .replace("10.2.", "10.1.")
        .replace("10.1.0.0/16", "10.1.1.0/24");
    let inner: String = inner.split("[[subnet]]").next().unwrap().to_owned();
    let toml = [vpc(1, BOTH), inner, endpoint('a', 1, EC2, &["1.17"], "")].concat();
    check(
        &world(&toml),
        "
from 10.1.2.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.1.5 ec2.us-east-1.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// Rule 9: never an open resolver.
#[test]
fn clients_of_no_vpc() {
    let allow = vec!["198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let policy = Policy { allow, ..policy() };
    let world = Snapshot::compile(model(&two_vpcs()), policy, 1);
    check(
        &world,
        "
from 127.0.0.1 example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from ::1 example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 198.51.100.7 example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 2001:db8::7 example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 198.51.100.7 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
from 203.0.113.7 example.net A
  REFUSED | your address is in no VPC and not in the allow list
from 203.0.113.7 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  REFUSED | your address is in no VPC and not in the allow list
from 203.0.113.7 ec2.us-east-1.amazonaws.com A
  REFUSED | your address is in no VPC and not in the allow list
from 2001:db9::7 example.net A
  REFUSED | your address is in no VPC and not in the allow list
from 10.1.0.5 example.net A rd=0
  REFUSED | not ours, and RD is clear
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A rd=0
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | name of vpce-0000000a
",
    );
}

/// Rule 8, and what is left without an upstream.
#[test]
fn without_an_upstream() {
    check(
        &world_alone(&two_vpcs()),
        "
from 10.1.0.5 example.net A
  REFUSED | not ours, and no upstream to ask
from 10.1.0.5 . NS
  REFUSED | not ours, and no upstream to ask
from 10.1.0.5 vpce-0000000a-zzzzzzzz.ec2.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 vpce-0000000c-cccccccc.sqs.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | authority us-east-1.vpce.amazonaws.com 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 us-east-1.vpce.amazonaws.com A
  NOERROR | authority 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 us-east-1.vpce.amazonaws.com SOA
  NOERROR | 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 us-east-1.vpce.amazonaws.com NS
  NOERROR | 172800 NS ns-1536.awsdns-00.co.uk, 172800 NS ns-0.awsdns-00.com, 172800 NS ns-1024.awsdns-00.org, 172800 NS ns-512.awsdns-00.net | no such endpoint here, and no upstream to ask
from 10.1.0.5 x.ec2.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 sqs.us-east-1.vpce.amazonaws.com A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 x.eu-west-1.vpce.amazonaws.com A
  NXDOMAIN | authority eu-west-1.vpce.amazonaws.com 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 vpce.amazonaws.com A
  NOERROR | authority 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 x.us-east-1.vpce.amazonaws.com.cn A
  NXDOMAIN | authority us-east-1.vpce.amazonaws.com.cn 60 SOA | no such endpoint here, and no upstream to ask
from 10.1.0.5 x.us-east-1.vpce.example.com A
  REFUSED | not ours, and no upstream to ask
from 10.2.0.5 ec2.us-east-1.amazonaws.com A
  REFUSED | not ours, and no upstream to ask
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17, 60 A 10.1.2.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
",
    );
    check(
        &world(&two_vpcs()),
        "
from 10.1.0.5 vpce-0000000c-cccccccc.sqs.us-east-1.vpce.amazonaws.com A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 us-east-1.vpce.amazonaws.com SOA
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// Of two endpoints for one name, the one that is over leaves it to the other.
#[test]
fn a_deleted_endpoint_leaves_its_name_to_the_next() {
    let toml = [
        vpc(1, BOTH),
        endpoint('a', 1, EC2, &["1.17"], "state = \"deleted\""),
        endpoint('b', 1, EC2, &["1.18"], ""),
        endpoint('c', 1, "com.amazonaws.us-east-1.sts", &["1.19"], "state = \"failed\""),
        "[[hosted_zone]]\nname = \"sts.us-east-1.amazonaws.com\"\nvpc_ids = [\"*\"]\nrecords = [{ name = \"@\", type = \"A\", ttl = 5, values = [\"10.9.9.9\"] }]\n"
            .to_owned(),
    ];
    check(
        &world(&toml.concat()),
        "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.18 | private name ec2.us-east-1.amazonaws.com of vpce-0000000b
from 10.1.0.5 sts.us-east-1.amazonaws.com A
  NOERROR | 5 A 10.9.9.9 | hosted zone sts.us-east-1.amazonaws.com
",
    );
}

/// Nobody has anything: an empty model serves, and says so.
#[test]
fn an_empty_model() {
    check(
        &world(""),
        "
from 127.0.0.1 example.net A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 example.net A
  REFUSED | your address is in no VPC and not in the allow list
",
    );
    check_with(
        "
from 127.0.0.1 example.net A
  REFUSED | not ours, and no upstream to ask
",
        |question| ask(&world_alone(""), &Asked::parse(question)).line(),
    );
}

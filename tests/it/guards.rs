//! Special names and names that are private or nothing: tables of questions and answers, as in `answers.rs`.

use crate::common::random::{CLIENTS, any_world, names as random_names};
use crate::common::{Asked, BOTH, check, endpoint, model, policy, vpc, world, world_alone};
use proptest::prelude::*;
use vpcedns::answer::{Decision, NoTrace, Question, Reason, answer};
use vpcedns::dns::{DnsName, NameBuf, NameSet};
use vpcedns::naming::special_of;
use vpcedns::snapshot::{Policy, Snapshot};

const EC2: &str = "com.amazonaws.us-east-1.ec2";

fn names(texts: &[&str]) -> NameSet {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn compile(toml: &str, policy: Policy) -> Snapshot {
    Snapshot::compile(model(toml), policy, 1)
}

fn rule(domain: &str, action: &str) -> String {
    let action = match action {
        "SYSTEM" => "rule_type = \"SYSTEM\"".to_owned(),
        target => format!("rule_type = \"FORWARD\"\ntarget_ips = [\"{target}\"]"),
    };
    format!("[[resolver_rule]]\ndomain_name = \"{domain}\"\n{action}\n")
}

/// RFC 6761, 7686, 8375, 9462: one table for clients of a VPC, of none, and where there is no upstream.
#[test]
fn special_names_are_answered_here() {
    let table = |from: &str| {
        "
from CLIENT localhost A
  NOERROR | 60 A 127.0.0.1 | special name, answered here (RFC 6761)
from CLIENT LocalHost AAAA
  NOERROR | 60 AAAA ::1 | special name, answered here (RFC 6761)
from CLIENT a.b.localhost A rd=0
  NOERROR | 60 A 127.0.0.1 | special name, answered here (RFC 6761)
from CLIENT localhost ANY
  NOERROR | 60 A 127.0.0.1 | special name, answered here (RFC 6761)
from CLIENT localhost MX
  NOERROR | authority 60 SOA | special name, answered here (RFC 6761)
from CLIENT a.localhost HTTPS
  NOERROR | authority localhost 60 SOA | special name, answered here (RFC 6761)
from CLIENT localhost SOA
  NOERROR | 60 SOA | special name, answered here (RFC 6761)
from CLIENT localhost NS
  NOERROR | 60 NS localhost | special name, answered here (RFC 6761)
from CLIENT invalid A
  NOERROR | authority 60 SOA | special name, answered here (RFC 6761)
from CLIENT x.invalid A
  NXDOMAIN | authority invalid 60 SOA | special name, answered here (RFC 6761)
from CLIENT x.y.test AAAA
  NXDOMAIN | authority test 60 SOA | special name, answered here (RFC 6761)
from CLIENT x.onion A
  NXDOMAIN | authority onion 60 SOA | special name, answered here (RFC 7686)
from CLIENT nas.home.arpa A
  NXDOMAIN | authority home.arpa 60 SOA | special name, answered here (RFC 8375)
from CLIENT _dns.resolver.arpa SVCB
  NOERROR | authority resolver.arpa 60 SOA | special name, answered here (RFC 9462)
from CLIENT resolver.arpa A
  NOERROR | authority 60 SOA | special name, answered here (RFC 9462)
from CLIENT 1.0.0.127.in-addr.arpa PTR
  NOERROR | 60 PTR localhost | special name, answered here (RFC 6303)
from CLIENT 1.0.0.127.in-addr.arpa A
  NOERROR | authority 127.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from CLIENT 2.0.0.127.in-addr.arpa PTR
  NXDOMAIN | authority 127.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from CLIENT 0.127.in-addr.arpa PTR
  NOERROR | authority 127.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from CLIENT 1.127.in-addr.arpa PTR
  NXDOMAIN | authority 127.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from CLIENT 127.in-addr.arpa PTR
  NOERROR | authority 60 SOA | special name, answered here (RFC 6303)
from CLIENT x.1.0.0.127.in-addr.arpa PTR
  NXDOMAIN | authority 127.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from CLIENT 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa PTR
  NOERROR | 60 PTR localhost | special name, answered here (RFC 6303)
from CLIENT 0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa PTR
  NXDOMAIN | authority 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa 60 SOA | special name, answered here (RFC 6303)
from CLIENT 1.0.64.100.in-addr.arpa PTR
  NXDOMAIN | authority 64.100.in-addr.arpa 60 SOA | special name, answered here (RFC 7793)
from CLIENT 1.254.169.in-addr.arpa PTR
  NXDOMAIN | authority 254.169.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from CLIENT 1.8.b.d.0.1.0.0.2.ip6.arpa PTR
  NXDOMAIN | authority 8.b.d.0.1.0.0.2.ip6.arpa 60 SOA | special name, answered here (RFC 6303)
"
        .replace("CLIENT", from)
    };
    let toml = [vpc(1, BOTH), vpc(2, "")].concat();
    for from in ["10.1.0.5", "10.2.0.5", "127.0.0.1"] {
        check(&world(&toml), &table(from));
        check(&world_alone(&toml), &table(from));
    }
    check(
        &world(&toml),
        "
from 198.51.100.7 localhost A
  REFUSED | your address is in no VPC and not in the allow list
from 127.0.0.1 ipv4only.arpa A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 printer.local A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 localhost.example A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 8.8.8.8.in-addr.arpa PTR
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 home.arpa DS
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 nas.home.arpa DS
  NXDOMAIN | authority home.arpa 60 SOA | special name, answered here (RFC 8375)
",
    );
}

/// Whatever the operator has at or below a special name lies over it; what leads there is not denied.
#[test]
fn rules_and_zones_lie_over_special_names() {
    let toml = [
        vpc(1, BOTH),
        vpc(2, ""),
        rule("10.in-addr.arpa", "192.0.2.1"),
        rule("4.30.172.in-addr.arpa", "192.0.2.2"),
        rule("lab.test", "192.0.2.3"),
        rule("deep.lab.test", "SYSTEM"),
        rule("invalid", "SYSTEM"),
        rule(".", "192.0.2.4"),
        "[[hosted_zone]]\nname = \"z.example\"\nvpc_ids = [\"vpc-00000001\"]\n\
         records = [{ name = \"lo\", type = \"CNAME\", ttl = 7, values = [\"b.a.localhost\"] },\n\
         { name = \"no\", type = \"CNAME\", ttl = 7, values = [\"b.a.home.arpa\"] }]\n\
         [[hosted_zone]]\nname = \"office.home.arpa\"\nvpc_ids = [\"vpc-00000001\"]\n\
         records = [{ name = \"nas\", type = \"A\", ttl = 7, values = [\"10.1.0.9\"] }]\n\
         [[hosted_zone]]\nname = \"localhost\"\nvpc_ids = [\"vpc-00000001\"]\nprivate_dns_mode = \"overlay\"\n\
         records = [{ name = \"x\", type = \"A\", ttl = 7, values = [\"10.1.0.8\"] }]\n"
            .to_owned(),
    ];
    check(
        &world(&toml.concat()),
        "
from 127.0.0.1 9.9.9.10.in-addr.arpa PTR
  FORWARD 192.0.2.1:53 | FORWARD rule for 10.in-addr.arpa
from 127.0.0.1 1.4.30.172.in-addr.arpa PTR
  FORWARD 192.0.2.2:53 | FORWARD rule for 4.30.172.in-addr.arpa
from 127.0.0.1 30.172.in-addr.arpa PTR
  NOERROR | authority 60 SOA | special name, answered here (RFC 6303)
from 127.0.0.1 5.30.172.in-addr.arpa PTR
  NXDOMAIN | authority 30.172.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
from 127.0.0.1 x.lab.test A
  FORWARD 192.0.2.3:53 | FORWARD rule for lab.test
from 127.0.0.1 x.deep.lab.test A
  NXDOMAIN | authority test 60 SOA | special name, answered here (RFC 6761)
from 127.0.0.1 x.invalid A
  NXDOMAIN | authority invalid 60 SOA | special name, answered here (RFC 6761)
from 127.0.0.1 www.example A
  FORWARD 192.0.2.4:53 | FORWARD rule for .
from 127.0.0.1 x.test A
  NXDOMAIN | authority test 60 SOA | special name, answered here (RFC 6761)
from 10.1.0.5 nas.office.home.arpa A
  NOERROR | 7 A 10.1.0.9 | hosted zone office.home.arpa
from 10.1.0.5 x.office.home.arpa A
  NXDOMAIN | authority office.home.arpa 60 SOA | not in hosted zone office.home.arpa
from 10.2.0.5 nas.office.home.arpa A
  NXDOMAIN | authority home.arpa 60 SOA | special name, answered here (RFC 8375)
from 10.1.0.5 x.localhost A
  NOERROR | 7 A 10.1.0.8 | hosted zone localhost
from 10.1.0.5 lo.z.example A
  NOERROR | 7 CNAME b.a.localhost, b.a.localhost 60 A 127.0.0.1 | special name, answered here (RFC 6761)
from 10.1.0.5 no.z.example A
  NXDOMAIN | 7 CNAME b.a.home.arpa | authority home.arpa 60 SOA | special name, answered here (RFC 8375)
from 10.1.0.5 y.localhost A
  NOERROR | 60 A 127.0.0.1 | special name, answered here (RFC 6761)
",
    );
}

/// A name between a special zone and what the operator has below exists: RFC 8020 would deny that too.
#[test]
fn what_leads_to_a_rule_is_not_denied() {
    let toml = [vpc(1, BOTH), rule("a.b.c.test", "192.0.2.3")].concat();
    let policy = Policy { forward_special: names(&["x.y.onion"]), ..policy() };
    check(
        &compile(&toml, policy),
        "
from 127.0.0.1 c.test A
  NOERROR | authority test 60 SOA | special name, answered here (RFC 6761)
from 127.0.0.1 b.c.test A
  NOERROR | authority test 60 SOA | special name, answered here (RFC 6761)
from 127.0.0.1 b.test A
  NXDOMAIN | authority test 60 SOA | special name, answered here (RFC 6761)
from 127.0.0.1 y.onion A
  NOERROR | authority onion 60 SOA | special name, answered here (RFC 7686)
from 127.0.0.1 x.y.onion A
  FORWARD 192.0.2.53:53 | not ours: forwarded
",
    );
}

/// `forward_special`: names, and all below them, that are asked upstream after all.
#[test]
fn special_names_can_be_forwarded() {
    let toml = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], "")].concat();
    let with = |listed: &[&str]| compile(&toml, Policy { forward_special: names(listed), ..policy() });
    check(
        &with(&["10.in-addr.arpa", "test", "lan.home.arpa"]),
        "
from 127.0.0.1 9.9.9.10.in-addr.arpa PTR
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 9.9.9.10.in-addr.arpa PTR
  NXDOMAIN | authority 10.in-addr.arpa 60 SOA | no interface of vpc-00000001 has it
from 10.1.0.5 x.test A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 x.lan.home.arpa A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 x.home.arpa A
  NXDOMAIN | authority home.arpa 60 SOA | special name, answered here (RFC 8375)
from 127.0.0.1 1.168.192.in-addr.arpa PTR
  NXDOMAIN | authority 168.192.in-addr.arpa 60 SOA | special name, answered here (RFC 6303)
",
    );
    check(
        &with(&["."]),
        "
from 127.0.0.1 localhost A
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 1.168.192.in-addr.arpa PTR
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 127.0.0.1 17.1.1.10.in-addr.arpa PTR
  FORWARD 192.0.2.53:53 | not ours: forwarded
from 10.1.0.5 17.1.1.10.in-addr.arpa PTR
  NOERROR | 60 PTR ip-10-1-1-17.ec2.internal | interface of vpc-00000001
",
    );
}

/// `private_only`: what has no private answer has none, for clients of every kind.
#[test]
fn private_names_fail_closed() {
    let toml = [
        vpc(1, BOTH),
        vpc(2, "enable_dns_support = true"),
        endpoint('a', 1, EC2, &["1.17"], ""),
        endpoint('b', 1, "com.amazonaws.us-east-1.sts", &["1.18"], "state = \"failed\""),
        endpoint('c', 2, EC2, &["1.17"], ""),
        rule("onprem.corp.example", "192.0.2.1"),
        rule("open.onprem.corp.example", "SYSTEM"),
        rule("example", "192.0.2.2"),
        rule("same.example", "192.0.2.3"),
        "[[hosted_zone]]\nname = \"db.corp.example\"\nvpc_ids = [\"vpc-00000001\"]\nprivate_dns_mode = \"overlay\"\n\
         records = [{ name = \"@\", type = \"A\", ttl = 7, values = [\"10.1.0.9\"] }]\n\
         [[hosted_zone]]\nname = \"z.example\"\nvpc_ids = [\"vpc-00000001\"]\n\
         records = [{ name = \"out\", type = \"CNAME\", ttl = 7, values = [\"www.corp.example\"] }]\n"
            .to_owned(),
    ];
    let only = names(&["*.amazonaws.com", "corp.example", "same.example", "invalid"]);
    let table = "
from 10.1.0.5 ec2.us-east-1.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | private name ec2.us-east-1.amazonaws.com of vpce-0000000a
from 10.1.0.5 sts.us-east-1.amazonaws.com A
  SERVFAIL | private_only covers amazonaws.com, and private DNS is off: vpce-0000000b is failed
from 10.1.0.5 sqs.us-east-1.amazonaws.com AAAA
  SERVFAIL | private_only covers amazonaws.com, and there is no private answer
from 10.2.0.5 ec2.us-east-1.amazonaws.com A
  SERVFAIL | private_only covers amazonaws.com, and private DNS is off: enable_dns_hostnames=false on vpc-00000002
from 127.0.0.1 ec2.us-east-1.amazonaws.com A rd=0
  SERVFAIL | private_only covers amazonaws.com, and there is no private answer
from 127.0.0.1 vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  NOERROR | 60 A 10.1.1.17 | name of vpce-0000000a
from 127.0.0.1 vpce-0000000f-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com A
  SERVFAIL | private_only covers amazonaws.com, and there is no private answer
from 10.1.0.5 amazonaws.com A
  FORWARD | not ours: forwarded
from 10.1.0.5 db.corp.example A
  NOERROR | 7 A 10.1.0.9 | hosted zone db.corp.example
from 10.1.0.5 x.db.corp.example A
  SERVFAIL | private_only covers corp.example, and there is no private answer
from 10.2.0.5 db.corp.example A
  SERVFAIL | private_only covers corp.example, and there is no private answer
from 10.1.0.5 corp.example A
  SERVFAIL | private_only covers corp.example, and there is no private answer
from 10.1.0.5 www.onprem.corp.example A
  FORWARD 192.0.2.1:53 | FORWARD rule for onprem.corp.example
from 10.1.0.5 www.open.onprem.corp.example A
  SERVFAIL | private_only covers corp.example, and there is no private answer
from 10.1.0.5 www.same.example A
  FORWARD 192.0.2.3:53 | FORWARD rule for same.example
from 10.1.0.5 www.example A
  FORWARD 192.0.2.2:53 | FORWARD rule for example
from 10.1.0.5 x.invalid A
  NXDOMAIN | authority invalid 60 SOA | special name, answered here (RFC 6761)
from 10.1.0.5 out.z.example A
  SERVFAIL | private_only covers corp.example, and there is no private answer
from 10.1.0.5 out.z.example CNAME
  NOERROR | 7 CNAME www.corp.example | hosted zone z.example
from 198.51.100.7 www.corp.example A
  REFUSED | your address is in no VPC and not in the allow list
";
    let with = |policy: Policy| compile(&toml.concat(), Policy { private_only: only.clone(), ..policy });
    check(&with(policy()), &table.replace("FORWARD |", "FORWARD 192.0.2.53:53 |"));
    let alone = table.replace("FORWARD | not ours: forwarded", "REFUSED | not ours, and no upstream to ask");
    check(&with(Policy::default()), &alone);
}

proptest! {
    #![proptest_config(crate::common::cases(60))]

    /// In any world, with any names that are private or nothing: only a rule at or below such a name sends it anywhere,
    /// and special names go nowhere but by a rule of their own.
    #[test]
    fn nobody_is_asked_for_what_is_private_or_special(
        world in any_world(), only in prop::collection::vec(prop::sample::select(random_names()), 1..6),
    ) {
        let only: Vec<DnsName> = only.iter().map(|name| name.parse().unwrap()).collect();
        let set: NameSet = only.iter().cloned().collect();
        let snapshot = compile(&world.text(), Policy { private_only: set, ..policy() });
        for name in random_names() {
            for from in CLIENTS {
                let asked = Asked::new(from, &name, "A");
                let mut buf = NameBuf::default();
                buf.read(&asked.name).unwrap();
                let question = Question { name: buf.name(), rtype: asked.rtype, recursion_desired: true };
                let client = snapshot.client(asked.to, asked.from);
                let Decision::Forward(forward) = answer(&snapshot, client, &question, 0, &mut NoTrace) else { continue };
                let gone: DnsName = forward.name.map_or_else(|| name.parse().unwrap(), std::borrow::Cow::into_owned);
                let rule = match forward.reason {
                    Reason::Rule(rule) => Some(&rule.domain_name),
                    _ => None,
                };
                // a name of the list that is longer than the rule's, or where there is no rule any
                let lies_over = |listed: &DnsName| rule.is_none_or(|rule| listed.label_count() > rule.label_count());
                let covers = |listed: &DnsName| match listed.parent().filter(|_| listed.is_wildcard()) {
                    Some(parent) => gone != parent && gone.is_at_or_below(&parent) && lies_over(&parent),
                    None => gone.is_at_or_below(listed) && lies_over(listed),
                };
                prop_assert!(!only.iter().any(covers), "{gone} from {from} by {:?} in {}", rule, world.text());
                if let Some(special) = special_of(gone.wire()) {
                    prop_assert!(rule.is_some_and(|rule| rule.label_count() >= special.labels), "{gone} from {from}");
                }
            }
        }
    }
}

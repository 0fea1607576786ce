//! Random models that load: VPCs, endpoints, zones and rules, each an object that can be written to a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::{endpoint, vpc};

/// The VPCs that a world can have.
pub const VPCS: [u8; 3] = [1, 2, 3];

/// Services with different kinds of names: plain, `*.` alone, both, several, none.
pub const SERVICES: [&str; 8] = [
    "com.amazonaws.us-east-1.ec2",
    "com.amazonaws.us-east-1.ecr.dkr",
    "com.amazonaws.us-east-1.s3",
    "com.amazonaws.us-east-1.monitoring",
    "com.amazonaws.us-east-1.dynamodb",
    "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc",
    "com.amazonaws.us-east-1.sts",
    "com.amazonaws.us-east-1.ecr.api",
];

const STATES: [&str; 9] =
    ["available", "pending", "partial", "pendingAcceptance", "rejected", "failed", "expired", "deleting", "deleted"];

const KINDS: [&str; 4] = ["ipv4", "ipv6", "dualstack", "service-defined"];

/// Lines of a VPC for its zone affinity.
const AFFINITIES: [&str; 3] =
    ["", "\navailability_zone_affinity = \"first\"", "\navailability_zone_affinity = \"only\""];

/// Where rules and zones can be.
pub const DOMAINS: [&str; 14] = [
    ".",
    "com",
    "amazonaws.com",
    "us-east-1.amazonaws.com",
    "ec2.us-east-1.amazonaws.com",
    "deep.ec2.us-east-1.amazonaws.com",
    "dkr.ecr.us-east-1.amazonaws.com",
    "corp.example",
    "sub.corp.example",
    "example",
    "partner.example",
    "ec2.internal",
    "10.in-addr.arpa",
    "1.1.10.in-addr.arpa",
];

/// A VPC's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyVpc {
    pub support: bool,
    pub hostnames: bool,
    /// Whether its subnet in zone a has DNS64.
    pub dns64: bool,
    /// Its zone affinity: off, first or only.
    pub affinity: usize,
}

/// An endpoint, whose id says neither its VPC nor its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyEndpoint {
    pub vpc: u8,
    pub service: usize,
    pub state: usize,
    pub kind: usize,
    /// How many interfaces it has, in zones a, b and c.
    pub interfaces: u8,
    pub private: bool,
    pub overlay: bool,
    pub inbound_only: bool,
}

/// A hosted zone or a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyZone {
    pub domain: usize,
    /// The VPCs that see it, as bits; none: all of them.
    pub vpcs: u8,
    pub overlay: bool,
    /// Which of a fixed list of records it has, as bits.
    pub records: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyRule {
    pub domain: usize,
    pub vpcs: u8,
    pub system: bool,
}

/// Everything, by what it is known by. Writing it out drops what would break a rule of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnyWorld {
    pub vpcs: BTreeMap<u8, AnyVpc>,
    pub endpoints: BTreeMap<char, AnyEndpoint>,
    pub zones: Vec<AnyZone>,
    pub rules: Vec<AnyRule>,
    /// Which private names the account's own service has.
    pub service: u8,
}

prop_compose! {
    pub fn any_vpc()(
        both in prop::bool::weighted(0.7), support: bool, hostnames: bool, dns64 in prop::bool::weighted(0.3),
        affinity in 0..3usize,
    ) -> AnyVpc {
        AnyVpc { support: both || support, hostnames: both || hostnames, dns64, affinity }
    }
}

prop_compose! {
    pub fn any_endpoint()(
        vpc in prop_oneof![2 => Just(1u8), 1 => prop::sample::select(&VPCS[..])], service in 0..SERVICES.len(),
        state in prop_oneof![3 => Just(0usize), 2 => 0..STATES.len()], kind in prop_oneof![2 => Just(0usize), 1 => 0..KINDS.len()],
        interfaces in prop_oneof![9 => 1u8..=3, 1 => Just(0)], private in prop::bool::weighted(0.8), overlay in prop::bool::weighted(0.2),
        inbound_only in prop::bool::weighted(0.1),
    ) -> AnyEndpoint {
        AnyEndpoint { vpc, service, state, kind, interfaces, private, overlay, inbound_only }
    }
}

prop_compose! {
    pub fn any_zone()(domain in 0..DOMAINS.len(), vpcs in 0u8..8, overlay in prop::bool::weighted(0.3), records: u16) -> AnyZone {
        AnyZone { domain, vpcs, overlay, records }
    }
}

prop_compose! {
    pub fn any_rule()(domain in 0..DOMAINS.len(), vpcs in 0u8..8, system in prop::bool::weighted(0.3)) -> AnyRule {
        AnyRule { domain, vpcs, system }
    }
}

prop_compose! {
    pub fn any_world()(
        vpcs in prop::collection::btree_map(prop::sample::select(&VPCS[..]), any_vpc(), 2..=3),
        endpoints in prop::collection::btree_map(prop::sample::select(vec!['a', 'b', 'c', 'd', 'e', 'f']), any_endpoint(), 2..7),
        zones in prop::collection::vec(any_zone(), 0..4),
        rules in prop::collection::vec(any_rule(), 0..4),
        service in 0u8..4,
    ) -> AnyWorld {
        AnyWorld { vpcs, endpoints, zones, rules, service }
    }
}

fn vpc_ids(bits: u8, vpcs: &BTreeMap<u8, AnyVpc>) -> Option<(Vec<u8>, String)> {
    let ids: Vec<u8> = VPCS.into_iter().filter(|n| bits >> (n - 1) & 1 == 1).collect();
    // one that names only VPCs that are not there is left out, or it would be for all of them
    let there: Vec<u8> = ids.iter().copied().filter(|n| vpcs.contains_key(n)).collect();
    if there.is_empty() && !ids.is_empty() {
        return None;
    }
    let text: Vec<String> = there.iter().map(|n| format!("\"vpc-0000000{n}\"")).collect();
    Some((there, format!("vpc_ids = [{}]", text.join(", "))))
}

impl AnyEndpoint {
    pub fn text(&self, id: char) -> String {
        let mut extra = format!(
            "state = \"{}\"\nprivate_dns_enabled = {}\nprivate_dns_mode = \"{}\"\nprivate_dns_only_for_inbound_resolver_endpoint = {}",
            STATES[self.state],
            self.private && self.service != 4,
            if self.overlay { "overlay" } else { "apex" },
            self.inbound_only
        );
        if self.kind != 0 {
            write!(extra, "\ndns_record_ip_type = \"{}\"", KINDS[self.kind]).unwrap();
        }
        let last = 16 + id.to_digit(16).unwrap();
        let hosts: Vec<String> = (1..=self.interfaces).map(|subnet| format!("{subnet}.{last}")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        endpoint(id, self.vpc, SERVICES[self.service], &hosts, &extra)
    }

    fn is_over(&self) -> bool {
        matches!(STATES[self.state], "rejected" | "failed" | "expired" | "deleting" | "deleted")
    }
}

/// What a world is written as, in parts that can be put into any files.
impl AnyWorld {
    /// Objects in the order in which they are written; those that would break a rule of the model are left out.
    pub fn objects(&self) -> Vec<String> {
        let mut out = Vec::new();
        for (n, attributes) in &self.vpcs {
            let text = vpc(
                *n,
                &format!(
                    "enable_dns_support = {}\nenable_dns_hostnames = {}{}",
                    attributes.support, attributes.hostnames, AFFINITIES[attributes.affinity]
                ),
            );
            let first = format!("fd00:{n}:0:1::/64\"");
            let with = if attributes.dns64 { "\nenable_dns64 = true" } else { "" };
            out.push(text.replace(&first, &format!("{first}{with}")));
        }
        let names =
            ["", "\"api.partner.example\"", "\"*.partner.example\"", "\"partner.example\", \"*.partner.example\""];
        let service_has_names = self.service > 0;
        out.push(format!(
            "[[vpc_endpoint_service]]\nservice_name = \"{}\"\nprivate_dns_names = [{}]\n",
            SERVICES[5],
            names[usize::from(self.service)]
        ));
        let mut taken: Vec<(u8, String)> = Vec::new();
        let mut there: Vec<char> = Vec::new();
        for (id, endpoint) in &self.endpoints {
            if !self.vpcs.contains_key(&endpoint.vpc) {
                continue;
            }
            let mut endpoint = endpoint.clone();
            endpoint.private &= endpoint.service != 5 || service_has_names;
            let apexes = private_apexes(endpoint.service);
            if endpoint.private && !endpoint.is_over() {
                // no two endpoints with one private name in a VPC
                if apexes.iter().any(|apex| taken.contains(&(endpoint.vpc, (*apex).to_owned()))) {
                    endpoint.private = false;
                } else {
                    taken.extend(apexes.iter().map(|apex| (endpoint.vpc, (*apex).to_owned())));
                }
            }
            there.push(*id);
            out.push(endpoint.text(*id));
        }
        let mut names: Vec<(usize, Option<u8>)> = Vec::new();
        for zone in &self.zones {
            let Some((vpcs, ids)) = vpc_ids(zone.vpcs, &self.vpcs) else { continue };
            let domain = DOMAINS[zone.domain];
            let clashes = taken.iter().any(|(n, name)| name == domain && (vpcs.is_empty() || vpcs.contains(n)));
            if clashes || !claim(&mut names, zone.domain, &vpcs) || domain == "." {
                continue;
            }
            let ids = if vpcs.is_empty() { "vpc_ids = [\"*\"]".to_owned() } else { ids };
            let mode = if zone.overlay { "overlay" } else { "apex" };
            let records: String = (0..12)
                .filter(|bit| zone.records >> bit & 1 == 1)
                .filter_map(|bit| record(bit, domain, &there))
                .map(|record| format!("  {record},\n"))
                .collect::<Vec<_>>()
                .concat();
            out.push(format!(
                "[[hosted_zone]]\nname = \"{domain}\"\n{ids}\nprivate_dns_mode = \"{mode}\"\nrecords = [\n{records}]\n"
            ));
        }
        let mut names = Vec::new();
        for (k, rule) in self.rules.iter().enumerate() {
            let Some((vpcs, ids)) = vpc_ids(rule.vpcs, &self.vpcs) else { continue };
            if !claim(&mut names, rule.domain, &vpcs) {
                continue;
            }
            let action = if rule.system {
                "rule_type = \"SYSTEM\"".to_owned()
            } else {
                format!("rule_type = \"FORWARD\"\ntarget_ips = [\"192.0.2.{}\"]", k + 1)
            };
            out.push(format!("[[resolver_rule]]\ndomain_name = \"{}\"\n{action}\n{ids}\n", DOMAINS[rule.domain]));
        }
        out
    }

    pub fn text(&self) -> String {
        self.objects().concat()
    }
}

/// One zone or rule for a name and VPC, and one for every VPC.
fn claim(names: &mut Vec<(usize, Option<u8>)>, domain: usize, vpcs: &[u8]) -> bool {
    let mine: Vec<(usize, Option<u8>)> =
        if vpcs.is_empty() { vec![(domain, None)] } else { vpcs.iter().map(|n| (domain, Some(*n))).collect() };
    if mine.iter().any(|key| names.contains(key)) {
        return false;
    }
    names.extend(mine);
    true
}

/// The apexes of the hidden zones of a service.
fn private_apexes(service: usize) -> &'static [&'static str] {
    match service {
        0 => &["ec2.us-east-1.amazonaws.com"],
        1 => &["dkr.ecr.us-east-1.amazonaws.com"],
        2 => &["s3.us-east-1.amazonaws.com"],
        3 => &["monitoring.us-east-1.amazonaws.com"],
        5 => &["partner.example", "api.partner.example"],
        6 => &["sts.us-east-1.amazonaws.com"],
        7 => &["api.ecr.us-east-1.amazonaws.com"],
        _ => &[],
    }
}

fn record(bit: u32, domain: &str, endpoints: &[char]) -> Option<String> {
    Some(match bit {
        0 => "{ name = \"@\", type = \"A\", values = [\"10.9.9.1\"] }".to_owned(),
        1 => "{ name = \"db\", type = \"A\", values = [\"10.9.9.2\", \"10.9.9.3\", \"10.9.9.4\"] }".to_owned(),
        2 => "{ name = \"*\", type = \"TXT\", values = [\"star\"] }".to_owned(),
        3 => "{ name = \"*.w\", type = \"A\", values = [\"10.9.9.5\"] }".to_owned(),
        4 => "{ name = \"a.b.ent\", type = \"MX\", values = [\"10 mail.example\"] }".to_owned(),
        5 => format!("{{ name = \"c1\", type = \"CNAME\", values = [\"c2.{domain}\"] }}"),
        6 => format!("{{ name = \"c2\", type = \"CNAME\", values = [\"db.{domain}\"] }}"),
        7 => format!("{{ name = \"loop\", type = \"CNAME\", values = [\"loop.{domain}\"] }}"),
        8 => "{ name = \"out\", type = \"CNAME\", values = [\"www.example.net\"] }".to_owned(),
        9 => "{ name = \"p\", type = \"CNAME\", values = [\"deep.ec2.us-east-1.amazonaws.com\"] }".to_owned(),
        10 => format!("{{ name = \"alias\", alias = \"vpce-0000000{}\" }}", endpoints.first()?),
        _ => "{ name = \"cut\", type = \"NS\", values = [\"ns.example.net\"] }".to_owned(),
    })
}

/// Names worth asking for in any of these worlds.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "www.example.net",
        "example.net",
        "ec2.us-east-1.amazonaws.com",
        "x.ec2.us-east-1.amazonaws.com",
        "y.deep.ec2.us-east-1.amazonaws.com",
        "1.dkr.ecr.us-east-1.amazonaws.com",
        "api.ecr.us-east-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "b.s3.us-east-1.amazonaws.com",
        "monitoring.us-east-1.api.aws",
        "sts.us-east-1.amazonaws.com",
        "dynamodb.us-east-1.amazonaws.com",
        "api.partner.example",
        "x.partner.example",
        "us-east-1.vpce.amazonaws.com",
        "sts.us-east-1.vpce.amazonaws.com",
        "ec2.us-east-1.vpce.amazonaws.com",
        "s3.us-east-1.vpce.amazonaws.com",
        "ecr.us-east-1.vpce.amazonaws.com",
        "dkr.ecr.us-east-1.vpce.amazonaws.com",
        "monitoring.us-east-1.vpce.amazonaws.com",
        "dynamodb.us-east-1.vpce.amazonaws.com",
        "x.us-east-1.vpce.amazonaws.com",
        "ip-10-1-1-26.ec2.internal",
        "26.1.1.10.in-addr.arpa",
        "27.1.2.10.in-addr.arpa",
        "1.2.10.in-addr.arpa",
        "9.9.168.192.in-addr.arpa",
        "localhost",
        "x.home.arpa",
        "1.127.in-addr.arpa",
        // 64:ff9b::10.1.1.26, and one of no interface
        "a.1.1.0.1.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa",
        "7.0.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa",
    ]
    .map(str::to_owned)
    .to_vec();
    for domain in DOMAINS {
        names.push(domain.to_owned());
        if domain != "." {
            let labels = ["db", "x", "y.w", "w", "ent", "b.ent", "c1", "loop", "out", "p", "alias", "x.cut"];
            names.extend(labels.map(|label| format!("{label}.{domain}")));
        }
    }
    for id in 'a'..='f' {
        let suffix: String = std::iter::repeat_n(id, 8).collect();
        for base in ["ec2", "s3", "dkr.ecr", "monitoring", "vpce-svc-0e123abc123198abc", "sts"] {
            for (front, zone) in [("", ""), ("", "-us-east-1b"), ("x.", "")] {
                names.push(format!("{front}vpce-0000000{id}-{suffix}{zone}.{base}.us-east-1.vpce.amazonaws.com"));
            }
        }
    }
    names
}

/// One client of each kind.
pub const CLIENTS: [&str; 9] = [
    "10.1.0.5",
    "10.2.9.5",
    "10.3.0.5",
    "fd00:1::5",
    "127.0.0.1",
    "198.51.100.7",
    "::1",
    // in subnets that may have DNS64
    "10.1.1.5",
    "fd00:2:0:1::5",
];

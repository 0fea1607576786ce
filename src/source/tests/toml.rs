//! Our own files: the example of the design, and many ways to break one.

use crate::dns::Rtype;
use crate::model::{Mode, Object, RecordData, RuleAction, State};

use super::{load_toml, problems};

/// The example of DESIGN.md, as it stands there.
const EXAMPLE: &str = r#"
    [[vpc]]
    vpc_id = "vpc-ec43eb89"
    region = "us-east-1"
    cidr_blocks = ["10.0.0.0/16"]
    enable_dns_support = true          # default true
    enable_dns_hostnames = true        # default false, as in EC2
    listeners = ["10.0.0.2:53"]        # optional: whoever reaches this address is a client of this VPC

    [[subnet]]
    subnet_id = "subnet-abababab"
    vpc_id = "vpc-ec43eb89"
    availability_zone = "us-east-1a"
    cidr_block = "10.0.1.0/24"

    [[vpc_endpoint]]
    vpc_endpoint_id = "vpce-088d25a4bbf4a7abc"
    vpc_id = "vpc-ec43eb89"
    service_name = "com.amazonaws.us-east-1.elasticloadbalancing"
    private_dns_enabled = true         # default true for services that have a private name
    state = "available"                # default
    dns_suffix = "ks83awe7"            # optional
    network_interfaces = [
      { network_interface_id = "eni-bf8aa46b", subnet_id = "subnet-abababab", private_ip_address = "10.0.1.17" },
    ]

    [[vpc_endpoint_service]]           # anything that is not in the catalogue, or overrides it
    service_name = "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc"
    private_dns_names = ["api.partner.example"]
    availability_zones = ["us-east-1a", "us-east-1b"]

    [[hosted_zone]]                    # an ordinary private hosted zone (RFC 1034 semantics), for one or more VPCs
    name = "corp.example"
    vpc_ids = ["vpc-ec43eb89"]
    records = [ { name = "db", type = "A", ttl = 60, values = ["10.0.9.9"] },
                { name = "ec2", alias = "vpce-088d25a4bbf4a7abc" } ]   # alias: that endpoint's addresses

    [[resolver_rule]]                  # as a Route 53 Resolver rule
    domain_name = "onprem.example"
    rule_type = "FORWARD"              # FORWARD | SYSTEM
    target_ips = ["10.9.9.9:53"]
    vpc_ids = ["vpc-ec43eb89"]         # none = every VPC
"#;

#[test]
fn the_design_example_loads() {
    let loaded = load_toml(EXAMPLE);
    assert_eq!(problems(&loaded), "");
    let objects: Vec<_> = loaded.inputs.iter().map(|input| &*input.object).collect();
    let [
        Object::Vpc(vpc),
        Object::Subnet(subnet),
        Object::Endpoint(endpoint),
        Object::Service(service),
        Object::HostedZone(zone),
        Object::Rule(rule),
    ] = objects[..]
    else {
        panic!("{objects:?}")
    };
    assert_eq!(loaded.inputs[0].place.to_string(), "t.toml:2:5");
    assert_eq!(vpc.vpc_id.place.to_string(), "t.toml:3:14");
    assert!(vpc.enable_dns_support && vpc.enable_dns_hostnames);
    assert_eq!(vpc.listeners[0].value.to_string(), "10.0.0.2:53");
    assert_eq!(subnet.cidr_blocks[0].value.to_string(), "10.0.1.0/24");
    assert_eq!(endpoint.network_interfaces[0].private_ip_address.as_ref().unwrap().value.to_string(), "10.0.1.17");
    assert_eq!((endpoint.state, endpoint.private_dns_mode), (State::Available, Mode::Apex));
    assert_eq!(service.private_dns_names.as_ref().unwrap()[0].value.to_string(), "api.partner.example");
    assert_eq!(zone.records[0].name.value.to_string(), "db.corp.example");
    assert!(matches!(&zone.records[0].data, RecordData::Records { rtype: Rtype::A, ttl: 60, .. }));
    assert!(
        matches!(&zone.records[1].data, RecordData::Alias(id) if id.value.endpoint.to_string() == "vpce-088d25a4bbf4a7abc")
    );
    assert_eq!(rule.action, RuleAction::Forward(["10.9.9.9:53".parse().unwrap()].into()));
}

const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n";
const ENDPOINT: &str = "[[vpc_endpoint]]\nvpc_endpoint_id = \"vpce-1a2b3c4d\"\nvpc_id = \"vpc-ec43eb89\"\nservice_name = \"com.amazonaws.us-east-1.ec2\"\n";
const RULE: &str = "[[resolver_rule]]\ndomain_name = \"onprem.example\"\n";

/// A file that is `base` and `more`, and the problems that it must give.
pub(super) fn check(base: &str, more: &str, expect: &str) {
    let text = format!("{base}{more}\n");
    assert_eq!(problems(&load_toml(&text)), expect, "\n--- for ---\n{text}");
}

/// In place of `old`, `new`.
fn check_with(base: &str, old: &str, new: &str, expect: &str) {
    assert!(base.contains(old));
    check(&base.replacen(old, new, 1), "", expect);
}

#[test]
fn whole_files_that_are_broken() {
    check("", "x = = 1", "t.toml:1:5: error: extra `=`, expected nothing");
    check(VPC, "region = \"eu-west-1\"", "t.toml:5:1: error: key 'region' is given twice\n  hint: keep one of the two");
    check("", "[[vpcs]]", "t.toml:1:3: error: unknown key 'vpcs'\n  hint: did you mean [[vpc]]?");
    check(
        "",
        "zzzzzz = 1",
        "t.toml:1:1: error: unknown key 'zzzzzz'\n  hint: a file holds [[vpc]], [[subnet]], [[vpc_endpoint]], \
         [[vpc_endpoint_service]], [[hosted_zone]], [[resolver_rule]], [[profile]], [[resolver_endpoint]]",
    );
    check_with(
        VPC,
        "[[vpc]]",
        "[vpc]",
        "t.toml:1:2: error: 'vpc' must be an array of tables, found a table\n  hint: begin each one with [[vpc]]",
    );
    check("", "vpc = [3]", "t.toml:1:8: error: expected a table, found 3");
}

/// Answers do not depend on them; the query log has them.
#[test]
fn owners_of_vpcs_and_ids_of_inbound_endpoints_are_kept() {
    let text = format!(
        "{VPC}owner_id = \"111122223333\"\n[[resolver_endpoint]]\ndirection = \"INBOUND\"\nvpc_id = \"vpc-ec43eb89\"\n\
         listeners = [\"10.0.0.10:53\"]\nresolver_endpoint_id = \"rslvr-in-0123456789abcdef0\"\n"
    );
    let read = crate::source::read_toml(&"t.toml".into(), &text);
    let kept: Vec<Option<&str>> = read
        .inputs
        .iter()
        .map(|input| match &*input.object {
            Object::Vpc(vpc) => vpc.owner.as_deref(),
            Object::Inbound(endpoint) => endpoint.id.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!((kept, read.problems), (vec![Some("111122223333"), Some("rslvr-in-0123456789abcdef0")], vec![]));
}

#[test]
fn broken_vpcs_and_subnets() {
    check_with(VPC, "vpc_id", "vpcid", "t.toml:2:1: error: unknown key 'vpcid'\n  hint: did you mean 'vpc_id'?");
    check(
        VPC,
        "colour = 3",
        "t.toml:5:1: error: unknown key 'colour'\n  hint: keys of [[vpc]]: vpc_id, region, cidr_blocks, \
         enable_dns_support, enable_dns_hostnames, listeners, clients, autodefined_reverse, \
         dnssec_validation, availability_zone_affinity, owner_id",
    );
    check_with(VPC, "\"us-east-1\"", "3", "t.toml:3:10: error: expected a string, found 3");
    check_with(
        VPC,
        "region = \"us-east-1\"\n",
        "",
        "t.toml:1:1: error: [[vpc]] has no 'region'\n  hint: add region = \"us-east-1\"",
    );
    check_with(
        VPC,
        "us-east-1",
        "US-EAST-1",
        "t.toml:3:10: error: 'US-EAST-1' is not a valid region (such as us-east-1)",
    );
    check_with(
        VPC,
        "vpc-ec43eb89",
        "vpc-1",
        "t.toml:2:10: error: 'vpc-1' is not a valid id: expected 'vpc-' and 8 or 17 lower-case hex digits\n  hint: such as vpc-0123456789abcdef0",
    );
    check_with(
        VPC,
        "10.0.0.0/16",
        "10.0.3.7/16",
        "t.toml:4:16: error: '10.0.3.7/16' has bits set behind its prefix\n  hint: the block that holds this address is 10.0.0.0/16",
    );
    check_with(
        VPC,
        "10.0.0.0/16",
        "10.0.0.0",
        "t.toml:4:16: error: '10.0.0.0' is not a CIDR block\n  hint: such as 10.0.0.0/16",
    );
    check_with(
        VPC,
        "[\"10.0.0.0/16\"]",
        "\"10.0.0.0/16\"",
        "t.toml:4:15: error: expected an array, found '10.0.0.0/16'",
    );
    check_with(
        VPC,
        "[\"10.0.0.0/16\"]",
        "[]",
        "t.toml:4:15: error: a VPC has at least one CIDR block\n  hint: such as cidr_blocks = [\"10.0.0.0/16\"]",
    );
    check(VPC, "enable_dns_support = \"yes\"", "t.toml:5:22: error: expected true or false, found 'yes'");
    check(
        VPC,
        "listeners = [\"ns.example:53\"]",
        "t.toml:5:14: error: 'ns.example:53' is not an IP address with or without a port\n  hint: such as 10.0.0.2:53 or [fd00::2]:53",
    );
    check(
        VPC,
        "listeners = [\"10.0.0.2\", \"10.0.0.2:53\"]",
        "t.toml:5:26: error: 10.0.0.2:53 is listed twice\n  hint: keep one of the two",
    );
    let subnet =
        "[[subnet]]\nsubnet_id = \"subnet-abababab\"\nvpc_id = \"vpc-ec43eb89\"\navailability_zone = \"us-east-1a\"\n";
    check(subnet, "", "t.toml:1:1: error: [[subnet]] has no 'cidr_block'\n  hint: add cidr_block = \"10.0.1.0/24\"");
    check(
        subnet,
        "cidr_block = \"fd00::/64\"",
        "t.toml:5:14: error: 'fd00::/64' is not an IPv4 block\n  hint: ipv6_cidr_block takes it; cidr_block is such as 10.0.0.0/16",
    );
    check(subnet, "ipv6_cidr_block = \"fd00::/64\"", "");
}

#[test]
fn broken_endpoints_and_services() {
    check(ENDPOINT, "vpc_endpoint_type = \"Interface\"\ntags = { Name = \"x\" }", "");
    check(
        ENDPOINT,
        "vpc_endpoint_type = \"Gateway\"",
        "t.toml:5:21: warning: a Gateway endpoint has no DNS names: it is left out\n  hint: take it out of the file, or make it an Interface endpoint",
    );
    check(
        ENDPOINT,
        "vpc_endpoint_type = \"Interfaces\"",
        "t.toml:5:21: error: 'Interfaces' is not an endpoint type\n  hint: did you mean 'Interface'?",
    );
    check(
        ENDPOINT,
        "state = \"avialable\"",
        "t.toml:5:9: error: 'avialable' is not a valid endpoint state\n  hint: did you mean 'available'?",
    );
    check(
        ENDPOINT,
        "dns_record_ip_type = \"both\"",
        "t.toml:5:22: error: 'both' is not a valid DNS record IP type\n  hint: one of: ipv4, ipv6, dualstack, service-defined",
    );
    check(
        ENDPOINT,
        "private_dns_mode = \"over\"",
        "t.toml:5:20: error: 'over' is not a valid private DNS mode\n  hint: one of: apex, overlay",
    );
    check(
        ENDPOINT,
        "dns_suffix = \"KS83AWE7\"",
        "t.toml:5:14: error: 'KS83AWE7' is not a valid suffix: expected 8 characters of a-z and 0-9\n  hint: such as ks83awe7",
    );
    check(
        ENDPOINT,
        "network_interfaces = [{ network_interface_id = \"eni-bf8aa46b\", subnet_id = \"subnet-abababab\" }]",
        "t.toml:5:23: error: a network interface has no 'private_ip_address'\n  hint: add private_ip_address = \"10.0.1.17\"",
    );
    check(
        ENDPOINT,
        "network_interfaces = [{ id = \"eni-bf8aa46b\", subnet_id = \"subnet-abababab\", private_ip_address = \"10.0.1\" }]",
        "t.toml:5:23: error: a network interface has no 'network_interface_id'\n  hint: add network_interface_id = \"eni-0123456789abcdef0\"\n\
         t.toml:5:25: error: unknown key 'id'\n  hint: keys of a network interface: network_interface_id, subnet_id, private_ip_address, ipv6_address\n\
         t.toml:5:98: error: '10.0.1' is not an IPv4 address\n  hint: such as 10.0.1.17",
    );
    check_with(
        ENDPOINT,
        "com.amazonaws.us-east-1.ec2",
        "EC2",
        "t.toml:4:16: error: 'EC2' is not a valid service name (such as com.amazonaws.us-east-1.ec2)",
    );
    check(
        "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.us-east-1.ec2\"\n",
        "private_dns_names = [\"a..b\"]",
        "t.toml:3:22: error: 'a..b' is not a valid domain name: the name has an empty label",
    );
}

#[test]
fn broken_rules() {
    check(RULE, "", "t.toml:1:1: error: [[resolver_rule]] has no 'rule_type'\n  hint: add rule_type = \"FORWARD\"");
    check(
        RULE,
        "rule_type = \"FORWARDS\"",
        "t.toml:3:13: error: 'FORWARDS' is not a rule type\n  hint: did you mean 'FORWARD'?",
    );
    check(
        RULE,
        "rule_type = \"FORWARD\"",
        "t.toml:1:1: error: a FORWARD rule needs 'target_ips'\n  hint: add target_ips = [\"10.9.9.9:53\"], or use rule_type = \"SYSTEM\"",
    );
    check(
        RULE,
        "rule_type = \"SYSTEM\"\ntarget_ips = [\"10.9.9.9\"]",
        "t.toml:4:14: error: a SYSTEM rule has no 'target_ips'\n  hint: leave them out, or use rule_type = \"FORWARD\"",
    );
    check_with(
        RULE,
        "onprem.example",
        ".",
        "t.toml:1:1: error: [[resolver_rule]] has no 'rule_type'\n  hint: add rule_type = \"FORWARD\"",
    );
    check(
        "[[resolver_rule]]\n",
        "domain_name = \".\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"10.9.9.9\", \"fd00::1\", \"[fd00::2]:5353\"]",
        "",
    );
}

#[test]
fn broken_objects_are_left_out_and_told() {
    let loaded = load_toml(&format!("{}{ENDPOINT}", VPC.replace("us-east-1", "US")));
    assert_eq!((loaded.inputs.len(), loaded.broken, loaded.incomplete), (1, vec!["vpc-ec43eb89".to_owned()], false));
    let loaded = load_toml(&format!("{VPC}{ENDPOINT}state = oops\n"));
    assert_eq!(loaded.broken, ["vpc-ec43eb89", "vpce-1a2b3c4d"]);
    assert_eq!((loaded.inputs.len(), loaded.incomplete, loaded.problems.len()), (0, true, 1));
}

#[test]
fn columns_count_characters() {
    check(
        VPC,
        "tags = { Name = \"ü\" }\nlisteners = [\"ü\", \"x\"]",
        "t.toml:6:14: error: 'ü' is not an IP address with or without a port\n  hint: such as 10.0.0.2:53 or [fd00::2]:53\n\
         t.toml:6:19: error: 'x' is not an IP address with or without a port\n  hint: such as 10.0.0.2:53 or [fd00::2]:53",
    );
}

//! Nothing that a file holds can make a reader panic.

use proptest::prelude::*;

use super::{load_json, load_toml};

const TOML: &str = r#"
[[vpc]]
vpc_id = "vpc-ec43eb89"
region = "us-east-1"
cidr_blocks = ["10.0.0.0/16", "fd00::/56"]
listeners = ["10.0.0.2:53", "[fd00::2]:53"]
[[vpc_endpoint]]
vpc_endpoint_id = "vpce-088d25a4bbf4a7abc"
vpc_endpoint_type = "Interface"
service_name = "com.amazonaws.us-east-1.ec2"
vpc_id = "vpc-ec43eb89"
network_interfaces = [{ network_interface_id = "eni-bf8aa46b", subnet_id = "subnet-abababab", ipv6_address = "fd00::9" }]
[[hosted_zone]]
name = "corp.example"
records = [{ name = "tü", type = "TXT", ttl = 0x1F, values = ['"a b" c'] }, { name = "m", type = "MX", values = ["10 m.x"] },
  { name = "s", type = "SRV", values = ["0 0 22 h.example."] }, { name = "h", type = "HTTPS", values = ["1 . alpn=h2"] }]
[[resolver_rule]]
domain_name = "."
rule_type = "FORWARD"
target_ips = ["10.9.9.9"]
"#;

const ENDPOINTS: &str = include_str!("../../../tests/fixtures/aws-2026/endpoints-page-1.json");
const INTERFACES: &str = include_str!("../../../tests/fixtures/aws-2026/network-interfaces.json");
const VPCS: &str = include_str!("../../../tests/fixtures/aws-2026/vpcs.json");

/// `text` with pieces cut out, doubled or overwritten.
fn mutate(text: &str, edits: &[(usize, usize, u8, Vec<u8>)]) -> String {
    let mut octets = text.as_bytes().to_vec();
    for (at, len, kind, new) in edits {
        let start = at % (octets.len() + 1);
        let end = (start + len).min(octets.len());
        let piece = octets[start..end].to_vec();
        match kind {
            0 => drop(octets.drain(start..end)),
            1 => drop(octets.splice(start..start, piece)),
            _ => drop(octets.splice(start..end, new.iter().copied())),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn edits() -> impl Strategy<Value = Vec<(usize, usize, u8, Vec<u8>)>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec!["null", "\"", "{}", "[]", "\\u0000", "é", "-1", "\n", "{\"a\":1}", "'", "."])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec((any::<usize>(), 0usize..40, 0u8..3, piece), 1..6)
}

proptest! {
    #[test]
    fn random_text(text in ".{0,200}", octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let octets = String::from_utf8_lossy(&octets);
        for text in [&*text, &*octets] {
            load_toml(text);
            load_json(&[text]);
        }
    }

    #[test]
    fn mutated_toml(edits in edits()) {
        let loaded = load_toml(&mutate(TOML, &edits));
        prop_assert!(loaded.problems.iter().all(|problem| !problem.what.is_empty() && problem.place.line > 0));
    }

    #[test]
    fn mutated_json(edits in edits(), which in 0usize..3) {
        let mut texts = [VPCS.to_owned(), INTERFACES.to_owned(), ENDPOINTS.to_owned()];
        texts[which] = mutate(&texts[which], &edits);
        load_json(&texts.each_ref().map(String::as_str));
    }
}

/// Depth is what recursion is afraid of.
#[test]
fn deep_nesting() {
    for depth in [100, 500, 600, 100_000] {
        load_json(&[&"[".repeat(depth), &format!("{}1{}", "[".repeat(depth), "]".repeat(depth))]);
        load_json(&[&"{\"a\":".repeat(depth)]);
        load_toml(&format!("a = {}1{}", "[".repeat(depth), "]".repeat(depth)));
        load_toml(&format!("a = {}1{}", "{ a = ".repeat(depth), "}".repeat(depth)));
        load_toml(&format!("{}a = 1", "a.".repeat(depth)));
        load_toml(&format!("[{}a]\nx = 1", "a.".repeat(depth)));
    }
}

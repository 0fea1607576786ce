//! Whether what was seen is what must be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::parse::normal;
use super::{Expected, Observation};

/// How one question of an assertion came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not: what was expected and what was seen, and by which rule.
    Fail {
        /// The difference in one line.
        difference: String,
        /// Which rule gave the answer.
        rule: String,
        /// How the rules came to it; empty where a server was asked.
        steps: Vec<String>,
    },
    /// It could not be tried, and why.
    Skip(String),
}

/// Compares `seen` with `expected`. `blocks` are the networks whose addresses count as private besides the ranges that
/// are so everywhere.
pub fn judge(expected: &Expected, seen: &Observation, blocks: &[IpNet]) -> Verdict {
    if !seen.delegated_to.is_empty() && *expected != Expected::Public {
        let servers = seen.delegated_to.join(", ");
        return Verdict::Skip(format!(
            "{servers} say that, to whom a private zone delegates: ask a server with --server"
        ));
    }
    let difference = match expected {
        Expected::Records(wanted) => records(wanted, seen),
        Expected::Private => private(seen, blocks),
        Expected::Public => public(seen, blocks),
        Expected::NoData => no_data(seen),
        Expected::Rcode(rcode) => {
            (seen.rcode.as_deref() != Some(*rcode)).then(|| format!("expected {rcode}, got {}", told(seen)))
        }
    };
    match difference {
        None => Verdict::Pass,
        Some(difference) => Verdict::Fail { difference, rule: seen.rule.clone(), steps: seen.steps.clone() },
    }
}

fn records(wanted: &[String], seen: &Observation) -> Option<String> {
    let sorted = |data: &[String]| {
        let mut all: Vec<String> = data.iter().map(|data| normal(data)).collect();
        all.sort();
        all.dedup();
        all
    };
    let (wanted, got) = (sorted(wanted), sorted(&seen.records));
    if wanted == got {
        return None;
    }
    if got.is_empty() {
        return Some(format!("expected {}, got {}", wanted.join(" "), told(seen)));
    }
    let minus = |from: &[String], what: &[String]| {
        from.iter().filter(|data| !what.contains(data)).cloned().collect::<Vec<_>>().join(" ")
    };
    let parts = [("missing ", minus(&wanted, &got)), ("not expected ", minus(&got, &wanted))];
    let parts: Vec<String> =
        parts.into_iter().filter(|(_, data)| !data.is_empty()).map(|(what, data)| format!("{what}{data}")).collect();
    Some(parts.join(", "))
}

fn private(seen: &Observation, blocks: &[IpNet]) -> Option<String> {
    let answered = seen.rcode.as_deref() == Some("NOERROR") && !seen.records.is_empty();
    if !answered {
        return Some(format!("expected a private answer, got {}", told(seen)));
    }
    let public: Vec<&String> = seen.records.iter().filter(|data| is_public(data, blocks)).collect();
    match public.first() {
        Some(address) if seen.online => Some(format!("expected a private answer, got the public address {address}")),
        _ => None,
    }
}

fn public(seen: &Observation, blocks: &[IpNet]) -> Option<String> {
    if !seen.online {
        return (seen.rcode.is_some() || seen.blocked || !seen.delegated_to.is_empty())
            .then(|| format!("expected to be asked upstream, got {}", told(seen)));
    }
    // an empty answer can come from a private zone as well as from an upstream
    if seen.rcode.as_deref() != Some("NOERROR") || seen.blocked || seen.records.is_empty() {
        return Some(format!("expected a public answer, got {}", told(seen)));
    }
    let address = seen.records.iter().find(|data| data.parse::<IpAddr>().is_ok() && !is_public(data, blocks));
    address.map(|address| format!("expected a public answer, got the private address {address}"))
}

fn no_data(seen: &Observation) -> Option<String> {
    let none = seen.rcode.as_deref() == Some("NOERROR") && seen.records.is_empty();
    (!none).then(|| format!("expected NOERROR without a record, got {}", told(seen)))
}

/// What was seen, in one line.
fn told(seen: &Observation) -> String {
    let Some(rcode) = &seen.rcode else {
        return match &seen.delegated_to[..] {
            [] => "a question to an upstream".to_owned(),
            servers => format!("a question to {}, to whom a private zone delegates", servers.join(", ")),
        };
    };
    let all: Vec<&str> = seen.others.iter().chain(&seen.records).map(String::as_str).collect();
    if all.is_empty() { format!("{rcode} without a record") } else { format!("{rcode} {}", all.join(" ")) }
}

/// Whether record data is an address that is in no block and in no range for private use.
fn is_public(data: &str, blocks: &[IpNet]) -> bool {
    let Ok(address) = data.parse::<IpAddr>() else { return false };
    !blocks.iter().any(|block| block.contains(&address))
        && match address {
            IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared(v4)),
            IpAddr::V6(v6) => !(v6.is_loopback() || is_unique_local(v6) || v6.is_unicast_link_local()),
        }
}

/// 100.64.0.0/10 (RFC 6598 7).
fn is_shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, 64..=127, ..])
}

/// fc00::/7 (RFC 4193 3.1).
fn is_unique_local(address: Ipv6Addr) -> bool {
    address.segments().first().is_some_and(|first| first & 0xfe00 == 0xfc00)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rcode: Option<&str>, records: &[&str], online: bool) -> Observation {
        Observation {
            rcode: rcode.map(str::to_owned),
            records: records.iter().map(|data| (*data).to_owned()).collect(),
            others: Vec::new(),
            delegated_to: Vec::new(),
            blocked: false,
            online,
            rule: "the rule".to_owned(),
            steps: Vec::new(),
        }
    }

    fn difference(expected: &Expected, seen: &Observation) -> String {
        match judge(expected, seen, &["198.51.100.0/24".parse().unwrap()]) {
            Verdict::Pass => "pass".to_owned(),
            Verdict::Fail { difference, rule, .. } => {
                assert_eq!(rule, "the rule");
                difference
            }
            Verdict::Skip(why) => why,
        }
    }

    #[test]
    fn verdicts() {
        let records = |data: &[&str]| Expected::Records(data.iter().map(|data| (*data).to_owned()).collect());
        let (no, nx) = (Some("NOERROR"), Some("NXDOMAIN"));
        for (expected, seen, want) in [
            (records(&["10.0.0.1", "10.0.0.2"]), seen(no, &["10.0.0.2", "10.0.0.1"], false), "pass"),
            (records(&["10.0.0.1"]), seen(no, &["10.0.0.2", "10.0.0.1"], false), "not expected 10.0.0.2"),
            (
                records(&["10.0.0.1", "10.0.0.3"]),
                seen(no, &["10.0.0.2", "10.0.0.1"], false),
                "missing 10.0.0.3, not expected 10.0.0.2",
            ),
            (records(&["10.0.0.1"]), seen(nx, &[], false), "expected 10.0.0.1, got NXDOMAIN without a record"),
            (records(&["10.0.0.1"]), seen(None, &[], false), "expected 10.0.0.1, got a question to an upstream"),
            (Expected::Private, seen(no, &["10.0.0.1"], false), "pass"),
            (Expected::Private, seen(no, &[], false), "expected a private answer, got NOERROR without a record"),
            (Expected::Private, seen(None, &[], false), "expected a private answer, got a question to an upstream"),
            // zones may use any addresses; a server's answer is known by them alone
            (Expected::Private, seen(no, &["192.0.2.1"], false), "pass"),
            (
                Expected::Private,
                seen(no, &["192.0.2.1"], true),
                "expected a private answer, got the public address 192.0.2.1",
            ),
            (Expected::Private, seen(no, &["198.51.100.7"], true), "pass"),
            (Expected::Private, seen(no, &["100.64.0.1", "fd00::1"], true), "pass"),
            (Expected::Public, seen(None, &[], false), "pass"),
            (Expected::Public, seen(no, &["10.0.0.1"], false), "expected to be asked upstream, got NOERROR 10.0.0.1"),
            (Expected::Public, seen(no, &["192.0.2.1"], true), "pass"),
            (
                Expected::Public,
                seen(no, &["192.0.2.1", "198.51.100.7"], true),
                "expected a public answer, got the private address 198.51.100.7",
            ),
            (
                Expected::Public,
                seen(Some("SERVFAIL"), &[], true),
                "expected a public answer, got SERVFAIL without a record",
            ),
            (Expected::NoData, seen(no, &[], false), "pass"),
            (
                Expected::NoData,
                seen(nx, &[], false),
                "expected NOERROR without a record, got NXDOMAIN without a record",
            ),
            (Expected::Rcode("NXDOMAIN"), seen(nx, &[], false), "pass"),
            (Expected::Rcode("NXDOMAIN"), seen(None, &[], false), "expected NXDOMAIN, got a question to an upstream"),
        ] {
            assert_eq!(difference(&expected, &seen), want, "{expected} {seen:?}");
        }
    }
}

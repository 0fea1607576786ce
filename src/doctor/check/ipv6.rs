//! IPv6: whether this host has it, and whether anything needs it.

use std::net::IpAddr;

use crate::doctor::facts::HostFacts;
use crate::doctor::finding::Finding;

const CHECK: &str = "ipv6";

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = host
        .servers
        .iter()
        .filter(|server| lacks(host, server.server.address.ip()))
        .map(|server| {
            let found =
                format!("{} {} is IPv6, and this host has no address to ask it from", server.place, server.server);
            Finding::problem(CHECK, found, "name a resolver by its IPv4 address, or give this host IPv6")
        })
        .collect();
    let Some(addresses) = &host.ipv6 else {
        findings.push(Finding::ok(CHECK, "the kernel has no IPv6: all is IPv4"));
        return findings;
    };
    let routed = addresses.iter().filter(|ip| !ip.is_loopback()).count();
    findings.push(Finding::ok(
        CHECK,
        match routed {
            0 => "no address beyond loopback: all is IPv4".to_owned(),
            1 => "1 address".to_owned(),
            number => format!("{number} addresses"),
        },
    ));
    findings
}

/// Whether this host cannot reach the address, as it is of IPv6.
pub(super) fn lacks(host: &HostFacts, ip: IpAddr) -> bool {
    let addresses = host.ipv6.as_deref().unwrap_or_default();
    ip.is_ipv6() && !addresses.iter().any(|own| own.is_loopback() == ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{shown, sound, upstream};

    #[test]
    fn an_upstream_that_cannot_be_reached_is_named() {
        let mut host = sound();
        assert_eq!(shown(&check(&host)), ["ok ipv6: no address beyond loopback: all is IPv4"]);
        host.servers = vec![upstream("[2001:db8::53]:53")];
        assert!(shown(&check(&host))[0].starts_with("PROBLEM ipv6: --forward [2001:db8::53]:53 is IPv6"));
        host.ipv6 = Some(vec!["::1".parse().unwrap(), "fd00::9".parse().unwrap()]);
        assert_eq!(shown(&check(&host)), ["ok ipv6: 1 address"]);
        host.ipv6 = None;
        assert_eq!(check(&host).len(), 2);
    }
}

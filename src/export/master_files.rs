//! Hosted zones as master files, for `vpcedns names --format zone`.

use std::fmt::Write;

use crate::answer::{NS_TTL, TTL};
use crate::dns::{DnsName, Rtype};
use crate::model::{
    Alias, HostedZone, Model, Node, ROUTE53_NS, ROUTE53_SOA, Rrset, generic_rdata, put_name, show_rdata,
};
use crate::naming::VpcId;

/// Types that older name servers may not know by name, or write otherwise: everybody reads them as RFC 3597 has it.
const BY_NUMBER: [u16; 14] = [3, 4, 19, 20, 22, 23, 25, 26, 27, 56, 63, 258, 262, 32768];

/// The hosted zones, each as a master file of its own; those that `vpc` sees, and `only` those of a name, where these are
/// given.
pub fn hosted_zones(model: &Model, vpc: Option<VpcId>, only: Option<&DnsName>) -> String {
    let is_meant = |zone: &&std::sync::Arc<HostedZone>| {
        vpc.is_none_or(|vpc| zone.is_seen_from(Some(vpc))) && only.is_none_or(|only| *only == zone.name)
    };
    let mut zones: Vec<_> = model.hosted_zones().iter().filter(is_meant).collect();
    zones.sort_by(|a, b| a.name.cmp(&b.name));
    zones.into_iter().map(|zone| one(model, zone)).collect()
}

fn one(model: &Model, zone: &HostedZone) -> String {
    if !zone.is_told {
        return format!("; hosted zone {}: its records are not known here\n\n", zone.name);
    }
    let mut text = String::new();
    let apex = absolute(&zone.name);
    let vpcs: Vec<String> = zone.reach.vpc_ids.iter().map(ToString::to_string).collect();
    let _ = writeln!(
        text,
        "; hosted zone {}, VPCs: {}",
        zone.name,
        if vpcs.is_empty() { "-".into() } else { vpcs.join(" ") }
    );
    let _ = writeln!(text, "$ORIGIN {apex}\n$TTL {TTL}");
    let own = |rtype| zone.node(zone.name.wire()).and_then(|node| node.rrset(rtype));
    // the SOA is the first record: some readers want it so
    match own(Rtype::SOA) {
        Some(soa) => rrset(&mut text, &apex, soa),
        None => {
            let _ = writeln!(text, "{apex} {TTL} IN SOA {}", show_rdata(Rtype::SOA, ROUTE53_SOA));
        }
    }
    if own(Rtype::NS).is_none() {
        for server in ROUTE53_NS {
            let _ = writeln!(text, "{apex} {NS_TTL} IN NS {}", show_rdata(Rtype::NS, server));
        }
    }
    for (name, node) in zone.nodes() {
        node_records(model, &mut text, &absolute(name), node);
    }
    text.push('\n');
    text
}

fn node_records(model: &Model, text: &mut String, owner: &str, node: &Node) {
    for set in node.rrsets.iter().filter(|set| set.rtype != Rtype::SOA) {
        rrset(text, owner, set);
    }
    if !node.in_zones.is_empty() {
        let _ = writeln!(text, "; {owner} has other records for clients in some zones: these are for all others");
    }
    if !node.weighted.is_empty() {
        let _ = writeln!(text, "; {owner} has weighted records: a master file cannot say by which weights");
    }
    // a CNAME has one value (RFC 2181 10.1)
    let is_first = |at: usize| node.weighted.iter().take(at).all(|(_, other)| other.rtype != Rtype::CNAME);
    for (at, (_, set)) in node.weighted.iter().enumerate() {
        if set.rtype != Rtype::CNAME || is_first(at) {
            rrset(text, owner, set);
        }
    }
    if let Some(alias) = &node.alias {
        alias_addresses(model, text, owner, alias);
    }
    if let Some(target) = &node.addresses_of {
        let _ = writeln!(text, "; {owner} has the addresses of {}, which others are asked for", absolute(target));
    }
    for rtype in &node.elsewhere {
        let _ = writeln!(text, "; {owner} {rtype} is an alias or has a routing policy that is not known here");
    }
}

/// The addresses of an endpoint as they are now.
fn alias_addresses(model: &Model, text: &mut String, owner: &str, alias: &Alias) {
    let _ = writeln!(text, "; {owner} is an alias of {}", alias.endpoint);
    let Some(endpoint) = model.endpoint(alias.endpoint).filter(|endpoint| endpoint.is_served()) else { return };
    for interface in &endpoint.interfaces {
        if alias.zone.as_ref().is_some_and(|zone| model.zone(interface) != zone) {
            continue;
        }
        if let Some(address) = interface.ipv4().filter(|_| endpoint.has_a()) {
            let _ = writeln!(text, "{owner} {TTL} IN A {address}");
        }
        if let Some(address) = interface.ipv6().filter(|_| endpoint.has_aaaa(false)) {
            let _ = writeln!(text, "{owner} {TTL} IN AAAA {address}");
        }
    }
}

fn rrset(text: &mut String, owner: &str, set: &Rrset) {
    for data in &set.rdata {
        let number = set.rtype.number();
        let _ = if BY_NUMBER.contains(&number) {
            writeln!(text, "{owner} {} IN TYPE{number} {}", set.ttl, generic_rdata(data))
        } else {
            writeln!(text, "{owner} {} IN {} {}", set.ttl, set.rtype, show_rdata(set.rtype, data))
        };
    }
}

fn absolute(name: &DnsName) -> String {
    let mut text = String::new();
    put_name(name.wire(), &mut text);
    text
}

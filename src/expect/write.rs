//! The assertions that hold for a snapshot: the file to begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::parse::resolve_name;
use super::{Observation, observe_snapshot};
use crate::dns::{DnsName, Rtype};
use crate::explain::Asker;
use crate::model::Model;
use crate::naming::{VpcId, endpoint_names};
use crate::snapshot::{Authority, Snapshot};

/// A label that nobody has, so that only a wildcard answers for it.
const UNKNOWN: &str = "vpcedns-expect";
/// A and AAAA: what every client asks for.
const TYPES: [Rtype; 2] = [Rtype::A, Rtype::AAAA];

/// The types asked about of each name.
type NamesAsked = BTreeMap<String, BTreeSet<Rtype>>;

/// A line for each VPC, name and type: A and AAAA of every private name of an endpoint anywhere, of every hosted zone, and of
/// every name of the VPC's own endpoints; and all that the hosted zones have which the VPC sees.
pub fn write(snapshot: &Snapshot) -> String {
    let shared = private_names(&snapshot.model);
    let mut text = String::from("# what each VPC's clients are told; check it with: vpcedns expect FILE\n");
    for vpc in snapshot.model.vpcs() {
        let _ = writeln!(text, "\n# {}", vpc.vpc_id);
        let (mut names, weighted) = zone_names(snapshot, vpc.vpc_id);
        for name in &shared {
            names.entry(name.clone()).or_default().extend(TYPES);
        }
        for name in endpoint_hosts(&snapshot.model, |endpoint| endpoint.vpc == vpc.vpc_id) {
            names.entry(name).or_default().extend(TYPES);
        }
        for (name, types) in names {
            let Ok(asked) = resolve_name(&name, UNKNOWN).parse::<DnsName>() else { continue };
            for rtype in types {
                let seen = observe_snapshot(snapshot, Asker::Vpc(vpc.vpc_id), &asked, rtype);
                // what others say of a private zone is not known here
                if !seen.delegated_to.is_empty() {
                    continue;
                }
                // where the name is not private, one line says so for all types
                if seen.rcode.is_none() && rtype != Rtype::A {
                    continue;
                }
                let expected = expectation(&seen, rtype, weighted.contains(&name));
                let _ = writeln!(text, "from {} {name} {rtype} {expected}", vpc.vpc_id);
            }
        }
    }
    text
}

/// The names of the hosted zones that the VPC sees, with A, AAAA and the types of their records; and those of which each
/// answer has other records.
fn zone_names(snapshot: &Snapshot, vpc: VpcId) -> (NamesAsked, BTreeSet<String>) {
    let (mut names, mut weighted) = (NamesAsked::new(), BTreeSet::new());
    let seen = snapshot.client_of(vpc).view.all().filter_map(|entry| match entry.authority.without_rules() {
        Some(Authority::HostedZone(zone)) => Some(zone),
        _ => None,
    });
    for (name, node) in seen.flat_map(|zone| zone.unsorted_nodes()) {
        let types: BTreeSet<Rtype> = node.rrsets.iter().map(|rrset| rrset.rtype).collect();
        let is_empty =
            types.is_empty() && node.weighted.is_empty() && node.alias.is_none() && node.addresses_of.is_none();
        // what is only there as names below it are
        if is_empty {
            continue;
        }
        if !node.weighted.is_empty() || !node.in_zones.is_empty() {
            weighted.insert(name.to_string());
        }
        names.entry(name.to_string()).or_default().extend(types.into_iter().chain(TYPES));
    }
    (names, weighted)
}

fn expectation(seen: &Observation, rtype: Rtype, is_weighted: bool) -> String {
    // other data has several spellings, and may have spaces in it
    let is_spelled_one_way =
        matches!(rtype, Rtype::A | Rtype::AAAA | Rtype::CNAME | Rtype::NS | Rtype::PTR) && !is_weighted;
    match seen.rcode.as_deref() {
        None => "public".to_owned(),
        Some("NOERROR") if seen.records.is_empty() => "nodata".to_owned(),
        Some("NOERROR") if !is_spelled_one_way => "noerror".to_owned(),
        Some("NOERROR") => format!("= {}", seen.records.join(" ")),
        Some(rcode) => rcode.to_ascii_lowercase(),
    }
}

fn private_names(model: &Model) -> BTreeSet<String> {
    let of_endpoints = model.endpoints().flat_map(|endpoint| &model.service(endpoint).private_names);
    let of_zones = model.hosted_zones().iter().map(|zone| &zone.name);
    of_endpoints.chain(of_zones).map(ToString::to_string).collect()
}

fn endpoint_hosts(model: &Model, of: impl Fn(&crate::model::Endpoint) -> bool) -> BTreeSet<String> {
    let names = model.endpoints().filter(|endpoint| of(endpoint)).filter_map(|endpoint| {
        let zones = endpoint.interfaces.iter().map(|interface| model.zone(interface));
        endpoint_names(endpoint.id, endpoint.suffix, model.service(endpoint), zones)
    });
    names.flat_map(|names| std::iter::once(names.regional).chain(names.zonal)).map(|name| name.to_string()).collect()
}

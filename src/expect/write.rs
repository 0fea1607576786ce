//! The assertions that hold for a snapshot: the file to begin with.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::parse::resolve_name;
use super::{Observation, observe_snapshot};
use crate::dns::{DnsName, Rtype};
use crate::explain::Asker;
use crate::model::Model;
use crate::naming::endpoint_names;
use crate::snapshot::Snapshot;

/// A label that nobody has, so that only a wildcard answers for it.
const UNKNOWN: &str = "vpcedns-expect";
/// A and AAAA: what every client asks for.
const TYPES: [Rtype; 2] = [Rtype::A, Rtype::AAAA];

/// A line for each VPC, name and address type: every private name of an endpoint anywhere, every name of the VPC's own
/// endpoints, and every name of a hosted zone.
pub fn write(snapshot: &Snapshot) -> String {
    let shared = private_names(&snapshot.model);
    let mut text = String::from("# what each VPC's clients are told; check it with: vpcedns expect FILE\n");
    for vpc in snapshot.model.vpcs() {
        let _ = writeln!(text, "\n# {}", vpc.vpc_id);
        let own = endpoint_hosts(&snapshot.model, |endpoint| endpoint.vpc == vpc.vpc_id);
        for name in shared.iter().chain(&own) {
            let Ok(asked) = resolve_name(name, UNKNOWN).parse::<DnsName>() else { continue };
            for rtype in TYPES {
                let seen = observe_snapshot(snapshot, Asker::Vpc(vpc.vpc_id), &asked, rtype);
                // what others say of a private zone is not known here
                if !seen.delegated_to.is_empty() {
                    continue;
                }
                // where the name is not private, one line says so for all types
                if seen.rcode.is_none() && rtype != Rtype::A {
                    continue;
                }
                let _ = writeln!(text, "from {} {name} {} {}", vpc.vpc_id, rtype, expectation(&seen));
            }
        }
    }
    text
}

fn expectation(seen: &Observation) -> String {
    match seen.rcode.as_deref() {
        None => "public".to_owned(),
        Some("NOERROR") if seen.records.is_empty() => "nodata".to_owned(),
        // data with spaces in it cannot be told from several records
        Some("NOERROR") if seen.records.iter().any(|data| data.contains(' ')) => "noerror".to_owned(),
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

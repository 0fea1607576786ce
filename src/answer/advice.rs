//! What would make a name private: for `explain`, when the answer was not.

use super::endpoint;
use crate::dns::{DnsName, NameRef};
use crate::model::{Endpoint, Model};
use crate::snapshot::Client;

/// What to do so that clients like this one get a private answer for `name`; empty if there is nothing to say.
pub fn advice(model: &Model, client: &Client<'_>, name: &NameRef<'_>) -> Vec<String> {
    let Some(asked) = DnsName::from_wire(name.wire()) else { return Vec::new() };
    let covers = |private: &DnsName| match private.wildcard_apex() {
        Some(parent) => asked != parent && asked.is_at_or_below(&parent),
        None => asked == *private,
    };
    let Some(vpc) = &client.view.vpc else {
        let owner =
            model.endpoints().find(|e| e.private_dns_enabled() && model.service(e).private_names(true).any(covers));
        return owner
            .map(|e| format!("clients of {} get the addresses of {} for it; this client is in no VPC", e.vpc, e.id))
            .into_iter()
            .collect();
    };
    let is_shared =
        |e: &Endpoint| model.profiles_of(vpc.vpc_id).iter().any(|profile| profile.endpoints.contains(&e.id));
    let mut said = Vec::new();
    for e in model.endpoints() {
        if e.vpc == vpc.vpc_id && e.private_dns_enabled() && model.service(e).second_names.contains(&asked) {
            said.push(format!(
                "{}, or catalogue = \"sdk-names\" for every service: an SDK asks for this name, and nobody has seen it at an endpoint",
                private_names_line(model, e, &asked)
            ));
            continue;
        }
        if !model.service(e).private_names(true).any(covers) {
            continue;
        }
        let service = endpoint::describe(model.service(e));
        if !e.is_dualstack() && model.service(e).dualstack_names.iter().any(covers) {
            said.push(format!(
                "{} ({service}) has this name only with dns_record_ip_type = \"dualstack\" (S3 guide, \"Private DNS\")",
                e.id
            ));
            continue;
        }
        let said_before = said.len();
        if e.vpc != vpc.vpc_id && !is_shared(e) {
            said.push(format!(
                "{} ({service}) is in {}, and private names hold in an endpoint's own VPC only",
                e.id, e.vpc
            ));
            continue;
        }
        if !e.private_dns_enabled() {
            said.push(format!("set private_dns_enabled = true on {} ({service})", e.id));
        }
        if !e.state.is_served() {
            said.push(format!("{} ({service}) is {}: it has to be available, pending or partial", e.id, e.state));
        } else if !e.is_served() {
            said.push(format!("{} ({service}) has no network interface with an address", e.id));
        }
        if e.inbound_resolver_only() {
            said.push(format!("set private_dns_only_for_inbound_resolver_endpoint = false on {}", e.id));
        }
        for (attribute, on) in
            [("enable_dns_support", vpc.enable_dns_support), ("enable_dns_hostnames", vpc.enable_dns_hostnames)]
        {
            if !on {
                said.push(format!("set {attribute} = true on {}", vpc.vpc_id));
            }
        }
        if said.len() == said_before {
            // the name is private already, and has no records of the type asked for
            return Vec::new();
        }
    }
    // an endpoint in this VPC that says what to change matters more than others elsewhere
    said.sort_by_key(|line| line.contains("own VPC only"));
    if said.is_empty() {
        let service = crate::naming::services(&vpc.region, model.catalogue())
            .find(|service| service.private_names(true).any(covers));
        said.extend(service.map(|service| {
            format!("an endpoint for {} in {} would make it private", service.service_name, vpc.vpc_id)
        }));
    }
    said.truncate(5);
    said
}

/// The line of configuration that makes one more name private at an endpoint: its list with that name behind the others.
pub fn private_names_line(model: &Model, endpoint: &Endpoint, more: &DnsName) -> String {
    let names = model.service(endpoint).private_names.iter().chain([more]);
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    format!("set private_dns_names = [{}] on {}", names.join(", "), endpoint.id)
}

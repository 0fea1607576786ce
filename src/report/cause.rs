//! Why a name is not private, and what to do about it.

use super::{Cell, NameKind, OffCause, OffReason};
use crate::answer::{Decision, Forward, Reason, private_names_line};
use crate::dns::DnsName;
use crate::model::{Endpoint, RuleAction, State};
use crate::naming::ServiceName;

fn cause(reason: OffReason, why: String, remedy: impl Into<String>) -> OffCause {
    OffCause { reason, why, remedy: remedy.into() }
}

/// That the service has nothing to take over.
pub(super) fn no_private_name(service: &ServiceName) -> OffCause {
    cause(
        OffReason::NoPrivateName,
        format!("{service} has no private name"),
        format!(
            "give it one: `private_dns_names` of [[vpc_endpoint_service]] {service}, or modify-vpc-endpoint-service-configuration --private-dns-name"
        ),
    )
}

/// That clients of the VPC are not known by their addresses: others have all of its blocks.
pub(super) fn clients_unknown(cell: &Cell<'_>) -> Option<OffCause> {
    let vpc = cell.vpc;
    let contested = cell.snapshot.contested();
    let is_contested = |block| contested.iter().any(|contested| contested.block == block);
    let known_by_address = vpc.cidr_blocks.is_empty() || !vpc.cidr_blocks.iter().all(|block| is_contested(*block));
    if known_by_address || !vpc.listeners.is_empty() || !vpc.clients.is_empty() {
        return None;
    }
    let block = contested.iter().find(|contested| contested.vpc_ids.contains(&vpc.vpc_id))?;
    let remedy = format!("give {} `listeners`, or `clients` with the networks that are its own", vpc.vpc_id);
    Some(cause(OffReason::ClientsUnknown, format!("{block}, and nothing tells their clients apart"), remedy))
}

/// Why the name is public by choice; `None` where it is not, or where something of ours decides.
pub(super) fn public(cell: &Cell<'_>, decision: &Decision<'_>) -> Option<String> {
    let vpc = cell.vpc;
    if hindrance(cell, decision).is_some() || private_only(decision).is_some() || !vpc.enable_dns_support {
        return None;
    }
    let Some(first) = cell.here().first() else {
        let region = cell.model().service(cell.examples().first()?).region.clone()?;
        // a global service (com.amazonaws.iam) has a region in its hostnames, and takes endpoints from every region
        let is_regional = cell.name.as_str().split('.').any(|part| part == region.as_str());
        return (is_regional && region != vpc.region)
            .then(|| format!("{} is in {}, and the service in {region}", vpc.vpc_id, vpc.region));
    };
    let has_name = !cell.model().service(first).private_names.is_empty();
    let is_off = has_name && cell.here().iter().all(|endpoint| !endpoint.private_dns_enabled());
    is_off.then(|| format!("private_dns_enabled=false on {}", first.id))
}

/// Everything that has to change.
pub(super) fn causes(cell: &Cell<'_>, name: &DnsName, kind: NameKind, decision: &Decision<'_>) -> Vec<OffCause> {
    let mut causes: Vec<OffCause> = hindrance(cell, decision).into_iter().collect();
    let enabled = || cell.here().iter().copied().filter(|endpoint| endpoint.private_dns_enabled());
    // the one that serves, else the one that may come to
    let best = enabled().find(|e| e.is_served()).or_else(|| enabled().find(|e| !e.state.is_over()));
    let best = best.or_else(|| enabled().next());
    let is_taken = !causes.is_empty() && !is_swallowed(decision);
    causes.extend(attributes(cell, best.is_some()));
    match best {
        Some(endpoint) => causes.extend(of_endpoint(cell, endpoint, name, kind)),
        None if kind == NameKind::Second => causes.extend(cell.here().first().map(|e| no_evidence(cell, e, name))),
        None if !cell.here().is_empty() => {
            causes.extend(cell.here().first().and_then(|e| private_only_cause(e, decision)));
        }
        // an endpoint would not change what a rule or hosted zone says
        None if is_taken => {}
        None => causes.push(not_in_vpc(cell)),
    }
    causes
}

fn is_swallowed(decision: &Decision<'_>) -> bool {
    matches!(decision.reason(), Reason::BelowPrivateName(_))
}

/// What else has the name: a rule, a hosted zone, another endpoint.
fn hindrance(cell: &Cell<'_>, decision: &Decision<'_>) -> Option<OffCause> {
    let vpc = cell.vpc.vpc_id;
    if let Decision::Forward(Forward { name: Some(target), .. }) = decision {
        let why = format!("a hosted zone has it, as an alias of {target}, which is asked upstream");
        return Some(cause(OffReason::Conflict, why, format!("take {vpc} out of that zone, or the record away")));
    }
    let reason = decision.reason();
    match reason {
        Reason::Rule(rule) => {
            let servers = match &rule.action {
                RuleAction::Forward(servers) => servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                RuleAction::System | RuleAction::Delegate => String::new(),
            };
            let why = format!("{reason} asks {servers}");
            let remedy = format!("take {vpc} out of the rule, or add a SYSTEM rule for the name");
            Some(cause(OffReason::Rule, why, remedy))
        }
        Reason::HostedZone(zone)
        | Reason::Wildcard(zone)
        | Reason::NotInHostedZone(zone)
        | Reason::AliasLoop(zone)
        | Reason::Elsewhere(zone)
        | Reason::NameTooLong(zone)
        | Reason::Delegated(zone)
        | Reason::DelegateRule(_, zone)
        | Reason::Alias(zone, _) => {
            let remedy = format!(
                "take {vpc} out of hosted zone {}, or let the record lead to an endpoint of the service",
                zone.name
            );
            Some(cause(OffReason::Conflict, format!("{reason}, which decides here"), remedy))
        }
        Reason::PrivateName(endpoint, _) | Reason::EndpointName(endpoint)
            if cell.model().service(endpoint).service_name == *cell.name =>
        {
            let (id, kind) = (endpoint.id, endpoint.record_ip_type);
            let why = format!("{id} has no address for its records, which are {kind}");
            Some(cause(OffReason::State, why, format!("set dns_record_ip_type of {id} to what its subnets have")))
        }
        Reason::PrivateName(endpoint, _) | Reason::EndpointName(endpoint) => {
            let service = &cell.model().service(endpoint).service_name;
            let why = format!("{reason}, an endpoint of {service}");
            Some(cause(OffReason::Conflict, why, format!("set private_dns_enabled = false on {}", endpoint.id)))
        }
        Reason::Drill(drill) => {
            Some(cause(OffReason::Drill, reason.to_string(), format!("vpcedns drill end {}", drill.id)))
        }
        Reason::BelowPrivateName(above) => {
            let why = format!(
                "the private name {above} covers it, and NXDOMAIN is the answer to all below that has no endpoint"
            );
            Some(cause(
                OffReason::Conflict,
                why,
                "set private_dns_mode = \"overlay\" on that endpoint, or create an endpoint of this service",
            ))
        }
        // an alias of a hosted zone led there
        Reason::NotServed(_)
        | Reason::NoSuchEndpointName(_)
        | Reason::PublicZone
        | Reason::Special(_)
        | Reason::Instance(_)
        | Reason::NoSuchInstance(_)
        | Reason::UnknownInstance(_)
        | Reason::PublicInstance(_) => {
            let why = format!("a hosted zone has it, as an alias that leads to nothing: {reason}");
            Some(cause(OffReason::Conflict, why, format!("take {vpc} out of that zone, or correct the record")))
        }
        Reason::Upstream
        | Reason::NotPrivate(_)
        | Reason::PrivateOnly(..)
        | Reason::NoUpstream
        | Reason::NoRecursion
        | Reason::DnsSupportOff(_)
        | Reason::UnknownClient => None,
    }
}

/// The name at which `private_only` keeps the question from upstreams.
fn private_only<'s>(decision: &Decision<'s>) -> Option<&'s DnsName> {
    match decision.reason() {
        Reason::PrivateOnly(name, _) => Some(name),
        _ => None,
    }
}

fn private_only_cause(endpoint: &Endpoint, decision: &Decision<'_>) -> Option<OffCause> {
    let (covering, id) = (private_only(decision)?, endpoint.id);
    let why = format!("private_only covers {covering}, and private_dns_enabled=false on {id}");
    Some(cause(OffReason::PrivateOnly, why, format!("set private_dns_enabled = true on {id}")))
}

/// The attributes that are off: without DNS support nobody is served, and private DNS needs both.
fn attributes(cell: &Cell<'_>, wants_private_dns: bool) -> impl Iterator<Item = OffCause> {
    let vpc = cell.vpc;
    let all = [
        ("enable_dns_support", "--enable-dns-support", vpc.enable_dns_support),
        ("enable_dns_hostnames", "--enable-dns-hostnames", vpc.enable_dns_hostnames || !wants_private_dns),
    ];
    all.into_iter().filter(|(.., on)| !on).map(|(key, attribute, _)| {
        let why = format!("{key}=false on {}", vpc.vpc_id);
        let remedy = format!("set {key} = true on {} (modify-vpc-attribute {attribute})", vpc.vpc_id);
        cause(OffReason::Attributes, why, remedy)
    })
}

fn of_endpoint(cell: &Cell<'_>, endpoint: &Endpoint, name: &DnsName, kind: NameKind) -> Vec<OffCause> {
    let id = endpoint.id;
    let mut causes = Vec::new();
    if !endpoint.state.is_served() {
        causes.push(cause(OffReason::State, format!("{id} is {}", endpoint.state), for_state(endpoint)));
    } else if !endpoint.is_served() {
        let remedy = format!("give {id} a network interface with an address: add a subnet to it");
        causes.push(cause(OffReason::State, format!("{id} has no address"), remedy));
    }
    if endpoint.inbound_resolver_only() {
        let why = format!("private names of {id} are for inbound resolver endpoints only");
        let remedy = format!("set private_dns_only_for_inbound_resolver_endpoint = false on {id}");
        causes.push(cause(OffReason::InboundOnly, why, remedy));
    }
    match kind {
        NameKind::Main => {}
        NameKind::Dualstack if endpoint.is_dualstack() => {}
        NameKind::Dualstack => {
            let why = format!(
                "{id} has {} addresses, and dual-stack endpoints alone have this name",
                endpoint.record_ip_type
            );
            let remedy = format!("set dns_record_ip_type = \"dualstack\" on {id}");
            causes.push(cause(OffReason::DualstackOnly, why, remedy));
        }
        NameKind::Second => causes.push(no_evidence(cell, endpoint, name)),
    }
    causes
}

/// What its owner or its provider can do for an endpoint in this state.
fn for_state(endpoint: &Endpoint) -> String {
    let id = endpoint.id;
    match endpoint.state {
        State::PendingAcceptance => format!("accept it: accept-vpc-endpoint-connections --vpc-endpoint-ids {id}"),
        State::Rejected => format!("ask the provider to accept {id}, or create another endpoint"),
        _ => "create another endpoint".to_owned(),
    }
}

fn no_evidence(cell: &Cell<'_>, endpoint: &Endpoint, name: &DnsName) -> OffCause {
    cause(
        OffReason::NoEvidence,
        format!("an SDK asks for {name}, and no output of AWS has it"),
        format!("{}, or catalogue = \"sdk-names\"", private_names_line(cell.model(), endpoint, name)),
    )
}

fn not_in_vpc(cell: &Cell<'_>) -> OffCause {
    let vpc = cell.vpc.vpc_id;
    let elsewhere = cell.everywhere.values().flatten().next();
    let elsewhere = elsewhere.map_or_else(String::new, |endpoint| format!(" ({} is in {})", endpoint.id, endpoint.vpc));
    let remedy = format!("create an endpoint of the service in {vpc}, or a hosted zone whose alias leads to one");
    cause(OffReason::NotInVpc, format!("no endpoint of the service is in {vpc}{elsewhere}"), remedy)
}

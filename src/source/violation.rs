//! A broken rule of the model in the words of whoever wrote the files: what is wrong, and how to mend it there.
//!
//! Where EC2 has a text for a broken rule, its words are used, so that a search finds what AWS users wrote.

use crate::model::{Breach, Violation, VpcAttribute};
use crate::naming::nearest_service;
use crate::problem::{Place, Problem, Severity, nearest};

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Self {
        let severity = if violation.is_error() { Severity::Error } else { Severity::Warning };
        let (what, hint) = texts(&violation.breach);
        Self { place: violation.place, severity, what, hint }
    }
}

/// The problems of a change, by place, each once.
pub fn problems(violations: Vec<Violation>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = violations.into_iter().map(Problem::from).collect();
    problems.sort();
    problems.dedup();
    problems
}

/// What is wrong, and what to do about it.
#[expect(clippy::too_many_lines, reason = "one arm for each rule, in the order of the enum")]
fn texts(breach: &Breach) -> (String, String) {
    match breach {
        Breach::DeclaredTwice { id, other } => {
            let hint = |other| format!("it is also declared at {other}: remove one of them");
            (format!("{id} is declared twice"), other.as_ref().map(hint).unwrap_or_default())
        }
        Breach::NoSuchVpc { vpc, owner } => {
            let of = owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
            (format!("the vpc ID '{vpc}'{of} does not exist"), add("vpc", "describe-vpcs"))
        }
        Breach::NothingBelow { id } => {
            let whole = if id.starts_with("vpc-") {
                "region and cidr_blocks make it a VPC of its own; else add the output of `aws ec2 describe-vpcs`"
            } else {
                "vpc_id and service_name make it an endpoint of its own; else add the output of `aws ec2 describe-vpc-endpoints`"
            };
            (format!("no other file has {id}, over which this lies"), whole.to_owned())
        }
        Breach::NoSuchSubnet { subnet } => {
            (format!("The subnet ID '{subnet}' does not exist"), add("subnet", "describe-subnets"))
        }
        Breach::NoSuchEndpoint { endpoint } => {
            (format!("The Vpc Endpoint Id '{endpoint}' does not exist"), add("vpc_endpoint", "describe-vpc-endpoints"))
        }
        Breach::NoSuchService { service, why } => {
            let hint = nearest_service(service).map_or_else(
                || "describe it in a [[vpc_endpoint_service]]".to_owned(),
                |near| format!("did you mean {near}? If not, describe it in a [[vpc_endpoint_service]]"),
            );
            (format!("The Vpc Endpoint Service '{service}' does not exist: {why}"), hint)
        }
        Breach::NoBaseName { why } => (
            why.to_string(),
            "set base_endpoint_dns_name, what follows the endpoint's own label in its names".to_owned(),
        ),
        Breach::ServiceNotInCatalogue { service, base } => {
            let near = nearest_service(service).map(|near| format!("did you mean {near}? If not: "));
            (
                format!("{service} is not in the catalogue: its names are made by AWS's general rule ({base})"),
                near.unwrap_or_default() + "describe it in a [[vpc_endpoint_service]] to be sure",
            )
        }
        Breach::ServiceOfOtherRegion { service, region, vpc } => (
            format!("the service {service} is not in {region}, the region of {vpc}"),
            "an endpoint and its service are in the same region, or the endpoint says service_region".to_owned(),
        ),
        Breach::ServiceRegionDiffers { service, said, of } => {
            (format!("the service {service} is in {of}, not in {said}"), format!("set service_region = \"{of}\""))
        }
        Breach::NoSuchEndpointName { endpoint, name, has } => (
            format!("{endpoint} has no name {name}"),
            has.as_ref().map_or_else(|| format!("alias = \"{endpoint}\" does too"), |has| format!("it has {has}")),
        ),
        Breach::EndpointMoved { endpoint, from, to } => {
            (format!("{endpoint} was in {from} and is now in {to}"), NEVER_MOVES.to_owned())
        }
        Breach::ServiceChanged { endpoint, from, to } => {
            (format!("{endpoint} led to {from} and now leads to {to}"), NEVER_MOVES.to_owned())
        }
        Breach::NoPrivateName { service } => (
            format!("Private DNS can't be enabled because the service {service} does not provide a private DNS name."),
            "set private_dns_enabled = false, or give the service private_dns_names in [[vpc_endpoint_service]]"
                .to_owned(),
        ),
        Breach::PrivateDnsIneffective { endpoint, vpc, off } => {
            let off = match off {
                VpcAttribute::DnsSupport => "enable_dns_support",
                VpcAttribute::DnsHostnames => "enable_dns_hostnames",
            };
            (
                format!(
                    "private DNS of {endpoint} is on, but {off} = false on {vpc}: its private names answer as public ones"
                ),
                format!(
                    "set enable_dns_support and enable_dns_hostnames of {vpc} to true, or private_dns_enabled = false"
                ),
            )
        }
        Breach::PrivateNameTaken { name, endpoint, vpc, other, other_place } => (
            format!(
                "{endpoint}: private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} in the VPC {vpc}"
            ),
            format!("{other} has it ({other_place}): set private_dns_enabled = false on one of them"),
        ),
        Breach::HostedZoneAtPrivateName { zone, vpc, endpoint, .. } => (
            format!("{vpc} has a hosted zone named {zone} and a private DNS name of {endpoint} there"),
            "set private_dns_enabled = false on the endpoint, or remove the hosted zone".to_owned(),
        ),
        Breach::SubnetOfOtherVpc { subnet, vpc, endpoint, endpoint_vpc } => (
            format!("{subnet} is in {vpc}, but {endpoint} is in {endpoint_vpc}"),
            "an endpoint's subnets are in its own VPC".to_owned(),
        ),
        Breach::ZoneNotOffered { service, subnet, zone, offered } => (
            format!(
                "The VPC endpoint service {service} does not support the availability zone of the subnet: {subnet}."
            ),
            format!("it is in {zone}; the service is offered in {}", list(offered)),
        ),
        Breach::TwoSubnetsInZone { subnet, other, zone } => (
            format!(
                "Found another VPC endpoint subnet in the availability zone of subnet {subnet}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service."
            ),
            format!("{other} is in {zone} too: keep one of them"),
        ),
        Breach::AddressOutsideSubnet { address, subnet, blocks } => {
            (format!("{address} is not inside {subnet}"), format!("the subnet has {}", list(blocks)))
        }
        Breach::AddressInUse { address, endpoint, vpc, other } => {
            let at = |place: &Option<Place>| place.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            let hint = other.as_ref().map(|(other, place)| format!("{other} has it{}", at(place)));
            (format!("{address} of {endpoint} is already in use in {vpc}"), hint.unwrap_or_default())
        }
        Breach::BlockOfTwoVpcs { block, vpc, other, other_place } => (
            format!("{block} of {vpc} is a block of {other} too: clients at its addresses are of no VPC"),
            format!(
                "give one of them `listeners = [\"address:53\"]`, or `clients` with the networks that are its own ({other} is at {other_place})"
            ),
        ),
        Breach::ClientsTwice { network, vpc, other } => (
            format!("the network {network} of clients of {vpc} is also one of {other}"),
            "a network has clients of one VPC: take it out of one of the two".to_owned(),
        ),
        Breach::ListenerTwice { listener, vpc, other } => (
            format!("the listener {listener} of {vpc} is also one of {other}"),
            "a listener belongs to one VPC: choose another address or port".to_owned(),
        ),
        Breach::SubnetOutsideVpc { subnet, block, vpc, blocks } => {
            (format!("{block} of {subnet} is not inside {vpc}"), format!("{vpc} has {}", list(blocks)))
        }
        Breach::ZoneOfOtherRegion { subnet, zone, region, vpc } => (
            format!("the zone {zone} of {subnet} is not in {region}, the region of {vpc}"),
            format!("zones of that region are named {region}a, {region}b, ..."),
        ),
        Breach::HostedZoneTwice { name, other } => {
            (format!("two hosted zones named {name} for the same VPC"), the_other(other.as_ref()))
        }
        Breach::RuleTwice { name, other } => {
            (format!("two rules for {name} and the same VPC"), the_other(other.as_ref()))
        }
        Breach::UpstreamIsOurs { upstream } => (
            format!("upstream {upstream} is this server"),
            "every question would come back; name another upstream, or listen elsewhere".to_owned(),
        ),
        Breach::NoSuchProfile { name, known } => (
            format!("the Profile '{name}' does not exist"),
            match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "add a [[profile]], or the output of `aws route53profiles list-profiles`".to_owned(),
            },
        ),
        Breach::TooManyProfiles { vpc } => (
            format!("{vpc} has more than two Profiles"),
            "a VPC can have up to two (Route 53 guide, \"Quotas on Route 53 Profiles\")".to_owned(),
        ),
        Breach::ProfileOfOtherRegion { name, what, region, of } => (
            format!("the Profile {name} is of {of}, and {what} is in {region}"),
            "a Profile, its VPCs and its endpoints are in one Region".to_owned(),
        ),
        Breach::TooManyServices => ("there are more than 16,777,216 different services".to_owned(), String::new()),
        Breach::TooManyZones => ("more than 65,535 availability zones".to_owned(), String::new()),
    }
}

const NEVER_MOVES: &str = "an endpoint never moves: give the new one an id of its own";

fn add(table: &str, command: &str) -> String {
    format!("add a [[{table}]], or the output of `aws ec2 {command}`")
}

fn the_other(place: Option<&Place>) -> String {
    place.map(|at| format!("the other is at {at}")).unwrap_or_default()
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

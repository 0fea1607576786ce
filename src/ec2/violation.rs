//! What a broken rule of the model is called in EC2: its code and its text.
//!
//! Texts are EC2's own where one is known (AWS PrivateLink guide; errors that users of Terraform and the CDK reported),
//! else those that files get.

use std::fmt::Display;

use super::dns;
use super::error::ApiError;
use crate::model::{Breach, Violation};
use crate::problem::{Place, Problem};

/// The answer to a call that breaks a rule.
pub(super) fn error(violation: &Violation) -> ApiError {
    // what files use can only be missing as the call deletes it
    let is_of_files = violation.place.file != dns::place().file;
    if let Some(id) = missing(&violation.breach).filter(|_| is_of_files) {
        return in_use(id, &violation.place);
    }
    match &violation.breach {
        Breach::NoPrivateName { service } => ApiError::invalid(format!(
            "Private DNS can't be enabled because the service {service} does not provide a private DNS name."
        )),
        Breach::PrivateNameTaken { name, vpc, .. } | Breach::HostedZoneAtPrivateName { name, vpc, .. } => {
            ApiError::invalid(format!(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} in the VPC {vpc}"
            ))
        }
        // a file's zone, as the action has looked at those of the API
        Breach::HostedZoneTwice { name, .. } => ApiError::new(
            "ConflictingDomainExists",
            format!("A VPC has already been associated with a hosted zone with the same domain name: {name}."),
        ),
        // likewise: a rule of files
        Breach::RuleTwice { name, other } => {
            let other = other.as_ref().map_or_else(|| format!("for {name}"), |place| format!("at {place}"));
            ApiError::invalid(format!(
                "[RSLVR-00802] Cannot associate rules with same domain name with same VPC. Conflict with the resolver rule {other}"
            ))
        }
        Breach::SubnetOfOtherVpc { subnet, endpoint_vpc, .. } => {
            ApiError::invalid(format!("The subnet {subnet} does not belong to the VPC {endpoint_vpc}."))
        }
        Breach::ZoneNotOffered { service, subnet, .. } => ApiError::invalid(format!(
            "The VPC endpoint service {service} does not support the availability zone of the subnet: {subnet}."
        )),
        Breach::TwoSubnetsInZone { subnet, .. } => ApiError::new(
            "DuplicateSubnetsInSameZone",
            format!(
                "Found another VPC endpoint subnet in the availability zone of {subnet}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service."
            ),
        ),
        Breach::AddressOutsideSubnet { address, .. } => ApiError::outside_subnet(address),
        Breach::AddressInUse { address, .. } => ApiError::address_in_use(address),
        Breach::SubnetOutsideVpc { block, .. } => {
            ApiError::new("InvalidSubnet.Range", format!("The CIDR '{block}' is invalid."))
        }
        // whose it is, is nobody's business
        Breach::ListenerTwice { listener, .. } => {
            ApiError::value(listener, "vpcedns:listener", "This address is not available.")
        }
        Breach::ClientsTwice { network, .. } => {
            ApiError::value(network, "vpcedns:clients", "This network is not available.")
        }
        // rules of files, or of what the actions have looked up already
        _ => {
            let problem = Problem::from(violation.clone());
            let place =
                if problem.place.file == dns::place().file { String::new() } else { format!(" ({})", problem.place) };
            ApiError::invalid(problem.what + &place)
        }
    }
}

/// The id of what does not exist.
fn missing(breach: &Breach) -> Option<String> {
    match breach {
        Breach::NoSuchVpc { vpc, .. } => Some(vpc.to_string()),
        Breach::NoSuchSubnet { subnet } => Some(subnet.to_string()),
        Breach::NoSuchEndpoint { endpoint } => Some(endpoint.to_string()),
        Breach::NothingBelow { id } => Some(id.clone()),
        _ => None,
    }
}

/// What a file uses stays.
pub(super) fn in_use(id: impl Display, place: &Place) -> ApiError {
    ApiError::new("DependencyViolation", format!("{id} is used at {place} and cannot be deleted."))
}

//! The rules that EC2 has for endpoints and the model does not, one function each, with EC2's codes and texts.
//!
//! What the model checks is not repeated here (`ec2/violation.rs` says it in EC2's words). Texts are EC2's own where one
//! is known (AWS PrivateLink guide; errors that users of Terraform and the CDK reported), else in its manner.

use super::address::Wanted;
use crate::ec2::action::offer::Offer;
use crate::ec2::call::Call;
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, EndpointType, IpAddressType, Phase, VpcRecord};
use crate::ec2::route::check_table_id;
use crate::model::{Key, RecordIpType};
use crate::naming::{EndpointId, VpcId};

/// Most characters of a policy (AWS quota L-3248932A).
const LONGEST_POLICY: usize = 20_480;

/// The service takes endpoints of this type.
pub(super) fn kind(offer: &Offer<'_>, kind: EndpointType) -> Result<(), ApiError> {
    if offer.has_type(kind) { Ok(()) } else { Err(not_of_type(offer, kind.as_str())) }
}

/// The service does not take endpoints of this type.
pub(super) fn not_of_type(offer: &Offer<'_>, kind: &str) -> ApiError {
    let name = &offer.service.service_name;
    let message = format!("The Vpc Endpoint Service '{name}' does not support the endpoint type '{kind}'.");
    ApiError::new("InvalidServiceName", message)
}

/// The VPC has room for one more interface endpoint.
pub(super) fn quota(call: &Call<'_>, vpc: VpcId) -> Result<(), ApiError> {
    if call.state.interface_endpoints(vpc) < call.settings.endpoints_per_vpc {
        return Ok(());
    }
    Err(ApiError::new("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached."))
}

/// Takes `IpAddressType` of a call.
pub(super) fn take_ip_address_type(params: &mut Params) -> Result<Option<IpAddressType>, ApiError> {
    params.parsed("IpAddressType", "Expected ipv4, dualstack or ipv6.")
}

/// Takes `DnsOptions.DnsRecordIpType` of a call.
pub(super) fn take_dns_record_ip_type(options: &mut Params) -> Result<Option<RecordIpType>, ApiError> {
    let Some(text) = options.optional("DnsRecordIpType") else { return Ok(None) };
    // EC2 tells upper case from lower
    let known = text.parse::<RecordIpType>().ok().filter(|known| known.as_str() == text);
    let expected = "Expected ipv4, dualstack, ipv6 or service-defined.";
    known.map(Some).ok_or_else(|| ApiError::value(text, "DnsOptions.DnsRecordIpType", expected))
}

/// The service has addresses of each family that the type needs.
pub(super) fn ip_address_type(offer: &Offer<'_>, value: IpAddressType) -> Result<(), ApiError> {
    let needed: &[&str] = match value {
        IpAddressType::Ipv4 => &["ipv4"],
        IpAddressType::Ipv6 => &["ipv6"],
        IpAddressType::Dualstack => &["ipv4", "ipv6"],
    };
    if needed.iter().all(|family| offer.supports(family)) {
        return Ok(());
    }
    let (name, value) = (&offer.service.service_name, value.as_str());
    let message = format!("The VPC endpoint service {name} does not support the IP address type {value}.");
    Err(ApiError::invalid(message))
}

/// The records go with the addresses (PrivateLink guide, "DNS record IP type").
pub(super) fn dns_record_ip_type(records: RecordIpType, addresses: IpAddressType) -> Result<(), ApiError> {
    if addresses == IpAddressType::Dualstack || addresses.records() == records {
        return Ok(());
    }
    let addresses = addresses.as_str();
    let message = format!("DnsRecordIpType {records} is not compatible with IpAddressType {addresses}.");
    Err(ApiError::invalid(message))
}

/// Each subnet is given addresses once.
pub(super) fn wanted_once(wanted: &[Wanted]) -> Result<(), ApiError> {
    let twice = wanted.iter().enumerate().find(|(at, one)| wanted.iter().take(*at).any(|w| w.subnet == one.subnet));
    match twice {
        None => Ok(()),
        Some((_, one)) => {
            let message = format!("The subnet {} is in more than one SubnetConfiguration.", one.subnet);
            Err(ApiError::new("InvalidParameterCombination", message))
        }
    }
}

/// A security group is one of the VPC. Files know nothing of groups, so that in a VPC of theirs every id may be one, that of
/// another account's group, too: it tells nothing.
pub(in crate::ec2::action) fn group(call: &Call<'_>, vpc: VpcId, id: &str) -> Result<(), ApiError> {
    let digits = id.strip_prefix("sg-");
    if digits
        .is_none_or(|digits| digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
    {
        let message = format!("Invalid id: \"{id}\" (expecting \"sg-...\")");
        return Err(ApiError::new("InvalidGroupId.Malformed", message));
    }
    match call.state.security_group(id).filter(|group| call.sees(&group.owner) && call.is_here(group.vpc)) {
        Some(group) if group.vpc == vpc => Ok(()),
        None if call.state.vpc(vpc).is_none() => Ok(()),
        _ => Err(ApiError::not_found("sg-", id)),
    }
}

/// A policy is JSON of the length that EC2 takes.
pub(super) fn policy(text: &str) -> Result<(), ApiError> {
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
    if is_object && text.chars().count() <= LONGEST_POLICY {
        return Ok(());
    }
    let message = format!("The policy must be a JSON object of at most {LONGEST_POLICY} characters.");
    Err(ApiError::new("InvalidPolicyDocument", message))
}

/// Private DNS can be turned on: the provider has accepted, and the VPC has both attributes. The model only warns of the
/// attributes, as files may declare an endpoint whose private names wait for them.
pub(super) fn private_dns(vpc: &VpcRecord, offer: &Offer<'_>, is_accepted: bool) -> Result<(), ApiError> {
    // a service without private names is refused by the model
    if !is_accepted && !offer.service.private_names.is_empty() {
        let name = &offer.service.service_name;
        let message =
            format!("Private DNS can only be enabled after the endpoint connection is accepted by the owner of {name}");
        return Err(ApiError::invalid(message));
    }
    attributes(vpc)
}

/// The VPC has both attributes that private DNS needs.
pub(super) fn attributes(vpc: &VpcRecord) -> Result<(), ApiError> {
    if !vpc.enable_dns_support || !vpc.enable_dns_hostnames {
        let message = format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
            vpc.id
        );
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

/// Private names for inbound resolver endpoints alone need a gateway endpoint for all others (S3 guide, "Private DNS").
pub(super) fn inbound_only(call: &Call<'_>, vpc: VpcId, offer: &Offer<'_>) -> Result<(), ApiError> {
    let is_gateway = |endpoint: &EndpointRecord| {
        endpoint.kind == EndpointType::Gateway
            && endpoint.phase != Phase::Deleted
            && endpoint.service == offer.service.service_name
    };
    // a service without private names is refused by the model
    if offer.service.private_names.is_empty() || call.state.endpoints_of(vpc).any(is_gateway) {
        return Ok(());
    }
    let message = format!(
        "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {vpc} must have a Gateway endpoint for the service."
    );
    Err(ApiError::invalid(message))
}

/// Takes the options of DNS out of a call for a gateway endpoint, which has none: what is harmless is ignored.
pub(super) fn no_dns_options(params: &mut Params) -> Result<(), ApiError> {
    let mut options = params.structure("DnsOptions");
    if options.flag("PrivateDnsOnlyForInboundResolverEndpoint")?.is_some() {
        let message =
            "DnsOptions PrivateDnsOnlyForInboundResolverEndpoint is applicable only to Interface VPC Endpoints.";
        return Err(ApiError::invalid(message));
    }
    options.optional("DnsRecordIpType");
    options.finish()?;
    params.optional("IpAddressType");
    Ok(())
}

/// A parameter that endpoints of the other type have.
pub(super) fn only_for(what: &str, kind: EndpointType) -> ApiError {
    ApiError::invalid(format!("{what} only supported for {} type VPC Endpoint.", kind.as_str()))
}

/// A route table of a gateway endpoint: one of its VPC, or one that is not kept here, as files know nothing of tables.
/// What another account or Region has is as what nobody has.
pub(super) fn route_table_of(call: &Call<'_>, vpc: VpcId, id: &str) -> Result<(), ApiError> {
    check_table_id(id)?;
    match call.state.route_table(id).filter(|table| call.sees(&table.owner) && call.is_here(table.vpc)) {
        Some(table) if table.vpc != vpc => {
            Err(ApiError::invalid(format!("Route table {id} belongs to different VPC than {vpc}")))
        }
        _ => Ok(()),
    }
}

/// The endpoint is the API's, and in a state in which it can be changed.
pub(super) fn is_changeable(call: &Call<'_>, endpoint: &EndpointRecord) -> Result<(), ApiError> {
    call.owned(&Key::Endpoint(endpoint.id), endpoint.id)?;
    let id = endpoint.id;
    match endpoint.phase {
        Phase::Requested | Phase::Accepted => Ok(()),
        Phase::Rejected => {
            Err(ApiError::invalid(format!("The VPC endpoint {id} was rejected and cannot be modified.")))
        }
        Phase::Deleted => Err(ApiError::not_found(EndpointId::PREFIX, id)),
    }
}

//! Errors as EC2 answers them: a code that programs compare, a text that people read.

use std::borrow::Cow;
use std::fmt;

/// A call that was refused (EC2 API Reference, "Error codes").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// EC2's code.
    pub code: Cow<'static, str>,
    /// EC2's text where it is known.
    pub message: String,
}

impl ApiError {
    /// An error of the client, HTTP 400.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code: Cow::Borrowed(code), message: message.into() }
    }

    /// `InvalidParameter`, under which EC2 says most of what does not fit together.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameter", message)
    }

    /// `InvalidParameterValue`: a value that is malformed or out of its range.
    pub fn value(value: impl fmt::Display, parameter: &str, expected: impl fmt::Display) -> Self {
        let message = format!("Value ({value}) for parameter {parameter} is invalid. {expected}");
        Self::new("InvalidParameterValue", message)
    }

    /// `MissingParameter`.
    pub fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    /// EC2's error for an id that is not there, by what the id begins with: `vpc-`, `vpce-svc-`.
    pub fn not_found(prefix: &str, id: impl fmt::Display) -> Self {
        let (code, kind) = match prefix.trim_end_matches('-') {
            "vpc" => ("InvalidVpcID.NotFound", "vpc ID"),
            "subnet" => ("InvalidSubnetID.NotFound", "subnet ID"),
            "sg" => ("InvalidGroup.NotFound", "security group"),
            "rtb" => ("InvalidRouteTableID.NotFound", "routeTable ID"),
            "eni" => ("InvalidNetworkInterfaceID.NotFound", "networkInterface ID"),
            "vpce" => ("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id"),
            "vpce-svc" => ("InvalidVpcEndpointServiceId.NotFound", "VpcEndpointService Id"),
            _ => return Self::new("InvalidID", format!("The ID '{id}' is not valid")),
        };
        Self::new(code, format!("The {kind} '{id}' does not exist"))
    }

    /// EC2's error for an id without the form of those that begin with `prefix`; its code differs from kind to kind.
    pub fn malformed_id(code: &'static str, prefix: &str, id: &str) -> Self {
        let kind = match prefix.trim_end_matches('-') {
            "vpc" => "VPC",
            "subnet" => "Subnet",
            "eni" => "network interface",
            "rtb" => "route table",
            "vpce-svc" => "VPC endpoint service",
            _ => "VPC endpoint",
        };
        let message = format!(
            "Invalid {kind} Id: '{id}' (expecting '{prefix}...; the Id may only contain lowercase alphanumeric characters and a single dash')"
        );
        Self::new(code, message)
    }

    /// An address that another interface of the VPC has.
    pub fn address_in_use(address: impl fmt::Display) -> Self {
        Self::new("InvalidIPAddress.InUse", format!("Address {address} is in use."))
    }

    /// An address in none of its subnet's blocks.
    pub fn outside_subnet(address: impl fmt::Display) -> Self {
        let message = format!("Address {address} does not fall within the subnet's address range");
        Self::new("InvalidParameterValue", message)
    }

    /// `InternalError`, HTTP 500: it is on our side, and nothing was changed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, code: Cow::Borrowed("InternalError"), message: message.into() }
    }

    /// `Unavailable`, HTTP 503: it is on our side, and may work later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { status: 503, code: Cow::Borrowed("Unavailable"), message: message.into() }
    }

    /// `RequestLimitExceeded`, HTTP 503: too many change the same at one time.
    pub fn busy() -> Self {
        let message = "Request limit exceeded.".to_owned();
        Self { status: 503, code: Cow::Borrowed("RequestLimitExceeded"), message }
    }

    /// What a `DryRun` that would have succeeded answers.
    pub fn dry_run() -> Self {
        let message = "Request would have succeeded, but DryRun flag is set.";
        Self { status: 412, code: Cow::Borrowed("DryRunOperation"), message: message.to_owned() }
    }
}

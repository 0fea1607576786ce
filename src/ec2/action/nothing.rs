//! Kinds of objects that do not exist here: tools list them on the way, and get an empty list.

use crate::ec2::call::{Action, Done};
use crate::ec2::error::ApiError;
use crate::ec2::filter::ResultPage;
use crate::ec2::params::Params;
use crate::ec2::xml::Xml;

/// A kind of objects of which there are none.
struct NothingOf {
    /// The element of the empty list.
    set: &'static str,
    /// The parameter that names some.
    ids: &'static str,
    /// EC2's code for one that does not exist.
    missing: &'static str,
    /// What EC2 says of it: `*` is the id.
    text: &'static str,
}

/// Declares the actions that list kinds of which there are none.
macro_rules! nothing {
    ($($action:literal: $set:literal, $ids:literal, $missing:literal, $text:literal;)*) => {
        pub(super) const ACTIONS: &[Action] = &[$(Action {
            name: $action,
            writes: false,
            idempotent: false,
            run: |_, params| describe(params, &NothingOf { set: $set, ids: $ids, missing: $missing, text: $text }),
        }),*];
    };
}

nothing! {
    "DescribeNetworkAcls": "networkAclSet", "NetworkAclId",
        "InvalidNetworkAclID.NotFound", "The networkAcl ID '*' does not exist";
    "DescribeDhcpOptions": "dhcpOptionsSet", "DhcpOptionsId",
        "InvalidDhcpOptionID.NotFound", "The dhcpOption ID '*' does not exist";
    "DescribeInternetGateways": "internetGatewaySet", "InternetGatewayId",
        "InvalidInternetGatewayID.NotFound", "The internetGateway ID '*' does not exist";
    "DescribeEgressOnlyInternetGateways": "egressOnlyInternetGatewaySet", "EgressOnlyInternetGatewayId",
        "InvalidEgressOnlyInternetGatewayId.NotFound", "The egress only internet gateway ID '*' does not exist";
    "DescribeNatGateways": "natGatewaySet", "NatGatewayId",
        "NatGatewayNotFound", "NAT gateway * was not found";
    "DescribeVpcPeeringConnections": "vpcPeeringConnectionSet", "VpcPeeringConnectionId",
        "InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID '*' does not exist";
    "DescribeTransitGateways": "transitGatewaySet", "TransitGatewayIds",
        "InvalidTransitGatewayID.NotFound", "Transit Gateway * was deleted or does not exist.";
    "DescribeTransitGatewayVpcAttachments": "transitGatewayVpcAttachments", "TransitGatewayAttachmentIds",
        "InvalidTransitGatewayAttachmentID.NotFound", "Transit Gateway Attachment * was deleted or does not exist.";
    "DescribeVpnGateways": "vpnGatewaySet", "VpnGatewayId",
        "InvalidVpnGatewayID.NotFound", "The vpnGateway ID '*' does not exist";
    "DescribeAddresses": "addressesSet", "AllocationId",
        "InvalidAllocationID.NotFound", "The allocation ID '*' does not exist";
    "DescribeFlowLogs": "flowLogSet", "FlowLogId",
        "InvalidFlowLogId.NotFound", "The flow log ID '*' does not exist";
}

fn describe(params: &mut Params, nothing: &NothingOf) -> Result<Done, ApiError> {
    if let Some(id) = params.list(nothing.ids).first() {
        return Err(ApiError::new(nothing.missing, nothing.text.replace('*', id)));
    }
    // whatever they ask for, nothing has it
    params.structures("Filter");
    params.flag("IncludeManagedResources")?;
    ResultPage::take(params, 1)?;
    let mut answer = Xml::new();
    answer.texts(nothing.set, [""; 0]);
    Ok(Done { answer, ..Done::default() })
}

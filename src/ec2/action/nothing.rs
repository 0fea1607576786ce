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
    /// What EC2's text calls it.
    kind: &'static str,
}

/// Declares the actions that list kinds of which there are none.
macro_rules! nothing {
    ($($action:literal: $set:literal, $ids:literal, $missing:literal, $kind:literal;)*) => {
        pub(super) const ACTIONS: &[Action] = &[$(Action {
            name: $action,
            writes: false,
            idempotent: false,
            run: |_, params| describe(params, &NothingOf { set: $set, ids: $ids, missing: $missing, kind: $kind }),
        }),*];
    };
}

nothing! {
    "DescribeNetworkAcls": "networkAclSet", "NetworkAclId", "InvalidNetworkAclID.NotFound", "networkAcl";
    "DescribeDhcpOptions": "dhcpOptionsSet", "DhcpOptionsId", "InvalidDhcpOptionID.NotFound", "dhcpOption";
    "DescribeInternetGateways": "internetGatewaySet", "InternetGatewayId", "InvalidInternetGatewayID.NotFound", "internetGateway";
    "DescribeEgressOnlyInternetGateways": "egressOnlyInternetGatewaySet", "EgressOnlyInternetGatewayId", "InvalidGatewayID.NotFound", "egress only internet gateway";
    "DescribeNatGateways": "natGatewaySet", "NatGatewayId", "NatGatewayNotFound", "NAT gateway";
    "DescribeVpcPeeringConnections": "vpcPeeringConnectionSet", "VpcPeeringConnectionId", "InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection";
    "DescribeTransitGateways": "transitGatewaySet", "TransitGatewayIds", "InvalidTransitGatewayID.NotFound", "transit gateway";
    "DescribeTransitGatewayVpcAttachments": "transitGatewayVpcAttachments", "TransitGatewayAttachmentIds", "InvalidTransitGatewayAttachmentID.NotFound", "transit gateway attachment";
    "DescribeVpnGateways": "vpnGatewaySet", "VpnGatewayId", "InvalidVpnGatewayID.NotFound", "vpnGateway";
    "DescribeAddresses": "addressesSet", "AllocationId", "InvalidAllocationID.NotFound", "allocation";
    "DescribeFlowLogs": "flowLogSet", "FlowLogId", "InvalidFlowLogId.NotFound", "flow log";
}

fn describe(params: &mut Params, nothing: &NothingOf) -> Result<Done, ApiError> {
    if let Some(id) = params.list(nothing.ids).first() {
        return Err(ApiError::new(nothing.missing, format!("The {} ID '{id}' does not exist", nothing.kind)));
    }
    // whatever they ask for, nothing has it
    params.structures("Filter");
    params.flag("IncludeManagedResources")?;
    ResultPage::take(params, 1)?;
    let mut answer = Xml::new();
    answer.texts(nothing.set, [""; 0]);
    Ok(Done { answer, ..Done::default() })
}

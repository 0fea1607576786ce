//! The outputs that are read, and what to say of JSON that is none of them.

use super::super::reader::Fields;
use super::route53::COMMANDS;

/// Lists by their key, the same with one member as `create-*` prints it, and the command that prints the list.
pub(super) const LISTS: [(&str, &str, &str); 7] = [
    ("Vpcs", "Vpc", "describe-vpcs"),
    ("Subnets", "Subnet", "describe-subnets"),
    ("NetworkInterfaces", "NetworkInterface", "describe-network-interfaces"),
    ("Reservations", "Reservation", "describe-instances"),
    ("VpcEndpoints", "VpcEndpoint", "describe-vpc-endpoints"),
    ("VpcEndpointAssociations", "VpcEndpointAssociation", "describe-vpc-endpoint-associations"),
    ("ServiceDetails", "ServiceDetail", "describe-vpc-endpoint-services"),
];

/// Attributes of `describe-vpc-attribute`, one in each output.
pub(super) const ATTRIBUTES: [&str; 3] = ["EnableDnsSupport", "EnableDnsHostnames", "EnableNetworkAddressUsageMetrics"];

/// Keys of one object, with the list that it was probably cut out of by `--query`.
const CUT_OUT: [(&str, &str); 6] = [
    ("VpcEndpointId", "VpcEndpoints"),
    ("NetworkInterfaceId", "NetworkInterfaces"),
    ("SubnetId", "Subnets"),
    ("InstanceId", "Reservations"),
    ("ServiceName", "ServiceDetails"),
    ("VpcId", "Vpcs"),
];

/// Documents of other tools by a key that only they have.
const OTHERS: [(&str, &str); 5] = [
    (
        "AWSTemplateFormatVersion",
        "a CloudFormation template says what is to be made, and not which ids and addresses it got",
    ),
    ("Resources", "a CloudFormation template says what is to be made, and not which ids and addresses it got"),
    ("terraform_version", "Terraform's plan and state are not read"),
    ("planned_values", "Terraform's plan and state are not read"),
    ("TemplateBody", "a CloudFormation template says what is to be made, and not which ids and addresses it got"),
];

/// What would be read in place of this.
pub(super) fn hint(fields: &Fields<'_, '_>) -> String {
    let command =
        |list: &str| LISTS.iter().find(|(key, ..)| *key == list).map_or("describe-vpcs", |(.., command)| command);
    if let Some((key, list)) = CUT_OUT.iter().find(|(key, _)| fields.has(key)) {
        return format!(
            "an object with {key} is read out of the list {list}: save `aws ec2 {}` as it is, without --query",
            command(list)
        );
    }
    match OTHERS.iter().find(|(key, _)| fields.has(key)) {
        Some((_, what)) => format!("{what}; {}", known()),
        None => known(),
    }
}

/// Every output that is read.
pub(super) fn known() -> String {
    let lists: Vec<String> = LISTS.iter().map(|(key, _, command)| format!("{command} ({key})")).collect();
    let [support, hostnames, ..] = ATTRIBUTES;
    format!(
        "outputs of `aws ec2` that are read, each without --query: {}, describe-vpc-attribute (VpcId with {support} or {hostnames}); of others: {}",
        lists.join(", "),
        COMMANDS.map(|(_, command)| command).join(", ")
    )
}

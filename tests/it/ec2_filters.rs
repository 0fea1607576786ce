//! Every filter that botocore documents for a Describe action here is taken, and its aliases find the same.

use std::collections::BTreeSet;

use crate::common::ec2::Api;
use crate::common::xml::Node;
use crate::common::{BOTH, vpc};

const TABLE: &str = include_str!("../golden/ec2-filters.txt");

/// Aliases that AWS takes without documenting them: (action, name, alias).
const UNDOCUMENTED: &[(&str, &str, &str)] = &[
    // Ansible's `ec2_vpc_net`
    ("DescribeVpcs", "cidr", "cidr-block"),
    ("DescribeVpcs", "is-default", "isDefault"),
    ("DescribeVpcs", "dhcp-options-id", "dhcpOptionsId"),
    ("DescribeVpcs", "vpc-id", "vpcId"),
    ("DescribeSubnets", "vpc-id", "vpcId"),
    ("DescribeSubnets", "subnet-id", "subnetId"),
];

fn world() -> Api {
    let api = Api::new(&format!("{}{}", vpc(1, BOTH), vpc(2, "")));
    api.call("CreateVpc CidrBlock=10.9.0.0/16 TagSpecification.1.ResourceType=vpc TagSpecification.1.Tag.1.Key=a");
    api.call("CreateVpcEndpoint VpcId=vpc-00000001 VpcEndpointType=Interface ServiceName=com.amazonaws.us-east-1.sqs SubnetId.1=subnet-0000010a");
    api
}

/// A call of the action with what it requires, and a filter.
fn filtered(api: &Api, service: &str, action: &str, name: &str, value: &str) -> String {
    let required = match action {
        "DescribeVpcEndpointServicePermissions" => format!("ServiceId={service}"),
        _ => String::new(),
    };
    let name = if name == "tag" { "tag:a" } else { name };
    let call = format!("{action} {required} Filter.1.Name={name} Filter.1.Value.1={value}");
    api.try_call(&call).map_or_else(|error| format!("{action} {name}: {error}"), |answer| print(&answer))
}

fn print(answer: &Node) -> String {
    format!("{answer:?}")
}

#[test]
fn every_documented_filter_is_taken() {
    let api = world();
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/front/e94221227f1ba532";
    let made = api.call(&format!("CreateVpcEndpointServiceConfiguration NetworkLoadBalancerArn.1={arn}"));
    let service = made.text("serviceConfiguration/serviceId").to_owned();
    let mut aliases: BTreeSet<(&str, &str, &str)> = UNDOCUMENTED.iter().copied().collect();
    let (mut seen, mut refused) = (0, Vec::new());
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let (action, filters) = line.split_once(' ').unwrap();
        for filter in filters.split_whitespace() {
            seen += 1;
            let (name, alias) = filter.split_once('=').unwrap_or((filter, ""));
            if alias.is_empty() {
                let answer = filtered(&api, &service, action, name, "no-such-value");
                if answer.contains(": Invalid") {
                    refused.push(answer);
                }
            } else {
                aliases.insert((action, name, alias));
            }
        }
        let unknown = filtered(&api, &service, action, "no-such-filter", "x");
        let lists_nothing =
            api.try_call(action).is_ok_and(|all| all.children.iter().all(|set| set.children.is_empty()));
        assert!(lists_nothing || unknown.contains("no-such-filter"), "{unknown}");
    }
    assert!(seen > 250 && aliases.len() > 10, "{seen} filters, {} aliases", aliases.len());
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    for (action, name, alias) in aliases {
        // each finds the same for any value, and for none
        for value in ["*", "true", "false", "no-such-value", "10.9.0.0/16", "us-east-1?"] {
            let one = filtered(&api, &service, action, name, value);
            assert_eq!(one, filtered(&api, &service, action, alias, value), "{action} {name} {alias}");
            assert!(!one.contains(": Invalid"), "{one}");
        }
    }
}

//! Security groups with their rules, attributes that are kept, who calls, and kinds of which there are none.

use crate::common::ec2::Api;
use crate::common::{BOTH, vpc};

const SSH: &str = "IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=22 IpPermissions.1.ToPort=22 IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8";

/// A group `web` of the VPC of a file.
fn with_group() -> (Api, String) {
    let api = Api::new(&vpc(1, BOTH));
    let made = api.call("CreateSecurityGroup GroupName=web GroupDescription=w VpcId=vpc-00000001");
    let id = made.text("groupId").to_owned();
    (api, id)
}

/// `protocol from to peer description` of each rule that is described, sorted.
fn rules(api: &Api, group: &str) -> Vec<String> {
    let answer = api.call(&format!("DescribeSecurityGroupRules Filter.1.Name=group-id Filter.1.Value.1={group}"));
    let mut rules: Vec<String> = answer
        .items("securityGroupRuleSet")
        .iter()
        .map(|rule| {
            let peer: Vec<&str> = ["cidrIpv4", "cidrIpv6", "referencedGroupInfo/groupId"]
                .into_iter()
                .filter(|path| rule.find(path).is_some())
                .map(|path| rule.text(path))
                .collect();
            let direction = if rule.text("isEgress") == "true" { "out" } else { "in" };
            let description = if rule.find("description").is_some() { rule.text("description") } else { "-" };
            let (protocol, from, to) = (rule.text("ipProtocol"), rule.text("fromPort"), rule.text("toPort"));
            format!("{direction} {protocol} {from} {to} {} {description}", peer.join(" "))
        })
        .collect();
    rules.sort();
    rules
}

const ALL_OUT: &str = "out -1 -1 -1 0.0.0.0/0 -";
/// The same by IPv6, which the VPC has.
const ALL_OUT_6: &str = "out -1 -1 -1 ::/0 -";

#[test]
fn rules_are_kept_and_shown() {
    let (api, web) = with_group();
    assert_eq!(rules(&api, &web), [ALL_OUT, ALL_OUT_6], "a group comes with rules that let everything out");
    let default = rules(&api, "sg-00000001");
    assert_eq!(default, ["in -1 -1 -1 sg-00000001 -", ALL_OUT, ALL_OUT_6]);

    let more = "IpPermissions.2.IpProtocol=-1 IpPermissions.2.Groups.1.GroupId=sg-00000001 IpPermissions.1.IpRanges.1.Description=office IpPermissions.1.Ipv6Ranges.1.CidrIpv6=fd00::/8";
    let made = api.call(&format!("AuthorizeSecurityGroupIngress GroupId={web} {SSH} {more}"));
    assert_eq!(made.items("securityGroupRuleSet").len(), 3);
    let own = ["in -1 -1 -1 sg-00000001 -", "in tcp 22 22 10.0.0.0/8 office", "in tcp 22 22 fd00::/8 -"];
    let expected = [&own[..], &[ALL_OUT, ALL_OUT_6]].concat();
    assert_eq!(rules(&api, &web), expected);
    let api = api.reopen();
    assert_eq!(rules(&api, &web), expected, "they outlive a restart");

    let listed = api.call(&format!("DescribeSecurityGroups GroupId.1={web}"));
    let group = &listed.items("securityGroupInfo")[0];
    let permissions = group.items("ipPermissions");
    assert_eq!(permissions.len(), 2, "those of one protocol and ports together");
    let ssh = permissions.iter().find(|permission| permission.text("ipProtocol") == "tcp").unwrap();
    assert_eq!((ssh.text("fromPort"), ssh.text("toPort")), ("22", "22"));
    assert_eq!(ssh.texts("ipRanges", "cidrIp"), ["10.0.0.0/8"]);
    assert_eq!(ssh.texts("ipv6Ranges", "cidrIpv6"), ["fd00::/8"]);
    assert_eq!(group.items("ipPermissionsEgress")[0].text("ipProtocol"), "-1");
    for (filter, value, count) in [
        ("ip-permission.cidr", "10.*", 1),
        ("ip-permission.from-port", "22", 1),
        ("ip-permission.protocol", "udp", 0),
        ("ip-permission.group-id", "sg-00000001", 2),
        ("egress.ip-permission.cidr", "0.0.0.0/0", 2),
    ] {
        let found = api.call(&format!("DescribeSecurityGroups Filter.1.Name={filter} Filter.1.Value.1={value}"));
        assert_eq!(found.items("securityGroupInfo").len(), count, "{filter} {value}");
    }
    assert_eq!(
        api.error(&format!("AuthorizeSecurityGroupIngress GroupId={web} {SSH}")),
        "InvalidPermission.Duplicate: the specified rule \"peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW\" already exists"
    );
}

#[test]
fn a_group_lets_ipv6_out_where_its_vpc_has_it() {
    let api = Api::new("");
    let vpc = api.call("CreateVpc CidrBlock=10.7.0.0/16").text("vpc/vpcId").to_owned();
    let group = |name: &str| {
        api.call(&format!("CreateSecurityGroup GroupName={name} GroupDescription=g VpcId={vpc}"))
            .text("groupId")
            .to_owned()
    };
    let (before, default) = (group("before"), vpc.replacen("vpc-", "sg-", 1));
    assert_eq!(rules(&api, &before), [ALL_OUT]);
    let own = format!("in -1 -1 -1 {default} -");
    assert_eq!(rules(&api, &default), [own.as_str(), ALL_OUT]);
    let block = format!(
        "AssociateVpcCidrBlock VpcId={vpc} Ipv6CidrBlock=fd00:7::/56 Ipv6Pool=ipv6pool-ec2-1 Ipv6CidrBlockNetworkBorderGroup=us-east-1-bos-1"
    );
    let made = api.call(&block);
    assert_eq!(made.text("ipv6CidrBlockAssociation/ipv6Pool"), "ipv6pool-ec2-1");
    assert_eq!(made.text("ipv6CidrBlockAssociation/networkBorderGroup"), "us-east-1-bos-1");
    assert_eq!(rules(&api, &default), [own.as_str(), ALL_OUT, ALL_OUT_6], "the default group follows");
    assert_eq!(rules(&api, &before), [ALL_OUT], "others are as they were made");
    assert_eq!(rules(&api, &group("after")), [ALL_OUT, ALL_OUT_6]);
}

#[test]
fn rules_are_changed_and_revoked() {
    let (api, web) = with_group();
    let made = api.call(&format!("AuthorizeSecurityGroupIngress GroupId={web} {SSH}"));
    let rule = made.texts("securityGroupRuleSet", "securityGroupRuleId")[0].clone();
    api.call(&format!(
        "UpdateSecurityGroupRuleDescriptionsIngress GroupId={web} {SSH} IpPermissions.1.IpRanges.1.Description=x"
    ));
    assert_eq!(rules(&api, &web), ["in tcp 22 22 10.0.0.0/8 x", ALL_OUT, ALL_OUT_6]);
    let change = format!("SecurityGroupRule.1.SecurityGroupRuleId={rule} SecurityGroupRule.1.SecurityGroupRule");
    api.call(&format!(
        "ModifySecurityGroupRules GroupId={web} {change}.IpProtocol=udp SecurityGroupRule.1.SecurityGroupRule.FromPort=53 SecurityGroupRule.1.SecurityGroupRule.ToPort=53 SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.1.0.0/16"
    ));
    assert_eq!(rules(&api, &web), ["in udp 53 53 10.1.0.0/16 -", ALL_OUT, ALL_OUT_6]);
    assert_eq!(
        api.error(&format!("RevokeSecurityGroupIngress GroupId={web} {SSH}")),
        "InvalidPermission.NotFound: The specified rule does not exist in this security group."
    );
    api.call(&format!("RevokeSecurityGroupIngress GroupId={web} SecurityGroupRuleId.1={rule}"));
    let everything = "IpPermissions.1.IpProtocol=-1 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0 IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0";
    api.call(&format!("RevokeSecurityGroupEgress GroupId={web} {everything}"));
    assert!(rules(&api, &web).is_empty());
    let of_itself = format!("GroupId={web} IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId={web}");
    api.call(&format!("AuthorizeSecurityGroupIngress {of_itself}"));
    let gone = api.call(&format!("RevokeSecurityGroupIngress {of_itself}"));
    assert_eq!(gone.texts("revokedSecurityGroupRuleSet", "referencedGroupId"), [web.as_str()]);
    let api = api.reopen();
    assert!(rules(&api, &web).is_empty(), "the rule that it came with does not come back");
}

#[test]
fn bad_rules_are_refused() {
    let (api, web) = with_group();
    for (more, expected) in [
        ("", "MissingParameter: The request must contain the parameter IpPermissions"),
        (
            "IpPermissions.1.IpProtocol=tcp IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8",
            "InvalidParameterValue: Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
        ),
        (
            "IpProtocol=tcp FromPort=1 ToPort=2 CidrIp=10.0.0.0/33",
            "InvalidParameterValue: CIDR block 10.0.0.0/33 is malformed",
        ),
        (
            "IpProtocol=quic CidrIp=10.0.0.0/8",
            "InvalidParameterValue: Invalid value 'quic' for IP protocol. Unknown protocol.",
        ),
        (
            "IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId=sg-00000009",
            "InvalidGroup.NotFound: The security group 'sg-00000009' does not exist",
        ),
    ] {
        assert_eq!(api.error(format!("AuthorizeSecurityGroupIngress GroupId={web} {more}").trim_end()), expected);
    }
    let of_file = api.error(&format!("AuthorizeSecurityGroupIngress GroupId=sg-00000001 {SSH}"));
    assert!(of_file.starts_with("OperationNotPermitted: sg-00000001 is declared at "), "{of_file}");
    let other =
        api.call("CreateSecurityGroup GroupName=db GroupDescription=d VpcId=vpc-00000001").text("groupId").to_owned();
    let from_web = format!("IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId={web}");
    api.call(&format!("AuthorizeSecurityGroupIngress GroupId={other} {from_web}"));
    assert_eq!(
        api.error(&format!("DeleteSecurityGroup GroupId={web}")),
        format!("DependencyViolation: resource {web} has a dependent object")
    );
}

#[test]
fn attributes_that_are_taken_are_kept() {
    let api = Api::new("");
    let vpc = api.call("CreateVpc CidrBlock=10.7.0.0/16").text("vpc/vpcId").to_owned();
    let subnet =
        api.call(&format!("CreateSubnet VpcId={vpc} CidrBlock=10.7.1.0/24")).text("subnet/subnetId").to_owned();
    api.call(&format!("ModifyVpcAttribute VpcId={vpc} EnableNetworkAddressUsageMetrics.Value=true"));
    for attribute in [
        "MapPublicIpOnLaunch.Value=true",
        "AssignIpv6AddressOnCreation.Value=true",
        "EnableDns64.Value=true",
        "EnableResourceNameDnsARecordOnLaunch.Value=true",
        "EnableResourceNameDnsAAAARecordOnLaunch.Value=true",
        "PrivateDnsHostnameTypeOnLaunch=resource-name",
    ] {
        api.call(&format!("ModifySubnetAttribute SubnetId={subnet} {attribute}"));
    }
    let api = api.reopen();
    let metrics = api.call(&format!("DescribeVpcAttribute VpcId={vpc} Attribute=enableNetworkAddressUsageMetrics"));
    assert_eq!(metrics.text("enableNetworkAddressUsageMetrics/value"), "true");
    let listed = api.call(&format!("DescribeSubnets SubnetId.1={subnet}")).items("subnetSet")[0].clone();
    for (path, expected) in [
        ("mapPublicIpOnLaunch", "true"),
        ("assignIpv6AddressOnCreation", "true"),
        ("enableDns64", "true"),
        ("privateDnsNameOptionsOnLaunch/hostnameType", "resource-name"),
        ("privateDnsNameOptionsOnLaunch/enableResourceNameDnsARecord", "true"),
        ("privateDnsNameOptionsOnLaunch/enableResourceNameDnsAAAARecord", "true"),
    ] {
        assert_eq!(listed.text(path), expected, "{path}");
    }
    assert_eq!(
        api.error(&format!("ModifySubnetAttribute SubnetId={subnet}")),
        "InvalidParameterCombination: One attribute must be given, and only one."
    );
}

#[test]
fn filters_that_tools_use_undocumented() {
    let api = Api::new(&vpc(1, BOTH));
    for (action, set, filter, value) in [
        ("DescribeVpcs", "vpcSet", "cidr-block", "10.1.0.0/16"),
        ("DescribeVpcs", "vpcSet", "cidrBlock", "10.1.0.0/16"),
        ("DescribeVpcs", "vpcSet", "isDefault", "false"),
        ("DescribeSubnets", "subnetSet", "availabilityZone", "us-east-1a"),
        ("DescribeSubnets", "subnetSet", "cidrBlock", "10.1.1.0/24"),
        ("DescribeSubnets", "subnetSet", "cidr", "10.1.1.0/24"),
    ] {
        let found = api.call(&format!("{action} Filter.1.Name={filter} Filter.1.Value.1={value}"));
        assert_eq!(found.items(set).len(), 1, "{action} {filter}");
        let none = api.call(&format!("{action} Filter.1.Name={filter} Filter.1.Value.1=none"));
        assert_eq!(none.items(set).len(), 0, "{action} {filter}");
    }
}

#[test]
fn who_calls() {
    let mut api = Api::new("");
    "123456789012".clone_into(&mut api.account);
    let identity = api.form("123456789012", "Action=GetCallerIdentity&Version=2011-06-15").unwrap();
    for part in [
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>",
        "<Arn>arn:aws:iam::123456789012:root</Arn>",
        "<Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>",
    ] {
        assert!(identity.contains(part), "{part}: {identity}");
    }
    let user = api.form("123456789012", "Action=GetUser&Version=2010-05-08").unwrap();
    assert!(user.contains("<GetUserResult><User>") && user.contains("arn:aws:iam::123456789012:root"), "{user}");
    let roles = api.form("123456789012", "Action=ListRoles&Version=2010-05-08").unwrap();
    assert!(roles.contains("<ListRolesResult><Roles></Roles><IsTruncated>false</IsTruncated>"), "{roles}");
    let attributes = api.call("DescribeAccountAttributes AttributeName.1=supported-platforms");
    let all = attributes.items("accountAttributeSet");
    assert_eq!(all[0].texts("attributeValueSet", "attributeValue"), ["VPC"]);
}

#[test]
fn kinds_of_which_there_are_none() {
    let api = Api::new("");
    for (action, set) in [
        ("DescribeNetworkAcls", "networkAclSet"),
        ("DescribeDhcpOptions", "dhcpOptionsSet"),
        ("DescribeInternetGateways", "internetGatewaySet"),
        ("DescribeNatGateways", "natGatewaySet"),
        ("DescribeVpcPeeringConnections", "vpcPeeringConnectionSet"),
        ("DescribeTransitGateways", "transitGatewaySet"),
        ("DescribeInstances", "reservationSet"),
    ] {
        let answer = api.call(&format!("{action} Filter.1.Name=vpc-id Filter.1.Value.1=vpc-1"));
        assert!(answer.find(set).is_some() && answer.items(set).is_empty(), "{action}");
    }
    assert_eq!(
        api.error("DescribeInternetGateways InternetGatewayId.1=igw-1"),
        "InvalidInternetGatewayID.NotFound: The internetGateway ID 'igw-1' does not exist"
    );
}

/// LocalStack's habit, by which the command lines of the AWS guides run as they are printed.
#[test]
fn ids_can_be_chosen() {
    let api = Api::new(&vpc(1, BOTH));
    let tag = |kind: &str, id: &str| {
        format!(
            "TagSpecification.1.ResourceType={kind} TagSpecification.1.Tag.1.Key=_custom_id_ TagSpecification.1.Tag.1.Value={id}"
        )
    };
    let made = api.call(&format!("CreateVpc CidrBlock=10.9.0.0/16 {}", tag("vpc", "vpc-ec43eb89")));
    assert_eq!(made.text("vpc/vpcId"), "vpc-ec43eb89");
    let subnet = tag("subnet", "subnet-abababab");
    let made = api.call(&format!("CreateSubnet VpcId=vpc-ec43eb89 CidrBlock=10.9.1.0/24 {subnet}"));
    assert_eq!(made.text("subnet/subnetId"), "subnet-abababab");
    let endpoint = tag("vpc-endpoint", "vpce-088d25a4bbf4a7e66");
    let made = api.call(&format!(
        "CreateVpcEndpoint VpcId=vpc-ec43eb89 VpcEndpointType=Interface ServiceName=com.amazonaws.us-east-1.sqs SubnetId.1=subnet-abababab PrivateDnsEnabled=false {endpoint}"
    ));
    assert_eq!(made.text("vpcEndpoint/vpcEndpointId"), "vpce-088d25a4bbf4a7e66");
    let taken = "This ID is not available.";
    for (call, id, expected) in [
        ("CreateVpc CidrBlock=10.8.0.0/16", tag("vpc", "vpc-ec43eb89"), taken),
        ("CreateVpc CidrBlock=10.8.0.0/16", tag("vpc", "vpc-00000001"), taken),
        ("CreateVpc CidrBlock=10.8.0.0/16", tag("vpc", "vpc-1"), "Expected vpc- and 8 or 17 hex digits."),
        ("CreateSubnet VpcId=vpc-ec43eb89 CidrBlock=10.9.2.0/24", subnet.clone(), taken),
    ] {
        let error = api.error(&format!("{call} {id}"));
        assert!(error.starts_with("InvalidParameterValue: Value (") && error.ends_with(expected), "{error}");
    }
}

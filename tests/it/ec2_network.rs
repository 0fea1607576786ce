//! Route tables, blocks, default VPCs and network interfaces of the API: what is made is listed, and outlives a restart.

use crate::common::ec2::Api;
use crate::common::xml::Node;
use crate::common::{BOTH, vpc};

/// An API with a VPC 10.9.0.0/16 and a subnet in it; their ids.
fn world() -> (Api, String, String) {
    let api = Api::new(&vpc(1, BOTH));
    let vpc = api.call("CreateVpc CidrBlock=10.9.0.0/16").text("vpc/vpcId").to_owned();
    let subnet = api.call(&format!("CreateSubnet VpcId={vpc} CidrBlock=10.9.1.0/24"));
    let subnet = subnet.text("subnet/subnetId").to_owned();
    (api, vpc, subnet)
}

/// The only table that a filter finds.
fn table(api: &Api, name: &str, value: &str) -> Node {
    let answer = api.call(&format!("DescribeRouteTables Filter.1.Name={name} Filter.1.Value.1={value}"));
    let [table] = answer.items("routeTableSet")[..] else { panic!("{answer:?}") };
    table.clone()
}

#[test]
fn each_vpc_has_a_main_table() {
    let (api, vpc, _) = world();
    for vpc in [vpc.as_str(), "vpc-00000001"] {
        let main = table(&api, "vpc-id", vpc);
        assert_eq!(main.text("routeTableId"), vpc.replace("vpc-", "rtb-"));
        assert_eq!(main.texts("associationSet", "main"), ["true"]);
        assert_eq!(main.texts("associationSet", "associationState/state"), ["associated"]);
        assert!(main.items("routeSet").iter().all(|route| route.text("gatewayId") == "local"));
    }
    let main = vpc.replace("vpc-", "rtb-");
    assert!(api.error(&format!("DeleteRouteTable RouteTableId={main}")).starts_with("DependencyViolation: "));
    api.call(&format!("CreateRoute RouteTableId={main} DestinationCidrBlock=0.0.0.0/0 GatewayId=igw-1"));
    api.call(&format!("CreateTags ResourceId.1={main} Tag.1.Key=a Tag.1.Value=b"));
    let api = api.reopen();
    let stored = table(&api, "route.gateway-id", "igw-1");
    assert_eq!(stored.texts("routeSet", "destinationCidrBlock"), ["10.9.0.0/16", "0.0.0.0/0"]);
    assert_eq!(stored.texts("tagSet", "key"), ["a"]);
}

#[test]
fn tables_are_made_associated_and_deleted() {
    let (api, vpc, subnet) = world();
    let made = api.call(&format!("CreateRouteTable VpcId={vpc} ClientToken=t"));
    let id = made.text("routeTable/routeTableId").to_owned();
    let again = api.call(&format!("CreateRouteTable VpcId={vpc} ClientToken=t"));
    assert_eq!(again.text("routeTable/routeTableId"), id, "the same token");
    for (route, expected) in [
        ("DestinationCidrBlock=10.7.3.9/16 TransitGatewayId=tgw-1", "true"),
        ("DestinationIpv6CidrBlock=::/0 EgressOnlyInternetGatewayId=eigw-1", "true"),
        ("DestinationPrefixListId=pl-1 NatGatewayId=nat-1", "true"),
        (
            "DestinationCidrBlock=10.7.0.0/16 NatGatewayId=nat-1",
            "RouteAlreadyExists: The route identified by 10.7.0.0/16 already exists.",
        ),
        (
            "DestinationCidrBlock=10.9.0.0/16 NatGatewayId=nat-1",
            "RouteAlreadyExists: The route identified by 10.9.0.0/16 already exists.",
        ),
        (
            "DestinationCidrBlock=all NatGatewayId=nat-1",
            "InvalidParameterValue: Value (all) for parameter DestinationCidrBlock is invalid. This is not a valid CIDR block.",
        ),
        (
            "DestinationCidrBlock=10.8.0.0/16 NatGatewayId=nat-1 GatewayId=igw-1",
            "InvalidParameterCombination: One target must be given, and only one.",
        ),
        ("NatGatewayId=nat-1", "MissingParameter: The request must contain the parameter DestinationCidrBlock"),
    ] {
        let call = format!("CreateRoute RouteTableId={id} {route}");
        let said =
            api.try_call(&call).map_or_else(|error| error.to_string(), |answer| answer.text("return").to_owned());
        assert_eq!(said, expected, "{route}");
    }
    api.call(&format!("ReplaceRoute RouteTableId={id} DestinationCidrBlock=10.7.0.0/16 VpcPeeringConnectionId=pcx-1"));
    let seen = table(&api, "route.vpc-peering-connection-id", "pcx-1");
    assert_eq!(seen.items("routeSet").len(), 4);
    assert_eq!(seen.items("routeSet")[1].text("destinationCidrBlock"), "10.7.0.0/16");
    api.call(&format!("DeleteRoute RouteTableId={id} DestinationIpv6CidrBlock=::/0"));
    let missing = api.error(&format!("DeleteRoute RouteTableId={id} DestinationIpv6CidrBlock=::/0"));
    assert_eq!(
        missing,
        format!("InvalidRoute.NotFound: no route with destination-ipv6-cidr-block ::/0 in route table {id}")
    );

    let answer = api.call(&format!("AssociateRouteTable RouteTableId={id} SubnetId={subnet}"));
    let association = answer.text("associationId").to_owned();
    let twice = api.error(&format!("AssociateRouteTable RouteTableId={id} SubnetId={subnet}"));
    assert!(twice.starts_with("Resource.AlreadyAssociated: "), "{twice}");
    let api = api.reopen();
    assert_eq!(table(&api, "association.subnet-id", &subnet).text("routeTableId"), id);
    let other = api.call(&format!("CreateRouteTable VpcId={vpc}")).text("routeTable/routeTableId").to_owned();
    let answer = api.call(&format!("ReplaceRouteTableAssociation AssociationId={association} RouteTableId={other}"));
    let association = answer.text("newAssociationId").to_owned();
    assert_eq!(table(&api, "association.route-table-association-id", &association).text("routeTableId"), other);
    assert!(api.error(&format!("DeleteRouteTable RouteTableId={other}")).starts_with("DependencyViolation: "));
    api.call(&format!("DisassociateRouteTable AssociationId={association}"));
    assert!(
        api.error(&format!("DisassociateRouteTable AssociationId={association}"))
            .starts_with("InvalidAssociationID.NotFound")
    );

    // a gateway endpoint has a route in its tables, and loses it with them
    let s3 = "com.amazonaws.us-east-1.s3";
    let endpoint = api.call(&format!("CreateVpcEndpoint VpcId={vpc} ServiceName={s3} RouteTableId.1={id}"));
    let endpoint = endpoint.text("vpcEndpoint/vpcEndpointId").to_owned();
    let route = table(&api, "route.gateway-id", &endpoint);
    let list = api.call(&format!("DescribePrefixLists Filter.1.Name=prefix-list-name Filter.1.Value.1={s3}"));
    let list = list.texts("prefixListSet", "prefixListId");
    assert_eq!(route.items("routeSet").last().unwrap().text("destinationPrefixListId"), list[0]);
    assert_eq!(api.call(&format!("GetManagedPrefixListEntries PrefixListId={}", list[0])).items("entrySet").len(), 0);
    let foreign = api.error(&format!("CreateVpcEndpoint VpcId=vpc-00000001 ServiceName={s3} RouteTableId.1={id}"));
    assert_eq!(foreign, format!("InvalidParameter: Route table {id} belongs to different VPC than vpc-00000001"));
    api.call(&format!("AssociateRouteTable RouteTableId={other} SubnetId={subnet}"));
    assert!(api.error(&format!("DeleteVpc VpcId={vpc}")).starts_with("DependencyViolation: "));
    api.call(&format!("DeleteRouteTable RouteTableId={id}"));
    let left = api.call(&format!("DescribeVpcEndpoints VpcEndpointId.1={endpoint}"));
    assert_eq!(left.items("vpcEndpointSet")[0].items("routeTableIdSet").len(), 0);
    api.call(&format!("DeleteVpcEndpoints VpcEndpointId.1={endpoint}"));
    // a subnet goes with its association
    api.call(&format!("DeleteSubnet SubnetId={subnet}"));
    api.call(&format!("DeleteRouteTable RouteTableId={other}"));
    api.call(&format!("DeleteVpc VpcId={vpc}"));
    assert_eq!(api.stored().records().filter(|record| record.id().starts_with("rtb-")).count(), 0);
}

#[test]
fn the_main_table_can_be_another() {
    let (api, vpc, _) = world();
    let first = vpc.replace("vpc-", "rtb-");
    let other = api.call(&format!("CreateRouteTable VpcId={vpc}")).text("routeTable/routeTableId").to_owned();
    let association = vpc.replace("vpc-", "rtbassoc-");
    api.call(&format!("ReplaceRouteTableAssociation AssociationId={association} RouteTableId={other}"));
    let mains = format!(
        "DescribeRouteTables Filter.1.Name=association.main Filter.1.Value.1=true Filter.2.Name=vpc-id Filter.2.Value.1={vpc}"
    );
    assert_eq!(api.call(&mains).texts("routeTableSet", "routeTableId"), [other]);
    api.call(&format!("DeleteRouteTable RouteTableId={first}"));
    let all = api.call(&format!("DescribeRouteTables Filter.1.Name=vpc-id Filter.1.Value.1={vpc}"));
    assert_eq!(all.items("routeTableSet").len(), 1, "the first one does not come back");
}

#[test]
fn a_vpc_has_more_blocks() {
    let (api, vpc, subnet) = world();
    let made = api.call(&format!("AssociateVpcCidrBlock VpcId={vpc} CidrBlock=10.10.0.0/16"));
    let id = made.text("cidrBlockAssociation/associationId").to_owned();
    assert_eq!(made.text("cidrBlockAssociation/cidrBlockState/state"), "associating");
    let v6 = api.call(&format!("AssociateVpcCidrBlock VpcId={vpc} Ipv6CidrBlock=fd00:9::/56"));
    let v6 = v6.text("ipv6CidrBlockAssociation/associationId").to_owned();
    let api = api.reopen();
    let seen = api.call(&format!("DescribeVpcs VpcId.1={vpc}")).items("vpcSet")[0].clone();
    assert_eq!(seen.texts("cidrBlockAssociationSet", "cidrBlock"), ["10.9.0.0/16", "10.10.0.0/16"]);
    assert_eq!(seen.texts("cidrBlockAssociationSet", "associationId")[1], id);
    assert_eq!(seen.text("cidrBlock"), "10.9.0.0/16");
    let second = api.call(&format!("CreateSubnet VpcId={vpc} CidrBlock=10.10.1.0/24"));
    let of_v6 = api.call(&format!("AssociateSubnetCidrBlock SubnetId={subnet} Ipv6CidrBlock=fd00:9::/64"));
    let of_v6 = of_v6.text("ipv6CidrBlockAssociation/associationId").to_owned();
    let primary = seen.texts("cidrBlockAssociationSet", "associationId")[0].clone();
    for (call, code) in [
        (format!("AssociateVpcCidrBlock VpcId={vpc} CidrBlock=10.9.128.0/20"), "InvalidVpc.Range"),
        (format!("AssociateVpcCidrBlock VpcId={vpc}"), "MissingParameter"),
        ("AssociateVpcCidrBlock VpcId=vpc-00000001 CidrBlock=10.20.0.0/16".to_owned(), "OperationNotPermitted"),
        (format!("DisassociateVpcCidrBlock AssociationId={primary}"), "OperationNotPermitted"),
        (format!("DisassociateVpcCidrBlock AssociationId={id}"), "InvalidCidrBlock.InUse"),
        (format!("DisassociateVpcCidrBlock AssociationId={v6}"), "InvalidCidrBlock.InUse"),
        (
            "DisassociateVpcCidrBlock AssociationId=vpc-cidr-assoc-1".to_owned(),
            "InvalidVpcCidrBlockAssociationID.NotFound",
        ),
        (format!("AssociateSubnetCidrBlock SubnetId={subnet} Ipv6CidrBlock=fd00:9:0:1::/64"), "CidrLimitExceeded"),
    ] {
        let error = api.error(&call);
        assert!(error.starts_with(&format!("{code}: ")), "{call}: {error}");
    }
    api.call(&format!("DisassociateSubnetCidrBlock AssociationId={of_v6}"));
    api.call(&format!("DeleteSubnet SubnetId={}", second.text("subnet/subnetId")));
    api.call(&format!("DisassociateVpcCidrBlock AssociationId={id}"));
    api.call(&format!("DisassociateVpcCidrBlock AssociationId={v6}"));
    let seen = api.call(&format!("DescribeVpcs VpcId.1={vpc}"));
    assert_eq!(seen.items("vpcSet")[0].texts("cidrBlockAssociationSet", "cidrBlock"), ["10.9.0.0/16"]);
}

#[test]
fn a_default_vpc_is_made_on_demand() {
    let api = Api::new("");
    assert!(api.error("CreateSecurityGroup GroupName=g GroupDescription=d").starts_with("VPCIdNotSpecified: "));
    assert!(api.error("CreateDefaultSubnet AvailabilityZone=us-east-1a").starts_with("DefaultVpcDoesNotExist: "));
    let vpc = api.call("CreateDefaultVpc").text("vpc/vpcId").to_owned();
    let api = api.reopen();
    assert!(api.error("CreateDefaultVpc").starts_with("DefaultVpcAlreadyExists: "));
    let seen = api.call("DescribeVpcs Filter.1.Name=isDefault Filter.1.Value.1=true");
    assert_eq!(seen.texts("vpcSet", "cidrBlock"), ["172.31.0.0/16"]);
    let seen = api.call("DescribeSubnets Filter.1.Name=defaultForAz Filter.1.Value.1=true");
    assert_eq!(seen.items("subnetSet").len(), 6);
    let one = seen.items("subnetSet")[0];
    assert_eq!((one.text("mapPublicIpOnLaunch"), one.text("availableIpAddressCount")), ("true", "4091"));
    api.call("CreateSecurityGroup GroupName=g GroupDescription=d");
    let groups = api.call(&format!("GetSecurityGroupsForVpc VpcId={vpc}"));
    let mut names = groups.texts("securityGroupForVpcSet", "groupName");
    names.sort();
    assert_eq!(names, ["default", "g"]);
    let attributes = api.call("DescribeAccountAttributes AttributeName.1=default-vpc");
    let set = attributes.items("accountAttributeSet")[0];
    assert_eq!(set.texts("attributeValueSet", "attributeValue"), [vpc.as_str()]);
    let zone = one.text("availabilityZone");
    let again = format!("CreateDefaultSubnet AvailabilityZone={zone}");
    assert!(api.error(&again).starts_with("DefaultSubnetAlreadyExistsInAvailabilityZone: "));
    api.call(&format!("DeleteSubnet SubnetId={}", one.text("subnetId")));
    assert_eq!(api.call(&again).text("subnet/cidrBlock"), one.text("cidrBlock"));
    // endpoints have private DNS in it at once
    let subnet = api.call(&format!("DescribeSubnets Filter.1.Name=availability-zone Filter.1.Value.1={zone}"));
    let subnet = subnet.items("subnetSet")[0].text("subnetId").to_owned();
    api.call(&format!("CreateVpcEndpoint VpcId={vpc} VpcEndpointType=Interface ServiceName=com.amazonaws.us-east-1.sqs SubnetId.1={subnet}"));
    assert!(api.addresses("172.31.0.9", "sqs.us-east-1.amazonaws.com")[0].starts_with("172.31."));
}

#[test]
fn interfaces_are_made_and_have_names() {
    let (api, vpc, subnet) = world();
    api.call(&format!("ModifyVpcAttribute VpcId={vpc} EnableDnsHostnames.Value=true"));
    let wanted = format!("CreateNetworkInterface SubnetId={subnet} PrivateIpAddress=10.9.1.77 Description=mine");
    let made =
        api.call(&format!("{wanted} TagSpecification.1.ResourceType=network-interface TagSpecification.1.Tag.1.Key=a"));
    let id = made.text("networkInterface/networkInterfaceId").to_owned();
    let api = api.reopen();
    let seen = api.call(&format!("DescribeNetworkInterfaces NetworkInterfaceId.1={id}"));
    let one = seen.items("networkInterfaceSet")[0];
    assert_eq!(
        (one.text("status"), one.text("interfaceType"), one.text("description")),
        ("available", "interface", "mine")
    );
    assert!(one.find("attachment").is_none() && one.find("requesterId").is_none(), "{one:?}");
    assert_eq!(one.text("privateDnsName"), "ip-10-9-1-77.ec2.internal");
    assert_eq!(one.texts("tagSet", "key"), ["a"]);
    assert_eq!(api.addresses("10.9.0.5", "ip-10-9-1-77.ec2.internal"), ["10.9.1.77"]);
    let subnets = api.call(&format!("DescribeSubnets SubnetId.1={subnet}"));
    assert_eq!(subnets.items("subnetSet")[0].text("availableIpAddressCount"), "250");
    for (call, code) in [
        (wanted, "InvalidIPAddress.InUse"),
        (format!("CreateNetworkInterface SubnetId={subnet} PrivateIpAddress=10.9.2.7"), "InvalidParameterValue"),
        (format!("CreateNetworkInterface SubnetId={subnet} PrivateIpAddress=10.9.1.3"), "InvalidParameterValue"),
        (format!("CreateNetworkInterface SubnetId={subnet} SecurityGroupId.1=sg-00000001"), "InvalidGroup.NotFound"),
        (format!("DeleteSubnet SubnetId={subnet}"), "DependencyViolation"),
        ("DeleteNetworkInterface NetworkInterfaceId=eni-00000009".to_owned(), "InvalidNetworkInterfaceID.NotFound"),
    ] {
        let error = api.error(&call);
        assert!(error.starts_with(&format!("{code}: ")), "{call}: {error}");
    }
    let free = api.call(&format!("CreateNetworkInterface SubnetId={subnet}"));
    let free = free.text("networkInterface/networkInterfaceId").to_owned();
    for id in [&id, &free] {
        api.call(&format!("DeleteNetworkInterface NetworkInterfaceId={id}"));
    }
    assert_eq!(api.addresses("10.9.0.5", "ip-10-9-1-77.ec2.internal"), ["NXDOMAIN"]);
    api.call(&format!("DeleteSubnet SubnetId={subnet}"));
    assert_eq!(api.call("DescribeVpcEndpointAssociations").items("vpcEndpointAssociationSet").len(), 0);
    let unknown = api.try_call("DescribeVpcEndpointAssociations VpcEndpointId.1=vpce-00000000000000009");
    assert_eq!(unknown.unwrap_err().code, "InvalidVpcEndpointId.NotFound");
}

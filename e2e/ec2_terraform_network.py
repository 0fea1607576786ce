"""What Terraform's provider calls for a VPC, a security group, and an endpoint with its associations, in its order.

Each resource is created, read, planned (a read that says the same: no drift), updated, planned again and destroyed, until it is not
found. The sequences are those of the provider's source (resources aws_vpc, aws_security_group, aws_vpc_security_group_*_rule,
aws_vpc_endpoint and its *_association, *_policy, *_private_dns, *_accepter, aws_vpc_endpoint_service_allowed_principal), the codes
those that it waits for or takes for success.
"""

from support import awstools
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server
from support.scenario import ELB

EVERYWHERE = [{"FromPort": 0, "ToPort": 0, "IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
EVERYWHERE_V6 = [{"FromPort": 0, "ToPort": 0, "IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
POLICY = '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}],"Version":"2012-10-17"}'


def run(case):
    awstools.need("boto3")
    ec2 = awstools.client(Ec2Server(case))
    vpc = a_vpc(case, ec2)
    group = security_group(case, ec2, vpc)
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"127.60.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
               for n, zone in enumerate("ab")]
    associations(case, ec2, vpc, group, subnets)
    gateway(case, ec2, vpc)
    provider(case, ec2, vpc, subnets)
    destroyed(case, ec2, vpc, group, subnets)


def a_vpc(case, ec2):
    vpc = ec2.create_vpc(CidrBlock="127.60.0.0/16", InstanceTenancy="default", AmazonProvidedIpv6CidrBlock=False,
                         TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "tf"}]}])["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})

    def read():
        attributes = [ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)[key]["Value"] for name, key in (
            ("enableDnsHostnames", "EnableDnsHostnames"), ("enableDnsSupport", "EnableDnsSupport"),
            ("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics"))]
        acls = ec2.describe_network_acls(Filters=[{"Name": "default", "Values": ["true"]}, {"Name": "vpc-id", "Values": [vpc]}])
        table, = ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]},
                                                    {"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
        group, = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]},
                                                       {"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        return (ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"], attributes, acls["NetworkAcls"], table["RouteTableId"], group["GroupId"])

    seen = read()
    case.equal("aws_vpc: attributes", seen[1], [True, True, False])
    case.equal("aws_vpc: a plan", read(), seen)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableNetworkAddressUsageMetrics={"Value": True})
    ec2.modify_vpc_tenancy(VpcId=vpc, InstanceTenancy="default")
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "env", "Value": "test"}])
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "tf"}])
    after = read()
    case.equal("aws_vpc: after an update", (after[1], after[0][0]["Tags"]), ([True, True, True], [{"Key": "env", "Value": "test"}]))
    case.equal("aws_vpc: a plan after it", read(), after)
    return vpc


def security_group(case, ec2, vpc):
    group = ec2.create_security_group(GroupName="tf-group", Description="Managed by Terraform", VpcId=vpc)["GroupId"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=EVERYWHERE)
    error = error_of(ec2.revoke_security_group_egress, GroupId=group, IpPermissions=EVERYWHERE_V6)
    case.check(error and (error[0] == "InvalidPermission.NotFound" or "remote-ipv6-range" in error[1]),
               f"aws_security_group: revoking an IPv6 rule that is not there: {error}")
    https = [{"FromPort": 443, "ToPort": 443, "IpProtocol": "tcp",
              "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "inside"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=https)

    def read():
        found, = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return found

    seen = read()
    case.equal("aws_security_group: rules", (seen["IpPermissionsEgress"], seen["IpPermissions"][0]["IpRanges"]), ([], https[0]["IpRanges"]))
    case.equal("aws_security_group: a plan", read(), seen)
    # aws_vpc_security_group_ingress_rule: a resource of one rule
    rule, = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 53, "ToPort": 53, "UserIdGroupPairs": [{"GroupId": group}]}])["SecurityGroupRules"]
    of_one = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])["SecurityGroupRules"]
    case.equal("aws_vpc_security_group_ingress_rule", (of_one[0]["IsEgress"], of_one[0]["ReferencedGroupInfo"]["GroupId"]), (False, group))
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[
        {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": {
            "IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "ReferencedGroupId": group}}])
    of_one = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])["SecurityGroupRules"]
    case.equal("the rule after an update", of_one[0]["IpProtocol"], "udp")
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    error = error_of(ec2.describe_security_group_rules, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    case.equal("the rule destroyed", error and error[0], "InvalidSecurityGroupRuleId.NotFound")
    return group


def associations(case, ec2, vpc, group, subnets):
    """An endpoint without subnets and with the default group, then each as a resource of its own."""
    made = ec2.create_vpc_endpoint(ClientToken="tf-1", PrivateDnsEnabled=False, VpcEndpointType="Interface", VpcId=vpc,
                                   ServiceName=f"com.amazonaws.{REGION}.sqs")["VpcEndpoint"]["VpcEndpointId"]

    def read():
        found, = ec2.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"]
        return {**found, "State": ""}

    default, = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]},
                                                     {"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    case.equal("its default group", [one["GroupId"] for one in read()["Groups"]], [default["GroupId"]])
    for subnet in subnets:
        ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSubnetIds=[subnet])
        case.check(subnet in read()["SubnetIds"], "aws_vpc_endpoint_subnet_association", read())
    # replace_default_association
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSecurityGroupIds=[group])
    ec2.modify_vpc_endpoint(VpcEndpointId=made, RemoveSecurityGroupIds=[default["GroupId"]])
    case.equal("aws_vpc_endpoint_security_group_association", [one["GroupId"] for one in read()["Groups"]], [group])
    ec2.modify_vpc_endpoint(VpcEndpointId=made, PolicyDocument=POLICY)
    case.equal("aws_vpc_endpoint_policy", read()["PolicyDocument"], POLICY)
    ec2.modify_vpc_endpoint(VpcEndpointId=made, PrivateDnsEnabled=True)
    case.equal("aws_vpc_endpoint_private_dns", read()["PrivateDnsEnabled"], True)
    seen = read()
    case.equal("a plan of all of them", read(), seen)
    lists = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [seen["ServiceName"]]}])["PrefixLists"]
    case.equal("no prefix list", lists, [])
    ec2.modify_vpc_endpoint(VpcEndpointId=made, ResetPolicy=True)
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSecurityGroupIds=[default["GroupId"]])
    ec2.modify_vpc_endpoint(VpcEndpointId=made, RemoveSecurityGroupIds=[group])
    for subnet in subnets:
        ec2.modify_vpc_endpoint(VpcEndpointId=made, RemoveSubnetIds=[subnet])
    again = error_of(ec2.modify_vpc_endpoint, VpcEndpointId=made, RemoveSubnetIds=[subnets[0]])
    case.equal("an association destroyed twice", again and again[0], "InvalidParameter")
    case.equal("all of them destroyed", (read()["SubnetIds"], [one["GroupId"] for one in read()["Groups"]]), ([], [default["GroupId"]]))
    case.equal("aws_vpc_endpoint destroyed", ec2.delete_vpc_endpoints(VpcEndpointIds=[made])["Unsuccessful"], [])


def gateway(case, ec2, vpc):
    table = ec2.create_route_table(VpcId=vpc, ClientToken="tf-2")["RouteTable"]["RouteTableId"]
    made = ec2.create_vpc_endpoint(ClientToken="tf-3", PrivateDnsEnabled=False, VpcEndpointType="Gateway", VpcId=vpc,
                                   ServiceName=f"com.amazonaws.{REGION}.s3")["VpcEndpoint"]["VpcEndpointId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddRouteTableIds=[table])
    found, = ec2.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"]
    case.equal("aws_vpc_endpoint_route_table_association", found["RouteTableIds"], [table])
    # a gateway's route is the endpoint's, which the provider leaves out of the table's own
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    case.check(any(route.get("GatewayId") == made for route in routes), "the gateway's route", routes)
    ec2.modify_vpc_endpoint(VpcEndpointId=made, RemoveRouteTableIds=[table])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    ec2.delete_route_table(RouteTableId=table)


def provider(case, ec2, vpc, subnets):
    """aws_vpc_endpoint_service, its allowed principal, an endpoint with auto_accept, aws_vpc_endpoint_connection_accepter."""
    service = ec2.create_vpc_endpoint_service_configuration(AcceptanceRequired=True, NetworkLoadBalancerArns=[ELB],
                                                            ClientToken="tf-4")["ServiceConfiguration"]
    ident, principal = service["ServiceId"], "arn:aws:iam::123456789012:root"
    added = ec2.modify_vpc_endpoint_service_permissions(ServiceId=ident, AddAllowedPrincipals=[principal])["AddedPrincipals"]
    listed = ec2.describe_vpc_endpoint_service_permissions(ServiceId=ident)["AllowedPrincipals"]
    case.equal("aws_vpc_endpoint_service_allowed_principal", [(one["Principal"], one["ServicePermissionId"]) for one in listed],
               [(principal, added[0]["ServicePermissionId"])])
    made = ec2.create_vpc_endpoint(ClientToken="tf-5", PrivateDnsEnabled=False, VpcEndpointType="Interface", VpcId=vpc,
                                   ServiceName=service["ServiceName"], SubnetIds=subnets)["VpcEndpoint"]["VpcEndpointId"]
    # auto_accept looks the service up by its name
    found, = ec2.describe_vpc_endpoint_service_configurations(
        Filters=[{"Name": "service-name", "Values": [service["ServiceName"]]}])["ServiceConfigurations"]
    case.equal("the service by its name", found["ServiceId"], ident)
    case.equal("accepted", ec2.accept_vpc_endpoint_connections(ServiceId=ident, VpcEndpointIds=[made])["Unsuccessful"], [])
    connection, = ec2.describe_vpc_endpoint_connections(Filters=[{"Name": "vpc-endpoint-id", "Values": [made]}])["VpcEndpointConnections"]
    case.equal("aws_vpc_endpoint_connection_accepter", connection["VpcEndpointState"], "available")
    case.equal("rejected", ec2.reject_vpc_endpoint_connections(ServiceId=ident, VpcEndpointIds=[made])["Unsuccessful"], [])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=ident, RemoveAllowedPrincipals=[principal])
    case.equal("the service destroyed", ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[ident])["Unsuccessful"], [])


def destroyed(case, ec2, vpc, group, subnets):
    lingering = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"]
    case.equal("no interface keeps the group", lingering, [])
    ec2.delete_security_group(GroupId=group)
    for method, parameters, code in (
            (ec2.describe_security_groups, {"GroupIds": [group]}, "InvalidGroup.NotFound"),
            (ec2.delete_security_group, {"GroupId": group}, "InvalidGroup.NotFound")):
        error = error_of(method, **parameters)
        case.equal("aws_security_group destroyed", error and error[0], code)
    for subnet in subnets:
        left = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])["NetworkInterfaces"]
        case.equal("no interface keeps the subnet", left, [])
        ec2.delete_subnet(SubnetId=subnet)
        error = error_of(ec2.describe_subnets, SubnetIds=[subnet])
        case.equal("aws_subnet destroyed", error and error[0], "InvalidSubnetID.NotFound")
    ec2.delete_vpc(VpcId=vpc)
    error = error_of(ec2.describe_vpcs, VpcIds=[vpc])
    case.equal("aws_vpc destroyed", error and error[0], "InvalidVpcID.NotFound")

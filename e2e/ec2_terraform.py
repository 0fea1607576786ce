"""Each attribute that Terraform reads back of endpoints and endpoint services is there, with the right type.

The attributes are those of the provider's `aws_vpc_endpoint`, `aws_vpc_endpoint_service` (resource and data source),
`aws_vpc_endpoint_connection_notification` and what they stand on; the calls are those that the provider makes to read
them, in its order, by boto3. Terraform itself is not run: its provider is no part of any package that tests install.
"""

import ast
import json
import re
from datetime import datetime

from support import awstools
from support.awstools import error_of
from support.case import wait_for
from support.ec2 import REGION, Ec2Server
from support.scenario import ELB, describe, interface, play, refused

ACCOUNT = str  # an account id is text, never a number

# Terraform attribute: (path in the answer, type). A list type says what its items are.
ENDPOINT = {
    "id": ("VpcEndpointId", str), "creation time": ("CreationTimestamp", datetime),
    "dns_entry": ("DnsEntries", [dict]), "dns_entry.dns_name": ("DnsEntries[].DnsName", [str]),
    "dns_entry.hosted_zone_id": ("DnsEntries[].HostedZoneId", [str]),
    "dns_options.dns_record_ip_type": ("DnsOptions.DnsRecordIpType", str), "ip_address_type": ("IpAddressType", str),
    "network_interface_ids": ("NetworkInterfaceIds", [str]), "owner_id": ("OwnerId", ACCOUNT),
    "policy": ("PolicyDocument", str), "private_dns_enabled": ("PrivateDnsEnabled", bool),
    "requester_managed": ("RequesterManaged", bool), "route_table_ids": ("RouteTableIds", list),
    "security_group_ids": ("Groups[].GroupId", [str]), "service_name": ("ServiceName", str),
    "service_region": ("ServiceRegion", str), "state": ("State", str), "subnet_ids": ("SubnetIds", [str]),
    "tags": ("Tags", [dict]), "vpc_endpoint_type": ("VpcEndpointType", str), "vpc_id": ("VpcId", str),
}
INTERFACE = {
    "id": ("NetworkInterfaceId", str), "subnet_configuration.subnet_id": ("SubnetId", str),
    "subnet_configuration.ipv4": ("PrivateIpAddress", str),
    "private_ips": ("PrivateIpAddresses[].PrivateIpAddress", [str]),
    "interface_type": ("InterfaceType", str), "description": ("Description", str), "mac_address": ("MacAddress", str),
    "requester_id": ("RequesterId", str), "requester_managed": ("RequesterManaged", bool),
    "owner_id": ("OwnerId", ACCOUNT),
    "availability_zone": ("AvailabilityZone", str), "vpc_id": ("VpcId", str),
    "security_groups": ("Groups[].GroupId", [str]),
    "source_dest_check": ("SourceDestCheck", bool), "status": ("Status", str), "tags": ("TagSet", list),
    "ipv6_addresses": ("Ipv6Addresses", list), "attachment": ("Attachment.Status", str),
}
SERVICE = {
    "acceptance_required": ("AcceptanceRequired", bool), "availability_zones": ("AvailabilityZones", [str]),
    "base_endpoint_dns_names": ("BaseEndpointDnsNames", [str]), "manages_vpc_endpoints": ("ManagesVpcEndpoints", bool),
    "network_load_balancer_arns": ("NetworkLoadBalancerArns", [str]), "private_dns_name": ("PrivateDnsName", str),
    "private_dns_name_configuration.name": ("PrivateDnsNameConfiguration.Name", str),
    "private_dns_name_configuration.state": ("PrivateDnsNameConfiguration.State", str),
    "private_dns_name_configuration.type": ("PrivateDnsNameConfiguration.Type", str),
    "private_dns_name_configuration.value": ("PrivateDnsNameConfiguration.Value", str),
    "id": ("ServiceId", str), "service_name": ("ServiceName", str),
    "service_type": ("ServiceType[].ServiceType", [str]),
    "state": ("ServiceState", str), "supported_ip_address_types": ("SupportedIpAddressTypes", [str]),
    "tags": ("Tags", [dict]),
}
DATA_SERVICE = {
    "acceptance_required": ("AcceptanceRequired", bool), "availability_zones": ("AvailabilityZones", [str]),
    "base_endpoint_dns_names": ("BaseEndpointDnsNames", [str]), "manages_vpc_endpoints": ("ManagesVpcEndpoints", bool),
    "owner": ("Owner", str), "private_dns_name": ("PrivateDnsName", str),
    "private_dns_names": ("PrivateDnsNames[].PrivateDnsName", [str]), "region": ("ServiceRegion", str),
    "service_id": ("ServiceId", str), "service_name": ("ServiceName", str),
    "service_type": ("ServiceType[].ServiceType", [str]),
    "supported_ip_address_types": ("SupportedIpAddressTypes", [str]),
    "tags": ("Tags", list), "vpc_endpoint_policy_supported": ("VpcEndpointPolicySupported", bool),
    "verification": ("PrivateDnsNameVerificationState", str),
}
NOTIFICATION = {
    "id": ("ConnectionNotificationId", str), "vpc_endpoint_service_id": ("ServiceId", str),
    "connection_notification_arn": ("ConnectionNotificationArn", str), "connection_events": ("ConnectionEvents", [str]),
    "state": ("ConnectionNotificationState", str), "notification_type": ("ConnectionNotificationType", str),
}
VPC = {
    "id": ("VpcId", str), "cidr_block": ("CidrBlock", str), "instance_tenancy": ("InstanceTenancy", str),
    "dhcp_options_id": ("DhcpOptionsId", str), "owner_id": ("OwnerId", ACCOUNT), "default": ("IsDefault", bool),
    "state": ("State", str), "associations": ("CidrBlockAssociationSet[].CidrBlockState.State", [str]),
}
SUBNET = {
    "id": ("SubnetId", str), "arn": ("SubnetArn", str), "availability_zone": ("AvailabilityZone", str),
    "availability_zone_id": ("AvailabilityZoneId", str), "cidr_block": ("CidrBlock", str), "vpc_id": ("VpcId", str),
    "map_public_ip_on_launch": ("MapPublicIpOnLaunch", bool), "owner_id": ("OwnerId", ACCOUNT),
    "assign_ipv6_address_on_creation": ("AssignIpv6AddressOnCreation", bool), "state": ("State", str),
    "available addresses": ("AvailableIpAddressCount", int),
}
GROUP = {
    "id": ("GroupId", str), "name": ("GroupName", str), "description": ("Description", str),
    "owner_id": ("OwnerId", ACCOUNT),
    "vpc_id": ("VpcId", str),
}


def run(case):
    awstools.need("boto3")
    server = Ec2Server(case)
    play(case, server, [interface_endpoint, gateway_endpoint, endpoint_service, data_sources])
    network(case, server)


def has(case, what, item, attributes):
    """Every attribute at its place, of its type, and not empty where a list says what its items are."""
    for name, (path, kind) in attributes.items():
        found = at(item, path)
        inner, kind = (kind[0], list) if isinstance(kind, list) else (None, kind)
        good = type(found) is kind and (inner is None or (found and all(type(value) is inner for value in found)))
        case.check(good,
                   f"{what}: {name} ({path}) is {found!r}, wanted {kind.__name__}" + (f" of {inner.__name__}" if inner
                                                                                      else ""))


def at(item, path):
    """What stands at a path, or None."""
    many, found = False, [item]
    for part in path.split("."):
        key = part.removesuffix("[]")
        found = [value[key] for value in found if isinstance(value, dict) and key in value]
        if part.endswith("[]"):
            many, found = True, [inner for value in found for inner in value]
    return found if many else (found[0] if found else None)


def interface_endpoint(case, server, ec2, world):
    """create, wait, read, refresh, update, read, delete, wait: the provider's calls for one endpoint."""
    vpc, subnets, _ = world.vpc()
    has(case, "aws_vpc", ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0], VPC)
    for subnet in ec2.describe_subnets(SubnetIds=subnets)["Subnets"]:
        has(case, "aws_subnet", subnet, SUBNET)
    group = ec2.create_security_group(GroupName="endpoint", Description="endpoint", VpcId=vpc)["GroupId"]
    has(case, "aws_security_group", ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0], GROUP)
    policy = {"Version": "2012-10-17",
              "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}
    made = interface(ec2, vpc, subnets, ClientToken="terraform-20261125000000000000000001", PrivateDnsEnabled=True,
                     SecurityGroupIds=[group], IpAddressType="ipv4", DnsOptions={"DnsRecordIpType": "ipv4"},
                     PolicyDocument=json.dumps(policy),
                     TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "Name", "Value": "tf"}]}])
    has(case, "what create returns", made, ENDPOINT)
    endpoint = made["VpcEndpointId"]
    seen = wait_for("the endpoint to be available", lambda: (now := describe(ec2, endpoint))["State"] == "available"
                    and now)
    has(case, "aws_vpc_endpoint", seen, ENDPOINT)
    case.equal("policy", json.loads(seen["PolicyDocument"]), policy)
    case.equal("groups and subnets", ([item["GroupId"] for item in seen["Groups"]], sorted(seen["SubnetIds"])),
               ([group], sorted(subnets)))
    case.equal("tags", seen["Tags"], [{"Key": "Name", "Value": "tf"}])
    prefix_lists = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [seen["ServiceName"]]}])
    case.equal("prefix lists of an interface service", prefix_lists["PrefixLists"], [])
    cards = ec2.describe_network_interfaces(NetworkInterfaceIds=seen["NetworkInterfaceIds"])["NetworkInterfaces"]
    for card in cards:
        has(case, "aws_network_interface", card, INTERFACE)
        case.equal("an interface's kind",
                   (card["InterfaceType"], card["RequesterManaged"], card["Status"], card["Description"]),
                   ("vpc_endpoint", True, "in-use", f"VPC Endpoint Interface {endpoint}"))
    # reading again changes nothing: a plan after an apply is empty
    case.equal("a second read", describe(ec2, endpoint), seen)

    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=subnets[1:], ResetPolicy=True)
    narrow = wait_for("the update", lambda: (now := describe(ec2, endpoint))["State"] == "available" and now)
    case.equal("subnets after an update", narrow["SubnetIds"], subnets[:1])
    case.check(json.loads(narrow["PolicyDocument"])["Statement"][0]["Action"] == "*", "the policy after a reset",
               narrow["PolicyDocument"])
    has(case, "aws_vpc_endpoint after an update", narrow, ENDPOINT)
    case.equal("delete", ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"], [])
    # the provider waits until the endpoint is not found, or is listed as deleted
    wait_for("the end of the endpoint", lambda: deleted(ec2, endpoint))


def deleted(ec2, endpoint):
    """Whether the provider would take the endpoint for gone."""
    error = error_of(ec2.describe_vpc_endpoints, VpcEndpointIds=[endpoint])
    return error[0] == "InvalidVpcEndpointId.NotFound" if error else describe(ec2, endpoint)["State"] == "deleted"


def gateway_endpoint(case, server, ec2, world):
    vpc, _, _ = world.vpc()
    # type left out: the provider's default is Gateway, as EC2's
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", PrivateDnsEnabled=False,
                                   RouteTableIds=["rtb-0123456789abcdef0"])["VpcEndpoint"]
    seen = describe(ec2, made["VpcEndpointId"])
    has(case, "a gateway aws_vpc_endpoint", seen, {name: ENDPOINT[name] for name in (
        "id", "owner_id", "policy", "private_dns_enabled", "requester_managed", "route_table_ids", "service_name",
        "state",
        "vpc_endpoint_type", "vpc_id")})
    case.equal("type and policy", (seen["VpcEndpointType"], json.loads(seen["PolicyDocument"])["Version"]),
               ("Gateway", "2008-10-17"))
    # cidr_blocks and prefix_list_id
    lists = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name",
                                                "Values": [seen["ServiceName"]]}])["PrefixLists"]
    case.equal("prefix lists of a gateway service", [item["PrefixListName"] for item in lists], [seen["ServiceName"]])
    for item in lists:
        has(case, "a prefix list", item, {"id": ("PrefixListId", str), "cidr_blocks": ("Cidrs", list)})


def endpoint_service(case, server, ec2, world):
    made = ec2.create_vpc_endpoint_service_configuration(
        AcceptanceRequired=True, NetworkLoadBalancerArns=[ELB], PrivateDnsName="tf.partner.example",
        SupportedIpAddressTypes=["ipv4"], ClientToken="terraform-20261125000000000000000002",
        TagSpecifications=[{"ResourceType": "vpc-endpoint-service", "Tags": [{"Key": "Name", "Value": "tf"}]}])
    service = made["ServiceConfiguration"]["ServiceId"]

    def read():
        return ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[service])["ServiceConfigurations"][0]

    seen = wait_for("the service to be available", lambda: (now := read())["ServiceState"] == "Available" and now)
    has(case, "aws_vpc_endpoint_service", seen, SERVICE)
    case.check("Value" in seen["PrivateDnsNameConfiguration"]
               and seen["PrivateDnsNameConfiguration"]["Value"].startswith("vpce:"),
               "the value to put into DNS", seen["PrivateDnsNameConfiguration"])
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service,
                                                AddAllowedPrincipals=["arn:aws:iam::123456789012:root"])
    case.equal("allowed_principals", [item["Principal"] for item in ec2.describe_vpc_endpoint_service_permissions(
        ServiceId=service)["AllowedPrincipals"]], ["arn:aws:iam::123456789012:root"])
    ec2.modify_vpc_endpoint_service_configuration(ServiceId=service, AcceptanceRequired=False,
                                                  RemovePrivateDnsName=True)
    case.equal("acceptance and name after an update", (read()["AcceptanceRequired"], read().get("PrivateDnsName", "")),
               (False, ""))

    notification = ec2.create_vpc_endpoint_connection_notification(
        ServiceId=service, ConnectionNotificationArn=f"arn:aws:sns:{REGION}:123456789012:topic",
        ConnectionEvents=["Accept", "Reject"])["ConnectionNotification"]["ConnectionNotificationId"]
    has(case, "aws_vpc_endpoint_connection_notification", ec2.describe_vpc_endpoint_connection_notifications(
        ConnectionNotificationId=notification)["ConnectionNotificationSet"][0], NOTIFICATION)
    ec2.delete_vpc_endpoint_connection_notifications(ConnectionNotificationIds=[notification])
    case.equal("delete", ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service])["Unsuccessful"], [])
    refused(case, "a deleted service", error_of(ec2.describe_vpc_endpoint_service_configurations, ServiceIds=[service]),
            "InvalidVpcEndpointServiceId.NotFound")


def data_sources(case, server, ec2, world):
    """`data "aws_vpc_endpoint_service"`: exactly one service, by name, or by name and type."""
    for service, kinds in (("sqs", ["Interface"]), ("s3", ["Interface", "Gateway"]), ("ecr.dkr", ["Interface"])):
        for kind in kinds:
            found = ec2.describe_vpc_endpoint_services(ServiceNames=[f"com.amazonaws.{REGION}.{service}"],
                                                       Filters=[{"Name": "service-type", "Values": [kind]}])
            details = found["ServiceDetails"]
            case.equal(f"{service}, {kind}", [[item["ServiceType"] for item in details], found["ServiceNames"]],
                       [[[{"ServiceType": kind}]], [f"com.amazonaws.{REGION}.{service}"]])
            for item in details:
                has(case, f"data aws_vpc_endpoint_service {service}", item, {
                    name: value for name, value in DATA_SERVICE.items()
                    if kind == "Interface" or name not in ("private_dns_name", "private_dns_names", "verification")})


# resource: (create, what of its answer names it, read, update, what differs then, delete, error once it is gone); `{x}` is the
# id of resource x. The read is the provider's, and has to say the same twice and after a restart: a plan without drift.
NETWORK = {
    "vpc": ("create_vpc CidrBlock=10.77.0.0/16", "Vpc.VpcId", "describe_vpcs VpcIds=[{vpc}] Vpcs",
            "modify_vpc_attribute VpcId={vpc} EnableDnsSupport={'Value':True}", None,
            "delete_vpc VpcId={vpc}", "InvalidVpcID.NotFound"),
    "block": ("associate_vpc_cidr_block VpcId={vpc} CidrBlock=10.78.0.0/16", "CidrBlockAssociation.AssociationId",
              "describe_vpcs Filters=[{'Name':'cidr-block-association.association-id','Values':[{block}]}] Vpcs", None, None,
              "disassociate_vpc_cidr_block AssociationId={block}", None),
    "subnet": ("create_subnet VpcId={vpc} CidrBlock=10.78.1.0/24", "Subnet.SubnetId",
               "describe_subnets SubnetIds=[{subnet}] Subnets",
               "modify_subnet_attribute SubnetId={subnet} MapPublicIpOnLaunch={'Value':True}", "MapPublicIpOnLaunch",
               "delete_subnet SubnetId={subnet}", "InvalidSubnetID.NotFound"),
    "group": ("create_security_group GroupName=tf Description=tf VpcId={vpc}", "GroupId",
              "describe_security_groups GroupIds=[{group}] SecurityGroups",
              "authorize_security_group_ingress GroupId={group} "
              "IpPermissions=[{'IpProtocol':'tcp','FromPort':443,'ToPort':443,'IpRanges':[{'CidrIp':'10.0.0.0/8'}]}]",
              "IpPermissions", "delete_security_group GroupId={group}", "InvalidGroup.NotFound"),
    "table": ("create_route_table VpcId={vpc}", "RouteTable.RouteTableId",
              "describe_route_tables RouteTableIds=[{table}] RouteTables",
              "create_route RouteTableId={table} DestinationCidrBlock=0.0.0.0/0 NatGatewayId=nat-0123456789abcdef0",
              "Routes", "delete_route_table RouteTableId={table}", "InvalidRouteTableID.NotFound"),
    "association": ("associate_route_table RouteTableId={table} SubnetId={subnet}", "AssociationId",
                    "describe_route_tables Filters=[{'Name':'association.route-table-association-id',"
                    "'Values':[{association}]}] RouteTables", None, None,
                    "disassociate_route_table AssociationId={association}", None),
    "card": ("create_network_interface SubnetId={subnet} Groups=[{group}] Description=tf",
             "NetworkInterface.NetworkInterfaceId",
             "describe_network_interfaces NetworkInterfaceIds=[{card}] NetworkInterfaces",
             "create_tags Resources=[{card}] Tags=[{'Key':'Name','Value':'tf'}]", "TagSet",
             "delete_network_interface NetworkInterfaceId={card}", "InvalidNetworkInterfaceID.NotFound"),
    "gateway": ("create_vpc_endpoint VpcId={vpc} ServiceName=com.amazonaws.us-east-1.s3", "VpcEndpoint.VpcEndpointId",
                "describe_vpc_endpoints VpcEndpointIds=[{gateway}] VpcEndpoints",
                "modify_vpc_endpoint VpcEndpointId={gateway} AddRouteTableIds=[{table}]", "RouteTableIds",
                "delete_vpc_endpoints VpcEndpointIds=[{gateway}]", None),
    "endpoint": ("create_vpc_endpoint VpcId={vpc} ServiceName=com.amazonaws.us-east-1.sqs VpcEndpointType=Interface "
                 "PrivateDnsEnabled=False SecurityGroupIds=[{group}]", "VpcEndpoint.VpcEndpointId",
                 "describe_vpc_endpoints VpcEndpointIds=[{endpoint}] VpcEndpoints",
                 "modify_vpc_endpoint VpcEndpointId={endpoint} AddSubnetIds=[{subnet}]", "SubnetIds",
                 "delete_vpc_endpoints VpcEndpointIds=[{endpoint}]", None),
}


def network(case, server):
    """A VPC with all that is in it: created, read, planned, updated, read after a restart, destroyed."""
    ec2, ids = awstools.client(server), {}
    for name, (create, named, read, update, differs, _, _) in NETWORK.items():
        made = api_call(ec2, create, ids)
        for part in named.split("."):
            made = made[part]
        ids[name] = made
        before = items(ec2, read, ids)
        case.equal(f"{name}: one is there", len(before), 1)
        case.equal(f"{name}: a plan after an apply", items(ec2, read, ids), before)
        if update:
            api_call(ec2, update, ids)
            after = items(ec2, read, ids)
            if differs:
                case.check(after[0][differs] != before[0].get(differs), f"{name}: {differs} after an update", after[0])
    seen = {name: items(ec2, row[2], ids) for name, row in NETWORK.items()}
    server.stop()
    server = Ec2Server(case)
    ec2 = awstools.client(server)
    for name, row in NETWORK.items():
        case.equal(f"{name}: after a restart", items(ec2, row[2], ids), seen[name])
    for name, row in reversed(NETWORK.items()):
        api_call(ec2, row[5], ids)
        if row[6]:
            refused(case, f"{name}: destroyed", error_of(lambda row=row: items(ec2, row[2], ids)), row[6])


def api_call(ec2, text, ids):
    """The answer to `method Name=value ...`."""
    for name, value in ids.items():
        text = text.replace("{" + name + "}", value)
    method, *words = text.split(" ")
    return getattr(ec2, method)(**{key: literal(value) for key, value in (word.split("=", 1) for word in words)})


def literal(text):
    """A parameter: a list or structure in which words may stand without quotes, a truth value, or a text."""
    if text[0] in "[{":
        return ast.literal_eval(re.sub(r"\[([a-z][\w-]*)\]", r"['\1']", text))
    return text == "True" if text in ("True", "False") else text


def items(ec2, text, ids):
    """What a read finds: the last word names the list."""
    text, key = text.rsplit(" ", 1)
    return api_call(ec2, text, ids)[key]

"""Every filter of every Describe action, and its pages, compared with a filter in Python over 500 endpoints.

The list of filters is EC2's own (botocore's documentation of each action, aws.md appendix A); where each one looks is
written here anew. A boto3 client asks, so that types and shapes pass an SDK's parser on the way.
"""

import random
import re

from support import awstools
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server, make_endpoint, make_subnet, make_vpc, tags

ENDPOINTS = 500
SEED = 20171130
SERVICES = ["sqs", "sns", "kms", "ssm", "ec2", "ecr.api", "ecr.dkr", "logs", "monitoring", "sts"]

TAGS = {"tag-key": "Tags[].Key"}
# action: (boto3 method, key of its items, what names an item, {filter: path})
FILTERS = {
    "DescribeVpcEndpoints": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", {
        "ip-address-type": "IpAddressType", "service-name": "ServiceName", "service-region": "ServiceRegion",
        "vpc-id": "VpcId", "vpc-endpoint-id": "VpcEndpointId", "vpc-endpoint-state": "State",
        "vpc-endpoint-type": "VpcEndpointType", **TAGS}),
    "DescribeVpcEndpointConnections": ("describe_vpc_endpoint_connections", "VpcEndpointConnections", "VpcEndpointId", {
        "ip-address-type": "IpAddressType", "service-id": "ServiceId", "vpc-endpoint-owner": "VpcEndpointOwner",
        "vpc-endpoint-region": "VpcEndpointRegion", "vpc-endpoint-state": "VpcEndpointState",
        "vpc-endpoint-id": "VpcEndpointId"}),
    "DescribeVpcEndpointServices": ("describe_vpc_endpoint_services", "ServiceDetails", "ServiceName", {
        "owner": "Owner", "service-name": "ServiceName", "service-region": "ServiceRegion",
        "service-type": "ServiceType[].ServiceType", "supported-ip-address-types": "SupportedIpAddressTypes[]",
        **TAGS}),
    "DescribeVpcEndpointServiceConfigurations": (
        "describe_vpc_endpoint_service_configurations", "ServiceConfigurations", "ServiceId", {
            "service-name": "ServiceName", "service-id": "ServiceId", "service-state": "ServiceState",
            "supported-ip-address-types": "SupportedIpAddressTypes[]", **TAGS}),
    "DescribeVpcEndpointConnectionNotifications": (
        "describe_vpc_endpoint_connection_notifications", "ConnectionNotificationSet", "ConnectionNotificationId", {
            "connection-notification-arn": "ConnectionNotificationArn",
            "connection-notification-id": "ConnectionNotificationId",
            "connection-notification-state": "ConnectionNotificationState",
            "connection-notification-type": "ConnectionNotificationType", "service-id": "ServiceId",
            "vpc-endpoint-id": "VpcEndpointId"}),
    "DescribeVpcs": ("describe_vpcs", "Vpcs", "VpcId", {
        "cidr": "CidrBlock", "cidr-block-association.cidr-block": "CidrBlockAssociationSet[].CidrBlock",
        "cidr-block-association.association-id": "CidrBlockAssociationSet[].AssociationId",
        "cidr-block-association.state": "CidrBlockAssociationSet[].CidrBlockState.State",
        "dhcp-options-id": "DhcpOptionsId",
        "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet[].Ipv6CidrBlock",
        "ipv6-cidr-block-association.ipv6-pool": "Ipv6CidrBlockAssociationSet[].Ipv6Pool",
        "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet[].AssociationId",
        "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet[].Ipv6CidrBlockState.State",
        "is-default": "IsDefault", "owner-id": "OwnerId", "state": "State", "vpc-id": "VpcId", **TAGS}),
    "DescribeSubnets": ("describe_subnets", "Subnets", "SubnetId", {
        "availability-zone": "AvailabilityZone", "availability-zone-id": "AvailabilityZoneId",
        "available-ip-address-count": "AvailableIpAddressCount", "cidr-block": "CidrBlock",
        "default-for-az": "DefaultForAz", "enable-dns64": "EnableDns64",
        "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet[].Ipv6CidrBlock",
        "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet[].AssociationId",
        "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet[].Ipv6CidrBlockState.State",
        "ipv6-native": "Ipv6Native", "map-public-ip-on-launch": "MapPublicIpOnLaunch", "owner-id": "OwnerId",
        "state": "State", "subnet-arn": "SubnetArn", "subnet-id": "SubnetId", "vpc-id": "VpcId", **TAGS}),
    "DescribeNetworkInterfaces": ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", {
        "addresses.primary": "PrivateIpAddresses[].Primary",
        "addresses.private-ip-address": "PrivateIpAddresses[].PrivateIpAddress",
        "availability-zone": "AvailabilityZone", "description": "Description", "group-id": "Groups[].GroupId",
        "ipv6-addresses.ipv6-address": "Ipv6Addresses[].Ipv6Address", "interface-type": "InterfaceType",
        "mac-address": "MacAddress", "network-interface-id": "NetworkInterfaceId", "owner-id": "OwnerId",
        "private-dns-name": "PrivateDnsName", "private-ip-address": "PrivateIpAddress", "requester-id": "RequesterId",
        "requester-managed": "RequesterManaged", "source-dest-check": "SourceDestCheck", "status": "Status",
        "subnet-id": "SubnetId", "tag-key": "TagSet[].Key", "vpc-id": "VpcId"}),
    "DescribeSecurityGroups": ("describe_security_groups", "SecurityGroups", "GroupId", {
        "description": "Description", "group-id": "GroupId", "group-name": "GroupName", "owner-id": "OwnerId",
        "vpc-id": "VpcId", **TAGS}),
    "DescribeRouteTables": ("describe_route_tables", "RouteTables", "RouteTableId", {
        "association.main": "Associations[].Main", "association.route-table-id": "Associations[].RouteTableId",
        "association.route-table-association-id": "Associations[].RouteTableAssociationId",
        "association.subnet-id": "Associations[].SubnetId", "owner-id": "OwnerId", "route-table-id": "RouteTableId",
        "route.destination-cidr-block": "Routes[].DestinationCidrBlock",
        "route.destination-prefix-list-id": "Routes[].DestinationPrefixListId",
        "route.gateway-id": "Routes[].GatewayId", "route.nat-gateway-id": "Routes[].NatGatewayId",
        "route.origin": "Routes[].Origin", "route.state": "Routes[].State", "vpc-id": "VpcId", **TAGS}),
    "DescribeAvailabilityZones": ("describe_availability_zones", "AvailabilityZones", "ZoneName", {
        "opt-in-status": "OptInStatus", "region-name": "RegionName", "state": "State", "zone-id": "ZoneId",
        "zone-name": "ZoneName", "zone-type": "ZoneType", "group-name": "GroupName"}),
    "DescribeTags": ("describe_tags", "Tags", None, {
        "key": "Key", "resource-id": "ResourceId", "resource-type": "ResourceType", "value": "Value"}),
}
# the largest page that each action may be asked for, and the smallest (aws.md appendix A)
SMALLEST_PAGE = {"DescribeVpcs": 5, "DescribeSubnets": 5, "DescribeNetworkInterfaces": 5, "DescribeSecurityGroups": 5,
                 "DescribeRouteTables": 5}
NO_PAGES = ("DescribeAvailabilityZones",)


def run(case):
    awstools.need("boto3")
    # the deleted ones have to stay listed for as long as this takes
    config = case.write("vpcedns.toml", "[limits]\nec2_deleted_ms = 3600000\n")
    server = Ec2Server(case, "--config", config)
    populate(server)
    ec2 = awstools.client(server)
    rng = random.Random(SEED)
    for action, (method, key, name, filters) in FILTERS.items():
        items = pages(getattr(ec2, method), key, 1000)
        case.check(items, f"{action} lists nothing")
        asked = 0
        for wanted in questions(rng, items, filters):
            found = pages(getattr(ec2, method), key, 1000, Filters=[
                {"Name": filter_name, "Values": values} for filter_name, values in wanted])
            right = [item for item in items if matches(item, wanted, filters)]
            asked += 1
            case.check(found == right, f"{action} with {wanted}: {len(found)} items, wanted {len(right)}",
                       difference(found, right, name))
        if action not in NO_PAGES:
            paged(case, ec2, action, method, key, items)
        error = error_of(getattr(ec2, method), Filters=[{"Name": "no-such-filter", "Values": ["x"]}])
        case.check(error and error[0] in ("InvalidFilter", "InvalidParameterValue") and "no-such-filter" in error[1],
                   f"{action} with an unknown filter: {error}")
        case.note(f"{action}: {len(items)} items, {asked} filterings")
    permissions(case, ec2)


def populate(server):
    """500 endpoints of all kinds and states in 11 VPCs, with services, notifications and tags."""
    raw, rng = server.raw(), random.Random(SEED)
    arns = [f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/net/front/e94221227f1ba53{n}"
            for n in range(4)]
    services = [raw.call("CreateVpcEndpointServiceConfiguration", NetworkLoadBalancerArn=[arn],
                         AcceptanceRequired=n < 2, TagSpecification=tags("vpc-endpoint-service", stage=f"s{n}"))
                ["serviceConfiguration"] for n, arn in enumerate(arns)]
    principals = ["*", "arn:aws:iam::111122223333:root", "arn:aws:iam::123456789012:user/alice",
                  "arn:aws:iam::123456789012:role/app"]
    raw.call("ModifyVpcEndpointServicePermissions", ServiceId=services[0]["serviceId"], AddAllowedPrincipals=principals)
    made, v = [], 0
    while len(made) < ENDPOINTS:
        v += 1
        vpc = make_vpc(raw, f"127.{v}.0.0/16", hostnames=v % 2 == 0, TagSpecification=tags(
            "vpc", Name=f"vpc {v}", stage=rng.choice(["prod", "test"])))
        subnets = [make_subnet(raw, vpc, f"127.{v}.{n}.0/24", zone) for n, zone in enumerate("abc")]
        groups = [raw.call("CreateSecurityGroup", GroupName=f"g{v}", GroupDescription=f"group {v}",
                           VpcId=vpc)["groupId"]]
        for n in range(min(46, ENDPOINTS - len(made))):
            service = rng.choice(SERVICES + [item["serviceName"] for item in services])
            made.append((make_endpoint(
                raw, vpc, service, rng.sample(subnets, rng.choice([1, 1, 1, 2, 3])), PrivateDnsEnabled=False,
                SecurityGroupId=rng.choice([[], groups]),
                TagSpecification=tags("vpc-endpoint", Name=f"e {len(made)}", **(
                    {"stage": rng.choice(["prod", "test", "it's *", ""])} if n % 3 else {})))["vpcEndpointId"],
                         service))
        table = raw.call("CreateRouteTable", VpcId=vpc, TagSpecification=tags(
            "route-table", Name=f"table {v}"))["routeTable"]["routeTableId"]
        raw.call("AssociateRouteTable", RouteTableId=table, SubnetId=subnets[0])
        raw.call("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=f"nat-0000000{v % 9}")
        raw.call("CreateVpcEndpoint", VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3",
                 RouteTableId=[table, "rtb-11aa22bb"])
    for n, service in enumerate(services[:2]):
        ids = [endpoint for endpoint, name in made if name == service["serviceName"]]
        raw.call("AcceptVpcEndpointConnections", ServiceId=service["serviceId"], VpcEndpointId=ids[: len(ids) // 2])
        raw.call("RejectVpcEndpointConnections", ServiceId=service["serviceId"], VpcEndpointId=ids[: len(ids) // 4])
        raw.call("CreateVpcEndpointConnectionNotification", ServiceId=service["serviceId"],
                 ConnectionEvents=["Connect"],
                 ConnectionNotificationArn=f"arn:aws:sns:{REGION}:123456789012:topic{n}")
    raw.call("CreateVpcEndpointConnectionNotification", VpcEndpointId=made[0][0], ConnectionEvents=["Accept", "Reject"],
             ConnectionNotificationArn=f"arn:aws:sns:{REGION}:123456789012:own")
    raw.call("DeleteVpcEndpoints", VpcEndpointId=[endpoint for endpoint, _ in made[7::40]])
    raw.close()


# --- the filter in Python -------------------------------------------------------------------------------------------

def values(item, path):
    """What stands at a path such as `Groups[].GroupId`, as EC2's filters compare it: text."""
    found = [item]
    for part in path.split("."):
        key, many = part.removesuffix("[]"), part.endswith("[]")
        found = [value[key] for value in found if key in value]
        if many:
            found = [inner for value in found for inner in value]
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in found]


def matches(item, wanted, filters):
    """All filters, any value of each; `*` is any text, `?` one character, a backslash takes their meaning away."""
    return all(any(re.fullmatch(pattern(want), value, re.S) for want in wants
                   for value in at_filter(item, name, filters)) for name, wants in wanted)


def at_filter(item, name, filters):
    if name.startswith("tag:"):
        found = item.get("Tags", item.get("TagSet", []))
        return [tag["Value"] for tag in found if tag["Key"] == name.removeprefix("tag:")]
    return values(item, filters[name])


def pattern(text):
    """A filter's value as a regular expression."""
    parts = re.findall(r"\\.|.", text, re.S)
    return "".join({"*": ".*", "?": "."}.get(part, re.escape(part[-1])) for part in parts)


def questions(rng, items, filters):
    """Lists of (filter, values) to ask: each filter with exact values, several, wildcards, none; then pairs."""
    tagged = [tag["Key"] for item in items for tag in item.get("Tags", item.get("TagSet", []))]
    names = list(filters) + [f"tag:{key}" for key in sorted(set(tagged))]
    ones = []
    for n, name in enumerate(names):
        there = sorted({value for item in items for value in at_filter(item, name, filters)})
        yield [(name, ["no-such-value"])]
        if n % 4 == 0 or not there:
            yield [(name, ["*"])]
        if not there:
            continue
        ones.append((name, [escape(rng.choice(there))]))
        yield [ones[-1]]
        yield [(name, [wild(rng, rng.choice(there))])]
        yield [(name, [escape(value) for value in rng.sample(there, min(3, len(there)))] + ["no-such-value"])]
        yield [(name, [escape(there[0]).swapcase()])]
        yield [(name, [escape(there[-1][:-1])])]
    for _ in range(10 if len(ones) > 1 else 0):
        yield rng.sample(ones, 2)


def escape(text):
    return re.sub(r"([*?\\])", r"\\\1", text)


def wild(rng, text):
    """A pattern that matches `text` and perhaps more."""
    at = rng.randrange(len(text) + 1)
    return rng.choice([escape(text[:at]) + "*", "*" + escape(text[at:]),
                       escape(text[:at]) + "?" + escape(text[at + 1:]) if at < len(text) else escape(text) + "*",
                       "*" + escape(text[at // 2:at]) + "*"])


def difference(found, right, name):
    """The first items that are too many or missing."""
    mine, theirs = ([item.get(name, item) if name else item for item in some] for some in (found, right))
    extra = [item for item in mine if item not in theirs][:5]
    missing = [item for item in theirs if item not in mine][:5]
    return f"too many: {extra}\nmissing: {missing}" if extra or missing else "the same items in another order or form"


# --- pages ----------------------------------------------------------------------------------------------------------

def pages(method, key, size, **params):
    """All items, asked for in pages of `size`."""
    items, token = [], None
    while True:
        if method.__name__ != "describe_availability_zones":
            params |= {"MaxResults": size} | ({"NextToken": token} if token else {})
        seen = method(**params)
        items += seen[key]
        token = seen.get("NextToken")
        if not token:
            return items


def paged(case, ec2, action, method, key, items):
    """Pages of every size come to the same list, no page is too long, and bad sizes and tokens are refused."""
    call = getattr(ec2, method)
    case.check(call()[key] == items[:1000], f"{action} without MaxResults is another list")
    smallest = SMALLEST_PAGE.get(action, 1)
    for size in sorted({smallest, 7, 100, max(len(items) - 1, smallest), max(len(items), smallest), 1000}):
        if len(items) // size > 60:
            continue
        seen, token, longest = [], None, 0
        while True:
            page = call(MaxResults=size, **({"NextToken": token} if token else {}))
            seen, token, longest = seen + page[key], page.get("NextToken"), max(longest, len(page[key]))
            if not token:
                break
        case.check(seen == items and longest <= size, f"{action} in pages of {size}: {len(seen)} of {len(items)} items,"
                   f" the longest page has {longest}")
    error = error_of(call, NextToken="no-such-token")
    case.check(error and error[0] in ("InvalidPaginationToken", "InvalidNextToken", "InvalidParameterValue"),
               f"{action} with a token of its own making: {error}")
    error = error_of(call, MaxResults=0)
    case.check(error and error[0] in ("InvalidMaxResults", "InvalidParameterValue"),
               f"{action} with MaxResults 0: {error}")
    if smallest > 1:
        error = error_of(call, MaxResults=smallest - 1)
        case.check(error and error[0] in ("InvalidMaxResults", "InvalidParameterValue"),
                   f"{action} with MaxResults {smallest - 1}: {error}")


def permissions(case, ec2):
    """DescribeVpcEndpointServicePermissions needs a service, so it stands apart."""
    service = next(item["ServiceId"]
                   for item in ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]
                   if {"Key": "stage", "Value": "s0"} in item["Tags"])

    def ask(**params):
        return ec2.describe_vpc_endpoint_service_permissions(ServiceId=service, **params)["AllowedPrincipals"]

    items = ask()
    case.equal("principals and their types", sorted((item["PrincipalType"], item["Principal"]) for item in items),
               [("Account", "arn:aws:iam::111122223333:root"), ("All", "*"),
                ("Role", "arn:aws:iam::123456789012:role/app"),
                ("User", "arn:aws:iam::123456789012:user/alice")])
    filters = {"principal": "Principal", "principal-type": "PrincipalType"}
    for wanted in questions(random.Random(SEED), items, filters):
        found = ask(Filters=[{"Name": name, "Values": values} for name, values in wanted])
        right = [item for item in items if matches(item, wanted, filters)]
        case.check(found == right, f"permissions with {wanted}: {found}, wanted {right}")

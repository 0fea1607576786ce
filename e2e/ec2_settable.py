"""Every member that an action takes is kept: what is made or changed with it is listed otherwise than without it, after a restart too.

The members are botocore's. One that is not kept has to be refused; those that are neither are in UNSEEN with the reason. Values of
free text are random. E2E_SEED=N repeats a run.
"""

import os
import random
import re

from support import awstools
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server

AWS = f"com.amazonaws.{REGION}"
BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/net/front/e94221227f1ba532"
GATEWAY_BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/gwy/front/e94221227f1ba532"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:topic"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}'
LATTICE = f"arn:aws:vpc-lattice:{REGION}:123456789012:"
# members that say how a call is made, and not what is made
CONTROL = {"DryRun", "ClientToken", "CreatorRequestId", "CallerReference"}
# codes of an error that says that a member is not taken
REFUSALS = {"UnknownParameter", "InvalidParameterValue", "InvalidParameter", "InvalidParameterException", "InvalidInput", "InvalidParameterCombination",
            "InvalidRequestException", "MissingParameter", "ValidationException", "InvalidGatewayID.NotFound"}
UNSEEN = {
    ("CreateHostedZone", "HostedZoneConfig.PrivateZone"): "a zone is private by its VPC",
    ("CreateHostedZone", "DelegationSetId"): "public zones have name servers of a delegation set",
    ("AuthorizeSecurityGroupIngress", "GroupName"): "the group is named by its id already",
}
# members whose values differ from one object to the next, whatever they are made with
IDS = {"ResponseMetadata", "MaxItems", "HostedZoneId", "CallerReference", "CreatorRequestId", "ClientToken", "ModificationTime", "CreationTime"}
SEED = int(os.environ.get("E2E_SEED", random.randrange(1 << 32)))
RANDOM = random.Random(SEED)


def word():
    """Text that nothing else says."""
    return "w" + "".join(RANDOM.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12))


def tagged(kind):
    return [{"ResourceType": kind, "Tags": [{"Key": word(), "Value": word()}]}]


def run(case):
    awstools.need("boto3")
    case.note(f"seed {SEED}")
    case.write("vpcedns.toml", "[limits]\nec2_calls_per_second = 1000000\n")
    server = Ec2Server(case)
    world = World(server)
    seen = []
    for action, subject in {**subjects(world), **dns_subjects(world)}.items():
        # an older botocore does not know the newest actions
        if action not in subject.client.meta.service_model.operation_names:
            continue
        for path in subject.members(action):
            verdict = tried(case, world, subject, action, path)
            seen.append(verdict)
    counts = {what: seen.count(what) for what in ("kept", "refused", "unseen")}
    case.note(f"{len(seen)} members: {counts}")
    case.check(counts["kept"] > 100, f"only {counts['kept']} members are kept: the test shows little")
    before = everything(world)
    case.equal("exit code", server.stop(), 0)
    after = everything(World(Ec2Server(case)))
    for listing, items in before.items():
        case.check(items, f"{listing}: nothing is listed")
        case.check(after[listing] == items, f"{listing} after a restart", difference(items, after[listing]))


# the calls that list all objects of a kind, by client, and the member that has them
LISTINGS = [
    ("ec2", "describe_vpcs", "Vpcs"), ("ec2", "describe_subnets", "Subnets"), ("ec2", "describe_security_groups", "SecurityGroups"),
    ("ec2", "describe_security_group_rules", "SecurityGroupRules"), ("ec2", "describe_route_tables", "RouteTables"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces"), ("ec2", "describe_vpc_endpoints", "VpcEndpoints"),
    ("ec2", "describe_vpc_endpoint_service_configurations", "ServiceConfigurations"), ("ec2", "describe_tags", "Tags"),
    ("route53", "list_hosted_zones", "HostedZones"), ("route53resolver", "list_resolver_rules", "ResolverRules"),
    ("route53resolver", "list_resolver_rule_associations", "ResolverRuleAssociations"),
    ("route53resolver", "list_resolver_endpoints", "ResolverEndpoints"), ("route53profiles", "list_profiles", "ProfileSummaries"),
    ("route53profiles", "list_profile_associations", "ProfileAssociations"),
]


def everything(world):
    """All objects, by the call that lists them."""
    found = {}
    for service, call, member in LISTINGS:
        client = world.clients[service]
        pages = client.get_paginator(call).paginate() if client.can_paginate(call) else [getattr(client, call)()]
        found[call] = sorted(str(item) for page in pages for item in page[member])
    return found


def difference(before, after):
    """The first objects that are on one side only."""
    gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    return "\n".join([f"- {item[:600]}" for item in gone[:3]] + [f"+ {item[:600]}" for item in come[:3]])


def tried(case, world, subject, action, path):
    """What came of one member: it is `kept`, `refused` or `unseen`; a failure is noted."""
    name = ".".join(path)
    if not subject.is_settable(path):
        error = refusal(world, subject, action, path)
        case.check(error and error[0] in REFUSALS, f"{action} {name} has no value in this test, and the server does not refuse it: {error}")
        return "refused"
    plain, with_it = subject.listed(action, path, False), subject.listed(action, path, True)
    if (action, name) in UNSEEN:
        case.equal(f"{action} {name}: listed", with_it, plain)
        return "unseen"
    case.check(not isinstance(with_it, Exception), f"{action} {name}: {with_it}")
    case.check(with_it != plain, f"{action} {name} is taken and not kept", str(with_it)[:1500])
    return "kept"


def refusal(world, subject, action, path):
    """The error of a call with a made-up value of a member."""
    params, _ = subject.prepare()
    shape = subject.shape(action)
    for name in path:
        shape = shape.members[name]
    value = made_up(shape)
    for name in reversed(path[1:]):
        value = {name: value}
    return error_of(subject.call(action), **{**subject.sound(params), path[0]: value})


def made_up(shape):
    """A sound value of any shape."""
    kind = shape.type_name
    if kind == "structure":
        return {name: made_up(member) for name, member in shape.members.items()}
    if kind == "list":
        return [made_up(shape.member)]
    if kind == "boolean":
        return True
    if kind in ("integer", "long"):
        return 5
    return shape.enum[0] if getattr(shape, "enum", None) else word()


class World:
    """What the calls need to be there."""

    def __init__(self, server):
        self.clients = {name: awstools.client(server, service=name) for name in ("ec2", "route53", "route53resolver", "route53profiles")}
        self.ec2 = self.clients["ec2"]

    def vpc(self, **params):
        vpc = self.ec2.create_vpc(**{"CidrBlock": "10.60.0.0/16", **params})["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        return vpc

    def subnet(self, vpc, at=1, zone="a", **params):
        return self.ec2.create_subnet(**{"VpcId": vpc, "CidrBlock": f"10.60.{at}.0/24", "AvailabilityZone": f"{REGION}{zone}", **params})["Subnet"]["SubnetId"]

    def dual(self):
        """(VPC, subnet) with both families."""
        vpc = self.vpc(Ipv6CidrBlock="fd00:60::/56")
        return vpc, self.subnet(vpc, Ipv6CidrBlock="fd00:60:0:1::/64")

    def group(self, vpc):
        return self.ec2.create_security_group(GroupName=word(), Description="made", VpcId=vpc)["GroupId"]

    def table(self, vpc):
        return self.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]

    def endpoint(self, vpc, **params):
        return self.ec2.create_vpc_endpoint(**{"VpcEndpointType": "Interface", "VpcId": vpc, "ServiceName": f"{AWS}.sqs", **params})["VpcEndpoint"]["VpcEndpointId"]

    def service(self, **params):
        made = self.ec2.create_vpc_endpoint_service_configuration(**{"NetworkLoadBalancerArns": [BALANCER], **params})
        return made["ServiceConfiguration"]["ServiceId"]

    def zone(self):
        vpc = self.vpc()
        made = self.clients["route53"].create_hosted_zone(Name=f"{word()}.example", CallerReference=word(), VPC={"VPCId": vpc, "VPCRegion": REGION})
        return made["HostedZone"]["Id"].rpartition("/")[2]

    def rule(self, **params):
        asked = {"CreatorRequestId": word(), "RuleType": "FORWARD", "DomainName": "rule.example", "TargetIps": [{"Ip": "10.9.9.9"}], **params}
        return self.clients["route53resolver"].create_resolver_rule(**asked)["ResolverRule"]["Id"]

    def resolver(self, direction="OUTBOUND"):
        vpc, subnet = self.dual()
        other = self.subnet(vpc, 2, "b", Ipv6CidrBlock="fd00:60:0:2::/64")
        asked = {"CreatorRequestId": word(), "Direction": direction, "SecurityGroupIds": [self.group(vpc)],
                 "IpAddresses": [{"SubnetId": subnet, "Ip": "10.60.1.50"}, {"SubnetId": other, "Ip": "10.60.2.50"}]}
        return asked, self.clients["route53resolver"].create_resolver_endpoint(**asked)["ResolverEndpoint"]["Id"]

    def profile(self):
        return self.clients["route53profiles"].create_profile(Name=word(), ClientToken=word())["Profile"]["Id"]


class Subject:
    """An action: what it is called with, what it is looked at by, and a value for each member that it should keep."""

    def __init__(self, world, service, prepare, values, is_enough=True):
        self.client, self.prepare, self.values, self.is_enough = world.clients[service], prepare, values, is_enough

    def shape(self, action):
        return self.client.meta.service_model.operation_model(action).input_shape

    def members(self, action):
        """The path of each member that is not sound already: those of structures one by one."""
        params, _ = self.prepare()
        for name, shape in self.shape(action).members.items():
            if name in CONTROL or (name in params and (name,) not in self.settable()):
                continue
            if shape.type_name == "structure" and (name,) not in self.settable():
                yield from ((name, inner) for inner in shape.members)
            else:
                yield (name,)

    def settable(self):
        return {tuple(path.split(".")) for path in self.values}

    def is_settable(self, path):
        return path in self.settable()

    def sound(self, params):
        """Parameters that are enough for a call: where those of `prepare` are not, with the first of the values."""
        value = next(iter(self.values.values()))
        if self.is_enough:
            return params
        name = next(iter(self.values))
        return {**params, **(value.more if isinstance(value, With) else {}), name: value.value if isinstance(value, With) else value}

    def call(self, action):
        methods = self.client.meta.method_to_api_mapping
        return getattr(self.client, next(name for name, operation in methods.items() if operation == action))

    def listed(self, action, path, is_given):
        """What is listed after a call, with the member at `path` or as it would be without; the error of one that failed."""
        params, look = self.prepare()
        value, more = self.values[".".join(path)], {}
        if callable(value):
            value = value(params)
        if isinstance(value, With):
            value, more = value.value, value.more
        for name in reversed(path[1:]):
            value = {name: value}
        # another value of what is required anyhow is compared with the one that it takes the place of
        plain = {**params, **{name: other for name, other in more.items() if name != path[0]}}
        plain = {name: other for name, other in plain.items() if other is not None}
        try:
            answer = self.call(action)(**({**plain, path[0]: value} if is_given else plain))
        except self.client.exceptions.ClientError as error:
            return error
        return normal(look(answer))


class With:
    """A value that needs other members besides; the call without it has them, too."""

    def __init__(self, value, **more):
        self.value, self.more = value, more


def normal(value):
    """An answer without what differs from one object to the next: ids, times, hardware addresses, addresses that nobody chose."""
    if isinstance(value, dict):
        return {key: normal(inner) for key, inner in sorted(value.items()) if key not in IDS}
    if isinstance(value, list):
        return sorted((normal(inner) for inner in value), key=str)
    text = str(value)
    text = re.sub(r"\b(vpce-svc|vpc-cidr-assoc|subnet-cidr-assoc|rtbassoc|eni-attach|vpce-nfn|vpce-svc-perm|[a-z-]+)-[0-9a-f]{8,17}\b(-[a-z0-9]{8})?", r"\1", text)
    text = re.sub(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b|\d{4}-\d\d-\d\d[ T][\d:.+Z]+|\bZ[A-Z0-9]{12,}\b", "*", text)
    text = re.sub(r"\bip-10-60-(\d+)-\d+|\b10\.60\.(\d+)\.(?!0/|77\b|78\b|50\b)\d+\b", "address", text)
    return re.sub(r"fd00:60:0:\d:(?!:77)[0-9a-f:]+", "address", text)


def subjects(world):
    """Each action that makes or changes something with members."""
    ec2 = world.ec2

    def of(method, key, **params):
        return lambda _: getattr(ec2, method)(**params)[key]

    def by(method, key, parameter, *path):
        def look(answer):
            found = answer
            for name in path:
                found = found[name]
            return getattr(ec2, method)(**{parameter: [found]})[key]
        return look

    vpcs = lambda: ({"CidrBlock": "10.60.0.0/16"}, by("describe_vpcs", "Vpcs", "VpcIds", "Vpc", "VpcId"))

    def subnets():
        vpc = world.vpc(Ipv6CidrBlock="fd00:60::/56")
        return {"VpcId": vpc, "CidrBlock": "10.60.1.0/24"}, by("describe_subnets", "Subnets", "SubnetIds", "Subnet", "SubnetId")

    def groups():
        return {"GroupName": "name", "Description": "made", "VpcId": world.vpc()}, by("describe_security_groups", "SecurityGroups", "GroupIds", "GroupId")

    def tables():
        return {"VpcId": world.vpc()}, by("describe_route_tables", "RouteTables", "RouteTableIds", "RouteTable", "RouteTableId")

    def routes():
        table = world.table(world.vpc())
        return {"RouteTableId": table}, of("describe_route_tables", "RouteTables", RouteTableIds=[table])

    def cards():
        _, subnet = world.dual()
        return {"SubnetId": subnet}, by("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceIds", "NetworkInterface", "NetworkInterfaceId")

    def look_at_endpoint(endpoint):
        said = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
        return [said, ec2.describe_network_interfaces(NetworkInterfaceIds=said[0].get("NetworkInterfaceIds") or ["eni-0"])["NetworkInterfaces"]
                if said[0].get("NetworkInterfaceIds") else []]

    def endpoints():
        vpc, subnet = world.dual()
        return {"VpcEndpointType": "Interface", "VpcId": vpc, "ServiceName": f"{AWS}.sqs", "SubnetIds": [subnet]}, \
            lambda answer: look_at_endpoint(answer["VpcEndpoint"]["VpcEndpointId"])

    def endpoint_changes():
        vpc, subnet = world.dual()
        other = world.subnet(vpc, 2, "b", Ipv6CidrBlock="fd00:60:0:2::/64")
        made = world.endpoint(vpc, SubnetIds=[subnet, other], SecurityGroupIds=[world.group(vpc), world.group(vpc)])
        return {"VpcEndpointId": made}, lambda _: look_at_endpoint(made)

    def of_endpoint(params):
        return ec2.describe_vpc_endpoints(VpcEndpointIds=[params["VpcEndpointId"]])["VpcEndpoints"][0]

    def reset(params):
        ec2.modify_vpc_endpoint(**params, PolicyDocument=POLICY)
        return True

    def services():
        return {"NetworkLoadBalancerArns": [BALANCER]}, by("describe_vpc_endpoint_service_configurations", "ServiceConfigurations", "ServiceIds",
                                                          "ServiceConfiguration", "ServiceId")

    def service_changes():
        made = world.service(PrivateDnsName="a.example")
        return {"ServiceId": made}, of("describe_vpc_endpoint_service_configurations", "ServiceConfigurations", ServiceIds=[made])

    def given(**changes):
        """What an earlier call has added, the last of it."""
        def earlier(params):
            ec2.modify_vpc_endpoint_service_configuration(**params, **changes)
            return next(iter(changes.values()))[-1:]
        return earlier

    def permissions():
        made = world.service()
        ec2.modify_vpc_endpoint_service_permissions(ServiceId=made, AddAllowedPrincipals=["arn:aws:iam::111111111111:root"])
        return {"ServiceId": made}, of("describe_vpc_endpoint_service_permissions", "AllowedPrincipals", ServiceId=made)

    def notifications():
        return {"ServiceId": world.service(), "ConnectionNotificationArn": TOPIC, "ConnectionEvents": ["Accept"]}, \
            lambda answer: ec2.describe_vpc_endpoint_connection_notifications(
                ConnectionNotificationId=answer["ConnectionNotification"]["ConnectionNotificationId"])["ConnectionNotificationSet"]

    def notification_changes():
        params, _ = notifications()
        made = ec2.create_vpc_endpoint_connection_notification(**params)["ConnectionNotification"]["ConnectionNotificationId"]
        return {"ConnectionNotificationId": made}, of("describe_vpc_endpoint_connection_notifications", "ConnectionNotificationSet", ConnectionNotificationId=made)

    def attributes():
        vpc = ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"]
        names = ("enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics")
        return {"VpcId": vpc}, lambda _: [ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name) for name in names]

    def subnet_attributes():
        _, subnet = world.dual()
        return {"SubnetId": subnet}, of("describe_subnets", "Subnets", SubnetIds=[subnet])

    def blocks():
        vpc = world.vpc()
        return {"VpcId": vpc}, of("describe_vpcs", "Vpcs", VpcIds=[vpc])

    def subnet_blocks():
        vpc = world.vpc(Ipv6CidrBlock="fd00:60::/56")
        subnet = world.subnet(vpc)
        return {"SubnetId": subnet}, of("describe_subnets", "Subnets", SubnetIds=[subnet])

    def rules():
        group = world.group(world.vpc())
        return {"GroupId": group}, of("describe_security_group_rules", "SecurityGroupRules", Filters=[{"Name": "group-id", "Values": [group]}])

    dns = {"DnsOptions.DnsRecordIpType": With("ipv4", IpAddressType="dualstack"), "IpAddressType": "dualstack"}
    permission = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "10.9.0.0/16", "Description": word()}]}
    tcp = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "CidrIp": "10.8.0.0/16"}
    one_rule = {"CidrIp": With("10.8.0.0/16", IpProtocol="tcp", FromPort=80, ToPort=81), "FromPort": With(80, **{**tcp, "ToPort": 90}),
                "ToPort": With(81, **tcp), "IpProtocol": With("udp", **{**tcp, "IpProtocol": "udp"}), "IpPermissions": [permission],
                "TagSpecifications": With(tagged("security-group-rule"), IpPermissions=[permission])}
    ingress = {**one_rule, "GroupName": With("name", IpPermissions=[permission])}
    told = {
        "CreateVpc": (vpcs, {
            "Ipv6CidrBlock": "fd00:60::/56", "AmazonProvidedIpv6CidrBlock": True, "Ipv6Pool": With("ipv6pool-ec2-0", Ipv6CidrBlock="fd00:60::/56"),
            "Ipv6CidrBlockNetworkBorderGroup": With(f"{REGION}-bos-1", Ipv6CidrBlock="fd00:60::/56"), "InstanceTenancy": "dedicated",
            "TagSpecifications": tagged("vpc")}),
        "CreateSubnet": (subnets, {
            "AvailabilityZone": f"{REGION}b", "AvailabilityZoneId": "use1-az6", "Ipv6Native": With(True, CidrBlock=None, Ipv6CidrBlock="fd00:60:0:1::/64"), "Ipv6CidrBlock": "fd00:60:0:1::/64", "TagSpecifications": tagged("subnet")}),
        "CreateSecurityGroup": (groups, {"GroupName": word(), "Description": word(), "TagSpecifications": tagged("security-group")}),
        "CreateRouteTable": (tables, {"TagSpecifications": tagged("route-table")}),
        "CreateNetworkInterface": (cards, {
            "Description": word(), "PrivateIpAddress": "10.60.1.77", "Groups": lambda params: [world.group(ec2.describe_subnets(
                SubnetIds=[params["SubnetId"]])["Subnets"][0]["VpcId"])], "TagSpecifications": tagged("network-interface"),
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.60.1.77", "Primary": True}], "Ipv6Addresses": [{"Ipv6Address": "fd00:60:0:1::77"}],
            "Ipv6AddressCount": 1}),
        "CreateVpcEndpoint": (endpoints, {
            **dns, "PolicyDocument": POLICY, "PrivateDnsEnabled": False, "TagSpecifications": tagged("vpc-endpoint"),
            "SecurityGroupIds": lambda params: [world.group(params["VpcId"])], "ServiceName": f"{AWS}.sns",
            "SubnetIds": lambda params: [*params["SubnetIds"], world.subnet(params["VpcId"], 2, "b")],
            "SubnetConfigurations": lambda params: [{"SubnetId": params["SubnetIds"][0], "Ipv4": "10.60.1.77"}],
            "ServiceRegion": With("us-west-2", ServiceName="com.amazonaws.us-west-2.sqs", PrivateDnsEnabled=False)}),
        "ModifyVpcEndpoint": (endpoint_changes, {
            **dns, "PolicyDocument": POLICY, "PrivateDnsEnabled": False, "ResetPolicy": reset,
            "AddSubnetIds": lambda params: [world.subnet(of_endpoint(params)["VpcId"], 3, "c")], "RemoveSubnetIds": lambda params: of_endpoint(params)["SubnetIds"][1:],
            "AddSecurityGroupIds": lambda params: [world.group(of_endpoint(params)["VpcId"])],
            "RemoveSecurityGroupIds": lambda params: [of_endpoint(params)["Groups"][1]["GroupId"]],
            "SubnetConfigurations": lambda params: [{"SubnetId": of_endpoint(params)["SubnetIds"][0], "Ipv4": "10.60.1.78"}]}),
        "CreateVpcEndpointServiceConfiguration": (services, {
            "AcceptanceRequired": False, "PrivateDnsName": f"{word()}.example", "SupportedRegions": ["us-west-2"], "SupportedIpAddressTypes": ["ipv4", "ipv6"],
            "TagSpecifications": tagged("vpc-endpoint-service"), "NetworkLoadBalancerArns": [BALANCER[:-1] + "7"], "GatewayLoadBalancerArns": With([GATEWAY_BALANCER], NetworkLoadBalancerArns=None)}),
        "ModifyVpcEndpointServiceConfiguration": (service_changes, {
            "PrivateDnsName": f"{word()}.example", "RemovePrivateDnsName": True, "AcceptanceRequired": False,
            "AddNetworkLoadBalancerArns": [BALANCER[:-1] + "7"], "AddSupportedIpAddressTypes": ["ipv6"], "AddSupportedRegions": ["us-west-2"],
            "RemoveNetworkLoadBalancerArns": With([BALANCER], AddNetworkLoadBalancerArns=[BALANCER[:-1] + "7"]),
            "RemoveSupportedIpAddressTypes": given(AddSupportedIpAddressTypes=["ipv6"]), "RemoveSupportedRegions": given(AddSupportedRegions=["us-west-2"]),
            "AddGatewayLoadBalancerArns": With([GATEWAY_BALANCER], RemoveNetworkLoadBalancerArns=[BALANCER]),
            "RemoveGatewayLoadBalancerArns": given(AddGatewayLoadBalancerArns=[GATEWAY_BALANCER[:-1] + "7", GATEWAY_BALANCER], RemoveNetworkLoadBalancerArns=[BALANCER])}),
        "ModifyVpcEndpointServicePermissions": (permissions, {
            "AddAllowedPrincipals": ["arn:aws:iam::222222222222:root"], "RemoveAllowedPrincipals": ["arn:aws:iam::111111111111:root"]}),
        "CreateVpcEndpointConnectionNotification": (notifications, {
            "ConnectionNotificationArn": f"{TOPIC}-{word()}", "ConnectionEvents": ["Connect", "Reject"]}),
        "ModifyVpcEndpointConnectionNotification": (notification_changes, {
            "ConnectionNotificationArn": f"{TOPIC}-{word()}", "ConnectionEvents": ["Connect", "Reject"]}),
        "ModifyVpcAttribute": (attributes, {
            "EnableDnsHostnames": {"Value": True}, "EnableDnsSupport": {"Value": False}, "EnableNetworkAddressUsageMetrics": {"Value": True}}),
        "ModifySubnetAttribute": (subnet_attributes, {
            name: {"Value": True} for name in ("AssignIpv6AddressOnCreation", "MapPublicIpOnLaunch", "EnableDns64",
                                               "EnableResourceNameDnsARecordOnLaunch", "EnableResourceNameDnsAAAARecordOnLaunch")}
            | {"PrivateDnsHostnameTypeOnLaunch": "resource-name"}),
        "AssociateVpcCidrBlock": (blocks, {
            "CidrBlock": "10.62.0.0/16", "AmazonProvidedIpv6CidrBlock": True, "Ipv6CidrBlock": "fd00:62::/56",
            "Ipv6Pool": With("ipv6pool-ec2-0", Ipv6CidrBlock="fd00:62::/56"),
            "Ipv6CidrBlockNetworkBorderGroup": With(f"{REGION}-bos-1", Ipv6CidrBlock="fd00:62::/56")}),
        "AssociateSubnetCidrBlock": (subnet_blocks, {"Ipv6CidrBlock": "fd00:60:0:1::/64"}),
        "AuthorizeSecurityGroupIngress": (rules, ingress),
        "AuthorizeSecurityGroupEgress": (rules, one_rule),
        "CreateRoute": (routes, {
            "DestinationCidrBlock": With("10.63.0.0/16", GatewayId="igw-01234567"), "DestinationIpv6CidrBlock": With("fd00:63::/56", GatewayId="igw-01234567"),
            "DestinationPrefixListId": With("pl-01234567", GatewayId="igw-01234567")} | {
                name: With(f"{kind}-0123456789abcdef0", DestinationCidrBlock="10.63.0.0/16") for name, kind in {
                    "GatewayId": "igw", "NatGatewayId": "nat", "VpcPeeringConnectionId": "pcx", "TransitGatewayId": "tgw", "NetworkInterfaceId": "eni",
                    "EgressOnlyInternetGatewayId": "eigw", "InstanceId": "i", "VpcEndpointId": "vpce", "LocalGatewayId": "lgw",
                    "CarrierGatewayId": "cagw"}.items()} | {
                "CoreNetworkArn": With("arn:aws:networkmanager::123456789012:core-network/core-network-0", DestinationCidrBlock="10.63.0.0/16")}),
    }
    short = {"AssociateVpcCidrBlock", "AssociateSubnetCidrBlock", "CreateRoute", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"}
    return {action: Subject(world, "ec2", prepare, values, action not in short) for action, (prepare, values) in told.items()}


def dns_subjects(world):
    """The same of Route 53, Resolver and Profiles."""
    route53, resolver, profiles = (world.clients[name] for name in ("route53", "route53resolver", "route53profiles"))

    def by(method, key, parameter, *path):
        return lambda answer: getattr(method[0], method[1])(**{parameter: below(answer, path)})[key]

    def tagged_by(method, key, parameter, *path):
        def look(answer):
            found = below(answer, path)
            said = getattr(method[0], method[1])(**{parameter: found})[key]
            return [said, method[0].list_tags_for_resource(ResourceArn=said["Arn"])["Tags"]]
        return look

    def zones():
        return {"Name": "made.example", "CallerReference": word(), "VPC": {"VPCId": world.vpc(), "VPCRegion": REGION}}, \
            lambda answer: zone(answer["HostedZone"]["Id"])

    def zone(ident):
        said = route53.get_hosted_zone(Id=ident)
        return [said["HostedZone"], said["VPCs"]]

    def zone_changes(parameter):
        def prepare():
            made = world.zone()
            return {parameter: made}, lambda _: [zone(made)[0].get("Config"), zone(made)[0].get("Features")]
        return prepare

    def rules():
        return {"CreatorRequestId": word(), "RuleType": "FORWARD", "DomainName": "rule.example", "TargetIps": [{"Ip": "10.9.9.9"}]}, \
            tagged_by((resolver, "get_resolver_rule"), "ResolverRule", "ResolverRuleId", "ResolverRule", "Id")

    def rule_changes():
        return {"ResolverRuleId": world.rule()}, by((resolver, "get_resolver_rule"), "ResolverRule", "ResolverRuleId", "ResolverRule", "Id")

    def endpoints():
        asked, _ = world.resolver()
        asked |= {"CreatorRequestId": word(), "IpAddresses": [{"SubnetId": one["SubnetId"], "Ip": one["Ip"].replace(".50", ".78")} for one in asked["IpAddresses"]]}
        return asked, tagged_by((resolver, "get_resolver_endpoint"), "ResolverEndpoint", "ResolverEndpointId", "ResolverEndpoint", "Id")

    def endpoint_changes():
        _, made = world.resolver()
        return {"ResolverEndpointId": made}, lambda _: [resolver.get_resolver_endpoint(ResolverEndpointId=made)["ResolverEndpoint"],
                                                       resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=made)["IpAddresses"]]

    def logs():
        return {"Name": "name", "DestinationArn": "arn:aws:s3:::logs", "CreatorRequestId": word()}, tagged_by(
            (resolver, "get_resolver_query_log_config"), "ResolverQueryLogConfig", "ResolverQueryLogConfigId", "ResolverQueryLogConfig", "Id")

    def shared():
        return {"Name": "name", "ClientToken": word()}, tagged_by((profiles, "get_profile"), "Profile", "ProfileId", "Profile", "Id")

    def association(ident):
        said = profiles.get_profile_association(ProfileAssociationId=ident)["ProfileAssociation"]
        arn = f"arn:aws:route53profiles:{REGION}:000000000000:profile-association/{ident}"
        return [said, profiles.list_tags_for_resource(ResourceArn=arn)["Tags"]]

    def associations():
        return {"ProfileId": world.profile(), "ResourceId": world.vpc(), "Name": "name"}, \
            lambda answer: association(answer["ProfileAssociation"]["Id"])

    def association_changes():
        params, _ = associations()
        made = profiles.associate_profile(**params)["ProfileAssociation"]["Id"]
        return {"ProfileAssociationId": made}, lambda _: association(made)

    def resource(ident):
        return profiles.get_profile_resource_association(ProfileResourceAssociationId=ident)["ProfileResourceAssociation"]

    def resources():
        vpc, subnet = world.dual()
        made = world.endpoint(vpc, SubnetIds=[subnet])
        return {"ProfileId": world.profile(), "Name": "name", "ResourceArn": f"arn:aws:ec2:{REGION}:000000000000:vpc-endpoint/{made}"}, \
            lambda answer: resource(answer["ProfileResourceAssociation"]["Id"])

    def resource_changes():
        params, _ = resources()
        made = profiles.associate_resource_to_profile(**params)["ProfileResourceAssociation"]["Id"]
        return {"ProfileResourceAssociationId": made}, lambda _: resource(made)

    tag = [{"Key": word(), "Value": word()}]
    flags = dict.fromkeys(("RniEnhancedMetricsEnabled", "TargetNameServerMetricsEnabled", "Dns64Enabled", "Ipv6InternetAccessEnabled"), True)
    told = {
        "CreateHostedZone": ("route53", zones, {
            "Name": f"{word()}.example", "HostedZoneConfig.Comment": word(), "HostedZoneConfig.PrivateZone": True, "EnablePublicDNSFallback": True, "DelegationSetId": "N1234567"}),
        "UpdateHostedZoneComment": ("route53", zone_changes("Id"), {"Comment": word()}),
        "UpdateHostedZoneFeatures": ("route53", zone_changes("HostedZoneId"), {"EnablePublicDNSFallback": True}),
        "CreateResolverRule": ("route53resolver", rules, {
            "Name": word(), "DomainName": f"{word()}.example", "TargetIps": [{"Ip": "10.8.8.8", "Port": 5353}], "Tags": tag,
            "ResolverEndpointId": lambda _: world.resolver()[1], "RuleType": With("SYSTEM", TargetIps=None)}),
        "UpdateResolverRule": ("route53resolver", rule_changes, {
            "Config.Name": word(), "Config.TargetIps": [{"Ip": "10.8.8.8"}], "Config.ResolverEndpointId": lambda _: world.resolver()[1]}),
        "CreateResolverEndpoint": ("route53resolver", endpoints, {
            "Name": word(), "Direction": "INBOUND", "ResolverEndpointType": "DUALSTACK", "Protocols": ["DoH"], "Tags": tag, **flags}),
        "UpdateResolverEndpoint": ("route53resolver", endpoint_changes, {
            "Name": word(), "Protocols": ["DoH"], "ResolverEndpointType": "DUALSTACK", **flags,
            "UpdateIpAddresses": lambda params: With([{"IpId": one["IpId"], "Ipv6": f"fd00:60:0:{one['Ip'][6]}::77"} for one in resolver.
                                                      list_resolver_endpoint_ip_addresses(**params)["IpAddresses"]], ResolverEndpointType="DUALSTACK")}),
        "CreateResolverQueryLogConfig": ("route53resolver", logs, {"Name": word(), "DestinationArn": f"arn:aws:s3:::{word()}", "Tags": tag}),
        "CreateProfile": ("route53profiles", shared, {"Name": word(), "Tags": tag}),
        "AssociateProfile": ("route53profiles", associations, {"Name": word(), "Priority": 321, "Tags": tag}),
        "UpdateProfileAssociation": ("route53profiles", association_changes, {"Name": word(), "Priority": 321}),
        "AssociateResourceToProfile": ("route53profiles", resources, {"Name": word(), "ResourceProperties": '{"priority":102}'}),
        "UpdateProfileResourceAssociation": ("route53profiles", resource_changes, {"Name": word(), "ResourceProperties": '{"priority":102}'}),
    }
    return {action: Subject(world, service, prepare, values) for action, (service, prepare, values) in told.items()}


def below(value, path):
    for name in path:
        value = value[name]
    return value

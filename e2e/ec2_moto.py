"""moto's server beside ours: the same network on both, and what each action that reads answers, member by member.

Where the two differ is in e2e/data/moto-differences.txt, with whose is right; another difference fails, and so does one that is gone.
Resolver's calls are compared in ec2_resolver_replays.py. E2E_PROBE=1 prints all differences, with what AWS's own examples have.
"""

import json
import os
import re
from types import SimpleNamespace

from support import awstools
from support.case import ROOT, Skip
from support.ec2 import REGION, Ec2Server

TABLE = ROOT / "e2e" / "data" / "moto-differences.txt"
# actions that moto's server does not have
MOTO_LACKS = {"DescribeVpcEndpointAssociations", "DescribeVpcEndpointConnectionNotifications", "DescribeVpcEndpointConnections",
              "GetSecurityGroupsForVpc", "ListVPCAssociationAuthorizations", "TestDNSAnswer"}
SERVICES = {"EC2": "ec2", "Route 53": "route53", "STS": "sts", "IAM": "iam"}
OURS, MOTO, OTHER = "ours", "moto", "both, of another type"


def run(case):
    awstools.need("boto3")
    try:
        url = awstools.moto(case)
    except Skip as skip:
        raise Skip(f"moto: {skip}") from skip
    server = Ec2Server(case)
    reading = dict(actions())
    ours, theirs = Network(server), Network(SimpleNamespace(url=url), is_moto=True)
    known, found = dict(table()), {}
    for action, service in reading.items():
        mine, others = ours.read(service, action), theirs.read(service, action)
        if action in MOTO_LACKS:
            case.check(isinstance(others, str), f"moto has {action} now: compare it", str(others)[:300])
        elif case.check(not isinstance(mine, str) and not isinstance(others, str), f"{action}: ours {str(mine)[:300]}, moto's {str(others)[:300]}"):
            found |= {(action, member): who for member, who in differences(mine, others).items()}
    if os.environ.get("E2E_PROBE"):
        probe(reading, found, known)
    for key in sorted(found.keys() - known.keys()):
        case.check(False, f"{key[0]}: {key[1]} is in {found[key]}, which {TABLE.name} does not say")
    for key, (who, verdict) in known.items():
        # an older botocore does not know the newest members
        if key[0] in reading and not ours.knows(reading[key[0]], *key):
            continue
        if case.check(key in found, f"a difference is gone: {key[0]}: {key[1]}"):
            case.equal(f"{key[0]}: who has {key[1]}", found[key], who)
        case.check(verdict.split(":")[0] in ("ours", "moto", "both"), f"{key}: whose is right? {verdict}")
    case.check(len(reading) > 40, f"only {len(reading)} actions: the test shows little")
    case.note(f"{len(reading)} actions, {len(found)} members differ; ours is right in "
              f"{sum(verdict.startswith('ours') for _, verdict in known.values())}")


def actions():
    """(action, service) of each that reads, by docs/ec2-actions.md."""
    for line in (ROOT / "docs" / "ec2-actions.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 3 and cells[1] in SERVICES and cells[2] in ("reads", "always an empty list"):
            yield cells[0], SERVICES[cells[1]]


def table():
    """((action, member), (who has it, whose is right and why)) of each difference that is known."""
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            action, member, who, verdict = [cell.strip() for cell in line.split("|")]
            yield (action, member), (who, verdict)


class Network:
    """The same objects on a server, made by boto3."""

    def __init__(self, server, is_moto=False):
        self.clients = {name: awstools.client(server, service=name) for name in SERVICES.values()}
        ec2, route53 = self.clients["ec2"], self.clients["route53"]
        named = [{"Key": "Name", "Value": "beside"}]
        self.vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16", AmazonProvidedIpv6CidrBlock=True,
                                  TagSpecifications=[{"ResourceType": "vpc", "Tags": named}])["Vpc"]["VpcId"]
        for attribute in ("EnableDnsHostnames", "EnableDnsSupport"):
            ec2.modify_vpc_attribute(VpcId=self.vpc, **{attribute: {"Value": True}})
        subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.40.1.0/24", AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="beside", Description="beside", VpcId=self.vpc)["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.40.0.0/16", "Description": "https"}]},
            {"IpProtocol": "tcp", "FromPort": 53, "ToPort": 53, "UserIdGroupPairs": [{"GroupId": group}]}])
        card = ec2.create_network_interface(SubnetId=subnet, Groups=[group], Description="beside")["NetworkInterface"]["NetworkInterfaceId"]
        routes = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=routes, DestinationCidrBlock="10.41.0.0/16", NetworkInterfaceId=card)
        ec2.associate_route_table(RouteTableId=routes, SubnetId=subnet)
        self.endpoint = ec2.create_vpc_endpoint(VpcEndpointType="Interface", VpcId=self.vpc, ServiceName=f"com.amazonaws.{REGION}.sqs",
                                                SubnetIds=[subnet], SecurityGroupIds=[group])["VpcEndpoint"]["VpcEndpointId"]
        self.gateway = ec2.create_vpc_endpoint(VpcEndpointType="Gateway", VpcId=self.vpc, ServiceName=f"com.amazonaws.{REGION}.s3",
                                               RouteTableIds=[routes])["VpcEndpoint"]["VpcEndpointId"]
        balancer = self._balancer(server, subnet) if is_moto else \
            f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/net/front/e94221227f1ba532"
        self.service = ec2.create_vpc_endpoint_service_configuration(
            AcceptanceRequired=True, NetworkLoadBalancerArns=[balancer])["ServiceConfiguration"]["ServiceId"]
        ec2.modify_vpc_endpoint_service_permissions(ServiceId=self.service, AddAllowedPrincipals=["arn:aws:iam::123456789012:root"])
        made = route53.create_hosted_zone(Name="beside.example", CallerReference="1", VPC={"VPCId": self.vpc, "VPCRegion": REGION},
                                          HostedZoneConfig={"Comment": "beside", "PrivateZone": True})
        self.zone, self.change = made["HostedZone"]["Id"].rpartition("/")[2], made["ChangeInfo"]["Id"].rpartition("/")[2]
        route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": [
            {"Action": "CREATE", "ResourceRecordSet": {"Name": "www.beside.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.40.1.9"}]}},
            {"Action": "CREATE", "ResourceRecordSet": {"Name": "w.beside.example", "Type": "A", "TTL": 60, "SetIdentifier": "a", "Weight": 1,
                                                       "ResourceRecords": [{"Value": "10.40.1.10"}]}}]})
        route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=self.zone, AddTags=named)

    @staticmethod
    def _balancer(server, subnet):
        elb = awstools.client(server, service="elbv2")
        return elb.create_load_balancer(Name="front", Type="network", Subnets=[subnet])["LoadBalancers"][0]["LoadBalancerArn"]

    def read(self, service, action):
        """{member: type} of an answer; the error's code and text where there is none."""
        from botocore.exceptions import ClientError  # pylint: disable=import-outside-toplevel
        from botocore.parsers import ResponseParserError  # pylint: disable=import-outside-toplevel
        client = self.clients[service]
        method = next(name for name, operation in client.meta.method_to_api_mapping.items() if operation == action)
        try:
            answer = getattr(client, method)(**self.params(action))
        except ClientError as error:
            return f"{error.response['Error']}"
        except ResponseParserError as error:
            return f"no answer: {error}"
        answer.pop("ResponseMetadata")
        return dict(members(answer))

    def knows(self, service, action, member):
        """Whether botocore's model of an answer has a member."""
        shape = self.clients[service].meta.service_model.operation_model(action).output_shape
        for name in member.split("."):
            shape = shape.members.get(name.removesuffix("[]")) if shape.type_name == "structure" else None
            if shape is None:
                return False
            if name.endswith("[]"):
                shape = shape.member
        return True

    def params(self, action):
        """What an action is asked: what is in this VPC, where it can say so."""
        of_vpc = {"Filters": [{"Name": "vpc-id", "Values": [self.vpc]}]}
        prefix_list = {"PrefixListId": self.clients["ec2"].describe_prefix_lists()["PrefixLists"][0]["PrefixListId"]} \
            if action == "GetManagedPrefixListEntries" else {}
        zone = {"HostedZoneId": self.zone}
        return {
            **dict.fromkeys(("DescribeVpcs", "DescribeSubnets", "DescribeSecurityGroups", "DescribeRouteTables", "DescribeVpcEndpoints",
                             "DescribeNetworkInterfaces", "DescribeNetworkAcls"), of_vpc),
            "DescribeSecurityGroupRules": {}, "DescribeVpcAttribute": {"VpcId": self.vpc, "Attribute": "enableDnsSupport"},
            "DescribeInstances": {}, "DescribeInternetGateways": {"Filters": [{"Name": "attachment.vpc-id", "Values": [self.vpc]}]},
            "DescribeVpcEndpointServicePermissions": {"ServiceId": self.service}, "GetSecurityGroupsForVpc": {"VpcId": self.vpc},
            "DescribeTags": {"Filters": [{"Name": "resource-id", "Values": [self.vpc]}]},
            "DescribeVpcEndpointServices": {"ServiceNames": [f"com.amazonaws.{REGION}.sqs"]},
            "GetManagedPrefixListEntries": prefix_list, "GetHostedZone": {"Id": self.zone}, "GetChange": {"Id": self.change},
            "ListResourceRecordSets": zone, "GetDNSSEC": zone, "ListVPCAssociationAuthorizations": zone,
            "ListHostedZonesByVPC": {"VPCId": self.vpc, "VPCRegion": REGION},
            "ListTagsForResource": {"ResourceType": "hostedzone", "ResourceId": self.zone},
            "ListTagsForResources": {"ResourceType": "hostedzone", "ResourceIds": [self.zone]},
            "TestDNSAnswer": {**zone, "RecordName": "www.beside.example", "RecordType": "A"},
        }.get(action, {})


def members(value, path=""):
    """(path, type) of each member of an answer: `Vpcs[].Tags[].Key`. Items of a list share theirs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from members(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield path, "list"
        for inner in value:
            yield from members(inner, f"{path}[]")
    else:
        yield path, type(value).__name__


def differences(mine, others):
    """{member: who has it}; members below one that only one side has are not said."""
    found = {}
    for path in sorted(mine.keys() | others.keys()):
        who = OURS if path not in others else MOTO if path not in mine else OTHER if mine[path] != others[path] else None
        is_below = any(re.match(rf"{re.escape(above)}(\[\])?\.|{re.escape(above)}\[\]$", path) for above in found)
        if who and not is_below:
            found[path] = who
    return found


# --- E2E_PROBE ------------------------------------------------------------------------------------------------------

def probe(reading, found, known):
    """Each difference, and whether the AWS CLI's examples of the action have the member."""
    for (action, member), who in sorted(found.items()):
        examples = example(reading[action], action)
        name = member.rpartition(".")[2].removesuffix("[]")
        shown = "no example" if examples is None else "in the example" if f'"{name}"' in examples else "not in the example"
        print(f"{action} | {member} | {who} | {known.get((action, member), ('', '?'))[1]} ({shown})")


def example(service, action):
    kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", action).lower()
    path = awstools.PRIVATE / "awscli" / "examples" / service / f"{kebab}.rst"
    return path.read_text() if path.exists() else None

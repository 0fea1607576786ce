"""The 2017 guide's `aws ec2` command lines run verbatim, its ids included: what it names is made with them, by the tag `_custom_id_`.

What the guide takes for granted is made by boto3 with the guide's ids; its creating lines have the tag added, all others are run as
they are printed. dig finds the endpoint by the names that follow from its id.
"""

import shlex

from dig import dig
from support import awstools
from support.awstools import Cli, error_of
from support.ec2 import Ec2Server
from support.scenario import ELB

INSIDE = "127.0.16.5"
TAGGED = " --tag-specifications ResourceType={},Tags=[{{Key=_custom_id_,Value={}}}]"
SERVICES = ("vpce-svc-0e123abc123198abc", "vpce-svc-03d5ebb7d9579a2b3", "vpce-svc-09222513e6e77dc86", "vpce-svc-1237881c0d25a3abc")
# lines that make something: the tag is added
MAKING = [
    ("aws ec2 create-vpc-endpoint --vpc-id vpc-ec43eb89 --vpc-endpoint-type Interface"
     " --service-name com.amazonaws.us-east-1.elasticloadbalancing --subnet-id subnet-abababab --security-group-id sg-1a2b3c4d",
     "vpce-088d25a4bbf4a7abc"),
    ("aws ec2 create-vpc-endpoint --vpc-id vpc-ec43eb89 --vpc-endpoint-type Interface"
     " --service-name com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc --subnet-id subnet-abababab"
     " --security-group-id sg-1a2b3c4d", "vpce-0c1308d7312217abc"),
    ("aws ec2 create-vpc-endpoint --vpc-id vpc-1a2b3c4d --service-name com.amazonaws.us-east-1.s3 --route-table-ids rtb-11aa22bb",
     "vpce-1a2b3c4d"),
]
# lines as the guide prints them, and what says that they did what it says
VERBATIM = [
    ("aws ec2 describe-vpc-endpoints --vpc-endpoint-ids vpce-088d25a4bbf4a7abc", '"vpce-088d25a4bbf4a7abc"'),
    ("aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-0fe5b17a0707d6abc --add-subnet-id subnet-aabb1122", '"Return": true'),
    ("""aws ec2 modify-vpc-endpoint-service-permissions --service-id vpce-svc-03d5ebb7d9579a2b3 --add-allowed-principals"""
     """ '["arn:aws:iam::123456789012:root"]'""", '"ReturnValue": true'),
    ("aws ec2 describe-vpc-endpoint-service-permissions --service-id vpce-svc-03d5ebb7d9579a2b3", "arn:aws:iam::123456789012:root"),
    ("aws ec2 create-vpc-endpoint-connection-notification --connection-notification-arn"
     " arn:aws:sns:us-east-2:123456789012:VpceNotification --connection-events Connect Accept Delete Reject"
     " --service-id vpce-svc-1237881c0d25a3abc", '"vpce-svc-1237881c0d25a3abc"'),
    ("aws ec2 create-vpc-endpoint-connection-notification --connection-notification-arn"
     " arn:aws:sns:us-east-2:123456789012:EndpointNotification --connection-events Accept Reject"
     " --vpc-endpoint-id vpce-123abc3420c1931d7", '"vpce-123abc3420c1931d7"'),
    ("aws ec2 describe-vpc-endpoint-connections --filters Name=vpc-endpoint-state,Values=pendingAcceptance", '"vpce-0c1308d7312217abc"'),
    ("aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-1a2b3c4d --add-route-table-ids rtb-aaa222bb --reset-policy", '"Return": true'),
    ("aws ec2 modify-vpc-endpoint-service-configuration --service-id vpce-svc-09222513e6e77dc86 --no-acceptance-required", '"Return": true'),
    ("aws ec2 delete-vpc-endpoints --vpc-endpoint-ids vpce-088d25a4bbf4a7abc vpce-0c1308d7312217abc vpce-1a2b3c4d", '"Unsuccessful": []'),
    ("aws ec2 delete-vpc-endpoint-service-configurations --service-ids vpce-svc-03d5ebb7d9579a2b3", '"Unsuccessful": []'),
]


def run(case):
    case.need("dig")
    awstools.need("boto3")
    server = Ec2Server(case)
    ec2, cli = awstools.client(server), Cli(case, server)
    ground(case, ec2)
    for line, ident in MAKING:
        said = cli(line + TAGGED.format("vpc-endpoint", ident))
        case.equal(f"the id that was chosen: {line}", said["VpcEndpoint"]["VpcEndpointId"], ident)
    named = ec2.describe_vpc_endpoints(VpcEndpointIds=["vpce-088d25a4bbf4a7abc"])["VpcEndpoints"][0]["DnsEntries"][0]["DnsName"]
    case.check(named.startswith("vpce-088d25a4bbf4a7abc-") and named.endswith(".elasticloadbalancing.us-east-1.vpce.amazonaws.com"),
               "a name by the guide's id", named)
    case.equal("dig by it", len(dig(case, server, named).addresses()), 1)
    case.equal("dig by the private name", len(dig(case, server, "elasticloadbalancing.us-east-1.amazonaws.com", source=INSIDE).addresses()), 1)
    for line, wanted in VERBATIM:
        words = line.split()[2]
        said = case.run(*cli.program, *shlex.split(line)[1:], env=cli.env)
        case.check(wanted in said, f"{words}: {wanted} is not in what it prints", said)
    taken = error_of(ec2.create_vpc, CidrBlock="10.0.0.0/16", TagSpecifications=tags("vpc", "vpc-ec43eb89"))
    case.check(taken and "vpc-ec43eb89" in taken[1] and taken[2] == 400, f"an id that is taken: {taken}")


def tags(kind, ident):
    return [{"ResourceType": kind, "Tags": [{"Key": "_custom_id_", "Value": ident}]}]


def ground(case, ec2):
    """What the guide takes for granted, by its ids."""
    vpc(ec2, "vpc-ec43eb89", "127.0.16.0/20")
    for subnet, zone, block in (("subnet-abababab", "a", "127.0.16.0/24"), ("subnet-aabb1122", "b", "127.0.17.0/24")):
        ec2.create_subnet(VpcId="vpc-ec43eb89", AvailabilityZone=f"us-east-1{zone}", CidrBlock=block, TagSpecifications=tags("subnet", subnet))
    group = ec2.create_security_group(VpcId="vpc-ec43eb89", GroupName="g", Description="g", TagSpecifications=tags("security-group", "sg-1a2b3c4d"))
    case.equal("a security group's id", group["GroupId"], "sg-1a2b3c4d")
    # a VPC whose digits are those of the group comes with another one
    vpc(ec2, "vpc-1a2b3c4d", "127.0.32.0/20")
    case.equal("whose group it is", ec2.describe_security_groups(GroupIds=["sg-1a2b3c4d"])["SecurityGroups"][0]["VpcId"], "vpc-ec43eb89")
    others = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": ["vpc-1a2b3c4d"]}])["SecurityGroups"]
    case.equal("the other VPC has one of its own", [one["GroupName"] for one in others], ["default"])
    for service in SERVICES:
        made = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[ELB], TagSpecifications=tags("vpc-endpoint-service", service))
        case.equal("a service's id", made["ServiceConfiguration"]["ServiceId"], service)
    for endpoint, service in (("vpce-0fe5b17a0707d6abc", "sqs"), ("vpce-123abc3420c1931d7", "sns")):
        ec2.create_vpc_endpoint(VpcId="vpc-ec43eb89", VpcEndpointType="Interface", ServiceName=f"com.amazonaws.us-east-1.{service}",
                                SubnetIds=["subnet-abababab"], TagSpecifications=tags("vpc-endpoint", endpoint))


def vpc(ec2, ident, block):
    ec2.create_vpc(CidrBlock=block, TagSpecifications=tags("vpc", ident))
    ec2.modify_vpc_attribute(VpcId=ident, EnableDnsHostnames={"Value": True})

"""What the boto3 tests share: a world of VPCs that do not meet, and what is asked of an endpoint."""

from . import awstools
from .awstools import error_of
from .case import wait_for
from .ec2 import REGION, make_subnet, make_vpc

ELB = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/front/e94221227f1ba532"


def play(case, server, scenarios):
    """Runs each `scenario(case, server, ec2, world)`; what surprises one must not hide what the others find."""
    ec2, world = awstools.client(server), World(server)
    for scenario in scenarios:
        try:
            scenario(case, server, ec2, world)
        except Exception as error:  # whatever it is, it is this scenario's failure
            case.check(False, f"{scenario.__name__} stopped: {type(error).__name__}: {error}")
    case.check(server.alive(), "the server ended")


class World:
    """VPCs and subnets in a part of 127.0.0.0/8 that no two tests share."""

    def __init__(self, server):
        self.raw, self.next = server.raw(), 1

    def vpc(self, hostnames=True, zones="ab"):
        """(VPC id, subnet ids of the zones, an address inside) of a new VPC 127.n.0.0/16."""
        n, self.next = self.next, self.next + 1
        vpc = make_vpc(self.raw, f"127.{n}.0.0/16", hostnames)
        subnets = [make_subnet(self.raw, vpc, f"127.{n}.{at}.0/24", zone) for at, zone in enumerate(zones)]
        return vpc, subnets, f"127.{n}.200.5"


def interface(ec2, vpc, subnets, service="sqs", **params):
    """An interface endpoint as boto3 makes it."""
    name = service if service.startswith("com.") else f"com.amazonaws.{REGION}.{service}"
    return ec2.create_vpc_endpoint(VpcEndpointType="Interface", VpcId=vpc, ServiceName=name, SubnetIds=subnets,
                                   **params)["VpcEndpoint"]


def describe(ec2, endpoint_id):
    return ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]


def own_addresses(ec2, endpoint):
    """The addresses of an endpoint's interfaces."""
    cards = ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])["NetworkInterfaces"]
    return sorted(card["PrivateIpAddress"] for card in cards)


def state_of(case, server, ec2, endpoint_id):
    """Waits out `pending`; the state then."""
    return wait_for("pending to end", lambda: (state := describe(ec2, endpoint_id)["State"]) != "pending" and state)


def answers(case, server, what, name, addresses, source=None):
    found = server.addresses(name, source)
    case.equal(f"{what}: {name} from {source}", found, ("NOERROR", addresses))


def gone(case, server, what, endpoint, source=None):
    """None of the endpoint's names gives an address of the VPC any more."""
    for entry in endpoint["DnsEntries"]:
        name = entry["DnsName"]
        _, found = server.addresses(name, source)
        case.check(not any(address.startswith("127.") for address in found), f"{what}: {name} is {found}")


def refused(case, what, error, code, text=None):
    """An error with exactly this code and, if given, text."""
    if error is None:
        return case.check(False, f"{what}: it succeeded, wanted {code}")
    case.equal(f"{what}: code", error[0], code, error[1])
    return text is None or case.equal(f"{what}: text", error[1], text)

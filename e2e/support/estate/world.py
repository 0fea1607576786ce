"""The estate itself: accounts, Regions and VPCs with all that DNS depends on. Everything comes out of one seed."""

import ipaddress
import random
from dataclasses import dataclass, field

from . import aws

HUB, SHARED, WITH_ZONE_RULES, DUAL, V6_ONLY, LATTICE, CROSS, PARTNER, S3, INBOUND, PROFILES = 0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12
STATES, NO_REVERSE, NO_HOSTNAMES, NO_SUPPORT, DEFAULT = 15, 16, 17, 18, 19
ACCOUNTS = ["111122223333", "222233334444", "333344445555"]
CHINA, GOVERNMENT = "444455556666", "555566667777"
SCOPES = [(account, region, 20) for account in ACCOUNTS for region in ("us-east-1", "eu-west-1", "us-west-2")]
SCOPES += [(CHINA, "cn-north-1", 4), (GOVERNMENT, "us-gov-west-1", 4)]


@dataclass
class Subnet:
    id: str
    vpc: "Vpc"
    place: int  # the zone's number in the owner's account: 0 is `a`
    block: ipaddress.IPv4Network
    block6: ipaddress.IPv6Network = None
    dns64: bool = False
    used: int = 9

    def zone_id(self):
        return f"{self.vpc.region.code}-az{(self.place + ACCOUNT_SHIFT[self.vpc.account]) % 3 + 1}"

    def zone_in(self, account):
        """What the zone is called in an account: the same zone id has other letters there."""
        number = int(self.zone_id()[-1]) - 1
        return self.vpc.region.name + "abc"[(number - ACCOUNT_SHIFT[account]) % 3]

    def address(self):
        self.used += 1
        return self.block[self.used], self.block6[self.used] if self.block6 else None


ACCOUNT_SHIFT = {account: shift for shift, account in enumerate([*ACCOUNTS, CHINA, GOVERNMENT])}


@dataclass
class Interface:
    id: str
    subnet: Subnet
    ipv4: ipaddress.IPv4Address
    ipv6: ipaddress.IPv6Address = None
    endpoint: "Endpoint" = None
    instance: "Instance" = None
    public: str = None


@dataclass
class Instance:
    id: str
    account: str
    interface: Interface
    resource_a: bool
    resource_aaaa: bool


@dataclass
class Endpoint:
    id: str
    account: str
    vpc: "Vpc"
    kind: str
    service: str
    service_name: str
    base: str = ""
    suffix: str = ""
    state: str = "available"
    private: bool = True
    records: str = "ipv4"
    names: list = field(default_factory=list)
    interfaces: list = field(default_factory=list)
    zonal: bool = True
    wildcard: bool = False
    inbound_only: bool = False
    service_region: aws.Region = None
    association: tuple = None  # (public name, private name, configuration's id) of lattice's endpoints
    preference: tuple = None

    @property
    def regional(self):
        return f"{self.id}-{self.suffix}.{self.base}"

    def zonal_name(self, interface):
        return f"{self.id}-{self.suffix}-{interface.subnet.zone_in(self.account)}.{self.base}"

    @property
    def serves(self):
        return self.state in ("available", "pending", "partial") and bool(self.interfaces)


@dataclass
class Vpc:
    id: str
    account: str
    region: aws.Region
    place: int
    block: ipaddress.IPv4Network
    block6: ipaddress.IPv6Network = None
    support: bool = True
    hostnames: bool = True
    reverse: bool = True
    subnets: list = field(default_factory=list)
    endpoints: list = field(default_factory=list)
    instances: list = field(default_factory=list)
    shared_with: str = None


@dataclass
class Zone:
    id: str
    account: str
    name: str
    vpcs: list
    sets: list  # of Route 53's ResourceRecordSet
    fallback: bool = False


@dataclass
class Rule:
    id: str
    account: str
    region: aws.Region
    domain: str
    kind: str
    upstream: int  # which of the resolvers outside
    vpcs: list = field(default_factory=list)


@dataclass
class Profile:
    id: str
    account: str
    region: aws.Region
    vpcs: list = field(default_factory=list)  # (vpc, priority)
    zones: list = field(default_factory=list)
    rules: list = field(default_factory=list)
    endpoints: list = field(default_factory=list)
    reverse: bool = None


class World:
    """All of it, and the making of it."""

    def __init__(self, seed):
        self.rng, self.numbers = random.Random(seed), 0
        self.vpcs, self.zones, self.rules, self.profiles, self.inbound = [], [], [], [], []
        for account, region, count in SCOPES:
            for place in range(count):
                self.vpcs.append(self.vpc(account, aws.REGIONS[region], place))

    def id(self, kind):
        self.numbers += 1
        return f"{kind}-0{(self.numbers * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF:016x}"

    def at(self, account, region, place):
        return next(vpc for vpc in self.vpcs if (vpc.account, vpc.region.name, vpc.place) == (account, region, place))

    def vpc(self, account, region, place):
        number = len(self.vpcs)
        block = "172.31.0.0/16" if place == DEFAULT else f"10.{number}.0.0/16"
        block6 = ipaddress.ip_network(f"2001:db8:{number:x}::/56") if place in (DUAL, V6_ONLY) else None
        vpc = Vpc(self.id("vpc"), account, region, place, ipaddress.ip_network(block), block6, place != NO_SUPPORT,
                  place not in (NO_HOSTNAMES, NO_SUPPORT), place != NO_REVERSE)
        if place == SHARED and account == ACCOUNTS[0]:
            vpc.shared_with = ACCOUNTS[1]
        for zone in range(3 if place % 2 == 0 or place in (SHARED, DUAL) else 2):
            block6 = list(vpc.block6.subnets(new_prefix=64))[zone] if vpc.block6 else None
            vpc.subnets.append(Subnet(self.id("subnet"), vpc, zone, list(vpc.block.subnets(new_prefix=20))[zone], block6))
        for number in range(2):
            self.instance(vpc, vpc.subnets[number % len(vpc.subnets)], number)
        return vpc

    def instance(self, vpc, subnet, number):
        ipv4, ipv6 = subnet.address()
        public = f"198.51.100.{len(self.vpcs) % 250 + 1}" if number == 0 and vpc.place % 3 == 0 and vpc.hostnames else None
        interface = Interface(self.id("eni"), subnet, ipv4, ipv6, public=public)
        instance = Instance(self.id("i"), vpc.account, interface, number == 1, number == 1 and ipv6 is not None)
        interface.instance = instance
        vpc.instances.append(instance)

    # --- endpoints --------------------------------------------------------------------------------------------------

    def endpoint(self, vpc, service, *, account=None, region=None, zones=None, **more):
        """An interface endpoint with an interface in each subnet, or in so many `zones`."""
        of = region or vpc.region
        endpoint = Endpoint(self.id("vpce"), account or vpc.account, vpc, "Interface", service, aws.service_name(service, of),
                            aws.base_name(service, of), self.suffix(), names=aws.private_names(service, of),
                            service_region=region, zonal=region is None, **more)
        endpoint.wildcard = service == "s3"
        endpoint.private &= bool(endpoint.names)
        return self.with_interfaces(endpoint, zones)

    def with_interfaces(self, endpoint, zones=None):
        for subnet in endpoint.vpc.subnets[:zones]:
            ipv4, ipv6 = subnet.address()
            has6 = ipv6 if endpoint.records != "ipv4" else None
            endpoint.interfaces.append(Interface(self.id("eni"), subnet, ipv4, has6, endpoint=endpoint))
        endpoint.vpc.endpoints.append(endpoint)
        return endpoint

    def suffix(self):
        return "".join(self.rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(8))

    def partner(self, vpc, name):
        number = self.id("vpce-svc")
        endpoint = Endpoint(self.id("vpce"), vpc.account, vpc, "Interface", number, f"com.amazonaws.vpce.{vpc.region.name}.{number}",
                            f"{number}.{vpc.region.name}.vpce.{vpc.region.suffix}", self.suffix(), names=[name])
        return self.with_interfaces(endpoint)

    def lattice(self, vpc, kind, private, preference=None):
        """A resource or service-network endpoint with one association (EC2 API, DescribeVpcEndpointAssociations)."""
        configuration = self.id("rcfg")
        endpoint = Endpoint(self.id("vpce"), vpc.account, vpc, kind, configuration, "", preference=preference)
        under = f"{configuration}.4232ccc.vpc-lattice-rsc.{vpc.region.name}.on.aws"
        name = f"{endpoint.id}.{under}" if kind == "Resource" else f"{endpoint.id}-{self.id('snra')}.{under}"
        endpoint.association = (name, private, configuration)
        return self.with_interfaces(endpoint)


def names_a_day(world):
    """Which services a VPC's endpoints are for, drawn for each."""
    drawn = [service for service in aws.SERVICES if service not in ("s3", "dynamodb", "kms", "sts", "events")]
    return world.rng.sample(drawn, 4)

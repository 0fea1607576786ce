"""Clients of Route 53's, Resolver's and Profiles' APIs that keep a book of what they were told, and the audit of a server against it.

A book says of each thing what it is: a zone its records, a rule its targets and whether the VPC has it, a resolver endpoint
its addresses, a Profile what it shares and whether the VPC has it. A step changes one thing, which was before or is after it.
"""

from . import awstools
from .ec2 import REGION, Ec2Error, make_subnet, make_vpc

HOSTS = ("a", "b", "c", "d")


class DnsClient:
    """One client with a VPC of its own; its things are named after it."""

    def __init__(self, server, number, rng):
        self.number, self.rng, self.acknowledged, self.made, self.unknown = number, rng, 0, 0, None
        self.block = f"127.{100 + number}"
        with server.raw() as raw:
            self.vpc = make_vpc(raw, f"{self.block}.0.0/16")
            self.subnets = [make_subnet(raw, self.vpc, f"{self.block}.{16 * n}.0/20", zone) for n, zone in enumerate("ab")]
            self.group = raw.call("DescribeSecurityGroups", Filter=[{"Name": "vpc-id", "Value": [self.vpc]}])
            self.group = self.group["securityGroupInfo"][0]["groupId"]
        self.book, self.ids = {}, {}
        self.connect(server)

    def connect(self, server):
        """Calls go to this server from now on."""
        self.route53, self.resolver, self.profiles = (
            awstools.client(server, service=name) for name in ("route53", "route53resolver", "route53profiles"))

    def step(self, _=None):
        """One change, chosen by chance; written down before it is asked for and after it was acknowledged."""
        name, after, call = self.choose()
        self.unknown = (name, self.book.get(name), after)
        plainly(call)
        self.write(name, after)
        self.unknown = None
        self.acknowledged += 1

    def write(self, name, after):
        if after is None:
            self.book.pop(name, None)
        else:
            self.book[name] = after

    def choose(self):
        """(what, what it will be, the call) of a change that may be made."""
        mine = {kind: [name for name in sorted(self.book) if name.startswith(kind)] for kind in ("zone", "rule", "end", "prof")}
        kinds = [kind for kind in mine for _ in range(3 if kind == "zone" else 1)]
        kind = self.rng.choice(kinds)
        most = 2 if kind == "end" else 4
        if not mine[kind] or (len(mine[kind]) < most and self.rng.random() < 0.4):
            self.made += 1
            return getattr(self, f"make_{kind}")(f"{kind}-{self.number}-{self.made}")
        return getattr(self, f"change_{kind}")(self.rng.choice(mine[kind]))

    # --- hosted zones: a frozenset of (host, address) -------------------------------------------------------------------

    def make_zone(self, name):
        def call():
            made = self.route53.create_hosted_zone(Name=f"{name}.example", CallerReference=name,
                                                   VPC={"VPCRegion": REGION, "VPCId": self.vpc})
            self.ids[name] = made["HostedZone"]["Id"].split("/")[-1]
        return name, frozenset(), call

    def change_zone(self, name):
        before = self.book[name]
        shared = any(name in book[0] for other, book in self.book.items() if other.startswith("prof"))
        if not before and not shared and self.rng.random() < 0.4:
            return name, None, lambda: self.route53.delete_hosted_zone(Id=self.ids[name])
        if before and self.rng.random() < 0.3:
            changes, after = [("DELETE", host, address) for host, address in before], frozenset()
        else:
            # several records in one batch, so that half of a change would show
            known = dict(before)
            hosts = self.rng.sample(HOSTS, 3)
            changes = [("UPSERT", host, f"10.{self.number}.{self.made % 250}.{self.rng.randrange(250)}") for host in hosts]
            after = frozenset((known | {host: address for _, host, address in changes}).items())
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": {
            "Name": f"{host}.{name}.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]}}
            for action, host, address in changes]}
        return name, after, lambda: self.route53.change_resource_record_sets(HostedZoneId=self.ids[name], ChangeBatch=batch)

    # --- rules: (target, the VPC has it) --------------------------------------------------------------------------------

    def make_rule(self, name):
        target = f"127.0.0.{self.rng.randrange(2, 250)}"

        def call():
            made = self.resolver.create_resolver_rule(CreatorRequestId=name, Name=name, RuleType="FORWARD",
                                                      DomainName=f"{name}.example", TargetIps=[{"Ip": target, "Port": 9}])
            self.ids[name] = made["ResolverRule"]["Id"]
        return name, (target, False), call

    def change_rule(self, name):
        (target, associated), rule = self.book[name], self.ids[name]
        if associated:
            return name, (target, False), lambda: self.resolver.disassociate_resolver_rule(ResolverRuleId=rule, VPCId=self.vpc)
        choice = self.rng.random()
        if choice < 0.5:
            return name, (target, True), lambda: self.resolver.associate_resolver_rule(ResolverRuleId=rule, VPCId=self.vpc)
        if choice < 0.75:
            return name, None, lambda: self.resolver.delete_resolver_rule(ResolverRuleId=rule)
        other = f"127.0.0.{self.rng.randrange(2, 250)}"
        return name, (other, False), lambda: self.resolver.update_resolver_rule(
            ResolverRuleId=rule, Config={"TargetIps": [{"Ip": other, "Port": 9}]})

    # --- resolver endpoints: the number of addresses --------------------------------------------------------------------

    def make_end(self, name):
        def call():
            made = self.resolver.create_resolver_endpoint(
                CreatorRequestId=name, Name=name, Direction="OUTBOUND", SecurityGroupIds=[self.group],
                IpAddresses=[{"SubnetId": subnet} for subnet in self.subnets])
            self.ids[name] = made["ResolverEndpoint"]["Id"]
        return name, 2, call

    def change_end(self, name):
        if self.book[name] >= 4 or self.rng.random() < 0.5:
            return name, None, lambda: self.resolver.delete_resolver_endpoint(ResolverEndpointId=self.ids[name])
        return name, self.book[name] + 1, lambda: self.resolver.associate_resolver_endpoint_ip_address(
            ResolverEndpointId=self.ids[name], IpAddress={"SubnetId": self.rng.choice(self.subnets)})

    # --- Profiles: (the zones that it shares, the VPC has it) -----------------------------------------------------------

    def make_prof(self, name):
        def call():
            self.ids[name] = self.profiles.create_profile(Name=name, ClientToken=name)["Profile"]["Id"]
        return name, (frozenset(), False), call

    def change_prof(self, name):
        (shared, associated), profile = self.book[name], self.ids[name]
        zones = [zone for zone in self.book if zone.startswith("zone") and zone not in shared]
        if zones and self.rng.random() < 0.5:
            zone = self.rng.choice(sorted(zones))
            return name, (shared | {zone}, associated), lambda: self.profiles.associate_resource_to_profile(
                Name=zone, ProfileId=profile, ResourceArn=self.arn(zone))
        if shared and self.rng.random() < 0.5:
            zone = self.rng.choice(sorted(shared))
            return name, (shared - {zone}, associated), lambda: self.profiles.disassociate_resource_from_profile(
                ProfileId=profile, ResourceArn=self.arn(zone))
        if associated:
            return name, (shared, False), lambda: self.profiles.disassociate_profile(ProfileId=profile, ResourceId=self.vpc)
        taken = sum(book[1] for other, book in self.book.items() if other.startswith("prof"))
        if taken < 2 and self.rng.random() < 0.7:
            return name, (shared, True), lambda: self.profiles.associate_profile(Name=name, ProfileId=profile, ResourceId=self.vpc)
        return name, None, lambda: self.profiles.delete_profile(ProfileId=profile)

    def arn(self, zone):
        return f"arn:aws:route53:::hostedzone/{self.ids[zone]}"

    # --- what there is --------------------------------------------------------------------------------------------------

    def look(self):
        """What a server says of all that is this client's, as its book would."""
        mark, found = f"-{self.number}-", {}
        for zone in pages(self.route53, "list_hosted_zones", "HostedZones"):
            name = zone["Name"].removesuffix(".example.")
            if mark in name:
                self.ids[name] = zone["Id"].split("/")[-1]
                sets = pages(self.route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=self.ids[name])
                found[name] = frozenset((one["Name"].split(".")[0], one["ResourceRecords"][0]["Value"])
                                        for one in sets if one["Type"] == "A")
        links = pages(self.resolver, "list_resolver_rule_associations", "ResolverRuleAssociations")
        links = {(one["ResolverRuleId"], one["VPCId"]) for one in links}
        for rule in pages(self.resolver, "list_resolver_rules", "ResolverRules"):
            if mark in rule.get("Name", ""):
                self.ids[rule["Name"]] = rule["Id"]
                found[rule["Name"]] = (rule["TargetIps"][0]["Ip"], (rule["Id"], self.vpc) in links)
        for endpoint in pages(self.resolver, "list_resolver_endpoints", "ResolverEndpoints"):
            if mark in endpoint["Name"]:
                self.ids[endpoint["Name"]] = endpoint["Id"]
                addresses = pages(self.resolver, "list_resolver_endpoint_ip_addresses", "IpAddresses",
                                  ResolverEndpointId=endpoint["Id"])
                found[endpoint["Name"]] = len(addresses) if len(addresses) == endpoint["IpAddressCount"] else addresses
        links = {(one["ProfileId"], one["ResourceId"])
                 for one in pages(self.profiles, "list_profile_associations", "ProfileAssociations")}
        for profile in pages(self.profiles, "list_profiles", "ProfileSummaries"):
            if mark in profile["Name"]:
                self.ids[profile["Name"]] = profile["Id"]
                shared = pages(self.profiles, "list_profile_resource_associations", "ProfileResourceAssociations",
                               ProfileId=profile["Id"])
                found[profile["Name"]] = (frozenset(one["Name"] for one in shared), (profile["Id"], self.vpc) in links)
        return found


def pages(client, action, member, **params):
    return [one for page in client.get_paginator(action).paginate(**params) for one in page[member]]


def plainly(call):
    """A call whose refusal is an `Ec2Error`, and whose broken connection an `OSError`, as of the plain client."""
    # pylint: disable=import-outside-toplevel  (it may not be installed)
    from botocore.exceptions import ClientError, ConnectionError as NoConnection, HTTPClientError
    from botocore.parsers import ResponseParserError
    try:
        return call()
    except ClientError as error:
        raise Ec2Error(error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"],
                       error.response["Error"].get("Message")) from error
    except (HTTPClientError, NoConnection, ResponseParserError) as error:
        raise OSError(str(error)) from error


def verify(case, server, clients, when):
    """Holds a server against its clients' books, settles the calls that were under way; whether all was well."""
    before = case.failed
    for client in clients:
        client.connect(server)
        found = client.look()
        if client.unknown is not None:
            name, was, is_now = client.unknown
            client.unknown = None
            seen = found.get(name)
            case.check(seen in (was, is_now), f"{when}: half a change of {name}: {seen}, before {was}, after {is_now}")
            client.write(name, seen)
        case.equal(f"{when}: what client {client.number} has", found, client.book)
        answers(case, server, client, when)
    return case.failed == before


def answers(case, server, client, when):
    """Zones answer what they hold, and zones that have gone nothing."""
    inside = f"{client.block}.200.9"
    for name, book in client.book.items():
        if name.startswith("zone"):
            for host, address in book:
                case.equal(f"{when}: {host}.{name}.example", server.addresses(f"{host}.{name}.example", inside),
                           ("NOERROR", [address]))
            missing = next((host for host in HOSTS if host not in dict(book)), None)
            if missing:
                case.equal(f"{when}: {missing}.{name}.example", server.addresses(f"{missing}.{name}.example", inside),
                           ("NXDOMAIN", []))
        if name.startswith("rule"):
            # nobody listens at its target: what is forwarded fails, and all else is refused, as there is no upstream
            rcode, _ = server.addresses(f"x.{name}.example", inside)
            case.equal(f"{when}: x.{name}.example", rcode, "SERVFAIL" if book[1] else "REFUSED")
    gone = [name for name in client.ids if name.startswith("zone") and name not in client.book]
    for name in gone[-10:]:
        case.equal(f"{when}: a.{name}.example, whose zone has gone", server.addresses(f"a.{name}.example", inside)[1], [])

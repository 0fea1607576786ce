"""What AWS answers in the estate, from its documentation alone; nothing here was taken from the server.

Route 53 guide, "Considerations when working with a private hosted zone" and "How Resolver rules work": the most specific of rules,
private zones and autodefined names holds, a rule before a zone of the same name, and what a zone lacks is looked for nowhere
else. Where the documentation is silent, the contract of this server (docs/names.md, ARCHITECTURE.md) decides.
"""

import ipaddress
from dataclasses import dataclass, field

from .outputs import host_name, public_name

TTL_ENDPOINT, TTL_SOA = 60, 60
# of the estate's Regions (EC2 guide, "AWS Regions")
COUNTRIES = {"us-east-1": "US", "eu-west-1": "IE", "us-west-2": "US", "cn-north-1": "CN", "us-gov-west-1": "US"}


@dataclass
class Expected:
    """The reply: `choices` are the sets of answers of which one is given, each record as (name, type, data)."""
    rcode: str = "NOERROR"
    choices: list = field(default_factory=lambda: [[]])
    soa: str = None  # the owner of the SOA of a negative answer
    cut: str = None  # the owner of the NS records of a referral
    why: str = ""
    asked: bool = False  # whether somebody outside is asked


def under(name, apex):
    return name == apex or apex == "." or name.endswith(f".{apex}")


class Oracle:
    def __init__(self, world, outside):
        """`outside(number, name, type)` are the answers of a resolver outside."""
        self.world, self.outside = world, outside
        self.endpoints = [one for vpc in world.vpcs for one in vpc.endpoints]
        self.by_id = {one.id: one for one in self.endpoints}

    # --- entry ------------------------------------------------------------------------------------------------------

    def answer(self, vpc, name, kind, rd=True):
        """`vpc` is the client's, None for one of no VPC. Nobody is asked without recursion ("only supports recursive DNS
        queries", VPC guide)."""
        found = self.found(vpc, name, kind, rd)
        return Expected("REFUSED", why="no recursion is desired") if found.asked and not rd else found

    def found(self, vpc, name, kind, rd):
        if vpc is not None and not vpc.support:
            return Expected("REFUSED", why="enableDnsSupport is off")
        if found := self.public_endpoint_name(name, kind):
            return found
        if vpc is None:
            return self.forward(0, name, kind)
        ranked = sorted(self.candidates(vpc, name), key=lambda one: (-len(one[0].strip(".").split(".")) if one[0] != "." else 0, one[1]))
        for apex, _, what, value in ranked:
            found = getattr(self, f"in_{what}")(vpc, apex, value, name, kind, rd)
            if found:
                return found
        return self.forward(0, name, kind)

    def forward(self, resolver, name, kind, why="forwarded"):
        # what no record says (NODATA of a resolver outside) is an empty answer
        records = self.outside(resolver, name, kind)
        return Expected(choices=[[(name, kind, data) for data in records]], why=f"{why} to {resolver}", asked=True)

    # --- the names of endpoints, which are public --------------------------------------------------------------------

    def public_endpoint_name(self, name, kind):
        for one in self.endpoints:
            if one.kind == "Interface" and under(name, one.base) and f"{one.id}-{one.suffix}" in name:
                return self.own_name(one, name, kind)
            if one.kind == "Resource" and name == one.association[0]:
                return self.addresses(name, kind, one, one.interfaces, name.split(".", 1)[1], "name")
        return None

    def own_name(self, one, name, kind):
        # S3's wildcard stands for any labels; the name without it answers, too (aws.md 1.4)
        plain = name[name.index(f"{one.id}-{one.suffix}"):] if one.wildcard else name
        region = one.service_region or one.vpc.region
        # one public zone has the names of a Region's endpoints: its id is in every DnsEntry (aws.md 2.1)
        zone = f"{region.name}.vpce.{region.suffix}"
        listed = {one.regional: one.interfaces} | {one.zonal_name(face): [face] for face in one.interfaces if one.zonal}
        if plain not in listed or not one.serves:
            return Expected("NXDOMAIN", soa=zone, why=f"no name of {one.id} ({one.state})")
        return self.addresses(name, kind, one, listed[plain], zone, "own name", own=True)

    def addresses(self, name, kind, one, interfaces, apex, why, own=False):
        """PrivateLink guide, "DNS record IP type"."""
        types = {"ipv4": ["A"], "ipv6": ["AAAA"], "dualstack": ["A", "AAAA"], "service-defined": ["A", "AAAA"] if own else ["A"]}[one.records]
        data = [str(face.ipv4 if kind == "A" else face.ipv6) for face in interfaces] if kind in types else []
        if not data:
            return Expected(soa=apex, why=f"{why} of {one.id} has no {kind}")
        return Expected(choices=[[(name, kind, one) for one in data]], why=f"{why} of {one.id}")

    # --- what is private to a VPC -------------------------------------------------------------------------------------

    def candidates(self, vpc, name):
        """(domain, precedence at one domain, kind, object) of all that covers a name."""
        world = self.world
        mine = sorted([(priority, profile) for profile in world.profiles for user, priority in profile.vpcs if user is vpc], key=lambda one: one[0])
        places = [(0, None), *[(2 * number, profile) for number, (_, profile) in enumerate(mine, 1)]]
        found = []
        for rank, profile in places:
            rules = [rule for rule in world.rules if vpc in rule.vpcs] if profile is None else profile.rules
            found += [(rule.domain, rank, "rule", rule) for rule in rules]
            if vpc.hostnames:
                zones = [zone for zone in world.zones if vpc in zone.vpcs] if profile is None else profile.zones
                found += [(zone.name, rank + 1, "zone", zone) for zone in zones]
                endpoints = vpc.endpoints if profile is None else profile.endpoints
                found += [(apex, rank + 1, "hidden", one) for one in endpoints for apex in self.hidden(one)]
        if vpc.hostnames:
            found.append((vpc.region.internal, 99, "hosts", None))
            found.append((vpc.region.public, 99, "public_hosts", None))
            if vpc.reverse:
                first, second = str(vpc.block).split(".")[:2]
                found.append((f"{second}.{first}.in-addr.arpa", 99, "reverse", None))
        found += [(apex, 100, "nowhere", None) for apex in ["10.in-addr.arpa", *[f"{n}.172.in-addr.arpa" for n in range(16, 32)]]]
        return [one for one in found if under(name, one[0])]

    def hidden(self, one):
        """The domains of an endpoint's hidden zones: a wildcard is a record of the zone at its parent."""
        if one.association:
            preference = one.preference
            taken = not preference or one.association[1] in preference[1]
            return [one.association[1]] if taken else []
        on = one.private and one.serves and not one.inbound_only
        return sorted({name.removeprefix("*.") for name in one.names}) if on else []

    def in_rule(self, vpc, apex, rule, name, kind, rd):
        if rule.kind == "SYSTEM":
            return self.forward(0, name, kind, "SYSTEM rule")
        return self.forward(rule.upstream, name, kind, f"rule {apex}")

    def in_hidden(self, vpc, apex, one, name, kind, rd):
        if one.kind == "ServiceNetwork":
            if name != apex:
                return Expected("NXDOMAIN", soa=apex, why="below a private name")
            data = self.outside(0, one.association[0], kind)
            return Expected(choices=[[(name, kind, each) for each in data]], soa=None if data else apex, why="service network")
        wild = f"*.{apex}" in one.names
        if name != apex and not wild:
            return Expected("NXDOMAIN", soa=apex, why="below a private name")
        return self.addresses(name, kind, one, one.interfaces, apex, "private name")

    def in_hosts(self, vpc, apex, _, name, kind, rd):
        for one in self.interfaces(vpc):
            if host_name(one) == name:
                return self.host(name, {"A": one.ipv4}, kind, apex)
            if one.instance and f"{one.instance.id}.{apex}" == name:
                types = {"A": one.ipv4 if one.instance.resource_a else None, "AAAA": one.ipv6 if one.instance.resource_aaaa else None}
                if any(types.values()):
                    return self.host(name, types, kind, apex)
        return self.unknown(vpc, apex, name, kind)

    def unknown(self, vpc, apex, name, kind):
        """A name of an instance that nobody told of: the resolvers of a rule may know it (B.1), but for the root's, which
        does not hold for autodefined names (aws.md 2.5)."""
        rules = [rule for rule in self.world.rules if vpc in rule.vpcs and rule.domain != "." and under(name, rule.domain)]
        if rules:
            return self.forward(rules[0].upstream, name, kind, "unknown instance")
        return Expected("NXDOMAIN", soa=apex, why="unknown instance")

    def host(self, name, types, kind, apex):
        data = types.get(kind)
        if data is None:
            return Expected(soa=apex, why="instance name of another type")
        return Expected(choices=[[(name, kind, str(data))]], why="instance name")

    def in_public_hosts(self, vpc, apex, _, name, kind, rd):
        for one in self.interfaces(vpc):
            if one.public and public_name(one) == name:
                # whose SOA a negative answer has is not documented
                return self.host(name, {"A": one.ipv4}, kind, None)
        return None

    def in_reverse(self, vpc, apex, _, name, kind, rd):
        for one in self.interfaces(vpc):
            if one.ipv4.reverse_pointer == name:
                if kind != "PTR":
                    return Expected(soa=apex, why="reverse name of another type")
                return Expected(choices=[[(name, kind, f"{host_name(one)}.")]], why="reverse name")
        return self.unknown(vpc, apex, name, kind)

    def in_nowhere(self, vpc, apex, _, name, kind, rd):
        return Expected("NXDOMAIN", soa=apex, why="autodefined reverse zone of private addresses")

    def interfaces(self, vpc):
        return [one.interface for one in vpc.instances] + [face for one in vpc.endpoints for face in one.interfaces]

    # --- private hosted zones -----------------------------------------------------------------------------------------

    def in_zone(self, vpc, apex, zone, name, kind, rd):
        """RFC 1034 4.3.2 with the choices of Route 53's routing policies."""
        sets = {}
        for one in zone.sets:
            sets.setdefault(one["Name"].rstrip(".").replace("\\052", "*"), {}).setdefault(one["Type"], []).append(one)
        names = set(sets)
        labels = name.split(".")
        for at in range(len(labels) - len(apex.split(".")) - 1, -1, -1):
            cut = ".".join(labels[at:])
            if "NS" in sets.get(cut, {}):
                return Expected("SERVFAIL", why="delegated") if rd else Expected(cut=cut, why="referral")
        exists = name in names or any(one.endswith(f".{name}") for one in names)
        owner = name
        if not exists:
            encloser = next(".".join(labels[at:]) for at in range(len(labels)) if ".".join(labels[at:]) in names
                            or any(one.endswith("." + ".".join(labels[at:])) for one in names))
            owner = f"*.{encloser}"
            if owner not in names:
                if zone.fallback:
                    return self.forward(0, name, kind, "public DNS fallback")
                return Expected("NXDOMAIN", soa=apex, why=f"not in {zone.name}")
        types = sets.get(owner, {})
        if "CNAME" in types and kind != "CNAME":
            target = types["CNAME"][0]["ResourceRecords"][0]["Value"].rstrip(".")
            rest = self.answer(vpc, target, kind)
            first = (name, "CNAME", f"{target}.")
            return Expected(rest.rcode, [[first, *choice] for choice in rest.choices], rest.soa, why="alias")
        if kind not in types:
            return Expected(soa=apex, why=f"no {kind} at {name}")
        return self.chosen(vpc, zone, sets, owner, name, kind, types[kind])

    def chosen(self, vpc, zone, sets, owner, name, kind, candidates):
        first = candidates[0]
        if "Weight" in first:
            candidates = [one for one in candidates if one["Weight"] > 0] or candidates
            return Expected(choices=[self.of_set(name, kind, one) for one in candidates], why="weighted")
        if "Failover" in first:
            candidates = [one for one in candidates if one["Failover"] == "PRIMARY"]
        elif "GeoLocation" in first:
            # private zones go by the Region of the VPC (Route 53 guide, "Geolocation routing in private hosted zones")
            here = COUNTRIES.get(vpc.region.name)
            by_country = {one["GeoLocation"].get("CountryCode"): one for one in candidates}
            candidates = [by_country[country] for country in (here, "*") if country in by_country][:1]
        elif "Region" in first:
            candidates = [one for one in candidates if one["Region"] == vpc.region.name]
        elif "CidrRoutingConfig" in first:
            candidates = []
        if not candidates:
            return Expected("SERVFAIL", why="a routing policy that nobody here can decide")
        target = candidates[0].get("AliasTarget")
        if target is None:
            return Expected(choices=[[record for one in candidates for record in self.of_set(name, kind, one)]], why="records")
        to = target["DNSName"].rstrip(".")
        if target["HostedZoneId"] == zone.id:
            return self.chosen(vpc, zone, sets, to, name, kind, sets[to][kind])
        endpoint = self.by_id.get(to[:22])
        if endpoint is None:
            return Expected("SERVFAIL", why="an alias to what is in no output")
        return self.addresses(name, kind, endpoint, [face for face in endpoint.interfaces if to in (endpoint.regional, endpoint.zonal_name(face))],
                              zone.name, "alias")

    def of_set(self, name, kind, one):
        return [(name, kind, record["Value"]) for record in one["ResourceRecords"]]


def reverse(address):
    return ipaddress.ip_address(address).reverse_pointer

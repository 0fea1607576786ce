"""dig sees the right answer: endpoint names, private names in and out of the VPC, attributes, states."""

import re
from dataclasses import dataclass, field

from support import zonefile
from support import zones as z
from support.case import ROOT
from support.server import Server, Upstream
from support.upstream import public_address

A, B, C, D = "vpc-0000000a", "vpc-0000000b", "vpc-0000000c", "vpc-0000000d"
IN_A, IN_B, IN_C, IN_D, OUTSIDE = "127.0.1.5", "127.0.2.5", "127.0.3.5", "127.0.4.5", "127.0.0.1"
EC2 = "ec2.us-east-1.amazonaws.com"
REGIONAL = f"vpce-0fe5b17a0707d6abc-29p5708s.ec2.{z.SUFFIX}"
ZONAL = f"vpce-0fe5b17a0707d6abc-29p5708s-us-east-1b.ec2.{z.SUFFIX}"
SERVED = ("available", "pending", "partial")
STATES = SERVED + ("pendingAcceptance", "rejected", "failed", "expired", "deleting", "deleted")
# one service for each state, so that every one has a private name of its own
SERVICES = ("sqs", "sns", "kms", "ssm", "monitoring", "secretsmanager", "sts", "athena", "glue")


@dataclass
class Dig:
    """What dig printed."""
    text: str
    status: str = ""
    flags: list = field(default_factory=list)
    answer: list = field(default_factory=list)
    authority: list = field(default_factory=list)

    def addresses(self):
        """The data of the address records in the answer, sorted."""
        return sorted(words[4] for words in self.answer if words[3] in ("A", "AAAA"))


def run(case):
    case.need("dig")
    shipped_zones(case)
    case.write("zones/network.toml", network())
    case.write("zones/endpoints.toml", endpoints())
    case.run(case.binary, "check", "--zones", "zones")
    upstream = Upstream(case, flags=["--cname", f"alias.public.example={EC2}"])
    server = Server(case, zones="zones", forward=upstream.target)
    endpoint_names(case, server)
    private_names(case, server, upstream)
    attributes(case, server, upstream)
    states(case, server)


def dig(case, server, name, kind="A", *flags, source=OUTSIDE):
    """dig's view of one question."""
    text = case.run("dig", "-b", source, "@127.0.0.1", "-p", server.port, name, kind, "+tries=2", "+timeout=3", *flags)
    seen = Dig(text)
    if found := re.search(r"status: (\w+)", text):
        seen.status = found[1]
    if found := re.search(r";; flags: ([a-z ]*);", text):
        seen.flags = found[1].split()
    section = None
    for line in text.splitlines():
        if found := re.match(r";; (\w+) SECTION", line):
            section = found[1]
        elif line and not line.startswith(";") and section in ("ANSWER", "AUTHORITY"):
            getattr(seen, section.lower()).append(line.split(None, 4))
    return seen


def shipped_zones(case):
    """Every endpoint name of the zone files in this tree, as the master file lists it and as dig sees it."""
    case.run(case.binary, "check", "--zones", ROOT / "zones")
    text = case.run(case.binary, "names", "--format", "zone", "--zones", ROOT / "zones")
    wanted = {}
    for origin, zone in zonefile.zones(text).items():
        for owner, ttl, kind, data in zonefile.records(zone, origin):
            if kind in ("A", "AAAA") and ".vpce." in owner:
                wanted.setdefault((owner.replace("*", "bucket"), kind), []).append((ttl, data[0]))
    case.check(wanted, "`names --format zone` lists no endpoint name of zones/")
    server = Server(case, zones=ROOT / "zones")
    for (owner, kind), data in list(wanted.items())[:100]:
        seen = dig(case, server, owner, kind)
        found = sorted((int(words[1]), words[4]) for words in seen.answer if words[3] == kind)
        case.equal(f"dig {owner} {kind}", found, sorted(data), seen.text)
        case.equal(f"TTLs of {owner}", {ttl for ttl, _ in found}, {60})
    server.stop()


def network():
    """Four VPCs on loopback: A and B as private DNS wants them, C and D with one attribute off each."""
    text = z.vpc(A, "127.0.1.0/24") + z.vpc(B, "127.0.2.0/24")
    text += z.vpc(C, "127.0.3.0/24", enable_dns_hostnames=False)
    text += z.vpc(D, "127.0.4.0/24", enable_dns_support=False)
    for vpc, third in ((A, 1), (B, 2), (C, 3), (D, 4)):
        for n, zone in enumerate("abc"):
            text += z.subnet(f"subnet-{vpc[-7:]}{n}", vpc, zone, f"127.0.{third}.{64 * n}/26")
    return text


def interfaces(vpc, host, zones="abc"):
    """One interface in each of these zones of a VPC."""
    third = int(vpc[-1], 16) - 9
    return [(f"subnet-{vpc[-7:]}{'abc'.index(zone)}", f"127.0.{third}.{64 * 'abc'.index(zone) + host}")
            for zone in zones]


def endpoints():
    text = z.endpoint("vpce-0fe5b17a0707d6abc", A, "ec2", "29p5708s", interfaces(A, 17))
    text += z.endpoint("vpce-00000000000000b01", B, "ec2", "bbbbbbbb", interfaces(B, 17, "ab"))
    text += z.endpoint("vpce-00000000000000c01", C, "ec2", "cccccccc", interfaces(C, 17, "a"))
    text += z.endpoint("vpce-00000000000000d01", D, "ec2", "dddddddd", interfaces(D, 17, "a"))
    text += z.endpoint("vpce-088d25a4bbf4a7abc", A, "elasticloadbalancing", "ks83awe7", interfaces(A, 18),
                       private_dns_enabled=False)
    for n, (state, service) in enumerate(zip(STATES, SERVICES)):
        text += z.endpoint(f"vpce-0000000000000a1{n:02}", A, service, f"state{n:03}", interfaces(A, 20 + n, "ab"),
                           state=state)
    return text


def endpoint_names(case, server):
    everywhere = ["127.0.1.145", "127.0.1.17", "127.0.1.81"]
    for source in (OUTSIDE, IN_A, IN_B, IN_C):
        for flags in ((), ("+tcp",)):
            seen = dig(case, server, REGIONAL, "A", *flags, source=source)
            case.equal(f"regional name from {source} {flags}", seen.addresses(), everywhere, seen.text)
    case.equal("TTLs of the regional name", {words[1] for words in seen.answer}, {"60"}, seen.text)
    case.equal("flags of the regional name", sorted(set(seen.flags) - {"ad"}), ["qr", "ra", "rd"], seen.text)
    first = {dig(case, server, REGIONAL).answer[0][4] for _ in range(24)}
    case.check(len(first) > 1, "the addresses of a regional name do not rotate: 24 times the same one came first")
    seen = dig(case, server, ZONAL)
    case.equal("zonal name", seen.addresses(), ["127.0.1.81"], seen.text)
    seen = dig(case, server, REGIONAL.upper())
    case.equal("regional name in capitals", seen.addresses(), everywhere, seen.text)
    for kind in ("AAAA", "HTTPS", "TXT", "MX"):
        empty_with_soa(case, f"regional name {kind}", dig(case, server, REGIONAL, kind), "NOERROR")


def private_names(case, server, upstream):
    for source, wanted in ((IN_A, ["127.0.1.145", "127.0.1.17", "127.0.1.81"]), (IN_B, ["127.0.2.17", "127.0.2.81"])):
        for flags in ((), ("+tcp",)):
            seen = dig(case, server, EC2, "A", *flags, source=source)
            case.equal(f"{EC2} from {source} {flags}", seen.addresses(), wanted, seen.text)
    # AAAA and HTTPS of a private name must not leak out: the public answer would win in some clients
    for kind in ("AAAA", "HTTPS", "TXT"):
        empty_with_soa(case, f"{EC2} {kind} from A", dig(case, server, EC2, kind, source=IN_A), "NOERROR")
    empty_with_soa(case, "below the private name", dig(case, server, f"below.{EC2}", source=IN_A), "NXDOMAIN")
    leaked = [name for name, _ in upstream.seen() if name.endswith(f"{EC2}.")]
    case.check(not leaked, "questions inside a private zone went upstream", leaked)
    seen = dig(case, server, EC2, source=OUTSIDE)
    case.equal(f"{EC2} from outside", seen.addresses(), [public_address(EC2)], seen.text)
    case.check(upstream.saw(EC2), "the private name from outside did not reach the upstream")
    name = "elasticloadbalancing.us-east-1.amazonaws.com"
    seen = dig(case, server, name, source=IN_A)
    case.equal("private name of an endpoint with private DNS off", seen.addresses(), [public_address(name)], seen.text)
    seen = dig(case, server, "alias.public.example", source=IN_A)
    case.equal("public alias into a private name, from A", seen.addresses(),
               ["127.0.1.145", "127.0.1.17", "127.0.1.81"], seen.text)
    seen = dig(case, server, "alias.public.example", source=OUTSIDE)
    case.equal("the same alias from outside", seen.addresses(), [public_address(EC2)], seen.text)


def attributes(case, server, upstream):
    seen = dig(case, server, EC2, source=IN_C)
    case.equal("private name with enable_dns_hostnames off", seen.addresses(), [public_address(EC2)], seen.text)
    before = len(upstream.seen())
    for name in (EC2, REGIONAL, "www.example"):
        seen = dig(case, server, name, source=IN_D)
        case.equal(f"{name} with enable_dns_support off", (seen.status, seen.answer), ("REFUSED", []), seen.text)
        case.check("EDE: " in seen.text and "enable_dns_support" in seen.text,
                   f"{name} with enable_dns_support off: no extended error that says so", seen.text)
    case.equal("questions of that VPC that went upstream", len(upstream.seen()) - before, 0)
    # what the endpoint is called is public, so it answers even where the private name does not
    seen = dig(case, server, f"vpce-00000000000000d01-dddddddd.ec2.{z.SUFFIX}", source=IN_A)
    case.equal("endpoint name of a VPC without DNS, from another", seen.addresses(), ["127.0.4.17"], seen.text)


def states(case, server):
    for n, (state, service) in enumerate(zip(STATES, SERVICES)):
        private = sorted(address for _, address in interfaces(A, 20 + n, "ab"))
        name = f"{service}.us-east-1.amazonaws.com"
        regional = f"vpce-0000000000000a1{n:02}-state{n:03}.{service}.{z.SUFFIX}"
        own, default = dig(case, server, regional), dig(case, server, name, source=IN_A)
        if state in SERVED:
            case.equal(f"regional name, state {state}", own.addresses(), private, own.text)
            case.equal(f"private name, state {state}", default.addresses(), private, default.text)
        else:
            case.check(not set(own.addresses()) & set(private), f"regional name answers in state {state}", own.text)
            case.equal(f"private name, state {state}", default.addresses(), [public_address(name)], default.text)


def empty_with_soa(case, what, seen, status):
    """A negative answer that resolvers can cache: the rcode, nothing in the answer, one SOA (RFC 2308)."""
    case.equal(what, (seen.status, seen.answer, [words[3] for words in seen.authority]), (status, [], ["SOA"]),
               seen.text)

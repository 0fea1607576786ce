"""An estate of three accounts, three Regions and twenty VPCs in each as the AWS CLI prints it: 2,000 answers as AWS gives them.

The outputs (`support/estate/outputs.py`) are held to botocore's service models and loaded as they are; what is expected comes from
`support/estate/oracle.py`, which has AWS's documentation for its source and nothing of the server.
"""

import random
import socket
import struct
import sys
import zlib
from collections import Counter

from support import awstools, dns
from support.estate.build import build
from support.estate.oracle import Oracle, under
from support.estate.outputs import host_name, public_name, write
from support.estate.shapes import Printer
from support.server import NameServer, Server

SEED, QUESTIONS = 2026, 2000
# what a warning of the load may say: each is a fact of the estate that AWS would not serve, or that no output can tell
WARNINGS = ["its private names answer as public ones", "the addresses of the inbound resolver endpoint", "clients at its addresses are of no VPC",
            "an alias to internal-web-1", "routing is not served"]
COMMANDS = 21


def run(case):
    # the models of a botocore of the machine may be older than the estate's shapes
    sys.path.insert(0, str(awstools.PRIVATE))
    awstools.need("botocore")
    world = build(SEED)
    outside = [Outside(number) for number in range(4)]
    for one in outside:
        case.finally_do(one.stop)
    for rule in world.rules:
        rule.target = outside[rule.upstream].address
    printer = Printer(case, "zones")
    write(world, printer)
    case.equal("commands whose outputs are there", len(printer.operations), COMMANDS)
    # the root is with the forwarder, and every client is said by a PROXY header
    server = Server(case, "--proxy-protocol-from", "127.0.0.2/32", zones="zones", forward="{}:{}".format(*outside[0].address))
    for line in server.log_text().splitlines():
        if " warn" in line.lower():
            case.check(any(known in line for known in WARNINGS), "a warning that nothing in the estate calls for", line)
    oracle = Oracle(world, outside_says)
    questions = drawn(world)
    kinds = Counter()
    with dns.udp_socket(server.address, "127.0.0.2") as sock:
        for vpc, source, name, kind, rd in questions:
            expected = oracle.answer(vpc, name, kind, rd)
            kinds[expected.why.split(" of ")[0].split(" to ")[0]] += 1
            found = ask(sock, source, name, kind, rd)
            who = f"{vpc.account} {vpc.region.name} number {vpc.place} ({vpc.id})" if vpc else "no VPC"
            if why := difference(expected, found):
                case.check(False, f"{name} {kind}{'' if rd else ' RD=0'} from {source}, {who}: {why}; expected for: {expected.why}", str(found))
            case.checks += 1
    case.note(f"{len(world.vpcs)} VPCs, {sum(len(vpc.endpoints) for vpc in world.vpcs)} endpoints, {len(world.zones)} zones in "
              f"{printer.files} outputs of {len(printer.operations)} commands; {len(questions)} questions, {case.failed} differences")
    case.note(", ".join(f"{count} {what}" for what, count in kinds.most_common()))
    case.check(len(questions) == QUESTIONS, f"{len(questions)} questions, not {QUESTIONS}")
    server.stop()


# --- the questions -----------------------------------------------------------------------------------------------------


def drawn(world):
    """So many questions, of every kind alike: (vpc, the client's address, name, type, RD)."""
    rng = random.Random(SEED)
    pools = {}
    for vpc in world.vpcs:
        if str(vpc.block) != "172.31.0.0/16":
            of_vpc(world, vpc, pools, rng)
    for kind, name in own_names(world, rng):
        vpc = rng.choice([vpc for vpc in world.vpcs if str(vpc.block) != "172.31.0.0/16"])
        pools.setdefault("own", []).append((vpc, name, kind, True))
        # Each Region's default VPC has one block: whose client that is, nothing tells
        pools.setdefault("contested", []).append((None, name, kind, True))
    found = {}
    order = sorted(pools)
    while len(found) < QUESTIONS:
        for pool in order:
            if pools[pool]:
                vpc, name, kind, rd = pools[pool].pop(rng.randrange(len(pools[pool])))
                found[(vpc.id if vpc else None, name, kind, rd)] = (vpc, client(vpc, rng), name, kind, rd)
    return list(found.values())[:QUESTIONS]


def client(vpc, rng):
    if vpc is None:
        return f"172.31.{rng.randrange(48)}.{rng.randrange(20, 240)}"
    return str(rng.choice(vpc.subnets).block[rng.randrange(300, 3000)])


def of_vpc(world, vpc, pools, rng):
    def add(pool, name, *kinds, rd=True):
        pools.setdefault(pool, []).extend((vpc, name, kind, rd) for kind in kinds)

    for one in vpc.endpoints:
        for name in one.names:
            add("private", name.replace("*", "my-1"), "A", "AAAA")
            add("private types", name.replace("*", "my.1"), "HTTPS", "TXT")
            add("below", f"x.y.{name.removeprefix('*.')}", "A")
        if one.association:
            add("lattice", one.association[1], "A", "AAAA")
            add("lattice", f"x.{one.association[1]}", "A")
            add("lattice", one.association[0], "A")
    # what another VPC of the Region has, and this one may have, too
    others = [one for other in world.vpcs if other.region is vpc.region and other is not vpc for one in other.endpoints if one.names]
    for one in rng.sample(others, min(6, len(others))):
        add("others'", rng.choice(one.names).replace("*", "my-1"), "A")
    for one in [instance.interface for instance in vpc.instances] + [face for one in vpc.endpoints for face in one.interfaces][:2]:
        add("instances", host_name(one), "A", "AAAA")
        add("reverse", one.ipv4.reverse_pointer, "PTR")
        if one.instance:
            add("resources", f"{one.instance.id}.{vpc.region.internal}", "A", "AAAA")
        if one.public:
            add("public instances", public_name(one), "A", "AAAA")
    add("instances", f"ip-10-250-0-1.{vpc.region.internal}", "A")
    add("reverse", "1.0.250.10.in-addr.arpa", "PTR")
    add("reverse", vpc.block[-2].reverse_pointer, "PTR")
    add("public", "www.example.net", "A")
    add("public", f"s{vpc.place}.example.org", "A", "AAAA")
    profiles = [one for one in world.profiles if any(user is vpc for user, _ in one.vpcs)]
    if profiles or any(vpc in rule.vpcs for rule in world.rules) or rng.random() < 0.1:
        for domain in ("host.onprem.example", "x.cloud.onprem.example", "onprem.example", "x.nobody.example", "a.away1.example", "a.away2.example"):
            add("rules", domain, "A")
    for zone in world.zones:
        sees = vpc in zone.vpcs or any(zone in one.zones for one in profiles)
        # now and then one that it does not see
        if sees or rng.random() < 0.03:
            of_zone(zone, add, rng)


def of_zone(zone, add, rng):
    names = sorted({one["Name"].rstrip(".").replace("\\052", "q") for one in zone.sets})
    for name in rng.sample(names, min(4, len(names))):
        add("zones", name, *rng.sample(["A", "AAAA", "TXT", "MX"], 2))
    add("zones", f"none.{zone.name}", "A")
    if zone.name.startswith("corp-"):
        name = rng.choice(["x.y.wild", "here.wild", "n.t", "t", "no.e.n.t", "x.db", "ruled", "a.ruled", "x.deep", "only.deep", "cut", "a.cut", "out"])
        add("zones", f"{name}.{zone.name}", "A")
        add("cuts", f"h{rng.randrange(9)}.cut.{zone.name}", "A", rd=False)
        for name in ("w", "f", "geo", "ip", "multi", "near", "kms", "kms-a", "again", "lb"):
            add("policies", f"{name}.{zone.name}", "A")


def own_names(world, rng):
    for vpc in world.vpcs:
        for one in vpc.endpoints:
            if one.kind != "Interface":
                continue
            star = "bucket." if one.wildcard else ""
            yield "A", star + one.regional
            yield rng.choice(["AAAA", "TXT"]), one.regional
            yield "A", star + one.zonal_name(rng.choice(one.interfaces))
            # a zone in which it has no interface
            yield "A", f"{one.id}-{one.suffix}-{vpc.region.name}f.{one.base}"


# --- the resolvers outside, and what they say ------------------------------------------------------------------------------


def outside_says(number, name, kind):
    last = zlib.crc32(name.encode()) % 254 + 1
    return {"A": [f"198.18.{number}.{last}"], "AAAA": [f"2001:db8:ff{number}::{last:x}"], "PTR": [f"p{last}.o{number}.outside.example."]}.get(kind, [])


class Outside(NameServer):
    """A resolver that knows every name, and by whose addresses it is known."""

    def __init__(self, number):
        self.number = number
        super().__init__(is_upstream=number == 0)

    def reply(self, packet):
        query = dns.decode(packet)
        name, number, _ = query.questions[0]
        end = 12 + len(name) + 4
        data = outside_says(self.number, dns.show_name(name).rstrip("."), dns.TYPE_NAMES.get(number, ""))
        records = b"".join(b"\xc0\x0c" + struct.pack("!2HIH", number, 1, 300, len(rdata)) + rdata for rdata in (wire(number, one) for one in data))
        if not records:
            soa = dns.name_to_wire("ns.outside.example") * 2 + struct.pack("!5I", 1, 7200, 900, 1209600, 60)
            soa = b"\0" + struct.pack("!2HIH", 6, 1, 60, len(soa)) + soa
            return packet[:2] + b"\x81\x80\0\x01\0\0\0\x01\0\0" + packet[12:end] + soa
        return packet[:2] + b"\x81\x80\0\x01" + struct.pack("!3H", len(data), 0, 0) + packet[12:end] + records


def wire(number, text):
    if number in (1, 28):
        return socket.inet_pton(socket.AF_INET if number == 1 else socket.AF_INET6, text)
    return dns.name_to_wire(text)


# --- asking and judging -------------------------------------------------------------------------------------------------------


def ask(sock, source, name, kind, rd):
    """A question with a PROXY header of version 2 that says who asks."""
    address = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!2H", 40000, 53)
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x12" + struct.pack("!H", len(address)) + address
    number = zlib.crc32(f"{source}{name}{kind}{rd}".encode()) & 0xffff
    packet = header + dns.question(number, name, kind, rd=rd, edns=1232)
    for _ in range(2):
        sock.send(packet)
        sock.settimeout(5)
        while True:
            try:
                reply = sock.recv(65535)
            except TimeoutError:
                break
            if struct.unpack("!H", reply[:2])[0] == number:
                return dns.decode(reply)
    raise TimeoutError(f"no reply to {name} {kind} from {source}")


def difference(expected, found):
    if found.rcode != expected.rcode:
        return f"{found.rcode}, and not {expected.rcode}"
    records = sorted((dns.show_name(one.name).rstrip("."), dns.TYPE_NAMES.get(one.type, one.type), shown(one)) for one in found.answer)
    if records not in [sorted(choice) for choice in expected.choices]:
        return f"{records}, and not one of {expected.choices}"
    soa = [dns.show_name(one.name).rstrip(".") for one in found.authority if one.type == 6]
    if expected.soa and soa != [expected.soa]:
        return f"the SOA of {soa}, and not of {expected.soa}"
    cut = {dns.show_name(one.name).rstrip(".") for one in found.authority if one.type == 2}
    if (cut or expected.cut) and cut != {expected.cut}:
        return f"a referral to {cut}, and not to {expected.cut}"
    if found.flags & 0x400:
        return "AA is set"
    local = expected.why.split(" of ")[0] in ("private name", "own name", "name", "alias")
    if local and expected.choices[0] and not under(records[0][0], "example") and {one.ttl for one in found.answer} != {60}:
        return f"TTLs {[one.ttl for one in found.answer]}, and not 60"
    return None


def shown(record):
    return dns.show_rdata(record)

"""64,000 random questions to the server and to NSD on the exported zones: no difference."""

import itertools
import random
import socket
import time
from collections import Counter

from support import dns, zonefile
from support import nsd as nsd_server
from support import zones as z
from support.case import ROOT, Failure, indent, stop, wait_for
from support.server import Server

QUESTIONS = 64_000
SEED = 20170905
# ANY is left out: RFC 8482 lets each server choose its own minimal answer
KINDS = ["A", "A", "A", "AAAA", "AAAA", "TXT", "MX", "HTTPS", "SOA", "NS"]
BY_DESIGN = "AA is NSD's alone and RA the server's, as a VPC resolver has them; ANY is not asked (RFC 8482)"
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-"
IN_FLIGHT = 64


def run(case):
    case.need("nsd", "nsd-checkzone")
    case.write("wide/all.toml", wide())
    zones = [ROOT / "zones", case.dir / "wide"]
    flags = [word for directory in zones for word in ("--zones", directory)]
    text = case.run(case.binary, "names", "--format", "zone", *flags)
    origins = [origin for origin in zonefile.zones(text) if ".vpce." in f".{origin}"]
    if not origins:
        raise Failure(f"`names --format zone` prints no endpoint zone\n{indent(text[:500])}")
    owners = {}
    for origin in origins:
        zone = case.run(case.binary, "names", "--format", "zone", "--zone", origin, *flags)
        path = case.write(f"nsd/{origin}zone", zone)
        case.run("nsd-checkzone", origin, path)
        owners[origin] = sorted({owner for owner, *_ in zonefile.records(zone, origin)})
    nsd = start_nsd(case, origins)
    server = Server(case, zones=zones, forward="none")
    questions = make_questions(owners, random.Random(SEED))
    begin = time.monotonic()
    theirs = ask_all(nsd, questions)
    ours = ask_all(server.address, questions)
    compare(case, questions, ours, theirs)
    kinds = Counter(kind_of(dns.decode(reply)) for reply in theirs if reply)
    case.note(f"{len(questions)} questions over {', '.join(origins)} to each server, seed {SEED}, "
              f"{time.monotonic() - begin:.1f} s: " + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))
    case.note(f"by design: {BY_DESIGN}")


def wide():
    """What the shipped zones may not have: wildcard names, labels of several parts, an endpoint service, states,
    one zone or three, IPv6."""
    vpc, subnets = "vpc-0000000a", [f"subnet-000000a{n}" for n in range(3)]
    text = z.vpc(vpc, "127.16.0.0/16", "fd00:16::/56")
    for n, zone in enumerate("abc"):
        text += z.table("subnet", subnet_id=subnets[n], vpc_id=vpc, availability_zone=z.REGION + zone,
                        cidr_block=f"127.16.{n}.0/24", ipv6_cidr_block=f"fd00:16:0:{n}::/64")
    partner = f"com.amazonaws.vpce.{z.REGION}.vpce-svc-00000000000000001"
    text += z.table("vpc_endpoint_service", service_name=partner, private_dns_names=["api.wide.example"])
    for n, (service, state) in enumerate(itertools.product(
            ["s3", "ecr.api", "ecr.dkr", "sqs", "kinesis-streams", partner], ["available", "pending", "deleted"])):
        text += z.endpoint(f"vpce-{n + 1:017x}", vpc, service, f"wide{n:04}",
                           [(subnet, f"127.16.{at}.{n + 10}", f"fd00:16:0:{at}::{n + 10}")
                            for at, subnet in enumerate(subnets[:1 + n % 3])],
                           state=state, private_dns_enabled=False,
                           dns_record_ip_type=["ipv4", "dualstack", "ipv6"][n // 3 % 3])
    return text


def start_nsd(case, origins):
    """NSD on a loopback port with these zones; returns its address."""
    zones = "".join(f'zone:\n  name: "{origin}"\n  zonefile: "{origin}zone"\n' for origin in origins)
    process, address = nsd_server.start(case, "nsd", zones)

    def answers():
        if process.poll() is not None:
            raise Failure(f"NSD ended with exit code {stop(process)}")
        try:
            return dns.ask(address, origins[0], "SOA", timeout=0.2).rcode == "NOERROR"
        except TimeoutError:
            return False

    wait_for("NSD to answer", answers)
    return address


def make_questions(owners, rng):
    """Random (name in wire form, type number): owners, their parents, children, and near misses, all in a zone."""
    questions = []
    while len(questions) < QUESTIONS:
        origin = rng.choice(list(owners))
        name = mutate(rng.choice(owners[origin]), origin, rng)
        try:
            wire = dns.name_to_wire(name)
        except ValueError:
            continue
        if len(wire) <= 255:
            questions.append((wire, dns.TYPES[rng.choice(KINDS)]))
    return questions


def mutate(owner, origin, rng):
    labels = owner.removesuffix(origin).rstrip(".").split(".") if owner != origin else []
    labels = [random_label(rng) if label == "*" else label for label in labels]
    dice = rng.random()
    if dice < 0.40:
        pass
    elif dice < 0.55:
        labels = labels[rng.randint(0, len(labels)):]
    elif dice < 0.70:
        labels = [random_label(rng) for _ in range(rng.randint(1, 3))] + labels
    elif labels:
        at = rng.randrange(len(labels))
        labels[at] = near_miss(labels[at], rng)
    name = ".".join(labels + [origin]) if labels else origin
    return name.upper() if rng.random() < 0.1 else name


def near_miss(label, rng):
    """The label with one character changed, lost, doubled or put in, or its hyphenated parts shuffled."""
    at, char = rng.randrange(len(label)), rng.choice(ALPHABET)
    return rng.choice([
        label[:at] + char + label[at + 1:],
        label[:at] + label[at + 1:] or char,
        label[:at] + label[at] + label[at:],
        label[:at] + char + label[at:],
        "-".join(rng.sample(label.split("-"), len(label.split("-")))),
    ])[:63].strip(".") or char


def random_label(rng):
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 12)))


def ask_all(address, questions, source=None, rd=True):
    """The replies in the order of the questions, asked with a bounded number in flight over one socket."""
    replies = [None] * len(questions)
    with dns.udp_socket(address, source) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for _ in range(3):  # what a busy machine lost is asked again
            left = [n for n, reply in enumerate(replies) if reply is None]
            for start in range(0, len(left), IN_FLIGHT):
                batch = left[start:start + IN_FLIGHT]
                for n in batch:
                    sock.send(dns.question(n & 0xFFFF, *questions[n], edns=1232, rd=rd))
                _collect(sock, replies, {n & 0xFFFF: n for n in batch})
    return replies


def _collect(sock, replies, waiting):
    sock.settimeout(1.0)
    while waiting:
        try:
            packet = sock.recv(65535)
        except TimeoutError:
            return
        n = waiting.pop(int.from_bytes(packet[:2], "big"), None)
        if n is not None:
            replies[n] = packet


def compare(case, questions, ours, theirs):
    told = set()
    for (name, kind), one, other in zip(questions, ours, theirs):
        # the same difference twice says nothing new
        if (name.lower(), kind) in told:
            continue
        what = f"{dns.show_name(name)} {dns.TYPE_NAMES[kind]}"
        if one is None or other is None:
            case.check(False, f"{what}: no reply from {'the server' if one is None else 'NSD'}")
            continue
        try:
            mine = dns.decode(one)
        except dns.Malformed as fault:
            case.check(False, f"{what}: malformed reply: {fault}", one.hex())
            continue
        reference = dns.decode(other)
        same = essence(mine) == essence(reference)
        if not same:
            told.add((name.lower(), kind))
        case.check(same, what, "" if same else f"the server: {mine}\nNSD:        {reference}")


def kind_of(message):
    """The word for a reply, so that the log shows that all kinds were met."""
    return "NODATA" if message.rcode == "NOERROR" and not message.answer else message.rcode


def essence(message):
    """What has to be the same: rcode, truncation, the set of the answer and of the authority section."""
    return (message.rcode, bool(message.flags & 0x200), frozenset(message.answer), len(message.answer),
            frozenset(message.authority))

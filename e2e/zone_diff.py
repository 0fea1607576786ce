"""Hosted zones out of master files against NSD and Knot, on the zones that the server exports; what is exported comes back equal."""

import os
import random

import nsd_diff
from support import dns, zonefile
from support.case import Failure, wait_for
from support.knot import Knot, zone_file
from support.server import Server

QUESTIONS = 50_000 if os.environ.get("E2E_FULL") else 8_000
SEED = 6672
INSIDE = "127.0.1.5"
KINDS = ["A", "A", "AAAA", "TXT", "MX", "SRV", "CNAME", "NS", "DS", "SOA", "DNAME", "HTTPS"]
NETWORK = """[[vpc]]
vpc_id = "vpc-0000000a"
region = "us-east-1"
cidr_blocks = ["127.0.0.0/8"]
enable_dns_hostnames = true
"""
# RFC 4592 2.2.1, with record data where the RFC leaves a blank
RFC4592 = """$ORIGIN example.
@ 3600 IN SOA ns.example.com. admin.example.com. 1 7200 3600 1209600 300
  3600 NS ns.example.com.
  3600 NS ns.example.net.
* 3600 TXT "this is a wildcard"
* 3600 MX 10 host1
sub.* 3600 TXT "this is not a wildcard"
host1 3600 A 192.0.2.1
_ssh._tcp.host1 3600 SRV 0 0 22 host1
_ssh._tcp.host2 3600 SRV 0 0 22 host2
subdel 3600 NS ns.example.com.
       3600 NS ns.example.net.
"""
LABELS = ["a", "b", "c", "d", "x-1", "_tcp", "w"]


def run(case):
    case.need("nsd", "nsd-checkzone", "knotd")
    rng = random.Random(SEED)
    zones = {"example.": RFC4592, **{f"r{n}.net.": made(rng) for n in range(6)}}
    text = NETWORK
    for origin, zone in zones.items():
        case.write(f"zones/{origin}zone", zone)
        text += hosted(origin)
    case.write("zones/all.toml", text)
    exported = case.run(case.binary, "names", "--format", "zone", "--zones", case.dir / "zones")
    sections = zonefile.zones(exported)
    owners = {}
    again = NETWORK
    for origin in zones:
        path = case.write(f"nsd/{origin}zone", sections[origin])
        case.run("nsd-checkzone", origin, path)
        case.write(zone_file(origin), sections[origin])
        case.write(f"again/{origin}zone", sections[origin])
        again += hosted(origin)
        owners[origin] = sorted({owner for owner, *_ in zonefile.records(sections[origin], origin)})
    case.write("again/all.toml", again)
    comes_back(case, exported)
    nsd = nsd_diff.start_nsd(case, list(zones))
    knot = Knot(case, dict.fromkeys(zones), "").start()
    wait_for("Knot to answer", lambda: all(answers(knot, origin) for origin in zones))
    server = Server(case, zones="zones", forward="none")
    questions = [question(owners, rng) for _ in range(QUESTIONS)]
    theirs = nsd_diff.ask_all(nsd, questions, rd=False)
    ours = nsd_diff.ask_all(server.address, questions, source=INSIDE, rd=False)
    nsd_diff.compare(case, questions, ours, theirs)
    before = case.failed
    of_knot = nsd_diff.ask_all(knot, questions, rd=False)
    for (name, kind), one, other in zip(questions, ours, of_knot):
        same = one is not None and other is not None and as_knot(one) == as_knot(other)
        case.check(same, f"Knot: {dns.show_name(name)} {dns.TYPE_NAMES[kind]}",
                   "" if same else f"the server: {one and dns.decode(one)}\nKnot: {other and dns.decode(other)}")
    case.note(f"{case.failed - before} differences from Knot")
    kinds = nsd_diff.Counter(nsd_diff.kind_of(dns.decode(reply)) for reply in theirs if reply)
    case.note(f"{len(questions)} questions over {len(zones)} zones to each server, seed {SEED}: "
              + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))


def as_knot(reply):
    """What has to be the same as of Knot. Behind an answer, the authority section is each server's choice; and Knot says NXDOMAIN
    where a DNAME makes a name that is too long, which is YXDOMAIN (RFC 6672 2.2), as NSD has it."""
    message = dns.decode(reply)
    authority = frozenset(message.authority) if not message.answer else frozenset()
    rcode = "NXDOMAIN" if message.rcode == "YXDOMAIN" else message.rcode
    return rcode, bool(message.flags & 0x200), frozenset(message.answer), len(message.answer), authority


def answers(address, origin):
    try:
        return dns.ask(address, origin, "SOA", timeout=0.3).rcode == "NOERROR"
    except TimeoutError:
        return False


def hosted(origin):
    return f'[[hosted_zone]]\nname = "{origin}"\nvpc_ids = ["vpc-0000000a"]\nfile = "{origin}zone"\n'


def comes_back(case, exported):
    """What is read out of an export prints the same, and no answer differs."""
    again = case.run(case.binary, "names", "--format", "zone", "--zones", case.dir / "again")
    # the first line says which files were read
    if again.splitlines()[1:] != exported.splitlines()[1:]:
        raise Failure("a zone that was exported and read again is another one")
    case.run(case.binary, "diff", case.dir / "zones", case.dir / "again")


def made(rng):
    """A master file with empty non-terminals, wildcards, cuts with glue, aliases and DNAMEs, relative to its origin."""
    lines = ["$TTL 1h", "@ 600 SOA ns hostmaster 7 1h 10m 2w 120", "@ NS ns", "@ NS ns.other.net.", "ns A 192.0.2.53"]
    taken, cuts, kinds = set(), set(), ["A", "A", "AAAA", "TXT", "MX", "SRV", "WILD", "CUT", "DNAME", "CNAME", "DEEP"]
    names = [".".join(rng.choice(LABELS) for _ in range(rng.randint(1, 4))) for _ in range(90)]
    for name in names:
        # nothing stands below a cut or a DNAME, or beside an alias
        if name in taken or any(name == cut or name.endswith(f".{cut}") or cut.endswith(f".{name}") for cut in cuts):
            continue
        kind = rng.choice(kinds)
        if kind in ("CUT", "DNAME") and any(other == name or other.endswith(f".{name}") for other in taken):
            kind = "A"
        taken.add(name)
        match kind:
            case "A":
                lines += [f"{name} A 192.0.2.{n}" for n in rng.sample(range(1, 250), rng.randint(1, 3))]
            case "AAAA":
                lines.append(f"{name} AAAA 2001:db8::{rng.randrange(1, 0xffff):x}")
            case "TXT":
                lines.append(f'{name} 5m TXT "one \\"two\\"" \\228;{rng.random()}')
            case "MX":
                lines.append(f"{name} MX 10 mail")
            case "SRV":
                lines.append(f"{name} SRV 0 0 22 Host.{rng.choice(LABELS)}")
            case "WILD":
                wild = f"*.{name}"
                if wild not in taken:
                    taken.add(wild)
                    lines += [f"{wild} A 192.0.2.77", f"{wild} TXT wild"]
            case "CUT":
                cuts.add(name)
                lines += [f"{name} NS ns.{name}", f"{name} NS ns.other.net.", f"ns.{name} A 192.0.2.9",
                          f"{name} DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"]
            case "DNAME":
                cuts.add(name)
                lines.append(f"{name} DNAME {rng.choice(['target', 'away.net.', 'l' * 60 + '.' + 'm' * 60 + '.' + 'n' * 60])}")
            case "CNAME":
                lines.append(f"{name} CNAME {rng.choice(['ns', 'deep.target', 'none', 'www.away.net.', 'q.target.w'])}")
            case "DEEP":
                lines.append(f"e.n.t.{name} A 192.0.2.33")
    lines += ["deep.target A 192.0.2.44", "*.target TXT target"]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def question(owners, rng):
    while True:
        origin = rng.choice(list(owners))
        name = nsd_diff.mutate(rng.choice(owners[origin]), origin, rng)
        if rng.random() < 0.1:
            name = ".".join([rng.choice("pq") * 60, rng.choice("rs") * 50, name])
        try:
            wire = dns.name_to_wire(name)
        except ValueError:
            continue
        if len(wire) <= 255:
            return wire, dns.TYPES[rng.choice(KINDS)]

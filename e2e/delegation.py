"""Delegations of private zones: followed by DELEGATE rules as Unbound follows them, and as referrals to those who ask without RD."""

import os
import socket
import struct

from support import dns
from support.case import Skip, wait_for
from support.server import NameServer, Server, free_port

PARENT, CHILD, DEEP, OTHER = "corp.example.", "dev.corp.example.", "deep.dev.corp.example.", "other.example."
# name servers are asked at port 53
CHILD_AT, DEEP_AT, SCRIPT_AT = "127.77.0.1", "127.77.0.2", "127.77.0.3"
INSIDE, PLAIN = "127.0.1.5", "127.0.2.5"
RECORDS = f"""$ORIGIN {PARENT}
$TTL 300
@ SOA ns.{PARENT} h.{PARENT} 1 7200 900 1209600 60
@ NS ns.{PARENT}
ns A 127.77.0.9
www A 10.9.9.9
dev NS ns1.dev
ns1.dev A {CHILD_AT}
far NS ns.other.example.
to CNAME www.dev
"""
DEV = f"""$ORIGIN {CHILD}
$TTL 300
@ SOA ns1 h 1 7200 900 1209600 60
@ NS ns1
ns1 A {CHILD_AT}
www A 10.8.0.1
www A 10.8.0.2
both AAAA 2001:db8::8
text TXT "dev"
in CNAME www
up CNAME www.{PARENT}
out CNAME v.other.example.
down CNAME www.deep
deep NS ns.deep
ns.deep A {DEEP_AT}
e.n.t A 10.8.0.3
*.wild A 10.8.0.4
long TXT {" ".join('"' + chr(97 + n) * 200 + '"' for n in range(20))}
"""
SUB = f"""$ORIGIN {DEEP}
$TTL 300
@ SOA ns h 1 7200 900 1209600 60
@ NS ns
ns A {DEEP_AT}
www A 10.7.0.1
"""
FAR = """$ORIGIN far.corp.example.
$TTL 300
@ SOA ns.other.example. h 1 7200 900 1209600 60
@ NS ns.other.example.
www A 10.6.0.1
"""
ELSE = f"""$ORIGIN {OTHER}
$TTL 300
@ SOA ns h 1 7200 900 1209600 60
@ NS ns
ns A {DEEP_AT}
v A 10.5.0.1
"""
NETWORK = """[[vpc]]
vpc_id = "vpc-0000000{n}"
region = "us-east-1"
cidr_blocks = ["127.0.{n}.0/24"]
enable_dns_hostnames = true

"""
SCRIPTED = ["endless", "unglued", "refused", "silent", "lame", "upward"]


def run(case):
    case.need("knotd", "nsd", "unbound")
    may_listen()
    start_knot(case, "child", CHILD_AT, 53, {CHILD: DEV})
    start_knot(case, "deep", DEEP_AT, 53, {DEEP: SUB, "far.corp.example.": FAR, OTHER: ELSE})
    upstream = start_knot(case, "rest", "127.0.0.1", free_port(), {OTHER: ELSE})
    parent = start_knot(case, "parent", "127.0.0.1", free_port(), {PARENT: RECORDS})
    script = Script(case)
    zone = RECORDS + "".join(f"{name} NS ns.{name}\nns.{name} A {SCRIPT_AT}\n" for name in SCRIPTED)
    case.write("zones/corp.zone", zone)
    case.write("zones/all.toml", NETWORK.replace("{n}", "1") + NETWORK.replace("{n}", "2") + "".join(
        f'[[resolver_rule]]\nrule_type = "DELEGATE"\ndelegation_record = "{name}"\nvpc_ids = ["vpc-00000001"]\n\n'
        for name in [f"ns1.{CHILD}", "ns.other.example", *[f"ns.{name}.corp.example" for name in SCRIPTED]])
        + '[[hosted_zone]]\nname = "corp.example"\nvpc_ids = ["vpc-00000001", "vpc-00000002"]\nfile = "corp.zone"\n')
    server = Server(case, "--limit", "forward_deadline_ms=2000", zones="zones", forward="{}:{}".format(*upstream))
    unbound = start_unbound(case, parent)
    as_unbound(case, server, unbound)
    referrals(case, server)
    bounds(case, server, script)
    told = case.run(case.binary, "explain", f"www.{CHILD}", "--from", INSIDE, "--zones", "zones")
    case.check("DELEGATE rule" in told and f"ns1.{CHILD}".rstrip(".") in told, "explain does not say who is asked", told)


def as_unbound(case, server, unbound):
    names = [f"{label}{CHILD}" for label in ("", "www.", "both.", "text.", "in.", "up.", "out.", "down.", "e.n.t.", "n.t.", "x.wild.", "none.", "long.", "deep.", "www.deep.", "none.deep.", "ns1.")]
    names += ["www.far.corp.example.", "none.far.corp.example.", f"to.{PARENT}", f"www.{PARENT}", f"none.{PARENT}"]
    count = 0
    for name in names:
        for kind in ("A", "AAAA", "TXT", "SOA"):
            theirs = dns.ask(unbound, name, kind, edns=1232, tcp=True)
            for tcp in (False, True):
                ours = server.ask(name, kind, source=INSIDE, edns=1232, tcp=tcp)
                if not tcp and ours.flags & 0x200:
                    continue
                count += 1
                case.equal(f"{name} {kind}{' over TCP' if tcp else ''}", seen(ours), seen(theirs), f"{ours}\n{theirs}")
            case.check(not ours.flags & 0x400 and ours.flags & 0x80, f"{name} {kind}: AA set, or RA not", str(ours))
    case.note(f"{count} answers as Unbound gives them")


def referrals(case, server):
    """RFC 1034 4.3.2, RFC 9471: a referral with glue, and without authority."""
    for source in (INSIDE, PLAIN):
        reply = server.ask(f"www.{CHILD}", "A", source=source, rd=False, edns=1232)
        case.equal("RD=0: code and flags", (reply.rcode, reply.flags & 0x400, len(reply.answer)), ("NOERROR", 0, 0), str(reply))
        case.equal("RD=0: the cut", [(dns.show_name(one.name), dns.show_rdata(one)) for one in reply.authority], [(CHILD, f"ns1.{CHILD}")], str(reply))
        case.equal("RD=0: glue", [(dns.show_name(one.name), dns.show_rdata(one)) for one in reply.additional], [(f"ns1.{CHILD}", CHILD_AT)], str(reply))
    reply = server.ask(f"www.{CHILD}", "A", source=PLAIN, edns=1232)
    case.equal("a VPC without the rule", (reply.rcode, len(reply.answer)), ("SERVFAIL", 0), str(reply))
    case.check(any("delegated" in text for _, text in dns.extended_errors(reply)), "it is not said why", str(reply))


def bounds(case, server, script):
    """Name servers that lead nowhere: SERVFAIL, an extended error, and no more questions than allowed."""
    for name, why, most in (("endless", "more than 8 referrals", 9), ("unglued", "", 16), ("refused", "REFUSED", 2), ("silent", "", 8),
                            ("lame", "do not know it", 2), ("upward", "do not know it", 2)):
        script.asked.clear()
        reply = server.ask(f"a.b.c.d.e.f.g.h.i.j.k.{name}.{PARENT}", "A", source=INSIDE, edns=1232, timeout=8)
        errors = " ".join(text for _, text in dns.extended_errors(reply))
        case.equal(f"{name}: the code", (reply.rcode, len(reply.answer)), ("SERVFAIL", 0), str(reply))
        case.check(why in errors and "is delegated by hosted zone corp.example" in errors, f"{name}: '{errors}' does not say '{why}'")
        case.check(len(script.asked) <= most, f"{name}: {len(script.asked)} questions", "\n".join(script.asked))
        www = server.ask(f"www.{PARENT}", "A", source=INSIDE)
        case.equal(f"beside {name}", [dns.show_rdata(one) for one in www.answer], ["10.9.9.9"])


def seen(reply):
    answer = sorted((dns.show_name(one.name), one.type, dns.show_rdata(one)) for one in reply.answer)
    negative = [dns.show_name(one.name) for one in reply.authority if one.type == 6] if not answer else []
    return reply.rcode, answer, negative


# --- name servers ---------------------------------------------------------------------------------------------------------------


def may_listen():
    for address in (CHILD_AT, DEEP_AT, SCRIPT_AT):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((address, 53))
        except OSError as error:
            raise Skip(f"cannot listen on {address}:53: {error}") from error
    if os.geteuid() != 0:
        raise Skip("needs root, for port 53")


def start_knot(case, name, address, port, zones):
    directory = case.dir / name
    blocks = ""
    for origin, text in zones.items():
        case.write(f"{name}/{origin}zone", text)
        blocks += f'  - domain: {origin}\n    file: "{directory}/{origin}zone"\n    zonefile-sync: -1\n    journal-content: none\n'
    config = case.write(f"{name}/knot.conf", f"""
server:
    rundir: "{directory}"
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{directory}"
zone:
{blocks}""")
    case.start("knotd", "-c", config, log=f"{name}.log")
    origin = next(iter(zones))

    def answers():
        try:
            return dns.ask((address, port), origin, "SOA", timeout=0.2).rcode == "NOERROR"
        except TimeoutError:
            return False

    wait_for(f"Knot to serve {origin}", answers)
    return address, port


def start_unbound(case, parent):
    """Unbound, which begins at the parent zone and follows referrals itself."""
    port = free_port()
    stubs = f'stub-zone:\n  name: "{PARENT}"\n  stub-addr: {parent[0]}@{parent[1]}\nstub-zone:\n  name: "{OTHER}"\n  stub-addr: {DEEP_AT}@53\n'
    case.write("unbound.conf", "\n".join([
        "server:", f'  directory: "{case.dir}"', '  chroot: ""', '  username: ""', '  pidfile: "unbound.pid"', "  do-daemonize: no",
        "  use-syslog: no", '  logfile: ""', "  num-threads: 1", f"  interface: 127.0.0.1@{port}", "  access-control: 127.0.0.0/8 allow",
        "  do-not-query-localhost: no", '  module-config: "iterator"', "remote-control:", "  control-enable: no", stubs]))
    case.start("unbound", "-d", "-c", "unbound.conf", log="unbound.log")

    def answers():
        try:
            return dns.ask(("127.0.0.1", port), f"www.{PARENT}", "A", timeout=0.5).rcode == "NOERROR"
        except TimeoutError:
            return False

    wait_for("Unbound to answer", answers)
    return "127.0.0.1", port


class Script(NameServer):
    """A name server that leads those astray who believe it."""

    def __init__(self, case):
        self.asked = []
        super().__init__((SCRIPT_AT, 53))
        case.finally_do(self.stop)

    def reply(self, packet):
        query = dns.decode(packet)
        name, _, _ = query.questions[0]
        text, end = dns.show_name(name), 12 + len(name) + 4
        self.asked.append(text)
        head = lambda flags, ns, more: packet[:2] + struct.pack("!5H", flags, 1, 0, ns, more) + packet[12:end]  # noqa: E731
        kind = text.removesuffix(f".{PARENT}").split(".")[-1]
        if kind == "refused":
            return head(0x8005, 0, 0)
        if kind == "lame":
            return head(0x8000, 0, 0)
        if kind in ("endless", "unglued"):
            # the same cut under another name each time: one label longer, by what was asked before
            return self._deeper(head, kind, name)
        if kind == "upward":
            return head(0x8000, 1, 1) + record(PARENT, 2, dns.name_to_wire(f"ns.{PARENT}")) + record(f"ns.{PARENT}", 1, socket.inet_aton(SCRIPT_AT))
        return None

    def _deeper(self, head, kind, name):
        depth = sum(1 for one in self.asked if one == dns.show_name(name))
        labels = dns.show_name(name).rstrip(".").split(".")
        at = max(0, len(labels) - 3 - depth)
        cut = ".".join(labels[at:]) + "."
        server = f"ns{depth}.{cut}" if kind == "endless" else f"ns{depth}.nowhere.test."
        glue = record(server, 1, socket.inet_aton(SCRIPT_AT)) if kind == "endless" else b""
        return head(0x8000, 1, 1 if glue else 0) + record(cut, 2, dns.name_to_wire(server)) + glue


def record(owner, kind, data):
    return dns.name_to_wire(owner) + struct.pack("!2HIH", kind, 1, 300, len(data)) + data

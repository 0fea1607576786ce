"""Wildcards of a private hosted zone follow RFC 4592: the zone and the cases of its section 2.2.1."""

import json
import shutil
from pathlib import Path

from support.server import Server

DATA = Path(__file__).with_name("data")
INSIDE = "127.0.1.5"
RCODES = {"Success": "NOERROR", "NameError": "NXDOMAIN"}


def run(case):
    (case.dir / "zones").mkdir()
    shutil.copy(DATA / "rfc4592.toml", case.dir / "zones")
    server = Server(case, zones="zones")
    for row in json.loads((DATA / "rfc4592-cases.json").read_text()):
        for tcp in (False, True):
            one(case, server, row, tcp)
    # a stub takes a referral for "no such record"
    seen = server.ask("host.subdel.example", "A", source=INSIDE)
    case.equal("rcode below a cut for a stub", (seen.rcode, seen.answer), ("SERVFAIL", []), seen)
    # the zone is private: from outside there is no such name, and with no upstream nobody else to ask
    seen = server.ask("host1.example", "A")
    case.equal("host1.example from outside the VPC", seen.answer, [], seen)


def one(case, server, row, tcp):
    what = f"{row['qname']} {row['qtype']} over {'TCP' if tcp else 'UDP'}"
    # as a resolver asks an authoritative server
    seen = server.ask(row["qname"], row["qtype"], source=INSIDE, tcp=tcp, rd=False)
    case.equal(f"rcode of {what}", seen.rcode, RCODES[row["rcode"]], seen)
    case.equal(f"answer to {what}", sorted(map(str, seen.answer)), sorted(map(plain, row["answer"])), seen)
    if row["ns"] is None:
        return
    if " SOA " in row["ns"][0]:
        # the SOA is the hosted zone's own, so only where it stands is the RFC's
        found = [(str(record).split()[0], str(record).split()[2]) for record in seen.authority]
        case.equal(f"authority of {what}", found, [("example.", "SOA")], seen)
    else:
        case.equal(f"authority of {what}", sorted(map(str, seen.authority)), sorted(map(plain, row["ns"])), seen)


def plain(text):
    """A record of the cases file without its class, as `support.dns` prints one."""
    return text.replace(" IN ", " ", 1)

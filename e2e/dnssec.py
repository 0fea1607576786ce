"""DNSSEC validation: signed, unsigned and forged zones below a root of our own, and Unbound's verdict on each question."""

import json

from support import dns
from support.case import wait_for
from support.knot import Knot, zone_file
from support.server import Server, free_port

# a forged delegation: the root vouches for another key than the one that signs
ZONES = ("signed", "denies", "plain", "forged")
NAMES = [".", "missing", "signed", "www.signed", "none.signed", "x.wild.signed", "sub.www.signed", "x.y.wild.signed",
         "alias.signed", "dangling.signed", "chain.signed", "away.signed", "a.tree.signed", "none.tree.signed",
         "www.denies", "none.denies", "x.wild.denies",
         "alias.denies", "dangling.denies", "plain", "www.plain", "none.plain", "forged", "www.forged",
         "none.forged"]
TYPES = ["A", "AAAA", "TXT", "SOA", "NS", "DS", "DNSKEY"]
# what the client sets
CLIENTS = {"DO": {"do": True}, "AD": {"ad": True}, "nothing": {}, "DO and CD": {"do": True, "cd": True}}
AD, CD = 0x20, 0x10
# RRSIG, NSEC, NSEC3: signatures, and proofs that there is nothing
PROOFS = {46, 47, 50}
BOGUS = 6
# the keys are made before the zones, as the root names those of the others
POLICIES = """\
  - id: nsec
    manual: on
    single-type-signing: on
  - id: nsec3
    manual: on
    single-type-signing: on
    nsec3: on"""


def run(case):
    case.need("knotd", "keymgr", "unbound")
    (case.dir / "zones").mkdir()
    knot = start_knot(case)
    unbound = start_unbound(case, knot)
    forward = f"127.0.0.1:{knot[1]}"
    flags = ["--dnssec", "validate", "--dnssec-anchors", "root.key"]
    server = Server(case, *flags, zones="zones", forward=forward)
    for temperature in ("cold", "warm"):
        counts = compare(case, server, unbound, temperature)
    case.note(f"{len(NAMES) * len(TYPES) * len(CLIENTS)} questions, cold and warm, as Unbound: {counts}")

    seen = server.ask("www.forged", "A", edns=1232)
    errors = dns.extended_errors(seen)
    case.equal("a forged answer", (seen.rcode, [code for code, _ in errors]), ("SERVFAIL", [BOGUS]), seen)
    case.check("no valid signature" in str(errors), "the reason of a forged answer is not said", errors)
    traces(case)
    case.equal("exit code", server.stop(), 0)

    exempt = Server(case, *flags, "--dnssec-insecure", "forged", zones="zones", forward=forward)
    seen = exempt.ask("www.forged", "A", edns=1232, do=True)
    case.equal("a name of dnssec_insecure", (seen.rcode, bool(seen.flags & AD)), ("NOERROR", False), seen)
    exempt.stop()
    off = Server(case, zones="zones", forward=forward)
    seen = off.ask("www.forged", "A", edns=1232)
    case.equal("without validation", seen.rcode, "NOERROR", seen)
    off.stop()
    (case.dir / "zones" / "rule.toml").write_text(f"""
[[vpc]]
vpc_id = "vpc-11111111"
region = "us-east-1"
cidr_blocks = ["127.0.0.0/8"]

[[resolver_rule]]
rule_type = "FORWARD"
domain_name = "forged."
target_ips = ["127.0.0.1:{knot[1]}", "127.0.0.2:53"]
vpc_ids = ["vpc-11111111"]
""")
    ruled = Server(case, *flags, zones="zones", forward=forward)
    seen = ruled.ask("www.forged", "A", edns=1232)
    case.equal("what a rule's resolvers say", seen.rcode, "NOERROR", seen)
    ruled.stop()
    by_vpc(case, forward, unbound)


def traces(case):
    """`trace` says what came of validation, when the reply is fetched and when it is stored."""
    case.run(case.binary, "flush", "--all")
    for name, verdicts in (("www.signed", "secure"), ("www.plain", "insecure"), ("www.forged", "bogus")):
        for cached in (False, True):
            said = json.loads(case.run(case.binary, "trace", name, "--json"))["live"]
            found = [event for event in said["events"] if event["event"] == "validated"]
            case.equal(f"trace {name}", [(event["verdict"], event["cached"]) for event in found], [(verdicts, cached)], said)
            case.equal(f"trace {name}: AD", said["authentic_data"], verdicts == "secure", said)
            if verdicts == "bogus":
                case.check("no valid signature" in found[0]["why"], "trace does not say why", found)
    said = json.loads(case.run(case.binary, "trace", "www.forged", "--checking-disabled", "--json"))["live"]
    off = [event for event in said["events"] if event["event"] == "validated"]
    case.equal("trace of a client that validates", ([event["verdict"] for event in off], said["rcode"]), (["off"], "NOERROR"), said)


def by_vpc(case, forward, unbound):
    """Clients of a VPC that wants it get Unbound's verdict, those of another what the upstream says; neither gets the other's."""
    zones = case.dir / "by-vpc"
    zones.mkdir()
    vpc = '[[vpc]]\nvpc_id = "vpc-{0}"\nregion = "us-east-1"\ncidr_blocks = ["127.0.{1}.0/24"]\n{2}\n'
    (zones / "network.toml").write_text(vpc.format("aaaaaaaa", 1, "dnssec_validation = true") + vpc.format("bbbbbbbb", 2, ""))
    (zones / "other.json").write_text(json.dumps({"Vpcs": [{"VpcId": "vpc-cccccccc", "CidrBlock": "127.0.3.0/24", "Region": "us-east-1"}]}))
    config = zones / "dnssec.json"
    server = Server(case, "--dnssec-anchors", "root.key", zones="by-vpc", forward=forward, http=True)
    wants, plain, other = "127.0.1.1", "127.0.2.1", "127.0.3.1"

    def asked(source, name, **flags):
        return server.ask(name, "A", edns=4096, source=source, **flags)

    for turn in ((wants, plain), (plain, wants)):
        for name in ("www.signed", "none.signed", "www.plain", "alias.signed", "www.forged", "none.forged"):
            for flags in CLIENTS.values():
                for source in turn:
                    seen, want = asked(source, name, **flags), dns.ask(unbound, name, "A", edns=4096, **flags)
                    if source == wants:
                        case.equal(f"{name} {flags} of the VPC that wants it", verdict(seen), verdict(want), f"{seen}\nUnbound: {want}")
                    else:
                        rcode = "NXDOMAIN" if name.startswith("none") else "NOERROR"
                        case.equal(f"{name} {flags} of another", (seen.rcode, bool(seen.flags & AD)), (rcode, False), seen)
        case.run(case.binary, "flush", "--all", "--http", server.http.removeprefix("http://"))
    for status, rcode in (("ENABLED", "SERVFAIL"), ("DISABLED", "NOERROR"), ("ENABLED", "SERVFAIL")):
        before = server.generation()
        new = config.with_suffix(".new")
        new.write_text(json.dumps({"ResolverDnssecConfigs": [{"Id": "rdsc-c", "OwnerId": "111111111111",
                                                              "ResourceId": "vpc-cccccccc", "ValidationStatus": status}]}))
        new.rename(config)
        wait_for("the configuration to be read", lambda before=before: server.generation() > before)
        seen = asked(other, "www.forged")
        case.equal(f"a VPC out of JSON, {status}", seen.rcode, rcode, seen)
    said = json.loads(server.get("/v1/explain?name=www.signed&from=127.0.1.1")[1])["steps"]
    case.check(any("dnssec_validation of vpc-aaaaaaaa" in step for step in said), "explain does not say that it validates", said)
    case.equal("exit code", server.stop(), 0)


def compare(case, server, unbound, temperature):
    counts = {}
    for name in NAMES:
        for kind in TYPES:
            if (name, kind) == (".", "DS"):
                # nobody asks for it, and nobody could sign it: it is handed on as it is, without AD
                continue
            for client, flags in CLIENTS.items():
                number = {"DNSKEY": 48}.get(kind, kind)
                ours, theirs = (dns.ask(address, name, number, edns=4096, tcp=True, **flags)
                                for address in (server.address, unbound))
                what = f"{temperature}: {name} {kind}, client with {client}"
                found, wanted = verdict(ours), verdict(theirs)
                case.equal(what, found, wanted, f"{ours}\nUnbound: {theirs}")
                key = f"{ours.rcode}{' with AD' if ours.flags & AD else ''}"
                counts[key] = counts.get(key, 0) + 1
    return ", ".join(f"{n} {what}" for what, n in sorted(counts.items()))


def verdict(message):
    """What must be the same: the response code, AD and CD, the answer, and whether proofs are there.

    Whoever sets CD looks for itself; Unbound says AD to it nevertheless where it has looked, too."""
    answer = sorted((record.name, record.type, record.rdata) for record in message.answer if record.type not in PROOFS)
    proofs = any(record.type in PROOFS for record in message.answer + message.authority)
    return message.rcode, bool(message.flags & AD) and not message.flags & CD, bool(message.flags & CD), answer, proofs


def start_knot(case):
    """Knot with a signed root and the zones below it; returns its address and leaves the root's key in root.key."""
    policies = {"plain": None, "denies": "nsec3"}
    knot = Knot(case, {zone or ".": policies.get(zone, "nsec") for zone in ("", *ZONES)}, POLICIES)
    delegations = []
    for zone in ("", *ZONES):
        if zone != "plain":
            knot.keymgr(zone or ".", "generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes")
        if not zone:
            continue
        lines = ["$TTL 600", f"@ SOA ns.{zone}. admin.{zone}. 1 7200 900 1209600 300", "@ NS ns", "ns A 127.0.0.1",
                 "www A 192.0.2.1", "www TXT one two", "*.wild A 192.0.2.2", "alias CNAME www", "dangling CNAME nowhere",
                 "chain CNAME x.wild", "tree DNAME sub", "a.sub A 192.0.2.3", f"away CNAME www.{ZONES[0]}."]
        case.write(zone_file(zone), "\n".join(lines) + "\n")
        delegations += [f"{zone}. NS ns.{zone}.", f"ns.{zone}. A 127.0.0.1"]
        if zone != "plain":
            ds = next(line.split() for line in knot.keymgr(zone, "ds").splitlines() if " 13 2 " in line)
            if zone == "forged":
                ds[-1] = "".join("0" if digit != "0" else "1" for digit in ds[-1])
            delegations.append(" ".join([f"{zone}.", "DS", *ds[2:]]))
    case.write(zone_file("."), "\n".join(["$TTL 600", ". SOA ns. admin. 1 7200 900 1209600 300", ". NS ns.",
                                          "ns. A 127.0.0.1", *delegations]) + "\n")
    key = knot.keymgr(".", "dnskey").split()
    case.write("root.key", " ".join([".", "600", "IN", "DNSKEY", *key[2:]]) + "\n")
    return knot.start()


def start_unbound(case, knot):
    """Unbound, which validates what it is told by Knot."""
    port = free_port()
    case.write("unbound.conf", "\n".join([
        "server:", f'  directory: "{case.dir}"', '  chroot: ""', '  username: ""', '  pidfile: "unbound.pid"',
        "  do-daemonize: no", "  use-syslog: no", '  logfile: ""', "  num-threads: 1", f"  interface: 127.0.0.1@{port}",
        "  access-control: 127.0.0.0/8 allow", "  do-not-query-localhost: no", '  module-config: "validator iterator"',
        '  trust-anchor-file: "root.key"', "  minimal-responses: no", "  aggressive-nsec: no",
        "remote-control:", "  control-enable: no",
        "forward-zone:", '  name: "."', f"  forward-addr: 127.0.0.1@{knot[1]}", ""]))
    case.start("unbound", "-d", "-c", "unbound.conf", log="unbound.log")

    def answers():
        try:
            return dns.ask(("127.0.0.1", port), "www.signed", "A", timeout=0.5).rcode == "NOERROR"
        except TimeoutError:
            return False

    wait_for("Unbound to answer", answers)
    return "127.0.0.1", port

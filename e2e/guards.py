"""Special names are answered here, private names fail closed, and no public name gets a private address."""

from dig import A, EC2, IN_A, IN_B, OUTSIDE, dig, interfaces, network
from support import zones as z
from support.case import Failure
from support.server import Server, Upstream
from support.upstream import public_address

ALIAS, EVIL, LAN = "alias.public.example", "evil.example", "nas.lan.example"
SETTINGS = """
private_only = ["*.us-east-1.amazonaws.com", "corp.example"]
rebind_protection = true
rebind_allow = ["lan.example"]
forward_special = ["test"]
"""
RULE = """
[[resolver_rule]]
domain_name = "onprem.corp.example"
rule_type = "FORWARD"
target_ips = ["{target}"]
"""


def run(case):
    case.need("dig")
    upstream = Upstream(case, flags=["--cname", f"{ALIAS}={EC2}", "--address", f"{EVIL}=192.168.0.1", "--address",
                                     f"{LAN}=192.168.0.2", "--address", "db.onprem.corp.example=10.9.9.9"])
    case.write("zones/network.toml", network())
    case.write("zones/endpoint.toml", endpoint())
    case.write("zones/rule.toml", RULE.format(target=upstream.target))
    case.write("vpcedns.toml", SETTINGS)
    server = Server(case, zones="zones", forward=upstream.target)
    special_names(case, server, upstream)
    private_only(case, server, upstream)
    rebinding(case, server)
    dnssec_flags(case, server)
    flags(case, upstream)


def endpoint():
    """An endpoint for EC2 in the first VPC, none in the second."""
    return z.endpoint("vpce-0fe5b17a0707d6abc", A, "ec2", "29p5708s", interfaces(A, 17, "a"))


def special_names(case, server, upstream):
    for source in (OUTSIDE, IN_A, IN_B):
        for name, kind, status, answer in (
                ("localhost", "A", "NOERROR", ["127.0.0.1"]), ("x.localhost", "AAAA", "NOERROR", ["::1"]),
                ("localhost", "MX", "NOERROR", []), ("x.invalid", "A", "NXDOMAIN", []),
                ("x.onion", "A", "NXDOMAIN", []), ("nas.home.arpa", "A", "NXDOMAIN", []),
                ("_dns.resolver.arpa", "SVCB", "NOERROR", []), ("1.0.0.127.in-addr.arpa", "PTR", "NOERROR",
                                                                 ["localhost."]),
                ("9.9.9.10.in-addr.arpa", "PTR", "NXDOMAIN", []), ("1.0.64.100.in-addr.arpa", "PTR", "NXDOMAIN", [])):
            for tcp in ((), ("+tcp",)):
                seen = dig(case, server, name, kind, *tcp, source=source)
                case.equal(f"{name} {kind} from {source} {tcp}",
                           (seen.status, [words[4] for words in seen.answer]), (status, answer), seen.text)
                if not answer:
                    case.equal(f"{name} {kind}: what a resolver can keep", [w[3] for w in seen.authority], ["SOA"],
                               seen.text)
    leaked = [name for name, _ in upstream.seen() if name.endswith(("arpa.", "localhost.", "invalid.", "onion."))]
    case.check(not leaked, "special names went upstream", leaked)
    seen = dig(case, server, "www.test")
    case.equal("a special name of forward_special", seen.addresses(), [public_address("www.test")], seen.text)


def private_only(case, server, upstream):
    seen = dig(case, server, EC2, source=IN_A)
    case.equal(f"{EC2} from A", seen.addresses(), ["127.0.1.17"], seen.text)
    before = len(upstream.seen())
    for name, source in ((EC2, IN_B), (EC2, OUTSIDE), ("sqs.us-east-1.amazonaws.com", IN_A), ("www.corp.example", IN_A)):
        blocked(case, f"{name} from {source}", dig(case, server, name, source=source), "SERVFAIL", "private_only")
    case.equal("questions that went upstream though they are private or nothing", len(upstream.seen()) - before, 0)
    seen = dig(case, server, ALIAS, source=IN_A)
    case.equal("public alias into a private name, from A", seen.addresses(), ["127.0.1.17"], seen.text)
    blocked(case, "the same alias from B", dig(case, server, ALIAS, source=IN_B), "SERVFAIL", "private_only")
    seen = dig(case, server, "db.onprem.corp.example", source=IN_A)
    case.equal("a rule below a name of private_only", seen.addresses(), ["10.9.9.9"], seen.text)


def rebinding(case, server):
    for flags in ((), ("+tcp",)):
        blocked(case, f"{EVIL} {flags}", dig(case, server, EVIL, "A", *flags), "NOERROR", "192.168.0.1")
    seen = dig(case, server, LAN)
    case.equal("a name of rebind_allow", seen.addresses(), ["192.168.0.2"], seen.text)
    seen = dig(case, server, "www.example")
    case.equal("a public name", seen.addresses(), [public_address("www.example")], seen.text)


def dnssec_flags(case, server):
    for flag, wanted in (("+noadflag", False), ("+adflag", True), ("+dnssec", True)):
        words = ("+noadflag", flag) if flag == "+dnssec" else (flag,)
        seen = dig(case, server, "www.example", "A", *words)
        case.equal(f"AD with {flag}", "ad" in seen.flags, wanted, seen.text)
    case.check("cd" in dig(case, server, "www.example", "A", "+cdflag").flags, "CD is not handed back")


def flags(case, upstream):
    """The same settings as flags; a name that is none of the special ones is refused with what would be."""
    server = Server(case, "--private-only", "corp.example", "--rebind-protection", "--rebind-allow", "lan.example",
                    "--forward-special", "localhost", zones="zones", forward=upstream.target)
    blocked(case, "--private-only", dig(case, server, "www.corp.example"), "SERVFAIL", "private_only")
    blocked(case, "--rebind-protection", dig(case, server, EVIL), "NOERROR", "192.168.0.1")
    case.equal("--rebind-allow", dig(case, server, LAN).addresses(), ["192.168.0.2"])
    case.equal("--forward-special", dig(case, server, "localhost").addresses(), [public_address("localhost")])
    done = case.run(case.binary, "serve", "--forward-special", "corp.example", check=False)
    case.check(done.returncode != 0 and "is not a special name" in done.stderr, "--forward-special corp.example",
               done.stdout + done.stderr)
    try:
        case.run(case.binary, "explain", "x.corp.example", "--zones", "zones", "--private-only", "corp.example")
    except Failure as failure:
        case.check(False, "explain with --private-only", failure)


def blocked(case, what, seen, status, why):
    """No record, and an extended error "Blocked" that says why (RFC 8914 4.16)."""
    case.equal(what, (seen.status, seen.answer), (status, []), seen.text)
    case.check("EDE: 15 (Blocked)" in seen.text and why in seen.text, f"{what}: no extended error that says why",
               seen.text)

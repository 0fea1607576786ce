"""DNS64 for clients in subnets that have it: forwarded names as Unbound's dns64 answers them, and names of ours likewise."""

import ipaddress

from support import dns
from support.case import wait_for
from support.knot import Knot, zone_file
from support.server import Server, free_port

ORIGIN, REVERSE = "six.example.", "18.198.in-addr.arpa."
INSIDE, PLAIN, OTHER = "127.0.1.5", "127.0.2.5", "127.0.9.5"
NETWORK = """[[vpc]]
vpc_id = "vpc-0000000a"
region = "us-east-1"
cidr_blocks = ["127.0.0.0/21"]
enable_dns_hostnames = true

[[subnet]]
subnet_id = "subnet-0000000b"
vpc_id = "vpc-0000000a"
availability_zone = "us-east-1b"
cidr_block = "127.0.2.0/24"

[[vpc_endpoint]]
vpc_endpoint_id = "vpce-0000000a"
vpc_id = "vpc-0000000a"
service_name = "com.amazonaws.us-east-1.sqs"
network_interfaces = [
  { network_interface_id = "eni-0000000a", subnet_id = "subnet-0000000a", private_ip_address = "127.0.1.17" },
  { network_interface_id = "eni-0000000b", subnet_id = "subnet-0000000b", private_ip_address = "127.0.2.17" },
]

[[hosted_zone]]
name = "corp.example"
vpc_ids = ["vpc-0000000a"]
records = [
  { name = "four", type = "A", ttl = 300, values = ["10.9.9.9", "10.9.9.10"] },
  { name = "both", type = "A", values = ["10.9.9.9"] },
  { name = "both", type = "AAAA", values = ["2001:db8::9"] },
  { name = "text", type = "TXT", values = ['"x"'] },
  { name = "out", type = "CNAME", values = ["v4.six.example"] },
  { name = "in", type = "CNAME", values = ["four.corp.example"] },
]
"""
# as describe-subnets prints it
SUBNETS = """{"Subnets": [{"SubnetId": "subnet-0000000a", "VpcId": "vpc-0000000a", "AvailabilityZone": "us-east-1a", "CidrBlock": "127.0.1.0/24",
  "EnableDns64": true, "Ipv6Native": false}]}"""
ZONE = f"""$ORIGIN {ORIGIN}
$TTL 600
@ 3600 SOA ns hostmaster 1 7200 900 1209600 120
@ NS ns
ns A 198.18.0.53
v4 A 198.18.0.1
v4 A 198.18.0.2
short 30 A 198.18.0.3
both A 198.18.0.4
both AAAA 2001:db8::4
v6 AAAA 2001:db8::5
text TXT "x"
alias CNAME v4
chain CNAME alias
gone CNAME none
*.wild A 198.18.0.6
e.n.t A 198.18.0.7
private A 10.1.2.3
"""
NAMES = ["v4", "short", "both", "v6", "text", "alias", "chain", "gone", "x.wild", "n.t", "none", "private", "@"]


def run(case):
    case.need("knotd", "unbound")
    knot = Knot(case, {ORIGIN: None, REVERSE: None}, "")
    case.write(zone_file(ORIGIN), ZONE)
    pointers = "".join(f"{n}.0 PTR h{n}.{ORIGIN}\n" for n in (1, 2, 7))
    case.write(zone_file(REVERSE), f"$ORIGIN {REVERSE}\n$TTL 600\n@ SOA ns.{ORIGIN} h.{ORIGIN} 1 7200 900 1209600 120\n@ NS ns.{ORIGIN}\n{pointers}")
    at_knot = knot.start()
    wait_for("Knot to answer", lambda: answers(at_knot, f"v4.{ORIGIN}"))
    unbound = start_unbound(case, at_knot)
    case.write("zones/network.toml", NETWORK)
    case.write("zones/subnets.json", SUBNETS)
    server = Server(case, zones="zones", forward="{}:{}".format(*at_knot))
    as_unbound(case, server, unbound)
    of_ours(case, server)
    as_rfc6147(case, server)
    # DNS64 off and on again, in TOML
    (case.dir / "zones/subnets.json").unlink()
    subnet = '[[subnet]]\nsubnet_id = "subnet-0000000a"\nvpc_id = "vpc-0000000a"\navailability_zone = "us-east-1a"\ncidr_block = "127.0.1.0/24"\n'
    for flag, want in (("", []), ("enable_dns64 = true\n", ["64:ff9b::c612:1", "64:ff9b::c612:2"])):
        case.write("zones/subnet.toml", subnet + flag)
        wait_for("the change", lambda: server.addresses(f"v4.{ORIGIN}", INSIDE, "AAAA") == ("NOERROR", want))
    told = case.run(case.binary, "explain", "four.corp.example", "AAAA", "--from", INSIDE, "--zones", "zones")
    case.check("enable_dns64" in told, "explain does not say that there is DNS64", told)


def as_unbound(case, server, unbound):
    """Forwarded names of every sort, cold and cached, over UDP and TCP."""
    reverse = [ipaddress.ip_address(f"64:ff9b::{address}").reverse_pointer for address in ("198.18.0.1", "198.18.0.7", "198.18.0.99")]
    questions = [(f"{name}.{ORIGIN}".removeprefix("@."), kind) for name in NAMES for kind in ("A", "AAAA", "TXT")]
    questions += [(name, "PTR") for name in reverse]
    for name, kind in questions:
        theirs = dns.ask(unbound, name, kind, edns=1232)
        for tcp in (False, True):
            ours = server.ask(name, kind, source=INSIDE, edns=1232, tcp=tcp)
            case.equal(f"{name} {kind}{' over TCP' if tcp else ''}", seen(ours, kind), seen(theirs, kind), f"{ours}\n{theirs}")
    case.note(f"{len(questions)} questions twice to each, as Unbound answers them")


def of_ours(case, server):
    """Names of private zones, of endpoints and of instances: any name with A and no AAAA."""
    for name, want in (("four.corp.example", ["64:ff9b::a09:909", "64:ff9b::a09:90a"]), ("both.corp.example", ["2001:db8::9"]),
                       ("text.corp.example", []), ("in.corp.example", ["64:ff9b::a09:909", "64:ff9b::a09:90a"]),
                       ("out.corp.example", ["64:ff9b::c612:1", "64:ff9b::c612:2"]),
                       ("sqs.us-east-1.amazonaws.com", ["64:ff9b::7f00:111", "64:ff9b::7f00:211"]),
                       ("ip-127-0-1-17.ec2.internal", ["64:ff9b::7f00:111"])):
        case.equal(f"{name} in a subnet with DNS64", server.addresses(name, INSIDE, "AAAA"), ("NOERROR", want))
        plain = [address for address in want if not address.startswith("64:")]
        case.equal(f"{name} in one without", server.addresses(name, PLAIN, "AAAA"), ("NOERROR", plain))
    case.equal("a name that is not there", server.addresses("none.corp.example", INSIDE, "AAAA"), ("NXDOMAIN", []))
    case.equal("a client of no VPC", server.addresses(f"v4.{ORIGIN}", OTHER, "AAAA"), ("NOERROR", []))
    name = ipaddress.ip_address("64:ff9b::127.0.1.17").reverse_pointer
    reply = server.ask(name, "PTR", source=INSIDE)
    case.equal("the reverse name of an interface", [dns.show_rdata(one) for one in reply.answer],
               ["17.1.0.127.in-addr.arpa.", "ip-127-0-1-17.ec2.internal."], str(reply))


def as_rfc6147(case, server):
    """What the RFC leaves to a server that forwards."""
    name = f"v4.{ORIGIN}"
    for flags, want in (({"edns": 1232, "do": True, "cd": True}, 0), ({"edns": 1232, "do": True}, 2), ({"cd": True}, 2)):
        reply = server.ask(name, "AAAA", source=INSIDE, **flags)
        case.equal(f"5.5: {flags}", len(reply.answer), want, str(reply))
    case.equal("5.1.7: the TTL of a short A", server.ask(f"short.{ORIGIN}", "AAAA", source=INSIDE).answer[0].ttl <= 30, True)
    case.equal("5.1.7: no longer than a negative answer", max(one.ttl for one in server.ask(name, "AAAA", source=INSIDE).answer) <= 120, True)
    reply = server.ask(name, "AAAA", source=INSIDE, rd=False)
    case.equal("nobody is asked without RD", reply.rcode, "REFUSED", str(reply))


def seen(reply, kind):
    """Response code, and what the answer ends in; how Unbound names the owner of a reverse answer is its own."""
    number = dns.TYPES[kind]
    aliases = [] if kind == "PTR" else sorted(str(one).split(" ", 2)[0] + dns.show_rdata(one) for one in reply.answer if one.type == 5)
    return reply.rcode, aliases, sorted(dns.show_rdata(one) for one in reply.answer if one.type == number)


def answers(address, name):
    try:
        return dns.ask(address, name, "A", timeout=0.3).rcode == "NOERROR"
    except TimeoutError:
        return False


def start_unbound(case, knot):
    """Unbound with its module for DNS64, asking Knot."""
    port = free_port()
    stubs = "".join(f'stub-zone:\n  name: "{origin}"\n  stub-addr: 127.0.0.1@{knot[1]}\n' for origin in (ORIGIN, REVERSE))
    case.write("unbound.conf", "\n".join([
        "server:", f'  directory: "{case.dir}"', '  chroot: ""', '  username: ""', '  pidfile: "unbound.pid"', "  do-daemonize: no",
        "  use-syslog: no", '  logfile: ""', "  num-threads: 1", f"  interface: 127.0.0.1@{port}", "  access-control: 127.0.0.0/8 allow",
        "  do-not-query-localhost: no", '  module-config: "dns64 iterator"', "  dns64-prefix: 64:ff9b::/96",
        f'  local-zone: "{REVERSE}" nodefault', "remote-control:", "  control-enable: no", stubs]))
    case.start("unbound", "-d", "-c", "unbound.conf", log="unbound.log")
    wait_for("Unbound to answer", lambda: answers(("127.0.0.1", port), f"v4.{ORIGIN}"))
    return "127.0.0.1", port

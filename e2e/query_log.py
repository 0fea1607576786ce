"""The query log: lines in Route 53's form, dnstap that two readers read, rotation, sampling, and places that take nothing."""

import json
import shutil
import socket
import time
from collections import Counter

from support import dns
from support.case import Failure, wait_for
from support.server import Server, Upstream

NAMES = [("ec2.us-east-1.amazonaws.com", "A"), ("ec2.us-east-1.amazonaws.com", "AAAA"), ("bad.ec2.us-east-1.amazonaws.com", "A"),
         ("up.example", "A"), ("1.0.0.127.in-addr.arpa", "PTR"), ("localhost", "A")]
# Route 53 Developer Guide, "Values that appear in VPC Resolver query logs", without those of a firewall
MEMBERS = {"version", "account_id", "region", "vpc_id", "query_timestamp", "query_name", "query_type", "query_class", "rcode", "answers",
           "srcaddr", "srcport", "transport", "srcids"}
ZONE = """
[[vpc]]
vpc_id = "vpc-0a1b2c3d4e5f60718"
enable_dns_hostnames = true

[[subnet]]
subnet_id = "subnet-0a1b2c3d4e5f60718"
vpc_id = "vpc-0a1b2c3d4e5f60718"
availability_zone = "us-east-1a"
cidr_block = "127.10.1.0/24"

[[vpc_endpoint]]
vpc_endpoint_id = "vpce-0a1b2c3d4e5f60718"
vpc_id = "vpc-0a1b2c3d4e5f60718"
service_name = "com.amazonaws.us-east-1.ec2"
network_interfaces = [{ network_interface_id = "eni-0a1b2c3d4e5f60718", subnet_id = "subnet-0a1b2c3d4e5f60718", private_ip_address = "127.10.1.17" }]
"""
CLIENT = "127.10.1.99"


def run(case):
    case.need("dig")
    case.write("zones/a.toml", ZONE)
    case.write("zones/vpcs.json", json.dumps({"Vpcs": [{"VpcId": "vpc-0a1b2c3d4e5f60718", "CidrBlock": "127.10.0.0/16",
                                                        "OwnerId": "111122223333", "Region": "us-east-1"}]}))
    # the instance whose questions these are
    case.write("zones/interfaces.json", json.dumps({"NetworkInterfaces": [{
        "NetworkInterfaceId": "eni-0d15cd0d3adc37c2f", "VpcId": "vpc-0a1b2c3d4e5f60718", "SubnetId": "subnet-0a1b2c3d4e5f60718",
        "AvailabilityZone": "us-east-1a", "InterfaceType": "interface", "Status": "in-use", "PrivateIpAddress": CLIENT,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": CLIENT}],
        "Attachment": {"InstanceId": "i-0d15cd0d3adc37c2f", "DeviceIndex": 0, "Status": "attached"}}]}))
    upstream = Upstream(case)
    lines(case, upstream)
    frames(case, upstream)
    sampling(case, upstream)
    bad_places(case, upstream)
    one_is_deaf(case, upstream)


def logged(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines(case, upstream):
    path = case.dir / "queries.json"
    server = Server(case, "--query-log", path, zones="zones", forward=upstream.target)
    before = len(logged(path))
    for name, qtype in NAMES:
        for tcp in (False, True):
            dns.ask(server.address, name, qtype, source=CLIENT, tcp=tcp)
    found = wait_for("the lines", lambda: (all_lines := [line for line in logged(path) if line["srcaddr"] == CLIENT])
                     and len(all_lines) >= 2 * len(NAMES) and all_lines)
    case.equal("lines", len(found), 2 * len(NAMES))
    for line in found:
        case.check(set(line) - {"vpcedns"} <= MEMBERS, "a member that Route 53 has not", line)
        case.equal("members of Route 53's that are missing", MEMBERS - set(line), set())
        case.equal("account and instance", (line["account_id"], line["srcids"]), ("111122223333", {"instance": "i-0d15cd0d3adc37c2f"}))
    seen = Counter((line["query_name"], line["query_type"], line["transport"]) for line in found)
    case.equal("questions", seen, Counter((name + ".", qtype, transport) for name, qtype in NAMES for transport in ("UDP", "TCP")))
    private = next(line for line in found if line["query_type"] == "A" and line["query_name"].startswith("ec2."))
    case.equal("a private name", (private["answers"], private["rcode"], private["vpc_id"], private["region"],
                                  private["vpcedns"]["decision"], private["vpcedns"]["vpc_endpoint_id"]),
               ([{"Rdata": "127.10.1.17", "Type": "A", "Class": "IN"}], "NOERROR", "vpc-0a1b2c3d4e5f60718", "us-east-1", "private_name",
                "vpce-0a1b2c3d4e5f60718"))
    case.equal("decisions", Counter(line["vpcedns"]["decision"] for line in found)["upstream"], 2)
    nxdomain = [line["rcode"] for line in found if line["query_name"].startswith("bad.")]
    case.equal("a name below a private one", nxdomain, ["NXDOMAIN"] * 2)
    case.check(before <= 2, "lines before anybody asked", before)

    path.rename(case.dir / "queries.json.1")
    wait_for("the new file", path.exists)
    dns.ask(server.address, "localhost", "A", source=CLIENT)
    wait_for("its line", lambda: len(logged(path)) == 1)
    case.equal("lines of the old file", len([line for line in logged(case.dir / "queries.json.1") if line["srcaddr"] == CLIENT]),
               2 * len(NAMES))
    server.stop()


def frames(case, upstream):
    """fstrm_capture takes the stream, and dnstap-read of BIND reads what it captured."""
    captured, sock = case.dir / "captured.fstrm", case.dir / "dnstap.sock"
    if not (shutil.which("fstrm_capture") and shutil.which("dnstap-read")):
        return case.note("SKIPPED dnstap: fstrm_capture or dnstap-read is not installed")
    server = Server(case, "--dnstap", f"unix:{sock}", zones="zones", forward=upstream.target)
    dns.ask(server.address, "localhost", "A", source=CLIENT)
    # it has looked while nobody was there
    wait_for("the server to miss the socket", lambda: "the query log cannot be written" in server.log_text(), seconds=15)
    capture = case.start("fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", sock, "-w", captured, log="fstrm.log")
    wait_for("the server to find the socket", lambda: "written again" in server.log_text(), seconds=15)
    for name, qtype in NAMES:
        for tcp in (False, True):
            dns.ask(server.address, name, qtype, source=CLIENT, tcp=tcp)
    case.equal("exit code", server.stop(), 0)
    capture.terminate()
    capture.wait(10)
    shown = case.run("dnstap-read", captured)
    lines = shown.splitlines()
    case.equal("frames that dnstap-read shows", len(lines), 2 * len(NAMES), shown)
    for name, qtype in NAMES:
        mine = [line for line in lines if line.endswith(f" {name}/IN/{qtype}")]
        case.equal(f"{name} {qtype}", sorted(line.split()[6] for line in mine), ["TCP", "UDP"], shown)
    case.check(all(" CR " in line and CLIENT in line for line in lines), "not all are responses to the client", shown)
    full = case.run("dnstap-read", "-y", captured)
    for wanted in ("identity: ", "version: \"vpcedns", "query_port: ", "response_address: ", "ec2.us-east-1.amazonaws.com.", "127.10.1.17"):
        case.check(wanted.replace('"', "") in full.replace('"', ""), f"dnstap-read -y does not show {wanted}", full[:3000])
    # straight to a file
    plain = case.dir / "plain.fstrm"
    server = Server(case, "--dnstap", plain, zones="zones", forward=upstream.target)
    dns.ask(server.address, "localhost", "A", source=CLIENT)
    case.equal("exit code", server.stop(), 0)
    shown = case.run("dnstap-read", plain)
    return case.check(f"{CLIENT}" in shown and "localhost/IN/A" in shown, "a file", shown)


def sampling(case, upstream):
    path = case.dir / "sampled.json"
    server = Server(case, "--query-log", path, "--query-log-one-of", "10", zones="zones", forward=upstream.target)
    for _ in range(2000):
        dns.ask(server.address, "localhost", "A", source=CLIENT)
    case.equal("exit code", server.stop(), 0)
    found = len(logged(path))
    case.check(120 < found < 320, "one of ten of 2,000 questions", found)


def bad_places(case, upstream):
    """A full disk, a reader that does not read, and one that goes: all is answered, and what was lost is counted."""
    deaf = case.dir / "deaf.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(deaf))
    listener.listen(1)
    case.finally_do(listener.close)
    for place in ("/dev/full", f"unix:{deaf}"):
        server = Server(case, "--query-log", place, zones="zones", forward=upstream.target, http=True)
        slowest = 0.0
        for _ in range(3000):
            began = time.monotonic()
            case.equal("an answer", server.ask("localhost", source=CLIENT).rcode, "NOERROR")
            slowest = max(slowest, time.monotonic() - began)
        case.check(slowest < 1, f"{place}: an answer waited for the log", slowest)
        dropped = wait_for(f"{place}: drops", lambda: counter(server, "query_log_dropped_total"), seconds=20)
        case.note(f"{place}: {dropped:.0f} questions not logged, slowest answer {slowest * 1000:.1f} ms")
        case.check(server.log_text().count("the query log cannot be written") <= 3, "lines about it", server.log_text())
        case.equal("exit code", server.stop(), 0)
    ended = case.run(case.binary, "serve", "--zones", "zones", "--listen", "127.0.0.1:0", "--query-log", "/nowhere/at/all", "--forward",
                     "none", check=False)
    case.equal("a file that cannot be", (ended.returncode, "/nowhere/at/all: error" in ended.stderr), (1, True), ended.stderr)


def one_is_deaf(case, upstream):
    """A reader of dnstap that takes the connection and says nothing costs the file beside it no line, and what is queued is written at the end."""
    path, deaf = case.dir / "beside.json", case.dir / "silent.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(deaf))
    listener.listen(1)
    case.finally_do(listener.close)
    server = Server(case, "--query-log", path, "--dnstap", f"unix:{deaf}", zones="zones", forward=upstream.target, http=True)
    for _ in range(3000):
        server.ask("localhost", source=CLIENT)
    case.equal("exit code", server.stop(), 0)
    mine = [line for line in logged(path) if line["srcaddr"] == CLIENT]
    case.equal("lines of the file", len(mine), 3000)


def counter(server, name):
    for line in server.get("/metrics")[1].splitlines():
        if line.startswith(f"vpcedns_{name} "):
            return float(line.split()[1])
    raise Failure(f"no metric {name}")

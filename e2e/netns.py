"""Real hosts with real 10.x addresses: split horizon, reply source, VPC listeners, three C libraries.

Network namespaces that the test makes, and nothing of the machine's own network:

    a    10.0.1.5 --- 10.0.0.2, 10.0.0.53, 10.0.0.77 \\
    b    10.1.1.5 --- 10.1.0.2                         srv: the server; the scripted upstream on 127.0.0.1
    out  192.168.50.5 --- 192.168.50.1                /
"""

import os
import re
import subprocess
from pathlib import Path

from support import zones as z
from support.case import Skip, clean_env, find_tool, wait_for
from support.server import Upstream
from support.upstream import public_address

A, B, C = "vpc-0000000a", "vpc-0000000b", "vpc-0000000c"
EC2 = "ec2.us-east-1.amazonaws.com"
IN_A, IN_B, IN_C = ["10.0.1.17", "10.0.2.17"], ["10.1.1.17"], ["10.0.1.99"]
REGIONAL = f"vpce-0fe5b17a0707d6abc-29p5708s.ec2.{z.SUFFIX}"
LINKS = {"a": ("10.0.1.5/16", ["10.0.0.2/16", "10.0.0.53/16", "10.0.0.77/16"]),
         "b": ("10.1.1.5/16", ["10.1.0.2/16"]),
         "out": ("192.168.50.5/24", ["192.168.50.1/24"])}


class Network:
    """The namespaces, named after this process so that two runs do not meet."""

    def __init__(self, case):
        self.case, self.tag = case, f"vpcedns{os.getpid()}"
        for name in ("srv", *LINKS):
            self._ip("netns", "add", self.name(name))
            case.finally_do(lambda name=name: self._delete(name))
            self.run(name, "ip", "link", "set", "lo", "up")
        for name, (address, server_addresses) in LINKS.items():
            self._ip("link", "add", "eth0", "netns", self.name(name), "type", "veth",
                     "peer", f"to-{name}", "netns", self.name("srv"))
            for there in server_addresses:
                self.run("srv", "ip", "address", "add", there, "dev", f"to-{name}")
            self.run("srv", "ip", "link", "set", f"to-{name}", "up")
            self.run(name, "ip", "address", "add", address, "dev", "eth0")
            self.run(name, "ip", "link", "set", "eth0", "up")
            self.run(name, "ip", "route", "add", "default", "via", server_addresses[0].split("/")[0])

    def name(self, name):
        return f"{self.tag}-{name}"

    def prefix(self, name):
        """What to put before a command so that it runs on that host."""
        return ["ip", "netns", "exec", self.name(name)]

    def run(self, name, *command, **options):
        return self.case.run(*self.prefix(name), *command, **options)

    def _ip(self, *words):
        self.case.run("ip", *words)

    def _delete(self, name):
        subprocess.run(["ip", "netns", "delete", self.name(name)], env=clean_env(), check=False)

    def resolve(self, name, nameserver, *command):
        """Runs a command on a host whose /etc/resolv.conf names this server; the machine's own stays as it is."""
        conf = self.case.write(f"resolv-{name}.conf", f"nameserver {nameserver}\noptions timeout:2 attempts:2\n")
        script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
        return self.run(name, "unshare", "-m", "sh", "-c", script, "sh", conf, *command, check=False)


def run(case):
    case.need("ip", "unshare", "dig")
    if os.geteuid() != 0:
        raise Skip("network namespaces need root")
    if subprocess.run(["unshare", "-nm", "true"], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("this machine does not let its root make namespaces")
    network = Network(case)
    case.write("zones/all.toml", two_vpcs())
    upstream = Upstream(case, address="127.0.0.1", port=5353, prefix=network.prefix("srv"))
    server = serve(case, network, "zones", "0.0.0.0:53", upstream)
    split_horizon(case, network, upstream)
    c_libraries(case, network)
    server()
    listeners(case, network, upstream)


def serve(case, network, zones, listen, upstream):
    """Starts the server on the host `srv`; returns what stops it."""
    flags = [word for address in ([listen] if isinstance(listen, str) else listen) for word in ("--listen", address)]
    process = case.start(*network.prefix("srv"), case.binary, "serve", "--zones", zones, *flags, "--forward",
                         upstream.target, log=f"serve-{zones}.log")
    wait_for("the server to answer", lambda: process.poll() is not None or dig(network, "a", "10.0.0.2", REGIONAL)[0])

    def end():
        process.terminate()
        case.equal("exit code of the server after SIGTERM", process.wait(15), 0)

    return end


def dig(network, name, server, question, kind="A"):
    """(status, addresses, dig's text); dig itself rejects a reply from another address than it asked."""
    text = network.run(name, "dig", f"@{server}", question, kind, "+tries=1", "+timeout=2", check=False).stdout
    status = re.search(r"status: (\w+)", text)
    found = re.findall(r"^\S+\s+\d+\s+IN\s+A\s+(\S+)$", text, re.M)
    return (status[1] if status else "", sorted(found), text)


def two_vpcs():
    text = z.vpc(A, "10.0.0.0/16") + z.vpc(B, "10.1.0.0/16")
    text += z.subnet("subnet-000000a1", A, "a", "10.0.1.0/24") + z.subnet("subnet-000000a2", A, "b", "10.0.2.0/24")
    text += z.subnet("subnet-000000b1", B, "a", "10.1.1.0/24")
    text += z.endpoint("vpce-0fe5b17a0707d6abc", A, "ec2", "29p5708s",
                       [("subnet-000000a1", IN_A[0]), ("subnet-000000a2", IN_A[1])])
    return text + z.endpoint("vpce-00000000000000b01", B, "ec2", "bbbbbbbb", [("subnet-000000b1", IN_B[0])])


def split_horizon(case, network, upstream):
    # every address of a wildcard listener: a reply from another one than was asked would be dropped by dig
    for host, server, wanted in (("a", "10.0.0.2", IN_A), ("a", "10.0.0.53", IN_A), ("a", "10.1.0.2", IN_A),
                                 ("b", "10.1.0.2", IN_B), ("b", "10.0.0.2", IN_B), ("b", "10.0.0.77", IN_B)):
        status, found, text = dig(network, host, server, EC2)
        case.equal(f"{EC2} from {host} at {server}", (status, found), ("NOERROR", wanted), text)
        status, found, text = dig(network, host, server, REGIONAL)
        case.equal(f"regional name from {host} at {server}", (status, found), ("NOERROR", IN_A), text)
    status, found, text = dig(network, "a", "10.0.0.2", "www.example")
    case.equal("a public name from a", found, [public_address("www.example")], text)
    before = len(upstream.seen())
    for question in (EC2, "www.example"):
        status, _, text = dig(network, "out", "192.168.50.1", question)
        case.equal(f"{question} from a host of no VPC that is not allowed", status, "REFUSED", text)
    case.equal("questions of that host that went upstream", len(upstream.seen()) - before, 0)


def c_libraries(case, network):
    """An ordinary program that knows nothing but resolv.conf finds the private addresses."""
    for host, server, wanted in (("a", "10.0.0.2", IN_A), ("b", "10.1.0.2", IN_B)):
        done = network.resolve(host, server, "getent", "ahosts", EC2)
        found = sorted({line.split()[0] for line in done.stdout.splitlines()})
        case.equal(f"glibc's getent in {host}", found, wanted, done.stdout + done.stderr)
        if find_tool("musl-gcc"):
            program = case.dir / "resolve-musl"
            case.run("musl-gcc", "-static", "-O1", "-o", program, Path(__file__).with_name("data") / "resolve.c")
            done = network.resolve(host, server, program, EC2)
            case.equal(f"musl's getaddrinfo in {host}", sorted(set(done.stdout.split())), wanted,
                       done.stdout + done.stderr)
        else:
            case.note("musl-gcc is not installed: musl is not tried")
        if find_tool("busybox"):
            done = network.resolve(host, server, "busybox", "nslookup", EC2)
            found = sorted(set(re.findall(r"Address(?: \d+)?: ([0-9.]+)$", done.stdout, re.M)))
            case.equal(f"busybox nslookup in {host}", (done.returncode, found), (0, wanted),
                       done.stdout + done.stderr)
        else:
            case.note("busybox is not installed: its nslookup is not tried")


def listeners(case, network, upstream):
    """Two VPCs with one and the same address block, told apart by the address that the client asks."""
    text = z.vpc(A, "10.0.0.0/16", listeners=["10.0.0.2:53"]) + z.vpc(C, "10.0.0.0/16", listeners=["10.0.0.77:53"])
    text += z.subnet("subnet-000000a1", A, "a", "10.0.1.0/24") + z.subnet("subnet-000000a2", A, "b", "10.0.2.0/24")
    text += z.subnet("subnet-000000c1", C, "a", "10.0.1.0/24")
    text += z.endpoint("vpce-0fe5b17a0707d6abc", A, "ec2", "29p5708s",
                       [("subnet-000000a1", IN_A[0]), ("subnet-000000a2", IN_A[1])])
    text += z.endpoint("vpce-00000000000000c01", C, "ec2", "cccccccc", [("subnet-000000c1", IN_C[0])])
    for zones, listen in (("listeners-each", ["10.0.0.2:53", "10.0.0.77:53"]), ("listeners-any", "0.0.0.0:53")):
        case.write(f"{zones}/all.toml", text)
        end = serve(case, network, zones, listen, upstream)
        for server, wanted in (("10.0.0.2", IN_A), ("10.0.0.77", IN_C)):
            status, found, text_seen = dig(network, "a", server, EC2)
            case.equal(f"{EC2} at the listener {server}, bound to {listen}", (status, found), ("NOERROR", wanted),
                       text_seen)
        end()

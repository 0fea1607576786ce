"""Forwarding between VPCs, hubs and networks on premises, in one process and in several, with real loops among them."""

import socket
import struct
import threading
import time

from support import dns
from support.case import ROOT, wait_for
from support.server import Server, free_port

CORP = "corp.example"
RULE_TO_HUB = ROOT / "tests/cases/01-rule-to-hub-listener/zones/a.toml"
# a loop is found by its own question and one more: the patience for an upstream that was never heard is 400 ms each
LOOP_SECONDS = 3


def run(case):
    one_process(case)
    mutual(case)
    hub_and_premises(case)
    real_loops(case)


def vpc(number, block, listener=None, hostnames=True):
    listeners = f'listeners = ["{listener}"]\n' if listener else ""
    return (f'[[vpc]]\nvpc_id = "vpc-{number:08x}"\nregion = "us-west-2"\ncidr_blocks = ["{block}"]\n'
            f"enable_dns_hostnames = {str(hostnames).lower()}\n{listeners}")


def zone(name, number, records):
    shown = ", ".join(f'{{ name = "{label}", type = "A", values = ["{value}"] }}' for label, value in records.items())
    return f'[[hosted_zone]]\nname = "{name}"\nvpc_ids = ["vpc-{number:08x}"]\nrecords = [ {shown} ]\n'


def rule(domain, target, number=None):
    vpcs = f'vpc_ids = ["vpc-{number:08x}"]\n' if number else ""
    return f'[[resolver_rule]]\ndomain_name = "{domain}"\nrule_type = "FORWARD"\ntarget_ips = ["{target}"]\n{vpcs}'


def write(case, directory, *parts):
    case.write(f"{directory}/a.toml", "\n".join(parts))
    return directory


def seen(address, name):
    """Response code, addresses and extended errors of a reply."""
    reply = dns.ask(address, name, "A", edns=1232, timeout=6)
    errors = " ".join(text for _, text in dns.extended_errors(reply))
    return reply.rcode, [dns.show_rdata(record) for record in reply.answer], errors


def one_process(case):
    """A spoke's rules lead to the hub's listener of the same server: the zones of `tests/cases/01-rule-to-hub-listener`."""
    port, up = free_port(), Premises({"www.public.example": "203.0.113.1"})
    (case.dir / "one").mkdir()
    write(case, "one", RULE_TO_HUB.read_text().replace(":27070", f":{port}"))
    server = Server(case, zones="one", forward=up.text)
    for name, want in (("instance.test.network.internal", "127.20.1.99"), ("sqs.us-west-2.amazonaws.com", "127.20.1.11"),
                       ("www.public.example", "203.0.113.1")):
        for _ in range(20):
            case.equal(f"spoke asks {name}", seen(("127.21.0.2", port), name)[:2], ("NOERROR", [want]), server.log_text())
    case.check("leads back" not in server.log_text(), "a loop is seen where there is none", server.log_text())
    server.stop()
    up.stop()


def mutual(case):
    """A asks B for one domain, and B asks A for the rest."""
    up = Premises({"www.public.example": "203.0.113.1"})
    (case.dir / "a").mkdir()
    (case.dir / "b").mkdir()
    first = Server(case, zones=write(case, "a", rule(CORP, f"127.0.0.1:{(b_port := free_port())}")), forward=up.text)
    write(case, "b", vpc(1, "127.0.0.0/8"), zone(CORP, 1, {"db": "10.9.9.9"}))
    second = start(case, b_port, f"127.0.0.1:{first.port}", "b")
    for address in (first.address, ("127.0.0.1", b_port)):
        for _ in range(20):
            case.equal(f"{address}: db.{CORP}", seen(address, f"db.{CORP}")[:2], ("NOERROR", ["10.9.9.9"]))
            case.equal(f"{address}: the rest", seen(address, "www.public.example")[:2], ("NOERROR", ["203.0.113.1"]))
    case.check("leads back" not in first.log_text() + second.read_text(), "a loop is seen where there is none")
    first.stop()
    up.stop()


def hub_and_premises(case):
    """The hub's default leads to a network on premises, which sends the hub's own domain back to the hub."""
    hub = free_port()
    premises = Premises({"www.public.example": "203.0.113.1", "printer.corp.example": "10.8.8.8"},
                        {"cloud.example": ("127.0.0.1", hub)})
    (case.dir / "hub").mkdir()
    write(case, "hub", vpc(1, "127.0.0.0/8"), zone("cloud.example", 1, {"db": "10.7.7.7"}))
    log = start(case, hub, premises.text, "hub")
    for _ in range(20):
        for name, want in (("db.cloud.example", "10.7.7.7"), ("www.public.example", "203.0.113.1"),
                           ("printer.corp.example", "10.8.8.8")):
            case.equal(f"hub: {name}", seen(("127.0.0.1", hub), name)[:2], ("NOERROR", [want]), log.read_text())
            case.equal(f"premises: {name}", seen(premises.address, name)[:2], ("NOERROR", [want]), log.read_text())
    case.check("leads back" not in log.read_text(), "a loop is seen where there is none", log.read_text())
    premises.stop()


def real_loops(case):
    """Questions that nobody answers go round: each fails and says why, and everything else is answered."""
    third, first = free_port(), free_port()
    premises = Premises({"www.public.example": "203.0.113.1"}, {"lost.example": ("127.0.0.1", first)})
    (case.dir / "empty").mkdir()
    log = start(case, first, f"127.0.0.1:{third}", "empty")
    start(case, third, premises.text, "empty")
    for number in range(5):
        begin = time.monotonic()
        rcode, _, errors = seen(("127.0.0.1", first), f"n{number}.lost.example")
        took = time.monotonic() - begin
        case.equal(f"a question in a loop of three, number {number}", rcode, "SERVFAIL")
        case.check("leads back to this server" in errors, "the loop is not named", errors)
        case.check(took < LOOP_SECONDS, f"it took {took:.1f} s")
        rcode, addresses, errors = seen(("127.0.0.1", first), "www.public.example")
        case.equal("another domain on the same path", (rcode, addresses), ("NOERROR", ["203.0.113.1"]), errors)
    case.check("questions for names in lost.example lead back to this server" in log.read_text(), "not in the log", log.read_text())
    case.note(f"a loop of three servers is named after {took * 1000:.0f} ms")
    premises.stop()


def start(case, port, forward, zones):
    """A server on a port that others know already; its log."""
    case.start(case.binary, "serve", "--listen", f"127.0.0.1:{port}", "--forward", forward, "--zones", zones, "--limit",
               "cache_size=0", log=f"serve-{port}.log")
    log = case.dir / f"serve-{port}.log"
    wait_for("the server to start", lambda: "ready:" in log.read_text())
    return log


class Premises:
    """A resolver that knows some names, sends some domains to others, and says NXDOMAIN to the rest."""

    def __init__(self, names, domains=()):
        self.names, self.domains = names, dict(domains)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(0.1)
        self.address = self.sock.getsockname()
        self.text = "{}:{}".format(*self.address)
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping = True
        self.thread.join()

    def _run(self):
        while not self.stopping:
            try:
                packet, peer = self.sock.recvfrom(4096)
            except (TimeoutError, ConnectionRefusedError):
                continue
            threading.Thread(target=self._answer, args=(packet, peer), daemon=True).start()

    def _answer(self, packet, peer):
        end = 12 + dns.name_end(packet[12:], 0) + 4
        query = dns.decode(packet)
        name = dns.show_name(query.questions[0][0]).lower().rstrip(".")
        for domain, to in self.domains.items():
            if name == domain or name.endswith(f".{domain}"):
                try:
                    # EDNS is between two neighbours (RFC 6891 6.1.1): none of it passes
                    bare = struct.pack("!6H", query.id, 0x100, 1, 0, 0, 0) + packet[12:end]
                    return self.sock.sendto(dns.exchange_udp(to, bare, timeout=5, tries=1), peer)
                except TimeoutError:
                    return None
        if address := self.names.get(name):
            data = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + socket.inet_aton(address)
            return self.sock.sendto(packet[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + packet[12:end] + data, peer)
        return self.sock.sendto(packet[:2] + b"\x81\x83\0\x01\0\0\0\0\0\0" + packet[12:end], peer)

"""Source addresses: a rule's questions leave from its outbound endpoint's addresses on this host, over UDP, TCP, TLS and HTTPS."""

import json
import socket
import ssl
import struct
import threading

from support import dns
from support.case import wait_for
from support.server import Server, free_port
from upstreams import certificate

SOURCES = ["127.0.0.41", "127.0.0.42"]
# of the documentation ranges (RFC 5737): on no host
ELSEWHERE = "192.0.2.41"
CLIENT, OTHER = "127.0.1.5", "127.0.2.5"


def run(case):
    case.need("openssl")
    certificate(case)
    upstream = Upstream(case)
    every_way(case, upstream)
    by_vpc_and_change(case, upstream)
    upstream.stop()


def write(case, *parts):
    (case.dir / "zones").mkdir(exist_ok=True)
    new = case.dir / "rules.new"
    new.write_text("\n".join(parts))
    new.rename(case.dir / "zones" / "rules.toml")


def vpc(number):
    return (f'[[vpc]]\nvpc_id = "vpc-{number:08x}"\nregion = "us-east-1"\ncidr_blocks = ["127.0.{number}.0/24"]\n')


def rule(domain, target, endpoint, number=1):
    return (f'[[resolver_rule]]\ndomain_name = "{domain}"\nrule_type = "FORWARD"\ntarget_ips = ["{target}"]\n'
            f'vpc_ids = ["vpc-{number:08x}"]\nresolver_endpoint_id = "{endpoint}"\n')


def endpoint(name, *addresses):
    listed = ", ".join(f'"{address}"' for address in addresses)
    return f'[[resolver_endpoint]]\ndirection = "OUTBOUND"\nname = "{name}"\nip_addresses = [{listed}]\n'


def asked(case, server, upstream, name, source=CLIENT, **flags):
    """The addresses from which a question reached the upstream."""
    before = len(upstream.peers)
    seen = server.ask(name, "A", source=source, timeout=5, **flags)
    case.equal(f"{name} from {source}", (seen.rcode, [dns.show_rdata(record) for record in seen.answer]),
               ("NOERROR", ["203.0.113.7"]), server.log_text()[-2000:])
    return upstream.peers[before:]


def every_way(case, upstream):
    """Each transport, many questions on many sockets; where no address is on this host, the system's, with a note."""
    ways = {"udp": f"127.0.0.1:{upstream.port}", "tcp": f"127.0.0.1:{upstream.port}", "tls": f"tls://127.0.0.1:{upstream.tls}#dns.example"}
    rules = [rule(f"{way}.example", target, "out") for way, target in ways.items()]
    away = [rule(f"{way}-away.example", target, "away") for way, target in ways.items()]
    write(case, vpc(1), endpoint("out", ELSEWHERE, *SOURCES), endpoint("away", ELSEWHERE), *rules, *away)
    server = Server(case, "--forward-ca", "cert.pem", "--limit", "cache_size=0", zones="zones", forward="none", http=True)
    for way in ways:
        peers = set()
        for number in range(20 if way == "tls" else 60):
            for how, flags in (("udp", {}), ("tcp", {"tcp": True})):
                got = asked(case, server, upstream, f"{how}{number}.{way}.example", **flags)
                case.check({ip for _, ip in got} <= set(SOURCES), f"{way}: asked from elsewhere", got)
                peers.update(got)
        case.check({ip for _, ip in peers} == set(SOURCES) if way == "udp" else peers, f"{way}: not every address is used", peers)
        case.check(any(kind == way for kind, _ in peers), f"{way} was not asked", peers)
        got = asked(case, server, upstream, f"x.{way}-away.example")
        case.check(got and all(ip == "127.0.0.1" for _, ip in got), f"{way}: without an address of this host", got)
    log = server.log_text()
    case.equal("notes in the log", log.count("none of the addresses to ask from is on this host"), 2, log)
    text = case.run(case.binary, "status", "--http", server.http.removeprefix("http://"), check=False).stdout
    case.check(f"from {ELSEWHERE}: up" in text and "from another address: none of these is on this host" in text,
               "status does not say it", text)
    for name, said, why in (("x.udp.example", f"asked from {' or '.join([*SOURCES, ELSEWHERE])}, of the outbound endpoint out", "it answers"),
                            ("x.udp-away.example", f"asked from {ELSEWHERE}", "it answers; none of the addresses to ask from is on this host")):
        explained = json.loads(server.get(f"/v1/explain?name={name}&from={CLIENT}")[1])
        case.check(any(said in step for step in explained["steps"]), f"explain {name}", explained)
        case.equal(f"why {name} is asked so", [one["why"] for one in explained["upstreams"]], [why], explained)
    labels = [line for line in server.get("/metrics")[1].splitlines() if line.startswith("vpcedns_upstream_questions")]
    case.equal("each way has a line of metrics", len(set(labels)), 4, labels)
    case.equal("exit code", server.stop(), 0)


def by_vpc_and_change(case, upstream):
    """One target from two VPCs by two endpoints: nobody's cached answer is the other's; an endpoint that moves is followed."""
    target = f"127.0.0.1:{upstream.port}"
    fixed = [vpc(1), vpc(2), rule("onprem.example", target, "one"), rule("onprem.example", target, "two", 2)]
    write(case, *fixed, endpoint("one", SOURCES[0]), endpoint("two", SOURCES[1]))
    server = Server(case, zones="zones", forward="none", http=True)
    for client, want in ((CLIENT, SOURCES[0]), (OTHER, SOURCES[1])):
        for name, peers in (("a.onprem.example", [("udp", want)]), ("a.onprem.example", []), ("b.onprem.example", [("udp", want)])):
            case.equal(f"{name} of {client} is asked from", asked(case, server, upstream, name, client), peers)
    generation = server.generation()
    write(case, *fixed, endpoint("one", SOURCES[1]))
    wait_for("the change", lambda: server.generation() > generation)
    case.equal("after a move", asked(case, server, upstream, "c.onprem.example"), [("udp", SOURCES[1])])
    case.equal("an endpoint that has gone", asked(case, server, upstream, "c.onprem.example", OTHER), [("udp", "127.0.0.1")])
    case.equal("exit code", server.stop(), 0)


class Upstream:
    """Answers everything with one address, and notes from where it was asked: UDP, but for names below `tcp`, then TCP; and TLS."""

    def __init__(self, case):
        self.peers, self.port = [], free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        plain = socket.create_server(("127.0.0.1", 0))
        self.tls = plain.getsockname()[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(case.dir / "cert.pem", case.dir / "key.pem")
        context.set_alpn_protocols(["dot"])
        self.secure = context.wrap_socket(plain, server_side=True)
        for target in (self._datagrams, lambda: self._accept("tcp", self.tcp), lambda: self._accept("tls", self.secure)):
            threading.Thread(target=target, daemon=True).start()

    def stop(self):
        for sock in (self.udp, self.tcp, self.secure):
            sock.close()

    def _datagrams(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            self.peers.append(("udp", peer[0]))
            self.udp.sendto(reply(packet, truncated=b"\x03tcp\x07example" in packet or b"\x08tcp-away" in packet), peer)

    def _accept(self, kind, listener):
        while True:
            try:
                stream, peer = listener.accept()
            except ssl.SSLError:
                continue
            except OSError:
                return
            threading.Thread(target=self._stream, args=(kind, stream, peer), daemon=True).start()

    def _stream(self, kind, stream, peer):
        with stream, stream.makefile("rwb") as octets:
            while len(head := octets.read(2)) == 2:
                self.peers.append((kind, peer[0]))
                answer = reply(octets.read(struct.unpack("!H", head)[0]))
                octets.write(struct.pack("!H", len(answer)) + answer)
                octets.flush()


def reply(packet, truncated=False):
    """203.0.113.7 for whatever is asked; cut if `truncated`."""
    end = 12 + dns.name_end(packet[12:], 0) + 4
    if truncated:
        return packet[:2] + b"\x83\x80\x00\x01\0\0\0\0\0\0" + packet[12:end]
    return packet[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + packet[12:end] + b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xcb\0\x71\x07"

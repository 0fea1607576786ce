"""A scripted upstream resolver: answers with public-looking data and writes down what it was asked.

Everything has an A record in 203.0.113.0/24 and an AAAA in 2001:db8::/32 (the documentation ranges), HTTPS and the
rest are empty, names below `nx.invalid` do not exist, `--cname FROM=TO` adds an alias, `--address NAME=IPV4` gives a
name that one, and AD is said to whoever asks for it. Runs on UDP and TCP, less what `--without` names: `udp`, `tcp`, or
`edns`, whose questions are dropped as some middleboxes do. `--clock SECONDS` puts a clock that is so far off into
cookies (RFC 9018 4).
"""

import argparse
import ipaddress
import socket
import socketserver
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import dns  # noqa: E402  (the path has to be set first; this file also runs as a program)

SOA = (dns.name_to_wire("ns.public.example") + dns.name_to_wire("hostmaster.public.example")
       + struct.pack("!5I", 1, 7200, 900, 1209600, 60))


def public_address(name):
    """The address that the upstream gives a name: stable, and told apart from every private one at a glance."""
    return f"203.0.113.{zlib.crc32(name.rstrip('.').lower().encode()) % 254 + 1}"


def server_cookie(client, clock):
    """A COOKIE option: the client's, then version, reserved, time and what stands for a hash (RFC 9018 4)."""
    cookie = client + struct.pack("!4xI", (int(time.time()) + clock) & 0xffffffff) + b"hash-of8"
    cookie = cookie[:8] + b"\x01" + cookie[9:]
    return struct.pack("!2H", 10, len(cookie)) + cookie


def reply(packet, aliases, addresses, note, clock=None, edns_too=True):
    """The reply to a packet, or None for what is not a query."""
    try:
        query = dns.decode(packet)
    except dns.Malformed:
        return None
    if query.flags & 0x8000 or len(query.questions) != 1 or query.opt is not None and not edns_too:
        return None
    name, qtype, _ = query.questions[0]
    text = dns.show_name(name)
    note(f"{text} {qtype}")
    answer, authority, rcode = [], [], 0
    if text in aliases:
        answer.append((name, 5, dns.name_to_wire(aliases[text])))
        name, text = dns.name_to_wire(aliases[text]), aliases[text]
    if text.endswith("nx.invalid."):
        rcode, authority = 3, [(dns.name_to_wire("invalid"), 6, SOA)]
    elif qtype == 1:
        answer.append((name, 1, socket.inet_aton(addresses.get(text) or public_address(text))))
    elif qtype == 28:
        answer.append((name, 28, ipaddress.ip_address("2001:db8::1").packed))
    elif not answer:
        authority = [(name, 6, SOA)]
    options = b"" if query.opt is None or clock is None else server_cookie(query.opt.rdata[4:12], clock)
    edns = b"" if query.opt is None else b"\0" + struct.pack("!2HIH", 41, 1232, query.opt.ttl & 0x8000, len(options)) + options
    end = 12 + dns.name_end(packet[12:], 0) + 4
    # RD and CD are the query's; AD is said to who set it (RFC 6840 5.7, 5.8)
    head = struct.pack("!6H", query.id, 0x8080 | query.flags & 0x130 | rcode, 1, len(answer), len(authority),
                       1 if edns else 0)
    records = b"".join(owner + struct.pack("!2HIH", rtype, 1, 60, len(data)) + data
                       for owner, rtype, data in answer + authority)
    return head + packet[12:end] + records + edns


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--seen", required=True, help="file that gets a line for each question")
    parser.add_argument("--cname", action="append", default=[])
    parser.add_argument("--address", action="append", default=[])
    parser.add_argument("--without", choices=["udp", "tcp", "edns"])
    parser.add_argument("--clock", type=int, help="seconds that the clock in cookies is ahead")
    args = parser.parse_args()
    manner = {"clock": args.clock, "edns_too": args.without != "edns"}
    aliases = {a.rstrip(".") + ".": b.rstrip(".") + "." for a, b in (pair.split("=") for pair in args.cname)}
    addresses = {name.rstrip(".") + ".": value for name, value in (pair.split("=") for pair in args.address)}
    address, port = args.listen.rsplit(":", 1)
    lock = threading.Lock()

    class Udp(socketserver.BaseRequestHandler):
        def handle(self):
            packet, sock = self.request
            if args.without != "udp" and (answer := reply(packet, aliases, addresses, note, **manner)):
                sock.sendto(answer, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self):
            while len(head := self.rfile.read(2)) == 2:
                answer = reply(self.rfile.read(struct.unpack("!H", head)[0]), aliases, addresses, note, **manner)
                if answer is None or args.without == "tcp":
                    return
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    class TcpServer(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with socketserver.ThreadingUDPServer((address, int(port)), Udp) as udp, \
            TcpServer((address, int(port)), Tcp) as tcp, open(args.seen, "a") as seen:
        def note(line):
            with lock:
                seen.write(line + "\n")
                seen.flush()

        threading.Thread(target=tcp.serve_forever, daemon=True).start()
        udp.serve_forever()


if __name__ == "__main__":
    main()

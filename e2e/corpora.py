"""Hostile packets over UDP and TCP: no crash, no answer to responses or scraps, strict replies, still serving."""

import random
import socket
import struct

from support import dns
from support.case import ROOT
from support.server import Server

CORPORA = ROOT / "tests" / "corpora"
SEED = 8482
# each seed file is also sent with random octets changed, so that a fix for the file alone does not pass
MUTANTS = 40


def run(case):
    server = Server(case, zones=ROOT / "zones", forward="none")
    files = sorted(path for path in CORPORA.rglob("*") if path.is_file())
    case.check(len(files) > 40, f"only {len(files)} seed files in {CORPORA}")
    rng, answered, sent = random.Random(SEED), 0, 0
    for path in files:
        for packet in variants(path.read_bytes(), rng):
            what = f"{path.relative_to(CORPORA)} as {packet[:40].hex()}{'...' if len(packet) > 40 else ''}"
            answered += udp(case, server, packet, what)
            sent += 1
    for path in files:
        tcp(case, server, path.read_bytes(), f"{path.relative_to(CORPORA)} over TCP")
    pipelined(case, server, files)
    case.check(server.alive(), "the server died")
    case.check(server.ask("after.invalid").flags & 0x8000, "after it all, the server does not answer")
    case.check("panicked" not in server.log_text(), "a panic in the log")
    case.note(f"{sent} packets from {len(files)} seeds over UDP, {answered} answered; seed {SEED}")


def variants(data, rng):
    """The seed itself, the seed behind a query header, and mutants of both."""
    as_query = struct.pack("!6H", rng.getrandbits(16), 0x100, 1, 0, 0, 0) + data
    for base in (data, as_query):
        yield base
        for _ in range(MUTANTS):
            mutant = bytearray(base)
            for _ in range(rng.randint(1, 4)):
                if mutant:
                    mutant[rng.randrange(len(mutant))] = rng.getrandbits(8)
            yield bytes(mutant[:rng.randint(0, len(mutant))] if rng.random() < 0.2 else mutant)


def udp(case, server, packet, what):
    """Sends a packet and then a good question from the same socket: whatever comes back first is judged."""
    probe_id = (int.from_bytes(packet[:2], "big") ^ 0x5555) & 0xFFFF
    replies = []
    with dns.udp_socket(server.address) as sock:
        sock.settimeout(3)
        sock.send(packet)
        # two probes: replies of one socket come in order, but the slow lane may answer behind the first
        for step in range(2):
            sock.send(dns.question(probe_id ^ step, "probe.invalid", "A"))
            try:
                while (reply := sock.recv(65535))[:2] != (probe_id ^ step).to_bytes(2, "big"):
                    replies.append(reply)
            except TimeoutError:
                case.check(False, f"no answer to the probe after {what}")
                return 0
    case.check(len(replies) <= 1, f"{len(replies)} replies to {what}")
    for reply in replies:
        judge(case, packet, reply, what)
    return len(replies)


def judge(case, packet, reply, what):
    case.check(len(packet) >= 12, f"an answer to {len(packet)} octets: {what}", reply.hex())
    case.check(not packet[2:3] or not packet[2] & 0x80, f"an answer to a response: {what}", reply.hex())
    try:
        message = dns.decode(reply)
    except dns.Malformed as fault:
        case.check(False, f"malformed reply ({fault}) to {what}", reply.hex())
        return
    case.check(message.flags & 0x8000 and reply[:2] == packet[:2], f"no QR or another id in the reply to {what}",
               message)


def tcp(case, server, packet, what):
    """Over TCP a server may answer or hang up; what it answers must be sound."""
    try:
        reply = dns.exchange_tcp(server.address, packet, timeout=0.5)
    except (TimeoutError, ConnectionError):
        return
    if reply:
        judge(case, packet, reply, what)


def pipelined(case, server, files):
    """All seeds down one connection, broken frames last; a new connection still works."""
    with socket.create_connection(server.address, timeout=3) as sock:
        try:
            for path in files:
                data = path.read_bytes()
                sock.sendall(struct.pack("!H", len(data)) + data)
            sock.sendall(b"\xff\xff\x00")
        except OSError:
            pass  # the server may hang up on garbage at any point
    reply = dns.ask(server.address, "after.invalid", "A", tcp=True)
    case.check(reply.flags & 0x8000, "a new TCP connection after a broken one gets no answer", reply)

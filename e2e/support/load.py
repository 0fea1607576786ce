"""A load of questions at a steady rate whose answers are all known: counts what is lost and what is wrong.

Runs as a program until SIGTERM, then waits for what is on its way and writes its counts as JSON.
"""

import argparse
import json
import select
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import dns  # noqa: E402  (the path has to be set first)

# a question unanswered for this long counts as lost
PATIENCE_SECONDS = 2.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--source", default="127.0.0.1")
    parser.add_argument("--rate", type=int, default=2000, help="questions a second")
    parser.add_argument("--names", required=True, help="JSON: [[name, [address, ...]], ...]")
    parser.add_argument("--report", required=True)
    args = parser.parse_args()
    address, port = args.server.rsplit(":", 1)
    names = [(dns.name_to_wire(name), set(map(socket.inet_aton, addresses)))
             for name, addresses in json.loads(Path(args.names).read_text())]
    running, quiet_since = True, 0.0

    def end(*_):
        nonlocal running, quiet_since
        running, quiet_since = False, time.monotonic()

    signal.signal(signal.SIGTERM, end)
    counts = {"sent": 0, "lost": 0, "wrong": 0, "examples": []}
    with dns.udp_socket((address, int(port)), args.source) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.setblocking(False)
        Path(args.report).touch()
        waiting, begin = {}, time.monotonic()
        while running or (waiting and time.monotonic() - quiet_since < PATIENCE_SECONDS):
            now = time.monotonic()
            if running:
                due = int((now - begin) * args.rate) - counts["sent"]
                for _ in range(min(due, 64)):
                    qid = counts["sent"] & 0xFFFF
                    if qid in waiting:
                        counts["lost"] += 1
                    name, wanted = names[counts["sent"] % len(names)]
                    waiting[qid] = wanted
                    sock.send(dns.question(qid, name, "A"))
                    counts["sent"] += 1
            select.select([sock], [], [], 0.0005)
            take(sock, waiting, counts)
    counts["lost"] += len(waiting)
    Path(args.report).write_text(json.dumps(counts))


def take(sock, waiting, counts):
    """Judges every reply that has come in."""
    while True:
        try:
            packet = sock.recv(65535)
        except (BlockingIOError, ConnectionRefusedError):
            return
        wanted = waiting.pop(int.from_bytes(packet[:2], "big"), None)
        if wanted is None:
            continue
        message = dns.decode(packet)
        if message.rcode != "NOERROR" or {record.rdata for record in message.answer} != wanted:
            counts["wrong"] += 1
            if len(counts["examples"]) < 5:
                counts["examples"].append(str(message))


if __name__ == "__main__":
    main()

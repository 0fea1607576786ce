"""Run as a program: a steady load of one transport on a server that restarts; prints JSON when its input is closed.

    steady.py udp|tcp|tls|once SERVER PORT RATE NAME

`once` has a TCP connection for each question; the others keep theirs. As RFC 7766 6.2.4 asks of clients, a question
without an answer on a connection that was closed is asked again on a new one. A question that is not answered within
five seconds is lost.
"""

import json
import select
import socket
import ssl
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import dns  # noqa: E402  (the path has to be set first)

PATIENCE = 5.0
CONNECTIONS = 8


class Load:
    def __init__(self, kind, server, port, rate, name):
        self.kind, self.server, self.rate, self.name = kind, (server, int(port)), int(rate), name
        self.waiting, self.sent, self.again, self.refused, self.slowest, self.next_id = {}, 0, 0, 0, 0.0, 0
        self.answered, self.wrong, self.lost = 0, 0, 0
        self.streams = {}
        if kind == "udp":
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self.udp.connect(self.server)
            self.udp.setblocking(False)

    def run(self):
        print("running", flush=True)
        begin, ending = time.monotonic(), None
        poller = select.poll()
        poller.register(sys.stdin, select.POLLIN | select.POLLHUP)
        while ending is None or (self.waiting and time.monotonic() < ending + PATIENCE):
            now = time.monotonic()
            if ending is None and poller.poll(0):
                ending = now
            due = int((now - begin) * self.rate) - self.sent
            for _ in range(min(due, 64) if ending is None else 0):
                self.ask()
            self.receive()
        self.lost += len(self.waiting)
        print(json.dumps({"sent": self.sent, "answered": self.answered, "lost": self.lost, "wrong": self.wrong, "again": self.again,
                          "refused": self.refused, "slowest_ms": round(self.slowest * 1000)}), flush=True)

    def ask(self):
        self.sent += 1
        self.next_id = (self.next_id + 1) & 0xffff
        if self.next_id in self.waiting:
            self.lost += 1
        self.waiting[self.next_id] = (time.monotonic(), None)
        self.send(self.next_id)

    def send(self, number):
        packet = dns.question(number, self.name, "A")
        asked = self.waiting[number][0]
        if self.kind == "udp":
            try:
                self.udp.send(packet)
            except ConnectionRefusedError:
                self.refused += 1
                self.udp.send(packet)
            return
        stream = self.stream()
        if stream is None:
            return
        self.waiting[number] = (asked, stream)
        try:
            stream.sendall(struct.pack("!H", len(packet)) + packet)
        except OSError:
            self.closed(stream)

    def stream(self):
        """An open connection; a new one for each question of the kind `once`."""
        if self.kind != "once" and len(self.streams) >= CONNECTIONS:
            return list(self.streams)[self.sent % CONNECTIONS]
        try:
            stream = socket.create_connection(self.server, timeout=PATIENCE)
            if self.kind == "tls":
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                stream = context.wrap_socket(stream)
        except OSError:
            self.refused += 1
            return None
        self.streams[stream] = b""
        return stream

    def closed(self, stream):
        """Asks again what it has not answered."""
        self.streams.pop(stream, None)
        stream.close()
        for number, (_, on) in list(self.waiting.items()):
            if on is stream:
                self.again += 1
                self.send(number)

    def receive(self):
        if self.kind == "udp":
            select.select([self.udp], [], [], 0.0005)
            while True:
                try:
                    self.answer(self.udp.recv(4096))
                except BlockingIOError:
                    return
                except ConnectionRefusedError:
                    self.refused += 1
        buffered = [stream for stream in self.streams if isinstance(stream, ssl.SSLSocket) and stream.pending()]
        ready, _, _ = select.select(list(self.streams), [], [], 0 if buffered else 0.0005)
        for stream in {*ready, *buffered}:
            try:
                octets = stream.recv(65536)
            except OSError:
                octets = b""
            if not octets:
                self.closed(stream)
                continue
            octets = self.streams[stream] + octets
            while len(octets) >= 2 and len(octets) >= 2 + (size := struct.unpack_from("!H", octets)[0]):
                self.answer(octets[2:2 + size])
                octets = octets[2 + size:]
                if self.kind == "once":
                    self.streams.pop(stream, None)
                    stream.close()
            if stream in self.streams:
                self.streams[stream] = octets
        # those for which no connection was to be had
        for number, (_, on) in list(self.waiting.items()) if not self.streams and self.kind != "once" else []:
            if on is None:
                self.send(number)

    def answer(self, packet):
        number, flags, _, answers = struct.unpack_from("!4H", packet)
        if number in self.waiting:
            self.slowest = max(self.slowest, time.monotonic() - self.waiting.pop(number)[0])
            self.answered += 1
            self.wrong += flags & 0xf != 0 or answers != 1


if __name__ == "__main__":
    Load(*sys.argv[1:]).run()

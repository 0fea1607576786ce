"""The server under test, started on a free loopback port, and the scripted upstream it forwards to."""

import json
import random
import socket
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

from . import dns, lent
from .case import Failure, clean_env, indent, stop, wait_for


def free_port(address="127.0.0.1"):
    """A port that is free for UDP and TCP, and stays so: the kernel gives none below 32768 to those who ask for any."""
    for _ in range(200):
        port = random.randrange(10000, 32768)
        if port in GIVEN:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((address, port))
                udp.bind((address, port))
            except OSError:
                continue
        GIVEN.add(port)
        return port
    raise Failure("no port is free for both UDP and TCP")


# the ports that `free_port` gave, so that two servers which start at the same time do not get one
GIVEN = set()


class Server:
    """`vpcedns serve` on one loopback port. `flags` follow the zones and the listen address, `env` adds to its
    environment. Where a server is lent to the tests, it is that one."""

    def __init__(self, case, *flags, zones, forward="none", http=False, env=None, ready_seconds=10):
        self.case, self.log_begin = case, 0
        if lent.LENT:
            lent.take(self, flags, zones, forward, env)
            return
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.log = case.dir / f"serve-{self.port}.log"
        command = [case.binary, "serve", "--listen", f"127.0.0.1:{self.port}", "--forward", forward, *flags]
        for directory in zones if isinstance(zones, list) else [zones]:
            command += ["--zones", directory]
        if http:
            self.http = f"http://127.0.0.1:{free_port()}"
            command += ["--http", self.http.removeprefix("http://")]
        self.process = case.start(*command, log=self.log.name, env={**clean_env(), **(env or {})})
        wait_for("the server to answer", self._answers, seconds=ready_seconds)
        if http:
            # it opens after those for questions
            wait_for("its HTTP listener", self._takes_connections)

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure(f"the server ended with exit code {self.process.returncode}\n{indent(self.log_text())}")
        try:
            dns.exchange_udp(self.address, dns.question(1, "ready.invalid", "A"), timeout=0.2, tries=1)
            return True
        except TimeoutError:
            return False

    def _takes_connections(self):
        host, port = self.http.removeprefix("http://").rsplit(":", 1)
        with socket.socket() as sock:
            return sock.connect_ex((host, int(port))) == 0

    def log_text(self):
        """What it has said so far."""
        return self.log.read_bytes()[self.log_begin:].decode(errors="replace")

    def alive(self):
        """Whether it still runs."""
        return self.process.poll() is None

    def addresses(self, name, source=None, qtype="A"):
        """(rcode, sorted addresses) of a name; for a wildcard, of a name below it."""
        seen = self.ask(name.replace("*", "bucket", 1), qtype, source=source)
        number = dns.TYPES[qtype]
        return seen.rcode, sorted(dns.show_rdata(record) for record in seen.answer if record.type == number)

    def stop(self):
        """Ends it and returns its exit code. One that is lent goes on."""
        return 0 if lent.LENT else stop(self.process)

    def ask(self, name, qtype="A", **options):
        """One question, its reply decoded."""
        return dns.ask(self.address, name, qtype, **options)

    def get(self, path):
        """(status, body) of a page of its HTTP listener."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def generation(self):
        """The number of the snapshot that it serves, from `/v1/generation`."""
        body = self.get("/v1/generation")[1].strip()
        value = json.loads(body)
        return value["generation"] if isinstance(value, dict) else int(value)


class NameServer:
    """A name server of the test's own, on a thread: `reply` says what it answers to a packet; nothing: silence.
    `is_upstream`: it is the one that the server forwards to."""

    def __init__(self, at=("127.0.0.1", 0), is_upstream=False):
        if is_upstream and lent.LENT:
            at = tuple(lent.LENT["forward"])
        self.sock, self.stopping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), False
        self.sock.bind(at)
        self.sock.settimeout(0.1)
        self.address = self.sock.getsockname()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def reply(self, packet):
        raise NotImplementedError

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.sock.close()

    def _serve(self):
        while not self.stopping:
            try:
                packet, peer = self.sock.recvfrom(4096)
                if reply := self.reply(packet):
                    self.sock.sendto(reply, peer)
            except (TimeoutError, ConnectionRefusedError):
                continue


class Upstream:
    """The scripted upstream as a process of its own; `prefix` puts it elsewhere, e.g. into a network namespace."""

    def __init__(self, case, address="127.0.0.1", port=None, prefix=(), flags=()):
        if lent.LENT:
            address, port = lent.LENT["forward"]
        self.port = port or free_port(address)
        self.target = f"{address}:{self.port}"
        self.seen_file = case.dir / f"upstream-{self.port}.seen"
        script = Path(__file__).with_name("upstream.py")
        self.process = case.start(*prefix, sys.executable, script, "--listen", self.target, "--seen", self.seen_file, *flags,
                   log=f"upstream-{self.port}.log")
        wait_for("the scripted upstream", self.seen_file.exists)

    def seen(self):
        """The questions that reached it so far, as (name, type number as text)."""
        return [tuple(line.split()) for line in self.seen_file.read_text().splitlines()]

    def saw(self, name):
        """Whether any question for this name reached it."""
        return any(asked == name.rstrip(".").lower() + "." for asked, _ in self.seen())

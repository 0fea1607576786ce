"""Servers `a` and `b`, which take calls, and `f`, which only follows; and clients that call them for a time."""

import random
import threading
import time

from ..case import wait_for
from ..ec2 import Ec2Server, make_subnet, make_vpc
from ..server import Server
from .clients import Book, FleetClient, FleetRaw

LIMITS = "[limits]\nec2_endpoints_per_vpc = 100000\nec2_calls_per_second = 100000\nec2_deleted_ms = 3000\n"


class FleetServer:
    """One of them. `session` counts its starts: what is promised of reads is promised from a start to the next."""

    def __init__(self, fleet, name):
        self.fleet, self.name, self.host, self.session = fleet, name, name, 0
        self.start()

    def start(self):
        """Starts it, on the state that it had."""
        flags = ["--config", "fleet.toml", "--store", self.fleet.url(self.name)]
        state = f"{self.fleet.name}-{self.name}"
        options = {"zones": "zones", "http": True, "env": {"VPCEDNS_SOCKET": f"./{state}.sock"}}
        with self.fleet.network.inside(self.host):
            if self.name == "f":
                self.process = Server(self.fleet.case, *flags, "--ec2-state", state, **options)
            else:
                self.process = Ec2Server(self.fleet.case, *flags, state=state, **options)
        self.session += 1
        self.fleet.writers[str(self.process.process.pid)] = self.name

    def kill(self):
        """Ends it at once."""
        self.process.process.kill()
        self.process.process.wait()

    def readiness(self):
        """What `/readyz` says."""
        with self.fleet.network.inside(self.host):
            return self.process.get("/readyz")[1]


class Fleet:
    """The servers; `url` says where the store is, to each by its name."""

    def __init__(self, case, network, url, name="fleet"):
        self.case, self.network, self.url, self.name = case, network, url, name
        self.writers = {}  # process: the name of the server
        case.write("fleet.toml", LIMITS)
        (case.dir / "zones").mkdir(exist_ok=True)
        self.servers = [FleetServer(self, name) for name in ("a", "b", "f")]

    def pick(self, rng, api=False):
        """A server, one with the API if wanted."""
        return rng.choice(self.servers[:2] if api else self.servers)

    def server(self, operation):
        """The server of a call."""
        return next(server for server in self.servers if server.name == operation.server)

    def make_vpcs(self, count):
        """VPCs of two subnets, as a book that has nothing else yet."""
        vpcs = {}
        raw = FleetRaw(self.network, self.servers[0])
        for number in range(count):
            vpc = make_vpc(raw, f"10.{number}.0.0/16")
            vpcs[vpc] = tuple(make_subnet(raw, vpc, f"10.{number}.{16 * n}.0/24", zone) for n, zone in enumerate("ab"))
        raw.close()
        return Book(vpcs)


class Crowd:
    """Clients at work, each on a thread of its own, as long as the `with` block lasts."""

    def __init__(self, fleet, book, count, pause=0.0, shares=None):
        self.clients = [FleetClient(fleet, book, random.Random(number), shares) for number in range(count)]
        self.over, self.pause, self.failures = threading.Event(), pause, []
        self.lateness = Lateness(self.over)
        self.threads = [threading.Thread(target=self._work, args=(client,)) for client in self.clients]

    def _work(self, client):
        while not self.over.is_set():
            try:
                client.step()
            except Exception as error:  # an answer that no client understands is a finding
                self.failures.append(error)
                return
            if self.pause:
                time.sleep(client.rng.uniform(0, 2 * self.pause))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        for thread in [*self.threads, self.lateness.thread]:
            thread.join(30)
        if self.failures and kind is None:
            raise self.failures[0]


class Lateness:
    """How late this machine wakes those who sleep: what it adds to every time that is measured on it."""

    def __init__(self, over):
        self.moments, self.over = [], over
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        before = time.monotonic()
        while not self.over.wait(0.005):
            now = time.monotonic()
            if now - before > 0.010:
                self.moments.append((before, now, now - before - 0.005))
            before = now

    def between(self, begin, end):
        """All of it in this time, in seconds."""
        return sum(late for since, until, late in self.moments if since < end and until > begin)


def settle(fleet, book, seconds=40):
    """Waits until every server follows, and asks all of them for all there is."""
    for server in fleet.servers:
        wait_for(f"{server.name} to follow", lambda server=server: "failing" not in server.readiness(), seconds, pause=0.1)
    client = FleetClient(fleet, book, random.Random(0))
    for server in fleet.servers:
        for made in [*book.live.values(), *book.gone]:
            client.ask_at(server, made)
    for server in fleet.servers[:2]:
        for vpc in book.vpcs:
            client.list_at(server, vpc)

"""A cluster of three etcd members, on ports of the test's own."""

import json
import signal

from .case import stop, wait_for
from .fleet.network import Loopback
from .server import free_port

MEMBERS = 3


class Cluster:
    """Three members, and `etcdctl` to them. `network` says where they are: `e0`, `e1` and `e2` are their hosts there."""

    def __init__(self, case, prefix="/vpcedns", network=None, flags=(), encrypted=False, client=()):
        self.case, self.prefix, self.network, self.flags = case, prefix, network or Loopback(), flags
        self.scheme, self.client = "https" if encrypted else "http", client  # `client`: flags of etcdctl
        self.directory = f"etcd{free_port()}"
        self.clients = [free_port() for _ in range(MEMBERS)]
        self.peers = [free_port() for _ in range(MEMBERS)]
        self.members = [self._start(number) for number in range(MEMBERS)]
        self.url = f"etcd{'s' if encrypted else ''}://{','.join(self.endpoints(range(MEMBERS)))}{prefix}"
        wait_for("etcd to elect", lambda: self.ctl("endpoint", "health", check=False).returncode == 0, 30)

    def host(self, number):
        """The address of a member."""
        return self.network.address(f"e{number}")

    def endpoints(self, numbers):
        """Where members take clients."""
        return [f"{self.host(n)}:{self.clients[n]}" for n in numbers]

    def _start(self, number):
        peers = ",".join(f"m{n}=http://{self.host(n)}:{port}" for n, port in enumerate(self.peers))
        client = f"{self.scheme}://{self.host(number)}:{self.clients[number]}"
        peer = f"http://{self.host(number)}:{self.peers[number]}"
        with self.network.inside(f"e{number}"):
            return self.case.start(
                "etcd", "--name", f"m{number}", "--data-dir", f"{self.directory}-{number}", "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", peers, "--initial-cluster-state", "new", "--log-level", "error", *self.flags,
                log=f"etcd-{number}.log")

    def ctl(self, *words, check=True, members=None, **options):
        """What `etcdctl` prints, asking all members or those with these numbers."""
        asked = ",".join(self.endpoints(members or range(MEMBERS)))
        with self.network.inside("hub"):
            return self.case.run("etcdctl", "--endpoints", asked, "--command-timeout=5s", *self.client, *words, check=check,
                                 **options)

    def leader(self):
        """The number of the member that leads."""
        def found():
            for line in json.loads(self.ctl("endpoint", "status", "-w", "json", check=False).stdout or "[]"):
                if line["Status"].get("leader") == line["Status"]["header"]["member_id"]:
                    return self.clients.index(int(line["Endpoint"].rsplit(":", 1)[1])) + 1
            return None
        return wait_for("a leader", found, 20) - 1

    def revision(self):
        """The revision of the store."""
        return json.loads(self.ctl("get", "none", "-w", "json"))["header"]["revision"]

    def is_partial(self):
        """Whether the store is half filled."""
        return '"is_partial":true' in self.ctl("get", f"{self.prefix}/v1/head", "--print-value-only")

    def snapshot(self, path):
        """Keeps a backup of one member."""
        self.ctl("snapshot", "save", path, members=[0])

    def restore(self, path):
        """Makes another cluster of a backup, at the same addresses."""
        for number in range(MEMBERS):
            self.kill(number)
        self.directory += "r"
        peers = [f"http://{self.host(n)}:{port}" for n, port in enumerate(self.peers)]
        for number in range(MEMBERS):
            self.case.run("etcdctl", "snapshot", "restore", path, "--name", f"m{number}", "--data-dir", f"{self.directory}-{number}",
                          "--initial-cluster", ",".join(f"m{n}={peer}" for n, peer in enumerate(peers)),
                          "--initial-cluster-token", self.directory, "--initial-advertise-peer-urls", peers[number])
            self.members[number] = self._start(number)
        wait_for("etcd to elect", lambda: self.ctl("endpoint", "health", check=False).returncode == 0, 30)

    def kill(self, number):
        """Ends a member at once."""
        self.members[number].kill()
        self.members[number].wait()

    def restart(self, number):
        """Starts a member again, with its data."""
        stop(self.members[number])
        self.members[number] = self._start(number)

    def signal(self, number, what):
        """Stops or continues a member."""
        self.members[number].send_signal(what)

    def freeze(self):
        """Stops all members."""
        for number in range(MEMBERS):
            self.signal(number, signal.SIGSTOP)

    def thaw(self):
        """Continues all members."""
        for number in range(MEMBERS):
            self.signal(number, signal.SIGCONT)
        wait_for("etcd to go on", lambda: self.ctl("endpoint", "health", check=False).returncode == 0, 30)

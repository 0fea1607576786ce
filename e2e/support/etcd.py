"""A cluster of three etcd members on loopback ports of the test's own."""

import json
import signal

from .case import stop, wait_for
from .server import free_port

MEMBERS = 3


class Cluster:
    """Three members, and `etcdctl` to them."""

    def __init__(self, case, prefix="/vpcedns"):
        self.case = case
        self.clients = [free_port() for _ in range(MEMBERS)]
        self.peers = [free_port() for _ in range(MEMBERS)]
        self.members = [self._start(number) for number in range(MEMBERS)]
        self.url = f"etcd://{','.join(f'127.0.0.1:{port}' for port in self.clients)}{prefix}"
        wait_for("etcd to elect", lambda: self.ctl("endpoint", "health", check=False).returncode == 0, 30)

    def _start(self, number):
        peers = ",".join(f"m{n}=http://127.0.0.1:{port}" for n, port in enumerate(self.peers))
        client, peer = (f"http://127.0.0.1:{ports[number]}" for ports in (self.clients, self.peers))
        return self.case.start(
            "etcd", "--name", f"m{number}", "--data-dir", f"etcd-{number}", "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", peers, "--initial-cluster-state", "new", "--log-level", "error",
            log=f"etcd-{number}.log")

    def ctl(self, *words, check=True, members=None):
        """What `etcdctl` prints, asking all members or those with these numbers."""
        asked = [f"127.0.0.1:{self.clients[n]}" for n in (members or range(MEMBERS))]
        return self.case.run("etcdctl", "--endpoints", ",".join(asked), "--command-timeout=5s", *words, check=check)

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

"""The servers that are compared: how each is fed, started on one core, told of a change and stopped."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from support import dns
from support.server import free_port

from . import data

SERVER_CORE, CLIENT_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """One server at work on one core. `program` is what has to be installed, from the Debian package `package`."""

    name = program = package = ""
    core = SERVER_CORE

    def __init__(self, work, given):
        """`work`: an empty directory for its files. `given`: the `Data` that it serves, None for nothing."""
        self.dir, self.data, self.port = Path(work), given, free_port()
        self.address = ("127.0.0.1", self.port)

    # --- for each kind of server to say

    def command(self):
        """The command line; writes the configuration first."""
        raise NotImplementedError

    def change(self, records):
        """Serves these (name, address) besides its data from now on."""
        raise NotImplementedError

    # --- common to all

    def start(self):
        """Starts it and returns the seconds until it gave the first right answer."""
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        command = [str(word) for word in self.command()]
        env = {key: value for key, value in os.environ.items() if not key.startswith("VPCEDNS_")}
        begin = time.monotonic()
        with open(self.dir / "log", "w") as log:
            self.process = subprocess.Popen(["taskset", "-c", self.core, *command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.dir, env=env)
        while not self._ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with exit code {self.process.returncode}:\n"
                                   + (self.dir / "log").read_text()[-2000:])
            if time.monotonic() - begin > 300:
                self.stop()
                raise RuntimeError(f"{self.name} is not ready after 300 s")
            time.sleep(0.002)
        return time.monotonic() - begin

    def _ready(self):
        name = data.names(self.data.layout, 0)[0] if self.data else "ready.invalid"
        try:
            reply = dns.exchange_udp(self.address, dns.question(7, name, "A"), timeout=0.05, tries=1)
        except TimeoutError:
            return False
        return not self.data or self.name == "echo" or bool(dns.decode(reply).answer)

    def stop(self):
        """Ends it by its id; the children that it forked end with it."""
        if self.process.poll() is None:
            children = self._tree()[1:]
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for pid in children:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def _tree(self):
        """Its process and all processes below it."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    fields = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                parents.setdefault(int(fields[1]), []).append(int(entry))
        tree = [self.process.pid]
        for pid in tree:
            tree += parents.get(pid, [])
        return tree

    def cpu_seconds(self):
        """User and system time of all its processes and threads so far."""
        total = 0
        for pid in self._tree():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # utime and stime are fields 14 and 15, counted from the pid; the first of these is field 3
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory_bytes(self):
        """Proportional set size of all its processes: shared pages count once, however many it forked."""
        total = 0
        for pid in self._tree():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        return total

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return path

    def tell(self, *command):
        """Runs the server's own control program."""
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd=self.dir)


class Vpcedns(Server):
    name = "vpcedns"
    binary = Path("vpcedns")

    def command(self):
        # what changes is in a directory of its own, beside the data that all runs share
        self.changing = self.dir / "changing"
        self.changing.mkdir()
        zones = ["--zones", self.changing] + (["--zones", self.data.toml()] if self.data else [])
        return [self.binary, "serve", *zones, "--listen", f"127.0.0.1:{self.port}", "--forward", "none"]

    def change(self, records, file="changing.toml", number=None):
        """Renames a file of one endpoint into place, whose regional name has these addresses."""
        layout = self.data.layout
        number = layout.shape.endpoints if number is None else number
        cards = [(subnet, address) for (subnet, _), (_, address) in zip(layout.interfaces(number), records)]
        half = self.changing / f".{file}.new"
        half.write_text(data.endpoint_toml(layout, number, cards))
        half.rename(self.changing / file)


class Echo(Server):
    """The floor: reads datagrams and sends them back, with the batching that vpcedns has and nothing else."""
    name = "echo"
    binary = Path("udp_echo")

    def command(self):
        return [self.binary, f"127.0.0.1:{self.port}", "1"]


class Hickory(Server):
    """hickory-server in front of our snapshot: `vpcedns::embed`."""
    name = "hickory, our snapshot"
    binary = Path("hickory_server")

    def command(self):
        return [self.binary, self.data.toml(), f"127.0.0.1:{self.port}"]


class HickoryStock(Server):
    """hickory-server with a zone of its own."""
    name = "hickory, its own zone"
    binary = Path("hickory_stock")

    def command(self):
        return [self.binary, self.data.zone(), data.ZONE, f"127.0.0.1:{self.port}"]


class Knot(Server):
    name, program, package = "Knot", "knotd", "knot"

    def command(self):
        self.zone = self.dir / "zone"
        shutil.copy(self.data.zone(), self.zone)
        return ["knotd", "-c", self.write("knot.conf", f"""
server:
    rundir: {self.dir}
    listen: 127.0.0.1@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-max-clients: 1000
control:
    listen: knot.sock
database:
    storage: {self.dir}
log:
  - target: stderr
    any: error
zone:
  - domain: {data.ZONE}
    file: {self.zone}
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
""")]

    def change(self, records):
        data.write_zone(self.data.layout, self.zone, records)
        self.tell("knotc", "-s", self.dir / "knot.sock", "zone-reload", data.ZONE)


class Nsd(Server):
    name, program, package = "NSD", "nsd", "nsd"

    def command(self):
        self.zone = self.dir / "zone"
        shutil.copy(self.data.zone(), self.zone)
        self.config = self.write("nsd.conf", f"""
server:
  ip-address: 127.0.0.1@{self.port}
  server-count: 1
  tcp-count: 1000
  tcp-query-count: 0
  username: ""
  chroot: ""
  zonesdir: "{self.dir}"
  pidfile: "{self.dir}/nsd.pid"
  xfrdfile: "{self.dir}/xfrd.state"
  xfrdir: "{self.dir}"
  zonelistfile: "{self.dir}/zone.list"
  database: ""
  minimal-responses: yes
  rrl-ratelimit: 0
remote-control:
  control-enable: yes
  control-interface: "{self.dir}/nsd.ctl"
zone:
  name: "{data.ZONE}"
  zonefile: "{self.zone}"
""")
        return ["nsd", "-d", "-c", self.config]

    def change(self, records):
        data.write_zone(self.data.layout, self.zone, records)
        self.tell("nsd-control", "-c", self.config, "reload", data.ZONE)


class Unbound(Server):
    name, program, package = "Unbound", "unbound", "unbound"

    def command(self):
        return ["unbound", "-d", "-c", self.write("unbound.conf", f"""
server:
  interface: 127.0.0.1@{self.port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{self.dir}"
  pidfile: "{self.dir}/unbound.pid"
  use-syslog: no
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  include: "{self.data.unbound()}"
remote-control:
  control-enable: no
""")]


class Dnsmasq(Server):
    name, program, package = "dnsmasq", "dnsmasq", "dnsmasq-base"

    def command(self):
        self.hosts = self.dir / "hosts"
        shutil.copy(self.data.hosts(), self.hosts)
        return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={self.port}", "--user=root",
                "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--pid-file=",
                f"--addn-hosts={self.hosts}", f"--local=/{data.ZONE}/", "--local-ttl=60"]

    def change(self, records):
        data.write_hosts(self.data.layout, self.hosts, records)
        self.process.send_signal(signal.SIGHUP)


class Named(Server):
    name, program, package = "named", "named", "bind9"

    def command(self):
        self.zone = self.dir / "zone"
        shutil.copy(self.data.zone(), self.zone)
        return ["named", "-f", "-n", "1", "-c", self.write("named.conf", f"""
options {{
  directory "{self.dir}";
  pid-file "{self.dir}/named.pid";
  session-keyfile "{self.dir}/session.key";
  listen-on port {self.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  minimal-responses yes;
  tcp-clients 1000;
  dnssec-validation no;
}};
controls {{ }};
zone "{data.ZONE}" {{ type primary; file "{self.zone}"; notify no; }};
""")]

    def change(self, records):
        data.write_zone(self.data.layout, self.zone, records)
        self.process.send_signal(signal.SIGHUP)


PEERS = [Knot, Nsd, Unbound, Dnsmasq, Named]


def missing():
    """The packages of what is not installed."""
    tools = {"dnsperf": "dnsperf", "taskset": "util-linux", "dnsdist": "dnsdist"} | {peer.program: peer.package for peer in PEERS}
    return sorted({package for program, package in tools.items() if shutil.which(program) is None})

"""The row `forward`: what it costs to hand others' answers on, beside Unbound and dnsdist as forwarders.

Every server asks the same upstream, an NSD on the client's core with one wildcard, so that each of any number of
names has an answer.
"""

import contextlib
import socket
import subprocess
import threading
import time

from support import dns

from . import measure
from .measure import median
from .servers import CLIENT_CORE, Echo, Nsd, Server, Vpcedns
from .table import Row, limit

ZONE = "bench.example"
# names that are asked again and again, and those that are asked once
FEW, MANY, ONCE = 9_000, 500_000, 2_000_000
# a reply costs about 250 octets of a cache; all of MANY have to fit
CACHE = 512 << 20


class Upstream(Nsd):
    """Answers every name below the zone."""
    name = "upstream"

    def command(self):
        return ["nsd", "-d", "-c", self.write("nsd.conf", f"""
server:
  ip-address: 127.0.0.1@{self.port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{self.dir}"
  pidfile: "{self.dir}/nsd.pid"
  xfrdfile: "{self.dir}/xfrd.state"
  xfrdir: "{self.dir}"
  zonelistfile: "{self.dir}/zone.list"
  database: ""
  rrl-ratelimit: 0
zone:
  name: "{ZONE}"
  zonefile: "{self.write('zone', ZONE_TEXT)}"
""")]

    core = CLIENT_CORE


ZONE_TEXT = f"""$ORIGIN {ZONE}.
$TTL 3600
@ SOA ns1 admin 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
* A 192.0.2.1
"""


class Forwarder(Server):
    """A server that has nothing of its own and asks `upstream`."""
    upstream = None


class ForwardingVpcedns(Vpcedns):
    upstream = None

    def command(self):
        zones = ["--zones", self.local.toml()] if self.local else ["--zones", self.dir]
        return [self.binary, "serve", *zones, "--listen", f"127.0.0.1:{self.port}",
                "--forward", "{}:{}".format(*self.upstream), "--limit", f"cache_size={CACHE}"]

    # endpoints of its own, for the questions that must not suffer
    local = None


class ForwardingUnbound(Forwarder):
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
  do-not-query-localhost: no
  outgoing-range: 4096
  num-queries-per-thread: 4096
  msg-cache-size: {CACHE // 2}
  rrset-cache-size: {CACHE}
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {self.upstream[0]}@{self.upstream[1]}
""")]


class Dnsdist(Forwarder):
    name, program, package = "dnsdist", "dnsdist", "dnsdist"
    cached = True

    def command(self):
        cache = f"getPool(''):setCache(newPacketCache({2 * MANY}, {{maxTTL=86400}}))\n" if self.cached else ""
        return ["dnsdist", "--supervised", "-C", self.write("dnsdist.conf", f"""
setLocal('127.0.0.1:{self.port}')
setACL('127.0.0.0/8')
newServer({{address='{self.upstream[0]}:{self.upstream[1]}', healthCheckMode='up'}})
setMaxUDPOutstanding(65535)
setSecurityPollSuffix('')
{cache}""")]


class BareDnsdist(Dnsdist):
    name, cached = "dnsdist without cache", False


def questions(bench, count, prefix):
    """A file of `count` different names."""
    path = bench.work / "sets" / f"forward-{prefix}-{count}"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        half = path.with_suffix(".new")
        half.write_text("".join(f"{prefix}{n}.{ZONE} A\n" for n in range(count)))
        half.rename(path)
    return path


def warm(server, path):
    """Asks each question once, and again those that were lost on the way."""
    for _ in range(2):
        subprocess.run(["taskset", "-c", CLIENT_CORE, "dnsperf", "-s", server.address[0], "-p", str(server.port), "-d",
                        str(path), "-n", "1", "-Q", "50000", "-t", "2"], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def rows(bench, interleaved, healthy):
    """All targets of forwarding."""
    few, many, once = ((900, 5_000, 200_000) if bench.quick else (FEW, MANY, ONCE))
    kinds = [ForwardingVpcedns, *bench.peers(ForwardingUnbound, Dnsdist)]
    with upstream(bench) as address:
        for kind in (*kinds, BareDnsdist):
            kind.upstream = address
        verdicts = cached(bench, interleaved, healthy, kinds, (few, many))
        verdicts += uncached(bench, interleaved, healthy, once)
    return verdicts + flood(bench, few, once)


@contextlib.contextmanager
def upstream(bench):
    if not bench.peers(Nsd):
        raise RuntimeError("NSD is not installed: apt-get install nsd")
    server = Upstream(bench.work / "servers" / "upstream", None)
    server.start()
    try:
        yield server.address
    finally:
        server.stop()


def cached(bench, interleaved, healthy, kinds, sizes):
    verdicts = []
    for size in sizes:
        path = questions(bench, size, "c")

        def take(server, path=path):
            if not isinstance(server, Echo):
                warm(server, path)
            return healthy(measure.cpu_per_query(server, path, bench.seconds), server.name)

        results = interleaved([*kinds, Echo], None, take)
        bench.notes.append(f"cached, {size} names: " + line(results))
        for peer, most in ((Echo, 1.20), (ForwardingUnbound, 0.70), (Dnsdist, 0.40)):
            verdicts.append(versus(results, peer, most, f"cached hit, {size} names"))
    return verdicts


def uncached(bench, interleaved, healthy, once):
    path = questions(bench, once, "u")
    peaks = []

    def take(server):
        # every run begins with an empty cache, and no name comes twice
        load = measure.with_cpu(server, [measure.dnsperf_command(server, path, bench.seconds)])
        if isinstance(server, ForwardingVpcedns):
            peaks.append(load.qps)
        return healthy(load, server.name)

    results = interleaved([ForwardingVpcedns, *bench.peers(ForwardingUnbound, BareDnsdist)], None, take)
    bench.notes.append("uncached: " + line(results))
    verdicts = [versus(results, ForwardingUnbound, 0.75, "uncached"), versus(results, BareDnsdist, 1.40, "uncached")]

    def wait(server):
        return measure.latencies(server, path, bench.seconds, 10_000)

    results = interleaved([ForwardingVpcedns, *bench.peers(ForwardingUnbound)], None, wait)
    for percent in (50, 99):
        mine, theirs = ([load.percentile(percent) for load in results.get(kind, [])]
                        for kind in (ForwardingVpcedns, ForwardingUnbound))
        if theirs:
            verdicts.append(Row(f"latency of a miss at 10,000 q/s, p{percent}",
                                f"{median(mine):.3f} ms, Unbound {median(theirs):.3f} ms", "<= Unbound",
                                median(mine) <= median(theirs)))

    def half(server):
        return measure.run_dnsperf(measure.dnsperf_command(server, path, bench.seconds, "-Q", int(median(peaks) / 2)))

    lost = sum(load.lost for load in interleaved([ForwardingVpcedns], None, half)[ForwardingVpcedns])
    return [*verdicts, Row("queries lost at half of peak", str(lost), "0", lost == 0)]


def flood(bench, few, once):
    """50,000 different names a second at an upstream that says nothing, and what others notice of it.

    The one core of the client has two loads to make and to time, which is felt in the slowest answers whatever the
    server does. So the flood is compared with as many questions for names that the server has itself.
    """
    seconds, runs = (3, 2) if bench.quick else (12, 10)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    ForwardingVpcedns.upstream = ("127.0.0.1", port)
    ForwardingVpcedns.local = bench.data(bench.small, files=10)
    server = bench.server(ForwardingVpcedns, None)
    mixed, flooded = bench.work / "sets" / "forward-calm", questions(bench, once, "f")
    local, names = ForwardingVpcedns.local.queries((100, 0, 0)), questions(bench, few, "c")
    pairs = zip(local.read_text().splitlines(), names.read_text().splitlines())
    mixed.write_text("\n".join(line for pair in pairs for line in pair) + "\n")

    def beside(load, seconds):
        """Latencies of the mixed names while that many of `load` are asked for, which goes on for a second more."""
        process = subprocess.Popen(measure.dnsperf_command(server, load, seconds + 2, "-Q", 50_000, "-q", 65_000,
                                                           "-T", "1"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        return measure.latencies(server, mixed, seconds, 2_000), process

    calms, busies, backs, lost = [], [], [], 0
    answering = Answering(silent)
    server.start()
    try:
        answering.start()
        warm(server, names)
        before = after = server.memory_bytes()
        alone = measure.latencies(server, mixed, seconds / 3, 2_000).percentile(99)
        for _ in range(runs):
            calm, load = beside(local, seconds / 3)
            load.wait()
            answering.stop()
            busy, load = beside(flooded, seconds)
            after = max(after, server.memory_bytes())
            answering.start()
            backs.append(recovery(server, time.monotonic()))
            load.wait()
            calms.append(calm.percentile(99))
            busies.append(busy.percentile(99))
            lost += busy.lost
    finally:
        answering.stop()
        server.stop()
        silent.close()
        ForwardingVpcedns.local = None
    ratios = [busy / calm for busy, calm in zip(busies, calms)]
    bench.notes.append(f"{runs} floods of {seconds} s: p99 {alone:.3f} ms alone, {median(calms):.3f} ms beside local names at its "
                       f"rate, {median(busies):.3f} ms beside the flood; {before / 1e6:.0f} MB before, "
                       f"{after / 1e6:.0f} MB during; each: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return [Row(f"local and cached names under the flood, p99, worst of {runs}", f"{max(ratios):.2f} x beside local names, {lost} lost",
                "<= 1.30 x in each, 0 lost", max(ratios) <= 1.30 and lost == 0),
            Row("memory under the flood", f"+{(after - before) / 1e6:.0f} MB", "<= +128 MB", after - before <= 128e6),
            Row("recovery after the upstream's return", f"{max(backs):.2f} s", "<= 1 s", max(backs) <= 1)]


class Answering:
    """The upstream of the flood: answers while it is started, and is silent else."""

    def __init__(self, sock):
        self.sock, self.on, self.thread = sock, threading.Event(), None
        sock.settimeout(0.05)

    def start(self):
        if self.thread is None:
            self.on.set()
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()

    def stop(self):
        if self.thread is not None:
            self.on.clear()
            self.thread.join()
            self.thread = None

    def _run(self):
        # what came while nobody answered is old, and of nobody any more
        while self.on.is_set():
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                packet, peer = self.sock.recvfrom(4096)
                self.sock.sendto(answer(packet), peer)


def answer(packet):
    """One address for whatever is asked, without EDNS."""
    end = 12
    while packet[end]:
        end += packet[end] + 1
    question = packet[12:end + 5]
    return (packet[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question
            + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc0\x00\x02\x01")


def recovery(server, since):
    """Seconds until a name that nobody has asked before is answered."""
    for number in range(400):
        name = f"back{time.monotonic_ns()}.{ZONE}"
        try:
            reply = dns.exchange_udp(server.address, dns.question(number, name, "A"), timeout=0.1, tries=1)
            if dns.decode(reply).answer:
                return time.monotonic() - since
        except TimeoutError:
            pass
        time.sleep(0.02)
    return float("inf")


def versus(results, peer, most, what):
    """CPU a question against one peer."""
    if peer not in results:
        return Row(f"{what} against {peer.name}", "not installed", f"<= {most:.2f} x {peer.name}")
    ratio = median([mine.cpu_us / theirs.cpu_us for mine, theirs in zip(results[ForwardingVpcedns], results[peer])])
    return limit(f"{what}, CPU per query", ratio, most, f"x {peer.name}")


def line(results):
    return ", ".join(f"{kind.name} {median(load.cpu_us for load in loads):.2f} us ({median(load.qps for load in loads):.0f} q/s)"
                     for kind, loads in results.items())

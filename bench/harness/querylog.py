"""The row `log`: what logging costs an answer, beside the dnstap of Knot and dnsdist.

Each server is asked at one rate with its log off and on: what a log adds is the difference, in shares of what an answer
costs that server without. Readers of dnstap run on the client's core. A log that drops lines costs less than it says, so
what it dropped is printed.
"""

import re
import subprocess
import time
import urllib.request

from support.server import free_port

from . import measure
from .measure import median
from .servers import CLIENT_CORE, Knot, Server, Vpcedns
from .table import grid, limit

# questions a second: each of these servers keeps up with it on one core, its log included
RATE = 60_000
LATENCY_RATE = 10_000


class Reading(Server):
    """A server beside which a reader of dnstap listens."""
    reader = None

    def listen(self):
        """Starts the reader, which throws away what it reads, and returns its socket."""
        path = self.dir / "dnstap.sock"
        self.reader = subprocess.Popen(["taskset", "-c", CLIENT_CORE, "fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u",
                                        str(path), "-w", "/dev/null"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        while not path.exists():
            if self.reader.poll() is not None:
                raise RuntimeError("fstrm_capture ended")
            time.sleep(0.01)
        return path

    def stop(self):
        super().stop()
        if self.reader:
            self.reader.terminate()
            self.reader.wait(10)

    def dropped(self):
        """Answers of which no line was written; `None`: it does not say."""
        return None


class LoggingVpcedns(Vpcedns, Reading):
    name = "vpcedns"
    log = ()

    def command(self):
        self.http = free_port()
        log = [self.dir / "queries.json" if word == "FILE" else word for word in self.log]
        return [*super().command(), "--http", f"127.0.0.1:{self.http}", *log]

    def dropped(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=5) as reply:
            counts = re.findall(r"^vpcedns_query_log_dropped_total\S* (\S+)$", reply.read().decode(), re.M)
        return sum(map(float, counts))


class OneInAHundred(LoggingVpcedns):
    name, log = "vpcedns one of 100", ("--query-log", "FILE", "--query-log-one-of", "100")


class EveryLine(LoggingVpcedns):
    name, log = "vpcedns every answer", ("--query-log", "FILE")


class EveryFrame(LoggingVpcedns):
    name = "vpcedns dnstap"

    def command(self):
        return [*super().command(), "--dnstap", f"unix:{self.listen()}"]


class TappedKnot(Knot, Reading):
    name, package = "Knot-dnstap", "knot-module-dnstap"

    def command(self):
        command = super().command()
        config = self.dir / "knot.conf"
        config.write_text(config.read_text().replace("zone:\n", f"""mod-dnstap:
  - id: all
    sink: unix:{self.listen()}
    log-queries: off
    log-responses: on
template:
  - id: default
    global-module: mod-dnstap/all
zone:
"""))
        return command


class SpoofingDnsdist(Reading):
    """dnsdist that answers each question by itself."""
    name, program, package = "dnsdist", "dnsdist", "dnsdist"
    tapped = False

    def command(self):
        logger = f"newFrameStreamUnixLogger('{self.listen()}')" if self.tapped else ""
        tap = f"addAction(AllRule(), DnstapLogAction('bench', {logger}))\n" if self.tapped else ""
        return ["dnsdist", "--supervised", "-C", self.write("dnsdist.conf", f"""
setLocal('127.0.0.1:{self.port}')
setACL('127.0.0.0/8')
setSecurityPollSuffix('')
{tap}addAction(AllRule(), SpoofAction('192.0.2.1'))
""")]


class TappedDnsdist(SpoofingDnsdist):
    name, tapped = "dnsdist dnstap", True


def rows(bench, healthy):
    """What logging adds to an answer."""
    given = bench.data(bench.small, files=10)
    queries = given.queries((100, 0, 0))

    def take(server):
        measure.run_dnsperf(measure.dnsperf_command(server, queries, 1, "-Q", RATE))
        load = measure.with_cpu(server, [measure.dnsperf_command(server, queries, bench.seconds, "-Q", RATE)])
        load.latencies_ms = measure.latencies(server, queries, 2, LATENCY_RATE).latencies_ms
        load.dropped = server.dropped() if isinstance(server, Reading) else None
        return healthy(load, server.name)

    pairs = [(LoggingVpcedns, [OneInAHundred, EveryLine, EveryFrame]), (Knot, [TappedKnot]), (SpoofingDnsdist, [TappedDnsdist])]
    kinds = [kind for off, on in pairs for kind in (off, *on) if off is LoggingVpcedns or off.program in bench.installed]
    results = bench.interleaved(kinds, given, take)
    added, lines = {}, []
    for off, on in pairs:
        for kind in on:
            if off not in results or kind not in results:
                continue
            both = list(zip(results[kind], results[off]))
            added[kind] = median([logged.cpu_us / plain.cpu_us - 1 for logged, plain in both])
            tail = median([logged.percentile(99) / plain.percentile(99) for logged, plain in both])
            dropped = results[kind][-1].dropped
            lines.append([kind.name, *(f"{median(load.cpu_us for load in results[which]):.2f}" for which in (off, kind)),
                          f"{100 * added[kind]:.1f} %", f"{tail:.2f}", "-" if dropped is None else f"{dropped:.0f}"])
            kind.tail = tail
    bench.notes.append(f"logging, hits at {RATE} q/s over {bench.small} endpoints\n" + grid(
        ["log", "CPU us/query off", "on", "more", "p99 x off", "dropped"], lines))
    verdicts = []
    for kind, most in ((OneInAHundred, 0.03), (EveryLine, 0.35), (EveryFrame, 0.35)):
        verdicts.append(limit(f"CPU a query, {kind.name}", 1 + added[kind], 1 + most, "x off"))
    verdicts += [limit(f"p99 at {LATENCY_RATE} q/s, {kind.name}", kind.tail, 1.20, "x off") for kind in (EveryLine, EveryFrame)]
    # dnsdist logs the question that it answers by itself, and no reply: it stands in the table alone
    if TappedKnot in added:
        verdicts.append(limit(f"what dnstap adds, beside {TappedKnot.name}", added[EveryFrame] / added[TappedKnot], 1.0, "x"))
    return verdicts

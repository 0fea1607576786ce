"""The rows of the benchmark: each measures one thing and says whether its target is reached.

Ratios are taken within a run and then their median, so that a slow minute of the machine hits both sides.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import ROOT, data, forward as forwarding, measure, querylog
from .data import Data, Shape
from .measure import COOKIE, median
from .servers import CLIENT_CORE, PEERS, SERVER_CORE, Echo, Hickory, HickoryStock, Knot, Named, Nsd, Vpcedns
from .table import Row, grid, limit


class Bench:
    """What the rows share: sizes, scratch space, and what they have to say besides their verdict."""

    def __init__(self, work, quick, installed):
        self.work, self.quick, self.installed = Path(work), quick, installed
        self.runs, self.seconds = (1, 2) if quick else (5, 5)
        self.small, self.middle, self.large = (1000, 2000, 5000) if quick else (10_000, 100_000, 1_000_000)
        self.notes = []

    def data(self, endpoints, **keys):
        vpcs = keys.pop("vpcs", max(1, endpoints // 62_500))
        return Data(Shape(endpoints, vpcs, **keys), self.work / "sets")

    def server(self, kind, given):
        return kind(self.work / "servers" / kind.name, given)

    def peers(self, *kinds):
        return [kind for kind in kinds if kind.program in self.installed]

    def interleaved(self, kinds, given, take):
        """`take(server)` for each kind in turn, `runs` times over; a peer that fails is left out and named."""
        results = {kind: [] for kind in kinds}
        for run in range(self.runs):
            for kind in list(results):
                server = self.server(kind, given)
                try:
                    server.startup_seconds = server.start()
                    results[kind].append(take(server))
                except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                    if issubclass(kind, (Vpcedns, Echo)):
                        raise
                    self.notes.append(f"{kind.name} left out: {error}")
                    del results[kind]
                finally:
                    if hasattr(server, "process"):
                        server.stop()
            print(f"  run {run + 1} of {self.runs}: " + ", ".join(
                f"{kind.name} {getattr(taken[-1], 'cpu_us', 0):.2f} us" for kind, taken in results.items()
                if hasattr(taken[-1], "cpu_us")), flush=True)
        return results


def ratio(results, ours, theirs, value):
    """Median over the runs of the ratio within each run."""
    return median([value(a) / value(b) for a, b in zip(results[ours], results[theirs])])


def cpu(load):
    return load.cpu_us


def healthy(load, what):
    """A fast answer that is wrong or missing is no answer: the figure is thrown out."""
    odd = {code: count for code, count in load.rcodes.items() if code not in ("NOERROR", "NXDOMAIN")}
    if odd or load.lost > load.sent / 1000:
        raise RuntimeError(f"{what}: {load.lost} of {load.sent} lost, unexpected rcodes {odd}")
    return load


def mix(bench):
    """CPU a query for the mix, all servers, with the table of everything else that each costs."""
    given = bench.data(bench.small, files=10)
    queries, lines = given.queries(), []

    def take(server):
        load = healthy(measure.cpu_per_query(server, queries, bench.seconds), server.name)
        slow = measure.latencies(server, queries, 2, 10_000)
        load.latencies_ms, load.memory, load.startup = slow.latencies_ms, server.memory_bytes(), server.startup_seconds
        return load

    results = bench.interleaved([Vpcedns, Echo, *bench.peers(*PEERS)], given, take)
    for kind, loads in results.items():
        lines.append([kind.name, f"{median(map(cpu, loads)):.2f}", f"{ratio(results, kind, Echo, cpu):.2f}",
                      f"{median(load.qps for load in loads):.0f}",
                      *(f"{median(load.percentile(p) for load in loads):.3f}" for p in (50, 90, 99)),
                      f"{median(load.memory for load in loads) / 1e6:.1f}",
                      f"{median(load.startup for load in loads):.3f}"])
    bench.notes.append(f"mix of 85% A hit, 10% AAAA NODATA, 5% NXDOMAIN over {bench.small} endpoints "
                       f"({4 * bench.small} names), medians of {bench.runs}; latency at 10,000 q/s\n" + grid(
                           ["server", "CPU us/query", "x echo", "q/s", "p50 ms", "p90 ms", "p99 ms", "MB", "start s"],
                           lines))
    rows = [limit(f"CPU per query, mix, {bench.small} endpoints", ratio(results, Vpcedns, Echo, cpu), 1.12, "x raw echo")]
    rivals = [kind for kind in (Knot, Nsd) if kind in results]
    if rivals:
        best = min(rivals, key=lambda kind: median(map(cpu, results[kind])))
        rows.append(limit("the same against the better of Knot and NSD", ratio(results, Vpcedns, best, cpu), 0.75,
                          f"x {best.name}"))
    return rows


def edns(bench):
    """The mix with EDNS and a cookie in each query."""
    given = bench.data(bench.small, files=10)
    results = bench.interleaved([Vpcedns, Echo, *bench.peers(Knot, Nsd)], given, lambda server: healthy(
        measure.cpu_per_query(server, given.queries(), bench.seconds, *COOKIE), server.name))
    return [limit("mix with EDNS and cookie", ratio(results, Vpcedns, Echo, cpu), 1.25, "x raw echo")]


def million(bench):
    """The mix at the largest size."""
    given = bench.data(bench.large, files=100)
    results = bench.interleaved([Vpcedns, Echo], given, lambda server: healthy(
        measure.cpu_per_query(server, given.queries(), bench.seconds), server.name))
    return [limit(f"mix at {bench.large} endpoints", ratio(results, Vpcedns, Echo, cpu), 1.25, "x raw echo")]


def views(bench):
    """Private names with many VPCs; the questions come from eight of them at once."""
    vpcs = 100 if bench.quick else 1000
    given = bench.data(10 * vpcs, vpcs=vpcs, first_octet=127, private=True)
    clients = [given.layout.client(vpc) for vpc in range(0, vpcs, vpcs // 8)][:8]
    results = bench.interleaved([Vpcedns, Echo], given, lambda server: healthy(
        measure.cpu_per_query_from(server, given.queries(), bench.seconds, clients), server.name))
    return [limit(f"private names, {vpcs} VPC views", ratio(results, Vpcedns, Echo, cpu), 1.20, "x raw echo")]


def tcp(bench):
    """A hundred connections, ten questions on their way on each."""
    given = bench.data(bench.small, files=10)
    results = bench.interleaved([Vpcedns, *bench.peers(Knot, Nsd, Named)], given, lambda server: healthy(
        measure.cpu_per_query(server, given.queries(), bench.seconds, "-m", "tcp", "-c", 100, "-q", 1000),
        server.name))
    bench.notes.append("TCP, 100 connections: " + ", ".join(
        f"{kind.name} {median(map(cpu, loads)):.2f} us" for kind, loads in results.items()))
    if Knot not in results:
        return [Row("TCP, 100 connections", "Knot is not installed", "<= 0.80 x Knot")]
    return [limit("TCP, 100 connections", ratio(results, Vpcedns, Knot, cpu), 0.80, "x Knot")]


def change(bench):
    """From the rename of a one-endpoint file to the first right answer; for scale, what reloading costs peers."""
    rows = []
    for size in (bench.small, bench.middle, bench.large):
        given = bench.data(size, files=max(1, size // 10_000))
        times = changes(bench, Vpcedns, given, 50 if bench.quick else 300)
        rows.append(Row(f"one changed endpoint at {size}",
                        f"p99 {measure.Load(0, 0, 0, {}, 0, times).percentile(99):.2f} ms, p50 {median(times):.2f} ms "
                        f"({len(times)} changes)", "p99 <= 10 ms",
                        measure.Load(0, 0, 0, {}, 0, times).percentile(99) <= 10))
        print(f"  {size}: {rows[-1].measured}", flush=True)
    given = bench.data(bench.small, files=10)
    for kind in bench.peers(Knot, Nsd, Named):
        try:
            times = changes(bench, kind, given, 5)
            bench.notes.append(f"one added name at {bench.small} endpoints, writing the file included: {kind.name} "
                               f"{median(times):.0f} ms (median of {len(times)})")
        except (RuntimeError, subprocess.CalledProcessError) as error:
            bench.notes.append(f"{kind.name} left out of the changes: {error}")
    return rows


def changes(bench, kind, given, count):
    """The times of up to `count` changes of the endpoint after the last one."""
    server = bench.server(kind, given)
    server.start()
    try:
        name, addresses = changing(given.layout, given.layout.shape.endpoints)
        return measure.change_to_visible(server, name, addresses, count, 60)
    finally:
        server.stop()


def changing(layout, number):
    """A name that is not among the data, and the address sets that it takes in turn."""
    slots = [[address for _, address in layout.interfaces(number + step * layout.shape.vpcs)] for step in range(8)]
    return data.names(layout, number)[0], slots


def churn(bench):
    """A hundred changes a second at half load: nothing lost, nothing wrong, and hardly slower for clients.

    The slowest answers of two runs differ, whatever the server does: each run with changes is compared with the one before
    it without, and the median of these pairs counts."""
    given, seconds, pairs = bench.data(bench.small, files=10), 2 if bench.quick else 6, 2 if bench.quick else 10
    server = bench.server(Vpcedns, given)
    server.start()
    try:
        hits = given.queries((90, 10, 0))
        full = measure.cpu_per_query(server, hits, 3)
        rate = int(full.qps / 2)
        runs = [[under_load(bench, server, hits, rate, seconds, changes_a_second=changes) for changes in (0, 100)]
                for _ in range(pairs)]
    finally:
        server.stop()
    calms, busies = zip(*runs)
    bad = sum(sum(count for code, count in busy["rcodes"].items() if code != "NOERROR") + busy["wrong"] for busy in busies)
    lost, changes, sent = (sum(busy[key] for busy in busies) for key in ("lost", "changes", "sent"))
    ratios = [busy["p99"] / calm["p99"] for calm, busy in runs]
    bench.notes.append(f"churn: {changes} changes in {pairs} x {seconds} s at {rate} q/s; p99 {median([calm['p99'] for calm in calms]):.3f} ms "
                       f"without, {median([busy['p99'] for busy in busies]):.3f} ms with changes; {sent} questions; each pair: "
                       + ", ".join(f"{ratio:.2f}" for ratio in ratios))
    return [Row(f"100 changes a second for {pairs} x {seconds} s at half load", f"{lost} lost, {bad} wrong",
                "0 lost, 0 wrong", lost == 0 and bad == 0),
            limit(f"p99 of clients under changes, median of {pairs} pairs", median(ratios), 1.50, "x without")]


def under_load(bench, server, queries, rate, seconds, changes_a_second):
    """dnsperf at a steady rate; beside it a second one that times its queries, and a client that checks addresses."""
    layout, report = server.data.layout, bench.work / "checked.json"
    known = [[data.names(layout, n)[0], [address for _, address in layout.interfaces(n)]]
             for n in range(0, layout.shape.endpoints, max(1, layout.shape.endpoints // 500))]
    names = bench.work / "known.json"
    names.write_text(json.dumps(known))
    checker = subprocess.Popen(["taskset", "-c", CLIENT_CORE, sys.executable, str(ROOT / "e2e/support/load.py"),
                                "--server", f"127.0.0.1:{server.port}", "--rate", "200", "--names", str(names),
                                "--report", str(report)], stdin=subprocess.DEVNULL)
    outputs = [open(bench.work / f"load-{n}", "w+") for n in range(2)]
    commands = [measure.dnsperf_command(server, queries, seconds, "-Q", rate),
                measure.dnsperf_command(server, queries, seconds, "-Q", 1000, "-v")]
    running = [subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
               for command, output in zip(commands, outputs)]
    done, begin = 0, time.monotonic()
    while any(process.poll() is None for process in running):
        if changes_a_second:
            number = layout.shape.endpoints + done % 10
            _, slots = changing(layout, number)
            server.change([("", address) for address in slots[0]], f"changing-{done % 10}.toml", number)
            done += 1
        due = begin + done / changes_a_second if changes_a_second else time.monotonic() + 0.1
        time.sleep(max(0.0, due - time.monotonic()))
    checker.send_signal(signal.SIGTERM)
    checker.wait(30)
    loads = []
    for output in outputs:
        output.seek(0)
        loads.append(measure.parse(output.read(), latencies=True))
        output.close()
    checked = json.loads(report.read_text())
    return {"sent": sum(load.sent for load in loads) + checked["sent"], "wrong": checked["wrong"],
            "lost": sum(load.lost for load in loads) + checked["lost"], "rcodes": loads[0].rcodes,
            "p99": loads[1].percentile(99), "changes": done}


def memory(bench):
    """Resident memory an endpoint: the full server less the empty one."""
    sizes = []
    for given in (None, bench.data(bench.large, files=100)):
        server = bench.server(Vpcedns, given)
        server.start()
        # what loading needed and has given back is not counted; what it holds on to is
        time.sleep(2)
        sizes.append(server.memory_bytes())
        server.stop()
    each = (sizes[1] - sizes[0]) / bench.large
    return [Row(f"memory at {bench.large} endpoints", f"{each:.0f} bytes an endpoint ({sizes[1] / 1e6:.0f} MB)",
                "<= 300 bytes an endpoint", each <= 300)]


def startup(bench):
    """From exec to the first right answer."""
    given = bench.data(bench.middle, files=1000)
    results = bench.interleaved([Vpcedns, *bench.peers(Knot, Nsd)], given, lambda server: server.startup_seconds)
    times = {kind.name: median(taken) for kind, taken in results.items()}
    rivals = [seconds for name, seconds in times.items() if name != "vpcedns"]
    return [Row(f"start-up at {bench.middle} endpoints, 1,000 files",
                ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items()), "<= Knot and NSD",
                times["vpcedns"] <= min(rivals) if rivals else None)]


def forward(bench):
    """Forwarding: the cache, an upstream that answers, and one that is silent."""
    return forwarding.rows(bench, bench.interleaved, healthy)


def metrics(bench):
    """What counting takes of the CPU of an answer: where many come at once, and where each comes alone."""
    given = bench.data(bench.small, files=10)

    def take(server):
        load = healthy(measure.cpu_per_query(server, given.queries(), bench.seconds), server.name)
        slowly = [measure.dnsperf_command(server, given.queries(), bench.seconds, "-Q", 5000)]
        load.alone_us = healthy(measure.with_cpu(server, slowly), server.name).cpu_us
        load.counting_us = [measure.HotPath.counting_us(bench.small, batch) for batch in (64, 1)]
        return load

    results = bench.interleaved([Vpcedns], given, take)
    verdicts = []
    for at, (what, answer_us) in enumerate((("at full load", cpu), ("at 5,000 q/s", lambda load: load.alone_us))):
        shares = [100 * load.counting_us[at] / answer_us(load) for load in results[Vpcedns]]
        counting_ns = 1000 * median(load.counting_us[at] for load in results[Vpcedns])
        bench.notes.append(f"metrics, {what}: {counting_ns:.1f} ns of {median(map(answer_us, results[Vpcedns])):.2f} us a query")
        verdicts.append(Row(f"metrics, {what}", f"{median(shares):.2f} % of the CPU of a query", "<= 1 %", median(shares) <= 1))
    return verdicts


def commands(bench):
    """`diff` beside one load, and `expect`, on files."""
    given = bench.data(bench.middle, files=10)
    layout, work = given.layout, bench.work / "commands"
    shutil.rmtree(work, ignore_errors=True)
    old, new = given.toml(), work / "new"
    shutil.copytree(old, new)
    name, slots = changing(layout, layout.shape.endpoints)
    (new / "more.toml").write_text(data.endpoint_toml(layout, layout.shape.endpoints, [
        (subnet, address) for (subnet, _), address in zip(layout.interfaces(layout.shape.endpoints), slots[0])]))
    lines = work / "expect.txt"
    with open(lines, "w") as out:
        for number in range(bench.middle):
            addresses = " ".join(address for _, address in layout.interfaces(number % layout.shape.endpoints))
            out.write(f"from 127.0.0.1 {data.names(layout, number % layout.shape.endpoints)[0]} A = {addresses}\n")

    def seconds(code, says, *words):
        began = time.monotonic()
        # both cores, as a user has them
        done = subprocess.run(["taskset", "-c", f"{SERVER_CORE},{CLIENT_CORE}", str(Vpcedns.binary), *map(str, words)], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        took = time.monotonic() - began
        if done.returncode != code or says not in done.stdout:
            raise RuntimeError(f"{words[0]}: exit code {done.returncode}, {done.stdout[-200:]}{done.stderr[-200:]}")
        return took

    load, compared, judged = [], [], []
    for _ in range(bench.runs):
        load.append(seconds(0, "good: ", "check", "--zones", old))
        compared.append(seconds(1, name, "diff", old, new, "--forward", "none"))
        judged.append(seconds(0, f"{bench.middle} passed, 0 failed", "expect", lines, "--zones", old, "--forward", "none"))
    bench.notes.append(f"commands on {bench.middle} endpoints: check {median(load):.2f} s, diff {median(compared):.2f} s, expect of "
                       f"{bench.middle} lines {median(judged):.2f} s, its load included")
    return [limit(f"diff of two sets of {bench.middle}", median([b / a for a, b in zip(load, compared)]), 2.30, "x one load"),
            Row(f"diff of two sets of {bench.middle}", f"{median(compared):.2f} s", "<= 2 s", median(compared) <= 2),
            Row(f"expect, {bench.middle} lines", f"{median(judged):.2f} s", "<= 2 s", median(judged) <= 2)]


def log(bench):
    """What a query log and dnstap add to an answer, beside the dnstap of Knot and dnsdist."""
    return querylog.rows(bench, healthy)


def hickory(bench):
    """hickory-server with our snapshot beside its own zone, which it searches for each negative answer."""
    given = bench.data(bench.small, files=10)

    def take(server):
        hits = healthy(measure.cpu_per_query(server, given.queries((100, 0, 0)), bench.seconds), server.name)
        load = healthy(measure.cpu_per_query(server, given.queries(), bench.seconds), server.name)
        load.hits_us = hits.cpu_us
        return load

    results = bench.interleaved([Hickory, HickoryStock, Vpcedns], given, take)
    bench.notes.append(f"hickory-server over {bench.small} endpoints, CPU us a query\n" + grid(
        ["server", "hit", "mix"],
        [[kind.name, f"{median(load.hits_us for load in loads):.2f}", f"{median(map(cpu, loads)):.2f}"]
         for kind, loads in results.items()]))
    if not {Hickory, HickoryStock} <= set(results):
        return [Row("hickory with our snapshot", "not measured", "<= 0.05 x its own zone")]
    return [limit("hickory with our snapshot, hits", ratio(results, Hickory, HickoryStock, lambda load: load.hits_us), 0.75,
                  "x its own zone"),
            limit("hickory with our snapshot, mix", ratio(results, Hickory, HickoryStock, cpu), 0.05, "x its own zone")]


def idle(bench):
    """CPU of a server that nobody asks anything."""
    seconds = 5 if bench.quick else 60
    server = bench.server(Vpcedns, bench.data(bench.small, files=10))
    server.start()
    time.sleep(1)
    spent = measure.idle_cpu_ms(server, seconds)
    server.stop()
    return [Row(f"idle for {seconds} s", f"{spent:.0f} ms of CPU", "none (less than a clock tick)", spent == 0)]


ROWS = {row.__name__: row for row in (mix, edns, million, views, tcp, change, churn, memory, startup, forward, metrics, commands, log,
                                     hickory, idle)}

"""How each figure is taken. Every load runs for a bounded time, on loopback, pinned away from the server."""

import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from support import dns

from .servers import CLIENT_CORE, SERVER_CORE

COOKIE = ["-e", "-E", "10:0123456789abcdef"]


@dataclass
class Load:
    """What one dnsperf run came to."""
    sent: int
    lost: int
    qps: float
    rcodes: dict
    cpu_us: float = 0.0
    latencies_ms: list = None

    def percentile(self, percent):
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


def dnsperf_command(server, queries, seconds, *flags):
    return ["taskset", "-c", CLIENT_CORE, "dnsperf", "-s", server.address[0], "-p", str(server.port), "-d", str(queries),
            "-l", str(seconds), "-t", "2", *map(str, flags)]


def parse(text, latencies=False):
    """dnsperf's own report."""
    def number(pattern):
        found = re.search(pattern, text)
        return float(found[1]) if found else 0.0

    rcodes = {}
    if line := re.search(r"Response codes:\s+(.*)", text):
        rcodes = {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", line[1])}
    load = Load(int(number(r"Queries sent:\s+(\d+)")), int(number(r"Queries lost:\s+(\d+)")),
                number(r"Queries per second:\s+([\d.]+)"), rcodes)
    if latencies:
        load.latencies_ms = [1000 * float(each) for each in re.findall(r"^> \w+ \S+ \S+ ([\d.]+)$", text, re.M)]
    return load


def run_dnsperf(command, latencies=False):
    with tempfile.TemporaryFile("w+") as output:
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=True, stdin=subprocess.DEVNULL)
        output.seek(0)
        return parse(output.read(), latencies)


def cpu_per_query(server, queries, seconds, *flags):
    """CPU microseconds of the whole server a query, as fast as one core of dnsperf asks."""
    run_dnsperf(dnsperf_command(server, queries, 1, *flags))
    return with_cpu(server, [dnsperf_command(server, queries, seconds, *flags)])


def cpu_per_query_from(server, queries, seconds, clients):
    """The same with questions from several addresses at once, one dnsperf each."""
    return with_cpu(server, [dnsperf_command(server, queries, seconds, "-a", client) for client in clients])


def with_cpu(server, commands):
    """CPU microseconds of the whole server a query, while these run."""
    before = server.cpu_seconds()
    outputs = [tempfile.TemporaryFile("w+") for _ in commands]
    running = [subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
               for command, output in zip(commands, outputs)]
    loads = []
    for process, output in zip(running, outputs):
        process.wait()
        output.seek(0)
        loads.append(parse(output.read()))
        output.close()
    spent = server.cpu_seconds() - before
    total = Load(sum(load.sent for load in loads), sum(load.lost for load in loads), sum(load.qps for load in loads),
                 {code: sum(load.rcodes.get(code, 0) for load in loads) for load in loads for code in load.rcodes})
    answered = total.sent - total.lost
    if not answered:
        raise RuntimeError(f"{server.name} answered nothing")
    total.cpu_us = 1e6 * spent / answered
    return total


def latencies(server, queries, seconds, rate, *flags):
    """Latency of each query at a bounded rate, which dnsperf prints when it is verbose."""
    return run_dnsperf(dnsperf_command(server, queries, seconds, "-Q", rate, "-v", *flags), latencies=True)


def change_to_visible(server, name, addresses, count, seconds):
    """Milliseconds from the start of a change to the first reply that has it, for at most `count` changes.

    `addresses` are taken in turn; what a change writes is the name's whole set of addresses."""
    times, begin = [], time.monotonic()
    wire = dns.name_to_wire(name)
    with dns.udp_socket(server.address) as sock:
        sock.settimeout(0.05)
        for step in range(count):
            if time.monotonic() - begin > seconds:
                break
            wanted = addresses[step % len(addresses)]
            started = time.monotonic()
            server.change([(name, address) for address in wanted])
            changed = time.monotonic()
            while not _answers(sock, wire, set(wanted)):
                if time.monotonic() - changed > 30:
                    raise RuntimeError(f"{server.name} does not show a change after 30 s")
            # what the benchmark itself needs to write a whole zone file is not the server's time
            times.append(1000 * (time.monotonic() - (changed if server.name == "vpcedns" else started)))
            time.sleep(0.02)
    return times


def _answers(sock, wire, wanted):
    try:
        sock.send(dns.question(9, wire, "A"))
        reply = dns.decode(sock.recv(4096))
    except (TimeoutError, ConnectionRefusedError):
        return False
    return {dns.show_rdata(record) for record in reply.answer} == wanted


class HotPath:
    """The answering path without sockets, which measures its own counting, too."""
    binary = Path("hot_path")

    @classmethod
    def counting_us(cls, endpoints, batch):
        """CPU microseconds a question that metrics take, where so many questions come at once."""
        command = ["taskset", "-c", SERVER_CORE, str(cls.binary), str(endpoints), "1000000", str(batch)]
        said = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
        return float(re.search(r"([\d.]+) ns of that for metrics", said)[1]) / 1000


def idle_cpu_ms(server, seconds):
    """CPU milliseconds of a server that nobody asks anything."""
    before = server.cpu_seconds()
    time.sleep(seconds)
    return 1000 * (server.cpu_seconds() - before)


def median(values):
    return statistics.median(values)

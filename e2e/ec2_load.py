"""Creates under load: DNS has each endpoint when its call returns; the rate, and what a create costs as they add up.

Endpoints are spread over VPCs of 50, the default quota. E2E_EC2_ENDPOINTS sets how many there are at the end (the
whole run is 100,000); E2E_EC2_RATE the creates a second that are asked for at 10,000 endpoints. Calls that come at one
time become durable at once: strace counts the fsyncs of creates over 1 and 32 connections.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import threading
import time

from support.case import clean_env
from support.ec2 import REGION, Ec2Server, make_subnet, make_vpc

ENDPOINTS = int(os.environ.get("E2E_EC2_ENDPOINTS", "3000"))
RATE = int(os.environ.get("E2E_EC2_RATE", "200"))
VISIBLE = 1000
CONNECTIONS = 8
PER_VPC = 50
# what a group has to reach over so many connections: creates a second, or creates an fsync, whichever is less
MANY = 32
GROUP_RATE = 1000
GROUP_SIZE = 8
# a create at the end may cost this much more than one at the beginning; a store that writes all of itself anew
# at each change costs hundreds of times more
FLAT = 3.0


def run(case):
    # one client asks for all of it
    config = ["--config", case.write("vpcedns.toml", "[limits]\nec2_calls_per_second = 100000\n")]
    server = Ec2Server(case, *config)
    ground = Ground(server)
    visible(case, server, ground)
    rows = grow(server, ground)
    table(case, rows)
    first, last = rows[0], rows[-1]
    case.check(last["median"] < FLAT * first["median"],
               f"a create took {first['median']:.2f} ms at {first['at']} endpoints and"
               f" {last['median']:.2f} ms at {last['at']}")
    sustained(case, server, ground)
    groups(case, server, ground)
    with server.raw() as raw:
        begin = time.monotonic()
        listed = sum(1 for _ in raw.all("DescribeVpcEndpoints", MaxResults=1000))
        case.equal("endpoints listed at the end", listed, ground.made)
        case.note(f"listing {listed} endpoints took {time.monotonic() - begin:.1f} s")
    begin = time.monotonic()
    server.stop()
    server = Ec2Server(case, *config)
    case.note(f"stopped and started with {ground.made} endpoints in {time.monotonic() - begin:.1f} s")
    case.equal("an endpoint of the first VPC after the restart", server.addresses(ground.first[0])[1],
               ground.first[1])


class Ground:
    """VPCs and subnets for endpoints, made as they are needed; each VPC is a /24 of 127.0.0.0/8 with one subnet."""

    def __init__(self, server):
        self.server, self.vpcs, self.made, self.lock = server, 0, 0, threading.Lock()
        self.raw, self.places, self.first = server.raw(), [], None

    def place(self, count):
        """`count` times (VPC, subnet), none of them with more than its quota. Not part of what is timed."""
        # it may have been idle for longer than the server waits
        self.raw.close()
        while len(self.places) < count:
            n, self.vpcs = self.vpcs, self.vpcs + 1
            block = f"127.{1 + (n >> 8)}.{n & 255}.0/24"
            vpc = make_vpc(self.raw, block)
            self.places += [(vpc, make_subnet(self.raw, vpc, block))] * PER_VPC
        taken, self.places = self.places[:count], self.places[count:]
        self.made += count
        return taken


def create(raw, vpc, subnet, private=False):
    return raw.call("CreateVpcEndpoint", VpcEndpointType="Interface", VpcId=vpc,
                    ServiceName=f"com.amazonaws.{REGION}.sqs",
                    SubnetId=[subnet], PrivateDnsEnabled=private)["vpcEndpoint"]


def visible(case, server, ground):
    """Asks DNS as soon as the create call returns, for the regional, zonal and private name: no failure in 1,000."""
    late, times, seen = [], [], {}
    places = ground.place(VISIBLE)
    for n, (vpc, subnet) in enumerate(places):
        made = create(ground.raw, vpc, subnet, private=n % PER_VPC == 0)
        begin = time.monotonic()
        names = [entry["dnsName"] for entry in made["dnsEntrySet"]]
        found = [server.addresses(name, inside(n) if not name.startswith("vpce-") else None) for name in names]
        times.append((time.monotonic() - begin) * 1000 / len(names))
        if len(names) != (3 if n % PER_VPC == 0 else 2) or any(one != found[0] or len(one[1]) != 1 for one in found):
            late.append((names, found))
        seen[made["vpcEndpointId"]] = found[0][1]
        ground.first = ground.first or (names[0], found[0][1])
    case.equal(f"of {VISIBLE} creates, names that did not answer at once", late[:3], [])
    cards = {card["networkInterfaceId"]: card["privateIpAddress"] for card in ground.raw.all(
        "DescribeNetworkInterfaces", MaxResults=1000)}
    wrong = [item["vpcEndpointId"] for item in ground.raw.all("DescribeVpcEndpoints", MaxResults=1000)
             if [cards[card] for card in item["networkInterfaceIdSet"]] != seen.get(item["vpcEndpointId"])]
    case.equal("endpoints whose first answer was not their interface's address", wrong[:3], [])
    case.note(f"{len(late)} of {VISIBLE} endpoints did not answer when their create call returned; an answer takes"
              f" {statistics.median(times):.2f} ms here")


def inside(n):
    """An address in the VPC of the `n`th endpoint."""
    vpc = n // PER_VPC
    return f"127.{1 + (vpc >> 8)}.{vpc & 255}.250"


def grow(server, ground):
    """Creates until there are ENDPOINTS, and says at each stage what single creates cost, one after the other."""
    rows, stages = [], [stage for stage in (1000, 3000, 10_000, 30_000, 100_000) if stage < ENDPOINTS] + [ENDPOINTS]
    for stage in stages:
        begin, more = time.monotonic(), max(stage - ground.made, 0)
        flood(server, ground.place(more), None)
        seconds, times = time.monotonic() - begin, []
        for vpc, subnet in ground.place(100):
            start = time.monotonic()
            create(ground.raw, vpc, subnet)
            times.append((time.monotonic() - start) * 1000)
        rows.append({"at": stage, "rate": more / seconds if more else 0.0, "median": statistics.median(times),
                     "slow": statistics.quantiles(times, n=20)[-1], "resident": resident(server)})
    return rows


def flood(server, places, rate, connections=CONNECTIONS):
    """Creates in all places over several connections, as fast as they go or at a rate; the seconds it took."""
    lock, failures, begin, done = threading.Lock(), [], time.monotonic(), 0
    count = len(places)
    places = iter(places)

    def work():
        nonlocal done
        with server.raw() as raw:
            while True:
                with lock:
                    place, turn = next(places, None), done
                    done += 1
                if place is None:
                    return
                if rate and (wait := begin + turn / rate - time.monotonic()) > 0:
                    time.sleep(wait)
                try:
                    create(raw, *place)
                except Exception as error:  # the first failure ends the flood
                    failures.append(error)
                    return

    threads = [threading.Thread(target=work) for _ in range(min(connections, max(count, 1)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.monotonic() - begin


def sustained(case, server, ground):
    """RATE creates a second for ten seconds, at as many endpoints as there are by now."""
    count = RATE * 10
    places = ground.place(count)
    seconds = flood(server, places, RATE)
    case.note(f"{count} creates at {RATE} a second were asked for, at {ground.made - count} endpoints: "
              f"{count / seconds:.0f} a second, over {CONNECTIONS} connections")
    if ENDPOINTS >= 10_000:
        case.check(seconds < 11, f"{RATE} creates a second were not sustained: {count} took {seconds:.1f} s")


def groups(case, server, ground):
    """What a create costs in fsyncs and time, over one connection and over many."""
    disk = disk_fsyncs(case)
    case.note(f"the disk takes {disk:.0f} fsyncs a second")
    for connections, count in ((1, 200), (MANY, 2000)):
        seconds = flood(server, ground.place(count), None, connections)
        case.note(f"{count} creates over {connections} connections: {count / seconds:.0f} a second,"
                  f" {seconds * 1000 * connections / count:.2f} ms each (an fsync takes {1000 / disk:.2f} ms)")
        rate = count / seconds
        if not shutil.which("strace"):
            case.note("fsyncs are not counted: strace is missing")
            continue
        places = ground.place(count)
        fsyncs = counted(case, server, lambda places=places, n=connections: flood(server, places, None, n))
        case.note(f"{count} creates over {connections} connections: {fsyncs} fsyncs, {count / fsyncs:.1f} creates each")
        if connections == 1:
            case.check(fsyncs <= count * 1.5, f"{count} creates one after the other took {fsyncs} fsyncs")
        else:
            case.check(rate >= GROUP_RATE or count >= GROUP_SIZE * fsyncs,
                       f"{connections} connections: {rate:.0f} creates a second and {count / fsyncs:.1f} creates an fsync")


def counted(case, server, work):
    """How many fsyncs the server makes meanwhile."""
    out = case.dir / "strace"
    tracer = subprocess.Popen(["strace", "-c", "-f", "-e", "trace=fsync,fdatasync", "-o", out, "-p",
                               str(server.process.pid)], env=clean_env(), stderr=subprocess.PIPE, text=True)
    case.finally_do(tracer.kill)
    # it says so once it is there
    case.check("attached" in tracer.stderr.readline(), "strace does not attach to the server")
    work()
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=30)
    calls = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) .*(?:fsync|fdatasync)$", out.read_text(), re.M)
    return sum(map(int, calls)) or 1


def disk_fsyncs(case):
    """How many writes of a page the disk of the state takes in a second, one after the other."""
    file = os.open(case.dir / "fsyncs", os.O_RDWR | os.O_CREAT)
    begin, done = time.monotonic(), 0
    while time.monotonic() - begin < 1:
        os.pwrite(file, b"x" * 4096, done % 64 * 4096)
        os.fdatasync(file)
        done += 1
    os.close(file)
    return done


def table(case, rows):
    case.note(f"{'endpoints':>9} {'creates/s':>9} {'median ms':>9} {'95 % ms':>8} {'resident MiB':>12}")
    for row in rows:
        case.note(f"{row['at']:9} {row['rate']:9.0f} {row['median']:9.2f} {row['slow']:8.2f}"
                  f" {row['resident'] / 2**20:12.1f}")


def resident(server):
    """The server's resident memory in octets."""
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""Several servers with one state in etcd: what one is told all serve, through kills, stops, compaction and a wipe.

Three members of etcd, two servers with the EC2 API and one that only follows. Writers create endpoints in one subnet over both
APIs while members and servers are killed, stopped and the history is compacted; what was acknowledged is there on all of them
in the end, and no address is there twice.
"""

import signal
import statistics
import threading
import time
from http.client import HTTPException

from support.case import wait_for
from support.ec2 import Ec2Error, Ec2Server, Raw, make_endpoint, make_subnet, make_vpc, names_of
from support.etcd import Cluster
from support.server import Server

SEEN = 60
TOGETHER = 40


def run(case):
    case.need("etcd", "etcdctl")
    cluster = Cluster(case)
    case.write("fleet.toml", "[limits]\nec2_endpoints_per_vpc = 100000\nec2_calls_per_second = 100000\n")
    fleet = Fleet(case, cluster)
    with fleet.a.raw() as raw:
        fleet.vpc = make_vpc(raw, "10.0.0.0/16")
        fleet.subnet = make_subnet(raw, fleet.vpc, "10.0.0.0/18")
    for check in (visible, together, one_token, faults, missed, without_etcd, foreign, wiped):
        check(case, cluster, fleet)


class Fleet:
    """Servers `a` and `b`, which take calls, and `follower`."""

    def __init__(self, case, cluster):
        self.case, self.cluster = case, cluster
        self.a, self.b, self.follower = (self.start(name) for name in ("a", "b", "follower"))
        self.created = {}  # id -> regional name
        self.vpc = self.subnet = None

    def start(self, name):
        kind = Server if name == "follower" else Ec2Server
        flags = ["--config", "fleet.toml", "--store", self.cluster.url] + (["--ec2-state", name] if name == "follower" else [])
        options = {"zones": "zones", "http": True} | ({} if name == "follower" else {"state": name})
        options["env"] = {"VPCEDNS_SOCKET": f"./{name}.sock"}
        return kind(self.case, *flags, **options)

    @property
    def all(self):
        return self.a, self.b, self.follower

    def create(self, raw, **params):
        """An endpoint over one of the APIs: its id and its regional name."""
        made = make_endpoint(raw, self.vpc, "ec2", [self.subnet], PrivateDnsEnabled=False, **params)
        regional = next(name for name in names_of(made)[0] if not name.startswith("*"))
        self.created[made["vpcEndpointId"]] = regional
        return made["vpcEndpointId"], regional

    def answers(self, server, name):
        """The addresses of a name at a server; none for a name that is not there."""
        return server.addresses(name)[1]

    def agree(self, what, seconds=15):
        """Waits until all serve what was acknowledged, and checks that no address is there twice."""
        def lacking():
            return [(server.port, name) for server in self.all for name in self.created.values()
                    if not self.answers(server, name)]
        try:
            wait_for(what, lambda: not lacking(), seconds, pause=0.2)
        except Exception:
            self.case.check(False, f"{what}: acknowledged, and not served", str(lacking()[:10]))
        addresses = [tuple(tuple(self.answers(server, name)) for server in self.all) for name in self.created.values()]
        self.case.check(all(len(set(seen)) == 1 for seen in addresses), f"{what}: the servers disagree", str(addresses))
        single = [seen[0] for seen in addresses]
        self.case.equal(f"{what}: different addresses", len(set(single)), len(single))


def visible(case, cluster, fleet):
    """A create is served by its server when it is answered, and by the others soon after."""
    waits = []
    with fleet.a.raw() as a, fleet.b.raw() as b:
        for number in range(SEEN):
            raw, own, others = (a, fleet.a, (fleet.b, fleet.follower)) if number % 2 else (b, fleet.b, (fleet.a, fleet.follower))
            _, name = fleet.create(raw)
            answered = time.monotonic()
            case.check(fleet.answers(own, name), f"{name} is answered, and its server does not serve it")
            for other in others:
                wait_for(f"{name} elsewhere", lambda: fleet.answers(other, name), pause=0.0005)
                waits.append((time.monotonic() - answered) * 1000)
    waits.sort()
    case.note(f"visible elsewhere after {statistics.median(waits):.1f} ms (p50), {waits[int(len(waits) * 0.99)]:.1f} ms "
              f"(p99), {waits[-1]:.1f} ms (worst of {len(waits)})")
    fleet.agree("one by one")


def together(case, cluster, fleet):
    """Writers on both servers, in one subnet, at one time."""
    failed = []

    def work(server):
        with server.raw() as raw:
            for _ in range(TOGETHER):
                try:
                    fleet.create(raw)
                except Ec2Error as error:
                    failed.append(str(error))

    threads = [threading.Thread(target=work, args=(server,)) for server in (fleet.a, fleet.b) * 8]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = len(threads) * TOGETHER - len(failed)
    case.note(f"{done / (time.monotonic() - begin):.0f} creates/s by {len(threads)} writers on two servers, "
              f"{len(failed)} gave up in conflicts")
    case.check(all("RequestLimitExceeded" in text for text in failed), "failures that are no conflicts", str(failed[:3]))
    case.check(done > len(threads) * TOGETHER // 2, f"only {done} creates of {len(threads) * TOGETHER} came through")
    fleet.agree("together")


def one_token(case, cluster, fleet):
    """A client token means the same call on all servers."""
    with fleet.a.raw() as a, fleet.b.raw() as b:
        ids = {fleet.create(raw, ClientToken="once")[0] for raw in (a, b, a)}
    case.equal("endpoints of one client token", len(ids), 1)


def faults(case, cluster, fleet):
    """Creates go on while members and a server are killed and stopped, and the history is compacted."""
    over, unknown, done = threading.Event(), [], []

    def work(name):
        while not over.is_set():
            try:
                with Raw(getattr(fleet, name).api) as raw:
                    while not over.is_set():
                        done.append(fleet.create(raw)[0])
            except (Ec2Error, OSError, HTTPException) as error:
                unknown.append(str(error))
                time.sleep(0.05)

    def compact():
        while not over.wait(0.3):
            cluster.ctl("compact", str(cluster.revision() - 1), check=False)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    try:
        for thread in threads:
            thread.start()
        killed = cluster.leader()
        time.sleep(1)
        cluster.kill(killed)
        time.sleep(3)
        cluster.restart(killed)
        time.sleep(2)
        stopped = cluster.leader()
        cluster.signal(stopped, signal.SIGSTOP)
        time.sleep(5)
        cluster.signal(stopped, signal.SIGCONT)
        time.sleep(2)
        compacting = threading.Thread(target=compact)
        compacting.start()
        fleet.b.process.kill()
        fleet.b.process.wait()
        time.sleep(1)
        fleet.b = fleet.start("b")
        before = len(done)
        wait_for("creates after the faults", lambda: len(done) > before + 20, 30)
    finally:
        over.set()
    for thread in [*threads, compacting]:
        thread.join()
    case.note(f"{len(done)} creates acknowledged through the faults, {len(unknown)} failed or unknown")
    case.check(unknown, "no fault met a call: the test shows nothing")
    fleet.agree("after the faults", 30)
    counts = []
    for server in (fleet.a, fleet.b):
        with server.raw() as raw:
            counts.append({item["vpcEndpointId"] for item in raw.all("DescribeVpcEndpoints")})
    case.equal("the same endpoints on both servers", counts[0] == counts[1], True)
    case.check(set(fleet.created) <= counts[0], "acknowledged endpoints are lost", str(set(fleet.created) - counts[0]))
    case.check(len(counts[0] - set(fleet.created)) <= len(unknown), "endpoints that nobody made")


def missed(case, cluster, fleet):
    """A server that was away while the history was compacted reads the store anew."""
    fleet.follower.stop()
    with fleet.a.raw() as raw:
        for _ in range(3):
            fleet.create(raw)
    cluster.ctl("compact", str(cluster.revision()))
    fleet.follower = fleet.start("follower")
    fleet.agree("after a compaction")
    wait_for("it to be even", lambda: "failing" not in fleet.follower.get("/readyz")[1])


def without_etcd(case, cluster, fleet):
    """Without etcd the last good state serves, calls that change something are told so, and a start works."""
    cluster.freeze()
    with fleet.a.raw() as raw:
        error = raw.error("CreateVpc", CidrBlock="10.9.0.0/16")
        case.equal("a change without etcd", error and (error.status, error.code), (503, "Unavailable"))
        case.check(raw.all("DescribeVpcEndpoints"), "nothing is described without etcd")
    wait_for("readiness to say so", lambda: "last good state is served" in fleet.a.get("/readyz")[1])
    fleet.follower.stop()
    fleet.follower = fleet.start("follower")
    fleet.agree("without etcd")
    cluster.thaw()
    wait_for("readiness again", lambda: "failing" not in fleet.follower.get("/readyz")[1], 30)
    with fleet.a.raw() as raw:
        fleet.create(raw)
    fleet.agree("with etcd again")


def foreign(case, cluster, fleet):
    """What somebody else wrote and nobody can read keeps the last good state, as long as it is there."""
    junk = "/vpcedns/v1/o/zz/junk"
    cluster.ctl("put", junk, "no object")
    for server in fleet.all:
        wait_for("readiness to say so", lambda: "cannot be read: junk" in server.get("/readyz")[1])
    said = [fleet.follower.get("/readyz")[1] for _ in range(15) if not time.sleep(0.2)]
    case.check(all("cannot be read: junk" in text for text in said), "readiness says now this and now that", str(said))
    with fleet.a.raw() as raw:
        error = raw.error("CreateVpc", CidrBlock="10.9.0.0/16")
        case.equal("a change beside what cannot be read", error and (error.status, error.code), (503, "Unavailable"))
    fleet.agree("beside what cannot be read")
    cluster.ctl("del", junk)
    for server in fleet.all:
        wait_for("readiness once it has gone", lambda: "failing" not in server.get("/readyz")[1])
    with fleet.a.raw() as raw:
        fleet.create(raw)
    fleet.agree("once it has gone")


def wiped(case, cluster, fleet):
    """A wiped store is not served: the last good state is, and readiness says why."""
    cluster.ctl("del", "--prefix", "/vpcedns/")
    for server in fleet.all:
        wait_for("readiness to say so", lambda: "emptied" in server.get("/readyz")[1])
    with fleet.a.raw() as raw:
        error = raw.error("CreateVpc", CidrBlock="10.9.0.0/16")
        case.equal("a change of a wiped store", error and (error.status, error.code), (503, "Unavailable"))
    fleet.agree("wiped")

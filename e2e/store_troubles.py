"""A fleet whose network or disks fail: what each server serves, what calls are told, and what readiness says meanwhile.

Each server and each member of etcd is a host of its own (network namespaces). One server is cut off from all, one from the member
that it asks; two members are cut off; a member's disk takes a third of a second to be sure of a write (by strace).
"""

import time

from support.case import find_tool, wait_for
from support.ec2 import make_endpoint, names_of
from support.etcd import Cluster
from support.fleet.clients import FleetRaw
from support.fleet.fleet import Fleet
from support.fleet.network import Namespaces

HOSTS = ("e0", "e1", "e2", "a", "b", "f")


def run(case):
    case.need("etcd", "etcdctl")
    network = Namespaces(case, HOSTS)
    cluster = Cluster(case, network=network)
    fleet = Fleet(case, network, lambda name: cluster.url)
    world = World(case, cluster, fleet)
    for check in (a_server_is_cut_off, a_member_is_silent, two_members_are_cut_off, a_disk_is_slow):
        check(case, world)


class World:
    """The fleet with one VPC, and what is asked of it."""

    def __init__(self, case, cluster, fleet):
        self.case, self.cluster, self.fleet, self.network = case, cluster, fleet, fleet.network
        self.a, self.b, self.f = fleet.servers
        self.vpc, (self.subnet, _) = next(iter(fleet.make_vpcs(1).vpcs.items()))
        self.first = self.create(self.a)
        self.everywhere(self.first)

    def create(self, server):
        """An endpoint; its regional name."""
        made = make_endpoint(FleetRaw(self.network, server), self.vpc, "ec2", [self.subnet], PrivateDnsEnabled=False)
        return names_of(made)[0][0]

    def error(self, server):
        """What a call is told that changes something: its code, and after how many seconds."""
        begin = time.monotonic()
        error = FleetRaw(self.network, server).error("CreateVpc", CidrBlock="10.9.0.0/16")
        return error and (error.status, error.code), time.monotonic() - begin

    def has(self, server, name):
        with self.network.inside(server.host):
            return server.process.addresses(name)[1]

    def everywhere(self, name, *servers):
        for server in servers or self.fleet.servers:
            wait_for(f"{name} at {server.name}", lambda server=server: self.has(server, name), 20)

    def well(self, *servers):
        for server in servers or self.fleet.servers:
            wait_for(f"{server.name} to be even", lambda server=server: "failing" not in server.readiness(), 30)

    def unwell(self, server):
        wait_for(f"readiness of {server.name} to say so", lambda: "last good state is served" in server.readiness(), 15)


def a_server_is_cut_off(case, world):
    """It serves what it had, describes it, and refuses changes; the others go on without it."""
    world.network.cut("b")
    world.unwell(world.b)
    new = world.create(world.a)
    world.everywhere(new, world.a, world.f)
    case.check(world.has(world.b, world.first) and not world.has(world.b, new), "what a server shows that is cut off")
    told, seconds = world.error(world.b)
    case.equal("a change there", told, (503, "Unavailable"))
    case.check(seconds < 12, f"it was told after {seconds:.1f} s")
    case.check(FleetRaw(world.network, world.b).all("DescribeVpcEndpoints"), "nothing is described there")
    case.check("failing" not in world.a.readiness() + world.f.readiness(), "the others are not well")
    world.network.mend("b")
    world.everywhere(new, world.b)
    world.well()
    world.everywhere(world.create(world.b))


def a_member_is_silent(case, world):
    """Packets to one member after the other are lost without a word: servers go to the next one."""
    for number in range(3):
        for server in world.fleet.servers:
            world.network.forget(server.host, f"e{number}")
        begin = time.monotonic()
        world.everywhere(world.create(world.a))
        case.note(f"member {number} silent: a change is everywhere after {time.monotonic() - begin:.1f} s")
        for server in world.fleet.servers:
            world.network.remember(server.host, f"e{number}")
        world.well()


def two_members_are_cut_off(case, world):
    """Without a majority nothing changes; all serve what they had, and say so."""
    away = [number for number in range(3) if number != world.cluster.leader()]
    for number in away:
        world.network.cut(f"e{number}")
    for server in world.fleet.servers:
        world.unwell(server)
        case.check(world.has(server, world.first), f"{server.name} serves nothing")
    told, _ = world.error(world.a)
    case.equal("a change without a majority", told, (503, "Unavailable"))
    for number in away:
        world.network.mend(f"e{number}")
    world.well()
    world.everywhere(world.create(world.b))


def a_disk_is_slow(case, world):
    """Calls take as long as the disk; questions do not, and nobody is unwell."""
    if not find_tool("strace"):
        return case.note("strace is not installed: no slow disk")
    leader = world.cluster.members[world.cluster.leader()]
    slow = case.start("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=300000",
                      "-p", leader.pid, log="strace.log")
    time.sleep(1)
    begin = time.monotonic()
    names = [world.create(world.a) for _ in range(5)]
    took = (time.monotonic() - begin) / 5
    case.note(f"a create takes {took * 1000:.0f} ms where the leader's disk takes 300 ms")
    case.check(took > 0.1, "the disk is not slow: the test shows nothing")
    asked = time.monotonic()
    for _ in range(50):
        world.has(world.a, world.first)
    case.check(time.monotonic() - asked < 5, "questions wait for the disk of etcd")
    for name in names:
        world.everywhere(name)
    case.check("failing" not in "".join(server.readiness() for server in world.fleet.servers), "a slow disk makes servers unwell")
    slow.terminate()
    slow.wait(10)
    world.everywhere(world.create(world.b))
    world.well()

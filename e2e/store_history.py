"""Histories of calls and questions through faults, held against etcd's own history: order, rules, and what reads may show.

Six clients call two servers and ask three, while members of etcd and servers are killed, stopped and cut off and the history is
compacted. What they saw is judged by `support/fleet/judge.py`. Then the judge is shown three faults that a proxy between servers
and etcd makes: transactions without their condition, client tokens that are not kept, events that are lost. It has to find each.
The long form (`--full`) is 10,000 calls and 100 faults at least.
"""

import os
import time

from support.case import Skip, wait_for
from support.etcd import Cluster
from support.fleet.fleet import Crowd, Fleet, settle
from support.fleet.judge import Judge
from support.fleet.nemesis import Nemesis
from support.fleet.network import Loopback, Namespaces
from support.fleet.proxy import Tampering
from support.fleet.recorder import Recorder

HOSTS = ("e0", "e1", "e2", "a", "b", "f")
FULL = bool(os.environ.get("E2E_FULL"))
FAULTS = int(os.environ.get("E2E_FAULTS", "110" if FULL else "9"))
CALLS = 10_000 if FULL else 500
CALM = 3
# what a proxy does, and what is found then
SEEDED = {"no compare": {"lost", "unexplained", "backwards"}, "token ignored": {"token"}, "lost event": {"stale"}}


def run(case):
    case.need("etcd", "etcdctl")
    try:
        network = Namespaces(case, HOSTS)
    except Skip as skip:
        case.note(f"without partitions: {skip}")
        network = Loopback()
    through_faults(case, network)
    cluster = Cluster(case)
    for tampering, found in SEEDED.items():
        seeded(case, cluster, tampering, found)


def through_faults(case, network):
    """Nothing is found, whatever happens to servers and members."""
    cluster = Cluster(case, network=network, flags=("--heartbeat-interval", "50", "--election-timeout", "500"))
    fleet = Fleet(case, network, lambda name: cluster.url)
    book = fleet.make_vpcs(4)
    recorder, start = Recorder(cluster), cluster.revision()
    objects = stored(cluster)
    nemesis = Nemesis(case, fleet, cluster, recorder)
    begin = time.monotonic()
    with Crowd(fleet, book, 6) as crowd:
        time.sleep(CALM)
        while nemesis.count < FAULTS or len(book.history) < CALLS:
            nemesis.strike()
            nemesis.wait(0.2, 1.0)
        time.sleep(2 * CALM)
    settle(fleet, book)
    judge = Judge(book.history, recorder.finish(cluster.revision()), start, objects, fleet.writers, nemesis.deaf, crowd.lateness.between)
    findings = judge.run()
    report(case, judge, book, f"{nemesis.count} faults in {time.monotonic() - begin:.0f} s ({nemesis.kinds})")
    case.equal("findings", dict(findings), {}, "\n".join(judge.evidence))
    outcomes = [operation.outcome for operation in book.history]
    case.check("unknown" in outcomes, "no fault met a call: the test shows nothing")
    case.check(judge.staleness, "no read was judged for its freshness")
    for server in fleet.servers:
        server.kill()
    for number in range(3):
        cluster.kill(number)


def stored(cluster):
    """Ids of the objects that there are."""
    keys = cluster.ctl("get", "--prefix", f"{cluster.prefix}/v1/o/", "--keys-only").split()
    return {key.rsplit("/", 1)[1] for key in keys}


def report(case, judge, book, what):
    """Figures for the log."""
    outcomes = [operation.outcome for operation in book.history]
    counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
    landed = sum(operation.revision is not None and operation.outcome == "unknown" for operation in book.history)
    stale = sorted(entry[1] for entry in judge.staleness)
    at = lambda share: stale[int(len(stale) * share)] if stale else 0
    case.note(f"{len(book.history)} calls and questions, {counts} ({landed} unknown ones had happened), "
              f"{len(judge.transactions)} transactions, {what}; {len(stale)} reads judged for freshness: "
              f"behind {at(0.5):.1f} ms (p50), {at(0.99):.1f} ms (p99), {max(stale, default=0):.1f} ms (worst)")


def seeded(case, cluster, tampering, found):
    """A fault between servers and etcd that the judge has to find."""
    name = tampering.replace(" ", "-")
    cluster.prefix = f"/{name}"
    proxies = {server: Tampering(cluster.clients[0], tampering) for server in ("a", "b", "f")}
    for proxy in proxies.values():
        case.finally_do(proxy.stop)
    fleet = Fleet(case, Loopback(), lambda server: f"etcd://127.0.0.1:{proxies[server].port}{cluster.prefix}", name)
    book = fleet.make_vpcs(2)
    recorder, start, objects = Recorder(cluster), cluster.revision(), stored(cluster)
    with Crowd(fleet, book, 1, shares={"create": 1}):
        wait_for("some endpoints", lambda: len(book.live) > 6)
    for proxy in proxies.values():
        proxy.begin()
    # an object too many or too few stops the servers, before much can be seen of calls that undo each other
    shares = {"tag": 10, "resize": 3, "list": 5, "ask": 5} if tampering == "no compare" else None
    with Crowd(fleet, book, 4, pause=0.02, shares=shares) as crowd:
        time.sleep(CALM)
    judge = Judge(book.history, recorder.finish(cluster.revision()), start, objects, fleet.writers, lateness=crowd.lateness.between)
    findings = judge.run()
    count = sum(proxy.count for proxy in proxies.values())
    case.note(f"{tampering}, {count} times: {len(book.history)} calls and questions, found {dict(findings)}")
    case.check(count, f"{tampering}: the proxy has done nothing")
    case.check(found & findings.keys(), f"{tampering} is not found", str(dict(findings)))
    for server in fleet.servers:
        server.kill()

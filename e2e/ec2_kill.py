"""kill -9 in a stream of changes: what was acknowledged is there afterwards, nothing is half there, DNS agrees.

Three clients create, modify and delete endpoints, each its own; at a moment that chance picks the server is killed. It
is started again on the same state, and every endpoint is held against what its client was told. The one call of each
client that was under way may have happened or not, but wholly. Then the same with hosted zones and their records, resolver
rules and endpoints, and Profiles. E2E_KILLS sets how often.
"""

import os
import random
import threading
import time
from http.client import HTTPException

from support import awstools, dns_ledger
from support.case import Skip, wait_for
from support.ec2 import Ec2Server
from support.ledger import Client, verify

KILLS = int(os.environ.get("E2E_KILLS", "40"))
# the kills stop here even if there were fewer: the test says how many
SECONDS = 240
CLIENTS = 3


def run(case):
    def endpoints(server):
        with server.raw() as raw:
            return [Client(raw, n, random.Random(n)) for n in range(CLIENTS)]

    killed(case, "endpoints", endpoints, verify)
    try:
        awstools.need("boto3")
    except Skip as skip:
        return case.note(f"SKIPPED zones, rules and Profiles: {skip}")
    killed(case, "zones, rules and Profiles",
           lambda server: [dns_ledger.DnsClient(server, n, random.Random(n)) for n in range(CLIENTS)], dns_ledger.verify)


def killed(case, what, make, audit):
    """Kills a server again and again under the clients that `make` makes, and has `audit` look after each kill."""
    rng, state = random.Random(20171130), f"state of {what}"
    server = Ec2Server(case, state=state)
    clients = make(server)
    begin, kills, calls, cut = time.monotonic(), 0, 0, 0
    while kills < KILLS and time.monotonic() - begin < SECONDS / 2:
        before = sum(client.acknowledged for client in clients)
        stream(server, clients, rng.randint(0, 40), rng.uniform(0, 0.03))
        kills += 1
        calls += sum(client.acknowledged for client in clients) - before
        cut += sum(client.unknown is not None for client in clients)
        server = Ec2Server(case, state=state)
        if not audit(case, server, clients, f"{what}, kill {kills}"):
            break
        for log in case.dir.glob("serve-*.log"):
            if log != server.log:
                log.unlink()
    case.check(cut > 0, f"{what}: none of {kills} kills met a call under way: the test shows nothing")
    case.check(calls > 2 * kills, f"{what}: only {calls} calls between {kills} kills: the test shows little")
    case.note(f"{what}: {kills} kills in {time.monotonic() - begin:.0f} s, {calls} acknowledged changes, {cut} cut off")
    server.process.kill()
    server.process.wait()


def stream(server, clients, changes, seconds):
    """Lets the clients make some changes, waits a moment, kills the server, and waits for the clients to notice."""
    enough = sum(client.acknowledged for client in clients) + changes
    failures = []

    def work(client):
        with server.raw() as raw:
            try:
                while True:
                    client.step(raw)
            except (OSError, HTTPException):
                pass  # the kill; what was under way is in `client.unknown`
            except Exception as error:  # a refusal or bad XML is a finding, not the kill's doing
                failures.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    wait_for("the changes", lambda: failures or sum(client.acknowledged for client in clients) >= enough, 60,
             pause=0.001)
    time.sleep(seconds)
    server.process.kill()
    server.process.wait()
    for thread in threads:
        thread.join(30)
    wait_for("the clients to end", lambda: not any(thread.is_alive() for thread in threads))
    if failures:
        raise failures[0]

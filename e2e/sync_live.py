"""`serve --sync` follows accounts: changes come within a round, faults change nothing, and what shrinks waits."""

import json
import os
import random
import re
import threading
import time
from collections import Counter, deque

from support import awstools
from support.case import clean_env, wait_for
from support.ec2 import REGION, Ec2Server
from support.scenario import World, answers, describe, gone, interface, own_addresses, state_of
from support.server import Server, free_port
from sync import Proxy, environment, error

ID = f"sync-{REGION}"
FAULTS, SECONDS = (1000, 780) if os.environ.get("E2E_FULL") else (60, 180)


def run(case):
    awstools.need("boto3")
    (case.dir / "none").mkdir()
    api = Ec2Server(case)
    ec2, world = awstools.client(api), World(api)
    vpc, subnets, inside = world.vpc()
    made = [interface(ec2, vpc, subnets, service)["VpcEndpointId"] for service in ("sqs", "ec2", "kms")]
    for endpoint in made:
        state_of(case, api, ec2, endpoint)
    proxy = Proxy(case, api.url)
    live = Follower(case, proxy.url)
    changes(case, live, ec2, vpc, subnets, inside, made)
    live = last_good(case, live, proxy, ec2, made, inside)
    shrinks(case, live, proxy, ec2, made, inside)
    trigger(case, proxy, ec2, vpc, subnets, inside)
    side_by_side(case, proxy, ec2, made, inside)
    at_random(case, live, proxy, ec2, vpc, subnets, inside)


class Follower(Server):
    """A server that follows accounts, each at one URL."""

    def __init__(self, case, *urls, every=1, kept="kept", flags=(), profile=(), env=None):
        self.socket = case.dir / f"{kept}.sock"
        profiles = profile or [""] * len(urls)
        accounts = [word for url, more in zip(urls, profiles) for word in ("--sync", f"region={REGION} endpoint={url}{more}")]
        super().__init__(case, *accounts, "--sync-every", every, "--sync-dir", kept, "--socket", self.socket, *flags,
                         zones="none", http=True, env=env or environment())

    def tell(self, *words):
        """A command about this server."""
        return self.case.run(self.case.binary, *words, "--socket", self.socket, check=False)

    def metric(self, name, **labels):
        """The value of one line of /metrics."""
        for line in self.get("/metrics")[1].splitlines():
            found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if found and found[1] == f"vpcedns_{name}" and all(f'{key}="{value}"' in (found[2] or "") for key, value in labels.items()):
                return float(found[3])
        return None

    def rounds(self, outcome):
        return self.metric("sync_rounds_total", source=ID, outcome=outcome) or 0

    def after_round(self, outcome, more=1):
        """Waits for the end of one more round with this outcome."""
        before = self.rounds(outcome)
        wait_for(f"a round that is {outcome}", lambda: self.rounds(outcome) >= before + more, seconds=40)


def equal(case, server, what, ec2, endpoints, inside):
    """Every name of these endpoints is answered as the API lists it."""
    for endpoint in endpoints:
        listed = describe(ec2, endpoint)
        addresses = own_addresses(ec2, listed)
        for entry in listed["DnsEntries"]:
            name = entry["DnsName"]
            if re.match(rf"(\*\.)?{endpoint}-\w+-{REGION}", name):
                continue
            answers(case, server, what, name, addresses, inside if ".vpce." not in name else None)


def changes(case, live, ec2, vpc, subnets, inside, made):
    equal(case, live, "at the start", ec2, made, inside)
    fresh = interface(ec2, vpc, subnets, "sns")["VpcEndpointId"]
    listed = describe(ec2, fresh)
    name, addresses = f"sns.{REGION}.amazonaws.com", own_addresses(ec2, listed)
    began = time.monotonic()
    wait_for("the new endpoint", lambda: live.addresses(name, inside)[1] == addresses, seconds=40)
    case.note(f"a new endpoint is answered {time.monotonic() - began:.2f} s after its call, with rounds of 1 s")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[fresh])
    began = time.monotonic()
    wait_for("the endpoint to go", lambda: not live.addresses(name, inside)[1], seconds=40)
    case.note(f"one that was deleted is gone after {time.monotonic() - began:.2f} s")
    case.check("1 object missing; the next round decides" in live.log_text() or "objects missing" in live.log_text(),
               "a removal was not confirmed", live.log_text())
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    wait_for("the attribute", lambda: live.addresses(f"sqs.{REGION}.amazonaws.com", inside)[0] != "NOERROR", seconds=40)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    wait_for("the attribute again", lambda: live.addresses(f"sqs.{REGION}.amazonaws.com", inside)[1], seconds=40)

    # a round without a change writes nothing, publishes nothing, and says nothing
    file = case.dir / "kept" / REGION / f"000000000000-{REGION}" / "ec2.json"
    case.equal("mode", [path.stat().st_mode & 0o777 for path in (file, file.parent, file.parent.parent)], [0o600, 0o700, 0o700])
    live.after_round("good", 2)
    before = (file.stat().st_mtime_ns, live.generation(), len(live.log_text()))
    live.after_round("good", 3)
    case.equal("quiet rounds", (file.stat().st_mtime_ns, live.generation(), len(live.log_text())), before, live.log_text())
    case.check(live.metric("source_last_good_timestamp_seconds", source=ID) > time.time() - 3, "the age of a quiet account")


def last_good(case, live, proxy, ec2, made, inside):
    """An account that cannot be read: what was read is served, also by the next process."""
    for name, spoil in {"down": lambda *_: (503, b"busy", False), "denied": lambda *_: (403, error("UnauthorizedOperation"), False),
                        "cut": lambda action, count, status, text: (status, text, True)}.items():
        proxy.spoil = spoil
        live.after_round("failed")
        equal(case, live, f"while it is {name}", ec2, made, inside)
        case.equal(f"/readyz while it is {name}", live.get("/readyz")[0], 200)
        text = live.get("/readyz")[1]
        case.check(f"{ID}: failing, the last good state is served" in text and "GetCallerIdentity" in text, name, text)
        case.equal("source_good", live.metric("source_good", source=ID), 0.0)
    told = json.loads(live.get(f"/v1/explain?name=sqs.{REGION}.amazonaws.com&from={inside}")[1])["sources"]
    account = next(source for source in told if source["source"] == ID)
    case.check(not account["good"] and account["age_seconds"] >= 3, "explain does not say how old the account is", told)
    case.equal("whose it is", account["origin"], f"000000000000/{REGION}")
    people = live.tell("explain", f"sqs.{REGION}.amazonaws.com", "--from", inside).stdout
    case.check(re.search(rf"^  as of \d+ s ago from 000000000000/{REGION}, which cannot be read now", people, re.M), "explain", people)
    status = live.tell("status").stdout
    case.check("GetCallerIdentity" in status and "needs attention" in status and ID in status, "status", status)
    said = live.log_text().count("not read: GetCallerIdentity")
    live.after_round("failed")
    case.equal("lines of a fault that stays", live.log_text().count("not read: GetCallerIdentity"), said, live.log_text())
    live.stop()
    live = Follower(case, proxy.url)
    equal(case, live, "after a restart without the account", ec2, made, inside)

    fresh = case.run(case.binary, "serve", "--sync", f"{REGION} endpoint={proxy.url}", "--sync-dir", "fresh", "--zones", "none",
                     "--listen", f"127.0.0.1:{free_port()}", "--forward", "none", "--socket", case.dir / "fresh.sock", check=False,
                     env=environment())
    case.equal("a first start without the account", fresh.returncode, 1, fresh.stderr)
    case.check(f"{ID}: error: not read: GetCallerIdentity" in fresh.stderr and "hint" in fresh.stderr, "its error", fresh.stderr)

    proxy.spoil = lambda action, count, status, text: (status, text.replace(b"000000000000", b"999999999999"), False)
    live.after_round("failed")
    wait_for("another account to be named", lambda: "the keys are those of account 999999999999" in live.get("/readyz")[1])
    equal(case, live, "while the keys are another's", ec2, made, inside)

    denied = ("DescribeInstances", "DescribeVpcEndpointServices")
    proxy.spoil = lambda action, count, status, text: (
        (403, error("UnauthorizedOperation"), False) if action in denied else (status, text, False))
    live.after_round("good")
    asked = len([action for action, _ in proxy.seen if action in denied])
    live.after_round("good", 2)
    case.equal("calls of what was denied", len([action for action, _ in proxy.seen if action in denied]), asked)
    case.check("Reservations are left out" in live.get("/readyz")[1], "what was denied is not said", live.get("/readyz")[1])
    case.equal("source_good without what may be denied", live.metric("source_good", source=ID), 1.0)
    proxy.spoil = None
    return live


def emptied(action, _count, status, text):
    """Whole answers with nothing in them."""
    return status, re.sub(rb"<(\w+Set)>.*</\1>", rb"<\1/>", text, flags=re.S) if action.startswith("Describe") else text, False


def shrinks(case, live, proxy, ec2, made, inside):
    proxy.spoil = emptied
    live.after_round("held")
    equal(case, live, "while it waits", ec2, made, inside)
    text = live.get("/readyz")[1]
    case.check("0 Vpcs are left of 1: not taken over" in text and "vpcedns sync accept" in text, "what is held", text)
    proxy.spoil = None
    live.after_round("good")
    equal(case, live, "after it came back", ec2, made, inside)
    # somebody agrees
    proxy.spoil = emptied
    live.after_round("held")
    told = live.tell("sync", "accept")
    case.equal("sync accept", (told.returncode, told.stdout), (0, "reading 1 account; `vpcedns status` says how it went\n"))
    wait_for("it to be taken over", lambda: live.addresses(f"sqs.{REGION}.amazonaws.com", inside)[0] != "NOERROR")
    proxy.spoil = None
    wait_for("it to be back", lambda: live.addresses(f"sqs.{REGION}.amazonaws.com", inside)[1])
    equal(case, live, "after it was taken over", ec2, made, inside)
    # three rounds agree
    proxy.spoil = emptied
    wait_for("three equal rounds", lambda: live.addresses(f"sqs.{REGION}.amazonaws.com", inside)[0] != "NOERROR", seconds=30)
    proxy.spoil = None
    wait_for("it to be back", lambda: live.addresses(f"sqs.{REGION}.amazonaws.com", inside)[1])


def trigger(case, proxy, ec2, vpc, subnets, inside):
    """A round that somebody asks for: by the command, and over HTTP with the token."""
    token = case.write("token", "a-token-of-more-than-32-characters-in-all\n")
    token.chmod(0o600)
    slow = Follower(case, proxy.url, every=3600, kept="slow", flags=("--http-token", token))
    name = f"lambda.{REGION}.amazonaws.com"
    fresh = interface(ec2, vpc, subnets, "lambda")["VpcEndpointId"]
    state_of(case, slow, ec2, fresh)
    bare = case.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", slow.http + "/v1/sync")
    case.check(bare in ("401", "403"), "POST /v1/sync without a token", bare)
    case.equal("before anybody asks", slow.addresses(name, inside)[1], [])
    asked = case.run("curl", "-s", "-X", "POST", "-H", f"Authorization: Bearer {token.read_text().strip()}", slow.http + "/v1/sync")
    case.equal("POST /v1/sync", asked, '{"accounts":1}')
    wait_for("the endpoint", lambda: slow.addresses(name, inside)[1] == own_addresses(ec2, describe(ec2, fresh)))
    listed = describe(ec2, fresh)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[fresh])
    wait_for("the API to forget it", lambda: not ec2.describe_vpc_endpoints(
        Filters=[{"Name": "vpc-endpoint-id", "Values": [fresh]}, {"Name": "vpc-endpoint-state", "Values": ["available"]}])["VpcEndpoints"])
    case.equal("sync now", slow.tell("sync", "now").returncode, 0)
    wait_for("it to go, by the round that confirms", lambda: not slow.addresses(name, inside)[1])
    gone(case, slow, "after the round", listed, inside)
    plain = Server(case, zones="none")
    case.check(plain.stop() == 0, "a server without accounts")


def side_by_side(case, proxy, ec2, made, inside):
    """Two accounts: one that is down keeps the other's changes from nobody."""
    other = Ec2Server(case, state="other-state", zones="other-zones")
    theirs, world = awstools.client(other), World(other)
    world.next = 100
    vpc, subnets, within = world.vpc()
    first = interface(theirs, vpc, subnets, "sqs")["VpcEndpointId"]
    state_of(case, other, theirs, first)
    both = Follower(case, proxy.url, other.url, kept="both")
    equal(case, both, "one of two", ec2, made, inside)
    equal(case, both, "the other of two", theirs, [first], within)
    case.equal("their sources", sorted(re.findall(r"^(sync\S*):", both.get("/readyz")[1], re.M)), ["sync", ID, f"{ID}-2"])
    proxy.spoil = lambda *_: (503, b"busy", False)
    second = interface(theirs, vpc, subnets, "sns")["VpcEndpointId"]
    state_of(case, other, theirs, second)
    wait_for("a change of the one that is up", lambda: both.addresses(f"sns.{REGION}.amazonaws.com", within)[1])
    equal(case, both, "the one that is down", ec2, made, inside)
    proxy.spoil = None
    both.stop()
    for server in (both, other):
        server.stop()


def at_random(case, live, proxy, ec2, vpc, subnets, inside):
    """Whatever goes wrong on the way: an answer is one of the API's, of now or of before, and never none."""
    chance = random.Random(16)
    names = [f"{service}.{REGION}.amazonaws.com" for service in ("kms", "sqs", "ec2")]
    wanted = {name: live.addresses(name, inside) for name in names}
    case.check(all(found[1] for found in wanted.values()), "nothing to look at", wanted)
    faults = Faults(chance, live)
    # pages of five: lists have several, of which one can be missing
    proxy.change = lambda path, body: (path, re.sub(rb"MaxResults=\d+", b"MaxResults=5", body))
    for n in range(4):
        interface(ec2, vpc, subnets, ("sts", "logs", "ssm", "monitoring")[n])
    live.after_round("good", 2)
    proxy.spoil = faults
    asked = 0
    began = time.monotonic()
    while faults.made < FAULTS and time.monotonic() - began < SECONDS:
        asked += 1
        name = chance.choice(names)
        if not case.equal(f"{name}, which is there all the time", live.addresses(name, inside), wanted[name],
                          (list(faults.last), live.log_text()[-3000:])):
            break
        if asked % 20 == 0:
            live.tell("sync", "now")
    proxy.spoil = proxy.change = None
    live.after_round("good")
    rounds = ", ".join(f"{live.rounds(outcome):.0f} {outcome}" for outcome in ("good", "failed", "held"))
    case.note(f"{faults.made} faults in {time.monotonic() - began:.0f} s, {asked} questions, rounds: {rounds}")
    case.note("faults: " + ", ".join(f"{count} {kind}" for kind, count in sorted(faults.counts.items())))
    case.check(live.alive(), "the server ended")
    case.check(faults.made >= FAULTS, f"only {faults.made} faults in {SECONDS} s")
    case.check(FAULTS < 1000 or len(faults.counts) == len(faults.kinds), "kinds of fault", faults.counts)


class Faults:
    """Spoils three answers of ten, each in one of many ways. What an answer lacks silently it lacks once: twice would be a removal."""

    def __init__(self, chance, live):
        self.chance, self.live, self.made, self.counts, self.last = chance, live, 0, Counter(), deque(maxlen=20)
        self.lacked = {}  # action -> the rounds that had ended when it lacked something
        self.lock = threading.Lock()
        self.kinds = {
            "5xx": lambda text: (503, b"busy", False),
            "broken server": lambda text: (500, error("InternalError"), False),
            "throttled": lambda text: (503, error("RequestLimitExceeded"), False),
            "too many requests": lambda text: (429, b"slow down", False),
            "cut": lambda text: (200, text, True),
            "half a document": lambda text: (200, text[:self.chance.randrange(len(text))], False),
            "nothing": lambda text: (200, b"", False),
            "another document": lambda text: (200, b"<html/>", False),
            "other names": lambda text: (200, text.replace(b"vpc", b"xyz"), False),
            "expired token": lambda text: (400, error("RequestExpired"), False),
            "clock skew": lambda text: (403, error(self.chance.choice(["RequestTimeTooSkewed", "SignatureDoesNotMatch"])), False),
            "denied": lambda text: (403, error("UnauthorizedOperation"), False),
            "endless pages": lambda text: (200, re.sub(b"(<nextToken>.*?</nextToken>|(?<=</requestId>))", b"<nextToken>again</nextToken>",
                                                       text, count=1), False),
            "a page missing": lambda text: (200, re.sub(b"<nextToken>.*?</nextToken>", b"", text), False),
            "emptied": lambda text: emptied("Describe", 0, 200, text),
        }

    def __call__(self, action, _count, status, text):
        with self.lock:
            if self.made >= FAULTS or self.chance.random() > 0.3:
                return status, text, False
            kind = self.chance.choice(list(self.kinds))
            if kind in ("a page missing", "emptied") and not self.may_lack(action, kind, text):
                return status, text, False
            self.made += 1
            self.counts[kind] += 1
            self.last.append((kind, action))
            return self.kinds[kind](text or b" ")

    def may_lack(self, action, kind, text):
        """Whether this answer can lack something, and the last three rounds of its kind had all."""
        if kind == "a page missing" and b"<nextToken>" not in text or not action.startswith("Describe"):
            return False
        rounds = sum(self.live.rounds(outcome) for outcome in ("good", "failed", "held"))
        if rounds < self.lacked.get(action, -9) + 4:
            return False
        self.lacked[action] = rounds
        return True

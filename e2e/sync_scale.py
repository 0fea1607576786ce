"""What following an account costs: calls and seconds of a round, memory, CPU a megabyte; 10,000 endpoints are answered as listed.

Our own API has them. Prints the figures; with --full, for a binary of a release, they have to be within what was promised:

    e2e/run --full sync-scale
"""

import os
import re
import socket
import statistics
import threading
import time
from pathlib import Path

from support import zones as z
from support.case import wait_for
from support.ec2 import REGION, Ec2Server, make_endpoint, make_subnet, make_vpc, names_of
from support.server import Server
from sync import environment
from sync_live import Follower

SERVICES = ("sqs", "sns", "ec2", "kms", "ssm", "logs", "sts", "lambda", "secretsmanager", "monitoring")
IS_JUDGED = bool(os.environ.get("E2E_FULL"))
# what was promised: a round of 50 VPCs and 500 endpoints; what 10,000 endpoints take over what is served; a megabyte of a quiet round
CALLS, SECONDS, MEGABYTES, MS_A_MEGABYTE, VISIBLE_MS = 20, 2.0, 100, 10, 10


def run(case):
    (case.dir / "none").mkdir()
    small(case)
    large(case)


def promised(case, what, found, most, unit):
    """A figure, judged where the binary is one of a release."""
    case.note(f"{what}: {found:.4g} {unit} (at most {most})")
    if IS_JUDGED:
        case.check(found <= most, f"{what}: {found:.4g} {unit}, promised are {most}")


def block(number):
    """The first three octets of a VPC's block."""
    return f"127.{1 + number // 250}.{number % 250}"


def estate(vpcs, endpoints):
    """VPCs with so many endpoints each, all of different services, in two zones."""
    text = ""
    for number in range(vpcs):
        vpc, net = f"vpc-{number:017x}", block(number)
        subnets = [f"subnet-{number:016x}{zone}" for zone in "ab"]
        text += z.vpc(vpc, f"{net}.0/24")
        text += z.subnet(subnets[0], vpc, "a", f"{net}.0/25") + z.subnet(subnets[1], vpc, "b", f"{net}.128/25")
        for at, service in enumerate(SERVICES[:endpoints]):
            cards = [(subnet, f"{net}.{first + at}") for subnet, first in zip(subnets, (10, 140))]
            text += z.endpoint(f"vpce-{number:013x}{at:04x}", vpc, service, f"{number:04x}{at:04x}", cards)
    return text


class Relay:
    """Hands octets on to an API, and notes when which action was called and how much was answered."""

    def __init__(self, case, to):
        self.to, self.lock, self.calls, self.octets, self.described = to, threading.Lock(), [], 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        case.finally_do(self.listener.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server, now = socket.create_connection(self.to), {"action": ""}
            for one, other, way in ((client, server, self._asked), (server, client, self._answered)):
                threading.Thread(target=self._pump, args=(one, other, way, now), daemon=True).start()

    @staticmethod
    def _pump(one, other, note, now):
        try:
            while octets := one.recv(1 << 18):
                note(octets, now)
                other.sendall(octets)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _asked(self, octets, now):
        for action in re.findall(rb"Action=(\w+)", octets):
            now["action"] = action.decode()
            with self.lock:
                self.calls.append((time.monotonic(), now["action"]))
        if octets.startswith(b"GET "):
            now["action"] = "of Route 53"

    def _answered(self, octets, now):
        with self.lock:
            self.octets += len(octets)
            if now["action"].startswith("Describe"):
                self.described.append(time.monotonic())

    def begins(self):
        """When rounds began."""
        return [at for at, action in list(self.calls) if action == "GetCallerIdentity"]

    def ended(self, began, until):
        """When the last octet came of a round that began and was over then."""
        return max(at for at in list(self.described) if began <= at < until)

    def one_round(self):
        """(calls, seconds) of the EC2 part of the next whole round."""
        first = len(self.begins())
        wait_for("a round to begin", lambda: len(self.begins()) >= first + 2, seconds=60)
        began, until = self.begins()[first:first + 2]
        return sum(1 for at, _ in self.calls if began <= at < until), self.ended(began, until) - began


def followed(case, api, relay, every, kept):
    """A follower of what an earlier process has read: attributes, of which one call tells one, are not asked for again."""
    case.run(case.binary, "sync", "--to", case.dir / kept / REGION, "--region", REGION, "--endpoint", api.url, "--rate", "1000",
             env=environment())
    return Follower(case, relay.url, every=every, kept=kept)


def small(case):
    """A round of 50 VPCs and 500 endpoints, and how soon a change is answered."""
    case.write("small-zones/all.toml", estate(50, 10))
    api = Ec2Server(case, zones="small-zones", state="small-state")
    relay = Relay(case, api.api)
    live = followed(case, api, relay, 2, "small")
    rounds = [relay.one_round() for _ in range(3)]
    promised(case, "calls of a round with 50 VPCs and 500 endpoints", max(calls for calls, _ in rounds), CALLS, "calls")
    promised(case, "its EC2 part", statistics.median(took for _, took in rounds), SECONDS, "s")

    visible(case, api, relay, live, "50 VPCs")
    live.stop()
    api.stop()


def visible(case, api, relay, live, where):
    """How soon after a round's last octet a new endpoint is answered."""
    raw = api.raw()
    vpc = make_vpc(raw, "127.200.0.0/24")
    subnet = make_subnet(raw, vpc, "127.200.0.0/24")
    # its attributes are asked for when it is new
    quiet(live, 2)
    late = []
    for service in ("sqs", "sns", "kms", "sts", "logs"):
        raw.close()  # it may have been idle for longer than the server waits
        # behind a round, so that the next one finds all of it
        quiet(live, 1, pause=0.01)
        made = make_endpoint(raw, vpc, service, [subnet], PrivateDnsEnabled=False)
        name = next(name for name in names_of(made)[0] if not name.startswith("*"))
        first = len(relay.begins())
        while not live.addresses(name)[1]:
            time.sleep(0.001)
        seen = time.monotonic()
        case.check(len(relay.begins()) > first, "a change is answered before a round could find it")
        wait_for("the round after it", lambda: len(relay.begins()) >= first + 2, seconds=60)
        began, until = relay.begins()[first:first + 2]
        late.append(1000 * (seen - relay.ended(began, until)))
    case.note(f"{where}: " + ", ".join(f"{ms:.1f}" for ms in late) + " ms")
    promised(case, f"with {where}, a change is answered after a round's last octet within", statistics.median(late), VISIBLE_MS, "ms")


def large(case):
    """1,000 VPCs and 10,000 endpoints: every name is answered as the API lists it; memory, and CPU of quiet rounds."""
    case.write("large-zones/all.toml", estate(1000, 10))
    api = Ec2Server(case, "--config", case.write("large.toml", "[limits]\nec2_calls_per_second = 100000\n"), zones="large-zones",
                    state="large-state")
    relay = Relay(case, api.api)
    live = followed(case, api, relay, 5, "large")
    quiet(live, 2)
    equal(case, api, live)
    visible(case, api, relay, live, "1,000 VPCs and 10,000 endpoints")
    quiet(live, 2)

    before = (cpu_ms(live), relay.octets, live.rounds("good"))
    quiet(live, 4)
    cpu, octets = cpu_ms(live) - before[0], relay.octets - before[1]
    case.note(f"{live.rounds('good') - before[2]:.0f} quiet rounds: {octets / 1e6:.1f} MB, {cpu} ms of CPU")
    promised(case, "a megabyte of a quiet round", cpu / (octets / 1e6), MS_A_MEGABYTE, "ms of CPU")
    plain = Server(case, "--socket", case.dir / "plain.sock", zones="large")
    time.sleep(2)
    over = (memory_kb(live) - memory_kb(plain)) / 1024
    case.note(f"memory: {memory_kb(live) >> 10} MiB with sync, {memory_kb(plain) >> 10} MiB of a server with the same files")
    promised(case, "memory over the served set", over, MEGABYTES, "MiB")
    for server in (plain, live, api):
        server.stop()


def equal(case, api, live):
    """What is answered is what the API lists: every regional name, and a private name of each VPC from inside of it."""
    with api.raw() as raw:
        cards = {card["networkInterfaceId"]: card["privateIpAddress"] for card in raw.all("DescribeNetworkInterfaces", MaxResults=1000)}
        endpoints = list(raw.all("DescribeVpcEndpoints", MaxResults=1000))
    case.equal("endpoints", len(endpoints), 10_000)
    asked = wrong = 0
    for number, endpoint in enumerate(endpoints):
        addresses = sorted(cards[card] for card in endpoint["networkInterfaceIdSet"])
        regional, _, private = names_of(endpoint)
        questions = [(next(name for name in regional if not name.startswith("*")), None)]
        if number % 10 == number // 10 % 10:
            inside = addresses[0].rsplit(".", 1)[0] + ".99"
            questions += [(name, inside) for name in private if not name.startswith("*")]
        for name, source in questions:
            asked += 1
            found = live.addresses(name, source)
            if found != ("NOERROR", addresses):
                wrong += 1
                case.check(wrong > 5, f"{name} from {source}: {found}, and the API lists {addresses}")
    case.checks += asked
    case.note(f"{asked} names of 10,000 endpoints are asked for, {wrong} are not as listed")
    case.equal("names that are not as listed", wrong, 0)


def quiet(live, more, pause=0.5):
    """Waits for so many rounds: those of a large account take a while where nothing is optimised."""
    before = live.rounds("good")
    wait_for("rounds", lambda: live.rounds("good") >= before + more, seconds=400, pause=pause)


def cpu_ms(server):
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) // os.sysconf("SC_CLK_TCK")


def memory_kb(server):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[1])

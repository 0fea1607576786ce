"""Files that `vpcedns push` puts into the store: every server of a fleet serves them, whole or not at all.

Three members of etcd, a server with the EC2 API and one that only follows. Pushed, changed, tried (`--dry-run`), pushed by two at one
time, and by one that is killed half-way; files that do not load, here or beside a server's own; a server that was away, etcd away, a
start without etcd; what others write into the keys of the files: paths out, wrong hashes, missing parts, too much.
"""

import hashlib
import json
import random
import signal
import subprocess
import threading
import time

from support.case import wait_for
from support.ec2 import Ec2Server, make_vpc
from support.etcd import Cluster
from support.server import Server

VPC = "vpc-ec43eb89"
NETWORK = f'[[vpc]]\nvpc_id = "{VPC}"\nregion = "us-east-1"\ncidr_blocks = ["127.0.0.0/24"]\nenable_dns_hostnames = true\n'
HEAD = "/vpcedns/f1/zones/head"
PARTS = "/vpcedns/f1/zones/p/"


def zone(address, ttl=60, vpc=VPC):
    return (f'[[hosted_zone]]\nname = "corp.example"\nvpc_ids = ["{vpc}"]\n'
            f'records = [{{ name = "db", type = "A", ttl = {ttl}, values = ["{address}"] }}]\n')


def run(case):
    case.need("etcd", "etcdctl")
    cluster = Cluster(case)
    fleet = PushedFleet(case, cluster)
    for check in (nothing_yet, pushed, looked_at, refused, replaced, two_at_once, killed, beside_own_files, beside_the_api, was_away,
                  hostile, etcd_away, taken_out):
        check(case, fleet)
    for server in fleet.servers:
        case.check("panicked" not in server.log_text(), "a panic", server.log_text()[-2000:])


class PushedFleet:
    """Servers `a`, with the API, and `b`; and the files."""

    def __init__(self, case, cluster):
        self.case, self.cluster = case, cluster
        case.write("config/vpcedns.toml", f'store = "{cluster.url}"\n')
        case.write("own-b/README.md", "nothing yet")
        self.a, self.b = self.start("a"), self.start("b")

    @property
    def servers(self):
        return self.a, self.b

    def start(self, name):
        env = {"VPCEDNS_SOCKET": f"./{name}.sock"}
        if name == "a":
            return Ec2Server(self.case, "--store", self.cluster.url, state="a", zones="own-a", http=True, env=env)
        return Server(self.case, "--store", self.cluster.url, "--ec2-state", "b", zones="own-b", http=True, env=env)

    def push(self, *words, directory="files", check=True):
        return self.case.run(self.case.binary, "push", directory, *words, "--config", "config/vpcedns.toml", check=check)

    def answers(self, name="db.corp.example"):
        """The addresses of a name at each server."""
        return [server.addresses(name)[1] for server in self.servers]

    def serve(self, what, *addresses, name="db.corp.example", seconds=15):
        """Waits until all servers answer so."""
        wanted = [list(addresses)] * 2
        try:
            wait_for(what, lambda: self.answers(name) == wanted, seconds)
        except Exception:
            self.case.equal(what, self.answers(name), wanted, "\n".join(server.get("/readyz")[1] for server in self.servers))

    def well(self, *servers):
        for server in servers or self.servers:
            wait_for("readiness", lambda server=server: "failing" not in server.get("/readyz")[1], 20)

    def say(self, words, *servers):
        """Waits until readiness has these words."""
        for server in servers or self.servers:
            wait_for(f"readiness to say '{words}'", lambda server=server: words in server.get("/readyz")[1], 20)

    def head(self):
        return json.loads(self.cluster.ctl("get", HEAD, "--print-value-only"))

    def parts(self):
        """The hashes of the parts in the store, and of those that the head names."""
        keys = self.cluster.ctl("get", "--prefix", PARTS, "--keys-only").split()
        named = {part["sha256"] for file in self.head()["files"] for part in file["parts"]}
        return {key.removeprefix(PARTS) for key in keys}, named


def source_of(server, name="pushed"):
    found = json.loads(server.get("/v1/generation")[1])["sources"]
    return next(source for source in found if source["source"] == name)


def nothing_yet(case, fleet):
    fleet.well()
    case.equal("answers before", fleet.answers(), [[], []])
    for server in fleet.servers:
        case.check(source_of(server)["good"], "the source of pushed files is not good", server.get("/readyz")[1])


def pushed(case, fleet):
    case.write("files/network.toml", NETWORK)
    case.write("files/zones/corp.toml", zone("127.0.0.50"))
    said = fleet.push("--dry-run")
    case.check("+ network.toml: comes" in said and "nothing was changed" in said, "a dry run", said)
    case.check("db.corp.example A" in said and "127.0.0.50" in said, "the answers that would change", said)
    case.equal("nothing was put there", fleet.cluster.ctl("get", "--prefix", "/vpcedns/f1/"), "")
    said, began = fleet.push(), time.monotonic()
    case.check("+ zones/corp.toml: comes" in said and "pushed: revision" in said, "the push", said)
    fleet.serve("what was pushed", "127.0.0.50")
    case.note(f"served by both {1000 * (time.monotonic() - began):.0f} ms after the push")
    fleet.well()
    for server in fleet.servers:
        case.equal("VPCs of the API's server and of the other", source_of(server)["good"], True)
    case.check(fleet.push().endswith("nothing to push\n"), "the same again")
    for name in ("a", "b"):
        file = case.dir / name / "zones.set"
        wait_for("the copy", file.exists)
        case.equal("who may read the copy", oct(file.stat().st_mode & 0o777), "0o600")
    case.check("@" in fleet.head()["by"], "who pushed", fleet.head()["by"])


def looked_at(case, fleet):
    """What changes is said, as JSON too; a file that changes is one part."""
    case.write("files/zones/corp.toml", zone("127.0.0.51"))
    plan = json.loads(fleet.push("--dry-run", "--json"))
    case.equal("the plan", ([file["path"] for file in plan["changed"]], plan["unchanged"], plan["new"], plan["gone"]),
               (["zones/corp.toml"], 1, [], []))
    case.check("127.0.0.51" in json.dumps(plan["answers"]), "the answers", json.dumps(plan)[:500])
    case.equal("answers after a dry run", fleet.answers(), [["127.0.0.50"]] * 2)
    done = json.loads(fleet.push("--json"))
    case.equal("the revision", done["revision"] <= fleet.cluster.revision(), True)
    fleet.serve("the change", "127.0.0.51")
    there, named = fleet.parts()
    case.equal("parts that no head names", there - named, set())
    listed = case.run(case.binary, "names", "--format", "zone", "--socket", "b.sock")
    case.check("127.0.0.51" in listed, "names of a server", listed)


def refused(case, fleet):
    """What would not load is not pushed, and is told by file and line; nothing changes."""
    before = fleet.cluster.ctl("get", HEAD)
    for path, text, words in (
        ("bad/zone.toml", zone("127.0.0.52", vpc="vpc-00000000"), "bad/zone.toml:3"),
        ("bad/zone.toml", zone("127.0.0"), "bad/zone.toml:4"),
        ("bad/zone.toml", "[[vpc]]\nvpcid = 1\n", "bad/zone.toml:2"),
        ("bad/zone.toml", '[[hosted_zone]]\nname = "a.example"\nvpc_ids = []\nfile = "../files/x.zone"\n', "outside the zones directory"),
    ):
        case.write(path, text)
        done = fleet.push(directory="bad", check=False)
        case.check(done.returncode == 1 and words in done.stderr and "hint:" in done.stderr, f"{words}: said", done.stdout + done.stderr)
    case.write("bad/zone.toml", "")
    (case.dir / "bad/out.toml").symlink_to("../files/network.toml")
    for directory, words in (("bad", "is outside of the directory, by a link"), ("none", "is not a directory"),
                             ("files/network.toml", "is not a directory")):
        done = fleet.push(directory=directory, check=False)
        case.check(done.returncode == 1 and words in done.stderr, f"{directory}: said", done.stdout + done.stderr)
    case.equal("the head", fleet.cluster.ctl("get", HEAD), before)
    fleet.serve("what is served", "127.0.0.51")


def replaced(case, fleet):
    """Files that go for the most part want a word for it."""
    case.write("few/network.toml", NETWORK)
    case.write("few/a.toml", "")
    case.write("none/README.md", "no file that is read")
    done = fleet.push(directory="none", check=False)
    case.check(done.returncode == 1 and "2 files of 2 in the store would go" in done.stderr and "--replace" in done.stderr,
               "an empty directory", done.stderr)
    fleet.push("--replace", directory="none")
    fleet.serve("nothing")
    fleet.push()
    fleet.serve("it again", "127.0.0.51")


def two_at_once(case, fleet):
    """One of two that push at one time is refused, or comes behind the other; what is served is of one of them, whole."""
    outcomes, lost = [], 0
    for number in range(6):
        for side in ("x", "y"):
            case.write(f"{side}/network.toml", NETWORK)
            for part in range(3):
                text = zone(f"127.0.0.{60 + 2 * number + (side == 'y')}").replace("corp", f"corp{part}")
                case.write(f"{side}/{part}.toml", text)
        done = {}
        threads = [threading.Thread(target=lambda side=side: done.update({side: fleet.push("--replace", directory=side, check=False)}))
                   for side in ("x", "y")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for side, result in done.items():
            outcomes.append(result.returncode)
            if result.returncode:
                lost += "somebody else pushed meanwhile" in result.stderr and "nothing was changed" in result.stderr
        settled = lambda: [[server.addresses(f"db.corp{part}.example")[1] for part in range(3)] for server in fleet.servers]
        one = lambda: (seen := settled())[0] == seen[1] and len({str(part) for part in seen[0]}) == 1 and seen[0][0]
        wait_for("both servers to have one of the two", one, 15)
    case.check(outcomes.count(0) >= 6, "pushes that came through", str(outcomes))
    case.equal("others were told why", lost, outcomes.count(1))
    case.note(f"two at one time: {outcomes.count(1)} of {len(outcomes)} pushes were refused")
    fleet.push("--replace")
    fleet.serve("one again", "127.0.0.51")
    there, named = fleet.parts()
    case.equal("parts that no head names", there - named, set())


def large(number, lines=60_000):
    """A file of some megabytes that declares nothing, which differs from one number to the next."""
    draw = random.Random(number)
    return "".join(f"# {draw.getrandbits(256):064x}\n" for _ in range(lines))


def killed(case, fleet):
    """A push that is killed leaves what was there; the next one takes out what it left."""
    case.write("files/large.toml", large(0))
    began = time.monotonic()
    fleet.push()
    took, halves = time.monotonic() - began, 0
    for number in range(1, 25):
        case.write("files/large.toml", large(number))
        case.write("files/zones/corp.toml", zone(f"127.0.0.{100 + number}"))
        before = fleet.head()["id"]
        process = subprocess.Popen([str(case.binary), "push", "files", "--config", "config/vpcedns.toml"], cwd=case.dir,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * (1 - number / 40))
        process.send_signal(signal.SIGKILL)
        process.wait()
        there, named = fleet.parts()
        case.check(named <= there, "parts of the head are missing", str(named - there))
        if fleet.head()["id"] == before and there - named:
            halves += 1
            if halves == 2:
                break
    case.check(halves > 0, "no push was killed half-way")
    fleet.push()
    fleet.serve("the push after it", f"127.0.0.{100 + number}")
    there, named = fleet.parts()
    case.equal("parts that are left over", there - named, set())
    (case.dir / "files/large.toml").unlink()
    case.write("files/zones/corp.toml", zone("127.0.0.51"))
    fleet.push()
    fleet.serve("the files of before", "127.0.0.51")


def beside_own_files(case, fleet):
    """A set that contradicts a server's own files is not served there, which says so; the others serve it."""
    case.write("own-b/mine.toml", NETWORK.replace(VPC, "vpc-0000000b").replace("127.0.0.0/24", "127.0.9.0/24"))
    wait_for("its own file", lambda: "vpc-0000000b" in case.run(case.binary, "names", "--format", "json", "--socket", "b.sock")
             or source_of(fleet.b, "files")["good"])
    case.write("files/more.toml", NETWORK.replace(VPC, "vpc-0000000b").replace("127.0.0.0/24", "127.0.8.0/24"))
    case.write("files/zones/corp.toml", zone("127.0.0.53"))
    fleet.push()
    wait_for("a to serve it", lambda: fleet.a.addresses("db.corp.example")[1] == ["127.0.0.53"])
    wait_for("b to say so", lambda: "more.toml" in fleet.b.get("/readyz")[1] and "vpc-0000000b" in fleet.b.get("/readyz")[1])
    case.equal("b serves what it had", fleet.b.addresses("db.corp.example")[1], ["127.0.0.51"])
    case.check(not source_of(fleet.b)["good"], "the source of b is good")
    # a restart meanwhile serves the last good one
    fleet.b.stop()
    fleet.b = fleet.start("b")
    case.equal("b after a restart", fleet.b.addresses("db.corp.example")[1], ["127.0.0.51"])
    wait_for("b to say so again", lambda: "more.toml" in fleet.b.get("/readyz")[1])
    (case.dir / "own-b/mine.toml").unlink()
    fleet.serve("what was pushed, once b's own file is gone", "127.0.0.53")
    (case.dir / "files/more.toml").unlink()
    fleet.push()
    fleet.well()


def beside_the_api(case, fleet):
    """Files may speak of what the API made; a push knows that."""
    with fleet.a.raw() as raw:
        vpc = make_vpc(raw, "127.0.7.0/24")
    case.write("files/api.toml", zone("127.0.0.77", vpc=vpc).replace("corp", "api"))
    fleet.push()
    for server in fleet.servers:
        wait_for("a zone of the API's VPC", lambda server=server: server.addresses("db.api.example", source="127.0.7.1")[1] == ["127.0.0.77"])
    (case.dir / "files/api.toml").unlink()
    fleet.push()


def was_away(case, fleet):
    """A server that was away serves what was pushed meanwhile soon after its start."""
    fleet.b.stop()
    case.write("files/zones/corp.toml", zone("127.0.0.54"))
    fleet.push()
    fleet.cluster.ctl("compact", str(fleet.cluster.revision()))
    fleet.b = fleet.start("b")
    fleet.serve("what was pushed meanwhile", "127.0.0.54")
    fleet.well()


def hostile(case, fleet):
    """What could not have been pushed is refused, each with its reason, and the last good files serve."""
    good, well = fleet.head(), lambda **values: {**fleet_good, "id": f"{int(fleet_good['id'], 16) + 1:020x}", "by": "evil", **values}
    fleet_good = good
    text = zone("127.0.0.66")
    digest = hashlib.sha256(text.encode()).hexdigest()
    part = {"sha256": digest, "octets": len(text)}
    fleet.cluster.ctl("put", PARTS + digest, input_text=text)
    other = hashlib.sha256(b"other").hexdigest()
    fleet.cluster.ctl("put", PARTS + other, text)
    file = lambda path, *parts: {"path": path, "parts": list(parts)}
    for words, head in (
        ("leads out of the directory", well(files=[file("../../etc/cron.d/x.toml", part)])),
        ("is absolute", well(files=[file("/etc/x.toml", part)])),
        ("is not what its name says", well(files=[file("x.toml", {"sha256": other, "octets": len(text)})])),
        ("is not what its name says", well(files=[file("x.toml", {**part, "octets": 7})])),
        ("is not there", well(files=[file("x.toml", {"sha256": "0" * 64, "octets": 1})])),
        ("has a part", well(files=[file("x.toml", {"sha256": "../../../zones.set", "octets": 1})])),
        ("MiB", well(files=[file("x.toml", *[{**part, "octets": 1 << 20}] * 300)])),
        ("twice", well(files=[file("x.toml", part), file("x.toml", part)])),
        ("is the name of no set", well(id="zzzz")),
        ("is older than the one that was served", well(id="0" * 20)),
        ("form 7", well(form=7)),
        ("cannot be read", "no JSON"),
    ):
        fleet.cluster.ctl("put", HEAD, "--", json.dumps(head) if isinstance(head, dict) else head)
        fleet.say(words)
        case.equal(f"{words}: what is served", fleet.answers(), [["127.0.0.54"]] * 2)
    # one that loads nowhere: it is read, and not served
    broken = "[[vpc]]\nvpcid = 1\n"
    digest = hashlib.sha256(broken.encode()).hexdigest()
    fleet.cluster.ctl("put", PARTS + digest, input_text=broken)
    fleet.cluster.ctl("put", HEAD, "--", json.dumps(well(files=[file("x.toml", {"sha256": digest, "octets": len(broken)})])))
    fleet.say("store:zones/x.toml:2")
    case.equal("what is served", fleet.answers(), [["127.0.0.54"]] * 2)
    fleet.push("--replace")
    fleet.serve("what is pushed over it", "127.0.0.54")
    fleet.well()
    there, named = fleet.parts()
    case.equal("parts that are left over", there - named, set())


def etcd_away(case, fleet):
    """Without etcd the last good files serve, over a restart too; and what is pushed then is not."""
    fleet.cluster.freeze()
    fleet.say("failing")
    fleet.b.stop()
    fleet.b = fleet.start("b")
    case.equal("answers without etcd", fleet.answers(), [["127.0.0.54"]] * 2)
    fleet.say("--store", fleet.b)
    done = case.run("timeout", "5", case.binary, "push", "files", "--config", "config/vpcedns.toml", check=False)
    case.check(done.returncode != 0, "a push without etcd", done.stdout)
    fleet.cluster.thaw()
    case.write("files/zones/corp.toml", zone("127.0.0.55"))
    wait_for("a push to come through", lambda: fleet.push(check=False).returncode == 0, 30)
    fleet.serve("what was pushed after it", "127.0.0.55")
    fleet.well()


def taken_out(case, fleet):
    """Keys that somebody deletes take no file away: the last good ones serve until the next push."""
    fleet.cluster.ctl("del", "--prefix", "/vpcedns/f1/")
    fleet.say("has been taken out")
    case.equal("what is served", fleet.answers(), [["127.0.0.55"]] * 2)
    fleet.push()
    fleet.serve("the same", "127.0.0.55")
    fleet.well()

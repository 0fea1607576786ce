"""`vpcedns trace`: what happens to a question on its way out, against upstreams that the test scripts."""

import json
import re
import time

from support import dns
from support.case import ROOT, wait_for
from support.server import NameServer, Server, Upstream, free_port

INSIDE, STRANGER = "127.0.1.5", "198.51.100.7"
PRIVATE = "ec2.us-east-1.amazonaws.com"


class Failing(NameServer):
    """Answers SERVFAIL to everything."""

    def reply(self, packet):
        return packet[:2] + b"\x81\x82" + packet[4:6] + b"\0\0\0\0\0\0" + packet[12:dns.name_end(packet[12:], 0) + 16]


def run(case):
    upstream = Upstream(case, flags=["--cname", f"www.shop.example={PRIVATE}", "--cname", "cdn.shop.example=far.example"])
    dead, failing = f"127.0.0.1:{free_port()}", Failing()
    (case.dir / "zones").mkdir()
    for file in sorted((ROOT / "zones").glob("*")):
        case.write(f"zones/{file.name}", file.read_text())
    rules = [("dead.example", dead), ("failing.example", "%s:%d" % failing.address)]
    case.write("zones/rules.toml", "".join(
        f'[[resolver_rule]]\ndomain_name = "{name}"\nrule_type = "FORWARD"\ntarget_ips = ["{target}"]\n' for name, target in rules))
    token = case.write("token", "secret-of-the-test\n")
    case.run("chmod", "600", token)
    server = Server(case, "--http-token", token, zones="zones", forward=upstream.target, http=True)
    wait_for("the control socket", (case.dir / "vpcedns.sock").exists)
    miss_and_hit(case, server, upstream)
    running(case, server)
    aliases(case, server, upstream)
    not_out(case, server, upstream)
    upstreams(case, dead, failing)
    access(case, server)
    case.equal("exit code", server.stop(), 0)
    failing.stop()
    done = case.run(case.binary, "trace", "www.example.com", check=False)
    case.equal("without a server: exit code", done.returncode, 1)
    case.check("hint: run this where `vpcedns serve` runs" in done.stderr, "without a server: no remedy", done.stderr)


def trace(case, name, *more, source=INSIDE, qtype="A"):
    """The document, and its events by kind."""
    said = json.loads(case.run(case.binary, "trace", name, qtype, "--from", source, "--json", *more))
    events = {}
    for event in said["live"]["events"]:
        events.setdefault(event["event"], []).append(event)
    return said, events


def as_on_the_wire(case, server, name, said, source=INSIDE):
    """The trace's answer is what a client is sent."""
    seen = server.ask(name, source=source)
    case.equal(f"{name}: rcode", said["live"]["rcode"], seen.rcode)
    addresses = sorted(record["data"] for record in said["live"]["answer"] if record["type"] == "A")
    case.equal(f"{name}: addresses", addresses, sorted(dns.show_rdata(r) for r in seen.answer if r.type == 1), seen)


def miss_and_hit(case, server, upstream):
    """Nothing stored, a round trip; then the stored reply with its age, and nobody is asked."""
    name = "www.miss.example"
    said, events = trace(case, name)
    case.equal("a miss: what the cache holds", [e["found"] for e in events["cache"]], ["nothing"])
    reply = events["reply"][0]
    case.equal("a miss: who replied", (reply["upstream"], reply["rcode"], reply["answers"]), (upstream.target, "NOERROR", 1))
    case.check(0 < reply["took_ms"] <= said["live"]["took_ms"], "a miss: round trip", reply)
    case.equal("a miss: kept", [e["seconds"] for e in events["kept"]], [60])
    case.equal("a miss: state", [(e["upstream"], e["state"], e["asked"]) for e in events["upstream"]], [(upstream.target, "up", True)])
    as_on_the_wire(case, server, name, said)
    time.sleep(1.1)
    said, events = trace(case, name)
    found = events["cache"][0]
    case.check(found["found"] == "fresh" and 1 <= found["age_s"] <= 30 and found["age_s"] + found["left_s"] in (60, 61),
               "a hit: age and time left", found)
    case.check("reply" not in events and "upstream" not in events, "a hit: somebody is asked", events)
    case.equal("a hit: questions at the upstream", sum(asked == name + "." for asked, _ in upstream.seen()), 1)
    text = case.run(case.binary, "trace", name, "--from", INSIDE)
    case.check(re.search(r"cache, www\.miss\.example A: a reply \d+ s old, good for another \d+ s", text), "a hit: the text", text)
    case.check(text.startswith(f"{name} A from {INSIDE} (the server at ./vpcedns.sock, generation "), "what was looked at", text)


def running(case, server):
    """What a running server serves is what its files say; each output says which it was."""
    files, served = ("--zones", "zones"), ("--socket", "./vpcedns.sock")
    at = f"the server at ./vpcedns.sock, generation {server.generation()}"

    def both(*words):
        return [case.run(case.binary, *words, *which) for which in (files, served)]
    for words in (["--format", "json"], ["--format", "json", "--vpc", "vpc-ec43eb89"]):
        of_files, of_server = (json.loads(text) for text in both("names", *words))
        case.equal(f"names {words}: looked at", (of_files.pop("looked_at"), of_server.pop("looked_at")), ("files in zones", at))
        case.equal(f"names {words}", of_server, of_files)
    for form, mark in (("table", ""), ("zone", "; "), ("hosts", "# ")):
        of_files, of_server = (set(text.splitlines()) for text in both("names", "--format", form))
        case.equal(f"names --format {form}", of_server ^ of_files, {f"{mark}{at}", f"{mark}files in zones"})
    of_files, of_server = (json.loads(text) for text in both("explain", PRIVATE, "--from", INSIDE, "--forward", "none", "--json"))
    case.equal("explain: looked at", (of_files.pop("looked_at"), of_server.pop("looked_at")), ("files in zones", at))
    of_server["generation"] = of_files["generation"]
    case.equal("explain", of_server, of_files)
    case.check(f"good: {at} (0 warnings)" in case.run(case.binary, "check", *served), "check of a server")
    wrong = case.write("zones/wrong.toml", '[[vpc]]\nvpc_id = "vpc-22222222"\nregio = "us-east-1"\n')
    wait_for("the load to fail", lambda: case.run(case.binary, "check", *served, check=False).returncode == 1)
    done = case.run(case.binary, "check", *served, check=False)
    case.check("wrong.toml:3" in done.stderr and "the last load failed: " in done.stdout and f"{at} keeps serving" in done.stdout,
               "check of a failed load", done.stdout + done.stderr)
    listed = json.loads(case.run(case.binary, "check", *served, "--json", check=False).stdout)
    case.check({"file", "line", "severity", "what", "hint"} <= set(listed["problems"][0]), "check --json", listed)
    case.equal("check --json: looked at", (listed["looked_at"], listed["good"]), (at, False))
    wrong.unlink()
    wait_for("a good load", lambda: case.run(case.binary, "check", *served, check=False).returncode == 0)
    unknown = case.run(case.binary, "names", *served, "--vpc", "vpc-00000000", check=False)
    case.check(unknown.returncode == 1 and "does not exist" in unknown.stderr, "names of an unknown VPC", unknown.stderr)
    gone = case.run(case.binary, "check", "--socket", "none.sock", check=False)
    case.check(gone.returncode == 1 and "no server answers on none.sock" in gone.stderr, "check without a server", gone.stderr)


def aliases(case, server, upstream):
    """Each alias with what it comes to: a private name, and one of the upstream's."""
    said, events = trace(case, "www.shop.example")
    alias = events["alias"][0]
    case.equal("an alias into a private name", alias["name"], PRIVATE)
    case.check("answered here, NOERROR: private name" in alias["outcome"], "an alias: its outcome", alias)
    case.equal("an alias: the end", {r["data"] for r in said["live"]["answer"] if r["type"] == "A"}, {"127.0.1.18", "127.0.1.82"})
    as_on_the_wire(case, server, "www.shop.example", said)
    case.check(not upstream.saw(PRIVATE), "a private name is asked upstream")
    _, events = trace(case, "cdn.shop.example")
    case.equal("an alias of the upstream's", [(e["name"], e["outcome"]) for e in events["alias"]],
               [("far.example", "what the upstream says of it stands")])


def not_out(case, server, upstream):
    """Private names, hosted zones and strangers: nobody is asked."""
    for name, source, rcode in ((PRIVATE, INSIDE, "NOERROR"), ("db.corp.example", INSIDE, "NOERROR"),
                                ("no.corp.example", INSIDE, "NXDOMAIN"), ("secret.example", STRANGER, "REFUSED")):
        said, events = trace(case, name, source=source)
        case.equal(f"{name} from {source}", (said["live"]["rcode"], list(events)), (rcode, ["decided"]))
        case.equal(f"{name}: the explanation says the same", said["rcode"], rcode)
        case.equal(f"{name}: steps", events["decided"][0]["steps"], said["steps"])
        case.check(not upstream.saw(name), f"{name} is asked upstream")
    said, _ = trace(case, PRIVATE, source="vpc-ec43eb89")
    case.equal("a VPC", said["live"]["rcode"], "NOERROR")
    unknown = case.run(case.binary, "trace", PRIVATE, "--from", "vpc-00000000", check=False)
    case.check(unknown.returncode == 1 and "the vpc ID 'vpc-00000000' does not exist" in unknown.stderr, "an unknown VPC", unknown.stderr)


def upstreams(case, dead, failing):
    """An upstream that is dead is named with why, and so is one that fails."""
    said, events = trace(case, "www.dead.example")
    refused = events["no_reply"][0]
    case.equal("a dead upstream", (refused["upstream"], refused["why"], said["live"]["rcode"]), (dead, "refused the connection", "SERVFAIL"))
    case.check(any(dead in error for error in said["live"]["extended_errors"]), "a dead upstream: extended error", said["live"])

    def is_down():
        _, events = trace(case, f"{time.monotonic_ns()}.dead.example")
        states = [(e["state"], e["asked"]) for e in events.get("upstream", [])]
        return states == [("down", False)] and "no_reply" not in events and events["upstream"][0]
    known = wait_for("the dead upstream to be known as down", is_down, pause=0.2)
    case.equal("one that is down: why", known["why"], "it answers nothing, names that it has answered included")
    said, events = trace(case, "www.failing.example")
    case.equal("a failing upstream", [(e["upstream"], e["rcode"]) for e in events["reply"]], [("%s:%d" % failing.address, "SERVFAIL")])
    case.check(events["kept"][0]["seconds"] > 0, "a failure is kept", events)
    _, events = trace(case, "www.failing.example")
    case.equal("a failure that is kept", [e["found"] for e in events["cache"]], ["failure"])


def access(case, server):
    """Over HTTP a live question requires the token, as changes do; the explanation alone does not."""
    at = server.http.removeprefix("http://")
    path = f"/v1/explain?name=www.example.com&from={INSIDE}"
    case.equal("explain over HTTP", server.get(path)[0], 200)
    case.equal("live over HTTP without the token", server.get(path + "&live")[0], 401)
    text = case.run(case.binary, "trace", "www.example.com", "--from", INSIDE, "--socket", "none.sock", "--http", at, "--http-token", "token")
    case.check(f"(the server at http://{at}, generation " in text, "over HTTP with the token", text)

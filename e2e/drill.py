"""Drills: each changes dig at once, for those it is for, says so everywhere, and ends by itself, by request and with the server."""

import json
import time

from support import dns
from support.case import ROOT, wait_for
from support.server import Server, Upstream

ONE = "vpc-ec43eb89"
EC2, BALANCING = "ec2.us-east-1.amazonaws.com", "vpce-088d25a4bbf4a7abc-ks83awe7.elasticloadbalancing.us-east-1.vpce.amazonaws.com"
BOTH = ["127.0.1.18", "127.0.1.82"]


def run(case):
    case.need("dig")
    zones = ROOT / "zones"
    upstream = Upstream(case)
    server = Server(case, "--socket", "control.sock", zones=zones, forward=upstream.target, http=True)
    zone_drill(case, server)
    name_faults(case, server)
    by_network(case, server)
    mistakes(case, server)
    doors(case, server)
    drill(case, "zone", "us-east-1a", "--for", "1h")
    (before,) = json.loads(drill(case, "list", "--json"))
    server.process.send_signal(1)
    wait_for("the reload", lambda: "no change" in server.log_text())
    case.equal("a reload keeps a drill", json.loads(drill(case, "list", "--json"))[0]["until"], before["until"])
    case.equal("exit code", server.stop(), 0)
    again = Server(case, "--socket", "control.sock", zones=zones, forward=upstream.target)
    case.equal("after a restart", (drill(case, "list"), dig(case, again)), ("no drill runs\n", BOTH))
    case.equal("exit code", again.stop(), 0)


def drill(case, *words, check=True):
    return case.run(case.binary, "drill", *words, "--socket", "control.sock", check=check)


def dig(case, server, name=EC2, source="127.0.1.5", kind="A"):
    """The sorted lines of `dig +short`."""
    return sorted(case.run("dig", "+short", "-b", source, "@127.0.0.1", "-p", server.port, name, kind).split())


def extra(server, name, source="127.0.1.5"):
    seen = server.ask(name, "A", edns=1232, source=source)
    return seen.rcode, [text for _, text in dns.extended_errors(seen)]


def metric(server, line):
    return next((float(each.split()[-1]) for each in server.get("/metrics")[1].splitlines() if each.startswith(line + " ")), None)


def zone_drill(case, server):
    """A zone that is down for one VPC, for four seconds."""
    case.equal("before", dig(case, server), BOTH)
    generation, began = server.generation(), time.monotonic()
    said = drill(case, "zone", "us-east-1a", "--vpc", ONE, "--for", "4s")
    case.check(said.startswith("drill 1: us-east-1a is down until ") and f"clients of {ONE}" in said, "what it says", said)
    case.equal("at once", dig(case, server), BOTH[1:])
    case.equal("generation", server.generation(), generation + 1)
    case.equal("a hosted zone's alias", dig(case, server, "balancer.corp.example"), ["127.0.1.81"])
    case.equal("a regional name, of another VPC's client", dig(case, server, BALANCING, "127.0.2.5"), ["127.0.1.17", "127.0.1.81"])
    zonal = BALANCING.replace("ks83awe7", "ks83awe7-us-east-1a")
    case.equal("a zonal name of that zone", dig(case, server, zonal), ["127.0.1.17"])
    case.equal("a service with that zone alone", dig(case, server, "1.dkr.ecr.us-east-1.amazonaws.com"), ["127.0.1.19"])
    rcode, texts = extra(server, EC2)
    case.check(rcode == "NOERROR" and texts and texts[0].startswith("drill 1: us-east-1a is down until "), "the extended error", texts)
    case.equal("of another VPC's client", extra(server, BALANCING, "127.0.2.5"), ("NOERROR", []))
    explained = json.loads(server.get(f"/v1/explain?name={EC2}&from=127.0.1.5")[1])
    case.check(explained["reason"].startswith("drill 1: ") and any(step.startswith("drill 1: us-east-1a is down") for step in explained["steps"]),
               "explain does not say so", explained)
    case.check("\ndrill      1: us-east-1a is down until " in case.run(case.binary, "status", "--socket", "control.sock"), "status does not say so")
    listed = json.loads(drill(case, "list", "--json"))
    case.equal("list", [(each["id"], each["fault"], each["at"], each["vpcs"]) for each in listed], [(1, "zone", "us-east-1a", [ONE])])
    case.equal("drills that run", metric(server, "vpcedns_drills"), 1)
    case.check(metric(server, 'vpcedns_drilled_answers_total{fault="zone"}') >= 3, "drilled answers", server.get("/metrics")[1])
    wait_for("the end of the drill", lambda: dig(case, server) == BOTH)
    took = time.monotonic() - began
    case.check(took > 3.5, f"it ended after {took:.1f} s of 4")
    case.note(f"a drill of 4 s was over after {took:.1f} s")
    case.equal("drills that run then", (metric(server, "vpcedns_drills"), extra(server, EC2)), (0, ("NOERROR", [])))
    log = server.log_text()
    for line in (f"drill 1 begins, for 4 s: us-east-1a is down, for clients of {ONE}", "drill 1 ends, as its time is over: us-east-1a is down"):
        case.check(line in log, f"the log does not say: {line}", log)
    for zone in ("us-east-1a", "us-east-1b"):
        drill(case, "zone", zone)
    case.equal("every zone is down", dig(case, server), BOTH)
    case.equal("both end", drill(case, "end", "--all").count("ended: drill "), 2)


def name_faults(case, server):
    """NXDOMAIN, SERVFAIL and delay, of private and of forwarded names, over UDP and TCP."""
    drill(case, "name", EC2, "--nxdomain", "--vpc", ONE)
    rcode, texts = extra(server, EC2)
    case.check(rcode == "NXDOMAIN" and f"{EC2} is NXDOMAIN" in texts[0], "a private name", (rcode, texts))
    seen = server.ask(EC2, "AAAA", source="127.0.1.5", tcp=True)
    case.equal("over TCP, nothing to remember it by", (seen.rcode, seen.authority), ("NXDOMAIN", []))
    case.equal("of another VPC's client", server.ask(EC2, "A", source="127.0.2.5").rcode, "NOERROR")
    row = json.loads(server.get(f"/v1/report?vpc={ONE}&word=ec2")[1])["rows"][0]
    case.equal("the report", (row["status"], row["causes"][0]["reason"]), ("OFF", "drill"))
    drill(case, "end", "--all")
    case.equal("the report after it", json.loads(server.get(f"/v1/report?vpc={ONE}&word=ec2")[1])["rows"][0]["status"], "PRIVATE")
    case.equal("a forwarded name", server.ask("up.example", "A", source="127.0.1.5").rcode, "NOERROR")
    drill(case, "name", "*.example", "--servfail")
    case.equal("the same, cached", extra(server, "up.example")[0], "SERVFAIL")
    drill(case, "end", "--all")
    drill(case, "name", "up.example", "--delay", "300")
    drill(case, "name", EC2, "--delay", "300")
    for name in ("up.example", EC2):
        for tcp in (False, True):
            began = time.monotonic()
            seen = server.ask(name, "A", source="127.0.1.5", tcp=tcp, timeout=5)
            took = time.monotonic() - began
            case.check(seen.rcode == "NOERROR" and took >= 0.3, f"{name} tcp={tcp}: {took:.3f} s", seen)
    began = time.monotonic()
    server.ask(BALANCING, "A", source="127.0.1.5")
    case.check(time.monotonic() - began < 0.25, "another name waits, too")
    case.check(metric(server, 'vpcedns_drilled_answers_total{fault="delay"}') == 4, "delayed answers", server.get("/metrics")[1])
    drill(case, "end", "--all")


def by_network(case, server):
    drill(case, "zone", "us-east-1b", "--client", "127.0.1.5", "--client", "127.0.1.64/26")
    for source, wanted in (("127.0.1.5", BOTH[:1]), ("127.0.1.6", BOTH), ("127.0.1.70", BOTH[:1]), ("127.0.1.128", BOTH)):
        case.equal(f"a client at {source}", dig(case, server, source=source), wanted)
    number = json.loads(drill(case, "list", "--json"))[0]["id"]
    case.check(f"ended: drill {number}: " in drill(case, "end", str(number)), "the end by number")
    case.equal("after it", dig(case, server), BOTH)


def mistakes(case, server):
    """What cannot be meant is refused, with what to do; nothing is published."""
    generation = server.generation()
    for words, code, said in [
        (["zone", "us-east-1c"], 1, "no endpoint has an interface in us-east-1c: did you mean us-east-1"),
        (["zone", "eu-central-1a"], 1, "zones are us-east-1a, us-east-1b"),
        (["zone", "us-east-1a", "--vpc", "vpc-ec43eb88"], 1, f"there is no VPC vpc-ec43eb88 here: did you mean {ONE}?"),
        (["zone", "us-east-1a", "--client", "10.0.1"], 1, "client=10.0.1 is not an address or network: give one such as 10.0.1.0/24"),
        (["zone", "us-east-1a", "--for", "25h"], 2, "'25h' is not a time of 1 second to 24 hours: give one such as 90s or 10m"),
        (["zone", "us-east-1a", "--for", "0"], 2, "is not a time of 1 second to 24 hours"),
        (["name", EC2], 2, "--nxdomain"),
        (["name", EC2, "--nxdomain", "--servfail"], 2, "cannot be used with"),
        (["name", EC2, "--delay", "5001"], 2, "5001 is not in 1..=5000"),
        (["end", "99"], 1, "no drill 99 runs: none runs"),
        (["end"], 2, "required"),
    ]:
        done = drill(case, *words, check=False)
        case.check(done.returncode == code and said in done.stderr, f"{words}: exit {done.returncode}", done.stderr)
    case.equal("nothing was published", server.generation(), generation)
    for _ in range(32):
        drill(case, "name", "x.example", "--servfail")
    case.check("32 drills run already: end one" in drill(case, "name", "x.example", "--servfail", check=False).stderr, "the 33rd drill")
    drill(case, "end", "--all")
    done = case.run(case.binary, "drill", "list", "--socket", "nobody.sock", check=False)
    case.check(done.returncode == 1 and "no server answers on nobody.sock" in done.stderr, "no server", done.stderr)


def doors(case, server):
    """Over HTTP without a token, drills are seen and not begun."""
    address = server.http.removeprefix("http://")
    done = case.run(case.binary, "drill", "zone", "us-east-1a", "--socket", "nobody.sock", "--http", address, check=False)
    case.check(done.returncode == 1 and "require the control socket (--socket)" in done.stderr, "begun over HTTP", done.stderr)
    done = case.run(case.binary, "drill", "end", "--all", "--socket", "nobody.sock", "--http", address, check=False)
    case.check(done.returncode == 1 and "require the control socket (--socket)" in done.stderr, "ended over HTTP", done.stderr)
    case.equal("read over HTTP", server.get("/v1/drills"), (200, "[]"))

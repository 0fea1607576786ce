"""10,000 questions through the server, cold and then out of its cache, and to Knot itself: no difference."""

import random
import re
import time
import urllib.error
import urllib.request
from collections import Counter

from support import dns
from support.knot import Knot, zone_file
from support.server import Server

QUESTIONS = 10_000
SEED = 8767
ORIGIN = "diff.example."
HOSTS = 400
BY_DESIGN = ("AA is Knot's alone and RA the server's; where a reply is cut, what is left of it is each server's choice, "
             "and the whole is compared over TCP")
IN_FLIGHT = 64
# a type that nobody knows (RFC 3597)
UNKNOWN = 65400
AA, TC, RA = 0x400, 0x200, 0x80

# what changes over HTTP require
TOKEN = "correct-horse-battery-staple"


def run(case):
    case.need("knotd")
    knot = start_knot(case)
    (case.dir / "zones").mkdir()
    token = case.write("token", TOKEN + "\n")
    token.chmod(0o600)
    server = Server(case, "--http-token", token, zones=case.dir / "zones", forward=f"127.0.0.1:{knot[1]}", http=True)
    questions = make_questions(random.Random(SEED))
    theirs = ask_all(knot, questions)
    begin = time.monotonic()
    cold = ask_all(server.address, questions)
    warm = ask_all(server.address, questions)
    kinds = compare(case, knot, server, questions, theirs, cold, "cold", begin)
    hits = metric(server, "cache_hits")
    compare(case, knot, server, questions, theirs, warm, "warm", begin)
    case.check(hits > 0.9 * QUESTIONS, f"only {hits} answers came out of the cache")
    case.check(metric(server, "cache_stale") == 0, "stale answers while the upstream answers")
    flushing(case, server)
    case.note(f"{QUESTIONS} questions cold and warm, seed {SEED}, {hits} hits, {time.monotonic() - begin:.1f} s: "
              + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))
    case.note(f"by design: {BY_DESIGN}")


def zone():
    """Names of every sort: hosts, aliases of both kinds, wildcards, delegations, long texts, types nobody knows."""
    lines = [f"$ORIGIN {ORIGIN}", "$TTL 600", "@ 3600 SOA ns hostmaster 1 7200 900 1209600 300", "@ NS ns",
             "ns A 192.0.2.53", "ns AAAA 2001:db8::53", "@ MX 10 mail", "mail A 192.0.2.25",
             "*.wild A 192.0.2.77", "*.wild TXT \"any\"", "a.b.c.deep A 192.0.2.9",
             "old DNAME new", "x.new A 192.0.2.10", "y.z.new TXT \"new\"",
             "cut NS ns.cut", "ns.cut A 192.0.2.54", "secure.cut2 TXT \"x\"",
             "svc HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1", "_sip._udp SRV 1 2 5060 mail",
             f"odd TYPE{UNKNOWN} \\# 4 01020304", f"odd TYPE{UNKNOWN + 1} \\# 0"]
    for n in range(HOSTS):
        lines += [f"h{n} {60 + n} A 192.0.2.{n % 250 + 1}", f"h{n} {60 + n} A 198.51.100.{n % 250 + 1}"]
        if n % 3 == 0:
            lines.append(f"h{n} AAAA 2001:db8::{n:x}")
        lines.append(f"c{n} CNAME {'c' if n % 5 else 'h'}{n - 1 if n % 5 else n}")
    for n in range(20):
        lines += [f"big{n} TXT " + " ".join(f'"{n:03}{part:03}{"x" * 200}"' for part in range(1 + n))]
    lines += ["gone CNAME nowhere", "away CNAME elsewhere.example."]
    return "\n".join(lines) + "\n"


def make_questions(rng):
    """(name in wire form, type, EDNS payload or None, DO), as they come in a day."""
    owners = [f"h{n}" for n in range(HOSTS)] + [f"c{n}" for n in range(HOSTS)]
    special = ["", "ns", "mail", "odd", "svc", "_sip._udp", "deep", "b.c.deep", "a.b.c.deep", "old", "x.old", "y.z.old",
               "no.old", "x.new", "cut", "www.cut", "ns.cut", "wild", "gone", "away", "cut2"]
    special += [f"big{n}" for n in range(20)]
    kinds = ["A", "A", "A", "AAAA", "AAAA", "TXT", "MX", "HTTPS", "SOA", "NS", "CNAME", "SRV", "DS", 48, 47, UNKNOWN, 1234]
    questions = []
    for _ in range(QUESTIONS):
        dice = rng.random()
        label = "".join(rng.choice("abcdefghij") for _ in range(6))
        if dice < 0.5:
            name = rng.choice(owners)
        elif dice < 0.7:
            name = rng.choice(special)
        elif dice < 0.8:
            name = f"{label}.wild"
        else:
            name = label if dice < 0.95 else f"{label}.{rng.choice(owners)}"
        name = f"{name}.{ORIGIN}" if name else ORIGIN
        if dice > 0.99:
            name = f"{label}.elsewhere.example."
        wire = dns.name_to_wire(name.upper() if rng.random() < 0.1 else name)
        kind = rng.choice(kinds) if not name.startswith("big") else "TXT"
        edns = rng.choice([None, 1232, 1232, 4096])
        questions.append((wire, dns.TYPES.get(kind, kind), edns, edns is not None and rng.random() < 0.5))
    return questions


def start_knot(case):
    """Knot with the zone, which it signs; returns its address."""
    knot = Knot(case, {ORIGIN: "one"}, "  - id: one\n    single-type-signing: on")
    case.write(zone_file(ORIGIN), zone())
    return knot.start()


def ask_all(address, questions):
    """(time, reply) in the order of the questions, asked with a bounded number in flight over one socket."""
    replies = [None] * len(questions)
    with dns.udp_socket(address) as sock:
        for _ in range(3):  # what a busy machine lost is asked again
            left = [n for n, reply in enumerate(replies) if reply is None]
            for start in range(0, len(left), IN_FLIGHT):
                waiting = {n & 0xFFFF: n for n in left[start:start + IN_FLIGHT]}
                for n in waiting.values():
                    sock.send(packet(n, questions[n]))
                sock.settimeout(3.0)
                while waiting:
                    try:
                        reply = sock.recv(65535)
                    except TimeoutError:
                        break
                    n = waiting.pop(int.from_bytes(reply[:2], "big"), None)
                    if n is not None:
                        replies[n] = (time.monotonic(), reply)
    return replies


def packet(n, question):
    name, kind, edns, do = question
    return dns.question(n & 0xFFFF, name, kind, edns=edns, do=do)


def compare(case, knot, server, questions, theirs, ours, what, begin):
    """Judges every reply; returns how many there were of each sort. Nothing is cached from before `begin`."""
    kinds = Counter()
    for n, (question, one, other) in enumerate(zip(questions, ours, theirs)):
        title = f"{what} {dns.show_name(question[0])} {dns.TYPE_NAMES.get(question[1], question[1])} edns={question[2:]}"
        if one is None or other is None:
            case.check(False, f"{title}: no reply from {'the server' if one is None else 'Knot'}")
            continue
        age = one[0] - begin
        mine, reference = dns.decode(one[1]), dns.decode(other[1])
        if not case.check(one[1][12:12 + len(question[0])] == question[0], f"{title}: the name has another case"):
            continue
        if reference.flags & TC:
            kinds["TC"] += 1
            if not case.check(mine.flags & TC, f"{title}: is not cut", f"Knot: {reference}\nours: {mine}"):
                continue
            mine = dns.decode(dns.exchange_tcp(server.address, packet(n, question)))
            reference = dns.decode(dns.exchange_tcp(knot, packet(n, question)))
            age = time.monotonic() - begin
        kinds["NODATA" if reference.rcode == "NOERROR" and not reference.answer else reference.rcode] += 1
        case.check(essence(mine) == essence(reference), title, f"the server: {mine}\nKnot:       {reference}")
        slow = [f"{a.ttl} for {b.ttl}" for a, b in zip(records(mine), records(reference))
                if not b.ttl - age - 1 <= a.ttl <= b.ttl]
        case.check(not slow, f"{title}: after {age:.1f} s TTLs are {', '.join(slow)}")
    return kinds


def flushing(case, server):
    """By hand, what is cached goes, and a web page cannot have it go."""
    http = server.http.removeprefix("http://")
    server.ask(f"h1.{ORIGIN}", "A")
    said = case.run(case.binary, "flush", f"h1.{ORIGIN}", "--http", http)
    case.check(re.fullmatch(r"flushed [1-9]\d* repl(y|ies)\n", said), f"flush NAME says {said!r}")
    asked = metric(server, "cache_misses")
    server.ask(f"h1.{ORIGIN}", "A")
    case.equal("questions after a flush that go upstream", metric(server, "cache_misses"), asked + 1)
    for headers in ({"Origin": "http://page.example"}, {"Host": "page.example:80"}):
        case.equal(f"HTTP status of a flush with {headers}", post(server, "/v1/flush?all", headers), 403)
    for query in ("", "name=a&zone=b", "name=a..b"):
        case.equal(f"HTTP status of /v1/flush?{query}", post(server, f"/v1/flush?{query}", {"Authorization": f"Bearer {TOKEN}"}), 400)
    case.equal("HTTP status of a flush without the token", post(server, "/v1/flush?all", {}), 401)
    held = metric(server, "cache_entries")
    case.check(held > 1000, f"{held} replies are held")
    case.equal("flush --zone", case.run(case.binary, "flush", "--zone", ORIGIN, "--http", http).split()[0], "flushed")
    case.check(metric(server, "cache_entries") <= 200, "replies of other names stay, and no more")
    case.run(case.binary, "flush", "--all", "--http", http)
    case.equal("replies held after a flush of all", metric(server, "cache_entries"), 0)


def post(server, path, headers):
    """The HTTP status of a POST without a body."""
    request = urllib.request.Request(server.http + path, data=b"", headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def records(message):
    return message.answer + message.authority + message.additional


def essence(message):
    """What has to be the same, in the same order."""
    plain = [[(r.name, r.type, r.cls, r.rdata) for r in section]
             for section in (message.answer, message.authority, message.additional)]
    do = message.opt and message.opt.ttl & 0x8000
    return (message.rcode, message.flags & ~(AA | RA), plain, do, dns.extended_errors(message))


def metric(server, name):
    """The value of a counter of the server."""
    lines = server.get("/metrics")[1].splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"vpcedns_{name}"))

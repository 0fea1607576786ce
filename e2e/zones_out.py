"""Knot, NSD and BIND take zones over: changes follow by NOTIFY, and the same questions get the same answers, in two VPCs.

The normal form makes 500 changes and asks 5,000 questions; `e2e/run --full` 1,000 and 50,000, and 10,000 hostile connections."""

import os
import random
import shutil
import socket
import struct
import time
from pathlib import Path

import nsd_diff
import zone_diff
from support import dns, secondaries, tsig
from support import zones as z
from support.case import Failure, wait_for
from support.server import Server, free_port

FULL = os.environ.get("E2E_FULL") == "1"
CHANGES, QUESTIONS, HOSTILE, RECORDS = (1000, 50_000, 10_000, 100_000) if FULL else (500, 5000, 1000, 5000)
BATCHES = 20
SEED = 1995
VPC_A, VPC_B = "vpc-0000000a", "vpc-0000000b"
# clients of the VPCs, by their addresses
INSIDE = {VPC_A: "127.16.0.9", VPC_B: "127.17.0.9"}
KEY_A = secondaries.Key("key-a", "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBvY3RldHMuLi4=")
KEY_B = secondaries.Key("key-b", "YW5vdGhlciBvbmUgb2Ygc2l4dHktZm91ciBvY3RldHMsIHdpdGggU0hBLTUxMg==", "hmac-sha512")
KINDS = ["A", "A", "A", "AAAA", "TXT", "MX", "SRV", "CNAME", "SOA", "NS", "DNAME"]
FILES = ["r0.net.", "r1.net.", "r2.net."]
# an endpoint of VPC A: service, and how many interfaces it has
SERVICES = [("ec2", 3), ("ecr.dkr", 2), ("s3", 2), ("sqs", 1), ("execute-api", 2), ("kinesis-streams", 1)]
COMES_AND_GOES = 5
LARGE = "large.example."
HOSTNAME = b"\x04vpce\x09amazonaws"


class World:
    """What the primary serves, as files, one of which each change rewrites."""

    def __init__(self, case, rng):
        self.case, self.rng = case, rng
        self.addresses = {n: [10 + n] * count for n, (_, count) in enumerate(SERVICES)}
        self.gone, self.marks = False, 0
        self.hosts = {f"h{n}": [n + 1] for n in range(20)}
        self.lines = {origin: zone_diff.made(rng).splitlines() for origin in FILES}
        network = z.vpc(VPC_A, "127.16.0.0/16", "fd00:16::/56") + z.vpc(VPC_B, "127.17.0.0/16")
        for n, zone in enumerate("abc"):
            network += z.table("subnet", subnet_id=f"subnet-000000a{n}", vpc_id=VPC_A, availability_zone=z.REGION + zone,
                               cidr_block=f"127.16.{n}.0/24", ipv6_cidr_block=f"fd00:16:0:{n}::/64")
        network += z.subnet("subnet-000000b0", VPC_B, "a", "127.17.0.0/24")
        network += z.endpoint("vpce-00000000000000b01", VPC_B, "ec2", "suffixb1", [("subnet-000000b0", "127.17.0.77")])
        network += z.table("hosted_zone", name="corp.example", vpc_ids=[VPC_B],
                           records=[{"name": "h1", "type": "A", "ttl": 60, "values": ["192.0.2.201"]}])
        for origin in FILES:
            network += f'[[hosted_zone]]\nname = "{origin}"\nvpc_ids = ["{VPC_A}"]\nfile = "{origin}zone"\n'
        large = "\n".join(f"n{n} 300 A 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(RECORDS))
        case.write(f"zones/{LARGE}zone", f"$ORIGIN {LARGE}\n{large}\n")
        network += f'[[hosted_zone]]\nname = "{LARGE}"\nvpc_ids = ["{VPC_B}"]\nfile = "{LARGE}zone"\n'
        for origin in FILES:
            self.write_file(origin)
        case.write("zones/network.toml", network)
        self.write_endpoints()
        self.write_corp()

    def write_file(self, origin):
        self.case.write(f"zones/{origin}zone", "\n".join(self.lines[origin]) + "\n")

    def write_endpoints(self):
        text = ""
        for n, (service, _) in enumerate(SERVICES):
            cards = [(f"subnet-000000a{at}", f"127.16.{at}.{last}", f"fd00:16:0:{at}::{last:x}")
                     for at, last in enumerate(self.addresses[n])]
            state = "deleted" if n == COMES_AND_GOES and self.gone else "available"
            text += z.endpoint(f"vpce-0000000000000000{n}", VPC_A, service, f"suffix0{n}", cards, state=state,
                               dns_record_ip_type="dualstack" if n % 2 else "ipv4")
        self.case.write("zones/endpoints.toml", text)

    def write_corp(self):
        records = [{"name": name, "type": "A", "ttl": 60, "values": [f"192.0.2.{value}" for value in values]}
                   for name, values in self.hosts.items()]
        records += [{"name": "ec2", "alias": "vpce-00000000000000000"}, {"name": "*.w", "alias": "vpce-00000000000000003"},
                    {"name": "www", "type": "CNAME", "ttl": 60, "values": ["h1.corp.example"]}]
        self.case.write("zones/corp.toml", z.table("hosted_zone", name="corp.example", vpc_ids=[VPC_A], records=records))

    def change(self, number):
        """One change: an address, a record, a line of a master file, or an endpoint that comes or goes."""
        match self.rng.randrange(10):
            case 0 | 1 | 2:
                addresses = self.addresses[self.rng.randrange(len(SERVICES))]
                # an address is in use once
                at, taken = self.rng.randrange(len(addresses)), {last for all in self.addresses.values() for last in all}
                addresses[at] = self.rng.choice([last for last in range(10, 250) if last not in taken])
                self.write_endpoints()
            case 3 | 4 | 5:
                name = f"h{self.rng.randrange(30)}"
                if name in self.hosts and name != "h1" and self.rng.random() < 0.3:
                    del self.hosts[name]
                else:
                    self.hosts[name] = self.rng.sample(range(1, 200), self.rng.randint(1, 3))
                self.write_corp()
            case 6 | 7 | 8:
                lines = self.lines[self.rng.choice(FILES)]
                lines[:] = [line for line in lines if not line.startswith("change-")] + [f"change-{number % 7} TXT {number}"]
                for origin in FILES:
                    if self.lines[origin] is lines:
                        self.write_file(origin)
            case _:
                self.gone = not self.gone
                self.write_endpoints()


    def mark(self, primary):
        """Makes one more change, and waits until zones are given out with it, and so with all before it."""
        self.marks += 1
        self.hosts["mark"] = [self.marks]
        self.write_corp()

        def is_there():
            return any(line[0] == "mark.corp.example." and line[4] == f"192.0.2.{self.marks}" for line in primary.dig("corp.example", KEY_A))

        try:
            wait_for("the last change", is_there, 60, 0.05)
        except Failure as failure:
            raise Failure(f"{failure}\n{primary.server.log_text()[-3000:]}") from None


class Primary:
    """The server, and what its secondaries are told."""

    def __init__(self, case):
        self.case, self.transfer, self.targets = case, ("127.0.0.1", free_port()), []
        self.newest = {}

    def write_keys(self, notify_a, notify_b):
        def entry(key, vpc, notify):
            return z.table("key", name=key.name, algorithm=key.algorithm, secret=key.secret, vpc_id=vpc,
                           notify=[f"{host}:{port}" for host, port in notify])
        path = self.case.write("keys.toml", entry(KEY_A, VPC_A, notify_a) + entry(KEY_B, VPC_B, notify_b))
        path.chmod(0o600)

    def start(self):
        self.server = Server(self.case, "--transfer", "{}:{}".format(*self.transfer), "--transfer-keys", "keys.toml",
                             "--transfer-serials", "serials", zones="zones", http=True)
        wait_for("the first round", self.answers, 30)

    def answers(self):
        """Whether zones are given out: that begins after the server answers questions."""
        try:
            return self.serial(secondaries.CATALOG, KEY_A) is not None
        except TimeoutError:
            return False

    def ask(self, name, kind, key=KEY_A, tcp=False, **options):
        packet = tsig.sign(dns.question(random.randrange(1 << 16), name, kind), key.name, key.secret, key.algorithm, **options)
        exchange = dns.exchange_tcp if tcp else dns.exchange_udp
        return dns.decode(exchange(self.transfer, packet))

    def serial(self, zone, key):
        """The serial of a zone, None where there is none; it must never fall."""
        serial = serial_in(self.ask(zone, "SOA", key))
        if serial is not None:
            before = self.newest.get((zone, key.name), serial)
            ahead = (serial - before) % (1 << 32)
            self.case.check(ahead < 1 << 31, f"the serial of {zone} fell from {before} to {serial}")
            self.newest[zone, key.name] = serial
        return serial

    def dig(self, zone, key, kind="AXFR"):
        """The records of a zone as dig prints them, who checks each signature."""
        out = self.case.run("dig", "+tcp", "+onesoa", "-p", self.transfer[1], "@127.0.0.1", "-y", key.dig(), zone, kind)
        if "Couldn't verify signature" in out or "failed" in out:
            raise Failure(f"dig does not take {zone} over\n{out[-1000:]}")
        lines = [line.split(None, 4) for line in out.splitlines() if line and not line.startswith(";")]
        return [line for line in lines if line[3] != "TSIG"]

    def zones(self, key):
        """The zones of a key, from its catalog."""
        return sorted(line[4] for line in self.dig(secondaries.CATALOG, key) if line[3] == "PTR")


def serial_in(message):
    found = [record for record in message.answer if record.type == 6]
    return struct.unpack("!I", found[0].rdata[-20:-16])[0] if message.rcode == "NOERROR" and found else None


def run(case):
    case.need("dig", "knotd", "nsd", "named")
    rng = random.Random(SEED)
    world, primary = World(case, rng), Primary(case)
    # the secondaries are there first, and know of no zone
    names = {f"{service}.{z.REGION}.amazonaws.com." for service in ("ec2", "s3", "sqs")}
    for_nsd = sorted(names | {"corp.example.", *FILES, f"vpce-00000000000000000-suffix00.ec2.{z.SUFFIX}."})
    servers = {
        "Knot": secondaries.knot(case, KEY_A, primary.transfer),
        "NSD": secondaries.nsd(case, KEY_A, primary.transfer, for_nsd),
        "BIND": secondaries.bind(case, KEY_A, primary.transfer),
    }
    knot_b = secondaries.knot(case, KEY_B, primary.transfer, "knot-b")
    primary.write_keys(servers.values(), [knot_b])
    primary.start()
    follow(case, primary, servers, for_nsd)
    changes_and_questions(case, world, primary, servers, for_nsd, rng)
    two_views(case, primary, servers, knot_b)
    requests(case, primary)
    restarts(case, world, primary, servers, for_nsd)
    hostile(case, primary)
    secrets(case, primary)


def follow(case, primary, servers, for_nsd, seconds=40):
    """Waits until each secondary has what the primary has now; returns the zones."""
    zones = primary.zones(KEY_A)
    begin, left = time.monotonic(), []

    def is_there():
        left.clear()
        for server, address in servers.items():
            for zone in for_nsd if server == "NSD" else zones:
                wanted = primary.serial(zone, KEY_A)
                if wanted is None:
                    continue
                try:
                    found = serial_in(dns.ask(address, zone, "SOA", timeout=0.5, rd=False))
                except TimeoutError:
                    found = None
                if found != wanted:
                    left.append(f"{server} has {zone} {found}, and the primary {wanted}")
                    return False
        return True

    try:
        wait_for("the secondaries to follow", is_there, seconds, 0.05)
    except Failure as failure:
        raise Failure(f"{failure}: {left}\n{primary.server.log_text()[-3000:]}") from None
    return zones, time.monotonic() - begin


def changes_and_questions(case, world, primary, servers, for_nsd, rng):
    waits, asked, kinds = [], 0, nsd_diff.Counter()
    for batch in range(BATCHES):
        for number in range(CHANGES // BATCHES):
            world.change(batch * CHANGES // BATCHES + number)
            time.sleep(0.005)
        world.mark(primary)
        zones, took = follow(case, primary, servers, for_nsd)
        waits.append(took)
        owners = {zone: sorted({line[0].lower() for line in primary.dig(zone, KEY_A)}) for zone in zones}
        for server, address in servers.items():
            of = {zone: owners[zone] for zone in (for_nsd if server == "NSD" else zones) if zone in owners}
            questions = [zone_diff.question(of, rng) for _ in range(QUESTIONS // BATCHES // len(servers) + 1)]
            # a kind that only this test asks for: not all of them are records of a zone
            questions = [(name, dns.TYPES[rng.choice(KINDS)]) for name, _ in questions]
            # a hostname is a zone at a secondary alone, and has its SOA and NS records there
            questions = [(name, kind) for name, kind in questions if HOSTNAME not in name.lower() or kind not in (2, 6)]
            ours = nsd_diff.ask_all(primary.server.address, questions, source=INSIDE[VPC_A], rd=False)
            theirs = nsd_diff.ask_all(address, questions, rd=False)
            asked += len(questions)
            compare(case, server, questions, ours, theirs)
            kinds.update(nsd_diff.kind_of(dns.decode(reply)) for reply in theirs if reply)
    waits.sort()
    case.note(f"{CHANGES} changes in {BATCHES} batches, after each of which all secondaries had every zone within "
              f"{waits[-1]:.2f} s (median {waits[len(waits) // 2]:.2f} s); {asked} questions, seed {SEED}: "
              + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))


def compare(case, server, questions, ours, theirs):
    for (name, kind), one, other in zip(questions, ours, theirs):
        same = one is not None and other is not None and essence(name, one) == essence(name, other)
        case.check(same, f"{server}: {dns.show_name(name)} {dns.TYPE_NAMES[kind]}",
                   "" if same else f"the server: {one and dns.decode(one)}\n{server}: {other and dns.decode(other)}")


def essence(name, packet):
    """What has to be the same: the code, and the records without the serial. Behind an answer the authority section is each
    server's choice; of a hostname's SOA, whose zone is the hostname's own at a secondary, the data; and YXDOMAIN is NXDOMAIN at
    Knot."""
    message = dns.decode(packet)
    rcode = "NXDOMAIN" if message.rcode == "YXDOMAIN" else message.rcode
    # of a SOA record that is asked for, the TTL is that of negative answers at a secondary
    answer = [without_serial(record, ttl=0) for record in message.answer]
    authority = [] if message.answer else [without_serial(record) for record in message.authority]
    if HOSTNAME in name.lower():
        authority = [record.rdata for record in authority]
    return rcode, bool(message.flags & 0x200), frozenset(answer), len(answer), frozenset(authority)


def without_serial(record, ttl=None):
    if record.type != 6:
        return record
    return dns.Record(record.name, record.type, record.cls, record.ttl if ttl is None else ttl, record.rdata[:-20] + b"\0\0\0\0" + record.rdata[-16:])


def two_views(case, primary, servers, knot_b):
    """The same name is another one with another key."""
    wait_for("the second Knot", lambda: addresses(knot_b, "h1.corp.example"), 30)
    case.equal("h1.corp.example in the other VPC", addresses(knot_b, "h1.corp.example"), ["192.0.2.201"])
    private = f"ec2.{z.REGION}.amazonaws.com"
    case.equal(f"{private} in the other VPC", addresses(knot_b, private), ["127.17.0.77"])
    inside = primary.server.addresses(private, INSIDE[VPC_A])[1]
    for server, address in servers.items():
        case.equal(f"{private} at {server}", addresses(address, private), inside)
    zones = primary.zones(KEY_B)
    case.check("r0.net." not in zones and LARGE in zones, "the zones of a key are those of its VPC", str(zones))
    for zone in ("r0.net", f"sqs.{z.REGION}.amazonaws.com"):
        case.equal(f"{zone} with the other key", primary.ask(zone, "SOA", KEY_B).rcode, "NOTAUTH")
    records = primary.dig(LARGE, KEY_B)
    case.equal("records of the large zone", sum(line[3] == "A" for line in records), RECORDS)


def addresses(server, name):
    try:
        reply = dns.ask(server, name, "A", timeout=0.5, rd=False)
    except TimeoutError:
        return None
    return sorted(dns.show_rdata(record) for record in reply.answer if record.type == 1)


def requests(case, primary):
    """Wrong keys, wrong clocks, and what is no request for a zone."""
    zone, now = "corp.example", int(time.time())
    wrong = secondaries.Key("key-a", KEY_B.secret[:44])
    stranger = secondaries.Key("key-x", KEY_A.secret)
    other = secondaries.Key("key-a", KEY_A.secret, "hmac-sha512")
    for what, key, when, rcode, error in [
        ("the right key", KEY_A, now, "NOERROR", 0), ("another secret", wrong, now, "NOTAUTH", 16),
        ("another name", stranger, now, "NOTAUTH", 17), ("another algorithm", other, now, "NOTAUTH", 17),
        ("a clock 250 s behind", KEY_A, now - 250, "NOERROR", 0), ("a clock 250 s ahead", KEY_A, now + 250, "NOERROR", 0),
        ("a clock 400 s behind", KEY_A, now - 400, "NOTAUTH", 18), ("a clock 400 s ahead", KEY_A, now + 400, "NOTAUTH", 18),
    ]:
        for tcp in (False, True):
            reply = primary.ask(zone, "SOA", key, tcp=tcp, when=when)
            case.equal(f"SOA with {what}", (reply.rcode, tsig.error(reply)), (rcode, error))
            if rcode != "NOERROR":
                refused = primary.ask(zone, "AXFR", key, tcp=True, when=when)
                case.equal(f"AXFR with {what}", (refused.rcode, refused.answer), (rcode, []))
    for kind in ("SOA", "AXFR", "A"):
        reply = dns.ask(primary.transfer, zone, kind, tcp=True)
        case.equal(f"{kind} without a key", (reply.rcode, reply.answer), ("REFUSED", []))
    case.equal("AXFR at the address of questions", dns.ask(primary.server.address, zone, "AXFR", tcp=True).rcode, "REFUSED")
    case.equal("a question with a key", primary.ask(zone, "A").rcode, "REFUSED")
    case.equal("AXFR over UDP", primary.ask(zone, "AXFR").rcode, "FORMERR")
    case.equal("AXFR of no zone", primary.ask("none.example", "AXFR", tcp=True).rcode, "NOTAUTH")
    serial = primary.serial(zone, KEY_A)
    for kind, tcp, count in [(serial, True, 1), (serial + 5, True, 1), (serial - 1, False, 1)]:
        reply = ixfr(primary, zone, kind, tcp)
        case.equal(f"IXFR from {kind - serial:+}, {'TCP' if tcp else 'UDP'}", (reply.rcode, len(reply.answer)), ("NOERROR", count))
        case.equal("its SOA", serial_in(reply), serial)
    whole = ixfr(primary, zone, serial - 1, True)
    case.check(len(whole.answer) > 20 and whole.answer[0] == whole.answer[-1], "IXFR from an earlier serial is the zone", str(whole))


def ixfr(primary, zone, serial, tcp):
    """A question for what changed since `serial` (RFC 1995 3)."""
    name = dns.name_to_wire(zone)
    soa = name + struct.pack("!HHIH", 6, 1, 0, 22) + b"\0\0" + struct.pack("!5I", serial, 0, 0, 0, 0)
    packet = struct.pack("!6H", random.randrange(1 << 16), 0, 1, 0, 1, 0) + name + struct.pack("!2H", 251, 1) + soa
    packet = tsig.sign(packet, KEY_A.name, KEY_A.secret)
    return dns.decode((dns.exchange_tcp if tcp else dns.exchange_udp)(primary.transfer, packet))


def restarts(case, world, primary, servers, for_nsd):
    """No serial falls: over a restart, an older copy of the file of serials, and a file that is lost."""
    old = case.dir / "serials.old"
    shutil.copy(case.dir / "serials", old)
    zone = "corp.example."
    before = primary.serial(zone, KEY_A)
    primary.server.stop()
    primary.start()
    case.equal("the serial of a zone after a restart", primary.serial(zone, KEY_A), before)
    time.sleep(2.5)  # the copy is older than what a file system may be off by
    for number in range(5):
        world.hosts["h2"] = [100 + number]
        world.write_corp()
        time.sleep(0.3)
    world.mark(primary)
    follow(case, primary, servers, for_nsd)
    for what in ("an older copy", "no file"):
        latest = primary.serial(zone, KEY_A)
        primary.server.stop()
        if what == "no file":
            (case.dir / "serials").unlink()
        else:
            shutil.copy(old, case.dir / "serials")
        world.hosts["h2"] = [120 + len(what)]
        world.write_corp()
        primary.start()
        after = primary.serial(zone, KEY_A)
        case.check(after != latest, f"with {what} of serials a zone gets a new one", f"{latest}, then {after}")
        follow(case, primary, servers, for_nsd)
        for server, address in servers.items():
            case.equal(f"h2 at {server} with {what} of serials", addresses(address, "h2.corp.example"), [f"192.0.2.{120 + len(what)}"])
    other = case.run(case.binary, "serve", "--listen", f"127.0.0.1:{free_port()}", "--forward", "none", "--zones", "zones", "--transfer",
                     f"127.0.0.1:{primary.transfer[1]}", "--transfer-keys", "keys.toml", "--transfer-serials", "serials", check=False)
    case.check(other.returncode != 0 and "cannot listen on" in other.stderr + other.stdout, "a second server is told", other.stderr)


def hostile(case, primary):
    """Readers that do not read, and very many connections: answers and transfers go on."""
    def memory():
        text = Path(f"/proc/{primary.server.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0])

    before, readers = memory(), []
    packet = tsig.sign(dns.question(1, LARGE, "AXFR"), KEY_B.name, KEY_B.secret, KEY_B.algorithm)
    for n in range(12):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((f"127.0.1.{n + 1}", 0))
        sock.connect(primary.transfer)
        sock.sendall(struct.pack("!H", len(packet)) + packet)
        readers.append(sock)
    others, slowest, began = [], 0.0, time.monotonic()
    for n in range(HOSTILE):
        sock = socket.socket()
        sock.settimeout(5)
        try:
            sock.bind((f"127.0.{2 + n % 200}.1", 0))
            sock.connect(primary.transfer)
            sock.sendall(b"\0" if n % 2 else struct.pack("!H", 29) + dns.question(n, "corp.example", "AXFR"))
        except OSError:
            pass  # it is refused, and that is how it should be
        others.append(sock)
        if len(others) > 500:
            others.pop(0).close()
        if n % 50 == 0:
            begin = time.monotonic()
            reply = primary.server.ask("h1.corp.example", source=INSIDE[VPC_A])
            slowest = max(slowest, time.monotonic() - begin)
            case.equal("an answer meanwhile", reply.rcode, "NOERROR")
    case.equal("a zone meanwhile", len(primary.dig("corp.example", KEY_A)) > 20, True)
    grown = memory() - before
    case.check(grown < 64 << 10, f"memory grew by {grown} KiB")
    case.note(f"{HOSTILE} hostile connections in {time.monotonic() - began:.1f} s and 12 that do not read: memory grew by {grown} KiB, "
              f"the slowest answer took {slowest * 1000:.1f} ms")
    for sock in readers + others:
        sock.close()


def secrets(case, primary):
    text = "".join(path.read_text(errors="replace") for path in case.dir.glob("serve-*.log"))
    for key in (KEY_A, KEY_B):
        case.check(key.secret not in text, f"the secret of {key.name} is in no log")
    status, metrics = primary.server.get("/metrics")
    for line in ('vpcedns_transfers_total{result="zone"}', 'vpcedns_notifies_total{result="acknowledged"}'):
        case.check(line in metrics, f"{line} is counted", str(status))

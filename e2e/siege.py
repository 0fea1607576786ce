"""Every attack in sequence on one server with 1,024 descriptors; honest clients lose nothing, and all is as before after it.

A network namespace with a VPC (10.0.0.0/16), and strangers of 200 networks (198.18.0.0/16). For each attack: questions over
UDP, TCP, TLS, HTTPS and QUIC, local and forwarded, are all answered; no kind of line is logged more than once a minute. Attacks
come over the network, by files (half of one, links, pipes, devices, gigabytes), and by a log that nobody reads. After all of
them: the normal checks, descriptors, threads and memory, and then other end-to-end tests with this server in place of their own.
The long form (`e2e/run --full siege`) has 5,000 connections on every TCP port; the normal one 600.
"""

import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from support import dns
from support import zones as z
from support.case import Skip, clean_env, find_tool, stop, wait_for
from support.server import Upstream

FULL = os.environ.get("E2E_FULL") == "1"
CONNECTIONS, DATAGRAMS = (5000, 50_000) if FULL else (600, 5000)
DESCRIPTORS = 1024
SERVER, UPSTREAM = "10.0.0.2", "203.0.113.9"
HTTP, EC2 = ("127.0.0.1", 9153), ("127.0.0.1", 4566)
LOOPBACK, PROXY_FROM = ("127.0.0.1", 5300), "127.0.0.2/32"
# tests that ask of a server no more than zones, an upstream and the EC2 API
OTHERS = ["dig", "rfc4592", "estate2000", *(["nsd-diff", "corpora"] if FULL else []), "ec2-guide", "ec2-terraform",
          "ec2-terraform-network"]
VPC, NAME = "vpc-0000000a", f"vpce-0123456789abcdef0-29p5708s.ec2.{z.SUFFIX}"
STRANGERS = [f"198.18.{network}.{1 + network % 250}" for network in range(200)]
GREEDY = [f"10.0.77.{host}" for host in range(1, 201)]
HERE = Path(__file__).parent
HALF_HTTP = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ".hex()
HALF_HELLO = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20)).hex()
NO_HELLO = (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" + bytes(40)).hex()
QUIC_INITIAL = b"\xc3\x00\x00\x00\x01\x08" + bytes(range(8)) + b"\x00\x00\x44\xd0" + bytes(1180)


def run(case):
    if os.geteuid():
        raise Skip("needs root for a network namespace")
    case.need("ip", "unshare", "prlimit", "openssl")
    if subprocess.run(["unshare", "-nm", "true"], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("this machine does not let its root make namespaces")
    siege = Siege(case)
    before = siege.held()
    everything_normal(case, siege)
    for name, order in [*attacks(), *half_handshakes(case, siege)]:
        siege.lay(name, **order)
    siege.half_a_file()
    siege.links()
    siege.broken_files()
    siege.log_that_nobody_reads()
    everything_normal(case, siege)
    siege.is_as_before(before)
    if siege.has_quic:
        # those of one network begin until its share of slots is full, and all others are turned away before they cost anything
        refused = {reason: siege.metric(f'vpcedns_connections_refused_total{{listener="quic",reason="{reason}"}}')
                   for reason in ("handshake", "stranger")}
        case.check(refused["handshake"] >= 16 and refused["stranger"] >= 97, "the half handshakes did not begin", refused)
    siege.serves_others(before)
    case.equal("exit code after SIGTERM", stop(siege.process), 0)


def attacks():
    """Each attack, by name: what is opened, from where, to which ports."""
    plain, tls, https, http, ec2 = (SERVER, 53), (SERVER, 853), (SERVER, 443), HTTP, EC2
    everywhere = [(*plain, ""), (*tls, ""), (*https, ""), (*http, ""), (*ec2, "")]
    yield "strangers' idle connections on every TCP port", {"kind": "connections", "from": STRANGERS, "to": everywhere}
    yield "clients' idle connections on every TCP port", {"kind": "connections", "from": GREEDY, "to": everywhere}
    half = [(*plain, "00ff12"), (*tls, HALF_HELLO), (*https, HALF_HELLO), (*http, HALF_HTTP), (*ec2, HALF_HTTP)]
    yield "strangers' half requests on every TCP port", {"kind": "connections", "from": STRANGERS, "to": half}
    yield "clients' half requests on every TCP port", {"kind": "connections", "from": GREEDY, "to": half}
    bad = [(*plain, "0003ffffff"), (*tls, NO_HELLO), (*https, NO_HELLO), (*http, b"\0\xff\r\n\r\n".hex()),
           (*http, b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".hex()),
           (*ec2, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 9\r\n\r\nAction=%%".hex())]
    count = CONNECTIONS // 10
    yield "clients' malformed requests", {"kind": "streams", "from": GREEDY, "to": bad, "count": count}
    yield "strangers' malformed requests", {"kind": "streams", "from": STRANGERS, "to": bad, "count": count}
    proxied = [(*plain, b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n".hex()), (*tls, ("0d0a0d0a000d0a515549540a" + "ff" * 40))]
    yield "malformed PROXY headers", {"kind": "streams", "from": [f"10.0.66.{n}" for n in range(1, 100)], "to": proxied,
                                      "count": count}
    sources = {"strangers": STRANGERS, "clients": GREEDY, "a proxy": ["10.0.66.1"]}
    for who, source in sources.items():
        yield f"random datagrams of {who}", {"kind": "datagrams", "from": source, "to": [(*plain, "")], "count": DATAGRAMS}
    quic = [(SERVER, 853, ""), (SERVER, 853, QUIC_INITIAL.hex())]
    for who in ("strangers", "clients"):
        yield f"QUIC datagrams of {who}", {"kind": "datagrams", "from": sources[who], "to": quic, "count": DATAGRAMS}
    packet = dns.question(9, NAME, "A", edns=1232)
    yield "strangers' questions", {"kind": "datagrams", "from": STRANGERS, "to": [(*plain, packet.hex())], "count": DATAGRAMS}
    names = [(*plain, dns.question(n, f"x{n}.ec2.us-east-1.amazonaws.com", "A").hex()) for n in range(500)]
    yield "clients' questions for 500 names that are not there", {"kind": "datagrams", "from": GREEDY, "to": names,
                                                                    "count": DATAGRAMS}


def half_handshakes(case, siege):
    """Handshakes of QUIC that nobody goes on with: kdig's own first datagrams, each from another address than the last."""
    if not siege.has_quic:
        case.note("this kdig has no +quic: half handshakes of QUIC are left to the tests in Rust")
        return
    initials = [(SERVER, 853, packet.hex()) for packet in first_datagrams(case)]
    case.note(f"{len(initials)} different handshakes of QUIC")
    for who, source in (("strangers", STRANGERS), ("clients", GREEDY)):
        yield f"half handshakes of QUIC by {who}", {"kind": "datagrams", "from": source, "to": initials, "count": DATAGRAMS}


def first_datagrams(case, count=97):
    """What kdig begins connections with; `count` has no divisor in common with the number of addresses."""
    seen = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(10)
        for _ in range(count):
            asked = subprocess.Popen(["kdig", "@127.0.0.1", "-p", str(sink.getsockname()[1]), "+quic", "localhost"],
                                     env=clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            packet, of = sink.recvfrom(2048)
            asked.kill()
            asked.wait()
            seen.append((of, packet))
    # a repeated datagram of one that was killed has the same address
    packets = list(dict(seen).values())
    # a long header, version 1, at least 1,200 octets (RFC 9000 14.1, 17.2)
    whole = [packet for packet in packets if packet[0] & 0xc0 == 0xc0 and packet[1:5] == b"\0\0\0\1" and len(packet) >= 1200]
    case.check(len(whole) > count / 2, "kdig does not begin connections of QUIC", len(whole))
    return whole


class Siege:
    """The server in its namespace, and what is done to it."""

    def __init__(self, case):
        self.case = case
        name = f"vpcedns{os.getpid()}-siege"
        case.run("ip", "netns", "add", name)
        case.finally_do(lambda: subprocess.run(["ip", "netns", "delete", name], env=clean_env(), check=False))
        self.inside = ["ip", "netns", "exec", name]
        case.run(*self.inside, "ip", "link", "set", "lo", "up")
        for network in ("10.0.0.0/16", "198.18.0.0/16", "203.0.113.0/24"):
            case.run(*self.inside, "ip", "route", "add", "local", network, "dev", "lo")
        case.run(*self.inside, "sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1", "net.ipv4.tcp_tw_reuse=1")
        case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                 "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example", "-out", "cert.pem", "-keyout", "key.pem")
        self.zone = z.vpc(VPC, "10.0.0.0/16") + z.subnet("subnet-000000a1", VPC, "a", "10.0.1.0/24")
        (case.dir / "own").mkdir()
        (case.dir / "zones").symlink_to("own")
        self.write(17)
        self.upstream = Upstream(case, UPSTREAM, port=53, prefix=self.inside)
        self.log = case.dir / "serve.log"
        read, self.pipe = os.pipe()
        self.reader = subprocess.Popen(["cat"], stdin=read, stdout=open(self.log, "wb"), env=clean_env())
        os.close(read)
        case.finally_do(self.end_of_the_log)
        self.has_quic = bool(find_tool("kdig")) and "quic" in case.run("kdig", "--help")
        command = [
            *self.inside, "prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", case.binary, "serve", "--zones", "zones", "--listen",
            f"{SERVER}:53", "--listen", "{}:{}".format(*LOOPBACK), "--tls", f"{SERVER}:853", "--https", f"{SERVER}:443", "--quic",
            f"{SERVER}:853", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--forward", UPSTREAM, "--http", "{}:{}".format(*HTTP),
            "--ec2-api", "{}:{}".format(*EC2), "--ec2-state", "state", "--socket", "control.sock", "--proxy-protocol-from",
            "10.0.66.0/24", "--proxy-protocol-from", PROXY_FROM]
        self.flags = list(map(str, command[command.index("serve"):]))
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=self.pipe, stderr=self.pipe,
                                        cwd=case.dir, env=clean_env())
        case.finally_do(lambda: stop(self.process))
        wait_for("the server to be ready", lambda: self.process.poll() is not None or "ready:" in self.log.read_text(), 30)

    def write(self, last):
        self.case.write("zones/a.toml", self.text(last))

    def text(self, last):
        return self.zone + z.endpoint("vpce-0123456789abcdef0", VPC, "ec2", "29p5708s", [("subnet-000000a1", f"10.0.1.{last}")])

    def ask(self, order):
        """What the honest clients saw of an attack."""
        honest = {"server": SERVER, "tls": 853, "https": 443, "quic": 853 if self.has_quic else None, "local": NAME,
                  "suffix": "forwarded.example"}
        done = self.case.run(*self.inside, sys.executable, HERE / "support" / "siege.py", timeout=300,
                             input_text=json.dumps({**order, "honest": honest}) + "\n")
        return json.loads(done)

    def lay(self, name, **order):
        """One attack: honest clients lose nothing, and the log says each thing once a minute."""
        said, begin = len(self.log.read_text()), time.monotonic()
        seen = self.ask({"count": CONNECTIONS, **order})
        self.case.note(f"{name}: {seen['good']} of {seen['asked']}, slowest {seen['slowest_ms']} ms, {seen['seconds']} s, "
                       f"{self.held()}")
        self.case.equal(f"{name}: questions answered", seen["good"], seen["asked"], seen)
        self.case.check(self.process.poll() is None, f"{name}: the server ended", self.process.poll())
        lines = kinds(self.log.read_text()[said:])
        most = 1 + int((time.monotonic() - begin) // 60)
        if "PROXY" in name:
            self.case.equal(f"{name}: log lines about them", sum(count for kind, count in lines.items() if "PROXY" in kind), 2, lines)
        for kind, count in lines.items():
            self.case.check(count <= most, f"{name}: {count} log lines of one kind", kind)
        self.case.note(f"{name}: {sum(lines.values())} log lines of {len(lines)} kinds")

    def end_of_the_log(self):
        os.close(self.pipe)
        self.reader.kill()
        self.reader.wait()

    def same_answers(self, what):
        """Honest clients ask while something is wrong that is not of the network, and are told what they were told before."""
        seen = self.ask({"kind": "datagrams", "from": GREEDY[:1], "to": [(SERVER, 53, "00")], "count": 1})
        self.case.equal(f"{what}: questions answered", seen["good"], seen["asked"], seen)
        for name in (NAME, "ec2.us-east-1.amazonaws.com"):
            self.case.equal(f"{what}: {name}", self.dig(name), ["10.0.1.17"])
        self.case.check(self.process.poll() is None, f"{what}: the server ended", self.process.poll())

    def dig(self, *words):
        return self.case.run(*self.inside, "dig", f"@{SERVER}", "-b", "10.0.50.1", "+short", "+tries=1", "+timeout=5", *words).split()

    def half_a_file(self):
        """A file that is opened for writing and holds its first tables only: the private name never becomes public."""
        path = self.case.dir / "zones/a.toml"
        text = path.read_text()
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.zone)
            file.flush()
            time.sleep(0.7)
            self.same_answers("half a file")
            file.write(text[len(self.zone):])

    def links(self):
        """The directory is a link that leads elsewhere, and back."""
        for directory, last in (("other", 19), ("own", 17)):
            (self.case.dir / directory).mkdir(exist_ok=True)
            (self.case.dir / directory / "a.toml").write_text(self.text(last))
            (self.case.dir / "link.new").symlink_to(directory)
            (self.case.dir / "link.new").rename(self.case.dir / "zones")
            wait_for(f"what {directory} says", lambda: self.dig(NAME) == [f"10.0.1.{last}"])
            if directory == "other":
                # a rename is no change of what the directory holds, and is seen all the same
                self.case.write("other/a.toml", self.text(20))
                wait_for("a change behind the link", lambda: self.dig(NAME) == ["10.0.1.20"])

    def broken_files(self):
        """Files that do not load, or are none, and are gone again."""
        path = self.case.dir / "zones/b.toml"
        for text in ("[[vpc]", "\0", "[[vpc]]\nvpc_id = 3\n", self.zone + "[[vpc_endpoint]]\n", "a = " + "[" * 4_000_000):
            self.case.write("zones/b.toml", text)
            time.sleep(0.3)
        self.same_answers("a file of brackets")
        path.unlink()
        (self.case.dir / "zones/b.json").write_text("[" * 4_000_000)
        self.same_answers("JSON of brackets")
        (self.case.dir / "zones/b.json").unlink()
        os.mkfifo(path)
        self.same_answers("a pipe among the zones")
        path.unlink()
        path.symlink_to("/dev/zero")
        self.same_answers("a device among the zones")
        path.unlink()
        with open(path, "wb") as file:
            file.truncate(64 << 30)
        self.same_answers("a file of 64 GiB")
        path.unlink()
        path.mkdir()
        self.same_answers("a directory by the name of a file")
        path.rmdir()

    def log_that_nobody_reads(self):
        """The log is a full pipe: answers, changes and the doors go on, and so does the log once somebody reads."""
        self.reader.send_signal(signal.SIGSTOP)
        try:
            os.set_blocking(self.pipe, False)
            try:
                while True:
                    os.write(self.pipe, b"\n" * 4096)
            except BlockingIOError:
                pass
            # it is the server's end as well
            os.set_blocking(self.pipe, True)
            self.case.write("zones/b.toml", "[[vpc]")
            self.same_answers("a log that nobody reads")
            (self.case.dir / "zones/b.toml").unlink()
            everything_normal(self.case, self)
        finally:
            self.reader.send_signal(signal.SIGCONT)
        said = self.log.stat().st_size
        self.case.write("zones/b.toml", "[[vpc]")
        wait_for("the log to go on", lambda: b"b.toml" in self.log.read_bytes()[said:])
        (self.case.dir / "zones/b.toml").unlink()
        self.same_answers("a log that is read again")

    def serves_others(self, before):
        """Other tests, with this server in place of one of their own."""
        stop(self.upstream.process)
        lent = {"address": LOOPBACK, "http": "http://{}:{}".format(*HTTP), "ec2": EC2, "forward": (UPSTREAM, 53), "pid": self.process.pid,
                "flags": self.flags + ["127.0.0.1:4566"], "log": str(self.log), "zones": str(self.case.dir / "zones")}
        env = {**clean_env(), "E2E_LENT_SERVER": json.dumps(lent), "VPCEDNS_BIN": str(self.case.binary)}
        done = self.case.run(*self.inside, sys.executable, HERE / "run", *OTHERS, timeout=600, check=False, env=env, cwd=HERE)
        self.case.check(done.returncode == 0, "other tests on the server after the siege", done.stdout[-6000:] + done.stderr[-2000:])
        for line in done.stdout.splitlines():
            if line.startswith(("ok ", "SKIPPED ")):
                self.case.note(f"after the siege: {line}")
        self.is_as_before(before)

    def held(self):
        pid = self.process.pid
        # prlimit becomes the server, and ip what it starts
        status = Path(f"/proc/{pid}/status").read_text()
        number = lambda key: int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1])
        names = [Path(path, "comm").read_text() for path in Path(f"/proc/{pid}/task").iterdir()]
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": number("Threads"), "kB": number("VmRSS"),
                "workers": sum(name.startswith("udp-") for name in names)}

    def metric(self, name):
        text = self.case.run(*self.inside, "curl", "-s", "--max-time", "10", f"http://{HTTP[0]}:{HTTP[1]}/metrics")
        return float(next((line.split()[-1] for line in text.splitlines() if line.startswith(name)), 0))

    def is_as_before(self, before):
        """VPCs of the EC2 API that other tests made keep their listeners, each with its workers and their sockets."""
        def settled():
            now = self.held()
            listeners = now["workers"] - before["workers"]
            return (now["descriptors"] <= before["descriptors"] + 16 + 6 * listeners
                    and now["threads"] <= before["threads"] + 2 + listeners)

        try:
            wait_for("descriptors and threads to be given back", settled, seconds=40, pause=0.5)
        finally:
            after = self.held()
            self.case.note(f"before {before}, after {after}")
        self.case.check(after["kB"] <= before["kB"] + (64 << 10), "memory is not given back", (before, after))


def kinds(text):
    """How often each kind of line is in a log: without its time, numbers and addresses."""
    lines = [line.partition("Z ")[2] for line in text.splitlines() if re.match(r"\d{4}-\d\d-\d\dT", line)]
    # each change over the EC2 API is one line of the audit log: those are of whoever may change something
    return collections.Counter(re.sub(r"[0-9a-f]*\d[0-9a-f.:]*", "#", line) for line in lines if "vpcedns::audit" not in line)


def everything_normal(case, siege):
    """What the server is for, all of it, in short."""
    seen = siege.ask({"kind": "datagrams", "from": GREEDY[:1], "to": [(SERVER, 53, "00")], "count": 1})
    case.equal("questions in quiet times", seen["good"], seen["asked"], seen)
    inside = siege.inside
    dig = siege.dig
    for name, want in [(NAME, "10.0.1.17"), ("ec2.us-east-1.amazonaws.com", "10.0.1.17"), ("localhost", "127.0.0.1")]:
        case.equal(f"dig {name}", dig(name), [want])
        case.equal(f"dig +tcp {name}", dig("+tcp", name), [want])
    case.equal("dig AAAA of a private name", dig("ec2.us-east-1.amazonaws.com", "AAAA"), [])
    siege.write(18)
    wait_for("a change to be served", lambda: dig(NAME) == ["10.0.1.18"])
    siege.write(17)
    wait_for("the change back", lambda: dig(NAME) == ["10.0.1.17"])
    status = case.run(case.binary, "status", "--socket", "control.sock")
    case.check("generation" in status, "no status", status)
    text = case.run(*inside, "curl", "-s", "--max-time", "10", f"http://{EC2[0]}:{EC2[1]}/?Action=DescribeVpcs&Version=2016-11-15")
    case.check("vpcSet" in text, "the EC2 API does not answer", text)
    ready = case.run(*inside, "curl", "-s", "--max-time", "10", f"http://{HTTP[0]}:{HTTP[1]}/readyz")
    case.check(ready.startswith("ready"), "not ready", ready)

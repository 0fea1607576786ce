"""Names that are never answered, slow, refused or huge: what they take from honest clients, beside Unbound, dnsdist and dnsmasq.

One client asks random names below `evil.example`, for which the upstream is silent, says SERVFAIL after 5 s, says it at
once, or has 61 KB over TCP. Others ask for names of other domains, each once, which the upstream answers at once. None
of these may be lost. Answers of 61 KB in great numbers take no more memory than they may. The long form (`e2e/run --full attack`) has all rates, and both numbers of honest questions.
"""

import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from support import dns
from support.case import clean_env, find_tool, wait_for
from support.cgroup import MemoryGroup, NoGroup
from support.server import Server, free_port

FULL = os.environ.get("E2E_FULL") == "1"
KINDS = ["silent", "slow", "servfail", "huge"]
# evil questions a second, honest ones a second
RATES = [(evil, honest) for honest in (2, 20) for evil in (1, 5, 20, 100, 500)] if FULL else [(5, 2), (500, 20)]
SECONDS = 10 if FULL else 4
SLOW = 5
PATIENCE = 4
GROUP = 64 << 20
HUGE_QUESTIONS, HUGE_RATE, LAZY_CLIENTS = (20_000, 2000, 100) if FULL else (3000, 500, 20)
EVIL_CLIENT, HONEST_CLIENT = "127.0.0.2", "127.0.0.3"
HUGE = b"".join(b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\xc8\xc7" + bytes(199) for _ in range(288))


def run(case):
    (case.dir / "zones").mkdir()
    for upstreams in (1, 2):
        for kind in KINDS:
            for evil, honest in RATES:
                # answers of 61 KB are work; the short form runs on any build, and on any machine
                evil = evil if FULL or kind != "huge" else min(evil, 50)
                row(case, kind, evil, honest, upstreams)
    outage(case)
    memory(case, "--memory 16M", "--memory", "16M")
    in_a_group(case)


def row(case, kind, evil, honest, count):
    """One line of the table: loss and slowest answer of honest questions at each server."""
    upstreams = [Upstream(kind) for _ in range(count)]
    targets = [f"127.0.0.1:{upstream.port}" for upstream in upstreams]
    flags = [flag for target in targets[1:] for flag in ("--forward", target)]
    server = Server(case, *flags, "--allow", "127.0.0.0/8", zones="zones", forward=targets[0])
    peers = others(case, upstreams)
    ports = {"vpcedns": server.port, **{name: port for name, (port, _) in peers.items()}}
    load = Load(ports, evil, honest)
    load.run(SECONDS)
    shown = ", ".join(f"{name} {load.lost(name)} of {load.asked} lost, slowest {load.slowest(name):.0f} ms" for name in ports)
    case.note(f"{kind}, {evil} evil/s, {honest} honest/s, {count} upstream(s): {shown}")
    case.equal(f"{kind}, {evil} evil/s, {honest} honest/s, {count} upstream(s): honest questions lost",
               load.lost("vpcedns"), 0, server.log_text()[-2000:])
    case.check("is down" not in server.log_text(), f"{kind}: an upstream that answers counts as down", server.log_text())
    case.equal("exit code", server.stop(), 0)
    for _, process in peers.values():
        process.kill()
        process.wait()
    for upstream in upstreams:
        upstream.stop()


def others(case, upstreams):
    """Unbound, dnsdist and dnsmasq as forwarders to the same upstreams, where they are installed: their ports and processes."""
    found = {}
    if find_tool("unbound") is not None:
        port = free_port()
        case.write(f"unbound-{port}.conf", "\n".join([
            "server:", f"  interface: 127.0.0.1@{port}", "  num-threads: 1", '  username: ""', '  chroot: ""',
            f'  directory: "{case.dir}"', f'  pidfile: "unbound-{port}.pid"', "  use-syslog: no", "  do-daemonize: no",
            '  module-config: "iterator"', "  access-control: 127.0.0.0/8 allow", "  do-not-query-localhost: no",
            "remote-control:", "  control-enable: no", "forward-zone:", '  name: "."',
            *[f"  forward-addr: 127.0.0.1@{upstream.port}" for upstream in upstreams], ""]))
        found["Unbound"] = port, case.start("unbound", "-d", "-c", f"unbound-{port}.conf", log=f"unbound-{port}.log")
    if find_tool("dnsdist") is not None:
        port = free_port()
        case.write(f"dnsdist-{port}.conf", "\n".join([
            f"setLocal('127.0.0.1:{port}')", "setACL('127.0.0.0/8')", "setSecurityPollSuffix('')",
            *[f"newServer({{address='127.0.0.1:{upstream.port}', healthCheckMode='up'}})" for upstream in upstreams], ""]))
        found["dnsdist"] = port, case.start("dnsdist", "--supervised", "--disable-syslog", "-C", f"dnsdist-{port}.conf",
                                            log=f"dnsdist-{port}.log")
    if find_tool("dnsmasq") is not None:
        port = free_port()
        found["dnsmasq"] = port, case.start(
            "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", f"--port={port}",
            "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", f"--pid-file={case.dir}/dnsmasq-{port}.pid",
            *[f"--server=127.0.0.1#{upstream.port}" for upstream in upstreams], log=f"dnsmasq-{port}.log", env=clean_env())
    for name, (port, _) in found.items():
        wait_for(f"{name} to answer", lambda port=port: answered(port))
    return found


def answered(port):
    try:
        return dns.ask(("127.0.0.1", port), f"ready{random.randrange(1 << 30)}.start.example", "A", timeout=0.3).rcode == "NOERROR"
    except TimeoutError:
        return False


def outage(case):
    """The only upstream dies: that is found within 2 s, and its return within 1 s; both with room for a busy machine."""
    upstream = Upstream("silent")
    server = Server(case, "--limit", "cache_size=0", zones="zones", forward=f"127.0.0.1:{upstream.port}")
    case.equal("before the outage", server.ask("one.good.example").rcode, "NOERROR")
    upstream.dead = True
    begin = time.monotonic()

    def says_down():
        seen = server.ask(f"n{random.randrange(1 << 30)}.good.example", edns=1232, timeout=5)
        return any("is down" in text for _, text in dns.extended_errors(seen))
    wait_for("the outage to be found", says_down, pause=0.02)
    found = time.monotonic() - begin
    upstream.dead = False
    begin = time.monotonic()
    wait_for("the return to be seen", lambda: server.ask("two.good.example").rcode == "NOERROR", pause=0.02)
    back = time.monotonic() - begin
    case.note(f"an outage is found after {found * 1000:.0f} ms, and its end after {back * 1000:.0f} ms")
    case.check(found < 3.5, f"the outage was found after {found:.1f} s (aimed at: 2 s)")
    case.check(back < 2, f"the return was seen after {back:.1f} s (aimed at: 1 s)")
    server.stop()
    upstream.stop()


def in_a_group(case):
    """The same in a control group of 64 MB, by which the server finds its bounds itself."""
    try:
        group = MemoryGroup(GROUP)
    except NoGroup as why:
        return case.note(f"SKIPPED: the flood in a control group of 64 MB: none can be made here: {why}")
    with group:
        binary = case.binary
        case.binary = group.wrap(binary, case.dir / "in-group")
        try:
            memory(case, f"a control group of 64 MB (version {2 if group.is_v2 else 1})")
        finally:
            case.binary = binary
        case.note(f"the control group had {group.most() >> 20} MB at most")
        case.equal("processes killed for want of memory", group.kills(), 0)
    return None


def memory(case, bound, *flags):
    """Answers of 61 KB for clients that take them, and for some that do not: the server stays below 64 MB."""
    upstream = Upstream("huge")
    server = Server(case, *flags, "--allow", "127.0.0.0/8", zones="zones", forward=f"127.0.0.1:{upstream.port}")
    before = most = in_memory(server)
    # each asks for as many replies as a connection may wait for, and reads none
    lazy = [socket.create_connection(server.address) for _ in range(LAZY_CLIENTS)]
    for number, stream in enumerate(lazy):
        for question in range(64):
            packet = dns.question(question, f"l{number}x{question}.evil.example", "A", edns=1232)
            stream.sendall(struct.pack("!H", len(packet)) + packet)
    evil, local = client(EVIL_CLIENT, server.port), LocalNames(server.port)
    told, no_room = 0, 0
    begin = time.monotonic()
    for number in range(HUGE_QUESTIONS):
        while number > (time.monotonic() - begin) * HUGE_RATE or number % 50 == 0:
            for packet in drain(evil) if select.select([evil], [], [], 0.001)[0] else []:
                told += packet[3] & 0xf == 2
                no_room += b"memory is short" in packet
            if number % 50 == 0:
                break
        if number % 20 == 0:
            most = max(most, in_memory(server))
        evil.send(dns.question(number & 0xffff, f"m{number}.evil.example", "A", edns=1232))
    took, lost = local.end()
    case.check(server.alive(), "the server died", server.log_text())
    case.equal("local names lost", lost, 0)
    case.check(took, "no local name was asked")
    p99 = sorted(took)[len(took) * 99 // 100] * 1000
    case.note(f"{bound}: {HUGE_QUESTIONS} answers of 61 KB, {told} SERVFAIL, {no_room} of them for want of memory, {LAZY_CLIENTS} clients that read nothing: {most >> 20} MB at most "
              f"(before: {before >> 20} MB), p99 of local names {p99:.2f} ms (aimed at: 2 ms)")
    # what is mapped of the binary is given back where memory is short
    case.check(most < 56 << 20, f"{most} octets in memory", server.log_text()[-2000:])
    case.check(p99 < 200, f"p99 of local names: {p99:.1f} ms")
    for stream in lazy:
        stream.close()
    wait_for("the flood to be over", lambda: answered(server.port))
    case.equal("exit code", server.stop(), 0)
    upstream.stop()


def in_memory(server):
    """The octets that the server has in memory, without what is mapped of files."""
    status = (Path("/proc") / str(server.process.pid) / "status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))) << 10


class LocalNames:
    """Asks for a local name at a tenth of the flood's rate, from a process of its own: what floods here holds the interpreter for
    milliseconds, which are none of the server's."""

    def __init__(self, port):
        self.process = subprocess.Popen([sys.executable, __file__, str(port), str(HUGE_RATE / 10)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def end(self):
        """The seconds that each answer took, and how many never came."""
        text, _ = self.process.communicate("", timeout=PATIENCE + 10)
        return json.loads(text)


def ask_local_names(port, rate):
    """Until the standard input ends; prints what `LocalNames.end` returns."""
    sock, took, sent, number, begin = client(HONEST_CLIENT, port), [], {}, 0, time.monotonic()
    ends, asking = None, True
    while asking or (sent and time.monotonic() < ends):
        if asking and number <= (time.monotonic() - begin) * rate:
            packet = dns.question(number & 0xffff, "localhost", "A")
            sent[number & 0xffff] = time.monotonic()
            sock.send(packet)
            number += 1
        ready, _, _ = select.select([sock, sys.stdin] if asking else [sock], [], [], 1 / rate / 4)
        now = time.monotonic()
        for packet in drain(sock) if sock in ready else []:
            took.append(now - sent.pop(struct.unpack_from("!H", packet)[0]))
        if sys.stdin in ready:
            asking, ends = False, now + PATIENCE
    print(json.dumps([took, len(sent)]))


class Upstream:
    """Answers everything at once but names below `evil.example`."""

    def __init__(self, kind):
        self.kind, self.port, self.dead, self.stopping = kind, free_port(), False, False
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self._datagrams, self._accept)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping = True
        self.tcp.close()
        self.threads[0].join()
        self.udp.close()

    def _datagrams(self):
        later = []
        while not self.stopping:
            ready, _, _ = select.select([self.udp], [], [], 0.05)
            now = time.monotonic()
            while later and later[0][0] <= now:
                _, reply, peer = heapq.heappop(later)
                self.udp.sendto(reply, peer)
            if not ready:
                continue
            packet, peer = self.udp.recvfrom(4096)
            if self.dead:
                continue
            if b"\x04evil\x07example\0" not in packet.lower():
                self.udp.sendto(answer(packet), peer)
            elif self.kind == "slow":
                heapq.heappush(later, (now + SLOW, empty(packet, 2), peer))
            elif self.kind == "servfail":
                self.udp.sendto(empty(packet, 2), peer)
            elif self.kind == "huge":
                self.udp.sendto(empty(packet, 0x0200), peer)

    def _accept(self):
        while not self.stopping:
            try:
                stream, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._stream, args=(stream,), daemon=True).start()

    @staticmethod
    def _stream(stream):
        try:
            with stream, stream.makefile("rb") as lines:
                while head := lines.read(2):
                    packet = lines.read(*struct.unpack("!H", head))
                    end = question_end(packet)
                    reply = packet[:2] + struct.pack("!5H", 0x8180, 1, 288, 0, 0) + packet[12:end] + HUGE
                    stream.sendall(struct.pack("!H", len(reply)) + reply)
        except OSError:
            pass


def question_end(packet):
    return 12 + dns.name_end(packet[12:], 0) + 4


def empty(packet, flags):
    return packet[:2] + struct.pack("!5H", 0x8180 | flags, 1, 0, 0, 0) + packet[12:question_end(packet)]


def answer(packet):
    return (packet[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0) + packet[12:question_end(packet)]
            + b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01")


class Load:
    """Evil and honest questions at their rates, the same at the same time to each server."""

    def __init__(self, ports, evil, honest):
        self.evil, self.honest, self.asked = evil, honest, 0
        self.servers = {name: (client(EVIL_CLIENT, port), client(HONEST_CLIENT, port), {}, []) for name, port in ports.items()}

    def run(self, seconds):
        begin, number, sent_evil = time.monotonic(), 0, 0
        while (passed := time.monotonic() - begin) < seconds + PATIENCE:
            if passed < seconds:
                while sent_evil < passed * self.evil:
                    sent_evil += 1
                    name = f"r{random.randrange(1 << 40)}.evil.example"
                    for evil, *_ in self.servers.values():
                        evil.send(dns.question(sent_evil & 0xffff, name, "A", edns=1232))
                while number < passed * self.honest:
                    number += 1
                    for _, honest, sent, _ in self.servers.values():
                        sent[number] = time.monotonic()
                        honest.send(dns.question(number, f"h{number}.good{number % 50}.example", "A"))
            elif all(not sent for *_, sent, _ in self.servers.values()):
                break
            self._receive(0.002)
        self.asked = number
        for evil, honest, *_ in self.servers.values():
            evil.close()
            honest.close()

    def _receive(self, wait):
        sockets = [sock for evil, honest, *_ in self.servers.values() for sock in (evil, honest)]
        ready, _, _ = select.select(sockets, [], [], wait)
        for evil, honest, sent, took in self.servers.values():
            if evil in ready:
                drain(evil)
            for packet in drain(honest) if honest in ready else []:
                number, flags, _, answers = struct.unpack_from("!4H", packet)
                if number in sent and flags & 0xf == 0 and answers:
                    took.append(time.monotonic() - sent.pop(number))

    def lost(self, name):
        return self.asked - len(self.servers[name][3])

    def slowest(self, name):
        return max(self.servers[name][3], default=0) * 1000


def client(source, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


def drain(sock):
    packets = []
    while len(packets) < 1000:
        try:
            packets.append(sock.recv(4096))
        except (BlockingIOError, ConnectionRefusedError):
            break
    return packets


if __name__ == "__main__":
    ask_local_names(int(sys.argv[1]), float(sys.argv[2]))

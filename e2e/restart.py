"""Restarts under load lose nothing: `--take-over` and LISTEN_FDS, over UDP, TCP and TLS, and acknowledged changes stay.

The normal form has 3 restarts for each kind of load, at 1,000 questions a second; `e2e/run --full` has 20 at 5,000 (one
connection a question: 500).
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from support import dns
from support import zones as z
from support.case import Failure, clean_env, stop, wait_for
from support.server import free_port

FULL = os.environ.get("E2E_FULL") == "1"
RESTARTS, RATE = (20, 5000) if FULL else (3, 1000)
STEADY = Path(__file__).parent / "support" / "steady.py"
VPC, NAME = "vpc-0000000a", f"vpce-0fe5b17a0707d6abc-29p5708s.ec2.{z.SUFFIX}"


def run(case):
    case.need("openssl")
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example", "-out", "cert.pem", "-keyout", "key.pem")
    text = z.vpc(VPC, "127.16.0.0/16") + z.subnet("subnet-000000a1", VPC, "a", "127.16.1.0/24")
    case.write("zones/a.toml", text + z.endpoint("vpce-0fe5b17a0707d6abc", VPC, "ec2", "29p5708s",
                                                 [("subnet-000000a1", "127.16.1.17")]))
    service = Service(case)
    service.start()
    for kind in ("udp", "tcp", "tls", "once"):
        under_load(case, service, kind)
    failed_successor(case, service)
    service.end()
    acknowledged(case)
    passed_by_a_manager(case)


class Service:
    """One service and its processes, each of which takes over from the one before."""

    def __init__(self, case, *flags):
        self.case, self.port, self.tls, self.ec2, self.http = case, free_port(), free_port(), free_port(), free_port()
        self.count, self.process = 0, None
        self.flags = ["--listen", f"127.0.0.1:{self.port}", "--tls", f"127.0.0.1:{self.tls}", "--tls-cert", case.dir / "cert.pem",
                      "--tls-key", case.dir / "key.pem", "--zones", case.dir / "zones", "--forward", "none", "--http",
                      f"127.0.0.1:{self.http}", "--socket", case.dir / "control.sock", "--take-over", "--ec2-api",
                      f"127.0.0.1:{self.ec2}", "--ec2-state", case.dir / "state", *flags]

    def start(self):
        """Starts a process that takes over; returns when the one before has ended, and how long both took."""
        before, begin = self.process, time.monotonic()
        self.count += 1
        log = f"serve-{self.port}-{self.count}.log"
        self.process = self.case.start(self.case.binary, "serve", *self.flags, log=log)
        path = self.case.dir / log
        wait_for("the new process to be ready", lambda: self.process.poll() is not None or "ready:" in path.read_text(), 60)
        if self.process.poll() is not None:
            raise Failure(f"the successor ended: {path.read_text()}")
        ready = time.monotonic() - begin
        if before is not None:
            self.case.equal(f"exit code of process {self.count - 1}", before.wait(timeout=30), 0)
        return ready, time.monotonic() - begin

    def end(self):
        self.case.equal("exit code of the last one", stop(self.process), 0)
        self.case.check(not (self.case.dir / "control.sock").exists(), "the control socket stays behind")


def under_load(case, service, kind):
    port, rate = service.tls if kind == "tls" else service.port, min(RATE, 500) if kind == "once" else RATE
    load = subprocess.Popen([sys.executable, STEADY, kind, "127.0.0.1", str(port), str(rate), NAME],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_env())
    case.finally_do(lambda: (load.kill(), load.wait()))
    load.stdout.readline()
    time.sleep(0.5)
    times = [service.start() for _ in range(RESTARTS)]
    time.sleep(0.5)
    text, _ = load.communicate(timeout=60)
    seen = json.loads(text)
    case.note(f"{kind}, {rate}/s, {RESTARTS} restarts: {seen}; ready after {max(t for t, _ in times):.2f} s at most, the old one "
              f"gone after {max(t for _, t in times):.2f} s at most")
    case.equal(f"{kind}: lost, wrong and refused questions in {RESTARTS} restarts",
               (seen["lost"], seen["wrong"], seen["refused"]), (0, 0, 0), seen)
    case.check(seen["sent"] > 100, "there was no load", seen)


def failed_successor(case, service):
    """A successor that cannot start changes nothing; nor does one that is killed."""
    case.write("bad/a.toml", "[[vpc]\n")
    flags = [str(flag) for flag in service.flags]
    flags[flags.index("--zones") + 1] = str(case.dir / "bad")
    done = case.run(case.binary, "serve", *flags, check=False)
    case.equal("exit code of a successor with a broken zone file", done.returncode, 1)
    wait_for("the server to say that it goes on", lambda: "this one goes on" in (case.dir / f"serve-{service.port}-{service.count}.log").read_text())
    case.equal("the server after that", dns.ask(("127.0.0.1", service.port), NAME, "A").rcode, "NOERROR")
    wait_for("the EC2 API to go on", lambda: "vpcSet" in call(service.ec2, "DescribeVpcs"))
    with socket.socket(socket.AF_UNIX) as half:
        half.connect(str(case.dir / "control.sock"))
        half.sendall(b"POST /v1/hand-over HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: vpcedns-hand-over\r\n\r\n")
        case.check(b" 101 " in half.recv(4096), "no hand-over")
        half.sendall(b"state\n")
        case.equal("the state of the EC2 API", half.makefile("rb").readline(), b"free\n")
        # a second one is turned away
        done = case.run(case.binary, "serve", *map(str, service.flags), check=False)
        case.equal("exit code of a second successor", done.returncode, 1)
    wait_for("the EC2 API to go on again", lambda: "vpcSet" in call(service.ec2, "DescribeVpcs"))
    status = http_status(service.http, "POST /v1/hand-over")
    case.equal("hand-over over HTTP", status, 404)
    service.start()
    case.equal("a good successor after that", dns.ask(("127.0.0.1", service.port), NAME, "A").rcode, "NOERROR")


def http_status(port, head):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(f"{head} HTTP/1.1\r\nHost: localhost\r\nUpgrade: vpcedns-hand-over\r\nConnection: Upgrade\r\n\r\n".encode())
        first = sock.recv(4096).split()
        return {b"401": 404, b"403": 404}.get(first[1], int(first[1]))


def call(port, action, **parameters):
    """The text that the EC2 API answers; "" where the connection broke."""
    form = "&".join([f"Action={action}", "Version=2016-11-15", *(f"{key}={value}" for key, value in parameters.items())])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(form)}\r\n"
                         f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}".encode())
            octets = b""
            while part := sock.recv(65536):
                octets += part
            return octets.decode()
    except OSError:
        return ""


def vpcs(service):
    return call(service.ec2, "DescribeVpcs").count("<vpcId>")


def acknowledged(case):
    """VPCs are made one after the other through restarts: each that was acknowledged is there, and no call fails."""
    service = Service(case)
    service.start()
    worker = subprocess.Popen([sys.executable, "-c", CREATE.format(here=str(Path(__file__).parent), port=service.ec2)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_env())
    case.finally_do(lambda: (worker.kill(), worker.wait()))
    worker.stdout.readline()
    for _ in range(RESTARTS):
        # calls come before and after each
        before = vpcs(service)
        wait_for("a VPC to be made", lambda: vpcs(service) > before)
        service.start()
    text, _ = worker.communicate(timeout=60)
    made, failed = json.loads(text)
    listed = call(service.ec2, "DescribeVpcs")
    missing = [vpc for vpc in made if f"<vpcId>{vpc}</vpcId>" not in listed]
    case.note(f"EC2 API: {len(made)} VPCs made through {RESTARTS} restarts, {len(missing)} missing, {len(failed)} calls failed")
    case.equal("acknowledged VPCs that are missing", missing, [])
    case.equal("calls that failed", failed[:3], [])
    case.check(len(made) > RESTARTS, "there were no calls", made)
    service.end()


CREATE = """
import json, re, select, sys, time
sys.path.insert(0, {here!r})
import restart
print("running", flush=True)
made, failed, number = [], [], 0
while not select.select([sys.stdin], [], [], 0.01)[0] and number < 800:
    number += 1
    text = restart.call({port}, "CreateVpc", CidrBlock="10.0.0.0/16")
    found = re.search("<vpcId>([^<]*)", text)
    made.append(found[1]) if found else failed.append(text[:300])
print(json.dumps([made, failed]))
"""


def passed_by_a_manager(case):
    """Sockets of LISTEN_FDS, as systemd passes them: they outlive the process, and what comes meanwhile waits in them."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    address = ("127.0.0.1", free_port())
    udp.bind(address)
    tcp = socket.create_server(address)
    spare = socket.create_server(("127.0.0.1", 0))
    code = ("import os,sys\n[os.dup2(int(fd), 100 + n) for n, fd in enumerate(sys.argv[1].split(','))]\n"
            "[os.dup2(100 + n, 3 + n) for n in range(3)]\nos.environ['LISTEN_PID']=str(os.getpid())\n"
            "os.execv(sys.argv[2], sys.argv[2:])")
    numbers = ",".join(str(sock.fileno()) for sock in (udp, tcp, spare))
    begin = [sys.executable, "-c", code, numbers, case.binary, "serve", "--listen", f"127.0.0.1:{address[1]}", "--zones",
             case.dir / "zones", "--forward", "none", "--socket", case.dir / "given.sock"]
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(10)
    client.connect(address)
    for round_ in range(3):
        # asked before there is anybody who could answer
        client.send(dns.question(round_, NAME, "A"))
        waiting = socket.create_connection(address, timeout=10)
        question = dns.question(100 + round_, NAME, "A")
        waiting.sendall(len(question).to_bytes(2, "big") + question)
        env = {**clean_env(), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "dns:dns:spare"}
        process = case.start(*begin, log=f"given-{round_}.log", env=env, pass_fds=[udp.fileno(), tcp.fileno(), spare.fileno()])
        case.equal(f"a datagram from before start {round_}", int.from_bytes(client.recv(4096)[:2], "big"), round_)
        reply = waiting.recv(4096)
        case.equal(f"a connection from before start {round_}", int.from_bytes(reply[2:4], "big"), 100 + round_)
        waiting.close()
        wait_for("the ready line", lambda round_=round_: "ready:" in (case.dir / f"given-{round_}.log").read_text())
        case.equal("exit code", stop(process), 0)
    log = (case.dir / "given-0.log").read_text()
    case.check(re.search(r"no setting asks for: 127.0.0.1:\d+ \(TCP\), named spare", log), "the spare socket is not named", log)
    for sock in (udp, tcp, spare, client):
        sock.close()

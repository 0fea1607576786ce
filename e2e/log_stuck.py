"""A log and a ready line that cannot be written: full disk, closed pipe, pipe that nobody reads; DNS and reloads go on."""

import os
import signal
import socket
import subprocess
import time

from support import dns
from support.case import clean_env, wait_for
from support.server import free_port

ZONE = """[[vpc]]
vpc_id = "vpc-ec43eb89"
region = "us-east-1"
cidr_blocks = ["127.0.0.0/8"]
enable_dns_hostnames = true

[[hosted_zone]]
name = "corp.example"
vpc_ids = ["vpc-ec43eb89"]
records = [{{ name = "db", type = "A", values = ["10.9.9.{last}"] }}]
"""


def run(case):
    with open("/dev/full", "wb") as full:
        attack(case, "stderr and stdout on a full disk", full, full)
    attack(case, "stderr and stdout closed by their reader", *closed_pipe(case))
    attack(case, "stderr and stdout that nobody reads", *full_pipe(case))
    twice(case)


def closed_pipe(case):
    """The writing end of a pipe without a reader, twice."""
    read, write = os.pipe()
    os.close(read)
    case.finally_do(lambda: os.close(write))
    return write, write


def full_pipe(case):
    """The writing end of a pipe that is full and is never read, twice."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(write, True)
    case.finally_do(lambda: (os.close(read), os.close(write)))
    return write, write


def start(case, name, out, err, *flags, forward="none"):
    """(process, address, directory of the zones) of a server with these two ends."""
    directory = case.dir / name.replace(" ", "-")
    directory.mkdir()
    (directory / "zone.toml").write_text(ZONE.format(last=1))
    port = free_port()
    process = subprocess.Popen(
        [case.binary, "serve", "--listen", f"127.0.0.1:{port}", "--forward", forward, "--zones", directory, "--log", "debug",
         "--socket", directory / "control.sock", *flags],
        stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=clean_env(), cwd=directory)
    case.finally_do(lambda: (process.kill(), process.wait()))
    address = ("127.0.0.1", port)
    wait_for(f"{name}: the server to answer", lambda: process.poll() is not None or asked(address) is not None)
    # changes are seen from then on
    wait_for(f"{name}: the control socket", lambda: process.poll() is not None or (directory / "control.sock").exists())
    return process, address, directory


def asked(address):
    """The answer for db.corp.example, as text; None without one."""
    try:
        return " ".join(str(record) for record in dns.ask(address, "db.corp.example", "A", timeout=0.5).answer)
    except TimeoutError:
        return None


def attack(case, name, out, err):
    process, address, directory = start(case, name, out, err)
    if not case.check(process.poll() is None, f"{name}: ended at the start with {process.poll()}"):
        return
    begin, reloads = time.monotonic(), 20
    for last in range(2, reloads + 2):
        (directory / "zone.toml").write_text(ZONE.format(last=last))
        wait_for(f"{name}: change {last}", lambda last=last: process.poll() is not None or f"10.9.9.{last}" in str(asked(address)))
        if not case.check(process.poll() is None, f"{name}: ended with {process.poll()} at change {last}"):
            return
    case.note(f"{name}: {reloads} changes were served in {time.monotonic() - begin:.1f} s")
    status = case.run(case.binary, "status", "--socket", directory / "control.sock")
    case.note(f"{name}: " + next(line for line in status.splitlines() if "turned away" in line))
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    case.equal(f"{name}: exit code after SIGTERM", process.wait(timeout=20), 0)
    case.note(f"{name}: ended {time.monotonic() - begin:.2f} s after SIGTERM")


def silent(case):
    """The port of an upstream that never answers."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    case.finally_do(sock.close)
    return sock.getsockname()[1]


def twice(case):
    """A connection keeps the server from ending; a second SIGTERM ends it at once."""
    process, address, _ = start(case, "two signals", subprocess.DEVNULL, subprocess.DEVNULL, "--limit", "drain_ms=60000",
                                "--limit", "forward_deadline_ms=60000", "--limit", "forward_timeout_ms=60000", forward=f"127.0.0.1:{silent(case)}")
    with socket.create_connection(address) as waiting:
        question = dns.question(7, "www.example.com", "A")
        waiting.sendall(len(question).to_bytes(2, "big") + question)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        case.check(process.poll() is None, "the server did not wait for a question in progress")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        case.equal("exit code after a second SIGTERM", process.wait(timeout=5), 1)
        case.check(time.monotonic() - begin < 1, "a second SIGTERM does not end the server at once")

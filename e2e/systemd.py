"""systemd: the units in deploy/ by `systemd-analyze verify` and `security`; NOTIFY_SOCKET, HUP and the watchdog by a scripted manager."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

from support.case import ROOT, clean_env, find_tool, stop
from support.server import free_port

UNITS = ROOT / "deploy" / "systemd"
# of 10; 9.6 is a service without any protection
EXPOSURE = 1.5
VPC = '[[vpc]]\nvpc_id = "vpc-0000000a"\nregion = "us-east-1"\ncidr_blocks = ["127.0.0.0/8"]\n'


def run(case):
    scripted_manager(case)
    if find_tool("systemd-analyze") is None:
        case.note("not installed: systemd-analyze; SKIPPED the units")
        return
    units(case)


class Manager:
    """The side of systemd: what comes to the socket that NOTIFY_SOCKET names."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)

    def message(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def next(self, key):
        """The next message with this variable; others that are no signs of life are a fault of the order."""
        while True:
            message = self.message()
            if key in message or message != {"WATCHDOG": "1"}:
                return message

    def silent(self, seconds):
        """Whether nothing comes for so long, once what is under way has come."""
        self.socket.settimeout(seconds)
        try:
            for _ in range(3):
                self.socket.recv(4096)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(20)


def scripted_manager(case):
    zones = case.write("zones/a.toml", VPC).parent
    for address in (str(case.dir / "notify"), f"\0vpcedns-e2e-{os.getpid()}"):
        manager = Manager(address)
        environment = {"NOTIFY_SOCKET": address.replace("\0", "@"), "WATCHDOG_USEC": "400000"}
        port = free_port()
        server = case.start(case.binary, "serve", "--zones", zones, "--listen", f"127.0.0.1:{port}", "--forward", "none", "--socket",
                            case.dir / "control.sock", "--limit", "lameduck_ms=300", log=f"serve-{port}.log",
                            env=clean_env() | environment)
        ready = manager.message()
        case.equal("first message", ready.get("READY"), "1", ready)
        case.check(f"127.0.0.1:{port} (udp, tcp)" in ready.get("STATUS", ""), "the status does not say where it listens", ready)
        case.equal("sign of life", manager.message(), {"WATCHDOG": "1"})
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.send_signal(signal.SIGHUP)
        reloading = manager.next("RELOADING")
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        case.check(before <= int(reloading.get("MONOTONIC_USEC", 0)) <= now, "time of the load", (before, reloading, now))
        case.equal("after the load", manager.next("READY"), {"READY": "1", "STATUS": "generation 1, 0 warnings"})
        # a process that does nothing gives no signs of life
        server.send_signal(signal.SIGSTOP)
        case.check(manager.silent(1.0), "a stopped process gives signs of life")
        server.send_signal(signal.SIGCONT)
        case.equal("sign of life after that", manager.message(), {"WATCHDOG": "1"})
        begin = time.monotonic()
        server.terminate()
        case.equal("end", manager.next("STOPPING").get("STOPPING"), "1")
        case.equal("exit code", server.wait(timeout=20), 0)
        case.check(time.monotonic() - begin >= 0.3, "lameduck_ms is not kept")
        manager.socket.close()
    bad = case.start(case.binary, "serve", "--zones", zones, "--listen", "127.0.0.1:0", "--forward", "none", "--socket",
                     case.dir / "control.sock", log="bad.log", env=clean_env() | {"NOTIFY_SOCKET": "vsock:2:1"})
    time.sleep(0.5)
    case.equal("a server with an address of another kind", (bad.poll(), stop(bad)), (None, 0))
    case.check("the service manager is told nothing" in (case.dir / "bad.log").read_text(), "the log says nothing of that")


def units(case):
    root = case.dir / "root"
    units = root / "usr/lib/systemd/system"
    shutil.copytree("/usr/lib/systemd/system", units, symlinks=True)
    (root / "etc").mkdir()
    for directory, name in (("usr/bin", "vpcedns"), ("bin", "kill"), ("bin", "sh")):
        (root / directory).mkdir(parents=True, exist_ok=True)
        path = root / directory / name
        path.write_text("")
        path.chmod(0o755)
    shutil.copytree(UNITS, units, dirs_exist_ok=True)
    version = int(re.search(r"systemd (\d+)", case.run("systemd-analyze", "--version"))[1])
    if version < 253:
        shutil.rmtree(units / "vpcedns.service.d")
    for unit in ("vpcedns.service", "vpcedns.socket"):
        done = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no", unit],
                              capture_output=True, text=True, env=clean_env(), check=False)
        case.equal(f"systemd-analyze verify {unit}", (done.returncode, done.stdout + done.stderr), (0, ""))
    done = case.run("systemd-analyze", "security", "--offline=true", units / "vpcedns.service", check=False)
    overall = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    if case.check(overall and float(overall[1]) <= EXPOSURE, "systemd-analyze security", done.stdout + done.stderr):
        case.note(f"systemd-analyze security: exposure {overall[1]} of 10")

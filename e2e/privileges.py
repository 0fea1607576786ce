"""`--user`: port 53 opened by a user without rights, at the start and at a reload; every thread; files that it cannot read."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from support.case import Skip
from support.server import Server, free_port

ACCOUNT = "65534:65533"
PORT_53 = 1 << 10  # CAP_NET_BIND_SERVICE
VPC = '[[vpc]]\nvpc_id = "vpc-0000000{0}"\nregion = "us-east-1"\ncidr_blocks = ["10.{0}.0.0/16"]\nlisteners = ["127.83.0.{0}:53"]\n'


def run(case):
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    # mkdtemp's own mode lets nobody else pass
    case.dir.chmod(0o711)
    home = case.dir / "home"
    home.mkdir()
    os.chown(home, 65534, 65533)
    zones = case.dir / "zones"
    zones.mkdir()
    zones.chmod(0o755)
    (zones / "a.toml").write_text(VPC.format(1))
    server = Server(case, "--user", ACCOUNT, "--socket", home / "control.sock", "--ec2-state", home / "state",
                    "--ec2-api", f"127.0.0.1:{free_port()}", zones=zones)
    case.check(opens("127.83.0.1"), "a listener on port 53", server.log_text())
    every_thread(case, server.process.pid)
    case.check((home / "state").stat().st_uid == 65534, "the state belongs to the user", oct((home / "state").stat().st_mode))
    (zones / "b.toml").write_text(VPC.format(2))
    case.check(opens("127.83.0.2"), "a listener on port 53 after a reload", server.log_text())
    every_thread(case, server.process.pid)
    server.stop()
    refused(case, zones, home)


def every_thread(case, pid):
    """Credentials are those of a thread: one that was forgotten would still be root's."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        name = fields["Name"]
        case.check(set(fields["Uid"].split()) == {"65534"}, f"user of {name}", fields["Uid"])
        case.check(set(fields["Gid"].split()) == {"65533"}, f"group of {name}", fields["Gid"])
        case.check(not fields["Groups"].split(), f"other groups of {name}", fields["Groups"])
        case.check(fields["NoNewPrivs"] == "1", f"no new privileges of {name}", fields["NoNewPrivs"])
        for which in ("CapEff", "CapPrm"):
            case.check(int(fields[which], 16) == PORT_53, f"{which} of {name}", fields[which])
        case.check(int(fields["CapInh"], 16) == 0, f"CapInh of {name}", fields["CapInh"])


def opens(address):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        answer = subprocess.run(["dig", f"@{address}", "+tries=1", "+time=1", "nothing.example"], capture_output=True, text=True)
        if "status:" in answer.stdout:
            return True
        time.sleep(0.05)
    return False


def refused(case, zones, home):
    """Bad users, and files that only root can read: an error that names them, and no server."""
    secret = case.dir / "token"
    secret.write_text("correct-horse-battery-staple\n")
    secret.chmod(0o600)
    serve = [case.binary, "serve", "--zones", zones, "--listen", "127.83.0.9:53", "--socket", home / "two.sock", "--forward", "none"]
    for flags, words in [
        (["--user", "no-such-user"], "'no-such-user' is not a known user"),
        (["--user", "0"], "'0' is root"),
        (["--user", "4294967295"], "is not a known user"),
        (["--user", ACCOUNT, "--http", "127.0.0.1:0", "--http-token", secret], str(secret)),
        (["--user", ACCOUNT, "--ec2-api", "127.0.0.1:0", "--ec2-state", case.dir / "roots"], "roots"),
    ]:
        ended = subprocess.run([*serve, *flags], capture_output=True, text=True, timeout=30, cwd=home)
        case.check(ended.returncode == 1 and words in ended.stderr and "panicked" not in ended.stderr, f"{flags}", ended.stderr)
    # who is not root can become nobody else
    binary = shutil.copy(case.binary, case.dir / "vpcedns")
    without = ["setpriv", "--reuid=65534", "--regid=65533", "--clear-groups", binary, *serve[1:], "--user", "65532"]
    ended = subprocess.run(without, capture_output=True, text=True, timeout=30, cwd=home)
    case.check(ended.returncode == 1 and "cannot become '65532'" in ended.stderr, "without rights", ended.stderr)

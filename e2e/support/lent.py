"""A server that runs already and is lent to tests: theirs are the zones, the questions and the upstream.

`E2E_LENT_SERVER` describes it as JSON:

    {"address": [HOST, PORT], "http": URL, "ec2": [HOST, PORT], "forward": [HOST, PORT], "flags": [what it was started with],
     "pid": PID, "log": FILE, "zones": LINK, "state": NAME}

`zones` is a link to the directory that the server reads: each test's own takes its place. A test that wants flags which the
server does not have is skipped.
"""

import itertools
import json
import os
import shutil
from pathlib import Path

from . import dns
from .case import Skip, wait_for

LENT = json.loads(os.environ.get("E2E_LENT_SERVER", "null"))
NUMBERS = itertools.count()
PROBED = "192.0.2.1"
PROBE = f"""
[[hosted_zone]]
name = "{{name}}"
vpc_ids = ["*"]
clients_of_no_vpc = true
records = [{{{{ name = "@", type = "A", values = ["{PROBED}"] }}}}]
"""


class Process:
    """The part of `Popen` that tests ask for; ending the server is its owner's business."""

    def __init__(self):
        self.pid, self.returncode = LENT["pid"], None

    def poll(self):
        return None if Path(f"/proc/{self.pid}").exists() else 1

    def send_signal(self, signal):
        os.kill(self.pid, signal)


def take(server, flags, zones, forward, env):
    """Gives the server these zones, and `server` what it is to know of it."""
    missing = [flag for flag in flags if str(flag) not in LENT["flags"]]
    if missing or env:
        raise Skip(f"the lent server was started without {' '.join(map(str, missing)) or 'what it wants'}")
    if forward not in ("none", upstream()):
        raise Skip("the lent server has another upstream resolver")
    server.address, server.port = tuple(LENT["address"]), LENT["address"][1]
    server.log, server.http, server.process = Path(LENT["log"]), LENT["http"], Process()
    # nothing of the test before is left when its own comes: an endpoint never moves to another VPC
    serve(server, [])
    server.log_begin = server.log.stat().st_size
    serve(server, zones if isinstance(zones, list) else [zones])


def serve(server, directories):
    """Leads the link to a copy of these directories, and waits until that is served."""
    name = f"lent-{os.getpid()}-{next(NUMBERS)}.example"
    link = Path(LENT["zones"])
    copy = link.with_name(name)
    copy.mkdir()
    for one in directories:
        shutil.copytree(server.case.dir / one, copy, dirs_exist_ok=True)
    (copy / f"{name}.toml").write_text(PROBE.format(name=name))
    new = link.with_name("link.new")
    new.symlink_to(copy.name)
    new.rename(link)
    # an upstream knows every name, by other addresses
    is_served = lambda: [dns.show_rdata(record) for record in dns.ask(server.address, name, "A").answer] == [PROBED]
    wait_for(f"the lent server to serve {directories}", is_served, seconds=30)


def upstream():
    """Where the lent server forwards to."""
    return "{}:{}".format(*LENT["forward"])

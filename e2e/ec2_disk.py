"""A disk that fills up under the EC2 API: calls fail with EC2's error, the old state stays whole, and it recovers.

The state lies on a small tmpfs that the test fills; root is needed to mount it.
"""

import os
import random
import subprocess
import threading

from support.case import Skip, clean_env, wait_for
from support.ec2 import Ec2Error, Ec2Server, make_endpoint, tag_of, tags
from support.ledger import Client, verify

DISK_MIB = 64
UNAVAILABLE = ("InternalError", "Unavailable", "ServiceUnavailable")


def run(case):
    case.need("mount", "umount")
    if os.geteuid() != 0:
        raise Skip("mounting a small disk needs root")
    disk = case.dir / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", disk], env=clean_env(),
                             check=False,
                             stderr=subprocess.DEVNULL)
    if mounted.returncode:
        raise Skip("this machine does not let its root mount a disk")
    case.finally_do(lambda: subprocess.run(["umount", "-l", disk], env=clean_env(), check=False))
    server = Ec2Server(case, state=disk / "state")
    with server.raw() as raw:
        client = Client(raw, 0, random.Random(7))
        for _ in range(60):
            client.step(raw)
    for turn in range(3):
        full(case, server, disk, client, f"full disk, turn {turn + 1}")
        made = together(case, server, client) if turn == 0 else []
        if turn == 1:
            # killed while the disk is full: what was acknowledged is read back from the full disk
            server.process.kill()
            server.process.wait()
            server = Ec2Server(case, state=disk / "state")
            verify(case, server, [client], "restart on a full disk")
        (disk / "filler").unlink()
        recovers(case, server, client)
        with server.raw() as raw:
            case.equal("not deleted", [raw.call("DeleteVpcEndpoints", VpcEndpointId=[one])["unsuccessful"] for one in made],
                       [[]] * len(made))
        verify(case, server, [client], f"room again, turn {turn + 1}")
    server.process.kill()
    server.process.wait()
    server = Ec2Server(case, state=disk / "state")
    verify(case, server, [client], "restart after all of it")


def full(case, server, disk, client, when):
    """Fills the disk to the last octet and changes things until the server says that it cannot."""
    with open(disk / "filler", "wb", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            try:
                while filler.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    refusals = 0
    with server.raw() as raw:
        # a store may have room of its own left, but not for ever
        for _ in range(5000):
            try:
                client.step(raw)
            except Ec2Error as error:
                case.check(error.code in UNAVAILABLE and error.status >= 500,
                           f"{when}: {error}, wanted one of {UNAVAILABLE} with a status of 5xx")
                refusals += 1
                # a call that failed has changed nothing
                client.unknown = None
                if refusals == 20:
                    break
    case.check(refusals == 20, f"{when}: {refusals} calls were refused, wanted 20")
    case.check(server.alive(), f"{when}: the server ended")
    verify(case, server, [client], when)


def together(case, server, client):
    """Calls that come at one time: what was refused is not there, what was acknowledged is. The ids of the latter."""
    names, answers = [f"together-{n}" for n in range(16)], []

    def work(name):
        with server.raw() as raw:
            for _ in range(10):
                try:
                    answers.append(make_endpoint(raw, client.vpc, "sqs", client.subnets[:1], PrivateDnsEnabled=False,
                                                 TagSpecification=tags("vpc-endpoint", Name=name)))
                except Ec2Error as error:
                    answers.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if isinstance(answer, Ec2Error)]
    made = sorted(answer["vpcEndpointId"] for answer in answers if not isinstance(answer, Ec2Error))
    case.equal("answers of calls that came together", len(answers), 160)
    case.check(len(refused) > 100, f"of 160 calls that came together on a full disk, {len(refused)} were refused")
    case.equal("refusals in other words", [str(error) for error in refused if error.code not in UNAVAILABLE][:3], [])
    with server.raw() as raw:
        there = [item["vpcEndpointId"] for item in raw.all("DescribeVpcEndpoints") if tag_of(item, "Name") in names]
    case.equal("endpoints of calls that came together", sorted(there), made)
    return made


def recovers(case, server, client):
    """With room again the next changes succeed, without a restart."""
    with server.raw() as raw:
        def works():
            try:
                client.step(raw)
                return True
            except Ec2Error:
                client.unknown = None
                return False

        wait_for("the server to take changes again", works)
        for _ in range(20):
            client.step(raw)
    case.checks += 1

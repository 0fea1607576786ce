"""`sync` finds AWS by upstreams, /etc/hosts or other resolvers of the machine, never by the server that overrides AWS's names.

A network namespace: the server at 127.0.0.2:53, whose zones give EC2 and STS private addresses where nothing listens; a scripted
upstream with their public ones; a scripted AWS there, with a certificate for its names.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from support import awstools, zones as z
from support.aws_services import AwsServices, certificate, secret
from support.case import Skip, clean_env, stop, wait_for

REGION, VPC = "us-east-1", "vpc-0000000a"
OURS, PUBLIC, OTHER, AWS, PRIVATE = "127.0.0.2", "127.0.0.77", "127.0.0.99", "127.0.0.44", "10.0.1.17"
HOSTS = [f"{service}.{REGION}.amazonaws.com" for service in ("ec2", "sts", "route53resolver", "route53profiles")] + ["route53.amazonaws.com"]


def run(case):
    awstools.need("boto3")
    case.need("ip", "openssl", "unshare", "ss", "dig")
    if os.geteuid() != 0:
        raise Skip("network namespaces need root")
    if subprocess.run(["unshare", "-nm", "true"], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("this machine does not let its root make namespaces")
    there = Machine(case)
    server = followed(case, there)
    once(case, there)
    stop(server)
    by_system(case, there)


class Machine:
    """A host whose resolv.conf and hosts are the test's."""

    def __init__(self, case):
        self.case, self.name, self.rounds = case, f"vpcedns-names{os.getpid()}", 0
        case.run("ip", "netns", "add", self.name)
        case.finally_do(lambda: subprocess.run(["ip", "netns", "delete", self.name], env=clean_env(), check=False))
        case.run("ip", "-n", self.name, "link", "set", "lo", "up")
        self.aws = AwsServices(case)
        self.aws.listen(AWS, 443, namespace=self.name, tls=certificate(case, *(f"DNS:{host}" for host in HOSTS)))
        self.aws.listen(AWS, 8080, namespace=self.name)
        script = Path(__file__).with_name("support") / "upstream.py"
        for address in (PUBLIC, OTHER):
            known = [word for host in HOSTS for word in ("--address", f"{host}={AWS}")]
            self.start(address, sys.executable, script, "--listen", f"{address}:53", "--seen", f"seen-{address}", *known)
        self.names()
        zones = z.vpc(VPC, "10.0.0.0/16", clients=["127.0.0.0/8"]) + z.subnet("subnet-000000a1", VPC, "a", "10.0.1.0/24")
        for number, service in enumerate(("ec2", "sts")):
            zones += z.endpoint(f"vpce-0fe5b17a0707d6ab{number}", VPC, service, "29p5708s", [("subnet-000000a1", f"10.0.1.{17 + number}")])
        case.write("zones/all.toml", zones)

    def names(self, resolvers=(OURS,), hosts="", nsswitch="hosts: files dns\n"):
        """What programs of this host read from now on."""
        self.case.write("etc/resolv.conf", "options timeout:1 attempts:1\n" + "".join(f"nameserver {address}\n" for address in resolvers))
        self.case.write("etc/hosts", "127.0.0.1 localhost\n" + hosts)
        self.case.write("etc/nsswitch.conf", nsswitch)

    def words(self, *command):
        """A command as this host runs it."""
        mounts = " && ".join(f'mount --bind "$1/etc/{name}" /etc/{name}' for name in ("resolv.conf", "hosts", "nsswitch.conf"))
        return ["ip", "netns", "exec", self.name, "unshare", "-m", "sh", "-c", mounts + ' && shift && exec "$@"', "sh", self.case.dir, *command]

    def start(self, address, *command, **options):
        """A process of this host; waits until it answers DNS."""
        process = self.case.start(*self.words(*command) if options else ["ip", "netns", "exec", self.name, *command], log=f"{address}.log", **options)
        sockets = ("ip", "netns", "exec", self.name, "ss", "-lun")
        wait_for(f"what listens on {address}", lambda: process.poll() is not None or f"{address}:53" in self.case.run(*sockets), seconds=30)
        return process

    def env(self, extra=()):
        env = {key: value for key, value in clean_env().items() if not key.startswith("AWS_") and "proxy" not in key.lower()}
        return env | {"HOME": str(self.case.dir), "AWS_CA_BUNDLE": str(self.case.dir / "ca.pem"), "AWS_ACCESS_KEY_ID": "AKIAENV",
                      "AWS_SECRET_ACCESS_KEY": secret("AKIAENV")} | dict(extra)

    def serve(self, kept, *flags, wait=True):
        """The server, which follows the account."""
        words = (self.case.binary, "serve", "--listen", f"{OURS}:53", "--zones", "zones", "--sync", REGION, "--sync-every", "1",
                 "--sync-dir", kept, "--socket", f"{kept}.sock", *flags)
        if not wait:
            return self.case.run(*self.words(*words), check=False, env=self.env())
        return self.start(OURS, *words, env=self.env())

    def sync(self, *flags, extra=()):
        """(exit code, whether EC2 was called, what was said) of a command without the server's help."""
        self.rounds += 1
        self.aws.callers.clear()
        done = self.case.run(*self.words(self.case.binary, "sync", "--to", f"to-{self.rounds}", "--region", REGION, *flags),
                             check=False,
                             env=self.env({"AWS_ACCESS_KEY_ID": "AKIAONCE", "AWS_SECRET_ACCESS_KEY": secret("AKIAONCE")} | dict(extra)))
        return done.returncode, "AKIAONCE" in self.aws.callers, done.stderr

    def looked_up(self, host):
        """What a program of this host finds that asks as resolv.conf says."""
        return self.case.run(*self.words("dig", "+short", host)).strip()

    def asked(self, address):
        """What a resolver was asked."""
        return (self.case.dir / f"seen-{address}").read_text()


def followed(case, there):
    """The machine's only resolver is the server; it reads the account by its upstream, before it answers and while it does."""
    server = there.serve("kept", "--forward", PUBLIC)
    wait_for("rounds", lambda: len(there.aws.callers) > 20, seconds=30)
    case.equal("EC2, as programs of this host find it", there.looked_up(HOSTS[0]), PRIVATE)
    case.equal("what no zone has", there.looked_up(HOSTS[2]), AWS)
    log = (case.dir / f"{OURS}.log").read_text()
    case.check("not read" not in log, "a round has failed", log)
    for host in HOSTS[:2]:
        case.check(f"{host}. 1\n" in there.asked(PUBLIC), f"the upstream was not asked for {host}", there.asked(PUBLIC))
    status = json.loads(case.run(*there.words(case.binary, "status", "--json", "--socket", "kept.sock")))
    case.equal("where the server says it is", status["listen"], [f"{OURS}:53"])
    return server


def once(case, there):
    """The command, beside that server."""
    socket = ("--socket", "kept.sock")
    case.equal("by the upstream that is named", there.sync("--forward", PUBLIC)[:2], (0, True))
    code, called, said = there.sync(*socket)
    case.equal("where the server is the only resolver", (code, called), (1, False), said)
    case.check(f"nobody is known who could be asked for sts.{REGION}.amazonaws.com" in said and "--forward" in said, "its error", said)
    case.equal("without knowing of the server", there.sync("--socket", "nowhere.sock")[:2], (1, False))
    there.names([OURS, OTHER])
    case.equal("by the other resolver", there.sync(*socket)[:2], (0, True))
    case.check(f"{HOSTS[0]}. 1\n" in there.asked(OTHER), "it was not asked", there.asked(OTHER))
    there.names(hosts=f"{AWS} {' '.join(HOSTS)}\n")
    case.equal("by /etc/hosts", there.sync(*socket)[:2], (0, True))
    there.names(hosts=f"{AWS} emulator\n")
    # where upstreams are named, hosts of the file and what has no dot are still this machine's
    there.names([OTHER], hosts=f"{AWS} emulator emulator.example\n")
    for host, why in {"localhost": "Connection refused", "a.localhost": "Connection refused", "nx.invalid": "NXDOMAIN, says 127.0.0.77:53",
                      "emulator": None, "emulator.example": None}.items():
        code, called, said = there.sync("--forward", PUBLIC, extra={"AWS_ENDPOINT_URL": f"http://{host}:8080"})
        case.equal(host, (code, called), (1, False) if why else (0, True), said)
        case.check(not why or why in said, f"{host}: its error", said)
    there.names()


def by_system(case, there):
    """`--forward system` and `none`: the machine's resolvers, less the server; a first start without one says so."""
    for forward in ("none", "system"):
        there.names([OURS, OTHER])
        there.aws.callers.clear()
        server = there.serve(f"kept-{forward}", "--forward", forward)
        case.check(server.poll() is None and there.aws.callers, f"--forward {forward}: EC2 is not found", (case.dir / f"{OURS}.log").read_text())
        stop(server)
        there.names([OURS])
        done = there.serve(f"alone-{forward}", "--forward", forward, wait=False)
        case.equal(f"--forward {forward} without another resolver", done.returncode, 1, done.stderr)
        case.check("not read: nobody is known" in done.stderr or "nobody is known who could be asked" in done.stderr, "its error", done.stderr)

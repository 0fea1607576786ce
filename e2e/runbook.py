"""The runbook: broken servers, each found by `vpcedns status`, by an alert of deploy/prometheus, and in docs/runbook.md."""

import json
import re
import resource
import socket
import subprocess
import threading
import time
import urllib.request
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager

from support import dns
from support.case import ROOT, Skip, clean_env, find_tool, wait_for
from support.ec2 import NAMESPACE, REGION, Ec2Server, make_vpc
from support.etcd import Cluster
from support.server import Server, Upstream, free_port
from sync import Proxy

VPC = '[[vpc]]\nvpc_id = "vpc-0000000a"\nregion = "us-east-1"\ncidr_blocks = ["127.0.0.0/8"]\n'
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
PAGE = ROOT / "docs/runbook.md"
# what a program asks the C library for the time, AHEAD seconds ahead
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += atol(getenv("AHEAD"));
    return done;
}
time_t time(time_t *to) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (to) *to = at.tv_sec;
    return at.tv_sec;
}
"""


class Outage:
    """One broken server: the row of the page, what status says, which alert fires, and what keeps it broken."""

    def __init__(self, row, server, says, alert, keep=lambda: None):
        self.row, self.server, self.says, self.alert, self.keep = row, server, says, alert, keep


def run(case):
    case.need("openssl")
    if find_tool("prometheus") is None:
        raise Skip("not installed: prometheus")
    starts = (dead_upstream, blind_watch, bad_file, dead_account, shrunken_account, lost_store, half_written, lost_log, expiring, expired,
              no_descriptors, flood, overloaded, wrong_clock, hanging)
    outages = []
    for start in starts:
        try:
            outages.append(start(case))
        except Skip as skip:
            case.note(f"SKIPPED {start.__name__}: {skip}")
    healthy = server(case, "healthy")
    firing = prometheus(case, [outage.server for outage in outages] + [healthy])
    running = True

    def keep_broken():
        while running:
            for outage in outages:
                outage.keep()
            time.sleep(0.05)

    keeper = threading.Thread(target=keep_broken, daemon=True)
    keeper.start()
    page = PAGE.read_text()
    try:
        for outage in outages:
            target = outage.server.http.removeprefix("http://")
            wait_for(f"{outage.row}: the alert {outage.alert}", lambda t=target, a=outage.alert: a in firing().get(t, set()), 60, 0.3)
            case.checks += 1
            said = status(case, outage.server)
            case.check(re.search(outage.says, said), f"{outage.row}: status does not say {outage.says!r}", said)
            row = next((line for line in page.splitlines() if line.startswith(f"| {outage.row} |")), "")
            case.check(f"`{outage.alert}`" in row, f"{outage.row}: docs/runbook.md has no row '{outage.row}' with {outage.alert}", row)
        case.equal("alerts of a healthy server", firing().get(healthy.http.removeprefix("http://"), set()), set())
        case.check("all is well" in status(case, healthy), "status of a healthy server", status(case, healthy))
    finally:
        running = False
        keeper.join()


def server(case, name, *flags, zones=VPC, **options):
    directory = case.write(f"{name}/zones/a.toml", zones).parent
    socket_path = case.dir / name / "s"
    started = Server(case, "--socket", socket_path, *flags, zones=directory, http=True, **options)
    started.socket_path, started.zones = socket_path, directory
    return started


def program(case, name, script):
    """A program that does something before it becomes the server: `script` sees its words as `$@`."""
    path = case.write(f"{name}/vpcedns", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@contextmanager
def instead(case, binary):
    """Servers are this program meanwhile."""
    own, case.binary = case.binary, binary
    try:
        yield
    finally:
        case.binary = own


def status(case, broken):
    done = case.run(case.binary, "status", "--socket", broken.socket_path, check=False, timeout=20)
    return done.stdout + done.stderr


def ask_quietly(broken, name, **options):
    try:
        return dns.exchange_udp(broken.address, dns.question(7, name, "A"), timeout=0.05, tries=1, **options)
    except (TimeoutError, OSError):
        return None


def dead_upstream(case):
    broken = server(case, "dead", forward=f"127.0.0.1:{free_port()}")
    return Outage("an upstream is dead", broken, r"DOWN(.|\n)*no upstream answers", "VpcednsUpstreamDown",
                 lambda: ask_quietly(broken, f"n{time.monotonic_ns()}.example"))


def blind_watch(case):
    """No inotify watches are left: in a user namespace of its own, which lets it have one."""
    few = "echo 1 > /proc/sys/user/max_inotify_watches"
    namespace = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    if subprocess.run([*namespace, few], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("no user namespaces here")
    wrapped = program(case, "blind", f"exec {' '.join(namespace)} '{few} && exec \"$0\" \"$@\"' {case.binary} \"$@\"")
    with instead(case, wrapped):
        broken = server(case, "blind")
    return Outage("changes are not told (network file system, no inotify watches left)", broken, r"changes of files are found late: the log says why", "VpcednsBlindWatch")


def clock(case, ahead):
    """The environment of a program whose clock is so many seconds ahead."""
    if find_tool("cc") is None:
        raise Skip("not installed: cc")
    library = case.dir / "clock/clock.so"
    if not library.exists():
        case.run("cc", "-shared", "-fPIC", "-o", library, case.write("clock/clock.c", CLOCK), "-ldl")
    return {"LD_PRELOAD": str(library), "AHEAD": str(ahead)}


def wrong_clock(case):
    broken = server(case, "clock", env=clock(case, 3600))
    return Outage("the clock is wrong", broken, r"its clock is 1 h 0 min ahead of the one here", "VpcednsClock")


def shrunken_account(case):
    """An API that suddenly tells one VPC of three, each time another tale of it: three times the same would be believed."""
    api = Ec2Server(case, state="shrunken/state", zones="shrunken/api")
    with api.raw() as raw:
        for n in range(3):
            make_vpc(raw, f"10.{n}.0.0/16")
    proxy = Proxy(case, api.url)
    broken = server(case, "shrunken", "--sync", f"{REGION} endpoint={proxy.url}", "--sync-dir", case.dir / "shrunken/kept", "--sync-every", "1",
                    env={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})

    def one_left(action, _count, status, text):
        if action == "DescribeVpcs":
            ElementTree.register_namespace("", NAMESPACE.strip("{}"))
            answer = ElementTree.fromstring(text)
            vpcs = answer.find(f"{NAMESPACE}vpcSet")
            for vpc in list(vpcs)[1:]:
                vpcs.remove(vpc)
            vpcs[0].find(f"{NAMESPACE}state").text = str(time.monotonic_ns())
            text = ElementTree.tostring(answer)
        return status, text, False
    proxy.spoil = one_left
    return Outage("most of an account is suddenly gone", broken, r"1 Vpcs are left of 3: not taken over(.|\n)*vpcedns sync accept", "VpcednsLoadFailed")


def lost_store(case):
    if find_tool("etcd") is None or find_tool("etcdctl") is None:
        raise Skip("not installed: etcd, etcdctl")
    cluster = Cluster(case)
    broken = server(case, "store", "--store", cluster.url, "--ec2-state", case.dir / "store/state")
    for member in range(len(cluster.members)):
        cluster.kill(member)
    return Outage("etcd is lost (`--store`)", broken, r"source +\S+: NOT READ(.|\n)*cannot be read as a whole", "VpcednsLoadFailed")


def bad_file(case):
    broken = server(case, "bad")
    (broken.zones / "b.toml").write_text("[[vpc]\n")
    return Outage("a file has an error", broken, r"b\.toml:1(.|\n)*correct the errors above", "VpcednsLoadFailed")


def dead_account(case):
    """An account that was read by an earlier server, and cannot be read now."""
    kept = case.dir / "account" / "kept"
    case.write("account/kept/us-east-1/111122223333-us-east-1/ec2.json",
               '[{"Vpcs": [{"VpcId": "vpc-0a1b2c3d4e5f60718", "CidrBlock": "10.99.0.0/16", "Region": "us-east-1"}]}]')
    broken = server(case, "account", "--sync", f"us-east-1 endpoint=http://127.0.0.1:{free_port()}", "--sync-dir", kept, "--sync-every", "1",
                    env={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})
    return Outage("an account cannot be read", broken, r"sync-us-east-1: NOT READ(.|\n)*GetCallerIdentity(.|\n)*sync-us-east-1 cannot be read",
                 "VpcednsLoadFailed")


def half_written(case):
    broken = server(case, "half")
    writer = open(broken.zones / "b.toml", "w")
    writer.write("[[vpc")
    writer.flush()
    case.finally_do(writer.close)
    return Outage("a file stays half written", broken, "half written", "VpcednsHalfWrittenFile")


def lost_log(case):
    """As on a full disk: every line is an error."""
    directory = case.write("log/zones/a.toml", VPC).parent
    port, http = free_port(), free_port()
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen([case.binary, "serve", "--zones", directory, "--listen", f"127.0.0.1:{port}", "--forward", "none", "--http",
                                    f"127.0.0.1:{http}", "--socket", case.dir / "log/s"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=full)
    case.finally_do(lambda: (process.kill(), process.wait()))
    broken = type("Started", (), {"http": f"http://127.0.0.1:{http}", "socket_path": case.dir / "log/s", "address": ("127.0.0.1", port)})()
    wait_for("the server without a log", lambda: ask_quietly(broken, "localhost"))
    reload = [case.binary, "reload", "--socket", broken.socket_path]
    return Outage("the disk is full, or nobody reads the log", broken, "the log cannot be written", "VpcednsLogLost",
                 lambda: subprocess.run(reload, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False))


def expiring(case):
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example", "-out", "cert.pem", "-keyout", "key.pem")
    broken = server(case, "expiring", "--tls", f"127.0.0.1:{free_port()}", "--tls-cert", case.dir / "cert.pem", "--tls-key", case.dir / "key.pem")
    return Outage("the certificate ends", broken, "the certificate ends in 1 d", "VpcednsCertificateExpires")


def expired(case):
    """A certificate of 30 days that was made 40 days ago, with the key of the one that ends soon."""
    case.run("openssl", "req", "-x509", "-key", "key.pem", "-days", "30", "-subj", "/CN=dns.example", "-addext",
             "subjectAltName=DNS:dns.example", "-out", "ended.pem", env=clean_env() | clock(case, -40 * 86400))
    broken = server(case, "expired", "--tls", f"127.0.0.1:{free_port()}", "--tls-cert", case.dir / "ended.pem", "--tls-key", case.dir / "key.pem")
    return Outage("the certificate ends", broken, r"the certificate ended 10 d \d+ h ago: renew it", "VpcednsCertificateExpires")


def no_descriptors(case):
    broken = server(case, "descriptors")
    used = len(list((ROOT / f"/proc/{broken.process.pid}/fd").iterdir()))
    resource.prlimit(broken.process.pid, resource.RLIMIT_NOFILE, (used + 3, used + 3))
    return Outage("no file descriptors are left", broken, "file descriptors are in use", "VpcednsDescriptorsLow")


def flood(case):
    """Strangers: no VPC and no `allow` has this network. 127/8 is always served, so the VPC turns its clients away."""
    broken = server(case, "flood", zones=VPC + "enable_dns_support = false\n")
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    case.finally_do(client.close)
    packet = dns.question(7, "localhost", "A")

    def send():
        for _ in range(400):
            client.sendto(packet, broken.address)

    return Outage("a flood of strangers", broken, "questions a second are refused", "VpcednsFlood", send)


def overloaded(case):
    upstream = Upstream(case)
    broken = server(case, "overloaded", "--limit", "forward_in_flight=1", "--limit", "forward_in_flight_per_client=1", forward=upstream.target)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    case.finally_do(client.close)

    def send():
        for _ in range(20):
            client.sendto(dns.question(7, f"n{time.monotonic_ns()}.example", "A"), broken.address)

    return Outage("too many questions wait for an upstream", broken, "questions are turned away", "VpcednsOverloaded", send)


def hanging(case):
    """A process that does nothing: as one that is gone, but for its sockets."""
    broken = server(case, "hanging")
    broken.process.kill()
    broken.process.wait()
    return Outage("the process is gone or hangs", broken, "no server answers", "VpcednsDown")


def prometheus(case, servers):
    """Scrapes them, and evaluates the rules with seconds in place of minutes; returns which alerts fire, by server."""
    rules = re.sub(r"for: \d+m", "for: 0s", ALERTS.read_text()).replace("[5m]", "[4s]").replace("[1m]", "[4s]")
    case.write("alerts.yml", rules)
    targets = ", ".join(f"'{started.http.removeprefix('http://')}'" for started in servers)
    case.write("prometheus.yml", "global: { scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms }\nrule_files: [alerts.yml]\n"
               f"scrape_configs:\n  - job_name: vpcedns\n    static_configs: [ {{ targets: [{targets}] }} ]\n")
    port = free_port()
    case.start("prometheus", f"--config.file={case.dir}/prometheus.yml", f"--storage.tsdb.path={case.dir}/tsdb",
               f"--web.listen-address=127.0.0.1:{port}", log="prometheus.log")

    def firing():
        found = {}
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as reply:
                for alert in json.load(reply)["data"]["alerts"]:
                    if alert["state"] == "firing":
                        found.setdefault(alert["labels"].get("instance"), set()).add(alert["labels"]["alertname"])
        except OSError:
            pass
        return found

    return firing

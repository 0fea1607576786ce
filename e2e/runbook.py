"""The runbook: broken servers, each found by `vpcedns status`, by an alert of deploy/prometheus, and in docs/runbook.md."""

import json
import re
import resource
import socket
import subprocess
import threading
import time
import urllib.request

from support import dns
from support.case import ROOT, Skip, find_tool, wait_for
from support.server import Server, Upstream, free_port

VPC = '[[vpc]]\nvpc_id = "vpc-0000000a"\nregion = "us-east-1"\ncidr_blocks = ["127.0.0.0/8"]\n'
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
PAGE = ROOT / "docs/runbook.md"


class Outage:
    """One broken server: what it is, what status says, which alert fires, and what keeps it broken."""

    def __init__(self, name, server, says, alert, keep=lambda: None):
        self.name, self.server, self.says, self.alert, self.keep = name, server, says, alert, keep


def run(case):
    case.need("openssl")
    if find_tool("prometheus") is None:
        raise Skip("not installed: prometheus")
    outages = [start(case) for start in (dead_upstream, bad_file, dead_account, half_written, lost_log, expiring, no_descriptors, flood, overloaded, hanging)]
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
            wait_for(f"{outage.name}: the alert {outage.alert}", lambda t=target, a=outage.alert: a in firing().get(t, set()), 60, 0.3)
            case.checks += 1
            said = status(case, outage.server)
            case.check(re.search(outage.says, said), f"{outage.name}: status does not say {outage.says!r}", said)
            row = next((line for line in page.splitlines() if line.startswith("|") and f"`{outage.alert}`" in line), None)
            case.check(row, f"{outage.name}: docs/runbook.md does not name {outage.alert}")
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
    return Outage("dead upstream", broken, r"DOWN(.|\n)*no upstream answers", "VpcednsUpstreamDown",
                 lambda: ask_quietly(broken, f"n{time.monotonic_ns()}.example"))


def bad_file(case):
    broken = server(case, "bad")
    (broken.zones / "b.toml").write_text("[[vpc]\n")
    return Outage("bad file", broken, r"b\.toml:1(.|\n)*correct the errors above", "VpcednsLoadFailed")


def dead_account(case):
    """An account that was read by an earlier server, and cannot be read now."""
    kept = case.dir / "account" / "kept"
    case.write("account/kept/us-east-1/111122223333-us-east-1/ec2.json",
               '[{"Vpcs": [{"VpcId": "vpc-0a1b2c3d4e5f60718", "CidrBlock": "10.99.0.0/16", "Region": "us-east-1"}]}]')
    broken = server(case, "account", "--sync", f"us-east-1 endpoint=http://127.0.0.1:{free_port()}", "--sync-dir", kept, "--sync-every", "1",
                    env={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})
    return Outage("account that cannot be read", broken, r"sync-us-east-1: NOT READ(.|\n)*GetCallerIdentity(.|\n)*sync-us-east-1 cannot be read",
                 "VpcednsLoadFailed")


def half_written(case):
    broken = server(case, "half")
    writer = open(broken.zones / "b.toml", "w")
    writer.write("[[vpc")
    writer.flush()
    case.finally_do(writer.close)
    return Outage("half-written file", broken, "half written", "VpcednsHalfWrittenFile")


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
    return Outage("lost log", broken, "the log cannot be written", "VpcednsLogLost",
                 lambda: subprocess.run(reload, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False))


def expiring(case):
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example", "-out", "cert.pem", "-keyout", "key.pem")
    broken = server(case, "expiring", "--tls", f"127.0.0.1:{free_port()}", "--tls-cert", case.dir / "cert.pem", "--tls-key", case.dir / "key.pem")
    return Outage("certificate that ends", broken, "the certificate ends in 1 d", "VpcednsCertificateExpires")


def no_descriptors(case):
    broken = server(case, "descriptors")
    used = len(list((ROOT / f"/proc/{broken.process.pid}/fd").iterdir()))
    resource.prlimit(broken.process.pid, resource.RLIMIT_NOFILE, (used + 3, used + 3))
    return Outage("no descriptors", broken, "file descriptors are in use", "VpcednsDescriptorsLow")


def flood(case):
    """Strangers: no VPC and no `allow` has this network. 127/8 is always served, so the VPC turns its clients away."""
    broken = server(case, "flood", zones=VPC + "enable_dns_support = false\n")
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    case.finally_do(client.close)
    packet = dns.question(7, "localhost", "A")

    def send():
        for _ in range(400):
            client.sendto(packet, broken.address)

    return Outage("flood", broken, "questions a second are refused", "VpcednsFlood", send)


def overloaded(case):
    upstream = Upstream(case)
    broken = server(case, "overloaded", "--limit", "forward_in_flight=1", "--limit", "forward_in_flight_per_client=1", forward=upstream.target)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    case.finally_do(client.close)

    def send():
        for _ in range(20):
            client.sendto(dns.question(7, f"n{time.monotonic_ns()}.example", "A"), broken.address)

    return Outage("overload", broken, "questions are turned away", "VpcednsOverloaded", send)


def hanging(case):
    """A process that does nothing: as one that is gone, but for its sockets."""
    broken = server(case, "hanging")
    broken.process.kill()
    broken.process.wait()
    return Outage("gone", broken, "no server answers", "VpcednsDown")


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

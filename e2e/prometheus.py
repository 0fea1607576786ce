"""Metrics as Prometheus has them: both formats by `promtool check metrics`, and the alert rules by a prometheus that scrapes the server."""

import json
import re
import socket
import time
import urllib.request

from support.case import ROOT, Skip, find_tool, wait_for
from support.server import Server, free_port

ALERTS = ROOT / "deploy/prometheus/alerts.yml"
VPC = '[[vpc]]\nvpc_id = "vpc-0000000a"\nregion = "us-east-1"\ncidr_blocks = ["127.0.0.0/8"]\n'
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def run(case):
    case.need("openssl")
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example", "-out", "cert.pem", "-keyout", "key.pem")
    zones = case.write("zones/a.toml", VPC).parent
    dead = f"127.0.0.1:{free_port()}"
    server = Server(case, "--tls", f"127.0.0.1:{free_port()}", "--tls-cert", case.dir / "cert.pem", "--tls-key", case.dir / "key.pem",
                    "--socket", case.dir / "control.sock", zones=zones, forward=dead, http=True)
    for name in ("localhost", "forwarded.example"):
        server.ask(name)
    texts = {kind: metrics(server, accept) for kind, accept in (("prometheus", "*/*"), ("openmetrics", "application/openmetrics-text"))}
    formats(case, texts)
    counts(case, server)
    if find_tool("promtool") is None or find_tool("prometheus") is None:
        raise Skip("not installed: prometheus")
    done = case.run("promtool", "check", "metrics", input_text=texts["prometheus"][1], check=False)
    case.equal("promtool check metrics", (done.returncode, done.stdout + done.stderr), (0, ""))
    done = case.run("promtool", "check", "rules", ALERTS, check=False)
    case.equal("promtool check rules", done.returncode, 0, done.stdout + done.stderr)
    evaluated(case, server)


def metrics(server, accept):
    request = urllib.request.Request(server.http + "/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=5) as reply:
        return reply.headers["Content-Type"], reply.read().decode()


def formats(case, texts):
    kind, text = texts["openmetrics"]
    case.equal("type of OpenMetrics", kind, OPENMETRICS)
    case.check(text.endswith("# EOF\n") and "# TYPE vpcedns_loads counter\n" in text, "OpenMetrics", text[:400])
    kind, text = texts["prometheus"]
    case.equal("type of the other format", kind, "text/plain; version=0.0.4; charset=utf-8")
    case.check("# EOF" not in text and "# TYPE vpcedns_loads_total counter\n" in text, "Prometheus text format", text[:400])
    samples = {kind: {re.split(r"[{ ]", line)[0] for line in body.splitlines() if not line.startswith("#")}
               for kind, (_, body) in texts.items()}
    case.equal("samples of both formats", samples["openmetrics"] ^ samples["prometheus"], set())


def counts(case, server):
    def value(sample):
        lines = metrics(server, "")[1].splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample + " ")), None)

    before = value('vpcedns_questions_total{view="vpc",decision="special"}')
    durations = value('vpcedns_answer_duration_seconds_count{transport="udp",answered="at_once"}')
    for _ in range(3):
        server.ask("localhost")
    # a reply is sent first and counted then
    wait_for("three questions to be counted", lambda: value('vpcedns_questions_total{view="vpc",decision="special"}') == before + 3)
    wait_for("their durations",
             lambda: value('vpcedns_answer_duration_seconds_count{transport="udp",answered="at_once"}') >= durations + 3)
    wait_for("the duration of one that waited",
             lambda: (value('vpcedns_answer_duration_seconds_count{transport="udp",answered="waited"}') or 0) >= 1)
    wait_for("a SERVFAIL that was relayed", lambda: value('vpcedns_relayed_total{rcode="SERVFAIL"}') == 1.0)
    end = value("vpcedns_certificate_expiry_timestamp_seconds")
    case.check(abs(end - time.time() - 2 * 86400) < 3600, "end of the certificate", end)
    malformed = value('vpcedns_silent_total{reason="malformed"}')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", server.address)
    wait_for("a malformed packet to be counted", lambda: value('vpcedns_silent_total{reason="malformed"}') == malformed + 1)
    case.equal("waiting", value("vpcedns_forward_waiting"), 0.0)
    case.check(value("process_open_fds") < value("process_max_fds"), "descriptors")


def evaluated(case, server):
    """A prometheus of this test's own evaluates the rules: what is wrong fires, what is not does not."""
    # seconds in place of minutes
    rules = re.sub(r"for: \d+m", "for: 0s", ALERTS.read_text()).replace("> 3600", "> 2")
    case.write("alerts.yml", rules)
    case.write("prometheus.yml", "global: { scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms }\nrule_files: [alerts.yml]\n"
               "scrape_configs:\n  - job_name: vpcedns\n    static_configs: [ { targets: ['%s'] } ]\n" % server.http.removeprefix("http://"))
    port = free_port()
    case.start("prometheus", f"--config.file={case.dir}/prometheus.yml", f"--storage.tsdb.path={case.dir}/tsdb",
               f"--web.listen-address=127.0.0.1:{port}", log="prometheus.log")

    def firing():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as reply:
                alerts = json.load(reply)["data"]["alerts"]
        except OSError:
            return set()
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def asked_and_firing():
        server.ask(f"n{time.monotonic_ns()}.example")
        return firing()

    # the upstream is dead, and the certificate ends in two days
    wait_for("the two alerts about what is wrong", lambda: {"VpcednsUpstreamDown", "VpcednsCertificateExpires"} <= asked_and_firing(),
             60, 0.2)
    case.equal("alerts besides", firing() - {"VpcednsUpstreamDown", "VpcednsCertificateExpires", "VpcednsForwardFailures"}, set())
    case.write("zones/a.toml", "[[vpc]\n")
    wait_for("the alert about a bad file", lambda: "VpcednsLoadFailed" in firing(), 30, 0.2)
    wait_for("the alert about one that stays bad", lambda: "VpcednsSourceStale" in firing(), 30, 0.2)
    case.write("zones/a.toml", VPC)
    wait_for("the end of both", lambda: not {"VpcednsLoadFailed", "VpcednsSourceStale"} & firing(), 30, 0.2)
    case.equal("exit code of the server", server.stop(), 0)
    wait_for("the alert about a server that is gone", lambda: "VpcednsDown" in firing(), 30, 0.2)

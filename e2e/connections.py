"""Floods of connections and datagrams: clients of the VPC are served, strangers and greedy clients wait.

A network namespace of its own, in which 10.0.0.0/16 (a VPC) and 198.51.100.0/24 (strangers) are all on loopback. 10,000
idle connections from 200 addresses, of strangers and of clients of the VPC, while clients with one connection each ask
over TCP; the same beside Unbound and NSD with as many slots. Then 2,000 datagrams of one network of strangers.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from support import zones as z
from support.case import Skip, clean_env, find_tool, stop, wait_for

VPC = "vpc-0000000a"
NAME = f"vpce-0fe5b17a0707d6abc-29p5708s.ec2.{z.SUFFIX}"
SERVER, SLOTS, CONNECTIONS, ADDRESSES, QUESTIONS = "10.0.0.2", 1024, 10_000, 200, 40
STRANGERS, GREEDY, HONEST = "198.51.100", "10.0.77", "10.0.50"
FLOOD = Path(__file__).parent / "support" / "flood.py"


def run(case):
    if os.geteuid():
        raise Skip("needs root for a network namespace")
    case.need("ip", "unshare")
    if subprocess.run(["unshare", "-nm", "true"], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("this machine does not let its root make namespaces")
    name = f"vpcedns{os.getpid()}-flood"
    case.run("ip", "netns", "add", name)
    case.finally_do(lambda: subprocess.run(["ip", "netns", "delete", name], env=clean_env(), check=False))
    inside = ["ip", "netns", "exec", name]
    case.run(*inside, "ip", "link", "set", "lo", "up")
    for network in ("10.0.0.0/16", "198.51.100.0/24"):
        case.run(*inside, "ip", "route", "add", "local", network, "dev", "lo")
    case.run(*inside, "sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1", "net.ipv4.tcp_tw_reuse=1")
    ours(case, inside)
    others(case, inside)


def flood(case, inside, kind, *words):
    text = case.run(*inside, sys.executable, FLOOD, kind, SERVER, "53", *map(str, words), timeout=120)
    return json.loads(text)


def connections(case, inside, hostile):
    return flood(case, inside, "tcp", hostile, ADDRESSES, CONNECTIONS, HONEST, QUESTIONS, NAME)


def ours(case, inside):
    text = z.vpc(VPC, "10.0.0.0/16") + z.subnet("subnet-000000a1", VPC, "a", "10.0.1.0/24")
    case.write("zones/a.toml", text + z.endpoint("vpce-0fe5b17a0707d6abc", VPC, "ec2", "29p5708s",
                                                 [("subnet-000000a1", "10.0.1.17")]))
    process = case.start(*inside, case.binary, "serve", "--zones", "zones", "--listen", f"{SERVER}:53", "--forward", "none",
                         "--http", "127.0.0.1:9153", "--limit", f"tcp_connections={SLOTS}", log="serve.log")
    wait_for("the server to be ready", lambda: process.poll() is not None or "ready:" in (case.dir / "serve.log").read_text())
    descriptors = lambda: len(os.listdir(f"/proc/{process.pid}/fd"))
    before = descriptors()
    for what, hostile in (("strangers", STRANGERS), ("clients of the VPC", GREEDY)):
        seen = connections(case, inside, hostile)
        case.note(f"{CONNECTIONS} connections of {ADDRESSES} {what}: {seen}")
        case.equal(f"questions answered under {CONNECTIONS} connections of {what}", (seen["good"], seen["after"]),
                   (QUESTIONS, True), str(seen))
    seen = flood(case, inside, "udp", STRANGERS, 50, 2000, NAME)
    case.note(f"2000 datagrams of one network of strangers: {seen}")
    seconds = int(seen["seconds"]) + 2
    case.check(0 < seen["whole"] <= 5 * seconds, "strangers got more than five whole replies a second", str(seen))
    case.check(0 < seen["truncated"] <= seen["sent"] / 2, "not every second reply beyond is a truncated one", str(seen))
    case.check(seen["amplification"] <= 1.4, "REFUSED is more than 1.4 times the question", str(seen))
    log = (case.dir / "serve.log").read_text()
    case.check(log.count("connections refused") <= 4, "more than one line of the log a minute and kind", log[-2000:])
    metrics = case.run(*inside, sys.executable, "-c", "import urllib.request as u; print(u.urlopen("
                       "'http://127.0.0.1:9153/metrics', timeout=5).read().decode())")
    counts = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
              if line.startswith("vpcedns_connections_refused_total{")}
    refused = counts.get('vpcedns_connections_refused_total{listener="tcp",reason="stranger"}', 0)
    case.check(refused >= CONNECTIONS * 0.9, "refused connections of strangers are not counted", metrics)
    wait_for("descriptors to be given back", lambda: descriptors() <= before + 16, seconds=30)
    case.equal("exit code after SIGTERM", stop(process), 0)


def others(case, inside):
    """The same attack on servers that can do the same; a figure to compare with, not a test of them."""
    unbound = (f"server:\n  interface: {SERVER}\n  port: 53\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n"
               f"  pidfile: \"\"\n  use-syslog: no\n  num-threads: 1\n  incoming-num-tcp: {SLOTS}\n"
               f"  access-control: 10.0.0.0/16 allow\n  local-zone: \"{z.SUFFIX}.\" static\n"
               f"  local-data: \"{NAME}. A 10.0.1.17\"\nremote-control:\n  control-enable: no\n")
    case.write("nsd/x.zone", f"$ORIGIN {z.SUFFIX}.\n@ 60 SOA ns h 1 1 1 1 60\n@ NS ns\n{NAME}. 60 A 10.0.1.17\n")
    nsd = (f"server:\n  ip-address: {SERVER}\n  port: 53\n  username: \"\"\n  zonesdir: \"{case.dir}/nsd\"\n  pidfile: \"\"\n"
           f"  database: \"\"\n  xfrdfile: \"{case.dir}/nsd/xfrd\"\n  zonelistfile: \"{case.dir}/nsd/list\"\n"
           f"  tcp-count: {SLOTS}\nzone:\n  name: {z.SUFFIX}\n  zonefile: x.zone\n")
    for tool, flags, text in (("unbound", ["-dp", "-c"], unbound), ("nsd", ["-d", "-c"], nsd)):
        if not find_tool(tool):
            case.note(f"no {tool} to compare with")
            continue
        process = case.start(*inside, tool, *flags, case.write(f"{tool}/{tool}.conf", text), log=f"{tool}.log")
        ready = lambda: process.poll() is not None or case.run(
            *inside, "dig", "+tcp", f"@{SERVER}", NAME, "+tries=1", "+timeout=1", check=False).returncode == 0
        wait_for(f"{tool} to answer", ready)
        for what, hostile in (("strangers", STRANGERS), ("clients of the VPC", GREEDY)):
            case.note(f"{tool}, {CONNECTIONS} connections of {ADDRESSES} {what}: {connections(case, inside, hostile)}")
        stop(process)

"""A changed file is served soon and whole: time to visible, reloads under load, broken files, a lost directory."""

import json
import os
import re
import signal
import socket
import statistics
import sys
import time
from pathlib import Path

from support import zones as z
from support.case import ROOT, Failure, stop, wait_for
from support.server import Server, free_port

VPC = "vpc-0000000a"
SUBNETS = ["subnet-000000a0", "subnet-000000a1"]
# endpoints that no step changes
STILL = range(10, 210)
RELOADS = int(os.environ.get("E2E_RELOADS", "10000"))
# the reloads stop here even if there were fewer: the test says how many
RELOAD_SECONDS = 150


def run(case):
    case.write("zones/network.toml", z.vpc(VPC, "127.16.0.0/16") + z.subnet(SUBNETS[0], VPC, "a", "127.16.0.0/18")
               + z.subnet(SUBNETS[1], VPC, "b", "127.16.64.0/18"))
    for n in STILL:
        case.write(f"zones/still/{n}.toml", endpoint(n, address(n)))
    case.write("zones/one.toml", endpoint(5000, address(5000)))
    server = Server(case, zones="zones", http=True)
    time_to_visible(case, server)
    reloads_under_load(case, server)
    broken_files(case, server)
    lost_directory(case, server)
    server.stop()
    case.write("still/network.toml", (case.dir / "zones/network.toml").read_text())
    signals_at_the_start(case)


def name(n):
    return f"vpce-{n:017x}-{n:08}.sqs.{z.SUFFIX}"


def address(n):
    """The address of endpoint `n` in the first subnet; its second is 64 in the third octet higher."""
    return f"127.16.{n >> 8}.{n & 255}"


def second(first):
    a, b, c, d = first.split(".")
    return f"{a}.{b}.{int(c) + 64}.{d}"


def endpoint(n, first):
    return z.endpoint(f"vpce-{n:017x}", VPC, "sqs", f"{n:08}", [(SUBNETS[0], first), (SUBNETS[1], second(first))],
                      private_dns_enabled=False)


def addresses(server, n):
    """What the server says of endpoint `n` at this moment."""
    seen = server.ask(name(n))
    return {socket.inet_ntoa(record.rdata) for record in seen.answer if record.type == 1}


def until_visible(server, n, first, seconds=2.0):
    """Waits until endpoint `n` has this address; returns the milliseconds. Half of an answer is an error."""
    begin = time.monotonic()
    while True:
        found = addresses(server, n)
        if first in found:
            if found != {first, second(first)}:
                raise Failure(f"a mixed answer for {name(n)}: {sorted(found)}")
            return (time.monotonic() - begin) * 1000
        if time.monotonic() - begin > seconds:
            raise Failure(f"{name(n)} does not have {first} after {seconds:g} s: {sorted(found)}")


def time_to_visible(case, server):
    times = []
    for n in range(1000, 1020):
        case.check(not addresses(server, n), f"{name(n)} answers before it was added")
        case.write(f"zones/added/{n}.toml", endpoint(n, address(n)))
        times.append(until_visible(server, n, address(n)))
    case.note(f"an endpoint added by rename is visible after {statistics.median(times):.1f} ms "
              f"(median of {len(times)}), {max(times):.1f} ms at most")
    path = case.dir / "zones/added/1000.toml"
    path.unlink()
    wait_for("a deleted endpoint to go", lambda: not addresses(server, 1000), 2.0)


def reloads_under_load(case, server):
    """Renames a file as fast as its content shows, while 2,000 questions a second ask for what does not change."""
    still = [[name(n), [address(n), second(address(n))]] for n in STILL]
    names = case.write("load.json", json.dumps(still))
    report = case.dir / "load-report.json"
    load = case.start(sys.executable, ROOT / "e2e/support/load.py", "--server", f"127.0.0.1:{server.port}",
                      "--names", names, "--report", report, log="load.log")
    wait_for("the load to begin", report.exists)
    before, begin, done, slowest = server.generation(), time.monotonic(), 0, 0.0
    try:
        while done < RELOADS and time.monotonic() - begin < RELOAD_SECONDS:
            first = address(6000 + done % 2000)
            case.write("zones/one.toml", endpoint(5000, first))
            slowest = max(slowest, until_visible(server, 5000, first))
            done += 1
    finally:
        load.send_signal(signal.SIGTERM)
        load.wait(30)
    seconds = time.monotonic() - begin
    counts = json.loads(report.read_text())
    case.check(server.generation() - before >= done, f"{done} changes were seen, but the generation went from "
               f"{before} to {server.generation()}")
    case.equal(f"of {counts['sent']} questions during {done} reloads, lost", counts["lost"], 0)
    case.equal(f"of {counts['sent']} questions during {done} reloads, wrong", counts["wrong"], 0, counts["examples"])
    case.note(f"{done} reloads in {seconds:.1f} s (slowest {slowest:.1f} ms) under {counts['sent']} questions: "
              f"{counts['lost']} lost, {counts['wrong']} wrong")


GOOD = """[[vpc_endpoint]]
vpc_endpoint_id = "vpce-00000000000001388"
vpc_id = "vpc-0000000a"
service_name = "com.amazonaws.us-east-1.sqs"
dns_suffix = "00005000"
private_dns_enabled = true
state = "available"
network_interfaces = [
  { network_interface_id = "eni-00000001", subnet_id = "subnet-000000a0", private_ip_address = "FIRST" },
  { network_interface_id = "eni-00000002", subnet_id = "subnet-000000a1", private_ip_address = "SECOND" },
]
"""

TWIN = GOOD.replace("1388", "1389").replace("eni-0000000", "eni-0000001").replace("00005000", "00005001")

# what is wrong, what is replaced, by what, the lines of which the log has to name one
BROKEN = [
    ("a string without its end", '"00005000"', '"00005000', {5}),
    ("no equals sign", "vpc_id = ", "vpc_id ", {3}),
    ("an unknown key", "vpc_id = ", "vpcid = ", {3}),
    ("an unknown table", "[[vpc_endpoint]]", "[[vpc_endpont]]", {1}),
    ("a malformed endpoint id", "vpce-00000000000001388", "vpce-1388", {2}),
    ("an id that is not an endpoint's", "vpce-00000000000001388", "eni-00000000000001388", {2}),
    ("an unknown VPC", "vpc-0000000a", "vpc-0000000f", {3}),
    ("a malformed VPC id", "vpc-0000000a", "vpc-xyz", {3}),
    ("a service of another region", "com.amazonaws.us-east-1.sqs", "com.amazonaws.eu-west-1.sqs", {4}),
    ("a suffix that is too short", '"00005000"', '"0000500"', {5}),
    ("text where a boolean belongs", "= true", '= "yes"', {6}),
    ("an unknown state", '"available"', '"avaliable"', {7}),
    ("a key said twice", 'state = "available"', 'dns_suffix = "00005000"', {5, 7}),
    ("an array without its end", "},\n]\n", "},\n", {8, 10, 11, 12, 13}),
    ("an unknown subnet", "subnet-000000a0", "subnet-000000af", {9}),
    ("an address outside its subnet", '"FIRST"', '"127.16.99.1"', {9}),
    ("a malformed address", '"SECOND"', '"127.16.64.256"', {10}),
    ("two subnets of one zone", "subnet-000000a1", "subnet-000000a0", {9, 10}),
    ("a required key left out", 'vpc_id = "vpc-0000000a"\n', "", {1}),
    ("an address used twice", '"FIRST"', f'"{address(STILL[0])}"', {9}),
    ("two endpoints with one private name", "},\n]\n", "},\n]\n" + TWIN.replace("FIRST", address(900)).replace(
        "SECOND", second(address(900))), {1, 4, 6, 12, 13, 15, 17}),
    ("an id said twice", "},\n]\n", "},\n]\n" + GOOD.replace("FIRST", address(901)).replace("SECOND", second(address(901))),
     {1, 2, 12, 13}),
    ("octets that are not text", "[[vpc_endpoint]]", "\0[[vpc_endpoint]]", {1}),
]


def broken_files(case, server):
    """A file broken in each way: the old answers stay; log, `check` and readiness name the file and the line."""
    for step, (what, old, new, lines) in enumerate(BROKEN):
        first = address(9000 + step)
        good = GOOD.replace("FIRST", first).replace("SECOND", second(first))
        case.write("zones/one.toml", good)
        until_visible(server, 5000, first)
        said = len(server.log_text())
        bad = GOOD.replace(old, new, 1)
        if bad == GOOD:
            raise Failure(f"{what}: {old!r} is not in the file that should be broken")
        # the addresses move as well, so that a half-applied file would show
        case.write("zones/one.toml", bad.replace("FIRST", address(8000)).replace("SECOND", second(address(8000))))
        try:
            wait_for("the log to name the line", lambda: named(server.log_text()[said:]) & lines, 3.0)
        except Failure:
            case.check(False, f"{what}: the log names {sorted(named(server.log_text()[said:]))}, "
                       f"wanted one of {sorted(lines)}", server.log_text()[said:])
        case.equal(f"answers after {what}", addresses(server, 5000), {first, second(first)})
        case.equal(f"answers of other files after {what}", len(addresses(server, STILL[0])), 2)
        _, body = server.get("/readyz")
        case.check(named(body) & lines, f"{what}: readiness does not name the line", body)
        checked = case.run(case.binary, "check", "--zones", "zones", check=False)
        case.equal(f"exit code of check after {what}", checked.returncode, 1)
        case.check(named(checked.stdout + checked.stderr) & lines, f"{what}: check does not name the line",
                   checked.stdout + checked.stderr)
    case.write("zones/one.toml", endpoint(5000, address(5000)))
    until_visible(server, 5000, address(5000))
    case.note(f"{len(BROKEN)} broken files: old answers kept, line named")


def named(text):
    """The lines of `one.toml` that a text names."""
    return {int(line) for line in re.findall(r"one\.toml:(\d+)", text)}


def lost_directory(case, server):
    """The directory goes and comes back, as with a checkout or a volume that is mounted anew."""
    zones, away = case.dir / "zones", case.dir / "away"
    zones.rename(away)
    time.sleep(0.5)
    case.equal("answers while the directory is gone", len(addresses(server, STILL[0])), 2)
    case.check(server.alive(), "the server ended when its directory went")
    away.rename(zones)
    case.write("zones/one.toml", endpoint(5000, address(5001)))
    until_visible(server, 5000, address(5001), 5.0)
    half = Path(zones / "half.toml")
    half.write_text(endpoint(5002, address(5002))[:150])
    time.sleep(0.2)
    case.equal("answers while a file is half written", len(addresses(server, STILL[0])), 2)
    half.write_text(endpoint(5002, address(5002)))
    until_visible(server, 5002, address(5002), 5.0)


def signals_at_the_start(case):
    """SIGHUP in the middle of the first load ends nothing, and SIGTERM as soon as it answers is an orderly end."""
    for part in range(30):
        case.write(f"many/{part}.toml", "".join(endpoint(n, address(n)) for n in range(10 + part * 500, 510 + part * 500)))
    case.write("many/network.toml", (case.dir / "zones/network.toml").read_text())
    port = free_port()
    command = [case.binary, "serve", "--zones", "many", "--listen", f"127.0.0.1:{port}", "--forward", "none"]
    process = case.start(*command, log="hup.log")
    caught = lambda: int(re.search(r"SigCgt:\s+(\w+)", Path(f"/proc/{process.pid}/status").read_text())[1], 16)
    wait_for("signals to be taken", lambda: caught() >> (signal.SIGHUP - 1) & 1, pause=0.001)
    log = case.dir / "hup.log"
    case.check("ready:" not in log.read_text(), "the first load was too short for this test")
    process.send_signal(signal.SIGHUP)
    wait_for("the server to start in spite of SIGHUP", lambda: process.poll() is not None or "ready:" in log.read_text(), seconds=60)
    case.equal("exit code after SIGHUP", process.poll(), None, log.read_text())
    case.equal("exit code after SIGTERM", stop(process), 0)
    for _ in range(10):
        server = Server(case, zones="still")
        case.equal("exit code after SIGTERM at the first answer", server.stop(), 0)

"""Half a file is never served: every way in which others write files, in pieces and at once, while names are asked for."""

import json
import re
import shutil
import signal
import time

from support import zones as z
from support.case import clean_env, wait_for
from support.server import Server

VPC, SUBNET = "vpc-0000000a", "subnet-000000a0"
# more than a buffer of stdio, so that every writer needs several writes
ENDPOINTS = range(40)
PIECES = 4
PAUSE = 0.15


def run(case):
    case.write("zones/network.toml", z.vpc(VPC, "127.16.0.0/16") + z.subnet(SUBNET, VPC, "a", "127.16.0.0/16"))
    case.write("zones/one.toml", text(0))
    server = Server(case, "--socket", case.dir / "s.sock", zones="zones", http=True)
    seen(case, server, 0, "at the start")
    for step, (name, write) in enumerate(WRITERS, start=1):
        tool = name.split()[0]
        if tool in ("rsync", "git", "vim", "ed", "sed", "cp") and not shutil.which(tool, path=clean_env()["PATH"]):
            case.note(f"SKIPPED {name}: {tool} is not installed")
            continue
        watch = Watcher(server, step)
        process = write(case, case.dir / "zones/one.toml", text(step))
        watch.until(process)
        case.check(not watch.partial, f"{name}: half a file was served", "\n".join(watch.partial[:5]))
        seen(case, server, step, name)
    left_open(case, server)
    sighup_reads_it(case, server)
    at_the_start(case)
    json_of_the_aws_cli(case)


def text(step, count=len(ENDPOINTS)):
    """A file of 40 endpoints, whose addresses say which version it is."""
    return "".join(z.endpoint(f"vpce-{n + 1:017x}", VPC, "sqs", f"{n:08}", [(SUBNET, f"127.16.{step}.{n + 10}")],
                              private_dns_enabled=n == 0) for n in ENDPOINTS[:count])


def own(n):
    return f"vpce-{n + 1:017x}-{n:08}.sqs.{z.SUFFIX}"


def version(server, n):
    """Of which version the answer for endpoint `n` is; None: it has none."""
    found = [record.rdata for record in server.ask(own(n)).answer if record.type == 1]
    return found[0][2] if found else None


def seen(case, server, step, what):
    """Waits until the first and the last endpoint are of this version."""
    def is_there():
        return all(version(server, n) == step for n in (ENDPOINTS[0], ENDPOINTS[-1]))
    begin = time.monotonic()
    wait_for(f"{what} to be served", is_there, 8.0)
    case.checks += 1
    return time.monotonic() - begin


class Watcher:
    """Asks for the first and the last endpoint while a file is written: both are of the old version or of the new."""

    def __init__(self, server, step):
        self.server, self.step, self.partial = server, step, []

    def until(self, process, after=0.4):
        end = None
        while end is None or time.monotonic() < end:
            if end is None and (process is None or process.poll() is not None):
                end = time.monotonic() + after
            for n in (ENDPOINTS[0], ENDPOINTS[20], ENDPOINTS[-1]):
                found = version(self.server, n)
                if found is None:
                    self.partial.append(f"endpoint {n} is gone")


def python(case, script, *words):
    return case.start("python3", "-c", script, *words, log="writer.log")


def pieces(case, path, new, mode):
    """Opens the file and writes it in pieces with pauses, each flushed: a slow producer behind `>`."""
    (case.dir / "new").write_text(new)
    script = ("import sys, time\nnew = open('new').read()\nn = len(new) // %d + 1\n"
              "f = open(sys.argv[1], %r)\n"
              "for at in range(0, len(new), n):\n    f.write(new[at:at + n]); f.flush(); time.sleep(%g)\n"
              "f.truncate(); f.close()\n" % (PIECES, mode, PAUSE))
    return python(case, script, path)


def shell(case, line):
    return case.start("sh", "-c", line, log="writer.log")


def tool(line):
    """A writer that takes the content from `new` and writes zones/one.toml."""
    def write(case, _, new):
        (case.dir / "new").write_text(new)
        return shell(case, line)
    return write


def by_rename(case, path, new):
    case.write(path.relative_to(case.dir), new)


def mmap(case, path, new):
    (case.dir / "new").write_text(new)
    return python(case, "import mmap, sys, time\nnew = open('new', 'rb').read()\nf = open(sys.argv[1], 'r+b')\n"
                  "f.truncate(len(new))\nm = mmap.mmap(f.fileno(), len(new))\nhalf = len(new) // 2\n"
                  "m[:half] = new[:half]; m.flush(); time.sleep(0.3); m[half:] = new[half:]; m.flush(); m.close(); f.close()",
                  path)


def sed(case, path, new):
    """A stream editor, which renames another file over it."""
    step = re.search(r'"127[.]16[.](\d+)[.]10"', new)[1]
    return shell(case, f"sed -i 's/\"127[.]16[.][0-9]*[.]/\"127.16.{step}./' zones/one.toml")


def config_map(case, path, new):
    """As the kubelet does: a new directory, and `..data` renamed over the old link."""
    zones = path.parent
    fresh = zones / f"..{time.monotonic_ns()}"
    fresh.mkdir()
    (fresh / "one.toml").write_text(new)
    if not path.is_symlink():
        (zones / "..data").symlink_to(fresh.name)
        (zones / "..link").symlink_to("..data/one.toml")
        (zones / "..link").rename(path)
        return
    (zones / "..data_tmp").symlink_to(fresh.name)
    (zones / "..data_tmp").rename(zones / "..data")


def no_config_map(case, path, new):
    """A plain file again, for those that follow."""
    case.write(path.relative_to(case.dir), new)


def git(case, path, new):
    """A checkout of another commit."""
    env = {**clean_env(), "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@b", "HOME": str(case.dir)}

    def git(*words):
        case.run("git", "-C", path.parent, *words, env=env)
    git("init", "-q", "-b", "main", ".")
    git("add", "one.toml", "network.toml")
    git("commit", "-qm", "old")
    (case.dir / "new").write_text(new)
    git("checkout", "-q", "-b", "next")
    # the next commit is made without touching the files
    blob = case.run("git", "-C", path.parent, "hash-object", "-w", case.dir / "new", env=env).strip()
    git("update-index", "--cacheinfo", f"100644,{blob},one.toml")
    git("commit", "-qm", "new")
    git("symbolic-ref", "HEAD", "refs/heads/main")
    git("reset", "-q")
    return case.start("git", "-C", path.parent, "checkout", "-q", "next", log="writer.log", env=env)


WRITERS = [
    ("a rename", by_rename),
    ("truncate and write in pieces", lambda case, path, new: pieces(case, path, new, "w")),
    ("write over it in pieces", lambda case, path, new: pieces(case, path, new, "r+")),
    ("cp onto the file", tool("cp new zones/one.toml")),
    ("cat > with a pause", tool("(head -c 3000 new; sleep 0.5; tail -c +3001 new) > zones/one.toml")),
    ("dd with conv=notrunc", tool("dd if=new of=zones/one.toml bs=512 conv=notrunc 2>/dev/null")),
    ("sed -i", sed),
    ("ed", tool("printf ',d\\nr new\\nw\\nq\\n' | ed -s zones/one.toml")),
    ("vim as it comes", tool("vim -u NONE -es -c '%!cat new' -c wq zones/one.toml")),
    ("vim with backupcopy=yes", tool("vim -u NONE -es -c 'set backupcopy=yes' -c '%!cat new' -c wq zones/one.toml")),
    ("rsync", tool("rsync --bwlimit=8 --ignore-times new zones/one.toml")),
    ("rsync --inplace", tool("rsync --bwlimit=8 --inplace --ignore-times --no-whole-file new zones/one.toml")),
    ("memory that is mapped", mmap),
    ("a ConfigMap, made", config_map),
    ("a ConfigMap, swapped", config_map),
    ("a ConfigMap, swapped again", config_map),
    ("a plain file in its place", no_config_map),
    ("git checkout", git),
]


def left_open(case, server):
    """A file that stays open: the last complete content is served; from 30 s on warning, metric, readiness, status."""
    path = case.dir / "zones/one.toml"
    before = version(server, 0)
    writer = python(case, "import sys, time\nf = open(sys.argv[1], 'w'); f.write(open('new').read()[:700]); f.flush(); "
                    "time.sleep(600)", path)
    time.sleep(1.0)
    case.equal("answers while the file is left open", [version(server, n) for n in (0, 20, 39)], [before] * 3)
    # the load of another file does not read it
    case.write("zones/other.toml", z.endpoint("vpce-00000000000000fff", VPC, "sqs", "0000zzzz",
                                              [(SUBNET, "127.16.200.9")], private_dns_enabled=False))
    wait_for("another file to be served", lambda: server.ask(f"vpce-00000000000000fff-0000zzzz.sqs.{z.SUFFIX}").answer)
    case.equal("answers after a load of another file", [version(server, n) for n in (0, 20, 39)], [before] * 3)
    status, body = server.get("/readyz")
    case.check(status == 200 and "half written" not in body, "readiness before 30 s", body)
    wait_for("readiness to name the file", lambda: "half written for 30 s" in server.get("/readyz")[1], 40)
    body = server.get("/readyz")[1]
    case.check("one.toml: warning: has been half written for 30 s: its last complete content is served" in body,
               "readiness names the file", body)
    case.check('vpcedns_source_half_written{source="files"} 1' in server.get("/metrics")[1], "no metric")
    case.check("has been half written" in server.log_text(), "no warning in the log")
    said = case.run(case.binary, "status", "--socket", case.dir / "s.sock")
    case.check("has been half written" in said, "status does not say so", said)
    case.equal("answers after 30 s", [version(server, n) for n in (0, 20, 39)], [before] * 3)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    # the kernel closed it: what is there is the file now, with an error
    wait_for("the truncated file to be refused", lambda: "one.toml" in server.get("/readyz")[1]
             and server.get("/readyz")[0] == 503)
    case.equal("answers after its writer was killed", [version(server, n) for n in (0, 20, 39)], [before] * 3)
    case.write("zones/one.toml", text(100))
    seen(case, server, 100, "the mended file")
    case.check('vpcedns_source_half_written{source="files"} 0' in server.get("/metrics")[1], "the metric stays")


def sighup_reads_it(case, server):
    """A writer that never closes: SIGHUP takes what is there once it looks the same for 250 ms."""
    (case.dir / "new").write_text(text(101))
    python(case, "import sys, time\nf = open(sys.argv[1], 'w'); f.write(open('new').read()); f.flush(); time.sleep(600)",
           case.dir / "zones/one.toml")
    time.sleep(0.8)
    case.equal("answers before SIGHUP", version(server, 0), 100)
    server.process.send_signal(signal.SIGHUP)
    took = seen(case, server, 101, "what is there at SIGHUP")
    case.note(f"SIGHUP reads a file that is left open after {took * 1000:.0f} ms")


def at_the_start(case):
    """A server that starts while a file is written waits for it, and does not serve half of it."""
    case.write("early/network.toml", z.vpc(VPC, "127.16.0.0/16") + z.subnet(SUBNET, VPC, "a", "127.16.0.0/16"))
    path = case.dir / "early/one.toml"
    path.write_text("")
    writer = pieces(case, path, text(7), "w")
    time.sleep(PAUSE * 1.5)
    server = Server(case, zones="early")
    case.equal("the first answer", [version(server, n) for n in (0, 20, 39)], [7] * 3)
    case.check(writer.poll() is not None, "it answered before the file was complete")


def json_of_the_aws_cli(case):
    """`aws ec2 describe-... > file` truncates first and writes at the end: the set stays as it was until then."""
    def vpcs(*blocks):
        return json.dumps({"Vpcs": [{"VpcId": VPC, "CidrBlock": block, "State": "available",
                                     "OwnerId": "123456789012", "IsDefault": False} for block in blocks]})

    def endpoints(address):
        return json.dumps({"NetworkInterfaces": [{
            "NetworkInterfaceId": "eni-00000001", "SubnetId": SUBNET, "VpcId": VPC, "AvailabilityZone": "us-east-1a",
            "PrivateIpAddress": address, "InterfaceType": "vpc_endpoint", "Status": "in-use",
            "Description": "VPC Endpoint Interface vpce-00000000000000001", "PrivateIpAddresses": []}]})
    endpoint = {"VpcEndpoints": [{
        "VpcEndpointId": "vpce-00000000000000001", "VpcEndpointType": "Interface", "VpcId": VPC, "State": "available",
        "ServiceName": "com.amazonaws.us-east-1.sqs", "SubnetIds": [SUBNET], "NetworkInterfaceIds": ["eni-00000001"],
        "PrivateDnsEnabled": False,
        "DnsEntries": [{"DnsName": f"vpce-00000000000000001-00000000.sqs.{z.SUFFIX}", "HostedZoneId": "Z1"}]}]}
    subnet = {"Subnets": [{"SubnetId": SUBNET, "VpcId": VPC, "CidrBlock": "127.16.0.0/16",
                           "AvailabilityZone": "us-east-1a", "State": "available"}]}
    case.write("json/vpcs.json", vpcs("127.16.0.0/16"))
    case.write("json/subnets.json", json.dumps(subnet))
    case.write("json/endpoints.json", json.dumps(endpoint))
    case.write("json/enis.json", endpoints("127.16.1.10"))
    server = Server(case, zones="json", http=True)
    case.equal("the first answer of JSON", version(server, 0), 1)
    for step in (2, 3):
        (case.dir / "out").write_text(endpoints(f"127.16.{step}.10"))
        said = len(server.log_text())
        process = shell(case, "(sleep 0.6; head -c 100 out; sleep 0.4; tail -c +101 out) > json/enis.json")
        while process.poll() is None:
            found = version(server, 0)
            case.check(found == step - 1 or process.poll() is not None, f"while the CLI writes: version {found}")
            time.sleep(0.01)
        wait_for("what the CLI wrote", lambda: version(server, 0) == step, 3)
        case.check("ERROR" not in server.log_text()[said:], "an error while the CLI writes", server.log_text()[said:])
    # a new output, made empty first
    (case.dir / "out").write_text(json.dumps({"Vpcs": []}))
    process = shell(case, "(sleep 0.7; cat out) > json/more.json")
    process.wait()
    time.sleep(0.3)
    case.check("ERROR" not in server.log_text(), "an error for an output that is still empty", server.log_text())
    case.equal("readiness after it", server.get("/readyz")[0], 200)

"""`vpcedns diff` of two generations of a running server, and commands on the state file of the EC2 API, also while a server writes it."""

import json
import threading
import time

from support import zones
from support.case import ROOT, clean_env, wait_for
from support.ec2 import Ec2Server, make_endpoint, make_subnet, make_vpc
from support.server import Server

EC2 = "ec2.us-east-1.amazonaws.com"
ENDPOINTS, SECONDS = 100_000, 0.5


def run(case):
    generations(case)
    other_files(case)
    large(case)
    state(case)


def diff(case, *words, code=1):
    done = case.run(case.binary, "diff", *words, check=False)
    case.equal(f"diff {' '.join(map(str, words))}: exit code", done.returncode, code)
    return done.stdout + done.stderr


def generations(case):
    """What the last change of the files changed, and what a drill does not."""
    for file in sorted((ROOT / "zones").glob("*")):
        case.write(f"zones/{file.name}", file.read_text())
    server = Server(case, zones="zones", http=True)
    wait_for("the control socket", (case.dir / "vpcedns.sock").exists)
    said = diff(case, "--socket", "vpcedns.sock", code=2)
    case.check("nothing to compare generation 1 with" in said and "the generation before the last change" in said, "before any change", said)
    network, corp = case.dir / "zones/network.toml", case.dir / "zones/corp.toml"
    corp.write_text(corp.read_text().replace("127.0.1.99", "127.0.1.98"))
    wait_for("the change", lambda: server.addresses("db.corp.example", source="127.0.1.5")[1] == ["127.0.1.98"])
    said = diff(case, "--socket", "vpcedns.sock")
    for part in ("vpc-ec43eb89\n", "  db.corp.example A\n  - NOERROR 127.0.1.99\n  + NOERROR 127.0.1.98\n",
                 "2 answers in 1 view (the server at vpcedns.sock, generations 1 and 2)\n"):
        case.check(part in said, f"the difference has {part!r}", said)
    # the same as of the files
    files = json.loads(diff(case, ROOT / "zones", "zones", "--json", "--forward", "none"))
    served = json.loads(diff(case, "--socket", "vpcedns.sock", "--json"))
    case.equal("answers of files and generations", [served[key] for key in ("answers", "clients", "dns64")], [files[key] for key in ("answers", "clients", "dns64")])
    case.equal("of a VPC that sees no difference", diff(case, "--socket", "vpcedns.sock", "--vpc", "vpc-0f1e2d3c4b5a69788", code=0), "")
    case.equal("over HTTP", json.loads(server.get("/v1/diff")[1])["answers"], served["answers"])
    case.equal("a VPC that is none", server.get("/v1/diff?vpc=x")[0], 400)
    case.run(case.binary, "drill", "name", "db.corp.example", "--nxdomain", "--for", "1h")
    case.check("generations 1 and 3" in diff(case, "--socket", "vpcedns.sock"), "a drill is no change of what there is")
    # an attribute that the VPC's clients feel in all private names, and a subnet's
    network.write_text(network.read_text().replace('cidr_block = "127.0.1.0/26"', 'cidr_block = "127.0.1.0/26"\nenable_dns64 = true'))
    wait_for("the change", lambda: server.generation() == 4)
    case.equal("DNS64", diff(case, "--socket", "vpcedns.sock").splitlines()[0], "vpc-ec43eb89: DNS64 is on for clients in 127.0.1.0/26 (enable_dns64)")
    broken = corp.read_text()
    corp.write_text("nonsense")
    wait_for("the refusal", lambda: server.get("/readyz")[0] == 503)
    case.check("generations 3 and 4" in diff(case, "--socket", "vpcedns.sock"), "a load that failed is no generation")
    corp.write_text(broken)
    case.equal("exit code", server.stop(), 0)
    case.check("no server answers on vpcedns.sock" in diff(case, "--socket", "vpcedns.sock", code=2), "without a server")
    case.check("one side of the comparison is missing" in diff(case, "zones", code=2), "one directory alone")
    case.check("nothing to compare" in diff(case, code=2), "no argument at all")


def other_files(case):
    """What a running server would answer otherwise, if it had the files of a directory that it does not see."""
    for dir in ("serving", "new"):
        for file in sorted((ROOT / "zones").glob("*")):
            case.write(f"{dir}/{file.name}", file.read_text())
    server = Server(case, zones="serving", http=True)
    wait_for("the control socket", (case.dir / "vpcedns.sock").exists)
    served = ("--socket", "vpcedns.sock")
    case.equal("the same files", diff(case, "new", *served, code=0), "")
    corp = case.dir / "new/corp.toml"
    was = corp.read_text()
    case.write("new/sub/db.net", "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 127.0.1.3\ndb A 127.0.1.4\n")
    corp.write_text(was.replace("127.0.1.99", "127.0.1.98")
                    + '\n[[hosted_zone]]\nname = "net.example"\nvpc_ids = ["vpc-ec43eb89"]\nfile = "sub/db.net"\n')
    said = diff(case, "new", *served)
    for part in ("  db.corp.example A\n  - NOERROR 127.0.1.99\n  + NOERROR 127.0.1.98\n", "  db.net.example A\n",
                 " in 1 view (the server at vpcedns.sock, generation 1; the same with the files in new)\n"):
        case.check(part in said, f"the difference has {part!r}", said)
    files = json.loads(diff(case, "serving", "new", "--json", "--forward", "none"))
    case.equal("answers, as of two directories", json.loads(diff(case, "new", *served, "--json"))["answers"], files["answers"])
    case.equal("of a VPC that sees no difference", diff(case, "new", *served, "--vpc", "vpc-0f1e2d3c4b5a69788", code=0), "")
    case.equal("a table", diff(case, "new", *served, "--markdown").splitlines()[2], "| client | name | type | old | new |")
    # broken by itself, and broken only beside what the server has
    corp.write_text(was.replace("vpc_ids", "vpc_id"))
    case.check("new/corp.toml:" in diff(case, "new", *served, code=2), "a broken file is named")
    text = json.dumps([{"path": "there/a.toml", "text": '[[subnet]]\nsubnet_id = "subnet-abababab"\nvpc_id = "vpc-99999999"\n'
                        'availability_zone = "us-east-1a"\ncidr_block = "10.0.1.0/24"\n'}])
    answer = case.run("curl", "-s", "-w", " %{http_code}", "--unix-socket", "vpcedns.sock", "-H", "Content-Type: application/json",
                      "-d", text, "http://localhost/v1/diff")
    case.check(answer.endswith(" 422") and "there/a.toml" in answer and "vpc-99999999" in answer, "what would not be served", answer)
    case.equal("without a token over HTTP", case.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json",
                                                     "-d", "[]", server.http + "/v1/diff"), "403")
    case.check("--socket is for one directory" in diff(case, "serving", "new", *served, code=2), "two directories and a server")
    case.equal("nothing has changed by asking", (server.generation(), server.addresses("db.corp.example", source="127.0.1.5")[1]), (1, ["127.0.1.99"]))
    case.equal("exit code", server.stop(), 0)


def large(case):
    """Of 100,000 endpoints in 1,000 VPCs one changes."""
    text = []
    for number in range(1000):
        vpc, subnet = f"vpc-{number:017x}", f"subnet-{number:017x}"
        text += [zones.vpc(vpc, f"10.{number // 250}.{number % 250}.0/24"), zones.subnet(subnet, vpc, "a", f"10.{number // 250}.{number % 250}.0/24")]
    network = "".join(text)
    case.write("large/network.toml", network)
    for part in range(100):
        case.write(f"large/{part:03}.toml", "".join(
            zones.endpoint(f"vpce-{number:017x}", f"vpc-{number // 100:017x}", "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc", f"{number:08d}",
                           [(f"subnet-{number // 100:017x}", f"10.{number // 100 // 250}.{number // 100 % 250}.{number % 100 + 10}")])
            for number in range(part * 1000, part * 1000 + 1000)))
    server = Server(case, zones="large", http=True, ready_seconds=300)
    before = case.dir / "large/042.toml"
    before.write_text(before.read_text().replace('"10.1.170.10"', '"10.1.170.250"'))
    wait_for("the change", lambda: server.generation() == 2, seconds=60)
    took = []
    for _ in range(3):
        began = time.monotonic()
        said = diff(case, "--socket", "vpcedns.sock")
        took.append(time.monotonic() - began)
    case.check("10.1.170.250" in said and " (the server at vpcedns.sock, generations 1 and 2)" in said, "the change of one address", said)
    case.note(f"{ENDPOINTS} endpoints in 1,000 VPCs: one change is told in {min(took):.3f} s")
    # the figure is a promise of what is shipped
    if "debug" not in case.binary.parts:
        case.check(min(took) <= SECONDS, f"told in {min(took):.3f} s")
    case.equal("exit code", server.stop(), 0)


def state(case):
    """Every command reads the state file beside the files, says so, and leaves it as it is."""
    case.write("ours/none.toml", "")
    server = Ec2Server(case, zones="ours", http=True)
    with server.raw() as raw:
        vpc = make_vpc(raw, "127.20.0.0/16")
        subnet = make_subnet(raw, vpc, "127.20.1.0/24")
        first = make_endpoint(raw, vpc, "ec2", [subnet])["vpcEndpointId"]
        looked_at = "files in ours, and the state in state/ec2.redb"
        words = ["--zones", "ours", "--ec2-state", "state"]
        said = case.run(case.binary, "explain", EC2, "--from", vpc, *words)
        case.check(f"({looked_at})" in said and first in said, "explain reads a state that is in use", said)
        case.check(looked_at in case.run(case.binary, "names", *words) and first in case.run(case.binary, "names", *words), "names")
        case.check(f"; {looked_at})" in case.run(case.binary, "check", *words), "check", case.run(case.binary, "check", *words))
        said = case.run(case.binary, "report", "ec2", *words)
        case.check("PRIVATE" in said and f"({looked_at})" in said, "report", said)
        case.write("expect.txt", f"from {vpc} {EC2} private\nfrom {vpc} {EC2} AAAA nodata\n")
        case.equal("expect", case.run(case.binary, "expect", "expect.txt", *words), f"2 passed, 0 failed, 0 skipped ({looked_at})\n")
        # its file as well as its directory; a flag counts more than the environment
        case.check(first in case.run(case.binary, "explain", EC2, "--from", vpc, "--zones", "ours", "--ec2-state", "state/ec2.redb"), "by its file")
        wait_for("the control socket", (case.dir / "vpcedns.sock").exists)
        # what the API owns stays, whatever the files say
        case.equal("the server with the same files", diff(case, "ours", "--socket", "vpcedns.sock", code=0), "")
        case.write("more/zone.toml", f'[[hosted_zone]]\nname = "corp.example"\nvpc_ids = ["{vpc}"]\n')
        said = diff(case, "more", "--socket", "vpcedns.sock", "--json")
        case.equal("a zone of a file in a VPC of the API", {change["name"] for change in json.loads(said)["answers"]}, {"corp.example", "*.corp.example"})
        by_flag = case.run(case.binary, "explain", EC2, "--from", vpc, "--socket", "vpcedns.sock", env={**clean_env(), "VPCEDNS_EC2_STATE": "state", "VPCEDNS_ZONES": "ours"})
        case.check("(the server at vpcedns.sock, generation " in by_flag, "a flag against the environment", by_flag)
        # what files change in what the API has
        case.write("more/zone.toml", f'[[hosted_zone]]\nname = "corp.example"\nvpc_ids = ["{vpc}"]\n'
                   'records = [{ name = "db", type = "A", values = ["127.20.1.99"] }]\n')
        said = diff(case, "ours", "more", "--ec2-state", "state")
        case.check(f"{vpc}\n" in said and "db.corp.example A" in said and "the state in state/ec2.redb)" in said, "diff over a state", said)
        busy(case, raw)
    case.equal("exit code", server.stop(), 0)
    case.check(first in case.run(case.binary, "explain", EC2, "--from", vpc, "--zones", "ours", "--ec2-state", "state"), "without a server")
    faults(case)


def busy(case, raw):
    """While calls change the state, each reading is a state that was: never less than before, and none that is half of a change."""
    ended, made, trouble = threading.Event(), [], []

    def write():
        try:
            for second in range(30, 250):
                # a VPC has 50 endpoints at most
                vpc = make_vpc(raw, f"127.{second}.0.0/16")
                subnet = make_subnet(raw, vpc, f"127.{second}.1.0/24")
                for _ in range(50):
                    if ended.is_set():
                        return
                    made.append(make_endpoint(raw, vpc, "sqs", [subnet], PrivateDnsEnabled=False)["vpcEndpointId"])
        except Exception as error:  # noqa: BLE001 -- said below
            trouble.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    seen, busy_times = [], 0
    for _ in range(25):
        at_least = len(made)
        done = case.run(case.binary, "names", "--zones", "ours", "--ec2-state", "state", "--format", "json", check=False)
        if done.returncode:
            busy_times += 1
            case.check("is used by another server: it is written all the time: ask the server with --socket" in done.stderr, "a busy state", done.stderr)
            continue
        count = sum(row["service_name"].endswith(".sqs") for row in json.loads(done.stdout)["endpoints"])
        case.check(at_least <= count <= len(made) + 1, f"{count} endpoints, and {at_least} had been acknowledged", len(made))
        seen.append(count)
    ended.set()
    writer.join()
    case.equal("trouble of the writer", trouble, [])
    case.check(len(seen) >= 15, f"only {len(seen)} of 25 readings came through")
    case.note(f"{len(made)} calls meanwhile, {len(seen)} of 25 readings of the state in use, {busy_times} too busy")


def faults(case):
    """What is no state is named with the remedy; nothing is written."""
    good = (case.dir / "state/ec2.redb").read_bytes()
    explain = [case.binary, "explain", EC2, "--zones", "ours"]
    for what, path, octets, remedy in (
            ("missing", "gone.redb", None, "name the state file of a server (ec2.redb)"),
            ("empty", "bad.redb", b"", "is damaged: it is empty"),
            ("half", "bad.redb", good[:len(good) // 2], "is damaged: "),
            ("text", "bad.redb", b"what is this", "is damaged: ")):
        if octets is not None:
            (case.dir / path).write_bytes(octets)
        done = case.run(*explain, "--ec2-state", path, check=False)
        case.equal(f"{what}: exit code", done.returncode, 1)
        case.check(path in done.stderr and remedy in done.stderr and "panicked" not in done.stderr, f"{what}: the remedy", done.stderr)
        if octets is not None:
            case.equal(f"{what}: the file stays", (case.dir / path).read_bytes(), octets)
    (case.dir / "nothing").mkdir()
    said = case.run(*explain, "--ec2-state", "nothing")
    case.check("(files in ours)" in said, "a directory in which the API has never run", said)
    case.equal("nothing is made there", list((case.dir / "nothing").iterdir()), [])
    case.equal("the state is as it was", (case.dir / "state/ec2.redb").read_bytes(), good)

"""A damaged state of the EC2 API is named with the way back, never an empty start; what outlives its VPC can be deleted."""

import os
import random
import subprocess
import time

from support import zones as z
from support.case import Failure, clean_env, wait_for
from support.ec2 import Ec2Server, make_endpoint, make_subnet, make_vpc

FLIPS = int(os.environ.get("E2E_FLIPS", "25"))


def run(case):
    damaged(case)
    orphans(case)
    odd_files(case)


def stop(server):
    server.stop()


def listed(server):
    with server.raw() as raw:
        return sorted(item["vpcEndpointId"] for item in raw.all("DescribeVpcEndpoints"))


def tried(case, *words):
    """What a start that must fail says, and its exit code."""
    done = subprocess.run([case.binary, "serve", "--listen", "127.0.0.1:0", "--forward", "none", "--ec2-api",
                           "127.0.0.1:0", "--zones", "none", *map(str, words)], cwd=case.dir, env=clean_env(), check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    return done.returncode, done.stdout


def damaged(case):
    server = Ec2Server(case)
    with server.raw() as raw:
        vpc = make_vpc(raw, "127.20.0.0/16")
        subnet = make_subnet(raw, vpc, "127.20.1.0/24")
        for service in ("sqs", "sns", "ec2", "kms"):
            make_endpoint(raw, vpc, service, [subnet])
    before = listed(server)
    stop(server)
    path = case.dir / "state/ec2.redb"
    case.equal("the mode of the state", (oct(path.stat().st_mode & 0o777), oct(path.parent.stat().st_mode & 0o777)),
               ("0o600", "0o700"))
    # a second start keeps a copy of what the first left
    server = Ec2Server(case)
    case.equal("after a restart", listed(server), before)
    stop(server)
    good = path.read_bytes()
    (case.dir / "none").mkdir()
    said = case.run(case.binary, "state", "verify", "--ec2-state", "state")
    case.check("ec2.redb: sound, " in said and "ec2.redb.copy1 (made 0 min ago): sound, " in said, "verify", said)
    exported = case.run(case.binary, "state", "export", "--ec2-state", "state")
    case.check(all(endpoint in exported for endpoint in before), "export lacks endpoints", exported[:500])
    draw = random.Random(11)
    damages = [("empty", b""), ("cut to half", good[:len(good) // 2]), ("cut by one", good[:-1]), ("zeros", bytes(len(good)))]
    used = [at for at, octet in enumerate(good) if octet]
    for _ in range(FLIPS):
        at = draw.choice(used) if draw.random() < 0.5 else draw.randrange(len(good))
        octet = bytes([good[at] ^ 1 << draw.randrange(8)])
        damages.append((f"a bit of octet {at}", good[:at] + octet + good[at + 1:]))
    refused = 0
    for what, octets in damages:
        path.write_bytes(octets)
        verified = case.run(case.binary, "state", "verify", "--ec2-state", "state", check=False)
        case.check("panicked" not in verified.stdout + verified.stderr, f"{what}: verify panics", verified.stderr)
        if verified.returncode == 0:
            # an octet that nothing depends on: the same objects
            again = case.run(case.binary, "state", "export", "--ec2-state", "state")
            case.equal(f"{what}: objects", again, exported)
            continue
        refused += 1
        if refused > 8:
            continue
        code, said = tried(case, "--ec2-state", "state")
        case.check(code == 1 and "ec2.redb: error: is damaged: " in said and "ec2.redb.copy1" in said
                   and "RUST_BACKTRACE" not in said, f"{what}: the start ends with {code}", said)
        case.equal(f"{what}: the file after the start", path.read_bytes() == octets, True)
    case.note(f"{len(damages)} damages: {refused} refused, {len(damages) - refused} without effect")
    case.check(refused >= 5, f"only {refused} damages were refused")
    path.unlink()
    code, said = tried(case, "--ec2-state", "state")
    case.check(code == 1 and "it has gone" in said, "a state that has gone", said)
    # the way back, as the message says it
    case.run("cp", "state/ec2.redb.copy1", "state/ec2.redb")
    server = Ec2Server(case)
    case.equal("after going back to the copy", listed(server), before)
    stop(server)


def orphans(case):
    """A VPC of the files goes while the server stands still: the endpoint in it is listed, and can be deleted; so are those of files."""
    vpc, subnet = "vpc-0000000a", "subnet-000000a0"
    network = z.vpc(vpc, "127.21.0.0/16") + z.subnet(subnet, vpc, "a", "127.21.1.0/24")
    case.write("homes/network.toml", network)
    # as many as the API has, so that the model's number of endpoints says nothing of whose they are
    kept = ["vpce-0000000000000000a", "vpce-0000000000000000b"]
    case.write("homes/kept.toml", z.vpc("vpc-0000000b", "127.22.0.0/16") + z.subnet("subnet-000000b0", "vpc-0000000b", "a", "127.22.1.0/24")
               + "".join(z.endpoint(id_, "vpc-0000000b", service, "abcdefgh", [("subnet-000000b0", f"127.22.1.{n}")])
                         for n, (id_, service) in enumerate(zip(kept, ("sqs", "sns")), 10)))
    server = Ec2Server(case, state="orphans", zones="homes", http=True)
    with server.raw() as raw:
        endpoints = [make_endpoint(raw, vpc, service, [subnet])["vpcEndpointId"] for service in ("sqs", "sns")]
        name = raw.all("DescribeVpcEndpoints", VpcEndpointId=endpoints[:1])[0]["dnsEntrySet"][0]["dnsName"]
    case.equal("listed with those of files", listed(server), sorted(kept + endpoints))
    wait_for("the endpoint to answer", lambda: server.addresses(name)[1])
    stop(server)
    (case.dir / "homes/network.toml").unlink()
    server = Ec2Server(case, state="orphans", zones="homes", http=True)
    case.equal("listed without its VPC", listed(server), sorted(kept + endpoints))
    case.equal("its name", server.addresses(name)[1], [])
    status, body = server.get("/readyz")
    case.check(status == 200 and f"is left out: {vpc} has gone" in body, "readiness", body)
    with server.raw() as raw:
        raw.call("DeleteVpcEndpoints", VpcEndpointId=[endpoints[0]])
        states = {item["vpcEndpointId"]: item["state"] for item in raw.all("DescribeVpcEndpoints")}
    case.check(states.get(endpoints[0], "gone") in ("deleting", "deleted", "gone"), "deleting it", states)
    # its VPC is back: the other answers again, without a restart
    case.write("homes/network.toml", network)
    wait_for("the left one to be there again", lambda: "is left out" not in server.get("/readyz")[1], 5)
    with server.raw() as raw:
        left = [item for item in raw.all("DescribeVpcEndpoints") if item["vpcEndpointId"] == endpoints[1]][0]
    wait_for("the left one to answer", lambda: server.addresses(left["dnsEntrySet"][0]["dnsName"])[1])
    case.check("\nvpcedns_endpoints 3\n" in server.get("/metrics")[1], "the deleted one is back")
    stop(server)


def odd_files(case):
    """Named pipes and devices in the place of files are named at once; nothing waits for their writers."""
    case.run("mkfifo", "pipe", "pipe.toml", "pipe.json")
    (case.dir / "odd").mkdir()
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             "key.pem", "-out", "cert.pem", "-subj", "/CN=a", "-days", "2")
    (case.dir / "odd-state").mkdir()
    case.run("mkfifo", "odd-state/ec2.redb")
    for what, words, place in [
        ("a zone file", ["--zones", "pipe.toml"], "pipe.toml"),
        ("a JSON file", ["--zones", "pipe.json"], "pipe.json"),
        ("keys of the API", ["--ec2-keys", "pipe"], "pipe"),
        ("a certificate", ["--tls", "127.0.0.1:0", "--tls-cert", "pipe", "--tls-key", "key.pem"], "pipe"),
        ("a key", ["--tls", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "pipe"], "pipe"),
        ("a device as a key", ["--tls", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "/dev/zero"], "/dev/zero"),
        ("a token", ["--http", "127.0.0.1:0", "--http-token", "pipe"], "pipe"),
        ("tokens of DoH", ["--https", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--doh-tokens", "pipe"], "pipe"),
        ("a state file", ["--ec2-state", "odd-state"], "odd-state/ec2.redb"),
    ]:
        begin = time.monotonic()
        try:
            code, said = tried(case, *words)
        except subprocess.TimeoutExpired:
            case.check(False, f"{what}: it waits")
            continue
        case.check(code == 1 and f"{place}: error: " in said and "regular file" in said, f"{what}: {code}", said)
        case.check(time.monotonic() - begin < 10, f"{what}: it took {time.monotonic() - begin:.1f} s")
    # while it runs: the last good state stays, and the pipe is named
    case.write("odd/a.toml", z.vpc("vpc-0000000a", "127.21.0.0/16"))
    server = Ec2Server(case, state="odd2", zones="odd", http=True)
    case.run("mkfifo", "odd/b.toml")
    wait_for("readiness to name the pipe", lambda: "b.toml" in server.get("/readyz")[1], 5)
    case.check(server.alive(), "it ended")
    if not server.alive():
        raise Failure("it ended")

"""`sync` reads an account as the AWS CLI would: our own API and moto list what is then answered, and faults publish nothing."""

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs
from urllib.request import Request, urlopen
from urllib.error import HTTPError

from support import awstools
from support.case import ROOT, Skip, clean_env, wait_for
from support.ec2 import REGION, Ec2Server, access_keys
from support.scenario import World, interface, own_addresses, state_of
from support.server import Server

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
LISTS = {"Vpcs": "describe_vpcs", "Subnets": "describe_subnets", "VpcEndpoints": "describe_vpc_endpoints",
         "NetworkInterfaces": "describe_network_interfaces", "VpcEndpointAssociations": "describe_vpc_endpoint_associations",
         "Reservations": "describe_instances", "ServiceDetails": "describe_vpc_endpoint_services"}


def run(case):
    awstools.need("boto3")
    server = Ec2Server(case)
    ec2, world = awstools.client(server), World(server)
    made = []
    for services in (["sqs", "ec2", "s3"], ["sqs", "ecr.dkr"]):
        vpc, subnets, inside = world.vpc()
        made += [(interface(ec2, vpc, subnets, service)["VpcEndpointId"], inside) for service in services]
    for endpoint, _ in made:
        state_of(case, server, ec2, endpoint)
    own_api(case, server, ec2, made)
    signed(case)
    profiles(case, server)
    faults(case, server, ec2, world)
    moto(case)


def environment(extra=None):
    """No settings of the person who runs the tests."""
    env = {key: value for key, value in clean_env().items() if not key.startswith("AWS_")}
    return env | {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} | (KEYS if extra is None else extra)


def sync(case, url, to, *flags, env=None):
    return case.run(case.binary, "sync", "--to", to, "--region", REGION, "--endpoint", url, *flags, check=False,
                    env=environment(env))


def outputs(path):
    """The lists of a file by their key."""
    lists = {}
    for output in json.loads(path.read_text()):
        for key, value in output.items():
            if isinstance(value, list):
                lists[key] = value
    return lists


def within(part, whole):
    """Whether all that is in `part` is in `whole`, member by member."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(within, part, whole))
    return part == whole


def equals_the_api(case, what, path, ec2, lists):
    """Every object that boto3 lists is there, and each member of it that is written is boto3's."""
    found = outputs(path)
    for key in lists:
        listed = list(pages(ec2, LISTS[key], key))
        case.equal(f"{what}: {key}", len(found.get(key, [])), len(listed))
        for one in found.get(key, []):
            one = {member: value for member, value in one.items() if (key, member) != ("Vpcs", "Region")}
            case.check(any(within(one, other) for other in listed), f"{what}: {key} has what boto3 has not", one)


def pages(ec2, method, key):
    if ec2.can_paginate(method):
        for page in ec2.get_paginator(method).paginate():
            yield from page[key]
    else:
        yield from getattr(ec2, method)()[key]


def own_api(case, server, ec2, made):
    """What our API lists is what is written, and what is answered by a server that has only the directory."""
    to = case.dir / "account"
    first = sync(case, server.url, to)
    if not case.equal("sync", first.returncode, 0, first.stderr):
        return
    path = to / f"000000000000-{REGION}" / "ec2.json"
    case.equal("its output", first.stdout, f"{path}: written\n")
    case.equal("mode of the file", path.stat().st_mode & 0o777, 0o600)
    equals_the_api(case, "own API", path, ec2, LISTS)
    case.check("olicy" not in path.read_text(), "policies are written")
    stamp = path.stat()
    case.equal("a second round", sync(case, server.url, to).stdout, f"{path}: unchanged\n")
    case.equal("its file", (path.stat().st_ino, path.stat().st_mtime_ns), (stamp.st_ino, stamp.st_mtime_ns))
    checked = case.run(case.binary, "check", "--zones", to, check=False)
    case.equal("check", checked.returncode, 0, checked.stderr)

    reader = Server(case, zones="account")
    for endpoint, inside in made:
        listed = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]
        addresses = own_addresses(ec2, listed)
        private = [entry["DnsName"] for entry in listed["DnsEntries"] if ".vpce." not in entry["DnsName"]]
        for name, source in [(listed["DnsEntries"][0]["DnsName"], None)] + [(name, inside) for name in private]:
            case.equal(f"{name} out of the directory", reader.addresses(name, source)[1], addresses)

    # one more endpoint is seen by a dry run, and by the running server after a round
    vpc = ec2.describe_vpc_endpoints(VpcEndpointIds=[made[0][0]])["VpcEndpoints"][0]
    fresh = interface(ec2, vpc["VpcId"], vpc["SubnetIds"], "sns")
    state_of(case, server, ec2, fresh["VpcEndpointId"])
    dry = sync(case, server.url, to, "--dry-run")
    case.equal("dry run", dry.returncode, 1, dry.stderr)
    case.check(f"sns.{REGION}.amazonaws.com A" in dry.stdout, "the dry run does not show the new endpoint", dry.stdout)
    case.equal("the dry run's file", path.stat().st_mtime_ns, stamp.st_mtime_ns)
    case.equal("a round with a change", sync(case, server.url, to).stdout, f"{path}: written\n")
    name, addresses = f"sns.{REGION}.amazonaws.com", own_addresses(ec2, ec2.describe_vpc_endpoints(
        VpcEndpointIds=[fresh["VpcEndpointId"]])["VpcEndpoints"][0])
    wait_for("the server to have it", lambda: reader.addresses(name, made[0][1])[1] == addresses)
    case.equal("a dry run without a change", sync(case, server.url, to, "--dry-run").returncode, 0)

    one = case.dir / "one-vpc"
    case.equal("sync of one VPC", sync(case, server.url, one, "--vpc", vpc["VpcId"]).returncode, 0)
    narrow = outputs(one / path.parent.name / path.name)
    for key in ("Vpcs", "Subnets", "VpcEndpoints", "NetworkInterfaces"):
        case.equal(f"VPCs of {key}", {item["VpcId"] for item in narrow[key]}, {vpc["VpcId"]})
    held = sync(case, server.url, to, "--vpc", "vpc-0123456789abcdef0")
    case.equal("a round that finds nothing", (held.returncode, "are left of" in held.stderr), (1, True), held.stderr)
    case.equal("endpoints that are kept", len(outputs(path)["VpcEndpoints"]), len(made) + 1)


def signed(case):
    """Our verifier takes the signature, with the right key only."""
    of_account = access_keys(case, ("AKIAIOSFODNN7EXAMPLE", "a/b+c", "111122223333", ["Describe*"]))
    server = Ec2Server(case, "--ec2-keys", of_account, state="signed-state", zones="signed-zones")
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "a/b+c"}
    good = sync(case, server.url, case.dir / "signed", env=keys)
    case.equal("signed", good.returncode, 0, good.stderr)
    case.check((case.dir / "signed" / f"111122223333-{REGION}" / "ec2.json").is_file(), "no file of the keys' account")
    bad = sync(case, server.url, case.dir / "unsigned", env=keys | {"AWS_SECRET_ACCESS_KEY": "x"})
    case.check(bad.returncode == 1 and "error" in bad.stderr, "a wrong key is taken", bad.stderr)
    case.check(not (case.dir / "unsigned").exists(), "a refused round has written")


def profiles(case, server):
    """Keys and the region come out of profiles, of a file or a process; without any, it says so."""
    config = case.write("aws-config", f"[profile one]\nregion = {REGION}\ncredential_process = cat {case.dir}/printed.json\n")
    case.write("printed.json", '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b"}')
    shared = case.write("aws-credentials", "[two]\naws_access_key_id = a\naws_secret_access_key = b\n")
    files = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(shared)}
    for name, region in (("one", []), ("two", ["--region", REGION])):
        done = case.run(case.binary, "sync", "--to", case.dir / name, "--endpoint", server.url, "--profile", name, *region,
                        check=False, env=environment(files))
        case.equal(f"profile {name}", done.returncode, 0, done.stderr)
    none = sync(case, server.url, case.dir / "three", "--profile", "three", env=files)
    case.check(none.returncode == 1 and "'three'" in none.stderr, "an unknown profile", none.stderr)


def called(path, headers, body):
    """(action, parameters) of a call in any of the protocols."""
    if target := headers.get("X-Amz-Target"):
        return target.split(".")[1], json.loads(body)
    if body:
        return parse_qs(body.decode())["Action"][0], parse_qs(body.decode())
    path, _, query = path.partition("?")
    parts = path.strip("/").split("/")
    action = {"profiles": "ListProfiles", "profileassociations": "ListProfileAssociations",
              "profileresourceassociations": "ListProfileResourceAssociations"}.get(parts[0])
    if parts[-1] == "hostedzonesbyvpc":
        action = "ListHostedZonesByVPC"
    return action or {2: "ListHostedZones", 3: "GetHostedZone", 4: "ListResourceRecordSets"}[len(parts)], {
        "path": path} | parse_qs(query)


class Proxy:
    """Hands calls on to an API, and spoils answers as it is told: `spoil(action, count, status, body) -> (status, body, cut)`."""

    def __init__(self, case, url):
        self.spoil, self.seen, self.change = None, [], None
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.do_POST()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                call = called(self.path, self.headers, body)
                action = call[0]
                proxy.seen.append(call)
                path, asked_for = proxy.change(self.path, body) if proxy.change else (self.path, body)
                headers = {key: value for key, value in self.headers.items() if key.lower() != "content-length"}
                asked = Request(url + path, data=asked_for or None, headers=headers, method=self.command)
                try:
                    with urlopen(asked) as answer:
                        status, text = answer.status, answer.read()
                except HTTPError as error:
                    status, text = error.code, error.read()
                cut = False
                if proxy.spoil:
                    # of the same call: calls run beside one another
                    count = proxy.seen.count(call)
                    status, text, cut = proxy.spoil(action, count, status, text)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text[:len(text) // 2] if cut else text)
                self.close_connection = cut

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        case.finally_do(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"


def error(code):
    return f"<Response><Errors><Error><Code>{code}</Code><Message>x</Message></Error></Errors></Response>".encode()


def faults(case, server, ec2, world):
    """Whatever comes between: what is on disk is what was there, or what the API has, and never less."""
    proxy = Proxy(case, server.url)
    to = case.dir / "faulty"
    case.equal("through the proxy", sync(case, proxy.url, to).returncode, 0)
    path = to / f"000000000000-{REGION}" / "ec2.json"
    before = path.read_bytes()
    world.raw.close()  # it may have been idle for longer than the server waits
    world.vpc()  # from here on a round has something to write
    passing = {
        "5xx": lambda status, text: (503, b"busy", False),
        "throttled": lambda status, text: (503, error("RequestLimitExceeded"), False),
        "cut": lambda status, text: (status, text, True),
        "wrong root": lambda status, text: (200, b"<html><body>login</body></html>", False),
        "half an XML": lambda status, text: (200, text[:len(text) // 2], False),
        "without the list": lambda status, text: (200, b"<%sResponse/>", False),
        "endless pages": lambda status, text: (200, text.replace(b"</requestId>", b"</requestId><nextToken>again</nextToken>"),
                                               False),
        "expired": lambda status, text: (400, error("RequestExpired"), False),
        "denied": lambda status, text: (403, error("UnauthorizedOperation"), False),
    }
    required = ["DescribeVpcs", "DescribeSubnets", "DescribeVpcEndpoints", "DescribeNetworkInterfaces", "DescribeVpcAttribute"]

    def lasting(job):
        number, (name, action) = job
        own = Proxy(case, server.url)
        fault = passing[name]

        def spoil(asked, _count, status, text):
            if asked != action:
                return status, text, False
            status, text, cut = fault(status, text)
            return status, text.replace(b"%s", action.encode()), cut
        own.spoil = spoil
        mine = case.dir / f"fault-{number}"
        (mine / path.parent.name).mkdir(parents=True)
        (mine / path.parent.name / path.name).write_bytes(before)
        return name, action, sync(case, own.url, mine), (mine / path.parent.name / path.name).read_bytes(), own

    # an attribute has no pages: a token in its answer means nothing
    jobs = [(name, action) for name in passing for action in required if (name, action) != ("endless pages", "DescribeVpcAttribute")]
    with ThreadPoolExecutor(4) as pool:
        for name, action, done, left, own in pool.map(lasting, enumerate(jobs)):
            case.equal(f"{name} for {action}: exit code", done.returncode, 1, done.stderr)
            case.check(action in done.stderr, f"{name}: the error does not name {action}", done.stderr)
            case.check(left == before, f"{name} for {action}: the file has changed")
            case.check(len(own.seen) < 100, f"{name} for {action}: {len(own.seen)} calls")

    # what passes is tried again, and then all is there
    proxy.spoil = lambda action, count, status, text: (503, b"busy", False) if count % 3 == 1 else (status, text, count % 3 == 2)
    proxy.seen.clear()
    done = sync(case, proxy.url, to)
    case.equal("faults that pass", done.returncode, 0, done.stderr)
    equals_the_api(case, "after faults", path, ec2, LISTS)

    # a kind that may be denied stays as it was
    kept = outputs(path)["ServiceDetails"]
    proxy.spoil = lambda action, count, status, text: (
        (403, error("UnauthorizedOperation"), False) if action == "DescribeVpcEndpointServices" else (status, text, False))
    done = sync(case, proxy.url, to)
    case.equal("services denied", (done.returncode, "ServiceDetails are left out" in done.stderr), (0, True), done.stderr)
    case.equal("services that were there", outputs(path)["ServiceDetails"], kept)
    calls = [seen for seen in proxy.seen if "NextToken" not in seen[1] and seen[0].startswith("Describe") and
             seen[0] != "DescribeVpcAttribute"]
    case.check(all("MaxResults" in seen[1] for seen in calls), "a call without MaxResults", calls)


def moto(case):
    """moto's server: what it lists is what is written."""
    try:
        url = awstools.moto(case)
    except Skip as skip:
        return case.note(f"SKIPPED moto: {skip}")
    import boto3  # pylint: disable=import-outside-toplevel
    ec2 = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION).client(
        "ec2", endpoint_url=url)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:2]]
    interface(ec2, vpc, subnets, "sqs", PrivateDnsEnabled=True)
    to = case.dir / "moto"
    done = sync(case, url, to)
    if not case.equal("sync from moto", done.returncode, 0, done.stderr):
        return None
    [path] = to.glob(f"*-{REGION}/ec2.json")
    equals_the_api(case, "moto", path, ec2, ["Vpcs", "Subnets", "VpcEndpoints", "NetworkInterfaces"])
    rule_of_the_guide(case, url)
    return None


def rule_of_the_guide(case, url):
    """The EventBridge rule of docs/sync.md, by the commands there."""
    text = (ROOT / "docs" / "sync.md").read_text()
    begin = text.index("## When something changes")
    [pattern], [commands] = (re.findall(rf"^```{kind}\n(.*?)^```", text[begin:text.index("## Once")], re.M | re.S) for kind in ("json", "sh"))
    case.write("events.json", pattern)
    commands = commands.replace("$(cat /etc/vpcedns/http-token)", "a-token")
    env = environment() | {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": REGION, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = f'aws() {{ {sys.executable} -m awscli "$@"; }}\ncd {case.dir}\nset -e\n{commands}'
    done = case.run("sh", "-c", script, check=False, env=env)
    case.check(done.returncode == 0 and '"FailedEntryCount": 0' in done.stdout, "the rule of docs/sync.md", done.stdout + done.stderr)

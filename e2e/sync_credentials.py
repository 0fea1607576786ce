"""`sync` finds the credentials that botocore finds, in a namespace where every service is at its own address; they are refreshed."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_connection

from support import awstools
from support.aws_services import AwsServices, after, certificate, long_lived, secret
from support.case import Skip, clean_env, wait_for
from support.server import Server

REGION = "eu-west-1"
ROLE = "arn:aws:iam::111122223333:role"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": secret("AKIAENV")}
CONFIG = f"""\
[default]
region = {REGION}
[profile one]
role_arn = {ROLE}/one
source_profile = shared
[profile two]
role_arn = {ROLE}/two
source_profile = one
role_session_name = dns
duration_seconds = 900
[profile self]
role_arn = {ROLE}/self
source_profile = self
[profile external]
role_arn = {ROLE}/external
source_profile = shared
external_id = x-1
[profile external-without]
role_arn = {ROLE}/external
source_profile = shared
[profile of-environment]
role_arn = {ROLE}/environment
credential_source = Environment
[profile of-container]
role_arn = {ROLE}/container
credential_source = EcsContainer
[profile of-instance]
role_arn = {ROLE}/instance
credential_source = Ec2InstanceMetadata
[profile of-process]
role_arn = {ROLE}/process
source_profile = process
[profile of-sso]
role_arn = {ROLE}/sso
source_profile = sso
[profile circle]
role_arn = {ROLE}/circle
source_profile = circle-2
[profile circle-2]
role_arn = {ROLE}/circle
source_profile = circle
[profile web]
role_arn = {ROLE}/web
web_identity_token_file = HOME/jwt
[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Reader
[profile sso-old]
sso_start_url = https://old.awsapps.com/start
sso_region = {REGION}
sso_account_id = 111122223333
sso_role_name = Reader
[profile sso-denied]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Admin
[profile sso-renewed]
sso_session = renewed
sso_account_id = 111122223333
sso_role_name = Reader
[profile process]
credential_process = cat HOME/printed.json
[profile process-fails]
credential_process = sh -c "echo why >&2; exit 3"
[profile process-garbage]
credential_process = cat HOME/garbage.json
[profile plain]
aws_access_key_id = AKIAPLAIN
aws_secret_access_key = {secret("AKIAPLAIN")}
[profile empty]
output = json
[sso-session corp]
sso_region = {REGION}
sso_start_url = https://corp.awsapps.com/start
[sso-session renewed]
sso_region = {REGION}
sso_start_url = https://corp.awsapps.com/start
"""
ORACLE = """
import sys, botocore.session
found = botocore.session.Session(profile=sys.argv[1] or None).get_credentials()
print(found.get_frozen_credentials().access_key)
"""


def run(case):
    awstools.need("boto3")
    case.need("ip", "openssl")
    if os.geteuid() != 0:
        raise Skip("network namespaces need root")
    if subprocess.run(["unshare", "-nm", "true"], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("this machine does not let its root make namespaces")
    there = Machine(case)
    as_botocore(case, there)
    roles(case, there)
    renewed(case, there)
    fails(case, there)
    slow(case, there)
    the_way_out(case)
    refreshed(case)


class Machine:
    """A host of its own, with a home directory, and AWS where AWS has it."""

    def __init__(self, case):
        self.case, self.name = case, f"vpcedns-creds{os.getpid()}"
        case.run("ip", "netns", "add", self.name)
        case.finally_do(lambda: subprocess.run(["ip", "netns", "delete", self.name], env=clean_env(), check=False))
        for address in ("169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32"):
            case.run("ip", "-n", self.name, "address", "add", address, "dev", "lo")
        for address in ("fd00:ec2::254/128", "fd00:ec2::23/128"):
            case.run("ip", "-n", self.name, "address", "add", address, "dev", "lo", "nodad")
        case.run("ip", "-n", self.name, "link", "set", "lo", "up")
        self.aws = AwsServices(case)
        self.url = self.aws.listen(namespace=self.name)
        for address in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"):
            self.aws.listen(address, 80, namespace=self.name)
        self.home = case.dir / "home"
        home = str(self.home)
        case.write("home/.aws/config", CONFIG.replace("HOME", home))
        case.write("home/.aws/credentials", f"[shared]\n{long_lived('AKIASHARED')}[self]\n{long_lived('AKIASELF')}")
        case.write("home/jwt", "HUSH-jwt")
        case.write("home/pod", "HUSH-pod")
        case.write("home/printed.json", json.dumps({"Version": 1, "AccessKeyId": "ASIAPRINTED", "SecretAccessKey": secret("ASIAPRINTED"),
                                                    "SessionToken": "HUSH-token-of-ASIAPRINTED==", "Expiration": after(3600)}))
        case.write("home/garbage.json", json.dumps({"Version": 1, "AccessKeyId": "a", "SecretAccessKey": ["HUSH"]}))
        self.logged_in("corp", 3600)
        self.logged_in("https://old.awsapps.com/start", 3600)
        self.rounds = 0

    def logged_in(self, key, seconds, token="HUSH-sso-1", **more):
        """What `aws sso login` leaves behind."""
        name = hashlib.sha1(key.encode()).hexdigest()
        return self.case.write(f"home/.aws/sso/cache/{name}.json", json.dumps(
            {"accessToken": token, "expiresAt": after(seconds), "region": REGION, "startUrl": "https://corp.awsapps.com/start"} | more))

    def env(self, extra):
        """What a shell there has."""
        env = {key: value for key, value in clean_env().items() if not key.startswith("AWS_")}
        return env | {"HOME": str(self.home), "AWS_ENDPOINT_URL": self.url, "PYTHONPATH": os.pathsep.join(sys.path)} | extra

    def sync(self, extra, *flags, seconds=20):
        """(exit code, the keys that EC2 was called with, what was said); it is quick."""
        self.rounds += 1
        self.aws.callers.clear()
        self.aws.asked.clear()
        began = time.monotonic()
        done = self.case.run("ip", "netns", "exec", self.name, self.case.binary, "sync", "--to", self.case.dir / f"to-{self.rounds}",
                             "--region", REGION, *flags, check=False, env=self.env(extra), timeout=120)
        took = time.monotonic() - began
        self.case.check(took < seconds, f"{extra} {flags}: took {took:.1f} s", done.stderr)
        self.case.check("HUSH" not in done.stderr + done.stdout, "a secret is shown", done.stderr)
        return done.returncode, sorted(set(self.aws.callers)), done.stderr

    def botocore(self, extra, profile):
        """The access key that botocore finds; None where it finds none."""
        done = self.case.run("ip", "netns", "exec", self.name, sys.executable, "-c", ORACLE, profile, check=False,
                             env=self.env({"AWS_DEFAULT_REGION": REGION} | extra))
        return done.stdout.strip() if done.returncode == 0 else None


def as_botocore(case, there):
    """Every source, and every pair of sources of which one holds: botocore finds the same."""
    ecs = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/ecs"}
    eks = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/eks", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(there.home / "pod")}
    eks6 = eks | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]/eks"}
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(there.home / "jwt"), "AWS_ROLE_ARN": f"{ROLE}/eks"}
    table = [
        ("", KEYS, "AKIAENV"), ("shared", KEYS, "AKIASHARED"), ("", KEYS | {"AWS_PROFILE": "shared"}, "AKIAENV"),
        ("", {"AWS_PROFILE": "shared"}, "AKIASHARED"), ("plain", {}, "AKIAPLAIN"),
        ("one", {}, "ASIAONE"), ("two", {}, "ASIATWO"), ("self", {}, "ASIASELF"), ("external", {}, "ASIAEXTERNAL"),
        ("external-without", {}, None), ("of-environment", KEYS, "ASIAENVIRONMENT"), ("of-environment", {}, None),
        ("of-container", ecs, "ASIACONTAINER"), ("of-container", {}, None), ("of-instance", {}, "ASIAINSTANCE"),
        ("of-process", {}, "ASIAPROCESS"), ("of-sso", {}, "ASIASSO"), ("circle", {}, None),
        ("web", {}, "ASIAWEB"), ("", web, "ASIAWEB"), ("", web | {"AWS_PROFILE": "shared"}, "ASIAWEB"),
        ("", web | {"AWS_PROFILE": "one"}, "ASIAONE"), ("shared", web, "AKIASHARED"),
        ("sso", {}, "ASIASSO"), ("sso-old", {}, "ASIASSO"), ("sso-denied", {}, None),
        ("process", {}, "ASIAPRINTED"), ("process-fails", {}, None),
        ("", ecs, "ASIAECS"), ("empty", ecs, "ASIAECS"), ("", ecs | eks, "ASIAECS"), ("", eks, "ASIAEKS"), ("", eks6, "ASIAEKS"),
        ("", {}, "ASIAINSTANCE"), ("empty", {}, "ASIAINSTANCE"), ("", {"AWS_EC2_METADATA_DISABLED": "true"}, None),
        ("", {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "ASIAINSTANCE"), ("unheard-of", KEYS, None),
        ("", {"AWS_ACCESS_KEY_ID": "AKIAENV"}, None),
    ]
    for profile, extra, wanted in table:
        what = f"profile '{profile}', {extra}"
        case.equal(f"botocore: {what}", there.botocore(extra, profile), wanted)
        code, callers, said = there.sync(extra, *(["--profile", profile] if profile else []))
        case.equal(what, (code, callers), (0, [wanted]) if wanted else (1, []), said)
    case.note(f"{len(table)} ways to credentials, each as botocore goes it")


def roles(case, there):
    """`--role` is assumed with what was found; several are read in turn."""
    code, callers, said = there.sync({}, "--profile", "shared", "--role", f"{ROLE}/external", "--external-id", "x-1")
    case.equal("--role", (code, callers), (0, ["ASIAEXTERNAL"]), said)
    code, callers, said = there.sync({"VPCEDNS_ROLE": f"{ROLE}/a,{ROLE}/b"}, "--profile", "one")
    case.equal("two roles", (code, callers), (0, ["ASIAA", "ASIAB"]), said)
    case.equal("the source is asked for once", sum(line.endswith(" AssumeRole") for line in there.aws.asked), 3, there.aws.asked)
    code, callers, said = there.sync({}, "--profile", "shared", "--role", f"{ROLE}/external")
    case.equal("--role without its id", (code, callers), (1, []), said)
    case.check(f"role {ROLE}/external: AssumeRole: AccessDenied" in said and "--external-id" in said, "what is denied", said)


def renewed(case, there):
    """A login that has expired is renewed, and botocore takes what was written back."""
    client = {"clientId": "c", "clientSecret": "HUSH-c", "refreshToken": "HUSH-refresh-1", "registrationExpiresAt": after(86400)}
    path = there.logged_in("renewed", -60, token="HUSH-sso-0", **client)
    code, callers, said = there.sync({}, "--profile", "sso-renewed")
    case.equal("a renewed login", (code, callers), (0, ["ASIASSO"]), said)
    kept = json.loads(path.read_text())
    case.equal("what is kept", (kept["accessToken"], kept["clientId"], path.stat().st_mode & 0o777), ("HUSH-sso-2", "c", 0o600))
    there.aws.refresh_token = "HUSH-used-up"
    case.equal("botocore with what was kept", there.botocore({}, "sso-renewed"), "ASIASSO")
    there.aws.sso_token = "HUSH-sso-1"


def fails(case, there):
    """Each text says which step failed, and what to do."""
    case.write("home/jwt-old", "HUSH-old")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(there.home / "jwt-old"), "AWS_ROLE_ARN": f"{ROLE}/eks"}
    there.logged_in("corp", -60)
    garbage = (200, '{"AccessKeyId": "a", "SecretAccessKey": {"HUSH": 1}}')
    for profile, extra, faults, texts in [
        ("unheard-of", {}, {}, ["profile 'unheard-of' is not in", "/.aws/config", "aws configure list-profiles"]),
        ("circle", {}, {}, ["profile 'circle' is the source_profile of itself"]),
        ("sso", {}, {}, ["SSO of profile 'sso': the token expired at", "aws sso login --profile sso"]),
        ("sso-denied", {}, {}, ["SSO of profile 'sso-denied': the token expired"]),
        ("process-fails", {}, {}, ["credential_process of profile 'process-fails' failed: exit status: 3", "why"]),
        ("process-garbage", {}, {}, ["credential_process of profile 'process-garbage' printed what is not JSON"]),
        ("", web, {}, [f"web identity, role {ROLE}/eks: AssumeRoleWithWebIdentity: InvalidIdentityToken"]),
        ("", web | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}, {}, ["/nowhere: No such file or directory", "service account"]),
        ("one", {}, {"AssumeRole": (503, "busy")}, [f"role {ROLE}/one: AssumeRole: 503 Service Unavailable: busy"]),
        ("one", {}, {"AssumeRole": (200, "<html>HUSH")}, [f"role {ROLE}/one: AssumeRole: the answer to AssumeRole ends inside of <html>"]),
        ("", {}, {"api/token": (403, "")}, ["no credentials: ", "(http://169.254.169.254): no token: 403", "hop limit"]),
        ("", {}, {"credentials/reader": garbage}, ["role reader: the answer is not JSON"]),
        ("", {}, {"security-credentials/": (404, "")}, ["the instance has no role", "attach an instance profile"]),
        ("", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/ecs"}, {"/ecs": garbage}, ["container credentials: the answer of"]),
        ("", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/none"}, {}, ["container credentials: http://169.254.170.2/none: 404"]),
        ("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/"}, {}, ["neither https:// nor on this machine"]),
        ("shared", {"AWS_ENDPOINT_URL_STS": "ftp://x"}, {}, ["AWS_ENDPOINT_URL_STS is no URL that begins with http"]),
        ("", KEYS | {"AWS_SECRET_ACCESS_KEY": "HUSH/wrong"}, {}, ["GetCallerIdentity: SignatureDoesNotMatch"]),
    ]:
        there.aws.faults = faults
        code, callers, said = there.sync(extra, *(["--profile", profile] if profile else []))
        missing = [text for text in texts if text not in said]
        case.check(code == 1 and not callers and not missing, f"{profile} {extra} {faults}: {missing}", said)
    there.aws.faults = {}


def slow(case, there):
    """A metadata service that does not answer costs a second."""
    gone = threading.Event()
    case.finally_do(gone.set)
    there.aws.faults = {"api/token": lambda: (gone.wait(30), (200, ""))[1]}
    code, _, said = there.sync({}, seconds=5)
    case.check(code == 1 and "(http://169.254.169.254): no response within 1000 ms" in said, "a silent metadata service", said)
    gone.set()
    there.aws.faults = {}
    nowhere = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
    code, _, said = there.sync(nowhere, seconds=5)
    case.check(code == 1 and "Connection refused" in said and "give keys, a profile or a role" in said, "no metadata service", said)


class ConnectProxy:
    """A proxy for CONNECT: whatever the name, it leads to one port."""

    def __init__(self, case, port):
        self.asked, self.status = [], 200
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self):
                proxy.asked.append((self.path, self.headers["Proxy-Authorization"]))
                self.send_response(proxy.status)
                self.end_headers()
                if proxy.status == 200:
                    with create_connection(("127.0.0.1", port)) as there:
                        back = threading.Thread(target=pump, args=(there, self.connection), daemon=True)
                        back.start()
                        pump(self.connection, there)
                        back.join()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        case.finally_do(server.shutdown)
        self.address = f"127.0.0.1:{server.server_address[1]}"


def pump(source, sink):
    try:
        while part := source.recv(65536):
            sink.sendall(part)
    except OSError:
        pass
    finally:
        try:
            sink.shutdown(1)
        except OSError:
            pass


def the_way_out(case):
    """HTTPS_PROXY leads to AWS's own names, regional STS among them; NO_PROXY past it; AWS_CA_BUNDLE says who is believed."""
    aws = AwsServices(case)
    direct = aws.listen(tls=certificate(case, f"DNS:*.{REGION}.amazonaws.com", f"DNS:*.sso.{REGION}.amazonaws.com",
                                              f"DNS:*.sso-fips.{REGION}.amazonaws.com", "IP:127.0.0.1"))
    proxy = ConnectProxy(case, int(direct.rsplit(":", 1)[1]))
    home = case.dir / "home"
    case.write("home/.aws/sso/cache/" + hashlib.sha1(b"corp").hexdigest() + ".json",
               json.dumps({"accessToken": "HUSH-sso-1", "expiresAt": after(3600)}))
    env = {key: value for key, value in clean_env().items() if not key.startswith("AWS_") and "proxy" not in key.lower()}
    env |= {"HOME": str(home), "AWS_CA_BUNDLE": str(case.dir / "ca.pem"), "HTTPS_PROXY": f"http://me:HUSH@{proxy.address}"}

    def sync(extra, *flags):
        aws.callers.clear()
        proxy.asked.clear()
        done = case.run(case.binary, "sync", "--to", case.dir / "to-proxied", "--region", REGION, *flags, check=False, env=env | extra)
        case.check("HUSH" not in done.stderr, "a secret is shown", done.stderr)
        return done.returncode, sorted(set(aws.callers)), done.stderr

    code, callers, said = sync({}, "--profile", "of-sso")
    case.equal("through the proxy", (code, callers), (0, ["ASIASSO"]), said)
    names = {name.removesuffix(f".{REGION}.amazonaws.com:443") for name, _ in proxy.asked}
    case.equal("names", names, {"portal.sso", "sts", "ec2", "route53resolver", "route53profiles", "route53.amazonaws.com:443"}, proxy.asked)
    code, callers, said = sync({"AWS_USE_FIPS_ENDPOINT": "true"}, "--profile", "of-sso")
    case.equal("FIPS endpoints", (code, callers), (0, ["ASIASSO"]), said)
    fips = {name.removesuffix(f".{REGION}.amazonaws.com:443") for name, _ in proxy.asked}
    case.equal("their names", fips, {"portal.sso-fips", "sts-fips", "ec2-fips", "route53resolver-fips", "route53profiles-fips",
                                     "route53-fips.amazonaws.com:443"}, proxy.asked)
    case.equal("who asks the proxy", {who for _, who in proxy.asked}, {"Basic bWU6SFVTSA=="})
    local = {"AWS_ENDPOINT_URL": direct}
    code, callers, said = sync(local | {"NO_PROXY": "10.0.0.0/8,127.0.0.1"}, "--profile", "one")
    case.equal("past the proxy", (code, callers, proxy.asked), (0, ["ASIAONE"], []), said)
    code, callers, said = sync(local, "--profile", "one")
    case.equal("an address through the proxy", (code, callers, len(proxy.asked) > 0), (0, ["ASIAONE"], True), said)
    proxy.status = 407
    for extra, flags, texts in [
        ({}, ["--profile", "one"], [f"role {ROLE}/one: AssumeRole: ", f"through the proxy {proxy.address}: ", "proxy authorization required"]),
        ({"HTTPS_PROXY": "socks5://me:HUSH@h:1"}, ["--profile", "shared"], ["HTTPS_PROXY is no http:// URL"]),
        ({"HTTPS_PROXY": "http://me:HUSH@127.0.0.1:9"}, ["--profile", "one"], ["through the proxy 127.0.0.1:9: ", "Connection refused"]),
        (local | {"NO_PROXY": "*", "AWS_CA_BUNDLE": "/nowhere.pem"}, ["--profile", "one"], ["AWS_CA_BUNDLE /nowhere.pem: No such file"]),
        (local | {"NO_PROXY": "*", "AWS_CA_BUNDLE": str(home / "jwt")}, ["--profile", "one"], ["has no certificate"]),
        (local | {"NO_PROXY": "*", "AWS_CA_BUNDLE": ""}, ["--profile", "one"], [f"role {ROLE}/one: AssumeRole: ", "certificate"]),
    ]:
        code, callers, said = sync(extra, *flags)
        missing = [text for text in texts if text not in said]
        case.check(code == 1 and not callers and not missing, f"{extra}: {missing}", said)


def refreshed(case):
    """A server's rounds go on while its credentials expire, are refused, and cannot be had for a while."""
    aws = AwsServices(case)
    url = aws.listen()
    aws.lifetime, aws.instance_key = 12, "ASIAFIRST"
    env = {key: value for key, value in clean_env().items() if not key.startswith("AWS_")}
    env |= {"HOME": str(case.dir / "nobody"), "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}
    (case.dir / "none").mkdir()
    server = Server(case, "--sync", f"region={REGION}", "--sync", f"region={REGION} role={ROLE}/other", "--sync-every", 1,
                    "--sync-dir", "kept", zones="none", http=True, env=env)
    case.equal("who asked at first", sorted(set(aws.callers)), ["ASIAFIRST", "ASIAOTHER"])
    case.equal("two accounts share what is found", sum(line == "PUT /latest/api/token" for line in aws.asked), 1, aws.asked)
    aws.instance_key = "ASIASECOND"
    wait_for("the refreshed credentials", lambda: "ASIASECOND" in aws.callers, seconds=30)
    aws.instance_key, aws.lifetime = "ASIATHIRD", 3600
    aws.refused.add("ASIASECOND")
    wait_for("other credentials for refused ones", lambda: "ASIATHIRD" in aws.callers, seconds=30)
    case.check("not read" not in server.log_text(), "a round has failed", server.log_text())

    aws.faults = {"api/token": (500, "out of order")}
    aws.refused.add("ASIATHIRD")
    wait_for("the problem", lambda: "instance metadata" in server.log_text(), seconds=30)
    case.check("HUSH" not in server.log_text(), "a secret is logged", server.log_text())
    aws.faults, aws.instance_key = {}, "ASIAFOURTH"
    wait_for("the recovery", lambda: "ASIAFOURTH" in aws.callers, seconds=30)

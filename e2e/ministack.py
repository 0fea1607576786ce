"""MiniStack, which lists endpoints without interfaces: with --endpoint-address an SDK reaches it by a service's default name."""

import os
import subprocess
import sys

from support import awstools
from support.case import ROOT, Skip, clean_env, wait_for
from support.ec2 import REGION

# where .ci/run installs e2e/requirements-ministack.txt
HOME = ROOT / "target" / "e2e-ministack"
NAME = f"sqs.{REGION}.amazonaws.com"
VPC = "vpc-00000001"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}

MAKE = """
import boto3
ec2, route53 = (boto3.client(name, endpoint_url="http://127.0.0.1") for name in ("ec2", "route53"))
subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
ec2.modify_vpc_attribute(VpcId="%(vpc)s", EnableDnsHostnames={"Value": True})
made = ec2.create_vpc_endpoint(VpcEndpointType="Interface", VpcId="%(vpc)s", ServiceName="com.amazonaws.%(region)s.sqs",
                               SubnetIds=subnets[:2], PrivateDnsEnabled=True)["VpcEndpoint"]
zone = route53.create_hosted_zone(Name="corp.example", CallerReference="x",
                                  VPC={"VPCId": "%(vpc)s", "VPCRegion": "%(region)s"})["HostedZone"]["Id"]
record = {"Name": "www.corp.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}
route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]})
print(made["VpcEndpointId"], made.get("NetworkInterfaceIds", []), made.get("DnsEntries", []))
""" % {"vpc": VPC, "region": REGION}

# the SDK's own URL, but for TLS, for which MiniStack would need a certificate of the name
USE = """
import boto3
sqs = boto3.client("sqs", use_ssl=False)
assert sqs.meta.endpoint_url == "http://%(name)s", sqs.meta.endpoint_url
print(sqs.create_queue(QueueName="found-by-name")["ResponseMetadata"]["HTTPStatusCode"], len(sqs.list_queues()["QueueUrls"]))
""" % {"name": NAME}


def run(case):
    awstools.need("boto3")
    case.need("ip", "unshare", "dig")
    if not (HOME / "ministack").is_dir():
        raise Skip("no MiniStack (python3 -m pip install --target target/e2e-ministack -r e2e/requirements-ministack.txt)")
    if os.geteuid() != 0:
        raise Skip("network namespaces need root")
    if subprocess.run(["unshare", "-nm", "true"], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("network namespaces are not allowed here")
    host = Host(case)
    emulator(case, host)
    made = host.python(MAKE)
    if not case.equal("an endpoint of MiniStack", made.returncode, 0, made.stderr):
        return
    endpoint = made.stdout.split()[0]
    case.note(f"MiniStack lists {made.stdout.strip()}")
    serve(case, host)
    found = host.run("dig", "@127.0.0.1", "+short", NAME)
    case.equal("the service's default name", found.stdout.split(), ["127.0.0.1"], found.stderr)
    case.equal("a hosted zone's name", host.run("dig", "@127.0.0.1", "+short", "www.corp.example").stdout.split(), ["10.0.0.1"])
    used = host.python(USE, resolv="nameserver 127.0.0.1\n")
    case.equal("boto3, by the default name", (used.returncode, used.stdout.split()), (0, ["200", "1"]), used.stderr)
    once = host.run(case.binary, "sync", "--to", "once", "--region", REGION, "--endpoint", "http://127.0.0.1", "--endpoint-address",
                    "127.0.0.1")
    case.equal("vpcedns sync", once.returncode, 0, once.stderr)
    checked = host.run(case.binary, "names", "--zones", "once")
    case.check(NAME in checked.stdout, "the names of what it wrote", checked.stdout + checked.stderr)
    told = host.run(case.binary, "explain", NAME, "--from", VPC, "--zones", "once")
    case.check(f"{endpoint} has no addresses of its own where it was read: those of --endpoint-address stand in" in told.stdout,
               "explain does not say whose address that is", told.stdout + told.stderr)


class Host:
    """A network namespace with nothing but a loopback interface."""

    def __init__(self, case):
        self.case, self.name = case, f"vpcedns{os.getpid()}-ministack"
        case.run("ip", "netns", "add", self.name)
        case.finally_do(lambda: subprocess.run(["ip", "netns", "delete", self.name], env=clean_env(), check=False))
        self.prefix = ["ip", "netns", "exec", self.name]
        self.env = {key: value for key, value in clean_env().items() if not key.startswith("AWS_")} | KEYS | {
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(case.dir)}
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command):
        return self.case.run(*self.prefix, *command, check=False, env=self.env)

    def start(self, *command, log, env=None):
        return self.case.start(*self.prefix, *command, log=log, env=env or self.env)

    def python(self, script, resolv=None):
        """Runs a script there, with a resolv.conf of its own."""
        command = [sys.executable, "-c", script]
        if resolv:
            conf = self.case.write("resolv.conf", resolv)
            command = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh", conf, *command]
        return self.run(*command)


def emulator(case, host):
    env = host.env | {"PYTHONPATH": str(HOME), "GATEWAY_PORT": "80", "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "WARNING"}
    host.start(sys.executable, "-c", "from ministack.app import main; main()", log="ministack.log", env=env)
    probe = "import urllib.request; urllib.request.urlopen('http://127.0.0.1/_localstack/health', timeout=2)"
    wait_for("MiniStack to listen", lambda: host.python(probe).returncode == 0, seconds=60)


def serve(case, host):
    """As docs/localstack.md has it."""
    (case.dir / "zones").mkdir()
    case.write("zones/clients.toml", f'[[vpc]]\nvpc_id = "{VPC}"\nclients = ["127.0.0.0/8"]\n')
    host.start(case.binary, "serve", "--listen", "127.0.0.1:53", "--zones", "zones", "--sync",
               f"region={REGION} endpoint=http://127.0.0.1 endpoint_address=127.0.0.1", "--sync-every", 1, "--forward", "none",
               "--socket", case.dir / "ministack.sock", log="serve.log")
    asked = ("dig", "@127.0.0.1", "+short", "+time=1", "+tries=1", NAME)
    wait_for("the server", lambda: host.run(*asked).returncode == 0, seconds=30)

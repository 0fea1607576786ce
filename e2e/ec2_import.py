"""`vpcedns import` moves what files declare into the API's state: no answer changes, and the API may change it afterwards.

The zone files of the README and others are imported, compared by `vpcedns diff` and by asking a server before and after; what the
API has no kind for is named and stays; a server that holds the state, an object that the API has otherwise and a read-only
file are refused with the way out; a run that was cut short goes on.
"""

import os
import shutil
import subprocess

from support import zones as z
from support.case import ROOT, clean_env
from support.ec2 import Ec2Server, make_vpc

VPC, SUBNET, ENDPOINT = "vpc-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa1", "vpce-0aaaaaaaaaaaaaaa1"
SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc"
ZONES = f'''# what a team wrote by hand
[[vpc]]
vpc_id = "{VPC}"
region = "us-east-1"
cidr_blocks = ["127.77.0.0/16"]
enable_dns_hostnames = true
clients = ["10.77.0.0/16"]

# where it all is
[[subnet]]
subnet_id = "{SUBNET}"
vpc_id = "{VPC}"
availability_zone = "us-east-1a"
cidr_block = "127.77.1.0/24"

[[vpc_endpoint_service]]
service_name = "{SERVICE}"
private_dns_names = ["api.partner.example"]
availability_zones = ["us-east-1a", "us-east-1b"]

[[vpc_endpoint]]
vpc_endpoint_id = "{ENDPOINT}"
vpc_id = "{VPC}"
service_name = "com.amazonaws.us-east-1.sqs"
private_dns_enabled = true
private_dns_mode = "overlay"
dns_suffix = "ks83awe7"
network_interfaces = [
  {{ network_interface_id = "eni-0aaaaaaaaaaaaaaa1", subnet_id = "{SUBNET}", private_ip_address = "127.77.1.17" }},
]

[[vpc_endpoint]]
vpc_endpoint_id = "vpce-0aaaaaaaaaaaaaaa2"
vpc_id = "{VPC}"
service_name = "{SERVICE}"
private_dns_enabled = true
network_interfaces = [
  {{ network_interface_id = "eni-0aaaaaaaaaaaaaaa2", subnet_id = "{SUBNET}", private_ip_address = "127.77.1.18" }},
]

[[hosted_zone]]
name = "corp.example"
vpc_ids = ["{VPC}"]
enable_public_dns_fallback = true
records = [
  {{ name = "db", type = "A", ttl = 60, values = ["10.0.9.9", "10.0.9.10"] }},
  {{ name = "@", type = "TXT", ttl = 7, values = ["\\"a \\\\\\\\ b\\" \\"caf\\\\195\\\\169\\""] }},
  {{ name = "*.any", type = "CNAME", ttl = 60, values = ["db.corp.example."] }},
  {{ name = "_x._tcp", type = "SRV", ttl = 60, values = ["1 2 443 db.corp.example."] }},
  {{ name = "q", alias = "{ENDPOINT}" }},
]

[[resolver_rule]]
domain_name = "onprem.example"
rule_type = "FORWARD"
target_ips = ["10.9.9.9:53", "10.9.9.10:5353"]
vpc_ids = ["{VPC}"]

# for everybody: no kind of the API's
[[resolver_rule]]
domain_name = "everybody.example"
rule_type = "FORWARD"
target_ips = ["10.9.9.9:53"]

[[profile]]
name = "hub"
vpc_ids = [{{ vpc_id = "{VPC}", priority = 200 }}]
vpc_endpoint_ids = ["vpce-0aaaaaaaaaaaaaaa2"]
'''
NAMES = [f"{ENDPOINT}-ks83awe7.sqs.us-east-1.vpce.amazonaws.com", f"{ENDPOINT}-ks83awe7-us-east-1a.sqs.us-east-1.vpce.amazonaws.com",
         "sqs.us-east-1.amazonaws.com", "api.partner.example", "db.corp.example", "x.any.corp.example", "q.corp.example",
         "no.corp.example", "ip-127-77-1-17.ec2.internal"]


def run(case):
    hand_written(case)
    of_the_tree(case)
    outputs(case)
    refused(case)
    cut_short(case)


def tool(case, *words, code=0):
    """What a command says; its exit code has to be `code`."""
    done = subprocess.run([case.binary, *map(str, words)], cwd=case.dir, env=clean_env(), check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    case.equal(f"exit code of {words}", done.returncode, code, done.stdout)
    return done.stdout


def asked(case, server):
    """Every name and some types, from the VPC and from nowhere."""
    answers = {}
    for name in NAMES:
        for rtype in ("A", "AAAA", "TXT"):
            for source in ("127.77.3.3", "127.0.0.1"):
                reply = server.ask(name, rtype, source=source)
                answers[name, rtype, source] = (reply.rcode, sorted(map(str, reply.answer)))
    return answers


def hand_written(case):
    case.write("zones/team.toml", ZONES)
    server = Ec2Server(case, state="hand")
    before = asked(case, server)
    said = tool(case, "import", "zones", "--ec2-state", "hand", code=1)
    case.check("used by another server" in said and "stop the server" in said, "a server holds the state", said)
    server.stop()
    shutil.copytree(case.dir / "zones", case.dir / "before")

    said = tool(case, "import", "zones", "--ec2-state", "hand", "--dry-run")
    case.check("nothing was changed" in said and said.count("moves  zones/team.toml:") == 8, "the plan", said)
    case.check("stays  zones/team.toml:" in said and "everybody.example" in said and "for every client" in said, "what stays", said)
    case.equal("a dry run leaves the files", (case.dir / "zones/team.toml").read_text(), ZONES)

    said = tool(case, "import", "zones", "--ec2-state", "hand", "--account", "000000000000")
    rest = (case.dir / "zones/team.toml").read_text()
    case.check("everybody.example" in rest and "[[vpc" not in rest and "# for everybody" in rest, "the file's rest", rest)
    case.equal("the file is kept", (case.dir / "zones/team.toml.imported").read_text(), ZONES)

    server = Ec2Server(case, state="hand")
    after = asked(case, server)
    for key, answer in before.items():
        case.equal(f"{key} after the import", after[key], answer)
    changed_by_the_api(case, server)
    server.stop()
    said = tool(case, "import", "zones", "--ec2-state", "hand")
    case.check("0 objects" in said, "a second run moves nothing", said)
    case.check(not (case.dir / "zones/team.toml.imported2").exists(), "nor does it keep a file that stays as it is")


def changed_by_the_api(case, server):
    with server.raw() as raw:
        found = raw.all("DescribeVpcEndpoints", VpcEndpointId=[ENDPOINT])[0]
        case.check("creationTimestamp" in found and found["dnsEntrySet"][0]["dnsName"] == NAMES[0], "as the API shows it", found)
        raw.call("ModifyVpcEndpoint", VpcEndpointId=ENDPOINT, PrivateDnsEnabled=False)
        case.equal("a private name that the API took away", server.ask("sqs.us-east-1.amazonaws.com", source="127.77.3.3").answer, [])
        case.check(server.ask(NAMES[0]).answer, "its own name has its suffix still")
        raw.call("ModifyVpcEndpoint", VpcEndpointId=ENDPOINT, PrivateDnsEnabled=True)
        raw.call("CreateTags", ResourceId=[VPC, SUBNET, ENDPOINT], Tag=[{"Key": "Name", "Value": "moved"}])
        case.equal("tags", [tag["value"] for tag in raw.all("DescribeVpcs", VpcId=[VPC])[0]["tagSet"] if tag["key"] == "Name"], ["moved"])
        failed = raw.call("DeleteVpcEndpoints", VpcEndpointId=["vpce-0aaaaaaaaaaaaaaa2"])["unsuccessful"]
        case.check(not failed or "rp-" in str(failed), "an endpoint that was imported can be deleted", failed)


def of_the_tree(case):
    """Every directory of zones in the repository: what moves is answered as before."""
    for number, dir_ in enumerate([ROOT / "zones", *sorted(path for path in (ROOT / "examples").glob("*/zones") if path.is_dir())]):
        name = f"tree{number}"
        shutil.copytree(dir_, case.dir / name)
        said = tool(case, "import", name, "--ec2-state", f"{name}-state")
        case.check("moves" in said and "no answer changes" in said, f"{dir_} moves", said)


def outputs(case):
    """Outputs of the AWS CLI: as a whole or not at all."""
    vpcs = '{"Vpcs": [{"VpcId": "%s", "CidrBlock": "127.78.0.0/16", "OwnerId": "1", "Region": "us-east-1"}]}' % VPC
    subnets = '{"Subnets": [{"SubnetId": "%s", "VpcId": "%s", "AvailabilityZone": "us-east-1a", "CidrBlock": "127.78.1.0/24"}]}' % (SUBNET, VPC)
    nics = ('{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-0aaaaaaaaaaaaaaa1", "SubnetId": "%s", "VpcId": "%s", '
            '"InterfaceType": "vpc_endpoint", "PrivateIpAddress": "127.78.1.9"}%s]}')
    endpoints = ('{"VpcEndpoints": [{"VpcEndpointId": "%s", "VpcEndpointType": "Interface", "VpcId": "%s", "State": "available", '
                 '"ServiceName": "com.amazonaws.us-east-1.sqs", "PrivateDnsEnabled": false, "NetworkInterfaceIds": ["eni-0aaaaaaaaaaaaaaa1"], '
                 '"DnsEntries": [{"DnsName": "%s-ks83awe7.sqs.us-east-1.vpce.amazonaws.com"}]}]}' % (ENDPOINT, VPC, ENDPOINT))
    host = (',{"NetworkInterfaceId": "eni-0aaaaaaaaaaaaaaa9", "SubnetId": "%s", "VpcId": "%s", "PrivateIpAddress": "127.78.1.20", '
            '"PrivateDnsName": "ip-127-78-1-20.ec2.internal"}' % (SUBNET, VPC))
    for name, more, moves in (("outputs", "", True), ("mixed", host, False)):
        for file, text in (("vpcs", vpcs), ("subnets", subnets), ("nics", nics % (SUBNET, VPC, more)), ("endpoints", endpoints)):
            case.write(f"{name}/{file}.json", text)
        said = tool(case, "import", name, "--ec2-state", f"{name}-state")
        left = sorted(path.name for path in (case.dir / name).glob("*.json"))
        case.equal(f"{name}: files that are left", left, [] if moves else ["endpoints.json", "nics.json", "subnets.json", "vpcs.json"], said)
        case.check(("stays" in said) != moves, f"{name}: what stays", said)


def refused(case):
    """What the API has otherwise, and a file that does not load."""
    case.write("clash/a.toml", z.vpc(VPC, "127.79.0.0/16"))
    tool(case, "import", "clash", "--ec2-state", "clash-state")
    case.write("clash/a.toml", z.vpc(VPC, "127.80.0.0/16"))
    said = tool(case, "import", "clash", "--ec2-state", "clash-state", code=1)
    case.check("clash/a.toml:1" in said and f"the EC2 API has {VPC} already" in said and "hint:" in said, "a conflict", said)
    case.write("clash/a.toml", "[[vpc]]\nvpc_id = 7\n")
    said = tool(case, "import", "clash", "--ec2-state", "clash-state", code=1)
    case.check("clash/a.toml:2" in said, "a file that does not load", said)
    case.write("inline/a.toml", f'vpc = [{{ vpc_id = "{VPC}", region = "us-east-1", cidr_blocks = ["127.81.0.0/16"] }}]\n')
    said = tool(case, "import", "inline", "--ec2-state", "inline-state", code=1)
    case.check("cannot be cut out" in said and "[[vpc]]" in said, "tables in one line", said)
    said = tool(case, "import", "nowhere", "--ec2-state", "no-state", code=1)
    case.check("nowhere" in said, "no directory", said)
    tool(case, "import", "clash", "--account", "12", code=2)


def cut_short(case):
    """The state has changed and a file has not: no server starts on both, and the next run ends what was begun."""
    text = z.vpc(VPC, "127.82.0.0/16") + z.subnet(SUBNET, VPC, "a", "127.82.1.0/24")
    path = case.write("short/a.toml", text)
    tool(case, "import", "short", "--ec2-state", "short-state")
    # as a run leaves it that ends before it comes to the files
    (case.dir / "short/a.toml.imported").rename(path)
    said = tool(case, "import", "short", "--ec2-state", "short-state")
    case.check(said.count("the state has it already") == 2, "a run that goes on", said)
    case.check(not path.exists(), "the file is gone now")
    server = Ec2Server(case, state="short-state", zones="short")
    with server.raw() as raw:
        case.equal("once", [vpc["vpcId"] for vpc in raw.all("DescribeVpcs")], [VPC])
        make_vpc(raw, "127.83.0.0/16")
    server.stop()
    if os.geteuid():
        case.write("locked/a.toml", text.replace(VPC, "vpc-0bbbbbbbbbbbbbbb1").replace(SUBNET, "subnet-0bbbbbbbbbbbbbbb1"))
        (case.dir / "locked").chmod(0o500)
        said = tool(case, "import", "locked", "--ec2-state", "locked-state", code=1)
        (case.dir / "locked").chmod(0o700)
        case.check("run this again" in said, "a directory that cannot be written", said)

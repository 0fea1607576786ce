"""LocalEmu is followed as it is: names that AWS would not give are derived, addresses outside of subnets warn, `all=` replaces them."""

from support import awstools
from support.case import ROOT, Skip, clean_env, wait_for
from support.ec2 import REGION
from support.scenario import interface, own_addresses
from support.server import Server, free_port
from sync import environment, sync

HOME = ROOT / "target" / "e2e-localemu"
NAME = f"sqs.{REGION}.amazonaws.com"


def run(case):
    awstools.need("boto3")
    program = HOME / "bin" / "localemu"
    if not program.is_file():
        raise Skip("no LocalEmu (python3.12 -m venv target/e2e-localemu; target/e2e-localemu/bin/pip install -r e2e/requirements-localemu.txt)")
    import boto3  # pylint: disable=import-outside-toplevel
    url = emulator(case, program)
    ec2 = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION).client("ec2", endpoint_url=url)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:2]]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    made = interface(ec2, vpc, subnets, "sqs", PrivateDnsEnabled=True)
    listed = own_addresses(ec2, made)
    case.note(f"LocalEmu lists {made['DnsEntries']}, {listed}")
    done = sync(case, url, case.dir / "once")
    case.equal("sync", done.returncode, 0, done.stderr)
    checked = case.run(case.binary, "check", "--zones", "once", check=False)
    case.equal("check", checked.returncode, 0, checked.stderr)
    case.check("is not inside subnet-" in checked.stderr and "and 1 interface like it" in checked.stderr, "what is outside", checked.stderr)
    clients = case.write("clients/clients.toml", f'[[vpc]]\nvpc_id = "{vpc}"\nclients = ["127.0.0.0/8"]\n').parent
    for words, addresses in (("", listed), (" endpoint_address=all=127.0.0.9", ["127.0.0.9"])):
        server = Server(case, "--sync", f"region={REGION} endpoint={url}{words}", "--sync-dir", f"kept{len(words)}", "--sync-every", 1,
                        "--socket", case.dir / "s", zones=clients, env=environment())
        case.equal(f"the private name{words}", server.addresses(NAME), ("NOERROR", addresses))
        names = case.run(case.binary, "names", "--socket", case.dir / "s")
        own = next(word for line in names.splitlines() if line.split()[:1] == ["regional"] for word in line.split()[1:2])
        case.check(own.startswith(made["VpcEndpointId"]) and own.endswith(f".sqs.{REGION}.vpce.amazonaws.com"), "the derived name", names)
        case.equal(f"the endpoint's own name{words}", server.addresses(own), ("NOERROR", addresses))
        server.stop()


def emulator(case, program):
    """Its URL, with a home of the test's own."""
    port = free_port()
    home = str(case.dir)
    env = clean_env() | {"HOME": home, "TMPDIR": home}
    case.start(program, "start", "--host", "127.0.0.1", "--port", port, log="localemu.log", env=env)
    log = case.dir / "localemu.log"
    wait_for("LocalEmu to be ready", lambda: "Ready." in log.read_text(errors="replace"), seconds=180, pause=0.5)
    return f"http://127.0.0.1:{port}"

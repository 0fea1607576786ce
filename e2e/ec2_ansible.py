"""Ansible's amazon.aws modules make a network, endpoints, a zone and records, and remove them; a second run changes nothing."""

import json
import os
import re
import subprocess
import sys

from support import awstools
from support.case import ROOT, Failure, Skip, clean_env
from support.ec2 import REGION, Ec2Server

# .ci/run installs it: python3 .ci/ansible.py target/e2e-ansible
ANSIBLE = ROOT / "target" / "e2e-ansible"
PLAYS = ROOT / "e2e" / "data" / "ansible"
SECONDS = 300


def run(case):
    if not (ANSIBLE / "ansible_collections").is_dir():
        raise Skip(f"no Ansible below {ANSIBLE.relative_to(ROOT)} (python3 .ci/ansible.py {ANSIBLE.relative_to(ROOT)})")
    awstools.need("boto3")
    server = Ec2Server(case)
    ec2 = awstools.client(server)
    offer = ec2.create_vpc_endpoint_service_configuration(
        AcceptanceRequired=False, NetworkLoadBalancerArns=[f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/net/a/0123456789abcdef"])
    words = {"url": server.url, "region": REGION, "offer": offer["ServiceConfiguration"]["ServiceName"], "ansible_python_interpreter": sys.executable}
    made = twice(case, "make", words, unchanged=("service",))
    answers(case, server)
    entry = made["endpoint"]["result"]["dns_entries"][0]
    words |= {name: made[name]["result"]["vpc_endpoint_id"] for name in ("endpoint", "gateway", "partner")}
    words |= {"vpc_id": made["vpc"]["vpc"]["id"], "zone_id": made["zone"]["zone_id"], "alias_zone": entry["hosted_zone_id"], "alias": entry["dns_name"]}
    twice(case, "records", words)
    case.equal("a record that is removed", server.addresses("db.ansible.example", source="127.77.1.9"), ("NXDOMAIN", []))
    twice(case, "remove", words)
    case.equal("what is left", [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]], [])


def answers(case, server):
    """The names that the first play made, as a client of its VPC sees them."""
    own = {"source": "127.77.1.9"}
    rcode, addresses = server.addresses(f"sqs.{REGION}.amazonaws.com", **own)
    case.equal("the endpoint's private name", (rcode, len(addresses)), ("NOERROR", 1))
    case.check(addresses[0].startswith("127.77.1."), f"not an address of the subnet: {addresses}")
    case.equal("the alias", server.addresses("sqs.ansible.example", **own), (rcode, addresses))
    for name in ("db", "blue"):
        rcode, addresses = server.addresses(f"{name}.ansible.example", **own)
        case.equal(f"{name}.ansible.example", (rcode, sorted(addresses)), ("NOERROR", ["127.77.9.1", "127.77.9.2"]))


def twice(case, which, words, unchanged=()):
    """Plays a file, and plays it again: only the first run changes anything, `unchanged` apart. The results of the first."""
    tasks = re.findall(r"- name: (\w+)", (PLAYS / f"{which}.yml").read_text())
    runs = [play(case, which, words), play(case, which, words)]
    for run, changes in zip(runs, (True, False)):
        about = f"{which}.yml, {'first' if changes else 'second'} run"
        case.equal(f"{about}: tasks", list(run), tasks)
        for name, result in run.items():
            said = [item.get("msg") for item in (result, *result.get("results", [])) if item.get("msg")]
            evidence = f"{said} {json.dumps(result)[:2500]}"
            if case.check(not result.get("failed") and not result.get("skipped"), f"{about}: {name} failed", evidence) and name not in unchanged:
                case.equal(f"{about}: {name} changed", result["changed"], changes, evidence)
    if case.failed:
        case.finish()
    return runs[0]


def play(case, which, words):
    """The result of each task, by name."""
    environment = {
        **clean_env(),
        "PYTHONPATH": os.pathsep.join([str(ANSIBLE), str(awstools.PRIVATE)]),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_HOME": str(case.dir / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "AWS_DEFAULT_REGION": REGION,
        "HOME": str(case.dir),
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, str(ANSIBLE / "bin" / "ansible-playbook"), "-i", "localhost,", "-e", json.dumps(words), str(PLAYS / f"{which}.yml")]
    done = subprocess.run(command, cwd=case.dir, env=environment, capture_output=True, text=True, timeout=SECONDS)
    start = done.stdout.find("{")
    if start < 0:
        raise Failure(f"ansible-playbook: {done.stdout[-500:]} {done.stderr[-1500:]}")
    report = json.loads(done.stdout[start:])
    return {task["task"]["name"]: task["hosts"]["localhost"] for task in report["plays"][0]["tasks"]}

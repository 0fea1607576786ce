"""Ansible's amazon.aws modules make a VPC, a subnet, a security group and an endpoint; a second run changes nothing."""

import json
import os
import subprocess
import sys

from support.case import ROOT, Skip
from support.ec2 import REGION, Ec2Server

# .ci/run does not install it, as that takes minutes: pip install --target target/e2e-ansible ansible boto3
ANSIBLE = ROOT / "target" / "e2e-ansible"
SECONDS = 300

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: {python}
  module_defaults:
    group/amazon.aws.aws: &aws
      endpoint_url: {url}
      access_key: AKIAIOSFODNN7EXAMPLE
      secret_key: wJalrXUtnFEMI
      region: {region}
  tasks:
    - name: vpc
      amazon.aws.ec2_vpc_net:
        name: ansible
        cidr_block: 127.77.0.0/16
        dns_support: true
        dns_hostnames: true
      register: vpc
    - name: subnet
      amazon.aws.ec2_vpc_subnet:
        vpc_id: "{{{{ vpc.vpc.id }}}}"
        cidr: 127.77.1.0/24
        az: {region}a
        map_public: true
        tags:
          Name: ansible
      register: subnet
    - name: group
      amazon.aws.ec2_security_group:
        name: ansible
        description: made by Ansible
        vpc_id: "{{{{ vpc.vpc.id }}}}"
        rules:
          - proto: tcp
            ports: 443
            cidr_ip: 127.77.0.0/16
            rule_desc: https
      register: group
    - name: endpoint
      amazon.aws.ec2_vpc_endpoint:
        vpc_id: "{{{{ vpc.vpc.id }}}}"
        service: com.amazonaws.{region}.sqs
        vpc_endpoint_type: Interface
        vpc_endpoint_subnets: ["{{{{ subnet.subnet.id }}}}"]
        vpc_endpoint_security_groups: ["{{{{ group.group_id }}}}"]
        tags:
          Name: ansible
      register: endpoint
"""


def run(case):
    if not (ANSIBLE / "ansible").is_dir():
        raise Skip(f"no Ansible below {ANSIBLE.relative_to(ROOT)}")
    server = Ec2Server(case)
    text = PLAYBOOK.format(python=sys.executable, url=server.url, region=REGION)
    (case.dir / "play.yml").write_text(text)
    for which, expected in (("first", True), ("second", False)):
        tasks = play(case)
        case.equal(f"{which} run: tasks", sorted(tasks), ["endpoint", "group", "subnet", "vpc"])
        for name, result in tasks.items():
            case.check(not result.get("failed"), f"{which} run: {name}: {result.get('msg')} {result.get('exception', '')[-600:]}")
            case.equal(f"{which} run: {name} changed", result["changed"], expected)
    rcode, addresses = server.addresses(f"sqs.{REGION}.amazonaws.com", source="127.77.1.9")
    case.equal("the endpoint's private name", (rcode, len(addresses)), ("NOERROR", 1))
    case.check(addresses[0].startswith("127.77.1."), f"not an address of the subnet: {addresses}")


def play(case):
    """The result of each task, by name."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ANSIBLE),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_HOME": str(case.dir / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "HOME": str(case.dir),
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, str(ANSIBLE / "bin" / "ansible-playbook"), "-i", "localhost,", "play.yml"]
    done = subprocess.run(command, cwd=case.dir, env=environment, capture_output=True, text=True, timeout=SECONDS)
    start = done.stdout.find("{")
    case.check(start >= 0, f"ansible-playbook: {done.stdout[-500:]} {done.stderr[-1500:]}")
    report = json.loads(done.stdout[start:])
    return {task["task"]["name"]: task["hosts"]["localhost"] for task in report["plays"][0]["tasks"]}

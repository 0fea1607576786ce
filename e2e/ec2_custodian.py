"""Cloud Custodian's policies find endpoints, hosted zones and records by what they are and by their tags, and delete what they are told to.

`custodian run` is a process of its own; what it found is in its output directory. Its actions on tags call another service
(Resource Groups Tagging API), which is not here.
"""

import json
import sys

from support import awstools
from support.case import ROOT, Skip
from support.ec2 import REGION, Ec2Server, make_endpoint, make_subnet, make_vpc, tags

# where .ci/run installs e2e/requirements-c7n.txt
CUSTODIAN = ROOT / "target" / "e2e-c7n"

POLICIES = """
policies:
  - name: open-endpoints
    resource: aws.vpc-endpoint
    filters:
      - type: has-statement
        statements: [{Effect: Allow, Principal: "*", Action: "*"}]
      - "tag:owner": absent
  - name: endpoints-of-the-vpc
    resource: aws.vpc-endpoint
    filters:
      - {type: vpc, key: "tag:Name", value: custodian}
      - {type: value, key: PrivateDnsEnabled, value: true}
  - name: endpoints-with-a-group
    resource: aws.vpc-endpoint
    filters:
      - {type: security-group, key: GroupName, value: default}
      - {type: subnet, key: AvailabilityZone, value: us-east-1a}
  - name: zones
    resource: aws.hostedzone
    filters:
      - {type: value, key: Config.PrivateZone, value: true}
      - "tag:Name": custodian
  - name: untagged-zones
    resource: aws.hostedzone
    filters: ["tag:owner": absent]
  - name: records
    resource: aws.rrset
    filters:
      - {type: value, key: Type, value: A}
      - {type: value, key: Name, op: glob, value: "www.*"}
  - name: subnets
    resource: aws.subnet
    filters: [{type: vpc, key: "tag:Name", value: custodian}]
  - name: groups
    resource: aws.security-group
    filters: [{type: value, key: GroupName, value: old}]
    actions: [delete]
  - name: delete-endpoints
    resource: aws.vpc-endpoint
    filters: ["tag:Name": old]
    actions: [delete]
"""


def run(case):
    if not (CUSTODIAN / "c7n").is_dir():
        raise Skip(f"no Cloud Custodian below {CUSTODIAN.relative_to(ROOT)}")
    awstools.need("boto3")
    server = Ec2Server(case)
    with server.raw() as raw:
        vpc = make_vpc(raw, "127.78.0.0/16")
        raw.call("CreateTags", ResourceId=[vpc], Tag=[{"Key": "Name", "Value": "custodian"}])
        subnet = make_subnet(raw, vpc, "127.78.1.0/24", "a")
        kept = make_endpoint(raw, vpc, "sqs", [subnet])["vpcEndpointId"]
        old = make_endpoint(raw, vpc, "kms", [subnet], PrivateDnsEnabled=False, TagSpecification=tags("vpc-endpoint", Name="old"))
        old = old["vpcEndpointId"]
        other = make_endpoint(raw, vpc, "sns", [subnet], PrivateDnsEnabled=False, TagSpecification=tags("vpc-endpoint", owner="x"))
        raw.call("CreateSecurityGroup", GroupName="old", GroupDescription="old", VpcId=vpc)
    ec2, route53 = (awstools.client(server, service=name) for name in ("ec2", "route53"))
    zone = route53.create_hosted_zone(Name="custodian.example", CallerReference="1", VPC={"VPCRegion": REGION, "VPCId": vpc})
    zone = zone["HostedZone"]["Id"].split("/")[-1]
    record = {"Name": "www.custodian.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]})
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=[{"Key": "Name", "Value": "custodian"}])
    found = custodian(case, server)
    endpoints = {"open-endpoints": [kept, old], "endpoints-of-the-vpc": [kept],
                 "endpoints-with-a-group": [kept, old, other["vpcEndpointId"]], "delete-endpoints": [old]}
    for policy, wanted in endpoints.items():
        case.equal(policy, sorted(one["VpcEndpointId"] for one in found[policy]), sorted(wanted))
    case.equal("zones", [one["Name"] for one in found["zones"]], ["custodian.example."])
    case.equal("records", [(one["Name"], one["ResourceRecords"]) for one in found["records"]],
               [("www.custodian.example.", [{"Value": "10.0.0.1"}])])
    case.equal("subnets", [one["SubnetId"] for one in found["subnets"]], [subnet])
    case.equal("groups", [one["GroupName"] for one in found["groups"]], ["old"])
    case.equal("zones without an owner", [one["Name"] for one in found["untagged-zones"]], ["custodian.example."])
    left = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-endpoint-state", "Values": ["available", "pending"]}])
    case.equal("endpoints that are left", sorted(one["VpcEndpointId"] for one in left["VpcEndpoints"]),
               sorted([kept, other["vpcEndpointId"]]))
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["old"]}])["SecurityGroups"]
    case.equal("the group that was deleted", groups, [])


def custodian(case, server):
    """What each policy found."""
    (case.dir / "policies.yml").write_text(POLICIES)
    env = awstools.environment(server) | {"PYTHONPATH": str(CUSTODIAN), "HOME": str(case.dir)}
    done = case.run(sys.executable, CUSTODIAN / "bin" / "custodian", "run", "-s", "out", "--region", REGION, "--cache-period", "0",
                    "policies.yml", env=env, check=False, timeout=240)
    case.equal("custodian", done.returncode, 0, (done.stdout + done.stderr)[-4000:])
    return {path.parent.name: json.loads(path.read_text()) for path in (case.dir / "out").glob("*/resources.json")}

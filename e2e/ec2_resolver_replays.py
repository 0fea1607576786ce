"""Terraform's calls for Resolver's resources leave no drift; the AWS CLI's own examples run; moto's answers have the same shapes.

The calls are those of the provider's `internal/service/route53resolver` (v6): create, wait, read, tags, update, destroy.
Terraform itself is not run: its provider is no part of any package that tests install.
"""

import itertools
from types import SimpleNamespace

from ec2_resolver_endpoints import World
from support import awstools, replays
from support.awstools import error_of
from support.case import Skip
from support.ec2 import Ec2Server

NUMBERS = itertools.count()


def run(case):
    awstools.need("boto3", "botocore")
    server = Ec2Server(case)
    terraform(case, server)
    examples(case, server)
    moto(case, server)


# --- Terraform ------------------------------------------------------------------------------------------------------

class Rule:
    """aws_route53_resolver_rule"""

    def __init__(self, client):
        self.client = client

    def create(self, config):
        more = {"Name": "name", "ResolverEndpointId": "resolver_endpoint_id"}
        made = self.client.create_resolver_rule(
            CreatorRequestId=f"tf-r53-resolver-rule-{next(NUMBERS)}", DomainName=config["domain_name"],
            RuleType=config["rule_type"], Tags=pairs(config["tags"]),
            **{member: config[key] for member, key in more.items() if config.get(key)}, **self.targets(config))
        return made["ResolverRule"]["Id"]

    @staticmethod
    def targets(config):
        return {"TargetIps": [dict(one) for one in config["target_ip"]]} if config["target_ip"] else {}

    def find(self, ident):
        return self.client.get_resolver_rule(ResolverRuleId=ident)["ResolverRule"]

    def read(self, ident):
        rule = self.find(ident)
        # the provider sets Protocol and Port by default, and compares them
        targets = [{key: one.get(key) for key in ("Ip", "Port", "Protocol")} for one in rule.get("TargetIps", [])]
        return {"domain_name": rule["DomainName"].removesuffix(".") or ".", "name": rule.get("Name"),
                "rule_type": rule["RuleType"], "resolver_endpoint_id": rule.get("ResolverEndpointId"),
                "target_ip": sorted(targets, key=str), "tags": self.tags(rule)}

    def tags(self, found):
        listed = self.client.list_tags_for_resource(ResourceArn=found["Arn"])["Tags"]
        return {one["Key"]: one["Value"] for one in listed}

    def retag(self, ident, old, new):
        arn = self.find(ident)["Arn"]
        if gone := [key for key in old["tags"] if key not in new["tags"]]:
            self.client.untag_resource(ResourceArn=arn, TagKeys=gone)
        if come := {key: value for key, value in new["tags"].items() if old["tags"].get(key) != value}:
            self.client.tag_resource(ResourceArn=arn, Tags=pairs(come))

    def update(self, ident, old, new):
        config = {member: new[key] for member, key in (("Name", "name"), ("ResolverEndpointId", "resolver_endpoint_id"))
                  if new.get(key)}
        self.client.update_resolver_rule(ResolverRuleId=ident, Config=config | self.targets(new))
        self.retag(ident, old, new)

    def destroy(self, ident, _):
        self.client.delete_resolver_rule(ResolverRuleId=ident)

    def status(self, ident):
        return self.find(ident)["Status"]

    ready = "COMPLETE"


class Association:
    """aws_route53_resolver_rule_association"""

    def __init__(self, client):
        self.client = client

    def create(self, config):
        made = self.client.associate_resolver_rule(ResolverRuleId=config["resolver_rule_id"], VPCId=config["vpc_id"],
                                                   **({"Name": config["name"]} if config["name"] else {}))
        return made["ResolverRuleAssociation"]["Id"]

    def find(self, ident):
        found = self.client.get_resolver_rule_association(ResolverRuleAssociationId=ident)
        return found["ResolverRuleAssociation"]

    def read(self, ident):
        found = self.find(ident)
        return {"name": found.get("Name"), "resolver_rule_id": found["ResolverRuleId"], "vpc_id": found["VPCId"]}

    def destroy(self, _, config):
        self.client.disassociate_resolver_rule(ResolverRuleId=config["resolver_rule_id"], VPCId=config["vpc_id"])

    def status(self, ident):
        return self.find(ident)["Status"]

    ready = "COMPLETE"


class Endpoint(Rule):
    """aws_route53_resolver_endpoint"""

    def create(self, config):
        addresses = [{"SubnetId": subnet, "Ip": ip} for subnet, ip in config["ip_address"]]
        made = self.client.create_resolver_endpoint(
            CreatorRequestId=f"tf-r53-resolver-endpoint-{next(NUMBERS)}", Direction=config["direction"],
            IpAddresses=addresses, SecurityGroupIds=config["security_group_ids"], Name=config["name"],
            Protocols=config["protocols"], ResolverEndpointType=config["resolver_endpoint_type"],
            Tags=pairs(config["tags"]))
        return made["ResolverEndpoint"]["Id"]

    def find(self, ident):
        return self.client.get_resolver_endpoint(ResolverEndpointId=ident)["ResolverEndpoint"]

    def addresses(self, ident):
        pages = self.client.get_paginator("list_resolver_endpoint_ip_addresses").paginate(ResolverEndpointId=ident)
        return [one for page in pages for one in page["IpAddresses"]]

    def read(self, ident):
        found = self.find(ident)
        return {"direction": found["Direction"], "name": found["Name"], "protocols": sorted(found["Protocols"]),
                "resolver_endpoint_type": found["ResolverEndpointType"], "security_group_ids": found["SecurityGroupIds"],
                "ip_address": sorted((one["SubnetId"], one["Ip"]) for one in self.addresses(ident)),
                "tags": self.tags(found)}

    def update(self, ident, old, new):
        self.client.update_resolver_endpoint(ResolverEndpointId=ident, Name=new["name"], Protocols=new["protocols"])
        # new ones come before old ones go, so that there are never fewer than two
        for subnet, ip in set(new["ip_address"]) - set(old["ip_address"]):
            self.client.associate_resolver_endpoint_ip_address(
                ResolverEndpointId=ident, IpAddress={"SubnetId": subnet, "Ip": ip})
        for one in self.addresses(ident):
            if (one["SubnetId"], one["Ip"]) not in new["ip_address"]:
                self.client.disassociate_resolver_endpoint_ip_address(
                    ResolverEndpointId=ident, IpAddress={key: one[key] for key in ("SubnetId", "Ip", "IpId")})
        self.retag(ident, old, new)

    def destroy(self, ident, _):
        self.client.delete_resolver_endpoint(ResolverEndpointId=ident)

    ready = "OPERATIONAL"


class Config:
    """aws_route53_resolver_config: destroying it calls nothing."""

    def __init__(self, client):
        self.client = client

    def create(self, config):
        made = self.client.update_resolver_config(ResourceId=config["resource_id"],
                                                  AutodefinedReverseFlag=config["autodefined_reverse_flag"])
        return made["ResolverConfig"]["Id"]

    def find(self, ident):
        pages = self.client.get_paginator("list_resolver_configs").paginate()
        return next(one for page in pages for one in page["ResolverConfigs"] if one["Id"] == ident)

    def read(self, ident):
        found = self.find(ident)
        flag = "ENABLE" if found["AutodefinedReverse"] == "ENABLED" else "DISABLE"
        return {"resource_id": found["ResourceId"], "autodefined_reverse_flag": flag}

    def update(self, _, __, new):
        self.create(new)

    def status(self, ident):
        return "settled" if self.find(ident)["AutodefinedReverse"] in ("ENABLED", "DISABLED") else ""

    ready = "settled"


def pairs(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def terraform(case, server):
    """create, wait, read, plan; update, plan; destroy, and the read that shows that it has gone."""
    client = awstools.client(server, service="route53resolver")
    world = World(awstools.client(server), "127.41.0.0/16")
    ips = [(subnet, f"127.41.{n}.10") for n, subnet in enumerate(world.subnets, 1)]
    endpoint = {"direction": "OUTBOUND", "name": "tf-out", "protocols": ["Do53"], "resolver_endpoint_type": "IPV4",
                "security_group_ids": [world.group], "ip_address": sorted(ips), "tags": {"Name": "tf", "env": "test"}}
    moved = endpoint | {"name": "tf-renamed", "protocols": ["Do53", "DoH"], "tags": {"Name": "tf2"},
                        "ip_address": sorted([ips[0], (world.subnets[1], "127.41.2.11")])}
    made = {}
    steps = [
        (Endpoint, "endpoint", lambda: endpoint, lambda: moved),
        (Rule, "rule", lambda: {
            "domain_name": "corp.tf.example", "rule_type": "FORWARD", "name": "tf-rule", "tags": {"Name": "tf"},
            "resolver_endpoint_id": made["endpoint"],
            "target_ip": [{"Ip": "10.9.9.8", "Port": 53, "Protocol": "Do53"}, {"Ip": "10.9.9.9", "Port": 5353, "Protocol": "Do53"}],
        }, lambda: {
            "domain_name": "corp.tf.example", "rule_type": "FORWARD", "name": "tf-rule-2", "tags": {},
            "resolver_endpoint_id": made["endpoint"], "target_ip": [{"Ip": "10.9.9.9", "Port": 53, "Protocol": "Do53"}],
        }),
        (Rule, "system", lambda: {"domain_name": "aws.corp.tf.example", "rule_type": "SYSTEM", "name": None, "tags": {},
                                  "resolver_endpoint_id": None, "target_ip": []}, None),
        (Rule, "root", lambda: {"domain_name": ".", "rule_type": "SYSTEM", "name": None, "tags": {},
                                "resolver_endpoint_id": None, "target_ip": []}, None),
        (Association, "association", lambda: {"name": "tf", "resolver_rule_id": made["rule"], "vpc_id": world.vpc}, None),
        (Config, "config", lambda: {"resource_id": world.vpc, "autodefined_reverse_flag": "DISABLE"},
         lambda: {"resource_id": world.vpc, "autodefined_reverse_flag": "ENABLE"}),
    ]
    applied = []
    for kind, name, config, later in steps:
        resource = kind(client)
        applied.append((resource, name, *replays.apply(case, made, resource, name, config, later)))
    for resource, name, ident, config in reversed(applied):
        if isinstance(resource, Config):
            continue
        resource.destroy(ident, config)
        error = error_of(resource.find, ident=ident)
        case.check(error and error[0] == "ResourceNotFoundException", f"{name} after destroy: {error}")


# --- the AWS CLI's examples -----------------------------------------------------------------------------------------

def examples(case, server):
    """Command lines of the AWS CLI's reference (`examples/route53resolver`), with ids put in place of theirs."""
    aws = awstools.Cli(case, server)
    world = World(awstools.client(server), "127.42.0.0/16")
    aws.ids |= {"sg-f62bexam": world.group, "subnet-ba47exam": world.subnets[0], "subnet-12d8exam": world.subnets[1],
                "vpc-304bexam": world.vpc, "192.0.2.255": "127.42.1.200", "192.0.2.254": "127.42.2.200",
                "192.0.2.118": "127.42.2.118"}
    made = aws("aws route53resolver create-resolver-endpoint --name my-inbound-endpoint --creator-request-id 2020-01-01-18:47 "
               '--security-group-ids "sg-f62bexam" --direction INBOUND '
               "--ip-addresses SubnetId=subnet-ba47exam,Ip=192.0.2.255 SubnetId=subnet-12d8exam,Ip=192.0.2.254")
    aws.ids |= {"rslvr-in-497098ad5example": made["ResolverEndpoint"]["Id"]}
    more = aws("aws route53resolver associate-resolver-endpoint-ip-address --resolver-endpoint-id rslvr-in-497098ad5example "
               '--ip-address="SubnetId=subnet-12d8exam,Ip=192.0.2.118"')
    case.equal("addresses", more["ResolverEndpoint"]["IpAddressCount"], 3)
    out = aws("aws route53resolver create-resolver-endpoint --name out --creator-request-id 2020-01-01-18:48 --direction OUTBOUND "
              '--security-group-ids "sg-f62bexam" --ip-addresses SubnetId=subnet-ba47exam SubnetId=subnet-12d8exam')
    aws.ids |= {"rslvr-out-d5e5920e37example": out["ResolverEndpoint"]["Id"],
                "rslvr-out-7b89ed0d25example": out["ResolverEndpoint"]["Id"]}
    rule = aws("aws route53resolver create-resolver-rule --creator-request-id 2020-01-02-18:47 --domain-name example.com "
               "--name my-rule --resolver-endpoint-id rslvr-out-d5e5920e37example --rule-type FORWARD "
               '--target-ips "Ip=10.24.8.75" "Ip=10.24.8.156"')["ResolverRule"]
    case.equal("example.com", (rule["DomainName"], [one["Port"] for one in rule["TargetIps"]]), ("example.com.", [53, 53]))
    aws.ids |= {"rslvr-rr-1247fa64f3example": rule["Id"], "rslvr-rr-42b60677c0example": rule["Id"],
                "arn:aws:route53resolver:us-west-2:111122223333:resolver-rule/rslvr-rr-42b60677c0example": rule["Arn"]}
    updated = aws("aws route53resolver update-resolver-rule --resolver-rule-id rslvr-rr-1247fa64f3example --config "
                  'Name="my-2nd-rule",TargetIps=[{Ip=192.0.2.45,Port=53},{Ip=192.0.2.46,Port=53}],'
                  "ResolverEndpointId=rslvr-out-7b89ed0d25example")["ResolverRule"]
    case.equal("updated", (updated["Name"], len(updated["TargetIps"])), ("my-2nd-rule", 2))
    link = aws("aws route53resolver associate-resolver-rule --name my-resolver-rule-association "
               "--resolver-rule-id rslvr-rr-42b60677c0example --vpc-id vpc-304bexam")["ResolverRuleAssociation"]
    aws.ids |= {"rslvr-rrassoc-d61cbb2c8bexample": link["Id"]}
    got = aws("aws route53resolver get-resolver-rule-association --resolver-rule-association-id rslvr-rrassoc-d61cbb2c8bexample")
    case.equal("the association", got["ResolverRuleAssociation"]["Status"], "COMPLETE")
    aws.ids = {old: new for old, new in aws.ids.items() if not old.startswith("arn:")} | {"ARN": rule["Arn"]}
    aws('aws route53resolver tag-resource --resource-arn "ARN" --tags Key=my-key-1,Value=my-value-1 Key=my-key-2,Value=my-value-2')
    tags = aws('aws route53resolver list-tags-for-resource --resource-arn "ARN"')["Tags"]
    case.equal("tags", tags, [{"Key": f"my-key-{n}", "Value": f"my-value-{n}"} for n in (1, 2)])
    aws("aws route53resolver disassociate-resolver-rule --resolver-rule-id rslvr-rr-42b60677c0example --vpc-id vpc-304bexam")
    gone = aws("aws route53resolver delete-resolver-rule --resolver-rule-id rslvr-rr-42b60677c0example")
    case.equal("deleted", gone["ResolverRule"]["Status"], "DELETING")
    listed = aws("aws route53resolver list-firewall-domain-lists")
    case.equal("no firewall", listed["FirewallDomainLists"], [])


# --- moto -----------------------------------------------------------------------------------------------------------

# Where answers differ, and whose is right. What AWS shows is in its CLI's examples and its API's model.
DIFFERENCES = {
    "create_resolver_endpoint": "moto lacks ResolverEndpointType and Protocols, which Terraform reads",
    "get_resolver_endpoint": "the same",
    "list_resolver_endpoints": "the same",
    "list_resolver_rules": "moto lacks the autodefined rule, which the CLI's example shows",
    "list_resolver_rule_associations": "moto lacks the autodefined association, which the CLI's example shows",
    "get_resolver_dnssec_config": "moto has no configuration until one is enabled",
}


def moto(case, server):
    """The same calls on moto's server: members and their types are the same but for a list of differences."""
    try:
        url = awstools.moto(case)
    except Skip as skip:
        return case.note(f"SKIPPED moto: {skip}")
    theirs = shapes(SimpleNamespace(url=url))
    ours = shapes(server)
    case.equal("calls", list(ours), list(theirs))
    differing = {name for name in ours if ours[name] != theirs[name]}
    for name in sorted(differing - DIFFERENCES.keys()):
        case.equal(f"the shape of {name}, and moto's", ours[name], theirs[name])
    case.check(DIFFERENCES.keys() <= differing, "a difference has gone from moto", sorted(DIFFERENCES.keys() - differing))


def shapes(server):
    """What each call is answered, as members and types."""
    client, world = awstools.client(server, service="route53resolver"), World(awstools.client(server), "10.43.0.0/16")
    seen = {}

    def call(name, **params):
        try:
            answer = getattr(client, name)(**params)
        except client.exceptions.ClientError as error:
            seen[name] = error.response["Error"]["Code"]
            return {}
        answer.pop("ResponseMetadata")
        seen[name] = shape(answer)
        return answer

    endpoint = call("create_resolver_endpoint", **world.asked("one", "OUTBOUND", Name="one"))["ResolverEndpoint"]["Id"]
    call("get_resolver_endpoint", ResolverEndpointId=endpoint)
    call("list_resolver_endpoints")
    call("list_resolver_endpoint_ip_addresses", ResolverEndpointId=endpoint)
    rule = call("create_resolver_rule", CreatorRequestId="one", Name="one", RuleType="FORWARD", DomainName="a.example",
                ResolverEndpointId=endpoint, TargetIps=[{"Ip": "10.0.0.1", "Port": 53, "Protocol": "Do53"}])["ResolverRule"]
    call("get_resolver_rule", ResolverRuleId=rule["Id"])
    call("list_resolver_rules")
    link = call("associate_resolver_rule", ResolverRuleId=rule["Id"], VPCId=world.vpc, Name="one")
    call("get_resolver_rule_association", ResolverRuleAssociationId=link["ResolverRuleAssociation"]["Id"])
    call("list_resolver_rule_associations")
    call("tag_resource", ResourceArn=rule["Arn"], Tags=[{"Key": "a", "Value": "b"}])
    call("list_tags_for_resource", ResourceArn=rule["Arn"])
    call("untag_resource", ResourceArn=rule["Arn"], TagKeys=["a"])
    call("get_resolver_dnssec_config", ResourceId=world.vpc)
    log = call("create_resolver_query_log_config", Name="one", DestinationArn="arn:aws:s3:::logs", CreatorRequestId="one")
    log = log["ResolverQueryLogConfig"]["Id"]
    call("get_resolver_query_log_config", ResolverQueryLogConfigId=log)
    call("list_resolver_query_log_configs")
    call("associate_resolver_query_log_config", ResolverQueryLogConfigId=log, ResourceId=world.vpc)
    call("list_resolver_query_log_config_associations")
    call("delete_resolver_rule", ResolverRuleId=rule["Id"])
    call("disassociate_resolver_rule", ResolverRuleId=rule["Id"], VPCId=world.vpc)
    call("delete_resolver_endpoint", ResolverEndpointId="rslvr-out-1")
    return seen


def shape(value):
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__

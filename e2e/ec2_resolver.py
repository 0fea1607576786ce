"""Resolver rules over Route 53 Resolver's API, as boto3, the AWS CLI and Terraform call it; dig sees each change at once."""

from support import awstools
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server, access_keys
from support.server import Upstream

KEYS = (("AKIAHUB", "hub-secret", "111111111111", ["*"]), ("AKIASPOKE", "spoke-secret", "222222222222", ["*"]),
        ("AKIAREAD", "read-secret", "111111111111", ["List*", "Get*"]))
AUTODEFINED = "rslvr-autodefined-rr-internet-resolver"
ADDRESS = "203.0.113.77"


def run(case):
    awstools.need("boto3", "botocore")
    keys = access_keys(case, *KEYS)
    server = Ec2Server(case, "--ec2-keys", keys)
    upstream = Upstream(case, flags=["--address", f"db.onprem.example={ADDRESS}",
                                     "--address", f"web.sub.onprem.example={ADDRESS}"])
    hub, spoke = account(server, "AKIAHUB", "hub-secret"), account(server, "AKIASPOKE", "spoke-secret")
    vpcs = {name: who["ec2"].create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
            for name, who, block in (("hub", hub, "127.21.0.0/16"), ("other", hub, "127.22.0.0/16"),
                                     ("spoke", spoke, "127.23.0.0/16"))}
    rule = forwarding(case, server, hub["route53resolver"], vpcs, upstream)
    system_rule(case, server, hub["route53resolver"], vpcs)
    lists(case, hub["route53resolver"], vpcs)
    tags(case, hub["route53resolver"], rule)
    accounts_and_regions(case, server, hub, spoke, vpcs, rule)
    refusals(case, server, hub["route53resolver"], vpcs, rule)
    server.process.kill()
    server.process.wait()
    server = Ec2Server(case, "--ec2-keys", keys)
    ends(case, server, account(server, "AKIAHUB", "hub-secret"), vpcs, rule)
    command_line(case, upstream)


def account(server, key, secret, region=REGION):
    return {name: awstools.client(server, key=key, secret=secret, service=name, region=region)
            for name in ("ec2", "route53resolver")}


def target(upstream):
    address, port = upstream.target.rsplit(":", 1)
    return {"Ip": address, "Port": int(port)}


def forwarding(case, server, client, vpcs, upstream):
    """A rule forwards for the VPCs it is associated with, from the call on and until the call that ends it."""
    asked = {"CreatorRequestId": "one", "Name": "on premises", "RuleType": "FORWARD", "DomainName": "OnPrem.Example",
             "TargetIps": [target(upstream)]}
    made = client.create_resolver_rule(**asked, Tags=[{"Key": "team", "Value": "dns"}])["ResolverRule"]
    rule = made["Id"]
    case.equal("a rule", {key: made[key] for key in made if key not in ("Id", "CreationTime", "ModificationTime")}, {
        "CreatorRequestId": "one", "Arn": f"arn:aws:route53resolver:{REGION}:111111111111:resolver-rule/{rule}",
        "DomainName": "onprem.example.", "Status": "COMPLETE", "StatusMessage": "Successfully created Resolver Rule.",
        "RuleType": "FORWARD", "Name": "on premises", "TargetIps": [target(upstream) | {"Protocol": "Do53"}],
        "OwnerId": "111111111111", "ShareStatus": "NOT_SHARED"})
    case.equal("the same call again", client.create_resolver_rule(**asked)["ResolverRule"]["Id"], rule)
    error = error_of(client.create_resolver_rule, **asked | {"DomainName": "other.example"})
    case.check(error and error[0] == "ResourceExistsException", f"another call with the same id: {error}")
    case.equal("before it is associated", server.addresses("db.onprem.example", source="127.21.9.9"), ("REFUSED", []))
    made = client.associate_resolver_rule(ResolverRuleId=rule, VPCId=vpcs["hub"], Name="hub")["ResolverRuleAssociation"]
    case.equal("an association", made, {"Id": made["Id"], "ResolverRuleId": rule, "Name": "hub", "VPCId": vpcs["hub"],
                                        "Status": "COMPLETE", "StatusMessage": ""})
    found = ("NOERROR", [ADDRESS])
    case.equal("associated", server.addresses("db.onprem.example", source="127.21.9.9"), found)
    case.check(upstream.saw("db.onprem.example"), "the target was not asked")
    case.equal("another VPC", server.addresses("db.onprem.example", source="127.22.9.9"), ("REFUSED", []))
    client.associate_resolver_rule(ResolverRuleId=rule, VPCId=vpcs["other"])
    case.equal("another VPC, associated", server.addresses("db.onprem.example", source="127.22.9.9"), found)
    gone = client.disassociate_resolver_rule(ResolverRuleId=rule, VPCId=vpcs["other"])["ResolverRuleAssociation"]
    case.equal("disassociated", (gone["Status"], server.addresses("db.onprem.example", source="127.22.9.9")),
               ("DELETING", ("REFUSED", [])))
    case.equal("the first VPC still", server.addresses("db.onprem.example", source="127.21.9.9"), found)
    error = error_of(client.get_resolver_rule_association, ResolverRuleAssociationId=gone["Id"])
    case.check(error and error[0] == "ResourceNotFoundException", f"an association that has gone: {error}")
    # nobody answers at the other address, so that an answer shows which targets are asked
    updated = client.update_resolver_rule(ResolverRuleId=rule, Config={
        "Name": "renamed", "TargetIps": [{"Ip": "127.0.0.9", "Port": 9}]})["ResolverRule"]
    case.equal("updated", (updated["Name"], updated["TargetIps"], updated["DomainName"]),
               ("renamed", [{"Ip": "127.0.0.9", "Port": 9, "Protocol": "Do53"}], "onprem.example."))
    case.equal("with another target", server.addresses("new.onprem.example", source="127.21.9.9"), ("SERVFAIL", []))
    client.update_resolver_rule(ResolverRuleId=rule, Config={"TargetIps": [target(upstream)]})
    case.equal("and back", server.addresses("db.onprem.example", source="127.21.9.9"), found)
    case.equal("its name stays", client.get_resolver_rule(ResolverRuleId=rule)["ResolverRule"]["Name"], "renamed")
    return rule


def system_rule(case, server, client, vpcs):
    """A SYSTEM rule carves its name out of the wider FORWARD rule."""
    made = client.create_resolver_rule(CreatorRequestId="two", RuleType="SYSTEM", DomainName="sub.onprem.example.")
    rule = made["ResolverRule"]["Id"]
    case.equal("before", server.addresses("web.sub.onprem.example", source="127.21.9.9"), ("NOERROR", [ADDRESS]))
    client.associate_resolver_rule(ResolverRuleId=rule, VPCId=vpcs["hub"])
    case.equal("carved out", server.addresses("web.sub.onprem.example", source="127.21.9.9"), ("REFUSED", []))
    delegate = client.create_resolver_rule(CreatorRequestId="three", RuleType="DELEGATE",
                                           DelegationRecord="ns.onprem.example")["ResolverRule"]
    case.equal("a rule that delegates", (delegate["RuleType"], delegate["DelegationRecord"], delegate.get("DomainName")),
               ("DELEGATE", "ns.onprem.example.", None))


def lists(case, client, vpcs):
    """Filters by both of their names, and pages."""
    for number in range(7):
        client.create_resolver_rule(CreatorRequestId=f"many-{number}", RuleType="SYSTEM",
                                    DomainName=f"n{number}.example", Name=f"many {number}")
    pages = list(client.get_paginator("list_resolver_rules").paginate(PaginationConfig={"PageSize": 3}))
    rules = [rule for page in pages for rule in page["ResolverRules"]]
    case.equal("pages", ([len(page["ResolverRules"]) for page in pages], pages[0]["MaxResults"]), ([3, 3, 3, 2], 3))
    case.equal("each once", len({rule["Id"] for rule in rules}), 11)
    recursive = next(rule for rule in rules if rule["Id"] == AUTODEFINED)
    case.equal("the autodefined rule", (recursive["RuleType"], recursive["DomainName"], recursive["OwnerId"]),
               ("RECURSIVE", ".", "Route 53 Resolver"))
    case.equal("got", client.get_resolver_rule(ResolverRuleId=AUTODEFINED)["ResolverRule"], recursive)

    def found(name, *values):
        rules = client.list_resolver_rules(Filters=[{"Name": name, "Values": list(values)}])["ResolverRules"]
        return sorted(rule.get("DomainName", "-") for rule in rules)

    for name, values, expected in (("DomainName", ["n1.example."], ["n1.example."]), ("DOMAIN_NAME", ["n1.example"], []),
                                   ("Name", ["many 1", "many 2"], ["n1.example.", "n2.example."]),
                                   ("TYPE", ["FORWARD"], ["onprem.example."]), ("Type", ["RECURSIVE"], ["."]),
                                   ("CREATOR_REQUEST_ID", ["many-3"], ["n3.example."]),
                                   ("Status", ["DELETING"], []), ("ResolverEndpointId", ["rslvr-out-1"], [])):
        case.equal(f"filter {name} {values}", found(name, *values), expected)
    both = client.list_resolver_rules(Filters=[{"Name": "Type", "Values": ["SYSTEM"]},
                                               {"Name": "Name", "Values": ["many 4"]}])["ResolverRules"]
    case.equal("two filters", [rule["DomainName"] for rule in both], ["n4.example."])
    associations = client.list_resolver_rule_associations(
        Filters=[{"Name": "VPCId", "Values": [vpcs["other"]]}])["ResolverRuleAssociations"]
    case.equal("what a VPC has of itself", [(one["Id"], one["ResolverRuleId"]) for one in associations],
               [(f"rslvr-autodefined-assoc-{vpcs['other']}-internet-resolver", AUTODEFINED)])
    case.equal("associations", len(client.list_resolver_rule_associations()["ResolverRuleAssociations"]), 4)


def tags(case, client, rule):
    arn = client.get_resolver_rule(ResolverRuleId=rule)["ResolverRule"]["Arn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}, {"Key": "team", "Value": "net"}])
    listed = client.list_tags_for_resource(ResourceArn=arn)["Tags"]
    case.equal("tags", listed, [{"Key": "a", "Value": "b"}, {"Key": "team", "Value": "net"}])
    client.untag_resource(ResourceArn=arn, TagKeys=["a", "nobody"])
    case.equal("fewer", client.list_tags_for_resource(ResourceArn=arn)["Tags"], [{"Key": "team", "Value": "net"}])


def accounts_and_regions(case, server, hub, spoke, vpcs, rule):
    """Neither another account nor another Region sees a rule, or can put it to a VPC."""
    arn = f"arn:aws:route53resolver:{REGION}:111111111111:resolver-rule/{rule}"
    elsewhere = account(server, "AKIAHUB", "hub-secret", region="eu-west-1")["route53resolver"]
    for name, client in (("account", spoke["route53resolver"]), ("Region", elsewhere)):
        listed = client.list_resolver_rules()["ResolverRules"]
        case.equal(f"rules of another {name}", [one["Id"] for one in listed], [AUTODEFINED])
        for call, params in ((client.get_resolver_rule, {"ResolverRuleId": rule}),
                             (client.delete_resolver_rule, {"ResolverRuleId": rule}),
                             (client.update_resolver_rule, {"ResolverRuleId": rule, "Config": {"Name": "x"}}),
                             (client.associate_resolver_rule, {"ResolverRuleId": rule, "VPCId": vpcs["spoke"]}),
                             (client.disassociate_resolver_rule, {"ResolverRuleId": rule, "VPCId": vpcs["hub"]}),
                             (client.list_tags_for_resource, {"ResourceArn": arn}),
                             (client.tag_resource, {"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]})):
            error = error_of(call, **params)
            case.check(error and error[0] == "ResourceNotFoundException", f"{call.__name__} of another {name}: {error}")
    case.equal("associations of another Region", elsewhere.list_resolver_rule_associations()["ResolverRuleAssociations"], [])
    error = error_of(hub["route53resolver"].associate_resolver_rule, ResolverRuleId=rule, VPCId=vpcs["spoke"])
    case.check(error and error[0] == "InvalidParameterException", f"another account's VPC: {error}")
    read = account(server, "AKIAREAD", "read-secret")["route53resolver"]
    case.equal("by a key that reads", read.get_resolver_rule(ResolverRuleId=rule)["ResolverRule"]["Id"], rule)
    error = error_of(read.delete_resolver_rule, ResolverRuleId=rule)
    case.check(error and (error[0], error[2]) == ("AccessDeniedException", 403), f"by a key that reads: {error}")
    nobody = account(server, "AKIANOBODY", "nobody")["route53resolver"]
    error = error_of(nobody.list_resolver_rules)
    case.check(error and error[0] == "UnrecognizedClientException", f"by nobody: {error}")
    wrong = account(server, "AKIAHUB", "wrong")["route53resolver"]
    error = error_of(wrong.list_resolver_rules)
    case.check(error and error[0] == "InvalidSignatureException", f"by a wrong signature: {error}")


def refusals(case, server, client, vpcs, rule):
    """Bad input: codes and texts that clients compare."""
    new = {"CreatorRequestId": "bad", "RuleType": "FORWARD", "DomainName": "bad.example",
           "TargetIps": [{"Ip": "127.0.0.9"}]}
    one = "1 validation error detected: Value"
    rules = [
        ("a RECURSIVE rule", {"RuleType": "RECURSIVE"}, "InvalidRequestException", "[RSLVR-00718]"),
        ("a type that is none", {"RuleType": "forward"}, "ValidationException",
         f"{one} 'forward' at 'ruleType' failed to satisfy constraint: Member must satisfy enum value set: "),
        ("no type", {"RuleType": None}, "ValidationException", f"{one} null at 'ruleType'"),
        ("a number as a name", {"Name": 5}, "SerializationException", "NUMBER_VALUE can not be converted to a String"),
        ("digits as a name", {"Name": "55"}, "ValidationException", f"{one} '55' at 'name'"),
        ("a long name", {"Name": "x" * 65}, "ValidationException", "have length less than or equal to 64"),
        ("a name in Greek", {"Name": "\u03b1\u03b2"}, "ValidationException", "regular expression pattern"),
        ("a long request id", {"CreatorRequestId": "x" * 256}, "ValidationException", "'creatorRequestId'"),
        ("a long domain", {"DomainName": "x" * 257}, "ValidationException", "'domainName'"),
        ("a domain with empty labels", {"DomainName": "a..b"}, "InvalidParameterException", "[RSLVR-00711] Invalid domain"),
        ("a domain with a long label", {"DomainName": "a" * 64}, "InvalidParameterException", "[RSLVR-00711]"),
        ("a domain of full stops", {"DomainName": ".."}, "InvalidParameterException", "[RSLVR-00711]"),
        ("a domain in Greek", {"DomainName": "\u03b1.example"}, "InvalidParameterException", "[RSLVR-00711]"),
        ("no domain", {"DomainName": None}, "InvalidRequestException", "Domain name is required"),
        ("no targets", {"TargetIps": None}, "InvalidRequestException", "Target IP is required"),
        ("an empty list of targets", {"TargetIps": []}, "ValidationException", "'targetIps'"),
        ("a target without an address", {"TargetIps": [{"Port": 5}]}, "InvalidParameterException", "either Ip or Ipv6"),
        ("a target of a port that is none", {"TargetIps": [{"Ip": "10.0.0.1", "Port": 65536}]}, "ValidationException",
         f"{one} '65536' at 'targetIps.port' failed to satisfy constraint: Member must have value less than or equal to 65535"),
        ("a target of port 0", {"TargetIps": [{"Ip": "10.0.0.1", "Port": 0}]}, "InvalidParameterException", "port"),
        ("a target that is a name", {"TargetIps": [{"Ip": "dns.example"}]}, "InvalidParameterException", "'dns.example'"),
        ("an address of the other family", {"TargetIps": [{"Ip": "fd00::53"}]}, "InvalidParameterException", "'fd00::53'"),
        ("both families", {"TargetIps": [{"Ip": "10.0.0.1"}, {"Ipv6": "fd00::53"}]}, "InvalidParameterException", "both"),
        ("seven targets", {"TargetIps": [{"Ip": f"10.0.0.{n}"} for n in range(7)]}, "LimitExceededException", "6"),
        ("1,000 targets", {"TargetIps": [{"Ip": "10.0.0.1"}] * 1000}, "LimitExceededException", "6"),
        ("a server name without TLS", {"TargetIps": [{"Ip": "10.0.0.1", "ServerNameIndication": "a"}]},
         "InvalidParameterException", "DoH"),
        ("a server name that is none", {"TargetIps": [{"Ip": "10.0.0.1", "Protocol": "DoH", "ServerNameIndication": "a b#c"}]},
         "InvalidParameterException", "ServerNameIndication"),
        ("a SYSTEM rule with targets", {"RuleType": "SYSTEM"}, "InvalidRequestException", "SYSTEM type resolver rule"),
        ("a DELEGATE rule with targets", {"RuleType": "DELEGATE", "DelegationRecord": "ns.example"},
         "InvalidRequestException", "Delegate resolver rules need to specify a nameserver name"),
        ("a tag twice", {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "InvalidParameterException",
         "Duplicate"),
        ("a tag of AWS", {"Tags": [{"Key": "aws:a", "Value": "1"}]}, "InvalidTagException", "aws:"),
        ("a tag without a value", {"Tags": [{"Key": "a"}]}, "ValidationException", "'tags.value'"),
        ("201 tags", {"Tags": [{"Key": str(n), "Value": ""} for n in range(201)]}, "ValidationException", "'tags'"),
        ("three wrong members", {"RuleType": None, "Name": "1", "CreatorRequestId": ""}, "ValidationException",
         "3 validation errors detected: "),
    ]
    for what, change, code, text in rules:
        params = {key: value for key, value in (new | change).items() if value is not None}
        error = error_of(client.create_resolver_rule, **params)
        case.check(error and (error[0], error[2]) == (code, 400) and text in error[1], f"{what}: {error}")
    case.equal("none of them was made", client.list_resolver_rules(Filters=[
        {"Name": "CreatorRequestId", "Values": ["bad"]}])["ResolverRules"], [])
    loop = client.create_resolver_rule(**new | {"TargetIps": [{"Ip": "127.0.0.1", "Port": server.port}]})["ResolverRule"]["Id"]
    same = client.create_resolver_rule(**new | {"CreatorRequestId": "same", "DomainName": "onprem.example."})
    same = same["ResolverRule"]["Id"]
    system = client.list_resolver_rules(Filters=[{"Name": "Name", "Values": ["many 0"]}])["ResolverRules"][0]["Id"]
    for what, call, params, code, text in (
            ("a rule that leads back", client.associate_resolver_rule, {"ResolverRuleId": loop, "VPCId": vpcs["hub"]},
             "InvalidRequestException", "is this server"),
            ("a second rule of a name", client.associate_resolver_rule, {"ResolverRuleId": same, "VPCId": vpcs["hub"]},
             "InvalidRequestException", "[RSLVR-00802] Cannot associate rules with same domain name with same VPC. Conflict "
             f'with resolver rule "{rule}"'),
            ("a rule twice", client.associate_resolver_rule, {"ResolverRuleId": rule, "VPCId": vpcs["hub"]},
             "InvalidRequestException", "[RSLVR-00802]"),
            ("a VPC that is not there", client.associate_resolver_rule, {"ResolverRuleId": rule, "VPCId": "vpc-00000000"},
             "InvalidParameterException", "The vpc ID 'vpc-00000000' does not exist"),
            ("a VPC that is none", client.associate_resolver_rule, {"ResolverRuleId": rule, "VPCId": "x"},
             "InvalidParameterException", "The vpc ID 'x' does not exist"),
            ("no such rule", client.get_resolver_rule, {"ResolverRuleId": "rslvr-rr-1"}, "ResourceNotFoundException",
             '[RSLVR-00703] Resolver rule with ID "rslvr-rr-1" does not exist.'),
            ("a long id", client.get_resolver_rule, {"ResolverRuleId": "x" * 65}, "ValidationException",
             "at 'resolverRuleId' failed to satisfy constraint: Member must have length less than or equal to 64"),
            ("a VPC's id for a rule's", client.get_resolver_rule, {"ResolverRuleId": vpcs["hub"]},
             "ResourceNotFoundException", "does not exist"),
            ("a rule in use", client.delete_resolver_rule, {"ResolverRuleId": rule}, "ResourceInUseException",
             "disassociate"),
            ("the autodefined rule", client.delete_resolver_rule, {"ResolverRuleId": AUTODEFINED},
             "InvalidRequestException", "autodefined"),
            ("its association", client.disassociate_resolver_rule, {"ResolverRuleId": AUTODEFINED, "VPCId": vpcs["hub"]},
             "InvalidRequestException", "[RSLVR-00713]"),
            ("an association that is not there", client.disassociate_resolver_rule,
             {"ResolverRuleId": rule, "VPCId": vpcs["other"]}, "ResourceNotFoundException", "does not exist"),
            ("targets of a SYSTEM rule", client.update_resolver_rule,
             {"ResolverRuleId": system, "Config": {"TargetIps": [{"Ip": "10.0.0.1"}]}}, "InvalidRequestException", "SYSTEM"),
            ("an update of nothing", client.update_resolver_rule, {"ResolverRuleId": rule}, "ValidationException",
             f"{one} null at 'config'"),
            ("a filter that is none", client.list_resolver_rules, {"Filters": [{"Name": "VPCId", "Values": ["a"]}]},
             "InvalidParameterException", "The filter 'VPCId' is invalid"),
            ("a filter without values", client.list_resolver_rules, {"Filters": [{"Name": "Name"}]},
             "InvalidParameterException", "No values specified for filter Name"),
            ("a page of nothing", client.list_resolver_rules, {"MaxResults": 0}, "ValidationException", "'maxResults'"),
            ("a page of too much", client.list_resolver_rules, {"MaxResults": 101}, "ValidationException", "'maxResults'"),
            ("a token that is none", client.list_resolver_rules, {"NextToken": "?"}, "InvalidNextTokenException", "NextToken"),
            ("tags of nothing", client.list_tags_for_resource, {"ResourceArn": "arn:aws:route53resolver:x"},
             "ResourceNotFoundException", "does not exist"),
            ("a call that is not here", client.get_outpost_resolver, {"Id": "rslvr-op-1"}, "UnknownOperationException",
             "GetOutpostResolver is no call of Route 53 Resolver"),
    ):
        error = error_of(call, **params)
        case.check(error and (error[0], error[2]) == (code, 400) and text in error[1], f"{what}: {error}")
    for gone in (loop, same):
        client.delete_resolver_rule(ResolverRuleId=gone)


def ends(case, server, hub, vpcs, rule):
    """After kill -9 everything is there, and goes when it is told to."""
    client, ec2 = hub["route53resolver"], hub["ec2"]
    case.equal("after kill -9", server.addresses("db.onprem.example", source="127.21.9.9"), ("NOERROR", [ADDRESS]))
    case.equal("carved out", server.addresses("web.sub.onprem.example", source="127.21.9.9"), ("REFUSED", []))
    arn = client.get_resolver_rule(ResolverRuleId=rule)["ResolverRule"]["Arn"]
    case.equal("its tags", client.list_tags_for_resource(ResourceArn=arn)["Tags"], [{"Key": "team", "Value": "net"}])
    error = error_of(ec2.delete_vpc, VpcId=vpcs["hub"])
    case.check(error and error[0] == "DependencyViolation", f"a VPC with rules: {error}")
    for one in client.list_resolver_rule_associations()["ResolverRuleAssociations"]:
        if one["ResolverRuleId"] != AUTODEFINED:
            client.disassociate_resolver_rule(ResolverRuleId=one["ResolverRuleId"], VPCId=one["VPCId"])
    for one in client.list_resolver_rules()["ResolverRules"]:
        if one["Id"] != AUTODEFINED:
            case.equal("deleted", client.delete_resolver_rule(ResolverRuleId=one["Id"])["ResolverRule"]["Status"], "DELETING")
    error = error_of(client.get_resolver_rule, ResolverRuleId=rule)
    case.check(error and error[0] == "ResourceNotFoundException", f"a rule that has gone: {error}")
    case.equal("no rule answers", server.addresses("db.onprem.example", source="127.21.9.9"), ("REFUSED", []))
    ec2.delete_vpc(VpcId=vpcs["hub"])


def command_line(case, upstream):
    """The AWS CLI, without access keys."""
    server = Ec2Server(case, state="state-cli")
    aws = awstools.Cli(case, server)
    vpc = aws("aws ec2 create-vpc --cidr-block 127.24.0.0/16")["Vpc"]["VpcId"]
    aws(f"aws ec2 create-subnet --vpc-id {vpc} --cidr-block 127.24.1.0/24")
    address, port = upstream.target.rsplit(":", 1)
    rule = aws("aws route53resolver create-resolver-rule --creator-request-id 2020-01-02-18:47 --domain-name onprem.example "
               f"--name my-rule --rule-type FORWARD --target-ips Ip={address},Port={port}")["ResolverRule"]["Id"]
    aws(f"aws route53resolver associate-resolver-rule --name my-resolver-rule-association --resolver-rule-id {rule} --vpc-id {vpc}")
    case.equal("made by the CLI", server.addresses("db.onprem.example", source="127.24.9.9"), ("NOERROR", [ADDRESS]))
    listed = aws("aws route53resolver list-resolver-rules --max-items 1")
    case.equal("the first of two", (listed["ResolverRules"][0]["Id"], "NextToken" in listed), (AUTODEFINED, True))
    # what the CLI prints is what files hold
    zones = case.dir / "zones-of-files"
    zones.mkdir()
    for service, command in (("ec2", "describe-vpcs"), ("ec2", "describe-subnets"),
                             ("route53resolver", "list-resolver-rules"),
                             ("route53resolver", "list-resolver-rule-associations")):
        (zones / f"{command}.json").write_text(case.run(*aws.program, service, command, env=aws.env))
    of_files = Ec2Server(case, state="state-files", zones="zones-of-files")
    case.equal("out of files", of_files.addresses("db.onprem.example", source="127.24.9.9"), ("NOERROR", [ADDRESS]))
    aws(f"aws route53resolver disassociate-resolver-rule --resolver-rule-id {rule} --vpc-id {vpc}")
    aws(f"aws route53resolver delete-resolver-rule --resolver-rule-id {rule}")
    case.equal("deleted by the CLI", server.addresses("db.onprem.example", source="127.24.9.9"), ("REFUSED", []))

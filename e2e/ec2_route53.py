"""Private hosted zones over Route 53's API, as boto3, the AWS CLI and Terraform call it; dig sees each change at once."""

import json

from support import awstools
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server, access_keys

KEYS = (("AKIAHUB", "hub-secret", "111111111111", ["*"]), ("AKIASPOKE", "spoke-secret", "222222222222", ["*"]))


def run(case):
    awstools.need("boto3", "botocore")
    keys = access_keys(case, *KEYS)
    server = Ec2Server(case, "--ec2-keys", keys)
    hub = {name: awstools.client(server, key="AKIAHUB", secret="hub-secret", service=name) for name in ("ec2", "route53")}
    spoke = {name: awstools.client(server, key="AKIASPOKE", secret="spoke-secret", service=name)
             for name in ("ec2", "route53")}
    hub_vpc = hub["ec2"].create_vpc(CidrBlock="127.11.0.0/16")["Vpc"]["VpcId"]
    spoke_vpc = spoke["ec2"].create_vpc(CidrBlock="127.12.0.0/16")["Vpc"]["VpcId"]
    # private hosted zones are seen where both attributes are on (Route 53 guide, "Considerations")
    for account, vpc in ((hub, hub_vpc), (spoke, spoke_vpc)):
        account["ec2"].modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    hub_and_spoke(case, server, hub, spoke, hub_vpc, spoke_vpc)
    record_sets(case, server, hub["route53"], hub_vpc)
    refusals(case, hub, spoke, hub_vpc, spoke_vpc)
    targets_go(case, server, hub, hub_vpc)
    restart(case, server, keys)
    command_line(case)


def change(client, zone, *changes):
    batch = [{"Action": action, "ResourceRecordSet": record_set} for action, record_set in changes]
    return client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": batch})


def values(name, rtype, *records, ttl=60, **more):
    return {"Name": name, "Type": rtype, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in records], **more}


def batch_of(zone, record_set):
    """The parameters of a call that creates one record set."""
    return {"HostedZoneId": zone, "ChangeBatch": {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record_set}]}}


def make_zone(client, name, vpc, reference=None):
    made = client.create_hosted_zone(Name=name, CallerReference=reference or name,
                                     VPC={"VPCId": vpc, "VPCRegion": REGION},
                                     HostedZoneConfig={"Comment": "for tests", "PrivateZone": True})
    return made["HostedZone"]["Id"].split("/")[-1], made


def hub_and_spoke(case, server, hub, spoke, hub_vpc, spoke_vpc):
    """An endpoint without private DNS in the hub, and its service's own name as an alias in a zone that spokes see."""
    subnet = hub["ec2"].create_subnet(VpcId=hub_vpc, CidrBlock="127.11.1.0/24")["Subnet"]["SubnetId"]
    endpoint = hub["ec2"].create_vpc_endpoint(VpcId=hub_vpc, ServiceName=f"com.amazonaws.{REGION}.sqs",
                                              VpcEndpointType="Interface", SubnetIds=[subnet],
                                              PrivateDnsEnabled=False)["VpcEndpoint"]
    entry = endpoint["DnsEntries"][0]
    name = f"sqs.{REGION}.amazonaws.com"
    zone, made = make_zone(hub["route53"], name, hub_vpc)
    case.equal("a zone's status", made["ChangeInfo"]["Status"], "INSYNC")
    case.equal("its place", made["Location"], f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone}")
    case.check(hub["route53"].get_change(Id=made["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] == "INSYNC", "a change")
    alias = {"HostedZoneId": entry["HostedZoneId"], "DNSName": entry["DnsName"], "EvaluateTargetHealth": False}
    change(hub["route53"], zone, ("CREATE", {"Name": name, "Type": "A", "AliasTarget": alias}))
    address = hub["ec2"].describe_network_interfaces(
        NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])["NetworkInterfaces"][0]["PrivateIpAddress"]
    case.equal("the hub sees the alias", server.addresses(name, source="127.11.9.9"), ("NOERROR", [address]))
    case.check(server.addresses(name, source="127.12.9.9")[1] != [address], "a spoke sees the zone before it is associated")
    there = {"VPCId": spoke_vpc, "VPCRegion": REGION}
    error = error_of(spoke["route53"].associate_vpc_with_hosted_zone, HostedZoneId=zone, VPC=there)
    case.check(error and error[0] == "NoSuchHostedZone", f"association without authorization: {error}")
    hub["route53"].create_vpc_association_authorization(HostedZoneId=zone, VPC=there)
    case.equal("authorized", hub["route53"].list_vpc_association_authorizations(HostedZoneId=zone)["VPCs"], [there])
    spoke["route53"].associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=there)
    hub["route53"].delete_vpc_association_authorization(HostedZoneId=zone, VPC=there)
    case.equal("a spoke sees the alias", server.addresses(name, source="127.12.9.9"), ("NOERROR", [address]))
    case.equal("VPCs of the zone", len(hub["route53"].get_hosted_zone(Id=zone)["VPCs"]), 2)
    of_vpc = spoke["route53"].list_hosted_zones_by_vpc(VPCId=spoke_vpc, VPCRegion=REGION)["HostedZoneSummaries"]
    case.equal("zones of the spoke", [(one["Name"], one["Owner"]["OwningAccount"]) for one in of_vpc],
               [(name + ".", "111111111111")])
    case.equal("the spoke's own zones", spoke["route53"].list_hosted_zones()["HostedZones"], [])
    spoke["route53"].disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=there)
    case.check(server.addresses(name, source="127.12.9.9")[1] != [address], "a spoke sees the zone after it has left")


def record_sets(case, server, client, vpc):
    """Types, policies, wildcards and pages of record sets."""
    zone, _ = make_zone(client, "Corp.Example", vpc)
    made = [
        values("www.corp.example", "A", "10.0.0.1", "10.0.0.2"),
        values("*.apps.corp.example.", "CNAME", "www.corp.example."),
        values("corp.example", "TXT", '"v=spf1 -all" "second \\344"'),
        values("_sip._tcp.corp.example", "SRV", "1 10 5060 www.corp.example."),
        values("w.corp.example", "A", "10.0.1.1", SetIdentifier="one", Weight=1),
        values("w.corp.example", "A", "10.0.1.2", SetIdentifier="none", Weight=0),
        {"Name": "alias.corp.example", "Type": "A",
         "AliasTarget": {"HostedZoneId": zone, "DNSName": "www.corp.example.", "EvaluateTargetHealth": True}},
    ]
    change(client, zone, *(("CREATE", one) for one in made))
    for name, qtype, expected in (("www.corp.example", "A", ["10.0.0.1", "10.0.0.2"]),
                                  ("alias.corp.example", "A", ["10.0.0.1", "10.0.0.2"]),
                                  ("x.apps.corp.example", "A", ["10.0.0.1", "10.0.0.2"]),
                                  ("w.corp.example", "A", ["10.0.1.1"])):
        case.equal(name, server.addresses(name, source="127.11.9.9", qtype=qtype), ("NOERROR", expected))
    case.equal("a name that is not there", server.addresses("nobody.corp.example", source="127.11.9.9"), ("NXDOMAIN", []))
    listed = [one for page in client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone, PaginationConfig={"PageSize": 2}) for one in page["ResourceRecordSets"]]
    case.equal("record sets in order", [(one["Name"], one["Type"]) for one in listed], [
        ("corp.example.", "NS"), ("corp.example.", "SOA"), ("corp.example.", "TXT"),
        ("_sip._tcp.corp.example.", "SRV"), ("alias.corp.example.", "A"), ("\\052.apps.corp.example.", "CNAME"),
        ("w.corp.example.", "A"), ("w.corp.example.", "A"), ("www.corp.example.", "A")])
    case.equal("an alias", listed[4]["AliasTarget"], made[6]["AliasTarget"])
    case.equal("a text", listed[2]["ResourceRecords"], made[2]["ResourceRecords"])
    one = client.list_resource_record_sets(HostedZoneId=zone, StartRecordName="www.corp.example", StartRecordType="A",
                                           MaxItems="1")
    case.equal("the record that Terraform reads", one["ResourceRecordSets"][0]["Name"], "www.corp.example.")
    change(client, zone, ("UPSERT", values("www.corp.example", "A", "10.0.0.9")),
           ("DELETE", values("*.apps.corp.example", "CNAME", "www.corp.example.")))
    case.equal("changed", server.addresses("alias.corp.example", source="127.11.9.9"), ("NOERROR", ["10.0.0.9"]))
    case.equal("gone", server.addresses("x.apps.corp.example", source="127.11.9.9"), ("NXDOMAIN", []))
    client.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=[{"Key": "a", "Value": "b"}])
    tags = client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]
    case.equal("tags", tags["Tags"], [{"Key": "a", "Value": "b"}])
    client.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, RemoveTagKeys=["a"])
    tags = client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]
    case.equal("no tags", tags["Tags"], [])
    case.equal("a comment", client.update_hosted_zone_comment(Id=zone, Comment="x")["HostedZone"]["Config"]["Comment"], "x")
    many = [("CREATE", values(f"n{number}.corp.example", "A", f"10.1.{number // 250}.{number % 250}"))
            for number in range(1000)]
    change(client, zone, *many)
    case.equal("one of 1,000", server.addresses("n999.corp.example", source="127.11.9.9"), ("NOERROR", ["10.1.3.249"]))
    case.equal("count", client.get_hosted_zone(Id=zone)["HostedZone"]["ResourceRecordSetCount"], 1008)


def refusals(case, hub, spoke, hub_vpc, spoke_vpc):
    """Codes and texts that clients compare."""
    client = hub["route53"]
    zone = next(one["Id"] for one in client.list_hosted_zones()["HostedZones"] if one["Name"] == "corp.example.")
    www = values("www.corp.example", "A", "10.0.0.9")
    for what, batch, text in (
            ("create twice", [("CREATE", www)],
             "[Tried to create resource record set [name='www.corp.example.', type='A'] but it already exists]"),
            ("delete what is not there", [("DELETE", values("no.corp.example", "A", "1.2.3.4"))],
             "[Tried to delete resource record set [name='no.corp.example.', type='A'] but it was not found]"),
            ("delete with other values", [("DELETE", values("www.corp.example", "A", "1.2.3.4"))],
             "but the values provided do not match the current values]"),
            ("another zone's name", [("CREATE", values("www.example", "A", "1.2.3.4"))],
             "[RRSet with DNS name www.example. is not permitted in zone corp.example.]"),
            ("an address that is none", [("CREATE", values("a.corp.example", "A", "1.2.3"))], "encountered with '1.2.3'"),
            ("a CNAME at the apex", [("CREATE", values("corp.example", "CNAME", "a."))], "is not permitted at apex in zone"),
            ("a CNAME beside others", [("CREATE", values("www.corp.example", "CNAME", "a."))], "conflicts with other records"),
            ("half a batch", [("CREATE", values("half.corp.example", "A", "1.2.3.4")), ("CREATE", www)], "already exists"),
            ("no TTL", [("CREATE", {"Name": "a.corp.example", "Type": "A", "ResourceRecords": [{"Value": "1.1.1.1"}]})],
             "the TTL is missing"),
            ("the apex's NS", [("DELETE", values("corp.example", "NS", "a."))], "must contain at least one NS"),
    ):
        changes = [{"Action": action, "ResourceRecordSet": record_set} for action, record_set in batch]
        error = error_of(client.change_resource_record_sets, HostedZoneId=zone, ChangeBatch={"Changes": changes})
        case.check(error and error[0] == "InvalidChangeBatch" and text in error[1] and error[2] == 400, f"{what}: {error}")
    listed = client.list_resource_record_sets(HostedZoneId=zone, StartRecordName="half.corp.example", MaxItems="1")
    case.check(listed["ResourceRecordSets"][0]["Name"] != "half.corp.example.", "half of a batch was carried out")
    here = {"VPCId": hub_vpc, "VPCRegion": REGION}
    for what, call, params, code, status in (
            ("no such zone", client.get_hosted_zone, {"Id": "Z000"}, "NoSuchHostedZone", 404),
            ("a zone of another account", spoke["route53"].get_hosted_zone, {"Id": zone}, "NoSuchHostedZone", 404),
            ("a zone that is not empty", client.delete_hosted_zone, {"Id": zone}, "HostedZoneNotEmpty", 400),
            ("a reference twice", client.create_hosted_zone,
             {"Name": "other.example", "CallerReference": "Corp.Example", "VPC": here}, "HostedZoneAlreadyExists", 409),
            ("a name twice", client.create_hosted_zone,
             {"Name": "corp.example", "CallerReference": "x", "VPC": here}, "ConflictingDomainExists", 400),
            ("a public zone", client.create_hosted_zone, {"Name": "p.example", "CallerReference": "p"}, "InvalidInput", 400),
            ("a type that no record set has", client.change_resource_record_sets, batch_of(zone, values("a.corp.example", "NULL", "x")),
             "InvalidInput", 400),
            ("a failover that is none", client.change_resource_record_sets,
             batch_of(zone, values("a.corp.example", "A", "1.1.1.1", SetIdentifier="x", Failover="primary")), "InvalidInput", 400),
            ("a SetIdentifier that is too long", client.change_resource_record_sets,
             batch_of(zone, values("a.corp.example", "A", "1.1.1.1", SetIdentifier="x" * 129, Weight=1)), "InvalidInput", 400),
            ("a region that is none", client.change_resource_record_sets,
             batch_of(zone, values("a.corp.example", "A", "1.1.1.1", SetIdentifier="x", Region="Europe")), "InvalidInput", 400),
            ("a VPC of another account", client.create_hosted_zone,
             {"Name": "o.example", "CallerReference": "o", "VPC": {"VPCId": spoke_vpc, "VPCRegion": REGION}},
             "InvalidVPCId", 400),
            ("the last VPC", client.disassociate_vpc_from_hosted_zone, {"HostedZoneId": zone, "VPC": here},
             "LastVPCAssociation", 400),
            ("a name that is none", client.create_hosted_zone,
             {"Name": "a..b", "CallerReference": "n", "VPC": here}, "InvalidDomainName", 400),
            ("a test of a private zone", client.test_dns_answer,
             {"HostedZoneId": zone, "RecordName": "www.corp.example", "RecordType": "A"}, "InvalidInput", 400),
            ("a call that is not here", client.list_health_checks, {}, "UnknownOperationException", 404),
    ):
        error = error_of(call, **params)
        case.check(error and (error[0], error[2]) == (code, status), f"{what}: {error}")


def targets_go(case, server, hub, vpc):
    """An alias stays when what it leads to goes, as in Route 53: it has no addresses then, and its zone still changes."""
    ec2, client = hub["ec2"], hub["route53"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"127.11.{20 + n}.0/24", AvailabilityZone=REGION + letter)["Subnet"]["SubnetId"]
               for n, letter in enumerate("ab")]
    endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.kms", VpcEndpointType="Interface",
                                       SubnetIds=subnets, PrivateDnsEnabled=True)["VpcEndpoint"]
    public = endpoint["DnsEntries"][0]["HostedZoneId"]
    regional, _, in_b = [entry["DnsName"] for entry in endpoint["DnsEntries"][:3]]
    case.check(f"-{REGION}b." in in_b, f"names: {endpoint['DnsEntries']}")

    def alias(name, target, rtype="A"):
        return {"Name": name, "Type": rtype, "AliasTarget": {"HostedZoneId": public, "DNSName": target, "EvaluateTargetHealth": True}}

    zone, _ = make_zone(client, "aliases.example", vpc)
    change(client, zone, ("CREATE", alias("all.aliases.example", regional)), ("UPSERT", alias("b.aliases.example", in_b)))
    case.equal("both addresses", len(server.addresses("all.aliases.example", source="127.11.9.9")[1]), 2)
    case.equal("one address", len(server.addresses("b.aliases.example", source="127.11.9.9")[1]), 1)
    for what, target in (("an endpoint that is not there", regional.replace(endpoint["VpcEndpointId"], "vpce-0123456789abcdef0")),
                         ("another suffix", regional.replace(regional.split(".")[0], endpoint["VpcEndpointId"] + "-abcdefgh")),
                         ("a zone without an interface", in_b.replace(f"{REGION}b", f"{REGION}c"))):
        error = error_of(client.change_resource_record_sets, **batch_of(zone, alias("new.aliases.example", target)))
        case.check(error and error[0] == "InvalidChangeBatch" and "that target was not found" in error[1], f"an alias to {what}: {error}")
    # the hidden zone of an endpoint with private DNS is a zone, too
    error = error_of(client.create_hosted_zone, Name=f"kms.{REGION}.amazonaws.com", CallerReference="kms", VPC={"VPCId": vpc, "VPCRegion": REGION})
    case.check(error and (error[0], error[2]) == ("ConflictingDomainExists", 400), f"a zone of a private name: {error}")
    error = error_of(ec2.delete_vpc, VpcId=vpc)
    case.check(error and error[0] == "DependencyViolation", f"deleting a VPC that zones name: {error}")
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], RemoveSubnetIds=subnets[1:])
    case.equal("a zone's interface has gone", server.addresses("b.aliases.example", source="127.11.9.9"), ("NOERROR", []))
    change(client, zone, ("UPSERT", values("other.aliases.example", "A", "10.0.0.7")))
    case.equal("deletion", ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])["Unsuccessful"], [])
    for name in ("all", "b"):
        case.equal(f"{name} without an endpoint", server.addresses(f"{name}.aliases.example", source="127.11.9.9"), ("NOERROR", []))
    change(client, zone, ("UPSERT", values("other.aliases.example", "A", "10.0.0.8")))
    case.equal("the zone goes on", server.addresses("other.aliases.example", source="127.11.9.9"), ("NOERROR", ["10.0.0.8"]))


def restart(case, server, keys):
    """What was answered is there after a restart, and goes when it is emptied."""
    server.stop()
    server = Ec2Server(case, "--ec2-keys", keys)
    client = awstools.client(server, key="AKIAHUB", secret="hub-secret", service="route53")
    case.equal("an alias to nobody after a restart", server.addresses("all.aliases.example", source="127.11.9.9"), ("NOERROR", []))
    case.equal("after a restart", server.addresses("www.corp.example", source="127.11.9.9"), ("NOERROR", ["10.0.0.9"]))
    for zone in client.list_hosted_zones()["HostedZones"]:
        sets = [one for page in client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
                for one in page["ResourceRecordSets"] if one["Type"] not in ("NS", "SOA")]
        for begin in range(0, len(sets), 1000):
            change(client, zone["Id"], *(("DELETE", one) for one in sets[begin:begin + 1000]))
        client.delete_hosted_zone(Id=zone["Id"])
    case.equal("zones", client.get_hosted_zone_count()["HostedZoneCount"], 0)
    case.check(server.addresses("www.corp.example", source="127.11.9.9")[1] == [], "a deleted zone answers")


def command_line(case):
    """The AWS CLI, without access keys."""
    server = Ec2Server(case, state="state-cli")
    aws = awstools.Cli(case, server)
    vpc = aws("aws ec2 create-vpc --cidr-block 127.13.0.0/16")["Vpc"]["VpcId"]
    aws(f"aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames")
    zone = aws(f"aws route53 create-hosted-zone --name cli.example --caller-reference 1 --vpc VPCRegion={REGION},VPCId={vpc}")
    zone = zone["HostedZone"]["Id"]
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": values("a.cli.example", "AAAA", "fd00::1")}]}
    aws(f"aws route53 change-resource-record-sets --hosted-zone-id {zone} --change-batch '{json.dumps(batch)}'")
    case.equal("made by the CLI", server.addresses("a.cli.example", source="127.13.0.9", qtype="AAAA"),
               ("NOERROR", ["fd00::1"]))
    names = [one["Name"] for one in aws("aws route53 list-hosted-zones-by-name --dns-name cli.example")["HostedZones"]]
    case.equal("listed", names, ["cli.example."])

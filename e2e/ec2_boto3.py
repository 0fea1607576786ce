"""boto3 sees an endpoint's whole life: acceptance, private names, attributes, tags, addresses, regions."""

import json
from pathlib import Path

from support import awstools
from support.awstools import error_of
from support.case import wait_for
from support.ec2 import REGION, Ec2Server, make_subnet
from support.scenario import ELB, World, answers, describe, gone, interface, own_addresses, play, refused, state_of
from support.server import Upstream
from support.upstream import public_address

SQS = "sqs.us-east-1.amazonaws.com"
PRIVATE_DNS = "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {} in the VPC {}"
# what DescribeAvailabilityZones says of every zone of a region alike
ZONE = ("RegionName", "GroupLongName", "GroupName", "NetworkBorderGroup", "ZoneType", "OptInStatus", "State")
# regions that botocore before 1.44 does not know
YOUNGEST = ("me-west-1", "sa-west-1")
ATTRIBUTES = ("Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true"
              " for {}")


def run(case):
    awstools.need("boto3")
    upstream = Upstream(case)
    server = Ec2Server(case, forward=upstream.target)
    states_take_time(case)
    play(case, server, [life_of_a_connection, verified_private_name, conflict_of_private_names, private_dns_switched,
                        vpc_attributes, tags, addresses, dual_stack, regions, names_of_regions, deletions])


def life_of_a_connection(case, server, ec2, world):
    """create -> pendingAcceptance -> accept -> available -> reject -> names gone -> delete."""
    vpc, subnets, inside = world.vpc()
    service = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[ELB], AcceptanceRequired=True)["ServiceConfiguration"]
    endpoint = interface(ec2, vpc, subnets, service["ServiceName"])
    made = endpoint["VpcEndpointId"]
    case.equal("state at first", endpoint["State"], "pendingAcceptance")
    seen = ec2.describe_vpc_endpoint_connections(Filters=[{"Name": "vpc-endpoint-id", "Values": [made]}])
    case.equal("connections", [(item["ServiceId"], item["VpcEndpointState"])
                               for item in seen["VpcEndpointConnections"]],
               [(service["ServiceId"], "pendingAcceptance")])
    gone(case, server, "pendingAcceptance", endpoint, inside)

    case.equal("accept", unsuccessful(ec2.accept_vpc_endpoint_connections(
        ServiceId=service["ServiceId"], VpcEndpointIds=[made])), [])
    case.equal("state after accept", state_of(case, server, ec2, made), "available")
    accepted = describe(ec2, made)
    addresses = own_addresses(ec2, accepted)
    case.equal("interfaces", len(addresses), 2)
    answers(case, server, "accepted", accepted["DnsEntries"][0]["DnsName"], addresses, inside)
    answers(case, server, "accepted", accepted["DnsEntries"][0]["DnsName"], addresses)
    case.check(unsuccessful(ec2.accept_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=[
        "vpce-0123456789abcdef0"])) == ["vpce-0123456789abcdef0"], "accepting an unknown endpoint is no failed item")
    case.equal("a service with connections: items of its deletion", [
        (item["ResourceId"], item["Error"]["Code"], item["Error"]["Message"]) for item in
        ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])["Unsuccessful"]],
        [(service["ServiceId"], "ExistingVpcEndpointConnections",
          "Service has existing active VPC Endpoint connections!")])

    case.equal("reject", unsuccessful(ec2.reject_vpc_endpoint_connections(
        ServiceId=service["ServiceId"], VpcEndpointIds=[made])), [])
    case.equal("state after reject", describe(ec2, made)["State"], "rejected")
    gone(case, server, "rejected", accepted, inside)

    case.equal("delete", unsuccessful(ec2.delete_vpc_endpoints(VpcEndpointIds=[made])), [])
    left = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-endpoint-id", "Values": [made]}])["VpcEndpoints"]
    case.check([item["State"] for item in left] in ([], ["deleting"], ["deleted"]), f"after delete: {left}")
    gone(case, server, "deleted", accepted, inside)
    case.equal("deleting the service", unsuccessful(
        ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])), [])
    refused(case, "describing a deleted service", error_of(
        ec2.describe_vpc_endpoint_service_configurations, ServiceIds=[service["ServiceId"]]),
        "InvalidVpcEndpointServiceId.NotFound",
        f"The VpcEndpointService Id '{service['ServiceId']}' does not exist")


def unsuccessful(reply):
    """The ids of the items that failed."""
    return [item["ResourceId"] for item in reply["Unsuccessful"]]


def verified_private_name(case, server, ec2, world):
    """An endpoint service's private name: on only after acceptance, then it answers in the VPC and nowhere else."""
    vpc, subnets, inside = world.vpc()
    name = "api.partner.example"
    service = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[ELB], AcceptanceRequired=True, PrivateDnsName=name)["ServiceConfiguration"]
    configuration = service["PrivateDnsNameConfiguration"]
    case.check(configuration["State"] in ("pendingVerification", "verified") and configuration["Type"] == "TXT",
               f"private name configuration: {configuration}")
    if configuration["State"] != "verified":
        case.equal("start of the verification", ec2.start_vpc_endpoint_service_private_dns_verification(
            ServiceId=service["ServiceId"])["ReturnValue"], True)
    text = ("Private DNS can only be enabled after the endpoint connection is accepted by the owner of "
            + service["ServiceName"])
    refused(case, "private DNS at once", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, ServiceName=service["ServiceName"],
        SubnetIds=subnets, PrivateDnsEnabled=True), "InvalidParameter", text)
    endpoint = interface(ec2, vpc, subnets, service["ServiceName"], PrivateDnsEnabled=False)
    made = endpoint["VpcEndpointId"]
    refused(case, "private DNS before acceptance", error_of(
        ec2.modify_vpc_endpoint, VpcEndpointId=made, PrivateDnsEnabled=True), "InvalidParameter", text)
    ec2.accept_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=[made])
    state_of(case, server, ec2, made)
    ec2.modify_vpc_endpoint(VpcEndpointId=made, PrivateDnsEnabled=True)
    seen = describe(ec2, made)
    case.equal("private DNS after acceptance", (seen["PrivateDnsEnabled"], seen["DnsEntries"][-1]["DnsName"]),
               (True, name))
    answers(case, server, "its private name", name, own_addresses(ec2, seen), inside)
    answers(case, server, "its private name outside", name, [public_address(name)])


def conflict_of_private_names(case, server, ec2, world):
    vpc, subnets, inside = world.vpc()
    first = interface(ec2, vpc, subnets[:1])
    case.equal("private DNS by default", first["PrivateDnsEnabled"], True)
    refused(case, "a second endpoint with the name", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.sqs",
        SubnetIds=subnets[1:]), "InvalidParameter", PRIVATE_DNS.format(SQS, vpc))
    second = interface(ec2, vpc, subnets[1:], PrivateDnsEnabled=False)
    refused(case, "private DNS switched on in the second", error_of(
        ec2.modify_vpc_endpoint, VpcEndpointId=second["VpcEndpointId"], PrivateDnsEnabled=True),
        "InvalidParameter", PRIVATE_DNS.format(SQS, vpc))
    interface(ec2, vpc, subnets[:1], "execute-api")
    refused(case, "a second wildcard", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.execute-api", SubnetIds=subnets[:1], PrivateDnsEnabled=True),
        "InvalidParameter", PRIVATE_DNS.format("*.execute-api.us-east-1.amazonaws.com", vpc))
    answers(case, server, "the first keeps the name", SQS, own_addresses(ec2, first), inside)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[first["VpcEndpointId"]])
    ec2.modify_vpc_endpoint(VpcEndpointId=second["VpcEndpointId"], PrivateDnsEnabled=True)
    answers(case, server, "the second has it after the first went", SQS, own_addresses(ec2, second), inside)
    other, other_subnets, there = world.vpc()
    third = interface(ec2, other, other_subnets)
    answers(case, server, "another VPC has its own", SQS, own_addresses(ec2, third), there)


def private_dns_switched(case, server, ec2, world):
    """Each switch of PrivateDnsEnabled, subnets and groups is in the DNS when the call returns."""
    vpc, subnets, inside = world.vpc(zones="abc")
    endpoint = interface(ec2, vpc, subnets[:1])
    made = endpoint["VpcEndpointId"]
    for on in (False, True, False, True):
        ec2.modify_vpc_endpoint(VpcEndpointId=made, PrivateDnsEnabled=on)
        answers(case, server, f"private DNS {on}", SQS,
                own_addresses(ec2, endpoint) if on else [public_address(SQS)], inside)
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSubnetIds=subnets[1:])
    wide = describe(ec2, made)
    case.check(wide["State"] in ("pending", "available"), f"state after modify: {wide['State']}")
    answers(case, server, "three subnets", wide["DnsEntries"][0]["DnsName"], own_addresses(ec2, wide))
    case.equal("addresses of three subnets", len(own_addresses(ec2, wide)), 3)
    case.check(set(endpoint["NetworkInterfaceIds"]) <= set(wide["NetworkInterfaceIds"]),
               "the first interface did not outlive the addition of others")
    lost = own_addresses(ec2, endpoint)[0]
    ec2.modify_vpc_endpoint(VpcEndpointId=made, RemoveSubnetIds=subnets[:1])
    narrow = describe(ec2, made)
    answers(case, server, "two subnets", narrow["DnsEntries"][0]["DnsName"], own_addresses(ec2, narrow))
    case.check(lost not in own_addresses(ec2, narrow), "the interface of a removed subnet is still there")
    zonal = wide["DnsEntries"][1]["DnsName"]
    case.check(zonal not in [entry["DnsName"] for entry in narrow["DnsEntries"]], f"{zonal} is still listed")
    gone(case, server, "removed zone", {"DnsEntries": [{"DnsName": zonal}]})
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    default = [item["GroupId"] for item in endpoint["Groups"]]
    case.equal("the group of an endpoint without one", [item["GroupName"] for item in endpoint["Groups"]], ["default"])
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSecurityGroupIds=[group], RemoveSecurityGroupIds=default)
    case.equal("groups after modify", describe(ec2, made)["Groups"], [{"GroupId": group, "GroupName": "web"}])


def vpc_attributes(case, server, ec2, world):
    vpc, subnets, inside = world.vpc(hostnames=False)
    for attribute, key, value in (("enableDnsSupport", "EnableDnsSupport", True),
                                  ("enableDnsHostnames", "EnableDnsHostnames", False)):
        seen = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
        case.equal(f"{attribute} of a new VPC", (seen["VpcId"], seen[key]), (vpc, {"Value": value}))
    refused(case, "private DNS without hostnames", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.sqs",
        SubnetIds=subnets, PrivateDnsEnabled=True), "InvalidParameter", ATTRIBUTES.format(vpc))
    error = error_of(ec2.modify_vpc_attribute, VpcId=vpc, EnableDnsHostnames={"Value": True},
                     EnableDnsSupport={"Value": True})
    case.check(error and error[0].startswith("InvalidParameter"), f"two attributes in one request: {error}")
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    error = error_of(ec2.modify_vpc_attribute, VpcId=vpc, EnableDnsHostnames={"Value": True})
    case.check(error and error[0].startswith("Invalid"), f"hostnames without support: {error}")
    case.equal("a question from a VPC without DNS support", server.addresses(SQS, inside)[0], "REFUSED")
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    endpoint = interface(ec2, vpc, subnets)
    answers(case, server, "with both attributes", SQS, own_addresses(ec2, endpoint), inside)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    answers(case, server, "hostnames switched off", SQS, [public_address(SQS)], inside)


def tags(case, server, ec2, world):
    vpc, subnets, _ = world.vpc()
    specification = [{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "Name", "Value": "a b & <c>"},
                                                             {"Key": "stage", "Value": ""}]}]
    made = interface(ec2, vpc, subnets, TagSpecifications=specification)["VpcEndpointId"]
    case.equal("tags at creation", tag_map(describe(ec2, made)), {"Name": "a b & <c>", "stage": ""})
    ec2.create_tags(Resources=[made, vpc], Tags=[{"Key": "Name", "Value": "ünï ☃ 🙂"}, {"Key": "team", "Value": "dns"}])
    case.equal("tags after create_tags", tag_map(describe(ec2, made)), {"Name": "ünï ☃ 🙂", "stage": "", "team": "dns"})
    case.equal("tags of the VPC", tag_map(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]),
               {"Name": "ünï ☃ 🙂", "team": "dns"})
    seen = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [made]}])["Tags"]
    case.equal("describe_tags", sorted((tag["ResourceType"], tag["Key"]) for tag in seen),
               [("vpc-endpoint", "Name"), ("vpc-endpoint", "stage"), ("vpc-endpoint", "team")])
    # a value that is given has to be the tag's, else the tag stays
    ec2.delete_tags(Resources=[made], Tags=[{"Key": "team", "Value": "other"}, {"Key": "Name"}])
    case.equal("tags after delete_tags", tag_map(describe(ec2, made)), {"stage": "", "team": "dns"})
    error = error_of(ec2.create_tags, Resources=["vpce-0123456789abcdef0"], Tags=[{"Key": "a", "Value": "b"}])
    case.check(error and error[0].endswith(".NotFound"), f"tags for an unknown endpoint: {error}")
    error = error_of(ec2.create_tags, Resources=[made], Tags=[{"Key": "aws:x", "Value": "b"}])
    case.check(error and error[0].startswith("Invalid"), f"a reserved key: {error}")
    error = error_of(ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=subnets,
                     ServiceName=f"com.amazonaws.{REGION}.kms",
                     TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}])
    case.check(error and error[0].startswith("Invalid"), f"tags of another resource type: {error}")


def tag_map(item):
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}


def addresses(case, server, ec2, world):
    """The first four and the last address of a subnet stay free; a chosen address is used; used ones are refused."""
    vpc, _, _ = world.vpc(zones="")
    n = world.next - 1
    small = make_subnet(world.raw, vpc, f"127.{n}.9.0/28", "c")
    chosen = interface(ec2, vpc, [small], PrivateDnsEnabled=False,
                       SubnetConfigurations=[{"SubnetId": small, "Ipv4": f"127.{n}.9.9"}])
    case.equal("a chosen address", own_addresses(ec2, chosen), [f"127.{n}.9.9"])
    for what, address, codes in (("an address in use", f"127.{n}.9.9", ("InvalidIPAddress.InUse",)),
                                 ("a reserved address", f"127.{n}.9.3",
                                  ("InvalidParameterValue", "InvalidParameter", "InvalidIPAddress.InUse")),
                                 ("an address elsewhere", f"127.{n}.8.9",
                                  ("InvalidParameterValue", "InvalidParameter"))):
        error = error_of(ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=[small],
                         ServiceName=f"com.amazonaws.{REGION}.sqs", PrivateDnsEnabled=False,
                         SubnetConfigurations=[{"SubnetId": small, "Ipv4": address}])
        case.check(error and error[0] in codes, f"{what}: {error}, wanted one of {codes}")
    found = own_addresses(ec2, chosen)
    for _ in range(10):
        found += own_addresses(ec2, interface(ec2, vpc, [small], PrivateDnsEnabled=False))
    case.equal("the addresses of a full /28", sorted(found, key=lambda a: int(a.rsplit(".", 1)[1])),
               [f"127.{n}.9.{last}" for last in range(4, 15)])
    case.equal("its free addresses", ec2.describe_subnets(SubnetIds=[small])["Subnets"][0]["AvailableIpAddressCount"],
               0)
    refused(case, "one more", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=[small],
        ServiceName=f"com.amazonaws.{REGION}.sqs", PrivateDnsEnabled=False), "InsufficientFreeAddressesInSubnet")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[chosen["VpcEndpointId"]])
    again = wait_for("the address to be free again", lambda: error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=[small],
        ServiceName=f"com.amazonaws.{REGION}.sqs", PrivateDnsEnabled=False) is None)
    case.check(again, "a deleted endpoint's address stays taken")


def dual_stack(case, server, ec2, world):
    vpc = ec2.create_vpc(CidrBlock="127.200.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    block = wait_for("the IPv6 block", lambda: ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0].get(
        "Ipv6CidrBlockAssociationSet"))[0]["Ipv6CidrBlock"]
    case.check(block.endswith("/56"), f"a VPC's IPv6 block: {block}")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.200.1.0/24", AvailabilityZone="us-east-1a",
                               Ipv6CidrBlock=block.replace("/56", "/64"))["Subnet"]["SubnetId"]
    both = interface(ec2, vpc, [subnet], IpAddressType="dualstack")
    card = ec2.describe_network_interfaces(NetworkInterfaceIds=both["NetworkInterfaceIds"])["NetworkInterfaces"][0]
    six = [item["Ipv6Address"] for item in card["Ipv6Addresses"]]
    case.equal("IPv6 addresses of a dual-stack interface", len(six), 1)
    case.equal("types", (both["IpAddressType"], both["DnsOptions"]["DnsRecordIpType"]), ("dualstack", "dualstack"))
    for name, source in ((both["DnsEntries"][0]["DnsName"], None), (SQS, "127.200.77.7")):
        case.equal(f"AAAA of {name}", server.addresses(name, source, "AAAA"), ("NOERROR", six))
        answers(case, server, "dual stack", name, [card["PrivateIpAddress"]], source)
    ec2.modify_vpc_endpoint(VpcEndpointId=both["VpcEndpointId"], DnsOptions={"DnsRecordIpType": "ipv4"})
    case.equal("AAAA with DnsRecordIpType ipv4", server.addresses(both["DnsEntries"][0]["DnsName"], None, "AAAA"),
               ("NOERROR", []))


def regions(case, server, ec2, world):
    """The region is the credential scope's: what is made in one is named after it and not seen in another."""
    west = awstools.client(server, "eu-central-1")
    vpc = west.create_vpc(CidrBlock="127.201.0.0/16")["Vpc"]["VpcId"]
    west.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    zones = [zone["ZoneName"] for zone in west.describe_availability_zones()["AvailabilityZones"]]
    case.check(zones and all(zone.startswith("eu-central-1") for zone in zones), f"zones of eu-central-1: {zones}")
    subnet = west.create_subnet(VpcId=vpc, CidrBlock="127.201.1.0/24",
                                AvailabilityZone="eu-central-1b")["Subnet"]["SubnetId"]
    made = interface(west, vpc, [subnet], "com.amazonaws.eu-central-1.sqs")
    names = [(entry["DnsName"].split(".", 1)[1], entry["HostedZoneId"]) for entry in made["DnsEntries"][:2]]
    case.equal("names in eu-central-1", names, [("sqs.eu-central-1.vpce.amazonaws.com", "Z273ZU8SZ5RJPC")] * 2)
    case.check("eu-central-1b" in made["DnsEntries"][1]["DnsName"], f"zonal name: {made['DnsEntries'][1]}")
    answers(case, server, "in eu-central-1", "sqs.eu-central-1.amazonaws.com", own_addresses(west, made),
            "127.201.1.200")
    refused(case, "an endpoint of another region", error_of(
        ec2.describe_vpc_endpoints, VpcEndpointIds=[made["VpcEndpointId"]]), "InvalidVpcEndpointId.NotFound",
        f"The Vpc Endpoint Id '{made['VpcEndpointId']}' does not exist")
    refused(case, "a service of another region", error_of(
        west.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=[subnet],
        ServiceName="com.amazonaws.us-east-1.sns"), "InvalidServiceName",
        "The Vpc Endpoint Service 'com.amazonaws.us-east-1.sns' does not exist")


def names_of_regions(case, server, ec2, world):
    """Regions and the long names of their zone groups are botocore's, partition by partition; statuses are the API's words."""
    import botocore  # pylint: disable=import-outside-toplevel  (it may not be installed)
    session, seen = awstools.session(), 0
    partitions = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())["partitions"]
    for partition in partitions:
        names = {code: region["description"] for code, region in partition["regions"].items() if not code.endswith("-global")}
        suffix = partition["outputs"]["dnsSuffix"]
        for code, name in sorted(names.items()):
            there = awstools.client(server, code, of=session)
            zones = there.describe_availability_zones()["AvailabilityZones"]
            case.check(len(zones) >= 3, f"zones of {code}: {zones}")
            for zone in zones:
                case.equal(f"a zone of {code}", {key: zone.get(key) for key in ZONE}, {
                    "RegionName": code, "GroupLongName": f"{name} 1", "GroupName": f"{code}-zg-1", "NetworkBorderGroup": code,
                    "ZoneType": "availability-zone", "OptInStatus": "opt-in-not-required", "State": "available"})
            found = there.describe_availability_zones(AllAvailabilityZones=True, Filters=[
                {"Name": "group-long-name", "Values": [f"{name} 1"]}, {"Name": "group-name", "Values": [f"{code}-zg-1"]}])
            case.equal(f"zones of {code} by the names of their group", found["AvailabilityZones"], zones)
            seen += 1
        listed = {item["RegionName"]: item["Endpoint"] for item in there.describe_regions()["Regions"]}
        case.equal(f"regions of {partition['id']}", {code: url for code, url in listed.items() if code in names or code not in YOUNGEST},
                   {code: f"ec2.{code}.{suffix}" for code in names})
    case.check(seen > 40, f"only {seen} regions")
    # a region that opened after 20 March 2019 has to be enabled by an account
    for status, some, others in (("opt-in-not-required", {"us-east-1", "eu-north-1", "sa-east-1"}, {"af-south-1", "il-central-1"}),
                                 ("opted-in", {"af-south-1", "ap-east-1", "mx-central-1"}, {"us-west-2"}), ("not-opted-in", set(), {"af-south-1"})):
        found = ec2.describe_regions(AllRegions=True, Filters=[{"Name": "opt-in-status", "Values": [status]}])["Regions"]
        codes = {item["RegionName"] for item in found}
        case.check(some <= codes and not others & codes, f"{status}: {sorted(codes)}")
        case.check(all(item["OptInStatus"] == status for item in found), f"{status}: {found}")
    # zones that scripts write out, though not every account sees them
    for code, zone in (("us-west-2", "d"), ("ap-northeast-1", "d"), ("ap-northeast-2", "d"), ("ca-central-1", "d"), ("us-east-1", "f")):
        there = awstools.client(server, code, of=session)
        made = there.create_vpc(CidrBlock="127.202.0.0/16")["Vpc"]["VpcId"]
        subnet = there.create_subnet(VpcId=made, CidrBlock="127.202.1.0/24", AvailabilityZone=code + zone)["Subnet"]
        case.equal(f"a subnet in {code}{zone}", subnet["AvailabilityZone"], code + zone)
        there.delete_subnet(SubnetId=subnet["SubnetId"])
        there.delete_vpc(VpcId=made)


def deletions(case, server, ec2, world):
    """What is in use cannot go; what is not in use goes whole."""
    vpc, subnets, _ = world.vpc()
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    made = interface(ec2, vpc, subnets[:1], SecurityGroupIds=[group])["VpcEndpointId"]
    for what, call, params in (("a subnet", ec2.delete_subnet, {"SubnetId": subnets[0]}),
                               ("a VPC", ec2.delete_vpc, {"VpcId": vpc}),
                               ("a security group", ec2.delete_security_group, {"GroupId": group})):
        refused(case, f"deleting {what} in use", error_of(call, **params), "DependencyViolation")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    ec2.delete_security_group(GroupId=group)
    for subnet in subnets:
        wait_for("the subnet to be free", lambda subnet=subnet: error_of(ec2.delete_subnet, SubnetId=subnet) is None)
    ec2.delete_vpc(VpcId=vpc)
    refused(case, "a deleted VPC", error_of(ec2.describe_vpcs, VpcIds=[vpc]), "InvalidVpcID.NotFound")


def states_take_time(case):
    """With delays as AWS has them: names answer while an endpoint is pending, and not while it is being deleted."""
    config = case.write("slow.toml", "[limits]\nec2_pending_ms = 1500\nec2_deleting_ms = 1500\nec2_deleted_ms = 1500\n")
    server = Ec2Server(case, "--config", config, state="slow")
    ec2 = awstools.client(server)
    vpc, subnets, inside = World(server).vpc()
    endpoint = interface(ec2, vpc, subnets[:1])
    made = endpoint["VpcEndpointId"]
    case.equal("state at first", describe(ec2, made)["State"], "pending")
    for name in (endpoint["DnsEntries"][0]["DnsName"], SQS):
        answers(case, server, "while pending", name, own_addresses(ec2, endpoint), inside)
    case.equal("state then", state_of(case, server, ec2, made), "available")
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSubnetIds=subnets[1:])
    case.equal("state after modify", describe(ec2, made)["State"], "pending")
    case.equal("state then", state_of(case, server, ec2, made), "available")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    seen = []

    def listed():
        found = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-endpoint-id", "Values": [made]}])["VpcEndpoints"]
        seen.extend(item["State"] for item in found if item["State"] not in seen)
        gone(case, server, "while it is being deleted", endpoint, inside)
        return bool(found)

    wait_for("a deleted endpoint to be forgotten", lambda: not listed(), pause=0.1)
    case.equal("states of a deleted endpoint", seen, ["deleting", "deleted"])
    server.stop()

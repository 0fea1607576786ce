"""Each error of EC2's that these actions know, with its exact code and text; dry runs, client tokens, the quota."""

from concurrent.futures import ThreadPoolExecutor

from support import awstools
from support import zones as z
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server, make_endpoint, make_subnet
from support.case import wait_for
from support.scenario import ELB, describe, interface, play, refused

AWS = f"com.amazonaws.{REGION}"
NO_ENDPOINT, NO_SERVICE, NO_SUBNET = "vpce-0123456789abcdef0", "vpce-svc-0123456789abcdef0", "subnet-0123456789abcdef0"
# a service of the zone files that is offered in two zones
PARTNER = f"com.amazonaws.vpce.{REGION}.vpce-svc-0e123abc123198abc"


def run(case):
    awstools.need("boto3")
    case.write("zones/partner.toml", z.table("vpc_endpoint_service", service_name=PARTNER, private_dns_names=[],
                                            availability_zones=["us-east-1a", "us-east-1b"]))
    case.write("zones/file.toml", z.vpc("vpc-ec43eb89", "127.240.0.0/16")
               + z.subnet("subnet-abababab", "vpc-ec43eb89", "a", "127.240.1.0/24")
               + z.endpoint("vpce-088d25a4bbf4a7abc", "vpc-ec43eb89", "elasticloadbalancing", "ks83awe7",
                            [("subnet-abababab", "127.240.1.17")]))
    server = Ec2Server(case)
    play(case, server, [creating, modifying, looking_up, deleting, owned_by_a_file, used_by_a_file, regions, dry_run, client_tokens, quota])


def creating(case, server, ec2, world):
    vpc, (a, b), _ = world.vpc()
    plain, (plain_a, _), _ = world.vpc(hostnames=False)
    n = world.next - 2
    twin = make_subnet(world.raw, vpc, f"127.{n}.8.0/24", "a")
    c = make_subnet(world.raw, vpc, f"127.{n}.9.0/24", "c")
    interface(ec2, vpc, [a], "logs")
    interface(ec2, vpc, [a], "execute-api")
    manual = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[ELB], AcceptanceRequired=True,
        PrivateDnsName="svc.partner.example")["ServiceConfiguration"]
    ec2.start_vpc_endpoint_service_private_dns_verification(ServiceId=manual["ServiceId"])
    nameless = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[ELB], AcceptanceRequired=False)["ServiceConfiguration"]
    conflict = ("private-dns-enabled cannot be set because there is already a conflicting DNS domain for {}"
                " in the VPC {}")
    no_name = "Private DNS can't be enabled because the service {} does not provide a private DNS name."
    no_gateway = ("To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {} must have a Gateway endpoint"
                  " for the service.")
    two = ("Found another VPC endpoint subnet in the availability zone of {}. VPC endpoint subnets should be in"
           " different availability zones supported by the VPC endpoint service.")
    for what, params, code, text in (
            ("private DNS without VPC attributes",
             {"VpcId": plain, "SubnetIds": [plain_a], "ServiceName": f"{AWS}.sqs", "PrivateDnsEnabled": True},
             "InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC"
             f" attributes set to true for {plain}"),
            ("a private name that the VPC has", {"ServiceName": f"{AWS}.logs"}, "InvalidParameter",
             conflict.format("logs.us-east-1.amazonaws.com", vpc)),
            ("a wildcard that the VPC has", {"ServiceName": f"{AWS}.execute-api"}, "InvalidParameter",
             conflict.format("*.execute-api.us-east-1.amazonaws.com", vpc)),
            ("private DNS of a service without", {"ServiceName": f"{AWS}.dynamodb", "PrivateDnsEnabled": True},
             "InvalidParameter", no_name.format(f"{AWS}.dynamodb")),
            ("private DNS of an endpoint service without",
             {"ServiceName": nameless["ServiceName"], "PrivateDnsEnabled": True},
             "InvalidParameter", no_name.format(nameless["ServiceName"])),
            ("private DNS before acceptance", {"ServiceName": manual["ServiceName"], "PrivateDnsEnabled": True},
             "InvalidParameter",
             "Private DNS can only be enabled after the endpoint connection is accepted by the owner"
             f" of {manual['ServiceName']}"),
            ("S3 for inbound endpoints only, without a gateway",
             {"ServiceName": f"{AWS}.s3", "PrivateDnsEnabled": True,
              "DnsOptions": {"PrivateDnsOnlyForInboundResolverEndpoint": True}},
             "InvalidParameter", no_gateway.format(vpc)),
            ("the same by default", {"ServiceName": f"{AWS}.s3", "PrivateDnsEnabled": True},
             "InvalidParameter", no_gateway.format(vpc)),
            ("that option on a gateway endpoint",
             {"ServiceName": f"{AWS}.s3", "VpcEndpointType": "Gateway", "SubnetIds": [],
              "DnsOptions": {"PrivateDnsOnlyForInboundResolverEndpoint": True}},
             "InvalidParameter",
             "DnsOptions PrivateDnsOnlyForInboundResolverEndpoint is applicable only to Interface VPC Endpoints."),
            ("two subnets of one zone", {"SubnetIds": [a, twin]}, "DuplicateSubnetsInSameZone", two.format(twin)),
            ("a zone that the service lacks", {"ServiceName": PARTNER, "SubnetIds": [c]}, "InvalidParameter",
             f"The VPC endpoint service {PARTNER} does not support the availability zone of the subnet: {c}."),
            ("an unknown service", {"ServiceName": f"{AWS}.nothing"}, "InvalidServiceName",
             f"The Vpc Endpoint Service '{AWS}.nothing' does not exist"),
            ("an unknown endpoint service", {"ServiceName": f"com.amazonaws.vpce.{REGION}.{NO_SERVICE}"},
             "InvalidServiceName",
             f"The Vpc Endpoint Service 'com.amazonaws.vpce.{REGION}.{NO_SERVICE}' does not exist"),
            ("a service of another region", {"ServiceName": "com.amazonaws.eu-north-1.elasticloadbalancing"},
             "InvalidServiceName",
             "The Vpc Endpoint Service 'com.amazonaws.eu-north-1.elasticloadbalancing' does not exist"),
            ("a type that the service lacks",
             {"ServiceName": f"{AWS}.ec2", "VpcEndpointType": "Gateway", "SubnetIds": []},
             "InvalidServiceName",
             f"The Vpc Endpoint Service '{AWS}.ec2' does not support the endpoint type 'Gateway'."),
            ("a malformed subnet id", {"SubnetIds": ["x"]}, "InvalidSubnetId.Malformed",
             "Invalid Subnet Id: 'x' (expecting 'subnet-...; the Id may only contain lowercase alphanumeric characters"
             " and a single dash')"),
            ("an unknown subnet", {"SubnetIds": [NO_SUBNET]}, "InvalidSubnetID.NotFound",
             f"The subnet ID '{NO_SUBNET}' does not exist"),
            ("an unknown VPC", {"VpcId": "vpc-0123456789abcdef0"}, "InvalidVpcID.NotFound",
             "The vpc ID 'vpc-0123456789abcdef0' does not exist")):
        full = {"VpcEndpointType": "Interface", "VpcId": vpc, "SubnetIds": [b], "ServiceName": f"{AWS}.sqs", **params}
        refused(case, what, error_of(ec2.create_vpc_endpoint, **full), code, text)
    # codes that are AWS's, with texts that are not known (aws.md 3.6 and 6)
    other, (other_a, _), _ = world.vpc()
    del other
    for what, params, codes, named in (
            ("a subnet of another VPC", {"SubnetIds": [other_a]}, ("InvalidParameter", "InvalidSubnetID.NotFound"),
             other_a),
            ("an unknown security group", {"SecurityGroupIds": ["sg-0123456789abcdef0"]},
             ("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"), "sg-0123456789abcdef0"),
            ("a malformed VPC id", {"VpcId": "vpc-x"}, ("InvalidVpcID.Malformed", "InvalidVpcId.Malformed"), "vpc-x"),
            ("an unknown type of endpoint", {"VpcEndpointType": "Sideways"},
             ("InvalidVpcEndpointType", "InvalidParameterValue", "InvalidParameter"), "Sideways"),
            ("an unknown type of address", {"IpAddressType": "ipv5"}, ("InvalidParameterValue", "InvalidParameter"),
             "ipv5"),
            ("IPv6 in subnets without", {"IpAddressType": "ipv6"}, ("InvalidParameterValue", "InvalidParameter"), "")):
        full = {"VpcEndpointType": "Interface", "VpcId": vpc, "SubnetIds": [b], "ServiceName": f"{AWS}.sqs", **params}
        error = error_of(ec2.create_vpc_endpoint, **full)
        case.check(error and error[0] in codes and named in error[1], f"{what}: {error}, wanted one of {codes}")
    case.equal("endpoints after all these", len(ec2.describe_vpc_endpoints(Filters=[
        {"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"]), 2)


def modifying(case, server, ec2, world):
    vpc, (a, b), _ = world.vpc()
    n = world.next - 1
    twin = make_subnet(world.raw, vpc, f"127.{n}.8.0/24", "a")
    made = interface(ec2, vpc, [a], "dynamodb", PrivateDnsEnabled=False)["VpcEndpointId"]
    refused(case, "two subnets of one zone", error_of(ec2.modify_vpc_endpoint, VpcEndpointId=made, AddSubnetIds=[twin]),
            "DuplicateSubnetsInSameZone", f"Found another VPC endpoint subnet in the availability zone of {twin}. VPC"
            " endpoint subnets should be in different availability zones supported by the VPC endpoint service.")
    refused(case, "private DNS of a service without", error_of(
        ec2.modify_vpc_endpoint, VpcEndpointId=made, PrivateDnsEnabled=True), "InvalidParameter",
        f"Private DNS can't be enabled because the service {AWS}.dynamodb does not provide a private DNS name.")
    refused(case, "an unknown subnet", error_of(ec2.modify_vpc_endpoint, VpcEndpointId=made, AddSubnetIds=[NO_SUBNET]),
            "InvalidSubnetID.NotFound", f"The subnet ID '{NO_SUBNET}' does not exist")
    # one part of a request that cannot be done leaves the others undone
    refused(case, "a good and a bad change", error_of(
        ec2.modify_vpc_endpoint, VpcEndpointId=made, AddSubnetIds=[b], PrivateDnsEnabled=True), "InvalidParameter")
    case.equal("subnets after it", describe(ec2, made)["SubnetIds"], [a])


def looking_up(case, server, ec2, world):
    text = f"The Vpc Endpoint Id '{NO_ENDPOINT}' does not exist"
    for what, call, params in (
            ("describe", ec2.describe_vpc_endpoints, {"VpcEndpointIds": [NO_ENDPOINT]}),
            ("modify", ec2.modify_vpc_endpoint, {"VpcEndpointId": NO_ENDPOINT, "PrivateDnsEnabled": False}),
            ("a notification of", ec2.create_vpc_endpoint_connection_notification,
             {"VpcEndpointId": NO_ENDPOINT, "ConnectionEvents": ["Accept"],
              "ConnectionNotificationArn": "arn:aws:sns:us-east-1:123456789012:topic"})):
        refused(case, f"{what} an unknown endpoint", error_of(call, **params), "InvalidVpcEndpointId.NotFound", text)
    error = error_of(ec2.describe_vpc_endpoints, VpcEndpointIds=["vpce-xyz"])
    case.check(error and error[0] == "InvalidVpcEndpointId.Malformed" and "vpce-xyz" in error[1],
               f"a malformed endpoint id: {error}")
    text = f"The VpcEndpointService Id '{NO_SERVICE}' does not exist"
    for what, call, params in (
            ("describe", ec2.describe_vpc_endpoint_service_configurations, {"ServiceIds": [NO_SERVICE]}),
            ("modify", ec2.modify_vpc_endpoint_service_configuration,
             {"ServiceId": NO_SERVICE, "AcceptanceRequired": True}),
            ("accept for", ec2.accept_vpc_endpoint_connections,
             {"ServiceId": NO_SERVICE, "VpcEndpointIds": [NO_ENDPOINT]}),
            ("reject for", ec2.reject_vpc_endpoint_connections,
             {"ServiceId": NO_SERVICE, "VpcEndpointIds": [NO_ENDPOINT]}),
            ("permissions of", ec2.describe_vpc_endpoint_service_permissions, {"ServiceId": NO_SERVICE}),
            ("verification of", ec2.start_vpc_endpoint_service_private_dns_verification, {"ServiceId": NO_SERVICE})):
        refused(case, f"{what} an unknown service", error_of(call, **params), "InvalidVpcEndpointServiceId.NotFound",
                text)
    for what, call, params, code in (
            ("an unknown VPC", ec2.describe_vpcs, {"VpcIds": ["vpc-0123456789abcdef0"]}, "InvalidVpcID.NotFound"),
            ("an attribute of an unknown VPC", ec2.describe_vpc_attribute,
             {"VpcId": "vpc-0123456789abcdef0", "Attribute": "enableDnsSupport"}, "InvalidVpcID.NotFound"),
            ("an unknown subnet", ec2.describe_subnets, {"SubnetIds": [NO_SUBNET]}, "InvalidSubnetID.NotFound"),
            ("an unknown interface", ec2.describe_network_interfaces,
             {"NetworkInterfaceIds": ["eni-0123456789abcdef0"]}, "InvalidNetworkInterfaceID.NotFound"),
            ("an unknown group", ec2.describe_security_groups, {"GroupIds": ["sg-0123456789abcdef0"]},
             "InvalidGroup.NotFound")):
        refused(case, what, error_of(call, **params), code)
    error = error_of(ec2.describe_vpc_endpoint_services, ServiceNames=[f"{AWS}.nothing"])
    refused(case, "an unknown service", error, "InvalidServiceName",
            f"The Vpc Endpoint Service '{AWS}.nothing' does not exist")


def deleting(case, server, ec2, world):
    """Deletions of several name each failure and do the rest."""
    vpc, (a, _), _ = world.vpc()
    made = interface(ec2, vpc, [a])["VpcEndpointId"]
    seen = ec2.delete_vpc_endpoints(VpcEndpointIds=[NO_ENDPOINT, made])["Unsuccessful"]
    case.equal("what could not be deleted", [(item["ResourceId"], item["Error"]["Message"]) for item in seen],
               [(NO_ENDPOINT, f"The Vpc Endpoint Id '{NO_ENDPOINT}' does not exist")])
    case.check(seen and seen[0]["Error"]["Code"] in ("InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound"),
               f"its code: {seen}")
    left = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]},
                                               {"Name": "vpc-endpoint-state", "Values": ["available", "pending"]}])
    case.equal("what is left of the other", left["VpcEndpoints"], [])
    seen = ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[NO_SERVICE])["Unsuccessful"]
    case.equal("a service that could not be deleted", [(item["ResourceId"], item["Error"]) for item in seen],
               [(NO_SERVICE, {"Code": "InvalidVpcEndpointService.NotFound",
                              "Message": f"The VpcEndpointService Id '{NO_SERVICE}' does not exist"})])
    seen = ec2.delete_vpc_endpoint_connection_notifications(
        ConnectionNotificationIds=["vpce-nfn-0123456789abcdef0"])["Unsuccessful"]
    case.equal("a notification that could not be deleted", [item["ResourceId"] for item in seen],
               ["vpce-nfn-0123456789abcdef0"])


def owned_by_a_file(case, server, ec2, world):
    """What is in a file can be seen and used; changing it is refused with the file's name."""
    vpc, subnet, made = "vpc-ec43eb89", "subnet-abababab", "vpce-088d25a4bbf4a7abc"
    seen = describe(ec2, made)
    case.equal("an endpoint of a file", (seen["VpcId"], seen["SubnetIds"], seen["State"]), (vpc, [subnet], "available"))
    for what, call, params in (
            ("an endpoint", ec2.modify_vpc_endpoint, {"VpcEndpointId": made, "PrivateDnsEnabled": False}),
            ("a VPC", ec2.modify_vpc_attribute, {"VpcId": vpc, "EnableDnsHostnames": {"Value": False}}),
            ("a VPC's existence", ec2.delete_vpc, {"VpcId": vpc}),
            ("a subnet's existence", ec2.delete_subnet, {"SubnetId": subnet})):
        error = error_of(call, **params)
        case.check(error and "file.toml" in error[1], f"changing {what} of a file does not name the file: {error}")
    failed = ec2.delete_vpc_endpoints(VpcEndpointIds=[made])["Unsuccessful"]
    case.check(len(failed) == 1 and "file.toml" in failed[0]["Error"]["Message"], f"deleting it: {failed}")
    case.equal("its addresses after all these", server.addresses(seen["DnsEntries"][0]["DnsName"]),
               ("NOERROR", ["127.240.1.17"]))
    own = interface(ec2, vpc, [subnet])
    cards = ec2.describe_network_interfaces(NetworkInterfaceIds=own["NetworkInterfaceIds"])["NetworkInterfaces"]
    case.equal("an endpoint of the API in a file's VPC",
               server.addresses(own["DnsEntries"][-1]["DnsName"], "127.240.9.9"),
               ("NOERROR", [cards[0]["PrivateIpAddress"]]))
    case.check(cards[0]["PrivateIpAddress"] != "127.240.1.17", "it has the address of the file's endpoint")
    refused(case, "a private name that a file's endpoint has", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=[subnet],
        ServiceName=f"{AWS}.elasticloadbalancing", PrivateDnsEnabled=True), "InvalidParameter",
        "private-dns-enabled cannot be set because there is already a conflicting DNS domain for"
        f" elasticloadbalancing.us-east-1.amazonaws.com in the VPC {vpc}")


def used_by_a_file(case, server, ec2, world):
    """What a file uses stays, and says where it is used; the others of the same call go."""
    vpc, subnets, _ = world.vpc()
    used, other = (interface(ec2, vpc, subnets[:1], service)["VpcEndpointId"] for service in ("sqs", "sns"))
    path = case.write("zones/uses.toml", z.table("hosted_zone", name="uses.example", vpc_ids=["vpc-ec43eb89"], records=[{"name": "q", "alias": used}]))
    wait_for("the zone to be served", lambda: server.addresses("q.uses.example", "127.240.9.9")[0] == "NOERROR")
    seen = ec2.delete_vpc_endpoints(VpcEndpointIds=[used, other])["Unsuccessful"]
    case.equal("what stays", [(item["ResourceId"], item["Error"]["Code"]) for item in seen], [(used, "DependencyViolation")])
    case.check(seen and f"{used} is used at " in seen[0]["Error"]["Message"] and "uses.toml:" in seen[0]["Error"]["Message"], "file and line", seen)
    case.check(describe(ec2, other)["State"] in ("deleting", "deleted"), "the other does not go", str(describe(ec2, other))[:300])
    path.write_text(z.table("hosted_zone", name="uses.example", vpc_ids=["vpc-ec43eb89", vpc], records=[]))
    wait_for("the alias to go", lambda: server.addresses("q.uses.example", "127.240.9.9")[0] == "NXDOMAIN")
    case.equal("now it goes", ec2.delete_vpc_endpoints(VpcEndpointIds=[used])["Unsuccessful"], [])
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    error = error_of(ec2.delete_vpc, VpcId=vpc)
    case.check(error and error[0] == "DependencyViolation" and "uses.toml:" in error[1], f"a VPC that a file's zone names: {error}")
    path.unlink()


def regions(case, server, ec2, world):
    """A Region that there is not is a client's mistake, and no empty one."""
    error = error_of(awstools.client(server, region="us-eest-1").describe_vpcs)
    refused(case, "a misspelt Region", error, "SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'us-eest-1'.")
    case.equal("its status", error and error[2], 403)
    error = error_of(awstools.client(server, region="mars-north-1", service="route53resolver").list_resolver_rules)
    case.check(error and error[0] == "InvalidSignatureException", f"Resolver in a Region that there is not: {error}")
    case.equal("another Region", awstools.client(server, region="ap-southeast-7").describe_vpcs()["Vpcs"], [])


def dry_run(case, server, ec2, world):
    """DryRun says that the request would have succeeded, or why not, and changes nothing."""
    vpc, subnets, _ = world.vpc()
    endpoint = interface(ec2, vpc, subnets[:1])
    made = endpoint["VpcEndpointId"]
    text = "Request would have succeeded, but DryRun flag is set."
    count = len(ec2.describe_vpc_endpoints()["VpcEndpoints"])
    for what, call, params in (
            ("create", ec2.create_vpc_endpoint, {"VpcEndpointType": "Interface", "VpcId": vpc, "SubnetIds": subnets,
                                                 "ServiceName": f"com.amazonaws.{REGION}.sns"}),
            ("modify", ec2.modify_vpc_endpoint, {"VpcEndpointId": made, "AddSubnetIds": subnets[1:]}),
            ("delete", ec2.delete_vpc_endpoints, {"VpcEndpointIds": [made]}),
            ("describe", ec2.describe_vpc_endpoints, {}),
            ("create a VPC", ec2.create_vpc, {"CidrBlock": "127.250.0.0/16"})):
        refused(case, f"DryRun of {what}", error_of(call, DryRun=True, **params), "DryRunOperation", text)
    refused(case, "DryRun of what would fail", error_of(
        ec2.modify_vpc_endpoint, DryRun=True, VpcEndpointId="vpce-0123456789abcdef0", PrivateDnsEnabled=False),
        "InvalidVpcEndpointId.NotFound")
    case.equal("the endpoint after the dry runs", describe(ec2, made)["SubnetIds"], subnets[:1])
    case.equal("endpoints after the dry runs", len(ec2.describe_vpc_endpoints()["VpcEndpoints"]), count)


def client_tokens(case, server, ec2, world):
    vpc, subnets, _ = world.vpc()
    first = interface(ec2, vpc, subnets, "kms", ClientToken="token-1")
    again = interface(ec2, vpc, subnets, "kms", ClientToken="token-1")
    case.equal("the same token twice", again["VpcEndpointId"], first["VpcEndpointId"])
    ec2.create_tags(Resources=[first["VpcEndpointId"]], Tags=[{"Key": "since", "Value": "then"}])
    again = interface(ec2, vpc, subnets, "kms", ClientToken="token-1")
    case.equal("it is shown as it is now", (again["Tags"], again["State"]), ([{"Key": "since", "Value": "then"}], describe(ec2, first["VpcEndpointId"])["State"]))
    refused(case, "the token with other parameters", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.ssm",
        SubnetIds=subnets, ClientToken="token-1"), "IdempotentParameterMismatch")
    other = interface(ec2, vpc, subnets, "ssm", ClientToken="token-2")
    case.check(other["VpcEndpointId"] != first["VpcEndpointId"], "another token made no other endpoint")

    def together(_):
        with server.raw() as raw:
            return make_endpoint(raw, vpc, "sts", subnets, ClientToken="token-3")["vpcEndpointId"]

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(together, range(8)))
    case.equal("endpoints of one token in eight requests at once", len(made), 1)
    service = [ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[ELB], ClientToken="token-4")
               ["ServiceConfiguration"]["ServiceId"] for _ in range(2)]
    case.equal("services of one token", len(set(service)), 1)


def quota(case, server, ec2, world):
    """50 interface endpoints in a VPC, the quota of a new account (aws.md 3.7)."""
    vpc, subnets, _ = world.vpc()
    for _ in range(50):
        make_endpoint(world.raw, vpc, "sqs", subnets[:1], PrivateDnsEnabled=False)
    refused(case, "the 51st endpoint of a VPC", error_of(
        ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=subnets[:1],
        ServiceName=f"com.amazonaws.{REGION}.sqs", PrivateDnsEnabled=False), "VpcEndpointLimitExceeded",
        "The maximum number of VPC endpoints has been reached.")

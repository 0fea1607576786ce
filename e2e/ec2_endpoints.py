"""Endpoints of all types and Regions, and what the calls around them show: Resource, ServiceNetwork, cross-Region, payer, instances.

boto3 makes resource endpoints and sees their associations, whose names dig finds; an endpoint of one Region to a service of another;
a service that its owner pays for; instances out of the AWS CLI's outputs; interfaces, prefix lists, CIDR blocks, a default VPC, egress
rules, public DNS fallback of zones.
"""

import http.client
import re

from support import awstools
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server
from support.scenario import ELB, World, describe, refused
from support.server import Upstream
from support.upstream import public_address

RESOURCE = "arn:aws:vpc-lattice:us-east-1:111122223333:resourceconfiguration/rcfg-0123456789abcdef0"
NETWORK = "arn:aws:vpc-lattice:us-east-1:111122223333:servicenetwork/sn-0123456789abcdef0"
OUTPUTS = '''{"Vpcs": [{"VpcId": "vpc-0ddddddddddddddd1", "CidrBlock": "127.99.0.0/16", "Region": "us-east-1"}]}
{"VpcId": "vpc-0ddddddddddddddd1", "EnableDnsHostnames": {"Value": true}}
{"Subnets": [{"SubnetId": "subnet-0ddddddddddddddd1", "VpcId": "vpc-0ddddddddddddddd1", "AvailabilityZone": "us-east-1a", "CidrBlock": "127.99.1.0/24"}]}
{"Reservations": [{"ReservationId": "r-1", "OwnerId": "1", "Instances": [{"InstanceId": "i-0123456789abcdef0", "VpcId": "vpc-0ddddddddddddddd1",
  "SubnetId": "subnet-0ddddddddddddddd1", "NetworkInterfaces": [{"NetworkInterfaceId": "eni-0ddddddddddddddd1", "SubnetId": "subnet-0ddddddddddddddd1",
  "VpcId": "vpc-0ddddddddddddddd1", "PrivateIpAddress": "127.99.1.40", "PrivateDnsName": "ip-127-99-1-40.ec2.internal",
  "Attachment": {"DeviceIndex": 0}}]}]}]}
'''


def run(case):
    awstools.need("boto3")
    case.write("zones/outputs.json", OUTPUTS)
    server = Ec2Server(case, forward=Upstream(case).target)
    ec2 = awstools.client(server)
    world = World(server)
    for scenario in (resources, networks, cross_region, payer, instances, surroundings, rules, nothing, zones):
        scenario(case, server, ec2, world)
    after_a_restart(case, server, ec2)


def resources(case, server, ec2, world):
    vpc, (a, b), inside = world.vpc()
    made = ec2.create_vpc_endpoint(VpcEndpointType="Resource", VpcId=vpc, ResourceConfigurationArn=RESOURCE, SubnetIds=[a, b],
                                   PrivateDnsEnabled=True, ClientToken="r1",
                                   DnsOptions={"PrivateDnsPreference": "SPECIFIED_DOMAINS_ONLY",
                                               "PrivateDnsSpecifiedDomains": ["db.partner.example"]})["VpcEndpoint"]
    again = ec2.create_vpc_endpoint(VpcEndpointType="Resource", VpcId=vpc, ResourceConfigurationArn=RESOURCE, SubnetIds=[a, b],
                                    PrivateDnsEnabled=True, ClientToken="r1",
                                    DnsOptions={"PrivateDnsPreference": "SPECIFIED_DOMAINS_ONLY",
                                                "PrivateDnsSpecifiedDomains": ["db.partner.example"]})["VpcEndpoint"]
    case.equal("the same token", again["VpcEndpointId"], made["VpcEndpointId"])
    seen = describe(ec2, made["VpcEndpointId"])
    case.equal("as it is described", (seen["VpcEndpointType"], seen["ResourceConfigurationArn"], seen.get("DnsEntries", []),
                                      "ServiceName" in seen, seen["DnsOptions"]["PrivateDnsSpecifiedDomains"]),
               ("Resource", RESOURCE, [], False, ["db.partner.example"]))
    found = ec2.describe_vpc_endpoint_associations(VpcEndpointIds=[made["VpcEndpointId"]])["VpcEndpointAssociations"]
    case.equal("associations", [(one["AssociatedResourceArn"], one["PrivateDnsEntry"]["DnsName"]) for one in found],
               [(RESOURCE, "db.partner.example")])
    name = found[0]["DnsEntry"]["DnsName"]
    case.check(name.startswith(f"{made['VpcEndpointId']}.rcfg-0123456789abcdef0.") and name.endswith(".vpc-lattice-rsc.us-east-1.on.aws"),
               "the name of an association", name)
    wanted = sorted(nic["PrivateIpAddress"] for nic in
                    ec2.describe_network_interfaces(NetworkInterfaceIds=seen["NetworkInterfaceIds"])["NetworkInterfaces"])
    case.equal("its addresses, for everybody", sorted(server.addresses(name)[1]), wanted)
    case.equal("its private name, inside", sorted(server.addresses("db.partner.example", source=inside)[1]), wanted)
    case.equal("and nowhere else", server.addresses("db.partner.example")[1], [public_address("db.partner.example")])
    for filters, count in (([("associated-resource-id", "rcfg-0123456789abcdef0")], 1), ([("associated-resource-id", "rcfg-1")], 0),
                           ([("association-id", found[0]["Id"])], 1), ([("associated-resource-accessibility", "Accessible")], 1)):
        got = ec2.describe_vpc_endpoint_associations(Filters=[{"Name": key, "Values": [value]} for key, value in filters])
        case.equal(f"associations by {filters}", len(got["VpcEndpointAssociations"]), count)
    ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], PrivateDnsEnabled=False, RemoveSubnetIds=[b])
    case.equal("private DNS off", server.addresses("db.partner.example", source=inside)[1], [public_address("db.partner.example")])
    case.equal("one subnet less", len(server.addresses(name)[1]), 1)
    for what, params, code in (
            ("a service network's ARN", {"ServiceNetworkArn": NETWORK}, "InvalidParameterCombination"),
            ("no ARN", {}, "MissingParameter"),
            ("an ARN of something else", {"ResourceConfigurationArn": ELB}, "InvalidParameterValue"),
            ("a service name", {"ResourceConfigurationArn": RESOURCE, "ServiceName": "com.amazonaws.us-east-1.sqs"}, "InvalidParameter"),
            ("a preference that is none", {"ResourceConfigurationArn": RESOURCE, "DnsOptions": {"PrivateDnsPreference": "SOME"}},
             "InvalidParameterValue"),
            ("a policy", {"ResourceConfigurationArn": RESOURCE, "PolicyDocument": "{}"}, "InvalidParameter")):
        refused(case, what, error_of(ec2.create_vpc_endpoint, VpcEndpointType="Resource", VpcId=vpc, SubnetIds=[a], **params), code)
    case.equal("deleted", ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])["Unsuccessful"], [])
    case.equal("its name is gone", server.addresses(name)[1], [public_address(name)])
    case.equal("its association too", ec2.describe_vpc_endpoint_associations()["VpcEndpointAssociations"], [])


def networks(case, _, ec2, world):
    vpc, (a, b), _ = world.vpc()
    made = ec2.create_vpc_endpoint(VpcEndpointType="ServiceNetwork", VpcId=vpc, ServiceNetworkArn=NETWORK, SubnetIds=[a, b])["VpcEndpoint"]
    seen = describe(ec2, made["VpcEndpointId"])
    case.equal("a service network's endpoint", (seen["VpcEndpointType"], seen["ServiceNetworkArn"], len(seen["SubnetIds"])),
               ("ServiceNetwork", NETWORK, 2))
    nics = ec2.describe_network_interfaces(NetworkInterfaceIds=seen["NetworkInterfaceIds"])["NetworkInterfaces"]
    taken = nics[0]["PrivateIpAddress"]
    refused(case, "its address again", error_of(ec2.create_network_interface, SubnetId=nics[0]["SubnetId"], PrivateIpAddress=taken),
            "InvalidIPAddress.InUse")
    by_type = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-endpoint-type", "Values": ["ServiceNetwork"]}])["VpcEndpoints"]
    case.equal("found by its type", [one["VpcEndpointId"] for one in by_type], [made["VpcEndpointId"]])
    case.equal("deleted", ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])["Unsuccessful"], [])
    ec2.create_network_interface(SubnetId=nics[0]["SubnetId"], PrivateIpAddress=taken)


def cross_region(case, server, ec2, world):
    """An endpoint in us-east-1 to a service of AWS in eu-west-1, and to a provider's there."""
    vpc, subnets, inside = world.vpc()
    made = ec2.create_vpc_endpoint(VpcEndpointType="Interface", VpcId=vpc, SubnetIds=subnets, ServiceRegion="eu-west-1",
                                   ServiceName="com.amazonaws.eu-west-1.sqs")["VpcEndpoint"]
    seen = describe(ec2, made["VpcEndpointId"])
    case.equal("the service's Region", seen["ServiceRegion"], "eu-west-1")
    own = [entry["DnsName"] for entry in seen["DnsEntries"] if entry["DnsName"].startswith("vpce-")]
    case.equal("regional names only", len(own), 1, seen["DnsEntries"])
    case.equal("its name", len(server.addresses(own[0])[1]), 2)
    case.equal("its private name", len(server.addresses("sqs.eu-west-1.amazonaws.com", source=inside)[1]), 2)
    refused(case, "without saying so", error_of(ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=subnets,
                                                ServiceName="com.amazonaws.eu-west-1.sns"), "InvalidServiceName")
    refused(case, "a Region that is none", error_of(ec2.create_vpc_endpoint, VpcEndpointType="Interface", VpcId=vpc, SubnetIds=subnets,
                                                    ServiceRegion="eu-west-9", ServiceName="com.amazonaws.eu-west-9.sns"),
            "InvalidParameterValue")
    far = awstools.client(server, region="eu-west-1")
    arn = ELB.replace(REGION, "eu-west-1")
    service = far.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn], AcceptanceRequired=False)["ServiceConfiguration"]
    params = {"VpcEndpointType": "Interface", "VpcId": vpc, "SubnetIds": subnets, "ServiceRegion": "eu-west-1",
              "ServiceName": service["ServiceName"]}
    refused(case, "a provider that is near only", error_of(ec2.create_vpc_endpoint, **params), "InvalidServiceName")
    far.modify_vpc_endpoint_service_configuration(ServiceId=service["ServiceId"], AddSupportedRegions=[REGION])
    shown = far.describe_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])["ServiceConfigurations"][0]
    case.equal("its Regions", ([one["Region"] for one in shown["SupportedRegions"]], shown["RemoteAccessEnabled"]),
               (["eu-west-1", REGION], True))
    listed = ec2.describe_vpc_endpoint_services(ServiceRegions=["eu-west-1"], ServiceNames=[service["ServiceName"]])["ServiceDetails"]
    case.equal("listed from afar", [(one["ServiceName"], one["ServiceRegion"]) for one in listed], [(service["ServiceName"], "eu-west-1")])
    made = ec2.create_vpc_endpoint(**params)["VpcEndpoint"]
    names = [entry["DnsName"] for entry in describe(ec2, made["VpcEndpointId"])["DnsEntries"]]
    case.equal("an endpoint to it", len(server.addresses(names[0])[1]), 2)


def payer(case, _, ec2, __):
    service = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[ELB])["ServiceConfiguration"]
    case.check("PayerResponsibility" not in service, "a payer at first", service)
    ec2.modify_vpc_endpoint_service_payer_responsibility(ServiceId=service["ServiceId"], PayerResponsibility="ServiceOwner")
    shown = ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])["ServiceConfigurations"][0]
    case.equal("the payer", shown["PayerResponsibility"], "ServiceOwner")
    listed = ec2.describe_vpc_endpoint_services(ServiceNames=[service["ServiceName"]])["ServiceDetails"][0]
    case.equal("as consumers see it", listed["PayerResponsibility"], "ServiceOwner")
    refused(case, "another payer", error_of(ec2.modify_vpc_endpoint_service_payer_responsibility, ServiceId=service["ServiceId"],
                                            PayerResponsibility="Somebody"), "InvalidParameterValue")


def instances(case, _, ec2, __):
    found = ec2.describe_instances()["Reservations"]
    case.equal("instances of files", [(one["InstanceId"], one["PrivateIpAddress"], one["PrivateDnsName"], one["State"]["Name"],
                                       [nic["NetworkInterfaceId"] for nic in one["NetworkInterfaces"]])
                                      for reservation in found for one in reservation["Instances"]],
               [("i-0123456789abcdef0", "127.99.1.40", "ip-127-99-1-40.ec2.internal", "running", ["eni-0ddddddddddddddd1"])])
    for name, value, count in (("instance-id", "i-0123456789abcdef0", 1), ("private-ip-address", "127.99.1.4*", 1), ("vpc-id", "vpc-0", 0),
                               ("instance-state-name", "running", 1), ("image-id", "*", 0), ("private-dns-name", "ip-*", 1)):
        found = ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])["Reservations"]
        case.equal(f"instances by {name}", len(found), count)
    refused(case, "an instance that is not there", error_of(ec2.describe_instances, InstanceIds=["i-0000000000000000a"]),
            "InvalidInstanceID.NotFound")
    case.equal("by its id", len(ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"])["Reservations"]), 1)


def surroundings(case, server, ec2, world):
    """Interfaces, prefix lists, more blocks, the default VPC, and the main route table."""
    vpc, (a, _), _ = world.vpc()
    made = ec2.create_network_interface(SubnetId=a, Description="host")["NetworkInterface"]
    name = made["PrivateDnsName"]
    case.equal("an interface has a name", server.addresses(name, source=made["PrivateIpAddress"])[1], [made["PrivateIpAddress"]])
    ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])
    refused(case, "deleted twice", error_of(ec2.delete_network_interface, NetworkInterfaceId=made["NetworkInterfaceId"]),
            "InvalidNetworkInterfaceID.NotFound")
    lists = ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-east-1.s3"]}])
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=lists["PrefixLists"][0]["PrefixListId"])["Entries"]
    case.check(isinstance(entries, list), "entries of a prefix list", entries)
    refused(case, "a list that is not there", error_of(ec2.get_managed_prefix_list_entries, PrefixListId="pl-00000000"),
            "InvalidPrefixListID.NotFound")
    block = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="127.211.0.0/16")["CidrBlockAssociation"]
    blocks = [one["CidrBlock"] for one in ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlockAssociationSet"]]
    case.check("127.211.0.0/16" in blocks, "a second block", blocks)
    ec2.disassociate_vpc_cidr_block(AssociationId=block["AssociationId"])
    default = ec2.create_default_vpc()["Vpc"]
    case.check(default["IsDefault"] and len(ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [default["VpcId"]]}])["Subnets"]) > 1,
               "the default VPC has subnets", default)
    tables = ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}, {"Name": "vpc-id", "Values": [vpc]}])
    case.equal("a main route table", len(tables["RouteTables"]), 1)


def rules(case, _, ec2, world):
    """Egress rules of a security group, and their descriptions."""
    vpc, _, _ = world.vpc()
    group = ec2.create_security_group(GroupName="out", Description="out", VpcId=vpc)["GroupId"]
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    made = ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[{**https, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}])
    case.equal("an egress rule", [(one["IsEgress"], one["CidrIpv4"]) for one in made["SecurityGroupRules"]], [(True, "10.0.0.0/8")])
    refused(case, "the same once more", error_of(ec2.authorize_security_group_egress, GroupId=group, IpPermissions=[
        {**https, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]), "InvalidPermission.Duplicate")
    ec2.update_security_group_rule_descriptions_egress(GroupId=group, IpPermissions=[
        {**https, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "inside"}]}])
    seen = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    case.equal("its description", [one["IpRanges"] for one in seen if one["IpProtocol"] == "tcp"],
               [[{"CidrIp": "10.0.0.0/8", "Description": "inside"}]])


def nothing(case, _, ec2, __):
    """Kinds that do not exist here are empty lists, whatever is asked for."""
    for method, key in (("describe_addresses", "Addresses"), ("describe_egress_only_internet_gateways", "EgressOnlyInternetGateways"),
                        ("describe_flow_logs", "FlowLogs"), ("describe_vpn_gateways", "VpnGateways"),
                        ("describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments")):
        filters = "Filter" if method == "describe_flow_logs" else "Filters"
        case.equal(method, getattr(ec2, method)(**{filters: [{"Name": "vpc-id", "Values": ["vpc-0"]}]})[key], [])


def zones(case, server, ec2, world):
    """Public DNS fallback of a zone, tags of several zones, the priority of a Profile's VPC."""
    route53, profiles = (awstools.client(server, service=name) for name in ("route53", "route53profiles"))
    vpc, _, inside = world.vpc()
    zone = route53.create_hosted_zone(Name="fallback.example", CallerReference="1", VPC={"VPCId": vpc, "VPCRegion": REGION})["HostedZone"]
    ident, unknown = zone["Id"].rsplit("/", 1)[-1], "www.fallback.example"
    case.equal("fallback at first", status(server, ident), "DISABLED")
    case.equal("an unknown name without it", (server.ask(unknown, source=inside).rcode, server.addresses(unknown, source=inside)[1]), ("NXDOMAIN", []))
    case.equal("a dry run", features(server, ident, EnablePublicDNSFallback="true", DryRun="true"), 200)
    case.equal("a dry run changes nothing", server.ask(unknown, source=inside).rcode, "NXDOMAIN")
    case.equal("on", features(server, ident, EnablePublicDNSFallback="true"), 200)
    case.equal("an unknown name with it", server.addresses(unknown, source=inside)[1], [public_address(unknown)])
    case.equal("as it is shown", status(server, ident), "ENABLED")
    case.equal("off", features(server, ident, EnablePublicDNSFallback="false"), 200)
    case.equal("an unknown name again", server.ask(unknown, source=inside).rcode, "NXDOMAIN")
    case.equal("another feature", features(server, ident, EnableAcceleratedRecovery="true"), 400)
    case.equal("a value that is none", features(server, ident, EnablePublicDNSFallback="maybe"), 400)
    made = rest(server, "POST", "/hostedzone", f"<CreateHostedZoneRequest><Name>tagged.example</Name><VPC><VPCRegion>{REGION}</VPCRegion><VPCId>{vpc}</VPCId></VPC>"
                "<CallerReference>2</CallerReference><EnablePublicDNSFallback>true</EnablePublicDNSFallback></CreateHostedZoneRequest>")[1]
    other = {"Id": re.search("/hostedzone/(Z[A-Z0-9]+)<", made)[1]}
    case.equal("fallback from the start", status(server, other["Id"]), "ENABLED")
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=ident, AddTags=[{"Key": "a", "Value": "b"}])
    both = [ident, other["Id"].rsplit("/", 1)[-1]]
    seen = route53.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=both)["ResourceTagSets"]
    case.equal("tags of two zones", [(one["ResourceId"], one["Tags"]) for one in seen], [(both[0], [{"Key": "a", "Value": "b"}]), (both[1], [])])
    refused(case, "a latency record of no Region", error_of(route53.change_resource_record_sets, HostedZoneId=ident, ChangeBatch={"Changes": [
        {"Action": "CREATE", "ResourceRecordSet": {"Name": "l.fallback.example", "Type": "A", "TTL": 60, "SetIdentifier": "x", "Region": "us-east-9",
                                                   "ResourceRecords": [{"Value": "10.0.0.1"}]}}]}), "InvalidInput")
    profile = profiles.create_profile(Name="p", ClientToken="1")["Profile"]["Id"]
    made = profiles.associate_profile(ProfileId=profile, ResourceId=vpc, Name="p")["ProfileAssociation"]
    if hasattr(profiles, "update_profile_association"):
        profiles.update_profile_association(ProfileAssociationId=made["Id"], Priority=200)
        case.equal("a priority", profiles.get_profile_association(ProfileAssociationId=made["Id"])["ProfileAssociation"]["Priority"], 200)
    profiles.disassociate_profile(ProfileId=profile, ResourceId=vpc)


def rest(server, method, path, body=""):
    """(status, body) of a call of Route 53, in words that older SDKs do not have."""
    connection = http.client.HTTPConnection(*server.api, timeout=10)
    scope = f"test/20260101/{REGION}/route53/aws4_request"
    connection.request(method, f"/2013-04-01{path}", body, {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, text


def features(server, zone, **members):
    """The status of an UpdateHostedZoneFeatures call."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
    return rest(server, "POST", f"/hostedzone/{zone}/features", f"<UpdateHostedZoneFeaturesRequest>{inner}</UpdateHostedZoneFeaturesRequest>")[0]


def status(server, zone):
    return re.search("<PublicDNSFallbackStatus>(.*?)<", rest(server, "GET", f"/hostedzone/{zone}")[1])[1]


def after_a_restart(case, server, ec2):
    before = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    server.stop()
    after_server = Ec2Server(case)
    after = awstools.client(after_server).describe_vpc_endpoints()["VpcEndpoints"]
    case.equal("after a restart", [{**one, "State": ""} for one in after], [{**one, "State": ""} for one in before])

"""Resolver endpoints, configurations and query logs over Route 53 Resolver's API; an inbound endpoint answers at its listener."""

import json

from support import awstools, dns
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server, access_keys
from support.server import Upstream, free_port

KEYS = (("AKIAHUB", "hub-secret", "111111111111", ["*", "vpcedns:*"]),
        ("AKIASPOKE", "spoke-secret", "222222222222", ["*"]))
ADDRESS = "203.0.113.78"


def run(case):
    awstools.need("boto3", "botocore")
    keys = access_keys(case, *KEYS)
    server = Ec2Server(case, "--ec2-keys", keys, "--forward-special", ".", http=True)
    upstream = Upstream(case, flags=["--address", f"db.onprem.example={ADDRESS}"])
    hub, spoke = account(server, "AKIAHUB", "hub-secret"), account(server, "AKIASPOKE", "spoke-secret")
    world = World(hub["ec2"], "127.31.0.0/16")
    inbound, listener = inbound_endpoint(case, server, hub, world)
    outbound = outbound_endpoint(case, server, hub["route53resolver"], world, upstream)
    addresses(case, hub, world, outbound)
    configs(case, server, hub["route53resolver"], world)
    query_logs(case, hub["route53resolver"], world)
    firewall(case, hub["route53resolver"])
    others(case, server, spoke, world, outbound)
    refusals(case, hub["route53resolver"], world, outbound, listener)
    server.process.kill()
    server.process.wait()
    server = Ec2Server(case, "--ec2-keys", keys, "--forward-special", ".", http=True)
    ends(case, server, account(server, "AKIAHUB", "hub-secret"), world, inbound, outbound, listener)


def account(server, key, secret, region=REGION):
    return {name: awstools.client(server, key=key, secret=secret, service=name, region=region)
            for name in ("ec2", "route53", "route53resolver")}


class World:
    """A VPC with two subnets and a security group."""

    def __init__(self, ec2, block):
        self.vpc = ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.net = ".".join(block.split(".")[:2])
        self.client = f"{self.net}.9.9"
        self.subnets = [ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"{self.net}.{n}.0/24",
                                          AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
                        for n, zone in ((1, "a"), (2, "b"))]
        self.group = ec2.create_security_group(GroupName="dns", Description="dns", VpcId=self.vpc)["GroupId"]

    def wanted(self, *ips):
        """Two addresses, chosen or not."""
        ips = ips or (None, None)
        return [{"SubnetId": subnet} | ({"Ip": ip} if ip else {}) for subnet, ip in zip(self.subnets, ips)]

    def asked(self, request, direction, **more):
        return {"CreatorRequestId": request, "Direction": direction, "SecurityGroupIds": [self.group],
                "IpAddresses": self.wanted(), **more}


def inbound_endpoint(case, server, hub, world):
    """On premises asks at the listener as a client of the VPC; without the tag the endpoint is a record."""
    client = hub["route53resolver"]
    listener = ("127.0.0.31", free_port("127.0.0.31"))
    there = {"VPCId": world.vpc, "VPCRegion": REGION}
    zone = hub["route53"].create_hosted_zone(Name="corp.example", CallerReference="c", VPC=there)["HostedZone"]["Id"]
    record = {"Name": "www.corp.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.80"}]}
    hub["route53"].change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]})
    asked = world.asked("in", "INBOUND", Name="from on premises", IpAddresses=world.wanted("127.31.1.10", "127.31.2.10"))
    made = client.create_resolver_endpoint(**asked)["ResolverEndpoint"]
    inbound = made["Id"]
    case.equal("an endpoint", {key: made[key] for key in made if not key.endswith("Time")}, {
        "Id": inbound, "CreatorRequestId": "in", "Arn": f"arn:aws:route53resolver:{REGION}:111111111111:resolver-endpoint/{inbound}",
        "Name": "from on premises", "SecurityGroupIds": [world.group], "Direction": "INBOUND", "IpAddressCount": 2,
        "HostVPCId": world.vpc, "Status": "OPERATIONAL", "StatusMessage": "This Resolver Endpoint is operational.",
        "ResolverEndpointType": "IPV4", "Protocols": ["Do53"]})
    case.check(inbound.startswith("rslvr-in-"), "the id of an inbound endpoint", inbound)
    case.equal("the same call again", client.create_resolver_endpoint(**asked)["ResolverEndpoint"]["Id"], inbound)
    error = error_of(client.create_resolver_endpoint, **asked | {"Name": "other"})
    case.check(error and error[0] == "ResourceExistsException", f"another call with the same id: {error}")
    tag = [{"Key": "vpcedns:listener", "Value": f"{listener[0]}:{listener[1]}"}]
    client.tag_resource(ResourceArn=made["Arn"], Tags=tag)
    case.equal("asked at the listener", at(server, listener, "www.corp.example"), ("NOERROR", ["10.0.0.80"]))
    client.untag_resource(ResourceArn=made["Arn"], TagKeys=["vpcedns:listener"])
    case.check(at(server, listener, "www.corp.example") is None, "the listener is open without its tag")
    client.tag_resource(ResourceArn=made["Arn"], Tags=tag)
    case.equal("and again", at(server, listener, "www.corp.example"), ("NOERROR", ["10.0.0.80"]))
    return inbound, listener


def at(server, listener, name):
    """(rcode, addresses) of a name at a listener; None where nobody listens."""
    try:
        seen = dns.decode(dns.exchange_udp(listener, dns.question(1, name, "A"), timeout=2, tries=1))
    except (TimeoutError, ConnectionError):
        return None
    return seen.rcode, sorted(dns.show_rdata(record) for record in seen.answer if record.type == 1)


def outbound_endpoint(case, server, client, world, upstream):
    """A FORWARD rule that names an outbound endpoint, as Terraform's does."""
    outbound = client.create_resolver_endpoint(**world.asked("out", "OUTBOUND", Name="out"))["ResolverEndpoint"]["Id"]
    case.check(outbound.startswith("rslvr-out-"), "the id of an outbound endpoint", outbound)
    address, port = upstream.target.rsplit(":", 1)
    rule = client.create_resolver_rule(CreatorRequestId="rule", RuleType="FORWARD", DomainName="onprem.example",
                                       ResolverEndpointId=outbound, TargetIps=[{"Ip": address, "Port": int(port)}])
    rule = rule["ResolverRule"]["Id"]
    client.associate_resolver_rule(ResolverRuleId=rule, VPCId=world.vpc)
    case.equal("forwarded", server.addresses("db.onprem.example", source=world.client), ("NOERROR", [ADDRESS]))
    listed = client.list_resolver_endpoint_ip_addresses(ResolverEndpointId=outbound)["IpAddresses"]
    said = json.loads(server.get(f"/v1/explain?name=db.onprem.example&from={world.client}")[1])
    case.equal("asked from", said["forwarded_to"], [f"{upstream.target} from {' or '.join(sorted(one['Ip'] for one in listed))}"], said)
    # the blocks of this VPC are loopback addresses, so that they are on this host
    case.equal("it is", [one["source_missing"] for one in said["upstreams"]], [False], said)
    found = client.list_resolver_rules(Filters=[{"Name": "ResolverEndpointId", "Values": [outbound]}])["ResolverRules"]
    case.equal("rules of the endpoint", [one["Id"] for one in found], [rule])
    error = error_of(client.delete_resolver_endpoint, ResolverEndpointId=outbound)
    case.check(error and error[0] == "InvalidRequestException" and "[RSLVR-00600]" in error[1] and rule in error[1],
               f"an endpoint with rules: {error}")
    return outbound


def addresses(case, hub, world, outbound):
    """Addresses are interfaces of the VPC: chosen or found, more and fewer, of both families."""
    client, ec2 = hub["route53resolver"], hub["ec2"]
    listed = client.list_resolver_endpoint_ip_addresses(ResolverEndpointId=outbound)["IpAddresses"]
    case.equal("addresses", [(one["SubnetId"], one["Status"]) for one in sorted(listed, key=lambda it: it["Ip"])],
               [(subnet, "ATTACHED") for subnet in world.subnets])
    cards = ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [world.vpc]}])["NetworkInterfaces"]
    of_endpoint = [card for card in cards if card["Description"].startswith(f"Route 53 Resolver: {outbound}:rni-")]
    case.equal("interfaces", sorted(card["PrivateIpAddress"] for card in of_endpoint), sorted(one["Ip"] for one in listed))
    case.check(all(card["RequesterManaged"] and card["Status"] == "in-use" for card in of_endpoint), "who has them")
    error = error_of(ec2.delete_network_interface, NetworkInterfaceId=of_endpoint[0]["NetworkInterfaceId"])
    case.check(error and error[0] == "AuthFailure", f"an interface of Resolver's: {error}")
    more = client.associate_resolver_endpoint_ip_address(
        ResolverEndpointId=outbound, IpAddress={"SubnetId": world.subnets[0], "Ip": f"{world.net}.1.77"})
    case.equal("one more", more["ResolverEndpoint"]["IpAddressCount"], 3)
    error = error_of(ec2.create_network_interface, SubnetId=world.subnets[0], PrivateIpAddress=f"{world.net}.1.77")
    case.check(error and error[0] == "InvalidIPAddress.InUse", f"its address for another: {error}")
    fewer = client.disassociate_resolver_endpoint_ip_address(
        ResolverEndpointId=outbound, IpAddress={"SubnetId": world.subnets[0], "Ip": f"{world.net}.1.77"})
    case.equal("one fewer", fewer["ResolverEndpoint"]["IpAddressCount"], 2)
    for asked, code in (({"IpId": listed[0]["IpId"]}, "[RSLVR-00506]"), ({"SubnetId": world.subnets[0]}, "[RSLVR-00503]")):
        error = error_of(client.disassociate_resolver_endpoint_ip_address, ResolverEndpointId=outbound, IpAddress=asked)
        case.check(error and error[0] == "InvalidRequestException" and code in error[1], f"{asked}: {error}")
    renamed = client.update_resolver_endpoint(ResolverEndpointId=outbound, Name="renamed", Protocols=["Do53", "DoH"],
                                              Dns64Enabled=True)["ResolverEndpoint"]
    case.equal("updated", (renamed["Name"], sorted(renamed["Protocols"]), renamed["Dns64Enabled"]),
               ("renamed", ["Do53", "DoH"], True))
    other = World(ec2, "127.32.0.0/16")
    ec2.associate_vpc_cidr_block(VpcId=other.vpc, Ipv6CidrBlock="fd00:32::/56")
    subnets = [ec2.create_subnet(VpcId=other.vpc, CidrBlock=f"127.32.{n}.0/24", Ipv6CidrBlock=f"fd00:32:0:{n}::/64")
               for n in (3, 4)]
    subnets = [one["Subnet"]["SubnetId"] for one in subnets]
    both = client.create_resolver_endpoint(CreatorRequestId="both", Direction="OUTBOUND", SecurityGroupIds=[other.group],
                                           ResolverEndpointType="IPV4",
                                           IpAddresses=[{"SubnetId": subnet} for subnet in subnets])["ResolverEndpoint"]
    one = client.list_resolver_endpoint_ip_addresses(ResolverEndpointId=both["Id"])["IpAddresses"][0]
    wanted = [{"IpId": one["IpId"], "Ipv6": "fd00:32:0:3::53" if one["SubnetId"] == subnets[0] else "fd00:32:0:4::53"}]
    both = client.update_resolver_endpoint(ResolverEndpointId=both["Id"], ResolverEndpointType="DUALSTACK",
                                           UpdateIpAddresses=wanted)["ResolverEndpoint"]
    listed = client.list_resolver_endpoint_ip_addresses(ResolverEndpointId=both["Id"])["IpAddresses"]
    case.check(both["ResolverEndpointType"] == "DUALSTACK" and all(one["Ip"] and one["Ipv6"] for one in listed),
               "both families", listed)
    case.check(any(one["Ipv6"] == wanted[0]["Ipv6"] for one in listed), "the address that was wanted", listed)
    error = error_of(ec2.delete_subnet, SubnetId=subnets[0])
    case.check(error and error[0] == "DependencyViolation", f"a subnet with an endpoint: {error}")
    client.delete_resolver_endpoint(ResolverEndpointId=both["Id"])
    ec2.delete_subnet(SubnetId=subnets[0])


def configs(case, server, client, world):
    """Reverse zones of the VPC's own come and go, and so does validation."""
    name = "9.0.31.127.in-addr.arpa"
    case.equal("a reverse name", server.ask(name, "PTR", source=world.client).rcode, "NXDOMAIN")
    config = client.get_resolver_config(ResourceId=world.vpc)["ResolverConfig"]
    case.equal("from the beginning", (config["AutodefinedReverse"], config["OwnerId"]), ("ENABLED", "111111111111"))
    config = client.update_resolver_config(ResourceId=world.vpc, AutodefinedReverseFlag="DISABLE")["ResolverConfig"]
    case.equal("disabled", config["AutodefinedReverse"], "DISABLED")
    case.equal("asked of others", server.ask(name, "PTR", source=world.client).rcode, "REFUSED")
    # Terraform looks for its id in the list
    listed = client.list_resolver_configs()["ResolverConfigs"]
    case.check(config in listed, "the configuration is not listed", listed)
    dnssec = client.update_resolver_dnssec_config(ResourceId=world.vpc, Validation="ENABLE")["ResolverDNSSECConfig"]
    case.equal("DNSSEC", (dnssec["ValidationStatus"], dnssec["ResourceId"]), ("ENABLED", world.vpc))
    case.equal("got", client.get_resolver_dnssec_config(ResourceId=world.vpc)["ResolverDNSSECConfig"], dnssec)
    listed = client.list_resolver_dnssec_configs(Filters=[{"Name": "ResourceId", "Values": [world.vpc]}])
    case.equal("listed", listed["ResolverDnssecConfigs"], [dnssec])


def query_logs(case, client, world):
    made = []
    for number, destination in enumerate(("arn:aws:s3:::logs", "arn:aws:logs:us-east-1:111111111111:log-group:dns:*",
                                          "arn:aws:firehose:us-east-1:111111111111:deliverystream/dns")):
        made.append(client.create_resolver_query_log_config(Name=f"log-{number}", DestinationArn=destination,
                                                            CreatorRequestId=f"log-{number}")["ResolverQueryLogConfig"])
    case.equal("a configuration", (made[0]["Status"], made[0]["AssociationCount"], made[0]["ShareStatus"]),
               ("CREATED", 0, "NOT_SHARED"))
    link = client.associate_resolver_query_log_config(ResolverQueryLogConfigId=made[1]["Id"], ResourceId=world.vpc)
    link = link["ResolverQueryLogConfigAssociation"]
    case.equal("an association", (link["Status"], link["Error"]), ("ACTIVE", "NONE"))
    case.equal("got", client.get_resolver_query_log_config_association(
        ResolverQueryLogConfigAssociationId=link["Id"])["ResolverQueryLogConfigAssociation"], link)

    def listed(**params):
        page = client.list_resolver_query_log_configs(**params)
        return [one["Name"] for one in page["ResolverQueryLogConfigs"]], page["TotalCount"], page["TotalFilteredCount"]

    for params, names, filtered in (
            ({"SortBy": "Name", "SortOrder": "DESCENDING"}, ["log-2", "log-1", "log-0"], 3),
            ({"SortBy": "AssociationCount", "SortOrder": "DESCENDING", "MaxResults": 1}, ["log-1"], 3),
            ({"Filters": [{"Name": "Destination", "Values": ["KinesisFirehose"]}]}, ["log-2"], 1),
            ({"Filters": [{"Name": "DestinationArn", "Values": ["arn:aws:s3:::logs"]}]}, ["log-0"], 1),
            ({"Filters": [{"Name": "AssociationCount", "Values": ["1"]}]}, ["log-1"], 1)):
        case.equal(f"configurations {params}", listed(**params), (names, 3, filtered))
    links = client.list_resolver_query_log_config_associations(
        Filters=[{"Name": "ResourceId", "Values": [world.vpc]}])["ResolverQueryLogConfigAssociations"]
    case.equal("associations", links, [link])
    error = error_of(client.delete_resolver_query_log_config, ResolverQueryLogConfigId=made[1]["Id"])
    case.check(error and error[0] == "InvalidRequestException", f"a configuration in use: {error}")
    client.disassociate_resolver_query_log_config(ResolverQueryLogConfigId=made[1]["Id"], ResourceId=world.vpc)
    for one in made:
        client.delete_resolver_query_log_config(ResolverQueryLogConfigId=one["Id"])
    case.equal("none", listed(), ([], 0, 0))


def firewall(case, client):
    """DNS Firewall is not here: its lists are empty."""
    for call, member in ((client.list_firewall_configs, "FirewallConfigs"),
                         (client.list_firewall_domain_lists, "FirewallDomainLists"),
                         (client.list_firewall_rule_groups, "FirewallRuleGroups"),
                         (client.list_firewall_rule_group_associations, "FirewallRuleGroupAssociations"),
                         (client.list_outpost_resolvers, "OutpostResolvers")):
        case.equal(member, call()[member], [])


def others(case, server, spoke, world, outbound):
    """Neither another account nor another Region sees an endpoint or a configuration."""
    elsewhere = account(server, "AKIAHUB", "hub-secret", region="eu-west-1")["route53resolver"]
    for name, client in (("account", spoke["route53resolver"]), ("Region", elsewhere)):
        case.equal(f"endpoints of another {name}", client.list_resolver_endpoints()["ResolverEndpoints"], [])
        case.equal(f"configurations of another {name}", client.list_resolver_configs()["ResolverConfigs"], [])
        for call, params in ((client.get_resolver_endpoint, {"ResolverEndpointId": outbound}),
                             (client.update_resolver_endpoint, {"ResolverEndpointId": outbound, "Name": "x"}),
                             (client.delete_resolver_endpoint, {"ResolverEndpointId": outbound}),
                             (client.list_resolver_endpoint_ip_addresses, {"ResolverEndpointId": outbound}),
                             (client.get_resolver_config, {"ResourceId": world.vpc}),
                             (client.update_resolver_config, {"ResourceId": world.vpc, "AutodefinedReverseFlag": "ENABLE"})):
            error = error_of(call, **params)
            case.check(error and error[0] == "ResourceNotFoundException", f"{call.__name__} of another {name}: {error}")
    error = error_of(spoke["route53resolver"].create_resolver_rule, CreatorRequestId="r", RuleType="FORWARD",
                     DomainName="x.example", ResolverEndpointId=outbound, TargetIps=[{"Ip": "10.0.0.1"}])
    case.check(error and error[0] == "ResourceNotFoundException", f"a rule with another account's endpoint: {error}")


def refusals(case, client, world, outbound, listener):
    """Bad input: codes and texts that clients compare."""
    one = "1 validation error detected: Value"
    subnet = world.subnets[0]
    taken = client.list_resolver_endpoint_ip_addresses(ResolverEndpointId=outbound)["IpAddresses"]
    taken = next(address for address in taken if address["SubnetId"] == subnet)["Ip"]
    tag = [{"Key": "vpcedns:listener", "Value": f"{listener[0]}:{listener[1]}"}]
    for what, change, code, text in (
            ("a direction that is none", {"Direction": "in"}, "ValidationException", f"{one} 'in' at 'direction'"),
            ("no addresses", {"IpAddresses": None}, "ValidationException", f"{one} null at 'ipAddresses'"),
            ("one address", {"IpAddresses": world.wanted()[:1]}, "InvalidRequestException", "at least 2 IP addresses"),
            ("21 addresses", {"IpAddresses": world.wanted() * 11}, "ValidationException", "'ipAddresses'"),
            ("a subnet that is not there", {"IpAddresses": [{"SubnetId": "subnet-00000000"}] * 2},
             "InvalidParameterException", "The subnet ID 'subnet-00000000' does not exist"),
            ("a long subnet", {"IpAddresses": [{"SubnetId": "x" * 33}] * 2}, "ValidationException", "'ipAddresses.subnetId'"),
            ("an address outside", {"IpAddresses": world.wanted("127.31.9.1", None)}, "InvalidRequestException",
             f"[RSLVR-00405] IP address '127.31.9.1' is either not in subnet '{subnet}' CIDR range or is reserved"),
            ("a reserved address", {"IpAddresses": world.wanted("127.31.1.1", None)}, "InvalidRequestException",
             "[RSLVR-00405] IP address '127.31.1.1'"),
            ("an address in use", {"IpAddresses": world.wanted(taken, None)}, "ResourceExistsException", "already in use"),
            ("an address twice", {"IpAddresses": [{"SubnetId": subnet, "Ip": "127.31.1.99"}] * 2},
             "ResourceExistsException", "already in use"),
            ("an address that is none", {"IpAddresses": world.wanted("127.31.1.x", None)}, "InvalidParameterException",
             "Invalid IP address"),
            ("a group that is none", {"SecurityGroupIds": ["dns"]}, "InvalidParameterException",
             '[RSLVR-00408] Malformed security group ID: "Invalid id: "dns" (expecting "sg-...")".'),
            ("a group that is not there", {"SecurityGroupIds": ["sg-00000000"]}, "ResourceNotFoundException",
             "The security group 'sg-00000000' does not exist"),
            ("11 groups", {"SecurityGroupIds": [world.group] * 11}, "InvalidParameterException", "Maximum of 10"),
            ("a type that is none", {"ResolverEndpointType": "ipv4"}, "ValidationException", "'resolverEndpointType'"),
            ("IPv6 where there is none", {"ResolverEndpointType": "IPV6"}, "InvalidRequestException", "IPv6"),
            ("a protocol that is none", {"Protocols": ["DoT"]}, "ValidationException", "'protocols'"),
            ("both DoH", {"Protocols": ["DoH", "DoH-FIPS"]}, "InvalidRequestException", "DoH-FIPS"),
            ("an Outpost", {"OutpostArn": "arn:aws:outposts:us-east-1:111111111111:outpost/op-0123456789abcdef0"},
             "InvalidRequestException", "Outposts"),
            ("a listener that is taken", {"Direction": "INBOUND", "Tags": tag}, "InvalidParameterException",
             "not available"),
            ("a listener elsewhere", {"Direction": "INBOUND", "Tags": [{"Key": "vpcedns:listener", "Value": "192.0.2.1:53"}]},
             "InvalidParameterException", "--ec2-listen"),
            ("a listener that is none", {"Direction": "INBOUND", "Tags": [{"Key": "vpcedns:listener", "Value": "x"}]},
             "InvalidParameterException", "Expected ADDRESS:PORT"),
    ):
        params = world.asked("bad", "OUTBOUND") | change
        error = error_of(client.create_resolver_endpoint, **{key: value for key, value in params.items() if value is not None})
        case.check(error and (error[0], error[2]) == (code, 400) and text in error[1], f"{what}: {error}")
    for what, call, params, code, text in (
            ("no such endpoint", client.get_resolver_endpoint, {"ResolverEndpointId": "rslvr-in-1"},
             "ResourceNotFoundException", "Resolver endpoint with ID 'rslvr-in-1' does not exist"),
            ("a rule's id for an endpoint's", client.get_resolver_endpoint, {"ResolverEndpointId": "rslvr-rr-1"},
             "ResourceNotFoundException", "does not exist"),
            ("an address of no endpoint", client.disassociate_resolver_endpoint_ip_address,
             {"ResolverEndpointId": outbound, "IpAddress": {"IpId": "rni-1"}}, "ResourceNotFoundException", "no such IP"),
            ("a setting of Profiles", client.update_resolver_config,
             {"ResourceId": world.vpc, "AutodefinedReverseFlag": "USE_LOCAL_RESOURCE_SETTING"}, "InvalidRequestException",
             "Profiles"),
            ("a flag that is none", client.update_resolver_config,
             {"ResourceId": world.vpc, "AutodefinedReverseFlag": "ON"}, "ValidationException", "'autodefinedReverseFlag'"),
            ("a log that goes nowhere", client.create_resolver_query_log_config,
             {"Name": "n", "CreatorRequestId": "n", "DestinationArn": "nowhere"}, "InvalidRequestException", "nowhere"),
            ("no such log", client.get_resolver_query_log_config, {"ResolverQueryLogConfigId": "rqlc-1"},
             "ResourceNotFoundException", "rqlc-1"),
    ):
        error = error_of(call, **params)
        case.check(error and (error[0], error[2]) == (code, 400) and text in error[1], f"{what}: {error}")
    case.equal("none of them was made", client.list_resolver_endpoints(
        Filters=[{"Name": "CreatorRequestId", "Values": ["bad"]}])["ResolverEndpoints"], [])


def ends(case, server, hub, world, inbound, outbound, listener):
    """After kill -9 everything is there, and goes when it is told to."""
    client, ec2 = hub["route53resolver"], hub["ec2"]
    case.equal("the listener", at(server, listener, "www.corp.example"), ("NOERROR", ["10.0.0.80"]))
    case.equal("forwarding", server.addresses("db.onprem.example", source=world.client), ("NOERROR", [ADDRESS]))
    case.equal("the configuration", client.get_resolver_config(ResourceId=world.vpc)["ResolverConfig"]["AutodefinedReverse"],
               "DISABLED")
    found = client.list_resolver_endpoints(Filters=[{"Name": "HostVPCId", "Values": [world.vpc]},
                                                    {"Name": "DIRECTION", "Values": ["INBOUND"]}])["ResolverEndpoints"]
    case.equal("the endpoint", [(one["Id"], one["IpAddressCount"]) for one in found], [(inbound, 2)])
    error = error_of(ec2.delete_security_group, GroupId=world.group)
    case.check(error and error[0] == "DependencyViolation", f"a group of an endpoint: {error}")
    gone = client.delete_resolver_endpoint(ResolverEndpointId=inbound)["ResolverEndpoint"]
    case.equal("deleted", gone["Status"], "DELETING")
    case.check(at(server, listener, "www.corp.example") is None, "the listener of a deleted endpoint is open")
    rule = client.list_resolver_rules(Filters=[{"Name": "Type", "Values": ["FORWARD"]}])["ResolverRules"][0]["Id"]
    client.disassociate_resolver_rule(ResolverRuleId=rule, VPCId=world.vpc)
    client.delete_resolver_rule(ResolverRuleId=rule)
    client.delete_resolver_endpoint(ResolverEndpointId=outbound)
    ec2.delete_security_group(GroupId=world.group)
    case.equal("endpoints", client.list_resolver_endpoints()["ResolverEndpoints"], [])
    case.equal("no rule answers", server.addresses("db.onprem.example", source=world.client), ("REFUSED", []))

"""The estate as the AWS CLI prints it, each output held to botocore's shapes."""

from . import route53

TIME = "2026-09-09T09:09:09+00:00"
POLICY = '{\n  "Statement": [\n    {\n      "Action": "*", \n      "Effect": "Allow", \n      "Principal": "*", \n      "Resource": "*"\n    }\n  ]\n}'


def write(world, printer):
    """Writes every output of every account and Region."""
    scopes = sorted({(vpc.account, vpc.region.name) for vpc in world.vpcs})
    for account, region in scopes:
        network(world, printer, account, region)
    route53.write(world, printer, scopes)


def network(world, printer, account, region):
    where = f"{account}/{region}"
    own = [vpc for vpc in world.vpcs if (vpc.account, vpc.region.name) == (account, region)]
    guests = [vpc for vpc in world.vpcs if vpc.shared_with == account and vpc.region.name == region]
    seen = own + guests

    def ec2(operation, key, members, **options):
        printer.paged(where, "ec2", operation, key, members, **options)

    ec2("DescribeVpcs", "Vpcs", [vpc_item(vpc) for vpc in seen])
    for vpc in own:
        for attribute, on in (("EnableDnsSupport", vpc.support), ("EnableDnsHostnames", vpc.hostnames)):
            printer.one(where, "ec2", "DescribeVpcAttribute", {"VpcId": vpc.id, attribute: {"Value": on}}, f"{vpc.id}-{attribute}")
    ec2("DescribeSubnets", "Subnets", [subnet_item(subnet, account) for vpc in seen for subnet in vpc.subnets], page=50)
    mine = [endpoint for vpc in seen for endpoint in vpc.endpoints if endpoint.account == account]
    ec2("DescribeVpcEndpoints", "VpcEndpoints", [endpoint_item(endpoint) for endpoint in mine] + [gateway(vpc) for vpc in own[10:12]])
    instances = [instance for vpc in own for instance in vpc.instances]
    interfaces = [one for endpoint in mine for one in endpoint.interfaces] + [instance.interface for instance in instances]
    ec2("DescribeNetworkInterfaces", "NetworkInterfaces", [interface_item(one, account) for one in interfaces], page=40)
    ec2("DescribeInstances", "Reservations", [reservation(instance) for instance in instances], page=20)
    ec2("DescribeVpcEndpointAssociations", "VpcEndpointAssociations", [association(one) for one in mine if one.association])
    services = sorted({(one.service_name, one.service, one.base) for one in mine if one.kind == "Interface" and one.zonal})
    details = [service_item(name, base, next(e for e in mine if e.service_name == name and e.zonal)) for name, _, base in services]
    ec2("DescribeVpcEndpointServices", "ServiceDetails", details, ServiceNames=[name for name, *_ in services])


def arn(service, account, region, rest):
    return f"arn:{region.partition}:{service}:{region.name}:{account}:{rest}"


def vpc_item(vpc):
    item = {"OwnerId": vpc.account, "InstanceTenancy": "default",
            "CidrBlockAssociationSet": [{"AssociationId": f"vpc-cidr-assoc-{vpc.id[4:]}", "CidrBlock": str(vpc.block),
                                         "CidrBlockState": {"State": "associated"}}],
            "IsDefault": str(vpc.block) == "172.31.0.0/16", "VpcId": vpc.id, "State": "available", "CidrBlock": str(vpc.block),
            "DhcpOptionsId": f"dopt-{vpc.id[4:]}", "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"}}
    if vpc.block6:
        item["Ipv6CidrBlockAssociationSet"] = [{"AssociationId": f"vpc-cidr-assoc-{vpc.id[4:]}", "Ipv6CidrBlock": str(vpc.block6),
                                                "Ipv6CidrBlockState": {"State": "associated"}, "NetworkBorderGroup": vpc.region.name,
                                                "Ipv6Pool": "Amazon"}]
    return item


def subnet_item(subnet, account):
    vpc = subnet.vpc
    sets = []
    if subnet.block6:
        sets = [{"AssociationId": f"subnet-cidr-assoc-{subnet.id[7:]}", "Ipv6CidrBlock": str(subnet.block6),
                 "Ipv6CidrBlockState": {"State": "associated"}}]
    return {"AvailabilityZoneId": subnet.zone_id(), "MapCustomerOwnedIpOnLaunch": False, "OwnerId": vpc.account,
            "AssignIpv6AddressOnCreation": False, "Ipv6CidrBlockAssociationSet": sets,
            "SubnetArn": arn("ec2", vpc.account, vpc.region, f"subnet/{subnet.id}"), "EnableDns64": subnet.dns64, "Ipv6Native": False,
            "PrivateDnsNameOptionsOnLaunch": {"HostnameType": "ip-name", "EnableResourceNameDnsARecord": False,
                                              "EnableResourceNameDnsAAAARecord": False},
            "SubnetId": subnet.id, "State": "available", "VpcId": vpc.id, "CidrBlock": str(subnet.block), "AvailableIpAddressCount": 4000,
            "AvailabilityZone": subnet.zone_in(account), "DefaultForAz": str(vpc.block) == "172.31.0.0/16", "MapPublicIpOnLaunch": False}


def host_name(interface):
    """What EC2 calls an address (VPC guide, "DNS attributes for your VPC")."""
    vpc = interface.subnet.vpc
    return f"ip-{str(interface.ipv4).replace('.', '-')}.{vpc.region.internal}"


def public_name(interface):
    return f"ec2-{interface.public.replace('.', '-')}.{interface.subnet.vpc.region.public}"


def interface_item(one, account):
    vpc, endpoint, instance = one.subnet.vpc, one.endpoint, one.instance
    address = {"Primary": True, "PrivateIpAddress": str(one.ipv4)}
    item = {"AvailabilityZone": one.subnet.zone_in(account), "Description": f"VPC Endpoint Interface {endpoint.id}" if endpoint else "",
            "Groups": [{"GroupId": f"sg-{vpc.id[4:]}", "GroupName": "default"}],
            "InterfaceType": "vpc_endpoint" if endpoint and endpoint.kind == "Interface" else "interface",
            "Ipv6Addresses": [{"Ipv6Address": str(one.ipv6), "IsPrimaryIpv6": False}] if one.ipv6 else [],
            "MacAddress": "0a:58:c0:a8:00:01", "NetworkInterfaceId": one.id, "OwnerId": endpoint.account if endpoint else vpc.account,
            "PrivateIpAddress": str(one.ipv4), "PrivateIpAddresses": [address], "RequesterManaged": bool(endpoint), "SourceDestCheck": True,
            "Status": "in-use", "SubnetId": one.subnet.id, "TagSet": [], "VpcId": vpc.id}
    if vpc.hostnames:
        item["PrivateDnsName"] = address["PrivateDnsName"] = host_name(one)
    if one.public:
        item["Association"] = address["Association"] = {"IpOwnerId": "amazon", "PublicDnsName": public_name(one), "PublicIp": one.public}
    if instance:
        item["Attachment"] = {"AttachTime": TIME, "AttachmentId": f"eni-attach-{one.id[4:]}", "DeleteOnTermination": True, "DeviceIndex": 0,
                              "NetworkCardIndex": 0, "InstanceId": instance.id, "InstanceOwnerId": vpc.account, "Status": "attached"}
    return item


def reservation(instance):
    one = instance.interface
    vpc = one.subnet.vpc
    item = {"InstanceId": instance.id, "ImageId": "ami-0abcdef1234567890", "InstanceType": "t3.micro", "LaunchTime": TIME,
            "Placement": {"AvailabilityZone": one.subnet.zone_in(vpc.account), "GroupName": "", "Tenancy": "default"},
            "PrivateDnsName": host_name(one) if vpc.hostnames else "", "PrivateIpAddress": str(one.ipv4),
            "PublicDnsName": public_name(one) if one.public else "", "State": {"Code": 16, "Name": "running"}, "SubnetId": one.subnet.id,
            "VpcId": vpc.id, "PrivateDnsNameOptions": {"HostnameType": "ip-name", "EnableResourceNameDnsARecord": instance.resource_a,
                                                       "EnableResourceNameDnsAAAARecord": instance.resource_aaaa},
            "NetworkInterfaces": [nested(interface_item(one, vpc.account))]}
    return {"ReservationId": f"r-{instance.id[2:]}", "OwnerId": vpc.account, "Groups": [], "Instances": [item]}


def nested(item):
    """An interface as DescribeInstances shows it: less of it than DescribeNetworkInterfaces does."""
    members = ("Attachment", "Description", "Groups", "Ipv6Addresses", "MacAddress", "NetworkInterfaceId", "OwnerId", "PrivateDnsName",
               "PrivateIpAddress", "SourceDestCheck", "Status", "SubnetId", "VpcId", "InterfaceType")
    shown = {key: item[key] for key in members if key in item}
    shown["Attachment"] = {key: value for key, value in item["Attachment"].items() if not key.startswith("Instance")}
    association = item.get("Association") and {key: value for key, value in item["Association"].items() if key != "AllocationId"}
    shown["PrivateIpAddresses"] = [{**address, **({"Association": association} if association else {})} for address in item["PrivateIpAddresses"]]
    return shown | ({"Association": association} if association else {})


def endpoint_item(one):
    vpc = one.vpc
    gone = one.state in ("rejected", "failed", "deleting")
    entries = []
    if one.kind == "Interface":
        star = "*." if one.wildcard else ""
        entries = [f"{star}{one.regional}"] + [f"{star}{one.zonal_name(face)}" for face in one.interfaces if one.zonal]
        entries = [{"DnsName": name, "HostedZoneId": (one.service_region or vpc.region).zone} for name in entries]
        entries += [{"DnsName": name, "HostedZoneId": f"Z0{vpc.id[-12:].upper()}"} for name in one.names if one.private and not gone]
    options = {"DnsRecordIpType": one.records}
    if one.service == "s3":
        options["PrivateDnsOnlyForInboundResolverEndpoint"] = one.inbound_only
    if one.preference:
        options |= {"PrivateDnsPreference": one.preference[0], "PrivateDnsSpecifiedDomains": one.preference[1]}
    item = {"VpcEndpointId": one.id, "VpcEndpointType": one.kind, "VpcId": vpc.id, "State": one.state, "PolicyDocument": POLICY,
            "RouteTableIds": [], "SubnetIds": [face.subnet.id for face in one.interfaces],
            "Groups": [{"GroupId": f"sg-{vpc.id[4:]}", "GroupName": "default"}],
            "IpAddressType": "dualstack" if one.records == "service-defined" else one.records, "DnsOptions": options,
            "PrivateDnsEnabled": one.private, "RequesterManaged": False, "NetworkInterfaceIds": [face.id for face in one.interfaces],
            "DnsEntries": entries, "CreationTimestamp": TIME, "Tags": [], "OwnerId": one.account}
    if one.kind == "Interface":
        item |= {"ServiceName": one.service_name, "ServiceRegion": (one.service_region or vpc.region).name}
    elif one.kind == "Resource":
        item["ResourceConfigurationArn"] = arn("vpc-lattice", one.account, vpc.region, f"resourceconfiguration/{one.service}")
    else:
        item["ServiceNetworkArn"] = arn("vpc-lattice", one.account, vpc.region, f"servicenetwork/sn-{one.id[5:]}")
    return item


def gateway(vpc):
    """S3's gateway, which has no names; the option for inbound endpoints needs it."""
    return {"VpcEndpointId": f"vpce-{vpc.id[4:]}", "VpcEndpointType": "Gateway", "VpcId": vpc.id, "State": "available",
            "ServiceName": f"com.amazonaws.{vpc.region.name}.s3", "PolicyDocument": POLICY, "RouteTableIds": [f"rtb-{vpc.id[4:]}"],
            "SubnetIds": [], "Groups": [], "PrivateDnsEnabled": False, "RequesterManaged": False, "NetworkInterfaceIds": [],
            "DnsEntries": [], "CreationTimestamp": TIME, "Tags": [], "OwnerId": vpc.account, "ServiceRegion": vpc.region.name}


def association(one):
    name, private, configuration = one.association
    item = {"Id": f"vpce-rsc-asc-{one.id[5:]}", "VpcEndpointId": one.id, "AssociatedResourceAccessibility": "Accessible", "Tags": [],
            "DnsEntry": {"DnsName": name, "HostedZoneId": "Z00000000LATTICE0000"}, "PrivateDnsEntry": {"DnsName": private, "HostedZoneId": ""},
            "AssociatedResourceArn": arn("vpc-lattice", one.account, one.vpc.region, f"resourceconfiguration/{configuration}")}
    if one.kind == "ServiceNetwork":
        item |= {"ServiceNetworkArn": arn("vpc-lattice", one.account, one.vpc.region, f"servicenetwork/sn-{one.id[5:]}"),
                 "ServiceNetworkName": "orders"}
    return item


def service_item(name, base, endpoint):
    region = endpoint.vpc.region
    own = endpoint.service if endpoint.service.startswith("vpce-svc-") else f"vpce-svc-{endpoint.vpc.id[4:]}"
    item = {"ServiceName": name, "ServiceId": own, "ServiceType": [{"ServiceType": "Interface"}], "ServiceRegion": region.name,
            "AvailabilityZones": [f"{region.name}{letter}" for letter in "abc"], "Owner": "amazon", "BaseEndpointDnsNames": [base],
            "VpcEndpointPolicySupported": True, "AcceptanceRequired": False, "ManagesVpcEndpoints": False, "Tags": [],
            "SupportedIpAddressTypes": ["ipv4", "ipv6"]}
    if endpoint.names:
        item |= {"PrivateDnsName": endpoint.names[0], "PrivateDnsNames": [{"PrivateDnsName": one} for one in endpoint.names],
                 "PrivateDnsNameVerificationState": "verified"}
    return item

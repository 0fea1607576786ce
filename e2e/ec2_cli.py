"""The 2017 guide's `aws ec2` command lines, run as they are printed, print what the guide prints; dig agrees.

The command lines and outputs are those of the Amazon VPC User Guide, pages "Interface VPC Endpoints (AWS
PrivateLink)", "VPC Endpoint Services" and "Gateway VPC Endpoints", early 2018. A guide's id stands for one that this
test made (`cli.ids`); ids, times and the hidden zone's id are compared by their form, all else as it stands. The
order of lists is compared; that of a JSON object's keys is the CLI's own and says nothing of the server.
"""

import json
import re

from dig import dig
from support.awstools import Cli
from support.case import wait_for
from support.ec2 import Ec2Server
from support.server import Upstream
from support.upstream import public_address

INSIDE, OUTSIDE = "127.0.16.5", "127.0.0.1"

# what has changed since 2017 is left out: endpoints have policies now (aws.md 3.9)
SERVICE = """
{
    "ServiceType": [{"ServiceType": "Interface"}],
    "PrivateDnsName": "elasticloadbalancing.us-east-1.amazonaws.com",
    "ServiceName": "com.amazonaws.us-east-1.elasticloadbalancing",
    "Owner": "amazon",
    "AvailabilityZones": ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"],
    "AcceptanceRequired": false,
    "BaseEndpointDnsNames": ["elasticloadbalancing.us-east-1.vpce.amazonaws.com"]
}
"""
POLICY = ('{\n  "Statement": [\n    {\n      "Action": "*", \n      "Effect": "Allow", \n      "Principal": "*", \n'
          '      "Resource": "*"\n    }\n  ]\n}')
ENDPOINT = """
{
    "VpcEndpoint": {
        "PolicyDocument": %s,
        "VpcId": "vpc-ec43eb89",
        "NetworkInterfaceIds": ["eni-bf8aa46b"],
        "SubnetIds": ["subnet-abababab"],
        "PrivateDnsEnabled": true,
        "State": "pending",
        "ServiceName": "com.amazonaws.us-east-1.elasticloadbalancing",
        "RouteTableIds": [],
        "Groups": [{"GroupName": "default", "GroupId": "sg-1a2b3c4d"}],
        "VpcEndpointId": "vpce-088d25a4bbf4a7abc",
        "VpcEndpointType": "Interface",
        "CreationTimestamp": "2017-09-05T20:14:41.240Z",
        "DnsEntries": [
            {"HostedZoneId": "Z7HUB22UULQXV",
             "DnsName": "vpce-088d25a4bbf4a7abc-ks83awe7.elasticloadbalancing.us-east-1.vpce.amazonaws.com"},
            {"HostedZoneId": "Z7HUB22UULQXV",
             "DnsName": "vpce-088d25a4bbf4a7abc-ks83awe7-us-east-1a.elasticloadbalancing.us-east-1.vpce.amazonaws.com"},
            {"HostedZoneId": "Z1K56Z6FNPJRR",
             "DnsName": "elasticloadbalancing.us-east-1.amazonaws.com"}
        ]
    }
}
""" % json.dumps(POLICY)
SERVICE_CONFIGURATION = """
{
    "ServiceConfiguration": {
        "ServiceType": [{"ServiceType": "Interface"}],
        "NetworkLoadBalancerArns": [
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/nlb-vpce/e94221227f1ba532"],
        "ServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-03d5ebb7d9579a2b3",
        "ServiceState": "Available",
        "ServiceId": "vpce-svc-03d5ebb7d9579a2b3",
        "AcceptanceRequired": true,
        "BaseEndpointDnsNames": ["vpce-svc-03d5ebb7d9579a2b3.us-east-1.vpce.amazonaws.com"]
    }
}
"""
PERMISSIONS = """
{"AllowedPrincipals": [{"PrincipalType": "Account", "Principal": "arn:aws:iam::123456789012:root"}]}
"""
CONNECTIONS = """
{
    "VpcEndpointConnections": [
        {
            "VpcEndpointId": "vpce-0c1308d7312217abc",
            "ServiceId": "vpce-svc-03d5ebb7d9579a2b3",
            "CreationTimestamp": "2017-11-30T10:00:24.350Z",
            "VpcEndpointState": "pendingAcceptance"
        }
    ]
}
"""
NOTIFICATION = """
{
    "ConnectionNotification": {
        "ConnectionNotificationState": "Enabled",
        "ConnectionNotificationType": "Topic",
        "ServiceId": "vpce-svc-1237881c0d25a3abc",
        "ConnectionNotificationId": "vpce-nfn-008776de7e03f5abc",
        "ConnectionNotificationArn": "arn:aws:sns:us-east-2:123456789012:VpceNotification"
    }
}
"""
ELB = "elasticloadbalancing.us-east-1.amazonaws.com"


def run(case):
    case.need("dig")
    upstream = Upstream(case)
    server = Ec2Server(case, forward=upstream.target)
    cli = Cli(case, server)
    network(cli)
    interface_endpoint(case, server, cli)
    endpoint_service(case, server, cli)
    endpoint_notifications(case, cli)
    gateway_endpoint(case, cli)
    delete(case, server, cli)
    case.check(server.alive(), "the server ended")


def network(cli):
    """What the guide takes for granted, made as one machine can show it: a VPC on loopback addresses."""
    vpc = cli("aws ec2 create-vpc --cidr-block 127.0.16.0/20")["Vpc"]["VpcId"]
    cli(f"aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames")
    groups = cli(f"aws ec2 describe-security-groups --filters Name=vpc-id,Values={vpc}")["SecurityGroups"]
    cli.ids = {"vpc-ec43eb89": vpc, "vpc-1a2b3c4d": vpc, "sg-1a2b3c4d": groups[0]["GroupId"]}
    for guide, zone, block in (("subnet-abababab", "a", "127.0.16.0/24"), ("subnet-aabb1122", "b", "127.0.17.0/24")):
        made = cli(f"aws ec2 create-subnet --vpc-id {vpc} --availability-zone us-east-1{zone} --cidr-block {block}")
        cli.ids[guide] = made["Subnet"]["SubnetId"]


def interface_endpoint(case, server, cli):
    services = cli("aws ec2 describe-vpc-endpoint-services")
    details = {item["ServiceName"]: item for item in services["ServiceDetails"]}
    prints(case, cli, "describe-vpc-endpoint-services", details.get("com.amazonaws.us-east-1.elasticloadbalancing"),
           SERVICE)
    # the CLI asks for all pages
    case.equal("services with details and services by name", sorted(details), sorted(services["ServiceNames"]))
    case.check(len(details) > 400, f"only {len(details)} services are listed")

    made = cli("aws ec2 create-vpc-endpoint --vpc-id vpc-ec43eb89 --vpc-endpoint-type Interface"
               " --service-name com.amazonaws.us-east-1.elasticloadbalancing --subnet-id subnet-abababab"
               " --security-group-id sg-1a2b3c4d")
    prints(case, cli, "create-vpc-endpoint", made, ENDPOINT)
    endpoint = made["VpcEndpoint"]
    cli.ids["vpce-088d25a4bbf4a7abc"] = cli.ids["vpce-0fe5b17a0707d6abc"] = endpoint["VpcEndpointId"]
    cli.ids["vpce-123abc3420c1931d7"] = endpoint["VpcEndpointId"]
    digs(case, server, cli, endpoint)

    wait_for("the endpoint to become available", lambda: cli(
        "aws ec2 describe-vpc-endpoints --vpc-endpoint-ids vpce-088d25a4bbf4a7abc")["VpcEndpoints"][0]["State"]
        == "available")
    described = cli("aws ec2 describe-vpc-endpoints --vpc-endpoint-ids vpce-088d25a4bbf4a7abc")["VpcEndpoints"]
    case.equal("endpoints described by id", len(described), 1)
    prints(case, cli, "describe-vpc-endpoints", {"VpcEndpoint": described[0]},
           ENDPOINT.replace('"pending"', '"available"'))
    case.equal("the names described later", described[0]["DnsEntries"], endpoint["DnsEntries"])

    case.equal("modify-vpc-endpoint", cli(
        "aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-0fe5b17a0707d6abc --add-subnet-id subnet-aabb1122"),
        {"Return": True})
    wider = cli("aws ec2 describe-vpc-endpoints")["VpcEndpoints"][0]
    case.equal("subnets after add-subnet-id", wider["SubnetIds"],
               [cli.ids["subnet-abababab"], cli.ids["subnet-aabb1122"]])
    case.equal("its first names stay", wider["DnsEntries"][:2], endpoint["DnsEntries"][:2])
    case.equal("names after add-subnet-id", [entry["DnsName"].split(".")[0].split("-")[3:] for entry in
                                             wider["DnsEntries"][1:3]], [["us", "east", "1a"], ["us", "east", "1b"]])
    digs(case, server, cli, wider)


def endpoint_service(case, server, cli):
    made = cli("aws ec2 create-vpc-endpoint-service-configuration --network-load-balancer-arns "
               "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/nlb-vpce/e94221227f1ba532"
               " --acceptance-required")
    prints(case, cli, "create-vpc-endpoint-service-configuration", made, SERVICE_CONFIGURATION)
    zones = made["ServiceConfiguration"]["AvailabilityZones"]
    case.check(zones and all(re.fullmatch("us-east-1[a-f]", zone) for zone in zones), f"its zones are {zones}")
    service = made["ServiceConfiguration"]["ServiceId"]
    for guide in ("vpce-svc-0e123abc123198abc", "vpce-svc-03d5ebb7d9579a2b3", "vpce-svc-09222513e6e77dc86",
                  "vpce-svc-1237881c0d25a3abc"):
        cli.ids[guide] = service

    added = cli("aws ec2 modify-vpc-endpoint-service-permissions --service-id vpce-svc-03d5ebb7d9579a2b3"
                """ --add-allowed-principals '["arn:aws:iam::123456789012:root"]'""")
    case.equal("modify-vpc-endpoint-service-permissions", added.get("ReturnValue"), True, added)
    prints(case, cli, "describe-vpc-endpoint-service-permissions", cli(
        "aws ec2 describe-vpc-endpoint-service-permissions --service-id vpce-svc-03d5ebb7d9579a2b3"), PERMISSIONS)

    service_notifications(case, cli)

    made = cli("aws ec2 create-vpc-endpoint --vpc-id vpc-ec43eb89 --vpc-endpoint-type Interface"
               " --service-name com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc --subnet-id subnet-abababab"
               " --security-group-id sg-1a2b3c4d")
    endpoint = made["VpcEndpoint"]
    case.equal("state of an endpoint that has to be accepted", endpoint["State"], "pendingAcceptance")
    case.equal("private DNS of a service without a private name", endpoint["PrivateDnsEnabled"], False)
    cli.ids["vpce-0c1308d7312217abc"] = endpoint["VpcEndpointId"]
    prints(case, cli, "describe-vpc-endpoint-connections", cli(
        "aws ec2 describe-vpc-endpoint-connections --filters Name=vpc-endpoint-state,Values=pendingAcceptance"),
        CONNECTIONS)
    silent(case, server, endpoint["DnsEntries"], "before it is accepted")

    case.equal("accept-vpc-endpoint-connections", cli(
        "aws ec2 accept-vpc-endpoint-connections --service-id vpce-svc-03d5ebb7d9579a2b3"
        " --vpc-endpoint-ids vpce-0c1308d7312217abc"), {"Unsuccessful": []})
    accepted = described(cli)
    case.check(accepted["State"] in ("pending", "available"), f"state after accept: {accepted['State']}")
    regional = accepted["DnsEntries"][0]["DnsName"]
    case.check(re.fullmatch(rf"{endpoint['VpcEndpointId']}-[a-z0-9]{{8}}\.{service}\.us-east-1\.vpce\.amazonaws\.com",
                            regional), f"name of an endpoint to an endpoint service: {regional}")
    digs(case, server, cli, accepted)

    case.equal("reject-vpc-endpoint-connections", cli(
        "aws ec2 reject-vpc-endpoint-connections --service-id vpce-svc-03d5ebb7d9579a2b3"
        " --vpc-endpoint-ids vpce-0c1308d7312217abc"), {"Unsuccessful": []})
    case.equal("state after reject", described(cli)["State"], "rejected")
    silent(case, server, accepted["DnsEntries"], "after it was rejected")


def service_notifications(case, cli):
    made = cli("aws ec2 create-vpc-endpoint-connection-notification --connection-notification-arn"
               " arn:aws:sns:us-east-2:123456789012:VpceNotification --connection-events Connect Accept Delete Reject"
               " --service-id vpce-svc-1237881c0d25a3abc")
    prints(case, cli, "create-vpc-endpoint-connection-notification", made, NOTIFICATION)
    notification = made["ConnectionNotification"]
    # a set: the guide's command and its output have them in different orders
    case.equal("its events", sorted(notification["ConnectionEvents"]), ["Accept", "Connect", "Delete", "Reject"])
    cli.ids["vpce-nfn-008776de7e03f5abc"] = notification["ConnectionNotificationId"]
    case.equal("describe-vpc-endpoint-connection-notifications", cli(
        "aws ec2 describe-vpc-endpoint-connection-notifications"), {"ConnectionNotificationSet": [notification]})
    case.equal("modify-vpc-endpoint-connection-notification", cli(
        "aws ec2 modify-vpc-endpoint-connection-notification --connection-notification-id vpce-nfn-008776de7e03f5abc"
        " --connection-events Accept Reject"
        " --connection-notification-arn arn:aws:sns:us-east-2:123456789012:mytopic"), {"ReturnValue": True})
    changed = cli("aws ec2 describe-vpc-endpoint-connection-notifications")["ConnectionNotificationSet"][0]
    case.equal("events and topic after modify", (sorted(changed["ConnectionEvents"]),
               changed["ConnectionNotificationArn"]), (["Accept", "Reject"],
                                                       "arn:aws:sns:us-east-2:123456789012:mytopic"))
    delete_notification(case, cli)


def endpoint_notifications(case, cli):
    made = cli("aws ec2 create-vpc-endpoint-connection-notification --connection-notification-arn"
               " arn:aws:sns:us-east-2:123456789012:EndpointNotification --connection-events Accept Reject"
               " --vpc-endpoint-id vpce-123abc3420c1931d7")["ConnectionNotification"]
    case.equal("the endpoint of a notification", made.get("VpcEndpointId"), cli.ids["vpce-123abc3420c1931d7"])
    case.check("ServiceId" not in made, "a notification of an endpoint has a service", made)
    cli.ids["vpce-nfn-008776de7e03f5abc"] = made["ConnectionNotificationId"]
    case.equal("modify-vpc-endpoint-connection-notification", cli(
        "aws ec2 modify-vpc-endpoint-connection-notification --connection-notification-id vpce-nfn-008776de7e03f5abc"
        " --connection-events Accept"
        " --connection-notification-arn arn:aws:sns:us-east-2:123456789012:mytopic"), {"ReturnValue": True})
    delete_notification(case, cli)


def delete_notification(case, cli):
    case.equal("delete-vpc-endpoint-connection-notifications", cli(
        "aws ec2 delete-vpc-endpoint-connection-notifications --connection-notification-ids"
        " vpce-nfn-008776de7e03f5abc"), {"Unsuccessful": []})
    case.equal("notifications after delete", cli("aws ec2 describe-vpc-endpoint-connection-notifications"),
               {"ConnectionNotificationSet": []})


def gateway_endpoint(case, cli):
    made = cli("aws ec2 create-vpc-endpoint --vpc-id vpc-1a2b3c4d --service-name com.amazonaws.us-east-1.s3"
               " --route-table-ids rtb-11aa22bb")["VpcEndpoint"]
    case.equal("a gateway endpoint",
               (made["VpcEndpointType"], made["RouteTableIds"], made.get("NetworkInterfaceIds", []),
               made.get("DnsEntries", [])), ("Gateway", ["rtb-11aa22bb"], [], []))
    cli.ids["vpce-1a2b3c4d"] = made["VpcEndpointId"]
    case.equal("modify of a gateway endpoint", cli(
        "aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-1a2b3c4d --add-route-table-ids rtb-aaa222bb"
        " --reset-policy"), {"Return": True})
    seen = cli(f"aws ec2 describe-vpc-endpoints --vpc-endpoint-ids {made['VpcEndpointId']}")["VpcEndpoints"][0]
    case.equal("its route tables", sorted(seen["RouteTableIds"]), ["rtb-11aa22bb", "rtb-aaa222bb"])


def delete(case, server, cli):
    """The rest of the guide's commands; they take away what the others made."""
    # a service keeps one load balancer; the guide's takes its only one away, so another is added first
    for line in ("--add-network-load-balancer-arns "
                 "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/other/0123456789abcdef",
                 "--remove-network-load-balancer-arn "
                 "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/nlb-vpce/e94221227f1ba532",
                 "--no-acceptance-required"):
        case.equal(f"modify-vpc-endpoint-service-configuration {line}", cli(
            f"aws ec2 modify-vpc-endpoint-service-configuration --service-id vpce-svc-09222513e6e77dc86 {line}"),
            {"Return": True})
    removed = cli("aws ec2 modify-vpc-endpoint-service-permissions --service-id vpce-svc-03d5ebb7d9579a2b3"
                  """ --remove-allowed-principals '["arn:aws:iam::123456789012:root"]'""")
    case.equal("modify-vpc-endpoint-service-permissions, removing", removed.get("ReturnValue"), True, removed)
    case.equal("permissions after that", cli(
        "aws ec2 describe-vpc-endpoint-service-permissions --service-id vpce-svc-03d5ebb7d9579a2b3"),
        {"AllowedPrincipals": []})
    entries = [entry for item in cli("aws ec2 describe-vpc-endpoints")["VpcEndpoints"]
               for entry in item.get("DnsEntries", [])]
    case.equal("delete-vpc-endpoints", cli(
        "aws ec2 delete-vpc-endpoints --vpc-endpoint-ids vpce-088d25a4bbf4a7abc vpce-0c1308d7312217abc vpce-1a2b3c4d"),
        {"Unsuccessful": []})
    silent(case, server, entries, "after delete")
    seen = dig(case, server, ELB, source=INSIDE)
    case.equal("the private name in the VPC after delete", seen.addresses(), [public_address(ELB)], seen.text)
    case.equal("delete-vpc-endpoint-service-configurations", cli(
        "aws ec2 delete-vpc-endpoint-service-configurations --service-ids vpce-svc-03d5ebb7d9579a2b3"),
        {"Unsuccessful": []})


# --- what is compared -----------------------------------------------------------------------------------------------

def described(cli):
    """The endpoint to the endpoint service, as it is now."""
    return cli("aws ec2 describe-vpc-endpoints --vpc-endpoint-ids vpce-0c1308d7312217abc")["VpcEndpoints"][0]


def prints(case, cli, command, found, guide):
    """Every field that the guide prints is there and is the same; newer fields may stand beside them."""
    wanted = json.loads(guide)
    for path, mine, theirs in differences(found, wanted):
        case.check(False, f"{command}, {path or 'all'}: found {mine!r}, the guide prints {theirs!r}")
    case.checks += 1
    text = json.dumps(found)
    for old in re.findall(r"(?:vpc|subnet|sg)-[0-9a-f]{8}", guide):
        case.check(cli.ids[old] in text, f"{command}: {old} ({cli.ids[old]}) is not in the output", text)


def differences(found, wanted, path=""):
    """(path, found, wanted) wherever the output departs from the guide's."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from differences(found.get(key), value, f"{path}.{key}".lstrip("."))
    elif isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        for n, (mine, theirs) in enumerate(zip(found, wanted)):
            yield from differences(mine, theirs, f"{path}[{n}]")
    elif form(found) != form(wanted):
        yield path, found, wanted


def form(value):
    """A value with what differs from run to run reduced to its form."""
    if not isinstance(value, str):
        return value
    value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", value)
    value = re.sub(r"vpce-[0-9a-f]{17}-[a-z0-9]{8}(?=[.-])", "vpce-ID-SUFFIX", value)
    value = re.sub(r"\b(vpce-svc|vpce-nfn|vpce)-[0-9a-f]{17}\b", r"\1-ID", value)
    value = re.sub(r"\b(vpc|subnet|sg|eni)-([0-9a-f]{17}|[0-9a-f]{8})\b", r"\1-ID", value)
    # a region's public zone is fixed (aws.md 2.1), a private name's own zone is not
    return "ZONE" if value != "Z7HUB22UULQXV" and re.fullmatch(r"Z[A-Z0-9]{10,31}", value) else value


def digs(case, server, cli, endpoint):
    """dig of each DnsEntry, in and out of the VPC, gives the interfaces' addresses."""
    ids = " ".join(endpoint["NetworkInterfaceIds"])
    cards = cli(f"aws ec2 describe-network-interfaces --network-interface-ids {ids}")
    zones = {card["AvailabilityZone"]: card["PrivateIpAddress"] for card in cards["NetworkInterfaces"]}
    case.equal("interfaces in the endpoint's subnets", sorted(card["SubnetId"] for card in cards["NetworkInterfaces"]),
               sorted(endpoint["SubnetIds"]))
    for entry in endpoint["DnsEntries"]:
        name = entry["DnsName"]
        zonal = re.match(r"vpce-[0-9a-f]{17}-[a-z0-9]{8}-(us-east-1[a-z])\.", name)
        own = [zones.get(zonal[1])] if zonal else sorted(zones.values())
        for source in (INSIDE, OUTSIDE):
            private = not name.startswith("vpce-")
            wanted = [public_address(name)] if private and source == OUTSIDE else own
            seen = dig(case, server, name, source=source)
            case.equal(f"dig {name} from {source}", seen.addresses(), wanted, seen.text)


def silent(case, server, entries, when):
    """No name of an endpoint gives an address of the VPC."""
    for entry in entries:
        seen = dig(case, server, entry["DnsName"], source=INSIDE)
        case.check(not any(address.startswith("127.") for address in seen.addresses()),
                   f"{entry['DnsName']} answers {when}", seen.text)

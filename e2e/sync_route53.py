"""`sync` reads hosted zones, resolver rules and Profiles, too: what our own API and moto list is written and answered."""

import json
import re
import time

from support import awstools
from support.case import Skip, wait_for
from support.ec2 import REGION, Ec2Server, access_keys
from support.scenario import World, interface
from support.server import Server, Upstream
from sync import Proxy, environment, error, outputs, sync, within
from sync_live import ID, Follower

SERVICES = ("ec2", "route53", "route53resolver", "route53profiles")
ADDRESS = "203.0.113.83"
LISTS = {"ResolverRules": ("route53resolver", "list_resolver_rules"),
         "ResolverRuleAssociations": ("route53resolver", "list_resolver_rule_associations"),
         "ResolverEndpoints": ("route53resolver", "list_resolver_endpoints"),
         "ResolverConfigs": ("route53resolver", "list_resolver_configs"),
         "ProfileSummaries": ("route53profiles", "list_profiles"),
         "ProfileAssociations": ("route53profiles", "list_profile_associations")}
ROUTE53 = ("ListHostedZones", "GetHostedZone", "ListResourceRecordSets")
OF_VPC = "ListHostedZonesByVPC"
OWNER, VIEWER = "222233334444", "111122223333"


def run(case):
    awstools.need("boto3")
    (case.dir / "none").mkdir()
    upstream = Upstream(case, flags=["--address", f"db.onprem.example={ADDRESS}"])
    server = Ec2Server(case)
    clients = {name: awstools.client(server, service=name) for name in SERVICES}
    estate = Estate(server, clients, upstream)
    path = once(case, server, clients, estate)
    pages(case, server, path)
    live(case, server, clients, estate)
    shared(case)
    moto(case)


class Estate:
    """Two VPCs; zones of one name for each, rules, an inbound endpoint, and a Profile that shares a zone."""

    def __init__(self, server, clients, upstream):
        world = World(server)
        (self.vpc, subnets, self.inside), (self.other, _, self.outside) = world.vpc(), world.vpc()
        endpoint = interface(clients["ec2"], self.vpc, subnets, "sqs", PrivateDnsEnabled=False)["DnsEntries"][0]
        route53, resolver, profiles = (clients[name] for name in SERVICES[1:])
        self.zones = {}
        for key, name, vpc in (("corp", "corp.example", self.vpc), ("namesake", "corp.example", self.other),
                               ("shared", "shared.example", self.vpc)):
            self.zones[key] = make_zone(route53, name, vpc, key)
        change(route53, self.zones["corp"], "CREATE", *[
            record("www.corp.example", "10.0.0.1", "10.0.0.2"), record("*.apps.corp.example", "10.0.0.3"),
            record("mail.corp.example", "10 www.corp.example.", rtype="MX"),
            record("w.corp.example", "10.0.0.4", SetIdentifier="one", Weight=1),
            record("w.corp.example", "10.0.0.5", SetIdentifier="two", Weight=0),
            record("a_b.corp.example", "10.0.0.6"),
            {"Name": "sqs.corp.example", "Type": "A", "AliasTarget": {
                "HostedZoneId": endpoint["HostedZoneId"], "DNSName": endpoint["DnsName"], "EvaluateTargetHealth": False}}])
        for start in range(0, 700, 350):
            change(route53, self.zones["corp"], "CREATE",
                   *[record(f"h{n}.corp.example", f"10.1.{n // 250}.{n % 250}") for n in range(start, start + 350)])
        change(route53, self.zones["namesake"], "CREATE", record("www.corp.example", "10.9.9.9"))
        change(route53, self.zones["shared"], "CREATE", record("www.shared.example", "10.0.0.7"))
        address, port = upstream.target.rsplit(":", 1)
        self.rule = resolver.create_resolver_rule(
            CreatorRequestId="r", RuleType="FORWARD", DomainName="onprem.example",
            TargetIps=[{"Ip": address, "Port": int(port)}])["ResolverRule"]["Id"]
        resolver.associate_resolver_rule(ResolverRuleId=self.rule, VPCId=self.vpc)
        for n in range(6):
            resolver.create_resolver_rule(CreatorRequestId=f"s{n}", RuleType="SYSTEM", DomainName=f"s{n}.example")
        self.profile = profiles.create_profile(Name="hub", ClientToken="t")["Profile"]["Id"]
        profiles.associate_profile(Name="other", ProfileId=self.profile, ResourceId=self.other)
        profiles.associate_resource_to_profile(
            Name="shared", ProfileId=self.profile, ResourceArn=f"arn:aws:route53:::hostedzone/{self.zones['shared']}")
        self.names = ["www.corp.example", "x.apps.corp.example", "w.corp.example", "a_b.corp.example", "sqs.corp.example",
                      "h0.corp.example", "h699.corp.example", "none.corp.example", "www.shared.example", "db.onprem.example"]


def make_zone(client, name, vpc, reference):
    made = client.create_hosted_zone(Name=name, CallerReference=reference, VPC={"VPCId": vpc, "VPCRegion": REGION})
    return made["HostedZone"]["Id"].split("/")[-1]


def record(name, *values, rtype="A", **more):
    return {"Name": name, "Type": rtype, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values], **more}


def change(client, zone, action, *sets):
    changes = [{"Action": action, "ResourceRecordSet": one} for one in sets]
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def same_answers(case, what, one, other, estate):
    """Both servers say the same of every name, to clients of both VPCs."""
    for name in estate.names:
        for source in (estate.inside, estate.outside):
            case.equal(f"{what}: {name} from {source}", one.addresses(name, source), other.addresses(name, source))


def zones_in(path):
    """Zones of a file: what get-hosted-zone and list-resource-record-sets print, by id."""
    found = json.loads(path.read_text())
    hosted = {one["HostedZone"]["Id"].split("/")[-1]: one for one in found if "HostedZone" in one}
    return {zone: (one, next(sets["ResourceRecordSets"] for sets in found if sets.get("HostedZoneId") == zone))
            for zone, one in hosted.items()}


def once(case, server, clients, estate):
    to = case.dir / "account"
    done = sync(case, server.url, to)
    if not case.equal("sync", (done.returncode, "warning" in done.stderr), (0, False), done.stderr):
        raise Skip("nothing was read")
    path = to / f"000000000000-{REGION}" / "ec2.json"
    zones = zones_in(path)
    case.equal("zones", sorted(zones), sorted(estate.zones.values()))
    for zone, (hosted, sets) in zones.items():
        listed = clients["route53"].get_hosted_zone(Id=zone)
        if "PublicDNSFallbackStatus" not in listed["HostedZone"].get("Features", {}):
            # botocore before 1.44 does not know this one
            hosted["HostedZone"].pop("Features", None)
        case.check(within(hosted, listed), f"{zone} is not what boto3 has", (hosted, listed))
        pages_of = clients["route53"].get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        listed = [one for page in pages_of for one in page["ResourceRecordSets"]]
        case.equal(f"record sets of {zone}", sets, listed)
    found = outputs(path)
    for key, (service, method) in LISTS.items():
        listed = getattr(clients[service], method)()[key]
        case.equal(f"number of {key}", len(found[key]), len(listed))
        # boto3 knows the priority of a Profile since 2026
        told = [{member: value for member, value in one.items() if member != "Priority"} for one in found[key]]
        strange = [one for one in told if not any(within(one, other) for other in listed)]
        case.check(not strange, f"{key} has what boto3 has not", strange)
    of_profile = clients["route53profiles"].list_profile_resource_associations(ProfileId=estate.profile)
    case.equal("what the Profile shares", [one["ResourceArn"] for one in found["ProfileResourceAssociations"]],
               [one["ResourceArn"] for one in of_profile["ProfileResourceAssociations"]])
    checked = case.run(case.binary, "check", "--zones", to, check=False)
    case.equal("check", (checked.returncode, "0 warnings" in checked.stdout), (0, True), (checked.stderr, checked.stdout))
    same_answers(case, "out of the directory", Server(case, zones="account"), server, estate)
    case.equal("a second time", sync(case, server.url, to).stdout, f"{path}: unchanged\n")
    one = case.dir / "one"
    case.equal("one VPC", sync(case, server.url, one, "--vpc", estate.vpc).returncode, 0)
    case.equal("its zones", sorted(zones_in(one / path.parent.name / path.name)),
               sorted([estate.zones["corp"], estate.zones["shared"]]))
    return path


def pages(case, server, path):
    """However small the pages are, the same is written; pages without an end write nothing of their kind."""
    proxy = Proxy(case, server.url)

    def small(path, body):
        path = re.sub(r"(maxitems|maxResults)=\d+", lambda found: f"{found[1]}=" + ("97" if "rrset" in path else "1"), path)
        return path, body.replace(b'"MaxResults":100', b'"MaxResults":5')
    proxy.change = small
    to = case.dir / "paged"
    done = sync(case, proxy.url, to)
    case.equal("sync in small pages", done.returncode, 0, done.stderr)
    case.equal("what it wrote", (to / path.parent.name / path.name).read_text(), path.read_text())
    calls = [action for action, _ in proxy.seen]
    for action, least in (("ListHostedZones", 3), ("ListResourceRecordSets", 10), ("ListResolverRules", 2)):
        case.check(calls.count(action) >= least, f"{action} was called {calls.count(action)} times")
    proxy.change = None
    before = path.read_bytes()
    mine = case.dir / "endless"
    (mine / path.parent.name).mkdir(parents=True)
    (mine / path.parent.name / path.name).write_bytes(before)
    faults = {
        "endless": lambda status, text: (status, re.sub(
            b"<IsTruncated>.*</IsTruncated>", b"<IsTruncated>true</IsTruncated><NextRecordName>a</NextRecordName>"
            b"<NextRecordType>A</NextRecordType><NextMarker>Z</NextMarker>", text), False),
        "5xx": lambda status, text: (503, b"busy", False),
        "denied": lambda status, text: (403, error("AccessDenied"), False),
        "cut": lambda status, text: (status, text, True),
        "another document": lambda status, text: (200, b"<html><body>login</body></html>", False),
        "without the list": lambda status, text: (200, b"<ListHostedZonesResponse/>", False),
    }
    for name, fault in faults.items():
        for action in ROUTE53:
            if name == "5xx" and action != "ListHostedZones":
                continue  # each of many zones would be tried five times
            if (name, action) in (("endless", "GetHostedZone"), ("cut", "GetHostedZone"), ("cut", "ListResourceRecordSets")):
                continue
            proxy.spoil = lambda asked, _count, status, text, fault=fault, action=action: (
                fault(status, text) if asked == action else (status, text, False))
            done = sync(case, proxy.url, mine)
            case.equal(f"{name} for {action}", (done.returncode, "HostedZones are left out" in done.stderr), (0, True), done.stderr)
            case.check((mine / path.parent.name / path.name).read_bytes() == before, f"{name} for {action}: the file has changed")


def live(case, server, clients, estate):
    proxy = Proxy(case, server.url)
    follower = Follower(case, proxy.url)
    route53 = clients["route53"]
    same_answers(case, "followed, at the first answer", follower, server, estate)

    def found(name, *addresses, source=estate.inside):
        began = time.monotonic()
        wait_for(f"{name} to be {addresses}", lambda: follower.addresses(name, source)[1] == list(addresses), seconds=30)
        return time.monotonic() - began
    change(route53, estate.zones["corp"], "CREATE", record("new.corp.example", "10.0.0.8"))
    case.note(f"a new record is answered after {found('new.corp.example', '10.0.0.8'):.2f} s, with rounds of 1 s")
    change(route53, estate.zones["corp"], "DELETE", record("new.corp.example", "10.0.0.8"))
    case.note(f"one that was deleted is gone after {found('new.corp.example'):.2f} s")
    late = make_zone(route53, "late.example", estate.vpc, "late")
    change(route53, late, "CREATE", record("www.late.example", "10.0.0.9"))
    found("www.late.example", "10.0.0.9")
    change(route53, late, "DELETE", record("www.late.example", "10.0.0.9"))
    route53.delete_hosted_zone(Id=late)
    wait_for("the zone to go", lambda: follower.addresses("www.late.example", estate.inside)[0] == "REFUSED", seconds=30)
    clients["route53resolver"].disassociate_resolver_rule(ResolverRuleId=estate.rule, VPCId=estate.vpc)
    case.equal("a rule, before anybody asks", follower.addresses("db.onprem.example", estate.inside)[1], [ADDRESS])
    case.equal("sync now", follower.tell("sync", "now").returncode, 0)
    wait_for("the rule to go", lambda: follower.addresses("db.onprem.example", estate.inside)[0] == "REFUSED", seconds=30)
    same_answers(case, "after changes", follower, server, estate)
    follower.after_round("good", 2)
    age = follower.metric("sync_zones_timestamp_seconds", source=ID)
    case.check(age and time.time() - age < 10, "the age of zones", age)

    proxy.spoil = lambda action, count, status, text: (
        (403, error("AccessDenied"), False) if action in ROUTE53 else (status, text, False))
    wait_for("it to be said", lambda: "HostedZones are left out" in follower.get("/readyz")[1], seconds=30)
    text = follower.tell("status").stdout
    case.check("HostedZones are left out: AccessDenied" in text, "status does not say what is denied", text)
    asked = len([1 for action, _ in proxy.seen if action in ROUTE53])
    follower.after_round("good", 3)
    case.equal("calls of what is denied", len([1 for action, _ in proxy.seen if action in ROUTE53]), asked)
    same_answers(case, "while it is denied", follower, server, estate)
    follower.stop()
    follower = Follower(case, proxy.url)
    same_answers(case, "after a restart without Route 53", follower, server, estate)
    proxy.spoil = None
    follower.stop()

    policy = json.loads(case.run(case.binary, "sync", "--print-policy"))["Statement"][0]["Action"]
    prefixes = {"Describe": "ec2", "ListHostedZones": "route53", "GetHostedZone": "route53", "ListResource": "route53",
                "ListResolver": "route53resolver", "ListProfile": "route53profiles"}
    called = {next(f"{prefix}:{action}" for begins, prefix in prefixes.items() if action.startswith(begins))
              for action, _ in proxy.seen if action not in ("GetCallerIdentity", "AssumeRole")}
    case.check(called <= set(policy), "calls that the policy does not allow", called - set(policy))
    # what is not called here: no inbound endpoint
    case.check(set(policy) - called <= {"route53resolver:ListResolverEndpointIpAddresses"}, "the policy allows more", set(policy) - called)


def shared(case):
    """A zone that another account shares with a VPC: SERVFAIL with the reason until that account is followed, too, and the
    same of a zone of the account whose records are denied."""
    import boto3  # pylint: disable=import-outside-toplevel
    keys = access_keys(case, ("AKIAOWNER", "owner", OWNER, ["*"]), ("AKIAVIEWER", "viewer", VIEWER, ["*"]),
                       ("AKIANARROW", "narrow", VIEWER, ["Describe*", "Get*", "ListHostedZones*"]))
    api = Ec2Server(case, "--ec2-keys", keys, state="shared-state", zones="shared-zones")
    config = "".join(f"[profile {name}]\nregion = {REGION}\naws_access_key_id = AKIA{name.upper()}\naws_secret_access_key = {name}\n"
                     for name in ("owner", "viewer", "narrow"))
    env = environment({"AWS_CONFIG_FILE": str(case.write("shared-aws-config", config))})

    def client(name, service):
        return boto3.session.Session(aws_access_key_id=f"AKIA{name.upper()}", aws_secret_access_key=name, region_name=REGION).client(
            service, endpoint_url=api.url)
    ec2, ours, theirs = client("viewer", "ec2"), client("viewer", "route53"), client("owner", "route53")
    vpc = ec2.create_vpc(CidrBlock="127.77.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    other = client("owner", "ec2").create_vpc(CidrBlock="127.78.0.0/16")["Vpc"]["VpcId"]
    client("owner", "ec2").modify_vpc_attribute(VpcId=other, EnableDnsHostnames={"Value": True})
    zone, own = make_zone(theirs, "shared.example", other, "shared"), make_zone(ours, "own.example", vpc, "own")
    change(theirs, zone, "CREATE", record("www.shared.example", "10.0.0.1"))
    change(ours, own, "CREATE", record("www.own.example", "10.0.0.2"))
    where = {"VPCId": vpc, "VPCRegion": REGION}
    theirs.create_vpc_association_authorization(HostedZoneId=zone, VPC=where)
    ours.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=where)

    def follow(kept, *names):
        return Follower(case, *[api.url] * len(names), kept=kept, profile=[f" profile={name}" for name in names], env=env)
    viewer, inside = follow("viewer", "viewer"), "127.77.9.9"
    case.equal("a zone that others own", viewer.addresses("www.shared.example", inside), ("SERVFAIL", []))
    case.equal("its reason", dns_reason(viewer, "www.shared.example", inside), "the records of hosted zone shared.example are not known here")
    case.equal("to others", viewer.addresses("www.shared.example", "127.99.0.1")[0], "REFUSED")
    case.equal("a zone of the account", viewer.addresses("www.own.example", inside), ("NOERROR", ["10.0.0.2"]))
    said = viewer.tell("status").stdout
    case.check(f"shared.example ({zone}) is of {OWNER}, and no output has its records" in said, "status does not name the zone", said)
    listed = ours.list_hosted_zones_by_vpc(VPCId=vpc, VPCRegion=REGION)["HostedZoneSummaries"]
    [written] = [output for path in (case.dir / "viewer").glob("*/*/ec2.json") for output in json.loads(path.read_text())
                 if "HostedZoneSummaries" in output]
    case.equal("what is written of it", (written["VPCId"], written["HostedZoneSummaries"]),
               (vpc, [one for one in listed if one["HostedZoneId"] == zone]))
    ours.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=where)
    wait_for("the zone to go", lambda: viewer.addresses("www.shared.example", inside)[0] == "REFUSED", seconds=30)
    theirs.create_vpc_association_authorization(HostedZoneId=zone, VPC=where)
    ours.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=where)
    wait_for("the zone to come", lambda: viewer.addresses("www.shared.example", inside)[0] == "SERVFAIL", seconds=30)
    viewer.stop()
    both = follow("both-accounts", "viewer", "owner")
    case.equal("with the owner's account", both.addresses("www.shared.example", inside), ("NOERROR", ["10.0.0.1"]))
    case.check("no output has its records" not in both.tell("status").stdout, "status names a zone that is read", both.tell("status").stdout)
    both.stop()
    narrow = follow("narrow", "narrow")
    case.equal("a zone whose records are denied", narrow.addresses("www.own.example", inside), ("SERVFAIL", []))
    case.check("ListResourceRecordSets" in narrow.tell("status").stdout, "what is denied", narrow.tell("status").stdout)
    narrow.stop()
    api.stop()


def dns_reason(server, name, source):
    """What explain says of an answer."""
    status, text = server.get(f"/v1/explain?name={name}&from={source}")
    return json.loads(text)["reason"] if status == 200 else text


def moto(case):
    """moto's server: a zone and a rule that it lists are written."""
    try:
        url = awstools.moto(case)
    except Skip as skip:
        return case.note(f"SKIPPED moto: {skip}")
    import boto3  # pylint: disable=import-outside-toplevel
    session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    ec2, route53, resolver = (session.client(name, endpoint_url=url) for name in SERVICES[:3])
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    zone = route53.create_hosted_zone(Name="corp.example", CallerReference="x", VPC={"VPCId": vpc, "VPCRegion": REGION},
                                      HostedZoneConfig={"PrivateZone": True})["HostedZone"]["Id"].split("/")[-1]
    change(route53, zone, "CREATE", record("www.corp.example", "10.0.0.1"))
    to = case.dir / "moto"
    done = sync(case, url, to)
    if not case.equal("sync from moto", done.returncode, 0, done.stderr):
        return None
    case.note("moto: " + "; ".join(line for line in done.stderr.splitlines() if "warning" in line)[:300])
    [path] = to.glob(f"*-{REGION}/ec2.json")
    hosted, sets = zones_in(path)[zone]
    case.equal("the zone's VPCs", [one["VPCId"] for one in hosted["VPCs"]], [vpc])
    listed = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    case.equal("its records", sets, listed)
    case.equal("rules", len(outputs(path)["ResolverRules"]), len(resolver.list_resolver_rules()["ResolverRules"]))
    return None

"""Terraform's calls for Route 53's and Profiles' resources leave no drift: create, wait, read, plan, update, destroy.

The calls are those of the provider's `internal/service/route53` and `internal/service/route53profiles` (v6), in its order:
`aws_route53_zone`, `_record`, `_zone_association`, `_vpc_association_authorization`, `aws_route53profiles_profile`,
`_association` and `_resource_association`. Terraform itself is not run: its provider is no part of any package that tests install.
"""

import itertools

from ec2_resolver_endpoints import World
from support import awstools, replays
from support.awstools import error_of
from support.ec2 import REGION, Ec2Server, access_keys

NUMBERS = itertools.count()
KEYS = (("AKIAHUB", "hub-secret", "111111111111", ["*"]), ("AKIASPOKE", "spoke-secret", "222222222222", ["*"]))


class Zone:
    """aws_route53_zone: made with its first VPC, the others are associated after it."""

    gone = "NoSuchHostedZone"

    def __init__(self, clients):
        self.client = clients["route53"]

    def insync(self, answer):
        change = self.client.get_change(Id=answer["ChangeInfo"]["Id"].removeprefix("/change/"))["ChangeInfo"]
        assert change["Status"] == "INSYNC", change

    def create(self, config):
        first, *others = [{"VPCId": vpc, "VPCRegion": REGION} for vpc in config["vpc"]]
        made = self.client.create_hosted_zone(
            CallerReference=f"terraform-{next(NUMBERS)}", Name=config["name"], HostedZoneConfig={"Comment": config["comment"]},
            VPC=first)
        ident = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
        self.insync(made)
        self.retag(ident, {}, config["tags"])
        for vpc in others:
            self.insync(self.client.associate_vpc_with_hosted_zone(HostedZoneId=ident, VPC=vpc))
        return ident

    def read(self, ident):
        found = self.client.get_hosted_zone(Id=ident)
        zone = found["HostedZone"]
        # name servers of a private zone are its NS record, which has to be there and not empty
        servers = self.client.list_resource_record_sets(HostedZoneId=ident, StartRecordName=zone["Name"], StartRecordType="NS",
                                                        MaxItems="1")["ResourceRecordSets"][0]
        assert servers["Type"] == "NS" and len(servers["ResourceRecords"]) == 4, servers
        tags = self.client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=ident)["ResourceTagSet"]["Tags"]
        return {"name": zone["Name"].removesuffix("."), "comment": zone["Config"].get("Comment", ""),
                "vpc": sorted(vpc["VPCId"] for vpc in found["VPCs"]), "tags": {one["Key"]: one["Value"] for one in tags}}

    def retag(self, ident, old, new):
        gone = [key for key in old if key not in new]
        come = [{"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value]
        change = ({"RemoveTagKeys": gone} if gone else {}) | ({"AddTags": come} if come else {})
        if change:
            self.client.change_tags_for_resource(ResourceType="hostedzone", ResourceId=ident, **change)

    def update(self, ident, old, new):
        self.client.update_hosted_zone_comment(Id=ident, Comment=new["comment"])
        self.retag(ident, old["tags"], new["tags"])
        # "VPCs cannot be empty, so add first and then remove"
        for vpc in set(new["vpc"]) - set(old["vpc"]):
            self.insync(self.client.associate_vpc_with_hosted_zone(HostedZoneId=ident, VPC={"VPCId": vpc, "VPCRegion": REGION}))
        for vpc in set(old["vpc"]) - set(new["vpc"]):
            self.insync(self.client.disassociate_vpc_from_hosted_zone(HostedZoneId=ident, VPC={"VPCId": vpc, "VPCRegion": REGION}))

    def destroy(self, ident, _):
        """With `force_destroy`: all records, then DNSSEC, then the zone."""
        pages = self.client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=ident)
        for page in pages:
            changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in page["ResourceRecordSets"]
                       if one["Type"] not in ("NS", "SOA")]
            if changes:
                self.insync(self.client.change_resource_record_sets(HostedZoneId=ident, ChangeBatch={
                    "Comment": "Deleted by Terraform", "Changes": changes}))
        signed = self.client.get_dnssec(HostedZoneId=ident)["Status"]["ServeSignature"]
        assert signed == "NOT_SIGNING", signed
        self.insync(self.client.delete_hosted_zone(Id=ident))


class Record:
    """aws_route53_record: one record set, by UPSERT; another type or identifier deletes and creates in one batch."""

    gone = None

    def __init__(self, clients):
        self.zones = Zone(clients)
        self.client = self.zones.client

    @staticmethod
    def expand(config):
        set_of = {"Name": config["name"], "Type": config["type"], **config.get("policy", {})}
        if "alias" in config:
            return set_of | {"AliasTarget": config["alias"]}
        return set_of | {"TTL": config["ttl"], "ResourceRecords": [{"Value": one} for one in config["records"]]}

    def change(self, zone, *changes):
        self.client.get_hosted_zone(Id=zone)
        self.zones.insync(self.client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={
            "Comment": "Managed by Terraform",
            "Changes": [{"Action": action, "ResourceRecordSet": one} for action, one in changes]}))

    def create(self, config):
        self.change(config["zone"], ("CREATE", self.expand(config)))
        return config

    def find(self, ident):
        """The provider's look-up by four parts: it starts at the name and type, and takes what has both and the identifier."""
        name, identifier = f"{ident['name'].lower()}.", ident.get("policy", {}).get("SetIdentifier")
        self.client.get_hosted_zone(Id=ident["zone"])
        page = self.client.list_resource_record_sets(
            HostedZoneId=ident["zone"], StartRecordName=name, StartRecordType=ident["type"], MaxItems="100" if identifier else "1")
        found = [one for one in page["ResourceRecordSets"] if one["Name"].replace("\\052", "*") == name
                 and one["Type"] == ident["type"] and one.get("SetIdentifier") == identifier]
        return found[0] if len(found) == 1 else None

    def read(self, ident):
        found = self.find(ident)
        config = {"zone": ident["zone"], "name": found["Name"].removesuffix(".").replace("\\052", "*"), "type": found["Type"]}
        if "AliasTarget" in found:
            alias = found["AliasTarget"]
            # the provider compares names without the full stop at their end
            config["alias"] = alias | {"DNSName": alias["DNSName"].removesuffix(".").replace("\\052", "*")}
        else:
            config |= {"ttl": found["TTL"], "records": [one["Value"] for one in found["ResourceRecords"]]}
        policy = {key: found[key] for key in ("SetIdentifier", "Weight", "Region", "Failover", "MultiValueAnswer", "GeoLocation",
                                              "HealthCheckId") if key in found}
        return config | ({"policy": policy} if policy else {})

    def update(self, ident, old, new):
        same = [old[key] == new[key] for key in ("name", "type")]
        same.append(old.get("policy", {}).get("SetIdentifier") == new.get("policy", {}).get("SetIdentifier"))
        if all(same):
            self.change(new["zone"], ("UPSERT", self.expand(new)))
        else:
            self.change(new["zone"], ("DELETE", self.expand(old)), ("CREATE", self.expand(new)))
        ident.clear()
        ident.update(new)

    def destroy(self, ident, _):
        self.change(ident["zone"], ("DELETE", self.find(ident)))


class Authorization:
    """aws_route53_vpc_association_authorization"""

    gone = None

    def __init__(self, clients):
        self.client = clients["route53"]

    def create(self, config):
        self.client.create_vpc_association_authorization(
            HostedZoneId=config["zone"], VPC={"VPCId": config["vpc"], "VPCRegion": REGION})
        return config

    def read(self, ident):
        listed = self.client.list_vpc_association_authorizations(HostedZoneId=ident["zone"])["VPCs"]
        return ident if ident["vpc"] in [vpc["VPCId"] for vpc in listed] else None

    def find(self, ident):
        return self.read(ident)

    def destroy(self, ident, _):
        self.client.delete_vpc_association_authorization(
            HostedZoneId=ident["zone"], VPC={"VPCId": ident["vpc"], "VPCRegion": REGION})


class ZoneAssociation(Authorization):
    """aws_route53_zone_association, by the account of the VPC: it may not read the zone, and finds it by its VPC."""

    def create(self, config):
        self.client.associate_vpc_with_hosted_zone(
            HostedZoneId=config["zone"], VPC={"VPCId": config["vpc"], "VPCRegion": REGION}, Comment="Managed by Terraform")
        return config

    def read(self, ident):
        error = error_of(self.client.get_hosted_zone, Id=ident["zone"])
        assert error is None or error[0] in ("AccessDenied", "NoSuchHostedZone"), error
        listed = self.client.list_hosted_zones_by_vpc(VPCId=ident["vpc"], VPCRegion=REGION)["HostedZoneSummaries"]
        return ident if ident["zone"] in [zone["HostedZoneId"] for zone in listed] else None

    def destroy(self, ident, _):
        self.client.disassociate_vpc_from_hosted_zone(
            HostedZoneId=ident["zone"], VPC={"VPCId": ident["vpc"], "VPCRegion": REGION}, Comment="Managed by Terraform")


class Profile:
    """aws_route53profiles_profile"""

    gone = "ResourceNotFoundException"

    def __init__(self, clients):
        self.client = clients["route53profiles"]

    def create(self, config):
        made = self.client.create_profile(Name=config["name"], ClientToken=f"terraform-{next(NUMBERS)}", Tags=[
            {"Key": key, "Value": value} for key, value in config["tags"].items()])["Profile"]
        return made["Id"]

    def read(self, ident):
        found = self.client.get_profile(ProfileId=ident)["Profile"]
        assert found["Status"] == "COMPLETE" and found["ShareStatus"] == "NOT_SHARED", found
        return {"name": found["Name"], "tags": self.client.list_tags_for_resource(ResourceArn=found["Arn"])["Tags"]}

    def update(self, ident, old, new):
        arn = self.client.get_profile(ProfileId=ident)["Profile"]["Arn"]
        if gone := [key for key in old["tags"] if key not in new["tags"]]:
            self.client.untag_resource(ResourceArn=arn, TagKeys=gone)
        self.client.tag_resource(ResourceArn=arn, Tags=new["tags"])

    def destroy(self, ident, _):
        self.client.delete_profile(ProfileId=ident)


class ProfileAssociation(Profile):
    """aws_route53profiles_association"""

    def create(self, config):
        made = self.client.associate_profile(Name=config["name"], ProfileId=config["profile"], ResourceId=config["vpc"])
        return made["ProfileAssociation"]["Id"]

    def read(self, ident):
        found = self.client.get_profile_association(ProfileAssociationId=ident)["ProfileAssociation"]
        assert found["Status"] == "COMPLETE", found
        return {"name": found["Name"], "profile": found["ProfileId"], "vpc": found["ResourceId"]}

    def destroy(self, _, config):
        self.client.disassociate_profile(ProfileId=config["profile"], ResourceId=config["vpc"])


class ResourceAssociation(Profile):
    """aws_route53profiles_resource_association"""

    def create(self, config):
        made = self.client.associate_resource_to_profile(Name=config["name"], ProfileId=config["profile"],
                                                         ResourceArn=config["arn"])
        return made["ProfileResourceAssociation"]["Id"]

    def read(self, ident):
        found = self.client.get_profile_resource_association(ProfileResourceAssociationId=ident)["ProfileResourceAssociation"]
        assert found["Status"] == "COMPLETE", found
        return {"name": found["Name"], "profile": found["ProfileId"], "arn": found["ResourceArn"]}

    def destroy(self, _, config):
        self.client.disassociate_resource_from_profile(ProfileId=config["profile"], ResourceArn=config["arn"])


def run(case):
    awstools.need("boto3")
    keys = access_keys(case, *KEYS)
    server = Ec2Server(case, "--ec2-keys", keys)
    hub, spoke = account(server, *KEYS[0]), account(server, *KEYS[1])
    one, two, theirs = World(hub["ec2"], "127.44.0.0/16"), World(hub["ec2"], "127.45.0.0/16"), World(spoke["ec2"], "127.46.0.0/16")
    endpoint = hub["ec2"].create_vpc_endpoint(VpcId=one.vpc, ServiceName=f"com.amazonaws.{REGION}.sqs", VpcEndpointType="Interface",
                                              SubnetIds=one.subnets[:1], PrivateDnsEnabled=False)["VpcEndpoint"]
    made, applied = {}, []
    for kind, clients, name, config, later in steps(made, hub, spoke, (one, two, theirs), endpoint["DnsEntries"][0]):
        applied.append((kind, clients, name, *replays.apply(case, made, kind(clients), name, config, later)))
    server.process.kill()
    server.process.wait()
    server = Ec2Server(case, "--ec2-keys", keys)
    again = {id(hub): account(server, *KEYS[0]), id(spoke): account(server, *KEYS[1])}
    for kind, clients, name, ident, config in applied:
        found = kind(again[id(clients)]).read(ident)
        if kind is Zone:
            # VPCs of other accounts are in the list, too: the provider's page has `ignore_changes = [vpc]` for that
            found["vpc"] = [vpc for vpc in found["vpc"] if vpc != theirs.vpc]
        case.equal(f"{name}: a plan after kill -9", found, config)
    for kind, clients, name, ident, config in reversed(applied):
        resource = kind(again[id(clients)])
        resource.destroy(ident, config)
        if resource.gone:
            error = error_of(resource.read, ident=ident)
            case.check(error and error[0] == resource.gone, f"{name} after destroy: {error}")
        else:
            case.equal(f"{name} after destroy", resource.find(ident), None)


def account(server, key, secret, *_):
    return {name: awstools.client(server, key=key, secret=secret, service=name) for name in ("ec2", "route53", "route53profiles")}


def steps(made, hub, spoke, worlds, entry):
    """(resource, whose, name, configuration, the one that follows) in the order of an apply."""
    one, two, theirs = worlds

    def record(name, rtype, *records, ttl=300, **policy):
        config = {"zone": made["zone"], "name": name, "type": rtype, "ttl": ttl, "records": list(records)}
        return config | ({"policy": policy} if policy else {})

    def alias(health):
        return {"zone": made["zone"], "name": "sqs.tf.example", "type": "A", "alias": {
            "HostedZoneId": entry["HostedZoneId"], "DNSName": entry["DnsName"], "EvaluateTargetHealth": health}}

    zone = {"name": "tf.example", "comment": "Managed by Terraform", "vpc": sorted([one.vpc, two.vpc]), "tags": {"Name": "tf"}}
    profile = {"name": "tf", "tags": {"Name": "tf"}}
    return [
        (Zone, hub, "zone", lambda: zone, lambda: zone | {"comment": "another", "vpc": [one.vpc], "tags": {"env": "test"}}),
        (Record, hub, "record", lambda: record("www.tf.example", "A", "10.0.0.1", "10.0.0.2"),
         lambda: record("www.tf.example", "A", "10.0.0.2", "10.0.0.3", ttl=60)),
        (Record, hub, "another type", lambda: record("app.tf.example", "A", "10.0.0.1"),
         lambda: record("app.tf.example", "CNAME", "www.tf.example")),
        (Record, hub, "wildcard", lambda: record("*.apps.tf.example", "CNAME", "www.tf.example."), None),
        (Record, hub, "text", lambda: record("tf.example", "TXT", '"v=spf1 -all"', '"a" "b"'), None),
        (Record, hub, "apex MX", lambda: record("tf.example", "MX", "10 mail.tf.example", "20 mail2.tf.example"), None),
        (Record, hub, "service", lambda: record("_sip._tcp.tf.example", "SRV", "1 2 5060 www.tf.example"), None),
        (Record, hub, "CAA", lambda: record("tf.example", "CAA", '0 issue "ca.example"'), None),
        (Record, hub, "alias", lambda: alias(False), lambda: alias(True)),
        (Record, hub, "blue", lambda: record("w.tf.example", "A", "10.0.1.1", SetIdentifier="blue", Weight=90),
         lambda: record("w.tf.example", "A", "10.0.1.1", SetIdentifier="blue", Weight=0)),
        (Record, hub, "green", lambda: record("w.tf.example", "A", "10.0.1.2", SetIdentifier="green", Weight=10),
         lambda: record("w.tf.example", "A", "10.0.1.2", SetIdentifier="teal", Weight=10)),
        (Record, hub, "latency", lambda: record("l.tf.example", "A", "10.0.1.3", SetIdentifier="us", Region=REGION), None),
        (Record, hub, "failover", lambda: record("f.tf.example", "A", "10.0.1.4", SetIdentifier="first", Failover="PRIMARY",
                                                 HealthCheckId="0b3a1d5e-0000-4000-8000-000000000001"), None),
        (Record, hub, "location", lambda: record("g.tf.example", "A", "10.0.1.5", SetIdentifier="de", GeoLocation={
            "CountryCode": "DE"}), None),
        (Record, hub, "multivalue", lambda: record("m.tf.example", "A", "10.0.1.6", SetIdentifier="m", MultiValueAnswer=True), None),
        (Authorization, hub, "authorization", lambda: {"zone": made["zone"], "vpc": theirs.vpc}, None),
        (ZoneAssociation, spoke, "association", lambda: {"zone": made["zone"], "vpc": theirs.vpc}, None),
        (Profile, hub, "profile", lambda: profile, lambda: profile | {"tags": {"env": "test"}}),
        (ProfileAssociation, hub, "profile association",
         lambda: {"name": "tf", "profile": made["profile"], "vpc": two.vpc}, None),
        (ResourceAssociation, hub, "profile resource", lambda: {
            "name": "zone", "profile": made["profile"], "arn": f"arn:aws:route53:::hostedzone/{made['zone']}"}, None),
    ]

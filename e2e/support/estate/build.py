"""What is in each VPC of the estate: a hub and its spokes, Profiles, shared subnets, zones, rules, and all kinds of endpoint."""

from . import aws
from .world import (ACCOUNTS, CROSS, DUAL, HUB, INBOUND, LATTICE, NO_SUPPORT, PARTNER, PROFILES, S3, SHARED, STATES, V6_ONLY,
                    WITH_ZONE_RULES, Profile, Rule, World, Zone, names_a_day)

APEX = [("NS", 172800, ["ns-1536.awsdns-00.co.uk.", "ns-0.awsdns-00.com.", "ns-1024.awsdns-00.org.", "ns-512.awsdns-00.net."]),
        ("SOA", 900, ["ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"])]
SPOKES = [SHARED, WITH_ZONE_RULES, 3, 4]


def build(seed):
    world = World(seed)
    for vpc in list(world.vpcs):
        endpoints(world, vpc)
    for region in sorted({vpc.region.name for vpc in world.vpcs}):
        hub(world, region)
    return world


def endpoints(world, vpc):
    for service in names_a_day(world):
        records = {DUAL: "dualstack", V6_ONLY: "ipv6"}.get(vpc.place, "ipv4")
        zones = None if world.rng.random() < 0.7 else 1
        world.endpoint(vpc, service, zones=zones, records=records, private=world.rng.random() < 0.8)
    match vpc.place:
        case 14:
            world.endpoint(vpc, "dynamodb", private=False)
        case 4 if vpc.region.partition == "aws":
            world.endpoint(vpc, "events", records="ipv4")
        case 13:
            for service in ("events", "sts"):
                world.endpoint(vpc, service, state="pending")
    if vpc.place == DUAL:
        world.endpoint(vpc, "events", records="service-defined")
        world.endpoint(vpc, "kms", records="ipv4")
    elif vpc.place == LATTICE:
        world.lattice(vpc, "Resource", f"db.r{vpc.account[0]}.example")
        world.lattice(vpc, "Resource", f"off.r{vpc.account[0]}.example", ("SPECIFIED_DOMAINS_ONLY", [f"on.r{vpc.account[0]}.example"]))
        world.lattice(vpc, "Resource", f"on.r{vpc.account[0]}.example", ("SPECIFIED_DOMAINS_ONLY", [f"on.r{vpc.account[0]}.example"]))
        world.lattice(vpc, "ServiceNetwork", f"orders.n{vpc.account[0]}.example")
    elif vpc.place == CROSS:
        other = aws.REGIONS["us-west-2" if vpc.region.name != "us-west-2" else "eu-west-1"]
        world.endpoint(vpc, "kms", region=other)
        world.endpoint(vpc, "ecr.api", region=other, private=False)
    elif vpc.place == PARTNER:
        world.partner(vpc, f"api.partner{vpc.account[0]}.example")
        world.partner(vpc, f"*.tenants{vpc.account[0]}.example")
    elif vpc.place in (S3, INBOUND):
        world.endpoint(vpc, "s3", inbound_only=vpc.place == INBOUND)
    elif vpc.place == STATES:
        for service, state in [("kms", "deleting"), ("sts", "rejected"), ("events", "failed")]:
            world.endpoint(vpc, service, state=state)
    if vpc.shared_with:
        world.endpoint(vpc, "events", account=vpc.shared_with)


def hub(world, name):
    """The zones and rules of the hub, in its own account's hands, with VPCs of every account of the Region."""
    here = [vpc for vpc in world.vpcs if vpc.region.name == name]
    hub_vpc = next(vpc for vpc in here if vpc.place == HUB)
    account = hub_vpc.account
    spokes = [vpc for vpc in here if vpc.place in SPOKES]
    central = [world.endpoint(hub_vpc, service, private=False) for service in ("kms", "sts")]
    for endpoint in central:
        # the pattern of AWS's whitepaper: a private zone at the service's name, an alias, spokes associated with it
        service = aws.private_names(endpoint.service, hub_vpc.region)[0]
        sets = [alias(service, "A", endpoint.regional, hub_vpc.region.zone)]
        zone(world, account, service, [hub_vpc, *spokes], sets)
    corp = f"corp-{name}.example"
    zone(world, account, corp, [hub_vpc, *spokes], corp_sets(world, corp, central[0]))
    # of two zones the more specific one holds, and what it lacks is not there
    zone(world, account, f"deep.{corp}", spokes[:2], [values(f"only.deep.{corp}", "A", ["10.99.0.1"])])
    zone(world, account, f"open-{name}.example", spokes, [values(f"www.open-{name}.example", "A", ["10.99.0.2"])], fallback=True)
    lonely = [vpc for vpc in here if vpc.place in (NO_SUPPORT, 17)]
    zone(world, account, f"quiet-{name}.example", lonely or spokes[:1], [values(f"www.quiet-{name}.example", "A", ["10.99.0.3"])])

    rule(world, hub_vpc, "onprem.example", "FORWARD", 1, [hub_vpc, *spokes])
    rule(world, hub_vpc, "cloud.onprem.example", "SYSTEM", 0, spokes)
    rule(world, hub_vpc, f"ruled.{corp}", "FORWARD", 2, spokes)
    rule(world, hub_vpc, "10.in-addr.arpa", "FORWARD", 2, spokes)
    rule(world, hub_vpc, "nobody.example", "FORWARD", 2, [])
    everything = [vpc for vpc in here if vpc.place == 3]
    rule(world, hub_vpc, ".", "FORWARD", 3, everything)
    at_zone = zone(world, account, f"both-{name}.example", spokes, [values(f"www.both-{name}.example", "A", ["10.99.0.4"])])
    rule(world, hub_vpc, at_zone.name, "FORWARD", 1, everything)
    if hub_vpc.region.partition == "aws":
        profiles(world, name, here, hub_vpc)
    world.inbound.append((world.id("rslvr-in"), hub_vpc))


def profiles(world, name, here, hub_vpc):
    """Two Profiles that many VPCs have, with one zone name in both, and with one that a VPC has itself."""
    users = [vpc for vpc in here if vpc.place in (PROFILES, 13, 14)]
    endpoint = world.endpoint(hub_vpc, "events")
    first, second = (Profile(world.id("rp"), hub_vpc.account, hub_vpc.region) for _ in range(2))
    first.vpcs, second.vpcs = [(vpc, 100) for vpc in users], [(vpc, 50 if vpc.place == 14 else 200) for vpc in users if vpc.place != 13]
    for number, profile in enumerate([first, second], 1):
        shared = f"shared-{name}.example"
        profile.zones.append(zone(world, hub_vpc.account, shared, [hub_vpc] if number == 1 else [],
                                  [values(f"who.{shared}", "A", [f"10.98.0.{number}"])], keep=number == 1))
        own = f"p{number}-{name}.example"
        profile.zones.append(zone(world, hub_vpc.account, own, [hub_vpc], [values(f"www.{own}", "A", [f"10.98.1.{number}"])]))
        profile.rules.append(rule(world, hub_vpc, f"away{number}.example", "FORWARD", number, []))
    first.endpoints.append(endpoint)
    own = [vpc for vpc in users if vpc.place == PROFILES]
    zone(world, own[0].account, f"p1-{name}.example", own, [values(f"www.p1-{name}.example", "A", ["10.98.2.1"])])
    world.profiles += [first, second]


def zone(world, account, name, vpcs, sets, fallback=False, keep=True):
    """A zone; without VPCs of its own it needs one of the account, as Route 53 makes no private zone without."""
    del keep
    number = f"Z0{world.numbers:08d}{account[:6]}"
    world.numbers += 1
    apex = [{"Name": f"{name}.", "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in data]} for kind, ttl, data in APEX]
    ordered = sorted(sets, key=lambda one: one["Name"].split(".")[::-1])
    made = Zone(number, account, name, vpcs, apex + [in_zone(one, number) for one in ordered], fallback)
    world.zones.append(made)
    return made


def in_zone(one, number):
    """The hosted zone's own id where an alias leads to a name of the same zone."""
    if "AliasTarget" in one and one["AliasTarget"]["HostedZoneId"] is None:
        one["AliasTarget"]["HostedZoneId"] = number
    return one


def rule(world, vpc, domain, kind, upstream, vpcs):
    made = Rule(f"rslvr-rr-{world.numbers:017x}", vpc.account, vpc.region, domain, kind, upstream, list(vpcs))
    world.numbers += 1
    world.rules.append(made)
    return made


def values(name, kind, data, ttl=300, **more):
    return {"Name": f"{name}.", "Type": kind, **more, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in data]}


def alias(name, kind, target, zone_id, **more):
    target = {"HostedZoneId": zone_id, "DNSName": f"{target}.", "EvaluateTargetHealth": False}
    return {"Name": f"{name}.", "Type": kind, **more, "AliasTarget": target}


def corp_sets(world, corp, endpoint):
    """Every form of a record set that Route 53 prints."""
    region = endpoint.vpc.region
    in_zone_a = endpoint.zonal_name(endpoint.interfaces[0])
    sets = [
        values(f"db.{corp}", "A", ["10.97.0.1", "10.97.0.2"]), values(f"db.{corp}", "AAAA", ["2001:db8:97::1"]),
        values(f"t.{corp}", "TXT", ['"v=spf1 -all" "b"']), values(f"m.{corp}", "MX", ["10 mail.corp.example."]),
        values(f"\\052.wild.{corp}", "A", ["10.97.0.3"]), values(f"here.wild.{corp}", "TXT", ['"x"']),
        values(f"alias.{corp}", "CNAME", [f"db.{corp}."]), values(f"out.{corp}", "CNAME", ["www.example.net."]),
        values(f"e.n.t.{corp}", "A", ["10.97.0.4"]),
        alias(f"kms.{corp}", "A", endpoint.regional, region.zone), alias(f"kms-a.{corp}", "A", in_zone_a, region.zone),
        alias(f"again.{corp}", "A", f"db.{corp}", None),
        alias(f"lb.{corp}", "A", f"internal-web-1.{region.name}.elb.{region.suffix}", "Z35SXDOTRQ7X7K"),
        values(f"w.{corp}", "A", ["10.97.1.1"], SetIdentifier="off", Weight=0),
        values(f"w.{corp}", "A", ["10.97.1.2"], SetIdentifier="on", Weight=10),
        values(f"f.{corp}", "A", ["10.97.2.1"], SetIdentifier="p", Failover="PRIMARY"),
        values(f"f.{corp}", "A", ["10.97.2.2"], SetIdentifier="s", Failover="SECONDARY"),
        values(f"geo.{corp}", "A", ["10.97.3.1"], SetIdentifier="ie", GeoLocation={"CountryCode": "IE"}),
        values(f"geo.{corp}", "A", ["10.97.3.2"], SetIdentifier="all", GeoLocation={"CountryCode": "*"}),
        values(f"cut.{corp}", "NS", [f"ns1.cut.{corp}."]), values(f"ns1.cut.{corp}", "A", ["10.97.4.1"]),
        values(f"ip.{corp}", "A", ["10.97.5.1"], SetIdentifier="c", CidrRoutingConfig={"CollectionId": "c8c02a84-aaaa-bbbb-e0d2-d833a2f80106", "LocationName": "x"}),
    ]
    sets += [values(f"multi.{corp}", "A", [f"10.97.6.{n}"], SetIdentifier=f"m{n}", MultiValueAnswer=True) for n in range(1, 6)]
    sets += [values(f"near.{corp}", "A", [f"10.97.7.{n}"], SetIdentifier=other, Region=other)
             for n, other in enumerate(("us-east-1", "eu-west-1", "us-west-2"), 1) if other == region.name or region.partition == "aws"]
    return sets

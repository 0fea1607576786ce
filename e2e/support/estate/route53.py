"""The estate's zones, rules and Profiles as `aws route53`, `route53resolver` and `route53profiles` print them."""

from .world import HUB

TIME = "2026-09-09T09:09:09.000000+00:00"


def write(world, printer, scopes):
    for account in sorted({account for account, _ in scopes}):
        zones(world, printer, account)
    for account, region in scopes:
        resolver(world, printer, account, region)
        profiles(world, printer, account, region)


def summary(zone):
    item = {"Id": f"/hostedzone/{zone.id}", "Name": f"{zone.name}.", "CallerReference": zone.id,
            "Config": {"Comment": "", "PrivateZone": True}, "ResourceRecordSetCount": len(zone.sets)}
    if zone.fallback:
        item["Features"] = {"PublicDNSFallbackStatus": "ENABLED"}
    return item


def zones(world, printer, account):
    mine = [zone for zone in world.zones if zone.account == account]
    public = {"Id": f"/hostedzone/ZPUBLIC{account}", "Name": "www.public.example.", "CallerReference": "p",
              "Config": {"PrivateZone": False}, "ResourceRecordSetCount": 2}
    printer.paged(account, "route53", "ListHostedZones", "HostedZones", [public, *map(summary, mine)], MaxItems="100")
    printer.one(account, "route53", "ListHostedZonesByName", {"HostedZones": [summary(zone) for zone in mine[:3]], "IsTruncated": False, "MaxItems": "3"})
    for zone in mine:
        vpcs = [{"VPCRegion": vpc.region.name, "VPCId": vpc.id} for vpc in zone.vpcs]
        printer.one(account, "route53", "GetHostedZone", {"HostedZone": summary(zone), "VPCs": vpcs}, zone.id)
        records(printer, account, zone)
    for vpc in [vpc for vpc in world.vpcs if vpc.account == account and vpc.place == HUB]:
        seen = [{"HostedZoneId": zone.id, "Name": f"{zone.name}.", "Owner": {"OwningAccount": zone.account}} for zone in world.zones if vpc in zone.vpcs]
        printer.one(account, "route53", "ListHostedZonesByVPC", {"HostedZoneSummaries": seen, "MaxItems": "100"}, vpc.id)


def records(printer, account, zone):
    """Large zones come as the pages of the API itself (`--no-paginate`), one directory for each zone."""
    size = 10
    pages = [zone.sets[at:at + size] for at in range(0, len(zone.sets), size)]
    for number, sets in enumerate(pages, 1):
        document = {"ResourceRecordSets": sets, "IsTruncated": number < len(pages), "MaxItems": str(size)}
        if number < len(pages):
            first = pages[number][0]
            document |= {"NextRecordName": first["Name"], "NextRecordType": first["Type"]}
            if "SetIdentifier" in first:
                document["NextRecordIdentifier"] = first["SetIdentifier"]
        printer.one(f"{account}/records-{zone.id}", "route53", "ListResourceRecordSets", document, f"page-{number}")


def resolver(world, printer, account, region):
    where = f"{account}/{region}"
    service = "route53resolver"
    # a rule is in the lists of every account with which it is shared
    mine = [rule for rule in world.rules if rule.region.name == region and
            (rule.account == account or any(vpc.account == account for vpc in rule.vpcs))]
    internet = {"Id": "rslvr-autodefined-rr-internet-resolver", "CreatorRequestId": "", "DomainName": ".", "Status": "COMPLETE",
                "RuleType": "RECURSIVE", "Name": "Internet Resolver", "OwnerId": "Route 53 Resolver", "ShareStatus": "NOT_SHARED",
                "Arn": f"arn:aws:route53resolver:{region}::autodefined-rule/rslvr-autodefined-rr-internet-resolver"}
    printer.paged(where, service, "ListResolverRules", "ResolverRules", [rule_item(rule, account) for rule in mine] + [internet], page=3)
    own = [(rule, vpc) for rule in mine for vpc in rule.vpcs if vpc.account == account]
    of = [{"Id": f"rslvr-rrassoc-{vpc.id[4:]}", "ResolverRuleId": rule.id, "Name": "", "VPCId": vpc.id, "Status": "COMPLETE",
           "StatusMessage": ""} for rule, vpc in own]
    printer.paged(where, service, "ListResolverRuleAssociations", "ResolverRuleAssociations", of)
    for vpc in [vpc for vpc in world.vpcs if (vpc.account, vpc.region.name) == (account, region)]:
        config = {"Id": f"rslvr-rc-{vpc.id[4:]}", "ResourceId": vpc.id, "OwnerId": account,
                  "AutodefinedReverse": "ENABLED" if vpc.reverse else "DISABLED"}
        printer.one(where, service, "GetResolverConfig", {"ResolverConfig": config}, vpc.id)
    inbound = [(number, vpc) for number, vpc in world.inbound if (vpc.account, vpc.region.name) == (account, region)]
    items = [{"Id": number, "CreatorRequestId": "x", "Arn": f"arn:{vpc.region.partition}:route53resolver:{region}:{account}:resolver-endpoint/{number}",
              "Name": "inbound", "SecurityGroupIds": [f"sg-{vpc.id[4:]}"], "Direction": "INBOUND", "IpAddressCount": 2,
              "HostVPCId": vpc.id, "Status": "OPERATIONAL", "CreationTime": TIME, "ModificationTime": TIME,
              "ResolverEndpointType": "IPV4", "Protocols": ["Do53"]} for number, vpc in inbound]
    printer.paged(where, service, "ListResolverEndpoints", "ResolverEndpoints", items)
    for number, vpc in inbound:
        addresses = [{"IpId": f"rni-{subnet.id[7:]}", "SubnetId": subnet.id, "Ip": str(subnet.block[250]), "Status": "ATTACHED",
                      "CreationTime": TIME, "ModificationTime": TIME} for subnet in vpc.subnets[:2]]
        printer.paged(where, service, "ListResolverEndpointIpAddresses", "IpAddresses", addresses, page=1, name=number)


def rule_item(rule, account):
    item = {"Id": rule.id, "CreatorRequestId": rule.id, "DomainName": rule.domain if rule.domain == "." else f"{rule.domain}.",
            "Arn": f"arn:{rule.region.partition}:route53resolver:{rule.region.name}:{rule.account}:resolver-rule/{rule.id}",
            "Status": "COMPLETE", "StatusMessage": "", "RuleType": rule.kind, "Name": "r", "OwnerId": rule.account,
            "ShareStatus": "SHARED_BY_ME" if account == rule.account else "SHARED_WITH_ME", "CreationTime": TIME, "ModificationTime": TIME}
    if rule.kind == "FORWARD":
        address, port = rule.target
        item |= {"TargetIps": [{"Ip": address, "Port": port, "Protocol": "Do53"}], "ResolverEndpointId": f"rslvr-out-{rule.id[9:]}"}
    return item


def profiles(world, printer, account, region):
    where, service = f"{account}/{region}", "route53profiles"
    here = [one for one in world.profiles if one.region.name == region]
    mine = [one for one in here if one.account == account or any(vpc.account == account for vpc, _ in one.vpcs)]
    if not here:
        return
    items = [{"Id": one.id, "Arn": f"arn:aws:route53profiles:{region}:{one.account}:profile/{one.id}", "Name": f"p{number}",
              "ShareStatus": "SHARED_BY_ME" if one.account == account else "SHARED_WITH_ME"} for number, one in enumerate(mine)]
    printer.paged(where, service, "ListProfiles", "ProfileSummaries", items, page=1)
    of = [{"Id": f"rpassoc-{vpc.id[4:]}", "Name": "a", "OwnerId": vpc.account, "ProfileId": one.id, "ResourceId": vpc.id, "Status": "COMPLETE",
           "StatusMessage": "", "CreationTime": TIME, "ModificationTime": TIME, "Priority": priority}
          for one in mine for vpc, priority in one.vpcs if vpc.account == account]
    printer.paged(where, service, "ListProfileAssociations", "ProfileAssociations", of, page=2)
    for one in mine:
        shared = [("HOSTED_ZONE", f"arn:aws:route53:::hostedzone/{zone.id}") for zone in one.zones]
        shared += [("RESOLVER_RULE", f"arn:aws:route53resolver:{region}:{rule.account}:resolver-rule/{rule.id}") for rule in one.rules]
        shared += [("VPC_ENDPOINT", f"arn:aws:ec2:{region}:{endpoint.account}:vpc-endpoint/{endpoint.id}") for endpoint in one.endpoints]
        resources = [{"Id": f"rpr-{number:017x}", "Name": f"r{number}", "OwnerId": one.account, "ProfileId": one.id, "ResourceArn": resource,
                      "ResourceType": kind, "Status": "COMPLETE", "StatusMessage": "", "CreationTime": TIME, "ModificationTime": TIME}
                     for number, (kind, resource) in enumerate(shared)]
        printer.paged(where, service, "ListProfileResourceAssociations", "ProfileResourceAssociations", resources, page=2, name=one.id)

"""Two accounts in two Regions make random calls of every action, with each other's ids: nobody sees or disturbs another.

Four callers (two accounts, two Regions each) have an estate of the same addresses, names and tags. One of them makes a batch of
random calls; an id that belongs to another may stand in its answers only where its call named it. Afterwards the lists of the
others are what they were. A refusal of a call that names what another has is that for an id that nobody has.
E2E_CALLS sets how many, E2E_SEED which.
"""

import os
import random
import re
import time

from support import zones as z
from support.ec2 import Ec2Server, access_keys
from support.randomcalls import ID, RandomCalls
from support.signed import Models, Signed, actions

CALLS, SEED = int(os.environ.get("E2E_CALLS", "10000")), int(os.environ.get("E2E_SEED", "20261126"))
BATCH, SECONDS = 250, 300
REGIONS = ("us-east-1", "eu-west-1")
ACCOUNTS = ("111111111111", "222222222222")
KEYS = [(f"AKIA{account[:4]}", f"secret-{account}", account, ["*", "vpcedns:*"]) for account in ACCOUNTS]
# of all accounts and Regions alike: AWS's own services, prefix lists and zones, and what files declare
FILE_VPC, FILE_SUBNET = "vpc-0f11e0000000000f1", "subnet-0f11e0000000000f1"
# a Region is no part of what Route 53 has
GLOBAL = ("route53", "sts", "iam")
# the time of an answer, and what is drawn anew for each
NOISE = re.compile(r"<requestId>.*?</requestId>|<RequestI[dD]>.*?</RequestI[dD]>")


class Caller:
    """One account in one Region."""

    def __init__(self, server, models, key, region):
        self.account, self.region, self.name = key[2], region, f"{key[2][0]}-{region}"
        self.signed, self.ids = Signed(server, models, key[0], key[1], region), set()
        # ids of others that it said itself
        self.has_estate, self.named = False, set()

    def call(self, service, action, params):
        return self.signed.call(service, action, params)

    def is_stranger(self, other, service, found=""):
        """Whether what `other` has is none of its business. Hosted zones, and the VPCs that see them, are of all Regions."""
        of_region = service not in GLOBAL and not found.startswith("Z")
        return self.account != other.account or (self.region != other.region and of_region)


def run(case):
    models, rng = Models(), random.Random(SEED)
    # no change by time alone
    case.write("vpcedns.toml", "[limits]\nec2_deleted_ms = 86400000\nec2_calls_per_second = 1000000\n")
    case.write("zones/file.toml", z.vpc(FILE_VPC, "127.90.0.0/16") + z.subnet(FILE_SUBNET, FILE_VPC, "a", "127.90.1.0/24"))
    server = Ec2Server(case, "--ec2-keys", access_keys(case, *KEYS))
    callers = [Caller(server, models, key, region) for key in KEYS for region in REGIONS]
    served = actions(models)
    lists = [(service, action) for service, action in served if is_list(models, service, action)]
    public = {found for caller in callers for text in everything(caller, lists, models) for found in ID.findall(text)}
    world = World(case, callers, public)
    for caller in callers:
        estate(world, caller)
    begin, made, good, twins = time.monotonic(), 0, 0, 0
    while made < CALLS and time.monotonic() - begin < SECONDS and case.failed < 20:
        caller = rng.choice(callers)
        if not any(found.startswith("vpce-0") for found in caller.ids) or rng.random() < 0.2:
            estate(world, caller)
        before = {other.name: snapshot(other, lists, models) for other in callers if other is not caller}
        calls = []
        for _ in range(BATCH):
            draw = RandomCalls(rng, models, world.pool(rng, caller))
            if rng.random() < 0.5:
                service, action = rng.choice(served)
                params = draw.params(service, action)
            else:
                service, action, params = rng.choice(world.carried_out)
                marks = {f"mark-{other.name}": f"mark-{caller.name}" for other in callers}
                params = replaced(draw.again(params), marks)
            status, body = world.call(caller, service, action, params)
            calls.append((service, action, params, status))
            good += status < 300
            if status >= 300:
                twins += world.is_as_of_nothing(caller, service, action, params, (status, body))
        made += BATCH
        for other in callers:
            if other is not caller:
                undisturbed(case, caller, other, before[other.name], snapshot(other, lists, models), calls)
        if not case.check(server.alive(), "the server ended"):
            return
    case.check(good > made // 10, f"only {good} of {made} calls were carried out: the test shows little")
    case.check(twins > made // 20, f"only {twins} refusals were compared: the test shows little")
    missing = {action for _, action in served} - world.actions.keys()
    case.check(len(missing) < len(served) // 4, f"never carried out, so that little is shown of them: {sorted(missing)}")
    case.note(f"{made} calls of {len(served)} actions in {time.monotonic() - begin:.0f} s, {good} carried out, "
              f"{twins} refusals compared with those of ids that nobody has")


class World:
    """Who has which id."""

    def __init__(self, case, callers, public):
        self.case, self.callers, self.public = case, callers, public
        self.carried_out, self.actions = [], {}

    def pool(self, rng, caller):
        """Ids to draw from: half of them the caller's."""
        own = sorted(caller.ids) or ["vpc-0123456789abcdef0"]
        others = sorted(found for other in self.callers for found in other.ids) or own
        return [rng.choice(own if rng.random() < 0.7 else others) for _ in range(200)] + [FILE_VPC, FILE_SUBNET]

    def owner(self, found):
        return next((caller for caller in self.callers if found in caller.ids), None)

    def named_by(self, caller, service):
        """Ids of others that the caller said itself, in any Region where those have one list."""
        same = [other for other in self.callers if other.account == caller.account and (other is caller or service in GLOBAL)]
        return set().union(*(other.named for other in same))

    def call(self, caller, service, action, params):
        """Makes a call, and sees that its answer names nothing of others."""
        if gives_away(caller, action, params, self):
            return 0, ""
        status, body = caller.call(service, action, params)
        if action == "ListHostedZonesByVPC" and params.get("VPCId") == FILE_VPC:
            # "regardless of which AWS account or AWS service owns the hosted zones", and a VPC of files is everybody's
            return status, body
        asked, taken = repr(params), []
        digits_asked = {digits(found) for found in ID.findall(asked)}
        for found in set(ID.findall(body)) - self.public - caller.ids - self.named_by(caller, service):
            # what comes of an id that was named has its digits
            if found in asked or digits(found) in digits_asked:
                continue
            owner = self.owner(found)
            if owner is None:
                caller.ids.add(found)
            elif caller.is_stranger(owner, service, found):
                taken.append((found, owner.name))
        strangers = [other for other in self.callers if other is not caller and caller.is_stranger(other, service)]
        words = {f"mark-{other.name}" for other in strangers} | {other.account for other in strangers} - {caller.account}
        taken += [(word, "another") for word in words if word in body and word not in asked]
        for found, name in taken[:1]:
            self.case.check(False, f"{caller.name}: {action} shows {found} of {name}", f"{params}\n{around(body, found)}")
        if status < 300:
            caller.named.update(ID.findall(asked))
        if status < 300 and self.actions.setdefault(action, 0) < 12:
            self.actions[action] += 1
            self.carried_out.append((service, action, params))
        self.case.check(status < 500, f"{caller.name}: {action} {params}: {status}", body[:600])
        return status, body

    def is_as_of_nothing(self, caller, service, action, params, refusal):
        """Whether a refusal was compared: it has to be the same, had nobody what the call names of others."""
        foreign = [found for found in set(ID.findall(repr(params)))
                   if (owner := self.owner(found)) and caller.is_stranger(owner, service, found)]
        # whoever chooses ids and clients is told that they are taken
        if not foreign or "_custom_id_" in repr(params) or "vpcedns:" in repr(params) or not refusal[0]:
            return False
        names = {found: nobody(found) for found in foreign}
        other = self.call(caller, service, action, replaced(params, names))
        # which of several ids an error names is the server's choice
        wanted, found = ((status, ID.sub("<id>", NOISE.sub("", body))) for status, body in (refusal, other))
        return self.case.check(not other[0] or found == wanted,
                               f"{caller.name}: {action} tells what others have from what nobody has",
                               f"{params}\n{refusal}\n{other}") and bool(other[0])


def is_list(models, service, action):
    """Whether an action shows what there is without being told of what."""
    shape = models.operation(service, action).input_shape
    if action in ("GetSecurityGroupsForVpc", "DescribeVpcEndpointServices") or not re.match("Describe|List|Get", action):
        return False
    return shape is None or not shape.required_members


def around(text, word):
    """A part of a text."""
    at = max(text.find(word), 0)
    return f"...{text[max(at - 300, 0):at + 300]}"


def everything(caller, lists, models):
    """What a caller sees, AWS's services among it."""
    return [*snapshot(caller, lists, models).values(), caller.call("ec2", "DescribeVpcEndpointServices", {})[1]]


def snapshot(caller, lists, models):
    """What a caller sees, by action."""
    seen = {}
    for service, action in lists:
        status, body = caller.call(service, action, {})
        if status == 200:
            seen[(service, action)] = NOISE.sub("", body)
    for zone in set(re.findall(r"/hostedzone/(Z\w+)", seen.get(("route53", "ListHostedZones"), ""))):
        for action, params in (("GetHostedZone", {"Id": zone}), ("ListResourceRecordSets", {"HostedZoneId": zone})):
            seen[("route53", f"{action} {zone}")] = NOISE.sub("", caller.call("route53", action, params)[1])
    return seen


def undisturbed(case, caller, other, before, after, calls):
    """That what another sees is what it saw."""
    for key in before.keys() | after.keys():
        # one account in both Regions has the same zones
        if key[0] in GLOBAL and caller.account == other.account:
            continue
        # a subnet of a file is everybody's, and so are its free addresses
        was, now = (re.sub(r"<availableIpAddressCount>\d+<", "<", text.get(key, "")) for text in (before, after))
        if was != now:
            at = next((n for n, (a, b) in enumerate(zip(was, now)) if a != b), min(len(was), len(now)))
            writes = [call for call in calls if call[3] < 300 and not re.match("Describe|List|Get", call[1])]
            case.check(False, f"{caller.name} changed what {other.name} sees: {key}",
                       f"was ...{was[max(at - 200, 0):at + 200]}\nnow ...{now[max(at - 200, 0):at + 200]}\n"
                       + "\n".join(map(str, writes[:60])))
        case.checks += 1


def digits(found):
    """What an id has behind its kind: those that are made of another's have the same."""
    return found.rsplit("-", 1)[-1]


def nobody(found):
    """An id of the same form that nobody has."""
    if found.startswith("Z"):
        return "Z" + "".join(random.Random(found).choices("ABCDEFGHIJ0123456789", k=len(found) - 1))
    kind, _, number = found.rpartition("-")
    return f"{kind}-{random.Random(found).getrandbits(4 * len(number)):0{len(number)}x}"


def replaced(params, names):
    """Parameters with other ids."""
    if isinstance(params, dict):
        return {key: replaced(value, names) for key, value in params.items()}
    if isinstance(params, list):
        return [replaced(value, names) for value in params]
    return text_with(params, names) if isinstance(params, str) else params


def text_with(text, names):
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def gives_away(caller, action, params, world):
    """Whether a call would share something with another account, as its caller may."""
    text = repr(params)
    if "Principal" in text and any(word in text for word in ("'*'", *ACCOUNTS)):
        return True
    if action == "CreateVPCAssociationAuthorization":
        return any((owner := world.owner(found)) and owner.account != caller.account for found in ID.findall(text))
    return False


def estate(world, caller):
    """One of each kind, with the names, addresses and tokens that the others have, too."""
    def make(service, action, **params):
        status, body = world.call(caller, service, action, params)
        world.case.check(status < 300 or "Exist" in body or "Conflict" in body or "onflict" in body or "Limit" in body or "Duplicate" in body
                         or "overlap" in body or "same" in body,
                         f"{caller.name}: {action} for the estate: {status} {body[:300]}")
        return body

    def first(body, kind):
        ids = (found for found in ID.findall(body) if re.fullmatch(kind + "[0-9A-Za-z]+", found))
        return next(ids, f"{kind}0123456789abcdef0")

    mark = f"mark-{caller.name}"
    tag = [{"Key": "Name", "Value": mark}]

    def tags(kind):
        return [{"ResourceType": kind, "Tags": tag}]

    vpc = first(make("ec2", "CreateVpc", CidrBlock="127.40.0.0/16", TagSpecifications=tags("vpc")), "vpc-")
    # the first of each has the tokens of the others' first
    token = vpc if caller.has_estate else "first-estate"
    caller.has_estate = True
    make("ec2", "ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    zone = f"{caller.region}a"
    subnet = first(make("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="127.40.1.0/24", AvailabilityZone=zone,
                        TagSpecifications=tags("subnet")), "subnet-")
    second = first(make("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="127.40.2.0/24", AvailabilityZone=f"{caller.region}b"), "subnet-")
    group = first(make("ec2", "CreateSecurityGroup", GroupName="same", Description=mark, VpcId=vpc), "sg-")
    make("ec2", "AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "127.40.0.0/16", "Description": mark}]}])
    table = first(make("ec2", "CreateRouteTable", VpcId=vpc, TagSpecifications=tags("route-table")), "rtb-")
    make("ec2", "AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
    endpoint = first(make("ec2", "CreateVpcEndpoint", VpcEndpointType="Interface", VpcId=vpc, ServiceName=f"com.amazonaws.{caller.region}.sqs",
                          SubnetIds=[subnet], ClientToken=token, TagSpecifications=tags("vpc-endpoint")), "vpce-")
    make("ec2", "ModifyVpcEndpoint", VpcEndpointId=endpoint, AddSubnetIds=[second])
    make("ec2", "DescribeVpcAttribute", VpcId=vpc, Attribute="enableDnsSupport")
    make("ec2", "CreateVpcEndpoint", VpcEndpointType="Gateway", VpcId=vpc, ServiceName=f"com.amazonaws.{caller.region}.s3",
         RouteTableIds=[table])
    make("ec2", "CreateRoute", RouteTableId=table, DestinationCidrBlock="10.0.0.0/8", GatewayId="igw-0123456789abcdef0")
    make("ec2", "ReplaceRoute", RouteTableId=table, DestinationCidrBlock="10.0.0.0/8", GatewayId="igw-0123456789abcdef1")
    make("ec2", "DeleteRoute", RouteTableId=table, DestinationCidrBlock="10.0.0.0/8")
    make("ec2", "AssociateVpcCidrBlock", VpcId=vpc, CidrBlock="127.41.0.0/16")
    make("ec2", "CreateTags", Resources=[subnet, vpc], Tags=tag)
    make("ec2", "ModifySubnetAttribute", SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    make("ec2", "CreateNetworkInterface", SubnetId=subnet, Description=mark, ClientToken=token)
    service = first(make("ec2", "CreateVpcEndpointServiceConfiguration", NetworkLoadBalancerArns=[
        f"arn:aws:elasticloadbalancing:{caller.region}:123456789012:loadbalancer/net/front/e94221227f1ba532"],
        PrivateDnsName="svc.partner.example", TagSpecifications=tags("vpc-endpoint-service"), ClientToken=token), "vpce-svc-")
    make("ec2", "CreateVpcEndpointConnectionNotification", ServiceId=service, ConnectionEvents=["Connect"],
         ConnectionNotificationArn=f"arn:aws:sns:{caller.region}:123456789012:topic")
    hosted = first(make("route53", "CreateHostedZone", Name="shared.example", CallerReference=mark + vpc,
                        HostedZoneConfig={"Comment": f"mark-{caller.name}"}, VPC={"VPCId": vpc, "VPCRegion": caller.region}), "Z")
    make("route53", "ChangeResourceRecordSets", HostedZoneId=hosted, ChangeBatch={"Changes": [
        {"Action": "UPSERT", "ResourceRecordSet": {"Name": "db.shared.example", "Type": "TXT", "TTL": 60,
                                                   "ResourceRecords": [{"Value": f'"{mark}"'}]}}]})
    other = first(make("route53", "CreateHostedZone", Name=f"more-{vpc}.example", CallerReference=mark + vpc + "2",
                       VPC={"VPCId": vpc, "VPCRegion": caller.region}), "Z")
    make("route53", "AssociateVPCWithHostedZone", HostedZoneId=other, VPC={"VPCId": FILE_VPC, "VPCRegion": "us-east-1"})
    make("route53", "DisassociateVPCFromHostedZone", HostedZoneId=other, VPC={"VPCId": FILE_VPC, "VPCRegion": "us-east-1"})
    make("route53", "CreateVPCAssociationAuthorization", HostedZoneId=other, VPC={"VPCId": vpc, "VPCRegion": caller.region})
    make("route53", "ChangeTagsForResource", ResourceType="hostedzone", ResourceId=hosted, AddTags=tag)
    make("route53", "GetHostedZone", Id=hosted)
    make("route53", "UpdateHostedZoneComment", Id=other, Comment=mark)
    make("route53", "DeleteVPCAssociationAuthorization", HostedZoneId=other, VPC={"VPCId": vpc, "VPCRegion": caller.region})
    make("route53", "DeleteHostedZone", Id=other)
    make("route53", "GetChange", Id=f"/change/C{hosted}")
    make("route53resolver", "GetResolverConfig", ResourceId=vpc)
    make("route53resolver", "GetResolverDnssecConfig", ResourceId=vpc)
    make("route53resolver", "UpdateResolverConfig", ResourceId=vpc, AutodefinedReverseFlag="DISABLE")
    make("route53resolver", "UpdateResolverDnssecConfig", ResourceId=vpc, Validation="ENABLE")
    rule = first(make("route53resolver", "CreateResolverRule", CreatorRequestId=mark + vpc, RuleType="SYSTEM",
                      DomainName="shared.example", Name=mark.replace(".", "-"), Tags=tag), "rslvr-rr-")
    associated = first(make("route53resolver", "AssociateResolverRule", ResolverRuleId=rule, VPCId=vpc), "rslvr-rrassoc-")
    make("route53resolver", "GetResolverRuleAssociation", ResolverRuleAssociationId=associated)
    make("route53resolver", "CreateResolverEndpoint", CreatorRequestId=mark + vpc, Direction="INBOUND", SecurityGroupIds=[group],
         IpAddresses=[{"SubnetId": subnet}, {"SubnetId": second}], Tags=tag)
    log = first(make("route53resolver", "CreateResolverQueryLogConfig", CreatorRequestId=mark + vpc, Name=mark + vpc[-9:],
                     DestinationArn="arn:aws:s3:::bucket"), "rqlc-")
    make("route53resolver", "AssociateResolverQueryLogConfig", ResolverQueryLogConfigId=log, ResourceId=vpc)
    profile = first(make("route53profiles", "CreateProfile", Name=mark + vpc[-9:], ClientToken=mark + vpc, Tags=tag), "rp-")
    associated = first(make("route53profiles", "AssociateProfile", ProfileId=profile, ResourceId=vpc, Name="same"), "rpassoc-")
    make("route53profiles", "GetProfileAssociation", ProfileAssociationId=associated)
    shared = first(make("route53profiles", "AssociateResourceToProfile", ProfileId=profile, Name="same",
                        ResourceArn=f"arn:aws:route53resolver:{caller.region}:{caller.account}:resolver-rule/{rule}"), "rpr-")
    make("route53profiles", "GetProfileResourceAssociation", ProfileResourceAssociationId=shared)
    make("route53profiles", "UpdateProfileResourceAssociation", ProfileResourceAssociationId=shared, Name="other")

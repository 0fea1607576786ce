"""Random calls of AWS services: every member of an action's shape may be there, sound or not, with ids of anybody.

A member is filled by its name where that says what it means (`VpcId`, `CidrBlock`, `Filters`), else by its type.
"""

import re
from datetime import datetime, timezone

# ids, by what they begin with; a hosted zone's has no dash
ID = re.compile(r"\b(?:vpce-svc-perm|vpce-svc|vpce-nfn|vpce|vpc-cidr-assoc|subnet-cidr-assoc|vpc|subnet|sgr|sg|rtbassoc|rtb"
                r"|eni-attach|eni|acl|aclassoc|dopt|rslvr-rrassoc|rslvr-rr|rslvr-in|rslvr-out|rslvr-rc|rdsc|rqlca|rqlc|rpassoc|rpr|rp|rni)"
                r"-[0-9a-f]{8,34}\b|\bZ[A-Z0-9]{19}\b")

# members whose ids do not begin with what their names say
KINDS = {
    "VpcId": "vpc", "VPCId": "vpc", "SubnetId": "subnet", "SubnetIds": "subnet", "AddSubnetIds": "subnet",
    "RemoveSubnetIds": "subnet", "GroupId": "sg", "GroupIds": "sg", "SecurityGroupIds": "sg", "AddSecurityGroupIds": "sg",
    "RemoveSecurityGroupIds": "sg", "Groups": "sg", "SecurityGroupRuleIds": "sgr", "SecurityGroupRuleId": "sgr",
    "RouteTableId": "rtb", "RouteTableIds": "rtb", "AddRouteTableIds": "rtb", "RemoveRouteTableIds": "rtb",
    "VpcEndpointId": "vpce", "VpcEndpointIds": "vpce", "ServiceId": "vpce-svc", "ServiceIds": "vpce-svc",
    "ConnectionNotificationId": "vpce-nfn", "ConnectionNotificationIds": "vpce-nfn", "NetworkInterfaceId": "eni",
    "NetworkInterfaceIds": "eni", "VpcIds": "vpc", "HostedZoneId": "Z", "ResolverRuleId": "rslvr-rr",
    "ResolverEndpointId": "rslvr-in", "ResolverQueryLogConfigId": "rqlc", "ProfileId": "rp", "AssociationId": "rtbassoc",
}
WORDS = {
    "CidrBlock": ["127.40.0.0/16", "127.40.1.0/24", "127.41.0.0/16", "127.50.7.0/24"],
    "Cidr": ["127.40.0.0/16"], "DestinationCidrBlock": ["0.0.0.0/0", "10.1.0.0/16"], "CidrIp": ["0.0.0.0/0"],
    "VPCRegion": ["us-east-1", "eu-west-1"], "Region": ["us-east-1", "eu-west-1"],
    "AvailabilityZone": ["us-east-1a", "us-east-1b", "eu-west-1a"],
    "NetworkLoadBalancerArns": ["arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/a/b0123456789abcde"],
    "ConnectionNotificationArn": ["arn:aws:sns:us-east-1:123456789012:topic"],
    "DestinationArn": ["arn:aws:s3:::bucket"], "IpAddress": ["127.40.1.9"], "Ip": ["127.40.1.9", "10.9.9.9"],
    "Port": [53, 443], "TTL": [60], "Value": ["10.0.0.1", "tag", "value"], "Type": ["A", "TXT", "CNAME", "FORWARD"],
    "ResourceType": ["vpc", "subnet", "vpc-endpoint", "security-group", "hostedzone"],
    "DomainName": ["shared.example.", "other.example.", "onprem.example"], "MaxResults": [5, 100, 1000], "MaxItems": ["1", "100"],
    "ClientToken": ["token-1", "token-2"], "CallerReference": ["same-reference", "reference-2", "reference-3"],
    "CreatorRequestId": ["same-request", "request-2", "request-3"], "Name": ["shared.example", "a.shared.example.", "same", "tag:Name"],
    "GroupName": ["same", "default"], "Description": ["same"], "Key": ["Name", "purpose", "vpc-id"],
    "AddAllowedPrincipals": ["arn:aws:iam::333333333333:root"], "ServiceName": ["com.amazonaws.us-east-1.sqs", "com.amazonaws.eu-west-1.sqs"],
    "PrivateDnsName": ["svc.partner.example"], "Attribute": ["enableDnsSupport"], "Action": ["CREATE", "UPSERT", "DELETE"],
}
FILTERS = ["vpc-id", "subnet-id", "group-id", "owner-id", "service-id", "vpc-endpoint-id", "tag:Name", "tag-key", "state", "Name",
           "VpcId", "VPCId", "ResolverRuleId", "route-table-id", "cidr-block", "no-such-filter"]
ODD = ["", "*", "%", "é🦀", "a" * 5000, "null", "'; --", "-1", "0", "999999999999999999999", "vpc-", "../..", "\\052", "true"]


class RandomCalls:
    """Draws parameters; `ids` is a list of all ids there are, whoever has them."""

    def __init__(self, rng, models, ids):
        self.rng, self.models, self.ids = rng, models, ids

    def params(self, service, action):
        """Parameters of an action."""
        shape = self.models.operation(service, action).input_shape
        return self._structure(shape, 0) if shape else {}

    def again(self, params, loss=0.0):
        """A call that was carried out once more, with other ids of the same kinds and now and then another word."""
        if isinstance(params, dict):
            return {key: self.again(value, 0.02) for key, value in params.items() if self.rng.random() >= loss}
        if isinstance(params, list):
            return [self.again(value) for value in params]
        if not isinstance(params, str):
            return params
        if self.rng.random() < 0.02:
            return self.rng.choice(ODD)
        return ID.sub(lambda found: self._id(re.match("Z|.*-", found[0])[0]), params)

    def _structure(self, shape, depth):
        made = {}
        for name, member in shape.members.items():
            wanted = 0.96 if name in shape.required_members else max(0.35 - 0.08 * depth, 0.1)
            # a path without one of its parts is no path
            in_path = member.serialization.get("location") == "uri"
            if name != "DryRun" and (in_path or self.rng.random() < wanted):
                made[name] = self._value(name, member, depth + 1)
        if len(shape.members) and not made and depth:
            name = self.rng.choice(list(shape.members))
            made[name] = self._value(name, shape.members[name], depth + 1)
        return made

    def _value(self, name, shape, depth):
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape, depth) if depth < 7 else {}
        if kind == "list":
            count = self.rng.choice([1, 1, 1, 2, 3, 0])
            return [self._value(name, shape.member, depth + 1) for _ in range(count)]
        if kind == "map":
            return {"Key": "value"}
        if kind == "boolean":
            return self.rng.random() < 0.5
        if kind in ("integer", "long", "double", "float"):
            return self.rng.choice(WORDS[name]) if name in WORDS else self.rng.choice([0, 1, 5, 100, 443, -1, 2 ** 31 - 1])
        if kind == "timestamp":
            return datetime(2026, 1, 1, tzinfo=timezone.utc)
        if kind == "blob":
            return b"x"
        return self._text(name, shape)

    def _text(self, name, shape):
        draw = self.rng.random()
        if draw < 0.03:
            return self.rng.choice(ODD)
        if getattr(shape, "enum", None) and draw < 0.9:
            return self.rng.choice(shape.enum)
        if name in KINDS and draw < 0.93:
            return self._id(KINDS[name])
        if name == "Name" and draw < 0.4:
            return self.rng.choice(FILTERS)
        if name in ("Values", "Value") and draw < 0.6:
            return self._id("")
        if name in WORDS:
            return self.rng.choice(WORDS[name])
        if re.search(r"(Id|Ids|Arn|Resources|Token|Marker)$", name):
            found = self._id("")
            return found if draw < 0.8 else f"arn:aws:ec2:us-east-1:111111111111:vpc/{found}"
        return self.rng.choice(["same", "value", self._id("")])

    def _id(self, kind):
        of_kind = [found for found in self.ids if found.startswith(kind)] if kind else self.ids
        return self.rng.choice(of_kind or ["vpc-0123456789abcdef0"])

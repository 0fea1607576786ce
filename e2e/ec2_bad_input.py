"""Wrong calls of every action, drawn from botocore's models: each is refused in AWS's words, at once, and nothing breaks.

What is missing, of another type, out of its words or its length, endless, of a thousand items, or unknown; forms, documents and
XML that are none. An answer is never a 5xx and never late, what is required is never done without, and its code is one that the
model of the action has, or one of AWS's that all actions have. What AWS itself is not known to refuse is in LENIENT.
E2E_PROBE=1 prints what every fault is answered with.
"""

import http.client
import json
import os
import re
import time
from collections import Counter, defaultdict
from xml.etree import ElementTree

from support.badinput import BadCalls
from support.case import ROOT
from support.ec2 import REGION, Ec2Server
from support.signed import Models, Signed, actions

LATE_SECONDS = 5.0

# code -> how it is known, of docs/ec2-errors.md
CODES = dict(re.findall(r"^\| `([\w.]+)` \| EC2 \| (.*?) \|$", (ROOT / "docs" / "ec2-errors.md").read_text(), re.MULTILINE))
# codes that no page and no user is known to have from EC2: whoever sees the real one, mend this
WITHOUT_EVIDENCE = {code for code, known in CODES.items() if known.startswith("none")}
# of all actions of a service (API References, "Common Errors")
COMMON = {
    "rest-xml": {"InvalidInput", "Throttling", "UnknownOperationException"},
    "json": {"ValidationException", "SerializationException", "UnknownOperationException", "InvalidParameterException"},
    "rest-json": {"ValidationException", "SerializationException", "UnknownOperationException"},
    "query": {"ValidationError", "NoSuchEntity", "MalformedQueryString", "InvalidParameterCombination", "InvalidParameterValue",
              "UnknownParameter", "InvalidCharacter"},
}
# what these are answered with is not by the model: AWS's answers say so
BESIDES = {"LastVPCAssociation", "VPCAssociationAuthorizationNotFound", "ConflictException", "ResourceNotFoundException",
           "AccessDeniedException", "InvalidPaginationToken", "ConflictingDomainExists"}
# faults after which a call must not be carried out
REFUSED = ("missing", "enum", "too long", "too many", "too short", "out of range", "type")
# (action, fault, where) that is carried out all the same, and why
LENIENT = {
    ("DescribeVpcEndpointServices", "type", "ServiceRegions"): "an item by the number 0",
    ("DeleteVpcEndpointConnectionNotifications", "type", "ConnectionNotificationIds"): "an item by the number 0 is named in Unsuccessful",
    ("DescribeVpcEndpointAssociations", "type", "VpcEndpointIds"): "an item by the number 0",
}


def run(case):
    models = Models()
    case.write("vpcedns.toml", "[limits]\nec2_calls_per_second = 1000000\n")
    server = Ec2Server(case)
    world = World(case, server, models)
    seen, begin, made = defaultdict(Counter), time.monotonic(), 0
    for service, action in actions(models):
        for fault, where, request in world.calls.cases(service, action):
            made += 1
            world.judge(service, action, fault, where, request, seen)
        if not case.check(server.alive(), f"the server ended at {action}") or case.failed > 30:
            return
    case.check(made > 8000, f"only {made} calls: the test shows little")
    case.note(f"{made} wrong calls in {time.monotonic() - begin:.0f} s; codes without evidence: "
              + ", ".join(sorted(code for code in WITHOUT_EVIDENCE if code in world.codes)))
    if os.environ.get("E2E_PROBE"):
        for key, codes in sorted(seen.items()):
            print(*key, dict(codes.most_common(12)))


class World:
    """A server with one object of each kind, and what it is asked."""

    def __init__(self, case, server, models):
        self.case, self.server, self.models = case, server, models
        self.signed = Signed(server, models, "test", "test", REGION)
        self.connection, self.codes = None, set()
        self.calls = BadCalls(models, *self.estate())

    def make(self, service, action, found=None, **params):
        status, body = self.signed.call(service, action, params)
        self.case.check(status < 300, f"{action} for the estate: {status} {body[:300]}")
        return re.search(found, body)[0] if found else body

    def estate(self):
        vpc = self.make("ec2", "CreateVpc", "vpc-0[0-9a-f]+", CidrBlock="127.40.0.0/16")
        self.make("ec2", "ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
        subnet = self.make("ec2", "CreateSubnet", "subnet-0[0-9a-f]+", VpcId=vpc, CidrBlock="127.40.1.0/24")
        endpoint = self.make("ec2", "CreateVpcEndpoint", "vpce-0[0-9a-f]+", VpcEndpointType="Interface", VpcId=vpc,
                             ServiceName=f"com.amazonaws.{REGION}.sqs", SubnetIds=[subnet])
        zone = self.make("route53", "CreateHostedZone", "Z[A-Z0-9]{19}", Name="wrong.example", CallerReference="1",
                         VPC={"VPCId": vpc, "VPCRegion": REGION})
        group = self.make("ec2", "CreateSecurityGroup", "sg-0[0-9a-f]+", GroupName="g", Description="g", VpcId=vpc)
        table = self.make("ec2", "CreateRouteTable", "rtb-0[0-9a-f]+", VpcId=vpc)
        rule = self.make("route53resolver", "CreateResolverRule", "rslvr-rr-[0-9a-f]+", CreatorRequestId="1", RuleType="SYSTEM",
                         DomainName="rule.example")
        profile = self.make("route53profiles", "CreateProfile", "rp-[0-9a-f]+", Name="p", ClientToken="1")
        service = self.make("ec2", "CreateVpcEndpointServiceConfiguration", "vpce-svc-0[0-9a-f]+", NetworkLoadBalancerArns=[
            f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/net/front/e94221227f1ba532"])
        ids = {"vpc": vpc, "subnet": subnet, "vpce": endpoint, "Z": zone, "sg": group, "rtb": table, "rslvr-rr": rule,
               "rp": profile, "vpce-svc": service}
        words = {"ResourceId": vpc, "Id": zone, "ResourceArn": f"arn:aws:route53:::hostedzone/{zone}"}
        return ids, words

    def send(self, service, request):
        """(status, body, seconds) of a request; a status of 0 where there is no answer."""
        method, path, headers, body = request
        scope = f"test/20260101/{REGION}/{service}/aws4_request"
        sent = {key: value.decode() if isinstance(value, bytes) else value for key, value in headers.items()}
        sent["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
        begin = time.monotonic()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(*self.server.api, timeout=LATE_SECONDS)
            self.connection.request(method, path, body, sent)
            reply = self.connection.getresponse()
            text = reply.read().decode()
            if reply.will_close:
                self.connection.close()
                self.connection = None
            return reply.status, text, time.monotonic() - begin
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            return 0, repr(error), time.monotonic() - begin

    def judge(self, service, action, fault, where, request, seen):
        status, body, seconds = self.send(service, request)
        protocol = self.models.services[service].metadata["protocol"]
        code = code_of(body) if status >= 300 else "done" if status else body[:60]
        seen[(fault, protocol)][f"{status} {code}"] += 1
        self.codes.add(code)
        what, told = f"{action}, {fault} {where}: {status} {code}", f"{request[:2]} {(request[3] or b'')[:300]}\n{body[:300]}"
        # a path or header that is too long is HTTP's business, and may close the connection
        if fault == "huge" and status in (0, 414, 431):
            return
        self.case.check(200 <= status < 500, what, told)
        self.case.check(seconds < LATE_SECONDS, f"{what}, after {seconds:.1f} s", told)
        if status < 300:
            is_lenient = (action, fault, where) in LENIENT
            self.case.check(fault not in REFUSED or is_lenient or unchanged(request), f"{what}: carried out", told)
        elif service == "ec2":
            self.case.check(code in CODES, f"{what}: not one of docs/ec2-errors.md", told)
        else:
            shapes = self.models.operation(service, action).error_shapes
            known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes} | {shape.name for shape in shapes}
            self.case.check(code in known | COMMON[protocol] | BESIDES, f"{what}: not one of the action's codes", told)


def unchanged(request):
    """Whether a document says what it would say without the fault: text that is as it was."""
    return request[3] is not None and request[3].startswith(b"<") and b"maybe" not in request[3] and b"Inner" not in request[3]


def code_of(body):
    try:
        if body.startswith("{"):
            document = json.loads(body)
            return document.get("__type") or document.get("code") or "?"
        root = ElementTree.fromstring(body)
        return next(element.text for element in root.iter() if element.tag.endswith("Code"))
    except (ValueError, StopIteration, ElementTree.ParseError):
        return f"no error of AWS's: {body[:80]!r}"

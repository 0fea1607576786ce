"""What no SDK would send: every answer is EC2's XML with a code and a text that names the place, and nothing breaks."""

import json
import random
import re
import socket
import urllib.parse
from http.client import HTTPException
from pathlib import Path

from support.ec2 import REGION, BadXml, Ec2Error, Ec2Server, answer, make_endpoint, make_subnet, make_vpc, tags
from support.server import free_port

SEED = 4566
CONTROL = "vpcedns.sock"
# EC2's codes for what is no text; which of them it is, is not known
NO_TEXT = ("InvalidCharacter", "MalformedQueryString", "InvalidParameterValue", "InvalidVpcID.Malformed",
           "InvalidVpcID.NotFound")
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def run(case):
    server = Ec2Server(case, "--socket", CONTROL)
    raw = server.raw()
    vpc = make_vpc(raw, "127.5.0.0/16")
    subnet = make_subnet(raw, vpc, "127.5.1.0/24")
    endpoint = make_endpoint(raw, vpc, "sqs", [subnet])
    malformed_forms(case, server, endpoint["vpcEndpointId"])
    parameters(case, raw, vpc, subnet, endpoint["vpcEndpointId"])
    foreign_pages(case, server)
    methods(case, server)
    sizes(case, server)
    broken_bodies(case, server, case.dir / CONTROL)
    odd_text(case, raw, endpoint["vpcEndpointId"])
    mutations(case, server, vpc, subnet)
    # the first connection may have been idle for too long
    raw = server.raw()
    case.equal("VPCs after all of it", [item["vpcId"] for item in raw.call("DescribeVpcs")["vpcSet"]], [vpc])
    case.equal("the endpoint after all of it", raw.call("DescribeVpcEndpoints", VpcEndpointId=[
        endpoint["vpcEndpointId"]])["vpcEndpointSet"][0]["dnsEntrySet"], endpoint["dnsEntrySet"])
    case.check(server.alive(), "the server ended")


def outcome(action, status, body):
    """`Ec2Error` of a refusal, or None; a body that EC2 would not send is an exception."""
    try:
        answer(action, status, body)
    except Ec2Error as error:
        return error
    return None


def refused(case, what, error, codes, named=""):
    """A refusal with one of the codes, HTTP 4xx, and the culprit's name in its text."""
    codes = (codes,) if isinstance(codes, str) else codes
    return case.check(error and error.code in codes and 400 <= error.status < 500 and named in error.text,
                      f"{what}: {error}, wanted one of {codes} with {named!r} in the text")


def malformed_forms(case, server, endpoint):
    """Bodies that are no form, or hold no action, or one that is not EC2's."""
    raw = server.raw()
    for what, body, codes in (
            ("an empty body", b"", "MissingAction"),
            ("no action", b"Version=2016-11-15", "MissingAction"),
            ("an empty action", b"Action=&Version=2016-11-15", ("MissingAction", "InvalidAction")),
            ("an unknown action", b"Action=DescribeNothing&Version=2016-11-15", "InvalidAction"),
            ("an action of another service", b"Action=Publish&Version=2010-03-31", "InvalidAction"),
            ("an action in another case", b"Action=describevpcs&Version=2016-11-15", "InvalidAction"),
            ("JSON", json.dumps({"Action": "DescribeVpcs"}).encode(), ("MissingAction", "MalformedQueryString")),
            ("an action twice", b"Action=DescribeVpcs&Action=DescribeVpcs&Version=2016-11-15",
             ("InvalidAction", "InvalidParameterCombination", "InvalidParameterValue", "MalformedQueryString")),
            ("a broken escape", b"Action=DescribeVpcs&Version=2016-11-15&VpcId.1=%zz",
             NO_TEXT),
            ("octets that are not UTF-8", b"Action=DescribeVpcs&Version=2016-11-15&VpcId.1=%ff%fe",
             NO_TEXT),
            ("a NUL", b"Action=DescribeVpcs&Version=2016-11-15&VpcId.1=%00",
             NO_TEXT)):
        refused(case, what, outcome("DescribeVpcs", *raw.post(body)), codes)
    error = outcome("X", *raw.post(b"Action=DescribeNothing&Version=2016-11-15"))
    case.equal("text for an unknown action", error.text,
               "The action DescribeNothing is not valid for this web service.")
    # the version is taken as it is sent: SDKs of every age call
    for version in ("2014-10-01", "2016-11-15"):
        status, body = raw.post(f"Action=DescribeVpcEndpoints&Version={version}&VpcEndpointId.1={endpoint}".encode())
        case.check(status == 200 and endpoint.encode() in body, f"version {version}: {status} {body[:200]!r}")


def parameters(case, raw, vpc, subnet, endpoint):
    """Single parameters that are missing, unknown, of the wrong type or wrongly numbered."""
    missing = ("MissingParameter", "ValidationError")
    create = {"VpcEndpointType": "Interface", "VpcId": vpc, "ServiceName": f"com.amazonaws.{REGION}.kms",
              "SubnetId": [subnet]}
    for action, params, codes, named in (
            ("CreateVpcEndpoint", {**create, "Nonsense": "1"}, "UnknownParameter", "Nonsense"),
            ("CreateVpcEndpoint", {**create, "DnsOptions": {"Nonsense": "1"}}, "UnknownParameter", "Nonsense"),
            ("CreateVpcEndpoint", {**create, "SubnetIds": [subnet]}, "UnknownParameter", "SubnetIds"),
            ("DescribeVpcs", {"vpcid": [vpc]}, "UnknownParameter", "vpcid"),
            ("CreateVpcEndpoint", {key: value for key, value in create.items() if key != "VpcId"}, missing, "VpcId"),
            ("CreateVpcEndpoint", {key: value for key, value in create.items() if key != "ServiceName"}, missing,
             "ServiceName"),
            ("ModifyVpcEndpoint", {"PrivateDnsEnabled": True}, missing, "VpcEndpointId"),
            ("DeleteVpcEndpoints", {}, missing, "VpcEndpointId"),
            ("DescribeVpcAttribute", {"VpcId": vpc}, missing, "Attribute"),
            ("AcceptVpcEndpointConnections", {"VpcEndpointId": [endpoint]}, missing, "ServiceId"),
            ("CreateVpc", {}, missing, "CidrBlock"),
            ("CreateSubnet", {"CidrBlock": "127.5.3.0/24"}, missing, "VpcId"),
            ("CreateTags", {"ResourceId": [vpc]}, missing, "Tag"),
            ("CreateVpcEndpointConnectionNotification", {"VpcEndpointId": endpoint, "ConnectionEvents": ["Accept"]},
             missing, "ConnectionNotificationArn"),
            ("CreateVpcEndpointConnectionNotification",
             {"VpcEndpointId": endpoint, "ConnectionEvents": ["Explode"],
              "ConnectionNotificationArn": f"arn:aws:sns:{REGION}:123456789012:topic"},
             ("InvalidParameterValue", "InvalidParameter"), "Explode"),
            ("CreateVpcEndpoint", {**create, "PrivateDnsEnabled": "yes"}, "InvalidParameterValue", "yes"),
            ("CreateVpcEndpoint", {**create, "VpcId": ""}, (*missing, "InvalidVpcID.Malformed"), ""),
            ("DescribeVpcEndpoints", {"MaxResults": "ten"}, ("InvalidParameterValue", "InvalidMaxResults"), "ten"),
            ("DescribeVpcEndpoints", {"MaxResults": 10 ** 30}, ("InvalidParameterValue", "InvalidMaxResults"), ""),
            ("DescribeVpcEndpoints", {"MaxResults": -5}, ("InvalidParameterValue", "InvalidMaxResults"), ""),
            ("DescribeVpcEndpoints", {"NextToken": "A" * 5000},
             ("InvalidPaginationToken", "InvalidNextToken", "InvalidParameterValue"), ""),
            ("DescribeVpcEndpoints", {"Filter": [{"Value": ["x"]}]},
             (*missing, "InvalidParameterValue", "InvalidFilter"), ""),
            ("CreateVpc", {"CidrBlock": "127.6.0.0"}, ("InvalidParameterValue", "InvalidVpc.Range"), "127.6.0.0"),
            ("CreateVpc", {"CidrBlock": "127.6.0.0/8"}, ("InvalidParameterValue", "InvalidVpc.Range"), "127.6.0.0/8"),
            ("CreateVpc", {"CidrBlock": "127.6.0.0/29"}, ("InvalidParameterValue", "InvalidVpc.Range"), "127.6.0.0/29"),
            ("CreateSubnet", {"VpcId": vpc, "CidrBlock": "127.6.0.0/24"},
             ("InvalidSubnet.Range", "InvalidParameterValue"), "127.6.0.0/24"),
            ("CreateSubnet", {"VpcId": vpc, "CidrBlock": "127.5.1.128/25"},
             ("InvalidSubnet.Conflict", "InvalidParameterValue"), "127.5.1.128/25"),
            ("CreateSubnet", {"VpcId": vpc, "CidrBlock": "127.5.3.0/24", "AvailabilityZone": "mars-1a"},
             ("InvalidParameterValue", "InvalidZone.NotFound"), "mars-1a"),
            ("DescribeVpcAttribute", {"VpcId": vpc, "Attribute": "colour"}, "InvalidParameterValue", "colour")):
        error = raw.error(action, **params)
        if refused(case, f"{action} {params}", error, codes, named) and error.code == "UnknownParameter":
            case.check(error.text.startswith("The parameter ") and error.text.endswith(" is not recognized"),
                       f"text for an unknown parameter: {error.text}")
    base = f"Action=DescribeVpcEndpoints&Version=2016-11-15&VpcEndpointId.1={endpoint}"
    for what, more in (("index 0", f"VpcEndpointId.0={endpoint}"), ("no index", f"VpcEndpointId={endpoint}"),
                       ("a word for an index", f"VpcEndpointId.x={endpoint}"),
                       ("a huge index", f"VpcEndpointId.99999999999999999999={endpoint}"),
                       ("an index with a sign", f"VpcEndpointId.-1={endpoint}"),
                       ("a list in a list", f"VpcEndpointId.1.1={endpoint}"),
                       ("an index twice", f"VpcEndpointId.1={endpoint}"), ("no name", "=x"), ("dots", "..=x")):
        error = outcome("DescribeVpcEndpoints", *raw.post(f"{base}&{more}".encode()))
        case.check(error is None or 400 <= error.status < 500, f"{what}: {error}")
        if what in ("a word for an index", "an index with a sign", "a list in a list", "no name", "dots"):
            case.check(error, f"{what} is taken for an id")
    # a gap in the numbers is how some clients write lists
    found = outcome("DescribeVpcEndpoints", *raw.post(base.replace(".1=", ".7=").encode()))
    case.check(found is None, f"a list that begins at 7: {found}")


def foreign_pages(case, server):
    """A web page that has a browser call the API: a foreign Host (DNS rebinding), Origin or Referer changes nothing."""
    raw = server.raw()
    create = b"Action=CreateVpc&Version=2016-11-15&CidrBlock=127.66.0.0/16"
    host = f"{server.api[0]}:{server.api[1]}"
    for what, headers in (("a foreign Host", {"Host": "evil.example"}),
                          ("a foreign Host and port", {"Host": f"evil.example:{server.api[1]}"}),
                          ("a Host that begins well", {"Host": "127.0.0.1.evil.example"}),
                          ("a foreign Origin", {"Origin": "http://evil.example"}), ("Origin null", {"Origin": "null"}),
                          ("an Origin of another port", {"Origin": f"http://127.0.0.1:{free_port()}"}),
                          ("a cross-site form", {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})):
        status, body = raw.post(create, **headers)
        case.check(400 <= status < 500, f"{what}: status {status}", body[:200])
        case.check(b"<vpcId>" not in body, f"{what}: a VPC was made", body[:200])
        raw.close()
    # an image's address: a GET, which a browser sends without Origin
    query = create.decode()
    for what, headers in (("plain", {}),
                          ("of a foreign page", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors",
                                                 "Sec-Fetch-Dest": "image", "Referer": "http://evil.example/"})):
        status, _ = exchange(server, "GET", f"/?{query}", {"Host": host, **headers})
        case.check(what == "plain" or 400 <= status < 500, f"a GET that makes a VPC, {what}: status {status}")
        made = [item["vpcId"] for item in raw.call("DescribeVpcs")["vpcSet"] if item["cidrBlock"] == "127.66.0.0/16"]
        case.check(what == "plain" or not made, f"a GET {what} made a VPC")
        for vpc in made:
            raw.call("DeleteVpc", VpcId=vpc)
    status, _ = exchange(server, "OPTIONS", "/", {"Host": host, "Origin": "http://evil.example",
                                                 "Access-Control-Request-Method": "POST"})
    case.check(status >= 400, f"a preflight from a foreign page: status {status}")
    for name in (host, f"localhost:{server.api[1]}", "127.0.0.1", "localhost"):
        status, body = raw.post(b"Action=DescribeVpcs&Version=2016-11-15", Host=name)
        case.check(status == 200, f"Host {name}: status {status}", body[:200])


def methods(case, server):
    """Other methods and paths than POST /; GET with a query string, as curl users have it."""
    host = {"Host": f"{server.api[0]}:{server.api[1]}"}
    status, body = exchange(server, "GET", "/?Action=DescribeVpcs&Version=2016-11-15", host)
    case.check(status == 200 and b"<DescribeVpcsResponse" in body or status in (403, 404, 405),
               f"a GET with a query string: status {status}", body[:200])
    for method, path in (("PUT", "/"), ("DELETE", "/"), ("PATCH", "/"), ("HEAD", "/"), ("POST", "/other"),
                         ("GET", "/../x")):
        status, body = exchange(server, method, path, host)
        case.check(400 <= status < 500, f"{method} {path}: status {status}", body[:200])


def sizes(case, server):
    """Bodies and headers beyond any use are refused without being kept."""
    raw = server.raw()
    before = resident(server)
    for what, body in (("a body of 64 MiB", b"Action=DescribeVpcs&x=" + b"a" * (64 << 20)),
                       ("100,000 parameters", b"Action=DescribeVpcEndpoints&Version=2016-11-15"
                        + b"".join(b"&VpcEndpointId.%d=vpce-0123456789abcdef0" % n for n in range(1, 100_001))),
                       ("100,000 filters", b"Action=DescribeVpcEndpoints&Version=2016-11-15" + b"".join(
                           b"&Filter.%d.Name=vpc-id&Filter.%d.Value.1=*" % (n, n) for n in range(1, 50_001))),
                       ("a filter of many stars",
                        b"Action=DescribeVpcEndpoints&Version=2016-11-15&Filter.1.Name=service-name"
                        b"&Filter.1.Value.1=" + b"*a" * 5000 + b"b")):
        try:
            status, answered = raw.post(body)
        except (OSError, HTTPException):
            status, answered = 0, b""  # the server hung up before all was sent: a refusal too
        raw.close()
        if what != "a filter of many stars":
            case.check(status == 0 or 400 <= status < 500, f"{what}: status {status}", answered[:200])
        case.check(status < 500, f"{what}: status {status}", answered[:200])
    grown = resident(server) - before
    case.check(grown < 96 << 20, f"memory grew by {grown >> 20} MiB over bodies that were refused")
    try:
        status, _ = raw.post(b"Action=DescribeVpcs", **{"X-Long": "a" * (1 << 20)})
    except (OSError, HTTPException):
        status = 431
    case.check(400 <= status < 500, f"a header of 1 MiB: status {status}")
    raw.close()
    # half a request must not keep others waiting
    with socket.create_connection(server.api) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nAction=")
        case.check(raw.call("DescribeVpcs")["vpcSet"], "a request beside half of another")


# (what, header, body) of bodies that are not encoded as their headers say (RFC 9112 6 and 7.1)
CHUNKED = "Transfer-Encoding: chunked"
BROKEN_BODIES = (
    ("a chunk's size that is no number", CHUNKED, b"zz\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
    ("a size with 0x", CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("no size", CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
    ("a size of 17 digits", CHUNKED, b"fffffffffffffffff\r\nhello"),
    ("a size of 16 digits", CHUNKED, b"ffffffffffffffff\r\nhello"),
    ("digits behind a space", CHUNKED, b"5 5\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF behind the size", CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
    ("a bare CR behind the size", CHUNKED, b"5\rhello\r\n0\r\n\r\n"),
    ("no CRLF behind a chunk", CHUNKED, b"5\r\nhello0\r\n\r\n"),
    ("a longer chunk than its size", CHUNKED, b"5\r\nhelloo\r\n0\r\n\r\n"),
    ("a shorter chunk than its size", CHUNKED, b"7\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF in an extension", CHUNKED, b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("an extension without an end", CHUNKED, b"5;" + b"a" * 20_000),
    ("extensions without an end", CHUNKED, b"1;a=b\r\nx\r\n" * 10_000),
    ("trailers without an end", CHUNKED, b"0\r\n" + b"a: b\r\n" * 5000),
    ("a chunk that breaks off", CHUNKED, b"5\r\nhel"),
    ("chunks that break off", CHUNKED, b"5\r\nhello\r\n"),
    ("a last chunk without its end", CHUNKED, b"5\r\nhello\r\n0\r\n"),
    ("a body that breaks off", "Content-Length: 100", b"hello"),
)
# the same of heads: of such a request nobody knows where it ends, so that none of our protocols gets to see it
BROKEN_HEADS = (
    ("two lengths", "Content-Length: 5\r\nContent-Length: 6"), ("a list of lengths", "Content-Length: 5, 6"),
    ("a negative length", "Content-Length: -5"), ("a length with a sign", "Content-Length: +5"),
    ("a length of 30 digits", f"Content-Length: {10 ** 29}"), ("a length that is no number", "Content-Length: five"),
    ("an encoding that is not chunked", "Transfer-Encoding: gzip"), ("chunked, and not last", "Transfer-Encoding: chunked, gzip"),
    ("a space before the colon", "Transfer-Encoding : chunked"), ("a folded line", "Transfer-Encoding:\r\n chunked"),
)
# (what it is, request line and headers, what an error of it begins with, its code)
BODIES_GO_TO = (
    ("EC2", f"POST / HTTP/1.1\r\nContent-Type: {FORM}", rb"<\?xml[^>]*>\s*<Response><Errors><Error><Code>%s</Code>", b"MalformedQueryString"),
    ("Route 53", "POST /2013-04-01/hostedzone HTTP/1.1", rb"<\?xml[^>]*>\s*<ErrorResponse\b.*<Code>%s</Code>", b"InvalidInput"),
    ("Resolver", "POST / HTTP/1.1\r\nX-Amz-Target: Route53Resolver.ListResolverRules", rb'\{.*"__type":"%s"', b"SerializationException"),
    ("Profiles", "POST /profile HTTP/1.1", rb'\{.*"__type":"%s"', b"SerializationException"),
    ("SNS", f"POST / HTTP/1.1\r\nContent-Type: {FORM}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/sns/aws4_request, "
     f"SignedHeaders=host, Signature={'0' * 64}\r\nX-Amz-Date: 20150830T123600Z", rb"<\?xml[^>]*>\s*<ErrorResponse\b.*<Code>%s</Code>", b"InvalidAction"),
    ("/v1/diff", "POST /v1/diff HTTP/1.1\r\nContent-Type: application/json", rb"%s", b""),
)


def broken_bodies(case, server, control):
    """A body that is not encoded as its headers say is 400 in the protocol's own form, and the connection's last request."""
    for service, head, form, code in BODIES_GO_TO:
        address = control if service.startswith("/") else server.api
        for what, header, body in BROKEN_BODIES:
            statuses, text = pipelined(address, head, header, body)
            case.equal(f"{service}, {what}: statuses", statuses, [400])
            case.check(re.match(form % code, text, re.DOTALL), f"{service}, {what}: {text[:300]!r}")
        for what, header in BROKEN_HEADS:
            statuses, _ = pipelined(address, head, header, b"hello")
            case.equal(f"{service}, {what}: statuses", statuses, [400])
    # chunks as they may be; they have precedence over a length, beside which they are the connection's last (RFC 9112 6.1, 6.3)
    call = b"Action=DescribeVpcs&Version=2016-11-15"
    chunks = b"%X;a=b\r\n%s\r\n%x \r\n%s\r\n000\r\nTrailer: x\r\n\r\n" % (20, call[:20], len(call) - 20, call[20:])
    for what, header, expected in (("chunks", CHUNKED, [200, 200]), ("chunks, and a length", f"Content-Length: 5\r\n{CHUNKED}", [200]),
                                   ("chunks, and a length behind", f"{CHUNKED}\r\nContent-Length: 500", [200])):
        statuses, text = pipelined(server.api, BODIES_GO_TO[0][1], header, chunks)
        case.equal(f"{what}: statuses", statuses, expected)
        case.check(b"<vpcSet>" in text, f"{what}: {text[:300]!r}")


def pipelined(address, head, header, body):
    """(statuses, the first body) of what comes back for a request with another one, for the server's health, behind it."""
    is_file = isinstance(address, Path)
    host = "Host: localhost" if is_file else f"Host: {address[0]}:{address[1]}"
    line, *fields = head.split("\r\n")
    request = "\r\n".join([line, host, *fields, header, "", ""]).encode() + body
    with socket.socket(socket.AF_UNIX if is_file else socket.AF_INET) as sock:
        sock.settimeout(10)
        sock.connect(str(address) if is_file else address)
        try:
            if breaks_off(header, body):
                sock.sendall(request)
                sock.shutdown(socket.SHUT_WR)
            else:
                sock.sendall(request + f"GET /_localstack/health HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n".encode())
        except OSError:
            pass  # it may have said all it has to say before all was sent
        replies = b""
        try:
            while part := sock.recv(65536):
                replies += part
        except (BrokenPipeError, ConnectionResetError):
            pass
    statuses = [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", replies)]
    return statuses, re.split(rb"HTTP/1.1 \d{3} ", replies)[1].partition(b"\r\n\r\n")[2] if statuses else b""


def breaks_off(header, body):
    """Whether what comes behind a body would be taken for a part of it."""
    unfinished = (b"5\r\nhel", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"ffffffffffffffff\r\nhello")
    return header.startswith("Content-Length: 100") or body in unfinished


def odd_text(case, raw, endpoint):
    """Text that XML needs escapes for comes back as it went; text that XML cannot hold is refused."""
    for text in ("<a>&amp;\"'</a>", "]]>", "a\tb\nc", "ünï ☃ 🙂", " x ", "%41+%20", "\\*?", "a" * 256):
        raw.call("CreateTags", ResourceId=[endpoint], Tag=[{"Key": "odd", "Value": text}])
        seen = raw.call("DescribeTags", Filter=[{"Name": "key", "Value": ["odd"]}])["tagSet"]
        case.equal("a tag's value", [tag["value"] for tag in seen], [text])
    for what, text in (("a control character", "a\x01b"), ("a NUL", "a\0b"), ("U+FFFE", "a\ufffeb"),
                       ("257 characters", "a" * 257)):
        error = raw.error("CreateTags", ResourceId=[endpoint], Tag=[{"Key": "odd", "Value": text}])
        refused(case, f"a tag with {what}", error, ("InvalidCharacter", "InvalidParameterValue"))
    raw.call("DescribeTags")  # and can be read after all of them
    error = raw.error("DescribeVpcs", VpcId=["vpc-<&\x01>"])
    refused(case, "an id of odd characters", error, NO_TEXT)


def mutations(case, server, vpc, subnet):
    """Forms that are nearly right, by chance: each answer is EC2's XML, none is a server's fault."""
    rng, raw = random.Random(SEED), server.raw()
    good = [b"Action=DescribeVpcEndpoints&Version=2016-11-15&Filter.1.Name=vpc-id&Filter.1.Value.1=*&MaxResults=5",
            b"Action=CreateVpcEndpoint&Version=2016-11-15&VpcId=%s&ServiceName=com.amazonaws.us-east-1.kms"
            b"&SubnetId.1=%s&VpcEndpointType=Interface&DryRun=true&TagSpecification.1.ResourceType=vpc-endpoint"
            b"&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b" % (vpc.encode(), subnet.encode()),
            b"Action=DescribeTags&Version=2016-11-15&Filter.1.Name=key&Filter.1.Value.1=o%3Fd*"]
    actions, faults = set(), 0
    for _ in range(1500):
        body = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            change = rng.randrange(4)
            if change == 0:
                body[at] = rng.choice(b"&=%.+0123456789*?\\\x00\xff<>")
            elif change == 1:
                del body[at:at + rng.randint(1, 8)]
            elif change == 2:
                body[at:at] = bytes(rng.choice(b"&=%.1*a") for _ in range(rng.randint(1, 5)))
            else:
                body[at:at] = body[at:at + rng.randint(1, 40)]
        # what is mutated must not lose its DryRun and make endpoints
        if b"CreateVpcEndpoint" in body and b"&DryRun=true&" not in body:
            continue
        try:
            status, text = raw.post(bytes(body))
            named = re.match(rb"Action=([A-Za-z]*)", urllib.parse.unquote_to_bytes(bytes(body)))
            error = outcome((named[1] if named else b"").decode(), status, text)
            faults += bool(error and error.status >= 500)
            actions.add(error.code if error else "success")
        except (BadXml, OSError, HTTPException) as error:
            case.check(False, f"{bytes(body)!r}: {type(error).__name__} {error}")
    case.equal("answers of status 5xx", faults, 0)
    case.check(len(actions) > 5, f"the mutations met few rules: {sorted(actions)}")


def exchange(server, method, path, headers):
    """(status, body) of any HTTP request, sent as it stands."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items()),
             f"Content-Type: {FORM}", "Content-Length: 0", "Connection: close", "", ""]
    with socket.create_connection(server.api, timeout=10) as sock:
        sock.sendall("\r\n".join(lines).encode())
        reply = b""
        while part := sock.recv(65536):
            reply += part
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def resident(server):
    """The server's resident memory in octets."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) << 10

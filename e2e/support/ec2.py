"""The EC2 API of the server under test: how it is started, and a plain client that holds one connection open.

The plain client knows nothing of EC2's shapes: parameters are nested dicts and lists, an answer is the XML as dicts
and lists. It is quick, it can say what an SDK would refuse to say, and it judges the XML that it gets.
"""

import http.client
import json
import re
import socket
import urllib.parse
import xml.etree.ElementTree as ElementTree

from .case import wait_for
from .lent import LENT
from .server import Server, free_port

REGION = "us-east-1"
VERSION = "2016-11-15"
NAMESPACE = f"{{http://ec2.amazonaws.com/doc/{VERSION}/}}"
# endpoints in these states answer, DESIGN.md "States"
SERVED = ("available", "pending", "partial")


def access_keys(case, *keys):
    """A file of access keys: id, secret, account and allowed actions of each."""
    tables = [f'[[access_key]]\naccess_key_id = "{key}"\nsecret_access_key = "{secret}"\naccount_id = "{account}"\n'
              f'actions = {json.dumps(actions)}\n' for key, secret, account, actions in keys]
    path = case.write("keys.toml", "\n".join(tables))
    path.chmod(0o600)
    return path


class Ec2Server(Server):
    """`vpcedns serve` with the EC2 API on one more port; its state lives in `state`, below the scratch directory."""

    def __init__(self, case, *flags, state="state", zones="zones", **options):
        (case.dir / zones).mkdir(parents=True, exist_ok=True)
        self.api = tuple(LENT["ec2"]) if LENT else ("127.0.0.1", free_port())
        self.url = f"http://{self.api[0]}:{self.api[1]}"
        super().__init__(case, "--ec2-api", f"{self.api[0]}:{self.api[1]}", "--ec2-state", state, *flags,
                         zones=zones, **options)
        wait_for("the EC2 API to listen", self._listens)

    def _listens(self):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(self.api) == 0

    def raw(self, region=REGION):
        """A plain client of its own connection."""
        return Raw(self.api, region)


class Ec2Error(Exception):
    """An answer that is not a success."""

    def __init__(self, status, code, text):
        super().__init__(f"{status} {code}: {text}")
        self.status, self.code, self.text = status, code, text


class BadXml(Exception):
    """An answer that no client of EC2 would understand."""


class Raw:
    """One connection to the API, opened when it is needed and kept."""

    def __init__(self, address, region=REGION, timeout=30):
        self.address, self.timeout, self.connection = address, timeout, None
        # the API takes the region from the credential's scope, as EC2 does; the signature is a dummy
        self.headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{region}/ec2/aws4_request, "
                             f"SignedHeaders=host, Signature={'0' * 64}",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the connection; the next call opens another."""
        if self.connection:
            self.connection.close()
        self.connection = None

    def call(self, action, **params):
        """One action; its answer without the request id, or `Ec2Error`."""
        form = {"Action": action, "Version": VERSION, **dict(flatten(params))}
        status, body = self.post(urllib.parse.urlencode(form).encode())
        return answer(action, status, body)

    def post(self, body, **headers):
        """Sends a form as it stands; (status, body)."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=self.timeout)
        try:
            self.connection.request("POST", "/", body, {**self.headers, **headers})
            reply = self.connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def error(self, action, **params):
        """The `Ec2Error` of a call that should fail, or None if it does not."""
        try:
            self.call(action, **params)
        except Ec2Error as error:
            return error
        return None

    def all(self, action, **params):
        """Every item of a Describe action, over all of its pages."""
        items, token = [], None
        while True:
            seen = self.call(action, **params, **({"NextToken": token} if token else {}))
            token = seen.pop("nextToken", None)
            items += next(value for value in seen.values() if isinstance(value, list))
            if not token:
                return items


def flatten(value, prefix=""):
    """Nested parameters as EC2's forms name them: `SubnetId.1`, `Filter.1.Value.2`, `DnsOptions.DnsRecordIpType`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, (list, tuple)):
        for n, inner in enumerate(value, 1):
            yield from flatten(inner, f"{prefix}.{n}")
    else:
        yield prefix, str(value).lower() if isinstance(value, bool) else str(value)


def answer(action, status, body):
    """A body judged as EC2's clients read it: aws.md 3.6 for errors, 4.1 for successes."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise BadXml(f"{action}: {status}, not XML ({error}): {body[:200]!r}") from error
    if status != 200:
        code, text = root.findtext("Errors/Error/Code"), root.findtext("Errors/Error/Message")
        if root.tag != "Response" or not code or text is None or not root.findtext("RequestID"):
            raise BadXml(f"{action}: {status}, not an error of EC2: {body[:300]!r}")
        raise Ec2Error(status, code, text)
    if root.tag != f"{NAMESPACE}{action}Response":
        raise BadXml(f"{action}: answered by {root.tag}")
    found = plain(root)
    if not isinstance(found, dict) or not found.pop("requestId", None) or root[0].tag != f"{NAMESPACE}requestId":
        raise BadXml(f"{action}: the answer does not begin with a request id: {body[:200]!r}")
    return found


def plain(element):
    """XML as dicts, lists (of what is in `<item>`) and text."""
    name = element.tag.removeprefix(NAMESPACE)
    if name.startswith("{"):
        raise BadXml(f"{element.tag} is of another namespace")
    inner = list(element)
    if not inner:
        return [] if re.search(r"Set$|^unsuccessful$|^serviceType$|^allowedPrincipals$", name) else element.text or ""
    if all(child.tag == f"{NAMESPACE}item" for child in inner):
        return [plain(child) for child in inner]
    return {child.tag.removeprefix(NAMESPACE): plain(child) for child in inner}


# --- what most tests need: a VPC, its subnets, endpoints in them ----------------------------------------------------

def make_vpc(raw, cidr, hostnames=True, **params):
    """A VPC with both DNS attributes on, unless told otherwise; its id."""
    vpc = raw.call("CreateVpc", CidrBlock=cidr, **params)["vpc"]["vpcId"]
    if hostnames:
        raw.call("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    return vpc


def make_subnet(raw, vpc, cidr, zone="a", region=REGION, **params):
    """A subnet in an availability zone (a letter); its id."""
    return raw.call("CreateSubnet", VpcId=vpc, CidrBlock=cidr, AvailabilityZone=region + zone,
                    **params)["subnet"]["subnetId"]


def make_endpoint(raw, vpc, service, subnets, region=REGION, **params):
    """An interface endpoint; what the create call says of it. `service` is what follows the region, or a whole name."""
    name = service if service.startswith("com.") else f"com.amazonaws.{region}.{service}"
    return raw.call("CreateVpcEndpoint", VpcEndpointType="Interface", VpcId=vpc, ServiceName=name, SubnetId=subnets,
                    **params)["vpcEndpoint"]


def tags(resource_type, **values):
    """A TagSpecification list of one."""
    return [{"ResourceType": resource_type, "Tag": [{"Key": key, "Value": value} for key, value in values.items()]}]


def tag_of(item, key):
    """The value of a tag of a described item, or None."""
    return next((tag["value"] for tag in item.get("tagSet", []) if tag["key"] == key), None)


def names_of(endpoint):
    """(regional, zonal, private) names among an endpoint's DnsEntries, told apart by the grammar of aws.md 1.1."""
    names = [entry["dnsName"] for entry in endpoint.get("dnsEntrySet", [])]
    own = [name for name in names if re.match(r"(\*\.)?vpce-[0-9a-f]{17}-[a-z0-9]{8}[.-]", name)]
    zonal = [name for name in own if re.match(r"(\*\.)?vpce-[0-9a-f]{17}-[a-z0-9]{8}-", name)]
    return [name for name in own if name not in zonal], zonal, [name for name in names if name not in own]

"""Clients of a fleet that write down every call: when it was made and answered, where, and what it was told.

Each call goes to a server that chance picks. A client has endpoints of its own, which it alone grows, shrinks and deletes;
tags come from all. Every call that changes something leaves its number in the store: as the name of what it made, or as a tag.
"""

import itertools
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

from ..ec2 import SERVED, Ec2Error, Raw, names_of, tag_of, tags

SERVICES = ["sqs", "sns", "kms", "ssm", "logs"]
# live endpoints of a VPC, and tags of an endpoint, that clients stop at
CROWDED, TAGGED = 12, 30
# how often a client makes each kind of call
SHARES = {"list": 22, "ask": 28, "create": 20, "repeat": 4, "tag": 12, "untag": 4, "resize": 6, "delete": 4}


@dataclass
class Operation:
    """One call. `outcome`: ok, refused (with EC2's code), failed (nothing has happened) or unknown."""
    number: str
    kind: str
    server: str
    session: int
    begin: float
    vpc: str = None
    endpoint: str = None  # the id of the endpoint it is about
    subject: str = None  # the number of another call, whose endpoint or tag it is about
    service: str = None
    private: bool = False
    subnets: tuple = ()
    end: float = None
    outcome: str = "unknown"
    code: str = None
    result: object = None
    revision: int = field(default=None, compare=False)  # at which it happened, by the store

    def __str__(self):
        took = f"{self.begin:.3f} to {self.end:.3f}" if self.end else f"from {self.begin:.3f}"
        return (f"{self.number} {self.kind} at {self.server}.{self.session}, {took}: {self.outcome} {self.code or ''} "
                f"(endpoint {self.endpoint}, of {self.subject}, {self.vpc} {self.service} {self.private}), "
                f"revision {self.revision}, {str(self.result)[:300]}")


@dataclass
class Made:
    """An endpoint as its clients know it."""
    create: Operation
    id: str
    regional: str
    vpc: str
    grown: bool = False
    is_settled: bool = True  # no call about its subnets is without an outcome
    tags: int = 0


class Book:
    """What all clients share: the history, and which endpoints there are."""

    def __init__(self, vpcs):
        self.vpcs = vpcs  # id of each VPC: its two subnets
        self.history, self.live, self.gone, self.creates = [], {}, [], []
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()

    def begin(self, kind, server, **what):
        """A new call, which begins now."""
        operation = Operation(f"{kind[0]}{next(self.numbers)}", kind, server.name, server.session, time.monotonic(), **what)
        with self.lock:
            self.history.append(operation)
        return operation

    def crowd(self, vpc):
        """How many live endpoints a VPC has, as far as is known."""
        with self.lock:
            return sum(made.vpc == vpc for made in self.live.values())


class FleetClient:
    """One client, on one thread."""

    def __init__(self, fleet, book, rng, shares=None):
        self.fleet, self.book, self.rng, self.shares = fleet, book, rng, shares or SHARES
        self.own, self.tags, self.raws = {}, [], {}

    def step(self):
        """One call, chosen by chance."""
        kinds, weights = zip(*self.shares.items())
        return getattr(self, self.rng.choices(kinds, weights)[0])()

    # --- calls of the API -------------------------------------------------------------------------------------------

    def call(self, operation, server, action, **params):
        """Makes a call and writes down what came of it; its answer, or None."""
        key = (server.name, server.session)
        try:
            if key not in self.raws:
                self.raws[key] = FleetRaw(self.fleet.network, server)
            answer = self.raws[key].call(action, **params)
            operation.outcome = "ok"
        except Ec2Error as error:
            answer, operation.code = None, error.code
            nothing = error.code == "RequestLimitExceeded" or error.code == "Unavailable" and "not known" not in error.text
            doubt = error.code == "Unavailable" and not nothing
            operation.outcome = "unknown" if doubt else "failed" if nothing else "refused"
            operation.result = error.text
        except (OSError, HTTPException) as error:
            answer, operation.result = None, repr(error)
            self.raws.pop(key, None)
            time.sleep(0.02)
        operation.end = time.monotonic()
        return answer

    def list(self):
        """The endpoints of a VPC."""
        server, vpc = self.fleet.pick(self.rng, api=True), self.rng.choice(sorted(self.book.vpcs))
        self.list_at(server, vpc)

    def list_at(self, server, vpc):
        operation = self.book.begin("list", server, vpc=vpc)
        answer = self.call(operation, server, "DescribeVpcEndpoints", Filter=[{"Name": "vpc-id", "Value": [vpc]}], MaxResults=1000)
        if answer:
            operation.result = frozenset(
                (item["vpcEndpointId"], tag_of(item, "Name"), item["privateDnsEnabled"] == "true",
                 frozenset(tag["key"] for tag in item["tagSet"] if tag["key"] != "Name"), frozenset(item["subnetIdSet"]))
                for item in answer["vpcEndpointSet"] if item["state"] in SERVED)

    def create(self):
        """An endpoint, with a token by which the same call can be made again."""
        vpc = self.rng.choice(sorted(self.book.vpcs))
        if self.book.crowd(vpc) >= CROWDED:
            return self.delete()
        operation = self.book.begin("create", self.fleet.pick(self.rng, api=True), vpc=vpc, subnets=self.book.vpcs[vpc][:1],
                                    service=self.rng.choice(SERVICES), private=self.rng.random() < 0.4)
        self.make(operation, operation)
        with self.book.lock:
            self.book.creates.append(operation)
            del self.book.creates[:-30]

    def make(self, operation, create):
        """Makes the call of `create`, as `operation`."""
        answer = self.call(operation, self.fleet.server(operation), "CreateVpcEndpoint", VpcEndpointType="Interface",
                           VpcId=create.vpc, ServiceName=f"com.amazonaws.us-east-1.{create.service}", SubnetId=list(create.subnets),
                           PrivateDnsEnabled=create.private, ClientToken=create.number,
                           TagSpecification=tags("vpc-endpoint", Name=create.number))
        if answer:
            item = answer["vpcEndpoint"]
            operation.endpoint = item["vpcEndpointId"]
            # one that comes again is answered with what it made as that is now: deleted, it has no names
            if operation is create:
                regional = names_of(item)[0][0]
                with self.book.lock:
                    made = self.book.live[operation.endpoint] = Made(create, operation.endpoint, regional, create.vpc)
                    self.own[operation.endpoint] = made

    def repeat(self):
        """A call that was made before, perhaps at another server, perhaps by another client, perhaps without an answer."""
        with self.book.lock:
            create = self.rng.choice(self.book.creates) if self.book.creates else None
        if create:
            operation = self.book.begin("repeat", self.fleet.pick(self.rng, api=True), vpc=create.vpc, subject=create.number,
                                        service=create.service, private=create.private)
            self.make(operation, create)

    def tag(self):
        """A tag of any endpoint."""
        made = self.any_live()
        if made and made.tags < TAGGED:
            made.tags += 1
            server = self.fleet.pick(self.rng, api=True)
            operation = self.book.begin("tag", server, vpc=made.vpc, endpoint=made.id)
            self.call(operation, server, "CreateTags", ResourceId=[made.id], Tag=[{"Key": operation.number, "Value": ""}])
            if operation.outcome == "ok":
                self.tags.append(operation)

    def untag(self):
        """Takes a tag of one's own away."""
        if self.tags:
            tag = self.tags.pop(self.rng.randrange(len(self.tags)))
            server = self.fleet.pick(self.rng, api=True)
            operation = self.book.begin("untag", server, vpc=tag.vpc, endpoint=tag.endpoint, subject=tag.number)
            self.call(operation, server, "DeleteTags", ResourceId=[tag.endpoint], Tag=[{"Key": tag.number}])

    def resize(self):
        """An endpoint of one's own gets an interface in the second subnet, or loses it."""
        settled = [made for made in self.own.values() if made.is_settled]
        if settled:
            made, server = self.rng.choice(settled), self.fleet.pick(self.rng, api=True)
            kind, subnet = ("shrink" if made.grown else "grow"), self.book.vpcs[made.vpc][1]
            operation = self.book.begin(kind, server, vpc=made.vpc, endpoint=made.id)
            change = {"RemoveSubnetId" if made.grown else "AddSubnetId": [subnet]}
            self.call(operation, server, "ModifyVpcEndpoint", VpcEndpointId=made.id, **change)
            made.is_settled = operation.outcome != "unknown"
            made.grown ^= operation.outcome == "ok"

    def delete(self):
        """Deletes an endpoint of one's own."""
        if not self.own:
            return
        made, server = self.own.pop(self.rng.choice(sorted(self.own))), self.fleet.pick(self.rng, api=True)
        operation = self.book.begin("delete", server, vpc=made.vpc, endpoint=made.id)
        answer = self.call(operation, server, "DeleteVpcEndpoints", VpcEndpointId=[made.id])
        if answer and answer["unsuccessful"]:
            operation.outcome, operation.result = "refused", answer["unsuccessful"]
        if operation.outcome == "failed":
            self.own[made.id] = made
        else:
            with self.book.lock:
                self.book.live.pop(made.id, None)
                self.book.gone = [*self.book.gone[-20:], made]

    def any_live(self):
        with self.book.lock:
            return self.rng.choice(list(self.book.live.values())) if self.book.live else None

    # --- questions of DNS -------------------------------------------------------------------------------------------

    def ask(self):
        """The regional name of any endpoint, of one that has gone too."""
        with self.book.lock:
            known = [*self.book.live.values(), *self.book.gone[-5:]]
        if known:
            self.ask_at(self.fleet.pick(self.rng), self.rng.choice(known))

    def ask_at(self, server, made):
        operation = self.book.begin("ask", server, vpc=made.vpc, endpoint=made.id)
        try:
            with self.fleet.network.inside(server.host):
                rcode, addresses = server.process.addresses(made.regional)
            operation.outcome = "ok" if rcode in ("NOERROR", "NXDOMAIN") else "refused"
            operation.code, operation.result = rcode, tuple(addresses)
        except (TimeoutError, OSError) as error:
            operation.result = repr(error)
        operation.end = time.monotonic()


class FleetRaw(Raw):
    """A connection that is opened where the server is."""

    def __init__(self, network, server):
        super().__init__(server.process.api, timeout=20)
        self.network, self.host = network, server.host

    def post(self, body, **headers):
        if self.connection is None:
            with self.network.inside(self.host):
                self.connection = HTTPConnection(*self.address, timeout=self.timeout)
                self.connection.connect()
        return super().post(body, **headers)

"""Calls of any AWS service as botocore writes them, signed, and answered as octets.

botocore's serializers take whatever fits a shape and check nothing else, so that members of the wrong kind, unknown ones and
endless ones reach the server.
"""

import http.client
import re
import time
from urllib.parse import urlencode

from . import awstools
from .case import ROOT

# the names of docs/ec2-actions.md, and botocore's
SERVICES = {"EC2": "ec2", "Route 53": "route53", "Resolver": "route53resolver", "Profiles": "route53profiles",
            "STS": "sts", "IAM": "iam"}

IDLE_SECONDS = 2


def actions(models):
    """(service, action) of all that the server has, by its generated page, and that the installed botocore knows."""
    page = (ROOT / "docs" / "ec2-actions.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([\w ]+) \|", page, re.M)
    named = [(SERVICES[service], action) for action, service in rows if service in SERVICES]
    return [(service, action) for service, action in named if action in models.services[service].operation_names]


class Models:
    """botocore's models of the services, and its serializers."""

    def __init__(self):
        awstools.need("botocore")
        # pylint: disable=import-outside-toplevel  (it may not be installed)
        from botocore.loaders import Loader
        from botocore.model import ServiceModel
        from botocore.serialize import create_serializer
        loader = Loader()
        self.services = {name: ServiceModel(loader.load_service_model(name, "service-2"), name)
                         for name in SERVICES.values()}
        self.serializers = {name: create_serializer(model.metadata["protocol"], include_validation=False)
                            for name, model in self.services.items()}

    def operation(self, service, action):
        """The model of an action."""
        return self.services[service].operation_model(action)

    def request(self, service, action, params):
        """(method, path with query, headers, body)"""
        made = self.serializers[service].serialize_to_request(params, self.operation(service, action))
        body, query = made["body"], made["query_string"]
        headers = dict(made["headers"])
        if isinstance(body, dict):
            body = urlencode(body)
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        body = body.encode() if isinstance(body, str) else body
        path = made["url_path"] + (f"?{urlencode(query)}" if query else "")
        return made["method"], path, headers, body


class Signed:
    """One caller in one Region, on one connection."""

    def __init__(self, server, models, key, secret, region):
        # pylint: disable=import-outside-toplevel
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        self.server, self.models, self.region = server, models, region
        self.signers = {service: SigV4Auth(Credentials(key, secret), service, region) for service in SERVICES.values()}
        self.request_class, self.connection, self.last = AWSRequest, None, 0.0

    def call(self, service, action, params):
        """(status, body) of a call."""
        method, path, headers, body = self.models.request(service, action, params)
        return self.send(service, method, path, headers, body)

    def send(self, service, method, path, headers, body):
        """The same of a request that is not signed yet."""
        request = self.request_class(method, self.server.url + path, data=body, headers=headers)
        self.signers[service].add_auth(request)
        sent = {key: value.decode() if isinstance(value, bytes) else value for key, value in request.headers.items()}
        # one that was idle for long is closed, and is not to be taken for the server's end
        if self.connection and time.monotonic() - self.last > IDLE_SECONDS:
            self.connection.close()
            self.connection = None
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.server.api, timeout=30)
        self.connection.request(method, path, body, sent)
        reply = self.connection.getresponse()
        self.last = time.monotonic()
        return reply.status, reply.read().decode()

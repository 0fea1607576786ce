"""A scripted AWS: EC2 without objects, STS, IAM Identity Center, and the credential services of instances and containers.

Signatures are checked by botocore. What is issued holds the word HUSH wherever it is secret, so that a test can look for it.
"""

import ctypes
import datetime
import json
import os
import socket
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

LISTS = {"DescribeVpcs": "vpcSet", "DescribeSubnets": "subnetSet", "DescribeVpcEndpoints": "vpcEndpointSet",
         "DescribeNetworkInterfaces": "networkInterfaceSet", "DescribeInstances": "reservationSet",
         "DescribeVpcEndpointAssociations": "vpcEndpointAssociationSet", "DescribeVpcEndpointServices": "serviceDetailSet"}
ROLES = "/latest/meta-data/iam/security-credentials/"


def secret(key):
    """The secret key of an access key."""
    return f"HUSH/of+{key}"


def long_lived(key):
    """An access key as users have them, in the words of a credentials file."""
    return f"aws_access_key_id = {key}\naws_secret_access_key = {secret(key)}\n"


def certificate(case, *names):
    """`cert.pem` and `key.pem` for these names, of the authority in `ca.pem`."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    case.run("openssl", "req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2", "-subj", "/CN=scripted CA")
    case.run("openssl", "req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=scripted AWS")
    case.write("names", f"subjectAltName={','.join(names)}\n")
    case.run("openssl", "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2",
             "-extfile", "names", "-out", "cert.pem")
    return case.dir / "cert.pem", case.dir / "key.pem"


class AwsServices:
    """All of them behind any number of listening sockets."""

    def __init__(self, case):
        self.case = case
        # who called EC2, in order; what was asked; (part of a request line, (status, body) or a function) in place of an answer
        self.callers, self.asked, self.faults = [], [], {}
        self.lifetime, self.refused, self.instance_key = 3600, set(), "ASIAINSTANCE"
        self.sso_token, self.refresh_token = "HUSH-sso-1", "HUSH-refresh-1"

    def listen(self, address="127.0.0.1", port=0, namespace=None, tls=None):
        """Answers at an address, in a network namespace if one is named; returns the URL."""
        services = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                try:
                    self.reply()
                except ConnectionError:
                    pass  # whoever asked has not waited

            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, text = services.answer(self.command, self.path, self.headers, body.decode())
                text = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server_class = type("Scripted", (ThreadingHTTPServer,), {"address_family": family})
        with Namespace(namespace):
            server = server_class((address, port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        self.case.finally_do(server.shutdown)
        return f"{'https' if tls else 'http'}://{address}:{server.server_address[1]}"

    def answer(self, method, path, headers, body):
        """(status, body) for a request."""
        form = dict(parse_qsl(body)) if method == "POST" and path == "/" else {}
        line = f"{method} {path} {form.get('Action', '')}".rstrip()
        self.asked.append(line)
        for part, fault in self.faults.items():
            if part in line:
                return fault() if callable(fault) else fault
        if form:
            return self.query(headers, body, form)
        url = urlsplit(path)
        if line == "PUT /latest/api/token":
            return (200, "HUSH-session") if headers["x-aws-ec2-metadata-token-ttl-seconds"] else (400, "")
        if url.path.startswith("/latest/"):
            if headers["x-aws-ec2-metadata-token"] != "HUSH-session":
                return 401, ""
            return {ROLES: (200, "reader"), ROLES + "reader": (200, self.json(self.instance_key))}.get(url.path, (404, ""))
        if url.path == "/ecs":
            return 200, self.json("ASIAECS")
        if url.path == "/eks":
            granted = headers["Authorization"] == "HUSH-pod"
            return (200, self.json("ASIAEKS")) if granted else (401, '{"code": "AccessDenied", "message": "no pod"}')
        if url.path == "/federation/credentials":
            return self.sso(headers, dict(parse_qsl(url.query)))
        if line == "POST /token":
            return self.renew(json.loads(body))
        return 404, ""

    def query(self, headers, body, form):
        """EC2 and STS."""
        action = form["Action"]
        if action == "AssumeRoleWithWebIdentity":
            if form["WebIdentityToken"] != "HUSH-jwt":
                return error("InvalidIdentityToken", "the token is not of the provider")
            return self.assumed(action, "ASIAWEB")
        caller = signer(headers, body)
        if not caller:
            return error("SignatureDoesNotMatch", "the signature is wrong")
        if caller in self.refused:
            return error("ExpiredToken" if action == "AssumeRole" else "RequestExpired", "it has expired")
        if action == "AssumeRole":
            role = form["RoleArn"].rsplit("/", 1)[-1]
            if role == "external" and form.get("ExternalId") != "x-1":
                return error("AccessDenied", f"User {caller} is not authorized to perform: sts:AssumeRole")
            return self.assumed(action, f"ASIA{role.upper()}")
        if action == "GetCallerIdentity":
            return 200, f"<{action}Response><{action}Result><Account>111122223333</Account></{action}Result></{action}Response>"
        self.callers.append(caller)
        return 200, f"<{action}Response><{LISTS[action]}/></{action}Response>"

    def sso(self, headers, query):
        """GetRoleCredentials of IAM Identity Center."""
        if headers["x-amz-sso_bearer_token"] != self.sso_token:
            return 401, '{"message": "Session token not found or invalid"}'
        if query != {"role_name": "Reader", "account_id": "111122223333"}:
            return 403, '{"message": "No access"}'
        return 200, json.dumps({"roleCredentials": {
            "accessKeyId": "ASIASSO", "secretAccessKey": secret("ASIASSO"), "sessionToken": token("ASIASSO"),
            "expiration": int((time.time() + self.lifetime) * 1000)}})

    def renew(self, asked):
        """CreateToken of its OIDC service."""
        if asked["refreshToken"] != self.refresh_token:
            return 400, '{"error": "invalid_grant", "error_description": "Invalid refresh token provided"}'
        self.sso_token = "HUSH-sso-2"
        return 200, json.dumps({"accessToken": self.sso_token, "expiresIn": 3600, "tokenType": "Bearer"})

    def json(self, key):
        """Credentials as metadata services give them."""
        return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key, "SecretAccessKey": secret(key),
                           "Token": token(key), "Expiration": after(self.lifetime)})

    def assumed(self, action, key):
        """Credentials as STS gives them."""
        return 200, (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
                     f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret(key)}</SecretAccessKey><SessionToken>{token(key)}"
                     f"</SessionToken><Expiration>{after(self.lifetime)}</Expiration></Credentials></{action}Result></{action}Response>")


def token(key):
    return f"HUSH-token-of-{key}=="


def after(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def error(code, text):
    return 403, f"<ErrorResponse><Error><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"


def signer(headers, body):
    """The access key whose owner signed a request to `/`, by botocore; None if nobody did."""
    from botocore.auth import SigV4Auth  # pylint: disable=import-outside-toplevel
    from botocore.awsrequest import AWSRequest  # pylint: disable=import-outside-toplevel
    from botocore.credentials import Credentials  # pylint: disable=import-outside-toplevel
    fields = dict(word.strip(",").split("=", 1) for word in headers["Authorization"].split()[1:])
    key, _, region, service, _ = fields["Credential"].split("/")
    if key.startswith("ASIA") and headers["X-Amz-Security-Token"] != token(key):
        return None
    signed = {name: headers[name] for name in fields["SignedHeaders"].split(";")}
    request = AWSRequest(method="POST", url=f"https://{headers['Host']}/", data=body.encode(), headers=signed)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(key, secret(key)), service, region)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return key if signature == fields["Signature"] else None


class Namespace:
    """A network namespace in which sockets are made meanwhile; they stay there."""

    CLONE_NEWNET = 0x40000000

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        if self.name:
            self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.enter(os.open(f"/var/run/netns/{self.name}", os.O_RDONLY))

    def __exit__(self, *_):
        if self.name:
            self.enter(self.before)

    def enter(self, descriptor):
        """Enters the namespace of a descriptor, which is closed."""
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.setns(descriptor, self.CLONE_NEWNET)
        os.close(descriptor)
        if failed:
            raise OSError(ctypes.get_errno(), "setns")

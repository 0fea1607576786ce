"""Connection notifications reach SNS, signed, and a webhook, after outages and kill -9 too, and delay no call."""

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.awstools import need
from support.case import wait_for
from support.ec2 import REGION, Ec2Server, make_endpoint, make_subnet, make_vpc
from support.scenario import ELB

TOPIC = "arn:aws:sns:us-east-2:123456789012:VpceNotification"
SLOW_SECONDS = 3.0
KEY, SECRET = "AKIASNS", "sns-secret"


class Receiver:
    """SNS and a webhook in one: keeps what it is sent; answers with `status` after `delay` seconds."""

    def __init__(self, case):
        self.status, self.delay, self.got, self.lock = 200, 0.0, [], threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # the name is the library's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.delay)
                with receiver.lock:
                    status = receiver.status
                    if status == 200:
                        receiver.got.append((self.path, {key.lower(): value for key, value in self.headers.items()},
                                             body))
                answer = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # a connection that a killed server leaves behind
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        case.finally_do(self.http.shutdown)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def notices(self, path):
        """The (event, notification, endpoint) that came to a path, each once, in the order of their first arrival."""
        with self.lock:
            bodies = [body for at, _, body in self.got if at == path]
        if path == "/":
            bodies = [urllib.parse.parse_qs(body.decode())["Message"][0] for body in bodies]
        seen = [json.loads(body) for body in bodies]
        return list(dict.fromkeys((item["Event"], item["NotificationId"], item["VpcEndpointId"]) for item in seen))


def run(case):
    need("botocore")
    receiver = Receiver(case)
    options = {"env": {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}}
    flags = ["--sns-endpoint", receiver.url, "--ec2-webhook", f"{receiver.url}/hook"]
    server = Ec2Server(case, *flags, **options)
    raw = server.raw()
    vpc = make_vpc(raw, "127.1.0.0/16")
    subnet = make_subnet(raw, vpc, "127.1.1.0/24")
    service = raw.call("CreateVpcEndpointServiceConfiguration", NetworkLoadBalancerArn=[ELB],
                       AcceptanceRequired=True)["serviceConfiguration"]
    events = ["Connect", "Accept", "Reject", "Delete"]
    notification = notify(raw, events, ServiceId=service["serviceId"])

    begin = time.monotonic()
    first = life(raw, vpc, subnet, service)
    wanted = [(event, notification, first) for event in events]
    arrive(case, receiver, wanted, "at once")
    case.note(f"four events arrived {time.monotonic() - begin:.2f} s after the first call began")
    signature(case, receiver)

    # a receiver that is slow or down keeps nobody waiting, and gets everything in the end
    receiver.delay = SLOW_SECONDS
    begin = time.monotonic()
    second = life(raw, vpc, subnet, service)
    case.check(time.monotonic() - begin < SLOW_SECONDS, "calls wait for the receiver of notifications")
    wanted += [(event, notification, second) for event in events]
    receiver.delay, receiver.status = 0.0, 503
    third = life(raw, vpc, subnet, service)
    wanted += [(event, notification, third) for event in events]
    raw.close()
    server.process.kill()
    server.process.wait()
    receiver.status = 200
    server = Ec2Server(case, *flags, **options)
    arrive(case, receiver, wanted, "after an outage and kill -9")

    # one event of an endpoint; none after the notification is gone
    raw = server.raw()
    endpoint = make_endpoint(raw, vpc, service["serviceName"], [subnet])["vpcEndpointId"]
    own = notify(raw, ["Accept"], VpcEndpointId=endpoint)
    raw.call("DeleteVpcEndpointConnectionNotifications", ConnectionNotificationId=[notification])
    raw.call("AcceptVpcEndpointConnections", ServiceId=service["serviceId"], VpcEndpointId=[endpoint])
    raw.call("DeleteVpcEndpointConnectionNotifications", ConnectionNotificationId=[own])
    raw.call("RejectVpcEndpointConnections", ServiceId=service["serviceId"], VpcEndpointId=[endpoint])
    arrive(case, receiver, wanted + [("Connect", notification, endpoint), ("Accept", own, endpoint)], "of an endpoint")
    time.sleep(0.5)
    arrive(case, receiver, wanted + [("Connect", notification, endpoint), ("Accept", own, endpoint)], "and no more")
    case.check(server.alive(), "the server ended")


def notify(raw, events, **of):
    """A notification's id."""
    made = raw.call("CreateVpcEndpointConnectionNotification", ConnectionEvents=events, ConnectionNotificationArn=TOPIC,
                    **of)
    return made["connectionNotification"]["connectionNotificationId"]


def life(raw, vpc, subnet, service):
    """An endpoint that is requested, accepted, rejected and deleted; its id."""
    endpoint = make_endpoint(raw, vpc, service["serviceName"], [subnet])["vpcEndpointId"]
    for action in ("Accept", "Reject"):
        raw.call(f"{action}VpcEndpointConnections", ServiceId=service["serviceId"], VpcEndpointId=[endpoint])
    raw.call("DeleteVpcEndpoints", VpcEndpointId=[endpoint])
    return endpoint


def arrive(case, receiver, wanted, when):
    """Both receivers get exactly these, those of an endpoint in the order in which they happened."""
    for path, who in (("/", "SNS"), ("/hook", "the webhook")):
        wait_for(f"{len(wanted)} notices {when} at {who}", lambda path=path: len(receiver.notices(path)) >= len(wanted),
                 60)
        found = receiver.notices(path)
        case.equal(f"notices {when} at {who}", sorted(found), sorted(wanted))


def signature(case, receiver):
    """What came to SNS is a Publish for the topic, signed for its region: botocore signs it again and compares."""
    # pylint: disable=import-outside-toplevel  (they may not be installed)
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    _, headers, body = next(item for item in receiver.got if item[0] == "/")
    form = urllib.parse.parse_qs(body.decode())
    case.equal("what SNS is asked", (form["Action"], form["TopicArn"], form["Version"]),
               (["Publish"], [TOPIC], ["2010-03-31"]))
    given = headers["authorization"]
    case.check(f"Credential={KEY}/" in given and "/us-east-2/sns/aws4_request" in given,
               f"the credential scope: {given}")
    signed = given.split("SignedHeaders=")[1].split(",")[0].split(";")
    request = AWSRequest("POST", f"{receiver.url}/", data=body, headers={name: headers[name] for name in signed})
    auth = SigV4Auth(Credentials(KEY, SECRET), "sns", "us-east-2")
    request.context["timestamp"] = headers["x-amz-date"]
    if "x-amz-content-sha256" in headers:
        request.headers["X-Amz-Content-SHA256"] = headers["x-amz-content-sha256"]
    text = auth.string_to_sign(request, auth.canonical_request(request))
    case.equal("signature", given.rsplit("Signature=", 1)[1], auth.signature(text, request))
    hook = next(item for item in receiver.got if item[0] == "/hook")
    case.equal("type of the webhook's body", hook[1]["content-type"].split(";")[0], "application/json")
    case.check(REGION in json.loads(hook[2])["ServiceName"], "the webhook's body", hook[2])

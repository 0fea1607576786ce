"""Who may call the EC2 API: signatures, allowed actions, accounts apart; without keys it stays on this machine."""

from support import awstools
from support.awstools import error_of
from support.case import clean_env, stop
from support.ec2 import REGION, Ec2Server, access_keys, make_vpc
from support.scenario import ELB, interface
from support.server import free_port

KEYS = (("AKIAPROVIDER", "provider/secret+1", "111111111111", ["*"]),
        ("AKIAREADER", "reader-secret", "111111111111", ["Describe*"]),
        ("AKIACONSUMER", "consumer-secret", "222222222222", ["*"]))
# EC2 says the first; the others are those of the common errors of AWS's APIs
NOT_KNOWN = ("AuthFailure", "SignatureDoesNotMatch", "InvalidClientTokenId", "MissingAuthenticationToken",
             "IncompleteSignature")


def run(case):
    awstools.need("boto3", "botocore")
    server = Ec2Server(case, "--ec2-keys", access_keys(case, *KEYS))
    provider = awstools.client(server, key="AKIAPROVIDER", secret="provider/secret+1")
    reader = awstools.client(server, key="AKIAREADER", secret="reader-secret")
    consumer = awstools.client(server, key="AKIACONSUMER", secret="consumer-secret")
    vpc = provider.create_vpc(CidrBlock="127.1.0.0/16")["Vpc"]
    case.equal("owner of a VPC", vpc["OwnerId"], "111111111111")
    strangers(case, server)
    tampered(case, server)
    case.equal("VPCs that a reader of the account sees", [item["VpcId"] for item in reader.describe_vpcs()["Vpcs"]],
               [vpc["VpcId"]])
    for what, call, params in (("create", reader.create_vpc, {"CidrBlock": "127.3.0.0/16"}),
                               ("delete", reader.delete_vpc, {"VpcId": vpc["VpcId"]})):
        error = error_of(call, **params)
        case.check(error and (error[0], error[2]) == ("UnauthorizedOperation", 403), f"{what} by a reader: {error}")
    accounts(case, provider, consumer, vpc["VpcId"])
    for secret in ("provider/secret+1", "reader-secret", "consumer-secret"):
        case.check(secret not in server.log_text(), "a secret is in the log")
    open_to_this_machine_alone(case)


def strangers(case, server):
    """Callers whom no key of the file stands for."""
    for what, key, secret in (("an unknown key", "AKIANOBODY", "x"),
                              ("a wrong secret", "AKIAPROVIDER", "provider/secret+2"),
                              ("another's secret", "AKIAREADER", "provider/secret+1"),
                              ("no secret", "AKIAPROVIDER", "")):
        error = error_of(awstools.client(server, key=key, secret=secret).describe_vpcs)
        case.check(error and error[0] in NOT_KNOWN and error[2] in (401, 403), f"{what}: {error}")
    raw = server.raw()
    for what, header in (("a dummy signature", raw.headers["Authorization"]), ("no signature", ""),
                         ("another scheme", "Basic eDp5"),
                         ("half of a signature", "AWS4-HMAC-SHA256 Credential=AKIAPROVIDER/20260101/us-east-1/ec2")):
        status, body = raw.post(b"Action=CreateVpc&Version=2016-11-15&CidrBlock=127.9.0.0/16", Authorization=header)
        case.check(status in (400, 401, 403) and any(f"<Code>{code}</Code>".encode() in body for code in NOT_KNOWN),
                   f"{what}: status {status}", body[:300])


def tampered(case, server):
    """A signed request as it stands, then with another body, another region, another time."""
    # pylint: disable=import-outside-toplevel  (they may not be installed)
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    body = b"Action=DescribeVpcs&Version=2016-11-15"
    host = f"{server.api[0]}:{server.api[1]}"
    request = AWSRequest("POST", f"http://{host}/", data=body, headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": host})
    SigV4Auth(Credentials("AKIAPROVIDER", "provider/secret+1"), "ec2", REGION).add_auth(request)
    headers = dict(request.headers)
    raw = server.raw()
    status, text = raw.post(body, **headers)
    case.equal("status of a request that is signed by hand", status, 200, text[:300])
    signature = headers["Authorization"]
    for what, sent, changed in (
            ("another body", body + b"&DryRun=false", {}),
            ("another region", body, {"Authorization": signature.replace(REGION, "eu-west-1")}),
            ("another service", body, {"Authorization": signature.replace("/ec2/", "/sns/")}),
            ("another time", body, {"X-Amz-Date": another_second(headers["X-Amz-Date"])}),
            ("another type", body, {"Content-Type": "text/plain"})):
        status, text = raw.post(sent, **{**headers, **changed})
        case.check(status in (400, 401, 403) and b"<Vpc" not in text, f"a signed request with {what}: {status}",
                   text[:300])


def another_second(stamp):
    """A time of the form 20260101T000000Z, at another second of the same minute."""
    return f"{stamp[:-3]}{(int(stamp[-3:-1]) + 1) % 60:02}Z"


def accounts(case, provider, consumer, vpc):
    """What is one account's does not exist for another; a service does once its owner allows it."""
    case.equal("VPCs that another account sees", consumer.describe_vpcs()["Vpcs"], [])
    error = error_of(consumer.delete_vpc, VpcId=vpc)
    case.check(error and error[0] == "InvalidVpcID.NotFound", f"deleting another account's VPC: {error}")
    service = provider.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[ELB], AcceptanceRequired=True)["ServiceConfiguration"]
    own = consumer.create_vpc(CidrBlock="127.2.0.0/16")["Vpc"]["VpcId"]
    subnet = consumer.create_subnet(VpcId=own, CidrBlock="127.2.1.0/24",
                                    AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    wanted = {"VpcEndpointType": "Interface", "VpcId": own, "SubnetIds": [subnet],
              "ServiceName": service["ServiceName"]}
    error = error_of(consumer.create_vpc_endpoint, **wanted)
    case.equal("a service that the account may not use", error and error[:2], (
        "InvalidServiceName", f"The Vpc Endpoint Service '{service['ServiceName']}' does not exist"))
    provider.modify_vpc_endpoint_service_permissions(ServiceId=service["ServiceId"],
                                                     AddAllowedPrincipals=["arn:aws:iam::222222222222:root"])
    made = interface(consumer, own, [subnet], service["ServiceName"])
    seen = provider.describe_vpc_endpoint_connections()["VpcEndpointConnections"]
    case.equal("what the provider sees of the connection",
               [(item["VpcEndpointId"], item["VpcEndpointOwner"], item["VpcEndpointState"]) for item in seen],
               [(made["VpcEndpointId"], "222222222222", "pendingAcceptance")])
    case.equal("endpoints that the provider sees", provider.describe_vpc_endpoints()["VpcEndpoints"], [])
    error = error_of(consumer.accept_vpc_endpoint_connections, ServiceId=service["ServiceId"],
                     VpcEndpointIds=[made["VpcEndpointId"]])
    case.check(error and error[0] == "InvalidVpcEndpointServiceId.NotFound", f"accepting one's own request: {error}")


def open_to_this_machine_alone(case):
    """Without keys the server does not start on an address that others reach; on loopback it says that it is open."""
    process = case.start(case.binary, "serve", "--listen", f"127.0.0.1:{free_port()}", "--forward", "none",
                         "--zones", "zones",
                         "--ec2-api", f"0.0.0.0:{free_port()}", "--ec2-state", "open", log="open.log", env=clean_env())
    try:
        code = process.wait(10)
    except Exception:  # it runs: what this checks for
        stop(process)
        code = 0
    text = (case.dir / "open.log").read_text()
    case.check(code != 0 and "--ec2-keys" in text, f"an open API on 0.0.0.0: exit code {code}", text)
    server = Ec2Server(case, state="open-loopback")
    with server.raw() as raw:
        case.check(make_vpc(raw, "127.8.0.0/16"), "an open API on loopback")

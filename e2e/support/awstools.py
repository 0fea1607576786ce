"""boto3 and the AWS CLI, aimed at the server under test and at nothing else.

Both come from PyPI: those of the machine, or those that `.ci/run` put below `target/e2e-python`. Nothing of the
person who runs the tests is read: no profile, no configuration file, no instance metadata.
"""

import importlib.util
import json
import os
import shlex
import socket
import sys

from .case import ROOT, Skip, clean_env, wait_for
from .ec2 import REGION
from .server import free_port

# where .ci/run installs what is in e2e/requirements.txt
PRIVATE = ROOT / "target" / "e2e-python"


def need(*modules):
    """Skips the test unless the Python packages can be imported."""
    if PRIVATE.is_dir() and str(PRIVATE) not in sys.path:
        sys.path.append(str(PRIVATE))
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise Skip(f"not installed: {', '.join(missing)} (python3 -m pip install -r e2e/requirements.txt)")


def settings(server, region=REGION):
    """What a user of moto or LocalStack exports: the endpoint, a region, dummy credentials."""
    return {"AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": region, "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test"}


def environment(server, region=REGION):
    """Those settings in an environment that is otherwise free of AWS."""
    env = {key: value for key, value in clean_env().items() if not key.startswith("AWS_")}
    env |= {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "PYTHONWARNINGS": "ignore",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "json"}
    if PRIVATE.is_dir():
        env["PYTHONPATH"] = str(PRIVATE)
    return env | settings(server, region)


def moto(case):
    """The URL of moto's server, which has an account of its own."""
    need("moto", "flask")
    port = free_port()
    env = clean_env() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    case.start(sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", port, log="moto.log", env=env)

    def listens():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for("moto to listen", listens, seconds=60)
    return f"http://127.0.0.1:{port}"


class Cli:
    """Runs `aws` command lines as they are printed, with ids put in place of a guide's."""

    def __init__(self, case, server):
        need("awscli")
        self.case, self.env = case, environment(server)
        self.program = [sys.executable, "-m", "awscli"]
        self.ids = {}

    def __call__(self, line, check=True):
        """The JSON that a command line prints (None if it prints nothing); its process with `check` off."""
        words = shlex.split(line)
        assert words[0] == "aws", line
        for old, new in self.ids.items():
            words = [word.replace(old, new) for word in words]
        done = self.case.run(*self.program, *words[1:], env=self.env, check=check)
        if not check:
            return done
        return json.loads(done) if done.strip() else None


def session(key="test", secret="test"):
    """A session of boto3: clients of one session share the models that they read, which takes most of their time."""
    need("boto3")
    import boto3  # pylint: disable=import-outside-toplevel  (it may not be installed)
    return boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret)


def client(server, region=REGION, key="test", secret="test", service="ec2", of=None):
    """A boto3 client of a service, of a session or one of its own, that tries once and leaves it to the server to find what is wrong."""
    of = of or session(key, secret)
    from botocore.config import Config  # pylint: disable=import-outside-toplevel
    return of.client(service, region_name=region, endpoint_url=server.url, config=Config(
        retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=30))


def error_of(call, **params):
    """(code, text, HTTP status) of a boto3 call that should fail; None if it succeeds."""
    from botocore.exceptions import ClientError  # pylint: disable=import-outside-toplevel
    try:
        call(**params)
    except ClientError as error:
        return (error.response["Error"]["Code"], error.response["Error"]["Message"],
                error.response["ResponseMetadata"]["HTTPStatusCode"])
    return None

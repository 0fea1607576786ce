"""The image of the Dockerfile, and compose.yaml: each client of two networks resolves its own answer; one of the API makes an endpoint.

No image is pulled: the build image, a busybox client and a glibc client are made out of what is installed here.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from support import awstools, dns, rootfs
from support.case import ROOT, Skip, clean_env, find_tool, wait_for

EC2 = "ec2.us-east-1.amazonaws.com"
WANTED = {"a": ["172.30.1.138", "172.30.1.202"], "b": ["172.30.2.138"]}
RESOLVERS = {"a": "172.30.1.2", "b": "172.30.2.2"}
# a whole build inside a container, on two slow cores
BUILD_SECONDS = 1380
# of the test in all
LONGEST = BUILD_SECONDS + 200
# the one that is shipped takes twice as long to build
PROFILE = "dist" if os.environ.get("E2E_FULL") == "1" else "e2e"


def run(case):
    case.need("docker", "busybox", "getent")
    if case.run("docker", "info", check=False).returncode:
        raise Skip("no Docker engine answers")
    compose = compose_command(case)
    tag = f"vpcedns-e2e-{os.getpid()}"
    rootfs.busybox_client(case, f"{tag}-busybox")
    rootfs.glibc_client(case, f"{tag}-glibc")
    rootfs.builder(case, f"{tag}-builder")
    build(case, tag)
    image(case, tag)
    two_networks(case, compose, tag)
    api(case, compose, tag)


def build(case, tag):
    """Builds the image. The stage that compiles stays behind without a name: a gigabyte that nobody would miss."""
    said = case.run("docker", "build", "--rm", "--force-rm", "--build-arg", f"BUILDER={tag}-builder", "--build-arg",
                    f"PROFILE={PROFILE}", "-t", tag, ROOT, timeout=BUILD_SECONDS)
    case.note(f"the image holds the profile {PROFILE}")
    for step in re.findall(r"^ ---> ([0-9a-f]{12})$", said, re.M):
        case.finally_do(lambda step=step: rootfs.remove_image(step))
    case.finally_do(lambda: rootfs.remove_image(tag))


def compose_command(case):
    """Compose is a plug-in of docker in its second version and a program in its first."""
    if not case.run("docker", "compose", "version", check=False).returncode:
        return ["docker", "compose"]
    if find_tool("docker-compose"):
        return ["docker-compose"]
    raise Skip("neither `docker compose` nor docker-compose is installed")


def sbom(case, tag):
    """The list of crates is in the image."""
    name = f"{tag}-sbom"
    case.run("docker", "create", "--name", name, tag)
    case.finally_do(lambda: subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False))
    case.run("docker", "cp", f"{name}:/usr/share/doc/vpcedns/sbom.cdx.json", case.dir / "sbom.json")
    found = json.loads((case.dir / "sbom.json").read_text())
    names = {component["name"] for component in found["components"]}
    case.check(found["bomFormat"] == "CycloneDX" and {"ring", "hickory-proto", "tokio"} <= names, "the list of crates", str(names)[:200])


def image(case, tag):
    described = json.loads(case.run("docker", "image", "inspect", tag))[0]
    config = described["Config"]
    case.check(config.get("User", "").split(":")[0] not in ("", "0", "root"), "the image runs as root", config)
    case.check((config.get("Healthcheck") or {}).get("Test"), "the image has no health check", config)
    case.note(f"the image is {described['Size'] / 1e6:.1f} MB")
    said = case.run("docker", "run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none", tag, "--version")
    case.check(said.startswith("vpcedns "), "--version in the image", said)
    # nothing mounted: the example is served, and says how to go on
    labels = config.get("Labels") or {}
    case.check("org.opencontainers.image.version" in labels, "the image has no OCI labels", labels)
    sbom(case, tag)
    name = f"{tag}-empty"
    case.run("docker", "run", "--detach", "--name", name, "--read-only", "--cap-drop", "ALL", tag)
    case.finally_do(lambda: subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False))
    wait_for("the server of the example to be healthy", lambda: health(case, name) == "healthy", 30)
    address = case.run("docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name).strip()
    found = [socket.inet_ntoa(record.rdata) for record in dns.ask((address, 53), EC2, "A").answer]
    case.equal("the example's answer", sorted(found), ["10.0.1.17", "10.0.2.17"])
    case.check(b"mount your zones" in dns.ask((address, 53), "help.vpcedns.example", "TXT").answer[0].rdata, "how to go on")
    case.run("docker", "stop", "--time", "10", name)
    exit_code = case.run("docker", "inspect", "--format", "{{.State.ExitCode}}", name).strip()
    case.equal("exit code after `docker stop`", exit_code, "0")


def health(case, container):
    return case.run("docker", "inspect", "--format", "{{.State.Health.Status}}", container).strip()


def two_networks(case, compose, tag):
    env = {**clean_env(), "VPCEDNS_IMAGE": tag, "CLIENT_IMAGE": f"{tag}-busybox"}
    project = [*compose, "--project-name", tag, "--file", str(ROOT / "compose.yaml")]

    def call(*words, timeout=120):
        done = subprocess.run([*project, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
        return done.returncode, done.stdout

    case.finally_do(lambda: call("down", "--volumes", "--timeout", "5"))
    code, said = call("up", "--detach", "--no-build")
    if not case.equal("exit code of compose up", code, 0, said + call("logs", "--no-color")[1]):
        return
    for client, wanted in WANTED.items():
        container = case.run("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={tag}",
                             "--filter", f"label=com.docker.compose.service=client-{client}").strip()
        code = case.run("docker", "wait", container).strip()
        logs = case.run("docker", "logs", container)
        found = sorted(set(re.findall(r"Address(?: \d+)?: (172\.30\.[0-9.]+)$", logs, re.M)))
        case.equal(f"busybox nslookup of {EC2} in client-{client}", (code, found), ("0", wanted), logs)
        done = case.run("docker", "run", "--rm", "--network", f"{tag}_vpc-{client}", "--dns", RESOLVERS[client],
                        f"{tag}-glibc", "getent", "ahosts", EC2, check=False)
        found = sorted({line.split()[0] for line in done.stdout.splitlines()})
        case.equal(f"getent of {EC2} in vpc-{client}", found, wanted, done.stdout + done.stderr)
    # the networks of the next project have the same blocks
    case.equal("exit code of compose down", call("down", "--volumes", "--timeout", "5")[0], 0)


def api(case, compose, tag):
    """The profile `api`: its client is this machine's Python with the AWS CLI, in the place of an image that would have to be pulled."""
    awstools.need("awscli")
    root = rootfs.Rootfs()
    for directory in ("bin", "lib", "sbin", "lib64"):
        root.link(f"/{directory}", f"usr/{directory}")
    root.text("/opt/aws", f'#!/bin/sh\nexec {sys.executable} -m awscli "$@"\n', 0o755)
    root.image(case, f"{tag}-aws")
    mounts = ["/usr", sys.prefix, *sys.path[1:]]
    there = {str(Path(path).resolve()) for path in mounts if Path(path).is_dir()}
    case.write("api-client.json", json.dumps({"version": "2.4", "services": {"api-client": {
        "volumes": [f"{path}:{path}:ro" for path in sorted(there)],
        "environment": {"PATH": "/opt:/usr/bin", "PYTHONPATH": str(awstools.PRIVATE.resolve()), "PYTHONDONTWRITEBYTECODE": "1"}}}}))
    project = [*compose, "--project-name", f"{tag}-api", "--file", str(ROOT / "compose.yaml"), "--file", str(case.dir / "api-client.json"), "--profile", "api"]
    env = {**clean_env(), "VPCEDNS_IMAGE": tag, "AWS_CLI_IMAGE": f"{tag}-aws"}

    def call(*words):
        done = subprocess.run([*project, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=180, check=False)
        return done.returncode, done.stdout

    case.finally_do(lambda: call("down", "--volumes", "--timeout", "5"))
    code, said = call("up", "--no-build", "--exit-code-from", "api-client", "api-client")
    case.equal("exit code of the API's client", code, 0, said)
    case.check(re.search(r"vpce-[0-9a-f]{17}\s+(pending|available)", said), "the client makes an endpoint", said)
    case.check(re.search(r"10\.0\.1\.\d+\s+sqs\.us-east-1\.amazonaws\.com", said), "and resolves its private name", said)

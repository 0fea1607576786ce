"""The manifests of deploy/kubernetes: valid by the schemas of Kubernetes, whole as a kustomization, and served through a ConfigMap's swap.

No cluster is needed: kubernetes-validate has the schemas, and kubelet's swap of a ConfigMap (a link to a new directory) is done here.
"""

import os
import re
import shutil
import socket
from pathlib import Path

from support import awstools
from support.case import ROOT, clean_env, wait_for
from support.server import Server

DEPLOY = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.29", "1.34")
EC2 = "ec2.us-east-1.amazonaws.com"


def run(case):
    config_map(case)
    corefiles(case)
    awstools.need("kubernetes_validate", "yaml")
    documents = manifests(case)
    deployment(case, documents)


def manifests(case):
    import kubernetes_validate
    import yaml

    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    listed = set(kustomization["resources"])
    there = {path.name for path in DEPLOY.glob("*.yaml")} - {"kustomization.yaml"}
    case.equal("resources of the kustomization", listed, there)
    for generator in kustomization["configMapGenerator"]:
        for file in generator["files"]:
            case.check((DEPLOY / file).is_file(), f"{file} is not there")
    documents = {}
    for name in sorted(listed):
        for document in yaml.safe_load_all((DEPLOY / name).read_text()):
            documents[document["kind"]] = document
            for version in VERSIONS:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                    case.checks += 1
                except kubernetes_validate.ValidationError as error:
                    case.check(False, f"{name} for Kubernetes {version}", f"{error.path}: {error.message}")
    wanted = {"Namespace", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    case.equal("kinds", set(documents), wanted)
    # the validator sees what is wrong
    broken = documents["Service"] | {"spec": {"ports": [{"port": "dns"}]}}
    try:
        kubernetes_validate.validate(broken, VERSIONS[0], strict=True)
        case.check(False, "a broken Service is taken for valid")
    except kubernetes_validate.ValidationError:
        case.checks += 1
    return documents


def deployment(case, documents):
    """What the manifests name exists: labels, ports, probes as commands of the program, settings as variables."""
    pod = documents["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for kind, selector in (("Deployment", documents["Deployment"]["spec"]["selector"]["matchLabels"]),
                           ("Service", documents["Service"]["spec"]["selector"]),
                           ("PodDisruptionBudget", documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
                           ("NetworkPolicy", documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"])):
        case.check(selector.items() <= labels.items(), f"the selector of {kind} does not match the pods", selector)
    container = pod["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    case.equal("ports of the Service", {port["targetPort"] for port in documents["Service"]["spec"]["ports"]}, ports)
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    # as the pod would be started, on ports that are free here
    zones = case.dir / "zones"
    shutil.copytree(DEPLOY / "zones", zones)
    server = Server(case, *container["args"][1:], "--socket", case.dir / "pod.sock", zones=zones, http=True)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        command = container[probe]["exec"]["command"]
        case.equal(f"program of {probe}", command[0], "/vpcedns")
        done = case.run(case.binary, *command[1:], env=clean_env() | env | {"VPCEDNS_HTTP": server.http.removeprefix("http://")}, check=False)
        case.equal(f"exit code of {probe}", done.returncode, 0, done.stdout + done.stderr)
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    lameduck = int(re.search(r"lameduck_ms=(\d+)", " ".join(container["args"]))[1])
    case.check(grace * 1000 > lameduck + 5000, "the grace period is shorter than lameduck_ms and drain_ms", (grace, lameduck))
    # a bad ConfigMap must not take every pod out of the Service
    zones.joinpath("broken.toml").write_text("[[vpc]\n")
    wait_for("the error to be seen", lambda: server.get("/readyz")[0] == 503)
    ready = container["readinessProbe"]["exec"]["command"][1:]
    environment = clean_env() | {"VPCEDNS_HTTP": server.http.removeprefix("http://")}
    case.equal("readiness with a bad file", case.run(case.binary, *ready, env=environment, check=False).returncode, 0)
    # told to stop: alive, and not ready
    server.process.terminate()
    wait_for("the pod not to be ready", lambda: case.run(case.binary, *ready, env=environment, check=False).returncode == 1)
    case.equal("health meanwhile", case.run(case.binary, "health", env=environment, check=False).returncode, 0)
    case.equal("exit code", server.process.wait(timeout=20), 0)


def config_map(case):
    """A volume of a ConfigMap: files are links through `..data`, which kubelet points to another directory at once."""
    volume = case.dir / "volume"
    text = (DEPLOY / "zones/example.toml").read_text().replace("10.244.0.0/16", "127.0.0.0/8")
    publish(volume, "..1", text)
    (volume / "example.toml").symlink_to(Path("..data") / "example.toml")
    server = Server(case, "--socket", case.dir / "swap.sock", zones=volume)
    case.equal("before the swap", addresses(server), ["10.0.1.17"])
    publish(volume, "..2", text.replace("10.0.1.17", "10.0.1.18"))
    wait_for("the answer after the swap", lambda: addresses(server) == ["10.0.1.18"])
    case.equal("exit code", server.stop(), 0)


def addresses(server):
    return [socket.inet_ntoa(record.rdata) for record in server.ask(EC2).answer]


def publish(volume, name, text):
    (volume / name).mkdir(parents=True)
    (volume / name / "example.toml").write_text(text)
    (volume / "..data_tmp").symlink_to(name)
    os.rename(volume / "..data_tmp", volume / "..data")


def corefiles(case):
    """Each snippet is a server block; CoreDNS itself reads them where it is installed."""
    for path in sorted((DEPLOY / "cluster-dns").glob("Corefile.*")):
        text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
        case.equal(f"braces of {path.name}", text.count("{"), text.count("}"))
        case.check(re.search(r"^amazonaws\.com:53 \{\n", text, re.M) and "forward . " in text, f"{path.name} is no stub domain", text)

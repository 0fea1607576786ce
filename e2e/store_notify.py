"""Connection notifications of a fleet: each once, whichever server took the call, and at least once where a server ends.

Two servers share a store and one webhook. What both change arrives once; what was under way at a server that is killed, and what the
webhook did not take, arrives from the other one.
"""

import importlib.util
import json
import threading
import time
from collections import Counter
from pathlib import Path

from support.case import wait_for
from support.ec2 import Ec2Server, make_endpoint, make_subnet, make_vpc
from support.etcd import Cluster
from support.scenario import ELB

EACH = 10


def run(case):
    case.need("etcd", "etcdctl")
    spec = importlib.util.spec_from_file_location("ec2_notify", Path(__file__).with_name("ec2_notify.py"))
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    cluster, receiver = Cluster(case), alone.Receiver(case)
    servers = [Ec2Server(case, "--store", cluster.url, "--ec2-webhook", f"{receiver.url}/hook", state=name, http=True,
                         env={"VPCEDNS_SOCKET": f"{name}.sock"}) for name in ("a", "b")]
    with servers[0].raw() as raw:
        vpc = make_vpc(raw, "10.0.0.0/16")
        subnet = make_subnet(raw, vpc, "10.0.0.0/20")
        service = raw.call("CreateVpcEndpointServiceConfiguration", NetworkLoadBalancerArn=[ELB],
                           AcceptanceRequired=True)["serviceConfiguration"]
        alone.notify(raw, ["Connect"], ServiceId=service["serviceId"])
    wait_for("the service at the other server", lambda: service["serviceId"] in str(servers[1].raw().all("DescribeVpcEndpointServiceConfigurations")))
    connect = lambda server: make_endpoint(server.raw(), vpc, service["serviceName"], [subnet])["vpcEndpointId"]
    for check in (once, after_an_outage, after_a_kill):
        check(case, cluster, receiver, servers, connect)


def told(receiver):
    """How often each endpoint was told of."""
    with receiver.lock:
        return Counter(json.loads(body)["VpcEndpointId"] for _, _, body in receiver.got)


def waiting(cluster):
    """Notifications in the store."""
    return len(cluster.ctl("get", "--prefix", "/vpcedns/n1/", "--keys-only").split())


def once(case, cluster, receiver, servers, connect):
    """What both servers take at one time is told once."""
    made = []
    threads = [threading.Thread(target=lambda server=server: made.extend(connect(server) for _ in range(EACH))) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for("all of them", lambda: set(made) <= told(receiver).keys(), 20)
    wait_for("the queue to be empty", lambda: waiting(cluster) == 0)
    case.equal("told", told(receiver), Counter(dict.fromkeys(made, 1)))
    wait_for("the gauge of the queue", lambda: "vpcedns_notifications_queued 0" in servers[0].get("/metrics")[1])
    case.equal("changes are followed without a gap", [server.get("/readyz")[1].count("failing") for server in servers], [0, 0])


def after_an_outage(case, cluster, receiver, servers, connect):
    """What the webhook does not take is tried again."""
    receiver.status = 503
    made = connect(servers[1])
    wait_for("it to wait", lambda: waiting(cluster) == 1)
    receiver.status = 200
    wait_for("it", lambda: made in told(receiver), 30)
    case.equal(f"{made} is told", told(receiver)[made], 1)


def after_a_kill(case, cluster, receiver, servers, connect):
    """What a server had under way when it was killed is sent by the other one."""
    receiver.delay = 3
    made = connect(servers[0])
    wait_for("it to be under way", lambda: waiting(cluster) == 1)
    time.sleep(0.5)
    for server in servers:
        server.process.kill()
        server.process.wait()
    receiver.delay = 0
    case.equal("it waits still", waiting(cluster), 1)
    servers[1] = Ec2Server(case, "--store", cluster.url, "--ec2-webhook", f"{receiver.url}/hook", state="b", http=True,
                           env={"VPCEDNS_SOCKET": "b2.sock"})
    # the webhook may have what the killed server sent: it is told again, as nobody knows that
    wait_for("the queue to be empty", lambda: waiting(cluster) == 0, 60)
    case.check(told(receiver)[made] >= 1, f"{made} is not told")

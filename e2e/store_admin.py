"""`vpcedns store`: a one-server API moves into a fleet, backups out and in, and what an operator accepts.

A server with a state of its own is imported, its token and names too. Exports are read again; what would be lost wants `--replace`;
servers see an import of many transactions at once or not at all, one that is killed half-way included. An emptied, a half emptied and
a restored store are served by nobody until they are accepted, and an old backup not by what was accepted before.
"""

import json
import signal
import subprocess
import time

from support.case import wait_for
from support.ec2 import Ec2Server, make_endpoint, make_subnet, make_vpc, names_of, tag_of, tags
from support.etcd import Cluster

MANY = 2000


def run(case):
    case.need("etcd", "etcdctl")
    alone = Alone(case)
    cluster = Cluster(case)
    store = Store(case, cluster)
    moves_in(case, store, alone)
    servers = [store.serve("a"), store.serve("b")]
    served_as_before(case, servers, alone)
    for check in (status, exports, replaces, all_at_once, killed_half_way, emptied, half_emptied, restored, backup_of_before, same_revision):
        check(case, store, servers)


class Alone:
    """A server of its own, whose state is to move."""

    def __init__(self, case):
        server = Ec2Server(case, state="alone")
        with server.raw() as raw:
            self.vpc = make_vpc(raw, "10.0.0.0/16")
            self.subnet = make_subnet(raw, self.vpc, "10.0.0.0/20")
            self.made = make_endpoint(raw, self.vpc, "ec2", [self.subnet], ClientToken="moved", TagSpecification=tags("vpc-endpoint", Name="é\"<"))
        self.name = names_of(self.made)[0][0]
        self.addresses = server.addresses(self.name)
        server.stop()


class Store:
    """The store and the command."""

    def __init__(self, case, cluster):
        self.case, self.cluster = case, cluster
        case.write("config/vpcedns.toml", f'store = "{cluster.url}"\n')

    def serve(self, name):
        """A server of the fleet."""
        return Ec2Server(self.case, "--store", self.cluster.url, state=name, http=True, env={"VPCEDNS_SOCKET": f"{name}.sock"})

    def run(self, *words, check=True):
        """The command, to which a settings file says where the store is."""
        return self.case.run(self.case.binary, "store", *words, "--config", "config/vpcedns.toml", check=check)

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))

    def objects(self):
        return self.json("status")["objects"]


def settled(servers, seconds=20):
    """All servers serve what the store has."""
    for server in servers:
        wait_for("readiness", lambda server=server: "failing" not in server.get("/readyz")[1], seconds)


def endpoints(server):
    with server.raw() as raw:
        return sorted(item["vpcEndpointId"] for item in raw.all("DescribeVpcEndpoints") if item["state"] not in ("deleting", "deleted"))


def moves_in(case, store, alone):
    state = "alone/ec2.redb"
    case.check("NOT SERVED" not in store.run("status") and "none: the first server begins" in store.run("status"), "status of nothing")
    plan = store.json("import", state, "--dry-run")
    case.equal("what would come", (plan["new"] > 3, plan["gone"], plan["tokens"], store.objects()), (True, 0, 1, 0))
    said = store.run("import", state, "--dry-run")
    case.check("comes" in said and "1 listener of VPCs: left out" in said and "nothing was changed" in said, "the plan", said)
    said = store.run("import", state)
    case.check(f"{plan['new']} objects: comes" in said and "done, in 1 transaction" in said, "the import", said)
    case.check("stays as it is" in store.run("import", state), "the import again")
    for file, words in (("missing", "is not there"), ("config/vpcedns.toml", "damaged|cannot"), ("half.jsonl", "line 1|missing")):
        if file == "half.jsonl":
            case.write(file, store.run("export").splitlines()[0] + "\n")
        done = store.run("import", file, check=False)
        case.check(done.returncode == 1 and any(word in done.stderr for word in words.split("|")), f"import of {file}", done.stderr)


def served_as_before(case, servers, alone):
    settled(servers)
    for server in servers:
        case.equal("the addresses after the move", server.addresses(alone.name), alone.addresses)
        with server.raw() as raw:
            again = make_endpoint(raw, alone.vpc, "ec2", [alone.subnet], ClientToken="moved", TagSpecification=tags("vpc-endpoint", Name="é\"<"))
            case.equal("the call with its token", again["vpcEndpointId"], alone.made["vpcEndpointId"])
            found = raw.all("DescribeVpcEndpoints")
            case.equal("its tag", tag_of(found[0], "Name"), "é\"<")


def status(case, store, servers):
    with servers[0].raw() as raw:
        make_vpc(raw, "10.1.0.0/16", hostnames=False)
    report = store.json("status")
    case.equal("members, leaders", (len(report["members"]), sum(member["leads"] for member in report["members"])), (3, 1))
    case.equal("revision of the head", report["head"]["revision"], store.cluster.revision())
    case.check(report["head"]["by"].endswith(f"/{servers[0].process.pid}"), "who wrote last", str(report["head"]))
    keys = store.cluster.ctl("get", "--prefix", "/vpcedns/v1/", "-w", "json")
    kvs = json.loads(keys)["kvs"]
    octets = sum(len(kv[part]) * 3 // 4 - kv[part].count("=") for kv in kvs for part in ("key", "value"))
    case.check(abs(octets - report["octets"]) < 400, "octets", f"{octets} by etcdctl, {report['octets']} (without head and accepted)")
    store.cluster.kill(2)
    text = store.run("status")
    case.check("all is well" not in text and "NEEDS ATTENTION" in text and "leads" in text and "writer" in text, "a member is away", text)
    store.cluster.restart(2)


def exports(case, store, servers):
    printed = store.run("export")
    store.run("export", "--to", "backup.jsonl")
    written = (case.dir / "backup.jsonl").read_text()
    case.equal("the export in a file", written, printed)
    case.equal("who may read it", oct((case.dir / "backup.jsonl").stat().st_mode & 0o777), "0o600")
    head = json.loads(written.splitlines()[0])
    case.equal("its lines", len(written.splitlines()), 1 + head["objects"] + head["tokens"])
    case.equal("a plan of what is there", store.json("import", "backup.jsonl", "--dry-run")["transactions"], 0)


def replaces(case, store, servers):
    """What would be lost is not lost without a word for it."""
    with servers[1].raw() as raw:
        vpc = make_vpc(raw, "10.2.0.0/16")
    done = store.run("import", "backup.jsonl", check=False)
    case.check(done.returncode == 1 and "--replace" in done.stderr, "an import that loses objects", done.stderr)
    vpcs = lambda server: {item["vpcId"] for item in server.raw().all("DescribeVpcs")}
    wait_for("the VPC", lambda: vpc in vpcs(servers[0]))
    store.run("import", "backup.jsonl", "--replace")
    for server in servers:
        wait_for("the backup everywhere", lambda server=server: vpc not in vpcs(server))
    settled(servers)


def many(case, store):
    """A file with many more endpoints than there are."""
    lines = (case.dir / "backup.jsonl").read_text().splitlines()
    endpoint = next(json.loads(line) for line in lines if '"kind":"endpoint"' in line)
    taken = {interface["ipv4"] for interface in endpoint["interfaces"]}
    free = (address for at in range(MANY + 1) if (address := f"10.0.{1 + at // 200}.{10 + at % 200}") not in taken)
    groups = []
    for number, address in zip(range(MANY), free, strict=False):
        new = json.loads(json.dumps(endpoint))
        new["id"] = f"vpce-0{number:016x}"
        new["private_dns_enabled"] = False
        for interface in new["interfaces"]:
            interface["id"], interface["ipv4"] = f"eni-0{number:016x}", address
        groups.append(json.dumps(new))
    case.write("many.jsonl", "\n".join([*lines[1:], *groups]) + "\n")


def all_at_once(case, store, servers):
    many(case, store)
    before, seen = endpoints(servers[0]), set()
    process = subprocess.Popen([str(case.binary), "store", "import", "many.jsonl", "--config", "config/vpcedns.toml"], cwd=case.dir,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None:
        seen |= {len(endpoints(server)) for server in servers}
    case.equal("exit of the import", process.wait(), 0, process.stdout.read().decode())
    for server in servers:
        wait_for("all of it", lambda server=server: len(endpoints(server)) == len(before) + MANY)
        seen |= {len(endpoints(server))}
    case.check(seen <= {len(before), len(before) + MANY}, "a part of an import is served", str(seen))
    settled(servers)


def killed_half_way(case, store, servers):
    """An import that is killed leaves the last good state, says so, and is made again."""
    whole, begin = len(endpoints(servers[0])), time.monotonic()
    store.run("import", "backup.jsonl", "--replace")
    took = time.monotonic() - begin
    for number in range(1, 25):
        store.run("import", "many.jsonl", "--replace")
        for server in servers:
            wait_for("all of it", lambda server=server: len(endpoints(server)) == whole)
        process = subprocess.Popen([str(case.binary), "store", "import", "backup.jsonl", "--replace", "--config", "config/vpcedns.toml"],
                                   cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # from its end on backwards, as it writes last
        time.sleep(took * (1 - number / 30))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if store.cluster.is_partial():
            break
    case.check("left half filled" in store.run("status"), "status of a half filled store", store.run("status"))
    for server in servers:
        wait_for("readiness to say so", lambda server=server: "half filled" in server.get("/readyz")[1])
        case.equal("endpoints meanwhile", len(endpoints(server)), whole)
        error = server.raw().error("CreateVpc", CidrBlock="10.9.0.0/16")
        case.equal("a call meanwhile", error and error.code, "Unavailable")
    store.run("import", "backup.jsonl", "--replace")
    for server in servers:
        wait_for("the rest", lambda server=server: len(endpoints(server)) == 1)
    settled(servers)


def refused(case, servers, said):
    """All servers say why they keep their last good state, and what to do."""
    for server in servers:
        wait_for(f"readiness to say '{said}'", lambda server=server: said in server.get("/readyz")[1])
        case.check("store accept" in server.get("/readyz")[1], "the way out", server.get("/readyz")[1])
        error = server.raw().error("CreateVpc", CidrBlock="10.9.0.0/16")
        case.equal(f"a call while '{said}'", error and (error.status, error.code), (503, "Unavailable"))


def accepted(case, store, servers, wanted):
    """What is there is served by all once it is accepted, and calls work."""
    case.check("nothing was changed" in store.run("accept", "--dry-run"), "what would be accepted")
    store.run("accept")
    settled(servers)
    for server in servers:
        case.equal("endpoints once accepted", len(endpoints(server)), wanted)
    with servers[0].raw() as raw:
        vpc = make_vpc(raw, "10.7.0.0/16", hostnames=False)
    wait_for("a call to be seen", lambda: vpc in {item["vpcId"] for item in servers[1].raw().all("DescribeVpcs")})


def emptied(case, store, servers):
    store.cluster.snapshot("before.db")
    store.cluster.ctl("del", "--prefix", "/vpcedns/")
    refused(case, servers, "emptied")
    # one that was away meanwhile does the same
    servers[1].stop()
    store.run("accept")
    servers[1] = store.serve("b")
    settled(servers)
    for server in servers:
        case.equal("endpoints of an emptied store", endpoints(server), [])
    store.run("import", "backup.jsonl")
    for server in servers:
        wait_for("the backup", lambda server=server: len(endpoints(server)) == 1)


def half_emptied(case, store, servers):
    keys = [key for key in store.cluster.ctl("get", "--prefix", "/vpcedns/v1/o/", "--keys-only").split() if "/vpce-" in key]
    for key in keys:
        store.cluster.ctl("del", key)
    refused(case, servers, "where its head says")
    case.check("NOT SERVED" in store.run("status"), "status of a half emptied store")
    for server in servers:
        case.equal("endpoints of the last good state", len(endpoints(server)), 1)
    accepted(case, store, servers, 0)


def restored(case, store, servers):
    store.cluster.snapshot("accepted.db")
    store.run("import", "backup.jsonl", "--replace")
    for server in servers:
        wait_for("the backup", lambda server=server: len(endpoints(server)) == 1)
    store.cluster.restore("accepted.db")
    refused(case, servers, "went back")
    accepted(case, store, servers, 0)


def backup_of_before(case, store, servers):
    """A backup from before something was accepted is not taken over because of what was accepted in it."""
    store.cluster.restore("before.db")
    refused(case, servers, "another set of objects")
    accepted(case, store, servers, 1)


def same_revision(case, store, servers):
    """A store that comes to the revision that a server has by another way is not taken for what the server has."""
    store.cluster.snapshot("same.db")
    with servers[0].raw() as raw:
        make_vpc(raw, "10.8.0.0/16", hostnames=False)
    wait_for("both to have it", lambda: len({len(server.raw().all("DescribeVpcs")) for server in servers}) == 1)
    revision = store.cluster.revision()
    for server in servers:
        server.process.send_signal(signal.SIGSTOP)
    store.cluster.restore("same.db")
    store.run("accept")
    case.equal("the revision of another way", store.cluster.revision(), revision)
    for server in servers:
        server.process.send_signal(signal.SIGCONT)
    for server in servers:
        # refused, or worked out on top of what is there
        server.raw().error("CreateVpc", CidrBlock="10.9.0.0/16")
    settled(servers)
    case.equal("what is wrong", store.json("status")["trouble"], None)
    case.equal("VPCs on both", len({tuple(sorted(item["vpcId"] for item in server.raw().all("DescribeVpcs"))) for server in servers}), 1)

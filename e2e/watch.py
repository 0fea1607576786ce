"""Changes are seen where the watch would go blind: swapped links, targets of links, lost events, no watches left."""

import os
import signal
import subprocess
import time

from support import zones as z
from support.case import clean_env, wait_for
from support.server import Server

VPC, SUBNET = "vpc-0000000a", "subnet-000000a0"
NAME = f"vpce-00000000000000001-00000000.sqs.{z.SUFFIX}"
# what is told is served at once, and what is not within a few looks
AT_ONCE, LATE = 1.0, 14.0
# events that the system keeps for a reader (fs.inotify.max_queued_events), and some more
EVENTS = 40_000


def run(case):
    for scenario in (swapped_directory, swapped_parent, target_of_a_file, chain_of_links, later_directory,
                     replaced_directory, overflow, hard_link, no_watches, no_instances):
        try:
            scenario(case, case.dir / scenario.__name__)
        except Exception as error:  # whatever it is, it is this scenario's failure
            case.check(False, f"{scenario.__name__} stopped: {type(error).__name__}: {error}")


def text(step):
    return (z.vpc(VPC, "127.16.0.0/16") + z.subnet(SUBNET, VPC, "a", "127.16.0.0/16")
            + z.endpoint("vpce-00000000000000001", VPC, "sqs", "00000000", [(SUBNET, f"127.16.{step}.10")],
                         private_dns_enabled=False))


def write(path, step):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text(step))
    temporary.rename(path)


def version(server):
    found = [record.rdata for record in server.ask(NAME).answer if record.type == 1]
    return found[0][2] if found else None


def seen(case, server, step, what, seconds=AT_ONCE):
    begin = time.monotonic()
    wait_for(f"{what}: version {step}", lambda: version(server) == step, seconds)
    case.checks += 1
    return time.monotonic() - begin


def swap(link, target):
    """Another link renamed over it, as `ln -sfn` and deployments do."""
    fresh = link.with_name(link.name + ".new")
    fresh.symlink_to(target)
    fresh.rename(link)


def metric(server, name):
    for line in server.get("/metrics")[1].splitlines():
        if line.startswith(f'vpcedns_{name}{{source="files"}}'):
            return float(line.split()[-1])
    return None


def swapped_directory(case, base):
    write(base / "releases/1/a.toml", 1)
    write(base / "releases/2/a.toml", 2)
    (base / "current").symlink_to("releases/1")
    server = Server(case, zones=base / "current", http=True)
    for step in (2, 3, 4):
        write(base / f"releases/{step}/a.toml", step)
        swap(base / "current", f"releases/{step}")
        seen(case, server, step, "a link to a directory, swapped")
        write(base / f"releases/{step}/a.toml", step + 100)
        seen(case, server, step + 100, "a file in the new directory")
    case.equal("changes found late", metric(server, "source_found_late_total"), 0)


def swapped_parent(case, base):
    """The link is above the directory: /srv/app/current/zones."""
    write(base / "releases/1/zones/a.toml", 1)
    (base / "current").symlink_to("releases/1")
    server = Server(case, zones=base / "current/zones", http=True)
    write(base / "releases/2/zones/a.toml", 2)
    swap(base / "current", "releases/2")
    seen(case, server, 2, "a link above the directory, swapped")


def in_two_pieces(case, server, path, number, what):
    """Writes over a file in two pieces, between which the version before has to be served."""
    with open(path, "w") as half:
        half.write(text(number)[:200])
        half.flush()
        time.sleep(0.6)
        case.equal(f"{what}: half of it", version(server), number - 1)
        half.write(text(number)[200:])
    seen(case, server, number, what)


def target_of_a_file(case, base):
    write(base / "elsewhere/data", 1)
    (base / "zones").mkdir()
    (base / "zones/a.toml").symlink_to("../elsewhere/data")
    server = Server(case, zones=base / "zones", http=True)
    write(base / "elsewhere/data", 2)
    seen(case, server, 2, "a target that another file takes the name of")
    (base / "elsewhere/data").write_text(text(3))
    seen(case, server, 3, "a target that is written over")
    in_two_pieces(case, server, base / "elsewhere/data", 4, "a target that is written in pieces")
    write(base / "elsewhere/other", 5)
    swap(base / "zones/a.toml", "../elsewhere/other")
    seen(case, server, 5, "another target")
    case.equal("changes found late", metric(server, "source_found_late_total"), 0)


def chain_of_links(case, base):
    write(base / "c/1/a.toml", 1)
    write(base / "c/2/a.toml", 2)
    (base / "b").mkdir()
    (base / "b/current").symlink_to("../c/1")
    (base / "zones").mkdir()
    (base / "zones/a.toml").symlink_to("../b/current/a.toml")
    server = Server(case, zones=base / "zones", http=True)
    swap(base / "b/current", "../c/2")
    seen(case, server, 2, "a link in the middle")
    case.equal("changes found late", metric(server, "source_found_late_total"), 0)


def later_directory(case, base):
    """A directory that goes, and is made anew file by file; one below it, deep, in one go."""
    write(base / "zones/a.toml", 1)
    server = Server(case, zones=base / "zones", http=True)
    (base / "zones").rename(base / "away")
    wait_for("readiness to say that it has gone", lambda: server.get("/readyz")[0] == 503, LATE)
    case.equal("answers without the directory", version(server), 1)
    write(base / "zones/deep/er/est/a.toml", 2)
    seen(case, server, 2, "a directory made anew")
    write(base / "zones/deep/er/est/a.toml", 3)
    seen(case, server, 3, "a file deep in it")


def replaced_directory(case, base):
    write(base / "zones/a.toml", 1)
    write(base / "next/a.toml", 2)
    server = Server(case, zones=base / "zones", http=True)
    (base / "zones").rename(base / "old")
    (base / "next").rename(base / "zones")
    seen(case, server, 2, "a directory in the place of another")
    write(base / "zones/a.toml", 3)
    seen(case, server, 3, "a file in it")
    write(base / "old/a.toml", 9)
    time.sleep(0.3)
    case.equal("after a change of the old directory", version(server), 3)


def overflow(case, base):
    """More events than the system keeps while the server stands still, and the directory is replaced meanwhile."""
    write(base / "zones/a.toml", 1)
    write(base / "next/a.toml", 2)
    server = Server(case, zones=base / "zones", http=True)
    server.process.send_signal(signal.SIGSTOP)
    try:
        most = int(open("/proc/sys/fs/inotify/max_queued_events").read())
        zones = base / "zones"
        for n in range(min(most // 2 + 1000, EVENTS)):
            name = zones / f".noise{n}"
            name.touch()
            name.unlink()
        zones.rename(base / "old")
        (base / "next").rename(zones)
    finally:
        server.process.send_signal(signal.SIGCONT)
    seen(case, server, 2, "after lost events", 3.0)
    write(base / "zones/a.toml", 3)
    seen(case, server, 3, "a file in the new directory")
    in_two_pieces(case, server, base / "zones/a.toml", 4, "a file in pieces after lost events")


def hard_link(case, base):
    """Written to through a name in a directory that nobody watches: found by looking."""
    write(base / "zones/a.toml", 1)
    (base / "elsewhere").mkdir()
    os.link(base / "zones/a.toml", base / "elsewhere/b")
    server = Server(case, zones=base / "zones", http=True)
    time.sleep(0.5)
    with open(base / "elsewhere/b", "r+") as file:
        file.write(text(2))
        file.truncate()
    took = seen(case, server, 2, "a hard link", LATE)
    case.note(f"a change that nobody told of is served after {took:.1f} s")
    case.check(metric(server, "source_found_late_total") >= 1, "the metric does not count it")


def limited(case, base, limit, value):
    """A server in a user namespace of its own, in which a limit of inotify is lowered."""
    write(base / "zones/a.toml", 1)
    write(base / "zones/sub/b.toml", 1)
    (base / "zones/sub/b.toml").write_text("")
    wrapper = case.write(f"{base.name}/wrapper.sh", f"""#!/bin/sh
exec unshare --user --map-root-user sh -c 'echo {value} > /proc/sys/user/{limit} && exec "$0" "$@"' {case.binary} "$@"
""")
    wrapper.chmod(0o755)
    usable = subprocess.run(["unshare", "--user", "--map-root-user", "sh", "-c",
                             f"echo {value} > /proc/sys/user/{limit}"], env=clean_env(), check=False,
                            stderr=subprocess.DEVNULL)
    if usable.returncode:
        case.note(f"SKIPPED {base.name}: no user namespace")
        return None
    binary, case.binary = case.binary, wrapper
    try:
        return Server(case, zones=base / "zones", http=True)
    finally:
        case.binary = binary


def no_watches(case, base):
    server = limited(case, base, "max_inotify_watches", 1)
    if not server:
        return
    blind(case, server, base, "no inotify watches are left")


def no_instances(case, base):
    server = limited(case, base, "max_inotify_instances", 0)
    if not server:
        return
    blind(case, server, base, "no inotify instances or descriptors are left")


def blind(case, server, base, why):
    status, body = server.get("/readyz")
    case.check(status == 200 and why in body and "found late" in body, f"readiness does not say that {why}", body)
    case.equal("the metric of changes that are told", metric(server, "source_told"), 0)
    case.check(why in server.log_text(), "the log does not say it", server.log_text())
    for step in (2, 3):
        write(base / "zones/a.toml", step)
        took = seen(case, server, step, f"{why}: a rename", LATE)
        case.note(f"{why}: a rename is served after {took:.1f} s")
    # half a file, unchanged over two looks only when it is whole
    with open(base / "zones/a.toml", "w") as half:
        for at in range(0, len(text(4)), 60):
            half.write(text(4)[at:at + 60])
            half.flush()
            time.sleep(0.9)
            case.equal(f"{why}: while a file grows", version(server), 3)
    seen(case, server, 4, f"{why}: the whole of it", LATE)
    server.process.send_signal(signal.SIGHUP)
    case.check(server.alive(), "it ended")

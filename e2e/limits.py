"""A load goes on with fewer threads; one that would not fit in the memory allowed is refused before it begins, and none aborts."""

import os
import shutil
import subprocess
import time

from support import dns
from support import zones as z
from support.case import Skip, clean_env, stop, wait_for
from support.server import Server, free_port

VPC, SUBNET = "vpc-0000000a", "subnet-000000a0"
NOBODY = "65534"


def run(case):
    case.need("prlimit", "setpriv")
    if os.geteuid() != 0:
        raise Skip("running as a user of one's own needs root")
    case.write("zones/network.toml", z.vpc(VPC, "127.16.0.0/16") + z.subnet(SUBNET, VPC, "a", "127.16.0.0/16"))
    os.chmod(case.dir, 0o755)
    shutil.copy(case.binary, case.dir / "vpcedns")
    (case.dir / "sockets").mkdir()
    os.chmod(case.dir / "sockets", 0o777)
    no_threads_at_a_reload(case)
    no_threads_at_the_start(case)
    too_large_at_a_reload(case)
    too_large_for_its_control_group(case)
    little_address_space(case)


def wrapped(case, name, *words):
    """A server that is started through another program."""
    wrapper = case.write(name, "#!/bin/sh\nexec " + " ".join(map(str, words)) + f' {case.dir}/vpcedns "$@"\n')
    wrapper.chmod(0o755)
    binary, case.binary = case.binary, wrapper
    try:
        return Server(case, "--socket", "sockets/s.sock", zones="zones", http=True)
    finally:
        case.binary = binary


def endpoint(n, step):
    return z.endpoint(f"vpce-{n:017x}", VPC, "sqs", f"{n:08}", [(SUBNET, f"127.16.{step}.{n}")], private_dns_enabled=False)


def version(server, n):
    found = [record.rdata for record in server.ask(f"vpce-{n:017x}-{n:08}.sqs.{z.SUFFIX}").answer if record.type == 1]
    return found[0][2] if found else None


def no_threads_at_a_reload(case):
    server = wrapped(case, "user.sh", "setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups")
    for n in range(1, 9):
        case.write(f"zones/{n}.toml", endpoint(n, 1))
    wait_for("eight files to be served", lambda: version(server, 8) == 1)
    case.run("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "prlimit", "--pid", server.process.pid,
             "--nproc=1:1")
    for step in (2, 3):
        for n in range(1, 9):
            case.write(f"zones/{n}.toml", endpoint(n, step))
        wait_for("eight changed files, without new threads", lambda: all(version(server, n) == step for n in range(1, 9)), 5)
    case.equal("readiness without threads", server.get("/readyz")[0], 200)
    case.check(server.alive(), "it ended")
    server.stop()


def no_threads_at_the_start(case):
    done = subprocess.run(["prlimit", "--nproc=1:1", "setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups",
                           case.dir / "vpcedns", "serve", "--listen", "127.0.0.1:0", "--forward", "none", "--zones", "zones",
                           "--socket", "sockets/t.sock"],
                          cwd=case.dir, env={**clean_env(), "RUST_BACKTRACE": "1"}, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, timeout=20)
    case.equal("exit code of a start without threads", done.returncode, 1, done.stdout)
    case.check("cannot start" in done.stdout and "stack backtrace" not in done.stdout, "its message", done.stdout)


def large(case, name, megabytes):
    """A file of endpoints."""
    one = endpoint(1, 1)
    count = megabytes * (1 << 20) // (len(one) + 8)
    text = "".join(z.endpoint(f"vpce-{n + 4096:017x}", VPC, "sqs", f"{n:08}",
                              [(SUBNET, f"127.16.{100 + (n >> 8) % 100}.{n & 255}")], private_dns_enabled=False)
                   for n in range(min(count, 25_000)))
    case.write(name, text + "# a comment\n" * max(0, (megabytes * (1 << 20) - len(text)) // 12))


def too_large_at_a_reload(case):
    """RLIMIT_AS leaves less than the files need: an error with the figures, and what was served stays."""
    server = wrapped(case, "plain.sh", "env")
    size = int([line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmSize")][0].split()[1])
    case.run("prlimit", "--pid", server.process.pid, f"--as={(size << 10) + (500 << 20)}")
    large(case, "zones/large.toml", 40)
    wait_for("the load to be refused", lambda: "MiB are left of its address space" in server.get("/readyz")[1], 20)
    case.equal("answers after a load that was refused", version(server, 1), 3)
    (case.dir / "zones/large.toml").unlink()
    wait_for("readiness", lambda: server.get("/readyz")[0] == 200, 10)
    case.write("zones/1.toml", endpoint(1, 4))
    wait_for("a small change", lambda: version(server, 1) == 4)
    case.check(server.alive(), "it ended")
    server.stop()


def little_address_space(case):
    """Under RLIMIT_AS of several sizes, with more and more endpoints: each start and each reload is done or refused in words.

    The program and its threads take an address space of their own, whatever is loaded: the steps are above that.
    """
    for name in ("zones/1.toml", "zones/large.toml"):
        (case.dir / name).unlink(missing_ok=True)
    case.write("zones/1.toml", endpoint(1, 1))
    least = smallest_start(case)
    case.note(f"starts with an address space of {least} MiB")
    outcomes = []
    for spare in (4, 16, 48, 160):
        server = wrapped(case, "bounded.sh", "prlimit", f"--as={(least + spare) << 20}")
        served = version(server, 1)
        for kib in (64, 256, 1024, 4096, 12288):
            step = 5 if served == 4 else 4
            small(case, "zones/large.toml", kib)
            case.write("zones/1.toml", endpoint(1, step))
            refused = lambda: "are left of its address space" in server.get("/readyz")[1]
            wait_for(f"{kib} KiB with {spare} MiB to spare, done or refused",
                     lambda: not server.alive() or refused() or version(server, 1) == step, 30)
            case.check(server.alive(), f"it ended at {kib} KiB with {spare} MiB to spare", server.process.poll())
            served = step if version(server, 1) == step else served
            case.equal(f"what is served after {kib} KiB with {spare} MiB to spare", version(server, 1), served)
            outcomes.append("done" if served == step else "refused")
        (case.dir / "zones/large.toml").unlink()
        wait_for("readiness without the large file", lambda: server.get("/readyz")[0] == 200, 20)
        server.stop()
    case.note(f"loads under a bounded address space: {' '.join(outcomes)}")
    # the bounds are such that both occur
    case.check({"done", "refused"} <= set(outcomes), "all loads had one outcome", outcomes)


def smallest_start(case):
    """The least address space, in MiB, with which the server starts; with less it ends at once."""
    for least in range(32, 512, 4):
        port = free_port()
        process = case.start("prlimit", f"--as={least << 20}", case.dir / "vpcedns", "serve", "--listen", f"127.0.0.1:{port}",
                             "--forward", "none", "--zones", "zones", "--socket", "sockets/t.sock", log="least.log")
        # without a thread for it there is no ready line
        wait_for(f"a start with {least} MiB to end, well or not", lambda: process.poll() is not None or answers(port), 15)
        if process.poll() is None:
            stop(process)
            return least
    raise AssertionError("it starts with no address space")


def answers(port):
    try:
        dns.exchange_udp(("127.0.0.1", port), dns.question(1, "ready.invalid", "A"), timeout=0.2, tries=1)
        return True
    except (TimeoutError, OSError):
        return False


def small(case, name, kib):
    """A file of endpoints of about so many KiB, whose addresses no other file has."""
    one = len(z.endpoint(f"vpce-{1:017x}", VPC, "sqs", f"{1:08}", [(SUBNET, "127.16.1.1")], private_dns_enabled=False))
    count = (kib << 10) // one
    case.write(name, "".join(
        z.endpoint(f"vpce-{n + 4096:017x}", VPC, "sqs", f"{n:08}", [(SUBNET, f"127.16.{16 + (n >> 8)}.{n & 255}")],
                   private_dns_enabled=False) for n in range(256, 256 + count)))


def too_large_for_its_control_group(case):
    """The same by the memory of a control group, at the start: nothing is killed, and the message says it."""
    group = make_group()
    if group is None:
        case.note("SKIPPED control group: none can be made here")
        return
    case.finally_do(lambda: os.rmdir(group))
    large(case, "zones/large.toml", 60)
    done = subprocess.run(["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$0" "$@"', case.dir / "vpcedns", "serve",
                           "--listen", "127.0.0.1:0", "--forward", "none", "--zones", "zones",
                           "--socket", "sockets/t.sock"],
                          cwd=case.dir, env=clean_env(), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, stdin=subprocess.DEVNULL, timeout=60)
    case.equal("exit code in a control group of 256 MiB", done.returncode, 1, done.stdout)
    case.check("are left of the memory of its control group" in done.stdout, "its message", done.stdout)
    (case.dir / "zones/large.toml").unlink()
    time.sleep(0.1)


def make_group():
    """A control group with 256 MiB of memory, or None."""
    for base, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        group = f"{base}/vpcedns-e2e-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        # where nothing is mounted, a directory is only that
        if os.path.exists(f"{group}/{limit}"):
            try:
                with open(f"{group}/{limit}", "w") as file:
                    file.write(str(256 << 20))
                return group
            except OSError:
                pass
        os.rmdir(group)
    return None

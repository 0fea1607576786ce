"""Where the processes of a fleet run: all on loopback, or each in a network namespace of its own that can be cut off.

    e0 e1 e2   members of etcd   \\
    a b f      servers            >  one bridge, in the namespace `hub`, where the test asks from
"""

import contextlib
import ctypes
import os
import subprocess

from ..case import Skip, clean_env

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Loopback:
    """Everything on 127.0.0.1: nothing can be cut off."""

    hosts = ()

    def address(self, _host):
        """The address of a host."""
        return "127.0.0.1"

    def inside(self, _host):
        """What this thread opens and starts is there."""
        return contextlib.nullcontext()


class Namespaces:
    """A namespace for each host, named after this process so that two runs do not meet."""

    def __init__(self, case, hosts):
        case.need("ip", "unshare")
        if os.geteuid() != 0:
            raise Skip("network namespaces need root")
        if subprocess.run(["unshare", "-n", "true"], env=clean_env(), check=False, stderr=subprocess.DEVNULL).returncode:
            raise Skip("this machine does not let its root make namespaces")
        self.case, self.hosts, self.tag = case, tuple(hosts), f"vpcfleet{os.getpid()}"
        for name in ("hub", *hosts):
            self._ip("netns", "add", self._name(name))
            case.finally_do(lambda name=name: self._delete(name))
            self.run(name, "link", "set", "lo", "up")
        self.run("hub", "link", "add", "br0", "type", "bridge")
        self.run("hub", "address", "add", "10.77.0.1/24", "dev", "br0")
        self.run("hub", "link", "set", "br0", "up")
        for name in hosts:
            self._ip("link", "add", "eth0", "netns", self._name(name), "type", "veth",
                     "peer", f"to-{name}", "netns", self._name("hub"))
            self.run("hub", "link", "set", f"to-{name}", "master", "br0", "up")
            self.run(name, "address", "add", f"{self.address(name)}/24", "dev", "eth0")
            self.run(name, "link", "set", "eth0", "up")

    def address(self, host):
        """The address of a host."""
        return f"10.77.0.{10 + self.hosts.index(host)}"

    def run(self, host, *words):
        """`ip` on a host."""
        return self.case.run("ip", "-n", self._name(host), *words)

    @contextlib.contextmanager
    def inside(self, host):
        """What this thread opens and starts is there; sockets stay where they were opened."""
        with open("/proc/thread-self/ns/net", encoding="ascii") as home:
            with open(f"/run/netns/{self._name(host)}", encoding="ascii") as there:
                enter(there)
            try:
                yield
            finally:
                enter(home)

    def cut(self, host):
        """Cuts a host off from all others."""
        self.run("hub", "link", "set", f"to-{host}", "down")

    def mend(self, host):
        """Undoes `cut`."""
        self.run("hub", "link", "set", f"to-{host}", "up")

    def forget(self, host, other):
        """Packets of a host to another one are lost, silently; those to all others are not."""
        self.run(host, "route", "add", "blackhole", f"{self.address(other)}/32")

    def remember(self, host, other):
        """Undoes `forget`."""
        self.run(host, "route", "delete", "blackhole", f"{self.address(other)}/32")

    def _name(self, host):
        return f"{self.tag}-{host}"

    def _ip(self, *words):
        self.case.run("ip", *words)

    def _delete(self, host):
        subprocess.run(["ip", "netns", "delete", self._name(host)], env=clean_env(), check=False)


def enter(namespace):
    """Puts this thread into a network namespace."""
    if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")

"""The Debian package in a fresh Debian: it installs, serves, upgrades, is removed and purged; with systemd, where Docker runs it.

Makes the fresh Debian by debootstrap, which takes a minute; `e2e/run --full package`, or CI, does it. The pages and the list of
files are looked at in any case.
"""

import os
import subprocess
import time

from support import dns
from support.case import ROOT, Skip, clean_env, find_tool, stop, wait_for

SERVER = ("127.0.0.1", 5300)


def run(case):
    case.need("dpkg-deb")
    old, new = (build(case, version) for version in ("0.1.0~before", "0.1.0"))
    contents(case, new)
    if os.environ.get("E2E_FULL") != "1" and os.environ.get("CI") != "true":
        raise Skip("the fresh Debian is for --full")
    if find_tool("debootstrap") is None or os.geteuid() != 0:
        raise Skip("not installed, or not root: debootstrap")
    root = case.dir / "root"
    done = case.run("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus", "bookworm", root, check=False, timeout=400)
    if done.returncode != 0:
        raise Skip(f"debootstrap: {done.stdout[-200:]}{done.stderr[-200:]}")
    lifetime(case, root, old, new)


def build(case, version):
    """A package of the program under test."""
    # `cargo run` of the pages may have to compile them
    done = case.run(ROOT / "deploy/deb/build", "--binary", case.binary, "--version", version, "--output", case.dir, timeout=800,
                    env=os.environ | {"LC_ALL": "C.UTF-8"})
    return done.strip()


def contents(case, package):
    files = {line.split(None, 5)[5]: line for line in case.run("dpkg-deb", "--contents", package).splitlines()}
    case.run(ROOT / "deploy/sbom", "--check")
    for name in ("usr/bin/vpcedns", "usr/share/doc/vpcedns/sbom.cdx.json", "usr/lib/systemd/system/vpcedns.service", "usr/lib/systemd/system/vpcedns.socket",
                 "etc/vpcedns/vpcedns.toml", "usr/share/man/man1/vpcedns.1.gz", "usr/share/man/man1/vpcedns-serve.1.gz",
                 "usr/share/bash-completion/completions/vpcedns"):
        case.check(f"./{name}" in files, f"{name} is not in the package", "\n".join(files))
    strangers = [line for line in files.values() if " root/root " not in line]
    case.equal("files of others than root", strangers, [])
    case.run("dpkg-deb", "--raw-extract", package, case.dir / "raw")
    case.run(case.binary, "config", "--check", case.dir / "raw/etc/vpcedns/vpcedns.toml")
    if find_tool("man"):
        page = case.run("man", "--warnings", "-l", case.dir / "raw/usr/share/man/man1/vpcedns-serve.1.gz", env=clean_env() | {"MANWIDTH": "100"})
        case.check("--lameduck" in page or "--zones" in page, "the page of serve", page[:400])
    completions = case.dir / "raw/usr/share/bash-completion/completions/vpcedns"
    case.run("bash", "-n", completions)


class Debian:
    """A fresh Debian below a directory."""

    def __init__(self, case, root):
        self.case, self.root = case, root

    def run(self, *command, check=True):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return self.case.run("chroot", self.root, *command, env=env, check=check, timeout=120)

    def install(self, package):
        target = self.root / "tmp" / "vpcedns.deb"
        target.write_bytes(open(package, "rb").read())
        self.run("dpkg", "-i", "/tmp/vpcedns.deb")


def lifetime(case, root, old, new):
    debian = Debian(case, root)
    debian.install(old)
    case.check(debian.run("getent", "passwd", "vpcedns").startswith("vpcedns:x:"), "there is no user")
    enabled = root / "etc/systemd/system/multi-user.target.wants/vpcedns.service"
    case.check(enabled.is_symlink(), "the service is not enabled")
    case.equal("version", debian.run("vpcedns", "--version").strip(), case.run(case.binary, "--version").strip())
    serves(case, debian)
    # an administrator's change outlives an upgrade
    settings = root / "etc/vpcedns/vpcedns.toml"
    settings.write_text(settings.read_text() + "# ours\n")
    debian.install(new)
    case.check("# ours" in settings.read_text(), "an upgrade has changed the settings")
    case.equal("version after the upgrade", debian.run("dpkg-query", "-W", "-f", "${Version}", "vpcedns"), "0.1.0")
    serves(case, debian)
    zone = root / "etc/vpcedns/zones/mine.toml"
    zone.write_text('[[vpc]]\nvpc_id = "vpc-0000000a"\nregion = "us-east-1"\ncidr_blocks = ["127.0.0.0/8"]\n')
    debian.run("dpkg", "--remove", "vpcedns")
    case.check(settings.exists() and zone.exists(), "removing it has removed settings or zones")
    case.check(not (root / "usr/bin/vpcedns").exists(), "the program is still there")
    debian.run("dpkg", "--purge", "vpcedns")
    case.check(not settings.exists() and zone.exists(), "purging: the settings go, an administrator's zones stay")
    case.check(debian.run("getent", "passwd", "vpcedns", check=False).returncode != 0, "the user is still there")
    left = [path for path in (root / "usr/share/doc/vpcedns", root / "var/lib/vpcedns", enabled) if path.exists() or path.is_symlink()]
    case.equal("left behind", left, [])


def serves(case, debian):
    """The command of the unit, as the unit's user, answers."""
    unit = (debian.root / "usr/lib/systemd/system/vpcedns.service").read_text()
    command = next(line.removeprefix("ExecStart=").split() for line in unit.splitlines() if line.startswith("ExecStart="))
    for directory in ("run/vpcedns", "var/lib/vpcedns"):
        (debian.root / directory).mkdir(exist_ok=True)
        debian.run("chown", "vpcedns:", f"/{directory}")
    user = debian.run("id", "-u", "vpcedns").strip()
    with open(case.dir / "serve.log", "ab") as log:
        server = subprocess.Popen(["chroot", f"--userspec={user}:{user}", debian.root, *command, "--forward", "none"], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=subprocess.STDOUT, env=clean_env())
    try:
        def answers():
            try:
                return dns.ask(SERVER, "localhost", "A").rcode == "NOERROR"
            except (TimeoutError, OSError):
                return False

        wait_for("the packaged server to answer", answers, 20)
        checked = debian.run("vpcedns", "check", "--config", "/etc/vpcedns/vpcedns.toml")
        case.check(checked.startswith("good: "), "check", checked)
        status = debian.run("vpcedns", "status", "--socket", "/run/vpcedns/control.sock")
        case.check("generation" in status, "status", status)
    finally:
        case.equal("exit code", stop(server), 0)
    time.sleep(0.1)

"""Container images out of what is installed on this machine, so that a test needs no image registry."""

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

from .case import Failure, Skip, clean_env, find_tool

# what a C program is linked with, and the shell tools that the Dockerfile's RUN line uses
BUILD_PACKAGES = ["gcc", "libc6-dev", "dash", "coreutils", "sed"]


class Rootfs:
    """A root file system on its way into `docker import`."""

    def __init__(self):
        self.files, self.made = {}, {}

    def add(self, source, target=None):
        """A file, link or whole directory of this machine, at `target` or where it is."""
        source = Path(source)
        if source.is_dir() and not source.is_symlink():
            for base, directories, names in os.walk(source):
                for name in names + [d for d in directories if Path(base, d).is_symlink()]:
                    path = Path(base, name)
                    self.files[str(Path(target or source) / path.relative_to(source))] = path
        else:
            self.files[str(target or source)] = source

    def program(self, path):
        """A program and the shared libraries that it loads."""
        self.add(path)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            self.add(os.path.realpath(library), library)

    def packages(self, names):
        """The files of these Debian packages and of all that they depend on."""
        closure = output("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
                         "--no-breaks", "--no-replaces", "--no-enhances", "--installed", *names)
        wanted = sorted({line for line in closure.splitlines() if re.match(r"[a-z0-9]", line)})
        for path in output("dpkg", "--listfiles", *wanted).splitlines():
            real = Path(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            if os.path.lexists(real) and (real.is_symlink() or not real.is_dir()) and "/share/" not in str(real):
                self.files[str(real)] = real

    def text(self, target, content, mode=0o644):
        """A file with this content."""
        self.made[target] = (content.encode(), mode)

    def link(self, target, to):
        """A symbolic link."""
        self.made[target] = (to, None)

    def image(self, case, name, *changes):
        """Imports it as an image of this name, which goes when the test ends."""
        words = [word for change in changes for word in ("--change", change)]
        with subprocess.Popen(["docker", "import", *words, "-", name], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean_env()) as docker:
            case.finally_do(lambda: remove_image(name))
            try:
                self._write(docker.stdin)
                docker.stdin.close()
            except BrokenPipeError:
                pass  # docker gave up; its own words say why
            fault = docker.stderr.read().decode()
            if docker.wait():
                raise Failure(f"docker import {name}: {fault}")

    def _write(self, stream):
        with tarfile.open(fileobj=stream, mode="w|", bufsize=1 << 20) as tar:
            for target, (content, mode) in self.made.items():
                entry = tarfile.TarInfo(target.lstrip("/"))
                if mode is None:
                    entry.type, entry.linkname = tarfile.SYMTYPE, content
                    tar.addfile(entry)
                else:
                    entry.size, entry.mode = len(content), mode
                    tar.addfile(entry, io.BytesIO(content))
            for target in sorted(self.files.keys() - self.made.keys()):
                tar.add(self.files[target], target.lstrip("/"), recursive=False)


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, env=clean_env()).stdout


def remove_image(name):
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False, env=clean_env())


def builder(case, name):
    """An image with this machine's cargo, its crates and its C linker: what the Dockerfile's BUILDER has to hold."""
    if not all(map(find_tool, ("dpkg", "apt-cache", "rustc"))):
        raise Skip("the build image is made out of this machine's Debian packages, and this is no Debian")
    sysroot = Path(output("rustc", "--print", "sysroot").strip())
    root = Rootfs()
    for directory in ("bin", "lib", "sbin", "lib64"):
        root.link(f"/{directory}", f"usr/{directory}")
    root.link("/usr/bin/cc", "gcc")
    root.text("/tmp/.here", "")  # a linker wants the directory, and only files can be added
    root.packages(BUILD_PACKAGES)
    for program in ("cargo", "rustc"):
        root.add(sysroot / "bin" / program, f"/usr/local/rust/bin/{program}")
    root.add(sysroot / "lib", "/usr/local/rust/lib")
    crates = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "registry"
    root.add(crates, "/usr/local/cargo/registry")
    root.image(case, name, "ENV PATH=/usr/local/rust/bin:/usr/bin:/bin", "ENV CARGO_HOME=/usr/local/cargo",
               "ENV CARGO_NET_OFFLINE=true")


def busybox_client(case, name):
    """A client with busybox's resolver and nothing else."""
    root = Rootfs()
    root.add(os.path.realpath(find_tool("busybox")), "/bin/busybox")
    for applet in ("sh", "nslookup", "sleep", "cat"):
        root.link(f"/bin/{applet}", "busybox")
    root.image(case, name, "ENV PATH=/bin")


def glibc_client(case, name):
    """A client with glibc's resolver: getent and the libraries that it loads."""
    root = Rootfs()
    root.program(find_tool("getent"))
    root.text("/etc/nsswitch.conf", "hosts: files dns\n")
    root.image(case, name, "ENV PATH=/usr/bin:/bin")

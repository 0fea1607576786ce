"""A control group with a bound of memory, of version 2 or 1, for processes of a test."""

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class NoGroup(Exception):
    """No group can be made here; why."""


class MemoryGroup:
    """Made inside of this process's own group, or beside it; a process enters it by the wrapper that `wrap` writes."""

    def __init__(self, octets):
        self.path = self._make()
        self.is_v2 = (self.path / "memory.max").exists()
        bound, swap = ("memory.max", "memory.swap.max") if self.is_v2 else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        (self.path / bound).write_text(str(octets))
        with contextlib.suppress(OSError):  # not there without swap
            (self.path / swap).write_text("0" if self.is_v2 else str(octets))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(50):
            try:
                return self.path.rmdir()
            except OSError:  # its last process is on its way out
                time.sleep(0.1)
        return None

    def wrap(self, binary, script):
        """Writes a script that runs `binary` in the group; returns its path."""
        script.write_text(f'#!/bin/sh\necho $$ > "{self.path}/cgroup.procs" || exit 1\nexec "{binary}" "$@"\n')
        script.chmod(0o755)
        return script

    def most(self):
        """The most octets it has had, those of files that the kernel keeps for it included."""
        for name in ("memory.peak", "memory.max_usage_in_bytes", "memory.current"):
            if (self.path / name).exists():
                return int((self.path / name).read_text())
        return 0

    def kills(self):
        """Processes that were killed for want of memory."""
        text = (self.path / ("memory.events" if self.is_v2 else "memory.oom_control")).read_text()
        return sum(int(words[1]) for words in map(str.split, text.splitlines()) if words[0] == "oom_kill")

    @staticmethod
    def _make():
        tried = []
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers == "":
                base, bound = ROOT, "memory.max"
            elif "memory" in controllers.split(","):
                base, bound = ROOT / "memory", "memory.limit_in_bytes"
            else:
                continue
            own = base / own.lstrip("/")
            for parent in dict.fromkeys([own, own.parent if own != base else base, base]):
                path = parent / f"vpcedns-e2e-{os.getpid()}"
                try:
                    path.mkdir()
                except OSError as error:
                    tried.append(f"{parent}: {error.strerror}")
                    continue
                if (path / bound).exists() and os.access(path / "cgroup.procs", os.W_OK):
                    return path
                path.rmdir()
                tried.append(f"{parent}: its children have no {bound}")
        raise NoGroup("; ".join(tried) or "no control group of this process has the controller 'memory'")

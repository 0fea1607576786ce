"""The report: what was measured, where, and whether each target is reached."""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path


@dataclass
class Row:
    """One target. `passed` None means that it could not be measured, and `measured` says why."""
    name: str
    measured: str
    target: str
    passed: bool = None


def limit(name, value, most, unit):
    """A row whose target is that a ratio is no more than `most`."""
    return Row(name, f"{value:.2f} {unit}", f"<= {most:.2f} {unit}", value <= most)


def target_table(rows):
    """The targets, a line each, with their verdict."""
    verdict = {True: "pass", False: "FAIL", None: "-"}
    return grid(["row", "measured", "target", ""], [[r.name, r.measured, r.target, verdict[r.passed]] for r in rows])


def grid(head, lines):
    """Columns padded to their widest cell."""
    cells = [head, *[[str(cell) for cell in line] for line in lines]]
    widths = [max(len(line[at]) for line in cells) for at in range(len(head))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells)


def machine():
    """Where this ran, in the words that matter to a reader of the figures."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1e6
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, Linux {platform.release()}"


def heading(command, root, busy):
    """What was run, when, on what; `busy` is the load average before it."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True,
                            check=False).stdout.strip()
    return (f"command: {command}\ndate:    {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC\n"
            f"commit:  {commit}\nmachine: {machine()}\n"
            f"load:    {busy:.2f} before the run{'; NOT QUIET, the figures are not to be trusted' if busy > 0.5 else ''}\n")

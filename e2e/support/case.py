"""One end-to-end test at work: its scratch directory, the processes it started, what it found wrong."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Skip(Exception):
    """What a test needs is not here; the reason is the message."""


class Failure(Exception):
    """The evidence of a failed test."""


class Case:
    """What a test's `run(case)` is given. Leaving the `with` block stops every process and removes every trace."""

    def __init__(self, name, binary):
        self.name, self.binary = name, binary
        self.checks, self.logs = 0, ""
        self._failures, self._undo = [], []

    def __enter__(self):
        self.dir = Path(tempfile.mkdtemp(prefix=f"vpcedns-e2e-{self.name}-"))
        return self

    def __exit__(self, kind, *_):
        if kind not in (None, Skip):
            self.logs = "\n".join(tail(path) for path in sorted(self.dir.glob("*.log")))
        for undo in reversed(self._undo):
            undo()
        shutil.rmtree(self.dir, ignore_errors=True)

    def finally_do(self, function):
        """Runs `function` when the test ends, last registered first."""
        self._undo.append(function)

    # --- what is asserted -------------------------------------------------------------------------------------------

    def check(self, good, what, evidence=""):
        """Notes a failure unless `good`; the test goes on, so that one run shows all that is wrong."""
        self.checks += 1
        if not good:
            self._failures.append(f"{what}\n{indent(evidence)}" if evidence else what)
        return good

    def equal(self, what, found, wanted, evidence=""):
        """Notes a failure unless both are equal."""
        return self.check(found == wanted, f"{what}: found {found!r}, wanted {wanted!r}", evidence)

    def note(self, text):
        """A figure or fact for the log; never a verdict."""
        print(f"   {self.name}: {text}", flush=True)

    @property
    def failed(self):
        """How many checks have failed so far."""
        return len(self._failures)

    def noted(self):
        """What was noted, in words."""
        shown = self._failures[:20]
        more = len(self._failures) - len(shown)
        return "\n".join(shown) + (f"\n... and {more} more" if more else "")

    def finish(self):
        """Raises what was noted."""
        if self._failures:
            raise Failure(f"{len(self._failures)} of {self.checks} checks failed")

    # --- what is run ------------------------------------------------------------------------------------------------

    def need(self, *tools):
        """Skips the test unless every tool is installed."""
        missing = [tool for tool in tools if find_tool(tool) is None]
        if missing:
            raise Skip(f"not installed: {', '.join(missing)}")

    def write(self, path, text):
        """Writes a file below the scratch directory as editors do, by rename, and returns its path."""
        path = self.dir / path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text)
        temporary.rename(path)
        return path

    def run(self, *command, timeout=60, check=True, input_text=None, **options):
        """Runs a command to its end and returns its standard output; `input_text` is its standard input."""
        options.setdefault("cwd", self.dir)
        options.setdefault("env", clean_env())
        stdin = {"stdin": subprocess.DEVNULL} if input_text is None else {"input": input_text}
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout, **stdin, **options)
        if check and done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))}: exit code {done.returncode}\n"
                          f"{indent(done.stdout + done.stderr)}")
        return done.stdout if check else done

    def start(self, *command, log, **options):
        """Starts a process that lives until the test ends; its output goes to the file `log`."""
        options.setdefault("cwd", self.dir)
        options.setdefault("env", clean_env())
        with open(self.dir / log, "ab") as output:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, **options)
        self.finally_do(lambda: stop(process))
        return process


def clean_env():
    """The environment without settings of the person who runs the tests."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("VPCEDNS_")}
    env["PATH"] += ":/usr/sbin:/sbin"
    env["LC_ALL"] = "C"
    return env


def find_tool(name):
    """The path of an installed program, or None."""
    return shutil.which(name, path=clean_env()["PATH"])


def stop(process, patience=10):
    """Ends a process by its id: asks, waits, then insists. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def wait_for(what, condition, seconds=10.0, pause=0.02):
    """Polls until `condition()` is true and returns its value; a `Failure` that names `what` otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)


def tail(path, lines=15):
    """The end of a log file, under its name."""
    text = path.read_text(errors="replace").splitlines()
    return f"--- {path.name}, its last lines\n{indent(chr(10).join(text[-lines:]))}"


def indent(text):
    """Evidence, set off from the sentence above it."""
    return "\n".join(f"    {line}" for line in str(text).rstrip().splitlines())

"""README.md and docs/*.md: each command, run as it is printed in a fresh copy, prints what is printed there.

A ```console block holds commands (`$ ...`) and what they print; a line `...` stands for any lines, `...` within one for any
text. ```toml FILE and ```python FILE are written to FILE first. A comment `<!-- not run: WHY -->` above a block leaves it out.
`vpcedns serve` runs until the next `serve` or the end of the page; `cargo` is left out, as the binary is there already.
"""

import os
import re
import shlex
import shutil
import socket
import stat

from support import awstools, dns
from support.case import ROOT, Failure, Skip, clean_env, indent, stop, wait_for

SERVER = ("127.0.0.1", 5300)
ASSIGNMENT = re.compile(r"[A-Z_]+=")
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]*) -->\n)?^```(\w*) ?([^\n]*)\n(.*?)^```", re.M | re.S)
COMMAND_SECONDS = 60


def run(case):
    case.need("dig", "git", "bash")
    for address in (SERVER[0], "127.0.0.2"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, SERVER[1]))
            except OSError:
                raise Skip(f"port {SERVER[1]} of {address} is taken, and the pages name it") from None
    readme = [text for text, _ in commands((ROOT / "README.md").read_text())]
    case.check("cargo run --release -- serve" in readme[:2] and "cargo test" in readme[:2],
               "the README does not begin with the two commands", readme)
    case.check(sum(command.startswith("dig ") for command in readme) >= 3, "the README has fewer than three dig lines", readme)
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        Page(case, page).run()


def commands(text):
    """(command, printed lines) of all console blocks that are run."""
    found = []
    for not_run, language, _, body in BLOCK.findall(text):
        if language == "console" and not not_run:
            found += block_commands(body)
    return found


def block_commands(body):
    found = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found:
            found[-1][1].append(line)
    return found


class Page:
    """One page in a copy of its own, with its server and what it exported."""

    def __init__(self, case, path):
        self.case, self.path, self.name = case, path, path.relative_to(ROOT)
        self.copy = case.dir / path.stem
        self.env, self.server = environment(case), None

    def run(self):
        fresh_copy(self.case, self.copy)
        release = self.copy / "target" / "release"
        release.mkdir(parents=True)
        (release / "vpcedns").symlink_to(self.case.binary)
        try:
            for not_run, language, title, body in BLOCK.findall(self.path.read_text()):
                if language in ("toml", "python", "zone") and title:
                    (self.copy / title).parent.mkdir(parents=True, exist_ok=True)
                    (self.copy / title).write_text(body)
                elif language == "console" and not_run:
                    self.case.note(f"{self.name}: {len(block_commands(body))} commands not run: {not_run}")
                elif language == "console":
                    for command, printed in block_commands(body):
                        self.step(command, printed)
        finally:
            self.stop_server()

    def stop_server(self):
        if self.server:
            stop(self.server)
            self.server = None

    def step(self, command, printed):
        words = shlex.split(command)
        if words[0] == "export":
            self.env |= dict(word.split("=", 1) for word in words[1:])
        elif ASSIGNMENT.match(command):
            self.assign(command)
        elif command.startswith(("vpcedns serve", "cargo run --release -- serve")):
            self.serve(words[words.index("serve"):])
        elif words[0] == "cargo":
            self.case.check(words[1] in ("build", "test"), f"{self.name}: `{command}` is not known to this test")
        elif not shutil.which(words[0], path=self.env["PATH"]) and not (self.copy / words[0]).exists():
            self.case.note(f"{self.name}: `{words[0]}` is not installed, not run: {command}")
        else:
            self.compare(command, words, printed)

    def assign(self, command):
        """`NAME=$(...)`: the commands after it find the variable."""
        name = command.split("=", 1)[0]
        done = self.bash(f'{command} && printf %s "${name}"')
        self.case.equal(f"{self.name}: `{command}`: exit code", done.returncode, 0, done.stdout + done.stderr)
        self.env[name] = done.stdout

    def bash(self, command):
        return self.case.run("timeout", str(COMMAND_SECONDS), "bash", "-c", command, cwd=self.copy, check=False, env=self.env)

    def serve(self, words):
        self.stop_server()
        log = f"{self.path.stem}-serve.log"
        self.server = self.case.start(self.case.binary, *words, cwd=self.copy, log=log)

        def ready():
            if self.server.poll() is not None:
                raise Failure(f"{self.name}: {words}: exit code {self.server.returncode}\n"
                              f"{indent((self.case.dir / log).read_text())}")
            # DNS is answered before the control socket is there
            if "ready: " not in (self.case.dir / log).read_text():
                return False
            try:
                return dns.exchange_udp(SERVER, dns.question(1, "ready.invalid", "A"), timeout=0.2, tries=1)
            except (TimeoutError, OSError):
                return False

        wait_for(f"the server of {self.name} to answer", ready)

    def compare(self, command, words, printed):
        done = self.bash(command)
        out = done.stdout
        where = f"{self.name}: `{command}`"
        self.case.equal(f"{where}: exit code", done.returncode, 0, out + done.stderr)
        if words[0] in ("dig", "kdig") and "\n".join(printed) != "...":
            found, wanted = essence(out.splitlines()), essence(printed)
            if wanted:
                pattern = "\n".join(re.escape(line).replace(r"\.\.\.", ".*") for line in wanted)
                self.case.check(re.fullmatch(pattern, "\n".join(found)), f"{where} prints something else", out)
            if status := re.search(r"status: \w+", "\n".join(printed)):
                self.case.check(status[0] in out, f"{where} does not print {status[0]}", out)
        elif printed:
            pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
                              for line in printed)
            self.case.check(re.fullmatch(pattern, out if out.endswith("\n") else out + "\n"), f"{where} prints something else", out)


def environment(case):
    """PATH with `vpcedns`, and with the `aws` and `pytest` that .ci/run installed, if it did."""
    tools = case.dir / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "vpcedns").exists():
        (tools / "vpcedns").symlink_to(case.binary)
        for name, module in (("aws", "awscli"), ("pytest", "pytest")):
            if (awstools.PRIVATE / module).is_dir():
                tool = tools / name
                tool.write_text(f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(awstools.PRIVATE))} exec python3 -W ignore -m {module} \"$@\"\n")
                tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    env = {key: value for key, value in clean_env().items() if not key.startswith(("AWS_", "VPCEDNS_"))}
    env |= {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": ""}
    return env | {"PATH": f"{tools}:{env.get('PATH', os.defpath)}"}


def fresh_copy(case, copy):
    """What a clone would hold, with what is not committed yet."""
    listed = case.run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "zones", "compose", "*.md",
                      cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)


def essence(lines):
    """The records that dig printed, in any order: ids, times, sizes and rotation change from run to run."""
    return sorted(" ".join(line.split()) for line in lines if line.strip() and not line.startswith(";"))

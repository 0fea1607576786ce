"""The first commands of README.md, run as they are printed in a fresh copy, give the printed answers."""

import re
import shlex
import shutil
import socket

from support import dns
from support.case import ROOT, Failure, Skip, indent, wait_for

BLOCKS = 4
SERVER = ("127.0.0.1", 5300)
SHELL = {"", "sh", "bash", "shell", "console", "text"}
PROGRAMS = ("cargo ", "dig ", "vpcedns ", "curl ", "docker ", "git ", "cd ", "bash ", "e2e/", "./")
# what this test does not run: the clone is the copy, the tests are running, and compose is the docker test's
NOT_HERE = ("cargo test", "git ", "cd ", "docker ", "curl ", "bash .ci", "bash bench", "e2e/")


def run(case):
    case.need("dig", "git")
    if not (ROOT / "README.md").exists():
        raise Failure("there is no README.md")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(SERVER)
        except OSError:
            raise Skip(f"port {SERVER[1]} of {SERVER[0]} is taken, and the README names it") from None
    copy = case.dir / "copy"
    fresh_copy(case, copy)
    steps = commands((ROOT / "README.md").read_text())
    digs = [command for command, _ in steps if command.startswith("dig ")]
    case.check(any(command.startswith("cargo run --release -- serve") for command, _ in steps),
               "the first code blocks do not start the server", steps)
    case.check(any(command.startswith("cargo test") for command, _ in steps), "nor do they run the tests", steps)
    case.check(len(digs) >= 3, f"the first code blocks hold {len(digs)} dig lines, wanted three", digs)
    for command, printed in steps:
        if not command.startswith(NOT_HERE):
            step(case, copy, command, printed)


def fresh_copy(case, copy):
    """What a clone would hold, with what is not committed yet."""
    listed = case.run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)


def commands(readme):
    """(command, printed lines) of the first code blocks."""
    found, blocks = [], 0
    for language, body in re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", readme, re.M | re.S):
        if language not in SHELL:
            continue
        blocks += 1
        if blocks > BLOCKS:
            break
        for line in body.replace("\\\n", " ").splitlines():
            if line.startswith("$ ") or line.startswith(PROGRAMS):
                found.append((re.sub(r"\s+#\s.*$", "", line.removeprefix("$ ")).strip(), []))
            elif found and line.strip() and not line.startswith("#"):
                found[-1][1].append(line)
    return found


def step(case, copy, command, printed):
    """Runs one command; `cargo run --release --` is the binary that the test run has built already."""
    words = shlex.split(command.replace("cargo run --release --", str(case.binary)).removesuffix("&").strip())
    if words[0] == "vpcedns":
        words[0] = case.binary
    if "serve" in words[1:2]:
        process = case.start(*words, cwd=copy, log="serve.log")

        def ready():
            if process.poll() is not None:
                raise Failure(f"{command}: exit code {process.returncode}\n"
                              f"{indent((case.dir / 'serve.log').read_text())}")
            try:
                return dns.exchange_udp(SERVER, dns.question(1, "ready.invalid", "A"), timeout=0.2, tries=1)
            except TimeoutError:
                return False

        wait_for("the README's server to answer", ready)
        return
    done = case.run(*words, cwd=copy, check=False)
    case.equal(f"exit code of `{command}`", done.returncode, 0, done.stdout + done.stderr)
    if printed and words[0] == "dig":
        case.equal(f"what `{command}` prints", essence(done.stdout.splitlines()), essence(printed), done.stdout)
        if status := re.search(r"status: \w+", "\n".join(printed)):
            case.check(status[0] in done.stdout, f"`{command}` does not print {status[0]}", done.stdout)


def essence(lines):
    """The records that dig printed, in any order: ids, times, sizes and rotation change from run to run."""
    return sorted(" ".join(line.split()) for line in lines if line.strip() and not line.startswith(";"))

"""Upstreams: plain, TLS and HTTPS to real servers, wrong names refused, failover, recovery, loops."""

import re
import time

from support import dns
from support.case import find_tool, wait_for
from support.server import Server, free_port

NAMES = 200
# longer than any datagram, so that it has to come by TCP
LONG = 40
# what the return of the only upstream may take to be seen, with room for a busy machine (aimed at: 1 s)
RECOVERY_SECONDS = 3
# every question goes to an upstream
ENGINE = ["--limit", "cache_size=0"]


def run(case):
    case.need("unbound", "openssl")
    (case.dir / "zones").mkdir()
    certificate(case)
    unbound = Unbound(case, "unbound")
    unbound.start()
    every_way(case, unbound)
    through_dnsdist(case, unbound)
    wrong_name(case, unbound)
    failover(case, unbound)
    recovery(case)
    loop(case)


def certificate(case):
    """A certificate for `dns.example` and 127.0.0.1 that is its own authority."""
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=dns.example",
             "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:dns.example,IP:127.0.0.1")


class Unbound:
    """Unbound with a zone of its own, on three ports: plain, TLS and HTTPS."""

    def __init__(self, case, name):
        self.case, self.name, self.process = case, name, None
        self.plain, self.tls, self.https = free_port(), free_port(), free_port()
        version = case.run("unbound", "-V", check=False).stdout
        self.has_https = "nghttp2" in version
        records = [f'  local-data: "n{n}.test.example. 60 IN A 192.0.2.{n % 250 + 1}"' for n in range(NAMES)]
        records += [f'  local-data: "long.test.example. 60 IN TXT {n}{"x" * 100}"' for n in range(LONG)]
        https = [f"  interface: 127.0.0.1@{self.https}", f"  https-port: {self.https}"] if self.has_https else []
        case.write(f"{name}.conf", "\n".join([
            "server:", f'  directory: "{case.dir}"', '  chroot: ""', '  username: ""', f'  pidfile: "{name}.pid"',
            "  do-daemonize: no", "  use-syslog: no", '  logfile: ""', "  num-threads: 1", "  access-control: 127.0.0.0/8 allow",
            f"  interface: 127.0.0.1@{self.plain}", f"  interface: 127.0.0.1@{self.tls}", f"  tls-port: {self.tls}", *https,
            f'  tls-service-key: "{case.dir}/key.pem"', f'  tls-service-pem: "{case.dir}/cert.pem"',
            '  local-zone: "test.example." static', '  local-zone: "internal." static', *records,
            "remote-control:", "  control-enable: no", ""]))

    def start(self):
        self.process = self.case.start("unbound", "-d", "-c", f"{self.name}.conf", log=f"{self.name}.log")
        wait_for("Unbound to answer", lambda: answers(("127.0.0.1", self.plain)))

    def kill(self):
        self.process.kill()
        self.process.wait()


def answers(address):
    try:
        return dns.ask(address, "n0.test.example", "A", timeout=0.2).rcode == "NOERROR"
    except TimeoutError:
        return False


def all_answered(case, what, server):
    """Every name, the long answer over TCP, and a name that is not there."""
    for n in range(NAMES):
        seen = server.ask(f"n{n}.test.example", edns=1232)
        if not case.equal(f"{what}: n{n}", [dns.show_rdata(record) for record in seen.answer],
                          [f"192.0.2.{n % 250 + 1}"], seen):
            return
    seen = server.ask("long.test.example", "TXT", tcp=True, edns=1232)
    case.equal(f"{what}: records of the long answer", len(seen.answer), LONG, seen.rcode)
    seen = server.ask("none.test.example", edns=1232)
    case.equal(f"{what}: a name that is not there", seen.rcode, "NXDOMAIN", seen)


def every_way(case, unbound):
    ways = [f"127.0.0.1:{unbound.plain}", f"tls://127.0.0.1:{unbound.tls}#dns.example", f"tls://127.0.0.1:{unbound.tls}"]
    if unbound.has_https:
        ways += [f"https://dns.example:{unbound.https}/dns-query#127.0.0.1", f"https://127.0.0.1:{unbound.https}"]
    else:
        case.note("this Unbound has no HTTPS")
    for way in ways:
        server = Server(case, *ENGINE, "--forward-ca", "cert.pem", zones="zones", forward=way, http=True)
        all_answered(case, way, server)
        case.equal(f"{way}: state", metric(server, "upstream_state", "up"), 1.0)
        case.check(metric(server, "upstream_questions") >= NAMES, f"{way}: questions are not counted")
        case.equal(f"{way}: exit code", server.stop(), 0)
    server = Server(case, *ENGINE, "--forward-0x20", zones="zones", forward=f"127.0.0.1:{unbound.plain}")
    all_answered(case, "letters in random case", server)
    server.stop()


def through_dnsdist(case, unbound):
    """The same through another implementation of TLS and HTTPS."""
    if find_tool("dnsdist") is None:
        return case.note("dnsdist is not installed")
    plain, tls, https = free_port(), free_port(), free_port()
    case.write("dnsdist.conf", "\n".join([
        f'setLocal("127.0.0.1:{plain}")', f'newServer("127.0.0.1:{unbound.plain}")', "getServer(0):setUp()",
        f'addTLSLocal("127.0.0.1:{tls}", "cert.pem", "key.pem")',
        f'addDOHLocal("127.0.0.1:{https}", "cert.pem", "key.pem", "/dns-query")', ""]))
    case.start("dnsdist", "--supervised", "--disable-syslog", "-C", "dnsdist.conf", log="dnsdist.log")
    wait_for("dnsdist to answer", lambda: answers(("127.0.0.1", plain)))
    for way in (f"127.0.0.1:{plain}", f"tls://127.0.0.1:{tls}#dns.example", f"https://dns.example:{https}#127.0.0.1"):
        server = Server(case, *ENGINE, "--forward-ca", "cert.pem", zones="zones", forward=way)
        all_answered(case, f"dnsdist, {way}", server)
        server.stop()


def wrong_name(case, unbound):
    """Whose certificate is for another name, or from nobody that is trusted, is not asked; nothing goes out in the open."""
    right = f"tls://127.0.0.1:{unbound.tls}#dns.example"
    for way, flags in ((f"tls://127.0.0.1:{unbound.tls}#other.example", ("--forward-ca", "cert.pem")), (right, ())):
        server = Server(case, *ENGINE, *flags, zones="zones", forward=way)
        seen = server.ask("n1.test.example", edns=1232)
        reason = " ".join(text for _, text in dns.extended_errors(seen))
        case.equal(f"{way} {flags}", (seen.rcode, seen.answer), ("SERVFAIL", []), seen)
        case.check("is not who it should be" in reason, f"{way}: the reason is not said", reason)
        server.stop()


def failover(case, unbound):
    """One of two is killed: every question is answered all the same, and its return is seen."""
    second = Unbound(case, "second")
    second.start()
    for kind in ("plain", "tls"):
        target = "127.0.0.1:{0.plain}" if kind == "plain" else "tls://127.0.0.1:{0.tls}#dns.example"
        both = [target.format(unbound), target.format(second)]
        server = Server(case, *ENGINE, "--forward-ca", "cert.pem", "--forward", both[1], zones="zones", forward=both[0], http=True)
        seen = server.ask("n1.test.example")
        case.equal(f"{kind}, both alive", seen.rcode, "NOERROR", seen)
        for victim in (unbound, second):
            victim.kill()
            failed = 0
            begin = time.monotonic()
            while time.monotonic() - begin < 3:
                failed += server.ask("n2.test.example").rcode != "NOERROR"
            case.equal(f"{kind}, {victim.name} killed: questions that failed", failed, 0)
            victim.start()

            def all_up():
                server.ask("n3.test.example")
                return all(value == 1 for value in states(server, "up"))
            wait_for(f"{kind}: {victim.name} to be seen again", all_up)
        case.equal(f"{kind}: lines about it in the log", server.log_text().count("the upstream is down"),
                   server.log_text().count("the upstream answers again"), server.log_text())
        server.stop()
    second.kill()


def recovery(case):
    """The only upstream is killed: questions fail fast and say why; it comes back: they are answered at once."""
    upstream = Unbound(case, "only")
    upstream.start()
    for target in (f"127.0.0.1:{upstream.plain}", f"tls://127.0.0.1:{upstream.tls}#dns.example"):
        server = Server(case, *ENGINE, "--forward-ca", "cert.pem", zones="zones", forward=target, http=True)
        case.equal(f"{target}: before", server.ask("n1.test.example").rcode, "NOERROR")
        upstream.kill()

        def says_down():
            seen = server.ask("n1.test.example", edns=1232, timeout=10)
            return any("is down" in text for _, text in dns.extended_errors(seen))
        wait_for("the upstream to be known as down", says_down)
        case.equal(f"{target}: state", metric(server, "upstream_state", "down"), 1.0)
        upstream.start()
        begin = time.monotonic()
        wait_for("the first answer", lambda: server.ask("n1.test.example").rcode == "NOERROR", pause=0.01)
        took = time.monotonic() - begin
        case.note(f"{target}: answered {took * 1000:.0f} ms after its return")
        case.check(took < RECOVERY_SECONDS, f"{target}: the first answer took {took:.1f} s after its return")
        server.stop()
    upstream.kill()


def loop(case):
    """Two servers that forward everything to each other: a question fails and says why, instead of going round."""
    first = Server(case, zones="zones", forward=f"127.0.0.1:{free_port()}")
    second = Server(case, zones="zones", forward=f"127.0.0.1:{first.port}", http=True)
    case.check("leads back" not in second.log_text(), "a loop is seen where there is none", second.log_text())
    first.stop()
    closed = case.start(case.binary, "serve", "--listen", f"127.0.0.1:{first.port}", "--forward",
                        f"127.0.0.1:{second.port}", "--zones", "zones", log="closed.log")
    log = case.dir / "closed.log"
    wait_for("the first server to start", lambda: "ready:" in log.read_text())
    seen = dns.ask(first.address, "n1.test.example", "A", edns=1232)
    reason = " ".join(text for _, text in dns.extended_errors(seen))
    case.equal("a question in a loop", seen.rcode, "SERVFAIL", seen)
    case.check("leads back to this server" in reason, "the loop is not named", reason)
    # the log has a thread of its own, which the reply does not wait for
    wait_for("the log to name the loop", lambda: "lead back to this server" in log.read_text())
    case.equal("lines about the loop", log.read_text().count("lead back to this server"), 1, log.read_text())
    case.check(closed.poll() is None, "the server ended")
    second.stop()


def states(server, state):
    """1 or 0 for each upstream: whether it is in this state."""
    text = server.get("/metrics")[1]
    return [float(value) for labels, value in re.findall(r"^vpcedns_upstream_state\{(.*)\} (\S+)$", text, re.M)
            if f'state="{state}"' in labels]


def metric(server, name, state=None):
    """The value of a metric of the one upstream."""
    text = server.get("/metrics")[1]
    for labels, value in re.findall(rf"^vpcedns_{name}(?:_total)?\{{(.*)\}} (\S+)$", text, re.M):
        if state is None or f'state="{state}"' in labels:
            return float(value)
    return None

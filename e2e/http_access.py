"""HTTP attacked: 3,000 half requests, pages of other sites, foreign Hosts, no token; the control socket and its commands."""

import json
import os
import resource
import socket
import stat
import time

from support import dns
from support.case import ROOT
from support.server import Server, free_port

HALF = 3000


def run(case):
    token = case.dir / "token"
    token.write_text("correct-horse-battery-staple\n")
    token.chmod(0o600)
    control = case.dir / "control.sock"
    ec2 = free_port()
    server = Server(case, "--socket", control, "--http-token", token, "--http-host", "dns.corp.example", "--ec2-api",
                    f"127.0.0.1:{ec2}", "--ec2-state", case.dir / "state", zones=ROOT / "zones", http=True)
    http = int(server.http.rsplit(":", 1)[1])
    wait_until(lambda: reachable(http) and reachable(ec2))
    guarded(case, http)
    commands(case, control)
    public(case, token)
    for name, port in (("--http", http), ("--ec2-api", ec2)):
        half_requests(case, server, name, port)


def request(port, head, headers, host="127.0.0.1"):
    """(status, body) of a request with exactly these headers; (0, "") if the connection is closed."""
    with socket.create_connection((host, port), timeout=10) as sock:
        lines = [f"{head} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close", "Content-Length: 0", "", ""]
        sock.sendall("\r\n".join(lines).encode())
        octets = b""
        while part := sock.recv(65536):
            octets += part
    text = octets.decode(errors="replace")
    head, _, body = text.partition("\r\n\r\n")
    return (int(head.split()[1]), body) if head else (0, "")


def guarded(case, port):
    """Every route for every kind of request."""
    ours, evil = ("Host", f"127.0.0.1:{port}"), ("Host", "evil.example")
    reads = ["/", "/metrics", "/v1/status", "/v1/generation", "/v1/explain?name=ec2.us-east-1.amazonaws.com"]
    changes = ["/v1/flush?all", "/v1/reload", "/v1/log?level=info"]
    bearer = ("Authorization", "Bearer correct-horse-battery-staple")
    for path in reads:
        for what, headers, want in [
            ("our address", [ours], 200),
            ("localhost", [("Host", "localhost")], 200),
            ("--http-host", [("Host", "dns.corp.example")], 200),
            ("a browser's address bar", [ours, ("Sec-Fetch-Site", "none")], 200),
            ("our own page", [ours, ("Origin", f"http://127.0.0.1:{port}"), ("Sec-Fetch-Site", "same-origin")], 200),
            ("a foreign Host", [evil], 403),
            ("two Hosts", [ours, ours], 403),
            ("no Host", [], 403),
            ("another site's page", [ours, ("Origin", "http://evil.example")], 403),
            ("a cross-site page", [ours, ("Sec-Fetch-Site", "cross-site")], 403),
            ("a rebound name", [evil, ("Origin", "http://evil.example"), ("Sec-Fetch-Site", "same-origin")], 403),
        ]:
            case.equal(f"GET {path} by {what}", request(port, f"GET {path}", headers)[0], want)
    for path in changes:
        for what, headers, want in [
            ("nobody", [ours], 401),
            ("a wrong token", [ours, ("Authorization", "Bearer wrong")], 401),
            ("a foreign Host with the token", [evil, bearer], 403),
            ("a page with the token", [ours, bearer, ("Origin", "http://evil.example")], 403),
            ("the token", [ours, bearer], 200),
        ]:
            case.equal(f"POST {path} by {what}", request(port, f"POST {path}", headers)[0], want)
    for path in ("/healthz", "/readyz"):
        status, body = request(port, f"GET {path}", [evil])
        case.equal(f"GET {path} for a foreign Host", (status, body.strip()), (200, "ok" if path == "/healthz" else "ready"))


def commands(case, control):
    """The control socket is its owner's, and the commands use it."""
    case.equal("mode of the control socket", stat.S_IMODE(os.stat(control).st_mode), 0o600)
    status = case.run(case.binary, "status", "--socket", control)
    for word in ("all is well", "generation 1", "a second", "cache"):
        case.check(word in status, f"status does not say '{word}'", status)
    report = json.loads(case.run(case.binary, "status", "--socket", control, "--json"))
    said = case.run(case.binary, "reload", "--socket", control)
    case.check(said.startswith("loaded: generation"), "reload", said)
    after = json.loads(case.run(case.binary, "status", "--socket", control, "--json"))
    case.check(after["loads"] > report["loads"], "reload does not load", after)
    case.equal("log", case.run(case.binary, "log", "debug", "--socket", control), "logging debug\n")
    case.run(case.binary, "log", "info", "--socket", control)
    case.check(case.run(case.binary, "flush", "--all", "--socket", control).startswith("flushed "), "flush")


def public(case, token):
    """An address that other machines reach requires a token, and then for reads, too."""
    begin = [case.binary, "serve", "--listen", f"127.0.0.1:{free_port()}", "--zones", ROOT / "zones", "--forward", "none", "--socket",
             case.dir / "public.sock", "--http"]
    refused = case.run(*begin, f"0.0.0.0:{free_port()}", check=False)
    case.check(refused.returncode == 1 and "there is no token" in refused.stderr, "a public bind without a token", refused.stderr)
    port = free_port()
    process = case.start(*begin, f"0.0.0.0:{port}", "--http-token", token, log="public.log")
    wait_until(lambda: reachable(port))
    ours = ("Host", f"127.0.0.1:{port}")
    case.equal("a public read without the token", request(port, "GET /metrics", [ours])[0], 401)
    case.equal("a public readyz", request(port, "GET /readyz", [ours]), (200, "ready\n"))
    bearer = ("Authorization", "Bearer correct-horse-battery-staple")
    case.equal("a public read with the token", request(port, "GET /metrics", [ours, bearer])[0], 200)
    process.terminate()


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def held(server):
    """(descriptors, kilobytes of resident memory) of the server."""
    pid = server.process.pid
    status = open(f"/proc/{pid}/status", encoding="ascii").read()
    return len(os.listdir(f"/proc/{pid}/fd")), int(status.split("VmRSS:")[1].split()[0])


def half_requests(case, server, name, port):
    """Half of a request on each of many connections; those who ask are answered, and the server holds few of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, HALF + 500), hard))
    case.finally_do(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    before, hostile, good = held(server), [], 0
    for number in range(HALF):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(5)
        sock.bind((f"127.0.1.{1 + number % 200}", 0))
        try:
            sock.connect(("127.0.0.1", port))
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        except OSError:
            pass
        hostile.append(sock)
        if number % 100 == 99:
            path = "/healthz" if name == "--http" else "/?Action=DescribeVpcs&Version=2016-11-15"
            good += request(port, f"GET {path}", [("Host", "127.0.0.1")])[0] == 200
            case.check(dns.ask(server.address, "ec2.us-east-1.amazonaws.com", "A").rcode in ("NOERROR", "REFUSED"), "DNS is not answered")
    during = held(server)
    case.equal(f"{name}: honest requests that were answered among {HALF} half ones", good, HALF // 100)
    case.check(during[0] - before[0] < 400, f"{name}: {during[0] - before[0]} descriptors are held")
    case.check(during[1] - before[1] < 64 << 10, f"{name}: {during[1] - before[1]} kB are held")
    case.note(f"{name}: {HALF} half requests hold {during[0] - before[0]} descriptors and {during[1] - before[1]} kB; "
              f"{good} of {HALF // 100} honest requests answered")
    for sock in hostile:
        sock.close()
    wait_until(lambda: held(server)[0] <= before[0] + 5, 20)
    case.check(held(server)[0] <= before[0] + 5, f"{name}: descriptors stay", str((before, held(server))))

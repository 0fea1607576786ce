"""Who a client is, where not its address says so: PROXY headers, EDNS Client Subnet, tokens in the path of DoH; `--rate-limit`.

By hand-made octets, and by dnsdist where it is installed.
"""

import socket
import ssl
import struct
import time

from support import dns
from support import zones as z
from support.case import clean_env, find_tool, wait_for
from support.server import Server, free_port

A, B, C = "vpc-0000000a", "vpc-0000000b", "vpc-0000000c"
NAME = "sqs.us-east-1.amazonaws.com"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TOKEN = "a-token-of-the-vpc-b"


def run(case):
    case.need("openssl")
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example", "-out", "cert.pem", "-keyout", "key.pem")
    text = ""
    for vpc, block, subnet in ((A, "10.1", "subnet-000000a1"), (B, "10.2", "subnet-000000b1"), (C, "127.16", "subnet-000000c1")):
        text += z.vpc(vpc, f"{block}.0.0/16") + z.subnet(subnet, vpc, "a", f"{block}.1.0/24")
        text += z.endpoint(f"vpce-0fe5b17a0707d6ab{vpc[-1]}", vpc, "sqs", f"29p5708{vpc[-1]}", [(subnet, f"{block}.1.17")])
    case.write("zones/a.toml", text)
    tokens = case.dir / "tokens"
    tokens.write_text(f"# VPC TOKEN\n{B} {TOKEN}\n")
    tokens.chmod(0o600)
    tls, https = free_port(), free_port()
    server = Server(case, "--proxy-protocol-from", "127.0.0.7/32", "--ecs-from", "127.0.0.8/32", "--doh-tokens", tokens, "--tls",
                    f"127.0.0.1:{tls}", "--https", f"127.0.0.1:{https}", "--tls-cert", case.dir / "cert.pem", "--tls-key",
                    case.dir / "key.pem", zones="zones", http=True)
    proxied_datagrams(case, server)
    proxied_streams(case, server, tls)
    proxied_https(case, https)
    subnets(case, server)
    tokens_in_paths(case, https)
    hosts(case, https)
    if find_tool("dnsdist"):
        by_dnsdist(case, server)
    else:
        case.note("no dnsdist to ask with")
    server.stop()
    limited(case)
    strangers(case)


def header(source, command=0x21, family=None, rest=b""):
    packed = socket.inet_pton(socket.AF_INET6 if ":" in source else socket.AF_INET, source)
    family = family if family is not None else 0x22 if len(packed) == 16 else 0x12
    body = packed + bytes(len(packed)) + struct.pack("!HH", 5000, 53) + rest
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body)) + body


def udp(source, address, timeout=0.5):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    sock.settimeout(timeout)
    sock.connect(address)
    return sock


def answer(packet):
    """The addresses of a reply, or its response code."""
    message = dns.decode(packet)
    found = [socket.inet_ntoa(record.rdata) for record in message.answer if record.type == 1]
    return " ".join(found) or message.rcode


QUESTION = dns.question(9, NAME, "A", edns=1232)


def proxied_datagrams(case, server):
    """What each datagram of a proxy is answered: a VPC's address, a refusal, or nothing."""
    with udp("127.0.0.7", server.address) as sock:
        for what, octets, want in [
            ("a client of VPC A", header("10.1.0.5") + QUESTION, "10.1.1.17"),
            ("a client of VPC B", header("10.2.0.5") + QUESTION, "10.2.1.17"),
            ("TLVs", header("10.1.0.5", rest=b"\x04\0\x02xx") + QUESTION, "10.1.1.17"),
            ("an IPv4 address as IPv6", header("::ffff:10.2.0.5") + QUESTION, "10.2.1.17"),
            ("a stranger behind the proxy", header("198.51.100.7") + QUESTION, "REFUSED"),
            ("no header", QUESTION, None),
            ("version 1", b"PROXY UDP4 10.1.0.5 10.0.0.2 5000 53\r\n" + QUESTION, None),
            ("half a header", header("10.1.0.5")[:20], None),
            ("a Unix socket", header("10.1.0.5", family=0x31) + QUESTION, None),
            ("a later version", header("10.1.0.5", command=0x31) + QUESTION, None),
            ("a header alone", header("10.1.0.5"), None),
        ]:
            sock.send(octets)
            try:
                found = answer(sock.recv(4096))
            except TimeoutError:
                found = None
            case.equal(f"PROXY over UDP: {what}", found, want)
    with udp("127.0.0.9", server.address) as sock:
        sock.send(header("10.1.0.5") + QUESTION)
        try:
            case.check(not dns.decode(sock.recv(4096)).answer, "a header from who is no proxy is believed")
        except TimeoutError:
            pass
    metrics = server.get("/metrics")[1]
    case.check('vpcedns_connections_refused_total{listener="udp",reason="proxy"} 5' in metrics, "malformed headers are not counted",
               [line for line in metrics.splitlines() if "proxy" in line])


def exchange(sock, octets):
    """The answer on a stream; None where it is closed."""
    try:
        sock.sendall(octets + struct.pack("!H", len(QUESTION)) + QUESTION)
        got = b""
        while len(got) < 2 or len(got) < 2 + struct.unpack_from("!H", got)[0]:
            more = sock.recv(4096)
            if not more:
                return None
            got += more
        return answer(got[2:])
    except OSError:
        return None


def proxied_streams(case, server, tls):
    for what, octets, want in [
        ("a client of VPC B", header("10.2.0.5", family=0x11), "10.2.1.17"),
        ("a stranger behind the proxy", header("198.51.100.7"), None),
        ("no header", b"", None),
        ("version 1", b"PROXY TCP4 10.1.0.5 10.0.0.2 5000 53\r\n", None),
        ("a header too long", header("10.1.0.5", rest=bytes(600)), None),
    ]:
        with socket.create_connection(server.address, timeout=5, source_address=("127.0.0.7", 0)) as sock:
            case.equal(f"PROXY over TCP: {what}", exchange(sock, octets), want)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", tls), timeout=5, source_address=("127.0.0.7", 0)) as plain:
        plain.sendall(header("10.1.0.5"))
        with context.wrap_socket(plain) as sock:
            case.equal("PROXY before TLS", exchange(sock, b""), "10.1.1.17")
    # a header that stops in the middle is not waited for longer than two seconds
    with socket.create_connection(server.address, timeout=10, source_address=("127.0.0.7", 0)) as sock:
        begin = time.monotonic()
        sock.sendall(header("10.1.0.5")[:9])
        case.equal("the end of a slow header", sock.recv(10), b"")
        case.check(time.monotonic() - begin < 5, "a slow header was waited for")


def proxied_https(case, https):
    """A header in front of TLS, and in it HTTP: the client is the header's, unless a token says more."""
    for what, octets, path, want in [
        ("a client of VPC A", header("10.1.0.5"), "/dns-query", (200, "10.1.1.17")),
        ("a client of VPC B", header("10.2.0.5"), "/dns-query", (200, "10.2.1.17")),
        ("a client of VPC A that names VPC B", header("10.1.0.5"), f"/dns-query/{B}", (200, "REFUSED")),
        ("a stranger", header("198.51.100.7"), "/dns-query", (200, "REFUSED")),
        ("a stranger with the token of VPC B", header("198.51.100.7"), f"/dns-query/{TOKEN}", (200, "10.2.1.17")),
        ("the proxy itself", header("10.1.0.5", command=0x20), "/dns-query", (200, "REFUSED")),
        ("no header", b"", "/dns-query", None),
        ("version 1", b"PROXY TCP4 10.1.0.5 10.0.0.2 5000 443\r\n", "/dns-query", None),
    ]:
        try:
            status, body = http(https, path, ["dns.example"], source="127.0.0.7", before=octets)
            found = (status, answer(body))
        except OSError:
            found = None
        case.equal(f"PROXY before HTTPS: {what}", found, want)
    # who is no proxy has no header: TLS does not begin with one
    try:
        http(https, "/dns-query", ["dns.example"], source="127.0.0.9", before=header("10.1.0.5"))
        case.check(False, "a header from who is no proxy is taken over HTTPS")
    except OSError:
        case.check(True, "")
    if find_tool("curl"):
        post = case.dir / "question"
        post.write_bytes(QUESTION)
        # curl's own header says whom curl is from, as it has version 1 only
        done = case.run("curl", "-sk", "--max-time", "5", "--haproxy-protocol", "--interface", "127.0.0.7", "-H", "Host: dns.example",
                        "-H", "Content-Type: application/dns-message", "--data-binary", f"@{post}",
                        f"https://127.0.0.1:{https}/dns-query", check=False)
        case.check(done.returncode != 0, "version 1 from curl is taken", done.stdout)


def subnets(case, server):
    """EDNS Client Subnet, from who is believed and who is not."""
    def ask(source, data, count=1):
        option = struct.pack("!HH", 8, len(data)) + data
        packet = bytearray(dns.question(7, NAME, "A"))
        packet[11] = 1
        opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option) * count) + option * count
        with udp(source, server.address, timeout=5) as sock:
            sock.send(bytes(packet) + opt)
            return sock.recv(4096)
    for what, data, want, scope in [
        ("an address of VPC A", b"\0\x01\x20\0\x0a\x01\0\x05", "10.1.1.17", 32),
        ("a network of VPC B", b"\0\x01\x18\0\x0a\x02\0", "10.2.1.17", 24),
        ("a network of both", b"\0\x01\x06\0\x08", "REFUSED", 6),
        ("a stranger", b"\0\x01\x20\0\xc6\x33\x64\x07", "REFUSED", 32),
        ("nobody", b"\0\x01\0\0", "NXDOMAIN", 0),
        ("bits behind the prefix", b"\0\x01\x08\0\xff\xff", "FORMERR", None),
        ("an unknown family", b"\0\x09\x08\0\x0a", "FORMERR", None),
    ]:
        reply = ask("127.0.0.8", data)
        found = answer(reply)
        # without an upstream a public name has no answer of ours
        case.check(found == want or want == "NXDOMAIN" and "10." not in found, f"ECS: {what}: found {found}, wanted {want}")
        if scope is not None:
            case.check(struct.pack("!BB", data[2], scope) + data[4:] in reply, f"ECS: {what}: the scope is not {scope}", reply.hex())
    case.equal("ECS twice", answer(ask("127.0.0.8", b"\0\x01\x20\0\x0a\x01\0\x05", count=2)), "FORMERR")
    case.check("10." not in answer(ask("127.0.0.9", b"\0\x01\x20\0\x0a\x01\0\x05")), "who is not listed is believed")


def http(port, path, host, source="127.0.0.1", before=b""):
    """(status, body) over TLS, behind the octets `before`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0)) as plain:
        plain.sendall(before)
        with context.wrap_socket(plain) as sock:
            hosts = "".join(f"Host: {name}\r\n" for name in host)
            sock.sendall(f"POST {path} HTTP/1.1\r\n{hosts}Connection: close\r\nContent-Type: application/dns-message\r\n"
                         f"Content-Length: {len(QUESTION)}\r\n\r\n".encode() + QUESTION)
            octets = b""
            while part := sock.recv(65536):
                octets += part
    head, _, body = octets.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def tokens_in_paths(case, https):
    for path, want in [(f"/dns-query/{TOKEN}", "10.2.1.17"), (f"/dns-query/{A}", "10.1.1.17")]:
        status, body = http(https, path, ["dns.example"])
        case.equal(f"POST {path}", (status, answer(body)), (200, want))
    for path in ("/dns-query/a-token-of-nobody-at-all", f"/dns-query/{TOKEN}x", f"/dns-query/{TOKEN}/"):
        case.equal(f"POST {path}", http(https, path, ["dns.example"])[0], 404)


def hosts(case, https):
    for host, want in [(["dns.example"], 200), (["DNS.example:443"], 200), ([f"127.0.0.1:{https}"], 200), (["evil.example"], 421),
                       (["127.0.0.2"], 421), (["localhost"], 421), (["dns.example", "dns.example"], 400), ([], 421)]:
        status = http(https, "/dns-query", host)[0]
        case.check(status == want or want >= 400 and status in (400, 421), f"Host {host}: found {status}, wanted {want}")


def by_dnsdist(case, server):
    """dnsdist in front, with PROXY v2 over UDP and TCP; then with ECS."""
    for kind, source, line in [("PROXY", "127.0.0.7", "useProxyProtocol=true"), ("ECS", "127.0.0.8", "useClientSubnet=true")]:
        port = free_port()
        case.write(f"{kind}.conf", f"setLocal('127.0.0.1:{port}')\nsetACL({{'127.0.0.0/8'}})\nsetSecurityPollSuffix('')\n"
                   f"setECSSourcePrefixV4(32)\nnewServer{{address='127.0.0.1:{server.port}', source='{source}', {line}, healthCheckMode='up'}}\n"
                   + ("" if kind == "PROXY" else "addAction(AllRule(), SetECSAction('10.2.0.0/24'))\n"))
        case.start("dnsdist", "--supervised", "-C", f"{kind}.conf", "--disable-syslog", log=f"dnsdist-{kind}.log", env=clean_env())

        def ready(port=port):
            try:
                return dns.ask(("127.0.0.1", port), NAME, "A", source="127.16.0.5", timeout=0.3, edns=1232)
            except (TimeoutError, OSError):
                return None
        seen = wait_for(f"dnsdist with {kind}", ready)
        found = " ".join(socket.inet_ntoa(record.rdata) for record in seen.answer if record.type == 1) or seen.rcode
        case.equal(f"dnsdist with {kind}", found, "127.16.1.17" if kind == "PROXY" else "10.2.1.17")
        case.note(f"dnsdist with {kind}: {found}")


def limited(case):
    """Beyond `--rate-limit`, a cookie of ours or TCP is needed."""
    server = Server(case, "--rate-limit", "20", zones="zones", http=True)
    client = bytes(range(8))

    def ask(cookie, count):
        """Replies by kind, and the last cookie."""
        seen, last = {"whole": 0, "BADCOOKIE": 0, "truncated": 0, "nothing": 0}, b""
        with udp("127.0.0.5", server.address, timeout=0.3) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            packet = bytearray(dns.question(7, "localhost", "A"))
            packet[11] = 1
            option = struct.pack("!HH", 10, len(cookie)) + cookie if cookie else b""
            octets = bytes(packet) + b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option
            longest = 0
            for _ in range(count):
                sock.send(octets)
            got = 0
            try:
                while True:
                    reply = sock.recv(4096)
                    got += 1
                    # 23 is 7 in the header and 1 in the OPT record
                    kind = "BADCOOKIE" if reply[3] & 15 == 7 else "truncated" if reply[2] & 2 else "whole"
                    longest = max(longest, len(reply) if kind != "whole" else 0)
                    seen[kind] += 1
                    if cookie and cookie[:8] in reply:
                        at = reply.index(cookie[:8])
                        last = reply[at:at + 24]
            except TimeoutError:
                pass
            seen["nothing"] = count - got
        case.check(28 + longest <= 1.4 * (28 + len(octets)), f"{longest} octets for {len(octets)}")
        return seen, last

    time.sleep(1.1)
    bare, _ = ask(b"", 400)
    case.note(f"--rate-limit 20, 400 questions without a cookie: {bare}")
    case.check(20 <= bare["whole"] <= 60 and bare["truncated"] > 100 and bare["nothing"] > 100 and not bare["BADCOOKIE"], "no cookie", bare)
    time.sleep(1.1)
    fresh, cookie = ask(client, 400)
    case.note(f"--rate-limit 20, 400 questions with a client cookie: {fresh}")
    case.check(20 <= fresh["whole"] <= 60 and fresh["BADCOOKIE"] >= 340, "a client cookie", fresh)
    proven, _ = ask(cookie, 400)
    case.note(f"--rate-limit 20, 400 questions with a server cookie: {proven}")
    case.equal("questions with a server cookie", proven["whole"], 400, proven)
    forged, _ = ask(cookie[:-1] + bytes([cookie[-1] ^ 1]), 400)
    case.check(forged["BADCOOKIE"] >= 340, "a forged cookie", forged)
    metrics = server.get("/metrics")[1]
    for action in ("bad_cookie", "truncated", "dropped"):
        case.check(f'vpcedns_rate_limited_total{{action="{action}"}}' in metrics, f"{action} is not counted")
    case.equal("a question over TCP", dns.ask(server.address, "localhost", "A", source="127.0.0.5", tcp=True).rcode, "NOERROR")
    server.stop()


def strangers(case):
    """REFUSED, FORMERR and NOTIMP to strangers: 5 a second, half of the rest truncated, no text, never much longer."""
    # every address of this machine is loopback, so that a stranger comes from a proxy
    server = Server(case, "--proxy-protocol-from", "127.0.0.7/32", zones="zones")
    plain = dns.question(7, NAME, "A", edns=1232)
    notimp = plain[:2] + b"\x28" + plain[3:]
    formerr = plain[:5] + b"\x02" + plain[6:]
    badvers = plain[:-5] + b"\x01" + plain[-4:]
    for number, (what, packet) in enumerate([("REFUSED", plain), ("NOTIMP", notimp), ("FORMERR", formerr), ("BADVERS", badvers)]):
        source = header(f"198.51.{100 + number}.7")
        with udp("127.0.0.7", server.address, timeout=0.4) as sock:
            begin = time.monotonic()
            for _ in range(200):
                sock.send(source + packet)
            seconds = int(time.monotonic() - begin) + 2
            whole, truncated, longest = 0, 0, 0
            try:
                while True:
                    reply = sock.recv(4096)
                    longest = max(longest, len(reply))
                    whole, truncated = (whole, truncated + 1) if reply[2] & 2 else (whole + 1, truncated)
            except TimeoutError:
                pass
        amplification = (28 + longest) / (28 + len(packet))
        case.note(f"200 datagrams of a stranger, {what}: {whole} whole, {truncated} truncated, {amplification:.2f} times as long")
        case.check(0 < whole <= 5 * seconds and truncated <= 100 and amplification <= 1.4, f"{what} to strangers",
                   (whole, truncated, amplification))
    server.stop()

"""DoT, DoH and DoQ as kdig, curl, openssl and dnsperf see them: same octets, stalled clients, a new certificate."""

import base64
import re
import signal
import socket

from support import dns
from support import zones as z
from support.case import Failure, wait_for
from support.server import Server, free_port

A, B = "vpc-0000000a", "vpc-0000000b"
IN_A, IN_B, HERE, STALLED = "127.0.1.5", "127.0.2.5", "127.0.0.1", "127.0.0.9"
EC2 = "ec2.us-east-1.amazonaws.com"
ADDRESS = {IN_A: "127.0.1.17", IN_B: "127.0.2.17"}
NAME = "dns.example"
# fewer than one client may have, so that each of them is let in
STALLED_CLIENTS = 100


def run(case):
    case.need("kdig", "curl", "openssl", "dnsperf")
    certificate(case)
    case.write("zones/network.toml", zones())
    ports = {flag: free_port() for flag in ("tls", "https", "quic")}
    flags = [word for flag, port in ports.items() for word in (f"--{flag}", f"127.0.0.1:{port}")]
    server = Server(case, *flags, "--tls-cert", "cert.pem", "--tls-key", "key.pem", zones="zones", http=True)
    wait_for("a ready line with the encrypted addresses",
             lambda: all(f"{flag}://127.0.0.1:{port}" in server.log_text() for flag, port in ports.items()))
    every_client(case, ports)
    curl(case, server, ports["https"])
    statuses(case, ports["https"])
    stalled(case, ports)
    dnsperf(case, ports)
    metrics(case, server)
    new_certificate(case, server, ports)
    case.check("panicked" not in server.log_text(), "a panic in the log", server.log_text())
    case.equal("the exit code after SIGTERM", server.stop(), 0, server.log_text())


def zones():
    """Two VPCs on loopback addresses, each with EC2's name for itself."""
    text = ""
    for number, vpc in ((1, A), (2, B)):
        subnet = f"subnet-0000000{number}"
        text += z.vpc(vpc, f"127.0.{number}.0/24") + z.subnet(subnet, vpc, "a", f"127.0.{number}.0/25")
        text += z.endpoint(f"vpce-{number:017x}", vpc, "ec2", f"{number}" * 8, [(subnet, f"127.0.{number}.17")])
    return text


def certificate(case):
    """A fresh pair of certificate and key, renamed into place as those who renew do."""
    case.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-out", "new.pem", "-keyout", "newkey.pem")
    (case.dir / "new.pem").rename(case.dir / "cert.pem")
    (case.dir / "newkey.pem").rename(case.dir / "key.pem")


def transports(case, ports):
    """What kdig needs to be told for each transport that it has."""
    found = {"tls": ["-p", ports["tls"], "+tls"],
             "https POST": ["-p", ports["https"], "+https=/dns-query"],
             "https GET": ["-p", ports["https"], "+https=/dns-query", "+https-get"]}
    if "quic" in case.run("kdig", "--help"):
        found["quic"] = ["-p", ports["quic"], "+quic"]
    else:
        case.note("this kdig has no +quic: DoQ is left to the tests in Rust")
    return found


def kdig(case, flags, name, *more, source=HERE, check=True):
    """The words of kdig's answer, or with `check` off what it did."""
    # what is said of TLS comes first, as it would turn QUIC into TLS
    done = case.run("kdig", "-b", source, f"@{HERE}", "+tls-ca=cert.pem", f"+tls-hostname={NAME}", *flags, "+retry=0",
                    "+timeout=5", *more, name, check=False)
    if check and done.returncode != 0:
        raise Failure(f"kdig {' '.join(map(str, flags))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout if check else done


def every_client(case, ports):
    """The private name over every transport, for a client of each VPC and of none."""
    for what, flags in transports(case, ports).items():
        for source, address in ADDRESS.items():
            case.equal(f"{EC2} over {what} from {source}", kdig(case, flags, EC2, "+short", source=source).split(),
                       [address])
        nothing = kdig(case, flags, EC2, "AAAA", source=IN_A)
        case.check("NOERROR" in nothing and "SOA" in nothing, f"no NODATA over {what}", nothing)
        case.check("REFUSED" in kdig(case, flags, EC2), f"a client of no VPC is told a private name over {what}")
    for vpc, address in ((A, ADDRESS[IN_A]), (B, ADDRESS[IN_B])):
        path = ["-p", ports["https"], f"+https=/dns-query/{vpc}"]
        case.equal(f"{EC2} by the path of {vpc}", kdig(case, path, EC2, "+short").split(), [address])


def fetch(case, port, path, *flags, version="--http2"):
    """(HTTP version, status, content type, cache control, body) of a request."""
    report = case.run("curl", "-sS", version, "--max-time", "10", "--cacert", "cert.pem", "--interface", IN_A,
                      "--resolve", f"{NAME}:{port}:127.0.0.1", *flags, "-o", "body",
                      "-w", "%{http_version}|%{http_code}|%{content_type}|%header{cache-control}",
                      f"https://{NAME}:{port}{path}")
    return (*report.split("|"), (case.dir / "body").read_bytes())


def curl(case, server, port):
    """GET and POST over both versions of HTTP have the very octets of UDP."""
    kind = "application/dns-message"
    for name, qtype in ((EC2, "A"), (EC2, "AAAA"), (f"below.{EC2}", "A")):
        question = dns.question(0, name, qtype, edns=1232)
        wanted = dns.exchange_udp(server.address, question, source=IN_A)
        (case.dir / "question").write_bytes(question)
        text = base64.urlsafe_b64encode(question).rstrip(b"=").decode()
        for version, number in (("--http2", "2"), ("--http1.1", "1.1")):
            for method, path, flags in (
                    ("GET", f"/dns-query?dns={text}", []),
                    ("POST", "/dns-query", ["-H", f"content-type: {kind}", "--data-binary", "@question"])):
                found = fetch(case, port, path, *flags, version=version)
                case.equal(f"{method} over HTTP/{number} for {name} {qtype}", found,
                           (number, "200", kind, "private, max-age=60", wanted))


def statuses(case, port):
    """What is no question has the status that says why."""
    (case.dir / "long").write_bytes(bytes(65536))
    post = ["-H", "content-type: application/dns-message", "--data-binary"]
    for what, status, path, *flags in (
            ("no dns=", "400", "/dns-query"),
            ("padding", "400", "/dns-query?dns=AAA="),
            ("a scrap", "400", "/dns-query?dns=AAAA"),
            ("another path", "404", "/"),
            ("a VPC that is not there", "404", "/dns-query/vpc-0000000c?dns=AAAA"),
            ("PUT", "405", "/dns-query", "-X", "PUT"),
            ("65,536 octets", "413", "/dns-query", *post, "@long"),
            ("a form", "415", "/dns-query", "-d", "dns=AAAA")):
        for version in ("--http2", "--http1.1"):
            found = fetch(case, port, path, *flags, version=version)
            case.equal(f"{what} with {version}", found[1], status, found[4])


def stalled(case, ports):
    """A hundred clients that connect and say nothing, and one that says half: all others are answered."""
    sockets = []
    for port in (ports["tls"], ports["https"]):
        for number in range(STALLED_CLIENTS // 2):
            sock = socket.socket()
            sock.bind((STALLED, 0))
            sock.connect((HERE, port))
            if number % 2:
                sock.sendall(bytes([22, 3, 1, 1, 0, 1]))
            sockets.append(sock)
        # it shakes hands and then has nothing to say, as its standard input is empty and stays open
        case.start("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", log=f"s_client-{port}.log")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for octet in range(256):
            sock.sendto(bytes([octet]) * 1200, (HERE, ports["quic"]))
    for what, flags in transports(case, ports).items():
        case.equal(f"over {what} beside {STALLED_CLIENTS} stalled clients",
                   kdig(case, flags, EC2, "+short", source=IN_A).split(), [ADDRESS[IN_A]])
    for sock in sockets:
        # the handshake's time, which is 5 s, and some more
        sock.settimeout(20)
        try:
            while sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            case.check(False, "a client that stalls in the handshake is kept for more than 20 s")
            break
        finally:
            sock.close()


def dnsperf(case, ports):
    """Pipelines of many questions, none lost."""
    data = case.write("queries", "".join(f"{EC2} {kind}\nbelow.{EC2} A\n" for kind in ("A", "AAAA", "SOA")))
    doh = ["-O", f"doh-uri=https://{NAME}/dns-query", "-O"]
    # dnsperf 2.10 forgets replies that come together over HTTP/2, whoever sends them: one question at a time there
    for mode, port, times, flags in (("dot", "tls", 500, ["-c", "4"]),
                                     ("doh", "https", 5, ["-c", "1", "-q", "1", *doh, "doh-method=GET"]),
                                     ("doh", "https", 5, ["-c", "1", "-q", "1", *doh, "doh-method=POST"])):
        text = case.run("dnsperf", "-m", mode, *flags, "-s", HERE, "-p", ports[port], "-a", IN_A, "-d", data,
                        "-n", times, timeout=120)
        count = {what: int(re.search(rf"Queries {what}:\s+(\d+)", text)[1]) for what in ("sent", "completed", "lost")}
        what = f"dnsperf -m {mode} {' '.join(flags)}"
        case.equal(what, count, {"sent": 6 * times, "completed": 6 * times, "lost": 0}, text)
        case.check(all(f"{rcode} {3 * times} (50.00%)" in text for rcode in ("NOERROR", "NXDOMAIN")), what, text)


def metrics(case, server):
    """Packets are counted by transport."""
    text = server.get("/metrics")[1]
    for transport in ("udp", "tls", "https"):
        found = re.search(rf'vpcedns_packets_total{{transport="{transport}"}} (\d+)', text)
        case.check(found and int(found[1]) > 0, f"no packets counted for {transport}", text)


def new_certificate(case, server, ports):
    """A new pair is served without a restart; a broken one is not."""
    tls = ["-p", ports["tls"], "+tls", "+short"]
    former = (case.dir / "cert.pem").read_text()
    certificate(case)
    wait_for("the new certificate", lambda: kdig(case, tls, EC2, source=IN_A, check=False).returncode == 0)
    case.check("the certificate in cert.pem is new" in server.log_text(), "not in the log", server.log_text())
    (case.dir / "good.pem").write_text((case.dir / "cert.pem").read_text())
    case.write("cert.pem", former)
    server.process.send_signal(signal.SIGHUP)
    wait_for("the complaint", lambda: "is not the key of the certificate in cert.pem" in server.log_text())
    (case.dir / "good.pem").rename(case.dir / "cert.pem")
    case.equal("with the new certificate, after a bad one", kdig(case, tls, EC2, source=IN_A).split(), [ADDRESS[IN_A]])

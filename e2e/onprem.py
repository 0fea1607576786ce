"""Conditional forwarding as docs/on-premises.md has it: Unbound and dnsmasq run with its lines; BIND's and CoreDNS's are checked.

Those that are not installed are named, and left out.
"""

import re
import socket

from support import dns
from support.case import ROOT, Failure, find_tool, wait_for
from support.server import Server, free_port

PAGE = ROOT / "docs/on-premises.md"
SQS = "sqs.us-east-1.amazonaws.com"


def run(case):
    blocks = dict(re.findall(r"^```(?:conf|toml) ([^\n]+)\n(.*?)^```", PAGE.read_text(), re.M | re.S))
    case.equal("blocks of the page", set(blocks), {"onprem/network.toml", "unbound.conf", "dnsmasq.conf", "named.conf", "Corefile", "resolved.conf"})
    zones = case.write("zones/network.toml", blocks["onprem/network.toml"]).parent
    server = Server(case, "--socket", case.dir / "s", zones=zones)
    ran = [tool(case, blocks, server) for tool in (unbound, dnsmasq, named, coredns)]
    case.equal("exit code", server.stop(), 0)
    if not any(ran):
        raise Failure("none of unbound, dnsmasq, named and coredns is installed")


def of_page(text, server):
    """The page's lines with the port of the server under test."""
    for port in ("@5300", "#5300", "port 5300", ":5300"):
        text = text.replace(port, port.replace("5300", str(server.port)))
    return text


def answers(case, what, port):
    def addresses():
        try:
            return [socket.inet_ntoa(record.rdata) for record in dns.ask(("127.0.0.1", port), SQS, "A", timeout=1).answer]
        except (TimeoutError, OSError):
            return None

    wait_for(f"{what} to answer", addresses)
    case.equal(f"{what}: the private answer", addresses(), ["10.0.1.10"])
    reply = dns.ask(("127.0.0.1", port), SQS, "AAAA")
    case.equal(f"{what}: AAAA, which must not be the public one", (reply.rcode, reply.answer), ("NOERROR", []))
    return True


def unbound(case, blocks, server):
    if not find_tool("unbound"):
        return case.note("not installed: unbound")
    port = free_port()
    # 10/8 is what resolvers of a data centre strip from answers: `private-domain` excepts these
    own = f"server:\n interface: 127.0.0.1@{port}\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n use-syslog: no\n private-address: 10.0.0.0/8\n"
    path = case.write("unbound.conf", own + of_page(blocks["unbound.conf"], server))
    case.start("unbound", "-d", "-c", path, log="unbound.log")
    return answers(case, "Unbound", port)


def dnsmasq(case, blocks, server):
    if not find_tool("dnsmasq"):
        return case.note("not installed: dnsmasq")
    port = free_port()
    own = f"port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nstop-dns-rebind\nuser=root\n"
    path = case.write("dnsmasq.conf", own + of_page(blocks["dnsmasq.conf"], server))
    case.start("dnsmasq", "--keep-in-foreground", "--pid-file", f"--conf-file={path}", log="dnsmasq.log")
    return answers(case, "dnsmasq", port)


def named(case, blocks, server):
    if not find_tool("named-checkconf"):
        return case.note("not installed: named-checkconf")
    case.run("named-checkconf", case.write("named.conf", of_page(blocks["named.conf"], server)))
    if not find_tool("named"):
        return True
    port = free_port()
    own = (f'options {{ directory "{case.dir}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none; '
           f'allow-query {{ any; }}; session-keyfile none; dnssec-validation no; ')
    text = of_page(blocks["named.conf"], server).replace("options {", own, 1)
    path = case.write("named-run.conf", text + "controls {};\n")
    case.start("named", "-g", "-c", path, log="named.log")
    return answers(case, "BIND", port)


def coredns(case, blocks, server):
    if not find_tool("coredns"):
        return case.note("not installed: coredns")
    port = free_port()
    path = case.write("Corefile", of_page(blocks["Corefile"], server).replace("amazonaws.com:53", f"amazonaws.com:{port}"))
    case.start("coredns", "-conf", path, log="coredns.log")
    return answers(case, "CoreDNS", port)

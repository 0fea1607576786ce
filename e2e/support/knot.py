"""Knot as a server that signs its zones."""

from . import dns
from .case import Failure, stop, wait_for
from .server import free_port

RRSIG = 46


class Knot:
    """Knot on one loopback port, its files in `knot/` below the scratch directory.

    `zones` maps each origin to its policy, None for a zone that is not signed; the text of a zone goes to
    `zone_file(origin)` before `start`."""

    def __init__(self, case, zones, policies):
        self.case, self.zones = case, zones
        self.address = ("127.0.0.1", free_port())
        directory = case.dir / "knot"
        blocks = "".join(f"""  - domain: {origin}
    file: "{case.dir}/{zone_file(origin)}"
    zonefile-sync: -1
    journal-content: all
""" + (f"""    dnssec-signing: on
    dnssec-policy: {policy}
""" if policy else "") for origin, policy in zones.items())
        self.config = case.write("knot/knot.conf", f"""
server:
    rundir: "{directory}"
    listen: 127.0.0.1@{self.address[1]}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: "{directory}"
policy:
{policies}
zone:
{blocks}""")

    def keymgr(self, origin, *words):
        """Manages the keys of a zone whose policy leaves that to the operator."""
        return self.case.run("keymgr", "-c", self.config, origin, *words)

    def start(self):
        """Starts it and waits until every zone that is to be signed is."""
        process = self.case.start("knotd", "-c", self.config, log="knot.log")
        signed = [origin for origin, policy in self.zones.items() if policy]

        def signs():
            if process.poll() is not None:
                raise Failure(f"Knot ended with exit code {stop(process)}")
            try:
                replies = [dns.ask(self.address, origin, "SOA", edns=1232, do=True, timeout=0.2) for origin in signed]
                return all(any(record.type == RRSIG for record in reply.answer) for reply in replies)
            except TimeoutError:
                return False

        wait_for("Knot to sign its zones", signs)
        return self.address


def zone_file(origin):
    """Where the text of a zone is, below the scratch directory."""
    return f"knot/{origin.rstrip('.') or 'root'}.zone"

"""Knot, NSD and BIND as secondaries of one primary, each on a loopback port, its files in a directory of its own.

Knot and BIND learn of zones from the catalog zone (RFC 9432); NSD 4.6 has to be told their names."""

from . import nsd as nsd_server
from .server import free_port

CATALOG = "catalog.vpcedns.invalid"


class Key:
    """A TSIG key: its name, algorithm and secret in base64."""

    def __init__(self, name, secret, algorithm="hmac-sha256"):
        self.name, self.secret, self.algorithm = name, secret, algorithm

    def dig(self):
        """As dig's -y takes it."""
        return f"{self.algorithm}:{self.name}:{self.secret}"


def knot(case, key, primary, name="knot"):
    """Starts Knot; returns its address. `primary` is an address at which zones are taken over."""
    directory, port = case.dir / name, free_port()
    config = case.write(f"{name}/knot.conf", f"""
server:
  rundir: "{directory}"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
log:
  - target: stderr
    any: info
database:
  storage: "{directory}"
key:
  - id: {key.name}
    algorithm: {key.algorithm}
    secret: {key.secret}
remote:
  - id: vpcedns
    address: {primary[0]}@{primary[1]}
    key: {key.name}
acl:
  - id: from-vpcedns
    address: {primary[0]}
    key: {key.name}
    action: notify
template:
  - id: member
    storage: "{directory}"
    master: vpcedns
    acl: from-vpcedns
    zonefile-sync: -1
    zonefile-load: none
    journal-content: none
zone:
  - domain: {CATALOG}
    storage: "{directory}"
    master: vpcedns
    acl: from-vpcedns
    catalog-role: interpret
    catalog-template: member
""")
    case.start("knotd", "-c", config, log=f"{name}.log")
    return ("127.0.0.1", port)


def nsd(case, key, primary, zones, name="nsd"):
    """Starts NSD with these zones; returns its address."""
    pattern = f"""key:
  name: {key.name}
  algorithm: {key.algorithm}
  secret: "{key.secret}"
pattern:
  name: vpcedns
  request-xfr: {primary[0]}@{primary[1]} {key.name}
  allow-notify: {primary[0]} {key.name}
"""
    zones = "".join(f'zone:\n  name: "{zone}"\n  include-pattern: vpcedns\n' for zone in zones)
    return nsd_server.start(case, name, zones, pattern)[1]


def bind(case, key, primary, name="bind"):
    """Starts named; returns its address."""
    directory, port = case.dir / name, free_port()
    config = case.write(f"{name}/named.conf", f"""
key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};
options {{
  directory "{directory}";
  pid-file "{directory}/named.pid";
  session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  minimal-responses yes;
  dnssec-validation no;
  notify no;
  allow-notify {{ key "{key.name}"; }};
  serial-query-rate 1000;
  zero-no-soa-ttl no;
  catalog-zones {{
    zone "{CATALOG}" default-primaries {{ {primary[0]} port {primary[1]} key "{key.name}"; }} in-memory yes min-update-interval 1;
  }};
}};
controls {{ }};
zone "{CATALOG}" {{
  type secondary;
  file "catalog.db";
  primaries {{ {primary[0]} port {primary[1]} key "{key.name}"; }};
}};
""")
    case.start("named", "-g", "-n", "1", "-c", config, log=f"{name}.log")
    return ("127.0.0.1", port)

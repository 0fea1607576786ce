"""One set of endpoints, written as vpcedns, Knot, NSD, named, Unbound and dnsmasq read it.

Everything follows from an endpoint's number, so that two runs, and two servers, have the same names. Three
availability zones an endpoint: a regional name with three addresses and three zonal names with one each.
"""

import ipaddress
import random
from dataclasses import dataclass
from pathlib import Path

REGION = "us-east-1"
ZONE = f"{REGION}.vpce.amazonaws.com"
ZONES = "abc"
# services whose label is their name and whose private name is `NAME.us-east-1.amazonaws.com`
SERVICES = ["ec2", "sqs", "sns", "kms", "ssm", "sts", "logs", "glue", "athena", "secretsmanager"]
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
SEED = 20170905


@dataclass(frozen=True)
class Shape:
    """How much there is. `first_octet` 127 puts the VPCs on loopback, where clients can be inside them."""
    endpoints: int
    vpcs: int = 1
    files: int = 1
    first_octet: int = 10
    private: bool = False

    def label(self):
        where = "-loopback" if self.first_octet == 127 else ""
        return f"{self.endpoints}-{self.vpcs}-{self.files}{where}{'-private' if self.private else ''}"


class Layout:
    """Where everything of a shape is."""

    def __init__(self, shape):
        self.shape = shape
        self.per_vpc = -(-shape.endpoints // shape.vpcs)
        if shape.private and self.per_vpc > len(SERVICES):
            raise ValueError(f"private names are one a service: at most {len(SERVICES)} endpoints a VPC")
        # room for the reserved addresses of a subnet and for endpoints that are added while measuring
        self.subnet_bits = max(6, (self.per_vpc + 32).bit_length())
        # four subnets' room a VPC, three of them used; the first sixteenth of the /8 stays free for other clients
        self.base = (shape.first_octet << 24) + (1 << 20)
        if self.base + shape.vpcs * (4 << self.subnet_bits) > (shape.first_octet + 1) << 24:
            raise ValueError("these VPCs do not fit into one /8")

    def vpc_id(self, vpc):
        return f"vpc-{vpc + 1:017x}"

    def vpc_block(self, vpc):
        """EC2 takes /16 at most, so a large VPC has several blocks."""
        size, start = 4 << self.subnet_bits, self.base + vpc * (4 << self.subnet_bits)
        step = min(size, 1 << 16)
        return [f"{ip(at)}/{33 - step.bit_length()}" for at in range(start, start + size, step)]

    def client(self, vpc):
        """An address in a VPC that belongs to no endpoint: in the fourth subnet's room."""
        return ip(self.base + vpc * (4 << self.subnet_bits) + (3 << self.subnet_bits) + 9)

    def subnets(self, vpc):
        """(subnet id, zone, block) of a VPC: a subnet is a /16 at most, too, so large ones come in pieces."""
        for zone in range(3):
            for piece in range(max(1, 1 << self.subnet_bits >> 16)):
                start = self.base + vpc * (4 << self.subnet_bits) + (zone << self.subnet_bits) + (piece << 16)
                yield (f"subnet-{vpc + 1:08x}{zone}{piece:08x}", ZONES[zone],
                       f"{ip(start)}/{32 - min(16, self.subnet_bits)}")

    def interfaces(self, number):
        """(subnet id, address) of an endpoint, one a zone. Skips what a subnet reserves in its first /16 piece."""
        vpc, slot = number % self.shape.vpcs, number // self.shape.vpcs
        # 8 in 65,536 addresses of a piece are kept clear of its ends
        piece, host = divmod(slot, 65_528)
        for zone in range(3):
            at = self.base + vpc * (4 << self.subnet_bits) + (zone << self.subnet_bits) + (piece << 16) + host + 4
            yield f"subnet-{vpc + 1:08x}{zone}{piece:08x}", ip(at)


def ip(number):
    return str(ipaddress.IPv4Address(number))


def endpoint_id(number):
    """17 hex digits, spread as AWS's are; the odd factor makes it one to one."""
    return f"vpce-{number * 0x9E3779B97F4A7C15F & (1 << 68) - 1:017x}"


def suffix(number):
    value, text = number * 0x2545F4914F6CDD1D & (1 << 64) - 1, ""
    for _ in range(8):
        value, digit = divmod(value, 36)
        text += ALPHABET[digit]
    return text


def service(layout, number):
    """Within a VPC services take turns, so that each has its own private name where that matters."""
    return SERVICES[number // layout.shape.vpcs % len(SERVICES)]


def names(layout, number):
    """The regional name and the three zonal ones."""
    head, tail = f"{endpoint_id(number)}-{suffix(number)}", f"{service(layout, number)}.{ZONE}"
    return [f"{head}.{tail}"] + [f"{head}-{REGION}{zone}.{tail}" for zone in ZONES]


def records(layout, number):
    """(name, address) of every A record of an endpoint."""
    addresses = [address for _, address in layout.interfaces(number)]
    regional, *zonal = names(layout, number)
    return [(regional, address) for address in addresses] + list(zip(zonal, addresses))


# --- files ----------------------------------------------------------------------------------------------------------


def endpoint_toml(layout, number, cards=None):
    """One `[[vpc_endpoint]]`; `cards` replaces its interfaces."""
    cards = list(layout.interfaces(number)) if cards is None else cards
    lines = [f'  {{ network_interface_id = "eni-{number + 1:016x}{n}", subnet_id = "{subnet}", '
             f'private_ip_address = "{address}" }},' for n, (subnet, address) in enumerate(cards)]
    private = "true" if layout.shape.private else "false"
    return (f'[[vpc_endpoint]]\nvpc_endpoint_id = "{endpoint_id(number)}"\n'
            f'vpc_id = "{layout.vpc_id(number % layout.shape.vpcs)}"\n'
            f'service_name = "com.amazonaws.{REGION}.{service(layout, number)}"\n'
            f'dns_suffix = "{suffix(number)}"\nprivate_dns_enabled = {private}\nnetwork_interfaces = [\n'
            + "\n".join(lines) + "\n]\n\n")


def write_toml(layout, directory):
    """The zone files of vpcedns."""
    directory.mkdir(parents=True)
    with open(directory / "network.toml", "w") as out:
        for vpc in range(layout.shape.vpcs):
            blocks = ", ".join(f'"{block}"' for block in layout.vpc_block(vpc))
            out.write(f'[[vpc]]\nvpc_id = "{layout.vpc_id(vpc)}"\nregion = "{REGION}"\ncidr_blocks = [{blocks}]\n'
                      "enable_dns_hostnames = true\n\n")
            for subnet, zone, block in layout.subnets(vpc):
                out.write(f'[[subnet]]\nsubnet_id = "{subnet}"\nvpc_id = "{layout.vpc_id(vpc)}"\n'
                          f'availability_zone = "{REGION}{zone}"\ncidr_block = "{block}"\n\n')
    for file in range(layout.shape.files):
        with open(directory / f"endpoints-{file:05}.toml", "w") as out:
            for number in range(file, layout.shape.endpoints, layout.shape.files):
                out.write(endpoint_toml(layout, number))


def write_zone(layout, path, extra=()):
    """A master file for Knot, NSD and named; `extra` holds further (name, address)."""
    with open(path, "w") as out:
        out.write(f"$ORIGIN {ZONE}.\n$TTL 60\n@ IN SOA ns hostmaster 1 7200 900 1209600 60\n@ IN NS ns\n"
                  "ns IN A 127.0.0.1\n")
        for number in range(layout.shape.endpoints):
            for name, address in records(layout, number):
                out.write(f"{name.removesuffix('.' + ZONE)} A {address}\n")
        for name, address in extra:
            out.write(f"{name.removesuffix('.' + ZONE)} A {address}\n")


def write_unbound(layout, path):
    with open(path, "w") as out:
        out.write(f'server:\nlocal-zone: "{ZONE}." static\nlocal-data: "{ZONE}. 60 SOA ns.{ZONE}. '
                  f'hostmaster.{ZONE}. 1 7200 900 1209600 60"\n')
        for number in range(layout.shape.endpoints):
            for name, address in records(layout, number):
                out.write(f'local-data: "{name}. 60 A {address}"\n')


def write_hosts(layout, path, extra=()):
    with open(path, "w") as out:
        for number in range(layout.shape.endpoints):
            for name, address in records(layout, number):
                out.write(f"{address} {name}\n")
        for name, address in extra:
            out.write(f"{address} {name}\n")


def write_queries(layout, path, mix=(85, 10, 5), count=100_000):
    """What dnsperf asks: percent of A hits, AAAA of names that have only A, names that do not exist."""
    rng = random.Random(SEED)
    with open(path, "w") as out:
        for _ in range(count):
            kind = rng.choices(("hit", "nodata", "nxdomain"), mix)[0]
            number = rng.randrange(layout.shape.endpoints)
            # numbers past the last endpoint give names of the right form that nobody has
            number += 2 * layout.shape.endpoints if kind == "nxdomain" else 0
            out.write(f"{rng.choice(names(layout, number))} {'AAAA' if kind == 'nodata' else 'A'}\n")


def write_private_queries(path, mix=(85, 10, 5), count=20_000):
    """The same for private names: the name itself, its AAAA, a name below it."""
    rng = random.Random(SEED)
    with open(path, "w") as out:
        for _ in range(count):
            kind = rng.choices(("hit", "nodata", "nxdomain"), mix)[0]
            name = f"{rng.choice(SERVICES)}.{REGION}.amazonaws.com"
            name = f"no-{rng.randrange(1000)}.{name}" if kind == "nxdomain" else name
            out.write(f"{name} {'AAAA' if kind == 'nodata' else 'A'}\n")


class Data:
    """The files of one shape below a directory, each made when it is first asked for and kept for the next run."""

    def __init__(self, shape, directory):
        self.layout, self.dir = Layout(shape), Path(directory) / shape.label()
        self.dir.mkdir(parents=True, exist_ok=True)

    def toml(self):
        return self._made("zones", lambda path: write_toml(self.layout, path))

    def zone(self):
        return self._made("zone", lambda path: write_zone(self.layout, path))

    def unbound(self):
        return self._made("unbound.local", lambda path: write_unbound(self.layout, path))

    def hosts(self):
        return self._made("hosts", lambda path: write_hosts(self.layout, path))

    def queries(self, mix=(85, 10, 5)):
        name = "queries-" + "-".join(map(str, mix))
        writer = write_private_queries if self.layout.shape.private else (
            lambda path, mix: write_queries(self.layout, path, mix))
        return self._made(name, lambda path: writer(path, mix))

    def _made(self, name, write):
        path = self.dir / name
        if not path.exists():
            # a run that was stopped half way must not leave half a file under the final name
            half = self.dir / f"{name}.part"
            if half.is_dir():
                for file in half.iterdir():
                    file.unlink()
                half.rmdir()
            write(half)
            half.rename(path)
        return path

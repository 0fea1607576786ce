"""A small DNS encoder and a strict decoder, kept apart from the server's own code so that it can judge it.

Strict means: every octet of a reply is accounted for, pointers only lead backwards, names and labels keep their
bounds (RFC 1035 section 4). Anything else raises `Malformed`.
"""

import socket
import struct
import time
from dataclasses import dataclass, field

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
    "NAPTR": 35, "DNAME": 39, "OPT": 41, "DS": 43, "HTTPS": 65, "IXFR": 251, "AXFR": 252, "ANY": 255,
    "CAA": 257,
}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
          "NOTAUTH"]

# Record types whose data holds names, as (octets before the names, number of names). RFC 3597 section 4 allows
# compression in these alone; they are the ones that must be unpacked before two replies can be compared.
NAMES_IN_RDATA = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 33: (6, 1), 39: (0, 1)}


class Malformed(Exception):
    """A message that no strict reader should accept."""


@dataclass(frozen=True)
class Record:
    """A resource record; `rdata` is uncompressed, its names in lower case."""
    name: bytes
    type: int
    cls: int
    ttl: int
    rdata: bytes

    def __str__(self):
        kind = TYPE_NAMES.get(self.type, f"TYPE{self.type}")
        return f"{show_name(self.name)} {self.ttl} {kind} {show_rdata(self)}"


@dataclass
class Message:
    """A decoded message; the OPT record stands apart from the additional section."""
    id: int
    flags: int
    questions: list = field(default_factory=list)
    answer: list = field(default_factory=list)
    authority: list = field(default_factory=list)
    additional: list = field(default_factory=list)
    opt: Record = None

    @property
    def rcode(self):
        code = self.flags & 0xF
        if self.opt is not None:
            code |= (self.opt.ttl >> 24) << 4
        return RCODES[code] if code < len(RCODES) else f"RCODE{code}"

    def flag_names(self):
        bits = [("qr", 0x8000), ("aa", 0x400), ("tc", 0x200), ("rd", 0x100), ("ra", 0x80), ("ad", 0x20), ("cd", 0x10)]
        return [name for name, bit in bits if self.flags & bit]

    def __str__(self):
        lines = [f"{self.rcode} flags {' '.join(self.flag_names())}"]
        for title in ("answer", "authority", "additional"):
            lines += [f"  {title}: {record}" for record in getattr(self, title)]
        return "\n".join(lines)


def name_to_wire(text):
    """`a.b.` or `a.b` -> wire form; `\\.` and `\\DDD` as in master files."""
    if text in (".", ""):
        return b"\0"
    labels, label, i = [], bytearray(), 0
    while i < len(text):
        char = text[i]
        if char == "\\" and text[i + 1:i + 4].isdigit():
            label.append(int(text[i + 1:i + 4]))
            i += 4
        elif char == "\\":
            label += text[i + 1].encode("latin-1")
            i += 2
        elif char == ".":
            labels.append(bytes(label))
            label = bytearray()
            i += 1
        else:
            label += char.encode("latin-1")
            i += 1
    if label:
        labels.append(bytes(label))
    if any(not 0 < len(part) < 64 for part in labels):
        raise ValueError(f"bad label in {text!r}")
    return b"".join(bytes([len(part)]) + part for part in labels) + b"\0"


def show_name(wire):
    """Wire form -> text with a final dot."""
    labels, at = [], 0
    while wire[at]:
        label = wire[at + 1:at + 1 + wire[at]]
        labels.append("".join(
            "\\" + chr(octet) if octet in b".\\\"" else chr(octet) if 32 < octet < 127 else f"\\{octet:03}"
            for octet in label))
        at += 1 + wire[at]
    return ".".join(labels) + "."


def show_rdata(record):
    """Record data as a master file has it, for the types that the tests meet; RFC 3597 form for the rest."""
    data = record.rdata
    if record.type == 1 and len(data) == 4:
        return socket.inet_ntop(socket.AF_INET, data)
    if record.type == 28 and len(data) == 16:
        return socket.inet_ntop(socket.AF_INET6, data)
    if record.type == 16:
        parts, at = [], 0
        while at < len(data):
            parts.append('"' + data[at + 1:at + 1 + data[at]].decode("latin-1") + '"')
            at += 1 + data[at]
        return " ".join(parts)
    if record.type in NAMES_IN_RDATA:
        before, count = NAMES_IN_RDATA[record.type]
        words = [str(n) for n in struct.unpack(f"!{before // 2}H", data[:before])]
        at = before
        for _ in range(count):
            end = name_end(data, at)
            words.append(show_name(data[at:end]))
            at = end
        if record.type == 6:
            words += [str(n) for n in struct.unpack("!5I", data[at:])]
        return " ".join(words)
    return f"\\# {len(data)} {data.hex()}"


def name_end(data, at):
    """Where an uncompressed name that begins at `at` ends."""
    while data[at]:
        at += 1 + data[at]
    return at + 1


def question(qid, name, qtype, *, rd=True, ad=False, cd=False, edns=None, options=b"", do=False, cls=1):
    """A query as octets. `name` is text or wire; `edns` the UDP payload size to offer, None for no OPT."""
    wire = name if isinstance(name, bytes) else name_to_wire(name)
    number = TYPES[qtype] if isinstance(qtype, str) else qtype
    flags = rd * 0x100 | ad * 0x20 | cd * 0x10
    head = struct.pack("!6H", qid, flags, 1, 0, 0, 0 if edns is None else 1)
    packet = head + wire + struct.pack("!2H", number, cls)
    if edns is not None:
        packet += b"\0" + struct.pack("!2HIH", 41, edns, 0x8000 if do else 0, len(options)) + options
    return packet


def option(code, data):
    """An EDNS option as octets."""
    return struct.pack("!2H", code, len(data)) + data


def extended_errors(message):
    """The (code, text) pairs of RFC 8914 in a message."""
    found, data = [], message.opt.rdata if message.opt else b""
    while data:
        code, length = struct.unpack("!2H", data[:4])
        if code == 15:
            found.append((struct.unpack("!H", data[4:6])[0], data[6:4 + length].decode("utf-8", "replace")))
        data = data[4 + length:]
    return found


class _Reader:
    def __init__(self, packet):
        self.packet, self.at = packet, 0

    def take(self, count):
        end = self.at + count
        if end > len(self.packet):
            raise Malformed(f"{count} octets wanted at {self.at}, the message has {len(self.packet)}")
        data = self.packet[self.at:end]
        self.at = end
        return data

    def numbers(self, fmt):
        return struct.unpack(fmt, self.take(struct.calcsize(fmt)))

    def name(self):
        wire, self.at = read_name(self.packet, self.at)
        return wire


def read_name(packet, at):
    """The name at `at`, in lower case, and where what follows it begins."""
    parts, after, limit, length = [], None, at, 1
    while True:
        if at >= len(packet):
            raise Malformed("a name runs out of the message")
        size = packet[at]
        if size == 0:
            return b"".join(parts) + b"\0", at + 1 if after is None else after
        if size >= 0xC0:
            if at + 1 >= len(packet):
                raise Malformed("a pointer runs out of the message")
            target = (size & 0x3F) << 8 | packet[at + 1]
            # RFC 1035 section 4.1.4: to a prior occurrence; this is also what keeps the loop finite
            if target >= limit:
                raise Malformed(f"pointer at {at} leads to {target}, not backwards")
            after = at + 2 if after is None else after
            at = limit = target
            continue
        if size > 63:
            raise Malformed(f"label type {size >> 6:#b} at {at}")
        label = packet[at:at + 1 + size]
        length += len(label)
        if len(label) != 1 + size or length > 255:
            raise Malformed("a label or name is too long")
        parts.append(label.lower())
        at += 1 + size


def decode(packet):
    """A whole message, or `Malformed`."""
    reader = _Reader(packet)
    qid, flags, *counts = reader.numbers("!6H")
    message = Message(qid, flags)
    for _ in range(counts[0]):
        message.questions.append((reader.name(), *reader.numbers("!2H")))
    for section, count in zip(("answer", "authority", "additional"), counts[1:]):
        for _ in range(count):
            record = _record(reader)
            if record.type != 41:
                getattr(message, section).append(record)
            elif section != "additional" or message.opt or record.name != b"\0":
                raise Malformed("an OPT record that is misplaced, doubled or named")
            else:
                message.opt = record
                extended_errors(message)
    if reader.at != len(packet):
        raise Malformed(f"{len(packet) - reader.at} octets after the last record")
    return message


def _record(reader):
    name = reader.name()
    rtype, cls, ttl, length = reader.numbers("!2HIH")
    end = reader.at + length
    if end > len(reader.packet):
        raise Malformed(f"record data of {length} octets runs out of the message")
    if rtype in NAMES_IN_RDATA:
        before, count = NAMES_IN_RDATA[rtype]
        rdata = reader.take(before) + b"".join(reader.name() for _ in range(count))
        if reader.at > end:
            raise Malformed("a name in record data runs out of it")
        rdata += reader.take(end - reader.at)
    else:
        rdata = reader.take(length)
    if (rtype, length) in ((1, 4), (28, 16)) or rtype not in (1, 28):
        return Record(name, rtype, cls, ttl, rdata)
    raise Malformed(f"an address record of {length} octets")


def ask(server, name, qtype, *, source=None, tcp=False, timeout=3.0, **options):
    """One question to `server` (address, port), its reply decoded; questions go twice before `TimeoutError`."""
    qid = hash((name, qtype, time.monotonic_ns())) & 0xFFFF
    packet = question(qid, name, qtype, **options)
    reply = exchange_tcp(server, packet, source, timeout) if tcp else exchange_udp(server, packet, source, timeout)
    message = decode(reply)
    if message.id != qid or not message.flags & 0x8000:
        raise Malformed(f"reply to {name} {qtype} has id {message.id} or no QR")
    return message


def exchange_udp(server, packet, source=None, timeout=3.0, tries=2):
    """Sends a packet and returns the reply to it, by id; `TimeoutError` after `tries`."""
    with udp_socket(server, source) as sock:
        for _ in range(tries):
            sock.send(packet)
            deadline = time.monotonic() + timeout
            while (left := deadline - time.monotonic()) > 0:
                sock.settimeout(left)
                try:
                    reply = sock.recv(65535)
                except TimeoutError:
                    break
                except ConnectionRefusedError as refused:
                    raise TimeoutError(f"nobody listens on {server}") from refused
                if reply[:2] == packet[:2]:
                    return reply
    raise TimeoutError(f"no reply from {server}")


def exchange_tcp(server, packet, source=None, timeout=3.0):
    """The same over TCP with its two length octets; an empty result means the server closed instead."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        if source:
            sock.bind((source, 0))
        sock.connect(server)
        sock.sendall(struct.pack("!H", len(packet)) + packet)
        head = _receive(sock, 2)
        return _receive(sock, struct.unpack("!H", head)[0]) if head else b""


def udp_socket(server, source=None):
    """A connected UDP socket, bound to `source` if one is given."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if source:
        sock.bind((source, 0))
    sock.connect(server)
    return sock


def _receive(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            return b""
        data += part
    return data

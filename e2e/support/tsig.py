"""TSIG (RFC 8945) in few lines: signs a question, and reads what a reply says of its own signature."""

import base64
import hmac
import struct
import time

from . import dns

ANY, TSIG = 255, 250


def sign(packet, name, secret, algorithm="hmac-sha256", when=None, fudge=300):
    """The packet with a TSIG record; `when`: the time, where it is not now's."""
    owner, how = dns.name_to_wire(name), dns.name_to_wire(algorithm)
    timers = struct.pack("!HIH", 0, int(time.time()) if when is None else when, fudge)
    signed = packet + owner + struct.pack("!HI", ANY, 0) + how + timers + struct.pack("!HH", 0, 0)
    mac = hmac.digest(base64.b64decode(secret), signed, algorithm.removeprefix("hmac-"))
    data = how + timers + struct.pack("!H", len(mac)) + mac + packet[:2] + struct.pack("!HH", 0, 0)
    header = packet[:10] + struct.pack("!H", struct.unpack("!H", packet[10:12])[0] + 1)
    return header + packet[12:] + owner + struct.pack("!HHIH", TSIG, ANY, 0, len(data)) + data


def error(message):
    """The error in the TSIG record of a reply; None where there is none."""
    found = [record for record in message.additional if record.type == TSIG]
    if not found:
        return None
    data = found[0].rdata
    at = dns.name_end(data, 0) + 8
    size = struct.unpack("!H", data[at:at + 2])[0]
    return struct.unpack("!H", data[at + 2 + size + 2:at + 2 + size + 4])[0]

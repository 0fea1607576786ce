"""Run inside a network namespace: one attack, told as JSON on stdin, while honest clients ask; prints JSON.

    {"kind": "connections" | "datagrams" | "streams", "from": [addresses], "to": [[address, port, payload in hex], ...],
     "count": N, "honest": {"server": address, "tls": port, "https": port, "quic": port, "local": NAME, "suffix": NAME}}

`connections` sends its payload, which is no whole request, and holds the connection; `streams` sends it and waits for the
end; `datagrams` sends random octets where the payload is empty. Honest clients ask all the while: a local name over UDP, TCP,
TLS, HTTPS and QUIC (by kdig, a handshake for each question), and below `suffix` a new name for each question, which is
forwarded.
"""

import asyncio
import json
import os
import resource
import socket
import ssl
import struct
import sys
import time

PATIENCE = 5
AT_ONCE = 100
# descriptors for connections that are being opened, and for honest clients
SPARE = 500


def question(name, number=77):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 1) + labels + struct.pack("!BHH", 0, 1, 1) + edns


def is_good(reply):
    return len(reply) > 12 and reply[3] & 15 == 0 and struct.unpack_from("!H", reply, 6)[0] > 0


async def connect(source, target):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.bind((source, 0))
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, target), PATIENCE)
        return sock
    except (OSError, TimeoutError):
        sock.close()
        return None


async def hold(source, address, port, payload, held, waits):
    sock = await connect(source, (address, port))
    if sock is None:
        return
    try:
        await asyncio.get_running_loop().sock_sendall(sock, payload)
        if waits:
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 4096), PATIENCE)
    except (OSError, TimeoutError):
        pass
    if waits:
        sock.close()
        return
    held.append(sock)
    # the long form opens more than this process may hold: the oldest go, which the server has closed long since
    if len(held) > resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE:
        held.pop(0).close()


async def attack(order, held):
    slots = asyncio.Semaphore(AT_ONCE)
    sources, targets = order["from"], [(address, port, bytes.fromhex(payload)) for address, port, payload in order["to"]]

    async def one(number):
        async with slots:
            address, port, payload = targets[number % len(targets)]
            await hold(sources[number // len(targets) % len(sources)], address, port, payload, held, order["kind"] == "streams")

    if order["kind"] != "datagrams":
        await asyncio.gather(*(one(number) for number in range(order["count"] * len(targets))))
        return
    socks = []
    for source in sources:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((source, 0))
        sock.setblocking(False)
        socks.append(sock)
    for number in range(order["count"]):
        address, port, payload = targets[number % len(targets)]
        try:
            socks[number % len(socks)].sendto(payload or os.urandom(1 + number % 1400), (address, port))
        except (BlockingIOError, PermissionError):
            pass
        if number % 50 == 49:
            await asyncio.sleep(0.01)
    held.extend(socks)


class Honest:
    """Clients that ask one question after the other, each in its own way."""

    def __init__(self, order):
        self.order, self.number = order, 0
        self.server = (order["server"], 53)
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.asked, self.good, self.slowest = {}, {}, {}

    def ways(self):
        local = self.order["local"]
        yield "udp", lambda: self.udp(local)
        yield "forwarded", lambda: self.udp(f"n{os.getpid()}x{self.number}.{self.order['suffix']}")
        yield "tcp", lambda: self.stream(local, 53, None)
        if self.order.get("tls"):
            yield "tls", lambda: self.stream(local, self.order["tls"], self.context)
        if self.order.get("https"):
            yield "https", lambda: self.https(local)
        if self.order.get("quic"):
            yield "quic", lambda: self.quic(local)

    async def ask_all(self, until):
        await asyncio.gather(*(self.ask(way, how, until) for way, how in self.ways()))

    async def ask(self, way, how, until):
        while not until() or self.asked.get(way, 0) < 5:
            self.number += 1
            began = time.monotonic()
            try:
                good = await asyncio.wait_for(how(), PATIENCE)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                good = False
            self.asked[way] = self.asked.get(way, 0) + 1
            self.good[way] = self.good.get(way, 0) + good
            self.slowest[way] = max(self.slowest.get(way, 0), round((time.monotonic() - began) * 1000))
            await asyncio.sleep(0.05)

    def source(self):
        return f"10.0.50.{self.number % 20 + 1}"

    async def udp(self, name):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind((self.source(), 0))
            sock.connect(self.server)
            await loop.sock_sendall(sock, question(name))
            return is_good(await loop.sock_recv(sock, 4096))

    async def stream(self, name, port, context):
        packet = question(name)
        reader, writer = await asyncio.open_connection(self.order["server"], port, ssl=context, local_addr=(self.source(), 0))
        try:
            writer.write(struct.pack("!H", len(packet)) + packet)
            size = struct.unpack("!H", await reader.readexactly(2))[0]
            return is_good(await reader.readexactly(size))
        finally:
            writer.close()

    async def https(self, name):
        packet = question(name)
        reader, writer = await asyncio.open_connection(self.order["server"], self.order["https"], ssl=self.context,
                                                       local_addr=(self.source(), 0))
        try:
            writer.write(f"POST /dns-query HTTP/1.1\r\nHost: dns.example\r\nContent-Type: application/dns-message\r\n"
                         f"Content-Length: {len(packet)}\r\nConnection: close\r\n\r\n".encode() + packet)
            octets = await reader.read()
            return is_good(octets.partition(b"\r\n\r\n")[2])
        finally:
            writer.close()


    async def quic(self, name):
        words = ["kdig", f"@{self.order['server']}", "-p", str(self.order["quic"]), "-b", self.source(), "+quic", "+short",
                 f"+timeout={PATIENCE}", "+retry=0", name, "A"]
        asked = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
        try:
            return (await asked.communicate())[0].strip().count(b".") == 3
        finally:
            if asked.returncode is None:
                asked.kill()


async def main():
    order = json.loads(sys.stdin.readline())
    honest, held, began = Honest(order["honest"]), [], time.monotonic()
    attacking = asyncio.create_task(attack(order, held))
    await honest.ask_all(attacking.done)
    await attacking
    for sock in held:
        sock.close()
    print(json.dumps({"asked": honest.asked, "good": honest.good, "slowest_ms": honest.slowest, "held": len(held),
                      "seconds": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main())

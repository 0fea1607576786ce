"""Run inside a network namespace: opens many connections from many addresses while honest clients ask; prints JSON.

    flood.py tcp SERVER PORT HOSTILE_NETWORK ADDRESSES CONNECTIONS HONEST_NETWORK QUESTIONS NAME
    flood.py udp SERVER PORT HOSTILE_NETWORK ADDRESSES DATAGRAMS NAME

A network is the first three numbers of its addresses: 198.51.100.
"""

import asyncio
import json
import resource
import socket
import struct
import sys
import time


def question(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    return struct.pack("!HHHHHH", 77, 0x0100, 1, 0, 0, 1) + labels + struct.pack("!BHH", 0, 1, 1) + edns


async def connect(address, server):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.bind((address, 0))
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, server), 3)
        return sock
    except (OSError, TimeoutError):
        sock.close()
        return None


async def ask(address, server, packet):
    """Whether one question over a connection of its own gets its reply within three seconds."""
    loop = asyncio.get_running_loop()

    async def exchange():
        sock = await connect(address, server)
        if sock is None:
            return False
        with sock:
            await loop.sock_sendall(sock, struct.pack("!H", len(packet)) + packet)
            got = b""
            while len(got) < 4:
                more = await loop.sock_recv(sock, 65536)
                if not more:
                    return False
                got += more
            return got[2:4] == packet[:2]

    try:
        return await asyncio.wait_for(exchange(), 3)
    except (OSError, TimeoutError):
        return False


async def tcp(server, port, hostile, addresses, connections, honest, questions, name):
    server, packet, held, slots = (server, int(port)), question(name), [], asyncio.Semaphore(100)

    async def attack(number):
        async with slots:
            held.append(await connect(f"{hostile}.{number % int(addresses) + 1}", server))

    began = time.monotonic()
    attackers = [asyncio.create_task(attack(number)) for number in range(int(connections))]
    # the honest ones come once there are more hostile connections than slots, and while there come more
    while len(held) < min(2000, int(connections)):
        await asyncio.sleep(0.01)
    good, worst = 0, 0.0
    for number in range(int(questions)):
        asked = time.monotonic()
        good += await ask(f"{honest}.{number % 20 + 1}", server, packet)
        worst = max(worst, time.monotonic() - asked)
    await asyncio.gather(*attackers)
    after = await ask(f"{honest}.30", server, packet)
    print(json.dumps({"opened": sum(sock is not None for sock in held), "good": good, "of": int(questions), "after": after,
                      "worst_ms": round(worst * 1000), "seconds": round(time.monotonic() - began, 1)}))


def udp(server, port, hostile, addresses, datagrams, name):
    packet, server = question(name), (server, int(port))
    socks = []
    for number in range(int(addresses)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"{hostile}.{number + 1}", 0))
        sock.setblocking(False)
        socks.append(sock)
    began = time.monotonic()
    for number in range(int(datagrams)):
        socks[number % len(socks)].sendto(packet, server)
        if number % 50 == 49:
            time.sleep(0.005)
    seconds = time.monotonic() - began
    time.sleep(0.5)
    whole = truncated = longest = 0
    for sock in socks:
        while True:
            try:
                reply = sock.recv(4096)
            except BlockingIOError:
                break
            longest = max(longest, len(reply))
            truncated, whole = (truncated + 1, whole) if reply[2] & 2 else (truncated, whole + 1)
    print(json.dumps({"whole": whole, "truncated": truncated, "sent": int(datagrams), "seconds": round(seconds, 2),
                      "amplification": round((28 + longest) / (28 + len(packet)), 2)}))


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1] == "udp":
        udp(*sys.argv[2:])
    else:
        asyncio.run(tcp(*sys.argv[2:]))

"""A proxy between servers and a member of etcd that takes something out of what is said: the faults which a judge has to find.

HTTP/2 frames pass as they are, but for the messages of gRPC in DATA frames, which are put together, looked at and sent on.
What is taken out of them is given back to the sender as window (RFC 9113 5.2). Messages are told apart by how they begin.
"""

import socket
import struct
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, WINDOW_UPDATE, END_STREAM, MAX_FRAME = 0, 8, 1, 16384


class Tampering:
    """Listens on `port` and leads to `target`. `what`: `no compare`, `token ignored`, `lost event`, or None. Does nothing
    until `begin`; `count` is how often it did something."""

    def __init__(self, target, what):
        self.target, self.what, self.count, self.is_on = target, what, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self):
        """From now on."""
        self.is_on = True

    def stop(self):
        """Ends it with all that it carries."""
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def change(self, message, is_question):
        """A message as it is sent on; None: it is not."""
        if not self.is_on or not self.what:
            return message
        changed = message
        if self.what == "no compare" and is_question and is_txn(message):
            changed = join(part for part in fields(message) if part[0] != 1)
        elif self.what == "token ignored" and is_question and is_txn(message):
            changed = join(part for part in fields(message) if not (part[0] == 2 and b"/v1/t/" in part[1]))
        elif self.what == "lost event" and not is_question and any(number == 11 for number, _, _ in fields(message)):
            changed = None
        self.count += changed != message
        return changed

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.sockets += [near, far]
            locks = {near: threading.Lock(), far: threading.Lock()}
            for source, sink, is_question in ((near, far, True), (far, near, False)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._carry, args=(source, sink, is_question, locks), daemon=True).start()

    def _carry(self, source, sink, is_question, locks):
        reader, pending = source.makefile("rb"), {}

        def send(to, octets):
            with locks[to]:
                to.sendall(octets)

        try:
            if is_question:
                send(sink, reader.read(len(PREFACE)))
            while head := reader.read(9):
                length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
                payload = reader.read(length)
                if kind != DATA:
                    send(sink, head + payload)
                    continue
                buffer = pending.get(stream, b"") + payload
                out, lost, buffer = self._messages(buffer, is_question)
                pending[stream] = buffer
                for at in range(0, len(out), MAX_FRAME):
                    piece = out[at:at + MAX_FRAME]
                    send(sink, frame(DATA, 0, stream, piece))
                if flags & END_STREAM:
                    send(sink, frame(DATA, END_STREAM, stream, b""))
                for of in (0, stream) if lost else ():
                    send(source, frame(WINDOW_UPDATE, 0, of, struct.pack("!I", lost)))
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _messages(self, buffer, is_question):
        """The whole messages in a buffer as they are sent on, the octets that are not, and what is not whole yet."""
        out, lost = b"", 0
        while len(buffer) >= 5 and len(buffer) >= 5 + (length := int.from_bytes(buffer[1:5], "big")):
            message, buffer = buffer[5:5 + length], buffer[5 + length:]
            changed = self.change(message, is_question)
            sent = b"" if changed is None else b"\0" + struct.pack("!I", len(changed)) + changed
            lost += 5 + length - len(sent)
            out += sent
        return out, lost, buffer


def frame(kind, flags, stream, payload):
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def is_txn(message):
    """Whether this is a TxnRequest: its first field is a Compare, which names its target first. Ranges begin with a key, which
    begins with a slash, and watches with a message that does."""
    first = next(iter(fields(message)), (0, b"", b""))
    return first[0] == 1 and first[1][:1] == b"\x10"


def fields(message):
    """(number, content, octets) of the fields of a message."""
    at = 0
    while at < len(message):
        begin = at
        tag, at = varint(message, at)
        if tag & 7 == 2:
            length, at = varint(message, at)
            content, at = message[at:at + length], at + length
        elif tag & 7 == 0:
            value, at = varint(message, at)
            content = str(value).encode()
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, content, message[begin:at]


def varint(message, at):
    value = shift = 0
    while True:
        octet = message[at]
        value, shift, at = value | (octet & 0x7F) << shift, shift + 7, at + 1
        if octet < 0x80:
            return value, at


def join(parts):
    """Fields as a message."""
    return b"".join(octets for _, _, octets in parts)

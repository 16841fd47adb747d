"""A small server of DNS on loopback, over UDP and TCP, in a thread of its own: what it says is what a test has told it.

Invariants: it answers what it was asked, one datagram or one message at a time, and is gone when its block is left. Not here:
what is a good answer, which the tests know. Source: RFC 1035 section 4.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "CAA": 257}
NAMES = {number: name for name, number in TYPES.items()}
OK, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
SILENCE = -1
GARBAGE = -2
PATIENCE_S = 10.0  # of one TCP message
PORTS_TRIED = 50


def name(text: str) -> bytes:
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def text(*parts: bytes) -> bytes:
    return b"".join(bytes([len(part)]) + part for part in parts)


def a(address: str) -> bytes:
    return socket.inet_aton(address)


def aaaa(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, address)


def mx(priority: int, exchange: str) -> bytes:
    return struct.pack("!H", priority) + name(exchange)


def srv(priority: int, weight: int, port: int, target: str) -> bytes:
    return struct.pack("!HHH", priority, weight, port) + name(target)


def soa(nsname: str, hostmaster: str, *numbers: int) -> bytes:
    return name(nsname) + name(hostmaster) + struct.pack("!IIIII", *numbers)


def naptr(order: int, preference: int, flags: str, service: str, regexp: str, replacement: str) -> bytes:
    texts = text(flags.encode(), service.encode(), regexp.encode())
    return struct.pack("!HH", order, preference) + texts + name(replacement)


def caa(critical: int, tag: str, value: str) -> bytes:
    return bytes([critical]) + text(tag.encode()) + value.encode()


@dataclass
class Question:
    """What was asked."""

    id: int
    hostname: str
    kind: str
    raw: bytes  # the question section
    is_tcp: bool


@dataclass
class Records:
    """What is said of one name and kind: an rcode, SILENCE or GARBAGE, and records (kind, rdata)."""

    rcode: int = OK
    records: list[tuple[str, bytes]] = field(default_factory=list)
    ttl: int = 60
    is_truncated: bool = False  # over UDP, so that the client comes by TCP


class Server:
    """`with Server() as server: server.say("example.com", "A", a("192.0.2.1"))`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []  # (hostname, kind), each as it came
        self.by_tcp = 0
        self._said: dict[tuple[str, str], Records] = {}
        self._stack = ExitStack()

    def say(self, hostname: str, kind: str, *rdata: bytes, ttl: int = 60, is_truncated: bool = False) -> None:
        self._said[hostname, kind] = Records(OK, [(kind, one) for one in rdata], ttl, is_truncated)

    def say_records(self, hostname: str, kind: str, *records: tuple[str, bytes]) -> None:
        self._said[hostname, kind] = Records(OK, list(records))

    def refuse(self, hostname: str, kind: str, rcode: int) -> None:
        self._said[hostname, kind] = Records(rcode)

    def __enter__(self) -> Server:
        enter = self._stack.enter_context
        self._udp, self._tcp = map(enter, _two_on_one_port())
        self.port = self._udp.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._tcp.listen()
        self._stop, self._stopped = (enter(end) for end in socket.socketpair())
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.send(b"x")
        self._thread.join()
        self._stack.close()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._udp, self._tcp, self._stopped], [], [])
            if self._stopped in ready:
                return
            if self._udp in ready:
                message, client = self._udp.recvfrom(4096)
                answer = self._answer(message, is_tcp=False)
                if answer is not None:
                    self._udp.sendto(answer, client)
            if self._tcp in ready:
                self._serve_connection(self._tcp.accept()[0])

    def _serve_connection(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        with connection, connection.makefile("rb") as file:
            head = file.read(2)
            if len(head) == 2:
                answer = self._answer(file.read(struct.unpack("!H", head)[0]), is_tcp=True)
                if answer is not None:
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, message: bytes, *, is_tcp: bool) -> bytes | None:
        question = _read(message, is_tcp)
        self.asked.append((question.hostname, question.kind))
        self.by_tcp += is_tcp
        said = self._said.get((question.hostname, question.kind), Records(NXDOMAIN))
        if said.rcode == SILENCE:
            return None
        if said.rcode == GARBAGE:
            return struct.pack("!HHHHHH", question.id, 0x8180, 1, 1, 0, 0) + question.raw + b"\xff\xff"
        return _message(question, said)


def _two_on_one_port() -> tuple[socket.socket, socket.socket]:
    # UDP and TCP count their ports apart: one that is free for the one may be taken for the other.
    for _ in range(PORTS_TRIED):
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.bind(("127.0.0.1", 0))
            udp.bind(tcp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
        else:
            return udp, tcp
    raise OSError(f"{PORTS_TRIED} ports are taken")


def _read(message: bytes, is_tcp: bool) -> Question:
    (number,) = struct.unpack_from("!H", message)
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode().lower())  # c-ares may mix cases: DNS 0x20
        at += 1 + message[at]
    (kind,) = struct.unpack_from("!H", message, at + 1)
    return Question(number, ".".join(labels), NAMES[kind], message[12 : at + 5], is_tcp)


def _message(question: Question, said: Records) -> bytes:
    is_cut = said.is_truncated and not question.is_tcp
    records = [] if is_cut else said.records
    flags = 0x8180 | (0x0200 if is_cut else 0) | said.rcode
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", TYPES[kind], 1, said.ttl, len(rdata)) + rdata for kind, rdata in records)
    return struct.pack("!HHHHHH", question.id, flags, 1, len(records), 0, 0) + question.raw + body

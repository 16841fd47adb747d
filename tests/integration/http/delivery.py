"""How vectors travel: many connections at once, each cut into parts that the server is made to read one by one.

A cut is real only when the server has read the first part before the second leaves. No clock is asked for that: after
each round a good request on another connection is answered (the barrier), so the loop has polled since.
Every part must be taken and every end must be a FIN: a server that resets a client which still writes loses its own
answer (RFC 9112 9.6), whatever was in it. Not here: what to expect (vectors.py).
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from tests.integration.http.response import BadResponse, Response, ResponseReader
from tests.integration.http.rivals import shown
from tests.integration.http.vectors import CLOSED, GOOD, OPEN, Vector
from tests.integration.support import Address, RawClient

AT_ONCE = 200  # connections; the default limit is 1,024 descriptors
SETTLE_S = 20.0  # far below the default header timeout plus linger of nothing: an answer to rubbish is immediate


@dataclass
class Conversation:
    """One connection that says one vector, and what came of it."""

    vector: Vector
    parts: Sequence[bytes]
    before: int = 0  # good requests in front of the vector, each to be answered 200
    label: str = ""
    responses: list[Response] = field(default_factory=list)
    problem: str = ""
    is_ended: bool = False
    is_sendable: bool = True

    def __post_init__(self) -> None:
        self.reader = ResponseReader()  # the program under test says which answers go to HEAD

    def connect(self, address: Address) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.connect(address)
        self.socket.setblocking(False)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self.is_sendable:
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:
                if not select.select([], [self.socket], [], SETTLE_S)[1]:
                    self.is_sendable = False
                    self.fail(f"it takes no more, {len(view)} bytes before the end")
            except OSError as error:
                self.is_sendable = False
                self.fail(f"it did not take every byte: {error!r}")

    def receive(self) -> None:
        """Take what is there. Must only be called when something is, or may be."""
        while not self.is_ended:
            try:
                data = self.socket.recv(65_536)
            except BlockingIOError:
                return
            except OSError as error:
                self.is_ended = True
                self.fail(f"it ended with {error!r} instead of FIN")
                return
            try:
                if data:
                    self.responses.extend(self.reader.feed(data))
                else:
                    self.is_ended = True
                    last = self.reader.eof()
                    if last is not None:
                        self.responses.append(last)
            except BadResponse as error:
                self.is_ended = True
                self.fail(str(error))

    @property
    def awaited(self) -> int:
        return self.before + len(self.vector.expect)

    @property
    def is_settled(self) -> bool:
        return self.is_ended or (self.vector.ends_here != CLOSED and len(self.responses) >= self.awaited)

    def fail(self, problem: str) -> None:
        self.problem = self.problem or problem

    def judge(self) -> None:
        """Compare what came with what the vector expects."""
        vector = self.vector
        statuses = [response.status for response in self.responses]
        expected = [*[(200,)] * self.before, *((one,) if isinstance(one, int) else one for one in vector.expect)]
        fits = len(statuses) == len(expected) or (vector.or_silent and len(statuses) == len(expected) - 1)
        if not fits or any(status not in choice for status, choice in zip(statuses, expected, strict=False)):
            return self.fail(f"answers {statuses}, expected {[one[0] if len(one) == 1 else one for one in expected]}")
        if vector.ours is not None and statuses[self.before :] != [*vector.ours]:
            return self.fail(f"answers {statuses[self.before :]}, which the rule allows; but treadle gives {[*vector.ours]}")
        if any(response.truncated for response in self.responses):
            return self.fail("an answer was cut off")
        if vector.ends_here == CLOSED and not self.is_ended:
            return self.fail("the connection stays open")
        if vector.ends_here == OPEN and self.is_ended:
            return self.fail("the connection was closed")
        if self.is_ended and statuses and statuses[-1] >= 400 and not self.responses[-1].announces_close():
            return self.fail(f"the error closes without saying so: {self.responses[-1].headers}")
        echo = vector.echo
        if echo is not None and statuses[-1] == 200 and self.responses[-1].body != (echo or b"ok"):
            return self.fail(f"the handler saw the body {self.responses[-1].body[:80]!r}")
        return None

    def report(self) -> str:
        what = f"{self.vector.name}{self.label}: {self.problem} [{self.vector.rule}]"
        return f"{what}\n    sent {self.vector.data[:160]!r}\n    others: {shown(self.vector.name)}"


def deliver(address: Address, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
    """Hold every conversation, some at a time, and judge it. Yields them all, those that failed with a `problem`."""
    pending = iter(conversations)
    while batch := list(islice(pending, AT_ONCE)):
        try:
            _hold(address, batch)
        finally:
            for one in batch:
                one.socket.close()
        yield from batch


def _hold(address: Address, batch: list[Conversation]) -> None:
    for one in batch:
        one.connect(address)
    rounds = max(len(one.parts) for one in batch)
    for index in range(rounds):
        for one in batch:
            if index < len(one.parts):
                one.send(one.parts[index])
        if rounds > 1:
            pass_barrier(address)
    for one in batch:
        if one.vector.eof and one.is_sendable:
            one.socket.shutdown(socket.SHUT_WR)
    _settle(batch)
    pass_barrier(address)  # whatever the server still wants to say, it has said now
    for one in batch:
        one.receive()
        one.judge()
    survivors = [one for one in batch if not one.is_ended and not one.problem and one.vector.ends_here == OPEN]
    for one in survivors:
        one.responses.clear()
        one.vector = Vector(f"{one.vector.name}, then good", GOOD, (200,), "the connection goes on", OPEN, (200,))
        one.before = 0
        one.send(GOOD)
    _settle(survivors)
    for one in survivors:
        one.judge()


def pass_barrier(address: Address) -> None:
    """A good request, answered: the server has polled since, and read whatever had arrived before."""
    with RawClient(address) as client:
        response = client.request("GET", "/barrier", "Connection: close")
    assert response.status == 200, response


def _settle(batch: list[Conversation]) -> None:
    """Read until each conversation has its answers or its end, or time is up."""
    poller = select.epoll()
    waiting = {one.socket.fileno(): one for one in batch}
    try:
        for descriptor in waiting:
            poller.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
        end = time.monotonic() + SETTLE_S
        while waiting and time.monotonic() < end:
            for descriptor, _ in poller.poll(max(0.0, end - time.monotonic())):
                one = waiting[descriptor]
                one.receive()
                if one.is_settled:
                    poller.unregister(descriptor)
                    del waiting[descriptor]
        for one in waiting.values():
            one.fail(f"no end within {SETTLE_S} s, answers so far {[response.status for response in one.responses]}")
    finally:
        poller.close()

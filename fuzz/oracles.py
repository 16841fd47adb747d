"""Other readers of HTTP/1 requests, asked what they make of a byte stream: httptools and h11 in this process, Node's http server in
a child that lives as long as the run. Each as it comes, but for sizes: limits are not compared.
"""

from __future__ import annotations

import json
import struct
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self

import h11
import httptools

from fuzz.framings import End, Framing, Message

HEAD_BYTES_MAX = 64 * 1024  # more than a stream has
ORACLE_JS = Path(__file__).with_name("oracle.js")
NODE_S = 20.0  # for one answer, and to end once its input has


class Oracle(Protocol):
    """One who is asked about streams: all at once first, each for its answer later, in the same order."""

    name: str

    def ask(self, streams: Sequence[bytes]) -> None: ...
    def answers(self, count: int) -> list[Framing]: ...


class InProcess:
    """One that answers when it is asked for the answer, so that those elsewhere compute meanwhile."""

    name: str

    def __init__(self) -> None:
        self._streams: list[bytes] = []

    def ask(self, streams: Sequence[bytes]) -> None:
        self._streams.extend(streams)

    def answers(self, count: int) -> list[Framing]:
        streams, self._streams = self._streams[:count], self._streams[count:]
        return [self.examine(stream) for stream in streams]

    def examine(self, stream: bytes) -> Framing:
        raise NotImplementedError


class Httptools(InProcess):
    """llhttp as uvicorn runs it. It has no opinion on Host, nor on anything else that is the server's to check."""

    name = "httptools"

    def examine(self, stream: bytes) -> Framing:
        reading = _Reading()
        messages = reading.messages
        try:
            reading.parser.feed_data(stream)
        except httptools.HttpParserUpgrade:
            if reading.is_counted and reading.parser.get_method() == b"CONNECT":
                return Framing(tuple(messages[:-1]), End.REFUSED, "CONNECT")  # as a server does that opens no tunnel
            if reading.is_counted:
                # Without a body, whatever the head says: with an offer httptools reads none.
                return Framing(tuple(messages[:-1]), End.UPGRADED)
        except httptools.HttpParserError as error:
            if not reading.is_closed:
                return Framing(tuple(messages), End.REFUSED, str(error))
        return Framing(tuple(messages), End.CLOSED if reading.is_closed else End.DONE)


class _Reading:
    """The protocol of one parser."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.is_closed = False
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.url, self.body = bytearray(), bytearray()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_counted = not self.is_closed
        if self.is_counted:
            self.messages.append(Message.of(self.parser.get_method().decode(), bytes(self.url), bytes(self.body)))
            self.is_closed = not self.parser.should_keep_alive()


class H11(InProcess):
    """h11 in the role of a server that answers each request at once. It never keeps a connection of HTTP/1.0."""

    name = "h11"

    def examine(self, stream: bytes) -> Framing:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        connection.receive_data(stream)
        messages: list[Message] = []
        while True:
            try:
                message = self._next(connection)
            except h11.RemoteProtocolError as error:
                return Framing(tuple(messages), End.REFUSED, str(error))
            if message is None:
                return Framing(tuple(messages), End.DONE)
            if message.method == "CONNECT":
                return Framing(tuple(messages), End.REFUSED, "CONNECT")
            messages.append(message)
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return Framing(tuple(messages), End.CLOSED)
            connection.start_next_cycle()

    def _next(self, connection: h11.Connection) -> Message | None:
        request, body = None, bytearray()
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                return Message.of(request.method.decode(), request.target, bytes(body))
            else:
                return None


class Node:
    """node:http in a child (oracle.js). A context manager: the child is gone afterwards."""

    def __init__(self, name: str, program: Path) -> None:
        self.name = name
        self._child = subprocess.Popen([program, ORACLE_JS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)  # the child must not wait for who writes to it
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as pipe:
            for line in pipe:
                self._lines.put(line)
        self._lines.put(b"")

    def ask(self, streams: Sequence[bytes]) -> None:
        """Raises OSError if the child has ended."""
        assert self._child.stdin is not None
        self._child.stdin.write(b"".join(struct.pack(">I", len(stream)) + stream for stream in streams))
        self._child.stdin.flush()

    def answers(self, count: int) -> list[Framing]:
        """Raises ConnectionError if the child has ended, queue.Empty if it does not answer."""
        return [self._framing(self._lines.get(timeout=NODE_S)) for _ in range(count)]

    def _framing(self, line: bytes) -> Framing:
        if not line:
            raise ConnectionError(f"{self.name} has ended with {self._child.wait(NODE_S)}")
        said = json.loads(line)
        messages = tuple(
            Message(method, bytes.fromhex(target), length, digest) for method, target, length, digest in said["messages"]
        )
        return Framing(messages, End(said["end"]), said["reason"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.close()
            self._child.wait(NODE_S)
        except (OSError, subprocess.TimeoutExpired):
            self._child.kill()
            self._child.wait()
        self._reader.join()

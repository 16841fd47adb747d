"""A strict reader of HTTP/1 responses: bytes in, finished responses out, no I/O.

It is the judge of everything that a server under test writes, and so it forgives nothing: one line end (CRLF), token
names, one way of framing, no byte that belongs to no response. What it cannot read raises `BadResponse`.
Not here: sockets (tests.integration.support), expectations (vectors.py).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

HEAD_BYTES_MAX = 64 * 1024  # no head of ours comes near; a server that writes more is broken

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2}) ([\t \x21-\x7e\x80-\xff]*)")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t \x21-\x7e\x80-\xff]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class BadResponse(AssertionError):
    """The server wrote something that RFC 9112 does not allow."""


@dataclass
class Response:
    """One final response; `interim` holds the 1xx statuses that came before it."""

    status: int
    reason: str
    http_version: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    framing: str = "none"  # none | length | chunked | close
    truncated: bool = False  # the connection ended inside this response

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return ", ".join(values) if values else None

    def announces_close(self) -> bool:
        options = [option.strip().lower() for option in (self.get("connection") or "").split(",")]
        return "close" in options


class ResponseReader:
    """Feed it what arrives, in any pieces; it returns the responses that became complete, all or (push, pop) one by one.

    Which request a response answers decides whether a body follows: give `methods` in order, or let the program under
    test repeat the method in an `x-method` header (the programs of this folder do).
    """

    def __init__(self, methods: Iterable[str] = ()) -> None:
        self._methods = deque(methods)
        self._data = bytearray()
        self._scanned = 0  # bytes of _data known to hold no end of head
        self._current: Response | None = None
        self._body = bytearray()
        self._interim: list[int] = []
        self._left = 0  # bytes missing of a body, or of a chunk with its CRLF
        self._phase = "head"  # head | length | size | chunk | trailers | close

    def expect_method(self, method: str) -> None:
        self._methods.append(method)

    @property
    def is_idle(self) -> bool:
        """Nothing begun: neither a response nor a stray byte."""
        return self._phase == "head" and not self._data and not self._interim

    def feed(self, data: bytes) -> list[Response]:
        self.push(data)
        return list(iter(self.pop, None))

    def push(self, data: bytes) -> None:
        self._data += data

    def pop(self) -> Response | None:
        """The next complete response. Bytes behind it stay unread: the method of their request may not be known yet."""
        done: list[Response] = []
        while not done and self._step(done):
            pass
        return done[0] if done else None

    def eof(self) -> Response | None:
        """The connection ended. Returns the response that this completed or cut off, if one was under way."""
        if self._phase == "head":
            if self._data:
                raise BadResponse(f"the connection ended inside a response head: {bytes(self._data[:200])!r}")
            return None
        response = self._current
        assert response is not None
        if self._phase in ("close", "length", "chunk"):
            self._body += self._data
        response.truncated = self._phase != "close"
        self._data.clear()
        done: list[Response] = []
        self._finish(done)
        return done[0]

    def _step(self, done: list[Response]) -> bool:
        return bool(getattr(self, f"_step_{self._phase}")(done))

    def _finish(self, done: list[Response]) -> bool:
        assert self._current is not None
        self._current.body = bytes(self._body)
        done.append(self._current)
        self._body.clear()
        self._current, self._phase, self._scanned = None, "head", 0
        return True

    def _step_head(self, done: list[Response]) -> bool:
        end = self._data.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(self._data)
            if self._scanned > HEAD_BYTES_MAX:
                raise BadResponse(f"a response head of more than {HEAD_BYTES_MAX} bytes: {bytes(self._data[:200])!r}")
            if self._data and not b"HTTP/1.".startswith(self._data[:7]):
                raise BadResponse(f"no status line: {bytes(self._data[:200])!r}")
            return False
        head = bytes(self._data[:end])
        del self._data[: end + 4]
        self._scanned = 0
        response = _parse_head(head)
        if response.status < 200:
            if response.status == 101 or response.get("content-length") or response.get("transfer-encoding"):
                raise BadResponse(f"an interim response that cannot be one: {head!r}")
            self._interim.append(response.status)
            return True
        response.interim, self._interim = self._interim, []
        self._current = response
        return self._begin_body(response, done)

    def _begin_body(self, response: Response, done: list[Response]) -> bool:
        method = self._methods.popleft() if self._methods else response.get("x-method")
        lengths, codings = response.all("content-length"), response.all("transfer-encoding")
        if lengths and codings or len(lengths) > 1 or len(codings) > 1:
            raise BadResponse(f"two ways to frame one response: {response.headers}")
        if lengths and not re.fullmatch(r"[0-9]{1,19}", lengths[0]):
            raise BadResponse(f"content-length {lengths[0]!r}")
        if codings and (codings[0].lower() != "chunked" or response.http_version == "1.0"):
            raise BadResponse(f"transfer-encoding {codings[0]!r} in HTTP/{response.http_version}")
        if response.status == 204 and (lengths or codings):
            raise BadResponse(f"a 204 that frames a body: {response.headers}")  # RFC 9110 8.6, RFC 9112 6.1
        if method == "HEAD" or response.status in (204, 304):
            return self._finish(done)
        if codings:
            response.framing, self._phase = "chunked", "size"
        elif lengths:
            response.framing, self._phase, self._left = "length", "length", int(lengths[0])
        else:
            response.framing, self._phase = "close", "close"
        return True

    def _step_length(self, done: list[Response]) -> bool:
        self._take(self._left)
        return self._finish(done) if not self._left else False

    def _take(self, size: int) -> None:
        piece = self._data[:size]
        del self._data[:size]
        self._body += piece
        self._left -= len(piece)

    def _step_close(self, done: list[Response]) -> bool:
        self._body += self._data
        self._data.clear()
        return False

    def _line(self) -> bytes | None:
        end = self._data.find(b"\r\n")
        if end < 0:
            if len(self._data) > HEAD_BYTES_MAX:
                raise BadResponse("a chunk line without end")
            return None
        line = bytes(self._data[:end])
        del self._data[: end + 2]
        return line

    def _step_size(self, done: list[Response]) -> bool:
        line = self._line()
        if line is None:
            return False
        if not _CHUNK_SIZE.fullmatch(line):
            raise BadResponse(f"chunk size {line!r}")
        size = int(line, 16)
        self._left, self._phase = size + 2, "chunk" if size else "trailers"
        return True

    def _step_chunk(self, done: list[Response]) -> bool:
        if self._left > 2:
            self._take(self._left - 2)
        if self._left > 2 or len(self._data) < 2:
            return False
        if self._data[:2] != b"\r\n":
            raise BadResponse(f"a chunk ends with {bytes(self._data[:2])!r}")
        del self._data[:2]
        self._phase = "size"
        return True

    def _step_trailers(self, done: list[Response]) -> bool:
        assert self._current is not None
        line = self._line()
        if line is None:
            return False
        if line:
            self._current.trailers.append(_parse_field(line))
            return True
        return self._finish(done)


def _parse_head(head: bytes) -> Response:
    status_line, *lines = head.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(status_line)
    if match is None:
        raise BadResponse(f"status line {status_line!r}")
    minor, status, reason = match.groups()
    headers = [_parse_field(line) for line in lines]
    return Response(int(status), reason.decode("latin-1"), f"1.{minor.decode()}", headers)


def _parse_field(line: bytes) -> tuple[str, str]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise BadResponse(f"header line {line!r}")
    return match[1].decode("ascii"), match[2].decode("latin-1")

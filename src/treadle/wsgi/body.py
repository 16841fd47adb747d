"""wsgi.input: the body of a request, for a thread that may wait for it.

A small body is there before a thread is taken, so that a slow client holds none. Invariant: of a larger one no more is asked for
than is read, so that what the application leaves unread stays with the peer; once the answer is whole nothing more of it comes,
and who reads on finds its end.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

from treadle.wsgi.bridge import MARK, Bridge, GivenUpError, Message

__all__ = ["body_reader", "small_body"]


async def small_body(scope: dict[str, Any], receive: Callable[[], Awaitable[Message]]) -> bytes | None:
    """The whole body, if Content-Length says that it has MARK bytes at most, or that there is none; else None, and nothing of it
    was received. Raises GivenUpError where the peer left before its end."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and int(value) > MARK):
            return None
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GivenUpError("the peer left before the end of the body")
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def body_reader(bridge: Bridge, whole: bytes | None, is_answered: Callable[[], bool]) -> io.BufferedReader:
    """A reader with all of a file's ways to read. whole: the body; None: it is still to come. is_answered: the answer is whole.

    Raises GivenUpError, an OSError, where the peer left before the end, and before its answer."""
    return io.BufferedReader(_Body(bridge, whole, is_answered))


class _Body(io.RawIOBase):
    def __init__(self, bridge: Bridge, whole: bytes | None, is_answered: Callable[[], bool]) -> None:
        self._bridge = bridge
        self._is_answered = is_answered
        self._rest = memoryview(whole or b"")
        self._has_more = whole is None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and self._has_more:
            message = self._bridge.ask()
            if message["type"] == "http.disconnect":
                if self._is_answered():
                    self._has_more = False
                    break
                raise GivenUpError("the peer left before the end of the body")
            self._rest = memoryview(message.get("body", b""))
            self._has_more = message.get("more_body", False)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

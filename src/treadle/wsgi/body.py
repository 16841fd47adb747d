"""wsgi.input: the body of a request, for a thread that may wait for it.

Invariant: no more of it is asked for than is read, so that what the application leaves unread stays with the peer.
"""

from __future__ import annotations

import io
from typing import Any

from treadle.wsgi.bridge import Bridge, GivenUpError

__all__ = ["body_reader"]


def body_reader(bridge: Bridge) -> io.BufferedReader:
    """A reader with all of a file's ways to read. Raises GivenUpError, an OSError, where the peer left before the end."""
    return io.BufferedReader(_Body(bridge))


class _Body(io.RawIOBase):
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._rest = memoryview(b"")
        self._has_more = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and self._has_more:
            message = self._bridge.ask()
            if message["type"] == "http.disconnect":
                raise GivenUpError("the peer left before the end of the body")
            self._rest = memoryview(message.get("body", b""))
            self._has_more = message.get("more_body", False)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

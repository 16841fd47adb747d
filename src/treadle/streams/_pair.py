"""duplex_pair(): two ends of one wire in memory, for tests above all.

Invariants: a write is called back when the other end has read it, so that back-pressure crosses; an end that is closed has let go
of the other.
Source: https://nodejs.org/api/stream.html#streamduplexpairoptions
"""

from collections.abc import Callable
from typing import Any

from treadle.loop.current import get_loop
from treadle.streams._duplex import Duplex
from treadle.streams._weakly import Weakly

__all__ = ["duplex_pair"]


def duplex_pair(**options: Any) -> tuple[Duplex, Duplex]:
    """Two Duplexes: what is written to one is read from the other. options: of both, as Duplex has them."""
    left, right = _End(**options), _End(**options)
    left.other, right.other = right, left
    return left, right


class _End(Duplex):
    other: Any  # None once this one is closed
    _when_read: Callable[..., None] | None = None  # the write of the other end that waits for a reader here

    def _read(self, size: int) -> None:
        callback, self._when_read = self._when_read, None
        if callback is not None:
            callback()

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        if not self.writable_object_mode and len(chunk) == 0:
            get_loop().next_tick(callback)
        else:
            self.other.push(chunk)
            self.other._when_read = callback

    def _final(self, callback: Callable[..., None]) -> None:
        self.other.on("end", Weakly(self, "_final_done"))  # which is the callback. This end is there: the other holds it
        self.other.push(None)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        get_loop().next_tick(self._tell_other, error)
        callback(error)

    def _tell_other(self, error: BaseException | None) -> None:
        other, self.other = self.other, None
        if other.destroyed:
            return
        if error is not None:
            other.destroy()  # it is gone, but what went wrong here is not its error
        else:
            other.push(None)

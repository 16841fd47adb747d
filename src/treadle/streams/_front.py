"""A Duplex in front of other streams: what is written goes to the first of them, what is read comes from the last.

Invariants: a write is called back when the stream behind has room for more; it is closed when those behind are through, with the
first error among them; once it is closed it holds none of them, who hold it. Not here: how they are connected, and how they are
read (_compose.py, _duplexify.py).
"""

from collections.abc import Callable
from typing import Any

from treadle.streams._destroyer import destroy_stage, giving_up
from treadle.streams._duplex import Duplex

__all__ = ["Front"]


class Front(Duplex):
    """head: written to, or None; tail: read from, or None. Subclasses read, and say when those behind are through."""

    def __init__(self, head: Any, tail: Any, *, reads: bool, writes: bool) -> None:
        super().__init__(
            readable=reads,
            writable=writes,
            writable_object_mode=bool(getattr(head, "writable_object_mode", False)),
            readable_object_mode=bool(getattr(tail, "readable_object_mode", False)),
        )
        self._head, self._tail = head, tail
        self._waits_for: Callable[..., None] | None = None  # 'drain' of the head, or what follows its end
        self._when_closed: Callable[..., None] | None = None
        self._is_over = False  # those behind are through
        if writes:
            head.on("drain", self._go_on)
        if reads:
            tail.on("end", lambda: self.push(None))

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        if self._head.write(chunk, encoding):
            callback()
        else:
            self._waits_for = callback

    def _final(self, callback: Callable[..., None]) -> None:
        self._waits_for = callback
        self._head.end()

    def _go_on(self, _: object = None) -> None:
        callback, self._waits_for = self._waits_for, None
        if callback is not None:
            callback()

    def _on_through(self, error: BaseException | None) -> None:
        # Nothing more comes from behind.
        callback, self._when_closed = self._when_closed, None
        self._is_over = True
        if callback is not None:
            self._let_go()
            callback(error)
        elif error is not None:
            self.destroy(error)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self._waits_for = None
        if self._is_over:
            self._let_go()
            callback(error)
            return
        if error is None:
            error = giving_up()
        self._when_closed = callback
        head, tail = self._head, self._tail
        destroy_stage(head, error)
        destroy_stage(tail, error)

    def _let_go(self) -> None:
        self._head = self._tail = None

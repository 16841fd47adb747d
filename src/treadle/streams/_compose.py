"""compose(): several stages as one Duplex.

    write() ──► first stage ──► ... ──► last stage ──► read()
                └──────────── pipeline() ───────────┘

Invariants: what is written is called back when the first stage takes it; the Duplex ends with the last stage, and an error in
any is its own. Not here: how the stages are connected (_pipeline.py). Source:
https://nodejs.org/api/stream.html#streamcomposestreams
"""

from collections.abc import Callable
from typing import Any

from treadle._base.errors import TreadleError
from treadle.streams._destroyer import destroy_stage
from treadle.streams._duplex import Duplex
from treadle.streams._duplexify import duplex_from
from treadle.streams._finished import watch
from treadle.streams._pipeline import pipeline
from treadle.streams._stream import Stream

__all__ = ["compose"]


def compose(*stages: Any) -> Any:
    """A Duplex that writes to the first stage and reads from the last; stages as pipeline() takes them.

    Raises TreadleError: ERR_MISSING_ARGS, ERR_INVALID_ARG_VALUE (a stage that cannot be read, or written), and as pipeline().
    """
    if not stages:
        raise TreadleError("ERR_MISSING_ARGS", name="stages", expected="compose() needs one or more")
    if len(stages) == 1:
        return duplex_from(stages[0])
    last = len(stages) - 1
    made = list(stages)
    for index in (0, last):
        if not isinstance(made[index], Stream):
            made[index] = duplex_from(made[index])
    for index, stage in enumerate(made):
        if isinstance(stage, Stream):
            if index < last and not getattr(stage, "readable", False):
                raise TreadleError("ERR_INVALID_ARG_VALUE", name=f"stages[{index}]", expected="readable", received=stages[index])
            if index > 0 and not getattr(stage, "writable", False):
                raise TreadleError("ERR_INVALID_ARG_VALUE", name=f"stages[{index}]", expected="writable", received=stages[index])
    return _Composed(made)


class _Composed(Duplex):
    def __init__(self, stages: list[Any]) -> None:
        head = stages[0]
        self._is_over = False
        self._when_closed: Callable[..., None] | None = None
        self._waits_for: Callable[..., None] | None = None  # 'drain' of the head
        self._when_finished: Callable[..., None] | None = None  # the end of the tail
        writes = bool(getattr(head, "writable", False))
        tail = pipeline(*stages, callback=self._on_finished)
        reads = bool(getattr(tail, "readable", False))
        super().__init__(
            readable=reads,
            writable=writes,
            writable_object_mode=bool(getattr(head, "writable_object_mode", False)),
            readable_object_mode=bool(getattr(tail, "readable_object_mode", False)),
        )
        self._head, self._tail = head, tail
        if writes:
            head.on("drain", self._on_drain)
            watch(tail, self._on_tail_finished)
        if reads:
            tail.on("data", self._on_data)
            tail.on("end", lambda: self.push(None))

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        if self._head.write(chunk, encoding):
            callback()
        else:
            self._waits_for = callback

    def _final(self, callback: Callable[..., None]) -> None:
        self._when_finished = callback
        self._head.end()

    def _on_drain(self) -> None:
        callback, self._waits_for = self._waits_for, None
        if callback is not None:
            callback()

    def _on_tail_finished(self, error: BaseException | None) -> None:
        callback, self._when_finished = self._when_finished, None
        if callback is not None:
            callback()

    def _read(self, size: int) -> None:
        self._tail.resume()

    def _on_data(self, chunk: Any) -> None:
        if not self.push(chunk):
            self._tail.pause()

    def _on_finished(self, error: BaseException | None, value: Any = None) -> None:
        callback, self._when_closed = self._when_closed, None
        self._is_over = True
        if callback is not None:
            callback(error)
        elif error is not None:
            self.destroy(error)
        elif not self._reads() and not self._writes():
            self.destroy()

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self._waits_for = self._when_finished = None
        if error is None and not self._is_over:
            error = TreadleError("ABORT_ERR", reason=None)
        destroy_stage(self._tail, error)
        if self._is_over:
            callback(error)
        else:
            self._when_closed = callback

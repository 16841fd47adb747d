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
from treadle.streams._duplexify import duplex_from
from treadle.streams._finished import watch
from treadle.streams._front import Front
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
        return duplex_from(stages[0], "stages[0]")
    last = len(stages) - 1
    made = list(stages)
    for index in (0, last):
        if not isinstance(made[index], Stream):
            made[index] = duplex_from(made[index], f"stages[{index}]")
    for index, stage in enumerate(made):
        if isinstance(stage, Stream):
            if index < last and not getattr(stage, "readable", False):
                raise TreadleError("ERR_INVALID_ARG_VALUE", name=f"stages[{index}]", expected="readable", received=stages[index])
            if index > 0 and not getattr(stage, "writable", False):
                raise TreadleError("ERR_INVALID_ARG_VALUE", name=f"stages[{index}]", expected="writable", received=stages[index])
    return _Composed(made)


class _Composed(Front):
    _ends_behind_what_is_written = True

    def __init__(self, stages: list[Any]) -> None:
        head = stages[0]
        writes = bool(getattr(head, "writable", False))
        tail = pipeline(*stages, callback=self._on_stages)  # ORDER: called in a tick, when this is made
        super().__init__(head, tail, reads=bool(getattr(tail, "readable", False)), writes=writes)
        if writes:
            watch(tail, self._go_on)
        if self._reads():
            tail.on("data", self._on_data)

    def _read(self, size: int) -> None:
        self._tail.resume()

    def _on_data(self, chunk: Any) -> None:
        if not self.push(chunk) and self._tail is not None:
            self._tail.pause()

    def _on_stages(self, error: BaseException | None, _: object = None) -> None:
        self._on_through(error)
        if error is None and not self._reads() and not self._writes():
            self.destroy()

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self._head = None  # the pipeline destroys what is before the tail
        super()._destroy(error, callback)

"""Transform: what is read is made of what is written. PassThrough: it is the same.

Not here: the mechanism (_native.transform). Source: https://nodejs.org/api/stream.html#class-streamtransform
"""

from collections.abc import Callable
from typing import Any

from treadle._native.readable import ReadableCore
from treadle._native.transform import TransformCore
from treadle._native.writable import WritableCore
from treadle.streams._duplex import Duplex
from treadle.streams._hooks import adapted

__all__ = ["PassThrough", "Transform"]


class Transform(TransformCore, Duplex):
    """A Duplex whose hook transform(chunk, encoding, callback) pushes what it makes of a chunk, and calls
    callback(error=None, data=None); data is pushed, too. flush(callback) may push more, when all was written. All options of
    Duplex.
    """

    _ends_behind_what_is_written = True

    def __init__(
        self,
        *,
        transform: Callable[[Any, str, Callable[..., None]], object] | None = None,
        flush: Callable[[Callable[..., None]], object] | None = None,
        **options: Any,
    ) -> None:
        if _read_mark(options) == 0:
            # COMPAT(node): what may not be buffered for reading is not buffered before it is transformed either.
            write_mark = options.get("writable_high_water_mark") or 0
            options = {**options, "high_water_mark": None, "readable_high_water_mark": 0, "writable_high_water_mark": write_mark}
        self._has_read_option = options.get("read") is not None
        super().__init__(**options)
        self._set_transform(adapted(self, "transform", transform), adapted(self, "flush", flush))

    def _new_readable_state(self) -> Any:
        if self._has_read_option or type(self)._read is not ReadableCore._read:
            return super()._new_readable_state()
        return self._new_transform_readable()

    def _new_writable_state(self, write: Any) -> Any:
        if write is not None or type(self)._write is not WritableCore._write:
            return super()._new_writable_state(write)
        return self._new_transform_writable()


class PassThrough(Transform):
    """Gives out what is written to it."""

    _transform = TransformCore._pass_on


def _read_mark(options: dict[str, Any]) -> int | None:
    mark: int | None = options.get("high_water_mark")
    return options.get("readable_high_water_mark") if mark is None else mark

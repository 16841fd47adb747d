"""Transform: what is written comes out changed; PassThrough: as it is.

A write is done when what it gave fits below the mark of the reading side; else the next read is what finishes it. Invariant: one
chunk is transformed at a time, however much the reading side is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.model.streams.duplex import Duplex
from tests.model.streams.errors import StreamError
from tests.model.streams.stream import Hook
from treadle.process import next_tick


class Transform(Duplex):
    """Hooks: transform and flush; final instead of flush works, too."""

    _flush: Hook | None = None

    def __init__(self, **options: Any) -> None:
        mark = options.get("high_water_mark")
        if (options.get("readable_high_water_mark") if mark is None else mark) == 0:  # then nothing is to wait on the other side
            options["writable_high_water_mark"] = options.get("writable_high_water_mark") or 0
            options["readable_high_water_mark"] = 0
            options["high_water_mark"] = None
        super().__init__(**options)
        self.read_side.is_in_hook = False
        self.held: Callable[[], object] | None = None  # the end of a write that waits for a read
        self.on("prefinish", self.flush_behind_final)

    def _transform(self, chunk: Any, encoding: str, callback: Hook) -> object:
        raise StreamError("ERR_METHOD_NOT_IMPLEMENTED")

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., object]) -> object:
        side = self.read_side
        length_before = side.length

        def transformed(error: BaseException | None = None, data: Any = None) -> None:
            if error:
                callback(error)
                return
            if data is not None:
                self.push(data)
            has_given_nothing = side.length == length_before
            if not side.is_open:  # whoever listens is to hear of that first
                next_tick(callback)
            elif self.write_side.ending.has_begun or has_given_nothing or side.length < side.mark:
                callback()
            else:
                self.held = callback

        return self._transform(chunk, encoding, transformed)

    def _read(self, size: int) -> None:
        if self.held:
            held, self.held = self.held, None
            held()

    def _final(self, callback: Callable[..., object] | None) -> None:
        """Flush, then no more."""

        def flushed(error: BaseException | None = None, data: Any = None) -> None:
            if error:
                callback(error) if callback else self.destroy(error)
                return
            if data is not None:
                self.push(data)
            self.push(None)
            if callback:
                callback()

        if self._flush is not None and not self.destroyed:
            self._flush(flushed)
        else:
            flushed()

    def flush_behind_final(self) -> None:
        """A final hook of the user's stands where ours would."""
        if getattr(self._final, "__func__", None) is not Transform._final:
            try:
                Transform._final(self, None)
            except Exception as error:  # ADR 0007: in Node nobody catches it
                self.destroy(error)


class PassThrough(Transform):
    def _transform(self, chunk: Any, encoding: str, callback: Hook) -> None:
        callback(None, chunk)

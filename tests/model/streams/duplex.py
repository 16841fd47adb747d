"""Duplex: both sides, one lifecycle."""

from __future__ import annotations

from typing import Any

from tests.model.streams.read_side import ReadSide
from tests.model.streams.readable import Readable
from tests.model.streams.stream import Hook, Stream
from tests.model.streams.writable import Writable
from tests.model.streams.write_side import WriteSide


class Duplex(Readable, Writable):
    """Whatever is not said of one side holds for both; a side that is switched off counts as ended."""

    def __init__(
        self,
        *,
        high_water_mark: int | None = None,
        readable_high_water_mark: int | None = None,
        writable_high_water_mark: int | None = None,
        object_mode: bool = False,
        readable_object_mode: bool = False,
        writable_object_mode: bool = False,
        encoding: str | None = None,
        decode_strings: bool = True,
        default_encoding: str = "utf8",
        allow_half_open: bool = True,
        readable: bool = True,
        writable: bool = True,
        emit_close: bool = True,
        auto_destroy: bool = True,
        signal: Any = None,
        **hooks: Hook | None,
    ) -> None:
        Stream.__init__(self, auto_destroy=auto_destroy, emit_close=emit_close, **hooks)
        self.allow_half_open = allow_half_open
        self.read_side = ReadSide(
            self,
            mark=readable_high_water_mark if high_water_mark is None else high_water_mark,
            is_object=object_mode or readable_object_mode,
            encoding=encoding,
            default_encoding=default_encoding,
            is_enabled=readable,
        )
        self.write_side = WriteSide(
            self,
            mark=writable_high_water_mark if high_water_mark is None else high_water_mark,
            is_object=object_mode or writable_object_mode,
            decode_strings=decode_strings,
            default_encoding=default_encoding,
            is_enabled=writable,
        )
        self.begin(signal)

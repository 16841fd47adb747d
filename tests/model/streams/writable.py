"""Writable: the names of the writing side."""

from __future__ import annotations

from typing import Any, Self

from tests.model.streams import text
from tests.model.streams.errors import StreamError
from tests.model.streams.stream import Hook, Stream
from tests.model.streams.write_side import Callback, WriteSide


class Writable(Stream):
    """See write_side."""

    write_side: WriteSide
    _writev: Hook | None = None
    _final: Hook | None = None

    def __init__(
        self,
        *,
        high_water_mark: int | None = None,
        object_mode: bool = False,
        decode_strings: bool = True,
        default_encoding: str = "utf8",
        emit_close: bool = True,
        auto_destroy: bool = True,
        signal: Any = None,
        write: Hook | None = None,
        writev: Hook | None = None,
        final: Hook | None = None,
        destroy: Hook | None = None,
        construct: Hook | None = None,
    ) -> None:
        super().__init__(
            auto_destroy=auto_destroy,
            emit_close=emit_close,
            write=write,
            writev=writev,
            final=final,
            destroy=destroy,
            construct=construct,
        )
        self.write_side = WriteSide(
            self,
            mark=high_water_mark,
            is_object=object_mode,
            decode_strings=decode_strings,
            default_encoding=default_encoding,
            is_enabled=True,
        )
        self.begin(signal)

    def _write(self, chunk: Any, encoding: str, callback: Hook) -> object:
        if self._writev is None:
            raise StreamError("ERR_METHOD_NOT_IMPLEMENTED")
        return self._writev([{"chunk": chunk, "encoding": encoding}], callback)

    def write(self, chunk: Any, encoding: str | None = None, callback: Callback | None = None) -> bool:
        return self.write_side.write(chunk, encoding, callback) is True

    def end(self, chunk: Any = None, encoding: str | None = None, callback: Callback | None = None) -> Self:
        """Uncorks, however often it was corked."""
        side = self.write_side
        refused = None
        if chunk is not None:
            answer = side.write(chunk, encoding, None)
            refused = answer if isinstance(answer, BaseException) else None
        if side.corks:
            side.corks = 1
            self.uncork()
        side.ending.end(refused, callback)
        return self

    def cork(self) -> None:
        self.write_side.cork()

    def uncork(self) -> None:
        self.write_side.uncork()

    def set_default_encoding(self, encoding: str) -> Self:
        self.write_side.default_encoding = text.canonical(encoding)
        return self

    def pipe(self, destination: Any, *, end: bool = True) -> Any:
        """Nothing comes out of a Writable."""
        self.life.fail(StreamError("ERR_STREAM_CANNOT_PIPE"))

    # ---- how it stands

    @property
    def writable(self) -> bool:
        return self.write_side_is_writable

    @property
    def writable_ended(self) -> bool:
        return self.write_side.ending.has_begun

    @property
    def writable_finished(self) -> bool:
        return self.write_side.ending.is_finished

    @property
    def writable_need_drain(self) -> bool:
        return self.write_side.needs_drain

    @property
    def writable_length(self) -> int:
        return self.write_side.length

    @property
    def writable_high_water_mark(self) -> int:
        return self.write_side.mark

    @property
    def writable_object_mode(self) -> bool:
        return self.write_side.is_object

    @property
    def writable_corked(self) -> int:
        return self.write_side.corks

    @property
    def writable_aborted(self) -> bool:
        return self.write_side.is_enabled and self.life.is_broken and not self.writable_finished

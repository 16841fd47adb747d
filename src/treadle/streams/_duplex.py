"""Duplex: a readable and a writable side with one life.

Not here: a Duplex made of other things (_duplexify.py). Source: https://nodejs.org/api/stream.html#class-streamduplex
"""

from collections.abc import Callable
from typing import Any

from treadle.events import AbortSignal
from treadle.streams._hooks import adapted
from treadle.streams._marks import mark_of
from treadle.streams._readable import Readable
from treadle.streams._statistics import DuplexStatistics, bar
from treadle.streams._text import known_encoding
from treadle.streams._writable import Writable

__all__ = ["Duplex"]


class Duplex(Readable, Writable):
    """Both a Readable and a Writable, each side with a buffer and a mark of its own.

    high_water_mark and object_mode count for both sides, readable_... and writable_... for one. allow_half_open: False ends the
    writable side when the readable one ends. readable, writable: False makes it without that side.
    """

    def __init__(
        self,
        *,
        allow_half_open: bool = True,
        readable: bool = True,
        writable: bool = True,
        high_water_mark: int | None = None,
        readable_high_water_mark: int | None = None,
        writable_high_water_mark: int | None = None,
        object_mode: bool = False,
        readable_object_mode: bool = False,
        writable_object_mode: bool = False,
        encoding: str | None = None,
        decode_strings: bool = True,
        default_encoding: str = "utf8",
        emit_close: bool = True,
        auto_destroy: bool = True,
        signal: AbortSignal | None = None,
        read: Callable[[int], object] | None = None,
        write: Callable[[Any, str, Callable[..., None]], object] | None = None,
        writev: Callable[[list[dict[str, Any]], Callable[..., None]], object] | None = None,
        final: Callable[[Callable[..., None]], object] | None = None,
        destroy: Callable[[BaseException | None, Callable[..., None]], object] | None = None,
        construct: Callable[[Callable[..., None]], object] | None = None,
    ) -> None:
        text = known_encoding(default_encoding)
        reads_objects = bool(object_mode or readable_object_mode)
        writes_objects = bool(object_mode or writable_object_mode)
        read_mark = mark_of(_first(high_water_mark, readable_high_water_mark), reads_objects, "readable_high_water_mark")
        write_mark = mark_of(_first(high_water_mark, writable_high_water_mark), writes_objects, "writable_high_water_mark")
        self._make_readable(read_mark, reads_objects, text, adapted(self, "read", read))
        hooks = adapted(self, "write", write), adapted(self, "writev", writev), adapted(self, "final", final)
        self._make_writable(write_mark, writes_objects, text, decode_strings, *hooks)
        self.allow_half_open = allow_half_open
        if not readable:
            self._disable_readable()
        if not writable:
            self._disable_writable()
        if encoding is not None:
            self.set_encoding(encoding)
        self._begin(emit_close, auto_destroy, adapted(self, "destroy", destroy), adapted(self, "construct", construct))
        self._heed(signal)

    @classmethod
    def from_(cls, source: Any, **options: Any) -> Any:  # type: ignore[override]  # of more things than either side alone
        """A Duplex of a stream, a mapping with 'readable' and 'writable', a function, an iterable or an awaitable.

        A function gets what is written as an async iterable, and what it yields is read. asyncio's reader and writer, and files,
        may be in a mapping.

        Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_INVALID_RETURN_VALUE.
        """
        from treadle.streams._duplexify import duplex_from

        return duplex_from(source)

    def statistics(self) -> DuplexStatistics:
        """How both sides stand: a frozen snapshot."""
        return DuplexStatistics(readable=self.readable_statistics(), writable=self.writable_statistics())

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self._life()} {self._supply()} {bar(self.readable_length, self.readable_high_water_mark)} "
            f"{self._intake()} {bar(self.writable_length, self.writable_high_water_mark)}>"
        )


def _first(mark: int | None, other: int | None) -> int | None:
    return other if mark is None else mark

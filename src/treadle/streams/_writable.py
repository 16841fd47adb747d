"""Writable: what takes chunks.

Not here: the mechanism (_native.writable). Source: https://nodejs.org/api/stream.html#writable-streams
"""

from asyncio import StreamWriter
from collections.abc import Callable
from typing import Any, Self

from treadle._base.errors import TreadleError
from treadle._native.writable import WritableCore
from treadle.events import AbortSignal
from treadle.streams._hooks import adapted
from treadle.streams._marks import mark_of
from treadle.streams._ready import Waiters, wait_until_ready
from treadle.streams._statistics import WritableStatistics, bar
from treadle.streams._stream import Stream
from treadle.streams._text import known_encoding

__all__ = ["Writable"]


class Writable(WritableCore, Stream):
    """A sink of chunks: bytes, or str which is encoded; any objects but None in `object_mode`.

    The hooks are options, or methods of a subclass: write(chunk, encoding, callback) takes one chunk and calls
    callback(error=None); writev(requests, callback) takes all that wait, each {"chunk": ..., "encoding": ...}; final(callback)
    runs before 'finish'; construct(callback) before anything else; destroy(error, callback) releases what the stream holds.

    Events: 'drain', 'finish', 'error', 'close', 'pipe', 'unpipe'. Raises TreadleError: ERR_INVALID_ARG_VALUE (a mark),
    ERR_UNKNOWN_ENCODING.
    """

    def __init__(
        self,
        *,
        high_water_mark: int | None = None,
        object_mode: bool = False,
        decode_strings: bool = True,
        default_encoding: str = "utf8",
        emit_close: bool = True,
        auto_destroy: bool = True,
        signal: AbortSignal | None = None,
        write: Callable[[Any, str, Callable[..., None]], object] | None = None,
        writev: Callable[[list[dict[str, Any]], Callable[..., None]], object] | None = None,
        final: Callable[[Callable[..., None]], object] | None = None,
        destroy: Callable[[BaseException | None, Callable[..., None]], object] | None = None,
        construct: Callable[[Callable[..., None]], object] | None = None,
    ) -> None:
        mark = mark_of(high_water_mark, bool(object_mode))
        hooks = adapted(self, "write", write), adapted(self, "writev", writev), adapted(self, "final", final)
        self._make_writable(mark, bool(object_mode), known_encoding(default_encoding), decode_strings, *hooks)
        self._begin(emit_close, auto_destroy, adapted(self, "destroy", destroy), adapted(self, "construct", construct))
        self._heed(signal)

    _construct = None
    _waiters: Waiters | None = None  # those in ready()

    def set_default_encoding(self, encoding: str) -> Self:
        """How str chunks are encoded for which no encoding is given. Raises TreadleError: ERR_UNKNOWN_ENCODING."""
        self._set_default_encoding(known_encoding(encoding))
        return self

    def pipe(self, destination: Any, *, end: bool = True) -> Any:
        """Fails the stream (ERR_STREAM_CANNOT_PIPE): a Writable has nothing to read."""
        self._fail(TreadleError("ERR_STREAM_CANNOT_PIPE"))

    # -- Python's way ------------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait until write() is welcome: at once below the mark, else for 'drain'.

        Raises what the stream failed with, or TreadleError: ERR_STREAM_DESTROYED, ERR_STREAM_WRITE_AFTER_END.
        """
        try:
            await wait_until_ready(self)
        finally:
            del self  # its error keeps this frame

    @classmethod
    def from_(cls, sink: Any, **options: Any) -> "Writable":
        """A stream that writes to an asyncio.StreamWriter, or to a file object, which is closed with the stream.

        Raises TreadleError: ERR_INVALID_ARG_TYPE.
        """
        from treadle.streams._asyncio_bridge import WriterSink
        from treadle.streams._file_bridge import into_file, is_writable_file

        if isinstance(sink, StreamWriter):
            return WriterSink(sink, **options)
        if is_writable_file(sink):
            return into_file(sink, **options)
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="sink", expected="a StreamWriter or a file", received=type(sink).__name__)

    def to_stream_writer(self) -> StreamWriter:
        """An asyncio.StreamWriter that writes to the stream, for code that wants one."""
        from treadle.streams._asyncio_bridge import to_writer

        return to_writer(self)

    def to_writable_file(self) -> Any:
        """A binary file object that writes to the stream, for code that runs in another thread: it waits there while the stream
        is full. Closing it ends the stream, and waits until all is written.
        """
        from treadle.streams._thread_files import to_writable_file

        return to_writable_file(self)

    def writable_statistics(self) -> WritableStatistics:
        """How the writable side stands."""
        return WritableStatistics(
            state=self._intake(),
            length=self.writable_length,
            high_water_mark=self.writable_high_water_mark,
            object_mode=self.writable_object_mode,
            need_drain=self.writable_need_drain,
            corked=self.writable_corked,
        )

    def statistics(self) -> Any:
        """How the stream stands: a frozen snapshot."""
        return self.writable_statistics()

    def __repr__(self) -> str:
        level = bar(self.writable_length, self.writable_high_water_mark)
        return f"<{type(self).__name__} {self._life()} {self._intake()} {level}>"

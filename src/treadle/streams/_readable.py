"""Readable: what gives out chunks.

Not here: the mechanism (_native.readable), iteration (_iterator.py), the iterator helpers (_operators.py).
Source: https://nodejs.org/api/stream.html#readable-streams
"""

from asyncio import StreamReader
from collections.abc import Callable, Hashable
from typing import Any, Self

from treadle._native.readable import ReadableCore
from treadle._native.stream_pipe import Pipe, pipes_of, take_pipes
from treadle.events import AbortSignal, Listener
from treadle.streams._from import make_from
from treadle.streams._hooks import adapted
from treadle.streams._iterator import ReadableIterator
from treadle.streams._marks import mark_of
from treadle.streams._mistakes import no_destination
from treadle.streams._operators import Operators
from treadle.streams._statistics import ReadableStatistics, bar
from treadle.streams._stream import Stream
from treadle.streams._text import known_encoding, make_decoder

__all__ = ["Readable"]


class Readable(ReadableCore, Operators, Stream):
    """A source of chunks: bytes, text once there is an `encoding`, or any objects but None in `object_mode`.

    Two ways to read: paused (read(), 'readable', `async for`) and flowing ('data', pipe(), resume()). The hooks are options, or
    methods of a subclass: read(size) pushes chunks, now or later, and is called again once it has pushed and more is wanted;
    construct(callback) runs before anything else; destroy(error, callback) releases what the stream holds.

    Events: 'data', 'readable', 'end', 'error', 'close', 'pause', 'resume'. Raises TreadleError: ERR_INVALID_ARG_VALUE (a mark),
    ERR_UNKNOWN_ENCODING.
    """

    def __init__(
        self,
        *,
        high_water_mark: int | None = None,
        object_mode: bool = False,
        encoding: str | None = None,
        default_encoding: str = "utf8",
        emit_close: bool = True,
        auto_destroy: bool = True,
        signal: AbortSignal | None = None,
        read: Callable[[int], object] | None = None,
        destroy: Callable[[BaseException | None, Callable[..., None]], object] | None = None,
        construct: Callable[[Callable[..., None]], object] | None = None,
    ) -> None:
        mark, text = mark_of(high_water_mark, bool(object_mode)), known_encoding(default_encoding)
        self._make_readable(mark, bool(object_mode), text, adapted(self, "read", read))
        if encoding is not None:
            self.set_encoding(encoding)
        self._begin(emit_close, auto_destroy, adapted(self, "destroy", destroy), adapted(self, "construct", construct))
        self._heed(signal)

    _construct = None

    # -- text ----------------------------------------------------------------------------------------------------

    def set_encoding(self, encoding: str) -> Self:
        """Give out text from now on, and decode what is buffered; a character that is cut waits for its rest.

        Raises TreadleError: ERR_UNKNOWN_ENCODING.
        """
        self._set_decoder(make_decoder(encoding), known_encoding(encoding))
        return self

    # -- pipes ---------------------------------------------------------------------------------------------------

    def pipe(self, destination: Any, *, end: bool = True) -> Any:
        """Write all that comes to `destination`, as fast as that takes it. Returns the destination.

        end: the end of this stream ends the destination (never stdout and stderr). An error on either side is the other's to see:
        pipeline() destroys both. Raises TreadleError: ERR_INVALID_ARG_TYPE.
        """
        if isinstance(destination, type) or not hasattr(destination, "on"):
            raise no_destination(destination)
        Pipe(self, destination).begin(end and not getattr(destination, "is_standard", False))
        return destination

    def unpipe(self, destination: Any = None) -> Self:
        """Stop writing to `destination`, or to all."""
        if not pipes_of(self):
            return self
        forgotten = take_pipes(self, destination)
        if forgotten and not pipes_of(self):
            self.pause()
        for pipe in forgotten:
            pipe.destination.emit("unpipe", self, {"has_unpiped": False})
        return self

    # -- listeners: what is listened for decides how it flows ----------------------------------------------------------

    def on(self, event: Hashable, listener: Listener, /) -> Self:
        """As EventEmitter.on. 'data' lets it flow, 'readable' holds the flow."""
        super().on(event, listener)
        if event == "data" or event == "readable":
            self._heard(event)
        return self

    def off(self, event: Hashable, listener: Listener, /) -> Self:
        """As EventEmitter.off; without the last 'readable' listener it may flow again, from the next tick on."""
        super().off(event, listener)
        if event == "data" or event == "readable":
            self._unheard(event)
        return self

    def remove_all_listeners(self, event: Hashable | None = None, /) -> Self:
        """As EventEmitter.remove_all_listeners, and as off()."""
        super().remove_all_listeners(event)
        self._note_data_listeners()
        if event is None or event == "readable":
            self._unheard("readable")
        return self

    def prepend_listener(self, event: Hashable, listener: Listener, /) -> Self:
        """As EventEmitter.prepend_listener; COMPAT(node): it does not change how the stream flows."""
        super().prepend_listener(event, listener)
        self._note_data_listeners()
        return self

    add_listener = on
    remove_listener = off

    def _read_buffered(self) -> Any:  # as read(), also of a stream whose read() is something else
        return self.read()

    # -- Python's way ------------------------------------------------------------------------------------------------

    def __aiter__(self) -> ReadableIterator:
        """Chunk by chunk, as they are buffered. Leaving the loop early destroys the stream."""
        return ReadableIterator(self)

    def iterator(self, *, destroy_on_return: bool = True) -> ReadableIterator:
        """As `async for` over the stream. destroy_on_return: False leaves it open when the loop is left without an error."""
        return ReadableIterator(self, destroy_on_return=destroy_on_return)

    @classmethod
    def from_(cls, iterable: Any, **options: Any) -> Self:
        """A stream of the items of an iterable, sync or async: objects, one at a time, unless `options` say otherwise.

        A str or bytes is one chunk. Items that are awaitables are awaited; None is an error (ERR_STREAM_NULL_VALUES). When the
        stream is destroyed the iterator is closed, what it failed with is thrown into it. An asyncio.StreamReader, or a file
        object, gives bytes as they come; the file is closed with the stream. Raises TreadleError: ERR_INVALID_ARG_TYPE.
        """
        from treadle.streams._asyncio_bridge import from_reader
        from treadle.streams._file_bridge import from_file, is_file

        if isinstance(iterable, StreamReader):
            return from_reader(iterable, **options)  # type: ignore[return-value]
        if is_file(iterable):
            return from_file(iterable, **options)  # type: ignore[return-value]
        return make_from(cls, iterable, options)  # type: ignore[no-any-return]

    def to_stream_reader(self) -> StreamReader:
        """An asyncio.StreamReader of what the stream gives, for code that wants one; it holds up to 128 KiB, or twice
        the stream's mark."""
        from treadle.streams._asyncio_bridge import to_reader

        return to_reader(self)

    def to_file(self) -> Any:
        """A binary file object of what the stream gives, for code that runs in another thread: its reads wait there."""
        from treadle.streams._thread_files import to_file

        return to_file(self)

    def compose(self, *stages: Any) -> Any:
        """As compose(self, *stages)."""
        from treadle.streams._compose import compose

        return compose(self, *stages)

    def readable_statistics(self) -> ReadableStatistics:
        """How the readable side stands."""
        return ReadableStatistics(
            state=self._supply(),
            length=self.readable_length,
            high_water_mark=self.readable_high_water_mark,
            object_mode=self.readable_object_mode,
            flowing=self.readable_flowing,
            pipes=len(pipes_of(self)),
        )

    def statistics(self) -> Any:
        """How the stream stands: a frozen snapshot."""
        return self.readable_statistics()

    def __repr__(self) -> str:
        level = bar(self.readable_length, self.readable_high_water_mark)
        return f"<{type(self).__name__} {self._life()} {self._supply()} {level}>"

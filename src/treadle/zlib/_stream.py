"""A Transform whose hook is worked by the pool.

    write() ──► portions ──► a job ──► push() ──► whoever reads
                   ▲ ▲                  │ │ full: the next job waits until somebody reads
                   │ └── the same one ◄─┘ │
                   └──── the next one ◄───┘ none left: the write is called back

Invariants: a stream has one job at a time, and what it makes is bounded by chunk_size, or by what a portion compresses to; a
piece is asked for only while the readable side is below its mark; destroyed, it hears of its job no more. Not here: what a job
does (_codec.py), the options (_settings.py), the classes that users make (_classes.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final

from treadle import pool
from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.streams import Transform, finished
from treadle.zlib import constants
from treadle.zlib._codec import PORTION_MAX, Codec, Piece
from treadle.zlib._settings import CommonOptions, Settings, check_names, require_integer

__all__ = ["ZlibStream"]

# What flush() writes, to know it again among the chunks that wait: an empty one for each kind.
_MARKERS: Final = tuple(memoryview(bytearray()) for _ in range(constants.Z_BLOCK + 1))
_KIND_OF_MARKER: Final = {id(marker): kind for kind, marker in enumerate(_MARKERS)}

_Data = bytes | memoryview
_Portion = tuple[Sequence[_Data], int]  # what goes to a job together, and the flush behind it


class ZlibStream(Transform):
    """What is read is what was written, compressed or decompressed. One of Gzip, Gunzip and the others."""

    _kind: ClassVar[str]  # of its jobs, in pool.statistics()
    _options: ClassVar[type[CommonOptions]]
    _takes_objects = False

    def __init__(self, **options: Any) -> None:
        for name in ("object_mode", "readable_object_mode", "writable_object_mode"):
            options.pop(name, None)  # COMPAT(node)
        own = {name: options.pop(name) for name in self._options.__annotations__ if name in options}
        check_names(type(self).__name__, self._kind, options, None)
        self._settings = self._make_settings(**own)
        super().__init__(**options)
        self._codec: Codec | None = self._settings.make_codec()
        self._portions: Iterator[_Portion] = iter(())
        self._portion: _Portion | None = None  # the one that is being worked on, or is next
        self._is_last = False  # what is being worked on is the end of what is written
        self._called_back: Callable[..., None] | None = None  # who is told when all portions are through
        self._request: Any = None  # the job
        self._ends_early = False  # the format was over before what was written: the rest is for nobody
        self._bytes_written = 0
        self._bytes_read = 0

    @classmethod
    def _make_settings(cls, **options: Any) -> Settings:
        raise NotImplementedError

    @property
    def bytes_written(self) -> int:
        """Bytes that were compressed, or decompressed, until now."""
        return self._bytes_written

    def flush(self, kind: int | None = None, callback: Callable[..., object] | None = None) -> None:
        """Get out what was written until now; callback(error or None) when it is out. kind: one of the format's; Z_FULL_FLUSH.

        Each makes the output longer: it is for what somebody waits for, as in a stream of events. Behind end() it only waits.
        Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
        """
        if callback is not None:
            require_callable(callback, "callback")
        flushes = self._settings.flushes
        if kind is None:
            kind = flushes.default
        require_integer(kind, "kind", flushes.none, flushes.last)
        if not self.writable_ended:
            self.write(_MARKERS[kind], None, callback)
        elif callback is not None:
            if self.writable_finished:
                get_loop().next_tick(callback, None)
            else:
                self.once("end", lambda: callback(None))

    def close(self, callback: Callable[..., object] | None = None) -> None:
        """destroy(); callback(error or None) behind 'close'."""
        if callback is not None:
            require_callable(callback, "callback")
            finished(self, callback=callback)
        self.destroy()

    def reset(self) -> None:
        """Begin anew, as if nothing had been written. Raises TreadleError: ERR_INVALID_STATE while a write is under way."""
        if self.destroyed or self._called_back is not None:
            raise TreadleError("ERR_INVALID_STATE", state="a write is under way, or the stream was destroyed")
        self._codec = self._settings.make_codec()

    # ---- the hooks

    def _transform(self, chunk: _Data, encoding: str, callback: Callable[..., None]) -> None:
        self._take([chunk], callback)

    def _writev(self, requests: list[dict[str, Any]], callback: Callable[..., None]) -> None:
        def when_through(error: BaseException | None = None) -> None:
            if error is None and not self.writable_ended and self._is_full():
                self._when_read(callback)
            else:
                callback(error)

        self._take([request["chunk"] for request in requests], when_through)

    def _final(self, callback: Callable[..., None]) -> None:
        callback()  # COMPAT(node): 'finish' does not wait for who reads

    def _flush(self, callback: Callable[..., None]) -> None:
        if self._is_last:
            get_loop().next_tick(callback)  # ORDER: 'finish' before 'end', as where there is something left to do
        else:
            self._take([], callback)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.cancel()
        self._codec = self._called_back = None
        self._portions, self._portion = iter(()), None
        callback(error)

    # ---- the jobs

    def _take(self, chunks: list[_Data], callback: Callable[..., None]) -> None:
        self._called_back = callback
        if self._ends_early:
            self._tell()
            return
        # ORDER: in a tick, when it is known whether end() follows, so that a body of one piece is one job.
        get_loop().next_tick(self._divide, chunks)

    def _divide(self, chunks: list[_Data]) -> None:
        if self.destroyed:
            return
        self._is_last = self.writable_ended and self.writable_length == sum(map(len, chunks))
        self._portions = _portions(chunks, self._settings.flush, self._settings.finish_flush if self._is_last else None)
        self._portion = next(self._portions, None)
        if self._portion is None:
            self._tell()
        else:
            self._begin_job()

    def _begin_job(self) -> None:
        if self._codec is None or self._portion is None:  # destroyed
            return
        data, flush = self._portion
        try:
            self._request = pool.run(
                self._kind, _work, self._codec, data, flush, self._settings.chunk_size, callback=self._on_piece
            )
        except TreadleError as error:  # ERR_POOL_SATURATED
            self._tell(error)

    def _on_piece(self, error: BaseException | None, piece: Piece | None) -> None:
        self._request = None
        if error is not None or piece is None or self._codec is None or self._portion is None:
            self._tell(error)
            return
        self._bytes_written += piece.taken
        self._bytes_read += len(piece.output)
        if (limit := self._settings.max_output_length) is not None and self._bytes_read > limit:
            self._tell(TreadleError("ERR_BUFFER_TOO_LARGE", limit=limit))
            return
        self._ends_early = self._codec.is_over
        if self._ends_early:
            self._portion = None
        else:
            self._portion = ((), self._portion[1]) if piece.has_more else next(self._portions, None)
        if piece.output:
            self.push(piece.output)
        if self.destroyed:  # by who listens
            return
        if self._ends_early:
            self.push(None)
        if self._portion is None:
            self._tell()
        elif self._is_full():
            self._when_read(self._begin_job)
        else:
            self._begin_job()

    def _is_full(self) -> bool:
        return self.readable_length > 0 and self.readable_length >= self.readable_high_water_mark

    def _tell(self, error: BaseException | None = None) -> None:
        callback, self._called_back = self._called_back, None
        if callback is not None:
            callback(error)


def _work(codec: Codec, data: Sequence[_Data], flush: int, room: int) -> Piece:
    return codec.work(data[0] if len(data) == 1 else b"".join(data), flush, room)


def _portions(chunks: list[_Data], flush: int, last_flush: int | None) -> Iterator[_Portion]:
    """What was written, in portions for one job each: small chunks together, large ones in parts. last_flush: behind the last."""
    together: list[_Data] = []
    length = 0
    for chunk in chunks:
        kind = _KIND_OF_MARKER.get(id(chunk))
        if kind is not None:
            yield together, kind
            together, length = [], 0
            continue
        if together and length + len(chunk) > PORTION_MAX:
            yield together, flush
            together, length = [], 0
        while len(chunk) > PORTION_MAX:
            yield [memoryview(chunk)[:PORTION_MAX]], 0
            chunk = memoryview(chunk)[PORTION_MAX:]
        if len(chunk):
            together.append(chunk)
            length += len(chunk)
    if last_flush is not None:
        yield together, max(flush, last_flush)
    elif together:
        yield together, flush

"""Bytes in, bytes out: a whole body at once. Source: https://nodejs.org/api/zlib.html#convenience-methods

Invariants: a job takes JOB_MAX bytes at most, in or out, and ends with the portion that takes it past JOB_NS; others go between
two jobs; the result never grows past max_output_length, however little went in. Not here: the formats and their options
(_settings.py).
"""

import asyncio
from collections.abc import Callable
from time import thread_time_ns
from typing import Any, Final, Unpack, overload

from treadle import pool
from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.streams._text import encode
from treadle.zlib._classes import (
    BrotliCompress,
    BrotliDecompress,
    Deflate,
    DeflateRaw,
    Gunzip,
    Gzip,
    Inflate,
    InflateRaw,
    Unzip,
    ZstdCompress,
    ZstdDecompress,
)
from treadle.zlib._codec import PORTION_MAX
from treadle.zlib._settings import BrotliOptions, DeflateOptions, InflateOptions, Settings, ZstdOptions, check_names
from treadle.zlib._stream import ZlibStream

__all__ = [
    "brotli_compress",
    "brotli_decompress",
    "deflate",
    "deflate_raw",
    "gunzip",
    "gzip",
    "inflate",
    "inflate_raw",
    "unzip",
    "zstd_compress",
    "zstd_decompress",
]

JOB_MAX: Final = 1024 * 1024  # bytes of input, or of output, of one job: some 10 ms of gzip at its default level
JOB_NS: Final = 50_000_000  # of a thread's time, for one job: twice what gzip's slowest level takes for it; brotli's takes 2 s
OUTPUT_DEFAULT: Final = 1 << 30  # bytes of a result, unless max_output_length says otherwise: it is in memory as a whole

Data = str | bytes | bytearray | memoryview
Callback = Callable[[BaseException | None, bytes | None], object]


def _run(stream: type[ZlibStream], data: Any, callback: Any, options: Any) -> Any:
    loop = get_loop()
    if callback is not None:
        require_callable(callback, "callback")
    check_names(stream._kind.partition(".")[2], stream._kind, options, stream._options.__annotations__)
    work = _Work(stream._make_settings(**options), _view_of(data))
    if callback is not None:
        _Jobs(stream._kind, work, callback, is_awaited=False)
        return None
    future = _WholeFuture(loop=loop)
    future.jobs = _Jobs(stream._kind, work, future.settle, is_awaited=True)
    return future


def _view_of(data: Any) -> memoryview:
    if isinstance(data, str):
        data = encode(data, "utf8")
    try:
        view = memoryview(data)
    except TypeError:
        received = type(data).__name__
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="data", expected="bytes or str", received=received) from None
    return view.cast("B") if view.c_contiguous else memoryview(bytes(view))


class _Work:
    """What the threads do. OWNER: the job that runs; the loop's thread only makes it."""

    def __init__(self, settings: Settings, data: memoryview) -> None:
        self._codec = settings.make_codec()
        self._settings = settings
        self._data = data
        self._at = 0  # of the data, where the next portion begins
        self._flush = 0  # behind the present one
        self._has_more = False  # the present one makes more
        self._limit = OUTPUT_DEFAULT if settings.max_output_length is None else settings.max_output_length
        self._length = 0  # of what was made
        self._pieces: list[bytes] = []

    def advance(self) -> bytes | None:
        """The whole result, or None: there is more to do."""
        end = self._at + JOB_MAX
        enough = self._length + JOB_MAX
        end_ns = thread_time_ns() + JOB_NS
        while not self._make_piece():
            if self._at >= end or self._length >= enough or thread_time_ns() >= end_ns:
                return None
        return b"".join(self._pieces)

    def _make_piece(self) -> bool:
        # Whether it was the last one.
        portion: bytes | memoryview = b""
        if not self._has_more:
            portion = self._data[self._at : self._at + PORTION_MAX]
            self._at += len(portion)
            self._flush = self._settings.flush
            if self._at == len(self._data):
                self._flush = max(self._flush, self._settings.finish_flush)
        room = min(self._settings.chunk_size, self._limit - self._length + 1)
        output, _, self._has_more = self._codec.work(portion, self._flush, room)
        self._length += len(output)
        if self._length > self._limit:
            raise TreadleError("ERR_BUFFER_TOO_LARGE", limit=self._limit)
        self._pieces.append(output)
        return not self._has_more and (self._at == len(self._data) or self._codec.is_over)


class _Jobs:
    """One behind the other, until the work is through; then the callback."""

    def __init__(self, kind: str, work: _Work, callback: Callback, *, is_awaited: bool) -> None:
        self._kind = kind
        self._work = work
        self._callback = callback
        self._is_awaited = is_awaited  # what is awaited ends also behind the program: the pool tells a future, not a callback
        self._begin()

    def cancel(self) -> None:
        self._request.cancel()

    def _begin(self) -> None:
        self._request: Any
        if self._is_awaited:
            self._request = pool.run(self._kind, self._work.advance)
            self._request.add_done_callback(self._on_future)
        else:
            self._request = pool.run(self._kind, self._work.advance, callback=self._on_job)

    def _on_future(self, future: asyncio.Future[bytes | None]) -> None:
        if not future.cancelled():
            error = future.exception()
            self._on_job(error, future.result() if error is None else None)

    def _on_job(self, error: BaseException | None, result: bytes | None) -> None:
        if error is None and result is None:
            try:
                self._begin()
            except TreadleError as saturated:
                error = saturated
            else:
                return
        self._callback(error, result)


class _WholeFuture(asyncio.Future[bytes]):
    """What is awaited. Invariant: once it is done, it and its jobs know nothing of each other."""

    jobs: _Jobs | None = None

    def settle(self, error: BaseException | None, result: bytes | None) -> None:
        self.jobs = None
        if error is not None:
            self.set_exception(error)
        elif result is not None:
            self.set_result(result)

    def cancel(self, msg: Any | None = None) -> bool:
        """Drop the result, and what is not done yet. See asyncio.Future.cancel."""
        is_cancelled = super().cancel(msg)
        if is_cancelled and self.jobs is not None:
            self.jobs.cancel()
            self.jobs = None
        return is_cancelled


@overload
def gzip(data: Data, *, callback: None = None, **options: Unpack[DeflateOptions]) -> asyncio.Future[bytes]: ...
@overload
def gzip(data: Data, *, callback: Callback, **options: Unpack[DeflateOptions]) -> None: ...
def gzip(data: Data, *, callback: Any = None, **options: Unpack[DeflateOptions]) -> Any:
    """Compress to gzip, at level 6 unless `level` says otherwise.

    data: bytes or another buffer, which is not copied: leave it alone until it is through; a str is taken as UTF-8. It begins at
    once, on a thread of the pool, and holds the program. With a callback: callback(error, result) in the poll phase. Without: a
    future of the result, bytes; cancelling it drops what is not done yet. Options: those of DeflateOptions.

    The error is a TreadleError: ERR_BUFFER_TOO_LARGE past max_output_length (1 GiB by default), ERR_POOL_SATURATED between two
    jobs; where it decompresses, Z_BUF_ERROR (the input ends too early), Z_DATA_ERROR (it is of another format, or damaged),
    Z_NEED_DICT. Raised at once are ERR_NO_LOOP, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_POOL_SATURATED.

    Today: a job takes 1 MiB of input, or makes 1 MiB of output, or takes some 50 ms; other jobs go between.
    """
    return _run(Gzip, data, callback, options)


@overload
def gunzip(data: Data, *, callback: None = None, **options: Unpack[InflateOptions]) -> asyncio.Future[bytes]: ...
@overload
def gunzip(data: Data, *, callback: Callback, **options: Unpack[InflateOptions]) -> None: ...
def gunzip(data: Data, *, callback: Any = None, **options: Unpack[InflateOptions]) -> Any:
    """Decompress gzip: all its members. See gzip."""
    return _run(Gunzip, data, callback, options)


@overload
def deflate(data: Data, *, callback: None = None, **options: Unpack[DeflateOptions]) -> asyncio.Future[bytes]: ...
@overload
def deflate(data: Data, *, callback: Callback, **options: Unpack[DeflateOptions]) -> None: ...
def deflate(data: Data, *, callback: Any = None, **options: Unpack[DeflateOptions]) -> Any:
    """Compress to the zlib format. See gzip."""
    return _run(Deflate, data, callback, options)


@overload
def inflate(data: Data, *, callback: None = None, **options: Unpack[InflateOptions]) -> asyncio.Future[bytes]: ...
@overload
def inflate(data: Data, *, callback: Callback, **options: Unpack[InflateOptions]) -> None: ...
def inflate(data: Data, *, callback: Any = None, **options: Unpack[InflateOptions]) -> Any:
    """Decompress the zlib format. See gzip."""
    return _run(Inflate, data, callback, options)


@overload
def deflate_raw(data: Data, *, callback: None = None, **options: Unpack[DeflateOptions]) -> asyncio.Future[bytes]: ...
@overload
def deflate_raw(data: Data, *, callback: Callback, **options: Unpack[DeflateOptions]) -> None: ...
def deflate_raw(data: Data, *, callback: Any = None, **options: Unpack[DeflateOptions]) -> Any:
    """Compress without header and check. See gzip."""
    return _run(DeflateRaw, data, callback, options)


@overload
def inflate_raw(data: Data, *, callback: None = None, **options: Unpack[InflateOptions]) -> asyncio.Future[bytes]: ...
@overload
def inflate_raw(data: Data, *, callback: Callback, **options: Unpack[InflateOptions]) -> None: ...
def inflate_raw(data: Data, *, callback: Any = None, **options: Unpack[InflateOptions]) -> Any:
    """Decompress what has neither header nor check. See gzip."""
    return _run(InflateRaw, data, callback, options)


@overload
def unzip(data: Data, *, callback: None = None, **options: Unpack[InflateOptions]) -> asyncio.Future[bytes]: ...
@overload
def unzip(data: Data, *, callback: Callback, **options: Unpack[InflateOptions]) -> None: ...
def unzip(data: Data, *, callback: Any = None, **options: Unpack[InflateOptions]) -> Any:
    """Decompress gzip or the zlib format, as the first bytes say. See gzip."""
    return _run(Unzip, data, callback, options)


@overload
def brotli_compress(data: Data, *, callback: None = None, **options: Unpack[BrotliOptions]) -> asyncio.Future[bytes]: ...
@overload
def brotli_compress(data: Data, *, callback: Callback, **options: Unpack[BrotliOptions]) -> None: ...
def brotli_compress(data: Data, *, callback: Any = None, **options: Unpack[BrotliOptions]) -> Any:
    """Compress to brotli, with quality 11 unless `params` say otherwise. Needs the extra "brotli". See gzip."""
    return _run(BrotliCompress, data, callback, options)


@overload
def brotli_decompress(data: Data, *, callback: None = None, **options: Unpack[BrotliOptions]) -> asyncio.Future[bytes]: ...
@overload
def brotli_decompress(data: Data, *, callback: Callback, **options: Unpack[BrotliOptions]) -> None: ...
def brotli_decompress(data: Data, *, callback: Any = None, **options: Unpack[BrotliOptions]) -> Any:
    """Decompress brotli. Needs the extra "brotli". See gzip."""
    return _run(BrotliDecompress, data, callback, options)


@overload
def zstd_compress(data: Data, *, callback: None = None, **options: Unpack[ZstdOptions]) -> asyncio.Future[bytes]: ...
@overload
def zstd_compress(data: Data, *, callback: Callback, **options: Unpack[ZstdOptions]) -> None: ...
def zstd_compress(data: Data, *, callback: Any = None, **options: Unpack[ZstdOptions]) -> Any:
    """Compress to Zstandard. Needs the extra "zstd" before Python 3.14. See gzip."""
    return _run(ZstdCompress, data, callback, options)


@overload
def zstd_decompress(data: Data, *, callback: None = None, **options: Unpack[ZstdOptions]) -> asyncio.Future[bytes]: ...
@overload
def zstd_decompress(data: Data, *, callback: Callback, **options: Unpack[ZstdOptions]) -> None: ...
def zstd_decompress(data: Data, *, callback: Any = None, **options: Unpack[ZstdOptions]) -> Any:
    """Decompress Zstandard: all its frames. Needs the extra "zstd" before Python 3.14. See gzip."""
    return _run(ZstdDecompress, data, callback, options)

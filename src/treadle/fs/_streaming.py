"""create_read_stream() and create_write_stream(). Source: Node, fs.createReadStream, fs.createWriteStream.

Not here: the streams (_read_stream.py, _write_stream.py), which come with all of treadle.streams when one is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.events import AbortSignal
from treadle.fs._file_handle import FileHandle
from treadle.fs._starting import Path

if TYPE_CHECKING:
    from treadle.fs._read_stream import ReadStream
    from treadle.fs._write_stream import WriteStream

__all__ = ["create_read_stream", "create_write_stream"]


def create_read_stream(
    path: Path | FileHandle,
    *,
    flags: str | int = "r",
    mode: int | str = 0o666,
    encoding: str | None = None,
    start: int | None = None,
    end: int | None = None,
    high_water_mark: int = 64 * 1024,
    auto_close: bool = True,
    emit_close: bool = True,
    signal: AbortSignal | None = None,
) -> ReadStream:
    """A Readable of a file's bytes, or of its text in an `encoding`. The file is opened in the next tick: 'open' (the
    descriptor) and 'ready' tell, 'error' has the OSError of a file that cannot be.

    path: or a FileHandle, which is closed with the stream. start, end: the first and the last byte, from 0; without a start it
    is read from where it stands. high_water_mark: bytes of a chunk, and how many are read ahead. auto_close: off, neither its
    end nor an error destroys the stream, and so the file stays open until destroy() or close(); else it is closed with the loop
    at the latest. signal: aborted, it destroys the stream with ABORT_ERR. Raised at once: TypeError (no path), ValueError (a NUL
    in it), OSError EBADF (a handle that was closed), TreadleError: ERR_OUT_OF_RANGE (start, end, a mark of 0, or of 2 GiB),
    ERR_INVALID_ARG_VALUE, ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_ENCODING.
    In a pipeline to a socket, with no encoding and nobody listening, the kernel moves the bytes.
    """
    from treadle.fs._read_stream import ReadStream

    options = {"high_water_mark": high_water_mark, "encoding": encoding, "emit_close": emit_close, "signal": signal}
    return ReadStream(path, flags, mode, start, end, auto_close, options)


def create_write_stream(
    path: Path | FileHandle,
    *,
    flags: str | int = "w",
    mode: int | str = 0o666,
    encoding: str = "utf8",
    start: int | None = None,
    high_water_mark: int | None = None,
    flush: bool = False,
    auto_close: bool = True,
    emit_close: bool = True,
    signal: AbortSignal | None = None,
) -> WriteStream:
    """A Writable to a file, which is opened in the next tick: 'open' (the descriptor) and 'ready' tell, 'error' has the OSError
    of a file that cannot be.

    path: or a FileHandle, which is closed with the stream. flags: as open()'s. start: the first byte that is written, which
    needs flags "r+" where what stands before it is to stay. encoding: of text for which none is given. flush: fsync before it
    is closed. auto_close: off, the file stays open until destroy() or close(). Chunks that wait for the one under way are
    written together, by writev. Raised at once: as by create_read_stream.
    """
    from treadle.fs._write_stream import WriteStream

    options = {
        "high_water_mark": high_water_mark, "default_encoding": encoding, "emit_close": emit_close, "signal": signal,
    }  # fmt: skip
    return WriteStream(path, flags, mode, start, flush, auto_close, options)

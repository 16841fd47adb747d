"""A server that sends $FILE through gzip to whoever connects: the twin of memory_download.js. Run by `treadle run`.

The first connection prints the marks of its stages: what each may hold, by their own account.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable

from treadle import net, streams

GZIP_WBITS = 16 + zlib.MAX_WBITS
LEVEL = int(os.environ["LEVEL"])


class File(streams.Readable):
    """The file, a mark's worth at a time."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed when the stream is destroyed

    def _read(self, size: int) -> None:
        self.push(self._file.read(size) or None)

    def _destroy(self, error: BaseException | None, callback: Callable[..., object]) -> None:
        self._file.close()
        callback(error)


class Gzip(streams.Transform):
    """The standard library's zlib, on the loop's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._deflate = zlib.compressobj(LEVEL, wbits=GZIP_WBITS)

    def _transform(self, chunk: bytes, _encoding: str, callback: Callable[..., object]) -> None:
        callback(None, self._deflate.compress(chunk) or None)

    def _flush(self, callback: Callable[..., object]) -> None:
        callback(None, self._deflate.flush())


is_told = False


def send(socket: net.Socket) -> None:
    """One client. It may go away at any time."""
    global is_told
    file, gzip = File(os.environ["FILE"]), Gzip()
    if not is_told:
        is_told = True
        marks = {
            "file readable": file.readable_high_water_mark,
            "gzip writable": gzip.writable_high_water_mark,
            "gzip readable": gzip.readable_high_water_mark,
            "socket writable": socket.writable_high_water_mark,
        }
        print("marks", json.dumps(marks), flush=True)
    streams.pipeline(file, gzip, socket, callback=lambda _error: None)


net.create_server(send).listen(int(os.environ["PORT"]), "127.0.0.1")

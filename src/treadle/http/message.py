"""What a handler gets: the request, read in chunks or whole, and the answer, written in chunks or at once.

Both are streams, thin over their native cores, which make the machinery of one when it is used and not before. Not here: parsing,
framing and sending (_native.http1_connection).
"""

from __future__ import annotations

from collections.abc import Awaitable, Hashable
from typing import Any, Self

from treadle._base.errors import TreadleError
from treadle._native.http1_exchange import Ready
from treadle._native.http1_request import RequestCore
from treadle._native.http1_response import ResponseCore
from treadle.events import Listener
from treadle.fs import FileHandle
from treadle.http.fields import header_map
from treadle.http.file_body import write_part
from treadle.streams import Readable, Writable

__all__ = ["IncomingMessage", "ServerResponse"]


class IncomingMessage(RequestCore, Readable):
    """A request: a Readable of its body. Source: Node, http.IncomingMessage.

    method, url, http_version: str, as in the request line. raw_headers: list of (name, value), bytes. complete, aborted: bool.
    The body: ``async for chunk in req``, ``await req.read()``, or as of any stream: pipe(), pipeline(), 'data'. read() is the
    whole body, and a coroutine function; what read() is of other streams is read_nowait() here. While nobody reads, at most
    Limits.body_high_water_mark bytes of it are held, and the rest stays with the peer.

    Events: those of a Readable, and 'aborted': the peer left before the body was read, or before the answer. 'error' then follows
    (ERR_HTTP_REQUEST_ABORTED), but only where somebody listens for it, and 'close'.
    """

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names; repeated fields joined by ', ', cookies by '; ', or the first kept where only one may be."""
        if self._headers is None:
            self._headers = header_map(self.raw_headers)
        return self._headers

    @property
    def trailers(self) -> dict[str, str]:
        """The fields behind a chunked body, like headers; empty until complete."""
        if self._trailers is not None:
            return self._trailers
        trailers = header_map(self.raw_trailers)
        if self.complete:
            self._trailers = trailers
        return trailers

    def on(self, event: Hashable, listener: Listener, /) -> Self:
        """As Readable.on. Where the exchange is over already, 'end' and 'close' are told in the next ticks."""
        super().on(event, listener)
        self._tell_late()
        return self

    add_listener = on

    def __aiter__(self) -> Any:
        """Chunk by chunk, as they arrive. Leaving the loop early destroys nothing: others may read the rest."""
        return self

    def __anext__(self) -> Awaitable[Any]:
        chunk = self.read_nowait()
        return self._next_chunk() if chunk is None else Ready(chunk)

    async def _next_chunk(self) -> Any:
        while True:
            chunk = self.read_nowait()
            if chunk is not None:
                return chunk
            if self.is_body_dropped:
                raise TreadleError("ERR_HTTP_BODY_DROPPED")
            if self.complete:
                raise StopAsyncIteration
            if self.aborted:
                raise TreadleError("ERR_HTTP_REQUEST_ABORTED")
            await self.wait()

    async def read(self, limit: int | None = None) -> Any:  # what a handler wants nearly always
        """The whole body: bytes, or str after set_encoding(). limit: in bytes, or characters.

        Raises TreadleError: ERR_HTTP_BODY_CONSUMED when somebody has begun to read it, ERR_BODY_TOO_LARGE past limit,
        ERR_HTTP_REQUEST_ABORTED when the peer left before its end, ERR_HTTP_BODY_DROPPED when the answer was complete before it.
        """
        if self.is_body_begun:
            raise TreadleError("ERR_HTTP_BODY_CONSUMED")
        chunks: list[Any] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if limit is not None and size > limit:
                raise TreadleError("ERR_BODY_TOO_LARGE", limit=limit)
            chunks.append(chunk)
        if len(chunks) == 1:
            return chunks[0]
        return "".join(chunks) if chunks and isinstance(chunks[0], str) else b"".join(chunks)

    _read_buffered = RequestCore.read_nowait


class ServerResponse(ResponseCore, Writable):  # type: ignore[misc]  # ready(): there a coroutine, here whatever can be awaited
    """An answer: a Writable. Source: Node, http.ServerResponse. See ResponseCore for its methods.

    An answer without a given length leaves in one piece, with Content-Length, when end() is the first to send, else chunked.
    ``write()`` returns False past the mark; ``await res.ready()`` then waits until the peer has read, or 'drain' is listened for.

    Events: those of a Writable. 'finish': all was handed to the kernel. 'close': it is through, or, without 'finish' before it,
    was destroyed or the peer has left. COMPAT(node): 'error' is emitted by none of these; finished() and pipeline() tell them
    apart.
    """

    def on(self, event: Hashable, listener: Listener, /) -> Self:
        """As Writable.on. Where the answer is through already, 'finish' and 'close' are told in the next ticks."""
        super().on(event, listener)
        self._tell_late()
        return self

    add_listener = on

    async def write_file(self, file: FileHandle, offset: int = 0, size: int | None = None) -> None:
        """Write `size` bytes of an open file from offset on, or all that it has from there, by sendfile(2) where that can be;
        done when the kernel has them. Set Content-Length before, else they go in chunks. Write nothing else meanwhile.

        Where it raises, the connection is cut: ERR_HTTP_REQUEST_ABORTED (the peer has left), ERR_HTTP_FILE_TRUNCATED (the file
        has less), ERR_HTTP_CONTENT_LENGTH_MISMATCH (there was to be less), ERR_STREAM_WRITE_AFTER_END, ERR_POOL_SATURATED;
        OSError. ERR_OUT_OF_RANGE comes before anything is sent.
        """
        if offset < 0 or (size is not None and size < 0):
            name, received = ("offset", offset) if offset < 0 else ("size", size)
            raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected="at least 0", received=received)
        if size is None:
            size = max((await file.stat()).size - offset, 0)
        await write_part(self, file._descriptor, offset, size)

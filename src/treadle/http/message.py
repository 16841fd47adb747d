"""What a handler gets: the request, read in chunks or whole, and the answer, written in chunks or at once.

Both are thin over their native cores. Not here: parsing, framing and sending (_native.http1_connection).
"""

from __future__ import annotations

from collections.abc import Awaitable

from treadle._base.errors import TreadleError
from treadle._native.http1_exchange import Ready
from treadle._native.http1_request import RequestCore
from treadle._native.http1_response import ResponseCore
from treadle.http.fields import header_map

__all__ = ["IncomingMessage", "ServerResponse"]


class IncomingMessage(RequestCore):
    """A request. Source: Node, http.IncomingMessage.

    method, url, http_version: str, as in the request line. raw_headers: list of (name, value), bytes. complete, aborted: bool.
    The body: ``async for chunk in req``, or ``await req.read()``; whole or not at all, and once. While nobody reads, at most
    Limits.body_high_water_mark bytes of it are held, and the rest stays with the peer.
    """

    __slots__ = ("_headers", "_trailers")

    _headers: dict[str, str]
    _trailers: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names; repeated fields joined by ', ', cookies by '; ', or the first kept where only one may be."""
        try:
            return self._headers
        except AttributeError:
            self._headers = header_map(self.raw_headers)
            return self._headers

    @property
    def trailers(self) -> dict[str, str]:
        """The fields behind a chunked body, like headers; empty until complete."""
        try:
            return self._trailers
        except AttributeError:
            trailers = header_map(self.raw_trailers)
            if self.complete:
                self._trailers = trailers
            return trailers

    def __aiter__(self) -> IncomingMessage:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        chunk = self.take()
        return self._next_chunk() if chunk is None else Ready(chunk)

    async def _next_chunk(self) -> bytes:
        while True:
            chunk = self.take()
            if chunk is not None:
                return chunk
            if self.is_body_dropped:
                raise TreadleError("ERR_HTTP_BODY_DROPPED")
            if self.complete:
                raise StopAsyncIteration
            if self.aborted:
                raise TreadleError("ERR_HTTP_REQUEST_ABORTED")
            await self.wait()

    async def read(self, limit: int | None = None) -> bytes:
        """The whole body. limit: in bytes.

        Raises TreadleError: ERR_HTTP_BODY_CONSUMED when somebody has begun to read it, ERR_BODY_TOO_LARGE past limit,
        ERR_HTTP_REQUEST_ABORTED when the peer left before its end, ERR_HTTP_BODY_DROPPED when the answer was complete before it.
        """
        if self.is_body_begun:
            raise TreadleError("ERR_HTTP_BODY_CONSUMED")
        chunks: list[bytes] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if limit is not None and size > limit:
                raise TreadleError("ERR_BODY_TOO_LARGE", limit=limit)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class ServerResponse(ResponseCore):
    """An answer. Source: Node, http.ServerResponse. See ResponseCore for its methods.

    An answer without a given length leaves in one piece, with Content-Length, when end() is the first to send, else chunked.
    ``write()`` returns False past the mark; ``await res.ready()`` then waits until the peer has read.
    """

    __slots__ = ()

"""What a handler gets: the request, read in chunks or whole, and the answer, written in chunks or at once.

Both are streams, thin over their native cores, which make the machinery of one when it is used and not before. Not here: parsing,
framing and sending (_native.http1_connection).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Final, Self

from treadle._base.arguments import require_callable, require_number
from treadle._base.errors import TreadleError
from treadle._native.http1_request import RequestCore
from treadle._native.http1_response import ResponseCore
from treadle._native.ready import Ready
from treadle.events import AbortController, AbortSignal, Listener
from treadle.fs import FileHandle
from treadle.http.extra_fields import CONTINUE, PROCESSING, early_hints, informational, trailers
from treadle.http.fields import header_map
from treadle.http.file_body import write_part
from treadle.loop.current import get_loop
from treadle.streams import Readable, Writable

__all__ = ["IncomingMessage", "ServerResponse"]

Callback = Callable[[], object]

TIMEOUT_MS_MAX: Final = 2**31 - 1  # what a timer can wait


class IncomingMessage(RequestCore, Readable):
    """A request: a Readable of its body. Source: Node, http.IncomingMessage.

    method, url, http_version: str, as in the request line. raw_headers: list of (name, value), bytes. complete, aborted: bool.
    cancel_on_disconnect: whether the task of its handler is cancelled when the client leaves; a handler may set it.
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

    @property
    def signal(self) -> AbortSignal:
        """Aborts when nobody waits for the answer any more, with why as its reason: a TreadleError.

        ERR_HTTP_REQUEST_ABORTED: the client has left, or has ended its side, which looks the same; ERR_HTTP_RESPONSE_TIMEOUT: the
        answer was not complete in time; ERR_HTTP_SERVER_CLOSING: the server cuts it. Made when it is asked for. COMPAT(node):
        there it aborts with 'close', so also once the request was read; here never once the answer is complete.
        """
        if self._controller is None:
            self._controller = AbortController()
            if self._departure is not None:
                self._abort_signal()
        signal: AbortSignal = self._controller.signal
        return signal

    def _abort_signal(self) -> None:
        assert self._departure is not None
        self._controller.abort(TreadleError(self._departure))

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

    Events: those of a Writable, and 'timeout', see set_timeout(). 'finish': all was handed to the kernel.
    'close': it is through, or, without 'finish' before it,
    was destroyed or the peer has left. COMPAT(node): 'error' is emitted by none of these; finished() and pipeline() tell them
    apart.
    """

    def write_continue(self, callback: Callback | None = None) -> bool:
        """Send 100 Continue: the client may send its body. Reading does that by itself. As write_information()."""
        return self._send_information(CONTINUE, None, callback)

    def write_processing(self, callback: Callback | None = None) -> bool:
        """Send 102 Processing. As write_information()."""
        return self._send_information(PROCESSING, None, callback)

    def write_early_hints(self, hints: Mapping[str, Any], callback: Callback | None = None) -> bool:
        """Send 103 Early Hints, unless there is no link. hints: "link", one or a list of them, and other fields.

        Raises TreadleError: ERR_INVALID_ARG_VALUE for a link; and as write_information().
        """
        return self._send_head(early_hints(hints), False, callback)

    def write_information(self, status: int, headers: Any = None, callback: Callback | None = None) -> bool:
        """Send an informational response: 1xx but 101, any number of them before the head. False: as of write().

        headers: a mapping, or (name, value) pairs. callback() in a tick. To a client of HTTP/1.0 nothing is sent. Raises
        TreadleError: ERR_HTTP_HEADERS_SENT, ERR_OUT_OF_RANGE, ERR_HTTP_INVALID_STATUS_CODE, ERR_INVALID_ARG_TYPE,
        ERR_INVALID_HTTP_TOKEN, ERR_INVALID_CHAR.
        """
        return self._send_information(status, headers, callback)

    def _send_information(self, status: int, headers: Any, callback: Callback | None) -> bool:
        return self._send_head(informational(status, headers), status == CONTINUE, callback)

    def _send_head(self, head: bytes, is_continue: bool, callback: Callback | None) -> bool:
        if callback is not None:
            require_callable(callback, "callback")
        fits: bool = self._inform(head, is_continue)
        if callback is not None:
            get_loop().next_tick(callback)
        return fits

    def add_trailers(self, headers: Any) -> None:
        """Send these fields behind the body, in place of those that were given before: a mapping, or (name, value) pairs.

        Only chunks have something behind them: before the head is sent this makes the answer chunked; one with a Content-Length,
        without a body, or to a client of HTTP/1.0 has none, and they are dropped. Raises TreadleError: ERR_HTTP_TRAILER_FIELD for
        what frames, routes or describes the message; ERR_STREAM_WRITE_AFTER_END; ERR_INVALID_HTTP_TOKEN, ERR_INVALID_CHAR,
        ERR_INVALID_ARG_TYPE.
        """
        self._set_trailers(trailers(headers))

    def set_timeout(self, delay_ms: float, callback: Callable[[], object] | None = None) -> Self:
        """Let the answer have `delay_ms` from now on to be complete; 0: as long as it likes. `callback` listens for 'timeout'.

        Past it who listens for 'timeout' sees to it; nobody: 504 where nothing was sent, else the connection is cut, and the
        handler's task is cancelled. COMPAT(node): there it is a time without traffic. Raises TreadleError: ERR_INVALID_ARG_TYPE,
        ERR_OUT_OF_RANGE.
        """
        require_number(delay_ms, "delay_ms")
        if not 0 <= delay_ms <= TIMEOUT_MS_MAX:
            raise TreadleError("ERR_OUT_OF_RANGE", name="delay_ms", expected=f"from 0 to {TIMEOUT_MS_MAX}", received=delay_ms)
        if callback is not None:
            self.on("timeout", callback)
        self._limit(math.ceil(delay_ms))
        return self

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

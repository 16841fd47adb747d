"""A WSGI application as an ASGI 3 one: each request is a job of the loop's default executor, the user's lane.

Invariants: the head waits for the first piece of the body, so that start_response may be called again with exc_info; what the
application returned is closed on every path, once, in the thread that made it; however run() ends, a thread that comes to the
bridge behind that is let go; an application that fails is the server's to answer for. Not here: how thread and loop speak
(bridge.py). Source: PEP 3333.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Awaitable, Callable, Iterable, Sized
from typing import Any

from treadle.wsgi.body import body_reader, small_body
from treadle.wsgi.bridge import Bridge, GivenUpError, Message
from treadle.wsgi.environ import EnvironMaker

__all__ = ["WSGIApplication", "from_wsgi"]

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def from_wsgi(app: WSGIApplication) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """An ASGI 3 application that calls app in threads. Raises TreadleError: ERR_EXTRA_NOT_INSTALLED (the extra "wsgi")."""
    maker = EnvironMaker()

    async def asgi3(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _Exchange(app, asyncio.get_running_loop()).run(maker, scope, receive, send)
        elif scope["type"] == "lifespan":  # WSGI has none: nothing to do at either end
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            raise RuntimeError(f"WSGI has no {scope['type']}")

    return asgi3


class _Exchange:
    """One request and its answer. run() is the loop's, everything else the thread's."""

    def __init__(self, app: WSGIApplication, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop
        self._bridge = Bridge(loop)
        self._head: Message | None = None  # from start_response on
        self._is_head_sent = False
        self._is_whole = False  # the last piece was sent
        self._length: int | None = None  # as Content-Length says
        self._sent = 0

    async def run(self, maker: EnvironMaker, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = body_reader(self._bridge, await small_body(scope, receive), lambda: self._is_whole)
        environ = maker.environ_of(scope, body)
        job = self._loop.run_in_executor(None, contextvars.copy_context().run, self._serve, environ)
        try:
            await self._bridge.carry(job, receive, send)
        except Exception:
            self._bridge.give_up()
            try:
                await job  # the request is not over while its thread runs
            except GivenUpError:
                pass
            raise
        except BaseException:  # cancelled, or never to be awaited again
            self._bridge.give_up()
            job.cancel()  # it will not begin; one that runs ends where it next comes to the bridge
            raise
        await job

    def _serve(self, environ: dict[str, Any]) -> None:
        try:
            self._answer(environ)
        # No future takes the first, nobody's request ends the server, and a job that was cancelled is ours to have cancelled.
        except (StopIteration, SystemExit, KeyboardInterrupt, asyncio.CancelledError, concurrent.futures.CancelledError) as error:
            raise RuntimeError(f"the application raised {type(error).__name__}") from error

    def _answer(self, environ: dict[str, Any]) -> None:
        pieces: Any = self._app(environ, self._start_response)
        if isinstance(pieces, str) or not (hasattr(pieces, "__iter__") or hasattr(pieces, "__getitem__")):
            raise TypeError(f"the application returned a {type(pieces).__name__}, not an iterable of bytes (PEP 3333)")
        try:
            is_one = isinstance(pieces, Sized) and len(pieces) == 1  # PEP 3333: then its length is that of the answer
            for piece in pieces:
                if piece or is_one:
                    self._send(piece, is_one)
                else:
                    self._bridge.check()
            if not self._is_whole:
                self._send(b"", True)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _start_response(self, status: Any, fields: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self._is_head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a ring through this frame
        elif self._head is not None:
            raise RuntimeError("start_response() was called before, and not with exc_info (PEP 3333)")
        if not isinstance(status, str) or not status[:3].isdigit():
            raise TypeError(f"start_response() takes a status such as '200 OK', not {status!r} (PEP 3333)")
        fields = list(fields)
        for pair in fields:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(one, str) for one in pair):
                raise TypeError(f"start_response() takes a list of pairs of str as fields, not {pair!r} (PEP 3333)")
        lengths = [value for name, value in fields if name.lower() == "content-length"]
        self._length = int(lengths[0]) if lengths else None
        self._head = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
        }
        return self._write

    def _write(self, piece: bytes) -> None:
        """What start_response() returns, for applications that push."""
        if piece:
            self._send(piece, False)
        else:
            self._bridge.check()

    def _send(self, piece: Any, is_last: bool) -> None:
        if self._head is None:
            raise RuntimeError("the application answers before it has called start_response() (PEP 3333)")
        if self._is_whole:
            raise RuntimeError(f"the application sends more than the {self._sent} bytes of its Content-Length")
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise TypeError(f"a piece of the body is bytes, not {type(piece).__name__} (PEP 3333)")
        piece = bytes(piece)  # what may change is the application's, which goes on while this is sent
        self._sent += len(piece)
        # Where the length is known the last piece is known to be it: the peer need not wait for what the application does then.
        self._is_whole = is_last or (self._length is not None and 0 < self._length <= self._sent)
        body = {"type": "http.response.body", "body": piece, "more_body": not self._is_whole}
        if self._is_head_sent:
            self._bridge.put(body)
        else:
            self._is_head_sent = True
            self._bridge.put(self._head, body)

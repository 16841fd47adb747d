"""The native core of a server whose handler is an ASGI application, with its policy."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Final, NoReturn

from treadle._base.errors import TreadleError
from treadle._native.asgi1 import ASGICore, ASGIResponse
from treadle._native.http1_request import RequestCore
from treadle._native.http1_response import ResponseCore
from treadle.asgi.loading import Application
from treadle.asgi.path_send import send_path
from treadle.asgi.tls_extension import tls_extension
from treadle.http.extra_fields import early_hints, trailers
from treadle.http.limits import Limits, Timeouts
from treadle.http.policy import Policy
from treadle.http.routes import Route
from treadle.loop.event_loop import EventLoop

__all__ = ["ASGIServer"]


#: What scope["extensions"] says of every request. Source: https://asgi.readthedocs.io/en/latest/extensions.html
EXTENSIONS: Final[dict[str, dict[str, Any]]] = {"http.response.trailers": {}, "http.response.early_hint": {}}

SHOWN_MAX: Final = 200  # characters of a field that is none, in an error


class ASGIServer(Policy, ASGICore):
    """Of one application."""

    logger = logging.getLogger("treadle.asgi")

    def __init__(
        self,
        loop: EventLoop,
        app: Application,
        *,
        root_path: str,
        limits: Limits,
        timeouts: Timeouts,
        extensions: dict[str, dict[str, Any]],
        cancel_on_disconnect: bool = False,
        routes: Mapping[str, Route] | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        ASGICore.__init__(self, loop, asyncio.Task, app, root_path, extensions={**EXTENSIONS, **extensions})
        self.tls_context = tls_context
        self._has_told_of_upgrades = False
        self._has_told_of_drops = False
        self.adopt(limits, timeouts, None, cancel_on_disconnect, routes)

    def trailer_lines(self, fields: list[Any]) -> bytes:
        """Of http.response.trailers."""
        for pair in fields:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(one, bytes) for one in pair):
                self.message_refused("http.response.trailers", "headers", "pairs of bytes", pair)
        return trailers(fields)

    def early_hints(self, links: Iterable[bytes]) -> bytes:
        """Of http.response.early_hint."""
        return early_hints({"link": list(links)})

    def tls_facts(self, tls: ssl.SSLObject) -> dict[str, Any]:
        """The extension "tls" of a scope."""
        return tls_extension(tls)

    def dropped(self, local: Any, remote: Any) -> None:
        """One connection too many was closed: told aloud once, since a limit that is reached again and again floods a log."""
        level = logging.DEBUG if self._has_told_of_drops else logging.WARNING
        self._has_told_of_drops = True
        who = f"{remote[0]}:{remote[1]}" if isinstance(remote, tuple) else "a client"
        text = "%d connections are open, which is the limit: that of %s was closed (others: level debug)"
        self.logger.log(level, text, self.connections_max, who)

    def upgrade_ignored(self, request: RequestCore) -> None:
        """Say once that what follows is no WebSocket."""
        if not self._has_told_of_upgrades:
            self._has_told_of_upgrades = True
            self.logger.warning(
                "%s %s: the client asks to upgrade; WebSockets are not served yet, the application sees a plain request",
                request.method,
                request.url,
            )

    def send_path(self, response: ASGIResponse, path: str) -> Awaitable[None]:
        """The extension http.response.pathsend."""
        return send_path(response, path)

    def message_refused(self, message: str | None, key: str | None, expected: str, value: object) -> NoReturn:
        """What an application sent is no message of ASGI's."""
        if key is None:
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="message", expected=expected, received=type(value).__name__)
        received = "missing" if value is None else repr(value)[:SHOWN_MAX] if key == "headers" else type(value).__name__
        raise TreadleError(
            "ERR_ASGI_INVALID_MESSAGE", message=message or "a message", key=key, expected=expected, received=received
        )

    def asgi_fault(self, exception: BaseException | None, request: RequestCore, response: ResponseCore) -> None:
        """The application raised, or (None) returned, or was cancelled, without a whole answer."""
        if exception is not None or response.is_lost:
            self.handler_failed(exception, request, response)
            return
        self.logger.error("%s %s: the application returned without a whole answer", request.method, request.url)
        self.give_up(response)

"""The policy that the native side of a server asks for: error objects, refusals, what to do when a handler fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NoReturn

from treadle._base.errors import TreadleError
from treadle._native.http1 import RequestCore, ResponseCore, ServerCore
from treadle.http.limits import Limits, Timeouts
from treadle.http.refusals import refusal
from treadle.loop.event_loop import EventLoop

logger = logging.getLogger("treadle.http")


class Core(ServerCore):
    """Of one server. `on_drained` is called whenever the last connection has closed."""

    def __init__(self, loop: EventLoop, limits: Limits, timeouts: Timeouts, on_drained: Callable[[], None]) -> None:
        super().__init__(loop, asyncio.Task)
        self.line_bytes_max = limits.request_line_bytes
        self.head_bytes_max = limits.headers_bytes
        self.fields_max = limits.headers_count
        self.body_mark = limits.body_high_water_mark
        self.headers_ms = round(timeouts.headers_s * 1000)
        self.request_ms = round(timeouts.request_s * 1000)
        self.keep_alive_ms = round(timeouts.keep_alive_s * 1000)
        self._on_drained = on_drained

    def fault(self, code: str, data: dict[str, Any]) -> NoReturn:
        raise TreadleError(code, **data)

    def refusal(self, status: int) -> bytes:
        return refusal(status)

    def handler_failed(self, exception: BaseException | None, request: RequestCore, response: ResponseCore) -> None:
        """A handler raised, or its task was cancelled (None): 500 when nothing was sent, else the connection is cut."""
        is_lost = response.is_lost
        if is_lost and (exception is None or isinstance(exception, ConnectionError)):
            logger.debug("%s %s: the peer left before the answer", request.method, request.url)
            return
        logger.error("%s %s: the handler failed", request.method, request.url, exc_info=exception)
        if is_lost or response.finished:
            return
        if response.is_unsent:
            response.replace_by(refusal(500))
        else:
            self.abort_message(response)

    def drained(self) -> None:
        self._on_drained()

"""The native core of a node-style server, with its policy."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from treadle.http.limits import Limits, Timeouts
from treadle.http.message import IncomingMessage, ServerResponse
from treadle.http.policy import Policy
from treadle.http.routes import Route
from treadle.loop.event_loop import EventLoop

__all__ = ["Core"]


class Core(Policy):
    """Of one server."""

    logger = logging.getLogger("treadle.http")

    def __init__(
        self,
        loop: EventLoop,
        limits: Limits,
        timeouts: Timeouts,
        on_drained: Callable[[], None],
        cancel_on_disconnect: bool = False,
        routes: Mapping[str, Route] | None = None,
    ) -> None:
        super().__init__(loop, asyncio.Task)
        self.request_type = IncomingMessage
        self.response_type = ServerResponse
        self.adopt(limits, timeouts, on_drained, cancel_on_disconnect, routes)

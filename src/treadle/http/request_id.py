"""The id of the request that is being answered, for whoever logs. Not here: how it is made (_native.http1_intake)."""

import logging
from contextvars import ContextVar
from typing import Final, Literal

__all__ = ["RequestIdFilter", "RequestIds", "request_id"]

RequestIds = Literal["off", "on", "echo"]

request_id: Final[ContextVar[str | None]] = ContextVar("treadle.request_id", default=None)
"""The id of the request whose handler runs, its tasks and threads included; None outside, or where a server names no requests."""


class RequestIdFilter(logging.Filter):
    """Gives each record `request_id`, "-" outside of requests. A logging configuration names it as
    ``{"()": "treadle.http.RequestIdFilter"}``."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get() or "-"
        return True

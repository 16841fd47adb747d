"""The policy that the native side of every HTTP server asks for, whatever its handler speaks: limits, errors, refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from treadle._base.errors import TreadleError
from treadle._native.http1_request import RequestCore
from treadle._native.http1_response import ResponseCore
from treadle._native.http1_server import ServerCore
from treadle.http.limits import Limits, Timeouts
from treadle.http.refusals import REFUSALS, refusal
from treadle.http.routes import Route, Routes

__all__ = ["Policy", "is_departure"]


_WHY_LOST: Final = {
    "ERR_HTTP_RESPONSE_TIMEOUT": "the answer was not complete in time",
    "ERR_HTTP_SERVER_CLOSING": "the server has cut the answer",
}  # by the code of a departure


class Policy(ServerCore):
    """Mixed into a native server core. `on_drained`, if there is one, is called whenever the last connection has closed, and when
    the last handler has ended without one."""

    logger: logging.Logger
    _on_drained: Callable[[], None] | None
    _drain_waiter: asyncio.Future[None] | None = None  # of wait_drained()
    _has_told_of_plain_text = False

    def adopt(
        self,
        limits: Limits,
        timeouts: Timeouts,
        on_drained: Callable[[], None] | None,
        cancel_on_disconnect: bool = False,
        routes: Mapping[str, Route] | None = None,
    ) -> None:
        """Take over the limits; once, before the first connection. Raises TreadleError (ERR_INVALID_ARG_VALUE) for a route."""
        self.line_bytes_max = min(limits.request_line_bytes, limits.headers_bytes)
        self.head_bytes_max = limits.headers_bytes
        self.fields_max = limits.headers_count
        self.body_mark = limits.body_high_water_mark
        self.headers_ms = round(timeouts.headers_s * 1000)
        self.body_rate = limits.body_bytes_per_s or 0
        self.body_grace_ms = round(timeouts.body_grace_s * 1000)
        self.request_ms = round(timeouts.request_s * 1000)
        self.keep_alive_ms = round(timeouts.keep_alive_s * 1000)
        self.send_ms = round(timeouts.send_progress_s * 1000)
        self.send_bytes_min = max(round((limits.answer_bytes_per_s or 0) * timeouts.send_progress_s), 1)
        self.linger_ms = round(timeouts.linger_s * 1000)
        self.answer_ms = 0 if timeouts.response_s is None else round(timeouts.response_s * 1000)
        self.cancels = cancel_on_disconnect
        self.routes = Routes(routes, (self.answer_ms, cancel_on_disconnect)) if routes else None
        self.is_planned = bool(self.answer_ms or cancel_on_disconnect or routes)
        self._on_drained = on_drained

    def fault(self, code: str, data: dict[str, Any]) -> NoReturn:
        """Raise the error with this code."""
        raise TreadleError(code, **data)

    def refusal(self, reason: str, detail: str | None) -> bytes:
        """The whole answer to a message that is refused."""
        self.logger.debug("refused with %d: %s %s", REFUSALS[reason].status, REFUSALS[reason].text, detail or "")
        return refusal(reason, detail)

    def handshake_failed(self, error: Exception, is_plain: bool, peer: Any) -> None:
        """Hands were not shaken; the connection closes. Who speaks plain HTTP on this port is told of aloud, once."""
        who = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "a client"
        if is_plain and not self._has_told_of_plain_text:
            self._has_told_of_plain_text = True
            self.logger.warning(
                "%s speaks plain text on a port for TLS, as http:// in place of https:// does: closed (others: level debug)", who
            )
        else:
            self.logger.debug("no TLS handshake with %s: %s", who, "it speaks plain text" if is_plain else error)

    def drained(self) -> None:
        """The last connection has closed, or the last handler has ended."""
        waiter, self._drain_waiter = self._drain_waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._on_drained is not None:
            self._on_drained()

    async def wait_drained(self, timeout_s: float) -> bool:
        """Wait until no connection and no handler is left. False: some are, and the time is over."""
        end_s = self.loop.time() + timeout_s
        while self.connection_count or self.task_count:
            left_s = end_s - self.loop.time()
            if left_s <= 0:
                return False
            if self._drain_waiter is None:
                self._drain_waiter = self.loop.create_future()
            await asyncio.wait([self._drain_waiter], timeout=left_s)
        return True

    # ---- handlers

    def handler_failed(self, exception: BaseException | None, request: RequestCore, response: ResponseCore) -> None:
        """A handler raised, or its task was cancelled (None): 500 when nothing was sent, else the connection is cut."""
        is_ours = request._is_given_up or response._is_given_up  # the connection was cut here: a pipeline has failed, most often
        is_told = response.errored is None and getattr(exception, "code", None) == "ERR_STREAM_PREMATURE_CLOSE"  # by a pipeline
        if is_told:
            has_left = not request._is_given_up
        else:
            has_left = not is_ours and (exception is None or is_departure(exception))
        if response.is_lost and has_left:
            level = logging.DEBUG if exception is None or is_told or isinstance(exception, OSError) else logging.INFO
            self.logger.log(level, "%s %s: %s (%r)", request.method, request.url, _why_lost(request), exception)
            return
        if has_left and request._departure is not None and getattr(exception, "code", None) == request._departure:
            # It has but ended its side, and this is what its handler was told.
            self.logger.debug("%s %s: %s (%r)", request.method, request.url, _why_lost(request), exception)
            self.give_up(response)
            return
        if isinstance(exception, TreadleError) and exception.code == "ERR_BODY_TOO_LARGE":
            self.logger.info("%s %s: %s", request.method, request.url, exception.message)
            self.give_up(response, "BODY_TOO_LARGE")
            return
        if exception is not None:
            self.logger.error("%s %s: the handler failed", request.method, request.url, exc_info=exception)
        elif getattr(self.loop, "_is_winding_up", False):
            self.logger.warning("%s %s: cancelled before it was answered: the program ends", request.method, request.url)
        else:
            self.logger.error("%s %s: the handler was cancelled before it had answered", request.method, request.url)
        self.give_up(response)

    def timed_out(self, request: RequestCore, response: ResponseCore) -> None:
        """An answer was not complete in time."""
        outcome = "504 is answered" if response.is_unsent else "it is cut"
        self.logger.warning("%s %s: the answer was not complete in time: %s", request.method, request.url, outcome)

    def unanswered(self, request: RequestCore, response: ResponseCore, result: object) -> None:
        """A handler returned, and nobody is left who could answer."""
        hint = "" if result is None else f"; the {type(result).__name__} that it returned is not one: say res.end(...)"
        self.logger.error("%s %s: the handler returned without an answer%s", request.method, request.url, hint)
        self.give_up(response)

    def answer_failed(self, exception: BaseException, method: str, target: bytes) -> None:
        """What a pipe has given an answer, or what waited in it, cannot be sent."""
        self.logger.error("%s %s: the answer failed", method, target.decode("latin-1"), exc_info=exception)

    def answer_lost(self, request: RequestCore, response: ResponseCore) -> None:
        """A handler has caught what ended its request, and answered: nobody gets that."""
        self.logger.info(
            "%s %s: the answer %d is lost: destroying the request, as a pipeline does that fails, has cut the connection",
            request.method,
            request.url,
            response.status_code,
        )

    def give_up(self, response: ResponseCore, reason: str = "HANDLER_FAILED") -> None:
        """Answer with an error when nothing was sent, else cut the connection, so that the answer does not look whole."""
        if response.is_lost or response.finished:
            return
        if response.is_unsent:
            response.replace_by(refusal(reason))
        else:
            self.abort_message(response)


def _why_lost(request: RequestCore) -> str:
    return _WHY_LOST.get(request._departure or "", "the peer left before the answer was complete")


def is_departure(exception: BaseException) -> bool:
    """Whether an exception says no more than that the peer has left: an OSError, what was raised while one was handled
    (Starlette's ClientDisconnect), or a group of such."""
    if isinstance(exception, BaseExceptionGroup):
        return all(is_departure(one) for one in exception.exceptions)
    source: BaseException | None = exception
    seen: set[int] = set()  # `raise error from error` is possible
    while source is not None and id(source) not in seen:
        if isinstance(source, OSError):
            return True
        seen.add(id(source))
        source = source.__cause__ or source.__context__
    return False

"""The lifespan of an application: told before the first request and after the last.

Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html. Not here: when (serve.py).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, Literal

from treadle._base.errors import TreadleError
from treadle.asgi.loading import Application, Message

__all__ = ["Lifespan", "LifespanError", "Mode"]

logger = logging.getLogger("treadle.asgi")

Mode = Literal["auto", "on", "off"]

FAILED_S = 5.0  # for an application that has told of its failed start-up to return; most raise, or return, at once
CANCEL_S = 0.1  # for a lifespan that hangs to unwind once it is cancelled; what goes on is what the application leaves behind


ANSWERS: Final = {
    "lifespan.startup": ("lifespan.startup.complete", "lifespan.startup.failed"),
    "lifespan.shutdown": ("lifespan.shutdown.complete", "lifespan.shutdown.failed"),
}


class LifespanError(Exception):
    """The application could not start, or has no lifespan although one was asked for."""


class Lifespan:
    """One application's. startup() first, then shutdown(), each once."""

    def __init__(self, app: Application, mode: Mode) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._mode = mode
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._told = ""  # what the application was told last
        self._answer: asyncio.Future[Message | None] | None = None  # None: the application ended without an answer
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def startup(self) -> None:
        """Tell the application, and wait until it is ready. One that has failed and does not return is cancelled. Raises
        LifespanError."""
        if self._mode == "off":
            return
        self._task = asyncio.create_task(self._run(), name="treadle lifespan")
        try:
            message = await self._tell("lifespan.startup")
            if message is not None and message["type"] == "lifespan.startup.failed":
                await asyncio.wait([self._task], timeout=FAILED_S)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if message is None:
            was_told = self._events.empty()  # it has received lifespan.startup, and failed at it
            if self._mode == "on":
                said = "failed to start" if was_told else "does not support lifespan"
                raise LifespanError(f"the application {said}") from self._error
            if was_told and self._error is not None:
                logger.warning("the application failed at lifespan.startup and is served without", exc_info=self._error)
            else:
                logger.debug("the application has no lifespan", exc_info=self._error)
            self._task = None
        elif message["type"] == "lifespan.startup.failed":
            if not self._task.done():
                logger.error("the application has told that its start-up failed, and does not return: it is cancelled")
                await self._cancel(self._task)
            raise LifespanError(f"the application failed to start: {message.get('message', '') or 'no reason given'}")

    async def shutdown(self, timeout_s: float) -> None:
        """Tell the application, and wait until it is done, or cancel it once the time is over; what goes wrong is logged."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._end(self._task)
        except TimeoutError:
            logger.error("lifespan.shutdown took more than %.3g s and is cancelled", timeout_s)
            await self._cancel(self._task)

    async def _cancel(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_S)

    async def _end(self, task: asyncio.Task[None]) -> None:
        message = await self._tell("lifespan.shutdown")
        if message is None:
            if self._error is not None:
                logger.error("the application failed in its lifespan", exc_info=self._error)
            else:
                logger.debug("the application has returned from its lifespan before it was told to")
        elif message["type"] == "lifespan.shutdown.failed":
            logger.error("the application failed to shut down: %s", message.get("message", ""))
        await asyncio.wait([task])

    async def _tell(self, kind: str) -> Message | None:
        assert self._task is not None
        if self._task.done():
            return None
        self._told = kind
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": kind})
        return await self._answer

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._events.get, self._send)
        except Exception as error:
            self._error = error
        finally:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(None)

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        is_awaited = self._answer is not None and not self._answer.done()
        if kind not in ANSWERS.get(self._told, ()) if is_awaited else not any(kind in answers for answers in ANSWERS.values()):
            raise TreadleError(
                "ERR_ASGI_UNEXPECTED_MESSAGE",
                received=kind,
                state=f"due to {self._told}" if is_awaited else "that of its lifespan",
                hint="Behind lifespan.startup send lifespan.startup.complete or .failed, behind lifespan.shutdown likewise",
            )
        if self._answer is not None and is_awaited:
            self._answer.set_result(message)

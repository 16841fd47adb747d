"""How a server stops: phases in their order, one budget for all of them, a line in the log for each.

    accept    no new connections; those that the kernel holds are taken, since closing would reset them
    idle      connections without a request end; one whose request has reached the kernel is answered, with Connection: close; one
              that has said nothing yet has a second more, one amid its first head linger_s
    tell      whoever streams or waits for long is told
    drain     requests under way, and what their handlers still do, have until the deadline
    cut       503 where nothing was answered, an event stream ends, any other answer breaks off by FIN; handlers hear of it as of
              a peer that has left
    cancel    the handlers that are left
    lifespan  the application is told
    rest      what it has left behind: tasks, async generators, the executor

`PHASES` is the table: what each has to leave to those behind it. Not here: what holds the program then (treadle.loop.program),
signals (treadle.asgi.serve).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from treadle.http.policy import Policy
from treadle.loop.event_loop import EventLoop

__all__ = ["BUDGET_S", "PHASES", "Budget", "Phase", "Stopping"]

BUDGET_S = 30.0  # for all phases together; Kubernetes kills after as long, gunicorn's graceful_timeout is 30 s
RESERVE_S = 5.0  # of it, at most half: for what comes behind the deadline of the requests
MOMENT_S = 0.05  # what a phase has at least, so that whoever is told, or cancelled, runs at all


class Phase(NamedTuple):
    """One step of a stop."""

    name: str
    leaves: float | None  # share of the reserve that is there for the phases behind it; None: it does not wait


PHASES: Final = (
    Phase("accept", None),
    Phase("idle", None),
    Phase("tell", None),
    Phase("drain", 1.0),
    Phase("cut", 0.8),
    Phase("cancel", 0.5),
    Phase("lifespan", 0.2),
    Phase("rest", 0.0),
)


class Budget:
    """Seconds for all phases, from now on. What one does not use is there for the next."""

    def __init__(self, loop: EventLoop, total_s: float) -> None:
        self._loop = loop
        self._end_s = loop.time() + total_s
        self._reserve_s = min(RESERVE_S, total_s / 2)

    def left_s(self, phase: str) -> float:
        """For this phase, if it waits."""
        leaves = next(row.leaves for row in PHASES if row.name == phase)
        return max(MOMENT_S, self._end_s - (leaves or 0.0) * self._reserve_s - self._loop.time())


class Stopping:
    """One stop of one server core, once.

    retire: stops accepting. tell: what those who stream can hear. lifespan: told with its seconds; None: there is none.
    """

    def __init__(
        self,
        core: Policy,
        budget: Budget,
        logger: logging.Logger,
        *,
        retire: Callable[[], object],
        tell: Callable[[], object],
        lifespan: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._core = core
        self._budget = budget
        self._logger = logger
        self._retire = retire
        self._tell = tell
        self._tell_lifespan = lifespan

    async def run(self) -> None:
        """All phases but the rest. Cancelled, it goes no further: connections and handlers are the caller's."""
        for work in (self._accept, self._idle, self._tell_streams, self._drain, self._cut, self._cancel, self._lifespan):
            await work()

    @property
    def _busy(self) -> int:
        return max(self._core.request_count, self._core.task_count)

    async def _accept(self) -> None:
        self._core.is_closing = True
        self._retire()
        self._logger.info("stopping: accepts no more, %s open", counted(self._core.connection_count, "connection"))

    async def _idle(self) -> None:
        self._logger.info("stopping: closed %s", counted(self._core.close_idle_connections(), "idle connection"))

    async def _tell_streams(self) -> None:
        self._tell()
        self._logger.info("stopping: told %s under way", counted(self._busy, "request"))

    async def _drain(self) -> None:
        if not self._is_done():
            left_s = self._budget.left_s("drain")
            requests, connections = counted(self._busy, "request"), counted(self._core.connection_count, "connection")
            what = f"{requests} under way" if self._busy else f"{connections} to end"
            self._logger.info("stopping: waiting up to %.1f s for %s", left_s, what)
            await self._core.wait_drained(left_s)

    async def _cut(self) -> None:
        if self._is_done():
            return
        refused, ended, cut = self._core.cut_answers()
        if refused or ended or cut:
            self._logger.warning(
                "stopping: out of time: 503 for %s, %s ended, %s cut",
                counted(refused, "request"),
                counted(ended, "event stream"),
                counted(cut, "answer"),
            )
        await self._core.wait_drained(self._budget.left_s("cut"))

    async def _cancel(self) -> None:
        if self._is_done():
            return
        if self._core.task_count:
            self._logger.warning("stopping: cancelling %s", counted(self._core.task_count, "handler"))
            self._core.cancel_tasks()
        if not await self._core.wait_drained(self._budget.left_s("cancel")):
            for _, method, target in self._core.handlers():
                self._logger.error("stopping: %s %s: its handler goes on although it was cancelled", method, target)
        self._core.close_all_connections()
        await self._core.wait_drained(MOMENT_S)

    async def _lifespan(self) -> None:
        if self._tell_lifespan is not None:
            self._logger.info("stopping: lifespan")
            await self._tell_lifespan(self._budget.left_s("lifespan"))

    def _is_done(self) -> bool:
        return not (self._core.connection_count or self._core.task_count)


def counted(number: int, noun: str) -> str:
    """`3 requests`."""
    return f"{number} {noun}{'s' if number != 1 else ''}"

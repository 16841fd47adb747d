"""The calls of one loop in executors: lane 2 of the pool. Each holds the program until its outcome has arrived.

Invariant: a call counts in the process that made it. A forked child has none of the threads: no outcome of its parent's calls
arrives there, and an executor that has counted them as idle waits for them for ever. Not here: the calls, which are asyncio's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, TypeVar

from treadle._native.histogram import Histogram
from treadle.loop.culprits import culprit_of
from treadle.loop.executor_log import ExecutorLog

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop

_T = TypeVar("_T")

SATURATED_MS: Final = 100  # that a call waits for a thread; as _native.pool_threads
NS_PER_MS: Final = 1_000_000


class ExecutorCalls:
    """Those under way, on the loop's thread."""

    def __init__(self) -> None:
        self._under_way: dict[asyncio.Future[Any], _Call | None] = {}  # in the order in which they were made
        self._left: list[_Call] = []  # cancelled under way: their threads have them still; as many as those at most
        self._pid = os.getpid()  # whose calls they are
        self._completed = 0
        self._wait = Histogram()
        self._run = Histogram()
        self._log = ExecutorLog()
        self._saturations = 0
        self._is_saturated = False  # until no call waits any more
        self._is_looking = False  # a timer is set

    def timed(self, function: Callable[..., _T]) -> _Call:
        """What an executor is to call instead of the function."""
        return _Call(function)

    def hold(self, loop: EventLoop, future: asyncio.Future[Any], call: _Call | None = None) -> None:
        """Let a call hold the program. Of the user's own executors there are no statistics: without `call`."""
        self._under_way[future] = call
        loop.ref_request()
        future.add_done_callback(self._ended)
        if call is not None and not self._is_looking and len(self._under_way) + len(self._left) > size_of(loop._default_executor):
            self._look_later(loop)

    def statistics(self, executor: Any) -> dict[str, Any]:
        """How it stands now, as treadle.pool tells: threads at most, calls by where they are, for how long the oldest, and
        what it calls; histograms of ns, of how long calls have waited for a thread and how long it had them."""
        self._forget_left()
        calls = self._calls()
        oldest = min((call for call in calls if call.ended_ns is None), key=lambda call: call.made_ns, default=None)
        culprit = None if oldest is None else culprit_of(oldest.function, ())
        return {
            "size": size_of(executor),
            "active": sum(call.is_active() for call in calls),
            "queued": sum(call.begun_ns is None for call in calls),
            "completed": self._completed,
            "saturations": self._saturations,
            "wait": self._wait,
            "run": self._run,
            "oldest": None if culprit is None else culprit.name,
            "oldest_ns": 0 if oldest is None else monotonic_ns() - oldest.made_ns,
        }

    def _calls(self) -> list[_Call]:
        return [*self._left, *(call for call in self._under_way.values() if call is not None)]

    def _look_later(self, loop: EventLoop) -> None:
        self._is_looking = True
        loop.set_timeout(partial(self._look, loop), SATURATED_MS).unref()

    def _look(self, loop: EventLoop) -> None:
        # Whether one has waited for too long, and not for a thread that is free and was not let run.
        self._is_looking = False
        self._forget_left()
        calls = self._calls()
        waiting = [call for call in calls if call.begun_ns is None]
        if not waiting:
            self._is_saturated = False
            return
        busy = [call for call in calls if call.is_active()]
        waited_ns = monotonic_ns() - waiting[0].made_ns
        if not self._is_saturated and waited_ns >= SATURATED_MS * NS_PER_MS and len(busy) >= size_of(loop._default_executor):
            self._is_saturated = True
            self._saturations += 1
            self._log.report([call.function for call in busy], [call.function for call in waiting], waited_ns)
        self._look_later(loop)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        if future not in self._under_way:  # it is the parent's
            return
        call = self._under_way.pop(future)
        if call is not None and call.begun_ns is not None:
            self._wait.record(call.begun_ns - call.made_ns)
            if call.ended_ns is None:
                self._forget_left()
                self._left.append(call)
            else:
                self._note_run(call.ended_ns - call.begun_ns)
        future.get_loop().unref_request()  # type: ignore[attr-defined]

    def _forget_left(self) -> None:
        # Those that are through by now.
        left = self._left
        self._left = []
        for call in left:
            if call.begun_ns is None or call.ended_ns is None:
                self._left.append(call)
            else:
                self._note_run(call.ended_ns - call.begun_ns)

    def _note_run(self, run_ns: int) -> None:
        self._run.record(run_ns)
        self._completed += 1

    def renew_if_forked(self, loop: EventLoop) -> None:
        """A forked child has none of its parent's calls, and makes a default executor of its own when it needs one."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        loop._default_executor = None
        self._left.clear()
        while self._under_way:
            self._under_way.popitem()
            loop.unref_request()


class _Call:
    """A function and when it was handed over, begun and ended, in ns. The last two are written on its thread."""

    __slots__ = ("begun_ns", "ended_ns", "function", "made_ns")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.made_ns = monotonic_ns()
        self.begun_ns: int | None = None
        self.ended_ns: int | None = None

    def is_active(self) -> bool:
        return self.begun_ns is not None and self.ended_ns is None

    def __call__(self, *arguments: Any) -> Any:
        self.begun_ns = monotonic_ns()
        try:
            return self.function(*arguments)
        finally:
            self.ended_ns = monotonic_ns()


def size_of(executor: Any) -> int:
    """Its threads at most; 0: it does not tell, or there is none."""
    return getattr(executor, "_max_workers", 0)

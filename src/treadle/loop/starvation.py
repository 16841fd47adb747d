"""Says aloud who starves the loop: one log entry for each callback that fed a flood.

Not here: the guard itself, which keeps timers and I/O going all the while (_native.microtasks).
"""

import logging
from typing import Any

logger = logging.getLogger("treadle.loop")

NS_PER_MS = 1_000_000
SOURCES_MAX = 1000  # names remembered; past that a flood is counted, but not logged again

#: What fed the flood: how to end it.
CURES = {
    "microtasks": "Let the loop breathe: set_immediate or asyncio.sleep(0) instead of next_tick, queue_microtask or call_soon.",
    "immediates": "Wait for what is to come, by an event, a future or a timer, instead of asking again and again; where there is "
    "work to do, do more of it in fewer pieces, in a thread or in a process.",
    "timers": "Spread them out, or have one timer do the work of many.",
}


class StarvationLog:
    """Of one loop. Invariant: a source is logged once."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def report(self, what: str, callback: Any, flood_ns: int) -> str:
        """The loop's starvation_hook: `callback` is one that fed a flood of `what`, flood_ns long so far. Returns who that is."""
        source = describe(callback)
        if source not in self._reported and len(self._reported) < SOURCES_MAX:
            self._reported.add(source)
            logger.warning(
                "starvation: %s have kept the loop busy for %d ms without an end; one of the last was %s. Timers and I/O go on, "
                "a turn at a time. %s",
                what,
                flood_ns // NS_PER_MS,
                source,
                CURES[what],
            )
        return source


def describe(callback: Any) -> str:
    """Who a callback is: the coroutine of a task's step, else the function and where it was written."""
    owner = getattr(callback, "__self__", None)
    coroutine = getattr(owner, "get_coro", None)
    if coroutine is not None:
        code = getattr(coroutine(), "cr_code", None)
        name = getattr(coroutine(), "__qualname__", repr(owner))
    else:
        function = getattr(callback, "func", callback)
        code = getattr(function, "__code__", None)
        name = getattr(function, "__qualname__", repr(callback))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else str(name)

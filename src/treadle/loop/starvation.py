"""Says aloud who starves the loop: one log entry for each callback that fed a flood.

Not here: the guard itself, which keeps timers and I/O going all the while (_native.microtasks); how a callback is named
(culprits.py).
"""

import logging
from collections.abc import Sequence
from typing import Any

from treadle.loop.culprits import culprit_of

logger = logging.getLogger("treadle.loop")

NS_PER_MS = 1_000_000
SOURCES_MAX = 1000  # names remembered; past that a flood is counted, but not logged again

#: From here on a flood that asyncio itself schedules is named: tasks that wake one another, 100,000 sleeps that end at one time.
#: Such programs consist of it, and it starves nobody: most are through by then, as gather() of 100,000 coroutines is.
ASYNCIOS_FLOOD_NS = 1_000 * NS_PER_MS

#: What fed the flood: how to end it.
CURES = {
    "microtasks": "Let the loop breathe: set_immediate or asyncio.sleep(0) instead of next_tick, queue_microtask or call_soon.",
    "immediates": "Wait for what is to come, by an event, a future or a timer, instead of asking again and again; where there is "
    "work to do, do more of it in fewer pieces, in a thread or in a process.",
    "timers": "Spread them out, or have one timer do the work of many; wait for what is to come instead of asking again and "
    "again.",
}


class StarvationLog:
    """Of one loop. Invariant: a source is logged once."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def report(self, what: str, suspects: Sequence[tuple[Any, Any]], flood_ns: int) -> str | None:
        """The loop's starvation_hook: a flood of `what` lasts for flood_ns so far; suspects are callbacks of it, and their
        arguments, the one that fed it last first. Returns who it is; None: it is too early to say so."""
        found = [culprit for suspect in suspects if (culprit := culprit_of(*suspect)) is not None]
        if not found:
            return None
        culprit = next((one for one in found if not one.is_treadles), found[0])  # the user can change nothing about ours
        if culprit.is_asyncios and flood_ns < ASYNCIOS_FLOOD_NS:
            return None
        source = culprit.name
        if source not in self._reported and len(self._reported) < SOURCES_MAX:
            self._reported.add(source)
            logger.warning(
                "starvation: %s have kept the loop busy for %d ms so far; one of the last was %s. Timers and I/O go on, a turn "
                "at a time. %s",
                what,
                flood_ns // NS_PER_MS,
                source,
                CURES[what],
            )
        return source

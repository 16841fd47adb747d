"""Says aloud that calls wait for the default executor's threads, and what holds those: as treadle.pool does of lane 1.

Here, since who calls asyncio.to_thread need not have imported that. Invariant: the same callables are named once.
Not here: which calls there are (executor_calls.py).
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from treadle.loop.culprits import culprit_of

__all__ = ["ExecutorLog"]

logger = logging.getLogger("treadle.pool")

NS_PER_MS: Final = 1_000_000
REASONS_MAX: Final = 100  # sets of callables that were told; past that a saturation is counted only
NAMES_MAX: Final = 5  # of one entry: those of the most calls


class ExecutorLog:
    """Of one loop."""

    def __init__(self) -> None:
        self._told: set[frozenset[str]] = set()

    def report(self, busy: list[Callable[..., Any]], waiting: list[Callable[..., Any]], waited_ns: int) -> None:
        """One entry, unless these callables were named before. `busy` are on threads, all of them; the first of `waiting` has
        waited for so long."""
        names = Counter(map(name_of, busy))
        reason = frozenset(names)
        if reason in self._told or len(self._told) >= REASONS_MAX:
            return
        self._told.add(reason)
        logger.warning(
            "the default executor is saturated: a call (%s) has waited for %d ms. All of its %d threads are busy: %s. "
            "Waiting: %s. More threads: loop.set_default_executor(ThreadPoolExecutor(...)); else ask for less at a time.",
            name_of(waiting[0]),
            waited_ns // NS_PER_MS,
            len(busy),
            listed(names.most_common()),
            listed(Counter(map(name_of, waiting)).most_common()),
        )


def name_of(function: Callable[..., Any]) -> str:
    """The user's function, whatever asyncio runs it by."""
    culprit = culprit_of(function, ())
    return "of no name" if culprit is None else culprit.name


def listed(counts: Iterable[tuple[str, int]]) -> str:
    """name 3, other 2 ..."""
    found = [f"{name} {count:,}" for name, count in counts]
    return ", ".join(found[:NAMES_MAX] + ["..."] * (len(found) > NAMES_MAX))

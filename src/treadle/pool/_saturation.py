"""Says aloud that jobs wait for the pool, and what holds its threads. Not here: when that is so (_native.pool_threads)."""

import logging
from typing import Final

from treadle._native.pool import Pool

__all__ = ["SaturationLog"]

logger = logging.getLogger("treadle.pool")

NS_PER_MS: Final = 1_000_000
REASONS_MAX: Final = 100  # sets of culprits that were told; past that a saturation is counted only

# Pool.saturation(), who held it up -> what is said of them, and what helps.
REASONS: Final = {
    "": (
        "{held} of its {size} threads are busy",
        "More threads: TREADLE_THREADPOOL_SIZE, where the work is computing as many as there are CPUs; else ask for less at "
        "a time",
    ),
    "computing": (
        "Of jobs such as this one {most} run at once, one for each CPU",
        "More threads would make them no faster: ask for less at a time",
    ),
    "names": (
        "Names are looked up by half of its {size} threads at most",
        "More threads: TREADLE_THREADPOOL_SIZE; else ask for less at a time",
    ),
}


class SaturationLog:
    """Of one pool. Invariant: the same culprits are named once."""

    def __init__(self, pool: Pool) -> None:
        self._told: set[tuple[str, frozenset[str]]] = set()
        pool.saturation_hook = lambda: self.report(pool)

    def report(self, pool: Pool) -> None:
        """One entry, unless these culprits were named before."""
        kind, waited_ns, busy, waiting, held_up_by = pool.saturation()
        reason = (held_up_by, frozenset(busy))
        if reason in self._told or len(self._told) >= REASONS_MAX:
            return
        self._told.add(reason)
        because, remedy = REASONS[held_up_by]
        logger.warning(
            "the pool is saturated: a job (%s) has waited for %d ms. %s: %s. Waiting: %s. %s.",
            kind or "of no kind",
            waited_ns // NS_PER_MS,
            because.format(held=sum(busy.values()), size=pool.size, most=pool.computing_max),
            _list(busy),
            _list(waiting),
            remedy,
        )


def _list(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name or 'others'} {count:,}" for name, count in ordered) or "none"

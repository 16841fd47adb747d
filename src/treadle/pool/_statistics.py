"""statistics(): how the pool stands, and who holds it up."""

from collections.abc import Mapping
from dataclasses import dataclass

from treadle._native.histogram import Histogram
from treadle.loop.current import get_loop
from treadle.pool._loop_pool import pool_of

__all__ = ["KindStatistics", "LaneStatistics", "PoolStatistics", "statistics"]


@dataclass(frozen=True, slots=True)
class KindStatistics:
    """The jobs of one kind."""

    queued: int
    active: int
    wait: Histogram  # ns for a thread, each time that a job waited
    run: Histogram  # ns on threads, of each job that is through


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """Lane 2, the calls of the user."""

    size: int  # threads at most; 0 where an executor of the user's does not tell
    active: int
    queued: int
    completed: int
    wait: Histogram  # ns for a thread
    run: Histogram  # ns on a thread
    saturations: int  # times that a call had waited for 100 ms while all threads were busy, until none waited once
    oldest: str | None  # the callable that has been under way the longest, in the queue or on a thread
    oldest_ns: int


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Lane 1, and lane 2 as `user`."""

    size: int  # threads at most
    threads: int  # started so far
    active: int  # jobs on threads
    queued: int  # jobs that wait for one
    queue_max: int
    queued_max: int  # how many have waited at most
    requests: int  # whose callback is still to come
    completed: int
    at_once: int  # of these, done without a thread: files that the kernel had in memory
    saturations: int  # times that a job had waited for 100 ms with no thread for it, until none of its group waited
    oldest_queued: str | None  # the kind of the job that has waited the longest
    oldest_queued_ns: int
    oldest_active: str | None  # of the one that a thread has had the longest
    oldest_active_ns: int
    kinds: Mapping[str, KindStatistics]
    user: LaneStatistics

    @property
    def busy_with(self) -> dict[str, int]:
        """Kind -> threads that have a job of it: what a job that waits waits for."""
        return {name: kind.active for name, kind in self.kinds.items() if kind.active}


def statistics() -> PoolStatistics:
    """Of this thread's loop, now. Costs some 5 us a kind. Raises TreadleError: ERR_NO_LOOP."""
    loop = get_loop()
    pool = pool_of(loop)
    now = pool.statistics()
    return PoolStatistics(
        size=now["size"],
        threads=now["threads"],
        active=now["active"],
        queued=now["queued"],
        queue_max=now["queue_max"],
        queued_max=now["queued_max"],
        requests=now["requests"],
        completed=now["completed"],
        at_once=now["at_once"],
        saturations=now["saturations"],
        oldest_queued=now["oldest_queued_kind"] if now["queued"] else None,
        oldest_queued_ns=now["oldest_queued_ns"],
        oldest_active=now["oldest_active_kind"] if now["active"] else None,
        oldest_active_ns=now["oldest_active_ns"],
        kinds={name: KindStatistics(*figures) for name, figures in pool.statistics_by_kind().items()},
        user=LaneStatistics(**loop.executor_statistics()),
    )

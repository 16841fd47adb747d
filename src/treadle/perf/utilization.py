"""Which share of its time a loop works. Source: Node, performance.eventLoopUtilization()."""

from dataclasses import dataclass

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop

__all__ = ["EventLoopUtilization", "event_loop_utilization"]

NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class EventLoopUtilization:
    """How long the loop waited in its poll (`idle`), and did anything else (`active`), in ms; `utilization` is the active share,
    from 0 to 1. Time between two runs of a loop is neither."""

    idle: float
    active: float
    utilization: float


def event_loop_utilization(
    utilization1: EventLoopUtilization | None = None, utilization2: EventLoopUtilization | None = None, /
) -> EventLoopUtilization:
    """Of the loop that runs here: since it first ran, or since `utilization1` was taken; with two, from the second to the first.

    Raises TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE. From another thread ask the loop itself: idle_and_active_ns().
    """
    _require_utilization(utilization1, "utilization1")
    _require_utilization(utilization2, "utilization2")
    if utilization1 is not None and utilization2 is not None:
        return _share(utilization1.idle - utilization2.idle, utilization1.active - utilization2.active)
    idle_ns, active_ns = get_loop().idle_and_active_ns()
    idle, active = idle_ns / NS_PER_MS, active_ns / NS_PER_MS
    if utilization1 is not None:
        idle, active = idle - utilization1.idle, active - utilization1.active
    return _share(idle, active)


def _require_utilization(value: object, name: str) -> None:
    if value is not None and not isinstance(value, EventLoopUtilization):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an EventLoopUtilization", received=type(value).__name__)


def _share(idle: float, active: float) -> EventLoopUtilization:
    total = idle + active
    return EventLoopUtilization(idle, active, active / total if total else 0.0)

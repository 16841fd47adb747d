"""Time that only goes forward, from one moment of this process on. Source: Node, performance.now() and performance.timeOrigin."""

import time
from typing import Final

__all__ = ["now", "time_origin"]

_ORIGIN_NS = time.monotonic_ns()
time_origin: Final = time.time_ns() / 1e6  # ms since 1970: when treadle.perf was imported


def now() -> float:
    """ms since `time_origin`."""
    return (time.monotonic_ns() - _ORIGIN_NS) / 1e6

"""How late the loop is: a timer that notes how long after the time before it was called.

Source: Node, perf_hooks.monitorEventLoopDelay() and class IntervalHistogram. Not here: the histogram itself (_native.histogram).
"""

import time

from treadle._base.errors import TreadleError
from treadle._native.histogram import Histogram
from treadle._native.timers import Timeout
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop

__all__ = ["IntervalHistogram", "monitor_event_loop_delay"]

RESOLUTION_MS_DEFAULT = 10  # Node


def monitor_event_loop_delay(resolution: int = RESOLUTION_MS_DEFAULT) -> "IntervalHistogram":
    """A histogram of the times between two calls of a timer of `resolution` ms, once it is enabled.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE (at least 1).
    """
    return IntervalHistogram(resolution)


class IntervalHistogram(Histogram):
    """Times in ns. An idle loop shows about the resolution; what is above that, the loop was late by.

    It does not hold the program. Invariant: it has a timer, and a loop, exactly while it is enabled. The end of its loop disables
    it, which is found out when somebody asks.
    """

    def __init__(self, resolution: int) -> None:
        if not isinstance(resolution, int):
            raise TreadleError(
                "ERR_INVALID_ARG_TYPE", name="resolution", expected="an integer", received=type(resolution).__name__
            )
        if resolution < 1:
            raise TreadleError("ERR_OUT_OF_RANGE", name="resolution", expected="at least 1", received=resolution)
        self._resolution_ms = resolution
        self._timer: Timeout | None = None
        self._loop: EventLoop | None = None  # that of the timer
        self._last_ns = 0

    def enable(self) -> bool:
        """Begin to sample on the loop that runs here. False: it does already. Raises TreadleError: ERR_NO_LOOP."""
        if self._is_enabled():
            return False
        self._loop = get_loop()
        self._timer = self._loop.set_interval(self._sample, self._resolution_ms).unref()
        self._last_ns = time.monotonic_ns()
        return True

    def disable(self) -> bool:
        """Stop sampling; what was recorded stays. False: it did not sample."""
        was_enabled = self._is_enabled()
        if self._timer is not None:
            self._timer.close()
        self._timer = self._loop = None
        return was_enabled

    def _is_enabled(self) -> bool:
        if self._loop is not None and self._loop.is_closed():
            self._timer = self._loop = None
        return self._timer is not None

    def __enter__(self) -> "IntervalHistogram":
        self.enable()
        return self

    def __exit__(self, *_: object) -> None:
        self.disable()

    def percentile(self, percentile: float) -> int:
        """The value that `percentile` of a hundred samples do not exceed, at most 1 in 64 too high; 0 without samples.

        Raises TreadleError: ERR_OUT_OF_RANGE (above 0, at most 100).
        """
        if not 0 < percentile <= 100:
            raise TreadleError("ERR_OUT_OF_RANGE", name="percentile", expected="above 0 and at most 100", received=percentile)
        return super().percentile(percentile)

    def _sample(self) -> None:
        now_ns = time.monotonic_ns()
        self.record(now_ns - self._last_ns)
        self._last_ns = now_ns

"""What the tests of timers, immediates and ticks share."""

import time

Trace = list[object]


def spin(ms: float) -> None:
    """Hold the loop up: a callback that computes."""
    end_s = time.perf_counter() + ms / 1000
    while time.perf_counter() < end_s:
        pass


def boom() -> None:
    raise ValueError("boom")

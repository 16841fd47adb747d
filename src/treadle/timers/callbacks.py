"""Timers that call back, over the loop that runs here. Source: https://nodejs.org/api/timers.html.

Delays are ms, whole and at least 1: 1.9, 0, negative and NaN become 1. A late timer never runs before its time, and
timers of one delay run in the order they were made. Handles hold the program until they fire, unless unref()ed.
Not here: their order and their memory (_native.timers); asyncio's call_later (the loop itself).
"""

from collections.abc import Callable
from typing import Final

from treadle._base.arguments import require_callable
from treadle._base.warning import TreadleWarning, issue_warning
from treadle._native.loop import Immediate
from treadle._native.timers import Timeout
from treadle.loop.current import get_loop

__all__ = [
    "clear_immediate",
    "clear_interval",
    "clear_timeout",
    "set_immediate",
    "set_interval",
    "set_timeout",
]

DELAY_MS_MAX: Final = 2**31 - 1  # 24.8 days; Node, TIMEOUT_MAX


def set_timeout(callback: Callable[..., object], delay_ms: float = 1, /, *args: object) -> Timeout:
    """Call `callback(*args)` once, in the timers phase, `delay_ms` from now or later. ERR_NO_LOOP without a loop."""
    require_callable(callback, "callback")
    if delay_ms > DELAY_MS_MAX:
        _warn_of_overflow(delay_ms)
    return get_loop().set_timeout(callback, delay_ms, *args)


def set_interval(callback: Callable[..., object], delay_ms: float = 1, /, *args: object) -> Timeout:
    """Call `callback(*args)` every `delay_ms`, counted from the start of the call before, until it is cleared. One that
    raises goes on, if the exception is taken care of."""
    require_callable(callback, "callback")
    if delay_ms > DELAY_MS_MAX:
        _warn_of_overflow(delay_ms)
    return get_loop().set_interval(callback, delay_ms, *args)


def set_immediate(callback: Callable[..., object], /, *args: object) -> Immediate:
    """Call `callback(*args)` in the check phase, after the I/O of this turn; from a check phase, in that of the next."""
    require_callable(callback, "callback")
    return get_loop().set_immediate(callback, *args)


def clear_timeout(handle: object, /) -> None:
    """Keep a timeout or interval from firing; anything else, None above all, is ignored."""
    if isinstance(handle, Timeout):
        handle.close()


clear_interval = clear_timeout


def clear_immediate(handle: object, /) -> None:
    """Keep an immediate from running; anything else, None above all, is ignored."""
    if isinstance(handle, Immediate):
        handle.close()


def _warn_of_overflow(delay_ms: float) -> None:
    issue_warning(
        TreadleWarning(
            f"a delay of {delay_ms} ms is longer than {DELAY_MS_MAX} ms (24.8 days): 1 ms is taken instead",
            name="TimeoutOverflowWarning",
        )
    )

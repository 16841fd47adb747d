"""Timers that call back, over the loop that runs here. Source: https://nodejs.org/api/timers.html.

Delays are ms, whole and at least 1: 1.9, 0, negative and NaN become 1. A late timer never runs before its time, and
timers of one delay run in the order they were made. Handles hold the program until they fire, unless unref()ed.
Not here: how they find the loop, and their signatures (_native.faces); order and memory of timers (_native.timers); asyncio's
call_later (the loop itself).
"""

from treadle.loop.current import FACES

__all__ = [
    "clear_immediate",
    "clear_interval",
    "clear_timeout",
    "set_immediate",
    "set_interval",
    "set_timeout",
]

set_timeout = FACES.set_timeout
set_interval = FACES.set_interval
set_immediate = FACES.set_immediate
clear_timeout = clear_interval = FACES.clear_timeout
clear_immediate = FACES.clear_immediate

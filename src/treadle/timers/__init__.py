"""Node's timers over the loop that runs here: those that call back, and `timers.promises`, to await.

Source: https://nodejs.org/api/timers.html. Not here: their order and their memory (_native.timers).
"""

from treadle._native.check_phase import Immediate
from treadle._native.timers import Timeout
from treadle.timers import promises
from treadle.timers.callbacks import clear_immediate, clear_interval, clear_timeout, set_immediate, set_interval, set_timeout

__all__ = [
    "Immediate",
    "Timeout",
    "clear_immediate",
    "clear_interval",
    "clear_timeout",
    "promises",
    "set_immediate",
    "set_interval",
    "set_timeout",
]

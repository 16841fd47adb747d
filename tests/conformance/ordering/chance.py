"""What the order of a recorded program is up to besides the loop, and how often it is run therefore. Not here: the programs
(adapter.py)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What the recording cannot pin, in Node as well; only then is another run another chance:
# - a timer that holds nothing runs if it is due when the last one that does fires. Where both were made in one callback, whether
#   a millisecond ended between the two decides;
# - a read ends when the kernel has run its thread: beside a busy machine after a timer, and after another read.
RUNS = 3

# A run says nothing where this thread waited so long for a CPU: timers were due by then that were not due where it was recorded.
HELD_UP_NS = 1_000_000  # the unit of the timers
DEADLINE_S = 20.0  # for one that is not held up
SCHEDSTAT = Path("/proc/thread-self/schedstat")  # of kernels with CONFIG_SCHED_INFO


def is_up_to_chance(program: dict[str, Any]) -> bool:
    text = json.dumps(program["body"])
    return "unref" in program["features"] or '"op": "fs"' in text or '"aw": "fs"' in text


def log_of(program: dict[str, Any], run: Callable[[], list[str]]) -> list[str]:
    """The recorded log if a run gives it that may, else the log of the last one."""
    runs_left = RUNS if is_up_to_chance(program) else 1
    end_s = time.monotonic() + DEADLINE_S
    while True:
        before_ns = waited_for_a_cpu_ns()
        log = run()
        if waited_for_a_cpu_ns() - before_ns < HELD_UP_NS:
            runs_left -= 1
        if log == program["expect"] or runs_left == 0 or time.monotonic() > end_s:
            return log


def waited_for_a_cpu_ns() -> int:
    """How long this thread could have run and did not, since it began; 0 where nobody counts it."""
    try:
        return int(SCHEDSTAT.read_text().split()[1])
    except FileNotFoundError:
        return 0

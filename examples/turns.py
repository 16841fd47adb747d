"""Which comes first, a timeout of 0 ms or an immediate? Asked in an I/O callback: the immediate. From the top: it depends.

Run it: treadle run examples/turns.py. Why, turn by turn: treadle trace examples/turns.py
"""

from treadle import fs, process, queue_microtask, timers


def when_read(error: OSError | None, data: bytes | None) -> None:
    timers.set_timeout(print, 0, "timeout: the timers phase of a later turn")
    timers.set_immediate(print, "immediate: check comes right behind poll")
    queue_microtask(lambda: print("microtask: behind this callback, after the ticks"))
    process.next_tick(print, "tick: behind this callback")


fs.read_file(__file__, when_read)

"""Which loop a call that names none means: the one that runs on this thread. Node's functions, which all do, hang off `FACES`.

Not here: what they do (_native.faces); the modules that users find them in (treadle.timers, treadle.process).
"""

from asyncio import _get_running_loop
from collections.abc import Callable
from threading import current_thread, main_thread
from typing import Final

from treadle._base.arguments import require_callable, require_number
from treadle._base.errors import TreadleError
from treadle._base.warning import TreadleWarning, issue_warning
from treadle._native.faces import Faces
from treadle.loop.event_loop import EventLoop

DELAY_MS_MAX: Final = 2**31 - 1  # 24.8 days; Node, TIMEOUT_MAX


def _no_loop() -> TreadleError:
    hint = None  # what the table says
    if _get_running_loop() is not None:
        hint = "Another library's loop runs here: begin the program by treadle.run(main) in the place of asyncio.run(main())"
    elif current_thread() is not main_thread():
        hint = (
            "What belongs to a loop is used in the loop's thread: from here call loop.call_soon_threadsafe(function, ...); a "
            "whole stream is read or written here through a file, which to_file() or to_writable_file() make in the loop's thread"
        )
    return TreadleError("ERR_NO_LOOP", thread=repr(current_thread().name), hint=hint)


def _warn_of_overflow(delay_ms: float) -> None:
    issue_warning(
        TreadleWarning(
            f"a delay of {delay_ms} ms is longer than {DELAY_MS_MAX} ms (24.8 days): 1 ms is taken instead",
            name="TimeoutOverflowWarning",
        )
    )


FACES: Final = Faces(_get_running_loop, _no_loop, require_callable, require_number, _warn_of_overflow)

get_loop: Callable[[], EventLoop] = FACES.get_loop
queue_microtask = FACES.queue_microtask

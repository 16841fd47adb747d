"""Which loop a call that names none means: the one that runs on this thread. Node's functions, which all do, hang off `FACES`.

Not here: what they do (_native.faces); the modules that users find them in (treadle.timers, treadle.process).
"""

from asyncio import _get_running_loop
from collections.abc import Callable
from functools import partial
from typing import Final

from treadle._base.arguments import require_callable, require_number
from treadle._base.errors import TreadleError
from treadle._base.warning import TreadleWarning, issue_warning
from treadle._native.faces import Faces
from treadle.loop.event_loop import EventLoop

DELAY_MS_MAX: Final = 2**31 - 1  # 24.8 days; Node, TIMEOUT_MAX


def _warn_of_overflow(delay_ms: float) -> None:
    issue_warning(
        TreadleWarning(
            f"a delay of {delay_ms} ms is longer than {DELAY_MS_MAX} ms (24.8 days): 1 ms is taken instead",
            name="TimeoutOverflowWarning",
        )
    )


FACES: Final = Faces(
    _get_running_loop, partial(TreadleError, "ERR_NO_LOOP"), require_callable, require_number, _warn_of_overflow
)

get_loop: Callable[[], EventLoop] = FACES.get_loop
queue_microtask = FACES.queue_microtask

"""Which loop a call that names none means: the one that runs on this thread."""

from asyncio import _get_running_loop
from collections.abc import Callable

from treadle._base.errors import TreadleError
from treadle.loop.event_loop import EventLoop


def get_loop() -> EventLoop:
    """The treadle loop that runs on this thread. Raises TreadleError (ERR_NO_LOOP) where there is none."""
    loop = _get_running_loop()
    if isinstance(loop, EventLoop):
        return loop
    raise TreadleError("ERR_NO_LOOP")


def queue_microtask(callback: Callable[[], object]) -> None:
    """Run callback() after the running callback and the ticks, before any I/O. Source: Node, queueMicrotask.

    Raises TreadleError: ERR_NO_LOOP.
    """
    get_loop().queue_microtask(callback)

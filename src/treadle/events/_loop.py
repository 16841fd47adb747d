"""The loop that coroutine listeners and waiting need. Invariant: events imports without a loop and without asyncio, since
most emitters never await. Not here: how the loop is found (loop.current)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop

__all__ = ["running_loop"]


def running_loop() -> "EventLoop":
    """The loop that runs here; ERR_NO_LOOP without one."""
    from treadle.loop.current import get_loop

    return get_loop()

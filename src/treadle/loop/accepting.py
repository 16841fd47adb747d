"""What a server does when no descriptor or memory is left for one more connection: it says so, pauses, and tries again.

The clients wait in the kernel's backlog meanwhile. Not here: accepting (_native.tcp).
"""

import logging

from treadle._native.tcp import Listener
from treadle.loop.event_loop import EventLoop

__all__ = ["ACCEPT_RETRY_MS", "pause_accepting"]

ACCEPT_RETRY_MS = 1000  # asyncio, ACCEPT_RETRY_DELAY


def pause_accepting(
    loop: EventLoop, logger: logging.Logger, listener: Listener, error: OSError, *, is_refed: bool = True
) -> None:
    """The listener has paused itself because of error: start it again in a while. A timer; is_refed: it holds the program."""
    logger.error("accepting pauses for %d ms: %s", ACCEPT_RETRY_MS, error)
    retry = loop.set_timeout(listener.start, ACCEPT_RETRY_MS)
    if not is_refed:
        retry.unref()

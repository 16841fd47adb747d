"""What a subscriber raised: nobody who publishes may be hit by it, and nobody may miss it."""

import sys

from treadle._base.errors import TreadleError

__all__ = ["report"]


def report(error: Exception) -> None:
    """Make it uncaught in the next tick, as in Node. Where no treadle loop runs on this thread, print it as Python does."""
    from treadle.loop.current import get_loop  # late: a library that publishes must not bring asyncio in

    try:
        loop = get_loop()
    except TreadleError:
        sys.excepthook(type(error), error, error.__traceback__)
    else:
        loop.next_tick(_raise, error)


def _raise(error: Exception) -> None:
    raise error

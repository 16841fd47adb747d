"""Where packages above the loop are told what it meets. Each hook is None until somebody sets it.

Set by treadle.process, once, when it is imported; read by every loop, however it is run, and by every program. Not here: what
they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from treadle.loop.event_loop import EventLoop

#: A callback of treadle's own failed and nobody handled it: (exception) -> True when a listener took care of it.
uncaught: Callable[[BaseException], bool] | None = None

#: A program begins: () -> None. For the process's own, those of its main thread, as with the two that follow.
begin: Callable[[], None] | None = None

#: Nothing is left that holds the program: (exit code) -> None. May schedule more, and the program goes on.
before_exit: Callable[[int], None] | None = None

#: The program ends: (exit code) -> None. Whatever it schedules is lost.
exit: Callable[[int], None] | None = None

#: A task or future failed, and was finalised before anybody asked for it: (its loop, exception, itself) -> True when a listener
#: takes care of it, so that asyncio need not log it. On any thread, amid anything: it may only schedule.
unhandled_rejection: Callable[[EventLoop, BaseException, asyncio.Future[Any]], bool] | None = None

#: A signal came in through the loop's pipe: (number) -> None. In the poll phase.
signal: Callable[[int], None] | None = None

#: A loop has given up its handler of a signal, which has its default again: (number) -> None.
signal_dropped: Callable[[int], None] | None = None


def take_uncaught(error: BaseException) -> bool:
    """What every loop asks of such a failure: whether a listener took care of it."""
    return uncaught is not None and uncaught(error)  # looked up anew: treadle.process may be imported after the loop was made

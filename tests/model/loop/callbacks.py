"""One scheduled callback: of whose kind it is, and who hears of its failure."""

from __future__ import annotations

import enum
from collections.abc import Callable


class Kind(enum.Enum):
    """Where a callback comes from. It decides who is told of its exception, and how the guard counts it."""

    TICK = enum.auto()
    MICROTASK = enum.auto()
    IMMEDIATE = enum.auto()
    TIMEOUT = enum.auto()
    SOON = enum.auto()  # asyncio's call_soon, and with it futures and tasks
    ALARM = enum.auto()  # asyncio's call_later and call_at
    READY = enum.auto()  # asyncio's add_reader and add_writer


ASYNCIO = {Kind.SOON, Kind.ALARM, Kind.READY}


class Callback:
    """Runs once at most. Invariant: a cancelled one does nothing, and keeps its place in the queue that it waits in."""

    def __init__(self, kind: Kind, function: Callable[[], object]) -> None:
        self.kind, self.function = kind, function
        self.is_cancelled = False

    def cancel(self) -> None:
        """Keep it from running."""
        self.is_cancelled = True


class Errors:
    """What becomes of the exception of a callback: asyncio's go to its exception handler, all others to uncaught_hook."""

    def __init__(self) -> None:
        self.uncaught_hook: Callable[[Exception], bool] = lambda error: False  # True: somebody took care of it
        self.exception_handler: Callable[[Exception], object] = lambda error: None
        self.after_uncaught: Callable[[], object] = lambda: None  # somebody took care of it: see turn.py

    def run(self, callback: Callback) -> bool:
        """Run it. True unless it failed, and the failure is dealt with. Raises what nobody takes care of."""
        if not callback.is_cancelled:
            try:
                callback.function()
            except Exception as error:
                self.failed(callback.kind, error)
                return False
        return True

    def failed(self, kind: Kind, error: Exception) -> None:
        if kind in ASYNCIO:
            self.exception_handler(error)
        elif self.uncaught_hook(error):
            self.after_uncaught()
        else:
            raise error

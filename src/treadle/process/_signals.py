"""Signals that somebody listens for, and what they did before.

    the system -> CPython's C handler -> the loop's pipe -> poll phase -> emit     where a treadle loop runs on the main thread
                                      -> the handler of signal.signal -> emit      where none does

Invariant: a signal is handled here exactly as long as it is watched; with the last listener what held before holds again.
Not here: the pipe (loop.signals), the listeners (_process.py).
"""

import errno
import signal
from asyncio import _get_running_loop
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop

__all__ = ["ALIASES", "NUMBERS", "Signals", "number_of"]

NUMBERS: Final[dict[object, int]] = {member.name: int(member) for member in signal.Signals}
ALIASES: Final = {name: member.name for name, member in signal.Signals.__members__.items() if name != member.name}
_NAMES: Final = {int(member): member.name for member in signal.Signals}


class Signals:
    """Of one process. Every signal that is watched goes to emit(name, number)."""

    def __init__(self, emit: Callable[[str, int], object]) -> None:
        self._emit = emit
        self._before: dict[int, Any] = {}  # number -> the handler that stands there when nobody listens

    def watch(self, number: int) -> None:
        """Take it, unless that is done. Raises OSError (EINVAL) for SIGKILL and SIGSTOP; TreadleError: ERR_INVALID_STATE off the
        main thread."""
        if number in self._before:
            return
        before = signal.getsignal(number)
        _set_handler(number, self._arrived)
        signal.siginterrupt(number, False)
        self._before[number] = signal.SIG_DFL if before is None else before

    def leave(self, number: int) -> None:
        """Undo watch(). A handler that somebody has set meanwhile stays. Raises TreadleError: ERR_INVALID_STATE, and then it is
        left to a later call on the main thread."""
        if signal.getsignal(number) == self._arrived:
            _set_handler(number, self._before[number])
        del self._before[number]

    def take_back(self, number: int) -> None:
        """A loop that had taken it has given it back to the system: handle it again, if it is watched. For the loop's hook."""
        if number in self._before:
            del self._before[number]
            self.watch(number)

    def watched(self) -> list[tuple[str, int]]:
        """Names and numbers."""
        return [(_NAMES[number], number) for number in self._before]

    def deliver(self, number: int) -> None:
        """It came in by the pipe of the loop that runs: emit in the tick behind this. For the loop's hook."""
        if number in self._before:
            get_loop().next_tick(self._emit, _NAMES[number], number)

    def _arrived(self, number: int, _: FrameType | None) -> None:
        loop = _get_running_loop()
        if loop is None:
            self._emit(_NAMES[number], number)
        elif not isinstance(loop, EventLoop):
            loop.call_soon_threadsafe(self._emit, _NAMES[number], number)
        elif not loop.has_heard_signal():  # somebody else's wake-up descriptor got it, or nobody's
            loop.call_soon_threadsafe(self.deliver, number)


def _set_handler(number: int, handler: Any) -> None:
    try:
        signal.signal(number, handler)
    except OSError as error:
        raise OSError(errno.EINVAL, f"{_NAMES[number]} cannot be listened for: the system does not hand it out") from error
    except ValueError as error:
        raise TreadleError(
            "ERR_INVALID_STATE",
            state="signals are listened for on the main thread of the main interpreter only",
            hint="Add and remove the listener there, and tell the other thread from it",
        ) from error


def number_of(name: object) -> int:
    """The number of a signal by its name or number. Raises TreadleError: ERR_UNKNOWN_SIGNAL."""
    number = name if isinstance(name, int) else NUMBERS.get(ALIASES.get(str(name), name))
    if number is None or isinstance(number, bool):
        raise TreadleError("ERR_UNKNOWN_SIGNAL", signal=name)
    return number

"""A child process as its loop knows it: a number, and how it is signalled and reaped.

Invariant: nothing is sent to a number after it was reaped: it may be another's. Not here: events (_process.py), who notices its
end (treadle.loop.children).
"""

import errno
import os
import signal
from asyncio.log import logger
from collections.abc import Callable

from treadle._base.errors import TreadleError
from treadle.loop.children import CODE_UNKNOWN, leave, reap, reap_killed
from treadle.process._signals import number_of

__all__ = ["Watched", "sendable"]


def sendable(name: object) -> int:
    """The number of a signal by its name or number, or 0, which only asks. Raises TreadleError: ERR_UNKNOWN_SIGNAL."""
    if not isinstance(name, str | int) or not 0 <= (number := number_of(name)) < signal.NSIG:
        raise TreadleError("ERR_UNKNOWN_SIGNAL", signal=name)
    return number


class Watched:
    """One that was started."""

    def __init__(
        self,
        pid: int,
        ended: Callable[[], None],
        let_go: Callable[[int], None],
        abandoned: Callable[[], None],
        *,
        leads: bool,
        is_detached: bool,
    ) -> None:
        self.pid = pid
        self.ended = ended  # called in the poll phase
        self._let_go = let_go
        self._abandoned = abandoned  # called when its loop is closed
        self._leads = leads  # of a group of its own
        self._is_detached = is_detached
        self._is_ours = True  # cleared once it is reaped, or left to others

    def send(self, number: int) -> None:
        """A signal to it, or to its group. Raises OSError."""
        if not self._is_ours:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if self._leads:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def outcome(self, *, reaps: bool) -> int:
        """It has ended: its code, negative for a signal; 255 where somebody else has reaped it."""
        if reaps:
            self._is_ours = False
            code = reap(self.pid)
            return CODE_UNKNOWN if code is None else code
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            found = None
        if found is None:
            return CODE_UNKNOWN
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def abandon(self) -> None:
        """Its loop is closed."""
        self._abandoned()
        if self._is_detached:
            self._is_ours = False
            leave(self.pid)
        else:
            self.abandon_at_once()

    def abandon_at_once(self) -> None:
        """Kill it, and all of its group, and reap it."""
        try:
            self.send(signal.SIGKILL)
        except OSError:  # it has ended, or has become another user's
            pass
        self._is_ours = False
        if not reap_killed(self.pid):
            logger.error("child process pid %d does not end although it was killed", self.pid)
            leave(self.pid)

    def let_go(self) -> None:
        """This is a forked child of the process whose child it is."""
        self._let_go(CODE_UNKNOWN)

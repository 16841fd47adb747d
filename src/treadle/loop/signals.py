"""A pair of sockets through which a signal ends a blocked poll.

CPython's C-level signal handler writes the signal's number into it (signal.set_wakeup_fd); without that, a signal that arrives
just before the poll would wait for the next event. That descriptor is one for the whole process, and others set it as well:
asyncio switches it off with the last handler of a loop, whoever else needs it.
Not here: what a signal does (asyncio's add_signal_handler; hooks.signal).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from treadle._base.main_thread import is_main_thread
from treadle._native.callbacks import at_any_rate

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop


class SignalPipe:
    """Owned by one loop. Invariant: both ends are open and watched until close(), and are this process's own once a forked child
    has called renew()."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._is_armed = False  # set and cleared by armed(): signals arrive here
        self._open()

    def _open(self) -> None:
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        self._loop._add_reader(self.reader, self._read)  # by the socket: the garbage collector may have closed it
        self._loop.set_fd_ref(self.reader.fileno(), False)
        self._pid = os.getpid()

    def _read(self) -> None:
        if not self.is_inherited():  # else it was found ready before the fork, and the parent reads it
            self._loop._read_from_self()

    def is_inherited(self) -> bool:
        """True in a forked child, which shares it with the process that made it."""
        return self._pid != os.getpid()

    def renew(self) -> None:
        """In a forked child: a pipe of its own, where signals arrive as they did in the parent."""
        self.close()
        self._open()
        if self._is_armed and is_main_thread():
            before = self._arm()
            if before != -1:  # of somebody who has set it in the child
                signal.set_wakeup_fd(before, warn_on_full_buffer=False)

    @contextmanager
    def armed(self) -> Iterator[None]:
        """While it lasts, signals write into it, unless somebody else's descriptor already gets them. Main thread only."""
        before = self._arm()
        self._is_armed = before in (-1, self.writer.fileno())
        if not self._is_armed:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        try:
            yield
        finally:
            self._is_armed = False
            now = signal.set_wakeup_fd(-1)
            if now != self.writer.fileno() or self._loop._signal_handlers:
                signal.set_wakeup_fd(now, warn_on_full_buffer=False)

    def rearm(self) -> None:
        """asyncio may have set the descriptor: within armed() it is this one again."""
        if self._is_armed and not self.is_inherited() and is_main_thread():
            self._arm()

    def has_heard(self) -> bool:
        """For the handler of a signal: whether that was written into it. Once nobody's descriptor gets signals any more, it is
        armed anew for the next one. Main thread only."""
        if self.is_inherited():
            return False
        before = self._arm()
        if before not in (-1, self.writer.fileno()):
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        return before == self.writer.fileno()

    def _arm(self) -> int:
        return signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)

    def close(self) -> None:
        """Close both ends."""
        self._loop._remove_reader(self.reader)
        at_any_rate(self.reader.close)
        at_any_rate(self.writer.close)


if sys.version_info < (3, 12):  # COMPAT(asyncio): from then on it does so itself. A child's signals are not its parent's.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))

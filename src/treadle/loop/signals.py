"""A pair of sockets through which a signal ends a blocked poll.

CPython's C-level signal handler writes the signal's number into it (signal.set_wakeup_fd); without that, a signal that arrives
just before the poll would wait for the next event. Not here: what a signal does (asyncio's add_signal_handler;
hooks.signal).
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop


class SignalPipe:
    """Owned by one loop, in the process that made it. Invariant: both ends are open and watched until close()."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._pid = os.getpid()
        self.is_armed = False  # set and cleared by armed(): signals arrive here
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        loop._add_reader(self.reader.fileno(), loop._read_from_self)
        loop.set_fd_ref(self.reader.fileno(), False)

    def is_inherited(self) -> bool:
        """True in a forked child, which shares it with the process that made it."""
        return self._pid != os.getpid()

    @contextmanager
    def armed(self) -> Iterator[None]:
        """While it lasts, signals write into it, unless somebody else's descriptor already gets them. Main thread only."""
        before = signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        self.is_armed = before in (-1, self.writer.fileno())
        if not self.is_armed:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        try:
            yield
        finally:
            self.is_armed = False
            now = signal.set_wakeup_fd(-1)
            if now != self.writer.fileno() or self._loop._signal_handlers:
                signal.set_wakeup_fd(now, warn_on_full_buffer=False)

    def close(self) -> None:
        """Close both ends."""
        self._loop._remove_reader(self.reader.fileno())
        self.reader.close()
        self.writer.close()

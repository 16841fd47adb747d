"""The file beneath an access log: stdout, a file or a pipe, written in whole lines.

Invariants: what others append to the same file finds itself between two lines, never in one (of a pipe: unless a line is longer
than PIPE_BUF); a line of which a part was written goes on where it stopped, or begins anew in another file; nothing waits for
longer than it was asked to. Not here: who writes when, and what is said of it (access_log.py).
"""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import Final

__all__ = ["LogFile"]

STDOUT: Final = 1


class LogFile:
    """Used by one thread at a time. path: None is stdout, which belongs to somebody else. Raises OSError where it cannot be
    opened."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._fd = -1  # -1 once closed
        self._poll: select.poll | None = None  # of what is no file: it may take nothing for ever
        self._must_end_line = False  # whoever wrote the file before has ended amid one
        self._held = b""  # lines that are being written
        self._written = 0  # bytes of them
        self._use(STDOUT if path is None else _opened(path))

    @property
    def held_bytes(self) -> int:
        """Of what hold() was given, and is not written yet."""
        return len(self._held) - self._written

    @property
    def held_lines(self) -> int:
        """Likewise; one of which a part is written counts."""
        return self._held.count(b"\n", self._written)

    def hold(self, lines: bytes) -> None:
        """Lines to be written next. INVARIANT: nothing is held."""
        self._held = lines
        self._written = 0

    def push(self, wait_s: float) -> bool:
        """Write what is held. False: it takes no more of it, wait_s after it had. Raises OSError: then it is held on."""
        end = len(self._held)
        view = memoryview(self._held)
        try:
            while self._written < end:
                if self._poll is not None:
                    if not self._poll.poll(wait_s * 1000):
                        return False
                    end = self._piece_end()
                if self._must_end_line:
                    os.write(self._fd, b"\n")
                    self._must_end_line = False
                self._written += os.write(self._fd, view[self._written : end])
                end = len(self._held)
        except BlockingIOError:  # stdout, which somebody else has made so, and which has little room
            return False
        except BrokenPipeError:
            self._begin_line_anew()  # whoever reads next has not seen its beginning
            raise
        self.hold(b"")
        return True

    def reopen(self) -> None:
        """Go on in a new file of the same name; what is held goes there. Not of stdout. Raises OSError: the old one stays."""
        if self._path is None:
            return
        old = self._fd
        self._use(_opened(self._path))
        self._begin_line_anew()
        os.close(old)

    def close(self) -> None:
        """What is held is lost. A second call is no harm."""
        fd, self._fd = self._fd, -1  # ORDER: a fork amid this finds one that it must not close
        if fd >= 0 and self._path is not None:
            os.close(fd)

    def _use(self, fd: int) -> None:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self._fd = fd
        self._poll = None if is_file else select.poll()
        if self._poll is not None:
            self._poll.register(fd, select.POLLOUT)
        self._must_end_line = is_file and self._path is not None and _ends_amid_a_line(self._path, fd)

    def _piece_end(self) -> int:
        """Of the lines that PIPE_BUF has room for, or of a part of one that is longer."""
        room = self._written + select.PIPE_BUF
        if len(self._held) <= room:
            return len(self._held)
        return self._held.rfind(b"\n", self._written, room) + 1 or room

    def _begin_line_anew(self) -> None:
        self._written = self._held.rfind(b"\n", 0, self._written) + 1


def _opened(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK  # the last one: for pipes
    try:
        return os.open(path, flags, 0o640)
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(os.stat(path).st_mode):
            raise OSError(errno.ENXIO, "nobody reads this pipe", path) from None
        raise


def _ends_amid_a_line(path: str, fd: int) -> bool:
    """Whoever wrote it before has ended amid one, as on a full disk. Of a file that we may not read: no."""
    size = os.fstat(fd).st_size
    if not size:
        return False
    try:
        reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.path.sameopenfile(reader, fd) and os.pread(reader, 1, size - 1) not in (b"\n", b"")
    except OSError:
        return False
    finally:
        os.close(reader)

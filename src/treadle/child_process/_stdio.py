"""The descriptors of a child: what it gets, and what of it is kept here as a stream.

    "pipe"      0, 1, 2: one end of a pipe(2), the other is ours; from 3 on, of a socketpair(2), both ways
    "ignore"    /dev/null; from 3 on, nothing
    "inherit"   the same as ours of that number
    an int, a file, a stream: a copy of that descriptor

Pipes, and no sockets as Node has: a program may open /dev/stdout, /dev/stdin or /dev/fd/2 again, which no socket lets it, and the
kernel moves what is in them (splice). Invariants: ours do not block, the child's do; all are closed by an exec here; where
anything fails all that was opened is closed. Not here: the streams' mechanism (_native.pipe_stream), who is told (_process.py).
"""

import errno
import os
import socket
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle._native.loop import LoopCore
from treadle._native.pipe_stream import PipeStream
from treadle._native.socket_stream import SocketStream
from treadle.net import Socket

__all__ = ["Descriptors", "checked", "listed"]

STANDARD: Final = 3  # stdin, stdout, stderr
COUNT_MAX: Final = 256  # of one child; far more than anybody uses
NONE: Final = -1
INT_MAX: Final = 2**31 - 1

PIPE: Final = "pipe"
IGNORE: Final = "ignore"
INHERIT: Final = "inherit"
_WORDS: Final = {PIPE: PIPE, "overlapped": PIPE, IGNORE: IGNORE, INHERIT: INHERIT}  # the second: Windows knows a difference


def listed(stdio: Any) -> list[Any]:
    """What was given for each of the child's descriptors. OWNER: the caller, until it has its copies: it may be all that holds a
    file. Raises TreadleError: ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE."""
    if isinstance(stdio, str):
        stdio = [stdio] * STANDARD
    if not isinstance(stdio, Iterable) or isinstance(stdio, bytes):
        raise _wrong(stdio)
    items = list(stdio)
    if len(items) > COUNT_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name="stdio", expected=f"at most {COUNT_MAX} long", received=len(items))
    return items + [None] * (STANDARD - len(items))


def checked(items: list[Any]) -> list[str | int]:
    """What each of them is to be: "pipe", "ignore", or the number of one of ours.

    Raises TreadleError: ERR_INVALID_ARG_VALUE; OSError (EBADF) for a descriptor that is not open.
    """
    return [_one(item, n) for n, item in enumerate(items)]


def _one(item: Any, n: int) -> str | int:
    if item is None:
        return PIPE if n < STANDARD else IGNORE
    if isinstance(item, str) and item in _WORDS:
        word = _WORDS[item]
        if word != INHERIT:
            return word
        fd = n
    elif isinstance(item, int) and not isinstance(item, bool):
        fd = item
    else:
        fd = _descriptor_of(item)
    if not 0 <= fd <= INT_MAX:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    os.fstat(fd)
    return fd


def _descriptor_of(thing: Any) -> int:
    fileno = getattr(thing, "fileno", None)
    try:
        fd = fileno() if callable(fileno) else getattr(thing, "fd", None)
    except (OSError, ValueError):  # a file without one, or closed
        fd = None
    if not isinstance(fd, int) or fd < 0:
        raise _wrong(thing)
    if isinstance(thing, Socket):
        thing.pause()
        thing._await_zero_copy()  # the child reads what comes
    return fd


def _wrong(received: Any) -> TreadleError:
    return TreadleError(
        "ERR_INVALID_ARG_VALUE",
        name="stdio",
        expected='"pipe", "ignore", "inherit", an open descriptor, a file or a stream that has one, or a list of these',
        received=received,
    )


class Descriptors:
    """Those of one child that is being started."""

    def __init__(self, items: list[str | int]) -> None:
        """Raises OSError: no descriptor is left."""
        self.given: list[int] = []  # the child's n is a copy of the n-th
        self._ours: list[int] = []  # the other end of each, or NONE
        self._open = ExitStack()  # all that was opened here; theirs and ours
        self._theirs = ExitStack()
        try:
            for n, item in enumerate(items):
                given, ours = self._make(n, item)
                self.given.append(given)
                self._ours.append(ours)
            for file, number in ((sys.stdout, 1), (sys.stderr, 2)):
                if number in self.given and file is not None:
                    file.flush()  # what was printed before comes before
        except BaseException:
            self.close()
            raise

    def _make(self, n: int, item: str | int) -> tuple[int, int]:
        if isinstance(item, int):
            return item, NONE
        if item == IGNORE:
            if n >= STANDARD:
                return NONE, NONE
            return self._keep(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), self._theirs), NONE
        if n >= STANDARD:
            pair = socket.socketpair()
            theirs, ours = (end.detach() for end in pair)
        else:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            theirs, ours = (reader, writer) if n == 0 else (writer, reader)
        self._keep(theirs, self._theirs)
        self._keep(ours, self._open)
        os.set_blocking(ours, False)
        return theirs, ours

    @staticmethod
    def _keep(fd: int, stack: ExitStack) -> int:
        stack.callback(os.close, fd)
        return fd

    def streams(self, loop: LoopCore) -> list[Socket | None]:
        """The child has its ends, or never will: those are closed here, and ours become streams."""
        self._theirs.close()
        self._open.pop_all()  # OWNER: the streams, from here on
        return [None if fd == NONE else _stream(loop, n, fd) for n, fd in enumerate(self._ours)]

    def close(self) -> None:
        """No child has come of it."""
        self._theirs.close()
        self._open.close()


def _stream(loop: LoopCore, n: int, fd: int) -> Socket:
    if n >= STANDARD:
        return Socket(handle=SocketStream(loop, fd))
    return Socket(handle=PipeStream(loop, fd), readable=n > 0, writable=n == 0)

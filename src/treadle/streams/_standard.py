"""stdin, stdout and stderr as streams: process.stdin, process.stdout, process.stderr.

Descriptors that are shared with other processes, a shell above all: they are never made non-blocking and never closed. What the
kernel says is ready is read or written, no more than that; a regular file, which is always ready, is read by a thread of lane 2
and written at once. Invariants: nothing is read ahead of the mark, so that a child process finds the rest; what was written
before the program ends is written, if somebody reads it. Not here: files (treadle.fs), sockets (treadle.net). Source: Node,
process I/O.
"""

import os
import select
import stat
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TextIO

from treadle import process
from treadle.loop.current import get_loop
from treadle.streams._readable import Readable
from treadle.streams._writable import Writable

__all__ = ["StandardInput", "StandardOutput", "stderr", "stdin", "stdout"]

READY_BYTES: Final = 4096  # what a pipe takes without blocking once poll says that it is writable: PIPE_BUF, pipe(7)


class StandardInput(Readable):
    """A descriptor to read from. Paused, it does not hold the program."""

    is_standard = True

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.fd = fd
        self._loop: Any = None  # that watches the descriptor
        self._step: Any = None  # of a file
        self._is_wanted = False  # the read hook was called, and has pushed nothing yet
        self._is_held = False  # by pause(), until somebody asks for more

    @property
    def is_tty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self.fd)

    def _read(self, size: int) -> None:
        self._is_wanted = True
        if _is_file(self.fd):
            self._step = get_loop().run_in_executor(None, os.read, self.fd, max(size, 1))
            self._step.add_done_callback(self._on_read)
        elif not self._is_held:
            self._watch()

    def _watch(self) -> None:
        loop = get_loop()
        if self._loop is not loop:  # an earlier one may have ended while it watched
            self._stop()
            self._loop = loop
            loop.add_reader(self.fd, self._on_readable)

    def _on_readable(self) -> None:
        try:
            chunk = os.read(self.fd, max(self.readable_high_water_mark, 1))
        except OSError as error:
            self._stop()
            self.destroy(error)
            return
        if not chunk:
            self._stop()
        self._is_wanted = False
        self.push(chunk or None)
        if not self._is_wanted:  # ORDER: the push may have called the hook already
            self._stop()

    def _on_read(self, step: Any) -> None:
        self._step = None
        self._is_wanted = False
        if step.cancelled() or self.destroyed:
            return
        if (error := step.exception()) is not None:
            self.destroy(error)
        else:
            self.push(step.result() or None)

    def pause(self) -> Any:
        """As Readable.pause; the program may end."""
        self._is_held = True
        self._stop()
        return super().pause()

    def resume(self) -> Any:
        """As Readable.resume."""
        self._go_on()
        return super().resume()

    def read(self, size: int | None = None) -> Any:
        """As Readable.read."""
        self._go_on()
        return super().read(size)

    def _heard(self, event: Any) -> None:
        if event == "readable":
            self._go_on()
        super()._heard(event)

    def _go_on(self) -> None:
        # What the hook has begun before it was paused it will not be told again.
        self._is_held = False
        if self._is_wanted and self._step is None and not self.destroyed:
            self._watch()

    def _stop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self.fd)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self._stop()
        callback(error)


class StandardOutput(Writable):
    """A descriptor to write to."""

    is_standard = True

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.fd = fd
        self._rest = memoryview(b"")  # of the chunk that is being written
        self._callback: Callable[..., None] | None = None
        self._loop: Any = None  # that watches the descriptor
        process.on("exit", self._on_exit)

    @property
    def is_tty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self.fd)

    @property
    def columns(self) -> int | None:
        """The width of the terminal in characters; None where it is none."""
        return os.get_terminal_size(self.fd).columns if self.is_tty else None

    @property
    def rows(self) -> int | None:
        """Its height in lines."""
        return os.get_terminal_size(self.fd).lines if self.is_tty else None

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        self._rest, self._callback = memoryview(chunk), callback
        self._go_on()

    def _go_on(self) -> None:
        try:
            while self._rest and (_is_file(self.fd) or _is_writable(self.fd)):
                self._rest = self._rest[os.write(self.fd, self._rest[:READY_BYTES]) :]
        except OSError as error:
            self._done(error)
            return
        if not self._rest:
            self._done(None)
        elif self._loop is None:
            self._loop = get_loop()
            self._loop.add_writer(self.fd, self._go_on)

    def _done(self, error: OSError | None) -> None:
        self._stop()
        self._rest = memoryview(b"")
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(error)

    def _stop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_writer(self.fd)

    def _on_exit(self, code: int) -> None:
        # The loop turns no more: what waits is written now, however long the reader takes. COMPAT(node): there it always is.
        while self._rest:
            try:
                self._rest = self._rest[os.write(self.fd, self._rest) :]
            except OSError:
                return
            if not self._rest and self._callback is not None:
                callback, self._callback = self._callback, None
                callback()  # the next chunk that waits comes by _write

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self._stop()
        callback(error)


def _is_file(fd: int) -> bool:
    # What epoll does not watch: always ready, and slow at times.
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd))


def _is_writable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


@cache
def stdin() -> StandardInput:
    """The one stream of descriptor 0."""
    return StandardInput(0)


@cache
def stdout() -> StandardOutput:
    """The one stream of descriptor 1. What print() has buffered is written before."""
    _flush(sys.stdout)
    return StandardOutput(1)


@cache
def stderr() -> StandardOutput:
    """The one stream of descriptor 2."""
    _flush(sys.stderr)
    return StandardOutput(2)


def _flush(file: TextIO | None) -> None:
    if file is not None:  # where Python was started without the descriptor
        file.flush()

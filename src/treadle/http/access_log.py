"""The access log: a line for each exchange, written by a thread of its own.

    loop: AccessLines ── lines in memory, BUFFER_BYTES at most ── thread: take, write ──► stdout or a file

Invariants: the loop never waits for the file; a line for which there is no room is counted, and the count is told; lines are
whole, whoever else appends to the same file. Not here: what a line says (_native.http1_access_log).
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import Final, Literal, get_args

from treadle._base.errors import TreadleError
from treadle._native.http1_access_log import AccessLines

__all__ = ["AccessLog", "AccessLogStatistics", "Format", "access_log"]

logger = logging.getLogger("treadle.access")

Format = Literal["common", "combined", "json"]

BUFFER_BYTES: Final = 4 * 1024 * 1024  # 12,000 lines and more: what a busy server says while a disk is slow for a moment
GATHER_S: Final = 0.1  # from the first line that waits to the write, unless a quarter of the buffer is full sooner
CLOSE_S: Final = 2.0  # for what waits at the end, where the file takes nothing
STDOUT: Final = 1


@dataclass(frozen=True, slots=True)
class AccessLogStatistics:
    """An access log at one moment."""

    lines: int  # that were written, or wait
    waiting_bytes: int
    dropped: int  # for which there was no room, or which the file did not take


def access_log(file: str | os.PathLike[str] = "-", format: Format = "common") -> AccessLog:
    """A log for `create_server(..., access_log=)`; several servers may share it. file: "-" is stdout.

    Close it when its servers are closed: until then a thread waits for lines. Raises OSError where the file cannot be opened,
    TreadleError (ERR_INVALID_ARG_VALUE) for the format.
    """
    return AccessLog(file, format)


class AccessLog:
    """Lines on their way to a file, and the thread that writes them. Every method may be called from any thread."""

    def __init__(self, file: str | os.PathLike[str], format: Format) -> None:
        if format not in get_args(Format):
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="format", expected="common, combined or json", received=format)
        self._path = None if file == "-" else os.path.abspath(os.fspath(file))  # it must stay true after a chdir
        self._fd = STDOUT if self._path is None else _opened(self._path)
        self._changed = threading.Event()  # there is something to do
        self._ending = threading.Event()
        self._must_reopen = False
        self._lost = 0  # lines that the file did not take
        self._told = 0  # dropped and lost ones that were told of
        self._hurried = threading.Event()  # it must not gather any longer
        self._lines = AccessLines(format, BUFFER_BYTES, self._changed.set, self._hurried.set)
        self._thread = threading.Thread(target=self._run, name="treadle access log", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        now = self.statistics()
        state = "closed" if self._ending.is_set() else "open"
        where = self._path or "stdout"
        return f"<AccessLog {state} {where} lines={now.lines} waiting={now.waiting_bytes:_} dropped={now.dropped}>"

    @property
    def lines(self) -> AccessLines:
        """What a native server writes into."""
        return self._lines

    def statistics(self) -> AccessLogStatistics:
        """How many lines there were."""
        return AccessLogStatistics(self._lines.lines, self._lines.waiting_bytes, self._lines.dropped + self._lost)

    def reopen(self) -> None:
        """The file was moved away: go on in a new one of its name. Nothing happens to stdout."""
        self._must_reopen = True
        self._changed.set()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits, for timeout_s at most, and end the thread. A second call is no harm."""
        self._ending.set()
        self._hurried.set()
        self._changed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.error("the access log takes nothing: %d bytes of it are lost", self._lines.waiting_bytes)

    # ---- the thread

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._changed.wait()
                self._changed.clear()
                if self._must_reopen:
                    self._must_reopen = False
                    self._write(self._lines.take())  # what came before belongs to the old file
                    self._reopen()
                self._hurried.wait(GATHER_S)
                self._hurried.clear()
                self._write(self._lines.take())
                self._tell_dropped()
            self._write(self._lines.take())
            self._tell_dropped()
        finally:
            if self._path is not None:
                os.close(self._fd)

    def _write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # a pipe that somebody else has made so
                self._ending.wait(GATHER_S)
                if self._ending.is_set():
                    self._lost += bytes(rest).count(b"\n")
                    return
            except OSError as error:
                count = bytes(rest).count(b"\n")
                if not self._lost:
                    logger.error("the access log cannot be written: %s; %d lines are lost", error.strerror, count)
                self._lost += count
                return

    def _reopen(self) -> None:
        if self._path is None:
            return
        try:
            fd = _opened(self._path)
        except OSError as error:
            logger.error("the access log stays in its old file: %s cannot be opened: %s", self._path, error.strerror)
            return
        os.close(self._fd)
        self._fd = fd

    def _tell_dropped(self) -> None:
        dropped = self._lines.dropped + self._lost
        if dropped != self._told:
            logger.warning("%d lines of the access log were dropped: whoever reads it is too slow", dropped - self._told)
            self._told = dropped


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o640)

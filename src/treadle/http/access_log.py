"""The access log: a line for each exchange, written by a thread of its own.

    loop: AccessLines ── lines in memory, BUFFER_BYTES at most ── thread: take, write ──► LogFile: stdout, a file, a pipe

Invariants: the loop never waits for the file; a line that is not written is counted, and the count is told; whoever has something
for the thread says so first and rings then, and the thread looks again behind each ring, so that none is missed; ringing takes no
lock, so that a signal handler may do it amid another ring. A child of a fork begins with nothing: what waited is its parent's,
and it has a thread of its own from its first line on. Not here: what a line says (_native.http1_access_log), and how lines get
into a file (log_file.py).
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, Literal, get_args

from treadle._base.errors import TreadleError
from treadle._native.http1_access_log import AccessLines
from treadle.http.log_file import LogFile

__all__ = ["AccessLog", "AccessLogStatistics", "Format", "access_log"]

logger = logging.getLogger("treadle.access")

Format = Literal["common", "combined", "json"]

BUFFER_BYTES: Final = 4 * 1024 * 1024  # 12,000 lines and more: what a busy server says while a disk is slow for a moment
HURRY_BYTES: Final = BUFFER_BYTES // 4  # so much is written at once
GATHER_S: Final = 0.1  # from the first line that waits to the write, unless there is so much sooner
RETRY_S: Final = 1.0  # from a write that failed to the next one
TELL_S: Final = 10.0  # from one line of our own log about lost lines to the next
IDLE_S: Final = 3600.0  # without a line; then it looks once more
CLOSE_S: Final = 2.0  # for what waits at the end, where the file takes nothing


@dataclass(frozen=True, slots=True)
class AccessLogStatistics:
    """An access log at one moment; in a child of a fork, since that."""

    lines: int  # that were written, or wait
    waiting_bytes: int
    dropped: int  # for which there was no room, or which the file did not take until the end


def access_log(file: str | os.PathLike[str] = "-", format: Format = "common") -> AccessLog:
    """A log for `create_server(..., access_log=)`; several servers may share it. file: "-" is stdout.

    Close it when its servers are closed: until then a thread waits for lines. One that is open when the program ends is closed
    then. Raises OSError where the file cannot be opened, or is a pipe that nobody reads, TreadleError (ERR_INVALID_ARG_VALUE) for
    the format.
    """
    return AccessLog(file, format)


class AccessLog:
    """Lines on their way to a file, and the thread that writes them. Every method may be called from any thread, and from signal
    handlers."""

    def __init__(self, file: str | os.PathLike[str], format: Format) -> None:
        if format not in get_args(Format):
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="format", expected="common, combined or json", received=format)
        self._path = None if file == "-" else os.path.abspath(os.fspath(file))  # it must stay true after a chdir
        self._file = LogFile(self._path)
        self._lines = AccessLines(format, BUFFER_BYTES, self._ring)
        self._end_s: float | None = None  # of the monotonic clock, once it is closed
        self._must_reopen = False
        self._start_anew()
        self._begin()
        _open.add(self)

    def __repr__(self) -> str:
        now = self.statistics()
        state = "open" if self._end_s is None else "closed"
        where = self._path or "stdout"
        return f"<AccessLog {state} {where} lines={now.lines} waiting={now.waiting_bytes:_} dropped={now.dropped}>"

    @property
    def lines(self) -> AccessLines:
        """What a native server writes into."""
        return self._lines

    def statistics(self) -> AccessLogStatistics:
        """How many lines there were."""
        waiting = self._lines.waiting_bytes + self._file.held_bytes
        return AccessLogStatistics(self._lines.lines - self._lost, waiting, self._lines.dropped + self._lost)

    def reopen(self) -> None:
        """The file was moved away: go on in a new one of its name. Nothing happens to stdout."""
        if not self._must_reopen and self._end_s is None:
            self._must_reopen = True
            self._ring()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits, for timeout_s at most, and end the thread. Lines that still come are dropped. A second call is no
        harm."""
        if self._end_s is None:
            self._end_s = time.monotonic() + timeout_s
        thread = self._thread
        if thread is None:  # in a child of a fork, without a line
            self._finish()
            return
        self._bell.put(None)
        if thread is not threading.current_thread():
            thread.join(timeout_s + 2 * GATHER_S)
            if thread.is_alive():  # its write waits for somebody, who has taken what room there was
                logger.error("the access log takes nothing: %d bytes of it are lost", self.statistics().waiting_bytes)

    def _start_anew(self) -> None:
        self._bell: SimpleQueue[None] = SimpleQueue()  # there is something to do
        self._thread: threading.Thread | None = None
        self._must_reopen = False
        self._lost = 0  # lines that the file did not take
        self._told = 0  # dropped and lost ones that were told of
        self._told_s = self._failed_s = float("-inf")  # when that was, and when a failure was told

    def _forked(self) -> None:
        """In the child: no thread but this one is there, and what it has is its parent's."""
        self._start_anew()
        self._file.hold(b"")
        self._lines.forget()
        if self._end_s is not None:
            self._finish()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="treadle access log", daemon=True)
        self._thread.start()

    def _ring(self) -> None:
        """Something waits. From any thread, and amid anything."""
        if self._thread is None:
            try:
                self._begin()
            except RuntimeError:  # no more threads, or the interpreter ends: the next line tries again
                self._thread = None
                self._lost += self._lines.take().count(b"\n")
        self._bell.put(None)

    # ---- the thread

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception:
            logger.exception("the access log has failed, and ends")
        finally:
            self._finish()

    def _step(self) -> bool:
        """Wait for lines, and write them. False: it was the last time."""
        if not self._file.held_bytes:
            self._wait_for_work()
        is_last = self._end_s is not None  # ORDER: before the lines are taken, so that all that came before close() are
        must_reopen = self._must_reopen
        if must_reopen:
            self._must_reopen = False
        if not self._file.held_bytes:
            self._file.hold(self._lines.shut() if is_last else self._lines.take())
        has_written = self._push()
        if must_reopen:  # what came before belongs to the old file
            self._reopen()
        self._tell(is_last and has_written)
        if not is_last:
            return True
        if has_written:
            return self._lines.waiting_bytes > 0  # the first of two takes was of what had been held
        assert self._end_s is not None
        return not self._has_failed and time.monotonic() < self._end_s

    def _wait_for_work(self) -> None:
        while not self._bell.empty():  # ORDER: what was rung for before is seen below
            self._bell.get()
        while not (self._lines.waiting_bytes or self._is_urgent()):
            self._listen(time.monotonic() + (TELL_S if self._told != self._lines.dropped + self._lost else IDLE_S))
            self._tell()
        end_s = time.monotonic() + GATHER_S
        while not self._is_urgent() and self._listen(end_s):
            pass

    def _is_urgent(self) -> bool:
        return self._must_reopen or self._end_s is not None or self._lines.waiting_bytes >= HURRY_BYTES

    def _listen(self, end_s: float) -> bool:
        """Wait for the bell. False: it is end_s, of the monotonic clock."""
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            return False
        try:
            self._bell.get(timeout=left_s)
        except Empty:
            return False
        return True

    def _push(self) -> bool:
        """Write what is held. False: the file did not take it, and a while has passed."""
        self._has_failed = False
        try:
            if self._file.push(GATHER_S):
                return True
            end_s = time.monotonic() + GATHER_S
        except OSError as error:
            self._has_failed = True
            now_s = time.monotonic()
            if now_s - self._failed_s >= TELL_S:
                self._failed_s = now_s
                mib = BUFFER_BYTES >> 20
                logger.error("the access log cannot be written: %s; lines wait, up to %d MiB of them", error.strerror, mib)
            end_s = now_s + RETRY_S
        while not (self._must_reopen or self._end_s is not None) and self._listen(end_s):
            pass
        return False

    def _reopen(self) -> None:
        try:
            self._file.reopen()
        except OSError as error:
            logger.error("the access log stays in its old file: %s cannot be opened: %s", self._path, error.strerror)

    def _tell(self, is_last: bool = False) -> None:
        dropped = self._lines.dropped + self._lost
        now_s = time.monotonic()
        if dropped != self._told and (is_last or now_s - self._told_s >= TELL_S):
            logger.warning("%d lines of the access log were dropped: whoever reads it is too slow", dropped - self._told)
            self._told = dropped
            self._told_s = now_s

    def _finish(self) -> None:
        """Nothing is written any more. A second call is no harm."""
        lost = self._file.held_lines + self._lines.shut().count(b"\n")
        self._file.hold(b"")
        self._file.close()
        self._lost += lost
        if lost:
            logger.error("the access log takes nothing: %d lines of it are lost", lost)
            self._told += lost
        self._tell(is_last=True)
        _open.discard(self)


_open: Final[set[AccessLog]] = set()  # of this process


def _forked() -> None:
    for log in list(_open):
        log._forked()


def _close_all() -> None:
    for log in list(_open):
        log.close()


os.register_at_fork(after_in_child=_forked)
atexit.register(_close_all)

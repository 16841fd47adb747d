"""What the tests of native units stand on: a bare loop with a pool, a FIFO as a door that threads wait at, forked children,
what /proc counts. Invariant: no wait without a deadline."""

import errno
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from treadle._native.file_jobs import FileRead, read_file
from treadle._native.loop import LoopCore
from treadle._native.pool import Pool

DEADLINE_S = 20.0  # for what takes ms; two busy cores are slow at times

Trace = list[object]


def eventually(probe: Callable[[], bool], what: str) -> None:
    """For facts of native threads, which announce themselves in no other way."""
    end_s = time.monotonic() + DEADLINE_S
    while not probe():
        assert time.monotonic() < end_s, f"not within {DEADLINE_S} s: {what}"
        select.select([], [], [], 0.001)


def open_fds() -> set[str]:
    return {f"{fd}: {os.readlink(path)}" for fd in os.listdir("/proc/self/fd") if os.path.lexists(path := link_of(fd))}


def link_of(fd: str) -> str:
    return f"/proc/self/fd/{fd}"


def pool_threads() -> list[str]:
    """The ids of the threads of all pools in this process."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            if Path(f"/proc/self/task/{thread}/comm").read_text() == "treadle-pool\n":
                found.append(thread)
        except (FileNotFoundError, ProcessLookupError):  # it has ended since
            pass
    return found


def in_child(act: Callable[[], bool]) -> int:
    """Run act in a forked child; 0 if it says yes."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            signal.alarm(int(DEADLINE_S))
            status = 0 if act() else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Room:
    """A loop, its pool, and the log that callbacks write to."""

    def __init__(self, size: int = 4, queue_max: int = 65_536, computing_max: int = 1024) -> None:
        self.loop = LoopCore()
        self.pool = self.loop.pool = Pool(self.loop, size, queue_max=queue_max, computing_max=computing_max)
        self.log: Trace = []

    def read(self, path: Path | str, callback: Callable[[OSError | None, bytes | None], object] | None = None) -> FileRead:
        """Without a callback, data or error go to the log."""
        return read_file(self.pool, str(path), callback or self.note)

    def note(self, error: OSError | None, data: bytes | None) -> None:
        self.log.append(data if error is None else error)

    def run(self) -> Trace:
        """Until nothing is left that holds the program."""
        self.loop.run_turns(True)
        return self.log

    def run_until(self, probe: Callable[[], bool], what: str) -> None:
        """Turn until the probe, asked once per turn, says yes."""
        end_s = time.monotonic() + DEADLINE_S

        def ask() -> None:
            assert time.monotonic() < end_s, f"not within {DEADLINE_S} s: {what}"
            if probe():
                self.loop.stop()
            else:
                self.loop.set_immediate(ask)

        ask()
        self.loop.run_turns(False)

    def is_idle(self) -> bool:
        """No thread works, and none has work to do."""
        statistics = self.pool.statistics()
        return statistics["active"] == statistics["queued"] == 0

    def has_active(self, count: int) -> bool:
        return self.pool.statistics()["active"] == count

    def close(self) -> None:
        self.pool.close()
        self.loop.close_core()


class Door:
    """A FIFO: who opens it for reading waits until open()."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    def open(self, data: bytes = b"") -> None:
        """Let the one who waits through. Data only for one that reads it: others may have closed the FIFO already."""
        end_s = time.monotonic() + DEADLINE_S
        while True:
            try:
                fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError as error:
                if error.errno != errno.ENXIO or time.monotonic() > end_s:  # nobody waits yet
                    raise
                select.select([], [], [], 0.001)
        try:
            if data:
                os.write(fd, data)
        finally:
            os.close(fd)

    def let_all_through(self) -> None:
        """Whoever still waits, after a test that failed."""
        os.close(os.open(self.path, os.O_RDWR | os.O_NONBLOCK))

"""What the tests of the loop stand on: a trace, a run with a deadline, a pipe that is readable. Invariant: no wait without
a deadline; time passes by computing, since a late loop is the point."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.native.support import DEADLINE_S, Trace, open_fds

__all__ = [
    "DEADLINE_S",
    "LOOPS",
    "Pipe",
    "Trace",
    "boom",
    "contexts_of",
    "in_io",
    "known_bug",
    "open_fds",
    "run",
    "run_for_ever",
    "spin",
]

#: A test that asks asyncio's contract runs on asyncio's own loop too: what that loop does is what is right.
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "treadle": treadle.new_event_loop,
}


def known_bug(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop, reason: str) -> None:
    """Of treadle, not of asyncio: a strict xfail of this test where it runs on treadle's loop."""
    if isinstance(loop, treadle.EventLoop):
        request.applymarker(pytest.mark.xfail(reason=reason))


def spin(ms: float) -> None:
    """Hold the loop up: a callback that computes."""
    end_s = time.perf_counter() + ms / 1000
    while time.perf_counter() < end_s:
        pass


def boom(*_: object) -> None:
    raise ValueError("boom")


def run(loop: treadle.EventLoop) -> None:
    """Until nothing is left that holds the program, or stop()."""
    _with_deadline(loop, loop.run_while_alive)


def run_for_ever(loop: treadle.EventLoop) -> None:
    """Until stop()."""
    _with_deadline(loop, loop.run_forever)


def _with_deadline(loop: treadle.EventLoop, how: Callable[[], None]) -> None:
    def expired() -> None:
        raise AssertionError(f"the run did not end within {DEADLINE_S} s: {loop.statistics()}")

    deadline = loop.set_timeout(expired, DEADLINE_S * 1000).unref()
    try:
        how()
    finally:
        deadline.close()


def contexts_of(loop: asyncio.AbstractEventLoop) -> list[dict[str, Any]]:
    """What the loop's exception handler is given from now on."""
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    return contexts


class Pipe:
    """Both ends of a pipe, non-blocking."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)

    def fill(self, data: bytes = b"x") -> None:
        os.write(self.writer, data)

    def close(self) -> None:
        for fd in (self.reader, self.writer):
            if fd >= 0:
                os.close(fd)
        self.reader = self.writer = -1


def in_io(loop: treadle.EventLoop, pipe: Pipe, callback: Callable[[], object]) -> None:
    """Run callback once, in the poll phase of a turn to come."""

    def on_readable() -> None:
        loop.remove_reader(pipe.reader)
        os.read(pipe.reader, 1)
        callback()

    loop.add_reader(pipe.reader, on_readable)
    pipe.fill()

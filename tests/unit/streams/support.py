"""What the tests of streams stand on: async tests with a deadline, what is left after them, sources and sinks that are told when.

Invariants: no wait without a deadline; a hook that calls back later does so in the check phase, never after a time. Not here: the
loop of a test (conftest.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import treadle
from tests.unit.native.support import DEADLINE_S
from treadle.loop import get_loop
from treadle.streams import Readable, Writable

__all__ = ["DEADLINE_S", "Boom", "Sink", "code_of", "drain", "has_settled", "later", "listen", "settle", "source_of", "turns"]

TURNS_MAX = 200  # of the loop, until what was let go of is gone; threads have their own deadline


class Boom(Exception):
    """What a test has fail."""


def code_of(error: BaseException | None) -> str:
    """Its permanent code; of what has none, its class."""
    return getattr(error, "code", type(error).__name__)


def later(function: Callable[..., object], *arguments: Any) -> None:
    """Call it in the check phase of this turn, or of the next."""
    get_loop().set_immediate(function, *arguments)


async def turns(count: int = 1) -> None:
    """Let the loop turn: ticks, microtasks, I/O and immediates."""
    for _ in range(count):
        turn: Any = get_loop().create_future()
        get_loop().set_immediate(lambda turn=turn: turn.done() or turn.set_result(None))  # it may have been cancelled
        await turn


def has_settled(loop: treadle.EventLoop, own: Iterable[Any] = ()) -> bool:
    """Whether nothing is under way but `own` tasks."""
    return not (asyncio.all_tasks(loop) - set(own)) and not loop.statistics()["requests"]


async def settle() -> None:
    """Until nothing is under way but who asks. Fails, and says what, if that does not come."""
    loop: Any = get_loop()
    own = asyncio.current_task()
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(TURNS_MAX):
            await turns()
            if has_settled(loop, (own,)):
                break
        while loop.statistics()["requests"]:  # threads
            await asyncio.sleep(0.001)
    await turns(2)
    assert has_settled(loop, (own,)), asyncio.all_tasks(loop)


def source_of(chunks: Iterable[Any], **options: Any) -> Readable:
    """A readable that pushes one chunk each time it is asked, and then the end."""
    left = iter(chunks)

    def read(_: int) -> None:
        stream.push(next(left, None))

    stream = Readable(read=read, **options)
    return stream


def drain(stream: Any) -> list[Any]:
    """All that can be read now."""
    return list(iter(stream.read, None))


def listen(stream: Any, *events: str) -> list[Any]:
    """What it emits from now on: (event, *arguments)."""
    trace: list[Any] = []
    for event in events:
        stream.on(event, lambda *arguments, event=event: trace.append((event, *arguments)))
    return trace


class Sink(Writable):
    """Keeps what it is given, and calls back when told; at once with is_open."""

    def __init__(self, *, is_open: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.is_open = is_open
        self.chunks: list[Any] = []
        self.encodings: list[str] = []
        self.destroyed_with: list[BaseException | None] = []
        self._callback: Callable[..., None] | None = None

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        self.chunks.append(chunk)
        self.encodings.append(encoding)
        if self.is_open:
            callback()
        else:
            assert self._callback is None, "two writes at once"
            self._callback = callback

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self.destroyed_with.append(error)
        callback(error)

    @property
    def is_busy(self) -> bool:
        return self._callback is not None

    def take(self, error: BaseException | None = None) -> None:
        """Call back for what it was given last."""
        callback, self._callback = self._callback, None
        assert callback is not None, "nothing was written"
        callback(error)

    def open(self) -> None:
        """From now on each write is called back at once."""
        self.is_open = True
        if self.is_busy:
            self.take()

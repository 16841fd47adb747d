"""`async for chunk in readable`: read() until it is empty, then wait for 'readable'. Leaving early destroys the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import Any

from tests.model.streams.finished import Watch, destroy_if_unfinished, is_writable
from treadle.loop.current import get_loop


class Outcome(Enum):
    UNKNOWN = auto()
    ENDED = auto()
    FAILED = auto()


async def microtask() -> None:
    """COMPAT(node): what was read reaches the loop some microtasks later, behind those that reading has queued."""
    future = get_loop().create_future()
    get_loop().queue_microtask(lambda: future.done() or future.set_result(None))
    await future


async def iterate(stream: Any, *, destroy_on_return: bool = True) -> AsyncIterator[Any]:
    """COMPAT(node): listens from the first step on, not before."""
    waiting: list[Any] = []  # the future of the step that waits, if one does
    outcome = Outcome.UNKNOWN
    failure: BaseException | None = None

    def wake() -> None:
        while waiting:
            future = waiting.pop()
            if not future.done():
                future.set_result(None)

    def over(error: BaseException | None) -> None:
        nonlocal outcome, failure
        outcome, failure = (Outcome.FAILED, error) if error else (Outcome.ENDED, None)
        wake()

    stream.on("readable", wake)
    watch = Watch(stream, over, writable=False)
    try:
        while True:
            chunk = None if stream.destroyed else stream.read()
            if chunk is not None:
                await microtask()
                yield chunk
            elif outcome is Outcome.ENDED:
                return
            elif failure is not None:
                raise failure
            else:
                waiting.append(get_loop().create_future())
                await waiting[0]
    except Exception:
        outcome = Outcome.FAILED
        raise
    finally:
        is_half_open = outcome is Outcome.ENDED and bool(stream.allow_half_open) and bool(is_writable(stream))
        leaves_alone = outcome is not Outcome.FAILED and not destroy_on_return
        by_itself = outcome is not Outcome.UNKNOWN and not stream.life.auto_destroy
        if is_half_open or leaves_alone or by_itself:
            stream.off("readable", wake)
            watch.cleanup()
        else:
            destroy_if_unfinished(stream)

"""What the tests of requests and answers stand on. Invariant: no wait without a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import treadle
from treadle.timers import promises

__all__ = ["DEADLINE_S", "bounded", "until"]

DEADLINE_S = 30


def bounded(main: Callable[[], Awaitable[None]]) -> None:
    """Run it as a program; it fails at the deadline."""

    async def run() -> None:
        await asyncio.wait_for(main(), DEADLINE_S)

    treadle.run(run())


async def until(condition: Callable[[], object]) -> None:
    """Wait inside bounded()."""
    while not condition():
        await promises.sleep(1)

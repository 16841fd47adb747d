"""What the tests of child processes stand on. Invariant: no wait without a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import treadle

DEADLINE_S = 20.0  # for what takes ms; two busy cores are slow at times


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """A program, to its end."""

    async def bounded() -> Any:
        return await asyncio.wait_for(main(), DEADLINE_S)

    return treadle.run(bounded)


async def within(step: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(step, DEADLINE_S)


async def until(probe: Callable[[], object], what: str) -> None:
    """Turn until the probe says yes."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + DEADLINE_S
    while not probe():
        assert loop.time() < end_s, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.0005)  # a probe that never waits would starve what it waits for


def state_of(pid: int) -> str | None:
    """The state of a process as /proc has it: 'S', 'Z' ...; None where it is none any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid: int) -> bool:
    """Whether it runs, and is no zombie."""
    return state_of(pid) not in (None, "Z", "X")

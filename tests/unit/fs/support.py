"""What the tests of treadle.fs stand on: a program that ends within a deadline, doors that threads wait at, full pools.

Invariant: no wait without a deadline. Not here: leaks, which tests/conftest.py looks for behind every test.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import treadle
from treadle import fs
from treadle._native.pool import Pool
from treadle.loop.current import get_loop
from treadle.pool import pool_of

DEADLINE_S = 20.0  # for what takes ms; two busy cores are slow at times

T = TypeVar("T")


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """As a program, which fails if it is not through in time."""

    async def bounded() -> T:
        async with asyncio.timeout(DEADLINE_S):
            return await main()

    return treadle.run(bounded)


async def turns_until(probe: Callable[[], bool]) -> None:
    """Until the probe, asked once per turn, says yes."""
    async with asyncio.timeout(DEADLINE_S):
        while not probe():
            await asyncio.sleep(0)


def is_active(count: int) -> bool:
    """So many threads have a job."""
    return bool(pool_of(get_loop()).statistics()["active"] == count)


def works_on(kind: str) -> bool:
    """The one thread that has a job has one of that kind."""
    figures = pool_of(get_loop()).statistics()
    return bool(figures["active"] == 1 and figures["oldest_active_kind"] == kind)


def is_idle() -> bool:
    """No thread has a job, and none waits."""
    figures = pool_of(get_loop()).statistics()
    return bool(figures["active"] == figures["queued"] == 0)


def narrow_pool(size: int = 1, queue_max: int = 65_536) -> Pool:
    """In the place of the loop's pool."""
    loop = get_loop()
    pool: Pool
    pool = loop.pool = Pool(loop, size, queue_max=queue_max)
    return pool


class Door:
    """A FIFO: a thread that opens it to read waits until somebody opens it to write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    async def let_through(self) -> None:
        """The one thread that waits there; not before it does."""

        def is_open() -> bool:
            try:
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return False  # nobody waits yet
            return True

        await turns_until(is_open)

    def let_all_through(self) -> None:
        os.close(os.open(self.path, os.O_RDWR | os.O_NONBLOCK))


@contextlib.asynccontextmanager
async def after_one_turn(begin: Callable[[], asyncio.Future[T]], place: Path) -> AsyncIterator[asyncio.Future[T]]:
    """begin() starts an operation on the only thread. Inside the block it has had one turn, and waits until the block is left."""
    narrow_pool()
    before, behind = Door(place / "door before"), Door(place / "door behind")
    opened = [fs.open(before.path)]
    await turns_until(lambda: is_active(1))
    operation = begin()
    opened.append(fs.open(behind.path))
    await before.let_through()
    await opened[0]
    await turns_until(lambda: works_on("fs.open"))
    try:
        yield operation
    finally:
        await behind.let_through()
        for opening in opened:
            await (await opening).close()


def fds_of(path: Path) -> list[int]:
    """The descriptors that this process has open on it."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}") == str(path):
                found.append(int(fd))
        except FileNotFoundError:  # the one that listdir had
            pass
    return found


async def error_of(awaitable: Awaitable[object]) -> OSError:
    """What it raises."""
    try:
        value = await awaitable
    except OSError as error:
        return error
    raise AssertionError(f"no OSError, but {value!r}")

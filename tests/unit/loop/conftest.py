"""A loop for each test. Invariant: after a test nothing waits in it that the test did not leave on purpose, and no
descriptor is left."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

import treadle
from tests.unit.loop.support import LOOPS, Pipe, open_fds


@pytest.fixture
def loop() -> Iterator[treadle.EventLoop]:
    """Closed at the end; leaks of descriptors fail the test."""
    before = open_fds()
    loop = treadle.new_event_loop()
    yield loop
    end_tasks(loop)
    loop.close()
    assert open_fds() == before


def end_tasks(loop: treadle.EventLoop) -> None:
    """A coroutine that was never begun would be complained about in some later test."""
    left = set() if loop.is_closed() else asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))


@pytest.fixture
def idle_loop(loop: treadle.EventLoop) -> Iterator[treadle.EventLoop]:
    """A loop that has to be idle again when the test is through."""
    yield loop
    waiting = {
        name: count
        for name, count in loop.statistics().items()
        if count and (name.endswith(("_queued", "_refed", "_waiting", "_lists")) or name in ("requests", "tasks"))
    }
    assert waiting == {}


@pytest.fixture(params=LOOPS.values(), ids=LOOPS)
def either_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """asyncio's own loop, then treadle's. Closed at the end; leaks of descriptors fail the test."""
    before = open_fds()
    loop = request.param()
    yield loop
    loop.close()
    if open_fds() - before:
        gc.collect()  # slow, and what a closed loop leaves in a cycle is no leak
    assert open_fds() - before == set()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()

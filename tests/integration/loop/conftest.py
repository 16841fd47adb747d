"""Every test of this folder runs on asyncio's own loop and on treadle's: what asyncio's does is what is right. Invariant:
after a test no descriptor is left, nothing waits in the loop, and no exception was reported that the test did not expect."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

import treadle
from tests.integration.loop.support import Trace
from tests.unit.native.support import open_fds

LOOPS = {"asyncio": asyncio.SelectorEventLoop, "treadle": treadle.new_event_loop}


@pytest.fixture(params=LOOPS.values(), ids=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    before = open_fds()
    loop = request.param()
    asyncio.set_event_loop(loop)
    contexts: list[dict[str, Any]] = []
    loop.contexts = contexts
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    if isinstance(loop, treadle.EventLoop):
        loop.run_while_alive()  # whatever holds it would hang here
        statistics = loop.statistics()
        assert {
            name: statistics[name] for name in ("handles_refed", "timers_refed", "immediates_refed", "requests", "tasks")
        } == {
            "handles_refed": 0,
            "timers_refed": 0,
            "immediates_refed": 0,
            "requests": 0,
            "tasks": 0,
        }
    asyncio.set_event_loop(None)
    loop.close()
    if open_fds() - before:
        gc.collect()  # slow, and what a closed loop leaves in a cycle is no leak
    assert open_fds() - before == set()
    assert contexts == []


@pytest.fixture
def errors(loop: Any) -> Iterator[list[dict[str, Any]]]:
    """The contexts that the exception handler was given, which the test expects."""
    yield loop.contexts
    loop.contexts.clear()


@pytest.fixture(params=["tcp", "unix"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def trace() -> Trace:
    return []

"""Each test of streams runs on a loop of its own, also those that are coroutine functions. Invariant: after a test no task, no
handle, no request and no descriptor is left, and no failure was reported that the test did not expect (fixture `errors`)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import run
from tests.unit.streams.support import DEADLINE_S
from treadle import process

HOLDS = ("handles_refed", "timers_refed", "immediates_refed", "requests", "tasks")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """An async test runs on the loop of its fixture, with a deadline."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await pyfuncitem.obj(**arguments)

    pyfuncitem.funcargs["loop"].run_until_complete(main())
    return True


@pytest.fixture(autouse=True)
def loop(request: pytest.FixtureRequest) -> Iterator[treadle.EventLoop]:
    loop: Any = treadle.new_event_loop()
    loop.failures = []
    loop.set_exception_handler(lambda _, context: loop.failures.append(context.get("exception") or context["message"]))
    process.on("uncaught_exception", loop.failures.append)
    try:
        yield loop
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        run(loop)  # whatever holds it fails the test here
        statistics = loop.statistics()
        held = {name: statistics[name] for name in HOLDS if statistics[name]}
    finally:
        process.off("uncaught_exception", loop.failures.append)
        loop.set_exception_handler(None)
        loop.close()
    assert held == {}
    assert loop.failures == []


@pytest.fixture
def errors(loop: Any) -> Iterator[list[Any]]:
    """The failures that nobody handled, which the test expects."""
    yield loop.failures
    loop.failures.clear()

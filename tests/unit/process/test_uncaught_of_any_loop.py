"""'uncaught_exception' belongs to every loop of treadle, however it is run."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import treadle
from treadle import process, timers


def _by_runner(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        runner.run(main())


def _by_hand(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = treadle.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.fixture(params=[treadle.run, _by_runner, _by_hand], ids=["run", "runner", "loop"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Coroutine[Any, Any, None]]], None]:
    how: Callable[[Callable[[], Coroutine[Any, Any, None]]], None] = request.param
    return how


@pytest.fixture
def heard() -> Iterator[list[BaseException]]:
    errors: list[BaseException] = []
    process.on("uncaught_exception", errors.append)
    yield errors
    process.off("uncaught_exception", errors.append)


async def _main() -> None:
    timers.set_timeout(lambda: 1 / 0, 1)
    await timers.promises.sleep(2)


def test_a_listener_hears_of_it_and_the_run_goes_on(
    run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None], heard: list[BaseException]
) -> None:
    run(_main)
    assert [type(error) for error in heard] == [ZeroDivisionError]


def test_it_ends_the_run_where_nobody_listens(run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None]) -> None:
    with pytest.raises(ZeroDivisionError):
        run(_main)

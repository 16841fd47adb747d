"""pool.run() as the runtime's own packages use it. Not here: the threads (tests/unit/native/test_python_jobs.py)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

import treadle
from treadle import TreadleError, pool
from treadle._native.pool import Pool
from treadle.loop.current import get_loop

DEADLINE_S = 20.0


def test_a_result_is_awaited() -> None:
    async def main() -> Any:
        return await pool.run("sum", sum, [1, 2, 3])

    assert treadle.run(main) == 6


def test_a_callback_runs_in_the_poll_phase_and_in_its_context() -> None:
    variable = contextvars.ContextVar("variable", default="none")
    log: list[Any] = []

    def main() -> None:
        variable.set("mine")
        pool.run("sum", sum, [1, 2], callback=lambda error, result: log.extend([error, result, variable.get()]))
        log.append("called")

    treadle.run(main)
    assert log == ["called", None, 3, "mine"]


@pytest.mark.parametrize("kind", [ValueError, StopIteration])
def test_an_error_is_raised_where_it_is_awaited(kind: type[Exception]) -> None:
    def fail() -> None:
        raise kind("no")

    async def main() -> str:
        try:
            await pool.run("fail", fail)
        except RuntimeError as error:  # no future takes a StopIteration
            return type(error.__cause__).__name__
        except ValueError as error:
            return type(error).__name__
        return "none"

    assert treadle.run(main) == kind.__name__


def test_cancelling_drops_what_no_thread_has_taken() -> None:
    gate = threading.Event()
    log: list[str] = []

    async def main() -> None:
        get_loop().pool = Pool(get_loop(), 1)  # type: ignore[attr-defined]
        held = pool.run("gate", gate.wait, DEADLINE_S)
        never = pool.run("never", log.append, "never")
        never.cancel()
        with pytest.raises(asyncio.CancelledError):
            await never
        gate.set()
        assert await held is True

    treadle.run(main)
    assert log == []


def test_a_full_queue_is_told_at_once() -> None:
    gate = threading.Event()

    async def main() -> None:
        get_loop().pool = Pool(get_loop(), 1, queue_max=1)  # type: ignore[attr-defined]
        held = [pool.run("gate", gate.wait, DEADLINE_S)]
        while pool.statistics().active == 0:
            await asyncio.sleep(0)
        held.append(pool.run("gate", gate.wait, DEADLINE_S))
        with pytest.raises(TreadleError) as caught:
            pool.run("one too many", abs, 1)
        assert caught.value.code == "ERR_POOL_SATURATED"
        gate.set()
        await asyncio.gather(*held)

    treadle.run(main)


def test_without_a_loop() -> None:
    with pytest.raises(TreadleError) as caught:
        pool.run("sum", sum, [1])
    assert caught.value.code == "ERR_NO_LOOP"


def test_a_callback_that_is_none() -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as caught:
            pool.run("sum", sum, [1], callback=1)  # type: ignore[call-overload]
        assert caught.value.code == "ERR_INVALID_ARG_TYPE"

    treadle.run(main)


async def coroutine_function() -> None: ...


@pytest.mark.parametrize("start", [pool.run, pool.run_alone])
@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        ((5, abs, 1), "ERR_INVALID_ARG_TYPE", "kind"),
        (("abs", 5), "ERR_INVALID_ARG_TYPE", "function"),
        ((len, "x"), "ERR_INVALID_ARG_TYPE", "kind"),
        (("never", coroutine_function), "ERR_INVALID_ARG_VALUE", "function"),
    ],
)
def test_what_cannot_be_called_is_told_at_once(start: Any, arguments: tuple[Any, ...], code: str, name: str) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as caught:
            start(*arguments)
        assert (caught.value.code, caught.value.data["name"]) == (code, name)

    treadle.run(main)


def test_alone_in_the_process() -> None:
    inside = 0
    most = 0

    def count() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.001)  # lets go of the GIL
        inside -= 1

    async def main() -> None:
        await asyncio.gather(*(pool.run_alone("count", count) for _ in range(20)))
        callback_ran = asyncio.Event()
        pool.run_alone("count", count, callback=lambda error, _result: error or callback_ran.set())
        await asyncio.wait_for(callback_ran.wait(), DEADLINE_S)

    treadle.run(main)
    assert most == 1

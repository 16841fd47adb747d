"""run_in_executor: the call holds the program, its outcome arrives as a microtask."""

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Iterator

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Trace, boom, run

Loop = treadle.EventLoop


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a call waits for; opened at the end, whatever happens."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture(params=["default", "own"])
def executor(request: pytest.FixtureRequest) -> Iterator[concurrent.futures.Executor | None]:
    if request.param == "default":
        yield None
    else:
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            yield executor


def finish(loop: Loop) -> None:
    loop.run_until_complete(loop.shutdown_default_executor())


def test_a_call_holds_the_program_until_its_outcome_has_arrived(
    loop: Loop, gate: threading.Event, executor: concurrent.futures.Executor | None
) -> None:
    trace: Trace = []

    def look() -> None:
        trace.append((loop.statistics()["requests"], loop.request_refs, loop.is_alive()))
        gate.set()

    future = loop.run_in_executor(executor, gate.wait, DEADLINE_S)
    future.add_done_callback(lambda future: trace.append(future.result()))
    loop.set_immediate(loop.set_immediate, look)
    run(loop)
    assert trace == [(1, 1, True), True]
    assert (loop.statistics()["requests"], loop.is_alive()) == (0, False)
    finish(loop)


def test_an_exception_arrives_and_lets_the_program_end(loop: Loop) -> None:
    future = loop.run_in_executor(None, boom)
    run(loop)
    assert isinstance(future.exception(), ValueError)
    assert loop.statistics()["requests"] == 0
    finish(loop)


def test_a_call_that_is_cancelled_does_not_hold_it(loop: Loop, gate: threading.Event) -> None:
    future = loop.run_in_executor(None, gate.wait, DEADLINE_S)
    loop.set_immediate(future.cancel)
    run(loop)
    assert not gate.is_set()
    assert future.cancelled()
    assert loop.statistics()["requests"] == 0
    gate.set()
    finish(loop)


def test_calls_run_beside_each_other(loop: Loop) -> None:
    """Each of them waits for the other one."""
    barrier = threading.Barrier(2)
    futures = [loop.run_in_executor(None, barrier.wait, DEADLINE_S) for _ in range(2)]
    run(loop)
    assert sorted(future.result() for future in futures) == [0, 1]
    finish(loop)


def test_the_loop_goes_on_meanwhile(loop: Loop, gate: threading.Event) -> None:
    trace: Trace = []

    async def main() -> None:
        future = loop.run_in_executor(None, gate.wait, DEADLINE_S)
        await asyncio.sleep(0.001)
        trace.append("slept")
        gate.set()
        trace.append(await future)

    loop.create_task(main())
    run(loop)
    assert trace == ["slept", True]
    finish(loop)


def test_to_thread_carries_the_context(loop: Loop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> tuple[str, int]:
        variable.set("of the task")
        return await asyncio.to_thread(lambda: (variable.get(), threading.get_ident()))

    task = loop.create_task(main())
    run(loop)
    assert task.result()[0] == "of the task"
    assert task.result()[1] != threading.get_ident()
    finish(loop)


def test_another_default_executor(loop: Loop) -> None:
    executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="own")
    loop.set_default_executor(executor)
    future = loop.run_in_executor(None, lambda: threading.current_thread().name)
    run(loop)
    assert future.result().startswith("own")
    finish(loop)


def test_after_its_shutdown_a_call_is_refused_and_holds_nothing(loop: Loop) -> None:
    finish(loop)
    with pytest.raises(RuntimeError):
        loop.run_in_executor(None, int)
    assert loop.statistics()["requests"] == 0


def test_a_closed_loop_refuses(loop: Loop) -> None:
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_in_executor(None, int)


def test_a_program_ends_with_the_threads_of_its_executor() -> None:
    names: list[str] = []

    async def main() -> None:
        names.append(await asyncio.to_thread(lambda: threading.current_thread().name))

    treadle.run(main)
    assert names
    assert names[0] not in [thread.name for thread in threading.enumerate()]

"""Whose program a `treadle.run` joins, and what a program that ends still takes on."""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S
from treadle import process
from treadle.loop.program import run_script, run_until_done
from treadle.timers import set_timeout


async def _where() -> tuple[int, int]:
    return (os.getpid(), threading.get_ident())


def test_a_run_on_another_thread_is_a_program_of_its_own() -> None:
    seen: list[Any] = []

    def script() -> None:
        thread = threading.Thread(target=lambda: seen.append(treadle.run(_where) == (os.getpid(), threading.get_ident())))
        thread.start()
        thread.join(10)

    run_script(script)
    assert seen == [True]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # threads of other tests
def test_a_run_in_a_forked_child_is_a_program_of_its_own() -> None:
    status: list[int] = []

    def script() -> None:
        child = os.fork()
        if child == 0:
            try:
                asyncio._set_running_loop(None)
                os._exit(0 if treadle.run(_where) == (os.getpid(), threading.get_ident()) else 1)
            finally:
                os._exit(2)
        status.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    run_script(script)
    assert status == [0]


def test_a_run_on_the_programs_own_thread_joins_it() -> None:
    seen: list[Any] = []

    async def main() -> None:
        seen.append(asyncio.get_running_loop())

    def script() -> None:
        seen.append(asyncio.get_running_loop())
        assert treadle.run(main) is None

    run_script(script)
    assert seen[0] is seen[1]


def test_a_program_that_ends_accepts_no_connection() -> None:
    made: list[str] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append("made")

    async def cleans_up(address: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with socket.create_connection(address):
                await asyncio.sleep(0.02)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        loop.cleaner = asyncio.ensure_future(cleans_up(server.sockets[0].getsockname()))  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        treadle.run(main)
    assert made == []


def test_what_fails_while_a_program_ends_comes_out() -> None:
    async def generator() -> Any:
        try:
            yield
        finally:
            loop = asyncio.get_running_loop()
            loop.next_tick(_fail)  # type: ignore[attr-defined]
            await asyncio.sleep(0)

    kept: list[Any] = []

    async def main() -> None:
        kept.append(generator())
        await anext(kept[0])

    with pytest.raises(RuntimeError, match="while it ended"):
        treadle.run(main)


def _fail() -> None:
    raise RuntimeError("while it ended")


# -- a program that has an end


def test_a_call_of_the_executor_does_not_keep_it_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    deadline = threading.Timer(DEADLINE_S, gate.set)
    deadline.start()
    before = set(threading.enumerate())

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, gate.wait)

    run_until_done(main, cleanup_s=lambda: 0.01)
    was_waiting = not gate.is_set()
    deadline.cancel()
    gate.set()
    for thread in {deadline, *threading.enumerate()} - (before - {deadline}):
        thread.join(DEADLINE_S)
    assert was_waiting
    assert ["default executor" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda loop, callback: loop.next_tick(callback),
        lambda loop, callback: loop.queue_microtask(callback),
        lambda loop, callback: loop.set_immediate(callback),
        lambda loop, callback: loop.set_timeout(callback, 1),
        lambda loop, callback: loop.set_timeout(callback, 60_000),
    ],
    ids=["tick", "microtask", "immediate", "timeout", "long timeout"],
)
def test_who_schedules_one_more_when_it_is_let_go_of_does_not_keep_it_from_ending(
    loop: treadle.EventLoop, schedule: Callable[[treadle.EventLoop, Callable[[], object]], object]
) -> None:
    """What stands there is let go of, and not what that makes."""
    made = 0

    class Again:
        def __init__(self) -> None:
            nonlocal made
            made += 1
            schedule(loop, self)

        def __call__(self) -> None: ...

        def __del__(self) -> None:
            if made < 1_000 and not loop.is_closed():
                Again()

    for _ in range(3):
        Again()
    loop.drop_waiting()
    assert made == 6
    loop.drop_waiting()
    assert made == 9


def test_what_asyncio_scheduled_keeps_its_order_where_the_rest_is_let_go_of(loop: treadle.EventLoop) -> None:
    ran: list[str] = []

    async def yields(name: str) -> None:
        await asyncio.sleep(0)
        ran.append(name)

    def let_go() -> None:
        loop.queue_microtask(lambda: ran.append("microtask"))
        loop.call_soon(ran.append, "second")
        loop.drop_waiting()
        loop.queue_microtask(lambda: ran.append("new microtask"))
        loop.call_soon(ran.append, "third")

    loop.call_soon(let_go)
    loop.call_soon(ran.append, "first")
    loop.queue_microtask(lambda: ran.append("microtask"))
    tasks = [loop.create_task(yields(name)) for name in ("one", "two")]
    loop.run_until_complete(asyncio.wait(tasks))
    assert ran == ["first", "second", "new microtask", "third", "one", "two"]


def test_an_async_generator_does_not_keep_it_from_ending() -> None:
    trace: list[str] = []

    async def generator() -> Any:
        try:
            yield
        finally:
            try:
                await asyncio.sleep(DEADLINE_S)
                trace.append("slept")
            except asyncio.CancelledError:
                trace.append("cancelled")
                raise

    kept: list[Any] = []

    async def main() -> None:
        kept.append(generator())
        await anext(kept[0])

    run_until_done(main, cleanup_s=lambda: 0.01)
    assert trace == ["cancelled"]


def test_what_ends_in_time_is_waited_for() -> None:
    trace: list[str] = []
    gate = threading.Event()

    async def generator() -> Any:
        try:
            yield
        finally:
            await asyncio.sleep(0.001)
            gate.set()
            trace.append("closed")

    kept: list[Any] = []

    async def main() -> None:
        kept.append(generator())
        await anext(kept[0])
        asyncio.get_running_loop().run_in_executor(None, lambda: (gate.wait(DEADLINE_S), trace.append("called")))

    run_until_done(main, cleanup_s=lambda: DEADLINE_S)
    assert sorted(trace) == ["called", "closed"]


@pytest.mark.parametrize(("result", "told"), [(2, [2, 2]), (0, [0, 0]), ("no luck", [1, 1])])
def test_sys_exit_of_a_joined_main_waits_for_it(result: object, told: list[int]) -> None:
    """The commonest last line of a Python program."""
    log: list[object] = []

    async def main() -> object:
        process.on("before_exit", log.append).on("exit", log.append)
        await asyncio.sleep(0)
        set_timeout(lambda: log.append("the timer that it has left"), 1)
        return result

    def script() -> None:
        sys.exit(treadle.run(main))

    try:
        with pytest.raises(SystemExit) as raised:
            run_script(script)
    finally:
        process.remove_all_listeners()
    assert raised.value.code == result
    assert log == ["the timer that it has left", *told]


def test_without_a_result_it_ends_as_ever() -> None:
    log: list[object] = []

    def script() -> None:
        sys.exit(treadle.run(lambda: set_timeout(lambda: log.append("ran"), 1) and None))

    run_script(script)
    assert log == ["ran"]


def test_a_joined_main_that_fails_beats_its_sys_exit() -> None:
    async def main() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_script(lambda: sys.exit(treadle.run(main)))


def test_another_sys_exit_ends_it_at_once_and_says_what_is_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    log: list[object] = []

    async def main() -> None:
        await asyncio.sleep(0)
        log.append("never")

    def script() -> None:
        sys.exit(3 if treadle.run(main) is None else 0)

    with pytest.raises(SystemExit) as raised:
        run_script(script)
    assert (raised.value.code, log) == (3, [])
    assert ["1 main of treadle.run" in record.getMessage() for record in caplog.records] == [True]


def test_nothing_is_said_where_no_main_is_under_way_or_the_end_was_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        await asyncio.sleep(0)

    def told() -> None:
        treadle.run(main)
        process.exit(4)

    for script in (sys.exit, told):
        with pytest.raises(SystemExit):
            run_script(script)
    assert not caplog.records

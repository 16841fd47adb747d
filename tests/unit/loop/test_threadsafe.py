"""What other threads may do: call_soon_threadsafe, which ends a blocked poll and keeps the order of arrival."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Trace, boom, contexts_of, run, run_for_ever

Loop = treadle.EventLoop


class Threads:
    """Threads that are joined, and whose failure fails the test."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(8)
        self._futures: list[concurrent.futures.Future[object]] = []

    def start(self, function: Callable[..., object], *args: object) -> None:
        self._futures.append(self._pool.submit(function, *args))

    def join(self) -> None:
        for future in self._futures:
            future.result(DEADLINE_S)
        self._pool.shutdown()


@pytest.fixture
def threads() -> "Threads":  # type: ignore[misc]
    threads = Threads()
    yield threads  # type: ignore[misc]
    threads.join()


def test_it_ends_a_blocked_poll(idle_loop: Loop, threads: Threads) -> None:
    """Nothing else would before the deadline."""
    idle_loop.call_soon(threads.start, idle_loop.call_soon_threadsafe, idle_loop.stop)
    run_for_ever(idle_loop)


def test_a_hundred_times_to_and_fro(idle_loop: Loop, threads: Threads) -> None:
    """The thread speaks only when the loop has answered, so that the loop is asleep, or about to be."""
    loop = idle_loop
    answered = threading.Event()
    trace: list[int] = []

    def answer(n: int) -> None:
        trace.append(n)
        answered.set()

    def speak() -> None:
        for n in range(100):
            answered.clear()
            loop.call_soon_threadsafe(answer, n)
            assert answered.wait(DEADLINE_S)
        loop.call_soon_threadsafe(loop.stop)

    threads.start(speak)
    run_for_ever(loop)
    assert trace == list(range(100))


def test_nothing_is_lost_and_the_order_of_each_thread_is_kept(idle_loop: Loop, threads: Threads) -> None:
    loop = idle_loop
    trace: list[tuple[str, int]] = []
    left = 4

    def end() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()

    def speak(name: str) -> None:
        for n in range(500):
            loop.call_soon_threadsafe(trace.append, (name, n))
        loop.call_soon_threadsafe(end)

    for name in "abcd":
        threads.start(speak, name)
    run_for_ever(loop)
    assert len(trace) == 2_000
    for name in "abcd":
        assert [n for who, n in trace if who == name] == list(range(500))


def test_it_joins_the_queue_of_call_soon(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop

    def callback() -> None:
        loop.call_soon(trace.append, 1)
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(trace.append, 2))
        thread.start()
        thread.join(DEADLINE_S)
        loop.call_soon(trace.append, 3)
        loop.next_tick(trace.append, "tick")

    loop.set_immediate(callback)
    run(loop)
    assert trace == ["tick", 1, 2, 3]


def test_what_came_before_the_run_is_not_lost(idle_loop: Loop, threads: Threads) -> None:
    trace: Trace = []
    thread = threading.Thread(target=idle_loop.call_soon_threadsafe, args=(trace.append, "called"))
    thread.start()
    thread.join(DEADLINE_S)
    run(idle_loop)
    assert trace == ["called"]


def test_its_handle_can_be_cancelled(idle_loop: Loop) -> None:
    trace: Trace = []
    handle = idle_loop.call_soon_threadsafe(trace.append, "cancelled")
    idle_loop.call_soon_threadsafe(trace.append, "called")
    handle.cancel()
    run(idle_loop)
    assert trace == ["called"]


def test_its_exception_goes_to_the_exception_handler(idle_loop: Loop, threads: Threads) -> None:
    loop = idle_loop
    contexts = contexts_of(loop)

    def speak() -> None:
        loop.call_soon_threadsafe(boom)
        loop.call_soon_threadsafe(loop.stop)

    threads.start(speak)
    run_for_ever(loop)
    assert [str(context["exception"]) for context in contexts] == ["boom"]


def test_a_coroutine_from_another_thread(idle_loop: Loop, threads: Threads) -> None:
    loop = idle_loop
    results: list[object] = []

    async def double(n: int) -> int:
        await asyncio.sleep(0.001)
        return 2 * n

    def speak() -> None:
        results.append(asyncio.run_coroutine_threadsafe(double(21), loop).result(DEADLINE_S))
        loop.call_soon_threadsafe(loop.stop)

    threads.start(speak)
    run_for_ever(loop)
    assert results == [42]


def test_a_closed_loop_refuses(threads: Threads) -> None:
    loop = treadle.new_event_loop()
    loop.close()
    errors: list[BaseException] = []

    def speak() -> None:
        try:
            loop.call_soon_threadsafe(int)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=speak)
    thread.start()
    thread.join(DEADLINE_S)
    assert len(errors) == 1


def test_loops_of_two_threads_call_each_other(idle_loop: Loop, threads: Threads) -> None:
    loop = idle_loop
    trace: Trace = []
    other = treadle.new_event_loop()

    def ping(n: int) -> None:
        trace.append(n)
        if n < 50:
            other.call_soon_threadsafe(pong, n + 1)
        else:
            other.call_soon_threadsafe(other.stop)
            loop.stop()

    def pong(n: int) -> None:
        trace.append(n)
        loop.call_soon_threadsafe(ping, n + 1)

    def run_other() -> None:
        other.call_later(DEADLINE_S, other.stop)
        other.run_forever()
        other.close()

    threads.start(run_other)
    loop.call_soon(ping, 0)
    run_for_ever(loop)
    assert trace == list(range(51))

"""What a loop counts: every queue on its own, time that it waited and time that it ran."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.unit.native.support import DEADLINE_S, eventually
from treadle._native.loop import LoopCore

NS_PER_MS = 1_000_000


@pytest.fixture
def loop() -> Iterator[LoopCore]:
    loop = LoopCore()
    yield loop
    loop.close_core()


def run(loop: LoopCore) -> dict[str, int]:
    loop.run_turns(True)
    return dict(loop.statistics())


def test_nothing_is_counted_before_the_first_run(loop: LoopCore) -> None:
    counted = loop.statistics()
    assert not any(counted[name] for name in ("turns", "waits", "idle_ns", "ran_ns", "started_ns", "run_since_ns", "phase"))
    assert loop.idle_and_active_ns() == (0, 0)


def test_callbacks_are_counted_by_their_queue(loop: LoopCore) -> None:
    def nothing() -> None: ...

    reader, writer = os.pipe()
    os.write(writer, b"x")
    loop._add_reader(reader, lambda: loop._remove_reader(reader))
    for times, schedule in enumerate((loop.next_tick, loop.queue_microtask, loop.call_soon, loop.set_immediate), start=2):
        for _ in range(times):
            schedule(nothing)
    for _ in range(6):
        loop.set_timeout(nothing, 1)
    loop.call_later(0, nothing)

    counted = run(loop)
    os.close(reader)
    os.close(writer)
    assert [counted[name] for name in ("ticks", "microtasks", "soon", "immediates", "timers", "events")] == [2, 3, 4, 5, 7, 1]


def test_a_cut_drain_counts_by_the_queue_as_well(loop: LoopCore) -> None:
    left = {"soon": 500, "microtasks": 300}

    def again(name: str) -> None:
        left[name] -= 1
        if left[name]:
            push(name)

    def push(name: str) -> None:
        if name == "soon":
            loop.call_soon(again, name)
        else:
            loop.queue_microtask(lambda: again(name))

    for name in left:
        push(name)
    counted = run(loop)
    assert (counted["soon"], counted["microtasks"]) == (500, 300)
    assert counted["guard_turns"] > 0


def test_a_flood_is_counted_once(loop: LoopCore) -> None:
    end_ns = time.monotonic_ns() + 150 * NS_PER_MS

    def feed() -> None:
        if time.monotonic_ns() < end_ns:
            loop.call_soon(feed)

    loop.call_soon(feed)
    counted = run(loop)
    assert counted["floods"] == 1
    assert 100 * NS_PER_MS < counted["flood_max_ns"] <= counted["ran_ns"]


def test_turns_that_need_not_wait_are_not_idle(loop: LoopCore) -> None:
    left = 100

    def again() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.set_immediate(again)

    loop.set_immediate(again)
    counted = run(loop)
    assert (counted["immediates"], counted["waits"], counted["idle_ns"]) == (100, 0, 0)
    assert counted["ran_ns"] > 0


def test_callbacks_are_active_time(loop: LoopCore) -> None:
    def work() -> None:
        end_ns = time.monotonic_ns() + 5 * NS_PER_MS
        while time.monotonic_ns() < end_ns:
            pass

    loop.set_immediate(work)
    run(loop)
    idle_ns, active_ns = loop.idle_and_active_ns()
    assert idle_ns == 0
    assert active_ns >= 5 * NS_PER_MS


def test_a_wait_is_idle_while_it_lasts(loop: LoopCore) -> None:
    """Asked from another thread while the loop is in the kernel."""
    seen: list[tuple[int, int]] = []

    def look() -> None:
        eventually(lambda: loop.statistics()["wait_base_ns"] > 0, "the loop waits")
        eventually(lambda: loop.idle_and_active_ns()[0] > 5 * NS_PER_MS, "it has waited for 5 ms")
        seen.append(loop.idle_and_active_ns())
        loop.call_soon_threadsafe(timer.cancel)

    timer = loop.call_later(DEADLINE_S, lambda: None)
    thread = threading.Thread(target=look)
    thread.start()
    counted = run(loop)
    thread.join()

    assert counted["waits"] >= 1
    assert counted["wait_base_ns"] == 0
    assert seen[0][0] <= counted["idle_ns"] <= counted["ran_ns"]


def test_time_between_runs_is_neither(loop: LoopCore) -> None:
    loop.set_immediate(lambda: None)
    first = run(loop)
    before = loop.idle_and_active_ns()
    end_ns = time.monotonic_ns() + 5 * NS_PER_MS
    while time.monotonic_ns() < end_ns:
        pass
    assert loop.idle_and_active_ns() == before
    second = run(loop)
    assert second["started_ns"] == first["started_ns"]
    assert second["run_since_ns"] == 0


def test_the_phase_is_told(loop: LoopCore) -> None:
    phases: list[int] = []

    def look() -> None:
        phases.append(loop.statistics()["phase"])

    reader, writer = os.pipe()
    os.write(writer, b"x")
    loop._add_reader(reader, lambda: (look(), loop._remove_reader(reader)))
    loop.call_later(0, look)
    loop.set_immediate(look)
    run(loop)
    os.close(reader)
    os.close(writer)
    assert phases == [1, 3, 4]
    assert loop.statistics()["phase"] == 0

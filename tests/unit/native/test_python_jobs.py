"""Calls of Python on threads of the pool: results, errors, thread states, and what is left of a call that nobody waits for."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable

import pytest

from tests.unit.native.support import DEADLINE_S, Room, eventually, in_child, pool_threads
from treadle._native.pool import PoolSaturated
from treadle._native.python_jobs import run

MakeRoom = Callable[..., Room]


class Gate:
    """A function that waits on its thread until it may go on. How often it was entered is `entered`."""

    def __init__(self) -> None:
        self.entered = 0
        self.may_go = threading.Event()

    def __call__(self, result: object = None) -> object:
        self.entered += 1
        assert self.may_go.wait(DEADLINE_S)
        return result


class Thing:
    """What can be looked for weakly."""


def test_a_result(room: Room) -> None:
    run(room.pool, "sum", sum, ([1, 2, 3],), lambda error, result: room.log.append((error, result)))
    assert room.log == []
    assert room.run() == [(None, 6)]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), StopIteration(1), GeneratorExit()])
def test_whatever_it_raises_is_its_error(room: Room, error: BaseException) -> None:
    def fail() -> None:
        raise error

    run(room.pool, "fail", fail, (), lambda *outcome: room.log.append(outcome))
    assert room.run() == [(error, None)]


def test_it_runs_on_a_thread_of_the_pool(room: Room) -> None:
    run(room.pool, "where", lambda: str(threading.get_native_id()), (), lambda *outcome: room.log.append(outcome))
    room.run()
    [(error, thread)] = room.log
    assert error is None and thread in pool_threads()


def test_a_call_has_no_frames_and_no_exception_of_another(room: Room) -> None:
    def look() -> tuple[object, object]:
        return sys._getframe().f_back, sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]

    def fail() -> None:
        raise ValueError

    for function in (fail, look, fail, look):
        run(room.pool, "look", function, (), lambda _error, result: room.log.append(result))
    room.run()
    assert room.log.count((None, None)) == 2


def test_threads_work_at_once(make_room: MakeRoom) -> None:
    """Each waits for the others: none would come back from a pool that runs them one after the other."""
    room = make_room(4)
    barrier = threading.Barrier(4)
    for _ in range(4):
        run(room.pool, "meet", barrier.wait, (DEADLINE_S,), lambda error, _place: room.log.append(error))
    assert room.run() == [None] * 4


def test_ten_thousand_calls(room: Room) -> None:
    for number in range(10_000):
        run(room.pool, "abs", abs, (-number,), lambda _error, result: room.log.append(result))
    assert sorted(room.run()) == list(range(10_000))
    assert room.pool.statistics()["threads"] <= 4


def test_what_it_was_given_is_let_go_of(room: Room) -> None:
    argument, result = Thing(), Thing()
    seen = [weakref.ref(argument), weakref.ref(result)]
    call = run(room.pool, "give", lambda _argument, result=result: result, (argument,), lambda *_: None)
    del argument, result
    room.run()
    assert [reference() for reference in seen] == [None, None]
    del call


def test_cancelled_before_it_began(make_room: MakeRoom) -> None:
    room = make_room(1)
    gate = Gate()
    run(room.pool, "gate", gate, (), room.note)
    never = run(room.pool, "never", room.log.append, ("never",), room.note)
    never.cancel()
    gate.may_go.set()
    assert room.run() == [None]
    assert room.loop.request_refs == 0


def test_cancelled_under_way(room: Room) -> None:
    """What it works with lives as long as it works, and its result is dropped."""
    gate, argument = Gate(), Thing()
    seen = weakref.ref(argument)
    call = run(room.pool, "gate", gate, (argument,), room.note)
    eventually(lambda: gate.entered == 1, "it is under way")
    del argument
    call.cancel()
    assert room.loop.request_refs == 0
    assert seen() is not None
    gate.may_go.set()
    eventually(lambda: seen() is None, "it is through, and nobody has its result")
    assert room.run() == []


def test_the_loop_is_closed_under_way(make_room: MakeRoom) -> None:
    room = make_room(2)
    gate, argument = Gate(), Thing()
    seen = weakref.ref(argument)
    for _ in range(2):
        run(room.pool, "gate", gate, (argument,), room.note)
    waiting = run(room.pool, "waits", Gate(), (argument,), room.note)
    eventually(lambda: gate.entered == 2, "both are under way")
    del argument
    room.close()
    with pytest.raises(RuntimeError, match="closed"):
        run(room.pool, "late", abs, (1,), room.note)
    gate.may_go.set()
    eventually(lambda: seen() is None, "both are through")
    assert room.log == []
    del waiting


def test_a_pool_that_was_dropped_under_way() -> None:
    room = Room(1)
    gate = Gate()
    run(room.pool, "gate", gate, (), room.note)
    eventually(lambda: gate.entered == 1, "it is under way")
    del room
    gc.collect()
    gate.may_go.set()
    eventually(lambda: not pool_threads(), "its thread has ended")


def test_a_full_queue(make_room: MakeRoom) -> None:
    room = make_room(1, queue_max=2)
    gate = Gate()
    run(room.pool, "gate", gate, (), room.note)
    eventually(lambda: gate.entered == 1, "the thread is taken")
    for _ in range(2):
        run(room.pool, "waits", abs, (-1,), room.note)
    argument = Thing()
    seen = weakref.ref(argument)
    with pytest.raises(PoolSaturated):
        run(room.pool, "turned away", repr, (argument,), room.note)
    del argument
    assert seen() is None
    gate.may_go.set()
    assert room.run() == [None, 1, 1]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(room: Room) -> None:
    gate = Gate()
    run(room.pool, "gate", gate, ("parent",), room.note)
    eventually(lambda: gate.entered == 1, "it is under way")

    def act() -> bool:
        run(room.pool, "abs", abs, (-2,), room.note)
        return room.run() == [2]

    assert in_child(act) == 0
    gate.may_go.set()
    assert room.run() == ["parent"]


def test_a_destructor_that_cancels_another(make_room: MakeRoom) -> None:
    """What a call was given may be code: it runs with nothing locked."""
    room = make_room(1)
    gate = Gate()

    class Cancels:
        def __del__(self) -> None:
            other.cancel()

    run(room.pool, "gate", gate, (), room.note)
    eventually(lambda: gate.entered == 1, "the thread is taken")
    other = run(room.pool, "other", abs, (-1,), room.note)
    call = run(room.pool, "holds", abs, (Cancels(),), room.note)
    call.cancel()
    gate.may_go.set()
    assert room.run() == [None]


@pytest.mark.parametrize("act", ["cancel", "close"])
def test_a_destructor_that_ends_its_own_call_as_it_comes_back(room: Room, act: str) -> None:
    """What it was given is let go of before its callback: then there is none, and it is counted once."""

    class Ends:
        def __del__(self) -> None:
            calls[0].cancel() if act == "cancel" else room.pool.close()

    calls = [run(room.pool, "holds", lambda _: None, (Ends(),), room.note)]
    assert room.run() == []
    assert room.loop.request_refs == 0


def test_statistics_by_kind(make_room: MakeRoom) -> None:
    room = make_room(1)
    gate = Gate()
    run(room.pool, "gate", gate, (), room.note)
    eventually(lambda: gate.entered == 1, "the thread is taken")
    for _ in range(3):
        run(room.pool, "abs", abs, (-1,), room.note)
    by_kind = room.pool.statistics_by_kind()
    assert {name: kind[:2] for name, kind in by_kind.items()} == {"gate": (0, 1), "abs": (3, 0)}
    now = room.pool.statistics()
    assert (now["oldest_active_kind"], now["oldest_queued_kind"]) == ("gate", "abs")
    gate.may_go.set()
    room.run()
    by_kind = room.pool.statistics_by_kind()
    assert {name: (kind[0], kind[1], kind[2].count, kind[3].count) for name, kind in by_kind.items()} == {
        "gate": (0, 0, 1, 1),
        "abs": (0, 0, 3, 3),
    }
    assert by_kind["abs"][2].max <= by_kind["gate"][3].max, "they have waited for the one that had the thread"


def test_kinds_without_end(room: Room) -> None:
    """What is above 63 of them counts as of no kind; those of jobs in C have their names all the same."""
    for number in range(300):
        run(room.pool, f"kind {number}", abs, (-number,), room.note)
    room.read("/proc/self/stat", lambda *_: None)
    room.run()
    by_kind = room.pool.statistics_by_kind()
    assert len(by_kind) == 65
    assert by_kind[""][3].count == 300 - 63
    assert by_kind["fs.read_file"][3].count == 1


def test_saturation_is_told_once_until_the_queue_was_empty(make_room: MakeRoom) -> None:
    room = make_room(1)
    told: list[tuple[str, str]] = []

    def hear() -> None:
        now = room.pool.statistics()
        told.append((now["oldest_active_kind"], now["oldest_queued_kind"]))

    room.pool.saturation_hook = hear
    room.pool.wait_hook = lambda: told.append(("wait", ""))
    for episode in range(2):
        gate = Gate()
        run(room.pool, "gate", gate, (), room.note)
        eventually(lambda gate=gate: gate.entered == 1, "the thread is taken")  # type: ignore[misc]
        told.clear()
        run(room.pool, "abs", abs, (-1,), room.note)
        run(room.pool, "abs", abs, (-1,), room.note)
        assert told == [("wait", "")], "somebody should look, once"
        eventually(lambda: room.pool.statistics()["oldest_queued_ns"] > 100_000_000, "it has waited for too long")
        room.pool.look_for_saturation()
        room.pool.look_for_saturation()
        assert told == [("wait", ""), ("gate", "abs")]
        assert room.pool.statistics()["saturations"] == episode + 1
        gate.may_go.set()
        room.run()
        eventually(room.is_idle, "the queue is empty")
        assert told == [("wait", ""), ("gate", "abs")]


@pytest.mark.parametrize("has_alone", [False, True])
def test_a_saturation_is_remembered_as_it_was(make_room: MakeRoom, has_alone: bool) -> None:
    """Whoever tells of it may come when everything is through. What runs alone is none of its reasons: it has no thread."""
    room = make_room(1)
    gate = Gate()
    run(room.pool, "gate", gate, (), room.note)
    eventually(lambda: gate.entered == 1, "the thread is taken")
    if has_alone:
        run(room.pool, "alone", gate, (), room.note, is_alone=True)
        eventually(lambda: gate.entered == 2, "the other one as well")
    for _ in range(2):
        run(room.pool, "abs", abs, (-1,), room.note)
    eventually(lambda: room.pool.statistics()["oldest_queued_ns"] > 100_000_000, "it has waited for too long")
    gate.may_go.set()
    eventually(room.is_idle, "everything is through, and the loop knows of nothing")
    kind, waited_ns, busy, waiting, held_up_by = room.pool.saturation()
    assert (kind, busy, waiting, held_up_by) == ("abs", {"gate": 1}, {"abs": 2}, "")
    assert waited_ns >= 100_000_000
    room.run()

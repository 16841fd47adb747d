"""Calls of Python that run alone in the process: whatever loop asks for them, one at a time, and no thread waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.native.support import DEADLINE_S, Room, eventually, in_child, pool_threads
from treadle._native.pool import HeldInParent, PoolSaturated
from treadle._native.python_jobs import PythonCall, run

MakeRoom = Callable[..., Room]


class Counted:
    """A function of which the calls that overlap are counted. Its first call waits, until it may go on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.most = 0
        self.order: list[object] = []
        self.may_go = threading.Event()

    def __call__(self, name: object = None) -> object:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(name)
        assert self.may_go.wait(DEADLINE_S)
        with self.lock:
            self.inside -= 1
        return name

    def is_entered(self) -> bool:
        return self.inside == 1


@pytest.fixture
def counted() -> Iterator[Counted]:
    counted = Counted()
    yield counted
    counted.may_go.set()
    eventually(lambda: not alone_threads(), "the thread ends with its last job")


def alone_threads() -> list[str]:
    names = []
    for path in Path("/proc/self/task").glob("*/comm"):
        try:
            names.append(path.read_text().strip())
        except (FileNotFoundError, ProcessLookupError):  # it has ended since
            pass
    return [name for name in names if name == "treadle-alone"]


def ask(room: Room, function: Callable[[object], object], name: object) -> PythonCall:
    return run(room.pool, "alone", function, (name,), lambda _error, result: room.log.append(result), is_alone=True)


def test_pools_have_their_turns_one_by_one(make_room: MakeRoom, counted: Counted) -> None:
    rooms = [make_room(), make_room()]
    ask(rooms[0], counted, "first")
    eventually(counted.is_entered, "the first has begun")
    for number in range(3):
        ask(rooms[0], counted, f"a{number}")
    for number in range(3):
        ask(rooms[1], counted, f"b{number}")
    counted.may_go.set()
    assert rooms[1].run() == ["b0", "b1", "b2"]
    assert rooms[0].run() == ["first", "a0", "a1", "a2"]
    assert counted.order == ["first", "b0", "a0", "b1", "a1", "b2", "a2"]
    assert counted.most == 1


def test_many_from_several_threads(counted: Counted) -> None:
    """Each thread has a loop of its own, and the next round's calls come while the last one's end."""
    counted.may_go.set()
    logs: list[list[object]] = []

    def work() -> None:
        room = Room(2)
        for _ in range(50):
            for number in range(4):
                ask(room, counted, number)
            room.run()
        logs.append(room.log)
        room.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert logs == [[0, 1, 2, 3] * 50] * 3
    assert counted.most == 1
    eventually(lambda: not pool_threads(), "there never was one")


def test_no_thread_of_the_pool_waits(make_room: MakeRoom, counted: Counted) -> None:
    room = make_room(1)
    for number in range(3):
        ask(room, counted, number)
    run(room.pool, "other", abs, (-7,), lambda _error, result: room.log.append(result))
    room.run_until(lambda: room.log == [7], "what need not be alone goes on")
    eventually(counted.is_entered, "the first is under way")
    counted.may_go.set()
    assert room.run() == [7, 0, 1, 2]


def test_statistics_tell_that_it_waits(make_room: MakeRoom, counted: Counted) -> None:
    room = make_room()
    ask(room, counted, 0)
    eventually(counted.is_entered, "the first has begun")
    ask(room, counted, 1)
    ask(room, counted, 2)
    now = room.pool.statistics()
    assert (now["active"], now["queued"], now["queued_max"], now["threads"]) == (1, 2, 2, 0)
    assert (now["oldest_active_kind"], now["oldest_queued_kind"]) == ("alone", "alone")
    assert now["oldest_queued_ns"] > 0
    assert room.pool.statistics_by_kind()["alone"][:2] == (2, 1)
    counted.may_go.set()
    room.run()
    queued, active, wait, ran = room.pool.statistics_by_kind()["alone"]
    assert (queued, active, wait.count, ran.count) == (0, 0, 3, 3)
    assert room.pool.statistics()["saturations"] == 0  # no thread of the pool was missing


def test_they_count_in_the_queue(make_room: MakeRoom, counted: Counted) -> None:
    room = make_room(1, 1)
    ask(room, counted, 0)
    eventually(counted.is_entered, "the first has begun")
    ask(room, counted, 1)
    with pytest.raises(PoolSaturated):
        ask(room, counted, 2)
    run(room.pool, "other", abs, (-2,), lambda _error, result: room.log.append(result))  # its queue is another
    room.run_until(lambda: room.log == [2], "it overtakes")
    counted.may_go.set()
    assert room.run() == [2, 0, 1]


def test_one_that_waits_is_cancelled(make_room: MakeRoom, counted: Counted) -> None:
    rooms = [make_room(), make_room()]
    ask(rooms[0], counted, "first")
    eventually(counted.is_entered, "the first has begun")
    never = ask(rooms[1], counted, "never")
    ask(rooms[0], counted, "second")
    never.cancel()
    assert rooms[1].run() == []  # and nothing holds that program any more
    counted.may_go.set()
    assert rooms[0].run() == ["first", "second"]
    assert counted.order == ["first", "second"]


@pytest.mark.parametrize("act", ["cancel", "close"])
def test_one_under_way_keeps_others_out_although_nobody_waits_for_it(make_room: MakeRoom, counted: Counted, act: str) -> None:
    rooms = [make_room(), make_room()]
    call = ask(rooms[0], counted, "left")
    eventually(counted.is_entered, "it has begun")
    ask(rooms[0], counted, "behind")
    ask(rooms[1], counted, "other")
    if act == "close":
        rooms[0].close()
    else:
        call.cancel()
    counted.may_go.set()
    assert rooms[1].run() == ["other"]
    assert rooms[0].log == [] if act == "close" else rooms[0].run() == ["behind"]
    assert counted.order == (["left", "other"] if act == "close" else ["left", "other", "behind"])
    assert counted.most == 1


def test_a_forked_child_goes_on_where_none_was_under_way(make_room: MakeRoom, counted: Counted) -> None:
    counted.may_go.set()
    room = make_room()
    ask(room, counted, "before")
    assert room.run() == ["before"]
    eventually(lambda: not alone_threads(), "none is under way")

    def act() -> bool:
        ask(room, counted, "in the child")
        return room.run() == ["before", "in the child"]

    assert in_child(act) == 0
    ask(room, counted, "after")
    assert room.run() == ["before", "after"]


def test_a_child_forked_off_amid_one_is_told(make_room: MakeRoom, counted: Counted) -> None:
    """What the job had taken, in a library, is taken there for ever: its children know, too."""
    room = make_room()
    ask(room, counted, "parent")
    eventually(counted.is_entered, "it has begun")

    def refused() -> bool:
        with pytest.raises(HeldInParent):
            ask(room, counted, "child")
        run(room.pool, "other", abs, (-7,), lambda _error, result: room.log.append(result))
        return room.run() == [7]

    def act() -> bool:
        return refused() and in_child(lambda: room.log.clear() or refused()) == 0  # type: ignore[func-returns-value]

    assert in_child(act) == 0
    counted.may_go.set()
    assert room.run() == ["parent"]
    ask(room, counted, "next")
    assert room.run() == ["parent", "next"]

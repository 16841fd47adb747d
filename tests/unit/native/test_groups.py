"""Groups of jobs, each of which has so many threads at most: what computes as many as there are CPUs, names half of them. The
others overtake them, nothing is lost, and no thread is started in vain."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.native.support import DEADLINE_S, Door, Room, eventually, in_child
from treadle._native.name_jobs import look_up
from treadle._native.pool import Pool, PoolSaturated
from treadle._native.python_jobs import PythonCall, run

MakeRoom = Callable[..., Room]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


class Held:
    """Calls that compute until they are let go; the most that were inside at once."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.may_go = threading.Event()

    def ask(self, name: object) -> PythonCall:
        return run(self.room.pool, "computing", self, (name,), lambda _error, result: self.room.log.append(result))

    def __call__(self, name: object) -> object:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.may_go.wait(DEADLINE_S)
        with self.lock:
            self.inside -= 1
        return name


def test_files_overtake_what_computes(make_room: MakeRoom, file: Path) -> None:
    room = make_room(4, computing_max=2)
    held = Held(room)
    for number in range(6):
        held.ask(number)
    eventually(lambda: held.inside == 2, "two compute")
    for _ in range(10):
        room.read(file)
    room.run_until(lambda: len(room.log) == 10, "the files are read meanwhile")
    assert room.log == [b"content"] * 10
    now = room.pool.statistics()
    assert (now["active"], now["queued"], now["oldest_queued_kind"]) == (2, 4, "computing")
    held.may_go.set()
    assert sorted(room.run()[10:], key=str) == [0, 1, 2, 3, 4, 5]
    assert held.most == 2


def test_no_thread_is_started_for_who_may_not_have_it(make_room: MakeRoom) -> None:
    room = make_room(8, computing_max=3)
    held = Held(room)
    for number in range(20):
        held.ask(number)
    eventually(lambda: held.inside == 3, "three compute")
    assert room.pool.statistics()["threads"] == 3
    held.may_go.set()
    assert len(room.run()) == 20
    assert (held.most, room.pool.statistics()["threads"]) == (3, 3)


def test_one_that_waits_for_its_group_is_looked_after(make_room: MakeRoom, file: Path) -> None:
    """Also where the pool has idle threads."""
    room = make_room(4, computing_max=1)
    held = Held(room)
    for _ in range(4):
        room.read(file)
    room.run()
    room.pool.wait_hook = lambda: room.log.append("waits")
    held.ask("first")
    eventually(lambda: held.inside == 1, "one computes")
    assert "waits" not in room.log
    held.ask("second")
    assert room.log.count("waits") == 1
    room.pool.wait_hook = None
    held.may_go.set()
    assert room.run()[-2:] == ["first", "second"]


def test_one_that_is_cancelled_makes_room_for_the_next(make_room: MakeRoom) -> None:
    room = make_room(2, computing_max=1)
    held = Held(room)
    held.ask("first")
    eventually(lambda: held.inside == 1, "it computes")
    second, _ = held.ask("second"), held.ask("third")
    assert room.pool.cancel(second)
    held.may_go.set()
    assert room.run() == ["first", "third"]


def test_each_group_has_a_queue_of_its_own(make_room: MakeRoom, file: Path) -> None:
    """What computes may wait in thousands, and turns no file away."""
    room = make_room(2, queue_max=3, computing_max=1)
    held = Held(room)
    for number in range(4):
        held.ask(number)
        eventually(lambda: held.inside == 1, "one computes")
    with pytest.raises(PoolSaturated):
        held.ask("one too many")
    room.read(file)
    room.run_until(lambda: room.log == [b"content"], "it is read")
    held.may_go.set()
    assert room.run() == [b"content", 0, 1, 2, 3]


def test_one_that_goes_on_and_waits_is_looked_after(make_room: MakeRoom, tmp_path: Path) -> None:
    """It is back in the queue with what it had asked for, and others have the threads."""
    room = make_room(1)
    room.pool.saturation_hook = lambda: room.log.append("told")
    room.pool.wait_hook = lambda: room.log.append("waits")
    long, door = tmp_path / "long", Door(tmp_path / "door")
    long.write_bytes(bytes(1 << 20))
    room.read(long, lambda _error, data: room.log.append(len(data or b"")))
    room.read(door.path)
    room.run_until(
        lambda: room.pool.statistics()["waits"] == 2 and room.pool.statistics()["queued"] == 1, "it has asked, and waits"
    )
    told = room.log.count("waits")
    assert told >= 1
    room.pool.look_for_saturation()
    assert room.log.count("waits") == told + 1 or "told" in room.log  # the latter, where it has waited for 100 ms by now
    room.pool.wait_hook = None
    door.open()
    room.run()
    assert 1 << 20 in room.log


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_the_same_bound(make_room: MakeRoom) -> None:
    room = make_room(4, computing_max=2)
    run(room.pool, "computing", int, (), lambda *_: None)
    room.run()

    def child() -> bool:
        held = Held(room)
        for number in range(4):
            held.ask(number)
        eventually(lambda: held.inside == 2, "two compute")
        assert room.pool.statistics()["threads"] == 2
        held.may_go.set()
        return len(room.run()) == 4 and held.most == 2

    assert in_child(child) == 0


def test_the_bound_is_at_least_one(room: Room) -> None:
    with pytest.raises(ValueError, match="computing_max must be at least 1, not 0"):
        Pool(room.loop, 1, computing_max=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_no_wake_up_is_lost_between_groups(make_room: MakeRoom, file: Path, seed: int) -> None:
    """Chains of jobs of every group, some of which are cancelled: threads fall asleep at any moment, and all chains end."""
    chance = random.Random(seed)
    size = chance.randint(1, 5)
    room = make_room(size, computing_max=chance.randint(1, size))
    lock, inside, most = threading.Lock(), [0], [0]
    left = [3_000]

    def compute() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        sum(range(chance.randint(0, 2_000)))
        with lock:
            inside[0] -= 1

    def go_on(*_outcome: object) -> None:
        if not left[0]:
            room.log.append("one chain ended")
            return
        left[0] -= 1
        kind = chance.choice(["file", "computing", "name", "cancelled"])
        if kind == "file":
            room.read(file, go_on)
        elif kind == "name":
            look_up(room.pool, b"localhost", 4, 0, go_on)
        else:
            request = run(room.pool, "computing", compute, (), go_on)
            if kind == "cancelled":
                request.cancel()
                go_on()

    for _ in range(12):
        go_on()
    assert room.run() == ["one chain ended"] * 12
    assert 1 <= most[0] <= room.pool.computing_max
    eventually(room.is_idle, "also what was cancelled is through")

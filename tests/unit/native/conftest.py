"""Rooms and doors for the tests of native units. Invariant: after a test its rooms are closed, and no thread and no
descriptor is left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.native.support import Door, Room, eventually, open_fds, pool_threads
from tests.unit.native.yard import Yard


@pytest.fixture
def make_room() -> Iterator[Callable[..., Room]]:
    """Room(size, queue_max, computing_max). Leaks of threads and descriptors fail the test."""
    fds = open_fds()
    rooms: list[Room] = []

    def make(size: int = 4, queue_max: int = 65_536, computing_max: int = 1024) -> Room:
        rooms.append(Room(size, queue_max, computing_max))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()
    eventually(lambda: not pool_threads(), "the threads of closed pools end")
    assert open_fds() == fds


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    return make_room()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    door = Door(tmp_path / "door")
    yield door
    door.let_all_through()


@pytest.fixture
def make_yard() -> Iterator[Callable[..., Yard]]:
    """Yard(pool_size, queue_max). Leaks of threads and descriptors fail the test."""
    fds = open_fds()
    yards: list[Yard] = []

    def make(pool_size: int = 2, queue_max: int = 65_536) -> Yard:
        yards.append(Yard(pool_size, queue_max))
        return yards[-1]

    yield make
    for yard in yards:
        yard.close()
    eventually(lambda: not pool_threads(), "the threads of closed pools end")
    assert open_fds() == fds


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    return make_yard()

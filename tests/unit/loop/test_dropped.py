"""A loop that its user drops without closing it: freed by the garbage collector, closed, with asyncio's warning.

Not here: what close() lets go of (test_close.py)."""

import asyncio
import gc
import logging
import socket
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import LOOPS, open_fds
from tests.unit.native.support import Door, eventually, pool_threads
from treadle import fs
from treadle._native.loop import LoopCore

Loop = asyncio.AbstractEventLoop
Drop = Callable[[Any], object]


async def sleeper() -> None:
    await asyncio.sleep(3600)


def run(loop: Loop) -> None:
    loop.run_until_complete(asyncio.sleep(0))


def sleeping_task(loop: Loop) -> None:
    loop.create_task(sleeper())
    run(loop)


class Pings:
    """Keeps the timer that is to call it."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.handle = loop.call_later(3600, self.ping)

    def ping(self) -> None: ...


def reader(loop: Loop) -> None:
    left, right = socket.socketpair()
    loop.add_reader(left, lambda: (left, right, loop))


def connection(loop: Loop) -> None:
    async def main() -> object:
        left, right = socket.socketpair()
        return await loop.create_connection(asyncio.Protocol, sock=left), right

    loop.kept = loop.run_until_complete(main())  # type: ignore[attr-defined]


def server(loop: Loop) -> None:
    loop.kept = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))  # type: ignore[attr-defined]


def in_debug_mode(loop: Loop) -> None:
    loop.set_debug(True)
    loop.call_soon(loop.stop)
    loop.call_later(3600, loop.stop)


OF_ASYNCIO: dict[str, Drop] = {
    "nothing": lambda loop: None,
    "a run": run,
    "call_soon": lambda loop: loop.call_soon(loop.stop),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(loop.stop),
    "call_later": lambda loop: loop.call_later(3600, loop.stop),
    "call_later, kept": Pings,
    "a task": lambda loop: loop.create_task(sleeper()),
    "a sleeping task": sleeping_task,
    "add_reader": reader,
    "a connection": connection,
    "a server": server,
    "a signal": lambda loop: loop.add_signal_handler(12, loop.stop),
    "debug mode": in_debug_mode,
}
OF_NODE: dict[str, Drop] = {
    "next_tick": lambda loop: loop.next_tick(loop.stop),
    "queue_microtask": lambda loop: loop.queue_microtask(loop.stop),
    "set_immediate": lambda loop: loop.set_immediate(loop.stop),
    "set_immediate, kept": lambda loop: setattr(loop, "kept", loop.set_immediate(loop.stop)),
    "set_timeout": lambda loop: loop.set_timeout(loop.stop, 3_600_000),
    "set_interval": lambda loop: setattr(loop, "kept", loop.set_interval(loop.stop, 3_600_000)),
}


def dropped(make: Callable[[], Any], use: Drop) -> tuple[bool, list[str]]:
    """Whether it is gone, and what its end was warned of."""
    before = open_fds()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = make()
        use(loop)
        is_alive = weakref.ref(loop)
        del loop
        gc.collect()
        gc.collect()  # what finalizers have let go of
    messages = [str(warning.message) for warning in caught if warning.category is ResourceWarning]
    return is_alive() is None and open_fds() == before, [text for text in messages if "unclosed event loop" in text]


@pytest.mark.parametrize("use", OF_ASYNCIO.values(), ids=OF_ASYNCIO)
@pytest.mark.parametrize("make", LOOPS.values(), ids=LOOPS)
def test_it_is_freed_and_closed_with_a_warning(make: Callable[[], Loop], use: Drop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")  # tasks that are destroyed while they wait are logged
    is_gone, warned = dropped(make, use)
    assert is_gone
    assert len(warned) == 1


@pytest.mark.parametrize("use", OF_NODE.values(), ids=OF_NODE)
def test_so_is_one_with_callbacks_of_nodes_kind(use: Drop) -> None:
    is_gone, warned = dropped(treadle.new_event_loop, use)
    assert is_gone
    assert len(warned) == 1


@pytest.mark.parametrize("use", OF_NODE.values(), ids=OF_NODE)
def test_a_bare_core_is_freed_without_one(use: Drop) -> None:
    class Core(LoopCore):
        """With room for what is kept, and weak references."""

    assert dropped(Core, use) == (True, [])


def read_by_callback(loop: treadle.EventLoop, path: Path) -> None:
    fs.read_file(path, lambda *_: loop)


def read_by_future(loop: treadle.EventLoop, path: Path) -> None:
    loop.kept = fs.read_file(path)  # type: ignore[attr-defined]


@pytest.mark.parametrize("read", [read_by_callback, read_by_future])
@pytest.mark.parametrize("is_over", [True, False], ids=["over", "under way"])
def test_so_is_one_that_reads(
    read: Callable[[treadle.EventLoop, Path], None], is_over: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")
    door = Door(tmp_path / "door")

    async def begin(loop: treadle.EventLoop) -> None:
        read(loop, door.path)

    def use(loop: treadle.EventLoop) -> None:
        loop.run_until_complete(begin(loop))
        eventually(lambda: loop.pool.statistics()["active"] == 1, "its thread is at the door")
        if is_over:
            door.open()
            eventually(lambda: loop.pool.statistics()["active"] == 0, "it is through")
        assert loop.statistics()["requests"] == 1

    is_gone, warned = dropped(treadle.new_event_loop, use)
    door.let_all_through()
    eventually(lambda: not pool_threads(), "its threads end")
    assert is_gone
    assert len(warned) == 1


def test_a_handle_that_somebody_keeps_outside_keeps_what_it_calls() -> None:
    """The collector must not take apart what is still to be reached through a handle."""

    class Callee:
        def called(self) -> None: ...

    loop = treadle.new_event_loop()
    callee = Callee()
    callee.itself = callee  # type: ignore[attr-defined]  # garbage, but for the handle
    handle = loop.call_soon(callee.called)
    is_alive = weakref.ref(callee)
    del callee
    gc.collect()
    assert is_alive() is not None
    loop.close()
    assert handle.cancelled()
    gc.collect()
    assert is_alive() is None


def test_a_loop_whose_making_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    monkeypatch.setattr("treadle.loop.event_loop.Children", interrupt)
    before = open_fds()
    with pytest.raises(KeyboardInterrupt):
        treadle.EventLoop()
    gc.collect()
    assert unraisable == []
    assert open_fds() == before

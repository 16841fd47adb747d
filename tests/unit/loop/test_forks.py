"""A forked child that runs the EventLoop it inherited: its signals are its own, and its parent's children are none of its.
Not here: the poller (tests/unit/native)."""

import asyncio
import os
import signal
import subprocess
from asyncio import unix_events
from collections.abc import Callable, Iterator

import pytest

from tests.unit.loop.support import DEADLINE_S, Pipe, Trace, contexts_of, in_io, run, run_for_ever
from tests.unit.native.support import in_child
from treadle import process
from treadle.loop import event_loop
from treadle.loop.event_loop import EventLoop

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
TURNS = 5  # in which whatever is there is heard


def test_a_signal_of_the_child_does_not_reach_the_parent() -> None:
    loop = EventLoop()
    log: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, log.append, "signal")

    async def kill_and_wait(pid: int) -> None:
        os.kill(pid, signal.SIGUSR1)
        while not log:
            await asyncio.sleep(0)

    def child() -> bool:
        loop.run_until_complete(kill_and_wait(os.getpid()))
        return log == ["signal"]

    loop.run_until_complete(asyncio.sleep(0))
    assert in_child(child) == 0
    loop.run_until_complete(asyncio.sleep(0.01))
    assert log == []
    loop.run_until_complete(kill_and_wait(os.getpid()))
    assert log == ["signal"]
    loop.close()


# -- signals, where it is forked amid the run of its loop

Hear = Callable[[EventLoop, Callable[[], object]], None]


def hear_by_handler(loop: EventLoop, callback: Callable[[], object]) -> None:
    loop.add_signal_handler(signal.SIGUSR1, callback)


def hear_by_listener(_: EventLoop, callback: Callable[[], object]) -> None:
    process.on("SIGUSR1", lambda *_: callback())


@pytest.fixture(params=[hear_by_handler, hear_by_listener], ids=["handler", "listener"])
def hear(request: pytest.FixtureRequest) -> Iterator[Hear]:
    how: Hear = request.param
    yield how
    process.remove_all_listeners("SIGUSR1")


def some_turns(loop: EventLoop, left: int = TURNS) -> None:
    if left:
        loop.set_immediate(some_turns, loop, left - 1)
    else:
        loop.stop()


class Fork:
    """Inside a run; both processes go on with it."""

    def __init__(self) -> None:
        self.is_child = False
        self._pid = 0

    def begin(self) -> bool:
        """True in the child."""
        self._pid = os.fork()
        self.is_child = self._pid == 0
        if self.is_child:
            signal.alarm(int(DEADLINE_S))
        return self.is_child

    def child_ends(self) -> None:
        """In the parent."""
        assert os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]) == 0

    def end(self, is_well: Callable[[], bool]) -> None:
        """Behind the run: of the child it is the end."""
        if self.is_child:
            os._exit(0 if is_well() else 1)


@pytest.mark.parametrize("is_found_before", [False, True], ids=["sent behind the fork", "found ready before it"])
def test_a_child_that_goes_on_takes_none_of_its_parent(loop: EventLoop, pipe: Pipe, hear: Hear, is_found_before: bool) -> None:
    log: Trace = []
    contexts = contexts_of(loop)
    fork = Fork()
    sent = Pipe()
    os.set_blocking(sent.reader, True)

    def send() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)

    def divide() -> None:
        if fork.begin():
            os.read(sent.reader, 1)
        else:
            if not is_found_before:
                send()
            sent.fill()
            fork.child_ends()
        some_turns(loop)

    def begin() -> None:
        in_io(loop, pipe, divide)
        if is_found_before:
            send()  # behind what fills the pipe, and found by the same poll

    hear(loop, lambda: log.append("heard"))
    loop.set_immediate(begin)
    try:
        run_for_ever(loop)
    finally:
        fork.end(lambda: log == contexts == [])
    sent.close()
    assert (log, contexts) == (["heard"], [])


def test_a_child_that_goes_on_hears_its_own(loop: EventLoop, hear: Hear) -> None:
    log: Trace = []
    fork = Fork()

    def heard() -> None:
        log.append(asyncio.get_running_loop())
        loop.stop()

    def divide() -> None:
        if fork.begin():
            loop.set_immediate(loop.set_timeout, os.kill, 1, os.getpid(), signal.SIGUSR1)
        else:
            fork.child_ends()
            some_turns(loop)

    hear(loop, heard)
    loop.call_soon(divide)
    try:
        run_for_ever(loop)
    finally:
        fork.end(lambda: log == [loop])
    assert log == []


# -- its parent's children


@pytest.fixture(params=[True, False], ids=["by a descriptor", "by asyncio"])
def is_watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(event_loop, "can_watch", lambda: False)
        monkeypatch.setattr(unix_events, "can_use_pidfd", lambda: False, raising=False)  # asyncio's own, from 3.12 on
        monkeypatch.setattr(asyncio.get_event_loop_policy(), "_watcher", None, raising=False)  # so that it makes one on threads


@pytest.mark.usefixtures("is_watched")
@pytest.mark.parametrize("goes_on", [False, True], ids=["closes its loop", "goes on with it"])
def test_they_are_none_of_a_childs(loop: EventLoop, monkeypatch: pytest.MonkeyPatch, goes_on: bool) -> None:
    async def start() -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)

    program = loop.run_until_complete(start())
    kill = subprocess.Popen.kill

    def child() -> bool:
        killed: Trace = []
        monkeypatch.setattr(subprocess.Popen, "kill", lambda self: killed.append(self) or kill(self))
        if goes_on:
            run(loop)
            assert not loop.is_alive()
        loop.close()
        return killed == []

    assert in_child(child) == 0
    assert loop.run_until_complete(program.communicate(b"whole")) == (b"whole", None)
    assert program.returncode == 0

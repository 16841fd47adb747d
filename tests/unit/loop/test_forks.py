"""A forked child that runs the EventLoop it inherited: its signals and its executor are its own, and its parent's children and
calls are none of its. Not here: the poller (tests/unit/native)."""

import asyncio
import concurrent.futures
import os
import signal
import subprocess
import threading
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


class Told(asyncio.SubprocessProtocol):
    def __init__(self) -> None:
        self.log: Trace = []

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.log.append((fd, data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.log.append((fd, exc))

    def process_exited(self) -> None:
        self.log.append("exited")

    def connection_lost(self, exc: Exception | None) -> None:
        self.log.append("lost")


@pytest.mark.usefixtures("is_watched")
def test_a_signal_to_one_does_not_reach_it(loop: EventLoop) -> None:
    program = loop.run_until_complete(asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    fork = Fork()
    refused: Trace = []

    async def main() -> tuple[bytes, None] | None:
        if not fork.begin():
            fork.child_ends()
            return await program.communicate(b"whole")
        await turn(loop)
        for send in (program.kill, program.terminate, lambda: program.send_signal(signal.SIGINT)):
            try:
                send()
            except ProcessLookupError:
                refused.append(send)
        return None

    try:
        told = loop.run_until_complete(main())
    finally:
        fork.end(lambda: len(refused) == 3)
    assert (told, program.returncode) == ((b"whole", None), 0)


@pytest.mark.usefixtures("is_watched")
def test_who_waits_for_one_goes_on(loop: EventLoop) -> None:
    program = loop.run_until_complete(asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    contexts = contexts_of(loop)
    fork = Fork()
    heard: Trace = []

    async def main() -> None:
        assert program.stdin is not None
        assert program.stdout is not None
        waits = [loop.create_task(wait) for wait in (program.wait(), program.stdout.read(), program.stdin.wait_closed())]
        await turn(loop)
        if fork.begin():
            heard.extend(await asyncio.gather(*waits))
            heard.append((await program.wait(), await program.stdout.read(), program.returncode))
            program.stdin.write(b"of the child")
            heard.extend(await asyncio.gather(program.stdin.drain(), return_exceptions=True))
        else:
            fork.child_ends()
            program.stdin.write(b"whole")
            program.stdin.close()
            heard.extend(await asyncio.gather(*waits))

    try:
        loop.run_until_complete(main())
    finally:
        fork.end(
            lambda: heard[:-1] == [255, b"", None, (255, b"", 255)] and isinstance(heard[-1], ConnectionError) and contexts == []
        )
    assert (heard, contexts) == ([0, b"whole", None], [])


@pytest.mark.usefixtures("is_watched")
def test_its_protocol_is_told_once(loop: EventLoop) -> None:
    """Also where the parent was closing a pipe of it, with something to send left."""
    transport, told = loop.run_until_complete(loop.subprocess_exec(Told, "cat", stderr=None))
    contexts = contexts_of(loop)
    stdin = transport.get_pipe_transport(0)
    assert isinstance(stdin, asyncio.WriteTransport)
    data = b"x" * 1_000_000  # more than both pipes take
    fork = Fork()

    async def main() -> None:
        stdin.write(data)
        stdin.close()
        if not fork.begin():
            fork.child_ends()
        while "lost" not in told.log:
            await turn(loop)
        if fork.is_child:  # what the thread of asyncio's watcher may have handed over before the fork
            loop._child_watcher_callback(transport.get_pid(), 0, transport)
            await turn(loop)

    try:
        loop.run_until_complete(main())
    finally:
        fork.end(lambda: sorted(told.log, key=str) == [(0, None), (1, None), "exited", "lost"] and contexts == [])
    assert b"".join(entry[1] for entry in told.log if isinstance(entry, tuple) and entry[1] is not None) == data
    assert transport.get_returncode() == 0
    transport.close()


def turn(loop: EventLoop) -> asyncio.Future[None]:
    """Done in the next check phase."""
    done = loop.create_future()
    loop.set_immediate(done.set_result, None)
    return done


# -- its parent's executor


@pytest.mark.parametrize("is_own", [False, True], ids=["default", "own"])
def test_a_call_of_the_parent_does_not_hold_a_child(loop: EventLoop, is_own: bool) -> None:
    gate = threading.Event()
    fork = Fork()
    held: Trace = []
    executor = concurrent.futures.ThreadPoolExecutor(1) if is_own else None
    call = loop.run_in_executor(executor, gate.wait, DEADLINE_S)

    def divide() -> None:
        if fork.begin():
            loop.set_immediate(loop.set_immediate, lambda: held.append(loop.request_refs))
        else:
            fork.child_ends()
            gate.set()

    loop.set_immediate(divide)
    try:
        run(loop)
        if fork.is_child:  # its outcome, which a thread may have handed over before the fork, counts no second time
            call.set_result(True)
            loop.run_until_complete(turn(loop))
            held.append(loop.request_refs)
    finally:
        fork.end(lambda: held == [0, 0] and not loop.is_alive())
    assert call.result() is True
    assert loop.request_refs == 0
    if executor is not None:
        executor.shutdown()
    loop.run_until_complete(loop.shutdown_default_executor())


@pytest.mark.parametrize("when", ["at once", "in the next turn"])
@pytest.mark.parametrize("is_set", [False, True], ids=["the loop's", "set"])
def test_a_child_has_an_executor_of_its_own(loop: EventLoop, is_set: bool, when: str) -> None:
    if is_set:
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
    loop.run_until_complete(loop.run_in_executor(None, os.getpid))  # its thread is idle from now on
    fork = Fork()
    called: Trace = []

    async def main() -> None:
        if not fork.begin():
            fork.child_ends()
        elif when == "in the next turn":
            await turn(loop)
        called.append(await loop.run_in_executor(None, os.getpid))

    try:
        loop.run_until_complete(main())
    finally:
        fork.end(lambda: called == [os.getpid()] and loop.request_refs == 0)
    assert called == [os.getpid()]
    loop.run_until_complete(loop.shutdown_default_executor())


def test_the_executor_that_a_child_sets_stays(loop: EventLoop) -> None:
    loop.run_until_complete(loop.run_in_executor(None, os.getpid))

    def child() -> bool:
        executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="of the child")
        loop.set_default_executor(executor)
        name = loop.run_until_complete(asyncio.to_thread(lambda: threading.current_thread().name))
        return name.startswith("of the child")

    assert in_child(child) == 0
    loop.run_until_complete(loop.shutdown_default_executor())

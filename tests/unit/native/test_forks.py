"""Forked children and the loop that they inherit: what a child does with it never reaches the parent. Not here: the pool's
own part (test_pool.py)."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.unit.native.support import Trace, in_child, open_fds
from treadle._native.loop import LoopCore

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def loop() -> Iterator[LoopCore]:
    before = open_fds()
    loop = LoopCore()
    yield loop
    loop.close_core()
    assert open_fds() == before


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    pairs = [socket.socketpair() for _ in range(2)]
    yield pairs
    for pair in pairs:
        for end in pair:
            end.close()


def read_once(loop: LoopCore, reader: socket.socket, log: Trace) -> None:
    def on_readable() -> None:
        log.append(reader.recv(100))
        loop._remove_reader(reader.fileno())

    loop._add_reader(reader.fileno(), on_readable)


@pytest.mark.parametrize("act", ["unwatch", "change", "close", "run", "watch another", "closed behind its back"])
def test_the_parent_still_hears_what_it_watches(loop: LoopCore, pairs: list[Pair], act: str) -> None:
    log: Trace = []
    (reader, writer), (other, _) = pairs
    read_once(loop, reader, log)

    def child() -> bool:
        fd = reader.fileno()
        if act == "unwatch":
            assert loop._remove_reader(fd)
            return not loop.is_alive()
        if act == "change":
            loop._add_writer(fd, print)
        elif act == "close":
            loop.close_core()
        elif act == "run":
            loop.set_timeout(loop.stop, 1)
            loop.run_turns(False)
        elif act == "watch another":
            loop._add_reader(other.fileno(), print)
        else:
            reader.close()
            loop.set_timeout(loop.stop, 1)
            loop.run_turns(False)
            assert not loop.is_alive()  # it is not watched any more
        return log == []

    assert in_child(child) == 0
    writer.send(b"for the parent")
    loop.run_turns(True)
    assert log == [b"for the parent"]


def test_a_child_hears_what_was_watched(loop: LoopCore, pairs: list[Pair]) -> None:
    log: Trace = []
    for reader, writer in pairs:
        read_once(loop, reader, log)
        writer.send(b"for the child")

    def child() -> bool:
        loop.run_turns(True)
        return log == [b"for the child"] * 2

    assert in_child(child) == 0
    assert loop.poller.refs == 2
    for _, writer in pairs:
        writer.send(b"for the parent")
    loop.run_turns(True)
    assert log == [b"for the parent"] * 2


def test_a_grandchild_has_its_own_too(loop: LoopCore, pairs: list[Pair]) -> None:
    log: Trace = []
    for reader, _ in pairs:
        read_once(loop, reader, log)

    def grandchild() -> bool:
        pairs[0][1].send(b"for the grandchild")
        pairs[1][1].send(b"for the grandchild")
        loop.run_turns(True)
        return log == [b"for the grandchild"] * 2

    def child() -> bool:
        loop.set_timeout(loop.stop, 1)
        loop.run_turns(False)
        assert in_child(grandchild) == 0
        pairs[0][1].send(b"for the child")
        pairs[1][1].send(b"for the child")
        loop.run_turns(True)
        return log == [b"for the child"] * 2

    assert in_child(child) == 0
    assert (loop.poller.refs, log) == (2, [])


def test_a_fork_in_a_callback_and_both_go_on(loop: LoopCore, pairs: list[Pair]) -> None:
    """Both descriptors are ready in one wait. The child hears of the other one once more, by its own poll."""
    log: Trace = []
    children: list[int] = []

    def on_readable(pair: Pair) -> None:
        log.append(pair[0].recv(100))
        loop._remove_reader(pair[0].fileno())
        if not children:
            children.append(os.fork())
            if children[0]:
                assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
                pairs[0][1].send(b"to parent")
                pairs[1][1].send(b"to parent")

    for pair in pairs:
        loop._add_reader(pair[0].fileno(), on_readable, pair)
        pair[1].send(b"to both")
    try:
        loop.run_turns(True)
    finally:
        if children == [0]:
            os._exit(0 if log == [b"to both"] * 2 and not loop.is_alive() else 1)
    assert log == [b"to both", b"to parent"]


def test_a_wake_up_is_of_one_process(loop: LoopCore) -> None:
    def wake_from_a_thread(log: Trace) -> None:
        def end() -> None:
            log.append("woken")
            loop.stop()

        def wait_and_wake() -> None:
            started.wait()
            loop.call_soon_threadsafe(end)

        started = threading.Event()
        thread = threading.Thread(target=wait_and_wake)
        thread.start()
        loop.set_immediate(started.set)
        loop.set_timeout(print, 60_000).unref()  # it polls, for long
        loop.run_turns(False)
        thread.join()

    def child() -> bool:
        log: Trace = []
        for _ in range(20):
            wake_from_a_thread(log)
        return log == ["woken"] * 20

    assert in_child(child) == 0
    loop.set_immediate(loop.stop)
    loop.run_turns(False)
    assert loop.statistics()["events"] == 0  # nothing woke the parent
    log: Trace = []
    wake_from_a_thread(log)
    assert log == ["woken"]


def test_a_child_that_only_lets_go_of_it(loop: LoopCore, pairs: list[Pair]) -> None:
    log: Trace = []
    read_once(loop, pairs[0][0], log)

    def child() -> bool:
        before = len(open_fds())
        loop.close_core()
        return len(open_fds()) == before - 2  # its own descriptors of the epoll instance and of the waker

    assert in_child(child) == 0
    pairs[0][1].send(b"x")
    loop.run_turns(True)
    assert log == [b"x"]


def test_what_fails_in_a_child_is_done_in_its_next_run() -> None:
    class Failing(LoopCore):
        tries = 0

        def forked(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise OSError

    loop = Failing()

    def one_turn() -> None:
        loop.set_immediate(loop.stop)
        loop.run_turns(False)

    def child() -> bool:
        with pytest.raises(OSError):
            one_turn()
        one_turn()
        one_turn()
        return loop.tries == 2

    one_turn()
    assert in_child(child) == 0
    loop.close_core()

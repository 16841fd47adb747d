"""The poller as the loop shows it: what is ready, for whom, what holds the program. Not here: the order of phases."""

import os
import resource
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.unit.native.support import Trace, open_fds
from treadle._native.loop import LoopCore


@pytest.fixture
def loop() -> Iterator[LoopCore]:
    before = open_fds()
    loop = LoopCore()
    yield loop
    loop.close_core()
    assert open_fds() == before


Pair = tuple[socket.socket, socket.socket]


def once(loop: LoopCore, log: Trace, fd: int, entry: object) -> None:
    """A reader that takes itself away."""

    def on_readable() -> None:
        log.append(entry)
        loop._remove_reader(fd)

    loop._add_reader(fd, on_readable)


def test_a_watch_is_level_triggered(loop: LoopCore, pair: Pair) -> None:
    log: Trace = []

    def on_readable() -> None:
        log.append(pair[0].recv(1))
        if len(log) == 3:
            loop._remove_reader(pair[0].fileno())

    loop._add_reader(pair[0].fileno(), on_readable)
    pair[1].send(b"abcd")
    loop.run_turns(True)
    assert log == [b"a", b"b", b"c"]


def test_reader_and_writer_of_one_descriptor(loop: LoopCore, pair: Pair) -> None:
    log: Trace = []
    fd = pair[0].fileno()

    def on_writable() -> None:
        log.append("writable")
        loop._remove_writer(fd)

    once(loop, log, fd, "readable")
    loop._add_writer(fd, on_writable)
    pair[1].send(b"x")
    loop.run_turns(True)
    assert log == ["readable", "writable"]
    assert not loop._remove_reader(fd)
    assert not loop._remove_writer(fd)
    assert loop.watcher(fd) is None


def test_a_watch_holds_the_program_unless_it_is_told_not_to(loop: LoopCore, pair: Pair) -> None:
    fd = pair[0].fileno()
    assert not loop.is_alive()
    loop._add_reader(fd, print)
    assert (loop.is_alive(), loop.poller.refs) == (True, 1)
    loop.set_fd_ref(fd, False)
    assert (loop.is_alive(), loop.poller.refs) == (False, 0)
    loop.run_turns(True)
    loop.set_fd_ref(fd, True)
    assert loop.poller.refs == 1
    watcher = loop.watcher(fd)
    assert watcher is not None
    assert watcher.fileno() == fd
    assert loop._remove_reader(fd)
    assert loop.poller.refs == 0


def test_the_end_of_the_peer_is_readable(loop: LoopCore, pair: Pair) -> None:
    log: Trace = []
    once(loop, log, pair[0].fileno(), "end")
    pair[1].close()
    loop.run_turns(True)
    assert log == ["end"]


def test_a_failed_pipe_is_writable(loop: LoopCore) -> None:
    log: Trace = []
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, b"x" * 65_536)

    def on_writable() -> None:
        log.append("writable")
        loop._remove_writer(writer)

    loop._add_writer(writer, on_writable)
    os.close(reader)
    loop.run_turns(True)
    os.close(writer)
    assert log == ["writable"]


def test_an_event_never_reaches_the_next_holder_of_a_descriptor(loop: LoopCore) -> None:
    """Both pipes are ready in one wait; the first callback closes the other's descriptor, and a new pipe takes it."""
    log: Trace = []
    pipes = [os.pipe(), os.pipe()]
    later: list[tuple[int, int]] = []

    def on_readable(mine: int, other: int) -> None:
        log.append("old")
        loop._remove_reader(pipes[mine][0])
        loop._remove_reader(pipes[other][0])
        os.close(pipes[other][0])
        later.append(os.pipe())
        assert later[0][0] == pipes[other][0]
        once(loop, log, later[0][0], "new")
        loop.set_immediate(os.write, later[0][1], b"x")
        loop.set_immediate(log.append, "written")

    loop._add_reader(pipes[0][0], on_readable, 0, 1)
    loop._add_reader(pipes[1][0], on_readable, 1, 0)
    for _, writer in pipes:
        os.write(writer, b"x")
    loop.run_turns(True)
    assert log == ["old", "written", "new"]
    for fd in {fd for pipe in [*pipes, *later] for fd in pipe}:
        os.close(fd)


def test_a_descriptor_that_was_closed_behind_its_watch(loop: LoopCore, pair: Pair) -> None:
    log: Trace = []
    reader, writer = os.pipe()
    loop._add_reader(reader, log.append, "old")
    os.close(reader)
    again = os.dup(pair[0].fileno())
    assert again == reader
    loop._remove_reader(reader)
    once(loop, log, again, "new")
    pair[1].send(b"x")
    loop.run_turns(True)
    os.close(again)
    os.close(writer)
    assert log == ["new"]
    assert loop.poller.refs == 0


def test_what_cannot_be_watched(loop: LoopCore) -> None:
    with pytest.raises(ValueError, match="negative"):
        loop._add_reader(-1, print)
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop._add_reader(10_000, print)
    with open("/proc/self/status") as file, pytest.raises(PermissionError):  # epoll refuses what is always ready
        loop._add_reader(file.fileno(), print)
    assert loop.poller.refs == 0


def test_more_events_than_one_wait_takes(loop: LoopCore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4_000)), hard))
    log: Trace = []
    pipes = [os.pipe() for _ in range(1_500)]
    try:
        for number, (reader, writer) in enumerate(pipes):
            once(loop, log, reader, number)
            os.write(writer, b"x")
        loop.run_turns(True)
        assert sorted(map(str, log)) == sorted(map(str, range(1_500)))
    finally:
        for pipe in pipes:
            os.close(pipe[0])
            os.close(pipe[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_signal_handler_runs_although_the_poll_blocks(loop: LoopCore, pair: Pair) -> None:
    log: Trace = []

    def on_signal(number: int, _frame: object) -> None:
        log.append(number)
        pair[1].send(b"x")

    before = signal.signal(signal.SIGALRM, on_signal)
    once(loop, log, pair[0].fileno(), "readable")
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    loop.run_turns(True)
    signal.signal(signal.SIGALRM, before)
    assert log == [signal.SIGALRM, "readable"]


def test_closing_lets_go_of_every_watch(loop: LoopCore, pair: Pair) -> None:
    loop._add_reader(pair[0].fileno(), print)
    loop._add_writer(pair[1].fileno(), print)
    loop.close_core()
    loop.close_core()
    assert loop.poller.refs == 0
    assert not loop._remove_reader(pair[0].fileno())
    with pytest.raises(RuntimeError):
        loop._add_reader(pair[0].fileno(), print)

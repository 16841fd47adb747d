"""add_reader, add_writer and their removal: asyncio's contract, asked of asyncio's loop and of treadle's.

Not here: which phase they run in (test_turn.py), the poller itself (tests/unit/native/test_poller.py)."""

import asyncio
import os
import selectors
import socket
from typing import Any

import pytest

from tests.unit.loop.support import DEADLINE_S, Pipe, Trace, boom, contexts_of

Loop = asyncio.AbstractEventLoop
Pair = tuple[socket.socket, socket.socket]


def run_until_stop(loop: Loop) -> None:
    def expired() -> None:
        trace_of_deadline.append("expired")
        loop.stop()

    trace_of_deadline: Trace = []
    deadline = loop.call_later(DEADLINE_S, expired)
    loop.run_forever()
    deadline.cancel()
    assert trace_of_deadline == [], f"nobody stopped the loop within {DEADLINE_S} s"


def turn(loop: Loop, times: int = 3) -> None:
    """Let whatever is ready run."""
    for _ in range(times):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_it_is_called_with_its_arguments_again_and_again(either_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []

    def on_readable(*args: object) -> None:
        trace.append((args, os.read(pipe.reader, 1)))
        if len(trace) == 3:
            either_loop.stop()

    either_loop.add_reader(pipe.reader, on_readable, 1, "two")
    pipe.fill(b"abc")
    run_until_stop(either_loop)
    either_loop.remove_reader(pipe.reader)
    assert trace == [((1, "two"), b"a"), ((1, "two"), b"b"), ((1, "two"), b"c")]


def test_a_writer_is_called_while_there_is_room(either_loop: Loop, pair: Pair) -> None:
    trace: Trace = []

    def on_writable() -> None:
        trace.append("writable")
        if len(trace) == 2:
            either_loop.remove_writer(pair[0].fileno())
            either_loop.stop()

    either_loop.add_writer(pair[0].fileno(), on_writable)
    run_until_stop(either_loop)
    turn(either_loop)
    assert trace == ["writable", "writable"]


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_removal_says_whether_there_was_one(either_loop: Loop, pair: Pair, kind: str) -> None:
    fd = pair[0].fileno()
    add, remove = getattr(either_loop, f"add_{kind}"), getattr(either_loop, f"remove_{kind}")
    assert remove(fd) is False
    add(fd, int)
    assert remove(fd) is True
    assert remove(fd) is False


def test_the_last_one_counts(either_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []

    def second() -> None:
        trace.append("second")
        either_loop.stop()

    either_loop.add_reader(pipe.reader, trace.append, "first")
    either_loop.add_reader(pipe.reader, second)
    pipe.fill()
    run_until_stop(either_loop)
    either_loop.remove_reader(pipe.reader)
    assert trace == ["second"]


def test_one_that_replaces_itself(either_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []

    def first() -> None:
        trace.append("first")
        either_loop.add_reader(pipe.reader, second)

    def second() -> None:
        trace.append("second")
        either_loop.remove_reader(pipe.reader)
        either_loop.stop()

    either_loop.add_reader(pipe.reader, first)
    pipe.fill()
    run_until_stop(either_loop)
    assert trace == ["first", "second"]


def test_one_that_is_removed_by_another_of_the_same_poll(either_loop: Loop) -> None:
    pipes = [Pipe(), Pipe()]
    trace: Trace = []

    def on_readable(mine: int) -> None:
        trace.append("called")
        for pipe in pipes:
            either_loop.remove_reader(pipe.reader)
        either_loop.call_soon(either_loop.stop)

    for n, pipe in enumerate(pipes):
        pipe.fill()
        either_loop.add_reader(pipe.reader, on_readable, n)
    run_until_stop(either_loop)
    for pipe in pipes:
        pipe.close()
    assert trace == ["called"]


def test_the_writer_stays_when_the_reader_goes(either_loop: Loop, pair: Pair) -> None:
    trace: Trace = []
    fd = pair[0].fileno()

    def on_readable() -> None:
        trace.append("readable")
        either_loop.remove_reader(fd)
        either_loop.add_writer(fd, on_writable)

    def on_writable() -> None:
        trace.append("writable")
        either_loop.remove_writer(fd)
        either_loop.stop()

    either_loop.add_reader(fd, on_readable)
    pair[1].send(b"x")
    run_until_stop(either_loop)
    assert trace == ["readable", "writable"]


def test_the_end_of_the_peer_is_readable(either_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []

    def on_readable() -> None:
        trace.append(os.read(pipe.reader, 1))
        either_loop.stop()

    either_loop.add_reader(pipe.reader, on_readable)
    os.close(pipe.writer)
    pipe.writer = -1
    run_until_stop(either_loop)
    either_loop.remove_reader(pipe.reader)
    assert trace == [b""]


def test_a_failing_one_stays(either_loop: Loop, pipe: Pipe) -> None:
    contexts = contexts_of(either_loop)

    def on_readable() -> None:
        if len(contexts) == 2:
            either_loop.stop()
        else:
            boom()

    either_loop.add_reader(pipe.reader, on_readable)
    pipe.fill()
    run_until_stop(either_loop)
    either_loop.remove_reader(pipe.reader)
    assert [str(context["exception"]) for context in contexts] == ["boom", "boom"]


def test_it_runs_in_the_context_in_which_it_was_added(either_loop: Loop, pipe: Pipe) -> None:
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    def on_readable() -> None:
        seen.append(variable.get())
        either_loop.stop()

    token = variable.set("current")
    either_loop.add_reader(pipe.reader, on_readable)
    variable.reset(token)
    pipe.fill()
    run_until_stop(either_loop)
    either_loop.remove_reader(pipe.reader)
    assert seen == ["current"]


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_an_object_with_a_fileno(either_loop: Loop, pair: Pair, kind: str) -> None:
    add, remove = getattr(either_loop, f"add_{kind}"), getattr(either_loop, f"remove_{kind}")
    add(pair[0], either_loop.stop)
    pair[1].send(b"x")
    run_until_stop(either_loop)
    assert remove(pair[0]) is True
    assert remove(pair[0].fileno()) is False


def test_what_is_no_descriptor(either_loop: Loop) -> None:
    for wrong in ("0", None, object()):
        with pytest.raises(ValueError, match="Invalid file object"):
            either_loop.add_reader(wrong, int)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="Invalid file object"):
            either_loop.remove_writer(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        either_loop.add_reader(-1, int)


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_a_closed_descriptor(either_loop: Loop, kind: str) -> None:
    pipe = Pipe()
    fd = pipe.reader
    pipe.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        getattr(either_loop, f"add_{kind}")(fd, int)
    assert getattr(either_loop, f"remove_{kind}")(fd) is False


def test_a_descriptor_that_was_closed_while_it_was_watched(either_loop: Loop) -> None:
    """Its end says nothing to the loop; removal works all the same."""
    trace: Trace = []
    pipe = Pipe()
    either_loop.add_reader(pipe.reader, trace.append, "readable")
    fd = pipe.reader
    pipe.close()
    turn(either_loop)
    assert either_loop.remove_reader(fd) is True
    assert trace == []


def test_a_regular_file_cannot_be_watched(either_loop: Loop, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with open(path) as file, pytest.raises(PermissionError):
        either_loop.add_reader(file.fileno(), int)


def test_a_closed_loop_refuses(either_loop: Loop, pipe: Pipe) -> None:
    either_loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        either_loop.add_reader(pipe.reader, int)
    with pytest.raises(RuntimeError, match="closed"):
        either_loop.add_writer(pipe.writer, int)
    assert either_loop.remove_reader(pipe.reader) is False
    assert either_loop.remove_writer(pipe.writer) is False


@pytest.mark.parametrize("state", ["reading", "paused", "datagram"])
def test_the_descriptor_of_a_transport_is_taken(either_loop: Loop, state: str) -> None:
    """A second watch would steal its bytes."""

    async def main() -> list[type[BaseException] | None]:
        transport: Any
        peer = socket.socket()
        if state == "datagram":
            transport, _ = await either_loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        else:
            left, right = socket.socketpair()
            peer.close()
            peer = right
            transport, _ = await either_loop.create_connection(asyncio.Protocol, sock=left)
        if state == "paused":
            transport.pause_reading()
        fd = transport.get_extra_info("socket").fileno()
        errors: list[type[BaseException] | None] = []
        for call in (either_loop.add_reader, either_loop.add_writer, either_loop.remove_reader, either_loop.remove_writer):
            try:
                call(fd, *([int] if call.__name__.startswith("add") else []))
                errors.append(None)
            except RuntimeError as error:
                errors.append(type(error))
        transport.abort()
        peer.close()
        await asyncio.sleep(0)
        return errors

    assert either_loop.run_until_complete(main()) == [RuntimeError] * 4


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_a_socket_closed_while_it_is_watched_can_still_be_removed(either_loop: Loop, pair: Pair, side: str) -> None:
    left, _ = pair
    getattr(either_loop, f"add_{side}")(left, boom)
    left.close()
    remove = getattr(either_loop, f"remove_{side}")
    assert remove(left) is True
    with pytest.raises(ValueError, match="-1"):
        remove(left)


def test_the_key_of_a_socket_says_what_is_waited_for(either_loop: Loop, pair: Pair) -> None:
    """asyncio's own code for sendfile asks so, and so do its tests."""
    selector = either_loop._selector  # type: ignore[attr-defined]
    either_loop.add_reader(pair[0], boom)
    for asked in (pair[0], pair[0].fileno()):
        assert selector.get_key(asked).events == selectors.EVENT_READ
    either_loop.remove_reader(pair[0])
    with pytest.raises(KeyError):
        selector.get_key(pair[0])

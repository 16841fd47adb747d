"""What is received reaches asyncio's StreamReader as asyncio promises, whether its own Python hands it over, or treadle's core
does so where nobody could tell."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import treadle
from tests.integration.loop.support import run, test_of_both, turns
from tests.integration.support import DEADLINE_S

GATHER_MAX = 16  # of _native/io_phases.pyx


class OtherProtocol(asyncio.StreamReaderProtocol):
    """As asyncio's in everything, and yet another class."""


class OtherReader(asyncio.StreamReader):
    """The same of the reader."""


WAYS = {
    "asyncio's own": (asyncio.StreamReaderProtocol, asyncio.StreamReader),
    "a protocol of the user's": (OtherProtocol, asyncio.StreamReader),
    "a reader of the user's": (asyncio.StreamReaderProtocol, OtherReader),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return request.param


Change = Callable[[asyncio.StreamReaderProtocol, asyncio.StreamReader], None]


@contextlib.asynccontextmanager
async def fed(
    way: tuple[Any, Any], limit: Any = 2**16, change: Change = lambda *_: None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]]:
    """A stream, changed before it is connected, and the socket at its other end."""
    loop = asyncio.get_running_loop()
    protocol_type, reader_type = way
    reader = reader_type(limit=2**16, loop=loop)
    reader._limit = limit
    protocol = protocol_type(reader, loop=loop)
    change(protocol, reader)
    ours, peer = socket.socketpair()
    with peer:
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            yield reader, writer, peer
        finally:
            transport.abort()
            await turns()


async def until(probe: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not probe():
            await asyncio.sleep(0)


@contextlib.contextmanager
def calls_of(names: set[str]) -> Iterator[list[str]]:
    """The functions of these names that Python enters meanwhile."""
    called: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name in names:
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


FEEDING = ["data_received", "_stream_reader", "feed_data", "_wakeup_waiter"]


async def functions_called_to_feed(way: tuple[Any, Any], before: Change, after: Change) -> list[str]:
    """By a message to a connection that was changed so before and after it was made."""
    async with fed(way, change=before) as (reader, writer, peer):
        after(writer.transport.get_protocol(), reader)  # type: ignore[arg-type]
        with calls_of(set(FEEDING)) as called:
            peer.sendall(b"hello")
            assert await asyncio.wait_for(reader.readexactly(5), DEADLINE_S) == b"hello"
    return called


def unchanged(*_: object) -> None: ...


@test_of_both
async def test_only_what_is_wholly_asyncios_is_fed_by_the_core(loop, way) -> None:
    is_own = way == WAYS["asyncio's own"] and isinstance(loop, treadle.EventLoop)
    assert await functions_called_to_feed(way, unchanged, unchanged) == ([] if is_own else FEEDING)


def replace(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, heard: list[bytes]) -> None:
    """By a function that does the same, and writes down what it was told."""
    own = getattr(owner, name)

    def replacement(*args: Any) -> None:
        heard.append(args[-1])
        own(*args)

    monkeypatch.setattr(owner, name, replacement)


@pytest.mark.parametrize("owner", [asyncio.StreamReaderProtocol, asyncio.StreamReader], ids=["protocol", "reader"])
@pytest.mark.parametrize("is_early", [True, False], ids=["before", "after"])
def test_a_method_replaced_on_the_class_is_called(loop, owner, is_early, monkeypatch) -> None:
    heard: list[bytes] = []
    name = "feed_data" if owner is asyncio.StreamReader else "data_received"

    def change(*_: object) -> None:
        replace(owner, name, monkeypatch, heard)

    ways = WAYS["asyncio's own"], *((change, unchanged) if is_early else (unchanged, change))
    run(loop, functions_called_to_feed(*ways))
    assert heard == [b"hello"]


@pytest.mark.parametrize("name", ["data_received", "feed_data"])
def test_a_method_replaced_on_the_object_is_called(loop, name, monkeypatch) -> None:
    heard: list[bytes] = []

    def change(protocol: Any, reader: Any) -> None:
        replace(reader if name == "feed_data" else protocol, name, monkeypatch, heard)

    run(loop, functions_called_to_feed(WAYS["asyncio's own"], change, unchanged))
    assert heard == [b"hello"]


def test_once_the_class_is_asyncios_again_new_connections_are_fed_by_the_core(loop) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace(asyncio.StreamReader, "feed_data", monkeypatch, [])
    called = run(loop, functions_called_to_feed(WAYS["asyncio's own"], unchanged, unchanged))
    assert called == ([] if isinstance(loop, treadle.EventLoop) else FEEDING)


@test_of_both
async def test_pieces_are_joined_and_lines_are_found(loop, way) -> None:
    async with fed(way) as (reader, _, peer):
        peer.sendall(b"one\ntw")
        assert await reader.readline() == b"one\n"
        assert bytes(reader._buffer) == b"tw"
        peer.sendall(b"o\n12345")
        assert await reader.readuntil() == b"two\n"
        assert await reader.readexactly(5) == b"12345"
        reading = asyncio.ensure_future(reader.read(100))
        await turns()
        assert not reading.done()
        assert reader._waiter is not None
        peer.sendall(b"end")
        assert await reading == b"end"
        assert reader._waiter is None
        peer.shutdown(socket.SHUT_WR)
        assert await reader.read() == b""
        assert reader.at_eof()


@test_of_both
async def test_past_twice_the_limit_reading_pauses_until_the_reader_is_at_the_limit(loop, way) -> None:
    async with fed(way, limit=100) as (reader, writer, peer):
        peer.sendall(b"x" * 200)
        await until(lambda: len(reader._buffer) == 200)
        assert writer.transport.is_reading()
        assert not reader._paused
        peer.sendall(b"x")
        await until(lambda: len(reader._buffer) == 201)
        assert not writer.transport.is_reading()
        assert reader._paused
        peer.sendall(b"rest")
        await turns()
        assert len(reader._buffer) == 201
        await reader.readexactly(100)
        assert not writer.transport.is_reading()
        await reader.readexactly(1)
        assert writer.transport.is_reading()
        assert await reader.readexactly(104) == b"x" * 100 + b"rest"


@pytest.mark.parametrize("limit", [1, 99.5, 2**62, 2**70, True])
def test_a_limit_that_was_changed_counts(loop, way, limit) -> None:
    async def main() -> None:
        async with fed(way, limit=limit) as (reader, writer, peer):
            peer.sendall(b"x" * 200)
            await until(lambda: len(reader._buffer) == 200)
            assert writer.transport.is_reading() is (2 * limit >= 200)

    run(loop, main())


@test_of_both
async def test_a_reader_that_was_cancelled_leaves_the_data_to_the_next(loop, way) -> None:
    async with fed(way) as (reader, _, peer):
        reading = asyncio.ensure_future(reader.read(10))
        await turns()
        waiter = reader._waiter
        assert waiter is not None
        waiter.cancel()  # and before anybody goes on, data comes
        peer.sendall(b"data")
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await reader.read(10) == b"data"


@test_of_both
async def test_a_waiter_of_the_users_own_is_woken(loop, way) -> None:
    class Waiter(asyncio.Future):  # type: ignore[type-arg]
        pass

    async with fed(way) as (reader, _, peer):
        waiter = reader._waiter = Waiter()
        peer.sendall(b"data")
        await asyncio.wait_for(waiter, DEADLINE_S)
        assert reader._waiter is None
        assert await reader.read(10) == b"data"


def test_data_behind_an_end_that_the_user_said_ends_the_connection(loop, way, errors) -> None:
    async def main() -> None:
        async with fed(way) as (reader, writer, peer):
            reader.feed_eof()
            peer.sendall(b"data")
            await until(lambda: isinstance(reader.exception(), AssertionError))
            assert bytes(reader._buffer) == b""
            assert writer.transport.is_closing()

    run(loop, main())
    assert [context["message"] for context in errors] == ["Fatal error: protocol.data_received() call failed."]


def test_a_buffer_that_somebody_looks_at_cannot_grow(loop, way, errors) -> None:
    async def main() -> None:
        async with fed(way) as (reader, _, peer):
            peer.sendall(b"first")
            await until(lambda: reader._buffer)
            with memoryview(reader._buffer):
                peer.sendall(b"second")
                await until(lambda: isinstance(reader.exception(), BufferError))
            assert bytes(reader._buffer) == b"first"

    run(loop, main())
    assert [context["message"] for context in errors] == ["Fatal error: protocol.data_received() call failed."]


def test_a_waiter_that_cannot_be_woken_ends_the_connection(loop, way, errors) -> None:
    elsewhere = asyncio.new_event_loop()
    waiter: asyncio.Future[None] = elsewhere.create_future()
    waiter.add_done_callback(unchanged)
    elsewhere.close()

    async def main() -> None:
        async with fed(way) as (reader, _, peer):
            reader._waiter = waiter
            peer.sendall(b"data")
            await until(lambda: isinstance(reader.exception(), RuntimeError))
            assert bytes(reader._buffer) == b"data"

    run(loop, main())
    assert [context["message"] for context in errors] == ["Fatal error: protocol.data_received() call failed."]


@test_of_both
async def test_a_reader_that_is_gone_gets_nothing(loop, way) -> None:
    async with fed(way) as (reader, writer, peer):
        writer.transport.get_protocol()._stream_reader_wr = lambda: None  # type: ignore[attr-defined]
        peer.sendall(b"data")
        await turns()
        assert bytes(reader._buffer) == b""
        writer.transport.get_protocol()._stream_reader_wr = None  # type: ignore[attr-defined]
        peer.sendall(b"more")
        await turns()
        assert bytes(reader._buffer) == b""
        assert not writer.transport.is_closing()


# ---- the order of events that call nobody, among others: treadle's own promise


@pytest.fixture
def our_loop() -> Iterator[treadle.EventLoop]:
    loop = treadle.EventLoop()
    yield loop
    loop.close()


class Noting(asyncio.Protocol):
    def __init__(self, trace: list[str]) -> None:
        self.trace = trace

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.trace.append, "caused by the callback")  # type: ignore[arg-type]
        self.trace.append("callback")


@pytest.mark.parametrize("is_ended", [False, True], ids=["goes on", "is ended meanwhile"])
def test_what_an_event_queued_runs_before_the_next_callback(our_loop, is_ended) -> None:
    trace: list[str] = []

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(fed(WAYS["asyncio's own"])) for _ in range(3)]
            ours, other = socket.socketpair()
            stack.enter_context(other)
            transport, _ = await our_loop.create_connection(lambda: Noting(trace), sock=ours)
            stack.callback(transport.abort)

            async def read(index: int) -> None:
                await streams[index][0].read(10)
                trace.append(f"stream {index}")
                if is_ended:
                    transport.abort()

            async with asyncio.TaskGroup() as group:
                for index in range(3):
                    group.create_task(read(index))
                await turns()
                for peer in (streams[0][2], streams[1][2], other, streams[2][2]):
                    peer.sendall(b"data")
        await turns()

    run(our_loop, main())
    between = [] if is_ended else ["callback", "caused by the callback"]
    assert trace == ["stream 0", "stream 1", *between, "stream 2"]


@pytest.mark.parametrize(("is_debug", "together"), [(False, GATHER_MAX), (True, 1)], ids=["usually", "in debug mode"])
def test_so_many_streams_are_fed_before_the_first_of_their_tasks_goes_on(our_loop, is_debug, together) -> None:
    our_loop.set_debug(is_debug)
    filled: list[int] = []

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(fed(WAYS["asyncio's own"])) for _ in range(2 * GATHER_MAX)]

            async def read(reader: asyncio.StreamReader) -> None:
                await reader.read(10)
                filled.append(sum(bool(other._buffer) for other, _, _ in streams))

            async with asyncio.TaskGroup() as group:
                for reader, _, _ in streams:
                    group.create_task(read(reader))
                await turns()
                for _, _, peer in streams:
                    peer.sendall(b"data")

    run(our_loop, main())
    assert filled == [together - 1 - done % together for done in range(2 * GATHER_MAX)]

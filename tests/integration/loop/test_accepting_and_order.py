"""Accepting when it fails, what runs between two callbacks of one event, and a stream that cannot be watched."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle._native.transport import SocketTransport, Transport


@pytest.fixture
def loop() -> Any:
    loop = treadle.new_event_loop()
    yield loop
    loop.close()


def test_a_listener_that_fails_pauses_and_says_so_once(loop: treadle.EventLoop) -> None:
    """shutdown() of a listening socket makes accept() fail with EINVAL, for good, and the poller says ready for ever."""
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))

    async def main() -> None:
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        with socket.socket(fileno=os.dup(server.sockets[0].fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
        turns = loop.turns
        await asyncio.sleep(0.05)
        assert loop.turns - turns < 10
        server.close()

    loop.run_until_complete(main())
    assert [type(context["exception"]) for context in told] == [OSError]


def test_microtasks_run_between_the_factories_of_one_event(loop: treadle.EventLoop) -> None:
    trace: list[str] = []

    def factory() -> asyncio.Protocol:
        trace.append("factory")
        loop.call_soon(trace.append, "soon")
        return asyncio.Protocol()

    server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0))
    clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(3)]
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    assert trace == ["factory", "soon"] * 3
    for client in clients:
        client.close()
    server.close()


def test_microtasks_run_between_resume_writing_and_data_received(loop: treadle.EventLoop) -> None:
    trace: list[str] = []

    class Protocol(asyncio.Protocol):
        def resume_writing(self) -> None:
            trace.append("resume")
            loop.call_soon(trace.append, "soon")

        def data_received(self, data: bytes) -> None:
            trace.append("data")

    ours, peer = socket.socketpair()
    ours.setblocking(False)
    transport, _ = loop.run_until_complete(loop.create_connection(Protocol, sock=ours))
    transport.set_write_buffer_limits(high=1)
    transport.write(b"x" * 300_000)
    while transport.get_write_buffer_size():
        peer.setblocking(False)
        try:
            while peer.recv(1_000_000):
                pass
        except BlockingIOError:
            pass
        peer.send(b"data")
        trace.clear()
        loop.call_later(0.005, loop.stop)
        loop.run_forever()
    assert trace == ["resume", "soon", "data"]
    transport.abort()
    peer.close()


def test_a_stream_that_cannot_be_watched_fails_alone(loop: treadle.EventLoop, tmp_path: Path) -> None:
    """As when the kernel has no room for one more watch; here it refuses a plain file."""
    lost: list[BaseException | None] = []

    class Protocol(asyncio.Protocol):
        def connection_lost(self, exc: BaseException | None) -> None:
            lost.append(exc)
            loop.stop()

    Transport(loop, None, Protocol(), fd=os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR))
    loop.run_forever()
    assert [type(error) for error in lost] == [PermissionError]


def test_an_os_error_of_connection_made_is_reported(loop: treadle.EventLoop) -> None:
    """Unlike one of data_received, which connection_lost tells."""
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            raise OSError("of the protocol")

    ours, peer = socket.socketpair()
    ours.setblocking(False)
    transport, _ = loop.run_until_complete(loop.create_connection(Protocol, sock=ours))
    assert [type(context["exception"]) for context in told] == [OSError]
    transport.abort()
    peer.close()


def test_a_buffered_protocol_may_resize_its_buffer(loop: treadle.EventLoop) -> None:
    class Protocol(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(4)

        def get_buffer(self, _: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, size: int) -> None:
            self.buffer.extend(bytes(4))
            if len(self.buffer) == 12:
                loop.stop()

        def connection_lost(self, exc: BaseException | None) -> None:
            loop.stop()

    ours, peer = socket.socketpair()
    ours.setblocking(False)
    transport, protocol = loop.run_until_complete(loop.create_connection(Protocol, sock=ours))
    peer.send(b"123456")
    loop.run_forever()
    assert len(protocol.buffer) == 12
    transport.abort()
    peer.close()


def test_a_new_protocol_learns_the_end_of_input(loop: treadle.EventLoop) -> None:
    """The one before was told already, and is not told twice; loop.start_tls() depends on the second half."""
    told: list[str] = []

    class Protocol(asyncio.Protocol):
        def __init__(self, name: str) -> None:
            self.name = name

        def eof_received(self) -> bool:
            told.append(self.name)
            return True

    async def main() -> None:
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        transport, _ = await loop.create_connection(lambda: Protocol("first"), sock=ours)
        peer.shutdown(socket.SHUT_WR)
        for new in (None, None, Protocol("second")):
            await asyncio.sleep(0.005)
            transport.pause_reading()
            if new is not None:
                transport.set_protocol(new)
            transport.resume_reading()
        await asyncio.sleep(0.005)
        transport.abort()
        peer.close()

    loop.run_until_complete(main())
    assert told == ["first", "second"]


def test_an_abort_ends_a_sendfile(loop: treadle.EventLoop, tmp_path: Path) -> None:
    """asyncio's own transport leaves it waiting for ever."""
    (tmp_path / "file").write_bytes(bytes(10_000_000))

    async def main() -> None:
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        with (tmp_path / "file").open("rb") as file:
            sending = asyncio.ensure_future(loop.sendfile(transport, file))
            await asyncio.sleep(0.01)
            with pytest.raises(RuntimeError, match="sendfile is in progress"):
                transport.write(b"in between")
            transport.abort()
            with pytest.raises(OSError):
                await asyncio.wait_for(sending, 5)
        peer.close()

    loop.run_until_complete(main())


def test_a_transport_says_that_it_is_asyncios(loop: treadle.EventLoop) -> None:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    assert isinstance(transport, asyncio.Transport)
    assert type(transport) is SocketTransport
    transport.abort()
    peer.close()

"""Datagram endpoints: asyncio's own transport over the core's readers and writers."""

import asyncio
import socket
from typing import Any

import pytest

import treadle
from tests.integration.loop.support import DEADLINE_S, Trace, run, test_of_both, turns


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.trace: Trace = []
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.trace.append("made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queue.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.queue.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.trace.append(("lost", exc))
        self.queue.put_nowait("lost")


class Echo(Datagrams):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


async def closed(*protocols: Datagrams) -> None:
    for protocol in protocols:
        protocol.transport.close()
    await turns()
    for protocol in protocols:
        assert protocol.trace == ["made", ("lost", None)]


@test_of_both
async def test_to_and_fro(loop) -> None:
    server, echo = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    client, protocol = await loop.create_datagram_endpoint(Datagrams, remote_addr=address)
    assert client.get_extra_info("peername") == address
    for data in (b"one", b"x" * 10_000):
        client.sendto(data)
        assert await protocol.queue.get() == (data, address)
    await closed(protocol, echo)


@test_of_both
async def test_a_connected_peer_without_a_name_can_be_sent_to(loop) -> None:
    if not isinstance(loop, treadle.EventLoop):
        pytest.skip("asyncio's own takes the empty name for none")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with theirs:
        transport, protocol = await loop.create_datagram_endpoint(Datagrams, sock=ours)
        assert transport.get_extra_info("peername") == ""
        transport.sendto(b"to whom")
        theirs.settimeout(DEADLINE_S)
        assert theirs.recv(100) == b"to whom"
        theirs.send(b"back")
        assert await protocol.queue.get() == (b"back", None)
        await closed(protocol)


@test_of_both
async def test_an_unconnected_endpoint_names_its_peer(loop) -> None:
    server, echo = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    client, protocol = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    client.sendto(b"hello", server.get_extra_info("sockname"))
    assert await protocol.queue.get() == (b"hello", server.get_extra_info("sockname"))
    await closed(protocol, echo)


@test_of_both
async def test_a_peer_that_refuses(loop) -> None:
    """The kernel tells a connected endpoint."""
    with socket.socket(type=socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        address = unused.getsockname()
    client, protocol = await loop.create_datagram_endpoint(Datagrams, remote_addr=address)
    client.sendto(b"hello")
    assert isinstance(await protocol.queue.get(), ConnectionRefusedError)
    await closed(protocol)


@pytest.mark.parametrize("wrong", ["text", None, 1], ids=repr)
@test_of_both
async def test_what_cannot_be_sent(loop, wrong) -> None:
    client, protocol = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    with pytest.raises(TypeError):
        client.sendto(wrong, ("127.0.0.1", 9))
    await closed(protocol)


@test_of_both
async def test_abort(loop) -> None:
    client, protocol = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    client.abort()
    assert await protocol.queue.get() == "lost"
    assert protocol.trace == ["made", ("lost", None)]
    client.abort()
    await turns()
    assert len(protocol.trace) == 2


@test_of_both
async def test_unix_datagrams(loop, tmp_path) -> None:
    server, echo = await loop.create_datagram_endpoint(Echo, local_addr=str(tmp_path / "server"), family=socket.AF_UNIX)
    client, protocol = await loop.create_datagram_endpoint(
        Datagrams, local_addr=str(tmp_path / "client"), remote_addr=str(tmp_path / "server"), family=socket.AF_UNIX
    )
    client.sendto(b"hello")
    assert (await protocol.queue.get())[0] == b"hello"
    assert server.get_extra_info("sockname") == str(tmp_path / "server")
    await closed(protocol, echo)


def test_many_in_one_turn(loop) -> None:
    """None is lost between two sockets of one machine, as long as the kernel has room."""

    async def main() -> list[bytes]:
        server, echo = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
        client, protocol = await loop.create_datagram_endpoint(Datagrams, remote_addr=server.get_extra_info("sockname"))
        for n in range(100):
            client.sendto(b"%d" % n)
        data = [(await echo.queue.get())[0] for _ in range(100)]
        await closed(protocol, echo)
        return data

    assert run(loop, main()) == [b"%d" % n for n in range(100)]

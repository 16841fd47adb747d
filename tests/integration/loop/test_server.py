"""Servers and clients of asyncio's kind: listening, accepting, connecting, closing. What flows is in test_transport.py."""

import asyncio
import errno
import gc
import os
import socket
import sys
from typing import Any

import pytest

import treadle
from tests.integration.loop.support import Echo, Recorder, test_of_both, turns
from tests.unit.native.support import open_fds


async def talk(loop: asyncio.AbstractEventLoop, address: Any) -> None:
    """A question and its echo, on a connection of its own."""
    if isinstance(address, str):
        transport, client = await loop.create_unix_connection(Recorder, address)
    else:
        transport, client = await loop.create_connection(Recorder, *address[:2])
    transport.write(b"hello")
    assert await client.until_data(5) == b"hello"
    transport.close()
    await client.until_lost()


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# -- servers


@test_of_both
async def test_what_a_server_knows(loop) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    assert server.get_loop() is loop
    assert server.is_serving()
    (sock,) = server.sockets
    assert sock.getsockname()[0] == "127.0.0.1"
    await talk(loop, sock.getsockname())
    server.close()
    assert not server.is_serving()
    assert server.sockets == ()
    server.close()
    await turns()
    await server.wait_closed()
    assert sock.fileno() == -1


@test_of_both
async def test_a_server_that_is_started_later(loop) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0, start_serving=False)
    assert not server.is_serving()
    await server.start_serving()
    await server.start_serving()
    assert server.is_serving()
    await talk(loop, server.sockets[0].getsockname())
    server.close()
    await server.wait_closed()
    with pytest.raises(RuntimeError):
        await server.serve_forever()


@test_of_both
async def test_serve_forever_ends_when_it_is_cancelled(loop) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0, start_serving=False)
    task = loop.create_task(server.serve_forever())
    await turns()
    assert server.is_serving()
    await talk(loop, server.sockets[0].getsockname())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.is_serving()


@test_of_both
async def test_a_server_closes_with_its_context(loop) -> None:
    async with await loop.create_server(Echo, "127.0.0.1", 0) as server:
        await talk(loop, server.sockets[0].getsockname())
    assert server.sockets == ()


@test_of_both
async def test_connections_outlive_their_server(loop) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
    transport.write(b"one")
    await client.until_data(3)
    server.close()
    transport.write(b"two")
    assert await client.until_data(6) == b"onetwo"
    transport.close()
    await client.until_lost()
    await server.wait_closed()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="until CPython 3.12 wait_closed() did not wait")
@test_of_both
async def test_wait_closed_waits_for_the_connections(loop) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
    transport.write(b"hello")
    await client.until_data(5)
    server.close()
    waiter = loop.create_task(server.wait_closed())
    await turns()
    assert not waiter.done()
    transport.close()
    await waiter


@pytest.mark.skipif(sys.version_info < (3, 13), reason="a server knows its connections from CPython 3.13 on")
@pytest.mark.parametrize("how", ["close_clients", "abort_clients"])
@test_of_both
async def test_a_server_closes_its_connections(loop, how) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
    transport.write(b"hello")
    await client.until_data(5)
    server.close()
    getattr(server, how)()
    await client.until_lost()
    await server.wait_closed()


@test_of_both
async def test_many_connections_at_once(loop) -> None:
    """More than one event accepts."""
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=256)
    address = server.sockets[0].getsockname()
    await asyncio.gather(*(talk(loop, address) for _ in range(200)))
    server.close()
    await server.wait_closed()


@test_of_both
async def test_several_addresses(loop) -> None:
    server = await loop.create_server(Echo, ["127.0.0.1", "127.0.0.2"], 0)
    assert sorted(sock.getsockname()[0] for sock in server.sockets) == ["127.0.0.1", "127.0.0.2"]
    for sock in server.sockets:
        await talk(loop, sock.getsockname())
    server.close()
    await server.wait_closed()


@test_of_both
async def test_a_socket_that_is_bound_already(loop) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    address = sock.getsockname()
    server = await loop.create_server(Echo, sock=sock)
    assert server.sockets[0].fileno() == sock.fileno()
    await talk(loop, address)
    server.close()
    await server.wait_closed()
    assert sock.fileno() == -1


@test_of_both
async def test_an_address_in_use(loop) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    with pytest.raises(OSError) as raised:
        await loop.create_server(Echo, *server.sockets[0].getsockname())
    assert raised.value.errno == errno.EADDRINUSE
    server.close()
    await server.wait_closed()


@test_of_both
async def test_servers_that_share_a_port(loop) -> None:
    first = await loop.create_server(Echo, "127.0.0.1", 0, reuse_port=True)
    address = first.sockets[0].getsockname()
    second = await loop.create_server(Echo, *address, reuse_port=True)
    await asyncio.gather(*(talk(loop, address) for _ in range(10)))
    for server in (first, second):
        server.close()
        await server.wait_closed()


@test_of_both
async def test_wrong_arguments(loop) -> None:
    with pytest.raises(ValueError):
        await loop.create_server(Echo)
    with pytest.raises(ValueError), socket.socket() as sock:
        await loop.create_server(Echo, "127.0.0.1", 0, sock=sock)
    with pytest.raises(TypeError):
        await loop.create_server(Echo, "127.0.0.1", 0, ssl=True)
    with pytest.raises(ValueError), socket.socket(type=socket.SOCK_DGRAM) as sock:
        await loop.create_server(Echo, sock=sock)


# -- clients


@test_of_both
async def test_a_refused_connection(loop) -> None:
    with pytest.raises(ConnectionRefusedError) as raised:
        await loop.create_connection(Recorder, "127.0.0.1", unused_port())
    assert raised.value.errno == errno.ECONNREFUSED


@pytest.mark.parametrize("delay_s", [None, 0.01])
@test_of_both
async def test_every_address_refuses(loop, delay_s, monkeypatch) -> None:
    """With happy eyeballs or without: one OSError for all of them."""
    port = unused_port()

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    with pytest.raises(OSError) as raised:
        await loop.create_connection(Recorder, "several", port, happy_eyeballs_delay=delay_s)
    assert "127.0.0.1" in str(raised.value)
    assert "127.0.0.2" in str(raised.value)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="all_errors is new in CPython 3.12")
@test_of_both
async def test_all_errors_of_a_connection(loop) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await loop.create_connection(Recorder, "127.0.0.1", unused_port(), all_errors=True)
    assert [type(error) for error in raised.value.exceptions] == [ConnectionRefusedError]


@test_of_both
async def test_happy_eyeballs_takes_the_address_that_answers(loop, monkeypatch) -> None:
    server = await loop.create_server(Echo, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    transport, client = await loop.create_connection(Recorder, "several", port, happy_eyeballs_delay=0.01)
    assert transport.get_extra_info("peername") == ("127.0.0.2", port)
    transport.close()
    server.close()
    await client.until_lost()
    await server.wait_closed()


@test_of_both
async def test_the_local_address_of_a_client(loop) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname(), local_addr=("127.0.0.3", 0))
    assert transport.get_extra_info("sockname")[0] == "127.0.0.3"
    transport.close()
    server.close()
    await client.until_lost()
    await server.wait_closed()


@test_of_both
async def test_a_client_that_is_cancelled_while_it_connects(loop) -> None:
    """A listener whose backlog is full does not answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        tasks = [loop.create_task(loop.create_connection(Recorder, *listener.getsockname())) for _ in range(4)]
        await turns(20)
        pending = [task for task in tasks if not task.done()]
        assert pending
        for task in pending:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, tuple):
                result[0].abort()
                await result[1].until_lost()
        assert sum(isinstance(result, asyncio.CancelledError) for result in results) == len(pending)


@test_of_both
async def test_names_are_resolved(loop) -> None:
    found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    assert {entry[4][0] for entry in found} & {"127.0.0.1", "::1"}
    assert await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV) == ("127.0.0.1", "80")
    with pytest.raises(socket.gaierror):
        await loop.getaddrinfo("no such host", 80, flags=socket.AI_NUMERICHOST)


# -- Unix sockets


@test_of_both
async def test_a_unix_server(loop, tmp_path) -> None:
    path = str(tmp_path / "socket")
    server = await loop.create_unix_server(Echo, path)
    assert server.sockets[0].getsockname() == path
    await talk(loop, path)
    server.close()
    await server.wait_closed()


@test_of_both
async def test_the_path_of_a_closed_unix_server(loop, tmp_path) -> None:
    """From CPython 3.13 on it is removed with the server; before that it stays."""
    path = str(tmp_path / "socket")
    server = await loop.create_unix_server(Echo, path)
    server.close()
    await server.wait_closed()
    assert os.path.exists(path) == (sys.version_info < (3, 13))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="cleanup_socket is new in CPython 3.13")
@test_of_both
async def test_the_path_of_a_unix_server_may_be_kept(loop, tmp_path) -> None:
    path = str(tmp_path / "socket")
    server = await loop.create_unix_server(Echo, path, cleanup_socket=False)
    server.close()
    await server.wait_closed()
    assert os.path.exists(path)


@test_of_both
async def test_a_stale_path_is_taken_over_and_a_file_is_not(loop, tmp_path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale"))
    server = await loop.create_unix_server(Echo, tmp_path / "stale")
    await talk(loop, str(tmp_path / "stale"))
    server.close()
    await server.wait_closed()
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(OSError) as raised:
        await loop.create_unix_server(Echo, str(tmp_path / "file"))
    assert raised.value.errno == errno.EADDRINUSE
    assert (tmp_path / "file").read_bytes() == b"content"


@test_of_both
async def test_a_path_where_nobody_listens(loop, tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        await loop.create_unix_connection(Recorder, str(tmp_path / "nothing"))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale"))
        with pytest.raises(ConnectionRefusedError):
            await loop.create_unix_connection(Recorder, str(tmp_path / "stale"))


# -- the end of a loop


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # that they were not closed, which is the point
@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, treadle.new_event_loop], ids=["asyncio", "treadle"])
def test_a_loop_that_is_closed_with_open_connections_leaves_no_descriptor(make) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        transport.write(b"hello")
        await client.until_data(5)
        transport.write(bytes(8_000_000))

    gc.collect()
    before = open_fds()
    loop = make()
    loop.run_until_complete(main())
    loop.close()
    del loop
    gc.collect()
    assert open_fds() == before

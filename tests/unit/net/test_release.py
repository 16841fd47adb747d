"""A socket that is closed and let go of is freed by counting, as every stream is (tests/unit/streams/test_release.py)."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.net.support import KIB, Raw, adopted, content, pair, run, until
from tests.unit.streams.release import Left, left_by
from treadle import events, net, streams

SIZE = 300 * KIB  # some calls of the kernel

Case = Callable[[], Awaitable[None]]
CASES: list[Case] = []


def case(function: Case) -> Case:
    CASES.append(function)
    return function


@pytest.mark.parametrize("case", CASES, ids=lambda function: function.__name__)
def test_freed_by_counting(case: Case) -> None:
    async def main() -> Left:
        return await left_by(case)

    assert run(main).by_counting == []


async def closed(*sockets: Any) -> None:
    for socket in sockets:
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        socket.on("close", lambda *_, heard=heard: heard.set_result(None))
        await heard


async def gone(*sockets: Any) -> None:
    """Both at once: each may close before the other."""
    await asyncio.gather(*map(closed, sockets))


@case
async def a_client_and_a_connection() -> None:
    client, accepted = await pair()
    client.end(b"hello")
    assert [chunk async for chunk in accepted] == [b"hello"]
    client.resume()
    accepted.end()
    await gone(client, accepted)


@case
async def half_open() -> None:
    client, accepted = await pair(allow_half_open=True)
    client.end(b"hello")
    assert [chunk async for chunk in accepted] == [b"hello"]
    accepted.end(b"answer")
    assert [chunk async for chunk in client] == [b"answer"]
    await until(lambda: client.destroyed and accepted.destroyed, "both are closed")


@case
async def destroyed() -> None:
    client, accepted = await pair()
    for socket in (client, accepted):
        socket.on("error", lambda error: None).resume()
    client.destroy()
    await gone(client, accepted)
    client, accepted = await pair()
    for socket in (client, accepted):
        socket.on("error", lambda error: None).resume()
    client.destroy(ValueError())
    await gone(client, accepted)


@case
async def reset() -> None:
    client, accepted = await pair()
    for socket in (client, accepted):
        socket.on("error", lambda error: None).resume()
    client.reset_and_destroy()
    await gone(client, accepted)


@case
async def ended_by_the_peer_and_written_to() -> None:
    socket, peer = adopted()
    with peer:
        socket.on("error", lambda error: None).resume()
        peer.end()
        await until(lambda: socket.readable_ended, "the end has come")
        socket.write(b"late", None, lambda error: None)
        await until(lambda: socket.destroyed, "it is closed")


@case
async def timed_out() -> None:
    client, accepted = await pair()
    client.set_timeout(10_000, lambda: None)
    client.destroy_soon()
    accepted.resume()
    client.resume()
    await gone(client, accepted)


@case
async def written_before_it_was_connected() -> None:
    server = net.create_server()
    accepted = events.once(server, "connection")
    server.listen()
    client = net.connect(server.address().port)  # type: ignore[union-attr]
    client.end(b"hello")
    [other] = await accepted
    assert [chunk async for chunk in other] == [b"hello"]
    other.end()
    client.resume()
    server.close()
    await until(lambda: client.destroyed and other.destroyed, "both are closed")


@case
async def destroyed_before_it_was_connected() -> None:
    for begin in (lambda socket: None, lambda socket: socket.write(b"a"), lambda socket: socket.end(b"a"),
                  lambda socket: socket.resume(), lambda socket: socket.destroy_soon()):  # fmt: skip
        server = net.create_server().listen()
        client = net.connect(server.address().port)  # type: ignore[union-attr]
        client.on("error", lambda error: None)
        begin(client)
        client.destroy()
        await closed(client)
        server.close()


@case
async def one_that_could_not_connect() -> None:
    server = net.create_server().listen()
    port = server.address().port  # type: ignore[union-attr]
    server.close()
    client = net.connect(port)
    client.on("error", lambda error: None)
    client.write(b"a")
    await closed(client)


@case
async def by_coroutines() -> None:
    async def shout(socket: net.Socket) -> None:
        async for chunk in socket:
            socket.write(chunk.upper())
        socket.end()

    server = net.create_server(shout, allow_half_open=True).listen()
    async with server, net.connect(server.address().port) as client:  # type: ignore[union-attr]
        client.end(b"a")
        assert [chunk async for chunk in client] == [b"A"]


@case
async def of_a_unix_socket() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "socket")
        server = net.create_server()
        accepted = events.once(server, "connection")
        server.listen(path=path)
        client = net.connect(path=path)
        [other] = await accepted
        other.end(b"a")
        assert [chunk async for chunk in client] == [b"a"]
        other.resume()
        server.close()
        await until(lambda: other.destroyed and client.destroyed, "both are closed")


# ---- what the kernel moves


async def read_all(reader: Raw, size: int) -> None:
    await until(lambda: reader.has_read(size), "all has arrived")


@case
async def spliced() -> None:
    source, writer = adopted()
    sink, reader = adopted()
    with writer, reader:
        whole = streams.pipeline(source, sink)
        writer.send(content(SIZE))
        await until(lambda: not writer.outgoing or (writer.write(), reader.has_read(SIZE))[1], "all is sent")
        writer.end()
        await read_all(reader, SIZE)
        await until(reader.has_ended, "the end has arrived")
        await whole
        sink.resume()
        reader.end()
        source.destroy()
        await until(lambda: source.destroyed and sink.destroyed, "both are closed")


@case
async def spliced_and_destroyed() -> None:
    source, writer = adopted()
    sink, reader = adopted()
    with writer, reader:
        done = asyncio.get_running_loop().create_future()
        streams.pipeline(source, sink, callback=done.set_result)
        writer.send(b"a")
        await read_all(reader, 1)
        sink.destroy()
        await done


@case
async def sent_from_a_file() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content(SIZE))
        sink, reader = adopted()
        with reader, contextlib.closing(path.open("rb")) as file:
            whole = streams.pipeline(file, sink)
            await read_all(reader, SIZE)
            await whole
            sink.resume()
            reader.end()
            await until(lambda: sink.destroyed, "it is closed")


@case
async def files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder) / "one", Path(folder) / "other"
        one.write_bytes(content(SIZE))
        await streams.pipeline(one.open("rb"), streams.PassThrough(), other.open("wb"))
        assert other.read_bytes() == content(SIZE)

"""get_active_resources_info names what the loop counts: it is empty exactly where nothing holds the program."""

import asyncio
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

import treadle
from treadle import http, process, timers
from treadle.loop import get_loop

Thing = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def timeout() -> AsyncIterator[None]:
    handle = timers.set_timeout(print, 60_000)
    yield
    handle.close()


@asynccontextmanager
async def call_later() -> AsyncIterator[None]:
    handle = get_loop().call_later(60, print)
    yield
    handle.cancel()


@asynccontextmanager
async def immediate() -> AsyncIterator[None]:
    handle = timers.set_immediate(print)
    yield
    handle.close()


@asynccontextmanager
async def http_server() -> AsyncIterator[None]:
    server = http.create_server(print).listen(0)
    yield
    server.close()


@asynccontextmanager
async def unix_server() -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(print, f"\0treadle-{os.getpid()}")
    yield
    server.close()


@asynccontextmanager
async def connection() -> AsyncIterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _, writer = await asyncio.open_connection(*listener.getsockname())
        yield
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def datagrams() -> AsyncIterator[None]:
    transport, _ = await get_loop().create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    yield
    transport.close()
    await asyncio.sleep(0)


@asynccontextmanager
async def pipe() -> AsyncIterator[None]:
    reader, writer = os.pipe()
    transport, _ = await get_loop().connect_read_pipe(asyncio.Protocol, open(reader, "rb"))  # noqa: SIM115  # the transport closes it
    await asyncio.sleep(0)
    yield
    transport.close()
    await asyncio.sleep(0)
    os.close(writer)


@asynccontextmanager
async def child() -> AsyncIterator[None]:
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    assert program.stdin is not None
    yield
    program.stdin.close()
    await program.wait()


@asynccontextmanager
async def request() -> AsyncIterator[None]:
    get_loop().ref_request()
    yield
    get_loop().unref_request()


THINGS: dict[str, tuple[Thing, Counter[str]]] = {
    "timeout": (timeout, Counter(Timeout=1)),
    "call_later": (call_later, Counter(Timeout=1)),
    "immediate": (immediate, Counter(Immediate=1)),
    "http server": (http_server, Counter(TCPServerWrap=1)),
    "unix server": (unix_server, Counter(PipeWrap=1)),
    "connection": (connection, Counter(TCPSocketWrap=1)),
    "datagrams": (datagrams, Counter(UDPWrap=1)),
    "pipe": (pipe, Counter(PipeWrap=1)),
    "child": (child, Counter(ProcessWrap=1, PipeWrap=1)),
    "request": (request, Counter(Request=1)),
}


@pytest.mark.parametrize("name", THINGS)
def test_each_is_named_while_it_holds(name: str) -> None:
    thing, names = THINGS[name]
    told: list[tuple[Counter[str], bool]] = []

    def tell() -> None:
        told.append((Counter(process.get_active_resources_info()), get_loop().is_alive()))

    async def main() -> None:
        async with thing():
            tell()
        await asyncio.sleep(0)
        tell()

    loop = treadle.new_event_loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    assert told == [(names, True), (Counter(), False)]


def test_what_does_not_hold_is_not_named() -> None:
    names: list[str] = []

    async def main() -> None:
        timers.set_timeout(print, 60_000).unref()
        http.create_server(print).listen(0).unref()
        timers.set_immediate(print).unref()
        names.extend(process.get_active_resources_info())

    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        runner.run(main())
    assert names == []


def test_a_main_that_is_not_done_is_a_request() -> None:
    names: list[str] = []

    async def main() -> None:
        names.extend(process.get_active_resources_info())

    treadle.run(main)
    assert names == ["Request"]


def test_without_a_loop_nothing_is_held() -> None:
    assert process.get_active_resources_info() == []


def test_a_descriptor_that_was_closed_behind_the_loops_back_is_a_watch() -> None:
    names: list[str] = []

    async def main() -> None:
        reader, writer = os.pipe()
        get_loop().add_reader(reader, print)
        os.close(reader)
        names.extend(process.get_active_resources_info())
        get_loop().remove_reader(reader)
        os.close(writer)

    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        runner.run(main())
    assert names == ["Watch"]

"""What a loop leaves behind: nothing that refers to itself, and no descriptor."""

import asyncio
import errno
import gc
import os
import resource
import socket
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import open_fds
from treadle._native.loop import LoopCore


class Owner:
    """Keeps the handle of what calls it: a cycle, as everybody writes it."""

    handle: Any = None

    def called(self) -> None: ...


@pytest.mark.parametrize(
    "schedule",
    [
        lambda loop, owner: loop.set_timeout(owner.called, 1),
        lambda loop, owner: loop.set_timeout(owner.called, 1, owner),
        lambda loop, owner: loop.set_immediate(owner.called),
        lambda loop, owner: loop.call_later(0.001, owner.called),
    ],
    ids=["timeout", "argument", "immediate", "alarm"],
)
def test_who_keeps_what_has_fired_is_collected(
    loop: treadle.EventLoop, schedule: Callable[[treadle.EventLoop, Owner], Any]
) -> None:
    loop.set_exception_handler(lambda *_: None)
    loop.uncaught_hook = lambda _: True
    owner = Owner()
    owner.handle = schedule(loop, owner)
    alive = weakref.ref(owner)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    del owner
    gc.collect()
    assert alive() is None


def test_who_keeps_what_never_fires_is_collected_once_the_loop_is_closed(loop: treadle.EventLoop) -> None:
    owner = Owner()
    owner.handle = (loop.set_timeout(owner.called, 60_000), loop.set_interval(owner.called, 60_000))
    alive = weakref.ref(owner)
    del owner
    gc.collect()
    assert alive() is not None
    loop.close()
    gc.collect()
    assert alive() is None


def test_a_core_that_the_collector_ends_closes_its_descriptors() -> None:
    before = open_fds()
    core = LoopCore()
    core.uncaught_hook = lambda _, core=core: False
    del core
    gc.collect()
    assert open_fds() == before


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("made", [LoopCore, treadle.EventLoop])
def test_a_loop_for_which_too_few_descriptors_are_left(made: type[LoopCore], left: int) -> None:
    before = open_fds()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + left, limits[1]))
    try:
        with pytest.raises(OSError) as raised:
            made()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert raised.value.errno == errno.EMFILE
    assert open_fds() == before


@pytest.mark.parametrize("state", ["reading", "paused", "sending", "closing", "lost"])
def test_closing_the_loop_closes_its_connections_and_listeners(loop: treadle.EventLoop, state: str) -> None:
    accepted: list[asyncio.Transport] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)  # type: ignore[arg-type]

    async def main() -> tuple[asyncio.Server, socket.socket]:
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        while not accepted:
            await asyncio.sleep(0)
        return server, client

    server, client = loop.run_until_complete(main())
    (transport,) = accepted
    match state:
        case "paused":
            transport.pause_reading()
        case "sending":
            transport.write(b"x" * 10_000_000)
        case "closing":
            transport.write(b"x" * 10_000_000)
            transport.close()
        case "lost":
            transport.abort()
    loop.close()
    assert server.sockets == () or all(listener.fileno() == -1 for listener in server.sockets)
    assert transport.is_closing()
    transport.write(b"into the void")
    transport.close()
    transport.abort()
    client.settimeout(5)
    with client:
        while client.recv(1_000_000):
            pass  # that no descriptor is left: see the fixture


def test_a_paused_listener_is_closed_with_its_loop(loop: treadle.EventLoop) -> None:
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    address = server.sockets[0].getsockname()
    loop.stop_accepting()
    loop.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)

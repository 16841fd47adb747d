"""Protocols that raise: who is told, and what becomes of the connection."""

import asyncio
import socket
from typing import Any

import pytest

import treadle
from tests.integration.loop.support import BIG, DEADLINE_S, KeepsOpen, Recorder, boom, connected, test_of_both, turns
from tests.integration.loop.test_transport import Buffered


def failing(name: str, base: type[Any] = Recorder, error: BaseException | None = None) -> type[Any]:
    """A protocol whose callback of that name does its work, and raises."""

    def fail(self: Any, *args: Any) -> None:
        getattr(base, name)(self, *args)
        raise error or ValueError("boom")

    return type("Failing", (base,), {name: fail})


@pytest.mark.parametrize("callback", ["data_received", "eof_received"])
@test_of_both
async def test_a_failure_while_reading_ends_the_connection(loop, kind, tmp_path, callback, errors) -> None:
    async with connected(loop, kind, tmp_path, KeepsOpen, failing(callback, KeepsOpen)) as (a, b):
        a.transport.write(b"data")
        a.transport.write_eof()
        lost = await b.until_lost()
        assert isinstance(lost, ValueError)
        await a.until(lambda: "eof" in a.trace or a.is_lost)
        (context,) = errors
        assert context["exception"] is lost
        assert context["transport"] is b.transport
        assert context["protocol"] is b
        assert "message" in context
        assert len(b.losses) == 1


@pytest.mark.parametrize("callback", ["get_buffer", "buffer_updated"])
@test_of_both
async def test_a_failing_buffer_ends_it_too(loop, kind, tmp_path, callback, errors) -> None:
    async with connected(loop, kind, tmp_path, Recorder, failing(callback, Buffered)) as (a, b):
        a.transport.write(b"data")
        lost = await b.recorder.until_lost()
        assert isinstance(lost, ValueError)
        await a.until_lost()
        (context,) = errors
        assert context["exception"] is lost


@pytest.mark.parametrize("buffer", [b"", bytearray(), None, "text"], ids=repr)
@test_of_both
async def test_a_buffer_that_is_none(loop, kind, tmp_path, buffer, errors) -> None:
    class Wrong(Buffered):
        def get_buffer(self, sizehint: int) -> Any:
            return buffer

    async with connected(loop, kind, tmp_path, Recorder, Wrong) as (a, b):
        a.transport.write(b"data")
        assert isinstance(await b.recorder.until_lost(), Exception)
        await a.until_lost()
        assert len(errors) == 1


@test_of_both
async def test_an_os_error_of_the_protocol_is_not_reported(loop, kind, tmp_path) -> None:
    """COMPAT(asyncio): it could as well be the socket's; the protocol learns it by connection_lost."""
    error = OSError("of the protocol")
    contexts = loop.contexts
    async with connected(loop, kind, tmp_path, Recorder, failing("data_received", error=error)) as (a, b):
        a.transport.write(b"data")
        lost = await b.until_lost()
        reported = contexts.copy()
        contexts.clear()
        assert lost is error
        assert reported == []


@test_of_both
async def test_a_failure_in_connection_made_leaves_the_connection(loop, kind, tmp_path, errors) -> None:
    async with connected(loop, kind, tmp_path, Recorder, failing("connection_made")) as (a, b):
        a.transport.write(b"data")
        assert await b.until_data(4) == b"data"
        assert [str(context["exception"]) for context in errors] == ["boom"]


@test_of_both
async def test_a_failure_in_connection_lost_is_reported(loop, kind, tmp_path, errors) -> None:
    async with connected(loop, kind, tmp_path, Recorder, failing("connection_lost")) as (a, b):
        fd = b.transport.get_extra_info("socket")
        a.transport.close()
        await b.until_lost()
        await turns()
        assert fd.fileno() == -1  # closed all the same
        assert [str(context["exception"]) for context in errors] == ["boom"]


@pytest.mark.parametrize("callback", ["pause_writing", "resume_writing"])
@test_of_both
async def test_a_failure_of_flow_control_leaves_the_connection(loop, kind, tmp_path, callback, errors) -> None:
    async with connected(loop, kind, tmp_path, failing(callback)) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        b.transport.resume_reading()
        await a.until(lambda: "resume" in a.trace)
        assert await b.until_data(len(BIG)) == BIG
        (context,) = errors
        assert str(context["exception"]) == "boom"
        assert context["transport"] is a.transport
        assert context["protocol"] is a
        assert not a.transport.is_closing()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exits_and_interrupts_come_out_of_the_run(loop, kind, tmp_path, error) -> None:
    manager = connected(loop, kind, tmp_path, Recorder, failing("data_received", error=error(3)))
    pair = loop.run_until_complete(manager.__aenter__())

    async def talk() -> None:
        pair[0].transport.write(b"data")
        await pair[1].until_lost()

    task = loop.create_task(talk())
    with pytest.raises(error) as raised:
        loop.run_until_complete(task)
    assert raised.value.args == (3,)
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.run_until_complete(manager.__aexit__(None, None, None))


@test_of_both
async def test_a_failing_factory_of_a_server(loop, errors) -> None:
    """That connection is closed; the server goes on. More than asyncio does: it reports in debug mode only."""
    if not isinstance(loop, treadle.EventLoop):
        pytest.skip("asyncio leaves that connection to the garbage collector")
    protocols = [Recorder(), None, Recorder()]
    remaining = iter(protocols)
    server = await loop.create_server(lambda: next(remaining) or boom(), "127.0.0.1", 0)
    clients = []
    for _ in protocols:
        _, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        clients.append(client)
    await clients[1].until_lost()
    assert [str(context["exception"]) for context in errors] == ["boom"]
    for n in (0, 2):
        await protocols[n].until(lambda n=n: protocols[n].transport)
        assert not clients[n].is_lost
        clients[n].transport.close()
        await protocols[n].until_lost()
        await clients[n].until_lost()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("when", ["behind its first step", "behind sleep(0)"])
@test_of_both
async def test_a_connection_cancelled_before_it_is_handed_over_closes_its_socket(loop, when) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        task = loop.create_task(loop.create_unix_connection(Recorder, sock=ours))
        if when == "behind sleep(0)":
            await asyncio.sleep(0)
            task.cancel()
        else:
            loop.call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        await turns()
        assert ours.fileno() == -1
        theirs.settimeout(DEADLINE_S)
        assert theirs.recv(1) == b""

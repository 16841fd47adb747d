"""Closing a loop with things alive in it: nothing runs, no descriptor stays, nobody is warned, and a second time is no harm."""

import asyncio
import errno
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Pipe, Trace, open_fds, run

Loop = treadle.EventLoop


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No descriptor stays, and no warning of any kind is given."""
    gc.collect()
    before = open_fds()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert open_fds() == before
    assert [str(warning.message) for warning in caught] == []


def _never(*_: object) -> None:
    raise AssertionError("ran")


def _leave_a_reader(loop: Loop, pipe: Pipe) -> None:
    loop.add_reader(pipe.reader, _never)
    loop.add_writer(pipe.writer, _never)


LEFT: dict[str, Callable[[Loop, Pipe], object]] = {
    "nothing": lambda loop, pipe: None,
    "ticks": lambda loop, pipe: loop.next_tick(_never),
    "microtasks": lambda loop, pipe: loop.queue_microtask(_never),
    "soon": lambda loop, pipe: [loop.call_soon(_never) for _ in range(200)],
    "threadsafe": lambda loop, pipe: loop.call_soon_threadsafe(_never),
    "immediates": lambda loop, pipe: loop.set_immediate(_never),
    "timeouts": lambda loop, pipe: [loop.set_timeout(_never, n) for n in (1, 1, 2, 60_000)],
    "intervals": lambda loop, pipe: loop.set_interval(_never, 1),
    "alarms": lambda loop, pipe: [loop.call_later(n, _never) for n in (0, 0, 60)],
    "readers": _leave_a_reader,
    "signals": lambda loop, pipe: loop.add_signal_handler(signal.SIGUSR1, _never),
    "requests": lambda loop, pipe: loop.ref_request(),
}


@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("has_run", [False, True])
def test_what_waits_never_runs(pipe: Pipe, leave: Callable[[Loop, Pipe], object], has_run: bool) -> None:
    loop = treadle.new_event_loop()
    if has_run:
        loop.run_until_complete(asyncio.sleep(0))
    leave(loop, pipe)
    loop.close()
    loop.close()
    assert loop.is_closed()
    assert not loop.is_running()


def test_what_waited_is_let_go_of(pipe: Pipe) -> None:
    class Payload:
        def __call__(self, *_: object) -> None:
            _never()

    loop = treadle.new_event_loop()
    payloads: list[weakref.ref[Payload]] = []
    kept: list[Any] = []
    for schedule in (
        loop.next_tick,
        loop.queue_microtask,
        loop.call_soon,
        loop.set_immediate,
        lambda callback: loop.set_timeout(callback, 1),
        lambda callback: loop.call_later(0, callback),
        lambda callback: loop.add_reader(pipe.reader, callback),
    ):
        payload = Payload()
        payloads.append(weakref.ref(payload))
        kept.append(schedule(payload))
        del payload
    loop.close()
    kept.clear()
    gc.collect()
    assert [payload() for payload in payloads] == [None] * len(payloads)


def test_a_task_that_never_ended(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio says so when it is finalised; the loop itself is silent."""
    loop = treadle.new_event_loop()

    async def main() -> None:
        asyncio.create_task(_pending(), name="the pending one")
        await asyncio.sleep(0)

    async def _pending() -> None:
        await loop.create_future()

    loop.run_until_complete(main())
    assert loop.statistics()["tasks"] == 1
    loop.close()
    assert loop.statistics()["tasks"] == 0
    gc.collect()
    (record,) = caplog.records
    assert record.name == "asyncio"
    assert "the pending one" in record.getMessage()


def test_an_executor_with_a_call_under_way() -> None:
    gate = threading.Event()
    loop = treadle.new_event_loop()
    loop.run_in_executor(None, gate.wait, DEADLINE_S)
    loop.close()
    gate.set()


def test_a_server_and_connections_that_were_aborted_in_time() -> None:
    """The microtask that loses each connection runs before the loop is closed."""
    loop = treadle.new_event_loop()
    lost: Trace = []
    accepted: list[Any] = []

    class Peer(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            accepted.append(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

    async def main() -> None:
        server = await loop.create_server(Peer, "127.0.0.1", 0)
        client, _ = await loop.create_connection(Peer, *server.sockets[0].getsockname())
        while len(accepted) < 2:
            await asyncio.sleep(0)
        client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        client.write(bytes(4_000_000))  # more than the kernel takes, now that its buffer no longer grows
        assert client.get_write_buffer_size() > 0
        for transport in accepted:
            transport.abort()
        server.close()
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert lost == [None, None]
    loop.close()


def test_a_running_loop_cannot_be_closed() -> None:
    loop = treadle.new_event_loop()
    errors: Trace = []

    def close() -> None:
        try:
            loop.close()
        except RuntimeError as error:
            errors.append(error)

    loop.call_soon(close)
    run(loop)
    assert len(errors) == 1
    assert not loop.is_closed()
    loop.close()


def test_a_closed_loop_refuses() -> None:
    loop = treadle.new_event_loop()
    loop.close()
    coroutine = asyncio.sleep(0)
    for call in (
        loop.run_forever,
        loop.run_while_alive,
        lambda: loop.run_until_complete(coroutine),
        lambda: loop.create_task(coroutine),
        lambda: loop.call_soon(_never),
        lambda: loop.call_soon_threadsafe(_never),
        lambda: loop.call_later(1, _never),
        lambda: loop.call_at(1, _never),
    ):
        with pytest.raises(RuntimeError, match="closed"):
            call()
    coroutine.close()


def _forget_a_loop() -> None:
    treadle.new_event_loop()
    gc.collect()


def test_an_unclosed_loop_is_warned_about_and_closed() -> None:
    before = open_fds()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        _forget_a_loop()
    assert open_fds() == before


# -- what somebody else has closed

Opened = tuple[int, Any]  # a descriptor that is the loop's, and what the test is to keep


async def _open_connection(loop: Loop) -> Opened:
    ours, theirs = socket.socketpair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    return ours.fileno(), (transport, theirs)


async def _open_server(loop: Loop) -> Opened:
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    return server.sockets[0].fileno(), server


async def _open_datagrams(loop: Loop) -> Opened:
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    return transport.get_extra_info("socket").fileno(), transport


async def _open_pipe(loop: Loop) -> Opened:
    reader, writer = os.pipe()
    transport, _ = await loop.connect_read_pipe(asyncio.Protocol, open(reader, "rb", 0))  # noqa: SIM115  # the transport closes it
    return reader, (transport, open(writer, "wb", 0))


@pytest.mark.parametrize("how", [_open_connection, _open_server, _open_datagrams, _open_pipe])
def test_the_others_are_closed_where_one_cannot_be(
    how: Callable[[Loop], Coroutine[Any, Any, Opened]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told where asyncio tells it, whose finalizers close what is open."""
    loop = treadle.new_event_loop()
    opened = [loop.run_until_complete(how(loop)) for _ in range(3)]
    told: Trace = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value.errno))
    os.close(opened[0][0])
    loop.close()
    for _, kept in opened:
        if isinstance(kept, tuple):
            kept[1].close()
    assert told == [errno.EBADF]
    assert loop.is_closed()
    assert loop.statistics()["tasks"] == 0


# -- in a process of its own, since the damage is a crash


AFTER_A_FAILED_TIMER = """
import treadle
loop = treadle.new_event_loop()
def fail():
    raise ValueError("boom")
{schedule}
try:
    loop.run_while_alive()
except ValueError:
    print("failed")
loop.close()
print("closed")
"""


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param("loop.set_timeout(fail, 1)", id="timeout"),
        pytest.param("loop.set_interval(fail, 1)", id="interval"),
        pytest.param("loop.set_immediate(fail)", id="immediate"),
        pytest.param("loop.next_tick(fail)", id="tick"),
    ],
)
def test_closing_after_a_callback_failed(schedule: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_FAILED_TIMER.format(schedule=schedule)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout.split(), done.returncode) == (["failed", "closed"], 0), done.stderr

"""Sockets: connecting and failing to, addresses, time, options, contexts, and what stays in the kernel. What they emit in Node's
order is in test_node_facts.py."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket as sockets
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.native.support import open_fds
from tests.unit.net.support import KIB, MIB, Raw, adopted, content, pair, run, until, within
from treadle import AbortController, TreadleError, events, net, streams
from treadle.timers import set_timeout

READ_LEAST = KIB  # what a socket reads at least, however little room there is

# ---- connecting


def closed_port() -> int:
    with sockets.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def test_refused() -> None:
    async def main() -> None:
        port = closed_port()
        socket = net.connect(port)
        with pytest.raises(ConnectionRefusedError) as caught:
            await socket.wait_connected()
        assert caught.value.errno == errno.ECONNREFUSED
        assert f"127.0.0.1:{port}" in str(caught.value)
        with pytest.raises(ConnectionRefusedError):  # also later
            await socket.wait_connected()
        assert socket.ready_state == "closed"
        assert socket.pending

    run(main)


def test_no_such_path(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError, match="nobody"):
            await net.connect(path=tmp_path / "nobody").wait_connected()

    run(main)


def test_a_name_is_looked_up_and_its_addresses_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = net.create_server(lambda socket: socket.destroy() and None).listen()
        port = server.address()[1]  # type: ignore[index]
        answer = [
            (sockets.AF_INET, sockets.SOCK_STREAM, 6, "", ("127.0.0.2", port)),  # nobody listens there
            (sockets.AF_INET, sockets.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            (sockets.AF_INET6, sockets.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (sockets.AF_INET, sockets.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

        async def getaddrinfo(*_: object, **__: object) -> Any:
            return answer

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        socket = net.connect(port, "a.name")
        log: list[object] = []
        socket.on("lookup", lambda error, address, family, host: log.append((error, address, family, host)))
        socket.on("connection_attempt", lambda *attempt: log.append(attempt))
        socket.on("connection_attempt_failed", lambda *attempt: log.append(attempt[-1].errno))
        await socket.wait_connected()
        assert log == [
            (None, "127.0.0.2", 4, "a.name"),
            (None, "127.0.0.1", 4, "a.name"),
            (None, "::1", 6, "a.name"),
            ("127.0.0.2", port, 4),
            errno.ECONNREFUSED,
            ("::1", port, 6),
            errno.ECONNREFUSED,
            ("127.0.0.1", port, 4),
        ]
        assert socket.remote_address == "127.0.0.1"
        socket.destroy()
        server.close()
        await server.wait_closed()

    run(main)


def test_where_every_address_fails_the_first_error_tells_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        port = closed_port()

        async def getaddrinfo(*_: object, **__: object) -> Any:
            return [(sockets.AF_INET, sockets.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (1, 2)]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        with pytest.raises(ConnectionRefusedError, match=f"a.name:{port}") as caught:
            await net.connect(port, "a.name").wait_connected()
        assert caught.value.__notes__ == ["tried: 127.0.0.1: Connection refused; 127.0.0.2: Connection refused"]

    run(main)


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async def getaddrinfo(*_: object, **__: object) -> Any:
            raise sockets.gaierror(sockets.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        socket = net.connect(80, "nobody.invalid")
        log: list[object] = []
        socket.on("lookup", lambda error, *rest: log.append((error.errno, *rest)))
        with pytest.raises(sockets.gaierror, match=r"nobody\.invalid"):
            await socket.wait_connected()
        assert log == [(sockets.EAI_NONAME, None, None, "nobody.invalid")]

    run(main)


class FullListener:
    """A port that answers nobody: its backlog is full."""

    def __enter__(self) -> int:
        self.socks = [sockets.socket() for _ in range(8)]
        self.socks[0].bind(("127.0.0.1", 0))
        self.socks[0].listen(0)
        port = self.socks[0].getsockname()[1]
        for sock in self.socks[1:]:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        return int(port)

    def __exit__(self, *_: object) -> None:
        for sock in self.socks:
            sock.close()


def test_waiting_for_a_socket_that_somebody_destroys() -> None:
    async def main() -> None:
        with FullListener() as port:
            socket = net.connect(port)
            asyncio.get_running_loop().call_later(0.01, socket.destroy)
            for _ in range(2):  # and once more, afterwards
                with pytest.raises(TreadleError) as caught:
                    await socket.wait_connected()
                assert caught.value.code == "ERR_SOCKET_CLOSED_BEFORE_CONNECTION"

    run(main)


def test_connect_timeout() -> None:
    async def main() -> None:
        with FullListener() as port:
            before = open_fds()
            with pytest.raises(TimeoutError, match=f"127.0.0.1:{port}") as caught:
                await net.connect(port, connect_timeout=30).wait_connected()
            assert caught.value.errno == errno.ETIMEDOUT
            await until(lambda: open_fds() == before, "its descriptor is closed")

    run(main)


def test_an_address_that_does_not_answer_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = net.create_server(lambda socket: socket.destroy() and None).listen()
        with FullListener() as dead:

            async def getaddrinfo(*_: object, **__: object) -> Any:
                return [
                    (sockets.AF_INET, sockets.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (dead, server.address()[1])
                ]  # type: ignore[index]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
            socket = net.connect(1, "a.name", attempt_timeout=20)
            timed_out = events.once(socket, "connection_attempt_timeout")
            await socket.wait_connected()
            assert (await timed_out)[:2] == ["127.0.0.1", dead]
            socket.destroy()
        server.close()
        await server.wait_closed()

    run(main)


@pytest.mark.parametrize("how", ["destroy", "abort"])
@pytest.mark.parametrize("when", ["at once", "while it waits", "in its lookup"])
def test_a_connect_that_is_given_up_closes_its_descriptor(how: str, when: str) -> None:
    async def main() -> None:
        with FullListener() as port:
            before = open_fds()
            controller = AbortController()
            socket = net.connect(port, "localhost" if when == "in its lookup" else "127.0.0.1", signal=controller.signal)
            closed: list[bool] = []
            socket.on("error", lambda _: None).on("close", closed.append)
            if when == "while it waits":
                await until(lambda: open_fds() != before, "it has begun")
            if how == "destroy":
                socket.destroy()
            else:
                controller.abort()
            await until(lambda: closed == [how == "abort"], "it closes")
            await until(lambda: open_fds() == before, "its descriptor is closed")

    run(main)


def test_from_a_local_address() -> None:
    async def main() -> None:
        port = closed_port()
        server = net.create_server().listen()
        accepted = events.once(server, "connection")
        socket = net.connect(server.address()[1], local_address="127.0.0.5", local_port=port)  # type: ignore[index]
        [other] = await within(accepted)
        assert (other.remote_address, other.remote_port) == ("127.0.0.5", port)
        await socket.wait_connected()
        assert socket.address() == ("127.0.0.5", port, "IPv4")
        socket.destroy()
        other.destroy()
        server.close()

    run(main)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "ERR_MISSING_ARGS"),
        ({"port": 65536}, "ERR_OUT_OF_RANGE"),
        ({"port": "80"}, "ERR_INVALID_ARG_TYPE"),
        ({"port": 80, "host": None}, "ERR_INVALID_ARG_TYPE"),
        ({"port": 80, "family": 5}, "ERR_INVALID_ARG_VALUE"),
        ({"port": 80, "local_address": "localhost"}, "ERR_INVALID_ARG_VALUE"),
        ({"port": 80, "callback": 1}, "ERR_INVALID_ARG_TYPE"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], code: str) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as caught:
            net.connect(**arguments)
        assert caught.value.code == code

    run(main)


def test_connecting_twice() -> None:
    async def main() -> None:
        client, other = await pair()
        with pytest.raises(TreadleError) as caught:
            client.connect(1)
        assert caught.value.code == "ERR_SOCKET_CONNECTED"
        client.destroy()
        other.destroy()

    run(main)


def test_writing_to_a_socket_that_nobody_has_connected() -> None:
    async def main() -> None:
        socket = net.Socket()
        failed = events.once(socket, "error")
        socket.write(b"x")
        with pytest.raises(TreadleError) as caught:
            await within(events.once(socket, "close"))
        assert caught.value.code == "ERR_SOCKET_CLOSED"
        assert (await failed)[0] is caught.value

    run(main)


# ---- bytes


def test_what_is_not_read_stays_in_the_kernel() -> None:
    async def main() -> None:
        socket, raw = adopted()
        raw.send(content(8 * MIB))
        left = -1

        def is_stuck() -> bool:
            nonlocal left
            raw.write()
            before, left = left, len(raw.outgoing)
            return left == before and not socket.statistics().is_reading

        await until(is_stuck, "everything is full")
        assert left > 0
        assert 64 * KIB <= socket.readable_length < 64 * KIB + READ_LEAST, "the mark, and what a last read may burst it by"
        received = bytearray()
        async for chunk in socket:
            received += chunk
            raw.write()
            if len(received) == 8 * MIB:
                break
        assert received == content(8 * MIB)
        raw.sock.close()

    run(main)


@pytest.mark.parametrize("marks", [(64 * KIB,), (64 * KIB, 64 * KIB), (100 * KIB,)], ids=["one", "two", "more than a read"])
def test_what_a_slow_destination_does_not_take_bursts_no_mark(marks: tuple[int, ...]) -> None:
    """Reads are as large as there is room for in every destination, whatever the sizes in which the bytes come."""

    async def main() -> None:
        socket, raw = adopted()
        sinks = [SlowSink(high_water_mark=mark) for mark in marks]
        for sink in sinks:
            socket.pipe(sink)
        sizes = random.Random(1)
        sent, most = 0, dict.fromkeys(sinks, 0)
        while min(sink.taken for sink in sinks) < 4 * MIB:
            if sent < 4 * MIB and not raw.outgoing:
                size = min(sizes.choice((100, 3_000, 20_000, 50_000)), 4 * MIB - sent)
                raw.send(bytes(size))
                sent += size
            raw.write()
            await asyncio.sleep(0)
            for sink in sinks:
                most[sink] = max(most[sink], sink.writable_length)
                if sizes.random() < 0.1:
                    sink.complete()
        for sink in sinks:
            assert most[sink] < sink.writable_high_water_mark + READ_LEAST
        assert any(most[sink] >= sink.writable_high_water_mark for sink in sinks), "one of them was full"
        assert socket.readable_length <= socket.readable_high_water_mark
        raw.sock.close()

    run(main)


class SlowSink(streams.Writable):
    """Completes one write at a time, when it is told to."""

    taken = 0
    _under_way: tuple[int, Callable[..., object]] | None = None

    def _write(self, chunk: bytes, _encoding: str, callback: Callable[..., object]) -> None:
        self._under_way = (len(chunk), callback)

    def complete(self) -> None:
        if self._under_way is not None:
            (size, callback), self._under_way = self._under_way, None
            self.taken += size
            callback()


def test_many_small_writes_leave_together() -> None:
    async def main() -> None:
        socket, raw = adopted()
        told: list[object] = []
        socket.cork()
        for number in range(3000):
            socket.write(b"%d " % number, callback=told.append)
        socket.uncork()
        expected = b"".join(b"%d " % number for number in range(3000))
        await until(lambda: raw.has_read(len(expected)), "all of them")
        assert raw.received == expected
        await until(lambda: len(told) == 3000, "every callback")
        assert set(told) == {None}
        assert socket.bytes_written == len(expected)
        socket.destroy()
        raw.sock.close()

    run(main)


def test_chunks_of_every_kind() -> None:
    async def main() -> None:
        socket, raw = adopted()
        for chunk in (b"bytes ", bytearray(b"bytearray "), memoryview(b"a view ")[2:], "text äö "):
            socket.write(chunk)
        socket.end(b"")
        await until(raw.has_ended, "the end")
        assert raw.received == b"bytes bytearray view " + "text äö ".encode()
        socket.destroy()
        raw.sock.close()

    run(main)


def test_a_write_under_way_is_told_that_its_socket_was_destroyed() -> None:
    async def main() -> None:
        socket, raw = adopted()
        told: list[Any] = []
        socket.write(content(16 * MIB), callback=lambda error: told.append(error))
        socket.write(b"second", callback=lambda error: told.append(error))
        assert socket.statistics().unsent > 0
        socket.destroy()
        await until(lambda: len(told) == 2, "both callbacks")
        assert [error.errno for error in told] == [errno.ECANCELED] * 2
        raw.sock.close()

    run(main)


def test_a_reset_fails_the_write_that_waits() -> None:
    async def main() -> None:
        socket, raw = adopted()
        told: list[Any] = []
        socket.write(content(16 * MIB), callback=lambda error: told.append(error))
        raw.reset()
        with pytest.raises(OSError) as caught:  # looked at below
            await within(events.once(socket, "close"))
        assert caught.value.errno in (errno.ECONNRESET, errno.EPIPE)
        assert told == [caught.value]

    run(main)


# ---- time


def test_a_timeout_is_put_off_by_every_byte() -> None:
    async def main() -> None:
        socket, raw = adopted()
        log: list[str] = []
        socket.on("data", lambda _: log.append("data")).set_timeout(150, lambda: log.append("timeout"))
        for _ in range(5):
            await asyncio.sleep(0.05)
            raw.send(b"x")
        assert "timeout" not in log
        await until(lambda: "timeout" in log, "it is quiet")
        assert log == ["data"] * 5 + ["timeout"]
        assert not socket.destroyed, "that is the listener's to decide"
        socket.destroy()
        raw.sock.close()

    run(main)


def test_a_peer_that_reads_slowly_is_no_timeout() -> None:
    async def main() -> None:
        socket, raw = adopted()
        timeouts: list[int] = []
        socket.on("timeout", lambda: timeouts.append(len(raw.received))).set_timeout(100)
        socket.end(content(6 * MIB))
        while not raw.is_ended:
            raw.read(MIB)
            await asyncio.sleep(0.02)
        assert timeouts == []
        assert raw.received == content(6 * MIB)
        socket.destroy()
        raw.sock.close()

    run(main)


@pytest.mark.parametrize(
    ("delay", "code"), [("1", "ERR_INVALID_ARG_TYPE"), (-1, "ERR_OUT_OF_RANGE"), (float("nan"), "ERR_OUT_OF_RANGE")]
)
def test_a_wrong_timeout(delay: Any, code: str) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as caught:
            net.Socket().set_timeout(delay)
        assert caught.value.code == code

    run(main)


# ---- options, addresses, numbers


def option(socket: net.Socket, level: int, name: int) -> int:
    with sockets.socket(fileno=os.dup(socket.fileno())) as sock:
        return sock.getsockopt(level, name)


def test_options_of_the_socket() -> None:
    async def main() -> None:
        client, other = await pair()
        nodelay = (sockets.IPPROTO_TCP, sockets.TCP_NODELAY)
        alive = (sockets.SOL_SOCKET, sockets.SO_KEEPALIVE)
        for socket in (client, other):
            assert option(socket, *nodelay), "on by default"
            assert not option(socket.set_no_delay(False), *nodelay)
            assert option(socket.set_no_delay(), *nodelay)
            assert not option(socket, *alive)
            assert option(socket.set_keep_alive(True, 7000), *alive)
            assert option(socket, sockets.IPPROTO_TCP, sockets.TCP_KEEPIDLE) == 7
            assert not option(socket.set_keep_alive(False), *alive)
            socket.destroy()

    run(main)


def test_options_that_are_given_before() -> None:
    async def main() -> None:
        for socket in await pair(no_delay=False, keep_alive=True, keep_alive_initial_delay=9000):
            assert not option(socket, sockets.IPPROTO_TCP, sockets.TCP_NODELAY)
            assert option(socket, sockets.SOL_SOCKET, sockets.SO_KEEPALIVE)
            assert option(socket, sockets.IPPROTO_TCP, sockets.TCP_KEEPIDLE) == 9
            socket.destroy()

    run(main)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_addresses(host: str) -> None:
    async def main() -> None:
        server = net.create_server()
        accepted = events.once(server, "connection")
        server.listen(0, host)
        port = server.address()[1]  # type: ignore[index]
        client = net.connect(port, host)
        assert client.address() is None
        assert client.remote_address is None
        await client.wait_connected()
        [other] = await within(accepted)
        family = "IPv6" if ":" in host else "IPv4"
        assert server.address() == (host, port, family)
        assert (client.remote_address, client.remote_port, client.remote_family) == (host, port, family)
        assert (client.local_address, client.local_port, client.local_family) == client.address()
        assert client.address() == (other.remote_address, other.remote_port, other.remote_family)
        assert other.address() == (host, port, family)
        client.destroy()
        other.destroy()
        assert client.remote_port == port, "also afterwards"
        assert client.address() is None
        server.close()

    if host == "::1":
        try:
            sockets.create_server(("::1", 0), family=sockets.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
    run(main)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("127.0.0.1", 4),
        ("0.0.0.0", 4),
        ("::1", 6),
        ("::ffff:1.2.3.4", 6),
        ("fe80::1%eth0", 6),
        ("localhost", 0),
        ("", 0),
        ("1.2.3", 0),
        ("01.2.3.4", 0),
        ("256.0.0.1", 0),
        (":::", 0),
        ("::1%", 0),
        ("127.0.0.1:80", 0),
        ("1.2.3.4\0", 0),
        (None, 0),
        (1, 0),
    ],
)
def test_is_ip(text: object, version: int) -> None:
    assert net.is_ip(text) == version
    assert net.is_ipv4(text) == (version == 4)
    assert net.is_ipv6(text) == (version == 6)


# ---- adopting


def test_a_descriptor_of_ones_own() -> None:
    async def main() -> None:
        ours, theirs = sockets.socketpair()
        socket = net.Socket(fd=ours.detach())
        socket.end(b"hello")
        theirs.settimeout(5)
        assert theirs.recv(10) == b"hello"
        theirs.close()
        await within(events.once(socket, "close"))

    run(main)


def test_what_is_no_stream_socket_is_not_taken() -> None:
    async def main() -> None:
        with sockets.socket(type=sockets.SOCK_DGRAM) as datagrams:
            for given in ({"sock": datagrams}, {"fd": datagrams.fileno()}):
                with pytest.raises(TreadleError) as caught:
                    net.Socket(**given)  # type: ignore[arg-type]
                assert caught.value.code == "ERR_INVALID_ARG_VALUE"
            assert datagrams.fileno() >= 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            net.Socket(fd=10_000)

    run(main)


# ---- who is told in which context; who is held


NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


def test_a_connection_runs_in_the_context_in_which_it_was_made() -> None:
    async def main() -> None:
        seen: list[str] = []

        def on_connection(socket: net.Socket) -> None:
            seen.append(f"connection {NAME.get()}")
            NAME.set("the connection's own")
            socket.on("data", lambda _: seen.append(f"data {NAME.get()}"))
            socket.on("close", lambda _: seen.append(f"close {NAME.get()}"))

        NAME.set("server")
        server = net.create_server(on_connection).listen()
        NAME.set("client")
        client = net.connect(server.address()[1])  # type: ignore[index]
        client.on("connect", lambda: seen.append(f"connect {NAME.get()}"))
        NAME.set("later")
        client.end(b"x")
        await within(events.once(client, "close"))
        server.close()
        await server.wait_closed()
        assert sorted(seen) == [
            "close the connection's own", "connect client", "connection server", "data the connection's own",
        ]  # fmt: skip

    run(main)


def test_what_a_listener_raises_ends_the_program() -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        socket, raw = adopted()
        socket.on("data", fail)
        raw.send(b"x")
        try:
            await asyncio.sleep(5)
        finally:
            raw.sock.close()
            socket.destroy()

    with pytest.raises(ZeroDivisionError):
        run(main)


def held(prepare: Callable[[net.Socket], object]) -> bool:
    """Whether a program is held by an idle connection."""
    stopped: list[int] = []
    raws: list[Raw] = []

    def main() -> None:
        socket, raw = adopted()
        raws.append(raw)
        prepare(socket)

        def stop() -> None:
            stopped.append(1)
            socket.destroy()

        set_timeout(stop, 100).unref()

    treadle.run(main)
    raws.pop().sock.close()
    return bool(stopped)


def test_who_is_refed_holds_the_program() -> None:
    assert held(lambda _: None)
    assert held(lambda socket: socket.unref().ref())
    assert not held(lambda socket: socket.unref())


def test_async_with() -> None:
    async def main() -> None:
        server = net.create_server(lambda socket: socket.end(b"hello") and None).listen()
        async with net.connect(server.address()[1]) as socket:  # type: ignore[index]
            assert not socket.pending
            assert [chunk async for chunk in socket] == [b"hello"]
        assert socket.closed
        with pytest.raises(ConnectionRefusedError):
            async with net.connect(closed_port()):
                pass
        server.close()
        await server.wait_closed()

    run(main)


@pytest.mark.parametrize("how", ["timeout", "cancelled as it fails"])
def test_async_with_that_is_cancelled_while_it_connects_closes_the_socket(how: str) -> None:
    """Nobody hears of what becomes of it, and it holds nothing."""

    async def main() -> None:
        with sockets.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [sockets.create_connection(full.getsockname())]  # its queue is full: the kernel answers no further one
            socket = net.connect(full.getsockname()[1])

            async def block() -> None:
                async with socket:
                    raise AssertionError("it is not connected")

            if how == "timeout":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(block(), 0.01)
            else:
                task = asyncio.create_task(block())
                await asyncio.sleep(0)
                socket.destroy(OSError(errno.ETIMEDOUT, "late"))
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert socket.destroyed and socket.closed and not socket.connecting
            for one in waiting:
                one.close()

    run(main)


def test_what_fails_amid_its_block_is_raised_there() -> None:
    async def main() -> None:
        peers: list[net.Socket] = []
        server = net.create_server(peers.append).listen()
        async with net.connect(server.address().port) as socket:  # type: ignore[union-attr]
            await until(lambda: peers, "it is accepted")
            peers.pop().reset_and_destroy()
            await until(lambda: socket.closed, "it is reset")
            with pytest.raises(ConnectionResetError):
                await socket.wait_connected()  # caught, and so not raised once more
        with pytest.raises(ConnectionResetError):
            async with net.connect(server.address().port) as socket:  # type: ignore[union-attr]
                await until(lambda: peers, "it is accepted")
                peers[0].reset_and_destroy()
                await until(lambda: socket.closed, "it is reset")
        server.close()
        await server.wait_closed()

    run(main)

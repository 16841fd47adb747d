"""Servers: where they listen, how they fail to, what close() does, and what is left. What they emit in Node's order is in
test_node_facts.py."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import socket as sockets
import weakref
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.native.support import in_child, open_fds
from tests.unit.net.support import run, until, within
from treadle import AbortController, TreadleError, events, net, process


def test_a_port_that_is_taken_is_an_error_event() -> None:
    async def main() -> None:
        first = net.create_server().listen()
        second = net.create_server()
        before = open_fds()
        failed = events.once(second, "error")
        second.listen(first.address()[1])  # type: ignore[index]
        [error] = await within(failed)
        assert isinstance(error, OSError)
        assert error.errno == errno.EADDRINUSE
        assert not second.listening
        assert open_fds() == before
        first.close()
        second.listen()
        assert second.listening
        second.close()

    run(main)


def test_an_error_that_nobody_listens_for_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        treadle.run(lambda: net.create_server().listen(path=tmp_path / "no" / "such") and None)


def test_a_socket_of_ones_own() -> None:
    async def main() -> None:
        sock = sockets.create_server(("127.0.0.1", 0))
        server = net.create_server().listen(sock=sock)
        assert server.address() == (*sock.getsockname(), "IPv4")
        server.close()
        assert sock.fileno() == -1

    run(main)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"port": -1}, "ERR_OUT_OF_RANGE"),
        ({"port": None}, "ERR_INVALID_ARG_TYPE"),
        ({"port": 0, "callback": "x"}, "ERR_INVALID_ARG_TYPE"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], code: str) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as caught:
            net.create_server().listen(**arguments)
        assert caught.value.code == code
        with pytest.raises(TreadleError):
            net.create_server("no function")  # type: ignore[arg-type]

    run(main)


def test_listening_twice() -> None:
    async def main() -> None:
        server = net.create_server().listen()
        with pytest.raises(TreadleError) as caught:
            server.listen()
        assert caught.value.code == "ERR_SERVER_ALREADY_LISTEN"
        server.close()

    run(main)


def test_the_file_of_a_unix_socket_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    async def main() -> None:
        server = net.create_server(lambda socket: socket.end(b"hello") and None).listen(path=path)
        assert server.address() == str(path)
        client = net.connect(path=path)
        assert [chunk async for chunk in client] == [b"hello"]
        assert client.remote_address is None
        server.close()
        assert not path.exists()
        await server.wait_closed()

    run(main)


def test_a_signal_closes_it() -> None:
    async def main() -> None:
        controller = AbortController()
        server = net.create_server().listen(signal=controller.signal)
        closed = events.once(server, "close")
        controller.abort()
        await within(closed)
        assert not server.listening

    run(main)


def test_a_signal_lets_go_of_a_server_that_is_closed() -> None:
    async def main() -> None:
        controller = AbortController()
        server = net.create_server().listen(signal=controller.signal)
        server.close()
        seen = weakref.ref(server)
        del server
        await until(lambda: gc.collect() is None or seen() is None, "nobody has it any more")
        controller.abort()

    run(main)


def test_a_connection_that_cannot_become_a_socket_is_closed() -> None:
    async def main() -> None:
        server = net.create_server(high_water_mark=-1).listen()
        failures: list[BaseException] = []
        process.on("uncaught_exception", failures.append)
        try:
            peer = sockets.create_connection(server.address()[:2])  # type: ignore[index,arg-type]
            peer.setblocking(False)
            await until(lambda: failures, "it fails")
            reader, writer = await asyncio.open_connection(sock=peer)
            assert await within(reader.read()) == b""
            writer.close()
        finally:
            process.off("uncaught_exception", failures.append)
        assert [getattr(error, "code", None) for error in failures] == ["ERR_INVALID_ARG_VALUE"]
        server.close()

    run(main)


def test_its_descriptor_is_closed_once() -> None:
    async def main() -> None:
        before = open_fds()
        server = net.create_server().listen()
        server.close()
        assert open_fds() == before
        other = os.open("/dev/null", os.O_RDONLY)  # takes its number
        server.close()
        server.close()
        await server.wait_closed()
        os.fstat(other)
        os.close(other)

    run(main)


def test_a_program_that_ends_while_it_serves_leaves_nothing() -> None:
    before = open_fds()
    peers: list[sockets.socket] = []

    async def main() -> None:
        server = net.create_server(lambda socket: None, pause_on_connect=True).listen().unref()
        for _ in range(3):
            peers.append(sockets.create_connection(server.address()[:2]))  # type: ignore[index,arg-type]
        await until(lambda: server.connections == 3, "they are accepted")

    run(main)
    for peer in peers:
        peer.settimeout(5)
        assert peer.recv(1) == b"", "the connections have ended with the program"
        peer.close()
    assert open_fds() == before


def test_more_than_max_connections_are_dropped() -> None:
    async def main() -> None:
        server = net.create_server().listen()
        server.max_connections = 1
        dropped = events.once(server, "drop")
        first = net.connect(server.address()[1])  # type: ignore[index]
        await until(lambda: server.connections == 1, "the first")
        second = net.connect(server.address()[1])  # type: ignore[index]
        [ends] = await within(dropped)
        assert ends["remote_port"] == second.local_port or second.local_port is None
        assert ends["local_port"] == server.address()[1]  # type: ignore[index]
        second.resume()
        await within(events.once(second, "close"))
        now = server.statistics()
        assert (now.is_listening, now.connections, now.accepted, now.dropped) == (True, 1, 1, 1)
        first.destroy()
        server.close()
        await server.wait_closed()

    run(main)


def test_without_a_descriptor_left_accepting_pauses(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        server = net.create_server(lambda socket: socket.destroy() and None).listen()
        client = sockets.socket()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(name.split(":")[0]) for name in open_fds())
        filling = [os.open("/dev/null", os.O_RDONLY)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, limits[1]))
        try:
            while True:
                try:
                    filling.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:
                    break
            client.setblocking(False)
            client.connect_ex(server.address()[:2])  # type: ignore[index]
            await until(lambda: caplog.records, "it says so")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for fd in filling:
                os.close(fd)
        assert "accepting pauses" in caplog.text
        await until(lambda: server.statistics().accepted == 1, "it tries again")
        client.close()
        server.close()
        await server.wait_closed()

    run(main)


@pytest.mark.parametrize("listens", [False, True])
def test_a_block_raises_that_it_cannot_listen(listens: bool) -> None:
    """Whoever listens for 'error' hears of it as well; without a block nothing has changed."""
    told: list[int | None] = []

    async def main() -> None:
        async with net.create_server().listen() as first:
            address = first.address()
            assert isinstance(address, net.Address)
            second = net.create_server()
            if listens:
                second.on("error", lambda error: told.append(error.errno))
            with pytest.raises(OSError) as caught:
                async with second.listen(address.port):
                    raise AssertionError("it does not listen")
            assert caught.value.errno == errno.EADDRINUSE
            await asyncio.sleep(0)
            assert not second.listening
            async with second.listen():  # it may try elsewhere
                assert second.listening
            if not listens:
                error = events.once(second, "error")
                second.listen(address.port)
                assert (await error)[0].errno == errno.EADDRINUSE

    run(main)
    assert told == ([errno.EADDRINUSE] if listens else [])


@pytest.mark.parametrize("is_entered", [False, True])
def test_of_two_failures_in_one_turn_none_is_lost(tmp_path: Path, is_entered: bool) -> None:
    """A block raises the second one."""
    failures: list[Any] = []

    async def main() -> None:
        process.on("uncaught_exception", failures.append)
        try:
            server = net.create_server()
            server.listen(path=tmp_path / "no" / "first")
            server.listen(path=tmp_path / "no" / "second")
            if is_entered:
                with pytest.raises(FileNotFoundError, match="second"):
                    async with server:
                        raise AssertionError("it does not listen")
            await asyncio.sleep(0)
        finally:
            process.off("uncaught_exception", failures.append)

    run(main)
    told = [str(failure).rpartition("/")[2] for failure in failures]
    assert told == (["first"] if is_entered else ["first", "second"])


def test_trying_one_place_after_the_other(tmp_path: Path) -> None:
    """In one turn: what each block has raised is told nowhere else."""

    async def main() -> None:
        server = net.create_server()
        for name in ("first", "second"):
            with pytest.raises(FileNotFoundError, match=name):
                async with server.listen(path=tmp_path / "no" / name):
                    raise AssertionError("it does not listen")
        async with server.listen(path=tmp_path / "third"):
            assert server.listening
            await asyncio.sleep(0)

    run(main)


def test_a_coroutine_function_serves_a_connection() -> None:
    async def main() -> None:
        async def shout(socket: net.Socket) -> None:
            async for chunk in socket:
                await socket.ready()
                socket.write(chunk.upper())
            socket.end()

        async with net.create_server(shout, allow_half_open=True).listen() as server:
            client = net.connect(server.address()[1])  # type: ignore[index]
            client.end("hello")
            assert b"".join([chunk async for chunk in client]) == b"HELLO"
        assert not server.listening
        assert server.connections == 0

    run(main)


def test_a_block_that_fails_destroys_the_connections() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with net.create_server().listen() as server:
                client = net.connect(server.address()[1])  # type: ignore[index]
                client.on("error", lambda _: None).resume()
                await until(lambda: server.connections == 1, "it is accepted")
                raise ZeroDivisionError
        assert server.connections == 0
        await until(lambda: client.closed, "the client sees it")

    run(main)


@pytest.mark.parametrize("is_refed", [True, False])
def test_it_holds_the_program_while_it_listens(is_refed: bool) -> None:
    from treadle.timers import set_timeout

    stopped: list[int] = []

    def main() -> None:
        server = net.create_server()
        (server.ref() if is_refed else server.unref()).listen()

        def stop() -> None:
            stopped.append(1)
            server.close()

        set_timeout(stop, 50).unref()

    treadle.run(main)
    assert bool(stopped) == is_refed


def test_repr() -> None:
    async def main() -> None:
        server = net.create_server()
        assert repr(server) == "<Server closed connections=0>"
        server.listen()
        assert repr(server).startswith("<Server listening on Address(address='127.0.0.1', port=")
        server.close()

    run(main)


def test_a_coroutine_listener_that_fails_leaves_nothing_open() -> None:
    async def main() -> None:
        async def listener(socket: net.Socket) -> None:
            raise ZeroDivisionError

        failed = events.once(process._process, "unhandled_rejection")
        server = net.create_server(listener).listen()
        client = net.connect(server.address()[1])  # type: ignore[index]
        [error, *_] = await within(failed)
        assert isinstance(error, ZeroDivisionError)
        assert [chunk async for chunk in client] == []
        server.close()
        await within(server.wait_closed())

    run(main)


def test_a_peer_that_resets_ends_no_coroutine_listener_but_its_own() -> None:
    async def main() -> None:
        ended: list[BaseException] = []

        async def listener(socket: net.Socket) -> None:
            try:
                async with socket:
                    while True:
                        await socket.ready()
                        socket.write(b"tick")
                        await asyncio.sleep(0)
            except BaseException as error:
                ended.append(error)
                raise

        server = net.create_server(listener).listen()
        client = sockets.create_connection(server.address()[:2])  # type: ignore[index]
        client.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await until(lambda: server.connections == 1, "a connection")
        client.close()
        await until(lambda: bool(ended), "the listener has ended")
        assert isinstance(ended[0], OSError)
        assert server.listening
        server.close()
        await within(server.wait_closed())

    run(main)


@pytest.mark.parametrize("how", ["reset", "destroy", "destroy with an error"])
def test_who_waits_until_a_socket_is_ready_hears_that_it_has_closed(how: str) -> None:
    async def main() -> None:
        outcomes: list[BaseException] = []

        async def feed(socket: net.Socket) -> None:
            sockets.append(socket)
            try:
                while True:
                    await socket.ready()
                    socket.write(b"x" * 65536)
            except (TreadleError, OSError) as error:
                outcomes.append(error)

        sockets: list[net.Socket] = []
        async with net.create_server(feed).listen() as server:
            client = net.connect(server.address()[1]).pause()  # type: ignore[index]
            await until(lambda: bool(sockets) and sockets[0].writable_need_drain, "the server waits")
            if how == "reset":
                client.reset_and_destroy()
            else:
                sockets[0].on("error", lambda _: None).destroy(OSError("ours") if "error" in how else None)
            await until(lambda: bool(outcomes), "who waited is told")
            client.on("error", lambda _: None).destroy()
        assert isinstance(outcomes[0], OSError)  # destroyed without an error: ECANCELED, of the write under way

    run(main)


def test_the_file_of_a_unix_socket_that_does_not_get_to_listen_goes_too(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        server = net.create_server()
        with pytest.raises(TypeError):
            server.listen(path=path, backlog="many")  # type: ignore[arg-type]
        assert not path.exists() and not server.listening
        server.listen(path=path).close()
        assert not path.exists()

    run(main)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_the_file_of_a_unix_socket_is_removed_by_whoever_made_it(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        server = net.create_server().listen(path=path)

        def act() -> bool:
            server.close()
            return True

        assert in_child(act) == 0
        assert path.exists(), "a forked child has closed its copy: its parent still listens"
        path.unlink()
        other = net.create_server().listen(path=path)
        server.close()
        assert path.exists(), "it is another server's by now"
        other.close()
        assert not path.exists()

    run(main)

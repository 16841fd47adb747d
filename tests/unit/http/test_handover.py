"""A connection becomes a listener's socket: upgrades, tunnels, clients whose message is refused. Every byte arrives, every
descriptor is closed, and the server knows of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket as sockets
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.tls import make_certificate
from tests.unit.http.support import bounded, until
from tests.unit.http.test_departures import connect, reset
from treadle import TreadleError, http, tls
from treadle.streams import pipeline
from treadle.timers import promises

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
CONNECT = b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
DATA = bytes(range(256)) * 400


def count_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextlib.asynccontextmanager
async def listening(
    handler: Callable[[Any, Any], Any] | None = None, timeouts: http.Timeouts | None = None, **listeners: Callable[..., Any]
) -> AsyncIterator[http.Server]:
    """A server with these listeners; at the end it has closed, and no descriptor is left."""
    before = count_fds()
    server = http.create_server(handler, timeouts=timeouts)
    for event, listener in listeners.items():
        server.on(event, listener)
    server.listen(0)
    try:
        yield server
    finally:
        server.close()
        server._core.close_all_connections()
        await server.wait_closed()
        assert server.connections == 0
        await until(lambda: count_fds() == before)


async def read(client: sockets.socket, size: int | None = None) -> bytes:
    """So many bytes, or all until the end."""
    loop = asyncio.get_running_loop()
    data = b""
    while (size is None or len(data) < size) and (chunk := await loop.sock_recv(client, 65_536)):
        data += chunk
    return data


async def send(client: sockets.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)


async def echo(_: Any, socket: Any, head: bytes) -> None:
    socket.write(SWITCHING + head)
    await pipeline(socket, socket)


def echo_by_events(_: Any, socket: Any, head: bytes) -> None:
    socket.write(SWITCHING + head)
    socket.pipe(socket)


@pytest.mark.parametrize("listener", [echo, echo_by_events])
@pytest.mark.parametrize("event", ["upgrade", "connect"])
def test_bytes_go_both_ways(listener: Any, event: str) -> None:
    offer = UPGRADE if event == "upgrade" else CONNECT

    async def main() -> None:
        async with listening(**{event: listener}) as server:
            client = connect(server)
            sending = asyncio.ensure_future(send(client, offer + DATA))
            assert await read(client, len(SWITCHING + DATA)) == SWITCHING + DATA
            await sending
            client.shutdown(sockets.SHUT_WR)
            assert await read(client) == b""
            await until(lambda: server.connections == 0)
            client.close()

    bounded(main)


@pytest.mark.parametrize("before", [b"", GET], ids=["alone", "behind a request"])
def test_an_offer_in_two_pieces(before: bytes) -> None:
    """Cut everywhere, its head among it."""
    sent = before + UPGRADE + b"abc"

    async def main() -> None:
        async with listening(lambda req, res: res.end("plain"), upgrade=echo) as server:
            for cut in range(len(before) + 1, len(sent)):
                client = connect(server)
                client.sendall(sent[:cut])
                for _ in range(3):
                    await promises.immediate()
                client.sendall(sent[cut:])
                got = b""
                while not got.endswith(b"abc"):
                    got += await read(client, 1)
                assert got.endswith((b"plain" if before else b"") + SWITCHING + b"abc")
                client.close()

    bounded(main)


def test_earlier_answers_come_first() -> None:
    """More than the kernel takes at once: what is left of it goes with the socket."""
    large = b"x" * 6_000_000

    async def main() -> None:
        async with listening(lambda req, res: res.end(large), upgrade=echo) as server:
            client = connect(server)
            client.sendall(GET + UPGRADE + b"abc")
            got = await read(client, len(large) + len(SWITCHING) + 3)
            while not got.endswith(b"abc"):
                got += await read(client, 1)
            head, _, rest = got.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert rest == large + SWITCHING + b"abc"
            client.close()

    bounded(main)


def test_what_ends_with_the_offer_has_ended() -> None:
    async def main() -> None:
        async with listening(upgrade=echo) as server:
            client = connect(server)
            client.sendall(UPGRADE + b"abc")
            client.shutdown(sockets.SHUT_WR)
            assert await read(client) == SWITCHING + b"abc"
            client.close()

    bounded(main)


def test_the_request_is_whole_and_knows_its_peer() -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def listener(req: http.IncomingMessage, socket: Any, head: bytes) -> None:
            seen.extend((req.url, req.headers["upgrade"], req.remote_address, await req.read(), req.signal.aborted))
            seen.append(socket.remote_port)
            socket.destroy()

        async with listening(upgrade=listener) as server:
            client = connect(server)
            name = client.getsockname()
            client.sendall(UPGRADE)
            assert await read(client) == b""
            assert seen == ["/up", "echo", name, b"", False, name[1]]
            client.close()

    bounded(main)


def test_no_deadline_of_http_is_left() -> None:
    timeouts = http.Timeouts(headers_s=0.02, request_s=0.02, keep_alive_s=0.02, send_progress_s=0.02, linger_s=0.02)

    async def main() -> None:
        async with listening(timeouts=timeouts, upgrade=echo) as server:
            client = connect(server)
            client.sendall(UPGRADE)
            assert await read(client, len(SWITCHING)) == SWITCHING
            await asyncio.sleep(0.2)
            client.sendall(b"abc")
            assert await read(client, 3) == b"abc"
            client.close()

    bounded(main)


def unsent_limit_of_peer(client: sockets.socket) -> int:
    """What the kernel takes beyond what is on its way, of the other end, which is in this process, too."""
    for name in os.listdir("/proc/self/fd"):
        try:
            other = sockets.socket(fileno=int(name))
        except OSError:
            continue  # something else, or closed by now: the listing itself had one
        try:
            if other.getpeername() == client.getsockname():
                return other.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NOTSENT_LOWAT)
        except OSError:
            pass  # it listens
        finally:
            other.detach()
    raise AssertionError("it has no peer here")


def test_the_kernel_takes_as_much_as_it_likes_of_what_is_no_http() -> None:
    async def main() -> None:
        async with listening(lambda req, res: res.end("plain"), upgrade=echo) as server:
            client = connect(server)
            client.sendall(GET)
            await read(client, 1)
            assert unsent_limit_of_peer(client) == 128 * 1024
            client.sendall(UPGRADE)
            data = b""
            while SWITCHING not in data:
                data += await read(client, 1)
            assert unsent_limit_of_peer(client) == 0  # the system decides
            client.shutdown(sockets.SHUT_WR)
            assert await read(client) == b""
            client.close()

    bounded(main)


def test_a_server_that_closes_waits_for_them() -> None:
    async def main() -> None:
        told: list[str] = []
        async with listening(upgrade=echo) as server:
            server.on("close", lambda: told.append("close"))
            client = connect(server)
            client.sendall(UPGRADE)
            assert await read(client, len(SWITCHING)) == SWITCHING
            server.close()
            server.close_all_connections()  # COMPAT(node): not these
            await promises.sleep(5)
            client.sendall(b"abc")
            assert await read(client, 3) == b"abc"
            assert (server.connections, told) == (1, [])
            client.close()
            await server.wait_closed()
            await promises.immediate()
            assert (server.connections, told) == (0, ["close"])

    bounded(main)


def test_a_stop_ends_them() -> None:
    async def main() -> None:
        async with listening(upgrade=echo) as server:
            client = connect(server)
            client.sendall(UPGRADE)
            assert await read(client, len(SWITCHING)) == SWITCHING
            await server.shutdown(0.2)
            assert await read(client) == b""
            assert server.connections == 0
            client.close()

    bounded(main)


def test_a_listener_that_fails_leaves_nothing_open(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        def at_once(req: Any, socket: Any, head: bytes) -> None:
            raise RuntimeError("at once")

        async def later(req: Any, socket: Any, head: bytes) -> None:
            await promises.immediate()
            raise RuntimeError("later")

        for listener in (at_once, later):
            async with listening(upgrade=listener) as server:
                client = connect(server)
                client.sendall(UPGRADE)
                assert await read(client) == b""
                await until(lambda: server.connections == 0)
                client.close()

    with caplog.at_level(logging.ERROR, "treadle.http"):
        bounded(main)
    assert [record.getMessage() for record in caplog.records] == ["a listener of 'upgrade' has failed"] * 2


def test_a_listener_that_fails_leaves_nothing_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("marker-second")

    async def main() -> None:
        async with listening(upgrade=echo) as server:
            server.on("upgrade", fails)
            with connect(server) as client:
                client.sendall(UPGRADE)
                assert await read(client) == b""
            gc.collect()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        bounded(main)
    assert not [one for one in warned if "never awaited" in str(one.message)]
    assert "marker-second" in caplog.text


def test_a_client_that_resets_ends_no_program() -> None:
    async def main() -> None:
        kept: list[Any] = []
        async with listening(upgrade=lambda req, socket, head: kept.append(socket)) as server:
            client = connect(server)
            client.sendall(UPGRADE)
            await until(lambda: kept)
            reset(client)
            kept[0].resume()
            await until(lambda: server.connections == 0)

    bounded(main)


def test_a_listener_that_has_gone_gets_none() -> None:
    async def main() -> None:
        def once(req: Any, socket: Any, head: bytes) -> None:
            socket.end(SWITCHING)

        async with listening(lambda req, res: res.end("plain")) as server:
            server.once("upgrade", once)
            for expected in (SWITCHING, b"plain"):
                client = connect(server)
                client.sendall(UPGRADE)
                got = b""
                while not got.endswith(expected):
                    got += await read(client, 1)
                client.close()
                await promises.immediate()

    bounded(main)


def test_should_upgrade_that_fails_is_no_upgrade(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with listening(lambda req, res: res.end("plain"), upgrade=echo) as server:
            server.should_upgrade = lambda req: bool(1 / 0)
            client = connect(server)
            client.sendall(UPGRADE)
            assert (await read(client, 1)).endswith(b"plain")
            client.close()

    bounded(main)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "sent",
    [
        CONNECT.replace(b"b:1 ", b"/ "), CONNECT.replace(b"b:1 ", b"b "), CONNECT.replace(b"b:1 ", b"http://b:1/ "),
        CONNECT.replace(b"b:1 ", b"b: "), CONNECT.replace(b"b:1 ", b"[::1] "),
        CONNECT.replace(b"b:1 ", b"b:1,c:1 "), CONNECT[:-2] + b"Content-Length: 1\r\n\r\na",
        CONNECT[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_a_tunnel_that_cannot_be(sent: bytes) -> None:
    async def main() -> None:
        async with listening(connect=echo) as server:
            client = connect(server)
            client.sendall(sent)
            assert (await read(client)).startswith(b"HTTP/1.1 400 ")
            client.close()

    bounded(main)


# ---- clients whose message is refused


@pytest.mark.parametrize(
    ("sent", "reason", "status"),
    [
        (b"bad\r\n\r\n", "SYNTAX", 400),
        (b"GET / HTTP/1.1\r\n\r\n", "HOST", 400),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "LINE_TOO_LONG", 414),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", "SYNTAX", 400),
        (b"GET / HTTP/1.1\r\nHost:", "HEAD_TIMEOUT", 408),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", "BODY_TIMEOUT", 408),
    ],
)
def test_a_listener_answers_for_us(sent: bytes, reason: str, status: int) -> None:
    timeouts = http.Timeouts(headers_s=0.05, request_s=0.05)

    async def main() -> None:
        errors: list[TreadleError] = []

        def listener(error: TreadleError, socket: Any) -> None:
            errors.append(error)
            socket.end(f"HTTP/1.1 {error.data['status']} Mine\r\n\r\n".encode())

        kept: list[Any] = []
        async with listening(lambda req, res: kept.extend((req, res)), timeouts, client_error=listener) as server:
            client = connect(server)
            client.sendall(sent)
            assert await read(client) == f"HTTP/1.1 {status} Mine\r\n\r\n".encode()
            assert [error.code for error in errors] == ["ERR_HTTP_CLIENT_ERROR"]
            if reason != "SYNTAX":
                assert errors[0].data["reason"] == reason
            assert not kept or (kept[0].aborted and kept[1].is_lost)
            client.close()
            await until(lambda: server.connections == 0)

    bounded(main)


def test_a_listener_that_forgets_the_socket_holds_it_no_longer_than_the_linger() -> None:
    async def main() -> None:
        async with listening(timeouts=http.Timeouts(linger_s=0.05), client_error=lambda error, socket: None) as server:
            client = connect(server)
            client.sendall(b"bad\r\n\r\n")
            assert await read(client) == b""
            await until(lambda: server.connections == 0)
            client.close()

    bounded(main)


def test_a_refused_client_that_goes_on_sending_is_held_no_longer_either() -> None:
    async def main() -> None:
        async with listening(timeouts=http.Timeouts(linger_s=0.05), client_error=lambda error, socket: None) as server:
            client = connect(server)
            client.sendall(b"bad\r\n\r\n")
            while server.connections:  # each byte comes sooner than the linger
                with contextlib.suppress(ConnectionError):
                    client.send(b"x")
                await promises.sleep(5)
            client.close()

    bounded(main)


def test_an_answer_that_has_begun_is_still_cut() -> None:
    async def main() -> None:
        errors: list[object] = []
        async with listening(lambda req, res: res.write("first"), client_error=lambda *both: errors.append(both)) as server:
            client = connect(server)
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            await read(client, 1)
            client.sendall(b"z\r\n")
            with contextlib.suppress(ConnectionError):
                await read(client)
            assert errors == []
            client.close()

    bounded(main)


# ---- connections


def test_connections_are_told_and_can_be_cut() -> None:
    async def main() -> None:
        ones: list[Any] = []
        closed: list[Any] = []

        def connected(one: Any) -> None:
            ones.append(one)
            one.on("close", lambda: closed.append(one))

        async with listening(lambda req, res: None, connection=connected) as server:
            client = connect(server)
            await until(lambda: ones)
            assert ones[0].remote_address == client.getsockname()
            assert ones[0].local_address == server.address()
            assert not ones[0].destroyed
            ones[0].destroy()
            with contextlib.suppress(ConnectionError):
                assert await read(client) == b""
            await until(lambda: closed)
            assert (closed, ones[0].destroyed) == (ones, True)
            ones[0].destroy()
            client.close()

    bounded(main)


def test_a_connection_that_was_taken_over_closes_with_its_socket() -> None:
    async def main() -> None:
        told: list[str] = []
        async with listening(upgrade=echo, connection=lambda one: one.on("close", lambda: told.append("close"))) as server:
            client = connect(server)
            client.sendall(UPGRADE)
            assert await read(client, len(SWITCHING)) == SWITCHING
            await promises.sleep(5)
            assert told == []
            client.close()
            await until(lambda: told)
            await promises.immediate()
            assert told == ["close"]

    bounded(main)


def test_too_many_connections_are_closed() -> None:
    async def main() -> None:
        drops: list[Any] = []
        async with listening(lambda req, res: res.end("x"), upgrade=echo, drop=drops.append) as server:
            server.max_connections = 2
            first, second = connect(server), connect(server)
            first.sendall(UPGRADE)
            assert await read(first, len(SWITCHING)) == SWITCHING
            second.sendall(GET)
            await read(second, 1)
            third = connect(server)
            with contextlib.suppress(ConnectionError):
                assert await read(third) == b""
            await until(lambda: drops)
            assert drops[0]["remote_port"] == third.getsockname()[1]
            assert server.connections == 2
            first.close()
            await until(lambda: server.connections == 1)
            fourth = connect(server)
            fourth.sendall(GET)
            assert (await read(fourth, 1)).startswith(b"HTTP/1.1 200")
            for client in (second, third, fourth):
                client.close()

    bounded(main)


def test_the_last_request_of_a_connection() -> None:
    async def main() -> None:
        async with listening(lambda req, res: res.end("x")) as server:
            server.max_requests_per_socket = 2
            client = connect(server)
            client.sendall(GET)
            assert b"close" not in await read(client, 1)
            client.sendall(GET)
            assert b"\r\nConnection: close\r\n" in await read(client)
            client.close()
            server.max_requests_per_socket = 0

    bounded(main)


def test_the_access_log_has_a_line_for_each(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def main() -> None:
        ids: list[object] = []
        lines = http.access_log(log)

        def ends(req: http.IncomingMessage, socket: Any, head: bytes) -> None:
            ids.append(req.id)
            socket.end()

        server = http.create_server(access_log=lines, request_ids="on")
        server.on("upgrade", ends).on("connect", ends).on("client_error", lambda error, socket: socket.end())
        server.listen(0)
        for sent in (UPGRADE, CONNECT, b"POST / HTTP/1.1\r\n\r\n"):
            client = connect(server)
            client.sendall(sent)
            assert await read(client) == b""
            client.close()
        await until(lambda: log.read_bytes().count(b"\n") == 3)
        assert [line.split('"')[2].split()[0] for line in log.read_text().splitlines()] == ["101", "200", "400"]
        assert len(set(ids)) == 2
        assert None not in ids
        server.close()
        await server.wait_closed()
        lines.close()

    bounded(main)


def test_settings_of_node() -> None:
    async def main() -> None:
        server = http.create_server()
        assert (server.max_connections, server.max_requests_per_socket) == (None, 0)
        assert (server.headers_timeout, server.request_timeout, server.keep_alive_timeout) == (20_000, 300_000, 75_000)
        server.headers_timeout = server.request_timeout = server.keep_alive_timeout = 5
        assert (server.headers_timeout, server.request_timeout, server.keep_alive_timeout) == (5, 5, 5)
        with pytest.raises(TreadleError) as raised:
            server.headers_timeout = 0
        assert raised.value.code == "ERR_OUT_OF_RANGE"

    bounded(main)
    gc.collect()


@pytest.mark.parametrize("event", ["upgrade", "connect"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_what_encrypts_goes_with_the_socket(tmp_path: Path, event: str, version: str) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    context = ssl.create_default_context(cafile=str(certificate))
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    offer = UPGRADE if event == "upgrade" else CONNECT
    received: list[bytes] = []

    async def main() -> None:
        server = http.create_server(tls=tls.ServerOptions(cert=certificate))
        server.on(event, echo)
        server.listen(0)

        def client() -> None:
            plain = sockets.create_connection(("127.0.0.1", server.address()[1]), 20)
            with plain, context.wrap_socket(plain, server_hostname="localhost") as secured:
                secured.sendall(offer + b"behind it")
                while sum(map(len, received)) < len(SWITCHING) + 9:
                    received.append(secured.recv(65_536))
                for start in range(0, len(DATA), 10_000):
                    secured.sendall(DATA[start : start + 10_000])
                while sum(map(len, received)) < len(SWITCHING) + 9 + len(DATA):
                    received.append(secured.recv(65_536))
                secured.unwrap()  # a goodbye each way

        await asyncio.to_thread(client)
        server.close()
        await server.wait_closed()

    bounded(main)
    assert b"".join(received) == SWITCHING + b"behind it" + DATA

"""HTTPS where it is not HTTP: records without data, plain text, other certificates, sockets that TLS takes over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket as sockets
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration import openssl
from tests.unit.http.support import bounded, until
from tests.unit.http.test_departures import connect
from tests.unit.http.test_handover import GET, SWITCHING, UPGRADE, listening, read, send
from treadle import events, http, net, tls
from treadle.timers import promises

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


class Peer:
    """A client that can do what Python's ssl cannot. Its socket does not block."""

    def __init__(self, server: http.Server, tls: openssl.Client) -> None:
        self.socket = connect(server)
        self.socket.setblocking(False)
        self.tls = tls
        self.has_ended = False

    def received(self) -> bytes:
        """What is there, as it came."""
        found = b""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while data := self.socket.recv(65_536):
                found += data
            self.has_ended = True
        return found

    async def shake_hands(self) -> None:
        while not self.tls.is_done:
            if data := self.tls.shake_hands(self.received()):
                self.socket.sendall(data)
            await promises.sleep(1)

    async def ask(self) -> bytes:
        """A request, and the answer."""
        self.socket.sendall(self.tls.records(GET))
        answer = b""
        while not answer.endswith(b"hello"):
            answer += self.tls.read(self.received())
            await promises.sleep(1)
        return answer


class Served:
    """A server of HTTPS, and one connection of its."""

    def __init__(self, server: http.Server, peer: Peer, connection: Any) -> None:
        self.server = server
        self.peer = peer
        self.connection = connection

    async def fill_the_kernel(self) -> None:
        """Until the server's side of the connection takes nothing more. It is no TLS: the client must not look at it."""
        fd = int(re.search(r"fd=(\d+)", repr(self.connection._connection))[1])  # type: ignore[index]
        self.peer.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 16_384)  # given by hand they do not grow
        with sockets.socket(fileno=os.dup(fd)) as side:
            side.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 16_384)
            for size in (65_536, 1, 1, 1, 1):
                with contextlib.suppress(BlockingIOError):
                    while True:
                        side.send(bytes(size))
                await promises.sleep(20)


@contextlib.asynccontextmanager
async def served(contexts: Contexts, **timeouts: float) -> AsyncIterator[Served]:
    """Hands are shaken, and one request is answered."""
    connections: list[Any] = []
    server = http.create_server(lambda req, res: res.end("hello"), tls=contexts[0], timeouts=http.Timeouts(**timeouts))
    server.on("connection", connections.append)
    server.listen(0)
    with openssl.client() as client:
        peer = Peer(server, client)
        try:
            await peer.shake_hands()
            await peer.ask()
            yield Served(server, peer, connections[0])
        finally:
            peer.socket.close()
            server.close()
            server.close_all_connections()
            await server.wait_closed()


# ---- records that hold no data


def test_other_keys_do_not_begin_the_idle_time_anew(contexts: Contexts) -> None:
    # The answers of TLS itself wait for a kernel that takes nothing, then leave, again and again.
    async def main() -> None:
        async with served(contexts, keep_alive_s=1.0, send_progress_s=20.0) as one:
            for _ in range(14):
                await one.fill_the_kernel()
                one.peer.socket.sendall(one.peer.tls.key_updates(2, asks=True))
                await promises.sleep(50)
                for _ in range(10):
                    await promises.sleep(20)
                    one.peer.received()
                if one.connection.destroyed:
                    return
            raise AssertionError("it is held for ever")

    bounded(main)


def test_a_stop_does_not_wait_for_what_turns_out_to_be_no_request(contexts: Contexts) -> None:
    async def main() -> None:
        async with served(contexts) as one:
            one.peer.socket.sendall(one.peer.tls.key_updates(1))
            one.server.close()  # it is in the kernel, and may be a request as far as the server can see
            await one.server.wait_closed()
            assert one.connection.destroyed
            await until(lambda: one.peer.received() is not None and one.peer.has_ended)

    bounded(main)


def test_a_stop_waits_for_a_request_behind_it(contexts: Contexts) -> None:
    async def main() -> None:
        async with served(contexts) as one:
            one.peer.socket.sendall(one.peer.tls.key_updates(1) + one.peer.tls.records(GET))
            one.server.close()
            answer = b""
            while not answer.endswith(b"hello"):
                answer += one.peer.tls.read(one.peer.received())
                await promises.sleep(1)
            assert b"Connection: close" in answer
            await one.server.wait_closed()

    bounded(main)


@pytest.mark.parametrize("first", [1, 5, 20])
def test_a_stop_waits_for_a_request_of_which_a_part_has_come(contexts: Contexts, first: int) -> None:
    async def main() -> None:
        async with served(contexts) as one:
            record = one.peer.tls.records(GET)
            one.peer.socket.sendall(record[:first])
            one.server.close()
            for _ in range(5):
                await promises.immediate()
            one.peer.socket.sendall(record[first:])
            answer = b""
            while not answer.endswith(b"hello"):
                answer += one.peer.tls.read(one.peer.received())
                await promises.sleep(1)
            await one.server.wait_closed()

    bounded(main)


def test_who_only_changes_keys_is_cut(contexts: Contexts) -> None:
    async def main() -> None:
        async with served(contexts) as one:
            one.peer.socket.sendall(one.peer.tls.key_updates(1_000))
            await until(lambda: one.connection.destroyed)

    bounded(main)


# ---- plain text


@pytest.mark.parametrize("body", [0, 100_000, 3_000_000])
@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
def test_plain_http_is_answered_whatever_its_size(contexts: Contexts, method: bytes, body: int) -> None:
    async def main() -> None:
        server = http.create_server(lambda req, res: res.end("never"), tls=contexts[0]).listen(0)
        client = connect(server)
        await send(client, method + b" / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % body + bytes(body))
        answer = await read(client)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"https://" in answer
        assert b"Connection: close" in answer
        client.close()
        await until(lambda: server.connections == 0)
        server.close()
        await server.wait_closed()

    bounded(main)


def test_plain_http_that_never_ends_is_cut(contexts: Contexts) -> None:
    async def main() -> None:
        server = http.create_server(None, tls=contexts[0], timeouts=http.Timeouts(linger_s=0.05)).listen(0)
        client = connect(server)
        await send(client, b"POST / HTTP/1.1\r\n")
        assert (await read(client)).startswith(b"HTTP/1.1 400 ")
        with pytest.raises(ConnectionError):
            while True:
                await send(client, bytes(1_000))
                await promises.sleep(1)
        client.close()
        server.close()
        await server.wait_closed()

    bounded(main)


@pytest.mark.parametrize("data", [b"\0\1", b"\x80\x2e\1\3\1", b"\r\n", b"\x15\3\1\0\2\2\x28"])
def test_what_is_neither_gets_no_answer_in_http(contexts: Contexts, data: bytes) -> None:
    async def main() -> None:
        server = http.create_server(None, tls=contexts[0]).listen(0)
        client = connect(server)
        await send(client, data + bytes(200))
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in await read(client)
        client.close()
        server.close()
        await server.wait_closed()

    bounded(main)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_who_is_refused_reads_why(certificate: Path, version: ssl.TLSVersion) -> None:
    # Of TLS 1.3 it believes by then that hands are shaken, and has sent more than a receive takes.
    async def main() -> None:
        asked = tls.ServerOptions(cert=certificate, client_cert="required", client_ca=certificate)
        server = http.create_server(lambda req, res: res.end("never"), tls=asked).listen(0)
        with openssl.client(version) as client:
            peer = Peer(server, client)
            answer = b""
            data = client.shake_hands()
            while not peer.has_ended:
                if data:
                    await send(peer.socket, data)
                    data = b""
                    if client.is_done:
                        await send(peer.socket, b"".join(client.records(bytes(16_000)) for _ in range(100)))
                received = peer.received()
                answer += received
                if received and not client.is_done:
                    data = client.shake_hands(received)
                await promises.sleep(1)
            assert answer[-7 if version is ssl.TLSVersion.TLSv1_2 else -24 :][:1] == (b"\x15" if "2" in version.name else b"\x17")
            peer.socket.shutdown(sockets.SHUT_WR)
            peer.socket.close()
        await until(lambda: server.connections == 0)
        server.close()
        await server.wait_closed()

    bounded(main)


# ---- a server that begins to speak TLS


def test_the_scheme_is_the_connections(certificate: Path) -> None:
    async def main() -> None:
        kept: list[Any] = []

        def handle(req: Any, res: Any) -> None:
            kept.append(req)
            res.end(req.scheme)

        async with listening(handle) as server:
            client = connect(server)
            await send(client, GET)
            assert (await read(client, 5)).startswith(b"HTTP/")
            server.set_secure_context(tls.ServerOptions(cert=certificate))
            await send(client, GET)
            await until(lambda: len(kept) == 2)
            assert [req.scheme for req in kept] == ["http", "http"]
            context = ssl.create_default_context(cafile=str(certificate))
            host, port = server.address()  # type: ignore[misc]
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
            writer.write(GET)
            assert (await reader.readuntil(b"https")).endswith(b"https")
            assert [req.scheme for req in kept] == ["http", "http", "https"]
            writer.close()
            client.close()
            await until(lambda: server.connections == 0)
            assert [req.scheme for req in kept] == ["http", "http", "https"]

    bounded(main)


def test_what_a_handler_says_of_a_stream_is_not_said_of_the_next(contexts: Contexts) -> None:
    # Requests and answers that nobody has any more serve again.
    async def main() -> None:
        seen: list[bool] = []

        def handle(req: Any, res: Any) -> None:
            seen.extend((req.allow_half_open, res.allow_half_open))
            req.allow_half_open = res.allow_half_open = False
            res.end("hello")

        async with listening(handle) as server:
            client = connect(server)
            for _ in range(3):
                await send(client, GET)
                await read(client, 10)
            await until(lambda: len(seen) == 6)
            client.close()
        assert seen == [True] * 6

    bounded(main)


# ---- a tunnel that is encrypted from here on


def starttls(context: ssl.SSLContext, secured: list[tls.TLSSocket]) -> Callable[..., Any]:
    async def listener(_: Any, socket: Any, head: bytes) -> None:
        assert head == b""
        socket.write(SWITCHING)
        await socket.ready()
        secure = tls.TLSSocket(context=context, is_server=True, socket=socket)
        secured.append(secure)
        async for chunk in secure:
            if chunk == b"fail":
                raise ValueError("a listener that fails")
            secure.write(chunk.upper())
        secure.end()

    return listener


async def secure_client(server: http.Server, certificate: Path) -> tls.TLSSocket:
    client = connect(server)
    await send(client, UPGRADE)
    assert await read(client, len(SWITCHING)) == SWITCHING
    plain = net.Socket(sock=client)
    secure = tls.connect(socket=plain, tls=tls.ClientOptions(ca=certificate), servername="localhost")
    secure.write(b"hello")
    [answer] = await events.once(secure, "data")
    assert answer == b"HELLO"
    return secure


@pytest.mark.parametrize("ends", ["the client", "the server", "a stop", "its listener"])
def test_a_socket_that_tls_has_taken_over_is_still_the_servers(
    certificate: Path, ends: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        secured: list[tls.TLSSocket] = []
        told: list[str] = []
        context = tls.ServerOptions(cert=certificate).load()
        async with listening(
            upgrade=starttls(context, secured), connection=lambda one: one.on("close", lambda: told.append("close"))
        ) as server:
            client = await secure_client(server, certificate)
            client.on("error", lambda error: None)
            await promises.sleep(5)  # the plain socket has closed meanwhile
            assert server.connections == 1
            assert told == []
            server.max_connections = 1
            late = connect(server)
            assert await read(late) == b""
            late.close()
            if ends == "the client":
                client.end()
            elif ends == "the server":
                secured[0].destroy()
            elif ends == "its listener":
                client.write(b"fail")
            else:
                await server.shutdown(0.2)
            await until(lambda: secured[0].closed)
            await until(lambda: server.connections == 0)
            assert told == ["close"]
            client.destroy()
            await until(lambda: client.closed)

    bounded(main)
    assert ("has failed" in caplog.text) == (ends in ("its listener", "the server"))

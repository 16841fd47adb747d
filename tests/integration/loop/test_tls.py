"""TLS over treadle's transport: asyncio's own state machine above it, so what is asked is whether the two fit together.

Not here: what is told of each record (test_tls_reading.py), written (test_tls_writing.py) and at the end (test_tls_ending.py)."""

import asyncio
import ssl
from asyncio import sslproto
from typing import Any

import pytest

import treadle
from tests.integration.loop.support import BIG, Echo, Recorder, test_of_both, turns
from tests.integration.support import DEADLINE_S
from treadle.loop import tls


@test_of_both
async def test_an_echo_and_its_end(loop, contexts) -> None:
    peers: list[Recorder] = []
    server = await loop.create_server(lambda: peers.append(Echo()) or peers[-1], "127.0.0.1", 0, ssl=contexts[0])
    transport, client = await loop.create_connection(
        Recorder, *server.sockets[0].getsockname(), ssl=contexts[1], server_hostname="localhost"
    )
    assert client.trace == ["made"]
    assert isinstance(transport, sslproto._SSLProtocolTransport)
    assert "SSL" in type(transport).__name__  # so does a test of uvloop's tell what it has
    transport.write(b"hello")
    assert await client.until_data(5) == b"hello"
    assert transport.get_extra_info("sslcontext") is contexts[1]
    assert transport.get_extra_info("ssl_object").version().startswith("TLS")
    assert transport.get_extra_info("cipher")
    assert transport.get_extra_info("peername") == server.sockets[0].getsockname()
    assert dict(entry[0] for entry in transport.get_extra_info("peercert")["subject"])["commonName"] == "localhost"
    transport.close()
    assert await client.until_lost() is None
    assert await peers[0].until_lost() is None
    server.close()
    await server.wait_closed()


@test_of_both
async def test_close_sends_what_waits(loop, contexts) -> None:
    peers: list[Recorder] = []
    server = await loop.create_server(lambda: peers.append(Recorder()) or peers[-1], "127.0.0.1", 0, ssl=contexts[0])
    transport, client = await loop.create_connection(
        Recorder, *server.sockets[0].getsockname(), ssl=contexts[1], server_hostname="localhost"
    )
    transport.write(BIG)
    transport.close()
    await client.until_lost()
    await peers[0].until_lost()
    assert bytes(peers[0].data) == BIG
    server.close()
    await server.wait_closed()


@test_of_both
async def test_a_certificate_that_is_not_trusted(loop, contexts, errors) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=contexts[0])
    with pytest.raises(ssl.SSLCertVerificationError):
        await loop.create_connection(
            Recorder,
            *server.sockets[0].getsockname(),
            ssl=ssl.create_default_context(),
            server_hostname="localhost",
        )
    with pytest.raises(ssl.SSLCertVerificationError):
        await loop.create_connection(Recorder, *server.sockets[0].getsockname(), ssl=contexts[1], server_hostname="elsewhere")
    server.close()
    await turns(20)
    await server.wait_closed()


@test_of_both
async def test_a_client_that_speaks_no_tls(loop, contexts, errors) -> None:
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=contexts[0])
    transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
    transport.write(b"GET / HTTP/1.1\r\n\r\n")
    await client.until_lost()
    server.close()
    await server.wait_closed()


@test_of_both
async def test_a_handshake_that_takes_too_long(loop, contexts) -> None:
    """The peer accepts, and says nothing."""
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    with pytest.raises(ConnectionAbortedError):
        await loop.create_connection(
            Recorder,
            *server.sockets[0].getsockname(),
            ssl=contexts[1],
            server_hostname="localhost",
            ssl_handshake_timeout=0.05,
        )
    server.close()
    await server.wait_closed()


@test_of_both
async def test_start_tls(loop, contexts) -> None:
    """Both sides speak plainly first."""
    done: asyncio.Future[Recorder] = loop.create_future()

    class Upgrades(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if bytes(self.data) == b"STARTTLS":
                self.transport.write(b"go")
                self.upgrade = loop.create_task(self.start())

        async def start(self) -> None:
            secured = Echo()
            secured.transport = await loop.start_tls(self.transport, secured, contexts[0], server_side=True)
            done.set_result(secured)

    server = await loop.create_server(Upgrades, "127.0.0.1", 0)
    transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
    transport.write(b"STARTTLS")
    await client.until_data(2)
    secured = Recorder()
    over_tls = await loop.start_tls(transport, secured, contexts[1], server_hostname="localhost")
    peer = await done
    over_tls.write(b"hello")
    assert await secured.until_data(5) == b"hello"
    assert over_tls.get_extra_info("ssl_object") is not None
    assert bytes(client.data) == b"go"
    over_tls.close()
    await secured.until_lost()
    await peer.until_lost()
    server.close()
    await server.wait_closed()


@test_of_both
async def test_streams_over_tls(loop, contexts) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(shout, "127.0.0.1", 0, ssl=contexts[0])
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=contexts[1], server_hostname="localhost")
    for n in range(5):
        writer.write(b"line %d\n" % n)
        assert await reader.readline() == b"LINE %d\n" % n
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    await turns()


@test_of_both
async def test_tls_over_a_unix_socket(loop, contexts, tmp_path) -> None:
    path = str(tmp_path / "socket")
    server = await loop.create_unix_server(Echo, path, ssl=contexts[0])
    transport, client = await loop.create_unix_connection(Recorder, path, ssl=contexts[1], server_hostname="localhost")
    transport.write(b"hello")
    assert await client.until_data(5) == b"hello"
    transport.abort()
    await client.until_lost()
    server.close()
    await server.wait_closed()
    await turns(20)


def greet(contexts: Any, server_protocol: type[Echo]) -> type[asyncio.Transport]:
    """A client says hello to a server of its own, on treadle's loop, and gets it back. The type of its transport."""

    async def main() -> type[asyncio.Transport]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(server_protocol, "127.0.0.1", 0, ssl=contexts[0])
        transport, client = await loop.create_connection(
            Recorder, *server.sockets[0].getsockname(), ssl=contexts[1], server_hostname="localhost"
        )
        transport.write(b"hello")
        assert await client.until_data(5) == b"hello"
        transport.close()
        await client.until_lost()
        server.close()
        await server.wait_closed()
        return type(transport)

    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main(), DEADLINE_S))


def test_a_connection_holds_no_buffer_of_its_own(contexts) -> None:
    """What came is decrypted from the loop's: asyncio's own takes 256 KiB for each connection."""
    held: list[int] = []

    class Looks(Echo):
        def data_received(self, data: bytes) -> None:
            held.append(len(self.transport._ssl_protocol._ssl_buffer))
            super().data_received(data)

    greet(contexts, Looks)
    assert held == [0]


def test_where_asyncio_does_it_all(contexts, monkeypatch) -> None:
    """On a Python whose SSLProtocol the native class does not know."""
    monkeypatch.setattr(tls, "PROTOCOL", sslproto.SSLProtocol)
    assert greet(contexts, Echo) is sslproto._SSLProtocolTransport

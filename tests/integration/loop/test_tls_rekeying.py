"""TLS that goes on with other keys in mid-stream, as OpenSSL's own client can ask for; TLS within TLS."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator

import pytest

from tests.integration.loop.support import Echo, Recorder, test_of_both, turns
from tests.integration.loop.tls_wire import Wire, wired

ALLOW_CLIENT_RENEGOTIATION = 1 << 8  # SSL_OP_ALLOW_CLIENT_INITIATED_RENEGOTIATION of OpenSSL 3, which Python does not name


class Client:
    """`openssl s_client`, which does what a line of one letter says, and sends any other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen = ""

    async def do(self, line: str, until: str, count: int = 1) -> None:
        """Give it a line; read what it says until it has said something so often."""
        self.process.stdin.write(line.encode() + b"\n")
        while self.seen.count(until) < count:
            data = await self.process.stdout.read(65_536)
            assert data, self.seen
            self.seen += data.decode(errors="replace")


@contextlib.asynccontextmanager
async def client_of(loop, contexts, app, version: str) -> AsyncIterator[Client]:
    """s_client, connected to a server whose only protocol is the app. The app is lost, and both are gone afterwards."""
    contexts[0].options |= ALLOW_CLIENT_RENEGOTIATION
    server = await loop.create_server(lambda: app, "127.0.0.1", 0, ssl=contexts[0])
    address = "127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(shutil.which("openssl"), "s_client", "-connect", address, version, "-msg"),
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    client = Client(process)
    try:
        yield client
        app.transport.close()
        client.seen += (await process.stdout.read()).decode(errors="replace")
        await app.until_lost()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    server.close()
    await server.wait_closed()


@pytest.mark.slow  # it starts a program
@pytest.mark.parametrize(
    ("version", "command", "said", "sign"),
    [
        ("-tls1_3", "k", "KEYUPDATE", "KeyUpdate"),  # without an answer
        ("-tls1_3", "K", "KEYUPDATE", "KeyUpdate"),  # with one, which is written while reading
        ("-tls1_2", "R", "RENEGOTIATING", "Finished"),  # a handshake, which is written while reading
    ],
)
@test_of_both
async def test_new_keys(loop, contexts, version, command, said, sign) -> None:
    app = Echo()
    async with client_of(loop, contexts, app, version) as client:
        await client.do("first line", "first line")
        signs = client.seen.count(sign)
        for n in range(1, 4):
            await client.do(command, said, n)
            await client.do(f"line {n}", f"line {n}")
        assert client.seen.count(sign) >= signs + 3
    assert bytes(app.data) == b"first line\nline 1\nline 2\nline 3\n"
    assert app.trace[:1] == ["made"]


@pytest.mark.slow  # it starts a program
@test_of_both
async def test_what_is_written_while_hands_are_shaken_again(loop, contexts) -> None:
    """OpenSSL takes nothing until the peer has answered: it waits, and leaves in order."""
    app = Echo()
    waited: list[int] = []

    def speak() -> None:
        for n in range(3):
            app.transport.write(b"word %d." % n)
            waited.append(app.transport.get_write_buffer_size())

    async with client_of(loop, contexts, app, "-tls1_2") as client:
        await client.do("first line", "first line")
        socket_transport = app.transport._ssl_protocol._transport
        send = socket_transport.write

        def send_and_speak(data: bytes) -> None:
            send(data)
            socket_transport.write = send
            loop.call_soon(speak)

        socket_transport.write = send_and_speak  # our half of the new handshake is the next that is sent
        await client.do("R", "word 2.")
        await client.do("last line", "last line")
    assert waited == [7, 14, 21]
    assert re.findall(r"word \d\.|last line", client.seen) == ["word 0.", "word 1.", "word 2.", "last line"]


class Inner(Wire):
    """A Wire whose bytes go through another one."""

    def __init__(self, outer: Wire, *args, **options) -> None:
        super().__init__(outer.sock, *args, **options)
        self.outer = outer

    def send(self, data: bytes) -> None:
        if data:
            self.outer.send(self.outer.records(data))

    def _receive(self) -> None:
        self.incoming.write(self.outer.take())
        self.is_ended = self.outer.is_ended


@test_of_both
async def test_tls_within_tls(loop, contexts) -> None:
    outside, app = Recorder(), Echo()
    async with wired(loop, outside, contexts) as wire:
        inner = Inner(wire, contexts[1], server_hostname="localhost")
        upgrade = loop.create_task(loop.start_tls(outside.transport, app, contexts[0], server_side=True))
        while not upgrade.done():
            inner.shake_hands()
            await asyncio.sleep(0)
        app.transport = await upgrade
        inner.shake_hands()
        inner.send(inner.records(b"hello", b" you"))
        await turns(10)
        assert inner.take() == b"hello you"
        for byte in inner.records(b"slowly"):
            inner.send(bytes([byte]))
            await turns()
        assert inner.take() == b"slowly"
        big = bytes(range(256)) * 1024
        rest = inner.records(big)
        while len(inner.plain) < len(big) + 15:
            inner.send(rest[:30_000])
            rest = rest[30_000:]
            inner.take()
            await asyncio.sleep(0)
        assert inner.plain[15:] == big
        app.transport.close()
        await inner.take_until(lambda: inner.said_goodbye)
        inner.send(inner.goodbye())
        await wire.take_until(lambda: wire.said_goodbye)
        wire.send(wire.goodbye())
        await app.until_lost()
        outside.note(("lost", None))  # it was replaced
    assert app.trace[-1] == ("lost", None)
    assert bytes(outside.data) == b""

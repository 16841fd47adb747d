"""Other keys in mid-stream, as OpenSSL's own client can ask for: what is written while reading, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator

import pytest

from tests.unit.tls.support import run, within
from treadle import net, tls

pytestmark = pytest.mark.slow  # it starts a program

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


class Client:
    """`openssl s_client`, which does what a line of one letter says, and sends any other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen = ""

    def say(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    async def until(self, text: str, count: int = 1) -> None:
        """It has said something so often."""
        assert self.process.stdout is not None
        while self.seen.count(text) < count:
            data = await within(self.process.stdout.read(65_536))
            assert data, self.seen
            self.seen += data.decode(errors="replace")


@contextlib.asynccontextmanager
async def client_of(contexts: Contexts, version: str) -> AsyncIterator[Client]:
    """Connected to a server that sends back what comes; gone afterwards."""

    async def echo(sock: tls.TLSSocket) -> None:
        async for chunk in sock:
            sock.write(chunk)
            await sock.ready()

    openssl = shutil.which("openssl")
    assert openssl is not None  # the certificate is made by it
    async with tls.create_server(echo, tls=contexts[0]).listen() as server:
        address = server.address()
        assert isinstance(address, net.Address)
        process = await asyncio.create_subprocess_exec(
            *(openssl, "s_client", "-connect", f"127.0.0.1:{address.port}", version, "-msg"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield Client(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.mark.parametrize("command", ["k", "K"], ids=["told", "asked for"])
def test_new_keys(contexts: Contexts, command: str) -> None:
    async def main() -> None:
        async with client_of(contexts, "-tls1_3") as client:
            client.say("first line")
            await client.until("first line")
            for n in range(1, 20):
                client.say(command)
                await client.until("KEYUPDATE", n)
                client.say(f"line {n}")
                await client.until(f"line {n}\n")

    run(main)


def test_renegotiation_is_refused(contexts: Contexts) -> None:
    async def main() -> None:
        async with client_of(contexts, "-tls1_2") as client:
            client.say("first line")
            await client.until("first line")
            assert client.seen.count("ServerHello\n") == 1
            client.say("R")
            await client.until("no_renegotiation")
            assert client.seen.count("ServerHello\n") == 1

    run(main)

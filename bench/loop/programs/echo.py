"""An echo server on a Python event loop: the same text for every loop. Its twin in Node is echo.js.

    PORT=8000 echo.py LOOP WAY        LOOP: asyncio, uvloop, rloop, treadle; WAY: protocol, buffered, streams

With $CERTIFICATE (a PEM file, key and certificate) it speaks TLS.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import ssl
import sys

READ_MAX = 65_536


class Echo(asyncio.Protocol):
    """What came is written back."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Write it back."""
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """The same, with a buffer of its own for each connection."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_MAX))

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the transport."""
        self.transport = transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Always the whole buffer: what came is written at once."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Write it back. A copy: what the kernel does not take now is kept by the transport."""
        self.transport.write(bytes(self.buffer[:nbytes]))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same, by streams."""
    try:
        while data := await reader.read(READ_MAX):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(way: str) -> None:
    """Until the process is told to end."""
    port = int(os.environ["PORT"])
    context = None
    if certificate := os.environ.get("CERTIFICATE"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    if way == "streams":
        server = await asyncio.start_server(echo, "127.0.0.1", port, ssl=context)
    else:
        factory = {"protocol": Echo, "buffered": BufferedEcho}[way]
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", port, ssl=context)
    assert server.is_serving()
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    module = asyncio if sys.argv[1] == "asyncio" else importlib.import_module(sys.argv[1])
    module.new_event_loop().run_until_complete(serve(sys.argv[2]))

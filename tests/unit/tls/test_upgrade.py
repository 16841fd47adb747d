"""A plain connection that goes on encrypted: STARTTLS, at either end."""

from __future__ import annotations

import socket as sockets
import ssl
from typing import Any

import pytest

from tests.integration.loop.tls_wire import Wire
from tests.unit.tls.support import Seen, raw_pair, run, shake, until, within
from treadle import events, net, tls
from treadle._base.errors import TreadleError

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


def test_both_ends_of_a_connection(contexts: Contexts) -> None:
    async def main() -> None:
        async def serve(plain: net.Socket) -> None:
            [line] = await events.once(plain, "data")
            assert line == b"STARTTLS"
            plain.write(b"GO")
            secure = tls.TLSSocket(context=contexts[0], is_server=True, socket=plain)
            async for chunk in secure:
                secure.write(chunk.upper())
            secure.end()

        async with net.create_server(serve).listen() as server:
            address = server.address()
            assert isinstance(address, net.Address)
            plain = net.connect(address.port)
            plain.write(b"STARTTLS")
            [answer] = await within(events.once(plain, "data"))
            assert answer == b"GO"
            async with tls.connect(socket=plain, tls=contexts[1], servername="localhost") as secure:
                assert plain.destroyed
                assert server.connections == 1
                secure.end(b"hello")
                assert b"".join([chunk async for chunk in secure]) == b"HELLO"

    run(main)


@pytest.mark.parametrize("with_data", [False, True])
def test_what_was_read_ahead_belongs_to_the_handshake(contexts: Contexts, with_data: bool) -> None:
    async def main() -> None:
        ours, theirs = raw_pair()
        with theirs:
            wire = Wire(theirs, contexts[1], server_hostname="localhost")
            plain = net.Socket(sock=ours, pause_on_create=True)
            if with_data:
                plain.on("readable", lambda: None)
                wire.shake_hands()
                await until(lambda: plain.readable_length > 100, "the hello is in its buffer")
            secure = tls.TLSSocket(context=contexts[0], is_server=True, socket=plain)
            seen = Seen(secure)

            def is_done() -> bool:
                wire.shake_hands()
                return not secure.secure_connecting

            await until(is_done, "shaken hands")
            wire.send(wire.records(b"hello") + wire.goodbye())
            await until(seen.closed, "closed")
            assert bytes(seen.data) == b"hello"
            assert seen.error is None

    run(main)


def test_plain_text_that_was_read_ahead_is_no_handshake(contexts: Contexts) -> None:
    async def main() -> None:
        ours, theirs = raw_pair()
        with theirs:
            plain = net.Socket(sock=ours, pause_on_create=True)
            plain.on("readable", lambda: None)
            theirs.send(b"not at all TLS")
            await until(lambda: plain.readable_length, "it is in its buffer")
            seen = Seen(tls.TLSSocket(context=contexts[0], is_server=True, socket=plain))
            await until(seen.closed, "closed")
            assert isinstance(seen.error, ssl.SSLError)

    run(main)


def test_what_cannot_be_taken_over_is_refused(contexts: Contexts) -> None:
    async def main() -> None:
        def taken(plain: Any) -> str:
            with pytest.raises(TreadleError) as caught:
                tls.connect(socket=plain, tls=contexts[1], servername="localhost")
            return caught.value.code

        ours, theirs = raw_pair()
        with theirs:
            busy = net.Socket(sock=ours)
            busy.write(bytes(8_000_000))
            assert taken(busy) == "ERR_INVALID_STATE"
            assert not busy.destroyed
            busy.destroy()
            assert taken(busy) == "ERR_INVALID_STATE"
        assert taken(sockets.socket) == "ERR_INVALID_ARG_TYPE"
        ours, theirs = raw_pair()
        with theirs:
            plain = net.Socket(sock=ours)
            with pytest.raises(TypeError):
                tls.connect(socket=plain, tls=contexts[1], servername="localhost", no_such_option=1)
            assert plain.destroyed

    run(main)


def test_a_connection_that_is_encrypted_stays_so_in_other_hands(contexts: Contexts) -> None:
    async def main() -> None:
        ours, theirs = raw_pair()
        with theirs:
            wire = Wire(theirs, contexts[1], server_hostname="localhost")
            first = tls.TLSSocket(context=contexts[0], is_server=True, sock=ours, pause_on_create=True)
            await shake(first, wire)
            handle, first._handle = first._handle, None  # as a server does that gives its connections away
            assert handle is not None
            other = tls.socket_of(handle, allow_half_open=True)
            assert isinstance(other, tls.TLSSocket)
            assert other.get_protocol() == "TLSv1.3"
            assert not other.secure_connecting
            await other.wait_connected()
            seen = Seen(other)
            wire.send(wire.records(b"in"))
            await until(lambda: bytes(seen.data) == b"in", "what was sent")
            other.end(b"out")
            await wire.take_until(lambda: wire.is_ended)
            assert bytes(wire.plain) == b"out"
            other.destroy()
            await until(seen.closed, "closed")
            first.destroy()

    run(main)


def test_a_plain_connection_is_a_plain_socket() -> None:
    async def main() -> None:
        ours, theirs = raw_pair()
        with theirs:
            plain = net.Socket(sock=ours)
            handle, plain._handle = plain._handle, None
            assert handle is not None
            other = tls.socket_of(handle)
            assert type(other) is net.Socket
            other.destroy()
            plain.destroy()

    run(main)


def test_one_that_cannot_begin_is_nobodys(contexts: Contexts) -> None:
    async def main() -> None:
        errors: list[BaseException] = []

        def serve(plain: net.Socket) -> None:
            secure = tls.TLSSocket(context=contexts[1], servername=".no.name", socket=plain)
            secure.on("error", errors.append)

        async with net.create_server(serve).listen() as server:
            address = server.address()
            assert isinstance(address, net.Address)
            peer = net.connect(address.port)
            peer.on("error", lambda error: None)
            peer.resume()
            await until(lambda: errors, "it is told")
            await until(lambda: server.connections == 0, "it is closed")
            await until(lambda: peer.closed, "the peer has seen that")

    run(main)

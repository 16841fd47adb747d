"""A peer that keeps us busy and says nothing: how much of that is taken, and what is not."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

import pytest

from tests.integration import openssl
from tests.unit.tls.support import KIB, Seen, raw_pair, run, turns, until
from treadle import tls

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]

RECORD_BYTES = 5 + 5 + 1 + 16  # of one that says that other keys follow
RECORDS_MAX = 32  # without data, ahead of it

both_kinds = pytest.mark.parametrize("asks", [False, True], ids=["told", "asked for"])


def received(sock: socket.socket) -> bytes:
    """What is there."""
    found = b""
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while data := sock.recv(65_536):
            found += data
    return found


@contextlib.asynccontextmanager
async def shaken(contexts: Contexts) -> AsyncIterator[tuple[tls.TLSSocket, openssl.Client, socket.socket]]:
    """A server's connection, and its client; hands are shaken, and the tickets read."""
    ours, theirs = raw_pair()
    with theirs, openssl.client() as peer:
        sock = tls.TLSSocket(context=contexts[0], is_server=True, sock=ours)

        def is_done() -> bool:
            if data := peer.shake_hands(received(theirs)):
                theirs.sendall(data)
            return peer.is_done and not sock.secure_connecting

        await until(is_done, "shaken hands")
        peer.read(received(theirs))  # the tickets
        yield sock, peer, theirs
        sock.destroy()


@both_kinds
def test_who_only_changes_keys_is_cut(contexts: Contexts, asks: bool) -> None:
    async def main() -> None:
        async with shaken(contexts) as (sock, peer, theirs):
            seen = Seen(sock)
            theirs.sendall(peer.key_updates(2 * RECORDS_MAX, asks=asks))
            await until(seen.closed, "closed")
            assert isinstance(seen.error, ssl.SSLError)
            assert "without data" in str(seen.error)
            answers = received(theirs)
            assert len(answers) == (RECORDS_MAX * RECORD_BYTES if asks else 0)  # OpenSSL answers as it goes on

    run(main)


@both_kinds
def test_so_many_as_there_is_data_for_are_taken(contexts: Contexts, asks: bool) -> None:
    async def main() -> None:
        async with shaken(contexts) as (sock, peer, theirs):
            seen = Seen(sock)
            theirs.sendall(peer.key_updates(RECORDS_MAX, asks=asks))
            for count in range(1, 101):
                theirs.sendall(peer.records(bytes(KIB)) + peer.key_updates(1, asks=asks))
                await until(lambda count=count: len(seen.data) == count * KIB or seen.closed(), "the data")
            assert len(seen.data) == 100 * KIB
            theirs.sendall(peer.key_updates(1, asks=asks))
            await until(seen.closed, "closed")

    run(main)


@both_kinds
def test_a_byte_between_them_pays_for_nothing(contexts: Contexts, asks: bool) -> None:
    async def main() -> None:
        async with shaken(contexts) as (sock, peer, theirs):
            seen = Seen(sock)
            theirs.sendall(b"".join(peer.records(b"x") + peer.key_updates(1, asks=asks) for _ in range(1_000)))
            await until(seen.closed, "closed")
            assert len(seen.data) == RECORDS_MAX + 1

    run(main)


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 26])
def test_cut_records_are_counted_whole(contexts: Contexts, cut: int) -> None:
    async def main() -> None:
        async with shaken(contexts) as (sock, peer, theirs):
            seen = Seen(sock)
            for _ in range(RECORDS_MAX):
                record = peer.key_updates(1)
                theirs.sendall(record[:cut])
                await turns(3)
                theirs.sendall(record[cut:])
            theirs.sendall(peer.records(b"still there"))
            await until(lambda: bytes(seen.data) == b"still there", "the data")
            theirs.sendall(peer.key_updates(2))
            await until(seen.closed, "closed")

    run(main)

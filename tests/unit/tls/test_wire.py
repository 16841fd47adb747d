"""TLS on a connection, record by record: what is handed over, sent and ended, and when."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from tests.unit.tls.support import KIB, MIB, Seen, content, run, shake, turns, until, wired

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]

both_sides = pytest.mark.parametrize("is_client", [False, True], ids=["server", "client"])
both_versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


def of_version(contexts: Contexts, version: ssl.TLSVersion) -> Contexts:
    for context in contexts:
        context.minimum_version = context.maximum_version = version
    return contexts


@both_versions
@both_sides
def test_what_is_written_arrives_both_ways(contexts: Contexts, version: ssl.TLSVersion, is_client: bool) -> None:
    async def main() -> None:
        async with wired(of_version(contexts, version), is_client=is_client) as (sock, wire):
            seen = Seen(sock)
            assert sock.get_protocol() == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
            assert sock.get_cipher() is not None
            wire.send(wire.records(b"to us", b"", b" and more"))
            await until(lambda: seen.data == b"to us and more", "what was sent")
            assert sock.write(b"to them")
            await wire.take_until(lambda: bytes(wire.plain) == b"to them")
            assert sock.bytes_read == 14
            assert sock.bytes_written == 7

    run(main)


@both_versions
@both_sides
def test_records_cut_at_every_boundary(contexts: Contexts, version: ssl.TLSVersion, is_client: bool) -> None:
    # Every byte alone, those of the handshake as well.
    async def main() -> None:
        async with wired(of_version(contexts, version), is_client=is_client, shakes=False) as (sock, wire):
            seen = Seen(sock)
            send, pieces = wire.send, []
            wire.send = lambda data: pieces.extend(data[i : i + 1] for i in range(len(data)))  # type: ignore[method-assign]
            while sock.secure_connecting or pieces:
                wire.shake_hands()
                if pieces:
                    received = wire.sock.send(pieces.pop(0))
                    assert received == 1
                await turns(1)
            wire.take()
            records = wire.records(b"one", b"two", content(20 * KIB)[:17_000])
            for i in range(len(records)):
                send(records[i : i + 1])
                if i % 50 == 0:
                    await turns(1)
            send(wire.goodbye())
            await until(lambda: "end" in seen.trace, "the end")
            assert bytes(seen.data) == b"onetwo" + content(20 * KIB)[:17_000]

    run(main)


@pytest.mark.parametrize("cut", range(0, 70, 3))
def test_two_records_cut_in_two(contexts: Contexts, cut: int) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            seen = Seen(sock)
            records = wire.records(b"first", b"second")
            wire.send(records[:cut])
            await until(lambda: sock.bytes_read >= (5 if cut >= 27 else 0), "the first")
            wire.send(records[cut:])
            await until(lambda: bytes(seen.data) == b"firstsecond", "both")

    run(main)


def test_small_pieces_share_a_record(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            before = wire.raw_bytes
            sock.cork()
            for _ in range(200):
                sock.write(b"0123456789")
            sock.uncork()
            await wire.take_until(lambda: len(wire.plain) == 2000)
            assert wire.raw_bytes - before <= 2000 + 22 * 8  # 64 pieces a call at most

    run(main)


# ---- backpressure


@both_versions
def test_marks_count_plaintext_and_drain_follows(contexts: Contexts, version: ssl.TLSVersion) -> None:
    async def main() -> None:
        async with wired(of_version(contexts, version)) as (sock, wire):
            drained: list[int] = []
            sock.on("drain", lambda: drained.append(sock.writable_length))
            data = content(4 * MIB)
            called: list[Any] = []
            assert not sock.write(data, callback=called.append)
            assert sock.writable_length == len(data)
            assert 0 < sock.statistics().unsent <= len(data)
            await turns(1)
            assert not called
            assert not drained
            await wire.take_until(lambda: len(wire.plain) == len(data))
            assert bytes(wire.plain) == data
            await until(lambda: called, "the callback")
            assert called == [None]
            assert drained == [0]
            assert sock.statistics().unsent == 0

    run(main)


def test_who_pauses_leaves_it_to_the_kernel(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            seen = Seen(sock)
            sock.pause()
            data = content(2 * MIB)
            records = memoryview(b"".join(wire.records(data[i : i + 16 * KIB]) for i in range(0, len(data), 16 * KIB)))
            sent = 0
            for _ in range(200):
                try:
                    sent += wire.sock.send(records[sent:])
                except BlockingIOError:
                    pass
                await turns(1)
            assert sent < len(records)
            assert sock.readable_length <= 64 * KIB + 2 * 17 * KIB  # its mark, and what a read goes beyond it

            def send_on() -> bool:
                nonlocal sent
                try:
                    sent += wire.sock.send(records[sent:])
                except BlockingIOError:
                    pass
                return len(seen.data) == len(data)

            sock.resume()
            await until(send_on, "all of it")
            assert bytes(seen.data) == data

    run(main)


def test_what_comes_with_the_handshake_waits_for_who_has_paused(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts, shakes=False, pause_on_create=True) as (sock, wire):
            seen = Seen(sock, reads=False)
            send, last = wire.send, bytearray()
            wire.shake_hands()  # our hello
            wire.send = last.extend  # type: ignore[method-assign]

            def has_answered() -> bool:
                wire.shake_hands()
                return bool(last)

            await until(has_answered, "the server's part")
            send(bytes(last) + wire.records(b"early") + wire.goodbye())
            await until(lambda: not sock.secure_connecting, "shaken hands")
            await turns(5)
            assert seen.trace == ["secure_connect"]
            assert sock.readable_length == 0
            assert sock.bytes_read == 0
            sock.on("data", seen.data.extend)
            sock.resume()
            await until(lambda: "end" in seen.trace, "the end")
            assert bytes(seen.data) == b"early"

    run(main)


# ---- ends


@both_versions
@both_sides
def test_both_ends_say_goodbye(contexts: Contexts, version: ssl.TLSVersion, is_client: bool) -> None:
    async def main() -> None:
        async with wired(of_version(contexts, version), is_client=is_client) as (sock, wire):
            seen = Seen(sock)
            wire.send(wire.records(b"last") + wire.goodbye())
            await wire.take_until(lambda: wire.is_ended)
            assert wire.said_goodbye
            await until(seen.closed, "closed")
            assert bytes(seen.data) == b"last"
            assert seen.trace == ["end", "finish", "close"]

    run(main)


@both_versions
def test_half_open_goes_on_both_ways(contexts: Contexts, version: ssl.TLSVersion) -> None:
    async def main() -> None:
        async with wired(of_version(contexts, version), allow_half_open=True) as (sock, wire):
            seen = Seen(sock)
            wire.send(wire.goodbye())
            await until(lambda: seen.trace == ["end"], "the end")
            sock.write(b"still here")
            sock.end(b", and now gone")
            await wire.take_until(lambda: wire.is_ended)
            assert bytes(wire.plain) == b"still here, and now gone"
            assert wire.said_goodbye
            await until(seen.closed, "closed")

    run(main)


def test_who_has_ended_still_reads(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            seen = Seen(sock)
            sock.end(b"bye")
            await wire.take_until(lambda: wire.is_ended)
            assert wire.said_goodbye
            for text in (b"one ", b"two ", b"three"):
                wire.send(wire.records(text))
                await until(lambda text=text: seen.data.endswith(text), "more")
            wire.sock.close()  # without a goodbye, which nobody waits for
            await until(seen.closed, "closed")
            assert seen.error is None
            assert bytes(seen.data) == b"one two three"

    run(main)


@both_sides
def test_a_cut_is_told(contexts: Contexts, is_client: bool) -> None:
    async def main() -> None:
        async with wired(contexts, is_client=is_client) as (sock, wire):
            seen = Seen(sock)
            wire.send(wire.records(b"half of it"))
            wire.sock.close()
            await until(seen.closed, "closed")
            assert bytes(seen.data) == b"half of it"
            assert isinstance(seen.error, ssl.SSLEOFError)
            assert "end" not in seen.trace

    run(main)


def test_destroying_says_no_goodbye(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            Seen(sock)
            sock.write(b"part")
            sock.destroy()
            await wire.take_until(lambda: wire.is_ended)
            assert bytes(wire.plain) == b"part"
            assert not wire.said_goodbye

    run(main)


def test_ending_behind_much_data_waits_for_all_of_it(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            seen = Seen(sock)
            data = content(3 * MIB)
            sock.end(data)
            await turns(20)
            assert "finish" not in seen.trace
            await wire.take_until(lambda: wire.is_ended)
            assert bytes(wire.plain) == data
            assert wire.said_goodbye
            assert seen.trace == ["finish"]

    run(main)


def test_a_record_that_is_forged_ends_it(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            seen = Seen(sock)
            record = bytearray(wire.records(b"good", b"forged"))
            record[-1] ^= 1
            wire.send(bytes(record))
            await until(seen.closed, "closed")
            assert bytes(seen.data) == b"good"
            assert isinstance(seen.error, ssl.SSLError)

    run(main)


def test_writing_once_it_is_reset_fails(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, wire):
            seen = Seen(sock)
            wire.sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: a reset
            wire.sock.close()
            called: list[Any] = []
            sock.write(content(MIB), callback=called.append)
            await until(seen.closed, "closed")
            assert isinstance(seen.error, ConnectionError)
            assert isinstance(called[0], OSError)

    run(main)


# ---- before hands are shaken


@both_sides
def test_what_is_written_before_waits(contexts: Contexts, is_client: bool) -> None:
    async def main() -> None:
        async with wired(contexts, is_client=is_client, shakes=False) as (sock, wire):
            seen = Seen(sock)
            called: list[Any] = []
            sock.write(b"early", callback=called.append)
            sock.end(b" bird")
            assert not called
            await shake(sock, wire)
            await wire.take_until(lambda: wire.is_ended)
            assert bytes(wire.plain) == b"early bird"
            assert wire.said_goodbye
            await until(lambda: "finish" in seen.trace, "finish")
            assert called == [None]
            assert seen.trace[0] == "secure_connect"

    run(main)


@pytest.mark.parametrize("steps", range(4))
@both_sides
def test_destroying_it_at_every_step_leaves_nothing_open(contexts: Contexts, is_client: bool, steps: int) -> None:
    async def main() -> None:
        async with wired(contexts, is_client=is_client, shakes=False) as (sock, wire):
            seen = Seen(sock)
            sock.write(b"never sent, perhaps")
            for _ in range(steps):
                wire.shake_hands()
                await turns(1)
            sock.destroy()
            await until(seen.closed, "closed")
            assert seen.error is None
            assert sock.ssl_object is None

    run(main)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 1000, b"\x16" * 40])
def test_what_is_no_tls_ends_it(contexts: Contexts, data: bytes) -> None:
    async def main() -> None:
        async with wired(contexts, shakes=False) as (sock, wire):
            seen = Seen(sock)
            wire.send(data)
            await until(seen.closed, "closed")
            assert isinstance(seen.error, ssl.SSLError)
            assert "secure_connect" not in seen.trace

    run(main)


def test_a_peer_that_leaves_amid_the_handshake(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts, shakes=False) as (sock, wire):
            seen = Seen(sock)
            wire.shake_hands()
            wire.sock.close()
            await until(seen.closed, "closed")
            assert isinstance(seen.error, OSError)

    run(main)


def test_a_handshake_has_a_deadline(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts, shakes=False, handshake_timeout=20) as (sock, wire):
            seen = Seen(sock)
            wire.shake_hands()
            await until(seen.closed, "closed")
            assert getattr(seen.error, "code", None) == "ERR_TLS_HANDSHAKE_TIMEOUT"
            assert isinstance(seen.error, TimeoutError)

    run(main)


def test_nothing_moves_unseen(contexts: Contexts) -> None:
    async def main() -> None:
        async with wired(contexts) as (sock, _):
            assert not sock._zero_copy_sink()
            assert not sock._zero_copy_source()

    run(main)

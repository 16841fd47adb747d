"""What is written over TLS, and what a protocol is told of its marks: asyncio's own, and ours, by the same tests."""

import array
import asyncio

import pytest

from tests.integration.loop.support import Recorder, boom, test_of_both, turns
from tests.integration.loop.tls_wire import Chunks, wired

MANY = bytes(range(256)) * 4096  # 1 MiB, more than a socketpair holds

HELD = array.array("H", range(1000))


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        bytearray(b"hello"),
        memoryview(b"hello"),
        memoryview(b"hello")[1:3],
        memoryview(bytes(8)).cast("B", (2, 4)),
        b"x" * 16_385,
        b"x" * 100_000,
    ],
    ids=["bytes", "bytearray", "memoryview", "slice", "two dimensions", "two records", "many records"],
)
@test_of_both
async def test_kinds_of_data(loop, contexts, data) -> None:
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        app.transport.write(data)
        app.transport.writelines([b"<", data, b">"])
        app.transport.write(b".")
        expected = bytes(data) + b"<" + bytes(data) + b">."
        await wire.take_until(lambda: len(wire.plain) >= len(expected))
        assert bytes(wire.plain) == expected
        assert app.transport.get_write_buffer_size() == 0


@test_of_both
async def test_wide_items(loop, contexts) -> None:
    """All of it is sent; what waits is counted by items, and so is less than nothing in asyncio: not asked here."""
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        app.transport.write(memoryview(HELD))
        app.transport.write(b"!")
        await wire.take_until(lambda: len(wire.plain) >= 2001)
        assert bytes(wire.plain) == HELD.tobytes() + b"!"


@test_of_both
async def test_what_is_not_contiguous(loop, contexts, errors) -> None:
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        app.transport.write(memoryview(b"abcdef")[::2])
        assert isinstance(await app.until_lost(), BufferError)
        wire.take()
    assert bytes(wire.plain) == b""
    assert [error["message"] for error in errors] == ["Fatal error on SSL protocol"]


@test_of_both
async def test_nothing_and_wrong_things(loop, contexts) -> None:
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        before = wire.raw_bytes
        for nothing in (b"", bytearray(), memoryview(b"")):
            app.transport.write(nothing)
        app.transport.writelines([])
        for wrong in ("text", 1, None, HELD):
            with pytest.raises(TypeError, match="data: expecting a bytes-like instance"):
                app.transport.write(wrong)
        await turns()
        wire.take()
        assert wire.raw_bytes == before


@test_of_both
async def test_an_answer_comes_behind_what_was_written_before(loop, contexts) -> None:
    app = Chunks(lambda app, data: [app.transport.write(data), app.transport.write(b"-"), app.transport.writelines([b"+", b"*"])])
    async with wired(loop, app, contexts) as wire:
        app.transport.write(b"first ")
        wire.send(wire.records(b"a", b"b"))
        await turns()
        wire.send(wire.records(b"c"))
        await turns()
        assert wire.take() == b"first ab-+*c-+*"


@test_of_both
async def test_what_waits_to_be_encrypted_goes_first(loop, contexts) -> None:
    """asyncio's own way to have something wait without a peer that shakes hands again (test_tls_rekeying.py)."""
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        app.transport._test__append_write_backlog(b"first ")
        assert app.transport.get_write_buffer_size() == 6
        app.transport.write(b"second")
        assert wire.take() == b"first second"
        assert app.transport.get_write_buffer_size() == 0


@test_of_both
async def test_written_before_the_handshake(loop, contexts) -> None:
    """The transport is there, for whoever looks for it."""
    app = Chunks()
    app.connection_made = lambda transport: (Chunks.connection_made(app, transport), transport.write(b"hello"))
    async with wired(loop, app, contexts) as wire:
        await wire.take_until(lambda: bytes(wire.plain) == b"hello")


@test_of_both
async def test_one_mebibyte_there_and_back(loop, contexts) -> None:
    """Both sides are slow: what comes is written back as far as nothing waits, and the wire reads only now and then."""

    class Careful(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(data)

        def pause_writing(self) -> None:
            super().pause_writing()
            self.transport.pause_reading()

        def resume_writing(self) -> None:
            super().resume_writing()
            self.transport.resume_reading()

    app = Careful()
    async with wired(loop, app, contexts) as wire:
        rest = wire.records(MANY)
        turn = 0
        while len(wire.plain) < len(MANY):
            try:
                rest = rest[wire.sock.send(rest[:100_000]) :]
            except BlockingIOError:
                pass
            turn += 1
            if turn % 50 == 0 or not rest:
                wire.take()
            await asyncio.sleep(0)
        assert bytes(wire.plain) == MANY
        assert app.transport.get_write_buffer_size() == 0
        await turns()
    told = [entry for entry in app.trace if entry in ("pause", "resume")]
    assert told
    assert told == ["pause", "resume"] * (len(told) // 2)


@test_of_both
async def test_the_marks(loop, contexts) -> None:
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        assert app.transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
        app.transport.set_write_buffer_limits(high=1000, low=10)
        while "pause" not in app.trace:
            app.transport.write(b"x" * 10_000)
            assert app.transport.get_write_buffer_size() >= 0
        written = app.transport.get_write_buffer_size()
        assert written >= 1000
        app.transport.write(b"y" * 5000)
        assert app.trace == ["made", "pause"]
        await wire.take_until(lambda: bytes(wire.plain).endswith(b"y" * 5000))
        await turns()
        assert app.trace == ["made", "pause", "resume"]
        assert app.transport.get_write_buffer_size() == 0


@test_of_both
async def test_a_mark_of_nothing(loop, contexts) -> None:
    """asyncio's way with it: told at once, and told again with the next write."""
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        app.transport.set_write_buffer_limits(high=0)
        assert app.trace == ["made", "pause"]
        app.transport.write(b"1")
        assert app.trace == ["made", "pause", "resume"]
        app.transport.write(b"2")
        assert app.trace == ["made", "pause", "resume", "pause"]
        wire.send(wire.records(b"hello"))
        await turns()
        assert app.trace == ["made", "pause", "resume", "pause", "resume"]
        assert wire.take() == b"12"


@pytest.mark.parametrize("what", ["close", "abort"])
@test_of_both
async def test_the_end_where_writing_pauses(loop, contexts, what) -> None:
    """Called from within write(), by pause_writing()."""

    class Ends(Recorder):
        def pause_writing(self) -> None:
            super().pause_writing()
            getattr(self.transport, what)()

    app = Ends()
    async with wired(loop, app, contexts) as wire:
        app.transport.set_write_buffer_limits(high=1000)
        written = b""
        while "pause" not in app.trace:
            app.transport.write(b"x" * 10_000)
            written += b"x" * 10_000
        app.transport.write(b"lost")
        assert app.transport.is_closing()
        if what == "close":
            await wire.take_until(lambda: wire.said_goodbye)
            assert bytes(wire.plain) == written
            wire.send(wire.goodbye())
        assert await app.until_lost() is None
    assert app.trace[:2] == ["made", "pause"]


@test_of_both
async def test_a_protocol_that_fails_where_writing_pauses(loop, contexts, errors) -> None:
    app = Recorder()
    app.pause_writing = boom
    app.resume_writing = boom
    async with wired(loop, app, contexts) as wire:
        app.transport.set_write_buffer_limits(high=1000)
        while not errors:
            app.transport.write(b"x" * 10_000)
        await wire.take_until(lambda: len(errors) == 2)
        assert [error["message"] for error in errors] == ["protocol.pause_writing() failed", "protocol.resume_writing() failed"]
        assert not app.is_lost


@test_of_both
async def test_nothing_is_written_once_it_ends(loop, contexts) -> None:
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        app.transport.write(b"hello")
        app.transport.close()
        app.transport.write(b"lost")
        app.transport.writelines([b"lost"])
        await wire.take_until(lambda: wire.said_goodbye)
        assert bytes(wire.plain) == b"hello"
        wire.send(wire.goodbye())
        assert await app.until_lost() is None
        app.transport.write(b"lost")


@test_of_both
async def test_a_peer_that_is_gone(loop, contexts) -> None:
    app = Recorder()
    async with wired(loop, app, contexts) as wire:
        wire.sock.close()
        app.transport.write(b"hello")
        app.transport.write(b"hello")
        assert isinstance(await app.until_lost(), BrokenPipeError)

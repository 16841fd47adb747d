"""What a protocol over TLS is told, record by record: asyncio's own, and ours, by the same tests."""

import asyncio
import contextvars
import ssl

import pytest

import treadle
from tests.integration.loop.support import test_of_both, turns
from tests.integration.loop.tls_wire import Chunks, Filling, wired
from tests.integration.support import DEADLINE_S

RECORD = 16 * 1024  # the most that one record says


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"], autouse=True)
def version(request: pytest.FixtureRequest, contexts) -> None:
    contexts[0].maximum_version = ssl.TLSVersion[request.param]


@test_of_both
async def test_several_records_in_one_receive_are_one_delivery(loop, contexts) -> None:
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"one", b"two", b"three"))
        await turns()
        assert app.trace == ["made", b"onetwothree"]
        wire.send(wire.records(b"four"))
        await turns()
        assert app.trace == ["made", b"onetwothree", b"four"]


@test_of_both
async def test_a_record_one_byte_at_a_time(loop, contexts) -> None:
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        for byte in wire.records(b"hello"):
            assert app.trace == ["made"]
            wire.send(bytes([byte]))
            await turns(3)
        assert app.trace == ["made", b"hello"]


@test_of_both
async def test_a_record_and_half_of_the_next(loop, contexts) -> None:
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        first, second = wire.records(b"first"), wire.records(b"second" * 1000)
        for at in (3, 100, 5000):  # within the head of the next, and within what it says
            wire.send(first + second[:at])
            await turns()
            assert app.trace[-1] == b"first"
            wire.send(second[at:])
            await turns()
            assert app.trace[-1] == b"second" * 1000
            first, second = wire.records(b"first"), wire.records(b"second" * 1000)


@pytest.mark.parametrize("size", [1, RECORD - 1, RECORD, RECORD + 1, 5 * RECORD])
@test_of_both
async def test_records_as_long_as_can_be(loop, contexts, size) -> None:
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        for _ in range(3):
            wire.send(wire.records(b"x" * size))
            await turns()
        assert app.trace == ["made", *3 * [b"x" * size]]


@pytest.mark.parametrize("is_client", [False, True])
@test_of_both
async def test_what_says_nothing_to_the_application(loop, contexts, is_client) -> None:
    """Tickets of a server, which follow its handshake in TLS 1.3, and a receive that ends within them."""
    app = Chunks()
    async with wired(loop, app, contexts, is_client=is_client) as wire:
        await turns()
        wire.send(wire.records(b"hello"))
        await turns()
        assert app.trace == ["made", b"hello"]


@test_of_both
async def test_data_comes_in_the_context_of_the_transport(loop, contexts) -> None:
    name = contextvars.ContextVar("name", default="nobody's")
    seen = []
    app = Chunks(lambda _, data: seen.append(name.get()) or name.set("changed"))
    name.set("the transport's")
    async with wired(loop, app, contexts) as wire:
        name.set("somebody's")
        wire.send(wire.records(b"1"))
        await turns()
        wire.send(wire.records(b"2"))
        await turns()
    assert seen == ["the transport's", "changed"]


@test_of_both
async def test_pause_while_data_comes(loop, contexts) -> None:
    app = Chunks(lambda app, data: app.transport.pause_reading())
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"1"))
        await turns()
        wire.send(wire.records(b"2"))
        await turns()
        wire.send(wire.records(b"3"))
        await turns()
        assert app.trace == ["made", b"1"]
        assert not app.transport.is_reading()
        app.transport.resume_reading()
        assert app.trace == ["made", b"1"]
        await turns()
        assert app.trace == ["made", b"1", b"23"]
        app.react = None
        app.transport.resume_reading()
        await turns()
        wire.send(wire.records(b"4"))
        await turns()
        assert app.trace == ["made", b"1", b"23", b"4"]


@test_of_both
async def test_pause_and_resume_within_one_delivery(loop, contexts) -> None:
    app = Chunks(lambda app, data: (app.transport.pause_reading(), app.transport.resume_reading()))
    async with wired(loop, app, contexts) as wire:
        for n in range(3):
            wire.send(wire.records(b"%d" % n))
            await turns()
        assert app.trace == ["made", b"0", b"1", b"2"]


@test_of_both
async def test_a_protocol_that_pauses_leaves_the_rest_in_the_kernel(loop, contexts) -> None:
    """The socket is not read any more once 256 KiB wait to be decrypted, and is again once they are."""
    app = Chunks()
    sent = bytes(range(256)) * 4096
    async with wired(loop, app, contexts) as wire:
        app.transport.pause_reading()
        rest = wire.records(sent)
        stuck = 0
        while stuck < 5:
            try:
                count = wire.sock.send(rest[:65_536])
            except BlockingIOError:
                count = 0
            stuck = 0 if count else stuck + 1
            rest = rest[count:]
            await turns(2)
        assert rest
        assert app.trace == ["made"]
        assert app.transport.get_read_buffer_size() < 2 * 256 * 1024
        app.transport.resume_reading()
        while rest:
            try:
                rest = rest[wire.sock.send(rest[:65_536]) :]
            except BlockingIOError:
                pass
            await turns(2)
        await app.until_data(len(sent))
        assert bytes(app.data) == sent


@pytest.mark.parametrize("next_kind", [Chunks, Filling])
@test_of_both
async def test_another_protocol_takes_over_while_data_comes(loop, contexts, next_kind) -> None:
    successor = next_kind()
    app = Chunks(lambda app, data: app.transport.set_protocol(successor))
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"1"))
        await turns()
        assert app.transport.get_protocol() is successor
        for n in (2, 3):
            wire.send(wire.records(b"%d" % n))
            await turns()
        wire.send(wire.goodbye())
        await turns()
        app.note(("lost", None))  # it is not told any more
    assert app.trace == ["made", b"1", ("lost", None)]
    assert successor.trace == [b"2", b"3", "eof", ("lost", None)]


@pytest.mark.parametrize("view", [memoryview, lambda buffer: memoryview(buffer)[: len(buffer) // 2]])
@pytest.mark.parametrize("size", [1, 10, 100, 65_536])
@test_of_both
async def test_a_buffer_of_the_protocol(loop, contexts, size, view) -> None:
    if len(view(bytearray(size))) == 0:
        return  # see below
    app = Filling(size, view)
    async with wired(loop, app, contexts) as wire:
        for message in (b"hello", b"x" * 250, b"!"):
            wire.send(wire.records(message))
            await turns(2)
            wire.send(wire.records(message, message))
            await turns(2)
        await turns(1500 if size == 1 else 200)
        assert app.data == b"hello" * 3 + b"x" * 750 + b"!!!"
        wire.send(wire.records(b"end") + wire.goodbye())
        await turns(20)
    assert app.trace[-2:] == ["eof", ("lost", None)]
    assert app.data.endswith(b"end")


@test_of_both
async def test_a_buffer_is_asked_for_with_what_waits(loop, contexts) -> None:
    app = Filling()
    async with wired(loop, app, contexts) as wire:
        app.hints.clear()
        records = wire.records(b"hello")
        wire.send(records)
        await turns()
        assert app.hints == [len(records)]
        wire.send(records[:10])  # a wrong one: it was said already
        await turns()
        assert app.hints == [len(records), 10]


@test_of_both
async def test_a_buffer_without_room_is_the_end(loop, contexts) -> None:
    app = Filling(0)
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello"))
        await turns(20)
    *before, (_, error) = app.trace
    assert before == ["made", "eof"]
    assert error.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"  # 'hello', which nobody has read


@test_of_both
async def test_an_ssl_object_of_a_class_of_the_users(loop, contexts) -> None:
    class Loud(ssl.SSLObject):
        def read(self, *args):
            data = super().read(*args)
            return data.upper() if isinstance(data, bytes) else data

        def write(self, data):
            return super().write(data.upper())

    contexts[0].sslobject_class = Loud
    app = Chunks(lambda app, data: app.transport.write(b"you said " + data))
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello"))
        await turns()
        assert app.trace == ["made", b"HELLO"]
        assert wire.take() == b"YOU SAID HELLO"


def test_a_buffer_that_is_a_bytearray(contexts) -> None:
    """Not of asyncio's loop, which fills a copy of its rest: https://github.com/python/cpython/issues/156275"""

    async def main() -> None:
        app = Filling(100, lambda buffer: buffer)
        async with wired(asyncio.get_running_loop(), app, contexts) as wire:
            wire.send(wire.records(b"a" * 30, b"b" * 30))
            await turns()
            wire.send(wire.records(b"c" * 150))
            await turns()
        assert app.data == b"a" * 30 + b"b" * 30 + b"c" * 150

    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main(), DEADLINE_S))

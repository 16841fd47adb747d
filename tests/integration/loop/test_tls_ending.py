"""How a TLS connection ends, and what a protocol does while it is told something: asyncio's own, and ours, by the same tests."""

import ssl

import pytest

from tests.integration.loop.support import boom, test_of_both, turns
from tests.integration.loop.tls_wire import Chunks, wired

LOST = ("lost", None)


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"], autouse=True)
def version(request: pytest.FixtureRequest, contexts) -> None:
    contexts[0].maximum_version = ssl.TLSVersion[request.param]


@pytest.mark.parametrize("with_data", [True, False])
@test_of_both
async def test_a_goodbye(loop, contexts, with_data) -> None:
    """In the same receive as data, and by itself. It is answered."""
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        wire.send((wire.records(b"hello", b"you") if with_data else b"") + wire.goodbye())
        await app.until_lost()
        wire.take()
        assert wire.said_goodbye
    assert app.trace == ["made", *([b"helloyou"] if with_data else []), "eof", LOST]


@test_of_both
async def test_an_end_without_goodbye(loop, contexts) -> None:
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello"))
        wire.sock.close()
        await app.until_lost()
    assert app.trace == ["made", b"hello", "eof", LOST]


@test_of_both
async def test_an_end_within_a_record(loop, contexts) -> None:
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello")[:-1])
        wire.sock.close()
        await app.until_lost()
    assert app.trace == ["made", "eof", LOST]


@pytest.mark.parametrize("before", [b"", b"hello"])
@test_of_both
async def test_what_is_no_record(loop, contexts, before) -> None:
    """What came before it in the same receive is not delivered either."""
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        wire.send((wire.records(before) if before else b"") + b"GET / HTTP/1.1\r\n\r\n")
        error = await app.until_lost()
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "WRONG_VERSION_NUMBER"
    assert app.trace == ["made", ("lost", error)]


@test_of_both
async def test_a_record_that_was_changed(loop, contexts) -> None:
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        record = bytearray(wire.records(b"hello"))
        record[-1] ^= 1
        wire.send(bytes(record))
        error = await app.until_lost()
        assert error.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    assert app.trace == ["made", ("lost", error)]


class Stranger(BaseException):
    pass


@pytest.mark.parametrize(
    ("kind", "message"),
    [(ValueError, "Fatal error on SSL protocol"), (Stranger, "Fatal error: protocol.buffer_updated() call failed.")],
)
@test_of_both
async def test_a_protocol_that_fails(loop, contexts, errors, kind, message) -> None:
    error = kind("boom")

    def fail(app: Chunks, data: bytes) -> None:
        app.transport.write(b"before")
        raise error

    app = Chunks(fail)
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello"))
        assert await app.until_lost() is error
        assert wire.take() == b"before"
    assert app.trace == ["made", b"hello", ("lost", error)]
    assert [(one["message"], one["exception"]) for one in errors] == [(message, error)]


@test_of_both
async def test_a_protocol_that_fails_like_a_socket(loop, contexts) -> None:
    def fail(*_: object) -> None:
        raise ConnectionResetError("mine")

    app = Chunks(fail)
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello"))
        assert isinstance(await app.until_lost(), ConnectionResetError)


@test_of_both
async def test_eof_received_that_fails(loop, contexts, errors) -> None:
    app = Chunks()
    app.eof_received = boom
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello") + wire.goodbye())
        assert isinstance(await app.until_lost(), ValueError)
    assert [error["message"] for error in errors] == ["Error calling eof_received()"]


@test_of_both
async def test_abort_while_data_comes(loop, contexts) -> None:
    app = Chunks(lambda app, data: (app.transport.abort(), app.transport.write(b"lost")))
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello"))
        await app.until_lost()
        wire.send(b"")
        wire.take()
        assert bytes(wire.plain) == b""
    assert app.trace == ["made", b"hello", LOST]


@pytest.mark.parametrize("is_client", [False, True])
@test_of_both
async def test_close_while_data_comes(loop, contexts, is_client) -> None:
    """What was written leaves, then a goodbye; what comes meanwhile is still told."""
    app = Chunks(lambda app, data: (app.transport.write(b"bye"), app.transport.close(), app.transport.write(b"lost")))
    async with wired(loop, app, contexts, is_client=is_client) as wire:
        wire.send(wire.records(b"hello"))
        await wire.take_until(lambda: wire.said_goodbye)
        assert bytes(wire.plain) == b"bye"
        assert not app.is_lost
        wire.send(wire.goodbye())
        await app.until_lost()
    assert app.trace == ["made", b"hello", LOST] or app.trace == ["made", b"hello", "eof", LOST]


@test_of_both
async def test_close_with_a_goodbye_right_behind(loop, contexts) -> None:
    app = Chunks(lambda app, data: app.transport.close())
    async with wired(loop, app, contexts) as wire:
        wire.send(wire.records(b"hello") + wire.goodbye())
        await app.until_lost()
    assert app.trace[:2] == ["made", b"hello"]
    assert app.trace.count(LOST) == 1


@test_of_both
async def test_paused_at_the_end(loop, contexts) -> None:
    """What came before a goodbye is told once reading is resumed."""
    app = Chunks()
    async with wired(loop, app, contexts) as wire:
        app.transport.pause_reading()
        wire.send(wire.records(b"hello") + wire.goodbye())
        await turns(20)
        assert app.trace == ["made"]
        app.transport.resume_reading()
        await app.until_lost()
    assert app.trace == ["made", b"hello", "eof", LOST]

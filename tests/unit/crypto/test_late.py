"""Hashes and ciphers, whose sides are made when somebody first uses them as streams: nobody can tell. Not here: what they do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from treadle import TreadleError, crypto, streams
from treadle.streams import Readable, Transform

AT_ONCE = {"allow_half_open": True}  # its default: any option has the sides made


def made(kind: str, **options: Any) -> Any:
    if kind == "hash":
        return crypto.create_hash("sha256", **options)
    if kind == "hmac":
        return crypto.create_hmac("sha256", "key", **options)
    make = crypto.create_cipheriv if kind == "cipher" else crypto.create_decipheriv
    return make("aes-256-ctr", bytes(32), bytes(16), **options)


KINDS = ("hash", "hmac", "cipher", "decipher")
ATTRIBUTES = sorted(name for name in dir(Transform) if not name.startswith("_") and not callable(getattr(Transform, name)))
QUESTIONS = (
    "repr", "statistics", "readable_statistics", "writable_statistics", "_reads", "_writes", "_is_through", "_is_read",
    "_is_written", "_will_close", "_life", "_supply", "_intake", "event_names",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_side_is_made_by_hand(kind: str) -> None:
    one = made(kind)
    one.update(b"abc")
    (one.final if "cipher" in kind else one.digest)()
    assert not one._has_sides


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_it_says_of_itself_first(kind: str, name: str) -> None:
    assert repr(getattr(made(kind), name)) == repr(getattr(made(kind, **AT_ONCE), name))


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_it_is_asked_first(name: str) -> None:
    def ask(one: Any) -> str:
        return repr(one) if name == "repr" else repr(getattr(one, name)())

    assert ask(made("hash")) == ask(made("hash", **AT_ONCE))


async def chunks() -> Any:
    yield b"a"
    yield b"b"


async def by_iterating(one: Any) -> Any:
    one.end(b"abc")
    return [chunk async for chunk in one]


async def by_pipeline(one: Any) -> Any:
    await streams.pipeline(Readable.from_(chunks()), one)
    return one.writable_finished


async def by_pipe(one: Any) -> Any:
    found: list[bytes] = []
    one.on("data", found.append)
    Readable.from_(chunks()).pipe(one)
    await streams.finished(one)
    return found


async def by_compose(one: Any) -> Any:
    return [chunk async for chunk in streams.compose(Readable.from_(chunks()), one)]


async def by_listening(one: Any) -> Any:
    log: list[str] = []
    for event in ("finish", "end", "close", "error", "pipe", "prefinish", "readable"):
        one.on(event, lambda *_, event=event: log.append(event))
    one.write(b"abc", callback=lambda error: log.append("written"))
    one.end(callback=lambda error: log.append("ended"))
    await asyncio.sleep(0.01)
    log.append(repr(one.read()))
    await asyncio.sleep(0.01)
    return log


async def by_destroying(one: Any) -> Any:
    log: list[Any] = []
    for event in ("finish", "end", "close", "error"):
        one.on(event, lambda *given, event=event: log.append((event, *map(repr, given))))
    one.destroy(OSError("away"))
    await asyncio.sleep(0.01)
    one.write(b"a", callback=lambda error: log.append(error.code))
    await asyncio.sleep(0.01)
    return [*log, one.destroyed, one.closed, repr(one.errored), one.readable, one.writable]


async def by_destroying_at_once(one: Any) -> Any:
    one.destroy()
    await asyncio.sleep(0.01)
    return [repr(one), one.destroyed, one.closed, one.writable_aborted, one.readable_aborted]


async def by_a_block(one: Any) -> Any:
    async with one:
        one.write(b"abc")
    return repr(one)


async def by_closing(one: Any) -> Any:
    await one.aclose()
    return repr(one)


async def by_finished(one: Any) -> Any:
    waiting = asyncio.ensure_future(streams.finished(one))
    await asyncio.sleep(0)
    one.end()
    one.resume()
    await waiting
    return repr(one)


async def by_ready(one: Any) -> Any:
    await one.ready()
    return repr(one)


async def by_cork(one: Any) -> Any:
    one.cork()
    one.write(b"a")
    length = one.writable_length
    one.uncork()
    return length, one.writable_length


async def by_encoding(one: Any) -> Any:
    one.set_encoding("hex")
    one.end(b"abc")
    return [chunk async for chunk in one]


WAYS = [value for name, value in list(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_how_it_is_used_first(kind: str, way: Callable[[Any], Any]) -> None:
    assert treadle.run(way(made(kind))) == treadle.run(way(made(kind, **AT_ONCE)))


def test_what_is_written_behind_what_was_added_counts() -> None:
    async def main() -> list[bytes]:
        one = crypto.create_hash("sha256").update(b"a")
        one.end(b"bc")
        return [chunk async for chunk in one]

    assert treadle.run(main) == [crypto.create_hash("sha256").update(b"abc").digest()]


def test_options_are_looked_at_at_once() -> None:
    with pytest.raises(TreadleError) as raised:
        crypto.create_hash("sha256", high_water_mark=-1)
    assert raised.value.code == "ERR_INVALID_ARG_VALUE"


def test_what_was_set_before_stays() -> None:
    one = crypto.create_hash("sha256")
    one.allow_half_open = False
    assert one.readable
    assert one.allow_half_open is False


def test_it_is_constructed_once() -> None:
    one = crypto.create_hash("sha256")
    assert one.readable
    with pytest.raises(TreadleError) as raised:
        Transform.__init__(one)
    assert raised.value.code == "ERR_INVALID_STATE"

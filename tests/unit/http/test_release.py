"""A request and its answer that are through and let go of are freed by counting references, also where they were used as streams:
as every stream is (tests/unit/streams/test_release.py)."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.http.support import DEADLINE_S, until
from tests.unit.http.test_streams import GET, post, serving
from tests.unit.streams.release import Left, left_by
from treadle.streams import PassThrough, Transform, Writable, finished, pipeline

BODY = b"hello" * 100
Handler = Callable[[Any, Any], Any]
HANDLERS: list[Handler] = []


def handler(function: Handler) -> Handler:
    HANDLERS.append(function)
    return function


@pytest.mark.parametrize("handle", HANDLERS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("requests", [1, 3])
def test_freed_by_counting(handle: Handler, requests: int) -> None:
    assert run(handle, requests).by_counting == []


def run(handle: Handler, requests: int) -> Left:
    async def exchanges() -> None:
        ended: list[str] = []
        seen: list[weakref.ref[Any]] = []  # who is referred to weakly does not serve again: the server lets go of it, too

        def handle_and_hear(req: Any, res: Any) -> Any:
            seen.append(weakref.ref(req))
            res.on("close", lambda: ended.append("close"))
            return handle(req, res)

        async with serving(handle_and_hear) as peer:
            for _ in range(requests):
                peer.send(post(BODY))
                await peer.answer()
            await until(lambda: len(ended) == requests)

    async def main() -> Left:
        return await asyncio.wait_for(left_by(exchanges), DEADLINE_S)

    return treadle.run(main)  # type: ignore[no-any-return]


def upper() -> Transform:
    return Transform(transform=lambda chunk, encoding, callback: callback(None, chunk.upper()))


@handler
def answers_at_once(req: Any, res: Any) -> None:
    res.end(b"ok")


@handler
def hears_the_body(req: Any, res: Any) -> None:
    # The listeners of a program close over what it wants: here over the answer, as nearly all do.
    req.on("data", res.write)
    req.on("end", res.end)


@handler
def pipes(req: Any, res: Any) -> None:
    req.pipe(res)


@handler
def pipes_through_a_stage(req: Any, res: Any) -> None:
    req.pipe(upper()).pipe(res)


@handler
async def awaits_a_pipeline(req: Any, res: Any) -> None:
    await pipeline(req, upper(), PassThrough(), res)


@handler
def has_a_pipeline(req: Any, res: Any) -> None:
    pipeline(req, upper(), res, callback=lambda error: None)


@handler
async def iterates(req: Any, res: Any) -> None:
    async for chunk in req:
        res.write(chunk)
        await res.ready()
    res.end()


@handler
async def reads_into_a_sink_and_answers(req: Any, res: Any) -> None:
    await pipeline(req, Writable(write=lambda chunk, encoding, callback: callback()))
    res.end(b"ok")
    await finished(res)


@handler
def finishes(req: Any, res: Any) -> None:
    finished(req, callback=lambda error: None)
    finished(res, callback=lambda error: None)
    req.resume()
    res.write(b"a", None, lambda error: None)
    res.end(b"b", None, lambda error: None)


@handler
def uses_what_is_never_heard(req: Any, res: Any) -> None:
    req.once("aborted", lambda: None).once("error", lambda error: None)
    res.once("drain", lambda: None).once("error", lambda error: None)
    res.end(b"ok")


@handler
async def reads_whole_and_has_streams(req: Any, res: Any) -> None:
    assert await req.read() == BODY
    await pipeline([b"a", b"b"], res)


@pytest.mark.parametrize("begins", [False, True])
def test_a_client_that_leaves(begins: bool) -> None:
    async def exchange() -> None:
        ended: list[str] = []
        kept: list[object] = []  # else there is nobody left who can answer

        def handle(req: Any, res: Any) -> None:
            kept.append(res)
            for name, half in (("req", req), ("res", res)):
                half.on("close", lambda name=name: ended.append(name))
            if begins:
                res.write(b"a")
            pipeline(req, upper(), Writable(write=lambda chunk, encoding, callback: callback()), callback=lambda error: None)

        async with serving(handle) as peer:
            peer.send(post(BODY, length=2 * len(BODY)))
            if begins:
                await peer.head()
            else:
                await until(lambda: kept)
            peer.writer.transport.abort()
            await until(lambda: sorted(ended) == ["req", "res"])
            kept.clear()

    async def main() -> Left:
        return await asyncio.wait_for(left_by(exchange), DEADLINE_S)

    assert treadle.run(main).by_counting == []


def test_an_answer_that_is_destroyed() -> None:
    async def exchange() -> None:
        ended: list[str] = []

        def handle(req: Any, res: Any) -> None:
            res.on("close", lambda: ended.append("res"))
            res.destroy(ValueError())

        async with serving(handle) as peer:
            peer.send(GET)
            await until(lambda: ended)

    async def main() -> Left:
        return await asyncio.wait_for(left_by(exchange), DEADLINE_S)

    assert treadle.run(main).by_counting == []

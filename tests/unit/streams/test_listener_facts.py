"""The same programs as in record_listener_facts.js, under the same names: streams that let go of all that serves them keep the
listeners that Node's keep, while 'close' is emitted and behind it, and hear a late 'error' where those do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.streams.support import Boom, turns
from treadle import AbortController
from treadle.streams import (
    Duplex,
    PassThrough,
    Readable,
    Transform,
    Writable,
    add_abort_signal,
    compose,
    duplex_pair,
    finished,
    pipeline,
)

FACTS: dict[str, dict[str, list[str]]] = json.loads(Path(__file__).with_name("listener_facts.json").read_text())["facts"]
EVENTS = ("data", "readable", "end", "finish", "drain", "error", "close", "unpipe")

Program = Callable[[], dict[str, Any]]
PROGRAMS: dict[str, Program] = {}


def program(function: Program) -> Program:
    PROGRAMS[function.__name__] = function
    return function


def counts(stream: Any) -> str:
    return " ".join(f"{event}:{stream.listener_count(event)}" for event in EVENTS if stream.listener_count(event))


def hear(*_: object) -> None: ...


class Source(Readable):
    def __init__(self) -> None:
        super().__init__()
        self.left = iter((b"a", b"b"))

    def _read(self, size: int) -> None:
        self.push(next(self.left, None))


def through() -> Transform:
    return Transform(transform=lambda chunk, encoding, callback: callback(None, chunk))


def sink() -> Writable:
    return Writable(write=lambda chunk, encoding, callback: callback())


@program
def a_pipe() -> dict[str, Any]:
    made: dict[str, Any] = {"a": Source(), "b": sink()}
    made["a"].pipe(made["b"])
    return made


@program
def is_finished() -> dict[str, Any]:
    a = sink()
    finished(a, callback=hear)
    a.end(b"x")
    return {"a": a}


@program
def a_pipeline() -> dict[str, Any]:
    made = {"a": Source(), "b": through(), "c": sink()}
    pipeline(*made.values(), callback=hear)
    return made


@program
def a_pipeline_that_fails() -> dict[str, Any]:
    made: dict[str, Any] = {"a": Source(), "b": through(), "c": sink()}
    pipeline(*made.values(), callback=hear)
    made["b"].destroy(Boom())
    return made


@program
def iterated() -> dict[str, Any]:
    a = Source()

    async def iterate() -> None:
        async for _ in a:
            pass

    tasks.append(asyncio.ensure_future(iterate()))
    return {"a": a}


@program
def broken_off() -> dict[str, Any]:
    a = Source()

    async def iterate() -> None:
        async for _ in a:
            break

    tasks.append(asyncio.ensure_future(iterate()))
    return {"a": a}


@program
def a_signal() -> dict[str, Any]:
    a = add_abort_signal(AbortController().signal, sink())
    a.end(b"x")
    return {"a": a}


@program
def a_pair() -> dict[str, Any]:
    a, b = duplex_pair()
    a.resume().end(b"x")
    b.resume().end(b"y")
    return {"a": a, "b": b}


@program
def composed() -> dict[str, Any]:
    a, b = through(), through()
    whole = compose(a, b)
    whole.resume().end(b"x")
    return {"a": a, "b": b, "whole": whole}


@program
def duplex_from() -> dict[str, Any]:
    a, b = PassThrough(), PassThrough()
    whole = Duplex.from_({"readable": b, "writable": a})
    whole.end(b"x")
    b.end(b"y")
    a.resume()
    whole.resume()
    return {"a": a, "b": b, "whole": whole}


tasks: list[asyncio.Future[None]] = []  # of the program under way


def test_the_same_programs() -> None:
    assert list(PROGRAMS) == list(FACTS)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_as_node(name: str) -> None:
    facts: dict[str, list[str]] = {}
    made = PROGRAMS[name]()
    for key, stream in made.items():
        stream.on("close", lambda key=key, stream=stream: facts.update({key: [counts(stream)]}))
    await turns(50)
    await asyncio.gather(*tasks)
    tasks.clear()
    for key, stream in made.items():
        facts[key].append(counts(stream))
        try:
            stream.emit("error", Boom())
            facts[key].append("heard")
        except Boom:
            facts[key].append("thrown")
    assert facts == FACTS[name]

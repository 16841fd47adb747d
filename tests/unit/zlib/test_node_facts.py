"""What record_node_facts.js has seen in Node 24, done with treadle.zlib: the same inputs, options and orders of calls.

What treadle does otherwise is DIFFERENCES, each with its reason, and nothing else is."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import zlib as reference
from pathlib import Path
from typing import Any, Final

import pytest

import treadle.zlib as zlib
from treadle import TreadleError
from treadle.loop import get_loop

FACTS: Final[list[dict[str, Any]]] = json.loads(Path(__file__).with_name("node_facts.json").read_text())["facts"]
STEP_S: Final = 10.0  # for what a step waits for

DAMAGED = "one code says that data is damaged, whatever the format; the libraries' own numbers are not to be had"
ENDED = "input that ends too early is an error in every format"
TOLD = "a write that fails is told so"
FRAMES = "frames that follow each other are all read, however they are cut into chunks"
DIFFERENCES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "brotli_garbage": (DAMAGED, {"error": ["Z_DATA_ERROR"]}),
    "zstd_garbage": (DAMAGED, {"error": ["Z_DATA_ERROR"]}),
    "zstd_decompress_nothing": (ENDED, {"error": ["Z_BUF_ERROR"], "text": None}),
    "zstd_half": (ENDED, {"error": ["Z_BUF_ERROR"], "text": None}),
    "zstd_frames": (FRAMES, {"text": "abcabc"}),
    "brotli_and_garbage": ("the library does not tell garbage from damage", {"error": ["Z_DATA_ERROR"], "text": None}),
    "brotli_garbage_apart": (
        "likewise",
        {"events": ["write", "write Z_DATA_ERROR", "error Z_DATA_ERROR", "close"], "bytesWritten": 7},
    ),
    "corrupt": (TOLD, {"events": ["write Z_DATA_ERROR", "error Z_DATA_ERROR", "close", "write ERR_STREAM_DESTROYED"]}),
    "garbage_apart": (TOLD, {"events": ["write", "write Z_DATA_ERROR", "error Z_DATA_ERROR", "close"]}),
    "written_behind_finish": (TOLD, {"events": ["write", "flush", "write Z_STREAM_ERROR", "error Z_STREAM_ERROR", "close"]}),
    "zeros_apart": (
        "zeros behind a member are padding, however they are cut into chunks",
        {"events": ["write", "end", "write", "write", "finish", "close"], "bytesWritten": 23},
    ),
    "stream_length_exceeded": (
        "who gives max_output_length to a stream means it",
        {"events": ["write ERR_BUFFER_TOO_LARGE", "error ERR_BUFFER_TOO_LARGE", "close"], "seen": ["", ""]},
    ),
}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda match: "_" + match[1].lower(), name)


def value_of(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) and "base64" in value else value


def options_of(fact: dict[str, Any]) -> dict[str, Any]:
    options = {snake(name): value_of(value) for name, value in fact["options"].items()}
    if "params" in options:
        options["params"] = {int(key): value for key, value in options["params"].items()}
    return options


def expected_of(fact: dict[str, Any]) -> dict[str, Any]:
    expected = {key: fact[key] for key in ("error", "text", "events", "seen", "bytesWritten") if key in fact}
    if expected.get("error"):
        expected["error"] = expected["error"][:1]  # the code; the text is nobody's to rely on
    return {**expected, **DIFFERENCES.get(fact["name"], ("", {}))[1]}


def facts_of(kind: str) -> Any:
    facts = [fact for fact in FACTS if kind in fact]
    return pytest.mark.parametrize("fact", facts, ids=[fact["name"] for fact in facts])


OPPOSITE: Final = {
    "gzip": "gunzip",
    "deflate": "inflate",
    "deflateRaw": "inflateRaw",
    "brotliCompress": "brotliDecompress",
    "zstdCompress": "zstdDecompress",
}


@facts_of("whole")
async def test_a_whole_body(fact: dict[str, Any]) -> None:
    error, text = None, None
    try:
        data = await getattr(zlib, snake(fact["whole"]))(value_of(fact["input"]), **options_of(fact))
        if fact["whole"] in OPPOSITE:
            data = await getattr(zlib, snake(OPPOSITE[fact["whole"]]))(data)
        text = data.decode("latin-1")
    except TreadleError as failure:
        error = [failure.code]
    assert {"error": error, "text": text} == expected_of(fact)


@facts_of("made")
async def test_options(fact: dict[str, Any]) -> None:
    error = None
    try:
        getattr(zlib, fact["made"])(**options_of(fact)).destroy()
    except TreadleError as failure:
        error = [failure.code]
    assert {"error": error} == expected_of(fact)


def readable(name: str, data: bytes) -> str:
    """What can be read of what a stream has put out until now."""
    bits = {"Gzip": 31, "Deflate": 15, "DeflateRaw": -15}.get(name)
    if bits is not None:
        data = reference.decompressobj(bits).decompress(data)
    elif name == "BrotliCompress":
        data = pytest.importorskip("brotli").Decompressor().process(data)
    elif name == "ZstdCompress":
        data = pytest.importorskip("backports.zstd").ZstdDecompressor().decompress(data) if data else b""
    return data.decode("latin-1")


@facts_of("stream")
async def test_a_stream(fact: dict[str, Any]) -> None:
    stream = getattr(zlib, fact["stream"])(**options_of(fact))
    events: list[str] = []
    parts: list[bytes] = []
    seen: list[str] = []
    for event in ("finish", "end", "close"):
        stream.on(event, lambda event=event: events.append(event))
    stream.on("error", lambda error: events.append(f"error {error.code}"))
    stream.on("data", parts.append)
    for step, *arguments in fact["steps"]:
        await take_step(stream, events, step, *map(value_of, arguments))
        seen.append(readable(fact["stream"], b"".join(parts)))
    found = {"events": events, "seen": seen, "bytesWritten": stream.bytes_written}
    assert found == expected_of(fact)


async def take_step(stream: Any, events: list[str], step: str, argument: Any = None) -> None:
    loop: Any = get_loop()
    told = loop.create_future()

    def tell(error: Any = None) -> None:
        events.append(f"{step} {error.code}" if error is not None else step)
        told.set_result(None)

    if step == "write":
        stream.write(argument, None, tell)
    elif step == "flush":
        stream.flush(argument, tell)
    elif step == "end":
        if stream.closed:
            told.set_result(None)
        else:
            stream.once("close", lambda: told.set_result(None))
        stream.end(argument)
    elif step == "close":
        stream.close(tell)
    else:
        getattr(stream, step)()
        told.set_result(None)
    async with asyncio.timeout(STEP_S):
        await told
    for _ in range(5):
        turn = loop.create_future()
        loop.set_immediate(turn.set_result, None)
        await turn


def test_differences_are_of_facts() -> None:
    assert DIFFERENCES.keys() <= {fact["name"] for fact in FACTS}

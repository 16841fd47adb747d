"""Mistakes of a new user: each is told where it was made, by a code, and nothing hangs or ends the program."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.streams.support import settle
from treadle import TreadleError
from treadle.streams import Duplex, Readable, Transform, Writable, finished, pipeline

NO_ERRORS: list[Any] = [b"data", "disk full", 0, ValueError]


@pytest.mark.parametrize("value", NO_ERRORS, ids=repr)
@pytest.mark.parametrize("hook", ["write", "final", "destroy", "construct"])
async def test_a_hook_that_calls_back_with_no_exception_fails_its_stream(hook: str, value: Any) -> None:
    hooks: dict[str, Any] = {"write": lambda chunk, encoding, callback: callback(), hook: lambda *given: given[-1](value)}
    stream = Writable(**hooks)
    stream.end(b"x")
    with pytest.raises(TypeError) as caught:
        await finished(stream)
    assert isinstance(caught.value, TreadleError)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"


@pytest.mark.parametrize("value", NO_ERRORS, ids=repr)
async def test_data_in_the_place_of_the_error_fails_a_transform(value: Any) -> None:
    transform = Transform(transform=lambda chunk, encoding, callback: callback(value))
    with pytest.raises(TypeError, match=r"callback\(None, data\)"):
        await pipeline([b"x"], transform, Writable(write=lambda chunk, encoding, callback: callback()))


async def test_what_a_stream_is_destroyed_with_is_an_exception() -> None:
    stream = Readable(read=lambda size: None)
    stream.destroy("because")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"an exception"):
        await finished(stream)


@pytest.mark.parametrize("make", [Readable, Writable, Duplex, Transform])
def test_a_hook_is_callable(make: Callable[..., Any]) -> None:
    with pytest.raises(TreadleError) as caught:
        make(destroy=5)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"


@pytest.mark.parametrize("mark", [-1, 2**70, 1.5, "64"])
def test_a_mark_is_a_number_that_can_be_counted(mark: Any) -> None:
    with pytest.raises(TreadleError) as caught:
        Writable(high_water_mark=mark)
    assert caught.value.code == "ERR_INVALID_ARG_VALUE"


def test_object_mode_is_taken_for_its_truth() -> None:
    assert "0/16" in repr(Readable(object_mode="yes"))  # type: ignore[arg-type]


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_stage_has_the_side_that_it_needs(is_first: bool) -> None:
    source, sink = Readable(read=lambda size: None), Writable(write=lambda chunk, encoding, callback: callback())
    with pytest.raises(TreadleError) as caught:
        pipeline(sink, sink) if is_first else pipeline(source, source)
    assert caught.value.code == "ERR_INVALID_ARG_VALUE"
    source.destroy()
    sink.destroy()
    await settle()


def test_a_pipeline_that_is_under_way_when_the_program_ends_is_closed(capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[str] = []

    class Sink(Writable):
        async def _destroy(self, error: BaseException | None) -> None:
            ended.append("destroyed")

    async def behind() -> None:
        source = Readable(read=lambda size: None)
        source.push(b"x")
        try:
            await pipeline(source, Sink(write=lambda chunk, encoding, callback: callback()))
        finally:
            ended.append("left")

    async def main() -> None:
        tasks.append(asyncio.ensure_future(behind()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Future[None]] = []
    treadle.run(main)
    assert sorted(ended) == ["destroyed", "left"]
    assert tasks[0].cancelled()
    assert capfd.readouterr().err == ""

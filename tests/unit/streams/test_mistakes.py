"""Mistakes of a new user: each is told where it was made, by a code, and nothing hangs or ends the program."""

from __future__ import annotations

import asyncio
import gc
import threading
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import treadle
from tests.unit.streams.support import DEADLINE_S, settle, source_of, turns
from treadle import TreadleError, net
from treadle.streams import Duplex, PassThrough, Readable, Transform, Writable, compose, finished, pipeline

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


# -- the next step is named: tests hold the code, the fields, and the one word that the user has to write


def _swallow(**options: Any) -> Writable:
    return Writable(write=lambda chunk, encoding, callback: callback(), **options)


def _sync_stage(source: Any) -> Any:
    yield from source


async def _returning_stage(source: Any) -> Any:
    return [chunk async for chunk in source]


@pytest.mark.parametrize("stage", [_sync_stage, _returning_stage, lambda source: 5])
async def test_a_stage_amid_others_is_an_async_generator(stage: Any) -> None:
    with pytest.raises(TreadleError) as caught:
        await pipeline([b"x"], PassThrough(), stage, _swallow())
    assert (caught.value.code, caught.value.data["name"]) == ("ERR_INVALID_RETURN_VALUE", "stages[2]")
    assert "async def" in caught.value.hint


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_so_is_a_stage_of_compose_and_it_is_told_which(place: int) -> None:
    stages: list[Any] = [PassThrough(), PassThrough(), PassThrough()]
    stages[place] = _sync_stage
    with pytest.raises(TreadleError) as caught:
        compose(*stages)
    assert caught.value.data == {
        "name": f"stages[{place}]", "expected": "an async iterable", "received": "generator",
    }  # fmt: skip
    for stage in stages:
        if place != stages.index(stage):
            stage.destroy()
    await settle()


@pytest.mark.parametrize("stage", [_sync_stage([]), PassThrough])
async def test_a_stage_that_was_called_too_early_or_not_at_all(stage: Any) -> None:
    with pytest.raises(TreadleError) as caught:
        pipeline([b"x"], stage, _swallow())
    assert (caught.value.code, caught.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "stages[1]")
    assert caught.value.hint.startswith("Make one: PassThrough()" if stage is PassThrough else "Give the function itself")


WRONG_CHUNKS: list[tuple[Any, str]] = [
    ({}, "json.dumps"), ([1], "json.dumps"), (5, "[data]"), ([b"a", b"b"], 'b"".join'), (1.5, "str(chunk).encode()"),
    (array("i", [1]), "bytes(chunk)"), (iter([b"x"]), "pipeline()"), (print, "callback="),
]  # fmt: skip


@pytest.mark.parametrize(("chunk", "step"), WRONG_CHUNKS)
@pytest.mark.parametrize("way", ["write", "push", "callback", "stage"])
async def test_a_chunk_that_is_no_bytes(way: str, chunk: Any, step: str) -> None:
    async def stage(source: Any) -> Any:
        async for _ in source:
            yield chunk

    with pytest.raises(TypeError) as caught:
        if way == "write":
            _swallow().write(chunk)
        elif way == "push":
            await pipeline(source_of([chunk]), _swallow())
        elif way == "callback":
            await pipeline([b"x"], Transform(transform=lambda given, encoding, callback: callback(None, chunk)), _swallow())
        else:
            await pipeline([b"x"], stage, _swallow())
    assert isinstance(caught.value, TreadleError)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"
    assert caught.value.data["received"] == type(chunk).__name__
    assert step in caught.value.hint
    if type(chunk) in (dict, list, int):
        assert ("readable_object_mode=True" if way == "callback" else "object_mode=True") in caught.value.hint


STRAY: dict[str, Callable[..., Any]] = {"read": Readable, "write": Writable, "writev": Writable, "final": Writable} | {
    "construct": Writable, "destroy": Writable, "transform": Transform, "flush": Transform,
}  # fmt: skip


@pytest.mark.parametrize("is_method", [False, True])
@pytest.mark.parametrize("hook", STRAY)
@pytest.mark.filterwarnings("error")
async def test_a_hook_that_returns_a_coroutine_and_is_none_fails_its_stream(hook: str, is_method: bool) -> None:
    async def work(*given: Any) -> None:
        raise AssertionError("it was to be closed")

    base = STRAY[hook]
    others: dict[str, Any] = {} if base is not Transform else {"transform": lambda chunk, encoding, callback: callback()}
    if base is Writable and hook != "writev":
        others = {"write": lambda chunk, encoding, callback: callback()}
    others.pop(hook, None)
    if is_method:
        stream = type("Own", (base,), {f"_{hook}": lambda self, *given: work(*given)})(**others)  # type: ignore[arg-type]
    else:
        stream = base(**others, **{hook: lambda *given: work(*given)})
    if base is Readable:
        stream.read()
    else:
        if hook == "writev":
            stream.cork()
            for _ in range(5):
                stream.write(b"x")
        stream.end(b"x")
        if base is Transform:
            stream.resume()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(TreadleError) as caught:
            await finished(stream)
    assert (caught.value.code, caught.value.data["name"]) == ("ERR_INVALID_RETURN_VALUE", hook)
    assert "async def" in caught.value.hint


async def test_what_has_an_async_call_is_a_coroutine_function_and_so_is_a_partial_of_one() -> None:
    taken: list[Any] = []

    class Hook:
        async def __call__(self, chunk: bytes, encoding: str) -> None:
            taken.append(chunk)

    async def hook(to: list[Any], chunk: bytes, encoding: str) -> None:
        to.append(chunk)

    for write in Hook(), partial(hook, taken):
        await pipeline([b"x"], Writable(write=write))
    assert taken == [b"x", b"x"]


@pytest.mark.parametrize("base", [Readable, Writable, Duplex, Transform, PassThrough])
@pytest.mark.parametrize("use", [repr, lambda stream: stream.push(b"x"), lambda stream: stream.write(b"x")])
def test_a_subclass_that_leaves_out_the_constructor(base: Any, use: Callable[..., Any]) -> None:
    stream = type("Own", (base,), {"__init__": lambda self: None})()
    with pytest.raises((TreadleError, AttributeError)) as caught:
        use(stream)
    if isinstance(caught.value, AttributeError):
        assert base in (Readable, Writable)  # which has not both sides
        return
    assert caught.value.code == "ERR_INVALID_STATE"
    assert "super().__init__()" in caught.value.hint


async def test_a_pipeline_that_nobody_awaits_is_told_of_when_it_has_failed() -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    gc.disable()  # without its help
    try:
        error = ValueError("disk full")
        pipeline([b"x"], Writable(write=lambda chunk, encoding, callback: callback(error)))
        await settle()
        assert told == [error]
        held = pipeline([b"x"], Writable(write=lambda chunk, encoding, callback: callback(error)))
        await settle()
        await turns(5)
        with pytest.raises(ValueError, match="disk full"):
            await held  # some turns later: no false alarm
        assert told == [error]
    finally:
        gc.enable()
        asyncio.get_running_loop().set_exception_handler(None)


UNKNOWN_ENCODINGS = [
    (print, "callback="),
    ("cp1252", "text.encode('cp1252')"),
    ("cp1252", "data.decode('cp1252')"),
    ("iso-8859-1", "called latin1"),
    ("utf_8", "called utf8"),
    (5, "utf16le"),
    ("x", "hex"),
]


@pytest.mark.parametrize(("encoding", "step"), UNKNOWN_ENCODINGS)
async def test_an_encoding_that_is_none(encoding: Any, step: str) -> None:
    with pytest.raises(TreadleError) as caught:
        _swallow().write("x", encoding)
    assert caught.value.code == "ERR_UNKNOWN_ENCODING"
    assert step in caught.value.hint


@pytest.mark.parametrize("destination", [print, Writable, 5])
async def test_a_stream_is_piped_to_a_stream(destination: Any) -> None:
    source = source_of([b"x"])
    with pytest.raises(TreadleError) as caught:
        source.pipe(destination)
    assert (caught.value.code, caught.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "destination")
    source.destroy()
    await settle()


@pytest.mark.parametrize("is_used_before", [False, True])
async def test_a_stream_in_another_thread_is_refused_with_the_name_of_that_thread(is_used_before: bool) -> None:
    sink = _swallow()
    if is_used_before:
        sink.write(b"x", callback=lambda error: None)
        await settle()
    caught: list[Any] = []

    def use() -> None:
        try:
            sink.write(b"x", callback=lambda error: None)
        except TreadleError as error:
            caught.append(error)

    thread = threading.Thread(target=use, name="the other one")
    thread.start()
    thread.join(DEADLINE_S)
    assert [error.code for error in caught] == ["ERR_NO_LOOP"]
    assert caught[0].data == {"thread": "'the other one'"}
    assert "call_soon_threadsafe" in caught[0].hint
    assert "to_file" in caught[0].hint
    sink.destroy()
    await settle()


async def test_a_stream_that_another_thread_destroys_is_as_it_was() -> None:
    """It was released there, and neither 'close' nor the error followed."""
    sink = _swallow()
    sink.write(b"x", callback=lambda error: None)
    await settle()
    told: list[str] = []
    sink.on("close", lambda: told.append("close"))
    caught: list[Any] = []

    def use() -> None:
        try:
            sink.destroy()
        except TreadleError as error:
            caught.append(error.code)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(DEADLINE_S)
    assert caught == ["ERR_NO_LOOP"] and not sink.destroyed
    sink.destroy()
    await settle()
    assert sink.closed and told == ["close"]


async def test_a_stream_of_one_loop_is_refused_in_another() -> None:
    sink = _swallow()
    sink.write(b"x", callback=lambda error: None)
    await settle()
    caught: list[Any] = []

    async def use() -> None:
        with pytest.raises(TreadleError) as raised:
            sink.write(b"x", callback=lambda error: None)
        caught.append(raised.value)

    thread = threading.Thread(target=treadle.run, args=(use,))
    thread.start()
    thread.join(DEADLINE_S)
    assert [error.code for error in caught] == ["ERR_INVALID_STATE"]
    sink.destroy()
    await settle()


def test_a_stream_made_in_a_loop_that_was_closed_goes_on_in_the_next() -> None:
    async def make() -> Writable:
        sink = _swallow()
        sink.write(b"x")
        return sink

    async def end(sink: Writable) -> None:
        await finished(sink.end(b"y"))

    made: list[Writable] = []

    async def main() -> None:
        made.append(await make())

    async def then() -> None:
        await end(made[0])

    treadle.run(main)
    treadle.run(then)
    assert made[0].writable_finished


async def test_where_a_loop_that_is_not_treadles_runs_the_next_step_is_another() -> None:
    caught: list[Any] = []

    async def use() -> None:
        with pytest.raises(TreadleError) as raised:
            _swallow().write(b"x", callback=lambda error: None)
        caught.append(raised.value)

    def run() -> None:
        loop = asyncio.SelectorEventLoop()
        loop.run_until_complete(use())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(DEADLINE_S)
    assert [error.code for error in caught] == ["ERR_NO_LOOP"]
    assert "treadle.run(main)" in caught[0].hint


async def test_a_socket_has_no_objects_and_a_port_is_no_text() -> None:
    socket = net.Socket()
    with pytest.raises(TreadleError) as caught:
        socket.write({})  # type: ignore[arg-type]
    assert "json.dumps" in caught.value.hint
    assert "object_mode" not in caught.value.hint
    with pytest.raises(TreadleError) as caught:
        net.connect("80")  # type: ignore[arg-type]
    assert "int('80')" in caught.value.hint
    socket.destroy()
    await settle()


async def _yields(*_: Any) -> Any:
    yield b""


@pytest.mark.parametrize("hook", ["read", "write", "writev", "final", "construct", "destroy", "transform", "flush"])
def test_a_hook_that_yields_is_refused(hook: str) -> None:
    base: Any = Readable if hook == "read" else Transform if hook in ("transform", "flush") else Writable
    with pytest.raises(TreadleError) as caught:
        base(**{hook: _yields})
    assert caught.value.code == "ERR_INVALID_ARG_TYPE" and "an async generator function" in str(caught.value)
    with pytest.raises(TreadleError, match=f"_{hook}"):
        type("Own", (base,), {f"_{hook}": lambda self, *_: (yield)})

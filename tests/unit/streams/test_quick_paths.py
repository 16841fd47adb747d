"""What the native core does in short for the common case behaves as at length: callbacks by keyword and with wrong counts,
overridden methods, PassThrough's hook, a step of iteration that serves again.

Not here: the order of events (tests/conformance), what iteration is for (test_iterator.py).
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from tests.unit.streams.support import code_of, settle, source_of
from treadle import TreadleError
from treadle._native.stream_iterator import IteratorCore
from treadle.streams import PassThrough, Readable, Transform, Writable, finished

Callback = Any


async def taken(stream: Readable) -> list[Any]:
    """All that it gives out."""
    return [chunk async for chunk in stream]


# -- callbacks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (lambda callback, chunk: callback(None, chunk), [1, 2]),
        (lambda callback, chunk: callback(data=chunk), [1, 2]),
        (lambda callback, chunk: callback(None, data=chunk), [1, 2]),
        (lambda callback, chunk: callback(data=chunk, error=None), [1, 2]),
        (lambda callback, chunk: callback(None), []),
        (lambda callback, chunk: callback(), []),
    ],
)
async def test_a_transform_calls_back_by_position_or_by_name(how: Any, expected: list[int]) -> None:
    stream = Transform(object_mode=True, transform=lambda chunk, encoding, callback: how(callback, chunk))
    stream.write(1)
    stream.end(2)
    assert await taken(stream) == expected


@pytest.mark.parametrize("name", ["positional", "named"])
async def test_an_error_fails_the_stream_by_position_or_by_name(name: str) -> None:
    error = ValueError("no")

    def write(chunk: Any, encoding: str, callback: Callback) -> None:
        callback(error) if name == "positional" else callback(error=error)

    stream = Writable(object_mode=True, write=write)
    stream.write(1)
    with pytest.raises(ValueError) as caught:
        await finished(stream)
    assert caught.value is error


async def test_too_many_arguments_and_unknown_names_are_refused() -> None:
    refused = []

    def transform(chunk: Any, encoding: str, callback: Callback) -> None:
        for arguments, names in (((None, 1, 2), {}), ((), {"nothing": 1})):
            try:
                callback(*arguments, **names)
            except TypeError:
                refused.append((arguments, names))
        callback()

    stream = Transform(object_mode=True, transform=transform)
    stream.resume()
    stream.end(1)
    await finished(stream)
    assert refused == [((None, 1, 2), {}), ((), {"nothing": 1})]


async def test_push_and_write_by_name() -> None:
    stream = PassThrough(object_mode=True)
    assert stream.write(chunk=1) is True
    assert stream.push(chunk=2, encoding=None) is True
    for call in (stream.push, stream.write):
        with pytest.raises(TypeError):
            call()
    stream.end()
    assert await taken(stream) == [1, 2]


async def test_a_chunk_that_comes_too_late_is_what_end_is_called_back_with() -> None:
    stream = Writable(write=lambda chunk, encoding, callback: callback())
    stream.on("error", lambda error: None)
    stream.end()
    errors: list[BaseException | None] = []
    stream.end(b"late", callback=errors.append)
    with pytest.raises(Exception):  # noqa: B017 -- which one is asserted below
        await finished(stream)
    assert [code_of(error) for error in errors] == ["ERR_STREAM_WRITE_AFTER_END"]


# -- what is overridden is called --------------------------------------------------------------------------------


async def test_an_overridden_write_is_what_a_pipe_calls() -> None:
    written = []

    class Watched(Writable):
        def write(self, chunk: Any, encoding: Any = None, callback: Any = None) -> bool:
            written.append(chunk)
            return super().write(chunk, encoding, callback)

    sink = source_of([1, 2, 3], object_mode=True).pipe(
        Watched(object_mode=True, write=lambda chunk, encoding, callback: callback())
    )
    await finished(sink)
    assert written == [1, 2, 3]


async def test_a_hook_of_a_pass_through_is_called() -> None:
    class Doubling(PassThrough):
        def _transform(self, chunk: Any, encoding: str, callback: Callback) -> None:
            callback(None, 2 * chunk)

    by_class = Doubling(object_mode=True)
    by_instance = PassThrough(object_mode=True)
    by_instance._transform = lambda chunk, encoding, callback: callback(None, 2 * chunk)  # type: ignore[method-assign]
    by_option = PassThrough(object_mode=True, transform=lambda chunk, encoding, callback: callback(None, 2 * chunk))
    for stream in (by_class, by_instance, by_option):
        stream.write(1)
        stream.end(2)
        assert await taken(stream) == [2, 4]


async def test_an_overridden_step_of_iteration_is_called() -> None:
    class Mine(type(source_of([], object_mode=True).__aiter__())):  # type: ignore[misc]
        async def __anext__(self) -> str:
            return "mine"

    assert await anext(Mine(source_of([1], object_mode=True))) == "mine"


# -- a step of iteration serves again ----------------------------------------------------------------------------


async def test_a_step_that_is_kept_keeps_its_chunk() -> None:
    steps = source_of([[1], [2], [3], [4]], object_mode=True).__aiter__()
    assert await anext(steps) == [1]
    kept = steps.__anext__()
    assert await kept == [2]
    assert await steps.__anext__() == [3]
    assert await kept == [2]


async def test_a_stop_that_is_kept_keeps_its_value() -> None:
    steps = source_of([1, 2, 3, 4], object_mode=True).__aiter__()
    assert await anext(steps) == 1
    with pytest.raises(StopIteration) as caught:
        steps.__anext__().__await__().__next__()  # type: ignore[attr-defined]
    assert await anext(steps) == 3
    assert caught.value.value == 2
    assert await anext(steps) == 4


async def test_any_object_is_given_out() -> None:
    chunks = [(1, 2), (), ValueError("x"), StopIteration(3), ValueError, 0, ""]
    assert await taken(source_of(chunks, object_mode=True)) == chunks


async def test_two_iterations_share_the_chunks() -> None:
    stream = source_of(list(range(300)), object_mode=True)
    halves = await asyncio.gather(*(collected(stream) for _ in range(2)))
    assert sorted(halves[0] + halves[1]) == list(range(300))


async def collected(stream: Readable) -> list[Any]:
    return [chunk async for chunk in stream.iterator(destroy_on_return=False)]


async def test_iteration_under_a_tracer() -> None:
    events = []

    def tracer(frame: Any, event: str, argument: Any) -> Any:
        events.append(event)
        return tracer

    sys.settrace(tracer)
    try:
        chunks = await taken(source_of(list(range(50)), object_mode=True))
    finally:
        sys.settrace(None)
    assert chunks == list(range(50))
    assert events


@pytest.mark.parametrize("how", ["on", "once", "prepend_listener"])
async def test_who_listens_for_data_within_an_iteration_hears_it(how: str) -> None:
    stream, heard, seen = source_of(list(range(40)), object_mode=True), [], 0
    async for _ in stream:
        seen += 1
        if seen == 3:
            getattr(stream, how)("data", heard.append)
        if seen == 30:
            break
    assert heard[:1] == [3]


@pytest.mark.parametrize("arguments", [(), (None,), (None, b"x")])
async def test_what_is_called_back_before_there_is_a_stream(arguments: tuple[Any, ...]) -> None:
    for kind, name in ((Writable, "_written"), (Transform, "_transformed")):
        with pytest.raises(TreadleError) as caught:
            getattr(kind.__new__(kind), name)(*arguments[: 1 if kind is Writable else 2])
        assert caught.value.code == "ERR_INVALID_STATE"
    with_own_write: Any = Transform(write=lambda *_: None)
    with pytest.raises(TypeError):
        with_own_write._transformed(*arguments)
    with_own_write.destroy()
    await settle()


async def test_a_step_of_an_iteration_over_what_cannot_be_read() -> None:
    iterator = IteratorCore(Writable())
    iterator.has_begun = True
    with pytest.raises(AttributeError):  # _next(), which is the subclass's
        iterator.__anext__()


@pytest.mark.parametrize("kind", [Readable, Writable, Transform])
async def test_a_constructor_that_is_called_again_by_a_hook(kind: Any) -> None:
    codes = []

    def again(*arguments: Any) -> None:
        with pytest.raises(TreadleError) as caught:
            kind.__init__(stream)
        codes.append(caught.value.code)

    stream: Any = kind(**{{Readable: "read", Writable: "write", Transform: "transform"}[kind]: again})
    if kind is Readable:
        stream.resume()
        stream.push(b"x")
    else:
        stream.write(b"x")
    await settle()
    assert codes == ["ERR_INVALID_STATE"] * len(codes) != []
    stream.destroy()
    await settle()

"""What a user is told who has given a stream the wrong thing: what it was, and the next step.

Invariant: the code is Node's, and only the hint is made here, once the mistake is made: nothing of it costs a stream that is used
well. Not here: where a mistake is found (_native, _pipeline.py, _hooks.py); the texts that need no look at what was given
(_base.error_table).
"""

from collections.abc import AsyncIterable, Awaitable, Iterator, Mapping
from inspect import isasyncgen, iscoroutine, isgenerator
from typing import Any, Final

from treadle._base.errors import TreadleError

__all__ = ["foreign", "no_destination", "no_stage", "no_stage_result", "stray_coroutine", "unconstructed", "wrong_chunk"]

_STAGE: Final = "async def stage(source), with `async for chunk in source: yield ...`"
_BYTES_LIKE: Final = (bytes, bytearray, memoryview)


def wrong_chunk(stream: Any, chunk: Any, option: str | None) -> TreadleError:
    """A chunk of a byte stream that is no bytes. option: the one that allows objects, or None where the stream has none."""
    return TreadleError(
        "ERR_INVALID_ARG_TYPE",
        name="chunk",
        expected="bytes, bytearray, memoryview or str",
        received=type(chunk).__name__,
        hint=_chunk_hint(type(stream).__name__, chunk, option),
    )


def _chunk_hint(name: str, chunk: Any, option: str | None) -> str:
    if iscoroutine(chunk):
        chunk.close()
        return "A coroutine was not awaited: write what it returns"
    if callable(chunk):
        return "A callback is given by its name, as in write(chunk, callback=...) and end(callback=...)"
    if isinstance(chunk, AsyncIterable | Iterator):
        return "Give what is iterated to pipeline(), or to Readable.from_(), which write one item after the other"
    objects = "" if option is None else f", or let the {name} take objects: {option}=True"
    return _bytes_of(chunk) + objects


def _bytes_of(chunk: Any) -> str:
    if isinstance(chunk, int) and not isinstance(chunk, bool):
        return "Iterating bytes gives ints: give [data] in the place of data; a number as text is str(chunk)"
    if isinstance(chunk, list | tuple) and chunk and all(isinstance(one, _BYTES_LIKE) for one in chunk):
        return 'Join the parts, b"".join(chunk)'
    if isinstance(chunk, Mapping | list | tuple):
        return "Encode it, as json.dumps(chunk).encode()"
    try:
        memoryview(chunk)
    except TypeError:
        return "Encode it, as str(chunk).encode()"
    return "Take its bytes, bytes(chunk)"


def stray_coroutine(hook: str) -> TreadleError:
    """A hook that is no coroutine function has returned a coroutine, which was closed."""
    return TreadleError(
        "ERR_INVALID_RETURN_VALUE",
        name=hook,
        expected="None, and call back",
        received="a coroutine",
        hint=f"Give the coroutine function itself, {hook}=function, or define async def _{hook}(); neither gets a callback",
    )


def foreign(stream: Any) -> TreadleError:
    """A stream of one loop is used in another."""
    return TreadleError(
        "ERR_INVALID_STATE",
        state=f"a {type(stream).__name__} of another loop is used in this one",
        hint="Make a stream in the loop that uses it; the other loop is told by its call_soon_threadsafe()",
    )


def unconstructed(stream: Any) -> TreadleError:
    """A subclass has left out the constructor."""
    name = type(stream).__name__
    return TreadleError(
        "ERR_INVALID_STATE",
        state=f"a {name} is used before it was constructed",
        hint=f"Call super().__init__() first in {name}.__init__()",
    )


def no_destination(given: Any) -> TreadleError:
    """What a stream is to be piped to, and is no stream."""
    hint = "Give it to pipeline(), which takes files and functions too"
    if isinstance(given, type):
        hint = f"Make one: {given.__name__}()"
    return TreadleError(
        "ERR_INVALID_ARG_TYPE", name="destination", expected="a Writable", received=type(given).__name__, hint=hint
    )


def no_stage(stage: Any, name: str) -> TreadleError:
    """What stands behind the first place of a pipeline, and is neither a stream nor a function."""
    hint = "Give a stream, or a function that takes what comes before it"
    if isgenerator(stage) or isasyncgen(stage) or iscoroutine(stage):
        if iscoroutine(stage):
            stage.close()
        hint = "Give the function itself, not what it returns: the pipeline calls it with what comes before it"
    elif hasattr(stage, "write"):
        hint = "Give Writable.from_(file) for an open binary file, or a StreamWriter"
    return TreadleError(
        "ERR_INVALID_ARG_TYPE", name=name, expected="a stream or a function", received=type(stage).__name__, hint=hint
    )


def no_stage_result(made: Any, name: str, *, is_last: bool) -> TreadleError:
    """A function behind the first place of a pipeline has returned what cannot be iterated asynchronously."""
    received, hint = type(made).__name__, f"Write it as {_STAGE}"
    if isgenerator(made):
        hint = f"What comes before it is asynchronous. {hint}"
    elif isinstance(made, Awaitable):
        hint = f"Only the last stage is a function that returns; one amid others yields. {hint}"
        if iscoroutine(made):
            made.close()
    else:
        hint = f"It is called once, with all that comes before it as an async iterable, not once a chunk. {hint}"
    expected = "an async iterable or an awaitable" if is_last else "an async iterable"
    return TreadleError("ERR_INVALID_RETURN_VALUE", name=name, expected=expected, received=received, hint=hint)

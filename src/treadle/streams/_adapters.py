"""What can stand in for a stream.

Not here: streams made of iterables (_from.py), of asyncio's and of files (_asyncio_bridge.py, _file_bridge.py).
"""

from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

from treadle._base.errors import TreadleError
from treadle.streams._file_bridge import is_file
from treadle.streams._readable import Readable
from treadle.streams._stream import Stream
from treadle.streams._tasks import IN_A_ROW, let_turn
from treadle.streams._writable import Writable

__all__ = ["as_iterable", "as_stage"]


def as_stage(given: Any, *, is_first: bool, is_last: bool) -> Any:
    """A stage as pipeline() takes it: asyncio's readers and writers, and files, become streams at its ends."""
    if is_first and (isinstance(given, StreamReader) or is_file(given)) and not isinstance(given, Stream):
        return Readable.from_(given)
    if is_last and not isinstance(given, Stream) and (isinstance(given, StreamWriter) or is_file(given)):
        return Writable.from_(given)
    return given


def as_iterable(made: Any, code: str, *, name: str, expected: str) -> AsyncIterable[Any]:
    """What a stage is fed with, as an async iterable. Raises TreadleError: `code`."""
    if isinstance(made, Stream | AsyncIterable):
        return made  # type: ignore[return-value]
    if isinstance(made, Iterable):
        return _each(made)
    raise TreadleError(code, name=name, expected=expected, received=type(made).__name__)


async def _each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for number, item in enumerate(items, 1):
        yield item
        if number % IN_A_ROW == 0:
            await let_turn()

"""What is awaited of a stream: a future whose error, where it is raised, the blocks there need not raise once more.

Not here: when it is done (_finished.py, _pipeline.py).
"""

from asyncio import Future
from collections.abc import Generator
from typing import Any, TypeVar

from treadle.streams._block import note_raised

__all__ = ["StreamFuture"]

_T = TypeVar("_T")


class StreamFuture(Future[_T]):
    """See asyncio.Future. ORDER: it is told where it is raised, not when it is done: nobody may ever ask."""

    def _note_raised(self, error: BaseException) -> None:
        note_raised(error)

    def __await__(self) -> Generator[Any, None, _T]:
        try:
            return (yield from super().__await__())
        except Exception as error:
            self._note_raised(error)
            raise
        finally:
            del self  # its error keeps this frame

    __iter__ = __await__

    def result(self) -> _T:
        """See asyncio.Future.result."""
        try:
            return super().result()
        except Exception as error:
            self._note_raised(error)
            raise
        finally:
            del self  # likewise

    def exception(self) -> BaseException | None:
        """See asyncio.Future.exception."""
        error = super().exception()
        if error is not None:
            self._note_raised(error)
        return error

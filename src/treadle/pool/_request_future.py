"""What is awaited while a request of the pool is under way."""

import asyncio
from typing import Any, TypeVar

from treadle._native.pool import Request

__all__ = ["RequestFuture"]

T = TypeVar("T")


class RequestFuture(asyncio.Future[T]):
    """A future that a request's callback settles. Invariant: once it is done, it and its request know nothing of each other.

    `request` is set by who makes both: the request is under way before there is anything to set.
    """

    request: Request | None = None

    def settle(self, error: BaseException | None, result: Any = None) -> None:
        """The request's callback."""
        self.request = None
        if self.done():
            return
        if error is None:
            self.set_result(result)
        elif isinstance(error, StopIteration):  # which no future takes
            failure = RuntimeError("the call raised StopIteration")
            failure.__cause__ = error
            self.set_exception(failure)
        else:
            self.set_exception(error)

    def cancel(self, msg: Any | None = None) -> bool:
        """Drop the result, and the job too if no thread has it yet. See asyncio.Future.cancel."""
        is_cancelled = super().cancel(msg)
        if is_cancelled and self.request is not None:
            self.request.cancel()
            self.request = None
        return is_cancelled

"""What goes along with a request through callbacks, tasks and timers, unasked: AsyncLocalStorage and AsyncResource.
Source: https://nodejs.org/api/async_context.html. Invariant: imports without a loop and without asyncio. Not here: contextvars
itself, which does the work and which every callback of the loop heeds."""

from treadle.context._resource import AsyncResource
from treadle.context._storage import AsyncLocalStorage

__all__ = ["AsyncLocalStorage", "AsyncResource"]

"""The calls of one loop in executors. Each holds the program until its outcome has arrived.

Invariant: a call counts in the process that made it. A forked child has none of the threads: no outcome of its parent's calls
arrives there, and an executor that has counted them as idle waits for them for ever. Not here: the calls, which are asyncio's.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop


class ExecutorCalls:
    """Those under way, on the loop's thread."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Future[Any]] = set()
        self._pid = os.getpid()  # whose calls they are

    def hold(self, loop: EventLoop, future: asyncio.Future[Any]) -> None:
        """Let a call hold the program."""
        self._under_way.add(future)
        loop.ref_request()
        future.add_done_callback(self._ended)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        if future in self._under_way:  # else it is the parent's
            self._under_way.remove(future)
            future.get_loop().unref_request()  # type: ignore[attr-defined]

    def renew_if_forked(self, loop: EventLoop) -> None:
        """A forked child has none of its parent's calls, and makes a default executor of its own when it needs one."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        loop._default_executor = None
        while self._under_way:
            self._under_way.pop()
            loop.unref_request()

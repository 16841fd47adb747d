"""The event loop as asyncio sees it, and the programs that run in it."""

from treadle.loop.current import get_loop, queue_microtask
from treadle.loop.event_loop import EventLoop, EventLoopPolicy, install, new_event_loop
from treadle.loop.program import run

__all__ = ["EventLoop", "EventLoopPolicy", "get_loop", "install", "new_event_loop", "queue_microtask", "run"]

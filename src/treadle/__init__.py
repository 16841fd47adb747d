"""treadle: Node's server runtime for Python.

Importing this package imports nothing else: its names are looked up when they are first used (PEP 562), so that an isolate that
needs only the native loop pays for nothing more, asyncio included.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from treadle._base.version import VERSION as __version__

if TYPE_CHECKING:
    from treadle import (
        child_process,
        context,
        crypto,
        diagnostics_channel,
        dns,
        events,
        fs,
        http,
        net,
        perf,
        pool,
        process,
        timers,
        tls,
        zlib,
    )  # fmt: skip
    from treadle._base.errors import TreadleError
    from treadle.context import AsyncLocalStorage
    from treadle.events import AbortController, AbortSignal
    from treadle.loop import EventLoop, install, new_event_loop, queue_microtask, run


_HOMES = {
    "AbortController": "treadle.events",
    "AbortSignal": "treadle.events",
    "AsyncLocalStorage": "treadle.context",
    "EventLoop": "treadle.loop",
    "TreadleError": "treadle._base.errors",
    "install": "treadle.loop",
    "new_event_loop": "treadle.loop",
    "queue_microtask": "treadle.loop",
    "run": "treadle.loop",
}
_PACKAGES = (
    "child_process", "context", "crypto", "diagnostics_channel", "dns", "events", "fs", "http", "net", "perf", "pool",
    "process", "streams", "timers", "tls", "zlib",
)  # fmt: skip

__all__ = [
    "AbortController",
    "AbortSignal",
    "AsyncLocalStorage",
    "EventLoop",
    "TreadleError",
    "__version__",
    "child_process",
    "context",
    "crypto",
    "diagnostics_channel",
    "dns",
    "events",
    "fs",
    "http",
    "install",
    "net",
    "new_event_loop",
    "perf",
    "pool",
    "process",
    "queue_microtask",
    "run",
    "streams",
    "timers",
    "tls",
    "zlib",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"treadle.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'treadle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Certificates that change while a server runs: looked at now and then, off the loop, and taken over for new connections.

Invariants: one look at a time; a certificate that cannot be loaded changes nothing, and is told once; connections that are open
keep what they began with. Not here: what a server does with a new context.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable

from treadle.tls._contexts import ServerOptions, server_context

__all__ = ["INTERVAL_S", "Reloader"]

INTERVAL_S = 60.0  # between two looks at the files; a renewed certificate is good for weeks

logger = logging.getLogger("treadle.tls")

_Stamp = tuple[tuple[str, int, int, int] | str, ...]


class Reloader:
    """Looks after the files of one server. `loaded` is called with each new context, on the loop."""

    def __init__(
        self,
        options: ServerOptions,
        loaded: Callable[[ssl.SSLContext], object],
        *,
        alpn_protocols: tuple[str, ...] = (),
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._options = options
        self._loaded = loaded
        self._protocols = alpn_protocols
        self._interval_s = interval_s
        self._stamp: _Stamp = ()
        self._failed: _Stamp | None = None  # what could not be loaded, and was told
        self._lock = asyncio.Lock()

    def load(self) -> ssl.SSLContext:
        """The context as the files are now; later ones are compared with them. Blocks. Raises as ServerOptions.load()."""
        stamp = _stamp_of(self._options)  # ORDER: first, so that what changes meanwhile is seen later
        context = server_context(self._options, alpn_protocols=self._protocols)
        self._stamp = stamp
        return context

    async def watch(self) -> None:
        """Look every interval_s, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.reload(only_if_changed=True)

    async def reload(self, *, only_if_changed: bool = False) -> bool:
        """Read the files, on another thread. True: they are loaded. A failure is logged, and the old ones stay."""
        async with self._lock:
            try:
                stamp, context = await asyncio.to_thread(self._look, only_if_changed)
            except Exception as error:  # whatever is in the files, the server goes on
                logger.warning("the certificates stay as they were, the new ones are not good: %s", _text_of(error))
                return False
            if context is None:
                return False
            self._stamp, self._failed = stamp, None
            self._loaded(context)
            logger.info("new certificates are loaded from %s", ", ".join([os.fspath(path) for path in self._options.files()]))
            return True

    def _look(self, only_if_changed: bool) -> tuple[_Stamp, ssl.SSLContext | None]:
        stamp = _stamp_of(self._options)
        if only_if_changed and stamp in (self._stamp, self._failed):
            return stamp, None
        try:
            return stamp, server_context(self._options, alpn_protocols=self._protocols)
        except Exception:
            self._failed = stamp  # one of two files is replaced before the other, perhaps: the next change is looked at
            raise


def _stamp_of(options: ServerOptions) -> _Stamp:
    return tuple([_facts_of(os.fspath(path)) for path in options.files()])


def _facts_of(path: str) -> tuple[str, int, int, int] | str:
    try:
        status = os.stat(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def _text_of(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, ssl.SSLError) else str(error)

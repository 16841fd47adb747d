"""Serving one application in one process, from its start to a graceful end.

    start-up of the application -> listen -> a signal -> stop accepting -> requests under way, and what their handlers still do
        -> the time is over: cut and cancel -> shutdown of the application

Not here: flags and logging set-up (treadle.cli).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from treadle._base.errors import TreadleError
from treadle._native.http1_server import HTTPListener
from treadle._native.tcp import Listener
from treadle.asgi.core import ASGIServer
from treadle.asgi.lifespan import Lifespan, LifespanError, Mode
from treadle.asgi.loading import Application
from treadle.http.limits import Limits, Timeouts
from treadle.http.server import BACKLOG
from treadle.loop.accepting import pause_accepting
from treadle.loop.binding import bind_tcp, bind_unix
from treadle.loop.current import get_loop
from treadle.loop.program import run_until_done
from treadle.tls import HTTP_PROTOCOLS, Reloader, ServerOptions

__all__ = ["ServeConfig", "StartupError", "serve"]

logger = logging.getLogger("treadle")

CANCEL_S = 5.0  # for handlers, and for what else the application left behind, to clean up once they are cancelled


class StartupError(Exception):
    """Nothing was served; the text says why."""


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None  # path of a Unix socket, instead of host and port
    backlog: int = BACKLOG
    root_path: str = ""
    lifespan: Mode = "auto"
    graceful_s: float = 30.0  # for answers under way, once a signal has come
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    tls: ServerOptions | None = None  # HTTPS


def serve(app: Application, config: ServeConfig, *, name: str = "application") -> None:
    """Serve app until SIGINT or SIGTERM; a second one leaves at once. Raises StartupError."""
    run_until_done(_Serving(app, config, name).main, cleanup_s=CANCEL_S)


def _counted(requests: int) -> str:
    return f"{requests} request{'s' if requests != 1 else ''}"


@contextlib.contextmanager
def _unlinked_at_the_end(path: str | None) -> Iterator[None]:
    """The file of a Unix socket goes with its server, however that ends."""
    try:
        yield
    finally:
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


class _Serving:
    def __init__(self, app: Application, config: ServeConfig, name: str) -> None:
        self._app = app
        self._config = config
        self._name = name
        self._stop = asyncio.Event()
        self._drained = asyncio.Event()
        self._certificates: Reloader | None = None
        self._renewed_for: ASGIServer | None = None

    async def main(self) -> None:
        config = self._config
        loop = get_loop()
        lifespan = Lifespan(self._app, config.lifespan)
        context = self._load_certificates()
        try:
            sock = bind_unix(config.uds) if config.uds is not None else bind_tcp(config.host, config.port)
        except OSError as error:
            raise StartupError(error.strerror or str(error)) from None
        with sock, _unlinked_at_the_end(config.uds):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._signalled, number)
            try:
                await lifespan.startup()
            except LifespanError as error:
                raise StartupError(str(error)) from error.__cause__
            server = ASGIServer(
                loop,
                self._app,
                root_path=config.root_path,
                limits=config.limits,
                timeouts=config.timeouts,
                on_drained=self._drained.set,
                tls_context=context,
            )
            server.state = lifespan.state
            try:
                if not self._stop.is_set():
                    with self._watched_certificates(server):
                        await self._listen(server, sock)
            finally:  # also when a handler has ended the program by SystemExit
                await lifespan.shutdown()
        logger.info("ended")

    def _load_certificates(self) -> ssl.SSLContext | None:
        tls = self._config.tls
        if tls is None:
            return None
        self._certificates = Reloader(tls, self._renewed, alpn_protocols=HTTP_PROTOCOLS)
        try:
            return self._certificates.load()
        except (OSError, TreadleError) as error:
            raise StartupError(f"TLS: {error.strerror if isinstance(error, ssl.SSLError) else error}") from None

    @contextlib.contextmanager
    def _watched_certificates(self, server: ASGIServer) -> Iterator[None]:
        """Files that change are loaded, and on SIGHUP all are."""
        if self._certificates is None:
            yield
            return
        loop, certificates = get_loop(), self._certificates
        self._renewed_for = server
        tasks: set[asyncio.Task[Any]] = {loop.create_task(certificates.watch())}

        def reload() -> None:
            task = loop.create_task(certificates.reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            for task in tasks:
                task.cancel()

    def _renewed(self, context: ssl.SSLContext) -> None:
        if self._renewed_for is not None:
            self._renewed_for.tls_context = context

    async def _listen(self, server: ASGIServer, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.listen(self._config.backlog)
        listener = HTTPListener(server, sock, self._pause_accepting)
        listener.start()
        logger.info("serving %s on %s (process %d); Ctrl-C ends it", self._name, self._url(sock), os.getpid())
        await self._stop.wait()
        listener.close()
        server.is_closing = True
        server.close_idle_connections()
        busy = max(server.request_count, server.task_count)
        if busy:
            logger.info("waiting up to %g s for %s under way", self._config.graceful_s, _counted(busy))
        if not await self._drain(server, self._config.graceful_s):
            busy = max(server.request_count, server.task_count)
            if busy:
                logger.warning("cutting %s that did not end in time", _counted(busy))
            server.close_all_connections()
            server.cancel_tasks()
            if not await self._drain(server, CANCEL_S):
                logger.error("%s did not end %g s after being cancelled", _counted(server.task_count), CANCEL_S)

    async def _drain(self, server: ASGIServer, timeout_s: float) -> bool:
        """Wait until no connection and no handler is left, background tasks of the application included."""
        end_s = get_loop().time() + timeout_s
        while server.connection_count or server.task_count:
            self._drained.clear()
            try:
                await asyncio.wait_for(self._drained.wait(), end_s - get_loop().time())
            except TimeoutError:
                return False
        return True

    def _url(self, sock: socket.socket) -> str:
        if self._config.uds is not None:
            return f"unix:{self._config.uds}"
        host, port = sock.getsockname()[:2]
        scheme = "http" if self._config.tls is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _pause_accepting(self, listener: Listener, error: OSError) -> None:
        pause_accepting(get_loop(), logger, listener, error)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            logger.warning("second signal: leaving at once")
            logging.shutdown()
            sys.stdout.flush()
            os._exit(128 + number)
        logger.info("%s: stopping", number.name)
        self._stop.set()

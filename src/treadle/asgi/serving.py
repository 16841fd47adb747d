"""One application, served on a loop that runs already: from its start-up to a graceful end.

    start(): bind ─► start-up of the application ─► listen
    stop():  the phases of treadle.http.stopping

For programs that serve beside other things, in a thread, or in tests. Not here: signals and the end of a process (serve.py),
flags and logging set-up (treadle.cli).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from treadle._base.errors import TreadleError
from treadle._native.http1_server import HTTPListener
from treadle.asgi.core import ASGIServer
from treadle.asgi.lifespan import Lifespan, LifespanError, Mode
from treadle.asgi.loading import Application
from treadle.asgi.static_mounts import in_front_of
from treadle.http import StaticFiles
from treadle.http.edge import Edge
from treadle.http.limits import Limits, Timeouts
from treadle.http.routes import Route
from treadle.http.stopping import BUDGET_S, Budget, Stopping
from treadle.loop.binding import inherited_socket
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop
from treadle.loop.listening import BACKLOG, ListeningPlace
from treadle.tls import HTTP_PROTOCOLS, Reloader, ServerOptions

__all__ = ["ServeConfig", "Serving", "StartupError"]

logger = logging.getLogger("treadle")

LEFT_S = 5.0  # for what the application has left behind to clean up once it is cancelled, whatever else of the budget is left


class StartupError(Exception):
    """Nothing was served; the text says why."""


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None  # path of a Unix socket, instead of host and port
    uds_mode: int | None = None  # of its file; None: what the umask leaves
    fd: int | None = None  # a socket that is bound already, such as systemd's 3, instead of all these; it is closed at the end
    backlog: int = BACKLOG
    root_path: str = ""
    static: tuple[StaticFiles, ...] = ()  # in front of the application
    lifespan: Mode = "auto"
    graceful_s: float = BUDGET_S  # for all of a stop
    cancel_on_disconnect: bool = False  # an application whose client has left, once it could receive http.disconnect
    routes: Mapping[str, Route] = field(default_factory=dict)  # prefix of the path -> what is different below it
    max_connections: int | None = None  # open at a time; more are closed at once; None: no limit
    max_requests_per_socket: int = 0  # the answer to the last of them closes its connection; 0: no limit
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    edge: Edge = field(default_factory=Edge)
    tls: ServerOptions | None = None  # HTTPS

    def __post_init__(self) -> None:
        """Raises TreadleError (ERR_OUT_OF_RANGE)."""
        for name, least in (("max_connections", 1), ("max_requests_per_socket", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"at least {least}", received=value)


class StoppingExtension(dict[str, Any]):
    """What the scope says of a stop. Itself empty: applications write their scope down, as JSON for one."""

    __slots__ = ("event",)

    def __init__(self, event: asyncio.Event) -> None:
        super().__init__()
        self.event = event  # set once the server stops


class Serving:
    """One application, served once: start(), then stop(). On one loop of treadle's, and to be called there.

    An application learns of a stop by ``scope["extensions"]["treadle.stopping"].event``, an asyncio.Event.
    """

    def __init__(self, app: Application, config: ServeConfig | None = None) -> None:
        self._app = app
        self._config = config or ServeConfig()
        self._lifespan = Lifespan(app, self._config.lifespan)
        self._loop: EventLoop | None = None  # set by start()
        self._server: ASGIServer | None = None  # set once the application has started
        self._place: ListeningPlace | None = None  # set by start()
        self._certificates: Reloader | None = None  # where it speaks HTTPS
        self._watch: asyncio.Task[None] | None = None  # set by start(), ended by stop()
        self._names: tuple[Any, ...] = ()
        self._event = asyncio.Event()
        self._budget: Budget | None = None  # set by the first stop()
        self._stopped: asyncio.Future[None] | None = None  # likewise

    async def start(self) -> None:
        """Start the application and serve it. Raises StartupError; RuntimeError for a second call; TreadleError (ERR_NO_LOOP)."""
        if self._loop is not None:
            raise RuntimeError("start() was called before")
        self._loop = get_loop()
        self._place = ListeningPlace(self._loop, logger)
        config = self._config
        context = await self._load_certificates()
        try:
            sock = None if config.fd is None else inherited_socket(config.fd)
            self._place.bind(config.port, config.host, config.uds, sock, config.uds_mode)
        except OSError as error:
            raise StartupError(error.strerror or str(error)) from None
        try:
            server = ASGIServer(
                self._loop,
                in_front_of(self._app, config.static),
                root_path=config.root_path,
                limits=config.limits,
                timeouts=config.timeouts,
                extensions={"treadle.stopping": StoppingExtension(self._event)},
                tls_context=context,
                cancel_on_disconnect=config.cancel_on_disconnect,
                routes=config.routes,
            )
            server.connections_max = -1 if config.max_connections is None else config.max_connections
            server.requests_max = config.max_requests_per_socket
            config.edge.apply(server)
            await self._lifespan.startup()  # ORDER: last, since nobody would tell the application of what fails behind it
            server.state = self._lifespan.state
            self._server = server
        except LifespanError as error:
            raise StartupError(str(error)) from error.__cause__
        finally:
            if self._server is None:  # also when it was cancelled
                self._place.close()
        try:
            self._place.listen(functools.partial(HTTPListener, server), config.backlog)
        except OSError as error:  # somebody else has begun to listen there meanwhile
            await self._lifespan.shutdown(LEFT_S)
            self._server = None
            raise StartupError(error.strerror or str(error)) from None
        name = self._place.name
        self._names = (name[:2] if isinstance(name, tuple) else name,)
        if self._certificates is not None:
            self._watch = self._loop.create_task(self._certificates.watch())

    # ---- certificates

    async def _load_certificates(self) -> ssl.SSLContext | None:
        if self._config.tls is None:
            return None
        self._certificates = Reloader(self._config.tls, self._renew, alpn_protocols=HTTP_PROTOCOLS)
        try:
            return await asyncio.to_thread(self._certificates.load)
        except (OSError, TreadleError) as error:
            raise StartupError(f"TLS: {error.strerror if isinstance(error, ssl.SSLError) else error}") from None

    async def reload_certificates(self) -> bool:
        """Read the files of config.tls again, for connections to come. True: they are loaded; else the log says why not. Files
        that change are loaded by themselves, within a minute."""
        return self._certificates is not None and await self._certificates.reload()

    def _renew(self, context: ssl.SSLContext) -> None:
        if self._server is not None:
            self._server.tls_context = context

    # ---- where

    @property
    def addresses(self) -> tuple[tuple[str, int] | str, ...]:
        """Where it listens, or has listened: (host, port), or the path of a Unix socket. Empty before start()."""
        return self._names

    @property
    def url(self) -> str:
        """The first of them, for people."""
        name = self._names[0]
        if isinstance(name, str):
            return f"unix:{name}"
        scheme = "http" if self._config.tls is None else "https"
        return f"{scheme}://[{name[0]}]:{name[1]}" if ":" in name[0] else f"{scheme}://{name[0]}:{name[1]}"

    def handlers(self) -> list[tuple[asyncio.Task[Any], str, str]]:
        """(task, method, target) of each request that is under way."""
        return [] if self._server is None else self._server.handlers()

    async def stop(self, budget_s: float | None = None) -> None:
        """Stop in phases, within budget_s (config.graceful_s unless given) for all of them; see treadle.http.stopping. A second
        call waits for the first. No effect before start(). Cancelled, it cuts what is left, and the lifespan is not told."""
        if self._stopped is not None:
            await asyncio.shield(self._stopped)
            return
        if self._server is None or self._place is None or self._loop is None:
            return
        self._stopped = self._loop.create_future()
        self._budget = Budget(self._loop, self._config.graceful_s if budget_s is None else budget_s)
        stopping = Stopping(
            self._server,
            self._budget,
            logger,
            retire=self._place.close,
            tell=self._event.set,
            lifespan=self._lifespan.shutdown,
        )
        try:
            await stopping.run()
        finally:
            self._close()
            if not self._stopped.done():
                self._stopped.set_result(None)

    async def unwind(self) -> None:
        """The program ends around it: nothing is accepted any more, and the application is told."""
        if self._place is not None:
            self._place.close()
        if self._watch is not None:
            self._watch.cancel()
        await self._lifespan.shutdown(self.left_s())

    def left_s(self) -> float:
        """Seconds that are left of the budget for what the application has left behind; LEFT_S at most."""
        return LEFT_S if self._budget is None else min(LEFT_S, self._budget.left_s("rest"))

    def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if self._place is not None and self._server is not None:
            self._place.close()
            self._server.close_all_connections()
            self._server.cancel_tasks()

"""treadle.asgi.Serving, until there is one: an application served on a loop that runs already. Goes when treadle has it."""

import asyncio

from treadle.asgi.core import ASGIServer
from treadle.asgi.lifespan import Lifespan, LifespanError
from treadle.asgi.serve import _Serving
from treadle.loop.binding import bind_tcp, bind_unix
from treadle.loop.current import get_loop


class Serving:
    """start(), then stop()."""

    def __init__(self, app, config):
        self._app, self._config = app, config
        self._inner = _Serving(app, config, "application")

    async def start(self):
        config = self._config
        self._lifespan = Lifespan(self._app, config.lifespan)
        try:
            await self._lifespan.startup()
        except LifespanError as error:
            raise error.__cause__ or error
        server = ASGIServer(
            get_loop(),
            self._app,
            root_path=config.root_path,
            limits=config.limits,
            timeouts=config.timeouts,
            on_drained=self._inner._drained.set,
        )
        server.state = self._lifespan.state
        sock = bind_unix(config.uds) if config.uds is not None else bind_tcp(config.host, config.port)
        self._task = asyncio.ensure_future(self._inner._listen(server, sock))
        await asyncio.sleep(0)

    async def stop(self):
        self._inner._stop.set()
        await self._task
        await self._lifespan.shutdown()

"""The server under test, SUITES_SERVER: treadle, or uvicorn as the anchor that shows what the adapters themselves lose.

As a process of its own, for suites whose application can be imported (`command`); or on a thread of this process, for those whose
applications are made by each test (`Live`). Not here: how a suite is made to use it (granian_live.py and its likes).
"""

import asyncio
import concurrent.futures
import os
import sys
import tempfile
import threading
from pathlib import Path

SERVER = os.environ.get("SUITES_SERVER", "treadle")
IS_TREADLE = SERVER == "treadle"
START_S = STOP_S = 20.0
GRACEFUL_S = 1.0  # for what a test has left unfinished


def command(app, *flags):
    """How a process is started that serves an application by its name, flags as both servers call them."""
    name = ["treadle", "serve"] if IS_TREADLE else ["uvicorn"]
    return [sys.executable, "-m", *name, app, *flags]


class _Treadle:
    """treadle, and where it listens."""

    def __init__(self, app, config):
        from treadle.asgi import Serving

        self._serving = Serving(app, config)
        self.start, self.stop = self._serving.start, self._serving.stop

    @property
    def address(self):
        return self._serving.addresses[0]


class _Uvicorn:
    """uvicorn likewise."""

    def __init__(self, app, config):
        import uvicorn

        ways = {"loop": "asyncio", "http": "httptools", "ws": "none", "interface": "asgi3", "log_config": None}
        self.server = uvicorn.Server(uvicorn.Config(app, **ways, **config))

    async def start(self):
        self._task = asyncio.ensure_future(self.server.serve())
        while not self.server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the application did not start")
            await asyncio.sleep(0.001)

    @property
    def address(self):
        return self.server.servers[0].sockets[0].getsockname()

    async def stop(self):
        self.server.should_exit = True
        await self._task


class Live:
    """An application, served on a thread of its own with its own loop, on a Unix socket (`path`), or on a port that is given."""

    def __init__(self, app, *, lifespan="off", root_path="", port=None, **more):
        self.app = app
        self.config = {"lifespan": lifespan, "root_path": root_path, **more}
        self._folder = tempfile.TemporaryDirectory(prefix="live-")
        self.path = str(Path(self._folder.name) / "socket")
        self.address = None  # of a port, once it has started
        self._where = {"uds": self.path} if port is None else {"host": "127.0.0.1", "port": port}
        self.loop = None

    def start(self):
        """Raises what the start-up of the application raises."""
        started = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        try:
            started.result(START_S)
        except BaseException:
            self._thread.join(STOP_S)
            self._folder.cleanup()
            raise

    def stop(self):
        """Raises what its end raises; TimeoutError if it does not end."""
        if not self._over.done():
            try:
                self.loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:  # the loop has closed meanwhile: _over says why
                pass
        try:
            self._over.result(STOP_S)
        finally:
            self._thread.join(STOP_S)
            self._folder.cleanup()

    def _run(self, started):
        self._over = concurrent.futures.Future()
        try:
            with asyncio.Runner(loop_factory=self._loop_factory()) as runner:
                runner.run(self._main(started))
        except BaseException as error:  # whoever waits for it gets it
            if not started.done():
                started.set_exception(error)
            self._over.set_exception(error)
        else:
            self._over.set_result(None)

    def _loop_factory(self):
        if not IS_TREADLE:
            return None
        import treadle

        return treadle.EventLoop

    async def _main(self, started):
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if IS_TREADLE:
            from treadle import fs
            from treadle.asgi import ServeConfig

            await fs.stat("/")  # the first use of the pool reads a line of /proc, which Starlette's tests would call blocking
            serving = _Treadle(self.app, ServeConfig(graceful_s=GRACEFUL_S, **self._where, **self.config))
        else:
            serving = _Uvicorn(self.app, {"timeout_graceful_shutdown": GRACEFUL_S, **self._where, **self.config})
        await serving.start()
        self.address = serving.address
        started.set_result(None)
        await self._stop.wait()
        await serving.stop()

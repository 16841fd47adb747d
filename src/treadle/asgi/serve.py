"""Serving one application in one process, from its start to the second signal at the latest.

    start ─► a signal ─► the phases of a stop ─► what is left is cancelled ─► the process ends
                             └─ a second one ─► the stack of every task, and the process ends at once

Not here: serving itself (serving.py), flags and logging set-up (treadle.cli).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

from treadle._native.asgi1 import ASGIRequest
from treadle.asgi.loading import Application
from treadle.asgi.serving import ServeConfig, Serving
from treadle.loop import stacks
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop
from treadle.loop.program import run_until_done

__all__ = ["serve"]

logger = logging.getLogger("treadle")

LEAVE_S = 1.0  # for the dump and the last lines of the log to be written, if somebody reads them


def serve(app: Application, config: ServeConfig, *, name: str = "application") -> None:
    """Serve app until SIGINT or SIGTERM, on the main thread; a second one leaves at once. Raises StartupError."""
    serving = Serving(app, config)
    run_until_done(_Signals(serving, config, name).main, cleanup_s=serving.left_s)


class _Signals:
    def __init__(self, serving: Serving, config: ServeConfig, name: str) -> None:
        self._serving = serving
        self._config = config
        self._name = name
        self._stop = asyncio.Event()
        self._is_told = False  # set by the first signal
        self._loop: EventLoop | None = None  # set by main()

    async def main(self) -> None:
        self._loop = loop = get_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, int)  # ORDER: it ends a poll; what follows runs even where the loop is blocked
            signal.signal(number, self._signalled)
        log = self._config.edge.access_log
        if log is not None:
            loop.add_signal_handler(signal.SIGUSR1, log.reopen)
        if not await self._has_started():
            logger.info("ended")
            return
        if self._config.tls is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._ignore_what_others_use()
        try:
            logger.info("serving %s on %s (process %d); Ctrl-C ends it", self._name, self._serving.url, os.getpid())
            await self._stop.wait()
        except BaseException:  # a handler has ended the program by SystemExit
            await self._serving.unwind()
            raise
        await self._serving.stop()
        logger.info("ended")

    async def _has_started(self) -> bool:
        """False: a signal came before. Raises what start() does."""
        starting = asyncio.ensure_future(self._serving.start())
        told = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                return True
            logger.info("stopping: the application has not started yet, and is cancelled")
            starting.cancel()
            await asyncio.wait({starting}, timeout=self._config.graceful_s)
            return False
        finally:
            starting.cancel()
            told.cancel()

    def _ignore_what_others_use(self) -> None:
        """A signal that a server with certificates or a log of its own heeds is no reason for another one to die of it, unless
        its terminal has hung up."""
        assert self._loop is not None
        for number in (signal.SIGHUP, signal.SIGUSR1):
            has_terminal = number == signal.SIGHUP and sys.stdin is not None and sys.stdin.isatty()
            if signal.getsignal(number) is signal.SIG_DFL and not has_terminal:
                self._loop.add_signal_handler(number, self._say_unused, number)

    def _say_unused(self, number: signal.Signals) -> None:
        what = "certificates to load anew (--tls-cert)" if number == signal.SIGHUP else "access log to open anew (--access-log)"
        logger.info("%s: ignored: no %s", number.name, what)

    def _reload(self) -> None:
        assert self._loop is not None
        self._loop.create_task(self._serving.reload_certificates())  # which the loop holds until it is done

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Between two bytecodes of whatever runs."""
        if self._is_told:
            self._leave(signal.Signals(number), frame)
        self._is_told = True
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._begin_stop, signal.Signals(number))

    def _begin_stop(self, number: signal.Signals) -> None:
        logger.info("%s: stopping, within %g s", number.name, self._config.graceful_s)
        self._stop.set()

    def _leave(self, number: signal.Signals, frame: FrameType | None) -> None:
        code = 128 + number
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_DFL)
        # Whoever should read stderr or a log may have stopped: then nothing below returns.
        threading.Thread(target=_exit_later, args=(code,), daemon=True).start()
        with contextlib.suppress(Exception):
            requests = {task: f"{method} {target}" for task, method, target in self._serving.handlers()}
            requests |= _running(self._loop, requests)
            logger.warning("second signal: leaving at once")
            sys.stderr.write(stacks.report(self._loop, requests, frame))
            sys.stderr.flush()
        with contextlib.suppress(Exception):
            logging.shutdown()
            sys.stdout.flush()
        os._exit(code)


def _running(loop: EventLoop | None, known: Mapping[asyncio.Task[Any], str]) -> dict[asyncio.Task[Any], str]:
    """The request of the task that runs now: the server has a task only once it is suspended, which one that blocks the loop may
    never be. It is where the application has it, among the arguments of its coroutine."""
    task = None if loop is None else asyncio.current_task(loop)
    frame = None if task is None or task in known else getattr(task.get_coro(), "cr_frame", None)
    if task is not None and frame is not None:
        for found in frame.f_locals.values():
            for one in found if isinstance(found, tuple) else (found,):
                if isinstance(one, ASGIRequest):
                    return {task: f"{one.method} {one.url}"}
    return {}


def _exit_later(code: int) -> None:
    threading.Event().wait(LEAVE_S)
    os._exit(code)

"""Programs: a main function, run in a loop until nothing is left that holds it. Source: Node, "process" and its exit.

Not here: exit codes and the process's events (treadle.process), which attach through loop.hooks.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar, overload

from treadle._base.errors import TreadleError
from treadle._base.main_thread import is_main_thread
from treadle._base.standard_descriptors import hold_standard_descriptors
from treadle.loop import hooks
from treadle.loop.event_loop import EventLoop
from treadle.loop.holders import summary

logger = logging.getLogger("treadle.loop")

_T = TypeVar("_T")

Main = Callable[[], Any] | Coroutine[Any, Any, Any]


@overload
def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T: ...
@overload
def run(main: Callable[[], Awaitable[_T]], *, debug: bool | None = None) -> _T: ...
@overload
def run(main: Callable[[], _T], *, debug: bool | None = None) -> _T: ...
def run(main: Any, *, debug: bool | None = None) -> Any:
    """Run main as a program and return its result.

    main: a function, a coroutine function, or a coroutine. The program ends when main is done and no ref'd handle is left: no
    listening server, open connection, timer, or request under way. Tasks that wait for nothing alive do not hold it; they are
    cancelled. May be called again; each program has a loop of its own. In a file run by ``treadle run`` it joins the program
    that runs already, and returns None; where the file then ends by sys.exit of that, its result is the exit code.

    On the main thread Ctrl-C is that of asyncio.Runner: the first cancels main, or ends the program where main is done, and the
    tasks that are left clean up; the second raises KeyboardInterrupt at once.

    Raises what main raises, what a callback of treadle's raises and nobody handles, KeyboardInterrupt, RuntimeError when
    loop.stop() ends it before main is done, and TreadleError: ERR_INVALID_ARG_TYPE; ERR_LOOP_RUNNING when another loop runs on
    this thread.
    """
    if inspect.isasyncgenfunction(main) or not (callable(main) or asyncio.iscoroutine(main)):
        expected = "a function, a coroutine function or a coroutine"
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="main", expected=expected, received=_kind(main))
    here = _here.program
    if here is not None and here.adopts and here.pid == os.getpid():
        here.adopt(main)
        return None
    if asyncio._get_running_loop() is not None:
        if asyncio.iscoroutine(main):
            main.close()
        raise TreadleError("ERR_LOOP_RUNNING")
    return _Program(main, adopts=False).run(debug)


def _kind(main: object) -> str:
    return "an async generator function" if inspect.isasyncgenfunction(main) else type(main).__name__


def run_until_done(main: Main, *, cleanup_s: Callable[[], float]) -> Any:
    """As run, but the program ends with main, whatever else would hold it: tasks, timers and servers that are left are cancelled
    and closed, and have as long to clean up as cleanup_s says then, all of them together. For ``treadle serve``."""
    return _Program(main, adopts=False, cleanup_s=cleanup_s).run(None)


def run_script(script: Callable[[], Any], loop: EventLoop | None = None) -> None:
    """Run a file's module code as a program, which adopts every `treadle.run` in it. For ``treadle run``.

    loop: the one to run it in, which is closed at its end; a new one unless given.
    """
    _Program(script, adopts=True, loop=loop).run(None)


def end_with(code: int) -> None:
    """The program of this thread, if there is one, ends with that code in its next tick. For process.exit(), whose SystemExit
    somebody may catch: where it comes out, that tick never is."""
    here = _here.program
    if here is not None and here.pid == os.getpid():
        here.end_with(code)


class _Program:
    """One main and its loop."""

    def __init__(
        self,
        main: Main,
        *,
        adopts: bool,
        cleanup_s: Callable[[], float] | None = None,
        loop: EventLoop | None = None,
    ) -> None:
        self.adopts = adopts
        self._cleanup_s = cleanup_s  # None: it ends when nothing holds it, and cleaning up takes what it takes
        self.pid = os.getpid()  # a forked child's `treadle.run` is no business of its parent's program
        self._main = main
        hold_standard_descriptors()  # ORDER: before the loop opens any
        self._loop = loop or EventLoop()
        self._result: Any = None
        self._error: BaseException | None = None
        self._mains: set[asyncio.Future[Any]] = set()  # those that are not done
        self._joined: Callable[[], Any] | None = None  # the result of the last main that was adopted
        self._leaves_with_joined = False  # set once: the main script has ended by sys.exit(treadle.run(main))
        self._is_told_to_end = False  # set by end_with
        self._is_started = False  # set once: main was called, and what it returned is known
        self._is_interrupted = False  # set by the first Ctrl-C: it ends with main
        self._is_over = False  # set once, before what is left of it is cleaned up

    def run(self, debug: bool | None) -> Any:
        loop = self._loop
        if debug is not None:
            loop.set_debug(debug)
        outer, _here.program = _here.program, self
        if hooks.begin is not None and is_main_thread():
            hooks.begin()
        try:
            loop.next_tick(self._start)
            with _interrupts_taken():
                self._turn()
            if (code := self._code_of_joined()) is not None:
                raise SystemExit(code)
            _tell_exit(loop, 0)  # ORDER: no turn comes that could end by Ctrl-C, which interrupts a listener
            return self._result
        except SystemExit as error:
            _tell_exit(loop, error.code if isinstance(error.code, int) else 1 if error.code else 0)
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also a main that was cancelled
            _put_behind(error, self._error)  # main has failed in the same turn, and nobody has heard of it yet
            _tell_exit(loop, 1)
            raise
        finally:
            _here.program = outer
            self._is_over = True
            try:
                _wind_up(loop, None if self._cleanup_s is None else self._cleanup_s())
            finally:
                loop.close()

    def _turn(self) -> None:
        loop = self._loop
        while self._runs_dry():
            if hooks.before_exit is None or self._ends_with_main() or not is_main_thread():
                break
            turns = loop.turns
            loop.next_tick(self._tell_before_exit, hooks.before_exit)
            if not self._runs_dry() or loop.turns == turns:  # it scheduled nothing that holds the program
                break

    def _runs_dry(self) -> bool:
        """Run until nothing holds the program. False: it was stopped before that."""
        self._loop.run_while_alive()
        if self._error is not None:
            raise self._error
        if self._mains:
            raise RuntimeError("Event loop stopped before Future completed.")  # COMPAT(asyncio)
        return not self._loop.is_alive()

    def _ends_with_main(self) -> bool:
        return self._cleanup_s is not None or self._is_interrupted

    def interrupt(self) -> bool:
        """Ctrl-C, between two bytecodes of whatever runs. The first one ends the program from within its loop. False where that
        is no way: then whatever runs is to be interrupted."""
        if self._is_interrupted or self._is_over or not self._is_started or self.pid != os.getpid():
            return False
        self._is_interrupted = True
        self._loop.call_soon_threadsafe(self._cancel_mains)
        return True

    def _cancel_mains(self) -> None:
        for main in self._mains:
            main.cancel()
        if not self._mains:
            self._loop.stop()
            self._error = KeyboardInterrupt()
            if held_by := summary(self._loop):
                self._error.add_note(f"main was done; the program was held by: {held_by}")

    def _tell_before_exit(self, tell: Callable[[int], object]) -> None:
        """A listener that fails holds the program no longer than one that does not. In Node it is told again, for ever."""
        try:
            code = self._code_of_joined()
            tell(code if isinstance(code, int) else 1 if code else 0)
        except Exception as error:
            if not hooks.take_uncaught(error):
                self._error = error

    def _start(self) -> None:
        main = self._main
        try:
            result = main if asyncio.iscoroutine(main) else main()
        except Exception as error:
            # COMPAT(node): unlike the failure of a tick, that of the main script does not hold up the ticks which it has queued.
            if not hooks.take_uncaught(error):
                self._let_out(error)
                raise
            self._loop.set_immediate(int)  # as behind every exception that was taken
            return
        except SystemExit as error:
            if self._joined is None or error.code is not None:
                self._warn_of_pending(error)
                raise
            self._leaves_with_joined = True
            return
        finally:
            self._is_started = True
        if inspect.isawaitable(result):
            self._await(result)
        else:
            self._result = result

    def _let_out(self, error: Exception) -> None:
        """The loop is about to ask of this one, too: it comes out, since the listeners were asked. They hear of all others."""
        loop, ask = self._loop, self._loop.uncaught_hook

        def ask_of_others(other: BaseException) -> bool:
            loop.uncaught_hook = ask
            return other is not error and ask is not None and ask(other)

        loop.uncaught_hook = ask_of_others

    def adopt(self, main: Main) -> None:
        """Run one more main inside this program."""
        result = main if asyncio.iscoroutine(main) else main()
        self._joined = self._await(result).result if inspect.isawaitable(result) else lambda: result

    def _code_of_joined(self) -> Any:
        """What the file leaves with, as sys.exit takes it, where it has said so; else None."""
        return self._joined() if self._leaves_with_joined and self._joined is not None else None

    def _warn_of_pending(self, error: SystemExit) -> None:
        if self._mains and not self._is_told_to_end:
            logger.warning(
                "sys.exit(%r) in the file's own code ends the program although %d main of treadle.run is under way. In a file "
                "run by treadle run, treadle.run(main) returns None at once: exit inside main, or by sys.exit(treadle.run(main))",
                error.code,
                len(self._mains),
            )

    def end_with(self, code: int) -> None:
        """End in the next tick."""
        self._is_told_to_end = True
        self._loop.next_tick(sys.exit, code)

    def _await(self, awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(awaitable, loop=self._loop)
        self._loop.ref_request()
        self._mains.add(task)
        task.add_done_callback(self._main_ended)
        return task

    def _main_ended(self, task: asyncio.Future[Any]) -> None:
        self._loop.unref_request()
        self._mains.discard(task)
        if self._is_over:  # cancelled with all that was left: no longer a reason to stop
            return
        if task.cancelled():
            is_ours = self._is_interrupted and not (isinstance(task, asyncio.Task) and task.uncancel())
            self._error = KeyboardInterrupt() if is_ours else asyncio.CancelledError()
            try:
                task.result()
            except asyncio.CancelledError as cancelled:
                _put_behind(self._error, cancelled)  # it says where main waited
        elif task.exception() is not None:
            self._error = task.exception()
        else:
            self._result = task.result()
            if self._mains or not self._ends_with_main():
                return
        self._loop.stop()


def _put_behind(error: BaseException, earlier: BaseException | None) -> None:
    """Show `earlier` before `error`, as what it happened behind."""
    chain = [error]
    while (context := chain[-1].__context__) is not None and context not in chain:
        chain.append(context)
    if earlier is not None and earlier not in chain:
        chain[-1].__context__ = earlier


class _Here(threading.local):
    """What runs on this thread."""

    program: _Program | None = None


_here = _Here()


def _interrupted(number: int, frame: FrameType | None) -> None:
    """The handler of SIGINT. It knows no program, and so may outlive one: whoever has replaced it may put it back any time."""
    program = _here.program
    if program is None or not program.interrupt():
        signal.default_int_handler(number, frame)


@contextmanager
def _interrupts_taken() -> Iterator[None]:
    """SIGINT interrupts the program, unless somebody handles it already. COMPAT(asyncio): as its Runner."""
    before = signal.getsignal(signal.SIGINT)
    if not is_main_thread() or before not in (signal.default_int_handler, _interrupted):
        yield
        return
    signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _interrupted:
            signal.signal(signal.SIGINT, before)


def _tell_exit(loop: EventLoop, code: int) -> None:
    """Inside the loop, but without a turn of it: whatever is scheduled now never runs."""
    if hooks.exit is not None and is_main_thread():
        asyncio._set_running_loop(loop)
        try:
            hooks.exit(code)
        finally:
            asyncio._set_running_loop(None)


def _wind_up(loop: EventLoop, cleanup_s: float | None) -> None:
    """What is left when a program ends: no connection is accepted any more, tasks are cancelled, async generators and the
    executor closed. The turns this takes may fail: what a callback raises there comes out."""
    loop._is_winding_up = True
    loop.stop_accepting()
    loop.drop_waiting()
    end_s = None if cleanup_s is None else loop.time() + cleanup_s
    left = asyncio.all_tasks(loop)
    for task in left:
        loop.call_soon(task.cancel)  # ORDER: inside the loop, which what they wait for may need to be let go of
    try:
        _wait(loop, left, end_s)
    except KeyboardInterrupt:  # whoever presses Ctrl-C again waits for nobody, and knows it
        for task in left:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        raise
    for task in left:
        if not task.done():
            logger.error("a task did not end %g s after being cancelled: %r", cleanup_s, task)
        elif not task.cancelled() and task.exception() is not None:
            loop.call_exception_handler(
                {"message": "unhandled exception while the program ended", "exception": task.exception(), "task": task}
            )
    if end_s is None:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    else:
        _close_generators(loop, end_s)
        _end_executor(loop, end_s)


def _wait(loop: EventLoop, futures: Collection[asyncio.Future[Any]], end_s: float | None) -> bool:
    """Run until all of them are done, or the time is over: False."""
    if futures:
        left_s = None if end_s is None else max(0.0, end_s - loop.time())
        loop.run_until_complete(asyncio.wait(futures, timeout=left_s))
    return all(future.done() for future in futures)


def _close_generators(loop: EventLoop, end_s: float) -> None:
    closing = loop.create_task(loop.shutdown_asyncgens())
    if not _wait(loop, {closing}, end_s):
        closing.cancel()
        if not _wait(loop, {closing}, loop.time()):
            logger.error("an async generator did not end although it was cancelled")


def _end_executor(loop: EventLoop, end_s: float) -> None:
    """As shutdown_default_executor, which knows no end on CPython 3.11."""
    loop._executor_shutdown_called = True
    if loop._default_executor is None:
        return
    ended = loop.create_future()
    thread = threading.Thread(target=loop._do_shutdown, args=(ended,), daemon=True)
    thread.start()
    if _wait(loop, {ended}, end_s):
        thread.join()
    else:
        logger.error("a call in the default executor did not end in time: its thread is left alone")

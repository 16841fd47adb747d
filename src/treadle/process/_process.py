"""The process as an emitter: its events, its exit, its warnings, its signals. Invariants: 'exit' is emitted at most once per
program, and once it was, the program ends whatever its listeners do, and whoever catches the SystemExit of exit(). Listeners
outlive a treadle.run, as in Node.
Not here: who calls the emission functions (the program runner, through loop.hooks); how a signal is taken (_signals.py)."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Literal, NoReturn, Self, TypeVar

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._base.main_thread import is_main_thread
from treadle._base.warning import TreadleWarning, issue_warning
from treadle.events import EventEmitter, Listener
from treadle.events._loop import begin_last
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop
from treadle.loop.holders import holders
from treadle.loop.program import end_with
from treadle.process._signals import ALIASES, NUMBERS, Signals, number_of

__all__ = ["Process"]

_PYTHON_NAME: Final = {  # COMPAT(node): Node's names of events are understood here, and only here
    "beforeExit": "before_exit",
    "newListener": "new_listener",
    "removeListener": "remove_listener",
    "uncaughtException": "uncaught_exception",
    "uncaughtExceptionMonitor": "uncaught_exception_monitor",
    "unhandledRejection": "unhandled_rejection",
    **ALIASES,
}

EXIT_HANDLER_FAILED: Final = 7  # Node, exit codes: the handler of uncaught exceptions failed itself

_Method = TypeVar("_Method", bound=Callable[..., object])


def _with_node_names(method: _Method) -> _Method:
    def call(self: EventEmitter, event: object = None, /, *args: object) -> object:
        return method(self, _PYTHON_NAME.get(event, event) if isinstance(event, str) else event, *args)

    call.__doc__, call.__name__ = method.__doc__, method.__name__
    return call  # type: ignore[return-value]  # the same signature


def _require_pid(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="pid", expected="an int", received=type(value).__name__)


def _require_exit_code(value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="code", expected="an int or None", received=type(value).__name__)


class Process(EventEmitter):
    """One per interpreter: see treadle.process, which is its face."""

    __slots__ = ("_exit_code", "_failure_code", "_has_handler_failed", "_is_exiting", "_signals")

    def __init__(self) -> None:
        super().__init__()
        self._exit_code: int | None = None  # what the user has set
        self._failure_code: int | None = None  # what a failed listener has made of it, until the next program
        self._is_exiting = False  # set by the 'exit' of a program, cleared when that program has ended
        self._has_handler_failed = False  # set by a listener for uncaught exceptions that raised, cleared as the above
        self._signals = Signals(self._emit_signal)

    on = add_listener = _with_node_names(EventEmitter.on)
    once = _with_node_names(EventEmitter.once)
    prepend_listener = _with_node_names(EventEmitter.prepend_listener)
    prepend_once_listener = _with_node_names(EventEmitter.prepend_once_listener)
    emit = _with_node_names(EventEmitter.emit)
    listeners = _with_node_names(EventEmitter.listeners)
    raw_listeners = _with_node_names(EventEmitter.raw_listeners)
    listener_count = _with_node_names(EventEmitter.listener_count)

    @_with_node_names
    def off(self, event: Hashable, listener: Listener, /) -> Self:
        """As EventEmitter.off; with the last listener for a signal it does again what it did before."""
        try:
            return EventEmitter.off(self, event, listener)
        finally:
            self._leave_signals()

    remove_listener = off

    @_with_node_names
    def remove_all_listeners(self, event: Hashable | None = None, /) -> Self:
        """As EventEmitter.remove_all_listeners, and as off()."""
        try:
            return EventEmitter.remove_all_listeners(self, event)
        finally:
            self._leave_signals()

    def _add(self, event: Hashable, listener: Listener, *, is_first: bool) -> Self:
        require_callable(listener, "listener")
        if event in NUMBERS:
            self._signals.watch(NUMBERS[event])  # ORDER: first, since it may refuse
        try:
            return EventEmitter._add(self, event, listener, is_first=is_first)
        finally:
            self._leave_signals()

    # -- the exit ------------------------------------------------------------------------------------------------

    @property
    def exit_code(self) -> int | None:
        """The code to exit with when nothing else says one; None counts as 0. An 'exit' listener may still set it."""
        return self._exit_code if self._failure_code is None else self._failure_code

    @exit_code.setter
    def exit_code(self, code: int | None) -> None:
        _require_exit_code(code)
        self._exit_code, self._failure_code = code, None

    def exit(self, code: int | None = None, /) -> NoReturn:
        """Emit 'exit', then raise SystemExit; `code` None means exit_code. Nothing that waits runs any more. If SystemExit is
        caught, the program ends in the next tick. On another thread than the main one: without 'exit', and only the program of
        that thread. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_INVALID_STATE (no loop runs on that thread)."""
        _require_exit_code(code)
        if is_main_thread():
            if code is not None:
                self.exit_code = code
            if not self._is_exiting:
                self._is_exiting = True
                self._emit_exit(self.exit_code or 0)
            code = self.exit_code
        elif asyncio._get_running_loop() is None:
            raise TreadleError(
                "ERR_INVALID_STATE",
                state="process.exit() was called on a thread that runs no loop",
                hint="Call it on the program's own: loop.call_soon_threadsafe(process.exit, code)",
            )
        end_with(code or 0)
        raise SystemExit(code or 0)

    def begin_program(self) -> None:
        """A program begins: what the one before it left is gone. For the program runner."""
        self._failure_code = None
        self._is_exiting = self._has_handler_failed = False

    def end_program(self, code: int = 0, /) -> None:
        """A program ended, by itself (0) or by an exception: emit 'exit', unless exit() has done so.

        For the program runner, once per program, and once more if an exception comes out of it. Afterwards exit_code is
        the code to end the process with if it is set; after exit() and after an exception it is set only if an 'exit'
        listener did so, or a listener for uncaught exceptions failed.
        """
        if code and self._has_handler_failed:
            self._failure_code = EXIT_HANDLER_FAILED  # COMPAT(node): without an 'exit'
        elif self._is_exiting:
            self.exit_code = None  # SystemExit carries it
        else:
            self._is_exiting = True
            if code:
                self.exit_code = None  # COMPAT(node): an exception beats what was set before
            self._emit_exit(code or self.exit_code or 0)  # what comes out of it brings the runner here once more
        self._is_exiting = self._has_handler_failed = False

    def emit_before_exit(self, code: int = 0, /) -> None:
        """Nothing is left to do: listeners may schedule more, then the program goes on. For the program runner."""
        self.emit("before_exit", self.exit_code or code)

    def _emit_exit(self, code: int) -> None:
        try:
            self.emit("exit", code)
        except Exception as error:  # COMPAT(node): handled or reported, and the exit goes on
            if not self.handle_uncaught(error):
                sys.excepthook(type(error), error, error.__traceback__)
                if self.exit_code is None:
                    self._failure_code = code or 1

    def _follow(self, result: object) -> None:
        if self._is_exiting and is_main_thread() and isinstance(result, Coroutine):
            begin_last(result)  # COMPAT(node): up to its first await
        else:
            EventEmitter._follow(self, result)

    # -- what nobody else took care of ---------------------------------------------------------------------------

    def handle_uncaught(self, error: BaseException) -> bool:
        """Emit 'uncaught_exception_monitor'(error), then 'uncaught_exception'(error); False if nobody listens to the latter. What
        a listener raises comes out of here: it ends the program. SystemExit, KeyboardInterrupt and cancellation are no uncaught
        exceptions. For the loop's hook."""
        if not isinstance(error, Exception):
            return False
        try:
            self.emit("uncaught_exception_monitor", error)
            return self.emit("uncaught_exception", error)
        except Exception:
            self._has_handler_failed = is_main_thread()  # whose program has an exit
            raise

    def handle_unhandled_rejection(self, loop: EventLoop, reason: BaseException, future: "asyncio.Future[Any]") -> bool:
        """Emit 'unhandled_rejection'(reason, future) in a tick of that loop; False if nobody listens, or if no tick will come.
        For the loop's hook."""
        if self.listener_count("unhandled_rejection") == 0 or not loop.is_running():
            return False
        loop.call_soon_threadsafe(loop.next_tick, self.emit, "unhandled_rejection", reason, future)
        return True

    def emit_warning(
        self, warning: str | Warning, name: str = "Warning", code: str | None = None, *, detail: str | None = None
    ) -> None:
        """Issue a Python warning (its filters apply), and emit 'warning'(warning) in the next tick. Raises TreadleError:
        ERR_INVALID_ARG_TYPE."""
        if isinstance(warning, str):
            warning = TreadleWarning(warning, name=name, code=code, detail=detail)
        elif not isinstance(warning, Warning):
            raise TreadleError(
                "ERR_INVALID_ARG_TYPE", name="warning", expected="a str or a Warning", received=type(warning).__name__
            )
        issue_warning(warning)

    def on_warning(self, warning: Warning) -> None:
        try:
            loop = get_loop()
        except TreadleError:
            self.emit("warning", warning)
        else:
            loop.next_tick(self.emit, "warning", warning)

    # -- signals -------------------------------------------------------------------------------------------------

    def kill(self, pid: int, signal: str | int = "SIGTERM", /) -> Literal[True]:
        """Send a signal, by name or number; 0 only asks whether that process exists. Raises OSError (ProcessLookupError,
        PermissionError), TreadleError: ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_SIGNAL."""
        _require_pid(pid)
        os.kill(pid, number_of(signal))
        return True

    def deliver_signal(self, number: int, /) -> None:
        """A loop has met a signal: emit it if anybody listens. For the loop's hook."""
        self._signals.deliver(number)

    def take_signal_back(self, number: int, /) -> None:
        """A loop's own handler of a signal is gone: the listeners hear it as before. For the loop's hook."""
        self._signals.take_back(number)

    def _emit_signal(self, name: str, number: int) -> None:
        self.emit(name, name, number)

    def _leave_signals(self) -> None:
        for name, number in self._signals.watched():
            if self.listener_count(name) == 0:
                self._signals.leave(number)

    # -- what holds the program ------------------------------------------------------------------------------------

    def get_active_resources_info(self) -> list[str]:
        """What holds the program of the loop that runs here, one name each, by Node's names; [] where none runs."""
        try:
            return holders(get_loop())
        except TreadleError:
            return []

    # -- facts ---------------------------------------------------------------------------------------------------

    @property
    def argv(self) -> list[str]:
        """The interpreter, the program, its arguments: as in Node, the arguments start at 2."""
        return [sys.executable, *sys.argv]

    @property
    def pid(self) -> int:
        return os.getpid()

    @property
    def ppid(self) -> int:
        return os.getppid()

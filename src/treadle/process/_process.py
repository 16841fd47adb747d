"""The process as an emitter: its events, its exit, its warnings. Invariants: 'exit' is emitted at most once per program,
and once it was, the program ends whatever its listeners do. Listeners outlive a treadle.run, as in Node.
Not here: who calls the emission functions (the program runner, through loop.hooks)."""

import os
import sys
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._base.warning import TreadleWarning, issue_warning
from treadle.events import EventEmitter
from treadle.loop.current import get_loop

__all__ = ["Process"]

_PYTHON_NAME: Final = {  # COMPAT(node): Node's names of events are understood here, and only here
    "beforeExit": "before_exit",
    "newListener": "new_listener",
    "removeListener": "remove_listener",
    "uncaughtException": "uncaught_exception",
}

_Method = TypeVar("_Method", bound=Callable[..., object])


def _with_node_names(method: _Method) -> _Method:
    def call(self: EventEmitter, event: object = None, /, *args: object) -> object:
        return method(self, _PYTHON_NAME.get(event, event) if isinstance(event, str) else event, *args)

    call.__doc__, call.__name__ = method.__doc__, method.__name__
    return call  # type: ignore[return-value]  # the same signature


def _is_exit_code(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


class Process(EventEmitter):
    """One per interpreter: see treadle.process, which is its face."""

    __slots__ = ("_exit_code", "_is_exiting")

    def __init__(self) -> None:
        super().__init__()
        self._exit_code: int | None = None
        self._is_exiting = False  # set by the 'exit' of a program, cleared when that program has ended

    on = add_listener = _with_node_names(EventEmitter.on)
    once = _with_node_names(EventEmitter.once)
    off = remove_listener = _with_node_names(EventEmitter.off)
    prepend_listener = _with_node_names(EventEmitter.prepend_listener)
    prepend_once_listener = _with_node_names(EventEmitter.prepend_once_listener)
    emit = _with_node_names(EventEmitter.emit)
    remove_all_listeners = _with_node_names(EventEmitter.remove_all_listeners)
    listeners = _with_node_names(EventEmitter.listeners)
    raw_listeners = _with_node_names(EventEmitter.raw_listeners)
    listener_count = _with_node_names(EventEmitter.listener_count)

    def next_tick(self, callback: Callable[..., object], /, *args: object) -> None:
        """Call `callback(*args)` right after the callback that runs now: before microtasks, I/O and timers."""
        require_callable(callback, "callback")
        get_loop().next_tick(callback, *args)

    # -- the exit ------------------------------------------------------------------------------------------------

    @property
    def exit_code(self) -> int | None:
        """The code to exit with when nothing else says one; None counts as 0. An 'exit' listener may still set it."""
        return self._exit_code

    @exit_code.setter
    def exit_code(self, code: int | None) -> None:
        if not _is_exit_code(code):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="code", expected="an int or None", received=type(code).__name__)
        self._exit_code = code

    def exit(self, code: int | None = None, /) -> NoReturn:
        """Emit 'exit', then raise SystemExit; `code` None means exit_code. Nothing that waits runs any more."""
        if code is not None:
            self.exit_code = code
        if not self._is_exiting:
            self._is_exiting = True
            self._emit_exit(self._exit_code or 0)
        raise SystemExit(self._exit_code or 0)

    def end_program(self, code: int = 0, /) -> None:
        """A program ended, by itself (0) or by an exception: emit 'exit', unless exit() has done so.

        For the program runner, once per program, and once more if an exception comes out of it. Afterwards exit_code is
        the code to end the process with if it is set; after exit() and after an exception it is set only if an 'exit'
        listener did so.
        """
        if self._is_exiting:
            self._exit_code = None  # SystemExit carries it
        else:
            self._is_exiting = True
            if code:
                self._exit_code = None  # COMPAT(node): an exception beats what was set before
            self._emit_exit(code or self._exit_code or 0)  # what comes out of it brings the runner here once more
        self._is_exiting = False

    def emit_before_exit(self, code: int = 0, /) -> None:
        """Nothing is left to do: listeners may schedule more, then the program goes on. For the program runner."""
        self.emit("before_exit", self._exit_code or code)

    def _emit_exit(self, code: int) -> None:
        try:
            self.emit("exit", code)
        except Exception as error:  # COMPAT(node): handled or reported, and the exit goes on
            if not self.handle_uncaught(error):
                sys.excepthook(type(error), error, error.__traceback__)
                if self._exit_code is None:
                    self._exit_code = code or 1

    # -- what nobody else took care of ---------------------------------------------------------------------------

    def handle_uncaught(self, error: BaseException) -> bool:
        """Emit 'uncaught_exception'(error); False if nobody listens. What a listener raises comes out of here: it ends
        the program. SystemExit, KeyboardInterrupt and cancellation are no uncaught exceptions. For the loop's hook."""
        return isinstance(error, Exception) and self.emit("uncaught_exception", error)

    def emit_warning(
        self, warning: str | Warning, name: str = "Warning", code: str | None = None, *, detail: str | None = None
    ) -> None:
        """Issue a Python warning (its filters apply), and emit 'warning'(warning) in the next tick."""
        if isinstance(warning, str):
            warning = TreadleWarning(warning, name=name, code=code, detail=detail)
        issue_warning(warning)

    def on_warning(self, warning: Warning) -> None:
        try:
            loop = get_loop()
        except TreadleError:
            self.emit("warning", warning)
        else:
            loop.next_tick(self.emit, "warning", warning)

    # -- facts ---------------------------------------------------------------------------------------------------

    @property
    def argv(self) -> list[str]:
        """The interpreter, the program, its arguments: as in Node, the arguments start at 2."""
        return [sys.executable, *sys.argv]

    @property
    def pid(self) -> int:
        return os.getpid()

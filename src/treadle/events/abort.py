"""AbortController and AbortSignal: one place that says stop, and all who are told.

Source: https://nodejs.org/api/globals.html#class-abortcontroller, and section 3 of the DOM standard. Invariants: a signal aborts
once, and its first reason stays; a listener that raises keeps none from being called; a signal made of others (`any`) is not kept
alive by them unless it has a listener. Not here: who heeds a signal.
"""

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from treadle._base.arguments import require_callable, require_number
from treadle._base.errors import TreadleError
from treadle.events._loop import as_task, running_loop

if TYPE_CHECKING:
    from asyncio import Handle, Task

    from treadle._native.timers import Timeout

__all__ = ["AbortController", "AbortEvent", "AbortScope", "AbortSignal"]

TIMEOUT_MS_MAX: Final = 2**31 - 1  # what a timer can wait

_NOT_GIVEN: Final = object()


class AbortEvent(NamedTuple):
    """What a listener gets."""

    type: str
    target: "AbortSignal"


Listener = Callable[[AbortEvent], object]


class AbortSignal:
    """Tells that something is to stop. Made by AbortController, or by `abort`, `timeout` and `any`.

    Not thread-safe. Needs no loop, but for `timeout` and `scope`.
    """

    __slots__ = (
        "__weakref__", "_aborted", "_dependents", "_heard_dependents", "_listeners", "_on_abort", "_reason", "_sources", "_timer",
        "_traceback",
    )  # fmt: skip

    def __init__(self) -> None:
        raise TreadleError("ERR_ILLEGAL_CONSTRUCTOR", name="AbortSignal")

    @classmethod
    def _make(cls) -> "AbortSignal":
        signal = cls.__new__(cls)
        signal._aborted = False
        signal._reason = None
        signal._listeners = {}  # a dict for its order
        signal._on_abort = None
        signal._sources = ()
        signal._dependents = {}
        signal._heard_dependents = {}
        signal._timer = None
        return signal

    _aborted: bool
    _reason: Any
    _traceback: TracebackType | None  # that the reason had when it was given
    _listeners: dict[Listener, None]
    _on_abort: Listener | None
    _sources: "tuple[AbortSignal, ...]"
    _dependents: "dict[int, ref[AbortSignal]]"  # made by any() of this one; each removes itself when it goes
    _heard_dependents: "dict[int, AbortSignal]"  # those of them that have a listener, in the order of their first
    _timer: "Timeout | None"  # of timeout(), whose signal is made by any() of the one that has it

    @classmethod
    def abort(cls, reason: Any = _NOT_GIVEN) -> "AbortSignal":
        """One that is aborted already. reason: as for AbortController.abort."""
        signal = cls._make()
        signal._settle(_default_reason() if reason is _NOT_GIVEN else reason)
        return signal

    @classmethod
    def timeout(cls, delay_ms: float) -> "AbortSignal":
        """One that aborts after `delay_ms`, in the timers phase, with a TreadleError (ERR_TIMED_OUT, a TimeoutError).

        The timer does not hold the program, and ends with the last signal that depends on it. Raises TreadleError:
        ERR_NO_LOOP; ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE (0 ms to 24.8 days).
        """
        require_number(delay_ms, "delay_ms")
        if not 0 <= delay_ms <= TIMEOUT_MS_MAX:
            raise TreadleError("ERR_OUT_OF_RANGE", name="delay_ms", expected=f"from 0 to {TIMEOUT_MS_MAX}", received=delay_ms)
        clock = cls._make()
        clock._timer = running_loop().set_timeout(clock._time_out, delay_ms, delay_ms).unref()
        return cls.any((clock,))

    @classmethod
    def any(cls, signals: "Iterable[AbortSignal]") -> "AbortSignal":
        """One that aborts with the first of `signals`, for the same reason. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
        signals = list(signals)
        for source in signals:
            require_signal(source, "signals")
        signal = cls._make()
        sources: dict[int, AbortSignal] = {}
        for source in signals:
            if source._aborted:
                return cls.abort(source._reason)
            for root in source._sources or (source,):  # those that any() was made of: nobody else can abort it
                sources[id(root)] = root
        signal._sources = tuple(sources.values())
        for root in signal._sources:
            root._dependents[id(signal)] = ref(signal, partial(_forget, root._dependents, root._timer, id(signal)))
        return signal

    @property
    def aborted(self) -> bool:
        """Whether it has been aborted."""
        return self._aborted

    @property
    def reason(self) -> Any:
        """Why; None before that."""
        return self._reason

    def throw_if_aborted(self) -> None:
        """Raise the reason, if it is aborted; a TreadleError (ABORT_ERR) with `data["reason"]`, if that is no exception."""
        if self._aborted:
            raise self._as_exception()

    @property
    def on_abort(self) -> Listener | None:
        """One listener more, called in its turn; None: there is none."""
        return self._on_abort

    @on_abort.setter
    def on_abort(self, listener: Listener | None) -> None:
        if listener is not None:
            require_callable(listener, "on_abort")
        if self._on_abort is not None:
            self.remove_event_listener("abort", self._call_on_abort)
        self._on_abort = listener
        if listener is not None:
            self.add_event_listener("abort", self._call_on_abort)

    def add_event_listener(self, event: str, listener: Listener, *, once: bool = False) -> None:
        """Call `listener(AbortEvent)` when it aborts; never, if it has. A second time is ignored, and so is an event but 'abort'.

        Called inside abort(), in the order of adding; of a coroutine function, each call becomes a task of the running loop.
        once: as in Node; it happens once anyway. Raises TreadleError: ERR_INVALID_ARG_TYPE.
        """
        require_callable(listener, "listener")
        if event != "abort" or self._aborted or listener in self._listeners:
            return
        self._listeners[listener] = None
        for source in self._sources:
            source._heard_dependents.setdefault(id(self), self)

    def remove_event_listener(self, event: str, listener: Listener) -> None:
        """Undo add_event_listener. Whoever is removed while others are called is not called any more."""
        if event != "abort" or listener not in self._listeners:
            return
        del self._listeners[listener]
        if not self._listeners:
            for source in self._sources:
                source._heard_dependents.pop(id(self), None)

    def scope(self) -> "AbortScope":
        """`async with signal.scope(): ...`: the block is cancelled when the signal aborts, and raises its reason."""
        return AbortScope(self)

    def __repr__(self) -> str:
        return f"<AbortSignal {f'aborted: {self._reason!r}' if self._aborted else 'waiting'}>"

    # -- inside --------------------------------------------------------------------------------------------------

    def _time_out(self, delay_ms: float) -> None:
        self._abort(TreadleError("ERR_TIMED_OUT", operation="The operation", delay_ms=delay_ms))

    def _settle(self, reason: Any) -> None:
        self._aborted = True
        self._reason = reason
        self._traceback = getattr(reason, "__traceback__", None)

    def _abort(self, reason: Any) -> None:
        if self._aborted:
            return
        told = [self, *self._heard_dependents.values()]
        dependents = [dependent for entry in list(self._dependents.values()) if (dependent := entry()) is not None]
        for signal in (self, *dependents):  # ORDER: all of them know, before any listener runs; DOM, "signal abort"
            if not signal._aborted:
                signal._settle(reason)
            elif signal is not self and signal in told:
                told.remove(signal)  # another source was first
        errors = [error for signal in told for error in signal._tell()]
        if errors:
            _report(errors)

    def _tell(self) -> list[BaseException]:
        errors: list[BaseException] = []
        event = AbortEvent("abort", self)
        for listener in list(self._listeners):
            if listener in self._listeners:
                try:
                    result = listener(event)
                    if isinstance(result, Coroutine):
                        as_task(result)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # a CancelledError is somebody's, too: it is not for who aborts
                    errors.append(error)
        self._listeners.clear()
        for source in self._sources:
            source._heard_dependents.pop(id(self), None)
            _forget(source._dependents, source._timer, id(self))
        self._sources = ()
        return errors

    def _call_on_abort(self, event: AbortEvent) -> object:
        return None if self._on_abort is None else self._on_abort(event)

    def _as_exception(self) -> BaseException:
        if isinstance(self._reason, BaseException):
            return self._reason.with_traceback(self._traceback)  # each raise would add to it, as long as the signal lives
        return TreadleError("ABORT_ERR", reason=self._reason)


class AbortController:
    """Whoever may say stop: hand out `signal`, call `abort()`."""

    __slots__ = ("__weakref__", "_signal")

    def __init__(self) -> None:
        self._signal = AbortSignal._make()

    @property
    def signal(self) -> AbortSignal:
        """What to hand out."""
        return self._signal

    def abort(self, reason: Any = _NOT_GIVEN) -> None:
        """Abort the signal, and call its listeners before this returns. A second call does nothing.

        reason: what `signal.reason` will be, best an exception; a TreadleError (ABORT_ERR) by default. A listener that raises
        does not keep the others from being called; its exception is uncaught in the next tick, or raised here where no loop runs.
        """
        self._signal._abort(_default_reason() if reason is _NOT_GIVEN else reason)

    def __repr__(self) -> str:
        return f"<AbortController {self._signal!r}>"


class AbortScope:
    """The block of `AbortSignal.scope`. Cancels the task that runs it, once, and takes that cancellation back at its end."""

    __slots__ = ("_cancelling", "_due", "_has_cancelled", "_signal", "_task")

    def __init__(self, signal: AbortSignal) -> None:
        self._signal = signal
        self._task: Task[object] | None = None
        self._due: Handle | None = None
        self._has_cancelled = False

    async def __aenter__(self) -> AbortSignal:
        from asyncio import current_task

        if self._task is not None:
            raise TreadleError("ERR_INVALID_STATE", state="a scope is entered once")
        self._signal.throw_if_aborted()
        self._task = current_task()
        assert self._task is not None, "async with runs in a task"
        self._cancelling = self._task.cancelling()
        self._signal.add_event_listener("abort", self._on_abort)
        return self._signal

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from asyncio import CancelledError

        self._signal.remove_event_listener("abort", self._on_abort)
        task = self._task
        if self._due is not None and not self._has_cancelled:  # the block aborted itself, and has not waited since
            self._due.cancel()
            if kind is None:
                raise self._signal._as_exception()
            return
        # As asyncio.timeout: only if nobody else has cancelled the task, too, is the cancellation ours.
        is_ours = self._has_cancelled and task is not None and task.uncancel() <= self._cancelling
        if is_ours and kind is not None and issubclass(kind, CancelledError):
            raise self._signal._as_exception() from error

    def _on_abort(self, _: AbortEvent) -> None:
        from asyncio import current_task, get_running_loop

        if current_task() is self._task:  # ORDER: cancelled while it waits; before 3.13 a cancellation from its own step stays
            self._due = get_running_loop().call_soon(self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        assert self._task is not None
        self._has_cancelled = True
        self._task.cancel()


def require_signal(value: object, name: str) -> None:
    """Raise ERR_INVALID_ARG_TYPE unless `value` is an AbortSignal; `name` is the parameter it came in by."""
    if not isinstance(value, AbortSignal):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an AbortSignal", received=type(value).__name__)


def _forget(dependents: dict[int, Any], timer: "Timeout | None", key: int, _: object = None) -> None:
    """A signal that any() made is gone; with the last one that waits for a timeout, so is its timer."""
    dependents.pop(key, None)
    if timer is not None and not dependents:
        timer.close()


def _default_reason() -> TreadleError:
    return TreadleError("ABORT_ERR", reason=None)


def _report(errors: list[BaseException]) -> None:
    """Each is uncaught in a tick of its own, as in Node: whoever aborts is not hit by it. Without a loop the first is raised."""
    try:
        loop = running_loop()
    except TreadleError:
        raise errors[0] from None
    for error in errors:
        loop.next_tick(_raise, error)


def _raise(error: BaseException) -> None:
    raise error

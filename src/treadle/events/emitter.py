"""EventEmitter: named events, and the listeners that run inside emit().

Invariants: emit() calls exactly the listeners there were when it began; an 'error' that nobody listens for is raised;
nothing is allocated until the first listener. Belongs to the thread of its loop: no method is thread-safe.
Not here: emit() itself (_native.emitter); waiting for an event (_once.py, _iterator.py). Source: https://nodejs.org/api/events.html.
"""

from collections.abc import Coroutine, Hashable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, cast

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._base.warning import TreadleWarning, issue_warning
from treadle._native.emitter import EmitterCore, ListenerList
from treadle.events._listeners import Listener, OnceListener, is_entry_of, original_of
from treadle.events._loop import as_task, running_loop

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["ERROR_MONITOR", "EventEmitter", "Listener", "MaxListenersExceededWarning", "error_of"]


class _Symbol:
    """An event name that equals no other."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ERROR_MONITOR: Final = _Symbol("events.ERROR_MONITOR")
"""Listeners of this event see every 'error' first, and do not count as handling it."""


class MaxListenersExceededWarning(TreadleWarning):
    """More listeners for one event than set_max_listeners() allows: most often one is added per request, never removed."""

    def __init__(self, emitter: "EventEmitter", event: Hashable, count: int, limit: float) -> None:
        super().__init__(
            f"{count} {event!r} listeners on one {type(emitter).__name__}, more than {limit}: a leak? "
            "If all are wanted, set_max_listeners() raises the limit",
            name="MaxListenersExceededWarning",
        )
        self.emitter = emitter
        self.event = event
        self.count = count


class EventEmitter(EmitterCore):
    """Base of everything that emits events.

    Events are named by any hashable, most often a str. Three names have a meaning of their own: 'error' (raised when
    nobody listens), 'new_listener' (event, listener: before it is added) and 'remove_listener' (event, listener: after
    it was removed; COMPAT(node): always the listener as the user gave it, where Node shows its wrapper at times).

    A listener may be a coroutine function: each call becomes a task of the running loop, which begins at once (on CPython 3.11,
    as a microtask). If it fails, its exception is emitted as 'error' in a next tick when `capture_rejections` is set, and is an
    unhandled rejection otherwise.
    """

    __slots__ = ()

    default_max_listeners: ClassVar[float] = 10
    """Limit of every emitter without one of its own. Ten, as in Node: more on one event mostly is a leak."""

    def __init__(self, *, capture_rejections: bool = False) -> None:
        self._capture_rejections = capture_rejections

    # -- emitting: emit() is the base's -----------------------------------------------------------------------------

    def _require_error_listener(self, args: tuple[object, ...]) -> None:
        events = self._events
        if events is not None:
            if ERROR_MONITOR in events:
                self.emit(ERROR_MONITOR, *args)
            if "error" in events:
                return
        raise error_of(args)

    def _follow(self, result: object) -> None:
        # What a listener returned: a coroutine has to be run, a future or task runs already. The task has no name here: one that
        # has failed by now has this frame in its traceback, which would hold it.
        if not isinstance(result, Coroutine):
            if self._capture_rejections and hasattr(result, "add_done_callback"):
                cast("Future[object]", result).add_done_callback(self._on_settled)
        elif self._capture_rejections:
            as_task(result).add_done_callback(self._on_settled)
        else:
            as_task(result)

    def _on_settled(self, task: "Future[object]") -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            running_loop().next_tick(self._emit_rejection, error)

    def _emit_rejection(self, error: Exception) -> None:
        # COMPAT(node): a failing async listener of this 'error' is not captured again; that would never end.
        self._capture_rejections = False
        try:
            self.emit("error", error)
        finally:
            self._capture_rejections = True

    def _make_future(self) -> "Future[Any]":
        # What once() of treadle.events gives.
        future: Future[Any] = running_loop().create_future()
        return future

    def _note_raised(self, error: BaseException) -> None:
        """What it has emitted as 'error' is raised in the current task. Here: nobody minds."""

    # -- adding and removing -------------------------------------------------------------------------------------

    def on(self, event: Hashable, listener: Listener, /) -> Self:
        """Call `listener` at every `event`, after those that are there. Adding it twice calls it twice."""
        return self._add(event, listener, is_first=False)

    def prepend_listener(self, event: Hashable, listener: Listener, /) -> Self:
        """As on(), but before those that are there."""
        return self._add(event, listener, is_first=True)

    def once(self, event: Hashable, listener: Listener, /) -> Self:
        """Call `listener` at the next `event` only; it is removed before it is called."""
        require_callable(listener, "listener")
        return self.on(event, OnceListener(self, event, listener))

    def prepend_once_listener(self, event: Hashable, listener: Listener, /) -> Self:
        """As once(), but before those that are there."""
        require_callable(listener, "listener")
        return self.prepend_listener(event, OnceListener(self, event, listener))

    def off(self, event: Hashable, listener: Listener, /) -> Self:
        """Remove one `listener` of `event`, the latest if it was added more than once; nothing if it is not there."""
        require_callable(listener, "listener")
        events = self._events
        if events is None or (entry := events.get(event)) is None:
            return self
        if type(entry) is ListenerList:
            for position in range(len(entry) - 1, -1, -1):
                if is_entry_of(entry[position], listener):
                    break
            else:
                return self
            removed = entry.pop(position)
            if len(entry) == 1:
                events[event] = entry[0]
        else:
            removed = cast(Listener, entry)
            if not is_entry_of(removed, listener):
                return self
            del events[event]
        if "remove_listener" in events:
            self.emit("remove_listener", event, original_of(removed))
        return self

    def remove_all_listeners(self, event: Hashable | None = None, /) -> Self:
        """Remove the listeners of `event`, or those of all events, latest first."""
        events = self._events
        if events is None:
            return self
        if "remove_listener" in events:  # ORDER: event by event, and this one last, so that it sees all others go
            names = [name for name in events if name != "remove_listener"] if event is None else [event]
            for name in names:
                for listener in reversed(self.raw_listeners(name)):
                    self.remove_listener(name, listener)
        if event is None:
            events.clear()
        else:
            events.pop(event, None)
        return self

    add_listener = on
    remove_listener = off

    def _add(self, event: Hashable, listener: Listener, *, is_first: bool) -> Self:
        require_callable(listener, "listener")
        events = self._events
        if events is None:
            events = self._events = {}
        elif "new_listener" in events:
            self.emit("new_listener", event, original_of(listener))  # ORDER: before it is added; may add others
        entry = events.get(event)
        if entry is None:
            events[event] = listener
            return self
        if type(entry) is not ListenerList:
            entry = events[event] = ListenerList((cast(Listener, entry),))
        if is_first:
            entry.insert(0, listener)
        else:
            entry.append(listener)
        limit = self.get_max_listeners()
        if 0 < limit < len(entry) and not entry.has_warned:
            entry.has_warned = True
            issue_warning(MaxListenersExceededWarning(self, event, len(entry), limit))
        return self

    # -- looking -------------------------------------------------------------------------------------------------

    def listeners(self, event: Hashable, /) -> list[Listener]:
        """The listeners of `event`, as they were given, in order: a copy."""
        return [original_of(listener) for listener in self.raw_listeners(event)]

    def raw_listeners(self, event: Hashable, /) -> list[Listener]:
        """As listeners(), but those of once() as wrappers: calling one removes it; `.listener` is the original."""
        entry = None if self._events is None else self._events.get(event)
        if entry is None:
            return []
        return list(entry) if type(entry) is ListenerList else [cast(Listener, entry)]

    def listener_count(self, event: Hashable, listener: Listener | None = None, /) -> int:
        """How many listeners `event` has, or how many times `listener` is among them."""
        if listener is None:
            return len(self.raw_listeners(event))
        return sum(is_entry_of(entry, listener) for entry in self.raw_listeners(event))

    def event_names(self) -> list[Hashable]:
        """The events that have listeners, in the order of their first one."""
        return [] if self._events is None else list(self._events)

    # -- the limit -----------------------------------------------------------------------------------------------

    def set_max_listeners(self, limit: float, /) -> Self:
        """Warn (once per event) when an event gets more than `limit` listeners; 0 or inf: never."""
        if not isinstance(limit, int | float):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="limit", expected="a number", received=type(limit).__name__)
        if not limit >= 0:  # so that NaN is refused, too
            raise TreadleError("ERR_OUT_OF_RANGE", name="limit", expected="at least 0", received=limit)
        self._max_listeners = limit
        return self

    def get_max_listeners(self) -> float:
        """The limit in force: this emitter's own, or `default_max_listeners`."""
        return self.default_max_listeners if self._max_listeners is None else self._max_listeners


def error_of(args: tuple[object, ...]) -> BaseException:
    """The exception that an 'error' event with these arguments stands for."""
    context = args[0] if args else None
    if isinstance(context, BaseException):
        return context
    return TreadleError("ERR_UNHANDLED_ERROR", context=context)

"""EventEmitter, and two ways to await its events; AbortController and its signal. Source: https://nodejs.org/api/events.html.
Invariant: listeners run in the order they were added, synchronously, inside emit(). Not here: the events of particular
objects (http, process)."""

from treadle.events._iterator import EventIterator, EventIteratorStatistics, on
from treadle.events._once import once
from treadle.events.abort import AbortController, AbortEvent, AbortScope, AbortSignal
from treadle.events.emitter import ERROR_MONITOR, EventEmitter, Listener, MaxListenersExceededWarning

__all__ = [
    "ERROR_MONITOR",
    "AbortController",
    "AbortEvent",
    "AbortScope",
    "AbortSignal",
    "EventEmitter",
    "EventIterator",
    "EventIteratorStatistics",
    "Listener",
    "MaxListenersExceededWarning",
    "on",
    "once",
]

"""Emitting: whom an event calls, and in which order.

    emitter._events = { "close": listener,                           one: the callable itself, no list
                        "data":  ListenerList(listener, Once, ...) } two or more

Invariants: emit() calls exactly the listeners there were when it began; an 'error' that nobody listens for is raised; nothing is
allocated until the first listener. Not here: adding and removing, warnings, and what becomes of a listener that is a coroutine
function (treadle.events, whose EventEmitter is the only subclass that the public knows).
Source: https://nodejs.org/api/events.html.
"""


cdef class ListenerList(list):
    """At least two listeners, in the order in which emit() calls them."""


cdef class NativeListener:
    """A listener of one argument that other native code calls without going through Python."""

    def __call__(self, argument):
        self.hear(argument)

    cdef int hear(self, argument) except -1:
        raise NotImplementedError


cdef class EmitterCore:
    """The part of EventEmitter that runs at every event."""

    def emit(self, event, /, *args):
        """Call the listeners of `event` with `args`, in order; True if there was one.

        What a listener raises leaves emit() at once, and the rest are not called. 'error' without a listener raises
        its first argument, or ERR_UNHANDLED_ERROR (data: context) if that is no exception.
        """
        return self.call_listeners(event, args)

    def _follow(self, returned):
        """A listener returned something other than None. Here: nobody minds."""

    def _require_error_listener(self, args):
        """An 'error' is about to be emitted. Here: nobody minds where nobody hears it."""

    cdef bint hears(self, event) except -1:
        return self._events is not None and event in self._events

    # As emit(), with no argument and with one.

    cdef bint emit_none(self, event) except -1:
        cdef object entry
        if self.has_own_emit:
            return self.emit(event)
        if self._events is None:
            return False
        entry = self._events.get(event)
        if entry is None:
            return False
        if type(entry) is ListenerList:
            return self.call_listeners(event, ())
        self.take_returned(entry())
        return True

    cdef bint emit_one(self, event, argument) except -1:
        # INVARIANT: event is not 'error'.
        cdef object entry
        if self.has_own_emit:
            return self.emit(event, argument)
        if self._events is None:
            return False
        entry = self._events.get(event)
        if entry is None:
            return False
        if isinstance(entry, NativeListener):
            (<NativeListener>entry).hear(argument)
        elif type(entry) is ListenerList:
            return self.call_listeners(event, (argument,))
        else:
            self.take_returned(entry(argument))
        return True

    cdef bint call_listeners(self, event, tuple arguments) except -1:
        cdef object entry
        if event == "error":
            self._require_error_listener(arguments)
        if self._events is None:
            return False
        entry = self._events.get(event)
        if entry is None:
            return False
        if type(entry) is ListenerList:
            for listener in tuple(<list>entry):     # ORDER: who is added or removed from now on does not change this round
                self.take_returned(listener(*arguments))
        else:
            self.take_returned(entry(*arguments))
        return True

    cdef int take_returned(self, returned) except -1:
        if returned is not None:
            self._follow(returned)
        return 0

"""A pipe: what a readable emits is written to a destination, as fast as that takes it.

    source ──'data'──► write() ── False ──► the source pauses ──'drain' of all that are full──► it resumes

Invariants: it listens as long as it stands, and leaves no listener behind; an error of one side neither ends nor destroys the other
(pipeline does); what write() and end() raise is an error of the destination, since nobody has called them but the pipe. Not here:
which pipes a source has, and unpipe() (treadle.streams).
Source: https://nodejs.org/api/stream.html#readablepipedestination-options
"""
from cpython.object cimport PyObject
from cpython.pyport cimport PY_SSIZE_T_MAX

from treadle._native.readable cimport ReadableState, readable_of
from treadle._native.stream_core cimport Attempt, StreamCore, failure_of_attempt
from treadle._native.stream_states cimport END_EMITTED, FLOWING
from treadle._native.writable cimport WritableCore, WritableState, writable_of, write_on


cdef int attempt_write(Pipe pipe, object chunk) except -1:
    cdef PyObject *state
    cdef bint goes_on
    if pipe.core is not None:
        state = <PyObject *>pipe.core.writable_half
        goes_on = write_on(<WritableState>state, chunk)
    else:
        goes_on = pipe.destination.write(chunk) is not False
    if not goes_on:
        pipe.wait_for_drain()
    return 0


cdef class Pipe(NativeListener):
    """One source, one destination. Itself the listener for 'data'."""

    def __init__(self, StreamCore source, destination):
        self.source = source
        self.destination = destination
        if isinstance(destination, WritableCore) and type(destination).write is WritableCore.write \
                and "write" not in getattr(destination, "__dict__", ()):
            self.core = destination
            writable_of(self.core)      # its side is there

    def begin(self, ends):
        """Listen, and let the source flow. ends: the end of the source ends the destination."""
        cdef StreamCore source = self.source
        cdef ReadableState state = readable_of(source)
        destination = self.destination
        if state.pipes is None:
            state.pipes = []
            state.awaiting_drain = set()
        elif len(state.pipes) == 1:
            state.awaits_many = True
        state.pipes.append(self)
        at_end = self.end_destination if ends else self.unpipe
        if state.supply == END_EMITTED:
            source.tick(at_end, ())
        else:
            source.once("end", at_end)
        destination.on("unpipe", self.on_unpipe)
        source.on("data", self)
        destination.prepend_listener("error", self.on_error)    # ORDER: before the user's
        destination.once("close", self.on_close)
        destination.once("finish", self.on_finish)
        destination.emit("pipe", source)
        if getattr(destination, "writable_need_drain", False) is True:
            self.wait_for_drain()
        elif state.flow != FLOWING:
            source.resume()

    cdef int hear(self, argument) except -1:
        if (<Attempt><void *>attempt_write)(<void *>self, <void *>argument) < 0:
            return self.fail(failure_of_attempt())
        return 0

    cdef int fail(self, error) except -1:
        # The destination takes no chunk, or no end: it is destroyed with what it has raised.
        if isinstance(self.destination, StreamCore):
            return (<StreamCore>self.destination).fail_by_pipe(error)
        self.destination.destroy(error)
        return 0

    cdef int wait_for_drain(self) except -1:
        # The destination is full, or was when the pipe began.
        cdef ReadableState state = readable_of(self.source)
        if not self.is_over:
            if len(state.pipes) == 1 and state.pipes[0] is self:
                state.awaiting_drain.clear()
                state.awaits_many = False
                state.awaiting_drain.add(self.destination)
            elif len(state.pipes) > 1 and self in state.pipes:
                state.awaiting_drain.add(self.destination)
            self.source.pause()
        if not self.hears_drain:
            self.hears_drain = True
            self.destination.on("drain", self.on_drain)
        return 0

    def on_drain(self):
        cdef ReadableState state = readable_of(self.source)
        state.awaiting_drain.discard(self.destination)
        if not state.awaiting_drain and state.hears_data:
            self.source.resume()

    def end_destination(self):
        error = failure_of_ending(self.destination)
        if error is not None:
            self.fail(error)

    def unpipe(self):
        self.source.unpipe(self.destination)

    def on_unpipe(self, source, notice=None):
        # notice: has_unpiped tells whether another pipe between the same two has taken it.
        if source is self.source and notice is not None and notice.get("has_unpiped") is False:
            notice["has_unpiped"] = True
            self.clean_up()

    def on_error(self, error):
        destination = self.destination
        self.unpipe()
        destination.off("error", self.on_error)
        if destination.listener_count("error") == 0:
            if isinstance(destination, StreamCore) and not (<StreamCore>destination).error_emitted:
                (<StreamCore>destination).error_or_destroy(error, False)    # the user emitted it by hand
            else:
                destination.emit("error", error)

    def on_close(self, *_):
        self.destination.off("finish", self.on_finish)
        self.unpipe()

    def on_finish(self):
        self.destination.off("close", self.on_close)
        self.unpipe()

    cdef int clean_up(self) except -1:
        cdef ReadableState state = readable_of(self.source)
        source, destination = self.source, self.destination
        destination.off("close", self.on_close)
        destination.off("finish", self.on_finish)
        if self.hears_drain:
            destination.off("drain", self.on_drain)
        destination.off("error", self.on_error)
        destination.off("unpipe", self.on_unpipe)
        source.off("end", self.end_destination)
        source.off("end", self.unpipe)
        source.off("data", self)
        self.is_over = True
        # Whoever waits for it would wait for ever.
        if self.hears_drain and (state.awaits_many or state.awaiting_drain) and (
                not isinstance(destination, WritableCore) or writable_of(destination).needs_drain):
            self.on_drain()
        return 0


cdef Py_ssize_t room_behind(ReadableState state):
    # What a chunk may have that passes through `state` to every destination, each a Writable that holds some already, and bursts
    # no mark. An empty one, or one that says nothing of itself, takes a chunk of any size.
    cdef Py_ssize_t room = PY_SSIZE_T_MAX
    cdef WritableState sink
    cdef Pipe pipe
    if state.flow == FLOWING and state.pipes is not None:
        for pipe in state.pipes:
            if pipe.core is not None:
                sink = writable_of(pipe.core)
                if sink.length and not sink.object_mode:
                    room = min(room, max(sink.high_water_mark - sink.length, 0))
    return room


def failure_of_ending(destination):
    """End it. What that has raised, or None."""
    try:
        destination.end()
    except Exception as error:
        return error


def pipes_of(StreamCore source):
    """The destinations of a readable, in order: a copy."""
    cdef list pipes = readable_of(source).pipes
    return [pipe.destination for pipe in pipes or ()]


def take_pipes(StreamCore source, destination=None):
    """Forget the first pipe to that destination, or all; those that were forgotten."""
    cdef ReadableState state = readable_of(source)
    cdef list pipes = state.pipes
    if not pipes:
        return []
    if destination is None:
        state.pipes = []
        return pipes
    for pipe in pipes:
        if pipe.destination is destination:
            pipes.remove(pipe)
            return [pipe]
    return []
